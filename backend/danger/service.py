"""What a visitor is shown when their words may mean danger: the card, chosen by level, category and reader.

It shows help and nothing else: no score is kept and nobody is ranked by it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from backend.core.clock import to_local
from backend.core.content import ContentError
from backend.core.helplines import Shown
from backend.core.house import House
from backend.core.reader import Reader
from backend.danger.lexicon import Lexicon, load_lexicon
from backend.danger.model import DangerModel, heard
from backend.danger.rules import Assessment, Level, assess
from language import tongue

CardKind = Literal["emergency", "safety_check", "serious"]

_KIND: dict[Level, CardKind] = {Level.A0: "emergency", Level.A1: "safety_check", Level.A2: "serious"}
_SETS = {
    "D01": "violence",
    "D02": "violence",
    "D03": "violence",
    "D04": "suicide",
    "D05": "suicide",
    "D06": "poison",
    "D11": "suicide",
    "D13": "honour",
}


@dataclass(frozen=True, slots=True)
class Card:
    """Help to show at once. ``rule`` and ``category`` say why, never with the words that set it off."""

    kind: CardKind
    text: str
    lines: list[Shown]
    level: str
    category: str
    rule: str
    lang: str | None = None
    dir: str | None = None
    """How ``text`` is written when it is in a language of the reader's own."""
    unread: str = ""
    """In danger for life: that no person reads this now, in the language of ``text``."""

    def as_json(self) -> dict[str, Any]:
        """The card of an API message."""
        written = {"lang": self.lang, "dir": self.dir} if self.lang else {}
        return {"lines": [asdict(line) for line in self.lines], **written}


def listen_to(
    lexicon: Lexicon, model: DangerModel | None, text: str, previous: Sequence[str] = (), lang: str = "sv"
) -> Assessment:
    """What the rules, and the model if there is one, say of a text.

    The nearer danger wins, and the rule where both say the same: it can be read.
    """
    ruled = assess(lexicon, text, previous, lang)
    if model is None or ruled.level is Level.A0:
        return ruled
    likely = model.assess(text, previous)
    return likely if (likely.level or 0) > (ruled.level or 0) else ruled


class DangerWatch:
    """Reads every text a visitor writes, before anything else does, and needs nothing else to be up."""

    def __init__(self, house: House) -> None:
        self._house = house
        tongue.ready()
        self._lexicon: Lexicon = load_lexicon(house.settings.content_dir / "danger")
        self._model: DangerModel | None = None
        for name in ("child", "child_danger", "adult_danger", *_SETS.values()):
            if name not in house.helplines.sets():
                raise ContentError(f"helplines.yml: the set {name} is needed for danger and is missing")

    @property
    def listens(self) -> bool:
        """Whether the trained model is at work beside the rules."""
        return self._model is not None

    def listen(self) -> None:
        """Take the trained model in; until then, and where it cannot run, the rules work alone. Takes a second."""
        self._model = heard(self._house.settings.content_dir / "danger" / "model", self._house.settings.embedding)

    def assess(self, text: str, previous: Sequence[str] = (), lang: str = "sv") -> Assessment:
        """What rules and model say of ``text``, with the last few messages at hand. Never raises."""
        return listen_to(self._lexicon, self._model, text, previous, lang)

    def vector(self, text: str) -> dict[str, str] | None:
        """The sentence vector that was made of a text, for the assistant; None without the model."""
        return None if self._model is None else self._model.vector(text)

    def assess_fields(self, texts: Sequence[str | None], reader: Reader) -> Card | None:
        """The most serious card that any of a form's fields calls for, or None.

        Six words of a return code were drawn by lot: now and then the model takes such a row for danger.
        """
        words = [text for text in texts if text and not self._house.codes.is_code(text)]
        found = [self.assess(text, lang=reader.spoken) for text in words]
        urgent = [one for one in found if one.level in (Level.A0, Level.A1)]
        if not urgent:
            return None
        worst = max(urgent, key=lambda one: one.level or Level.A2)
        told = next(text for text, one in zip(words, found, strict=True) if one is worst)
        return self.card(worst, reader, self.tongue(told, worst))

    def tongue(self, text: str, assessment: Assessment) -> str | None:
        """The language that ``text`` is in, if the assistant has words in it; a cry of a word or two counts."""
        found = tongue.of(text)
        if found is None and assessment.language in self._house.tongues:
            found = tongue.of(text, least=1)
            return found if found == assessment.language else None
        return found

    def card(self, assessment: Assessment, reader: Reader, lang: str | None = None) -> Card:
        """The card for an assessment that has a level, in ``lang`` if that is one of `Tongues`."""
        assert assessment.level is not None
        kind = _KIND[assessment.level]
        return Card(
            kind=kind,
            text=self._words(kind, assessment.category, reader, lang),
            lines=self.lines(kind, assessment.category, reader),
            level=assessment.level.name,
            category=assessment.category or "",
            rule=assessment.rule or "",
            lang=lang,
            dir=self._direction(lang),
            unread=self._unread(reader, lang) if kind == "emergency" else "",
        )

    def emergency(self, category: str, reader: Reader, lang: str | None = None) -> Card:
        """The card after somebody has answered that they are in danger, or do not know."""
        words = self._words("emergency", category, reader, lang)
        lines = self.lines("emergency", category, reader)
        unread = self._unread(reader, lang)
        return Card("emergency", words, lines, "A0", category, "answered", lang, self._direction(lang), unread)

    def lines(self, kind: CardKind, category: str | None, reader: Reader) -> list[Shown]:
        """At most three numbers, the right one first: 112 and Bris for whoever may be a child."""
        today = to_local(self._house.clock.now()).date()
        helplines = self._house.helplines
        if not reader.grown_up:
            topic = {"D04": "suicide_child", "D05": "suicide_child"}.get(category or "")
            name = topic or ("child" if kind == "serious" else "child_danger")
        else:
            name = _SETS.get(category or "", "adult_danger" if kind != "serious" else "adult")
        return helplines.pick(name, reader, today)

    def _direction(self, lang: str | None) -> str | None:
        return self._house.tongues.card(lang).direction if lang else None

    def _unread(self, reader: Reader, lang: str | None) -> str:
        if lang is not None:
            return self._house.tongues.card(lang).emergency.unread
        return self._house.phrases.say("emergency.unread", reader)

    def _words(self, kind: CardKind, category: str | None, reader: Reader, lang: str | None) -> str:
        if lang is not None:
            return self._house.tongues.card(lang).danger(kind, category or "", reader)
        phrases = self._house.phrases
        special = f"{kind}.{category}"
        return phrases.say(special if special in phrases else f"{kind}.text", reader)
