"""Which days the office is closed: weekends, red days, the eves it keeps, its own closed days."""

from __future__ import annotations

from datetime import date, timedelta

import holidays

from backend.core.content import ContentError
from backend.core.municipality import DAYS, Municipality

_EVES = {
    "midsommarafton": "Midsummer Day",
    "julafton": "Christmas Day",
    "nyarsafton": "New Year's Day",
}
_FURTHEST = 40
"""Days; no office is closed for longer, so a search past it means a mistake in the file."""


class ClosedDays:
    """Calendar arithmetic for one municipality; every date is a local one.

    Raises `ContentError` for an eve or a country that is not known.
    """

    def __init__(self, municipality: Municipality) -> None:
        self._open = {DAYS.index(day) for span in municipality.opening_hours for day in span.days}
        terms = municipality.holidays
        unknown = set(terms.closed_eves) - set(_EVES)
        if unknown:
            raise ContentError(f"holidays.closed_eves: not known: {', '.join(sorted(unknown))}")
        try:
            self._red = holidays.country_holidays(terms.country, language="en_US")
        except NotImplementedError:
            raise ContentError(f"holidays.country: {terms.country} is not known") from None
        self._eves = {_EVES[name] for name in terms.closed_eves}
        self._own = frozenset(terms.closed_days)

    def closed(self, day: date) -> bool:
        """Whether nobody works in the office on ``day``."""
        tomorrow = day + timedelta(days=1)
        return (
            day.weekday() not in self._open
            or day in self._red
            or day in self._own
            or bool(self._eves & set(self._red.get_list(tomorrow)))
        )

    def next_working_day(self, day: date) -> date:
        """The first open day after ``day``."""
        return self._walk(day, 1)

    def last_working_day(self, day: date) -> date:
        """``day`` itself if the office is open, else the nearest open day before it."""
        return day if not self.closed(day) else self._walk(day, -1)

    def _walk(self, day: date, step: int) -> date:
        for distance in range(1, _FURTHEST):
            candidate = day + timedelta(days=step * distance)
            if not self.closed(candidate):
                return candidate
        raise ValueError(f"no open day within {_FURTHEST} days of {day}")
