"""Who takes talks, and when they work."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy.orm import Session

from backend.booking.tables import Therapist, WorkingHours
from backend.core.municipality import DAYS, Break, Municipality
from backend.core.people import StaffMember


def seed_therapists(session: Session, municipality: Municipality, staff: Mapping[str, StaffMember]) -> int:
    """Give the demo therapists (``login`` -> row) their hours and channels; those who have some are left alone.

    Returns how many were added.
    """
    added = 0
    for person in municipality.demo_staff:
        member = staff.get(person.login)
        if person.role != "therapist" or member is None or session.get(Therapist, member.id) is not None:
            continue
        session.add(Therapist(staff_id=member.id, channels=",".join(person.channels), meeting_url=person.meeting_url))
        session.flush()
        for span in person.hours:
            for start, end in _around(span.start, span.end, person.break_):
                session.add_all(
                    WorkingHours(staff_id=member.id, weekday=DAYS.index(day), start_minute=start, end_minute=end)
                    for day in span.days
                )
        added += 1
    return added


def _around(start: str, end: str, pause: Break | None) -> list[tuple[int, int]]:
    """The parts of a working day that its break leaves, in minutes."""
    begin, stop = _minute(start), _minute(end)
    if pause is None or _minute(pause.end) <= begin or _minute(pause.start) >= stop:
        return [(begin, stop)]
    parts = [(begin, _minute(pause.start)), (_minute(pause.end), stop)]
    return [(first, last) for first, last in parts if first < last]


def _minute(clock: str) -> int:
    hour, _, minute = clock.partition(":")
    return int(hour) * 60 + int(minute)
