"""When a talk can take place: open days, working hours as instants, who gets it. Plain Python, no storage.

Wall-clock hours of Europe/Stockholm become UTC instants here and nowhere else.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice
from typing import NamedTuple

from backend.core.clock import STOCKHOLM, to_local

CELL = 300
"""Seconds in a cell. A talk and the buffer after it occupy whole cells, so overlap is a collision of keys."""
LOOK_AHEAD = 60
"""Days in which the first free time is sought when the promised days are full."""
AROUND = 4
"""Days before a wish, and open days after its first, in which the nearest times are sought."""
SHOWN = timedelta(minutes=10)
"""How long a time that was shown stays choosable though its notice has begun to run out."""

_MINUTE = timedelta(minutes=1)
_CHANNEL_LETTERS = {"c": "chat", "p": "phone", "v": "video"}
_SLOT = re.compile(r"([0-9a-z]{5,7})-([acpv])", re.ASCII)
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True, slots=True)
class Terms:
    """How long talks are and how soon they may begin, in minutes; days in working days."""

    meeting: int
    buffer: int
    notice: int
    days_ahead: int

    @property
    def cells(self) -> int:
        """Cells that a talk occupies, the therapist's pause after it included."""
        return (self.meeting + self.buffer) * 60 // CELL


class Shift(NamedTuple):
    """A therapist's unbroken working hours on a weekday (Monday 0), in minutes of the wall clock."""

    therapist: str
    weekday: int
    start_minute: int
    end_minute: int


