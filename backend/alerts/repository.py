"""The alert table's only reader and writer; every staff read starts from whom an alert is for."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from backend.alerts.rules import OWN, WIDE
from backend.alerts.tables import Alert
from backend.core.db import affected
from backend.core.people import StaffMember

_RINGING = sa.and_(Alert.acknowledged_at.is_(None), Alert.corrected_at.is_(None))


def ringing(session: Session, reference: str) -> Alert | None:
    """What rings for a reference, held until the transaction ends."""
    return session.scalar(sa.select(Alert).where(Alert.reference == reference, _RINGING).with_for_update())


def add(session: Session, alert: Alert) -> bool:
    """Store a new alert; False when one with its reference began to ring in the same moment."""
    try:
        with session.begin_nested():
            session.add(alert)
            session.flush()
    except IntegrityError:
        return False
    return True


def readable_by(staff: StaffMember, units: Collection[str]) -> sa.Select[Alert]:
    """The alerts that are for ``staff``; ``units`` are those whose queue of danger they may know of.

    A chat belongs to no unit, and its alert is for everybody who reads such a queue. A
    therapist's alerts are those of their own bookings.
    """
    if staff.active and not WIDE.isdisjoint(staff.roles):
        return sa.select(Alert).where(sa.or_(Alert.unit.is_(None), Alert.unit.in_(units)))
    if staff.active and not OWN.isdisjoint(staff.roles):
        return sa.select(Alert).where(Alert.staff_id == staff.id)
    return sa.select(Alert).where(sa.false())


def newest(
    session: Session, mine: sa.Select[Alert], at_most: int, *, settled_after: datetime | None = None
) -> list[tuple[Alert, str]]:
    """Alerts with the first name of who has seen each, the last to ring first.

    With ``settled_after``: those that ring, the nearest danger first, and after them what was settled since.
    """
    query = mine.add_columns(StaffMember.first_name).outerjoin(StaffMember, StaffMember.id == Alert.acknowledged_by)
    if settled_after is not None:
        query = query.where(
            sa.or_(_RINGING, Alert.acknowledged_at > settled_after, Alert.corrected_at > settled_after)
        ).order_by(sa.case((_RINGING, 0), else_=1), Alert.level)
    rows = session.execute(query.order_by(Alert.rang_at.desc(), Alert.id).limit(at_most))
    return [(alert, name or "") for alert, name in rows]


def count_ringing(session: Session, mine: sa.Select[Alert]) -> int:
    """How many ring."""
    return session.scalar(sa.select(sa.func.count()).select_from(mine.where(_RINGING).subquery())) or 0


def find(session: Session, mine: sa.Select[Alert], alert_id: str) -> Alert | None:
    """One alert, if it is for whom ``mine`` was made."""
    return session.scalar(mine.where(Alert.id == alert_id))


def acknowledge(session: Session, alert_id: str, level: str, staff_id: str, at: datetime) -> bool:
    """Make somebody the one who has seen it at this level; False when it no longer rings so. The first wins."""
    change = (
        sa.update(Alert)
        .where(Alert.id == alert_id, Alert.level == level, _RINGING)
        .values(acknowledged_at=at, acknowledged_by=staff_id)
    )
    return bool(affected(session, change))


def forget_before(session: Session, before: datetime) -> int:
    """Delete alerts that first rang before a moment; returns how many."""
    return affected(session, sa.delete(Alert).where(Alert.at < before))


def name_of(session: Session, alert: Alert) -> Sequence[str]:
    """The first name of who has seen an alert, if anybody has."""
    return session.scalars(sa.select(StaffMember.first_name).where(StaffMember.id == alert.acknowledged_by)).all()
