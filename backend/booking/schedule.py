"""When therapists work: the week, periods, single days, absence, and what the chat offers because of it.

A therapist edits the own calendar, the unit's manager everybody's in the unit; for others it does not exist. What is
saved here is what the next person is offered: nothing stands between these rows and `backend.booking.offering`.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

from sqlalchemy.orm import Session

from backend.booking import repository as bookings
from backend.booking import rules
from backend.booking import schedule_repository as repository
from backend.booking.calendar_file import Busy
from backend.booking.lifecycle import BOOKED, HELD
from backend.booking.offering import Asked, Offer, Offering, drop_holds
from backend.booking.rules import Span
from backend.booking.tables import Booking, DayHours, HoursPeriod, Therapist, WorkingHours
from backend.core import audit, roster
from backend.core.audit import Tag
from backend.core.clock import STOCKHOLM, to_local
from backend.core.closed_days import ClosedDays
from backend.core.errors import InvalidField, NotFound
from backend.core.house import House
from backend.core.municipality import DAYS, Break, Municipality
from backend.core.people import Role, StaffMember
from backend.core.reader import Reader
from backend.core.roster import Away, StaffAbsence
from backend.core.vault import new_id

FARTHEST = timedelta(days=2 * 366)
"""How far ahead hours and absence can be noted."""
KEPT = timedelta(days=400)
"""How long hours and absences of days gone by are kept."""
MOST_SPANS = 4
"""Parts of one day."""
_AFFECTED = timedelta(days=366)


@dataclass(frozen=True, slots=True)
class Whose:
    """A therapist whose calendar somebody may edit."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class DayPart:
    """Hours of a single day: ``extra``, or ``instead`` of the week's."""

    id: str
    kind: str
    span: Span


@dataclass(frozen=True, slots=True)
class Gone:
    """An absence. ``end`` is None while nobody knows when the person is back; ``whole`` from midnight to midnight."""

    id: str
    start: datetime
    end: datetime | None
    kind: str

    @property
    def whole(self) -> bool:
        """Whether it is of whole local days."""
        ends = (self.start, self.end or self.start)
        return all(to_local(each).time() == datetime.min.time() for each in ends)

    @property
    def last_day(self) -> date | None:
        """The last local day it touches."""
        return to_local(self.end - timedelta(microseconds=1)).date() if self.end is not None else None


@dataclass(frozen=True, slots=True)
class Talk:
    """A talk in the calendar: nothing that was written. ``misplaced``: outside the hours that now hold."""

    id: str
    start: datetime
    end: datetime
    channel: str
    reader: Reader
    held: bool
    misplaced: bool


@dataclass(frozen=True, slots=True)
class DayView:
    """One day of a calendar. ``closed`` says why the office is shut (see `ClosedDays.why`), ``red`` names the red day.

    ``usual`` are the hours of week or period, whether or not they hold; ``works`` what holds, absence cut out.
    ``kept`` is for acute requests; ``offered`` are starts that the chat would offer with this therapist now, and
    ``offered_acute`` those only to whoever cannot wait.
    """

    day: date
    closed: str | None
    red: str
    usual: list[Span]
    parts: list[DayPart]
    works: list[tuple[datetime, datetime]]
    kept: list[tuple[datetime, datetime]]
    gone: list[Gone]
    talks: list[Talk]
    offered: list[datetime]
    offered_acute: list[datetime]
    period: str = ""

    @property
    def instead(self) -> bool:
        """Whether the day has hours of its own in the place of the week's."""
        return any(part.kind == "instead" for part in self.parts)


@dataclass(frozen=True, slots=True)
class Terms:
    """What is a therapist's own; None where the municipality's holds. Minutes; ``cutoff`` and ``release`` of the day."""

    meeting: int | None = None
    buffer: int | None = None
    notice: int | None = None
    cutoff: int | None = None
    release: int | None = None
    personal: bool = False
    gender: str | None = None
    languages: tuple[str, ...] = ("sv",)
    channels: tuple[str, ...] = ()
    meeting_url: str = ""


@dataclass(frozen=True, slots=True)
class PeriodHours:
    """A named period with its week."""

    id: str
    name: str
    first: date
    last: date | None
    weekly: dict[int, list[Span]]


