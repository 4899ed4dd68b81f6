"""Reads of cases and persons; every one starts from what that member of staff may know of."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.orm import Session

from backend.cases.tables import (
    OPEN_SEATS,
    Case,
    CaseEvent,
    CaseMeeting,
    CaseNote,
    CaseQuestion,
    CaseSeat,
    CaseSource,
    CaseState,
    CaseTask,
    FamilyMember,
    Person,
    SeatState,
)
from backend.core.access import Kind, opened, visible
from backend.core.people import StaffMember

AT_MOST = 500
"""Cases in one list."""
NOTES = 50
"""Notes on one page."""

# Written out, not bound: only so does a database see that the index of open rows fits.
IS_OPEN = Case.state != sa.literal_column(f"'{CaseState.CLOSED.value}'")
SEAT_IS_OPEN = CaseSeat.state.in_([sa.literal_column(f"'{state}'") for state in OPEN_SEATS])
UNANSWERED = (SeatState.ASKED.value, SeatState.LATER.value)

_Row = TypeVar("_Row", CaseEvent, CaseTask, CaseSeat)


def works_in(staff: StaffMember) -> sa.ColumnElement[bool]:
    """A condition: ``staff`` has accepted a seat in the case."""
    return sa.exists().where(
        CaseSeat.case_id == Case.id, CaseSeat.staff_id == staff.id, CaseSeat.state == SeatState.ACCEPTED.value
    )


def not_withheld(staff: StaffMember) -> sa.ColumnElement[bool]:
    """A condition: neither the case nor its person is withheld from ``staff``."""
    return visible(staff, (Kind.PERSON, Case.person_id), (Kind.CASE, Case.id))


def readable_by(staff: StaffMember, now: datetime) -> sa.Select[Case]:
    """The cases that ``staff`` may read: those they work in, lead as the unit's manager, or have opened with a reason.

    Nothing that is withheld from them, nothing when they have left, nothing for an administrator or an editor.
    """
    found = sa.select(Case).where(
        not_withheld(staff),
        sa.or_(
            works_in(staff),
            Case.unit == staff.unit if staff.is_manager else sa.false(),
            opened(staff, Kind.CASE, Case.id, now),
        ),
    )
    return _at_work(staff, found)


def askable_by(staff: StaffMember) -> sa.Select[Case]:
    """The cases that ``staff`` may open with a written reason: their unit leads or takes part, and nothing is withheld.

    All others do not exist for them.
    """
    takes_part = sa.exists().where(
        CaseSeat.case_id == Case.id, CaseSeat.unit == staff.unit, CaseSeat.state == SeatState.ACCEPTED.value
    )
    return _at_work(staff, sa.select(Case).where(not_withheld(staff), sa.or_(Case.unit == staff.unit, takes_part)))


def people_readable_by(staff: StaffMember, now: datetime) -> sa.Select[Person]:
    """The records that ``staff`` may read: through a case that they may read, or new ones that have no case yet."""
    through_case = sa.exists(readable_by(staff, now).where(Case.person_id == Person.id).with_only_columns(Case.id))
    no_case = ~sa.exists().where(Case.person_id == Person.id)
    leads = Person.unit == staff.unit if staff.is_manager else sa.false()
    alone = sa.and_(no_case, sa.or_(Person.created_by == staff.id, leads))
    found = sa.select(Person).where(visible(staff, (Kind.PERSON, Person.id)), sa.or_(through_case, alone))
    return _at_work(staff, found)


def asks_of(staff: StaffMember) -> sa.Select[CaseSeat]:
    """The unanswered seats that ``staff`` may answer: asked of them by name, or in their unit's queue."""
    found = (
        sa.select(CaseSeat)
        .join(Case, Case.id == CaseSeat.case_id)
        .where(
            SEAT_IS_OPEN,
            CaseSeat.state.in_(UNANSWERED),
            sa.or_(CaseSeat.staff_id == staff.id, sa.and_(CaseSeat.staff_id.is_(None), CaseSeat.unit == staff.unit)),
            not_withheld(staff),
        )
    )
    return _at_work(staff, found)


def find(session: Session, staff: StaffMember, case_id: str, now: datetime) -> Case | None:
    """The case if ``staff`` may read it."""
    return session.scalar(readable_by(staff, now).where(Case.id == case_id))


def hold(session: Session, staff: StaffMember, case_id: str, now: datetime) -> Case | None:
    """`find`, and nobody else changes it before this transaction is over."""
    held = session.scalar(sa.select(Case.id).where(Case.id == case_id).with_for_update(key_share=True))
    return find(session, staff, case_id, now) if held is not None else None


