"""What masking goes by and what staff choose from, read from ``content/`` and checked at the start."""

from __future__ import annotations

from pathlib import Path

import msgspec

from backend.core.content import ContentError, read_yaml
from backend.core.municipality import Municipality
from backend.improving.rules import Masker, Vocabulary


class _Placeholders(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    number: str
    mail: str
    link: str
    handle: str
    address: str


class _File(msgspec.Struct, forbid_unknown_fields=True):
    placeholders: _Placeholders
    capitals: list[str]
    before_names: list[str]
    not_names: list[str]
    streets: list[str]
    not_streets: list[str]
    digits: list[str]
    numbers: list[str]


def load_vocabulary(directory: Path, municipality: Municipality) -> Vocabulary:
    """The lists, with the municipality's own name among the names; raises `ContentError`."""
    path = directory / "sv" / "masking.yml"
    try:
        file = msgspec.convert(read_yaml(path), _File)
    except msgspec.ValidationError as error:
        raise ContentError(f"{path}: {error}") from None
    return Vocabulary(
        placeholders=msgspec.structs.asdict(file.placeholders),
        names=load_names(directory) | {municipality.short_name.casefold()},
        capitals=frozenset(file.capitals),
        before_names=file.before_names,
        not_names=frozenset(file.not_names),
        streets=file.streets,
        not_streets=frozenset(file.not_streets),
        digits=file.digits,
        numbers=frozenset(file.numbers),
    )


def load_names(directory: Path) -> frozenset[str]:
    """People and places, in lower case; raises `ContentError` for a line that is no such thing."""
    path = directory / "sv" / "names.txt"
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        raise ContentError(f"{path}: not found") from None
    names = [line for line in lines if line and not line.startswith("#")]
    wrong = [name for name in names if name != name.casefold().strip()]
    if wrong or not names:
        raise ContentError(f"{path}: not a name in lower case: {', '.join(wrong) or 'the file is empty'}")
    return frozenset(names)


def load_intents(directory: Path) -> dict[str, str]:
    """Titles by intent, in the order of the titles; raises `ContentError`."""
    path = directory / "sv" / "intents.yml"
    try:
        titles = msgspec.convert(read_yaml(path), dict[str, str])
    except msgspec.ValidationError as error:
        raise ContentError(f"{path}: {error}") from None
    return dict(sorted(titles.items(), key=lambda item: (item[1].casefold(), item[0])))


def load_masker(directory: Path, municipality: Municipality) -> Masker:
    """The masker of one municipality; raises `ContentError`."""
    return Masker(load_vocabulary(directory, municipality))
