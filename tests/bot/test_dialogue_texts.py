"""Promises of every text the assistant can say: for every reader, short, plain, nothing false.

The limits are those of the house for each band: words in a sentence, sentences in a bubble,
LIX (words per sentence plus the share of words longer than six letters, in per cent).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

RASA = Path(__file__).resolve().parent.parent.parent / "rasa"

Response = list[dict[str, Any]]

READERS = [
    {"lang": "sv"},
    {"lang": "sv", "who": "child"},
    {"lang": "sv", "who": "child", "band": "6-9"},
    {"lang": "sv", "who": "child", "band": "10-12"},
    {"lang": "sv", "who": "child", "band": "13-17"},
    {"lang": "sv", "who": "partner", "band": "adult"},
    {"lang": "sv", "who": "adult", "band": "adult"},
    {"lang": "sv", "who": "professional", "band": "adult"},
    {"lang": "sv", "who": "parent", "band": "parent"},
]
EASY = "utter_easy__"
"""How the names of texts begin that only grown-ups are given."""

SIMPLER = [
    # Who has asked for simpler words: the role stays, the band is another one.
    {"lang": "sv", "band": "6-9"},
    {"lang": "sv", "who": "partner", "band": "13-17"},
    {"lang": "sv", "who": "adult", "band": "10-12"},
    {"lang": "sv", "who": "professional", "band": "6-9"},
]
ENGLISH = [{**reader, "lang": "en"} for reader in READERS]

# (words in a sentence, sentences in a bubble, LIX)
LIMITS = {
    "6-9": (12, 5, 25),
    "10-12": (15, 6, 30),
    "13-17": (18, 5, 35),
    "adult": (22, 5, 45),
    "parent": (18, 5, 42),
}
GREETING = "utter_start"
"""May be two sentences longer: a robot, 112 and no name needed have to be said at once."""

LONG_ENOUGH = 12
"""Below so many words, one long word decides the LIX, which then says nothing."""

EXPLAINED = (
    "behandlar",
    "familjebehandlar",
    "familjehem",
    "familjerådgivning",
    "familjerätt",
    "mottagning",
    "orosanmäl",
    "sekretess",
    "socialjour",
    "socialnämnd",
    "socialsekreterar",
    "utredning",
    "vårdnadshavar",
)
"""Names that a reader will meet anyway, on letters and doors."""

NEVER = [
    "allt blir bra",
    "vi lovar",
    "jag lovar",
    "ingen får veta vad",
    "polisen kommer inte",
    "soc tar inte dig",
    "slutar dricka om",
    "löser det sig",
    "varför berättade du inte",
    "hade du druckit",
    "älskar dig",
    "du måste berätta",
    "förstår precis",
    "inte så farligt",
    "hjälp är på väg",
    "missbrukare",
    "sms:a 112",
    "stackars",
    "var snäll mot",
    "häll ut",
    "jag minns",
    "tyvärr kan jag inte hjälpa",
    "konstigt att du",
]


def domain() -> dict[str, Any]:
    """All files of the domain, merged."""
    merged: dict[str, Any] = {}
    for path in sorted((RASA / "domain").glob("*.yml")):
        for key, value in YAML(typ="safe").load(path.read_text("utf-8")).items():
            if isinstance(value, dict):
                assert not merged.get(key, {}).keys() & value.keys(), f"{path}: twice"
                merged.setdefault(key, {}).update(value)
            elif isinstance(value, list):
                merged.setdefault(key, []).extend(value)
    return merged


DOMAIN = domain()
RESPONSES: dict[str, Response] = DOMAIN["responses"]


def fitting(response: Response, reader: dict[str, str]) -> list[dict[str, Any]]:
    """The variations Rasa chooses between for a reader."""
    conditional = [
        variation
        for variation in response
        if variation.get("condition") and all(reader.get(c["name"]) == c["value"] for c in variation["condition"])
    ]
    return conditional or [variation for variation in response if not variation.get("condition")]


def texts() -> Iterator[tuple[str, str, str]]:
    """(response, band, text) for all Swedish readers; an unknown one is read as 10-12."""
    for name, response in RESPONSES.items():
        for reader in READERS:
            if name.startswith(EASY) and reader.get("band") not in ("parent", "13-17"):
                continue
            text = fitting(response, reader)[0].get("text", "")
            if text:
                yield name, reader.get("band", "10-12"), text


def sentences(text: str) -> list[str]:
    """Sentences, colons and line breaks ending one as full stops do."""
    return [part for part in re.split(r"[.?!:]\s+|\n|[.?!]$", text) if part.strip()]


def lix(text: str) -> float:
    """LIX of a text; words that the texts themselves explain do not count as long."""
    said = re.findall(r"[^\W_]+(?:-[^\W_]+)*", text)
    long_words = sum(len(word) > 6 and not word.lower().startswith(EXPLAINED) for word in said)
    return len(said) / len(sentences(text)) + 100 * long_words / len(said)


@pytest.mark.parametrize("name", sorted(RESPONSES))
def test_each_reader_gets_exactly_one_text(name: str) -> None:
    """Rasa picks at random among all that fit, so only one may; English has one for all."""
    for reader in [*READERS, *SIMPLER, *ENGLISH]:
        found = fitting(RESPONSES[name], reader)
        assert 1 == len(found), (reader, [variation.get("text") for variation in found])
    english = [v for v in RESPONSES[name] if fitting(RESPONSES[name], ENGLISH[0])[0] is v]
    assert english[0].get("condition"), "no English text"


@pytest.mark.parametrize("name", sorted(RESPONSES))
def test_buttons_are_commands_that_the_domain_knows(name: str) -> None:
    """Every variation of a response has as many buttons, with the same payloads."""
    known = set(DOMAIN["intents"])
    payloads = {tuple(button["payload"] for button in variation.get("buttons", [])) for variation in RESPONSES[name]}
    assert 1 == len(payloads)
    for payload in payloads.pop():
        command = re.fullmatch(r"/(\w+)(\{.*\})?", payload)
        assert command and command[1] in known


@pytest.mark.parametrize(("name", "band", "text"), sorted(set(texts())))
def test_a_text_is_short_and_plain_enough(name: str, band: str, text: str) -> None:
    """Words in a sentence, sentences in a bubble, LIX."""
    words_most, sentences_most, lix_most = LIMITS[band]
    swedish = text.split("\n")[0]
    parts = sentences(swedish)
    longest = max(len(re.findall(r"[^\W_]+", part)) for part in parts)
    assert longest <= words_most, swedish
    assert len(parts) <= sentences_most + 2 * (name == GREETING), swedish
    if len(swedish.split()) >= LONG_ENOUGH:
        assert lix(swedish) <= lix_most, swedish


@pytest.mark.parametrize("phrase", NEVER)
def test_nothing_is_said_that_must_never_be_said(phrase: str) -> None:
    """No false comfort, no promise, no blame, no cheer."""
    for name, response in RESPONSES.items():
        for variation in response:
            assert phrase not in variation.get("text", "").lower(), name


def test_nothing_is_cheered() -> None:
    """No exclamation mark but in the greeting: nobody comes here because all is well."""
    for _, _, text in texts():
        assert "!" not in text.removeprefix("Hej!")


def test_the_first_words_tell_what_everybody_must_know() -> None:
    """A robot and no human, no name needed, 112: in the greeting of every reader."""
    for reader in READERS:
        greeting = fitting(RESPONSES["utter_start"], reader)[0]["text"].lower()
        assert "robot" in greeting and "inte" in greeting and "människa" in greeting
        assert "112" in greeting


@pytest.mark.parametrize("name", ["addiction__fault", "rights__secrecy", "rights__parents_know", "placement__how"])
def test_a_child_of_six_and_an_adult_read_different_texts(name: str) -> None:
    """At least four reading levels of what matters most, besides English."""
    bands = ("6-9", "10-12", "13-17", "adult")
    said = {band: text for known, band, text in texts() if known == f"utter_{name}"}
    assert 4 == len({said[band] for band in bands})


def test_no_text_is_missing_that_an_action_can_say() -> None:
    """Every question of a form can be asked, explained and asked again; every intent answered."""
    for form in DOMAIN["forms"].values():
        for slot in form["required_slots"]:
            assert f"utter_why__{slot}" in RESPONSES and f"utter_retry__{slot}" in RESPONSES
    rules = YAML(typ="safe")
    for path in (RASA / "data" / "rules").glob("*.yml"):
        for rule in rules.load(path.read_text("utf-8"))["rules"]:
            steps = rule["steps"]
            actions = {step.get("action") for step in steps}
            if actions & {"action_answer", "action_hear"}:
                assert f"utter_{steps[0]['intent']}" in RESPONSES, rule["rule"]
    roles = YAML(typ="safe").load((RASA / "data" / "words" / "roles.yml").read_text("utf-8"))
    for line in roles:
        assert all(f"utter_roles__{role}" in RESPONSES for role in line)


def test_every_intent_has_a_rule() -> None:
    """No message leads to a state that nobody has thought of."""
    ruled = {
        step["intent"]
        for path in (RASA / "data" / "rules").glob("*.yml")
        for rule in YAML(typ="safe").load(path.read_text("utf-8"))["rules"]
        for step in rule["steps"]
        if "intent" in step
    }
    assert set(DOMAIN["intents"]) | {"nlu_fallback"} == ruled


def test_buttons_and_guesses_lead_somewhere_and_have_titles() -> None:
    """Titles in both languages; payloads that the domain knows; no dangling name."""

    def load(name: str) -> Any:
        return YAML(typ="safe").load((RASA / "data" / "words" / f"{name}.yml").read_text("utf-8"))

    known, buttons, after = set(DOMAIN["intents"]), load("buttons"), load("next")
    for button in buttons.values():
        assert button["sv"] and button["en"]
        command = re.fullmatch(r"/(\w+)(\{.*\})?", button["payload"])
        assert command and command[1] in known
    lists = [after["main"], *after["after"].values()]
    lists += [after[name] for name in after if name.startswith("heard_")]
    assert all(name in buttons for names in lists for name in names)
    assert set(after["after"]) <= known
    assert all(name in RESPONSES for name in after["yes_means"])
    titles = load("titles")
    assert set(titles) <= known and all(t["sv"] and t["en"] for t in titles.values())
