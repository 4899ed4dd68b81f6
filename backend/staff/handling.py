"""A concern's page in the staff app: what was told, and everything that can be done with it.

Each form says in which state it was made; if that is no longer so, nothing is done and the page
says what has changed. What was typed stays in its field.
"""

from __future__ import annotations

import asyncio
import itertools
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sanic import HTTPResponse, Request, redirect
from sanic_ext import openapi

from backend.concerns.export import EXPORTED, ExportDesk, as_json, paper_of
from backend.concerns.handling import FEEDBACK_WAYS, GROUNDS, HandlingDesk
from backend.concerns.rules import CHECK_OUTCOMES, DECISION_OUTCOMES, Deed
from backend.concerns.service import ConcernDesk
from backend.core.errors import Conflict, DomainError, NotFound
from backend.core.people import StaffMember
from backend.staff.drafts import Drafts
from backend.staff.shell import HOME, ID, Shell

_QUERY = re.compile(r"[a-z]{3,6}=[a-z0-9]{0,8}(&[a-z]{3,6}=[a-z0-9]{0,8}){0,3}")
_TYPES = {"pdf": "application/pdf", "json": "application/json"}
_HOLDER = re.compile(r"([a-z_]{1,40}):([0-9a-f]{24})?")


@dataclass(frozen=True, slots=True)
class Wrong:
    """A form that could not be carried out: which one, the field, the sentence, and what was typed."""

    form: str
    field: str
    sentence: str
    typed: dict[str, str]


