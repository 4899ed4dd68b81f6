"""Promise: the legal clocks T1 to T11 follow from what has happened and the calendar, and from nothing else."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.config import ROOT
from backend.core.clock import STOCKHOLM
from backend.core.closed_days import ClosedDays
from backend.core.duty import Duty
from backend.core.legal import RULES, Clock, Event, Happened, clocks, months_after
from backend.core.municipality import load_municipality

EXEMPELBY = load_municipality(ROOT / "content", "exempelby")
OFFICE = ClosedDays(EXEMPELBY)


def day(text: str) -> date:
    return date.fromisoformat(text)


def of(*events: tuple[str, str] | tuple[str, str, str]) -> list[Clock]:
    """The clocks of events given as ``(kind, day)`` or ``(kind, day, until)``."""
    return clocks(
        [Happened(Event(each[0]), day(each[1]), day(each[2]) if len(each) == 3 else None) for each in events], OFFICE
    )


def one(rule: str, name: str, *events: tuple[str, str] | tuple[str, str, str]) -> Clock:
    """The only clock of that rule and name."""
    found = [clock for clock in of(*events) if (clock.rule, clock.name) == (rule, name)]
    assert 1 == len(found)
    return found[0]


@pytest.mark.parametrize(
    ("rule", "name", "started", "when", "due", "target"),
    [
        ("T1", "protection_check", "report_received", "2026-11-28", "2026-11-28", "2026-11-28"),
        ("T2", "decide_to_investigate", "report_received", "2026-11-25", "2026-12-09", "2026-12-09"),
        ("T2", "decide_to_investigate", "report_received", "2026-12-12", "2026-12-26", "2026-12-23"),
        ("T3", "investigate", "investigation_opened", "2026-11-25", "2027-03-25", "2027-03-25"),
        ("T3", "investigate", "investigation_opened", "2026-10-31", "2027-02-28", "2027-02-26"),
        ("T5", "submit_custody", "custody_decided", "2026-12-18", "2026-12-25", "2026-12-23"),
        ("T5", "court_tries_custody", "custody_submitted", "2026-11-25", "2026-12-02", "2026-12-02"),
        ("T5", "apply_for_care", "custody_enforced", "2026-11-25", "2026-12-23", "2026-12-23"),
        ("T6", "consider_need", "placed", "2026-08-31", "2027-02-28", "2027-02-26"),
        ("T6", "consider_contact", "contact_limited", "2026-11-25", "2027-02-25", "2027-02-25"),
        ("T7", "end_follow_up", "followup_started", "2026-11-25", "2027-05-25", "2027-05-25"),
        ("T9", "execute_decision", "decision_favourable", "2026-11-30", "2027-02-28", "2027-02-26"),
        ("T10", "report", "phase1_started", "2026-11-25", "2027-01-06", "2027-01-05"),
        ("T10", "end_phase1", "phase1_started", "2026-11-25", "2027-01-06", "2027-01-05"),
        ("T10", "end_phase2", "phase2_started", "2026-11-25", "2027-04-14", "2027-04-14"),
        ("T10", "end_phase3", "phase3_started", "2026-11-25", "2027-01-20", "2027-01-20"),
        ("T11", "meet", "contact_asked", "2026-11-27", "2026-11-30", "2026-11-30"),
    ],
)
def test_each_clock_is_due_as_its_source_says(
    rule: str, name: str, started: str, when: str, due: str, target: str
) -> None:
    """A closed day moves no due day; the working day before it is what to aim for."""
    clock = one(rule, name, (started, when))
    assert (day(due), day(target), None) == (clock.due, clock.target, clock.stopped)


def test_every_rule_of_the_table_has_a_clock() -> None:
    """T1 to T11, none forgotten."""
    everything = [
        ("report_received", "2026-01-01"), ("feedback_asked", "2026-01-01"), ("investigation_opened", "2026-01-02"),
        ("jourhem_started", "2026-01-03"), ("custody_decided", "2026-01-03"), ("placed", "2026-01-04"),
        ("investigation_finished", "2026-01-05"), ("followup_started", "2026-01-06"),
        ("decision_favourable", "2026-01-06"), ("phase1_started", "2026-01-07"), ("contact_asked", "2026-01-08"),
    ]  # fmt: skip
    assert set(RULES) == {clock.rule for clock in of(*everything)}  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("start", "months", "end"),
    [
        ("2026-11-25", 4, "2027-03-25"),
        ("2026-10-31", 4, "2027-02-28"),
        ("2027-10-31", 4, "2028-02-29"),
        ("2026-12-31", 2, "2027-02-28"),
        ("2026-08-31", 6, "2027-02-28"),
        ("2026-12-01", 1, "2027-01-01"),
    ],
)
def test_months_are_calendar_months(start: str, months: int, end: str) -> None:
    """The same day number, or the month's last day when it has none."""
    assert day(end) == months_after(day(start), months)