def readable_of(session: Session, staff: StaffMember, case_ids: Collection[str], now: datetime) -> set[str]:
    """Those of the cases that ``staff`` may read."""
    query = readable_by(staff, now).where(Case.id.in_(case_ids)).with_only_columns(Case.id)
    return set(session.scalars(query))


def mine(session: Session, staff: StaffMember) -> Sequence[Case]:
    """The open cases that ``staff`` works in, the oldest first."""
    seats = sa.select(CaseSeat.case_id).where(CaseSeat.staff_id == staff.id, CaseSeat.state == SeatState.ACCEPTED.value)
    found = sa.select(Case).where(Case.id.in_(seats), IS_OPEN, not_withheld(staff))
    return session.scalars(_at_work(staff, found).order_by(Case.opened_at, Case.id).limit(AT_MOST)).all()


def of_unit(session: Session, staff: StaffMember) -> Sequence[Case]:
    """The open cases that a manager's unit leads, the oldest first; none for others."""
    found = sa.select(Case).where(Case.unit == staff.unit, IS_OPEN, not_withheld(staff))
    if not staff.is_manager:
        found = found.where(sa.false())
    return session.scalars(_at_work(staff, found).order_by(Case.opened_at, Case.id).limit(AT_MOST)).all()


def open_case_of(session: Session, person_id: str) -> Case | None:
    """The person's case that is not closed. For the service, which decides what may be told of it."""
    return session.scalar(sa.select(Case).where(Case.person_id == person_id, IS_OPEN))


def persons(session: Session, person_ids: Collection[str]) -> dict[str, Person]:
    """Records by id, of people whom the caller may know of."""
    return {row.id: row for row in session.scalars(sa.select(Person).where(Person.id.in_(person_ids)))}


def events(session: Session, case_ids: Collection[str]) -> dict[str, list[CaseEvent]]:
    """What has been written down, by case, in the order of the days."""
    query = sa.select(CaseEvent).where(CaseEvent.case_id.in_(case_ids)).order_by(CaseEvent.day, CaseEvent.noted_at)
    return _by_case(session.scalars(query))


def open_tasks(session: Session, case_ids: Collection[str]) -> dict[str, list[CaseTask]]:
    """What is left to do, by case, the earliest due first."""
    query = sa.select(CaseTask).where(CaseTask.case_id.in_(case_ids), CaseTask.done_at.is_(None))
    return _by_case(session.scalars(query.order_by(CaseTask.due, CaseTask.created_at)))


def done_tasks(session: Session, case_id: str, count: int) -> Sequence[CaseTask]:
    """What was done last."""
    return session.scalars(
        sa.select(CaseTask)
        .where(CaseTask.case_id == case_id, CaseTask.done_at.is_not(None))
        .order_by(CaseTask.done_at.desc())
        .limit(count)
    ).all()


def seats(session: Session, case_ids: Collection[str]) -> dict[str, list[CaseSeat]]:
    """The open seats, by case: leads first, in the order in which they were asked."""
    query = sa.select(CaseSeat).where(CaseSeat.case_id.in_(case_ids), SEAT_IS_OPEN)
    return _by_case(
        session.scalars(query.order_by(CaseSeat.coordinates.desc(), CaseSeat.lead.desc(), CaseSeat.asked_at))
    )


def past_seats(session: Session, case_id: str) -> Sequence[CaseSeat]:
    """The seats that are history, the newest first."""
    return session.scalars(
        sa.select(CaseSeat)
        .where(CaseSeat.case_id == case_id, CaseSeat.state.not_in(OPEN_SEATS))
        .order_by(CaseSeat.asked_at.desc())
    ).all()


def last_meetings(session: Session, case_id: str) -> dict[str, CaseMeeting]:
    """The latest meeting of each unit."""
    query = sa.select(CaseMeeting).where(CaseMeeting.case_id == case_id)
    found: dict[str, CaseMeeting] = {}
    for row in session.scalars(query.order_by(CaseMeeting.day, CaseMeeting.noted_at)):
        found[row.unit] = row
    return found


def notes(session: Session, staff: StaffMember, case_id: str) -> Sequence[CaseNote]:
    """The newest notes first, but for what is withheld from ``staff``."""
    return session.scalars(
        sa.select(CaseNote)
        .where(CaseNote.case_id == case_id, visible(staff, (Kind.NOTE, CaseNote.id)))
        .order_by(CaseNote.at.desc(), CaseNote.id)
        .limit(NOTES)
    ).all()


