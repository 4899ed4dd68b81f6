"""``/personal``: the pages that staff work in. Server-rendered, no script needed.

Every page but the login asks on each request who is there. What somebody may not
know of does not exist: 404, never 403.
"""

from __future__ import annotations

from datetime import date
from typing import Any

from sanic import HTTPResponse, Request, Sanic, redirect

from backend.alerts.service import AlertDesk
from backend.booking.attending import Attending
from backend.booking.callbacks import CallbackDesk
from backend.booking.service import BookingDesk
from backend.concerns.dryrun import RulesDesk
from backend.concerns.export import ExportDesk
from backend.concerns.handling import HandlingDesk
from backend.concerns.inbox import InboxDesk
from backend.concerns.service import ConcernDesk
from backend.core.clock import to_local
from backend.core.closed_days import ClosedDays
from backend.core.errors import NotLoggedIn, TooMany
from backend.core.house import House
from backend.core.people import StaffMember
from backend.core.schedule import every
from backend.improving.service import Learning
from backend.staff import alarms, handling, inbox, routing_rules, story, understanding
from backend.staff import talks as live
from backend.staff.alarms import Alarms
from backend.staff.drafts import Drafts
from backend.staff.service import StaffDoor
from backend.staff.shell import HOME, LOGIN, Shell
from backend.stories.reading import StoryReading
from backend.talks.service import TalkDesk
from backend.web.security import check_origin, source_of


def setup(
    app: Sanic,
    house: House,
    booking: BookingDesk,
    concerns: ConcernDesk,
    stories: StoryReading,
    learning: Learning,
    alerts: AlertDesk,
    talks: TalkDesk,
) -> Shell:
    """The pages that all staff have. Others are added to the returned shell before it is opened."""
    door = StaffDoor(house)
    shell = Shell(house, door)
    known, show, bp = shell.known, shell.show, shell.bp
    days = ClosedDays(house.municipality)
    ringing = Alarms(alerts, booking, concerns, CallbackDesk(house, booking), talks)
    handled = HandlingDesk(house)
    shell.way(HOME, "staff.home")
    shell.share("alarms", ringing.banner)
    live.setup(shell, talks, booking, Attending(house))

    def today() -> date:
        return to_local(house.clock.now()).date()

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
        await door.log_out(shell.token(request))
        response = redirect(HOME, status=303)
        shell.remember(response, token)
        return response

    @bp.post("/logga-ut")
    async def log_out(request: Request) -> HTTPResponse:
        check_origin(request, house.settings.origin)
        await door.log_out(shell.token(request))
        response = redirect(LOGIN, status=303)
        shell.remember(response, "", max_age=0)
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

    handling.setup(
        shell,
        concerns,
        handled,
        ExportDesk(house, concerns, handled, stories.shared_of, stories.told_in),
        Drafts(house),
    )
    inbox.setup(shell, InboxDesk(house, concerns, stories.words_of), handled)
    routing_rules.setup(shell, RulesDesk(house))
    understanding.setup(shell, learning)
    alarms.setup(shell, ringing, alerts)
    story.setup(shell, stories)
    every(app, "staff sessions", 300, door.forget_ended)

    @app.after_server_stop
    async def close(_app: Sanic) -> None:
        door.close()

    return shell


def _warnings(house: House, today: date) -> list[str]:
    """What somebody should check before it misleads a child."""
    say = house.phrases.say
    found = []
    stale = house.helplines.stale(today)
    if stale:
        found.append(say("staff.warning.helplines", None, names=", ".join(stale)))
    unread = [house.tongues.interpreter(one) for one in house.tongues.unread() if not house.translations.signed(one)]
    if unread:
        found.append(say("staff.warning.tongues", None, languages=", ".join(unread)))
    if not house.municipality.socialjour.verified:
        found.append(say("staff.warning.socialjour"))
    if not house.municipality.on_call.danger_mailbox:
        found.append(say("staff.warning.on_call"))
    return found
