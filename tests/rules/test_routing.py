"""Promise: the same answers always reach the same unit, and a mistake in the rules file never starts."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from backend.concerns.routing import Places, load_routing, parse_routing
from backend.concerns.rules import NEEDS, Facts, Ruleset
from backend.config import ROOT
from backend.core.content import ContentError
from backend.core.municipality import load_municipality

UNITS = {unit.id for unit in load_municipality(ROOT / "content", "exempelby").units}
PLACES = Places(UNITS, {"norr"}, {"sv", "en", "so"})
NOTHING = Facts(about=None, now=None, who=None, band=None, danger=None, category=None)


@pytest.fixture(scope="module")
def ruleset() -> Ruleset:
    return load_routing(ROOT / "content", PLACES)


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
        ({"who": "adult", "about": "me", "need": {"violence", "money"}}, "R15_violence_told", "mottagning_barn"),
        ({"who": "parent", "about": "me", "need": {"pregnancy"}}, "R16_pregnancy_told", "mottagning_barn"),
        ({"who": "child", "about": "me", "need": {"placed"}}, "R17_placed_child", "barn"),
        ({"who": "child", "need": {"placed"}, "category": "D01"}, "R03_violence", "mottagning_barn"),
        ({"who": "child", "need": {"money"}}, "R07_child_writes", "mottagning_barn"),
        ({"source": "consult", "who": "professional"}, "R18_consultation", "mottagning_barn"),
        ({"source": "mandated", "about": "other_child"}, "R19_mandated_report", "mottagning_barn"),
        ({"source": "private", "about": "other_child"}, "R08_about_a_child", "mottagning_barn"),
        ({"who": "adult", "about": "me", "need": {"staff_fault"}}, "R20_fault_in_care", "mottagning_barn"),
        ({"who": "partner", "about": "me", "need": {"money", "housing"}}, "R21_money_only", "ekonomi"),
        ({"who": "partner", "about": "me", "need": {"money", "own_use"}}, "R13_partner_about_self", "behandlare"),
        ({"who": "adult", "about": "me", "need": {"custody"}}, "R22_custody_only", "familjeratt"),
        ({"who": "adult", "about": "me", "need": {"disability"}}, "R23_disability_only", "funktionshinder"),
        ({"who": "adult", "about": "me", "need": {"mental_illness"}}, "R24_mental_illness_only", "socialpsykiatri"),
        (
            {"who": "adult", "about": "me", "need": {"mental_illness"}, "danger": "A1"},
            "R09_serious_danger",
            "mottagning_barn",
        ),
    ],
)
def test_first_rule_that_fits_decides(ruleset: Ruleset, facts: dict[str, Any], rule: str, unit: str) -> None:
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
    needs = itertools.cycle([frozenset(), *(frozenset({need}) for need in NEEDS), frozenset(NEEDS)])
    sources = itertools.cycle(["self", "private", "mandated"])
    for (about, now, (who, band), danger, category), need, source in zip(answers, needs, sources, strict=False):
        rule = ruleset.decide(Facts(about, now, who, band, danger, category, source, need))
        assert rule.unit in UNITS and "T1" in rule.clocks and rule.reason
        if who == "child" or about == "other_child" or source == "mandated":
            assert rule.unit in ("mottagning_barn", "barn") and "T2" in rule.clocks


def test_every_rule_can_decide(ruleset: Ruleset) -> None:
    """No rule stands in the shade of another."""
    for number, rule in enumerate(ruleset.rules):
        assert not [earlier.id for earlier in ruleset.rules[:number] if earlier.hides(rule)], rule.id


def test_only_honour_and_our_own_faults_are_restricted(ruleset: Ruleset) -> None:
    """Restricted reading follows the file."""
    assert ["R01_honour", "R20_fault_in_care"] == [rule.id for rule in ruleset.rules if rule.restricted]


def test_unknown_matches_no_value(ruleset: Ruleset) -> None:
    """Silence is never taken for an answer."""
    assert [ruleset.rules[-1].id] == [rule.id for rule in ruleset.rules if rule.matches(NOTHING)]


GOOD: dict[str, Any] = {
    "id": "R01_first", "when": {"who": ["child"]}, "unit": "vuxen", "clocks": ["T1", "T2"], "reason": "Därför att det är så.",
}  # fmt: skip
LAST = GOOD | {"id": "R99_last", "when": {}}


def told(rules: list[Any]) -> str:
    """A file with these rules, each rule on lines of its own."""
    file = {"version": "1", "valid_from": "2026-11-21", "rules": rules}
    # Through JSON, so that nothing is the same object twice and becomes an alias.
    return yaml.safe_dump(json.loads(json.dumps(file)), allow_unicode=True, sort_keys=False)


@pytest.mark.parametrize(
    ("rules", "named", "near"),
    [
        ([GOOD | {"unit": "trafik"}, LAST], "R01_first", "unit: trafik"),
        ([GOOD | {"also_tell": ["barn", "trafik"]}, LAST], "R01_first", "- trafik"),
        ([GOOD | {"also_tell": ["vuxen"]}, LAST], "R01_first", "- vuxen"),
        ([GOOD | {"clocks": ["T2"]}, LAST], "R01_first", "clocks:"),
        ([GOOD | {"clocks": ["T1", "T9"]}, LAST], "R01_first", "- T9"),
        ([GOOD | {"when": {"who": ["king"]}}, LAST], "R01_first", "- king"),
        ([GOOD | {"when": {"who": []}}, LAST], "R01_first", "who:"),
        ([GOOD | {"when": {"whoo": ["child"]}}, LAST], "R01_first", "whoo:"),
        ([GOOD | {"when": {"now": [True]}}, LAST], "R01_first", "- true"),
        ([GOOD | {"when": {"category": ["D22"]}}, LAST], "R01_first", "- D22"),
        ([GOOD | {"when": {"need": ["holidays"]}}, LAST], "R01_first", "- holidays"),
        ([GOOD | {"when": {"need": "money"}}, LAST], "R01_first", "need: money"),
        ([GOOD | {"when": {"area": ["söder"]}}, LAST], "R01_first", "- söder"),
        ([GOOD | {"when": {"lang": ["so", "tlh"]}}, LAST], "R01_first", "- tlh"),
        ([GOOD | {"restricted": "maybe"}, LAST], "R01_first", "restricted: maybe"),
        ([GOOD | {"reasson": "x"}, LAST], "R01_first", "reasson: x"),
        ([GOOD | {"reason": "kort"}, LAST], "R01_first", "reason: kort"),
        ([{key: value for key, value in GOOD.items() if key != "reason"}, LAST], "R01_first", "- id: R01_first"),
        ([GOOD, GOOD, LAST], "R01_first", "- id: R01_first"),
        ([GOOD, GOOD | {"id": "R02_hidden", "when": {"who": ["child"], "now": ["no"]}}, LAST], "R02_hidden", "when:"),
        ([GOOD | {"when": {"need": ["money", "housing"]}}, GOOD | {"id": "R02_hidden", "when": {"only_need": ["money"]}}, LAST], "R02_hidden", "when:"),
        ([GOOD | {"when": {}}, LAST], "R01_first", "when: {}"),
        ([GOOD], "R01_first", "when:"),
        (["not a rule", LAST], "number 1", "- not a rule"),
        ([GOOD | {"id": "first"}, LAST], "first", "id: first"),
        ([], "rules", "rules: []"),
    ],
)  # fmt: skip
def test_a_mistake_stops_the_start_and_is_named(tmp_path: Path, rules: list[Any], named: str, near: str) -> None:
    """File, line and rule are in the message, so that the one who edits finds it."""
    text = told(rules)
    (tmp_path / "routing.yml").write_text(text, "utf-8")
    with pytest.raises(ContentError) as caught:
        load_routing(tmp_path, PLACES)
    assert named in str(caught.value)
    place, _, _ = str(caught.value).partition(": ")
    file, _, line = place.partition(", line ")
    assert str(tmp_path / "routing.yml") == file
    assert near in text.splitlines()[int(line) - 1]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("- 1", 1),
        ("version: '1'\nrules: [\n", 3),
        ("version: '1'\nversion: '2'\n", 2),
        ("version: '1'\nvalid_from: 2026-11-21\nrules: &a [*a]\n", 3),
        ("version: '1'\nvalid_from: i morgon\nrules: []\n", 2),
        ("version: '1'\nvalid_from: 2026-11-21\nrules: !!python/object/apply:os.system [ls]\n", 3),
        ("version: '1'\nvalid_from: 2026-11-21\nrules:\n  - id: R01_a\n    unit: vuxen\n    unit: barn\n", 6),
        ("\x00", 1),
        ("a: " + "[" * 5000, 2),
        ("a: &x [1]\nb: *x", 2),
    ],
)
def test_what_is_no_rules_file_is_refused_with_its_line(text: str, line: int) -> None:
    """Cut off, doubled keys, loops, tags that would run something, depth: a sentence, and never a crash."""
    with pytest.raises(ContentError) as caught:
        parse_routing(text, PLACES)
    assert str(caught.value).startswith(f"routing.yml, line {line}: ")


def test_a_rule_for_an_area_or_a_language_decides_there(ruleset: Ruleset) -> None:
    """A municipality with areas can send each its own; silence about where one lives is no answer."""
    rules = parse_routing(told([GOOD | {"when": {"area": ["norr"], "lang": ["so"]}, "unit": "barn"}, LAST]), PLACES)
    assert "barn" == rules.decide(Facts(None, None, None, None, None, None, area="norr", lang="so")).unit
    assert "vuxen" == rules.decide(Facts(None, None, None, None, None, None, lang="so")).unit
    assert "vuxen" == rules.decide(NOTHING).unit
