"""``/personal/kalender``: when a therapist works, and what the chat offers because of it.

Everything is done by forms that work without script; ``calendar.js`` adds dragging and the keyboard to the week, and
sends the same forms.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from sanic import HTTPResponse, Request, redirect

from backend.booking import calendar_file
from backend.booking.offering import Offer
from backend.booking.rules import Span, instant
from backend.booking.schedule import DayPart, DayView, Gone, Imported, ScheduleDesk, Terms, Whose, moment
from backend.booking.service import BookingDesk
from backend.core.clock import to_local
from backend.core.errors import Conflict, DomainError, InvalidField, NotFound, Taken
from backend.core.house import House
from backend.core.municipality import DAYS
from backend.core.people import StaffMember
from backend.core.reader import Reader
from backend.core.roster import Away
from backend.staff.shell import ID, Shell

PATH = "/personal/kalender"
ALL = "alla"
DONE = ("saved", "removed", "absent", "back", "moved", "given", "left")
QUICK = ("today", "tomorrow", "until")
_EARLIEST, _LATEST = 7, 18
_TIME = re.compile(r"([0-9]{1,2})(?:[:.]?([0-9]{2}))?", re.ASCII)
_TIMES_SHOWN = 8


@dataclass(frozen=True, slots=True)
class Block:
    """Something in a day of the week's grid, from minute to minute of the wall clock."""

    kind: str
    start: int
    end: int
    id: str = ""
    text: str = ""
    link: str = ""
    draggable: bool = False

    @property
    def whole(self) -> bool:
        """Whether it takes the whole day."""
        return self.start == 0 and self.end == 24 * 60

    def place(self, earliest: int, latest: int) -> str:
        """The classes that put it where it belongs between two hours: inline styles are not allowed here."""
        start, end = max(self.start, earliest * 60), min(self.end, latest * 60)
        return f"h{start // 60} m{start % 60} u{end // 60} n{end % 60}"


@dataclass(frozen=True, slots=True)
class Column:
    """A day as the week shows it."""

    view: DayView
    blocks: list[Block]
    past: bool

    @property
    def day(self) -> date:
        return self.view.day


