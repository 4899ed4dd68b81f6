"""A concern as a row: times, states and routing in the open, words and contact data sealed."""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from backend.core.db import Base, Instant


class State(StrEnum):
    """``new`` until somebody in the unit has taken it."""

    NEW = "new"
    ACCEPTED = "accepted"


class Concern(Base):
    """What somebody told, to whom it went and by which rule.

    ``words``, ``phone`` and ``safe`` are sealed with the row's ``data_key`` for the
    places ``concern.<column>:<id>``. The due dates are local days, computed once
    on arrival and never edited. ``form_key`` and ``body_digest`` are keyed digests:
    they recognise the same send twice and say nothing about it. ``interpreter`` is the
    language that one is wished for in, by its code in the content. ``words`` is None for what
    was told as a story: then the story ``story_id`` is the one home of the words. No foreign
    key, since stories lie above concerns and are never deleted while one refers to them.
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

    __table_args__ = (sa.Index(None, "unit", "state"),)


class ConcernAnswer(Base):
    """What staff wrote to whoever holds the concern's code; ``body`` is sealed with the concern's ``data_key``."""

    __tablename__ = "concern_answer"

    id: Mapped[str] = mapped_column(primary_key=True)
    concern_id: Mapped[str] = mapped_column(sa.ForeignKey("concern.id", ondelete="CASCADE"), index=True)
    staff_id: Mapped[str] = mapped_column(sa.ForeignKey("staff_member.id"))
    at: Mapped[datetime] = mapped_column(Instant)
    body: Mapped[bytes]
