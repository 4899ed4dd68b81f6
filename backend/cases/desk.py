"""What the desks of this feature share: how a case is held, changed and told of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from backend.cases import repository, rules
from backend.cases.rules import Private, Shared, Who
from backend.cases.sealing import Sealer
from backend.cases.tables import Case, CaseSource, CaseState, Person, SeatState
from backend.core import access, audit
from backend.core.access import Kind
from backend.core.audit import Reason, Tag
from backend.core.clock import to_local
from backend.core.errors import Conflict, EmptyText, InvalidField, NotFound, TextTooLong
from backend.core.house import House
from backend.core.live import Event
from backend.core.people import StaffMember
from backend.core.text import clean
from backend.core.vault import new_id

CHANGED = Event("changed")


def topic(case_id: str) -> str:
    """What a case's page listens to."""
    return f"case:{case_id}"


@dataclass(frozen=True, slots=True)
class NewPerson:
    """Somebody who gets a record. ``who`` takes the values of `Who`; a nickname is a name."""

    who: str
    first_name: str
    born: int | None = None
    protected: bool = False


@dataclass(frozen=True, slots=True)
class PersonLine:
    """A person in a list or on a page. ``first_name`` is empty for who has a protected identity and is not one's own."""

    id: str
    who: str
    first_name: str
    age: int | None
    protected: bool


class Desk:
    """One municipality's cases, seen from one of the feature's services."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._sealer = Sealer(house.vault)

    def today(self) -> date:
        """The local date."""
        return to_local(self._now()).date()

    def may_lead(self, staff: StaffMember, case: Case) -> bool:
        """Whether ``staff`` may ask others in, move seats and end the case: its coordinator, or its unit's manager."""
        return case.coordinator_id == staff.id or (staff.is_manager and case.unit == staff.unit)

    def new_person(self, session: Session, staff: StaffMember, person: NewPerson) -> Person:
        """A record of one's own for somebody. Raises `InvalidField` for ``who``, ``first_name`` or ``born``."""
        shared = self._checked(person)
        person_id, key = new_id(), self._house.vault.new_key()
        sealed = self._sealer.record(key, person_id, shared, Private())
        row = Person(
            id=person_id, who=person.who, protected=person.protected, unit=staff.unit, data_key=key,
            shared=sealed[0], private=sealed[1], created_at=self._now(), created_by=staff.id,
        )  # fmt: skip
        session.add(row)
        session.flush()
        audit.record(session, self._now(), Tag.PERSON_ADDED, person_id, actor=staff.id, detail=person.who)
        return row

    def add_source(self, session: Session, staff: StaffMember, case: Case, kind: str, source_id: str) -> None:
        """Put a concern, story or booking, which the caller has checked, into a case. Raises `Conflict` if it is in one."""
        try:
            with session.begin_nested():
                session.add(CaseSource(kind=kind, source_id=source_id, case_id=case.id, at=self._now(), by=staff.id))
        except IntegrityError:
            raise Conflict from None
        # What is withheld of the person is withheld of what they told, in whatever feature it lies.
        access.concerns_person(session, Kind(kind), source_id, case.person_id)
        self._did(session, staff, Tag.CASE_SOURCE_ADDED, case, kind)

    def _checked(self, person: NewPerson, language: str = "") -> Shared:
        if person.who not in set(Who):
            raise InvalidField("invalid", "who")
        if person.born is not None and not rules.is_year_of_birth(person.born, self.today()):
            raise InvalidField("invalid", "born")
        return Shared(checked_line(person.first_name, "first_name", rules.NAME_LIMIT), person.born, language)

    def _line(self, person: Person, shared: Shared, *, own: bool) -> PersonLine:
        hidden = person.protected and not own
        return PersonLine(
            person.id,
            person.who,
            "" if hidden else shared.first_name,
            None if hidden else rules.age(shared.born, self.today()),
            person.protected,
        )

    def _nameless(self, person: Person) -> PersonLine:
        return PersonLine(person.id, person.who, "", None, person.protected)

    def _may_have(self, session: Session, member: StaffMember, case: Case) -> bool:
        """Whether nothing of the case is withheld from ``member``."""
        found = session.scalar(sa.select(Case.id).where(Case.id == case.id, repository.not_withheld(member)))
        return found is not None

    def _now(self) -> datetime:
        return self._house.clock.now()

    def _find(self, session: Session, staff: StaffMember, case_id: str) -> Case:
        case = repository.find(session, staff, case_id, self._now())
        if case is None:
            raise NotFound
        return case

    def _hold(self, session: Session, staff: StaffMember, case_id: str) -> Case:
        case = repository.hold(session, staff, case_id, self._now())
        if case is None:
            raise NotFound
        return case

    def _hold_open(self, session: Session, staff: StaffMember, case_id: str) -> Case:
        case = self._hold(session, staff, case_id)
        if case.state == CaseState.CLOSED.value:
            raise Conflict
        return case

    def _members(self, session: Session, case: Case) -> set[str]:
        seats = repository.seats(session, [case.id]).get(case.id, [])
        return {seat.staff_id for seat in seats if seat.staff_id and seat.state == SeatState.ACCEPTED.value}

    def _did(
        self,
        session: Session,
        staff: StaffMember | None,
        tag: Tag,
        case: Case,
        detail: str = "",
        reason: Reason | None = None,
    ) -> None:
        actor = staff.id if staff is not None else "system"
        session.flush()
        audit.record(session, self._now(), tag, case.id, actor=actor, detail=detail, reason=reason)

    async def _change(self, case_id: str, work: Callable[[Session], None]) -> None:
        await self._house.db.write(work)
        self._house.live.publish(topic(case_id), CHANGED)

    async def _once(
        self, staff: StaffMember, case_id: str, table: type[Any], key: str, add: Callable[[Session, Case], None]
    ) -> None:
        """Add the row ``key``, which a form chose when it was made: the same form sent twice is one row."""

        def once(session: Session) -> None:
            case = self._hold_open(session, staff, case_id)
            there = session.get(table, key)
            if there is None:
                add(session, case)
                session.flush()
            elif there.case_id != case.id:
                raise NotFound

        try:
            await self._change(case_id, once)
        except IntegrityError:
            # Both sends ran at once and the other was first; its row is there now.
            await self._change(case_id, once)


def checked_line(text: str, field: str, limit: int = rules.LINE_LIMIT) -> str:
    """A short text on one line. Raises `InvalidField` ``empty`` or ``too_long`` for ``field``."""
    try:
        return " ".join(clean(text, limit).split())
    except EmptyText:
        raise InvalidField("empty", field) from None
    except TextTooLong:
        raise InvalidField("too_long", field) from None


def from_today(day: date | None, field: str, today: date) -> date:
    """A day that has not passed and is not absurdly far away. Raises `InvalidField` for ``field``."""
    if day is None:
        raise InvalidField("no_day", field)
    if not today <= day <= today.replace(year=today.year + 3, day=1):
        raise InvalidField("not_ahead", field)
    return day


def until_today(day: date | None, field: str, today: date) -> date:
    """A day that has come. Raises `InvalidField` for ``field``."""
    if day is None:
        raise InvalidField("no_day", field)
    if not today.replace(year=today.year - 20, day=1) <= day <= today:
        raise InvalidField("not_past", field)
    return day
