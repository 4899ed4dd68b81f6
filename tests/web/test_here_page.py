"""Promise: staff put a child on the map; with any code of theirs the child sees where they are, what may come and the next
meeting; another person's place only when that was decided; nobody is named, and none of it needs a script.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa

from backend.app import build_house
from backend.cases.desk import NewPerson
from backend.cases.persons import PersonDesk
from backend.cases.service import CaseDesk
from backend.cases.standing import MapDesk
from backend.concerns.service import ConcernDesk
from backend.core.people import StaffMember
from tests.cases import STORY as CONCERN
from tests.conftest import ManualClock, make_settings
from tests.people import seed_example_staff
from tests.web.serving import serve
from tests.web.test_map_page import words
from tests.web.test_my_page import Town
from tests.web.test_return_page import Place
from tests.web.test_write_page import words_in

OWN = {"own": "1", "reason": "Hon skrev själv, vi pratade om det."}


class Street(Place):
    """A case that Karin leads about Elsa, whose codes are of every kind, and about her father."""

    town: Town
    karin: httpx.Client
    """Her browser, logged in."""

    def staff(self, login: str) -> StaffMember:
        query = sa.select(StaffMember).where(StaffMember.login == login)
        return self.house.db.read_now(lambda session: session.scalars(query).one())

    def case_of(self, source: tuple[str, str] | None = None) -> tuple[str, str]:
        """A new case about a child, Elsa, led by Karin: its id and the person's."""
        cases, karin = CaseDesk(self.house), self.staff("karin")

        def work(session: sa.orm.Session) -> tuple[str, str]:
            person = cases.new_person(session, karin, NewPerson("child", "Elsa", 2015))
            return cases.open_for(session, karin, person.id, source), person.id

        return self.house.db.write_now(work)

    def put(self, case_id: str, **fields: str) -> httpx.Response:
        return self.karin.post(f"/personal/arende/{case_id}/karta/satt", data=fields)

    def show(self, case_id: str, **fields: str) -> httpx.Response:
        return self.karin.post(f"/personal/arende/{case_id}/karta/visa", data=fields)

    def here(self, code: str) -> str:
        answer = self.served.client.post("/karta/har", data={"words": code})
        assert 200 == answer.status_code
        assert "no-store" == answer.headers["cache-control"]
        return answer.text


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Street]:
    tmp: Path = tmp_path_factory.mktemp("street")
    settings, clock = make_settings(tmp), ManualClock()
    passwords: dict[str, str] = {}
    with serve(
        settings, clock=clock, seed=lambda database: passwords.update(seed_example_staff(database, settings))
    ) as served:
        house = build_house(settings, clock=clock)
        one = Street(served, house, clock)
        one.town = Town(served.url)
        one.town.clock, one.town.passwords, one.town.settings = clock, passwords, settings
        one.karin = one.town.enter("karin")
        yield one
        one.karin.close()
        house.codes.close()
        house.db.close()


def test_without_words_it_asks_and_wrong_words_open_nothing(street: Street) -> None:
    """One answer for all wrong words, and what was written is kept; danger there is answered as everywhere."""
    client = street.served.client
    assert "sex ord" in words(client.get("/karta/har").text)
    wrong = client.post("/karta/har", data={"words": "inte rätt ord alls här nu"})
    assert 400 <= wrong.status_code < 500
    assert "inte rätt ord alls här nu" in wrong.text
    assert "Du är här" not in wrong.text
    assert "no-store" == wrong.headers["cache-control"]
    assert 'href="tel:112"' in client.post("/karta/har", data={"words": "pappa slår mig nu"}).text


def test_staff_place_a_child_and_the_child_sees_it_with_the_code_of_the_booking(street: Street) -> None:
    """From the form on the case's page to the picture; the way so far, what may come, the meeting; no name of anybody."""
    talk = street.booked("form:har-aaaaaaaaaaaaaaaaaaaa")
    case_id, person_id = street.case_of(("booking", talk.booking_id))
    viewer, child = f"booking:{talk.booking_id}", f"person:{person_id}"
    assert "Det finns inget att visa än" in words(street.here(str(talk.words)))
    street.put(case_id, subject=child, station="S05")
    shown = street.put(case_id, subject=child, station="S08")
    assert "Utredning inleds" in words(shown.text)
    street.show(case_id, viewer=viewer, subject=child, **OWN)
    page = street.here(str(talk.words))
    for told in ("Du är här", "Soc tar reda på mer", "Nästa möte", "Sedan kan det bli", "Du får berätta",
                 "Så har vägen gått hittills", "Soc kollar om de behöver veta mer"):  # fmt: skip
        assert told in words(page), told
    assert "Din förälder är här" not in words(page)
    names = street.house.db.read_now(lambda session: set(session.scalars(sa.select(StaffMember.first_name))))
    # "Bo någon annanstans" is a station, and Bo somebody's name.
    assert set() == ((names | {"Elsa"}) - {"Bo"}) & set(words(page).split())
    assert OWN["reason"] not in page
    # The picture says the same to whoever hears it.
    assert re.search(r'<a class="stop[^"]*stop-here"[^>]*aria-label="Soc tar reda på mer: Du är här"', page)
    assert re.search(r'<a class="stop[^"]*stop-been"[^>]*data-id="S05"', page)


