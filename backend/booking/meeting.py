"""What talks and cases need to know of bookings and working hours. Everything here runs in the caller's session."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from backend.booking import repository, rules
from backend.booking.lifecycle import BOOKED, STANDS
from backend.booking.offering import Offering
from backend.booking.tables import Booking
from backend.core.clock import to_local
from backend.core.house import House
from backend.core.people import StaffMember
from backend.core.reader import Reader

CHAT = "chat"
_SOON = timedelta(minutes=10)
"""Somebody with a booked talk this near begins no other."""


@dataclass(frozen=True, slots=True)
class Appointment:
    """A booked talk that is to be held in the chat."""

    booking_id: str
    therapist_id: str
    therapist: str
    unit: str
    start: datetime
    end: datetime
    reader: Reader
    interpreter: str | None


class Meetings:
    """Booked chats, and who is at work when."""

    def __init__(self, house: House) -> None:
        self._offering = Offering(house)

    def appointment(self, session: Session, booking_id: str) -> Appointment | None:
        """A booked chat by its id, for whoever has proven that it is theirs; None when it is no such talk any more."""
        return self._one(session, Booking.id == booking_id, Booking.state.in_(STANDS))

    def of_holder(self, session: Session, holder: str) -> Appointment | None:
        """The booked chat of a chat or form that is still known to have booked it."""
        return self._one(session, Booking.holder == holder, Booking.state == BOOKED)

    def at_work(self, session: Session, unit: str, now: datetime) -> set[str]:
        """Ids of those in a unit who talk in the chat and whose working hours it is."""
        members = self._members(session, unit)
        return {person.id for person in self._offering.at_work(session, now, now, CHAT).able if person.id in members}

    def next_shift(self, session: Session, unit: str, now: datetime) -> datetime | None:
        """When somebody in a unit who talks in the chat next begins to work, within `rules.LOOK_AHEAD` days."""
        today, members = to_local(now).date(), self._members(session, unit)
        schedule = self._offering.schedule(session, today, today + timedelta(days=rules.LOOK_AHEAD))
        people = [person for person in schedule.people if person.id in members and CHAT in person.channels]
        for step in range(rules.LOOK_AHEAD + 1):
            day = today + timedelta(days=step)
            begins = [begin for one in people for begin, _ in one.hours.windows(day, self._offering.closed)]
            ahead = [begin for begin in begins if begin > now]
            if ahead:
                return min(ahead)
        return None

    def busy_until(self, session: Session, staff_ids: list[str], now: datetime) -> dict[str, datetime]:
        """When those of the therapists who have a booked talk now, or very soon, are done with it."""
        rows = session.execute(
            sa.select(Booking.therapist_id, sa.func.max(Booking.end_at))
            .where(
                Booking.therapist_id.in_(staff_ids),
                Booking.state == BOOKED,
                Booking.start_at <= now + _SOON,
                Booking.end_at > now,
            )
            .group_by(Booking.therapist_id)
        )
        return {row[0]: row[1] for row in rows}

    def _members(self, session: Session, unit: str) -> set[str]:
        return set(session.scalars(sa.select(StaffMember.id).where(StaffMember.unit == unit)))

    def _one(self, session: Session, *which: sa.ColumnElement[bool]) -> Appointment | None:
        row = session.execute(
            sa.select(Booking, StaffMember.first_name, StaffMember.unit)
            .join(StaffMember, StaffMember.id == Booking.therapist_id)
            .where(*which, Booking.channel == CHAT)
        ).first()
        if row is None:
            return None
        booking, name, unit = row
        reader = Reader.stored(booking.who, booking.band, booking.lang)
        return Appointment(
            booking.id, booking.therapist_id, name, unit, booking.start_at, booking.end_at, reader, booking.interpreter
        )


def readable(session: Session, staff: StaffMember, booking_ids: Collection[str]) -> set[str]:
    """Those of the bookings that ``staff`` may read, within the caller's transaction."""
    return repository.readable_of(session, staff, booking_ids)
