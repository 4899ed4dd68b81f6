"""Where Rasa keeps conversations: in memory, briefly, and nowhere else.

Also how a conversation is written down as a small state (slots and the form it is in) and
made again from one, so that the backend can carry it over a restart or an eviction.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

from rasa.core.tracker_store import SerializedTrackerAsText, TrackerStore
from rasa.shared.core.constants import (
    ACTION_LISTEN_NAME,
    ACTION_SESSION_START_NAME,
    DEFAULT_SLOT_NAMES,
    REQUESTED_SLOT,
)
from rasa.shared.core.domain import Domain
from rasa.shared.core.events import ActionExecuted, ActiveLoop, Event, SessionStarted, SlotSet
from rasa.shared.core.trackers import DialogueStateTracker

MOST_EVENTS = 150
"""A longer conversation, some 15 to 20 turns, is stored as its state alone.

Each turn replays every event and sends it to the actions, and words need not be kept.
"""

# Rasa looks through all its classes for each event it reads; they do not change.
Event.resolve_by_type = staticmethod(cache(Event.resolve_by_type))


def state_of(tracker: DialogueStateTracker) -> dict[str, Any]:
    """`{"slots": {...}, "loop": name or None, "requested": slot or None}` of a conversation.

    Slots without a value are left out, unless they were emptied and would otherwise come
    back with their initial value. Rasa's own slots are left out. Holds whatever actions
    put into slots; by this project's rule never a person's words.
    """
    return {
        "slots": {
            name: slot.value
            for name, slot in tracker.slots.items()
            if name not in DEFAULT_SLOT_NAMES and (slot.value is not None or slot.initial_value is not None)
        },
        "loop": tracker.active_loop_name,
        "requested": tracker.get_slot(REQUESTED_SLOT),
    }


def tracker_from_state(conversation: str, state: dict[str, Any] | None, domain: Domain) -> DialogueStateTracker:
    """A conversation that goes on from a state, waiting for the person's next message.

    Slots and forms that the domain no longer has are dropped: the state may be older than
    the model. Session start is part of it, so Rasa does not run its own.
    """
    state = state or {}
    known = {slot.name for slot in domain.slots} - DEFAULT_SLOT_NAMES
    events: list[Any] = [ActionExecuted(ACTION_SESSION_START_NAME), SessionStarted()]
    events += [SlotSet(name, value) for name, value in (state.get("slots") or {}).items() if name in known]
    loop = state.get("loop")
    if loop in domain.form_names:
        events += [ActionExecuted(loop), ActiveLoop(loop)]
        if state.get("requested") in known:
            events.append(SlotSet(REQUESTED_SLOT, state["requested"]))
    events.append(ActionExecuted(ACTION_LISTEN_NAME))
    return DialogueStateTracker.from_events(conversation, events, slots=domain.slots, domain=domain)


class EphemeralTrackerStore(TrackerStore, SerializedTrackerAsText):
    """Conversations in this process's memory, gone after a while without a message.

    Args:
        domain: Rasa's domain.
        event_broker: must be None; events hold people's words and go nowhere.
        idle_minutes: how long a conversation is kept after its last turn.
        most: how many are kept; beyond that the longest idle one goes.
        clock: seconds, monotonic; for tests.
    """

    def __init__(
        self,
        domain: Domain | None,
        event_broker: Any = None,
        idle_minutes: float = 15,
        most: int = 10_000,
        clock: Callable[[], float] = time.monotonic,
        **_unused: Any,
    ) -> None:
        if event_broker is not None:
            raise ValueError("an event broker would copy conversations out of this process")
        super().__init__(domain)
        self._idle_seconds = idle_minutes * 60
        self._most = most
        self._clock = clock
        # Longest idle first.
        self._kept: OrderedDict[str, tuple[float, str]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    async def save(self, tracker: DialogueStateTracker) -> None:
        """Keep a conversation as it is now, and drop those that have been idle too long."""
        if len(tracker.events) > MOST_EVENTS:
            tracker = tracker_from_state(tracker.sender_id, state_of(tracker), self.domain)
        self._kept[tracker.sender_id] = (self._clock(), self.serialise_tracker(tracker))
        self._kept.move_to_end(tracker.sender_id)
        self.sweep()
        while len(self._kept) > self._most:
            self._kept.popitem(last=False)

    async def retrieve(self, sender_id: str) -> DialogueStateTracker | None:
        """A copy of the conversation, or None if it is not, or no longer, known."""
        self.sweep()
        kept = self._kept.get(sender_id)
        return self.deserialise_tracker(sender_id, kept[1]) if kept else None

    async def keys(self) -> Iterable[str]:
        """The ids of the conversations that are kept."""
        return list(self._kept)

    def forget(self, sender_id: str) -> None:
        """Drop a conversation now. Unknown ids are no error."""
        self._kept.pop(sender_id, None)

    def sweep(self) -> None:
        """Drop what has been idle too long. Called on every use, and once a minute."""
        oldest = self._clock() - self._idle_seconds
        while self._kept and next(iter(self._kept.values()))[0] < oldest:
            self._kept.popitem(last=False)
