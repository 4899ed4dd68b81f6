"""Promise: after a booking whose code has been saved, a reminder may be chosen in the chat by whoever is old enough; it
is never put by itself, and nobody is offered one who is under thirteen or has not said how old they are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from backend.core.vault import new_id
from tests.conftest import ManualClock, make_settings
from tests.people import seed_example_staff
from tests.web.neighbour import Neighbour
from tests.web.serving import Served, serve

OFFER = "Jag vill ha en påminnelse"


class Booker:
    """Books a talk in a chat as the assistant's actions would."""

    def __init__(self, served: Served, neighbour: Neighbour, token: str) -> None:
        self._served, self._neighbour, self._token = served, neighbour, token
        self.words = ""

    def saved(self, who: str | None, place: int = -1, remind_at: str | None = None) -> dict[str, Any]:
        """What is said when ``who`` has booked a free time, with a reminder by mail or none, and saved its code."""
        begun = self._served.client.post("/api/chats", json={"who": who} if who else None)
        self.chat = self._served.as_chat(begun.json()["chat"])
        reminder = None
        if remind_at is not None:
            self.write(remind_at)
            reminder = {"by": "mail", "to": self.heard["message"]}

        def book(turn: str) -> None:
            slot = self._call(turn, "times", {})["times"][place]["slot"]
            self._call(turn, "holds", {"slot": slot})
            body = {"channel": "chat", "contact": None, "safe": None, "reminder": reminder}
            self._call(turn, "bookings", body)

        self._neighbour.during = book
        answer = self.chat.post("/api/chats/messages", json={"text": "boka"})
        self._neighbour.during = None
        (code,) = [one for one in answer.json()["messages"] if one["kind"] == "code"]
        self.words = " ".join(code["card"]["words"])
        return self.press(code["choices"][0]["id"])

    @property
    def heard(self) -> dict[str, Any]:
        """What the assistant heard last."""
        return self._neighbour.turns[-1]

    def press(self, choice: str) -> dict[str, Any]:
        """What is said to a choice."""
        return self._said(json={"choice": choice})

    def write(self, text: str) -> dict[str, Any]:
        """What is said to a text."""
        return self._said(json={"text": text})

    def _said(self, **body: Any) -> dict[str, Any]:
        answer = self.chat.post("/api/chats/messages", **body)
        assert answer.status_code == 200, answer.text
        said: dict[str, Any] = [one for one in answer.json()["messages"] if one["author"] == "assistant"][-1]
        return said

    def _call(self, turn: str, name: str, body: dict[str, Any]) -> Any:
        headers = {"Authorization": f"Bearer {self._token}", "X-Turn": turn, "Idempotency-Key": new_id()}
        answer = httpx.post(f"{self._served.url}/internal/{name}", json=body, headers=headers, timeout=10)
        assert answer.status_code == 200, answer.text
        return answer.json()


@pytest.fixture(scope="module")
def booker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Booker]:
    neighbour = Neighbour()
    settings = make_settings(tmp_path_factory.mktemp("remind"), rasa_url=neighbour.url)
    with serve(settings, clock=ManualClock(), seed=lambda database: seed_example_staff(database, settings)) as served:
        served.until_assistant_is_up()
        yield Booker(served, neighbour, settings.internal_token)
    neighbour.server.shutdown()


def titles(said: dict[str, Any]) -> list[str]:
    return [choice["title"] for choice in said["choices"]]


@pytest.mark.parametrize("who", ["child_13_17", "partner", "parent"])
def test_a_reminder_is_one_press_away_once_the_code_is_saved(booker: Booker, who: str) -> None:
    """Nothing is asked: the answer is the same as ever, with one choice beside it."""
    said = booker.saved(who)
    assert ("Bra. Koden visas inte mer här.", [OFFER]) == (said["text"], titles(said))


@pytest.mark.parametrize("who", ["child_6_9", "child_10_12", "child", None])
def test_nobody_who_may_be_under_thirteen_is_offered_one(booker: Booker, who: str | None) -> None:
    """Nor is it among the ways on when the six words are written."""
    assert [] == titles(booker.saved(who))
    if who is not None:
        assert "Påminnelse" not in titles(booker.write(booker.words))


def test_the_press_goes_to_the_assistant_with_the_talk_known(booker: Booker) -> None:
    """As the action that asks how, not as words."""
    said = booker.saved("child_13_17")
    booker.press(said["choices"][0]["id"])
    assert {"intent": "own", "entities": {"deed": "remind"}} == booker.heard["command"]


def test_who_has_asked_for_one_is_not_asked_again(booker: Booker) -> None:
    """It was chosen with the booking. With the six words it can be seen and changed."""
    assert [] == titles(booker.saved("partner", remind_at="nora@skola.example"))
    assert "Påminnelse" in titles(booker.write(booker.words))


def test_no_reminder_of_a_talk_that_is_near(booker: Booker) -> None:
    """An hour before is over already."""
    assert [] == titles(booker.saved("partner", place=0))
