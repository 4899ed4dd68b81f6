"""The secret address of a therapist's calendar: the page that makes it, and the file that calendar programs read."""

from __future__ import annotations

from sanic import Blueprint, HTTPResponse, Request, Sanic

from backend.booking.feeds import Feeds
from backend.core.errors import NotFound
from backend.core.people import StaffMember
from backend.staff.shell import HOME, Shell

PATH = f"{HOME}/kalenderlank"


def setup(app: Sanic, shell: Shell, feeds: Feeds) -> None:
    """Add the page to the staff app, and the file outside it: a calendar program cannot log in."""
    known, show, bp = shell.known, shell.show, shell.bp
    open_air = Blueprint("calendar-feed")

    @bp.get("/kalenderlank", name="feed")
    @known
    async def ask(request: Request, staff: StaffMember) -> HTTPResponse:
        if not feeds.open_to(staff):
            raise NotFound
        return await show(request, "feed", staff, state=await feeds.state(staff))

    @bp.post("/kalenderlank", name="feed-change")
    @known
    async def change(request: Request, staff: StaffMember) -> HTTPResponse:
        if not feeds.open_to(staff):
            raise NotFound
        if request.form and request.form.get("stop"):
            await feeds.stop(staff)
            return await show(request, "feed", staff, state=None, stopped=True)
        address = f"{shell.house.settings.public_url}/kalender/{await feeds.renew(staff)}.ics"
        return await show(request, "feed", staff, state=await feeds.state(staff), address=address)

    @open_air.get("/kalender/<secret:str>", name="file")
    async def file(_request: Request, secret: str) -> HTTPResponse:
        """The talks as iCalendar. Whatever else stands in the address is not looked at."""
        body = await feeds.calendar(secret.removesuffix(".ics"))
        return HTTPResponse(
            body,
            content_type="text/calendar; charset=utf-8",
            headers={"content-disposition": 'inline; filename="kalender.ics"'},
        )

    app.blueprint(open_air)
