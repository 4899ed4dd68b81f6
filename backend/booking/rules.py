"""When a talk can take place: open days, hours as instants, free starts, who gets it. Plain Python, no storage.

Wall-clock hours of Europe/Stockholm become UTC instants here and nowhere else.
"""

from __future__ import annotations

import functools
import hmac
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice
from typing import Literal, NamedTuple

from backend.core.clock import STOCKHOLM, to_local

CELL = 300
"""Seconds in a cell. A talk and the buffer after it occupy whole cells, so overlap is a collision of keys."""
LOOK_AHEAD = 60
"""Days in which the first free time is sought when the promised days are full."""
AROUND = 4
"""Days before a wish, and open days after its first, in which the nearest times are sought."""
SHOWN = timedelta(minutes=10)
"""How long a time that was shown stays choosable though its notice has begun to run out."""

Gender = Literal["woman", "man"]
LANGUAGE = re.compile(r"[a-z]{2,3}", re.ASCII)
"""A language's code."""

_MINUTE = timedelta(minutes=1)
_LETTERS = {"chat": "c", "phone": "p", "video": "v", "visit": "b"}
_CHANNELS = {letter: channel for channel, letter in _LETTERS.items()}
_SLOT = re.compile(r"([0-9a-z]{5,7})-([abcpv])(?:-([0-9a-z.]{1,60}))?", re.ASCII)
_TOKEN = re.compile(
    r"(?P<gender>[wm])|l(?P<language>[a-z]{2,3})|t(?P<therapist>[0-9a-z]{1,32})|(?P<acute>a)|x(?P<mark>[0-9a-f]{12})",
    re.ASCII,
)
_GENDERS: dict[str, Gender] = {"w": "woman", "m": "man"}
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True, slots=True)
class Terms:
    """How long one therapist's talks are and how soon they may begin, in minutes.

    ``cutoff`` is the minute of the local day after which nothing more is booked the same day.
    """

    meeting: int
    buffer: int
    notice: int
    cutoff: int | None = None

    @property
    def cells(self) -> int:
        """Cells that a talk occupies, the therapist's pause after it included."""
        return (self.meeting + self.buffer) * 60 // CELL

    def earliest(self, now: datetime) -> datetime:
        """The first instant at which a talk may begin."""
        soon = now + timedelta(minutes=self.notice)
        today = to_local(now).date()
        if self.cutoff is None or now < instant(today, self.cutoff):
            return soon
        return max(soon, instant(today, 24 * 60))


class Span(NamedTuple):
    """A part of a day in minutes of the wall clock; the end is not included."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Period:
    """Days with weekly hours of their own (summer hours, a new timetable); without ``last`` it goes on."""

    first: date
    last: date | None
    weekly: Mapping[int, Sequence[Span]]

    def holds(self, day: date) -> bool:
        """Whether ``day`` lies in it."""
        return self.first <= day and (self.last is None or day <= self.last)


@dataclass(slots=True)
class Hours:
    """When one therapist works. Weekdays count from Monday 0.

    What says more about a day wins: absence over hours of that very day (``instead``), these over
    the period that began last, this over the usual week. ``extra`` is added, also on a closed day.
    ``acute`` are the parts of the week kept for whoever cannot wait.
    """

    weekly: dict[int, list[Span]] = field(default_factory=dict)
    periods: list[Period] = field(default_factory=list)
    instead: dict[date, list[Span]] = field(default_factory=dict)
    extra: dict[date, list[Span]] = field(default_factory=dict)
    absent: list[tuple[datetime, datetime]] = field(default_factory=list)
    acute: dict[int, list[Span]] = field(default_factory=dict)

    def period(self, day: date) -> Period | None:
        """The period whose hours hold on ``day``: the one that began last, of equals the shortest."""
        found = [each for each in self.periods if each.holds(day)]
        return max(found, key=lambda each: (each.first, -(each.last or date.max).toordinal()), default=None)

    def spans(self, day: date, closed: Callable[[date], bool]) -> list[Span]:
        """The parts of ``day`` in which the therapist would work if never absent, joined where they touch."""
        period = self.period(day)
        usual = (period.weekly if period is not None else self.weekly).get(day.weekday(), ())
        planned = self.instead.get(day) or (() if closed(day) else usual)
        return joined([*planned, *self.extra.get(day, ())])

    def windows(self, day: date, closed: Callable[[date], bool]) -> list[tuple[datetime, datetime]]:
        """The unbroken working times of ``day`` as instants, absences cut out."""
        found = [(_whole(instant(day, span.start)), instant(day, span.end)) for span in self.spans(day, closed)]
        for gone in self.absent:
            found = [piece for window in found for piece in _without(window, gone)]
        return [(begin, end) for begin, end in found if begin < end]

    def kept(self, day: date) -> list[tuple[datetime, datetime]]:
        """The parts of ``day`` that are kept for whoever cannot wait."""
        return [(instant(day, span.start), instant(day, span.end)) for span in self.acute.get(day.weekday(), ())]


@dataclass(frozen=True, slots=True)
class Person:
    """A therapist as the offer knows them. ``personal``: only for those who ask for this very person.

    ``release`` is the minute of the day at which that day's acute times are let go to everybody; None: never.
    """

    id: str
    name: str
    channels: frozenset[str]
    languages: frozenset[str]
    gender: str | None
    personal: bool
    terms: Terms
    release: int | None
    hours: Hours

    def suits(self, channel: str | None, wish: Wish) -> bool:
        """Whether somebody who asks for ``channel`` (None: any) and ``wish`` can be offered this therapist."""
        if wish.therapist is not None and wish.therapist != self.id:
            return False
        return (
            (not self.personal or wish.therapist == self.id)
            and (channel is None or channel in self.channels)
            and (wish.gender is None or wish.gender == self.gender)
            and (wish.language is None or wish.language in self.languages)
        )

    def reserved(self, day: date, now: datetime) -> list[tuple[datetime, datetime]]:
        """What of ``day`` is kept for acute requests at ``now``."""
        if self.release is not None and instant(day, self.release) <= now:
            return []
        return self.hours.kept(day)


@dataclass(frozen=True, slots=True)
class Wish:
    """With whom somebody would like to talk. ``therapist`` is an id: the same person as last time."""

    gender: Gender | None = None
    language: str | None = None
    therapist: str | None = None

    def without(self, *names: str) -> Wish:
        """The same wish with some of it given up."""
        return replace(self, **dict.fromkeys(names))

    @property
    def told(self) -> str:
        """The wish in few letters, for a slot's id and for the row of a booking; empty for none."""
        tokens = (
            self.gender[0] if self.gender else "",
            f"l{self.language}" if self.language else "",
            f"t{self.therapist}" if self.therapist else "",
        )
        return ".".join(filter(None, tokens))


