"""What the assistant's actions may ask of the backend, during a turn and on behalf of its chat.

Two locks: the shared token says that the caller is our action server, and the
turn's token says that a person is waiting for this very turn. Everything is
checked again here; an action's word is a proposal.

Whatever changes something carries an ``Idempotency-Key``, which is kept in the transaction of the deed
(`backend.core.idempotency`): a call that was repeated because its answer got lost does nothing twice. What is done
with a talk that is booked already goes by a ticket, which whoever has written its code, or booked it a moment
ago, has been given.
"""

from __future__ import annotations

import hmac
import json as stdlib_json
from datetime import datetime, time
from typing import Any

import msgspec
from sanic import Blueprint, HTTPResponse, Request, Sanic, json
from sanic_ext import openapi

from backend.booking import notices
from backend.booking import safe as booking_safe
from backend.booking.callbacks import CallbackDesk, Reach
from backend.booking.callbacks import Request as CallRequest
from backend.booking.labels import when
from backend.booking.notices import Reminder
from backend.booking.offering import FreeTime
from backend.booking.rules import Gender, Wanted, Wish
from backend.booking.safe import IfMissed, ReminderWay, Yes, YesUnsure
from backend.booking.service import BookingDesk, BookingView, Changed, Details
from backend.chat import repository
from backend.chat.turns import Issued, Turn, Turns
from backend.core.duty import Duty
from backend.core.errors import DomainError, InvalidField, MalformedRequest, NotFound
from backend.core.house import House
from backend.core.idempotency import Key, key_for
from backend.core.phone import parse_mobile, parse_phone
from backend.returning.service import BookingSeen, Returning
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
    """The message in which a number to call was written, or a number or an address to be reminded at."""

    message: str
    by: ReminderWay | None = None


class Safe(msgspec.Struct):
    """Safe-contact answers (`backend.booking.safe`); own words, ``if_other_answers`` and ``not_told``, are named by
    their message."""

    call_ok: YesUnsure | None = None
    if_other_answers: str | None = None
    leave_message: Yes | None = None
    others_answer: YesUnsure | None = None
    if_missed: IfMissed | None = None
    not_told: str | None = None
    they_know: YesUnsure | None = None


class RemindRequest(msgspec.Struct):
    """How to be reminded, None not at all; ``to`` is the message with the number or address, None the number we call."""

    by: ReminderWay | None = None
    to: str | None = None


class BookingRequest(msgspec.Struct):
    """How the held time is to be used."""

    channel: str
    contact: str | None = None
    safe: Safe | None = None
    interpreter: str | None = None
    reminder: RemindRequest | None = None


class CallbackRequest(msgspec.Struct):
    """That somebody is to be in touch: by ``phone``, or with the ``code`` that the person comes back with."""

    reach: Reach
    contact: str | None = None
    safe: Safe | None = None
    interpreter: str | None = None


class TicketRequest(msgspec.Struct):
    """A talk that is booked already."""

    ticket: str


class MoveRequest(TicketRequest):
    """Another time for it."""

    slot: str


class ReminderRequest(TicketRequest):
    """Another way to be reminded of it."""

    reminder: RemindRequest | None = None


class ConcernRequest(msgspec.Struct):
    """A concern as the form has gathered it: messages by id, answers by code."""

    parts: list[str]
    about: str | None = None
    now: str | None = None
    reach: str = "code"
    contact: str | None = None
    safe: Safe | None = None
    interpreter: str | None = None


class DraftRequest(msgspec.Struct):
    """What has been told so far, to be kept unsent: messages by id, and the answers there are."""

    parts: list[str]
    about: str | None = None
    now: str | None = None
    interpreter: str | None = None


