"""Languages beyond Swedish and English: the card that greets in them, and the ones an interpreter can be asked for.

A card has every part or the start stops: half an answer in somebody's own language is
worse than none. No part falls back on Swedish, since who reads it does not read Swedish.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal

import msgspec

from backend.core.content import ContentError, Located, read_yaml, translations
from backend.core.municipality import Strict
from backend.core.reader import Reader
from backend.core.wording import DEFAULT, Text
from language.tongue import TONGUES

_FIRE = "D15"


class Buttons(Strict, frozen=True):
    """What is on the buttons under a card."""

    book: str
    numbers: str
    sv: str
    en: str
    yes: str
    no: str
    unsure: str
    tell: str
    mistaken: str


class Emergency(Strict, frozen=True):
    """What is said when there is danger now; ``fire`` to everybody in a house that burns.

    ``unread`` follows each of them: no person reads this now.
    """

    child: str
    adult: str
    fire: str
    unread: str


class SafetyCheck(Strict, frozen=True):
    """The question whether there is danger now, and what follows on a no."""

    child: str
    adult: str
    not_now: str


class Card(Strict, frozen=True):
    """The assistant's words in one language; ``read_by`` is None until a native speaker has read them."""

    name: str
    direction: Literal["ltr", "rtl"]
    read_by: str | None
    greeting: str
    buttons: Buttons
    emergency: Emergency
    safety_check: SafetyCheck
    serious: str

    def danger(self, kind: Literal["emergency", "safety_check", "serious"], category: str, reader: Reader) -> str:
        """The text of a danger card; whoever may be a child is spoken to as one."""
        if kind == "serious":
            return self.serious
        if kind == "emergency" and category == _FIRE:
            return self.emergency.fire
        words = self.emergency if kind == "emergency" else self.safety_check
        return words.adult if reader.grown_up else words.child


class _Named(Strict, frozen=True):
    sv: str
    en: str
    own: str


class Tongues:
    """The cards by language code, and the names of languages to be interpreted from."""

    def __init__(self, cards: Mapping[str, Card], interpreters: Mapping[str, _Named]) -> None:
        self._cards = cards
        self._interpreters = interpreters

    @classmethod
    def load(cls, directory: Path) -> Tongues:
        """Read ``<language>/card.yml`` and ``interpreters.yml``; raises `ContentError` for any missing or empty part."""
        # A translation says its own name and direction there too, whether we can hear the language or not.
        cards = {code: _card(directory / code / "card.yml") for code in {*TONGUES, *translations(directory)}}
        path = directory / "interpreters.yml"
        try:
            named = msgspec.convert(read_yaml(path), dict[str, _Named])
        except msgspec.ValidationError as error:
            raise ContentError(f"{path}: {error}") from None
        missing = [code for code in (*sorted(cards), "other") if code not in named]
        if missing:
            raise ContentError(f"{path}: missing: {', '.join(missing)}")
        return cls(cards, named)

    def __contains__(self, code: object) -> bool:
        return code in self._cards

    def card(self, code: str) -> Card:
        """The card of one of `TONGUES`; raises `KeyError` for others."""
        return self._cards[code]

    def interpreted(self, code: object) -> bool:
        """Whether an interpreter can be asked for by this code."""
        return code in self._interpreters

    def interpreter(self, code: str, reader: Reader | None = None) -> str:
        """What a language is called in the reader's; a code that is gone from the file stands as it is.

        To whoever reads neither Swedish nor English each language is called as it calls itself.
        """
        named = self._interpreters.get(code)
        if named is None:
            return code
        if reader is not None and reader.lang in self._cards:
            return named.own
        return named.en if reader is not None and reader.lang == "en" else named.sv

    def choices(self, reader: Reader) -> list[tuple[str, str]]:
        """Code and title of each language for a form: its name in the reader's and in itself, the reader's own first."""
        if reader.lang in self._cards:
            codes = sorted(self._interpreters, key=lambda code: (code != reader.lang, code == "other"))
            return [(code, self._interpreters[code].own) for code in codes]
        return [
            (
                code,
                self.interpreter(code, reader) if code == "other" else f"{self.interpreter(code, reader)} – {one.own}",
            )
            for code, one in self._interpreters.items()
        ]

    def unread(self) -> list[str]:
        """Codes of the languages whose card no native speaker has read, for the staff app."""
        return [code for code, card in sorted(self._cards.items()) if not card.read_by]

    def texts(self) -> Iterator[Text]:
        """Every text of every card as its file has it, for those who sign translations."""
        for code, card in sorted(self._cards.items()):
            for name, text in _texts(msgspec.to_builtins(card)):
                if name.partition(".")[0] not in ("name", "direction", "read_by"):
                    yield Text(f"card.{name}", code, "card", {DEFAULT: text})


def _card(path: Path) -> Card:
    file = Located(path)
    card = file.convert(Card)
    empty = [name for name, text in _texts(msgspec.to_builtins(card)) if not text.strip()]
    if empty:
        raise file.error(f"empty: {', '.join(empty)}", *empty[0].split("."))
    return card


def _texts(node: Mapping[str, object], prefix: str = "") -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for key, value in node.items():
        if isinstance(value, Mapping):
            found += _texts(value, f"{prefix}{key}.")
        elif isinstance(value, str):
            found.append((f"{prefix}{key}", value))
    return found
