"""Promise: the examples that the assistant's actions are tested against are what the backend really answers.

Each example's ``given`` is brought about here with real rows; its request is sent in a
turn in flight, as an action would; status, names, types and error codes must agree.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from backend.booking.tables import Booking, BookingCell, Therapist, WorkingHours
from backend.concerns.tables import Concern
from backend.core.db import Database
from backend.core.vault import new_id
from backend.stories.tables import Story
from tests.conftest import ManualClock, make_settings
from tests.people import seed_example_staff
from tests.web.neighbour import Neighbour
from tests.web.serving import Served, serve

FILES = sorted((Path(__file__).parent.parent / "contract").glob("*.json"))
EXAMPLES = [
    (loaded["path"].rpartition("/")[2], example)
    for loaded in (json.loads(file.read_text("utf-8")) for file in FILES)
    for example in loaded["examples"]
]
MOBILE, AT_HOME = "070-174 06 35", "08-465 004 12"
Call = Callable[..., httpx.Response]


class Scene:
    """A chat, the neighbour that acts in its turns, and what an example may ask to be true."""

    def __init__(
        self, served: Served, neighbour: Neighbour, database: Database, clock: ManualClock, token: str
    ) -> None:
        self.served, self.neighbour, self.database, self.clock, self._token = served, neighbour, database, clock, token
        self.chat = self._new_chat()
        self.ticket = ""

    def say(self, text: str) -> str:
        """Let the visitor write; returns the message's id."""
        answer = self.chat.post("/api/chats/messages", json={"text": text})
        assert answer.status_code == 200
        return str(self.neighbour.turns[-1]["message"])

    def in_a_turn(self, act: Callable[[Call], Any], chat: httpx.Client | None = None) -> Any:
        """Let an action act while a turn is in flight."""
        outcome: list[Any] = []

        def during(turn: str) -> None:
            def call(name: str, body: dict[str, Any], key: str | None = None) -> httpx.Response:
                headers = {
                    "Authorization": f"Bearer {self._token}",
                    "X-Turn": turn,
                    "Idempotency-Key": new_id() if key is None else key,
                }
                return httpx.post(f"{self.served.url}/internal/{name}", json=body, headers=headers, timeout=10)

            outcome.append(act(call))

        self.neighbour.during = during
        # Nothing that could be the answer to a question of the backend's own, such as "ja" to whether one is in danger.
        answer = (chat or self.chat).post("/api/chats/messages", json={"text": "det går bra"})
        self.neighbour.during = None
        assert answer.status_code == 200
        return outcome[0]

    def free(self) -> list[str]:
        """Opaque ids of the first free times."""
        return self.in_a_turn(lambda call: [one["slot"] for one in call("times", {}).json()["times"]])  # type: ignore[no-any-return]

    def hold(self, slot: str, chat: httpx.Client | None = None) -> None:
        """Hold a time."""
        assert self.in_a_turn(lambda call: call("holds", {"slot": slot}), chat).status_code == 200

    def book(self, chat: httpx.Client | None = None) -> None:
        """Book the held time for a chat talk."""
        self._book({"channel": "chat", "contact": None, "safe": None}, chat)

    def book_a_call(self, number: str) -> None:
        """Hold the last free time and book it for a talk by phone."""
        self.hold(self.free()[-1])
        self._book({"channel": "phone", "contact": self.say(number), "safe": {"call_ok": "yes"}})

    def _book(self, body: dict[str, Any], chat: httpx.Client | None = None) -> None:
        answer = self.in_a_turn(lambda call: call("bookings", body), chat)
        assert answer.status_code == 200
        self.ticket = answer.json()["ticket"]

    def somebody_else_books(self, slot: str) -> None:
        """Let another chat have the time."""
        other, mine = self._new_chat(), self.ticket
        self.hold(slot, other)
        self.book(other)
        self.ticket = mine

    def only_work_on(self, weekday: int | None) -> None:
        """Therapists work on one weekday only, or never."""
        self.database.write_now(
            lambda session: session.execute(
                sa.delete(WorkingHours).where(WorkingHours.weekday != (weekday if weekday is not None else 9))
            )
        )

    def therapists_are(self, gender: str, languages: str) -> None:
        """Every therapist is so."""
        self.database.write_now(
            lambda session: session.execute(sa.update(Therapist).values(gender=gender, languages=languages))
        )

    def it_is(self, moment: datetime) -> None:
        """Move the clock; the chat begins then."""
        self.clock.at = moment
        self.chat = self._new_chat()

    def is_written_by(self, who: str) -> None:
        """The chat begins with who is writing."""
        self.chat = self._new_chat(who)

    def show_secrecy(self) -> None:
        """The text about secrecy has been shown in this chat."""
        self.neighbour.says = [{"text": None, "buttons": [], "custom": {"show": "consent", "of": "concern"}}]
        self.say("jag vill berätta")
        self.neighbour.says = None

    def _new_chat(self, who: str | None = None) -> httpx.Client:
        begun = self.served.client.post("/api/chats", json={"who": who} if who else None)
        return self.served.as_chat(begun.json()["chat"])


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], Scene]]:
    neighbour, clock = Neighbour(), ManualClock()
    settings = make_settings(tmp_path_factory.mktemp("contract"), rasa_url=neighbour.url)
    with serve(settings, clock=clock, seed=lambda database: seed_example_staff(database, settings)) as served:
        served.until_assistant_is_up()
        database = Database(settings.database_url)
        yield lambda: Scene(served, neighbour, database, clock, settings.internal_token)
        database.close()
    neighbour.server.shutdown()


