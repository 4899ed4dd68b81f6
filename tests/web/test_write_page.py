"""Promise: a person can tell in their own words on a plain page; nothing is lost on the way and nothing is left behind."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from backend.concerns.tables import Concern
from backend.config import Settings
from backend.core.codes import ReturnCode
from backend.core.db import Database
from backend.core.text import STORY_LIMIT
from tests.conftest import ManualClock, make_settings
from tests.web.serving import Served, serve

STORY = "Det är <b>jobbigt</b> hemma.\nPappa dricker för mycket öl & säger att allt är mitt fel."


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def settings(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Settings for each of the two databases."""
    settings = make_settings(tmp_path_factory.mktemp("write"))
    if request.param == "postgresql":
        return replace(settings, database_url=request.getfixturevalue("postgres_server").new_database())
    return settings


@pytest.fixture(scope="module")
def served(settings: Settings) -> Iterator[Served]:
    """The app with the assistant out of reach."""
    with serve(settings, ManualClock()) as served:
        yield served


class Stored:
    """What has been stored since the test began."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._before = self._ids()

    def new(self) -> list[Concern]:
        """The concerns that are new."""
        fresh = self._ids() - self._before
        return self._database.read_now(
            lambda session: list(session.scalars(sa.select(Concern).where(Concern.id.in_(fresh))))
        )

    def unsaved(self, receipt: str) -> bytes | None:
        """The sealed words of a code, while they are kept."""
        return self._database.read_now(
            lambda session: session.scalar(sa.select(ReturnCode.unsaved).where(ReturnCode.id == receipt))
        )

    def _ids(self) -> set[str]:
        return self._database.read_now(lambda session: set(session.scalars(sa.select(Concern.id))))


@pytest.fixture
def stored(settings: Settings, served: Served) -> Iterator[Stored]:
    database = Database(settings.database_url)
    yield Stored(database)
    database.close()


Fields = dict[str, Any]
"""A form's fields; a list is a field that comes several times."""


def send(served: Served, fields: Fields, path: str = "/skriv") -> httpx.Response:
    """Post a form as a browser does."""
    pairs = [
        (name, (None, one)) for name, value in fields.items() for one in (value if isinstance(value, list) else [value])
    ]
    return served.client.post(path, files=pairs)


def fields_of(page: str) -> Fields:
    """What a browser would post from the page's main form, buttons left out."""
    form = re.search(r'<form[^>]*action="/skriv[^>]*>(.*?)</form>', page, re.DOTALL)
    assert form, page
    found: Fields = {}

    def add(name: str, value: str) -> None:
        if name in ("part", "strike", "needs"):
            found.setdefault(name, []).append(html.unescape(value))
        else:
            found[name] = html.unescape(value)

    for tag in re.findall(r"<input[^>]*>", form[1]):
        attributes = dict(re.findall(r'(\w+)="([^"]*)"', tag))
        if attributes.get("type") in ("radio", "checkbox") and " checked" not in tag:
            continue
        add(attributes["name"], attributes.get("value", ""))
    for name, value in re.findall(r'<textarea[^>]*name="(\w+)"[^>]*>\n?(.*?)</textarea>', form[1], re.DOTALL):
        add(name, value)
    return found


def begin(served: Served, **answers: str | list[str]) -> Fields:
    """The fields of a fresh form, filled in."""
    return fields_of(send(served, {"step": "begin"}).text) | {"words": STORY} | answers


def words_in(page: str) -> list[str]:
    """The six words that a page shows."""
    return re.findall(r"<li>([a-zåäöé]+)</li>", page)


def posted(text: str) -> str:
    """A text as a browser gives it back."""
    return text.replace("\r\n", "\n")


def test_secrecy_comes_before_the_first_field(served: Served) -> None:
    """Who reads and what cannot be promised stands above the place to write; no script is needed."""
    first = served.client.get("/skriv").text
    assert "inte lova att allt är hemligt" in first and "<textarea" not in first
    assert "Mottagning barn och unga" in first and "Aldrig utan att du får veta" in first
    page = send(served, {"step": "begin"}).text
    assert page.index("inte lova att allt är hemligt") < page.index("<textarea")
    assert "<script" not in re.sub(r'<script src="/static/leave.js" type="module"></script>', "", page)


def test_from_form_to_six_words(served: Served, stored: Stored) -> None:
    """Write, read back, send, get a code, say that it is saved: nothing in addresses, no cookie, no cache."""
    read_back = send(served, begin(served, about="me", now="no", who="child_10_12") | {"step": "read"})
    assert 200 == read_back.status_code
    assert html.escape(STORY, quote=False).split("\n")[1] in html.unescape(read_back.text).replace("&", "&amp;")
    assert "<b>" not in read_back.text
    assert 0 == len(stored.new())
    sent = send(served, fields_of(read_back.text) | {"step": "send"})
    words = words_in(sent.text)
    assert (200, 6, 1) == (sent.status_code, len(words), len(stored.new()))
    saved = send(served, fields_of(sent.text), "/skriv/sparad")
    assert 200 == saved.status_code
    assert None is stored.unsaved(stored.new()[0].receipt)
    for answer in (read_back, sent, saved):
        assert "set-cookie" not in answer.headers
        assert "no-store" == answer.headers["cache-control"]
        assert answer.url.path in ("/skriv", "/skriv/sparad") and not answer.url.query


