"""``/karta/har``: where on the map I am, with the six words; as far as staff have decided that it may be shown.

The words travel in the body of one POST; the page that answers is never cached and names nobody.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sanic import Blueprint, HTTPResponse, Request, Sanic

from backend.booking.labels import day_of, when
from backend.core.clock import to_local
from backend.core.errors import CodeReadAloud, DomainError
from backend.core.house import House
from backend.core.reader import Reader
from backend.danger.service import DangerWatch
from backend.journey import places
from backend.journey.service import Journey, Name
from backend.returning.service import BookingSeen, Returning
from backend.web.help import language
from backend.web.render import page
from backend.web.security import source_of

PATH = "/karta/har"


@dataclass(frozen=True, slots=True)
class Token:
    """A token as the page shows it: as whom, where, since when, what may come, and the next meeting if one is told."""

    token: str
    station: Name
    since: str
    after: list[Name]
    meeting: str


def setup(app: Sanic, house: House, returning: Returning, journey: Journey, watch: DangerWatch) -> None:
    """Register the page."""
    bp = Blueprint("here")
    say = house.phrases.say

    def day(instant: datetime, reader: Reader) -> str:
        return day_of(house.phrases, to_local(instant).date(), to_local(house.clock.now()).date(), reader)

    async def ask(request: Request, reader: Reader, status: int = 200, **more: Any) -> HTTPResponse:
        return await page(request, "journey/here_ask.html", status=status, reader=reader, **more)

    @bp.get(PATH)
    async def begin(request: Request) -> HTTPResponse:
        return await ask(request, Reader(lang=language(request)))

    @bp.post(PATH)
    async def show(request: Request) -> HTTPResponse:
        form: Any = request.form or {}
        words, reader = form.get("words") or "", Reader(lang=language(request))
        try:
            found = await returning.open(words, source_of(request, house.settings.trusted_proxies))
        except CodeReadAloud:
            return await ask(request, reader, 409, error=say("way.here_read_aloud", reader), words=words)
        except DomainError as error:
            card = await asyncio.to_thread(watch.assess_fields, [words], reader)
            message = say(f"error.{error.code}", reader)
            return await ask(request, reader, error.status, error=message, words=words, card=card)
        seen: list[places.Here] = []
        upcoming = ""
        if isinstance(found, BookingSeen):
            viewer = f"booking:{found.booking_id}"
            seen = await house.db.read(lambda session: places.seen_by(session, viewer))
            if found.active and found.booking.start > house.clock.now():
                upcoming = when(house.phrases, found.booking.start, house.clock.now(), reader)
        tokens: list[Token] = []
        way: list[tuple[Name, str]] = []
        for here in seen:
            own = here.as_whom == "self"
            meets = here.now.meets_at
            told = when(house.phrases, meets, house.clock.now(), reader) if meets and meets > house.clock.now() else ""
            tokens.append(
                Token(
                    here.as_whom,
                    journey.called(here.now.station, reader),
                    day(here.now.since, reader),
                    journey.onward(here.now.station, reader),
                    (upcoming or told) if own else "",
                )
            )
            for stay in here.way[:-1]:
                way.append((journey.called(stay.station, reader), day(stay.since, reader)))
        return await page(request, "journey/here.html", reader=reader, tokens=tokens, way=way)

    app.blueprint(bp)
