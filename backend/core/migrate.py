"""Alembic configured in code: one command on both databases, no ini file to drift."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config

HERE = Path(__file__).resolve().parent / "migrations"


def _config(connection: sa.Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(HERE))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


@contextmanager
def _changing(engine: sa.Engine) -> Iterator[sa.Connection]:
    """A transaction in which tables may be made anew without losing what refers to them.

    SQLite changes a column by copying its table and dropping the old one, and dropping one
    with foreign keys on deletes every row elsewhere that refers to it with ON DELETE CASCADE.
    The switch works only outside a transaction; afterwards every reference is checked.
    """
    sqlite = engine.dialect.name == "sqlite"
    with engine.connect() as connection:
        driver = connection.connection.driver_connection
        assert driver is not None
        if sqlite:
            driver.execute("PRAGMA foreign_keys=OFF")
        try:
            with connection.begin():
                yield connection
                if sqlite and (lost := connection.exec_driver_sql("PRAGMA foreign_key_check").first()):
                    raise RuntimeError(f"a row of {lost[0]} would refer to nothing; the database is unchanged")
        finally:
            if sqlite:
                driver.execute("PRAGMA foreign_keys=ON")


def upgrade(engine: sa.Engine, revision: str = "head") -> None:
    """Bring the database to the newest revision, or to an earlier one; nothing happens if it is there."""
    with _changing(engine) as connection:
        command.upgrade(_config(connection), revision)


def check(engine: sa.Engine) -> None:
    """Raise `alembic.util.CommandError` when the tables in code and the migrations differ."""
    with engine.begin() as connection:
        command.check(_config(connection))


def revise(engine: sa.Engine, message: str) -> None:
    """Write a new revision file from the difference between code and database."""
    with engine.begin() as connection:
        command.revision(_config(connection), message, autogenerate=True)