@dataclass(frozen=True, slots=True)
class Plan:
    """All that is set for one therapist: the usual week, what of it is kept for acute requests, periods and terms."""

    weekly: dict[int, list[Span]]
    acute: dict[int, list[Span]]
    periods: list[PeriodHours]
    terms: Terms
    defaults: Terms = field(default_factory=Terms)


@dataclass(frozen=True, slots=True)
class Affected:
    """A booked talk for which its therapist is not there any more. ``free``: colleagues who could take it, by id."""

    id: str
    start: datetime
    end: datetime
    channel: str
    reader: Reader
    therapist: str
    free: list[Whose]


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of a calendar file: how many times were noted, were noted before, and could not be: they come back
    by a rule, or lie too far ahead."""

    noted: int
    known: int
    left_out: int


class ScheduleDesk:
    """The calendars of one municipality.

    Raises `NotFound` for a calendar that is not the person's to edit (or of somebody who has left), and
    `InvalidField` for hours that cannot be; when an error is raised nothing has been stored.
    """

    def __init__(self, house: House, offering: Offering) -> None:
        self._house = house
        self._db = house.db
        self._offering = offering
        self._closed = ClosedDays(house.municipality)
        self._unit = house.municipality.booking.unit

    def open_to(self, staff: StaffMember) -> bool:
        """Whether there is a calendar for ``staff``."""
        return staff.active and (staff.has(Role.THERAPIST) or (staff.is_manager and staff.unit == self._unit))

    async def whose(self, staff: StaffMember) -> list[Whose]:
        """The calendars that ``staff`` may edit: the own one first, and for a manager the unit's."""

        def look(session: Session) -> list[Whose]:
            return [Whose(each.id, each.first_name) for each in self._editable(session, staff)]

        return await self._db.read(look)

    async def week(self, staff: StaffMember, therapist_id: str, monday: date, days: int = 7) -> list[DayView]:
        """The days from ``monday`` on. Talks are those that ``staff`` may know of."""
        return await self._db.read(lambda session: self._week(session, staff, therapist_id, monday, days))

    async def overview(self, staff: StaffMember, monday: date) -> list[tuple[Whose, list[DayView]]]:
        """The week of everybody whose calendar ``staff`` may edit."""

        def look(session: Session) -> list[tuple[Whose, list[DayView]]]:
            return [
                (Whose(each.id, each.first_name), self._week(session, staff, each.id, monday, 7))
                for each in self._editable(session, staff)
            ]

        return await self._db.read(look)

    async def plan(self, staff: StaffMember, therapist_id: str) -> Plan:
        """What is set for a therapist."""

        def look(session: Session) -> Plan:
            _, therapist = self._allowed(session, staff, therapist_id)
            today = to_local(self._house.clock.now()).date()
            return Plan(
                repository.week_of(session, therapist_id, None),
                repository.acute_of(session, therapist_id),
                [
                    PeriodHours(
                        row.id, row.name, row.first, row.last, repository.week_of(session, therapist_id, row.id)
                    )
                    for row in repository.periods_of(session, therapist_id, today)
                ],
                _terms(therapist),
                self._defaults(),
            )

        return await self._db.read(look)

    async def showing(self, channel: str | None = None, *, acute: bool = False) -> Offer:
        """What the chat offers at this moment, computed by what computes it there."""
        return await self._db.read(lambda session: self._offering.look(session, Asked(channel, acute=acute)))

    # Changes.

    async def set_week(
        self,
        staff: StaffMember,
        therapist_id: str,
        weekly: Mapping[int, Sequence[Span]],
        acute: Mapping[int, Sequence[Span]],
    ) -> None:
        """Put these in the place of the usual week and of what is kept for acute requests."""
        weekly, acute = _checked_week(weekly), _checked_week(acute, "acute")

        def work(session: Session) -> None:
            self._allowed(session, staff, therapist_id, lock=True)
            repository.set_week(session, therapist_id, None, weekly)
            repository.set_acute(session, therapist_id, acute)
            self._note(session, staff, therapist_id, "week")

        await self._db.write(work)

    async def set_period(
        self,
        staff: StaffMember,
        therapist_id: str,
        period_id: str | None,
        name: str,
        first: date,
        last: date | None,
        weekly: Mapping[int, Sequence[Span]],
    ) -> None:
        """Add a period with hours of its own, or change one: ``last`` None if it goes on."""
        weekly = _checked_week(weekly)
        name = name.strip()[:60]
        if not name:
            raise InvalidField("name_missing", "name")
        if last is not None and last < first:
            raise InvalidField("ends_before_start", "last")
        self._check_day(first, "first", past=True)
        if last is not None:
            self._check_day(last, "last")

        def work(session: Session) -> None:
            self._allowed(session, staff, therapist_id, lock=True)
            row = repository.period(session, therapist_id, period_id) if period_id is not None else None
            if period_id is not None and row is None:
                raise NotFound
            if row is None:
                row = HoursPeriod(id=new_id(), staff_id=therapist_id, name=name, first=first, last=last)
                session.add(row)
            row.name, row.first, row.last = name, first, last
            session.flush()
            repository.set_week(session, therapist_id, row.id, weekly)
            self._note(session, staff, therapist_id, "period")

        await self._db.write(work)

    async def drop_period(self, staff: StaffMember, therapist_id: str, period_id: str) -> None:
        """The usual week holds again on a period's days."""

        def work(session: Session) -> None:
            self._allowed(session, staff, therapist_id, lock=True)
            row = repository.period(session, therapist_id, period_id)
            if row is None:
                raise NotFound
            repository.drop_period(session, row)
            self._note(session, staff, therapist_id, "period")

        await self._db.write(work)

    async def set_terms(self, staff: StaffMember, therapist_id: str, terms: Terms) -> None:
        """Lengths, notice, languages, ways to meet and the rest."""
        terms = self._checked_terms(terms)

        def work(session: Session) -> None:
            _, row = self._allowed(session, staff, therapist_id, lock=True)
            row.meeting_minutes, row.buffer_minutes, row.notice_minutes = terms.meeting, terms.buffer, terms.notice
            row.cutoff_minute, row.release_minute = terms.cutoff, terms.release
            row.personal, row.gender = terms.personal, terms.gender
            row.languages, row.channels = ",".join(terms.languages), ",".join(terms.channels)
            row.meeting_url = terms.meeting_url or None
            self._note(session, staff, therapist_id, "terms")

        await self._db.write(work)

    async def set_day(self, staff: StaffMember, therapist_id: str, day: date, spans: Sequence[Span]) -> None:
        """Other hours than the week's on one day; none means that the week's hold again.

        Raises `InvalidField` too for hours that the change of the clock skips.
        """
        self._check_day(day, "day")
        spans = _checked_spans(spans, "start")
        for span in spans:
            _exists(day, span)

        def work(session: Session) -> None:
            self._allowed(session, staff, therapist_id, lock=True)
            repository.clear_instead(session, therapist_id, day)
            session.add_all(
                DayHours(
                    id=new_id(), staff_id=therapist_id, day=day, kind="instead", start_minute=start, end_minute=end
                )
                for start, end in spans
            )
            self._note(session, staff, therapist_id, "day")

        await self._db.write(work)

    async def add_extra(self, staff: StaffMember, therapist_id: str, day: date, span: Span) -> str:
        """Hours beside the week's on one day, also one on which the office is closed; returns the row's id."""
        self._check_day(day, "day")
        (span,) = _checked_spans([span], "start")
        _exists(day, span)
        row_id = new_id()

        def work(session: Session) -> None:
            self._allowed(session, staff, therapist_id, lock=True)
            session.add(
                DayHours(
                    id=row_id,
                    staff_id=therapist_id,
                    day=day,
                    kind="extra",
                    start_minute=span.start,
                    end_minute=span.end,
                )
            )
            self._note(session, staff, therapist_id, "day")

        await self._db.write(work)
        return row_id

    async def change_part(self, staff: StaffMember, therapist_id: str, row_id: str, day: date, span: Span) -> None:
        """Move or stretch hours of a single day."""
        self._check_day(day, "day")
        (span,) = _checked_spans([span], "start")
        _exists(day, span)

        def work(session: Session) -> None:
            self._allowed(session, staff, therapist_id, lock=True)
            row = repository.day_hour(session, therapist_id, row_id)
            if row is None:
                raise NotFound
            row.day, row.start_minute, row.end_minute = day, span.start, span.end
            self._note(session, staff, therapist_id, "day")

        await self._db.write(work)

    async def drop_part(self, staff: StaffMember, therapist_id: str, row_id: str) -> None:
        """Take away hours of a single day."""

        def work(session: Session) -> None:
            self._allowed(session, staff, therapist_id, lock=True)
            row = repository.day_hour(session, therapist_id, row_id)
            if row is None:
                raise NotFound
            session.delete(row)
            self._note(session, staff, therapist_id, "day")

        await self._db.write(work)

    async def absent(self, staff: StaffMember, therapist_id: str, start: datetime, end: datetime, kind: Away) -> str:
        """Note an absence; returns its id. Holds in it are let go; booked talks stay, and are told of by `affected`.

        Raises `InvalidField` when it ends before it begins, or is over already.
        """
        start, end = self._checked_absence(start, end)

        def work(session: Session) -> str:
            self._allowed(session, staff, therapist_id, lock=True)
            now = self._house.clock.now()
            absence_id = roster.plan(session, now, therapist_id, kind, start, end, by=staff)
            self._let_go(session, therapist_id, start, end, now)
            self._note(session, staff, therapist_id, "absence")
            return absence_id

        return await self._db.write(work)

    async def read_in(self, staff: StaffMember, therapist_id: str, busy: Busy, kind: Away) -> Imported:
        """Note the times of a calendar file as absences, all or none; what has passed is passed over.

        The same file again notes nothing twice. Holds in them are let go, as by `absent`.
        """
        now = self._house.clock.now()
        ahead = [span for span in busy.spans if span[1] > now]
        spans = [span for span in ahead if span[1] <= now + FARTHEST]
        left_out = busy.repeated + len(ahead) - len(spans)

        def work(session: Session) -> Imported:
            self._allowed(session, staff, therapist_id, lock=True)
            if not spans:
                return Imported(0, 0, left_out)
            rows = roster.planned(session, therapist_id, spans[0][0], max(end for _, end in spans))
            known = {(row.from_at, row.until_at) for row in rows}
            new = [span for span in spans if span not in known]
            for start, end in new:
                roster.plan(session, now, therapist_id, kind, start, end, by=staff)
                self._let_go(session, therapist_id, start, end, now)
            if new:
                self._note(session, staff, therapist_id, "calendar file")
            return Imported(len(new), len(spans) - len(new), left_out)

        return await self._db.write(work)

    async def change_absence(
        self, staff: StaffMember, therapist_id: str, absence_id: str, start: datetime, end: datetime
    ) -> None:
        """Move or stretch an absence. Raises as `absent`."""
        start, end = self._checked_absence(start, end)

        def work(session: Session) -> None:
            self._allowed(session, staff, therapist_id, lock=True)
            row = session.get(StaffAbsence, absence_id)
            if row is None or row.staff_id != therapist_id:
                raise NotFound
            now = self._house.clock.now()
            roster.change(session, now, row, start, end, by=staff)
            self._let_go(session, therapist_id, start, end, now)
            self._note(session, staff, therapist_id, "absence")

        await self._db.write(work)

    async def back(self, staff: StaffMember, therapist_id: str, absence_id: str) -> None:
        """An absence that lies ahead is not to be; one that goes on ends now."""

        def work(session: Session) -> None:
            self._allowed(session, staff, therapist_id, lock=True)
            row = session.get(StaffAbsence, absence_id)
            if row is None or row.staff_id != therapist_id:
                raise NotFound
            roster.take_back(session, self._house.clock.now(), row, by=staff)
            self._note(session, staff, therapist_id, "absence")

        await self._db.write(work)

    async def would_affect(
        self, staff: StaffMember, therapist_id: str, start: datetime, end: datetime
    ) -> list[Affected]:
        """Booked talks in a stretch of time in which a therapist is to be away."""
        start, end = self._checked_absence(start, end)

        def look(session: Session) -> list[Affected]:
            member, _ = self._allowed(session, staff, therapist_id)
            now = self._house.clock.now()
            talks = [
                talk
                for talk in repository.talks_between(session, therapist_id, max(start, now), end)
                if talk.state == BOOKED
            ]
            return self._as_affected(session, staff, member, talks)

        return await self._db.read(look)

    async def affected(self, staff: StaffMember) -> list[Affected]:
        """All booked talks ahead for which the therapist is away, does not work, or has left; the nearest first.

        For whoever may read them: the therapist's own, and for a manager the unit's.
        """

        def look(session: Session) -> list[Affected]:
            now = self._house.clock.now()
            today = to_local(now).date()
            schedule = self._offering.schedule(session, today, today + _AFFECTED)
            found: list[Affected] = []
            for member in repository.whoever_has_talks(session, now):
                mine = member.id == staff.id
                leads = staff.is_manager and member.unit == staff.unit
                if not (staff.active and (mine or leads)):
                    continue
                person = schedule.person(member.id)
                talks = repository.talks_between(session, member.id, now, now + _AFFECTED)
                misplaced = [talk for talk in talks if talk.state == BOOKED and self._misplaced(person, talk)]
                found += self._as_affected(session, staff, member, misplaced)
            return sorted(found, key=lambda each: each.start)

        return await self._db.read(look)

    async def purge(self) -> None:
        """Delete hours of days, and absences, that are long gone."""
        now = self._house.clock.now()

        def work(session: Session) -> None:
            repository.forget_days(session, to_local(now - KEPT).date())
            roster.forget(session, now - KEPT)

        await self._db.write(work)

    def _week(self, session: Session, staff: StaffMember, therapist_id: str, monday: date, days: int) -> list[DayView]:
        self._allowed(session, staff, therapist_id)
        now = self._house.clock.now()
        last = monday + timedelta(days=days - 1)
        person = self._offering.schedule(session, monday, last).person(therapist_id)
        if person is None:
            raise NotFound
        begin, end = rules.instant(monday, 0), rules.instant(last, 24 * 60)
        parts = repository.day_hours(session, therapist_id, monday, last)
        gone = roster.planned(session, therapist_id, begin, end)
        talks = repository.talks_between(session, therapist_id, begin, end)
        readable = bookings.readable_of(session, staff, [talk.id for talk in talks])
        names = {row.first: row.name for row in repository.periods_of(session, therapist_id, monday)}
        offered = self._offering.starts_of(session, person, monday, last)
        acute = self._offering.starts_of(session, person, monday, last, acute=True) - offered
        found = []
        for day in (monday + timedelta(days=step) for step in range(days)):
            opens, closes = rules.instant(day, 0), rules.instant(day, 24 * 60)
            period = person.hours.period(day)
            found.append(
                DayView(
                    day=day,
                    closed=self._closed.why(day),
                    red=self._closed.named(day),
                    usual=rules.joined(
                        (period.weekly if period is not None else person.hours.weekly).get(day.weekday(), ())
                    ),
                    parts=[
                        DayPart(row.id, row.kind, Span(row.start_minute, row.end_minute))
                        for row in parts
                        if row.day == day
                    ],
                    works=person.hours.windows(day, self._closed.closed),
                    kept=person.reserved(day, now),
                    gone=[
                        Gone(row.id, row.from_at, row.until_at, row.kind)
                        for row in gone
                        if row.from_at < closes and (row.until_at is None or row.until_at > opens)
                    ],
                    talks=[
                        Talk(
                            talk.id,
                            talk.start_at,
                            talk.end_at,
                            talk.channel or "",
                            Reader.stored(talk.who, talk.band, talk.lang),
                            talk.state == HELD,
                            talk.end_at > now and self._misplaced(person, talk),
                        )
                        for talk in talks
                        if opens <= talk.start_at < closes and (talk.id in readable or _still_held(talk, now))
                    ],
                    offered=sorted(start for start in offered if opens <= start < closes),
                    offered_acute=sorted(start for start in acute if opens <= start < closes),
                    period=names.get(period.first, "") if period is not None else "",
                )
            )
        return found

    def _misplaced(self, person: rules.Person | None, talk: Booking) -> bool:
        """Whether a talk lies outside what its therapist works."""
        if person is None:
            return True
        windows = person.hours.windows(to_local(talk.start_at).date(), self._closed.closed)
        return not any(begin <= talk.start_at and talk.end_at <= end for begin, end in windows)

    def _as_affected(
        self, session: Session, staff: StaffMember, member: StaffMember, talks: Sequence[Booking]
    ) -> list[Affected]:
        readable = bookings.readable_of(session, staff, [talk.id for talk in talks])
        found = []
        for talk in talks:
            if talk.id not in readable:
                continue
            places = self._offering.instead(
                session,
                talk.start_at,
                talk.channel,
                self._house.clock.now(),
                rules.read_wish(talk.wish or "").without("therapist"),
            )
            free = [Whose(place.therapist, place.name) for place in places if place.therapist != member.id]
            reader = Reader.stored(talk.who, talk.band, talk.lang)
            found.append(
                Affected(talk.id, talk.start_at, talk.end_at, talk.channel or "", reader, member.first_name, free)
            )
        return found

    def _let_go(self, session: Session, therapist_id: str, start: datetime, end: datetime, now: datetime) -> None:
        held = [talk.id for talk in repository.talks_between(session, therapist_id, start, end) if talk.state == HELD]
        if held:
            drop_holds(session, held, now)

    def _editable(self, session: Session, staff: StaffMember) -> list[StaffMember]:
        if not self.open_to(staff):
            return []
        members = repository.therapists_of(session, staff.unit)
        own = [each for each in members if each.id == staff.id]
        return own + [each for each in members if each.id != staff.id] if staff.is_manager else own

    def _allowed(
        self, session: Session, staff: StaffMember, therapist_id: str, *, lock: bool = False
    ) -> tuple[StaffMember, Therapist]:
        found = repository.employed(session, therapist_id, lock=lock)
        if found is None or not self.open_to(staff):
            raise NotFound
        own, leads = staff.id == therapist_id, staff.is_manager and staff.unit == found[0].unit
        if not (own or leads):
            raise NotFound
        return found

    def _note(self, session: Session, staff: StaffMember, therapist_id: str, what: str) -> None:
        session.flush()
        audit.record(session, self._house.clock.now(), Tag.SCHEDULE_CHANGED, therapist_id, actor=staff.id, detail=what)

    def _check_day(self, day: date, field: str, *, past: bool = False) -> None:
        today = to_local(self._house.clock.now()).date()
        if day < today and not past:
            raise InvalidField("in_the_past", field)
        if day > today + FARTHEST:
            raise InvalidField("too_far", field)

    def _checked_absence(self, start: datetime, end: datetime) -> tuple[datetime, datetime]:
        now = self._house.clock.now()
        if end <= start:
            raise InvalidField("ends_before_start", "end")
        if end <= now:
            raise InvalidField("in_the_past", "end")
        if start > now + FARTHEST or end > now + FARTHEST:
            raise InvalidField("too_far", "end")
        return start, end

    def _checked_terms(self, terms: Terms) -> Terms:
        whole = (
            (terms.meeting, 5, 240, "meeting"),
            (terms.buffer, 0, 120, "buffer"),
            (terms.notice, 0, 2880, "notice"),
        )
        for minutes, least, most, name in whole:
            if minutes is not None and not least <= minutes <= most:
                raise InvalidField("out_of_range", name)
            if minutes is not None and minutes % 5 and name != "notice":
                raise InvalidField("not_five", name)
        if terms.gender not in (None, "woman", "man"):
            raise InvalidField("invalid", "gender")
        if not terms.channels or not set(terms.channels) <= set(self._house.municipality.booking.channels):
            raise InvalidField("channel_missing", "channels")
        if not terms.languages or not all(rules.LANGUAGE.fullmatch(each) for each in terms.languages):
            raise InvalidField("invalid", "languages")
        if terms.meeting_url and not terms.meeting_url.startswith("https://"):
            raise InvalidField("not_https", "meeting_url")
        return terms

    def _defaults(self) -> Terms:
        terms = self._house.municipality.booking
        return Terms(terms.meeting_minutes, terms.buffer_minutes, terms.notice_minutes, channels=tuple(terms.channels))


