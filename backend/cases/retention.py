"""How long a person's record and cases are kept, and what erases them when their day has come (SoL 16:1-2 a)."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from functools import partial

import sqlalchemy as sa
from sqlalchemy.orm import Session

from backend.cases import repository, rules
from backend.cases.desk import Desk
from backend.cases.rules import Keeping
from backend.cases.tables import Case, CaseNote, CaseSource, Family, FamilyMember, Person
from backend.concerns import events as reports
from backend.core import access, audit
from backend.core.audit import Tag
from backend.core.clock import to_local
from backend.core.house import House
from backend.core.legal import Event
from backend.journey import places

SUBJECT = "retention"
"""What the log's rows of erasing are about: they hold counts, and nobody's id."""
_BATCH = 50
"""Persons in one transaction."""


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
    """Erases what no law keeps any longer. What has been sent in (concerns, stories) is not erased here."""

    async def purge(self) -> int:
        """Erase records whose day has come, with their cases; returns how many. The log has the counts alone.

        A record's data key goes with its row, and a case's with its own, so what was sealed can never be opened again.
        In batches, each in one transaction: a stop in between leaves whole records, and the next run goes on.
        """
        keep = self._house.municipality.retention.case_days
        if keep == 0:
            return 0
        gone, after = 0, ""
        while True:
            batch, after = await self._house.db.write(partial(self._erase_after, last=after, keep=keep))
            gone += batch
            if not after:
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

    def _erase(self, session: Session, person: Person) -> int:
        case_ids = session.scalars(sa.select(Case.id).where(Case.person_id == person.id)).all()
        notes = session.scalars(sa.select(CaseNote.id).where(CaseNote.case_id.in_(case_ids))).all()
        access.forget(session, self._house.vault, person.id, [*case_ids, *notes])
        places.forget(session, [places.of_person(person.id)])
        families = session.scalars(sa.select(FamilyMember.family_id).where(FamilyMember.person_id == person.id)).all()
        session.execute(sa.delete(CaseSource).where(CaseSource.case_id.in_(case_ids)))
        session.execute(sa.delete(Case).where(Case.id.in_(case_ids)))
        session.execute(sa.delete(Person).where(Person.id == person.id))
        for family_id in families:
            self._end_family(session, family_id)
        return len(case_ids)

    def _end_family(self, session: Session, family_id: str) -> None:
        """A family of one tells only that there was somebody else."""
        left = session.scalar(sa.select(sa.func.count()).where(FamilyMember.family_id == family_id))
        if not left or left < 2:
            places.forget(session, [places.of_family(family_id)])
            session.execute(sa.delete(Family).where(Family.id == family_id))


def _past(before: datetime) -> sa.Select[Person]:
    """Records that nobody keeps by decision, with no case that is open or was closed later than ``before``."""
    later = sa.exists().where(Case.person_id == Person.id, sa.or_(repository.IS_OPEN, Case.closed_at > before))
    # Written out, not bound: only so does a database see that the index of erasable records fits.
    answered = Person.kept == sa.literal_column("'no'")
    return sa.select(Person).where(answered, Person.created_at <= before, ~later)
