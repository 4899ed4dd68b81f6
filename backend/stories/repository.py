"""Reads and state changes of stories. Every staff read starts from `readable_by`, every part from `parts_readable_by`."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from backend.concerns.service import restricted_stories, stories_openable_by, stories_withheld_from
from backend.core.access import Kind, visible
from backend.core.audit import AuditEvent, Tag
from backend.core.people import StaffMember
from backend.stories.tables import (
    HelpConsent,
    LegalShare,
    LegalShareItem,
    SecrecyConsent,
    State,
    Story,
    StoryPart,
    StorySummary,
    ToldPoint,
)

AT_MOST = 200
WHOLE, CHOSEN, SHARED = "whole", "chosen", "shared"
"""By which way a story was read, in the audit row's detail: received, let in by the person, or by the law (`SHARED` and the shares' ids)."""

Condition = sa.ColumnElement[bool]


def received_by(staff: StaffMember) -> Condition:
    """That ``staff`` may open the concern that the story came with, and so reads all of it: the law makes them the reader."""
    return Story.id.in_(stories_openable_by(staff))


def _let_in(staff: StaffMember, now: datetime) -> Condition:
    """That the person or the law lets the unit of ``staff`` in.

    A restricted story opens for the unit's manager only, as it does in the unit that has it.
    """
    chosen = sa.exists().where(
        SecrecyConsent.story_id == Story.id,
        SecrecyConsent.unit == staff.unit,
        SecrecyConsent.withdrawn_at.is_(None),
        Story.state == State.SENT.value,
        Story.open_until > now,
    )
    granted = sa.exists().where(
        LegalShare.story_id == Story.id, LegalShare.unit == staff.unit, LegalShare.ended_at.is_(None)
    )
    unrestricted = sa.true() if staff.is_manager else Story.id.not_in(restricted_stories())
    return sa.and_(sa.or_(chosen, granted), unrestricted)


def readable_by(staff: StaffMember, units: Collection[str], now: datetime) -> sa.Select[Story]:
    """The stories that ``staff`` may know of: nothing of what is withheld from them ("Visa inte för ..."), and nothing
    at all when they have left or their unit is gone from ``units``.
    """
    sent = sa.select(Story).where(
        Story.state != State.DRAFT.value,
        visible(staff, (Kind.STORY, Story.id)),
        Story.id.not_in(stories_withheld_from(staff)),
    )
    if not (staff.active and staff.handles_cases) or staff.unit not in units:
        return sent.where(sa.false())
    return sent.where(sa.or_(received_by(staff), _let_in(staff, now)))


def parts_readable_by(staff: StaffMember, units: Collection[str], now: datetime) -> sa.Select[StoryPart]:
    """The parts whose words ``staff`` may read: all of what their unit has received, else what they were let in to."""
    chosen = sa.exists().where(
        SecrecyConsent.part_id == StoryPart.id,
        SecrecyConsent.unit == staff.unit,
        SecrecyConsent.withdrawn_at.is_(None),
        Story.state == State.SENT.value,
        Story.open_until > now,
    )
    granted = sa.exists().where(
        LegalShareItem.part_id == StoryPart.id,
        LegalShareItem.share_id == LegalShare.id,
        LegalShare.unit == staff.unit,
        LegalShare.ended_at.is_(None),
    )
    known = readable_by(staff, units, now).with_only_columns(Story.id)
    return (
        sa.select(StoryPart)
        .join(Story, Story.id == StoryPart.story_id)
        .where(
            Story.id.in_(known),
            sa.or_(received_by(staff), chosen, granted),
            visible(staff, (Kind.PART, StoryPart.id)),
        )
        .order_by(StoryPart.position)
    )


def find_readable(
    session: Session, staff: StaffMember, units: Collection[str], now: datetime, story_id: str
) -> tuple[Story, bool] | None:
    """The story if ``staff`` may know of it, and whether all of it came to them."""
    row = session.execute(
        readable_by(staff, units, now).where(Story.id == story_id).add_columns(received_by(staff))
    ).one_or_none()
    return (row[0], bool(row[1])) if row is not None else None


def readable_parts(
    session: Session, staff: StaffMember, units: Collection[str], now: datetime, story_id: str
) -> Sequence[StoryPart]:
    """The parts of one story that ``staff`` may read, in order."""
    return session.scalars(parts_readable_by(staff, units, now).where(StoryPart.story_id == story_id)).all()


def let_in_to(session: Session, staff: StaffMember, units: Collection[str], now: datetime) -> Sequence[Story]:
    """The stories that the unit of ``staff`` has been let in to, the newest telling first."""
    return session.scalars(
        readable_by(staff, units, now).where(~received_by(staff)).order_by(Story.told_at.desc()).limit(AT_MOST)
    ).all()


def part_counts(
    session: Session, staff: StaffMember, units: Collection[str], now: datetime, story_ids: Collection[str]
) -> dict[str, int]:
    """How many parts of each story ``staff`` may read."""
    counted = (
        parts_readable_by(staff, units, now)
        .where(StoryPart.story_id.in_(story_ids))
        .order_by(None)
        .with_only_columns(StoryPart.story_id, sa.func.count())
        .group_by(StoryPart.story_id)
    )
    return {row[0]: row[1] for row in session.execute(counted)}


def open_shares_to(session: Session, story_id: str, unit: str) -> Sequence[LegalShare]:
    """The legal shares that let a unit in now."""
    return session.scalars(
        sa.select(LegalShare).where(
            LegalShare.story_id == story_id, LegalShare.unit == unit, LegalShare.ended_at.is_(None)
        )
    ).all()


def among(session: Session, story_ids: Collection[str]) -> Sequence[Story]:
    """The stories with these ids; what may be read of them is another question."""
    return session.scalars(sa.select(Story).where(Story.id.in_(story_ids))).all()


# The person's own side: by the story's id, which the code opens.


def hold(session: Session, story_id: str) -> Story | None:
    """The story, and nobody else changes it before this transaction is over."""
    return session.scalar(sa.select(Story).where(Story.id == story_id).with_for_update())


def parts(session: Session, story_id: str) -> Sequence[StoryPart]:
    """Every part, in order."""
    return session.scalars(
        sa.select(StoryPart).where(StoryPart.story_id == story_id).order_by(StoryPart.position)
    ).all()


def drop_parts(session: Session, story_id: str) -> None:
    """Delete the parts of a draft, before others take their places."""
    session.execute(sa.delete(StoryPart).where(StoryPart.story_id == story_id))


def standing_consents(session: Session, story_id: str) -> Sequence[SecrecyConsent]:
    """What the person says yes to now."""
    return session.scalars(
        sa.select(SecrecyConsent)
        .where(SecrecyConsent.story_id == story_id, SecrecyConsent.withdrawn_at.is_(None))
        .order_by(SecrecyConsent.given_at, SecrecyConsent.id)
    ).all()


def consents(session: Session, story_id: str) -> Sequence[SecrecyConsent]:
    """Every yes of the person, also those that were taken back, oldest first."""
    return session.scalars(
        sa.select(SecrecyConsent)
        .where(SecrecyConsent.story_id == story_id)
        .order_by(SecrecyConsent.given_at, SecrecyConsent.id)
    ).all()


def withdraw(session: Session, story_id: str, unit: str, part_ids: Collection[str], at: datetime) -> None:
    """Take back a unit's yes to the parts."""
    session.execute(
        sa.update(SecrecyConsent)
        .where(
            SecrecyConsent.story_id == story_id,
            SecrecyConsent.unit == unit,
            SecrecyConsent.part_id.in_(part_ids),
            SecrecyConsent.withdrawn_at.is_(None),
        )
        .values(withdrawn_at=at)
    )


