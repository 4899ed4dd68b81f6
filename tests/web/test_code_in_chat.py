"""Promise: in the chat, six words show a talk and nothing else, and move, cancel or book it again, in that window and
without the assistant; a guesser learns nothing and is stopped."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from backend.app import build_house
from backend.booking.service import BookingDesk, Confirmed, Details
from backend.booking.tables import Booking, BookingCell
from backend.core.house import House
from tests.conftest import ManualClock, make_settings
from tests.people import seed_example_staff
from tests.web.serving import Served, serve

WRONG = "abborre abborre abborre abborre abborre abborre"


@dataclass
class Place:
    """The app without an assistant, and a second look at its database."""

    served: Served
    house: House
    clock: ManualClock
    desk: BookingDesk

    def chat(self) -> Chat:
        return Chat(self.served.as_chat(self.served.client.post("/api/chats").json()["chat"]))

    def booked(self, holder: str, slot: str | None = None) -> Confirmed:
        async def book() -> Confirmed:
            chosen = slot or (await self.desk.offer("chat", limit=99)).times[-1].slot
            await self.desk.hold(holder, chosen)
            return await self.desk.confirm(holder, Details("chat"))

        return asyncio.run(book())

    def clear(self) -> None:
        """Nothing is booked."""

        def work(session: sa.orm.Session) -> None:
            for table in (BookingCell, Booking):
                session.execute(sa.delete(table))

        self.house.db.write_now(work)

    def start(self, talk: Confirmed) -> datetime:
        return asyncio.run(self.desk.find(talk.booking_id)).start

    def state(self, talk: Confirmed) -> str:
        return asyncio.run(self.desk.find(talk.booking_id)).state


class Chat:
    """A chat by its API. ``last`` is what was said last."""

    def __init__(self, client: httpx.Client) -> None:
        self.client = client
        self.last: list[dict[str, Any]] = []

    def send(self, **body: str) -> Chat:
        answer = self.client.post("/api/chats/messages", json=body)
        assert answer.status_code == 200, answer.text
        self.last = [one for one in answer.json()["messages"] if one["author"] != "visitor"]
        return self

    def press(self, title: str, place: int = 0) -> Chat:
        found = [choice["id"] for one in self.last for choice in one["choices"] if choice["title"].startswith(title)]
        return self.send(choice=found[place])

    @property
    def text(self) -> str:
        return "\n".join(one["text"] for one in self.last)

    @property
    def titles(self) -> list[str]:
        return [choice["title"] for one in self.last for choice in one["choices"]]


@pytest.fixture(scope="module")
def the_place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    settings, clock = make_settings(tmp_path_factory.mktemp("own")), ManualClock()
    with serve(settings, clock=clock, seed=lambda database: seed_example_staff(database, settings)) as served:
        house = build_house(settings, clock=clock)
        yield Place(served, house, clock, BookingDesk(house))
        house.codes.close()
        house.db.close()


@pytest.fixture
def place(the_place: Place) -> Iterator[Place]:
    """Wednesday at nine, and nothing is booked."""
    the_place.clock.at = ManualClock().at
    the_place.clear()
    yield the_place


def cells(place: Place) -> int:
    return place.house.db.read_now(lambda s: s.scalar(sa.select(sa.func.count()).select_from(BookingCell)) or 0)


# Strangers first.


def test_a_guesser_learns_nothing_and_is_stopped(place: Place) -> None:
    """One answer for what never was and for what is gone; then none at all, not even for the right words."""
    gone = place.booked("chat:2")
    place.clear()
    talk, guesser = place.booked("chat:1"), place.chat()
    told = {guesser.send(text=WRONG).text for _ in range(5)} | {place.chat().send(text=str(gone.words)).text}
    assert {place.house.phrases.say("error.wrong_code")} == told
    assert place.house.phrases.say("error.too_many") == guesser.send(text=str(talk.words)).text
    assert [] == guesser.titles


def test_what_is_told_beside_the_words_is_looked_at(place: Place) -> None:
    """Danger in the same message as a code gets help first, and the code still opens."""
    talk = place.booked("chat:1")
    chat = place.chat().send(text=f"pappa slår mig nu {talk.words}")
    assert ["emergency", "summary"] == [one["kind"] for one in chat.last]


# The holder.


def test_the_words_show_time_way_and_first_name(place: Place) -> None:
    """And what can be done, which goes by a ticket: neither words nor booking are in what the browser has."""
    talk = place.booked("chat:1")
    chat = place.chat().send(text=str(talk.words))
    assert talk.therapist in chat.text and "chatt" in chat.text
    assert ["Byt tid", "Avboka tiden", "Påminnelse", "Behåll tiden"] == chat.titles
    everything = chat.client.get("/api/chats").text
    assert talk.booking_id not in everything and str(talk.words) not in everything


def test_a_talk_is_moved_in_the_window(place: Place) -> None:
    """Times, one that is held while the person decides, a yes; the code is the same and the old time is free."""
    talk = place.booked("chat:1")
    before = place.start(talk)
    chat = place.chat().send(text=str(talk.words)).press("Byt tid")
    assert ["Fler tider", "Behåll tiden"] == chat.titles[-2:]
    wanted = chat.titles[0]
    chat.press(wanted)
    assert wanted in chat.text and ["Ja, byt", "Visa andra tider", "Behåll tiden"] == chat.titles
    assert before == place.start(talk), "nothing is moved before the yes"
    chat.press("Ja, byt")
    assert chat.text.startswith(f"Klart. Din tid är {wanted}")
    assert place.start(talk) < before and 8 == cells(place)
    again = place.chat().send(text=str(talk.words))
    assert wanted in again.text


def test_a_time_that_somebody_else_took_is_told_and_the_old_one_stands(place: Place) -> None:
    """Pressed in an old list: the times that are free now are shown."""
    talk = place.booked("chat:1")
    before = place.start(talk)
    chat = place.chat().send(text=str(talk.words)).press("Byt tid")
    lost, shown = chat.titles[0], chat.last
    for holder in range(20):
        free = asyncio.run(place.desk.offer("chat", limit=1)).times[0]
        label = next(iter(one["choices"] for one in place.chat().send(text=str(talk.words)).press("Byt tid").last))
        if label[0]["title"] != lost:
            break
        place.booked(f"other:{holder}", free.slot)
    chat.last = shown
    chat.press(lost)
    assert "hann någon annan ta" in chat.text and lost not in chat.titles
    assert before == place.start(talk)


def test_a_no_frees_what_was_held(place: Place) -> None:
    """And the talk stays where it was."""
    talk = place.booked("chat:1")
    taken = cells(place)
    chat = place.chat().send(text=str(talk.words)).press("Byt tid")
    chat.press(chat.titles[0])
    assert taken < cells(place)
    chat.press("Behåll tiden")
    assert "Bra, då gäller tiden." == chat.text
    assert (taken, "booked") == (cells(place), place.state(talk))


@pytest.mark.parametrize(
    ("answer", "moved"), [("Ja!", True), ("ja tack", True), ("nej", False), ("ja men inte då", None)]
)
def test_yes_or_no_can_be_typed(place: Place, answer: str, moved: bool | None) -> None:
    """As if the button had been pressed; anything more than that goes to the assistant."""
    talk = place.booked("chat:1")
    before = place.start(talk)
    chat = place.chat().send(text=str(talk.words)).press("Byt tid")
    chat.press(chat.titles[0]).send(text=answer)
    assert (moved is True) == (place.start(talk) < before)
    assert (moved is False) == ("Bra, då gäller tiden." == chat.text)


def test_a_yes_counts_for_what_was_asked_last(place: Place) -> None:
    """Once, and not when something else has been said since."""
    talk = place.booked("chat:1")
    chat = place.chat().send(text=str(talk.words)).press("Byt tid")
    chat.press(chat.titles[0]).send(text="vad är soc").send(text="ja")
    before = place.start(talk)
    chat.send(text=str(talk.words)).send(text="ja")
    assert before == place.start(talk)


def test_a_typed_yes_that_is_sent_again_moves_once(place: Place) -> None:
    """The same key, the same answer."""
    talk = place.booked("chat:1")
    chat = place.chat().send(text=str(talk.words)).press("Byt tid")
    chat.press(chat.titles[0])
    key = {"Idempotency-Key": "yes-once"}
    first, again = (chat.client.post("/api/chats/messages", json={"text": "ja"}, headers=key) for _ in range(2))
    assert 200 == first.status_code and first.json() == again.json()


def test_cancelled_and_booked_again_with_the_same_code(place: Place) -> None:
    """Twice is once; the time is free at once."""
    talk = place.booked("chat:1")
    chat = place.chat().send(text=str(talk.words))
    shown = chat.last
    chat.press("Avboka tiden")
    assert place.house.phrases.say("code.cancelled") == chat.text
    assert ("cancelled", 0) == (place.state(talk), cells(place))
    chat.last = shown
    chat.press("Avboka tiden")
    assert place.house.phrases.say("code.already_cancelled") == chat.text
    chat.press("Boka en ny tid")
    wanted = chat.titles[0]
    chat.press(wanted).press("Ja, boka")
    assert chat.text.startswith(f"Klart. Din tid är {wanted}")
    assert "booked" == place.state(talk)


def test_whoever_finds_the_window_later_needs_the_words(place: Place) -> None:
    """After twenty minutes the choices in the log do nothing."""
    talk = place.booked("chat:1")
    chat = place.chat().send(text=str(talk.words))
    place.clock.forward(minutes=21)
    chat.press("Avboka tiden")
    assert place.house.phrases.say("my_time.ticket_old") == chat.text
    assert "booked" == place.state(talk)


def test_a_talk_that_is_over_offers_nothing(place: Place) -> None:
    """And a choice from before says so instead of doing something."""
    talk = place.booked("chat:1")
    place.clock.at = talk.end.astimezone(place.clock.at.tzinfo)
    place.clock.forward(minutes=-10)
    chat = place.chat().send(text=str(talk.words))
    assert "Du är inne" in chat.text or chat.last
    place.clock.forward(hours=1)
    assert [] == place.chat().send(text=str(talk.words)).titles
