"""What may be kept of a message that was not understood, and how it becomes a training line.

Masking is done with lists and patterns and will miss a name now and then, so little is kept,
for a short time, and never of somebody who has told of danger (that is the service's part).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

LONGEST = 300
"""Characters. What is longer is somebody's story and not a question that was put in a new way."""
GUESSES = 3
CODE_LIKE = 4
"""From so many words of the code list on, a message may be a return code with a slip in it."""
LEARNERS = frozenset({"case_worker", "manager"})
"""The roles that may read and label the list."""

_WORD = re.compile(r"[^\W\d_]+(?:['’\u00b4-][^\W\d_]+)*")
_MAIL = re.compile(r"[\w.+-]+\s?@\s?[\w-]+(?:\.[\w-]+)+")
_LINK = re.compile(
    r"(?:[a-z]+://|www\.)\S+|\b[\w-]+(?:\.[\w-]+)*\.(?:se|com|nu|org|net|eu|fi|no|dk|io|me|gg|tv|de|uk|app)\b(?:/\S*)?",
    re.IGNORECASE,
)
_HANDLE = re.compile(r"(?<!\w)@[\w.-]+|\b(?=\w*[^\W\d_])\w*_\w*|\b[^\W\d_]{3,}\d+\w*")
_NUMBER = re.compile(r"\+?\d(?:[\d\s().:/,-]*\d)?[^\W\d_]*")
_ENDS_SENTENCE = re.compile(r"[.!?…\n]")
_BRACKETS = re.compile(r"[\[\](){}<>|\\`]")
_MARKS = {
    "name": "\ue000",
    "number": "\ue001",
    "mail": "\ue002",
    "link": "\ue003",
    "handle": "\ue004",
    "address": "\ue005",
}
"""What stands for each placeholder while the masking goes on: signs that no message can have."""
_ANY_MARK = re.compile("[\ue000-\ue005]")


