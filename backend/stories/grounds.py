"""``grounds.yml`` read and checked: a mistake stops the start and names the file and the ground."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from backend.core.content import ContentError, Phrases, read_yaml
from backend.core.municipality import Strict
from backend.stories.rules import Gate, Ground, Grounds

_Id = Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z_]*$")]
_AtLeastOne = msgspec.Meta(min_length=1)


class _Ground(Strict, frozen=True):
    id: _Id
    paragraph: Annotated[str, msgspec.Meta(min_length=4)]
    gates: Annotated[list[Literal["G1", "G2", "G3"]], _AtLeastOne]
    words: bool
    to: tuple[str, ...] = ()


class _File(Strict, frozen=True):
    version: Annotated[str, msgspec.Meta(min_length=1)]
    valid_from: date
    grounds: Annotated[list[Any], _AtLeastOne]
    outside: Annotated[list[_Id], _AtLeastOne]


def load_grounds(directory: Path, units: Collection[str], phrases: Phrases) -> Grounds:
    """Read ``grounds.yml`` for a municipality with these unit ids; every ground has its words. Raises `ContentError`."""
    path = directory / "grounds.yml"
    try:
        file = msgspec.convert(read_yaml(path), _File)
    except msgspec.ValidationError as error:
        raise ContentError(f"{path}: {error}") from None
    grounds: list[Ground] = []
    for number, raw in enumerate(file.grounds, 1):
        ground = _load(path, number, raw, units)
        if any(ground.id == earlier.id for earlier in grounds):
            raise ContentError(f"{path}: ground {ground.id}: the id is used twice")
        _need(path, phrases, f"staff.story.ground.{ground.id}", f"mypage.ground.{ground.id}")
        grounds.append(ground)
    for name in file.outside:
        _need(path, phrases, f"mypage.outside.{name}")
    return Grounds(file.version, tuple(grounds), tuple(file.outside))


def _load(path: Path, number: int, raw: Any, units: Collection[str]) -> Ground:
    name = raw.get("id", f"number {number}") if isinstance(raw, dict) else f"number {number}"
    try:
        read = msgspec.convert(raw, _Ground)
    except msgspec.ValidationError as error:
        raise ContentError(f"{path}: ground {name}: {error}") from None
    for unit in read.to:
        if unit not in units:
            raise ContentError(f"{path}: ground {name}: {unit} is no unit of the municipality")
    return Ground(read.id, read.paragraph, frozenset(map(Gate, read.gates)), read.to, read.words)


def _need(path: Path, phrases: Phrases, *keys: str) -> None:
    for key in keys:
        if key not in phrases:
            raise ContentError(f"{path}: the phrase {key} is missing")
