"""``/boka``: book a talk on plain pages, without script, cookie, name or the assistant.

Each step carries what has been written in the body of its POST; a random form id in
it is the holder of the time. Nothing of it is ever in an address.
"""

from __future__ import annotations

import asyncio
import re
import secrets
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter
from sanic import Blueprint, HTTPResponse, Request, Sanic

from backend.booking import rules
from backend.booking.labels import when
from backend.booking.safe import Safe
from backend.booking.service import BookingDesk, Confirmed, Details, Held
from backend.core.clock import to_local
from backend.core.errors import (
    AlreadyBooked,
    DomainError,
    EmptyText,
    HoldExpired,
    InvalidField,
    StorageUnavailable,
    Taken,
    TextTooLong,
    TooMany,
)
from backend.core.house import House
from backend.core.reader import READERS, Reader
from backend.core.text import clean
from backend.danger.service import DangerWatch
from backend.web.render import page
from backend.web.security import source_of

NOTE_LIMIT = 4_000
ANSWER_LIMIT = 300
_AT_ONCE = 8
_FORM = re.compile(r"[A-Za-z0-9_-]{22}")
_LIMITS = {"note": NOTE_LIMIT, "if_other_answers": ANSWER_LIMIT}
# A whole school may share one address; one person who takes time after time is stopped.
_PER_SOURCE = RateLimitItemPerMinute(60, 15)


@dataclass(frozen=True, slots=True)
class Draft:
    """The form as it was filled in, unchecked. ``form`` is known to nobody else and holds the time."""

    form: str
    slot: str
    skip: int
    who: str | None
    channel: str
    phone: str
    call_ok: str
    if_other_answers: str
    leave_message: str
    note: str
    interpreter: str

    @classmethod
    def of(cls, request: Request) -> Draft:
        """From a posted form, or an empty one."""
        form: Any = request.form or {}

        def text(name: str) -> str:
            return form.get(name) or ""

        skip = text("skip")
        return cls(
            form=text("form") if _FORM.fullmatch(text("form")) else secrets.token_urlsafe(16),
            slot=text("slot"),
            skip=int(skip) if re.fullmatch(r"[0-9]{1,3}", skip, re.ASCII) else 0,
            who=text("who") if text("who") in READERS else None,
            channel=text("channel"),
            phone=text("phone"),
            call_ok=text("call_ok"),
            if_other_answers=text("if_other_answers"),
            leave_message=text("leave_message"),
            note=text("note"),
            interpreter=text("interpreter"),
        )

    @property
    def holder(self) -> str:
        """Whom the desk knows the writer as."""
        return f"form:{self.form}"

    @property
    def reader(self) -> Reader:
        """Who has said that they are writing."""
        return Reader.of(self.who)

    @property
    def written(self) -> dict[str, str]:
        """Answers to carry along while another time is chosen."""
        answers = {
            "who": self.who or "",
            "channel": self.channel,
            "phone": self.phone,
            "call_ok": self.call_ok,
            "if_other_answers": self.if_other_answers,
            "leave_message": self.leave_message,
            "note": self.note,
            "interpreter": self.interpreter,
        }
        return {name: value for name, value in answers.items() if value}


class Brake:
    """Stops one source from taking time after time. If counting fails, booking goes on."""

    def __init__(self) -> None:
        self._limiter = MovingWindowRateLimiter(MemoryStorage())

    def check(self, source: str) -> None:
        """Raise `TooMany` when there have been too many choices of times."""
        try:
            allowed = self._limiter.hit(_PER_SOURCE, source)
        except Exception:  # whoever needs a talk must not be stopped by a broken counter
            allowed = True
        if not allowed:
            raise TooMany


