"""A municipality where something stands on every page, and the list of all its pages.

`PAGES` has every page that a browser can be sent to; `NO_PAGE` every other way in by GET. A new route
belongs to one of them, or `test_every_page.py` fails.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import sqlalchemy as sa
import yaml
from sqlalchemy.orm import Session

from backend.app import build_house
from backend.booking.callbacks import CallbackDesk, Request
from backend.booking.service import BookingDesk, Confirmed, Details
from backend.cases.desk import NewPerson
from backend.cases.persons import PersonDesk
from backend.cases.service import CaseDesk
from backend.cases.standing import MapDesk
from backend.cases.team import TeamDesk
from backend.concerns.service import ConcernDesk
from backend.config import Settings
from backend.core.db import Database
from backend.core.house import House
from backend.core.people import StaffMember
from backend.core.reader import Reader
from backend.core.vault import new_id
from backend.stories.service import Piece, StoryDesk, Telling
from backend.talks.service import TalkDesk
from tests.cases import STORY
from tests.conftest import ManualClock
from tests.people import seed_example_staff

VISITOR = ""
PAGES: dict[str, tuple[str, str]] = {
    "GET /": (VISITOR, "/"),
    "GET /anmal": (VISITOR, "/anmal"),
    "GET /anmal/<way>": (VISITOR, "/anmal/privat"),
    "GET /boka": (VISITOR, "/boka"),
    "GET /boka/uppringd": (VISITOR, "/boka/uppringd"),
    "GET /chatt": (VISITOR, "/chatt"),
    "GET /chatt/ruta": (VISITOR, "/chatt/ruta"),
    "GET /docs": (VISITOR, "/docs"),
    "GET /hjalp-nu": (VISITOR, "/hjalp-nu"),
    "GET /karta": (VISITOR, "/karta"),
    "GET /karta/<slug>": (VISITOR, "/karta/20"),
    "GET /karta/har": (VISITOR, "/karta/har"),
    "GET /min-sida": (VISITOR, "/min-sida"),
    "GET /min-tid": (VISITOR, "/min-tid"),
    "GET /skriv": (VISITOR, "/skriv"),
    "GET /stil": (VISITOR, "/stil"),
    "GET /tillganglighet": (VISITOR, "/tillganglighet"),
    "GET /personal/logga-in": (VISITOR, "/personal/logga-in"),
    "GET /personal": ("karin", "/personal"),
    "GET /personal/arende/<case_id>": ("karin", "/personal/arende/{case_id}"),
    "GET /personal/arende/<case_id>/karta": ("karin", "/personal/arende/{case_id}/karta"),
    "GET /personal/arenden": ("karin", "/personal/arenden"),
    "GET /personal/bemanning": ("maria", "/personal/bemanning"),
    "GET /personal/bemanning/<staff_id>/flytta": ("maria", "/personal/bemanning/{karin}/flytta"),
    "GET /personal/berattelse/<story_id>": ("karin", "/personal/berattelse/{story_id}"),
    "GET /personal/berattelser": ("anna", "/personal/berattelser"),
    "GET /personal/dagen": ("anna", "/personal/dagen"),
    "GET /personal/forsta": ("maria", "/personal/forsta"),
    "GET /personal/gallring": ("maria", "/personal/gallring"),
    "GET /personal/inkorg": ("karin", "/personal/inkorg"),
    "GET /personal/kalender": ("anna", "/personal/kalender"),
    "GET /personal/kalender/borta": ("anna", "/personal/kalender/borta"),
    "GET /personal/kalender/dag": ("anna", "/personal/kalender/dag"),
    "GET /personal/kalender/ny-tid": ("anna", "/personal/kalender/ny-tid"),
    "GET /personal/kalender/tider": ("anna", "/personal/kalender/tider"),
    "GET /personal/kalenderlank": ("anna", "/personal/kalenderlank"),
    "GET /personal/konton": ("adam", "/personal/konton"),
    "GET /personal/konton/<staff_id>": ("adam", "/personal/konton/{karin}"),
    "GET /personal/larm": ("karin", "/personal/larm"),
    "GET /personal/logg": ("maria", "/personal/logg"),
    "GET /personal/loftet": ("anna", "/personal/loftet"),
    "GET /personal/loftet/<callback_id>": ("anna", "/personal/loftet/{callback_id}"),
    "GET /personal/oro/<concern_id>": ("karin", "/personal/oro/{concern_id}"),
    "GET /personal/oro/<concern_id>/arende": ("karin", "/personal/oro/{concern_id}/arende"),
    "GET /personal/oversattningar": ("eva", "/personal/oversattningar"),
    "GET /personal/oversattningar/<lang>/<part>": ("eva", "/personal/oversattningar/fi/first"),
    "GET /personal/person/<person_id>": ("karin", "/personal/person/{person_id}"),
    "GET /personal/regler": ("maria", "/personal/regler"),
    "GET /personal/samtal": ("anna", "/personal/samtal"),
    "GET /personal/samtal/<talk_id>": ("anna", "/personal/samtal/{talk_id}"),
    "GET /personal/skriv-in": ("karin", "/personal/skriv-in"),
    "GET /personal/texter": ("eva", "/personal/texter"),
    "GET /personal/texter/<lang>/<key>": ("eva", "/personal/texter/sv/staff.home"),
    "GET /personal/texter/nytt-ord": ("eva", "/personal/texter/nytt-ord"),
    "GET /personal/tid/<booking_id>": ("anna", "/personal/tid/{booking_id}"),
    "GET /personal/tid/<booking_id>/flytta": ("anna", "/personal/tid/{booking_id}/flytta"),
}
"""By route: who is logged in, and the address with the ids of what `Town.ids` has."""

NO_PAGE = {
    # Files, data and pictures.
    "GET /api/chats", "GET /api/human", "GET /docs/openapi.json", "GET /embed.js", "GET /health",
    "GET /kalender/<secret>", "GET /lamna/tom.css", "GET /logotyp", "GET /static/<name>", "GET /tema.css",
    "GET /personal/berattelse/<story_id>/delar", "GET /personal/inkorg/lista", "GET /personal/samtal/<talk_id>/lage",
    "GET /personal/samtal/lista", "GET /personal/oro/<concern_id>/skriver",
    # Streams.
    "GET /api/chats/stream", "GET /personal/arende/<case_id>/nu", "GET /personal/arenden/nu",
    "GET /personal/berattelse/<story_id>/nu", "GET /personal/dagen/nytt", "GET /personal/inkorg/nu",
    "GET /personal/larm/nu", "GET /personal/loftet/nu", "GET /personal/nytt", "GET /personal/samtal/<talk_id>/nu",
    "GET /personal/samtal/nu",
    # Led on at once to one of the pages, or away.
    "GET /docs/redoc", "GET /kod", "GET /lamna", "GET /personal/inkorg/nasta",
}  # fmt: skip


def run(work: Coroutine[Any, Any, Any]) -> Any:
    """In a thread of its own: the browser's loop runs in this one."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()


