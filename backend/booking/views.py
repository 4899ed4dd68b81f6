"""``/boka``: book a talk on plain pages, without script, cookie, name or the assistant.

Each step carries what has been written in the body of its POST; a random form id in
it is the holder of the time. Nothing of it is ever in an address, and nothing is stored
before the last step but that the time is held.
"""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter
from sanic import Blueprint, HTTPResponse, Request, Sanic

from backend.booking import asking, notices, rules
from backend.booking.asking import Answers
from backend.booking.labels import day_of, when
from backend.booking.offering import FreeTime, Offer
from backend.booking.safe import Situation
from backend.booking.service import BookingDesk, Confirmed, Details, Held
from backend.booking.wishes import HOURS, Wishes
from backend.core.clock import to_local
from backend.core.errors import (
    AlreadyBooked,
    DomainError,
    EmptyText,
    HoldExpired,
    InvalidField,
    KeyReused,
    StorageUnavailable,
    Taken,
    TextTooLong,
    TooMany,
)
from backend.core.house import House
from backend.core.idempotency import Key, key_for
from backend.core.phone import parse_phone
from backend.core.reader import READERS, Lang, Reader
from backend.core.text import clean
from backend.danger.service import DangerWatch
from backend.journey.service import Journey
from backend.web.help import language
from backend.web.render import page
from backend.web.security import source_of

NOTE_LIMIT = 4_000
NAME_LIMIT = 60
AT_ONCE = 8
_FORM = re.compile(r"[A-Za-z0-9_-]{22}")
_LIMITS = {"note": NOTE_LIMIT, "call_me": NAME_LIMIT}
# A whole school may share one address; one person who takes time after time is stopped.
_PER_SOURCE = RateLimitItemPerMinute(60, 15)


@dataclass(frozen=True, slots=True)
class Draft:
    """The form as it was filled in, unchecked. ``form`` is known to nobody else and holds the time."""

    form: str
    slot: str
    skip: int
    lang: Lang
    who: str | None
    channel: str
    note: str
    call_me: str
    interpreter: str
    wishes: Wishes
    answers: Answers

    @classmethod
    def of(cls, request: Request) -> Draft:
        """From a posted form, or an empty one."""
        form: Any = request.form or {}
        translations = request.app.ctx.house.translations
        lang = language(request, translated=True)

        def text(name: str) -> str:
            return form.get(name) or ""

        skip = text("skip")
        return cls(
            form=text("form") if _FORM.fullmatch(text("form")) else secrets.token_urlsafe(16),
            slot=text("slot"),
            skip=int(skip) if re.fullmatch(r"[0-9]{1,3}", skip, re.ASCII) else 0,
            lang=lang,
            who=text("who") if text("who") in READERS else None,
            channel=text("channel"),
            note=text("note"),
            call_me=text("call_me"),
            # Whoever begins in a language that only the page speaks most likely wants an interpreter.
            interpreter=text("interpreter") if form or not translations.translated(lang) else lang,
            wishes=Wishes.of(form),
            answers=Answers.of(form),
        )

    @property
    def holder(self) -> str:
        """Whom the desk knows the writer as."""
        return f"form:{self.form}"

    @property
    def reader(self) -> Reader:
        """Who has said that they are writing."""
        return Reader.of(self.who, self.lang)

    def carried(self, *but_for: str) -> Iterator[tuple[str, str]]:
        """Names and values to carry along in the next form, empty ones and those that are asked there left out."""
        own = {
            "form": self.form,
            "slot": self.slot,
            "lang": "" if self.lang == "sv" else self.lang,
            "who": self.who or "",
            "channel": self.channel,
            "note": self.note,
            "call_me": self.call_me,
            "interpreter": self.interpreter,
        }
        carried = (*own.items(), *self.wishes.fields(), *self.answers.fields())
        return ((name, value) for name, value in carried if value and name not in but_for)


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


