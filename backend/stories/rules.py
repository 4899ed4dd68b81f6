"""How a story is split, which secrecy gate lies between two units, and what a legal ground allows: plain decisions."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

PARTS_AT_ONCE = 12
"""Parts that one telling is split in at most: more cannot be overlooked on a small screen."""
_BLANK_LINES = re.compile(r"\n(?:[^\S\n]*\n)+")


def split(text: str) -> list[str]:
    """The parts of a telling: what stands between blank lines, word for word and in order.

    When there are more than `PARTS_AT_ONCE`, the two neighbours that are shortest together become
    one, until there are not; no word is lost. Text without a blank line is one part.
    """
    parts = [part for part in _BLANK_LINES.split(text.replace("\r\n", "\n").replace("\r", "\n")) if part.strip()]
    while len(parts) > PARTS_AT_ONCE:
        at = min(range(len(parts) - 1), key=lambda place: len(parts[place]) + len(parts[place + 1]))
        parts[at : at + 2] = [f"{parts[at]}\n\n{parts[at + 1]}"]
    return parts


def beginning(text: str, most: int = 60) -> str:
    """The first words of a part, to know it by; three dots when there are more."""
    line = " ".join(text.split())
    if len(line) <= most:
        return line
    cut = line[:most].rpartition(" ")[0] or line[:most]
    return f"{cut} …"


class Gate(StrEnum):
    """What lies between who has a story and who is to read of it (domain.md 2.2).

    ``G0`` the same unit. ``G1`` the same board and branch: no secrecy border, but only those who
    need it for their work. ``G2`` another board or an independent branch in the municipality, where
    secrecy applies (OSL 8:2, 26:1). ``G3`` somebody outside the municipality.
    """

    SAME_UNIT = "G0"
    SAME_BRANCH = "G1"
    OTHER_BRANCH = "G2"
    OUTSIDE = "G3"


@dataclass(frozen=True, slots=True)
class Place:
    """A unit's place in the municipality: secrecy lies between boards and between branches."""

    unit: str
    board: str
    branch: str


def gate(giver: Place, receiver: Place | None) -> Gate:
    """Which gate a story passes from one unit to another; None is somebody outside the municipality."""
    if receiver is None:
        return Gate.OUTSIDE
    if receiver.unit == giver.unit:
        return Gate.SAME_UNIT
    if (receiver.board, receiver.branch) == (giver.board, giver.branch):
        return Gate.SAME_BRANCH
    return Gate.OTHER_BRANCH


@dataclass(frozen=True, slots=True)
class Ground:
    """A legal ground for telling somebody without the person's consent.

    ``paragraph`` is the law as it is cited. ``gates``: where it may be used; ``to``: only these
    units, or any when empty. ``words``: whether parts of the story may be told, or only that
    there is contact (SoL 15:8).
    """

    id: str
    paragraph: str
    gates: frozenset[Gate]
    to: tuple[str, ...]
    words: bool

    def allows(self, passing: Gate, receiver: str | None) -> bool:
        """Whether it may be used through this gate to this unit; None is somebody outside."""
        return passing in self.gates and (not self.to or receiver in self.to)


@dataclass(frozen=True, slots=True)
class Grounds:
    """The legal grounds in the order they are offered, the outsiders that can be told, and the version of the list."""

    version: str
    grounds: Sequence[Ground]
    outside: Sequence[str]

    def find(self, ground_id: str) -> Ground | None:
        """The ground with that id."""
        return next((ground for ground in self.grounds if ground.id == ground_id), None)


def may_hide(review: date, today: date, longest_days: int) -> bool:
    """Whether a safety reason may keep a sharing from the person until ``review``: a day to come, not too far off."""
    return 0 < (review - today).days <= longest_days


def changes(
    now: Collection[tuple[str, str]], wished: Collection[tuple[str, str]]
) -> tuple[set[tuple[str, str]], set[tuple[str, str]]]:
    """What to give and what to take back, as (unit, part), to come from one picture of consent to another."""
    return set(wished) - set(now), set(now) - set(wished)
