"""Promise: legal days are counted on the wall clock of Sweden, by the law and nothing else."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

import pytest

from backend.concerns.service import _closing_time
from backend.config import ROOT
from backend.core.clock import STOCKHOLM, to_local
from backend.core.closed_days import ClosedDays
from backend.core.legal import days_left, decision_due, protection_due
from backend.core.municipality import load_municipality

EXEMPELBY = load_municipality(ROOT / "content", "exempelby")
CLOSES = time(16, 30)


@pytest.mark.parametrize(
    ("received", "due"),
    [
        ("2026-11-25 00:00", "2026-11-25"),
        ("2026-11-25 16:29", "2026-11-25"),
        ("2026-11-25 16:30", "2026-11-26"),
        ("2026-11-25 23:59", "2026-11-26"),
        ("2026-11-28 10:00", "2026-11-28"),
        ("2026-12-31 17:00", "2027-01-01"),
        ("2027-03-28 03:30", "2027-03-28"),
    ],
)
def test_protection_check_is_due_the_same_day_or_after_closing_the_next(received: str, due: str) -> None:
    """SoL 20:1 says at once; a weekend or a red day moves nothing."""
    local = datetime.fromisoformat(received).replace(tzinfo=STOCKHOLM)
    assert date.fromisoformat(due) == protection_due(local, CLOSES)


@pytest.mark.parametrize(
    ("received", "due"),
    [
        ("2026-11-25 09:00", "2026-12-09"),
        ("2026-12-11 09:00", "2026-12-25"),
        ("2026-12-18 23:59", "2027-01-01"),
        ("2027-03-20 12:00", "2027-04-03"),
        ("2028-02-16 12:00", "2028-03-01"),
    ],
)
def test_decision_is_due_after_fourteen_calendar_days(received: str, due: str) -> None:
    """SoL 20:2; over new year, summer time and leap day, and never moved by a holiday."""
    assert date.fromisoformat(due) == decision_due(datetime.fromisoformat(received).replace(tzinfo=STOCKHOLM))


def test_the_day_is_the_one_on_the_wall_in_sweden() -> None:
    """23:30 UTC is the next day in Stockholm, summer and winter."""
    for instant in (datetime(2026, 11, 24, 23, 30, tzinfo=UTC), datetime(2026, 7, 1, 22, 30, tzinfo=UTC)):
        assert instant.date() + timedelta(days=15) == decision_due(to_local(instant))


def test_days_left_counts_down_through_zero() -> None:
    """14 on the first day, 0 on the last, negative after it."""
    due = date(2026, 12, 9)
    assert [14, 13, 0, -1] == [days_left(due, due - timedelta(days=days)) for days in (14, 13, 0, -1)]


def test_every_quarter_of_an_hour_for_two_years_has_a_check_within_a_day() -> None:
    """Whenever something arrives, the check is due that day or the next, and never before it arrived."""
    instant = datetime(2026, 11, 21, tzinfo=UTC)
    for _ in range(2 * 365 * 96):
        local = to_local(instant)
        due = protection_due(local, _closing_time(EXEMPELBY, local.date()))
        assert 0 <= (due - local.date()).days <= 1
        assert 14 == (decision_due(local) - local.date()).days
        instant += timedelta(minutes=15)


def test_closing_time_of_a_closed_day_is_the_latest_of_the_week() -> None:
    """A Saturday morning is not late."""
    assert CLOSES == _closing_time(EXEMPELBY, date(2026, 11, 25)) == _closing_time(EXEMPELBY, date(2026, 11, 28))


@pytest.mark.parametrize(
    ("day", "target"),
    [
        ("2026-12-09", "2026-12-09"),
        ("2026-12-25", "2026-12-23"),
        ("2026-12-27", "2026-12-23"),
        ("2027-01-01", "2026-12-30"),
        ("2027-03-29", "2027-03-25"),
        ("2027-06-26", "2027-06-24"),
        ("2027-05-06", "2027-05-05"),
    ],
)
def test_the_day_to_aim_for_is_the_working_day_before(day: str, target: str) -> None:
    """Weekends, red days and the eves that the municipality keeps closed."""
    assert date.fromisoformat(target) == ClosedDays(EXEMPELBY).last_working_day(date.fromisoformat(day))


def test_next_working_day_passes_over_holidays() -> None:
    """From the day before Christmas Eve to the Monday after."""
    assert date(2026, 12, 28) == ClosedDays(EXEMPELBY).next_working_day(date(2026, 12, 23))
