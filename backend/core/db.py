"""Sessions in worker threads, never on the event loop.

Why not an async driver: Sanic cancels a handler when its client disconnects, and
a child who presses "leave this page" in the middle of a send would leave an async
SQLite transaction open and lock the database for everybody. Here the work belongs
to a thread and runs to its end whatever happens to the request.

SQLite has one writer thread. It takes what has queued up, runs each piece of work
in a savepoint of its own and commits them together (group commit): one fsync
serves many, and `write` returns only after that commit. PostgreSQL has a small
pool of writer threads, a transaction each.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Generic, TypeVar

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.dialects import registry
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.engine import Dialect, Engine, make_url
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.orm import DeclarativeBase, Session
from sqlalchemy.types import TypeDecorator

from backend.core.errors import StorageUnavailable

T = TypeVar("T")
Work = Callable[[Session], T]
_Outcome = tuple[T | None, BaseException | None]
_Job = tuple[Work[Any], "Future[Any] | _Waiting[Any]"]

_GROUP = 64
_DEADLOCK, _SERIALIZATION = "40P01", "40001"
_ATTEMPTS = 4

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(DeclarativeBase):
    """The one declarative base; its naming convention keeps migrations the same on both databases."""

    metadata = sa.MetaData(naming_convention=NAMING)


class Instant(TypeDecorator[datetime]):
    """An aware UTC datetime. SQLite forgets time zones, so they are checked going in and put back coming out."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse naive times: they are how bookings move an hour twice a year."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a naive datetime cannot be stored")
        return value.astimezone(UTC)

    def bind_processor(self, dialect: Dialect) -> Callable[[datetime | None], Any] | None:
        """As the driver does it; for SQLite the same text, but written in one step: every row has some of them."""
        if dialect.name != "sqlite":
            return super().bind_processor(dialect)

        def as_text(value: datetime | None) -> str | None:
            utc = self.process_bind_param(value, dialect)
            return utc.replace(tzinfo=None).isoformat(" ", "microseconds") if utc is not None else None

        return as_text

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return the instant as aware UTC on every database."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Database:
    """One municipality's database.

    ``await write(work)`` runs ``work(session)`` in a transaction and returns its
    result after the commit; if ``work`` raises, nothing of it is kept and the error
    reaches the caller. ``await read(work)`` gives a session that cannot write.
    Both raise `StorageUnavailable` when the database does not answer.
    """

    def __init__(self, url: str, *, writers: int = 8, readers: int = 4) -> None:
        self.url = make_url(url)
        self.sqlite = self.url.get_backend_name() == "sqlite"
        self._closed = False
        if self.sqlite:
            if not self.url.database or self.url.database == ":memory:":
                raise ValueError("SQLite needs a file: several threads share it")
            Path(self.url.database).parent.mkdir(parents=True, exist_ok=True)
            self.engine = _sqlite_engine(self.url, query_only=False)
            self._read_engine = _sqlite_engine(self.url, query_only=True)
            self._writer: _SqliteWriter | None = _SqliteWriter(self.engine)
            self._write_pool: ThreadPoolExecutor | None = None
        else:
            self.engine = sa.create_engine(self.url, pool_size=writers + readers, max_overflow=0, pool_timeout=5)
            self._read_engine = self.engine
            self._writer = None
            self._write_pool = ThreadPoolExecutor(writers, thread_name_prefix="db-write")
        self._read_pool = ThreadPoolExecutor(readers, thread_name_prefix="db-read")

    async def write(self, work: Work[T]) -> T:
        """See the class. A cancelled caller does not cancel the work."""
        if self._writer is not None:
            return await self._writer.written(work)
        return await asyncio.shield(asyncio.wrap_future(self.submit_write(work)))

    async def read(self, work: Work[T]) -> T:
        """See the class."""
        return await asyncio.shield(asyncio.wrap_future(self._read_pool.submit(self.read_now, work)))

    def submit_write(self, work: Work[T]) -> Future[T]:
        """Queue ``work`` and return its future; for callers outside an event loop."""
        if self._writer is not None:
            return self._writer.submit(work)
        assert self._write_pool is not None
        return self._write_pool.submit(self._write_postgres, work)

    def write_now(self, work: Work[T]) -> T:
        """`write` for the command line and tests: blocks until the commit."""
        return self.submit_write(work).result()

    def read_now(self, work: Work[T]) -> T:
        """`read` in the calling thread."""
        for attempt in range(_ATTEMPTS):
            try:
                with Session(self._read_engine, expire_on_commit=False) as session:
                    return work(session)
            except DBAPIError as error:
                if error.connection_invalidated and attempt < _ATTEMPTS - 1:
                    continue
                if isinstance(error, OperationalError | InterfaceError):
                    raise StorageUnavailable from error
                raise
        raise AssertionError("unreachable")

    def close(self) -> None:
        """Finish what is queued, then let go of threads and connections."""
        if self._closed:
            return
        self._closed = True
        if self._writer is not None:
            self._writer.stop()
        if self._write_pool is not None:
            self._write_pool.shutdown()
        self._read_pool.shutdown()
        self.engine.dispose()
        self._read_engine.dispose()

    def _write_postgres(self, work: Work[T]) -> T:
        for attempt in range(_ATTEMPTS):
            committing = False
            try:
                with Session(self.engine, expire_on_commit=False) as session:
                    result = work(session)
                    session.flush()
                    committing = True
                    session.commit()
                    return result
            except DBAPIError as error:
                # A connection that the server closed while it lay idle is found out by using it: asking each
                # time whether it lives is one more way to the server for everybody. One that breaks during the
                # commit has perhaps committed, so that is never done again.
                lost = error.connection_invalidated and not committing
                again = lost or getattr(error.orig, "sqlstate", None) in (_DEADLOCK, _SERIALIZATION)
                if again and attempt < _ATTEMPTS - 1:
                    continue
                if isinstance(error, OperationalError | InterfaceError):
                    raise StorageUnavailable from error
                raise
        raise AssertionError("unreachable")


