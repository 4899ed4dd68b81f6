"""A story as rows: its parts sealed, who may read what on which ground, and what staff have written beside it.

Three kinds of yes are three different things here. Why the municipality may keep the words
at all is no consent but the law (`Story.basis`). That a unit may read a part is a consent to
lift secrecy (`SecrecyConsent`, OSL 12:2). That somebody gets help is a consent to a support
(`HelpConsent`, SoL 21:1-2). A fourth is no yes at all: `LegalShare`, a ground in the law.
"""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from backend.core.db import Base, Instant


class State(StrEnum):
    """``draft`` until it is sent; ``closed`` when the person has ended it."""

    DRAFT = "draft"
    SENT = "sent"
    CLOSED = "closed"


class Story(Base):
    """What one person has told. All sealed texts of it use ``data_key``.

    ``version`` counts the sends and is 0 for a draft; ``told_at`` is when the newest was sent.
    ``revision`` counts the changes of a draft and of the consents, so that a form of an older
    one is known. ``shown`` lists the versions of the first screen that the person has been
    shown, ``basis`` why the law lets the words be kept. ``answers`` holds a draft's other
    answers, and goes when it is sent. ``receipt`` is the return code's row. ``open_until``: the
    code's last moment, and with it that of the consents, since without the code nobody could
    take them back.
    """

    __tablename__ = "story"

    id: Mapped[str] = mapped_column(primary_key=True)
    state: Mapped[str]
    who: Mapped[str | None]
    band: Mapped[str | None]
    lang: Mapped[str]
    shown: Mapped[str]
    basis: Mapped[str]
    data_key: Mapped[bytes]
    answers: Mapped[bytes | None]
    receipt: Mapped[str]
    revision: Mapped[int] = mapped_column(default=1)
    version: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime] = mapped_column(Instant)
    changed_at: Mapped[datetime] = mapped_column(Instant)
    told_at: Mapped[datetime | None] = mapped_column(Instant)
    closed_at: Mapped[datetime | None] = mapped_column(Instant)
    open_until: Mapped[datetime] = mapped_column(Instant)

    __table_args__ = (sa.Index(None, "state", "changed_at"),)


class StoryPart(Base):
    """One part, in its place. ``version`` is the send it came with, 0 while unsent; ``struck`` only in a draft.

    ``sent_key`` is a keyed digest of the form that an addition came with: a second send of it is the first.
    """

    __tablename__ = "story_part"

    id: Mapped[str] = mapped_column(primary_key=True)
    story_id: Mapped[str] = mapped_column(sa.ForeignKey("story.id", ondelete="CASCADE"))
    position: Mapped[int]
    version: Mapped[int] = mapped_column(default=0)
    at: Mapped[datetime] = mapped_column(Instant)
    body: Mapped[bytes]
    struck: Mapped[bool] = mapped_column(default=False)
    sent_key: Mapped[str | None]

    __table_args__ = (sa.UniqueConstraint("story_id", "position"),)


class SecrecyConsent(Base):
    """The person's yes that a unit may read a part (OSL 12:2). One at a time; what is taken back stays as history.

    ``text_version`` tells which explanation the person was shown.
    """

    __tablename__ = "story_secrecy_consent"

    id: Mapped[str] = mapped_column(primary_key=True)
    story_id: Mapped[str] = mapped_column(sa.ForeignKey("story.id", ondelete="CASCADE"))
    part_id: Mapped[str] = mapped_column(sa.ForeignKey("story_part.id", ondelete="CASCADE"))
    unit: Mapped[str]
    text_version: Mapped[str]
    given_at: Mapped[datetime] = mapped_column(Instant)
    withdrawn_at: Mapped[datetime | None] = mapped_column(Instant)

    __table_args__ = (
        sa.Index(
            "uq_story_secrecy_consent_standing",
            "part_id",
            "unit",
            unique=True,
            sqlite_where=sa.text("withdrawn_at IS NULL"),
            postgresql_where=sa.text("withdrawn_at IS NULL"),
        ),
        sa.Index(None, "unit", "withdrawn_at", "story_id"),
        sa.Index(None, "story_id"),
    )


