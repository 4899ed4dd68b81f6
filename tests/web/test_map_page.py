"""Promise: every station has a page that its address gives nothing away of, whole without script, and takes
its question along to the chat or to the booking.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import pytest

from backend.core.reader import BANDS
from tests.conftest import make_settings
from tests.web.neighbour import Neighbour
from tests.web.serving import Served, serve

STATIONS = range(1, 27)
TELLING = re.compile(r"oros|utred|placer|domstol|lvu|soc|dric|drog|barn|hjalp|missbruk|alko", re.IGNORECASE)


@pytest.fixture(scope="module")
def neighbour() -> Iterator[Neighbour]:
    one = Neighbour()
    yield one
    one.server.shutdown()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, neighbour: Neighbour) -> Iterator[Served]:
    with serve(make_settings(tmp_path_factory.mktemp("map"), rasa_url=neighbour.url)) as running:
        running.until_assistant_is_up()
        yield running


def words(page: str) -> str:
    return html.unescape(re.sub(r"<[^>]+>", " ", page))


@pytest.mark.parametrize("band", BANDS)
def test_every_station_tells_everything_in_the_chosen_words(served: Served, band: str) -> None:
    """What happens, whom one meets, how long, what one may, what is next, and it again more simply."""
    for number in STATIONS:
        page = served.client.get(f"/karta/{number}?ord={band}").text
        article = page.split("data-station=")[1].split("</article>")[0]
        for heading in ("Vem du träffar", "Hur länge", "Det här får du", "Förstod du?", "Sedan kan det bli"):
            assert heading in words(article), (number, heading)
        assert article.count('class="word"') == len(re.findall(r'data-word="', article))
        for target in re.findall(r'href="#([^"]+)"', re.sub(r"<use[^>]*>", "", article)):
            assert f'id="{target}"' in article, (number, target)
        assert "<details" in article and "data-understood" in article


def test_a_stations_address_title_and_links_give_nothing_away(served: Served) -> None:
    """What a browser's history and address line show says only that it is the municipality, and a number."""
    for number in STATIONS:
        answer = served.client.get(f"/karta/{number}?ord=parent")
        assert "<title>Exempelby kommun</title>" in answer.text
        addresses = re.findall(r'(?:href|action)="(/[^"]*)"', answer.text)
        ours = [one for one in addresses if not one.startswith(("/static", "/hjalp-nu", "/tema"))]
        assert ours
        assert [] == [one for one in ours if TELLING.search(one)], number


@pytest.mark.parametrize("slug", ["0", "27", "S08", "08", "8x", "-1", "%00", "８"])
def test_what_is_no_station_is_not_found(served: Served, slug: str) -> None:
    """With a page that helps all the same, and never an error of ours."""
    answer = served.client.get(f"/karta/{slug}")
    assert 404 == answer.status_code
    assert "text/html" in answer.headers["content-type"]


def test_the_choice_of_words_and_language_follows_from_page_to_page(served: Served) -> None:
    """In every link on the map, its stations, and the way to the chat."""
    page = served.client.get("/karta/8?ord=13-17&lang=en").text
    assert '<html lang="en">' in page
    links = [html.unescape(one) for one in re.findall(r'href="(/karta[^"#]*)', page.split('data-station="8"')[1])]
    assert links
    for link in links:
        if "?" in link:
            assert {"ord": ["13-17"], "lang": ["en"]} == parse_qs(urlsplit(link).query), link
    chat = html.unescape(re.search(r'href="(/chatt\?fran[^"]*)"', page)[1])  # type: ignore[index]
    assert {"fran": ["8"], "ord": ["13-17"], "lang": ["en"]} == parse_qs(urlsplit(chat).query)


def test_the_chat_begins_with_the_station_that_was_read(served: Served, neighbour: Neighbour) -> None:
    """Without script: the start page says so, and the first turn asks the assistant about that station."""
    neighbour.turns.clear()
    page = served.client.get("/chatt?fran=8&ord=13-17").text
    assert "Roboten börjar med att berätta om: Soc tar reda på mer." in words(page)
    fields = dict(re.findall(r'<input type="hidden" name="(station|who|form_key)" value="([^"]*)"', page))
    assert ("8", "child_13_17") == (fields["station"], fields["who"])
    begun = served.client.post("/chatt", data={**fields, "begin": "1"}).text
    assert "Soc tar reda på mer" in words(begun.split('class="message by-visitor')[1])
    commands = [turn["command"] for turn in neighbour.turns]
    assert [{"intent": "start", "entities": {}}, {"intent": "map", "entities": {"station": "S08"}}] == commands
    assert {"who": "child", "band": "13-17", "lang": "sv"}.items() <= neighbour.turns[0]["state"]["slots"].items()
    again = served.client.post("/chatt", data={**fields, "begin": "1"}).text
    assert begun.count("by-visitor") == again.count("by-visitor")


@pytest.mark.parametrize("asked", ["99", "", "x", "%3Cb%3E", "S08"])
def test_a_number_that_is_no_station_is_as_none(served: Served, asked: str) -> None:
    """An old link or a typed address: the chat and the booking as they always begin."""
    page = served.client.get(f"/chatt?fran={asked}&ord=nix").text
    assert 'name="station"' not in page
    assert 'name="who"' not in page.split('id="composer"')[1].split("</form>")[0]
    assert 'name="note"' not in served.client.get(f"/boka?fran={asked}").text
    answer = served.client.post("/chatt", data={"begin": "1", "station": asked, "form_key": "k" * 20 + asked})
    assert 200 == answer.status_code


def test_the_api_takes_a_station_as_a_choice(served: Served) -> None:
    """Every client may offer the map beside the chat."""
    token = served.client.post("/api/chats", json={}).json()["chat"]
    client = served.as_chat(token)
    assert 200 == client.post("/api/chats/messages", json={"choice": "station:20"}).status_code
    assert 422 == client.post("/api/chats/messages", json={"choice": "station:S20"}).status_code


def test_the_booking_carries_the_station_as_a_note_to_keep_or_change(served: Served) -> None:
    """In the body of the form, where it can be seen and taken away."""
    page = served.client.get("/boka?fran=17").text
    assert '<input type="hidden" name="note" value="Det gäller: Din förälder får hjälp"' in page


def test_the_assistants_card_links_to_the_stations_page(served: Served, neighbour: Neighbour) -> None:
    """In the same words as the chat."""
    neighbour.says = [{"custom": {"show": "map", "station": "S08"}}]
    try:
        token = served.client.post("/api/chats", json={"who": "parent"}).json()["chat"]
        message = served.as_chat(token).get("/api/chats").json()["messages"][-1]
        assert ("map", "/karta/8?ord=parent") == (message["kind"], message["card"]["url"])
        title = words(served.client.get(message["card"]["url"]).text)
        assert message["card"]["title"] in title
        assert message["card"]["text"].split(".")[0] in re.sub(r"\s+", " ", title)
    finally:
        neighbour.says = None
