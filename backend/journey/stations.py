"""The stations as ``content/<language>/stations.yml`` has them, checked at the start.

Swedish has every station, the edges and the law behind them; another language has names and
texts for as many stations as somebody has written, and falls back on Swedish (on easy Swedish,
for whoever reads another language), marked as such.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Literal

import msgspec

from backend.core.content import LANGUAGES, InBands, Located
from backend.core.municipality import Strict
from backend.core.reader import BANDS, EASY, Band, Lang, Reader
from backend.core.wording import DEFAULT, About, Text, Wording
from backend.journey.rules import LINES, PARTS, Track

UNKNOWN_READS: Band = "10-12"
"""A reader who has not said their age gets words that fit a twelve-year-old; in easy Swedish, those of an adult."""
SOURCE: Lang = "sv"


class Words(Strict, frozen=True):
    """What one reader meets at a station: Swedish has all of it, and an empty field of a translation is not shown.

    ``what`` happens, whom you ``meet``, how long at most (``time``), what you ``may`` ask, say or
    decide, what comes ``next``, and the ``simpler`` text for who says that they did not understand.
    """

    what: str
    meet: str = ""
    time: str = ""
    may: str = ""
    next: str = ""
    simpler: str = ""


class Station(Strict, frozen=True):
    """One station. ``source`` names the law or promise behind the words, ``owner`` the unit that answers for them."""

    id: str
    name: str
    child_label: str
    track: Track
    next: list[str]
    source: list[str]
    owner: str
    reviewed: date
    valid_from: date
    keywords: list[str]
    text: InBands[Words]
    valid_to: date | None = None

    @property
    def slug(self) -> str:
        """The station in an address: a number, which says nothing in a browser's history."""
        return str(int(self.id[1:]))

    def words(self, band: Band) -> Words:
        """What a reader of the band meets."""
        return self.text[band]

    def written(self) -> dict[str, Words]:
        """The words by variant."""
        return {band: self.text[band] for band in BANDS}


class _File(Strict, frozen=True):
    version: str
    overview: InBands[str]
    stations: list[Station]


class _Translated(Strict, frozen=True):
    """A station in another language. Without a ``name`` of its own for adults the child's is everybody's.

    ``text`` by band, or one that everybody can read (``default``).
    """

    id: str
    child_label: str
    name: str = ""
    text: dict[Band | Literal["default"], Words] = msgspec.field(default_factory=dict)

    def words(self, band: Band) -> Words | None:
        """What a reader of the band meets; None for a band that nobody has written for in this language."""
        return self.text.get(band) or self.text.get("default")

    def written(self) -> dict[str, Words]:
        """The words by variant, as far as there are any."""
        return {variant: self.text[variant] for variant in (*BANDS, DEFAULT) if variant in self.text}


class _Translation(Strict, frozen=True):
    version: str
    stations: list[_Translated]
    overview: dict[Band | Literal["default"], str] = msgspec.field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Told:
    """A station in one reader's words; ``lang`` is what they are written in, which may not be what was asked for.

    ``title_lang`` is that of the title: a translation may have the names of more stations than it has texts.
    """

    title: str
    words: Words
    lang: Lang
    title_lang: Lang


@dataclass(frozen=True, slots=True)
class Map:
    """All stations, in the order of the way, with every language that has some of them."""

    version: str
    stations: tuple[Station, ...]
    _overviews: Mapping[Lang, Mapping[Band | Literal["default"], str]]
    _translated: Mapping[Lang, Mapping[str, _Translated]]
    _wording: Wording = field(default_factory=Wording)

    def tell(self, station: Station, reader: Reader) -> Told:
        """Name and words for the reader: a child's name of the station unless they have said that they are an adult."""
        band = reader.band or usual_band(reader.lang)
        lang, words = SOURCE, station.words(band)
        for one in (reader.lang, *reader.fallbacks):
            translated = self._translated.get(one, {}).get(station.id)
            if translated and (written := translated.words(band)):
                lang, words = one, written
                break
        own = self._translated.get(reader.lang, {}).get(station.id)
        title_lang = reader.lang if own and not own.text else lang
        spoken = station if title_lang == SOURCE else self._translated[title_lang][station.id]
        name = "name" if reader.grown_up else "child_label"
        return Told(
            title=self._wording.over(_key(station.id, name), title_lang).get(DEFAULT)
            or getattr(spoken, name)
            or spoken.child_label,
            words=self._published(station.id, lang, band, words),
            lang=lang,
            title_lang=title_lang,
        )

    def overview(self, reader: Reader) -> tuple[str, Lang]:
        """The whole way in a few sentences, and the language they are in."""
        band = reader.band or usual_band(reader.lang)
        for lang in (reader.lang, *reader.fallbacks):
            told = self._overviews.get(lang, {})
            variant: Band | Literal["default"] = band if band in told else "default"
            if variant in told:
                return self._wording.over(_key("overview"), lang).get(variant) or told[variant], lang
        return self._overviews[SOURCE][band], SOURCE

    def texts(self) -> Iterator[Text]:
        """Every text of the map as its file has it; a station's own dates and sources go for all its languages."""
        by_id = {station.id: station for station in self.stations}
        for lang, overview in self._overviews.items():
            yield Text(_key("overview"), lang, "station", {band: text.strip() for band, text in overview.items()})
        spoken: Mapping[str, Station | _Translated]
        for lang in (SOURCE, *self._translated):
            spoken = by_id if lang == SOURCE else self._translated[lang]
            for one, told in spoken.items():
                station = by_id[one]
                about = About(
                    "; ".join(station.source), station.owner, station.reviewed, station.valid_from, station.valid_to
                )
                for name in ("name", "child_label"):
                    if named := getattr(told, name):
                        yield Text(_key(one, name), lang, "label", {DEFAULT: named}, about)
                by_band = told.written()
                for part in Words.__struct_fields__:
                    words = {band: getattr(in_band, part).strip() for band, in_band in by_band.items()}
                    if by_band and (lang in LANGUAGES or any(words.values())):
                        yield Text(_key(one, part), lang, "station", words, about)

    def _published(self, station: str, lang: Lang, band: Band, words: Words) -> Words:
        known = [self._wording.over(_key(station, part), lang) for part in Words.__struct_fields__]
        over = {
            part: found.get(band, found.get(DEFAULT))
            for part, found in zip(Words.__struct_fields__, known, strict=True)
        }
        changed = {part: text for part, text in over.items() if text is not None}
        return msgspec.structs.replace(words, **changed) if changed else words


