"""Persons and families: each person's own record, what others' teams may be shown, and what is withheld from whom."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from backend.cases import repository, rules
from backend.cases.desk import CHANGED, Desk, NewPerson, PersonLine, checked_line, topic
from backend.cases.rules import Private, Shared
from backend.cases.tables import Case, CaseNote, CaseSource, Family, FamilyMember, Person
from backend.core import access, audit
from backend.core.access import From, Kind
from backend.core.audit import Tag
from backend.core.db import affected
from backend.core.errors import Conflict, EmptyText, InvalidField, NotFound, TextTooLong
from backend.core.people import StaffMember
from backend.core.text import clean
from backend.core.vault import new_id


@dataclass(frozen=True, slots=True)
class Kin:
    """Another person in the family whose record or shared fields the reader may see. ``shown``: to the others' teams."""

    person: PersonLine
    shown: bool
    readable: bool


@dataclass(frozen=True, slots=True)
class PersonPage:
    """Somebody's own record. ``case_id`` is their open case, if it may be read; ``shown`` whether others' teams see it.

    ``in_family``: with somebody whom the reader may know of.
    """

    line: PersonLine
    shared: Shared
    private: Private
    kept: str
    version: int
    case_id: str | None
    in_family: bool
    shown: bool
    kin: Sequence[Kin]
    linkable: Sequence[PersonLine]


@dataclass(frozen=True, slots=True)
class Record:
    """A record as typed in its form. ``born`` is a year, ``kept`` one of `rules.KEPT`."""

    who: str
    first_name: str
    born: int | None
    language: str
    protected: bool
    full_name: str
    phone: str
    address: str
    safe_contact: str
    notes: str
    kept: str = ""


@dataclass(frozen=True, slots=True)
class Withholding:
    """What can be withheld in a case and from whom, as choices: ``(value, name)``; staff and units by id."""

    notes: Sequence[tuple[str, Any, str]]
    people: Sequence[PersonLine]
    units: Sequence[str]
    staff: Sequence[tuple[str, str, str]]


