"""The talk tables' only reader and writer.

Staff reads start from `readable_by` (the words) or `visible_to` (that there is a talk); a
visitor's from the seat that their chat has.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from backend.core.access import Kind, visible
from backend.core.codes import ReturnCode
from backend.core.db import affected
from backend.core.errors import KeyReused, NotFound
from backend.core.people import Role, StaffMember
from backend.core.vault import Vault, new_id
from backend.talks.rules import ACTIVE, NOTICE, OPEN, VISITOR, WAITING, Notice
from backend.talks.tables import Talk, TalkDuty, TalkMessage, TalkSeat


@dataclass(frozen=True, slots=True)
class Words:
    """A message before it is stored. ``key`` makes a repeated send the same one."""

    author: str
    text: str
    staff_id: str | None = None
    key: str | None = None
    danger_level: str | None = None
    danger_category: str | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """A message as it is read. ``name`` is the first name of the staff member who wrote it, or whom a notice is of."""

    id: str
    seq: int
    author: str
    kind: str
    name: str
    text: str
    at: datetime
    danger_level: str | None
    danger_category: str | None


@dataclass(frozen=True, slots=True)
class Seat:
    """A chat's place in a talk that goes on."""

    talk_id: str
    state: str
    booking_id: str | None
    unit: str
    therapist_id: str | None
    therapist: str
    shared: bool


def readable_by(staff: StaffMember) -> sa.Select[Talk]:
    """The talks whose words ``staff`` may read: those they hold.

    Not the team's, and not any more when a talk has been handed to somebody else: secrecy also
    holds inside the house (offentlighets- och sekretesslagen 26 kap. 1 §).
    """
    mine = Talk.therapist_id == staff.id if _talks(staff) else sa.false()
    return sa.select(Talk).where(mine, Talk.state != WAITING, _not_withheld(staff))


def visible_to(staff: StaffMember) -> sa.Select[Talk]:
    """The talks that ``staff`` may know of, without their words: also those that wait in the unit, and what
    one is asked to take over; a manager's whole unit."""
    allowed: list[sa.ColumnElement[bool]] = [sa.false()]
    if _talks(staff):
        waits = sa.and_(Talk.unit == staff.unit, Talk.state == WAITING)
        allowed += [Talk.therapist_id == staff.id, Talk.offered_to == staff.id, waits]
    if staff.active and staff.is_manager:
        allowed.append(Talk.unit == staff.unit)
    return sa.select(Talk).where(sa.or_(*allowed), _not_withheld(staff))


def takeable_by(staff: StaffMember) -> sa.Select[Talk]:
    """The talks that ``staff`` may begin: those that wait in their unit, booked with a colleague or not."""
    able = Talk.unit == staff.unit if _talks(staff) else sa.false()
    return sa.select(Talk).where(able, Talk.state == WAITING, _not_withheld(staff))


def _not_withheld(staff: StaffMember) -> sa.ColumnElement[bool]:
    """A booked talk is withheld from whomever its booking is ("Visa inte för ..."): a father's manager, for a child's."""
    return visible(staff, (Kind.BOOKING, Talk.booking_id))


def _talks(staff: StaffMember) -> bool:
    return staff.active and staff.has(Role.THERAPIST)


def add(session: Session, talk: Talk) -> None:
    """Store a talk; raises `IntegrityError` when its booking has one."""
    session.add(talk)
    session.flush()


def of_booking(session: Session, booking_id: str) -> Talk | None:
    """The talk of a booking, if anybody has come to it."""
    return session.scalar(sa.select(Talk).where(Talk.booking_id == booking_id))


def find(session: Session, mine: sa.Select[Talk], talk_id: str, *, lock: bool = False) -> Talk | None:
    """One talk, if ``mine`` has it; with ``lock`` nobody else changes it, or writes in it, until the transaction ends.

    Somebody who waited for the lock sees the talk as it is then, or not at all.
    """
    query = mine.where(Talk.id == talk_id)
    return session.scalar(query.with_for_update() if lock else query)


def held(session: Session, talk_id: str) -> Talk | None:
    """One talk by its id, locked, for whoever has a seat in it or a booking behind it."""
    return find(session, sa.select(Talk), talk_id, lock=True)