def _terms(row: Therapist) -> Terms:
    return Terms(
        row.meeting_minutes,
        row.buffer_minutes,
        row.notice_minutes,
        row.cutoff_minute,
        row.release_minute,
        row.personal,
        row.gender,
        tuple(filter(None, row.languages.split(","))),
        tuple(filter(None, row.channels.split(","))),
        row.meeting_url or "",
    )


def _still_held(talk: Booking, now: datetime) -> bool:
    return talk.state == HELD and talk.hold_until is not None and talk.hold_until > now


def _checked_week(weekly: Mapping[int, Sequence[Span]], name: str = "week") -> dict[int, list[Span]]:
    found = {}
    for day, spans in weekly.items():
        if not 0 <= day <= 6:
            raise InvalidField("invalid", name)
        found[day] = _checked_spans(spans, f"{name}_{DAYS[day]}")
    return found


def _checked_spans(spans: Sequence[Span], name: str) -> list[Span]:
    """The spans in order. Raises `InvalidField` for one that ends before it starts, overlaps or is no whole five minutes."""
    if len(spans) > MOST_SPANS:
        raise InvalidField("too_many", name)
    for span in spans:
        if span.end <= span.start:
            raise InvalidField("ends_before_start", name)
        if span.start % 5 or span.end % 5:
            raise InvalidField("not_five", name)
        if span.start < 0 or span.end > 24 * 60:
            raise InvalidField("invalid", name)
    ordered = sorted(spans)
    if any(second.start < first.end for first, second in itertools.pairwise(ordered)):
        raise InvalidField("overlaps", name)
    return ordered


