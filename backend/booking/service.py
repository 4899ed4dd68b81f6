"""Use cases of booking: hold, confirm, and what staff may open.

`backend.booking.offering` knows what is free, `backend.booking.changes` what can happen to a booked talk.

Each use case is one transaction. Where two people want the same time, the
database's key decides; the loser's work is undone and run again, and then sees
that the time is gone.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Literal

import msgspec
from sqlalchemy.orm import Session

from backend.alerts import service as alerts
from backend.alerts.service import AlertDesk
from backend.booking import notices, repository, rules
from backend.booking.changes import Changed, Changes
from backend.booking.lifecycle import BOOKED, CANCELLED, HELD
from backend.booking.notices import Reminder
from backend.booking.offering import Asked, Offer, Offering, drop_expired
from backend.booking.promise import Promise
from backend.booking.races import LostRace, contend
from backend.booking.safe import CHOICES, Safe
from backend.booking.schedule import ScheduleDesk
from backend.booking.tables import Booking
from backend.booking.video import room
from backend.core import audit, codes, webhooks
from backend.core.audit import Tag
from backend.core.db import together
from backend.core.errors import AlreadyBooked, HoldExpired, InvalidField, NotFound, Taken
from backend.core.house import House
from backend.core.idempotency import Key, claim, recall
from backend.core.people import StaffMember
from backend.core.phone import hidden, parse_phone
from backend.core.reader import Reader
from backend.core.vault import new_id

__all__ = ["BookingDesk", "BookingView", "Changed", "Confirmed", "Details", "Held", "StaffBooking"]

_BATCH = 500
_MOST_HOLDERS = 10_000


@dataclass(frozen=True, slots=True)
class Held:
    """A time kept for one person until ``until``; ``channels`` are those it can be booked for."""

    booking_id: str
    start: datetime
    therapist: str
    until: datetime
    minutes: int
    channels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Details:
    """What the person adds when confirming. ``phone`` is required for a phone talk and otherwise not kept.

    ``call_me`` is what to call the person, real or made up; ``interpreter`` a language's code in
    ``interpreters.yml``. ``danger_level`` and ``danger_category`` say what the person's own words may
    mean, and ``rung`` that staff have been alerted of them already.
    """

    channel: str
    reader: Reader = field(default_factory=Reader)
    phone: str | None = None
    safe: Safe = field(default_factory=Safe)
    note: str | None = None
    call_me: str | None = None
    interpreter: str | None = None
    reminder: Reminder | None = None
    danger_level: str | None = None
    danger_category: str | None = None
    rung: bool = False


@dataclass(frozen=True, slots=True)
class Confirmed:
    """A booked talk. ``words`` is the return code until the person has said that it is saved.

    ``meeting_url`` is the therapist's room, for a video talk only. ``active`` is False for one that was cancelled since.
    """

    booking_id: str
    start: datetime
    end: datetime
    channel: str
    therapist: str
    receipt: str
    words: str | None
    meeting_url: str | None = None
    active: bool = True
    unit: str = ""


@dataclass(frozen=True, slots=True)
class BookingView:
    """What a return code shows: the talk, and of what the person has told us only which number we call, half hidden.

    ``meeting_url`` is there while a video talk stands, ``calls`` while a phone talk does.
    """

    booking_id: str
    start: datetime
    end: datetime
    channel: str | None
    therapist: str
    therapist_id: str
    state: str
    reader: Reader = field(default_factory=Reader)
    meeting_url: str | None = None
    calls: str | None = None
    reminder: Reminder | None = None
    interpreter: str | None = None

    @property
    def active(self) -> bool:
        """Whether the talk is on."""
        return self.state == BOOKED


@dataclass(frozen=True, slots=True)
class StaffBooking:
    """A row in the therapist's list of the day."""

    booking_id: str
    start: datetime
    end: datetime
    channel: str
    reader: Reader
    therapist: str
    own: bool
    interpreter: str | None


