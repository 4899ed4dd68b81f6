"""Emergency numbers and helplines, from data with dates: lines move, and a dead number costs a child's courage."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import msgspec

from backend.core.content import Located, Phrases
from backend.core.municipality import Note, Strict
from backend.core.reader import Lang, Reader
from backend.core.wording import About, Text, Wording

AT_MOST = 3
NOTHING = "–"
"""What stands in an editor's field that is empty: no hours, no number, not known."""
AUDIENCES = ("child", "teen", "adult", "parent", "partner", "professional")
SOURCE: Lang = "sv"


class Line(Strict, frozen=True):
    """One helpline as the file has it; see the comments at the top of ``content/helplines.yml``."""

    id: str
    name: str
    number_display: str | None
    number_tel: str | None
    spoken: str | None
    url: str | None
    chat_url: str | None
    audience: list[str]
    topics: list[str]
    anonymous: bool | None
    free: bool | None
    shows_on_bill: bool | None
    note: Note
    source: str | None
    source_date: date | None
    verified_at: date | None
    verify_by: date | None
    checked: bool
    listed: bool
    hours: str | None = None
    round_the_clock: bool = False


class _File(Strict, frozen=True):
    version: int
    verified_at: date
    lines: list[Line]
    sets: dict[str, list[str]]


@dataclass(frozen=True, slots=True)
class Shown:
    """A line as a visitor sees it. ``hours`` is None when nobody has vouched for them lately.

    ``lang`` is what the note is written in, which may not be what was asked for.
    """

    id: str
    name: str
    number: str | None
    tel: str | None
    spoken: str | None
    url: str | None
    note: str
    hours: str | None
    free: bool
    hidden_on_bill: bool
    lang: Lang = SOURCE


def _text(text: str) -> str | None:
    return None if text.strip() == NOTHING else text.strip()


def _said(text: str) -> str:
    if text.strip() in ("", NOTHING):
        raise ValueError("needed")
    return text.strip()


def _flag(text: str) -> bool | None:
    known: dict[str, bool | None] = {"ja": True, "nej": False, NOTHING: None}
    if text.strip().lower() not in known:
        raise ValueError("yes_no")
    return known[text.strip().lower()]


def _surely(text: str) -> bool:
    return _flag(text) is True


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(known) if (known := _text(text)) else None
    except ValueError:
        raise ValueError("date") from None


def _tel(text: str) -> str | None:
    known = _text(text)
    if known is not None and not (known.removeprefix("+").isascii() and known.removeprefix("+").isdigit()):
        raise ValueError("tel")
    return known


def _url(text: str) -> str | None:
    known = _text(text)
    if known is not None and (not known.startswith("https://") or " " in known):
        raise ValueError("url")
    return known


def _audience(text: str) -> list[str]:
    named = [one.strip() for one in text.split(",")]
    if not named or not set(named) <= set(AUDIENCES):
        raise ValueError("audience")
    return named


FIELDS: Mapping[str, Callable[[str], Any]] = {
    "number_display": _text,
    "number_tel": _tel,
    "spoken": _text,
    "url": _url,
    "hours": _text,
    "round_the_clock": _surely,
    "audience": _audience,
    "free": _flag,
    "shows_on_bill": _flag,
    "checked": _surely,
    "verified_at": _day,
    "verify_by": _day,
}
"""What staff can change of a line beside its notes: by field, how what they write is read."""
NOTES: Mapping[str, Callable[[str], str]] = {"child": _said, "adult": _said}
"""Whom a note is for."""


def read_field(field: str, text: str) -> object:
    """What somebody has written in a field; raises `ValueError` with what it must be, as the key of a phrase."""
    return (NOTES.get(field) or FIELDS[field])(text)


def _written(value: object) -> str:
    if value is None:
        return NOTHING
    if isinstance(value, bool):
        return "ja" if value else "nej"
    return ", ".join(value) if isinstance(value, list) else str(value)


