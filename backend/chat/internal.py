"""What the assistant's actions may ask of the backend, during a turn and on behalf of its chat.

Two locks: the shared token says that the caller is our action server, and the
turn's token says that a person is waiting for this very turn. Everything is
checked again here; an action's word is a proposal.
"""

from __future__ import annotations

import hmac
import json as stdlib_json
from datetime import datetime, time
from typing import Any, Literal

import msgspec
from sanic import Blueprint, HTTPResponse, Request, Sanic, json
from sanic_ext import openapi

from backend.booking import safe as booking_safe
from backend.booking.labels import when
from backend.booking.offering import FreeTime
from backend.booking.rules import Gender, Wanted, Wish
from backend.booking.service import BookingDesk, Details
from backend.chat import repository
from backend.chat.turns import Issued, Turn, Turns
from backend.core.duty import Duty
from backend.core.errors import DomainError, InvalidField, MalformedRequest, NotFound
from backend.core.house import House
from backend.core.phone import parse_phone
from backend.stories.service import Piece, StoryDesk, Telling


class TimesRequest(msgspec.Struct):
    """Wishes for a time: between two instants, between two hours of the wall clock (``15:00``), and for with whom.

    ``same``: whoever the person met last, as far as this chat knows it from a code.
    """

    channel: str | None = None
    skip: int = 0
    begin: datetime | None = msgspec.field(default=None, name="from")
    end: datetime | None = msgspec.field(default=None, name="to")
    after: str | None = None
    before: str | None = None
    gender: Gender | None = None
    language: str | None = None
    same: bool | None = None

    def wanted(self) -> Wanted:
        """The wish in the words of booking. Raises `MalformedRequest` for what is no time."""
        try:
            after, before = (time.fromisoformat(wall) if wall else None for wall in (self.after, self.before))
        except ValueError:
            raise MalformedRequest from None
        if any(instant is not None and instant.tzinfo is None for instant in (self.begin, self.end)):
            raise MalformedRequest
        return Wanted(self.begin, self.end, after, before)


class HoldRequest(msgspec.Struct):
    """The time that was chosen."""

    slot: str


class ContactRequest(msgspec.Struct):
    """The message in which a number was written."""

    message: str


class Safe(msgspec.Struct):
    """Safe-contact answers; own words are named by their message."""

    call_ok: Literal["yes", "no", "unsure"] | None = None
    if_other_answers: str | None = None
    leave_message: Literal["yes", "no"] | None = None


class BookingRequest(msgspec.Struct):
    """How the held time is to be used."""

    channel: str
    contact: str | None = None
    safe: Safe | None = None
    interpreter: str | None = None


class ConcernRequest(msgspec.Struct):
    """A concern as the form has gathered it: messages by id, answers by code."""

    parts: list[str]
    about: str | None = None
    now: str | None = None
    reach: str = "code"
    contact: str | None = None
    safe: Safe | None = None
    interpreter: str | None = None


def setup(app: Sanic, house: House, turns: Turns, booking: BookingDesk, stories: StoryDesk) -> None:
    """Register ``/internal``; without both tokens it answers like a page that does not exist."""
    bp = Blueprint("internal", url_prefix="/internal")
    calls = _Calls(house, booking, stories)

    def route(name: str, shape: type[Any], call: Any) -> None:
        @bp.post(f"/{name}", name=name)
        @openapi.exclude()
        async def handle(request: Request) -> HTTPResponse:
            sent = request.token or ""
            if not hmac.compare_digest(sent.encode(), house.settings.internal_token.encode()):
                raise NotFound
            try:
                body = msgspec.convert(stdlib_json.loads(request.body or b"{}"), shape)
            except (ValueError, RecursionError):
                raise MalformedRequest from None
            async with turns.working(request.headers.get("x-turn", "")) as turn:
                result = await call(turn, body)
            return json(result) if result is not None else HTTPResponse(status=204)

    route("times", TimesRequest, calls.times)
    route("holds", HoldRequest, calls.hold)
    route("contact", ContactRequest, calls.contact)
    route("bookings", BookingRequest, calls.book)
    route("release", msgspec.defstruct("Nothing", []), calls.release)
    route("concerns", ConcernRequest, calls.send_concern)
    app.blueprint(bp)