def test_a_report_asks_for_its_own_protection_check_and_for_one_decision() -> None:
    """Two reports are two checks; the earliest starts the fourteen days."""
    found = of(("report_received", "2026-11-20"), ("report_received", "2026-11-25"))
    assert [day("2026-11-20"), day("2026-11-25")] == [clock.due for clock in found if clock.rule == "T1"]
    assert [day("2026-12-04")] == [clock.due for clock in found if clock.rule == "T2"]


def test_a_report_during_an_investigation_needs_a_check_and_no_new_decision() -> None:
    """SoL 20:2; after it has finished, the next one does."""
    during = of(("investigation_opened", "2026-11-01"), ("report_received", "2026-11-25"))
    assert ["T1"] == [clock.rule for clock in during if clock.rule in ("T1", "T2")]
    after = of(
        ("investigation_opened", "2026-11-01"), ("investigation_finished", "2026-11-20"),
        ("report_received", "2026-11-25"),
    )  # fmt: skip
    assert {"T1", "T2"} <= {clock.rule for clock in after if clock.stopped is None}


def test_the_check_is_due_on_the_day_that_the_report_names() -> None:
    """What arrived after closing time is due the next day (see `protection_due` of the reports)."""
    assert day("2026-11-26") == one("T1", "protection_check", ("report_received", "2026-11-25", "2026-11-26")).due


@pytest.mark.parametrize(
    ("events", "started", "due"),
    [
        ([("feedback_asked", "2026-11-20"), ("investigation_not_opened", "2026-11-25")], "2026-11-25", "2026-12-02"),
        ([("investigation_opened", "2026-11-25"), ("feedback_asked", "2026-11-30")], "2026-11-30", "2026-11-30"),
    ],
)
def test_feedback_comes_within_a_week_of_the_decision_or_at_once_to_who_asks_later(
    events: list[tuple[str, str]], started: str, due: str
) -> None:
    """SoL 19:6. Without a decision there is nothing to tell yet."""
    clock = one("T4", "feedback", *events)
    assert (day(started), day(due)) == (clock.started, clock.due)
    assert [] == [clock for clock in of(("feedback_asked", "2026-11-20")) if clock.rule == "T4"]
    assert day("2026-12-01") == one("T4", "feedback", *events, ("feedback_given", "2026-12-01")).stopped


def test_the_check_and_the_feedback_of_one_report_are_not_those_of_another() -> None:
    """Two teachers have reported on one day; one report has been checked and answered."""
    the_day = day("2026-11-25")
    events = [
        Happened(Event.REPORT_RECEIVED, the_day, about="a"), Happened(Event.REPORT_RECEIVED, the_day, about="b"),
        Happened(Event.FEEDBACK_ASKED, the_day, about="a"), Happened(Event.FEEDBACK_ASKED, the_day, about="b"),
        Happened(Event.PROTECTION_CHECKED, the_day, about="a"), Happened(Event.INVESTIGATION_OPENED, the_day, about="a"),
        Happened(Event.FEEDBACK_GIVEN, the_day, about="b"),
    ]  # fmt: skip
    found = clocks(events, OFFICE)
    assert [("T1", "b")] == [(c.rule, c.about) for c in found if c.stopped is None and c.rule == "T1"]
    assert 1 == len([c for c in found if c.rule == "T2" and c.stopped == the_day])
    assert [None, the_day] == sorted((c.stopped for c in found if c.rule == "T4"), key=lambda each: each is not None)


def test_only_a_decision_prolongs_an_investigation_and_it_names_the_last_day() -> None:
    """SoL 20:3: for special reasons, a certain time."""
    clock = one(
        "T3", "investigate", ("investigation_opened", "2026-07-27"),
        ("investigation_prolonged", "2026-11-20", "2027-01-31"),
    )  # fmt: skip
    assert (day("2026-07-27"), day("2027-01-31"), day("2027-01-29")) == (clock.started, clock.due, clock.target)


