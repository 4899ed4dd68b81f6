"""``/min-tid``: see and cancel with the six words, on a plain page."""

from __future__ import annotations

import asyncio

from sanic import Blueprint, HTTPResponse, Request, Sanic

from backend.core.errors import CodeReadAloud, DomainError
from backend.core.house import House
from backend.core.reader import Reader
from backend.danger.service import DangerWatch
from backend.returning.service import BookingSeen, Returning
from backend.web.render import page
from backend.web.security import source_of


def setup(app: Sanic, house: House, returning: Returning, watch: DangerWatch) -> None:
    """Register the page. The words travel in the body of a POST, never in an address.

    Somebody who writes of danger where a code belongs is shown help, as everywhere.
    """
    bp = Blueprint("returning")

    async def show(request: Request, *, status: int = 200, **context: object) -> HTTPResponse:
        return await page(request, "returning/code.html", status=status, **context)

    @bp.get("/min-tid")
    async def ask(request: Request) -> HTTPResponse:
        return await show(request)

    @bp.post("/min-tid")
    async def answer(request: Request) -> HTTPResponse:
        words = (request.form.get("words") or "") if request.form else ""
        source = source_of(request, house.settings.trusted_proxies)
        try:
            if request.form and request.form.get("cancel"):
                done = await returning.cancel(words, source)
                key = "code.cancelled" if done else "code.already_cancelled"
                return await show(request, found=house.phrases.say(key))
            found = await returning.open(words, source)
        except CodeReadAloud:
            own = await returning.exchange(words, source)
            return await show(request, own=own.words.split(), receipt=own.receipt)
        except DomainError as error:
            message = house.phrases.say(f"error.{error.code}")
            card = await asyncio.to_thread(watch.assess_fields, [words], Reader())
            return await show(request, status=error.status, error=message, words=words, card=card)
        can_cancel = isinstance(found, BookingSeen) and found.active
        text = returning.describe(found, Reader())
        answers = returning.answers(found, Reader())
        return await show(
            request,
            found=text,
            answers=answers,
            words=words if can_cancel else "",
            can_cancel=can_cancel,
            room=found.room if isinstance(found, BookingSeen) else None,
        )

    app.blueprint(bp)
