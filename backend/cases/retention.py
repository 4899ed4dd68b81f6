"""How long a person's record and cases, and what was sent in, are kept, and what erases them on their day (SoL 16:1-2 a)."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import partial

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased

from backend.cases import repository, rules
from backend.cases.desk import Desk, PersonLine
from backend.cases.rules import Keeping
from backend.cases.tables import Case, CaseNote, CaseSource, Family, FamilyMember, Person
from backend.concerns import events as reports
from backend.concerns import retention as concerns
from backend.concerns.retention import Apart, Unanswered
from backend.core import access, audit
from backend.core.audit import Tag
from backend.core.clock import STOCKHOLM, to_local
from backend.core.errors import Conflict, InvalidField, NotFound
from backend.core.house import House
from backend.core.legal import Event
from backend.core.people import StaffMember
from backend.journey import places
from backend.stories import retention as stories

SUBJECT = "retention"
"""What the log's rows of erasing are about: they hold counts, and nobody's id."""
_BATCH = 50
"""Persons, or things sent in, in one transaction."""
LISTED = 200
"""Lines of each kind in the list of what waits for an answer."""


@dataclass(frozen=True, slots=True)
class WaitingCase:
    """A closed case of whose record nobody has said whether it is kept; ``closed_at``: the last of the person's."""

    id: str
    person: PersonLine
    closed_at: datetime


@dataclass(frozen=True, slots=True)
class Waiting:
    """What nothing is erased of until somebody has answered, the oldest first; ``more`` than are shown."""

    cases: list[WaitingCase]
    concerns: list[Unanswered]
    more: bool

    @property
    def count(self) -> int:
        """How many are shown."""
        return len(self.cases) + len(self.concerns)


def keeping_of(session: Session, house: House, person: Person, born: int | None) -> tuple[Keeping, date | None]:
    """Why the person's record and cases are kept, and from which local day they are not. For who has no open case."""
    cases = session.scalars(sa.select(Case).where(Case.person_id == person.id)).all()
    ended = max((case.closed_at for case in cases if case.closed_at is not None), default=person.created_at)
    happened = _happened(session, [case.id for case in cases])
    days = house.municipality.retention.case_days
    return rules.erased_from(person.who, born, person.kept, happened, to_local(ended).date(), days)


def _happened(session: Session, case_ids: list[str]) -> set[Event]:
    written = repository.events(session, case_ids).values()
    sources = sa.select(CaseSource.source_id).where(CaseSource.case_id.in_(case_ids), CaseSource.kind == "concern")
    reported = reports.happened(session, session.scalars(sources).all()).values()
    found = {Event(row.kind) for rows in written for row in rows if row.withdrawn_at is None}
    return found | {one.kind for rows in reported for one in rows}


