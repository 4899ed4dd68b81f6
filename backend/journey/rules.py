"""Which stations belong together, and which to offer next. Plain Python, no content.

The order is the one a family usually meets; most families never reach the later parts.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Literal

from backend.core.reader import Band, Reader

Track = Literal["shared", "child", "family", "adult"]

PARTS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("start", ("S01", "S02", "S03")),
    ("check", ("S04", "S05", "S06", "S07")),
    ("find_out", ("S08", "S09", "S10", "S11")),
    ("support", ("S12", "S13", "S14", "S15", "S16", "S17", "S18")),
    ("away", ("S19", "S20", "S21", "S22", "S23")),
    ("after", ("S24", "S25", "S26")),
)
"""Parts of the way, each with its stations in order. "support" runs on parallel tracks."""

Line = Literal["child", "adult", "family", "other", "away"]

LINES: tuple[tuple[Line, tuple[str, ...]], ...] = (
    ("child", ("S01", "S03", "S04", "S05", "S08", "S09", "S10", "S11", "S12", "S24", "S25", "S26")),
    ("adult", ("S01", "S02", "S08", "S09", "S10", "S11", "S17", "S24", "S25", "S26")),
    ("family", ("S11", "S13", "S24")),
    ("family", ("S11", "S14", "S15", "S16", "S24")),
    ("other", ("S11", "S18", "S24")),
    ("away", ("S11", "S19", "S22", "S23", "S24")),
    ("away", ("S09", "S20", "S21", "S22")),
)
"""The ways that the map draws as lines; every step of one is an edge of the content. "I get help" and
"my parent gets help" meet at the stations they share."""

TURN = "S11"
"""The plan: help begins after it, and the drawn way turns there."""

RELAPSE = "S17"
"""Where it can get worse again and help begins again: a loop in the picture, and no step of the way."""
BACK = (("S16", "S15"), ("S24", "S08"), ("S26", "S01"), ("S26", "S02"))
"""The edges by which one comes back: drawn so that they are seen, since nobody gets only one try."""

ENTRANCES = ("S01", "S03", "S08", "S12")
"""What somebody who asks how it all works is offered first: talk, a worry, the investigation, help."""
_ENTRANCES_OF: Mapping[Band | None, tuple[str, ...]] = {
    "adult": ("S01", "S02", "S03", "S18"),
    "parent": ("S01", "S02", "S08", "S17"),
}

FRIGHTENING = frozenset({"S20", "S21"})
"""Taken into care, and court. Told plainly to whoever asks or reads the map, never put first in a child's list."""

_OWN_TRACKS: Mapping[Band | None, tuple[Track, ...]] = {
    "6-9": ("child",),
    "10-12": ("child",),
    "13-17": ("child",),
    None: ("child",),
    "adult": ("adult", "family"),
    "parent": ("adult", "family"),
}
_AT_MOST: Mapping[Band | None, int] = {"6-9": 3}
_USUALLY_AT_MOST = 4


def entrances(reader: Reader) -> tuple[str, ...]:
    """The stations to begin with for this reader."""
    return _ENTRANCES_OF.get(reader.band, ENTRANCES)


def onward(station: str, following: Sequence[str], track_of: Mapping[str, Track], reader: Reader) -> tuple[str, ...]:
    """The next stations to offer as buttons: the reader's own track first, few, never the station itself.

    ``following`` is the content's order, which is kept within each group.
    """
    own = _OWN_TRACKS[reader.band]

    def rank(candidate: str) -> int:
        if candidate in FRIGHTENING and not reader.grown_up:
            return 3
        if track_of[candidate] in own:
            return 0
        return 1 if track_of[candidate] == "shared" else 2

    others = [candidate for candidate in dict.fromkeys(following) if candidate != station]
    return tuple(sorted(others, key=rank)[: _AT_MOST.get(reader.band, _USUALLY_AT_MOST)])


def lines_at(station: str) -> list[Line]:
    """The lines that stop there, in the order of `LINES`."""
    return list(dict.fromkeys(line for line, way in LINES if station in way))


def neighbours(
    station: str, following: Sequence[str], leading: Sequence[str], reader: Reader
) -> tuple[str | None, str | None]:
    """The stations before and after on the reader's own line; where none of their lines stops, the first ways here and on."""
    own: tuple[Line, ...] = ("adult", "family", "other") if reader.grown_up else ("child", "family")
    ways = [way for line in own for name, way in LINES if name == line and station in way]
    ways += [way for _, way in LINES if station in way]
    before = next((way[way.index(station) - 1] for way in ways if station != way[0]), None)
    after = next((way[way.index(station) + 1] for way in ways if station != way[-1]), None)
    return (
        before or next((one for one in leading if one != station), None),
        after or next((one for one in following if one != station), None),
    )


def sentences(text: str) -> list[str]:
    """The sentences of a text, each with the mark that ends it."""
    return [one for one in re.split(r"(?<=[.!?])\s+", text.strip()) if one]


_SENTENCES: Mapping[Band | None, int] = {"6-9": 3, "10-12": 4, None: 4}
_USUALLY_SENTENCES = 5


def in_a_bubble(what: str, time: str, reader: Reader) -> str:
    """What happens, with how long it takes added where that stays within the sentences that the reader takes in at once."""
    what, time = what.strip(), time.strip()
    together = f"{what} {time}".strip()
    room = _SENTENCES.get(reader.band, _USUALLY_SENTENCES)
    return together if len(sentences(together)) <= room else what
