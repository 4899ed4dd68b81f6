"""The only reader and writer of requests for times, capacity alarms and callbacks; staff reads of callbacks start from `readable_by`."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date, datetime
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from backend.booking.lifecycle import BOOKED, CANCELLED, DONE, NO_SHOW
from backend.booking.promise_tables import WAITING, Callback, CapacityAlarm, TimeRequest
from backend.booking.tables import Booking
from backend.core.access import Kind, visible
from backend.core.db import affected
from backend.core.people import Role, StaffMember
from backend.core.vault import new_id

_request: Any = TimeRequest.__table__
_OF = sa.update(_request).where(_request.c.reference == sa.bindparam("who"))
_LINK = {
    column: _OF.values({"wanted": sa.true(), column: sa.bindparam("to")}) for column in ("booking_id", "callback_id")
}

MANY = 200
"""Rows of a list at most."""


def counted(session: Session, reference: str) -> bool:
    """Whether this one has been counted today."""
    return session.scalar(sa.select(_request.c.id).where(_request.c.reference == reference)) is not None


def count(session: Session, reference: str, asked_at: datetime, until_at: datetime, *, within: bool) -> bool:
    """Count a request; False when the same one was counted in the same moment."""
    row = TimeRequest(id=new_id(), asked_at=asked_at, until_at=until_at, within=within, reference=reference)
    return _added(session, row)


def link(session: Session, reference: str, column: Literal["booking_id", "callback_id"], to: str) -> None:
    """Say what came of a request. Nothing happens to one that was not counted."""
    session.connection().execute(_LINK[column], {"who": reference, "to": to})


def forget_references(session: Session, before: datetime) -> None:
    """Cut the tie between requests made before a moment and whoever made them."""
    session.execute(
        sa.update(_request)
        .where(_request.c.asked_at < before, _request.c.reference.is_not(None))
        .values(reference=None)
    )


def settle(session: Session, now: datetime) -> int:
    """Write down when people met whose talk or call is over, and forget which talk or call it was; returns how many.

    A talk that was booked and whose time has passed took place, unless somebody has said that the person did
    not come. One that was cancelled was not wanted after all.
    """
    talks = session.execute(
        sa.select(_request.c.id, Booking.state, Booking.start_at)
        .outerjoin(Booking, Booking.id == _request.c.booking_id)
        .where(
            _request.c.booking_id.is_not(None),
            sa.or_(Booking.id.is_(None), Booking.end_at <= now, Booking.state.in_((DONE, NO_SHOW))),
        )
        .limit(MANY)
    ).all()
    for request_id, state, start_at in talks:
        met = start_at if state in (DONE, BOOKED) else None
        values: dict[str, Any] = {"booking_id": None, "contact_at": met}
        _change(session, request_id, **values | ({"wanted": False} if state == CANCELLED else {}))
    calls = session.execute(
        sa.select(_request.c.id, Callback.state, Callback.ended_at, Callback.booking_id)
        .outerjoin(Callback, Callback.id == _request.c.callback_id)
        .where(_request.c.callback_id.is_not(None), sa.or_(Callback.id.is_(None), Callback.ended_at.is_not(None)))
        .limit(MANY)
    ).all()
    for request_id, state, ended_at, booking_id in calls:
        if state == "booked":
            _change(session, request_id, callback_id=None, booking_id=booking_id)
        else:
            met = ended_at if state == "reached" else None
            _change(session, request_id, callback_id=None, contact_at=met, wanted=state != "withdrawn")
    return len(talks) + len(calls)


def _change(session: Session, request_id: str, **values: Any) -> None:
    session.execute(sa.update(_request).where(_request.c.id == request_id).values(**values))


def totals(session: Session, begin: datetime, end: datetime) -> tuple[int, int, int, int, int]:
    """Of requests asked from ``begin`` to ``end``: how many, for how many there was a time, how many wanted contact
    and know by now, how many of those had it in time, and for how many it lies ahead.

    Whoever met an empty calendar wanted contact, whether or not they then asked to be called.
    """
    row = _request.c
    open_ = sa.or_(row.booking_id.is_not(None), row.callback_id.is_not(None))
    wanted = sa.and_(sa.or_(row.wanted, sa.not_(row.within)), sa.not_(open_))
    met = sa.and_(wanted, row.contact_at.is_not(None), row.contact_at < row.until_at)

    def many(condition: Any) -> Any:
        return sa.func.coalesce(sa.func.sum(sa.case((condition, 1), else_=0)), 0)

    query = sa.select(sa.func.count(), many(row.within), many(wanted), many(met), many(open_))
    found = session.execute(query.where(row.asked_at >= begin, row.asked_at < end)).one()
    return found[0], found[1], found[2], found[3], found[4]


def forget_requests(session: Session, before: datetime) -> None:
    """Delete what was counted before a moment."""
    session.execute(sa.delete(_request).where(_request.c.asked_at < before))


def ring(session: Session, day: date, reason: str, now: datetime, again_after: datetime) -> bool:
    """Start an alarm of a day, or let one ring again that was seen before ``again_after``; False when it rings already."""
    mine = (CapacityAlarm.day == day, CapacityAlarm.reason == reason)
    if session.scalar(sa.select(CapacityAlarm.id).where(*mine)) is None:
        return _added(session, CapacityAlarm(id=new_id(), day=day, reason=reason, rang_at=now))
    change = (
        sa.update(CapacityAlarm)
        .where(*mine, CapacityAlarm.seen_at.is_not(None), CapacityAlarm.seen_at < again_after)
        .values(rang_at=now, seen_at=None, seen_by=None)
    )
    return bool(affected(session, change))


def alarms(session: Session, since: date) -> Sequence[tuple[CapacityAlarm, str]]:
    """Alarms from a day on with the first name of who has seen each, the last to ring first."""
    rows = session.execute(
        sa.select(CapacityAlarm, StaffMember.first_name)
        .outerjoin(StaffMember, StaffMember.id == CapacityAlarm.seen_by)
        .where(CapacityAlarm.day >= since)
        .order_by(CapacityAlarm.rang_at.desc())
        .limit(MANY)
    )
    return [(alarm, name or "") for alarm, name in rows]


def see(session: Session, alarm_id: str, staff_id: str, now: datetime) -> bool:
    """Make somebody the one who has seen an alarm; False when a colleague was first or there is none."""
    change = (
        sa.update(CapacityAlarm)
        .where(CapacityAlarm.id == alarm_id, CapacityAlarm.seen_at.is_(None))
        .values(seen_at=now, seen_by=staff_id)
    )
    return bool(affected(session, change))


def forget_alarms(session: Session, before: date) -> None:
    """Delete the alarms of days before one."""
    session.execute(sa.delete(CapacityAlarm).where(CapacityAlarm.day < before))


def managers_of(session: Session, unit: str) -> list[StaffMember]:
    """Those who lead a unit now."""
    employed = session.scalars(sa.select(StaffMember).where(StaffMember.active, StaffMember.unit == unit))
    return [member for member in employed if member.is_manager]


# Callbacks.


def readable_by(staff: StaffMember) -> sa.Select[Callback]:
    """Callbacks that this person may know of: the unit's, for its therapists and its manager, nothing withheld."""
    query = sa.select(Callback)
    if not staff.active or not staff.has(Role.THERAPIST, Role.MANAGER):
        return query.where(sa.false())
    return query.where(Callback.unit == staff.unit, visible(staff, (Kind.BOOKING, Callback.id)))


