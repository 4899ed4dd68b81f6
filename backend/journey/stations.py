"""The stations as ``content/sv/stations.yml`` has them, checked at the start."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import msgspec

from backend.core.content import ContentError, read_yaml
from backend.core.municipality import Strict
from backend.core.reader import BANDS, Band, Reader
from backend.journey.rules import ENTRANCES, PARTS, Track

UNKNOWN_READS: Band = "10-12"
"""A reader who has not said their age gets words that fit a twelve-year-old."""


class Station(Strict, frozen=True):
    """One station. ``text`` has every band; ``source`` names the law or promise behind the words."""

    id: str
    name: str
    child_label: str
    track: Track
    next: list[str]
    source: list[str]
    reviewed: date
    valid_from: date
    keywords: list[str]
    text: dict[str, str]

    def title(self, reader: Reader) -> str:
        """The station's name, in a child's words unless the reader has said that they are an adult."""
        return self.name if reader.grown_up else self.child_label

    def words(self, reader: Reader) -> str:
        """What happens here, in the reader's band."""
        return self.text[reader.band or UNKNOWN_READS].strip()


class Map(Strict, frozen=True):
    """The whole file. ``overview`` tells the way in a few sentences per band."""

    version: str
    overview: dict[str, str]
    stations: list[Station]


def load_map(content: Path) -> Map:
    """Read the stations; raises `ContentError` for a missing band, a dead end that is none, or a station off the map."""
    path = content / "sv" / "stations.yml"
    try:
        loaded = msgspec.convert(read_yaml(path), Map)
    except msgspec.ValidationError as error:
        raise ContentError(f"{path}: {error}") from None
    ids = [station.id for station in loaded.stations]
    if len(set(ids)) != len(ids):
        raise ContentError(f"{path}: the same station twice")
    placed = [one for _, part in PARTS for one in part]
    if strays := set(ids) ^ set(placed):
        raise ContentError(f"{path}: stations and the parts of the way differ in {sorted(strays)}")
    for name, texts in [("overview", loaded.overview), *((one.id, one.text) for one in loaded.stations)]:
        if set(texts) != set(BANDS):
            raise ContentError(f"{path}: {name} needs exactly the bands {', '.join(BANDS)}")
    for station in loaded.stations:
        if not station.next or not set(station.next) <= set(ids):
            raise ContentError(f"{path}: {station.id} leads nowhere, or to a station that is none")
    assert set(ENTRANCES) <= set(placed)
    return loaded
