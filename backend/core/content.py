"""Words for people, read from ``content/`` and checked at the start.

A mistake in a content file stops the start with the file's name, so that a child
never meets a missing sentence.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Generic, TypeVar

import msgspec
import yaml

from backend.core.reader import BANDS, EASY, Band, Lang, Reader
from backend.core.wording import DEFAULT, About, Text, Wording

SafeYaml: type[yaml.SafeLoader | yaml.CSafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The safe loader in C where PyYAML has it: ten times as fast, and reading content was most of the start."""

LANGUAGES: tuple[Lang, ...] = ("sv", "en", EASY)
"""The languages that are written whole. Others, translations of the most needed, are folders beside these."""


class ContentError(Exception):
    """A content file is missing, malformed or incomplete; the message names it."""


def read_yaml(path: Path) -> Any:
    """The parsed file; raises `ContentError` with file and line."""
    try:
        return yaml.load(path.read_text("utf-8"), Loader=SafeYaml)  # noqa: S506
    except FileNotFoundError:
        raise ContentError(f"{path}: not found") from None
    except (yaml.YAMLError, ValueError) as error:
        # A date that is none, and bytes that are no UTF-8, are both a ValueError.
        raise ContentError(f"{path}: {error}") from None


Record = TypeVar("Record")


class InBands(
    msgspec.Struct,
    Generic[Record],
    forbid_unknown_fields=True,
    frozen=True,
    rename={"b6_9": "6-9", "b10_12": "10-12", "b13_17": "13-17"},
):
    """The same thing in the words of every band: ``it["10-12"]``. A record, so that a missing band is told by name and line."""

    b6_9: Record
    b10_12: Record
    b13_17: Record
    adult: Record
    parent: Record

    def __getitem__(self, band: Band) -> Record:
        return getattr(self, f"b{band.replace('-', '_')}" if band[0].isdigit() else band)  # type: ignore[no-any-return]


class Located:
    """A YAML file that knows on which line each value stands, so that a mistake is told with file, line and reason.

    Raises `ContentError` for a file that is missing or no YAML, a date that is none, the same key
    twice (of which YAML would silently keep the last), an alias and text with HTML in it.
    With ``text`` nothing is read: that is what the file at ``path`` might become.
    """

    def __init__(self, path: Path, text: str | None = None) -> None:
        self.path = path
        self._lines: dict[tuple[str | int, ...], int] = {}
        self._walked: set[int] = set()
        try:
            loader = SafeYaml(path.read_text("utf-8") if text is None else text)
        except yaml.YAMLError as error:  # a character that no YAML may hold
            raise ContentError(f"{path}, line 1: {error}") from None
        except FileNotFoundError:
            raise ContentError(f"{path}: not found") from None
        except UnicodeDecodeError as error:
            raise ContentError(f"{path}: {error}") from None
        try:
            root = loader.get_single_node()
            if root is None:
                raise ContentError(f"{path}: empty")
            self._walk(loader, root, ())
            self.data: Any = loader.construct_document(root)
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            line = mark.line + 1 if mark else 1
            raise ContentError(f"{path}, line {line}: {getattr(error, 'problem', None) or error}") from None
        except RecursionError:
            raise ContentError(f"{path}, line 1: too many brackets inside each other") from None
        finally:
            loader.dispose()

    def line(self, *where: str | int) -> int:
        """The line of a key or list item, counted from 1; of the nearest thing around it when the file has none such."""
        while where and where not in self._lines:
            where = where[:-1]
        return self._lines.get(where, 1)

    def error(self, reason: str, *where: str | int) -> ContentError:
        """What to raise for a mistake at ``where``, for example ``("stations", 3, "next")``."""
        return ContentError(f"{self.path}, line {self.line(*where)}: {reason}")

    def convert(self, shape: type[Record], *where: str | int, of: str = "") -> Record:
        """What stands at ``where`` as ``shape``; raises `ContentError`, which begins with ``of``."""
        part = self.data
        for step in where:
            part = part[step]
        try:
            return msgspec.convert(part, shape)
        except msgspec.ValidationError as error:
            raise self.error(f"{of}{error}", *where, *_place(str(error))) from None

    def _walk(self, loader: Any, node: Any, where: tuple[str | int, ...]) -> None:
        self._lines.setdefault(where, node.start_mark.line + 1)
        # An alias leads to what was walked already: followed again, a small file could take for ever.
        if id(node) in self._walked:
            raise self.error("an alias is not followed; write it out", *where)
        self._walked.add(id(node))
        if isinstance(node, yaml.MappingNode):
            seen: set[str] = set()
            for key, value in node.value:
                name = str(key.value)
                here = (*where, name)
                # A folded text begins on the line after its key; the key is what somebody looks for.
                self._lines[here] = key.start_mark.line + 1
                if name in seen:
                    raise self.error(f"{name} stands here twice", *here)
                seen.add(name)
                self._walk(loader, value, here)
        elif isinstance(node, yaml.SequenceNode):
            for place, value in enumerate(node.value):
                self._walk(loader, value, (*where, place))
        elif node.tag == "tag:yaml.org,2002:timestamp":
            try:
                loader.construct_yaml_timestamp(node)
            except ValueError as error:
                raise self.error(f"{node.value} is no date: {error}", *where) from None
        elif found := _HTML.search(node.value):
            raise self.error(f"text with HTML in it: {found[0]}", *where)


_HTML = re.compile(r"</?[A-Za-z!][^>]*>?|&#?\w+;")
_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+)\]")


def _place(complaint: str) -> tuple[str | int, ...]:
    """Where msgspec says that something is wrong: "… - at `$.stations[0].text.6-9`", and the field itself if it is one too many."""
    at = re.search(r"(?:at|in) `\$(.*?)`", complaint)
    steps = tuple(name or int(number) for name, number in _STEP.findall(at[1])) if at else ()
    strange = re.search(r"unknown field `(.+?)`", complaint)
    return (*steps, strange[1]) if strange else steps


