"""Promise: what the assistant did not understand is kept masked for staff, and nothing of anybody who told of danger."""

from __future__ import annotations

import contextlib
import html
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
import yaml

from backend.config import ROOT, Settings
from backend.core import audit
from backend.core.db import Database
from backend.core.vault import Vault
from backend.improving.tables import Misunderstood
from tests.conftest import make_settings
from tests.people import seed_example_staff
from tests.web.neighbour import Neighbour
from tests.web.serving import Served, serve

RANKING = [{"name": "booking", "confidence": 0.31}, {"name": "map", "confidence": 0.29}, {"name": "human", "confidence": 0.1}]  # fmt: skip
GUESSES = [{"text": "Menade du något av det här?", "buttons": [{"title": "Boka", "payload": "/booking"}, {"title": "Vad soc gör", "payload": "/map"}, {"title": "Annat", "payload": "/something_else"}]}]  # fmt: skip
DISCLOSED = ["pappa slår mamma nu", "jag vill inte leva längre", "hur får man bort ärr så morsan inte ser"]


class Puzzled(Neighbour):
    """An assistant that is not sure of anything typed; ``told`` makes it take the message as told."""

    def __init__(self) -> None:
        self.reply: dict[str, Any] = {}
        self.told = False
        super().__init__()

    def reset(self) -> None:
        self.mode, self.reply, self.told = "echo", {}, False
        self.turns.clear()

    def answer(self, body: dict[str, Any]) -> tuple[int, bytes]:
        if self.mode != "echo" or not body.get("text"):
            return super().answer(body)
        slots = {"told": [body["message"]]} if self.told else {}
        reply = {
            "messages": GUESSES, "intent": {"name": "nlu_fallback", "confidence": 0.31}, "ranking": RANKING,
            "loop": None, "requested": None, "state": {"slots": slots, "loop": None, "requested": None},
        } | self.reply  # fmt: skip
        return 200, json.dumps(reply).encode()


class Town(Served):
    """A served municipality with staff and a puzzled assistant."""

    assistant: Puzzled
    settings: Settings
    database: Database
    passwords: dict[str, str]

    def rows(self) -> list[Misunderstood]:
        query = sa.select(Misunderstood).order_by(Misunderstood.at)
        return self.database.read_now(lambda session: list(session.scalars(query)))

    def texts(self) -> list[str]:
        """What has been kept, opened."""
        vault = Vault(self.settings.data_key)
        return [vault.open(row.data_key, f"misunderstood.text:{row.id}", row.text) for row in self.rows()]

    def chat(self, **who: str) -> httpx.Client:
        """A new chat's client."""
        return self.as_chat(self.client.post("/api/chats", json=who).json()["chat"])

    def enter(self, login: str) -> httpx.Client:
        """A browser in which somebody has logged in."""
        client = httpx.Client(base_url=self.url, timeout=20, follow_redirects=True)
        page = client.post("/personal/logga-in", data={"login": login, "password": self.passwords[login]})
        assert 200 == page.status_code and "Logga ut" in page.text
        return client

    def tags(self) -> list[str]:
        """What has been written down about misunderstood messages."""
        query = sa.select(audit.AuditEvent.tag).where(audit.AuditEvent.tag.contains("misunderstood"))
        return self.database.read_now(lambda session: list(session.scalars(query)))


