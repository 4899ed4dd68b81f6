"""How long a login lasts, and what a password must be: plain decisions."""

from __future__ import annotations

from datetime import datetime, timedelta

IDLE = timedelta(minutes=15)
LONGEST = timedelta(hours=8)
NOTE_AFTER = timedelta(seconds=30)
"""How often a session's last use is written down; the idle limit is at most this much shorter."""
LISTENS = timedelta(minutes=2)
"""How long after it was last heard of a page counts as listening: it may be coming back."""
SHORTEST_PASSWORD = 15
"""Characters. Length is what makes a password hard to guess; no demands on its characters (NIST SP 800-63B)."""
LONGEST_PASSWORD = 256


def is_alive(
    created: datetime,
    seen: datetime,
    now: datetime,
    listened: datetime | None = None,
    listening: timedelta = timedelta(),
) -> bool:
    """Whether a session may still be used: 15 minutes idle, 8 hours in all, and never from the future.

    While a page listens for people who wait (``listened``, not longer ago than `LISTENS`), it may be idle for
    ``listening`` instead: somebody who waits for a talk has nothing to press, and is there all the same.
    """
    if not created <= now < created + LONGEST:
        return False
    idle_for = max(IDLE, listening) if listened is not None and now < listened + LISTENS else IDLE
    return now < seen + idle_for


def is_acceptable_password(password: str) -> bool:
    """Whether somebody may choose this password."""
    return SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD
