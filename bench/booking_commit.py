"""How many talks a second are held and booked, against bare commits of the same rows.

A booking here is what it is for a person: a hold (booking, cells, trace) and its
confirmation (sealed details, code, trace, notice), each safely on disk before it is
acknowledged, with all checks, from 32 people at once. The reference writes ready-made
rows of the same tables, two commits a booking, and checks nothing: on SQLite one connection
of the standard library, on PostgreSQL its own pgbench with sixteen clients.
"""

from __future__ import annotations

import asyncio
import os
import re
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from backend.booking.service import BookingDesk, Details
from backend.core.db import Database
from bench import bookings, servers
from bench.common import Report
from tests import postgres

ROUNDS = 5
COUNT = 800
AT_ONCE = 32
CLIENTS = 16
CELLS = 8

Statement = tuple[str, list[tuple[Any, ...]]]


def ours(url: str) -> float:
    """Bookings a second through the desk. Raises `AssertionError` if rows and acknowledgements differ."""
    house = bookings.open_house(url)
    desk = BookingDesk(house)
    slots = bookings.slots(COUNT)

    async def all_of_them() -> float:
        gate = asyncio.Semaphore(AT_ONCE)

        async def one(number: int) -> None:
            async with gate:
                await desk.hold(f"chat:{number}", slots[number])
                await desk.confirm(f"chat:{number}", Details("chat"))

        began = time.perf_counter()
        await asyncio.gather(*(one(number) for number in range(COUNT)))
        return COUNT / (time.perf_counter() - began)

    rate = asyncio.run(all_of_them())
    check(house.db)
    house.codes.close()
    house.db.close()
    return rate


def check(database: Database) -> None:
    """Every booking that was acknowledged has its rows, and nothing else is there."""
    counts = {
        "booking": COUNT,
        "booking_cell": CELLS * COUNT,
        "return_code": COUNT,
        "outbox_message": COUNT,
        "audit_event": 2 * COUNT,
    }
    with database.engine.connect() as connection:
        for table, expected in counts.items():
            found = connection.execute(sa.text(f"SELECT count(*) FROM {table}")).scalar_one()
            assert found == expected, (table, found)


def rows(number: int) -> Iterator[list[Statement]]:
    """The two transactions of a booking, as statements with ready-made values."""
    therapist = f"therapist-{number % bookings.THERAPISTS:02}"
    at = "2026-11-25 08:00:00+00:00"
    booking, first = f"{number:024}", 6_000_000 + number // bookings.THERAPISTS * CELLS

    def into(table: str, columns: str, *values: tuple[Any, ...]) -> Statement:
        marks = ", ".join("?" * len(values[0]))
        return f"INSERT INTO {table} ({columns}) VALUES ({marks})", list(values)

    trace = "at, actor, tag, subject, detail"
    yield [
        into(
            "booking",
            "id, holder, therapist_id, start_at, end_at, state, hold_until, lang, created_at",
            (booking, f"chat:{number}", therapist, at, at, "held", at, "sv", at),
        ),
        into(
            "booking_cell",
            "therapist_id, cell, booking_id",
            *((therapist, first + cell, booking) for cell in range(CELLS)),
        ),
        into("audit_event", trace, (at, "visitor", "booking:booking:held", booking, "")),
    ]
    yield [
        (
            "UPDATE booking SET state = ?, hold_until = ?, channel = ?, data_key = ?, receipt = ?, confirmed_at = ? "
            "WHERE id = ?",
            [("booked", None, "chat", os.urandom(64), booking, at, booking)],
        ),
        into(
            "return_code",
            "id, digest, kind, subject, created_at, data_key, unsaved",
            (booking, os.urandom(32), "booking", booking, at, os.urandom(64), os.urandom(92)),
        ),
        into("audit_event", trace, (at, "visitor", "booking:booking:confirmed", booking, "")),
        into(
            "outbox_message",
            "id, about, recipient, subject, body, state, attempts, created_at, due_at, next_at, error",
            (
                booking,
                booking,
                "oppenvarden@exempelby.example",
                "Ny händelse",
                "Logga in för att läsa.",
                "pending",
                0,
                at,
                at,
                at,
                "",
            ),
        ),
    ]


def bare_sqlite(url: str) -> float:
    """Bookings a second on one connection of the standard library, synchronous=FULL."""
    house = bookings.open_house(url)
    connection = sqlite3.connect(house.db.url.database or "", isolation_level=None)
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA secure_delete=ON")
    work = [transaction for number in range(COUNT) for transaction in rows(number)]
    began = time.perf_counter()
    for transaction in work:
        connection.execute("BEGIN IMMEDIATE")
        for statement, values in transaction:
            connection.executemany(statement, values)
        connection.execute("COMMIT")
    rate = COUNT / (time.perf_counter() - began)
    connection.close()
    check(house.db)
    house.codes.close()
    house.db.close()
    return rate


