"""The same booking as it is often stored: five rows, no cells, no sealing, one transaction."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    """The peers' own tables."""


class Therapist(Base):
    """Somebody to book."""

    __tablename__ = "therapist"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]


class Booking(Base):
    """A talk; nothing in the database keeps two of them apart."""

    __tablename__ = "booking"
    id: Mapped[int] = mapped_column(primary_key=True)
    holder: Mapped[str] = mapped_column(index=True)
    therapist_id: Mapped[int] = mapped_column(sa.ForeignKey("therapist.id"))
    start_at: Mapped[datetime]
    end_at: Mapped[datetime]
    state: Mapped[str]
    channel: Mapped[str]

    __table_args__ = (sa.Index("ix_booking_therapist_start", "therapist_id", "start_at"),)


class ReturnCode(Base):
    """A way back."""

    __tablename__ = "return_code"
    id: Mapped[int] = mapped_column(primary_key=True)
    digest: Mapped[bytes] = mapped_column(unique=True)
    booking_id: Mapped[int] = mapped_column(sa.ForeignKey("booking.id"), index=True)


class AuditEvent(Base):
    """Who did what."""

    __tablename__ = "audit_event"
    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(index=True)
    actor: Mapped[str]
    tag: Mapped[str]
    subject: Mapped[str] = mapped_column(index=True)


class OutboxMessage(Base):
    """A mail to send."""

    __tablename__ = "outbox_message"
    id: Mapped[int] = mapped_column(primary_key=True)
    recipient: Mapped[str]
    subject: Mapped[str]
    body: Mapped[str]
    state: Mapped[str] = mapped_column(index=True)


def rows_of(booking: Booking, digest: bytes, at: datetime) -> list[Base]:
    """What is stored with a booking that has its id."""
    subject = str(booking.id)
    return [
        ReturnCode(digest=digest, booking_id=booking.id),
        AuditEvent(at=at, actor="visitor", tag="held", subject=subject),
        AuditEvent(at=at, actor="visitor", tag="booked", subject=subject),
        OutboxMessage(recipient="unit@example.org", subject="Ny händelse", body="Logga in.", state="pending"),
    ]


def taken(start: datetime, end: datetime) -> sa.Select[int]:
    """Therapists who are busy at some time between the two."""
    return sa.select(Booking.therapist_id).where(
        Booking.state == "booked", Booking.start_at < end, Booking.end_at > start, Booking.therapist_id > 0
    )


def configure(connection: object, _record: object) -> None:
    """The settings that make SQLite safe and quick for anybody: the comparison is not won by leaving them out."""
    cursor = connection.cursor()  # type: ignore[attr-defined]
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=30000"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()
