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
from backend.core.db import Database
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
Call = Callable[[str, dict[str, Any]], httpx.Response]


class Scene:
    """A chat, the neighbour that acts in its turns, and what an example may ask to be true."""

    def __init__(
        self, served: Served, neighbour: Neighbour, database: Database, clock: ManualClock, token: str
    ) -> None:
        self.served, self.neighbour, self.database, self.clock, self._token = served, neighbour, database, clock, token
        self.chat = self._new_chat()
        self.slots: list[str] = []

    def say(self, text: str) -> str:
        """Let the visitor write; returns the message's id."""
        answer = self.chat.post("/api/chats/messages", json={"text": text})
        assert answer.status_code == 200
        return str(self.neighbour.turns[-1]["message"])

    def in_a_turn(self, act: Callable[[Call], Any], chat: httpx.Client | None = None) -> Any:
        """Let an action act while a turn is in flight."""
        outcome: list[Any] = []

        def during(turn: str) -> None:
            def call(name: str, body: dict[str, Any]) -> httpx.Response:
                headers = {"Authorization": f"Bearer {self._token}", "X-Turn": turn}
                return httpx.post(f"{self.served.url}/internal/{name}", json=body, headers=headers, timeout=10)

            outcome.append(act(call))

        self.neighbour.during = during
        answer = (chat or self.chat).post("/api/chats/messages", json={"text": "ja"})
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
        body = {"channel": "chat", "contact": None, "safe": None}
        assert self.in_a_turn(lambda call: call("bookings", body), chat).status_code == 200

    def somebody_else_books(self, slot: str) -> None:
        """Let another chat have the time."""
        other = self._new_chat()
        self.hold(slot, other)
        self.book(other)

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

    def show_secrecy(self) -> None:
        """The text about secrecy has been shown in this chat."""
        self.neighbour.says = [{"text": None, "buttons": [], "custom": {"show": "consent", "of": "concern"}}]
        self.say("jag vill berätta")
        self.neighbour.says = None

    def _new_chat(self) -> httpx.Client:
        return self.served.as_chat(self.served.client.post("/api/chats").json()["chat"])


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
    ("holds", "taken"): lambda scene: scene.somebody_else_books(scene.free()[0]),
    ("holds", "already_booked"): booked,
    ("contact", "phone"): lambda scene: None,
    ("contact", "phone_invalid"): lambda scene: None,
    ("release", "released"): held,
    ("bookings", "chat"): held,
    ("bookings", "phone"): held,
    ("bookings", "phone_unsure"): held,
    ("bookings", "interpreter"): held,
    ("bookings", "hold_expired"): lost_to_somebody,
    ("concerns", "code"): Scene.show_secrecy,
    ("concerns", "phone"): Scene.show_secrecy,
    ("concerns", "phone_no_words"): Scene.show_secrecy,
    ("concerns", "interpreter"): Scene.show_secrecy,
    ("concerns", "none"): Scene.show_secrecy,
}


@pytest.mark.parametrize(("name", "example"), EXAMPLES, ids=[f"{name}-{example['name']}" for name, example in EXAMPLES])
def test_the_backend_answers_as_the_example_says(scene: Scene, name: str, example: dict[str, Any]) -> None:
    """Same status, same names and types, same error code."""
    first = scene.free()[:1] if name == "holds" else []
    GIVEN[name, example["name"]](scene)
    phone = "12345" if example["name"] == "phone_invalid" else "070-174 06 35"
    ids = {
        "m-1": scene.say(phone),
        "m-2": scene.say("säg fel nummer"),
        "m-3": scene.say("070-174 06 35"),
        "m-4": scene.say("säg fel nummer"),
    }
    if name == "concerns":
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
        return {**found, "slot": first[0]}
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
