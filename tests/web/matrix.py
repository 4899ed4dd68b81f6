"""A municipality with one person in every role and things of their own and of others, for the route matrix.

Each route with something in its address is tried with three of them: ``own`` (theirs to work with), ``unit``
(their unit's, not theirs) and ``other`` (another unit's). A new kind of thing gets a maker in `MAKERS`.

A fourth, ``kin``, is of a child whose father the one who tries works for, in the same unit, and withheld from
whoever works for the father: `KIN` has what can be made so.
"""

from __future__ import annotations

import asyncio
import itertools
import re
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.orm import Session

from backend.alerts.tables import Alert
from backend.app import build_house, create_app
from backend.booking.promise_tables import Callback, CapacityAlarm
from backend.booking.tables import Booking, BookingCell, DayHours, Therapist
from backend.cases.desk import NewPerson
from backend.cases.persons import PersonDesk
from backend.cases.service import CaseDesk
from backend.cases.team import TeamDesk
from backend.concerns.export import ExportDesk
from backend.concerns.handling import HandlingDesk
from backend.concerns.reports import Report
from backend.concerns.service import ConcernDesk, Intake
from backend.concerns.tables import Concern
from backend.config import Settings
from backend.core import access
from backend.core.access import Kind
from backend.core.db import Database
from backend.core.house import House
from backend.core.people import Role, StaffMember
from backend.core.reader import Reader
from backend.core.vault import new_id
from backend.improving.rules import Guess
from backend.improving.service import Learning, Missed
from backend.improving.tables import Misunderstood
from backend.staff.accounts import add_staff
from backend.stories.reading import Sharing, StoryReading
from backend.stories.service import Piece, StoryDesk, Telling
from backend.talks.tables import Talk
from tests.cases import STORY, key
from tests.conftest import ManualClock