class BookingDesk:
    """Everything that can be done with talks in one municipality.

    Raises the errors of `backend.core.errors`; when one is raised nothing has been stored.
    """

    def __init__(self, house: House) -> None:
        settings = house.municipality.booking
        self._house = house
        self._db = house.db
        self._settings = settings
        self._offering = Offering(house)
        self.promise = Promise(house, self._offering)
        self.schedules = ScheduleDesk(house, self._offering)
        self.changes = Changes(house)
        self.cancel = self.changes.cancel
        self.askable = self._offering.askable
        self._alerts = AlertDesk(house)
        # Whoever was given a hold here has one, as good as always: no look at the database is needed before a code
        # is made for them. It is a hint and no more; what is in the database decides.
        self._holders: set[str] = set()

    @property
    def enabled(self) -> bool:
        """Whether the municipality takes bookings at all."""
        return self._settings.enabled

    @property
    def channels(self) -> tuple[str, ...]:
        """The ways to meet that the municipality has opened."""
        return tuple(self._settings.channels)

    async def offer(
        self,
        channel: str | None = None,
        wanted: rules.Wanted | None = None,
        skip: int = 0,
        limit: int | None = None,
        *,
        holder: str | None = None,
        wish: rules.Wish | None = None,
        acute: bool = False,
        counted: str | None = None,
    ) -> Offer:
        """See `Offering.offer`. ``counted`` is who asks (a chat, a form), where somebody waits for an answer:
        the promise of a time is measured by it, and the manager is told when it cannot be kept.
        """
        offer = await self._offering.offer(channel, wanted, skip, limit, holder=holder, wish=wish, acute=acute)
        if counted is not None:
            await self.promise.count(counted, Asked(channel, wish or rules.ANYBODY, acute), offer)
        return offer

    async def hold(self, holder: str, slot: str, *, key: Key | None = None) -> Held:
        """Keep a time for ``holder`` for five minutes, and let go of what they held before.

        The same ``key`` gives the same hold, or `Taken` when that is gone. Raises `Taken` when
        nobody is free then any more, `AlreadyBooked` when the holder has a confirmed talk ahead,
        and `InvalidField` for a slot that never was a time.
        """
        wanted = self._offering.read(slot)

        def work(session: Session) -> Held:
            now = self._house.clock.now()
            booking_id = new_id()
            earlier = claim(session, key, booking_id, now)
            mine = repository.active_of(session, holder, adding=True)
            if earlier is not None:
                if mine is None or mine.id != earlier or mine.hold_until is None:
                    raise Taken
                return self._as_held(session, mine, mine.hold_until, now)
            if mine is not None and mine.state == BOOKED and mine.end_at > now:
                raise AlreadyBooked
            if mine is not None:
                self._let_go(session, mine, now)
            try:
                day, place = self._offering.take(session, wanted, now)
            except Taken:
                if mine is None and repository.active_by(session, holder) is not None:
                    raise LostRace from None  # another window of theirs was first, perhaps with this very time
                raise
            until = now + timedelta(minutes=self._settings.hold_minutes)
            values = {
                "id": booking_id,
                "holder": holder,
                "therapist_id": place.therapist,
                "start_at": wanted.start,
                "end_at": place.end,
                "state": HELD,
                "hold_until": until,
                "channel": wanted.channel,
                "wish": wanted.wish.told or None,
                "lang": "sv",
                "created_at": now,
            }
            with together(session):
                repository.add(session, values, place.cells)
                audit.record(session, now, Tag.BOOKING_HELD, booking_id)
            return Held(
                booking_id=booking_id,
                start=wanted.start,
                therapist=place.name,
                until=until,
                minutes=self._settings.hold_minutes,
                channels=self._offering.channels_at(session, wanted.start, place.channels, now, wanted.wish, day=day),
            )

        held = await contend(self._db, work)
        if len(self._holders) >= _MOST_HOLDERS:
            self._holders.clear()
        self._holders.add(holder)
        return held

    async def confirm(
        self,
        holder: str,
        details: Details,
        *,
        receipt: str | None = None,
        slot: str | None = None,
        key: Key | None = None,
    ) -> Confirmed:
        """Book the time that ``holder`` holds, with a return code, in one transaction.

        A second confirmation by the same holder gives the same booking back; with a ``key`` it
        must be the same confirmation, or `KeyReused` is raised. A hold whose minutes have
        passed is still good while nobody else has wanted the time. ``slot``, if given, is the
        time that the person was shown; holding another one by now (a second window) counts as
        expired. Raises `HoldExpired`; `Taken` when whoever was to hold the talk has left and
        nobody else is free then; `InvalidField` for the slot, the phone number, the channel, the
        reminder or a phone talk that is not safe.
        """
        if holder not in self._holders:
            existing = await self._db.read(lambda session: self._before(session, holder, key))
            if existing is not None:
                return existing
        details = self._checked(details)
        shown = self._offering.read(slot).start if slot else None
        code = await self._house.codes.new()
        receipt = receipt or new_id()

        def work(session: Session) -> Confirmed:
            now = self._house.clock.now()
            if (earlier := self._again(session, claim(session, key, receipt, now))) is not None:
                return earlier
            found = repository.active_with(session, holder)
            if found is None:
                raise HoldExpired
            booking, therapist = found
            if booking.state == BOOKED:
                return self._confirmed(session, booking)
            if booking.start_at <= now or shown not in (None, booking.start_at):
                raise HoldExpired
            therapist, end = self._therapist_for(session, booking, therapist, details.channel, now)
            values = self._sealed(booking.id, details)
            values |= {"therapist_id": therapist.id, "end_at": end, "state": BOOKED, "hold_until": None}
            values |= {"receipt": receipt, "confirmed_at": now}
            with together(session):
                repository.change(session, booking.id, **values)
                codes.issue(session, self._house.vault, code, receipt, "booking", booking.id, now)
                audit.record(session, now, Tag.BOOKING_CONFIRMED, booking.id)
                webhooks.announce(session, self._house, now, "booking.confirmed", booking.id)
                self.promise.booked(session, holder, booking.id)
                notices.tell(session, self._house, therapist, booking.id, now)
            if details.reminder is not None:
                start, reader = booking.start_at, details.reader
                notices.remind(session, self._house, booking.id, start, details.reminder, reader, now)
            self._ring(session, booking.id, details, therapist, now)
            return Confirmed(
                booking.id,
                booking.start_at,
                end,
                details.channel,
                therapist.first_name,
                receipt,
                code.words,
                room(self._house, booking.id, details.channel, therapist.meeting_url),
                unit=therapist.unit,
            )

        booked = await contend(self._db, work)
        self._holders.discard(holder)
        notices.publish(self._house, booked.unit, booked.booking_id)
        return booked

    def book_for(
        self, session: Session, slot: str, details: Details, receipt: str, now: datetime, *, actor: str
    ) -> str:
        """Book a time for somebody who has waited for one, in the caller's transaction; returns the booking's id.

        Their code, ``receipt``, is theirs already. Raises `Taken`, and `InvalidField` for the slot or the channel.
        """
        details = self._checked(details)
        wanted = replace(self._offering.read(slot), channel=details.channel)
        _, place = self._offering.take(session, wanted, now)
        booking_id = new_id()
        values: dict[str, object] = {
            "id": booking_id,
            "holder": f"code:{receipt}",
            "therapist_id": place.therapist,
            "start_at": wanted.start,
            "end_at": place.end,
            "state": BOOKED,
            "receipt": receipt,
            "created_at": now,
            "confirmed_at": now,
        }
        repository.add(session, values | self._sealed(booking_id, details), place.cells)
        audit.record(session, now, Tag.BOOKING_CONFIRMED, booking_id, actor=actor)
        webhooks.announce(session, self._house, now, "booking.confirmed", booking_id)
        notices.tell(session, self._house, repository.colleague(session, place.therapist), booking_id, now)
        return booking_id

    async def booked(self, holder: str) -> Confirmed | None:
        """The talk that ``holder`` has booked, or None."""

        def work(session: Session) -> Confirmed | None:
            booking = repository.booked_by(session, holder)
            return self._confirmed(session, booking) if booking is not None else None

        return await self._db.read(work)

    async def saved(self, holder: str) -> None:
        """The person has saved the code of the booking they just made: forget the words."""

        def work(session: Session) -> None:
            booking = repository.active_of(session, holder)
            if booking is not None and booking.receipt is not None:
                codes.mark_saved(session, booking.receipt)

        await self._db.write(work)

    async def release(self, holder: str, *, key: Key | None = None) -> None:
        """Let go of a hold; a confirmed booking stays. The same ``key`` lets go once, and not of what was held since."""

        def work(session: Session) -> None:
            now = self._house.clock.now()
            if claim(session, key, "", now) is not None:
                return
            mine = repository.active_of(session, holder)
            if mine is not None and mine.state == HELD:
                self._let_go(session, mine, now)

        await self._db.write(work)

    async def find(self, booking_id: str) -> BookingView:
        """A booking for whoever has its code; raises `NotFound`."""

        def work(session: Session) -> BookingView:
            booking = session.get(Booking, booking_id)
            if booking is None:
                raise NotFound
            therapist = repository.colleague(session, booking.therapist_id)
            stands = booking.state == BOOKED
            phone = self._open(booking, "phone") if stands else None
            return BookingView(
                booking.id,
                booking.start_at,
                booking.end_at,
                booking.channel,
                therapist.first_name,
                therapist.id,
                booking.state,
                _reader(booking),
                room(self._house, booking.id, booking.channel, therapist.meeting_url) if stands else None,
                hidden(phone) if phone is not None else None,
                notices.reminder_of(self._house, booking),
                booking.interpreter,
            )

        return await self._db.read(work)

    async def therapist_of(self, booking_id: str) -> str | None:
        """Who has the talk, still employed; None for a booking that is gone."""

        def look(session: Session) -> str | None:
            booking = repository.by_id(session, booking_id)
            return booking.therapist_id if booking is not None else None

        return await self._db.read(look)

    async def held(self, holder: str) -> Held | None:
        """The hold that ``holder`` has and could confirm now, or None."""

        def work(session: Session) -> Held | None:
            now = self._house.clock.now()
            booking = repository.held_by(session, holder)
            if booking is None or booking.hold_until is None or booking.start_at <= now:
                return None
            return self._as_held(session, booking, booking.hold_until, now)

        return await self._db.read(work)

    async def release_expired(self) -> int:
        """Clear holds that ran out so long ago that nobody is still filling in the form; returns how many.

        Times are free from the minute a hold runs out: whoever wants one clears it. This only sweeps up.
        """
        now = self._house.clock.now()
        limit = now - timedelta(hours=self._house.municipality.retention.held_time_hours)

        def work(session: Session) -> int:
            due = repository.expired_before(session, limit, _BATCH)
            return len(drop_expired(session, due, now))

        return await self._db.write(work)

    async def purge(self) -> int:
        """Delete talks past the municipality's retention, and traces of times let go; returns how many rows went."""
        now = self._house.clock.now()
        keep = self._house.municipality.retention

        def work(session: Session) -> int:
            repository.forget_holders(session, now)
            return repository.purge(
                session,
                now - timedelta(hours=keep.booking_hours),
                now - timedelta(hours=keep.held_time_hours),
                _BATCH,
            )

        gone = 0
        while batch := await self._db.write(work):
            gone += batch
        return gone

    async def list_for(self, staff: StaffMember, day: date) -> list[StaffBooking]:
        """Talks on a local day that ``staff`` may know of, earliest first. Nothing that was written is opened."""
        begin, end = rules.instant(day, 0), rules.instant(day, 24 * 60)

        def work(session: Session) -> list[StaffBooking]:
            rows = session.execute(
                repository.readable_by(staff)
                .where(Booking.start_at >= begin, Booking.start_at < end)
                .order_by(Booking.start_at, Booking.id)
            )
            return [
                StaffBooking(
                    booking.id,
                    booking.start_at,
                    booking.end_at,
                    booking.channel or "",
                    _reader(booking),
                    first_name,
                    booking.therapist_id == staff.id,
                    booking.interpreter,
                )
                for booking, first_name, _ in rows
            ]

        return await self._db.read(work)

    async def readable(self, staff: StaffMember, booking_ids: Collection[str]) -> set[str]:
        """Those of the bookings that ``staff`` may open."""
        if not booking_ids:
            return set()
        return await self._db.read(lambda session: repository.readable_of(session, staff, booking_ids))

    def _therapist_for(
        self,
        session: Session,
        booking: repository.Owned,
        therapist: repository.Colleague | None,
        channel: str,
        now: datetime,
    ) -> tuple[repository.Colleague, datetime]:
        """``therapist``, or a colleague free then if they cannot meet in ``channel`` or have left; and when the talk
        ends. Raises `InvalidField` and `Taken`."""
        if therapist is not None and channel in therapist.channels:
            return therapist, booking.end_at
        place = next(iter(self._offering.instead(session, booking.start_at, channel, now, booking.wish)), None)
        if place is None:
            raise Taken if therapist is None else InvalidField("channel_unavailable", "channel")
        self._offering.clear(session, place, now)
        repository.vacate(session, [booking.id])
        repository.occupy(session, booking.id, place.therapist, place.cells)
        return repository.colleague(session, place.therapist), place.end

    def _before(self, session: Session, holder: str, key: Key | None) -> Confirmed | None:
        """What was confirmed already. Raises `HoldExpired` when there is nothing to confirm: a code costs time to make."""
        earlier = self._again(session, recall(session, key))
        if earlier is not None:
            return earlier
        active = repository.active_by(session, holder)
        if active is None:
            raise HoldExpired
        return self._confirmed(session, active) if active.state == BOOKED else None

    def _again(self, session: Session, receipt: str | None) -> Confirmed | None:
        """The booking that was made under ``receipt``, whatever has become of it."""
        booking = repository.by_receipt(session, receipt) if receipt is not None else None
        return self._confirmed(session, booking) if booking is not None else None

    def _as_held(self, session: Session, mine: repository.Owned, until: datetime, now: datetime) -> Held:
        therapist = repository.colleague(session, mine.therapist_id)
        return Held(
            mine.id,
            mine.start_at,
            therapist.first_name,
            until,
            self._settings.hold_minutes,
            self._offering.channels_at(session, mine.start_at, therapist.channels, now, mine.wish),
        )

    def _let_go(self, session: Session, mine: repository.Owned, now: datetime) -> None:
        if mine.state == BOOKED:
            repository.change(session, mine.id, holder=None)
            return
        repository.change(session, mine.id, state=CANCELLED, cancelled_at=now, holder=None)
        repository.vacate(session, [mine.id])
        audit.record(session, now, Tag.BOOKING_RELEASED, mine.id)

    def _checked(self, details: Details) -> Details:
        """What may be stored: a phone number and how to call it belong to phone talks only."""
        if details.channel not in self._settings.channels:
            raise InvalidField("channel_unavailable", "channel")
        if details.interpreter is not None and not self._house.tongues.interpreted(details.interpreter):
            raise InvalidField("invalid", "interpreter")
        for name, allowed in CHOICES.items():
            if getattr(details.safe, name, None) not in (None, *allowed):
                raise InvalidField("invalid", name)
        if details.reminder is not None:
            details = replace(details, reminder=notices.checked(self._house, details.reminder, details.phone))
        if details.channel != "phone":
            kept = Safe(sms_ok=details.safe.sms_ok, mail_ok=details.safe.mail_ok)
            return replace(details, phone=None, safe=kept)
        number = parse_phone(details.phone or "").e164
        if details.safe.call_ok == "no":
            raise InvalidField("call_not_safe", "call_ok")
        return replace(details, phone=number)

    def _sealed(self, booking_id: str, details: Details) -> dict[str, object]:
        """The columns that the person has filled, sealed where the words are theirs."""
        vault = self._house.vault
        data_key = vault.new_key()
        texts = {
            "phone": details.phone,
            "safe": msgspec.json.encode(details.safe).decode() if details.safe != Safe() else None,
            "note": details.note,
            "call_me": details.call_me,
            "reminder": msgspec.json.encode(details.reminder).decode() if details.reminder is not None else None,
        }
        values: dict[str, object] = {
            name: vault.seal(data_key, f"booking.{name}:{booking_id}", text) for name, text in texts.items() if text
        }
        reader = details.reader
        told = {
            "data_key": data_key,
            "channel": details.channel,
            "who": reader.who,
            "band": reader.band,
            "lang": reader.lang,
            "interpreter": details.interpreter,
            "danger_level": details.danger_level,
            "danger_category": details.danger_category,
        }
        return values | {name: value for name, value in told.items() if value is not None}

    def _open(self, booking: Booking, name: Literal["phone", "safe", "note", "call_me"]) -> str | None:
        sealed: bytes | None = getattr(booking, name)
        if sealed is None or booking.data_key is None:
            return None
        return self._house.vault.open(booking.data_key, f"booking.{name}:{booking.id}", sealed)

    def _ring(
        self,
        session: Session,
        booking_id: str,
        details: Details,
        therapist: repository.Colleague,
        now: datetime,
    ) -> None:
        if details.danger_level is None or details.rung:
            return
        danger = alerts.Danger(
            details.danger_level,
            details.danger_category or "",
            "booking",
            subject=booking_id,
            unit=therapist.unit,
            staff_id=therapist.id,
        )
        self._alerts.ring(session, danger, now)

    def _confirmed(self, session: Session, booking: repository.Owned) -> Confirmed:
        assert booking.channel is not None and booking.receipt is not None
        therapist = repository.colleague(session, booking.therapist_id)
        return Confirmed(
            booking.id,
            booking.start_at,
            booking.end_at,
            booking.channel,
            therapist.first_name,
            booking.receipt,
            codes.unsaved_words(session, self._house.vault, booking.receipt),
            room(self._house, booking.id, booking.channel, therapist.meeting_url) if booking.state == BOOKED else None,
            active=booking.state == BOOKED,
            unit=therapist.unit,
        )


def _reader(booking: Booking) -> Reader:
    return Reader.stored(booking.who, booking.band, booking.lang)
