"""Promise: who told about a worry reads the answer with six words, in the chat and on a page, and nobody reads more with them."""

from __future__ import annotations

import asyncio
import html
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from backend.app import build_house
from backend.concerns.service import ConcernDesk, Intake
from backend.core.db import Database
from backend.core.people import Role
from backend.core.reader import Reader
from backend.staff.accounts import add_staff
from tests.conftest import ManualClock, make_settings
from tests.web.serving import Served, serve

PASSWORD = "ett lösenord som är långt nog"
STORY = Intake(
    words=["Kanariefågeln sjunger"], about="me", now="no", reach="code", phone=None, safe=None,
    reader=Reader("child", "10-12"), danger_level=None, danger_category=None, consent_version="sv:10-12:0123456789ab",
)  # fmt: skip
ANSWER = '<img src=x onerror="alert(1)">\n\nHej! Vi har läst. \u05e9\u05dc\u05d5\u05dd'
SILENT = "Det du skickade kom fram i dag kl. 9.00. Status: ingen har börjat med det än."
FROM = "Svar i dag kl. 9.00 från Karin, socialsekreterare på Mottagning barn och unga"


class Told(Served):
    """The served app, with one concern that Karin may answer."""

    concern: str
    words: str
    clock: ManualClock
    history: str

    def answer(self, text: str) -> None:
        """Karin logs in and answers; ``history`` is her page afterwards."""
        karin = Served(self.url).client
        karin.post("/personal/logga-in", data={"login": "karin", "password": PASSWORD})
        assert 303 == karin.post(f"/personal/oro/{self.concern}/svara", data={"answer": text}).status_code
        self.history = karin.get(f"/personal/oro/{self.concern}").text
        karin.close()

    def ask(self, text: str, **start: str) -> list[dict[str, str]]:
        """What a fresh chat answers to ``text``."""
        begun = self.client.post("/api/chats", json=start).json()
        with self.as_chat(begun["chat"]) as chat:
            messages = chat.post("/api/chats/messages", json={"text": text}).json()["messages"]
            assert chat.get("/api/chats").json()["messages"][-len(messages) :] == messages
            assert 204 == chat.delete("/api/chats").status_code
        return [one for one in messages if one["author"] != "visitor"]


@pytest.fixture(params=["sqlite", "postgresql"])
def told(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Told]:
    settings, clock, received = make_settings(tmp_path), ManualClock(), []
    if request.param == "postgresql":
        settings = replace(settings, database_url=request.getfixturevalue("postgres_server").new_database())

    def seed(database: Database) -> None:
        house = build_house(settings, clock=clock, database=database)
        database.write_now(
            lambda session: add_staff(
                session, house.municipality, clock, login="karin", first_name="Karin", role=Role.CASE_WORKER,
                unit="mottagning_barn", password=PASSWORD,
            )
        )  # fmt: skip
        received.append(asyncio.run(ConcernDesk(house).receive(STORY)))
        house.codes.close()

    with serve(settings, clock, seed) as served:
        told = Told(served.url)
        told.concern, told.words, told.clock = received[0].concern_id, received[0].words, clock
        yield told
        told.client.close()


def test_another_code_reads_no_answer(told: Told) -> None:
    """Six wrong words say what they always say, on the page and in the chat."""
    told.answer(ANSWER)
    wrong = " ".join(reversed(told.words.split()))
    page = told.client.post("/min-tid", data={"words": wrong})
    assert 404 == page.status_code and "Karin" not in page.text
    (message,) = told.ask(wrong)
    assert "Koden stämmer inte" in message["text"]


def test_the_page_shows_the_answer_as_text_and_nothing_that_was_told(told: Told) -> None:
    """Before: the status alone. After: who, when and the words, with the markup shown and not run."""
    before = told.client.post("/min-tid", data={"words": told.words}).text
    assert SILENT in before and 'class="words"' not in before
    told.answer(ANSWER)
    page = told.client.post("/min-tid", data={"words": told.words}).text
    assert "Status: du har fått svar." in page and FROM in page
    (shown,) = re.findall(r'<div class="words" dir="auto">(.*?)</div>', page, re.DOTALL)
    assert ANSWER == html.unescape(shown) and "<img" not in page
    for secret in ("Kanarie", told.concern, told.words):
        assert secret not in before + page


def test_the_chat_shows_the_answers_after_the_status(told: Told) -> None:
    """One message for each, in order; works with the assistant away."""
    (before,) = told.ask(told.words)
    assert ("summary", SILENT) == (before["kind"], before["text"])
    told.answer(ANSWER)
    told.clock.forward(minutes=1)
    told.answer("Skriv gärna igen.")
    status, first, second = told.ask("min kod är " + told.words)
    assert ("summary", "booking_manage") == (status["kind"], status["topic"])
    assert status["text"].endswith("Status: du har fått svar.")
    assert [("text", "concern")] * 2 == [(one["kind"], one["topic"]) for one in (first, second)]
    later = FROM.replace("9.00", "9.01")
    assert [f"{FROM}\n\n{ANSWER}", f"{later}\n\nSkriv gärna igen."] == [first["text"], second["text"]]
    assert "Kanarie" not in repr((status, first, second))


def test_the_answer_is_told_in_the_readers_words(told: Told) -> None:
    """A small child and an English reader; the words of the answer stay as they were written."""
    told.answer(ANSWER)
    _, small = told.ask(told.words, who="child_6_9")
    assert f"Karin på soc svarade i dag kl. 9.00\n\n{ANSWER}" == small["text"]
    status, english = told.ask(told.words, lang="en")
    assert status["text"].endswith("Status: you have got an answer.")
    assert english["text"].startswith("Answer today at 9:00 from Karin, case worker at Mottagning barn och unga\n\n")


def test_staff_see_that_the_code_was_used(told: Told) -> None:
    """So that they know that the person has been back."""
    told.client.post("/min-tid", data={"words": told.words})
    told.answer("Hej")
    assert "Öppnad med personens kod" in told.history
