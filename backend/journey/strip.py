"""The same way as a strip from top to bottom, for narrow screens and as the list: one row for each station.

Every line keeps a lane of its own all the way, so that a station where lines meet is a bar across them.
Plain Python; nothing here knows a word that people read.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

from backend.journey.footpaths import Edge
from backend.journey.rules import LINES, PARTS, Line

_ORDER: tuple[Line, ...] = ("child", "family", "adult", "other", "away")
"""From the left."""


@dataclass(frozen=True, slots=True)
class Rail:
    """A line beside one station: whether it comes from ``above``, goes on ``below``, and stops here. ``line`` is None for a footpath."""

    lane: int
    line: Line | None
    above: bool
    below: bool
    stop: bool


@dataclass(frozen=True, slots=True)
class Row:
    """What is drawn beside a station. ``first`` and ``last`` are the lanes that its mark reaches over."""

    station: str
    rails: tuple[Rail, ...]
    first: int
    last: int


def rows(edges: Iterable[Edge]) -> tuple[Row, ...]:
    """A row for every station, in the order of the parts."""
    order = [station for _, part in PARTS for station in part]
    lanes = _lanes()
    beside = {station: _side_paths(station, set(edges)) for station in order}
    return tuple(_row(station, order, lanes, beside[station]) for station in order)


def _lanes() -> list[tuple[int, Line, tuple[str, ...]]]:
    """Each way with its lane."""
    ways = sorted(LINES, key=lambda one: _ORDER.index(one[0]))
    return [(lane, line, way) for lane, (line, way) in enumerate(ways)]


def _row(
    station: str, order: list[str], lanes: list[tuple[int, Line, tuple[str, ...]]], side: tuple[bool, bool] | None
) -> Row:
    here = order.index(station)
    rails: list[Rail] = []
    for lane, line, way in lanes:
        start, end = order.index(way[0]), order.index(way[-1])
        if start <= here <= end:
            rails.append(Rail(lane, line, here > start, here < end, station in way))
    stops = [rail.lane for rail in rails if rail.stop]
    if side is not None:
        lane = next(number for number in range(len(lanes)) if number not in [rail.lane for rail in rails])
        rails.append(Rail(lane, None, side[0], side[1], not stops))
        stops = stops or [lane]
    return Row(station, tuple(rails), stops[0], stops[-1])


def _side_paths(station: str, edges: set[Edge]) -> tuple[bool, bool] | None:
    """Whether a footpath comes to a station that no line reaches from the one above, and goes on to such a one below."""

    def alone(one: str) -> bool:
        return not any(one in way for _, way in LINES)

    above = below = False
    for _, part in PARTS:
        for one, other in pairwise(part):
            if (one, other) in edges and alone(other):
                above = above or station == other
                below = below or station == one
    return (above, below) if above or below or alone(station) else None
