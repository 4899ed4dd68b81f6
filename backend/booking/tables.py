"""Who works when, who has booked what, and the cells that make double booking impossible."""

from __future__ import annotations

from datetime import date, datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from backend.booking.lifecycle import BOOKED, HELD, STATES
from backend.core.db import Base, Instant

ACTIVE = sa.text(f"booking.state IN ('{HELD}', '{BOOKED}')")
"""The condition of the partial index, in the words in which a query must repeat it to be served by it."""
_ACTIVE = sa.text(f"state IN ('{HELD}', '{BOOKED}')")
_STATES = ", ".join(f"'{state}'" for state in STATES)


class Therapist(Base):
    """A staff member who takes talks. ``channels`` and ``languages`` are comma-separated; ``meeting_url`` is the own video room.

    Lengths, ``notice_minutes``, ``cutoff_minute`` and ``release_minute`` (minutes of the local day) are the
    municipality's where they are None. ``personal``: the times are only for those who ask for this very person.
    """

    __tablename__ = "therapist"

    staff_id: Mapped[str] = mapped_column(sa.ForeignKey("staff_member.id"), primary_key=True)
    channels: Mapped[str]
    meeting_url: Mapped[str | None]
    languages: Mapped[str] = mapped_column(default="sv", server_default="sv")
    gender: Mapped[str | None]
    personal: Mapped[bool] = mapped_column(default=False, server_default=sa.false())
    meeting_minutes: Mapped[int | None]
    buffer_minutes: Mapped[int | None]
    notice_minutes: Mapped[int | None]
    cutoff_minute: Mapped[int | None]
    release_minute: Mapped[int | None]

    __table_args__ = (
        sa.CheckConstraint("gender IN ('woman', 'man')", name="gender"),
        sa.CheckConstraint("meeting_minutes BETWEEN 5 AND 240 AND meeting_minutes % 5 = 0", name="meeting"),
        sa.CheckConstraint("buffer_minutes BETWEEN 0 AND 120 AND buffer_minutes % 5 = 0", name="buffer"),
    )


_SPAN = "start_minute >= 0 AND end_minute <= 1440 AND start_minute < end_minute"


class HoursPeriod(Base):
    """Local days, ``last`` included, on which a therapist has other weekly hours: a summer, a new timetable."""

    __tablename__ = "hours_period"

    id: Mapped[str] = mapped_column(primary_key=True)
    staff_id: Mapped[str] = mapped_column(sa.ForeignKey("therapist.staff_id"), index=True)
    name: Mapped[str]
    first: Mapped[date]
    last: Mapped[date | None]

    __table_args__ = (sa.CheckConstraint("first <= last", name="order"),)


class WorkingHours(Base):
    """Unbroken hours on a weekday (Monday 0), minutes of the local wall clock; a break is a gap between two rows.

    Without ``period_id`` they are the usual week.
    """

    __tablename__ = "working_hours"

    id: Mapped[int] = mapped_column(primary_key=True)
    staff_id: Mapped[str] = mapped_column(sa.ForeignKey("therapist.staff_id"), index=True)
    period_id: Mapped[str | None] = mapped_column(sa.ForeignKey("hours_period.id"), index=True)
    weekday: Mapped[int]
    start_minute: Mapped[int]
    end_minute: Mapped[int]

    __table_args__ = (
        sa.CheckConstraint("weekday BETWEEN 0 AND 6", name="weekday"),
        sa.CheckConstraint(_SPAN, name="span"),
    )


class AcuteHours(Base):
    """A part of every such weekday that is kept for whoever cannot wait."""

    __tablename__ = "acute_hours"

    id: Mapped[int] = mapped_column(primary_key=True)
    staff_id: Mapped[str] = mapped_column(sa.ForeignKey("therapist.staff_id"), index=True)
    weekday: Mapped[int]
    start_minute: Mapped[int]
    end_minute: Mapped[int]

    __table_args__ = (
        sa.CheckConstraint("weekday BETWEEN 0 AND 6", name="weekday"),
        sa.CheckConstraint(_SPAN, name="span"),
    )


class DayHours(Base):
    """Hours of one day: ``instead`` of the week's, or ``extra`` beside them, then also on a closed day."""

    __tablename__ = "day_hours"

    id: Mapped[str] = mapped_column(primary_key=True)
    staff_id: Mapped[str] = mapped_column(sa.ForeignKey("therapist.staff_id"))
    day: Mapped[date]
    kind: Mapped[str]
    start_minute: Mapped[int]
    end_minute: Mapped[int]

    __table_args__ = (
        sa.CheckConstraint("kind IN ('extra', 'instead')", name="kind"),
        sa.CheckConstraint(_SPAN, name="span"),
        sa.Index(None, "day", "staff_id"),
    )


class ScheduleStamp(Base):
    """A word that is another one after every change of who works when: one row, written by triggers.

    What has been read and worked out of the tables above (and of absences, names and who is employed) is
    good for as long as it is the same, whoever changes them and in which process. A word out of thin air
    and no count: two changes of which one was rolled back must never bear the same.
    """

    __tablename__ = "schedule_stamp"

    id: Mapped[int] = mapped_column(primary_key=True)
    stamp: Mapped[str]

    __table_args__ = (sa.CheckConstraint("id = 1", name="one"),)


