"""``/personal``: the pages that staff work in. Server-rendered, no script needed.

Every page but the login asks on each request who is there. What somebody may not
know of does not exist: 404, never 403.
"""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from datetime import date
from typing import Any

from sanic import Blueprint, HTTPResponse, Request, Sanic, redirect

from backend.alerts.service import AlertDesk
from backend.booking.service import BookingDesk
from backend.concerns.service import ConcernDesk
from backend.core.clock import to_local
from backend.core.closed_days import ClosedDays
from backend.core.errors import Conflict, DomainError, NotFound, NotLoggedIn, TooMany
from backend.core.house import House
from backend.core.people import StaffMember
from backend.core.schedule import every
from backend.improving.service import Learning
from backend.staff import alarms, understanding
from backend.staff.alarms import Alarms
from backend.staff.service import StaffDoor
from backend.staff.words import StaffWords
from backend.web.render import page
from backend.web.security import check_origin, source_of

LOGIN = "/personal/logga-in"
HOME = "/personal"
_ID = "([0-9a-f]{24})"

View = Callable[..., Awaitable[HTTPResponse]]


def setup(
    app: Sanic, house: House, booking: BookingDesk, concerns: ConcernDesk, learning: Learning, alerts: AlertDesk
) -> None:
    """Register the pages on ``app``."""
    door = StaffDoor(house)
    words = StaffWords(house)
    days = ClosedDays(house.municipality)
    bp = Blueprint("staff", url_prefix=HOME)
    cookie = "__Host-koll" if house.settings.https else "koll_staff"
    ringing = Alarms(alerts, booking, concerns)

    def today() -> date:
        return to_local(house.clock.now()).date()

    async def show(
        request: Request, template: str, staff: StaffMember | None, status: int = 200, **more: Any
    ) -> HTTPResponse:
        shared = {
            "staff": staff,
            "unit": words.unit(staff.unit) if staff else "",
            "w": words,
            "now": house.clock.now(),
            "may_learn": staff is not None and learning.open_to(staff),
            "alarms": await ringing.banner(staff) if staff is not None else None,
        }
        return await page(request, f"staff/{template}.html", status=status, **shared, **more)

    def set_cookie(response: HTTPResponse, value: str, max_age: int | None = None) -> None:
        response.add_cookie(
            cookie, value, path="/", httponly=True, samesite="Strict", secure=house.settings.https, max_age=max_age
        )

    def known(view: View) -> View:
        """Only for somebody who is logged in; everybody else is led to the login, and learns nothing."""

        @functools.wraps(view)
        async def guarded(request: Request, **arguments: Any) -> HTTPResponse:
            if request.method != "GET":
                # The shared check lets bearer requests pass; here a cookie is the identity, so none may.
                check_origin(request, house.settings.origin)
            try:
                staff = await door.who(request.cookies.get(cookie))
            except NotLoggedIn:
                return redirect(LOGIN, status=303)
            try:
                return await view(request, staff, **arguments)
            except NotFound:
                return await show(request, "not_found", staff, status=404, back=HOME)

        return guarded

    @bp.get("/logga-in")
    async def ask(request: Request) -> HTTPResponse:
        return await show(request, "login", None)

    @bp.post("/logga-in")
    async def log_in(request: Request) -> HTTPResponse:
        check_origin(request, house.settings.origin)
        form: Any = request.form or {}
        login, password = form.get("login") or "", form.get("password") or ""
        try:
            token = await door.log_in(login, password, source_of(request, house.settings.trusted_proxies))
        except (NotLoggedIn, TooMany) as error:
            refused = "staff.login.refused" if isinstance(error, NotLoggedIn) else "staff.login.too_many"
            status = 422 if isinstance(error, NotLoggedIn) else 429
            return await show(
                request, "login", None, status=status, login=login[:100], refused=house.phrases.say(refused)
            )
        await door.log_out(request.cookies.get(cookie))
        response = redirect(HOME, status=303)
        set_cookie(response, token)
        return response

    @bp.post("/logga-ut")
    async def log_out(request: Request) -> HTTPResponse:
        check_origin(request, house.settings.origin)
        await door.log_out(request.cookies.get(cookie))
        response = redirect(LOGIN, status=303)
        set_cookie(response, "", max_age=0)
        return response

    @bp.get("/")
    @known
    async def home(request: Request, staff: StaffMember) -> HTTPResponse:
        this_day = today()
        next_day = days.next_working_day(this_day)
        talks = [(day, await booking.list_for(staff, day)) for day in (this_day, next_day)]
        return await show(
            request,
            "home",
            staff,
            talks=talks,
            concerns=await concerns.list_open(staff),
            today=this_day,
            warnings=_warnings(house, this_day),
        )

    @bp.get(f"/tid/<booking_id:{_ID}>")
    @known
    async def talk(request: Request, staff: StaffMember, booking_id: str) -> HTTPResponse:
        return await show(request, "booking", staff, talk=await booking.open_for(staff, booking_id))

    @bp.get(f"/oro/<concern_id:{_ID}>")
    @known
    async def concern(request: Request, staff: StaffMember, concern_id: str) -> HTTPResponse:
        return await show(request, "concern", staff, concern=await concerns.open_for(staff, concern_id))

    @bp.post(f"/oro/<concern_id:{_ID}>/ta-emot")
    @known
    async def accept(request: Request, staff: StaffMember, concern_id: str) -> HTTPResponse:
        try:
            await concerns.accept(staff, concern_id)
        except Conflict:
            return await show(request, "taken", staff, status=409, concern_id=concern_id)
        return redirect(f"{HOME}/oro/{concern_id}", status=303)

    @bp.post(f"/oro/<concern_id:{_ID}>/svara")
    @known
    async def answer(request: Request, staff: StaffMember, concern_id: str) -> HTTPResponse:
        form: Any = request.form or {}
        text = form.get("answer") or ""
        try:
            await concerns.answer(staff, concern_id, text)
        except NotFound:
            raise
        except DomainError as error:
            opened = await concerns.open_for(staff, concern_id)
            message = words.error("staff.answer.error", error)
            return await show(request, "concern", staff, error.status, concern=opened, draft=text, error=message)
        return redirect(f"{HOME}/oro/{concern_id}#answers", status=303)

    async def polling(request: Request) -> StaffMember:
        return await door.who(request.cookies.get(cookie), by_hand=False)

    understanding.setup(bp, learning, words, known, show)
    alarms.setup(bp, ringing, words, known, polling, show)
    app.blueprint(bp)
    every(app, "staff sessions", 300, door.forget_ended)

    @app.after_server_stop
    async def close(_app: Sanic) -> None:
        door.close()


def _warnings(house: House, today: date) -> list[str]:
    """What somebody should check before it misleads a child."""
    say = house.phrases.say
    found = []
    stale = house.helplines.stale(today)
    if stale:
        found.append(say("staff.warning.helplines", None, names=", ".join(stale)))
    unread = house.tongues.unread()
    if unread:
        found.append(say("staff.warning.tongues", None, languages=", ".join(unread)))
    if not house.municipality.socialjour.verified:
        found.append(say("staff.warning.socialjour"))
    if not house.municipality.on_call.danger_mailbox:
        found.append(say("staff.warning.on_call"))
    return found
