"""Cases: how one begins, its page and its place in the lists, what is noted on it, how it ends."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from backend.cases import repository, retention, rules
from backend.cases.desk import CHANGED, Desk, NewPerson, PersonLine, checked_line, from_today, topic, until_today
from backend.cases.rules import Keeping
from backend.cases.tables import (
    Case,
    CaseEvent,
    CaseMeeting,
    CaseNote,
    CaseQuestion,
    CaseSeat,
    CaseSource,
    CaseState,
    CaseTask,
    Person,
    SeatState,
)
from backend.concerns import events as reports
from backend.core import access, audit, webhooks
from backend.core.access import Kind, Line
from backend.core.audit import Tag
from backend.core.closed_days import ClosedDays
from backend.core.errors import Conflict, InvalidField, NotFound
from backend.core.house import House
from backend.core.legal import Clock, Event, Happened, clocks
from backend.core.people import StaffMember
from backend.core.roster import absences
from backend.core.text import clean
from backend.core.vault import new_id


@dataclass(frozen=True, slots=True)
class Opened:
    """A case that has just been opened, or the one that the person has already."""

    case_id: str
    person_id: str


@dataclass(frozen=True, slots=True)
class Due:
    """Something with a day: a clock, a task or a next step. ``text`` is empty for a clock, which has its own words."""

    day: date
    kind: str
    text: str
    clock: Clock | None = None


@dataclass(frozen=True, slots=True)
class CaseRow:
    """A case in a list, with what has a day, the earliest first."""

    id: str
    person: PersonLine
    state: str
    unit: str
    coordinator: str
    own: bool
    opened_at: datetime
    due: Sequence[Due]

    @property
    def day(self) -> date | None:
        """The earliest day."""
        return self.due[0].day if self.due else None


@dataclass(frozen=True, slots=True)
class Seat:
    """A place in the team as the page shows it. ``away``: the person is not at work now."""

    id: str
    unit: str
    staff_id: str | None
    name: str
    role: str
    lead: bool
    coordinates: bool
    state: str
    away: bool
    asked_at: datetime
    answer_by: datetime | None
    back_on: datetime | None
    ground: str | None
    next_step: str
    next_on: date | None
    met_on: date | None
    met_way: str
    met_by: str
    version: int
    own: bool


@dataclass(frozen=True, slots=True)
class PastSeat:
    """A place that is history: who, how it ended, and what was said."""

    unit: str
    name: str
    state: str
    at: datetime
    said: str


@dataclass(frozen=True, slots=True)
class Task:
    """Something to do. ``done_by`` is empty while it is not done."""

    id: str
    title: str
    due: date
    name: str
    done_at: datetime | None
    done_by: str


@dataclass(frozen=True, slots=True)
class Note:
    """A shared note: when, who and in which unit, what."""

    id: str
    at: datetime
    name: str
    unit: str
    text: str


@dataclass(frozen=True, slots=True)
class Question:
    """A question with its answer, or an empty one while it has not been answered."""

    id: str
    question: str
    answer: str
    name: str
    at: datetime | None


@dataclass(frozen=True, slots=True)
class Noted:
    """An event on the page. ``withdrawn``: written down by mistake."""

    id: str
    kind: str
    day: date
    until: date | None
    name: str
    withdrawn: bool
    by_hand: bool


@dataclass(frozen=True, slots=True)
class Relative:
    """Another person of the family, as far as it may be shown. ``case_id`` only if that case may be read too."""

    person: PersonLine
    language: str
    case_id: str | None


@dataclass(frozen=True, slots=True)
class Withheld:
    """A "Visa inte för ..." line with the name of whom it is withheld from."""

    line: Line
    kept_from: str
    by: str


@dataclass(frozen=True, slots=True)
class Read:
    """Who has opened the case and when. ``reason`` is what they wrote, if they had to."""

    at: datetime
    name: str
    tag: str
    reason: str


@dataclass(frozen=True, slots=True)
class Subject:
    """What a line of the log is about: a case and its person."""

    case_id: str
    person: PersonLine


@dataclass(frozen=True, slots=True)
class CasePage:
    """Everything on a case's page. ``way`` is why it is open to the reader: member, manager or opened.

    ``keeping`` and ``erased_from``: see `retention.keeping_of`, for a closed one.
    """

    row: CaseRow
    way: str
    until: datetime | None
    version: int
    language: str
    coordinator_id: str | None
    closed_at: datetime | None
    closed_as: str | None
    kept: str
    keeping: Keeping | None
    erased_from: date | None
    seats: Sequence[Seat]
    past: Sequence[PastSeat]
    clocks: Sequence[Clock]
    tasks: Sequence[Task]
    done: Sequence[Task]
    notes: Sequence[Note]
    questions: Sequence[Question]
    events: Sequence[Noted]
    family: Sequence[Relative]
    withheld: Sequence[Withheld]
    concerns: Sequence[str]
    reads: Sequence[Read]
    may_lead: bool
    may_note: bool


class CaseDesk(Desk):
    """Use cases around cases. What a member of staff may not know of does not exist: `NotFound`."""

    def __init__(self, house: House) -> None:
        super().__init__(house)
        self._days = ClosedDays(house.municipality)

    # --- Lists --------------------------------------------------------------------------

    async def mine(self, staff: StaffMember) -> list[CaseRow]:
        """The open cases that ``staff`` works in, by what is due first; those with nothing due last."""
        return await self._house.db.read(lambda session: self.rows_now(session, staff))

    async def of_unit(self, staff: StaffMember) -> list[CaseRow]:
        """The open cases that a manager's unit leads, in the same order; empty for others."""
        return await self._house.db.read(lambda session: self.rows_now(session, staff, whole=True))

    def rows_now(self, session: Session, staff: StaffMember, *, whole: bool = False) -> list[CaseRow]:
        """`mine`, or `of_unit` for the ``whole`` unit, in the caller's transaction."""
        found = repository.of_unit(session, staff) if whole else repository.mine(session, staff)
        return self._rows(session, staff, found)

    async def readable(self, staff: StaffMember, case_ids: Collection[str]) -> set[str]:
        """Those of the cases that ``staff`` may read now."""
        if not case_ids:
            return set()
        now = self._house.clock.now()
        return await self._house.db.read(lambda session: repository.readable_of(session, staff, case_ids, now))

    def readable_by(self, staff: StaffMember) -> sa.Select[Case]:
        """The cases that ``staff`` may read now, as a query to build on."""
        return repository.readable_by(staff, self._house.clock.now())

    async def case_from(self, staff: StaffMember, kind: str, source_id: str) -> str | None:
        """The case that came of a concern, story or booking, if ``staff`` may read it."""

        def look(session: Session) -> str | None:
            source = session.get(CaseSource, (kind, source_id))
            if source is None:
                return None
            case = repository.find(session, staff, source.case_id, self._now())
            return case.id if case is not None else None

        return await self._house.db.read(look)

    # --- Beginning ----------------------------------------------------------------------

    async def open_from_concern(self, staff: StaffMember, concern_id: str, person: NewPerson) -> Opened:
        """Open a case about a new person from a concern that ``staff`` may open; ``staff`` becomes its coordinator.

        Raises `NotFound`, `Conflict` when somebody has opened one from the same concern, and `InvalidField`
        for ``who``, ``first_name`` or ``born``.
        """

        def open_it(session: Session) -> Opened:
            if not reports.held(session, staff, concern_id):
                raise NotFound
            return self.open_in(session, staff, "concern", concern_id, person)

        return await self._house.db.write(open_it)

    async def may_begin(self, staff: StaffMember, concern_id: str) -> bool:
        """Whether ``staff`` may open a case from a concern, or add it to one."""
        return await self._house.db.read(lambda session: bool(reports.openable(session, staff, [concern_id])))

    def may_coordinate(self, staff: StaffMember) -> bool:
        """Whether ``staff`` may lead a team at all."""
        return rules.may_coordinate(staff.roles)

    async def open_about(self, staff: StaffMember, person_id: str) -> str:
        """Open a case about somebody whose record ``staff`` may read; returns its id.

        Raises `NotFound`, `Conflict` when there is an open one, and `InvalidField` ``role`` for who may not lead.
        """

        def open_it(session: Session) -> str:
            query = repository.people_readable_by(staff, self._now()).where(Person.id == person_id)
            if session.scalar(query) is None:
                raise NotFound
            return self.open_for(session, staff, person_id)

        return await self._house.db.write(open_it)

    async def add_concern(self, staff: StaffMember, concern_id: str, case_id: str) -> None:
        """Put a concern that ``staff`` may open into a case that they may read. Raises `NotFound`, `Conflict`."""

        def add(session: Session) -> None:
            if not reports.held(session, staff, concern_id):
                raise NotFound
            case = self._hold(session, staff, case_id)
            self.add_source(session, staff, case, "concern", concern_id)

        await self._house.db.write(add)
        self._house.live.publish(topic(case_id), CHANGED)

    def open_in(self, session: Session, staff: StaffMember, kind: str, source_id: str, person: NewPerson) -> Opened:
        """`open_from_concern` for any kind of source, in the caller's transaction; the caller has checked the source."""
        record = self.new_person(session, staff, person)
        return Opened(self.open_for(session, staff, record.id, (kind, source_id)), record.id)

    def open_for(
        self, session: Session, staff: StaffMember, person_id: str, source: tuple[str, str] | None = None
    ) -> str:
        """Open a case about a person with a record, led by ``staff``; returns its id.

        The caller has checked that they may read the record. Raises `Conflict` when the person has an open
        case or the source belongs to one, and `InvalidField` ``role`` for who may not lead.
        """
        if not rules.may_coordinate(staff.roles):
            raise InvalidField("may_not_lead", "role")
        now = self._now()
        case = Case(
            id=new_id(), person_id=person_id, unit=staff.unit, state=CaseState.ACTIVE.value, coordinator_id=staff.id,
            data_key=self._house.vault.new_key(), opened_at=now, opened_by=staff.id,
        )  # fmt: skip
        try:
            with session.begin_nested():
                session.add(case)
        except IntegrityError:
            raise Conflict from None
        seat = CaseSeat(
            id=new_id(), case_id=case.id, unit=staff.unit, staff_id=staff.id, lead=True, coordinates=True,
            state=SeatState.ACCEPTED.value, asked_at=now, asked_by=staff.id, answered_at=now,
        )  # fmt: skip
        session.add(seat)
        session.flush()
        access.tie(session, staff.id, person_id, seat.id)
        access.concerns_person(session, Kind.CASE, case.id, person_id)
        audit.record(session, now, Tag.CASE_OPENED, case.id, actor=staff.id, detail=source[0] if source else "")
        webhooks.announce(session, self._house, now, "case.opened", case.id)
        if source is not None:
            self.add_source(session, staff, case, *source)
        return case.id

    # --- For the log --------------------------------------------------------------------

    def known_subjects(self, session: Session, staff: StaffMember, ids: Collection[str]) -> dict[str, Subject]:
        """Those of ``ids`` that are cases, or persons in them, which ``staff`` may read now: whom they are about."""
        query = repository.readable_by(staff, self._now()).where(sa.or_(Case.id.in_(ids), Case.person_id.in_(ids)))
        cases = session.scalars(query.order_by(Case.opened_at)).all()
        people = repository.persons(session, {case.person_id for case in cases})
        found: dict[str, Subject] = {}
        for case in cases:
            person = people[case.person_id]
            line = self._line(person, self._sealer.shared(person), own=True)
            found |= {case.id: Subject(case.id, line), person.id: Subject(case.id, line)}
        return found

    # --- The page -----------------------------------------------------------------------

    async def askable(self, staff: StaffMember, case_id: str) -> bool:
        """Whether ``staff`` may open the case if they write why. Raises `NotFound` when it is none of their unit's.

        False for who may read it anyway.
        """

        def look(session: Session) -> bool:
            if repository.find(session, staff, case_id, self._now()) is not None:
                return False
            if session.scalar(repository.askable_by(staff).where(Case.id == case_id)) is None:
                raise NotFound
            return True

        return await self._house.db.read(look)

    async def open_with_reason(self, staff: StaffMember, case_id: str, reason: str) -> None:
        """Let ``staff`` into a case of their unit that is not theirs, for the day. Raises `NotFound`, `InvalidField`."""

        def open_it(session: Session) -> None:
            if session.scalar(repository.askable_by(staff).where(Case.id == case_id)) is None:
                raise NotFound
            access.open_with_reason(session, self._house.vault, self._now(), staff, Kind.CASE, case_id, reason)

        await self._house.db.write(open_it)
        self._house.live.publish(topic(case_id), CHANGED)

    async def page(self, staff: StaffMember, case_id: str) -> CasePage:
        """The case's page; that ``staff`` has read it is written down in the same transaction. Raises `NotFound`."""

        def open_it(session: Session) -> CasePage:
            page = self.look(session, staff, case_id)
            audit.read(session, self._now(), Tag.CASE_READ, case_id, actor=staff.id, detail=page.way)
            return page

        return await self._house.db.write(open_it)

    def look(self, session: Session, staff: StaffMember, case_id: str) -> CasePage:
        """`page` for who writes down the reading in the same transaction. Raises `NotFound`."""
        return self._page(session, staff, self._find(session, staff, case_id))

    # --- What is noted ------------------------------------------------------------------

    async def note(self, staff: StaffMember, case_id: str, key: str, text: str) -> None:
        """Add a shared note. ``key`` is the form's own id: the same form sent twice is one note.

        Raises `NotFound`, `EmptyText`, `TextTooLong`.
        """
        words = clean(text, rules.TEXT_LIMIT)

        def add(session: Session, case: Case) -> None:
            body = self._sealer.close(case, "case_note.body", key, words)
            session.add(CaseNote(id=key, case_id=case.id, at=self._now(), by=staff.id, body=body))
            self._did(session, staff, Tag.CASE_NOTED, case)

        await self._once(staff, case_id, CaseNote, key, add)

    async def add_task(
        self, staff: StaffMember, case_id: str, key: str, title: str, due: date | None, staff_id: str | None
    ) -> None:
        """Add something to do by a day, for somebody in the team or for whoever does it first.

        Raises `NotFound`, and `InvalidField` for ``title``, ``due`` or ``staff_id``.
        """
        words = checked_line(title, "title")
        day = from_today(due, "due", self.today())

        def add(session: Session, case: Case) -> None:
            if staff_id and staff_id not in self._members(session, case):
                raise InvalidField("not_in_team", "staff_id")
            sealed = self._sealer.close(case, "case_task.title", key, words)
            session.add(
                CaseTask(
                    id=key,
                    case_id=case.id,
                    title=sealed,
                    due=day,
                    staff_id=staff_id or None,
                    created_at=self._now(),
                    created_by=staff.id,
                )
            )
            self._did(session, staff, Tag.CASE_TASK_ADDED, case)

        await self._once(staff, case_id, CaseTask, key, add)

    async def finish_task(self, staff: StaffMember, case_id: str, task_id: str) -> None:
        """Say that something is done; again changes nothing. Raises `NotFound`."""

        def finish(session: Session) -> None:
            case = self._hold_open(session, staff, case_id)
            task = session.get(CaseTask, task_id)
            if task is None or task.case_id != case.id:
                raise NotFound
            if task.done_at is None:
                task.done_at, task.done_by = self._now(), staff.id
                self._did(session, staff, Tag.CASE_TASK_DONE, case)

        await self._change(case_id, finish)

    async def ask_person(self, staff: StaffMember, case_id: str, key: str, question: str, answer: str) -> None:
        """Write down a question to the person; with an answer it is already told. Raises `NotFound`, `InvalidField`."""
        asked = checked_line(question, "question")
        told = clean(answer, rules.TEXT_LIMIT) if answer.strip() else ""

        def add(session: Session, case: Case) -> None:
            now = self._now()
            row = CaseQuestion(
                id=key, case_id=case.id, asked_at=now, asked_by=staff.id,
                question=self._sealer.close(case, "case_question.question", key, asked),
            )  # fmt: skip
            if told:
                row.answer = self._sealer.close(case, "case_question.answer", key, told)
                row.answered_at, row.answered_by = now, staff.id
            session.add(row)
            self._did(session, staff, Tag.CASE_QUESTION_ADDED, case)

        await self._once(staff, case_id, CaseQuestion, key, add)

    async def answer_question(self, staff: StaffMember, case_id: str, question_id: str, answer: str) -> None:
        """Write down what the person has told, so that nobody asks again.

        Raises `NotFound`, `EmptyText`, `TextTooLong`, and `Conflict` when a colleague was first.
        """
        told = clean(answer, rules.TEXT_LIMIT)

        def add(session: Session) -> None:
            case = self._hold_open(session, staff, case_id)
            row = session.get(CaseQuestion, question_id)
            if row is None or row.case_id != case.id:
                raise NotFound
            if row.answer is not None:
                if self._sealer.open(case, "case_question.answer", row.id, row.answer) == told:
                    return
                raise Conflict
            row.answer = self._sealer.close(case, "case_question.answer", row.id, told)
            row.answered_at, row.answered_by = self._now(), staff.id
            self._did(session, staff, Tag.CASE_QUESTION_ANSWERED, case)

        await self._change(case_id, add)

    async def met(self, staff: StaffMember, case_id: str, key: str, day: date | None, way: str) -> None:
        """Write down that ``staff`` met the person or the family. Raises `NotFound`, `InvalidField` for ``day`` or ``way``."""
        met_on = until_today(day, "day", self.today())
        if way not in rules.WAYS:
            raise InvalidField("invalid", "way")

        def add(session: Session, case: Case) -> None:
            session.add(
                CaseMeeting(
                    id=key,
                    case_id=case.id,
                    unit=staff.unit,
                    staff_id=staff.id,
                    day=met_on,
                    way=way,
                    noted_at=self._now(),
                )
            )
            self._did(session, staff, Tag.CASE_MET, case)

        await self._once(staff, case_id, CaseMeeting, key, add)

    async def next_step(
        self, staff: StaffMember, case_id: str, seat_id: str, text: str, day: date | None, version: int
    ) -> None:
        """Say what comes next from one's own unit and when. Empty text: nothing is planned.

        Raises `NotFound`, `InvalidField` for ``next_step`` or ``next_on``, and `Conflict` when a colleague has
        changed it since the form was opened.
        """
        words = checked_line(text, "next_step") if text.strip() else ""
        planned = from_today(day, "next_on", self.today()) if day is not None else None

        def change(session: Session) -> None:
            case = self._hold_open(session, staff, case_id)
            seat = session.get(CaseSeat, seat_id)
            if (
                seat is None
                or seat.case_id != case.id
                or seat.unit != staff.unit
                or seat.state != SeatState.ACCEPTED.value
            ):
                raise NotFound
            if seat.version != version:
                raise Conflict
            seat.next_step = self._sealer.close(case, "case_seat.next_step", seat.id, words) if words else None
            seat.next_on, seat.version = planned, seat.version + 1
            self._did(session, staff, Tag.CASE_NEXT_STEP, case)

        await self._change(case_id, change)

    async def happened(
        self, staff: StaffMember, case_id: str, key: str, kind: str, day: date | None, until: date | None
    ) -> None:
        """Write down what has happened in law's eyes; the clocks follow from it.

        Raises `NotFound`, and `InvalidField` for ``kind`` (``not_qualified`` where SoL 25:1 asks for a degree
        that ``staff`` does not have), ``day`` or ``until``.
        """
        event = _event(kind)
        if event in rules.QUALIFIED and not staff.qualified:
            raise InvalidField("not_qualified", "kind")
        on = until_today(day, "day", self.today())
        last = None
        if event is Event.INVESTIGATION_PROLONGED:
            if until is None or until <= on:
                raise InvalidField("invalid", "until")
            last = until

        def add(session: Session, case: Case) -> None:
            session.add(
                CaseEvent(
                    id=key, case_id=case.id, kind=event.value, day=on, until=last, noted_at=self._now(), by=staff.id
                )
            )
            self._did(session, staff, Tag.CASE_EVENT_NOTED, case, event.value)

        await self._once(staff, case_id, CaseEvent, key, add)

    async def withdraw(self, staff: StaffMember, case_id: str, event_id: str, reason: str) -> None:
        """Say that an event was written down by mistake, and why; it stays and counts no more.

        Raises `NotFound`, and `InvalidField` for ``reason`` or ``kind``.
        """
        why = access.checked_reason(reason)

        def change(session: Session) -> None:
            case = self._hold_open(session, staff, case_id)
            row = session.get(CaseEvent, event_id)
            if row is None or row.case_id != case.id or row.withdrawn_at is not None:
                raise NotFound
            if Event(row.kind) in rules.QUALIFIED and not staff.qualified:
                raise InvalidField("not_qualified", "kind")
            row.withdrawn_at, row.withdrawn_by = self._now(), staff.id
            sealed = audit.seal_reason(self._house.vault, case.id, why)
            self._did(session, staff, Tag.CASE_EVENT_WITHDRAWN, case, row.kind, sealed)

        await self._change(case_id, change)

    async def close(self, staff: StaffMember, case_id: str, closed_as: str, version: int, kept: str = "") -> None:
        """End the case and everybody's seat in it; whoever was in the team no longer reads it.

        ``kept`` is the answer of `rules.KEPT`, if it is known now; empty leaves the record's as it was. Raises
        `NotFound` for who neither coordinates nor leads the unit, `InvalidField` ``closed_as`` or ``kept``, and
        `Conflict` when it has changed since the form was opened.
        """
        if closed_as not in rules.CLOSED_AS:
            raise InvalidField("invalid", "closed_as")
        if kept not in rules.KEPT:
            raise InvalidField("invalid", "kept")

        def change(session: Session) -> None:
            case = self._hold_open(session, staff, case_id)
            if not self.may_lead(staff, case):
                raise NotFound
            if case.version != version:
                raise Conflict
            now = self._now()
            case.state = CaseState.CLOSED.value
            case.closed_at, case.closed_by, case.closed_as = now, staff.id, closed_as
            case.version += 1
            if kept:
                session.get_one(Person, case.person_id).kept = kept
            for seat in repository.seats(session, [case.id]).get(case.id, []):
                seat.state, seat.ended_at = SeatState.LEFT.value, now
                access.untie(session, seat.id)
            self._did(session, staff, Tag.CASE_CLOSED, case, closed_as)

        await self._change(case_id, change)
        self._house.live.publish(access.TOPIC, CHANGED)

    # --- How it is put together ---------------------------------------------------------

    def _page(self, session: Session, staff: StaffMember, case: Case) -> CasePage:
        now = self._now()
        all_seats = repository.seats(session, [case.id]).get(case.id, [])
        tasks = repository.open_tasks(session, [case.id]).get(case.id, [])
        done = repository.done_tasks(session, case.id, _DONE)
        asked = repository.questions(session, case.id)
        written = repository.events(session, [case.id]).get(case.id, [])
        notes = repository.notes(session, staff, case.id)
        past = repository.past_seats(session, case.id)
        meetings = repository.last_meetings(session, case.id)
        person = repository.persons(session, [case.person_id])[case.person_id]
        lines = access.withheld_lines(session, self._house.vault, [(Kind.PERSON, case.person_id), (Kind.CASE, case.id)])
        reads = audit.of_subject(session, case.id, (Tag.CASE_READ, Tag.ACCESS_OPENED), _READS)
        names = repository.names(
            session,
            [case.coordinator_id]
            + [seat.staff_id for seat in (*all_seats, *past)]
            + [row.staff_id for row in meetings.values()]
            + [row.staff_id for row in tasks]
            + [row.done_by for row in done]
            + [row.by for row in notes]
            + [row.by for row in written]
            + [row.answered_by or row.asked_by for row in asked]
            + [line.by for line in lines]
            + [line.from_id for line in lines if line.from_kind == access.From.STAFF]
            + [row.actor for row in reads],
        )

        def name(staff_id: str | None) -> str:
            member = names.get(staff_id or "")
            return member.first_name if member is not None else ""

        may_lead = self.may_lead(staff, case)
        shared = self._sealer.shared(person)
        happened, concerns = self._happened(session, [case.id])
        running = clocks(happened.get(case.id, []), self._days)
        opening = access.opening_of(session, staff, Kind.CASE, case.id, now)
        member = any(seat.staff_id == staff.id and seat.state == SeatState.ACCEPTED.value for seat in all_seats)
        leads = staff.is_manager and case.unit == staff.unit
        keeping = retention.keeping_of(session, self._house, person, shared.born) if case.closed_at else None
        return CasePage(
            row=CaseRow(
                id=case.id,
                person=self._line(person, shared, own=True),
                state=case.state,
                unit=case.unit,
                coordinator=name(case.coordinator_id),
                own=member,
                opened_at=case.opened_at,
                due=[],
            ),
            way="member" if member else "manager" if leads else "opened",
            until=None if member or leads else opening,
            version=case.version,
            language=shared.language,
            coordinator_id=case.coordinator_id,
            closed_at=case.closed_at,
            closed_as=case.closed_as,
            kept=person.kept,
            keeping=keeping[0] if keeping else None,
            erased_from=keeping[1] if keeping else None,
            seats=self._seats(session, staff, case, all_seats, meetings, names),
            past=[
                PastSeat(
                    seat.unit,
                    name(seat.staff_id),
                    seat.state,
                    seat.ended_at or seat.answered_at or seat.asked_at,
                    self._sealer.open(case, "case_seat.said", seat.id, seat.said) if may_lead else "",
                )
                for seat in past
            ],
            clocks=running,
            tasks=[self._task(case, row, name) for row in tasks],
            done=[self._task(case, row, name) for row in done],
            notes=[
                Note(
                    row.id,
                    row.at,
                    name(row.by),
                    names[row.by].unit if row.by in names else "",
                    self._sealer.open(case, "case_note.body", row.id, row.body),
                )
                for row in notes
            ],
            questions=[
                Question(
                    row.id,
                    self._sealer.open(case, "case_question.question", row.id, row.question),
                    self._sealer.open(case, "case_question.answer", row.id, row.answer),
                    name(row.answered_by or row.asked_by),
                    row.answered_at,
                )
                for row in asked
            ],
            events=self._noted(case, written, happened.get(case.id, []), name),
            family=self._family(session, staff, case, now),
            withheld=[Withheld(line, self._kept_from(session, staff, line, name), name(line.by)) for line in lines],
            concerns=sorted(reports.openable(session, staff, concerns.get(case.id, []))),
            reads=[
                Read(
                    row.at,
                    name(row.actor),
                    row.tag,
                    audit.open_reason(session, self._house.vault, row) if may_lead else "",
                )
                for row in reads
            ],
            may_lead=may_lead and case.state != CaseState.CLOSED.value,
            may_note=case.state != CaseState.CLOSED.value,
        )

    def _rows(self, session: Session, staff: StaffMember, cases: Sequence[Case]) -> list[CaseRow]:
        ids = [case.id for case in cases]
        people = repository.persons(session, {case.person_id for case in cases})
        happened, _ = self._happened(session, ids)
        tasks, all_seats = repository.open_tasks(session, ids), repository.seats(session, ids)
        names = repository.names(session, [case.coordinator_id for case in cases])
        rows: list[CaseRow] = []
        for case in cases:
            seats = [seat for seat in all_seats.get(case.id, []) if seat.staff_id == staff.id]
            own = any(seat.state == SeatState.ACCEPTED.value for seat in seats)
            due = [
                Due(clock.due, "clock", "", clock)
                for clock in clocks(happened.get(case.id, []), self._days)
                if clock.stopped is None
            ]
            due += [
                Due(task.due, "task", self._sealer.open(case, "case_task.title", task.id, task.title))
                for task in tasks.get(case.id, [])
                if not own or task.staff_id in (None, staff.id)
            ]
            due += [
                Due(seat.next_on, "step", self._sealer.open(case, "case_seat.next_step", seat.id, seat.next_step))
                for seat in seats
                if seat.next_on is not None and seat.state == SeatState.ACCEPTED.value
            ]
            person = people[case.person_id]
            leader = names.get(case.coordinator_id or "")
            rows.append(
                CaseRow(
                    id=case.id,
                    person=self._line(person, self._sealer.shared(person), own=True),
                    state=case.state,
                    unit=case.unit,
                    coordinator=leader.first_name if leader is not None else "",
                    own=own,
                    opened_at=case.opened_at,
                    due=sorted(due, key=lambda each: each.day),
                )
            )
        return sorted(rows, key=lambda row: (row.day or date.max, row.opened_at, row.id))

    def _happened(
        self, session: Session, case_ids: Collection[str]
    ) -> tuple[dict[str, list[Happened]], dict[str, list[str]]]:
        """What has happened in each case, on its own page and where its reports are handled; and its concerns."""
        found: dict[str, list[Happened]] = {}
        of_case: dict[str, list[str]] = {}
        for source in repository.sources(session, case_ids):
            if source.kind == "concern":
                of_case.setdefault(source.case_id, []).append(source.source_id)
        reported = reports.happened(session, [each for ids in of_case.values() for each in ids])
        for case_id, concern_ids in of_case.items():
            found[case_id] = [event for each in concern_ids for event in reported.get(each, [])]
        for case_id, rows in repository.events(session, case_ids).items():
            found.setdefault(case_id, []).extend(
                Happened(Event(row.kind), row.day, row.until) for row in rows if row.withdrawn_at is None
            )
        return found, of_case

    def _noted(
        self, case: Case, rows: Sequence[CaseEvent], happened: Sequence[Happened], name: Callable[[str | None], str]
    ) -> list[Noted]:
        own = [
            Noted(row.id, row.kind, row.day, row.until, name(row.by), row.withdrawn_at is not None, by_hand=True)
            for row in rows
        ]
        read = [
            Noted("", event.kind.value, event.day, None, "", withdrawn=False, by_hand=False)
            for event in happened
            if event.kind in rules.FROM_CONCERNS
        ]
        return sorted(own + read, key=lambda each: each.day)

    def _seats(
        self,
        session: Session,
        staff: StaffMember,
        case: Case,
        rows: Sequence[CaseSeat],
        meetings: Mapping[str, CaseMeeting],
        names: Mapping[str, StaffMember],
    ) -> list[Seat]:
        away = absences(session, self._now())
        shown: list[Seat] = []
        for row in rows:
            member, met = names.get(row.staff_id or ""), meetings.get(row.unit)
            met_by = names.get(met.staff_id) if met is not None else None
            shown.append(
                Seat(
                    id=row.id,
                    unit=row.unit,
                    staff_id=row.staff_id,
                    name=member.first_name if member is not None else "",
                    role=member.role if member is not None else "",
                    lead=row.lead,
                    coordinates=row.coordinates,
                    state=row.state,
                    away=row.staff_id in away or (member is not None and not member.active),
                    asked_at=row.asked_at,
                    answer_by=row.answer_by,
                    back_on=row.back_on,
                    ground=row.ground,
                    next_step=self._sealer.open(case, "case_seat.next_step", row.id, row.next_step),
                    next_on=row.next_on,
                    met_on=met.day if met is not None else None,
                    met_way=met.way if met is not None else "",
                    met_by=met_by.first_name if met_by is not None else "",
                    version=row.version,
                    own=row.unit == staff.unit and row.state == SeatState.ACCEPTED.value,
                )
            )
        return shown

    def _family(self, session: Session, staff: StaffMember, case: Case, now: datetime) -> list[Relative]:
        """The others in the family who are shown to the team, or whose own record the reader may read."""
        found = repository.family_of(session, case.person_id)
        allowed = repository.visible_people(session, staff, {person.id for _, person in found})
        cases = {
            person_id: case_id
            for case_id, person_id in session.execute(
                repository.readable_by(staff, now)
                .where(Case.person_id.in_(allowed), repository.IS_OPEN)
                .with_only_columns(Case.id, Case.person_id)
            )
        }
        shown: dict[str, Relative] = {}
        for member, person in found:
            if person.id in allowed and (member.shown or person.id in cases):
                own = person.id in cases
                shared = self._sealer.shared(person)
                shown[person.id] = Relative(self._line(person, shared, own=own), shared.language, cases.get(person.id))
        return list(shown.values())

    def _kept_from(self, session: Session, staff: StaffMember, line: Line, name: Callable[[str | None], str]) -> str:
        if line.from_kind == access.From.STAFF:
            return name(line.from_id)
        if line.from_kind == access.From.UNIT:
            return line.from_id
        person = repository.persons(session, [line.from_id]).get(line.from_id)
        return self._sealer.shared(person).first_name if person is not None else ""

    def _task(self, case: Case, row: CaseTask, name: Callable[[str | None], str]) -> Task:
        title = self._sealer.open(case, "case_task.title", row.id, row.title)
        return Task(row.id, title, row.due, name(row.staff_id), row.done_at, name(row.done_by))


def of_unit(unit: str, column: Any) -> sa.ColumnElement[bool]:
    """A condition: the id in ``column`` is that of a case which ``unit`` leads, or of the person in one."""
    return sa.exists().where(Case.unit == unit, sa.or_(Case.id == column, Case.person_id == column))


def _event(kind: str) -> Event:
    try:
        event = Event(kind)
    except ValueError:
        raise InvalidField("invalid", "kind") from None
    if event in rules.FROM_CONCERNS:
        raise InvalidField("invalid", "kind")
    return event


_DONE = 5
_READS = 12
