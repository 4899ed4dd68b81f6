"""Which days the office is closed: weekends, red days, the eves it keeps, its own closed days."""

from __future__ import annotations

from collections.abc import Mapping
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
            holidays.country_holidays(terms.country)
        except NotImplementedError:
            raise ContentError(f"holidays.country: {terms.country} is not known") from None
        self._country = terms.country
        self._years: dict[int, Mapping[date, str]] = {}
        self._eves = {_EVES[name] for name in terms.closed_eves}
        self._own = frozenset(terms.closed_days)

    def closed(self, day: date) -> bool:
        """Whether nobody works in the office on ``day``."""
        tomorrow = day + timedelta(days=1)
        return (
            day.weekday() not in self._open
            or day in self._own
            or day in self._red(day.year)
            or not self._eves.isdisjoint(self._red(tomorrow.year).get(tomorrow, "").split("; "))
        )

    def next_working_day(self, day: date) -> date:
        """The first open day after ``day``."""
        return self._walk(day, 1)

    def last_working_day(self, day: date) -> date:
        """``day`` itself if the office is open, else the nearest open day before it."""
        return day if not self.closed(day) else self._walk(day, -1)

    def _red(self, year: int) -> Mapping[date, str]:
        """Red days of a year with their names. The library fills a calendar in while it is read, which
        threads must not see; so a year is copied when it is complete, and never changed."""
        days = self._years.get(year)
        if days is None:
            days = dict(holidays.country_holidays(self._country, years=year, expand=False, language="en_US"))
            self._years[year] = days
        return days

    def _walk(self, day: date, step: int) -> date:
        for distance in range(1, _FURTHEST):
            candidate = day + timedelta(days=step * distance)
            if not self.closed(candidate):
                return candidate
        raise ValueError(f"no open day within {_FURTHEST} days of {day}")
