"""Promises of single actions: what they ask of the backend and what they say, step by step.

The dispatcher is the SDK's own; the tracker is made from JSON as Rasa sends it; the neighbour
is a real HTTP server that answers from the contract.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from actions_env import answers, backend_client, booking, concern, turn
from neighbour import Neighbour, agrees, examples, neighbour
from rasa_sdk import Action, Tracker
from rasa_sdk.executor import CollectingDispatcher

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture
def beside(monkeypatch: pytest.MonkeyPatch) -> Iterator[Neighbour]:
    """The neighbour, and the actions talking to it."""
    with neighbour() as started:
        monkeypatch.setattr(backend_client, "BASE_URL", started.url)
        monkeypatch.setattr(backend_client, "TOKEN", "an-internal-token-for-tests")
        yield started


def tracker(
    intent: str,
    text: str | None = None,
    entities: dict[str, Any] | None = None,
    loop: str | None = None,
    events: list[dict[str, Any]] | None = None,
    **slots: Any,
) -> Tracker:
    """A tracker as Rasa sends it. Without a text, a button was pressed."""
    pressed = text is None
    return Tracker.from_dict(
        {
            "sender_id": "c",
            "slots": {"lang": "sv", "requested_slot": None, **slots},
            "latest_message": {
                "text": f"/{intent}" if pressed else text,
                "intent": {"name": intent, "confidence": 1.0 if pressed else 0.9},
                "entities": [{"entity": k, "value": v} for k, v in (entities or {}).items()],
                "intent_ranking": [{"name": intent, "confidence": 0.9}],
                "metadata": {"turn": "t-1", "message": None if pressed else "m-1"},
            },
            "events": [*(events or []), {"event": "user"}],
            "active_loop": {"name": loop} if loop else {},
            "latest_action_name": "action_listen",
            "paused": False,
        }
    )


def run(action: Action, state: Tracker) -> tuple[list[dict[str, Any]], dict[str, Any], list[str]]:
    """(utterances, slots set, follow-up actions) of an action."""
    dispatcher = CollectingDispatcher()
    events = asyncio.run(action.run(dispatcher, state, {}))
    slots = {event["name"]: event["value"] for event in events if event["event"] == "slot"}
    follow = [event["name"] for event in events if event["event"] == "followup"]
    return dispatcher.messages, slots, follow


def said(messages: list[dict[str, Any]]) -> list[str]:
    """The names of the responses, without utter_; the directive where there is none."""
    return [
        (message["response"] or f"show {message['custom'].get('show')}").removeprefix("utter_") for message in messages
    ]


def test_actions_carry_no_word_for_people() -> None:
    """Swedish is data: no å, ä, ö and no text in any action."""
    for path in (ROOT / "rasa" / "actions").glob("*.py"):
        code = path.read_text("utf-8")
        assert not set("åäöÅÄÖ") & set(code), path
        assert "utter_message(text" not in code and "text=" not in code, path


def test_every_call_of_the_contract_has_an_example_that_agrees_with_itself() -> None:
    """The calls, each with an ordinary answer first and errors with a code."""
    known = examples()
    booking_calls = {"times", "holds", "contact", "bookings", "release", "callbacks"}
    assert booking_calls | {"concerns", "drafts", "own", "moves", "cancellations", "reminders"} == set(known)
    for call in known.values():
        requests = [example["request"] for example in call.values()]
        first = next(iter(call.values()))
        assert first["status"] in (200, 204)
        for example in call.values():
            assert agrees(example["request"], requests)
            if example["status"] >= 400:
                assert example["answer"]["error"]["code"]


def test_a_call_carries_the_turn_and_the_token(beside: Neighbour) -> None:
    """Without them the neighbour objects; with them it answers."""
    answer = asyncio.run(backend_client.Backend("t-1").times())
    assert 4 == len(answer["times"])
    assert [] == beside.objections
    asyncio.run(backend_client.Backend("t-1").release())
    with pytest.raises(backend_client.BackendRefused):
        asyncio.run(backend_client.Backend("").times())


def test_the_same_call_in_the_same_turn_has_the_same_key(beside: Neighbour) -> None:
    """Sent again because its answer got lost, it is one deed; in another turn, or for another time, it is another."""
    for turn_token, slot in (("t-1", "s-1"), ("t-1", "s-1"), ("t-1", "s-2"), ("t-2", "s-1")):
        asyncio.run(backend_client.Backend(turn_token).hold(slot))
    first, again, other_time, other_turn = beside.keys
    assert first == again
    assert 3 == len({first, other_time, other_turn})


def test_a_call_that_is_cut_off_is_sent_once_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the same key, since nobody knows whether it was done."""
    keys: list[str | None] = []

    class CutsOff(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            keys.append(self.headers["Idempotency-Key"])
            if len(keys) == 1:
                self.close_connection = True
                return
            body = b'{"label": "x", "therapist": "Anna", "minutes": 5, "channels": []}'
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: Any) -> None:
            """Keep the test output readable."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), CutsOff)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setattr(backend_client, "BASE_URL", f"http://127.0.0.1:{server.server_address[1]}")
    try:
        assert "Anna" == asyncio.run(backend_client.Backend("t-1").hold("s-1"))["therapist"]
    finally:
        server.shutdown()
        server.server_close()
    assert 2 == len(keys) and 1 == len(set(keys))


@pytest.mark.parametrize("status", [500, 503])
def test_a_backend_that_fails_is_down(beside: Neighbour, status: int) -> None:
    """Never read as an answer."""
    beside.will("holds", status)
    with pytest.raises(backend_client.BackendDown):
        asyncio.run(backend_client.Backend("t-1").hold("s-1"))


@pytest.mark.parametrize("raw", [b"", b"<html>", b"[]", b"null", b'{"times": 3}'])
def test_a_garbage_answer_is_no_answer(raw: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy's page, an empty body, the wrong kind of JSON."""

    class Garbage(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(raw)

        def log_message(self, *args: Any) -> None: ...

    server = HTTPServer(("127.0.0.1", 0), Garbage)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    monkeypatch.setattr(backend_client, "BASE_URL", f"http://127.0.0.1:{server.server_address[1]}")
    try:
        with pytest.raises(backend_client.BackendDown):
            asyncio.run(backend_client.Backend("t-1").times())
    finally:
        server.shutdown()
        server.server_close()


def test_a_backend_that_is_not_there_is_down(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody listens: told kindly, with numbers and a way to try again."""
    monkeypatch.setattr(backend_client, "BASE_URL", "http://127.0.0.1:9")
    messages, _, follow = run(booking.ActionFindTimes(), tracker("booking"))
    assert ["trouble"] == said(messages)
    assert {"show": "contacts", "set": "child"} == messages[0]["custom"]
    assert ["/booking"] == [button["payload"] for button in messages[0]["buttons"]]
    assert [] == follow


@pytest.mark.parametrize(
    ("slots", "contacts"),
    [
        ({}, "child"),
        ({"who": "child", "band": "6-9"}, "child"),
        ({"who": "child", "band": "13-17"}, "teen"),
        ({"who": "partner", "band": "adult"}, "partner"),
        ({"who": "parent", "band": "parent"}, "own_use"),
        ({"who": "adult", "band": "adult"}, "adult"),
        ({"who": "professional", "band": "adult"}, "professional"),
    ],
)
def test_the_numbers_fit_the_reader(slots: dict[str, Any], contacts: str) -> None:
    """Who is not known is met as a child."""
    assert contacts == turn.Turn(tracker("support__numbers", **slots)).contacts


@pytest.mark.parametrize(
    ("state", "noted"),
    [
        (
            tracker("set_reader", entities={"reader": "child_10_12"}),
            {"who": "child", "band": "10-12"},
        ),
        (tracker("set_reader", entities={"reader": "skip"}), {}),
        (tracker("set_reader", entities={"reader": "no such reader"}), {}),
        (tracker("concern__story", "jag är 14 och mamma dricker"), {"who": "child", "band": "13-17"}),
        # Said once, kept: a story about somebody else changes nothing.
        (tracker("concern__story", "min man dricker", who="adult", band="adult"), {}),
        (tracker("set_reader", "jag är 12", who="adult", band="adult"), {"who": "child", "band": "10-12"}),
        (tracker("language", entities={"lang": "en"}), {"lang": "en"}),
        (tracker("language", entities={"lang": "xx"}), {}),
    ],
)
def test_who_is_writing_is_noted(state: Tracker, noted: dict[str, str]) -> None:
    """By button, by age, by plain words; never overwritten by chance."""
    assert noted == run(answers.ActionNoteReader(), state)[1]


def test_the_greeting_asks_only_whom_it_does_not_know() -> None:
    """And never again when it does."""
    assert ["start", "ask_reader"] == said(run(answers.ActionStart(), tracker("start"))[0])
    known = tracker("start", who="child", band="6-9")
    messages = run(answers.ActionStart(), known)[0]
    assert ["start"] == said(messages)
    assert 3 == len(messages[0]["buttons"])


def test_an_answer_inside_a_form_is_an_interruption_without_ways_out_of_the_form() -> None:
    """Outside it has buttons; inside it is marked, and the form's question is the next step."""
    outside = run(answers.ActionAnswer(), tracker("rights__secrecy", "är det hemligt"))[0]
    assert outside[0]["buttons"] and not outside[0]["custom"]
    inside = run(
        answers.ActionAnswer(),
        tracker("rights__secrecy", "är det hemligt", loop="booking_form", requested_slot="channel"),
    )[0]
    assert [] == inside[0]["buttons"]
    assert {"interruption": True} == inside[0]["custom"]


def _answer(form: Any, state: Tracker) -> tuple[list[str], dict[str, Any]]:
    messages, slots, _ = run(form, state)
    return said(messages), slots


def test_a_message_that_has_been_answered_does_not_fill_a_slot_as_well(
    beside: Neighbour,
) -> None:
    """Rasa validates twice around an interruption (rasa-sdk #389); the second time is empty."""
    events = [{"event": "user"}, {"event": "action", "name": "action_answer"}]
    state = tracker("affirm", "ja", loop="booking_form", requested_slot="booking_ok", time={})
    state.events.append(events[1])
    heard, slots = _answer(booking.ValidateBookingForm(), state)
    assert [] == heard and "booking_ok" not in slots


def test_only_somebody_who_wants_to_be_called_is_asked_for_a_number(beside: Neighbour) -> None:
    """Chat and video go straight to the summary."""
    form = booking.ValidateBookingForm()
    held = {"time": {"slot": "s-1", "label": "x"}}
    for channel in ("chat", "video"):
        assert "phone" not in form.needed({**held, "channel": channel})
    assert "phone" in form.needed({**held, "channel": "phone"})


def test_a_number_is_kept_by_the_backend_alone(beside: Neighbour) -> None:
    """The slot has the message's id and what may be shown, never the number."""
    state = tracker("out_of_scope", "070-123 45 67", loop="booking_form", requested_slot="phone", channel="phone")
    heard, slots = _answer(booking.ValidateBookingForm(), state)
    assert ["phone_noted"] == heard
    assert {"message": "m-1", "display": "070-••• •• 67"} == slots["phone"]
    assert [{"message": "m-1"}] == beside.requests("contact")


@pytest.mark.parametrize(
    ("text", "intent", "channel"),
    [
        ("på telefon", "choose_channel", "phone"),
        ("kan vi skriva", "choose_channel", "chat"),
        ("ring inte", "choose_channel", None),
        ("inte telefon och inte video", "choose_channel", "chat"),
        ("spelar ingen roll", "choose_time", "chat"),
        ("vet inte", "unsure", "chat"),
        ("banan", "nlu_fallback", None),
    ],
)
def test_the_way_of_talking_is_never_one_that_was_declined(text: str, intent: str, channel: str | None) -> None:
    """What is named to be avoided is avoided; who will not choose gets the quiet one."""
    state = tracker(intent, text, loop="booking_form", requested_slot="channel")
    _, slots = _answer(booking.ValidateBookingForm(), state)
    assert channel == slots.get("channel")


def test_a_time_that_went_to_somebody_else(beside: Neighbour) -> None:
    """Kind words; with other times the form goes on and the rest of the answers is kept."""
    beside.will("bookings", "hold_expired")
    state = tracker("affirm", channel="chat", booking_ok=True, time={"slot": "s-1"})
    messages, slots, followed = run(booking.ActionBook(), state)
    assert ["hold_expired"] == said(messages)
    assert ["booking_form"] == followed
    assert slots["booking_ok"] is None and slots["time"] is None
    assert "channel" not in slots


def test_one_talk_at_a_time(beside: Neighbour) -> None:
    """Who has a talk already is told so, and the form does not go round and round."""
    beside.will("holds", "already_booked")
    state = tracker("choose_time", loop="booking_form", requested_slot="time", entities={"slot": "s-1"})
    heard, slots = _answer(booking.ValidateBookingForm(), state)
    assert "already_booked" in heard
    assert slots["time"] is None


def test_stopping_lets_go_of_a_held_time_even_if_the_backend_is_gone(beside: Neighbour) -> None:
    """The person hears the same in both cases."""
    state = {"loop": "booking_form", "requested_slot": "channel", "time": {"slot": "s-1"}}
    assert ["booking_stopped"] == said(run(answers.ActionStop(), tracker("stop", **state))[0])
    assert 1 == len(beside.requests("release"))
    beside.will("release", 500)
    assert ["booking_stopped"] == said(run(answers.ActionStop(), tracker("stop", **state))[0])


@pytest.mark.parametrize(
    ("text", "intent", "kept"),
    [
        ("mamma dricker", "concern__story", True),
        ("jag är rädd", "feelings__afraid", True),
        ("varför slår han mig jag fattar inte", "concern__story", True),
        ("asdf", "nlu_fallback", True),
        ("jag är 10 år", "set_reader", True),
        ("är det hemligt?", "rights__secrecy", False),
        ("varför frågar du", "why_ask", False),
        ("avbryt", "stop", False),
        ("jag vill prata med en människa", "human", False),
    ],
)
def test_a_story_is_kept_and_a_question_is_answered(text: str, intent: str, kept: bool) -> None:
    """In the step of the own words, everything is the story but plain questions and orders."""
    state = tracker(intent, text, loop="concern_form", requested_slot="words", parts=["m-0"])
    _, slots = _answer(concern.ValidateConcernForm(), state)
    assert (["m-0", "m-1"] if kept else None) == slots.get("parts")


def test_112_and_numbers_come_once_when_it_may_be_happening_now() -> None:
    """On yes and on not sure; not again when the answer is changed."""
    form = concern.ValidateConcernForm()
    for answer in ("affirm", "unsure"):
        state = tracker(answer, loop="concern_form", requested_slot="now", who="child", band="6-9")
        messages, slots, _ = run(form, state)
        assert ["now_yes"] == said(messages)
        assert {"show": "contacts", "set": "child"} == messages[0]["custom"]
        assert slots["warned"] is True
    assert [] == run(form, tracker("deny", loop="concern_form", requested_slot="now"))[0]
    again = tracker("affirm", loop="concern_form", requested_slot="now", warned=True)
    assert [] == run(form, again)[0]


def test_a_concern_goes_out_as_ids(beside: Neighbour) -> None:
    """What is sent is like the contract, and afterwards the slots are empty."""
    state = tracker("affirm", concern_ok=True, parts=["m-7", "m-8"], about="me", now="no", reach="code")
    messages, slots, _ = run(concern.ActionSendConcern(), state)
    assert ["concern_sent", "show code"] == said(messages)
    assert [] == beside.objections
    (sent,) = beside.requests("concerns")
    assert ["m-7", "m-8"] == sent["parts"]
    assert slots["parts"] is None and slots["told"] is None


@pytest.mark.parametrize(("intent", "text"), [("tell_later", None), ("concern__story", "jag skriver mer sen")])
def test_a_telling_can_wait_for_another_time(intent: str, text: str | None) -> None:
    """With the button, at any question, or in a few words; not before anything has been told."""
    form = concern.ValidateConcernForm()
    telling = {"loop": "concern_form", "requested_slot": "words", "use_told": "no"}
    assert run(form, tracker(intent, text, **telling, parts=["m-7"]))[1]["words"] == "later"
    messages, slots, _ = run(form, tracker(intent, text, **telling))
    assert ["retry__words"] == said(messages) and "words" not in slots
    assert ["use_told", "words"] == form.needed({"use_told": "no", "words": "later"})
    if not text:
        asked = tracker(intent, loop="concern_form", requested_slot="now", words="done", parts=["m-7"])
        assert run(form, asked)[1]["words"] == "later"


def test_a_story_that_mentions_later_is_a_story() -> None:
    """Only a message of a few words is an order."""
    text = "pappa säger att vi ska prata och att han kan fortsätta sen men det gör han aldrig"
    state = tracker("concern__story", text, loop="concern_form", requested_slot="words", parts=["m-7"])
    assert "words" not in run(concern.ValidateConcernForm(), state)[1]


def test_what_is_kept_for_later_goes_as_ids_and_is_not_sent(beside: Neighbour) -> None:
    """Nothing is handed in, the code is shown, and afterwards the slots are empty."""
    state = tracker("tell_later", words="later", parts=["m-7", "m-8"], use_told="no")
    messages, slots, _ = run(concern.ActionSendConcern(), state)
    assert ["show code"] == said(messages) and "draft" == messages[0]["custom"]["of"]
    assert [] == beside.objections and [] == beside.requests("concerns")
    assert ["m-7", "m-8"] == beside.requests("drafts")[0]["parts"]
    assert slots["parts"] is None and slots["told"] is None and slots["words"] is None


def test_what_cannot_be_kept_is_not_lost(beside: Neighbour) -> None:
    """The words stay, and one may try again or go on."""
    beside.will("drafts", 500)
    messages, slots, _ = run(concern.ActionSendConcern(), tracker("tell_later", words="later", parts=["m-7"]))
    assert ["trouble"] == said(messages)
    assert {"words": None} == slots


def test_the_same_apology_never_comes_twice_running() -> None:
    """Guesses, then the main things with a person, then numbers; then the second again."""
    past: list[dict[str, Any]] = []
    heard = []
    for _ in range(5):
        messages, _, _ = run(answers.ActionNotUnderstood(), tracker("nlu_fallback", "grej", events=past))
        heard += said(messages)
        assert messages[0]["buttons"]
        uttered = {"utter_action": messages[0]["response"]}
        past += [{"event": "user"}, {"event": "bot", "metadata": uttered, "data": {}}]
    assert "not_understood_again" == heard[1] and "not_understood_third" == heard[2]
    assert all(first != second for first, second in pairwise(heard))


def test_what_may_be_a_cry_is_heard_and_not_sorted() -> None:
    """Two kinds of telling that are hard to tell apart, and a sigh that sounds like an order."""
    unclear = tracker("nlu_fallback", "jag bor hos mamma och hon är påverkad")
    unclear.latest_message["intent_ranking"] = [
        {"name": "concern", "confidence": 0.45},
        {"name": "concern__story", "confidence": 0.42},
    ]
    assert ["concern__story"] == said(run(answers.ActionNotUnderstood(), unclear)[0])
    sigh = tracker("stop", "orkar inte med det här längre")
    sigh.latest_message["intent_ranking"] = [
        {"name": "stop", "confidence": 0.41},
        {"name": "feelings__tired", "confidence": 0.32},
    ]
    assert ["feelings__tired"] == said(run(answers.ActionStop(), sigh)[0])
    assert ["stop"] == said(run(answers.ActionStop(), tracker("stop"))[0])


def test_a_guess_is_a_title_that_people_can_read() -> None:
    """Two guesses, something else, a human; never the name of an intent."""
    state = tracker("nlu_fallback", "hemligt eller", who="child", band="10-12")
    state.latest_message["intent_ranking"] = [
        {"name": name, "confidence": 0.2} for name in ("rights__secrecy", "affirm", "booking")
    ]
    (message,) = run(answers.ActionNotUnderstood(), state)[0]
    payloads = [button["payload"] for button in message["buttons"]]
    assert ["/rights__secrecy", "/booking", "/something_else", "/human"] == payloads
    assert all("_" not in button["title"] for button in message["buttons"])


ARABIC = "بدي احكي مع حدا عن زوجي"


def test_another_language_is_greeted_once_and_noted() -> None:
    """The card of the language that is written in, and the wish, at the first message and not at the second."""
    messages, slots, _ = run(answers.ActionNoteReader(), tracker("booking", ARABIC))
    assert [{"show": "tongue", "tongue": "ar"}] == [message["custom"] for message in messages]
    assert {"interpreter": "ar", "greeted": ["ar"]} == slots
    messages, slots, _ = run(answers.ActionNoteReader(), tracker("booking", ARABIC, **slots))
    assert ([], {}) == (messages, slots)
    ukrainian = "я хочу записатися на розмову"
    messages, slots, _ = run(answers.ActionNoteReader(), tracker("booking", ukrainian, greeted=["ar"]))
    assert {"interpreter": "uk", "greeted": ["ar", "uk"]} == slots


@pytest.mark.parametrize(
    ("text", "wanted", "heard", "interpreter"),
    [
        ("jag behöver arabisk tolk", None, ["interpreter_noted"], "ar"),
        ("kan jag få en tigrinjatolk", None, ["interpreter_noted"], "ti"),
        ("i need a somali interpreter", None, ["interpreter_noted"], "so"),
        ("jag är döv kan jag få teckenspråkstolk", None, ["interpreter_noted"], "sgn"),
        ("finns det tolk", None, ["interpreter_which"], "other"),
        ("tigrinja", "other", ["interpreter_noted"], "ti"),
        ("jag behöver tolk", "ar", [], "ar"),
        ("jag behöver ingen tolk", "ar", ["interpreter_removed"], None),
        ("jag är tolk och undrar en sak", None, [], None),
        ("jag tolkar det som att han dricker", None, [], None),
        ("min mamma kommer från somalia", None, [], None),
    ],
)
def test_a_wish_for_an_interpreter(text: str, wanted: str | None, heard: list[str], interpreter: str | None) -> None:
    """In Swedish and English too; the language asked for if it was not said; and it can be taken back."""
    messages, slots, _ = run(answers.ActionNoteReader(), tracker("out_of_scope", text, interpreter=wanted))
    assert heard == said(messages)
    assert interpreter == slots.get("interpreter", wanted)


def test_a_story_about_interpreters_is_no_wish() -> None:
    """What is told in the person's own words to the social services is left as it is."""
    state = tracker("concern", "de hade ingen tolk", loop="concern_form", requested_slot="words", interpreter="ar")
    assert ([], {}, []) == run(answers.ActionNoteReader(), state)


GREETED = {"event": "bot", "data": {"custom": {"show": "tongue", "tongue": "ar"}}}


@pytest.mark.parametrize("intent", ["language", "out_of_scope", "nlu_fallback", "smalltalk__greet"])
def test_no_apology_after_a_card(intent: str) -> None:
    """The card has said what there is to say; anything else is answered as usual."""
    action = {"language": answers.ActionLanguage, "nlu_fallback": answers.ActionNotUnderstood}
    state = tracker(intent, ARABIC)
    state.events.append(GREETED)
    assert ([], {}, []) == run(action.get(intent, answers.ActionAnswer)(), state)
    state = tracker("addiction__fault", ARABIC)
    state.events.append(GREETED)
    assert ["addiction__fault"] == said(run(answers.ActionAnswer(), state)[0])


def test_the_wish_goes_with_booking_and_concern(beside: Neighbour) -> None:
    """In the summary before, and in what is sent."""
    time = {"slot": "s-1", "label": "i dag kl. 13.00", "therapist": "Anna"}
    slots = {"time": time, "channel": "chat", "booking_ok": True, "interpreter": "ar"}
    messages, _, _ = run(booking.ActionAskBookingOk(), tracker("affirm", **slots))
    assert "ar" == messages[0]["custom"]["rows"]["interpreter"]
    run(booking.ActionBook(), tracker("affirm", **slots))
    assert "ar" == beside.requests("bookings")[0]["interpreter"]
    told = {"parts": ["m-1"], "about": "me", "now": "no", "reach": "code", "concern_ok": True, "interpreter": "so"}
    messages, _, _ = run(concern.ActionAskConcernOk(), tracker("affirm", **told))
    assert "so" == messages[0]["custom"]["interpreter"]
    run(concern.ActionSendConcern(), tracker("affirm", **told))
    assert "so" == beside.requests("concerns")[0]["interpreter"]
    assert [] == beside.objections


def test_a_summary_is_read_back_again_when_the_interpreter_changes(beside: Neighbour) -> None:
    """ "No interpreter" at the end changes that, and neither books nor asks what to change."""
    form = {"loop": "booking_form", "requested_slot": "booking_ok", "channel": "chat", "time": {"slot": "s-1"}}
    state = tracker("out_of_scope", "ingen tolk tack", **form)
    state.events.append({"event": "bot", "metadata": {"utter_action": "utter_interpreter_removed"}, "data": {}})
    filled = asyncio.run(booking.ValidateBookingForm()._filled(CollectingDispatcher(), turn.Turn(state)))
    assert {} == filled


def test_no_file_of_the_contract_is_left_unread() -> None:
    """Every JSON file is an API call with its path."""
    for path in (ROOT / "tests" / "contract").glob("*.json"):
        file = json.loads(path.read_text("utf-8"))
        assert f"/internal/{path.stem}" == file["path"]