class _Waiting(Generic[T]):
    """Somebody on an event loop who waits for their work. A loop is woken once for all of its own in a group: a
    wake-up for each costs about as much as what most of them store.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.future: asyncio.Future[T] = loop.create_future()

    def settle(self, outcome: _Outcome[T]) -> None:
        """On the loop. Whoever has gone away is not told."""
        if self.future.done():
            return
        result, failure = outcome
        if failure is not None:
            self.future.set_exception(failure)
        else:
            self.future.set_result(result)  # type: ignore[arg-type]


class _SqliteWriter:
    """The one thread that writes to a SQLite file."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._queue: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="db-write", daemon=True)
        self._thread.start()

    def submit(self, work: Work[T]) -> Future[T]:
        future: Future[T] = Future()
        self._queue.put((work, future))
        return future

    async def written(self, work: Work[T]) -> T:
        waiting: _Waiting[T] = _Waiting(asyncio.get_running_loop())
        self._queue.put((work, waiting))
        return await waiting.future

    def stop(self) -> None:
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        stopping = False
        while not stopping:
            first = self._queue.get()
            group, stopping = self._gather(first)
            if group:
                _tell(group, self._commit_together(group))

    def _gather(self, first: _Job | None) -> tuple[list[_Job], bool]:
        group: list[_Job] = []
        job = first
        while job is not None:
            group.append(job)
            if len(group) == _GROUP:
                return group, False
            try:
                job = self._queue.get_nowait()
            except queue.Empty:
                return group, False
        return group, True

    def _commit_together(self, group: list[_Job]) -> list[_Outcome[Any]]:
        try:
            with self._engine.begin() as connection:
                return [_in_savepoint(connection, work) for work, _ in group]
        except BaseException as error:  # the commit itself failed, so nobody's work was kept
            unavailable = StorageUnavailable()
            unavailable.__cause__ = error
            return [(None, unavailable)] * len(group)


def _tell(group: list[_Job], outcomes: list[_Outcome[Any]]) -> None:
    loops: dict[asyncio.AbstractEventLoop, list[tuple[_Waiting[Any], _Outcome[Any]]]] = {}
    for (_, whom), outcome in zip(group, outcomes, strict=True):
        result, failure = outcome
        if isinstance(whom, _Waiting):
            loops.setdefault(whom.loop, []).append((whom, outcome))
        elif failure is not None:
            whom.set_exception(failure)
        else:
            whom.set_result(result)
    for loop, waiting in loops.items():
        with contextlib.suppress(RuntimeError):  # the loop has been closed: nobody waits there any more
            loop.call_soon_threadsafe(_settle, waiting)


def _settle(waiting: list[tuple[_Waiting[Any], _Outcome[Any]]]) -> None:
    for each, outcome in waiting:
        each.settle(outcome)


def _in_savepoint(connection: sa.Connection, work: Work[T]) -> _Outcome[T]:
    session = Session(connection, join_transaction_mode="create_savepoint", expire_on_commit=False)
    try:
        result = work(session)
        session.commit()
        return result, None
    except BaseException as error:
        session.rollback()
        if isinstance(error, OperationalError | sqlite3.OperationalError):
            unavailable = StorageUnavailable()
            unavailable.__cause__ = error
            return None, unavailable
        return None, error
    finally:
        session.close()


class _Sqlite(SQLiteDialect_pysqlite):
    """The driver's dialect, but for how transactions begin and nest.

    The driver must not begin transactions itself: it would begin deferred ones, and a read that turns
    into a write can then fail as busy despite the timeout. Savepoints go straight to it: as statements
    of their own they cost each piece of work more than what it stores.
    """

    supports_statement_cache = True

    def __init__(self, begin: str = "BEGIN IMMEDIATE", **options: Any) -> None:
        super().__init__(**options)
        self._begin = begin

    def do_begin(self, dbapi_connection: Any) -> None:
        dbapi_connection.execute(self._begin)

    def do_savepoint(self, connection: sa.Connection, name: str) -> None:
        _driver(connection).execute(f"SAVEPOINT {name}")

    def do_rollback_to_savepoint(self, connection: sa.Connection, name: str) -> None:
        _driver(connection).execute(f"ROLLBACK TO {name}")

    def do_release_savepoint(self, connection: sa.Connection, name: str) -> None:
        _driver(connection).execute(f"RELEASE {name}")


registry.register("sqlite.kept", __name__, _Sqlite.__name__)


def _driver(connection: sa.Connection) -> sqlite3.Connection:
    found = connection.connection.driver_connection
    assert isinstance(found, sqlite3.Connection)
    return found


def _sqlite_engine(url: sa.URL, *, query_only: bool) -> Engine:
    engine = sa.create_engine(
        url.set(drivername="sqlite+kept"),
        begin="BEGIN" if query_only else "BEGIN IMMEDIATE",
        connect_args={"check_same_thread": False, "timeout": 5},
    )

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _record: Any) -> None:
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.execute("PRAGMA secure_delete=ON")
        cursor.execute("PRAGMA trusted_schema=OFF")
        cursor.execute("PRAGMA busy_timeout=5000")
        if query_only:
            cursor.execute("PRAGMA query_only=ON")
        cursor.close()

    return engine
