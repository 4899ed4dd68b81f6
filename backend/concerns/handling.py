"""What staff do with a concern: take, give back, put off, move, check, decide, tell the reporter.

Every deed is guarded by the state it was meant for, so that a stale form or a colleague who was
faster gives a `Conflict` instead of a second deed, and every deed is written down with its reason.
Time limits follow from the deeds and can not be set by anybody.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from backend.concerns import live, repository, rules
from backend.concerns.tables import Concern, ConcernAssessment, ConcernHandover, ConcernReport, Handed, State
from backend.core import audit, legal, webhooks
from backend.core.access import checked_reason
from backend.core.audit import Tag
from backend.core.clock import to_local
from backend.core.duty import Duty
from backend.core.errors import Conflict, InvalidField, NotFound
from backend.core.house import House
from backend.core.people import StaffMember
from backend.core.vault import new_id

GROUNDS = ("consent", "no_harm", "duty")
"""What lets words cross a border of secrecy: consent (OSL 12:2), clearly no harm (OSL 26:1), a duty in law."""
FEEDBACK_WAYS = ("code", "phone", "letter")
LATER_DAYS = 30
"""How far ahead something can be put off, in days; a legal time limit brings it back sooner."""
CHECK, DECISION = "check", "decision"


@dataclass(frozen=True, slots=True)
class Taken:
    """What a click on several did: the ids that are now one's own, and those that somebody else had first."""

    mine: list[str]
    missed: list[str]


@dataclass(frozen=True, slots=True)
class Assessment:
    """A protection check or a decision as it was made."""

    kind: str
    at: datetime
    name: str
    outcome: str
    reason: str


@dataclass(frozen=True, slots=True)
class Handover:
    """A concern that was moved, given back or put off: when, by whom, from and to which unit (names), why."""

    kind: str
    at: datetime
    name: str
    from_unit: str
    to_unit: str
    ground: str
    reason: str


@dataclass(frozen=True, slots=True)
class ReportFacts:
    """A report without the identities: whether there are any to open, and how it stands with the feedback."""

    source: str
    anonymous: bool
    child_known: bool
    entered_by: str
    feedback_wanted: bool
    feedback_at: datetime | None
    feedback_how: str
    feedback_by: str


@dataclass(frozen=True, slots=True)
class Handled:
    """Everything that has been done with a concern, for its page."""

    unit: str
    holder: str
    needs: list[str]
    area: str
    source: str
    without_delay: bool
    check: Assessment | None
    decision: Assessment | None
    handovers: list[Handover]
    report: ReportFacts | None
    later_until: date | None
    closed_at: datetime | None
    kept: str
    decision_runs: bool
    mine: bool


@dataclass(frozen=True, slots=True)
class Identity:
    """Who reported and which child it is about, as they were given."""

    reporter: Mapping[str, str]
    child: Mapping[str, str]


