"""``/min-tid``: see, move and cancel with the six words, on plain pages.

The words travel in the body of one POST and lie in no page after it; a ticket that is good
for twenty minutes opens the rest. Nothing is in an address.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import Any

from sanic import Blueprint, HTTPResponse, Request, Sanic, redirect

from backend.booking import asking
from backend.booking.asking import Answers
from backend.booking.labels import day_of, when
from backend.booking.offering import FreeTime
from backend.booking.safe import Situation
from backend.booking.service import BookingDesk
from backend.booking.wishes import HOURS, Wishes
from backend.core.clock import to_local
from backend.core.errors import (
    CodeReadAloud,
    Conflict,
    DomainError,
    HoldExpired,
    InvalidField,
    KeyReused,
    Taken,
    WrongCode,
)
from backend.core.house import House
from backend.core.reader import Reader
from backend.danger.service import DangerWatch
from backend.returning.here import HerePages
from backend.returning.service import BookingSeen, CallbackSeen, MapSeen, Returning
from backend.talks.rules import room_is_open
from backend.web.help import language, local
from backend.web.render import once, page
from backend.web.security import source_of

PATH = "/min-tid"
_AT_ONCE = 8


def setup(
    app: Sanic, house: House, booking: BookingDesk, returning: Returning, here: HerePages, watch: DangerWatch
) -> None:
    """Register the pages. Somebody who writes of danger where a code belongs is shown help, as everywhere."""
    bp = Blueprint("returning")
    pages = _Pages(house, booking, returning, here, watch)

    @bp.get("/kod")
    async def elsewhere(_request: Request) -> HTTPResponse:
        return redirect(PATH, status=301)

    @bp.get(PATH)
    async def ask(request: Request) -> HTTPResponse:
        return await pages.ask(request)

    @bp.post(PATH)
    async def answer(request: Request) -> HTTPResponse:
        form: Any = request.form or {}
        ticket = form.get("ticket") or ""
        if not ticket:
            return await pages.open(request, form.get("words") or "")
        steps = {
            "times": pages.times,
            "move": pages.move,
            "cancel": pages.cancel,
            "remind": pages.remind,
            "withdraw": pages.withdraw,
        }
        try:
            return await steps.get(form.get("step") or "", pages.show)(request, form, ticket)
        except WrongCode as error:
            return await pages.ask_again(request, error)

    app.blueprint(bp)


class _Pages:
    def __init__(
        self, house: House, booking: BookingDesk, returning: Returning, here: HerePages, watch: DangerWatch
    ) -> None:
        self._house = house
        self._here = here
        self._booking = booking
        self._returning = returning
        self._watch = watch
        self._say = house.phrases.say

    async def ask(self, request: Request, status: int = 200, **more: Any) -> HTTPResponse:
        """For the words, and what to do when they are lost."""
        reader = Reader(lang=language(request))
        place = self._house.municipality
        reception = local(place.contact(place.unit(place.booking.unit).contact))
        return await page(request, "returning/code.html", status=status, reader=reader, lines=[reception], **more)

    async def open(self, request: Request, words: str) -> HTTPResponse:
        """What the words open, or one answer for all words that open nothing."""
        source = source_of(request, self._house.settings.trusted_proxies)
        try:
            found = await self._returning.open(words, source)
        except CodeReadAloud:
            own = await self._returning.exchange(words, source)
            return await page(request, "returning/own.html", words=own.words.split(), receipt=own.receipt)
        except DomainError as error:
            card = await asyncio.to_thread(self._watch.assess_fields, [words], Reader())
            message = self._say(f"error.{error.code}")
            return await self.ask(request, error.status, error=message, words=words, card=card)
        if isinstance(found, BookingSeen):
            return await self._time(request, found)
        if isinstance(found, CallbackSeen):
            return await self._callback(request, found)
        if isinstance(found, MapSeen):
            return await self._here.show(request, found, Reader())
        return await page(
            request,
            "returning/concern.html",
            found=self._returning.describe(found, Reader()),
            answers=self._returning.answers(found, Reader()),
            words=words if found.story else "",
            here=None if found.story else await self._here.find(found),
        )

    async def ask_again(self, request: Request, error: WrongCode) -> HTTPResponse:
        """The ticket has run out, or the code has been changed: nothing is lost but the words must be written again."""
        return await self.ask(request, error.status, error=self._say("my_time.ticket_old"))

    async def show(self, request: Request, _form: Any, ticket: str) -> HTTPResponse:
        """The talk as it is."""
        return await self._time(request, await self._returning.again(ticket))

    async def times(
        self, request: Request, form: Any, ticket: str, status: int = 200, error: DomainError | None = None
    ) -> HTTPResponse:
        """Free times for the talk to move to, in the way that was chosen for it."""
        seen = await self._returning.again(ticket)
        if not (seen.can_move or seen.can_rebook):
            return await self._time(
                request, seen, Conflict.status, wrong=self._say("my_time.error.conflict", seen.booking.reader)
            )
        reader = seen.booking.reader
        wishes, skip = Wishes.of(form), form.get("skip") or ""
        skipped = int(skip) if skip.isascii() and skip.isdigit() and len(skip) < 4 and error is None else 0
        booking = seen.booking
        offer = await self._booking.offer(
            booking.channel, wishes.wanted(), skipped, _AT_ONCE, wish=wishes.wish(booking.therapist_id)
        )
        near = [*offer.near, *offer.others][:_AT_ONCE]
        return await page(
            request,
            "returning/times.html",
            status=status,
            reader=reader,
            seen=seen,
            errors={"slot": self._sentence(error, reader)} if error is not None else {},
            options=self._options(
                [time for time in offer.times if not (seen.can_move and time.start == booking.start)], reader
            ),
            near=self._options(near, reader),
            given_up=[self._say(f"wishes.given_up.{name}", reader) for name in offer.given_up],
            opens=self._options([offer.opens] if offer.opens is not None else [], reader),
            wishes=wishes,
            wish_options=await self._wish_options(reader),
            following=skipped + _AT_ONCE if offer.more else None,
            skipped=skipped > 0,
            lines=[] if offer.times or near else self._house.helplines.pick("child", reader, self._today()),
        )

    async def _wish_options(self, reader: Reader) -> dict[str, list[tuple[str, str]]]:
        say, today, found = self._say, self._today(), await self._booking.askable()
        nothing = ("", say("wishes.any", reader))
        people = ("same", "woman", "man") if found.genders else ("same",)
        return {
            "day": [
                nothing,
                *((day.isoformat(), day_of(self._house.phrases, day, today, reader)) for day in found.days),
            ],
            "hours": [nothing, *((part, say(f"wishes.hours.{part}", reader)) for part in HOURS)],
            "person": [nothing, *((each, say(f"wishes.person.{each}", reader)) for each in people)],
        }

    async def move(self, request: Request, form: Any, ticket: str) -> HTTPResponse:
        """Take the chosen time; whoever loses it keeps the old one and is shown others."""
        slot = form.get("slot") or ""
        try:
            moved = await self._returning.move(ticket, slot, form.get("once"))
        except (Taken, InvalidField, HoldExpired, KeyReused) as error:
            return await self.times(request, form, ticket, error.status, error)
        except Conflict as error:
            seen = await self._returning.again(ticket)
            return await self._time(
                request, seen, error.status, wrong=self._say("my_time.error.conflict", seen.booking.reader)
            )
        seen = await self._returning.again(ticket)
        reader = seen.booking.reader
        label = self._label(moved.start, reader)
        done = self._say("my_time.moved", reader, label=label, therapist=moved.therapist)
        return await self._time(request, seen, done=done)

    async def cancel(self, request: Request, form: Any, ticket: str) -> HTTPResponse:
        """Let the time go, in one press."""
        try:
            done = await self._returning.cancel(ticket, form.get("once"))
        except KeyReused:
            done = False
        seen = await self._returning.again(ticket)
        reader = seen.booking.reader
        if done:
            return await self._time(request, seen, done=self._say("code.cancelled", reader))
        return await self._time(request, seen)

    async def withdraw(self, request: Request, form: Any, ticket: str) -> HTTPResponse:
        """Nobody is to be in touch any more."""
        done = await self._returning.withdraw(ticket)
        found = await self._returning.request_behind(ticket)
        said = self._say("callback.withdrawn", found.callback.reader) if done else ""
        return await self._callback(request, found, said)

    async def _callback(self, request: Request, seen: CallbackSeen, done: str = "") -> HTTPResponse:
        reader = seen.callback.reader
        found = self._returning.describe(seen, reader)
        return await page(request, "returning/callback.html", reader=reader, seen=seen, found=found, done=done)

    async def remind(self, request: Request, form: Any, ticket: str) -> HTTPResponse:
        """One question at a time until it is known whether, how and where to."""
        seen = await self._returning.again(ticket)
        reader = seen.booking.reader
        ways = self._returning.reminder_ways(seen, reader)
        if not ways:
            return await self._time(request, seen)
        situation = Situation("chat", reader, ways, phone=seen.booking.calls is not None)
        answers = Answers.of(form).after(form.get("question") or "", skip=False).checked(self._house, reader)
        question = asking.open_question(situation, answers)
        if question is None:
            wanted = answers.reminder()
            try:
                await self._returning.remind(ticket, wanted, form.get("once"))
            except InvalidField as wrong:
                question = wrong.extra["field"]
                answers = replace(answers, errors={question: self._say(f"safe.error.{wrong.code}", reader)})
            except DomainError as wrong:
                return await self._time(request, seen, wrong.status, wrong=self._sentence(wrong, reader))
            else:
                seen = await self._returning.again(ticket)
                done = self._say("my_time.remind_on" if wanted else "my_time.remind_off", reader)
                return await self._time(request, seen, done=done)
        return await page(
            request,
            "returning/question.html",
            status=422 if answers.errors else 200,
            reader=reader,
            carried=[("ticket", seen.ticket), ("once", once()), *answers.fields(but_for=question)],
            question=asking.shown(self._house, question, answers, situation),
        )

    async def _time(
        self, request: Request, seen: BookingSeen, status: int = 200, *, done: str = "", wrong: str = ""
    ) -> HTTPResponse:
        booking, reader = seen.booking, seen.booking.reader
        used = seen.used_before
        return await page(
            request,
            "returning/time.html",
            status=status,
            reader=reader,
            seen=seen,
            state=self._returning.state(seen),
            found=self._returning.describe(seen, reader),
            label=self._label(booking.start, reader),
            done=done,
            wrong=wrong,
            here=await self._here.find(seen),
            used=self._label(used, reader) if used is not None else "",
            interpreter=self._house.tongues.interpreter(booking.interpreter, reader) if booking.interpreter else "",
            may_be_reminded=bool(self._returning.reminder_ways(seen, reader)),
            may_go_in=booking.channel == "chat" and booking.active and self._is_open(booking.start, booking.end),
        )

    def _is_open(self, start: datetime, end: datetime) -> bool:
        early = self._house.municipality.talks.early_minutes
        return room_is_open(start, end, self._house.clock.now(), early)

    def _sentence(self, error: DomainError, reader: Reader) -> str:
        own = f"my_time.error.{error.code}"
        return self._say(own if own in self._house.phrases else f"error.{error.code}", reader)

    def _options(self, times: Sequence[FreeTime], reader: Reader) -> list[tuple[str, str]]:
        return [(time.slot, self._label(time.start, reader)) for time in times]

    def _label(self, moment: datetime, reader: Reader) -> str:
        return when(self._house.phrases, moment, self._house.clock.now(), reader)

    def _today(self) -> date:
        return to_local(self._house.clock.now()).date()
