"""Promise: the municipality's own systems are told that something happened, signed, at least once, and never what."""

from __future__ import annotations

import asyncio
import base64
import json
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa
import yaml
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from backend.app import create_app
from backend.cases.desk import NewPerson
from backend.cases.service import CaseDesk
from backend.concerns.handling import HandlingDesk
from backend.concerns.service import ConcernDesk
from backend.config import SettingsError, load_settings
from backend.core.content import ContentError
from backend.core.errors import Conflict
from backend.core.house import House
from backend.core.municipality import Municipality, WebhookEndpoint, load_municipality
from backend.core.outbox import OutboxMessage, deliver_due
from backend.core.webhooks import CHANNEL, WebhookTransport, secret_name
from tests.conftest import ManualClock, make_settings
from tests.features.test_concerns import CANARY, STORY, add_staff, run

SECRET = "whsec_" + base64.b64encode(b"s" * 32).decode()
EVENTS: list[Any] = ["concern.received", "concern.accepted", "concern.moved", "decision.recorded"]


class Sink:
    """A real HTTP server that answers as told and remembers what came."""

    def __init__(self) -> None:
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.answers: list[int] = []
        sink = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                sink.got.append(({name.lower(): value for name, value in self.headers.items()}, body))
                self.send_response(sink.answers.pop(0) if sink.answers else 204)
                self.send_header("location", "http://127.0.0.1:1/")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/koll"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def sink() -> Iterator[Sink]:
    sink = Sink()
    yield sink
    sink.server.shutdown()
    sink.server.server_close()


def told(municipality: Municipality, url: str, events: list[Any] = EVENTS) -> Municipality:
    return msgspec.structs.replace(municipality, webhooks=[WebhookEndpoint("journal", url, events)])


@pytest.fixture
def listening(house: House, sink: Sink) -> House:
    return replace(house, municipality=told(house.municipality, sink.url))


def transport(house: House) -> WebhookTransport:
    return WebhookTransport(house.municipality, {secret_name("journal"): SECRET})


def deliver(house: House) -> int:
    return run(deliver_due(house.db, {CHANNEL: transport(house)}, house.clock))


def waiting(house: House) -> list[OutboxMessage]:
    return house.db.read_now(
        lambda session: list(session.scalars(sa.select(OutboxMessage).where(OutboxMessage.channel == CHANNEL)))
    )


def test_what_arrives_is_signed_and_holds_an_id_and_nothing_else(listening: House, sink: Sink) -> None:
    """The library of the standard accepts it with the endpoint's secret, and with no other; not a word is in it."""
    concern = run(ConcernDesk(listening).receive(STORY)).concern_id
    assert 1 == deliver(listening)
    headers, body = sink.got[0]
    event = Webhook(SECRET).verify(body, headers)
    assert {"type", "timestamp", "data"} == set(event)
    assert ("concern.received", {"id": concern}) == (event["type"], event["data"])
    assert CANARY.encode() not in body and "mottagning" not in body.decode()
    for secret, changed in (
        (base64.b64encode(b"x" * 32).decode(), body),
        (SECRET, body.replace(b"concern", b"decision")),
    ):
        with pytest.raises(WebhookVerificationError):
            Webhook(secret).verify(changed, headers)


def test_each_deed_has_its_event(listening: House, sink: Sink, clock: ManualClock) -> None:
    """In order, in the same transaction as the deed: what was refused tells of nothing."""
    desk, handling, karin = ConcernDesk(listening), HandlingDesk(listening), add_staff(listening, qualified=True)
    concern = run(desk.receive(STORY)).concern_id
    clock.forward(seconds=1)
    run(handling.take_all(karin, [concern]))
    with pytest.raises(Exception):  # noqa: B017  (any refusal will do)
        run(handling.decide(karin, concern, "open", "För tidigt, ingen skyddsbedömning."))
    for deed in (
        handling.check(karin, concern, "safe", "Barnet är hos mormor."),
        handling.decide(karin, concern, "not_open", "Oron är undanröjd."),
    ):
        clock.forward(seconds=1)
        run(deed)
    deliver(listening)
    assert ["concern.received", "concern.accepted", "decision.recorded"] == [
        json.loads(body)["type"] for _, body in sink.got
    ]


def test_a_case_that_is_opened_is_announced(house: House, sink: Sink) -> None:
    """By the case's own id; a second one about the same concern, which is refused, is not."""
    listening = replace(house, municipality=told(house.municipality, sink.url, ["case.opened"]))
    karin, cases = add_staff(listening), CaseDesk(listening)
    concern = run(ConcernDesk(listening).receive(STORY)).concern_id
    opened = run(cases.open_from_concern(karin, concern, NewPerson("child", "Elsa")))
    with pytest.raises(Conflict):
        run(cases.open_from_concern(karin, concern, NewPerson("child", "Elsa")))
    assert 1 == deliver(listening)
    event = Webhook(SECRET).verify(sink.got[0][1], sink.got[0][0])
    assert ("case.opened", {"id": opened.case_id}) == (event["type"], event["data"])


def test_the_id_stays_the_same_until_it_is_taken(listening: House, sink: Sink, clock: ManualClock) -> None:
    """Busy, broken and redirecting receivers get it again with the same id; a redirect is not followed."""
    run(ConcernDesk(listening).receive(STORY))
    sink.answers = [503, 500, 429, 302, 404]
    for _ in range(6):
        deliver(listening)
        clock.forward(minutes=20)
    assert 6 == len(sink.got) and 1 == len({headers["webhook-id"] for headers, _ in sink.got})
    assert ["sent"] == [row.state for row in waiting(listening)]
    assert 0 == deliver(listening)