class RetentionDesk(Desk):
    """Erases what no law keeps any longer, and says what waits for an answer first."""

    async def purge(self) -> int:
        """Erase records whose day has come, with their cases; returns how many. The log has the counts alone.

        A record's data key goes with its row, and a case's with its own, so what was sealed can never be opened again.
        In batches, each in one transaction: a stop in between leaves whole records, and the next run goes on.
        """
        return await self._in_batches(self._erase_after, self._house.municipality.retention.case_days)

    async def _in_batches(self, erase: Callable[..., tuple[int, str]], keep: int) -> int:
        """``erase`` until nothing is left to erase, each time in a transaction of its own; never where ``keep`` is 0."""
        gone, after = 0, ""
        while keep:
            batch, after = await self._house.db.write(partial(erase, last=after, keep=keep))
            gone += batch
            if not after:
                break
        return gone

    def _erase_after(self, session: Session, *, last: str, keep: int) -> tuple[int, str]:
        """Erase what is due in the next batch of records after the id ``last``; how many, and the id to go on from."""
        today = self.today()
        persons = session.scalars(
            _past(self._now() - timedelta(days=keep))
            .where(Person.id > last)
            .order_by(Person.id)
            .limit(_BATCH)
            .with_for_update()
        ).all()
        erased = cases = 0
        for person in persons:
            # Asked again under the lock, which nobody who opens a case gets past.
            if repository.open_case_of(session, person.id) is not None:
                continue
            _, day = keeping_of(session, self._house, person, self._sealer.shared(person).born)
            if day is not None and day <= today:
                cases += self._erase(session, person)
                erased += 1
        if erased:
            detail = f"persons={erased} cases={cases}"
            audit.record(session, self._now(), Tag.CASES_ERASED, SUBJECT, actor="system", detail=detail)
        return erased, persons[-1].id if len(persons) == _BATCH else ""

    async def purge_sent(self) -> int:
        """Erase what was sent in, came to no case and is past its time, with its story; returns how many concerns.

        ``concern_days`` after it was closed (`backend.core.municipality.Retention`), once staff have answered that it
        need not be kept. The papers of an investigation stay until the child must have turned 30 (SoL 16:2 a), whoever
        it was: the latest that a child of the report can be born is the year after it. What is in a case goes with the
        case. The log has the counts alone; batches as in `purge`.
        """
        return await self._in_batches(self._erase_sent_after, self._house.municipality.retention.concern_days)

    def _erase_sent_after(self, session: Session, *, last: str, keep: int) -> tuple[int, str]:
        now, apart = self._now(), _apart(self._now())
        found = concerns.due(
            session, apart, closed_by=now - timedelta(days=keep),
            investigated_before=datetime(self.today().year - rules.GROWN - 1, 1, 1, tzinfo=STOCKHOLM),
            last=last, at_most=_BATCH,
        )  # fmt: skip
        # Asked again under the lock, which nobody who puts one into a case gets past.
        taken = set(session.scalars(_in_cases("concern").where(CaseSource.source_id.in_(found))))
        told = 0
        if not last:
            closed_by = now - timedelta(days=keep)
            told = self._erase_told(session, [], stories.alone(session, closed_by, now, apart.stories, _BATCH))
        gone = [each for each in found if each not in taken]
        told += self._erase_told(session, gone, [])
        if gone or told:
            detail = f"concerns={len(gone)} stories={told}"
            audit.record(session, now, Tag.CONCERNS_ERASED, SUBJECT, actor="system", detail=detail)
        return len(gone), found[-1] if len(found) == _BATCH else ""

    def _erase_told(self, session: Session, concern_ids: list[str], story_ids: Collection[str]) -> int:
        """Erase concerns, and of their stories and ``story_ids`` those that nothing keeps; returns how many stories."""
        told = concerns.stories_of(session, concern_ids) | set(story_ids)
        told -= set(session.scalars(_in_cases("story").where(CaseSource.source_id.in_(told))))
        unknown = concerns.erase(session, concern_ids)
        count, left = stories.erase(session, told, self._now())
        about = unknown | left
        there = set(session.scalars(sa.select(Person.id).where(Person.id.in_(about))))
        for person_id in about - there:
            access.forget(session, self._house.vault, person_id, [])
        return count

    async def waiting(self, staff: StaffMember) -> Waiting:
        """What waits for a manager's answer, of what they may read. Raises `NotFound` for who is none."""
        if not (staff.is_manager and staff.handles_cases):
            raise NotFound
        return await self._house.db.read(partial(self._waiting, staff=staff))

    def _waiting(self, session: Session, *, staff: StaffMember) -> Waiting:
        kept = self._house.municipality.retention
        cases = self._waiting_cases(session, staff) if kept.case_days else []
        sent = concerns.unanswered(session, staff, _apart(self._now()), LISTED + 1) if kept.concern_days else []
        return Waiting(cases[:LISTED], sent[:LISTED], len(cases) > LISTED or len(sent) > LISTED)

    def _waiting_cases(self, session: Session, staff: StaffMember) -> list[WaitingCase]:
        """Those of the unit that they lead, whose answer is theirs; for each person the case that was closed last.

        Who has been placed is kept, whatever the answer.
        """
        other = aliased(Case)
        closed_later = sa.exists().where(
            other.person_id == Case.person_id, sa.or_(other.closed_at.is_(None), other.closed_at > Case.closed_at)
        )
        query = (
            repository.readable_by(staff, self._now())
            .join(Person, Person.id == Case.person_id)
            .where(
                Case.unit == staff.unit,
                Case.closed_at.is_not(None),
                Person.kept == sa.literal_column("''"),
                ~closed_later,
            )
            .order_by(Case.closed_at, Case.id)
            .limit(LISTED + 1)
        )
        found = session.scalars(query).all()
        people = repository.persons(session, {case.person_id for case in found})
        written = repository.events(session, [case.id for case in found])
        return [
            WaitingCase(case.id, self._line(person, self._sealer.shared(person), own=True), case.closed_at)
            for case in found
            for person in [people[case.person_id]]
            if case.closed_at is not None
            and rules.PLACED.isdisjoint(Event(row.kind) for row in written.get(case.id, []) if row.withdrawn_at is None)
        ]

    async def answer(self, staff: StaffMember, case_id: str, kept: str) -> None:
        """Say whether the record behind a closed case is kept for ever (``yes``) or not (``no``).

        For who leads the case's unit. Raises `NotFound`, `InvalidField` ``kept``, and `Conflict` when the case is open
        again or somebody has answered already.
        """
        if kept not in ("no", "yes"):
            raise InvalidField("missing" if not kept else "invalid", "kept")

        def change(session: Session) -> None:
            case = self._find(session, staff, case_id)
            if not (staff.is_manager and case.unit == staff.unit):
                raise NotFound
            person = session.scalars(sa.select(Person).where(Person.id == case.person_id).with_for_update()).one()
            if case.closed_at is None or person.kept:
                raise Conflict
            person.kept = kept
            person.version += 1
            session.flush()
            audit.record(session, self._now(), Tag.PERSON_CHANGED, person.id, actor=staff.id, detail=f"kept {kept}")

        await self._house.db.write(change)

    def _erase(self, session: Session, person: Person) -> int:
        case_ids = session.scalars(sa.select(Case.id).where(Case.person_id == person.id)).all()
        notes = session.scalars(sa.select(CaseNote.id).where(CaseNote.case_id.in_(case_ids))).all()
        self._let_go(session, case_ids)
        access.forget(session, self._house.vault, person.id, [*case_ids, *notes])
        audit.forget_reasons(session, [person.id, *case_ids, *notes])
        places.forget(session, [places.of_person(person.id)])
        families = session.scalars(sa.select(FamilyMember.family_id).where(FamilyMember.person_id == person.id)).all()
        session.execute(sa.delete(Case).where(Case.id.in_(case_ids)))
        session.execute(sa.delete(Person).where(Person.id == person.id))
        for family_id in families:
            self._end_family(session, family_id)
        return len(case_ids)

    def _let_go(self, session: Session, case_ids: Collection[str]) -> None:
        """What was sent in and came to the cases goes with them, or follows when its own day has come."""
        rows = session.execute(
            sa.delete(CaseSource)
            .where(CaseSource.case_id.in_(case_ids))
            .returning(CaseSource.kind, CaseSource.source_id)
        ).all()
        told = [source_id for kind, source_id in rows if kind == "story"]
        sent = [source_id for kind, source_id in rows if kind == "concern"] + concerns.of_stories(session, told)
        keep = self._house.municipality.retention.concern_days
        if keep:
            going = concerns.go_with_case(session, sent, self._now() - timedelta(days=keep))
            self._erase_told(session, going, told)

    def _end_family(self, session: Session, family_id: str) -> None:
        """A family of one tells only that there was somebody else."""
        left = session.scalar(sa.select(sa.func.count()).where(FamilyMember.family_id == family_id))
        if not left or left < 2:
            places.forget(session, [places.of_family(family_id)])
            session.execute(sa.delete(Family).where(Family.id == family_id))


def _in_cases(kind: str) -> sa.Select[str]:
    return sa.select(CaseSource.source_id).where(CaseSource.kind == kind)


def _apart(now: datetime) -> Apart:
    return Apart(_in_cases("concern"), _in_cases("story"), stories.still_open(now))


def _past(before: datetime) -> sa.Select[Person]:
    """Records that nobody keeps by decision, with no case that is open or was closed later than ``before``."""
    later = sa.exists().where(Case.person_id == Person.id, sa.or_(repository.IS_OPEN, Case.closed_at > before))
    # Written out, not bound: only so does a database see that the index of erasable records fits.
    answered = Person.kept == sa.literal_column("'no'")
    return sa.select(Person).where(answered, Person.created_at <= before, ~later)
