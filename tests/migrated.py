"""An empty database with today's tables: migrated once in a run, then copied."""

from __future__ import annotations

import functools
import shutil
import tempfile
from pathlib import Path

from sqlalchemy.engine import make_url

from backend.core import migrate
from backend.core.db import Database


def open_database(url: str) -> Database:
    """The database at ``url``, migrated; a new SQLite file begins as a copy of one that was."""
    path = make_url(url).database or ""
    if url.startswith("sqlite") and not Path(path).exists():
        shutil.copy(_template(), path)
        return Database(url)
    database = Database(url)
    migrate.upgrade(database.engine)
    return database


@functools.cache
def _template() -> Path:
    path = Path(tempfile.mkdtemp(prefix="koll-migrated-")) / "koll.db"
    database = Database(f"sqlite:///{path}")
    migrate.upgrade(database.engine)
    database.close()
    return path