def _exists(day: date, span: Span) -> None:
    """Raise `InvalidField` for an hour that the clock skips that day."""
    for minute, name in ((span.start, "start"), (span.end, "end")):
        if skipped(day, minute):
            raise InvalidField("time_skipped", name)


def skipped(day: date, minute: int) -> bool:
    """Whether the wall never shows ``minute`` on ``day``, because summer time begins."""
    if minute >= 24 * 60:
        return False
    wall = datetime.combine(day, datetime.min.time()) + timedelta(minutes=minute)
    back = wall.replace(tzinfo=STOCKHOLM).astimezone(UTC).astimezone(STOCKHOLM)
    return back.replace(tzinfo=None) != wall


def moment(day: date, minute: int, *, ends: bool = False) -> datetime:
    """The instant of a wall-clock minute. One that autumn repeats is the first of the two, or the last where
    something ``ends``: whoever is away until then is away both times. Raises `InvalidField` for one that spring skips.
    """
    if skipped(day, minute):
        raise InvalidField("time_skipped", "end" if ends else "start")
    if not ends or minute >= 24 * 60:
        return rules.instant(day, minute)
    wall = datetime.combine(day, datetime.min.time(), STOCKHOLM).replace(fold=1) + timedelta(minutes=minute)
    return wall.replace(fold=1).astimezone(UTC)


