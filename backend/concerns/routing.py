"""``routing.yml`` read and checked: a mistake stops the start and names the file and the rule."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from backend.concerns.rules import PROTECTION_CHECK, Rule, Ruleset
from backend.core.content import ContentError, read_yaml
from backend.core.municipality import Strict
from backend.core.reader import Band, Who

_AtLeastOne = msgspec.Meta(min_length=1)
_Category = Annotated[str, msgspec.Meta(pattern=r"^D(0[1-9]|1[0-9]|2[01])$")]


class _When(Strict, frozen=True):
    about: Annotated[list[Literal["me", "other_child", "adult", "family"]], _AtLeastOne] | None = None
    now: Annotated[list[Literal["yes", "no", "unsure"]], _AtLeastOne] | None = None
    who: Annotated[list[Who], _AtLeastOne] | None = None
    band: Annotated[list[Band], _AtLeastOne] | None = None
    danger: Annotated[list[Literal["A0", "A1", "A2"]], _AtLeastOne] | None = None
    category: Annotated[list[_Category], _AtLeastOne] | None = None


class _Rule(Strict, frozen=True):
    id: Annotated[str, msgspec.Meta(pattern=r"^R\d+_\w+$")]
    when: _When
    unit: str
    clocks: Annotated[list[Literal["T1", "T2"]], _AtLeastOne]
    reason: Annotated[str, msgspec.Meta(min_length=10)]
    also_tell: tuple[str, ...] = ()
    restricted: bool = False


class _File(Strict, frozen=True):
    version: Annotated[str, msgspec.Meta(min_length=1)]
    valid_from: date
    rules: Annotated[list[Any], _AtLeastOne]


def load_routing(directory: Path, units: Collection[str]) -> Ruleset:
    """Read ``routing.yml`` for a municipality with these unit ids; raises `ContentError`."""
    path = directory / "routing.yml"
    try:
        file = msgspec.convert(read_yaml(path), _File)
    except msgspec.ValidationError as error:
        raise ContentError(f"{path}: {error}") from None
    rules = [_load_rule(path, number, raw, units) for number, raw in enumerate(file.rules, 1)]
    for number, rule in enumerate(rules, 1):
        if rule.id in {earlier.id for earlier in rules[: number - 1]}:
            raise ContentError(f"{path}: rule {rule.id}: the id is used twice")
        last = number == len(rules)
        if not rule.when and not last:
            raise ContentError(f"{path}: rule {rule.id}: without a condition it hides the rules after it")
        if rule.when and last:
            raise ContentError(f"{path}: rule {rule.id}: the last rule must take everything (when: {{}})")
    return Ruleset(file.version, rules)


def _load_rule(path: Path, number: int, raw: Any, units: Collection[str]) -> Rule:
    name = raw.get("id", f"number {number}") if isinstance(raw, dict) else f"number {number}"
    try:
        rule = msgspec.convert(raw, _Rule)
    except msgspec.ValidationError as error:
        raise ContentError(f"{path}: rule {name}: {error}") from None
    for unit in (rule.unit, *rule.also_tell):
        if unit not in units:
            raise ContentError(f"{path}: rule {name}: {unit} is no unit of the municipality")
    if PROTECTION_CHECK not in rule.clocks:
        raise ContentError(f"{path}: rule {name}: every concern gets a protection check ({PROTECTION_CHECK})")
    when = {field: frozenset(values) for field, values in msgspec.structs.asdict(rule.when).items() if values}
    return Rule(
        id=rule.id,
        when=when,
        unit=rule.unit,
        also_tell=rule.also_tell,
        restricted=rule.restricted,
        clocks=frozenset(rule.clocks),
        reason=rule.reason,
    )
