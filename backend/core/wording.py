"""Published texts in the place of those in ``content/``: what an editor has changed since the start.

Files are the ground: they are checked at the start, come with every update and can be read
without a database. What has been published lies over them, and can be taken away again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import NamedTuple

from backend.core.reader import EASY, Band, Lang

DEFAULT = "default"
"""The variant for readers of whom nothing is known."""
WORD = "word."
"""How the keys of the word list's texts begin."""
FORMS = "forms"
"""Beside the explanations of a word that an editor has added: its inflections, with commas between."""


def child_reads(lang: Lang) -> Band:
    """The variant of a word's explanation for children: as the oldest child reads that reads it."""
    return "13-17" if lang == EASY else "10-12"


def forms_in(text: str) -> list[str]:
    """The inflections as they are written in the `FORMS` of a word, the dictionary form first."""
    return [form for part in text.replace("\n", ",").split(",") if (form := " ".join(part.split()))]


class Place(NamedTuple):
    """Where a text stands: its key, its language, and its variant (an age band, or `DEFAULT`)."""

    key: str
    lang: str
    variant: str


@dataclass(frozen=True, slots=True)
class About:
    """Who answers for a text and how old it is. None where a file does not say."""

    source: str = ""
    owner: str = ""
    reviewed: date | None = None
    valid_from: date | None = None
    valid_to: date | None = None


@dataclass(frozen=True, slots=True)
class Text:
    """A text as the files have it, in every variant of one language. ``kind`` says what sort of place it is for."""

    key: str
    lang: str
    kind: str
    variants: Mapping[str, str]
    about: About = field(default_factory=About)


class Wording:
    """The texts that are published now. Reading is safe from every thread: `publish` swaps the whole at once."""

    def __init__(self) -> None:
        self._texts: Mapping[tuple[str, str], Mapping[str, str]] = {}
        self.edition = 0
        """Another number each time that something else is published."""

    def over(self, key: str, lang: str) -> Mapping[str, str]:
        """What is published for a key in a language, by variant; empty for most."""
        return self._texts.get((key, lang), {})

    def begun(self, beginning: str, lang: str) -> Iterator[tuple[str, Mapping[str, str]]]:
        """Keys that begin so, with what is published for them in a language."""
        return ((key, found) for (key, of), found in self._texts.items() if of == lang and key.startswith(beginning))

    def publish(self, texts: Iterable[tuple[Place, str]]) -> None:
        """Let these, and no others, lie over the files from now on."""
        found: defaultdict[tuple[str, str], dict[str, str]] = defaultdict(dict)
        for place, text in texts:
            found[place.key, place.lang][place.variant] = text
        self._texts = dict(found)
        self.edition += 1
