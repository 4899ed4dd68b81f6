"""The conversations of `tests/dialogue`, with the real model, actions and their neighbour.

Known trouble with forms that these would show: the open question asked twice or never after an
interruption (RasaHQ/rasa #7751), an answer put in the wrong slot when the form comes back
(rasa-sdk #389), a question that goes on for ever (rasa-sdk #317).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from house import House, Talk, house
from ruamel.yaml import YAML
from test_dialogue_texts import RESPONSES, fitting

FOLDER = Path(__file__).resolve().parent.parent / "dialogue"
SCRIPTS = [
    pytest.param(script, id=f"{path.stem}: {script['name']}")
    for path in sorted(FOLDER.glob("*.yml"))
    for script in YAML(typ="safe").load(path.read_text("utf-8"))
]


@pytest.fixture(scope="module")
def running() -> Iterator[House]:
    """One set of processes for all conversations."""
    with house() as started:
        yield started


def said(message: dict[str, Any], reader: dict[str, str]) -> set[str]:
    """The names of the responses whose text for `reader` an utterance is."""
    text = message["text"] or ""
    names = set()
    for name, response in RESPONSES.items():
        template = fitting(response, reader)[0].get("text", "")
        pattern = re.sub(r"\\\{\w+\\\}", ".+", re.escape(template))
        if template and re.fullmatch(pattern, text):
            names.add(name.removeprefix("utter_"))
    return names


def fits(message: dict[str, Any], expected: Any, reader: dict[str, str]) -> bool:
    """Whether an utterance is the expected one."""
    custom = message["custom"] or {}
    if isinstance(expected, dict):
        return message["text"] is None and expected.items() <= custom.items()
    name, _, shown = expected.rstrip("!").partition("+")
    return (
        name in said(message, reader)
        and custom.get("show", "") == shown
        and bool(custom.get("interruption")) == expected.endswith("!")
    )


def told(messages: list[dict[str, Any]], reader: dict[str, str]) -> list[Any]:
    """A turn's utterances, readable in a failing test."""
    return [(sorted(said(m, reader)) or m["text"], m["custom"]) for m in messages]


def take(talk: Talk, turn: dict[str, Any]) -> dict[str, Any]:
    """Carry out one turn of a script."""
    for call, names in turn.get("will", {}).items():
        talk.neighbour.will(call, *(names if isinstance(names, list) else [names]))
    if turn.get("lose"):
        talk.lose()
    return talk.say(turn["say"]) if "say" in turn else talk.press(turn["press"])


@pytest.mark.parametrize("script", SCRIPTS)
def test_conversation(running: House, script: dict[str, Any]) -> None:
    """Every utterance of every turn, in order, and nothing besides."""
    running.neighbour.forget()
    reader = {"lang": "sv", **script["who"]}
    talk = running.talk(**script["who"])
    for turn in script["turns"]:
        answer = take(talk, turn)
        reader |= turn.get("reader", {})
        step = turn.get("say", turn.get("press"))
        expected = turn.get("hears_one_of") or [turn["hears"]]
        messages = answer["messages"]
        assert any(
            len(messages) == len(names) and all(fits(m, name, reader) for m, name in zip(messages, names, strict=True))
            for names in expected
        ), (step, answer["intent"], told(messages, reader))
        if "open" in turn:
            assert turn["open"] == answer["requested"], step
            assert (turn["open"] is None) == (answer["loop"] is None), step
        for call, body in turn.get("asked", {}).items():
            requests = running.neighbour.requests(call)
            assert requests and body.items() <= requests[-1].items(), (step, requests)
        state = talk.state or {}
        for name, value in turn.get("reader", {}).items():
            assert value == state["slots"].get(name), step
    assert [] == running.neighbour.objections


def test_nobodys_words_are_in_what_the_backend_keeps_of_a_conversation(running: House) -> None:
    """The state that goes back and forth has ids and labels, and never a text."""
    talk = running.talk(who="child", band="10-12")
    words = "kanariefågel flyger över huset"
    talk.press("/concern")
    talk.say(words)
    talk.say(f"pappa skriker {words}")
    answer = talk.press("/that_is_all")
    assert "kanarie" not in str(answer["state"]).lower()
    assert 2 == len(answer["state"]["slots"]["parts"])


def test_not_understood_never_gets_the_same_apology_twice_running(running: House) -> None:
    """Two guesses, then the main things with numbers, then a person; and a way on each time."""
    talk = running.talk(who="child", band="10-12")
    heard = []
    for text in ("mjo grejen liksom", "den där grejen alltså", "nä men grejen", "grejen ju"):
        answer = talk.say(text)
        if answer["intent"]["name"] != "nlu_fallback":
            continue
        (message,) = answer["messages"]
        assert message["buttons"]
        heard.append(message["text"])
    assert len(heard) >= 2, "these texts are understood by now: choose others"
    assert all(first != second for first, second in pairwise(heard))


def test_an_answer_says_its_name(running: House) -> None:
    """Also when an action gives it, so that an editor's words can take its place."""
    running.neighbour.forget()
    answer = running.talk(who="child", band="13-17").say("är det hemligt det jag skriver här?")
    assert "utter_rights__secrecy" in [message["name"] for message in answer["messages"]]
