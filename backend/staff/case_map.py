"""``/personal/arende/<id>/karta``: where on the map the people of a case stand, and whose code may see it.

Every deed is a form of its own, so it works without script and by keyboard. What was written stays on the
page when it could not be saved.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, date, datetime, time
from typing import Any

from sanic import HTTPResponse, Request, redirect

from backend.cases.service import CaseDesk
from backend.cases.standing import CODE_REASONS, OTHERS, MapDesk
from backend.core.clock import STOCKHOLM
from backend.core.errors import Conflict, DomainError, InvalidField, NotFound
from backend.core.people import StaffMember
from backend.core.reader import Reader
from backend.journey.service import Journey
from backend.staff.case_words import CaseWords
from backend.staff.cases import CASE, Failed
from backend.staff.forms import Form
from backend.staff.shell import HOME, ID, Shell

_READER = Reader(band="adult")
"""Staff read the stations' official names."""


def setup(shell: Shell, cases: CaseDesk, desk: MapDesk, journey: Journey) -> None:
    """Add the page, a part of the case's own page, and the way from a booked talk to its case."""
    known, show, bp = shell.known, shell.show, shell.bp
    words = CaseWords(shell.house, shell.words)

    def station(station_id: str) -> str:
        return journey.called(station_id, _READER).title

    async def beside(staff: StaffMember, page: Mapping[str, Any]) -> dict[str, Any]:
        """Who stands where, on the case's own page."""
        return {"standing": await desk.now(staff, page["page"].row.id), "station": station}

    async def around(staff: StaffMember, page: Mapping[str, Any]) -> dict[str, Any]:
        """The case that a talk belongs to, or those that it can be put into."""
        if not staff.handles_cases:
            return {"case_there": None, "case_rows": []}
        there = await cases.case_from(staff, "booking", page["talk"].booking_id)
        rows = [] if there else await cases.mine(staff)
        return {"case_there": there, "case_rows": [(row.id, words.person(row.person)) for row in rows]}

    shell.fill("case", beside)
    shell.fill("sheet", around)

    async def shown(
        request: Request, staff: StaffMember, case_id: str, status: int = 200, failed: Failed | None = None
    ) -> HTTPResponse:
        page = await desk.page(staff, case_id)
        return await show(
            request, "case_map", staff, status, page=page, c=words, station=station, failed=failed or Failed(),
            parts=journey.whole(_READER).parts, grounds=OTHERS, code_reasons=CODE_REASONS, today=shell.words.today(),
        )  # fmt: skip

    async def attempt(
        request: Request, staff: StaffMember, case_id: str, name: str, form: Form, work: Callable[[], Awaitable[None]]
    ) -> HTTPResponse:
        """Back to the form's place on the page; the page again, with what was written, when it could not be done."""
        try:
            await work()
        except NotFound:
            raise
        except DomainError as error:
            field = str(error.extra.get("field", ""))
            failed = Failed(name, field, words.error(error, field), form.values)
            return await shown(request, staff, case_id, error.status, failed)
        return redirect(f"{CASE}/{case_id}/karta#{name.partition('-')[0]}", status=303)

    @bp.get(f"/arende/<case_id:{ID}>/karta", name="case-map")
    @known
    async def page(request: Request, staff: StaffMember, case_id: str) -> HTTPResponse:
        return await shown(request, staff, case_id)

    @bp.post(f"/arende/<case_id:{ID}>/karta/satt", name="case-map-place")
    @known
    async def place(request: Request, staff: StaffMember, case_id: str) -> HTTPResponse:
        form = Form(request)
        subject = form.text("subject")

        async def work() -> None:
            await desk.place(staff, case_id, subject, form.text("station"), _meeting(form))

        return await attempt(request, staff, case_id, f"place-{_short(subject)}", form, work)

    @bp.post(f"/arende/<case_id:{ID}>/karta/visa", name="case-map-show")
    @known
    async def see(request: Request, staff: StaffMember, case_id: str) -> HTTPResponse:
        form = Form(request)
        viewer, subject = form.text("viewer"), form.text("subject")

        async def work() -> None:
            await desk.show(staff, case_id, viewer, subject, form.text("ground"), form.text("reason"))

        which = "own" if form.text("own") else "other"
        return await attempt(request, staff, case_id, f"show-{which}-{_short(viewer)}", form, work)

    @bp.post(f"/arende/<case_id:{ID}>/karta/dolj", name="case-map-hide")
    @known
    async def hide(request: Request, staff: StaffMember, case_id: str) -> HTTPResponse:
        form = Form(request)

        async def work() -> None:
            await desk.hide(staff, case_id, form.text("viewer"), form.text("subject"))

        return await attempt(request, staff, case_id, "show", form, work)

    @bp.post(f"/arende/<case_id:{ID}>/karta/kod", name="case-map-code")
    @known
    async def code(request: Request, staff: StaffMember, case_id: str) -> HTTPResponse:
        """Six words to read aloud; shown in this answer and nowhere else."""
        form = Form(request)
        new: list[str] = []

        async def work() -> None:
            new.extend((await desk.new_code(staff, case_id, form.text("code_reason"))).split())

        answer = await attempt(request, staff, case_id, "code", form, work)
        back = f"{CASE}/{case_id}/karta"
        return await show(request, "new_code", staff, words=new, back=back) if new else answer

    @bp.post(f"/tid/<booking_id:{ID}>/arende", name="sheet-case")
    @known
    async def tie(request: Request, staff: StaffMember, booking_id: str) -> HTTPResponse:
        case_id = Form(request).id("case_id")
        if case_id is None:
            raise NotFound
        try:
            await desk.add_booking(staff, booking_id, case_id)
        except Conflict:
            return await show(request, "case_tied", staff, 409, booking_id=booking_id)
        return redirect(f"{HOME}/tid/{booking_id}#case", status=303)


def _meeting(form: Form) -> datetime | None:
    """The next meeting, or None when nothing is written of it. Raises `InvalidField` for half of one."""
    day, at = form.text("meets_on").strip(), form.text("meets_time").strip()
    if not day and not at:
        return None
    try:
        return datetime.combine(date.fromisoformat(day), time.fromisoformat(at), STOCKHOLM).astimezone(UTC)
    except ValueError:
        raise InvalidField("invalid", "meets_at") from None


def _short(name: str) -> str:
    """A subject or viewer as part of an id on the page: ``person:ab12`` is ``person-ab12``."""
    return "".join(sign if sign.isalnum() else "-" for sign in name)[:60]
