"""``routing.yml`` read and checked: a mistake stops the start and names file, line and rule."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from backend.concerns.rules import PROTECTION_CHECK, Rule, Ruleset
from backend.core.content import LANGUAGES, ContentError, Located
from backend.core.house import House
from backend.core.municipality import Strict
from backend.core.reader import Band, Reader, Who

FILE = "routing.yml"

_AtLeastOne = msgspec.Meta(min_length=1)
_Category = Annotated[str, msgspec.Meta(pattern=r"^D(0[1-9]|1[0-9]|2[01])$")]
_Need = Literal[
    "violence", "own_use", "pregnancy", "placed", "money", "housing", "custody", "disability", "mental_illness",
    "staff_fault",
]  # fmt: skip


class _When(Strict, frozen=True):
    about: Annotated[list[Literal["me", "other_child", "adult", "family"]], _AtLeastOne] | None = None
    now: Annotated[list[Literal["yes", "no", "unsure"]], _AtLeastOne] | None = None
    who: Annotated[list[Who], _AtLeastOne] | None = None
    band: Annotated[list[Band], _AtLeastOne] | None = None
    danger: Annotated[list[Literal["A0", "A1", "A2"]], _AtLeastOne] | None = None
    category: Annotated[list[_Category], _AtLeastOne] | None = None
    source: Annotated[list[Literal["self", "private", "mandated", "consult"]], _AtLeastOne] | None = None
    need: Annotated[list[_Need], _AtLeastOne] | None = None
    only_need: Annotated[list[_Need], _AtLeastOne] | None = None
    area: Annotated[list[str], _AtLeastOne] | None = None
    lang: Annotated[list[str], _AtLeastOne] | None = None


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


@dataclass(frozen=True, slots=True)
class Places:
    """What a rules file may point at: ids of units and areas, codes of languages."""

    units: Collection[str]
    areas: Collection[str] = ()
    languages: Collection[str] = LANGUAGES

    @classmethod
    def of(cls, house: House) -> Places:
        """Those of one municipality."""
        return cls(
            {unit.id for unit in house.municipality.units},
            {area.id for area in house.municipality.areas},
            {*LANGUAGES, *(code for code, _ in house.tongues.choices(Reader()))},
        )


def load_routing(directory: Path, places: Places) -> Ruleset:
    """Read ``routing.yml`` in ``directory``; raises `ContentError` with file, line and rule."""
    return _checked(Located(directory / FILE), places)


def parse_routing(text: str, places: Places, name: str = FILE) -> Ruleset:
    """The rules in ``text``, for a dry run of a file that is not in force; raises as `load_routing`."""
    return _checked(Located(Path(name), text), places)


def _checked(file: Located, places: Places) -> Ruleset:
    loaded = file.convert(_File)
    rules: list[Rule] = []
    for index, raw in enumerate(loaded.rules):
        rule = _rule(file, index, raw, places)
        _check_place(file, index, rule, rules, last=index == len(loaded.rules) - 1)
        rules.append(rule)
    return Ruleset(loaded.version, rules)


def _rule(file: Located, index: int, raw: Any, places: Places) -> Rule:
    name = raw.get("id") if isinstance(raw, dict) else None
    who = f"rule {name or f'number {index + 1}'}: "

    def refuse(what: str, *where: str | int) -> ContentError:
        return file.error(who + what, "rules", index, *where)

    rule = file.convert(_Rule, "rules", index, of=who)
    if rule.unit not in places.units:
        raise refuse(f"{rule.unit} is no unit of the municipality", "unit")
    for number, unit in enumerate(rule.also_tell):
        if unit not in places.units:
            raise refuse(f"{unit} is no unit of the municipality", "also_tell", number)
        if unit == rule.unit:
            raise refuse(f"{unit} reads it already", "also_tell", number)
    if PROTECTION_CHECK not in rule.clocks:
        raise refuse(f"every concern gets a protection check ({PROTECTION_CHECK})", "clocks")
    for field, allowed, what in (
        ("area", places.areas, "is no area of the municipality"),
        ("lang", places.languages, "is no language of interpreters.yml"),
    ):
        for number, value in enumerate(getattr(rule.when, field) or ()):
            if value not in allowed:
                raise refuse(f"{value} {what}", "when", field, number)
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


def _check_place(file: Located, index: int, rule: Rule, earlier: list[Rule], *, last: bool) -> None:
    def refuse(what: str, field: str) -> ContentError:
        return file.error(f"rule {rule.id}: {what}", "rules", index, field)

    for other in earlier:
        if other.id == rule.id:
            raise refuse("the id is used twice", "id")
        if rule.when and other.hides(rule):
            raise refuse(f"never decides: {other.id} before it takes everything that it fits", "when")
    if not rule.when and not last:
        raise refuse("without a condition it hides the rules after it", "when")
    if rule.when and last:
        raise refuse("the last rule must take everything (when: {})", "when")
