"""The only reader and writer of when therapists work: weeks, periods, single days, absence."""

from __future__ import annotations

import functools
import random
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.orm import Session

from backend.booking import rules
from backend.booking.lifecycle import BOOKED, CANCELLED, HELD
from backend.booking.rules import Hours, Period, Person, Span, Terms, instant
from backend.booking.tables import (
    AcuteHours,
    Booking,
    BookingCell,
    DayHours,
    HoursPeriod,
    ScheduleStamp,
    Therapist,
    WorkingHours,
)
from backend.booking.timetable import Timetable
from backend.core.clock import to_local
from backend.core.db import Instant
from backend.core.people import StaffMember
from backend.core.roster import StaffAbsence

K = TypeVar("K")
V = TypeVar("V")

_booking: Any = Booking.__table__
_cell: Any = BookingCell.__table__
_MOST = 200
"""Days and spans that are remembered; then all are forgotten."""
_LONGEST = timedelta(hours=5)
"""Longer than any talk: how far before a moment one that goes on can have begun."""

_PEOPLE: Any = (
    sa.select(
        Therapist.staff_id,
        StaffMember.first_name,
        Therapist.channels,
        Therapist.languages,
        Therapist.gender,
        Therapist.personal,
        Therapist.meeting_minutes,
        Therapist.buffer_minutes,
        Therapist.notice_minutes,
        Therapist.cutoff_minute,
        Therapist.release_minute,
    )
    .join(StaffMember, StaffMember.id == Therapist.staff_id)
    .where(StaffMember.active)
    .order_by(Therapist.staff_id)
)
_STAMP: Any = sa.select(ScheduleStamp.stamp)
_TALKS = (
    sa.select(sa.func.count())
    .where(
        _booking.c.therapist_id == Therapist.staff_id,
        _booking.c.start_at >= sa.bindparam("begin"),
        _booking.c.start_at < sa.bindparam("end"),
        _booking.c.state != CANCELLED,
    )
    .scalar_subquery()
)
_BUSY_FROM = (
    sa.select(sa.func.min(_cell.c.cell))
    .where(_cell.c.therapist_id == Therapist.staff_id, _cell.c.cell >= sa.bindparam("first"))
    .scalar_subquery()
)
_RUN_OUT = sa.exists().where(_booking.c.state == HELD, _booking.c.hold_until <= sa.bindparam("now", type_=Instant()))


def _day(*which: sa.ColumnElement[bool]) -> Any:
    """One statement, since most of what a small one costs is its way to the database and back. The stamp is the row
    without talks; it says as well whether any hold has run out and still has its cells.
    """
    return sa.union_all(
        sa.select(ScheduleStamp.stamp, sa.cast(sa.null(), sa.Integer), sa.case((_RUN_OUT, 1), else_=0)),
        sa.select(Therapist.staff_id, _TALKS, _BUSY_FROM).where(*which),
    )


_DRAWN = 8
"""Of how many the least busy takes a talk where more could. Eight drawn by lot share the talks nearly as evenly as all
would, at a fifth of the reading for forty ("the power of two choices": Mitzenmacher, 2001)."""
_NAMES = [f"drawn_{number}" for number in range(_DRAWN)]
_DAY = _day()
_DAY_OF_DRAWN = _day(Therapist.staff_id.in_([sa.bindparam(name, type_=sa.String) for name in _NAMES]))


def _rows(kind: str, staff_id: Any, **columns: Any) -> sa.Select[Any]:
    """One of the tables below, in the columns that all of them share; those that it has not are null."""
    shared: dict[str, Any] = {
        "period_id": sa.String(), "weekday": sa.Integer(), "first": sa.Date(), "last": sa.Date(), "begin": Instant(),
        "until": Instant(), "start_minute": sa.Integer(), "end_minute": sa.Integer(),
    }  # fmt: skip
    found = [
        sa.type_coerce(columns[name], type_) if name in columns else sa.cast(sa.null(), type_)
        for name, type_ in shared.items()
    ]
    return sa.select(
        sa.literal_column(f"'{kind}'").label("kind"),
        staff_id.label("staff_id"),
        *(column.label(name) for column, name in zip(found, shared, strict=True)),
    )


