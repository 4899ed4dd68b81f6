"""``/personal/forsta``: what the assistant did not understand, for staff to say what it meant."""

from __future__ import annotations

from typing import Any

from sanic import HTTPResponse, Request, redirect, text

from backend.core.errors import InvalidField
from backend.core.people import StaffMember
from backend.improving.service import Learning
from backend.staff.shell import ID, Shell

PATH = "/personal/forsta"
FILE = "from_staff.yml"
DONE = ("saved", "deleted")


def setup(shell: Shell, learning: Learning) -> None:
    """Add the pages to the staff app."""
    known, show, words, bp = shell.known, shell.show, shell.words, shell.bp
    shell.way(PATH, "staff.learn.nav", learning.open_to)

    async def listed(
        request: Request, staff: StaffMember, labelled: bool, wrong: str = "", status: int = 200
    ) -> HTTPResponse:
        page = await learning.list_for(staff, labelled=labelled)
        done = request.args.get("klart") or ""
        return await show(
            request,
            "learn",
            staff,
            status,
            page=page,
            labelled=labelled,
            titles=learning.titles,
            days=learning.days,
            done=done if done in DONE else "",
            wrong=wrong,
            error=words.error("staff.learn", InvalidField("invalid", "intent")) if wrong else "",
        )

    @bp.get("/forsta")
    @known
    async def learn(request: Request, staff: StaffMember) -> HTTPResponse:
        return await listed(request, staff, request.args.get("visa") == "klara")

    @bp.post(f"/forsta/<row_id:{ID}>")
    @known
    async def label(request: Request, staff: StaffMember, row_id: str) -> HTTPResponse:
        form: Any = request.form or {}
        labelled = form.get("visa") == "klara"
        try:
            await learning.label(staff, row_id, form.get("intent") or "")
        except InvalidField:
            return await listed(request, staff, labelled, row_id, 422)
        return _back(labelled, "saved")

    @bp.post(f"/forsta/<row_id:{ID}>/ta-bort")
    @known
    async def delete(request: Request, staff: StaffMember, row_id: str) -> HTTPResponse:
        form: Any = request.form or {}
        await learning.delete(staff, row_id)
        return _back(form.get("visa") == "klara", "deleted")

    @bp.post("/forsta/export")
    @known
    async def export(_request: Request, staff: StaffMember) -> HTTPResponse:
        return text(
            await learning.export(staff),
            content_type="application/yaml; charset=utf-8",
            headers={"content-disposition": f'attachment; filename="{FILE}"'},
        )


def _back(labelled: bool, done: str) -> HTTPResponse:
    return redirect(f"{PATH}?visa={'klara' if labelled else 'nya'}&klart={done}#list", status=303)
