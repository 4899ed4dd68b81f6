"""Telephone numbers as people write them."""

from __future__ import annotations

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumberFormat, PhoneNumberMatcher

from backend.core.errors import InvalidField

_HOME = "SE"
_LONGEST = 200
"""Characters that are searched; a number with a greeting around it fits."""


def read_phone(text: str, field: str = "phone") -> str:
    """The number in ``text`` as E.164 (``+46701234567``), Swedish unless it says otherwise.

    Forgives blanks, hyphens and words around it. Raises `InvalidField` with the
    code ``phone_invalid`` when there is no number that could be called.
    """
    text = text.strip()[:_LONGEST]
    try:
        number = phonenumbers.parse(text, _HOME)
    except NumberParseException:
        number = None
    if number is None or not phonenumbers.is_valid_number(number):
        found = next(iter(PhoneNumberMatcher(text, _HOME)), None)
        if found is None:
            raise InvalidField("phone_invalid", field)
        number = found.number
    return phonenumbers.format_number(number, PhoneNumberFormat.E164)


def show_phone(number: str) -> str:
    """An E.164 number as it is written in Sweden (``070-123 45 67``), a foreign one internationally."""
    parsed = phonenumbers.parse(number, _HOME)
    home = phonenumbers.region_code_for_number(parsed) == _HOME
    return phonenumbers.format_number(parsed, PhoneNumberFormat.NATIONAL if home else PhoneNumberFormat.INTERNATIONAL)
