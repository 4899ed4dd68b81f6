"""Promise: the map is drawn from its edges: every one of them is seen, nothing stands on anything else,
the two ways meet where they share a station, and the strip for narrow screens tells the same.
"""

from __future__ import annotations

import math
import random
import re
from itertools import combinations, pairwise

import pytest

from backend.config import ROOT
from backend.journey import layout, strip
from backend.journey.layout import Picture, draw
from backend.journey.lettering import broken
from backend.journey.rules import LINES, PARTS, TURN, lines_at
from backend.journey.stations import load_map

STATIONS = load_map(ROOT / "content").stations
EDGES = tuple((station.id, one) for station in STATIONS for one in dict.fromkeys(station.next))
PICTURE = draw(EDGES)
SPOTS = {spot.id: spot for spot in PICTURE.spots}


def test_every_station_stands_inside_the_picture_and_apart_from_the_others() -> None:
    """Room for a finger, and no ring on another ring."""
    assert {station.id for station in STATIONS} == set(SPOTS)
    for one, other in combinations(PICTURE.spots, 2):
        assert math.dist((one.x, one.y), (other.x, other.y)) > 2 * layout.RADIUS + 16, (one.id, other.id)
    for spot in PICTURE.spots:
        assert layout.RADIUS < spot.x < PICTURE.width - layout.RADIUS, spot.id
        assert layout.RADIUS < spot.y < PICTURE.height - layout.RADIUS, spot.id


def test_every_edge_is_drawn_from_its_station_to_the_other() -> None:
    """Those that hurt too: no investigation, placement, worse again, coming back."""
    assert set(EDGES) == {stroke.edge for stroke in PICTURE.strokes}
    for stroke in PICTURE.strokes:
        for station, point in zip(stroke.edge, (stroke.points[0], stroke.points[-1]), strict=True):
            spot = SPOTS[station]
            assert math.dist((spot.x, spot.y), point) < layout.RADIUS + 4, stroke.edge
        assert re.fullmatch(r"(?:[MLQ]-?[\d. -]+)+", stroke.d), stroke.edge


def test_a_stretch_that_paths_share_is_dotted_once() -> None:
    """Two rows of dots on each other would look like another sort of line."""
    seen: set[frozenset[tuple[float, float]]] = set()
    for stroke in PICTURE.strokes:
        for stretch in stroke.fresh:
            for one, other in pairwise(stretch):
                length = max(abs(one[0] - other[0]), abs(one[1] - other[1])) / layout.UNIT
                if not length.is_integer():
                    continue
                steps = [
                    (one[0] + (other[0] - one[0]) * step / length, one[1] + (other[1] - one[1]) * step / length)
                    for step in range(int(length) + 1)
                ]
                for step in map(frozenset, pairwise(steps)):
                    assert step not in seen, stroke.edge
                    seen.add(step)


def test_no_line_and_no_path_runs_through_a_station_that_is_none_of_its_own() -> None:
    """Who follows a line with a finger meets only the stations it goes to."""
    for stroke in PICTURE.strokes:
        for spot in PICTURE.spots:
            if spot.id in stroke.edge:
                continue
            near = min(math.dist((spot.x, spot.y), point) for point in layout._along(stroke.points))
            assert near > layout.RADIUS - 2, (stroke.edge, spot.id)


def test_both_ways_are_drawn_and_meet_where_they_share_a_station() -> None:
    """ "I get help" and "my parent gets help" from the first station to the last, side by side in between."""
    ways = {line: way for line, way in LINES if line in ("child", "adult")}
    for line, way in ways.items():
        drawn = {stroke.edge for stroke in PICTURE.strokes if stroke.line == line}
        assert set(pairwise(way)) == drawn
    shared = [station for station in ways["child"] if station in ways["adult"]]
    assert (shared[0], shared[-1]) == ("S01", "S26")
    assert TURN in shared
    assert {"child", "adult"} <= set(lines_at(TURN))


def test_names_stand_clear_of_stations_and_of_each_other() -> None:
    """A name of the usual length covers no station and no other name."""
    boxes = {spot.id: spot.name_box for spot in PICTURE.spots}
    for spot in PICTURE.spots:
        for station, box in boxes.items():
            closest = (min(max(spot.x, box[0]), box[2]), min(max(spot.y, box[1]), box[3]))
            # Three lines reach the next row; such a name may come close to a ring there, not to its symbol.
            assert math.dist((spot.x, spot.y), closest) > 6, (spot.id, station)


def test_the_picture_is_the_same_every_time() -> None:
    """Somebody who comes back finds the station where it was."""
    assert PICTURE == draw.__wrapped__(EDGES)


@pytest.mark.parametrize("seed", range(4))
def test_other_edges_find_their_way_too(seed: int) -> None:
    """Nothing is drawn by hand: edges that the content may get one day are drawn as well."""
    dice = random.Random(seed)
    ids = list(SPOTS)
    more = {(dice.choice(ids), dice.choice(ids)) for _ in range(25)}
    on_lines = {edge for _, way in LINES for edge in pairwise(way)}
    edges = tuple(sorted(on_lines | {edge for edge in EDGES if dice.random() < 0.6} | more))
    picture: Picture = draw.__wrapped__(edges)
    assert set(edges) == {stroke.edge for stroke in picture.strokes}


def test_every_part_has_a_heading_and_every_line_a_sign() -> None:
    """On the ground of its own; the fifth line is told by the heading of its part and by what the lines mean."""
    assert [name for name, _ in PARTS] == [glade.part for glade in PICTURE.glades]
    assert {"child", "adult", "family", "other"} <= {sign.line for sign in PICTURE.signs}


def test_the_strip_has_every_station_once_with_its_lines() -> None:
    """In the order of the parts, each line on a lane of its own, unbroken from its first station to its last."""
    rows = strip.rows(EDGES)
    assert [station for _, part in PARTS for station in part] == [row.station for row in rows]
    for line, way in LINES:
        lanes = {
            rail.lane for row in rows if row.station in way for rail in row.rails if rail.line == line and rail.stop
        }
        places = [place for place, row in enumerate(rows) if row.station in way]
        reach = rows[places[0] : places[-1] + 1]
        whole = [
            lane
            for lane in lanes
            if all(any(rail.lane == lane and rail.line == line for rail in row.rails) for row in reach)
        ]
        assert whole, (line, way)
    for row in rows:
        stops = [rail.lane for rail in row.rails if rail.stop]
        assert (row.first, row.last) == (min(stops), max(stops)), row.station
        assert {rail.line for rail in row.rails if rail.stop and rail.line} == set(lines_at(row.station))
        assert len({rail.lane for rail in row.rails}) == len(row.rails), row.station


def test_a_name_is_broken_into_few_and_even_lines() -> None:
    """At spaces only, and a number stays with its word."""
    assert ["Soc kollar om", "de behöver", "veta mer"] == broken("Soc kollar om de behöver veta mer", 142)
    assert ["Planen"] == broken("Planen", 142)
    assert ["Öppenvård", "Familj fas 2,", "behandlingsarbete"] == broken(
        "Öppenvård Familj fas 2, behandlingsarbete", 142
    )
    assert ["x" * 90] == broken("x" * 90, 142)
