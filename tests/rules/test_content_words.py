"""The words people meet keep their promises: complete, true in their time limits, and without blame.

How easy they are to read is measured in test_reading.py.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml

from backend.concerns.rules import NEEDS
from backend.journey.stations import load_map

CONTENT = Path(__file__).resolve().parents[2] / "content"
BANDS = ("6-9", "10-12", "13-17", "adult", "parent")

CHILD_BANDS = ("6-9", "10-12", "13-17")


def load(name: str) -> Any:
    return yaml.safe_load((CONTENT / name).read_text(encoding="utf-8"))


STATIONS = load("sv/stations.yml")
BY_ID = {station["id"]: station for station in STATIONS["stations"]}
UNITS = {unit["id"] for unit in load("municipalities/exempelby.yml")["units"]}
FIELDS = ("what", "meet", "time", "may", "next", "simpler")
TEXTS = [
    *(("overview", band, text) for band, text in STATIONS["overview"].items()),
    *(
        (f"{station['id']}.{field}", band, words[field])
        for station in STATIONS["stations"]
        for band, words in station["text"].items()
        for field in FIELDS
    ),
]


def test_map_has_its_26_stations_in_order() -> None:
    """S01 to S26, each once."""
    assert [f"S{number:02}" for number in range(1, 27)] == [station["id"] for station in STATIONS["stations"]]


def test_every_station_is_complete() -> None:
    """Names, track, source, dates, keywords and a text for every reader."""
    wanted = {
        "id", "name", "child_label", "track", "next", "source", "owner", "reviewed", "valid_from",
        "keywords", "text",
    }  # fmt: skip
    for station in STATIONS["stations"]:
        assert wanted == set(station), station["id"]
        assert BANDS == tuple(station["text"]), station["id"]
        assert all(FIELDS == tuple(words) for words in station["text"].values()), station["id"]
        assert station["track"] in {"child", "family", "adult", "shared"}, station["id"]
        assert station["source"] and station["keywords"], station["id"]
        assert isinstance(station["reviewed"], date), station["id"]
        assert isinstance(station["valid_from"], date), station["id"]
        assert station["owner"] in UNITS, station["id"]
    assert BANDS == tuple(STATIONS["overview"])


def test_every_edge_leads_to_a_station_and_every_station_can_be_reached() -> None:
    """No edge into nothing, no dead end, no station that only a link could find."""
    reached = {"S01"}
    waiting = ["S01"]
    while waiting:
        following = BY_ID[waiting.pop()]["next"]
        assert following
        assert set(following) <= set(BY_ID)
        waiting += [station for station in following if station not in reached]
        reached |= set(following)
    assert set(BY_ID) == reached


def test_a_keyword_points_at_one_station() -> None:
    """The same typed word must not lead to two places."""
    counted = Counter(word for station in STATIONS["stations"] for word in station["keywords"])
    assert [] == [word for word, times in counted.items() if times > 1]
    assert all(word == word.lower().strip() for word in counted)


def test_what_happens_is_told_in_more_than_a_phrase() -> None:
    """How easy each text is to read is measured in test_reading.py; that there is something to read, here."""
    assert [] == [place for place, _, text in TEXTS if place.endswith(".what") and len(re.findall(r"[.?] ", text)) < 1]


def test_the_map_blames_nobody_and_cheers_at_nothing() -> None:
    """No exclamation mark, no guess that a parent is a mother or father, no word of the old act."""
    assert [] == [text for _, _, text in TEXTS if "!" in text]
    children = [text.lower() for _, band, text in TEXTS if band in CHILD_BANDS]
    assert [] == [text for text in children if re.search(r"\b(mamma|pappa|mammas|pappas)\b", text)]
    old = re.compile(r"(?<!ekonomiskt )\bbistånd|missbruk|alkoholist", re.IGNORECASE)
    assert [] == [text for _, _, text in TEXTS if old.search(text)]


def test_limits_are_outer_limits_and_no_promises() -> None:
    """14 days and 4 months are "högst"; a child must not count on the day."""
    for _, _, text in TEXTS:
        for sentence in re.split(r"(?<=[.?]) ", text):
            if re.search(r"14 dagar|4 månader|20 veckor", sentence):
                assert re.search(r"högst|inom", sentence.lower()), sentence


LEANS = re.compile(r"(Det|Då|Den|Hen|It|That|Then|They) (?!som|fyllt|du säger)[a-zåäö']+")


def test_what_one_may_do_can_be_read_as_a_list() -> None:
    """Each sentence stands on a line of its own, so none leans on the one before ("Det räknas.")."""
    shown = [
        (text.lang, text.key, sentence)
        for text in load_map(CONTENT).texts()
        if text.key.endswith(".may")
        for words in text.variants.values()
        for sentence in re.split(r"(?<=[.!?])\s+", words)[1:]
        if LEANS.match(sentence)
    ]
    assert [] == shown


NEED_TO_HEAR = {
    "S03": "inte (gjort|ditt fel)|gjort något fel", "S06": "hade (inte )?fel", "S12": "ditt fel", "S15": "ditt fel|skulden|vuxna",
    "S17": "ditt fel", "S19": "fel", "S20": "fel", "S26": "ditt fel",
}  # fmt: skip


@pytest.mark.parametrize(("station", "said"), NEED_TO_HEAR.items())
@pytest.mark.parametrize("band", CHILD_BANDS)
def test_a_child_hears_whose_fault_it_is_not(station: str, said: str, band: str) -> None:
    """Where a child would blame itself, the text says otherwise, in every child's words."""
    assert re.search(said, " ".join(BY_ID[station]["text"][band].values()))


