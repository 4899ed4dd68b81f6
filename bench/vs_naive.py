"""Writing over HTTP, ours against the same work as it is often written, on SQLite on disk.

Thirty-two clients at once, all with synchronous=FULL. First one row each: what differs is
who writes, one thread with group commit or many connections that wait for each other.
Then a booking each: ours holds and confirms in two durable transactions with cells,
sealed details and all checks (18 rows); FastAPI with aiosqlite and Flask with gunicorn
look whether somebody is free and store five rows in one. They double-book, which is counted.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from backend.booking import rules
from bench import bookings, servers
from bench.common import Report, percentile
from bench.peers import flask_orm
from scripts import steps
from scripts.environment import PYTHON

ROUNDS = 5
COUNT = 600
AT_ONCE = 32


async def _client(port: int, path: str, bodies: list[bytes], waits: list[float]) -> int:
    """Post bodies one after the other on a kept connection; returns how many were acknowledged."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    booked = 0
    for body in bodies:
        head = (
            f"POST {path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        began = time.perf_counter()
        writer.write(head.encode() + body)
        answer = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = int(answer.partition(b"content-length:")[2].partition(b"\r\n")[0])
        await reader.readexactly(length)
        waits.append(time.perf_counter() - began)
        booked += answer.split()[1] == b"201"
        if b"connection: close" in answer:
            writer.close()
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.close()
    return booked


async def crowd(port: int, path: str) -> tuple[float, float, int]:
    """Answers a second, the 99th percentile of the wait in ms, and how many were acknowledged."""
    bodies = []
    for number, slot in enumerate(bookings.slots(COUNT)):
        start = rules.read_slot(slot).start
        wish = {"holder": f"chat:{number}", "slot": slot, "start": start.replace(tzinfo=None).isoformat()}
        bodies.append(json.dumps(wish).encode())
    waits: list[float] = []
    began = time.perf_counter()
    done = await asyncio.gather(*(_client(port, path, bodies[lane::AT_ONCE], waits) for lane in range(AT_ONCE)))
    return COUNT / (time.perf_counter() - began), percentile(waits, 99) * 1000, sum(done)


@dataclass(frozen=True, slots=True)
class Round:
    """What one server did: answers a second, 99th percentile in ms, for both kinds of work; and double bookings."""

    notes: float
    notes_p99: float
    bookings: float
    bookings_p99: float
    twice: int


def measure(command: Callable[[int, Path], list[str | Path]], path: Path) -> Round:
    """Start a server on an empty database, let the crowd in, stop it. Raises if rows and acknowledgements differ."""
    port = servers.free_port()
    process = steps.spawn(command(port, path), "bench-peer")
    try:
        servers.until_ok(f"http://127.0.0.1:{port}/health", process)
        notes, notes_p99, noted = asyncio.run(crowd(port, "/note"))
        rate, p99, acknowledged = asyncio.run(crowd(port, "/book"))
    finally:
        steps.end([process])
    with sqlite3.connect(path) as connection:
        stored, twice = connection.execute(
            "SELECT count(*), count(*) - count(DISTINCT therapist_id || ' ' || start_at) FROM booking"
        ).fetchone()
        traces = connection.execute("SELECT count(*) FROM audit_event").fetchone()[0]
    assert stored == acknowledged, (command.__name__, stored, acknowledged)
    assert traces == noted + 2 * stored, (command.__name__, traces, noted)
    return Round(notes, notes_p99, rate, p99, twice)


def ours(port: int, path: Path) -> list[str | Path]:
    """Our desk on Sanic."""
    return [PYTHON, "-m", "bench.peers.ours", str(port), f"sqlite:///{path}"]


def fastapi(port: int, path: Path) -> list[str | Path]:
    """FastAPI with aiosqlite on uvicorn."""
    return [PYTHON, "-m", "bench.peers.fastapi_aiosqlite", str(port), path]


def flask(port: int, path: Path) -> list[str | Path]:
    """Flask on gunicorn with two workers."""
    flask_orm.prepare(str(path))
    app = f"bench.peers.flask_orm:make({str(path)!r})"
    return [PYTHON, "-m", "gunicorn", "-w", "2", "-b", f"127.0.0.1:{port}", "--log-level", "error", app]


def main() -> None:
    """Measure in turns and report."""
    results: dict[str, list[Round]] = {"ours": [], "fastapi": [], "flask": []}
    with servers.scratch() as directory:
        for number in range(ROUNDS):
            for command in (ours, fastapi, flask):
                path = directory / f"{command.__name__}-{number}.db"
                results[command.__name__].append(measure(command, path))
    assert not any(each.twice for each in results["ours"])
    report = Report("vs_naive", [each.notes for each in results["fastapi"]])
    for peer, title in (("fastapi", "FastAPI + aiosqlite"), ("flask", "Flask + gunicorn")):
        pairs = list(zip(results["ours"], results[peer], strict=True))
        report.at_least(f"one row, ours ÷ {title}", [mine.notes / theirs.notes for mine, theirs in pairs], 4.0)
        report.at_most(f"one row, p99 ÷ {title}", [mine.notes_p99 / theirs.notes_p99 for mine, theirs in pairs], 0.5)
        report.at_least(f"a booking, ours ÷ {title}", [mine.bookings / theirs.bookings for mine, theirs in pairs], 1.0)
        report.at_most(
            f"a booking, p99 ÷ {title}", [mine.bookings_p99 / theirs.bookings_p99 for mine, theirs in pairs], 1.0
        )
    for name, rounds in results.items():
        report.told(f"{name}: rows", [each.notes for each in rounds], "/s")
        report.told(f"{name}: bookings", [each.bookings for each in rounds], "/s")
        report.told(f"{name}: double bookings in {COUNT}", [float(each.twice) for each in rounds])
    report.finish()


if __name__ == "__main__":
    main()
