"""Who reads a concern first and which clocks start: plain decisions, no model.

The same answers always give the same unit, and the reason is a sentence that a
person can check. Nothing here judges a family or decides on an investigation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

PROTECTION_CHECK = "T1"
DECISION = "T2"
DECISION_DAYS = 14
SOURCES = {PROTECTION_CHECK: "SoL 20:1", DECISION: "SoL 20:2"}
"""The law behind each clock: socialtjänstlagen (2025:400), chapter and section."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known when a concern arrives. None never matches a condition."""

    about: str | None
    now: str | None
    who: str | None
    band: str | None
    danger: str | None
    category: str | None


@dataclass(frozen=True, slots=True)
class Deed:
    """One line of a concern's history: when, what (an audit tag) and who (a first name, or empty)."""

    at: datetime
    tag: str
    name: str


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of the rules file: conditions that must all hold, and what follows.

    ``when`` maps a field of `Facts` to its allowed values. ``restricted`` means that
    only the unit's manager and the one who takes the concern may open it.
    """

    id: str
    when: Mapping[str, frozenset[str]]
    unit: str
    also_tell: tuple[str, ...]
    restricted: bool
    clocks: frozenset[str]
    reason: str

    def matches(self, facts: Facts) -> bool:
        """Whether every condition holds."""
        return all(getattr(facts, field) in values for field, values in self.when.items())


@dataclass(frozen=True, slots=True)
class Ruleset:
    """The rules in order, with the version that a decision is stored under. The last one has no condition."""

    version: str
    rules: Sequence[Rule]

    def decide(self, facts: Facts) -> Rule:
        """The first rule whose every condition holds."""
        return next(rule for rule in self.rules if rule.matches(facts))


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


def days_left(due: date, today: date) -> int:
    """Whole days from ``today`` to ``due``: 0 on the last day, negative once it has passed."""
    return (due - today).days
