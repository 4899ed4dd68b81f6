"""What an edited text must be before anybody meets it. Plain Python."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from backend.core.helplines import FIELDS, read_field
from backend.core.readability import Measured, NeverSay, measure, too_hard
from backend.core.reader import BANDS, Band
from backend.core.wording import forms_in

LONGEST_FORM = 60
_FORM = re.compile(r"[^\W\d_]+(?:[ -][^\W\d_]+)*")
LONGEST = 4_000
"""Characters of one text; the longest that a page has room for."""
_UNKNOWN_READS: Band = "10-12"
"""A text for readers of whom nothing is known must fit a child of twelve."""
_PLACE = re.compile(r"{([^{}]*)}")
_HTML = re.compile(r"<[A-Za-z/!]|&#?\w+;")
_STANDS_ALONE = 12
"""Words. A shorter text is a button, a heading or a label, and is not measured as running text."""
_MAP_SENTENCES = 8
LONGEST_CHECK = 366
"""Days that a check of a helpline may hold; half a year is usual (domain: numbers and hours move)."""
USUAL_CHECK_MONTHS = 6


@dataclass(frozen=True, slots=True)
class Checked:
    """What is wrong with a text, as keys of phrases with what they name, and its figures."""

    problems: tuple[tuple[str, str], ...]
    figures: Measured

    @property
    def fit(self) -> bool:
        """Whether it may be published."""
        return not self.problems


def check(
    text: str, original: str, *, lang: str, variant: str, kind: str, explained: Collection[str], never: NeverSay
) -> Checked:
    """Hold ``text`` against what stands in the file (``original``) and what its reader can take in.

    The places to fill in, ``{name}``, must be the same, or a child would meet a hole or an error.
    Swedish is measured in its band; other languages have no measure here that means anything. A field of
    a helpline that is no text must be what the field holds: a number, a date, yes or no.
    """
    figures = measure(text, explained)
    problems: list[tuple[str, str]] = []
    if not text.strip():
        return Checked((("empty", ""),), figures)
    if len(text) > LONGEST:
        problems.append(("too_long", str(LONGEST)))
    if kind == "helpline" and variant in FIELDS:
        try:
            read_field(variant, text)
        except ValueError as error:
            problems.append((f"field_{error}", ""))
        return Checked(tuple(problems), figures)
    missing, strange = _differing(_places(original), _places(text))
    if missing:
        problems.append(("place_missing", ", ".join(f"{{{name}}}" for name in missing)))
    if strange or _PLACE.sub("", text).count("{") or _PLACE.sub("", text).count("}"):
        problems.append(("place_strange", ", ".join(f"{{{name}}}" for name in strange)))
    if _HTML.search(text):
        problems.append(("html", ""))
    problems += [("never", name) for name in never.said_in(text)]
    if lang == "sv" and kind in ("station", "phrase") and len(text.split()) > _STANDS_ALONE:
        band: Band = variant if variant in BANDS else _UNKNOWN_READS
        most = _MAP_SENTENCES if kind == "station" else None
        problems += [("hard_" + limit, band) for limit in too_hard(figures, band, most_sentences=most)]
    if lang == "sv" and kind == "word":
        # An explanation is one sentence, so its length is not an average.
        band = variant if variant in BANDS else _UNKNOWN_READS
        problems += [("hard_" + limit, band) for limit in too_hard(figures, band) if limit != "mean_words"]
    return Checked(tuple(problems), figures)


def form_problems(text: str, taken: Mapping[str, str], key: str) -> list[tuple[str, str]]:
    """What is wrong with the forms of a word; ``taken`` has the key of the word that each form belongs to already."""
    forms = forms_in(text)
    if not forms:
        return [("empty", "")]
    strange = [form for form in forms if len(form) > LONGEST_FORM or not _FORM.fullmatch(form)]
    others = [form for form in forms if taken.get(form.lower(), key) != key]
    problems = [("form_strange", ", ".join(strange))] if strange else []
    problems += [("form_taken", ", ".join(others))] if others else []
    return problems + ([("form_twice", "")] if len({form.lower() for form in forms}) < len(forms) else [])


def word_id(form: str) -> str:
    """The id of a word by its dictionary form: small letters without dots and rings, and hyphens."""
    plain = "".join(sign for sign in unicodedata.normalize("NFKD", form.lower()) if not unicodedata.combining(sign))
    return "-".join(re.findall(r"[a-z0-9]+", plain))


def line_problems(fields: Mapping[str, str], today: date) -> list[tuple[str, str]]:
    """What does not go together in a helpline, as it would be served: when it was checked, and until when."""
    try:
        verified, by = read_field("verified_at", fields["verified_at"]), read_field("verify_by", fields["verify_by"])
    except ValueError:
        return []
    problems = []
    if isinstance(verified, date) and verified > today:
        problems.append(("line_future", ""))
    if isinstance(by, date) and (
        not isinstance(verified, date) or not verified < by <= verified + timedelta(days=LONGEST_CHECK)
    ):
        problems.append(("line_dates", ""))
    return problems


def checked_today(today: date) -> dict[str, str]:
    """The fields of a helpline that somebody has called or opened today and found right."""
    month = today.month - 1 + USUAL_CHECK_MONTHS
    # The first of a month exists in every month; a day more or less of half a year means nothing.
    by = date(today.year + month // 12, month % 12 + 1, min(today.day, 28))
    return {"verified_at": today.isoformat(), "verify_by": by.isoformat(), "checked": "ja"}


def in_force(valid_from: date | None, valid_to: date | None, today: date) -> bool:
    """Whether a version counts on a day; the last day is the one before ``valid_to``."""
    return (valid_from is None or valid_from <= today) and (valid_to is None or today < valid_to)


def is_stale(reviewed: date | None, today: date, months: int) -> bool:
    """Whether somebody should have read the text again by now. A text that says no date has never been read."""
    if reviewed is None:
        return True
    year, month = divmod(reviewed.year * 12 + reviewed.month - 1 + months, 12)
    return (year, month + 1, reviewed.day) < (today.year, today.month, today.day)


def _places(text: str) -> list[str]:
    return sorted(set(_PLACE.findall(text)))


def _differing(before: Sequence[str], after: Sequence[str]) -> tuple[list[str], list[str]]:
    return [name for name in before if name not in after], [name for name in after if name not in before]