@pytest.fixture
def scene(house: Callable[[], Scene]) -> Iterator[Scene]:
    """A chat of its own in a house where nothing is booked and everybody works as usual."""
    scene = house()
    scene.it_is(ManualClock().at)
    hours = scene.database.read_now(
        lambda session: [
            {column.name: getattr(row, column.name) for column in WorkingHours.__table__.columns}
            for row in session.scalars(sa.select(WorkingHours))
        ]
    )
    people = scene.database.read_now(
        lambda session: [
            {"staff_id": row.staff_id, "gender": row.gender, "languages": row.languages}
            for row in session.scalars(sa.select(Therapist))
        ]
    )
    yield scene

    def restore(session: sa.orm.Session) -> None:
        for table in (BookingCell, Booking, WorkingHours):
            session.execute(sa.delete(table))
        session.execute(sa.insert(WorkingHours), hours)
        session.execute(sa.update(Therapist), people)

    scene.database.write_now(restore)


def held(scene: Scene) -> None:
    scene.hold(scene.free()[0])


def lost_to_somebody(scene: Scene) -> None:
    slot = scene.free()[0]
    scene.hold(slot)
    scene.clock.forward(minutes=6)
    scene.somebody_else_books(slot)


def booked(scene: Scene) -> None:
    held(scene)
    scene.book()


def booked_ahead(scene: Scene) -> None:
    scene.hold(scene.free()[-1])
    scene.book()


def reminded(scene: Scene) -> None:
    scene.book_a_call(MOBILE)
    body = {"ticket": scene.ticket, "reminder": {"by": "sms"}}
    assert scene.in_a_turn(lambda call: call("reminders", body)).status_code == 204


def young(scene: Scene) -> None:
    scene.is_written_by("child_10_12")
    booked_ahead(scene)


def cancelled(scene: Scene) -> None:
    booked(scene)
    assert scene.in_a_turn(lambda call: call("cancellations", {"ticket": scene.ticket})).json()["cancelled"]


def half_an_hour_ago(scene: Scene) -> None:
    booked(scene)
    scene.clock.forward(minutes=30)


def over(scene: Scene) -> None:
    """The ticket is fresh, since the code was written after the talk."""
    booked(scene)

    def end(session: sa.orm.Session) -> None:
        session.execute(sa.update(Booking).where(Booking.state == "booked").values(state="done"))

    scene.database.write_now(end)


