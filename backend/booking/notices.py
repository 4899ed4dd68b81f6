"""What the house sends about a booking: to the therapist that something is new, never what."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from backend.booking.repository import Colleague
from backend.core import outbox
from backend.core.house import House


def tell(session: Session, house: House, therapist: Colleague, booking_id: str, now: datetime) -> None:
    """Post a mail to the therapist, or to the unit, that says only that there is something new."""
    outbox.post(
        session,
        now,
        therapist.mail or house.municipality.unit(therapist.unit).mailbox,
        house.phrases.say("booking_mail.subject"),
        house.phrases.say("booking_mail.body", None, url=f"{house.settings.public_url}/personal"),
    )
