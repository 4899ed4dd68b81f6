"""What people write, read from `data/words/`: matching by plain word lists, no guessing.

Forms ask closed questions, and a closed question deserves an answer that can be explained: a
list of words somebody can read and correct. What no list knows is left to the intent.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

FOLDER = Path(__file__).resolve().parent.parent / "data" / "words"

SHORT = 5
"""Up to this many words, an answer is taken as an answer and nothing more."""


@cache
def words(name: str) -> Any:
    """The contents of `data/words/<name>.yml`.

    Raises:
        OSError: if there is no such file.
    """
    return YAML(typ="safe").load((FOLDER / f"{name}.yml").read_text(encoding="utf-8"))


def fold(text: str) -> str:
    """Small letters and digits with single spaces; accents and rings gone.

    Children on phones lose the dots over their letters, so both sides of every comparison
    do.
    """
    plain = unicodedata.normalize("NFKD", text.casefold())
    plain = "".join(c for c in plain if not unicodedata.combining(c))
    return " ".join(re.findall(r"[^\W_]+", plain))


@cache
def _pattern(phrases: tuple[str, ...]) -> re.Pattern[str]:
    alternatives = []
    for phrase in phrases:
        parts = [re.escape(fold(part)) + (r"\w*" if part.endswith("*") else "") for part in phrase.split()]
        alternatives.append(" ".join(parts))
    return re.compile(rf"\b(?:{'|'.join(alternatives)})\b")


def mentions(text: str, phrases: Iterable[str]) -> bool:
    """Whether one of `phrases` stands in `text`, whole words only."""
    return bool(_pattern(tuple(phrases)).search(fold(text)))


def first_of(text: str, choices: Mapping[str, Iterable[str]]) -> str | None:
    """The first key of `choices` whose phrases stand in `text`."""
    return next((key for key, phrases in choices.items() if mentions(text, phrases)), None)


def first_line(text: str, lines: Sequence[Mapping[str, Iterable[str]]]) -> str | None:
    """The same for a list of one-key mappings, in which the order carries meaning."""
    return next((found for line in lines if (found := first_of(text, line))), None)


def yes_no(text: str) -> str | None:
    """ "yes", "no" or "unsure" if `text` plainly says so, else None."""
    folded = fold(text).split()
    answers = words("answers")
    if not folded:
        return None
    if len(folded) <= SHORT and mentions(text, answers["unsure"]):
        return "unsure"
    said = " ".join(folded)
    if _pattern(tuple(answers["no"])).match(said):
        return "no"
    negated = mentions(text, answers["negations"])
    if _pattern(tuple(answers["yes"])).match(said):
        # "Skicka inte" begins with a yes and means no; with more words nobody can tell.
        return None if negated else "yes"
    return "no" if negated and len(folded) <= SHORT else None


def is_question(text: str) -> bool:
    """Whether `text` has a question mark or begins as a question does."""
    if "?" in text:
        return True
    return bool(_pattern(tuple(words("answers")["question_words"])).match(fold(text)))


def is_short(text: str, most: int = SHORT) -> bool:
    """Whether `text` has at most `most` words."""
    return len(fold(text).split()) <= most


def title(entry: Mapping[str, Any], lang: str, band: str | None) -> str:
    """A button's title in a language and, in Swedish, for a band; a parent is an adult."""
    if lang == "en":
        return str(entry["en"])
    adult = entry.get("adult", entry["sv"]) if band == "parent" else entry["sv"]
    return str(entry.get(band or "", adult))


@dataclass(frozen=True)
class Reader:
    """Who is writing, as far as they have said: `who` and `band`, each perhaps None."""

    who: str | None
    band: str | None


READERS = {
    "child_6_9": Reader("child", "6-9"),
    "child_10_12": Reader("child", "10-12"),
    "child_13_17": Reader("child", "13-17"),
    "partner": Reader("partner", "adult"),
    "parent": Reader("parent", "parent"),
    "adult": Reader("adult", "adult"),
    "professional": Reader("professional", "adult"),
}
"""The readers a button can say."""