def elsewhere(scene: Scene) -> None:
    """The first free time goes to somebody else while this chat has another."""
    first, second = scene.free()[:2]
    scene.hold(second)
    scene.book()
    scene.somebody_else_books(first)


GIVEN: dict[tuple[str, str], Callable[[Scene], None]] = {
    ("times", "free"): lambda scene: None,
    ("times", "more"): lambda scene: None,
    ("times", "wished"): lambda scene: scene.it_is(datetime(2026, 11, 23, 11, 30, tzinfo=UTC)),
    ("times", "wished_none"): lambda scene: scene.it_is(datetime(2026, 11, 23, 11, 30, tzinfo=UTC)),
    ("times", "wished_person"): lambda scene: scene.therapists_are("woman", "ar"),
    ("times", "wished_person_none"): lambda scene: scene.therapists_are("man", ""),
    ("times", "closed"): lambda scene: scene.it_is(datetime(2026, 11, 25, 19, 0, tzinfo=UTC)),
    ("times", "none"): lambda scene: scene.only_work_on(0),
    ("times", "none_known"): lambda scene: scene.only_work_on(None),
    ("holds", "held"): lambda scene: None,
    ("holds", "held_with_visits"): lambda scene: None,
    ("holds", "taken"): lambda scene: scene.somebody_else_books(scene.free()[0]),
    ("holds", "already_booked"): booked,
    ("contact", "phone"): lambda scene: None,
    ("contact", "phone_invalid"): lambda scene: None,
    ("contact", "sms"): lambda scene: None,
    ("contact", "sms_to_no_mobile"): lambda scene: None,
    ("contact", "mail"): lambda scene: None,
    ("contact", "mail_invalid"): lambda scene: None,
    ("release", "released"): held,
    ("bookings", "chat"): held,
    ("bookings", "phone"): held,
    ("bookings", "phone_unsure"): held,
    ("bookings", "interpreter"): held,
    ("bookings", "all_answers"): held,
    ("callbacks", "code"): lambda scene: None,
    ("callbacks", "phone"): lambda scene: None,
    ("callbacks", "phone_no_words"): lambda scene: None,
    ("own", "ahead"): booked_ahead,
    ("own", "reminded"): reminded,
    ("own", "by_phone"): lambda scene: scene.book_a_call(MOBILE),
    ("own", "near"): booked,
    ("own", "gone"): cancelled,
    ("own", "wrong_code"): half_an_hour_ago,
    ("moves", "moved"): booked,
    ("moves", "taken"): elsewhere,
    ("moves", "conflict"): over,
    ("cancellations", "cancelled"): booked,
    ("cancellations", "before"): cancelled,
    ("reminders", "sms"): booked,
    ("reminders", "mail"): booked,
    ("reminders", "to_the_number_we_call"): lambda scene: scene.book_a_call(MOBILE),
    ("reminders", "number_at_home"): lambda scene: scene.book_a_call(AT_HOME),
    ("reminders", "young"): young,
    ("reminders", "none"): booked,
    ("reminders", "no_mobile"): booked,
    ("bookings", "hold_expired"): lost_to_somebody,
    ("concerns", "code"): Scene.show_secrecy,
    ("concerns", "phone"): Scene.show_secrecy,
    ("concerns", "phone_no_words"): Scene.show_secrecy,
    ("concerns", "interpreter"): Scene.show_secrecy,
    ("concerns", "none"): Scene.show_secrecy,
    ("drafts", "kept"): Scene.show_secrecy,
    ("drafts", "kept_with_answers"): Scene.show_secrecy,
    ("drafts", "nothing_told"): lambda scene: None,
}


