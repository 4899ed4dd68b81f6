"""Promise: helplines and the word list are edited where texts are, checked, and met by visitors at once; a stale line loses its hours."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta

import httpx
import pytest

from tests.conftest import ManualClock, make_settings
from tests.people import seed_example_staff
from tests.web.serving import Served, serve
from tests.web.test_texts_pages import enter, hidden

Office = tuple[Served, dict[str, str]]
BRIS = "/personal/texter/sv/helpline.bris"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def office(tmp_path_factory: pytest.TempPathFactory, clock: ManualClock) -> Iterator[Office]:
    settings = make_settings(tmp_path_factory.mktemp("lines"))
    passwords: dict[str, str] = {}

    def seed(database: object) -> None:
        passwords.update(seed_example_staff(database, settings))  # type: ignore[arg-type]

    with serve(settings, clock, seed=seed) as served:
        yield served, passwords


def base_of(page: str, variant: str) -> str:
    """The number that a new version of a field follows."""
    form = page.split(f'name="variant" value="{variant}"')[1]
    return hidden(form, "base")


def save(editor: httpx.Client, path: str, variant: str, text: str) -> httpx.Response:
    form = {"step": "save", "variant": variant, "base": base_of(editor.get(path).text, variant), "text": text}
    return editor.post(path, data=form)


def publish(editor: httpx.Client, path: str, variant: str, text: str) -> httpx.Response:
    saved = save(editor, path, variant, text).text
    return editor.post(path, data={"step": "publish", "version": hidden(saved, "version")})


def shown(served: Served, name: str = "Bris") -> str:
    """A line as the page of numbers shows it."""
    page = served.client.get("/hjalp-nu").text
    return re.search(rf'<li class="contact">(?:(?!</li>).)*>{name}</bdi>.*?</li>', page, re.DOTALL)[0]  # type: ignore[index]


def test_a_number_that_has_moved_is_right_at_once_everywhere(office: Office) -> None:
    """Until what is read and what is dialled are the same, it can be read and not dialled by mistake."""
    served, _ = office
    editor = enter(office, "eva")
    assert 'href="tel:116111"' in shown(served)
    assert "Texten är publicerad" in publish(editor, BRIS, "number_display", "116 222").text
    assert "116 222" in shown(served)
    assert "tel:" not in shown(served)
    publish(editor, BRIS, "number_tel", "116222")
    assert 'href="tel:116222"' in shown(served)
    for page in ("/boka", "/no-such-page", "/hjalp-nu?lang=en"):
        text = served.client.get(page, headers={"accept": "text/html"}).text
        assert "116 111</span>" not in text
    chat = served.client.post("/api/chats", json={}).json()["chat"]
    said = served.as_chat(chat).post("/api/chats/messages", json={"text": "pappa slår mig nu"}).json()
    lines = [line for message in said["messages"] for line in message["card"].get("lines", [])]
    assert {"116 222"} == {line["number"] for line in lines if line["id"] == "bris"}


def test_a_line_whose_check_has_run_out_loses_its_hours_and_warns(office: Office, clock: ManualClock) -> None:
    """On the page of numbers, in the list for staff and on their first page; called again, the hours are back."""
    served, _ = office
    assert "Dygnet runt" in shown(served)
    clock.forward(days=200)
    editor = enter(office, "eva")
    assert "Dygnet runt" not in shown(served)
    assert "116 111" in shown(served)
    assert f'{BRIS}"' in editor.get("/personal/texter", params={"visa": "stale", "q": "helpline.bris"}).text
    assert "Bris" in editor.get("/personal").text
    done = editor.post(BRIS, data={"step": "reviewed"})
    assert 200 == done.status_code
    assert "Dygnet runt" in shown(served)
    assert f'{BRIS}"' not in editor.get("/personal/texter", params={"visa": "stale", "q": "helpline.bris"}).text
    until = (clock.now() + timedelta(days=170)).date().isoformat()
    assert until < re.search(r'id="text-verify_by"[^>]* value="([^"]+)"', editor.get(BRIS).text)[1]  # type: ignore[index]


@pytest.mark.parametrize(
    ("field", "text", "says"),
    [
        ("verify_by", "30 februari", "Datumet går inte att läsa"),
        ("verify_by", "2026-11-20", "Nästa kontroll måste komma efter"),
        ("verify_by", "2029-01-01", "Nästa kontroll måste komma efter"),
        ("verified_at", "2027-06-01", "kontrollerad i framtiden"),
        ("number_tel", "ring oss", "Numret får bara ha siffror"),
        ("url", "http://bris.se", "Adressen måste börja med https://"),
        ("audience", "child, dog", "Välj bland child"),
        ("shows_on_bill", "kanske", "Skriv ja eller nej"),
        ("child", "Ingen får veta vad du säger.", "Texten säger något som vi aldrig lovar"),
        ("child", "Ring <b>nu</b>.", "Texten innehåller kod"),
    ],
)
def test_what_a_field_cannot_be_is_told_and_never_served(office: Office, field: str, text: str, says: str) -> None:
    """It can be kept as a draft, and has no way to be published; the last good one goes on."""
    served, _ = office
    before = shown(served)
    editor = enter(office, "eva")
    saved = save(editor, BRIS, field, text).text
    assert says in saved
    refused = editor.post(BRIS, data={"step": "publish", "version": hidden(saved, "version")})
    assert 422 == refused.status_code
    assert before == shown(served)


def test_two_editors_of_one_line_do_not_write_over_each_other(office: Office) -> None:
    """The second is told, and keeps what they wrote."""
    editor = enter(office, "eva")
    form = {"step": "save", "variant": "adult", "base": base_of(editor.get(BRIS).text, "adult")}
    assert 200 == editor.post(BRIS, data=form | {"text": "För alla under 18."}).status_code
    second = editor.post(BRIS, data=form | {"text": "Min egen text."})
    assert (409, True) == (second.status_code, "Min egen text." in second.text)


def test_a_word_is_explained_anew_where_it_is_tapped(office: Office) -> None:
    """On the page of a station, in the words of whoever reads; others keep theirs."""
    served, _ = office
    editor = enter(office, "eva")
    station = served.client.get("/karta/21").text
    word = re.search(r'id="ord-(\w+)"[^>]*><dt>[^<]*</dt><dd>([^<]+)</dd>', station)
    assert word
    path, new = f"/personal/texter/sv/word.{word[1]}", "Ett helt nytt sätt att säga det."
    assert path in editor.get("/personal/texter", params={"visa": "word", "q": word[1]}).text
    publish(editor, path, "10-12", new)
    assert new in served.client.get("/karta/21").text
    assert new not in served.client.get("/karta/21?ord=adult").text


def test_the_preview_is_in_the_pages_own_form_for_every_reader(office: Office) -> None:
    """A line as a card with its number, a station's text as on its page, with the words that are in the field."""
    editor = enter(office, "eva")
    page = editor.get(BRIS).text
    assert {"6-9", "10-12", "13-17", "adult", "parent"} == set(re.findall(r'data-preview="([^"]+)"', page))
    child = page.split('data-preview="6-9"')[1].split("</div>\n")[0]
    assert 'class="contact-number"' in child
    looked = editor.post(
        BRIS, data={"step": "look", "variant": "child", "base": "0", "text": "Här svarar en vuxen."}
    ).text
    assert "Här svarar en vuxen." in looked.split('data-preview="6-9"')[1].split("</article>")[0]
    assert "Här svarar en vuxen." not in looked.split('data-preview="adult"')[1].split("</article>")[0]
    station = editor.get("/personal/texter/sv/stations.S01.what").text
    assert 5 == len(set(re.findall(r'<section class="station-what"><p class="lead">([^<]+)', station)))


def test_nobody_sees_more_than_three_numbers_and_the_right_one_is_first(office: Office) -> None:
    """In the chat after danger, on the page of times when there are none, on the error page."""
    served, _ = office
    missing = served.client.get("/no-such-page", headers={"accept": "text/html"}).text
    assert ["Bris", "SOS Alarm"] == re.findall(r"<bdi[^>]*>([^<]+)</bdi>", missing)
    chat = served.client.post("/api/chats", json={"who": "child_10_12"}).json()["chat"]
    said = served.as_chat(chat).post("/api/chats/messages", json={"text": "pappa slår mig nu"}).json()
    card = next(message for message in said["messages"] if message["kind"] == "emergency")
    assert "sos" == card["card"]["lines"][0]["id"]
    for message in said["messages"]:
        assert 3 >= len(message["card"].get("lines", []))
