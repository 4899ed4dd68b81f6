"""The map for the chat and for the page: the same words in both."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from backend.core.content import Phrases
from backend.core.reader import Lang, Reader
from backend.core.wording import Text, Wording
from backend.journey import rules
from backend.journey.glossary import Entry, Glossary, load_glossaries
from backend.journey.layout import HEADING, Picture, Spot, draw
from backend.journey.lettering import broken
from backend.journey.stations import SOURCE, load_map, usual_band
from backend.journey.strip import Row, rows


@dataclass(frozen=True, slots=True)
class Name:
    """A station's name and address; ``lang`` is what the name is written in."""

    id: str
    slug: str
    title: str
    lang: Lang


@dataclass(frozen=True, slots=True)
class Stop:
    """A station on the map: in the picture, in the list, and every way on, not only the few that a chat offers.

    ``relapse``: it can get worse again there.
    """

    name: Name
    lines: list[str]
    spot: Spot
    row: Row
    after: list[Name]
    relapse: bool


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of the way, with its stations in order. ``lines`` are its heading as the picture breaks it."""

    id: str
    title: str
    lines: list[str]
    stops: list[Stop]


@dataclass(frozen=True, slots=True)
class WholeMap:
    """The map in one reader's words."""

    overview: str
    lang: Lang
    picture: Picture
    parts: list[Part]


Piece = tuple[str, Entry | None]
"""A stretch of text, and the word in the word list that it is, or None."""


@dataclass(frozen=True, slots=True)
class StationPage:
    """A station in one reader's words, each text in `Piece`s; an empty list where there is nothing to say.

    ``may`` has one text for each thing that one may ask, say or decide. ``before`` and ``after`` are all
    ways here and on; ``back`` and ``onward`` the neighbours on the reader's own line, None at its ends.
    """

    name: Name
    lang: Lang
    lines: list[rules.Line]
    what: list[Piece]
    meet: list[Piece]
    time: list[Piece]
    may: list[list[Piece]]
    next: list[Piece]
    simpler: str
    words: list[Entry]
    before: list[Name]
    after: list[Name]
    back: Name | None
    onward: Name | None


def kept(reader: Reader) -> str:
    """The query that keeps the choice of words and language in an address; empty for the usual ones."""
    band = "" if reader.band in (None, usual_band(reader.lang)) else reader.band
    asked = {"ord": band, "lang": "" if reader.lang == SOURCE else reader.lang}
    query = urlencode({name: value for name, value in asked.items() if value})
    return f"?{query}" if query else ""


class Journey:
    """One per app; content is read once, at the start."""

    def __init__(self, content: Path, phrases: Phrases, wording: Wording | None = None) -> None:
        self._map = load_map(content, wording)
        self._glossaries = load_glossaries(content, wording)
        self._phrases = phrases
        self._stations = {station.id: station for station in self._map.stations}
        self._tracks = {station.id: station.track for station in self._map.stations}
        self._by_slug = {station.slug: station for station in self._map.stations}
        self._edges = tuple((station.id, one) for station in self._map.stations for one in dict.fromkeys(station.next))

    def texts(self) -> Iterator[Text]:
        """Every text of the map and of the word list as its file has it."""
        yield from self._map.texts()
        for lang, glossary in self._glossaries.items():
            yield from glossary.texts(lang)

    def explained(self) -> frozenset[str]:
        """Swedish words, in small letters, that the word list explains to whoever taps them."""
        return self._glossaries["sv"].explained() if "sv" in self._glossaries else frozenset()

    def forms(self) -> dict[str, Mapping[str, str]]:
        """The forms of the words that are explained, by language, each with the key of the text that explains it."""
        return {lang: glossary.forms() for lang, glossary in self._glossaries.items()}

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

    def address(self, station_id: object, reader: Reader) -> str:
        """Where the page of a station is, in the reader's words; of the whole map for what is no station."""
        station = self._stations.get(str(station_id))
        return ("/karta" if station is None else f"/karta/{station.slug}") + kept(reader)

    def overview(self, reader: Reader) -> dict[str, Any]:
        """The whole way in a few sentences, in the same shape as `station`."""
        return {
            "title": self._phrases.say("journey.overview_title", reader),
            "text": self._map.overview(reader)[0].strip(),
            "next": self._named(rules.entrances(reader), reader),
        }

    def whole(self, reader: Reader) -> WholeMap:
        """The whole map for the page. The first call draws it, which takes half a second: not on the event loop."""
        overview, lang = self._map.overview(reader)
        picture = draw(self._edges)
        spots = {spot.id: spot for spot in picture.spots}
        beside = {row.station: row for row in rows(self._edges)}
        parts = []
        for part, ids in rules.PARTS:
            title = self._phrases.say(f"journey.part.{part}", reader)
            stops = [self._stop(spots[one], beside[one], reader) for one in ids]
            parts.append(Part(part, title, broken(title, int(HEADING[0])), stops))
        return WholeMap(overview.strip(), lang, picture, parts)

    def name(self, slug: str, reader: Reader) -> Name | None:
        """What the station with that address is called, or None."""
        station = self._by_slug.get(slug)
        return None if station is None else self._name(station.id, reader)

    def called(self, station_id: str, reader: Reader) -> Name:
        """What a station is called; raises `KeyError` for an id that is none."""
        return self._name(station_id, reader)

    def onward(self, station_id: str, reader: Reader) -> list[Name]:
        """What may come after a station, the likeliest for this reader first and few."""
        following = rules.onward(station_id, self._stations[station_id].next, self._tracks, reader)
        return [self._name(one, reader) for one in following]

    def page(self, slug: str, reader: Reader) -> StationPage | None:
        """The station with that address, or None."""
        station = self._by_slug.get(slug)
        if station is None:
            return None
        told = self._map.tell(station, reader)
        words, glossary = told.words, self._glossaries.get(told.lang, Glossary([]))
        marked = {field: glossary.mark(getattr(words, field).strip()) for field in ("what", "meet", "time", "next")}
        may = [glossary.mark(sentence) for sentence in rules.sentences(words.may)]
        found = {entry.id: entry for text in (*marked.values(), *may) for _, entry in text if entry}
        back, onward = rules.neighbours(station.id, station.next, self._before(station.id), reader)
        return StationPage(
            name=self._name(station.id, reader),
            lang=told.lang,
            lines=rules.lines_at(station.id),
            what=marked["what"],
            meet=marked["meet"],
            time=marked["time"],
            may=may,
            next=marked["next"],
            simpler=words.simpler.strip(),
            words=list(found.values()),
            before=[self._name(one, reader) for one in self._before(station.id)],
            after=[self._name(one, reader) for one in dict.fromkeys(station.next) if one != station.id],
            back=self._name(back, reader) if back else None,
            onward=self._name(onward, reader) if onward else None,
        )

    def _stop(self, spot: Spot, row: Row, reader: Reader) -> Stop:
        name = self._name(spot.id, reader)
        after = [self._name(one, reader) for one in dict.fromkeys(self._stations[spot.id].next) if one != spot.id]
        return Stop(name, broken(name.title, spot.width), spot, row, after, spot.id == rules.RELAPSE)

    def _before(self, station_id: str) -> list[str]:
        return [one for one, other in self._edges if other == station_id and one != station_id]

    def _name(self, station_id: str, reader: Reader) -> Name:
        station = self._stations[station_id]
        told = self._map.tell(station, reader)
        return Name(station_id, station.slug, told.title, told.title_lang)

    def _named(self, ids: tuple[str, ...], reader: Reader) -> list[dict[str, str]]:
        return [{"id": one, "title": self._name(one, reader).title} for one in ids]
