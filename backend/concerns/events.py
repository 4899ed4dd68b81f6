"""What a concern's handling means for the legal clocks of the case that it came to."""

from __future__ import annotations

from collections.abc import Collection

import sqlalchemy as sa
from sqlalchemy.orm import Session

from backend.concerns import repository
from backend.concerns.tables import Concern, ConcernAssessment, ConcernReport
from backend.core.clock import to_local
from backend.core.legal import Event, Happened
from backend.core.people import StaffMember

_DECIDED = {"open": Event.INVESTIGATION_OPENED, "not_open": Event.INVESTIGATION_NOT_OPENED}


def happened(session: Session, concern_ids: Collection[str]) -> dict[str, list[Happened]]:
    """What has happened in each concern, in order: received, checked, decided, feedback asked for and given.

    For a case whose readers the caller has checked. That an investigation is open already decides the
    report without opening another one.
    """
    found: dict[str, list[Happened]] = {}
    if not concern_ids:
        return found
    for concern in session.scalars(sa.select(Concern).where(Concern.id.in_(concern_ids))):
        received = to_local(concern.received_at).date()
        found[concern.id] = [Happened(Event.REPORT_RECEIVED, received, concern.protection_due, concern.id)]
    for report in session.scalars(sa.select(ConcernReport).where(ConcernReport.concern_id.in_(concern_ids))):
        if report.feedback_asked_at is not None:
            asked = to_local(report.feedback_asked_at).date()
            found[report.concern_id].append(Happened(Event.FEEDBACK_ASKED, asked, about=report.concern_id))
    query = sa.select(ConcernAssessment).where(ConcernAssessment.concern_id.in_(concern_ids))
    for made in session.scalars(query.order_by(ConcernAssessment.at)):
        kind = Event.PROTECTION_CHECKED
        if made.kind == "decision":
            kind = _DECIDED.get(made.outcome, Event.INVESTIGATION_NOT_OPENED)
        found[made.concern_id].append(Happened(kind, to_local(made.at).date(), about=made.concern_id))
    told = sa.select(Concern.id, Concern.feedback_at).where(
        Concern.id.in_(concern_ids), Concern.feedback_at.is_not(None)
    )
    for concern_id, at in session.execute(told):
        assert at is not None
        found[concern_id].append(Happened(Event.FEEDBACK_GIVEN, to_local(at).date(), about=concern_id))
    return found


def openable(session: Session, staff: StaffMember, concern_ids: Collection[str]) -> set[str]:
    """Those of the concerns whose words ``staff`` may read, within the caller's transaction."""
    return repository.openable_of(session, staff, concern_ids) if concern_ids else set()


def held(session: Session, staff: StaffMember, concern_id: str) -> bool:
    """Whether ``staff`` may read it; then it is neither changed nor erased before the caller's transaction is over."""
    return repository.hold_openable(session, staff, concern_id) is not None


def stories(session: Session, concern_ids: Collection[str]) -> dict[str, str]:
    """The story behind each of the concerns that was told as one, by concern. The caller has checked who reads them."""
    query = sa.select(Concern.id, Concern.story_id).where(Concern.id.in_(concern_ids), Concern.story_id.is_not(None))
    return {concern_id: story_id for concern_id, story_id in session.execute(query) if story_id is not None}