def usual_band(lang: Lang) -> Band:
    """Whose words are shown in a language to somebody who has not said who they are."""
    return "adult" if lang == EASY else UNKNOWN_READS


def _key(*parts: str) -> str:
    return ".".join(("stations", *parts))


def load_map(content: Path, wording: Wording | None = None) -> Map:
    """Read the stations in every language; what is published in ``wording`` comes before them.

    Raises `ContentError` with file, line and reason for a missing band, a dead end, an edge to no
    station, a station off the map, a date that is none or that ends before it begins, and HTML.
    """
    swedish = Located(content / SOURCE / "stations.yml")
    loaded = swedish.convert(_File)
    _check(swedish, loaded)
    ids = [station.id for station in loaded.stations]
    overviews: dict[Lang, Mapping[Band | Literal["default"], str]] = {
        SOURCE: {band: loaded.overview[band] for band in BANDS}
    }
    translated: dict[Lang, Mapping[str, _Translated]] = {}
    for path in sorted(content.glob("*/stations.yml")):
        if path.parent.name == SOURCE:
            continue
        file = Located(path)
        lang, translation = _tag(path), file.convert(_Translation)
        for place, one in enumerate(translation.stations):
            if one.id not in ids:
                raise file.error(f"{one.id} is no station in Swedish", "stations", place, "id")
            if one.id in [other.id for other in translation.stations[:place]]:
                raise file.error(f"{one.id} stands here twice", "stations", place, "id")
            _complete(file, one, place, ("what",))
        translated[lang] = {one.id: one for one in translation.stations}
        if translation.overview:
            overviews[lang] = translation.overview
    order = {one: place for place, one in enumerate(one for _, part in PARTS for one in part)}
    stations = tuple(sorted(loaded.stations, key=lambda station: order[station.id]))
    return Map(loaded.version, stations, overviews, translated, wording or Wording())


def _tag(path: Path) -> Lang:
    return path.parent.name


def _check(file: Located, loaded: _File) -> None:
    ids = [station.id for station in loaded.stations]
    placed = [one for _, part in PARTS for one in part]
    for place, station in enumerate(loaded.stations):
        if station.id in ids[:place]:
            raise file.error(f"{station.id} stands here twice", "stations", place, "id")
        if station.id not in placed:
            raise file.error(f"{station.id} is on no part of the way", "stations", place, "id")
    for place, station in enumerate(loaded.stations):
        if not station.next:
            raise file.error(f"{station.id} leads nowhere", "stations", place, "next")
        for number, following in enumerate(station.next):
            if following not in ids:
                raise file.error(
                    f"{station.id} leads to {following}, which is no station", "stations", place, "next", number
                )
        if station.valid_to is not None and station.valid_to <= station.valid_from:
            raise file.error(f"{station.id} ends before it begins", "stations", place, "valid_to")
        for line, way in LINES:
            for one, other in pairwise(way):
                if one == station.id and other not in station.next:
                    reason = f"the line {line} of the map goes from {one} to {other}, which is no way on from it"
                    raise file.error(reason, "stations", place, "next")
        for name in ("source", "owner"):
            if not getattr(station, name):
                raise file.error(f"{station.id} says nothing of its {name}", "stations", place, name)
        _complete(file, station, place, Words.__struct_fields__)
    if missing := sorted(set(placed) - set(ids)):
        raise file.error(f"stations missing: {', '.join(missing)}", "stations")


def _complete(file: Located, station: Station | _Translated, place: int, parts: tuple[str, ...]) -> None:
    for band in BANDS:
        words = station.words(band)
        for part in parts if words else ():
            if not getattr(words, part).strip():
                raise file.error(
                    f"{station.id} says nothing of {part} for {band}", "stations", place, "text", band, part
                )
