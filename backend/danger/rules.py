"""Assess a message: which level of danger does it speak of, by which rule.

Every class of words becomes a bit set over the positions of the message, so a
pattern is a few shifts and ands and the whole is linear in the text: there is
nothing to backtrack.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from backend.danger.levels import Level as Level
from backend.danger.lexicon import Composite, Language, Lexicon, Modifier, Pattern, Row, Rule
from backend.danger.spelling import Tokens, clean, fold, plain_forms, tokenise

_REMEMBERED = 3  # messages
_FRAGMENT = 5  # words: only a message this short is read as the rest of an earlier one
_TAIL = 400  # characters of an earlier message
_BEATEN_WITHIN = 6  # words


@dataclass(frozen=True, slots=True)
class Assessment:
    """What was noticed.  Holds the rule's id, never anything of the text.

    ``level`` is None when nothing was noticed; the other fields are then
    empty.  ``category`` is D01 to D21, ``language`` the one whose rule spoke.
    """

    level: Level | None
    category: str
    rule: str
    language: str

    @property
    def key(self) -> str:
        """What a person takes back who says that they meant something else: the rule without its score."""
        return key_of(self.rule)


def key_of(rule: str) -> str:
    """A rule's name without the probability that a model adds to its own."""
    return rule.partition(":")[0]


NOTHING = Assessment(None, "", "", "")


def assess(lexicon: Lexicon, text: str, previous: Sequence[str] = (), lang: str = "sv") -> Assessment:
    """Return the nearest danger that ``text`` speaks of.

    ``previous`` are the same writer's earlier messages, oldest first: danger
    told in pieces is found when the last piece comes, and what an earlier
    message said alone is not said again.  Every language is tried, ``lang``
    wins a draw.  The same input gives the same answer; no ``str`` raises.
    """
    message = tokenise(clean(text))
    earlier = [tokenise(clean(old[-_TAIL:])) for old in previous[-_REMEMBERED:]]
    joined, current = _joined(message, earlier)
    best = NOTHING
    forms = plain_forms(joined.words)
    for language in sorted(lexicon.languages, key=lambda one: one.code != lang):
        if not language.may_speak(forms):
            continue
        found = _strongest(language, _Board(language, message, 0))
        if current:
            found = max(found, _together(language, joined, current), key=lambda one: one.level or 0)
        if (found.level or 0) > (best.level or 0):
            best = found
    return best


def _joined(now: Tokens, earlier: list[Tokens]) -> tuple[Tokens, int]:
    """Put short messages one after another; return also where the last begins (0: alone)."""
    words: list[str] = list(now.words)
    clauses, sentences, current = now.clauses, now.sentences, 0
    follower = now
    for old in reversed(earlier):
        if not old.words:
            continue
        if len(old.words) > _FRAGMENT and len(follower.words) > _FRAGMENT:
            break
        size = len(old.words)
        words = old.words + words
        clauses = old.clauses | clauses << size
        sentences = old.sentences | sentences << size
        current += size
        follower = old
    return Tokens(words, clauses, sentences), current


def _together(language: Language, joined: Tokens, current: int) -> Assessment:
    """Return what the last message adds to the earlier ones: danger that they did not tell alone."""
    before = Tokens(joined.words[:current], joined.clauses, joined.sentences)
    known = _strongest(language, _Board(language, before, 0))
    if known.level is not None and len(joined.words) - current > _FRAGMENT:
        return NOTHING
    together = _strongest(language, _Board(language, joined, current))
    return together if (together.level or 0) > (known.level or 0) else NOTHING


def _strongest(language: Language, board: "_Board") -> Assessment:
    best: tuple[Level, Rule] | None = None
    for rule in language.rules:
        level = board.level(rule)
        if level is not None and (best is None or level > best[0]):
            best = (level, rule)
    if best is None:
        return NOTHING
    return Assessment(best[0], best[1].category, best[1].id, language.code)


