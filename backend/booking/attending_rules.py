"""Before, after and instead of a talk: what has to be assessed, and what happens when nobody came. Plain Python.

A child who does not come is a sign to act on, not a black mark (domain.md 7.1): one try to
reach them, in the way they have said is safe, and then a person decides and says why.
"""

from __future__ import annotations

from datetime import datetime, time
from enum import StrEnum
from typing import Literal

import msgspec

from backend.booking.rules import instant
from backend.booking.safe import Safe

LEGAL_BASES = (
    "unset",
    "info_service",
    "radgivning_anonym",
    "iub_15plus",
    "iub_guardian_consent",
    "assessed_12_14",
    "assessed_15plus",
    "assessed_guardian",
    "talk_in_investigation_20_7",
    "report_intake",
)
"""On which ground the talk was held; a person chooses (SoL 21:1–2, 14:4, 20:7), and ``unset`` until then."""
NEXT_STEPS = ("none", "new_talk", "other_unit", "application", "report", "other")
DOCUMENTED = ("journal", "advice")
"""Written in the case system, or advice whose personal circumstances need not be (SoL 14:4)."""
LIMIT = 2_000
"""Characters of an answer in the checklist."""


class AfterRecord(msgspec.Struct, frozen=True):
    """The checklist after a talk. ``report``: whether the duty to report (SoL 19:1) was found to apply, and why.

    ``told`` is what was told about who will know; ``consent`` what has changed in what may be shared.
    """

    report: Literal["yes", "no"]
    report_reason: str
    documented: Literal["journal", "advice"]
    next_step: str
    next_who: str = ""
    told: str = ""
    consent: str = ""


class Step(StrEnum):
    """How far it has come with somebody who did not come."""

    TRY = "try"
    DECIDE = "decide"
    SETTLED = "settled"


OUTCOMES = ("wait", "new_time", "consult", "report")
"""What a person may decide: wait for them to come back with their code, give a new time, ask the reception or the
manager, report a concern."""
REACHED, CAME_BACK = "reached", "came_back"
"""What follows by itself: they were reached and the talk was held, or they took a new time with their code."""


def first_step(safe: Safe) -> Step:
    """What comes first: one try, unless the person has asked not to be tried again."""
    return Step.DECIDE if safe.if_missed == "wait" else Step.TRY


def follow_up(day: str, clock: str) -> datetime | None:
    """The instant of a local day and time as a form sends them; None for none. Raises `ValueError` for what is no time."""
    if not day.strip() and not clock.strip():
        return None
    when = time.fromisoformat(clock.strip() or "09:00")
    if when.tzinfo is not None:
        raise ValueError("a wall clock has no zone")
    return instant(datetime.fromisoformat(day.strip()).date(), when.hour * 60 + when.minute)
