"""What the live conversation needs to know of bookings and working hours. Everything here runs in the caller's session."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from backend.booking import repository, rules
from backend.booking.lifecycle import BOOKED, STANDS
from backend.booking.tables import Booking
from backend.core.clock import to_local
from backend.core.closed_days import ClosedDays
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
        self._closed = ClosedDays(house.municipality).closed

    def appointment(self, session: Session, booking_id: str) -> Appointment | None:
        """A booked chat by its id, for whoever has proven that it is theirs; None when it is no such talk any more."""
        return self._one(session, Booking.id == booking_id, Booking.state.in_(STANDS))

    def of_holder(self, session: Session, holder: str) -> Appointment | None:
        """The booked chat of a chat or form that is still known to have booked it."""
        return self._one(session, Booking.holder == holder, Booking.state == BOOKED)

    def at_work(self, session: Session, unit: str, now: datetime) -> set[str]:
        """Ids of those in a unit whose working hours it is."""
        day = to_local(now).date()
        if self._closed(day):
            return set()
        return {
            shift.therapist
            for shift in self._shifts(session, unit)
            if shift.weekday == day.weekday()
            and rules.instant(day, shift.start_minute) <= now < rules.instant(day, shift.end_minute)
        }

    def next_shift(self, session: Session, unit: str, now: datetime) -> datetime | None:
        """When somebody in a unit who talks in the chat next begins to work, within `rules.LOOK_AHEAD` days."""
        shifts = self._shifts(session, unit)
        today = to_local(now).date()
        for day in (today, *rules.open_after(today, self._closed)):
            if self._closed(day):
                continue
            begins = [rules.instant(day, shift.start_minute) for shift in shifts if shift.weekday == day.weekday()]
            ahead = [instant for instant in begins if instant > now]
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

    def _shifts(self, session: Session, unit: str) -> list[rules.Shift]:
        members = set(session.scalars(sa.select(StaffMember.id).where(StaffMember.unit == unit)))
        return [shift for shift in repository.schedule(session).able(CHAT) if shift.therapist in members]

    def _one(self, session: Session, *which: sa.ColumnElement[bool]) -> Appointment | None:
        row = session.execute(
            sa.select(Booking, StaffMember.first_name, StaffMember.unit)
            .join(StaffMember, StaffMember.id == Booking.therapist_id)
            .where(*which, Booking.channel == CHAT)
        ).first()
        if row is None:
            return None
        booking, name, unit = row
        reader = Reader(booking.who, booking.band, booking.lang)  # type: ignore[arg-type]
        return Appointment(
            booking.id, booking.therapist_id, name, unit, booking.start_at, booking.end_at, reader, booking.interpreter
        )