@dataclass(frozen=True, slots=True)
class Guess:
    """An intent's name and how sure the assistant was of it."""

    intent: str
    confidence: float


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The words that masking goes by, from ``content/``; all but ``capitals`` and ``placeholders`` in lower case."""

    placeholders: Mapping[str, str]
    names: frozenset[str]
    capitals: frozenset[str]
    before_names: Sequence[str]
    not_names: frozenset[str]
    streets: Sequence[str]
    not_streets: frozenset[str]
    digits: Collection[str]
    numbers: frozenset[str]


class Masker:
    """Takes out of a text what may tell who somebody is."""

    def __init__(self, words: Vocabulary) -> None:
        self._words = words
        self.placeholders = tuple(words.placeholders.values())
        streets, digits = _any_of(words.streets), _any_of(words.digits)
        self._street = re.compile(
            rf"\b([^\W\d_](?:[^\W\d_]|-)+(?:{streets}))\b(?:\s+\d+(?:[a-z]|\s(?-i:[A-H]))?\b)?", re.IGNORECASE
        )
        self._spelled = re.compile(rf"\b(?:{digits})(?:[\s,-]+(?:{digits})){{3,}}\b", re.IGNORECASE)
        self._cue = re.compile(rf"\b(?:{_any_of(words.before_names)})\s+({_WORD.pattern})", re.IGNORECASE)

    def keep(self, text: str) -> str | None:
        """The masked text on one line, or None when it is not to be kept.

        Not kept: texts over `LONGEST`, in letters where neither names nor capitals are
        known to us (anything but Latin), and those of which masking leaves too little.
        """
        text = unicodedata.normalize("NFC", text).strip()
        if len(text) > LONGEST or not all(_is_latin(sign) for sign in text if sign.isalpha()):
            return None
        text = "".join(sign for sign in text.replace("\t", " ") if sign == "\n" or unicodedata.category(sign)[0] != "C")
        masked = self._mask(text)
        if len(_WORD.findall(masked)) <= len(_ANY_MARK.findall(masked)):
            return None
        return self._worded(masked)

    def _mask(self, text: str) -> str:
        text = _MAIL.sub(_MARKS["mail"], text)
        text = _LINK.sub(_MARKS["link"], text)
        text = self._street.sub(self._masked_street, text)
        text = _HANDLE.sub(_MARKS["handle"], text)
        text = self._spelled.sub(_MARKS["number"], text)
        text = _NUMBER.sub(self._masked_number, text)
        text = self._cue.sub(self._masked_after_cue, text)
        return self._without_names(text)

    def _masked_street(self, found: re.Match[str]) -> str:
        return found[0] if found[1].casefold() in self._words.not_streets else _MARKS["address"]

    def _masked_number(self, found: re.Match[str]) -> str:
        known = re.sub(r"[\s-]", "", found[0]) in self._words.numbers
        return found[0] if known else _MARKS["number"]

    def _masked_after_cue(self, found: re.Match[str]) -> str:
        if found[1].casefold() in self._words.not_names:
            return found[0]
        return found[0][: found.start(1) - found.start(0)] + _MARKS["name"]

    def _without_names(self, text: str) -> str:
        parts: list[str] = []
        end = 0
        for word in _WORD.finditer(text):
            gap = text[end : word.start()]
            # Nothing but a mark in front means that a sentence began with what was masked.
            first = not parts and not _ANY_MARK.search(gap)
            opens = first or _ENDS_SENTENCE.search(gap) is not None
            parts += [gap, _MARKS["name"] if self._is_name(word[0], opens=opens) else word[0]]
            end = word.end()
        return "".join(parts) + text[end:]

    def _is_name(self, word: str, *, opens: bool) -> bool:
        lowered = word.casefold()
        names = self._words.names
        pieces = [lowered, *re.split(r"['’\u00b4-]", lowered)]
        if any(piece in names or (piece.endswith("s") and piece[:-1] in names) for piece in pieces):
            return True
        return not opens and word[0].isupper() and word not in self._words.capitals

    def _worded(self, masked: str) -> str:
        for kind, mark in _MARKS.items():
            masked = re.sub(rf"{mark}(?:[\s,-]*{mark})*", f"[{self._words.placeholders[kind]}]", masked)
        return " ".join(masked.split())


def may_learn(role: str, *, active: bool) -> bool:
    """Whether somebody may see the list at all."""
    return active and role in LEARNERS


def best(ranking: Iterable[Guess], known: Collection[str]) -> list[Guess]:
    """The first few guesses that are intents of the catalogue."""
    return [Guess(guess.intent, round(guess.confidence, 3)) for guess in ranking if guess.intent in known][:GUESSES]


def kept_for(days: int) -> timedelta:
    """How long a row is kept."""
    return timedelta(days=days)


def training_line(text: str, placeholders: Collection[str]) -> str:
    """A masked text as an example: on one line, without anything that YAML or Rasa gives a meaning.

    ``[namn]`` would begin an entity for Rasa, so it becomes ``NAMN``; all other brackets go.
    """
    for placeholder in placeholders:
        text = text.replace(f"[{placeholder}]", "".join(filter(str.isalnum, placeholder)).upper())
    text = _BRACKETS.sub(" ", text)
    text = "".join(sign if unicodedata.category(sign)[0] not in "CZ" else " " for sign in text)
    return " ".join(text.split()).lstrip("-/ ")


def to_rasa(labelled: Iterable[tuple[str, str]], placeholders: Collection[str]) -> str:
    """A Rasa NLU file of ``(intent, masked text)``, the oldest label first; the same rows give the same bytes.

    A text that was labelled twice stands once, under its newest label.
    """
    intent_of: dict[str, str] = {}
    spelled: dict[str, str] = {}
    for intent, text in labelled:
        line = training_line(text, placeholders)
        if line:
            intent_of[line.casefold()] = intent
            spelled.setdefault(line.casefold(), line)
    by_intent: dict[str, list[str]] = {}
    for key, intent in intent_of.items():
        by_intent.setdefault(intent, []).append(spelled[key])
    lines = [
        "# Messages that the assistant did not understand, masked, then labelled by staff.",
        "# Read them once more, then put this file in rasa/data/nlu/ and train.",
        'version: "3.1"',
        "nlu:" if by_intent else "nlu: []",
    ]
    for intent in sorted(by_intent):
        lines += [f"- intent: {intent}", "  examples: |", *(f"    - {line}" for line in sorted(by_intent[intent]))]
    return "\n".join(lines) + "\n"


def _any_of(words: Iterable[str]) -> str:
    return "|".join(re.escape(word) for word in sorted(words, key=lambda word: (-len(word), word)))


def _is_latin(sign: str) -> bool:
    return unicodedata.name(sign, "").startswith("LATIN")
