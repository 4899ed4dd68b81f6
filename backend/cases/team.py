"""The team around a person: who is asked, who answers and by when, who leads, and what happens when somebody is away."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from backend.cases import repository, rules
from backend.cases.desk import CHANGED, Desk, PersonLine, topic
from backend.cases.tables import OPEN_SEATS, Case, CaseSeat, CaseState, SeatState
from backend.concerns import live
from backend.core import access, outbox, roster
from backend.core.access import Kind
from backend.core.audit import Tag
from backend.core.clock import STOCKHOLM
from backend.core.duty import Duty
from backend.core.errors import Conflict, InvalidField, NotFound
from backend.core.house import House
from backend.core.municipality import Unit
from backend.core.people import StaffMember
from backend.core.roster import Away
from backend.core.vault import new_id

_MORNING = time(8)
"""When somebody who said "later" is asked again, local time."""


def staff_topic(staff_id: str) -> str:
    """What the lists of one member of staff listen to."""
    return f"cases of {staff_id}"


def unit_topic(unit: str) -> str:
    """What the lists of a unit listen to."""
    return f"cases in {unit}"


@dataclass(frozen=True, slots=True)
class Ask:
    """A question that waits for an answer. ``own``: asked by name; else it lies in the unit's queue.

    The first name is shown to who is asked by name only: they must be able to say that they know the family.
    """

    seat_id: str
    person: PersonLine
    own: bool
    coordinates: bool
    unit: str
    asked_by: str
    asked_at: datetime
    answer_by: datetime | None
    back_on: datetime | None
    late: bool


@dataclass(frozen=True, slots=True)
class Choice:
    """Somebody who can be asked now."""

    id: str
    name: str
    role: str


@dataclass(frozen=True, slots=True)
class Choices:
    """A unit with those of its people who are at work. ``border``: it needs a legal ground to take part."""

    unit: str
    border: bool
    people: Sequence[Choice]


@dataclass(frozen=True, slots=True)
class RosterRow:
    """Somebody with places in the unit: whether they are away, for how long, and how many places they have."""

    id: str
    name: str
    role: str
    unit: str
    active: bool
    away: str
    until: datetime | None
    seats: int


@dataclass(frozen=True, slots=True)
class Movable:
    """A place that can be moved. ``person`` has no first name where the manager may not read the case."""

    seat_id: str
    person: PersonLine
    coordinates: bool
    state: str
    unit: str


@dataclass(frozen=True, slots=True)
class Moved:
    """What a move did: how many places, and how many stayed because the receiver may not have them."""

    moved: int
    stayed: int


class TeamDesk(Desk):
    """Use cases around a team. What a member of staff may not know of does not exist: `NotFound`."""

    def __init__(self, house: House) -> None:
        super().__init__(house)
        self._duty = Duty(house.municipality)
        self._units = {unit.id: unit for unit in house.municipality.units}

    # --- Asking -------------------------------------------------------------------------

    async def choices(self, staff: StaffMember, case_id: str) -> list[Choices]:
        """Who can be asked into the team now, by unit: at work, not in it, and nothing withheld. Raises `NotFound`."""

        def look(session: Session) -> list[Choices]:
            case = self._find(session, staff, case_id)
            taken = {seat.staff_id for seat in repository.seats(session, [case.id]).get(case.id, [])}
            withheld = bool(
                access.withheld_lines(session, self._house.vault, [(Kind.PERSON, case.person_id), (Kind.CASE, case.id)])
            )
            away = roster.absences(session, self._now())
            people: dict[str, list[Choice]] = {unit: [] for unit in self._units}
            for member in session.scalars(
                sa.select(StaffMember).where(StaffMember.active.is_(True)).order_by(StaffMember.first_name)
            ):
                free = member.handles_cases and member.id not in taken and member.id not in away
                if free and member.unit in people and (not withheld or self._may_have(session, member, case)):
                    people[member.unit].append(Choice(member.id, member.first_name, member.role))
            return [Choices(unit, self._border(case.unit, unit), found) for unit, found in people.items()]

        return await self._house.db.read(look)

    async def ask(
        self, staff: StaffMember, case_id: str, unit: str, staff_id: str | None, ground: str | None = None
    ) -> None:
        """Ask somebody, or a unit's queue, to take part. The first who is asked in a unit is its lead.

        Raises `NotFound` for who may not lead the team, `Conflict` when they are in it or asked already,
        and `InvalidField`: ``unit``, ``staff_id`` (``off_duty``, ``withheld``) or ``ground`` (``needed``, when
        the unit lies across a border of secrecy).
        """
        if unit not in self._units:
            raise InvalidField("invalid", "unit")
        if ground is not None and ground not in rules.GROUNDS:
            raise InvalidField("invalid", "ground")

        def add(session: Session) -> list[str]:
            case = self._hold_open(session, staff, case_id)
            if not self.may_lead(staff, case):
                raise NotFound
            crossing = self._border(case.unit, unit)
            if crossing and ground is None:
                raise InvalidField("needed", "ground")
            if staff_id is not None:
                self._receiver(session, staff_id, unit, case)
            seats = repository.seats(session, [case.id]).get(case.id, [])
            if any(seat.unit == unit and seat.staff_id == staff_id for seat in seats):
                raise Conflict
            lead = not any(seat.unit == unit and seat.lead for seat in seats)
            seat = self._new_seat(case, unit, staff_id, staff.id, lead=lead, ground=ground if crossing else None)
            session.add(seat)
            self._did(session, staff, Tag.CASE_SEAT_ASKED, case, f"{unit} {staff_id or ''}".strip())
            self._notify(session, seat)
            return [seat.unit, seat.staff_id or ""]

        asked_unit, asked = await self._house.db.write(add)
        self._publish(case_id, [asked], [asked_unit])

    async def asks(self, staff: StaffMember) -> list[Ask]:
        """What waits for an answer from ``staff``, and what lies in their unit's queue: the soonest first."""

        def look(session: Session) -> list[Ask]:
            now = self._now()
            found = session.scalars(repository.asks_of(staff)).all()
            cases = {
                case.id: case
                for case in session.scalars(sa.select(Case).where(Case.id.in_([seat.case_id for seat in found])))
            }
            people = repository.persons(session, {case.person_id for case in cases.values()})
            names = repository.names(session, [seat.asked_by for seat in found])
            shown = []
            for seat in found:
                case = cases[seat.case_id]
                person, own = people[case.person_id], seat.staff_id == staff.id
                by = names.get(seat.asked_by)
                shared = self._sealer.shared(person)
                shown.append(
                    Ask(
                        seat.id,
                        self._line(person, shared, own=False) if own else self._nameless(person),
                        own,
                        seat.coordinates,
                        case.unit,
                        by.first_name if by is not None else "",
                        seat.asked_at,
                        seat.answer_by,
                        seat.back_on,
                        late=seat.state == SeatState.ASKED.value and (seat.answer_by is None or seat.answer_by <= now),
                    )
                )
            return sorted(shown, key=lambda ask: (not ask.own, ask.answer_by or ask.asked_at, ask.seat_id))

        return await self._house.db.read(look)

    # --- Answering ----------------------------------------------------------------------

    async def accept(self, staff: StaffMember, seat_id: str) -> str:
        """Take the place; returns the case's id, which can be read from now on.

        Raises `NotFound`, `Conflict` when somebody was first or the time has passed, and `InvalidField`
        ``off_duty`` or ``may_not_lead`` for the field ``seat``.
        """

        def take(session: Session) -> tuple[str, str]:
            seat, case = self._answerable(session, staff, seat_id)
            now = self._now()
            if roster.hold_on_duty(session, staff.id, now) is None:
                raise InvalidField("off_duty", "seat")
            self._check_lead(seat, staff)
            if seat.staff_id is None:
                seat.state, seat.answered_at = SeatState.TAKEN.value, now
                session.flush()
                seat = self._new_seat(
                    case, seat.unit, staff.id, seat.asked_by,
                    lead=seat.lead, coordinates=seat.coordinates, ground=seat.ground,
                )  # fmt: skip
            self._give(session, case, seat, staff)
            self._did(session, staff, Tag.CASE_SEAT_ACCEPTED, case, seat.unit)
            return case.id, seat.unit

        case_id, unit = await self._house.db.write(take)
        self._publish(case_id, [staff.id], [unit])
        return case_id

    async def decline(self, staff: StaffMember, seat_id: str, reason: str) -> None:
        """Say no and why: the question goes back to the unit's queue, and its manager is told that something happened.

        A question in the queue is declined by the unit's manager only, and then it is gone. Raises `NotFound`,
        `Conflict`, and `InvalidField` for ``reason``, or ``seat`` when somebody must coordinate.
        """
        why = access.checked_reason(reason)

        def refuse(session: Session) -> tuple[str, str]:
            seat, case = self._answerable(session, staff, seat_id)
            queued = seat.staff_id is None
            if queued and not staff.is_manager:
                raise NotFound
            if queued and seat.coordinates:
                raise InvalidField("must_be_led", "seat")
            seat.said = self._sealer.close(case, "case_seat.said", seat.id, why)
            seat.answered_at = self._now()
            if queued:
                seat.state, seat.ended_at = SeatState.DECLINED.value, self._now()
                self._notify_person(session, seat.asked_by)
            else:
                self._requeue(session, case, seat, SeatState.DECLINED, staff.id)
                self._tell_managers(session, seat.unit)
            self._did(session, staff, Tag.CASE_SEAT_DECLINED, case, seat.unit)
            return case.id, seat.unit

        case_id, unit = await self._house.db.write(refuse)
        self._publish(case_id, [staff.id], [unit])

    async def later(self, staff: StaffMember, seat_id: str, day: date | None) -> None:
        """Put the answer off until the morning of a day, two weeks at most; then the question is asked again.

        Raises `NotFound` (also for a question in the queue, which nobody can keep waiting), `Conflict`, and
        `InvalidField` for ``day``.
        """
        today = self.today()
        if day is None or not today < day <= today + timedelta(days=rules.LONGEST_LATER):
            raise InvalidField("not_ahead" if day else "no_day", "day")

        def put_off(session: Session) -> str:
            seat, case = self._answerable(session, staff, seat_id)
            if seat.staff_id is None:
                raise NotFound
            seat.state, seat.answer_by = SeatState.LATER.value, None
            seat.back_on = datetime.combine(day, _MORNING, STOCKHOLM)
            self._did(session, staff, Tag.CASE_SEAT_LATER, case, seat.unit)
            return case.id

        self._publish(await self._house.db.write(put_off), [staff.id], [])

    async def lapse(self) -> int:
        """Send back to the queue what was not answered in time, and ask again who said "later"; returns how many."""

        def work(session: Session) -> list[tuple[str, str, str]]:
            now = self._now()
            changed = []
            for seat_id, case_id in repository.due_seats(session, now):
                case = self._lock(session, case_id)
                seat = session.get_one(CaseSeat, seat_id, populate_existing=True)
                if repository.is_due(seat, now):
                    changed.append((case.id, seat.staff_id or "", seat.unit))
                    self._time_is_up(session, case, seat, now)
            return changed

        changed = await self._house.db.write(work)
        for case_id, asked, unit in changed:
            self._publish(case_id, [asked], [unit])
        return len(changed)

    # --- Leading and leaving ------------------------------------------------------------

    async def leave(self, staff: StaffMember, case_id: str, seat_id: str) -> None:
        """End a place: one's own, or anybody's by who leads the team. The coordinator's place goes to the queue.

        Raises `NotFound`, and `Conflict` when it has ended already.
        """

        def end(session: Session) -> tuple[str, str]:
            case = self._hold_open(session, staff, case_id)
            seat = self._seat_in(session, case, seat_id)
            if seat.staff_id != staff.id and not self.may_lead(staff, case):
                raise NotFound
            if seat.state not in OPEN_SEATS:
                raise Conflict
            if seat.coordinates and seat.staff_id is None:
                raise InvalidField("must_be_led", "seat")
            whose, unit = seat.staff_id or "", seat.unit
            if seat.coordinates:
                self._requeue(session, case, seat, SeatState.LEFT, staff.id)
                self._tell_managers(session, unit)
            else:
                self._end(session, case, seat, SeatState.LEFT)
            self._did(session, staff, Tag.CASE_SEAT_LEFT, case, f"{unit} {whose}".strip())
            return whose, unit

        whose, unit = await self._house.db.write(end)
        self._publish(case_id, [whose], [unit], access_changed=True)

    async def make_coordinator(self, staff: StaffMember, case_id: str, seat_id: str, version: int) -> None:
        """Let somebody else in the team lead it from now on.

        Raises `NotFound`, `Conflict` when the case has changed since the form was opened, and `InvalidField`
        ``off_duty`` or ``may_not_lead`` for ``seat``.
        """

        def change(session: Session) -> str:
            case = self._hold_open(session, staff, case_id)
            if not self.may_lead(staff, case):
                raise NotFound
            if case.version != version:
                raise Conflict
            seat = self._seat_in(session, case, seat_id)
            if seat.state != SeatState.ACCEPTED.value or seat.staff_id is None:
                raise NotFound
            chosen = roster.hold_on_duty(session, seat.staff_id, self._now())
            if chosen is None:
                raise InvalidField("off_duty", "seat")
            self._lead(session, case, seat, chosen)
            self._did(session, staff, Tag.CASE_COORDINATOR, case, chosen.id)
            self._notify_person(session, chosen.id)
            return chosen.id

        chosen = await self._house.db.write(change)
        self._publish(case_id, [chosen], [])

    # --- Who is at work -----------------------------------------------------------------

    async def roster(self, staff: StaffMember) -> list[RosterRow]:
        """The manager's unit: who is away, and how many places each has; whoever has left it with some is there too.

        Everybody else sees only themselves.
        """

        def look(session: Session) -> list[RosterRow]:
            away = roster.absences(session, self._now())
            counts = repository.open_seat_counts(session, staff.unit)
            query = sa.select(StaffMember).order_by(StaffMember.first_name)
            if staff.is_manager:
                query = query.where(sa.or_(StaffMember.unit == staff.unit, StaffMember.id.in_(counts)))
            else:
                query = query.where(StaffMember.id == staff.id)
            return [
                RosterRow(
                    member.id,
                    member.first_name,
                    member.role,
                    member.unit,
                    member.active,
                    away[member.id].kind if member.id in away else "",
                    away[member.id].until_at if member.id in away else None,
                    counts.get(member.id, 0),
                )
                for member in session.scalars(query)
                if (member.handles_cases and member.active) or counts.get(member.id)
            ]

        return await self._house.db.read(look)

    async def go_off(self, staff: StaffMember, staff_id: str, kind: str, back: date | None) -> None:
        """Note somebody as away: oneself, or anybody in the unit by its manager.

        ``back`` is the first day at work again; without one it lasts until somebody says so. Raises `NotFound`,
        and `InvalidField` for ``kind`` or ``back``.
        """
        if kind not in set(Away):
            raise InvalidField("invalid", "kind")
        if back is not None and not self.today() < back <= self.today() + timedelta(days=730):
            raise InvalidField("not_ahead", "back")
        until = datetime.combine(back, time(), STOCKHOLM) if back is not None else None

        def note(session: Session) -> None:
            self._in_charge(session, staff, staff_id)
            roster.go_off(session, self._now(), staff_id, Away(kind), until, by=staff)

        await self._house.db.write(note)

    async def come_back(self, staff: StaffMember, staff_id: str) -> None:
        """Somebody is at work again. Raises `NotFound`."""

        def note(session: Session) -> None:
            self._in_charge(session, staff, staff_id)
            roster.come_back(session, self._now(), staff_id, by=staff)

        await self._house.db.write(note)

    async def movable(self, staff: StaffMember, staff_id: str) -> list[Movable]:
        """The places that somebody has for the manager's unit. Raises `NotFound` for who leads none, or not that one."""

        def look(session: Session) -> list[Movable]:
            self._manages(session, staff, staff_id)
            found = self._theirs(session, staff, staff_id)
            readable = repository.readable_of(session, staff, [case.id for _, case in found], self._now())
            people = repository.persons(session, {case.person_id for _, case in found})
            return [
                Movable(
                    seat.id,
                    self._line(people[case.person_id], self._sealer.shared(people[case.person_id]), own=True)
                    if case.id in readable
                    else self._nameless(people[case.person_id]),
                    seat.coordinates,
                    seat.state,
                    case.unit,
                )
                for seat, case in found
            ]

        return await self._house.db.read(look)

    async def move(self, staff: StaffMember, from_id: str, to_id: str | None, seat_ids: Collection[str]) -> Moved:
        """Move places of somebody who is sick, or has left, to a colleague in the unit or to its queue: all in one step.

        What the colleague may not have (withheld from them, or to be led by who may not lead) stays. Raises
        `NotFound`, and `InvalidField` ``staff_id`` (``off_duty``) for a colleague who is away or not in the unit.
        """

        def work(session: Session) -> tuple[Moved, list[str]]:
            self._manages(session, staff, from_id)
            chosen = [(seat.id, case.id) for seat, case in self._theirs(session, staff, from_id) if seat.id in seat_ids]
            receiver: StaffMember | None = None
            if to_id is not None:
                receiver = roster.hold_on_duty(session, to_id, self._now())
                suits = receiver is not None and receiver.unit == staff.unit and receiver.handles_cases
                if receiver is None or not suits or to_id == from_id:
                    raise InvalidField("off_duty", "staff_id")
            moved: list[str] = []
            # In one order, so that two who move at once wait for each other and do not lock each other out.
            for seat_id, case_id in sorted(chosen, key=lambda pair: pair[1]):
                case = self._lock(session, case_id)
                seat = session.get_one(CaseSeat, seat_id, populate_existing=True)
                if case.state == CaseState.CLOSED.value or seat.state not in OPEN_SEATS:
                    continue
                if receiver is None:
                    self._requeue(session, case, seat, SeatState.LEFT, staff.id)
                elif self._fits(session, receiver, case, seat):
                    self._hand_over(session, case, seat, receiver, staff.id)
                else:
                    continue
                self._did(session, staff, Tag.CASE_SEAT_MOVED, case, f"{from_id} {to_id or staff.unit}")
                moved.append(case.id)
            if moved and receiver is not None:
                self._notify_person(session, receiver.id)
            elif moved:
                self._tell_unit(session, staff.unit)
            return Moved(len(moved), len(chosen) - len(moved)), moved

        done, cases = await self._house.db.write(work)
        for case_id in cases:
            self._publish(case_id, [from_id, to_id or ""], [staff.unit], access_changed=True)
        return done

    # --- Parts --------------------------------------------------------------------------

    def _answerable(self, session: Session, staff: StaffMember, seat_id: str) -> tuple[CaseSeat, Case]:
        """The seat that ``staff`` may answer and its case, locked. Raises `NotFound`, `Conflict` when it is answered."""
        known = session.execute(sa.select(CaseSeat.case_id).where(CaseSeat.id == seat_id)).scalar_one_or_none()
        if known is None:
            raise NotFound
        case = self._lock(session, known)
        seat = session.scalar(repository.asks_of(staff).where(CaseSeat.id == seat_id))
        if seat is not None:
            return seat, case
        gone = session.get_one(CaseSeat, seat_id)
        theirs = gone.staff_id == staff.id or (gone.staff_id is None and gone.unit == staff.unit)
        if not theirs or not staff.active or not self._may_have(session, staff, case):
            raise NotFound
        raise Conflict

    def _time_is_up(self, session: Session, case: Case, seat: CaseSeat, now: datetime) -> None:
        if seat.state == SeatState.LATER.value:
            assert seat.staff_id is not None
            if roster.hold_on_duty(session, seat.staff_id, now) is not None:
                seat.state, seat.back_on = SeatState.ASKED.value, None
                seat.asked_at, seat.answer_by = now, self._deadline()
                self._notify_person(session, seat.staff_id)
                return
        if seat.staff_id is not None:
            self._requeue(session, case, seat, SeatState.LAPSED, "system")
        else:
            seat.answer_by = None
        self._tell_managers(session, seat.unit)
        self._did(session, None, Tag.CASE_SEAT_LAPSED, case, seat.unit)

    def _give(self, session: Session, case: Case, seat: CaseSeat, member: StaffMember) -> None:
        """Make ``seat`` the accepted place of ``member``; one that they have already is merged into it."""
        now = self._now()
        lead, coordinates = seat.lead, seat.coordinates
        for other in repository.seats(session, [case.id]).get(case.id, []):
            if other.staff_id == member.id and other.id != seat.id:
                lead = lead or (other.lead and other.unit == seat.unit)
                coordinates = coordinates or other.coordinates
                other.lead = other.coordinates = False
                self._end(session, case, other, SeatState.LEFT)
        seat.lead, seat.coordinates = lead, coordinates
        seat.staff_id, seat.state, seat.answered_at = member.id, SeatState.ACCEPTED.value, now
        seat.answer_by = seat.back_on = None
        session.add(seat)
        session.flush()
        access.tie(session, member.id, case.person_id, seat.id)
        if seat.coordinates:
            case.coordinator_id, case.state = member.id, CaseState.ACTIVE.value
            case.version += 1
        session.flush()

    def _hand_over(self, session: Session, case: Case, seat: CaseSeat, receiver: StaffMember, by: str) -> None:
        lead, coordinates = seat.lead, seat.coordinates
        next_step, next_on = self._sealer.open(case, "case_seat.next_step", seat.id, seat.next_step), seat.next_on
        seat.lead = seat.coordinates = False
        self._end(session, case, seat, SeatState.LEFT)
        fresh = self._new_seat(case, seat.unit, receiver.id, by, lead=lead, coordinates=coordinates, ground=seat.ground)
        if next_step:
            fresh.next_step = self._sealer.close(case, "case_seat.next_step", fresh.id, next_step)
            fresh.next_on = next_on
        self._give(session, case, fresh, receiver)

    def _requeue(self, session: Session, case: Case, seat: CaseSeat, state: SeatState, by: str) -> None:
        """Put the place back in its unit's queue; a coordinator's leaves the case waiting."""
        lead, coordinates = seat.lead, seat.coordinates
        if coordinates and case.coordinator_id is not None:
            case.coordinator_id, case.state = None, CaseState.WAITING.value
            case.version += 1
        seat.lead = seat.coordinates = False
        self._end(session, case, seat, state)
        queued = next(
            (
                other
                for other in repository.seats(session, [case.id]).get(case.id, [])
                if other.unit == seat.unit and other.staff_id is None
            ),
            None,
        )
        if coordinates or queued is None:
            session.add(
                self._new_seat(case, seat.unit, None, by, lead=lead, coordinates=coordinates, ground=seat.ground)
            )
        else:
            queued.lead = queued.lead or lead
        session.flush()

    def _end(self, session: Session, case: Case, seat: CaseSeat, state: SeatState) -> None:
        was_lead, seat.lead = seat.lead, False
        seat.state, seat.ended_at = state.value, self._now()
        seat.answer_by = seat.back_on = None
        access.untie(session, seat.id)
        session.flush()
        if was_lead:
            for other in repository.seats(session, [case.id]).get(case.id, []):
                if other.unit == seat.unit:
                    other.lead = True
                    break
            session.flush()

    def _lead(self, session: Session, case: Case, seat: CaseSeat, chosen: StaffMember) -> None:
        if not rules.may_coordinate(chosen.roles):
            raise InvalidField("may_not_lead", "seat")
        for other in repository.seats(session, [case.id]).get(case.id, []):
            if other.coordinates and other.id != seat.id:
                other.coordinates = False
                if other.staff_id is None:
                    self._end(session, case, other, SeatState.TAKEN)
        session.flush()
        seat.coordinates = True
        case.coordinator_id, case.state = chosen.id, CaseState.ACTIVE.value
        case.version += 1

    def _new_seat(
        self,
        case: Case,
        unit: str,
        staff_id: str | None,
        by: str,
        *,
        lead: bool,
        coordinates: bool = False,
        ground: str | None = None,
    ) -> CaseSeat:
        return CaseSeat(
            id=new_id(), case_id=case.id, unit=unit, staff_id=staff_id, lead=lead, coordinates=coordinates,
            state=SeatState.ASKED.value, asked_at=self._now(), asked_by=by, answer_by=self._deadline(), ground=ground,
            version=1,
        )  # fmt: skip

    def _deadline(self) -> datetime:
        return self._duty.deadline(self._now(), self._house.municipality.team.answer_minutes)

    def _receiver(self, session: Session, staff_id: str, unit: str, case: Case) -> StaffMember:
        member = roster.hold_on_duty(session, staff_id, self._now())
        if member is None or not member.handles_cases or member.unit != unit:
            raise InvalidField("off_duty", "staff_id")
        if not self._may_have(session, member, case):
            raise InvalidField("withheld", "staff_id")
        return member

    def _fits(self, session: Session, receiver: StaffMember, case: Case, seat: CaseSeat) -> bool:
        leads = not seat.coordinates or rules.may_coordinate(receiver.roles)
        return leads and self._may_have(session, receiver, case)

    def _check_lead(self, seat: CaseSeat, staff: StaffMember) -> None:
        if seat.coordinates and not rules.may_coordinate(staff.roles):
            raise InvalidField("may_not_lead", "seat")

    def _lock(self, session: Session, case_id: str) -> Case:
        return session.scalars(
            sa.select(Case)
            .where(Case.id == case_id)
            .with_for_update(key_share=True)
            .execution_options(populate_existing=True)
        ).one()

    def _seat_in(self, session: Session, case: Case, seat_id: str) -> CaseSeat:
        seat = session.get(CaseSeat, seat_id)
        if seat is None or seat.case_id != case.id:
            raise NotFound
        return seat

    def _theirs(self, session: Session, staff: StaffMember, staff_id: str) -> list[tuple[CaseSeat, Case]]:
        found = repository.seats_of(session, staff.unit, staff_id)
        return [(seat, case) for seat, case in found if self._may_have(session, staff, case)]

    def _manages(self, session: Session, staff: StaffMember, staff_id: str) -> None:
        member = session.get(StaffMember, staff_id)
        if not (staff.is_manager and staff.active) or member is None:
            raise NotFound
        if member.unit != staff.unit and not repository.seats_of(session, staff.unit, staff_id):
            raise NotFound

    def _in_charge(self, session: Session, staff: StaffMember, staff_id: str) -> None:
        if not staff.handles_cases:
            raise NotFound
        if staff_id != staff.id:
            self._manages(session, staff, staff_id)

    def _border(self, one: str, other: str) -> bool:
        """Whether a border of secrecy lies between two units (OSL 8:2): another board, or another branch of it."""
        return _circle(self._units.get(one)) != _circle(self._units.get(other))

    def _notify(self, session: Session, seat: CaseSeat) -> None:
        if seat.staff_id is not None:
            self._notify_person(session, seat.staff_id)
        else:
            self._tell_unit(session, seat.unit)

    def _notify_person(self, session: Session, staff_id: str) -> None:
        member = session.get(StaffMember, staff_id)
        if member is not None and member.active:
            self._post(session, member.mail)

    def _tell_unit(self, session: Session, unit: str) -> None:
        known = self._units.get(unit)
        self._post(session, known.mailbox if known is not None else "")

    def _tell_managers(self, session: Session, unit: str) -> None:
        live.tell_managers(session, self._house, unit, self._now())

    def _post(self, session: Session, recipient: str) -> None:
        say = self._house.phrases.say
        link = f"{self._house.settings.public_url}/personal"
        outbox.post(
            session, self._now(), recipient, say("concern_mail.subject"), say("concern_mail.body", None, link=link)
        )

    def _publish(
        self, case_id: str, people: Sequence[str], units: Sequence[str], *, access_changed: bool = False
    ) -> None:
        hub = self._house.live
        hub.publish(topic(case_id), CHANGED)
        for staff_id in filter(None, people):
            hub.publish(staff_topic(staff_id), CHANGED)
        for unit in filter(None, units):
            hub.publish(unit_topic(unit), CHANGED)
        if access_changed:
            hub.publish(access.TOPIC, CHANGED)


def _circle(unit: Unit | None) -> tuple[str, str]:
    return (unit.board, unit.branch) if unit is not None else ("", "")
