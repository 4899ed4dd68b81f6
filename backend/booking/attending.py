"""What staff do with a talk: the day's list, what is known before it, what is written after it, and who did not come."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import msgspec
import sqlalchemy as sa
from sqlalchemy.orm import Session

from backend.booking import notices, repository, rules
from backend.booking.attending_rules import (
    DOCUMENTED,
    LEGAL_BASES,
    LIMIT,
    NEXT_STEPS,
    OUTCOMES,
    REACHED,
    AfterRecord,
    Step,
    first_step,
)
from backend.booking.lifecycle import BOOKED, DONE, NO_SHOW, STANDS, Deed, after
from backend.booking.offering import Offering
from backend.booking.safe import Safe
from backend.booking.tables import AfterTalk, Booking, MissedTalk
from backend.booking.video import room
from backend.core import audit, codes, outbox
from backend.core.audit import Tag
from backend.core.errors import Conflict, EmptyText, InvalidField, NotFound, TextTooLong
from backend.core.house import House
from backend.core.idempotency import Key, claim
from backend.core.people import StaffMember
from backend.core.reader import Reader
from backend.core.text import clean
from backend.core.vault import new_id

LATE_TALK = timedelta(hours=24)
"""How long a talk that is over and has nothing written after it stays on its therapist's list."""
CODE_REASONS = ("called", "known", "visit", "asked")
"""How it was made sure whose talk it is before a new code was given: called back on the number in the booking, known
from before, met in the room, or asked what only the person can know."""


@dataclass(frozen=True, slots=True)
class DayRow:
    """A talk in the day's list. ``now``: it is on, or about to begin. ``undone``: over, and nothing is written after it.

    ``told`` is False while the notice of it has not gone out five minutes after it should have.
    """

    booking_id: str
    start: datetime
    end: datetime
    channel: str
    reader: Reader
    therapist: str
    own: bool
    state: str
    interpreter: str | None
    danger_level: str | None
    step: str | None
    now: bool
    undone: bool
    told: bool


@dataclass(frozen=True, slots=True)
class Missed:
    """Somebody who did not come, and how far it has come with them (`attending_rules.Step`)."""

    booking_id: str
    start: datetime
    channel: str
    reader: Reader
    therapist: str
    step: str
    at: datetime


@dataclass(frozen=True, slots=True)
class DayList:
    """A member of staff's day: the talks, earlier ones with nothing written, those who did not come, follow-ups."""

    rows: list[DayRow]
    left: list[DayRow]
    missed: list[Missed]
    follow_ups: list[tuple[datetime, str, str]]


@dataclass(frozen=True, slots=True)
class Trace:
    """What has happened to a booking: when, which deed (an audit tag's last word), by whom (a first name or empty)."""

    at: datetime
    deed: str
    name: str


@dataclass(frozen=True, slots=True)
class AfterView:
    """The checklist as it was written."""

    record: AfterRecord
    legal_basis: str
    follow_up_at: datetime | None
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class MissedView:
    """How far it has come with somebody who did not come."""

    step: str
    at: datetime
    tried_at: datetime | None
    outcome: str | None
    settled_at: datetime | None
    reason: str


@dataclass(frozen=True, slots=True)
class Sheet:
    """Everything on a talk's page. ``begun``: it can be said to have been held or missed. ``not_gone``: what has not gone out."""

    booking_id: str
    start: datetime
    end: datetime
    channel: str
    state: str
    reader: Reader
    therapist: str
    therapist_id: str
    own: bool
    begun: bool
    over: bool
    meeting_url: str | None
    phone: str | None
    call_me: str | None
    safe: Safe
    note: str | None
    interpreter: str | None
    wish: rules.Wish
    danger_level: str | None
    danger_category: str | None
    reminder: str | None
    code_used: datetime | None
    has_code: bool
    after: AfterView | None
    missed: MissedView | None
    history: list[Trace]
    not_gone: frozenset[str]


@dataclass(frozen=True, slots=True)
class Colleague:
    """Somebody who may take a talk over; ``free`` at its time, and ``on_duty`` then."""

    id: str
    name: str
    free: bool
    on_duty: bool


