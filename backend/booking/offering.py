"""Which times are free, for whom, and who takes a talk. `backend.booking.service` holds and books them."""

from __future__ import annotations

import random
import sys
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time, timedelta
from functools import partial

from sqlalchemy.orm import Session

from backend.booking import repository, rules
from backend.booking.rules import ANYBODY, Person, Slot, Wanted, Wish
from backend.booking.schedule_repository import Defaults, OneDay, Schedule, Schedules
from backend.booking.timetable import Timetable
from backend.core import audit
from backend.core.audit import Tag
from backend.core.clock import to_local
from backend.core.closed_days import ClosedDays
from backend.core.duty import Duty
from backend.core.errors import InvalidField, Taken
from backend.core.house import House

_STRIDE = 7
"""Days that are searched at once for the first free time."""
_DAYS_TO_ASK_FOR = 6
_NEVER = sys.maxsize
_GIVEN_UP = (("therapist",), ("therapist", "gender"), ("therapist", "gender", "language"))
"""What is given up of a wish, least first, until there is a time."""


@dataclass(frozen=True, slots=True)
class FreeTime:
    """A time that can be chosen. ``slot`` means nothing to anybody but `BookingDesk.hold`.

    ``end`` is that of the shortest talk which somebody who is free then would give.
    """

    slot: str
    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Offer:
    """Free times, nearest first, one per start.

    ``more`` says whether there are others after them. ``opens`` is the first time
    beyond the asked days, set when there is nothing left to show within them.
    ``promised`` is the day by which somebody is promised a talk, ``until`` the last day of the offer without
    wishes, and ``within`` whether there is any time until then, whatever was wished of hour and person.

    When there is none as wished, ``near`` are the times nearest to the hour that was wished for, with such a
    person, and ``others`` those at the hour with somebody else; ``given_up`` names what these do not honour:
    ``therapist``, ``gender``, ``language``, ``channel``.
    """

    times: list[FreeTime]
    more: bool
    opens: FreeTime | None
    promised: date
    near: list[FreeTime] = field(default_factory=list)
    others: list[FreeTime] = field(default_factory=list)
    given_up: tuple[str, ...] = ()
    within: bool = False
    until: date = date.min
    staffed: bool = False


@dataclass(frozen=True, slots=True)
class Asked:
    """A request for times: in which way, with whom, whether it cannot wait; ``holder``'s own hold counts as free."""

    channel: str | None = None
    wish: Wish = ANYBODY
    acute: bool = False
    holder: str | None = None


@dataclass(frozen=True, slots=True)
class Askable:
    """Languages beside Swedish, whether there is a choice of woman or man, whether times are kept for who cannot wait,
    and the nearest open days."""

    languages: tuple[str, ...]
    genders: bool
    acute: bool
    days: tuple[date, ...] = ()


@dataclass(frozen=True, slots=True)
class Place:
    """Whoever takes a talk, in which ways they can meet, until when, and the cells that it occupies."""

    therapist: str
    name: str
    channels: frozenset[str]
    end: datetime
    cells: range


@dataclass(frozen=True, slots=True)
class Day:
    """The day of a time, and ``able``, who could take a talk at that time if it is not too soon and they are free."""

    of: OneDay
    able: Sequence[Person]


def _able(slot: Slot, table: Timetable) -> list[Person]:
    """Those who could take a talk at a slot on a day on which nothing else is booked."""
    fitting = table.covering(slot.start) if slot.mark is not None else table.beginning(slot.start)
    return [person for person in fitting if person.suits(slot.channel, slot.wish)]


