"""The legal clocks T1 to T11, computed from what has happened. Nothing here can be set, moved or extended by hand.

A clock starts with an event, stops with another, and is due a fixed time after the first. A
weekend or a red day moves no due day: the law knows none here. A working day before it is the
target instead. What is computed from: the domain's deadline table; socialtjänstlagen (2025:400),
SoL; LVU (1990:52).
"""

from __future__ import annotations

import calendar
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from typing import Protocol


class Event(StrEnum):
    """What happens in a matter that starts or stops a clock."""

    REPORT_RECEIVED = "report_received"
    PROTECTION_CHECKED = "protection_checked"
    FEEDBACK_ASKED = "feedback_asked"
    FEEDBACK_GIVEN = "feedback_given"
    INVESTIGATION_NOT_OPENED = "investigation_not_opened"
    INVESTIGATION_OPENED = "investigation_opened"
    INVESTIGATION_PROLONGED = "investigation_prolonged"
    INVESTIGATION_FINISHED = "investigation_finished"
    DECISION_FAVOURABLE = "decision_favourable"
    DECISION_EXECUTED = "decision_executed"
    CUSTODY_DECIDED = "custody_decided"
    CUSTODY_ENFORCED = "custody_enforced"
    CUSTODY_SUBMITTED = "custody_submitted"
    CUSTODY_TRIED = "custody_tried"
    CARE_APPLIED = "care_applied"
    CUSTODY_ENDED = "custody_ended"
    PLACED = "placed"
    NEED_CONSIDERED = "need_considered"
    CONTACT_LIMITED = "contact_limited"
    CONTACT_CONSIDERED = "contact_considered"
    CONTACT_FREE = "contact_free"
    JOURHEM_STARTED = "jourhem_started"
    JOURHEM_ENDED = "jourhem_ended"
    PLACEMENT_ENDED = "placement_ended"
    FOLLOWUP_STARTED = "followup_started"
    FOLLOWUP_ENDED = "followup_ended"
    PHASE1_STARTED = "phase1_started"
    PHASE2_STARTED = "phase2_started"
    PHASE3_STARTED = "phase3_started"
    PROGRAMME_REPORTED = "programme_reported"
    PROGRAMME_ENDED = "programme_ended"
    CONTACT_ASKED = "contact_asked"
    CONTACT_MADE = "contact_made"


@dataclass(frozen=True, slots=True)
class Happened:
    """One event on a local day. ``until`` is a day that the event itself names.

    For ``report_received`` it is the day of the protection check, which also depends on the hour of
    arrival (`protection_due`); for ``investigation_prolonged`` the last day that was decided. ``about`` tells
    apart reports of one matter: a protection check, and a feedback, are of the report that they name.
    """

    kind: Event
    day: date
    until: date | None = None
    about: str = ""


@dataclass(frozen=True, slots=True)
class Clock:
    """One time limit. ``rule`` is T1 to T11, ``name`` tells apart those of one rule, ``source`` is the law.

    ``target`` is the working day to aim for, never after ``due``. ``stopped`` is when what was due happened.
    """

    rule: str
    name: str
    source: str
    started: date
    due: date
    target: date
    stopped: date | None = None
    about: str = ""

    def days_left(self, today: date) -> int:
        """Whole days to the due day: 0 on the last one, negative once it has passed."""
        return (self.due - today).days

    def late(self, today: date) -> bool:
        """Whether the day has passed and what was due has not happened."""
        return self.stopped is None and self.due < today


class WorkingDays(Protocol):
    """What is known of the office's days; see `backend.core.closed_days.ClosedDays`."""

    def last_working_day(self, day: date) -> date:
        """``day`` if the office is open, else the nearest open day before it."""
        ...

    def next_working_day(self, day: date) -> date:
        """The first open day after ``day``."""
        ...


SOURCES = {"T1": "SoL 20:1", "T2": "SoL 20:2", "T4": "SoL 19:6"}
"""The law behind the clocks of a report: socialtjänstlagen (2025:400), chapter and section."""
DECISION_DAYS = 14
FEEDBACK_DAYS = 7


def protection_due(received: datetime, closes: time) -> date:
    """The day by which a protection check is to be made (SoL 20:1, "genast").

    ``received`` is on the local wall clock. The same day; the next day for what
    arrives at or after ``closes``, when the office of that day has gone home.
    Weekends and red days do not move it: the law knows no closed days here.
    """
    late = received.timetz().replace(tzinfo=None) >= closes
    return received.date() + timedelta(days=1 if late else 0)


def decision_due(received: datetime) -> date:
    """The last day to decide whether to open an investigation: 14 calendar days (SoL 20:2).

    ``received`` is on the local wall clock. A weekend or red day does not extend it.
    """
    return received.date() + timedelta(days=DECISION_DAYS)