class Booking(Base):
    """A talk held for five minutes, booked, held as it was meant, missed, or cancelled (see `lifecycle`).

    ``holder`` is whoever holds or booked it (a chat, a form, a code), and has at most one
    active booking; it is forgotten once the talk is over. ``interpreter`` is the
    language that one is wished for in, by its code in the content; ``wish`` is with whom
    (`rules.Wish.told`). ``phone``, ``safe`` (JSON of the safe-contact answers), ``note``,
    ``call_me`` (what to call the person) and ``reminder`` (JSON: by what and where to) are
    sealed with ``data_key``. ``danger_level`` and ``danger_category`` say what the person's
    own words may mean.
    """

    __tablename__ = "booking"

    id: Mapped[str] = mapped_column(primary_key=True)
    holder: Mapped[str | None]
    therapist_id: Mapped[str] = mapped_column(sa.ForeignKey("therapist.staff_id"))
    start_at: Mapped[datetime] = mapped_column(Instant)
    end_at: Mapped[datetime] = mapped_column(Instant, index=True)
    state: Mapped[str]
    hold_until: Mapped[datetime | None] = mapped_column(Instant)
    channel: Mapped[str | None]
    who: Mapped[str | None]
    band: Mapped[str | None]
    lang: Mapped[str] = mapped_column(default="sv")
    interpreter: Mapped[str | None]
    wish: Mapped[str | None]
    data_key: Mapped[bytes | None]
    phone: Mapped[bytes | None]
    safe: Mapped[bytes | None]
    note: Mapped[bytes | None]
    call_me: Mapped[bytes | None]
    reminder: Mapped[bytes | None]
    danger_level: Mapped[str | None]
    danger_category: Mapped[str | None]
    receipt: Mapped[str | None] = mapped_column(unique=True)
    created_at: Mapped[datetime] = mapped_column(Instant)
    confirmed_at: Mapped[datetime | None] = mapped_column(Instant)
    cancelled_at: Mapped[datetime | None] = mapped_column(Instant)

    __table_args__ = (
        sa.CheckConstraint(f"state IN ({_STATES})", name="state"),
        sa.Index(None, "therapist_id", "start_at", "state"),
        sa.Index(None, "state", "hold_until"),
        sa.Index("uq_booking_active_holder", "holder", unique=True, sqlite_where=_ACTIVE, postgresql_where=_ACTIVE),
    )


class BookingCell(Base):
    """Five minutes of a therapist, counted from 1970. The primary key is what no two bookings can share.

    A key works alike on SQLite and PostgreSQL and needs no extension, and unlike a
    unique start time it also refuses talks that overlap. Every talk but a cancelled one
    owns its cells, the buffer after included (`lifecycle.OCCUPIES`).
    """

    __tablename__ = "booking_cell"

    therapist_id: Mapped[str] = mapped_column(sa.ForeignKey("therapist.staff_id"), primary_key=True)
    cell: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    booking_id: Mapped[str] = mapped_column(sa.ForeignKey("booking.id"), index=True)

    __table_args__ = {"sqlite_with_rowid": False}  # noqa: RUF012


class AfterTalk(Base):
    """What the therapist has written down after a talk: a checklist, not the journal, and gone with its booking.

    ``record`` (JSON) is sealed with ``data_key``. ``legal_basis`` is ``unset`` until a person has chosen one.
    """

    __tablename__ = "after_talk"

    booking_id: Mapped[str] = mapped_column(sa.ForeignKey("booking.id"), primary_key=True)
    by: Mapped[str] = mapped_column(sa.ForeignKey("staff_member.id"))
    at: Mapped[datetime] = mapped_column(Instant)
    legal_basis: Mapped[str]
    follow_up_at: Mapped[datetime | None] = mapped_column(Instant, index=True)
    data_key: Mapped[bytes]
    record: Mapped[bytes]


class MissedTalk(Base):
    """A person who did not come. From a child that is a sign to act on, so it has steps of its own (`missed.Step`).

    ``reason`` is sealed with ``data_key``: why no more is done, in the words of whoever has decided it.
    """

    __tablename__ = "missed_talk"

    booking_id: Mapped[str] = mapped_column(sa.ForeignKey("booking.id"), primary_key=True)
    step: Mapped[str]
    at: Mapped[datetime] = mapped_column(Instant)
    by: Mapped[str] = mapped_column(sa.ForeignKey("staff_member.id"))
    tried_at: Mapped[datetime | None] = mapped_column(Instant)
    tried_by: Mapped[str | None] = mapped_column(sa.ForeignKey("staff_member.id"))
    outcome: Mapped[str | None]
    settled_at: Mapped[datetime | None] = mapped_column(Instant)
    settled_by: Mapped[str | None] = mapped_column(sa.ForeignKey("staff_member.id"))
    data_key: Mapped[bytes | None]
    reason: Mapped[bytes | None]


class CalendarFeed(Base):
    """The secret address under which a therapist's calendar program reads when they are busy; ``digest`` of the secret."""

    __tablename__ = "calendar_feed"

    staff_id: Mapped[str] = mapped_column(sa.ForeignKey("therapist.staff_id"), primary_key=True)
    digest: Mapped[str] = mapped_column(unique=True)
    created_at: Mapped[datetime] = mapped_column(Instant)
    read_at: Mapped[datetime | None] = mapped_column(Instant)
