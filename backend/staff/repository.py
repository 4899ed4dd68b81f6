"""Reads and writes of logins."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from backend.core.people import StaffMember
from backend.staff.rules import IDLE, LISTENS, LONGEST
from backend.staff.tables import StaffSession


def find(session: Session, digest: str) -> tuple[StaffSession, StaffMember] | None:
    """A login with its person, if that person may still be here."""
    row = session.execute(
        sa.select(StaffSession, StaffMember)
        .join(StaffMember, StaffMember.id == StaffSession.staff_id)
        .where(StaffSession.id == digest, StaffMember.active.is_(True))
    ).one_or_none()
    return (row[0], row[1]) if row is not None else None


def note_use(session: Session, digest: str, now: datetime) -> None:
    """Write down that a session was used."""
    session.execute(sa.update(StaffSession).where(StaffSession.id == digest).values(seen_at=now))


def note_listening(session: Session, digest: str, now: datetime) -> None:
    """Write down that a page of a session listens."""
    session.execute(sa.update(StaffSession).where(StaffSession.id == digest).values(listened_at=now))


def end(session: Session, digest: str) -> str | None:
    """Delete a session and return whose it was, or None."""
    row = session.get(StaffSession, digest)
    if row is None:
        return None
    session.delete(row)
    return row.staff_id


def end_all(session: Session, staff_id: str) -> None:
    """Delete every login of somebody."""
    session.execute(sa.delete(StaffSession).where(StaffSession.staff_id == staff_id))


def forget_ended(session: Session, now: datetime) -> None:
    """Delete sessions that nobody can use any more."""
    silent = sa.or_(StaffSession.listened_at.is_(None), StaffSession.listened_at <= now - LISTENS)
    session.execute(
        sa.delete(StaffSession).where(
            sa.or_(
                sa.and_(StaffSession.seen_at <= now - IDLE, silent),
                StaffSession.created_at <= now - LONGEST,
            )
        )
    )