class _Calls:
    def __init__(self, house: House, booking: BookingDesk, stories: StoryDesk) -> None:
        self._house = house
        self._booking = booking
        self._stories = stories
        self._duty = Duty(house.municipality)

    async def times(self, turn: Turn, wish: TimesRequest) -> dict[str, Any]:
        """Free times, nearest first, with the true next time when there is none, and whether the office is open now."""
        met = await self._met(turn) if wish.same else None
        whom = Wish(wish.gender, wish.language, met)
        offer = await self._booking.offer(
            wish.channel,
            wish.wanted(),
            max(0, wish.skip),
            wish=whom,
            acute=await self._cannot_wait(turn),
            counted=turn.holder,
        )
        turn.unmet = not offer.within
        return {
            "times": [self._time(time, turn) for time in offer.times],
            "near": [self._time(time, turn) for time in offer.near],
            "others": [self._time(time, turn) for time in offer.others],
            "known": not wish.same or met is not None,
            "more": offer.more,
            "staffed": self._duty.open_at(self._house.clock.now()),
            "opens": self._label(offer.opens, turn) if offer.opens is not None else None,
        }

    async def _cannot_wait(self, turn: Turn) -> bool:
        """Whether danger has been told in this chat and not taken back: then the times kept for that are offered too."""

        def look(session: Any) -> bool:
            chat = repository.reopen(session, self._house.vault, turn.chat_id)
            danger = repository.worst_danger(session, turn.chat_id, chat.corrected if chat else frozenset())
            return danger is not None and danger.level in ("A0", "A1")

        return await self._house.db.read(look)

    async def hold(self, turn: Turn, wish: HoldRequest) -> dict[str, Any]:
        """Keep a time while the person decides."""
        try:
            held = await self._booking.hold(turn.holder, wish.slot)
        except DomainError as error:
            raise await self._with_other_times(error, turn) from None
        return {
            "label": when(self._house.phrases, held.start, self._house.clock.now(), turn.reader),
            "therapist": held.therapist,
            "minutes": held.minutes,
        }

    async def contact(self, turn: Turn, wish: ContactRequest) -> dict[str, Any]:
        """Whether a message holds a number that can be called; only its last digits go back."""
        return {"ok": True, "display": parse_phone(await self._text(turn, wish.message)).display}

    async def book(self, turn: Turn, wish: BookingRequest) -> dict[str, Any]:
        """Confirm the held time."""
        safe = wish.safe or Safe()
        details = Details(
            channel=wish.channel,
            reader=turn.reader,
            phone=await self._text(turn, wish.contact) or None,
            safe=booking_safe.Safe(
                call_ok=safe.call_ok,
                if_other_answers=await self._text(turn, safe.if_other_answers) or None,
                leave_message=safe.leave_message,
            ),
            interpreter=wish.interpreter,
        )
        try:
            booked = await self._booking.confirm(turn.holder, details)
        except DomainError as error:
            raise await self._with_other_times(error, turn) from None
        label = when(self._house.phrases, booked.start, self._house.clock.now(), turn.reader)
        channel = self._house.phrases.say(f"summary.channel.{booked.channel}", turn.reader).lower()
        facts = {"label": label, "channel": channel, "therapist": booked.therapist, "room": booked.meeting_url or ""}
        turn.issued[booked.receipt] = Issued(booked.receipt, "booking", facts)
        return {"label": label, "channel": booked.channel, "therapist": booked.therapist, "receipt": booked.receipt}

    async def release(self, turn: Turn, _wish: object) -> None:
        """Let a held time go."""
        await self._booking.release(turn.holder)

    async def send_concern(self, turn: Turn, wish: ConcernRequest) -> dict[str, Any]:
        """Send a story in the person's own words, as this chat has stored them: each message is a part."""
        vault = self._house.vault

        def gather(session: Any) -> tuple[list[str], repository.Danger | None, str | None]:
            words = repository.words_of(session, vault, turn.chat_id, wish.parts)
            chat = repository.reopen(session, vault, turn.chat_id)
            corrected = chat.corrected if chat else frozenset()
            danger = repository.worst_danger(session, turn.chat_id, corrected)
            return words, danger, chat.consent_version if chat else None

        words, danger, consent = await self._house.db.read(gather)
        if not words or consent is None:
            raise InvalidField("empty", "parts")
        safe = wish.safe or Safe()
        answers = {
            "call_ok": safe.call_ok,
            "leave_message": safe.leave_message,
            "if_other_answers": await self._text(turn, safe.if_other_answers) or None,
        }
        sent = await self._stories.send(
            Telling(
                pieces=[Piece(text) for text in words],
                about=wish.about,
                now=wish.now,
                reach=wish.reach,
                phone=await self._text(turn, wish.contact) or None,
                safe={key: value for key, value in answers.items() if value} or None,
                reader=turn.reader,
                danger_level=danger.level if danger else None,
                danger_category=danger.category if danger else None,
                shown=consent,
                chat_id=turn.chat_id,
                key=".".join(wish.parts),
                interpreter=wish.interpreter,
            )
        )
        turn.issued[sent.receipt] = Issued(sent.receipt, "concern", {"unit": sent.unit_name})
        return {"receipt": sent.receipt, "unit": sent.unit_name}

    async def _met(self, turn: Turn) -> str | None:
        """The therapist of the booking whose code was last written in this chat, or None."""
        vault = self._house.vault
        chat = await self._house.db.read(lambda session: repository.reopen(session, vault, turn.chat_id))
        booking_id = chat.state.slots.get("met") if chat is not None else None
        return await self._booking.therapist_of(booking_id) if isinstance(booking_id, str) else None

    async def _text(self, turn: Turn, message: str | None) -> str:
        if not message:
            return ""
        vault = self._house.vault
        words = await self._house.db.read(lambda s: repository.words_of(s, vault, turn.chat_id, [message]))
        return " ".join(words)

    async def _with_other_times(self, error: DomainError, turn: Turn) -> DomainError:
        if error.code in ("taken", "hold_expired"):
            offer = await self._booking.offer()
            error.extra["times"] = [self._time(time, turn) for time in offer.times]
        return error

    def _time(self, time: FreeTime, turn: Turn) -> dict[str, Any]:
        return {"slot": time.slot, "label": self._label(time, turn), "start": time.start.isoformat()}

    def _label(self, time: FreeTime, turn: Turn) -> str:
        return when(self._house.phrases, time.start, self._house.clock.now(), turn.reader)
