"""Promise: times follow the wall clock of Stockholm whatever it does, and a time that exists is offered."""

from __future__ import annotations

import itertools
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.booking import rules
from backend.booking.rules import Hours, Slot, Span, Terms, Wish
from backend.config import ROOT
from backend.core.clock import to_local
from backend.core.closed_days import ClosedDays
from backend.core.municipality import load_municipality

TERMS = Terms(meeting=30, buffer=10, notice=15)
KEY = b"k" * 32
EXEMPELBY = load_municipality(ROOT / "content", "exempelby")
closed = ClosedDays(EXEMPELBY).closed


def local(moment: datetime) -> str:
    return to_local(moment).strftime("%Y-%m-%d %H:%M")


def minute(clock: str) -> int:
    return int(clock[:2]) * 60 + int(clock[3:])


def starts(day: date, start: str, end: str) -> list[datetime]:
    hours = Hours(weekly={day.weekday(): [Span(minute(start), minute(end))]})
    begin = rules.instant(day, 0)
    return [found for window in hours.windows(day, lambda _: False) for found in rules.starts(window, (), TERMS, begin)]


def test_talks_follow_each_other_with_a_pause_and_end_before_the_shift_does() -> None:
    """Thirty minutes and a ten-minute pause from 8.30: the last one begins when it still fits."""
    wednesday = date(2026, 11, 25)
    assert ["08:30", "09:10", "09:50"] == [local(t)[11:] for t in starts(wednesday, "08:30", "10:20")]
    assert ["08:30", "09:10"] == [local(t)[11:] for t in starts(wednesday, "08:30", "10:19")]
    assert [] == starts(wednesday, "08:30", "08:59")


def test_another_weekday_has_other_hours() -> None:
    """Wednesday's hours say nothing about Thursday."""
    assert [] == Hours(weekly={2: [Span(510, 960)]}).windows(date(2026, 11, 26), lambda _: False)


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
    for channel in (None, "chat", "phone", "video", "visit"):
        assert Slot(start, channel) == rules.read_slot(rules.slot_id(start, channel))
    wish = Wish("woman", "en", "5f" * 12)
    slot = Slot(start, "phone", wish, acute=True)
    read = rules.read_slot(slot.signed(KEY))
    assert (start, "phone", wish, True, True) == (read.start, read.channel, read.wish, read.acute, read.ours(KEY))
    assert not read.ours(b"x" * 32) and not slot.ours(KEY)


@pytest.mark.parametrize("changed", ["htfiq-c-w", "htfis-c", "htfiq-p", "htfiq-c-a"])
def test_a_mark_is_good_for_the_very_time_that_was_offered(changed: str) -> None:
    """Another minute, channel, person or urgency under the same mark is not ours."""
    mark = rules.read_slot("htfiq-c").signed(KEY).rpartition("x")[2]
    dash = "." if changed.count("-") > 1 else "-"
    assert rules.read_slot(f"htfiq-c-x{mark}").ours(KEY)
    assert not rules.read_slot(f"{changed}{dash}x{mark}").ours(KEY)


@pytest.mark.parametrize(
    "nonsense",
    ["", "a", "htfiq", "htfiq-x", "HTFIQ-a", "htfiq-a ", "htfiq-a\n", "2026-02-30T10:00", "-1-a", "zzzzzzzzzzzz-a", "ｈtfiq-a", "\x00",
     "htfiq-a-", "htfiq-a-w.", "htfiq-a-w.m", "htfiq-a-q", "htfiq-a-x1", "htfiq-a-lsvenska", "htfiq-a-w-a"],
)  # fmt: skip
def test_a_made_up_slot_is_no_time(nonsense: str) -> None:
    """Impossible dates and other words raise `ValueError` and nothing else."""
    with pytest.raises(ValueError):
        rules.read_slot(nonsense)


@given(st.text(max_size=12))
def test_no_text_breaks_the_reading_of_slots(text: str) -> None:
    """Whatever is sent, the answer is a time or `ValueError`."""
    try:
        slot = rules.read_slot(text)
    except ValueError:
        return
    assert slot.start.tzinfo is not None


def test_equals_share_and_the_busier_waits() -> None:
    """The first free therapist is the one with the least of the day taken; chance decides among equals."""
    draws = iter([0.9, 0.1, 0.5])
    assert ["b", "c", "a"] == rules.fairly(["a", "b", "c"], {}, lambda: next(draws))
    assert ["c", "b", "a"] == rules.fairly(["a", "b", "c"], {"a": 0.5, "b": 0.25}, lambda: 0.5)
