"""What a record holds, who may lead, what may be noted: plain shapes and decisions."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, timedelta
from enum import StrEnum

import msgspec

from backend.core.legal import Event

GROUNDS = ("consent", "no_harm", "duty")
"""Why a unit of another board or branch may take part (OSL 12:2, 26:1, or a statutory duty): a person's choice."""
WAYS = ("visit", "office", "phone", "video", "chat")
"""How somebody was met."""
CLOSED_AS = ("finished", "moved", "declined", "handed_over")
"""Why a case was closed."""
SOURCES = ("concern", "story", "booking")
"""What a case can come of."""

NAME_LIMIT = 100
LINE_LIMIT = 300
"""Characters in a task, a next step, a question, a line of a record."""
TEXT_LIMIT = 20_000
"""Characters in a note, an answer, the free part of a record."""
LONGEST_LATER = 14
"""Days that somebody who is asked may put the answer off."""
OLDEST = 150
"""Years; nobody was born before."""

FROM_CONCERNS = frozenset({Event.REPORT_RECEIVED, Event.PROTECTION_CHECKED, Event.FEEDBACK_ASKED, Event.FEEDBACK_GIVEN})
"""What is written down where the report is handled, by name and with a decision, and only read here."""
BY_HAND = tuple(event for event in Event if event not in FROM_CONCERNS)
"""What a team writes down on the case."""
QUALIFIED = frozenset(
    {
        Event.INVESTIGATION_OPENED,
        Event.INVESTIGATION_NOT_OPENED,
        Event.INVESTIGATION_PROLONGED,
        Event.INVESTIGATION_FINISHED,
        Event.NEED_CONSIDERED,
        Event.CONTACT_CONSIDERED,
        Event.FOLLOWUP_STARTED,
        Event.FOLLOWUP_ENDED,
    }
)
"""Assessing, investigating and following up: only with the degree that SoL 25:1 asks for."""


COORDINATORS = frozenset({"coordinator", "case_worker", "manager"})
"""Who may lead the team around a person."""


KEPT = ("", "no", "yes")
"""Whether a record belongs to the sample for research (born on the 5th, 15th or 25th, SoL 16:4) or is kept on another
decision. Empty: nobody has answered yet, and only the year of birth is known here, so nothing is erased."""
INVESTIGATED = frozenset({Event.INVESTIGATION_OPENED, Event.INVESTIGATION_PROLONGED, Event.INVESTIGATION_FINISHED})
PLACED = frozenset(
    {
        Event.CUSTODY_DECIDED, Event.CUSTODY_ENFORCED, Event.PLACED, Event.PLACEMENT_ENDED, Event.JOURHEM_STARTED,
        Event.JOURHEM_ENDED, Event.FOLLOWUP_STARTED,
    }
)  # fmt: skip
"""Traces of a placement, whose papers may never be erased (SoL 16:2)."""
GROWN = 30
"""The age until which the papers of a child's investigation are kept (SoL 16:2 a)."""


class Keeping(StrEnum):
    """Why a record stays, or that it has its day."""

    DATED = "dated"
    CHILD = "child"
    UNANSWERED = "unanswered"
    DECIDED = "decided"
    PLACED = "placed"
    NO_YEAR = "no_year"
    NEVER = "never"


class Who(StrEnum):
    """What somebody is in the family's matter."""

    CHILD = "child"
    PARENT = "parent"
    PARTNER = "partner"
    OTHER_ADULT = "other_adult"


class Shared(msgspec.Struct, frozen=True):
    """What other family members' teams see, once staff have linked and shown the person."""

    first_name: str
    born: int | None = None
    """The year."""
    language: str = ""


class Private(msgspec.Struct, frozen=True):
    """For those who work for this person only."""

    full_name: str = ""
    phone: str = ""
    address: str = ""
    safe_contact: str = ""
    notes: str = ""


def may_coordinate(roles: Collection[str]) -> bool:
    """Whether somebody with these roles may lead the team around a person."""
    return not COORDINATORS.isdisjoint(roles)


def age(born: int | None, today: date) -> int | None:
    """How old somebody turns this year; nobody keeps birthdays here."""
    return None if born is None else today.year - born


def reads_as(who: str, age: int | None) -> str | None:
    """Whose words somebody is given, as `Reader.of` takes it; for a child of unknown age the words for any child."""
    if who == Who.CHILD:
        if age is None:
            return "child"
        return "child_6_9" if age < 10 else "child_10_12" if age < 13 else "child_13_17" if age < 18 else "adult"
    return {Who.PARENT: "parent", Who.PARTNER: "partner"}.get(Who(who), "adult")


def is_year_of_birth(year: int, today: date) -> bool:
    """Whether somebody who is alive, or about to be born, can be of that year."""
    return today.year - OLDEST <= year <= today.year + 1


def erased_from(
    who: str, born: int | None, kept: str, happened: Collection[Event], ended: date, days: int
) -> tuple[Keeping, date | None]:
    """Why a person's record and cases are kept, and the local day from which they are not; None for no day.

    ``ended``: the day that the last case was closed, or that a record without any was made. ``days`` after it (SoL
    16:1; 0 for never). The papers of a child's investigation until the end of the year in which the child turns 30:
    nobody keeps birthdays here.
    """
    if kept == "yes":
        return Keeping.DECIDED, None
    if not PLACED.isdisjoint(happened):
        return Keeping.PLACED, None
    if days == 0:
        return Keeping.NEVER, None
    if kept != "no":
        return Keeping.UNANSWERED, None
    day = ended + timedelta(days=days)
    if who == Who.CHILD and not INVESTIGATED.isdisjoint(happened):
        if born is None:
            return Keeping.NO_YEAR, None
        grown = date(born + GROWN + 1, 1, 1)
        return (Keeping.CHILD, grown) if grown > day else (Keeping.DATED, day)
    return Keeping.DATED, day
