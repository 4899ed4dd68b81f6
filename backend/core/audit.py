"""Who did what, when: a row in the same transaction as the deed, with no content in it."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, Session, mapped_column

from backend.core.db import Base, Instant


class Tag(StrEnum):
    """Everything that is written down, as ``source:subject:action``."""

    CHAT_STARTED = "chat:chat:started"
    CHAT_WIPED = "chat:chat:wiped"
    CHAT_PURGED = "system:chat:purged"
    DANGER_SHOWN = "chat:danger:shown"
    DANGER_CORRECTED = "chat:danger:corrected"
    BOOKING_HELD = "booking:booking:held"
    BOOKING_CONFIRMED = "booking:booking:confirmed"
    BOOKING_CANCELLED = "booking:booking:cancelled"
    BOOKING_MOVED = "booking:booking:moved"
    BOOKING_REBOOKED = "booking:booking:rebooked"
    BOOKING_REASSIGNED = "staff:booking:reassigned"
    BOOKING_MISSED = "staff:booking:missed"
    BOOKING_DONE = "staff:booking:done"
    BOOKING_RELEASED = "booking:hold:released"
    BOOKING_READ = "staff:booking:read"
    CONCERN_RECEIVED = "case:concern:received"
    CONCERN_TOLD_MORE = "case:concern:told_more"
    CONCERN_READ = "staff:concern:read"
    CONCERN_ACCEPTED = "staff:concern:accepted"
    CONCERN_ANSWERED = "staff:concern:answered"
    ALERT_ACKNOWLEDGED = "staff:alert:acknowledged"
    CODE_USED = "code:code:used"
    CODE_MISSED = "code:code:missed"
    MISUNDERSTOOD_LABELLED = "staff:misunderstood:labelled"
    MISUNDERSTOOD_DELETED = "staff:misunderstood:deleted"
    MISUNDERSTOOD_EXPORTED = "staff:misunderstood:exported"
    STAFF_LOGIN = "staff:session:started"
    STAFF_LOGIN_FAILED = "staff:session:refused"
    STAFF_LOGOUT = "staff:session:ended"
    STAFF_ADDED = "system:staff:added"


class AuditEvent(Base):
    """One deed. ``actor`` is a staff id, ``visitor`` or ``system``; ``detail`` holds rule ids and codes, never words."""

    __tablename__ = "audit_event"

    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(Instant, index=True)
    actor: Mapped[str]
    tag: Mapped[str]
    subject: Mapped[str] = mapped_column(index=True)
    detail: Mapped[str]


# Written with every deed, so it goes past the unit of work, which costs several times the insert itself.
_INSERT = sa.insert(AuditEvent)


def record(session: Session, at: datetime, tag: Tag, subject: str, *, actor: str = "visitor", detail: str = "") -> None:
    """Add an audit row to the caller's transaction."""
    row = {"at": at, "actor": actor, "tag": tag.value, "subject": subject, "detail": detail}
    session.connection().execute(_INSERT, row)
