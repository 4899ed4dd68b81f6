"""``/skriv``: tell in your own words on a plain page, read it back, send it, get six words.

No cookie, no script and nothing in the address: every step carries the whole form in
the body of its POST, so that nothing is stored before it is sent and nothing is lost
when something is wrong. Works without the assistant.
"""

from __future__ import annotations

import asyncio
import re
import secrets
from dataclasses import dataclass, replace
from typing import Any

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter
from sanic import Blueprint, HTTPResponse, Request, Sanic

from backend.concerns.service import (
    ABOUT,
    HAPPENING,
    REACH,
    SAFE_ANSWERS,
    SAFE_TEXTS,
    ConcernDesk,
    Intake,
    consent_version,
    problems,
)
from backend.core.clock import to_local
from backend.core.errors import DomainError, KeyReused, TooMany
from backend.core.house import House
from backend.core.reader import READERS, Reader
from backend.core.text import STORY_LIMIT, clean
from backend.danger.rules import Level
from backend.danger.service import DangerWatch
from backend.web.render import page
from backend.web.security import source_of

SAFE_FIELDS = (*SAFE_ANSWERS, *SAFE_TEXTS)
_KEY = re.compile(r"[A-Za-z0-9_-]{20,64}")
_RECEIPT = re.compile(r"[0-9a-f]{24}")
_SHOWN = re.compile(r"(?:sv|en):[a-z0-9-]{1,12}:[0-9a-f]{12}")
# A whole school may share one address, so a source may send many; the total keeps a flood out of the queue.
_PER_SOURCE = RateLimitItemPerMinute(60, 15)
_IN_ALL = RateLimitItemPerMinute(240)


@dataclass(frozen=True, slots=True)
class Draft:
    """The form as it was filled in, unchecked. ``shown`` lists the secrecy texts that the writer has been shown."""

    key: str
    shown: tuple[str, ...]
    who: str | None
    words: str
    about: str | None
    now: str | None
    reach: str
    phone: str
    safe: dict[str, str]
    interpreter: str

    @classmethod
    def of(cls, request: Request) -> Draft:
        """From a posted form, or an empty one; an answer that is none counts as not given."""
        form: Any = request.form or {}

        def text(name: str) -> str:
            return form.get(name) or ""

        def one_of(name: str, allowed: tuple[str, ...]) -> str | None:
            return text(name) if text(name) in allowed else None

        return cls(
            key=text("key") if _KEY.fullmatch(text("key")) else secrets.token_urlsafe(24),
            shown=tuple(part for part in text("shown").split()[:4] if _SHOWN.fullmatch(part)),
            who=one_of("who", READERS),
            words=text("words"),
            about=one_of("about", ABOUT),
            now=one_of("now", HAPPENING),
            reach=one_of("reach", REACH) or "code",
            phone=text("phone"),
            safe={field: text(field) for field in SAFE_FIELDS if text(field)},
            interpreter=text("interpreter") if re.fullmatch("[a-z]{2,5}", text("interpreter")) else "",
        )

    @property
    def reader(self) -> Reader:
        """Who has said that they are writing."""
        return Reader.of(self.who)

    def having_seen(self, version: str) -> Draft:
        """The same draft, with one more secrecy text shown."""
        return self if version in self.shown else replace(self, shown=(*self.shown, version))


class Brake:
    """Holds back a flood of sends, not a class of pupils behind one address. If counting fails, sending goes on."""

    def __init__(self) -> None:
        self._limiter = MovingWindowRateLimiter(MemoryStorage())

    def check(self, source: str) -> None:
        """Raise `TooMany` when there have been too many sends."""
        try:
            allowed = self._limiter.hit(_PER_SOURCE, source) and self._limiter.hit(_IN_ALL, "all")
        except Exception:  # somebody who tells about harm must not be stopped by a broken counter
            allowed = True
        if not allowed:
            raise TooMany