class Offering:
    """The times of one municipality. Methods with a session run inside its transaction."""

    def __init__(self, house: House) -> None:
        settings = house.municipality.booking
        release = settings.acute_release
        self._house = house
        self._settings = settings
        self._key = house.settings.code_pepper
        defaults = Defaults(
            settings.meeting_minutes,
            settings.buffer_minutes,
            settings.notice_minutes,
            rules.minutes_of(time.fromisoformat(release)) if release else None,
        )
        self._closed = ClosedDays(house.municipality).closed
        self._schedules = Schedules(defaults, self._closed)
        self._cutoff = time.fromisoformat(settings.cutoff)
        self._duty = Duty(house.municipality)

    async def offer(
        self,
        channel: str | None = None,
        wanted: Wanted | None = None,
        skip: int = 0,
        limit: int | None = None,
        *,
        holder: str | None = None,
        wish: Wish | None = None,
        acute: bool = False,
    ) -> Offer:
        """Free times today and the next working day, or those that are ``wanted``, on any day that can be booked.

        ``skip`` passes over times already shown; ``holder``'s own hold counts as free. ``acute``: the times
        kept for whoever cannot wait are offered too. Never claims a time that cannot be held at this moment.
        Raises `InvalidField` for an unknown channel.
        """
        asked = Asked(channel, wish or ANYBODY, acute, holder)
        return await self._house.db.read(lambda session: self.look(session, asked, wanted, skip, limit))

    async def askable(self) -> Askable:
        """What can be wished of a person and a day here, as things are now."""
        today = to_local(self._house.clock.now()).date()

        def work(session: Session) -> Askable:
            people = [each for each in self.schedule(session, today, today).people if not each.personal]
            spoken = {language for person in people for language in person.languages} - {"sv"}
            genders = {person.gender for person in people} - {None}
            acute = any(person.hours.acute for person in people)
            return Askable(tuple(sorted(spoken)), len(genders) > 1, acute)

        found = await self._house.db.read(work)
        soon = rules.promised_days(today, _DAYS_TO_ASK_FOR, self._closed)
        return replace(found, days=tuple(soon))

    def look(
        self, session: Session, asked: Asked, wanted: Wanted | None = None, skip: int = 0, limit: int | None = None
    ) -> Offer:
        """See `offer`."""
        now = self._house.clock.now()
        self.check_channel(asked.channel)
        wanted = wanted or Wanted()
        skip, limit = max(0, skip), self._settings.offer if limit is None else max(0, limit)
        promised, staffed = self._promised(now), self._duty.open_at(now)
        today = to_local(now).date()
        until = max(rules.promised_days(today, self._settings.days_ahead, self._closed), default=today)
        if not self._settings.enabled:
            return Offer([], False, None, promised, until=until, staffed=staffed)
        found = _Search(self, session, asked, now)
        soon = found.open_days(today, until)
        days = wanted.days(soon, today, found.closed)
        fitting = [free for free in found.free(days, asked.channel, asked.wish) if wanted.fits(free.start)]
        times = [self._time(free, asked) for free in fitting[skip : skip + limit]]
        opens = None if times else found.first_after(days[-1] if days else today)
        near: list[FreeTime] = []
        others: list[FreeTime] = []
        given_up: tuple[str, ...] = ()
        if not fitting and wanted != Wanted():
            around = found.free(wanted.around(soon, today, found.closed), asked.channel, asked.wish)
            nearest = sorted(around, key=lambda free: wanted.distance(free.start))[:limit]
            near = [self._time(free, asked) for free in sorted(nearest, key=lambda free: free.start)]
        if not fitting:
            others, given_up = self._with_others(found, asked, wanted, days, limit)
        return Offer(
            times=times,
            more=len(fitting) > skip + limit,
            opens=self._time(opens, asked) if opens is not None else None,
            promised=promised,
            near=near,
            others=others,
            given_up=given_up,
            within=bool(found.free(soon, asked.channel, ANYBODY)),
            until=until,
            staffed=staffed,
        )

    def check_channel(self, channel: str | None) -> None:
        """Raise `InvalidField` for a channel that the municipality has not opened."""
        if channel is not None and channel not in self._settings.channels:
            raise InvalidField("channel_unavailable", "channel")

    def read(self, text: str) -> Slot:
        """The time that a slot's id names. Raises `InvalidField` for what never was one, or was not offered so."""
        try:
            slot = rules.read_slot(text)
        except ValueError:
            raise InvalidField("no_such_time", "slot") from None
        if (slot.mark is not None or slot.acute) and not slot.ours(self._key):
            raise InvalidField("no_such_time", "slot")
        self.check_channel(slot.channel)
        return slot

    def check(self, session: Session, slot: Slot, now: datetime) -> Day:
        """The day of a slot and who could take it.

        Raises `InvalidField` if nobody ever begins a talk then, and `Taken` if it is over.
        """
        self._refuse_never(slot, now)
        found = self._schedules.of_day(session, slot.start, now)
        able = _able(slot, found.table)
        if not able and slot.mark is None:
            raise InvalidField("no_such_time", "slot")
        if not able or slot.start <= now:
            raise Taken
        return Day(found, able)

    def _refuse_never(self, slot: Slot, now: datetime) -> None:
        ahead = (to_local(slot.start).date() - to_local(now).date()).days
        if not self._settings.enabled or ahead > rules.LOOK_AHEAD:
            raise InvalidField("no_such_time", "slot")

    def choose(
        self,
        session: Session,
        day: Day,
        slot: Slot,
        now: datetime,
        *,
        among: Collection[str] | None = None,
        moving: str | None = None,
    ) -> Place:
        """Whoever should take a talk at a slot; clears expired holds in the way. Raises `Taken`.

        ``among`` limits who it may be; ``moving`` is a booking whose own cells count as free.
        """
        able = {person.id: person for person in day.able if among is None or person.id in among}
        in_turn = [able[each] for each in self.fairly(day, able)]
        first = rules.cells(slot.start, 1).start
        for person in in_turn if moving is None else ():
            free_until = day.of.busy_from.get(person.id, _NEVER)
            if first + person.terms.cells <= free_until and self._takes(person, slot, now):
                return self._place(person, slot.start)
        if moving is None and not day.of.run_out:
            raise Taken
        # Whoever has only holds that have run out, or the talk that moves, is free as well.
        needed = max((person.terms.cells for person in in_turn), default=1)
        state = repository.occupied(session, first, first + needed, now, moving=moving)
        for person in in_turn:
            place = self._place(person, slot.start)
            if state.busy.get(person.id, set()).isdisjoint(place.cells) and self._takes(person, slot, now):
                if state.expired.get(person.id):
                    drop_expired(session, state.expired[person.id], now)
                return place
        raise Taken

    def take(self, session: Session, slot: Slot, now: datetime) -> tuple[Day, Place]:
        """`check` and `choose` in one. Where many could take the talk, a few drawn by lot are asked first."""
        self._refuse_never(slot, now)
        drawn = self._schedules.drawn(session, slot.start, now, partial(_able, slot))
        if drawn is not None and slot.start > now:
            with suppress(Taken):
                day = Day(*drawn)
                return day, self.choose(session, day, slot, now)
        day = self.check(session, slot, now)
        return day, self.choose(session, day, slot, now)

    def at_work(self, session: Session, start: datetime, end: datetime, channel: str | None) -> Day:
        """Everybody who works from ``start`` to ``end``, whatever times they begin their own talks at."""
        found = self._schedules.of_day(session, start, self._house.clock.now())
        working = found.table.at_work(start, end)
        return Day(found, [person for person in working if channel is None or channel in person.channels])

    def fairly(self, day: Day, therapists: Collection[str]) -> list[str]:
        """``therapists``, whoever has the least of their working day taken first."""
        return rules.fairly(therapists, day.of.load(therapists), random.random)

    def instead(
        self,
        session: Session,
        start: datetime,
        channel: str | None,
        now: datetime,
        wish: Wish = ANYBODY,
        *,
        day: Day | None = None,
    ) -> list[Place]:
        """Everybody who works and is free for a talk at ``start``, the fairest choice first. For a talk that has its
        time already and needs another therapist, so notice, cut-off and acute times do not matter.

        ``day`` is that of the talk, if it has been read.
        """
        found = day.of if day is not None else self._schedules.of_day(session, start, now)
        able = [person for person in found.table.people.values() if person.suits(channel, wish)]
        able = [person for person in able if found.table.covers(person, start)]
        if not able:
            return []
        around = rules.cells(start, max(person.terms.cells for person in able))
        state = repository.occupied(session, around.start, around.stop, now)
        load = found.load([person.id for person in able])
        places = [self._place(person, start) for person in sorted(able, key=lambda person: load[person.id])]
        return [place for place in places if state.busy.get(place.therapist, set()).isdisjoint(place.cells)]

    def clear(self, session: Session, place: Place, now: datetime) -> None:
        """Take away holds that have run out and lie in the way of a place of `instead`."""
        state = repository.occupied(session, place.cells.start, place.cells.stop, now)
        if state.expired.get(place.therapist):
            drop_expired(session, state.expired[place.therapist], now)

    def channels_at(
        self,
        session: Session,
        start: datetime,
        own: Collection[str],
        now: datetime,
        wish: Wish = ANYBODY,
        *,
        day: Day | None = None,
    ) -> tuple[str, ...]:
        """Channels that a held time can be booked for: the therapist's ``own``, and those of colleagues free then.

        ``day`` is that of the time, if it has been read.
        """
        ways = set(own)
        for channel in self._settings.channels:
            if channel not in ways and self.instead(session, start, channel, now, wish, day=day):
                ways.add(channel)
        return tuple(channel for channel in self._settings.channels if channel in ways)

    def schedule(self, session: Session, first: date, last: date) -> Schedule:
        """Everybody's hours from ``first`` to ``last``."""
        return self._schedules.between(session, first, last)

    def starts_of(
        self, session: Session, person: Person, first: date, last: date, *, acute: bool = False
    ) -> set[datetime]:
        """The starts on some days that this therapist could be offered with at this moment."""
        now = self._house.clock.now()
        today = to_local(now).date()
        first, last = max(first, today), min(last, today + timedelta(days=rules.LOOK_AHEAD))
        if not self._settings.enabled or last < first:
            return set()
        begin = rules.cells(rules.instant(first, 0), 1).start
        end = rules.cells(rules.instant(last, 24 * 60), person.terms.cells).stop
        busy = repository.occupied(session, begin, end, now).busy
        days = [first + timedelta(days=step) for step in range((last - first).days + 1)]
        return {free.start for free in rules.free_times(days, [person], busy, now, self._closed, acute=acute)}

    def closed(self, day: date) -> bool:
        """Whether the office is closed on a local day."""
        return self._closed(day)

    def _takes(self, person: Person, slot: Slot, now: datetime) -> bool:
        """Whether it is not too soon for them, and the time is not kept for whoever cannot wait."""
        if slot.start < person.terms.earliest(now - rules.SHOWN):
            return False
        kept = () if slot.acute else person.reserved(to_local(slot.start).date(), now)
        needed = rules.cells(slot.start, person.terms.cells)
        return all(set(rules.cells_between(*span)).isdisjoint(needed) for span in kept)

    def _place(self, person: Person, start: datetime) -> Place:
        end = start + timedelta(minutes=person.terms.meeting)
        return Place(person.id, person.name, person.channels, end, rules.cells(start, person.terms.cells))

    def _promised(self, now: datetime) -> date:
        """Today before the cut-off of an open day, else the next open day."""
        local = to_local(now)
        today = local.date()
        if not self._closed(today) and local.time() < self._cutoff:
            return today
        return next(rules.open_after(today, self._closed), today)

    def _with_others(
        self, found: _Search, asked: Asked, wanted: Wanted, days: Sequence[date], limit: int
    ) -> tuple[list[FreeTime], tuple[str, ...]]:
        """Times at the hour that was wished for, giving up as little as possible of the rest; and what was given up."""
        wished = [name for name in ("therapist", "gender", "language") if getattr(asked.wish, name) is not None]
        tries = [tuple(name for name in names if name in wished) for names in _GIVEN_UP]
        if asked.channel is not None:
            tries.append((*wished, "channel"))
        for names in dict.fromkeys(filter(None, tries)):
            less = Asked(
                None if "channel" in names else asked.channel,
                asked.wish.without(*(name for name in names if name != "channel")),
                asked.acute,
                asked.holder,
            )
            free = [each for each in found.free(days, less.channel, less.wish) if wanted.fits(each.start)]
            if free:
                return [self._time(each, less) for each in free[:limit]], names
        return [], ()

    def _time(self, free: rules.Free, asked: Asked) -> FreeTime:
        slot = Slot(free.start, asked.channel, asked.wish, asked.acute)
        told = slot.told if free.usual and not asked.acute else slot.signed(self._key)
        return FreeTime(told, free.start, free.start + timedelta(minutes=free.minutes))


