"""A concern as a row: times, states and routing in the open, words and contact data sealed."""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from backend.core.db import Base, Instant

_ERASABLE = sa.text("kept = 'no' AND closed_at IS NOT NULL")


class State(StrEnum):
    """``new`` until somebody in the unit has taken it; ``closed`` when no legal time limit is left to meet."""

    NEW = "new"
    ACCEPTED = "accepted"
    CLOSED = "closed"


class Handed(StrEnum):
    """How a concern left somebody's hands: to another unit, back to the queue, or until a later day."""

    MOVED = "moved"
    DECLINED = "declined"
    LATER = "later"


class Concern(Base):
    """What somebody told, to whom it went and by which rule.

    ``words``, ``phone`` and ``safe`` are sealed with the row's ``data_key`` for the
    places ``concern.<column>:<id>``. The due dates are local days, computed once
    on arrival and never edited. ``form_key`` and ``body_digest`` are keyed digests:
    they recognise the same send twice and say nothing about it. ``interpreter`` is the
    language that one is wished for in, by its code in the content. ``words`` is None for what
    was told as a story: then the story ``story_id`` is the one home of the words. No foreign
    key, since stories lie above concerns and are never deleted while one refers to them.
    ``needs`` are those of `rules.NEEDS` that were told, separated by blanks; ``source`` is one of
    `rules.TOLD_BY`.

    ``checked_at``, ``decided_at``, ``feedback_due`` and ``feedback_at`` repeat what the rows of
    `ConcernAssessment` and `ConcernReport` say, and ``next_clock`` with ``next_due`` what follows
    from them, so that the list by clock is one read of one index. ``changed_at`` is when something
    last happened that staff have not caused themselves, for the unread mark. ``take_by`` is when whoever leads
    the unit is told that nobody has taken it, and ``untaken_at`` when they were. ``kept`` is whether it is kept for
    ever, ``no``, ``yes`` or empty for no answer: see `backend.concerns.retention`.
    """

    __tablename__ = "concern"

    id: Mapped[str] = mapped_column(primary_key=True)
    state: Mapped[str]
    unit: Mapped[str]
    rule_id: Mapped[str]
    rules_version: Mapped[str]
    reason: Mapped[str]
    also_tell: Mapped[str] = mapped_column(default="")
    restricted: Mapped[bool] = mapped_column(default=False)
    about: Mapped[str | None]
    happening: Mapped[str | None]
    reach: Mapped[str]
    who: Mapped[str | None]
    band: Mapped[str | None]
    lang: Mapped[str]
    interpreter: Mapped[str | None]
    danger_level: Mapped[str | None]
    danger_category: Mapped[str | None]
    data_key: Mapped[bytes]
    words: Mapped[bytes | None]
    story_id: Mapped[str | None] = mapped_column(index=True)
    phone: Mapped[bytes | None]
    safe: Mapped[bytes | None]
    consent_version: Mapped[str]
    chat_id: Mapped[str | None] = mapped_column(index=True)
    form_key: Mapped[str | None] = mapped_column(unique=True)
    body_digest: Mapped[str]
    receipt: Mapped[str]
    received_at: Mapped[datetime] = mapped_column(Instant)
    protection_due: Mapped[date]
    decision_due: Mapped[date | None]
    accepted_at: Mapped[datetime | None] = mapped_column(Instant)
    accepted_by: Mapped[str | None]
    source: Mapped[str] = mapped_column(default="self", server_default="self")
    needs: Mapped[str] = mapped_column(default="", server_default="")
    area: Mapped[str | None]
    checked_at: Mapped[datetime | None] = mapped_column(Instant)
    decided_at: Mapped[datetime | None] = mapped_column(Instant)
    feedback_due: Mapped[date | None]
    feedback_at: Mapped[datetime | None] = mapped_column(Instant)
    next_clock: Mapped[str] = mapped_column(default="", server_default="")
    next_due: Mapped[date | None]
    later_until: Mapped[date | None]
    changed_at: Mapped[datetime] = mapped_column(Instant)
    take_by: Mapped[datetime | None] = mapped_column(Instant)
    untaken_at: Mapped[datetime | None] = mapped_column(Instant)
    closed_at: Mapped[datetime | None] = mapped_column(Instant)
    kept: Mapped[str] = mapped_column(default="", server_default="")

    __table_args__ = (
        sa.Index("ix_concern_erasable", "closed_at", sqlite_where=_ERASABLE, postgresql_where=_ERASABLE),
        sa.Index(
            None,
            "take_by",
            sqlite_where=sa.text("take_by IS NOT NULL"),
            postgresql_where=sa.text("take_by IS NOT NULL"),
        ),
        # Small however many concerns there are: what is closed is not in it.
        sa.Index(
            "ix_concern_open",
            "unit",
            "next_due",
            "received_at",
            sqlite_where=sa.text("closed_at IS NULL"),
            postgresql_where=sa.text("closed_at IS NULL"),
        ),
        sa.Index(
            "ix_concern_closed",
            "unit",
            "closed_at",
            sqlite_where=sa.text("closed_at IS NOT NULL"),
            postgresql_where=sa.text("closed_at IS NOT NULL"),
        ),
        sa.Index(None, "received_at"),
    )


