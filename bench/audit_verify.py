"""How long it takes to verify the audit log's chain: 100,000 rows, and ten times as many, sealed as they come."""

from __future__ import annotations

import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import sqlalchemy as sa

from backend.core import migrate
from backend.core.audit import AuditEvent, Tag
from backend.core.audit_chain import AuditChain, chain_key
from backend.core.clock import SystemClock
from backend.core.db import Database
from bench.common import Report

ROWS = 100_000
MORE = 1_000_000
ROUNDS = 3
_AT = datetime(2026, 11, 25, 8, 0, tzinfo=UTC)
_AT_ONCE = 10_000


def main() -> None:
    """Verify a chain of 100,000 rows a few times, then of a million; the reference is reading the rows alone."""
    with tempfile.TemporaryDirectory() as directory:
        database = Database(f"sqlite:///{Path(directory) / 'koll.db'}")
        try:
            migrate.upgrade(database.engine)
            chain = AuditChain(database, SystemClock(), chain_key(b"p" * 32))
            _fill(database, chain, ROWS)
            reference = [_seconds(lambda: _read(database)) for _ in range(ROUNDS)]
            small = [_seconds(lambda: _verify(database, chain, ROWS)) for _ in range(ROUNDS)]
            _fill(database, chain, MORE - ROWS)
            large = [_seconds(lambda: _verify(database, chain, MORE))]
        finally:
            database.close()
    report = Report("audit_verify", reference)
    report.at_most("100,000 rows verified", small, 3, "s")
    report.at_most("a million ÷ 100,000", [large[0] / min(small)], 12)
    report.told("verified ÷ rows read alone", [mine / plain for mine, plain in zip(small, reference, strict=True)])
    report.finish()


def _seconds(work: object) -> float:
    began = time.perf_counter()
    work()  # type: ignore[operator]
    return time.perf_counter() - began


def _fill(database: Database, chain: AuditChain, rows: int) -> None:
    for start in range(0, rows, _AT_ONCE):
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
    query = sa.select(AuditEvent.id, AuditEvent.at, AuditEvent.actor, AuditEvent.tag, AuditEvent.subject)
    assert ROWS == len(database.read_now(lambda session: session.execute(query).all()))


def _verify(database: Database, chain: AuditChain, rows: int) -> None:
    verdict = database.read_now(chain.verify)
    assert (rows, None) == (verdict.rows, verdict.broken)


if __name__ == "__main__":
    main()