class Attending:
    """Talks as the staff who hold them see them. Raises `NotFound` for what is not theirs to read."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._db = house.db
        self._offering = Offering(house)

    async def day(self, staff: StaffMember, day: date, *, team: bool = False) -> DayList:
        """The talks of a local day that ``staff`` holds, or the whole team's, and what is left from before."""
        now = self._house.clock.now()
        begin, end = rules.instant(day, 0), rules.instant(day, 24 * 60)

        def work(session: Session) -> DayList:
            mine = repository.readable_by(staff)
            if not team:
                mine = mine.where(Booking.therapist_id == staff.id)
            of_day = mine.where(Booking.start_at >= begin, Booking.start_at < end)
            left = mine.where(Booking.state == BOOKED, Booking.end_at <= now, Booking.end_at > now - LATE_TALK)
            left = left.where(sa.or_(Booking.start_at < begin, Booking.start_at >= end))
            return DayList(
                self._rows(session, staff, of_day, now),
                self._rows(session, staff, left, now),
                self._waiting(session, repository.readable_by(staff)),
                self._follow_ups(session, mine, begin, end),
            )

        return await self._db.read(work)

    async def sheet(self, staff: StaffMember, booking_id: str) -> Sheet:
        """A talk with what the person wrote; the opening is logged first."""

        def work(session: Session) -> Sheet:
            now = self._house.clock.now()
            row = session.execute(repository.readable_by(staff).where(Booking.id == booking_id)).one_or_none()
            if row is None:
                raise NotFound
            audit.read(session, now, Tag.BOOKING_READ, booking_id, actor=staff.id)
            return self._sheet(session, staff, *row, now)

        return await self._db.write(work)

    async def colleagues(self, staff: StaffMember, booking_id: str) -> list[Colleague]:
        """Who could take a talk over, those who are free and at work first."""

        def work(session: Session) -> list[Colleague]:
            if booking_id not in repository.readable_of(session, staff, [booking_id]):
                raise NotFound
            return self._colleagues(session, booking_id)

        return await self._db.read(work)

    async def finish(
        self,
        staff: StaffMember,
        booking_id: str,
        record: AfterRecord,
        legal_basis: str,
        follow_up_at: datetime | None,
        *,
        key: Key | None = None,
    ) -> None:
        """Write down what is needed after a talk, which then counts as held; again, to correct it.

        Raises `InvalidField` for a part that is missing or no answer, `Conflict` before it has begun
        or when it was cancelled.
        """
        record = _checked(record, legal_basis)

        def work(session: Session) -> None:
            now = self._house.clock.now()
            booking = self._owned(session, staff, booking_id)
            if claim(session, key, booking_id, now) is not None:
                return
            if follow_up_at is not None and follow_up_at <= now:
                raise InvalidField("follow_up_past", "follow_up")
            state = DONE if booking.state == DONE else after(booking.state, Deed.FINISH)
            if state is None or booking.start_at > now:
                raise Conflict
            self._keep_record(session, staff, booking_id, record, legal_basis, follow_up_at, now)
            if booking.state == NO_SHOW:
                self._settle(session, staff, booking_id, REACHED, "", now)
            booking.state = state
            session.flush()
            notices.stop_reminding(session, booking_id)
            audit.record(session, now, Tag.BOOKING_DONE, booking_id, actor=staff.id)

        await self._db.write(work)
        notices.publish(self._house, staff.unit, booking_id)

    async def miss(self, staff: StaffMember, booking_id: str, *, key: Key | None = None) -> None:
        """The person did not come. Raises `Conflict` before the talk was to begin, or when something else has become of it."""

        def work(session: Session) -> None:
            now = self._house.clock.now()
            booking = self._owned(session, staff, booking_id)
            if claim(session, key, booking_id, now) is not None:
                return
            state = after(booking.state, Deed.MISS)
            if state is None or booking.start_at > now:
                raise Conflict
            booking.state = state
            session.execute(sa.delete(MissedTalk).where(MissedTalk.booking_id == booking_id))
            step = first_step(self._safe(booking))
            session.add(MissedTalk(booking_id=booking_id, step=step.value, at=now, by=staff.id))
            session.flush()
            notices.stop_reminding(session, booking_id)
            audit.record(session, now, Tag.BOOKING_MISSED, booking_id, actor=staff.id)

        await self._db.write(work)
        notices.publish(self._house, staff.unit, booking_id)

    async def tried(self, staff: StaffMember, booking_id: str, *, key: Key | None = None) -> None:
        """The one try to reach somebody who did not come has been made, and nobody was reached: now a person decides."""

        def work(session: Session) -> None:
            now = self._house.clock.now()
            self._owned(session, staff, booking_id)
            if claim(session, key, booking_id, now) is not None:
                return
            missed = session.get(MissedTalk, booking_id, with_for_update=True)
            if missed is None or missed.step != Step.TRY:
                raise Conflict
            missed.step, missed.tried_at, missed.tried_by = Step.DECIDE.value, now, staff.id
            audit.record(session, now, Tag.BOOKING_MISSED_TRIED, booking_id, actor=staff.id)

        await self._db.write(work)
        notices.publish(self._house, staff.unit, booking_id)

    async def decide(
        self, staff: StaffMember, booking_id: str, outcome: str, reason: str, *, key: Key | None = None
    ) -> None:
        """What is done about somebody who did not come, and why. Raises `InvalidField` without either, and `Conflict`."""
        if outcome not in OUTCOMES:
            raise InvalidField("outcome_missing", "outcome")
        words = _text(reason, "reason", needed=True)

        def work(session: Session) -> None:
            now = self._house.clock.now()
            self._owned(session, staff, booking_id)
            if claim(session, key, booking_id, now) is not None:
                return
            self._settle(session, staff, booking_id, outcome, words, now)
            audit.record(session, now, Tag.BOOKING_MISSED_DECIDED, booking_id, actor=staff.id, detail=outcome)

        await self._db.write(work)
        notices.publish(self._house, staff.unit, booking_id)

    async def new_code(self, staff: StaffMember, booking_id: str, reason: str, *, key: Key | None = None) -> str:
        """Six new words for somebody who has lost theirs, to be read aloud to them; the old ones open nothing any more.

        ``reason`` is how it was made sure whose talk it is. The new words are changed for others that
        only the person knows when they are first used. Sent twice with the same ``key`` the same
        words come back, until an hour has passed. Raises `InvalidField` without a reason, and `Conflict`.
        """
        if reason not in CODE_REASONS:
            raise InvalidField("reason_missing", "code_reason")
        code = await self._house.codes.new()
        receipt = new_id()

        def work(session: Session) -> str:
            now = self._house.clock.now()
            booking = self._owned(session, staff, booking_id)
            earlier = claim(session, key, receipt, now)
            if earlier is not None:
                words = codes.unsaved_words(session, self._house.vault, earlier)
                if words is None:
                    raise Conflict
                return words
            if booking.confirmed_at is None:
                raise Conflict
            codes.revoke(session, booking_id)
            codes.issue(session, self._house.vault, code, receipt, "booking", booking_id, now, read_aloud=True)
            booking.receipt = receipt
            audit.record(session, now, Tag.CODE_REISSUED, booking_id, actor=staff.id, detail=reason)
            return code.words

        return await self._db.write(work)

    def _owned(self, session: Session, staff: StaffMember, booking_id: str) -> Booking:
        if booking_id not in repository.readable_of(session, staff, [booking_id]):
            raise NotFound
        booking = repository.row(session, booking_id)
        if booking is None or booking.state not in STANDS:
            raise NotFound
        return booking

    def _settle(
        self, session: Session, staff: StaffMember, booking_id: str, outcome: str, reason: str, now: datetime
    ) -> None:
        missed = session.get(MissedTalk, booking_id, with_for_update=True)
        if missed is None or missed.step == Step.SETTLED:
            raise Conflict
        missed.step, missed.outcome = Step.SETTLED.value, outcome
        missed.settled_at, missed.settled_by = now, staff.id
        if reason:
            missed.data_key = self._house.vault.new_key()
            missed.reason = self._house.vault.seal(missed.data_key, f"missed_talk.reason:{booking_id}", reason)

    def _keep_record(
        self,
        session: Session,
        staff: StaffMember,
        booking_id: str,
        record: AfterRecord,
        legal_basis: str,
        follow_up_at: datetime | None,
        now: datetime,
    ) -> None:
        vault = self._house.vault
        data_key = vault.new_key()
        sealed = vault.seal(data_key, f"after_talk.record:{booking_id}", msgspec.json.encode(record).decode())
        session.merge(
            AfterTalk(
                booking_id=booking_id,
                by=staff.id,
                at=now,
                legal_basis=legal_basis,
                follow_up_at=follow_up_at,
                data_key=data_key,
                record=sealed,
            )
        )

    def _rows(
        self, session: Session, staff: StaffMember, query: sa.Select[Booking, str, str | None], now: datetime
    ) -> list[DayRow]:
        found = session.execute(query.order_by(Booking.start_at, Booking.id)).all()
        ids = [booking.id for booking, _, _ in found]
        steps = _steps(session, ids)
        not_told = {about for about, channel in outbox.not_gone(session, now, ids) if channel == outbox.STAFF}
        return [
            DayRow(
                booking.id,
                booking.start_at,
                booking.end_at,
                booking.channel or "",
                _reader(booking),
                name,
                booking.therapist_id == staff.id,
                booking.state,
                booking.interpreter,
                booking.danger_level,
                steps.get(booking.id),
                now=booking.state == BOOKED and booking.start_at - timedelta(minutes=10) <= now < booking.end_at,
                undone=booking.state == BOOKED and booking.end_at <= now,
                told=booking.id not in not_told,
            )
            for booking, name, _ in found
        ]

    def _waiting(self, session: Session, mine: sa.Select[Booking, str, str | None]) -> list[Missed]:
        rows = session.execute(
            mine.join(MissedTalk, MissedTalk.booking_id == Booking.id)
            .where(Booking.state == NO_SHOW, MissedTalk.step != Step.SETTLED)
            .add_columns(MissedTalk.step, MissedTalk.at)
            .order_by(MissedTalk.at)
        )
        return [
            Missed(booking.id, booking.start_at, booking.channel or "", _reader(booking), name, step, at)
            for booking, name, _, step, at in rows
        ]

    def _follow_ups(
        self, session: Session, mine: sa.Select[Booking, str, str | None], begin: datetime, end: datetime
    ) -> list[tuple[datetime, str, str]]:
        rows = session.execute(
            mine.join(AfterTalk, AfterTalk.booking_id == Booking.id)
            .where(AfterTalk.follow_up_at >= begin, AfterTalk.follow_up_at < end)
            .add_columns(AfterTalk.follow_up_at)
            .order_by(AfterTalk.follow_up_at)
        )
        return [(at, booking.id, name) for booking, name, _, at in rows if at is not None]

    def _sheet(
        self, session: Session, staff: StaffMember, booking: Booking, name: str, url: str | None, now: datetime
    ) -> Sheet:
        reminder = notices.reminder_of(self._house, booking)
        gone = outbox.not_gone(session, now, [booking.id])
        used = session.execute(
            sa.select(codes.ReturnCode.used_at).where(
                codes.ReturnCode.kind == "booking", codes.ReturnCode.subject == booking.id
            )
        ).all()
        return Sheet(
            booking_id=booking.id,
            start=booking.start_at,
            end=booking.end_at,
            channel=booking.channel or "",
            state=booking.state,
            reader=_reader(booking),
            therapist=name,
            therapist_id=booking.therapist_id,
            own=booking.therapist_id == staff.id,
            begun=booking.start_at <= now,
            over=booking.end_at <= now,
            # The room is for the two who meet in it, and for no colleague.
            meeting_url=room(self._house, booking.id, booking.channel, url)
            if booking.therapist_id == staff.id
            else None,
            phone=self._open(booking, "phone"),
            call_me=self._open(booking, "call_me"),
            safe=self._safe(booking),
            note=self._open(booking, "note"),
            interpreter=booking.interpreter,
            wish=rules.read_wish(booking.wish or ""),
            danger_level=booking.danger_level,
            danger_category=booking.danger_category,
            reminder=reminder.by if reminder is not None else None,
            code_used=max((at for (at,) in used if at is not None), default=None),
            has_code=bool(used),
            after=self._after(session, booking.id),
            missed=self._missed(session, booking.id),
            history=_history(session, booking.id),
            not_gone=frozenset(channel for _, channel in gone),
        )

    def _after(self, session: Session, booking_id: str) -> AfterView | None:
        kept = session.get(AfterTalk, booking_id)
        if kept is None:
            return None
        text = self._house.vault.open(kept.data_key, f"after_talk.record:{booking_id}", kept.record)
        by = repository.first_names(session, [kept.by]).get(kept.by, "")
        record = msgspec.json.decode(text, type=AfterRecord)
        return AfterView(record, kept.legal_basis, kept.follow_up_at, by, kept.at)

    def _missed(self, session: Session, booking_id: str) -> MissedView | None:
        row = session.get(MissedTalk, booking_id)
        if row is None:
            return None
        reason = ""
        if row.reason is not None and row.data_key is not None:
            reason = self._house.vault.open(row.data_key, f"missed_talk.reason:{booking_id}", row.reason)
        return MissedView(row.step, row.at, row.tried_at, row.outcome, row.settled_at, reason)

    def _colleagues(self, session: Session, booking_id: str) -> list[Colleague]:
        booking = session.get(Booking, booking_id)
        assert booking is not None
        cells = repository.cells_of(session, booking_id)
        now = self._house.clock.now()
        busy = repository.occupied(session, min(cells), max(cells) + 1, now).busy if cells else {}
        on_duty = self._on_duty(session, booking)
        found = [
            Colleague(person_id, name, not busy.get(person_id), person_id in on_duty)
            for person_id, name in repository.therapists_for(session, booking.channel)
            if person_id != booking.therapist_id
        ]
        return sorted(found, key=lambda each: (not (each.free and each.on_duty), not each.free, each.name))

    def _on_duty(self, session: Session, booking: Booking) -> set[str]:
        day = self._offering.at_work(session, booking.start_at, booking.end_at, booking.channel)
        return {person.id for person in day.able}

    def _safe(self, booking: Booking) -> Safe:
        text = self._open(booking, "safe")
        return msgspec.json.decode(text, type=Safe) if text else Safe()

    def _open(self, booking: Booking, name: str) -> str | None:
        sealed: bytes | None = getattr(booking, name)
        if sealed is None or booking.data_key is None:
            return None
        return self._house.vault.open(booking.data_key, f"booking.{name}:{booking.id}", sealed)


