"""What a visitor's open page is told of a talk with a human, as it happens.

A hint on the hub only says that there is something to look at; the messages are read from the
database by their number, so that a page which was cut off goes on where it was, and none comes twice.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from backend.core.errors import DomainError
from backend.core.live import RESYNC, Event, Feed
from backend.talks import rules
from backend.talks.service import HERE, LINE, READ, SAID, STATE, TYPING

_LOOK = frozenset({SAID, STATE, LINE, HERE, READ, RESYNC.name})


@dataclass(frozen=True, slots=True)
class News:
    """Messages with their numbers, where the chat stands now, and how far the human has read."""

    messages: Sequence[tuple[int, dict[str, Any]]]
    mode: str
    talk: dict[str, Any] | None


@dataclass(slots=True)
class VisitorFeed:
    """Events of one page: ``message``, ``state``, ``typing``, ``read``. ``seq`` is the last message that was sent."""

    feed: Feed
    look: Callable[[int], Awaitable[News]]
    talk_id: str
    seq: int
    _state: str = field(default="", init=False)

    async def first(self) -> list[Event]:
        """What has been missed, and how things stand."""
        return self._told(await self.look(self.seq))

    async def next(self, seconds: float) -> list[Event]:
        """See `backend.web.sse.Source`."""
        hints = await self.feed.next(seconds)
        names = {hint.name for hint in hints}
        events = [Event(TYPING) for hint in hints if hint.name == TYPING and hint.data == rules.STAFF][:1]
        if not names.isdisjoint(_LOOK):
            try:
                news = await self.look(self.seq)
            except DomainError:
                return []  # the chat is gone, and the stream with it
            events = self._told(news) + (events if SAID not in names else [])
        return events

    def _told(self, news: News) -> list[Event]:
        events = []
        for seq, message in news.messages:
            events.append(Event("message", json.dumps(message, ensure_ascii=False), rules.mark(self.talk_id, seq)))
            self.seq = seq
        # The mark moves with every message, and tells a page nothing that the messages do not.
        talk = None if news.talk is None else {**news.talk, "mark": ""}
        state = json.dumps({"mode": news.mode, "talk": talk}, ensure_ascii=False)
        if state != self._state:
            self._state = state
            events.append(Event("state", state))
        return events
