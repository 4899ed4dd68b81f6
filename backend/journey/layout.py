"""Where everything on the drawn map stands, worked out from the parts, the lines and the edges. Plain Python.

The way runs from left to right, turns after the plan and comes back from right to left, so that coming
back again is a short walk home. A station's column is the number of steps to it from the start; its row
says which line it lies on. Lines are drawn as a railway map draws them; every other edge is a footpath
that finds its own way between stations, lines and names. Nothing here knows a word that people read.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Literal

from backend.journey.footpaths import Cell, Edge, Footpaths
from backend.journey.rules import BACK, LINES, PARTS, RELAPSE, TURN, Line, lines_at

UNIT = 28
"""The grid that footpaths walk on, in units of the picture."""
COLUMN = 6
"""Grid steps between two columns."""
LEFT, TOP, RIGHT, BOTTOM = 4, 3, 5, 3
"""Grid steps between the outermost stations and the edges."""
ROW_STEPS = {"over": 0, "trunk": 4, "under": 5, "away": 5, "child": 4, "family": 3, "adult": 5, "other": 3}
"""Grid steps from the row before; a line that runs twice has a row for each."""

RADIUS = 23
"""Of a station."""
GAP = 8
"""Between the middles of lines that run side by side."""
LINE_ROUND, PATH_ROUND = 34, 14
"""How round the corners of lines and footpaths are."""
NAME_WIDTH, NAME_LINES = 130, 3
"""Of a usual name: what paths keep clear of. A longer one may cover a path, never a line or a station."""
NAME_MARGIN = 26
LINE_HEIGHT = 19
NAME_TOP = RADIUS + 6
"""From a station's middle to the top of its name."""
SIGN = (176.0, 26.0)
"""Width and height of a line's sign."""
HEADING = (212.0, 26.0)
"""Of a part's heading."""
GLADE = 54
"""How far the ground of a part reaches beyond its stations."""

Anchor = Literal["start", "middle", "end"]
Point = tuple[float, float]
Box = tuple[float, float, float, float]
"""Left, top, right, bottom."""


@dataclass(frozen=True, slots=True)
class Spot:
    """A station in the picture, with where its name stands. ``lines`` are the lines that stop there."""

    id: str
    x: int
    y: int
    lines: tuple[Line, ...]
    anchor: Anchor
    name_x: int
    above: bool
    width: int

    @property
    def name_box(self) -> Box:
        """The ground that a name of the usual length covers."""
        lines = 1 if self.width > COLUMN * UNIT else NAME_LINES
        wide = min(self.width, 190 if lines == 1 else NAME_WIDTH)
        left = self.name_x - {"start": 0.0, "middle": wide / 2, "end": wide}[self.anchor]
        height = lines * LINE_HEIGHT
        top = self.y - NAME_TOP - height if self.above else self.y + NAME_TOP
        return (left, top, left + wide, top + height)


@dataclass(frozen=True, slots=True)
class Stroke:
    """One edge as it is drawn. ``line`` is None for a footpath; ``points`` are its corners.

    ``fresh`` are the stretches that no other stroke has drawn before: paths that meet are dotted once.
    """

    edge: Edge
    line: Line | None
    points: tuple[Point, ...]
    fresh: tuple[tuple[Point, ...], ...] = ()

    @property
    def d(self) -> str:
        """The whole way, with round corners."""
        return _rounded(self.points, LINE_ROUND if self.line else PATH_ROUND)

    @property
    def fresh_d(self) -> str:
        """The stretches to dot."""
        return "".join(_rounded(stretch, PATH_ROUND) for stretch in self.fresh)

    @property
    def arrow(self) -> tuple[float, float, float]:
        """Where to show which way it goes: x, y, and degrees from "to the right"."""
        one, other = max(pairwise(self.points), key=lambda step: math.dist(*step))
        x, y = (one[0] + other[0]) / 2, (one[1] + other[1]) / 2
        return x, y, math.degrees(math.atan2(other[1] - one[1], other[0] - one[0]))

    @property
    def tip(self) -> tuple[float, float, float]:
        """Where a footpath arrives at its station: x, y and degrees."""
        before, end = self.points[-2:]
        x, y = _towards(end, before, RADIUS + 5)
        return x, y, math.degrees(math.atan2(end[1] - before[1], end[0] - before[0]))


