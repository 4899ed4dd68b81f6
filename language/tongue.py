"""Which language a message is written in: one of those we have words in, or None when unsure.

Whoever writes in a language that the assistant does not speak is told in it what there is. A
wrong guess would greet a child in words it cannot read, so doubt counts as Swedish or English,
which the assistant tells apart by itself: the answer is then None.

The script of the letters settles most. Within a script, three letters in a row and whole words
are counted in `tongues.txt` (made by `scripts/tongues.py` from our own lines), and a language
must beat Swedish and English, the next of its kind, and a stranger's fit: Kurdish in Latin
letters is none of ours and must not pass for Turkish.

Standard library only, so that anything may import it.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from language import normalise

TONGUES = ("ar", "fa", "fi", "pl", "ru", "so", "tr", "uk")
"""The languages that can be found. Arabic also when it is typed with Latin letters and digits."""

HOME = ("sv", "en")
KINDS = {
    "latin": (*HOME, "ar", "fi", "pl", "so", "tr"),
    "arabic": ("ar", "fa"),
    "cyrillic": ("ru", "uk"),
}
"""Which languages are written in which letters."""

ENOUGH_WORDS = 3
"""Fewer words in Latin letters than these prove nothing: "kiva", "moi", a name."""

_OVER_HOME = 4.0
_OVER_NEXT = 2.0
_WORST_FIT = {"latin": -3.0, "arabic": -3.6, "cyrillic": -3.2}
"""How unlikely a letter may be on average (natural logarithm) before it is a stranger's."""
_STRANGE = 0.2
"""Share of words with a letter that the language does not have, from which on it is another one."""
_LETTERS = 60
_WORD_SHARE = 0.5
_NEVER = -1e9
_PROFILE = Path(__file__).with_name("tongues.txt")
_WORD = re.compile(r"[^\W_]+(?:['’ʼ\u200c][^\W\d_]+)*")
_RANGES = (("arabic", "\u0600", "\u06ff"), ("arabic", "\ufb50", "\ufefc"), ("cyrillic", "\u0400", "\u04ff"))
_ONLY_RUSSIAN = frozenset("ыэъё")
_ONLY_UKRAINIAN = frozenset("іїєґ")
_NO_VOWELS = re.compile("[\u064b-\u0652\u0640]")
"""Marks that a careful writer sets and nobody types, and the stretching of a line."""


def words(text: str) -> list[str]:
    """The words of a text in small letters, numbers left out ("3andi" is no number)."""
    plain = _NO_VOWELS.sub("", normalise.clip(normalise.clean(text)).casefold())
    plain = re.sub(r"([^\W\d_])\1{2,}", r"\1\1", plain)
    return [word for word in _WORD.findall(plain) if not word.isdigit()]


def script(said: Iterable[str]) -> str | None:
    """The one of `KINDS` that most letters belong to; None for other scripts and no letters."""
    counts: Counter[str] = Counter(_script(letter) for word in said for letter in word if letter.isalpha())
    if not counts:
        return None
    kind = counts.most_common(1)[0][0]
    return kind if kind in KINDS else None


def _script(letter: str) -> str:
    for kind, first, last in _RANGES:
        if first <= letter <= last:
            return kind
    return "latin" if unicodedata.name(letter, "").startswith("LATIN") else "other"


@dataclass
class Profile:
    """How often a language has each three letters in a row (a space at a word's edges) and each word."""

    triples: Counter[str] = field(default_factory=Counter)
    known: Counter[str] = field(default_factory=Counter)

    def learn(self, said: Iterable[str]) -> None:
        """Count more words of this language."""
        for word in said:
            self.known[word] += 1
            padded = f"  {word} "
            for end in range(2, len(padded)):
                self.triples[padded[end - 2 : end + 1]] += 1

    def ready(self) -> Weighed:
        """The same, in a form that answers quickly."""
        after: dict[str, Counter[str]] = {}
        for triple, count in self.triples.items():
            for context in (triple[:2], triple[1:2], ""):
                after.setdefault(context, Counter())[triple[2]] += count
        kinds = {context: (sum(found.values()), len(found)) for context, found in after.items()}
        return Weighed(after, kinds, self.known, sum(self.known.values()), frozenset("".join(self.triples)))