def setup(app: Sanic, house: House, desk: BookingDesk, watch: DangerWatch) -> None:
    """Register the pages on ``app``."""
    bp = Blueprint("book")
    brake = Brake()
    pages = _Pages(house, desk, watch)

    @bp.get("/boka")
    async def begin(request: Request) -> HTTPResponse:
        return await pages.times(request, Draft.of(request))

    @bp.post("/boka")
    async def go_on(request: Request) -> HTTPResponse:
        draft = Draft.of(request)
        step = request.form.get("step") if request.form else None
        if step == "hold":
            return await hold(request, draft)
        if step == "confirm":
            return await pages.confirm(request, draft)
        if step == "saved":
            await desk.saved(draft.holder)
            return await page(request, "booking/saved.html", reader=draft.reader)
        if step == "change":
            await desk.release(draft.holder)
        return await pages.times(request, replace(draft, skip=draft.skip if step == "more" else 0))

    async def hold(request: Request, draft: Draft) -> HTTPResponse:
        if not draft.slot:
            return await pages.times(request, draft, 422, {"slot": house.phrases.say("book_page.error.slot_missing")})
        try:
            brake.check(source_of(request, house.settings.trusted_proxies))
            held = await desk.hold(draft.holder, draft.slot)
        except AlreadyBooked:
            # Somebody went back: what they have is shown again, and the code while it is not saved.
            booked = await desk.booked(draft.holder)
            if booked is not None:
                return await pages.done(request, draft, booked)
            return await pages.times(request, draft, AlreadyBooked.status)
        except (Taken, InvalidField, TooMany) as error:
            return await pages.times(request, replace(draft, skip=0), error.status, {"slot": pages.sentence(error)})
        return await pages.details(request, draft, held)

    app.blueprint(bp)


