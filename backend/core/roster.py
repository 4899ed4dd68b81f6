"""Who is at work: absences of staff, and the rule that nobody who is away is given anything new.

An absence counts from ``from_at`` until ``until_at``, or until somebody says that the person is
back. Giving somebody work and noting them as absent both lock the person's row first, so that
the two cannot pass each other (`hold_on_duty`).
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, Session, mapped_column

from backend.core import audit
from backend.core.audit import Tag
from backend.core.db import Base, Instant, affected
from backend.core.people import StaffMember
from backend.core.vault import new_id


class Away(StrEnum):
    """Why somebody is away, as far as colleagues need to know."""

    SICK = "sick"
    LEAVE = "leave"
    OTHER = "other"


class StaffAbsence(Base):
    """One stretch of time in which somebody is not at work; open-ended while ``until_at`` is null."""

    __tablename__ = "staff_absence"

    id: Mapped[str] = mapped_column(primary_key=True)
    staff_id: Mapped[str] = mapped_column(sa.ForeignKey("staff_member.id", ondelete="CASCADE"))
    kind: Mapped[str]
    from_at: Mapped[datetime] = mapped_column(Instant)
    until_at: Mapped[datetime | None] = mapped_column(Instant)
    by: Mapped[str]

    __table_args__ = (sa.Index(None, "staff_id", "until_at"),)


def off_duty(column: Any, now: datetime) -> sa.ColumnElement[bool]:
    """A condition for ``WHERE``: the member of staff whose id is in ``column`` is away at ``now``."""
    return sa.exists().where(StaffAbsence.staff_id == column, _during(now))


def hold_on_duty(session: Session, staff_id: str, now: datetime) -> StaffMember | None:
    """The person if they are employed and at work, locked until the transaction ends; else None."""
    member = session.scalar(sa.select(StaffMember).where(StaffMember.id == staff_id).with_for_update(key_share=True))
    if member is None or not member.active:
        return None
    # Asked after the lock is held, and not in the same query: a lock that was waited for shows
    # PostgreSQL's newest version of the locked row alone, not of the others that were read with it.
    away = session.scalar(sa.select(StaffAbsence.id).where(StaffAbsence.staff_id == staff_id, _during(now)).limit(1))
    return member if away is None else None


def go_off(
    session: Session, now: datetime, staff_id: str, kind: Away, until: datetime | None, *, by: StaffMember
) -> None:
    """Note somebody as away from ``now``; an absence that is going on is replaced."""
    session.scalar(sa.select(StaffMember.id).where(StaffMember.id == staff_id).with_for_update(key_share=True))
    _end(session, staff_id, now)
    session.add(StaffAbsence(id=new_id(), staff_id=staff_id, kind=kind.value, from_at=now, until_at=until, by=by.id))
    session.flush()
    audit.record(session, now, Tag.STAFF_OFF_DUTY, staff_id, actor=by.id, detail=kind.value)


def plan(
    session: Session, now: datetime, staff_id: str, kind: Away, begin: datetime, end: datetime, *, by: StaffMember
) -> str:
    """Note an absence from ``begin`` to ``end``, which may lie ahead; returns its id."""
    session.scalar(sa.select(StaffMember.id).where(StaffMember.id == staff_id).with_for_update(key_share=True))
    row = StaffAbsence(id=new_id(), staff_id=staff_id, kind=kind.value, from_at=begin, until_at=end, by=by.id)
    session.add(row)
    session.flush()
    audit.record(session, now, Tag.STAFF_OFF_DUTY, staff_id, actor=by.id, detail=kind.value)
    return row.id


def planned(session: Session, staff_id: str, begin: datetime, end: datetime) -> list[StaffAbsence]:
    """Somebody's absences that touch a stretch of time, in order."""
    query = sa.select(StaffAbsence).where(
        StaffAbsence.staff_id == staff_id,
        sa.or_(StaffAbsence.until_at.is_(None), StaffAbsence.until_at > begin),
        StaffAbsence.from_at < end,
    )
    return list(session.scalars(query.order_by(StaffAbsence.from_at, StaffAbsence.id)))


def change(
    session: Session, now: datetime, absence: StaffAbsence, begin: datetime, end: datetime, *, by: StaffMember
) -> None:
    """Move an absence."""
    absence.from_at, absence.until_at, absence.by = begin, end, by.id
    session.flush()
    audit.record(session, now, Tag.STAFF_OFF_DUTY, absence.staff_id, actor=by.id, detail=absence.kind)


def take_back(session: Session, now: datetime, absence: StaffAbsence, *, by: StaffMember) -> None:
    """An absence that lies ahead is not to be; one that is going on ends now, and one that is over stays."""
    if absence.from_at >= now:
        session.delete(absence)
    elif absence.until_at is None or absence.until_at > now:
        absence.until_at = now
    session.flush()
    audit.record(session, now, Tag.STAFF_ON_DUTY, absence.staff_id, actor=by.id)


def forget(session: Session, ended_before: datetime) -> None:
    """Delete absences that ended before a moment: why somebody was away is nobody's business for ever."""
    session.execute(sa.delete(StaffAbsence).where(StaffAbsence.until_at < ended_before))


def come_back(session: Session, now: datetime, staff_id: str, *, by: StaffMember) -> None:
    """Somebody is at work again; nothing happens to who was."""
    if _end(session, staff_id, now):
        audit.record(session, now, Tag.STAFF_ON_DUTY, staff_id, actor=by.id)


def absences(session: Session, now: datetime) -> dict[str, StaffAbsence]:
    """Who is away at ``now``, by staff id."""
    return {row.staff_id: row for row in session.scalars(sa.select(StaffAbsence).where(_during(now)))}


def _during(now: datetime) -> sa.ColumnElement[bool]:
    return sa.and_(StaffAbsence.from_at <= now, sa.or_(StaffAbsence.until_at.is_(None), StaffAbsence.until_at > now))


def _end(session: Session, staff_id: str, now: datetime) -> bool:
    change = sa.update(StaffAbsence).where(StaffAbsence.staff_id == staff_id, _during(now)).values(until_at=now)
    return bool(affected(session, change))