@dataclass(frozen=True)
class Weighed:
    """A profile that tells how likely a word is."""

    after: Mapping[str, Counter[str]]
    kinds: Mapping[str, tuple[int, int]]
    known: Counter[str]
    total: int
    letters: frozenset[str]

    def spelt(self, word: str) -> float:
        """Logarithm of how likely the letters of `word` are to follow each other (Witten and Bell's smoothing)."""
        padded = f"  {word} "
        found = 0.0
        for end in range(2, len(padded)):
            chance = 1 / _LETTERS
            for context in ("", padded[end - 1], padded[end - 2 : end]):
                seen = self.after.get(context)
                if seen is None:
                    break
                total, kinds = self.kinds[context]
                chance = (seen[padded[end]] + kinds * chance) / (total + kinds)
            found += math.log(chance)
        return found

    def said(self, word: str) -> float:
        """Logarithm of how likely `word` is, as one that is known or one that is spelt like them."""
        return math.log(
            _WORD_SHARE * self.known[word] / self.total + (1 - _WORD_SHARE) * math.exp(max(self.spelt(word), -600.0))
        )


class Tongues:
    """Tells languages apart by their profiles; see the module."""

    def __init__(self, profiles: Mapping[str, Profile]) -> None:
        self._profiles = {tongue: profile.ready() for tongue, profile in profiles.items()}

    def weighed(self, tongue: str) -> Weighed:
        """The profile of one language, Swedish and English among them."""
        return self._profiles[tongue]

    def of(self, text: str, least: int = ENOUGH_WORDS) -> str | None:
        """One of `TONGUES`, or None: Swedish, English, another language, too little to tell.

        `least` is the number of words that must be there in Latin letters.
        """
        said = words(text)
        kind = script(said)
        if kind is None or (kind == "latin" and len(said) < least):
            return None
        said = [word for word in said if script([word]) == kind or not word.isalpha()]
        scores = {tongue: sum(map(self._profiles[tongue].said, said)) for tongue in KINDS[kind]}
        home = max((scores[tongue] for tongue in HOME if tongue in scores), default=_NEVER)
        best, following = sorted((tongue for tongue in scores if tongue not in HOME), key=lambda one: -scores[one])[:2]
        if kind == "cyrillic":
            best, following = slavic(said, best), ""
        if not self._fits(best, said, kind) or scores[best] - home < _OVER_HOME:
            return None
        return best if not following or scores[best] - scores[following] >= _OVER_NEXT else None

    def _fits(self, tongue: str, said: list[str], kind: str) -> bool:
        """Whether words are likely to be of a language at all, and not of one that looks like it."""
        profile = self._profiles[tongue]
        letters = sum(len(word) + 1 for word in said)
        strange = sum(not profile.letters.issuperset(word) for word in said)
        if strange > _STRANGE * len(said):
            return False
        return sum(map(profile.spelt, said)) / letters >= _WORST_FIT[kind]


def slavic(said: Iterable[str], likelier: str) -> str:
    """Russian or Ukrainian: letters that only one of them has decide."""
    letters = set("".join(said))
    if letters & _ONLY_UKRAINIAN:
        return "uk"
    return "ru" if letters & _ONLY_RUSSIAN else likelier


def of(text: str, least: int = ENOUGH_WORDS) -> str | None:
    """The language of a typed text as `Tongues.of` finds it, by the profiles that come with us."""
    return _tongues().of(text, least)


def ready() -> None:
    """Read the profiles now, so that the first message does not wait for them."""
    _tongues()


@cache
def _tongues() -> Tongues:
    return Tongues(read(_PROFILE.read_text(encoding="utf-8")))


def read(written: str) -> dict[str, Profile]:
    """Profiles that `write` wrote."""
    lines = (line for line in written.splitlines() if line and not line.startswith("#"))
    tongues = next(lines).split()
    profiles = {tongue: Profile() for tongue in tongues}
    for line in lines:
        entry, *counts = line.split("\t")
        for tongue, count in zip(tongues, counts, strict=True):
            if count:
                part = profiles[tongue].known if entry[0] == "=" else profiles[tongue].triples
                part[entry[1:] if entry[0] == "=" else entry.replace("_", " ")] = int(count)
    return profiles


def write(profiles: Mapping[str, Profile]) -> str:
    """Profiles as text: a line with the languages, then one for each triple and each word ("=" before it)."""
    tongues = sorted(profiles)
    lines = ["\t".join(tongues)]
    for name, mark in (("triples", ""), ("known", "=")):
        entries = sorted({entry for profile in profiles.values() for entry in getattr(profile, name)})
        for entry in entries:
            counts = (getattr(profiles[tongue], name)[entry] for tongue in tongues)
            shown = entry if mark else entry.replace(" ", "_")
            lines.append("\t".join([mark + shown, *(str(count) if count else "" for count in counts)]))
    return "\n".join(lines) + "\n"