_KEY = "decode(repeat('ab', 64), 'hex')"
PGBENCH = f"""
\\set number :client_id * {COUNT // CLIENTS} + :made
\\set made :made + 1
\\set therapist :number % {bookings.THERAPISTS}
\\set first 6000000 + :number / {bookings.THERAPISTS} * {CELLS}
BEGIN;
INSERT INTO booking (id, holder, therapist_id, start_at, end_at, state, hold_until, lang, created_at)
    VALUES (lpad(:number::text, 24, '0'), 'chat:' || :number::text, 'therapist-' || lpad(:therapist::text, 2, '0'),
            now(), now(), 'held', now(), 'sv', now());
INSERT INTO booking_cell (therapist_id, cell, booking_id) VALUES
    {", ".join(f"('therapist-' || lpad(:therapist::text, 2, '0'), :first::integer + {cell}, lpad(:number::text, 24, '0'))" for cell in range(CELLS))};
INSERT INTO audit_event (at, actor, tag, subject, detail)
    VALUES (now(), 'visitor', 'booking.booking.held', lpad(:number::text, 24, '0'), '');
COMMIT;
BEGIN;
UPDATE booking SET state = 'booked', hold_until = NULL, channel = 'chat', data_key = {_KEY},
    receipt = lpad(:number::text, 24, '0'), confirmed_at = now() WHERE id = lpad(:number::text, 24, '0');
INSERT INTO return_code (id, digest, kind, subject, created_at, data_key, unsaved)
    VALUES (lpad(:number::text, 24, '0'), sha256(:number::text::bytea), 'booking', lpad(:number::text, 24, '0'), now(),
            {_KEY}, {_KEY});
INSERT INTO audit_event (at, actor, tag, subject, detail)
    VALUES (now(), 'visitor', 'booking.booking.confirmed', lpad(:number::text, 24, '0'), '');
INSERT INTO outbox_message
    (id, about, recipient, subject, body, state, attempts, created_at, due_at, next_at, error)
    VALUES (lpad(:number::text, 24, '0'), lpad(:number::text, 24, '0'), 'oppenvarden@exempelby.example',
            'Ny händelse', 'Logga in för att läsa.', 'pending', 0, now(), now(), now(), '');
COMMIT;
"""
"""The same rows in the same two transactions, as pgbench reads it: a colon before a word would be a variable."""


def bare_postgres(url: str, directory: Path) -> float:
    """Bookings a second of pgbench: sixteen clients in two threads, prepared statements."""
    house = bookings.open_house(url)
    script = directory / "booking.sql"
    script.write_text(PGBENCH, encoding="utf-8")
    address = sa.make_url(url)
    command: list[str | Path] = [
        postgres.tool("pgbench"), "--no-vacuum", "--protocol=prepared", f"--client={CLIENTS}", "--jobs=2",
        f"--transactions={COUNT // CLIENTS}", "--define=made=0", f"--file={script}", f"--host={address.host}",
        f"--port={address.port or 5432}", f"--username={address.username}", str(address.database),
    ]  # fmt: skip
    ran = subprocess.run(command, capture_output=True, text=True)
    rate = re.search(r"^tps = ([0-9.]+)", ran.stdout, re.MULTILINE)
    assert ran.returncode == 0 and rate, ran.stderr
    check(house.db)
    house.codes.close()
    house.db.close()
    return float(rate[1])


def report(name: str, against: str, limit: float, measured: list[tuple[float, float]]) -> None:
    """Print and keep ``measured``: a pair of ours and the reference per round."""
    reference = [bare for _, bare in measured]
    told = Report(name, reference)
    told.at_least(f"bookings ÷ {against} of the same rows", [mine / bare for mine, bare in measured], limit)
    told.told("bookings", [mine for mine, _ in measured], "/s")
    told.told("bare", reference, "/s")
    told.notes.append("The code's slow hash (about 20 ms, on purpose) is left out of both.")
    told.finish()


def main() -> None:
    """Measure and report, on SQLite and PostgreSQL."""
    with servers.scratch() as directory:
        pairs = []
        for _ in range(ROUNDS):
            bare = bare_sqlite(bookings.sqlite_url(directory, "bare"))
            pairs.append((ours(bookings.sqlite_url(directory, "ours")), bare))
        report("booking_commit", "bare commits", 0.35, pairs)
    with servers.scratch() as directory, postgres.serve(durable=True) as server:
        pairs = []
        for _ in range(ROUNDS):
            bare = bare_postgres(server.new_database(), directory)
            pairs.append((ours(server.new_database()), bare))
        report("booking_commit_pg", "pgbench, 16 clients,", 0.10, pairs)


if __name__ == "__main__":
    main()