def test_a_receiver_that_is_gone_is_not_asked_again(listening: House, sink: Sink, clock: ManualClock) -> None:
    """410 Gone, as the standard says; and nothing is lost of what others wait for."""
    run(ConcernDesk(listening).receive(STORY))
    sink.answers = [410]
    deliver(listening)
    clock.forward(hours=1)
    deliver(listening)
    assert (1, ["refused"]) == (len(sink.got), [row.state for row in waiting(listening)])


def test_a_receiver_that_does_not_answer_is_tried_later(listening: House, clock: ManualClock) -> None:
    """Nobody at the address: it waits, and the concern is received all the same."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        dead = f"http://127.0.0.1:{probe.getsockname()[1]}/"
    house = replace(listening, municipality=told(listening.municipality, dead))
    run(ConcernDesk(house).receive(STORY))
    deliver(house)
    assert ["pending"] == [row.state for row in waiting(house)]


def test_who_did_not_ask_is_not_told(house: House, sink: Sink) -> None:
    """Only the events that the endpoint lists, and none where there is no endpoint."""
    quiet = replace(house, municipality=told(house.municipality, sink.url, ["decision.recorded"]))
    for one in (quiet, house):
        run(ConcernDesk(one).receive(STORY))
    assert [] == waiting(house)


@pytest.mark.parametrize(
    "secret", ["", "whsec_", "whsec_kort", base64.b64encode(b"s" * 23).decode(), "å" * 40, "not base64!" * 4]
)
def test_there_is_no_default_secret(house: House, secret: str) -> None:
    """Missing, short or broken: the start is refused and the variable is named."""
    municipality = told(house.municipality, "https://journal.exempelby.example/koll")
    with pytest.raises(SettingsError, match="WEBHOOK_SECRET_JOURNAL"):
        WebhookTransport(municipality, {secret_name("journal"): secret} if secret else {})


@pytest.mark.parametrize(
    "url", ["http://journal.exempelby.example/", "ftp://127.0.0.1/", "journal", "http://127.0.0.1.evil.example/"]
)
def test_nothing_leaves_unencrypted(house: House, url: str) -> None:
    """https, or this very machine."""
    with pytest.raises(SettingsError, match="https"):
        WebhookTransport(told(house.municipality, url), {secret_name("journal"): SECRET})


def test_the_start_is_refused_without_the_secret(tmp_path: Path) -> None:
    """The whole app, from a municipality's file; with the secret in the environment it starts."""
    settings = make_settings(tmp_path)
    content = tmp_path / "content"
    content.mkdir()
    for path in settings.content_dir.iterdir():
        if path.name != "municipalities":
            (content / path.name).symlink_to(path)
    (content / "municipalities").mkdir()
    file = yaml.safe_load((settings.content_dir / "municipalities" / "exempelby.yml").read_text("utf-8"))
    file["webhooks"] = [{"id": "journal", "url": "https://journal.example/", "events": ["concern.received"]}]
    place = content / "municipalities" / "exempelby.yml"
    place.write_text(yaml.safe_dump(file, allow_unicode=True), "utf-8")
    with pytest.raises(SettingsError, match="WEBHOOK_SECRET_JOURNAL"):
        create_app(replace(settings, content_dir=content), name="webhooks-without")
    create_app(
        replace(settings, content_dir=content, webhook_secrets={"WEBHOOK_SECRET_JOURNAL": SECRET}), name="webhooks-with"
    )
    file["webhooks"][0]["events"] = ["concern.everything"]
    place.write_text(yaml.safe_dump(file, allow_unicode=True), "utf-8")
    with pytest.raises(ContentError, match="webhooks"):
        load_municipality(content, "exempelby")


def test_secrets_are_read_from_the_environment_only() -> None:
    """By their names; other variables are nobody's secret."""
    secrets = {"DATA_KEY": base64.urlsafe_b64encode(b"k" * 32).decode(), "CODE_PEPPER": base64.urlsafe_b64encode(b"p" * 32).decode(),
               "RASA_TOKEN": "r" * 40, "INTERNAL_TOKEN": "i" * 40}  # fmt: skip
    settings = load_settings(secrets | {"WEBHOOK_SECRET_JOURNAL": SECRET, "WEBHOOK": "x"})
    assert {"WEBHOOK_SECRET_JOURNAL": SECRET} == settings.webhook_secrets
    assert "WEBHOOK_SECRET_MY_JOURNAL" == secret_name("my-journal")


def test_a_hanging_receiver_keeps_no_mail_waiting(listening: House, sink: Sink) -> None:
    """Mail goes by itself: what is due there is sent while the webhook is still being tried."""
    run(ConcernDesk(listening).receive(STORY))
    sent: list[str] = []

    class Post:
        def send(self, message: Any) -> None:
            sent.append(message.recipient)

    hang = threading.Event()

    class Hanging:
        def send(self, message: Any) -> None:
            hang.wait(20)

    async def both() -> None:
        slow = asyncio.create_task(deliver_due(listening.db, {CHANNEL: Hanging()}, listening.clock))
        await deliver_due(listening.db, {"mail": Post()}, listening.clock)
        assert sent and not slow.done()
        hang.set()
        await slow

    run(both())
