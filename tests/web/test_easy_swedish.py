"""Promise: easy Swedish can be chosen on the map and in the chat, and stays while somebody talks."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.conftest import make_settings
from tests.web.neighbour import Neighbour
from tests.web.serving import Served, serve

SHOW_S17 = {"text": None, "custom": {"show": "map", "station": "S17"}}


@pytest.fixture(scope="module")
def neighbour() -> Iterator[Neighbour]:
    """An assistant that says what it is told to."""
    one = Neighbour()
    yield one
    one.server.shutdown()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, neighbour: Neighbour) -> Iterator[Served]:
    """The app beside it."""
    with serve(make_settings(tmp_path_factory.mktemp("easy"), rasa_url=neighbour.url)) as running:
        yield running


def test_the_chat_offers_it_and_speaks_it(served: Served) -> None:
    """The page says what it is in, each language stands by its own name, and the form keeps the choice."""
    plain = served.client.get("/chatt").text
    assert 'href="/chatt?lang=sv-x-latt" hreflang="sv-x-latt" lang="sv-x-latt" dir="ltr">Lätt svenska</a>' in plain
    easy = served.client.get("/chatt?lang=sv-x-latt").text
    assert '<html lang="sv-x-latt">' in easy
    assert "Du skriver med en robot" in easy
    assert 'action="/chatt?lang=sv-x-latt"' in easy


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("/karta?lang=sv-x-latt", "De har högst 14 dagar på sig att säga om de vill veta mer."),
        ("/karta/17?lang=sv-x-latt&ord=parent", "Du kan få hjälp att dricka mindre eller sluta med droger."),
        ("/karta/17?lang=sv-x-latt&ord=6-9", "Det är inte ditt jobb att fixa det."),
        ("/hjalp-nu?lang=sv-x-latt", "Ring även om du inte är säker."),
    ],
)
def test_pages_are_told_in_it(served: Served, path: str, says: str) -> None:
    """Adults and teens read easy Swedish; a child of seven reads their own."""
    page = served.client.get(path).text
    assert '<html lang="sv-x-latt">' in page
    assert says in page


def test_the_map_asks_for_language_beside_whose_words(served: Served) -> None:
    """One form, without script, and the choice is kept from station to station."""
    page = served.client.get("/karta?lang=sv-x-latt").text
    assert '<option value="sv-x-latt" lang="sv-x-latt" selected>Lätt svenska</option>' in page
    assert '<option value="adult" selected>' in page
    assert 'href="/karta/17?lang=sv-x-latt"' in page


def test_to_the_assistant_it_is_swedish_with_simpler_answers(served: Served, neighbour: Neighbour) -> None:
    """The map is told in easy Swedish; the assistant hears "sv" and that simpler answers are wanted."""
    served.until_assistant_is_up()
    neighbour.says = [SHOW_S17]
    begun = served.client.post("/api/chats", json={"lang": "sv-x-latt", "who": "partner"}).json()
    assert {"lang": "sv", "easy": True, "band": "adult", "who": "partner"} == neighbour.turns[-1]["state"]["slots"]
    said = served.as_chat(begun["chat"]).post("/api/chats/messages", json={"text": "hur får hen hjälp"}).json()
    assert "ska få erbjudande om hjälp. Hen är med och planerar." in json.dumps(said, ensure_ascii=False)


def test_it_can_be_chosen_and_left_in_the_middle_of_a_conversation(served: Served, neighbour: Neighbour) -> None:
    """By a button that every Swedish chat has; the assistant is told with the next turn, and who they are is kept."""
    served.until_assistant_is_up()
    page = served.client.get("/chatt").text
    assert 'value="easy:on"' in page
    assert 'value="easy:on"' not in served.client.get("/chatt?lang=en").text
    neighbour.says = [SHOW_S17]
    begun = served.client.post("/api/chats", json={"who": "child_13_17"}).json()
    chat = served.as_chat(begun["chat"])
    on = chat.post("/api/chats/messages", json={"choice": "easy:on"}).json()
    assert "Nu skriver jag lätt svenska." == on["messages"][0]["text"]
    assert "child_13_17" == on["who"]
    chat.post("/api/chats/messages", json={"text": "hur får hen hjälp"})
    slots = neighbour.turns[-1]["state"]["slots"]
    assert ("10-12", "13-17") == (slots["band"], slots["told_band"])
    off = chat.post("/api/chats/messages", json={"choice": "easy:off"}).json()
    assert "Nu skriver jag vanlig svenska igen." == off["messages"][0]["text"]
    chat.post("/api/chats/messages", json={"text": "hur får hen hjälp"})
    slots = neighbour.turns[-1]["state"]["slots"]
    assert "13-17" == slots["band"]
    assert "told_band" not in slots


def test_nobody_who_writes_english_is_given_it(served: Served) -> None:
    """An unknown choice, as any other that is none."""
    begun = served.client.post("/api/chats", json={"lang": "en"}).json()
    assert 422 == served.as_chat(begun["chat"]).post("/api/chats/messages", json={"choice": "easy:on"}).status_code
