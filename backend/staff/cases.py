"""``/personal/arenden``, ``/personal/arende`` and ``/personal/person``: cases, the team, records and families.

Works without script. Whatever somebody has written is on the page again when it could not be saved.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import date
from typing import Any

from sanic import HTTPResponse, Request, redirect

from backend.cases.desk import NewPerson, topic
from backend.cases.persons import PersonDesk, PersonPage, Record
from backend.cases.rules import BY_HAND, CLOSED_AS, GROUNDS, WAYS, Who
from backend.cases.service import CaseDesk, CaseRow, Due
from backend.cases.team import TeamDesk, staff_topic, unit_topic
from backend.core import access
from backend.core.closed_days import ClosedDays
from backend.core.errors import Conflict, DomainError, InvalidField, NotFound
from backend.core.people import StaffMember
from backend.core.text import fold
from backend.core.vault import new_id
from backend.staff.case_words import CaseWords
from backend.staff.forms import Form
from backend.staff.shell import HOME, ID, Shell
from backend.web.sse import stream

LIST = f"{HOME}/arenden"
CASE = f"{HOME}/arende"
PERSON = f"{HOME}/person"
_SEARCH = 100
"""Characters of a searched name."""


@dataclass(frozen=True, slots=True)
class Failed:
    """A form that could not be saved: which, the field, the sentence, and what was written."""

    form: str = ""
    field: str = ""
    sentence: str = ""
    values: dict[str, str] | None = None

    def value(self, form: str, name: str, stored: Any = "") -> str:
        """What stands in a field: what was written if this form failed, else what is stored."""
        if self.form == form and self.values is not None:
            return self.values.get(name, "")
        return "" if stored is None else str(stored)

    def error(self, form: str, name: str) -> str:
        """The sentence for a field, or an empty one."""
        return self.sentence if (self.form, self.field) == (form, name) else ""


class _Answer:
    """What a sent form gets: the page again, or the way that ``to`` says."""

    response: HTTPResponse

    def __init__(self, to: str) -> None:
        self.to = to


def setup(shell: Shell, cases: CaseDesk, team: TeamDesk, people: PersonDesk) -> None:
    """Add the pages to the staff app."""
    known, show, words, bp, house = shell.known, shell.show, shell.words, shell.bp, shell.house
    case_words = CaseWords(house, words)
    days = ClosedDays(house.municipality)
    shell.way(LIST, "staff.case.nav", lambda staff: staff.handles_cases)

    # --- Lists --------------------------------------------------------------------------

    async def listed(
        request: Request, staff: StaffMember, status: int = 200, *, search: str = "", failed: Failed | None = None
    ) -> HTTPResponse:
        if not staff.handles_cases:
            raise NotFound
        whole = staff.is_manager and request.args.get("visa") == "enheten"
        rows = await (cases.of_unit(staff) if whole else cases.mine(staff))
        if search:
            rows = [row for row in rows if fold(search) in fold(row.person.first_name)]
        today = words.today()
        following = days.next_working_day(today)
        return await show(
            request, "cases", staff, status, rows=rows, asks=await team.asks(staff), whole=whole, search=search,
            groups=_by_day(rows, today, following), following=following, today=today, c=case_words,
            failed=failed or Failed(), new=new_id,
        )  # fmt: skip

    @bp.get("/arenden", name="cases")
    @known
    async def case_list(request: Request, staff: StaffMember) -> HTTPResponse:
        return await listed(request, staff)

    @bp.post("/arenden/sok", name="cases-search")
    @known
    async def search(request: Request, staff: StaffMember) -> HTTPResponse:
        """By POST: a name does not belong in an address."""
        return await listed(request, staff, search=Form(request).text("q").strip()[:_SEARCH])

    @bp.get("/arenden/nu", name="cases-now")
    async def list_now(request: Request) -> HTTPResponse | None:
        """That something has changed in somebody's lists, and nothing of what."""
        staff = await shell.someone(request)
        if staff is None or not staff.handles_cases:
            return HTTPResponse(status=401 if staff is None else 404)
        with house.live.listen(staff_topic(staff.id), unit_topic(staff.unit), access.TOPIC) as feed:
            await stream(request, feed, allowed=lambda: shell.still(request, staff))
        return None

    # --- Answering ----------------------------------------------------------------------

    async def answered(
        request: Request, staff: StaffMember, form: Form, name: str, work: Callable[[], Awaitable[str]]
    ) -> HTTPResponse:
        try:
            return redirect(await work(), status=303)
        except Conflict:
            return await show(request, "case_ask_gone", staff, 409)
        except InvalidField as error:
            field = str(error.extra["field"])
            failed = Failed(name, field, case_words.error(error, field), form.values)
            return await listed(request, staff, error.status, failed=failed)

    @bp.post(f"/plats/<seat_id:{ID}>/ta-emot", name="seat-accept")
    @known
    async def accept(request: Request, staff: StaffMember, seat_id: str) -> HTTPResponse:
        async def work() -> str:
            return f"{CASE}/{await team.accept(staff, seat_id)}"

        return await answered(request, staff, Form(request), f"accept-{seat_id}", work)

    @bp.post(f"/plats/<seat_id:{ID}>/senare", name="seat-later")
    @known
    async def later(request: Request, staff: StaffMember, seat_id: str) -> HTTPResponse:
        form = Form(request)

        async def work() -> str:
            await team.later(staff, seat_id, form.day("day"))
            return LIST

        return await answered(request, staff, form, f"later-{seat_id}", work)

    @bp.post(f"/plats/<seat_id:{ID}>/nej", name="seat-decline")
    @known
    async def decline(request: Request, staff: StaffMember, seat_id: str) -> HTTPResponse:
        form = Form(request)

        async def work() -> str:
            await team.decline(staff, seat_id, form.text("reason"))
            return LIST

        return await answered(request, staff, form, f"decline-{seat_id}", work)

    # --- The page -----------------------------------------------------------------------

    async def shown(
        request: Request, staff: StaffMember, case_id: str, status: int = 200, failed: Failed | None = None
    ) -> HTTPResponse:
        page = await cases.page(staff, case_id)
        leads = page.may_lead
        return await show(
            request, "case", staff, status, page=page, c=case_words, failed=failed or Failed(), new=new_id,
            choices=await team.choices(staff, case_id) if leads else [], today=words.today(),
            met_ways=WAYS, grounds=GROUNDS, kinds=BY_HAND, closed_as=CLOSED_AS,
            hiding=await people.withholding(staff, case_id) if page.may_note else None,
        )  # fmt: skip

    @bp.get(f"/arende/<case_id:{ID}>", name="case")
    @known
    async def case(request: Request, staff: StaffMember, case_id: str) -> HTTPResponse:
        if await cases.askable(staff, case_id):
            return await show(request, "case_reason", staff, case_id=case_id, failed=Failed())
        return await shown(request, staff, case_id)

    @bp.post(f"/arende/<case_id:{ID}>/oppna", name="case-open")
    @known
    async def open_case(request: Request, staff: StaffMember, case_id: str) -> HTTPResponse:
        form = Form(request)
        try:
            await cases.open_with_reason(staff, case_id, form.text("reason"))
        except InvalidField as error:
            failed = Failed("reason", "reason", case_words.error(error, "reason"), form.values)
            return await show(request, "case_reason", staff, error.status, case_id=case_id, failed=failed)
        return redirect(f"{CASE}/{case_id}", status=303)

    @bp.get(f"/arende/<case_id:{ID}>/nu", name="case-now")
    async def case_now(request: Request, case_id: str) -> HTTPResponse | None:
        """That something has changed on a case's page; it ends at once for whom the case no longer exists."""
        staff = await shell.someone(request)
        if staff is None:
            return HTTPResponse(status=401)

        async def allowed() -> bool:
            now = await shell.someone(request)
            return now is not None and case_id in await cases.readable(now, [case_id])

        if not await allowed():
            return HTTPResponse(status=404)
        with house.live.listen(topic(case_id), access.TOPIC) as feed:
            await stream(request, feed, allowed=allowed)
        return None

    @contextlib.asynccontextmanager
    async def attempt(
        request: Request, staff: StaffMember, case_id: str, form: Form, name: str
    ) -> AsyncIterator[_Answer]:
        """Give the page again with what was written when a form of it could not be saved; else lead back to it."""
        answer = _Answer(f"{CASE}/{case_id}#{name.partition('-')[0]}")
        try:
            yield answer
        except NotFound:
            raise
        except DomainError as error:
            field = str(error.extra.get("field", ""))
            failed = Failed(name, field, case_words.error(error, field), form.values)
            answer.response = await shown(request, staff, case_id, error.status, failed)
        else:
            answer.response = redirect(answer.to, status=303)

    @bp.post(f"/arende/<case_id:{ID}>/anteckning", name="case-note")
    @known
    async def note(request: Request, staff: StaffMember, case_id: str) -> HTTPResponse:
        form = Form(request)
        async with attempt(request, staff, case_id, form, "note") as answer:
            await cases.note(staff, case_id, form.key, form.text("text"))
        return answer.response

    @bp.post(f"/arende/<case_id:{ID}>/uppgift", name="case-task")
    @known
    async def add_task(request: Request, staff: StaffMember, case_id: str) -> HTTPResponse:
        form = Form(request)
        async with attempt(request, staff, case_id, form, "task") as answer:
            await cases.add_task(staff, case_id, form.key, form.text("title"), form.day("due"), form.id("staff_id"))
        return answer.response

    @bp.post(f"/arende/<case_id:{ID}>/uppgift/<task_id:{ID}>/klar", name="case-task-done")
    @known
    async def finish_task(request: Request, staff: StaffMember, case_id: str, task_id: str) -> HTTPResponse:
        async with attempt(request, staff, case_id, Form(request), "task") as answer:
            await cases.finish_task(staff, case_id, task_id)
        return answer.response

    @bp.post(f"/arende/<case_id:{ID}>/fraga", name="case-question")
    @known
    async def question(request: Request, staff: StaffMember, case_id: str) -> HTTPResponse:
        form = Form(request)
        async with attempt(request, staff, case_id, form, "told") as answer:
            await cases.ask_person(staff, case_id, form.key, form.text("question"), form.text("answer"))
        return answer.response

    @bp.post(f"/arende/<case_id:{ID}>/fraga/<question_id:{ID}>/svar", name="case-answer")
    @known
    async def told(request: Request, staff: StaffMember, case_id: str, question_id: str) -> HTTPResponse:
        form = Form(request)
        async with attempt(request, staff, case_id, form, f"told-{question_id}") as answer:
            await cases.answer_question(staff, case_id, question_id, form.text("answer"))
        return answer.response

    @bp.post(f"/arende/<case_id:{ID}>/mote", name="case-met")
    @known
    async def met(request: Request, staff: StaffMember, case_id: str) -> HTTPResponse:
        form = Form(request)
        async with attempt(request, staff, case_id, form, "met") as answer:
            await cases.met(staff, case_id, form.key, form.day("day"), form.text("way"))
        return answer.response

    @bp.post(f"/arende/<case_id:{ID}>/plats/<seat_id:{ID}>/nasta", name="case-next")
    @known
    async def next_step(request: Request, staff: StaffMember, case_id: str, seat_id: str) -> HTTPResponse:
        form = Form(request)
        async with attempt(request, staff, case_id, form, f"next-{seat_id}") as answer:
            await cases.next_step(
                staff, case_id, seat_id, form.text("next_step"), form.day("next_on"), form.number("version") or 0
            )
        return answer.response

    @bp.post(f"/arende/<case_id:{ID}>/handelse", name="case-event")
    @known
    async def event(request: Request, staff: StaffMember, case_id: str) -> HTTPResponse:
        form = Form(request)
        async with attempt(request, staff, case_id, form, "event") as answer:
            await cases.happened(staff, case_id, form.key, form.text("kind"), form.day("day"), form.day("until"))
        return answer.response

    @bp.post(f"/arende/<case_id:{ID}>/handelse/<event_id:{ID}>/stryk", name="case-event-withdraw")
    @known
    async def withdraw(request: Request, staff: StaffMember, case_id: str, event_id: str) -> HTTPResponse:
        form = Form(request)
        async with attempt(request, staff, case_id, form, f"event-{event_id}") as answer:
            await cases.withdraw(staff, case_id, event_id, form.text("reason"))
        return answer.response

    @bp.post(f"/arende/<case_id:{ID}>/avsluta", name="case-close")
    @known
    async def close(request: Request, staff: StaffMember, case_id: str) -> HTTPResponse:
        form = Form(request)
        async with attempt(request, staff, case_id, form, "close") as answer:
            version, kept = form.number("version") or 0, form.text("kept")
            await cases.close(staff, case_id, form.text("closed_as"), version, kept)
            answer.to = LIST
        return answer.response

    # --- The team -----------------------------------------------------------------------

    @bp.post(f"/arende/<case_id:{ID}>/lag", name="case-ask")
    @known
    async def ask(request: Request, staff: StaffMember, case_id: str) -> HTTPResponse:
        form = Form(request)
        unit, _, staff_id = form.text("whom").partition(" ")
        async with attempt(request, staff, case_id, form, "team") as answer:
            await team.ask(staff, case_id, unit, staff_id or None, form.text("ground") or None)
        return answer.response

    @bp.post(f"/arende/<case_id:{ID}>/plats/<seat_id:{ID}>/lamna", name="case-leave")
    @known
    async def leave(request: Request, staff: StaffMember, case_id: str, seat_id: str) -> HTTPResponse:
        async with attempt(request, staff, case_id, Form(request), "team") as answer:
            await team.leave(staff, case_id, seat_id)
            still = case_id in await cases.readable(staff, [case_id])
            answer.to = f"{CASE}/{case_id}#team" if still else LIST
        return answer.response

    @bp.post(f"/arende/<case_id:{ID}>/plats/<seat_id:{ID}>/samordna", name="case-coordinator")
    @known
    async def coordinate(request: Request, staff: StaffMember, case_id: str, seat_id: str) -> HTTPResponse:
        form = Form(request)
        async with attempt(request, staff, case_id, form, "team") as answer:
            await team.make_coordinator(staff, case_id, seat_id, form.number("version") or 0)
            still = case_id in await cases.readable(staff, [case_id])
            answer.to = f"{CASE}/{case_id}#team" if still else LIST
        return answer.response

    # --- Visa inte för ------------------------------------------------------------------

    @bp.post(f"/arende/<case_id:{ID}>/visa-inte", name="case-withhold")
    @known
    async def withhold(request: Request, staff: StaffMember, case_id: str) -> HTTPResponse:
        form = Form(request)
        kind, _, subject = form.text("subject").partition(" ")
        from_kind, _, from_id = form.text("kept_from").partition(" ")
        async with attempt(request, staff, case_id, form, "withheld") as answer:
            await people.withhold(staff, case_id, (kind, subject), (from_kind, from_id), form.text("reason"))
        return answer.response

    @bp.post(f"/arende/<case_id:{ID}>/visa-inte/<line_id:{ID}>/visa", name="case-lift")
    @known
    async def lift(request: Request, staff: StaffMember, case_id: str, line_id: str) -> HTTPResponse:
        form = Form(request)
        async with attempt(request, staff, case_id, form, f"withheld-{line_id}") as answer:
            await people.lift(staff, case_id, line_id, form.text("reason"))
        return answer.response

    # --- Beginning ----------------------------------------------------------------------

    async def beginning(
        request: Request, staff: StaffMember, concern_id: str, status: int = 200, failed: Failed | None = None
    ) -> HTTPResponse:
        there = await cases.case_from(staff, "concern", concern_id)
        return await show(
            request, "case_begin", staff, status, concern_id=concern_id, there=there, rows=await cases.mine(staff),
            whos=list(Who), c=case_words, failed=failed or Failed(),
        )  # fmt: skip

    @bp.get(f"/oro/<concern_id:{ID}>/arende", name="case-begin")
    @known
    async def begin(request: Request, staff: StaffMember, concern_id: str) -> HTTPResponse:
        if not await cases.may_begin(staff, concern_id):
            raise NotFound
        return await beginning(request, staff, concern_id)

    @bp.post(f"/oro/<concern_id:{ID}>/arende", name="case-begun")
    @known
    async def begun(request: Request, staff: StaffMember, concern_id: str) -> HTTPResponse:
        form = Form(request)
        existing = form.id("case_id")
        try:
            if existing is not None:
                await cases.add_concern(staff, concern_id, existing)
                return redirect(f"{CASE}/{existing}", status=303)
            opened = await cases.open_from_concern(staff, concern_id, _person(form))
        except InvalidField as error:
            field = str(error.extra["field"])
            failed = Failed("begin", field, case_words.error(error, field), form.values)
            return await beginning(request, staff, concern_id, error.status, failed)
        except Conflict:
            failed = Failed("begin", "first_name", house.phrases.say("staff.case.begin.taken"), form.values)
            return await beginning(request, staff, concern_id, 409, failed)
        return redirect(f"{CASE}/{opened.case_id}", status=303)

    # --- Records ------------------------------------------------------------------------

    async def record(
        request: Request, staff: StaffMember, person_id: str, status: int = 200, failed: Failed | None = None
    ) -> HTTPResponse:
        page: PersonPage = await people.person(staff, person_id)
        return await show(
            request, "person", staff, status, page=page, whos=list(Who), c=case_words, failed=failed or Failed(),
            saved=request.args.get("klart") == "sparat", may_begin=page.case_id is None and cases.may_coordinate(staff),
        )  # fmt: skip

    @bp.get(f"/person/<person_id:{ID}>", name="person")
    @known
    async def person(request: Request, staff: StaffMember, person_id: str) -> HTTPResponse:
        return await record(request, staff, person_id)

    @contextlib.asynccontextmanager
    async def changing(
        request: Request, staff: StaffMember, person_id: str, form: Form, name: str
    ) -> AsyncIterator[_Answer]:
        answer = _Answer(f"{PERSON}/{person_id}?klart=sparat#{name}")
        try:
            yield answer
        except NotFound:
            raise
        except DomainError as error:
            field = str(error.extra.get("field", ""))
            sentence = case_words.error(error, field)
            if isinstance(error, Conflict) and name == "record":
                sentence = house.phrases.say("staff.case.record.stale")
            answer.response = await record(
                request, staff, person_id, error.status, Failed(name, field, sentence, form.values)
            )
        else:
            answer.response = redirect(answer.to, status=303)

    @bp.post(f"/person/<person_id:{ID}>", name="person-save")
    @known
    async def save(request: Request, staff: StaffMember, person_id: str) -> HTTPResponse:
        form = Form(request)
        async with changing(request, staff, person_id, form, "record") as answer:
            typed = Record(
                who=form.text("who"), first_name=form.text("first_name"), born=_year(form), language=form.text("language"),
                protected=form.text("protected") == "yes", full_name=form.text("full_name"), phone=form.text("phone"),
                address=form.text("address"), safe_contact=form.text("safe_contact"), notes=form.text("notes"),
                kept=form.text("kept"),
            )  # fmt: skip
            await people.save(staff, person_id, typed, form.number("version") or 0)
        return answer.response

    @bp.post(f"/person/<person_id:{ID}>/arende", name="person-case")
    @known
    async def person_case(request: Request, staff: StaffMember, person_id: str) -> HTTPResponse:
        async with changing(request, staff, person_id, Form(request), "case") as answer:
            answer.to = f"{CASE}/{await cases.open_about(staff, person_id)}"
        return answer.response

    @bp.post(f"/person/<person_id:{ID}>/familj", name="person-link")
    @known
    async def link(request: Request, staff: StaffMember, person_id: str) -> HTTPResponse:
        form = Form(request)
        async with changing(request, staff, person_id, form, "family") as answer:
            await people.link(staff, person_id, form.id("other") or "")
        return answer.response

    @bp.post(f"/person/<person_id:{ID}>/familj/ny", name="person-relative")
    @known
    async def relative(request: Request, staff: StaffMember, person_id: str) -> HTTPResponse:
        form = Form(request)
        async with changing(request, staff, person_id, form, "family") as answer:
            await people.add_relative(staff, person_id, _person(form))
        return answer.response

    @bp.post(f"/person/<person_id:{ID}>/familj/visa", name="person-show")
    @known
    async def show_person(request: Request, staff: StaffMember, person_id: str) -> HTTPResponse:
        form = Form(request)
        async with changing(request, staff, person_id, form, "family") as answer:
            await people.show(staff, person_id, form.text("shown") == "yes")
        return answer.response

    @bp.post(f"/person/<person_id:{ID}>/familj/lamna", name="person-unlink")
    @known
    async def unlink(request: Request, staff: StaffMember, person_id: str) -> HTTPResponse:
        async with changing(request, staff, person_id, Form(request), "family") as answer:
            await people.unlink(staff, person_id)
        return answer.response


def _person(form: Form) -> NewPerson:
    return NewPerson(form.text("who"), form.text("first_name"), _year(form), form.text("protected") == "yes")


def _year(form: Form) -> int | None:
    """The year of birth; what is no number is no year that anybody can be born in."""
    return (form.number("born") or 0) if form.text("born").strip() else None


def _by_day(rows: list[CaseRow], today: date, following: date) -> dict[str, list[tuple[CaseRow, Due]]]:
    """What is late, due today, and due until the next working day is over: the earliest first."""
    found: dict[str, list[tuple[CaseRow, Due]]] = {"late": [], "today": [], "next": []}
    for row in rows:
        for due in row.due:
            if due.day < today:
                found["late"].append((row, due))
            elif due.day == today:
                found["today"].append((row, due))
            elif due.day <= following:
                found["next"].append((row, due))
    for group in found.values():
        group.sort(key=lambda pair: (pair[1].day, pair[0].opened_at))
    return found
