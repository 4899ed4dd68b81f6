"""Words for people, read from ``content/`` and checked at the start.

A mistake in a content file stops the start with the file's name, so that a child
never meets a missing sentence.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from backend.core.reader import BANDS, Lang, Reader

SafeYaml: type[yaml.SafeLoader | yaml.CSafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The safe loader in C where PyYAML has it: ten times as fast, and reading content was most of the start."""

_DEFAULT = "default"
LANGUAGES: tuple[Lang, ...] = ("sv", "en")


class ContentError(Exception):
    """A content file is missing, malformed or incomplete; the message names it."""


def read_yaml(path: Path) -> Any:
    """The parsed file; raises `ContentError` with file and line."""
    try:
        return yaml.load(path.read_text("utf-8"), Loader=SafeYaml)  # noqa: S506
    except FileNotFoundError:
        raise ContentError(f"{path}: not found") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ContentError(f"{path}: {error}") from None


class Phrases:
    """Buttons, headings, messages and mails: ``say("emergency.text", reader)``.

    A phrase is a string, or a mapping from age band to string with ``default`` for
    readers we know nothing about. Swedish has every phrase; a language that lacks
    one falls back on Swedish rather than on silence.
    """

    def __init__(self, by_language: Mapping[Lang, Mapping[str, Mapping[str, str]]]) -> None:
        self._by_language = by_language

    @classmethod
    def load(cls, directory: Path) -> Phrases:
        """Read ``<language>/phrases.yml`` and ``<language>/phrases/*.yml`` for each language; raises `ContentError`."""
        loaded: dict[Lang, dict[str, dict[str, str]]] = {}
        for lang in LANGUAGES:
            loaded[lang] = {}
            for path in (directory / lang / "phrases.yml", *sorted((directory / lang / "phrases").glob("*.yml"))):
                phrases = dict(_flatten(read_yaml(path), path, ""))
                if twice := phrases.keys() & loaded[lang].keys():
                    raise ContentError(f"{path}: in another file too: {', '.join(sorted(twice))}")
                loaded[lang] |= phrases
                if unknown := loaded[lang].keys() - loaded["sv"].keys():
                    raise ContentError(f"{path}: not in Swedish: {', '.join(sorted(unknown))}")
        return cls(loaded)

    def keys(self, lang: Lang = "sv") -> set[str]:
        """Every phrase that the language has."""
        return set(self._by_language[lang])

    def __contains__(self, key: str) -> bool:
        return key in self._by_language["sv"]

    def variants(self, key: str, lang: Lang = "sv") -> Mapping[str, str]:
        """A phrase's text per band; ``default`` is always there."""
        return self._by_language[lang].get(key) or self._by_language["sv"][key]

    def say(self, key: str, reader: Reader | None = None, /, **values: object) -> str:
        """The phrase in the reader's language and band, with ``{name}`` filled in. Raises `KeyError` for an unknown key."""
        reader = reader or Reader()
        variants = self.variants(key, reader.lang)
        text = variants.get(reader.band or _DEFAULT) or variants[_DEFAULT]
        return text.format_map(values) if values else text


def _flatten(node: Any, path: Path, prefix: str) -> list[tuple[str, dict[str, str]]]:
    if isinstance(node, str):
        return [(prefix, {_DEFAULT: node.strip()})]
    if not isinstance(node, dict) or not node:
        raise ContentError(f"{path}: {prefix or 'the file'} must be text or a mapping")
    if _DEFAULT in node:
        strange = set(node) - {_DEFAULT, *BANDS}
        if strange or not all(isinstance(value, str) for value in node.values()):
            raise ContentError(f"{path}: {prefix} has bands that are none: {sorted(map(str, strange))}")
        return [(prefix, {band: value.strip() for band, value in node.items()})]
    flat: list[tuple[str, dict[str, str]]] = []
    for key, value in node.items():
        flat += _flatten(value, path, f"{prefix}.{key}" if prefix else str(key))
    return flat
