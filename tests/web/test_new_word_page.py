"""Promise: an editor adds a word on a page of the staff app and a child has it on tap on the map, without a restart."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

import httpx
import pytest

from tests.conftest import make_settings
from tests.people import seed_example_staff
from tests.web.serving import Served, serve

PAGE = "/personal/texter/nytt-ord"
STATION = "/karta/1?ord=10-12"
FORM = {
    "lang": "sv",
    "source": "",
    "owner": "Eva",
    "child": "Det som syns på en lista.",
    "adult": "Det som syns på en lista.",
}


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Served, httpx.Client]]:
    settings = make_settings(tmp_path_factory.mktemp("word"))
    passwords: dict[str, str] = {}

    def seed(database: object) -> None:
        passwords.update(seed_example_staff(database, settings))  # type: ignore[arg-type]

    with serve(settings, seed=seed) as served:
        editor = httpx.Client(base_url=served.url, timeout=20, follow_redirects=True)
        editor.post("/personal/logga-in", data={"login": "eva", "password": passwords["eva"]})
        yield served, editor


def unexplained(page: str) -> str:
    """A word in the text of a station that nobody can tap yet."""
    text = re.search(r'<p class="lead">(.*?)</p>', page, re.DOTALL)
    assert text
    return next(
        word for word in re.findall(r"[a-zåäö]{5,}", html.unescape(re.sub(r"<[^>]*>.*?</[^>]*>|<[^>]*>", " ", text[1])))
    )


def test_from_the_form_to_the_child(office: tuple[Served, httpx.Client]) -> None:
    """The way there is on the word list; three parts are published, one by one."""
    served, editor = office
    before = served.client.get(STATION).text
    word = unexplained(before)
    assert PAGE in editor.get("/personal/texter", params={"visa": "word"}).text
    added = editor.post(PAGE, data=FORM | {"forms": word})
    assert 200 == added.status_code and "sparat som utkast" in added.text and "när formerna" in added.text
    page, path = added.text, added.url.path
    assert FORM["child"] not in served.client.get(STATION).text
    for _ in range(3):
        version = re.search(
            r'name="version" value="([^"]+)">\s*<button class="button" name="step" value="publish"', page
        )
        assert version, page
        page = editor.post(path, data={"step": "publish", "version": version[1]}).text
    shown = served.client.get(STATION).text
    assert FORM["child"] in shown and FORM["child"] not in before


def test_what_could_not_be_kept_stays_in_the_form(office: tuple[Served, httpx.Client]) -> None:
    """422, the reason at its field."""
    _, editor = office
    refused = editor.post(PAGE, data=FORM | {"forms": "<b>", "child": "Min förklaring."})
    assert 422 == refused.status_code
    assert "Skriv bara ord" in refused.text and "&lt;b&gt;" in refused.text and "Min förklaring." in refused.text
    assert 422 == editor.post(PAGE, data=FORM | {"forms": "Beslutet"}).status_code
