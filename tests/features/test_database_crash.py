"""Promise: PostgreSQL killed in the middle of bookings has kept all that was acknowledged, and we go on by ourselves."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from backend.app import build_house
from backend.booking.lifecycle import BOOKED
from backend.booking.rules import slot_id
from backend.booking.schedule import moment
from backend.booking.service import BookingDesk, Details
from backend.booking.tables import Booking
from backend.config import Settings
from backend.core.db import Database
from backend.core.errors import AlreadyBooked, StorageUnavailable
from backend.core.house import House
from backend.core.idempotency import Key
from tests import postgres
from tests.conftest import ManualClock
from tests.therapists import add_therapist
from tests.whole import check_whole

KILLS = 3
TIMES = [600 + 40 * place for place in range(10)]


@pytest.fixture
def server() -> Iterator[postgres.Server]:
    """One that waits for the disk, as in production."""
    with postgres.serve(durable=True) as server:
        if server.process is None:
            pytest.skip("only a PostgreSQL of the machine's own can be killed")
        yield server


@pytest.fixture
def house(server: postgres.Server, settings: Settings) -> Iterator[House]:
    database = Database(server.new_database())
    house = build_house(settings, clock=ManualClock(), database=database)
    yield house
    house.codes.close()
    database.close()


def test_what_was_acknowledged_is_there_after_each_crash(server: postgres.Server, house: House) -> None:
    """Whoever got a code has a whole booking; whoever got an error books again as soon as the server is back."""
    process = server.process
    assert process is not None
    for number in range(KILLS + 1):
        add_therapist(house, f"t{number}", [("10:00", "16:40")])
    desk = BookingDesk(house)
    day = house.clock.now().date()
    wanted = {f"form:{minute}-{number}": minute for minute in TIMES for number in range(KILLS + 1)}
    acknowledged: dict[str, str] = {}

    async def book(holder: str) -> None:
        if holder in acknowledged:
            return
        with contextlib.suppress(StorageUnavailable):
            with contextlib.suppress(AlreadyBooked):
                await desk.hold(holder, slot_id(moment(day, wanted[holder]), None))
            key = Key(holder, "confirm", "")
            acknowledged[holder] = (await desk.confirm(holder, Details("chat"), key=key)).booking_id

    async def all_of_them(*, until: int) -> None:
        """Everybody who has no code yet tries; the server is killed when ``until`` have one."""
        tries = [asyncio.ensure_future(book(holder)) for holder in wanted]
        while len(acknowledged) < until and not all(each.done() for each in tries):
            await asyncio.sleep(0.001)
        if until < len(wanted):
            process.kill()
        await asyncio.gather(*tries)

    for number in range(KILLS):
        asyncio.run(all_of_them(until=len(acknowledged) + 4 + number))
        process.start()
        stored = house.db.read_now(lambda s: s.scalars(sa.select(Booking.id).where(Booking.state == BOOKED)).all())
        assert set(acknowledged.values()) <= set(stored)
        check_whole(house)
    asyncio.run(all_of_them(until=len(wanted)))
    assert set(wanted) == set(acknowledged)
    check_whole(house)