ANYBODY = Wish()


@dataclass(frozen=True, slots=True)
class Slot:
    """A time as an offer names it: a start, and what it was asked with.

    ``mark`` is our sign that this very slot was offered; only the usual starts of an ordinary request go without.
    """

    start: datetime
    channel: str | None = None
    wish: Wish = ANYBODY
    acute: bool = False
    mark: str | None = None

    @property
    def told(self) -> str:
        """The slot without its mark: ``minutes since 1970 in base 36``, the channel's letter, what was wished."""
        number, digits = int(self.start.timestamp()) // 60, ""
        while number:
            number, rest = divmod(number, 36)
            digits = _DIGITS[rest] + digits
        asked = ".".join(filter(None, (self.wish.told, "a" if self.acute else "")))
        return f"{digits}-{_LETTERS[self.channel] if self.channel else 'a'}{'-' if asked else ''}{asked}"

    def signed(self, key: bytes) -> str:
        """The slot as an opaque id with our mark."""
        return f"{self.told}{'.' if self.told.count('-') > 1 else '-'}x{_mark(key, self)}"

    def ours(self, key: bytes) -> bool:
        """Whether the mark is there and is ours."""
        return self.mark is not None and hmac.compare_digest(self.mark, _mark(key, self))


def _mark(key: bytes, slot: Slot) -> str:
    return hmac.new(key, f"slot:{slot.told}".encode(), "sha256").hexdigest()[:12]


@dataclass(frozen=True, slots=True)
class Free:
    """A start and everybody who is free then; the shortest talk that one of them gives, in ``minutes``.

    ``usual``: for all of them a talk begins then on a day on which nothing else is booked.
    """

    start: datetime
    therapists: tuple[str, ...]
    usual: bool
    minutes: int


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
        opens = instant(day, minutes_of(self.after)) if self.after is not None else instant(day, 0)
        closes = instant(day, minutes_of(self.before)) if self.before is not None else instant(day, 24 * 60)
        return max(opens - start, start - closes, timedelta(0))


def minutes_of(wall: time) -> int:
    """The minute of the day."""
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


def joined(spans: Iterable[Span]) -> list[Span]:
    """The spans in order, those that touch or overlap made one."""
    found: list[Span] = []
    for span in sorted(spans):
        if found and span.start <= found[-1].end:
            found[-1] = Span(found[-1].start, max(found[-1].end, span.end))
        else:
            found.append(span)
    return found


def _without(window: tuple[datetime, datetime], gone: tuple[datetime, datetime]) -> list[tuple[datetime, datetime]]:
    begin, end = window
    if gone[1] <= begin or end <= gone[0]:
        return [window]
    return [(begin, gone[0]), (_whole(gone[1]), end)]


