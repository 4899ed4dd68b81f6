"""How staff are told that something about a concern is new: open pages by its id, mailboxes not even by that."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from backend.core import outbox
from backend.core.house import House
from backend.core.live import Event


def topic(unit: str) -> str:
    """What the open pages of a unit listen to."""
    return f"concerns:{unit}"


def changed(house: House, unit: str, concern_id: str) -> None:
    """Something was committed about a concern of ``unit``. On the event loop, after the commit."""
    house.live.publish(topic(unit), Event("changed", concern_id))


def notify(session: Session, house: House, unit: str, now: datetime) -> None:
    """Post a mail to a unit's box in the caller's transaction: to log in, and nothing else."""
    say = house.phrases.say
    link = f"{house.settings.public_url}/personal"
    mailbox = house.municipality.unit(unit).mailbox
    outbox.post(session, now, mailbox, say("concern_mail.subject"), say("concern_mail.body", None, link=link))