def setup(
    app: Sanic, house: House, turns: Turns, booking: BookingDesk, stories: StoryDesk, returning: Returning
) -> None:
    """Register ``/internal``; without both tokens it answers like a page that does not exist."""
    bp = Blueprint("internal", url_prefix="/internal")
    calls = _Calls(house, booking, stories, returning)

    def route(name: str, shape: type[Any], call: Any, *, writes: bool = False) -> None:
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
                if writes:
                    given = request.headers.get("idempotency-key")
                    key = key_for(house.settings.code_pepper, f"turn:{name}:{turn.chat_id}", given, _body(body))
                    if key is None:
                        raise MalformedRequest
                    result = await call(turn, body, key)
                else:
                    result = await call(turn, body)
            return json(result) if result is not None else HTTPResponse(status=204)

    route("times", TimesRequest, calls.times)
    route("holds", HoldRequest, calls.hold, writes=True)
    route("contact", ContactRequest, calls.contact)
    route("bookings", BookingRequest, calls.book, writes=True)
    route("release", msgspec.defstruct("Nothing", []), calls.release, writes=True)
    route("callbacks", CallbackRequest, calls.call_back, writes=True)
    route("concerns", ConcernRequest, calls.send_concern, writes=True)
    route("drafts", DraftRequest, calls.keep_draft, writes=True)
    route("own", TicketRequest, calls.own)
    route("moves", MoveRequest, calls.move, writes=True)
    route("cancellations", TicketRequest, calls.cancel, writes=True)
    route("reminders", ReminderRequest, calls.remind, writes=True)
    app.blueprint(bp)


def _body(body: Any) -> dict[str, Any]:
    built: dict[str, Any] = msgspec.to_builtins(body)
    # A ticket is written anew whenever it is asked for; which talk it names is in the key that the deed makes.
    return {name: value for name, value in built.items() if name != "ticket"}


