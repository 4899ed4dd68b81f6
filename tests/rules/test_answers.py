"""Promise: an editor's words for one of the assistant's answers reach that answer's readers, and nobody else's."""

from __future__ import annotations

from pathlib import Path

import pytest

from backend.chat.answers import Answers
from backend.config import ROOT
from backend.core.reader import Reader
from backend.core.wording import Place, Wording

NAME, KEY = "utter_rights__secrecy", "answers.rights__secrecy"
TEEN, CHILD, ADULT = Reader("child", "13-17"), Reader("child", "10-12"), Reader("partner", "adult")


@pytest.fixture
def wording() -> Wording:
    return Wording()


@pytest.fixture
def answers(wording: Wording) -> Answers:
    return Answers.load(ROOT / "rasa" / "domain", wording)


def original(answers: Answers, variant: str, lang: str = "sv", key: str = KEY) -> str:
    return next(text.variants[variant] for text in answers.texts() if (text.key, text.lang) == (key, lang))


def test_most_answers_can_be_changed(answers: Answers) -> None:
    """Rights, feelings, addiction and the rest, in Swedish and English; none with a place to fill in."""
    texts = list(answers.texts())
    assert {"sv", "en"} == {text.lang for text in texts}
    assert len(texts) > 250
    assert [] == [text.key for text in texts for words in text.variants.values() if "{" in words]


def test_a_published_answer_takes_the_place_of_its_own_band_only(answers: Answers, wording: Wording) -> None:
    """The assistant's words go in, the editor's come out."""
    teen, child = original(answers, "13-17"), original(answers, "default")
    wording.publish([(Place(KEY, "sv", "13-17"), "Nya ord.")])
    assert "Nya ord." == answers.said(NAME, TEEN, teen)
    assert child == answers.said(NAME, CHILD, child)


def test_words_that_are_not_the_edited_ones_are_left_alone(answers: Answers, wording: Wording) -> None:
    """Another variation, another language, an answer without a name: what the assistant said stands."""
    wording.publish([(Place(KEY, "sv", "13-17"), "Nya ord.")])
    assert "Something else." == answers.said(NAME, TEEN, "Something else.")
    assert "Hej." == answers.said(None, TEEN, "Hej.")
    assert "Hej." == answers.said("utter_no_such", TEEN, "Hej.")


def test_without_the_assistants_files_nothing_is_lost(tmp_path: Path, wording: Wording) -> None:
    """A backend that stands alone says what the assistant sends."""
    assert "Hej." == Answers.load(tmp_path, wording).said(NAME, ADULT, "Hej.")
