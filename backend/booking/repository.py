"""The booking tables' only reader and writer.

Staff reads start from `readable_by`; everything else serves the person who holds
the booking, or counts cells without saying whose they are.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Session

from backend.booking.lifecycle import BOOKED, CANCELLED, HELD, STANDS
from backend.booking.rules import Wish, read_wish
from backend.booking.schedule_repository import words
from backend.booking.tables import ACTIVE, AfterTalk, Booking, BookingCell, MissedTalk, Therapist
from backend.core.access import Kind, visible
from backend.core.codes import ReturnCode
from backend.core.people import Role, StaffMember

_booking: Any = Booking.__table__
_cell: Any = BookingCell.__table__

_OWNED = sa.select(
    _booking.c.id,
    _booking.c.therapist_id,
    _booking.c.start_at,
    _booking.c.end_at,
    _booking.c.state,
    _booking.c.hold_until,
    _booking.c.channel,
    _booking.c.receipt,
    _booking.c.wish,
)
_OWNED_COLUMNS = len(_OWNED.selected_columns)
_OF_HOLDER = _OWNED.where(
    _booking.c.holder == sa.bindparam("holder"), ACTIVE, _booking.c.state == sa.bindparam("state")
)
_ACTIVE_OF = _OWNED.where(_booking.c.holder == sa.bindparam("holder"), ACTIVE)
_ACTIVE_LOCKED = _ACTIVE_OF.with_for_update()
_BY_ID = _OWNED.where(_booking.c.id == sa.bindparam("id"))
_BY_RECEIPT = _OWNED.where(_booking.c.receipt == sa.bindparam("receipt"))
_COLLEAGUES = sa.select(
    StaffMember.id,
    StaffMember.first_name,
    StaffMember.mail,
    StaffMember.unit,
    Therapist.channels,
    Therapist.meeting_url,
).join(Therapist, Therapist.staff_id == StaffMember.id)
_COLLEAGUE = _COLLEAGUES.where(StaffMember.id == sa.bindparam("id"))
_WORKING = _COLLEAGUE.where(StaffMember.active)
_ACTIVE_WITH = (
    sa.select(*_OWNED.selected_columns, *_COLLEAGUES.selected_columns)
    .select_from(_booking)
    .outerjoin(StaffMember, sa.and_(StaffMember.id == _booking.c.therapist_id, StaffMember.active))
    .outerjoin(Therapist, Therapist.staff_id == StaffMember.id)
    .where(_booking.c.holder == sa.bindparam("holder"), ACTIVE)
    .with_for_update(of=_booking)
)
# Naming every therapist lets the primary key be read by range; a list of them from here would cost more than the reading.
_OCCUPIED = (
    sa.select(
        _cell.c.therapist_id,
        _cell.c.booking_id,
        sa.func.min(_cell.c.cell),
        sa.func.max(_cell.c.cell),
        _booking.c.hold_until,
    )
    # Only of holds is anything asked, and there are few: joined with all talks, PostgreSQL walks through the whole table.
    .outerjoin(_booking, sa.and_(_booking.c.id == _cell.c.booking_id, sa.text(f"booking.state = '{HELD}'")))
    .where(
        _cell.c.therapist_id.in_(sa.select(Therapist.staff_id)),
        _cell.c.cell >= sa.bindparam("first"),
        _cell.c.cell < sa.bindparam("end"),
    )
    .group_by(_cell.c.therapist_id, _cell.c.booking_id, _booking.c.hold_until)
)
_CHANGE = sa.update(_booking).where(_booking.c.id == sa.bindparam("changed"))
_INSERT_BOOKING = sa.insert(_booking)
_INSERT_CELLS = sa.insert(_cell)
# One statement for all cells: a server is asked once, while SQLite runs through them faster itself.
_INSERT_CELLS_AT_ONCE = sa.insert(_cell).from_select(
    ["therapist_id", "cell", "booking_id"],
    sa.select(
        sa.bindparam("therapist_id", type_=sa.String),
        sa.func.unnest(sa.bindparam("cells", type_=postgresql.ARRAY(sa.Integer))),
        sa.bindparam("booking_id", type_=sa.String),
    ),
)


@dataclass(frozen=True, slots=True)
class Owned:
    """A booking as its holder's own use cases need it: nothing sealed, nothing about who they are."""

    id: str
    therapist_id: str
    start_at: datetime
    end_at: datetime
    state: str
    hold_until: datetime | None
    channel: str | None
    receipt: str | None
    wish: Wish


