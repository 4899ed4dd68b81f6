"""The texts' versions: only this feature reads and writes them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from backend.core.db import affected
from backend.core.people import StaffMember
from backend.core.wording import FORMS, WORD, Place
from backend.editing.rules import in_force
from backend.editing.tables import DRAFT, PUBLISHED, WITHDRAWN, TextVersion, TranslationSignature

Signatures = dict[tuple[str, str], tuple[TranslationSignature, str]]
"""The newest signature by language and part, with the first name of who gave it."""


def of_key(session: Session, key: str) -> Sequence[tuple[TextVersion, str]]:
    """Every version of a text in every language and variant with its writer's first name, the newest first."""
    query = (
        sa.select(TextVersion, StaffMember.first_name)
        .join(StaffMember, StaffMember.id == TextVersion.written_by)
        .where(TextVersion.key == key)
        .order_by(TextVersion.number.desc(), TextVersion.lang, TextVersion.variant)
    )
    return [(row[0], row[1]) for row in session.execute(query)]


def newest(session: Session, place: Place) -> TextVersion | None:
    """The version of a place with the highest number."""
    return session.scalar(
        sa.select(TextVersion)
        .where(TextVersion.key == place.key, TextVersion.lang == place.lang, TextVersion.variant == place.variant)
        .order_by(TextVersion.number.desc())
        .limit(1)
    )


def added_words(session: Session) -> list[tuple[str, str]]:
    """Key and language of every word that has a form which somebody has written and nobody has taken back."""
    query = sa.select(TextVersion.key, TextVersion.lang).where(
        TextVersion.key.startswith(WORD, autoescape=True),
        TextVersion.variant == FORMS,
        TextVersion.state != WITHDRAWN,
    )
    return [(row[0], row[1]) for row in session.execute(query.distinct())]


def drafts(session: Session) -> dict[Place, TextVersion]:
    """What somebody is writing on, by place."""
    rows = session.scalars(sa.select(TextVersion).where(TextVersion.state == DRAFT).order_by(TextVersion.number))
    return {Place(row.key, row.lang, row.variant): row for row in rows}


def published(session: Session, today: date) -> dict[Place, TextVersion]:
    """What counts on a day: of each place the highest published version that is in force."""
    rows = session.scalars(
        sa.select(TextVersion).where(TextVersion.state == PUBLISHED).order_by(TextVersion.number)
    ).all()
    return {Place(row.key, row.lang, row.variant): row for row in rows if in_force(row.valid_from, row.valid_to, today)}


def publish(session: Session, version_id: str, staff_id: str, now: datetime) -> bool:
    """Make a draft public; False when it is none any more."""
    change = (
        sa.update(TextVersion)
        .where(TextVersion.id == version_id, TextVersion.state == DRAFT)
        .values(state=PUBLISHED, published_at=now, published_by=staff_id)
    )
    return bool(affected(session, change))


def signatures(session: Session) -> Signatures:
    """What has been signed last, of every language and part."""
    query = (
        sa.select(TranslationSignature, StaffMember.first_name)
        .join(StaffMember, StaffMember.id == TranslationSignature.signed_by)
        .order_by(TranslationSignature.number)
    )
    return {(row[0].lang, row[0].part): (row[0], row[1]) for row in session.execute(query)}
