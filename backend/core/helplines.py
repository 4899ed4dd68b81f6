"""Emergency numbers and helplines, from data with dates: lines move, and a dead number costs a child's courage."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path

import msgspec

from backend.core.content import ContentError, read_yaml
from backend.core.municipality import Note, Strict
from backend.core.reader import Reader

AT_MOST = 3


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


class _File(Strict, frozen=True):
    version: int
    verified_at: date
    lines: list[Line]
    sets: dict[str, list[str]]


@dataclass(frozen=True, slots=True)
class Shown:
    """A line as a visitor sees it. ``hours`` is None when nobody has vouched for them lately."""

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


class Helplines:
    """The directory: ``pick("child_danger", reader, today)`` gives at most three lines, the right one first."""

    def __init__(self, lines: dict[str, Line], sets: dict[str, list[str]]) -> None:
        self._lines = lines
        self._sets = sets

    @classmethod
    def load(cls, directory: Path) -> Helplines:
        """Read ``helplines.yml``; raises `ContentError` for unknown ids, long sets or unlisted lines in a set."""
        path = directory / "helplines.yml"
        try:
            parsed = msgspec.convert(read_yaml(path), _File)
        except msgspec.ValidationError as error:
            raise ContentError(f"{path}: {error}") from None
        lines = {line.id: line for line in parsed.lines}
        for name, ids in parsed.sets.items():
            if not 1 <= len(ids) <= AT_MOST:
                raise ContentError(f"{path}: set {name} must have one to {AT_MOST} lines")
            for line_id in ids:
                if line_id not in lines or not lines[line_id].listed:
                    raise ContentError(f"{path}: set {name} names {line_id}, which is not listed")
        return cls(lines, parsed.sets)

    def sets(self) -> frozenset[str]:
        """The names that `pick` knows."""
        return frozenset(self._sets)

    def pick(self, name: str, reader: Reader, today: date) -> list[Shown]:
        """The lines of a set in the reader's words; an unknown set gives the one for children."""
        ids = self._sets.get(name) or self._sets["child"]
        return [self.show(line_id, reader, today) for line_id in ids]

    def show(self, line_id: str, reader: Reader, today: date) -> Shown:
        """One line in the reader's words; raises `KeyError`."""
        line = self._lines[line_id]
        fresh = line.checked and line.verify_by is not None and today <= line.verify_by
        return Shown(
            id=line.id,
            name=line.name,
            number=line.number_display,
            tel=line.number_tel,
            spoken=line.spoken,
            url=line.url,
            note=line.note.adult if reader.grown_up else line.note.child,
            hours=line.hours if fresh else None,
            free=line.free is True,
            hidden_on_bill=line.shows_on_bill is False,
        )

    def stale(self, today: date) -> list[str]:
        """Names of shown lines whose check has run out, for the staff app."""
        return [
            line.name
            for line in self._lines.values()
            if line.listed and (line.verify_by is None or line.verify_by < today)
        ]
