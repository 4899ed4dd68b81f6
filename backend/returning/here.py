"""``/karta/har``: where on the map I am, with the six words; as far as staff have decided that it may be shown.

The words travel in the body of one POST; the page that answers is never cached and names nobody.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
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
from backend.journey.service import Journey, kept
from backend.journey.showing import HerePage, here_page
from backend.returning.service import BookingSeen, Returning, Seen
from backend.web.help import language
from backend.web.render import page
from backend.web.security import source_of

PATH = "/karta/har"


class HerePages:
    """What a code shows of the map, for every page that a code opens."""

    def __init__(self, house: House, journey: Journey) -> None:
        self._house = house
        self._journey = journey

    async def find(self, found: Seen, reader: Reader | None = None) -> HerePage | None:
        """What may be seen with the code that opened ``found``, or None; in the words of who wrote it, unless given."""
        if not found.viewer:
            return None
        now, phrases = self._house.clock.now(), self._house.phrases
        words = reader or found.reader
        seen = await self._house.db.read(lambda session: places.seen_by(session, found.viewer))
        upcoming = ""
        if isinstance(found, BookingSeen) and found.active and found.booking.start > now:
            upcoming = when(phrases, found.booking.start, now, words)

        def day(instant: datetime) -> str:
            return day_of(phrases, to_local(instant).date(), to_local(now).date(), words)

        def moment(instant: datetime) -> str:
            return when(phrases, instant, now, words)

        return await asyncio.to_thread(here_page, self._journey, seen, words, day, moment, now, upcoming)

    async def show(self, request: Request, found: Seen, lang: Reader) -> HTTPResponse:
        """The page, in the words of who wrote or booked and in the language that was asked for."""
        reader = found.reader if lang.lang == "sv" else replace(found.reader, lang=lang.lang)
        here = await self.find(found, reader)
        return await page(request, "journey/here.html", reader=reader, here=here, keep=kept(reader))


def setup(app: Sanic, house: House, returning: Returning, pages: HerePages, watch: DangerWatch) -> None:
    """Register the page."""
    bp = Blueprint("here")
    say = house.phrases.say

    async def ask(request: Request, reader: Reader, status: int = 200, **more: Any) -> HTTPResponse:
        return await page(request, "journey/here_ask.html", status=status, reader=reader, **more)

    @bp.get(PATH)
    async def begin(request: Request) -> HTTPResponse:
        return await ask(request, Reader(lang=language(request)))

    @bp.post(PATH)
    async def show(request: Request) -> HTTPResponse:
        form: Any = request.form or {}
        words, ticket, reader = form.get("words") or "", form.get("ticket") or "", Reader(lang=language(request))
        source = source_of(request, house.settings.trusted_proxies)
        try:
            found = await (returning.again(ticket) if ticket else returning.open(words, source))
        except CodeReadAloud:
            own = await returning.exchange(words, source)
            return await page(request, "returning/own.html", words=own.words.split(), receipt=own.receipt)
        except DomainError as error:
            card = await asyncio.to_thread(watch.assess_fields, [words], reader)
            message = say("my_time.ticket_old" if ticket else f"error.{error.code}", reader)
            return await ask(request, reader, error.status, error=message, words=words, card=card)
        return await pages.show(request, found, reader)

    app.blueprint(bp)
