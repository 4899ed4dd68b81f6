"""Promise: a talk goes only the ways that are written down, and every state but cancelled keeps its time from others."""

from __future__ import annotations

import itertools

from backend.booking.lifecycle import BOOKED, CANCELLED, DONE, HELD, NO_SHOW, OCCUPIES, STANDS, STATES, Deed, after

WAYS = {
    (HELD, Deed.CONFIRM): BOOKED,
    (HELD, Deed.RELEASE): CANCELLED,
    (BOOKED, Deed.MOVE): BOOKED,
    (BOOKED, Deed.REASSIGN): BOOKED,
    (BOOKED, Deed.CANCEL): CANCELLED,
    (BOOKED, Deed.MISS): NO_SHOW,
    (BOOKED, Deed.FINISH): DONE,
    (NO_SHOW, Deed.FINISH): DONE,
    (NO_SHOW, Deed.REBOOK): BOOKED,
    (CANCELLED, Deed.REBOOK): BOOKED,
}


def test_only_these_ways_exist() -> None:
    """Every state and every deed, and what comes of it."""
    assert WAYS == {
        (state, deed): then
        for state, deed in itertools.product(STATES, Deed)
        if (then := after(state, deed)) is not None
    }


def test_what_takes_time_owns_it() -> None:
    """All but a cancelled talk; what stands is what staff read of."""
    assert set(STATES) - {CANCELLED} == set(OCCUPIES)
    assert set(OCCUPIES) - {HELD} == set(STANDS)
