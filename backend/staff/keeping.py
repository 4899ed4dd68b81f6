"""``/personal/gallring``: what is over and waits for a manager's answer on whether it is kept, before it can be erased."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from typing import Any

from sanic import HTTPResponse, Request, redirect

from backend.cases.retention import RetentionDesk
from backend.concerns.handling import HandlingDesk
from backend.core.errors import Conflict, InvalidField
from backend.core.people import StaffMember
from backend.staff.forms import Form
from backend.staff.shell import HOME, ID, Shell

PATH = f"{HOME}/gallring"


def setup(shell: Shell, retention: RetentionDesk, handling: HandlingDesk) -> None:
    """Add the page to the staff app, and its count to the manager's start page."""
    known, show, words, bp = shell.handling, shell.show, shell.words, shell.bp
    shell.way(PATH, "staff.keeping.nav", lambda staff: staff.is_manager and staff.handles_cases)

    async def at_start(staff: StaffMember, page: Mapping[str, Any]) -> dict[str, Any]:
        if not (staff.is_manager and staff.handles_cases):
            return {"keeping": None}
        return {"keeping": await retention.waiting(staff)}

    shell.fill("home", at_start)

    async def listed(request: Request, staff: StaffMember, status: int = 200, wrong: str = "") -> HTTPResponse:
        waiting = await retention.waiting(staff)
        return await show(request, "keeping", staff, status, waiting=waiting, wrong=wrong)

    async def answered(request: Request, staff: StaffMember, deed: Awaitable[None]) -> HTTPResponse:
        try:
            await deed
        except (Conflict, InvalidField) as error:
            return await listed(request, staff, error.status, words.error("staff.keeping.wrong", error))
        return redirect(PATH, status=303)

    @bp.get("/gallring", name="keeping")
    @known
    async def keeping(request: Request, staff: StaffMember) -> HTTPResponse:
        return await listed(request, staff)

    @bp.post(f"/gallring/arende/<case_id:{ID}>", name="keeping-case")
    @known
    async def case(request: Request, staff: StaffMember, case_id: str) -> HTTPResponse:
        return await answered(request, staff, retention.answer(staff, case_id, Form(request).text("kept")))

    @bp.post(f"/gallring/oro/<concern_id:{ID}>", name="keeping-concern")
    @known
    async def concern(request: Request, staff: StaffMember, concern_id: str) -> HTTPResponse:
        # First who may have the list at all: the deed is everybody's who may open the concern.
        await retention.waiting(staff)
        return await answered(request, staff, handling.keep(staff, concern_id, Form(request).text("kept")))