class _Search:
    """One look at the calendar: the schedule is read once, what is occupied as far as it is needed."""

    def __init__(self, offering: Offering, session: Session, asked: Asked, now: datetime) -> None:
        self._session = session
        self._asked = asked
        self._now = now
        self._office = offering.closed
        self._today = to_local(now).date()
        self._schedule = offering.schedule(session, self._today, self._today + timedelta(days=rules.LOOK_AHEAD))
        self._opened = self._schedule.opened
        self._known: dict[tuple[date, date], dict[str, set[int]]] = {}
        self._found: dict[tuple[tuple[date, ...], str | None, Wish], list[rules.Free]] = {}

    def closed(self, day: date) -> bool:
        """Whether nobody can have hours on ``day``."""
        return self._office(day) and day not in self._opened

    def open_days(self, first: date, last: date) -> list[date]:
        """The days from ``first`` to ``last`` on which somebody may work."""
        days = (first + timedelta(days=step) for step in range((last - first).days + 1))
        return [day for day in days if not self.closed(day)]

    def free(self, days: Sequence[date], channel: str | None, wish: Wish) -> list[rules.Free]:
        """Free starts on ``days``, nearest first."""
        known = (tuple(days), channel, wish)
        if known not in self._found:
            people = self._schedule.suiting(channel, wish)
            busy = self._busy(days[0], days[-1]) if days and people else {}
            self._found[known] = rules.free_times(days, people, busy, self._now, self._office, acute=self._asked.acute)
        return self._found[known]

    def first_after(self, last: date) -> rules.Free | None:
        """The first free start on the open days after ``last``."""
        days = list(rules.open_after(last, self.closed))
        for place in range(0, len(days), _STRIDE):
            found = self.free(days[place : place + _STRIDE], self._asked.channel, self._asked.wish)
            if found:
                return found[0]
        return None

    def _busy(self, first: date, last: date) -> dict[str, set[int]]:
        if (first, last) not in self._known:
            most = max(person.terms.cells for person in self._schedule.people)
            begin = rules.cells(rules.instant(first, 0), 1).start
            end = rules.cells(rules.instant(last, 24 * 60), most).stop
            state = repository.occupied(self._session, begin, end, self._now, but_for=self._asked.holder)
            self._known[first, last] = state.busy
        return self._known[first, last]


def drop_expired(session: Session, booking_ids: Collection[str], now: datetime) -> list[str]:
    """Cancel those of the holds that have run out, with their traces; returns which."""
    dropped = repository.drop_expired(session, booking_ids, now)
    for booking_id in dropped:
        audit.record(session, now, Tag.BOOKING_RELEASED, booking_id, actor="system")
    return dropped


def drop_holds(session: Session, booking_ids: Collection[str], now: datetime) -> None:
    """Cancel holds whose therapist will not be there, with their traces; a booked talk stays."""
    for booking_id in repository.drop_holds(session, booking_ids, now):
        audit.record(session, now, Tag.BOOKING_RELEASED, booking_id, actor="system")
