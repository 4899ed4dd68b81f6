"""Reads and the one state change of concerns; every staff read starts from what that person may know of."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from backend.concerns.rules import Deed, Facts
from backend.concerns.tables import (
    Concern,
    ConcernAnswer,
    ConcernAssessment,
    ConcernHandover,
    ConcernRelease,
    ConcernSeen,
    Handed,
    State,
)
from backend.core.access import Kind, visible
from backend.core.audit import AuditEvent
from backend.core.db import affected
from backend.core.people import StaffMember

AT_MOST = 200
_BY_CLOCK = (Concern.next_due.is_(None), Concern.next_due, Concern.received_at)
"""By the next legal day, what has none left last; within a day the one that has waited longest. No score, no danger."""


def readable_by(staff: StaffMember) -> sa.Select[Concern]:
    """The concerns that ``staff`` may know of: their own unit's, but for what is withheld from them.

    Nothing when they have left, nothing for an administrator or an editor. A restricted one
    stays in the queue of the whole unit until somebody takes it, so that it is never left
    waiting for a manager who is away; then only that person and the manager know of it.
    """
    mine = sa.select(Concern).where(Concern.unit == staff.unit, visible(staff, (Kind.CONCERN, Concern.id)))
    if not (staff.active and staff.handles_cases):
        return mine.where(sa.false())
    if staff.is_manager:
        return mine
    return mine.where(
        sa.or_(Concern.restricted.is_(False), Concern.state == State.NEW, Concern.accepted_by == staff.id)
    )


def openable_by(staff: StaffMember) -> sa.Select[Concern]:
    """The concerns whose words ``staff`` may read: a restricted one must be taken first, except by a manager.

    What somebody has given back is no longer theirs to read until they take it again.
    """
    gave_back = (
        sa.exists()
        .where(
            ConcernHandover.concern_id == Concern.id,
            ConcernHandover.kind == Handed.DECLINED,
            ConcernHandover.staff_id == staff.id,
        )
        .correlate(Concern)
    )
    known = readable_by(staff)
    if staff.is_manager:
        return known
    return known.where(
        sa.or_(Concern.accepted_by == staff.id, sa.and_(Concern.restricted.is_(False), sa.not_(gave_back)))
    )


def in_clock_order(session: Session, staff: StaffMember) -> Sequence[Concern]:
    """What ``staff`` may know of and is not closed, by the next legal day."""
    return session.scalars(
        readable_by(staff).where(Concern.closed_at.is_(None)).order_by(*_BY_CLOCK).limit(AT_MOST)
    ).all()


def inbox_query(staff: StaffMember, closed: bool) -> sa.Select[Concern, datetime | None]:
    """What ``staff`` may know of, each with when they last had it open: by the next legal day, or the latest closed first."""
    query = (
        readable_by(staff)
        .outerjoin(ConcernSeen, sa.and_(ConcernSeen.concern_id == Concern.id, ConcernSeen.staff_id == staff.id))
        .add_columns(ConcernSeen.at)
    )
    if closed:
        return query.where(Concern.closed_at.is_not(None)).order_by(Concern.closed_at.desc())
    return query.where(Concern.closed_at.is_(None)).order_by(*_BY_CLOCK)


def inbox(
    session: Session, staff: StaffMember, closed: bool, at_most: int = AT_MOST
) -> list[tuple[Concern, datetime | None]]:
    """The first of `inbox_query`."""
    return [(concern, seen) for concern, seen in session.execute(inbox_query(staff, closed).limit(at_most))]


def mark_seen(session: Session, concern_id: str, staff_id: str, at: datetime) -> None:
    """Nothing of it is unread for ``staff_id`` any more."""
    seen = session.get(ConcernSeen, (concern_id, staff_id))
    if seen is None:
        # Two windows at once may both be first; then the other's row is as good.
        insert = sqlite.insert if session.get_bind().dialect.name == "sqlite" else postgresql.insert
        row = {"concern_id": concern_id, "staff_id": staff_id, "at": at}
        session.execute(insert(ConcernSeen).values(row).on_conflict_do_nothing())
    else:
        seen.at = at


@dataclass(frozen=True, slots=True)
class Sent:
    """What was known of a concern when it came and what the rules made of it; no words, no id."""

    received_at: datetime
    facts: Facts
    unit: str
    rule_id: str
    reason: str
    restricted: bool
    decision: bool


def sent_since(session: Session, since: datetime) -> list[Sent]:
    """Everything that has arrived since, oldest first, by where the rules sent it. For trying other rules only."""
    first_move = (
        sa.select(ConcernHandover.from_unit)
        .where(ConcernHandover.concern_id == Concern.id, ConcernHandover.kind == Handed.MOVED)
        .order_by(ConcernHandover.at, ConcernHandover.id)
        .limit(1)
        .scalar_subquery()
    )
    rows = session.execute(
        sa.select(
            Concern.received_at,
            Concern.about,
            Concern.happening,
            Concern.who,
            Concern.band,
            Concern.danger_level,
            Concern.danger_category,
            Concern.source,
            Concern.needs,
            Concern.area,
            Concern.interpreter,
            Concern.lang,
            sa.func.coalesce(first_move, Concern.unit),
            Concern.rule_id,
            Concern.reason,
            Concern.restricted,
            Concern.decision_due.is_not(None),
        )
        .where(Concern.received_at >= since)
        .order_by(Concern.received_at)
    )
    return [
        Sent(
            received_at=row[0],
            facts=Facts(*row[1:8], frozenset(row[8].split()), row[9], row[10] or row[11]),
            unit=row[12],
            rule_id=row[13],
            reason=row[14],
            restricted=row[15],
            decision=bool(row[16]),
        )
        for row in rows
    ]


def find_known(session: Session, staff: StaffMember, concern_id: str) -> Concern | None:
    """The concern if ``staff`` may know of it."""
    return session.scalar(readable_by(staff).where(Concern.id == concern_id))


def find_openable(session: Session, staff: StaffMember, concern_id: str) -> Concern | None:
    """The concern if ``staff`` may read its words."""
    return session.scalar(openable_by(staff).where(Concern.id == concern_id))


def openable_of(session: Session, staff: StaffMember, concern_ids: Collection[str]) -> set[str]:
    """Those of the concerns whose words ``staff`` may read."""
    query = openable_by(staff).where(Concern.id.in_(concern_ids)).with_only_columns(Concern.id)
    return set(session.scalars(query))


def hold_openable(session: Session, staff: StaffMember, concern_id: str) -> Concern | None:
    """`find_openable`, and nobody else answers it before this transaction is over."""
    return session.scalar(openable_by(staff).where(Concern.id == concern_id).with_for_update())


def find_sent(session: Session, form_key: str) -> Concern | None:
    """The concern that an earlier send with the same key made. For the sender, not for staff."""
    return session.scalar(sa.select(Concern).where(Concern.form_key == form_key))


def of_story(session: Session, story_id: str) -> Sequence[Concern]:
    """The concerns that a story has led to, oldest first. For the sender, not for staff."""
    return session.scalars(sa.select(Concern).where(Concern.story_id == story_id).order_by(Concern.received_at)).all()


def take(session: Session, staff: StaffMember, concern_id: str, at: datetime) -> bool:
    """Make ``staff`` the one who has accepted; False when somebody was first. The caller has checked that it may be known."""
    change = (
        sa.update(Concern)
        .where(Concern.id == concern_id, Concern.unit == staff.unit, Concern.state == State.NEW)
        .values(state=State.ACCEPTED.value, accepted_at=at, accepted_by=staff.id, take_by=None, untaken_at=None)
    )
    return bool(affected(session, change))


def untaken(session: Session, now: datetime, at_most: int) -> Sequence[Concern]:
    """Those whose time to be taken has run out and of which nobody has been told yet, held until the transaction ends."""
    query = sa.select(Concern).where(
        Concern.take_by.is_not(None), Concern.take_by <= now, Concern.state == State.NEW, Concern.closed_at.is_(None)
    )
    return session.scalars(query.order_by(Concern.take_by).limit(at_most).with_for_update(skip_locked=True)).all()


def assessments(session: Session, concern_id: str) -> Sequence[ConcernAssessment]:
    """The protection check and the decision, as far as they are made."""
    return session.scalars(sa.select(ConcernAssessment).where(ConcernAssessment.concern_id == concern_id)).all()


def handovers(session: Session, concern_id: str) -> Sequence[ConcernHandover]:
    """Every time it was moved, given back or put off, oldest first."""
    return session.scalars(
        sa.select(ConcernHandover)
        .where(ConcernHandover.concern_id == concern_id)
        .order_by(ConcernHandover.at, ConcernHandover.id)
    ).all()


def releases(session: Session, concern_id: str, since: datetime) -> Sequence[ConcernRelease]:
    """Wishes for a whole export since a moment, oldest first."""
    return session.scalars(
        sa.select(ConcernRelease)
        .where(ConcernRelease.concern_id == concern_id, ConcernRelease.asked_at > since)
        .order_by(ConcernRelease.asked_at, ConcernRelease.id)
    ).all()


def release(session: Session, concern_id: str, release_id: str) -> ConcernRelease | None:
    """One wish of that concern."""
    return session.scalar(
        sa.select(ConcernRelease).where(ConcernRelease.id == release_id, ConcernRelease.concern_id == concern_id)
    )


def approve(session: Session, release_id: str, staff_id: str, at: datetime, asked_after: datetime) -> bool:
    """Let a second person say yes; False for who asked, for a settled one and for an old one."""
    change = (
        sa.update(ConcernRelease)
        .where(
            ConcernRelease.id == release_id,
            ConcernRelease.asked_by != staff_id,
            ConcernRelease.approved_at.is_(None),
            ConcernRelease.asked_at > asked_after,
        )
        .values(approved_by=staff_id, approved_at=at)
    )
    return bool(affected(session, change))


def may_release(session: Session, concern_id: str, staff_id: str, approved_after: datetime) -> bool:
    """Whether a second person has said yes to the wish of ``staff_id`` since a moment."""
    return bool(
        session.scalar(
            sa.select(
                sa.exists().where(
                    ConcernRelease.concern_id == concern_id,
                    ConcernRelease.asked_by == staff_id,
                    ConcernRelease.approved_at > approved_after,
                )
            )
        )
    )


def answers(session: Session, concern_id: str) -> list[tuple[ConcernAnswer, StaffMember]]:
    """What has been answered and by whom, oldest first."""
    rows = session.execute(
        sa.select(ConcernAnswer, StaffMember)
        .join(StaffMember, StaffMember.id == ConcernAnswer.staff_id)
        .where(ConcernAnswer.concern_id == concern_id)
        .order_by(ConcernAnswer.at, ConcernAnswer.id)
    )
    return [(answer, member) for answer, member in rows]


def names(session: Session, staff_ids: set[str]) -> dict[str, str]:
    """First names by staff id."""
    rows = session.scalars(sa.select(StaffMember).where(StaffMember.id.in_(staff_ids)))
    return {row.id: row.first_name for row in rows}


def history(session: Session, concern_id: str) -> list[Deed]:
    """What has happened to a concern, oldest first, reads included."""
    rows = session.execute(
        sa.select(AuditEvent.at, AuditEvent.tag, StaffMember.first_name)
        .outerjoin(StaffMember, StaffMember.id == AuditEvent.actor)
        .where(AuditEvent.subject == concern_id)
        .order_by(AuditEvent.id)
    )
    return [Deed(at, tag, name or "") for at, tag, name in rows]
