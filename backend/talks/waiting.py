"""Who is in now, how long the line is, and when somebody is there next: what a person who asks for a human is told."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy.orm import Session

from backend.booking.meeting import Meetings
from backend.booking.rules import instant
from backend.core.clock import to_local
from backend.core.house import House
from backend.talks import repository, rules
from backend.talks.presence import Presence

Staffing = Literal["in", "away", "closed"]


@dataclass(frozen=True, slots=True)
class Outlook:
    """``in``: somebody has said that they take talks and has the page open. ``away``: it is somebody's
    working hours, yet nobody has said so; they are told, and no time is promised. ``closed``: neither.

    ``place`` is 1 for whoever is next; ``minutes`` about how long that takes, None where it is not known;
    ``opens`` when somebody next begins to work, if nobody is there.
    """

    staffing: Staffing
    names: tuple[str, ...]
    place: int
    minutes: int | None
    opens: datetime | None


class WaitingRoom:
    """The line to those who take talks at once in one municipality."""

    def __init__(self, house: House, meetings: Meetings, presence: Presence) -> None:
        self._terms = house.municipality.talks
        self._meetings = meetings
        self._presence = presence
        self.unit = house.municipality.booking.unit

    def on_duty(self, session: Session, now: datetime) -> list[tuple[str, str]]:
        """Id and first name of those who take talks now: they have said so today, and have a page open."""
        since = instant(to_local(now).date(), 0)
        on = repository.on_duty(session, self.unit, since)
        return [(staff_id, name) for staff_id, name in on if self._presence.here(f"staff:{staff_id}")]

    def at_work(self, session: Session, now: datetime) -> bool:
        """Whether it is anybody's working hours."""
        return bool(self._meetings.at_work(session, self.unit, now))

    def outlook(self, session: Session, now: datetime, talk_id: str | None = None) -> Outlook:
        """For a talk that waits, or for whoever would come last."""
        line = [talk.id for talk in repository.waiting_line(session, self.unit)]
        place = rules.place_of(talk_id, line) if talk_id in line else len(line) + 1
        present = self.on_duty(session, now)
        if present:
            names = tuple(name for _, name in present)
            free_in = self._free_in(session, [staff_id for staff_id, _ in present], now)
            return Outlook(
                "in", names, place, rules.minutes_to_wait(place - 1, free_in, self._terms.typical_minutes), None
            )
        if self.at_work(session, now):
            return Outlook("away", (), place, None, None)
        return Outlook("closed", (), place, None, self._meetings.next_shift(session, self.unit, now))

    def _free_in(self, session: Session, staff_ids: list[str], now: datetime) -> list[int]:
        talking = repository.open_since(session, staff_ids)
        booked = self._meetings.busy_until(session, staff_ids, now)
        found = []
        for staff_id in staff_ids:
            waits = [0]
            if staff_id in talking:
                waits.append(rules.minutes_left(talking[staff_id], now, self._terms.typical_minutes))
            if staff_id in booked:
                waits.append(int((booked[staff_id] - now).total_seconds() // 60) + 1)
            found.append(max(waits))
        return found
