"""Which days the office is closed: weekends, red days, the eves it keeps, its own closed days."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from datetime import date, timedelta

import holidays

from backend.core.content import ContentError
from backend.core.municipality import DAYS, Municipality

_EVES = {
    "trettondagsafton": "Epiphany",
    "skartorsdag": "Good Friday",
    "paskafton": "Easter Sunday",
    "valborgsmassoafton": "May Day",
    "pingstafton": "Pentecost",
    "midsommarafton": "Midsummer Day",
    "allhelgonaafton": "All Saints' Day",
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
        self._hours = municipality.opening_on
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
        self._own_names: dict[int, Mapping[date, str]] = {}
        self._eves = {_EVES[name]: name for name in terms.closed_eves}
        self._bridges = terms.bridge_days
        self._own = frozenset(terms.closed_days)
        # A search for a time asks this of each day for each therapist.
        self._decided = functools.lru_cache(maxsize=2048)(self._decide)

    def closed(self, day: date) -> bool:
        """Whether nobody works in the office on ``day``."""
        return self._decided(day)

    def _decide(self, day: date) -> bool:
        return self._shut(day) or (self._bridges and self._bridge(day))

    def why(self, day: date) -> str | None:
        """What closes ``day``: ``weekend``, ``red``, the name of an eve in the settings, ``own`` or ``bridge``.

        None if it is open. A red day in a weekend is red.
        """
        if self._red_names(day):
            return "red"
        eve = next((self._eves[name] for name in self._red_names(day + timedelta(days=1)) if name in self._eves), None)
        if eve is not None:
            return eve
        if day in self._own:
            return "own"
        if DAYS[day.weekday()] not in self._open(day):
            return "weekend"
        return "bridge" if self._bridges and self._bridge(day) else None

    def named(self, day: date) -> str:
        """The red day's own name in the country's language (``Kristi himmelsfärdsdag``); empty for other days."""
        return self._names(day.year).get(day, "")

    def _shut(self, day: date) -> bool:
        tomorrow = day + timedelta(days=1)
        return (
            DAYS[day.weekday()] not in self._open(day)
            or day in self._own
            or day in self._red(day.year)
            or any(name in self._eves for name in self._red_names(tomorrow))
        )

    def _bridge(self, day: date) -> bool:
        """Whether ``day`` alone lies between a red day and the weekend."""
        before, after = day - timedelta(days=1), day + timedelta(days=1)
        friday = day.weekday() == 4 and before in self._red(before.year)
        monday = day.weekday() == 0 and after in self._red(after.year)
        return (friday or monday) and self._shut(before) and self._shut(after)

    def _open(self, day: date) -> set[str]:
        return {each for span in self._hours(day) for each in span.days}

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

    def _red_names(self, day: date) -> list[str]:
        return self._red(day.year).get(day, "").split("; ") if day in self._red(day.year) else []

    def _names(self, year: int) -> Mapping[date, str]:
        names = self._own_names.get(year)
        if names is None:
            own = holidays.country_holidays(self._country).default_language
            names = dict(holidays.country_holidays(self._country, years=year, expand=False, language=own))
            self._own_names[year] = names
        return names

    def _walk(self, day: date, step: int) -> date:
        for distance in range(1, _FURTHEST):
            candidate = day + timedelta(days=step * distance)
            if not self.closed(candidate):
                return candidate
        raise ValueError(f"no open day within {_FURTHEST} days of {day}")
