"""A municipality with one person in every role and things of their own and of others, for the route matrix.

Each route with something in its address is tried with three of them: ``own`` (theirs to work with), ``unit``
(their unit's, not theirs) and ``other`` (another unit's). A new kind of thing gets a maker in `MAKERS`.
"""

from __future__ import annotations

import asyncio
import itertools
import re
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.orm import Session

from backend.app import build_house, create_app
from backend.cases.desk import NewPerson
from backend.cases.persons import PersonDesk
from backend.cases.service import CaseDesk
from backend.cases.team import TeamDesk
from backend.concerns.service import ConcernDesk
from backend.concerns.tables import Concern
from backend.config import Settings
from backend.core.db import Database
from backend.core.house import House
from backend.core.people import Role, StaffMember
from backend.core.vault import new_id
from backend.staff.accounts import add_staff
from tests.cases import STORY, key
from tests.conftest import ManualClock

T = TypeVar("T")
PASSWORD = "ett lösenord som är långt nog"
HERE, ELSEWHERE = "behandlare", "vuxen"
"""The unit of everybody who tries, and another one."""
VARIANTS = ("own", "unit", "other")
ANONYMOUS = "anonymous"
SUBJECTS = (ANONYMOUS, *(role.value for role in Role))
_PARAMETER = re.compile(r"<(\w+)(?::[^>]*)?>")