def test_considering_starts_the_next_half_year() -> None:
    """Each consideration is kept, and the end of the placement ends them all."""
    found = of(("placed", "2026-01-10"), ("need_considered", "2026-06-30"), ("placement_ended", "2026-08-01"))
    considered = [clock for clock in found if clock.name == "consider_need"]
    assert [(day("2026-07-10"), day("2026-06-30")), (day("2026-12-30"), day("2026-08-01"))] == [
        (clock.due, clock.stopped) for clock in considered
    ]


def test_a_jourhem_is_left_two_months_after_the_investigation_for_who_lives_in_one() -> None:
    """SoL 22:4; an investigation of somebody who lives at home starts no such clock."""
    lives_there = [("jourhem_started", "2026-10-01"), ("investigation_finished", "2026-11-30")]
    assert day("2027-01-30") == one("T8", "leave_jourhem", *lives_there).due
    assert [] == [clock for clock in of(("investigation_finished", "2026-11-30")) if clock.rule == "T8"]


def test_a_follow_up_is_counted_from_what_it_follows() -> None:
    """Six months from the end of the investigation, not from the day it began."""
    clock = one("T7", "end_follow_up", ("investigation_finished", "2026-10-01"), ("followup_started", "2026-11-25"))
    assert day("2027-04-01") == clock.due


def test_late_is_what_has_passed_and_not_happened() -> None:
    """What happened a day late is not late any more, and its days can still be seen."""
    running = one("T2", "decide_to_investigate", ("report_received", "2026-11-01"))
    assert (False, True, -1) == (
        running.late(day("2026-11-15")), running.late(day("2026-11-16")), running.days_left(day("2026-11-16")),
    )  # fmt: skip
    done = one("T2", "decide_to_investigate", ("report_received", "2026-11-01"), ("investigation_opened", "2026-11-20"))
    assert not done.late(day("2026-12-01")) and day("2026-11-20") == done.stopped


_HAPPENED = st.builds(
    Happened,
    st.sampled_from(list(Event)),
    st.dates(day("2026-01-01"), day("2028-12-31")),
    st.none() | st.dates(day("2026-01-01"), day("2029-12-31")),
)


@given(st.lists(_HAPPENED, max_size=25))
def test_no_order_of_events_makes_a_clock_that_makes_no_sense(events: list[Happened]) -> None:
    """Never stopped before it began, the target never after the due day, and the order of the notes changes nothing."""
    found = clocks(events, OFFICE)
    for clock in found:
        assert clock.stopped is None or clock.stopped >= clock.started
        assert clock.target <= clock.due
    assert [clock.due for clock in found] == sorted(clock.due for clock in found)
    running = [clock.name for clock in found if clock.stopped is None and clock.rule not in ("T1", "T9")]
    assert len(running) == len(set(running))


def local(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=STOCKHOLM).astimezone(UTC)


@pytest.mark.parametrize(
    ("asked", "minutes", "answered"),
    [
        ("2026-11-25 09:00", 240, "2026-11-25 13:00"),
        ("2026-11-25 15:30", 240, "2026-11-26 11:00"),
        ("2026-11-27 15:30", 240, "2026-11-30 11:00"),
        ("2026-11-28 12:00", 60, "2026-11-30 09:00"),
        ("2026-12-23 16:00", 60, "2026-12-28 08:30"),
        ("2026-11-25 16:30", 1, "2026-11-26 08:01"),
        ("2027-03-26 12:00", 60, "2027-03-30 09:00"),
    ],
)
def test_time_to_answer_runs_in_opening_hours_only(asked: str, minutes: int, answered: str) -> None:
    """Nobody's time runs at night, on a weekend or over Christmas and Easter."""
    assert local(answered) == Duty(EXEMPELBY).deadline(local(asked), minutes)


@given(st.integers(0, 730 * 24 * 60), st.integers(1, 2000))
def test_the_time_to_answer_is_never_shorter_than_promised(asked: int, minutes: int) -> None:
    """Whatever the hour, the whole time is given."""
    began = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=asked)
    assert Duty(EXEMPELBY).deadline(began, minutes) - began >= timedelta(minutes=minutes)
