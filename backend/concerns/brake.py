"""How often a source may send a form to the social services."""

from __future__ import annotations

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from backend.core.errors import TooMany

# A whole school may share one address, so a source may send many; the total keeps a flood out of the queue.
_PER_SOURCE = RateLimitItemPerMinute(60, 15)
_IN_ALL = RateLimitItemPerMinute(240)


class Brake:
    """Holds back a flood of sends, not a class of pupils behind one address. If counting fails, sending goes on."""

    def __init__(self) -> None:
        self._limiter = MovingWindowRateLimiter(MemoryStorage())

    def check(self, source: str) -> None:
        """Raise `TooMany` when there have been too many sends."""
        try:
            allowed = self._limiter.hit(_PER_SOURCE, source) and self._limiter.hit(_IN_ALL, "all")
        except Exception:  # somebody who tells about harm must not be stopped by a broken counter
            allowed = True
        if not allowed:
            raise TooMany
