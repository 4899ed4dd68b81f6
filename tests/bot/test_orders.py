"""Promises of what is taken at its word: a wish for a human, silence, and two things in one message."""

from __future__ import annotations

import pytest

from channels.parts import parts_of
from components.plain import says_nothing, wants_human


@pytest.mark.parametrize(
    "text",
    [
        "ge mig en människa för fan",
        "jag vill för fan prata med en riktig människa nu",
        "MÄNNISKA!!!",
        "en manniska tack",
        "koppla mig till en riktig vuxen",
        "jag vill inte prata med en robot, ge mig en människa",
        "din jävla idiotrobot får jag prata med nån på riktigt",
        "let me talk to a real person",
        "human please",
    ],
)
def test_a_wish_for_a_human_is_never_missed(text: str) -> None:
    """In anger, without dots, in English."""
    assert wants_human(text)


@pytest.mark.parametrize(
    "text",
    [
        "är du en människa",
        "mamma vill prata med en människa",
        "jag vill inte prata med en människa",
        "jag vill bli en bra människa",
        "han är en hemsk människa",
        "jag vill boka en tid",
        "",
    ],
)
def test_what_only_speaks_of_humans_is_no_wish(text: str) -> None:
    """A question about the robot, somebody else's wish, a refusal."""
    assert not wants_human(text)


@pytest.mark.parametrize(("text", "nothing"), [("...", True), ("?", True), (" ", True), ("😭", False), ("ok", False)])
def test_dots_say_nothing_and_a_picture_does(text: str, nothing: bool) -> None:
    """Who cannot write may still send a face."""
    assert nothing == says_nothing(f"\u200b{text}")


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("jag vill boka tid och undrar om mamma får veta", ["jag vill boka tid", "undrar om mamma får veta"]),
        ("är det hemligt? kan jag boka tid", ["är det hemligt", "kan jag boka tid"]),
        ("mamma och pappa dricker", []),
        ("jag vill boka en tid", []),
        ("ord " * 31 + "och får jag veta det", []),
    ],
)
def test_two_things_in_one_message(text: str, parts: list[str]) -> None:
    """Cut where a question or a wish begins; a story is left whole."""
    assert parts == parts_of(text)
