"""What happens to a booked talk: it is moved, handed over, cancelled, booked again, missed or held.

Each change is one transaction: the deed, its trace, its notice and its idempotency key
are kept together or not at all. A talk that moves takes its new cells before it gives
up the old ones, so that whoever loses the new time still has the old one, and so that
two who swap times never wait for each other.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from backend.booking import notices, repository
from backend.booking.attending_rules import CAME_BACK
from backend.booking.lifecycle import BOOKED, CANCELLED, HELD, Deed, after
from backend.booking.notices import Reminder
from backend.booking.offering import Offering, Place, drop_expired
from backend.booking.races import contend
from backend.booking.rules import Slot
from backend.booking.tables import Booking
from backend.core import audit, webhooks
from backend.core.audit import Tag
from backend.core.errors import Conflict, InvalidField, NotFound, Taken
from backend.core.house import House
from backend.core.idempotency import Key, claim, recall
from backend.core.people import StaffMember
from backend.core.vault import new_id

VISITOR = "visitor"
_TAGS = {Deed.MOVE: Tag.BOOKING_MOVED, Deed.REBOOK: Tag.BOOKING_REBOOKED}


@dataclass(frozen=True, slots=True)
class Changed:
    """A talk as it stands after a change. ``therapist`` is a first name, ``unit`` theirs."""

    booking_id: str
    start: datetime
    end: datetime
    channel: str
    therapist: str
    state: str
    unit: str


@dataclass(frozen=True, slots=True)
class Kept:
    """Another time, kept for ``minutes`` while its holder makes up their mind; the talk still has the old one."""

    start: datetime
    therapist: str
    minutes: int


class Changes:
    """Changes of talks in one municipality. When an error is raised, nothing has changed.

    ``key`` makes a repeated request harmless: the same key gives the talk as the first
    request left it (or as it stands now), and another body under the same key `KeyReused`.
    """

    def __init__(self, house: House) -> None:
        self._house = house
        self._db = house.db
        self._offering = Offering(house)

    async def keep(self, booking_id: str, slot: str) -> Kept:
        """Hold another time for a talk that can be moved or booked again, and let go of one held for it before.

        For everybody else it is taken until the minutes have passed. Raises `NotFound`, `Conflict`,
        `Taken` and `InvalidField` as `move`; then nothing is held that was not.
        """
        wanted = self._offering.read(slot)
        minutes = self._house.municipality.booking.hold_minutes

        def work(session: Session) -> Kept:
            now = self._house.clock.now()
            booking = _locked(session, booking_id)
            _check_movable(booking, now)
            self._let_go(session, booking_id, now)
            place = self._place(session, booking, wanted, now)
            own = set(repository.cells_of(session, booking_id)) if place.therapist == booking.therapist_id else set()
            held = {
                "id": new_id(),
                "holder": _mover(booking_id),
                "therapist_id": place.therapist,
                "start_at": wanted.start,
                "end_at": place.end,
                "state": HELD,
                "hold_until": now + timedelta(minutes=minutes),
                "channel": booking.channel,
                "lang": booking.lang,
                "created_at": now,
            }
            repository.add(session, held, set(place.cells) - own)
            audit.record(session, now, Tag.BOOKING_HELD, str(held["id"]))
            return Kept(wanted.start, place.name, minutes)

        return await contend(self._db, work)

    async def let_go(self, booking_id: str) -> None:
        """The talk keeps its time: a time that was held for it is free again."""
        await self._db.write(lambda session: self._let_go(session, booking_id, self._house.clock.now()))

    async def move(self, booking_id: str, slot: str, *, key: Key | None = None) -> Changed:
        """Give a talk that lies ahead another time, with the same therapist if free then, and the same code.

        Raises `NotFound`, `Conflict` when it can no longer be moved, `Taken` when the new
        time is gone (the old one stays), and `InvalidField` for a slot that is no time.
        """
        return await self._to_another_time(Deed.MOVE, booking_id, slot, key, lambda session: None)

    async def rebook(self, booking_id: str, slot: str, *, key: Key | None = None) -> Changed:
        """Give a talk that was cancelled or missed a new time; its code opens it again. Raises as `move`."""
        return await self._to_another_time(Deed.REBOOK, booking_id, slot, key, lambda session: None)

    async def move_for(self, staff: StaffMember, booking_id: str, slot: str, *, key: Key | None = None) -> Changed:
        """`move`, or `rebook` of a missed talk, by somebody who may read it."""

        def allowed(session: Session) -> None:
            _check_readable(session, staff, booking_id)

        try:
            return await self._to_another_time(Deed.MOVE, booking_id, slot, key, allowed, actor=staff.id)
        except Conflict:
            return await self._to_another_time(Deed.REBOOK, booking_id, slot, key, allowed, actor=staff.id)

    async def reassign(
        self, staff: StaffMember, booking_id: str, to: str | None = None, *, key: Key | None = None
    ) -> Changed:
        """Hand a talk to a colleague at the same time; ``to`` None means whoever is on duty and has the fewest talks.

        A named colleague may be handed a talk outside their hours, since people agree on
        such things, but never two at once. Raises `NotFound` for a booking that is not
        theirs to read, `Taken` when the colleague (or everybody) is busy then,
        `InvalidField` for one who has left, takes no talks or cannot meet in the talk's
        channel, and `Conflict`.
        """

        def work(session: Session) -> Changed:
            now = self._house.clock.now()
            _check_readable(session, staff, booking_id)
            earlier = claim(session, key, booking_id, now)
            booking = _locked(session, booking_id)
            if earlier is not None or booking.therapist_id == to:
                return _changed(session, booking)
            state = after(booking.state, Deed.REASSIGN)
            if state is None or booking.end_at <= now:
                raise Conflict
            therapist_id = self._colleague_for(session, booking, to, now)
            own = repository.cells_of(session, booking_id)
            repository.occupy(session, booking_id, therapist_id, own)
            repository.keep_only(session, booking_id, therapist_id, own)
            before = repository.colleague(session, booking.therapist_id)
            booking.therapist_id, booking.state = therapist_id, state
            session.flush()
            audit.record(session, now, Tag.BOOKING_REASSIGNED, booking_id, actor=staff.id, detail=before.id)
            for each in (before, repository.colleague(session, therapist_id)):
                notices.tell(session, self._house, each, booking_id, now)
            return _changed(session, booking)

        return self._told(await contend(self._db, work))

    async def cancel(self, booking_id: str, *, actor: str = VISITOR, key: Key | None = None) -> bool:
        """Cancel a talk that lies ahead; its time can be booked by others at once.

        Returns False when it already was cancelled or is over. Raises `NotFound`.
        """
        return await self._cancel(booking_id, key, lambda session: None, actor)

    async def cancel_for(self, staff: StaffMember, booking_id: str, *, key: Key | None = None) -> bool:
        """`cancel`, by somebody who may read it."""
        return await self._cancel(
            booking_id, key, lambda session: _check_readable(session, staff, booking_id), staff.id
        )

    async def _cancel(self, booking_id: str, key: Key | None, allowed: Callable[[Session], None], actor: str) -> bool:
        def work(session: Session) -> tuple[bool, str]:
            now = self._house.clock.now()
            earlier = recall(session, key)
            if earlier is not None:
                return bool(earlier), ""
            allowed(session)
            booking = _locked(session, booking_id)
            therapist = repository.colleague(session, booking.therapist_id)
            state = after(booking.state, Deed.CANCEL) if booking.end_at > now else None
            earlier = claim(session, key, state or "", now)
            if earlier is not None or state is None:
                return bool(earlier), therapist.unit
            booking.state, booking.cancelled_at, booking.holder = state, now, None
            session.flush()
            repository.vacate(session, [booking_id])
            self._let_go(session, booking_id, now)
            notices.stop_reminding(session, booking_id)
            audit.record(session, now, Tag.BOOKING_CANCELLED, booking_id, actor=actor)
            webhooks.announce(session, self._house, now, "booking.cancelled", booking_id)
            notices.tell(session, self._house, therapist, booking_id, now)
            return True, therapist.unit

        done, unit = await self._db.write(work)
        notices.publish(self._house, unit, booking_id)
        return done

    async def remind(self, booking_id: str, reminder: Reminder | None, *, key: Key | None = None) -> None:
        """Remind of a talk in this way from now on, or not at all. Raises `NotFound`, `Conflict` and `InvalidField`."""

        def work(session: Session) -> None:
            now = self._house.clock.now()
            booking = _locked(session, booking_id)
            phone = notices.phone_of(self._house, booking)
            wanted = notices.checked(self._house, reminder, phone) if reminder is not None else None
            if claim(session, key, booking_id, now) is not None:
                return
            if booking.state != BOOKED or booking.end_at <= now:
                raise Conflict
            notices.keep_wish(self._house, booking, wanted)
            session.flush()
            notices.remind_anew(session, self._house, booking, now)
            audit.record(session, now, Tag.BOOKING_REMINDER_CHANGED, booking_id)

        await self._db.write(work)

    async def _to_another_time(
        self,
        deed: Deed,
        booking_id: str,
        slot: str,
        key: Key | None,
        allowed: Callable[[Session], None],
        *,
        actor: str = VISITOR,
    ) -> Changed:
        wanted = self._offering.read(slot)
        start = wanted.start

        def work(session: Session) -> Changed:
            now = self._house.clock.now()
            allowed(session)
            booking = _locked(session, booking_id)
            if claim(session, key, booking_id, now) is not None:
                return _changed(session, booking)
            state = after(booking.state, deed)
            over = deed is Deed.MOVE and booking.end_at <= now
            if state is None or over or booking.confirmed_at is None:
                raise Conflict
            if state == booking.state and booking.start_at == start:
                return _changed(session, booking)
            before = booking.therapist_id
            held = self._let_go(session, booking_id, now)
            told = held.therapist_id if held is not None and held.start_at == start else before
            place = self._place(session, booking, wanted, now, told)
            self._take(session, booking, place)
            booking.state, booking.start_at, booking.end_at = state, start, place.end
            booking.therapist_id, booking.cancelled_at = place.therapist, None
            if deed is Deed.REBOOK:
                booking.holder = f"code:{booking.receipt}"
                by = None if actor == VISITOR else actor
                repository.settle_missed(session, booking_id, CAME_BACK if by is None else "new_time", by, now)
            session.flush()
            notices.remind_anew(session, self._house, booking, now)
            audit.record(session, now, _TAGS[deed], booking_id, actor=actor)
            for each in dict.fromkeys((before, place.therapist)):
                notices.tell(session, self._house, repository.colleague(session, each), booking_id, now)
            return _changed(session, booking)

        return self._told(await contend(self._db, work))

    def _told(self, changed: Changed) -> Changed:
        """Tell open pages of what has been committed."""
        notices.publish(self._house, changed.unit, changed.booking_id)
        return changed

    def _let_go(self, session: Session, booking_id: str, now: datetime) -> repository.Owned | None:
        """Free the time that is held for a talk to move to; returns what was held."""
        held = repository.active_of(session, _mover(booking_id))
        if held is not None:
            repository.change(session, held.id, state=CANCELLED, cancelled_at=now, holder=None)
            repository.vacate(session, [held.id])
            audit.record(session, now, Tag.BOOKING_RELEASED, held.id)
        return held

    def _place(
        self, session: Session, booking: Booking, wanted: Slot, now: datetime, first: str | None = None
    ) -> Place:
        """``first``, or the same therapist, if they are free then, else whoever is. Raises `Taken` or `InvalidField`."""
        slot = replace(wanted, channel=booking.channel)
        day = self._offering.check(session, slot, now)
        among = {first or booking.therapist_id}
        try:
            return self._offering.choose(session, day, slot, now, among=among, moving=booking.id)
        except Taken:
            return self._offering.choose(session, day, slot, now, moving=booking.id)

    def _take(self, session: Session, booking: Booking, place: Place) -> None:
        """Own the cells of ``place`` and no others."""
        own = set(repository.cells_of(session, booking.id)) if place.therapist == booking.therapist_id else set()
        repository.occupy(session, booking.id, place.therapist, set(place.cells) - own)
        repository.keep_only(session, booking.id, place.therapist, place.cells)

    def _colleague_for(self, session: Session, booking: Booking, to: str | None, now: datetime) -> str:
        """Who takes over at the same time. Raises `Taken` and `InvalidField`."""
        day = self._offering.at_work(session, booking.start_at, booking.end_at, booking.channel)
        own = repository.cells_of(session, booking.id)
        state = repository.occupied(session, min(own), max(own) + 1, now)
        if to is not None:
            colleague = repository.working(session, to)
            if colleague is None:
                raise InvalidField("no_such_therapist", "therapist")
            if booking.channel is not None and booking.channel not in colleague.channels:
                raise InvalidField("channel_unavailable", "therapist")
            candidates = [to]
        else:
            candidates = [person.id for person in day.able if person.id != booking.therapist_id]
        free = [each for each in candidates if not state.busy.get(each)]
        if not free:
            raise Taken
        chosen = self._offering.fairly(day, free)[0]
        if state.expired.get(chosen):
            drop_expired(session, state.expired[chosen], now)
        return chosen


def _check_readable(session: Session, staff: StaffMember, booking_id: str) -> None:
    if booking_id not in repository.readable_of(session, staff, [booking_id]):
        raise NotFound


def _check_movable(booking: Booking, now: datetime) -> None:
    """Raise `Conflict` for a talk that can neither be moved nor booked again."""
    ahead = after(booking.state, Deed.MOVE) is not None and booking.end_at > now
    if booking.confirmed_at is None or not (ahead or after(booking.state, Deed.REBOOK) is not None):
        raise Conflict


def _mover(booking_id: str) -> str:
    """Under which name a talk holds the time that it may move to."""
    return f"move:{booking_id}"


def _locked(session: Session, booking_id: str) -> Booking:
    booking = repository.row(session, booking_id)
    if booking is None:
        raise NotFound
    return booking


def _changed(session: Session, booking: Booking) -> Changed:
    therapist = repository.colleague(session, booking.therapist_id)
    return Changed(
        booking.id,
        booking.start_at,
        booking.end_at,
        booking.channel or "",
        therapist.first_name,
        booking.state,
        therapist.unit,
    )
