"""YAML that remembers its lines, for files whose mistakes are shown to the one who edits them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import yaml

from backend.core.content import ContentError, SafeYaml

T = TypeVar("T")
Step = str | int

_AT = re.compile(r" - at `\$(?P<path>[^`]*)`$")
_STEP = re.compile(r"\.(?P<name>\w+)|\[(?P<index>\d+)\]")
_UNKNOWN = re.compile(r"unknown field `(?P<name>[^`]*)`")


class Marked:
    """A parsed document with the line of every key and item. ``name`` stands first in each complaint.

    Raises `ContentError` with the line for what is no YAML, and for a key that stands twice in a
    mapping, of which YAML silently keeps the last.
    """

    def __init__(self, text: str, name: str) -> None:
        self._name = name
        self._lines: dict[tuple[Step, ...], int] = {(): 1}
        loader = SafeYaml(text)
        try:
            node = loader.get_single_node()
            if node is not None:
                self._walk(node, (), set())
            self.data: Any = None if node is None else loader.construct_document(node)
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            problem = getattr(error, "problem", None) or str(error).partition("\n")[0]
            raise self.complaint(problem, line=mark.line + 1 if mark is not None else 1) from None
        except (RecursionError, ValueError) as error:
            raise self.complaint(str(error)) from None
        finally:
            loader.dispose()

    @classmethod
    def read(cls, path: Path) -> Marked:
        """The file at ``path``; raises `ContentError` also when it is missing or not UTF-8."""
        try:
            return cls(path.read_text("utf-8"), str(path))
        except FileNotFoundError:
            raise ContentError(f"{path}: not found") from None
        except UnicodeDecodeError as error:
            raise ContentError(f"{path}: {error}") from None

    def line(self, *path: Step) -> int:
        """The line of a key or item, or of the nearest thing around it that is there."""
        while path not in self._lines:
            path = path[:-1]
        return self._lines[path]

    def complaint(self, what: str, *path: Step, line: int | None = None) -> ContentError:
        """An error to raise: name, line and sentence."""
        return ContentError(f"{self._name}:{line or self.line(*path)}: {what}")

    def convert(self, shape: type[T], *path: Step, who: str = "") -> T:
        """The part at ``path`` as ``shape``; raises `ContentError` with the line of what does not fit."""
        part = self.data
        for step in path:
            part = part[step]
        try:
            return msgspec.convert(part, shape)
        except msgspec.ValidationError as error:
            message = str(error)
            found = _AT.search(message)
            inner: list[Step] = []
            for each in _STEP.finditer(found["path"]) if found else ():
                inner.append(each["name"] if each["name"] is not None else int(each["index"]))
            unknown = _UNKNOWN.search(message)
            if unknown:
                inner.append(unknown["name"])
            raise self.complaint(f"{who}{message}", *path, *inner) from None

    def _walk(self, node: yaml.Node, path: tuple[Step, ...], seen: set[int]) -> None:
        # An alias leads to a node that was walked already; following it again could take for ever.
        if id(node) in seen:
            return
        seen.add(id(node))
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                here = (*path, str(key.value))
                line = key.start_mark.line + 1
                if here in self._lines:
                    raise self.complaint(f"{key.value} stands twice, first in line {self._lines[here]}", line=line)
                self._lines[here] = line
                self._walk(value, here, seen)
        elif isinstance(node, yaml.SequenceNode):
            for index, value in enumerate(node.value):
                self._lines[(*path, index)] = value.start_mark.line + 1
                self._walk(value, (*path, index), seen)
