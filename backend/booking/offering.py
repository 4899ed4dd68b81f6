"""Which times are free, for whom, and who takes a talk. `backend.booking.service` holds and books them."""

from __future__ import annotations

import random
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta

from sqlalchemy.orm import Session

from backend.booking import repository, rules
from backend.booking.rules import Terms
from backend.core import audit
from backend.core.audit import Tag
from backend.core.clock import to_local
from backend.core.closed_days import ClosedDays
from backend.core.errors import InvalidField, Taken
from backend.core.house import House


@dataclass(frozen=True, slots=True)
class FreeTime:
    """A time that can be chosen. ``slot`` means nothing to anybody but `BookingDesk.hold`."""

    slot: str
    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Offer:
    """Free times, nearest first, one per start.

    ``more`` says whether there are others after them. ``opens`` is the first time
    beyond the asked days, set when there is nothing left to show within them.
    ``promised`` is the day by which somebody is promised a talk. ``near`` are the times
    nearest to what was wished for, when there is none as wished.
    """

    times: list[FreeTime]
    more: bool
    opens: FreeTime | None
    promised: date
    near: list[FreeTime] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Place:
    """Whoever takes a talk, until when, and the cells that it occupies."""

    therapist: str
    name: str
    end: datetime
    cells: range


class Offering:
    """The times of one municipality. Methods with a session run inside its transaction."""

    def __init__(self, house: House) -> None:
        settings = house.municipality.booking
        self._house = house
        self._settings = settings
        self._terms = Terms(
            settings.meeting_minutes, settings.buffer_minutes, settings.notice_minutes, settings.days_ahead
        )
        self._closed = ClosedDays(house.municipality).closed
        self._cutoff = time.fromisoformat(settings.cutoff)

    async def offer(
        self,
        channel: str | None = None,
        wanted: rules.Wanted | None = None,
        skip: int = 0,
        limit: int | None = None,
        *,
        holder: str | None = None,
    ) -> Offer:
        """Free times today and the next working day, or those that are ``wanted``, on any day that can be booked.

        ``skip`` passes over times already shown; ``holder``'s own hold counts as free. Never
        claims a time that cannot be held at this moment. Raises `InvalidField` for an unknown channel.
        """
        now = self._house.clock.now()
        today = to_local(now).date()
        promised_days = rules.promised_days(today, self._terms.days_ahead, self._closed)
        wanted = wanted or rules.Wanted()
        days = wanted.days(promised_days, today, self._closed)
        promised = self._promised(now)
        if not self._settings.enabled:
            return Offer([], False, None, promised)
        self.check_channel(channel)
        skip, limit = max(0, skip), self._settings.offer if limit is None else max(0, limit)
        earliest = now + timedelta(minutes=self._terms.notice)

        def work(session: Session) -> Offer:
            schedule = repository.schedule(session)
            found = self._free(session, schedule, channel, days, earliest, now, holder)
            fitting = [free.start for free in found if wanted.fits(free.start)]
            times = [self._time(start, channel) for start in fitting[skip : skip + limit]]
            opens, near, last = None, [], days[-1] if days else today
            if not times:
                opens = self._first_after(session, schedule, channel, last, earliest, now, holder)
            if not fitting and wanted != rules.Wanted():
                around = wanted.around(promised_days, today, self._closed)
                known = self._free(session, schedule, channel, around, earliest, now, holder)
                starts = sorted((free.start for free in known), key=wanted.distance)[:limit]
                near = [self._time(start, channel) for start in sorted(starts)]
            return Offer(times, len(fitting) > skip + limit, opens, promised, near)

        return await self._house.db.read(work)

    def check_channel(self, channel: str | None) -> None:
        """Raise `InvalidField` for a channel that the municipality has not opened."""
        if channel is not None and channel not in self._settings.channels:
            raise InvalidField("channel_unavailable", "channel")

    def check_start(self, session: Session, start: datetime, channel: str | None, now: datetime) -> repository.Schedule:
        """The schedule of the day of ``start``; raises `InvalidField` if nobody ever begins a talk then."""
        day, today = to_local(start).date(), to_local(now).date()
        known = self._settings.enabled and (day - today).days <= rules.LOOK_AHEAD and not self._closed(day)
        if not known:
            raise InvalidField("no_such_time", "slot")
        schedule = repository.schedule_of(session, day)
        if not rules.working_at(start, schedule.able(channel), self._terms):
            raise InvalidField("no_such_time", "slot")
        if start < now + max(timedelta(0), timedelta(minutes=self._terms.notice) - rules.SHOWN) or start <= now:
            raise Taken
        return schedule

    def choose(
        self,
        session: Session,
        schedule: repository.Schedule,
        start: datetime,
        channel: str | None,
        now: datetime,
        *,
        among: Collection[str] | None = None,
        moving: str | None = None,
    ) -> Place:
        """Whoever should take a talk at ``start``; clears expired holds in the way. Raises `Taken`.

        ``among`` limits who it may be; ``moving`` is a booking whose own cells count as free.
        """
        able = rules.working_at(start, schedule.able(channel), self._terms)
        if among is not None:
            able = [therapist for therapist in able if therapist in among]
        wanted = rules.cells(start, self._terms.cells)
        state = repository.occupied(session, wanted.start, wanted.stop, now, moving=moving)
        free = [therapist for therapist in able if not state.busy.get(therapist)]
        if not free:
            raise Taken
        chosen = rules.least_loaded(free, schedule.talks, random.random)
        if state.expired.get(chosen):
            drop_expired(session, state.expired[chosen], now)
        end = start + timedelta(minutes=self._terms.meeting)
        return Place(chosen, schedule.names[chosen], end, wanted)

    def channels_at(
        self, session: Session, schedule: repository.Schedule, start: datetime, therapist_id: str, now: datetime
    ) -> tuple[str, ...]:
        """Channels that a held time can be booked for: the therapist's own, and those of colleagues free then."""
        ways = set(schedule.channels.get(therapist_id, ()))
        if not ways.issuperset(self._settings.channels):
            able = rules.working_at(start, schedule.shifts, self._terms)
            wanted = rules.cells(start, self._terms.cells)
            busy = repository.occupied(session, wanted.start, wanted.stop, now).busy
            ways |= {way for each in able if not busy.get(each) for way in schedule.channels[each]}
        return tuple(channel for channel in self._settings.channels if channel in ways)

    def _promised(self, now: datetime) -> date:
        """Today before the cut-off of an open day, else the next open day."""
        local = to_local(now)
        today = local.date()
        if not self._closed(today) and local.time() < self._cutoff:
            return today
        return next(rules.open_after(today, self._closed), today)

    def _free(
        self,
        session: Session,
        schedule: repository.Schedule,
        channel: str | None,
        days: list[date],
        earliest: datetime,
        now: datetime,
        holder: str | None,
    ) -> list[rules.Free]:
        if not days:
            return []
        first = rules.cells(rules.instant(days[0], 0), 1).start
        end = rules.cells(rules.instant(days[-1], 24 * 60), self._terms.cells).stop
        state = repository.occupied(session, first, end, now, but_for=holder)
        return rules.free_times(days, schedule.able(channel), state.busy, earliest, self._terms)

    def _first_after(
        self,
        session: Session,
        schedule: repository.Schedule,
        channel: str | None,
        last: date,
        earliest: datetime,
        now: datetime,
        holder: str | None,
    ) -> FreeTime | None:
        for day in rules.open_after(last, self._closed):
            found = self._free(session, schedule, channel, [day], earliest, now, holder)
            if found:
                return self._time(found[0].start, channel)
        return None

    def _time(self, start: datetime, channel: str | None) -> FreeTime:
        return FreeTime(rules.slot_id(start, channel), start, start + timedelta(minutes=self._terms.meeting))


def drop_expired(session: Session, booking_ids: Collection[str], now: datetime) -> list[str]:
    """Cancel those of the holds that have run out, with their traces; returns which."""
    dropped = repository.drop_expired(session, booking_ids, now)
    for booking_id in dropped:
        audit.record(session, now, Tag.BOOKING_RELEASED, booking_id, actor="system")
    return dropped