@contextlib.contextmanager
def open_town(settings: Settings) -> Iterator[Town]:
    assistant = Puzzled()
    passwords: dict[str, str] = {}
    settings = replace(settings, rasa_url=assistant.url, rasa_deadline=0.7)
    with serve(settings, seed=lambda database: passwords.update(seed_example_staff(database, settings))) as served:
        town = Town(served.url)
        town.assistant, town.settings, town.passwords = assistant, settings, passwords
        town.database = Database(settings.database_url)
        town.until_assistant_is_up()
        yield town
        town.client.close()
        town.database.close()
    assistant.server.shutdown()


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def the_town(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    settings = make_settings(tmp_path_factory.mktemp("town"))
    if request.param == "postgresql":
        settings = replace(settings, database_url=request.getfixturevalue("postgres_server").new_database())
    with open_town(settings) as town:
        yield town


@pytest.fixture
def town(the_town: Town) -> Town:
    """The town with an empty list."""
    the_town.assistant.reset()
    the_town.until_assistant_is_up()
    the_town.database.write_now(lambda session: session.execute(sa.delete(Misunderstood)))
    the_town.database.write_now(lambda session: session.execute(sa.delete(audit.AuditEvent)))
    return the_town


def say(client: httpx.Client, text: str) -> dict[str, Any]:
    response = client.post("/api/chats/messages", json={"text": text})
    assert response.status_code == 200, response.text
    return response.json()  # type: ignore[no-any-return]


def choose(client: httpx.Client, answer: dict[str, Any], title: str) -> None:
    offered = {choice["title"]: choice["id"] for message in answer["messages"] for choice in message["choices"]}
    assert client.post("/api/chats/messages", json={"choice": offered[title]}).status_code == 200


# What is kept.


def test_what_was_not_understood_is_kept_with_what_was_picked(town: Town) -> None:
    """Masked, in one row with language, band and guesses; the picked guess is noted, another button is not."""
    chat = town.chat(who="child_13_17")
    answer = say(chat, "kan Göran få nån slags tid hos er")
    assert ["kan [namn] få nån slags tid hos er"] == town.texts()
    choose(chat, answer, "Annat")
    assert [None] == [row.picked for row in town.rows()]
    choose(chat, answer, "Vad soc gör")
    (row,) = town.rows()
    assert ("sv", "13-17", "map") == (row.lang, row.band, row.picked)
    assert ["booking", "map", "human"] == [guess["intent"] for guess in json.loads(row.guesses)]


def test_a_question_which_of_two_was_meant_counts_too(town: Town) -> None:
    """The rare state that no rule knows: another intent, and yet the two best guesses are offered."""
    town.assistant.reply = {"intent": {"name": "booking", "confidence": 0.31}}
    say(town.chat(), "nåt annat helt enkelt")
    assert ["nåt annat helt enkelt"] == town.texts()


def test_what_was_understood_is_not_kept(town: Town) -> None:
    """An answer, even one with buttons to what lies near; and a button is nothing typed."""
    town.assistant.reply = {
        "intent": {"name": "booking", "confidence": 0.9},
        "messages": [{"text": "Så här", "buttons": [{"title": "Vad soc gör", "payload": "/map"}]}],
    }
    chat = town.chat()
    choose(chat, say(chat, "boka tid"), "Vad soc gör")
    assert [] == town.rows()


@pytest.mark.parametrize("where", ["before", "after", "state"])
@pytest.mark.parametrize("form", ["concern_form", "booking_form"])
def test_nothing_from_a_form_is_kept(town: Town, form: str, where: str) -> None:
    """Whether the form was open before the message, is open after it, or both."""
    chat = town.chat()
    state = {"slots": {}, "loop": form, "requested": "words"}
    if where == "before":
        town.assistant.reply = {"loop": form, "state": state, "intent": {"name": "concern", "confidence": 0.9}}
        say(chat, "jag vill skriva om en sak")
        town.assistant.reply = {}
    else:
        town.assistant.reply = {"loop": form if where == "after" else None, "state": state}
    say(chat, "det är så här att det är")
    assert [] == town.rows()


def test_what_was_told_and_listened_to_is_not_kept(town: Town) -> None:
    """It was no misunderstanding, and it may become somebody's concern."""
    town.assistant.told = True
    say(town.chat(), "det är så himla jobbigt jämt liksom")
    assert [] == town.rows()


@pytest.mark.parametrize("text", DISCLOSED)
def test_nothing_of_somebody_who_tells_of_danger_is_kept(town: Town, text: str) -> None:
    """Not the message, not what comes after it, and what was kept before it is taken away; other chats keep theirs."""
    other, chat = town.chat(), town.chat()
    say(other, "kan man liksom fixa det")
    say(chat, "kan man typ fixa nåt")
    assert 2 == len(town.rows())
    answer = say(chat, text)
    assert answer["messages"][0]["kind"] in ("emergency", "safety_check", "contacts")
    say(chat, "kan man typ fixa nåt annat")
    assert ["kan man liksom fixa det"] == town.texts()


def test_danger_that_was_a_mistake_still_keeps_nothing(town: Town) -> None:
    """The person is believed, and their words are left alone all the same."""
    chat = town.chat()
    answer = say(chat, DISCLOSED[0])
    mistaken = next(choice["title"] for choice in answer["messages"][0]["choices"] if "menade annat" in choice["title"])
    choose(chat, answer, mistaken)
    say(chat, DISCLOSED[0])
    say(chat, "kan man typ fixa nåt annat")
    assert [] == town.rows()


def test_a_return_code_is_not_kept(town: Town) -> None:
    """Nor one with a slip in it, which reaches the assistant as any message does."""
    words = (ROOT / "content" / "sv" / "codewords.txt").read_text(encoding="utf-8").split()[100:106]
    say(town.chat(), " ".join(words))
    say(town.chat(), " ".join([*words[:5], "felstavat"]))
    assert [] == town.rows()


def test_what_waited_for_the_assistant_is_kept_when_it_is_answered(town: Town) -> None:
    """The same as if the assistant had been there all the time."""
    town.assistant.mode = "error"
    chat = town.chat()
    say(chat, "kan man typ fixa nåt")
    assert [] == town.rows()
    town.assistant.mode = "echo"
    town.until(lambda: town.texts() == ["kan man typ fixa nåt"])


def test_no_row_outlives_its_answer(town: Town) -> None:
    """Row and answer are one transaction: when the answer cannot be stored, neither is the row."""
    chat = town.chat()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("backend.chat.service._read", _fail)
        assert chat.post("/api/chats/messages", json={"text": "kan man typ fixa nåt"}).status_code >= 500
    assert [] == town.rows()
    texts = [message["text"] for message in chat.get("/api/chats").json()["messages"]]
    assert texts[-1] == "kan man typ fixa nåt"


def _fail(*_: object, **__: object) -> None:
    raise RuntimeError


def test_leaving_keeps_only_what_leads_to_nobody(town: Town) -> None:
    """After the chat is wiped no column of the row leads to a chat, a message or a person."""
    chat = town.chat()
    say(chat, "kan man typ fixa nåt")
    assert chat.delete("/api/chats").status_code == 204
    (row,) = town.rows()
    left = {value for value in row.__dict__.values() if isinstance(value, str)} - {row.id, row.lang, row.guesses}
    assert {row.message_id} == left
    for table in ("chat", "chat_message"):
        count = town.database.read_now(lambda s, t=table: s.execute(sa.text(f"SELECT count(*) FROM {t} WHERE id = :id"), {"id": row.message_id}).scalar())  # type: ignore[misc]  # fmt: skip
        assert 0 == count


def test_switched_off_the_whole_loop_is_gone(tmp_path: Path) -> None:
    """`improvement: off`: nothing is kept, no link, and the page does not exist."""
    content = tmp_path / "content"
    _copy(ROOT / "content", content)
    file = content / "municipalities" / "exempelby.yml"
    file.write_text(file.read_text(encoding="utf-8").replace("improvement: on", "improvement: off"), encoding="utf-8")
    with open_town(make_settings(tmp_path, content_dir=content)) as town:
        say(town.chat(), "kan man typ fixa nåt")
        assert [] == town.rows()
        browser = town.enter("maria")
        assert 404 == browser.get("/personal/forsta").status_code
        assert "/personal/forsta" not in browser.get("/personal").text


def _copy(source: Path, target: Path) -> None:
    for path in source.rglob("*"):
        if path.is_file():
            copied = target / path.relative_to(source)
            copied.parent.mkdir(parents=True, exist_ok=True)
            copied.write_bytes(path.read_bytes())


# The page.

MARKUP = 'vad <b>är</b> "det" & för [x](y) nåt'


def test_strangers_learn_nothing(town: Town) -> None:
    """Not logged in: the login. A therapist: the same 404 as for a page that never was, and no link."""
    say(town.chat(), "kan man typ fixa nåt")
    (row,) = town.rows()
    routes = [
        ("GET", "/personal/forsta"),
        ("POST", f"/personal/forsta/{row.id}"),
        ("POST", f"/personal/forsta/{row.id}/ta-bort"),
        ("POST", "/personal/forsta/export"),
    ]
    anna, karin = town.enter("anna"), town.enter("karin")
    nowhere = anna.get("/personal/oro/" + "0" * 24).text
    for method, path in routes:
        form = {"intent": "map"} if method == "POST" else None
        answer = town.client.request(method, path, data=form)
        assert (303, "/personal/logga-in") == (answer.status_code, answer.headers["location"]), path
        hidden = anna.request(method, path, data=form)
        assert (404, nowhere) == (hidden.status_code, hidden.text), path
        if method == "POST":
            foreign = karin.post(path, data=form, headers={"sec-fetch-site": "cross-site"})
            assert 403 == foreign.status_code, path
            assert karin.get(path).status_code in (404, 405), path
    assert "/personal/forsta" not in anna.get("/personal").text
    assert ([None], []) == ([one.label for one in town.rows()], town.tags())


@pytest.mark.parametrize("login", ["karin", "maria"])
def test_staff_label_and_take_away(town: Town, login: str) -> None:
    """Text as text, guesses with their titles, the picked one chosen beforehand; saving moves it, deleting removes it."""
    chat = town.chat()
    choose(chat, say(chat, MARKUP), "Vad soc gör")
    say(chat, "inget att lära av")
    browser = town.enter(login)
    assert 'href="/personal/forsta"' in browser.get("/personal").text
    page = browser.get("/personal/forsta").text
    assert [html.escape("inget att lära av"), MARKUP] == [
        html.unescape(one) for one in re.findall(r'<div class="words"[^>]*>(.*?)</div>', page)
    ]
    assert "<b>" not in page and "<script>" not in page
    shown = html.unescape(page)
    assert "Boka tid med någon, 31 %; Vad soc gör och vad som händer sen, 29 %" in shown
    assert "Personen valde sedan: Vad soc gör och vad som händer sen" in shown
    assert '<option value="map" selected>' in page
    ids = re.findall(r'action="/personal/forsta/([0-9a-f]{24})"', page)
    saved = browser.post(f"/personal/forsta/{ids[1]}", data={"intent": "map", "visa": "nya"})
    assert (200, "/personal/forsta") == (saved.status_code, saved.url.path)
    assert "Sparat." in saved.text and ids[1] not in saved.text
    deleted = browser.post(f"/personal/forsta/{ids[0]}/ta-bort", data={"visa": "nya"})
    assert "Borttaget." in deleted.text and "Inget att gå igenom just nu." in deleted.text
    assert ids[1] in browser.get("/personal/forsta?visa=klara").text
    assert [("map", ids[1])] == [(row.label, row.id) for row in town.rows()]
    assert ["staff:misunderstood:labelled", "staff:misunderstood:deleted"] == town.tags()


@pytest.mark.parametrize("form", [None, {"intent": ""}, {"intent": "nope"}, {"intent": "<b>"}])
def test_a_label_that_is_none_is_explained(town: Town, form: dict[str, str] | None) -> None:
    """422, said at the top and at the field, and nothing is saved."""
    say(town.chat(), "kan man typ fixa nåt")
    (row,) = town.rows()
    answer = town.enter("karin").post(f"/personal/forsta/{row.id}", data=form)
    assert 422 == answer.status_code
    assert 2 == answer.text.count("Välj vad personen ville.") and f'href="#intent-{row.id}"' in answer.text
    assert 'aria-invalid="true"' in answer.text and "<b>" not in answer.text
    assert ([None], []) == ([one.label for one in town.rows()], town.tags())


@pytest.mark.parametrize("path", ["1", "%00", "0" * 24, "A" * 24, "export/x"])
def test_what_is_no_row_is_404(town: Town, path: str) -> None:
    """Never a 5xx."""
    browser = town.enter("karin")
    for end in ("", "/ta-bort"):
        assert 404 == browser.post(f"/personal/forsta/{path}{end}", data={"intent": "map"}).status_code


def test_the_export_is_a_file_that_rasa_reads(town: Town) -> None:
    """A download with a name, not a page; written down; nothing in it but what was labelled."""
    chat = town.chat()
    say(chat, "kan Göran typ [få](x) hjälp")
    say(chat, "inte genomgånget än")
    browser = town.enter("maria")
    target = next(row.id for row, text in zip(town.rows(), town.texts(), strict=True) if "hjälp" in text)
    browser.post(f"/personal/forsta/{target}", data={"intent": "support__what_help"})
    file = browser.post("/personal/forsta/export")
    assert 'attachment; filename="from_staff.yml"' == file.headers["content-disposition"]
    assert file.headers["content-type"].startswith("application/yaml")
    parsed = yaml.safe_load(file.text)
    assert [{"intent": "support__what_help", "examples": "- kan NAMN typ få x hjälp\n"}] == parsed["nlu"]
    assert "staff:misunderstood:exported" == town.tags()[-1]


# No thumbs.

FEEDBACK = re.compile(r"[👍👎⭐★😀🙂☹]|tumme|thumb|betyg|betygsätt|feedback|recension|hur nöjd|var det till hjälp|hjälpte (?:det|svaret)|was this helpful|rate this|how did we do", re.IGNORECASE)  # fmt: skip


@pytest.mark.parametrize("text", DISCLOSED)
@pytest.mark.parametrize("told", [False, True])
def test_nobody_is_asked_for_a_rating_after_a_disclosure(town: Town, text: str, told: bool) -> None:
    """Not in the answer, not in a choice, not on the page with or without script, not later in the chat."""
    town.assistant.told = told
    chat = town.chat(who="child_10_12")
    shown = [say(chat, text), say(chat, "kan man typ fixa nåt"), chat.get("/api/chats").json()]
    choices = [choice["title"] for answer in shown for message in answer["messages"] for choice in message["choices"]]
    assert choices
    assert [] == FEEDBACK.findall(json.dumps(shown, ensure_ascii=False))
    for message in (one for answer in shown for one in answer["messages"]):
        assert {"id", "author", "kind", "topic", "text", "choices", "card"} == set(message)


def test_the_page_and_its_script_have_no_rating(town: Town) -> None:
    """No control for it in what a browser gets, and no address that would take one."""
    for path in ("/chatt", "/chatt/ruta", "/static/chat.js", "/static/embed.js"):
        answer = town.client.get(path)
        assert (200, []) == (answer.status_code, FEEDBACK.findall(answer.text)), path
    described = json.dumps(town.client.get("/docs/openapi.json").json()["paths"], ensure_ascii=False)
    assert [] == FEEDBACK.findall(described)


def test_no_words_of_the_house_ask_for_a_rating() -> None:
    """Neither the backend's phrases nor the assistant's texts and buttons, in any language."""
    files = [*(ROOT / "content").glob("*/phrases.yml"), *(ROOT / "rasa" / "domain").glob("*.yml"), *(ROOT / "rasa" / "data" / "words").glob("*.yml")]  # fmt: skip
    assert files
    for path in files:
        assert [] == FEEDBACK.findall(path.read_text(encoding="utf-8")), path
