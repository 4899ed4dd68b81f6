"""Whether the office is open at a moment, and whether somebody is then told about danger."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

from backend.core.clock import STOCKHOLM, to_local
from backend.core.closed_days import ClosedDays
from backend.core.municipality import DAYS, Municipality

_FURTHEST = 60
"""Days; no office is closed for longer."""


class Duty:
    """The opening hours and the on-call contact of one municipality."""

    def __init__(self, municipality: Municipality) -> None:
        self._closed = ClosedDays(municipality).closed
        self._hours = municipality.opening_on
        self.mailbox = municipality.on_call.danger_mailbox

    def open_at(self, instant: datetime) -> bool:
        """Whether the office is open, by the local wall clock, on a day that is not closed."""
        local = to_local(instant)
        if self._closed(local.date()):
            return False
        name, now = DAYS[local.weekday()], local.time()
        spans = [span for span in self._hours(local.date()) if name in span.days]
        return any(time.fromisoformat(span.open) <= now < _end(span.close) for span in spans)

    def deadline(self, instant: datetime, minutes: int) -> datetime:
        """When so many minutes of opening hours have passed since ``instant``; nobody's time runs at night.

        In an office without opening hours it runs by the clock.
        """
        left = timedelta(minutes=minutes)
        day = to_local(instant).date()
        for _ in range(_FURTHEST):
            for opens, closes in self._spans(day):
                begins = max(instant, opens)
                if begins >= closes:
                    continue
                if closes - begins >= left:
                    return begins + left
                left -= closes - begins
            day += timedelta(days=1)
        return instant + timedelta(minutes=minutes)

    def _spans(self, day: date) -> list[tuple[datetime, datetime]]:
        """The opening hours of a local day as instants, in order."""
        if self._closed(day):
            return []
        name = DAYS[day.weekday()]
        spans = [(time.fromisoformat(s.open), _end(s.close)) for s in self._hours(day) if name in s.days]
        return sorted((_instant(day, opens), _instant(day, closes)) for opens, closes in spans)

    def closes(self, day: date) -> datetime | None:
        """When the office closes on a local day, or None if it is not open at all."""
        spans = self._spans(day)
        return max(closes for _, closes in spans) if spans else None

    def told_at(self, instant: datetime) -> bool:
        """Whether somebody whom the municipality has named is told at once."""
        return bool(self.mailbox) and self.open_at(instant)


def _instant(day: date, wall: time) -> datetime:
    return datetime.combine(day, wall, STOCKHOLM).astimezone(UTC)


def _end(close: str) -> time:
    return time.max if close == "24:00" else time.fromisoformat(close)
