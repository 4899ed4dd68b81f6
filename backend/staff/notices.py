"""Notices in the browser, for who has asked for them: that something is new, and nothing of what.

Shown by a page that is open, without a service worker: when the staff app is closed nothing
comes. The words are "Ny händelse", since a notice may lie on a screen that others see.
"""

from __future__ import annotations

from collections.abc import Sequence

from sanic import HTTPResponse, Request

from backend.booking import notices as booking_notices
from backend.booking import promise
from backend.cases.team import staff_topic, unit_topic
from backend.concerns import live as concerns_live
from backend.core.live import RESYNC, Event, Feed
from backend.core.outbox import staff_not_told
from backend.core.people import Role, StaffMember
from backend.staff.shell import Shell
from backend.web.sse import stream

NEWS = Event("news")
_TOLD = frozenset({"talks", "line", "changed", promise.TOPIC, RESYNC.name})


class _News:
    """A feed of which only that there was something is passed on."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed

    async def next(self, seconds: float) -> Sequence[Event]:
        """See `backend.web.sse.Source`."""
        events = await self._feed.next(seconds)
        return [NEWS] if any(event.name in _TOLD for event in events) else []


def setup(shell: Shell) -> None:
    """Add the stream that notices come from, and what every page says while mails to staff do not go out."""

    @shell.bp.get("/nytt", name="notices")
    async def news(request: Request) -> HTTPResponse | None:
        staff = await shell.someone(request)
        if staff is None:
            return HTTPResponse(status=401)
        with shell.house.live.listen(*topics(staff)) as feed:
            await stream(request, _News(feed), allowed=lambda: shell.still(request, staff))
        return None

    async def unsent(staff: StaffMember) -> str:
        """A sentence while notices to staff have not gone out for five minutes, else an empty string."""
        house = shell.house
        count, since = await house.db.read(lambda session: staff_not_told(session, house.clock.now()))
        if since is None:
            return ""
        key = "staff.unsent.one" if count == 1 else "staff.unsent.many"
        return house.phrases.say(key, None, count=count, when=shell.words.moment(since))

    shell.share("unsent", unsent)


def topics(staff: StaffMember) -> list[str]:
    """Where what concerns this person is told."""
    found = [staff_topic(staff.id), unit_topic(staff.unit)]
    if staff.has(Role.THERAPIST) or staff.is_manager:
        found += [booking_notices.topic(staff.unit), f"talks:{staff.unit}"]
    if staff.has(Role.CASE_WORKER, Role.COORDINATOR) or staff.is_manager:
        found.append(concerns_live.topic(staff.unit))
    if staff.is_manager:
        found.append(promise.TOPIC)
    return found
