"""Promise: the same answers always reach the same unit, and a mistake in the rules file never starts."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
import yaml

from backend.concerns.routing import load_routing
from backend.concerns.rules import Facts, Ruleset
from backend.config import ROOT
from backend.core.content import ContentError
from backend.core.municipality import load_municipality

UNITS = {unit.id for unit in load_municipality(ROOT / "content", "exempelby").units}
NOTHING = Facts(about=None, now=None, who=None, band=None, danger=None, category=None)


@pytest.fixture(scope="module")
def ruleset() -> Ruleset:
    return load_routing(ROOT / "content", UNITS)


@pytest.mark.parametrize(
    ("facts", "rule", "unit"),
    [
        ({}, "R99_everything_else", "mottagning_barn"),
        ({"who": "child", "about": "me"}, "R07_child_writes", "mottagning_barn"),
        ({"who": "child", "about": "adult"}, "R07_child_writes", "mottagning_barn"),
        ({"who": "adult", "about": "other_child"}, "R08_about_a_child", "mottagning_barn"),
        ({"who": "parent", "about": "me"}, "R10_parent_about_self", "vuxen"),
        ({"who": "parent", "about": "adult"}, "R99_everything_else", "mottagning_barn"),
        ({"who": "parent", "about": "me", "danger": "A0", "category": "D01"}, "R03_violence", "mottagning_barn"),
        ({"who": "parent", "about": "me", "danger": "A1", "category": "D11"}, "R09_serious_danger", "mottagning_barn"),
        ({"who": "parent", "about": "me", "danger": "A2", "category": "D11"}, "R10_parent_about_self", "vuxen"),
        ({"who": "partner", "about": "me"}, "R13_partner_about_self", "behandlare"),
        ({"who": "partner", "about": "adult"}, "R14_about_an_adult", "vuxen"),
        ({"about": "adult"}, "R99_everything_else", "mottagning_barn"),
        ({"category": "D13", "who": "adult"}, "R01_honour", "mottagning_barn"),
        ({"category": "D09", "danger": "A1"}, "R02_sexual", "mottagning_barn"),
    ],
)
def test_first_rule_that_fits_decides(ruleset: Ruleset, facts: dict[str, str], rule: str, unit: str) -> None:
    """The table of the municipality's own rules, row by row."""
    decided = ruleset.decide(
        Facts(**{"about": None, "now": None, "who": None, "band": None, "danger": None, "category": None} | facts)
    )
    assert (rule, unit) == (decided.id, decided.unit)


def test_everything_reaches_somebody_and_starts_the_check(ruleset: Ruleset) -> None:
    """Every combination of answers leads to a real unit, with the protection check running and a reason to read."""
    answers = itertools.product(
        (None, "me", "other_child", "adult", "family"),
        (None, "yes", "no", "unsure"),
        (
            (None, None),
            ("child", "6-9"),
            ("partner", "adult"),
            ("parent", "parent"),
            ("adult", "adult"),
            ("professional", "adult"),
        ),
        (None, "A0", "A1", "A2"),
        (None, *(f"D{number:02}" for number in range(1, 22))),
    )
    for about, now, (who, band), danger, category in answers:
        rule = ruleset.decide(Facts(about, now, who, band, danger, category))
        assert rule.unit in UNITS and "T1" in rule.clocks and rule.reason
        if who == "child" or about == "other_child":
            assert "mottagning_barn" == rule.unit and "T2" in rule.clocks


def test_only_honour_is_restricted(ruleset: Ruleset) -> None:
    """Restricted reading follows the file."""
    assert ["R01_honour"] == [rule.id for rule in ruleset.rules if rule.restricted]


def test_unknown_matches_no_value(ruleset: Ruleset) -> None:
    """Silence is never taken for an answer."""
    assert [ruleset.rules[-1].id] == [rule.id for rule in ruleset.rules if rule.matches(NOTHING)]


GOOD: dict[str, Any] = {
    "id": "R01_first", "when": {"who": ["child"]}, "unit": "vuxen", "clocks": ["T1", "T2"], "reason": "Därför att det är så.",
}  # fmt: skip
LAST = GOOD | {"id": "R99_last", "when": {}}


@pytest.mark.parametrize(
    ("rules", "named"),
    [
        ([GOOD | {"unit": "trafik"}, LAST], "R01_first"),
        ([GOOD | {"also_tell": ["trafik"]}, LAST], "R01_first"),
        ([GOOD | {"clocks": ["T2"]}, LAST], "R01_first"),
        ([GOOD | {"clocks": ["T1", "T9"]}, LAST], "R01_first"),
        ([GOOD | {"when": {"who": ["king"]}}, LAST], "R01_first"),
        ([GOOD | {"when": {"who": []}}, LAST], "R01_first"),
        ([GOOD | {"when": {"whoo": ["child"]}}, LAST], "R01_first"),
        ([GOOD | {"when": {"now": [True]}}, LAST], "R01_first"),
        ([GOOD | {"when": {"category": ["D22"]}}, LAST], "R01_first"),
        ([GOOD | {"reasson": "x"}, LAST], "R01_first"),
        ([{key: value for key, value in GOOD.items() if key != "reason"}, LAST], "R01_first"),
        ([GOOD, GOOD, LAST], "R01_first"),
        ([GOOD | {"when": {}}, LAST], "R01_first"),
        ([GOOD], "R01_first"),
        (["not a rule", LAST], "number 1"),
        ([], "rules"),
    ],
)
def test_a_mistake_stops_the_start_and_is_named(tmp_path: Path, rules: list[Any], named: str) -> None:
    """File and rule are in the message, so that the one who edits finds the line."""
    file = {"version": "1", "valid_from": "2026-11-21", "rules": rules}
    (tmp_path / "routing.yml").write_text(yaml.safe_dump(file, allow_unicode=True), "utf-8")
    with pytest.raises(ContentError) as caught:
        load_routing(tmp_path, UNITS)
    assert "routing.yml" in str(caught.value) and named in str(caught.value)