class Helplines:
    """The directory: ``pick("child_danger", reader, today)`` gives at most three lines, the right one first.

    What staff have published of a line comes before what the file says.
    """

    def __init__(
        self,
        lines: dict[str, Line],
        sets: dict[str, list[str]],
        notes: Mapping[Lang, Mapping[str, Note]],
        phrases: Phrases,
        wording: Wording,
    ) -> None:
        self._lines = lines
        self._sets = sets
        self._notes = notes
        self._phrases = phrases
        self._wording = wording

    @classmethod
    def load(cls, directory: Path, phrases: Phrases, wording: Wording | None = None) -> Helplines:
        """Read ``helplines.yml`` and the notes in other languages, ``<language>/helplines.yml``.

        Raises `ContentError` with file and line for unknown ids, long sets, unlisted lines in a set, a
        date that is none, somebody whom a line is for that we do not know, and a note for no line.
        """
        file = Located(directory / "helplines.yml")
        parsed = file.convert(_File)
        lines = {line.id: line for line in parsed.lines}
        for place, line in enumerate(parsed.lines):
            if line.id in [other.id for other in parsed.lines[:place]]:
                raise file.error(f"{line.id} stands here twice", "lines", place, "id")
            if strange := [one for one in line.audience if one not in AUDIENCES]:
                raise file.error(
                    f"{line.id} is for {', '.join(strange)}, whom nobody knows", "lines", place, "audience"
                )
            if not _same_number(line):
                raise file.error(
                    f"{line.id} reads {line.number_display} and dials another", "lines", place, "number_tel"
                )
            if line.verified_at and line.verify_by and line.verify_by < line.verified_at:
                raise file.error(f"{line.id} is stale before it was read", "lines", place, "verify_by")
        for name, ids in parsed.sets.items():
            if not 1 <= len(ids) <= AT_MOST:
                raise file.error(f"set {name} must have one to {AT_MOST} lines", "sets", name)
            for place, line_id in enumerate(ids):
                if line_id not in lines or not lines[line_id].listed:
                    raise file.error(f"set {name} names {line_id}, which is not listed", "sets", name, place)
        notes: dict[Lang, dict[str, Note]] = {}
        for path in sorted(directory.glob("*/helplines.yml")):
            translated = Located(path)
            known = translated.convert(dict[str, Note])
            if strange := sorted(known.keys() - lines.keys()):
                raise translated.error(f"{strange[0]} is no line of helplines.yml", strange[0])
            notes[path.parent.name] = known
        return cls(lines, parsed.sets, notes, phrases, wording or Wording())

    def sets(self) -> frozenset[str]:
        """The names that `pick` knows."""
        return frozenset(self._sets)

    def pick(self, name: str, reader: Reader, today: date) -> list[Shown]:
        """The lines of a set in the reader's words; an unknown set gives the one for children."""
        ids = self._sets.get(name) or self._sets["child"]
        return [self.show(line_id, reader, today) for line_id in ids]

    def show(self, line_id: str, reader: Reader, today: date, draft: Mapping[str, str] | None = None) -> Shown:
        """One line in the reader's words; raises `KeyError`. With a ``draft``, as it would be with these fields.

        Hours that are more than "round the clock" are written in Swedish, and not shown in another language.
        """
        line = self._line(line_id, draft)
        note, lang = self._note(line, reader.lang, draft)
        hours = line.hours if reader.spoken == SOURCE and reader.lang not in self._notes else None
        if line.round_the_clock:
            hours = self._phrases.say("common.round_the_clock", reader)
        return Shown(
            id=line.id,
            name=line.name,
            number=line.number_display,
            tel=line.number_tel if _same_number(line) else None,
            spoken=line.spoken,
            url=line.url,
            note=note.adult if reader.grown_up else note.child,
            hours=hours if _fresh(line, today) else None,
            free=line.free is True,
            hidden_on_bill=line.shows_on_bill is False,
            lang=lang,
        )

    def stale(self, today: date) -> list[str]:
        """Names of shown lines whose check has run out, for the staff app."""
        return [line.name for one, line in self._lines.items() if line.listed and self.is_stale(one, today)]

    def is_stale(self, line_id: str, today: date) -> bool:
        """Whether the check of a line has run out: it has lost its hours, and somebody must call it. Raises `KeyError`."""
        line = self._line(line_id)
        return line.verify_by is None or line.verify_by < today

    def texts(self) -> Iterator[Text]:
        """Every line that is shown, field by field, as the files have it: for staff to edit. Notes in each language."""
        for line in self._lines.values():
            if not line.listed:
                continue
            about = About(line.source or "", "", line.verified_at)
            notes = {"child": line.note.child, "adult": line.note.adult}
            fields = {name: _written(getattr(line, name)) for name in FIELDS}
            yield Text(_key(line.id), SOURCE, "helpline", notes | fields, about)
            for lang, known in self._notes.items():
                if line.id in known:
                    note = known[line.id]
                    yield Text(_key(line.id), lang, "helpline", {"child": note.child, "adult": note.adult}, about)

    def _line(self, line_id: str, draft: Mapping[str, str] | None = None) -> Line:
        """A line with what has been published of it. What can no longer be read leaves what the file says."""
        line = self._lines[line_id]
        over = {**self._wording.over(_key(line_id), SOURCE), **(draft or {})}
        changed: dict[str, Any] = {}
        for name, text in over.items():
            if name in FIELDS:
                try:
                    changed[name] = read_field(name, text)
                except ValueError:
                    continue
        return msgspec.structs.replace(line, **changed) if changed else line

    def _note(self, line: Line, lang: Lang, draft: Mapping[str, str] | None = None) -> tuple[Note, Lang]:
        lang = lang if line.id in self._notes.get(lang, {}) else SOURCE
        note = self._notes[lang][line.id] if lang != SOURCE else line.note
        over = {**self._wording.over(_key(line.id), lang), **(draft or {})}
        return (Note(over.get("child", note.child), over.get("adult", note.adult)) if over else note), lang


def _key(line_id: str) -> str:
    return f"helpline.{line_id}"


def _same_number(line: Line) -> bool:
    """Whether what is read and what is dialled are one number. Between two changes they may not be; then nothing is dialled."""
    read, dialled = (re.sub(r"\D", "", text or "") for text in (line.number_display, line.number_tel))
    return read == (f"0{dialled.removeprefix('46')}" if (line.number_tel or "").startswith("+46") else dialled)


def _fresh(line: Line, today: date) -> bool:
    return line.checked and line.verify_by is not None and today <= line.verify_by