class HelpConsent(Base):
    """A yes to a support, as staff have heard it (SoL 21:1-2): ``what`` help, ``by`` the person or a custodian.

    It opens no words to anybody. ``ended_by`` is a staff id or ``visitor``.
    """

    __tablename__ = "story_help_consent"

    id: Mapped[str] = mapped_column(primary_key=True)
    story_id: Mapped[str] = mapped_column(sa.ForeignKey("story.id", ondelete="CASCADE"), index=True)
    what: Mapped[str]
    by: Mapped[str]
    staff_id: Mapped[str] = mapped_column(sa.ForeignKey("staff_member.id"))
    at: Mapped[datetime] = mapped_column(Instant)
    ended_at: Mapped[datetime | None] = mapped_column(Instant)
    ended_by: Mapped[str | None]

    __table_args__ = (
        sa.Index(
            "uq_story_help_consent_standing",
            "story_id",
            "what",
            unique=True,
            sqlite_where=sa.text("ended_at IS NULL"),
            postgresql_where=sa.text("ended_at IS NULL"),
        ),
    )


class LegalShare(Base):
    """Parts told without consent, on a ground in the law that a person has chosen and given a ``reason`` for.

    To a ``unit`` of the municipality, or to somebody ``outside`` who reads nothing here. ``paragraph``
    and ``gate`` are kept as they were, with the version of the list. ``hidden``: a safety reason why
    the person is not told yet, by whom, and the day to think again; sealed like ``reason``.
    ``told_at`` is when it came to stand on the person's page. ``role`` and ``by_unit``: what
    ``staff_id`` was at the time.
    """

    __tablename__ = "story_legal_share"

    id: Mapped[str] = mapped_column(primary_key=True)
    story_id: Mapped[str] = mapped_column(sa.ForeignKey("story.id", ondelete="CASCADE"), index=True)
    unit: Mapped[str | None]
    outside: Mapped[str | None]
    ground: Mapped[str]
    paragraph: Mapped[str]
    gate: Mapped[str]
    grounds_version: Mapped[str]
    reason: Mapped[bytes]
    staff_id: Mapped[str] = mapped_column(sa.ForeignKey("staff_member.id"))
    role: Mapped[str]
    by_unit: Mapped[str]
    at: Mapped[datetime] = mapped_column(Instant)
    hidden: Mapped[bytes | None]
    hidden_by: Mapped[str | None]
    review_on: Mapped[date | None]
    told_at: Mapped[datetime | None] = mapped_column(Instant)
    ended_at: Mapped[datetime | None] = mapped_column(Instant)
    ended_by: Mapped[str | None]

    __table_args__ = (sa.Index(None, "unit", "ended_at", "story_id"),)


class LegalShareItem(Base):
    """A part that a legal share tells; a share without any tells only that there is contact."""

    __tablename__ = "story_legal_share_item"

    share_id: Mapped[str] = mapped_column(sa.ForeignKey("story_legal_share.id", ondelete="CASCADE"), primary_key=True)
    part_id: Mapped[str] = mapped_column(
        sa.ForeignKey("story_part.id", ondelete="CASCADE"), primary_key=True, index=True
    )


class StorySummary(Base):
    """What staff have made of a story, beside the words. Every version stays; the key lets only one be the next."""

    __tablename__ = "story_summary"

    story_id: Mapped[str] = mapped_column(sa.ForeignKey("story.id", ondelete="CASCADE"), primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    body: Mapped[bytes]
    staff_id: Mapped[str] = mapped_column(sa.ForeignKey("staff_member.id"))
    role: Mapped[str]
    unit: Mapped[str]
    at: Mapped[datetime] = mapped_column(Instant)


class ToldPoint(Base):
    """A thing already told in a part, in staff's short words, so that nobody asks for it again."""

    __tablename__ = "story_told_point"

    id: Mapped[str] = mapped_column(primary_key=True)
    story_id: Mapped[str] = mapped_column(sa.ForeignKey("story.id", ondelete="CASCADE"), index=True)
    part_id: Mapped[str] = mapped_column(sa.ForeignKey("story_part.id", ondelete="CASCADE"))
    body: Mapped[bytes]
    staff_id: Mapped[str] = mapped_column(sa.ForeignKey("staff_member.id"))
    at: Mapped[datetime] = mapped_column(Instant)
