"""Här är vi nu, as its viewer is told it: names of stations, days in words, and where to put marks in the picture."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from backend.core.reader import Reader
from backend.journey.places import Here
from backend.journey.service import Journey, Name, WholeMap

Day = Callable[[datetime], str]
"""An instant as its reader is told it; the words of another feature, so the caller brings them."""


@dataclass(frozen=True, slots=True)
class Token:
    """Somebody as the page shows them: as whom, where, since when, what may come, and the next meeting if one is told."""

    as_whom: str
    station: Name
    since: str
    after: list[Name]
    meeting: str


@dataclass(frozen=True, slots=True)
class Step:
    """A station where the reader has been, and since when."""

    station: Name
    since: str


@dataclass(frozen=True, slots=True)
class HerePage:
    """Everything that a code shows of the map. ``marks``: who stands at a station, by its id; ``been``: the reader's own way."""

    tokens: list[Token]
    way: list[Step]
    marks: dict[str, list[str]]
    been: frozenset[str]
    whole: WholeMap
    reader: Reader

    @property
    def own(self) -> Token | None:
        """The reader."""
        return next((token for token in self.tokens if token.as_whom == "self"), None)


def here_page(
    journey: Journey, seen: Sequence[Here], reader: Reader, day: Day, when: Day, now: datetime, upcoming: str = ""
) -> HerePage | None:
    """What a viewer may see, in the reader's words; None when it is nothing.

    ``upcoming`` is the reader's own booked talk, which goes before what staff have written of the next meeting.
    """
    if not seen:
        return None
    tokens: list[Token] = []
    way: list[Step] = []
    marks: dict[str, list[str]] = {}
    for here in seen:
        own, meets = here.as_whom == "self", here.now.meets_at
        told = when(meets) if meets is not None and meets > now else ""
        station = journey.called(here.now.station, reader)
        after = journey.onward(here.now.station, reader) if own else []
        tokens.append(Token(here.as_whom, station, day(here.now.since), after, (upcoming or told) if own else ""))
        marks.setdefault(here.now.station, []).append(here.as_whom)
        way += [Step(journey.called(stay.station, reader), day(stay.since)) for stay in here.way[:-1]]
    been = frozenset(step.station.id for step in way)
    return HerePage(tokens, way, marks, been, journey.whole(reader), reader)