class _Board:
    """The classes of one message as bit sets: ``spans[class]`` is (length, starts)."""

    def __init__(self, language: Language, tokens: Tokens, current: int) -> None:
        words, clauses, sentences, current = _respelt(language, tokens, current)
        self.count = len(words)
        self.all = (1 << self.count) - 1
        self.clauses = clauses
        self.sentences = sentences
        self.current = (self.all >> current) << current
        self.begin = 1 << current
        self.spans = _spans(language, words)
        self._ends: dict[int, int] = {}

    def level(self, rule: Rule) -> Level | None:
        """Return the highest level at which ``rule`` speaks in the current message."""
        ends = fresh = 0
        for pattern in rule.patterns:
            if pattern.needs <= self.spans.keys():
                heads, told = self._pattern(pattern)
                ends |= heads
                fresh |= told
        if not ends:
            return None
        for cls in rule.unless:
            ends &= ~self._around(self.ends(cls), rule.within, rule.within)
        fresh &= ends
        raised = self._raised(rule, ends, fresh)
        found = [self._lowered(rule, raised, Level.A0), self._lowered(rule, fresh, rule.level)]
        return max((level for level in found if level is not None), default=None)

    def _raised(self, rule: Rule, ends: int, fresh: int) -> int:
        raised = 0
        for cls in rule.raised_by:
            near = self.ends(cls)
            raised |= fresh & self._around(near, rule.within, rule.within)
            raised |= ends & self._around(near & self.current, rule.within, rule.within)
        return raised

    def _lowered(self, rule: Rule, ends: int, level: Level) -> Level | None:
        """Return what is left of ``level`` where ``ends`` match: the best place counts."""
        lowered: Level | None = None
        for modifier in rule.modifiers:
            if not ends:
                break
            touched = ends & self._reach(modifier)
            ends &= ~touched
            if touched and modifier.level is not None:
                below = min(modifier.level, level)
                lowered = below if lowered is None else max(lowered, below)
        return level if ends else lowered

    def _reach(self, modifier: Modifier) -> int:
        """Return the places a modifier touches: it stands ``before`` or ``after`` the match's end."""
        mask = self.ends(modifier.cls)
        if not mask:
            return 0
        blocks = 0 if modifier.across else self.sentences
        if modifier.before + modifier.after <= 4:
            blocks |= self.clauses
        reach = self._spread(mask, modifier.before, modifier.after, blocks)
        if modifier.beaten_by is not None:
            reach &= ~self._around(self.ends(modifier.beaten_by), _BEATEN_WITHIN, _BEATEN_WITHIN)
        return reach

    def _around(self, mask: int, right: int, left: int) -> int:
        return self._spread(mask, right, left, self.sentences)

    def _spread(self, mask: int, right: int, left: int, blocks: int) -> int:
        """Widen ``mask`` to both sides, never over a place in ``blocks``."""
        reach, step = mask, mask
        for _ in range(right):
            step = (step << 1) & self.all & ~blocks
            reach |= step
        step = mask
        for _ in range(left):
            step = (step & ~blocks) >> 1
            reach |= step
        return reach

    def _pattern(self, pattern: Pattern) -> tuple[int, int]:
        """Return where the first row ends near all others, and which of it the current message tells.

        The first row is the statement, which may be denied or be long ago;
        the others are what it has to stand near.
        """
        heads = self._row(pattern.rows[0])
        fresh = heads & self.current
        for row in pattern.rows[1:]:
            others = self._row(row)
            if not heads or not others:
                return 0, 0
            near = self._around(others, pattern.near, pattern.near)
            fresh |= heads & self._around(others & self.current, pattern.near, pattern.near)
            heads &= near
        return heads, fresh & heads

    def _row(self, row: Row) -> int:
        """Return the places where a row ends."""
        first, *rest = row.elements
        ends = 0
        allowed = self.begin * ((2 << first.gap) - 1) if row.from_start else self.all
        for length, starts in self.spans.get(first.cls, ()):
            ends |= self._finish(starts & allowed, length)
        for element in rest:
            if not ends:
                return 0
            step, near = ends, 0
            for _ in range(element.gap + 1):
                step = (step << 1) & self.all & ~self.sentences
                near |= step
            ends = 0
            for length, starts in self.spans.get(element.cls, ()):
                ends |= self._finish(starts & near, length)
        return ends & (1 << self.count >> 1) if row.to_end else ends

    @staticmethod
    def _finish(starts: int, length: int) -> int:
        return starts << (length - 1)

    def ends(self, cls: int) -> int:
        """Return the places where a word or phrase of the class ends."""
        if cls not in self._ends:
            self._ends[cls] = 0
            for length, starts in self.spans.get(cls, ()):
                self._ends[cls] |= starts << (length - 1)
        return self._ends[cls]