class _Calls:
    def __init__(self, house: House, booking: BookingDesk, stories: StoryDesk, returning: Returning) -> None:
        self._house = house
        self._booking = booking
        self._callbacks = CallbackDesk(house, booking)
        self._returning = returning
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
        danger = await self._danger(turn)
        return danger is not None and danger.level in ("A0", "A1")

    async def _danger(self, turn: Turn) -> repository.Danger | None:
        """The nearest danger that has been told in this chat and not taken back."""

        def look(session: Any) -> repository.Danger | None:
            chat = repository.reopen(session, self._house.vault, turn.chat_id)
            return repository.worst_danger(session, turn.chat_id, chat.corrected if chat else frozenset())

        return await self._house.db.read(look)

    async def hold(self, turn: Turn, wish: HoldRequest, key: Key) -> dict[str, Any]:
        """Keep a time while the person decides. ``channels`` are the ways it can be booked for."""
        try:
            held = await self._booking.hold(turn.holder, wish.slot, key=key)
        except DomainError as error:
            raise await self._with_other_times(error, turn) from None
        return {
            "label": self._when(held.start, turn),
            "therapist": held.therapist,
            "minutes": held.minutes,
            "channels": list(held.channels),
        }

    async def contact(self, turn: Turn, wish: ContactRequest) -> dict[str, Any]:
        """Whether a message holds a number that can be called or take a text message, or a mail address.

        Only what one's own is known by goes back.
        """
        text = await self._text(turn, wish.message)
        if wish.by == "mail":
            return {"ok": True, "display": notices.masked_address(notices.address_in(text))}
        phone = parse_mobile(text) if wish.by == "sms" else parse_phone(text)
        return {"ok": True, "display": phone.display}

    async def book(self, turn: Turn, wish: BookingRequest, key: Key) -> dict[str, Any]:
        """Confirm the held time. What the chat's words may mean comes along, for whoever will meet the person."""
        danger = await self._danger(turn)
        details = Details(
            channel=wish.channel,
            reader=turn.reader,
            phone=await self._text(turn, wish.contact) or None,
            safe=await self._safe(turn, wish.safe),
            interpreter=wish.interpreter,
            reminder=await self._reminder(turn, wish.reminder),
            danger_level=danger.level if danger is not None else None,
            danger_category=danger.category if danger is not None else None,
            rung=True,  # by the message itself, when it came
        )
        try:
            booked = await self._booking.confirm(turn.holder, details, key=key)
        except DomainError as error:
            raise await self._with_other_times(error, turn) from None
        label = self._when(booked.start, turn)
        facts = {
            "label": label,
            "channel": self._channel(booked.channel, turn),
            "therapist": booked.therapist,
            "room": booked.meeting_url or "",
            "place": self._house.municipality.booking.visit_at if booked.channel == "visit" else "",
        }
        turn.issued[booked.receipt] = Issued(booked.receipt, "booking", facts)
        return {
            "label": label,
            "channel": booked.channel,
            "therapist": booked.therapist,
            "receipt": booked.receipt,
            "ticket": await self._returning.ticket_for(booked.receipt),
        }

    async def release(self, turn: Turn, _wish: object, key: Key) -> None:
        """Let a held time go."""
        await self._booking.release(turn.holder, key=key)

    async def call_back(self, turn: Turn, wish: CallbackRequest, key: Key) -> dict[str, Any]:
        """Promise that somebody is in touch before a deadline."""
        danger = await self._danger(turn)
        request = CallRequest(
            reach=wish.reach,
            phone=await self._text(turn, wish.contact) or None,
            safe=await self._safe(turn, wish.safe),
            reader=turn.reader,
            interpreter=wish.interpreter,
            danger_level=danger.level if danger is not None else None,
            danger_category=danger.category if danger is not None else None,
            rung=True,
        )
        promised = await self._callbacks.ask(turn.holder, request, key=key)
        deadline = self._when(promised.deadline, turn)
        turn.issued[promised.receipt] = Issued(promised.receipt, "callback", {"deadline": deadline})
        return {"deadline": deadline, "reach": promised.reach, "receipt": promised.receipt}

    async def own(self, turn: Turn, wish: TicketRequest) -> dict[str, Any]:
        """The talk behind a ticket, and what can be done with it now."""
        seen = await self._returning.again(wish.ticket)
        return {
            **self._talk(seen.booking, turn),
            "can_move": seen.can_move,
            "can_rebook": seen.can_rebook,
            "reminder": self._reminding(seen, turn),
        }

    def _reminding(self, seen: BookingSeen, turn: Turn) -> dict[str, Any] | None:
        """How one may be reminded of a talk, how one is (``by``), and word for word what is sent; None if one may not.

        ``known``: the number that we call, which can be used.
        """
        ways = self._returning.reminder_ways(seen, turn.reader)
        if not ways:
            return None
        says, due = notices.preview(self._house, seen.booking.start, seen.booking.reader)
        wanted = seen.booking.reminder
        return {
            "ways": list(ways),
            "by": wanted.by if wanted is not None else None,
            "known": seen.booking.calls,
            "says": says,
            "at": self._when(due, turn),
        }

    async def move(self, turn: Turn, wish: MoveRequest, key: Key) -> dict[str, Any]:
        """Give it another time, or a new one if it was cancelled or missed; the code stays."""
        try:
            moved = await self._returning.move(wish.ticket, wish.slot, key.key)
        except DomainError as error:
            raise await self._with_other_times(error, turn) from None
        return self._talk(moved, turn)

    async def cancel(self, _turn: Turn, wish: TicketRequest, key: Key) -> dict[str, Any]:
        """Let its time go. False when it was cancelled before, or is over."""
        return {"cancelled": await self._returning.cancel(wish.ticket, key.key)}

    async def remind(self, turn: Turn, wish: ReminderRequest, key: Key) -> None:
        """Change whether and how the person is reminded. Raises `InvalidField` for whom nothing is sent to."""
        wanted = await self._reminder(turn, wish.reminder)
        await self._returning.remind(wish.ticket, wanted, key.key, reader=turn.reader)

    async def send_concern(self, turn: Turn, wish: ConcernRequest, _key: Key) -> dict[str, Any]:
        """Send a story in the person's own words, as this chat has stored them: each message is a part.

        Its key is which messages it is made of: also in a later turn the same words are sent once.
        """
        words, danger, shown = await self._told(turn, wish.parts)
        safe = await self._safe(turn, wish.safe)
        answers = {name: getattr(safe, name) for name in ("call_ok", "leave_message", "if_other_answers")}
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
                shown=shown,
                chat_id=turn.chat_id,
                key=".".join(wish.parts),
                interpreter=wish.interpreter,
            )
        )
        turn.issued[sent.receipt] = Issued(sent.receipt, "concern", {"unit": sent.unit_name})
        return {"receipt": sent.receipt, "unit": sent.unit_name}

    async def keep_draft(self, turn: Turn, wish: DraftRequest, key: Key) -> dict[str, Any]:
        """Keep what has been told so far, unsent, with six words to go on with.

        The call's key makes the draft: in a later turn it is another one, so that what the person has
        changed meanwhile on a page is never written over.
        """
        words, _, shown = await self._told(turn, wish.parts)
        kept = await self._stories.keep(
            Telling(
                pieces=[Piece(text) for text in words],
                about=wish.about,
                now=wish.now,
                reader=turn.reader,
                shown=shown,
                chat_id=turn.chat_id,
                key=key.key,
                interpreter=wish.interpreter,
            )
        )
        turn.issued[kept.receipt] = Issued(kept.receipt, "draft", {"span": self._stories.kept_for(turn.reader)})
        return {"receipt": kept.receipt}

    async def _told(self, turn: Turn, parts: list[str]) -> tuple[list[str], repository.Danger | None, str]:
        """The chat's own messages word for word, the nearest danger told, and which first screen was shown.

        Raises `InvalidField` when there are no words, or they were asked for before anybody had said who reads.
        """
        vault = self._house.vault

        def gather(session: Any) -> tuple[list[str], repository.Danger | None, str | None]:
            words = repository.words_of(session, vault, turn.chat_id, parts)
            chat = repository.reopen(session, vault, turn.chat_id)
            corrected = chat.corrected if chat else frozenset()
            danger = repository.worst_danger(session, turn.chat_id, corrected)
            return words, danger, chat.consent_version if chat else None

        words, danger, shown = await self._house.db.read(gather)
        if not words or shown is None:
            raise InvalidField("empty", "parts")
        return words, danger, shown

    async def _met(self, turn: Turn) -> str | None:
        """The therapist of the booking whose code was last written in this chat, or None."""
        vault = self._house.vault
        chat = await self._house.db.read(lambda session: repository.reopen(session, vault, turn.chat_id))
        booking_id = chat.state.slots.get("met") if chat is not None else None
        return await self._booking.therapist_of(booking_id) if isinstance(booking_id, str) else None

    async def _safe(self, turn: Turn, safe: Safe | None) -> booking_safe.Safe:
        """The answers as they are stored, own words read from the chat's own copy."""
        given = {name: getattr(safe, name) for name in safe.__struct_fields__} if safe is not None else {}
        for name in booking_safe.TEXTS:
            given[name] = await self._text(turn, given.get(name)) or None
        return booking_safe.Safe(**given)

    async def _reminder(self, turn: Turn, wish: RemindRequest | None) -> Reminder | None:
        if wish is None or wish.by is None:
            return None
        text = await self._text(turn, wish.to)
        return Reminder(wish.by, notices.address_in(text) if wish.by == "mail" else text)

    def _talk(self, talk: BookingView | Changed, turn: Turn) -> dict[str, Any]:
        return {
            "label": self._when(talk.start, turn),
            "channel": talk.channel,
            "therapist": talk.therapist,
            "state": talk.state,
        }

    def _when(self, moment: datetime, turn: Turn) -> str:
        return when(self._house.phrases, moment, self._house.clock.now(), turn.reader)

    def _channel(self, channel: str, turn: Turn) -> str:
        return self._house.phrases.say(f"summary.channel.{channel}", turn.reader).lower()

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
        return self._when(time.start, turn)
