"""Ways for the edges that no line takes: a footpath each, over a grid, in eight directions.

It goes round stations and names, crosses lines rather than follows them, and shares ground only with
paths that begin or end where it does, so that nobody takes one path for another.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise

Cell = tuple[int, int]
Edge = tuple[str, str]

_MOVES: tuple[Cell, ...] = ((1, 0), (1, 1), (0, 1), (-1, 1), (-1, 0), (-1, -1), (0, -1), (1, -1))
_BENDS = (0.0, 0.5, 1.6)
"""What a turn of 0, 45 or 90 degrees costs, in grid steps; sharper ones are not taken."""
_TOGETHER, _MISTAKEN, _MET = -0.2, 5.0, 0.8
"""Sharing a step with a path of the same beginning or end, with a stranger, and crossing a stranger."""
_LEAST = 1 + _TOGETHER
_NOWHERE = 8


class Footpaths:
    """Paths found so far, on a grid of ``width`` by ``height`` cells."""

    def __init__(self, width: int, height: int, stations: Mapping[str, Cell]) -> None:
        self._width, self._height = width, height
        self._stations = stations
        self._toll = [0.0] * (width * height)
        self._closed = bytearray(width * height)
        for x in range(width):
            self._closed[x] = self._closed[(height - 1) * width + x] = 1
        for y in range(height):
            self._closed[y * width] = self._closed[y * width + width - 1] = 1
        for cell in stations.values():
            self._closed[self._number(cell)] = 1
        self._walked: dict[tuple[int, int], list[Edge]] = {}
        self._stood: dict[int, list[Edge]] = {}

    def charge(self, cells: Iterable[Cell], toll: float) -> None:
        """Make cells dearer to walk on; the highest of several tolls goes."""
        for x, y in cells:
            if 0 <= x < self._width and 0 <= y < self._height:
                at = self._number((x, y))
                self._toll[at] = max(self._toll[at], toll)

    def walk(self, edge: Edge) -> tuple[list[Cell], list[list[Cell]]]:
        """The corners of the cheapest way of an edge, and of those stretches of it that no earlier path has trodden."""
        cells = self._cheapest(edge)
        numbers = [self._number(cell) for cell in cells]
        fresh: list[list[Cell]] = []
        trodden = True
        for place, step in enumerate(pairwise(numbers)):
            before = self._walked.setdefault((min(step), max(step)), [])
            if not before:
                if trodden:
                    fresh.append([cells[place]])
                fresh[-1].append(cells[place + 1])
            trodden = bool(before)
            before.append(edge)
        for at in numbers[1:-1]:
            self._stood.setdefault(at, []).append(edge)
        return _corners(cells), [_corners(stretch) for stretch in fresh]

    def _number(self, cell: Cell) -> int:
        return cell[1] * self._width + cell[0]

    def _cheapest(self, edge: Edge) -> list[Cell]:
        """A* over cells and headings."""
        width = self._width
        goal_x, goal_y = self._stations[edge[1]]
        goal = self._number((goal_x, goal_y))
        start = self._number(self._stations[edge[0]])
        first = start * 9 + _NOWHERE
        onward = [
            [
                (towards, dx, dy * width, math.hypot(dx, dy) + _BENDS[bent])
                for towards, (dx, dy) in enumerate(_MOVES)
                if (bent := 0 if heading == _NOWHERE else min((towards - heading) % 8, (heading - towards) % 8)) < 3
            ]
            for heading in range(9)
        ]
        closed, toll = self._closed, self._toll
        best: dict[int, float] = {first: 0.0}
        came: dict[int, int] = {}
        queue: list[tuple[float, int]] = [(0.0, first)]
        done: set[int] = set()
        while queue:
            _, state = heapq.heappop(queue)
            if state in done:
                continue
            done.add(state)
            cell, heading = divmod(state, 9)
            if cell == goal:
                return [(number % width, number // width) for number in reversed(list(_back(came, state)))]
            cost = best[state]
            for towards, across, down, length in onward[heading]:
                at = cell + across + down
                # Not through between two stations, nor over the edge of one.
                if across and down and (closed[cell + across] or closed[cell + down]) and cell != start and at != goal:
                    continue
                if at == goal:
                    price = cost + length
                elif closed[at]:
                    continue
                else:
                    price = cost + length + toll[at] + self._met(edge, at)
                price += self._trodden(edge, cell, at)
                after = at * 9 + towards
                if price < best.get(after, math.inf):
                    best[after] = price
                    came[after] = state
                    dx, dy = abs(at % width - goal_x), abs(at // width - goal_y)
                    heapq.heappush(queue, (price + _LEAST * (max(dx, dy) + 0.41 * min(dx, dy)), after))
        raise ValueError(f"no way on the map from {edge[0]} to {edge[1]}")

    def _trodden(self, edge: Edge, cell: int, at: int) -> float:
        walked = self._walked.get((cell, at) if cell < at else (at, cell))
        if not walked:
            return 0.0
        return max(_TOGETHER if _akin(edge, other) else _MISTAKEN for other in walked)

    def _met(self, edge: Edge, at: int) -> float:
        stood = self._stood.get(at)
        return 0.0 if not stood or all(_akin(edge, other) for other in stood) else _MET


def _akin(edge: Edge, other: Edge) -> bool:
    return edge[0] == other[0] or edge[1] == other[1]


def _back(came: Mapping[int, int], state: int) -> Iterator[int]:
    yield state // 9
    while state in came:
        state = came[state]
        yield state // 9


def _corners(cells: Sequence[Cell]) -> list[Cell]:
    kept = [cells[0]]
    for before, at, after in zip(cells, cells[1:], cells[2:], strict=False):
        if (at[0] - before[0], at[1] - before[1]) != (after[0] - at[0], after[1] - at[1]):
            kept.append(at)
    return [*kept, cells[-1]]
