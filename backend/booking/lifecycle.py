"""What can happen to a booking, as a table: from which state which deed leads to which. Plain Python, no storage."""

from __future__ import annotations

from enum import StrEnum

HELD, BOOKED, DONE, NO_SHOW, CANCELLED = "held", "booked", "done", "no_show", "cancelled"

STATES = (HELD, BOOKED, DONE, NO_SHOW, CANCELLED)
OCCUPIES = (HELD, BOOKED, DONE, NO_SHOW)
"""States in which a booking owns its cells, so that the database refuses any other talk in that time."""
STANDS = (BOOKED, DONE, NO_SHOW)
"""States of a talk that was booked and not cancelled."""


class Deed(StrEnum):
    """Everything that moves a booking from one state to another, or lets it stay where it is."""

    CONFIRM = "confirm"
    RELEASE = "release"
    MOVE = "move"
    REASSIGN = "reassign"
    CANCEL = "cancel"
    REBOOK = "rebook"
    MISS = "miss"
    FINISH = "finish"


_NEXT = {
    (HELD, Deed.CONFIRM): BOOKED,
    (HELD, Deed.RELEASE): CANCELLED,
    (BOOKED, Deed.MOVE): BOOKED,
    (BOOKED, Deed.REASSIGN): BOOKED,
    (BOOKED, Deed.CANCEL): CANCELLED,
    (BOOKED, Deed.MISS): NO_SHOW,
    (BOOKED, Deed.FINISH): DONE,
    # Somebody who was missed may be reached after all, or gets a new time with the code they have.
    (NO_SHOW, Deed.FINISH): DONE,
    (NO_SHOW, Deed.REBOOK): BOOKED,
    (CANCELLED, Deed.REBOOK): BOOKED,
}


def after(state: str, deed: Deed) -> str | None:
    """The state that a deed leads to, or None when it cannot be done in this one."""
    return _NEXT.get((state, deed))