def setup(shell: Shell, concerns: ConcernDesk, handling: HandlingDesk, exports: ExportDesk, drafts: Drafts) -> None:
    """Add the page and its forms to the staff app."""
    known, show, words, bp, house = shell.known, shell.show, shell.words, shell.bp, shell.house
    units = house.municipality.units

    async def shown(
        request: Request, staff: StaffMember, concern_id: str, status: int = 200, **more: Any
    ) -> HTTPResponse:
        opened = await concerns.open_for(staff, concern_id)
        handled = await handling.handled(staff, concern_id)
        return await show(
            request, "concern", staff, status, concern=opened, history=_folded(opened.history), handled=handled, list_query=_list_query(request),
            units=[(unit.id, unit.name) for unit in units if unit.id != staff.unit],
            crossing=[unit.name for unit in units if handling.crosses(staff.unit, unit.id)],
            check_outcomes=CHECK_OUTCOMES, decision_outcomes=DECISION_OUTCOMES, grounds=GROUNDS,
            feedback_ways=FEEDBACK_WAYS, releases=await exports.releases(staff, concern_id), writing=drafts.others(concern_id, staff.id), **more,
        )  # fmt: skip

    def form(path: str, name: str, back: str = "") -> Callable[[Callable[..., Awaitable[Any]]], None]:
        """Register a POST: do the deed and go back to ``back`` (an anchor), or show what was wrong on the page."""

        def register(deed: Callable[..., Awaitable[Any]]) -> None:
            @bp.post(f"/oro/<concern_id:{ID}>/{path}", name=f"concern-{path}")
            @known
            async def handle(request: Request, staff: StaffMember, concern_id: str) -> HTTPResponse:
                sent: Any = request.form or {}
                typed = {key: sent.get(key) or "" for key in sent}
                try:
                    answer = await deed(request, staff, concern_id, typed)
                except NotFound:
                    raise
                except Conflict:
                    return await show(request, "taken", staff, status=409, concern_id=concern_id)
                except DomainError as error:
                    field = str(error.extra.get("field", name))
                    sentence = words.error(f"staff.do.error.{field}", error)
                    wrong = Wrong(name, field, sentence, typed)
                    return await shown(request, staff, concern_id, error.status, wrong=wrong)
                if isinstance(answer, HTTPResponse):
                    return answer
                query = _list_query(request)
                return redirect(f"{HOME}/oro/{concern_id}{f'?{query}' if query else ''}{back}", status=303)

        return register

    @bp.get(f"/oro/<concern_id:{ID}>")
    @known
    async def concern(request: Request, staff: StaffMember, concern_id: str) -> HTTPResponse:
        return await shown(request, staff, concern_id)

    @bp.get(f"/oro/<concern_id:{ID}>/skriver")
    @known
    async def writing(request: Request, staff: StaffMember, concern_id: str) -> HTTPResponse:
        if concern_id not in await concerns.openable(staff, [concern_id]):
            raise NotFound
        return await show(request, "_writing", staff, writing=drafts.others(concern_id, staff.id))

    @bp.post(f"/oro/<concern_id:{ID}>/skriver", name="concern-writes")
    @known
    async def writes(request: Request, staff: StaffMember, concern_id: str) -> HTTPResponse:
        if concern_id not in await concerns.openable(staff, [concern_id]):
            raise NotFound
        drafts.writes(staff, concern_id)
        return HTTPResponse(status=204)

    @form("ta-emot", "accept")
    async def accept(request: Request, staff: StaffMember, concern_id: str, typed: dict[str, str]) -> None:
        await concerns.accept(staff, concern_id)

    @form("svara", "answer", "#answers")
    async def answer(request: Request, staff: StaffMember, concern_id: str, typed: dict[str, str]) -> None:
        await concerns.answer(staff, concern_id, typed.get("answer", ""))
        drafts.done(staff, concern_id)

    @form("lamna-tillbaka", "decline")
    async def decline(request: Request, staff: StaffMember, concern_id: str, typed: dict[str, str]) -> HTTPResponse:
        await handling.decline(staff, concern_id, typed.get("reason", ""))
        return await show(request, "handed", staff, text="staff.do.declined")

    @form("senare", "later", "#do")
    async def later(request: Request, staff: StaffMember, concern_id: str, typed: dict[str, str]) -> None:
        await handling.later(staff, concern_id, _day(typed.get("until", "")), typed.get("reason", ""))

    @form("flytta", "move")
    async def move(request: Request, staff: StaffMember, concern_id: str, typed: dict[str, str]) -> HTTPResponse:
        made_for = _HOLDER.fullmatch(typed.get("expected", ""))
        name = await handling.move(
            staff, concern_id, typed.get("unit", ""), typed.get("reason", ""), ground=typed.get("ground", ""),
            child_at_risk=typed.get("child") == "yes",
            expected=(made_for[1], made_for[2] or "") if made_for else None,
        )  # fmt: skip
        return await show(request, "handed", staff, text="staff.do.moved", unit_name=name)

    @form("skyddsbedomning", "check", "#check")
    async def check(request: Request, staff: StaffMember, concern_id: str, typed: dict[str, str]) -> None:
        await handling.check(staff, concern_id, typed.get("outcome", ""), typed.get("reason", ""))

    @form("beslut", "decision", "#decision")
    async def decide(request: Request, staff: StaffMember, concern_id: str, typed: dict[str, str]) -> None:
        await handling.decide(staff, concern_id, typed.get("outcome", ""), typed.get("reason", ""))

    @form("barn-finns", "child_found", "#decision")
    async def child_found(request: Request, staff: StaffMember, concern_id: str, typed: dict[str, str]) -> None:
        await handling.start_decision(staff, concern_id)

    @form("aterkoppling-onskas", "ask_feedback", "#feedback")
    async def ask_feedback(request: Request, staff: StaffMember, concern_id: str, typed: dict[str, str]) -> None:
        await handling.ask_feedback(staff, concern_id)

    @form("aterkoppling", "feedback", "#feedback")
    async def feedback(request: Request, staff: StaffMember, concern_id: str, typed: dict[str, str]) -> None:
        handled = await handling.handled(staff, concern_id)
        if handled.report is None or handled.report.feedback_at is not None:
            raise Conflict
        if typed.get("how") == "code" and handled.decision is not None:
            # Whether an investigation is opened is all that the law lets the reporter know (SoL 19:6).
            sentence = house.phrases.say(f"staff.feedback.sentence.{handled.decision.outcome}")
            await concerns.answer(staff, concern_id, sentence)
        await handling.give_feedback(staff, concern_id, typed.get("how", ""))

    @form("avsluta", "close", "#do")
    async def close(request: Request, staff: StaffMember, concern_id: str, typed: dict[str, str]) -> None:
        await handling.close(staff, concern_id, typed.get("reason", ""))

    @form("bevaras", "keep", "#do")
    async def keep(request: Request, staff: StaffMember, concern_id: str, typed: dict[str, str]) -> None:
        await handling.keep(staff, concern_id, typed.get("kept", ""))

    @form("slapp", "release", "#export")
    async def ask_release(request: Request, staff: StaffMember, concern_id: str, typed: dict[str, str]) -> None:
        await exports.ask(staff, concern_id, typed.get("reason", ""))

    @form("godkann", "approve", "#export")
    async def approve(request: Request, staff: StaffMember, concern_id: str, typed: dict[str, str]) -> None:
        await exports.approve(staff, concern_id, typed.get("release", "")[:24])

    @bp.post(f"/oro/<concern_id:{ID}>/export", name="concern-export")
    @openapi.definition(
        summary="Export a concern for the record system",
        description="Needs a staff login. `kind` is `pdf` or `json`; `whole` is `yes` to include what is shielded, "
        "which a second person must have said yes to within a day. The JSON has the format `koll-concern/1`.",
        tag="staff",
        response=[
            openapi.definitions.Response({"application/json": EXPORTED, "application/pdf": bytes}, 200),
            openapi.definitions.Response({"text/html": str}, 404, "Not there, or not for this person"),
        ],
    )
    @known
    async def export(request: Request, staff: StaffMember, concern_id: str) -> HTTPResponse:
        sent: Any = request.form or {}
        kind = "json" if sent.get("kind") == "json" else "pdf"
        data = await exports.export(staff, concern_id, kind, whole=sent.get("whole") == "yes")
        body = as_json(data) if kind == "json" else await asyncio.to_thread(paper_of, house, data)
        # The file's name ends up in folders and logs: it says nothing but which.
        headers = {"content-disposition": f'attachment; filename="utdrag-{concern_id[:8]}.{kind}"'}
        return HTTPResponse(body, headers=headers, content_type=_TYPES[kind])

    @form("identitet", "identity")
    async def identity(request: Request, staff: StaffMember, concern_id: str, typed: dict[str, str]) -> HTTPResponse:
        opened = await handling.open_identity(staff, concern_id, typed.get("reason", ""))
        return await shown(request, staff, concern_id, identity=opened)


def _list_query(request: Request) -> str:
    """The list that the page was reached from: its filter, which holds nothing about anybody."""
    return request.query_string if _QUERY.fullmatch(request.query_string) else ""


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return date.min


def _folded(history: Sequence[Deed]) -> list[tuple[Deed, int]]:
    """The history with the same deed of the same person several times in a row as one, the latest; the log has them all."""
    runs = [list(run) for _, run in itertools.groupby(history, key=lambda deed: (deed.tag, deed.name))]
    return [(run[-1], len(run)) for run in runs]