def _span(table: Any) -> dict[str, Any]:
    return {"start_minute": table.start_minute, "end_minute": table.end_minute}


_WEEKS = _rows(
    "week", WorkingHours.staff_id, period_id=WorkingHours.period_id, weekday=WorkingHours.weekday, **_span(WorkingHours)
)
_PERIODS = _rows(
    "period", HoursPeriod.staff_id, period_id=HoursPeriod.id, first=HoursPeriod.first, last=HoursPeriod.last
).where(
    HoursPeriod.first <= sa.bindparam("last_day", type_=sa.Date()),
    sa.or_(HoursPeriod.last.is_(None), HoursPeriod.last >= sa.bindparam("first_day", type_=sa.Date())),
)


def _days(kind: str) -> sa.Select[Any]:
    return _rows(kind, DayHours.staff_id, first=DayHours.day, **_span(DayHours)).where(
        DayHours.kind == kind,
        DayHours.day >= sa.bindparam("first_day", type_=sa.Date()),
        DayHours.day <= sa.bindparam("last_day", type_=sa.Date()),
    )


# Naming every therapist lets the index be read by range.
_ABSENCES = _rows("absent", StaffAbsence.staff_id, begin=StaffAbsence.from_at, until=StaffAbsence.until_at).where(
    StaffAbsence.staff_id.in_(sa.select(Therapist.staff_id)),
    sa.or_(StaffAbsence.until_at.is_(None), StaffAbsence.until_at > sa.bindparam("first_moment", type_=Instant())),
    StaffAbsence.from_at < sa.bindparam("last_moment", type_=Instant()),
)
_ACUTE = _rows("acute", AcuteHours.staff_id, weekday=AcuteHours.weekday, **_span(AcuteHours))
_BESIDE = (_PERIODS, _days("instead"), _days("extra"), _ABSENCES, _ACUTE)
# One statement for all of them: each by itself costs more on its way to the database and back than there.
_HOURS: Any = sa.union_all(_WEEKS, *_BESIDE)
_HOURS_OF_DAY: Any = sa.union_all(_WEEKS.where(WorkingHours.weekday == sa.bindparam("weekday")), *_BESIDE)


@dataclass(frozen=True, slots=True)
class Defaults:
    """The municipality's terms, for therapists who have none of their own."""

    meeting: int
    buffer: int
    notice: int
    release: int | None


@dataclass(frozen=True, slots=True)
class Schedule:
    """Everybody who takes talks, with their hours over some days."""

    people: list[Person]

    def suiting(self, channel: str | None, wish: rules.Wish) -> list[Person]:
        """Those who can be offered to somebody who asks for ``channel`` and ``wish``."""
        return [person for person in self.people if person.suits(channel, wish)]

    def person(self, staff_id: str) -> Person | None:
        """The therapist with that id, if still employed."""
        return next((person for person in self.people if person.id == staff_id), None)

    @property
    def opened(self) -> set[date]:
        """Days with hours of their own, which may be open though the office is closed."""
        return {day for person in self.people for days in (person.hours.instead, person.hours.extra) for day in days}


@dataclass(frozen=True, slots=True)
class OneDay:
    """Everybody's working times on the day of a moment, how many talks each has in it (held ones too), and the first
    cell that each has taken at that moment or after it; ``run_out``: some of these may be those of a hold that has.
    """

    table: Timetable
    talks: Mapping[str, int]
    busy_from: Mapping[str, int]
    run_out: bool

    def load(self, therapists: Collection[str]) -> dict[str, float]:
        """The share of each one's working day that is taken."""
        return self.table.load(therapists, self.talks)


