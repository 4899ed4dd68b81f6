"""Promises of what is read about with whom: only what was wished for, and "man" is mostly no man."""

from __future__ import annotations

from typing import Any

import pytest
from actions_env import whom
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("kan jag få prata med en kvinna", {"gender": "woman"}),
        ("hellre en tjej", {"gender": "woman"}),
        ("tjej", {"gender": "woman"}),
        ("jag vill prata me nån som e tjej", {"gender": "woman"}),
        ("finns det någon som är en kille", {"gender": "man"}),
        ("jag har en kompis som är tjej, får hon vara med när jag bokar", {}),
        ("helst en kvinnlig behandlare", {"gender": "woman"}),
        ("inte en man", {"gender": "woman"}),
        ("ingen kille tack", {"gender": "woman"}),
        ("jag vill prata med en kille", {"gender": "man"}),
        ("hellre en man", {"gender": "man"}),
        ("inte med en kvinna", {"gender": "man"}),
        ("i'd rather a woman", {"gender": "woman"}),
        ("not a man please", {"gender": "woman"}),
        ("någon som pratar arabiska", {"language": "ar"}),
        ("en kvinna som talar somaliska", {"gender": "woman", "language": "so"}),
        ("someone who speaks finnish", {"language": "fi"}),
        ("samma som sist", {"same": True}),
        ("samma person igen tack", {"same": True}),
        ("same person as last time", {"same": True}),
        ("kan man boka en tid", {}),
        ("hur gör man", {}),
        ("jag vill boka, min man slår mig", {}),
        ("min mamma är en snäll kvinna och jag vill boka en tid", {}),
        ("på fredag klockan tre", {}),
        ("jag behöver en arabisk tolk", {}),
        ("", {}),
    ],
)
def test_a_wish_is_read_as_people_write_it(text: str, asked: dict[str, Any]) -> None:
    """Swedish and English, with and without what is not wanted."""
    assert asked == whom.whom(text).query()
    assert bool(asked) == bool(whom.whom(text))


@given(st.text(max_size=200))
def test_whatever_the_text_there_is_an_answer(text: str) -> None:
    """No exception, and only what the backend takes."""
    assert whom.whom(text).query().keys() <= set(whom.NAMES)
