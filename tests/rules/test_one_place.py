"""Promise: the words of a station stand in one place, and what the assistant says of limits and ages is what they say."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml

from backend.config import ROOT
from backend.core.content import LANGUAGES, ContentError, Phrases
from backend.journey.stations import load_map

MAP = load_map(ROOT / "content")
WORDS = 12
"""Two sentences of fewer words together may be said by anybody ("Är det farligt? Ring 112.")."""

ELSEWHERE = sorted(
    path
    for pattern in (
        "rasa/domain/*.yml", "rasa/data/**/*.yml", "rasa/actions/*.py", "backend/**/*.py", "backend/**/*.html",
        "backend/web/static/*.js", "content/**/*.yml", "language/*.py",
    )
    for path in ROOT.glob(pattern)
    if path.name != "stations.yml" or "rasa" in path.parts
)  # fmt: skip


def passages() -> dict[str, str]:
    """Every two sentences of the map that follow each other, by where they stand."""
    found = {}
    for text in MAP.texts():
        for variant, words in text.variants.items() if text.kind == "station" else ():
            for first, second in pairwise(re.split(r"(?<=[.!?])\s+", words)):
                if len(f"{first} {second}".split()) >= WORDS:
                    found[f"{first} {second}"] = f"{text.lang} {text.key} {variant}"
    return found


def test_the_words_of_a_station_stand_in_one_place() -> None:
    """The assistant, the pages and the phrases ask the map for them; nothing is written twice and grows apart."""
    known = passages()
    assert len(known) > 1000
    copied = [
        (path.relative_to(ROOT).as_posix(), place)
        for path in ELSEWHERE
        for running in [" ".join(path.read_text("utf-8").split())]
        for passage, place in known.items()
        if passage in running
    ]
    assert [] == copied


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ("a:\n  b: x\n  b: y\n", r"phrases\.yml, line 3: b stands here twice"),
        ("a:\n  off: x\n", r"phrases\.yml: a has a key that YAML reads as False: put it in quotes"),
        ("a: <b>x</b>\n", r"phrases\.yml, line 1: text with HTML"),
    ],
)
def test_a_phrase_that_would_be_lost_stops_the_start(tmp_path: Path, written: str, says: str) -> None:
    """YAML keeps the last of two, and takes "off" for a truth value: somebody would meet a hole or an error."""
    for lang in LANGUAGES:
        (tmp_path / lang).mkdir()
        (tmp_path / lang / "phrases.yml").write_text(written if lang == "sv" else "a: x\n", "utf-8")
    with pytest.raises(ContentError, match=says):
        Phrases.load(tmp_path)


def test_the_assistant_knows_the_stations_of_the_map_and_no_others() -> None:
    """What people write leads to each of them; the texts come from the backend."""
    lines = yaml.safe_load((ROOT / "rasa/data/words/stations.yml").read_text("utf-8"))
    named = [station for line in lines for station in line]
    assert sorted(named) == [station.id for station in MAP.stations]


NUMBERS = {
    "två": "2", "tre": "3", "fyra": "4", "tredje": "3", "sjätte": "6", "sex": "6", "two": "2", "three": "3",
    "four": "4", "six": "6",
}  # fmt: skip
LIMIT = re.compile(
    r"\b(\d+|" + "|".join(NUMBERS) + r") (dag|dagar|vecka|veckor|månad|månader|days|weeks|months)\b", re.IGNORECASE
)
AGE = re.compile(r"\b(?:fyllt|från|under|turned|age of) (1\d)\b", re.IGNORECASE)
UNIT = {"dag": "d", "day": "d", "vec": "w", "wee": "w", "mån": "m", "mon": "m"}

NOT_OF_STATIONS = {"utter_rights__stored"}
"""How long this service keeps what is written: not on the map."""


def limits(text: str) -> set[str]:
    """ "fyra månader" and "4 months" are "4 m"; two weeks are 14 days."""
    found = {f"{NUMBERS.get(number.lower(), number)} {UNIT[unit[:3].lower()]}" for number, unit in LIMIT.findall(text)}
    return {"14 d" if one == "2 w" else one for one in found}


def responses() -> list[tuple[str, str]]:
    """Name and text of everything the assistant can answer."""
    found: list[tuple[str, str]] = []
    for path in sorted(Path(ROOT / "rasa/domain").glob("*.yml")):
        loaded: dict[str, Any] = yaml.safe_load(path.read_text("utf-8"))
        for name, variations in (loaded.get("responses") or {}).items():
            found += [(name, one.get("text", "")) for one in variations if name not in NOT_OF_STATIONS]
    return found


@pytest.mark.parametrize("find", [limits, lambda text: set(AGE.findall(text))], ids=["limits", "ages"])
def test_the_assistant_says_no_limit_that_the_map_does_not_say(find: Any) -> None:
    """A law that changes is changed in the map; an answer that still says the old limit is found here."""
    told = {one for text in MAP.texts() for words in text.variants.values() for one in find(words)}
    assert told
    assert [] == [(name, one) for name, text in responses() for one in find(text) if one not in told]


def test_the_first_limits_are_the_same_in_the_answer_and_on_the_map() -> None:
    """The one answer that names limits outright: 14 days, and 4 months."""
    answers = [text for name, text in responses() if name in ("utter_map__how_long", "utter_easy__map__how_long")]
    assert answers
    for text in answers:
        assert {"14 d", "4 m"} == limits(text), text
        assert re.search(r"högst|at most", text), text