@pytest.mark.parametrize(
    ("station", "fact"),
    [
        ("S02", "15"),
        ("S05", "14 dagar"),
        ("S08", "4 månader"),
        ("S10", "15"),
        ("S14", "3 till 6 veckor"),
        ("S15", "20 veckor"),
        ("S16", "6 till 8 veckor"),
        ("S19", "15"),
        ("S22", "6 månader"),
        ("S24", "6 månader"),
    ],
)
def test_limits_are_told_to_everybody_from_ten(station: str, fact: str) -> None:
    """A time limit or age that decides something is never left out for those it decides for."""
    texts = BY_ID[station]["text"]
    for band in ("10-12", "13-17", "adult", "parent"):
        assert fact in " ".join(texts[band].values()), band


HELPLINES = load("helplines.yml")
LINES = {line["id"]: line for line in HELPLINES["lines"]}


def test_sets_show_at_most_three_listed_lines() -> None:
    """Somebody in danger sees few numbers, and only such as may be shown."""
    for name, ids in HELPLINES["sets"].items():
        assert 1 <= len(ids) <= 3, name
        assert len(ids) == len(set(ids)), name
        assert all(LINES[line]["listed"] for line in ids), name


def test_danger_sets_begin_with_112_and_children_get_bris() -> None:
    """112 first in danger; a child in danger also gets somebody to talk to."""
    for name in ("child_danger", "teen_danger", "adult_danger", "suicide", "suicide_child",
                 "violence", "violence_child", "honour", "honour_child", "poison"):  # fmt: skip
        assert "sos" == HELPLINES["sets"][name][0], name
    for name in HELPLINES["sets"]:
        if "child" in name or name.startswith("teen"):
            assert "bris" in HELPLINES["sets"][name], name
    assert "112" == LINES["sos"]["number_display"]
    assert "116 111" == LINES["bris"]["number_display"]


def test_unchecked_lines_state_no_hours() -> None:
    """Hours nobody has verified are not shown: a closed line may be the last try."""
    for line in LINES.values():
        if not line["checked"]:
            assert "hours" not in line and not line.get("round_the_clock"), line["id"]
        if line["listed"]:
            assert line["verified_at"] is not None and line["source"], line["id"]
            assert line["number_tel"] or line["url"], line["id"]


def test_numbers_to_dial_and_to_read_are_the_same() -> None:
    """A link dials the number it shows."""
    for line in LINES.values():
        shown = re.sub(r"\D", "", line["number_display"] or "")
        dialled = re.sub(r"^\+46", "0", line["number_tel"] or "")
        assert shown == dialled, line["id"]
        assert bool(line["spoken"]) == bool(shown), line["id"]


MUNICIPALITY = load("municipalities/exempelby.yml")
ROUTING = load("routing.yml")


def test_routing_ends_with_a_reader_for_everything() -> None:
    """Every rule leads to a real unit and says why; the last one takes what is left."""
    units = {unit["id"] for unit in MUNICIPALITY["units"]}
    allowed = {
        "about": {"me", "other_child", "adult", "family"},
        "now": {"yes", "no", "unsure"},
        "who": {"child", "partner", "parent", "adult", "professional"},
        "band": set(BANDS),
        "danger": {"A0", "A1", "A2"},
        "category": {f"D{number:02}" for number in range(1, 22)},
        "source": {"self", "private", "mandated", "consult"},
        "need": set(NEEDS),
        "only_need": set(NEEDS),
    }
    rules = ROUTING["rules"]
    assert len(rules) == len({rule["id"] for rule in rules})
    for rule in rules:
        assert {rule["unit"], *rule.get("also_tell", [])} <= units, rule["id"]
        assert rule["unit"] not in rule.get("also_tell", []), rule["id"]
        assert "T1" in rule["clocks"] and set(rule["clocks"]) <= {"T1", "T2"}, rule["id"]
        assert rule["reason"].endswith("."), rule["id"]
        for key, values in rule["when"].items():
            assert set(values) <= allowed[key], rule["id"]
    assert {} == rules[-1]["when"]
    assert ("mottagning_barn", ["T1", "T2"]) == (rules[-1]["unit"], rules[-1]["clocks"])