def test_what_it_is_about_reaches_the_rules(served: Served, stored: Stored) -> None:
    """Ticked or skipped, changed and kept: the rules read what was sent last, and an area that is none is said kindly."""
    fields = begin(served, needs=["placed", "nonsense", "violence"], who="child_10_12")
    read = send(served, fields | {"step": "read"})
    assert "Någon slår eller hotar, Jag bor inte hemma" in read.text
    changed = fields_of(send(served, fields_of(read.text) | {"step": "change"}).text)
    assert ["violence", "placed"] == changed["needs"]
    sent = send(served, changed | {"needs": ["placed"], "step": "send"})
    assert 200 == sent.status_code
    [concern] = stored.new()
    assert ("placed", "R17_placed_child", "barn") == (concern.needs, concern.rule_id, concern.unit)
    refused = send(served, fields | {"area": "elsewhere", "step": "send"})
    assert 422 == refused.status_code
    assert "slår eller hotar" in refused.text


def test_the_secrecy_text_that_was_shown_is_stored(served: Served, stored: Stored) -> None:
    """Both the text of the form and, for a known reader, the one in their own words."""
    first = fields_of(send(served, fields_of(served.client.get("/skriv").text) | {"level": "child_6_9"}).text)
    write = send(served, first | {"step": "begin"})
    assert "De får inte skvallra" in write.text
    read_back = send(served, fields_of(write.text) | {"words": STORY, "step": "read"})
    send(served, fields_of(read_back.text) | {"step": "send"})
    assert re.fullmatch(r"sv:default:[0-9a-f]{12} sv:6-9:[0-9a-f]{12}", stored.new()[0].consent_version)


def test_changing_brings_everything_back(served: Served) -> None:
    """From the summary back to the form, every answer is still there."""
    answers = {
        "about": "family", "now": "unsure", "who": "partner", "reach": "phone", "phone": "070-174 06 05",
        "call_ok": "unsure", "when": "På dagen", "if_other_answers": "Tandläkaren", "leave_message": "no",
    }  # fmt: skip
    read_back = send(served, begin(served, **answers) | {"step": "read"})
    assert "Tandläkaren" in read_back.text
    again = fields_of(send(served, fields_of(read_back.text) | {"step": "change"}).text)
    assert answers.items() <= again.items()
    assert [STORY] == [posted(part) for part in again["part"]]


@pytest.mark.parametrize("words", ["", "   ", "\u200b", "\x00\x00"])
def test_nothing_written_is_said_by_the_field(served: Served, stored: Stored, words: str) -> None:
    """A sentence at the top leads to the field, and the field says the same."""
    answer = send(served, begin(served, about="adult") | {"words": words, "step": "read"})
    assert 422 == answer.status_code
    assert '<a href="#words">Skriv något i rutan' in answer.text
    assert re.search(
        r'<textarea id="words"[^>]*aria-describedby="words-hint words-error" aria-invalid="true"', answer.text
    )
    assert "adult" == fields_of(answer.text)["about"]
    assert 0 == len(stored.new())


def test_a_story_that_is_too_long_is_kept_in_its_field(served: Served) -> None:
    """Told how long it may be, and given every character back."""
    long = "å" * (STORY_LIMIT + 1)
    answer = send(served, begin(served) | {"words": long, "step": "read"})
    assert 422 == answer.status_code
    assert long == fields_of(answer.text)["words"]
    assert "60 000 tecken" in answer.text


def test_the_longest_story_in_the_widest_characters_fits(served: Served, stored: Stored) -> None:
    """60,000 emoji are a story like any other."""
    read_back = send(served, begin(served) | {"words": "😀" * STORY_LIMIT, "step": "read"})
    assert 200 == read_back.status_code
    assert 200 == send(served, fields_of(read_back.text) | {"step": "send"}).status_code
    assert 1 == len(stored.new())


@pytest.mark.parametrize("phone", ["", "1", "070-12", "ring mig", "9" * 400, "\x00"])
def test_a_number_that_cannot_be_called_keeps_the_story(served: Served, phone: str) -> None:
    """The story stays in the form, the error stands by the number."""
    answer = send(served, begin(served, reach="phone") | {"phone": phone, "step": "send"})
    assert 422 == answer.status_code
    assert '<a href="#phone">' in answer.text and 'id="phone-error"' in answer.text
    assert STORY == posted(fields_of(answer.text)["words"])


