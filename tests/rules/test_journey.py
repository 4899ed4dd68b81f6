"""Promise: the map leads somewhere from every station, in words for whoever reads, and frightens no child by its order."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from backend.config import ROOT
from backend.core.content import ContentError, Phrases
from backend.core.reader import BANDS, READERS, Reader
from backend.core.wording import Place, Wording
from backend.journey import rules
from backend.journey.glossary import Entry, Glossary, load_glossaries
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


@pytest.mark.parametrize("who", [None, "adult"])
def test_the_page_shows_every_station_once_and_every_way_on(who: str | None) -> None:
    """Placement, no investigation and coming back are there too, not only the happy path."""
    whole = JOURNEY.whole(Reader.of(who))
    stops = [stop for part in whole.parts for stop in part.stops]
    assert sorted(IDS) == sorted(stop.name.id for stop in stops)
    shown = {(stop.name.id, name.id) for stop in stops for name in stop.after}
    assert {(station.id, one) for station in MAP.stations for one in station.next if one != station.id} == shown


@pytest.mark.parametrize("band", BANDS)
def test_every_station_has_a_page_with_its_neighbours(band: str) -> None:
    """By a number that says nothing; the next and the one before are ways that there are."""
    reader = Reader(band=band)  # type: ignore[arg-type]
    for station in MAP.stations:
        page = JOURNEY.page(station.slug, reader)
        assert page is not None
        assert station.slug.isdigit()
        assert page.what and page.meet and page.time and page.may and page.next and page.simpler
        assert page.onward is None or page.onward.id in [one.id for one in page.after]
        assert page.back is None or page.back.id in [one.id for one in page.before]
        assert page.onward is not None
    assert JOURNEY.page("27", reader) is None
    assert JOURNEY.page("S05", reader) is None


@pytest.mark.parametrize("band", BANDS)
def test_the_overview_begins_somewhere(band: str) -> None:
    """Each band has its overview and where to go on."""
    shown = JOURNEY.overview(Reader(band=band))  # type: ignore[arg-type]
    assert shown["text"]
    assert len(shown["next"]) == 4


def _broken(tmp_path: Path, change: Callable[[str], str], file: str = "stations.yml") -> Path:
    """A copy of the content with one thing wrong, changed as text, so that lines are what an editor would see."""
    before = (CONTENT / "sv" / file).read_text("utf-8")
    after = change(before)
    assert before != after
    (tmp_path / "sv").mkdir()
    for name in ("stations.yml", "glossary.yml"):
        (tmp_path / "sv" / name).write_text((CONTENT / "sv" / name).read_text("utf-8"), "utf-8")
    (tmp_path / "sv" / file).write_text(after, "utf-8")
    return tmp_path


def _swap(old: str, new: str) -> Callable[[str], str]:
    return lambda text: text.replace(old, new, 1)


def _without_a_band(text: str) -> str:
    """S01 without its text for 6-9."""
    start = text.index('      "6-9":\n        what:')
    return text[:start] + text[text.index('      "10-12":', start) :]


def _without_a_field(text: str) -> str:
    """S01 without whom a seven-year-old meets."""
    start = text.index("        meet:")
    return text[:start] + text[text.index("        time:", start) :]


def _without_the_last(text: str) -> str:
    return text[: text.index("  - id: S26")]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (_swap('    child_label: "Någon som lyssnar"\n', ""), r"line \d+: .*child_label"),
        (_without_a_band, r"line \d+: .*6-9"),
        (_swap("next: [S02, S03, S07, S26]", "next: [S02, S77]"), r"line \d+: S01 leads to S77"),
        (_swap("next: [S02, S03, S07, S26]", "next: []"), r"line \d+: S01 leads nowhere"),
        (_without_the_last, r"line \d+: S\d\d leads to S26"),
        (_swap("- id: S02", "- id: S01"), r"line \d+: S01 stands here twice"),
        (_swap("- id: S02", "- id: S27"), r"line \d+: S27 is on no part"),
        (_swap("track: shared", "track: sideways"), r"line \d+: .*sideways"),
        (_swap('    name: "Ansökan"', '    nmae: "x"\n    name: "Ansökan"'), r"line \d+: .*nmae"),
        (_swap("reviewed: 2026-11-26", "reviewed: 2026-13-26"), r"line \d+: 2026-13-26 is no date"),
        (_swap("reviewed: 2026-11-26", "reviewed: snart"), r"line \d+: .*date"),
        (_swap("reviewed: 2026-11-26", "reviewed: 2026-11-26\n    valid_to: 2025-01-01"), r"line \d+: S01 ends before"),
        (_swap("    owner: behandlare\n", ""), r"line \d+: .*owner"),
        (_swap("    owner: behandlare\n", '    owner: ""\n'), r"line \d+: S01 says nothing of its owner"),
        (_swap('source: ["SoL 3:4", "SoL 14:2"]', "source: []"), r"line \d+: S02 says nothing of its source"),
        (_without_a_field, r"line \d+: S01 says nothing of meet for 6-9"),
        (_swap('what: "Du får prata med en vuxen. ', 'what: "" # "'), r"line \d+: S01 says nothing of what for 6-9"),
        (_swap("Du får sluta när du vill.", "Du <b>får</b> sluta."), r"line \d+: text with HTML in it: <b>"),
        (_swap("Du får sluta när du vill.", "Du f&aring;r sluta."), r"line \d+: text with HTML"),
        (_swap('      "10-12":\n        what', '      "6-9":\n        what'), r"line \d+: 6-9 stands here twice"),
        (_swap("track: shared", "track: [shared"), r"line \d+: "),
    ],
)
def test_a_mistake_in_the_content_stops_the_start_with_file_line_and_reason(
    tmp_path: Path, change: Callable[[str], str], says: str
) -> None:
    """A child never meets a missing sentence or a way that ends nowhere, and an editor sees where to look."""
    with pytest.raises(ContentError, match=says) as caught:
        load_map(_broken(tmp_path, change))
    assert "stations.yml" in str(caught.value)


def test_the_line_told_is_the_line_of_the_mistake(tmp_path: Path) -> None:
    """Not the file's first, and not the record's: the line to look at in an editor."""
    content = _broken(tmp_path, _swap("next: [S06, S07, S08]", "next: [S06, S07, S78]"))
    lines = (content / "sv" / "stations.yml").read_text("utf-8").splitlines()
    wrong = next(number for number, line in enumerate(lines, start=1) if "S78" in line)
    with pytest.raises(ContentError, match=f"line {wrong}: S05 leads to S78"):
        load_map(content)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda text: text + text, r"line \d+: soc must be an id of its own"),
        (_swap('"utreda"', '"orosanmälan"'), r"line \d+: orosanmälan belongs to orosanmalan already"),
        (_swap("- id: utredning", "- id: Utredning!"), r"line \d+: Utredning! must be an id"),
        (_swap("  child: ", "  barn: "), r"line \d+: .*(barn|child)"),
        (_swap("Någon har sagt", "<i>Någon har sagt"), r"line \d+: text with HTML"),
    ],
)
def test_a_mistake_in_the_word_list_stops_the_start_too(
    tmp_path: Path, change: Callable[[str], str], says: str
) -> None:
    """A word that leads to two explanations leads to none."""
    with pytest.raises(ContentError, match=says) as caught:
        load_glossaries(_broken(tmp_path, change, "glossary.yml"))
    assert "glossary.yml" in str(caught.value)


def test_a_word_is_marked_once_and_whole() -> None:
    """The first of a word, whatever its form or case, and never a part of a longer word."""
    words = Glossary([Entry("plan", ["plan", "planen"], "b", "v"), Entry("soc", ["soc"], "b", "v")])
    marked = words.mark("Planen är en plan för soc, inte planering hos soc.")
    assert [("Planen", "plan"), ("soc", "soc")] == [(text, entry.id) for text, entry in marked if entry]
    assert "Planen är en plan för soc, inte planering hos soc." == "".join(text for text, _ in marked)


def test_another_language_falls_back_on_swedish_station_by_station(tmp_path: Path) -> None:
    """What is not translated yet is told in Swedish and marked as such, so that a screen reader says it rightly."""
    (tmp_path / "sv").mkdir()
    (tmp_path / "sv" / "stations.yml").write_text((CONTENT / "sv" / "stations.yml").read_text("utf-8"), "utf-8")
    (tmp_path / "en").mkdir()
    bands = {band: {"what": "Somebody listens."} for band in BANDS}
    station = {"id": "S01", "name": "Somebody", "child_label": "Somebody who listens", "text": bands}
    (tmp_path / "en" / "stations.yml").write_text(yaml.safe_dump({"version": "1", "stations": [station]}), "utf-8")
    loaded = load_map(tmp_path)
    told = [loaded.tell(one, Reader(lang="en")) for one in loaded.stations[:2]]
    assert [("Somebody who listens", "en"), ("Vi ber om hjälp", "sv")] == [(one.title, one.lang) for one in told]


def test_another_language_falls_back_band_by_band(tmp_path: Path) -> None:
    """A language may be written for some readers only; the others read Swedish, name and all."""
    (tmp_path / "sv").mkdir()
    (tmp_path / "sv" / "stations.yml").write_text((CONTENT / "sv" / "stations.yml").read_text("utf-8"), "utf-8")
    (tmp_path / "en").mkdir()
    text = {"adult": {"what": "Somebody listens.", "may": "You may stop."}}
    station = {"id": "S01", "name": "Somebody", "child_label": "Somebody who listens", "text": text}
    written = {"version": "1", "stations": [station], "overview": {"adult": "It begins with a talk."}}
    (tmp_path / "en" / "stations.yml").write_text(yaml.safe_dump(written), "utf-8")
    loaded = load_map(tmp_path)
    told = [loaded.tell(loaded.stations[0], Reader(band=band, lang="en")) for band in ("adult", "6-9")]
    assert [("Somebody", "en"), ("Någon som lyssnar", "sv")] == [(one.title, one.lang) for one in told]
    overviews = [loaded.overview(Reader(band=band, lang="en"))[1] for band in ("adult", "6-9")]
    assert ["en", "sv"] == overviews
    assert {"adult"} == {
        band for text in loaded.texts() if text.lang == "en" and text.kind == "station" for band in text.variants
    }


def test_a_band_that_is_none_in_another_language_is_told_with_its_line(tmp_path: Path) -> None:
    """A slip in a translator's file is found at the start, as in Swedish."""
    (tmp_path / "sv").mkdir()
    (tmp_path / "sv" / "stations.yml").write_text((CONTENT / "sv" / "stations.yml").read_text("utf-8"), "utf-8")
    (tmp_path / "en").mkdir()
    lines = [
        "version: '1'",
        "stations:",
        "- id: S01",
        "  name: a",
        "  child_label: a",
        "  text:",
        "    '6-10': {what: a}",
    ]
    (tmp_path / "en" / "stations.yml").write_text("\n".join(lines), "utf-8")
    with pytest.raises(ContentError, match=r"en/stations.yml, line [67]: .*6-10"):
        load_map(tmp_path)


