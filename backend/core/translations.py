"""Which languages visitors can choose, and which of them say that nobody has read the translation yet.

A language that is written whole is on when the municipality names it. A translation of the most
needed texts (`content/translations.yml` says which) is on once staff have signed it, unless the
municipality has said otherwise. A text that is changed after that takes the signature away, and
the mark comes back; the language stays, since somebody may be in the middle of a booking in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal

import msgspec

from backend.core.content import LANGUAGES, Located, Phrases
from backend.core.municipality import Municipality, Strict
from backend.core.reader import Lang
from backend.core.tongues import Tongues

Part = Literal["first", "danger", "booking", "contacts", "map"]
PARTS: tuple[Part, ...] = ("first", "danger", "booking", "contacts", "map")
"""What a translation is signed by, one at a time: a person can read a part in one sitting."""


class _Needed(Strict, frozen=True):
    keys: list[str]
    but_for: list[str] = msgspec.field(default_factory=list)


class Core:
    """The declared set of texts that a translation needs: by part, patterns for the keys of texts."""

    def __init__(self, parts: Mapping[Part, _Needed]) -> None:
        self._parts = parts

    @classmethod
    def load(cls, directory: Path) -> Core:
        """Read ``translations.yml``; raises `ContentError` with file and line for a part that is missing or none."""
        file = Located(directory / "translations.yml")
        parts = file.convert(dict[Part, _Needed])
        for part in PARTS:
            if part not in parts or not parts[part].keys:
                raise file.error(f"{part} needs keys")
        return cls(parts)

    def part(self, key: str) -> Part | None:
        """The part that a text belongs to, the first that names it; None for what a translation can do without."""
        for part in PARTS:
            needed = self._parts[part]
            if any(fnmatchcase(key, one) for one in needed.keys) and not any(
                fnmatchcase(key, one) for one in needed.but_for
            ):
                return part
        return None

    def missing(self, swedish: Iterable[str], translated: Iterable[str]) -> dict[Part, list[str]]:
        """Keys of the set that are in Swedish and not in the translation, by part."""
        has = set(translated)
        found: dict[Part, list[str]] = {}
        for key in sorted(swedish):
            part = self.part(key)
            if part is not None and key not in has:
                found.setdefault(part, []).append(key)
        return found


@dataclass(frozen=True, slots=True)
class Signature:
    """How far a language is signed: once, all of it (``ever``), and all of it as it is served today (``now``)."""

    ever: bool
    now: bool


class Translations:
    """The choice of languages. Reading is safe from every thread: `publish` swaps the whole at once."""

    def __init__(self, phrases: Phrases, tongues: Tongues, municipality: Municipality) -> None:
        self._whole = tuple(lang for lang in municipality.languages if lang in LANGUAGES)
        self._others = tuple(lang for lang in phrases.languages if lang not in LANGUAGES)
        self._terms = municipality.translations
        self._tongues = tongues
        self._phrases = phrases
        self._signed: Mapping[Lang, Signature] = {}

    @property
    def all(self) -> tuple[Lang, ...]:
        """Every translation that there is, on or off."""
        return self._others

    @property
    def on(self) -> tuple[Lang, ...]:
        """What visitors can choose between, Swedish first."""
        return (*self._whole, *(lang for lang in self._others if self._is_on(lang)))

    def publish(self, signed: Mapping[Lang, Signature]) -> None:
        """What staff have signed, from now on."""
        self._signed = dict(signed)

    def terms(self, lang: Lang) -> str:
        """What the municipality has said of a translation: ``signed``, ``marked`` or ``never``."""
        return self._terms.get(lang, "signed")

    def signed(self, lang: Lang) -> bool:
        """Whether somebody has signed all of a language as it is served now."""
        return lang in self._signed and self._signed[lang].now

    def marked(self, lang: Lang) -> bool:
        """Whether pages in this language say that nobody has read the translation."""
        return lang in self._others and not self.signed(lang)

    def choosable(self, asked: str | None) -> Lang | None:
        """The language that was asked for, if visitors can have it. Whole ones can be had by whoever has the address."""
        return asked if asked in LANGUAGES or asked in self.on else None

    def name(self, lang: Lang) -> str:
        """What a language calls itself."""
        return self._tongues.card(lang).name if lang in self._others else self._phrases.say(f"languages.name.{lang}")

    def direction(self, lang: Lang) -> str:
        """``rtl`` for a language that is written from the right, else ``ltr``."""
        return self._tongues.card(lang).direction if lang in self._others else "ltr"

    def translated(self, lang: Lang) -> bool:
        """Whether only the most needed texts are in this language."""
        return lang in self._others

    def _is_on(self, lang: Lang) -> bool:
        terms = self.terms(lang)
        return terms == "marked" or (terms == "signed" and lang in self._signed and self._signed[lang].ever)
