"""With the six words in the chat: the talk they open is seen, moved, cancelled or booked again, without the assistant.

What each choice does is kept with the message as an action (``!times``, ``!hold``, ``!move``, ``!cancel``,
``!keep``) with a ticket of `backend.returning.tickets`: good for twenty minutes and only while the code is, so that
whoever picks up the phone later has to write the words again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from backend.booking.labels import when
from backend.booking.offering import FreeTime
from backend.booking.service import BookingDesk
from backend.chat.repository import Say
from backend.core.errors import Conflict, DomainError, HoldExpired, InvalidField, KeyReused, Taken, WrongCode
from backend.core.house import House
from backend.core.reader import Reader
from backend.returning.service import BookingSeen, Returning

DEEDS = ("times", "hold", "move", "cancel", "keep")
"""The names of the actions that are carried out here."""
REMIND = '/own{"deed":"remind"}'
"""The assistant's action that asks how the person wants to be reminded."""
_TOPIC = "booking_manage"
_LOST = (Taken, HoldExpired, InvalidField, KeyReused)
"""Errors after which other times are shown."""
Choice = tuple[str, str]


class OwnTime:
    """What the holder of a code may do with their talk from the chat's window."""

    def __init__(self, house: House, booking: BookingDesk, returning: Returning) -> None:
        self._house = house
        self._booking = booking
        self._returning = returning
        self._say = house.phrases.say

    def choices(self, seen: BookingSeen, reader: Reader) -> tuple[Choice, ...]:
        """The ways on from a talk that a code has opened."""
        ticket = seen.ticket
        if seen.can_move:
            reminded = self._returning.reminder_ways(seen, reader)
            return (
                (self._say("chat_time.move", reader), f"!times {ticket} 0"),
                (self._say("code.cancel", reader), f"!cancel {ticket}"),
                *([(self._say("my_time.reminder", reader), REMIND)] if reminded else []),
                (self._say("code.keep", reader), f"!keep {ticket}"),
            )
        return self._again(ticket, reader) if seen.can_rebook else ()

    async def after_saving(self, receipt: str, reader: Reader) -> tuple[Choice, ...]:
        """The way to be reminded of the talk whose code has just been saved, for whoever has said that they are old enough."""
        if reader.band is None:
            return ()
        try:
            seen = await self._returning.again(await self._returning.ticket_for(receipt))
        except WrongCode:  # the code of something else than a talk
            return ()
        if seen.booking.reminder is not None or not self._returning.reminder_ways(seen, reader):
            return ()
        return ((self._say("chat_reminder.offer", reader), REMIND),)

    async def do(self, deed: str, arguments: Sequence[str], reader: Reader, once: str) -> list[Say]:
        """Carry out one of `DEEDS` and say what came of it. ``once`` names the press: repeated, it changes nothing twice."""
        ticket, wish = [*arguments, "", ""][:2]
        try:
            if deed == "times":
                return await self._times(ticket, int(wish or 0), reader)
            if deed == "hold":
                return await self._hold(ticket, wish, reader)
            if deed == "move":
                return await self._move(ticket, wish, reader, once)
            if deed == "cancel":
                return await self._cancel(ticket, reader, once)
            return await self._keep(ticket, reader)
        except WrongCode:
            return [self._text("my_time.ticket_old", reader)]
        except Conflict:
            seen = await self._returning.again(ticket)
            text = f"{self._say('my_time.error.conflict', reader)} {self._returning.describe(seen, reader)}"
            return [Say("text", _TOPIC, text, None, self.choices(seen, reader))]

    async def _times(self, ticket: str, skip: int, reader: Reader, wrong: DomainError | None = None) -> list[Say]:
        """Free times in the way that was chosen for the talk. The time it has is not among them."""
        seen = await self._returning.again(ticket)
        if not (seen.can_move or seen.can_rebook):
            raise Conflict
        offer = await self._booking.offer(seen.booking.channel, skip=skip)
        times = [time for time in offer.times if not (seen.can_move and time.start == seen.booking.start)]
        key = "choose" if seen.can_move else "choose_again"
        if not times and offer.opens is not None:
            times, key = [offer.opens], "only_later"
        said = self._say(f"chat_time.{key}" if times else "chat_time.none", reader)
        if wrong is not None:
            own = f"my_time.error.{wrong.code}"
            said = self._say(own if own in self._house.phrases else f"error.{wrong.code}", reader)
        choices = [(self._label(time, reader), f"!hold {ticket} {time.slot}") for time in times]
        if offer.more:
            choices.append((self._say("times.more", reader), f"!times {ticket} {skip + len(offer.times)}"))
        elif skip:
            choices.append((self._say("chat_time.others", reader), f"!times {ticket} 0"))
        card = {"times": [{"label": self._label(time, reader)} for time in times]}
        return [Say("times", _TOPIC, said, card, (*choices, self._no(seen, reader)))]

    async def _hold(self, ticket: str, slot: str, reader: Reader) -> list[Say]:
        try:
            kept = await self._returning.keep(ticket, slot)
        except _LOST as error:
            return await self._times(ticket, 0, reader, error)
        seen = await self._returning.again(ticket)
        new = "" if seen.can_move else "_new"
        label = when(self._house.phrases, kept.start, self._house.clock.now(), reader)
        text = self._say(f"chat_time.sure{new}", reader, label=label, therapist=kept.therapist, minutes=kept.minutes)
        choices = (
            (self._say(f"chat_time.sure_yes{new}", reader), f"!move {ticket} {slot}"),
            (self._say("chat_time.others", reader), f"!times {ticket} 0"),
            self._no(seen, reader),
        )
        return [Say("text", _TOPIC, text, None, choices)]

    async def _move(self, ticket: str, slot: str, reader: Reader, once: str) -> list[Say]:
        try:
            moved = await self._returning.move(ticket, slot, once)
        except _LOST as error:
            return await self._times(ticket, 0, reader, error)
        label = when(self._house.phrases, moved.start, self._house.clock.now(), reader)
        return [self._text("my_time.moved", reader, label=label, therapist=moved.therapist)]

    async def _cancel(self, ticket: str, reader: Reader, once: str) -> list[Say]:
        try:
            done = await self._returning.cancel(ticket, once)
        except KeyReused:
            done = False
        key = "code.cancelled" if done else "code.already_cancelled"
        seen = await self._returning.again(ticket)
        if not done and seen.active:  # over: nothing to cancel any more
            raise Conflict
        return [Say("text", _TOPIC, self._say(key, reader), None, self._again(ticket, reader))]

    async def _keep(self, ticket: str, reader: Reader) -> list[Say]:
        seen = await self._returning.again(ticket)
        await self._returning.let_go(ticket)
        return [self._text("code.kept" if seen.can_move else "chat_time.not_booked", reader)]

    def _again(self, ticket: str, reader: Reader) -> tuple[Choice, ...]:
        return ((self._say("chat_time.rebook", reader), f"!times {ticket} 0"),)

    def _no(self, seen: BookingSeen, reader: Reader) -> Choice:
        key = "code.keep" if seen.can_move else "chat_time.no_new"
        return self._say(key, reader), f"!keep {seen.ticket}"

    def _label(self, time: FreeTime, reader: Reader) -> str:
        return when(self._house.phrases, time.start, self._house.clock.now(), reader)

    def _text(self, key: str, reader: Reader, **values: Any) -> Say:
        return Say("text", _TOPIC, self._say(key, reader, **values))