@pytest.mark.parametrize(("name", "example"), EXAMPLES, ids=[f"{name}-{example['name']}" for name, example in EXAMPLES])
def test_the_backend_answers_as_the_example_says(scene: Scene, name: str, example: dict[str, Any]) -> None:
    """Same status, same names and types, same error code."""
    free = scene.free() if name in ("holds", "moves") else []
    # A booked chat has the first; somebody else takes it where it is to be taken.
    first = free[1:2] if example["name"] in ("moved", "conflict") else free[:1]
    GIVEN[name, example["name"]](scene)
    phone = "12345" if example["name"] == "phone_invalid" else MOBILE
    ids = {
        "m-1": scene.say(phone),
        "m-2": scene.say("säg fel nummer"),
        "m-3": scene.say(MOBILE),
        "m-4": scene.say("säg fel nummer"),
        "m-5": scene.say("min bror"),
        "m-6": scene.say("skicka till nora@skola.example."),
        "m-7": scene.say(AT_HOME),
        "t-1": scene.ticket,
    }
    if name in ("concerns", "drafts"):
        ids["m-1"], ids["m-2"] = scene.say("mamma dricker"), scene.say("och glömmer maten")
    request = json.loads(json.dumps(example["request"]), object_hook=lambda found: _with_real_ids(found, ids, first))
    answer = scene.in_a_turn(lambda call: call(name, request))
    assert answer.status_code == example["status"], answer.text
    if example["answer"] is not None:
        _agrees(example["answer"], answer.json(), name)


def test_every_example_is_brought_about_here() -> None:
    """An example without its given would promise something that nobody has tried."""
    assert {(name, example["name"]) for name, example in EXAMPLES} == set(GIVEN)


def _with_real_ids(found: dict[str, Any], ids: dict[str, str], first: list[str]) -> dict[str, Any]:
    if "slot" in found:
        found = {**found, "slot": first[0]}
    if "parts" in found:
        found = {**found, "parts": [ids[one] for one in found["parts"]]}
    return {key: ids.get(value, value) if isinstance(value, str) else value for key, value in found.items()}


def _agrees(expected: Any, actual: Any, where: str) -> None:
    if isinstance(expected, dict):
        assert set(expected) == set(actual), where
        for key, value in expected.items():
            if key == "code":
                assert actual[key] == value, where
            _agrees(value, actual[key], f"{where}.{key}")
    elif isinstance(expected, list):
        assert isinstance(actual, list), where
        assert bool(expected) == bool(actual), where
        for value in actual:
            _agrees(expected[0], value, where)
    else:
        assert type(expected) is type(actual), where


def test_a_call_without_a_key_changes_nothing(scene: Scene) -> None:
    """What only looks needs none."""

    def act(call: Call) -> tuple[httpx.Response, httpx.Response]:
        return call("times", {}, ""), call("holds", {"slot": "x"}, "")

    looked, held_ = scene.in_a_turn(act)
    assert (200, 400) == (looked.status_code, held_.status_code)


def test_a_call_that_is_sent_again_does_nothing_twice(scene: Scene) -> None:
    """The same key and body: the same answer, one row of each; the same key with another body is refused."""
    slots = scene.free()

    def twice(name: str, body: dict[str, Any], key: str) -> dict[str, Any]:
        def act(call: Call) -> tuple[httpx.Response, httpx.Response]:
            return call(name, body, key), call(name, body, key)

        first, again = scene.in_a_turn(act)
        assert first.status_code in (200, 204) and first.status_code == again.status_code, again.text
        kept = {"ticket"}  # written anew each time
        told = [
            {k: v for k, v in (one.json() if one.content else {}).items() if k not in kept} for one in (first, again)
        ]
        assert told[0] == told[1]
        return first.json() if first.content else {}

    twice("holds", {"slot": slots[0]}, "a")
    twice("release", {}, "b")
    twice("holds", {"slot": slots[0]}, "c")
    ticket = twice("bookings", {"channel": "chat"}, "d")["ticket"]
    twice("moves", {"ticket": ticket, "slot": slots[2]}, "e")
    assert {"cancelled": True} == twice("cancellations", {"ticket": ticket}, "f")
    twice("callbacks", {"reach": "code"}, "g")
    scene.show_secrecy()
    twice("drafts", {"parts": [scene.say("mamma dricker")]}, "h")
    rows = scene.database.read_now(
        lambda s: [row.state for row in s.scalars(sa.select(Booking).where(Booking.confirmed_at.is_not(None)))]
    )
    assert ["cancelled"] == rows
    reused = scene.in_a_turn(lambda call: call("holds", {"slot": slots[1]}, "c"))
    assert (422, "key_reused") == (reused.status_code, reused.json()["error"]["code"])