_TRACES = (
    Tag.BOOKING_CONFIRMED,
    Tag.BOOKING_MOVED,
    Tag.BOOKING_REBOOKED,
    Tag.BOOKING_REASSIGNED,
    Tag.BOOKING_CANCELLED,
    Tag.BOOKING_MISSED,
    Tag.BOOKING_MISSED_TRIED,
    Tag.BOOKING_MISSED_DECIDED,
    Tag.BOOKING_DONE,
    Tag.CODE_REISSUED,
)


def _history(session: Session, booking_id: str) -> list[Trace]:
    """What has been done with a booking, earliest first."""
    rows = session.execute(
        sa.select(audit.AuditEvent.at, audit.AuditEvent.tag, audit.AuditEvent.actor)
        .where(audit.AuditEvent.subject == booking_id, audit.AuditEvent.tag.in_([tag.value for tag in _TRACES]))
        .order_by(audit.AuditEvent.id)
    ).all()
    names = repository.first_names(session, {actor for _, _, actor in rows})
    return [Trace(at, tag.rpartition(":")[2], names.get(actor, "")) for at, tag, actor in rows]


def _steps(session: Session, booking_ids: Collection[str]) -> dict[str, str]:
    rows = session.execute(
        sa.select(MissedTalk.booking_id, MissedTalk.step).where(MissedTalk.booking_id.in_(booking_ids))
    )
    return {row[0]: row[1] for row in rows}


def _checked(record: AfterRecord, legal_basis: str) -> AfterRecord:
    """The record with its words cleaned. Raises `InvalidField` for what is missing or no answer."""
    if record.report not in ("yes", "no"):
        raise InvalidField("report_missing", "report")
    if record.documented not in DOCUMENTED:
        raise InvalidField("documented_missing", "documented")
    if record.next_step not in NEXT_STEPS:
        raise InvalidField("next_step_missing", "next_step")
    if legal_basis not in LEGAL_BASES:
        raise InvalidField("invalid", "legal_basis")
    return msgspec.structs.replace(
        record,
        report_reason=_text(record.report_reason, "report_reason", needed=True),
        next_who=_text(record.next_who, "next_who"),
        told=_text(record.told, "told"),
        consent=_text(record.consent, "consent"),
    )


def _text(words: str, field: str, *, needed: bool = False) -> str:
    try:
        return clean(words, LIMIT)
    except EmptyText:
        if needed:
            raise InvalidField(f"{field}_missing", field) from None
        return ""
    except TextTooLong:
        raise InvalidField("text_too_long", field) from None


def _reader(booking: Booking) -> Reader:
    return Reader.stored(booking.who, booking.band, booking.lang)