def seed_therapists(session: Session, municipality: Municipality, staff: Mapping[str, StaffMember]) -> int:
    """Give the demo therapists (``login`` -> row) their hours and channels; those who have some are left alone.

    Returns how many were added.
    """
    added = 0
    for person in municipality.demo_staff:
        member = staff.get(person.login)
        if person.role != "therapist" or member is None or session.get(Therapist, member.id) is not None:
            continue
        session.add(
            Therapist(
                staff_id=member.id,
                channels=",".join(person.channels),
                meeting_url=person.meeting_url,
                languages=",".join(person.languages),
                gender=person.gender,
                personal=person.personal,
            )
        )
        session.flush()
        for span in person.hours:
            for start, end in _around(span.start, span.end, person.break_):
                session.add_all(
                    WorkingHours(staff_id=member.id, weekday=DAYS.index(day), start_minute=start, end_minute=end)
                    for day in span.days
                )
        acute: dict[int, list[Span]] = {}
        for span in person.acute:
            for day in span.days:
                acute.setdefault(DAYS.index(day), []).append(Span(_minute(span.start), _minute(span.end)))
        repository.set_acute(session, member.id, acute)
        added += 1
    return added


def _around(start: str, end: str, pause: Break | None) -> list[tuple[int, int]]:
    """The parts of a working day that its break leaves, in minutes."""
    begin, stop = _minute(start), _minute(end)
    if pause is None or _minute(pause.end) <= begin or _minute(pause.start) >= stop:
        return [(begin, stop)]
    parts = [(begin, _minute(pause.start)), (_minute(pause.end), stop)]
    return [(first, last) for first, last in parts if first < last]


def _minute(clock: str) -> int:
    hour, _, minute = clock.partition(":")
    return int(hour) * 60 + int(minute)
