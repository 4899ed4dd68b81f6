"""Promise: times follow the wall clock of Stockholm whatever it does, and a time that exists is offered."""

from __future__ import annotations

import itertools
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.booking import rules
from backend.booking.rules import Shift, Terms
from backend.config import ROOT
from backend.core.clock import STOCKHOLM, to_local
from backend.core.closed_days import ClosedDays
from backend.core.municipality import load_municipality

TERMS = Terms(meeting=30, buffer=10, notice=15, days_ahead=1)
EXEMPELBY = load_municipality(ROOT / "content", "exempelby")
closed = ClosedDays(EXEMPELBY).closed


def local(moment: datetime) -> str:
    return to_local(moment).strftime("%Y-%m-%d %H:%M")


def hours(weekday: int, start: str, end: str, therapist: str = "anna") -> Shift:
    def minute(clock: str) -> int:
        return int(clock[:2]) * 60 + int(clock[3:])

    return Shift(therapist, weekday, minute(start), minute(end))


def starts(day: date, start: str, end: str) -> list[datetime]:
    return rules.starts(day, hours(day.weekday(), start, end), TERMS)


def test_talks_follow_each_other_with_a_pause_and_end_before_the_shift_does() -> None:
    """Thirty minutes and a ten-minute pause from 8.30: the last one begins when it still fits."""
    wednesday = date(2026, 11, 25)
    assert ["08:30", "09:10", "09:50"] == [local(t)[11:] for t in starts(wednesday, "08:30", "10:20")]
    assert ["08:30", "09:10"] == [local(t)[11:] for t in starts(wednesday, "08:30", "10:19")]
    assert [] == starts(wednesday, "08:30", "08:59")


def test_another_weekday_has_other_hours() -> None:
    """Wednesday's shift says nothing about Thursday."""
    assert [] == rules.starts(date(2026, 11, 26), hours(2, "08:30", "16:00"), TERMS)


@pytest.mark.parametrize("day", [date(2026, 10, 23), date(2026, 10, 26), date(2027, 3, 26), date(2027, 3, 29)])
def test_nine_o_clock_is_nine_o_clock_on_both_sides_of_the_change(day: date) -> None:
    """The wall clock is what people agree on, so the instant moves and the hour does not."""
    assert "09:00" == local(starts(day, "09:00", "12:00")[0])[11:]


def test_the_hour_that_spring_skips_has_no_times() -> None:
    """28 March 2027: 02.00 becomes 03.00. Nobody is booked at 02.30, and no talk is cut short."""
    found = starts(date(2027, 3, 28), "01:00", "05:00")
    assert [f"2027-03-28 {clock}" for clock in ("01:00", "01:40", "03:20", "04:00")] == [local(t) for t in found]
    assert "2027-03-28 03:00" == local(starts(date(2027, 3, 28), "02:30", "05:00")[0])


def test_the_hour_that_autumn_repeats_is_five_real_hours() -> None:
    """25 October 2026: 02.00–03.00 comes twice. Talks follow each other in real time and none is doubled."""
    found = starts(date(2026, 10, 25), "01:00", "05:00")
    assert len(set(found)) == len(found) == 7
    assert {timedelta(minutes=40)} == {b - a for a, b in itertools.pairwise(found)}
    assert datetime(2026, 10, 25, 0, 30, tzinfo=UTC) == rules.instant(date(2026, 10, 25), 150)


def test_five_years_of_office_hours_never_slip() -> None:
    """Every day from 2026 to 2030: the same number of times, each within its hours on the wall."""
    day = date(2026, 1, 1)
    while day < date(2031, 1, 1):
        found = starts(day, "08:00", "16:00")
        assert 12 == len(found)
        assert all(day == to_local(t).date() and 8 <= to_local(t).hour < 16 for t in found)
        assert (0, 20, 40) == tuple(sorted({to_local(t).minute for t in found}))
        day += timedelta(days=1)


def test_midnight_belongs_to_the_next_day() -> None:
    """Minute 1440 is the next midnight, also on days of 23 and 25 hours."""
    for day in (date(2026, 10, 25), date(2027, 3, 28), date(2026, 12, 31), date(2028, 2, 29)):
        assert rules.instant(day, 1440) == rules.instant(day + timedelta(days=1), 0)


@pytest.mark.parametrize(
    ("today", "days"),
    [
        ("2026-11-25", ["2026-11-25", "2026-11-26"]),  # an ordinary Wednesday
        ("2026-11-27", ["2026-11-27", "2026-11-30"]),  # Friday: Monday is the next working day
        ("2026-11-28", ["2026-11-30"]),  # Saturday
        ("2026-12-23", ["2026-12-23", "2026-12-28"]),  # before Christmas Eve, a Thursday
        ("2026-12-24", ["2026-12-28"]),
        ("2026-12-30", ["2026-12-30", "2027-01-04"]),  # New Year's Eve is closed
        ("2027-01-05", ["2027-01-05", "2027-01-07"]),  # Epiphany
        ("2027-03-25", ["2027-03-25", "2027-03-30"]),  # Maundy Thursday to Tuesday
        ("2027-05-05", ["2027-05-05", "2027-05-07"]),  # Ascension Day
        ("2027-06-24", ["2027-06-24", "2027-06-28"]),  # Midsummer Eve
    ],
)
def test_today_and_the_next_working_day(today: str, days: list[str]) -> None:
    """Red days, eves and weekends are stepped over, so that the promise is one that can be kept."""
    found = rules.promised_days(date.fromisoformat(today), 1, closed)
    assert days == [str(day) for day in found]