def test_the_child_unit_reads_what_a_child_writes() -> None:
    """Whatever a child writes about, no rule sends it to a unit for adults."""
    for rule in ROUTING["rules"]:
        writers = rule["when"].get("who")
        if writers is None or "child" in writers:
            assert rule["unit"] in ("mottagning_barn", "barn"), rule["id"]
        if rule["when"].get("who") == ["child"]:
            break


def test_example_municipality_can_be_seeded() -> None:
    """Staff stand in existing units, and every unit has a contact; no real address or number."""
    units = {unit["id"]: unit for unit in MUNICIPALITY["units"]}
    contacts = {contact["id"] for contact in MUNICIPALITY["contacts"]}
    assert all(unit["contact"] in contacts for unit in units.values())
    assert all(unit["mailbox"].endswith("@exempelby.example") for unit in units.values())
    # Numbers kept free for fiction by the Swedish Post and Telecom Authority.
    assert all(re.fullmatch(r"\+468465004\d\d", contact["number_tel"]) for contact in MUNICIPALITY["contacts"])
    roles = Counter(person["role"] for person in MUNICIPALITY["demo_staff"])
    assert {"therapist": 3, "case_worker": 2, "manager": 2, "editor": 1, "admin": 1} == dict(roles)
    for person in MUNICIPALITY["demo_staff"]:
        assert person["unit"] in units, person["login"]
        assert ("video" in person["channels"]) == bool(person["meeting_url"]), person["login"]
    assert MUNICIPALITY["booking"]["unit"] in units
    assert 0 == MUNICIPALITY["booking"]["meeting_minutes"] % 5


CODEWORDS = (CONTENT / "sv/codewords.txt").read_text(encoding="utf-8").splitlines()
FOLD = str.maketrans("åäöé", "aaoe")


def test_codewords_are_enough_for_a_code_nobody_guesses() -> None:
    """Six words carry at least 64 bits."""
    assert len(CODEWORDS) >= 2048
    assert math.log2(len(CODEWORDS) ** 6) >= 64


def test_codewords_are_easy_to_write() -> None:
    """Lower case, three to eight Swedish letters, sorted, one a line."""
    assert [] == [word for word in CODEWORDS if not re.fullmatch(r"[a-zåäöé]{3,8}", word)]
    assert sorted(CODEWORDS) == CODEWORDS


def test_codewords_survive_a_keyboard_without_dots() -> None:
    """Written without dots and rings, a word still is that word and no other."""
    assert len(CODEWORDS) == len({word.translate(FOLD) for word in CODEWORDS})


def test_one_slip_never_turns_a_codeword_into_another() -> None:
    """After folding, no two words are one changed, missing, extra or swapped letter apart."""
    folded = {word.translate(FOLD) for word in CODEWORDS}
    masked = Counter(word[:at] + "?" + word[at + 1 :] for word in folded for at in range(len(word)))
    assert [] == [mask for mask, times in masked.items() if times > 1]
    for word in folded:
        shorter = {word[:at] + word[at + 1 :] for at in range(len(word))}
        swapped = {word[:at] + word[at + 1] + word[at] + word[at + 2 :] for at in range(len(word) - 1)}
        assert set() == (shorter | (swapped - {word})) & folded, word


def test_codewords_give_nothing_away() -> None:
    """A note with six words must not look like what it is about, or frighten anybody."""
    telling_starts = (
        "mamma", "pappa", "polis", "social", "sprit", "alkohol", "drog", "knark", "missbruk",
        "syster", "familj", "fyllo", "spruta", "blod", "kniv", "pistol", "vapen", "krig",
        "hemlig", "rädd", "hjälp", "våld", "gömma", "rymma", "lögn",
    )  # fmt: skip
    telling_words = {
        "soc", "vin", "öl", "rus", "full", "bror", "barn", "slag", "slå", "död", "dö", "sex",
        "hat", "hot", "hota", "fara", "oro", "gråta", "ensam", "bris", "maskros", "mind", "kris",
    }  # fmt: skip
    assert [] == [word for word in CODEWORDS if word.startswith(telling_starts)]
    assert set() == telling_words & set(CODEWORDS)
