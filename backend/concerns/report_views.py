"""``/anmal``: tell social services that one is worried about somebody else's child.

Three ways: as a neighbour, relative or other private person, as a professional who must report, and
as a professional who asks for advice without naming anybody. What each may expect is said before the
first word: whether one can stay unknown, who reads, what happens. No script, no cookie, nothing in
the address: every step carries the whole form in the body of its POST.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from sanic import Blueprint, HTTPResponse, Request, Sanic

from backend.concerns.brake import Brake
from backend.concerns.reports import CHILD_FIELDS, Report, report_problems
from backend.concerns.rules import NEEDS
from backend.concerns.service import HAPPENING, ConcernDesk, Intake, problems
from backend.core.clock import to_local
from backend.core.content import Phrases
from backend.core.errors import DomainError, KeyReused, NotFound
from backend.core.house import House
from backend.core.reader import Lang, Reader
from backend.core.text import STORY_LIMIT, clean
from backend.danger.rules import Level
from backend.danger.service import DangerWatch
from backend.web.help import language
from backend.web.render import page
from backend.web.security import source_of

WAYS = {"privat": "private", "arbete": "mandated", "rad": "consult"}
"""The last part of the address, and who tells."""
REPORTER_OF = {
    "private": ("name", "relation", "phone"),
    "mandated": ("name", "role", "workplace", "phone"),
    "consult": (),
}
NEEDS_OF_OTHERS = tuple(need for need in NEEDS if need != "staff_fault")
_KEY = re.compile(r"[A-Za-z0-9_-]{20,64}")
_SHOWN = re.compile(r"(?:sv|en):report-[a-z]{1,12}:[0-9a-f]{12}")


@dataclass(frozen=True, slots=True)
class ReportDraft:
    """The form as it was filled in, unchecked. ``shown`` is the version of the text about who reads that was shown."""

    source: str
    key: str
    shown: str
    lang: Lang
    words: str
    now: str | None
    needs: tuple[str, ...]
    area: str
    child: dict[str, str]
    reporter: dict[str, str]
    feedback: bool
    interpreter: str

    @classmethod
    def of(cls, request: Request, source: str) -> ReportDraft:
        """From a posted form, or an empty one; an answer that is none counts as not given."""
        form: Any = request.form or {}

        def text(name: str) -> str:
            return form.get(name) or ""

        sent = set(form.getlist("needs", [])) if form else set()
        return cls(
            source=source,
            key=text("key") if _KEY.fullmatch(text("key")) else secrets.token_urlsafe(24),
            shown=text("shown") if _SHOWN.fullmatch(text("shown")) else "",
            lang=language(request),
            words=text("words"),
            now=text("now") if text("now") in HAPPENING else None,
            needs=tuple(need for need in NEEDS_OF_OTHERS if need in sent),
            area=text("area"),
            child={name: text(f"child_{name}") for name in CHILD_FIELDS if text(f"child_{name}")},
            reporter={
                name: text(f"reporter_{name}") for name in REPORTER_OF[source] if text(f"reporter_{name}").strip()
            },
            feedback=text("feedback") == "yes",
            interpreter=text("interpreter") if re.fullmatch("[a-z]{2,5}", text("interpreter")) else "",
        )

    @property
    def reader(self) -> Reader:
        """A professional is a grown-up; whoever else writes may be a child."""
        if self.source == "private":
            return Reader(lang=self.lang)
        return Reader("professional", "adult", self.lang)

    def texts(self) -> list[str]:
        """Everything that was written in own words."""
        return [text for text in (self.words, *self.child.values(), *self.reporter.values()) if text]

    def intake(self) -> Intake:
        """What is sent when the form is right."""
        return Intake(
            words=[self.words],
            about="other_child",
            now=self.now,
            reach="code",
            phone=None,
            safe=None,
            reader=self.reader,
            danger_level=None,
            danger_category=None,
            consent_version=self.shown,
            form_key=self.key,
            interpreter=self.interpreter or None,
            source=self.source,
            needs=self.needs,
            area=self.area or None,
            report=Report(self.reporter, self.child, self.feedback),
        )


def secrecy_version(phrases: Phrases, source: str, reader: Reader) -> str:
    """Which text about who reads is shown on a way, as ``language:report-way:digest``; changes when the text does."""
    text = phrases.say(f"report_page.{source}.secrecy", reader)
    return f"{reader.lang}:report-{source}:{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def setup(app: Sanic, house: House, desk: ConcernDesk, watch: DangerWatch) -> None:
    """Register the pages on ``app``."""
    bp = Blueprint("report")
    brake = Brake()
    say = house.phrases.say
    known = house.phrases.keys()
    areas = [(area.id, area.name) for area in house.municipality.areas]

    @bp.get("/anmal")
    async def choose(request: Request) -> HTTPResponse:
        reader = Reader(lang=language(request))
        today = to_local(house.clock.now()).date()
        lines = house.helplines.pick("adult_danger", reader, today)[:1]
        return await page(request, "concerns/report_choose.html", reader=reader, ways=WAYS, lines=lines)

    @bp.get("/anmal/<way:[a-z]{3,6}>")
    async def begin(request: Request, way: str) -> HTTPResponse:
        return await fill_in(request, way, ReportDraft.of(request, _source(way)))

    @bp.post("/anmal/<way:[a-z]{3,6}>")
    async def go_on(request: Request, way: str) -> HTTPResponse:
        draft = ReportDraft.of(request, _source(way))
        form: Any = request.form or {}
        step = form.get("step")
        if step == "change":
            return await fill_in(request, way, draft)
        if _wrong(draft, areas):
            return await fill_in(request, way, draft, status=422)
        if step == "send" and draft.shown:
            return await send(request, way, draft)
        return await read_back(request, way, draft)

    async def fill_in(request: Request, way: str, draft: ReportDraft, *, status: int = 200) -> HTTPResponse:
        reader = draft.reader
        draft = replace(draft, shown=secrecy_version(house.phrases, draft.source, reader))
        wrong = _wrong(draft, areas) if status == 422 else []
        errors = {field: sentence(field, code, reader) for field, code in wrong}
        return await page(
            request, "concerns/report.html", status=status, reader=reader, draft=draft, way=way, errors=errors,
            card=await card_of(draft), reporter_fields=REPORTER_OF[draft.source],
            child_fields=CHILD_FIELDS if draft.source != "consult" else (), needs=[(need, say(f"report_page.need.{need}", reader)) for need in NEEDS_OF_OTHERS],
            now_options=[(value, say(f"common.{value}", reader)) for value in HAPPENING],
            area_options=[("", say("report_page.area_unknown", reader)), *areas] if areas else [],
            interpreter_options=[("", say("interpreter.none", reader)), *house.tongues.choices(reader)],
        )  # fmt: skip

    async def read_back(
        request: Request, way: str, draft: ReportDraft, *, status: int = 200, message: str = ""
    ) -> HTTPResponse:
        reader, card = draft.reader, await card_of(draft)
        lines = []
        if card is None and draft.now == "yes":
            lines = house.helplines.pick("adult_danger", reader, to_local(house.clock.now()).date())
        seen = replace(draft, shown=draft.shown or secrecy_version(house.phrases, draft.source, reader))
        return await page(
            request, "concerns/report_read.html", status=status, reader=reader, draft=seen, way=way, card=card,
            lines=lines, message=message, words=clean(draft.words, STORY_LIMIT), rows=rows_of(draft),
        )  # fmt: skip

    async def send(request: Request, way: str, draft: ReportDraft) -> HTTPResponse:
        level, category = await asyncio.to_thread(most_serious, draft)
        intake = replace(draft.intake(), danger_level=level, danger_category=category)
        try:
            brake.check(source_of(request, house.settings.trusted_proxies))
            received = await desk.receive(intake)
        except KeyReused:
            again = replace(draft, key=secrets.token_urlsafe(24))
            message = say("write_page.sent_before", draft.reader)
            return await read_back(request, way, again, status=409, message=message)
        except DomainError as error:
            message = say(f"error.{error.code}", draft.reader)
            return await read_back(request, way, draft, status=error.status, message=message)
        return await page(
            request, "concerns/report_sent.html", reader=draft.reader, words=(received.words or "").split(),
            unit=received.unit_name, receipt=received.receipt, card=await card_of(draft), draft=draft,
        )  # fmt: skip

    async def card_of(draft: ReportDraft) -> Any:
        return await asyncio.to_thread(watch.assess_fields, draft.texts(), draft.reader)

    def most_serious(draft: ReportDraft) -> tuple[str | None, str | None]:
        found = [watch.assess(text, lang=draft.lang) for text in draft.texts()]
        worst = max(found, key=lambda one: one.level or 0)
        return (worst.level.name, worst.category) if isinstance(worst.level, Level) else (None, None)

    def rows_of(draft: ReportDraft) -> list[tuple[str, str]]:
        reader = draft.reader
        unsaid = say("write_page.unsaid", reader)
        rows = [(say("summary.now", reader), say(f"common.{draft.now}", reader) if draft.now else unsaid)]
        if draft.needs:
            told = ", ".join(say(f"report_page.need.{need}", reader) for need in draft.needs)
            rows.append((say("report_page.needs", reader), told))
        rows += [
            (say(f"report_page.child_field.{name}", reader), draft.child[name])
            for name in CHILD_FIELDS
            if name in draft.child and draft.source != "consult"
        ]
        rows += [
            (say(f"report_page.reporter_field.{name}", reader), draft.reporter[name])
            for name in REPORTER_OF[draft.source]
            if name in draft.reporter
        ]
        if draft.source == "private" and not draft.reporter.get("name"):
            rows.append((say("report_page.reporter_field.name", reader), say("report_page.no_name", reader)))
        if draft.source == "mandated":
            answer = say(f"common.{'yes' if draft.feedback else 'no'}", reader)
            rows.append((say("report_page.feedback_short", reader), answer))
        return rows

    def sentence(field: str, code: str, reader: Reader) -> str:
        own = f"report_page.error.{field}_{code}"
        shared = f"report_page.error.{code}"
        return say(own if own in known else shared if shared in known else f"error.{code}", reader)

    app.blueprint(bp)


def _source(way: str) -> str:
    if way not in WAYS:
        raise NotFound
    return WAYS[way]


def _wrong(draft: ReportDraft, areas: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """What keeps the form from being sent, in the order of its fields."""
    found = problems(draft.intake())
    if draft.area and draft.area not in {area for area, _ in areas}:
        found.append(("area", "invalid"))
    return found + report_problems(Report(draft.reporter, draft.child), draft.source)
