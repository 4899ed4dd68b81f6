"""``/personal/texter``: every text for people, for the content editor to search, change, see and publish."""

from __future__ import annotations

import re
from datetime import date
from typing import Any

from sanic import HTTPResponse, Request, redirect

from backend.core.clock import to_local
from backend.core.errors import Conflict, DomainError, InvalidField, NotFound
from backend.core.helplines import Shown
from backend.core.people import StaffMember
from backend.core.reader import BANDS, Band, Reader
from backend.core.wording import Place
from backend.editing.service import Edit, EditingDesk, NewWord, Opened
from backend.staff.shell import Shell

PATH = "/personal/texter"
WORD = "/texter/nytt-ord"
_ONLY = ("stale", "draft", "published", "helpline", "word")
_KEY = r"([A-Za-z0-9_.\-]{1,120})"
_LANG = r"([a-z\-]{2,12})"


def setup(shell: Shell, desk: EditingDesk) -> None:
    """Add the pages to the staff app."""
    known, show, bp = shell.known, shell.show, shell.bp
    shell.way(PATH, "staff.texts.nav", desk.open_to)

    async def opened(
        request: Request,
        staff: StaffMember,
        key: str,
        lang: str,
        status: int = 200,
        *,
        edited: str = "",
        draft: str = "",
        error: str = "",
    ) -> HTTPResponse:
        text = await desk.open(staff, key, lang)
        drafts = {edited: draft} if edited and draft.strip() else {}
        wanted = request.args.get("sida") or ""
        return await show(
            request,
            "text",
            staff,
            status,
            text=text,
            edited=edited,
            draft=draft,
            drafted=desk.check(key, lang, edited, draft) if edited and draft.strip() else None,
            error=error,
            seen=[(band, text.read_by(band, drafts), line_in(text, drafts, band)) for band in BANDS],
            done=wanted if wanted in ("saved", "published", "withdrawn", "reviewed", "added") else "",
        )

    def line_in(text: Opened, drafts: dict[str, str], band: Band) -> Shown | None:
        """A helpline as it would be shown to a reader; None for another text."""
        if text.kind != "helpline":
            return None
        house = shell.house
        today = to_local(house.clock.now()).date()
        fields = {variant.name: variant.text for variant in text.variants} | drafts
        return house.helplines.show(text.key.partition(".")[2], Reader(band=band, lang=text.lang), today, fields)

    @bp.get("/texter")
    @known
    async def text_list(request: Request, staff: StaffMember) -> HTTPResponse:
        search = (request.args.get("q") or "")[:100]
        only = request.args.get("visa") or ""
        only = only if only in _ONLY else ""
        return await show(
            request, "texts", staff, listing=await desk.listing(staff, search, only), search=search, only=only
        )

    async def new_word(
        request: Request, staff: StaffMember, form: Any, status: int = 200, *, errors: dict[str, str] | None = None
    ) -> HTTPResponse:
        fields = {name: form.get(name) or "" for name in ("lang", "forms", "child", "adult", "source", "owner")}
        langs = desk.word_langs
        return await show(request, "new_word", staff, status, fields=fields, langs=langs, errors=errors or {})

    @bp.get(WORD)
    @known
    async def word_form(request: Request, staff: StaffMember) -> HTTPResponse:
        if not desk.open_to(staff):
            raise NotFound
        return await new_word(request, staff, {})

    @bp.post(WORD)
    @known
    async def word_add(request: Request, staff: StaffMember) -> HTTPResponse:
        form: Any = request.form or {}
        word = NewWord(
            lang=form.get("lang") or "sv",
            forms=form.get("forms") or "",
            child=form.get("child") or "",
            adult=form.get("adult") or "",
            source=(form.get("source") or "")[:400],
            owner=(form.get("owner") or "")[:100],
        )
        try:
            key = await desk.add_word(staff, word)
        except InvalidField as problem:
            return await new_word(
                request, staff, form, problem.status, errors={problem.extra["field"]: sentence(problem)}
            )
        return _back(word.lang, key, "added")

    @bp.get(f"/texter/<lang:{_LANG}>/<key:{_KEY}>")
    @known
    async def text_open(request: Request, staff: StaffMember, lang: str, key: str) -> HTTPResponse:
        return await opened(request, staff, key, lang)

    @bp.post(f"/texter/<lang:{_LANG}>/<key:{_KEY}>")
    @known
    async def text_change(request: Request, staff: StaffMember, lang: str, key: str) -> HTTPResponse:
        form: Any = request.form or {}
        step, variant = form.get("step") or "", form.get("variant") or ""
        text = form.get("text") or ""
        try:
            if step == "publish":
                await desk.publish(staff, form.get("version") or "")
                return _back(lang, key, "published")
            if step == "discard":
                await desk.discard(staff, form.get("version") or "")
                return _back(lang, key, "withdrawn")
            if step == "reviewed":
                await desk.reviewed(staff, key, lang)
                return _back(lang, key, "reviewed")
            if step == "save":
                await desk.save(staff, Place(key, lang, variant), _edit(form, text))
                return _back(lang, key, "saved")
        except (InvalidField, Conflict) as problem:
            return await opened(
                request, staff, key, lang, problem.status, edited=variant, draft=text, error=sentence(problem)
            )
        return await opened(request, staff, key, lang, edited=variant, draft=text)

    def sentence(problem: DomainError) -> str:
        return shell.words.error("staff.texts.error", problem)


def _edit(form: Any, text: str) -> Edit:
    base = form.get("base") or ""
    return Edit(
        text=text,
        base=int(base) if re.fullmatch(r"[0-9]{1,6}", base, re.ASCII) else 0,
        source=(form.get("source") or "")[:400],
        owner=(form.get("owner") or "")[:100],
        valid_from=_day(form, "valid_from"),
        valid_to=_day(form, "valid_to"),
    )


def _day(form: Any, field: str) -> date | None:
    written = (form.get(field) or "").strip()
    try:
        return date.fromisoformat(written) if written else None
    except ValueError:
        raise InvalidField("no_date", field) from None


def _back(lang: str, key: str, done: str) -> HTTPResponse:
    return redirect(f"{PATH}/{lang}/{key}?sida={done}", status=303)
