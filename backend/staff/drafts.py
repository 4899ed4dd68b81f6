"""Who writes an answer to what right now, so that two colleagues do not write the same one.

In memory, for a minute after the last key: a sign, not a lock, and nothing of what is written.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from backend.concerns import live
from backend.core.house import House
from backend.core.live import Event
from backend.core.people import StaffMember

LASTS = timedelta(minutes=1)


class Drafts:
    """Belongs to the event loop."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._writing: dict[str, dict[str, tuple[str, datetime]]] = {}

    def writes(self, staff: StaffMember, concern_id: str) -> None:
        """``staff`` has a half-written answer; open pages of the unit are told when that is new."""
        now = self._house.clock.now()
        self._forget(now)
        writing = self._writing.setdefault(concern_id, {})
        new = staff.id not in writing
        writing[staff.id] = staff.first_name, now + LASTS
        if new:
            self._tell(staff.unit, concern_id)

    def done(self, staff: StaffMember, concern_id: str) -> None:
        """The answer is sent."""
        if self._writing.get(concern_id, {}).pop(staff.id, None) is not None:
            self._tell(staff.unit, concern_id)

    def others(self, concern_id: str, staff_id: str) -> list[str]:
        """First names of those who write, but for the one who asks."""
        self._forget(self._house.clock.now())
        return [name for one, (name, _) in self._writing.get(concern_id, {}).items() if one != staff_id]

    def _tell(self, unit: str, concern_id: str) -> None:
        self._house.live.publish(live.topic(unit), Event("writing", concern_id))

    def _forget(self, now: datetime) -> None:
        for concern_id, writing in list(self._writing.items()):
            for staff_id in [one for one, (_, until) in writing.items() if until <= now]:
                del writing[staff_id]
            if not writing:
                del self._writing[concern_id]