@dataclass
class Town:
    """What has been made: ids for addresses, and the six words of codes by what they open."""

    passwords: dict[str, str]
    ids: dict[str, str] = field(default_factory=dict)
    codes: dict[str, str] = field(default_factory=dict)


def settle(database: Database, settings: Settings, clock: ManualClock) -> Town:
    """Fill the municipality's database."""
    town = Town(seed_example_staff(database, settings))
    house = build_house(settings, clock=clock, database=database)
    terms = msgspec.structs.replace(house.municipality.talks, live=True)
    house = replace(house, municipality=msgspec.structs.replace(house.municipality, talks=terms))
    people = {member.login: member for member in house.db.read_now(lambda s: s.scalars(sa.select(StaffMember)).all())}
    town.ids |= {login: member.id for login, member in people.items()}
    run(_told(house, people, town))
    run(_booked(house, people, town))
    run(_led(house, people, town))
    run(_talked(house, people, town))
    house.codes.close()
    return town


async def _told(house: House, people: dict[str, StaffMember], town: Town) -> None:
    """A story and what was sent in by a neighbour, both with the reception; a request to be called up."""
    concerns = ConcernDesk(house)
    sent = await concerns.receive(STORY)
    town.ids["concern_id"] = sent.concern_id
    town.codes["concern"] = str(sent.words)
    stories = StoryDesk(house, concerns)
    pieces = [Piece("Mamma dricker varje kväll."), Piece("Jag lagar maten åt lillebror.")]
    told = await stories.send(Telling(pieces, Reader("child", "10-12"), "sv:10-12:0123456789ab", about="me", now="no"))
    town.ids |= {"story_id": told.story_id, "story_concern": told.concern_id}
    town.codes["story"] = str(told.words)
    asked = await CallbackDesk(house, BookingDesk(house)).ask("form:every-page", Request("phone", "070-174 06 05"))
    town.ids["callback_id"] = asked.callback_id


