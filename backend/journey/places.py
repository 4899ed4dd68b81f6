"""Här är vi nu: staff place somebody on a station, and decide who may see it; whoever has a code sees what it opens.

Every function works in the caller's transaction, and the caller has checked that this member of staff
may do this for this person. Each deed is in the audit log; nothing here knows anybody's name.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, get_args

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from backend.core import audit
from backend.core.audit import Tag
from backend.core.errors import Conflict, InvalidField
from backend.core.text import clean
from backend.core.vault import Vault, new_id
from backend.journey.rules import PARTS
from backend.journey.tables import MapPlace, MapShowing

AsWhom = Literal["self", "parent", "child", "family", "other"]
"""As what somebody is shown: never by name."""
Ground = Literal["self", "agreed", "decided"]
"""Why: it is the reader's own place; the person has agreed; staff have decided to inform."""
REASON_LIMIT = 1_000
_STATIONS = frozenset(station for _, part in PARTS for station in part)


@dataclass(frozen=True, slots=True)
class Stay:
    """A station and from when to when somebody was there; ``until`` is None for now. ``by``: the id of who placed them."""

    station: str
    since: datetime
    until: datetime | None
    meets_at: datetime | None
    by: str


@dataclass(frozen=True, slots=True)
class Here:
    """One token as its viewer sees it. ``way`` is how it has been, the oldest first: the reader's own only."""

    as_whom: AsWhom
    now: Stay
    way: Sequence[Stay]


@dataclass(frozen=True, slots=True)
class Showing:
    """A decision that stands, as staff see it: whose place, to which code, why, since when and by whom."""

    viewer: str
    subject: str
    as_whom: str
    ground: str
    reason: str
    since: datetime
    by: str


def of_person(person_id: str) -> str:
    """The subject that a person's place is kept under."""
    return f"person:{person_id}"


def of_family(family_id: str) -> str:
    """The subject that the place of a family together is kept under."""
    return f"family:{family_id}"


def place(
    session: Session, now: datetime, staff_id: str, subject: str, station: str, meets_at: datetime | None = None
) -> None:
    """Put ``subject`` on a station; where it was before is kept as history. The same station again tells the meeting only.

    Raises `InvalidField` for a station that is none or a meeting that has been, and `Conflict` when
    somebody else has just placed the same subject.
    """
    if station not in _STATIONS:
        raise InvalidField("invalid", "station")
    if meets_at is not None and meets_at <= now:
        raise InvalidField("not_ahead", "meets_at")
    current = _current(session, subject)
    if current is not None and current.station == station:
        if current.meets_at != meets_at:
            current.meets_at = meets_at
            audit.record(session, now, Tag.MAP_PLACED, current.id, actor=staff_id, detail=station)
        return
    if current is not None:
        current.until = now
        session.flush()
    row = MapPlace(
        id=new_id(), subject=subject, station=station, since=now, until=None, meets_at=meets_at, placed_by=staff_id
    )
    session.add(row)
    try:
        session.flush()
    except IntegrityError:
        raise Conflict from None
    audit.record(session, now, Tag.MAP_PLACED, row.id, actor=staff_id, detail=station)


def show(
    session: Session,
    vault: Vault,
    now: datetime,
    staff_id: str,
    *,
    viewer: str,
    subject: str,
    as_whom: AsWhom,
    ground: Ground,
    reason: str,
) -> None:
    """Let ``viewer`` see where ``subject`` is, from now on. Showing it again changes nothing.

    Raises `InvalidField` for an unknown ``as_whom`` or ground, for somebody else's place as one's own, and
    `EmptyText` when nothing is said of why.
    """
    if as_whom not in get_args(AsWhom):
        raise InvalidField("invalid", "as_whom")
    if ground not in get_args(Ground) or (as_whom == "self") is not (ground == "self"):
        raise InvalidField("invalid", "ground")
    why = clean(reason, REASON_LIMIT)
    if _showing(session, viewer, subject) is not None:
        return
    showing_id, key = new_id(), vault.new_key()
    session.add(
        MapShowing(
            id=showing_id, viewer=viewer, subject=subject, as_whom=as_whom, ground=ground, data_key=key,
            reason=vault.seal(key, f"map_showing.reason:{showing_id}", why), since=now, until=None, shown_by=staff_id,
        )
    )  # fmt: skip
    try:
        session.flush()
    except IntegrityError:
        raise Conflict from None
    audit.record(session, now, Tag.MAP_SHOWN, showing_id, actor=staff_id, detail=ground)


def hide(session: Session, now: datetime, staff_id: str, *, viewer: str, subject: str) -> None:
    """Show it no more, at once: consent that was taken back, or a decision that was changed. Hiding twice is hiding once."""
    showing = _showing(session, viewer, subject)
    if showing is not None:
        showing.until = now
        audit.record(session, now, Tag.MAP_HIDDEN, showing.id, actor=staff_id)


def forget(session: Session, subjects: Collection[str]) -> None:
    """Erase where the subjects have been, and every decision to show it: their record is erased."""
    session.execute(sa.delete(MapPlace).where(MapPlace.subject.in_(subjects)))
    session.execute(sa.delete(MapShowing).where(MapShowing.subject.in_(subjects)))


def seen_by(session: Session, viewer: str) -> list[Here]:
    """What a viewer may see now, their own place first; empty when nothing has been decided or placed."""
    order = get_args(AsWhom)
    showings = session.scalars(sa.select(MapShowing).where(MapShowing.viewer == viewer, MapShowing.until.is_(None)))
    seen: list[Here] = []
    for showing in showings:
        stays = history(session, showing.subject)
        if stays and stays[-1].until is None:
            as_whom: AsWhom = showing.as_whom  # type: ignore[assignment]  # written by `show` alone
            seen.append(Here(as_whom, stays[-1], stays if as_whom == "self" else ()))
    return sorted(seen, key=lambda here: order.index(here.as_whom))


def history(session: Session, subject: str) -> list[Stay]:
    """Everywhere that somebody has been, the oldest first."""
    # Two of the same moment: the one that has ended was before.
    order = (MapPlace.since, MapPlace.until.is_(None), MapPlace.id)
    rows = session.scalars(sa.select(MapPlace).where(MapPlace.subject == subject).order_by(*order))
    return [Stay(row.station, row.since, row.until, row.meets_at, row.placed_by) for row in rows]


def showings(
    session: Session, vault: Vault, *, viewers: Collection[str] = (), subjects: Collection[str] = ()
) -> list[Showing]:
    """The decisions that stand about these codes or these subjects, the oldest first. The caller has checked both."""
    found = session.scalars(
        sa.select(MapShowing)
        .where(MapShowing.until.is_(None), sa.or_(MapShowing.viewer.in_(viewers), MapShowing.subject.in_(subjects)))
        .order_by(MapShowing.since, MapShowing.id)
    )
    return [
        Showing(
            row.viewer,
            row.subject,
            row.as_whom,
            row.ground,
            vault.open(row.data_key, f"map_showing.reason:{row.id}", row.reason),
            row.since,
            row.shown_by,
        )
        for row in found
    ]


def _current(session: Session, subject: str) -> MapPlace | None:
    return session.scalar(
        sa.select(MapPlace).where(MapPlace.subject == subject, MapPlace.until.is_(None)).with_for_update()
    )


def _showing(session: Session, viewer: str, subject: str) -> MapShowing | None:
    return session.scalar(
        sa.select(MapShowing).where(
            MapShowing.viewer == viewer, MapShowing.subject == subject, MapShowing.until.is_(None)
        )
    )
