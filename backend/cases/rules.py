"""What a person's record holds and what a team may be told: plain shapes and decisions."""

from __future__ import annotations

import msgspec

GROUNDS = ("consent", "no_harm", "duty")
"""Why a unit of another board or branch may take part (OSL 12:2, 26:1, or a statutory duty): a person's choice."""
WAYS = ("visit", "office", "phone", "video", "chat")
"""How somebody was met."""
CLOSED_AS = ("finished", "moved", "declined", "handed_over")
"""Why a case was closed."""


class Shared(msgspec.Struct, frozen=True):
    """What other family members' teams see, once staff have linked and shown the person."""

    first_name: str
    born: int | None = None
    """The year."""
    language: str = ""


class Private(msgspec.Struct, frozen=True):
    """For those who work for this person only."""

    full_name: str = ""
    phone: str = ""
    address: str = ""
    safe_contact: str = ""
    notes: str = ""
