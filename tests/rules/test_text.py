"""Promise: any text a browser or a script can send is either storable and readable, or refused kindly."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.core.errors import EmptyText, TextTooLong
from backend.core.text import MESSAGE_LIMIT, clean, fold


@given(st.text(max_size=300))
def test_what_comes_out_can_be_stored(text: str) -> None:
    """No NUL, no lone surrogate, no direction override is left, and cleaning twice changes nothing."""
    try:
        cleaned = clean(text)
    except EmptyText:
        return
    cleaned.encode("utf-8")
    assert not set(cleaned) & {"\x00", "\r", "\u202e", "\u2066"}
    assert clean(cleaned) == cleaned


@pytest.mark.parametrize("text", ["", "   ", "\n\t", "\x00\x00", "\u200b\u200b", "\u202e", "\ufeff"])
def test_nothing_visible_is_empty(text: str) -> None:
    """Blank, invisible and control characters alone are no message."""
    with pytest.raises(EmptyText):
        clean(text)


def test_too_long_is_refused_and_the_limit_is_not() -> None:
    """An essay of 3,000 words fits; 20,000 characters do not."""
    assert len(clean("a" * MESSAGE_LIMIT)) == MESSAGE_LIMIT
    with pytest.raises(TextTooLong):
        clean("a" * 20_000)


def test_own_words_stay_as_they_were() -> None:
    """Spelling, case, emoji, line breaks and other scripts are not touched."""
    text = "Hej!!\n\nmamma e full igen 😢 كيف"
    assert clean(text) == text
    assert clean("a" + "\u0301" * 40) == "a" + "\u0301" * 8


def test_folding_forgives_lost_dots() -> None:
    """A phone without å, ä and ö writes the same word."""
    assert fold("Sjö ÄPPLE å é") == "sjo apple a e"
