"""When there is no time: somebody of the unit calls, or gives a time, before a deadline that the person is told.

What is written is sealed like a booking's. Whoever leaves no number comes back with their code and finds the time
they were given. The caller reads every text for danger first; what it found comes with the request.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Literal

import msgspec
from sqlalchemy.orm import Session

from backend.alerts import service as alerts
from backend.alerts.service import AlertDesk
from backend.booking import promise_repository as repository
from backend.booking.promise import Promise
from backend.booking.promise_tables import Callback
from backend.booking.races import contend
from backend.booking.safe import CHOICES, Safe
from backend.booking.service import BookingDesk, Details
from backend.core import audit, codes, outbox
from backend.core.audit import Tag
from backend.core.errors import Conflict, InvalidField, NotFound
from backend.core.house import House
from backend.core.idempotency import Key, claim
from backend.core.people import StaffMember, first_name_of
from backend.core.phone import parse_phone
from backend.core.reader import Reader
from backend.core.vault import new_id

Reach = Literal["phone", "code"]
REACH: tuple[Reach, ...] = ("code", "phone")
OPEN, TAKEN, BOOKED, REACHED, MISSED, WITHDRAWN = "open", "taken", "booked", "reached", "missed", "withdrawn"
SHOWN_AFTER = timedelta(hours=24)
"""How long a callback that has ended stays in the list."""
_BATCH = 200


@dataclass(frozen=True, slots=True)
class Request:
    """What somebody asks for when there is no time.

    ``reach`` is how they are to be reached: by ``phone``, or with the ``code`` they come back with. ``rung`` says
    that staff have been alerted already of what the words may mean.
    """

    reach: Reach
    phone: str | None = None
    safe: Safe = field(default_factory=Safe)
    note: str | None = None
    reader: Reader = field(default_factory=Reader)
    interpreter: str | None = None
    danger_level: str | None = None
    danger_category: str | None = None
    rung: bool = False


@dataclass(frozen=True, slots=True)
class Promised:
    """A request that is stored. ``words`` is its return code until the person has said that it is saved."""

    callback_id: str
    deadline: datetime
    reach: Reach
    receipt: str
    words: str | None


@dataclass(frozen=True, slots=True)
class CallbackView:
    """What a return code shows: that somebody is to be in touch, until when, and what has come of it."""

    callback_id: str
    asked_at: datetime
    deadline: datetime
    state: str
    by_phone: bool
    tried: bool
    reader: Reader

    @property
    def waiting(self) -> bool:
        """Whether somebody is still to be in touch."""
        return self.state in (OPEN, TAKEN)


@dataclass(frozen=True, slots=True)
class CallbackRow:
    """A callback in the list: nothing of what was written. ``late``: the deadline has passed and nobody was reached."""

    id: str
    asked_at: datetime
    deadline: datetime
    state: str
    late: bool
    by_phone: bool
    reader: Reader
    interpreter: str | None
    danger_level: str | None
    tries: int
    tried_at: datetime | None
    taken_by: str
    mine: bool

    @property
    def waiting(self) -> bool:
        """Whether somebody is still to be in touch."""
        return self.state in (OPEN, TAKEN)


@dataclass(frozen=True, slots=True)
class CallbackFile:
    """A callback as staff open it, with what the person wrote."""

    row: CallbackRow
    phone: str | None
    safe: Safe
    note: str | None


class CallbackDesk:
    """The callbacks of one municipality. When an error is raised, nothing has been stored."""

    def __init__(self, house: House, booking: BookingDesk) -> None:
        self._house = house
        self._db = house.db
        self._booking = booking
        self._promise: Promise = booking.promise
        self._unit = house.municipality.booking.unit
        self._alerts = AlertDesk(house)

    def deadline(self, now: datetime) -> datetime:
        """See `Promise.deadline`."""
        return self._promise.deadline(now)

    def open_to(self, staff: StaffMember) -> bool:
        """Whether there are callbacks for ``staff``."""
        return self._promise.figures_for(staff)

    async def ask(self, holder: str, request: Request, *, key: Key | None = None) -> Promised:
        """Store a request, with a return code; a second one by the same holder, or with the same ``key``, gives the
        first one back.

        Raises `InvalidField` for the number, for a call that is not safe and for an unknown language.
        """
        request = self._checked(request)
        code = await self._house.codes.new()
        receipt, callback_id = new_id(), new_id()

        def work(session: Session) -> Promised:
            now = self._house.clock.now()
            earlier = claim(session, key, callback_id, now)
            known = repository.callback(session, earlier) if earlier else repository.waiting_of(session, holder)
            if known is None:
                row = self._row(callback_id, receipt, holder, request, now)
                if repository.add(session, row):
                    codes.issue(session, self._house.vault, code, receipt, "callback", callback_id, now)
                    audit.record(session, now, Tag.CALLBACK_ASKED, callback_id)
                    self._promise.called(session, holder, callback_id)
                    self._mail(session, now)
                    self._ring(session, callback_id, request, now)
                    return Promised(callback_id, row.deadline, request.reach, receipt, code.words)
                known = repository.waiting_of(session, holder)
                assert known is not None
            words = codes.unsaved_words(session, self._house.vault, known.receipt)
            return Promised(known.id, known.deadline, "phone" if known.phone else "code", known.receipt, words)

        promised = await self._db.write(work)
        self._promise.tell()
        return promised

    async def waiting_of(self, holder: str) -> Promised | None:
        """What ``holder`` waits for, or None."""

        def look(session: Session) -> Promised | None:
            row = repository.waiting_of(session, holder)
            if row is None:
                return None
            words = codes.unsaved_words(session, self._house.vault, row.receipt)
            return Promised(row.id, row.deadline, "phone" if row.phone else "code", row.receipt, words)

        return await self._db.read(look)

    async def saved(self, holder: str) -> None:
        """The person has saved the code of the request they just made: forget the words."""

        def work(session: Session) -> None:
            row = repository.waiting_of(session, holder)
            if row is not None:
                codes.mark_saved(session, row.receipt)

        await self._db.write(work)

    async def status(self, callback_id: str) -> CallbackView:
        """A request for whoever has its code. Raises `NotFound`."""

        def look(session: Session) -> CallbackView:
            row = repository.callback(session, callback_id)
            if row is None:
                raise NotFound
            return CallbackView(
                row.id, row.asked_at, row.deadline, row.state, row.phone is not None, row.tries > 0, _reader(row)
            )

        return await self._db.read(look)

    async def withdraw(self, callback_id: str) -> bool:
        """The person does not want to be reached any more; False when it was over already. Raises `NotFound`."""

        def work(session: Session) -> bool:
            now = self._house.clock.now()
            row = repository.callback(session, callback_id, lock=True)
            if row is None:
                raise NotFound
            if row.state not in (OPEN, TAKEN):
                return False
            row.state, row.ended_at, row.holder = WITHDRAWN, now, None
            audit.record(session, now, Tag.CALLBACK_WITHDRAWN, callback_id)
            return True

        done = await self._db.write(work)
        self._promise.tell()
        return done

    # For staff.

    async def list_for(self, staff: StaffMember) -> list[CallbackRow]:
        """Who waits, danger first and then by deadline, and what ended in the last day. Nothing written is opened."""
        now = self._house.clock.now()
        after = now - SHOWN_AFTER

        def look(session: Session) -> list[CallbackRow]:
            return [_as_row(each, name, staff, now) for each, name in repository.waiting(session, staff, after)]

        return await self._db.read(look)

    async def open_for(self, staff: StaffMember, callback_id: str) -> CallbackFile:
        """A callback with what was written; the opening is logged first. Raises `NotFound` for one not theirs to read."""

        def work(session: Session) -> CallbackFile:
            now = self._house.clock.now()
            row = repository.readable(session, staff, callback_id)
            if row is None:
                raise NotFound
            audit.read(session, now, Tag.CALLBACK_READ, callback_id, actor=staff.id)
            name = first_name_of(session, row.taken_by) if row.taken_by else ""
            return CallbackFile(
                _as_row(row, name, staff, now), self._open(row, "phone"), self._safe(row), self._open(row, "note")
            )

        return await self._db.write(work)

    async def readable(self, staff: StaffMember, ids: set[str]) -> set[str]:
        """Those of the callbacks that ``staff`` may open."""
        if not ids:
            return set()
        return await self._db.read(lambda session: repository.readable_of(session, staff, ids))

    async def take(self, staff: StaffMember, callback_id: str) -> None:
        """``staff`` is on it. Raises `NotFound`, and `Conflict` when it is over or a colleague's.

        A manager may take over from whoever has it.
        """
        await self._change(staff, callback_id, Tag.CALLBACK_TAKEN, lambda row, now: self._take(row, staff, now))

    async def tried(self, staff: StaffMember, callback_id: str) -> None:
        """Nobody answered: it stays, for another try. Raises as `take`."""

        def work(row: Callback, now: datetime) -> None:
            self._take(row, staff, now)
            row.tries, row.tried_at = row.tries + 1, now

        await self._change(staff, callback_id, Tag.CALLBACK_TRIED, work)

    async def end(self, staff: StaffMember, callback_id: str, *, reached: bool) -> None:
        """The person was reached, or will not be tried any more. Raises as `take`."""

        def work(row: Callback, now: datetime) -> None:
            self._take(row, staff, now)
            row.state, row.ended_at, row.holder = REACHED if reached else MISSED, now, None

        await self._change(staff, callback_id, Tag.CALLBACK_ENDED, work)

    async def give(self, staff: StaffMember, callback_id: str, slot: str, channel: str) -> None:
        """Book a time for the person; their code opens it from now on.

        Raises as `take`, `Taken` when the time is gone, and `InvalidField` for the slot or the channel: a phone
        talk needs a number that was left.
        """

        def work(session: Session) -> None:
            now = self._house.clock.now()
            row = self._mine(session, staff, callback_id)
            self._take(row, staff, now)
            if channel == "phone" and row.phone is None:
                raise InvalidField("channel_unavailable", "channel")
            details = Details(
                channel=channel,
                reader=_reader(row),
                phone=self._open(row, "phone"),
                safe=self._safe(row),
                note=self._open(row, "note"),
                interpreter=row.interpreter,
                danger_level=row.danger_level,
                danger_category=row.danger_category,
                rung=True,
            )
            booking_id = self._booking.book_for(session, slot, details, row.receipt, now, actor=staff.id)
            codes.point(session, row.receipt, "booking", booking_id)
            row.state, row.booking_id, row.ended_at, row.holder = BOOKED, booking_id, now, None
            audit.record(session, now, Tag.CALLBACK_ENDED, callback_id, actor=staff.id, detail=BOOKED)

        await contend(self._db, work)
        self._promise.tell()

    async def purge(self) -> int:
        """Delete callbacks past the municipality's retention; returns how many."""
        before = self._house.clock.now() - timedelta(hours=self._house.municipality.retention.booking_hours)

        def work(session: Session) -> int:
            due = repository.forget_callbacks(session, before, _BATCH)
            for callback_id in due:
                codes.revoke(session, callback_id)
            return len(due)

        return await self._db.write(work)

    async def _change(
        self, staff: StaffMember, callback_id: str, tag: Tag, deed: Callable[[Callback, datetime], None]
    ) -> None:
        def work(session: Session) -> None:
            now = self._house.clock.now()
            row = self._mine(session, staff, callback_id)
            deed(row, now)
            audit.record(session, now, tag, callback_id, actor=staff.id, detail=row.state)

        await self._db.write(work)
        self._promise.tell()

    def _mine(self, session: Session, staff: StaffMember, callback_id: str) -> Callback:
        row = repository.readable(session, staff, callback_id, lock=True)
        if row is None:
            raise NotFound
        return row

    def _take(self, row: Callback, staff: StaffMember, now: datetime) -> None:
        if row.state not in (OPEN, TAKEN):
            raise Conflict
        if row.taken_by not in (None, staff.id) and not staff.is_manager:
            raise Conflict
        if row.taken_by != staff.id:
            row.state, row.taken_by, row.taken_at = TAKEN, staff.id, now

    def _checked(self, request: Request) -> Request:
        if request.reach not in REACH:
            raise InvalidField("invalid", "reach")
        if request.interpreter is not None and not self._house.tongues.interpreted(request.interpreter):
            raise InvalidField("invalid", "interpreter")
        for name, allowed in CHOICES.items():
            if getattr(request.safe, name, None) not in (None, *allowed):
                raise InvalidField("invalid", name)
        if request.reach == "code":
            return replace(request, phone=None, safe=Safe())
        if request.safe.call_ok == "no":
            raise InvalidField("call_not_safe", "call_ok")
        return replace(request, phone=parse_phone(request.phone or "").e164)

    def _row(self, callback_id: str, receipt: str, holder: str, request: Request, now: datetime) -> Callback:
        vault = self._house.vault
        data_key = vault.new_key()
        safe = msgspec.json.encode(request.safe).decode() if request.safe != Safe() else None

        def sealed(name: str, text: str | None) -> bytes | None:
            return vault.seal(data_key, f"callback.{name}:{callback_id}", text) if text else None

        reader = request.reader
        return Callback(
            id=callback_id,
            holder=holder,
            unit=self._unit,
            asked_at=now,
            deadline=self.deadline(now),
            state=OPEN,
            who=reader.who,
            band=reader.band,
            lang=reader.lang,
            interpreter=request.interpreter,
            danger_level=request.danger_level,
            danger_category=request.danger_category,
            receipt=receipt,
            data_key=data_key,
            phone=sealed("phone", request.phone),
            safe=sealed("safe", safe),
            note=sealed("note", request.note),
            tries=0,
        )

    def _open(self, row: Callback, name: Literal["phone", "safe", "note"]) -> str | None:
        sealed: bytes | None = getattr(row, name)
        return self._house.vault.open(row.data_key, f"callback.{name}:{row.id}", sealed) if sealed else None

    def _safe(self, row: Callback) -> Safe:
        told = self._open(row, "safe")
        return msgspec.json.decode(told, type=Safe) if told else Safe()

    def _mail(self, session: Session, now: datetime) -> None:
        """Tell the unit that there is something new, and nothing else."""
        say = self._house.phrases.say
        body = say("booking_mail.body", None, url=f"{self._house.settings.public_url}/personal")
        mailbox = self._house.municipality.unit(self._unit).mailbox
        outbox.post(session, now, mailbox, say("booking_mail.subject"), body)

    def _ring(self, session: Session, callback_id: str, request: Request, now: datetime) -> None:
        if request.danger_level is None or request.rung:
            return
        level, category = request.danger_level, request.danger_category or ""
        danger = alerts.Danger(level, category, "booking", subject=callback_id, unit=self._unit)
        self._alerts.ring(session, danger, now)


def _as_row(row: Callback, name: str, staff: StaffMember, now: datetime) -> CallbackRow:
    return CallbackRow(
        id=row.id,
        asked_at=row.asked_at,
        deadline=row.deadline,
        state=row.state,
        late=row.state in (OPEN, TAKEN) and row.deadline <= now,
        by_phone=row.phone is not None,
        reader=_reader(row),
        interpreter=row.interpreter,
        danger_level=row.danger_level,
        tries=row.tries,
        tried_at=row.tried_at,
        taken_by=name,
        mine=row.taken_by == staff.id,
    )


def _reader(row: Callback) -> Reader:
    return Reader.stored(row.who, row.band, row.lang)
