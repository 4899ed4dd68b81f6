"""Promises of the channel between the backend and Rasa, over real HTTP."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from typing import Any

import pytest
from conftest import TOKEN, Serve, Server

CANARY = "kanariefågel"
_ids = count()

# Everything that Rasa, or a text normaliser in front of it, may take for a leading slash.
LEADS = [
    "/",
    " /",
    "\t/",
    "\n/",
    "\r\n/",
    "\x0b/",
    "\x0c/",
    "\x1c/",
    "\x1d/",
    "\x1e/",
    "\x1f/",
    "\x85/",
    "\xa0/",
    "\u1680/",
    "\u2003/",
    "\u2028/",
    "\u3000/",
    "\u200b/",
    "\ufeff/",
    "\0/",
    "\u200b\u200b/",
    "\uff0f",
    "\u2003\uff0f",
    "\ud800/",
    "//",
    "\\/",
]
COMMANDS = [
    'choose_time{"slot": "stolen"}',
    'choose_time@1.0{"slot": "stolen"}',
    'choose_time@0.3{"slot":"stolen"}; drop',
    "restart",
    "session_start",
]


def new_conversation() -> str:
    return f"conversation-{next(_ids)}"


def in_form(server: Server) -> str:
    """A conversation in which the form waits for a time."""
    conversation = new_conversation()
    server.turn(conversation, command={"intent": "booking"})
    answer = server.turn(conversation, text="på telefon")
    assert "time" == answer["requested"]
    return conversation


def test_every_route_asks_for_the_token(server: Server) -> None:
    """Without the token, or with another, nothing is told and nothing happens."""
    for method, path in (("GET", "/health"), ("POST", "/turn"), ("POST", "/forget")):
        for token in (None, "", "wrong", TOKEN[:-1], TOKEN + "x", "tökén"):
            body = {"conversation": "c", "turn": "t", "text": "hej"}
            if token == "tökén":
                token = token.encode().decode("latin-1")
            status, answer = server.call(method, path, body if method == "POST" else None, token)
            assert (401, "unauthorized") == (status, answer["error"]["code"])


def test_one_utterance_is_one_entry(server: Server) -> None:
    """Name, text, buttons and custom data of an utterance come together, in order."""
    answer = server.turn(new_conversation(), text="hej")

    assert [
        {
            "name": "utter_smalltalk",
            "text": "Hej!",
            "buttons": [
                {"title": "Boka", "payload": "/booking"},
                {"title": "Stöd", "payload": "/support"},
            ],
            "custom": {"show": "map", "station": None},
        }
    ] == answer["messages"]
    assert "smalltalk" == answer["intent"]["name"]
    assert 0.3 < answer["intent"]["confidence"] < 1
    assert 3 == len(answer["ranking"])
    assert {"name", "confidence"} == set(answer["ranking"][0])


def test_an_unsure_message_still_names_what_it_may_be(server: Server) -> None:
    """When the assistant is not sure, the ranking holds topics and not the fallback."""
    answer = server.turn(new_conversation(), text="matematik")

    assert "nlu_fallback" == answer["intent"]["name"]
    assert 3 == len(answer["ranking"])
    assert "nlu_fallback" not in {ranked["name"] for ranked in answer["ranking"]}


def test_a_button_goes_past_the_model(server: Server) -> None:
    """A command sets its entities and is certain."""
    conversation = in_form(server)
    command = {"intent": "choose_time", "entities": {"slot": "time-1"}}
    answer = server.turn(conversation, command=command)

    assert {"name": "choose_time", "confidence": 1.0} == answer["intent"]
    assert "Klart: på telefon, time-1." == answer["messages"][0]["text"]
    assert answer["loop"] is None
    assert "time-1" == answer["state"]["slots"]["time"]


@pytest.mark.parametrize("lead", LEADS, ids=[ascii(lead) for lead in LEADS])
def test_typed_text_is_never_a_command(server: Server, lead: str) -> None:
    """Whatever a text begins with, it sets no entity and winds nothing back."""
    conversation = in_form(server)
    for command in COMMANDS:
        answer = server.turn(conversation, text=lead + command)

        # A command would be certain, alone in its ranking, and would fill the slot.
        assert answer["intent"]["confidence"] < 1
        assert 3 == len(answer["ranking"])
        assert "time" not in answer["state"]["slots"]
        assert "på telefon" == answer["state"]["slots"]["channel"]
        if answer["intent"]["name"] != "stop":
            assert "booking_form" == answer["loop"]
        else:
            conversation = in_form(server)


def test_a_conversation_starts_with_what_the_backend_knows(server: Server) -> None:
    """The state's slots count at the start, and not once there is a conversation."""
    conversation = new_conversation()
    first = server.turn(conversation, text="hej", state={"slots": {"who": "child"}})
    second = server.turn(conversation, text="hej", state={"slots": {"who": "parent"}})

    assert {"who": "child", "lang": "sv"} == first["state"]["slots"]
    assert "child" == second["state"]["slots"]["who"]


