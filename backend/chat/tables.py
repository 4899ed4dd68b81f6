"""A chat and its messages. Texts are sealed with the chat's own data key."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from backend.core.db import Base, Instant


class Chat(Base):
    """One visit. ``token_hash`` is SHA-256 of a 256-bit random id that only the browser knows.

    ``conversation`` is what the assistant knows the chat as; it is another random
    id, and it is changed whenever a turn fails, so that a late answer from a dead
    turn belongs to nobody. ``state`` (sealed) is where the dialogue stands.
    ``unanswered`` lists messages that await the assistant's return, oldest first.
    ``corrected`` lists danger rules that this person has said do not apply.
    """

    __tablename__ = "chat"

    id: Mapped[str] = mapped_column(primary_key=True)
    token_hash: Mapped[str] = mapped_column(unique=True)
    conversation: Mapped[str]
    data_key: Mapped[bytes]
    who: Mapped[str | None]
    band: Mapped[str | None]
    lang: Mapped[str]
    state: Mapped[bytes | None]
    unanswered: Mapped[str] = mapped_column(default="")
    corrected: Mapped[str] = mapped_column(default="")
    consent_version: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(Instant)
    seen_at: Mapped[datetime] = mapped_column(Instant, index=True)


class ChatMessage(Base):
    """One message. ``body`` is sealed JSON; ``reply_to`` ties an answer to what it answers.

    ``client_key`` with ``client_hash`` makes a repeated send return the first answer.
    The danger columns hold which rule spoke, never the words.
    """

    __tablename__ = "chat_message"

    id: Mapped[str] = mapped_column(primary_key=True)
    chat_id: Mapped[str] = mapped_column(sa.ForeignKey("chat.id", ondelete="CASCADE"))
    seq: Mapped[int]
    author: Mapped[str]
    kind: Mapped[str]
    topic: Mapped[str]
    body: Mapped[bytes]
    at: Mapped[datetime] = mapped_column(Instant)
    reply_to: Mapped[str | None] = mapped_column(index=True)
    client_key: Mapped[str | None]
    client_hash: Mapped[str | None]
    answered: Mapped[bool] = mapped_column(default=False)
    danger_level: Mapped[str | None]
    danger_category: Mapped[str | None]
    danger_rule: Mapped[str | None]

    __table_args__ = (
        sa.UniqueConstraint("chat_id", "seq"),
        sa.UniqueConstraint("chat_id", "client_key"),
    )