def questions(session: Session, case_id: str) -> Sequence[CaseQuestion]:
    """What has been told and what is still to be asked, in order."""
    return session.scalars(
        sa.select(CaseQuestion).where(CaseQuestion.case_id == case_id).order_by(CaseQuestion.asked_at, CaseQuestion.id)
    ).all()


def sources(session: Session, case_ids: Collection[str]) -> list[CaseSource]:
    """What the cases came of, and what came in later."""
    return list(session.scalars(sa.select(CaseSource).where(CaseSource.case_id.in_(case_ids)).order_by(CaseSource.at)))


def family_of(session: Session, person_id: str) -> list[tuple[FamilyMember, Person]]:
    """The others in the person's families. For the service, which decides who may see whom."""
    theirs = sa.select(FamilyMember.family_id).where(FamilyMember.person_id == person_id)
    rows = session.execute(
        sa.select(FamilyMember, Person)
        .join(Person, Person.id == FamilyMember.person_id)
        .where(FamilyMember.family_id.in_(theirs), FamilyMember.person_id != person_id)
        .order_by(FamilyMember.added_at, Person.id)
    )
    return [(member, person) for member, person in rows]


def family_id_of(session: Session, person_id: str) -> str | None:
    """The family that the person was first put in. For the service, which decides what may be told of it."""
    return session.scalar(
        sa.select(FamilyMember.family_id)
        .where(FamilyMember.person_id == person_id)
        .order_by(FamilyMember.added_at, FamilyMember.family_id)
        .limit(1)
    )


def visible_people(session: Session, staff: StaffMember, person_ids: Collection[str]) -> set[str]:
    """Those of the persons who are not withheld from ``staff``."""
    query = sa.select(Person.id).where(Person.id.in_(person_ids), visible(staff, (Kind.PERSON, Person.id)))
    return set(session.scalars(query))


def names(session: Session, staff_ids: Iterable[str | None]) -> dict[str, StaffMember]:
    """Members of staff by id."""
    wanted = {staff_id for staff_id in staff_ids if staff_id}
    if not wanted:
        return {}
    return {row.id: row for row in session.scalars(sa.select(StaffMember).where(StaffMember.id.in_(wanted)))}


def due_seats(session: Session, now: datetime) -> list[tuple[str, str]]:
    """The seats whose time to answer or to be asked again has come, with their cases, in the order of the cases."""
    rows = session.execute(
        sa.select(CaseSeat.id, CaseSeat.case_id)
        .where(
            SEAT_IS_OPEN,
            sa.or_(
                sa.and_(CaseSeat.state == SeatState.ASKED.value, CaseSeat.answer_by <= now),
                sa.and_(CaseSeat.state == SeatState.LATER.value, CaseSeat.back_on <= now),
            ),
        )
        .order_by(CaseSeat.case_id, CaseSeat.id)
    )
    return [(seat_id, case_id) for seat_id, case_id in rows]


def is_due(seat: CaseSeat, now: datetime) -> bool:
    """Whether it is still one of `due_seats`, once its case is locked."""
    if seat.state == SeatState.ASKED.value:
        return seat.answer_by is not None and seat.answer_by <= now
    return seat.state == SeatState.LATER.value and seat.back_on is not None and seat.back_on <= now


def seats_of(session: Session, unit: str, staff_id: str) -> list[tuple[CaseSeat, Case]]:
    """The open seats that somebody has for a unit, with their cases."""
    rows = session.execute(
        sa.select(CaseSeat, Case)
        .join(Case, Case.id == CaseSeat.case_id)
        .where(CaseSeat.staff_id == staff_id, CaseSeat.unit == unit, SEAT_IS_OPEN)
        .order_by(CaseSeat.asked_at, CaseSeat.id)
    )
    return [(seat, case) for seat, case in rows]


def open_seat_counts(session: Session, unit: str) -> dict[str, int]:
    """How many open seats each member of staff has for a unit."""
    rows = session.execute(
        sa.select(CaseSeat.staff_id, sa.func.count())
        .where(CaseSeat.unit == unit, CaseSeat.staff_id.is_not(None), SEAT_IS_OPEN)
        .group_by(CaseSeat.staff_id)
    )
    return {staff_id: count for staff_id, count in rows if staff_id is not None}


def _at_work(staff: StaffMember, query: sa.Select[Any]) -> sa.Select[Any]:
    return query if staff.active and staff.handles_cases else query.where(sa.false())


def _by_case(rows: Iterable[_Row]) -> dict[str, list[_Row]]:
    found: defaultdict[str, list[_Row]] = defaultdict(list)
    for row in rows:
        found[row.case_id].append(row)
    return found