def shares(session: Session, story_id: str) -> Sequence[LegalShare]:
    """Every legal share of a story, oldest first."""
    return session.scalars(
        sa.select(LegalShare).where(LegalShare.story_id == story_id).order_by(LegalShare.at, LegalShare.id)
    ).all()


def share_items(session: Session, story_id: str) -> dict[str, list[str]]:
    """The parts of each legal share of a story, by the share's id."""
    rows = session.execute(
        sa.select(LegalShareItem.share_id, LegalShareItem.part_id)
        .join(LegalShare, LegalShare.id == LegalShareItem.share_id)
        .where(LegalShare.story_id == story_id)
    )
    found: dict[str, list[str]] = {}
    for share_id, part_id in rows:
        found.setdefault(share_id, []).append(part_id)
    return found


def newest_summary(session: Session, story_id: str) -> StorySummary | None:
    """What staff have last made of it."""
    return session.scalar(
        sa.select(StorySummary).where(StorySummary.story_id == story_id).order_by(StorySummary.version.desc()).limit(1)
    )


def points(session: Session, story_id: str, part_ids: Collection[str]) -> Sequence[ToldPoint]:
    """What is noted as already told in the parts, in their order."""
    return session.scalars(
        sa.select(ToldPoint)
        .join(StoryPart, StoryPart.id == ToldPoint.part_id)
        .where(ToldPoint.story_id == story_id, ToldPoint.part_id.in_(part_ids))
        .order_by(StoryPart.position, ToldPoint.at, ToldPoint.id)
    ).all()


def help_consents(session: Session, story_id: str) -> Sequence[HelpConsent]:
    """Every yes to a support, oldest first."""
    return session.scalars(
        sa.select(HelpConsent).where(HelpConsent.story_id == story_id).order_by(HelpConsent.at, HelpConsent.id)
    ).all()


def reads(session: Session, story_id: str) -> list[tuple[datetime, str, str, str]]:
    """When the story was opened by staff, in which role and unit, and by which way (`WHOLE` and so on), newest first."""
    rows = session.execute(
        sa.select(AuditEvent.at, AuditEvent.actor_roles, AuditEvent.actor_unit, AuditEvent.detail)
        .where(AuditEvent.subject == story_id, AuditEvent.tag == Tag.STORY_READ.value)
        .order_by(AuditEvent.id.desc())
    )
    return [(at, roles.partition(" ")[0], unit, detail) for at, roles, unit, detail in rows]


def names(session: Session, staff_ids: Collection[str]) -> dict[str, str]:
    """First names by staff id."""
    rows = session.scalars(sa.select(StaffMember).where(StaffMember.id.in_(staff_ids)))
    return {row.id: row.first_name for row in rows}


def stale_drafts(session: Session, before: datetime) -> list[str]:
    """Drafts that nobody has touched since ``before``."""
    return list(session.scalars(sa.select(Story.id).where(Story.state == State.DRAFT.value, Story.changed_at < before)))


def delete(session: Session, story_ids: Collection[str]) -> None:
    """Delete drafts with all that hangs on them; what has been sent is never touched."""
    session.execute(sa.delete(Story).where(Story.id.in_(story_ids), Story.state == State.DRAFT.value))


def history(session: Session, story_id: str) -> list[tuple[datetime, str, Any, str]]:
    """What has happened to a story, oldest first: when, an audit tag, who, the row's detail."""
    rows = session.execute(
        sa.select(AuditEvent.at, AuditEvent.tag, StaffMember.first_name, AuditEvent.detail)
        .outerjoin(StaffMember, StaffMember.id == AuditEvent.actor)
        .where(AuditEvent.subject == story_id)
        .order_by(AuditEvent.id)
    )
    return [(at, tag, name or "", detail) for at, tag, name, detail in rows]
