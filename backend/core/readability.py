"""Whether a Swedish text fits its reader: LIX, sentences, long words, and what is never said.

LIX is words per sentence plus the percentage of words of more than six letters (Björnsson 1968).
It is blunt: it knows no meaning and punishes compounds. So a word that the word list explains
counts as a short one, and nothing here replaces reading the text to a child.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from backend.core.content import Located
from backend.core.municipality import Strict
from backend.core.reader import EASY, Band

LONG = 6
"""Letters; a longer word is a long word to LIX."""


class Limits(NamedTuple):
    """What a band's text may be at most (the project's domain notes, section 6)."""

    lix: float
    sentences: int
    words: int
    mean_words: float


LIMITS: Mapping[Band, Limits] = {
    "6-9": Limits(20, 3, 12, 8),
    "10-12": Limits(25, 4, 15, 12),
    "13-17": Limits(30, 5, 18, 15),
    "adult": Limits(40, 5, 22, 18),
    "parent": Limits(35, 5, 15, 15),
}

EASY_LIMITS = Limits(30, 8, 15, 12)
"""Of easy Swedish: sentences as short as a twelve-year-old's, and so more of them; its long words are the official ones, each named once."""

ENGLISH_LIMITS: Mapping[Band, Limits] = {
    "6-9": Limits(25, 3, 15, 10),
    "10-12": Limits(30, 4, 18, 14),
    "13-17": Limits(35, 5, 22, 18),
    "adult": Limits(45, 5, 27, 22),
    "parent": Limits(40, 5, 19, 18),
}
"""English says "the child" and "social services" where Swedish says "barnet" and "soc": a text of the same length has
about a fifth more words, and more long ones."""

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
_END = re.compile(r"[.!?:]+(?:\s|$)|[.!?]+(?=[”\"»])")
_SENTENCE = re.compile(r"[^.?!]+[.?!]*")


@dataclass(frozen=True, slots=True)
class Measured:
    """A text in figures. ``long_words`` are those that nothing explains, in the order in which they come."""

    lix: float
    sentences: int
    longest: int
    mean_words: float
    long_words: tuple[str, ...]


def measure(text: str, explained: Collection[str] = ()) -> Measured:
    """The figures of ``text``; ``explained`` are word forms, in small letters, that count as short."""
    split = [words for part in _END.split(text) if (words := _WORD.findall(part))]
    words = [word for sentence in split for word in sentence]
    if not words:
        return Measured(0, 0, 0, 0, ())
    unexplained = [word for word in words if len(word) > LONG and word.lower() not in explained]
    return Measured(
        lix=len(words) / len(split) + 100 * len(unexplained) / len(words),
        sentences=len(split),
        longest=max(map(len, split)),
        mean_words=len(words) / len(split),
        long_words=tuple(dict.fromkeys(unexplained)),
    )


def limits_for(lang: str, band: Band) -> Limits | None:
    """What a text in a language may be at most; None for a language whose words LIX says nothing of."""
    if lang == EASY:
        return EASY_LIMITS
    return {"sv": LIMITS, "en": ENGLISH_LIMITS}.get(lang, {}).get(band)


def passed(measured: Measured, limits: Limits) -> list[str]:
    """Which of the limits are passed: ``lix``, ``sentences``, ``words``, ``mean_words``."""
    found = {
        "lix": measured.lix > limits.lix,
        "sentences": measured.sentences > limits.sentences,
        "words": measured.longest > limits.words,
        "mean_words": measured.mean_words > limits.mean_words,
    }
    return [name for name, over in found.items() if over]


def too_hard(measured: Measured, band: Band, *, most_sentences: int | None = None) -> list[str]:
    """Which of the limits of Swedish for the band are passed.

    ``most_sentences`` takes the place of the band's own number, for texts that are longer than a bubble.
    """
    limits = LIMITS[band]
    return passed(measured, limits._replace(sentences=most_sentences or limits.sentences))


class _File(Strict, frozen=True):
    never: dict[str, list[str]]
    but: list[str]


class NeverSay:
    """``content/never_say.yml``: promises nobody can keep, blame, dangerous advice, words of yesterday."""

    def __init__(self, never: Mapping[str, Sequence[str]], but: Sequence[str]) -> None:
        self._never = {name: [re.compile(pattern) for pattern in patterns] for name, patterns in never.items()}
        self._but = [re.compile(pattern) for pattern in but]

    @classmethod
    def load(cls, content: Path) -> NeverSay:
        """Read the list; raises `ContentError` with file and line, also for a pattern that is none."""
        file = Located(content / "never_say.yml")
        loaded = file.convert(_File)
        try:
            return cls(loaded.never, loaded.but)
        except re.error as error:
            raise file.error(f"{error.pattern!r} is no pattern: {error}", "never") from None

    def said_in(self, text: str) -> list[str]:
        """What of the list ``text`` says, sentence by sentence; empty for a text that may stand."""
        found: list[str] = []
        for sentence in _SENTENCE.findall(text.lower()):
            if any(pattern.search(sentence) for pattern in self._but):
                continue
            found += [name for name, patterns in self._never.items() if any(p.search(sentence) for p in patterns)]
        return list(dict.fromkeys(found))
