"""Promise: a record goes when the law says so, stays when the law says so, and stays when nobody has answered (SoL 16:1-4)."""

from __future__ import annotations

from datetime import date

import pytest

from backend.cases.rules import Keeping, erased_from
from backend.core.legal import Event

ENDED = date(2026, 11, 25)
FIVE_YEARS = 1826
INVESTIGATED, PLACED = {Event.INVESTIGATION_OPENED}, {Event.PLACED, Event.INVESTIGATION_OPENED}


@pytest.mark.parametrize(
    ("who", "born", "kept", "happened", "keeping", "day"),
    [
        ("parent", 1980, "no", set(), Keeping.DATED, date(2031, 11, 25)),
        ("parent", 1980, "no", INVESTIGATED, Keeping.DATED, date(2031, 11, 25)),
        ("child", 2015, "no", set(), Keeping.DATED, date(2031, 11, 25)),
        ("child", 2015, "no", {Event.INVESTIGATION_NOT_OPENED}, Keeping.DATED, date(2031, 11, 25)),
        ("child", 2015, "no", INVESTIGATED, Keeping.CHILD, date(2046, 1, 1)),
        ("child", 1998, "no", INVESTIGATED, Keeping.DATED, date(2031, 11, 25)),
        ("child", None, "no", INVESTIGATED, Keeping.NO_YEAR, None),
        ("child", 2015, "no", PLACED, Keeping.PLACED, None),
        ("parent", 1980, "", set(), Keeping.UNANSWERED, None),
        ("parent", 1980, "yes", set(), Keeping.DECIDED, None),
    ],
)
def test_how_long_a_record_is_kept(
    who: str, born: int | None, kept: str, happened: set[Event], keeping: Keeping, day: date | None
) -> None:
    """Five years; a child's investigation to the end of the year of 30; a placement, the sample and no answer for ever."""
    assert (keeping, day) == erased_from(who, born, kept, happened, ENDED, FIVE_YEARS)


def test_a_municipality_that_keeps_everything_erases_nothing() -> None:
    """Göteborg, and three counties (SoL 16:4): ``case_days`` is 0."""
    assert (Keeping.NEVER, None) == erased_from("parent", 1980, "no", set(), ENDED, 0)
