"""Promise: a translation is shown when somebody has signed it, says so until then, and what it lacks is marked as Swedish."""

from __future__ import annotations

import html
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from backend.config import ROOT
from backend.core.content import ContentError
from backend.core.municipality import load_municipality
from tests.conftest import ManualClock, make_settings
from tests.people import seed_example_staff
from tests.web.serving import Served, serve
from tests.web.test_book_page import fields_of, slots_of, text_of
from tests.web.test_texts_pages import enter, hidden

PARTS = ("first", "danger", "booking", "contacts", "map")
MARK = "Översatt, inte granskad."
Office = tuple[Served, dict[str, str]]


def content_with(tmp_path: Path, translations: str) -> Path:
    """The project's content, with the municipality's word on translations."""
    content = tmp_path / "content"
    shutil.copytree(ROOT / "content", content)
    path = content / "municipalities" / "exempelby.yml"
    said = re.sub(r"^translations:.*$", translations, path.read_text("utf-8"), flags=re.MULTILINE)
    assert translations in said
    path.write_text(said, "utf-8")
    return content


def office_of(tmp_path: Path, translations: str) -> Iterator[Office]:
    settings = make_settings(tmp_path, content_dir=content_with(tmp_path, translations))
    passwords: dict[str, str] = {}

    def seed(database: object) -> None:
        passwords.update(seed_example_staff(database, settings))  # type: ignore[arg-type]

    with serve(settings, ManualClock(), seed=seed) as served:
        served.until(lambda: 200 == served.client.get("/hjalp-nu").status_code)
        yield served, passwords


@pytest.fixture
def signed_only(tmp_path: Path) -> Iterator[Office]:
    """As delivered: a language is on once it is signed."""
    yield from office_of(tmp_path, "translations: {}")


@pytest.fixture(scope="module")
def marked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    """A municipality that shows its languages unsigned, but for one."""
    terms = "translations: {ar: marked, fa: marked, fi: marked, so: marked, uk: never}"
    yield from office_of(tmp_path_factory.mktemp("marked"), terms)


def sign(editor: httpx.Client, lang: str, part: str) -> httpx.Response:
    path = f"/personal/oversattningar/{lang}/{part}"
    return editor.post(path, data={"read": "1", "digest": hidden(editor.get(path).text, "digest")})


def languages_of(page: str) -> list[str]:
    chooser = re.search(r'<ul class="languages".*?</ul>', page, re.DOTALL)
    return re.findall(r'<(?:a|span)[^>]* lang="([^"]+)"', chooser[0]) if chooser else []


def test_a_language_is_off_until_every_part_is_signed(signed_only: Office) -> None:
    """Not in the chooser and not by its address; then in both, without the mark; a changed text brings it back."""
    served, _ = signed_only
    visitor, editor = served.client, enter(signed_only, "eva")
    assert ["sv", "sv-x-latt", "en"] == languages_of(visitor.get("/hjalp-nu").text)
    assert '<html lang="sv">' in visitor.get("/hjalp-nu?lang=fi").text
    for part in PARTS[:-1]:
        assert "Delen är godkänd" in sign(editor, "fi", part).text
        assert "fi" not in languages_of(visitor.get("/hjalp-nu").text)
    sign(editor, "fi", PARTS[-1])
    page = visitor.get("/hjalp-nu?lang=fi").text
    assert ["sv", "sv-x-latt", "en", "fi"] == languages_of(page)
    assert '<html lang="fi">' in page
    assert MARK not in page
    assert "Eva godkände" in editor.get("/personal/oversattningar").text

    path = "/personal/texter/fi/help.title"
    form = {"step": "save", "variant": "default", "base": "0", "text": "Puhelinnumeroita"}
    editor.post(path, data={"step": "publish", "version": hidden(editor.post(path, data=form).text, "version")})
    changed = visitor.get("/hjalp-nu?lang=fi").text
    assert "Puhelinnumeroita" in changed
    assert MARK in changed
    assert "Ändrad sedan Eva godkände" in editor.get("/personal/oversattningar").text
    assert 1 == editor.get("/personal/oversattningar/fi/danger").text.count("Ändrad sedan sist")
    sign(editor, "fi", "danger")
    assert MARK not in visitor.get("/hjalp-nu?lang=fi").text


