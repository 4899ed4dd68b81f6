"""Load the words and rules by which danger is noticed.

One or more YAML files per language.  A file says its ``language`` and any of

``spellings``  word: the ways it is also written
``strong``     syllables put in front of any word to make it stronger
``mend``       classes whose single words are found with a wrong letter or glued
``known``      ordinary words that only look like words of the lexicon
``fillers``    words that carry nothing and are skipped
``classes``    name: items; an item is ``word``, ``begin*``, ``*end``,
               ``*middle*``, several words, ``<OTHER>``, or words mixed with
               ``<OTHER>`` (then only the other class's single words)
``modifiers``  name: what near a match lowers it, and to which level
``rules``      id: category, level, the patterns that speak, what raises it

A pattern is a row of words and ``<CLASSES>``: neighbours follow each other,
``..`` leaves room for three words (``..6`` for six), ``|`` means or
(``<A|some words|word>`` when one of them is a class or a phrase),
``[...]`` may be missing, ``^`` and ``$`` are the ends of the message, and
``&`` joins two rows that stand near each other in either order.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from backend.core.content import SafeYaml
from backend.danger.levels import Level
from backend.danger.spelling import Speller, fold

GAP = 3
NEAR = 10
_CATEGORY = re.compile(r"D(0[1-9]|1\d|2[01])")
_NAME = re.compile(r"[A-Z][A-Z0-9_]*")
_RULE_ID = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_PART = re.compile(r"\.\.\d*|&\d*|[\^$\[\]]|<[^<>]*>|[^\s\[\]<>]+")


class LexiconError(ValueError):
    """A lexicon file says something it may not; the text gives file and line."""


@dataclass(frozen=True, slots=True)
class Element:
    """A class that has to stand at most ``gap`` words after the one before."""

    cls: int
    gap: int


@dataclass(frozen=True, slots=True)
class Row:
    """Elements in order, perhaps tied to the beginning or end of the message."""

    elements: tuple[Element, ...]
    from_start: bool
    to_end: bool


@dataclass(frozen=True, slots=True)
class Pattern:
    """Rows that stand at most ``near`` words from each other, in any order."""

    rows: tuple[Row, ...]
    near: int
    needs: frozenset[int]


@dataclass(frozen=True, slots=True)
class Modifier:
    """What lowers a match when ``cls`` stands near its last word.

    ``level`` None takes the match away.  ``across`` looks over the ends of
    sentences too.  ``beaten_by`` is a class that keeps it from speaking.
    ``categories`` are the only ones it touches; empty means all.
    """

    name: str
    cls: int
    before: int
    after: int
    level: Level | None
    across: bool
    beaten_by: int | None
    categories: frozenset[str]


@dataclass(frozen=True, slots=True)
class Rule:
    """One readable rule: ``level``, or A0 when ``raised_by`` stands within ``within`` words."""

    id: str
    category: str
    level: Level
    patterns: tuple[Pattern, ...]
    raised_by: tuple[int, ...]
    within: int
    unless: tuple[int, ...]
    modifiers: tuple[Modifier, ...]


@dataclass(frozen=True, slots=True)
class Composite:
    """A class item of several words, each position one of some classes."""

    owner: int
    parts: tuple[int, ...]


@dataclass(slots=True)
class Language:
    """Everything one language knows, ready for matching.

    ``words``, ``begins``, ``ends`` and ``middles`` give class numbers;
    ``composites`` and ``includes`` build classes out of others, in order.
    """

    code: str
    speller: Speller
    fillers: frozenset[str]
    words: dict[str, tuple[int, ...]]
    begins: dict[str, tuple[int, ...]]
    ends: dict[str, tuple[int, ...]]
    middles: dict[str, tuple[int, ...]]
    begin_sizes: tuple[int, ...]
    end_sizes: tuple[int, ...]
    steps: tuple[Composite | tuple[int, int], ...]
    rules: tuple[Rule, ...]

    def may_speak(self, forms: frozenset[str]) -> bool:
        """Tell whether any of the words, in their plain ``forms``, may be one of this language's."""
        ends = tuple(self.ends)
        return self.speller.knows_any(forms) or any(
            form.endswith(ends) or any(middle in form for middle in self.middles) for form in forms
        )


@dataclass(frozen=True, slots=True)
class Lexicon:
    """All languages, the main one first."""

    languages: tuple[Language, ...]