async def _booked(house: House, people: dict[str, StaffMember], town: Town) -> None:
    booking = BookingDesk(house)

    async def book(number: int) -> Confirmed:
        holder = f"form:every-page-{number}-aaaaaaaa"
        offer = await booking.offer("chat", limit=99)
        slot = offer.times[-1].slot
        await booking.hold(holder, slot)
        return await booking.confirm(holder, Details("chat", reader=Reader("child", "10-12")))

    talk = await book(1)
    town.ids["booking_id"] = talk.booking_id
    town.codes["booking"] = str(talk.words)


async def _led(house: House, people: dict[str, StaffMember], town: Town) -> None:
    """A case that Karin leads, with everything on its page, and the people in it on the map."""
    cases, karin = CaseDesk(house), people["karin"]
    case = await cases.open_from_concern(karin, town.ids["story_concern"], NewPerson("child", "Elsa", 2015))
    town.ids |= {"case_id": case.case_id, "person_id": case.person_id}
    desk, persons, team = MapDesk(house), PersonDesk(house), TeamDesk(house)

    def tie(session: Session) -> None:
        held = desk._hold(session, karin, case.case_id)
        desk.add_source(session, karin, held, "booking", town.ids["booking_id"])

    await house.db.write(tie)
    await cases.note(karin, case.case_id, new_id(), "Ringt skolan.")
    await cases.add_task(karin, case.case_id, new_id(), "Ring mormor", cases.today(), None)
    await cases.ask_person(karin, case.case_id, new_id(), "Vet skolan?", "Ja, läraren.")
    await cases.ask_person(karin, case.case_id, new_id(), "Vem hämtar?", "")
    await cases.happened(karin, case.case_id, new_id(), "contact_asked", cases.today(), None)
    await team.ask(karin, case.case_id, "behandlare", people["anna"].id)
    await persons.withhold(
        karin, case.case_id, ("person", case.person_id), ("staff", people["johan"].id), "Känner familjen privat."
    )
    father = await persons.add_relative(karin, case.person_id, NewPerson("parent", "Per", 1980))
    child, parent = f"person:{case.person_id}", f"person:{father}"
    meets = house.clock.now() + timedelta(days=2)
    for subject, station, at in ((child, "S05", None), (child, "S08", meets), (parent, "S17", None)):
        await desk.place(karin, case.case_id, subject, station, at)
    for viewer in (f"story:{town.ids['story_id']}", f"booking:{town.ids['booking_id']}"):
        await desk.show(karin, case.case_id, viewer, child, "", "Hon skrev själv, vi har pratat om det.")
        await desk.show(karin, case.case_id, viewer, parent, "agreed", "Pappa sa ja på mötet i tisdags.")


async def _talked(house: House, people: dict[str, StaffMember], town: Town) -> None:
    """A conversation that goes on between a child and Anna."""
    desk, anna = TalkDesk(house), people["anna"]
    with ExitStack() as pages:
        await desk.set_duty(anna, on=True)
        pages.enter_context(desk.presence.open(f"staff:{anna.id}"))
        await desk.ask("every-page", Reader("child", "10-12"))
        seat = await house.db.read(lambda session: desk.seat_of(session, "every-page"))
        assert seat is not None
        town.ids["talk_id"] = seat.talk_id
        await desk.take(anna, seat.talk_id)
        await desk.write(anna, seat.talk_id, "Hej, jag heter Anna. Vad bra att du skrev.")


def unlisted(matrix: Path) -> tuple[set[str], set[str]]:
    """Routes of the matrix that are in no list here, and lines here that are no route."""
    routes = yaml.safe_load(matrix.read_text("utf-8"))
    gets = {route for group in ("public", "staff") for route in routes[group] if route.startswith("GET ")}
    listed = set(PAGES) | NO_PAGE
    return gets - listed, listed - gets