def test_a_late_release_lets_go_of_nothing_held_since(scene: Scene) -> None:
    """The first release was done and its answer lost; the time that was chosen after it stays held."""
    first, second = scene.free()[:2]
    scene.hold(first)

    def act(call: Call) -> list[int]:
        return [
            call("release", {}, "once").status_code,
            call("holds", {"slot": second}).status_code,
            call("release", {}, "once").status_code,
            call("bookings", {"channel": "chat"}).status_code,
        ]

    assert [204, 200, 204, 200] == scene.in_a_turn(act)


def test_danger_told_in_the_chat_reaches_the_therapists_sheet(scene: Scene) -> None:
    """What the words may mean comes with the booking, and rings no second time."""
    scene.say("pappa slår mig ibland")
    booked(scene)
    row = scene.database.read_now(lambda s: s.scalars(sa.select(Booking).where(Booking.state == "booked")).one())
    assert row.danger_level is not None


def titles(message: dict[str, Any]) -> dict[str, str]:
    """A message's choices: id by title."""
    return {choice["title"]: choice["id"] for choice in message["choices"]}


def said(scene: Scene, says: list[dict[str, Any]], act: Callable[[Call], Any] | None = None) -> list[dict[str, Any]]:
    """What the visitor is shown when an action acts and the assistant then says this."""
    scene.neighbour.says = says
    outcome: list[Any] = []

    def during(turn: str) -> None:
        def call(name: str, body: dict[str, Any]) -> httpx.Response:
            headers = {"Authorization": f"Bearer {scene._token}", "X-Turn": turn, "Idempotency-Key": new_id()}
            return httpx.post(f"{scene.served.url}/internal/{name}", json=body, headers=headers, timeout=10)

        if act is not None:
            outcome.append(act(call))
            for one in says:
                if (one.get("custom") or {}).get("show") == "code":
                    one["custom"]["receipt"] = outcome[0].json()["receipt"]

    scene.neighbour.during = during
    answer = scene.chat.post("/api/chats/messages", json={"text": "ja"}).json()
    scene.neighbour.during, scene.neighbour.says = None, None
    return [one for one in answer["messages"] if one["author"] == "assistant"]


def says(text: str | None = None, **custom: Any) -> dict[str, Any]:
    return {"text": text, "buttons": [], "custom": custom or None}


def test_what_is_told_in_the_chat_waits_unsent_until_one_goes_on(scene: Scene) -> None:
    """Who reads is said first and stored with the words; nobody has them; code, chat and page lead back to them."""
    consent = said(scene, [says(show="consent", of="concern")])[0]
    for promise in ("Vem läser?", "När måste de göra något?", "Aldrig utan att du får veta"):
        assert promise in consent["text"]
    parts = [scene.say("mamma dricker varje kväll"), scene.say("och glömmer <maten>")]
    earlier = scene.database.read_now(lambda s: list(s.scalars(sa.select(Story.id))))
    before = scene.database.read_now(lambda s: s.scalar(sa.select(sa.func.count()).select_from(Concern)))
    code = said(scene, [says(show="code", receipt="", of="draft")], lambda call: call("drafts", {"parts": parts}))[0]
    assert "Sparat, men inte skickat." in code["text"] and "Det finns kvar i 7 dagar." in code["text"]
    assert 6 == len(code["card"]["words"])
    assert [{"title": "Gå till din sida", "url": "/min-sida"}] == code["card"]["links"]
    (row,) = scene.database.read_now(lambda s: list(s.scalars(sa.select(Story).where(Story.id.not_in(earlier)))))
    assert ("draft", consent["card"]["version"]) == (row.state, row.shown)
    assert before == scene.database.read_now(lambda s: s.scalar(sa.select(sa.func.count()).select_from(Concern)))
    words = " ".join(code["card"]["words"])
    back = scene.chat.post("/api/chats/messages", json={"text": words}).json()["messages"]
    assert ["/min-sida"] == [link["url"] for one in back for link in one["card"].get("links", [])]
    page = scene.served.client.post("/min-sida", data={"words": words})
    assert "Du har börjat berätta" in page.text and "mamma dricker varje kväll" in page.text
    assert "och glömmer &lt;maten&gt;" in page.text


