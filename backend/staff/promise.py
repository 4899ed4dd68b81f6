"""``/personal/loftet``: who waits to be reached, what rang because no time was left, and how the promise is kept.

A banner on every page tells the manager of the booking unit at once, and whoever works there that somebody waits.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import Any

from sanic import HTTPResponse, Request, redirect

from backend.booking.callbacks import CallbackDesk
from backend.booking.promise import Capacity
from backend.booking.service import BookingDesk
from backend.core.errors import Conflict, DomainError, NotFound, NotLoggedIn
from backend.core.people import StaffMember
from backend.staff.shell import ID, Shell
from backend.web.render import page

PATH = "/personal/loftet"
DONE = ("taken", "tried", "reached", "missed", "booked", "seen")
_TIMES_SHOWN = 10


@dataclass(frozen=True, slots=True)
class Pressing:
    """What the banner shows: alarms that nobody has seen, and how many wait whom nobody has taken, or too long."""

    alarms: list[Capacity]
    waiting: int
    late: int


def setup(shell: Shell, booking: BookingDesk, callbacks: CallbackDesk) -> None:
    """Add the pages to the staff app."""
    known, show, words, bp, promise = shell.known, shell.show, shell.words, shell.bp, booking.promise
    shell.way(PATH, "staff.promise.nav", promise.figures_for)

    async def pressing(staff: StaffMember) -> Pressing | None:
        if not promise.figures_for(staff):
            return None
        rows = [row for row in await callbacks.list_for(staff) if row.waiting]
        return Pressing(
            await promise.ringing(staff),
            sum(not row.taken_by for row in rows),
            sum(row.late for row in rows),
        )

    shell.share("capacity", pressing)

    @bp.get("/loftet", name="promise")
    @known
    async def overview(request: Request, staff: StaffMember) -> HTTPResponse:
        done = request.args.get("klart") or ""
        return await show(
            request,
            "promise",
            staff,
            figures=await promise.figures(staff),
            rows=await callbacks.list_for(staff),
            recent=await promise.recent(staff) if promise.alarms_for(staff) else None,
            done=done if done in DONE else "",
        )

    @bp.get("/loftet/nu", name="promise-now")
    async def now(request: Request) -> HTTPResponse:
        """The banner alone, for a page that is open; 401 once nobody is logged in, so that it stops asking."""
        try:
            staff = await shell.polling(request)
        except NotLoggedIn:
            return HTTPResponse(status=401)
        found = await pressing(staff)
        if found is None:
            return HTTPResponse(status=404)
        return await page(request, "staff/_capacity.html", capacity=found, w=words)

    @bp.post(f"/loftet/sett/<alarm_id:{ID}>", name="promise-seen")
    @known
    async def seen(_request: Request, staff: StaffMember, alarm_id: str) -> HTTPResponse:
        # Where a colleague was first, the page says who.
        with contextlib.suppress(Conflict):
            await promise.seen(staff, alarm_id)
        return redirect(f"{PATH}?klart=seen#alarms", status=303)

    async def opened(
        request: Request, staff: StaffMember, callback_id: str, error: DomainError | None = None
    ) -> HTTPResponse:
        file = await callbacks.open_for(staff, callback_id)
        channels = [each for each in booking.channels if each != "phone" or file.phone is not None]
        wanted = request.args.get("satt") or ""
        channel = wanted if wanted in channels else "phone" if file.phone is not None else channels[0]
        offer = await booking.offer(channel, limit=_TIMES_SHOWN, acute=True)
        times = offer.times or ([offer.opens] if offer.opens else [])
        key = f"staff.promise.error.{error.code}" if error is not None else ""
        return await show(
            request,
            "callback",
            staff,
            error.status if error is not None else 200,
            file=file,
            row=file.row,
            channels=channels,
            channel=channel,
            slots=[(time.slot, words.moment(time.start)) for time in times],
            error=shell.house.phrases.say(key if key in shell.house.phrases else "staff.promise.error.conflict")
            if error is not None
            else "",
        )

    @bp.get(f"/loftet/<callback_id:{ID}>", name="callback")
    @known
    async def callback(request: Request, staff: StaffMember, callback_id: str) -> HTTPResponse:
        return await opened(request, staff, callback_id)

    @bp.post(f"/loftet/<callback_id:{ID}>", name="callback-change")
    @known
    async def change(request: Request, staff: StaffMember, callback_id: str) -> HTTPResponse:
        form: Any = request.form or {}
        step = form.get("step") or ""
        try:
            if step == "take":
                await callbacks.take(staff, callback_id)
                return redirect(f"{PATH}/{callback_id}", status=303)
            if step == "tried":
                await callbacks.tried(staff, callback_id)
            elif step in ("reached", "missed"):
                await callbacks.end(staff, callback_id, reached=step == "reached")
            elif step == "booked":
                await callbacks.give(staff, callback_id, form.get("slot") or "", form.get("channel") or "")
            else:
                return redirect(f"{PATH}/{callback_id}", status=303)
        except NotFound:
            raise
        except DomainError as error:
            return await opened(request, staff, callback_id, error)
        return redirect(f"{PATH}?klart={step}", status=303)