class Schedules:
    """Who works when, read from the database when it has changed and otherwise remembered (`ScheduleStamp`)."""

    def __init__(self, defaults: Defaults, closed: Callable[[date], bool]) -> None:
        self._defaults = defaults
        self._closed = closed
        self._remembered = _Remembered("")

    def between(self, session: Session, first: date, last: date) -> Schedule:
        """Everybody's hours from ``first`` to ``last``, both included."""
        remembered = self._as_of(session.connection().execute(_STAMP).one()[0])
        return _once(remembered.spans, (first, last), lambda: Schedule(self._read(session, _HOURS, {}, first, last)))

    def of_day(self, session: Session, moment: datetime, now: datetime) -> OneDay:
        """The local day of ``moment``, as things are ``now``."""
        day = to_local(moment).date()
        weekday = {"weekday": day.weekday()}
        stamp, run_out, talks, busy_from = self._taken(session, _DAY, day, moment, now, {})

        def read() -> Timetable:
            return Timetable(day, self._read(session, _HOURS_OF_DAY, weekday, day, day), self._closed)

        return OneDay(_once(self._as_of(stamp).days, day, read), talks, busy_from, run_out)

    def drawn(
        self, session: Session, moment: datetime, now: datetime, who: Callable[[Timetable], list[Person]]
    ) -> tuple[OneDay, list[Person]] | None:
        """`of_day` for a few, drawn by lot, of those whom ``who`` names, and these; nothing is said of holds that have
        run out. None where as few could be asked anyhow, and where the day must be read first.
        """
        day, remembered = to_local(moment).date(), self._remembered
        table = remembered.days.get(day)
        able = who(table) if table is not None else []
        if table is None or len(able) <= _DRAWN:
            return None
        few = random.sample(able, _DRAWN)
        names = dict(zip(_NAMES, (person.id for person in few), strict=True))
        stamp, _, talks, busy_from = self._taken(session, _DAY_OF_DRAWN, day, moment, now, names)
        return (OneDay(table, talks, busy_from, run_out=False), few) if stamp == remembered.stamp else None

    def _taken(
        self, session: Session, statement: Any, day: date, moment: datetime, now: datetime, names: dict[str, str]
    ) -> tuple[str, bool, dict[str, int], dict[str, int]]:
        """The stamp, and what else `OneDay` holds beside the hours."""
        bounds = {"begin": instant(day, 0), "end": instant(day, 24 * 60), "first": rules.cells(moment, 1).start}
        rows = session.connection().execute(statement, bounds | {"now": now} | names).all()
        talks = {name: count for name, count, _ in rows if count is not None}
        busy_from = {name: cell for name, count, cell in rows if count is not None and cell is not None}
        stamp, run_out = next((name, bool(flag)) for name, count, flag in rows if count is None)
        return stamp, run_out, talks, busy_from

    def _as_of(self, stamp: str) -> _Remembered:
        # By a name of its own: another thread, with an older look at the database, may put another in its place.
        remembered = self._remembered
        if remembered.stamp != stamp or remembered.full:
            remembered = self._remembered = _Remembered(stamp)
        return remembered

    def _read(self, session: Session, hours_of: Any, weekday: dict[str, Any], first: date, last: date) -> list[Person]:
        connection = session.connection()
        hours: defaultdict[str, Hours] = defaultdict(Hours)
        people = [_person(row, hours[row[0]], self._defaults) for row in connection.execute(_PEOPLE).all()]
        begins, ends = instant(first, 0), instant(last, 24 * 60)
        span = {"first_day": first, "last_day": last, "first_moment": begins, "last_moment": ends}
        periods: defaultdict[str, dict[int, list[Span]]] = defaultdict(dict)
        for kind, staff_id, period_id, day, since, until_day, begin, until, start, end in connection.execute(
            hours_of, weekday | span
        ).all():
            own = hours[staff_id]
            if kind == "week":
                weekly = own.weekly if period_id is None else periods[period_id]
                weekly.setdefault(day, []).append(Span(start, end))
            elif kind == "period":
                own.periods.append(Period(since, until_day, periods[period_id]))
            elif kind == "absent":
                own.absent.append((begin, until or ends))
            elif kind == "acute":
                own.acute.setdefault(day, []).append(Span(start, end))
            else:
                days = own.instead if kind == "instead" else own.extra
                days.setdefault(since, []).append(Span(start, end))
        return people


