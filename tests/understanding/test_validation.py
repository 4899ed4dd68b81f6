"""What is understood of messages that nothing was trained on does not fall below what was reached.

The floors stand some points under what was measured (README has the figures), wide enough
for another processor's rounding and one more teaching line, not for a worse model.
"""

from __future__ import annotations

import pytest

from bench.understanding import Figures, Read, groups, lines, read


@pytest.fixture(scope="module")
def results() -> list[Read]:
    return read(lines())


@pytest.fixture(scope="module")
def by_group(results: list[Read]) -> dict[str, Figures]:
    return {name: Figures.of(found) for name, found in groups(results).items()}


def test_every_voice_and_language_is_measured(by_group: dict[str, Figures]) -> None:
    for voice in ("child7", "child10", "teen", "partner", "parent", "relative", "professional"):
        assert by_group[f"sv, {voice}"].capability.of >= 50
    for lang in ("ar", "fi", "so", "uk", "fa", "pl", "tr"):
        assert by_group[f"· {lang}"].capability.of >= 10


@pytest.mark.parametrize(("group", "floor"), [("sv", 0.78), ("en", 0.76), ("other languages", 0.73)])
def test_what_somebody_wants_is_understood(by_group: dict[str, Figures], group: str, floor: float) -> None:
    assert by_group[group].capability.value >= floor


def test_rare_wishes_are_understood_about_as_well_as_common_ones(by_group: dict[str, Figures]) -> None:
    figures = by_group["sv"]
    assert abs(figures.f1 - figures.capability.value) <= 0.04


def test_the_right_answer_is_among_three(by_group: dict[str, Figures]) -> None:
    """So that two or three buttons help whoever was not understood."""
    assert by_group["all"].third.value >= 0.90


def test_danger_is_found(by_group: dict[str, Figures]) -> None:
    """Card or check for whoever is in danger; the card itself for danger to life."""
    assert by_group["all"].found.value >= 0.92
    assert by_group["all"].card_of_a0.value >= 0.82
    assert by_group["sv"].card_of_a0.value >= 0.88


def test_calm_people_are_left_in_peace(by_group: dict[str, Figures]) -> None:
    figures = by_group["all"]
    assert figures.calm_card.value <= 0.03
    assert figures.calm_card.value + figures.calm_check.value <= 0.12
    assert figures.traps_card.value <= 0.10


def test_without_the_embedding_it_is_worse_and_still_of_use() -> None:
    figures = Figures.of(read(lines(), "none"))
    assert figures.capability.value >= 0.72
    assert figures.found.value >= 0.84
