"""A family whose members have records and cases of their own, with staff around each."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

from backend.cases.desk import NewPerson
from backend.cases.persons import PersonDesk
from backend.cases.service import CaseDesk, Opened
from backend.cases.team import TeamDesk
from backend.concerns.service import ConcernDesk, Intake
from backend.core.house import House
from backend.core.people import Role, StaffMember
from backend.core.reader import Reader
from backend.core.vault import new_id
from tests.therapists import add_staff

T = TypeVar("T")
STORY = Intake(
    words=["Pappa dricker. Jag vill inte att han får veta."],
    about="me",
    now="unsure",
    reach="code",
    phone=None,
    safe=None,
    reader=Reader("child", "10-12"),
    danger_level=None,
    danger_category=None,
    consent_version="sv:10-12:0123456789ab",
)


def run(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(work)


@dataclass(slots=True)
class Town:
    """The desks and the staff of a municipality: the child's side, the father's side, and who leads them."""

    house: House
    cases: CaseDesk
    team: TeamDesk
    people: PersonDesk
    concerns: ConcernDesk
    karin: StaffMember
    olle: StaffMember
    maria: StaffMember
    johan: StaffMember
    vera: StaffMember
    anna: StaffMember
    bo: StaffMember
    eva: StaffMember
    adam: StaffMember

    def tell(self) -> str:
        """A child has written; returns the concern's id, in the reception's queue."""
        return run(self.concerns.receive(STORY)).concern_id

    def child(self, by: StaffMember | None = None) -> Opened:
        """A case about a child, Elsa, led by ``by`` (Karin)."""
        return run(self.cases.open_from_concern(by or self.karin, self.tell(), NewPerson("child", "Elsa", 2015)))

    def father(self, by: StaffMember | None = None) -> Opened:
        """A case about a father, Per, led by ``by`` (Johan of the adults' unit)."""
        return self.open(by or self.johan, NewPerson("parent", "Per", 1980))

    def open(self, by: StaffMember, person: NewPerson) -> Opened:
        """A case about somebody, without any source."""

        def work(session: Any) -> Opened:
            record = self.cases.new_person(session, by, person)
            return Opened(self.cases.open_for(session, by, record.id), record.id)

        return self.house.db.write_now(work)

    def join(self, case_id: str, leader: StaffMember, member: StaffMember, ground: str | None = None) -> str:
        """Ask somebody into the team and let them accept; returns their seat."""
        run(self.team.ask(leader, case_id, member.unit, member.id, ground))
        seat = next(ask.seat_id for ask in run(self.team.asks(member)) if ask.own)
        run(self.team.accept(member, seat))
        return seat


def new_town(house: House) -> Town:
    """Staff with one role each, in the units of the example municipality."""

    def add(name: str, role: Role, unit: str) -> StaffMember:
        return add_staff(house, name, role=role, unit=unit, mail=f"{name}@exempelby.example")

    return Town(
        house=house,
        cases=CaseDesk(house),
        team=TeamDesk(house),
        people=PersonDesk(house),
        concerns=ConcernDesk(house),
        karin=add("karin", Role.CASE_WORKER, "mottagning_barn"),
        olle=add("olle", Role.CASE_WORKER, "mottagning_barn"),
        maria=add("maria", Role.MANAGER, "mottagning_barn"),
        johan=add("johan", Role.CASE_WORKER, "vuxen"),
        vera=add("vera", Role.MANAGER, "vuxen"),
        anna=add("anna", Role.THERAPIST, "behandlare"),
        bo=add("bo", Role.MANAGER, "behandlare"),
        eva=add("eva", Role.EDITOR, "mottagning_barn"),
        adam=add("adam", Role.ADMIN, "mottagning_barn"),
    )


def key() -> str:
    """The id that a form chooses when it is made."""
    return new_id()