@pytest.mark.parametrize(
    "strange",
    [
        {"about": "everybody", "now": "maybe", "who": "king", "reach": "pigeon", "step": "jump"},
        {"key": "../../etc", "shown": "<script> sv:x:zzz " * 50},
        {"call_ok": "\x00", "leave_message": "' OR 1=1 --", "reach": "code"},
        {"words": "\u202edlärf\u202c \ud83d\ude00 a\u0301\u0301\u0301\u0301\u0301\u0301\u0301\u0301\u0301\u0301"},
    ],
)
def test_strange_answers_never_break_the_page(served: Served, strange: dict[str, str]) -> None:
    """What no browser sends counts as not said."""
    strange = {
        name: value.encode("utf-16", "surrogatepass").decode("utf-16", "replace") for name, value in strange.items()
    }
    answer = send(served, begin(served) | strange)
    assert 200 == answer.status_code
    assert "<script>" not in answer.text


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"words=%ED%A0%80&step=read", "application/x-www-form-urlencoded"),
        (b"\xff\xfe", "application/x-www-form-urlencoded"),
        (b"--x\r\nbroken", "multipart/form-data; boundary=x"),
        (b"", "multipart/form-data"),
        (b"{}", "application/json"),
    ],
)
def test_a_broken_form_gets_the_form_again(served: Served, body: bytes, kind: str) -> None:
    """Never a 5xx."""
    answer = served.client.post("/skriv", content=body, headers={"content-type": kind})
    assert answer.status_code in (200, 422)
    assert "<textarea" in answer.text or "Läs igenom" in answer.text


def test_a_foreign_page_cannot_send(served: Served, stored: Stored) -> None:
    """A form on another site is refused."""
    fields = {name: (None, value) for name, value in (begin(served) | {"step": "send"}).items()}
    for headers in ({"sec-fetch-site": "cross-site"}, {"origin": "https://evil.example"}):
        assert 403 == served.client.post("/skriv", files=fields, headers=headers).status_code
    assert 0 == len(stored.new())


def test_sending_twice_is_sending_once(served: Served, stored: Stored) -> None:
    """A double click or a reload gives the same page with the same words."""
    fields = begin(served) | {"step": "send"}
    words = [words_in(send(served, fields).text) for _ in range(2)]
    assert words[0] == words[1] and 6 == len(words[0])
    assert 1 == len(stored.new())


def test_words_changed_after_sending_are_not_lost(served: Served, stored: Stored) -> None:
    """Back, change, send: the person is told that the first arrived and may send this too."""
    fields = begin(served) | {"step": "send"}
    send(served, fields)
    asked = send(served, fields | {"words": "Jag glömde en sak."})
    assert 409 == asked.status_code
    assert "har kommit fram" in asked.text and "Jag glömde en sak." in asked.text
    assert 200 == send(served, fields_of(asked.text) | {"step": "send"}).status_code
    assert 2 == len(stored.new())


def test_danger_is_answered_on_top_and_nothing_is_lost(served: Served, stored: Stored) -> None:
    """112 comes first on every step, and the words are still there and can be sent."""
    danger = "pappa slår mamma nu med en kniv"
    read_back = send(served, begin(served) | {"words": danger, "step": "read"})
    assert read_back.text.index("112") < read_back.text.index(danger)
    assert [danger] == fields_of(read_back.text)["part"]
    sent = send(served, fields_of(read_back.text) | {"step": "send"})
    assert "112" in sent.text and 6 == len(words_in(sent.text))
    assert "A0" == stored.new()[0].danger_level
    empty = send(served, begin(served, reach="phone") | {"words": danger, "phone": "1", "step": "read"})
    assert 422 == empty.status_code
    assert empty.text.index("112") < empty.text.index("error-summary")


def test_something_happening_now_shows_numbers(served: Served) -> None:
    """Whoever ticks that it happens now sees 112 before they send, whatever the words."""
    read_back = send(served, begin(served, now="yes") | {"words": "Det är bråk", "step": "read"})
    assert 'href="tel:112"' in read_back.text


def test_a_database_that_does_not_answer_loses_nothing(tmp_path: Path) -> None:
    """No false thanks: the page says that nothing was sent, shows numbers, and still has the words."""
    settings = make_settings(tmp_path)
    with serve(settings, ManualClock()) as served:
        fields = begin(served) | {"step": "send"}
        breaker = Database(settings.database_url)
        breaker.write_now(lambda session: session.execute(sa.text("ALTER TABLE concern RENAME TO gone")))
        breaker.close()
        answer = send(served, fields)
    assert 503 == answer.status_code
    assert "inget är skickat" in answer.text and "116 111" in answer.text
    assert [STORY] == [posted(part) for part in fields_of(answer.text)["part"]]


def test_a_flood_from_one_address_keeps_its_words(tmp_path: Path) -> None:
    """The sixty-first send within minutes is asked to wait, with numbers and its text; a school class is not."""
    with serve(make_settings(tmp_path), ManualClock()) as served:
        answers = [send(served, {"words": f"Elev {number}", "step": "send"}) for number in range(61)]
    assert [200] * 60 + [429] == [answer.status_code for answer in answers]
    assert "116 111" in answers[-1].text and "Elev 60" in answers[-1].text
