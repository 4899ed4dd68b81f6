"""Promise: with the six words one sees where one is on the map, what may come and the next meeting; nobody is named."""

from __future__ import annotations

import sqlalchemy as sa

from backend.core.people import StaffMember
from backend.journey import places
from tests.web.test_map_page import words
from tests.web.test_return_page import Place, module_place

__all__ = ["module_place"]


def answer(place: Place, code: str) -> str:
    return place.served.client.post("/karta/har", data={"words": code}).text


def test_without_words_it_asks_and_wrong_words_open_nothing(module_place: Place) -> None:
    """One answer for all wrong words, and what was written is kept; danger there is answered as everywhere."""
    client = module_place.served.client
    assert "sex ord" in words(client.get("/karta/har").text)
    wrong = client.post("/karta/har", data={"words": "inte rätt ord alls här nu"})
    assert 400 <= wrong.status_code < 500
    assert "inte rätt ord alls här nu" in wrong.text
    assert "Du är här" not in wrong.text
    assert "no-store" == wrong.headers["cache-control"]
    assert 'href="tel:112"' in client.post("/karta/har", data={"words": "pappa slår mig nu"}).text


def test_what_was_decided_is_seen_and_nothing_else(module_place: Place) -> None:
    """Own place with the next meeting and what may come; the parent's only after a decision; no name of anybody."""
    house = module_place.house
    talk = module_place.booked("form:har-aaaaaaaaaaaaaaaaaaaa")
    code = str(talk.words)
    assert "Det finns inget att visa än" in words(answer(module_place, code))
    viewer = f"booking:{talk.booking_id}"

    def decide(session: sa.orm.Session) -> list[str]:
        staff = list(session.scalars(sa.select(StaffMember)))
        now = house.clock.now()
        places.place(session, now, staff[0].id, "person:barn", "S05")
        places.place(session, now, staff[0].id, "person:barn", "S08")
        places.place(session, now, staff[0].id, "person:vuxen", "S17")
        places.show(
            session, house.vault, now, staff[0].id,
            viewer=viewer, subject="person:barn", as_whom="self", ground="self", reason="Koden är barnets egen",
        )  # fmt: skip
        return [member.first_name for member in staff]

    names = house.db.write_now(decide)
    page = words(answer(module_place, code))
    for told in ("Du är här", "Soc tar reda på mer", "Nästa möte", "Sedan kan det bli", "Du får berätta",
                 "Så har vägen gått hittills", "Soc kollar om de behöver veta mer"):  # fmt: skip
        assert told in page, told
    assert "Din förälder är här" not in page

    def agree(session: sa.orm.Session) -> None:
        staff = session.scalars(sa.select(StaffMember)).first()
        assert staff
        places.show(
            session, house.vault, house.clock.now(), staff.id,
            viewer=viewer, subject="person:vuxen", as_whom="parent", ground="agreed", reason="Sagt ja i dag",
        )  # fmt: skip

    house.db.write_now(agree)
    page = words(answer(module_place, code))
    assert "Din förälder är här" in page
    assert set() == set(names) & set(page.split())
    assert "Koden är barnets egen" not in page