class ConcernReport(Base):
    """Who reported a concern and which child it is about, apart from the words.

    ``reporter`` and ``child`` are JSON sealed with this row's own ``data_key``: opening them is a
    deed of its own, with a written reason. ``anonymous``: no name was given, so there is none to
    give out. ``entered_by`` is the staff member who took it by telephone. ``feedback_how`` is how a
    mandated reporter was told (SoL 19:6).
    """

    __tablename__ = "concern_report"

    concern_id: Mapped[str] = mapped_column(sa.ForeignKey("concern.id", ondelete="CASCADE"), primary_key=True)
    anonymous: Mapped[bool]
    feedback_wanted: Mapped[bool]
    feedback_asked_at: Mapped[datetime | None] = mapped_column(Instant)
    feedback_by: Mapped[str | None]
    feedback_how: Mapped[str | None]
    entered_by: Mapped[str | None]
    data_key: Mapped[bytes]
    reporter: Mapped[bytes | None]
    child: Mapped[bytes | None]

    __table_args__ = (sa.CheckConstraint("NOT (anonymous AND reporter IS NOT NULL)", "nobody_named"),)


class ConcernAssessment(Base):
    """A protection check (SoL 20:1) or a decision on an investigation (SoL 20:2): who, when, what, why.

    One of each at most for a concern, and never without a name, a time and an outcome by somebody
    with the degree that SoL 25:1 asks for. ``reason`` is sealed with the concern's ``data_key``.
    """

    __tablename__ = "concern_assessment"

    concern_id: Mapped[str] = mapped_column(sa.ForeignKey("concern.id", ondelete="CASCADE"), primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(Instant)
    staff_id: Mapped[str] = mapped_column(sa.ForeignKey("staff_member.id"))
    name: Mapped[str]
    qualified: Mapped[bool]
    outcome: Mapped[str]
    reason: Mapped[bytes]

    __table_args__ = (
        sa.CheckConstraint("qualified", "by_somebody_qualified"),
        sa.CheckConstraint("length(name) > 0", "named"),
        sa.CheckConstraint(
            "(kind = 'check' AND outcome IN ('safe', 'protect_now', 'investigate_now'))"
            " OR (kind = 'decision' AND outcome IN ('open', 'not_open', 'already_open'))",
            "outcome",
        ),
    )


class ConcernHandover(Base):
    """A concern that somebody moved, gave back or put off; ``reason`` is sealed with the concern's ``data_key``.

    ``ground`` says what lets it cross a border of secrecy (OSL 26:1, 12:2), empty where there is none.
    """

    __tablename__ = "concern_handover"

    id: Mapped[str] = mapped_column(primary_key=True)
    concern_id: Mapped[str] = mapped_column(sa.ForeignKey("concern.id", ondelete="CASCADE"), index=True)
    kind: Mapped[str]
    at: Mapped[datetime] = mapped_column(Instant)
    staff_id: Mapped[str] = mapped_column(sa.ForeignKey("staff_member.id"))
    from_unit: Mapped[str]
    to_unit: Mapped[str]
    ground: Mapped[str] = mapped_column(default="", server_default="")
    reason: Mapped[bytes]


class ConcernSeen(Base):
    """When somebody last had a concern open: what has changed since is unread for them."""

    __tablename__ = "concern_seen"

    concern_id: Mapped[str] = mapped_column(sa.ForeignKey("concern.id", ondelete="CASCADE"), primary_key=True)
    staff_id: Mapped[str] = mapped_column(sa.ForeignKey("staff_member.id", ondelete="CASCADE"), primary_key=True)
    at: Mapped[datetime] = mapped_column(Instant)


class ConcernRelease(Base):
    """A wish to export also what is shielded, and the second person who has said yes to it.

    ``reason`` is sealed with the concern's ``data_key``. Nobody says yes to their own wish.
    """

    __tablename__ = "concern_release"

    id: Mapped[str] = mapped_column(primary_key=True)
    concern_id: Mapped[str] = mapped_column(sa.ForeignKey("concern.id", ondelete="CASCADE"), index=True)
    asked_by: Mapped[str] = mapped_column(sa.ForeignKey("staff_member.id"))
    asked_at: Mapped[datetime] = mapped_column(Instant)
    reason: Mapped[bytes]
    approved_by: Mapped[str | None] = mapped_column(sa.ForeignKey("staff_member.id"))
    approved_at: Mapped[datetime | None] = mapped_column(Instant)

    __table_args__ = (sa.CheckConstraint("approved_by IS NULL OR approved_by <> asked_by", "two_people"),)


class ConcernAnswer(Base):
    """What staff wrote to whoever holds the concern's code; ``body`` is sealed with the concern's ``data_key``."""

    __tablename__ = "concern_answer"

    id: Mapped[str] = mapped_column(primary_key=True)
    concern_id: Mapped[str] = mapped_column(sa.ForeignKey("concern.id", ondelete="CASCADE"), index=True)
    staff_id: Mapped[str] = mapped_column(sa.ForeignKey("staff_member.id"))
    at: Mapped[datetime] = mapped_column(Instant)
    body: Mapped[bytes]