def setup(app: Sanic, house: House, desk: BookingDesk, watch: DangerWatch, journey: Journey) -> None:
    """Register the pages on ``app``. Who comes from a station of the map (``?fran=``) finds it in the note, to keep or change."""
    bp = Blueprint("book")
    brake = Brake()
    pages = _Pages(house, desk, watch)

    @bp.get("/boka")
    async def begin(request: Request) -> HTTPResponse:
        draft = Draft.of(request)
        station = journey.name(request.args.get("fran") or "", draft.reader)
        if station is not None:
            draft = replace(draft, note=house.phrases.say("way.book_about", draft.reader, station=station.title))
        return await pages.times(request, draft)

    @bp.post("/boka")
    async def go_on(request: Request) -> HTTPResponse:
        draft = Draft.of(request)
        form: Any = request.form or {}
        step, question = form.get("step") or "", form.get("question") or ""
        if step == "hold":
            return await hold(request, draft)
        if step == "details":
            return await pages.after_details(request, draft)
        if step in ("answer", "skip"):
            answers = draft.answers.after(question, skip=step == "skip")
            return await pages.ask_or_sum_up(request, replace(draft, answers=answers))
        if step == "edit":
            return await pages.edit(request, draft)
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
            missing = house.phrases.say("book_page.error.slot_missing", draft.reader)
            return await pages.times(request, draft, 422, {"slot": missing})
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
            again, sentence = replace(draft, skip=0), pages.sentence(error, draft.reader)
            return await pages.times(request, again, error.status, {"slot": sentence})
        return await pages.details(request, draft, held)

    app.blueprint(bp)