@dataclass(frozen=True, slots=True)
class Colleague:
    """A therapist as others need to know them."""

    id: str
    first_name: str
    mail: str
    unit: str
    channels: frozenset[str]
    meeting_url: str | None


@dataclass(frozen=True, slots=True)
class Occupied:
    """Cells in use per therapist, and the ids of holds that have run out but still own cells."""

    busy: dict[str, set[int]]
    expired: dict[str, set[str]]


def occupied(
    session: Session, first: int, end: int, now: datetime, *, but_for: str | None = None, moving: str | None = None
) -> Occupied:
    """Cells from ``first`` up to ``end`` that are in use at ``now``.

    ``but_for`` is a holder whose own hold counts as free, so that nobody sees their own choice as gone;
    ``moving`` is a booking that is about to leave its cells.
    """
    busy: dict[str, set[int]] = defaultdict(set)
    expired: dict[str, set[str]] = defaultdict(set)
    own = held_by(session, but_for) if but_for else None
    own_id = own.id if own is not None else None
    rows = session.connection().execute(_OCCUPIED, {"first": first, "end": end}).all()
    for therapist_id, booking_id, lowest, highest, hold_until in rows:
        if hold_until is not None and hold_until <= now:
            expired[therapist_id].add(booking_id)
        elif booking_id not in (own_id, moving):
            busy[therapist_id].update(range(lowest, highest + 1))
    return Occupied(busy, expired)


def held_by(session: Session, holder: str) -> Owned | None:
    """The holder's hold, run out or not, without locking it."""
    return _owned(session, _OF_HOLDER, holder=holder, state=HELD)


def booked_by(session: Session, holder: str) -> Owned | None:
    """The holder's confirmed booking, without locking it."""
    return _owned(session, _OF_HOLDER, holder=holder, state=BOOKED)


def active_by(session: Session, holder: str) -> Owned | None:
    """The holder's hold or booking, without locking it."""
    return _owned(session, _ACTIVE_OF, holder=holder)


def _owned(session: Session, statement: sa.Select[Any], **values: str) -> Owned | None:
    row = session.connection().execute(statement, values).one_or_none()
    return _as_owned(row) if row is not None else None


def _as_owned(columns: Any) -> Owned:
    return Owned(*[*columns[:-1], read_wish(columns[-1] or "")])


def active_of(session: Session, holder: str, *, adding: bool = False) -> Owned | None:
    """The holder's hold or booking, locked until the transaction ends.

    Whoever is ``adding`` one need not look twice: of two at the same moment, the key on holders refuses one.
    """
    row = _locked(session, _ACTIVE_LOCKED, holder, again=not adding)
    return _as_owned(row) if row is not None else None


def active_with(session: Session, holder: str) -> tuple[Owned, Colleague | None] | None:
    """`active_of`, and the therapist if they are employed now."""
    row = _locked(session, _ACTIVE_WITH, holder)
    if row is None:
        return None
    therapist = row[_OWNED_COLUMNS:]
    return _as_owned(row[:_OWNED_COLUMNS]), _as_colleague(therapist) if therapist[0] is not None else None


def _locked(session: Session, statement: sa.Select[Any], holder: str, *, again: bool = True) -> Any:
    """A second window that waits for a hold finds it replaced, and looks ``again`` for the one that replaced it."""
    row = session.connection().execute(statement, {"holder": holder}).one_or_none()
    while row is None and again and active_by(session, holder) is not None:
        row = session.connection().execute(statement, {"holder": holder}).one_or_none()
    return row


def add(session: Session, values: dict[str, Any], taken: Iterable[int]) -> None:
    """Store a booking and its cells; raises `IntegrityError` when somebody else owns one of them."""
    session.connection().execute(_INSERT_BOOKING, values)
    occupy(session, values["id"], values["therapist_id"], taken)