@dataclass(frozen=True, slots=True)
class Glade:
    """The ground that a part of the way lies on, and the middle of its heading."""

    part: str
    d: str
    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Sign:
    """A line's name on the line: the middle of it."""

    line: Line
    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Picture:
    """The whole drawing. ``trees`` are spots where nothing else is: x, y and which kind.

    ``relapse`` is the loop of `rules.RELAPSE`; ``back`` the strokes of `rules.BACK` that there are.
    """

    width: int
    height: int
    spots: tuple[Spot, ...]
    strokes: tuple[Stroke, ...]
    glades: tuple[Glade, ...]
    signs: tuple[Sign, ...]
    trees: tuple[tuple[int, int, int], ...]
    relapse: Stroke
    back: tuple[Stroke, ...]


@lru_cache(maxsize=4)
def draw(edges: tuple[Edge, ...]) -> Picture:
    """The picture of these edges, the same every time; each edge once, and every station of the parts in one.

    Takes half a second of computing. Raises `ValueError` when an edge finds no way.
    """
    cells = _place(edges)
    width = max(x for x, _ in cells.values()) + RIGHT
    height = max(y for _, y in cells.values()) + BOTTOM
    lines = list(_lines(cells))
    drawn = {stroke.edge for stroke in lines}
    spots = _spots(cells, lines)
    rest = [edge for edge in edges if edge not in drawn]
    paths = list(_footpaths((width, height), cells, spots, lines, rest))
    relapse = Stroke((RELAPSE, RELAPSE), lines_at(RELAPSE)[0], _loop(cells[RELAPSE], -1))
    ground = _Ground(spots, [*lines, relapse], paths)
    signs = tuple(_signs(lines, ground))
    glades = tuple(_glades(cells, ground))
    trees = tuple(_trees(width * UNIT, height * UNIT, ground))
    back = tuple(stroke for stroke in (*paths, *lines) if stroke.edge in BACK)
    return Picture(width * UNIT, height * UNIT, spots, (*paths, *lines), glades, signs, trees, relapse, back)


def _shared(station: str) -> bool:
    """Whether both of the main lines stop there."""
    return {"child", "adult"} <= set(lines_at(station))


# --- Places -------------------------------------------------------------------------------


def _place(edges: Sequence[Edge]) -> dict[str, Cell]:
    """Every station's place on the grid."""
    steps = _steps(edges)
    turn = steps[TURN]
    rows = _rows()
    cells: dict[str, Cell] = {}
    for station, first in steps.items():
        step = first
        while True:
            column = step if step <= turn else 2 * turn + 1 - step
            cell = (LEFT + COLUMN * column, rows[_row(station, first > turn)])
            if cell not in cells.values():
                break
            step += 1
        cells[station] = cell
    return cells


def _steps(edges: Sequence[Edge]) -> dict[str, int]:
    """How many steps each station is from the start, at most, walking onwards only; a line with few stops spreads them.

    A station on a line is as far away as its lines make it: another edge does not move the railway.
    """
    order = [station for _, part in PARTS for station in part]
    place = {station: number for number, station in enumerate(order)}
    railway = {edge for _, way in LINES for edge in pairwise(way)}
    steps = dict.fromkeys(order, 0)
    for station in order:
        for one, other in edges:
            counts = (one, other) in railway or not lines_at(other)
            if one == station and counts and place[other] > place[one]:
                steps[other] = max(steps[other], steps[one] + 1)
    for _, way in LINES:
        shared = [number for number, station in enumerate(way) if _shared(station)]
        for first, last in pairwise(shared):
            span = steps[way[last]] - steps[way[first]]
            for number in range(first + 1, last):
                steps[way[number]] = steps[way[first]] + round(span * (number - first) / (last - first))
    return steps


_LANES: tuple[Line, ...] = ("away", "child", "family", "adult", "other")
"""From the top, in the order in which the lines lie in the bend: so that none has to cross another."""


