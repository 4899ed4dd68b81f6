"""When an alert rings, whom it rings for and how long it is kept: plain decisions."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta
from typing import Literal

Source = Literal["chat", "talk", "booking", "concern"]
A0, A1 = "A0", "A1"
KEPT = timedelta(days=30)
SETTLED_SHOWN = timedelta(minutes=10)
"""How long others are shown who has seen an alert, or that the person has taken it back."""
WIDE = frozenset({"case_worker", "manager", "on_call"})
"""The roles that read the incoming queue of danger."""
OWN = frozenset({"therapist"})
"""The roles that are alerted of their own bookings and talks only."""


def rings(level: str | None) -> bool:
    """Whether danger of this level is an alert at all: life in danger now, or danger today."""
    return level in (A0, A1)


def nearer(level: str, than: str) -> bool:
    """Whether one alert's level is nearer than another's."""
    return level == A0 and than == A1


def rings_again(level: str, *, before: str, came_closed: bool, is_open: bool) -> bool:
    """Whether more danger in what rings already is told once more: it is nearer, or there is somebody to tell now."""
    return nearer(level, before) or (came_closed and is_open)


def mails(level: str, *, is_open: bool) -> bool:
    """Whether the on-call contact gets a mail: always for life in danger, else in office hours."""
    return level == A0 or is_open


def may_be_alerted(roles: Collection[str], *, active: bool) -> bool:
    """Whether there are alerts for somebody with these roles at all."""
    return active and not (WIDE | OWN).isdisjoint(roles)
