"""The log for whoever leads a unit: who has read what of the unit's people, when, and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from backend.cases.service import CaseDesk, Subject, of_unit
from backend.core import access, audit
from backend.core.audit import AuditEvent, Tag
from backend.core.audit_chain import AuditChain, Verdict
from backend.core.clock import STOCKHOLM, to_local
from backend.core.errors import NotFound
from backend.core.house import House
from backend.core.people import StaffMember

PAGE = 100
EXPORTED = 10_000
"""Rows in one exported list at most."""
DAYS = 30
"""How far back the log is shown when nothing else is asked for."""
KINDS: dict[str, tuple[Tag, ...]] = {
    "reads": (
        Tag.CASE_READ, Tag.PERSON_READ, Tag.CONCERN_READ, Tag.BOOKING_READ, Tag.ACCESS_OPENED, Tag.LOG_READ,
        Tag.LOG_EXPORTED,
    ),
    "reasons": (Tag.ACCESS_OPENED, Tag.ACCESS_WITHHELD, Tag.ACCESS_LIFTED, Tag.CASE_EVENT_WITHDRAWN),
    "team": (
        Tag.CASE_OPENED, Tag.CASE_CLOSED, Tag.CASE_SEAT_ASKED, Tag.CASE_SEAT_ACCEPTED, Tag.CASE_SEAT_DECLINED,
        Tag.CASE_SEAT_LATER, Tag.CASE_SEAT_LEFT, Tag.CASE_SEAT_MOVED, Tag.CASE_COORDINATOR, Tag.STAFF_OFF_DUTY,
        Tag.STAFF_ON_DUTY,
    ),
    "logins": (Tag.STAFF_LOGIN, Tag.STAFF_LOGOUT, Tag.STAFF_CHANGED, Tag.STAFF_NEW_LOGIN, Tag.STAFF_ADDED),
}  # fmt: skip
"""What the log can be narrowed to."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What of the log is asked for. Days are local and included; ``before`` is the id that the page ends before."""

    since: date
    until: date
    who: str = ""
    kind: str = ""
    case_id: str = ""
    before: int | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """One deed. ``unit`` and ``roles`` are what the person had then; ``about`` is given if the reader may read it."""

    id: int
    at: datetime
    name: str
    unit: str
    roles: Sequence[str]
    tag: str
    subject: str
    about: Subject | None
    detail: str
    reason: str


@dataclass(frozen=True, slots=True)
class Log:
    """A page of the log. ``older`` is where the next page begins, or None on the last one."""

    entries: Sequence[Entry]
    older: int | None
    people: Sequence[tuple[str, str]]


class LogDesk:
    """For managers; for everybody else the log does not exist."""

    def __init__(self, house: House, cases: CaseDesk, chain: AuditChain) -> None:
        self._house = house
        self._cases = cases
        self._chain = chain

    def open_to(self, staff: StaffMember) -> bool:
        """Whether there is a log for ``staff``."""
        return staff.active and staff.is_manager

    def standing(self) -> tuple[Verdict | None, datetime | None]:
        """What the last walk along the chain has found, and when; nothing before the first one has ended."""
        return self._chain.found, self._chain.found_at

    async def read(self, staff: StaffMember, wanted: Wanted) -> Log:
        """What the unit's people have done, and what anybody has done with the unit's cases; the newest first.

        Without what is withheld from ``staff``. That it has been read is itself in the log. Raises `NotFound`.
        """
        return await self._read(staff, wanted, PAGE, Tag.LOG_READ)

    async def export(self, staff: StaffMember, wanted: Wanted) -> Log:
        """The same in one list, for a supervisor; written down as an export. Raises `NotFound`."""
        return await self._read(staff, wanted, EXPORTED, Tag.LOG_EXPORTED)

    async def _read(self, staff: StaffMember, wanted: Wanted, count: int, tag: Tag) -> Log:
        if not self.open_to(staff):
            raise NotFound

        def look(session: Session) -> Log:
            rows = self._rows(session, staff, wanted, count + 1)
            more = len(rows) > count
            detail = " ".join(filter(None, (wanted.kind, wanted.who)))
            audit.record(
                session, self._house.clock.now(), tag, wanted.case_id or staff.unit, actor=staff.id, detail=detail
            )
            shown = rows[:count]
            about = self._cases.known_subjects(session, staff, {row.subject for row in shown if row.subject})
            names = {
                member.id: member.first_name
                for member in session.scalars(
                    sa.select(StaffMember).where(StaffMember.id.in_({row.actor for row in shown}))
                )
            }
            people = session.execute(
                sa.select(StaffMember.id, StaffMember.first_name)
                .where(StaffMember.unit == staff.unit)
                .order_by(StaffMember.first_name)
            )
            return Log(
                [self._entry(session, row, names, about) for row in shown],
                shown[-1].id if more else None,
                [(staff_id, name) for staff_id, name in people],
            )

        return await self._house.db.write(look)

    def _rows(self, session: Session, staff: StaffMember, wanted: Wanted, count: int) -> list[AuditEvent]:
        since, until = (datetime.combine(day, time(), STOCKHOLM) for day in (wanted.since, wanted.until))
        lowest = session.scalar(sa.select(sa.func.min(AuditEvent.id)).where(AuditEvent.at >= since))
        if lowest is None:
            return []
        common = sa.select(AuditEvent).where(
            AuditEvent.id >= lowest,
            AuditEvent.at < until + timedelta(days=1),
            access.visible_of_any_kind(staff, AuditEvent.subject),
        )
        if wanted.before is not None:
            common = common.where(AuditEvent.id < wanted.before)
        if wanted.who:
            common = common.where(AuditEvent.actor == wanted.who)
        if wanted.kind:
            common = common.where(AuditEvent.tag.in_([tag.value for tag in KINDS[wanted.kind]]))
        if wanted.case_id:
            common = common.where(AuditEvent.subject.in_(self._ids(session, staff, wanted.case_id)))
        # Two questions, since each is answered by an index and both at once by none.
        asked = [
            common.where(AuditEvent.actor_unit == staff.unit),
            common.where(AuditEvent.actor_unit.not_in(["", staff.unit]), of_unit(staff.unit, AuditEvent.subject)),
        ]
        rows = [row for query in asked for row in session.scalars(query.order_by(AuditEvent.id.desc()).limit(count))]
        return sorted(rows, key=lambda row: -row.id)[:count]

    def _ids(self, session: Session, staff: StaffMember, case_id: str) -> set[str]:
        """The case, and the person in it."""
        found = self._cases.known_subjects(session, staff, [case_id])
        return set(found)

    def _entry(self, session: Session, row: AuditEvent, names: dict[str, str], about: dict[str, Subject]) -> Entry:
        return Entry(
            row.id, row.at, names.get(row.actor, ""), row.actor_unit, row.actor_roles.split(), row.tag, row.subject,
            about.get(row.subject), row.detail,
            audit.open_reason(session, self._house.vault, row),
        )  # fmt: skip

    def today(self) -> date:
        """The local date."""
        return to_local(self._house.clock.now()).date()
