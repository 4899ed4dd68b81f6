"""Rows of misunderstood messages."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from backend.core.db import affected
from backend.improving.tables import Misunderstood

AT_MOST = 100
"""Rows in a list."""


def find(session: Session, row_id: str) -> Misunderstood | None:
    """A row by its id, held until the transaction ends."""
    return session.get(Misunderstood, row_id, with_for_update=True)


def of_message(session: Session, message_id: str) -> Misunderstood | None:
    """The row of a message, if there is one."""
    return session.scalar(sa.select(Misunderstood).where(Misunderstood.message_id == message_id))


def newest(session: Session, *, labelled: bool) -> Sequence[Misunderstood]:
    """The newest rows, with or without a label; one more than `AT_MOST` when there are more."""
    wanted = Misunderstood.label.is_not(None) if labelled else Misunderstood.label.is_(None)
    query = sa.select(Misunderstood).where(wanted).order_by(Misunderstood.at.desc(), Misunderstood.id)
    return session.scalars(query.limit(AT_MOST + 1)).all()


def count(session: Session) -> tuple[int, int]:
    """How many rows have no label, and how many have one."""
    query = sa.select(sa.func.count(), sa.func.count(Misunderstood.label)).select_from(Misunderstood)
    every, labelled = session.execute(query).one()
    return every - labelled, labelled


def all_labelled(session: Session) -> Sequence[Misunderstood]:
    """Every row with a label, the oldest label first."""
    query = sa.select(Misunderstood).where(Misunderstood.label.is_not(None))
    return session.scalars(query.order_by(Misunderstood.labelled_at, Misunderstood.id)).all()


def forget_messages(session: Session, message_ids: Sequence[str]) -> None:
    """Delete the rows of messages."""
    session.execute(sa.delete(Misunderstood).where(Misunderstood.message_id.in_(message_ids)))


def forget_before(session: Session, before: datetime | None) -> int:
    """Delete rows from before a moment, or all of them; returns how many."""
    query = sa.delete(Misunderstood)
    if before is not None:
        query = query.where(Misunderstood.at < before)
    return affected(session, query)
