"""With whom somebody would like to talk: a woman or a man, in which language, or the same as last time.

A closed wish, read by word lists (`data/words/whom.yml`). A wish for an interpreter is another
thing and is noted elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from actions.words import fold, is_short, mentions, named_language, words

NAMES = ("gender", "language", "same")
"""What of a request for times says with whom."""
_GENDERS = ("woman", "man")


@dataclass(frozen=True)
class Whom:
    """`gender` is "woman" or "man", `language` a code of `data/words/interpreter.yml`."""

    gender: str | None = None
    language: str | None = None
    same: bool = False

    def query(self) -> dict[str, Any]:
        """What to ask the backend for; only what was said is in it."""
        asked = {"gender": self.gender, "language": self.language, "same": self.same or None}
        return {name: value for name, value in asked.items() if value is not None}

    def __bool__(self) -> bool:
        return bool(self.query())


def whom(text: str) -> Whom:
    """What `text` says about with whom."""
    lists = words("whom")
    return Whom(_gender(text, lists), _language(text, lists), mentions(text, lists["same"]))


def _gender(text: str, lists: dict[str, Any]) -> str | None:
    said = fold(text).split()
    # "A woman who …" begins with the wish; "my girlfriend and I …" does not.
    alone = is_short(text, lists["short"]) or said[:1] == ["en"]
    beginning = " ".join(said[: lists["short"]])
    for gender, other in (_GENDERS, _GENDERS[::-1]):
        unwanted = mentions(text, _before(lists["not"], lists[gender]))
        if unwanted:
            return other
        asked = mentions(text, _before(lists["asking"], lists[gender]))
        # "Man" alone is mostly the word for "one".
        if asked or (alone and gender == "woman" and mentions(beginning, lists[gender])):
            return gender
    return None


def _before(first: list[str], then: list[str]) -> list[str]:
    return [f"{one} {other}" for one in first for other in then]


def _language(text: str, lists: dict[str, Any]) -> str | None:
    return named_language(text) if mentions(text, lists["speaks"]) else None