def feedback_due(decided: date | None, asked: date) -> date:
    """When a mandated reporter is to be told (SoL 19:6): one week after the decision, at once if asked later."""
    return decided + timedelta(days=FEEDBACK_DAYS) if decided is not None and asked <= decided else asked


def days_left(due: date, today: date) -> int:
    """Whole days from ``today`` to ``due``: 0 on the last day, negative once it has passed."""
    return (due - today).days


def months_after(day: date, months: int) -> date:
    """The same day number so many months later, or the last day of that month when it has none."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


Due = Callable[[Happened, WorkingDays], date]


def _days(count: int) -> Due:
    return lambda start, _office: start.day + timedelta(days=count)


def _weeks(count: int) -> Due:
    return _days(7 * count)


def _months(count: int) -> Due:
    return lambda start, _office: months_after(start.day, count)


@dataclass(frozen=True, slots=True)
class _Rule:
    """``again`` stops the clock and starts it anew. ``at_once``: due the day it starts, so there is no earlier target.

    ``each``: every start has a clock of its own, else a running one goes on from its first start.
    """

    rule: str
    name: str
    source: str
    starts: frozenset[Event]
    stops: frozenset[Event]
    due: Due
    again: frozenset[Event] = frozenset()
    each: bool = False
    at_once: bool = False


def _of(*events: Event) -> frozenset[Event]:
    return frozenset(events)


_E = Event
_DECIDED = _of(_E.INVESTIGATION_OPENED, _E.INVESTIGATION_NOT_OPENED)
_ENDED = _of(_E.PLACEMENT_ENDED)
_CUSTODY_OVER = (_E.CUSTODY_ENDED,)
_RULES = (
    _Rule(
        "T1", "protection_check", SOURCES["T1"], _of(_E.REPORT_RECEIVED), _of(_E.PROTECTION_CHECKED),
        lambda start, _office: start.until or start.day, each=True, at_once=True,
    ),
    _Rule(
        "T2", "decide_to_investigate", SOURCES["T2"], _of(_E.REPORT_RECEIVED),
        _DECIDED, _days(DECISION_DAYS),
    ),
    _Rule(
        "T3", "investigate", "SoL 20:3", _of(_E.INVESTIGATION_OPENED), _of(_E.INVESTIGATION_FINISHED), _months(4),
    ),
    _Rule(
        "T5", "submit_custody", "LVU 7", _of(_E.CUSTODY_DECIDED), _of(_E.CUSTODY_SUBMITTED, *_CUSTODY_OVER), _weeks(1),
    ),
    _Rule(
        "T5", "court_tries_custody", "LVU 7", _of(_E.CUSTODY_SUBMITTED), _of(_E.CUSTODY_TRIED, *_CUSTODY_OVER),
        _weeks(1),
    ),
    _Rule(
        "T5", "apply_for_care", "LVU 8", _of(_E.CUSTODY_ENFORCED), _of(_E.CARE_APPLIED, *_CUSTODY_OVER), _weeks(4),
    ),
    _Rule(
        "T6", "consider_need", "SoL 22:13, LVU 13", _of(_E.PLACED), _ENDED, _months(6), again=_of(_E.NEED_CONSIDERED),
    ),
    _Rule(
        "T6", "consider_contact", "LVU 14", _of(_E.CONTACT_LIMITED), _of(_E.CONTACT_FREE, _E.PLACEMENT_ENDED),
        _months(3), again=_of(_E.CONTACT_CONSIDERED),
    ),
    _Rule(
        "T8", "leave_jourhem", "SoL 22:4", _of(_E.INVESTIGATION_FINISHED), _of(_E.JOURHEM_ENDED, _E.PLACEMENT_ENDED),
        _months(2),
    ),
    _Rule(
        "T9", "execute_decision", "SoL 34:1", _of(_E.DECISION_FAVOURABLE), _of(_E.DECISION_EXECUTED), _months(3),
        each=True,
    ),
    _Rule(
        "T10", "report", "programme", _of(_E.PHASE1_STARTED, _E.PHASE2_STARTED, _E.PHASE3_STARTED),
        _of(_E.PROGRAMME_ENDED), _weeks(6), again=_of(_E.PROGRAMME_REPORTED),
    ),
    _Rule(
        "T10", "end_phase1", "programme", _of(_E.PHASE1_STARTED), _of(_E.PHASE2_STARTED, _E.PROGRAMME_ENDED), _weeks(6),
    ),
    _Rule(
        "T10", "end_phase2", "programme", _of(_E.PHASE2_STARTED), _of(_E.PHASE3_STARTED, _E.PROGRAMME_ENDED),
        _weeks(20),
    ),
    _Rule("T10", "end_phase3", "programme", _of(_E.PHASE3_STARTED), _of(_E.PROGRAMME_ENDED), _weeks(8)),
    _Rule(
        "T11", "meet", "service_promise", _of(_E.CONTACT_ASKED), _of(_E.CONTACT_MADE),
        lambda start, office: office.next_working_day(start.day), at_once=True,
    ),
)  # fmt: skip
RULES = ("T1", "T2", "T3", "T4", "T5", "T6", "T7", "T8", "T9", "T10", "T11")


def clocks(events: Sequence[Happened], office: WorkingDays) -> list[Clock]:
    """Every clock that ``events`` have started, running or stopped, the earliest due first.

    Events of one day count in the order given. While an investigation is open, a new report asks
    for a protection check and for no new decision (SoL 20:2).
    """
    ordered = sorted(events, key=lambda event: event.day)
    found = [clock for rule in _RULES for clock in _walk(rule, ordered, office)]
    for report in dict.fromkeys(event.about for event in ordered if event.kind is _E.FEEDBACK_ASKED):
        found += _feedback([event for event in ordered if event.kind in _DECIDED or event.about == report], office)
    found += _follow_up(ordered, office)
    return sorted(found, key=lambda clock: (clock.due, RULES.index(clock.rule), clock.name))


def _walk(rule: _Rule, events: Sequence[Happened], office: WorkingDays) -> list[Clock]:
    done: list[Clock] = []
    running: list[Clock] = []
    investigating = in_jourhem = False

    def start(event: Happened) -> None:
        due = rule.due(event, office)
        target = due if rule.at_once else max(event.day, office.last_working_day(due))
        about = event.about if rule.each else ""
        running.append(Clock(rule.rule, rule.name, rule.source, event.day, due, target, about=about))

    def stop(event: Happened) -> None:
        ended = [clock for clock in running if not (event.about and clock.about) or clock.about == event.about]
        done.extend(replace(clock, stopped=event.day) for clock in ended)
        running[:] = [clock for clock in running if clock not in ended]

    for event in events:
        in_jourhem = event.kind is _E.JOURHEM_STARTED or (in_jourhem and event.kind is not _E.JOURHEM_ENDED)
        if event.kind in rule.again and running:
            stop(event)
            start(event)
        elif event.kind in rule.stops:
            stop(event)
        elif event.kind in rule.starts and (rule.each or not running):
            excused = (rule.rule == "T2" and investigating) or (rule.rule == "T8" and not in_jourhem)
            if not excused:
                start(event)
        elif rule.rule == "T3" and running and _prolongs(event, running[-1]):
            assert event.until is not None
            target = max(running[-1].started, office.last_working_day(event.until))
            running[-1] = replace(running[-1], due=event.until, target=target)
        if event.kind in (_E.INVESTIGATION_OPENED, _E.INVESTIGATION_FINISHED):
            investigating = event.kind is _E.INVESTIGATION_OPENED
    return done + running


def _prolongs(event: Happened, clock: Clock) -> bool:
    """A decision for special reasons (SoL 20:3), not an edit: the event itself names the last day."""
    return event.kind is _E.INVESTIGATION_PROLONGED and event.until is not None and event.until > clock.due


def _feedback(events: Sequence[Happened], office: WorkingDays) -> list[Clock]:
    """T4: a week from the decision to whoever asked before it, at once to whoever asks later (SoL 19:6)."""
    found: list[Clock] = []
    asked: date | None = None
    decided: date | None = None
    waiting: Clock | None = None

    def start(day: date, due: date) -> Clock:
        return Clock("T4", "feedback", SOURCES["T4"], day, due, max(day, office.last_working_day(due)))

    for event in events:
        if event.kind is _E.FEEDBACK_ASKED:
            asked = event.day
            if decided is not None and waiting is None:
                waiting = start(event.day, event.day)
        elif event.kind in _DECIDED:
            decided = event.day
            if asked is not None and waiting is None:
                waiting = start(event.day, event.day + timedelta(days=FEEDBACK_DAYS))
        elif event.kind is _E.FEEDBACK_GIVEN:
            if waiting is not None:
                found.append(replace(waiting, stopped=event.day))
            asked = waiting = None
    return found + ([waiting] if waiting is not None else [])


def _follow_up(events: Sequence[Happened], office: WorkingDays) -> list[Clock]:
    """T7: a follow-up ends within six months of the end of the investigation or the placement (SoL 23:5, LVU 21 c)."""
    found: list[Clock] = []
    ended: date | None = None
    running: Clock | None = None
    for event in events:
        if event.kind in (_E.INVESTIGATION_FINISHED, _E.PLACEMENT_ENDED):
            ended = event.day
        elif event.kind is _E.FOLLOWUP_STARTED and running is None:
            due = months_after(ended or event.day, 6)
            running = Clock("T7", "end_follow_up", "SoL 23:5, LVU 21 c", event.day, due, office.last_working_day(due))
        elif event.kind is _E.FOLLOWUP_ENDED and running is not None:
            found.append(replace(running, stopped=event.day))
            running = None
    return found + ([running] if running is not None else [])
