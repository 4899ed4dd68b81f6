"""The inbox of a unit with 200 open concerns, among 100 and among 1,000,000 in all.

What is closed must not slow the list that staff look at all day. Also a search, which opens the
sealed words of fifty concerns: its time is that of the opening, however many have ever come.
On both databases.
"""

from __future__ import annotations

import asyncio
import json
import random
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from backend.concerns.inbox import Filter, InboxDesk
from backend.concerns.rules import PROTECTION_CHECK
from backend.concerns.service import ConcernDesk
from backend.concerns.tables import Concern, State
from backend.core.house import House
from backend.core.people import Role, StaffMember
from backend.core.vault import new_id
from bench import bookings
from bench.common import Report
from tests import postgres

ROUNDS = 7
LOOKS = 10
OPEN = 200
SMALL, LARGE = 100, 1_000_000
SEARCHED = 50
UNITS = ("mottagning_barn", "vuxen", "behandlare", "familjer")


def _rows(house: House, count: int) -> Iterator[dict[str, Any]]:
    rng = random.Random(7)
    words = json.dumps(["Pappa dricker varje kväll och jag är rädd. " * 9], ensure_ascii=False)
    for number in range(count + OPEN):
        concern_id, is_open = new_id(), number >= count
        received = bookings.NOW - timedelta(minutes=5 * (count + OPEN - number))
        data_key = house.vault.new_key() if is_open else b"-"
        yield {
            "id": concern_id,
            "state": (State.NEW if is_open else State.CLOSED).value,
            "unit": UNITS[0] if is_open else rng.choice(UNITS),
            "rule_id": "R07_child_writes",
            "rules_version": "bench",
            "reason": "Den som skriver är ett barn.",
            "also_tell": "",
            "restricted": number % 20 == 0,
            "reach": "code",
            "lang": "sv",
            "data_key": data_key,
            "words": house.vault.seal(data_key, f"concern.words:{concern_id}", words) if is_open else b"-",
            "consent_version": "sv:default:0",
            "body_digest": "",
            "receipt": new_id(),
            "received_at": received,
            "protection_due": received.date(),
            "next_clock": PROTECTION_CHECK if is_open else "",
            "next_due": received.date() if is_open else None,
            "changed_at": received,
            "closed_at": None if is_open else received,
        }


def _fill(house: House, count: int) -> StaffMember:
    """So many closed concerns and `OPEN` open ones, with the statistics that a running database keeps."""
    for chunk in _chunks(_rows(house, count), 20_000):
        house.db.write_now(lambda session, chunk=chunk: session.execute(sa.insert(Concern), chunk))  # type: ignore[misc]
    with house.db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("ANALYZE")
    karin = StaffMember(
        id=new_id(), login="bench", first_name="Karin", role=Role.CASE_WORKER.value, also="", qualified=True,
        unit=UNITS[0], mail="", password_hash="", active=True, created_at=bookings.NOW,
    )  # fmt: skip
    house.db.write_now(lambda session: session.add(karin))
    return karin


def _chunks(rows: Iterator[dict[str, Any]], size: int) -> Iterator[list[dict[str, Any]]]:
    chunk: list[dict[str, Any]] = []
    for row in rows:
        chunk.append(row)
        if len(chunk) == size:
            yield chunk
            chunk = []
    yield chunk


def _timed(work: Callable[[], Any], expected: int) -> float:
    """Milliseconds of one run; raises if it did not find what is there."""
    began = time.perf_counter()
    found = [work() for _ in range(LOOKS)]
    took = (time.perf_counter() - began) / LOOKS * 1000
    assert all(one == expected for one in found), found
    return took


def measure(name: str, urls: tuple[str, str]) -> None:
    """One database of each size, taking turns."""
    houses = [bookings.open_house(url) for url in urls]
    for house, count in zip(houses, (SMALL, LARGE), strict=True):
        began = time.perf_counter()
        _fill(house, count)
        print(f"  {name}: {count:,} closed and {OPEN} open in {time.perf_counter() - began:.0f} s", flush=True)
    looks: list[list[float]] = [[], []]
    searches: list[list[float]] = [[], []]
    loop = asyncio.new_event_loop()
    for _ in range(ROUNDS):
        for at, house in enumerate(houses):
            desk = InboxDesk(house, ConcernDesk(house))
            staff = house.db.read_now(_karin)
            looks[at].append(
                _timed(lambda: len(loop.run_until_complete(desk.look(staff, Filter())).items), OPEN)  # noqa: B023
            )
            searches[at].append(_timed(lambda: house.db.read_now(lambda session: _opened(house, session)), SEARCHED))  # noqa: B023
    loop.close()
    for house in houses:
        house.db.close()
    report = Report(name, looks[0])
    ratio = [large / small for small, large in zip(*looks, strict=True)]
    both = [(large + found) / (small + sought) for small, large, sought, found in zip(*looks, *searches, strict=True)]
    report.at_most(f"the list, {LARGE:,} against {SMALL}", ratio, 2)
    report.at_most(f"the list and {SEARCHED} texts opened", both, 2)
    report.told(f"the list among {LARGE:,}", looks[1], "ms")
    report.told(f"{SEARCHED} texts opened among {LARGE:,}", searches[1], "ms")
    report.finish()


def _karin(session: Session) -> StaffMember:
    return session.scalars(sa.select(StaffMember).where(StaffMember.login == "bench")).one()


def _opened(house: House, session: Session) -> int:
    """Open the words of fifty open concerns, as a search does."""
    rows = session.execute(
        sa.select(Concern.id, Concern.data_key, Concern.words)
        .where(Concern.unit == UNITS[0], Concern.closed_at.is_(None))
        .order_by(Concern.next_due, Concern.received_at)
        .limit(SEARCHED)
    )
    return sum("rädd" in house.vault.open(key, f"concern.words:{one}", words or b"") for one, key, words in rows)


def main() -> None:
    """Both databases, and the report of each."""
    with tempfile.TemporaryDirectory() as directory:
        measure(
            "inbox_growth",
            (bookings.sqlite_url(Path(directory), "small"), bookings.sqlite_url(Path(directory), "large")),
        )
    with postgres.serve() as server:
        measure("inbox_growth_pg", (server.new_database(), server.new_database()))


if __name__ == "__main__":
    main()