T = TypeVar("T")
PASSWORD = "ett lösenord som är långt nog"
HERE, ELSEWHERE, BEYOND = "behandlare", "vuxen", "funktionshinder"
"""The unit of everybody who tries, another one, and one that belongs to another branch."""
VARIANTS = ("own", "unit", "other")
ANONYMOUS = "anonymous"
SUBJECTS = (ANONYMOUS, *(role.value for role in Role))
_DAYS = itertools.count(1)
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
        self.stories, self.learning = StoryDesk(house, self.concerns), Learning(house)
        self.reading = StoryReading(house, self.stories)
        self._made: dict[tuple[str, str, str], dict[str, str]] = {}

    def values(self, route: Route, role: str, variant: str) -> dict[str, str]:
        """Ids for a route's address; what nobody makes here is an id that nothing has."""
        made: dict[str, str] = {}
        for name in route.parameters:
            if name in made:
                continue
            maker = maker_of(route, name)
            if maker is None or variant == "nothing":
                made[name] = FIXED.get(name) or new_id()
                continue
            own = role if variant in ("own", "kin") else ""
            kept = (maker.__name__ if variant != "kin" else "", own, variant)
            if kept not in self._made:
                self._made[kept] = self.kin(role) if variant == "kin" else maker(self, role, variant)
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

    def concern(self, role: str, variant: str, told: Intake = STORY) -> dict[str, str]:
        """A concern that the one who tries has taken, or nobody has."""
        concern_id = run(self.concerns.receive(told)).concern_id
        self._place(concern_id, role, variant)
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
            seat = self._join(host, case_id, member)
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
        return {"seat_id": self._ask(host, case_id, asked)}

    def staff(self, role: str, variant: str) -> dict[str, str]:
        """Oneself, a colleague, or somebody elsewhere."""
        if variant == "own":
            return {"staff_id": self.people[role].id}
        return {"staff_id": self.people["spare" if variant == "unit" else "elsewhere2"].id}

    def report(self, role: str, variant: str) -> dict[str, str]:
        """A professional's report, who wants to know what becomes of it, and a wish to export all of it."""
        report = Report({"name": "Eva Ek", "role": "lärare", "phone": "070-174 06 05"}, {"name": "Elsa"}, feedback=True)
        made = self.concern(role, variant, replace(STORY, source="mandated", report=report))
        host, concern_id = self.host(variant), made["concern_id"]
        exports = ExportDesk(self.house, self.concerns, HandlingDesk(self.house))
        run(exports.ask(host, concern_id, "Tingsrätten har begärt det."))
        return made | {"release_id": run(exports.releases(host, concern_id))[0].id}

    def story(self, role: str, variant: str) -> dict[str, str]:
        """A story in two parts, with a point, a help and a sharing that its teller does not know of yet."""
        told = Telling([Piece("Pappa dricker."), Piece("Varje fredag.")], Reader("child", "10-12"), "", about="me")
        sent = run(self.stories.send(replace(told, key=key() + key())))
        story_id, host = sent.story_id, self.host(variant)
        self._place(sent.concern_id, role, variant)
        part = run(self.reading.open_for(host, story_id)).parts[0].id
        day = self.house.clock.now().date() + timedelta(days=7)
        hidden = Sharing("vald", "", "need", frozenset([part]), "Hot i hemmet.", True, "Pappa läser telefonen.", day)
        run(self.reading.share(host, story_id, hidden))
        run(self.reading.add_point(host, story_id, part, "Vem som dricker"))
        run(self.reading.note_help(host, story_id, "talks", "self"))
        found = run(self.reading.open_for(host, story_id))
        return {
            "story_id": story_id, "concern_id": sent.concern_id, "part_id": part, "share_id": found.shares[0].id,
            "point_id": found.points[0].id, "help_id": found.help[0].id,
        }  # fmt: skip

    # --- Therapists' things: one's own if one is a therapist, else the unit's ---------------

    def holder(self, role: str, variant: str) -> StaffMember:
        """The therapist whose it is."""
        if variant == "other":
            return self.people["outside"]
        return self.people[role if (role, variant) == ("therapist", "own") else "second"]

    def booking(self, role: str, variant: str) -> dict[str, str]:
        """A booked chat that began a while ago, the one who tries' own a quarter of an hour."""
        now, host = self.house.clock.now(), self.holder(role, variant)
        place = SUBJECTS.index(role) - 1 if variant in ("own", "kin") else 0
        start = now - timedelta(minutes=15 + 5 * place, hours=("own", "unit", "other", "kin").index(variant))
        row = Booking(
            id=new_id(), therapist_id=host.id, start_at=start, end_at=start + timedelta(minutes=45), state="booked",
            channel="chat", lang="sv", receipt=new_id(), data_key=self.house.vault.new_key(), created_at=start,
            confirmed_at=start,
        )  # fmt: skip
        cell = {"therapist_id": host.id, "cell": int(start.timestamp()) // 300}

        def occupy(session: Session) -> None:
            # The one before has been tried already, and two talks of one therapist cannot be at once.
            session.execute(sa.delete(BookingCell).filter_by(**cell))
            session.add(row)
            session.flush()
            session.add(BookingCell(booking_id=row.id, **cell))

        self.house.db.write_now(occupy)
        return {"booking_id": row.id}

    def callback(self, role: str, variant: str) -> dict[str, str]:
        """Somebody who waits for a call, whom the one who tries has taken on, or nobody has."""
        now, host = self.house.clock.now(), self.holder(role, variant)
        taken = {"taken_by": self.people[role].id, "taken_at": now} if variant == "own" else {}
        row = Callback(
            id=new_id(), unit=host.unit, asked_at=now, deadline=now + timedelta(days=1), lang="sv", tries=0,
            state="taken" if taken else "open", receipt=new_id(), data_key=self.house.vault.new_key(), **taken,
        )  # fmt: skip
        return {"callback_id": self._add(row)}

    def hours(self, role: str, variant: str) -> dict[str, str]:
        """Extra hours of a day to come."""
        whose, day = self.holder(role, variant).id, self.house.clock.now().date() + timedelta(days=7)
        row = DayHours(id=new_id(), staff_id=whose, day=day, kind="extra", start_minute=480, end_minute=540)
        return {"row_id": self._add(row), "whose": whose}

    def talk(self, role: str, variant: str) -> dict[str, str]:
        """A talk that goes on."""
        return self._talk(self.holder(role, variant), state="open", therapist_id=self.holder(role, variant).id)

    def waiting(self, role: str, variant: str) -> dict[str, str]:
        """Somebody who waits: for this therapist's booked chat, or for anybody in the unit."""
        host = self.holder(role, variant)
        return self._talk(host, state="waiting", therapist_id=host.id if variant == "own" else None)

    def offered(self, role: str, variant: str) -> dict[str, str]:
        """A talk that a colleague asks the one who tries, or another, to take over."""
        host = self.people["outside" if variant == "other" else "second"]
        asked = self.people[role] if variant == "own" else self.people["spare"]
        return self._talk(host, state="open", therapist_id=host.id, offered_to=asked.id)

    def alert(self, role: str, variant: str) -> dict[str, str]:
        """Danger in a booking: one's own, a colleague's, or in a unit beyond the border of secrecy (OSL 8:2)."""
        host, now = self.holder(role, variant), self.house.clock.now()
        unit = BEYOND if variant == "other" else host.unit
        row = Alert(
            id=new_id(), at=now, rang_at=now, level="A1", category="D01", source="booking", reference=new_id(),
            subject=new_id(), unit=unit, staff_id=host.id, out_of_hours=False,
        )  # fmt: skip
        return {"alert_id": self._add(row)}

    def alarm(self, role: str, variant: str) -> dict[str, str]:
        """A day without times; it is of the whole service and of no unit."""
        now = self.house.clock.now()
        day = now.date() + timedelta(days=next(_DAYS))
        return {"alarm_id": self._add(CapacityAlarm(id=new_id(), day=day, reason="full", rang_at=now))}

    def misunderstood(self, role: str, variant: str) -> dict[str, str]:
        """A masked message that nobody knows whose it is."""
        said = Missed(new_id(), "finns det glass i stan", Reader(), [Guess("faq/who", 0.3)])

        def note(session: Session) -> str:
            self.learning.note(session, said)
            return str(session.scalar(sa.select(Misunderstood.id).where(Misunderstood.message_id == said.message_id)))

        return {"row_id": self.house.db.write_now(note)}

    def kin(self, role: str) -> dict[str, str]:
        """What a child has, in the unit of the one who tries, who works for the child's father: withheld from them."""
        host, fathers_side, member = self.people["colleague"], self.people["elsewhere"], self.at_work(role)
        told, talked, waits = self.story(role, "kin"), self.booking(role, "kin"), self.callback(role, "kin")
        second = self.people["second"]
        talk = self._talk(second, "waiting", second.id, booking_id=talked["booking_id"])

        child = run(self.cases.open_from_concern(host, told["concern_id"], NewPerson("child", "Elsa")))
        childs, father_id = (
            child.case_id,
            run(self.persons.add_relative(host, child.person_id, NewPerson("parent", "Per"))),
        )

        def begin(session: Session) -> str:
            for kind, subject in (
                (Kind.STORY, told["story_id"]),
                (Kind.BOOKING, talked["booking_id"]),
                (Kind.BOOKING, waits["callback_id"]),
            ):
                access.concerns_person(session, kind, subject, child.person_id)
            return self.cases.open_for(session, fathers_side, father_id)

        fathers = self.house.db.write_now(begin)
        self._join(fathers_side, fathers, member)
        task, question, event = key(), key(), key()
        run(self.cases.add_task(host, childs, task, "Ring skolan", self.cases.today(), None))
        run(self.cases.ask_person(host, childs, question, "Vet skolan?", ""))
        run(self.cases.happened(host, childs, event, "contact_asked", self.cases.today(), None))
        run(self.team.ask(host, childs, HERE, None))
        queued = next(seat.id for seat in run(self.cases.page(host, childs)).seats if seat.staff_id is None)
        reason = "Elsa är rädd för Per."
        run(self.persons.withhold(host, childs, ("person", child.person_id), ("person", father_id), reason))
        line = run(self.cases.page(host, childs)).withheld[0].line.id
        return {
            "case_id": childs, "person_id": child.person_id, "seat_id": queued, "task_id": task, "question_id": question,
            "event_id": event, "line_id": line, **told, **talked, **waits, **talk,
        }  # fmt: skip

    def _ask(self, host: StaffMember, case_id: str, asked: StaffMember) -> str:
        run(self.team.ask(host, case_id, asked.unit, asked.id))
        return next(seat.id for seat in run(self.cases.page(host, case_id)).seats if seat.staff_id == asked.id)

    def _join(self, host: StaffMember, case_id: str, member: StaffMember) -> str:
        seat = self._ask(host, case_id, member)
        run(self.team.accept(member, seat))
        return seat

    def _talk(self, host: StaffMember, state: str, therapist_id: str | None, **more: str) -> dict[str, str]:
        now = self.house.clock.now()
        row = Talk(
            id=new_id(), unit=host.unit, state=state, therapist_id=therapist_id, lang="sv", last_seq=0, wiped=False,
            data_key=self.house.vault.new_key(), created_at=now, touched_at=now, **more,
        )  # fmt: skip
        return {"talk_id": self._add(row)}

    def _place(self, concern_id: str, role: str, variant: str) -> None:
        change: dict[str, Any] = {"unit": ELSEWHERE if variant == "other" else HERE}
        if variant == "own":
            now = self.house.clock.now()
            change |= {"state": "accepted", "accepted_by": self.people[role].id, "accepted_at": now}
        update = sa.update(Concern).where(Concern.id == concern_id).values(**change)
        self.house.db.write_now(lambda session: session.execute(update))

    def _add(self, row: Any) -> str:
        self.house.db.write_now(lambda session: session.add(row))
        return str(row.id)


Maker = Callable[[World, str, str], dict[str, str]]
MAKERS: dict[str, Maker] = {
    "/oro/<concern_id>/aterkoppling": World.report,
    "/oro/<concern_id>/barn-finns": World.report,
    "/oro/<concern_id>/beslut": World.report,
    "/oro/<concern_id>/godkann": World.report,
    "<concern_id>": World.concern,
    "<case_id>": World.case,
    "<person_id>": World.case,
    "<seat_id>": World.question,
    "<staff_id>": World.staff,
    "<story_id>": World.story,
    "<booking_id>": World.booking,
    "<callback_id>": World.callback,
    "/kalender/ta-bort/<row_id>": World.hours,
    "/forsta/<row_id>": World.misunderstood,
    "/samtal/<talk_id>/ta": World.waiting,
    "/samtal/<talk_id>/svar": World.offered,
    "<talk_id>": World.talk,
    "<alert_id>": World.alert,
    "<alarm_id>": World.alarm,
}
"""What makes the thing that an address names, by a part of the address; the first that fits."""
FIXED = {"lang": "sv", "part": "danger", "key": "staff.home", "slug": "vad-ar-det-har", "way": "granne", "seq": "1"}
KIN = ("concern_id", "case_id", "person_id", "seat_id", "story_id", "booking_id", "callback_id", "talk_id")
"""What is somebody's in a family, and can be withheld from whoever works for another of it."""
SHUT_OUT = tuple(role.value for role in (Role.THERAPIST, Role.CASE_WORKER, Role.COORDINATOR, Role.ON_CALL))
"""The roles that can be kept out of a matter in their own unit; whoever leads the unit cannot."""


def maker_of(route: Route, name: str) -> Maker | None:
    """What makes the ``name`` in a route's address."""
    return next((maker for part, maker in MAKERS.items() if f"<{name}>" in part and part in route.path), None)


def new_world(house: House) -> World:
    """Everybody who tries works in one unit; their colleagues and others have things of their own."""
    others = {
        "colleague": (Role.CASE_WORKER, HERE),
        "second": (Role.THERAPIST, HERE),
        "spare": (Role.THERAPIST, HERE),
        "stranger": (Role.CASE_WORKER, "ekonomi"),
        "elsewhere": (Role.CASE_WORKER, ELSEWHERE),
        "elsewhere2": (Role.CASE_WORKER, ELSEWHERE),
        "outside": (Role.THERAPIST, ELSEWHERE),
    }

    def work(session: Session) -> dict[str, StaffMember]:
        everybody = {role.value: (role, HERE) for role in Role} | others
        made = {}
        for name, (role, unit) in everybody.items():
            made[name] = add_staff(
                session, house.municipality, house.clock, login=name.replace("_", "-"), first_name=name.capitalize(),
                role=role, unit=unit, password=PASSWORD, qualified=True,
            )  # fmt: skip
        session.flush()
        session.add_all(
            Therapist(staff_id=made[name].id, channels="chat,phone,video", meeting_url=None)
            for name in ("therapist", "second", "outside")
        )
        return made

    return World(house, house.db.write_now(work))


def open_world(settings: Settings, clock: ManualClock, database: Database) -> World:
    """`new_world` on a house of its own, beside the app that is served from the same database."""
    return new_world(build_house(settings, clock=clock, database=database))