def occupy(session: Session, booking_id: str, therapist_id: str, taken: Iterable[int]) -> None:
    """Take cells, in ascending order so that two takers cannot wait for each other."""
    cells, connection = sorted(taken), session.connection()
    whose = {"therapist_id": therapist_id, "booking_id": booking_id}
    if connection.dialect.name == "postgresql":
        connection.execute(_INSERT_CELLS_AT_ONCE, whose | {"cells": cells})
    elif cells:
        connection.execute(_INSERT_CELLS, [whose | {"cell": cell} for cell in cells])


def change(session: Session, booking_id: str, **values: Any) -> None:
    """Update columns of one booking."""
    session.connection().execute(_CHANGE, {"changed": booking_id, **values})


def cells_of(session: Session, booking_id: str) -> list[int]:
    """The cells that a booking owns, in order."""
    found = sa.select(_cell.c.cell).where(_cell.c.booking_id == booking_id).order_by(_cell.c.cell)
    return list(session.connection().scalars(found))


def keep_only(session: Session, booking_id: str, therapist_id: str, cells: Iterable[int]) -> None:
    """Give up a booking's cells but for these of this therapist."""
    kept = sa.and_(_cell.c.therapist_id == therapist_id, _cell.c.cell.in_(list(cells)))
    session.connection().execute(sa.delete(_cell).where(_cell.c.booking_id == booking_id, sa.not_(kept)))


def vacate(session: Session, booking_ids: Iterable[str]) -> None:
    """Give up the cells of bookings."""
    session.execute(sa.delete(_cell).where(_cell.c.booking_id.in_(list(booking_ids))))


def drop_expired(session: Session, booking_ids: Iterable[str], now: datetime) -> list[str]:
    """Cancel those of the holds that are still holds and still expired; returns which.

    Their rows are locked first, so that a confirmation finds its hold either whole or
    gone. A row that its owner has locked is left alone: the owner is confirming or
    choosing anew, and two who waited for each other's rows would wait for ever.
    """
    return _drop(session, booking_ids, now, Booking.hold_until <= now)


def drop_holds(session: Session, booking_ids: Iterable[str], now: datetime) -> list[str]:
    """`drop_expired` for holds whether or not they have run out."""
    return _drop(session, booking_ids, now)


def _drop(session: Session, booking_ids: Iterable[str], now: datetime, *which: sa.ColumnElement[bool]) -> list[str]:
    due = list(
        session.scalars(
            sa.select(Booking.id)
            .where(Booking.id.in_(list(booking_ids)), Booking.state == HELD, *which)
            .with_for_update(skip_locked=True)
        )
    )
    if due:
        session.execute(
            sa.update(_booking).where(_booking.c.id.in_(due)).values(state=CANCELLED, cancelled_at=now, holder=None)
        )
        vacate(session, due)
    return due


def expired_before(session: Session, instant: datetime, limit: int) -> Sequence[str]:
    """Ids of holds that ran out before ``instant``."""
    return session.scalars(
        sa.select(Booking.id).where(Booking.state == HELD, Booking.hold_until <= instant).limit(limit)
    ).all()


def row(session: Session, booking_id: str) -> Booking | None:
    """A whole booking, locked until the transaction ends, as it is at this moment."""
    return session.scalar(
        sa.select(Booking).where(Booking.id == booking_id).with_for_update().execution_options(populate_existing=True)
    )


def by_id(session: Session, booking_id: str, *, lock: bool = False) -> Owned | None:
    """One booking, for whoever has proven by code or session that it is theirs."""
    return _owned(session, _BY_ID.with_for_update() if lock else _BY_ID, id=booking_id)


def by_receipt(session: Session, receipt: str) -> Owned | None:
    """The booking that was made under a receipt, in whatever state it is now."""
    return _owned(session, _BY_RECEIPT, receipt=receipt)


def colleague(session: Session, staff_id: str) -> Colleague:
    """A therapist, still employed or not; raises `NoResultFound`."""
    return _as_colleague(session.connection().execute(_COLLEAGUE, {"id": staff_id}).one())