class HandlingDesk:
    """Use cases of whoever handles concerns. Each raises `NotFound` for a concern that ``staff`` may not open."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._duty = Duty(house.municipality)
        self._border = {unit.id: (unit.board, unit.branch) for unit in house.municipality.units}

    def crosses(self, from_unit: str, to_unit: str) -> bool:
        """Whether secrecy holds between two units: other board or branch (OSL 26:1, 8:2)."""
        return self._border.get(from_unit) != self._border.get(to_unit)

    async def take_all(self, staff: StaffMember, concern_ids: Collection[str]) -> Taken:
        """Make ``staff`` the one who takes each of them that nobody has taken; unknown ones count as missed."""

        def take(session: Session) -> Taken:
            now = self._house.clock.now()
            asked = list(dict.fromkeys(concern_ids))
            mine: set[str] = set()
            # In one order: two who take the same ones would else wait for each other's rows for ever.
            for concern_id in sorted(asked):
                known = repository.find_known(session, staff, concern_id) is not None
                if known and repository.take(session, staff, concern_id, now):
                    audit.record(session, now, Tag.CONCERN_ACCEPTED, concern_id, actor=staff.id)
                    webhooks.announce(session, self._house, now, "concern.accepted", concern_id)
                    mine.add(concern_id)
            return Taken([one for one in asked if one in mine], [one for one in asked if one not in mine])

        taken = await self._house.db.write(take)
        for concern_id in taken.mine:
            live.changed(self._house, staff.unit, concern_id)
        return taken

    async def decline(self, staff: StaffMember, concern_id: str, reason: str) -> None:
        """Give a taken concern back to the queue; whoever gives back can no longer read it unless they take it again.

        Raises `InvalidField` ``reason``, and `Conflict` when it is not theirs any more. A manager may give back
        what somebody else has taken, and can go on reading it.
        """
        why = checked_reason(reason)

        def give_back(session: Session, concern: Concern, now: datetime) -> None:
            if concern.state != State.ACCEPTED or not (concern.accepted_by == staff.id or staff.is_manager):
                raise Conflict
            self._hand(session, concern, staff, Handed.DECLINED, why, now)
            concern.state, concern.accepted_by, concern.accepted_at = State.NEW.value, None, None
            concern.later_until, concern.changed_at = None, now
            concern.take_by = self._duty.deadline(now, self._house.municipality.team.answer_minutes)

        await self._change(staff, concern_id, Tag.CONCERN_DECLINED, give_back, reason=why)

    async def later(self, staff: StaffMember, concern_id: str, until: date, reason: str) -> None:
        """Put off what one has taken until a day; a legal limit brings it back sooner.

        Raises `InvalidField` ``until`` for a day that is not after today or more than `LATER_DAYS` ahead.
        """
        today = to_local(self._house.clock.now()).date()
        if not today < until <= today + timedelta(days=LATER_DAYS):
            raise InvalidField("invalid", "until")
        why = checked_reason(reason)

        def put_off(session: Session, concern: Concern, now: datetime) -> None:
            if concern.accepted_by != staff.id or concern.state != State.ACCEPTED:
                raise Conflict
            self._hand(session, concern, staff, Handed.LATER, why, now)
            concern.later_until = until

        await self._change(staff, concern_id, Tag.CONCERN_LATER, put_off, reason=why)

    async def move(
        self,
        staff: StaffMember,
        concern_id: str,
        to_unit: str,
        reason: str,
        *,
        ground: str = "",
        child_at_risk: bool = False,
        expected: tuple[str, str] | None = None,
    ) -> str:
        """Send a concern to another unit, whose queue it stands in from now on; returns that unit's name.

        The person who holds the code is told that it moved and where to. ``expected`` is the unit and
        holder (or "") that the form was made for. ``child_at_risk`` starts the fourteen days where no rule
        had, counted from the arrival. Raises `InvalidField` naming ``unit``, ``reason`` or ``ground``
        (needed across a border of secrecy), and `Conflict` when it has been moved or taken since.
        """
        why = checked_reason(reason)
        if to_unit not in self._border or to_unit == staff.unit:
            raise InvalidField("invalid", "unit")
        crossing = self.crosses(staff.unit, to_unit)
        if crossing and ground not in GROUNDS:
            raise InvalidField("missing", "ground")

        def send(session: Session, concern: Concern, now: datetime) -> None:
            if expected is not None and expected != (concern.unit, concern.accepted_by or ""):
                raise Conflict
            self._hand(session, concern, staff, Handed.MOVED, why, now, to_unit, ground if crossing else "")
            concern.unit, concern.state = to_unit, State.NEW.value
            concern.accepted_by = concern.accepted_at = concern.later_until = concern.closed_at = None
            concern.changed_at, concern.untaken_at = now, None
            concern.take_by = self._duty.deadline(now, self._house.municipality.team.answer_minutes)
            if child_at_risk and concern.decision_due is None:
                concern.decision_due = legal.decision_due(to_local(concern.received_at))
            settle(concern, now)
            live.notify(session, self._house, concern.unit, now)
            webhooks.announce(session, self._house, now, "concern.moved", concern.id)

        await self._change(staff, concern_id, Tag.CONCERN_MOVED, send, reason=why, detail=to_unit)
        live.changed(self._house, to_unit, concern_id)
        return self._house.municipality.unit(to_unit).name

    async def check(self, staff: StaffMember, concern_id: str, outcome: str, reason: str) -> None:
        """Write down the protection check (SoL 20:1). Raises as `decide`."""
        await self._assess(staff, concern_id, CHECK, outcome, reason, rules.CHECK_OUTCOMES)

    async def decide(self, staff: StaffMember, concern_id: str, outcome: str, reason: str) -> None:
        """Write down whether an investigation is opened (SoL 20:2).

        Raises `InvalidField` naming ``outcome``, ``reason``, ``qualified`` (SoL 25:1: only somebody with the
        degree), ``check`` (the protection check comes first) or ``clock`` (nothing to decide here), and
        `Conflict` when it has been decided already.
        """
        await self._assess(staff, concern_id, DECISION, outcome, reason, rules.DECISION_OUTCOMES)

    async def start_decision(self, staff: StaffMember, concern_id: str) -> None:
        """There is a child who may be harmed: the fourteen days run, from the arrival (SoL 20:2)."""

        def start(session: Session, concern: Concern, now: datetime) -> None:
            if concern.decision_due is not None:
                raise Conflict
            concern.decision_due = legal.decision_due(to_local(concern.received_at))
            concern.closed_at, concern.state = None, State.ACCEPTED.value if concern.accepted_by else State.NEW.value
            settle(concern, now)

        await self._change(staff, concern_id, Tag.CONCERN_CHILD_FOUND, start)

    async def ask_feedback(self, staff: StaffMember, concern_id: str) -> None:
        """A mandated reporter has asked to be told what was decided: within a week of it, at once if it is decided."""

        def ask(session: Session, concern: Concern, now: datetime) -> None:
            report = session.get(ConcernReport, concern.id)
            if report is None or concern.source != "mandated":
                raise NotFound
            if report.feedback_wanted:
                raise Conflict
            report.feedback_wanted, report.feedback_asked_at = True, now
            self._due_feedback(concern, report)
            if concern.feedback_due is not None:
                concern.closed_at, concern.state = None, State.ACCEPTED.value
            settle(concern, now)

        await self._change(staff, concern_id, Tag.CONCERN_FEEDBACK_ASKED, ask)

    async def give_feedback(self, staff: StaffMember, concern_id: str, how: str) -> None:
        """The reporter has been told whether an investigation is opened, and nothing else (SoL 19:6).

        ``how`` is one of `FEEDBACK_WAYS`; the answer that the code opens is written by the caller.
        """
        if how not in FEEDBACK_WAYS:
            raise InvalidField("invalid", "how")

        def give(session: Session, concern: Concern, now: datetime) -> None:
            report = session.get(ConcernReport, concern.id)
            if report is None or concern.feedback_due is None or concern.feedback_at is not None:
                raise Conflict
            concern.feedback_at, report.feedback_by, report.feedback_how = now, staff.id, how
            settle(concern, now)

        await self._change(staff, concern_id, Tag.CONCERN_FEEDBACK, give, detail=how)

    async def close(self, staff: StaffMember, concern_id: str, reason: str) -> None:
        """Put away what has no legal limit left. Raises `Conflict` while one runs."""
        why = checked_reason(reason)

        def put_away(session: Session, concern: Concern, now: datetime) -> None:
            if concern.next_due is not None or concern.closed_at is not None:
                raise Conflict
            concern.state, concern.closed_at = State.CLOSED.value, now

        await self._change(staff, concern_id, Tag.CONCERN_CLOSED, put_away, reason=why)

    async def keep(self, staff: StaffMember, concern_id: str, kept: str) -> None:
        """Say whether what is closed is kept for ever (``yes``: SoL 16:2, 16:4, or another decision) or not (``no``).

        Raises `InvalidField` ``kept``, and `Conflict` when it is open or was answered the same way already.
        """
        if kept not in ("no", "yes"):
            raise InvalidField("missing" if not kept else "invalid", "kept")

        def answer(session: Session, concern: Concern, now: datetime) -> None:
            if concern.closed_at is None or concern.kept == kept:
                raise Conflict
            concern.kept = kept

        await self._change(staff, concern_id, Tag.CONCERN_KEPT, answer, detail=kept)

    async def open_identity(self, staff: StaffMember, concern_id: str, reason: str) -> Identity:
        """Who reported and which child: opened with a written reason, and written down."""
        why = checked_reason(reason)

        def open_it(session: Session) -> Identity:
            concern = repository.find_openable(session, staff, concern_id)
            report = session.get(ConcernReport, concern_id) if concern is not None else None
            if report is None:
                raise NotFound
            now = self._house.clock.now()
            sealed = audit.seal_reason(self._house.vault, concern_id, why)
            audit.record(session, now, Tag.CONCERN_IDENTITY, concern_id, actor=staff.id, reason=sealed)
            return self.identity_of(report)

        return await self._house.db.write(open_it)

    async def handled(self, staff: StaffMember, concern_id: str) -> Handled:
        """What has been done with one that ``staff`` may open."""

        def look(session: Session) -> Handled:
            concern = repository.find_openable(session, staff, concern_id)
            if concern is None:
                raise NotFound
            return self.handled_in(session, staff, concern)

        return await self._house.db.read(look)

    def handled_in(self, session: Session, staff: StaffMember, concern: Concern) -> Handled:
        """`handled`, within a transaction that has already asked who may read."""
        made = {one.kind: one for one in repository.assessments(session, concern.id)}
        handed = repository.handovers(session, concern.id)
        report = session.get(ConcernReport, concern.id)
        people = {one.staff_id for one in handed}
        if report is not None:
            people |= {one for one in (report.entered_by, report.feedback_by) if one}
        names = repository.names(session, people)

        def assessment(kind: str) -> Assessment | None:
            one = made.get(kind)
            if one is None:
                return None
            reason = self._open(concern, f"concern_assessment.{kind}:{concern.id}", one.reason)
            return Assessment(one.kind, one.at, one.name, one.outcome, reason)

        return Handled(
            unit=concern.unit,
            holder=concern.accepted_by or "",
            needs=concern.needs.split(),
            area=next((area.name for area in self._house.municipality.areas if area.id == concern.area), ""),
            source=concern.source,
            without_delay=rules.without_delay(concern.danger_category, frozenset(concern.needs.split())),
            check=assessment(CHECK),
            decision=assessment(DECISION),
            handovers=[
                Handover(
                    one.kind,
                    one.at,
                    names.get(one.staff_id, ""),
                    self._unit_name(one.from_unit),
                    self._unit_name(one.to_unit),
                    one.ground,
                    self._open(concern, f"concern_handover.reason:{one.id}", one.reason),
                )
                for one in handed
            ],
            report=ReportFacts(
                source=concern.source,
                anonymous=report.anonymous,
                child_known=report.child is not None,
                entered_by=names.get(report.entered_by or "", ""),
                feedback_wanted=report.feedback_wanted,
                feedback_at=concern.feedback_at,
                feedback_how=report.feedback_how or "",
                feedback_by=names.get(report.feedback_by or "", ""),
            )
            if report is not None
            else None,
            later_until=concern.later_until,
            closed_at=concern.closed_at,
            kept=concern.kept,
            decision_runs=concern.decision_due is not None,
            mine=concern.accepted_by == staff.id,
        )

    async def _assess(
        self, staff: StaffMember, concern_id: str, kind: str, outcome: str, reason: str, outcomes: tuple[str, ...]
    ) -> None:
        if outcome not in outcomes:
            raise InvalidField("missing" if not outcome else "invalid", "outcome")
        why = checked_reason(reason)

        def assess(session: Session, concern: Concern, now: datetime) -> None:
            # Read anew: a degree that was entered by mistake counts no longer once it is taken away.
            person = session.get(StaffMember, staff.id)
            if person is None or not person.active or not person.qualified:
                raise InvalidField("qualified", "outcome")
            if kind == DECISION and concern.decision_due is None:
                raise InvalidField("clock", "outcome")
            if kind == DECISION and concern.checked_at is None:
                raise InvalidField("check", "outcome")
            if (concern.checked_at if kind == CHECK else concern.decided_at) is not None:
                raise Conflict
            place = f"concern_assessment.{kind}:{concern.id}"
            session.add(
                ConcernAssessment(
                    concern_id=concern.id,
                    kind=kind,
                    at=now,
                    staff_id=person.id,
                    name=person.first_name,
                    qualified=person.qualified,
                    outcome=outcome,
                    reason=self._house.vault.seal(concern.data_key, place, why),
                )
            )
            if kind == CHECK:
                concern.checked_at = now
            else:
                concern.decided_at = now
                report = session.get(ConcernReport, concern.id)
                if report is not None and report.feedback_wanted:
                    self._due_feedback(concern, report)
                webhooks.announce(session, self._house, now, "decision.recorded", concern.id)
            settle(concern, now)
            session.flush()

        tag = Tag.CONCERN_CHECKED if kind == CHECK else Tag.CONCERN_DECIDED
        try:
            await self._change(staff, concern_id, tag, assess, detail=outcome)
        except IntegrityError:
            # Two at once, neither of whom could see the other's row: the one who is second is told.
            raise Conflict from None

    async def _change(
        self,
        staff: StaffMember,
        concern_id: str,
        tag: Tag,
        work: Callable[[Session, Concern, datetime], None],
        *,
        reason: str = "",
        detail: str = "",
    ) -> None:
        def change(session: Session) -> str:
            concern = repository.hold_openable(session, staff, concern_id)
            if concern is None:
                raise NotFound
            now, unit = self._house.clock.now(), concern.unit
            work(session, concern, now)
            sealed = audit.seal_reason(self._house.vault, concern_id, reason) if reason else None
            audit.record(session, now, tag, concern_id, actor=staff.id, detail=detail, reason=sealed)
            return unit

        live.changed(self._house, await self._house.db.write(change), concern_id)

    def _hand(
        self,
        session: Session,
        concern: Concern,
        staff: StaffMember,
        kind: Handed,
        reason: str,
        now: datetime,
        to_unit: str = "",
        ground: str = "",
    ) -> None:
        handover_id = new_id()
        sealed = self._house.vault.seal(concern.data_key, f"concern_handover.reason:{handover_id}", reason)
        session.add(
            ConcernHandover(
                id=handover_id,
                concern_id=concern.id,
                kind=kind.value,
                at=now,
                staff_id=staff.id,
                from_unit=concern.unit,
                to_unit=to_unit or concern.unit,
                ground=ground,
                reason=sealed,
            )
        )

    def _due_feedback(self, concern: Concern, report: ConcernReport) -> None:
        if concern.decided_at is None or report.feedback_asked_at is None:
            return
        decided, asked = to_local(concern.decided_at).date(), to_local(report.feedback_asked_at).date()
        concern.feedback_due = legal.feedback_due(decided, asked)

    def identity_of(self, report: ConcernReport) -> Identity:
        """The identities of a report, for a caller that has asked for the reason and writes it down."""

        def unseal(column: str, sealed: bytes | None) -> dict[str, str]:
            if sealed is None:
                return {}
            place = f"concern_report.{column}:{report.concern_id}"
            return dict(json.loads(self._house.vault.open(report.data_key, place, sealed)))

        return Identity(unseal("reporter", report.reporter), unseal("child", report.child))

    def _open(self, concern: Concern, place: str, sealed: bytes) -> str:
        return self._house.vault.open(concern.data_key, place, sealed)

    def _unit_name(self, unit: str) -> str:
        return next((one.name for one in self._house.municipality.units if one.id == unit), unit)


def settle(concern: Concern, now: datetime) -> None:
    """Let the next limit follow from what has been done; when a decision leaves none, the concern is closed."""
    following = rules.Clocks(
        protection_due=concern.protection_due,
        checked=concern.checked_at is not None,
        decision_due=concern.decision_due,
        decided=concern.decided_at is not None,
        feedback_due=concern.feedback_due,
        fed_back=concern.feedback_at is not None,
    ).next()
    concern.next_clock, concern.next_due = following or ("", None)
    if following is None and concern.decided_at is not None:
        concern.state, concern.closed_at = State.CLOSED.value, now
