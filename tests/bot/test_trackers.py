"""Promises of the place where conversations are kept."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from conftest import TINY
from rasa.shared.core.domain import Domain
from rasa.shared.core.events import BotUttered, SlotSet
from rasa.shared.core.trackers import DialogueStateTracker

from channels.trackers import (
    MOST_EVENTS,
    EphemeralTrackerStore,
    state_of,
    tracker_from_state,
)

DOMAIN = Domain.load(str(TINY / "domain.yml"))
IN_A_FORM = {
    "slots": {"who": "child", "lang": "en", "channel": "phone"},
    "loop": "booking_form",
    "requested": "time",
}


class Clock:
    """Seconds that pass when told to."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def store(clock: Clock, **settings: Any) -> EphemeralTrackerStore:
    return EphemeralTrackerStore(DOMAIN, clock=clock, **settings)


def conversation(name: str, state: dict[str, Any] | None = None) -> DialogueStateTracker:
    return tracker_from_state(name, state, DOMAIN)


def test_a_state_survives_being_written_down_and_made_again() -> None:
    """Slots, the form and the slot it asks for are the same afterwards."""
    assert IN_A_FORM == state_of(conversation("a", IN_A_FORM))


def test_only_set_slots_are_written_down_and_emptied_ones_stay_empty() -> None:
    """A slot without value is left out, unless its initial value would come back."""
    tracker = conversation("a")
    assert {"lang": "sv"} == state_of(tracker)["slots"]

    tracker.update(SlotSet("lang", None))
    again = conversation("b", state_of(tracker))
    assert again.get_slot("lang") is None


def test_what_the_domain_no_longer_has_is_dropped() -> None:
    """A state from an older model starts a conversation all the same."""
    tracker = conversation("a", {"slots": {"gone": 1, "who": "child"}, "loop": "gone_form", "requested": "gone"})

    assert {"slots": {"who": "child", "lang": "sv"}, "loop": None, "requested": None} == (state_of(tracker))


def test_a_conversation_is_gone_after_a_while_without_a_message() -> None:
    """15 idle minutes; a message in between starts them again."""

    async def scenario() -> None:
        clock = Clock()
        kept = store(clock)
        await kept.save(conversation("idle"))
        await kept.save(conversation("active"))
        clock.now = 14 * 60
        await kept.save(conversation("active"))
        clock.now = 16 * 60
        kept.sweep()
        assert ["active"] == await kept.keys()
        assert await kept.retrieve("idle") is None

    asyncio.run(scenario())


def test_there_is_a_most_number_of_conversations() -> None:
    """Beyond it the longest idle one goes."""

    async def scenario() -> None:
        kept = store(Clock(), most=2)
        for name in ("a", "b", "c"):
            await kept.save(conversation(name))
        assert ["b", "c"] == await kept.keys()

    asyncio.run(scenario())


def test_a_kept_conversation_is_a_copy() -> None:
    """What is done to a retrieved conversation counts only when it is saved."""

    async def scenario() -> None:
        kept = store(Clock())
        await kept.save(conversation("a", IN_A_FORM))
        taken = await kept.retrieve("a")
        taken.update(SlotSet("who", "parent"))
        assert IN_A_FORM == state_of(await kept.retrieve("a"))

    asyncio.run(scenario())


def test_a_long_conversation_is_shortened_to_its_state() -> None:
    """Turns stay fast, and words do not pile up in memory."""

    async def scenario() -> None:
        kept = store(Clock())
        tracker = conversation("a", IN_A_FORM)
        for _ in range(MOST_EVENTS):
            tracker.update(BotUttered("x"))
        await kept.save(tracker)
        shortened = await kept.retrieve("a")
        assert len(shortened.events) < 10
        assert IN_A_FORM == state_of(shortened)

    asyncio.run(scenario())


def test_conversations_are_never_copied_to_an_event_broker() -> None:
    """Configuring a broker is an error."""
    with pytest.raises(ValueError, match="broker"):
        EphemeralTrackerStore(DOMAIN, event_broker=object())


def test_the_configured_endpoints_use_this_store() -> None:
    """Both endpoint files keep conversations here, and name no broker."""
    for name in ("endpoints.yml", "endpoints.compose.yml"):
        written = (Path(TINY).parents[2] / "rasa" / name).read_text(encoding="utf-8")
        assert "type: channels.trackers.EphemeralTrackerStore" in written
        assert "event_broker" not in written