def test_a_form_goes_on_after_a_restart(server: Server, serve: Serve) -> None:
    """Another process, given the last state, asks for exactly what was left to ask."""
    conversation = new_conversation()
    server.turn(conversation, command={"intent": "booking"})
    state = server.turn(conversation, text="på telefon")["state"]

    restarted = serve()
    answer = restarted.turn(
        conversation,
        command={"intent": "choose_time", "entities": {"slot": "time-2"}},
        state=state,
    )
    restarted.stop()

    assert "Klart: på telefon, time-2." == answer["messages"][0]["text"]
    assert answer["loop"] is None


def test_a_question_in_a_restored_form_is_asked_again(server: Server) -> None:
    """A restored form that got no answer asks its question once more."""
    state = {"slots": {}, "loop": "booking_form", "requested": "channel"}
    answer = server.turn(new_conversation(), text="på chatten", state=state)

    assert ("booking_form", "time") == (answer["loop"], answer["requested"])
    assert "på chatten" == answer["state"]["slots"]["channel"]


def test_a_forgotten_conversation_is_gone(server: Server) -> None:
    """After forget nothing of it is in memory: the next message starts anew."""
    conversation = in_form(server)

    assert (204, None) == server.call("POST", "/forget", {"conversation": conversation})
    assert (204, None) == server.call("POST", "/forget", {"conversation": conversation})
    answer = server.turn(conversation, text="hej")
    assert answer["loop"] is None
    assert {"lang": "sv"} == answer["state"]["slots"]


def test_turns_of_one_conversation_wait_for_each_other(server: Server) -> None:
    """Messages sent at once are all answered, one after the other."""
    conversation = new_conversation()
    with ThreadPoolExecutor(6) as pool:
        answers = list(
            pool.map(
                lambda _: server.turn(conversation, command={"intent": "smalltalk"}),
                range(6),
            )
        )

    assert ["Hej!"] * 6 == [answer["messages"][0]["text"] for answer in answers]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"not json", 400, "not_json"),
        (b"\xff\xfe", 400, "not_json"),
        (b"[" * 30_000, 400, "not_json"),
        ([], 422, "invalid"),
        ({}, 422, "invalid"),
        ({"conversation": "c", "turn": "t"}, 422, "invalid"),
        ({"conversation": "c", "turn": "t", "text": 7}, 422, "invalid"),
        ({"conversation": "c" * 201, "turn": "t", "text": "hej"}, 422, "invalid"),
        (
            {"conversation": "c", "turn": "t", "text": "hej", "command": {"intent": "stop"}},
            422,
            "invalid",
        ),
        ({"conversation": "c", "turn": "t", "text": "hej", "state": []}, 422, "invalid"),
        ({"conversation": "c", "turn": "t", "command": {"intent": "nope"}}, 422, "invalid"),
        ({"conversation": "c", "turn": "t", "command": {"intent": "restart"}}, 422, "invalid"),
        (
            {
                "conversation": "c",
                "turn": "t",
                "command": {"intent": "stop", "entities": {"nope": 1}},
            },
            422,
            "invalid",
        ),
    ],
    ids=range(13),
)
def test_what_is_not_a_turn_is_refused(server: Server, body: Any, status: int, code: str) -> None:
    """A malformed request, an unknown command or entity gets an error and no effect."""
    assert (status, code) == (
        (answer := server.call("POST", "/turn", body))[0],
        answer[1]["error"]["code"],
    )


@pytest.mark.parametrize(
    "text",
    ["", " ", "\0", "\ud800", "z" + "\u0301" * 500, "\u202eabc", "😀" * 5_000, "a" * 50_000],
    ids=range(8),
)
def test_odd_texts_are_answered(server: Server, text: str) -> None:
    """Empty, broken, right-to-left, stacked or very long: always an answer."""
    answer = server.turn(new_conversation(), text=text)

    assert answer["intent"]["name"]


