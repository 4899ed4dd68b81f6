"""What the staff pages call things: days, clocks, readers and dangers, from the phrases."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterable
from datetime import date, datetime, timedelta
from typing import Protocol

from backend.concerns.rules import Deed
from backend.concerns.service import SAFE_ANSWERS, Clock
from backend.core.clock import to_local
from backend.core.errors import DomainError
from backend.core.house import House
from backend.core.phone import written_out
from backend.core.reader import READERS, Reader


class Endangered(Protocol):
    """What a word rule may have found something in."""

    @property
    def danger_level(self) -> str | None:
        """``A0`` to ``A2``, or None."""
        ...

    @property
    def danger_category(self) -> str | None:
        """The kind of danger, or None."""
        ...


class StaffWords:
    """Turns values into Swedish for the templates; every word comes from ``content/``."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._say = house.phrases.say
        self._known = house.phrases.keys()

    def unit(self, unit_id: str) -> str:
        """A unit's name, or its id when it is no longer in the file."""
        units = {unit.id: unit.name for unit in self._house.municipality.units}
        return units.get(unit_id, unit_id)

    def today(self) -> date:
        """The local date."""
        return to_local(self._house.clock.now()).date()

    def day(self, day: date) -> str:
        """``i dag``, ``i går``, ``i morgon``, else ``onsdag 9 december``."""
        distance = (day - self.today()).days
        near = {-1: "staff.yesterday", 0: "common.today", 1: "common.tomorrow"}.get(distance)
        return self._say(near) if near else self.long_day(day)

    def long_day(self, day: date) -> str:
        """``onsdag 9 december``; with the year when it is another one."""
        named = self._say(
            "common.dated",
            None,
            weekday=self._say("common.weekdays").split()[day.weekday()],
            number=day.day,
            month=self._say("common.months").split()[day.month - 1],
        )
        return named if day.year == self.today().year else f"{named} {day.year}"

    def local_day(self, instant: datetime) -> date:
        """The local date of an instant."""
        return to_local(instant).date()

    def weekday(self, day: date) -> str:
        """``onsdag``."""
        return self._say("common.weekdays").split()[day.weekday()]

    def short_day(self, day: date) -> str:
        """``9 december``; with the year when it is another one."""
        named = f"{day.day} {self._say('common.months').split()[day.month - 1]}"
        return named if day.year == self.today().year else f"{named} {day.year}"

    def time(self, instant: datetime) -> str:
        """``09.05`` on the wall in Stockholm."""
        return to_local(instant).strftime("%H.%M")

    def clocks(self, instants: Iterable[datetime]) -> str:
        """``09.05, 10.20``."""
        return ", ".join(map(self.time, instants))

    def after(self, day: date, days: int) -> date:
        """The day so many days later, or earlier."""
        return day + timedelta(days=days)

    def moment(self, instant: datetime) -> str:
        """``i dag kl. 09.05``."""
        return self._say("staff.moment", None, day=self.day(to_local(instant).date()), time=self.time(instant))

    def brief(self, instant: datetime) -> str:
        """``i dag 09.05``, ``fre 27 nov 09.05``: for a list of many."""
        day = to_local(instant).date()
        if abs((day - self.today()).days) <= 1:
            return f"{self.day(day)} {self.time(instant)}"
        month = self._say("common.months").split()[day.month - 1]
        year = "" if day.year == self.today().year else f" {day.year}"
        return f"{self.weekday(day)[:3]} {day.day} {month[:3]}{year} {self.time(instant)}"

    def stamp(self, instant: datetime) -> str:
        """``2026-11-25 09.05``, for tables and papers."""
        return to_local(instant).strftime("%Y-%m-%d %H.%M")

    def who(self, who: str | None, band: str | None) -> str:
        """Role and age band, as far as they have been told."""
        combined = next((key for key in READERS if _pair(key) == (who, band)), "unknown")
        return self._say(f"staff.who.{combined}")

    def iso_day(self, instant: datetime) -> str:
        """``2026-11-25``, for a field of a day."""
        return to_local(instant).date().isoformat()

    def iso_time(self, instant: datetime) -> str:
        """``09:05``, for a field of a time."""
        return to_local(instant).strftime("%H:%M")

    def danger(self, row: Endangered) -> str:
        """The word rules' finding in plain words, or an empty string."""
        if row.danger_level is None:
            return ""
        level = self._say(f"concern_level.{row.danger_level}")
        key = f"concern_category.{row.danger_category}"
        return f"{level}: {self._say(key)}" if key in self._known else level

    def clock(self, clock: Clock) -> str:
        """``Skyddsbedömning senast i dag`` and the like; a passed one says so in words."""
        name = self._say(f"staff.clock.{clock.name}")
        if clock.met is not None:
            return self._say("staff.clock.met", None, name=name, when=self.moment(clock.met))
        if clock.late:
            return self._say(
                "staff.clock.late", None, name=name, day=self.day(clock.due), days=self._days(-clock.days_left)
            )
        if clock.days_left < 0:
            return self._say("staff.clock.passed", None, name=name, day=self.day(clock.due))
        if clock.days_left <= 1:
            return self._say("staff.clock.soon", None, name=name, day=self.day(clock.due))
        return self._say(
            "staff.clock.later", None, name=name, day=self.day(clock.due), days=self._days(clock.days_left)
        )

    def clock_in_short(self, clock: Clock) -> str:
        """``Skyddsbedömning i dag``, ``Beslut om utredning om 12 dagar``: for a list of many."""
        name = self._say(f"staff.clock.{clock.name}")
        if clock.met is not None:
            return self._say("staff.clock.met", None, name=name, when=self.day(to_local(clock.met).date()))
        if clock.days_left < 0:
            return self._say("staff.clock.late_short", None, name=name, days=self._days(-clock.days_left))
        if clock.days_left <= 1:
            return self._say("staff.clock.soon_short", None, name=name, day=self.day(clock.due))
        return self._say("staff.clock.later_short", None, name=name, days=self._days(clock.days_left))

    def late_by(self, days: int, longest: int) -> str:
        """``Försenat 3 dagar``, or that it is later than ``longest``, a week."""
        if days > longest:
            return self._say("staff.inbox.late_long")
        return self._say("staff.inbox.late_by", None, days=self._days(days))

    def target(self, clock: Clock) -> str:
        """The working day to aim for when the last day is a closed one, else an empty string."""
        if clock.target == clock.due:
            return ""
        return self._say("staff.clock.target", None, day=self.day(clock.target))

    def urgency(self, clock: Clock) -> str:
        """``late``, ``today``, ``soon`` (within three days), ``calm`` or ``met``, for the look of the words."""
        if clock.met is not None:
            return "met"
        if clock.late:
            return "late"
        if clock.days_left <= 0:
            return "today" if clock.days_left == 0 else "calm"
        return "soon" if clock.days_left <= 3 else "calm"

    def deed(self, deed: Deed) -> str:
        """One line of a concern's history, without its time."""
        return self._say(f"staff.history.{deed.tag.rpartition(':')[2]}", None, name=deed.name)

    def error(self, page: str, error: DomainError | str) -> str:
        """What went wrong (an error or its code), in the page's own sentence if it has one (``<page>.<code>``)."""
        code = error if isinstance(error, str) else error.code
        own = f"{page}.{code}"
        return self._say(own if own in self._known else f"error.{code}")

    def gates(self, gates: Collection[str]) -> str:
        """Between whom a legal ground may be used, in words."""
        return ", ".join(self._say(f"staff.story.gate.{gate}") for gate in sorted(gates))

    def interpreter(self, code: str) -> str:
        """The language that an interpreter is wished for in."""
        return self._house.tongues.interpreter(code)

    def phone(self, number: str) -> str:
        """A stored number as it is written in Sweden."""
        return written_out(number)

    def answer(self, key: str, value: str) -> str:
        """A fixed answer in words, a free one as it stands."""
        return self._say(f"common.{value}") if key in SAFE_ANSWERS else value

    def key(self) -> str:
        """A form's own key, with which a repeated post counts once."""
        return secrets.token_urlsafe(18)

    def _days(self, count: int) -> str:
        return self._say("staff.one_day") if count == 1 else self._say("staff.days", None, count=count)


def _pair(combined: str) -> tuple[str | None, str | None]:
    reader = Reader.of(combined)
    return reader.who, reader.band