def setup(shell: Shell, booking: BookingDesk) -> None:
    """Add the pages to the staff app."""
    known, bp, desk = shell.known, shell.bp, booking.schedules
    shell.way(PATH, "staff.calendar.nav", desk.open_to)
    pages = _Pages(shell, booking)

    @bp.get("/kalender", name="calendar-week")
    @known
    async def calendar(request: Request, staff: StaffMember) -> HTTPResponse:
        people = await pages.people(staff)
        if request.args.get("vem") == ALL and len(people) > 1:
            return await pages.overview(request, staff, people)
        return await pages.week(request, staff, people)

    @bp.get("/kalender/dag", name="calendar-dag")
    @known
    async def day(request: Request, staff: StaffMember) -> HTTPResponse:
        return await pages.day(request, staff, pages.asked_day(request.args.get("dag")))

    @bp.post("/kalender/andra", name="calendar-andra-post")
    @known
    async def change(request: Request, staff: StaffMember) -> HTTPResponse:
        form = _form(request)
        try:
            done = await pages.change(staff, form)
        except DomainError as error:
            if isinstance(error, NotFound):
                raise
            return await pages.day(request, staff, pages.asked_day(form.get("day")), error, form)
        return pages.back(form, done)

    @bp.post(f"/kalender/ta-bort/<row_id:{ID}>", name="calendar-ta-bort-post-one")
    @known
    async def remove(request: Request, staff: StaffMember, row_id: str) -> HTTPResponse:
        form = _form(request)
        whose = form.get("vem") or staff.id
        if form.get("what") == "absence":
            await desk.back(staff, whose, row_id)
            return pages.back(form, "back")
        await desk.drop_part(staff, whose, row_id)
        return pages.back(form, "removed")

    @bp.get("/kalender/borta", name="calendar-borta")
    @known
    async def away(request: Request, staff: StaffMember) -> HTTPResponse:
        when = request.args.get("nar") or ""
        form = {"vem": request.args.get("vem") or "", "nar": when if when in QUICK else "until"}
        return await pages.away(request, staff, form)

    @bp.post("/kalender/borta", name="calendar-borta-post")
    @known
    async def go_away(request: Request, staff: StaffMember) -> HTTPResponse:
        form = _form(request)
        whose = form.get("vem") or staff.id
        try:
            start, end = pages.absence(form)
            if form.get("step") == "look":
                return await pages.away(request, staff, form)
            await desk.absent(staff, whose, start, end, _kind(form))
            left = await desk.would_affect(staff, whose, start, end)
        except InvalidField as error:
            return await pages.away(request, staff, form, error)
        if left:
            return redirect(f"{PATH}/ny-tid?klart=left", status=303)
        return redirect(
            f"{PATH}?{urlencode({'vem': whose, 'vecka': to_local(start).date(), 'klart': 'absent'})}", status=303
        )

    @bp.post("/kalender/borta/fil", name="calendar-borta-fil-post")
    @known
    async def read_file(request: Request, staff: StaffMember) -> HTTPResponse:
        form = _form(request) | {"nar": "until"}
        sent = request.files.get("file") if request.files else None
        try:
            if sent is None or not sent.body:
                raise InvalidField("file_missing", "file")
            busy = await asyncio.to_thread(calendar_file.read, sent.body)
            imported = await desk.read_in(staff, form.get("vem") or staff.id, busy, _kind(form))
        except InvalidField as error:
            return await pages.away(request, staff, form, error)
        return await pages.away(request, staff, form, imported=imported)

    @bp.get("/kalender/ny-tid", name="calendar-ny-tid")
    @known
    async def misplaced(request: Request, staff: StaffMember) -> HTTPResponse:
        return await pages.misplaced(request, staff)

    @bp.post("/kalender/ny-tid", name="calendar-ny-tid-post")
    @known
    async def give_all(request: Request, staff: StaffMember) -> HTTPResponse:
        for talk in await desk.affected(staff):
            if talk.free:
                try:
                    await booking.changes.reassign(staff, talk.id, talk.free[0].id)
                except (Taken, Conflict, InvalidField):
                    continue
        return redirect(f"{PATH}/ny-tid?klart=given", status=303)

    @bp.post(f"/kalender/ny-tid/<booking_id:{ID}>", name="calendar-ny-tid-post-one")
    @known
    async def replace(request: Request, staff: StaffMember, booking_id: str) -> HTTPResponse:
        form = _form(request)
        try:
            if form.get("step") == "give":
                await booking.changes.reassign(staff, booking_id, form.get("to") or None)
                return redirect(f"{PATH}/ny-tid?klart=given", status=303)
            await booking.changes.move_for(staff, booking_id, form.get("slot") or "")
        except NotFound:
            raise
        except DomainError as error:
            return await pages.misplaced(request, staff, error, booking_id)
        return redirect(f"{PATH}/ny-tid?klart=moved", status=303)

    @bp.get("/kalender/tider", name="calendar-tider")
    @known
    async def hours(request: Request, staff: StaffMember) -> HTTPResponse:
        return await pages.hours(request, staff, request.args.get("vem") or staff.id)

    @bp.post("/kalender/tider", name="calendar-tider-post")
    @known
    async def set_hours(request: Request, staff: StaffMember) -> HTTPResponse:
        form = _form(request)
        whose, step = form.get("vem") or staff.id, form.get("step") or ""
        try:
            await pages.set_hours(staff, whose, step, form)
        except InvalidField as error:
            return await pages.hours(request, staff, whose, error, step, form)
        mark = "period" if step.startswith(("period", "drop")) else step
        return redirect(f"{PATH}/tider?{urlencode({'vem': whose, 'klart': 'saved'})}#{mark}", status=303)


