"""``/personal/skriv-in``: staff write down what somebody tells by telephone or at the desk.

The words are the person's, and who wrote them down is kept. The six words are read aloud, so they
open nothing but the way to a code of the person's own.
"""

from __future__ import annotations

import asyncio
import re
import secrets
from typing import Any

from sanic import HTTPResponse, Request

from backend.concerns.reports import CHILD_FIELDS, REPORTER_FIELDS, Report, report_problems
from backend.concerns.rules import NEEDS, TOLD_BY
from backend.concerns.service import ABOUT, HAPPENING, ConcernDesk, Intake, problems
from backend.core.errors import DomainError
from backend.core.people import StaffMember
from backend.core.reader import READERS, Reader
from backend.danger.rules import Level
from backend.danger.service import DangerWatch
from backend.staff.shell import Shell

PATH = "/personal/skriv-in"
SOURCES = tuple(one for one in TOLD_BY if one != "consult")
SHOWN = "sv:read-aloud:000000000000"
"""What stands where the version of a shown text stands: it was said, and cannot be proven word for word."""
_KEY = re.compile(r"[A-Za-z0-9_-]{20,64}")


def setup(shell: Shell, concerns: ConcernDesk, watch: DangerWatch) -> None:
    """Add the page to the staff app."""
    known, show, words, bp, house = shell.handling, shell.show, shell.words, shell.bp, shell.house
    shell.way(PATH, "staff.phone_report.nav", lambda staff: staff.handles_cases)
    areas = [(area.id, area.name) for area in house.municipality.areas]

    def sentence(field: str, code: str) -> str:
        own = f"report_page.error.{field}_{code}"
        return house.phrases.say(own) if own in house.phrases else words.error("report_page.error", code)

    async def form(
        request: Request, staff: StaffMember, typed: dict[str, str], needs: list[str], status: int = 200, **more: Any
    ) -> HTTPResponse:
        return await show(
            request, "phone_report", staff, status, typed=typed, picked=needs, sources=SOURCES, readers=READERS,
            about=ABOUT, happening=HAPPENING, needs=NEEDS, child_fields=CHILD_FIELDS, reporter_fields=REPORTER_FIELDS,
            areas=areas, interpreters=house.tongues.choices(Reader()), **more,
        )  # fmt: skip

    @bp.get("/skriv-in", name="phone-report")
    @known
    async def begin(request: Request, staff: StaffMember) -> HTTPResponse:
        return await form(request, staff, {"key": secrets.token_urlsafe(24)}, [])

    @bp.post("/skriv-in", name="phone-report-save")
    @known
    async def save(request: Request, staff: StaffMember) -> HTTPResponse:
        sent: Any = request.form or {}
        typed = {name: sent.get(name) or "" for name in sent}
        if not _KEY.fullmatch(typed.get("key", "")):
            typed["key"] = secrets.token_urlsafe(24)
        needs = [need for need in (sent.getlist("needs", []) if sent else []) if need in NEEDS]
        intake = _intake(typed, needs, staff)
        wrong = problems(intake)
        if intake.report is not None:
            wrong += report_problems(intake.report, intake.source)
        if typed.get("source") not in SOURCES:
            wrong.insert(0, ("source", "missing"))
        if not wrong:
            texts = [intake.words[0], *(typed[name] for name in typed if name.startswith(("child_", "reporter_")))]
            found = await asyncio.to_thread(lambda: [watch.assess(text) for text in texts if text])
            worst = max(found, key=lambda one: one.level or 0)
            level, category = (worst.level.name, worst.category) if isinstance(worst.level, Level) else (None, None)
            try:
                received = await concerns.receive(_intake(typed, needs, staff, level, category))
            except DomainError as error:
                wrong = [(str(error.extra.get("field", "words")), error.code)]
            else:
                openable = await concerns.openable(staff, [received.concern_id])
                code = (received.words or "").split() if typed.get("code") == "yes" else []
                return await show(
                    request, "phone_report_saved", staff, received=received, code=code, openable=bool(openable),
                    url=f"{house.settings.public_url}/min-tid",
                )  # fmt: skip
        errors = {field: sentence(field, code) for field, code in wrong}
        return await form(request, staff, typed, needs, 422, errors=errors)


def _intake(
    typed: dict[str, str],
    needs: list[str],
    staff: StaffMember,
    level: str | None = None,
    category: str | None = None,
) -> Intake:
    source = typed.get("source", "")
    source = source if source in SOURCES else "self"
    who = typed.get("who", "")
    reader = Reader.of(who) if who in READERS else Reader()
    report = None
    if source != "self":
        child = {name: typed[f"child_{name}"] for name in CHILD_FIELDS if typed.get(f"child_{name}")}
        reporter = {name: typed[f"reporter_{name}"] for name in REPORTER_FIELDS if typed.get(f"reporter_{name}")}
        report = Report(reporter, child, typed.get("feedback") == "yes")
        reader = Reader("professional", "adult") if source == "mandated" else reader
    return Intake(
        words=[typed.get("words", "")],
        about=typed.get("about") or None if source == "self" else "other_child",
        now=typed.get("now") or None,
        reach="code" if typed.get("code") == "yes" else "none",
        phone=None,
        safe=None,
        reader=reader,
        danger_level=level,
        danger_category=category,
        consent_version=SHOWN,
        form_key=typed.get("key"),
        interpreter=typed.get("interpreter") or None,
        source=source,
        needs=needs,
        area=typed.get("area") or None,
        report=report,
        by_phone=staff.id,
    )
