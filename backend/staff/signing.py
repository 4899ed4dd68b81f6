"""``/personal/oversattningar``: translations beside the Swedish, for somebody who has the language to read and sign."""

from __future__ import annotations

from typing import Any

from sanic import HTTPResponse, Request, redirect

from backend.core.errors import Conflict, InvalidField
from backend.core.people import StaffMember
from backend.editing.signing import SigningDesk
from backend.staff.shell import Shell

PATH = "/personal/oversattningar"
_LANG = r"([a-z\-]{2,12})"
_PART = r"([a-z]{2,12})"


def setup(shell: Shell, desk: SigningDesk) -> None:
    """Add the pages to the staff app."""
    known, show, bp = shell.known, shell.show, shell.bp
    shell.way(PATH, "staff.signing.nav", desk.open_to)

    async def part_page(
        request: Request, staff: StaffMember, lang: str, part: str, status: int = 200, error: str = ""
    ) -> HTTPResponse:
        language, state, pieces = await desk.read(staff, lang, part)
        return await show(
            request,
            "translation",
            staff,
            status,
            language=language,
            state=state,
            pieces=pieces,
            error=error,
            done=request.args.get("sida") == "signed",
        )

    @bp.get("/oversattningar")
    @known
    async def translation_list(request: Request, staff: StaffMember) -> HTTPResponse:
        return await show(request, "translations", staff, languages=await desk.languages(staff))

    @bp.get(f"/oversattningar/<lang:{_LANG}>/<part:{_PART}>")
    @known
    async def translation_read(request: Request, staff: StaffMember, lang: str, part: str) -> HTTPResponse:
        return await part_page(request, staff, lang, part)

    @bp.post(f"/oversattningar/<lang:{_LANG}>/<part:{_PART}>")
    @known
    async def translation_sign(request: Request, staff: StaffMember, lang: str, part: str) -> HTTPResponse:
        form: Any = request.form or {}
        try:
            if not form.get("read"):
                raise InvalidField("not_read", "read")
            await desk.sign(staff, lang, part, form.get("digest") or "")
        except (InvalidField, Conflict) as problem:
            sentence = shell.words.error("staff.signing.error", problem)
            return await part_page(request, staff, lang, part, problem.status, sentence)
        return redirect(f"{PATH}/{lang}/{part}?sida=signed", status=303)
