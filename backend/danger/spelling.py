"""From what people type to words a lexicon can know.

Children and frightened people write without å, ä and ö, with letters missing
or repeated, with words glued together or spelt as they sound.  Everything
here is linear in the length of the text and accepts any ``str``.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise

MAX_CHARACTERS = 80_000
"""A longer text is read at its beginning and its end, half of this each."""

_MAX_MARKS = 4  # Python reorders combining marks in quadratic time, so a long run is cut first.
_MAX_WORD = 80
_FOLD = str.maketrans("åäöéèêëáàâóòôúùûüíìîïñç", "aaoeeeeaaaooouuuuiiiinc")
_LEET = str.maketrans("013457@$", "oieastas")
_TOKEN = re.compile(
    r"[^\W_]+(?:@[^\W_]+|\$[^\W_]+)*"
    r"|[\u2600-\u27bf\U0001f000-\U0001faff]"
    r"|[.!?…\n,;:()]+"
)
_RUN = re.compile(r"(.)\1{2,}")
_DOUBLE = re.compile(r"(.)\1+")
_SENTENCE_END = frozenset("!?\n")
_MARKS = frozenset(".!?…\n,;:()")


@dataclass(slots=True)
class Tokens:
    """Words in order, with where clauses and sentences begin.

    ``clauses`` and ``sentences`` are bit sets over word positions; a set bit
    means that something new begins with that word.
    """

    words: list[str] = field(default_factory=list)
    clauses: int = 0
    sentences: int = 0


def clean(text: str) -> str:
    """Return ``text`` in one writing: NFKC, lower case, no invisible marks.

    Never raises; lone surrogates and NUL become spaces.
    """
    text = _ends(text)
    if not text.isascii():
        text = unicodedata.normalize("NFKC", "".join(_without_mark_runs(text)))
        text = "".join(_visible(_ends(text)))
    return text.casefold().replace("'", "").replace("’", "")


def _ends(text: str) -> str:
    if len(text) <= MAX_CHARACTERS:
        return text
    half = MAX_CHARACTERS // 2
    return text[:half] + "\n" + text[-half:]


def _without_mark_runs(text: str) -> Iterator[str]:
    run = 0
    for character in text:
        run = run + 1 if unicodedata.combining(character) else 0
        if run <= _MAX_MARKS:
            yield character


def _visible(text: str) -> Iterator[str]:
    for character in text:
        category = _category(character)
        if category in ("Mn", "Me", "Cf") or character in "ـ\ufe0f":
            continue
        yield " " if category in ("Cs", "Cc") and character != "\n" else character


@lru_cache(maxsize=4096)
def _category(character: str) -> str:
    return unicodedata.category(character)


def tokenise(text: str) -> Tokens:
    """Split cleaned ``text`` into words; a row of single letters is one word.

    Three dots are a pause, not an end: frightened people write that way.
    """
    tokens = Tokens()
    starts: list[tuple[int, bool]] = []
    letters: list[str] = []

    def spelled_out() -> None:
        if len(letters) >= 4:
            tokens.words[-len(letters) :] = ["".join(letters)]
        letters.clear()

    for piece in _TOKEN.findall(text):
        if len(piece) == 1 and piece.isalpha():
            letters.append(piece)
            tokens.words.append(piece)
            continue
        spelled_out()
        if piece[0].isalnum():
            tokens.words.append(piece)
        elif piece[0] in _MARKS:
            ends = piece == "." or not _SENTENCE_END.isdisjoint(piece)
            starts.append((len(tokens.words), ends))
        elif tokens.words[-1:] != [piece]:
            tokens.words.append(piece)
    spelled_out()
    _mark_starts(tokens, starts)
    return tokens


def _mark_starts(tokens: Tokens, starts: list[tuple[int, bool]]) -> None:
    """Note where clauses and sentences begin; a scrap of a sentence joins its neighbours."""
    count = len(tokens.words)
    clauses = bytearray(count // 8 + 1)
    sentences = bytearray(count // 8 + 1)
    ends = sorted({0, count} | {at for at, ends in starts if ends and at < count})
    long_enough = {start for start, end in pairwise(ends) if end - start > 3}
    previous_long = {end for start, end in pairwise(ends) if end - start > 3}
    for at, is_end in starts:
        if at >= count or at == 0:
            continue
        clauses[at >> 3] |= 1 << (at & 7)
        if is_end and at in long_enough and at in previous_long:
            sentences[at >> 3] |= 1 << (at & 7)
    tokens.clauses = int.from_bytes(clauses, "little")
    tokens.sentences = int.from_bytes(sentences, "little")


def fold(word: str) -> str:
    """Return ``word`` without rings and dots: "slår" becomes "slar"."""
    return word.translate(_FOLD)


def squeeze(word: str) -> str:
    """Return ``word`` with every repeated letter written once."""
    return _DOUBLE.sub(r"\1", word)


def plain_forms(words: Iterable[str]) -> frozenset[str]:
    """Return the distinct ``words``, also without repeated letters and without rings and dots."""
    distinct = {form for word in set(words) for form in (word, _RUN.sub(r"\1", word), _RUN.sub(r"\1\1", word))}
    return frozenset(distinct | {fold(word) for word in distinct})


def _heard(word: str) -> Iterator[str]:
    """Ways to write ``word`` on a keyboard without å, ä and ö, or by ear."""
    yield fold(word)
    yield word.replace("å", "aa").replace("ä", "ae").replace("ö", "oe")
    if len(word) >= 5:
        yield fold(word.replace("ä", "e"))
        yield fold(word.replace("å", "o"))
        yield word.replace("å", "ä")
        yield word.replace("ä", "å")


def _shorter(word: str) -> Iterator[str]:
    yield word
    for i in range(len(word)):
        yield word[:i] + word[i + 1 :]


def _differ_once(one: str, other: str) -> bool:
    """Tell whether one letter is wrong, missing or too many, or two have changed places."""
    if len(one) > len(other):
        one, other = other, one
    start = 0
    while start < len(one) and one[start] == other[start]:
        start += 1
    if len(one) < len(other):
        return len(other) - len(one) == 1 and one[start:] == other[start + 1 :]
    swapped = one[start + 1 : start + 2] + one[start : start + 1] == other[start : start + 2]
    return one[start + 1 :] == other[start + 1 :] or (swapped and one[start + 2 :] == other[start + 2 :])


class Speller:
    """Finds the lexicon's word behind a typed one.

    ``words`` are the lexicon's, ``known`` are ordinary words that look like
    them and are left as they are, ``spellings`` maps a common way to write a
    word to the word.  Words that begin with one of ``begins`` are left alone
    too.  Of ``mended`` words, and only of those, a wrong letter is forgiven and a
    missing space found.  A ``strong`` syllable in front of a word is dropped.
    """

    def __init__(
        self,
        words: Iterable[str],
        known: frozenset[str],
        spellings: Mapping[str, str],
        begins: Iterable[str] = (),
        mended: Iterable[str] = (),
        strong: Iterable[str] = (),
    ) -> None:
        self._words = frozenset(words)
        self._begins = tuple(begins)
        self._mended = frozenset(mended)
        self._strong = tuple(strong)
        self._known = known
        self._spellings = dict(spellings)
        self._folded: dict[str, str] = {}
        self._squeezed: dict[str, str] = {}
        self._near: dict[str, list[str]] = {}
        for word in sorted(self._words):
            if not word.isascii():
                for heard in _heard(word):
                    self._folded.setdefault(heard, word)
        for word in sorted(self._mended):
            if len(word) >= 4:
                self._squeezed.setdefault(squeeze(fold(word)), word)
            if len(word) >= 6:
                for shorter in _shorter(fold(word)):
                    self._near.setdefault(shorter, []).append(word)

    def knows_any(self, forms: frozenset[str]) -> bool:
        """Tell whether one of ``forms`` may be a word of this speller; always if it mends words."""
        return bool(self._mended) or not (
            self._words.isdisjoint(forms)
            and forms.isdisjoint(self._spellings)
            and forms.isdisjoint(self._folded)
            and not any(form.startswith(self._begins) for form in forms)
        )

    def resolve(self, typed: str) -> tuple[str, ...]:
        """Return the lexicon's words for ``typed``: mostly one, more if glued, itself if unknown."""
        if len(typed) > _MAX_WORD:
            typed = _RUN.sub(r"\1", typed)[:_MAX_WORD]
        found = self._plain(typed)
        if found is not None:
            return found
        word = _RUN.sub(r"\1", typed)
        for candidate in self._candidates(typed, word):
            found = self._plain(candidate)
            if found is not None:
                return found
        if not self._mended or fold(word).startswith(self._begins):
            return (word,)
        return self._misspelt(word) or self._glued(word) or (word,)

    def _candidates(self, typed: str, squeezed: str) -> Iterator[str]:
        if squeezed != typed:
            yield squeezed
            yield _RUN.sub(r"\1\1", typed)
        if not typed.isalpha() and sum(c.isalpha() for c in typed) >= 2:
            yield typed.translate(_LEET)
        for strong in self._strong:
            if squeezed.startswith(strong) and len(squeezed) >= len(strong) + 3:
                yield squeezed[len(strong) :]

    def _plain(self, word: str) -> tuple[str, ...] | None:
        if word in self._spellings:
            return (self._spellings[word],)
        if word in self._words or word in self._known:
            return (word,)
        if word in self._folded:
            return (self._folded[word],)
        return None

    def _misspelt(self, word: str) -> tuple[str, ...] | None:
        if len(word) < 4 or len(word) > 24 or not word.isalpha():
            return None
        folded = fold(word)
        found = self._squeezed.get(squeeze(folded))
        if found is None and len(word) >= 5:
            found = next(self._one_letter_away(folded), None)
        return None if found is None else (found,)

    def _one_letter_away(self, folded: str) -> Iterator[str]:
        for shorter in _shorter(folded):
            for near in self._near.get(shorter, ()):
                if near[0] == folded[0] and _differ_once(fold(near), folded):
                    yield near

    def _glued(self, word: str) -> tuple[str, ...] | None:
        """Split words written without a space, if every part is a known word."""
        if len(word) < 6 or not word.isalpha():
            return None
        best: list[tuple[str, ...] | None] = [()] + [None] * len(word)
        for start in range(len(word) - 1):
            before = best[start]
            if before is None:
                continue
            for end in range(start + 2, min(start + 16, len(word)) + 1):
                part = self._part(word[start:end])
                if part is not None and (best[end] is None or len(before) + 1 < len(best[end] or ())):
                    best[end] = (*before, part)
        parts = best[-1]
        if parts is None or len(parts) < 2 or len(word) < 3 * len(parts):
            return None
        return parts

    def _part(self, part: str) -> str | None:
        word = self._spellings.get(part, part) if len(part) >= 3 else part
        if word not in self._mended and len(part) >= 4:
            word = self._folded.get(part, word)
        return word if word in self._mended else None
