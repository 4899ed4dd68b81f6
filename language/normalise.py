"""One spelling for the many ways the same Swedish word is typed.

Children type fast, without capitals, often without å, ä and ö, in slang spelling and with
letters held down. Two readings of a text are made, for the model's eyes only; what is kept
and shown is always what was written.

* `tidy`: harmless characters, held-down letters shortened, slang spelt out, dots kept.
  For the embedding, which knows Swedish.
* `fold`: `tidy` without dots over letters and without punctuation. For counting words and
  letters. It makes "får" and "far" one word; in a short message that costs less than not
  recognising "pappa slar mig".

Standard library only, so that anything may import it.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from pathlib import Path

LIMIT = 600
"""The longest text the model looks at, in characters.

The time an embedding takes grows faster than the text: 600 characters take about 0.1 s,
8,000 over 2 s, during which nobody else is answered.
"""

_HEAD = 400
_SPELLINGS = Path(__file__).with_name("spellings.txt")
_HELD_DOWN = re.compile(r"([^\W\d_])\1{2,}")
_REPEATED_MARKS = re.compile(r"([^\w\s])\1+")
_WORD = re.compile(r"\w+")
_SPACES = re.compile(r"\s+")


@cache
def spellings() -> dict[str, str]:
    """Every typed spelling in `spellings.txt` with the dictionary's, both lower case."""
    table = {}
    for line in _SPELLINGS.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            word, _, typed = line.partition(":")
            table.update(dict.fromkeys(typed.split(), word.strip()))
    return table


def clean(text: str) -> str:
    """The text with compatible characters made one, and without those nobody typed.

    Removed: control and format characters (NUL cuts a text short in C, zero-width ones
    split words) and unpaired surrogates (they cannot be encoded). Line breaks and tabs
    become spaces. NFKC also makes full-width and styled letters plain.
    """
    paired = text.encode("utf-8", "ignore").decode("utf-8")
    kept = (
        " " if letter.isspace() else letter
        for letter in unicodedata.normalize("NFKC", paired)
        if letter.isspace() or not unicodedata.category(letter).startswith("C")
    )
    return _SPACES.sub(" ", "".join(kept)).strip()


def clip(text: str) -> str:
    """At most `LIMIT` characters: the beginning and the end, cut between words.

    Who writes at length says what it is about first, and asks last.
    """
    if len(text) <= LIMIT:
        return text
    head = text[:_HEAD].rpartition(" ")[0] or text[:_HEAD]
    tail_length = LIMIT - _HEAD - 1
    tail = text[-tail_length:].partition(" ")[2] or text[-tail_length:]
    return f"{head} {tail}"


def tidy(text: str) -> str:
    """Clean, clipped, lower-case text with slang spelt out; may be empty."""
    lowered = clip(clean(text)).casefold()
    lowered = _REPEATED_MARKS.sub(r"\1", _HELD_DOWN.sub(r"\1", lowered))
    table = spellings()
    return _WORD.sub(lambda word: table.get(word[0], word[0]), lowered)


def fold(tidied: str) -> str:
    """Words of an already tidied text, letters without marks, single spaces between."""
    bare = "".join(letter for letter in unicodedata.normalize("NFKD", tidied) if not unicodedata.combining(letter))
    return " ".join(_WORD.findall(bare))