class FakeActions:
    """An action server that answers as told: a result, garbage, an error, or late."""

    def __init__(self) -> None:
        self.answer: Any = {"events": [], "responses": []}
        self.status = 200
        self.delay = 0.0
        self.last_call: dict[str, Any] = {}
        fake = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"])
                fake.last_call = json.loads(self.rfile.read(length))
                time.sleep(fake.delay)
                body = json.dumps(fake.answer).encode()
                with suppress(ConnectionError):  # the caller may have given up
                    self.send_response(fake.status)
                    self.send_header("Content-Type", "application/json")
                    self.send_header("Content-Length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture(scope="module")
def with_actions(serve: Serve) -> Iterator[tuple[Server, FakeActions]]:
    fake = FakeActions()
    # As talkative as it can be made, for the last test here.
    server = serve(ACTIONS_URL=fake.url, LOG_LEVEL="DEBUG", LOG_LEVEL_LIBRARIES="DEBUG")
    yield server, fake
    server.stop()
    fake.server.shutdown()


def test_actions_learn_the_turn_and_the_message(
    with_actions: tuple[Server, FakeActions],
) -> None:
    """The ids that let an action write are in the latest message's metadata."""
    server, fake = with_actions
    fake.answer = {"events": [], "responses": [{"text": "Gjort."}]}
    fake.status, fake.delay = 200, 0.0
    answer = server.turn(new_conversation(), command={"intent": "remote"}, message="m-7")

    assert "Gjort." == answer["messages"][0]["text"]
    metadata = fake.last_call["tracker"]["latest_message"]["metadata"]
    assert {"turn": "turn-1", "message": "m-7", "now": None, "zone": None, "also": []} == metadata
    now = "2026-11-23T12:30:00+01:00"
    server.turn(new_conversation(), command={"intent": "remote"}, message="m-7", now=now, zone="Europe/Stockholm")
    metadata = fake.last_call["tracker"]["latest_message"]["metadata"]
    assert (now, "Europe/Stockholm") == (metadata["now"], metadata["zone"])


@pytest.mark.parametrize(
    ("answer", "status", "delay"),
    [
        ({"error": CANARY}, 500, 0),
        ({"error": CANARY, "action_name": "action_remote"}, 404, 0),
        ([CANARY], 200, 0),
        ({"events": CANARY, "responses": []}, 200, 0),
        ({"events": [{"event": CANARY}], "responses": []}, 200, 0),
        ({"events": [], "responses": []}, 200, 3),
    ],
    ids=["error", "no such action", "garbage", "wrong shape", "unknown event", "late"],
)
def test_a_turn_whose_action_fails_is_undone(
    with_actions: tuple[Server, FakeActions], answer: Any, status: int, delay: float
) -> None:
    """502, at the deadline when it is late, and the conversation is as it was before the message."""
    server, fake = with_actions
    conversation = new_conversation()
    before = server.turn(conversation, text="hej", state={"slots": {"who": "child"}})
    fake.answer, fake.status, fake.delay = answer, status, delay
    failed = server.call(
        "POST",
        "/turn",
        {"conversation": conversation, "turn": "t", "command": {"intent": "remote"}},
    )

    assert (502, "actions_unavailable") == (failed[0], failed[1]["error"]["code"])
    fake.answer, fake.status, fake.delay = {"events": [], "responses": []}, 200, 0
    server.turn(conversation, command={"intent": "remote"})
    events = fake.last_call["tracker"]["events"]
    assert 1 == sum(event["event"] == "user" and event["parse_data"]["intent"]["name"] == "remote" for event in events)
    assert before["state"] == server.turn(conversation, text="hej")["state"]


def test_nothing_of_a_text_reaches_a_log(
    with_actions: tuple[Server, FakeActions],
) -> None:
    """Canary words in texts, commands, entities, states and failures: none is written.

    The log is as talkative as it can be made, and does report the failures. Last in this
    file: it ends the process to read all of its log.
    """
    server, fake = with_actions
    conversation = new_conversation()
    for text in (
        CANARY,
        f"/{CANARY}",
        f'/choose_time@0.3{{"slot": "{CANARY}"}}; {CANARY}',
        f"/booking{{{CANARY}",
        f"\u2003/{CANARY}",
        f"jag vill boka en tid {CANARY}",
        f"på telefon {CANARY}",
    ):
        server.turn(conversation, text=text, state={"slots": {"who": CANARY}})
    fake.answer, fake.status = {"error": CANARY}, 500
    for body in (
        {"command": {"intent": CANARY}},
        {"command": {"intent": "stop", "entities": {CANARY: CANARY}}},
        {"command": {"intent": "remote"}},
        {"text": {CANARY: 1}},
    ):
        server.call("POST", "/turn", {"conversation": conversation, "turn": "t", **body})
    server.call("POST", "/turn", f'{{"text": "{CANARY}'.encode())
    server.call("POST", f"/{CANARY.encode('ascii', 'ignore').decode()}")
    # Rasa has something to say about each of these: no such slot, no such response.
    fake.answer, fake.status = (
        {
            "events": [{"event": "slot", "name": CANARY, "value": CANARY, "timestamp": None}],
            "responses": [{"response": CANARY}, {"text": CANARY, "buttons": CANARY}],
        },
        200,
    )
    server.call(
        "POST",
        "/turn",
        {"conversation": conversation, "turn": "t", "command": {"intent": "remote"}},
    )
    log = server.stop()

    assert "The action server answered 500" in log
    assert "rasa.core.processor" in log
    assert CANARY[:7] not in log
