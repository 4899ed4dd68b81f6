"""An alert as a row. Nothing in it can say what was told, or in which chat."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from backend.core.db import Base, Instant

RINGING = sa.text("acknowledged_at IS NULL AND corrected_at IS NULL")


class Alert(Base):
    """Danger of level ``A0`` or ``A1`` that somebody on duty is to see.

    ``at`` is when it first rang, ``rang_at`` when it last did. ``reference`` is a keyed
    digest of the chat, booking or concern: it recognises the same one again and leads
    nowhere; one of it rings at a time, by a unique index. ``subject`` is the booking,
    concern or talk to open, for whoever may; ``unit`` and ``staff_id`` are the unit and the
    therapist that it belongs to. ``corrected_at``: the person has said that it was no danger.
    """

    __tablename__ = "alert"

    id: Mapped[str] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(Instant, index=True)
    rang_at: Mapped[datetime] = mapped_column(Instant)
    level: Mapped[str]
    category: Mapped[str]
    source: Mapped[str]
    reference: Mapped[str]
    subject: Mapped[str | None]
    unit: Mapped[str | None]
    staff_id: Mapped[str | None]
    out_of_hours: Mapped[bool]
    acknowledged_at: Mapped[datetime | None] = mapped_column(Instant)
    acknowledged_by: Mapped[str | None] = mapped_column(sa.ForeignKey("staff_member.id", ondelete="SET NULL"))
    corrected_at: Mapped[datetime | None] = mapped_column(Instant)

    __table_args__ = (
        sa.CheckConstraint("level IN ('A0', 'A1')", name="level"),
        sa.CheckConstraint("source IN ('chat', 'talk', 'booking', 'concern')", name="source"),
        sa.Index(
            "uq_alert_ringing_reference", "reference", unique=True, sqlite_where=RINGING, postgresql_where=RINGING
        ),
    )
