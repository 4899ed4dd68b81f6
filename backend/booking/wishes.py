"""Wishes for a time and a person, as a form without script asks for them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from datetime import date, time
from typing import Any

from backend.booking.rules import Wanted, Wish, instant

HOURS: dict[str, tuple[time | None, time | None]] = {
    "morning": (None, time(12)),
    "afternoon": (time(12), None),
    "late": (time(15), None),
}
"""Parts of the day that can be wished for: from, and before, on the wall clock."""
_PEOPLE = ("woman", "man", "same")
_YEARS = (2000, 2199)
"""Beyond these no calendar is kept, and not every day has a day after it."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """What was chosen; an empty string is no wish. ``day`` is an ISO date, ``person`` also ``same`` as last time."""

    day: str = ""
    hours: str = ""
    person: str = ""
    language: str = ""
    acute: str = ""

    @classmethod
    def of(cls, form: Any) -> Wishes:
        """From a posted form; what cannot be a wish is none."""
        asked = {each.name: form.get(f"wish_{each.name}") or "" for each in fields(cls)}
        return cls(
            day=asked["day"] if _day(asked["day"]) is not None else "",
            hours=asked["hours"] if asked["hours"] in HOURS else "",
            person=asked["person"] if asked["person"] in _PEOPLE else "",
            language=asked["language"] if asked["language"].isascii() and 2 <= len(asked["language"]) <= 3 else "",
            acute="yes" if asked["acute"] == "yes" else "",
        )

    def fields(self) -> Iterator[tuple[str, str]]:
        """Names and values to carry along in a form."""
        for each in fields(self):
            value = getattr(self, each.name)
            if value:
                yield f"wish_{each.name}", value

    @property
    def any(self) -> bool:
        """Whether anything is wished for."""
        return self != Wishes()

    def wanted(self) -> Wanted | None:
        """The wish of day and hour."""
        day = _day(self.day)
        after, before = HOURS.get(self.hours, (None, None))
        if day is None and after is None and before is None:
            return None
        begin = instant(day, 0) if day is not None else None
        end = instant(day, 24 * 60) if day is not None else None
        return Wanted(begin, end, after, before)

    def wish(self, same: str | None = None) -> Wish | None:
        """The wish of a person; ``same`` is the id of the therapist of last time."""
        gender = self.person if self.person in ("woman", "man") else None
        therapist = same if self.person == "same" else None
        made = Wish(gender, self.language or None, therapist)  # type: ignore[arg-type]
        return made if made != Wish() else None


def _day(text: str) -> date | None:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return day if _YEARS[0] <= day.year <= _YEARS[1] else None
