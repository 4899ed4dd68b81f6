"""How staff are told that something about a concern is new: open pages by its id, mailboxes not even by that."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from backend.core import outbox
from backend.core.house import House
from backend.core.live import Event
from backend.core.people import Role, StaffMember


def topic(unit: str) -> str:
    """What the open pages of a unit listen to."""
    return f"concerns:{unit}"


def changed(house: House, unit: str, concern_id: str) -> None:
    """Something was committed about a concern of ``unit``. On the event loop, after the commit."""
    house.live.publish(topic(unit), Event("changed", concern_id))


def notify(session: Session, house: House, unit: str, now: datetime) -> None:
    """Post a mail to a unit's box in the caller's transaction: to log in, and nothing else."""
    _post(session, house, house.municipality.unit(unit).mailbox, now)


def tell_managers(session: Session, house: House, unit: str, now: datetime) -> None:
    """The same mail to whoever leads a unit, or to its box when none of them has an address."""
    people = session.scalars(sa.select(StaffMember).where(StaffMember.unit == unit, StaffMember.active.is_(True)))
    addresses = sorted({member.mail for member in people if member.has(Role.MANAGER) and member.mail})
    mailbox = next((known.mailbox for known in house.municipality.units if known.id == unit), "")
    for address in addresses or [mailbox]:
        _post(session, house, address, now)


def _post(session: Session, house: House, recipient: str, now: datetime) -> None:
    say = house.phrases.say
    link = f"{house.settings.public_url}/personal"
    outbox.post(session, now, recipient, say("concern_mail.subject"), say("concern_mail.body", None, link=link))
