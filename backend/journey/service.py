"""The map for the chat and for the page: the same words in both."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backend.core.content import Phrases
from backend.core.reader import Reader
from backend.core.wording import Text, Wording
from backend.journey import rules
from backend.journey.glossary import load_glossaries
from backend.journey.stations import Station, load_map


@dataclass(frozen=True, slots=True)
class Stop:
    """A station as the page shows it; ``after`` has every next station, not only the few that a chat offers."""

    id: str
    anchor: str
    title: str
    text: str
    track: str
    after: list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of the way. ``lanes`` are its parallel tracks: one for most parts, three where help divides."""

    id: str
    lanes: list[tuple[str, list[Stop]]]


class Journey:
    """One per app; content is read once, at the start."""

    def __init__(self, content: Path, phrases: Phrases, wording: Wording | None = None) -> None:
        self._map = load_map(content, wording)
        self._glossaries = load_glossaries(content)
        self._phrases = phrases
        self._stations = {station.id: station for station in self._map.stations}
        self._tracks = {station.id: station.track for station in self._map.stations}

    def texts(self) -> Iterator[Text]:
        """Every text of the map as its file has it."""
        return self._map.texts()

    def explained(self) -> frozenset[str]:
        """Swedish words, in small letters, that the word list explains to whoever taps them."""
        return self._glossaries["sv"].explained() if "sv" in self._glossaries else frozenset()

    def station(self, station_id: str, reader: Reader) -> dict[str, Any]:
        """Title, text and the stations to offer next: ``{"title", "text", "next": [{"id", "title"}]}``.

        The text is what happens and, where a bubble has room for it, how long at most.

        An id that is no station gives the overview, so that a slip in a dialogue still tells something true.
        """
        station = self._stations.get(station_id)
        if station is None:
            return self.overview(reader)
        following = rules.onward(station.id, station.next, self._tracks, reader)
        told = self._map.tell(station, reader)
        text = rules.in_a_bubble(told.words.what, told.words.time, reader)
        return {"title": told.title, "text": text, "next": self._named(following, reader)}

    def overview(self, reader: Reader) -> dict[str, Any]:
        """The whole way in a few sentences, in the same shape as `station`."""
        return {
            "title": self._phrases.say("journey.overview_title", reader),
            "text": self._map.overview(reader)[0].strip(),
            "next": self._named(rules.entrances(reader), reader),
        }

    def parts(self, reader: Reader) -> list[Part]:
        """Every station, in the order of the way, for the page."""
        return [Part(name, self._lanes(ids, reader)) for name, ids in rules.PARTS]

    def _lanes(self, ids: tuple[str, ...], reader: Reader) -> list[tuple[str, list[Stop]]]:
        lanes: dict[str, list[Stop]] = {}
        for one in ids:
            lanes.setdefault(self._tracks[one], []).append(self._stop(self._stations[one], reader))
        return list(lanes.items())

    def _stop(self, station: Station, reader: Reader) -> Stop:
        after = [one for one in dict.fromkeys(station.next) if one != station.id]
        told = self._map.tell(station, reader)
        return Stop(
            id=station.id,
            anchor=station.id.lower(),
            title=told.title,
            text=told.words.what.strip(),
            track=station.track,
            after=[(one.lower(), self._title(one, reader)) for one in after],
        )

    def _named(self, ids: tuple[str, ...], reader: Reader) -> list[dict[str, str]]:
        return [{"id": one, "title": self._title(one, reader)} for one in ids]

    def _title(self, station_id: str, reader: Reader) -> str:
        return self._map.tell(self._stations[station_id], reader).title