class _Pages:
    """The pages of the form, each with the danger card when the words call for it."""

    def __init__(self, house: House, desk: BookingDesk, watch: DangerWatch) -> None:
        self._house = house
        self._desk = desk
        self._watch = watch
        self._say = house.phrases.say

    def sentence(self, error: DomainError, reader: Reader) -> str:
        """What is wrong, in the words of this page where it has its own."""
        own, known = f"book_page.error.{error.code}", self._house.phrases.keys()
        return self._say(own if own in known else f"error.{error.code}", reader)

    async def times(
        self, request: Request, draft: Draft, status: int = 200, errors: dict[str, str] | None = None
    ) -> HTTPResponse:
        """Free times to choose from, or the nearest to what was wished, or the true next one, or who to call."""
        reader, wishes, errors = draft.reader, draft.wishes, errors or {}
        card = await self._card(draft)
        offer: Offer | None = None
        wish_options: dict[str, list[tuple[str, str]]] = {}
        try:
            offer = await self._desk.offer(
                draft.channel if draft.channel in self._desk.channels else None,
                wishes.wanted(),
                draft.skip,
                AT_ONCE,
                holder=draft.holder,
                wish=wishes.wish(),
                acute=bool(wishes.acute) or card is not None,
                counted=draft.holder,
            )
            wish_options = await self._wish_options(reader)
        except StorageUnavailable as error:
            status, errors = error.status, {"slot": self.sentence(error, reader)}
        today = to_local(self._house.clock.now()).date()
        times = self._options(offer.times if offer else [], reader)
        near = self._options([*offer.near, *offer.others][:AT_ONCE] if offer else [], reader)
        opens = self._options([offer.opens] if offer and offer.opens else [], reader)
        return await page(
            request,
            "booking/times.html",
            status=status,
            reader=reader,
            draft=draft,
            carried=[*draft.carried("slot", *(f"wish_{name}" for name in wish_options), *wish_options)],
            errors=errors,
            options=times,
            near=near,
            given_up=[self._say(f"wishes.given_up.{name}", reader) for name in offer.given_up] if offer else [],
            opens=opens,
            following=draft.skip + AT_ONCE if offer and offer.more else None,
            promise="promise_today" if offer and offer.promised == today else "promise_next",
            reachable=offer is not None,
            enabled=self._desk.enabled,
            minutes=self._house.municipality.booking.hold_minutes,
            length=self._house.municipality.booking.meeting_minutes,
            wish_options=wish_options,
            callback=self._callback(offer, reader),
            closed=offer is not None and not offer.staffed,
            lines=[] if (times or near) and offer and offer.staffed else self._numbers(reader),
            card=card,
        )

    def _callback(self, offer: Offer | None, reader: Reader) -> str:
        """Until when somebody is in touch instead, where there is no time within the promise; else nothing."""
        if offer is None or offer.within or not self._desk.enabled:
            return ""
        return self._label(self._desk.promise.deadline(self._house.clock.now()), reader)

    async def details(
        self,
        request: Request,
        draft: Draft,
        held: Held | None,
        status: int = 200,
        errors: dict[str, str] | None = None,
        message: str = "",
    ) -> HTTPResponse:
        """How to talk, and who is writing; what else is needed is asked after it, one thing at a time."""
        reader = draft.reader
        channels = held.channels if held else self._desk.channels
        start = held.start if held else start_of(draft.slot)
        return await page(
            request,
            "booking/details.html",
            status=status,
            reader=reader,
            draft=draft,
            carried=[*draft.carried("channel", "note", "call_me", "interpreter", "who")],
            errors=errors or {},
            message=message,
            label=self._label(start, reader) if start else "",
            therapist=held.therapist if held else "",
            minutes=self._house.municipality.booking.hold_minutes,
            channel_options=[
                (way, self._say(f"summary.channel.{way}", reader), self._say(f"book_page.channel_note.{way}", reader))
                for way in channels
            ],
            interpreter_options=[
                ("", self._say("interpreter.none", reader)),
                *self._house.tongues.choices(reader),
            ],
            who_options=[
                *((key, self._say(f"write_page.who.{key}", reader)) for key in READERS),
                ("", self._say("write_page.rather_not", reader)),
            ],
            card=await self._card(draft),
        )

    async def after_details(self, request: Request, draft: Draft) -> HTTPResponse:
        """What is wrong there, or the first question, or the summary."""
        errors = self._wrong(draft)
        if errors:
            return await self._details_again(request, draft, 422, errors)
        return await self.ask_or_sum_up(request, draft)

    async def ask_or_sum_up(self, request: Request, draft: Draft) -> HTTPResponse:
        """The next question that is needed; when there is none, all of it to read through before it is booked."""
        reader = draft.reader
        if draft.answers.given.get("call_ok") == "no" and draft.channel == "phone":
            # Nobody is called who says that it is not safe: the other ways are shown, and the number is let go.
            wrong = {"channel": self._say("book_page.error.call_not_safe", reader)}
            again = replace(draft, channel="", answers=Answers())
            return await self._details_again(request, again, 422, wrong)
        checked = draft.answers.checked(self._house, reader)
        situation = self._situation(draft)
        question = asking.open_question(situation, checked)
        if question is None:
            return await self._summary(request, draft)
        return await page(
            request,
            "booking/question.html",
            status=422 if checked.errors else 200,
            reader=reader,
            draft=draft,
            carried=[*draft.carried(question)],
            question=asking.shown(self._house, question, checked, situation),
            label=self._held_label(draft),
            card=await self._card(draft),
        )

    async def edit(self, request: Request, draft: Draft) -> HTTPResponse:
        """Back to the beginning of the questions, with everything as it was answered."""
        answers = Answers(draft.answers.given)
        return await self._details_again(request, replace(draft, answers=answers), 200, {})

    async def confirm(self, request: Request, draft: Draft) -> HTTPResponse:
        """Book, or say by the field what is wrong; what was written stays whatever happens."""
        reader = draft.reader
        errors = self._wrong(draft)
        if errors:
            return await self._details_again(request, draft, 422, errors)
        if draft.answers.checked(self._house, reader).errors:
            return await self.ask_or_sum_up(request, draft)
        try:
            card = await self._card(draft)
            details = self._details(draft, card)
            key = self._key(draft)
            booked = await self._desk.confirm(draft.holder, details, slot=draft.slot or None, key=key)
            return await self.done(request, draft, booked)
        except KeyReused as error:
            booked_before = await self._desk.booked(draft.holder)
            if booked_before is None:
                return await self.times(request, replace(draft, skip=0), error.status)
            changed = self._say("book_steps.already", reader)
            return await self.done(request, draft, booked_before, error.status, changed)
        except InvalidField as error:
            field = error.extra["field"]
            if field in asking.QUESTIONS and error.code != "call_not_safe":
                return await self.ask_or_sum_up(request, self._asked_again(draft, field))
            wrong = {"channel" if field in asking.QUESTIONS else field: self.sentence(error, reader)}
            return await self._details_again(request, draft, error.status, wrong)
        except (HoldExpired, Taken) as error:
            again = replace(draft, skip=0)
            return await self.times(request, again, error.status, {"slot": self.sentence(error, reader)})
        except DomainError as error:
            return await self._summary(request, draft, error.status, self.sentence(error, reader))

    async def done(
        self, request: Request, draft: Draft, booked: Confirmed, status: int = 200, message: str = ""
    ) -> HTTPResponse:
        """The booked talk and its six words, until they are saved."""
        reader = draft.reader
        wanted = draft.answers.reminder()
        reminded = wanted is not None and bool(notices.reminder_ways(self._house, booked.start))
        return await page(
            request,
            "booking/done.html",
            status=status,
            message=message,
            reader=reader,
            draft=draft,
            booked=booked,
            label=self._label(booked.start, reader),
            interpreter=self._interpreter(draft),
            words=(booked.words or "").split(),
            reminded=reminded and not message,
            card=await self._card(draft),
        )

    async def _summary(self, request: Request, draft: Draft, status: int = 200, message: str = "") -> HTTPResponse:
        reader = draft.reader
        held = await self._desk.held(draft.holder)
        if held is None:
            gone = {"slot": self.sentence(HoldExpired(), reader)}
            return await self.times(request, replace(draft, skip=0), HoldExpired.status, gone)
        return await page(
            request,
            "booking/summary.html",
            status=status,
            message=message,
            reader=reader,
            draft=draft,
            carried=[*draft.carried()],
            rows=[
                (self._say("summary.when", reader), self._label(held.start, reader)),
                (self._say("summary.how", reader), self._say(f"summary.channel.{draft.channel}", reader)),
                (self._say("summary.who", reader), held.therapist),
                *self._told(draft),
            ],
            card=await self._card(draft),
        )

    def _told(self, draft: Draft) -> Iterator[tuple[str, str]]:
        """What the person has told us, as it is shown before it is stored: a number with most digits hidden."""
        reader, answers = draft.reader, draft.answers
        if draft.channel == "phone" and answers.given.get("phone"):
            yield self._say("summary.phone", reader), _hidden(answers.given["phone"])
        if draft.channel == "phone":
            for question in ("if_other_answers", "leave_message", "if_missed", "not_told"):
                if answers.given.get(question):
                    yield self._say(f"safe.short.{question}", reader), self._answer(question, draft)
        if self._interpreter(draft):
            yield self._say("summary.interpreter", reader), self._interpreter(draft)
        reminder = answers.reminder() if self._situation(draft).ways else None
        way = self._say(f"safe.option.reminder.{reminder.by if reminder else 'no'}", reader)
        yield self._say("safe.short.reminder", reader), way

    def _answer(self, question: str, draft: Draft) -> str:
        value = draft.answers.given[question]
        for key in (f"safe.option.{question}.{value}", f"common.{value}"):
            if key in self._house.phrases:
                return self._say(key, draft.reader)
        return value

    async def _details_again(self, request: Request, draft: Draft, status: int, errors: dict[str, str]) -> HTTPResponse:
        held = await self._desk.held(draft.holder)
        if held is None:
            gone = {"slot": self.sentence(HoldExpired(), draft.reader)}
            return await self.times(request, replace(draft, skip=0), HoldExpired.status, gone)
        return await self.details(request, draft, held, status, errors)

    def _wrong(self, draft: Draft) -> dict[str, str]:
        """Sentences by field for what cannot be used as it stands."""
        errors: dict[str, str] = {}
        if draft.channel not in self._desk.channels:
            errors["channel"] = self._say("book_page.error.channel_missing", draft.reader)
        for name, limit in _LIMITS.items():
            try:
                clean(getattr(draft, name), limit)
            except EmptyText:
                continue
            except TextTooLong:
                key = "book_steps.call_me_too_long" if name == "call_me" else f"book_page.error.{name}_too_long"
                errors[name] = self._say(key, draft.reader)
        return errors

    def _details(self, draft: Draft, card: Any) -> Details:
        def text(name: str) -> str | None:
            try:
                return clean(getattr(draft, name), _LIMITS[name])
            except EmptyText:
                return None

        return Details(
            channel=draft.channel,
            reader=draft.reader,
            phone=draft.answers.given.get("phone"),
            safe=draft.answers.safe(),
            note=text("note"),
            call_me=text("call_me"),
            interpreter=draft.interpreter if self._house.tongues.interpreted(draft.interpreter) else None,
            reminder=draft.answers.reminder() if self._situation(draft).ways else None,
            danger_level=card.level if card is not None else None,
            danger_category=card.category if card is not None else None,
        )

    def _key(self, draft: Draft) -> Key | None:
        body = dict(draft.carried("asked"))
        return key_for(self._house.settings.code_pepper, draft.holder, "confirm", body)

    def _situation(self, draft: Draft) -> Situation:
        start = start_of(draft.slot)
        ways = notices.reminder_ways(self._house, start) if start is not None else ()
        return Situation(draft.channel, draft.reader, ways, phone=draft.channel == "phone")

    def _asked_again(self, draft: Draft, question: str) -> Draft:
        """The same with one answer taken away, so that it is asked for again."""
        given = {name: value for name, value in draft.answers.given.items() if name != question}
        return replace(draft, answers=Answers(given, tuple(one for one in draft.answers.asked if one != question)))

    async def _wish_options(self, reader: Reader) -> dict[str, list[tuple[str, str]]]:
        """What can be wished for here: by field, values and titles."""
        found = await self._desk.askable()
        say, today = self._say, to_local(self._house.clock.now()).date()
        nothing = ("", say("wishes.any", reader))
        ways = [(way, say(f"summary.channel.{way}", reader)) for way in self._desk.channels]
        options = {
            "channel": [nothing, *ways],
            "day": [
                nothing,
                *((day.isoformat(), day_of(self._house.phrases, day, today, reader)) for day in found.days),
            ],
            "hours": [nothing, *((part, say(f"wishes.hours.{part}", reader)) for part in HOURS)],
        }
        if found.genders:
            options["person"] = [nothing, *((each, say(f"wishes.person.{each}", reader)) for each in ("woman", "man"))]
        if found.languages:
            tongues = self._house.tongues
            options["language"] = [nothing, *((code, tongues.interpreter(code, reader)) for code in found.languages)]
        if found.acute:
            options["acute"] = [("", say("common.no", reader)), ("yes", say("wishes.acute_yes", reader))]
        return options

    def _options(self, times: list[FreeTime], reader: Reader) -> list[tuple[str, str]]:
        return [(time.slot, self._label(time.start, reader)) for time in times]

    def _held_label(self, draft: Draft) -> str:
        start = start_of(draft.slot)
        return self._label(start, draft.reader) if start is not None else ""

    def _label(self, start: datetime, reader: Reader) -> str:
        return when(self._house.phrases, start, self._house.clock.now(), reader)

    def _interpreter(self, draft: Draft) -> str:
        tongues = self._house.tongues
        return tongues.interpreter(draft.interpreter, draft.reader) if tongues.interpreted(draft.interpreter) else ""

    def _numbers(self, reader: Reader) -> list[Any]:
        today = to_local(self._house.clock.now()).date()
        return self._house.helplines.pick("adult" if reader.grown_up else "child", reader, today)

    async def _card(self, draft: Draft) -> Any:
        texts = [draft.note, draft.call_me, *draft.answers.words]
        return await asyncio.to_thread(self._watch.assess_fields, texts, draft.reader)


def _hidden(phone: str) -> str:
    try:
        return parse_phone(phone).display
    except InvalidField:
        return ""


def start_of(slot: str) -> datetime | None:
    """When a slot begins, or None for one that is no time."""
    try:
        return rules.read_slot(slot).start
    except ValueError:
        return None
