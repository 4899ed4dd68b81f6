"""Reads of cases and persons; every one starts from what that member of staff may know of."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from backend.cases.tables import Case, CaseSeat, CaseState, Person, SeatState
from backend.core.access import Kind, opened, visible
from backend.core.people import StaffMember


def works_in(staff: StaffMember) -> sa.ColumnElement[bool]:
    """A condition: ``staff`` has accepted a seat in the case."""
    return sa.exists().where(
        CaseSeat.case_id == Case.id, CaseSeat.staff_id == staff.id, CaseSeat.state == SeatState.ACCEPTED.value
    )


def readable_by(staff: StaffMember, now: datetime) -> sa.Select[Case]:
    """The cases that ``staff`` may read: those they work in, lead as the unit's manager, or have opened with a reason.

    Nothing that is withheld from them, nothing when they have left, nothing for an administrator or an editor.
    """
    found = sa.select(Case).where(
        visible(staff, (Kind.PERSON, Case.person_id), (Kind.CASE, Case.id)),
        sa.or_(
            works_in(staff),
            Case.unit == staff.unit if staff.is_manager else sa.false(),
            opened(staff, Kind.CASE, Case.id, now),
        ),
    )
    return found if staff.active and staff.handles_cases else found.where(sa.false())


def askable_by(staff: StaffMember) -> sa.Select[Case]:
    """The cases that ``staff`` may open with a written reason: their unit leads or takes part, and nothing is withheld.

    All others do not exist for them.
    """
    takes_part = sa.exists().where(
        CaseSeat.case_id == Case.id, CaseSeat.unit == staff.unit, CaseSeat.state == SeatState.ACCEPTED.value
    )
    found = sa.select(Case).where(
        visible(staff, (Kind.PERSON, Case.person_id), (Kind.CASE, Case.id)),
        sa.or_(Case.unit == staff.unit, takes_part),
    )
    return found if staff.active and staff.handles_cases else found.where(sa.false())


def people_readable_by(staff: StaffMember, now: datetime) -> sa.Select[Person]:
    """The records that ``staff`` may read: of those whose case they may read, and new ones without a case in their unit."""
    through_case = sa.exists(readable_by(staff, now).where(Case.person_id == Person.id).with_only_columns(Case.id))
    no_case = ~sa.exists().where(Case.person_id == Person.id)
    alone = sa.and_(no_case, sa.or_(Person.created_by == staff.id, _leads(staff)))
    found = sa.select(Person).where(visible(staff, (Kind.PERSON, Person.id)), sa.or_(through_case, alone))
    return found if staff.active and staff.handles_cases else found.where(sa.false())


def find(session: Session, staff: StaffMember, case_id: str, now: datetime) -> Case | None:
    """The case if ``staff`` may read it."""
    return session.scalar(readable_by(staff, now).where(Case.id == case_id))


def hold(session: Session, staff: StaffMember, case_id: str, now: datetime) -> Case | None:
    """`find`, and nobody else changes it before this transaction is over."""
    return session.scalar(readable_by(staff, now).where(Case.id == case_id).with_for_update(of=Case, key_share=True))


def readable_of(session: Session, staff: StaffMember, case_ids: Collection[str], now: datetime) -> set[str]:
    """Those of the cases that ``staff`` may read."""
    query = readable_by(staff, now).where(Case.id.in_(case_ids)).with_only_columns(Case.id)
    return set(session.scalars(query))


def open_case_of(session: Session, person_id: str) -> Case | None:
    """The person's case that is not closed. For the service, which decides what may be told of it."""
    return session.scalar(sa.select(Case).where(Case.person_id == person_id, Case.state != CaseState.CLOSED.value))


def _leads(staff: StaffMember) -> sa.ColumnElement[bool]:
    return Person.unit == staff.unit if staff.is_manager else sa.false()
