"""The assistant's own answers, as an editor may change them without training it anew.

They live in the assistant's domain, which this only reads. The assistant says which answer it
gives and in what words; if an editor has published others for that answer, its reader meets
those. An answer with places to fill in, and one that differs by more than language and age, is
changed in the domain: what stands in the places is known to the assistant alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from backend.core.content import Located
from backend.core.reader import BANDS, Reader
from backend.core.wording import DEFAULT, Text, Wording

_PREFIX = "utter_"
_HOME = "sv"


class _Condition(msgspec.Struct, frozen=True):
    name: str
    value: str


class _Variation(msgspec.Struct, frozen=True):
    text: str | None = None
    condition: list[_Condition] = []


class _Domain(msgspec.Struct, frozen=True):
    responses: dict[str, list[_Variation]] = {}


class Answers:
    """Answers by name, language and band."""

    def __init__(self, by_language: Mapping[tuple[str, str], Mapping[str, str]], wording: Wording) -> None:
        self._by_language = by_language
        self._wording = wording

    @classmethod
    def load(cls, domain: Path, wording: Wording) -> Answers:
        """Read the responses in ``domain``; none, where the assistant's files are not. Raises `ContentError`."""
        found: dict[tuple[str, str], dict[str, str]] = {}
        for path in sorted(domain.glob("*.yml")):
            for name, variations in Located(path).convert(_Domain).responses.items():
                found |= _editable(name, variations)
        return cls(found, wording)

    def texts(self) -> Iterator[Text]:
        """Every answer that can be changed, as the domain has it."""
        for (name, lang), variants in self._by_language.items():
            yield Text(_key(name), lang, "phrase", variants)

    def said(self, name: str | None, reader: Reader, text: str) -> str:
        """``text``, or what an editor has published for this answer and this reader."""
        if name is None:
            return text
        lang = reader.lang if (name, reader.lang) in self._by_language else _HOME
        known = self._by_language.get((name, lang), {})
        variant = reader.band if reader.band in known else DEFAULT
        # What the assistant said is not the text that was edited: it knows the reader better.
        if known.get(variant or DEFAULT) != text:
            return text
        return self._wording.over(_key(name), lang).get(variant or DEFAULT, text)


def _key(name: str) -> str:
    return f"answers.{name.removeprefix(_PREFIX)}"


def _editable(name: str, variations: list[_Variation]) -> dict[tuple[str, str], dict[str, str]]:
    found: dict[tuple[str, str], dict[str, str]] = {}
    for variation in variations:
        conditions = {one.name: one.value for one in variation.condition}
        variant = conditions.get("band", DEFAULT)
        text = variation.text or ""
        if not text or "{" in text or not conditions.keys() <= {"lang", "band"} or variant not in (*BANDS, DEFAULT):
            return {}
        of = found.setdefault((name, conditions.get("lang", _HOME)), {})
        if variant in of:
            return {}
        of[variant] = text.strip()
    return found
