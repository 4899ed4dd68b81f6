"""Words that are taken as they stand, from `data/words/orders.yml`. Nothing of Rasa is needed here."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

WORDS = Path(__file__).resolve().parent.parent / "data" / "words" / "orders.yml"
HUMAN = "human"
BETWEEN = 4


@cache
def lists() -> dict[str, Any]:
    """The contents of `data/words/orders.yml`."""
    found: dict[str, Any] = YAML(typ="safe").load(WORDS.read_text(encoding="utf-8"))
    return found


def fold(text: str) -> str:
    """Small letters and digits with single spaces, as in `actions.words`."""
    plain = unicodedata.normalize("NFKD", text.casefold())
    plain = "".join(c for c in plain if not unicodedata.combining(c))
    return " ".join(re.findall(r"[^\W_]+", plain))


def _any(phrases: Iterable[str]) -> str:
    folded = (
        " ".join(re.escape(fold(part)) + (r"\w*" if part.endswith("*") else "") for part in phrase.split())
        for phrase in phrases
    )
    return f"(?:{'|'.join(sorted(folded, key=len, reverse=True))})"


@cache
def _patterns() -> tuple[re.Pattern[str], re.Pattern[str], re.Pattern[str]]:
    human = lists()[HUMAN]
    unless = "".join(rf"(?<!\b{fold(word)} )" for word in human["not_before"])
    wish = rf"\b{unless}{_any(human['wish'])}(?: \w+){{0,{BETWEEN}}} {_any(human['human'])}\b"
    return re.compile(wish), re.compile(_any(human["alone"])), re.compile(rf"\b{_any(human['not'])}\b")


def wants_human(text: str) -> bool:
    """Whether a text plainly asks for a human to talk to."""
    said = fold(text)
    wish, alone, refused = _patterns()
    if refused.search(said):
        return False
    return bool(alone.fullmatch(said) or wish.search(said))


def says_nothing(text: str) -> bool:
    """Whether a text has no letter, no number and no picture."""
    return not any(unicodedata.category(c)[0] in "LN" or unicodedata.category(c) in ("So", "Sk") for c in text)
