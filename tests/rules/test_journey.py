"""Promise: the map leads somewhere from every station, in words for whoever reads, and frightens no child by its order."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from backend.config import ROOT
from backend.core.content import ContentError, Phrases
from backend.core.reader import BANDS, READERS, Reader
from backend.journey import rules
from backend.journey.service import Journey
from backend.journey.stations import load_map

CONTENT = ROOT / "content"
MAP = load_map(CONTENT)
IDS = [station.id for station in MAP.stations]
JOURNEY = Journey(CONTENT, Phrases.load(CONTENT))
readers = st.one_of(st.none(), st.sampled_from(READERS)).map(Reader.of)


@given(reader=readers, station=st.sampled_from(IDS))
def test_every_station_offers_few_and_real_next_steps(reader: Reader, station: str) -> None:
    """One to four, never itself, always among those the content names."""
    shown = JOURNEY.station(station, reader)
    following = next(one.next for one in MAP.stations if one.id == station)
    offered = [step["id"] for step in shown["next"]]
    assert 1 <= len(offered) <= (3 if reader.band == "6-9" else 4)
    assert station not in offered
    assert set(offered) <= set(following)
    assert shown["title"]
    assert shown["text"]


@pytest.mark.parametrize("band", ["6-9", "10-12", "13-17", None])
def test_a_child_is_never_offered_removal_or_court_first(band: str | None) -> None:
    """They are on the map and can be asked about; they do not stand on top of a child's list."""
    reader = Reader(band=band)  # type: ignore[arg-type]
    tracks = {station.id: station.track for station in MAP.stations}
    for station in MAP.stations:
        offered = rules.onward(station.id, station.next, tracks, reader)
        frightening = [one in rules.FRIGHTENING for one in offered]
        assert frightening == sorted(frightening), station.id


def test_a_reader_meets_their_own_help_first() -> None:
    """After the plan: the child's support for a child, the adult's own care for the parent who drinks."""
    assert JOURNEY.station("S11", Reader.of("child_10_12"))["next"][0]["id"] == "S12"
    assert JOURNEY.station("S11", Reader.of("parent"))["next"][0]["id"] in ("S17", "S18", "S13", "S14")
    assert JOURNEY.overview(Reader.of("parent"))["next"][-1]["id"] == "S17"


def test_words_and_names_follow_the_reader() -> None:
    """A child meets the child's name of a station; an unknown reader reads as a twelve-year-old."""
    child, adult, unknown = (JOURNEY.station("S08", Reader.of(one)) for one in ("child_10_12", "adult", None))
    assert child == unknown
    assert child["title"] != adult["title"]
    assert child["text"] != adult["text"]


def test_an_unknown_station_gives_the_overview() -> None:
    """A slip in a dialogue still tells something true."""
    assert JOURNEY.station("S99", Reader()) == JOURNEY.overview(Reader())


def test_every_station_can_be_reached_from_the_entrances() -> None:
    """Nobody has to know a station's name to find it."""
    after = {station.id: station.next for station in MAP.stations}
    seen: set[str] = set()
    waiting = list(rules.ENTRANCES)
    while waiting:
        one = waiting.pop()
        if one not in seen:
            seen.add(one)
            waiting += after[one]
    assert seen == set(IDS)


def test_the_page_shows_every_station_once_and_every_way_on() -> None:
    """Placement, no investigation and coming back are there too, not only the happy path."""
    stops = [stop for part in JOURNEY.parts(Reader()) for _, lane in part.lanes for stop in lane]
    assert sorted(stop.id for stop in stops) == sorted(IDS)
    anchors = {stop.anchor for stop in stops}
    assert all(anchor in anchors for stop in stops for anchor, _ in stop.after)


@pytest.mark.parametrize("band", BANDS)
def test_the_overview_begins_somewhere(band: str) -> None:
    """Each band has its overview and where to go on."""
    shown = JOURNEY.overview(Reader(band=band))  # type: ignore[arg-type]
    assert shown["text"]
    assert len(shown["next"]) == 4


def _broken(tmp_path: Path, change: object) -> Path:
    raw = yaml.safe_load((CONTENT / "sv" / "stations.yml").read_text("utf-8"))
    change(raw)  # type: ignore[operator]
    (tmp_path / "sv").mkdir()
    (tmp_path / "sv" / "stations.yml").write_text(yaml.safe_dump(raw, allow_unicode=True), "utf-8")
    return tmp_path


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda raw: raw["stations"][0].pop("child_label"), "child_label"),
        (lambda raw: raw["stations"][0]["text"].pop("6-9"), "bands"),
        (lambda raw: raw["stations"][0].update(next=["S77"]), "leads nowhere"),
        (lambda raw: raw["stations"][0].update(next=[]), "leads nowhere"),
        (lambda raw: raw["stations"].pop(), "differ"),
        (lambda raw: raw["stations"].append(raw["stations"][0]), "twice"),
        (lambda raw: raw["stations"][0].update(track="sideways"), "sideways"),
        (lambda raw: raw["stations"][0].update(nmae="x"), "nmae"),
    ],
)
def test_a_mistake_in_the_content_stops_the_start_with_the_files_name(
    tmp_path: Path, change: object, says: str
) -> None:
    """A child never meets a missing sentence or a way that ends nowhere."""
    with pytest.raises(ContentError, match=says) as caught:
        load_map(_broken(tmp_path, change))
    assert "stations.yml" in str(caught.value)
