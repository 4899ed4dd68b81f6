"""Who asked for a time, whether the promise could be kept, and who waits to be reached."""

from __future__ import annotations

from datetime import date, datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from backend.core.db import Base, Instant

WAITING = sa.text("callback.state IN ('open', 'taken')")
"""The condition of the partial index, in the words in which a query must repeat it to be served by it."""
_WAITING = sa.text("state IN ('open', 'taken')")


class TimeRequest(Base):
    """Somebody asked for times. Says nothing of who or what: when, whether the promise could be kept, and was.

    ``until_at`` is where the promise ends, at midnight. ``within``: a time before then was there to be offered.
    ``wanted``: a time was chosen or a call asked for; others looked and went away. ``reference`` is a keyed
    digest of who asks, so that one who looks again is not counted again; it is forgotten at midnight.
    ``booking_id`` and ``callback_id`` lead to what came of it until that is settled; ``contact_at`` is when
    the one who asked met a person of the service.
    """

    __tablename__ = "time_request"

    id: Mapped[str] = mapped_column(primary_key=True)
    asked_at: Mapped[datetime] = mapped_column(Instant, index=True)
    until_at: Mapped[datetime] = mapped_column(Instant)
    within: Mapped[bool]
    reference: Mapped[str | None] = mapped_column(unique=True)
    wanted: Mapped[bool] = mapped_column(default=False)
    booking_id: Mapped[str | None] = mapped_column(index=True)
    callback_id: Mapped[str | None] = mapped_column(index=True)
    contact_at: Mapped[datetime | None] = mapped_column(Instant)


class CapacityAlarm(Base):
    """The promise could not be kept on a local day for one reason; rings once a day and reason."""

    __tablename__ = "capacity_alarm"

    id: Mapped[str] = mapped_column(primary_key=True)
    day: Mapped[date]
    reason: Mapped[str]
    rang_at: Mapped[datetime] = mapped_column(Instant)
    seen_at: Mapped[datetime | None] = mapped_column(Instant)
    seen_by: Mapped[str | None] = mapped_column(sa.ForeignKey("staff_member.id", ondelete="SET NULL"))

    __table_args__ = (sa.UniqueConstraint("day", "reason"),)


class Callback(Base):
    """Somebody for whom there was no time: they are to have one, or be called, before ``deadline``.

    ``holder`` is whoever asked (a chat, a form), with one request that waits at most. ``phone``, ``safe`` and
    ``note`` are sealed with ``data_key`` as in `Booking`; without a number they come back with their code.
    ``state`` is ``open``, ``taken`` (``taken_by`` is on it), ``booked`` (a time was given, ``booking_id``),
    ``reached``, ``missed`` (tried and given up) or ``withdrawn``; ``tries`` counts calls that nobody answered.
    """

    __tablename__ = "callback"

    id: Mapped[str] = mapped_column(primary_key=True)
    holder: Mapped[str | None]
    unit: Mapped[str]
    asked_at: Mapped[datetime] = mapped_column(Instant)
    deadline: Mapped[datetime] = mapped_column(Instant)
    state: Mapped[str]
    who: Mapped[str | None]
    band: Mapped[str | None]
    lang: Mapped[str]
    interpreter: Mapped[str | None]
    danger_level: Mapped[str | None]
    danger_category: Mapped[str | None]
    receipt: Mapped[str] = mapped_column(unique=True)
    data_key: Mapped[bytes]
    phone: Mapped[bytes | None]
    safe: Mapped[bytes | None]
    note: Mapped[bytes | None]
    booking_id: Mapped[str | None]
    tries: Mapped[int] = mapped_column(default=0, server_default="0")
    tried_at: Mapped[datetime | None] = mapped_column(Instant)
    taken_by: Mapped[str | None] = mapped_column(sa.ForeignKey("staff_member.id", ondelete="SET NULL"))
    taken_at: Mapped[datetime | None] = mapped_column(Instant)
    ended_at: Mapped[datetime | None] = mapped_column(Instant)

    __table_args__ = (
        sa.CheckConstraint("state IN ('open', 'taken', 'booked', 'reached', 'missed', 'withdrawn')", name="state"),
        sa.Index("uq_callback_open_holder", "holder", unique=True, sqlite_where=_WAITING, postgresql_where=_WAITING),
        sa.Index(None, "state", "deadline"),
    )
