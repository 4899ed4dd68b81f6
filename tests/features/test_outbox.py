"""Promise: a mail that was posted with a commit reaches a real mail server, is tried again when it fails, and tells nothing."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from aiosmtpd.controller import Controller

from backend.core import outbox
from backend.core.db import Database
from backend.core.outbox import OutboxMessage, SmtpTransport
from tests.conftest import ManualClock


class Sink:
    """A mail server that keeps what it gets and answers as it is told."""

    def __init__(self) -> None:
        self.mails: list[Any] = []
        self.answer = "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        if self.answer.startswith("2"):
            self.mails.append(envelope)
        return self.answer


@pytest.fixture
def sink() -> Iterator[tuple[Sink, str]]:
    handler = Sink()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    controller = Controller(handler, hostname="127.0.0.1", port=port)
    controller.start()
    yield handler, f"smtp://127.0.0.1:{port}"
    controller.stop()


def deliver(database: Database, url: str, clock: ManualClock) -> int:
    return asyncio.run(outbox.deliver_due(database, {"mail": SmtpTransport(url, "koll@exempelby.example")}, clock))


def state(database: Database) -> list[tuple[str, int]]:
    return database.read_now(lambda s: [(row.state, row.attempts) for row in s.query(OutboxMessage)])


def post(database: Database, clock: ManualClock) -> None:
    database.write_now(
        lambda session: outbox.post(session, clock.now(), "enhet@exempelby.example", "Ny händelse", "Logga in.")
    )


def test_a_posted_mail_arrives_once(database: Database, clock: ManualClock, sink: tuple[Sink, str]) -> None:
    """It is sent, marked as sent, and not sent again."""
    handler, url = sink
    post(database, clock)
    assert deliver(database, url, clock) == 1
    clock.forward(hours=1)
    assert deliver(database, url, clock) == 0
    assert len(handler.mails) == 1
    assert state(database) == [("sent", 1)]


def test_a_busy_server_is_tried_again_later_with_the_same_id(
    database: Database, clock: ManualClock, sink: tuple[Sink, str]
) -> None:
    """A temporary refusal waits, and the retry carries the same Message-ID so that a twin can be told."""
    handler, url = sink
    handler.answer = "451 later"
    post(database, clock)
    assert deliver(database, url, clock) == 0
    assert deliver(database, url, clock) == 0
    assert state(database) == [("pending", 1)]
    handler.answer = "250 OK"
    clock.forward(minutes=1)
    assert deliver(database, url, clock) == 1
    message_id = database.read_now(lambda s: s.query(OutboxMessage).one().id)
    assert message_id.encode() in handler.mails[0].content


def test_a_server_that_says_never_is_believed(database: Database, clock: ManualClock, sink: tuple[Sink, str]) -> None:
    """A permanent refusal is marked as such and not tried for ever."""
    handler, url = sink
    handler.answer = "550 no such box"
    post(database, clock)
    deliver(database, url, clock)
    assert state(database) == [("refused", 1)]


def test_no_server_loses_nothing(database: Database, clock: ManualClock) -> None:
    """With the mail server gone the mail stays and is tried again."""
    post(database, clock)
    assert deliver(database, "smtp://127.0.0.1:9", clock) == 0
    assert state(database) == [("pending", 1)]