@dataclass(frozen=True, slots=True)
class _Remembered:
    """What was read while the stamp was this one. Threads may read the same thing twice, which does no harm."""

    stamp: str
    days: dict[date, Timetable] = field(default_factory=dict)
    spans: dict[tuple[date, date], Schedule] = field(default_factory=dict)

    @property
    def full(self) -> bool:
        return len(self.days) + len(self.spans) > _MOST


def _once(known: dict[K, V], key: K, read: Callable[[], V]) -> V:
    if key not in known:
        known[key] = read()
    return known[key]


def _person(row: Any, hours: Hours, defaults: Defaults) -> Person:
    staff_id, name, ways, languages, gender, personal, meeting, buffer, notice, cutoff, release = row
    return Person(
        id=staff_id,
        name=name,
        channels=words(ways),
        languages=words(languages),
        gender=gender,
        personal=personal,
        terms=Terms(
            defaults.meeting if meeting is None else meeting,
            defaults.buffer if buffer is None else buffer,
            defaults.notice if notice is None else notice,
            cutoff,
        ),
        release=defaults.release if release is None else release,
        hours=hours,
    )


@functools.lru_cache(maxsize=256)
def words(listed: str) -> frozenset[str]:
    """What a comma-separated column holds."""
    return frozenset(listed.split(",")) - {""}


# One therapist's own rows, for whoever edits them.


def therapists_of(session: Session, unit: str) -> list[StaffMember]:
    """Those of a unit who take talks and are employed, by first name."""
    query = (
        sa.select(StaffMember)
        .join(Therapist, Therapist.staff_id == StaffMember.id)
        .where(StaffMember.active, StaffMember.unit == unit)
        .order_by(StaffMember.first_name, StaffMember.id)
    )
    return list(session.scalars(query))


def employed(session: Session, staff_id: str, *, lock: bool = False) -> tuple[StaffMember, Therapist] | None:
    """A therapist who is employed now, or None. ``lock``: two who change one calendar take turns."""
    query = (
        sa.select(StaffMember, Therapist)
        .join(Therapist, Therapist.staff_id == StaffMember.id)
        .where(StaffMember.id == staff_id, StaffMember.active)
    )
    row = session.execute(query.with_for_update(of=Therapist) if lock else query).one_or_none()
    return (row[0], row[1]) if row is not None else None


def week_of(session: Session, staff_id: str, period_id: str | None) -> dict[int, list[Span]]:
    """The hours of the usual week, or of a period."""
    rows = session.execute(
        sa.select(WorkingHours.weekday, WorkingHours.start_minute, WorkingHours.end_minute)
        .where(WorkingHours.staff_id == staff_id, WorkingHours.period_id.is_not_distinct_from(period_id))
        .order_by(WorkingHours.weekday, WorkingHours.start_minute)
    )
    return _weekly(rows)


def acute_of(session: Session, staff_id: str) -> dict[int, list[Span]]:
    """The parts of the week that are kept for whoever cannot wait."""
    rows = session.execute(
        sa.select(AcuteHours.weekday, AcuteHours.start_minute, AcuteHours.end_minute)
        .where(AcuteHours.staff_id == staff_id)
        .order_by(AcuteHours.weekday, AcuteHours.start_minute)
    )
    return _weekly(rows)


def _weekly(rows: Iterable[Any]) -> dict[int, list[Span]]:
    found: dict[int, list[Span]] = {}
    for day, start, end in rows:
        found.setdefault(day, []).append(Span(start, end))
    return found