def test_nobody_signs_what_they_have_not_read(signed_only: Office) -> None:
    """Without the tick, or when a text has been changed meanwhile, nothing is signed; others find no such page."""
    editor = enter(signed_only, "eva")
    path = "/personal/oversattningar/fi/danger"
    digest = hidden(editor.get(path).text, "digest")
    unread = editor.post(path, data={"digest": digest})
    assert (422, True) == (unread.status_code, "Kryssa i att du har läst" in unread.text)
    stale = editor.post(path, data={"read": "1", "digest": "0" * 64})
    assert (409, True) == (stale.status_code, "Någon ändrade en text medan du läste" in stale.text)
    assert "ingen har läst" in editor.get("/personal/oversattningar").text
    for other in ("anna", "maria", "adam"):
        client = enter(signed_only, other)
        assert 404 == client.get(path).status_code
        assert 404 == client.post(path, data={"read": "1", "digest": digest}).status_code
        assert "/personal/oversattningar" not in client.get("/personal").text


@pytest.mark.parametrize(
    "address", ["/hjalp-nu", "/chatt", "/boka", "/karta", "/karta/1", "/karta/21", "/no-such-page"]
)
@pytest.mark.parametrize("lang", ["ar", "fa", "fi", "so"])
def test_every_page_says_in_both_languages_that_nobody_has_read_it(marked: Office, lang: str, address: str) -> None:
    """From the right where it is written so; and no Swedish stands there that does not say that it is Swedish."""
    page = marked[0].client.get(f"{address}?lang={lang}", headers={"accept": "text/html"}).text
    direction = ' dir="rtl"' if lang in ("ar", "fa") else ""
    assert f'<html lang="{lang}"{direction}>' in page
    assert f'<span lang="sv" dir="ltr">{MARK}</span>' in page
    assert 1 == page.count('class="unsigned"')


def test_a_language_that_is_off_cannot_be_had(marked: Office) -> None:
    """Neither by the chooser nor by its address."""
    page = marked[0].client.get("/hjalp-nu?lang=uk").text
    assert '<html lang="sv">' in page
    assert ["sv", "sv-x-latt", "en", "ar", "fa", "fi", "so"] == languages_of(page)


def test_a_page_that_is_not_translated_is_whole_in_swedish(marked: Office) -> None:
    """Half a page in each helps nobody: the statement, the form for who is worried, one's own page."""
    for address in ("/tillganglighet", "/anmal", "/skriv", "/min-tid"):
        page = marked[0].client.get(f"{address}?lang=ar").text
        assert '<html lang="sv">' in page
        assert MARK not in page


def test_what_a_translation_lacks_is_swedish_and_says_so(marked: Office) -> None:
    """The municipality's own words, and a station beyond the main path, whose name alone is translated."""
    numbers = marked[0].client.get("/hjalp-nu?lang=ar").text
    assert '<span class="contact-note" lang="sv" dir="ltr">Ring hit på dagen' in numbers
    station = marked[0].client.get("/karta/21?lang=ar&ord=adult").text
    assert re.search(r'<h1 tabindex="-1">[^<]*[\u0600-\u06ff]', station)
    assert re.search(r'<p class="lead" lang="sv-x-latt" dir="ltr">Ibland säger någon nej', station)
    main = marked[0].client.get("/karta/1?lang=ar").text
    assert re.search(r'<p class="lead">[^<]*[\u0600-\u06ff]', main)


def test_a_number_stands_from_left_to_right(marked: Office) -> None:
    """In a page from the right the groups of a number would change places."""
    page = marked[0].client.get("/hjalp-nu?lang=fa").text
    assert re.search(r'<span dir="ltr">020-84 44 48</span></a>', page)
    assert "شبانه‌روزی" in page


