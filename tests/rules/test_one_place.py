"""Promise: the words of a station stand in one place, and what the assistant says of limits and ages is what they say."""

from __future__ import annotations

import ast
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml

from backend.config import ROOT
from backend.core.content import LANGUAGES, ContentError, Phrases
from backend.core.helplines import Helplines
from backend.core.reader import Reader
from backend.journey.stations import load_map

MAP = load_map(ROOT / "content")
ABOUT = "_about: {owner: barn, source: SoL, reviewed: 2026-11-26}\n"
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
        ("a:\n  b: x\n  b: y\n", r"phrases\.yml, line 4: b stands here twice"),
        ("a:\n  off: x\n", r"phrases\.yml, line 2: a has a key that YAML reads as False: put it in quotes"),
        ("a: <b>x</b>\n", r"phrases\.yml, line 2: text with HTML"),
        ("a: {default: x, 6-8: y}\n", r"phrases\.yml, line 2: a has bands that are none: \['6-8'\]"),
        ("a: [x]\n", r"phrases\.yml, line 2: a must be text or a mapping"),
        ("a: x\nb: 2026-02-30\n", r"phrases\.yml, line 3: 2026-02-30 is no date"),
    ],
)
def test_a_phrase_that_would_be_lost_stops_the_start(tmp_path: Path, written: str, says: str) -> None:
    """YAML keeps the last of two, and takes "off" for a truth value: somebody would meet a hole or an error."""
    for lang in LANGUAGES:
        (tmp_path / lang).mkdir()
        (tmp_path / lang / "phrases.yml").write_text(ABOUT + (written if lang == "sv" else "a: x\n"), "utf-8")
    with pytest.raises(ContentError, match=says):
        Phrases.load(tmp_path)


@pytest.mark.parametrize(
    ("about", "says"),
    [
        ("", r"phrases\.yml, line 1: _about is missing"),
        ("_about: {source: SoL, reviewed: 2026-11-26}\n", r"line 1: _about says nothing of its owner"),
        ("_about: {owner: barn, reviewed: 2026-11-26}\n", r"line 1: _about says nothing of its source"),
        ("_about: {owner: barn, source: SoL}\n", r"line 1: _about says nothing of its reviewed"),
        ("_about: {owner: barn, source: SoL, reviewed: soon}\n", r"line 1: _about: Invalid RFC3339 encoded date"),
        ("_about:\n  reviewed: 2026-13-01\n", r"line 2: 2026-13-01 is no date"),
    ],
)
def test_a_file_of_phrases_says_who_answers_for_it(tmp_path: Path, about: str, says: str) -> None:
    """Owner, source and the day it was read: without them nobody is asked to read it again."""
    for lang in LANGUAGES:
        (tmp_path / lang).mkdir()
        (tmp_path / lang / "phrases.yml").write_text((about if lang == "sv" else ABOUT) + "a: x\n", "utf-8")
    with pytest.raises(ContentError, match=says):
        Phrases.load(tmp_path)


def test_a_translation_cannot_say_more_than_swedish_and_may_be_read_by_nobody_yet(tmp_path: Path) -> None:
    """A key that Swedish lacks would be a text with no place; a date that nobody has read it is not made up."""
    for lang in (*LANGUAGES, "ar"):
        (tmp_path / lang).mkdir()
        (tmp_path / lang / "phrases.yml").write_text(ABOUT + "a: x\n", "utf-8")
    unread = tmp_path / "ar" / "phrases.yml"
    unread.write_text("_about: {owner: barn, source: SoL}\na: y\n", "utf-8")
    assert "y" == Phrases.load(tmp_path).say("a", Reader(lang="ar"))
    unread.write_text("_about: {owner: barn, source: SoL}\nb:\n  c: y\n", "utf-8")
    with pytest.raises(ContentError, match=r"ar/phrases\.yml, line 3: b\.c is not in Swedish"):
        Phrases.load(tmp_path)


DEVELOPERS = {"docs.html"}
"""The description of the API, in English for whoever builds against it."""
_MARKUP = re.compile(r"<(script|style|svg)\b.*?</\1>|<[^>]*>", re.DOTALL)
_ASKED = re.compile(r"{#.*?#}|<!--.*?-->|{{.*?}}|{%.*?%}", re.DOTALL)
_SAID_IN_A_TAG = re.compile(r'\b(?:aria-label|aria-description|title|alt|placeholder)="([^"]*)"')


@pytest.mark.parametrize(
    "path", sorted((ROOT / "backend/web/templates").rglob("*.html")), ids=lambda path: path.relative_to(ROOT).name
)
def test_a_page_has_no_words_of_its_own(path: Path) -> None:
    """Every one is asked for by its key, so that it can be edited, translated and dated: also what a screen reader says."""
    if path.name in DEVELOPERS:
        return
    source = _ASKED.sub("", path.read_text("utf-8"))
    assert [] == re.findall(r"[^\W\d_]{2,}", _MARKUP.sub(" ", source))
    said = _SAID_IN_A_TAG.findall(source)
    assert [] == [one for one in said if re.search(r"[^\W\d_]{2,}", one)]


LETTERS = {"spelling.py"}
"""Which letters are taken for which: no words for people."""
SERVICE = "Koll på läget"


@pytest.mark.parametrize(
    "path",
    sorted([*(ROOT / "backend").rglob("*.py"), *(ROOT / "rasa/actions").rglob("*.py")]),
    ids=lambda path: path.relative_to(ROOT).as_posix(),
)
def test_code_has_no_swedish_words(path: Path) -> None:
    """A sentence in code would be found by no editor and by no reader of old texts."""
    if path.name in LETTERS:
        return
    tree = ast.parse(path.read_text("utf-8"))
    told = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    strings = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and id(node) not in told]
    swedish = [one for one in strings if isinstance(one, str) and re.search("[åäöÅÄÖ]", one.replace(SERVICE, ""))]
    assert [] == swedish


@pytest.mark.parametrize("path", sorted((ROOT / "backend/web/static").glob("*.js")), ids=lambda path: path.name)
def test_a_script_has_no_swedish_words(path: Path) -> None:
    """It is handed the ones that it shows, in the reader's language."""
    source = re.sub(r"/\*.*?\*/|(?<!:)//[^\n]*", "", path.read_text("utf-8"), flags=re.DOTALL)
    assert [] == re.findall(r"[^\n]*[åäöÅÄÖ][^\n]*", source)


def test_a_helpline_is_described_in_one_place_in_each_language() -> None:
    """What a line is for, its number and its hours stand in the directory and in no phrase, station or word."""
    lines = Helplines.load(ROOT / "content", Phrases.load(ROOT / "content"))
    notes = {words for text in lines.texts() for name, words in text.variants.items() if name in ("child", "adult")}
    long = {words for words in notes if len(words.split()) >= WORDS}
    assert len(long) > 100
    for path in ELSEWHERE:
        if path.name != "helplines.yml":
            running = " ".join(path.read_text("utf-8").split())
            assert [] == [words for words in long if words in running], path


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
