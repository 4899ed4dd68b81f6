"""Alembic configured in code: one command on both databases, no ini file to drift."""

from __future__ import annotations

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


def upgrade(engine: sa.Engine) -> None:
    """Bring the database to the newest revision; nothing happens if it is there."""
    with engine.begin() as connection:
        command.upgrade(_config(connection), "head")


def check(engine: sa.Engine) -> None:
    """Raise `alembic.util.CommandError` when the tables in code and the migrations differ."""
    with engine.begin() as connection:
        command.check(_config(connection))


def revise(engine: sa.Engine, message: str) -> None:
    """Write a new revision file from the difference between code and database."""
    with engine.begin() as connection:
        command.revision(_config(connection), message, autogenerate=True)
