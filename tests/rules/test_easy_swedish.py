"""Promise: who reads easy Swedish meets it in all that matters at the door: danger, the first words, times, numbers, the map.

A phrase that easy Swedish does not have is said in ordinary Swedish, so that one must be easy too.
"""

from __future__ import annotations

import re

import pytest

from backend.chat.assistant import State
from backend.chat.service import _in_easy_words
from backend.config import ROOT
from backend.core.content import Phrases
from backend.core.readability import EASY_LIMITS, measure, passed
from backend.core.reader import EASY, Band, Reader
from backend.journey.stations import Words, load_map

PHRASES = Phrases.load(ROOT / "content")
MAP = load_map(ROOT / "content")
BANDS: tuple[Band, ...] = ("13-17", "adult", "parent")

MUST_BE_EASY = (
    "chat.", "code.", "contacts.", "emergency.", "error.", "help.", "interpreter.", "journey.",
    "limited.", "live.", "map.", "return_page.", "safety_check.", "serious.", "summary.", "times.",
    "book_page.", "write_page.", "story.first.", "story.kept.",
)  # fmt: skip
KEYS = sorted(key for key in PHRASES.keys("sv") if key.startswith(MUST_BE_EASY))

TURNED = re.compile(
    r"(?:^|(?<=[.!?] ))(?:Är|Har|Vill|Kan|Blir|Händer|Kommer|Behöver|Räcker|Säger|Går|Bor|Finns|Misstänker|Frågar|Tar)"
    r" [^.!?]*\."
)
"""A condition with its verb first ("Är du rädd, säg det."), which takes a new reader two tries; a question ends otherwise."""


def said(key: str) -> list[tuple[str, str]]:
    """What a reader of easy Swedish of each band meets, with numbers and names put in."""
    texts = {PHRASES.say(key, Reader(band=band, lang=EASY)) for band in (None, *BANDS)}
    return [(key, re.sub(r"\{\w+\}", "Anna", text)) for text in sorted(texts)]


def test_nothing_at_the_door_is_hard() -> None:
    """Lists what is missing from content/sv-x-latt/ and is not easy in ordinary Swedish."""
    shown = [pair for key in KEYS for pair in said(key)]
    hard = [(key, text) for key, text in shown if len(text.split()) > 6 and passed(measure(text), EASY_LIMITS)]
    turned = [(key, text) for key, text in shown if TURNED.search(text)]
    assert [] == hard
    assert [] == turned


def test_places_are_those_of_the_swedish_phrase() -> None:
    """A name or a time is never missing from a sentence, and never one that nobody fills in."""
    for key in PHRASES.keys(EASY):
        found = {place for text in PHRASES.variants(key, EASY).values() for place in re.findall(r"\{(\w+)\}", text)}
        known = {place for text in PHRASES.variants(key).values() for place in re.findall(r"\{(\w+)\}", text)}
        assert found == known, key


@pytest.mark.parametrize(
    "key", ["emergency.text", "emergency.D07", "safety_check.text", "limited.greeting", "help.emergency"]
)
@pytest.mark.parametrize("band", [None, *BANDS])
def test_danger_says_112(key: str, band: Band | None) -> None:
    """Whatever else is misunderstood, the number is there."""
    assert "112" in PHRASES.say(key, Reader(band=band, lang=EASY))


@pytest.mark.parametrize("station", MAP.stations, ids=lambda station: station.id)
@pytest.mark.parametrize("band", BANDS)
def test_every_station_is_told_in_easy_swedish(station: object, band: Band) -> None:
    """All six fields, for a teen, an adult near somebody who drinks, and the parent who drinks."""
    told = MAP.tell(station, Reader(band=band, lang=EASY))  # type: ignore[arg-type]
    assert EASY == told.lang
    for part in Words.__struct_fields__:
        text = getattr(told.words, part)
        assert text, part
        assert [] == passed(measure(text), EASY_LIMITS), text
        assert not TURNED.search(text), text


@pytest.mark.parametrize("band", ["6-9", "10-12"])
def test_younger_children_read_their_own_swedish(band: Band) -> None:
    """It is easy already, and easy Swedish speaks to adults and teens."""
    easy, own = Reader(band=band, lang=EASY), Reader(band=band)
    assert MAP.tell(MAP.stations[0], own) == MAP.tell(MAP.stations[0], easy)
    assert PHRASES.say("emergency.text", own) == PHRASES.say("emergency.text", easy)


def test_an_unknown_reader_of_easy_swedish_is_spoken_to_as_an_adult() -> None:
    """Whoever asks for it is hardly a child of seven."""
    assert (
        MAP.tell(MAP.stations[16], Reader(band="adult", lang=EASY)).words
        == MAP.tell(MAP.stations[16], Reader(lang=EASY)).words
    )


@pytest.mark.parametrize(
    ("reader", "slots"),
    [
        (Reader("partner", "adult", EASY), {"easy": True}),
        (Reader("parent", "parent", EASY), {"easy": True}),
        (Reader("child", "13-17", EASY), {"band": "10-12", "told_band": "13-17"}),
        (Reader("child", "10-12", EASY), {}),
        (Reader(lang=EASY), {}),
        (Reader("partner", "adult"), {}),
    ],
)
def test_the_assistant_gives_its_simpler_answers(reader: Reader, slots: dict[str, object]) -> None:
    """To the assistant easy Swedish is Swedish, with the answers it has for who asked for simpler ones."""
    assert slots == _in_easy_words(State(), reader).slots


def test_who_asks_for_simpler_words_still_keeps_them() -> None:
    """A teen who has gone down one more step is not moved up again."""
    state = State({"band": "6-9", "told_band": "13-17"})
    assert state == _in_easy_words(state, Reader("child", "13-17", EASY))