def load_lexicon(directory: Path | str) -> Lexicon:
    """Read every ``*.yml`` of ``directory``.

    Raises `LexiconError` naming file and line for anything unknown, missing,
    doubled or never usable, so that a mistake cannot silence a rule.
    """
    drafts: dict[str, _Draft] = {}
    paths = sorted(Path(directory).glob("*.yml"))
    if not paths:
        raise LexiconError(f"{directory}: no lexicon files")
    for path in paths:
        top = _mapping(_compose(path), path)
        code = _scalar(*_take(top, "language", path), path)
        drafts.setdefault(code, _Draft(code)).read(top, path)
    languages = [draft.build() for draft in drafts.values()]
    languages.sort(key=lambda language: (language.code != "sv", language.code))
    _refuse_doubled_ids(languages)
    return Lexicon(tuple(languages))


def _refuse_doubled_ids(languages: list[Language]) -> None:
    seen: set[str] = set()
    for language in languages:
        for rule in language.rules:
            if rule.id in seen:
                raise LexiconError(f"{language.code}: rule {rule.id} is in two languages")
            seen.add(rule.id)


# --- YAML with line numbers -------------------------------------------------


@dataclass(frozen=True, slots=True)
class _At:
    path: Path
    line: int

    def error(self, message: str) -> LexiconError:
        return LexiconError(f"{self.path}:{self.line}: {message}")


