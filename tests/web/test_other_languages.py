"""Promise: whoever writes in one of our other languages reads it, in danger and when the assistant is away, and is passed on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from backend.booking.tables import Booking
from backend.concerns.tables import Concern
from backend.core.content import Phrases
from backend.core.db import Database
from backend.core.tongues import Tongues
from tests.conftest import ManualClock, make_settings
from tests.people import seed_example_staff
from tests.web.neighbour import Neighbour
from tests.web.serving import Served, serve

BEATEN = {
    "ar": "بابا عم يضرب ماما هلأ",
    "fi": "isä lyö äitiä nyt keittiössä",
    "uk": "тато б'є маму зараз допоможіть",
}
TALK = {"ar": "بدي احكي مع حدا عن زوجي", "so": "waxaan jeclaan lahaa inaan qof la hadlo"}


@pytest.fixture(scope="module")
def neighbour() -> Iterator[Neighbour]:
    one = Neighbour()
    yield one
    one.server.shutdown()


@pytest.fixture(scope="module")
def the_server(tmp_path_factory: pytest.TempPathFactory, neighbour: Neighbour) -> Iterator[tuple[Served, Database]]:
    settings = make_settings(tmp_path_factory.mktemp("tongues"), rasa_url=neighbour.url, rasa_deadline=0.5)
    with serve(settings, clock=ManualClock(), seed=lambda db: seed_example_staff(db, settings)) as running:
        database = Database(settings.database_url)
        yield running, database
        database.close()


@pytest.fixture
def served(the_server: tuple[Served, Database], neighbour: Neighbour) -> Served:
    neighbour.mode, neighbour.says, neighbour.during = "echo", None, None
    neighbour.turns.clear()
    the_server[0].until_assistant_is_up()
    return the_server[0]


@pytest.fixture(scope="module")
def tongues() -> Tongues:
    from backend.config import ROOT

    return Tongues.load(ROOT / "content")


def started(served: Served, **reader: str) -> httpx.Client:
    return served.as_chat(served.client.post("/api/chats", json=reader).json()["chat"])


def say(client: httpx.Client, text: str) -> list[dict[str, Any]]:
    answer = client.post("/api/chats/messages", json={"text": text})
    assert answer.status_code == 200, answer.text
    return answer.json()["messages"]  # type: ignore[no-any-return]


def choose(client: httpx.Client, message: dict[str, Any], title: str) -> list[dict[str, Any]]:
    choice = next(choice["id"] for choice in message["choices"] if choice["title"] == title)
    return client.post("/api/chats/messages", json={"choice": choice}).json()["messages"]  # type: ignore[no-any-return]


@pytest.mark.parametrize("lang", BEATEN)
def test_danger_is_answered_in_the_language_it_is_told_in(served: Served, tongues: Tongues, lang: str) -> None:
    """The text, the answers and what follows are in it; the numbers are the same as ever."""
    client = started(served)
    card = tongues.card(lang)
    message = say(client, BEATEN[lang])[0]
    assert message["kind"] in ("emergency", "safety_check")
    assert "112" == message["card"]["lines"][0]["number"]
    assert (lang, card.direction) == (message["card"]["lang"], message["card"]["dir"])
    emergency = f"{card.emergency.child} {card.emergency.unread}"
    texts = {"emergency": emergency, "safety_check": card.safety_check.child}
    assert texts[message["kind"]] == message["text"]
    assert {choice["lang"] for choice in message["choices"]} == {lang}
    if message["kind"] == "safety_check":
        assert card.safety_check.not_now == choose(client, message, card.buttons.no)[0]["text"]
        answered = choose(client, message, card.buttons.unsure)[0]
        assert ("emergency", emergency) == (answered["kind"], answered["text"])


def test_danger_in_swedish_is_answered_in_swedish(served: Served) -> None:
    """And in English to whoever has chosen it."""
    assert "lang" not in say(started(served), "pappa slår mamma nu")[0]["card"]
    assert "Call 112" in say(started(served, lang="en"), "my dad is hitting my mum right now")[0]["text"]


def test_the_wish_is_noted_in_danger_too(served: Served, neighbour: Neighbour) -> None:
    """The assistant, which has not seen the message, goes on from a state that knows the language."""
    client = started(served)
    say(client, BEATEN["ar"])
    say(client, "hej igen")
    assert "ar" == neighbour.turns[-1]["state"]["slots"]["interpreter"]


def test_with_the_assistant_away_the_card_is_shown_once(served: Served, neighbour: Neighbour, tongues: Tongues) -> None:
    """Greeting, numbers and the ways on; then the limited mode; and the assistant will know of it."""
    client = started(served)
    neighbour.mode = "error"
    first = say(client, TALK["so"])
    assert tongues.card("so").greeting == first[0]["text"]
    assert first[0]["card"]["lines"] and "limited" == client.get("/api/chats").json()["mode"]
    buttons = tongues.card("so").buttons
    assert [buttons.book, buttons.numbers, "svenska", "English"] == [one["title"] for one in first[0]["choices"]]
    assert ["so", "so", "sv", "en"] == [one["lang"] for one in first[0]["choices"]]
    again = say(client, "waxaan rabaa inaan qof kale la hadlo")
    assert tongues.card("so").greeting not in [message["text"] for message in again]
    neighbour.mode = "echo"
    served.until(lambda: client.get("/api/chats").json()["mode"] == "assistant")
    slots = [turn["state"]["slots"] for turn in neighbour.turns if turn.get("text") == TALK["so"]][-1]
    assert ("so", ["so"]) == (slots["interpreter"], slots["greeted"])


def test_the_assistants_card_is_written_by_the_backend(served: Served, neighbour: Neighbour, tongues: Tongues) -> None:
    """The assistant names the language; an unknown one shows nothing."""
    client = started(served)
    neighbour.says = [
        {"text": None, "buttons": [], "custom": {"show": "tongue", "tongue": "ar"}},
        {"text": None, "buttons": [], "custom": {"show": "tongue", "tongue": "xx"}},
        {"text": None, "buttons": [], "custom": {"show": "summary", "of": "booking", "rows": {"interpreter": "ar"}}},
    ]
    card, summary = say(client, TALK["ar"])
    assert (tongues.card("ar").greeting, "rtl", "contacts") == (card["text"], card["card"]["dir"], card["kind"])
    assert [{"label": "Tolk", "value": "arabiska"}] == summary["card"]["rows"]


def test_the_forms_ask_and_staff_read(the_server: tuple[Served, Database], served: Served) -> None:
    """The wish is chosen from a list, read back, and stored with both; an unknown language is none."""
    database = the_server[1]
    page = served.client.post("/skriv", data={"step": "begin"}).text
    assert '<option value="ar">arabiska – العربية</option>' in page
    form = {"words": "mamma dricker", "reach": "code", "interpreter": "so", "key": "k" * 30}
    assert "somaliska" in served.client.post("/skriv", data={**form, "step": "read"}).text
    assert 200 == served.client.post("/skriv", data={**form, "step": "send"}).status_code
    assert (
        200
        == served.client.post("/skriv", data={**form, "step": "send", "interpreter": "xx", "key": "l" * 30}).status_code
    )
    stored = database.read_now(lambda session: list(session.scalars(sa.select(Concern.interpreter))))
    assert {"so", None} == set(stored)
    holder = "f" * 22
    times = served.client.get("/boka").text
    slot = times.split('name="slot" value="', 1)[1].split('"', 1)[0]
    details = served.client.post("/boka", data={"form": holder, "slot": slot, "step": "hold"}).text
    assert 'name="interpreter"' in details
    booked = {"form": holder, "slot": slot, "step": "confirm", "channel": "chat", "interpreter": "uk"}
    assert "ukrainska" in served.client.post("/boka", data=booked).text
    stored = database.read_now(lambda session: list(session.scalars(sa.select(Booking.interpreter))))
    assert ["uk"] == [code for code in stored if code]


def test_a_form_with_danger_in_another_language(served: Served, tongues: Tongues) -> None:
    """The card above the form is in the language of the words."""
    page = served.client.post("/skriv", data={"words": BEATEN["ar"], "reach": "code", "step": "read"}).text
    card = tongues.card("ar")
    assert 'lang="ar" dir="rtl"' in page
    assert card.emergency.child in page or card.safety_check.child in page


def test_staff_words() -> None:
    """What staff read has its place for the language."""
    from backend.config import ROOT

    assert "Tolk: arabiska" == Phrases.load(ROOT / "content").say("staff.interpreter", None, language="arabiska")
