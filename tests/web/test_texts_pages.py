"""Promise: an editor changes a text in the staff app and a visitor meets it on the next request; nobody else gets in."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

import httpx
import pytest

from tests.conftest import make_settings
from tests.people import seed_example_staff
from tests.web.serving import Served, serve

KEY = "/personal/texter/sv/help.traces"
NEW = "Samtal kan synas i telefonen. Fråga en vuxen du litar på om du får låna en annan."


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Served, dict[str, str]]]:
    settings = make_settings(tmp_path_factory.mktemp("texts"))
    passwords: dict[str, str] = {}

    def seed(database: object) -> None:
        passwords.update(seed_example_staff(database, settings))  # type: ignore[arg-type]

    with serve(settings, seed=seed) as served:
        yield served, passwords


def enter(office: tuple[Served, dict[str, str]], login: str) -> httpx.Client:
    served, passwords = office
    client = httpx.Client(base_url=served.url, timeout=20, follow_redirects=True)
    client.post("/personal/logga-in", data={"login": login, "password": passwords[login]})
    return client


def hidden(page: str, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]*)"', page)
    assert found, name
    return html.unescape(found[1])


@pytest.mark.parametrize("login", ["anna", "karin", "maria", "adam"])
def test_others_find_nothing_there(office: tuple[Served, dict[str, str]], login: str) -> None:
    """404, and no link in the navigation."""
    client = enter(office, login)
    assert 404 == client.get("/personal/texter").status_code
    assert 404 == client.get(KEY).status_code
    assert 404 == client.post(KEY, data={"step": "save", "variant": "default", "text": "x", "base": "0"}).status_code
    assert "/personal/texter" not in client.get("/personal").text


def test_from_the_list_to_the_visitor(office: tuple[Served, dict[str, str]]) -> None:
    """Search, write, look, save, publish; the visitor's page has the new words, and the old ones after taking back."""
    served, _ = office
    editor = enter(office, "eva")
    visitor = served.client
    assert KEY in editor.get("/personal/texter", params={"q": "help.traces"}).text
    page = editor.get(KEY).text
    form = {"variant": "default", "base": hidden(page, "base"), "text": NEW, "source": "", "owner": "Eva"}
    looked = editor.post(KEY, data=form | {"step": "look"}).text
    assert NEW in looked
    assert NEW not in visitor.get("/hjalp-nu").text
    saved = editor.post(KEY, data=form | {"step": "save"}).text
    assert NEW not in visitor.get("/hjalp-nu").text
    version = hidden(saved, "version")
    published = editor.post(KEY, data={"step": "publish", "version": version}).text
    assert "Texten är publicerad" in published
    assert NEW in visitor.get("/hjalp-nu").text
    editor.post(KEY, data={"step": "discard", "version": version})
    assert NEW not in visitor.get("/hjalp-nu").text


def test_a_stale_form_loses_nothing(office: tuple[Served, dict[str, str]]) -> None:
    """409, somebody else's text is kept, and one's own words still stand in the field."""
    editor = enter(office, "eva")
    base = hidden(editor.get(KEY).text, "base")
    first = {"step": "save", "variant": "default", "base": base, "text": "En första text."}
    assert 200 == editor.post(KEY, data=first).status_code
    second = editor.post(KEY, data=first | {"text": "Min <b>andra</b> text."})
    assert 409 == second.status_code
    assert "Min &lt;b&gt;andra&lt;/b&gt; text." in second.text
    assert "Någon annan har ändrat texten" in second.text


@pytest.mark.parametrize(
    "path", ["/personal/texter/sv/no.such", "/personal/texter/xx/help.traces", "/personal/texter/sv/..%2f"]
)
def test_a_text_that_is_none_is_not_found(office: tuple[Served, dict[str, str]], path: str) -> None:
    """A kind page, no error."""
    assert 404 == enter(office, "eva").get(path).status_code


@pytest.mark.parametrize("day", ["30 februari", "2027-02-30", "x" * 50])
def test_a_date_that_is_none_is_told(office: tuple[Served, dict[str, str]], day: str) -> None:
    """By sentence, with the text still in the field."""
    editor = enter(office, "eva")
    base = hidden(editor.get(KEY).text, "base")
    answer = editor.post(
        KEY, data={"step": "save", "variant": "default", "base": base, "text": "Ny text här.", "valid_from": day}
    )
    assert 422 == answer.status_code
    assert "Ny text här." in answer.text
    assert "Ett datum går inte att läsa" in answer.text
