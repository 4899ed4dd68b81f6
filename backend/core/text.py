"""What may enter as text: cleaned of what breaks databases or deceives readers, else untouched."""

from __future__ import annotations

import re
import unicodedata

from backend.core.errors import EmptyText, TextTooLong

MESSAGE_LIMIT = 19_000
"""Characters in one chat message: an essay of 3,000 words fits, a flood does not."""
STORY_LIMIT = 60_000
"""Characters in a story on the writing page."""
ANSWER_LIMIT = 2_000
"""Characters in an answer from staff: it may be read by a child on a phone, in a hurry."""

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
# Embeddings, overrides and isolates can make staff read another order than was written;
# they carry no words, so they are dropped. Zero-width joiners stay: Persian needs them.
_BIDI = re.compile("[\u202a-\u202e\u2066-\u2069]")
_MARKS = re.compile(
    r"([\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]{8})[\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]+"
)


def clean(text: str, limit: int = MESSAGE_LIMIT) -> str:
    """The person's own words, storable on every database.

    Line breaks are kept as ``\\n``; control characters, direction overrides and
    piles of more than eight combining marks go; lone surrogates become U+FFFD.
    Raises `EmptyText` when no visible character is left and `TextTooLong` past
    ``limit`` characters.
    """
    text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    text = _BIDI.sub("", _CONTROL.sub("", text))
    text = _MARKS.sub(r"\1", text).strip()
    if not any(_visible(character) for character in text):
        raise EmptyText
    if len(text) > limit:
        raise TextTooLong(limit=limit)
    return text


def _visible(character: str) -> bool:
    return not character.isspace() and unicodedata.category(character) not in ("Cf", "Cc", "Cn", "Mn")


def fold(text: str) -> str:
    """Lower case without accents: å, ä and é are typed as a and e on many phones."""
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return "".join(character for character in decomposed if not unicodedata.combining(character))