def working(session: Session, staff_id: str) -> Colleague | None:
    """A therapist who is employed now, or None."""
    row = session.connection().execute(_WORKING, {"id": staff_id}).one_or_none()
    return _as_colleague(row) if row is not None else None


def _as_colleague(row: Any) -> Colleague:
    return Colleague(row[0], row[1], row[2], row[3], words(row[4]), row[5])


def readable_by(staff: StaffMember) -> sa.Select[Booking, str, str | None]:
    """Bookings that stand (booked, held or missed) and that this person may know of, with the therapist's first name and video room.

    A therapist reads own and the team's, a manager the own unit's, nobody else any
    (offentlighets- och sekretesslagen 26 kap. 1 §: secrecy also holds inside the house).
    """
    own, team = Booking.therapist_id == staff.id, StaffMember.unit == staff.unit
    allowed: sa.ColumnElement[bool] = sa.false()
    if staff.active and staff.has(Role.THERAPIST):
        allowed = sa.or_(own, team)
    elif staff.active and staff.is_manager:
        allowed = team
    return (
        sa.select(Booking, StaffMember.first_name, Therapist.meeting_url)
        .join(StaffMember, StaffMember.id == Booking.therapist_id)
        .join(Therapist, Therapist.staff_id == Booking.therapist_id)
        .where(allowed, Booking.state.in_(STANDS), visible(staff, (Kind.BOOKING, Booking.id)))
    )


def readable_of(session: Session, staff: StaffMember, booking_ids: Collection[str]) -> set[str]:
    """Those of the bookings that this person may know of."""
    query = readable_by(staff).where(Booking.id.in_(booking_ids)).with_only_columns(Booking.id)
    return set(session.scalars(query))


def first_names(session: Session, staff_ids: Collection[str]) -> dict[str, str]:
    """First names by staff id; ids that are nobody's are left out."""
    rows = session.execute(sa.select(StaffMember.id, StaffMember.first_name).where(StaffMember.id.in_(staff_ids)))
    return {row[0]: row[1] for row in rows}


def therapists_for(session: Session, channel: str | None) -> list[tuple[str, str]]:
    """Id and first name of everybody employed now who can meet in ``channel``."""
    rows = session.execute(
        sa.select(StaffMember.id, StaffMember.first_name, Therapist.channels)
        .join(Therapist, Therapist.staff_id == StaffMember.id)
        .where(StaffMember.active)
    )
    return [(staff_id, name) for staff_id, name, ways in rows if channel is None or channel in words(ways)]


def settle_missed(session: Session, booking_id: str, outcome: str, by: str | None, at: datetime) -> None:
    """Somebody who did not come is waited for no longer."""
    session.execute(
        sa.update(MissedTalk)
        .where(MissedTalk.booking_id == booking_id, MissedTalk.settled_at.is_(None))
        .values(step="settled", outcome=outcome, settled_at=at, settled_by=by)
    )


def purge(session: Session, ended_before: datetime, let_go_before: datetime, limit: int) -> int:
    """Delete bookings whose talk ended, or that were let go unconfirmed, before the given instants; returns how many."""
    due = list(
        session.scalars(
            sa.select(Booking.id)
            .where(
                sa.or_(
                    sa.and_(Booking.end_at < ended_before, Booking.state.in_((*STANDS, CANCELLED))),
                    sa.and_(
                        Booking.state == CANCELLED,
                        Booking.confirmed_at.is_(None),
                        Booking.cancelled_at < let_go_before,
                    ),
                )
            )
            .limit(limit)
        )
    )
    if due:
        vacate(session, due)
        for table in (AfterTalk, MissedTalk):
            session.execute(sa.delete(table).where(table.booking_id.in_(due)))
        session.execute(sa.delete(ReturnCode).where(ReturnCode.kind == "booking", ReturnCode.subject.in_(due)))
        session.execute(sa.delete(_booking).where(_booking.c.id.in_(due)))
    return len(due)


def forget_holders(session: Session, now: datetime) -> None:
    """Cut the tie between a talk that is over and the chat or form that booked it."""
    session.execute(
        sa.update(_booking).where(_booking.c.end_at < now, _booking.c.holder.is_not(None)).values(holder=None)
    )
