"""The command line: ``python -m backend serve`` and what belongs around it.

Exit codes: 0 done, 1 could not be done (one sentence says why), 2 wrong usage.
"""

from __future__ import annotations

import argparse
import contextlib
import getpass
import logging
import secrets
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from alembic.util import CommandError

from backend.app import build_house, create_app
from backend.config import ROOT, SettingsError, load_settings
from backend.core import logs, migrate
from backend.core.content import ContentError
from backend.core.db import Database
from backend.core.errors import StorageUnavailable
from backend.core.house import House

log = logging.getLogger("koll")

LOGINS = ROOT / "var" / "demo-logins.txt"


def serve(_arguments: argparse.Namespace) -> None:
    """Serve until SIGTERM or SIGINT. One process: it alone writes to SQLite."""
    settings = load_settings()
    app = create_app(settings)
    app.config.GRACEFUL_SHUTDOWN_TIMEOUT = 5.0
    log.info("Listening on %s:%d for %s", settings.host, settings.port, settings.municipality)
    app.run(settings.host, settings.port, single_process=True, access_log=False, motd=False)


def migrate_database(_arguments: argparse.Namespace) -> None:
    """Bring the database to this version's tables."""
    with _database() as database:
        migrate.upgrade(database.engine)


def check_migrations(_arguments: argparse.Namespace) -> None:
    """Migrate an empty scratch database and see that it then has the tables of the code."""
    create_app  # noqa: B018  (imported above: every feature's tables are known through it)
    with tempfile.TemporaryDirectory() as directory:
        database = Database(f"sqlite:///{Path(directory) / 'scratch.db'}")
        try:
            migrate.upgrade(database.engine)
            migrate.check(database.engine)
        finally:
            database.close()


@contextlib.contextmanager
def _database() -> Iterator[Database]:
    database = Database(load_settings().database_url)
    try:
        yield database
    finally:
        database.close()


@contextlib.contextmanager
def _house() -> Iterator[House]:
    house = build_house(load_settings())
    try:
        yield house
    finally:
        house.codes.close()
        house.db.close()


_COMMANDS: dict[str, Callable[[argparse.Namespace], None]] = {
    "serve": serve,
    "migrate": migrate_database,
    "check-migrations": check_migrations,
}


def main(arguments: list[str] | None = None) -> int:
    """Run one command; see the module."""
    parser = argparse.ArgumentParser(prog="python -m backend", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    for name, command in _COMMANDS.items():
        summary = (command.__doc__ or "").strip().splitlines()[0]
        commands.add_parser(name, help=summary, description=command.__doc__)
    parsed = parser.parse_args(arguments)
    logs.install()
    try:
        _COMMANDS[parsed.command](parsed)
    except (SettingsError, ContentError, CommandError) as error:
        print(error, file=sys.stderr)
        return 1
    except StorageUnavailable as error:
        print(f"The database does not answer ({type(error.__cause__).__name__}).", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