def test_what_has_been_changed_on_the_page_is_not_written_over_from_the_chat(scene: Scene) -> None:
    """To keep the same messages in a later turn makes another draft with a code of its own."""
    scene.show_secrecy()
    parts = [scene.say("mamma dricker")]
    first, second = (scene.in_a_turn(lambda call: call("drafts", {"parts": parts})).json()["receipt"] for _ in range(2))
    assert first != second


def test_no_time_in_the_chat_leads_to_somebody_being_in_touch(scene: Scene) -> None:
    """The way is a choice of the conversation and no other page; read back with the deadline, and told with a code."""
    scene.only_work_on(None)
    numbers = said(scene, [says("Det finns ingen tid.", show="contacts", set="child")], lambda call: call("times", {}))[
        0
    ]
    assert "Någon kan också höra av sig till dig senast" in numbers["text"] and "links" not in numbers["card"]
    scene.chat.post("/api/chats/messages", json={"choice": titles(numbers)["Be att någon hör av sig"]})
    assert {"intent": "callback", "entities": {}} == scene.neighbour.turns[-1]["command"]
    summary = said(scene, [says(show="summary", of="callback", rows={"reach": "code"})])[0]
    assert ["Så når vi dig", "Senast"] == [row["label"] for row in summary["card"]["rows"]]
    told = said(
        scene,
        [says("Nu är det skickat."), says(show="code", receipt="", of="callback")],
        lambda call: call("callbacks", {"reach": "code"}),
    )
    assert ("code", 6) == (told[-1]["kind"], len(told[-1]["card"]["words"]))
    opened = scene._new_chat().post("/api/chats/messages", json={"text": " ".join(told[-1]["card"]["words"])}).json()
    assert "Du har bett oss om en tid." in opened["messages"][-1]["text"]


def test_a_time_for_a_booked_talk_moves_it(scene: Scene) -> None:
    """What the choice does is not what a choice of a new booking does."""
    free = scene.in_a_turn(lambda call: call("times", {}).json()["times"])
    shown = said(scene, [says("Vilken tid?", show="times", of="own", times=free[:1], more=False)])[0]
    scene.chat.post("/api/chats/messages", json={"choice": titles(shown)[free[0]["label"]]})
    expected = {"intent": "own", "entities": {"deed": "move", "slot": free[0]["slot"]}}
    assert expected == scene.neighbour.turns[-1]["command"]


def test_a_visit_says_where_to_go(scene: Scene) -> None:
    """When it is booked, and whenever the code is written."""
    slots = scene.in_a_turn(lambda call: call("times", {"channel": "visit"}).json()["times"])
    scene.hold(slots[0]["slot"])
    told = said(
        scene, [says(show="code", receipt="", of="booking")], lambda call: call("bookings", {"channel": "visit"})
    )[0]
    assert "Hit går du: Mottagningen, Storgatan 1" in told["text"]
    opened = scene._new_chat().post("/api/chats/messages", json={"text": " ".join(told["card"]["words"])}).json()
    assert "Hit går du: Mottagningen, Storgatan 1" in opened["messages"][-1]["text"]