class _Pages:
    """The four pages of the form, each with the danger card when the words call for it."""

    def __init__(self, house: House, desk: BookingDesk, watch: DangerWatch) -> None:
        self._house = house
        self._desk = desk
        self._watch = watch
        self._say = house.phrases.say

    def sentence(self, error: DomainError) -> str:
        """What is wrong, in the words of this page where it has its own."""
        own, known = f"book_page.error.{error.code}", self._house.phrases.keys()
        return self._say(own if own in known else f"error.{error.code}")

    async def times(
        self, request: Request, draft: Draft, status: int = 200, errors: dict[str, str] | None = None
    ) -> HTTPResponse:
        """Free times to choose from, or the true next one, or who to call."""
        reader, errors = draft.reader, errors or {}
        try:
            offer = await self._desk.offer(skip=draft.skip, limit=_AT_ONCE, holder=draft.holder)
        except StorageUnavailable as error:
            offer, status, errors = None, error.status, {"slot": self.sentence(error)}
        times = offer.times if offer else []
        opens = offer.opens if offer else None
        options = [(time.slot, self._label(time.start, reader)) for time in times]
        today = to_local(self._house.clock.now()).date()
        return await page(
            request,
            "booking/times.html",
            status=status,
            reader=reader,
            draft=draft,
            errors=errors,
            options=options,
            opens=(opens.slot, self._label(opens.start, reader)) if opens else None,
            following=draft.skip + _AT_ONCE if offer and offer.more else None,
            promise="promise_today" if offer and offer.promised == today else "promise_next",
            reachable=offer is not None,
            enabled=self._desk.enabled,
            minutes=self._house.municipality.booking.hold_minutes,
            length=self._house.municipality.booking.meeting_minutes,
            lines=[] if options else self._numbers(reader),
            card=await self._card(draft),
        )

    async def details(
        self,
        request: Request,
        draft: Draft,
        held: Held | None,
        status: int = 200,
        errors: dict[str, str] | None = None,
        message: str = "",
    ) -> HTTPResponse:
        """How to talk, and what is needed for it; everything else may be left empty."""
        reader = draft.reader
        channels = held.channels if held else self._desk.channels
        start = held.start if held else start_of(draft.slot)
        return await page(
            request,
            "booking/details.html",
            status=status,
            reader=reader,
            draft=draft,
            errors=errors or {},
            message=message,
            label=self._label(start, reader) if start else "",
            therapist=held.therapist if held else "",
            minutes=self._house.municipality.booking.hold_minutes,
            channel_options=[
                (way, self._say(f"summary.channel.{way}", reader), self._say(f"book_page.channel_note.{way}", reader))
                for way in channels
            ],
            call_options=[(value, self._say(f"common.{value}", reader)) for value in ("yes", "no", "unsure")],
            leave_options=[(value, self._say(f"common.{value}", reader)) for value in ("no", "yes")],
            interpreter_options=[
                ("", self._say("interpreter.none", reader)),
                *self._house.tongues.choices(reader),
            ],
            who_options=[
                *((key, self._say(f"write_page.who.{key}")) for key in READERS),
                ("", self._say("write_page.rather_not")),
            ],
            card=await self._card(draft),
        )

    async def confirm(self, request: Request, draft: Draft) -> HTTPResponse:
        """Book, or say by the field what is wrong; what was written stays whatever happens."""
        errors, details = self._checked(draft)
        try:
            if not errors:
                card = await self._card(draft)
                if card is not None:
                    details = replace(details, danger_level=card.level, danger_category=card.category)
                booked = await self._desk.confirm(draft.holder, details, slot=draft.slot or None)
                return await self.done(request, draft, booked)
            status = 422
        except InvalidField as error:
            errors, status = {error.extra["field"]: self.sentence(error)}, error.status
        except (HoldExpired, Taken) as error:
            return await self.times(request, replace(draft, skip=0), error.status, {"slot": self.sentence(error)})
        except DomainError as error:
            return await self.details(request, draft, None, error.status, message=self.sentence(error))
        held = await self._desk.held(draft.holder)
        if held is None:
            gone = self.sentence(HoldExpired())
            return await self.times(request, replace(draft, skip=0), HoldExpired.status, {"slot": gone})
        return await self.details(request, draft, held, status, errors)

    async def done(self, request: Request, draft: Draft, booked: Confirmed) -> HTTPResponse:
        """The booked talk and its six words, until they are saved."""
        reader = draft.reader
        return await page(
            request,
            "booking/done.html",
            reader=reader,
            draft=draft,
            booked=booked,
            label=self._label(booked.start, reader),
            interpreter=self._interpreter(draft),
            words=(booked.words or "").split(),
            card=await self._card(draft),
        )

    def _checked(self, draft: Draft) -> tuple[dict[str, str], Details]:
        """Errors by field, and the details to confirm with when there are none."""
        errors: dict[str, str] = {}
        texts: dict[str, str | None] = {}
        if draft.channel not in self._desk.channels:
            errors["channel"] = self._say("book_page.error.channel_missing")
        for name, limit in _LIMITS.items():
            try:
                texts[name] = clean(getattr(draft, name), limit)
            except EmptyText:
                texts[name] = None
            except TextTooLong:
                errors[name] = self._say(f"book_page.error.{name}_too_long")
        details = Details(
            channel=draft.channel,
            reader=draft.reader,
            phone=draft.phone,
            safe=Safe(
                call_ok=draft.call_ok if draft.call_ok in ("yes", "no", "unsure") else None,  # type: ignore[arg-type]
                if_other_answers=texts.get("if_other_answers"),
                leave_message=draft.leave_message if draft.leave_message in ("yes", "no") else None,  # type: ignore[arg-type]
            ),
            note=texts.get("note"),
            interpreter=draft.interpreter if self._house.tongues.interpreted(draft.interpreter) else None,
        )
        return errors, details

    def _label(self, start: datetime, reader: Reader) -> str:
        return when(self._house.phrases, start, self._house.clock.now(), reader)

    def _interpreter(self, draft: Draft) -> str:
        tongues = self._house.tongues
        return tongues.interpreter(draft.interpreter, draft.reader) if tongues.interpreted(draft.interpreter) else ""

    def _numbers(self, reader: Reader) -> list[Any]:
        today = to_local(self._house.clock.now()).date()
        return self._house.helplines.pick("adult" if reader.grown_up else "child", reader, today)

    async def _card(self, draft: Draft) -> Any:
        texts = [draft.note, draft.if_other_answers]
        return await asyncio.to_thread(self._watch.assess_fields, texts, draft.reader)


def start_of(slot: str) -> datetime | None:
    """When a slot begins, or None for one that is no time."""
    try:
        return rules.read_slot(slot).start
    except ValueError:
        return None
