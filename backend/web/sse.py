"""Server-sent events (HTML Living Standard, 9.2): a page that is told, and comes back by itself when cut off."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Protocol

from sanic import Request

from backend.core.live import Event

BEAT_SECONDS = 15.0
"""How often a quiet stream says that it is alive; proxies cut what is silent, and Sanic after a minute."""
_RETRY_MS = 2000


class Source(Protocol):
    """Where a page's events come from: a `backend.core.live.Feed`, or something that reads what a feed points at."""

    async def next(self, seconds: float) -> Sequence[Event]:
        """What has come since last time; empty if nothing comes within ``seconds``."""
        ...


async def stream(
    request: Request,
    feed: Source,
    *,
    first: Sequence[Event] = (),
    allowed: Callable[[], Awaitable[bool]] | None = None,
    losses: Collection[str] = (),
) -> None:
    """Send ``first`` and then what comes on ``feed``, until the page goes away.

    ``allowed`` is asked before anything is sent and at every beat; the stream ends with
    ``event: closed`` as soon as it says no, so that a right that was taken back ends open windows too.
    ``losses`` are the names of events that only take away: they are told before that is asked, since a
    hundred windows that ask the database first would keep what has just been taken back for seconds.
    """
    # A reverse proxy that gathers an answer before it passes it on would hold every event back.
    response = await request.respond(content_type="text/event-stream", headers={"x-accel-buffering": "no"})
    assert response is not None
    await response.send(f"retry: {_RETRY_MS}\n\n")
    events: Sequence[Event] = first
    while allowed is None or await allowed():
        await response.send("".join(map(_frame, events)) or ": alive\n\n")
        events = await feed.next(BEAT_SECONDS)
        if lost := [event for event in events if event.name in losses]:
            await response.send("".join(map(_frame, lost)))
            events = [event for event in events if event.name not in losses]
    await response.send(_frame(Event("closed")))
    await response.eof()


def _frame(event: Event) -> str:
    lines = [f"id: {event.id}"] if event.id else []
    lines.append(f"event: {event.name}")
    # A field ends at a line break, so data of several lines is several fields.
    lines += [f"data: {line}" for line in event.data.splitlines() or [""]]
    return "\n".join(lines) + "\n\n"