def reader_in(text: str) -> Reader | None:
    """Who is writing, if `text` says so in plain words."""
    lists = words("reader")
    known = first_line(text, lists["readers"])
    if known is None and _partner(fold(text), lists["partner"]):
        known = "partner"
    if known in READERS:
        return READERS[known]
    age = _own_age(fold(text), lists)
    if age is not None:
        return _reader_of_age(age)
    for band, phrases in lists["school_years"].items():
        behind = tuple(f"{before} {phrase}" for before in lists["school_before"] for phrase in phrases)
        if _pattern(behind).search(fold(text)):
            return Reader("child", band)
    if known == "teen":
        return Reader("child", "13-17")
    return Reader("child", None) if known == "child" else None


def _partner(folded: str, lists: Mapping[str, Any]) -> bool:
    """Whether somebody's partner is said to drink or take drugs, and not they themselves."""
    if _pattern(tuple(lists["not"])).search(folded):
        return False
    whose, uses = (_pattern(tuple(lists[name])).pattern for name in ("whose", "uses"))
    return bool(re.search(rf"{whose}(?: \w+){{0,4}} {uses}", folded))


def _own_age(folded: str, lists: Mapping[str, Any]) -> int | None:
    if _pattern(tuple(lists["not_own_age"])).search(folded):
        return None
    numbers = {fold(word): age for word, age in lists["age_words"].items()}
    number = r"(\d{1,2}|" + "|".join(numbers) + r")"
    before = "|".join(re.escape(fold(phrase)) for phrase in lists["age_before"])
    after = "|".join(re.escape(fold(phrase)) for phrase in lists["age_after"])
    found = re.search(rf"\b(?:{before}) {number}\b(?! (?:st|ar sen|ar sedan))", folded) or re.search(
        rf"^{number} (?:{after})\b", folded
    )
    if not found:
        return None
    age = numbers.get(found[1]) or int(found[1])
    return age if 4 <= age <= 99 else None


def _reader_of_age(age: int) -> Reader:
    if age < 10:
        return Reader("child", "6-9")
    if age < 13:
        return Reader("child", "10-12")
    return Reader("child", "13-17") if age < 18 else Reader("adult", "adult")


NO_INTERPRETER = "none"
ANY_INTERPRETER = "other"
"""An interpreter is wanted, and nobody has said in which language."""


def interpreter_in(text: str) -> str | None:
    """The language (by code) that `text` asks for an interpreter in.

    `ANY_INTERPRETER` if it names none, `NO_INTERPRETER` if it says that none is wanted, None
    if it does not speak of interpreters.
    """
    lists = words("interpreter")
    ends = tuple(lists["wish_ends"])
    if not mentions(text, lists["wish"]) and not any(word.endswith(ends) for word in fold(text).split()):
        return None
    if mentions(text, lists["not"]):
        return NO_INTERPRETER
    return named_language(text) or ANY_INTERPRETER


def named_language(text: str) -> str | None:
    """The code of the first of the languages in `data/words/interpreter.yml` that `text` names."""
    lines = words("interpreter")["languages"]
    return first_line(text, [{code: entry["said"]} for line in lines for code, entry in line.items() if entry["said"]])


def language_name(code: str, lang: str) -> str:
    """What a language is called in `lang`."""
    known = {code: entry for line in words("interpreter")["languages"] for code, entry in line.items()}
    return str(known[code]["en" if lang == "en" else "sv"]) if code in known else code


def language_of(text: str) -> str | None:
    """ "sv" or "en" if `text` is plainly one and not the other, else None."""
    lists = words("answers")
    said = fold(text).split()
    counts = {
        lang: sum(word in {fold(w) for w in lists[name]} for word in said)
        for lang, name in (("en", "english"), ("sv", "swedish"))
    }
    for lang, other in (("en", "sv"), ("sv", "en")):
        if counts[lang] >= 3 and counts[lang] > 2 * counts[other]:
            return lang
    return None