def test_a_bubble_has_the_time_limit_when_it_has_room() -> None:
    """A child of seven takes in three sentences; the limit is then left to the page."""
    child, adult = Reader.of("child_6_9"), Reader.of("adult")
    assert "Ett. Två. Högst 14 dagar." == rules.in_a_bubble("Ett. Två.", "Högst 14 dagar.", child)
    assert "Ett. Två. Tre." == rules.in_a_bubble("Ett. Två. Tre.", "Högst 14 dagar.", child)
    assert "Ett. Två. Tre. Högst 14 dagar." == rules.in_a_bubble("Ett. Två. Tre.", "Högst 14 dagar.", adult)


def test_what_is_published_comes_before_the_file_and_goes_away_again() -> None:
    """One band's text is changed, the others stay; the chat and the map say the same."""
    wording = Wording()
    journey = Journey(CONTENT, Phrases.load(CONTENT, wording), wording)
    teen, child = Reader("child", "13-17"), Reader("child", "10-12")
    before = journey.station("S01", child)["text"]
    wording.publish([(Place("stations.S01.what", "sv", "13-17"), "Ny text.")])
    assert journey.station("S01", teen)["text"].startswith("Ny text.")
    assert before == journey.station("S01", child)["text"]
    wording.publish([])
    assert "Ny text." not in journey.station("S01", teen)["text"]


def test_every_text_of_the_map_can_be_found_by_its_key() -> None:
    """What an editor is shown is what the map says."""
    texts = {(text.key, text.lang): text for text in JOURNEY.texts()}
    assert {"6-9", "10-12", "13-17", "adult", "parent"} == set(texts["stations.S05.what", "sv"].variants)
    assert any("SoL 20:2" in source for source in [texts["stations.S05.what", "sv"].about.source])
