"""What was sent in and is over: whether it is kept for ever, and erasing it with everything that hangs by it.

When its day has come is decided in `backend.cases.retention`, which knows what has come to a case.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from backend.concerns import repository
from backend.concerns.tables import Concern, ConcernAssessment
from backend.core import access, audit, codes
from backend.core.people import StaffMember

_INVESTIGATED = ("open", "already_open")
"""Decisions that make a report a paper of an investigation."""


@dataclass(frozen=True, slots=True)
class Apart:
    """What is kept for another reason than its own, as queries for ids: concerns and stories in a case, and stories
    whose page the person can still open."""

    concerns: sa.Select[Any]
    stories: sa.Select[Any]
    open_stories: sa.Select[Any]


@dataclass(frozen=True, slots=True)
class Unanswered:
    """Something closed of which nobody has said whether it is kept."""

    id: str
    who: str | None
    band: str | None
    source: str
    closed_at: datetime


def unanswered(session: Session, staff: StaffMember, apart: Apart, at_most: int) -> list[Unanswered]:
    """What ``staff`` may open, is closed and in no case, and waits for the answer: the oldest first."""
    query = (
        repository.openable_by(staff)
        .where(Concern.closed_at.is_not(None), Concern.kept == "", _apart(apart))
        .order_by(Concern.closed_at, Concern.id)
        .limit(at_most)
    )
    return [
        Unanswered(row.id, row.who, row.band, row.source, row.closed_at)
        for row in session.scalars(query)
        if row.closed_at is not None
    ]


def due(
    session: Session, apart: Apart, *, closed_by: datetime, investigated_before: datetime, last: str, at_most: int
) -> list[str]:
    """The ids after ``last`` of what may be erased, in order, each held until the end of the transaction.

    Closed at ``closed_by`` or before, answered with no, in no case; a paper of an investigation only when it came
    before ``investigated_before``. Whoever puts one in a case holds it too, so the caller asks again for cases.
    """
    investigated = sa.exists().where(
        ConcernAssessment.concern_id == Concern.id,
        ConcernAssessment.kind == "decision",
        ConcernAssessment.outcome.in_(_INVESTIGATED),
    )
    # Written out, not bound: only so does a database see that the index of what may be erased fits.
    query = (
        sa.select(Concern.id)
        .where(
            Concern.kept == sa.literal_column("'no'"),
            Concern.closed_at.is_not(None),
            Concern.closed_at <= closed_by,
            Concern.id > last,
            _apart(apart),
            ~_among(apart.open_stories, Concern.story_id),
            sa.or_(~investigated, Concern.received_at < investigated_before),
        )
        .order_by(Concern.id)
        .limit(at_most)
        .with_for_update(of=Concern)
    )
    return list(session.scalars(query))


def _apart(apart: Apart) -> sa.ColumnElement[bool]:
    """That it is in no case. Each id is looked up: a list of all that are in cases may have a million."""
    return ~sa.or_(_among(apart.concerns, Concern.id), _among(apart.stories, Concern.story_id))


def _among(ids: sa.Select[Any], column: Any) -> sa.ColumnElement[bool]:
    (found,) = ids.selected_columns
    return ids.where(found == column).exists()


def go_with_case(session: Session, concern_ids: Collection[str], closed_by: datetime) -> list[str]:
    """Those of an erased case's concerns that go with it: closed long enough, and kept on no decision of their own.

    What was answered about the person's record holds for the others too, which follow when their day has come.
    """
    session.execute(sa.update(Concern).where(Concern.id.in_(concern_ids), Concern.kept == "").values(kept="no"))
    query = sa.select(Concern.id).where(
        Concern.id.in_(concern_ids),
        Concern.kept == "no",
        Concern.closed_at.is_not(None),
        Concern.closed_at <= closed_by,
    )
    return list(session.scalars(query.order_by(Concern.id).with_for_update()))


def of_stories(session: Session, story_ids: Collection[str]) -> list[str]:
    """The ids of the concerns that stories have led to."""
    return list(session.scalars(sa.select(Concern.id).where(Concern.story_id.in_(story_ids))))


def stories_of(session: Session, concern_ids: Collection[str]) -> set[str]:
    """The ids of the stories that have led to concerns."""
    query = sa.select(Concern.story_id).where(Concern.id.in_(concern_ids), Concern.story_id.is_not(None))
    return {story_id for story_id in session.scalars(query) if story_id is not None}


def led_from(story_id: Any) -> sa.ColumnElement[bool]:
    """A condition: there is a concern that the story with the id in this column has led to."""
    return sa.exists().where(Concern.story_id == story_id)


def erase(session: Session, concern_ids: Sequence[str]) -> set[str]:
    """Erase concerns with their data keys, reports, checks, decisions, handovers, answers, codes and written reasons.

    Returns the persons whom nothing that is left is about. A story's words are the story's, and stay here.
    """
    for concern_id in concern_ids:
        codes.revoke(session, concern_id)
    left = access.forget_told(session, concern_ids)
    audit.forget_reasons(session, concern_ids)
    session.execute(sa.delete(Concern).where(Concern.id.in_(concern_ids)))
    return left