class _Pages:
    """The pages, and what their forms say."""

    def __init__(self, shell: Shell, booking: BookingDesk) -> None:
        self._shell = shell
        self._house: House = shell.house
        self._booking = booking
        self._desk: ScheduleDesk = booking.schedules
        self._say = shell.house.phrases.say
        self._w = shell.words

    async def people(self, staff: StaffMember) -> list[Whose]:
        """Whose calendars there are for ``staff``. Raises `NotFound` when there is none."""
        people = await self._desk.whose(staff)
        if not people:
            raise NotFound
        return people

    def asked_day(self, text: str | None) -> date:
        """The day in an address or a form, today where it is none."""
        try:
            return date.fromisoformat(text or "")
        except ValueError:
            return self._w.today()

    async def week(self, request: Request, staff: StaffMember, people: Sequence[Whose]) -> HTTPResponse:
        whose = request.args.get("vem") or people[0].id
        monday = _monday(self.asked_day(request.args.get("vecka")))
        views = await self._desk.week(staff, whose, monday)
        shown = [view for view in views if view.day.weekday() < 5 or view.works or view.talks or view.parts]
        columns = [self._column(view) for view in shown]
        blocks = [block for column in columns for block in column.blocks if block.kind != "gone"]
        return await self._shell.show(
            request,
            "calendar",
            staff,
            columns=columns,
            people=people,
            whose=whose,
            monday=monday,
            sunday=monday + timedelta(days=6),
            this_monday=_monday(self._w.today()),
            earliest=min([_EARLIEST, *(block.start // 60 for block in blocks)]),
            latest=max([_LATEST, *(-(-block.end // 60) for block in blocks)]),
            upcoming=await self._upcoming(staff, whose),
            misplaced=await self._desk.affected(staff),
            **await self.showing(),
            done=self._done(request),
        )

    async def overview(self, request: Request, staff: StaffMember, people: Sequence[Whose]) -> HTTPResponse:
        monday = _monday(self.asked_day(request.args.get("vecka")))
        return await self._shell.show(
            request,
            "calendar_all",
            staff,
            rows=await self._desk.overview(staff, monday),
            people=people,
            whose=ALL,
            monday=monday,
            sunday=monday + timedelta(days=6),
            this_monday=_monday(self._w.today()),
            misplaced=await self._desk.affected(staff),
            hours=self._hours,
            **await self.showing(),
            done=self._done(request),
        )

    async def day(
        self,
        request: Request,
        staff: StaffMember,
        day: date,
        error: DomainError | None = None,
        form: dict[str, str] | None = None,
    ) -> HTTPResponse:
        """One day with everything that can be done to it; what was typed stays."""
        form = form or {}
        people = await self.people(staff)
        whose = form.get("vem") or request.args.get("vem") or people[0].id
        view = (await self._desk.week(staff, whose, day, 1))[0]
        return await self._shell.show(
            request,
            "calendar_day",
            staff,
            error.status if error is not None else 200,
            column=self._column(view),
            view=view,
            people=people,
            whose=whose,
            form=form,
            error=self._error(error),
            field=error.extra.get("field", "") if error is not None else "",
            kinds=[kind.value for kind in Away],
            done=self._done(request),
        )

    async def change(self, staff: StaffMember, form: dict[str, str]) -> str:
        """Do what the form of a day, or the dialog of the week, says; returns what to tell."""
        whose, what, row_id = form.get("vem") or staff.id, form.get("what") or "", form.get("id") or ""
        day = _day(form.get("day"), "day")
        if what == "usual":
            await self._desk.set_day(staff, whose, day, [])
            return "saved"
        if what == "instead":
            spans = [span for part in ("", "2", "3") if (span := _span(form, f"start{part}", f"end{part}")) is not None]
            if not spans:
                raise InvalidField("time_missing", "start")
            await self._desk.set_day(staff, whose, day, spans)
            return "saved"
        if what == "absence":
            start, end = self.absence(form)
            if row_id:
                await self._desk.change_absence(staff, whose, row_id, start, end)
            else:
                await self._desk.absent(staff, whose, start, end, _kind(form))
            return "absent"
        span = _span(form, "start", "end")
        if span is None:
            raise InvalidField("time_missing", "start")
        if what == "part" and row_id:
            await self._desk.change_part(staff, whose, row_id, day, span)
        elif what == "extra":
            await self._desk.add_extra(staff, whose, day, span)
        else:
            raise InvalidField("invalid", "what")
        return "saved"

    def absence(self, form: dict[str, str]) -> tuple[datetime, datetime]:
        """From when to when somebody says that they are away: whole days where no hour is given."""
        today = self._w.today()
        quick = form.get("nar")
        if quick in ("today", "tomorrow"):
            day = today + timedelta(days=QUICK.index(quick))
            return max(instant(day, 0), _five(self._house.clock.now())), instant(day, 24 * 60)
        first = _day(form.get("day"), "day") if form.get("day") else today
        last = _day(form.get("last"), "last") if form.get("last") else first
        begin = _clock(form["start"], "start") if form.get("start") else 0
        end = _clock(form["end"], "end") if form.get("end") else 24 * 60
        if (last, end) <= (first, begin):
            raise InvalidField("ends_before_start", "end" if first == last else "last")
        return moment(first, begin), moment(last, end, ends=True)

    async def away(
        self,
        request: Request,
        staff: StaffMember,
        form: dict[str, str],
        error: InvalidField | None = None,
        imported: Imported | None = None,
    ) -> HTTPResponse:
        """'Borta': for how long, who is affected, and the button; or a calendar file, and what was in it."""
        people = await self.people(staff)
        whose = form.get("vem") or people[0].id
        affected, span = [], None
        if error is None and (form.get("nar") != "until" or form.get("last") or form.get("day")):
            try:
                span = self.absence(form)
                affected = await self._desk.would_affect(staff, whose, *span)
            except InvalidField as wrong:
                error = wrong
        return await self._shell.show(
            request,
            "calendar_away",
            staff,
            error.status if error is not None else 200,
            form=form,
            whose=whose,
            name=next((each.name for each in people if each.id == whose), ""),
            own=whose == staff.id,
            span=span,
            affected=affected,
            kinds=[kind.value for kind in Away],
            imported=imported,
            misplaced=await self._desk.affected(staff) if imported is not None else [],
            error=self._error(error),
            field=error.extra.get("field", "") if error is not None else "",
        )

    async def misplaced(
        self, request: Request, staff: StaffMember, error: DomainError | None = None, wrong: str = ""
    ) -> HTTPResponse:
        """Booked talks that need another time or another therapist."""
        await self.people(staff)
        rows = await self._desk.affected(staff)
        slots = {}
        for channel in {row.channel for row in rows}:
            offer = await self._booking.offer(channel, limit=_TIMES_SHOWN, acute=True)
            times = offer.times or ([offer.opens] if offer.opens else [])
            slots[channel] = [(time.slot, self._w.moment(time.start)) for time in times]
        return await self._shell.show(
            request,
            "calendar_moved",
            staff,
            error.status if error is not None else 200,
            rows=rows,
            slots=slots,
            error=self._error(error),
            wrong=wrong,
            done=self._done(request),
        )

    async def hours(
        self,
        request: Request,
        staff: StaffMember,
        whose: str,
        error: InvalidField | None = None,
        step: str = "",
        form: dict[str, str] | None = None,
    ) -> HTTPResponse:
        """The usual week, periods and terms; what was typed stays in the part that it was typed in."""
        people = await self.people(staff)
        plan = await self._desk.plan(staff, whose)
        terms = self._house.municipality.booking
        return await self._shell.show(
            request,
            "calendar_hours",
            staff,
            error.status if error is not None else 200,
            plan=plan,
            people=people,
            whose=whose,
            name=next((each.name for each in people if each.id == whose), ""),
            days=list(enumerate(DAYS)),
            week=_week_text(plan.weekly, plan.acute) if step != "week" else form,
            typed=form or {},
            step=step,
            periods=[(row, _week_text(row.weekly, {})) for row in plan.periods],
            error=self._error(error),
            field=error.extra.get("field", "") if error is not None else "",
            channels=terms.channels,
            terms=terms,
            languages=self._languages(plan.terms.languages),
            clock=_clock_text,
            done=self._done(request),
        )

    async def set_hours(self, staff: StaffMember, whose: str, step: str, form: dict[str, str]) -> None:
        """Store one part of the page of hours."""
        if step == "week":
            await self._desk.set_week(staff, whose, _weekly(form), _weekly(form, "acute"))
        elif step == "period":
            first, last = _day(form.get("first"), "first"), form.get("last") or ""
            await self._desk.set_period(
                staff,
                whose,
                form.get("period") or None,
                form.get("name") or "",
                first,
                _day(last, "last") if last else None,
                _weekly(form),
            )
        elif step == "drop":
            await self._desk.drop_period(staff, whose, form.get("period") or "")
        elif step == "terms":
            await self._desk.set_terms(staff, whose, _terms(form))
        else:
            raise InvalidField("invalid", "step")

    async def showing(self) -> dict[str, Any]:
        """What the chat offers now, in its own words, for the panel beside the week."""
        offer = await self._desk.showing()
        channels = self._house.municipality.booking.channels
        by_channel = [(channel, await self._desk.showing(channel)) for channel in channels]
        acute = await self._desk.showing(acute=True)
        known = {time.start for time in offer.times}
        return {
            "offer": offer,
            "offer_channels": [(channel, _first(found)) for channel, found in by_channel],
            "offer_acute": next((time.start for time in acute.times if time.start not in known), None),
        }

    def back(self, form: dict[str, str], done: str) -> HTTPResponse:
        """To the week, or to the day's page where the form was."""
        day = self.asked_day(form.get("day"))
        asked = {"vem": form.get("vem") or "", "klart": done}
        if form.get("back") == "day":
            return redirect(f"{PATH}/dag?{urlencode(asked | {'dag': day.isoformat()})}", status=303)
        return redirect(f"{PATH}?{urlencode(asked | {'vecka': day.isoformat()})}#d{day.isoformat()}", status=303)

    async def _upcoming(self, staff: StaffMember, whose: str) -> list[tuple[date, DayPart | Gone]]:
        """What is not as usual in the next two months, each thing once, in order."""
        found: dict[str, tuple[date, DayPart | Gone]] = {}
        for view in await self._desk.week(staff, whose, self._w.today(), 60):
            things: list[DayPart | Gone] = [*view.parts, *view.gone]
            for each in things:
                found.setdefault(each.id, (view.day, each))
        return list(found.values())

    def _column(self, view: DayView) -> Column:
        """A day's blocks in the order in which they are read."""
        say, blocks = self._say, []

        def minutes(start: datetime, end: datetime) -> tuple[int, int]:
            return _on_wall(view.day, start), _on_wall(view.day, end)

        instead = next((part.id for part in view.parts if part.kind == "instead"), "")
        extra = [part for part in view.parts if part.kind == "extra"]
        for start, end in view.works:
            begin, stop = minutes(start, end)
            part = next((each for each in extra if each.span.start <= begin and stop <= each.span.end), None)
            text = say(
                "staff.calendar.block.extra"
                if part
                else "staff.calendar.block.instead"
                if instead
                else "staff.calendar.block.work"
            )
            blocks.append(
                Block("extra" if part else "work", begin, stop, part.id if part else "", text, draggable=True)
            )
        for start, end in view.kept:
            begin, stop = minutes(start, end)
            blocks.append(Block("kept", begin, stop, "", say("staff.calendar.block.kept")))
        for gone in view.gone:
            begin, stop = minutes(gone.start, gone.end or instant(view.day, 24 * 60))
            text = say("staff.calendar.block.gone", None, kind=say(f"staff.calendar.kind.{gone.kind}"))
            one_day = gone.end is not None and 0 < begin < stop and stop < 24 * 60
            blocks.append(Block("gone", begin, stop, gone.id, text, draggable=one_day))
        for talk in view.talks:
            begin, stop = minutes(talk.start, talk.end)
            what = say(f"summary.channel.{talk.channel}") if talk.channel else say("staff.calendar.block.held")
            who = self._w.who(talk.reader.who, talk.reader.band) if not talk.held else ""
            text = say("staff.calendar.block.talk", None, channel=what, who=who) if who else what
            kind = "held" if talk.held else "talk misplaced" if talk.misplaced else "talk"
            blocks.append(Block(kind, begin, stop, talk.id, text, "" if talk.held else f"/personal/tid/{talk.id}"))
        # A talk takes its time from what it lies in, so what is wider comes first and is drawn beneath.
        order = ("work", "extra", "kept", "gone", "held", "talk", "talk misplaced")
        blocks.sort(key=lambda block: (block.start, order.index(block.kind)))
        return Column(view, blocks, view.day < self._w.today())

    def _hours(self, view: DayView) -> list[tuple[str, str]]:
        return [(self._w.time(start), self._w.time(end)) for start, end in view.works]

    def _languages(self, chosen: Sequence[str]) -> list[tuple[str, str, bool]]:
        tongues = self._house.tongues
        named = [("sv", self._say("staff.calendar.swedish")), ("en", self._say("staff.calendar.english"))]
        known = {code for code, _ in named}
        named += [(code, title) for code, title in tongues.choices(Reader()) if code not in known]
        return [(code, title, code in chosen) for code, title in named]

    def _error(self, error: DomainError | None) -> str:
        if error is None:
            return ""
        own = f"staff.calendar.error.{error.code}"
        return self._say(own if own in self._house.phrases else f"error.{error.code}")

    def _done(self, request: Request) -> str:
        done = request.args.get("klart") or ""
        return done if done in DONE else ""


def _form(request: Request) -> dict[str, str]:
    """The fields of a form, several values of one name joined by commas."""
    form: Any = request.form or {}
    return {name: ",".join(values) for name, values in form.items()}


def _monday(day: date) -> date:
    return day - timedelta(days=day.weekday())


def _day(text: str | None, field: str) -> date:
    """A date as a browser sends it. Raises `InvalidField` for the thirtieth of February and other words."""
    try:
        return date.fromisoformat((text or "").strip())
    except ValueError:
        raise InvalidField("date_missing" if not text else "date_invalid", field) from None


def _clock(text: str, field: str) -> int:
    """``8``, ``8.30``, ``08:30`` or ``0830`` as a minute of the day, up to 24.00. Raises `InvalidField`."""
    found = _TIME.fullmatch(text.strip())
    if found is None:
        raise InvalidField("time_invalid", field)
    minute = int(found[1]) * 60 + int(found[2] or 0)
    if minute > 24 * 60 or int(found[2] or 0) > 59:
        raise InvalidField("time_invalid", field)
    return minute


def _clock_text(minute: int | None) -> str:
    """``08:30``, as a field for a time of day holds it."""
    return "" if minute is None else f"{minute // 60:02}:{minute % 60:02}"


def _span(form: dict[str, str], start: str, end: str, field: str = "") -> Span | None:
    """A from and a to of a form; None when both are empty. Raises `InvalidField` when one is missing."""
    begins, ends = form.get(start) or "", form.get(end) or ""
    if not begins and not ends:
        return None
    if not begins or not ends:
        raise InvalidField("time_missing", field or (end if begins else start))
    return Span(_clock(begins, field or start), _clock(ends, field or end))


def _weekly(form: dict[str, str], name: str = "week") -> dict[int, list[Span]]:
    """The hours of a week's form: for each day from and to, and the break that splits them."""
    found: dict[int, list[Span]] = {}
    for number, day in enumerate(DAYS):
        field = f"{name}_{day}"
        whole = _span(form, f"{field}_start", f"{field}_end", field)
        pause = _span(form, f"{field}_pause_start", f"{field}_pause_end", field)
        if whole is None:
            if pause is not None:
                raise InvalidField("time_missing", field)
            continue
        if pause is None:
            found[number] = [whole]
            continue
        if not (whole.start < pause.start < pause.end < whole.end):
            raise InvalidField("pause_outside", field)
        found[number] = [Span(whole.start, pause.start), Span(pause.end, whole.end)]
    return found


def _week_text(weekly: dict[int, list[Span]], acute: dict[int, list[Span]]) -> dict[str, str]:
    """`_weekly` the other way round: the fields of a week's form, filled in."""
    found: dict[str, str] = {}
    for name, week in (("week", weekly), ("acute", acute)):
        for number, spans in week.items():
            field = f"{name}_{DAYS[number]}"
            found[f"{field}_start"], found[f"{field}_end"] = _clock_text(spans[0].start), _clock_text(spans[-1].end)
            if len(spans) > 1:
                found[f"{field}_pause_start"] = _clock_text(spans[0].end)
                found[f"{field}_pause_end"] = _clock_text(spans[1].start)
    return found


def _terms(form: dict[str, str]) -> Terms:
    def number(name: str) -> int | None:
        text = (form.get(name) or "").strip()
        if not text:
            return None
        if not re.fullmatch(r"[0-9]{1,4}", text, re.ASCII):
            raise InvalidField("out_of_range", name)
        return int(text)

    def clock(name: str) -> int | None:
        return _clock(form[name], name) if form.get(name) else None

    return Terms(
        meeting=number("meeting"),
        buffer=number("buffer"),
        notice=number("notice"),
        cutoff=clock("cutoff"),
        release=clock("release"),
        personal=form.get("offered") == "personal",
        gender=form.get("gender") or None,
        languages=tuple(filter(None, (form.get("languages") or "").split(","))),
        channels=tuple(filter(None, (form.get("channels") or "").split(","))),
        meeting_url=(form.get("meeting_url") or "").strip()[:300],
    )


def _kind(form: dict[str, str]) -> Away:
    try:
        return Away(form.get("kind") or Away.OTHER)
    except ValueError:
        raise InvalidField("invalid", "kind") from None


def _on_wall(day: date, at: datetime) -> int:
    """The minute of ``day`` that the wall shows, 0 before it and 1440 after it."""
    local = to_local(at)
    if local.date() < day:
        return 0
    return 24 * 60 if local.date() > day else local.hour * 60 + local.minute


def _five(at: datetime) -> datetime:
    """The last whole five minutes."""
    return at - timedelta(minutes=at.minute % 5, seconds=at.second, microseconds=at.microsecond)


def _first(offer: Offer) -> datetime | None:
    """The first time of an offer, also beyond the promise."""
    return offer.times[0].start if offer.times else offer.opens.start if offer.opens is not None else None