def test_a_parents_place_is_seen_after_a_decision_and_no_longer_than_it_stands(street: Street) -> None:
    """The station alone: neither since when they came that way nor what comes next for them."""
    talk = street.booked("form:har-bbbbbbbbbbbbbbbbbbbb", day=2)
    case_id, person_id = street.case_of(("booking", talk.booking_id))
    people = PersonDesk(street.house)
    father = asyncio.run(people.add_relative(street.staff("karin"), person_id, NewPerson("parent", "Per")))
    viewer, parent = f"booking:{talk.booking_id}", f"person:{father}"
    street.put(case_id, subject=parent, station="S17")
    refused = street.show(case_id, viewer=viewer, subject=parent, ground="", reason="Pappa sa ja i tisdags.")
    assert 422 == refused.status_code
    assert "Välj varför platsen får visas." in words(refused.text)
    assert "Pappa sa ja i tisdags." in refused.text
    assert "Det finns inget att visa än" in words(street.here(str(talk.words)))
    street.show(case_id, viewer=viewer, subject=parent, ground="agreed", reason="Pappa sa ja i tisdags.")
    page = words(street.here(str(talk.words)))
    assert "Din förälder är här" in page
    assert "Sedan kan det bli" not in page
    assert "Per" not in page.split()
    street.karin.post(f"/personal/arende/{case_id}/karta/dolj", data={"viewer": viewer, "subject": parent})
    assert "Det finns inget att visa än" in words(street.here(str(talk.words)))


def test_a_story_shows_it_on_my_page_and_on_the_map(street: Street) -> None:
    """The same code on both pages, in the words of the child's age."""
    code = street.town.tell(who="child_6_9")
    story = street.town.story(code)
    concern = street.house.db.read_now(
        lambda session: session.scalar(sa.text("SELECT id FROM concern WHERE story_id = :id").bindparams(id=story))
    )
    case_id, person_id = street.case_of(("concern", str(concern)))
    assert "Du är här" not in words(street.town.page(code))
    assert "Koden till en berättelse" in words(street.karin.get(f"/personal/arende/{case_id}/karta").text)
    street.put(case_id, subject=f"person:{person_id}", station="S09")
    street.show(case_id, viewer=f"story:{story}", subject=f"person:{person_id}", **OWN)
    mine = street.town.page(code)
    assert "Här är vi nu" in words(mine)
    assert "Du är här" in words(mine)
    assert "data-svg" in mine
    assert "Du är här" in words(street.here(code))
    assert 'href="/karta/9?ord=6-9"' in street.here(code)


def test_a_concern_shows_it_too_and_a_code_from_staff_is_exchanged_first(street: Street) -> None:
    """The code of what was sent in; and one that was given to a person who had none, which only they know afterwards."""
    sent = asyncio.run(ConcernDesk(street.house).receive(CONCERN))
    case_id, person_id = street.case_of(("concern", sent.concern_id))
    child = f"person:{person_id}"
    street.put(case_id, subject=child, station="S11")
    street.show(case_id, viewer=f"concern:{sent.concern_id}", subject=child, **OWN)
    assert "Du är här" in words(street.here(str(sent.words)))
    assert "Du är här" in words(street.served.client.post("/min-tid", data={"words": str(sent.words)}).text)
    given = street.karin.post(f"/personal/arende/{case_id}/karta/kod", data={"code_reason": "visit"}).text
    heard = " ".join(words_in(given))
    own = " ".join(words_in(street.here(heard)))
    assert heard != own
    street.show(case_id, viewer=f"case:{case_id}", subject=child, **OWN)
    assert "Du är här" in words(street.here(own))
    # Where codes are asked for usually, it opens the same page.
    assert "Du är här" in words(street.served.client.post("/min-tid", data={"words": own}).text)


def test_what_could_not_be_saved_stays_in_the_form(street: Street) -> None:
    """Half a meeting, a meeting that has been, a station that is none: said at the field, nothing changed."""
    case_id, person_id = street.case_of()
    subject = f"person:{person_id}"
    for fields, sentence in (
        ({"station": "S08", "meets_on": "2026-12-24"}, "Skriv både dag och klockslag"),
        ({"station": "S08", "meets_on": "2020-01-01", "meets_time": "10:00"}, "Mötet måste ligga framåt i tiden."),
        ({"station": "S99"}, "Välj en station."),
    ):
        answer = street.put(case_id, subject=subject, **fields)
        assert 422 == answer.status_code, fields
        assert sentence in words(answer.text)
        if "meets_on" in fields:
            assert f'value="{fields["meets_on"]}"' in answer.text
        assert "Inte utsatt på kartan" in words(answer.text)
    assert [] == [
        token.now for token in asyncio.run(MapDesk(street.house).now(street.staff("karin"), case_id)) if token.now
    ]


def test_from_the_page_of_ones_time_to_the_map_without_writing_the_words_again(street: Street) -> None:
    """The ticket of the page opens it; an old one asks for the words."""
    talk = street.booked("form:har-cccccccccccccccccccc", day=3)
    case_id, person_id = street.case_of(("booking", talk.booking_id))
    street.put(case_id, subject=f"person:{person_id}", station="S12")
    assert "/karta/har" not in street.send(words=str(talk.words)).text
    street.show(case_id, viewer=f"booking:{talk.booking_id}", subject=f"person:{person_id}", **OWN)
    page = street.send(words=str(talk.words)).text
    ticket = re.search(r'action="/karta/har".*?name="ticket" value="([^"]+)"', page, re.DOTALL)
    assert ticket
    assert "Du är här" in words(street.served.client.post("/karta/har", data={"ticket": ticket[1]}).text)
    old = street.served.client.post("/karta/har", data={"ticket": "x.y"})
    assert 400 <= old.status_code < 500