def by_id(session: Session, talk_id: str) -> Talk | None:
    """One talk, for whoever has a seat in it."""
    return session.get(Talk, talk_id)


def seat_of(session: Session, chat_id: str) -> Seat | None:
    """The seat that a chat has in a talk that goes on, or None."""
    row = session.execute(
        sa.select(
            Talk.id, Talk.state, Talk.booking_id, Talk.unit, Talk.therapist_id, StaffMember.first_name, TalkSeat.shared
        )
        .join(TalkSeat, TalkSeat.talk_id == Talk.id)
        .outerjoin(StaffMember, StaffMember.id == Talk.therapist_id)
        .where(TalkSeat.chat_id == chat_id, TalkSeat.left_at.is_(None), Talk.state.in_(ACTIVE))
    ).one_or_none()
    return None if row is None else Seat(row[0], row[1], row[2], row[3], row[4], row[5] or "", row[6])


def sit(session: Session, chat_id: str, talk_id: str, at: datetime) -> None:
    """Give a chat that has no other a seat; raises `IntegrityError` when it has, since two windows did so at once."""
    known = session.get(TalkSeat, (chat_id, talk_id))
    if known is None:
        session.add(TalkSeat(chat_id=chat_id, talk_id=talk_id, joined_at=at))
    else:
        known.left_at = None
    session.flush()


def note_shared(session: Session, chat_id: str, talk_id: str) -> bool:
    """A chat shows what was written before; False when it has done so."""
    change = (
        sa.update(TalkSeat)
        .where(TalkSeat.chat_id == chat_id, TalkSeat.talk_id == talk_id, TalkSeat.shared.is_(False))
        .values(shared=True)
        .execution_options(synchronize_session=False)
    )
    return bool(affected(session, change))


def stand_up(session: Session, at: datetime, *, chat_id: str | None = None, talk_id: str | None = None) -> None:
    """End the seat of a chat, or every seat of a talk."""
    which = TalkSeat.chat_id == chat_id if chat_id is not None else TalkSeat.talk_id == talk_id
    session.execute(
        sa.update(TalkSeat)
        .where(which, TalkSeat.left_at.is_(None))
        .values(left_at=at)
        .execution_options(synchronize_session=False)
    )


def seat_again(session: Session, talk_id: str) -> None:
    """Give those who sat in a talk their seats back, if they have no other by now."""
    elsewhere = sa.select(TalkSeat.chat_id).where(TalkSeat.left_at.is_(None))
    session.execute(
        sa.update(TalkSeat)
        .where(TalkSeat.talk_id == talk_id, TalkSeat.chat_id.not_in(elsewhere))
        .values(left_at=None)
        .execution_options(synchronize_session=False)
    )


def forget_chat(session: Session, chat_id: str) -> None:
    """No trace that a chat ever sat anywhere."""
    session.execute(sa.delete(TalkSeat).where(TalkSeat.chat_id == chat_id))


def talks_of(session: Session, chat_id: str) -> Sequence[Talk]:
    """Every talk that a chat has sat in, in the order in which it came to them."""
    return session.scalars(
        sa.select(Talk)
        .join(TalkSeat, TalkSeat.talk_id == Talk.id)
        .where(TalkSeat.chat_id == chat_id)
        .order_by(TalkSeat.joined_at)
    ).all()


def chats_of(session: Session, talk_id: str) -> Sequence[str]:
    """The chats that sit in a talk now."""
    return session.scalars(
        sa.select(TalkSeat.chat_id).where(TalkSeat.talk_id == talk_id, TalkSeat.left_at.is_(None))
    ).all()


