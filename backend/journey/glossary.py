"""Words that cannot be avoided, each explained for a child and for an adult: ``content/<language>/glossary.yml``.

An editor may explain them anew, and add others, which are there once their forms and both explanations are published.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from backend.core.content import Located
from backend.core.municipality import Strict
from backend.core.reader import Lang, Reader
from backend.core.wording import FORMS, WORD, Text, Wording, child_reads, forms_in

_ID = re.compile(r"[a-z][a-z0-9-]*")


class Entry(Strict, frozen=True):
    """One word. ``forms`` are its inflections as they stand in texts, the dictionary form first."""

    id: str
    forms: list[str]
    child: str
    adult: str

    @property
    def word(self) -> str:
        """The word as a list of words has it."""
        return self.forms[0]

    def explain(self, reader: Reader) -> str:
        """What it means, in a child's words unless the reader has said that they are an adult."""
        return self.adult if reader.grown_up else self.child


class Glossary:
    """The words of one language. What has been published of an explanation comes before what the file says."""

    def __init__(self, entries: list[Entry], lang: Lang = "sv", wording: Wording | None = None) -> None:
        self.entries = entries
        self._lang = lang
        self._wording = wording or Wording()
        self._known = _Known(self._wording.edition, entries)

    def explained(self) -> frozenset[str]:
        """Every single word, in small letters, that stands in a form of an entry."""
        return frozenset(word for form in self._now().of for word in re.findall(r"[^\W_]+", form))

    def forms(self) -> Mapping[str, str]:
        """Every form, in small letters, with the key of the text that explains it."""
        return {form: WORD + entry.id for form, entry in self._now().of.items()}

    def texts(self, lang: Lang) -> Iterator[Text]:
        """Every explanation, for those who measure texts: the child's as the oldest child that reads it."""
        for entry in self.entries:
            yield Text(WORD + entry.id, lang, "word", {child_reads(lang): entry.child, "adult": entry.adult})

    def mark(self, text: str) -> list[tuple[str, Entry | None]]:
        """The text in pieces, each with its entry or None. Only the first of a word is marked: more would tire the eye."""
        pieces: list[tuple[str, Entry | None]] = []
        told: set[str] = set()
        end = 0
        known = self._now()
        for found in known.pattern.finditer(text) if known.pattern else ():
            entry = known.of[found[0].lower()]
            if entry.id in told:
                continue
            told.add(entry.id)
            if found.start() > end:
                pieces.append((text[end : found.start()], None))
            pieces.append((found[0], self._published(entry)))
            end = found.end()
        if end < len(text):
            pieces.append((text[end:], None))
        return pieces

    def _published(self, entry: Entry) -> Entry:
        over = self._wording.over(WORD + entry.id, self._lang)
        if not over:
            return entry
        child = over.get(child_reads(self._lang), entry.child)
        return msgspec.structs.replace(entry, child=child, adult=over.get("adult", entry.adult))

    def _now(self) -> _Known:
        edition = self._wording.edition
        if self._known.edition != edition:
            self._known = _Known(edition, [*self.entries, *self._added()])
        return self._known

    def _added(self) -> Iterator[Entry]:
        own = {WORD + entry.id for entry in self.entries}
        for key, over in sorted(self._wording.begun(WORD, self._lang)):
            child, adult = over.get(child_reads(self._lang)), over.get("adult")
            forms = forms_in(over.get(FORMS, ""))
            if key not in own and forms and child and adult:
                yield Entry(key.removeprefix(WORD), forms, child, adult)


class _Known:
    """The words as they are in one edition of what is published; of two with the same form the first has it."""

    def __init__(self, edition: int, entries: list[Entry]) -> None:
        self.edition = edition
        self.of: dict[str, Entry] = {}
        for entry in entries:
            for form in entry.forms:
                self.of.setdefault(form.lower(), entry)
        # The longest first: of "offentligt biträde" and "biträde", the whole expression is what needs explaining.
        forms = sorted(self.of, key=len, reverse=True)
        self.pattern = re.compile(rf"\b(?:{'|'.join(map(re.escape, forms))})\b", re.IGNORECASE) if forms else None


def load_glossaries(content: Path, wording: Wording | None = None) -> Mapping[Lang, Glossary]:
    """Every language's words; raises `ContentError` with file and line for a form that two words share, or an id that is none."""
    return {path.parent.name: _load(path, wording) for path in sorted(content.glob("*/glossary.yml"))}


def _load(path: Path, wording: Wording | None) -> Glossary:
    file = Located(path)
    entries = file.convert(list[Entry])
    taken: dict[str, str] = {}
    for place, entry in enumerate(entries):
        if not _ID.fullmatch(entry.id) or entry.id in [other.id for other in entries[:place]]:
            raise file.error(f"{entry.id} must be an id of its own: small letters, digits and hyphens", place, "id")
        if not entry.forms:
            raise file.error(f"{entry.id} has no forms", place, "forms")
        for number, form in enumerate(entry.forms):
            if form.lower() in taken:
                raise file.error(f"{form} belongs to {taken[form.lower()]} already", place, "forms", number)
            taken[form.lower()] = entry.id
        for field in ("child", "adult"):
            if not getattr(entry, field).strip():
                raise file.error(f"{entry.id} is not explained", place, field)
    return Glossary(entries, path.parent.name, wording)