def test_a_slot_id_comes_back_as_the_same_time() -> None:
    """The opaque id survives the way through buttons and forms."""
    start = datetime(2026, 11, 25, 8, 50, tzinfo=UTC)
    for channel in (None, "chat", "phone", "video"):
        assert (start, channel) == rules.read_slot(rules.slot_id(start, channel))


@pytest.mark.parametrize(
    "nonsense",
    ["", "a", "htfiq", "htfiq-x", "HTFIQ-a", "htfiq-a ", "htfiq-a\n", "2026-02-30T10:00", "-1-a", "zzzzzzzzzzzz-a", "ｈtfiq-a", "\x00"],
)  # fmt: skip
def test_a_made_up_slot_is_no_time(nonsense: str) -> None:
    """Impossible dates and other words raise `ValueError` and nothing else."""
    with pytest.raises(ValueError):
        rules.read_slot(nonsense)


@given(st.text(max_size=12))
def test_no_text_breaks_the_reading_of_slots(text: str) -> None:
    """Whatever is sent, the answer is a time or `ValueError`."""
    try:
        start, _ = rules.read_slot(text)
    except ValueError:
        return
    assert start.tzinfo is not None


def test_equals_share_and_the_busier_waits() -> None:
    """The first free therapist is the one with the fewest talks that day; chance decides among equals."""
    draws = iter([0.9, 0.1, 0.5])
    assert "b" == rules.least_loaded(["a", "b", "c"], {}, lambda: next(draws))
    assert "c" == rules.least_loaded(["a", "b", "c"], {"a": 2, "b": 1}, lambda: 0.5)


_DAY = st.dates(date(2026, 1, 1), date(2030, 12, 31))
_SHIFTS = st.lists(
    st.tuples(st.sampled_from("abcde"), st.integers(0, 6), st.integers(0, 287), st.integers(1, 120)).map(
        lambda t: Shift(t[0], t[1], t[2] * 5, min(t[2] + t[3], 288) * 5)
    ),
    max_size=12,
)
_TERMS = st.builds(
    Terms,
    meeting=st.sampled_from([15, 30, 45, 60]),
    buffer=st.sampled_from([0, 5, 10]),
    notice=st.integers(0, 120),
    days_ahead=st.integers(0, 3),
)


@settings(max_examples=300, deadline=None)
@given(
    today=_DAY,
    minute=st.integers(0, 1439),
    shifts=_SHIFTS,
    terms=_TERMS,
    shut=st.sets(st.integers(0, 10)),
    busy=st.dictionaries(st.sampled_from("abcde"), st.sets(st.integers(-300, 1500), max_size=40)),
)
def test_if_a_time_exists_it_is_offered(
    today: date,
    minute: int,
    shifts: list[Shift],
    terms: Terms,
    shut: set[int],
    busy: dict[str, set[int]],
) -> None:
    """In any calendar, the offer is exactly what a search through every five minutes finds, nearest first."""
    now = rules.instant(today, minute)
    midnight = int(rules.instant(today, 0).timestamp()) // rules.CELL
    taken = {therapist: {midnight + cell for cell in cells} for therapist, cells in busy.items()}
    closed_days = {today + timedelta(days=step) for step in shut}
    days = rules.promised_days(today, terms.days_ahead, lambda day: day in closed_days)
    earliest = now + timedelta(minutes=terms.notice)

    offered = rules.free_times(days, shifts, taken, earliest, terms)

    assert [free.start for free in offered] == sorted({free.start for free in offered})
    assert _searched(days, shifts, taken, earliest, terms) == {
        (free.start, therapist) for free in offered for therapist in free.therapists
    }


def _searched(
    days: list[date], shifts: list[Shift], taken: dict[str, set[int]], earliest: datetime, terms: Terms
) -> set[tuple[datetime, str]]:
    """All free starts, found the slow way: every five minutes of every day, for everybody who works then."""
    found = set()
    for day in days:
        for shift in (each for each in shifts if each.weekday == day.weekday()):
            begin, end = _wall(day, shift.start_minute), _wall(day, shift.end_minute)
            moment = begin
            while moment < end:
                waited = (moment - begin) // timedelta(minutes=1)
                fits = moment + timedelta(minutes=terms.meeting) <= end
                needed = range(0, terms.meeting + terms.buffer, 5)
                first = int(moment.timestamp()) // 300
                free = all(first + minute // 5 not in taken.get(shift.therapist, set()) for minute in needed)
                if waited % (terms.meeting + terms.buffer) == 0 and fits and free and moment >= earliest:
                    found.add((moment, shift.therapist))
                moment += timedelta(minutes=5)
    return found


def _wall(day: date, minute: int) -> datetime:
    """The first instant at which the wall shows at least ``minute`` of ``day``, found by walking."""
    moment = datetime.combine(day, datetime.min.time(), STOCKHOLM).astimezone(UTC)
    target = datetime.combine(day, datetime.min.time()) + timedelta(minutes=minute)
    while to_local(moment).replace(tzinfo=None) < target:
        moment += timedelta(minutes=5)
    return moment