def _whole(moment: datetime) -> datetime:
    """The first whole five minutes that are not before ``moment``."""
    return datetime.fromtimestamp(-(-int(moment.timestamp()) // CELL) * CELL, UTC)


def cells(start: datetime, count: int) -> range:
    """The cells from ``start`` on."""
    first = int(start.timestamp()) // CELL
    return range(first, first + count)


def cells_between(begin: datetime, end: datetime) -> range:
    """The cells that a time from ``begin`` to ``end`` touches."""
    return range(int(begin.timestamp()) // CELL, -(-int(end.timestamp()) // CELL))


def starts(
    window: tuple[datetime, datetime], busy: Collection[int], terms: Terms, not_before: datetime
) -> list[datetime]:
    """Starts of talks in one unbroken working time, in order, each wholly within it.

    Between two things that are booked, talks follow one after the other from where the first ends. If the first
    moments of such a gap are too soon and no later talk of that row fits, the earliest that does is there: no
    gap that has room for a talk goes without. Steps are real minutes, so no talk is shortened or doubled when
    the clocks change.
    """
    first, end = (int(moment.timestamp()) for moment in window)
    step, length, need = (terms.meeting + terms.buffer) * 60, terms.meeting * 60, terms.cells
    soonest = -(-int(not_before.timestamp()) // CELL) * CELL
    found: list[int] = []
    at = first
    while at + length <= end:
        cell = at // CELL
        if cell in busy:
            at = (cell + 1) * CELL
            continue
        until = cell + 1
        last = -(-end // CELL) + need
        while until < last and until not in busy:
            until += 1
        latest = min(end - length, (until - need) * CELL)
        row = [moment for moment in range(at, latest + 1, step) if moment >= soonest]
        if not row and at < soonest <= latest:
            row = [soonest]
        found += row
        at = until * CELL
    return [datetime.fromtimestamp(moment, UTC) for moment in found]


def usual(window: tuple[datetime, datetime], start: datetime, terms: Terms) -> bool:
    """Whether a talk begins at ``start`` on a day on which nothing else is booked."""
    begin, end = window
    step, length = timedelta(minutes=terms.meeting + terms.buffer), timedelta(minutes=terms.meeting)
    return begin <= start and start + length <= end and not (start - begin) % step


def covers(window: tuple[datetime, datetime], start: datetime, terms: Terms) -> bool:
    """Whether a talk from ``start`` on, at whole five minutes, lies within the working time."""
    begin, end = window
    return begin <= start and start + timedelta(minutes=terms.meeting) <= end and not start.timestamp() % CELL


def free_times(
    days: Iterable[date],
    people: Iterable[Person],
    busy: Mapping[str, Collection[int]],
    now: datetime,
    closed: Callable[[date], bool],
    *,
    acute: bool = False,
) -> list[Free]:
    """Every start on ``days`` for which one of ``people`` is free, nearest first. ``busy`` has cells per therapist."""
    at: dict[datetime, dict[str, tuple[bool, int]]] = {}
    able = [(person, person.terms.earliest(now)) for person in people]
    for day in days:
        for person, not_before in able:
            windows = person.hours.windows(day, closed)
            if not windows or windows[-1][1] <= not_before:
                continue
            taken = busy.get(person.id, ())
            kept = () if acute else person.reserved(day, now)
            if kept:
                taken = {*taken, *(cell for begin, end in kept for cell in cells_between(begin, end))}
            for window in windows:
                for start in starts(window, taken, person.terms, not_before):
                    found = usual(window, start, person.terms), person.terms.meeting
                    at.setdefault(start, {}).setdefault(person.id, found)
    return [
        Free(start, tuple(who), all(usual for usual, _ in who.values()), min(minutes for _, minutes in who.values()))
        for start, who in sorted(at.items())
    ]


def fairly(therapists: Iterable[str], load: Mapping[str, float], draw: Callable[[], float]) -> list[str]:
    """Whoever has the least of their working day taken first; ``draw`` settles ties, so that equals share the first rush."""
    return sorted(therapists, key=lambda therapist: (load.get(therapist, 0), draw()))


def slot_id(start: datetime, channel: str | None) -> str:
    """A usual start (and the channel it was asked for) as the opaque id that an offer carries."""
    return Slot(start, channel).told


def read_slot(text: str) -> Slot:
    """What `Slot.told` and `Slot.signed` wrote; raises `ValueError` for anything else."""
    match = _SLOT.fullmatch(text)
    if match is None:
        raise ValueError("not a slot")
    try:
        start = datetime.fromtimestamp(int(match[1], 36) * 60, UTC)
    except (OverflowError, OSError) as error:
        raise ValueError("no such instant") from error
    asked = _tokens(match[3]) if match[3] is not None else {}
    return Slot(start, _CHANNELS.get(match[2]), _wish(asked), "acute" in asked, asked.get("mark"))


def read_wish(text: str) -> Wish:
    """What `Wish.told` wrote; raises `ValueError` for anything else."""
    return _wish(_tokens(text)) if text else ANYBODY


def _wish(asked: Mapping[str, str]) -> Wish:
    return Wish(_GENDERS.get(asked.get("gender", "")), asked.get("language"), asked.get("therapist"))


def _tokens(text: str) -> dict[str, str]:
    asked: dict[str, str] = {}
    for token in text.split("."):
        told = _TOKEN.fullmatch(token)
        if told is None or told.lastgroup is None or told.lastgroup in asked:
            raise ValueError("not a wish")
        asked[told.lastgroup] = told[told.lastgroup]
    return asked
