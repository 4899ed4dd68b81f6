"""Versions of texts that an editor has written, and who has signed translations. Texts for the public are no secret and lie open."""

from __future__ import annotations

from datetime import date, datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from backend.core.db import Base, Instant

DRAFT, PUBLISHED, WITHDRAWN = "draft", "published", "withdrawn"


class TextVersion(Base):
    """One wording of one text. ``number`` counts the versions of a place, and no two editors can write the same one.

    A published version is in force from ``valid_from`` (from the publishing, if None) until the day before
    ``valid_to``; of several the highest number counts. Nothing published is ever changed or deleted.
    """

    __tablename__ = "text_version"

    id: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str]
    lang: Mapped[str]
    variant: Mapped[str]
    number: Mapped[int]
    state: Mapped[str]
    text: Mapped[str]
    source: Mapped[str]
    owner: Mapped[str]
    reviewed: Mapped[date]
    valid_from: Mapped[date | None]
    valid_to: Mapped[date | None]
    written_at: Mapped[datetime] = mapped_column(Instant)
    written_by: Mapped[str] = mapped_column(sa.ForeignKey("staff_member.id"))
    published_at: Mapped[datetime | None] = mapped_column(Instant)
    published_by: Mapped[str | None] = mapped_column(sa.ForeignKey("staff_member.id"))

    __table_args__ = (
        sa.UniqueConstraint("key", "lang", "variant", "number"),
        sa.CheckConstraint(f"state IN ('{DRAFT}', '{PUBLISHED}', '{WITHDRAWN}')", name="state"),
        sa.CheckConstraint("valid_to IS NULL OR valid_from IS NULL OR valid_from < valid_to", name="valid"),
        sa.Index("ix_text_version_state", "state"),
    )


class TranslationSignature(Base):
    """Somebody has read a part of a language and says that it holds: which texts, by their digests (``texts``, JSON by key).

    The one with the highest number of a part counts, and only while ``digest`` is that of what is served. Nothing is ever changed or deleted.
    """

    __tablename__ = "translation_signature"

    id: Mapped[str] = mapped_column(primary_key=True)
    lang: Mapped[str]
    part: Mapped[str]
    number: Mapped[int]
    digest: Mapped[str]
    texts: Mapped[str]
    signed_at: Mapped[datetime] = mapped_column(Instant)
    signed_by: Mapped[str] = mapped_column(sa.ForeignKey("staff_member.id"))

    __table_args__ = (sa.UniqueConstraint("lang", "part", "number"),)