@dataclass(frozen=True, slots=True)
class Free:
    """A start and everybody who is free then."""

    start: datetime
    therapists: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What somebody wishes of a time: within ``begin`` and ``end`` (instants), between two hours of the wall clock.

    What is None does not matter. ``end`` and ``before`` are not included.
    """

    begin: datetime | None = None
    end: datetime | None = None
    after: time | None = None
    before: time | None = None

    def days(self, promised: Sequence[date], today: date, closed: Callable[[date], bool]) -> list[date]:
        """The open days that are asked for: the ``promised`` ones, unless days are named by their end."""
        first = to_local(self.begin).date() if self.begin is not None else today
        if self.end is None:
            return [day for day in promised if day >= first]
        last = to_local(self.end - timedelta(microseconds=1)).date()
        known = [*([] if closed(today) else [today]), *open_after(today, closed)]
        return [day for day in known if first <= day <= last]

    def around(self, promised: Sequence[date], today: date, closed: Callable[[date], bool]) -> list[date]:
        """The days in which to look for the times nearest to the wish: near it, and never too far off to be held."""
        farthest = today + timedelta(days=LOOK_AHEAD)
        first = min(to_local(self.begin).date() if self.begin is not None else today, farthest)
        start = max(today, first - timedelta(days=AROUND))
        near = islice(open_after(start, closed), 2 * AROUND)
        return sorted({day for day in (*promised, *self.days(promised, today, closed), *near) if day <= farthest})

    def fits(self, start: datetime) -> bool:
        """Whether a talk that begins at ``start`` is as wished."""
        if (self.begin is not None and start < self.begin) or (self.end is not None and start >= self.end):
            return False
        at = to_local(start).time()
        return (self.after is None or at >= self.after) and (self.before is None or at < self.before)

    def distance(self, start: datetime) -> timedelta:
        """How far ``start`` is from the nearest moment that would be as wished."""
        day = to_local(start).date()
        first = to_local(self.begin).date() if self.begin is not None else day
        last = to_local(self.end - timedelta(microseconds=1)).date() if self.end is not None else max(day, first)
        around = (day - timedelta(days=1), day, day + timedelta(days=1))
        return min(self._from_day(start, min(max(each, first), max(first, last))) for each in around)

    def _from_day(self, start: datetime, day: date) -> timedelta:
        opens = instant(day, _minutes(self.after)) if self.after is not None else instant(day, 0)
        closes = instant(day, _minutes(self.before)) if self.before is not None else instant(day, 24 * 60)
        return max(opens - start, start - closes, timedelta(0))


def _minutes(wall: time) -> int:
    return wall.hour * 60 + wall.minute


def open_after(day: date, closed: Callable[[date], bool]) -> Iterator[date]:
    """The open days after ``day``, nearest first, within `LOOK_AHEAD` days."""
    for step in range(1, LOOK_AHEAD + 1):
        candidate = day + timedelta(days=step)
        if not closed(candidate):
            yield candidate


def promised_days(today: date, days_ahead: int, closed: Callable[[date], bool]) -> list[date]:
    """Today, if open, and the next ``days_ahead`` open days."""
    return [*([] if closed(today) else [today]), *islice(open_after(today, closed), days_ahead)]


@functools.lru_cache(maxsize=4096)
def instant(day: date, minute: int) -> datetime:
    """The UTC instant of a wall-clock minute in Stockholm (1440 is the next midnight).

    A minute that spring skips means the moment of the jump; one that autumn
    repeats means the first of the two.
    """
    wall = datetime.combine(day, time(), STOCKHOLM) + timedelta(minutes=minute)
    moment = wall.astimezone(UTC)
    local = to_local(moment)
    if local.replace(tzinfo=None) != wall.replace(tzinfo=None):
        # Python reads a skipped 02:30 as 03:30; walk back to where the new offset began.
        while to_local(moment - _MINUTE).utcoffset() == local.utcoffset():
            moment -= _MINUTE
    return moment


def starts(day: date, shift: Shift, terms: Terms) -> list[datetime]:
    """Starts of talks in a shift on ``day``: one after the other from its beginning, each wholly within it.

    Steps are real minutes, so no talk is shortened or doubled when the clocks change.
    """
    if day.weekday() != shift.weekday:
        return []
    begin, end = instant(day, shift.start_minute), instant(day, shift.end_minute)
    step, length = timedelta(minutes=terms.meeting + terms.buffer), timedelta(minutes=terms.meeting)
    found = []
    while begin + length <= end:
        found.append(begin)
        begin += step
    return found


def cells(start: datetime, count: int) -> range:
    """The cells from ``start`` on."""
    first = int(start.timestamp()) // CELL
    return range(first, first + count)


def free_times(
    days: Iterable[date],
    shifts: Iterable[Shift],
    busy: Mapping[str, Collection[int]],
    not_before: datetime,
    terms: Terms,
) -> list[Free]:
    """Every start on ``days`` for which somebody is free, nearest first. ``busy`` has cells per therapist."""
    at: dict[datetime, list[str]] = {}
    shifts = list(shifts)
    for day in days:
        for shift in shifts:
            taken = busy.get(shift.therapist, ())
            for start in starts(day, shift, terms):
                if start >= not_before and not any(cell in taken for cell in cells(start, terms.cells)):
                    at.setdefault(start, []).append(shift.therapist)
    return [Free(start, tuple(dict.fromkeys(at[start]))) for start in sorted(at)]


def working_at(start: datetime, shifts: Iterable[Shift], terms: Terms) -> list[str]:
    """Therapists who have a talk beginning at ``start`` in their schedule, free or not."""
    day = to_local(start).date()
    step, length = timedelta(minutes=terms.meeting + terms.buffer), timedelta(minutes=terms.meeting)
    found = []
    for shift in shifts:
        begin, end = instant(day, shift.start_minute), instant(day, shift.end_minute)
        on_grid = shift.weekday == day.weekday() and begin <= start and not (start - begin) % step
        if on_grid and start + length <= end:
            found.append(shift.therapist)
    return list(dict.fromkeys(found))


def on_duty(start: datetime, end: datetime, shifts: Iterable[Shift]) -> list[str]:
    """Therapists at work from ``start`` to ``end``, whatever times they begin their own talks at."""
    day = to_local(start).date()
    at_work = (
        shift.therapist
        for shift in shifts
        if shift.weekday == day.weekday()
        and instant(day, shift.start_minute) <= start
        and end <= instant(day, shift.end_minute)
    )
    return list(dict.fromkeys(at_work))


def least_loaded(therapists: Sequence[str], load: Mapping[str, int], draw: Callable[[], float]) -> str:
    """Whoever has the fewest talks that day; ``draw`` settles ties, so that equals share the first rush."""
    return min(therapists, key=lambda therapist: (load.get(therapist, 0), draw()))


def slot_id(start: datetime, channel: str | None) -> str:
    """A start (and the channel it was asked for) as the opaque id that an offer carries."""
    number, digits = int(start.timestamp()) // 60, ""
    while number:
        number, rest = divmod(number, 36)
        digits = _DIGITS[rest] + digits
    return f"{digits}-{channel[0] if channel else 'a'}"


def read_slot(slot: str) -> tuple[datetime, str | None]:
    """What `slot_id` wrote; raises `ValueError` for anything else."""
    match = _SLOT.fullmatch(slot)
    if match is None:
        raise ValueError("not a slot")
    try:
        start = datetime.fromtimestamp(int(match[1], 36) * 60, UTC)
    except (OverflowError, OSError) as error:
        raise ValueError("no such instant") from error
    return start, _CHANNEL_LETTERS.get(match[2])
