"""A plain yes, no or "don't know", typed instead of pressed, to a question that the backend itself has asked.

The assistant has not seen such a question and would ask what was meant: of somebody who has just been asked whether
they are in danger, or whose time is kept for five minutes. Only the whole of a message counts, and only while the
question is the last thing that was said; but danger now is heard also where a form has put its own question after it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from backend.core.content import Located

Answer = Literal["yes", "no", "unsure"]

_STANDS_FOR: dict[Answer, tuple[str, ...]] = {
    "yes": ("!safe yes", "!move "),
    "no": ("!safe no", "!keep "),
    "unsure": ("!safe unsure",),
}
"""The beginnings of the actions whose buttons each of the answers stands for."""
_QUESTIONS = ("!safe yes", "!move ")
"""Where none of these is offered, nothing has been asked."""
_DANGER_NOW = ("!safe yes", "!safe unsure")
_MARKS = str.maketrans(".,!?;:", "      ")


class TypedAnswers:
    """``content/typed_answers.yml``: how people write the answers."""

    def __init__(self, said: Mapping[Answer, Sequence[str]]) -> None:
        self._meant = {words: answer for answer, many in said.items() for words in many}

    @classmethod
    def load(cls, content: Path) -> TypedAnswers:
        """Read the list; raises `ContentError` with file and line."""
        return cls(Located(content / "typed_answers.yml").convert(dict[Answer, list[str]]))

    def in_text(self, text: str) -> Answer | None:
        """What a message says if it says that and nothing else."""
        return self._meant.get(" ".join(text.casefold().translate(_MARKS).split()))


def action_of(answer: Answer, offered: Sequence[Sequence[str]]) -> str:
    """The one of the actions ``offered`` since the person wrote, message by message, the newest first, that an answer
    stands for; empty where that was no such question.
    """
    for age, actions in enumerate(offered):
        meant = next((action for action in actions if action.startswith(_STANDS_FOR[answer])), "")
        asked = any(action.startswith(_QUESTIONS) for action in actions)
        if asked and (age == 0 or meant.startswith(_DANGER_NOW)):
            return meant
    return ""
