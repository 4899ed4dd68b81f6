"""Promise: what was posted with a commit reaches a real server, is tried again when it fails, and tells nothing."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

import pytest
import sqlalchemy as sa
from aiosmtpd.controller import Controller

from backend.core import outbox
from backend.core.db import Database
from backend.core.outbox import OutboxMessage, SmsTransport, SmtpTransport
from backend.core.vault import Vault
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


# Text messages by an HTTP gateway.

NUMBER = "+46701740635"
FIELDS = {"to": "{to}", "from": "{sender}", "message": "{text}", "ref": "{id}"}
VAULT = Vault(b"k" * 32)


class Gateway:
    """A gateway for text messages that keeps what it gets, answers as it is told, or hangs until it is let go."""

    def __init__(self) -> None:
        self.status = 200
        self.hangs = threading.Event()
        self.got: list[tuple[dict[str, str], bytes]] = []
        gateway = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                gateway.got.append((dict(self.headers), body))
                if gateway.status == 0:
                    gateway.hangs.wait(30)
                self.send_response(gateway.status or 200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/send"

    def transport(self, **options: Any) -> SmsTransport:
        return SmsTransport(self.url, FIELDS, authorization="Bearer abc", sender="Paminnelse", **options)


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    one = Gateway()
    yield one
    one.hangs.set()
    one.server.shutdown()


def remind(database: Database, clock: ManualClock, **options: Any) -> None:
    due = clock.now() + options.pop("after", timedelta(0))
    database.write_now(
        lambda s: outbox.post_sealed(
            s, VAULT, clock.now(), NUMBER, "", "Påminnelse 15:00", channel="sms", about="b", due=due
        )
    )


def texts(database: Database, gateway: Gateway, clock: ManualClock, **options: Any) -> int:
    return asyncio.run(outbox.deliver_due(database, {"sms": gateway.transport(**options)}, clock, VAULT))


@pytest.mark.parametrize("form", [False, True])
def test_a_text_message_goes_out_as_the_gateway_takes_it(
    database: Database, clock: ManualClock, gateway: Gateway, form: bool
) -> None:
    """JSON or a form, with the municipality's own fields; until then its number lies sealed."""
    remind(database, clock)
    stored = database.read_now(lambda s: s.execute(sa.select(OutboxMessage.__table__)).one())
    assert NUMBER not in repr(stored) and NUMBER.encode() not in stored.sealed
    assert texts(database, gateway, clock, form=form) == 1
    headers, body = gateway.got[0]
    sent = {name: values[0] for name, values in parse_qs(body.decode()).items()} if form else json.loads(body)
    assert sent == {"to": NUMBER, "from": "Paminnelse", "message": "Påminnelse 15:00", "ref": stored.id}
    assert (headers["Authorization"], headers["Idempotency-Key"]) == ("Bearer abc", stored.id)


def test_it_waits_for_its_hour(database: Database, clock: ManualClock, gateway: Gateway) -> None:
    """A reminder is in the outbox from the start, and goes out when it is due."""
    remind(database, clock, after=timedelta(hours=2))
    assert texts(database, gateway, clock) == 0
    clock.forward(hours=2)
    assert texts(database, gateway, clock) == 1


@pytest.mark.parametrize(
    ("status", "state_then"),
    [(500, "pending"), (503, "pending"), (429, "pending"), (401, "pending"), (404, "pending"), (302, "pending"),
     (400, "refused"), (422, "refused")],
)  # fmt: skip
def test_a_gateway_that_says_no_is_tried_again_unless_it_says_never(
    database: Database, clock: ManualClock, gateway: Gateway, status: int, state_then: str
) -> None:
    """Its own trouble and our settings pass; a number that it will not take does not. Retries carry the same id."""
    remind(database, clock)
    gateway.status = status
    texts(database, gateway, clock)
    assert state(database) == [(state_then, 1)]
    gateway.status = 200
    clock.forward(hours=1)
    assert texts(database, gateway, clock) == (state_then == "pending")
    assert 1 == len({headers["Idempotency-Key"] for headers, _ in gateway.got})


def test_a_hanging_gateway_keeps_no_mail_waiting(
    database: Database, clock: ManualClock, gateway: Gateway, sink: tuple[Sink, str]
) -> None:
    """The mail is out while the gateway still hangs; the text message is neither lost nor taken for sent."""
    handler, url = sink
    remind(database, clock)
    post(database, clock)
    gateway.status = 0

    async def both() -> None:
        transports = {"sms": gateway.transport(), "mail": SmtpTransport(url, "koll@exempelby.example")}
        delivering = asyncio.create_task(outbox.deliver_due(database, transports, clock, VAULT))
        while not handler.mails or not gateway.got:
            await asyncio.sleep(0.02)
        assert not delivering.done()
        gateway.server.server_close()
        gateway.hangs.set()
        await delivering

    asyncio.run(both())
    assert len(handler.mails) == 1


def test_no_gateway_loses_nothing(database: Database, clock: ManualClock, gateway: Gateway) -> None:
    """Refused at the door: tried again."""
    gateway.server.shutdown()
    gateway.server.server_close()
    remind(database, clock)
    assert texts(database, gateway, clock) == 0
    assert state(database) == [("pending", 1)]


def test_what_has_not_gone_out_is_told_after_five_minutes(
    database: Database, clock: ManualClock, gateway: Gateway
) -> None:
    """From when it was to go out, whatever the tries; a refusal is told at once; what is sent is not told of."""
    database.write_now(lambda s: outbox.post(s, clock.now(), "a@x.example", "Ny händelse", "Logga in.", about="c"))
    remind(database, clock, after=timedelta(hours=1))

    def told() -> tuple[set[tuple[str, str]], int]:
        return database.read_now(
            lambda s: (outbox.not_gone(s, clock.now(), ["b", "c"]), outbox.staff_not_told(s, clock.now())[0])
        )

    assert told() == (set(), 0)
    clock.forward(minutes=5)
    assert told() == ({("c", "mail")}, 1)
    clock.forward(minutes=60)
    gateway.status = 422
    texts(database, gateway, clock)
    assert told() == ({("c", "mail"), ("b", "sms")}, 1)


def test_what_is_withdrawn_is_gone(database: Database, clock: ManualClock, gateway: Gateway) -> None:
    """And nothing else of the same talk."""
    database.write_now(lambda s: outbox.post(s, clock.now(), "a@x.example", "Ny händelse", "Logga in.", about="b"))
    remind(database, clock, after=timedelta(hours=1))
    database.write_now(lambda s: outbox.withdraw(s, "b", ["sms", "private_mail"]))
    assert ["mail"] == database.read_now(lambda s: list(s.scalars(sa.select(OutboxMessage.channel))))
