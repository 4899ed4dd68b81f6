"""Promise: a manager sees what waits for an answer on erasing, answers it where it stands, and nobody else has the list."""

from __future__ import annotations

import asyncio
import html
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from backend.app import build_house
from backend.cases.desk import NewPerson
from backend.cases.service import CaseDesk
from backend.concerns.handling import HandlingDesk
from backend.concerns.service import ConcernDesk
from backend.core.db import Database
from backend.core.people import StaffMember
from tests.cases import STORY
from tests.conftest import ManualClock, make_settings
from tests.people import seed_example_staff
from tests.web.serving import serve

WHY = "Barnet är hos mormor i kväll."


class Archive:
    """The example municipality with a closed case and a decided report of Karin's unit."""

    def __init__(self, url: str, passwords: dict[str, str], case: str, concern: str) -> None:
        self.url, self._passwords, self.case, self.concern = url, passwords, case, concern

    def enter(self, login: str) -> httpx.Client:
        client = httpx.Client(base_url=self.url, timeout=20, follow_redirects=True)
        client.post("/personal/logga-in", data={"login": login, "password": self._passwords[login]})
        return client


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    settings, clock, passwords, made = make_settings(tmp_path), ManualClock(), {}, []

    def seed(database: Database) -> None:
        passwords.update(seed_example_staff(database, settings))
        house = build_house(settings, clock=clock, database=database)
        karin = database.read_now(lambda s: s.query(StaffMember).filter_by(login="karin").one())
        cases, concerns, handling = CaseDesk(house), ConcernDesk(house), HandlingDesk(house)

        async def fill() -> None:
            first = (await concerns.receive(STORY)).concern_id
            case = await cases.open_from_concern(karin, first, NewPerson("child", "Elsa", 2015))
            await cases.close(karin, case.case_id, "finished", (await cases.page(karin, case.case_id)).version)
            concern = (await concerns.receive(STORY)).concern_id
            await handling.check(karin, concern, "safe", WHY)
            await handling.decide(karin, concern, "not_open", WHY)
            made.extend([case.case_id, concern])

        asyncio.run(fill())
        house.codes.close()

    with serve(settings, clock, seed) as served:
        yield Archive(served.url, passwords, *made)
        served.client.close()


def test_a_manager_answers_where_it_stands(archive: Archive) -> None:
    """The count at the start, a line and a way to each; answered, it is gone; a second answer is told so."""
    maria = archive.enter("maria")
    assert "2 avslutade väntar på svar om gallring." in maria.get("/personal").text
    page = maria.get("/personal/gallring").text
    for way in (f"/personal/arende/{archive.case}", f"/personal/oro/{archive.concern}"):
        assert f'href="{way}"' in page
        assert 200 == maria.get(way).status_code
    done = maria.post(f"/personal/gallring/arende/{archive.case}", data={"kept": "no"})
    assert (200, "/personal/gallring") == (done.status_code, done.url.path) and archive.case not in done.text
    again = maria.post(f"/personal/gallring/arende/{archive.case}", data={"kept": "yes"})
    assert 409 == again.status_code and "Någon hann svara" in again.text
    assert 422 == maria.post(f"/personal/gallring/oro/{archive.concern}", data={"kept": "kanske"}).status_code
    done = maria.post(f"/personal/gallring/oro/{archive.concern}", data={"kept": "yes"})
    assert "Inget väntar på svar." in done.text
    assert "väntar på svar om gallring" not in maria.get("/personal").text


def test_nobody_else_has_the_list(archive: Archive) -> None:
    """Neither the page nor its count; another unit's manager has an empty one, and finds none of it."""
    for login in ("karin", "anna", "eva", "adam"):
        client = archive.enter(login)
        assert 404 == client.get("/personal/gallring").status_code
        for path in (f"arende/{archive.case}", f"oro/{archive.concern}"):
            assert 404 == client.post(f"/personal/gallring/{path}", data={"kept": "no"}).status_code
        assert "gallring" not in html.unescape(client.get("/personal").text)


def test_who_handled_a_report_answers_on_its_page(archive: Archive) -> None:
    """When it is closed, with a way to think again; the history says who."""
    karin = archive.enter("karin")
    page = karin.post(f"/personal/oro/{archive.concern}/bevaras", data={"kept": "no"}).text
    assert "Svar: det får gallras när tiden är ute." in page
    assert re.search(r"Karin har svarat på om det ska bevaras", page)
    assert "Ska bevaras" in page and "Får gallras" not in page
    assert "Svar: det bevaras." in karin.post(f"/personal/oro/{archive.concern}/bevaras", data={"kept": "yes"}).text
