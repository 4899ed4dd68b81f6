"""How long it takes to verify the audit log's chain: 100,000 rows, and ten times as many, sealed as they come."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from operator import truediv
from statistics import median

import sqlalchemy as sa

from backend.core import migrate
from backend.core.audit import AuditEvent, Tag
from backend.core.audit_chain import AuditChain, chain_key
from backend.core.clock import SystemClock
from backend.core.db import Database
from bench import servers
from bench.common import Report
from tests import postgres

ROWS = 100_000
MORE = 1_000_000
ROUNDS = 5
_AT = datetime(2026, 11, 25, 8, 0, tzinfo=UTC)
_AT_ONCE = 10_000


def main() -> None:
    """Both databases, and the report of each; a million rows on SQLite."""
    with servers.scratch() as directory:
        database = Database(f"sqlite:///{directory / 'koll.db'}")
        migrate.upgrade(database.engine)
        measure("audit_verify", database, MORE)
    with postgres.serve() as server:
        measure("audit_verify_pg", Database(server.new_database()), ROWS)


def measure(name: str, database: Database, most: int) -> None:
    """Verify a chain of 100,000 rows a few times, then of ``most``; the reference is reading the rows alone."""
    try:
        chain = AuditChain(database, SystemClock(), chain_key(b"p" * 32))
        _fill(database, chain, 0, ROWS)
        reference, small = [], []
        for _ in range(ROUNDS):
            reference.append(_seconds(lambda: _read(database)))
            small.append(_seconds(lambda: _verify(database, chain, ROWS)))
        _fill(database, chain, ROWS, most)
        large = [_seconds(lambda: _verify(database, chain, most))] if most > ROWS else []
    finally:
        database.close()
    report = Report(name, reference)
    report.at_most("100,000 rows verified", small, 3, "s")
    report.told("verified ÷ the same rows read through the library", list(map(truediv, small, reference)))
    if large:
        report.at_most("a million ÷ 100,000", [large[0] / median(small)], 12)
    report.finish()


def _seconds(work: object) -> float:
    began = time.perf_counter()
    work()  # type: ignore[operator]
    return time.perf_counter() - began


def _fill(database: Database, chain: AuditChain, have: int, rows: int) -> None:
    for start in range(have, rows, _AT_ONCE):
        values = [
            {
                "at": _AT + timedelta(seconds=number), "actor": "visitor", "tag": Tag.CONCERN_READ.value,
                "subject": f"{number:024x}", "detail": "member", "actor_unit": "barn", "actor_roles": "case_worker",
            }
            for number in range(start, start + _AT_ONCE)
        ]  # fmt: skip
        database.write_now(lambda session, values=values: session.execute(sa.insert(AuditEvent), values))  # type: ignore[misc]
        chain.seal_now()


def _read(database: Database) -> None:
    query = sa.select(*AuditEvent.__table__.columns)
    assert ROWS == len(database.read_now(lambda session: session.execute(query).all()))


def _verify(database: Database, chain: AuditChain, rows: int) -> None:
    verdict = database.read_now(chain.verify)
    assert (rows, None) == (verdict.rows, verdict.broken)


if __name__ == "__main__":
    main()