def _respelt(language: Language, tokens: Tokens, current: int) -> tuple[list[str], int, int, int]:
    """Return the words as the lexicon writes them, with the places moved along."""
    cache: dict[str, tuple[str, ...]] = {}
    words: list[str] = []
    places: list[int] = []
    for word in tokens.words:
        parts = cache.get(word)
        if parts is None:
            parts = tuple(part for part in language.speller.resolve(word) if part not in language.fillers)
            cache[word] = parts
        places.append(len(words))
        words += parts
    if len(words) == len(tokens.words):
        return words, tokens.clauses, tokens.sentences, current
    places.append(len(words))
    clauses = _moved(tokens.clauses, places)
    return words, clauses, _moved(tokens.sentences, places), places[current]


def _moved(mask: int, places: list[int]) -> int:
    moved = bytearray(places[-1] // 8 + 1)
    bits = mask.to_bytes(len(places) // 8 + 1, "little")
    for old, new in enumerate(places[:-1]):
        if bits[old >> 3] >> (old & 7) & 1:
            moved[new >> 3] |= 1 << (new & 7)
    return int.from_bytes(moved, "little")


_Spans = dict[int, list[tuple[int, int]]]


def _spans(language: Language, words: list[str]) -> _Spans:
    size = len(words) // 8 + 1
    masks: dict[int, bytearray] = {}
    cache: dict[str, tuple[int, ...]] = {}
    for at, word in enumerate(words):
        numbers = cache.get(word)
        if numbers is None:
            numbers = cache[word] = tuple(set(_classes(language, word)))
        for number in numbers:
            mask = masks.get(number)
            if mask is None:
                mask = masks[number] = bytearray(size)
            mask[at >> 3] |= 1 << (at & 7)
    spans: _Spans = {number: [(1, int.from_bytes(mask, "little"))] for number, mask in masks.items()}
    for step in language.steps:
        _take_step(spans, step)
    return spans


def _take_step(spans: _Spans, step: Composite | tuple[int, int]) -> None:
    if not isinstance(step, Composite):
        owner, used = step
        for length, starts in spans.get(used, ()):
            _add(spans, owner, length, starts)
        return
    starts = -1
    for offset, part in enumerate(step.parts):
        single = next((mask for length, mask in spans.get(part, ()) if length == 1), 0)
        starts &= single >> offset
        if not starts:
            return
    _add(spans, step.owner, len(step.parts), starts)


def _add(spans: _Spans, owner: int, length: int, starts: int) -> None:
    mine = spans.setdefault(owner, [])
    for i, (known, mask) in enumerate(mine):
        if known == length:
            mine[i] = (length, mask | starts)
            return
    mine.append((length, starts))


def _classes(language: Language, word: str) -> Iterable[int]:
    yield from language.words.get(word, ())
    yield from _parts(language, fold(word))


def _parts(language: Language, word: str) -> Iterator[int]:
    for size in language.begin_sizes:
        if size > len(word):
            break
        yield from language.begins.get(word[:size], ())
    for size in language.end_sizes:
        if size > len(word):
            break
        yield from language.ends.get(word[-size:], ())
    for middle, numbers in language.middles.items():
        if middle in word:
            yield from numbers
