"""Promises of every text that people can be given: nothing false, nothing harmful, and what children need to hear.

What is never said stands in `content/never_say.yml`, what children need to hear beside this file in
`must_and_never.yml`; both are section 6 of the project's domain notes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML
from test_dialogue_texts import READERS, RESPONSES, fitting

ROOT = Path(__file__).resolve().parent.parent.parent
CHILD_BANDS = ("6-9", "10-12", "13-17")


def load(path: Path) -> Any:
    return YAML(typ="safe").load(path.read_text("utf-8"))


LISTS = load(Path(__file__).with_name("must_and_never.yml"))
FORBIDDEN = load(ROOT / "content" / "never_say.yml")
NEVER = {name: [re.compile(pattern) for pattern in patterns] for name, patterns in FORBIDDEN["never"].items()}
NEEDS = {name: [re.compile(pattern) for pattern in patterns] for name, patterns in LISTS["needs"].items()}


def leaves(value: Any, where: str, band: str | None = None) -> Iterator[tuple[str, str | None, str]]:
    """(where, band, text) of all texts in a piece of content; None is for every band."""
    if isinstance(value, str):
        yield where, band, value
    elif isinstance(value, dict):
        for key, part in value.items():
            known = str(key) if str(key) in (*CHILD_BANDS, "adult", "parent") else None
            yield from leaves(part, f"{where}.{key}", known or band)
    elif isinstance(value, list):
        for place, part in enumerate(value):
            yield from leaves(part, f"{where}.{place}", band)


def everything() -> list[tuple[str, str | None, str]]:
    """Every text: all variations of all responses with their buttons, all phrases, all stations, all cards."""
    found = []
    for name, response in RESPONSES.items():
        for variation in response:
            bands = [c["value"] for c in variation.get("condition", []) if c["name"] == "band"]
            for text in (variation.get("text", ""), *(button["title"] for button in variation.get("buttons", []))):
                found.append((name, bands[0] if bands else None, text))
    for path in sorted(ROOT.glob("content/*/*.yml")):
        if path.name in ("phrases.yml", "stations.yml", "glossary.yml", "card.yml"):
            found += leaves(load(path), f"{path.parent.name}/{path.stem}")
    for path in sorted(ROOT.glob("content/*/phrases/*.yml")):
        found += leaves(load(path), f"{path.parent.parent.name}/{path.stem}")
    for path in (ROOT / "rasa" / "data" / "words").glob("*.yml"):
        if path.stem in ("buttons", "titles"):
            found += leaves(load(path), path.stem)
    return found


TEXTS = everything()


def sentences(text: str) -> list[str]:
    """The sentences of a text, each with the mark that ends it."""
    return [part.strip() for part in re.findall(r"[^.?!]+[.?!]*", text) if part.strip()]


def said_wrongly(text: str) -> list[str]:
    """What of the list a text says, sentence by sentence."""
    found = []
    for sentence in sentences(text.lower()):
        if any(re.search(turned, sentence) for turned in FORBIDDEN["but"]):
            continue
        found += [name for name, patterns in NEVER.items() if any(p.search(sentence) for p in patterns)]
    return found


def test_every_text_is_read() -> None:
    """Both languages, all bands, hundreds of texts from each place."""
    places = [where for where, _, _ in TEXTS]
    assert sum(place.startswith("utter_") for place in places) > 300
    for begins in ("sv/phrases", "en/phrases", "sv/stations"):
        assert sum(place.startswith(begins) for place in places) > 50, begins


@pytest.mark.parametrize("text", [
    "Allt blir bra.", "Vi lovar att hjälpa dig.", "Ingen får veta.", "Polisen kommer inte.", "Soc tar inte dig.",
    "Din pappa slutar dricka.", "Säg bara som det är så löser det sig.", "Varför berättade du inte förut?",
    "Hade du druckit?", "Dina föräldrar älskar dig.", "Du måste berätta.", "Jag förstår precis hur du har det.",
    "Det var nog inte så farligt.", "Hjälpen är på väg.", "Var extra snäll mot mamma.", "Häll ut spriten.",
    "Everything will be fine.", "I promise.", "Nobody will know.", "Help is on the way.",
    "Du är deprimerad.", "Hon bör sluta ta medicin.",
])  # fmt: skip
def test_the_list_finds_what_it_is_for(text: str) -> None:
    """Every example of the domain notes, and its English."""
    assert said_wrongly(text)


def test_nothing_is_said_or_promised_that_must_never_be() -> None:
    """No comfort that is not true, no promise, no blame, no diagnosis, no advice on treatment."""
    found = [(where, name, text) for where, _, text in TEXTS for name in said_wrongly(text)]
    assert [] == found


@pytest.mark.parametrize("name", sorted(n for n in RESPONSES if n.startswith(tuple(LISTS["feelings"]["names"]))))
def test_feelings_are_answered_by_listening(name: str) -> None:
    """At most two short sentences and one open question, for every reader and in English."""
    for variation in RESPONSES[name]:
        said = sentences(variation["text"])
        questions = [one for one in said if one.endswith("?")]
        assert len(questions) == 1 and said[-1] == questions[0], variation["text"]
        assert len(said) <= 3, variation["text"]
        assert all(len(one.split()) <= 18 for one in said), variation["text"]


@pytest.mark.parametrize("band", CHILD_BANDS)
@pytest.mark.parametrize("need", sorted(NEEDS))
def test_what_children_need_to_hear_is_said(need: str, band: str) -> None:
    """Somewhere in the words of each child band: by the assistant, the backend or the map."""
    reader = next(r for r in READERS if r.get("band") == band)
    texts = [fitting(response, reader)[0].get("text", "") for response in RESPONSES.values()]
    texts += [text for where, known, text in TEXTS if known == band and not where.startswith("utter_")]
    assert any(
        pattern.search(sentence.lower()) for pattern in NEEDS[need] for text in texts for sentence in sentences(text)
    )
