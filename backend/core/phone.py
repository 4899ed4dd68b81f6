"""Phone numbers as people write them: checked, stored in one form, shown with most digits hidden."""

from __future__ import annotations

import re
from dataclasses import dataclass

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumber, PhoneNumberFormat, PhoneNumberType, ValidationResult

from backend.core.errors import InvalidField

_LONGEST = 400
_PAID = {PhoneNumberType.PREMIUM_RATE, PhoneNumberType.SHARED_COST}


@dataclass(frozen=True, slots=True)
class Phone:
    """``e164`` is what is stored and dialled (``+46701234567``); ``display`` hides the middle (``070-••• •• 67``)."""

    e164: str
    display: str


def parse_phone(text: str) -> Phone:
    """The one number in ``text``, which may be a whole sentence; without a country code it is Swedish.

    Raises `InvalidField` (``phone_invalid``) for none, for several, for one that
    cannot exist, and for numbers that cost extra to call; ``extra["why"]`` says which:
    ``none``, ``several``, ``short``, ``long``, ``impossible`` or ``paid``.
    """
    number = _number(text[:_LONGEST])
    if number is None or phonenumbers.number_type(number) in _PAID:
        error = InvalidField("phone_invalid", "phone")
        error.extra["why"] = "paid" if number is not None else _why_not(text[:_LONGEST])
        raise error
    return Phone(phonenumbers.format_number(number, PhoneNumberFormat.E164), masked(number))


def parse_mobile(text: str) -> Phone:
    """`parse_phone`, for a number that takes text messages; raises `InvalidField` (``phone_not_mobile``) for another."""
    phone = parse_phone(text)
    kind = phonenumbers.number_type(phonenumbers.parse(phone.e164))
    if kind not in (PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE):
        raise InvalidField("phone_not_mobile", "phone")
    return phone


def hidden(e164: str) -> str:
    """A stored number with most digits hidden, for whoever has given it."""
    return masked(phonenumbers.parse(e164))


def masked(number: PhoneNumber) -> str:
    """The first group and the last two digits, enough to recognise one's own number by."""
    style = PhoneNumberFormat.NATIONAL if number.country_code == 46 else PhoneNumberFormat.INTERNATIONAL
    written = phonenumbers.format_number(number, style)
    digits = [place for place, character in enumerate(written) if character.isdigit()]
    shown = {*digits[:3], *digits[-2:]}
    return "".join(
        "•" if character.isdigit() and place not in shown else character for place, character in enumerate(written)
    )


def _number(text: str) -> PhoneNumber | None:
    try:
        whole = phonenumbers.parse(text, "SE")
    except NumberParseException:
        whole = None
    if whole is not None and phonenumbers.is_valid_number(whole):
        return whole
    found: list[PhoneNumber] = []
    for match in phonenumbers.PhoneNumberMatcher(text, "SE"):
        if match.number not in found:
            found.append(match.number)
    return found[0] if len(found) == 1 else None


def _why_not(text: str) -> str:
    if len(list(phonenumbers.PhoneNumberMatcher(text, "SE"))) > 1:
        return "several"
    runs = re.findall(r"\+?\d(?:[\s\-()./]*\d)+", text)
    if not runs:
        return "none"
    try:
        reason = phonenumbers.is_possible_number_with_reason(phonenumbers.parse(max(runs, key=len), "SE"))
    except NumberParseException:
        return "impossible"
    if reason in (ValidationResult.TOO_SHORT, ValidationResult.IS_POSSIBLE_LOCAL_ONLY):
        return "short"
    return "long" if reason == ValidationResult.TOO_LONG else "impossible"


def written_out(e164: str) -> str:
    """A stored number as it is written in Sweden (``070-123 45 67``), a foreign one internationally; for staff."""
    number = phonenumbers.parse(e164, "SE")
    style = PhoneNumberFormat.NATIONAL if number.country_code == 46 else PhoneNumberFormat.INTERNATIONAL
    return phonenumbers.format_number(number, style)
