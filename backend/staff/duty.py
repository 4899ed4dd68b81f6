"""``/personal/bemanning``: who is at work, and moving the cases of who is not."""

from __future__ import annotations

import re

from sanic import HTTPResponse, Request, redirect

from backend.cases.team import Moved, TeamDesk
from backend.core.errors import InvalidField, NotFound
from backend.core.people import StaffMember
from backend.core.roster import Away
from backend.staff.case_words import CaseWords
from backend.staff.cases import Failed
from backend.staff.forms import Form
from backend.staff.shell import HOME, ID, Shell

PATH = f"{HOME}/bemanning"
_ROW = re.compile(r"[0-9a-f]{24}")


def setup(shell: Shell, team: TeamDesk) -> None:
    """Add the pages to the staff app."""
    known, show, bp = shell.known, shell.show, shell.bp
    case_words = CaseWords(shell.house, shell.words)
    shell.way(PATH, "staff.duty.nav", lambda staff: staff.handles_cases)

    async def listed(
        request: Request, staff: StaffMember, status: int = 200, failed: Failed | None = None
    ) -> HTTPResponse:
        if not staff.handles_cases:
            raise NotFound
        return await show(
            request, "duty", staff, status, rows=await team.roster(staff), kinds=list(Away), failed=failed or Failed()
        )

    @bp.get("/bemanning", name="duty")
    @known
    async def duty(request: Request, staff: StaffMember) -> HTTPResponse:
        return await listed(request, staff)

    @bp.post(f"/bemanning/<staff_id:{ID}>/borta", name="duty-off")
    @known
    async def off(request: Request, staff: StaffMember, staff_id: str) -> HTTPResponse:
        form = Form(request)
        back = form.day("back")
        try:
            if back is None and form.text("back").strip():
                raise InvalidField("not_ahead", "back")
            await team.go_off(staff, staff_id, form.text("kind"), back)
        except InvalidField as error:
            field = str(error.extra["field"])
            failed = Failed(f"off-{staff_id}", field, case_words.error(error, field), form.values)
            return await listed(request, staff, error.status, failed)
        return redirect(PATH, status=303)

    @bp.post(f"/bemanning/<staff_id:{ID}>/ater", name="duty-on")
    @known
    async def back(request: Request, staff: StaffMember, staff_id: str) -> HTTPResponse:
        await team.come_back(staff, staff_id)
        return redirect(PATH, status=303)

    async def moving(
        request: Request,
        staff: StaffMember,
        staff_id: str,
        status: int = 200,
        *,
        failed: Failed | None = None,
        moved: Moved | None = None,
    ) -> HTTPResponse:
        seats = await team.movable(staff, staff_id)
        rows = await team.roster(staff)
        whose = next((row for row in rows if row.id == staff_id), None)
        if whose is None:
            raise NotFound
        return await show(
            request, "duty_move", staff, status, whose=whose, seats=seats, c=case_words, moved=moved,
            receivers=[row for row in rows if row.active and not row.away and row.id != staff_id and row.unit == staff.unit],
            failed=failed or Failed(),
        )  # fmt: skip

    @bp.get(f"/bemanning/<staff_id:{ID}>/flytta", name="duty-move")
    @known
    async def choose(request: Request, staff: StaffMember, staff_id: str) -> HTTPResponse:
        return await moving(request, staff, staff_id)

    @bp.post(f"/bemanning/<staff_id:{ID}>/flytta", name="duty-moved")
    @known
    async def move(request: Request, staff: StaffMember, staff_id: str) -> HTTPResponse:
        form = Form(request)
        seats = [one for one in form.texts("seat") if _ROW.fullmatch(one)]
        try:
            if not seats:
                await team.movable(staff, staff_id)
                raise InvalidField("choose", "seat")
            moved = await team.move(staff, staff_id, form.id("to"), seats)
        except InvalidField as error:
            field = str(error.extra["field"])
            return await moving(
                request, staff, staff_id, error.status,
                failed=Failed("move", field, case_words.error(error, field), form.values),
            )  # fmt: skip
        return await moving(request, staff, staff_id, moved=moved)
