"""A conversation with a human, its messages, who sits in it, and who takes such talks now."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from backend.core.db import Base, Instant
from backend.talks.rules import STATES

_SEATED = sa.text("left_at IS NULL")


class Talk(Base):
    """One conversation between a visitor and a therapist.

    It has a row of its own, and not the chat's, since somebody with a code comes back after
    their chat has been wiped. ``therapist_id`` is who it is with (of a booked one: who it is booked
    with, until it begins), ``offered_to`` the colleague who has been asked to take over. ``returnable``: it was not
    booked, and its visitor has a code that leads back to it. ``last_seq``
    is the number of the newest message; taking the next number locks the row, so that numbers
    have no gaps for a page that asks for what came after one. ``wiped`` says that the visitor has
    taken the words away. Texts are sealed with ``data_key``.
    """

    __tablename__ = "talk"

    id: Mapped[str] = mapped_column(primary_key=True)
    booking_id: Mapped[str | None] = mapped_column(unique=True)
    unit: Mapped[str]
    state: Mapped[str]
    therapist_id: Mapped[str | None] = mapped_column(sa.ForeignKey("staff_member.id"))
    offered_to: Mapped[str | None] = mapped_column(sa.ForeignKey("staff_member.id"), index=True)
    who: Mapped[str | None]
    band: Mapped[str | None]
    lang: Mapped[str]
    interpreter: Mapped[str | None]
    data_key: Mapped[bytes]
    last_seq: Mapped[int] = mapped_column(default=0)
    wiped: Mapped[bool] = mapped_column(default=False)
    returnable: Mapped[bool] = mapped_column(default=False, server_default=sa.false())
    created_at: Mapped[datetime] = mapped_column(Instant)
    opened_at: Mapped[datetime | None] = mapped_column(Instant)
    closed_at: Mapped[datetime | None] = mapped_column(Instant)
    touched_at: Mapped[datetime] = mapped_column(Instant)

    __table_args__ = (
        sa.CheckConstraint(f"state IN {STATES}", name="state"),
        sa.CheckConstraint("state <> 'open' OR therapist_id IS NOT NULL", name="somebody"),
        sa.Index(None, "state", "unit", "created_at"),
        sa.Index(None, "therapist_id", "state"),
    )


class TalkMessage(Base):
    """One message, or one notice such as that somebody else now writes (``kind``; then there is no ``body``).

    ``client_key`` with ``client_hash`` makes a repeated send the same message. The danger
    columns hold what the rules or the model said of a visitor's words, never the words.
    """

    __tablename__ = "talk_message"

    id: Mapped[str] = mapped_column(primary_key=True)
    talk_id: Mapped[str] = mapped_column(sa.ForeignKey("talk.id", ondelete="CASCADE"))
    seq: Mapped[int]
    author: Mapped[str]
    kind: Mapped[str]
    staff_id: Mapped[str | None] = mapped_column(sa.ForeignKey("staff_member.id"))
    body: Mapped[bytes | None]
    at: Mapped[datetime] = mapped_column(Instant)
    client_key: Mapped[str | None]
    client_hash: Mapped[str | None]
    danger_level: Mapped[str | None]
    danger_category: Mapped[str | None]

    __table_args__ = (
        sa.UniqueConstraint("talk_id", "seq"),
        sa.UniqueConstraint("talk_id", "client_key"),
        sa.CheckConstraint("author IN ('visitor', 'staff', 'notice')", name="author"),
    )


class TalkSeat(Base):
    """A chat whose visitor takes part in a talk, or has; in one at a time, by the unique index.

    A chat that is wiped leaves no seat. Two chats may sit in one talk: a phone and a computer with the same code.
    ``shared``: what was written to the robot has been shown to the human, as the visitor wished.
    """

    __tablename__ = "talk_seat"

    chat_id: Mapped[str] = mapped_column(primary_key=True)
    talk_id: Mapped[str] = mapped_column(sa.ForeignKey("talk.id", ondelete="CASCADE"), primary_key=True)
    shared: Mapped[bool] = mapped_column(default=False)
    joined_at: Mapped[datetime] = mapped_column(Instant)
    left_at: Mapped[datetime | None] = mapped_column(Instant)

    __table_args__ = (
        sa.Index(None, "talk_id"),
        sa.Index("uq_talk_seat_seated", "chat_id", unique=True, sqlite_where=_SEATED, postgresql_where=_SEATED),
    )


class TalkDuty(Base):
    """Somebody who has said that they take talks at once, today, since ``since``."""

    __tablename__ = "talk_duty"

    staff_id: Mapped[str] = mapped_column(sa.ForeignKey("staff_member.id"), primary_key=True)
    since: Mapped[datetime] = mapped_column(Instant)
