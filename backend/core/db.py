"""Sessions in worker threads, never on the event loop.

Why not an async driver: Sanic cancels a handler when its client disconnects, and
a child who presses "leave this page" in the middle of a send would leave an async
SQLite transaction open and lock the database for everybody. Here the work belongs
to a thread and runs to its end whatever happens to the request.

SQLite has one writer thread. It takes what has queued up, runs each piece of work
in a savepoint of its own and commits them together (group commit): one fsync
serves many, and `write` returns only after that commit. PostgreSQL has a few
writer threads, a transaction each: with more of them Python itself is what they wait for.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import queue
import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Generic, TypeVar

import psycopg
import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.dialects import registry
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.engine import Dialect, Engine, make_url
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.orm import DeclarativeBase, Session
from sqlalchemy.orm.session import JoinTransactionMode
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
            if value is not None and value.tzinfo is UTC:
                return _utc_as_text(value)
            utc = self.process_bind_param(value, dialect)
            return _utc_as_text(utc) if utc is not None else None

        return as_text

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return the instant as aware UTC on every database."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


# Most rows of a transaction bear the same moment. Only ever called with UTC: in a zone with clock changes two
# moments an hour apart may be equal, and one would be given the other's text.
@functools.lru_cache(maxsize=64)
def _utc_as_text(value: datetime) -> str:
    return value.replace(tzinfo=None).isoformat(" ", "microseconds")


class _Session(Session):
    """A session on a connection whose transaction is somebody else's.

    Most work only asks it for the connection. For that much the session's own transaction is not begun: beginning
    and ending one costs as much as several small statements.
    """

    def __init__(self, connection: sa.Connection, join: JoinTransactionMode = "rollback_only") -> None:
        super().__init__(connection, join_transaction_mode=join, expire_on_commit=False)
        self._connection = connection

    def connection(self, *arguments: Any, **options: Any) -> sa.Connection:
        """See `Session.connection`."""
        return super().connection(*arguments, **options) if arguments or options else self._connection

    def finish(self) -> None:
        """Write what has been added to it; the transaction goes on."""
        if self.in_transaction():
            self.commit()


class Database:
    """One municipality's database.

    ``await write(work)`` runs ``work(session)`` in a transaction and returns its
    result after the commit; if ``work`` raises, nothing of it is kept and the error
    reaches the caller. ``await read(work)`` gives a session that cannot write.
    Both raise `StorageUnavailable` when the database does not answer.
    """

    def __init__(self, url: str, *, writers: int = 4, readers: int = 4) -> None:
        self.url = make_url(url)
        self.sqlite = self.url.get_backend_name() == "sqlite"
        self._closed = False
        if self.sqlite:
            if not self.url.database or self.url.database == ":memory:":
                raise ValueError("SQLite needs a file: several threads share it")
            Path(self.url.database).parent.mkdir(parents=True, exist_ok=True)
            self.engine = _sqlite_engine(self.url, query_only=False)
            self._read_engine = _sqlite_engine(self.url, query_only=True)
            self._writers = _Writers(1, _GROUP, self._commit_together)
        else:
            self.engine = sa.create_engine(self.url, pool_size=writers + readers, max_overflow=0, pool_timeout=5)
            self._read_engine = self.engine
            self._writers = _Writers(writers, 1, self._commit_each)
        self._read_pool = ThreadPoolExecutor(readers, thread_name_prefix="db-read")

    async def write(self, work: Work[T]) -> T:
        """See the class. A cancelled caller does not cancel the work."""
        return await self._writers.written(work)

    async def read(self, work: Work[T]) -> T:
        """See the class."""
        return await asyncio.shield(asyncio.wrap_future(self._read_pool.submit(self.read_now, work)))

    def submit_write(self, work: Work[T]) -> Future[T]:
        """Queue ``work`` and return its future; for callers outside an event loop."""
        return self._writers.submit(work)

    def write_now(self, work: Work[T]) -> T:
        """`write` for the command line and tests: blocks until the commit."""
        return self.submit_write(work).result()

    def read_now(self, work: Work[T]) -> T:
        """`read` in the calling thread."""
        for attempt in range(_ATTEMPTS):
            try:
                with self._read_engine.connect() as connection, _Session(connection) as session:
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
        self._writers.stop()
        self._read_pool.shutdown()
        self.engine.dispose()
        self._read_engine.dispose()

    def _commit_together(self, group: list[Work[Any]]) -> list[_Outcome[Any]]:
        try:
            with self.engine.begin() as connection:
                return [_in_savepoint(connection, work) for work in group]
        except BaseException as error:  # the commit failed, or all of it was undone before: nobody's work was kept
            unavailable = StorageUnavailable()
            unavailable.__cause__ = error
            return [(None, unavailable)] * len(group)

    def _commit_each(self, group: list[Work[Any]]) -> list[_Outcome[Any]]:
        outcomes: list[_Outcome[Any]] = []
        for work in group:
            try:
                outcomes.append((self._write_postgres(work), None))
            except BaseException as error:
                outcomes.append((None, error))
        return outcomes

    def _write_postgres(self, work: Work[T]) -> T:
        for attempt in range(_ATTEMPTS):
            committing = False
            try:
                with self.engine.connect() as connection:
                    transaction = connection.begin()
                    with _Session(connection) as session:
                        result = work(session)
                        session.finish()
                    committing = True
                    transaction.commit()
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


def affected(session: Session, change: sa.Update | sa.Delete) -> int:
    """Carry out an update or a delete; how many rows it met."""
    done = session.execute(change)
    assert isinstance(done, sa.CursorResult)
    return done.rowcount


@contextlib.contextmanager
def together(session: Session) -> Iterator[None]:
    """Writes that need nothing of each other: sent to PostgreSQL at once, instead of waiting for each one's answer.

    Within the block nothing can be read, not even how many rows were changed. What the database refuses
    is raised at its end, as SQLAlchemy would have raised it. On SQLite there is no way to wait for.
    """
    connection = session.connection()
    driver = connection.connection.driver_connection
    if not isinstance(driver, psycopg.Connection):
        yield
        return
    refused: DBAPIError | None = None
    try:
        with driver.pipeline():
            try:
                yield
            except DBAPIError as error:
                refused = error
    except psycopg.Error as error:
        if refused is None:
            refused = _as_raised(connection, error)
    if refused is not None:
        raise refused


def _as_raised(connection: sa.Connection, error: psycopg.Error) -> DBAPIError:
    driver_error: Any = error
    lost = connection.dialect.is_disconnect(driver_error, None, None)
    if lost:
        connection.invalidate(error)
    found = DBAPIError.instance(
        None, None, error, psycopg.Error, connection_invalidated=lost, dialect=connection.dialect
    )
    assert isinstance(found, DBAPIError)
    return found


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


class _Writers:
    """Threads that write. Each takes what has queued up, at most ``most`` at a time, and has ``commit`` see to it."""

    def __init__(self, threads: int, most: int, commit: Callable[[list[Work[Any]]], list[_Outcome[Any]]]) -> None:
        self._most = most
        self._commit = commit
        self._queue: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._threads = [threading.Thread(target=self._run, name="db-write", daemon=True) for _ in range(threads)]
        for thread in self._threads:
            thread.start()

    def submit(self, work: Work[T]) -> Future[T]:
        future: Future[T] = Future()
        self._queue.put((work, future))
        return future

    async def written(self, work: Work[T]) -> T:
        waiting: _Waiting[T] = _Waiting(asyncio.get_running_loop())
        self._queue.put((work, waiting))
        return await waiting.future

    def stop(self) -> None:
        for _ in self._threads:
            self._queue.put(None)
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        stopping = False
        while not stopping:
            group, stopping = self._gather(self._queue.get())
            if group:
                _tell(group, self._commit([work for work, _ in group]))

    def _gather(self, first: _Job | None) -> tuple[list[_Job], bool]:
        group: list[_Job] = []
        job = first
        while job is not None:
            group.append(job)
            if len(group) == self._most:
                return group, False
            try:
                job = self._queue.get_nowait()
            except queue.Empty:
                return group, False
        return group, True


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
    """What came of one piece of work. Raises `sqlite3.OperationalError` when there is no transaction any more:
    SQLite undoes all of it, also what others have written in it, when the disk is full.
    """
    driver = _driver(connection)
    driver.execute("SAVEPOINT work")
    try:
        with _Session(connection, "create_savepoint") as session:
            result = work(session)
            session.finish()
    except BaseException as error:
        driver.execute("ROLLBACK TO work")
        driver.execute("RELEASE work")
        if isinstance(error, OperationalError | sqlite3.OperationalError):
            unavailable = StorageUnavailable()
            unavailable.__cause__ = error
            return None, unavailable
        return None, error
    driver.execute("RELEASE work")
    return result, None


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