def set_week(session: Session, staff_id: str, period_id: str | None, weekly: Mapping[int, Sequence[Span]]) -> None:
    """Put these hours in the place of the week's, or the period's."""
    session.execute(
        sa.delete(WorkingHours).where(
            WorkingHours.staff_id == staff_id, WorkingHours.period_id.is_not_distinct_from(period_id)
        )
    )
    session.add_all(
        WorkingHours(staff_id=staff_id, period_id=period_id, weekday=day, start_minute=start, end_minute=end)
        for day, spans in weekly.items()
        for start, end in spans
    )
    session.flush()


def set_acute(session: Session, staff_id: str, weekly: Mapping[int, Sequence[Span]]) -> None:
    """Put these in the place of what is kept."""
    session.execute(sa.delete(AcuteHours).where(AcuteHours.staff_id == staff_id))
    session.add_all(
        AcuteHours(staff_id=staff_id, weekday=day, start_minute=start, end_minute=end)
        for day, spans in weekly.items()
        for start, end in spans
    )
    session.flush()


def periods_of(session: Session, staff_id: str, ending_after: date) -> list[HoursPeriod]:
    """Periods that hold after a day or go on, in order."""
    query = sa.select(HoursPeriod).where(
        HoursPeriod.staff_id == staff_id, sa.or_(HoursPeriod.last.is_(None), HoursPeriod.last >= ending_after)
    )
    return list(session.scalars(query.order_by(HoursPeriod.first, HoursPeriod.id)))


def period(session: Session, staff_id: str, period_id: str) -> HoursPeriod | None:
    """One of a therapist's own periods."""
    return session.scalar(sa.select(HoursPeriod).where(HoursPeriod.id == period_id, HoursPeriod.staff_id == staff_id))


def drop_period(session: Session, period: HoursPeriod) -> None:
    """Delete a period with its hours."""
    session.execute(sa.delete(WorkingHours).where(WorkingHours.period_id == period.id))
    session.delete(period)
    session.flush()


def day_hours(session: Session, staff_id: str, first: date, last: date) -> list[DayHours]:
    """Hours of single days, in order."""
    query = sa.select(DayHours).where(DayHours.day >= first, DayHours.day <= last, DayHours.staff_id == staff_id)
    return list(session.scalars(query.order_by(DayHours.day, DayHours.start_minute, DayHours.id)))


def day_hour(session: Session, staff_id: str, row_id: str) -> DayHours | None:
    """One of a therapist's own."""
    return session.scalar(sa.select(DayHours).where(DayHours.id == row_id, DayHours.staff_id == staff_id))


def clear_instead(session: Session, staff_id: str, day: date) -> None:
    """Let the week's hours hold again on a day."""
    session.execute(
        sa.delete(DayHours).where(DayHours.day == day, DayHours.staff_id == staff_id, DayHours.kind == "instead")
    )


def forget_days(session: Session, before: date) -> None:
    """Delete hours of single days that are long gone, and periods with them."""
    session.execute(sa.delete(DayHours).where(DayHours.day < before))
    over = list(session.scalars(sa.select(HoursPeriod).where(HoursPeriod.last < before)))
    for each in over:
        drop_period(session, each)


def talks_between(session: Session, staff_id: str, begin: datetime, end: datetime) -> list[Booking]:
    """A therapist's talks, booked or held, that touch a stretch of time, in order."""
    query = sa.select(Booking).where(
        Booking.therapist_id == staff_id,
        Booking.start_at < end,
        Booking.end_at > begin,
        Booking.start_at >= begin - _LONGEST,
        Booking.state.in_((BOOKED, HELD)),
    )
    return list(session.scalars(query.order_by(Booking.start_at)))


def whoever_has_talks(session: Session, now: datetime) -> list[StaffMember]:
    """Therapists with a booked talk ahead, employed or not."""
    query = (
        sa.select(StaffMember)
        .where(
            StaffMember.id.in_(
                sa.select(Booking.therapist_id).where(Booking.state == BOOKED, Booking.end_at > now).distinct()
            )
        )
        .order_by(StaffMember.first_name)
    )
    return list(session.scalars(query))
