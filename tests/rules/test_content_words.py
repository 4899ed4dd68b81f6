"""The words people meet keep their promises: readable at the reader's age, true in their
time limits, free of what must never be said, and complete.

LIX = words per sentence + percentage of words longer than six letters.
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

CONTENT = Path(__file__).resolve().parents[2] / "content"
BANDS = ("6-9", "10-12", "13-17", "adult", "parent")

# band: (highest LIX, most sentences, most words in one sentence, most words in a mean sentence)
LIMITS = {
    "6-9": (20, 3, 12, 8),
    "10-12": (25, 4, 15, 12),
    "13-17": (30, 5, 18, 15),
    "adult": (40, 5, 22, 18),
    "parent": (35, 5, 15, 15),
}
CHILD_BANDS = ("6-9", "10-12", "13-17")

NEVER_SAY = (
    "allt blir bra",
    "allt kommer att bli bra",
    "lovar att hjälpa",
    "ingen får veta",
    "helt hemligt",
    "polisen kommer inte",
    "soc tar inte dig",
    "slutar dricka",
    "så löser det sig",
    "varför berättade du inte",
    "hade du druckit",
    "dina föräldrar älskar dig",
    "du måste berätta",
    "jag förstår precis",
    "inte så farligt",
    "stackars",
    "missbrukare",
    "missbruk",
    "alkoholist",
    "hjälpen är på väg",
    "extra snäll",
    "sms:a 112",
)


def load(name: str) -> Any:
    return yaml.safe_load((CONTENT / name).read_text(encoding="utf-8"))


def sentences(text: str) -> list[list[str]]:
    parts = (re.findall(r"[0-9A-Za-zÅÄÖÉåäöé]+", part) for part in re.split(r"[.!?:]+", text))
    return [words for words in parts if words]


def lix(text: str) -> float:
    split = sentences(text)
    words = [word for sentence in split for word in sentence]
    long_words = [word for word in words if len(word) > 6]
    return len(words) / len(split) + 100 * len(long_words) / len(words)


STATIONS = load("sv/stations.yml")
BY_ID = {station["id"]: station for station in STATIONS["stations"]}
FIELDS = ("what", "meet", "time", "may", "next", "simpler")
TEXTS = [
    *(pytest.param(band, text, 2, id=f"overview-{band}") for band, text in STATIONS["overview"].items()),
    *(
        pytest.param(band, words[field], 2 if field == "what" else 1, id=f"{station['id']}-{band}-{field}")
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


@pytest.mark.parametrize(("band", "text", "at_least"), TEXTS)
def test_text_fits_its_reader(band: str, text: str, at_least: int) -> None:
    """LIX, number of sentences and their length stay inside the band's limits."""
    highest_lix, most_sentences, longest, longest_mean = LIMITS[band]
    lengths = [len(words) for words in sentences(text)]
    assert lix(text) <= highest_lix, text
    assert at_least <= len(lengths) <= most_sentences, text
    assert max(lengths) <= longest, text
    assert sum(lengths) / len(lengths) <= longest_mean, text


@pytest.mark.parametrize(("band", "text", "at_least"), TEXTS)
def test_text_says_nothing_it_must_not(band: str, text: str, at_least: int) -> None:
    """No promise nobody can keep, no blame, no out-of-date word, no cheering."""
    lowered = text.lower()
    assert [] == [phrase for phrase in NEVER_SAY if phrase in lowered]
    assert "!" not in text
    if band in CHILD_BANDS:
        assert not re.search(r"\b(mamma|pappa|mammas|pappas)\b", lowered)
    assert not re.search(r"(?<!ekonomiskt )\bbistånd", lowered)


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
            assert "hours" not in line, line["id"]
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
