"""Open pages are told that something about a concern is new: which one, and nothing of what."""

from __future__ import annotations

from backend.core.house import House
from backend.core.live import Event


def topic(unit: str) -> str:
    """What the open pages of a unit listen to."""
    return f"concerns:{unit}"


def changed(house: House, unit: str, concern_id: str) -> None:
    """Something was committed about a concern of ``unit``. On the event loop, after the commit."""
    house.live.publish(topic(unit), Event("changed", concern_id))