def waiting(session: Session, staff: StaffMember, ended_after: datetime) -> list[tuple[Callback, str]]:
    """Those that somebody waits for, danger first and then the nearest deadline, and after them what has ended since."""
    rows = session.execute(
        readable_by(staff)
        .add_columns(StaffMember.first_name)
        .outerjoin(StaffMember, StaffMember.id == Callback.taken_by)
        .where(sa.or_(WAITING, Callback.ended_at > ended_after))
        .order_by(
            sa.case((WAITING, 0), else_=1),
            sa.case((Callback.danger_level.in_(("A0", "A1")), 0), else_=1),
            Callback.deadline,
            Callback.id,
        )
        .limit(MANY)
    )
    return [(callback, name or "") for callback, name in rows]


def readable(session: Session, staff: StaffMember, callback_id: str, *, lock: bool = False) -> Callback | None:
    """One callback, if this person may know of it."""
    query = readable_by(staff).where(Callback.id == callback_id)
    return session.scalar(query.with_for_update() if lock else query)


def readable_of(session: Session, staff: StaffMember, ids: Collection[str]) -> set[str]:
    """Those of the callbacks that this person may know of."""
    return set(session.scalars(readable_by(staff).where(Callback.id.in_(ids)).with_only_columns(Callback.id)))


def callback(session: Session, callback_id: str, *, lock: bool = False) -> Callback | None:
    """One callback, for whoever has proven by code that it is theirs."""
    query = sa.select(Callback).where(Callback.id == callback_id)
    return session.scalar(query.with_for_update() if lock else query)


def waiting_of(session: Session, holder: str) -> Callback | None:
    """The callback that a chat or form waits for."""
    return session.scalar(sa.select(Callback).where(Callback.holder == holder, WAITING))


def add(session: Session, row: Callback) -> bool:
    """Store a callback; False when the same one asked in the same moment."""
    return _added(session, row)


def late(session: Session, now: datetime) -> bool:
    """Whether somebody waits whose deadline has passed."""
    query = sa.select(Callback.id).where(WAITING, Callback.deadline <= now).limit(1)
    return session.scalar(query) is not None


def forget_callbacks(session: Session, before: datetime, limit: int) -> list[str]:
    """Delete callbacks that ended before a moment; returns which."""
    due = list(session.scalars(sa.select(Callback.id).where(Callback.ended_at < before).limit(limit)))
    if due:
        session.execute(sa.delete(Callback).where(Callback.id.in_(due)))
    return due


def _added(session: Session, row: TimeRequest | CapacityAlarm | Callback) -> bool:
    try:
        with session.begin_nested():
            session.add(row)
            session.flush()
    except IntegrityError:
        return False
    return True
