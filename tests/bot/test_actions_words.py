"""Promises of the word lists: short answers are taken as they are meant, or not at all."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from actions_env import times, when, words

CONTRACT = Path(__file__).resolve().parent.parent / "contract"
STOCKHOLM = ZoneInfo("Europe/Stockholm")
NOW = datetime(2026, 11, 23, 12, 30, tzinfo=STOCKHOLM)
TIMES = json.loads((CONTRACT / "times.json").read_text("utf-8"))["examples"][0]["answer"]["times"]


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("ja", "yes"),
        ("Ja!!", "yes"),
        ("japp det går bra", "yes"),
        ("skicka", "yes"),
        ("skicka inte", None),
        ("nej", "no"),
        ("nä", "no"),
        ("na", "no"),
        ("det är inte tryggt", "no"),
        ("jag vill inte", "no"),
        ("vet inte", "unsure"),
        ("jag vet inte", "unsure"),
        ("nja kanske", "unsure"),
        ("inte säker", "unsure"),
        ("pappa är hemma nu och jag vill inte att han hör", None),
        ("jag heter Ali", None),
        ("", None),
        ("🙂", None),
    ],
)
def test_yes_no_and_not_sure(text: str, meant: str | None) -> None:
    """A plain answer is understood; one that could mean both is not guessed."""
    assert meant == words.yes_no(text)


@pytest.mark.parametrize(
    ("text", "slots"),
    [
        ("den första", ["s-1"]),
        ("forsta", ["s-1"]),
        ("jag tar den andra", ["s-2"]),
        ("sista", ["s-4"]),
        ("15.20", ["s-2"]),
        ("15:20 tack", ["s-2"]),
        ("1520", ["s-2"]),
        ("kl 3", ["s-2"]),
        ("klockan nio", ["s-3"]),
        ("i morgon", ["s-3", "s-4"]),
        ("imorn förmiddag", ["s-3"]),
        ("idag efter 14", ["s-2"]),
        ("efter tre", ["s-2"]),
        ("den andra i morgon", ["s-4"]),
        ("så fort som möjligt", ["s-1"]),
        ("vilken som helst", ["s-1"]),
        ("kl 22", []),
        ("inte idag", ["s-3", "s-4"]),
        ("inte den första", []),
        ("ändra tiden", []),
        ("den andra tiden", ["s-2"]),
        ("banan", []),
    ],
)
def test_a_typed_time_is_found_among_those_offered(text: str, slots: list[str]) -> None:
    """By place, clock, day and part of the day, alone and together."""
    found = times.chosen(text, TIMES, when.wish(text, NOW, STOCKHOLM))
    assert slots == [time["slot"] for time in found.times]


@pytest.mark.parametrize("text", ["fler tider", "ingen passar", "andra tider", "ingen av dom funkar", "senare"])
def test_none_of_the_times_means_more_times(text: str) -> None:
    """Who declines all is shown others."""
    assert times.chosen(text, TIMES, when.wish(text, NOW, STOCKHOLM)).more


@pytest.mark.parametrize(
    ("text", "who", "band"),
    [
        ("jag är 7", "child", "6-9"),
        ("jag e tio år", "child", "10-12"),
        ("ja e 12", "child", "10-12"),
        ("14 bast", "child", "13-17"),
        ("jag är 14 bast", "child", "13-17"),
        ("15 år", "child", "13-17"),
        ("jag är 34 år", "adult", "adult"),
        ("jag går i trean", "child", "6-9"),
        ("går i sjuan", "child", "13-17"),
        ("jag är ett barn", "child", None),
        ("min man dricker för mycket", "partner", "adult"),
        ("hej min sambo har börjat dricka igen", "partner", "adult"),
        ("min man säger att jag dricker för mycket", None, None),
        ("min man är snäll", None, None),
        ("ja heter ida å går i 2b", "child", "6-9"),
        ("jag är lärare", "professional", "adult"),
        ("jag är mormor", "adult", "adult"),
        ("jag är en mamma som dricker", "parent", "parent"),
        ("jag är orolig för min son som är 9", None, None),
        ("min dotter är 12", None, None),
        ("pappa drack 10 öl", None, None),
        ("jag är hemma kl 8", None, None),
        ("mamma dricker", None, None),
        ("jag har varit nykter i 3 månader", None, None),
    ],
)
def test_who_is_writing(text: str, who: str | None, band: str | None) -> None:
    """Noted when it is said plainly, and never from somebody else's age."""
    reader = words.reader_in(text)
    assert (who, band) == ((reader.who, reader.band) if reader else (None, None))


@pytest.mark.parametrize(
    ("text", "lang"),
    [
        ("my dad drinks and i don't know what to do", "en"),
        ("hej jag vill boka en tid", "sv"),
        ("help", None),
        ("fuck you", None),
        ("asså jag är so done", None),
        ("yo", None),
    ],
)
def test_the_language_is_changed_only_when_it_is_plain(text: str, lang: str | None) -> None:
    """A word of English in a Swedish sentence changes nothing."""
    assert lang == words.language_of(text)


@pytest.mark.parametrize(
    ("text", "station"),
    [
        ("vad är en utredning", "S08"),
        ("vad händer efter anmälan", "S05"),
        ("vad är en skyddsbedömning", "S04"),
        ("vad händer när utredningen är klar", "S10"),
        ("vad är lvu", "S21"),
        ("pappa ska på behandlingshem", "S17"),
        ("vi ska träffa soc på måndag", "S09"),
        ("vad är en orosanmälan", "S03"),
        ("nån har gjort en anmalan pa oss", "S03"),
        ("vad händer sen", None),
    ],
)
def test_a_question_finds_its_station(text: str, station: str | None) -> None:
    """The particular before the general; no station when none was named."""
    assert station == words.first_line(text, words.words("stations"))


def test_every_station_on_the_map_can_be_asked_for() -> None:
    """S01 to S26, each once."""
    lines = [key for line in words.words("stations") for key in line]
    assert [f"S{number:02}" for number in range(1, 27)] == sorted(lines)
