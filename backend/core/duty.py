"""Whether the office is open at a moment, and whether somebody is then told about danger."""

from __future__ import annotations

from datetime import datetime, time

from backend.core.clock import to_local
from backend.core.closed_days import ClosedDays
from backend.core.municipality import DAYS, Municipality


class Duty:
    """The opening hours and the on-call contact of one municipality."""

    def __init__(self, municipality: Municipality) -> None:
        self._closed = ClosedDays(municipality).closed
        self._hours = municipality.opening_hours
        self.mailbox = municipality.on_call.danger_mailbox

    def open_at(self, instant: datetime) -> bool:
        """Whether the office is open, by the local wall clock, on a day that is not closed."""
        local = to_local(instant)
        if self._closed(local.date()):
            return False
        name, now = DAYS[local.weekday()], local.time()
        spans = [span for span in self._hours if name in span.days]
        return any(time.fromisoformat(span.open) <= now < _end(span.close) for span in spans)

    def told_at(self, instant: datetime) -> bool:
        """Whether somebody whom the municipality has named is told at once."""
        return bool(self.mailbox) and self.open_at(instant)


def _end(close: str) -> time:
    return time.max if close == "24:00" else time.fromisoformat(close)
