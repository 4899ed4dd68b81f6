"""The questions of safe contact on pages without script: one at a time, with what has been answered carried along."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from backend.booking import notices
from backend.booking.notices import Reminder
from backend.booking.safe import (
    CHOICES,
    CONTACTS,
    NEEDED,
    TEXT_LIMIT,
    TEXTS,
    Safe,
    Situation,
    next_question,
    options,
    reminder_wanted,
)
from backend.core.errors import DomainError, EmptyText, TextTooLong
from backend.core.house import House
from backend.core.phone import parse_mobile, parse_phone
from backend.core.reader import Reader
from backend.core.text import clean

QUESTIONS = (*CHOICES, *TEXTS, *CONTACTS)
_LONGEST_CONTACT = 400
_KIND = {"phone": "tel", "remind_phone": "tel", "remind_mail": "email"}


@dataclass(frozen=True, slots=True)
class Answers:
    """What a form says: answers by question, which questions have been shown, and what is wrong, by question."""

    given: dict[str, str] = field(default_factory=dict)
    asked: tuple[str, ...] = ()
    errors: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, form: Any) -> Answers:
        """From a posted form. What is no answer to its question counts as none."""
        given: dict[str, str] = {}
        for question in QUESTIONS:
            text = form.get(question) or ""
            if question in CHOICES:
                text = text if text in CHOICES[question] else ""
            if text.strip():
                given[question] = text
        asked = tuple(one for one in (form.get("asked") or "").split() if one in QUESTIONS)
        return cls(given, tuple(dict.fromkeys(asked)))

    @property
    def words(self) -> list[str]:
        """What has been written in own words, for whoever looks for danger."""
        return [self.given[question] for question in TEXTS if question in self.given]

    def after(self, question: str, *, skip: bool) -> Answers:
        """These, with ``question`` shown, and without its answer if the person passed over it."""
        given = dict(self.given)
        if skip:
            given.pop(question, None)
            if question in ("remind_phone", "remind_mail"):
                given["reminder"] = "no"
        asked = (*self.asked, question) if question in QUESTIONS else self.asked
        return Answers(given, tuple(dict.fromkeys(asked)))

    def checked(self, house: House, reader: Reader) -> Answers:
        """These, with a sentence for each answer that cannot be used."""
        errors: dict[str, str] = {}
        say = house.phrases.say
        for question, text in self.given.items():
            try:
                _check(house, question, text)
            except TextTooLong:
                errors[question] = say("safe.error.too_long", reader, limit=TEXT_LIMIT)
            except DomainError as error:
                errors[question] = say(f"safe.error.{error.code}", reader)
        return Answers(self.given, self.asked, errors)

    def safe(self) -> Safe:
        """The answers as they are stored."""
        texts = {question: _cleaned(self.given[question]) for question in TEXTS if question in self.given}
        fixed = {name: self.given[name] for name in CHOICES if name in self.given and name != "reminder"}
        return Safe(**fixed, **texts)  # type: ignore[arg-type]

    def reminder(self) -> Reminder | None:
        """The reminder that was asked for; without a number of its own it goes to the one we call."""
        wanted = reminder_wanted(self.given)
        if wanted == "sms":
            return Reminder("sms", self.given.get("remind_phone", ""))
        return Reminder("mail", self.given.get("remind_mail", "")) if wanted == "mail" else None

    def fields(self, but_for: str = "") -> Iterator[tuple[str, str]]:
        """Names and values to carry along in a form, ``but_for`` the question that is shown now."""
        for question, text in self.given.items():
            if question != but_for:
                yield question, text
        if self.asked:
            yield "asked", " ".join(self.asked)


def open_question(situation: Situation, answers: Answers) -> str | None:
    """The question to show: one whose answer is wrong, else the next."""
    wanted = next(iter(answers.errors), None)
    return wanted or next_question(situation, answers.given, answers.asked)


def shown(house: House, question: str, answers: Answers, situation: Situation) -> dict[str, Any]:
    """A question for the template ``booking/_question.html``."""
    phrases, reader = house.phrases, situation.reader
    known = options(question, situation.ways)

    def title(value: str) -> str:
        own = f"safe.option.{question}.{value}"
        return phrases.say(own if own in phrases else f"common.{value}", reader)

    hint = f"safe.hint.{question}"
    return {
        "id": question,
        "title": phrases.say(f"safe.question.{question}", reader),
        "hint": phrases.say(hint, reader) if hint in phrases else "",
        "options": [(value, title(value)) for value in known],
        "kind": "choice" if known else _KIND.get(question, "text"),
        "value": answers.given.get(question, known[0] if question == "reminder" else ""),
        "error": answers.errors.get(question, ""),
        "may_skip": question not in NEEDED or question.startswith("remind_"),
        "carried": [*answers.fields(but_for=question)],
    }


def _check(house: House, question: str, text: str) -> None:
    if question in TEXTS:
        try:
            clean(text, TEXT_LIMIT)
        except EmptyText:
            return
    elif question == "phone":
        parse_phone(text[:_LONGEST_CONTACT])
    elif question == "remind_phone":
        parse_mobile(text[:_LONGEST_CONTACT])
    elif question == "remind_mail":
        notices.check_address(text)


def _cleaned(text: str) -> str | None:
    try:
        return clean(text, TEXT_LIMIT)
    except DomainError:
        return None
