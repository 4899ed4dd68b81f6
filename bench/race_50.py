"""Ten thousand attempts on fifty times, from two processes with five hundred of them in flight: exactly fifty are booked.

First at a server with our desk behind one bare route (hold, confirm), against the same server with the desk that
looks first and stores afterwards; it double-books, which is counted. Then all ten thousand fill in the real pages of
the real server, each of whom is shown other times when their time is gone.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import sqlalchemy as sa

from backend.booking.lifecycle import BOOKED, HELD
from backend.booking.tables import Booking
from backend.config import load_settings
from backend.core.audit import AuditEvent, Tag
from backend.core.db import Database
from backend.core.outbox import OutboxMessage
from bench import bookings, servers
from bench.common import Report, percentile
from scripts import steps
from scripts.environment import PYTHON
from tests import postgres
from tests.crowd import AT_ONCE, PROCESSES, Step, Visit, Visited, visit_all
from tests.town import Town

ATTEMPTS = 10_000
TIMES = 50
THERAPISTS = 5
ROUNDS = 3
NAIVE_ATTEMPTS = 500
"""Most of them are booked, which takes longer than being refused."""


@dataclass(frozen=True, slots=True)
class Race:
    """Attempts a second, 99th percentile of an answer in ms, how many were booked, and pairs of talks that overlap."""

    rate: float
    p99: float
    booked: int
    twice: int


def wishes(attempts: int = ATTEMPTS) -> dict[str, str]:
    """Who wants which time. Those who want the same come at the same moment."""
    starts = list(dict.fromkeys(bookings.slots(TIMES, THERAPISTS)))
    return {f"{number:022}": starts[number * len(starts) // attempts] for number in range(attempts)}


def at_bare_route(url: str, *, naive: bool = False) -> Race:
    """One race at a server of `bench.peers.ours`."""
    port = servers.free_port()
    command: list[str | Path] = [
        PYTHON,
        "-m",
        "bench.peers.ours",
        str(port),
        url,
        str(THERAPISTS),
        *(["naive"] if naive else []),
    ]
    process = steps.spawn(command, "bench-peer")
    address = f"http://127.0.0.1:{port}"
    try:
        servers.until_ok(f"{address}/health", process)
        visits = [
            Visit(name, [Step("/book", {"holder": f"form:{name}", "slot": slot})])
            for name, slot in wishes(NAIVE_ATTEMPTS if naive else ATTEMPTS).items()
        ]
        return race(address, url, visits)
    finally:
        steps.end([process])


def at_real_pages(url: str, directory: Path) -> Race:
    """One race at the server of `make run`, through the pages of ``/boka``."""
    house = bookings.open_house(url, ready_codes=False, therapists=THERAPISTS)
    house.codes.close()
    house.db.close()
    town = Town(load_settings(servers.settings(directory) | {"DATABASE_URL": url}), directory)
    visits = []
    for name, slot in wishes().items():
        fields = {"form": name, "slot": slot}
        hold = Step("/boka", fields | {"step": "hold"}, 'value="details"')
        confirm = Step("/boka", fields | {"step": "confirm", "channel": "chat"}, "code-words")
        visits.append(Visit(name, [hold, confirm]))
    try:
        town.start(bookings.NOW + timedelta(seconds=1))
        return race(town.url, url, visits)
    finally:
        town.stop()


def race(address: str, url: str, visits: list[Visit]) -> Race:
    """Let the crowd in. Raises `AssertionError` for another answer than booked or taken, and for one that is not true."""
    began = time.perf_counter()
    visited = visit_all(address, visits)
    seconds = time.perf_counter() - began
    told = Counter(each.statuses[-1] for each in visited)
    assert {200, 201, 409} >= set(told), told
    return look(url, visited, len(visits) / seconds)


def look(url: str, visited: list[Visited], rate: float) -> Race:
    """What the database says. Raises `AssertionError` when it is not what people were told."""
    told = {f"form:{each.name}" for each in visited if each.through}
    database = Database(url)
    with database.engine.connect() as connection:
        rows = connection.execute(
            sa.select(Booking.holder, Booking.therapist_id, Booking.start_at, Booking.end_at).where(
                Booking.state.in_((BOOKED, HELD))
            )
        ).all()
        traces = connection.execute(
            sa.select(sa.func.count()).select_from(AuditEvent).where(AuditEvent.tag == Tag.BOOKING_CONFIRMED.value)
        ).scalar_one()
        notices = connection.execute(sa.select(sa.func.count()).select_from(OutboxMessage)).scalar_one()
    database.close()
    assert {row[0] for row in rows} == told and len(rows) == len(told) == traces == notices, (
        len(rows),
        len(told),
        traces,
        notices,
    )
    twice = sum(
        one[1] == other[1] and one[2] < other[3] and other[2] < one[3]
        for place, one in enumerate(rows)
        for other in rows[:place]
    )
    waits = [seconds * 1000 for each in visited for seconds in each.seconds]
    return Race(rate, percentile(waits, 99), len(told), twice)


def measure(name: str, limit: float, new_url: Callable[[], str], directory: Path) -> None:
    """All of it on one kind of database. Raises `AssertionError` unless it is fifty, none of them twice."""
    ours, naive = [], []
    for _ in range(ROUNDS):
        naive.append(at_bare_route(new_url(), naive=True))
        ours.append(at_bare_route(new_url()))
    pages = at_real_pages(new_url(), directory)
    assert all((TIMES, 0) == (each.booked, each.twice) for each in (*ours, pages)), (ours, pages)
    assert any(each.twice for each in naive), "the naive desk was lucky: this race shows nothing"
    told = Report(name, [each.rate for each in naive])
    told.at_least("attempts, bare route", [each.rate for each in ours], limit, "/s")
    told.told("attempts of the naive desk", told.reference, "/s")
    told.told("p99, bare route", [each.p99 for each in ours], "ms")
    told.told("booked of fifty times", [float(each.booked) for each in (*ours, pages)])
    told.told("double bookings", [float(each.twice) for each in (*ours, pages)])
    told.told(f"double bookings of the naive desk in {NAIVE_ATTEMPTS}", [float(each.twice) for each in naive])
    told.told("attempts, real pages", [pages.rate], "/s")
    told.told("p99, real pages", [pages.p99], "ms")
    told.notes.append(
        f"{ATTEMPTS:,} attempts from {PROCESSES} processes, {AT_ONCE} in flight; no answer but booked and taken."
    )
    told.finish()


def main() -> None:
    """Measure and report, on SQLite and PostgreSQL."""
    with servers.scratch() as directory:
        measure("race_50", 1000, lambda: bookings.sqlite_url(directory, "race"), directory)
        with postgres.serve(durable=True) as server:
            measure("race_50_pg", 500, server.new_database, directory)


if __name__ == "__main__":
    main()