def _compose(path: Path) -> yaml.Node:
    try:
        node = yaml.compose(path.read_text(encoding="utf-8"), Loader=SafeYaml)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise LexiconError(f"{path}:{line}: {error.problem}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise LexiconError(f"{path}:1: {error}") from error
    if node is None:
        raise LexiconError(f"{path}:1: empty")
    return node


def _at(node: yaml.Node, path: Path) -> _At:
    return _At(path, node.start_mark.line + 1)


def _mapping(node: yaml.Node, path: Path) -> dict[str, tuple[yaml.Node, _At]]:
    if not isinstance(node, yaml.MappingNode):
        raise _at(node, path).error("expected names with values")
    result: dict[str, tuple[yaml.Node, _At]] = {}
    for key, value in node.value:
        at = _at(key, path)
        if not isinstance(key, yaml.ScalarNode):
            raise at.error("a name is a word")
        if key.value in result:
            raise at.error(f"{key.value!r} is there twice")
        result[key.value] = (value, at)
    return result


def _take(top: dict[str, tuple[yaml.Node, _At]], name: str, path: Path) -> tuple[yaml.Node, _At]:
    if name not in top:
        raise LexiconError(f"{path}:1: {name!r} is missing")
    return top[name]


def _scalar(node: yaml.Node, at: _At, path: Path) -> str:
    if not isinstance(node, yaml.ScalarNode) or not node.value.strip():
        raise at.error("expected a text")
    return str(node.value).strip()


def _number(node: yaml.Node, at: _At, path: Path) -> int:
    text = _scalar(node, at, path)
    if not text.isdecimal() or int(text) > 60:
        raise at.error(f"expected a number from 0 to 60, not {text!r}")
    return int(text)


def _flag(node: yaml.Node, at: _At) -> bool:
    text = _scalar(node, at, at.path)
    if text not in ("true", "false"):
        raise at.error(f"expected true or false, not {text!r}")
    return text == "true"


def _texts(node: yaml.Node, path: Path) -> Iterator[tuple[str, _At]]:
    """Yield the texts of a list, each with its line."""
    if not isinstance(node, yaml.SequenceNode):
        raise _at(node, path).error("expected a list")
    for item in node.value:
        at = _at(item, path)
        yield _scalar(item, at, path), at


def _items(node: yaml.Node, path: Path) -> Iterator[tuple[str, _At]]:
    """Yield comma-separated items of a list of texts."""
    for text, at in _texts(node, path):
        for item in text.split(","):
            if item.strip():
                yield " ".join(item.casefold().split()) if "<" not in item else " ".join(item.split()), at


# --- building one language --------------------------------------------------

_FIELDS = {"language", "strong", "mend", "spellings", "known", "fillers", "classes", "modifiers", "rules"}
_RULE_FIELDS = {"category", "level", "say", "raise", "within", "unless", "keep"}
_MODIFIER_FIELDS = {"class", "before", "after", "to", "across", "beaten_by", "only"}


class _Draft:
    """Collects one language's files, then builds it: classes first, then rules."""

    def __init__(self, code: str) -> None:
        self.code = code
        self.numbers: dict[str, int] = {}
        self.defined: dict[str, _At] = {}
        self.tables: dict[str, dict[str, set[int]]] = {"word": {}, "begin": {}, "end": {}, "middle": {}}
        self.steps: dict[int, list[Composite | tuple[int, int]]] = {}
        self.spellings: dict[str, str] = {}
        self.mend: list[tuple[str, _At]] = []
        self.strong: set[str] = set()
        self.known: set[str] = set()
        self.fillers: set[str] = set()
        self.class_nodes: list[tuple[str, yaml.Node, _At]] = []
        self.modifier_nodes: list[tuple[str, yaml.Node, _At]] = []
        self.rule_nodes: list[tuple[str, yaml.Node, _At]] = []

    def read(self, top: dict[str, tuple[yaml.Node, _At]], path: Path) -> None:
        for name, (node, at) in top.items():
            if name not in _FIELDS:
                raise at.error(f"unknown field {name!r}")
            if name == "strong":
                self.strong.update(text for text, _ in _texts(node, path))
            elif name == "mend":
                self.mend.extend(_texts(node, path))
            elif name == "spellings":
                self._read_spellings(node, path)
            elif name == "known":
                self.known.update(item for item, _ in _items(node, path))
            elif name == "fillers":
                self.fillers.update(item for item, _ in _items(node, path))
            elif name in ("classes", "modifiers", "rules"):
                into = {"classes": self.class_nodes, "modifiers": self.modifier_nodes, "rules": self.rule_nodes}
                into[name].extend((key, value, where) for key, (value, where) in _mapping(node, path).items())

    def _read_spellings(self, node: yaml.Node, path: Path) -> None:
        for word, (value, at) in _mapping(node, path).items():
            for typed in _scalar(value, at, path).split():
                if self.spellings.setdefault(typed, word) != word:
                    raise at.error(f"{typed!r} is a spelling of two words")

    def build(self) -> Language:
        for name, _, at in self.class_nodes:
            if not _NAME.fullmatch(name):
                raise at.error(f"a class is named in capitals, not {name!r}")
            if name in self.defined:
                raise at.error(f"class {name} is there twice")
            self.defined[name] = at
        for name, node, at in self.class_nodes:
            self._read_class(name, node, at)
        modifiers = [self._modifier(name, node, at) for name, node, at in self.modifier_nodes]
        rules = [self._rule(name, node, at, modifiers) for name, node, at in self.rule_nodes]
        self._refuse_doubles()
        words = self.tables["word"]
        return Language(
            code=self.code,
            speller=Speller(
                words,
                known=frozenset(self.known | self.fillers),
                spellings=self.spellings,
                begins=self.tables["begin"],
                mended=self._mended(),
                strong=self.strong,
            ),
            fillers=frozenset(self.fillers),
            words=_frozen(words),
            begins=_frozen(self.tables["begin"]),
            ends=_frozen(self.tables["end"]),
            middles=_frozen(self.tables["middle"]),
            begin_sizes=_sizes(self.tables["begin"]),
            end_sizes=_sizes(self.tables["end"]),
            steps=tuple(self._ordered_steps()),
            rules=tuple(rules),
        )

    def _mended(self) -> list[str]:
        numbers = {self._class(name, at) for name, at in self.mend}
        return [word for word, owners in self.tables["word"].items() if owners & numbers]

    def _refuse_doubles(self) -> None:
        seen: set[str] = set()
        for name, _, at in self.rule_nodes:
            if name in seen:
                raise at.error(f"rule {name} is there twice")
            seen.add(name)

    # classes

    def _class(self, name: str, at: _At) -> int:
        if name not in self.defined:
            raise at.error(f"no class {name!r}")
        return self._number(name)

    def _number(self, key: str) -> int:
        return self.numbers.setdefault(key, len(self.numbers))

    def _read_class(self, name: str, node: yaml.Node, at: _At) -> None:
        number = self._number(name)
        empty = True
        for item, where in _items(node, at.path):
            self._item(number, item, where)
            empty = False
        if empty:
            raise at.error(f"class {name} has no words")

    def _item(self, owner: int, item: str, at: _At) -> None:
        parts = item.split()
        if len(parts) == 1:
            if parts[0].startswith("<"):
                for name in self._names(parts[0], at):
                    self.steps.setdefault(owner, []).append((owner, self._class(name, at)))
            else:
                self._word(owner, parts[0], at)
            return
        numbers = tuple(self._anonymous(part, at) for part in parts)
        self.steps.setdefault(owner, []).append(Composite(owner, numbers))

    def _names(self, part: str, at: _At) -> list[str]:
        if not part.endswith(">"):
            raise at.error(f"{part!r} is not closed")
        return part[1:-1].split("|")

    def _anonymous(self, part: str, at: _At) -> int:
        """Return the class for ``<A|B>`` or ``word|word``, made on first use."""
        if part.startswith("<"):
            names = self._names(part, at)
            if len(names) == 1 and _NAME.fullmatch(names[0]):
                return self._class(names[0], at)
        if part in self.numbers:
            return self.numbers[part]
        number = self._number(part)
        if part.startswith("<"):
            for name in self._names(part, at):
                self._item(number, f"<{name}>" if _NAME.fullmatch(name) else name, at)
        else:
            for word in part.split("|"):
                self._word(number, word, at)
        return number

    def _word(self, owner: int, word: str, at: _At) -> None:
        bare = word.strip("*")
        if word == bare:
            word = bare = self.spellings.get(word, word)
        if word in self.fillers:
            raise at.error(f"{word!r} is skipped as a filler, so it cannot be a part of this")
        if not bare or "*" in bare or any(not (c.isalnum() or ord(c) >= 0x2600) for c in bare):
            raise at.error(f"{word!r} is not a word")
        kind = {(False, False): "word", (False, True): "begin", (True, False): "end", (True, True): "middle"}
        which = kind[word.startswith("*"), word.endswith("*")]
        if which != "word" and len(bare) < 3:
            raise at.error(f"{word!r} is too short for a part of a word")
        key = bare if which == "word" else fold(bare)
        self.tables[which].setdefault(key, set()).add(owner)

    def _ordered_steps(self) -> Iterator[Composite | tuple[int, int]]:
        """Yield the steps so that a class is whole before another one uses it."""
        done: set[int] = set()
        open_: set[int] = set()
        names = {number: name for name, number in self.numbers.items()}

        def visit(number: int) -> Iterator[Composite | tuple[int, int]]:
            if number in done:
                return
            if number in open_:
                raise LexiconError(f"{self.code}: class {names[number]} contains itself")
            open_.add(number)
            for step in self.steps.get(number, ()):
                for used in step.parts if isinstance(step, Composite) else (step[1],):
                    yield from visit(used)
                yield step
            done.add(number)

        for number in sorted(self.steps):
            yield from visit(number)

    # modifiers and rules

    def _classes_of(self, node: yaml.Node, at: _At) -> int:
        return self._anonymous(_scalar(node, at, at.path), at)

    def _modifier(self, name: str, node: yaml.Node, at: _At) -> Modifier:
        fields = _mapping(node, at.path)
        for key, (_, where) in fields.items():
            if key not in _MODIFIER_FIELDS:
                raise where.error(f"unknown field {key!r}")
        for key in ("class", "before", "after", "to"):
            if key not in fields:
                raise at.error(f"modifier {name} lacks {key!r}")
        beaten = fields.get("beaten_by")
        return Modifier(
            name=name,
            cls=self._classes_of(*fields["class"]),
            before=_number(*fields["before"], at.path),
            after=_number(*fields["after"], at.path),
            level=_level(*fields["to"], or_none=True),
            across="across" in fields and _flag(*fields["across"]),
            beaten_by=None if beaten is None else self._classes_of(*beaten),
            categories=_categories(*fields["only"]) if "only" in fields else frozenset(),
        )

    def _rule(self, name: str, node: yaml.Node, at: _At, modifiers: list[Modifier]) -> Rule:
        if not _RULE_ID.fullmatch(name):
            raise at.error(f"{name!r} is not a rule id (small letters, digits, hyphens)")
        fields = _mapping(node, at.path)
        for key, (_, where) in fields.items():
            if key not in _RULE_FIELDS:
                raise where.error(f"unknown field {key!r}")
        for key in ("category", "level", "say"):
            if key not in fields:
                raise at.error(f"rule {name} lacks {key!r}")
        (category,) = _categories(*fields["category"], one=True)
        level = _level(*fields["level"])
        if level is None:
            raise at.error("a rule has a level")
        return Rule(
            id=name,
            category=category,
            level=level,
            patterns=tuple(self._patterns(fields["say"][0], at)),
            raised_by=self._optional(fields.get("raise")),
            within=_number(*fields["within"], at.path) if "within" in fields else 8,
            unless=self._optional(fields.get("unless")),
            modifiers=self._kept(
                fields.get("keep"), [m for m in modifiers if category in (m.categories or {category})]
            ),
        )

    def _optional(self, field: tuple[yaml.Node, _At] | None) -> tuple[int, ...]:
        return () if field is None else (self._classes_of(*field),)

    def _kept(self, field: tuple[yaml.Node, _At] | None, modifiers: list[Modifier]) -> tuple[Modifier, ...]:
        """Return the modifiers that may lower a rule: all but those it keeps away."""
        if field is None:
            return tuple(modifiers)
        node, at = field
        away = set(_scalar(node, at, at.path).split())
        if unknown := away - {name for name, _, _ in self.modifier_nodes} - {"all"}:
            raise at.error(f"no modifier {sorted(unknown)[0]!r}")
        return () if "all" in away else tuple(m for m in modifiers if m.name not in away)

    def _patterns(self, node: yaml.Node, at: _At) -> Iterator[Pattern]:
        for text, where in _texts(node, at.path):
            for variant in _variants(_PART.findall(text), where):
                yield self._pattern(variant, where)

    def _pattern(self, parts: list[str], at: _At) -> Pattern:
        rows: list[list[str]] = [[]]
        near = NEAR
        for part in parts:
            if part.startswith("&"):
                near = int(part[1:] or NEAR)
                rows.append([])
            else:
                rows[-1].append(part)
        built = tuple(self._row(row, at) for row in rows)
        needs = frozenset(element.cls for row in built for element in row.elements)
        return Pattern(built, near, needs)

    def _row(self, parts: list[str], at: _At) -> Row:
        from_start, to_end = parts[:1] == ["^"], parts[-1:] == ["$"]
        parts = parts[from_start : len(parts) - to_end]
        elements: list[Element] = []
        gap = 0
        for part in parts:
            if part.startswith(".."):
                gap = int(part[2:] or GAP)
            elif part in ("^", "$"):
                raise at.error(f"{part!r} belongs at the end of a pattern")
            else:
                elements.append(Element(self._anonymous(part, at), gap))
                gap = 0
        if not elements or gap or (elements[0].gap and not from_start):
            raise at.error("a pattern needs a word on both sides of a gap or '&'")
        return Row(tuple(elements), from_start, to_end)


def _variants(parts: list[str], at: _At) -> list[list[str]]:
    """Write out ``[...]``: once with what is in it, once without."""
    if "]" in parts and "[" not in parts:
        raise at.error("']' without '['")
    if "[" not in parts:
        return [parts]
    start = parts.index("[")
    if "]" not in parts[start:]:
        raise at.error("'[' is not closed")
    end = parts.index("]", start)
    head, inside, tail = parts[:start], parts[start + 1 : end], parts[end + 1 :]
    return [head + middle + rest for rest in _variants(tail, at) for middle in (inside, [])]


def _categories(node: yaml.Node, at: _At, one: bool = False) -> frozenset[str]:
    names = _scalar(node, at, at.path).split()
    for name in names:
        if not _CATEGORY.fullmatch(name):
            raise at.error(f"no category {name!r}")
    if one and len(names) != 1:
        raise at.error("a rule has one category")
    return frozenset(names)


def _level(node: yaml.Node, at: _At, or_none: bool = False) -> Level | None:
    text = _scalar(node, at, at.path)
    if or_none and text == "none":
        return None
    if text not in Level.__members__:
        raise at.error(f"no level {text!r}")
    return Level[text]


def _frozen(table: dict[str, set[int]]) -> dict[str, tuple[int, ...]]:
    return {key: tuple(sorted(numbers)) for key, numbers in table.items()}


def _sizes(table: dict[str, set[int]]) -> tuple[int, ...]:
    return tuple(sorted({len(key) for key in table}))
