"""Promise: an answer means a commit, a failure means nothing was kept, and nobody's exit locks the house."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from backend.core import audit, migrate
from backend.core.audit import AuditEvent, Tag
from backend.core.db import Database
from backend.core.errors import StorageUnavailable
from tests.postgres import Server

AT = datetime(2026, 11, 25, 8, 0, tzinfo=UTC)


def count(database: Database) -> int:
    return database.read_now(lambda s: s.scalar(sa.select(sa.func.count()).select_from(AuditEvent)) or 0)


def note(subject: str) -> object:
    return lambda session: audit.record(session, AT, Tag.CHAT_STARTED, subject)


def test_the_migrations_make_the_tables_of_the_code(database: Database) -> None:
    """Code and migrations never differ, on either database."""
    migrate.check(database.engine)


def test_making_a_table_anew_keeps_what_refers_to_it(tmp_path: Path) -> None:
    """SQLite changes a column by dropping the table, which must not take an answer to a child with it."""
    database = Database(f"sqlite:///{tmp_path / 'x.db'}")
    migrate.upgrade(database.engine, "95fbf5e57659")

    def fill(session: sa.orm.Session) -> None:
        values = {"at": AT.isoformat(), "blob": b"x", "day": "2026-11-25"}
        for line in (
            "INSERT INTO staff_member (id, login, first_name, role, unit, mail, password_hash, active, created_at) "
            "VALUES ('s', 's', 'S', 'manager', 'u', '', 'x', 1, :at)",
            "INSERT INTO concern (id, state, unit, rule_id, rules_version, reason, also_tell, restricted, reach, lang, "
            "data_key, words, consent_version, body_digest, receipt, received_at, protection_due) "
            "VALUES ('c', 'new', 'u', 'r', '1', '', '', 0, 'code', 'sv', :blob, :blob, '', '', '', :at, :day)",
            "INSERT INTO concern_answer (id, concern_id, staff_id, at, body) VALUES ('a', 'c', 's', :at, :blob)",
        ):
            session.execute(sa.text(line), values)

    database.write_now(fill)
    migrate.upgrade(database.engine)
    for table in ("staff_member", "concern", "concern_answer"):
        assert 1 == database.read_now(lambda s, t=table: s.scalar(sa.text(f"SELECT count(*) FROM {t}")))
    assert 1 == database.write_now(lambda s: s.scalar(sa.text("PRAGMA foreign_keys")))
    database.close()


def test_a_failed_piece_of_work_takes_nobody_with_it(database: Database) -> None:
    """Of many that commit together, the one that raises is undone alone."""
    gate = threading.Event()
    first = database.submit_write(lambda session: gate.wait(5))

    def fail(session: sa.orm.Session) -> None:
        audit.record(session, AT, Tag.CHAT_STARTED, "bad")
        session.flush()
        raise ValueError("no")

    good = [database.submit_write(note(str(number))) for number in range(5)]
    bad = database.submit_write(fail)
    more = [database.submit_write(note(str(number))) for number in range(5)]
    gate.set()
    first.result(10)
    with pytest.raises(ValueError, match="no"):
        bad.result(10)
    for future in good + more:
        future.result(10)
    assert count(database) == 10


def test_a_disk_that_is_full_keeps_what_it_has_acknowledged(tmp_path: Path) -> None:
    """SQLite undoes a whole transaction when it finds no room. Whoever shared it is not told that theirs was kept."""
    database = Database(f"sqlite:///{tmp_path / 'x.db'}")
    migrate.upgrade(database.engine)
    pages = database.write_now(lambda s: s.scalar(sa.text("PRAGMA page_count")))
    database.write_now(lambda s: s.execute(sa.text(f"PRAGMA max_page_count={pages + 20}")))
    gate = threading.Event()
    first = database.submit_write(lambda session: gate.wait(5))

    def fill(session: sa.orm.Session) -> None:
        audit.record(session, AT, Tag.CHAT_STARTED, "too much", detail="x" * 1_000_000)

    named = {name: database.submit_write(note(name)) for name in "abc"}
    named["too much"] = database.submit_write(fill)
    named |= {name: database.submit_write(note(name)) for name in "def"}
    gate.set()
    first.exception(10)
    acknowledged = {name for name, future in named.items() if future.exception(10) is None}
    kept = database.read_now(lambda s: set(s.scalars(sa.select(AuditEvent.subject))))
    assert kept == acknowledged
    assert "too much" not in kept
    database.write_now(note("later"))
    assert "later" in database.read_now(lambda s: set(s.scalars(sa.select(AuditEvent.subject))))
    database.close()


def test_reading_cannot_write_on_sqlite(tmp_path: Path) -> None:
    """A read session is refused a write by the database itself."""
    database = Database(f"sqlite:///{tmp_path / 'x.db'}")
    migrate.upgrade(database.engine)

    def sneak(session: sa.orm.Session) -> None:
        audit.record(session, AT, Tag.CHAT_STARTED, "x")
        session.flush()

    with pytest.raises(StorageUnavailable):
        database.read_now(sneak)
    database.close()


async def _leave(database: Database) -> None:
    task = asyncio.ensure_future(database.write(note("left")))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def test_a_client_that_leaves_leaves_no_lock(tmp_path: Path) -> None:
    """200 cancelled sends are each done whole, and a foreign process gets the write lock at once."""
    path = tmp_path / "x.db"
    database = Database(f"sqlite:///{path}")
    migrate.upgrade(database.engine)

    async def storm() -> None:
        for _ in range(200):
            await _leave(database)

    asyncio.run(storm())
    database.write_now(note("last"))
    foreign = sqlite3.connect(path, timeout=0.1, isolation_level=None)
    foreign.execute("BEGIN IMMEDIATE")
    foreign.execute("ROLLBACK")
    foreign.close()
    assert count(database) == 201
    database.close()


def test_connections_that_the_server_has_closed_are_noticed_by_nobody(postgres_server: Server) -> None:
    """PostgreSQL restarts in the night. The first who read and the first who write in the morning get their answers."""
    database = Database(postgres_server.new_database())
    for _ in range(3):
        for subject in ("a", "b"):
            database.write_now(note(subject))
        database.read_now(lambda s: s.scalar(sa.text("SELECT 1")))
        administrator = sa.create_engine(database.url, poolclass=sa.NullPool)
        with administrator.connect() as connection:
            connection.execute(
                sa.text(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
            )
    assert 6 == count(database)
    database.write_now(note("last"))
    assert 7 == count(database)
    database.close()


def test_a_naive_time_is_refused(database: Database) -> None:
    """A time without a zone never reaches the database."""
    with pytest.raises((ValueError, sa.exc.StatementError)):
        database.write_now(
            lambda session: audit.record(session, datetime(2026, 1, 1), Tag.CHAT_STARTED, "x")  # noqa: DTZ001
        )


def test_a_database_that_is_gone_is_said_to_be(tmp_path: Path) -> None:
    """When the storage does not answer, the caller is told that nothing was saved."""
    database = Database(f"sqlite:///{tmp_path / 'x.db'}")
    with pytest.raises(StorageUnavailable):
        database.write_now(note("no table yet"))
    database.close()
