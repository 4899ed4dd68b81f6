"""Erasing stories, once nothing that came of them is kept; when that is, `backend.cases.retention` knows."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from backend.concerns import retention
from backend.core import access, audit, codes
from backend.stories.tables import State, Story, StoryPart


def still_open(now: datetime) -> sa.Select[Any]:
    """The ids of the stories whose page the person can open, or has not sent: nobody takes it from them."""
    reachable = sa.and_(Story.state == State.SENT.value, Story.open_until > now)
    return sa.select(Story.id).where(sa.or_(Story.state == State.DRAFT.value, reachable))


def erase(session: Session, story_ids: Collection[str], now: datetime) -> tuple[int, set[str]]:
    """Erase those of the stories that nothing refers to any more and nobody can open, with their data keys.

    Parts, consents, sharings, summaries, points, codes and written reasons go too. The caller has kept those in a
    case. Returns how many, and the persons whom nothing that is left is about.
    """
    lonely = [each for each in sorted(story_ids) if not retention.of_stories(session, [each])]
    query = sa.select(Story.id).where(Story.id.in_(lonely), Story.id.not_in(still_open(now)))
    gone = list(session.scalars(query.with_for_update()))
    parts = session.scalars(sa.select(StoryPart.id).where(StoryPart.story_id.in_(gone))).all()
    for story_id in gone:
        codes.revoke(session, story_id)
    left = access.forget_told(session, [*gone, *parts])
    audit.forget_reasons(session, [*gone, *parts])
    session.execute(sa.delete(Story).where(Story.id.in_(gone)))
    return len(gone), left


def alone(session: Session, closed_by: datetime, now: datetime, apart: sa.Select[Any], at_most: int) -> list[str]:
    """Stories that no concern and no case refers to, where nothing has happened since ``closed_by``."""
    query = sa.select(Story.id).where(
        Story.state != State.DRAFT.value,
        Story.changed_at <= closed_by,
        ~retention.led_from(Story.id),
        Story.id.not_in(apart),
        Story.id.not_in(still_open(now)),
    )
    return list(session.scalars(query.order_by(Story.changed_at).limit(at_most)))