def say(session: Session, vault: Vault, talk_id: str, words: Words, at: datetime) -> tuple[str, int]:
    """Store what somebody wrote, sealed, after everything that came before; returns its id and number.

    The same key and words give the first message back. Raises `KeyReused` for a key that came with
    other words, and `NotFound` for a talk that has been purged.
    """
    fingerprint = hashlib.sha256(f"{talk_id}\0{words.author}\0{words.text}".encode()).hexdigest()
    talk = held(session, talk_id)
    if talk is None:
        raise NotFound
    if words.key is not None:
        known = session.scalar(
            sa.select(TalkMessage).where(TalkMessage.talk_id == talk_id, TalkMessage.client_key == words.key)
        )
        if known is not None:
            if known.client_hash != fingerprint:
                raise KeyReused
            return known.id, known.seq
    message_id = new_id()
    talk.last_seq += 1
    talk.touched_at = at
    session.add(
        TalkMessage(
            id=message_id,
            talk_id=talk_id,
            seq=talk.last_seq,
            author=words.author,
            kind="text",
            staff_id=words.staff_id,
            body=vault.seal(talk.data_key, f"talk_message.body:{message_id}", words.text),
            at=at,
            client_key=words.key,
            client_hash=fingerprint,
            danger_level=words.danger_level,
            danger_category=words.danger_category,
        )
    )
    session.flush()
    return message_id, talk.last_seq


def note(session: Session, talk: Talk, kind: Notice, at: datetime, staff_id: str | None = None) -> None:
    """Put a notice in the log of a talk that is locked."""
    talk.last_seq += 1
    talk.touched_at = at
    session.add(
        TalkMessage(
            id=new_id(), talk_id=talk.id, seq=talk.last_seq, author=NOTICE, kind=kind.value, staff_id=staff_id, at=at
        )
    )
    session.flush()


def lines(session: Session, vault: Vault, talk: Talk, after: int = 0) -> list[Line]:
    """The messages of a talk after a number, in order."""
    rows = session.execute(
        sa.select(TalkMessage, StaffMember.first_name)
        .outerjoin(StaffMember, StaffMember.id == TalkMessage.staff_id)
        .where(TalkMessage.talk_id == talk.id, TalkMessage.seq > after)
        .order_by(TalkMessage.seq)
    )
    return [
        Line(
            row.id,
            row.seq,
            row.author,
            row.kind,
            name or "",
            "" if row.body is None else vault.open(talk.data_key, f"talk_message.body:{row.id}", row.body),
            row.at,
            row.danger_level,
            row.danger_category,
        )
        for row, name in rows
    ]


def line(session: Session, vault: Vault, message_id: str) -> Line | None:
    """One message by its id, for a chat that it was written in."""
    row = session.get(TalkMessage, message_id)
    talk = by_id(session, row.talk_id) if row is not None else None
    if row is None or talk is None:
        return None
    return next(each for each in lines(session, vault, talk, row.seq - 1) if each.id == message_id)


def last_words(session: Session, talk_ids: Collection[str]) -> dict[str, tuple[str, datetime]]:
    """Who wrote last in each of the talks, and when; notices do not count."""
    newest = (
        sa.select(TalkMessage.talk_id, sa.func.max(TalkMessage.seq).label("seq"))
        .where(TalkMessage.talk_id.in_(talk_ids), TalkMessage.author != NOTICE)
        .group_by(TalkMessage.talk_id)
        .subquery()
    )
    rows = session.execute(
        sa.select(TalkMessage.talk_id, TalkMessage.author, TalkMessage.at).join(
            newest, sa.and_(newest.c.talk_id == TalkMessage.talk_id, newest.c.seq == TalkMessage.seq)
        )
    )
    return {row.talk_id: (row.author, row.at) for row in rows}


def worst_in(session: Session, talk_ids: Collection[str]) -> dict[str, str]:
    """The nearest danger noted in each of the talks."""
    rows = session.execute(
        sa.select(TalkMessage.talk_id, sa.func.min(TalkMessage.danger_level))
        .where(TalkMessage.talk_id.in_(talk_ids), TalkMessage.danger_level.is_not(None))
        .group_by(TalkMessage.talk_id)
    )
    return {row[0]: row[1] for row in rows if row[1] is not None}


def wipe_words(session: Session, talk: Talk) -> None:
    """Take away every message, the answers too: they may repeat what was told."""
    session.execute(sa.delete(TalkMessage).where(TalkMessage.talk_id == talk.id))
    session.flush()


def waiting_line(session: Session, unit: str) -> Sequence[Talk]:
    """Those who wait for whoever is free, the longest first; booked talks wait for their own therapist."""
    return session.scalars(
        sa.select(Talk)
        .where(Talk.state == WAITING, Talk.unit == unit, Talk.booking_id.is_(None))
        .order_by(Talk.created_at, Talk.id)
    ).all()


