"""Who reads a concern first and which clocks start: plain decisions, no model. How long they run: `backend.core.legal`.

The same answers always give the same unit, and the reason is a sentence that a
person can check. Nothing here judges a family or decides on an investigation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

PROTECTION_CHECK = "T1"
DECISION = "T2"
FEEDBACK = "T4"
NEEDS = (
    "violence",
    "own_use",
    "pregnancy",
    "placed",
    "money",
    "housing",
    "custody",
    "disability",
    "mental_illness",
    "staff_fault",
)
"""What somebody can say that help is needed with, in the order of the forms (domain.md 2.3)."""
TOLD_BY = ("self", "private", "mandated", "consult")
"""Who tells: the person themself (the writing page, the chat), somebody else, a professional with the
duty to report (SoL 19:1), a professional who asks for advice without naming anybody."""

VIOLENT = frozenset({"D01", "D02", "D03", "D09", "D10", "D13"})
"""Dangers after which an investigation is opened without delay if a child has met them, over or not (HSLF-FS 2022:39)."""

CHECK_OUTCOMES = ("safe", "protect_now", "investigate_now")
DECISION_OUTCOMES = ("open", "not_open", "already_open")

_NO_VALUES: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known when a concern arrives. None never matches a condition.

    ``lang`` is the language of a wished interpreter, else the one it is written in;
    ``need`` holds those of `NEEDS` that were told.
    """

    about: str | None
    now: str | None
    who: str | None
    band: str | None
    danger: str | None
    category: str | None
    source: str | None = None
    need: frozenset[str] = frozenset()
    area: str | None = None
    lang: str | None = None

    def meets(self, field: str, values: frozenset[str]) -> bool:
        """Whether one condition holds. ``need``: any of the values was told; ``only_need``: nothing but them was."""
        if field == "need":
            return not self.need.isdisjoint(values)
        if field == "only_need":
            return bool(self.need) and self.need <= values
        return getattr(self, field) in values


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
        return all(facts.meets(field, values) for field, values in self.when.items())

    def hides(self, later: Rule) -> bool:
        """Whether whatever ``later`` fits is taken by this one already, so that ``later`` never decides."""
        return all(
            any(later.when.get(name, _NO_VALUES) and later.when[name] <= values for name in _implied_by(field))
            for field, values in self.when.items()
        )


@dataclass(frozen=True, slots=True)
class Ruleset:
    """The rules in order, with the version that a decision is stored under. The last one has no condition."""

    version: str
    rules: Sequence[Rule]

    def decide(self, facts: Facts) -> Rule:
        """The first rule whose every condition holds."""
        return next(rule for rule in self.rules if rule.matches(facts))


def _implied_by(field: str) -> tuple[str, ...]:
    # Nothing but housing was told: then housing was told.
    return ("need", "only_need") if field == "need" else (field,)


@dataclass(frozen=True, slots=True)
class Clocks:
    """Where the legal time limits of one concern stand: when each is due and whether it has been met."""

    protection_due: date
    checked: bool
    decision_due: date | None
    decided: bool
    feedback_due: date | None
    fed_back: bool

    def next(self) -> tuple[str, date] | None:
        """The limit that is to be met next and its last day; None when nothing is left to do."""
        if not self.checked:
            return PROTECTION_CHECK, self.protection_due
        if self.decision_due is not None and not self.decided:
            return DECISION, self.decision_due
        if self.feedback_due is not None and not self.fed_back:
            return FEEDBACK, self.feedback_due
        return None


def without_delay(category: str | None, needs: frozenset[str]) -> bool:
    """Whether what was told speaks of violence, so that an investigation is to be opened without delay
    if a child has met it (HSLF-FS 2022:39). The word stands on the page; a person decides."""
    return category in VIOLENT or "violence" in needs
