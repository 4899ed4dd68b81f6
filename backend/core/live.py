"""What happens now, told to whoever has a page open: topics in this process's memory.

An event is published after the commit that it tells of, so that nobody sees what a
crash would take back. It is a hint to look, never the only copy: a page that was away
reads the database again. One process serves a municipality, so memory is enough.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict, deque
from collections.abc import Iterator
from typing import NamedTuple

_UNREAD = 200
"""Events that wait for one page; a page that is further behind is told to read everything again."""


class Event(NamedTuple):
    """One thing that happened. ``id`` is where a page that was cut off goes on from."""

    name: str
    data: str = ""
    id: str = ""


RESYNC = Event("resync")
"""Some events were dropped: read everything again."""


class Feed:
    """The events of one open page, in order. Belongs to the event loop."""

    def __init__(self) -> None:
        self._events: deque[Event] = deque()
        self._wake = asyncio.Event()

    def put(self, event: Event) -> None:
        """Add an event without waiting."""
        if len(self._events) >= _UNREAD:
            self._events.clear()
            event = RESYNC
        self._events.append(event)
        self._wake.set()

    async def next(self, seconds: float) -> list[Event]:
        """Everything that has come since last time; empty if nothing comes within ``seconds``."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._wake.wait(), seconds)
        self._wake.clear()
        events = list(self._events)
        self._events.clear()
        return events


class Hub:
    """Who listens to what. To be used on the event loop only."""

    def __init__(self) -> None:
        self._feeds: defaultdict[str, set[Feed]] = defaultdict(set)

    @contextlib.contextmanager
    def listen(self, *topics: str) -> Iterator[Feed]:
        """A feed of everything that is published on any of ``topics`` until the block is left."""
        feed = Feed()
        for topic in topics:
            self._feeds[topic].add(feed)
        try:
            yield feed
        finally:
            for topic in topics:
                self._feeds[topic].discard(feed)
                if not self._feeds[topic]:
                    del self._feeds[topic]

    def publish(self, topic: str, event: Event) -> None:
        """Tell everybody who listens to ``topic`` now."""
        for feed in tuple(self._feeds.get(topic, ())):
            feed.put(event)

    def listeners(self, topic: str) -> int:
        """How many pages listen to ``topic``."""
        return len(self._feeds.get(topic, ()))