def open_since(session: Session, staff_ids: Collection[str]) -> dict[str, datetime]:
    """When the newest open talk of each of the therapists began."""
    rows = session.execute(
        sa.select(Talk.therapist_id, sa.func.max(Talk.opened_at))
        .where(Talk.state == OPEN, Talk.therapist_id.in_(staff_ids))
        .group_by(Talk.therapist_id)
    )
    return {row[0]: row[1] for row in rows if row[0] is not None and row[1] is not None}


def on_duty(session: Session, unit: str, since: datetime) -> list[tuple[str, str]]:
    """Id and first name of those in a unit who have said since a moment that they take talks at once."""
    rows = session.execute(
        sa.select(StaffMember.id, StaffMember.first_name)
        .join(TalkDuty, TalkDuty.staff_id == StaffMember.id)
        .where(StaffMember.active, StaffMember.unit == unit, TalkDuty.since >= since)
        .order_by(TalkDuty.since, StaffMember.id)
    )
    return [(row[0], row[1]) for row in rows]


def duty_since(session: Session, staff_id: str) -> datetime | None:
    """Since when somebody takes talks at once."""
    return session.scalar(sa.select(TalkDuty.since).where(TalkDuty.staff_id == staff_id))


def begin_duty(session: Session, staff_id: str, at: datetime) -> None:
    """From now on somebody takes talks at once."""
    session.merge(TalkDuty(staff_id=staff_id, since=at))


def end_duty(session: Session, staff_id: str) -> None:
    """From now on somebody does not."""
    session.execute(sa.delete(TalkDuty).where(TalkDuty.staff_id == staff_id))


def colleagues(session: Session, staff: StaffMember) -> Sequence[StaffMember]:
    """The others in the unit who hold talks."""
    rows = session.scalars(
        sa.select(StaffMember)
        .where(StaffMember.unit == staff.unit, StaffMember.id != staff.id, StaffMember.active)
        .order_by(StaffMember.first_name, StaffMember.id)
    )
    return [row for row in rows if row.has(Role.THERAPIST)]


def colleague(session: Session, staff: StaffMember, colleague_id: str) -> StaffMember | None:
    """One of them."""
    return next((one for one in colleagues(session, staff) if one.id == colleague_id), None)


def names(session: Session, staff_ids: Collection[str | None]) -> dict[str, str]:
    """First names by id."""
    rows = session.execute(sa.select(StaffMember.id, StaffMember.first_name).where(StaffMember.id.in_(staff_ids)))
    return {row[0]: row[1] for row in rows}


def unanswered(session: Session, before: datetime) -> list[Talk]:
    """Open talks in which the visitor wrote last, before a moment."""
    stale = session.scalars(sa.select(Talk).where(Talk.state == OPEN, Talk.touched_at < before)).all()
    last = last_words(session, [talk.id for talk in stale])
    return [talk for talk in stale if last.get(talk.id, ("",))[0] == VISITOR]


def silent(session: Session, before: datetime) -> Sequence[Talk]:
    """Open talks in which nothing has been written since a moment."""
    return session.scalars(sa.select(Talk).where(Talk.state == OPEN, Talk.touched_at < before)).all()


def waiting(session: Session) -> Sequence[Talk]:
    """Every talk that waits."""
    return session.scalars(sa.select(Talk).where(Talk.state == WAITING)).all()


def purge(session: Session, over_before: datetime, limit: int) -> int:
    """Delete talks that were over before a moment, with their messages and seats; returns how many."""
    due = list(
        session.scalars(sa.select(Talk.id).where(Talk.state.not_in(ACTIVE), Talk.closed_at < over_before).limit(limit))
    )
    if due:
        for table in (TalkMessage, TalkSeat):
            session.execute(sa.delete(table).where(table.talk_id.in_(due)))
        session.execute(sa.delete(ReturnCode).where(ReturnCode.subject.in_(due)))
        session.execute(sa.delete(Talk).where(Talk.id.in_(due)))
    return len(due)
