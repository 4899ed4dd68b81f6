"""Who is reading, as far as they have told: role and age band decide which words we use."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, cast

Who = Literal["child", "partner", "parent", "adult", "professional"]
Band = Literal["6-9", "10-12", "13-17", "adult", "parent"]
Lang = str
"""A language by its tag in BCP 47, which is the name of its folder in ``content/``."""

EASY: Lang = "sv-x-latt"
"""Easy Swedish, for adults and teens who read Swedish as a new language or with effort; a private-use tag of BCP 47."""
_EASY_FOR: tuple[Band | None, ...] = (None, "13-17", "adult", "parent")
"""Younger children's Swedish is easy already."""

BANDS: tuple[Band, ...] = ("6-9", "10-12", "13-17", "adult", "parent")

_COMBINED: dict[str, tuple[Who, Band]] = {
    "child_6_9": ("child", "6-9"),
    "child_10_12": ("child", "10-12"),
    "child_13_17": ("child", "13-17"),
    "partner": ("partner", "adult"),
    "parent": ("parent", "parent"),
    "adult": ("adult", "adult"),
    "professional": ("professional", "adult"),
}
READERS = tuple(_COMBINED)
"""Who may be writing, as our own page asks it."""
_PARTLY: dict[str, tuple[Who, Band | None]] = {
    "child": ("child", None),
    "6-9": ("child", "6-9"),
    "10-12": ("child", "10-12"),
    "13-17": ("child", "13-17"),
}
KNOWN_READERS = (*READERS, *_PARTLY)
"""What the API takes for ``who``: a client may know the age or the role alone."""


@dataclass(frozen=True, slots=True)
class Reader:
    """Role, age band and language; None where the person has not said."""

    who: Who | None = None
    band: Band | None = None
    lang: Lang = "sv"

    @classmethod
    def of(cls, combined: str | None, lang: Lang = "sv") -> Reader:
        """From the API's one-word form (``child_10_12``, ``partner``, ``10-12``); raises `KeyError` for an unknown one."""
        if combined is None:
            return cls(lang=lang)
        who, band = _COMBINED.get(combined) or _PARTLY[combined]
        return cls(who, band, lang)

    @classmethod
    def stored(cls, who: str | None, band: str | None, lang: Lang) -> Reader:
        """From the columns of a row, in which a reader was put down."""
        return cls(cast("Who | None", who), cast("Band | None", band), lang)

    @property
    def combined(self) -> str | None:
        """The one-word form, or None when nothing is known."""
        return next((key for key, pair in _COMBINED.items() if pair == (self.who, self.band)), None)

    @property
    def spoken(self) -> Literal["sv", "en"]:
        """The language they write and are written to in, easy or not: what rules and the assistant go by."""
        return "en" if self.lang == "en" else "sv"

    @property
    def reads(self) -> Lang:
        """The language to take words from: easy Swedish is written for adults and teens only."""
        return "sv" if self.lang == EASY and self.band not in _EASY_FOR else self.lang

    @property
    def fallbacks(self) -> tuple[Lang, ...]:
        """Where to take words from that the language lacks: easy Swedish for whoever reads another language, then Swedish."""
        translated = self.lang not in ("sv", "en", EASY)
        return (EASY, "sv") if translated and self.band in _EASY_FOR else ("sv",)

    @property
    def grown_up(self) -> bool:
        """Whether the person has said that they are an adult; an unknown reader may be a child."""
        return self.band in ("adult", "parent")
