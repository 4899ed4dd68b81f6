"""A municipality with room for thousands of bookings, for the benchmarks that book."""

from __future__ import annotations

import itertools
import random
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session

from backend.app import build_house
from backend.booking import rules
from backend.booking.tables import Therapist, WorkingHours
from backend.config import ROOT, load_settings
from backend.core import migrate
from backend.core.codes import Codebook, NewCode
from backend.core.db import Database
from backend.core.house import House
from backend.core.people import StaffMember
from bench import servers

THERAPISTS = 40
NOW = datetime(2026, 11, 25, 8, 0, tzinfo=UTC)
_OPENS, _CLOSES = 9 * 60 + 20, 20 * 60


class StillClock:
    """It is always Wednesday 25 November 2026, nine in the morning."""

    def now(self) -> datetime:
        """See `backend.core.clock.Clock.now`."""
        return NOW


class ReadyCodes(Codebook):
    """Codes with a digest out of thin air.

    The real digest is made slow on purpose (about 20 ms of one core, in its own
    threads) and would be all that these benchmarks see.
    """

    async def new(self) -> NewCode:
        """See `Codebook.new`."""
        return NewCode("ett två tre fyra fem sex", random.randbytes(32))


def open_house(url: str, *, ready_codes: bool = True, therapists: int = THERAPISTS) -> House:
    """A house on an empty database, with therapists who work from 9.20 to 20 every weekday."""
    database = Database(url)
    migrate.upgrade(database.engine)
    settings = load_settings(servers.settings(ROOT) | {"DATABASE_URL": url})
    house = build_house(settings, clock=StillClock(), database=database)
    if ready_codes:
        house.codes.close()
        house = replace(house, codes=ReadyCodes(ROOT / "content" / "sv" / "codewords.txt", b"p" * 32))
    database.write_now(lambda session: _employ(session, therapists))
    return house


def _employ(session: Session, therapists: int) -> None:
    for number in range(therapists):
        name = f"therapist-{number:02}"
        session.add(
            StaffMember(
                id=name,
                login=name,
                first_name=name,
                role="therapist",
                unit="behandlare",
                password_hash="",
                created_at=NOW,
            )
        )
        session.flush()
        session.add(Therapist(staff_id=name, channels="chat,phone,video", meeting_url=None))
        session.flush()
        session.add_all(
            WorkingHours(staff_id=name, weekday=day, start_minute=_OPENS, end_minute=_CLOSES) for day in range(5)
        )


def slots(count: int, therapists: int = THERAPISTS) -> list[str]:
    """``count`` slots, each start as often as there are therapists; all of them can be booked."""
    terms = rules.Terms(30, 10, 15)
    starts: list[datetime] = []
    day = date(2026, 11, 25)
    while len(starts) * therapists < count:
        if day.weekday() < 5:
            opens, closes = rules.instant(day, _OPENS), rules.instant(day, _CLOSES)
            starts += rules.starts((opens, closes), (), terms, opens)
        day += timedelta(days=1)
    wanted = [rules.slot_id(start, None) for start in starts for _ in range(therapists)][:count]
    random.Random(1).shuffle(wanted)
    return wanted


def sqlite_url(directory: Path, name: str, numbers: Any = itertools.count()) -> str:  # noqa: B008
    """The URL of a new database file in ``directory``."""
    return f"sqlite:///{directory / f'{name}-{next(numbers)}.db'}"