class Phrases:
    """Buttons, headings, messages and mails: ``say("emergency.text", reader)``.

    A phrase is a string, or a mapping from age band to string with ``default`` for
    readers we know nothing about. Swedish has every phrase; a language that lacks
    one falls back on Swedish rather than on silence (`Reader.fallbacks`). What is
    published in ``wording`` comes before what the files say.
    """

    def __init__(
        self,
        by_language: Mapping[Lang, Mapping[str, Mapping[str, str]]],
        abouts: Mapping[tuple[Lang, str], About],
        wording: Wording | None = None,
    ) -> None:
        self._by_language = by_language
        self._abouts = abouts
        self._wording = wording or Wording()

    @classmethod
    def load(cls, directory: Path, wording: Wording | None = None) -> Phrases:
        """Read ``<language>/phrases.yml`` and ``<language>/phrases/*.yml`` for each language; raises `ContentError`.

        A file begins with ``_about``: who owns its phrases, where their facts come from, when they were reviewed,
        which a translation that nobody has read cannot say.
        """
        loaded: dict[Lang, dict[str, dict[str, str]]] = {}
        abouts: dict[tuple[Lang, str], About] = {}
        for lang in (*LANGUAGES, *translations(directory)):
            loaded[lang] = {}
            for path in (directory / lang / "phrases.yml", *sorted((directory / lang / "phrases").glob("*.yml"))):
                file = Located(path)
                about = _about(file, whole=lang in LANGUAGES)
                phrases = dict(_flatten(file, file.data))
                for key in phrases:
                    if key in loaded[lang]:
                        raise file.error(f"{key} is in another file too", *key.split("."))
                loaded[lang] |= phrases
                abouts |= dict.fromkeys(((lang, key) for key in phrases), about)
                for key in phrases:
                    if key not in loaded["sv"]:
                        raise file.error(f"{key} is not in Swedish", *key.split("."))
        return cls(loaded, abouts, wording)

    @property
    def languages(self) -> tuple[Lang, ...]:
        """The languages that have phrases, Swedish first."""
        return tuple(self._by_language)

    def keys(self, lang: Lang = "sv") -> set[str]:
        """Every phrase that the language has."""
        return set(self._by_language[lang])

    def __contains__(self, key: str) -> bool:
        return key in self._by_language["sv"]

    def lang_of(self, key: str, reader: Reader) -> Lang:
        """The language that a reader gets a phrase in; raises `KeyError` for an unknown one."""
        for lang in (reader.reads, *reader.fallbacks):
            if key in self._by_language.get(lang, {}):
                return lang
        raise KeyError(key)

    def variants(self, key: str, lang: Lang = "sv") -> Mapping[str, str]:
        """A phrase's text per band; ``default`` is always there."""
        known = self._by_language[lang].get(key)
        if known is None:
            known, lang = self._by_language["sv"][key], "sv"
        over = self._wording.over(key, lang)
        return {**known, **over} if over else known

    def texts(self) -> Iterator[Text]:
        """Every phrase of every language as its file has it."""
        for lang, phrases in self._by_language.items():
            for key, variants in phrases.items():
                yield Text(key, lang, "phrase", variants, self._abouts[lang, key])

    def say(self, key: str, reader: Reader | None = None, /, **values: object) -> str:
        """The phrase in the reader's language and band, with ``{name}`` filled in. Raises `KeyError` for an unknown key."""
        reader = reader or Reader()
        variants = self.variants(key, self.lang_of(key, reader))
        text = variants.get(reader.band or DEFAULT) or variants[DEFAULT]
        return text.format_map(values) if values else text


def translations(directory: Path) -> list[Lang]:
    """The languages, by tag, that have a file of phrases and are not written whole: a file more is a language more."""
    return sorted(path.parent.name for path in directory.glob("*/phrases.yml") if path.parent.name not in LANGUAGES)


def _about(file: Located, *, whole: bool) -> About:
    """What a file of phrases says of itself."""
    if not isinstance(file.data, dict):
        raise file.error("the file must be a mapping")
    if "_about" not in file.data:
        raise file.error("_about is missing: owner, source and reviewed")
    about = file.convert(About, "_about", of="_about: ")
    for name in ("owner", "source", *(("reviewed",) if whole else ())):
        if not getattr(about, name):
            raise file.error(f"_about says nothing of its {name}", "_about")
    if about.valid_from and about.valid_to and about.valid_to <= about.valid_from:
        raise file.error("_about ends before it begins", "_about", "valid_to")
    return about


def _flatten(file: Located, node: Any, where: tuple[str, ...] = ()) -> list[tuple[str, dict[str, str]]]:
    key = ".".join(where)
    if isinstance(node, str):
        return [(key, {DEFAULT: node.strip()})]
    if not isinstance(node, dict) or not node:
        raise file.error(f"{key or 'the file'} must be text or a mapping", *where)
    if DEFAULT in node:
        strange = set(node) - {DEFAULT, *BANDS}
        if strange or not all(isinstance(value, str) for value in node.values()):
            raise file.error(f"{key} has bands that are none: {sorted(map(str, strange))}", *where)
        return [(key, {band: value.strip() for band, value in node.items()})]
    flat: list[tuple[str, dict[str, str]]] = []
    for name, value in node.items():
        if not isinstance(name, str):
            # on, off, yes and no are truth values to YAML, and would be keys that nobody asks for.
            raise file.error(f"{key or 'the file'} has a key that YAML reads as {name}: put it in quotes", *where)
        if where or name != "_about":
            flat += _flatten(file, value, (*where, name))
    return flat