class PersonDesk(Desk):
    """Use cases around records. What a member of staff may not know of does not exist: `NotFound`."""

    async def person(self, staff: StaffMember, person_id: str) -> PersonPage:
        """Somebody's record; that ``staff`` has read it is written down. Raises `NotFound`."""

        def open_it(session: Session) -> PersonPage:
            person = self._readable(session, staff, person_id)
            page = self._page(session, staff, person)
            audit.read(session, self._now(), Tag.PERSON_READ, person.id, actor=staff.id)
            return page

        return await self._house.db.write(open_it)

    async def save(self, staff: StaffMember, person_id: str, record: Record, version: int) -> None:
        """Change a record. Raises `NotFound`, `InvalidField`, and `Conflict` when it has changed since the form was opened."""
        checked = self._checked(
            NewPerson(record.who, record.first_name, record.born), _optional(record.language, "language")
        )
        if record.kept not in rules.KEPT:
            raise InvalidField("invalid", "kept")
        private = Private(
            *(_optional(getattr(record, field), field) for field in ("full_name", "phone", "address")),
            *(_long(getattr(record, field), field) for field in ("safe_contact", "notes")),
        )

        def change(session: Session) -> None:
            person = self._readable(session, staff, person_id, hold=True)
            if person.version != version:
                raise Conflict
            person.shared, person.private = self._sealer.record(person.data_key, person.id, checked, private)
            person.who, person.protected, person.kept = record.who, record.protected, record.kept
            person.version += 1
            session.flush()
            audit.record(session, self._now(), Tag.PERSON_CHANGED, person.id, actor=staff.id)

        await self._house.db.write(change)
        self._house.live.publish(access.TOPIC, CHANGED)

    # --- Family -------------------------------------------------------------------------

    async def link(self, staff: StaffMember, person_id: str, other_id: str) -> None:
        """Put two persons whose records ``staff`` may read in one family; neither is shown to the other's team by that.

        Raises `NotFound`, and `Conflict` when they are linked already.
        """

        def add(session: Session) -> None:
            person, other = (self._readable(session, staff, each) for each in (person_id, other_id))
            if person.id == other.id:
                raise InvalidField("invalid", "other")
            self._join(session, staff, person, other)

        await self._house.db.write(add)
        self._house.live.publish(access.TOPIC, CHANGED)

    async def add_relative(self, staff: StaffMember, person_id: str, new: NewPerson) -> str:
        """Make a record for somebody else in the family; returns its id. Raises `NotFound`, `InvalidField`."""

        def add(session: Session) -> str:
            person = self._readable(session, staff, person_id)
            other = self.new_person(session, staff, new)
            self._join(session, staff, person, other)
            return other.id

        return await self._house.db.write(add)

    async def show(self, staff: StaffMember, person_id: str, shown: bool) -> None:
        """Let the teams of the others in the family see the person's shared fields, or stop it. Raises `NotFound`."""

        def change(session: Session) -> None:
            person = self._readable(session, staff, person_id)
            self._need_family(session, staff, person)
            showing = sa.update(FamilyMember).where(FamilyMember.person_id == person.id).values(shown=shown)
            if not affected(session, showing):
                raise NotFound
            detail = "shown" if shown else "hidden"
            audit.record(session, self._now(), Tag.FAMILY_SHOWN, person.id, actor=staff.id, detail=detail)

        await self._house.db.write(change)
        self._house.live.publish(access.TOPIC, CHANGED)

    async def unlink(self, staff: StaffMember, person_id: str) -> None:
        """Take the person out of the family. Raises `NotFound`."""

        def remove(session: Session) -> None:
            person = self._readable(session, staff, person_id)
            self._need_family(session, staff, person)
            if not affected(session, sa.delete(FamilyMember).where(FamilyMember.person_id == person.id)):
                raise NotFound
            audit.record(session, self._now(), Tag.FAMILY_UNLINKED, person.id, actor=staff.id)

        await self._house.db.write(remove)
        self._house.live.publish(access.TOPIC, CHANGED)

    # --- Visa inte för ------------------------------------------------------------------

    async def withholding(self, staff: StaffMember, case_id: str) -> Withholding:
        """What can be withheld in a case, and from whom. Raises `NotFound`."""

        def look(session: Session) -> Withholding:
            case = self._find(session, staff, case_id)
            notes = repository.notes(session, staff, case.id)
            names = repository.names(session, [note.by for note in notes])
            family = repository.family_of(session, case.person_id)
            allowed = repository.visible_people(session, staff, {person.id for _, person in family})
            people = {person.id: person for _, person in family if person.id in allowed}
            members = session.scalars(
                sa.select(StaffMember)
                .where(StaffMember.active.is_(True))
                .order_by(StaffMember.unit, StaffMember.first_name)
            )
            return Withholding(
                notes=[(note.id, note.at, names[note.by].first_name) for note in notes],
                people=[self._line(each, self._sealer.shared(each), own=False) for each in people.values()],
                units=[unit.id for unit in self._house.municipality.units if unit.id != case.unit],
                staff=[(each.id, each.first_name, each.unit) for each in members if each.handles_cases],
            )

        return await self._house.db.read(look)

    async def withhold(
        self, staff: StaffMember, case_id: str, subject: tuple[str, str], kept_from: tuple[str, str], reason: str
    ) -> None:
        """Keep the person of a case, or one concern or note in it, from somebody.

        ``subject`` is a `Kind` and an id, ``kept_from`` a `From` and an id. Raises `NotFound`, `Conflict` when it is
        withheld already, and `InvalidField`: ``subject``, ``reason``, or ``kept_from`` (``would_shut_out`` for what
        would leave the case without its coordinator, its unit's manager, or whoever does this).
        """

        def add(session: Session) -> None:
            case = self._hold_open(session, staff, case_id)
            kind = self._subject(session, case, *subject)
            whom = self._whom(session, staff, case, *kept_from)
            now = self._now()
            access.withhold(session, self._house.vault, now, staff, (kind, subject[1]), whom, reason)
            session.flush()
            leaders = session.scalars(sa.select(StaffMember).where(StaffMember.unit == case.unit))
            needed = [member for member in leaders if member.is_manager and member.active]
            if case.coordinator_id is not None:
                needed.append(session.get_one(StaffMember, case.coordinator_id))
            if any(not self._sees(session, member, case, kind, subject[1]) for member in (staff, *needed)):
                raise InvalidField("would_shut_out", "kept_from")

        await self._house.db.write(add)
        self._tell(case_id)

    async def lift(self, staff: StaffMember, case_id: str, line_id: str, reason: str) -> None:
        """Stop withholding. Raises `NotFound` for who does not lead the team, and `InvalidField` for ``reason``."""

        def change(session: Session) -> None:
            case = self._hold(session, staff, case_id)
            if not self.may_lead(staff, case):
                raise NotFound
            subjects = self._subjects(session, case)
            if line_id not in {line.id for line in access.withheld_lines(session, self._house.vault, subjects)}:
                raise NotFound
            access.lift(session, self._house.vault, self._now(), staff, line_id, reason)

        await self._house.db.write(change)
        self._tell(case_id)

    # --- Parts --------------------------------------------------------------------------

    def _readable(self, session: Session, staff: StaffMember, person_id: str, *, hold: bool = False) -> Person:
        if hold:
            session.execute(sa.select(Person.id).where(Person.id == person_id).with_for_update(key_share=True))
        query = repository.people_readable_by(staff, self._now()).where(Person.id == person_id)
        person = session.scalar(query)
        if person is None:
            raise NotFound
        return person

    def _page(self, session: Session, staff: StaffMember, person: Person) -> PersonPage:
        now = self._now()
        shared, private = self._sealer.shared(person), self._sealer.private(person)
        family = repository.family_of(session, person.id)
        allowed = repository.visible_people(session, staff, {other.id for _, other in family})
        readable = {row.id: row for row in session.scalars(repository.people_readable_by(staff, now))}
        kin: dict[str, Kin] = {}
        for member, other in family:
            open_to = other.id in readable
            if other.id in allowed and (member.shown or open_to):
                line = self._line(other, self._sealer.shared(other), own=open_to)
                kin[other.id] = Kin(line, member.shown, open_to)
        own = session.scalars(sa.select(FamilyMember).where(FamilyMember.person_id == person.id)).all()
        case = session.scalar(repository.readable_by(staff, now).where(Case.person_id == person.id, repository.IS_OPEN))
        related = {other.id for _, other in family} | {person.id}
        return PersonPage(
            line=self._line(person, shared, own=True),
            shared=shared,
            private=private,
            kept=person.kept,
            version=person.version,
            case_id=case.id if case is not None else None,
            in_family=bool(own) and (bool(allowed) or not family),
            shown=any(row.shown for row in own),
            kin=list(kin.values()),
            linkable=[
                self._line(row, self._sealer.shared(row), own=True)
                for row_id, row in readable.items()
                if row_id not in related
            ],
        )

    def _need_family(self, session: Session, staff: StaffMember, person: Person) -> None:
        """Raises `NotFound` for a family in which everybody else is withheld from ``staff``: that there is one tells of them."""
        others = {other.id for _, other in repository.family_of(session, person.id)}
        if others and not repository.visible_people(session, staff, others):
            raise NotFound

    def _join(self, session: Session, staff: StaffMember, person: Person, other: Person) -> None:
        now = self._now()
        family_id = repository.family_id_of(session, person.id)
        if family_id is None:
            family_id = new_id()
            session.add(Family(id=family_id, created_at=now, created_by=staff.id))
            session.flush()
            session.add(FamilyMember(family_id=family_id, person_id=person.id, added_at=now, added_by=staff.id))
        try:
            with session.begin_nested():
                session.add(FamilyMember(family_id=family_id, person_id=other.id, added_at=now, added_by=staff.id))
        except IntegrityError:
            raise Conflict from None
        for each in (person, other):
            audit.record(session, now, Tag.FAMILY_LINKED, each.id, actor=staff.id, detail=family_id)

    def _subject(self, session: Session, case: Case, kind: str, subject_id: str) -> Kind:
        found = {subject: known for known, subject in self._subjects(session, case)}.get(subject_id)
        if found is None or found.value != kind:
            raise InvalidField("invalid", "subject")
        return found

    def _subjects(self, session: Session, case: Case) -> list[tuple[Kind, str]]:
        notes = session.scalars(sa.select(CaseNote.id).where(CaseNote.case_id == case.id))
        sources = session.scalars(sa.select(CaseSource).where(CaseSource.case_id == case.id))
        return [
            (Kind.PERSON, case.person_id),
            (Kind.CASE, case.id),
            *((Kind.NOTE, note_id) for note_id in notes),
            *((Kind(row.kind), row.source_id) for row in sources),
        ]

    def _whom(self, session: Session, staff: StaffMember, case: Case, kind: str, whom_id: str) -> tuple[From, str]:
        if kind == From.UNIT and whom_id in {unit.id for unit in self._house.municipality.units}:
            return From.UNIT, whom_id
        if kind == From.STAFF and session.get(StaffMember, whom_id) is not None:
            return From.STAFF, whom_id
        if kind == From.PERSON:
            family = {person.id for _, person in repository.family_of(session, case.person_id)}
            if whom_id in family & repository.visible_people(session, staff, family):
                return From.PERSON, whom_id
        raise InvalidField("invalid", "kept_from")

    def _sees(self, session: Session, member: StaffMember, case: Case, kind: Kind, subject_id: str) -> bool:
        itself = sa.select(access.visible(member, (kind, sa.literal(subject_id))))
        return bool(session.scalar(itself)) and self._may_have(session, member, case)

    def _tell(self, case_id: str) -> None:
        self._house.live.publish(access.TOPIC, CHANGED)
        self._house.live.publish(topic(case_id), CHANGED)


def _optional(text: str, field: str) -> str:
    return checked_line(text, field) if text.strip() else ""


def _long(text: str, field: str) -> str:
    if not text.strip():
        return ""
    try:
        return clean(text, rules.TEXT_LIMIT)
    except EmptyText:
        return ""
    except TextTooLong:
        raise InvalidField("too_long", field) from None
