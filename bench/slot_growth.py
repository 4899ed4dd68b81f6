"""How much slower the search for free times becomes when a million talks lie in the database instead of a hundred.

The same forty therapists, the same hundred talks in the days that are searched; the others lie before them, back to
back, each with its cells. What is timed is `Offering.offer`: hours, absences, what is occupied, the nearest four times.
"""

from __future__ import annotations

import asyncio
import statistics
import time

import sqlalchemy as sa

from backend.booking.offering import Offering
from backend.booking.service import BookingDesk
from backend.core.house import House
from bench import bookings, servers
from bench.common import Report
from tests import postgres

FEW, MANY = 100, 1_000_000
ROUNDS = 5
SEARCHES = 20
_TOP = int(bookings.NOW.timestamp()) // 86_400 * 288
"""The cell of midnight; what is filled in lies before it."""

_SQLITE = (
    """
    WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < :count - 1)
    INSERT INTO booking (id, therapist_id, start_at, end_at, state, lang, created_at)
    SELECT printf('%024d', i), printf('therapist-%02d', i % 40),
           strftime('%Y-%m-%d %H:%M:%S.000000', (:top - (i / 40 + 1) * 8) * 300, 'unixepoch'),
           strftime('%Y-%m-%d %H:%M:%S.000000', (:top - (i / 40 + 1) * 8) * 300 + 1800, 'unixepoch'),
           'booked', 'sv', '2026-11-25 08:00:00.000000'
    FROM n
    """,
    """
    WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < :count - 1),
                   k(j) AS (SELECT 0 UNION ALL SELECT j + 1 FROM k WHERE j < 7)
    INSERT INTO booking_cell (therapist_id, cell, booking_id)
    SELECT printf('therapist-%02d', i % 40), :top - (i / 40 + 1) * 8 + j, printf('%024d', i)
    FROM n CROSS JOIN k
    """,
)
_POSTGRES = (
    """
    INSERT INTO booking (id, therapist_id, start_at, end_at, state, lang, created_at)
    SELECT lpad(i::text, 24, '0'), 'therapist-' || lpad((i % 40)::text, 2, '0'),
           to_timestamp((:top - (i / 40 + 1) * 8) * 300), to_timestamp((:top - (i / 40 + 1) * 8) * 300 + 1800),
           'booked', 'sv', '2026-11-25 08:00:00+00'
    FROM generate_series(0, :count - 1) AS i
    """,
    """
    INSERT INTO booking_cell (therapist_id, cell, booking_id)
    SELECT 'therapist-' || lpad((i % 40)::text, 2, '0'), :top - (i / 40 + 1) * 8 + j, lpad(i::text, 24, '0')
    FROM generate_series(0, :count - 1) AS i CROSS JOIN generate_series(0, 7) AS j
    """,
)


def filled(url: str, count: int) -> House:
    """A house with ``count`` talks, a hundred of them in the days that are searched."""
    house = bookings.open_house(url)
    desk = BookingDesk(house)
    slots = bookings.slots(FEW)

    async def ahead() -> None:
        for number, slot in enumerate(slots):
            await desk.hold(f"chat:{number}", slot)

    asyncio.run(ahead())
    with house.db.engine.begin() as connection:
        connection.execute(sa.text("UPDATE booking SET state = 'booked', hold_until = NULL"))
        for statement in _SQLITE if house.db.sqlite else _POSTGRES:
            if count > FEW:
                connection.execute(sa.text(statement), {"count": count - FEW, "top": _TOP})
    if not house.db.sqlite:
        with house.db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(sa.text("VACUUM ANALYZE"))
    with house.db.engine.connect() as connection:
        found = connection.execute(sa.text("SELECT count(*) FROM booking")).scalar_one()
        assert found == count, (found, count)
    return house


def search_ms(house: House) -> float:
    """The median of some searches, in milliseconds. Raises `AssertionError` for an offer that is not full."""
    offering = Offering(house)

    async def searches() -> list[float]:
        waits = []
        for _ in range(SEARCHES):
            began = time.perf_counter()
            offer = await offering.offer()
            waits.append((time.perf_counter() - began) * 1000)
            assert len(offer.times) == 4 and offer.within
        return waits

    return statistics.median(asyncio.run(searches()))


def compare(name: str, few: House, many: House, limit: float) -> None:
    """Take turns, so that a busy minute falls on both."""
    for house in (few, many):
        search_ms(house)
    pairs = [(search_ms(few), search_ms(many)) for _ in range(ROUNDS)]
    told = Report(name, [small for small, _ in pairs])
    told.at_most(f"search at {MANY:,} talks ÷ at {FEW}", [large / small for small, large in pairs], limit)
    told.told(f"search at {FEW} talks", [small for small, _ in pairs], "ms")
    told.told(f"search at {MANY:,} talks", [large for _, large in pairs], "ms")
    told.notes.append(f"{bookings.THERAPISTS} therapists; {FEW} talks in the days that are searched, both times.")
    told.finish()
    for house in (few, many):
        house.codes.close()
        house.db.close()


def main() -> None:
    """Measure and report, on SQLite and PostgreSQL."""
    with servers.scratch() as directory:
        few = filled(bookings.sqlite_url(directory, "few"), FEW)
        compare("slot_growth", few, filled(bookings.sqlite_url(directory, "many"), MANY), 2.0)
    with postgres.serve() as server:
        few = filled(server.new_database(), FEW)
        compare("slot_growth_pg", few, filled(server.new_database(), MANY), 4.0)


if __name__ == "__main__":
    main()