def test_a_talk_is_booked_in_arabic(marked: Office) -> None:
    """Every step in Arabic, an interpreter already asked for, and the six words in Swedish, as they are always."""
    client = marked[0].client

    def post(fields: dict[str, str]) -> str:
        return client.post("/boka", files={name: (None, value) for name, value in fields.items()}).text

    page = client.get("/boka?lang=ar").text
    page = post(fields_of(page) | {"slot": slots_of(page)[0], "step": "hold"})
    assert '<option value="ar" selected>العربية</option>' in page
    page = post(fields_of(page) | {"channel": "chat", "who": "partner", "step": "details"})
    assert '<html lang="ar" dir="rtl">' in page
    page = post(fields_of(page) | {"step": "confirm"})
    done = text_of(page)
    assert "تم حجز موعدك" in done
    assert "العربية" in done
    words = re.findall(r"<li>(\w+)</li>", page.split("code-words")[1].split("</ol>")[0])
    assert 6 == len(words)
    known = set((ROOT / "content/sv/codewords.txt").read_text("utf-8").split())
    assert set(words) <= known
    saved = post(fields_of(page) | {"step": "saved"})
    assert '<html lang="ar" dir="rtl">' in saved


def test_the_first_answer_is_in_the_language_of_the_page(marked: Office) -> None:
    """Also while the assistant is away; what follows is Swedish and says so, and an interpreter is wished for."""
    client = marked[0].client
    page = client.get("/chatt?lang=so").text
    form = {"begin": "1", "form_key": hidden(page, "form_key")}
    begun = client.post("/chatt?lang=so", data=form).text
    assert '<html lang="so">' in begun
    assert re.search(r'<p class="said" lang="so" dir="ltr">[^<]*robot', begun)
    started = client.post("/api/chats", json={"lang": "so"}).json()
    assert "so" == started["messages"][0]["card"]["lang"]
    assert 422 == client.post("/api/chats", json={"lang": "uk"}).status_code


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("translations: {xx: marked}", r"exempelby\.yml, line \d+: xx has no phrases\.yml of its own"),
        ("translations: {ar: maybe}", r"exempelby\.yml, line \d+: Invalid enum value 'maybe' - at `\$\.translations"),
        ('translations: {}\nlanguages: ["sv"]', r"exempelby\.yml, line \d+: languages stands here twice"),
    ],
)
def test_a_mistake_about_languages_stops_the_start(tmp_path: Path, said: str, reason: str) -> None:
    """With file, line and reason."""
    with pytest.raises(ContentError, match=reason):
        load_municipality(content_with(tmp_path, said), "exempelby")


def test_a_whole_language_is_named_where_it_belongs(tmp_path: Path) -> None:
    """A translation among the whole ones is told where to stand."""
    content = content_with(tmp_path, "translations: {}")
    path = content / "municipalities" / "exempelby.yml"
    path.write_text(path.read_text("utf-8").replace('"sv-x-latt", "en"]', '"sv-x-latt", "ar"]'), "utf-8")
    with pytest.raises(ContentError, match=r"exempelby\.yml, line \d+: ar is not written whole; its place is trans"):
        load_municipality(content, "exempelby")


def test_words_in_a_tag_are_plain_and_escaped(marked: Office) -> None:
    """No mark for a language ends up inside an attribute, a title or an option."""
    for address in ("/boka?lang=ar", "/chatt?lang=ar", "/karta?lang=ar", "/karta/21?lang=ar"):
        page = marked[0].client.get(address).text
        for tag in re.findall(r"<[a-z]+ [^>]*>", page):
            assert "<span" not in tag[1:], html.unescape(tag)
        for inside in re.findall(r"<(?:title|option|textarea)[^>]*>(.*?)</(?:title|option|textarea)>", page, re.DOTALL):
            assert "<" not in inside
