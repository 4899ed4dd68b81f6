"""Promise: a text is measured as its reader meets it, and what is never said is found whatever stands around it."""

from __future__ import annotations

from pathlib import Path

import pytest

from backend.config import ROOT
from backend.core.content import ContentError
from backend.core.readability import NeverSay, measure, too_hard

NEVER = NeverSay.load(ROOT / "content")


def test_lix_is_words_a_sentence_and_the_share_of_long_ones() -> None:
    """Two sentences of five words, one long word of ten: 5 + 10."""
    measured = measure("Du får säga vad du vill. Soc lyssnar på alla.")
    assert (15.0, 2, 6, 5.0, ("lyssnar",)) == (
        measured.lix, measured.sentences, measured.longest, measured.mean_words, measured.long_words,
    )  # fmt: skip


def test_a_word_that_is_explained_is_no_long_one() -> None:
    """What the word list has on tap costs nothing, in any case of letters."""
    assert () == measure("Utredningen tar tid.", {"utredningen"}).long_words
    assert 3.0 == measure("Utredningen tar tid.", {"utredningen"}).lix


@pytest.mark.parametrize("text", ["", "…", "!?"])
def test_a_text_without_words_has_no_figures(text: str) -> None:
    """Nothing to divide by is no error."""
    assert (0, 0) == (measure(text).lix, measure(text).sentences)


def test_numbers_with_dots_do_not_end_a_sentence() -> None:
    """ "Klockan 14.30" is one sentence."""
    assert 1 == measure("Vi ses klockan 14.30 i dag.").sentences


def test_what_is_too_hard_is_named() -> None:
    """The same text may do for a parent and not for a child of seven."""
    measured = measure(
        "Socialsekreteraren utreder under fyra månader vad familjen behöver för stöd och hjälp framöver."
    )
    assert {"lix", "words", "mean_words"} == set(too_hard(measured, "6-9"))
    assert "words" not in too_hard(measured, "parent")
    assert [] == too_hard(measure("Du får prata. Vi hör dig."), "6-9")


@pytest.mark.parametrize(
    ("said", "text"),
    [
        (["all will be well"], "Hej. Det kommer att bli bra."),
        (["a promise"], "Vi lovar att det går fort."),
        ([], "Jag kan inte lova att det går fort."),
        (["texting 112"], "Du kan sms:a 112."),
        ([], "Du får berätta, även om någon har sagt att du inte får."),
    ],
)
def test_what_is_never_said_is_found(said: list[str], text: str) -> None:
    """Sentence by sentence, and the opposite is let through."""
    assert said == NEVER.said_in(text)


def test_a_broken_list_stops_the_start(tmp_path: Path) -> None:
    """A pattern that is none would let everything through."""
    (tmp_path / "never_say.yml").write_text('never: {x: ["(("]}\nbut: []\n', "utf-8")
    with pytest.raises(ContentError, match=r"never_say\.yml, line 1"):
        NeverSay.load(tmp_path)
