"""``/boka/uppringd``: where there is no time, a person is asked how they want to be reached, and told until when.

As on ``/boka``, what has been written travels in the body of each POST and nothing is stored before it is sent.
"""

from __future__ import annotations

import asyncio
import re
import secrets
from dataclasses import dataclass, replace
from typing import Any

from sanic import Blueprint, HTTPResponse, Request, Sanic

from backend.booking.callbacks import REACH, CallbackDesk, Promised
from backend.booking.callbacks import Request as Wanted
from backend.booking.labels import when
from backend.booking.safe import TEXT_LIMIT, Safe
from backend.core.errors import DomainError, EmptyText, InvalidField, TextTooLong
from backend.core.house import House
from backend.core.reader import READERS, Lang, Reader
from backend.core.text import clean
from backend.danger.service import Card, DangerWatch
from backend.web.help import language
from backend.web.render import page

PATH = "/boka/uppringd"
NOTE_LIMIT = 4_000
_FORM = re.compile(r"[A-Za-z0-9_-]{22}")
_LIMITS = {"note": NOTE_LIMIT, "if_other_answers": TEXT_LIMIT}
_CALL_OK = ("yes", "unsure", "no")


@dataclass(frozen=True, slots=True)
class Draft:
    """The form as it was filled in, unchecked."""

    form: str
    lang: Lang
    who: str | None
    reach: str
    phone: str
    call_ok: str
    if_other_answers: str
    note: str

    @classmethod
    def of(cls, request: Request) -> Draft:
        """From a posted form, or an empty one."""
        form: Any = request.form or {}

        def text(name: str) -> str:
            return form.get(name) or ""

        return cls(
            form=text("form") if _FORM.fullmatch(text("form")) else secrets.token_urlsafe(16),
            lang=language(request),
            who=text("who") if text("who") in READERS else None,
            reach=text("reach") if text("reach") in REACH else "",
            phone=text("phone"),
            call_ok=text("call_ok") if text("call_ok") in _CALL_OK else "",
            if_other_answers=text("if_other_answers"),
            note=text("note"),
        )

    @property
    def holder(self) -> str:
        """Whom the desk knows the writer as."""
        return f"form:{self.form}"

    @property
    def reader(self) -> Reader:
        """Who has said that they are writing."""
        return Reader.of(self.who, self.lang)


def setup(app: Sanic, house: House, desk: CallbackDesk, watch: DangerWatch) -> None:
    """Register the pages on ``app``."""
    bp = Blueprint("callback")
    pages = _Pages(house, desk, watch)

    @bp.get(PATH)
    async def begin(request: Request) -> HTTPResponse:
        return await pages.ask(request, Draft.of(request))

    @bp.post(PATH)
    async def go_on(request: Request) -> HTTPResponse:
        draft = Draft.of(request)
        form: Any = request.form or {}
        step = form.get("step") or ""
        if step == "saved":
            await desk.saved(draft.holder)
            return await page(request, "booking/saved.html", reader=draft.reader)
        if step == "send":
            return await pages.send(request, draft)
        return await pages.ask(request, draft)

    app.blueprint(bp)


class _Pages:
    def __init__(self, house: House, desk: CallbackDesk, watch: DangerWatch) -> None:
        self._house = house
        self._desk = desk
        self._watch = watch
        self._say = house.phrases.say

    async def ask(
        self, request: Request, draft: Draft, status: int = 200, errors: dict[str, str] | None = None, message: str = ""
    ) -> HTTPResponse:
        """The form. Whoever waits already is told what they were told."""
        known = await self._known(draft)
        if known is not None:
            return await self._done(request, draft, known)
        reader, now = draft.reader, self._house.clock.now()
        say = self._say
        return await page(
            request,
            "booking/callback.html",
            status=status,
            reader=reader,
            draft=draft,
            errors=errors or {},
            message=message,
            deadline=when(self._house.phrases, self._desk.deadline(now), now, reader),
            reach_options=[
                (each, say(f"callback.reach.{each}", reader), say(f"callback.reach_note.{each}", reader))
                for each in REACH
            ],
            call_options=[(each, say(f"safe.option.call_ok.{each}", reader)) for each in _CALL_OK],
            who_options=[
                *((key, say(f"write_page.who.{key}", reader)) for key in READERS),
                ("", say("write_page.rather_not", reader)),
            ],
            card=await self._card(draft),
        )

    async def send(self, request: Request, draft: Draft) -> HTTPResponse:
        """Store it, or say by the field what is wrong; what was written stays whatever happens."""
        reader = draft.reader
        errors: dict[str, str] = {}
        texts: dict[str, str | None] = {}
        if not draft.reach:
            errors["reach"] = self._say("callback.error.reach_missing", reader)
        for name, limit in _LIMITS.items():
            try:
                texts[name] = clean(getattr(draft, name), limit)
            except EmptyText:
                texts[name] = None
            except TextTooLong:
                errors[name] = self._say(f"callback.error.{name}_too_long", reader)
        if errors:
            return await self.ask(request, draft, 422, errors)
        card = await self._card(draft)
        wanted = Wanted(
            reach=draft.reach,  # type: ignore[arg-type]
            phone=draft.phone,
            safe=Safe(call_ok=draft.call_ok or None, if_other_answers=texts["if_other_answers"]),  # type: ignore[arg-type]
            note=texts["note"],
            reader=reader,
            danger_level=card.level if card is not None else None,
            danger_category=card.category if card is not None else None,
        )
        try:
            promised = await self._desk.ask(draft.holder, wanted)
        except InvalidField as error:
            field = error.extra["field"]
            # A number that is not safe to call is let go: it lies in no form that somebody may find.
            again = replace(draft, phone="") if error.code == "call_not_safe" else draft
            return await self.ask(request, again, error.status, {field: self._sentence(error, reader)})
        except DomainError as error:
            return await self.ask(request, draft, error.status, message=self._sentence(error, reader))
        return await self._done(request, draft, promised)

    async def _known(self, draft: Draft) -> Promised | None:
        try:
            return await self._desk.waiting_of(draft.holder)
        except DomainError:
            return None

    async def _done(self, request: Request, draft: Draft, promised: Promised) -> HTTPResponse:
        reader, now = draft.reader, self._house.clock.now()
        return await page(
            request,
            "booking/callback_done.html",
            reader=reader,
            draft=draft,
            promised=promised,
            deadline=when(self._house.phrases, promised.deadline, now, reader),
            words=(promised.words or "").split(),
            card=await self._card(draft),
        )

    async def _card(self, draft: Draft) -> Card | None:
        texts = [draft.note, draft.if_other_answers]
        return await asyncio.to_thread(self._watch.assess_fields, texts, draft.reader)

    def _sentence(self, error: DomainError, reader: Reader) -> str:
        own = f"callback.error.{error.code}"
        return self._say(own if own in self._house.phrases else f"error.{error.code}", reader)
