"""Promise: a time is said the way people say it, by the days and the clock of Stockholm."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from backend.booking.labels import clock_time, when
from backend.config import ROOT
from backend.core.content import Phrases

PHRASES = Phrases.load(ROOT / "content")
NOW = datetime(2026, 11, 25, 8, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("moment", "label"),
    [
        ("2026-11-25T14:20", "i dag kl. 15.20"),
        ("2026-11-26T08:00", "i morgon kl. 9.00"),
        ("2026-11-25T23:05", "i morgon kl. 0.05"),
        ("2026-11-30T09:15", "på måndag kl. 10.15 (30 november)"),
        ("2026-12-01T23:00", "onsdag 2 december kl. 0.00"),
        ("2026-12-02T09:15", "onsdag 2 december kl. 10.15"),
        ("2027-06-24T07:00", "torsdag 24 juni kl. 9.00"),
        ("2026-11-23T09:15", "måndag 23 november kl. 10.15"),
    ],
)
def test_times_are_said_as_people_say_them(moment: str, label: str) -> None:
    """Today and tomorrow by name, this week by weekday with its date, else the date; by Stockholm's days."""
    instant = datetime.fromisoformat(moment).replace(tzinfo=UTC)
    assert label == when(PHRASES, instant, NOW)
    assert label.split("kl. ")[1].split(" ")[0] == clock_time(PHRASES, instant)


def test_the_change_of_the_clocks_is_said_right() -> None:
    """9.00 on both sides of 25 October 2026, and 'tomorrow' is the next date though it is 25 hours away."""
    before, after = datetime(2026, 10, 24, 7, 0, tzinfo=UTC), datetime(2026, 10, 25, 8, 0, tzinfo=UTC)
    assert "i dag kl. 9.00" == when(PHRASES, before, before)
    assert "i morgon kl. 9.00" == when(PHRASES, after, before)
