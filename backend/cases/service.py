"""Persons, cases and the team around each: who may read them, how a case begins."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import msgspec
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from backend.cases import repository
from backend.cases.rules import Private, Shared
from backend.cases.tables import Case, CaseSeat, CaseSource, CaseState, Person, SeatState, Who
from backend.core import access, audit
from backend.core.audit import Tag
from backend.core.errors import Conflict, InvalidField, NotFound
from backend.core.house import House
from backend.core.people import StaffMember
from backend.core.text import clean
from backend.core.vault import new_id

NAME_LIMIT = 100


@dataclass(frozen=True, slots=True)
class NewPerson:
    """Somebody who gets a record. ``who`` takes the values of `Who`; a nickname is a name."""

    who: str
    first_name: str


class CaseDesk:
    """Use cases around cases. What a member of staff may not know of does not exist: `NotFound`."""

    def __init__(self, house: House) -> None:
        self._house = house

    def readable_by(self, staff: StaffMember) -> sa.Select[Case]:
        """The cases that ``staff`` may read now, as a query to build on."""
        return repository.readable_by(staff, self._house.clock.now())

    async def readable(self, staff: StaffMember, case_ids: Collection[str]) -> set[str]:
        """Those of the cases that ``staff`` may read now."""
        if not case_ids:
            return set()
        now = self._house.clock.now()
        return await self._house.db.read(lambda session: repository.readable_of(session, staff, case_ids, now))

    async def open_from_concern(self, staff: StaffMember, concern_id: str, person: NewPerson) -> str:
        """Open a case about a new person from a concern that the caller has checked; returns its id.

        ``staff`` becomes the coordinator. Raises `Conflict` when somebody has opened one from the
        same concern, and `InvalidField` for ``who`` or ``first_name``.
        """
        return await self._house.db.write(lambda session: self.open_in(session, staff, "concern", concern_id, person))

    def open_in(self, session: Session, staff: StaffMember, kind: str, source_id: str, person: NewPerson) -> str:
        """`open_from_concern` for any kind of source, in the caller's transaction."""
        record = self._new_person(staff, person)
        session.add(record)
        session.flush()
        now = self._house.clock.now()
        case = Case(
            id=new_id(), person_id=record.id, unit=staff.unit, state=CaseState.ACTIVE.value, coordinator_id=staff.id,
            data_key=self._house.vault.new_key(), opened_at=now, opened_by=staff.id,
        )  # fmt: skip
        session.add(case)
        session.flush()
        try:
            with session.begin_nested():
                session.add(CaseSource(kind=kind, source_id=source_id, case_id=case.id, at=now, by=staff.id))
        except IntegrityError:
            raise Conflict from None
        seat = CaseSeat(
            id=new_id(), case_id=case.id, unit=staff.unit, staff_id=staff.id, lead=True, coordinates=True,
            state=SeatState.ACCEPTED.value, asked_at=now, asked_by=staff.id, answered_at=now,
        )  # fmt: skip
        session.add(seat)
        session.flush()
        access.tie(session, staff.id, record.id, seat.id)
        audit.record(session, now, Tag.CASE_OPENED, case.id, actor=staff.id, detail=kind)
        return case.id

    async def case_from(self, staff: StaffMember, kind: str, source_id: str) -> str | None:
        """The case that came of a concern, story or booking, if ``staff`` may read it."""

        def look(session: Session) -> str | None:
            source = session.get(CaseSource, (kind, source_id))
            if source is None:
                return None
            case = repository.find(session, staff, source.case_id, self._house.clock.now())
            return case.id if case is not None else None

        return await self._house.db.read(look)

    def person_of(self, session: Session, staff: StaffMember, case_id: str) -> str:
        """The person whom a case is about. Raises `NotFound`."""
        case = repository.find(session, staff, case_id, self._house.clock.now())
        if case is None:
            raise NotFound
        return case.person_id

    def _new_person(self, staff: StaffMember, person: NewPerson) -> Person:
        if person.who not in set(Who):
            raise InvalidField("invalid", "who")
        if not person.first_name.strip():
            raise InvalidField("empty", "first_name")
        if len(person.first_name.strip()) > NAME_LIMIT:
            raise InvalidField("too_long", "first_name")
        person_id, key = new_id(), self._house.vault.new_key()

        def seal(column: str, value: Shared | Private) -> bytes:
            text = msgspec.json.encode(value).decode()
            return self._house.vault.seal(key, f"person.{column}:{person_id}", text)

        return Person(
            id=person_id, who=person.who, unit=staff.unit, data_key=key,
            shared=seal("shared", Shared(clean(person.first_name, NAME_LIMIT))), private=seal("private", Private()),
            created_at=self._house.clock.now(), created_by=staff.id,
        )  # fmt: skip
