"""The day's list for a phone, a talk's page with everything that can be done with it, and the news of both."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import date, timedelta
from typing import Any

from sanic import HTTPResponse, Request, redirect

from backend.booking import attending_rules as after_rules
from backend.booking import notices
from backend.booking.attending import CODE_REASONS, Attending, Sheet
from backend.booking.attending_rules import DOCUMENTED, LEGAL_BASES, NEXT_STEPS, OUTCOMES, AfterRecord
from backend.booking.service import BookingDesk
from backend.booking.wishes import HOURS, Wishes
from backend.core.errors import Conflict, DomainError, InvalidField, NotFound
from backend.core.idempotency import Key, key_for
from backend.core.people import Role, StaffMember
from backend.staff.forms import Form
from backend.staff.shell import HOME, ID, Shell
from backend.web.sse import stream

PATH = f"{HOME}/dagen"
Deed = Callable[[Request, StaffMember, str], Awaitable[HTTPResponse]]
_AT_ONCE = 12
_FARTHEST = timedelta(days=370)


def setup(shell: Shell, booking: BookingDesk, attending: Attending) -> None:
    """Add the pages to the staff app."""
    known, bp = shell.known, shell.bp
    pages = _Pages(shell, booking, attending)
    shell.way(PATH, "staff.day.nav", holds_talks)

    @bp.get("/dagen", name="talks-of-day")
    @known
    async def day(request: Request, staff: StaffMember) -> HTTPResponse:
        return await pages.day(request, staff)

    @bp.get("/dagen/nytt", name="day-news")
    async def news(request: Request) -> HTTPResponse | None:
        """Tells an open page that something is new, and nothing of what."""
        staff = await shell.someone(request)
        if staff is None or not holds_talks(staff):
            return HTTPResponse(status=401)
        with shell.house.live.listen(notices.topic(staff.unit)) as feed:
            await stream(request, feed, allowed=lambda: shell.still(request, staff))
        return None

    @bp.get(f"/tid/<booking_id:{ID}>", name="sheet")
    @known
    async def talk(request: Request, staff: StaffMember, booking_id: str) -> HTTPResponse:
        return await pages.sheet(request, staff, booking_id)

    @bp.get(f"/tid/<booking_id:{ID}>/flytta", name="sheet-times")
    @known
    async def times(request: Request, staff: StaffMember, booking_id: str) -> HTTPResponse:
        return await pages.times(request, staff, booking_id)

    def deed(path: str, do: Deed) -> None:
        @bp.post(f"/tid/<booking_id:{ID}>/{path}", name=f"talk-{path}")
        @known
        async def done(request: Request, staff: StaffMember, booking_id: str) -> HTTPResponse:
            return await do(request, staff, booking_id)

    deed("flytta", pages.move)
    deed("lamna-over", pages.hand_over)
    deed("avboka", pages.cancel)
    deed("kom-inte", pages.miss)
    deed("forsokt", pages.tried)
    deed("besluta", pages.decide)
    deed("efter", pages.finish)
    deed("ny-kod", pages.new_code)


def holds_talks(staff: StaffMember) -> bool:
    """Whether there are talks for this person to see."""
    return staff.has(Role.THERAPIST) or staff.is_manager


class _Pages:
    def __init__(self, shell: Shell, booking: BookingDesk, attending: Attending) -> None:
        self._shell = shell
        self._house = shell.house
        self._booking = booking
        self._attending = attending
        self._words = shell.words
        self._say = shell.house.phrases.say

    async def day(self, request: Request, staff: StaffMember) -> HTTPResponse:
        """A day's talks; a day that is none, or too far off, is today."""
        today = self._words.today()
        day = _day(request.args.get("dag") or "", today)
        team = request.args.get("team") == "1" or not staff.has(Role.THERAPIST)
        return await self._shell.show(
            request,
            "day",
            staff,
            listing=await self._attending.day(staff, day, team=team),
            day=day,
            today=today,
            team=team,
            may_choose=staff.has(Role.THERAPIST),
            before=day - timedelta(days=1),
            after=day + timedelta(days=1),
        )

    async def sheet(
        self, request: Request, staff: StaffMember, booking_id: str, status: int = 200, **more: Any
    ) -> HTTPResponse:
        """A talk's page, with what was sent and could not be taken."""
        sheet = await self._attending.sheet(staff, booking_id)
        colleagues = await self._attending.colleagues(staff, booking_id) if _can_change(sheet) else []
        more.setdefault("wrong", {})
        more.setdefault("form", None)
        return await self._shell.show(
            request,
            "sheet",
            staff,
            status=status,
            talk=sheet,
            can_change=_can_change(sheet),
            colleagues=colleagues,
            legal_bases=LEGAL_BASES,
            next_steps=NEXT_STEPS,
            documents=DOCUMENTED,
            outcomes=OUTCOMES,
            code_reasons=CODE_REASONS,
            days=self._house.municipality.retention.booking_hours // 24,
            **more,
        )

    async def times(
        self, request: Request, staff: StaffMember, booking_id: str, status: int = 200, error: str = ""
    ) -> HTTPResponse:
        """Free times for a talk to move to. The wishes stand in the address: they say nothing of anybody."""
        sheet = await self._attending.sheet(staff, booking_id)
        if not (_can_change(sheet) or sheet.state == "no_show"):
            raise NotFound
        wishes = Wishes.of(request.args)
        offer = await self._booking.offer(
            sheet.channel, wishes.wanted(), 0, _AT_ONCE, wish=wishes.wish(sheet.therapist_id), acute=True
        )
        found = await self._booking.askable()
        free = [*offer.times, *offer.near, *offer.others][:_AT_ONCE]
        return await self._shell.show(
            request,
            "move",
            staff,
            status=status,
            talk=sheet,
            times=free or ([offer.opens] if offer.opens is not None else []),
            wishes=wishes,
            days=found.days,
            hours=tuple(HOURS),
            error=error,
        )

    async def move(self, request: Request, staff: StaffMember, booking_id: str) -> HTTPResponse:
        """To another time, with the same code."""
        form = Form(request)
        key = self._key(staff, form, "move", booking_id)
        try:
            await self._booking.changes.move_for(staff, booking_id, form.text("slot"), key=key)
        except NotFound:
            raise
        except DomainError as error:
            if isinstance(error, Conflict):
                return await self._again(request, staff, booking_id, "staff.change.error", error)
            sentence = self._words.error("staff.change.error", error)
            return await self.times(request, staff, booking_id, error.status, sentence)
        return redirect(f"{HOME}/tid/{booking_id}", status=303)

    async def hand_over(self, request: Request, staff: StaffMember, booking_id: str) -> HTTPResponse:
        """To a colleague, at the same time."""
        form = Form(request)
        key = self._key(staff, form, "hand", booking_id)
        try:
            await self._booking.changes.reassign(staff, booking_id, form.text("therapist") or None, key=key)
        except NotFound:
            raise
        except DomainError as error:
            return await self._again(request, staff, booking_id, "staff.change.error", error)
        return redirect(f"{HOME}/tid/{booking_id}", status=303)

    async def cancel(self, request: Request, staff: StaffMember, booking_id: str) -> HTTPResponse:
        """The talk is off; the page of it is gone with it."""
        key = self._key(staff, Form(request), "cancel", booking_id)
        try:
            done = await self._booking.changes.cancel_for(staff, booking_id, key=key)
        except NotFound:
            raise
        except DomainError as error:
            return await self._again(request, staff, booking_id, "staff.change.error", error)
        if not done:
            return await self._again(request, staff, booking_id, "staff.change.error", Conflict())
        return await self._shell.show(request, "talk_cancelled", staff)

    async def miss(self, request: Request, staff: StaffMember, booking_id: str) -> HTTPResponse:
        """The person did not come."""
        return await self._deed(request, staff, booking_id, "miss", self._attending.miss)

    async def tried(self, request: Request, staff: StaffMember, booking_id: str) -> HTTPResponse:
        """The one try was made in vain."""
        return await self._deed(request, staff, booking_id, "tried", self._attending.tried)

    async def decide(self, request: Request, staff: StaffMember, booking_id: str) -> HTTPResponse:
        """What is done about somebody who did not come."""
        form = Form(request)
        outcome, reason = form.text("outcome"), form.text("reason")
        key = self._key(staff, form, "decide", booking_id)
        try:
            await self._attending.decide(staff, booking_id, outcome, reason, key=key)
        except NotFound:
            raise
        except DomainError as error:
            return await self._again(request, staff, booking_id, "staff.missed.error", error, form)
        way = "/flytta" if outcome == "new_time" else ""
        return redirect(f"{HOME}/tid/{booking_id}{way}", status=303)

    async def finish(self, request: Request, staff: StaffMember, booking_id: str) -> HTTPResponse:
        """What is written after a talk; whatever is wrong, all of it stays in the form."""
        form = Form(request)
        record = AfterRecord(
            report=form.text("report"),  # type: ignore[arg-type]
            report_reason=form.text("report_reason"),
            documented=form.text("documented"),  # type: ignore[arg-type]
            next_step=form.text("next_step"),
            next_who=form.text("next_who"),
            told=form.text("told"),
            consent=form.text("consent"),
        )
        key = self._key(staff, form, "after", booking_id)
        try:
            try:
                follow_up = after_rules.follow_up(form.text("follow_up"), form.text("follow_up_time"))
            except (ValueError, OverflowError):
                raise InvalidField("follow_up_invalid", "follow_up") from None
            await self._attending.finish(
                staff, booking_id, record, form.text("legal_basis") or "unset", follow_up, key=key
            )
        except NotFound:
            raise
        except DomainError as error:
            return await self._again(request, staff, booking_id, "staff.after.error", error, form)
        return redirect(f"{HOME}/tid/{booking_id}#after", status=303)

    async def new_code(self, request: Request, staff: StaffMember, booking_id: str) -> HTTPResponse:
        """Six words to read aloud; shown in this answer and nowhere else."""
        form = Form(request)
        key = self._key(staff, form, "code", booking_id)
        try:
            words = await self._attending.new_code(staff, booking_id, form.text("code_reason"), key=key)
        except NotFound:
            raise
        except DomainError as error:
            return await self._again(request, staff, booking_id, "staff.change.error", error, form)
        return await self._shell.show(request, "new_code", staff, words=words.split(), back=f"{HOME}/tid/{booking_id}")

    async def _deed(self, request: Request, staff: StaffMember, booking_id: str, name: str, do: Any) -> HTTPResponse:
        try:
            await do(staff, booking_id, key=self._key(staff, Form(request), name, booking_id))
        except NotFound:
            raise
        except DomainError as error:
            return await self._again(request, staff, booking_id, "staff.missed.error", error)
        return redirect(f"{HOME}/tid/{booking_id}#missed", status=303)

    async def _again(
        self,
        request: Request,
        staff: StaffMember,
        booking_id: str,
        phrases: str,
        error: DomainError,
        form: Form | None = None,
    ) -> HTTPResponse:
        field = error.extra.get("field", "") if isinstance(error, InvalidField) else ""
        sentence = self._words.error(phrases, error)
        return await self.sheet(
            request, staff, booking_id, error.status, wrong={"field": field, "sentence": sentence}, form=form
        )

    def _key(self, staff: StaffMember, form: Form, deed: str, booking_id: str) -> Key | None:
        body = {name: value for name, value in form.values.items() if name != "once"}
        pepper = self._house.settings.code_pepper
        return key_for(pepper, f"staff:{staff.id}:{deed}:{booking_id}", form.text("once")[:100], body)


def _can_change(sheet: Sheet) -> bool:
    return sheet.state == "booked" and not sheet.over


def _day(text: str, today: date) -> date:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return today
    return day if abs(day - today) < _FARTHEST else today