def run(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(work)


@dataclass(frozen=True, slots=True)
class Route:
    """A way into the app, as the matrix writes it: ``POST /personal/arende/<case_id>/anteckning``."""

    method: str
    path: str

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def parameters(self) -> list[str]:
        """What stands in the address."""
        return _PARAMETER.findall(self.path)

    def filled(self, values: dict[str, str]) -> str:
        """The address with its values."""
        return _PARAMETER.sub(lambda found: values[found[1]], self.path)


def all_routes(settings: Settings, database: Database) -> list[Route]:
    """Everything that the app answers to."""
    app = create_app(settings, database=database, name="matrix")
    routes = itertools.chain.from_iterable(group.routes for group in app.router.groups.values())
    return sorted(
        {
            Route(method, "/" + _PARAMETER.sub(r"<\1>", route.path))
            for route in routes
            for method in route.methods - {"HEAD", "OPTIONS"}
        },
        key=lambda route: (route.path, route.method),
    )


class World:
    """The desks, the people, and what has been made for them."""

    def __init__(self, house: House, people: dict[str, StaffMember]) -> None:
        self.house = house
        self.people = people
        self.cases, self.team = CaseDesk(house), TeamDesk(house)
        self.persons, self.concerns = PersonDesk(house), ConcernDesk(house)
        self._made: dict[tuple[str, str, str], dict[str, str]] = {}

    def values(self, route: Route, role: str, variant: str) -> dict[str, str]:
        """Ids for a route's address; what nobody makes here is an id that nothing has."""
        made: dict[str, str] = {}
        for name in route.parameters:
            if name in made:
                continue
            maker = MAKERS.get(name)
            if maker is None:
                made[name] = FIXED.get(name) or new_id()
                continue
            kept = (maker.__name__, role if variant == "own" else "", variant)
            if kept not in self._made:
                self._made[kept] = maker(self, role, variant)
            made |= self._made[kept]
        return made

    def used(self, role: str, variant: str) -> None:
        """Something was done with them, so the next one gets others."""
        for kept in [kept for kept in self._made if kept[1] in (role, "") and kept[2] == variant]:
            del self._made[kept]

    # --- What they try with -------------------------------------------------------------

    def host(self, variant: str) -> StaffMember:
        """Whose it is, when it is not theirs: a colleague in the same unit, or somebody elsewhere."""
        return self.people["elsewhere" if variant == "other" else "colleague"]

    def at_work(self, role: str) -> StaffMember:
        """Who tries: back at work, whatever an earlier route has done to them."""
        member = self.people[role]
        if member.handles_cases:
            run(self.team.come_back(member, member.id))
        return member

    def concern(self, role: str, variant: str) -> dict[str, str]:
        concern_id = run(self.concerns.receive(STORY)).concern_id
        unit = ELSEWHERE if variant == "other" else HERE
        taken = self.people[role].id if variant == "own" else None

        def place(session: Session) -> None:
            change: dict[str, Any] = {"unit": unit}
            if taken is not None:
                change |= {"state": "accepted", "accepted_by": taken, "accepted_at": self.house.clock.now()}
            session.execute(sa.update(Concern).where(Concern.id == concern_id).values(**change))

        self.house.db.write_now(place)
        return {"concern_id": concern_id}

    def case(self, role: str, variant: str) -> dict[str, str]:
        """A case with a person, a seat, a task, a question, an event and something withheld."""
        host, member = self.host(variant), self.at_work(role)

        def begin(session: Session) -> tuple[str, str]:
            person = self.cases.new_person(session, host, NewPerson("child", "Elsa"))
            return self.cases.open_for(session, host, person.id), person.id

        case_id, person_id = self.house.db.write_now(begin)
        seat = run(self.cases.page(host, case_id)).seats[0].id
        if variant == "own" and member.handles_cases and not member.is_manager:
            run(self.team.ask(host, case_id, HERE, member.id))
            seat = next(ask.seat_id for ask in run(self.team.asks(member)) if ask.own)
            run(self.team.accept(member, seat))
        task, question, event = key(), key(), key()
        run(self.cases.add_task(host, case_id, task, "Ring skolan", self.cases.today(), None))
        run(self.cases.ask_person(host, case_id, question, "Vet skolan?", ""))
        run(self.cases.happened(host, case_id, event, "contact_asked", self.cases.today(), None))
        kept_out = ("staff", self.people["stranger"].id)
        run(self.persons.withhold(host, case_id, ("person", person_id), kept_out, "Känner familjen privat."))
        line = run(self.cases.page(host, case_id)).withheld[0].line.id
        run(self.persons.add_relative(host, person_id, NewPerson("child", "Hugo")))
        return {
            "case_id": case_id, "person_id": person_id, "seat_id": seat, "task_id": task, "question_id": question,
            "event_id": event, "line_id": line,
        }  # fmt: skip

    def question(self, role: str, variant: str) -> dict[str, str]:
        """A seat that somebody is asked to take: by name, a colleague by name, or somebody elsewhere."""
        host, member = self.host(variant), self.at_work(role)
        asked = member if variant == "own" and member.handles_cases else self.people["second"]
        if variant == "other":
            asked = self.people["elsewhere2"]

        def begin(session: Session) -> str:
            person = self.cases.new_person(session, host, NewPerson("child", "Elsa"))
            return self.cases.open_for(session, host, person.id)

        case_id = self.house.db.write_now(begin)
        run(self.team.ask(host, case_id, asked.unit, asked.id))
        return {"seat_id": next(ask.seat_id for ask in run(self.team.asks(asked)) if ask.own)}

    def staff(self, role: str, variant: str) -> dict[str, str]:
        """Oneself, a colleague, or somebody elsewhere."""
        if variant == "own":
            return {"staff_id": self.people[role].id}
        return {"staff_id": self.people["spare" if variant == "unit" else "elsewhere2"].id}


MAKERS: dict[str, Callable[[World, str, str], dict[str, str]]] = {
    "concern_id": World.concern,
    "case_id": World.case,
    "person_id": World.case,
    "seat_id": World.question,
    "staff_id": World.staff,
}
FIXED = {"lang": "sv", "part": "danger", "key": "staff.home", "slug": "vad-ar-det-har", "way": "granne"}


def new_world(house: House) -> World:
    """Everybody who tries works in one unit; their colleagues and others have things of their own."""
    others = {
        "colleague": (Role.CASE_WORKER, HERE),
        "second": (Role.THERAPIST, HERE),
        "spare": (Role.THERAPIST, HERE),
        "stranger": (Role.CASE_WORKER, "ekonomi"),
        "elsewhere": (Role.CASE_WORKER, ELSEWHERE),
        "elsewhere2": (Role.CASE_WORKER, ELSEWHERE),
    }

    def work(session: Session) -> dict[str, StaffMember]:
        everybody = {role.value: (role, HERE) for role in Role} | others
        made = {}
        for name, (role, unit) in everybody.items():
            made[name] = add_staff(
                session, house.municipality, house.clock, login=name.replace("_", "-"), first_name=name.capitalize(),
                role=role, unit=unit, password=PASSWORD, qualified=True,
            )  # fmt: skip
        return made

    return World(house, house.db.write_now(work))


def open_world(settings: Settings, clock: ManualClock, database: Database) -> World:
    """`new_world` on a house of its own, beside the app that is served from the same database."""
    return new_world(build_house(settings, clock=clock, database=database))
