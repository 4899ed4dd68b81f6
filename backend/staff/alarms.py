"""Alerts in the staff app: a banner on every page, a small address that pages ask for it, the button, the list."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sanic import HTTPResponse, Request, redirect

from backend.alerts.service import AlertDesk, AlertRow
from backend.booking.callbacks import CallbackDesk
from backend.booking.service import BookingDesk
from backend.concerns.service import ConcernDesk
from backend.core.errors import Conflict, NotLoggedIn
from backend.core.people import StaffMember
from backend.staff.shell import ID, Shell
from backend.talks.service import TalkDesk
from backend.web.render import page

PATH = "/personal/larm"
_OWN_PAGE = re.compile(r"/personal(/(oro|tid|samtal)/[0-9a-f]{24}|/forsta|/larm|/samtal)?")


@dataclass(frozen=True, slots=True)
class Alarm:
    """An alert as one member of staff sees it. ``link`` leads to its booking or concern, if they may open that."""

    row: AlertRow
    link: str


@dataclass(frozen=True, slots=True)
class Ringing:
    """What the banner shows, by urgency; ``more`` is how many ring beyond those, ``count`` how many in all."""

    urgent: list[Alarm]
    others: list[Alarm]
    settled: list[Alarm]
    more: int
    count: int


class Alarms:
    """Alerts with links for whoever may follow them."""

    def __init__(
        self,
        alerts: AlertDesk,
        booking: BookingDesk,
        concerns: ConcernDesk,
        callbacks: CallbackDesk,
        talks: TalkDesk,
    ) -> None:
        self._alerts = alerts
        self._booking = booking
        self._callbacks = callbacks
        self._concerns = concerns
        self._talks = talks
        self.days = alerts.days
        self.acknowledge = alerts.acknowledge

    async def banner(self, staff: StaffMember) -> Ringing | None:
        """What rings for ``staff``, or None for whom there are no alerts."""
        if not self._alerts.open_to(staff):
            return None
        found = await self._alerts.banner(staff)
        alarms = await self._linked(staff, found.rows)
        ringing = [alarm for alarm in alarms if alarm.row.ringing]
        return Ringing(
            [alarm for alarm in ringing if alarm.row.level == "A0"],
            [alarm for alarm in ringing if alarm.row.level != "A0"],
            [alarm for alarm in alarms if not alarm.row.ringing],
            found.ringing - len(ringing),
            found.ringing,
        )

    async def recent(self, staff: StaffMember) -> list[Alarm]:
        """All that are kept. Raises `NotFound`."""
        return await self._linked(staff, await self._alerts.recent(staff))

    async def one(self, staff: StaffMember, alert_id: str) -> Alarm:
        """One as it stands now. Raises `NotFound`."""
        return (await self._linked(staff, [await self._alerts.one(staff, alert_id)]))[0]

    async def _linked(self, staff: StaffMember, rows: Sequence[AlertRow]) -> list[Alarm]:
        def ids(source: str) -> set[str]:
            return {row.subject for row in rows if row.source == source and row.subject is not None}

        concerns = await self._concerns.openable(staff, ids("concern"))
        bookings = await self._booking.readable(staff, ids("booking"))
        calls = await self._callbacks.readable(staff, ids("booking") - bookings)
        talks = await self._talks.readable(staff, ids("talk"))
        links = {each: f"/personal/oro/{each}" for each in concerns}
        links |= {each: f"/personal/tid/{each}" for each in bookings}
        links |= {each: f"/personal/loftet/{each}" for each in calls}
        links |= {each: f"/personal/samtal/{each}" for each in talks}
        return [Alarm(row, links.get(row.subject or "", "")) for row in rows]


def setup(shell: Shell, alarms: Alarms, alerts: AlertDesk) -> None:
    """Add the pages to the staff app."""
    known, show, words, bp = shell.known, shell.show, shell.words, shell.bp
    shell.way(PATH, "staff.alarm.nav", alerts.open_to)

    @bp.get("/larm")
    @known
    async def listed(request: Request, staff: StaffMember) -> HTTPResponse:
        return await show(request, "alarms", staff, recent=await alarms.recent(staff), days=alarms.days)

    @bp.get("/larm/nu")
    async def now(request: Request) -> HTTPResponse:
        """The banner alone, for a page that is open; 401 once nobody is logged in, so that it stops asking."""
        try:
            staff = await shell.polling(request)
        except NotLoggedIn:
            return HTTPResponse(status=401)
        ringing = await alarms.banner(staff)
        if ringing is None:
            return HTTPResponse(status=404)
        return await page(request, "staff/_alarms.html", alarms=ringing, staff=staff, w=words)

    @bp.post(f"/larm/<alert_id:{ID}>/sett")
    @known
    async def seen(request: Request, staff: StaffMember, alert_id: str) -> HTTPResponse:
        form: Any = request.form or {}
        back = form.get("back") or ""
        try:
            await alarms.acknowledge(staff, alert_id, form.get("level") or "")
        except Conflict:
            return await show(request, "alarm_taken", staff, 409, alarm=await alarms.one(staff, alert_id))
        return redirect(back if _OWN_PAGE.fullmatch(back) else PATH, status=303)