def _rows() -> dict[str, int]:
    """The row of each name that `_row` gives, counted in grid steps."""
    names = ["over", "trunk", "under"]
    for lane in _LANES:
        names += [f"{lane}{number}" for number, (line, way) in enumerate(LINES) if line == lane and _own_row(way)]
    rows: dict[str, int] = {}
    at = TOP
    for name in names:
        at += ROW_STEPS[name.rstrip("0123456789")]
        rows[name] = at
    lanes = [rows[name] for name in names[4:]]
    # Where the lines meet again: on a row that exists, so that one of them runs straight.
    rows["home"] = sorted(lanes)[len(lanes) // 2]
    return rows


def _own_row(way: Sequence[str]) -> bool:
    return _shared(way[0]) and _shared(way[-1])


def _row(station: str, turned: bool) -> str:
    lines = lines_at(station)
    if turned:
        if _shared(station):
            return "home"
        return next(f"{line}{number}" for number, (line, way) in enumerate(LINES) if station in way and _own_row(way))
    return "trunk" if "child" in lines else "over" if "adult" in lines else "under"


# --- Lines --------------------------------------------------------------------------------


def _lines(cells: Mapping[str, Cell]) -> Iterator[Stroke]:
    for number, (line, way) in enumerate(LINES):
        for one, other in pairwise(way):
            yield Stroke((one, other), line, tuple(_run(cells, number, line, one, other)))


def _run(cells: Mapping[str, Cell], number: int, line: Line, one: str, other: str) -> list[Point]:
    """The corners of one step of a line."""
    (x1, y1), (x2, y2) = ((x * UNIT, y * UNIT) for x, y in (cells[one], cells[other]))
    if _shared(one) and _shared(other) and y1 == y2:
        # Both lines, side by side: the child's is the inner one of the bend.
        off = (GAP / 2 if line == "child" else -GAP / 2) * (1 if x2 > x1 else -1)
        return [(x1, y1 + off), (x2, y2 + off)]
    if one == TURN:
        bend = _bend()
        lane = bend.index(number)
        off = ((len(bend) - 1) / 2 - lane) * GAP
        x = x1 + 2 * UNIT + GAP * lane
        return [(x1, y1 + off), (x, y1 + off), (x, y2), (x2, y2)]
    if y1 == y2:
        return [(x1, y1), (x2, y2)]
    way, fall = (1 if x2 > x1 else -1), abs(y2 - y1)
    level = abs(x2 - x1) - fall
    if level < 0:
        # Too steep for a slope: along, then straight down.
        return [(x1, y1), (x2, y1), (x2, y2)]
    if _shared(one) or not _shared(other):
        return [(x1, y1), (x1 + way * fall, y2), (x2, y2)]
    return [(x1, y1), (x1 + way * level, y1), (x2, y2)]


def _bend() -> list[int]:
    """The lines that leave the station of the turn, the innermost first."""
    leaving = [number for number, (_, way) in enumerate(LINES) if TURN in way[:-1]]
    return sorted(leaving, key=lambda number: (_LANES.index(LINES[number][0]), number))


# --- Names --------------------------------------------------------------------------------

_PLACES: tuple[tuple[Anchor, int, bool], ...] = (
    ("middle", 0, False),
    ("end", 14, False),
    ("start", -14, False),
    ("middle", 0, True),
    ("end", 14, True),
    ("start", -14, True),
)
"""Where a name may stand, the best first: how its text is aligned, from where, and whether above the station."""


def _spots(cells: Mapping[str, Cell], lines: Sequence[Stroke]) -> tuple[Spot, ...]:
    """The stations, each with its name where the fewest lines run."""
    drawn = [point for stroke in lines for point in _along(stroke.points, 12)]
    spots: list[Spot] = []
    for station, (column, row) in cells.items():
        x, y = column * UNIT, row * UNIT
        beside = [abs(c - column) * UNIT for other, (c, r) in cells.items() if r == row and other != station]
        width = int(min([2 * COLUMN * UNIT + NAME_MARGIN, *beside])) - NAME_MARGIN
        tries = [Spot(station, x, y, tuple(lines_at(station)), anchor, x + by, up, width) for anchor, by, up in _PLACES]
        hidden = [sum(_inside(point, box) for point in drawn) for box in (spot.name_box for spot in tries)]
        spots.append(tries[hidden.index(min(hidden))])
    return tuple(spots)


# --- Footpaths ----------------------------------------------------------------------------


def _footpaths(
    size: Cell, cells: Mapping[str, Cell], spots: Sequence[Spot], lines: Sequence[Stroke], edges: Sequence[Edge]
) -> Iterator[Stroke]:
    paths = Footpaths(*size, cells)
    for spot in spots:
        column, row = cells[spot.id]
        paths.charge([(column + x, row + y) for x in (-1, 0, 1) for y in (-1, 0, 1)], 1)
        left, top, right, bottom = spot.name_box
        across = range(math.ceil(left / UNIT), math.floor(right / UNIT) + 1)
        down = range(math.ceil(top / UNIT), math.floor(bottom / UNIT) + 1)
        paths.charge([(x, y) for x in across for y in down], 7)
    for stroke in lines:
        paths.charge([(round(x / UNIT), round(y / UNIT)) for x, y in _along(stroke.points)], 2.5)
    # The short ones first: they have the least choice.
    for edge in sorted(edges, key=lambda edge: math.dist(cells[edge[0]], cells[edge[1]])):
        if edge[0] == edge[1]:
            loop = _loop(cells[edge[0]])
            yield Stroke(edge, None, loop, (loop,))
        else:
            whole, fresh = paths.walk(edge)
            yield Stroke(edge, None, _points(whole), tuple(_points(stretch) for stretch in fresh))


def _points(cells: Iterable[Cell]) -> tuple[Point, ...]:
    return tuple((x * UNIT, y * UNIT) for x, y in cells)


def _loop(cell: Cell, side: Literal[1, -1] = 1) -> tuple[Point, ...]:
    """From a station round to itself, above it to the right, or to the left."""
    x, y = cell[0] * UNIT, cell[1] * UNIT
    return tuple((x + side * across, y - up) for across, up in ((8, 0), (8, 44), (46, 44), (46, 8), (0, 0)))


# --- Ground -------------------------------------------------------------------------------


class _Ground:
    """What is taken already, so that headings, signs and trees find room."""

    def __init__(self, spots: Sequence[Spot], lines: Sequence[Stroke], paths: Sequence[Stroke]) -> None:
        # In squares, since a thing hides only what is near it.
        self._squares: dict[Cell, list[tuple[Point, float]]] = {}
        self._note((stroke.points for stroke in lines), 20)
        self._note((stretch for stroke in paths for stretch in stroke.fresh), 1)
        self._boxes = [spot.name_box for spot in spots]
        self._boxes += [_around(spot.x, spot.y, (2 * RADIUS + 16, 2 * RADIUS + 8)) for spot in spots]

    def _note(self, drawn: Iterable[Sequence[Point]], weight: float) -> None:
        for points in drawn:
            for point in _along(points):
                self._squares.setdefault((int(point[0] // UNIT), int(point[1] // UNIT)), []).append((point, weight))

    def take(self, box: Box) -> None:
        """Nothing else may stand here."""
        self._boxes.append(box)

    def trouble(self, box: Box, *, on_a_line: bool = False) -> float:
        """How much of what is drawn a thing in this box would hide."""
        hidden = 0.0
        for other in self._boxes:
            if other[0] < box[2] and box[0] < other[2] and other[1] < box[3] and box[1] < other[3]:
                hidden += 60 + _overlap(box, other) / 8
        for x in range(int(box[0] // UNIT), int(box[2] // UNIT) + 1):
            for y in range(int(box[1] // UNIT), int(box[3] // UNIT) + 1):
                for point, weight in self._squares.get((x, y), ()):
                    if _inside(point, box) and not (on_a_line and weight > 1):
                        hidden += weight
        return hidden


def _signs(lines: Sequence[Stroke], ground: _Ground) -> Iterator[Sign]:
    """Each line's name, once on either half of the way where there is a level stretch for it."""
    for line in _LANES:
        for turned in (False, True):
            stretches = [
                step
                for stroke in lines
                if stroke.line == line and (stroke.points[-1][0] < stroke.points[-2][0]) is turned
                for step in pairwise(stroke.points)
                if step[0][1] == step[1][1] and math.dist(*step) > SIGN[0]
            ]
            tries = [_around((one[0] + other[0]) / 2 + by, one[1], SIGN) for one, other in stretches for by in _SHIFTS]
            if tries:
                best = min(tries, key=lambda box: ground.trouble(box, on_a_line=True))
                if ground.trouble(best, on_a_line=True) < _TOO_MUCH:
                    ground.take(best)
                    yield Sign(line, (best[0] + best[2]) / 2, (best[1] + best[3]) / 2)


_SHIFTS = (0, 14, -14, 28, -28, 42, -42, 56, -56)
_TOO_MUCH = 60


def _glades(cells: Mapping[str, Cell], ground: _Ground) -> Iterator[Glade]:
    for name, part in PARTS:
        corners = [(x * UNIT, y * UNIT) for x, y in _hull([cells[station] for station in part])]
        d = "M" + "L".join(f"{x} {y}" for x, y in corners) + ("Z" if len(corners) > 2 else "")
        left, right = min(x for x, _ in corners), max(x for x, _ in corners)
        top, bottom = min(y for _, y in corners), max(y for _, y in corners)
        tries = [
            (x, y)
            for x in range(left - GLADE, right + GLADE + 1, UNIT // 2)
            for y in range(top - GLADE, bottom + GLADE + 1, UNIT // 2)
            if _near((x, y), corners) < GLADE + 24
        ]
        # Where it hides little, and high up, where a heading is looked for.
        x, y = min(tries, key=lambda at: (ground.trouble(_around(at[0], at[1], HEADING)) + (at[1] - top) / 4, at[0]))
        ground.take(_around(x, y, HEADING))
        yield Glade(name, d, x, y)


def _trees(width: int, height: int, ground: _Ground) -> Iterator[tuple[int, int, int]]:
    """Trees where nothing else stands, as if by chance, and the same ones every time."""
    chance = 7
    for y in range(2 * UNIT, height - UNIT, UNIT):
        for x in range(UNIT, width - UNIT, UNIT):
            chance = (chance * 1103515245 + 12345) % 2**31
            at = (x + chance // 64 % 15 - 7, y + chance // 4096 % 15 - 7)
            if chance // 2**18 % 5 < 2 and not ground.trouble(_around(at[0], at[1] - 12, (40, 44))):
                ground.take(_around(at[0], at[1] - 12, (30, 34)))
                yield at[0], at[1], chance // 2**24 % 3


def _near(point: Point, corners: Sequence[Cell]) -> float:
    """How far a point is from the edges of a shape."""
    return min(_from_step(point, one, other) for one, other in pairwise([*corners, corners[0]]))


def _from_step(point: Point, one: Point, other: Point) -> float:
    length = math.dist(one, other) ** 2
    if not length:
        return math.dist(point, one)
    along = ((point[0] - one[0]) * (other[0] - one[0]) + (point[1] - one[1]) * (other[1] - one[1])) / length
    along = min(1.0, max(0.0, along))
    return math.dist(point, (one[0] + along * (other[0] - one[0]), one[1] + along * (other[1] - one[1])))


def _hull(cells: Iterable[Cell]) -> list[Cell]:
    """The corners of the smallest shape without dents that holds all cells (Andrew's monotone chain)."""
    ordered = sorted(set(cells))

    def half(way: Iterable[Cell]) -> list[Cell]:
        kept: list[Cell] = []
        for cell in way:
            while len(kept) > 1 and _turns(kept[-2], kept[-1], cell) <= 0:
                kept.pop()
            kept.append(cell)
        return kept

    return [*half(ordered)[:-1], *half(reversed(ordered))[:-1]]


def _turns(one: Cell, two: Cell, three: Cell) -> int:
    return (two[0] - one[0]) * (three[1] - one[1]) - (two[1] - one[1]) * (three[0] - one[0])


# --- Shapes -------------------------------------------------------------------------------


def _along(points: Iterable[Point], every: float = 6) -> Iterator[Point]:
    for (x1, y1), (x2, y2) in pairwise(points):
        steps = max(1, round(math.dist((x1, y1), (x2, y2)) / every))
        for step in range(steps + 1):
            yield (x1 + (x2 - x1) * step / steps, y1 + (y2 - y1) * step / steps)


def _around(x: float, y: float, size: Point) -> Box:
    return (x - size[0] / 2, y - size[1] / 2, x + size[0] / 2, y + size[1] / 2)


def _inside(point: Point, box: Box) -> bool:
    return box[0] < point[0] < box[2] and box[1] < point[1] < box[3]


def _overlap(one: Box, other: Box) -> float:
    across = min(one[2], other[2]) - max(one[0], other[0])
    down = min(one[3], other[3]) - max(one[1], other[1])
    return across * down if across > 0 and down > 0 else 0.0


def _rounded(points: Sequence[Point], radius: float) -> str:
    """A polyline as a path whose corners are rounded by at most ``radius``."""
    pieces = [f"M{_n(points[0][0])} {_n(points[0][1])}"]
    for before, corner, after in zip(points, points[1:], points[2:], strict=False):
        reach = min(radius, math.dist(before, corner) / 2, math.dist(corner, after) / 2)
        start, end = _towards(corner, before, reach), _towards(corner, after, reach)
        pieces.append(f"L{_n(start[0])} {_n(start[1])}Q{_n(corner[0])} {_n(corner[1])} {_n(end[0])} {_n(end[1])}")
    pieces.append(f"L{_n(points[-1][0])} {_n(points[-1][1])}")
    return "".join(pieces)


def _n(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def _towards(start: Point, end: Point, length: float) -> Point:
    whole = math.dist(start, end) or 1
    return (start[0] + (end[0] - start[0]) * length / whole, start[1] + (end[1] - start[1]) * length / whole)
