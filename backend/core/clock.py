"""Time as an argument: UTC instants inside, the municipality's wall clock at the edges."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Protocol
from zoneinfo import ZoneInfo

STOCKHOLM = ZoneInfo("Europe/Stockholm")


class Clock(Protocol):
    """Anything that can say what time it is."""

    def now(self) -> datetime:
        """The current instant, aware, in UTC."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """See `Clock.now`."""
        return datetime.now(UTC)


def to_local(instant: datetime) -> datetime:
    """The same instant on the wall clock of Europe/Stockholm."""
    return instant.astimezone(STOCKHOLM)