def setup(app: Sanic, house: House, desk: ConcernDesk, watch: DangerWatch) -> None:
    """Register the page on ``app``."""
    bp = Blueprint("write")
    brake = Brake()
    say = house.phrases.say
    known = house.phrases.keys()

    async def fill_in(request: Request, draft: Draft, *, status: int = 200, message: str = "") -> HTTPResponse:
        reader = Reader()
        draft = draft.having_seen(consent_version(house.phrases, reader))
        wrong = problems(_intake(draft)) if status == 422 else []
        errors = {field: _sentence(field, code) for field, code in wrong}
        return await page(
            request, "concerns/write.html", status=status, reader=reader, draft=draft, errors=errors,
            message=message, card=await _card(draft), **_options(),
        )  # fmt: skip

    async def read_back(request: Request, draft: Draft, *, status: int = 200, message: str = "") -> HTTPResponse:
        reader = draft.reader
        secrecy = "" if consent_version(house.phrases, reader) in draft.shown else say("consent.text", reader)
        card = await _card(draft)
        lines = []
        if card is None and draft.now == "yes":
            today = to_local(house.clock.now()).date()
            lines = house.helplines.pick("adult_danger" if reader.grown_up else "child_danger", reader, today)
        seen = draft.having_seen(consent_version(house.phrases, reader))
        return await page(
            request, "concerns/read_back.html", status=status, reader=reader, draft=seen, secrecy=secrecy,
            words=clean(draft.words, STORY_LIMIT), rows=_rows(draft), message=message, card=card, lines=lines,
            safe_fields=SAFE_FIELDS,
        )  # fmt: skip

    async def send(request: Request, draft: Draft) -> HTTPResponse:
        level, category = await asyncio.to_thread(_most_serious, draft)
        wished = draft.interpreter if house.tongues.interpreted(draft.interpreter) else None
        intake = replace(_intake(draft), danger_level=level, danger_category=category, interpreter=wished)
        try:
            brake.check(source_of(request, house.settings.trusted_proxies))
            received = await desk.receive(intake)
        except KeyReused:
            # Somebody went back and changed a text that had already been sent: both are theirs to send.
            again = replace(draft, key=secrets.token_urlsafe(24))
            return await read_back(request, again, status=409, message=say("write_page.sent_before", draft.reader))
        except DomainError as error:
            message = say(f"error.{error.code}", draft.reader)
            return await read_back(request, draft, status=error.status, message=message)
        return await page(
            request, "concerns/sent.html", reader=draft.reader, words=(received.words or "").split(),
            unit=received.unit_name, receipt=received.receipt, reach=draft.reach, card=await _card(draft), who=draft.who,
        )  # fmt: skip

    @bp.get("/skriv")
    async def begin(request: Request) -> HTTPResponse:
        return await fill_in(request, Draft.of(request))

    @bp.post("/skriv")
    async def go_on(request: Request) -> HTTPResponse:
        draft = Draft.of(request)
        form: Any = request.form or {}
        step = form.get("step")
        if step == "change":
            return await fill_in(request, draft)
        if problems(_intake(draft)):
            return await fill_in(request, draft, status=422)
        if step == "send":
            return await send(request, draft)
        return await read_back(request, draft)

    @bp.post("/skriv/sparad")
    async def saved(request: Request) -> HTTPResponse:
        form: Any = request.form or {}
        receipt = form.get("receipt") or ""
        if _RECEIPT.fullmatch(receipt):
            await desk.saved(receipt)
        reader = Draft.of(request).reader
        return await page(request, "concerns/saved.html", reader=reader)

    async def _card(draft: Draft) -> Any:
        return await asyncio.to_thread(watch.assess_fields, [draft.words, *draft.safe.values()], draft.reader)

    def _most_serious(draft: Draft) -> tuple[str | None, str | None]:
        found = [watch.assess(text) for text in (draft.words, *draft.safe.values())]
        worst = max(found, key=lambda one: one.level or 0)
        return (worst.level.name, worst.category) if isinstance(worst.level, Level) else (None, None)

    def _options() -> dict[str, list[tuple[str, ...]]]:
        rather_not = ("", say("write_page.rather_not"))
        return {
            "who_options": [*((key, say(f"write_page.who.{key}")) for key in READERS), rather_not],
            "about_options": [*((value, say(f"write_page.about_value.{value}")) for value in ABOUT), rather_not],
            "now_options": [(value, say(f"common.{value}")) for value in HAPPENING],
            "reach_options": [
                (value, say(f"write_page.reach_value.{value}"), say(f"write_page.reach_note.{value}"))
                for value in REACH
            ],
            "call_options": [(value, say(f"common.{value}")) for value in SAFE_ANSWERS["call_ok"]],
            "leave_options": [(value, say(f"common.{value}")) for value in SAFE_ANSWERS["leave_message"]],
            "interpreter_options": [("", say("interpreter.none")), *house.tongues.choices(Reader())],
        }

    def _rows(draft: Draft) -> list[tuple[str, str]]:
        unsaid = say("write_page.unsaid")
        rows = [
            (say("write_page.who_short"), say(f"write_page.who.{draft.who}") if draft.who else unsaid),
            (say("summary.about"), say(f"write_page.about_value.{draft.about}") if draft.about else unsaid),
            (say("summary.now"), say(f"common.{draft.now}") if draft.now else unsaid),
            (say("summary.reach"), say(f"write_page.reach_value.{draft.reach}")),
        ]
        if house.tongues.interpreted(draft.interpreter):
            rows.append((say("summary.interpreter"), house.tongues.interpreter(draft.interpreter)))
        if draft.reach == "phone":
            rows.append((say("summary.phone"), draft.phone))
            for field in SAFE_FIELDS:
                answer = draft.safe.get(field)
                if answer:
                    shown = say(f"common.{answer}") if field in SAFE_ANSWERS else answer
                    rows.append((say(f"write_page.safe.{field}"), shown))
        return rows

    def _sentence(field: str, code: str) -> str:
        own = f"write_page.error.{field}_{code}"
        return say(own if own in known else f"error.{code}")

    app.blueprint(bp)


def _intake(draft: Draft) -> Intake:
    return Intake(
        words=[draft.words],
        about=draft.about,
        now=draft.now,
        reach=draft.reach,
        phone=draft.phone,
        safe=draft.safe,
        reader=draft.reader,
        danger_level=None,
        danger_category=None,
        consent_version=" ".join(draft.shown),
        form_key=draft.key,
    )
