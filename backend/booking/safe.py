"""How to reach somebody without putting them at risk: which questions, in which order, and when none is needed.

Nobody is asked what the talk does not need: a chat needs no answer at all, and whoever has
not asked to be reached on a device is never sent anything. Plain Python, no storage.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal

import msgspec

from backend.core.reader import Reader

Yes = Literal["yes", "no"]
YesUnsure = Literal["yes", "no", "unsure"]
IfMissed = Literal["again", "wait"]
ReminderWay = Literal["sms", "mail"]

TEXT_LIMIT = 300
"""Characters of an answer in a person's own words."""


class Safe(msgspec.Struct, frozen=True):
    """The answers, in the person's own words where they are free; None where nothing was asked or answered.

    ``if_missed``: what to do when they do not answer, ``again`` once or ``wait`` for them to come back.
    ``not_told`` names who must not know.
    """

    call_ok: YesUnsure | None = None
    others_answer: YesUnsure | None = None
    if_other_answers: str | None = None
    leave_message: Yes | None = None
    if_missed: IfMissed | None = None
    not_told: str | None = None
    they_know: YesUnsure | None = None
    sms_ok: YesUnsure | None = None
    mail_ok: YesUnsure | None = None


CHOICES: dict[str, tuple[str, ...]] = {
    "call_ok": ("yes", "unsure", "no"),
    "others_answer": ("no", "yes", "unsure"),
    "leave_message": ("no", "yes"),
    "if_missed": ("again", "wait"),
    "they_know": ("no", "yes", "unsure"),
    "reminder": ("no", "sms", "mail"),
    "sms_ok": ("yes", "unsure", "no"),
    "mail_ok": ("yes", "unsure", "no"),
}
"""Questions with fixed answers, the safest first where one is safer."""
TEXTS = ("if_other_answers", "not_told")
"""Questions that are answered in one's own words."""
CONTACTS = ("phone", "remind_phone", "remind_mail")
"""Questions for a number or an address."""
NEEDED = frozenset(CONTACTS)
"""What cannot be passed over by whoever has chosen to be reached that way."""


@dataclass(frozen=True, slots=True)
class Situation:
    """What decides which questions are needed. ``ways`` are the reminders that can be had; ``phone`` is known already."""

    channel: str
    reader: Reader
    ways: tuple[str, ...] = ()
    phone: bool = False


def questions(situation: Situation, answers: Mapping[str, str]) -> list[str]:
    """What is to be asked, in order, as far as the answers so far decide it.

    An answer of ``no`` to whether a call is safe ends it: then another way to talk is to be chosen.
    """
    found: list[str] = []
    if situation.channel == "phone":
        found += ["phone", "call_ok"]
        if answers.get("call_ok") == "no":
            return found
        found.append("others_answer")
        if answers.get("others_answer") != "no":
            found.append("if_other_answers")
        found += ["leave_message", "if_missed", "not_told"]
        if situation.reader.who == "partner":
            found.append("they_know")
    found += _about_reminder(situation, answers)
    return found


def next_question(situation: Situation, answers: Mapping[str, str], asked: Collection[str]) -> str | None:
    """The first question that has neither been answered nor passed over; None when nothing more is needed."""
    for question in questions(situation, answers):
        if not answers.get(question) and (question in NEEDED or question not in asked):
            return question
    return None


def may_be_reminded(reader: Reader) -> bool:
    """Nobody under thirteen is offered a message to a device that somebody else may hold, nor a child of unknown age."""
    return reader.band not in ("6-9", "10-12") and (reader.who != "child" or reader.band is not None)


def _about_reminder(situation: Situation, answers: Mapping[str, str]) -> list[str]:
    if not situation.ways or not may_be_reminded(situation.reader):
        return []
    wanted = answers.get("reminder")
    if wanted == "sms" and "sms" in situation.ways:
        if answers.get("sms_ok") == "no":
            return ["reminder", "sms_ok"]
        knows = situation.phone or situation.channel == "phone"
        return ["reminder", "sms_ok", *([] if knows else ["remind_phone"])]
    if wanted == "mail" and "mail" in situation.ways:
        return ["reminder", "mail_ok", *([] if answers.get("mail_ok") == "no" else ["remind_mail"])]
    return ["reminder"]


def options(question: str, ways: Collection[str]) -> tuple[str, ...]:
    """The fixed answers of a question; empty for one that is answered in words."""
    known = CHOICES.get(question, ())
    return tuple(value for value in known if question != "reminder" or value == "no" or value in ways)


def reminder_wanted(answers: Mapping[str, str]) -> str | None:
    """The way that was chosen to be reminded, unless the next answer showed that it is not safe."""
    wanted = answers.get("reminder")
    if wanted not in ("sms", "mail") or answers.get(f"{wanted}_ok") == "no":
        return None
    return wanted
