"""Two things in one message: where it can be cut, so that each part is understood by itself."""

from __future__ import annotations

import re

from components.plain import fold, lists


def parts_of(text: str) -> list[str]:
    """The parts of a message that may each be about something of its own; [] if there is one only.

    Cut at the end of a sentence, and at a joining word before what begins a question or a wish.
    Long messages are stories and are left whole.
    """
    known = lists()
    if len(text.split()) > known["most_words"]:
        return []
    joins = {fold(word) for word in known["joins"]}
    starts = tuple(fold(phrase) for phrase in known["starts"])
    found: list[str] = []
    for sentence in re.split(r"[.?!\n,;]+\s+", text):
        words = sentence.split()
        begin = 0
        for place in range(1, len(words)):
            rest = fold(" ".join(words[place + 1 :])) + " "
            if fold(words[place]) in joins and rest.startswith(tuple(f"{start} " for start in starts)):
                found.append(" ".join(words[begin:place]))
                begin = place + 1
        found.append(" ".join(words[begin:]))
    found = [part for part in found if len(fold(part).split()) >= known["part_words"]]
    return found if len(found) > 1 else []
