"""Where on the map somebody is, and to whom it may be shown, with how it has been.

Whose place it is, and what a code opens, are names given by the caller (``person:<id>``,
``family:<id>``, ``booking:<id>``): who may place and show is decided where those are known.
"""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from backend.core.db import Base, Instant

_NOW = sa.text("until IS NULL")


class MapPlace(Base):
    """That ``subject`` was at a station from ``since`` to ``until``; at one at a time. ``meets_at``: the next meeting, if told."""

    __tablename__ = "map_place"

    id: Mapped[str] = mapped_column(primary_key=True)
    subject: Mapped[str]
    station: Mapped[str]
    since: Mapped[datetime] = mapped_column(Instant)
    until: Mapped[datetime | None] = mapped_column(Instant)
    meets_at: Mapped[datetime | None] = mapped_column(Instant)
    placed_by: Mapped[str] = mapped_column(sa.ForeignKey("staff_member.id"))

    __table_args__ = (
        sa.Index("ix_map_place_subject", "subject", "since"),
        sa.Index("uq_map_place_now", "subject", unique=True, sqlite_where=_NOW, postgresql_where=_NOW),
    )


class MapShowing(Base):
    """That ``viewer`` may see where ``subject`` is: as what, on what ground, by whose decision. ``reason`` is sealed.

    Another person's place is secret information about that person (OSL 26:1), so nothing is shown without such a row.
    """

    __tablename__ = "map_showing"

    id: Mapped[str] = mapped_column(primary_key=True)
    viewer: Mapped[str]
    subject: Mapped[str]
    as_whom: Mapped[str]
    ground: Mapped[str]
    data_key: Mapped[bytes]
    reason: Mapped[bytes]
    since: Mapped[datetime] = mapped_column(Instant)
    until: Mapped[datetime | None] = mapped_column(Instant)
    shown_by: Mapped[str] = mapped_column(sa.ForeignKey("staff_member.id"))

    __table_args__ = (
        sa.Index("ix_map_showing_subject", "subject"),
        sa.Index("uq_map_showing_now", "viewer", "subject", unique=True, sqlite_where=_NOW, postgresql_where=_NOW),
    )
