"""Promise: whoever meets an empty calendar is offered that somebody is in touch, and the unit sees it, on plain pages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa

from backend.booking.promise_tables import Callback, CapacityAlarm, TimeRequest
from backend.booking.tables import WorkingHours
from backend.core.clock import to_local
from backend.core.db import Database
from tests.conftest import ManualClock, make_settings
from tests.people import seed_example_staff
from tests.web.serving import Served, serve

NOTE = "Kanariefågeln sjunger bara när pappa sover"
MULTIPART = {"none": (None, "")}


class Town(Served):
    """The example municipality, with passwords, clock and database at hand."""

    passwords: dict[str, str]
    clock: ManualClock
    database: Database

    def enter(self, login: str) -> httpx.Client:
        client = httpx.Client(base_url=self.url, timeout=20, follow_redirects=True)
        client.post("/personal/logga-in", data={"login": login, "password": self.passwords[login]})
        return client

    def empty(self) -> None:
        """Nobody works."""
        self.database.write_now(lambda s: s.execute(sa.delete(WorkingHours)))

    def rows(self, table: type) -> list[object]:
        return list(self.database.read_now(lambda s: s.scalars(sa.select(table)).all()))


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    settings, clock, passwords = make_settings(tmp_path), ManualClock(), {}

    def seed(database: Database) -> None:
        passwords.update(seed_example_staff(database, settings))

    with serve(settings, clock, seed) as served:
        town = Town(served.url)
        town.passwords, town.clock, town.database = passwords, clock, Database(settings.database_url)
        yield town
        town.client.close()
        town.database.close()


def hidden(page: str) -> dict[str, str]:
    """The fields that a form carries along."""
    return dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page))


def words_of(page: str) -> str:
    listed = re.search(r'<ol class="code-words"[^>]*>(.*?)</ol>', page, re.S)
    assert listed is not None, page
    return " ".join(re.findall(r"<li>(\w+)</li>", listed[1]))


def test_where_there_are_times_nobody_is_told_of_calls(town: Town) -> None:
    """The request is counted, and that is all."""
    page = town.client.get("/boka").text
    assert "Välj tiden" in page and "Ja, hör av er" not in page
    assert ([True], []) == ([row.within for row in town.rows(TimeRequest)], town.rows(CapacityAlarm))


def test_from_an_empty_calendar_to_a_time_with_the_same_code(town: Town) -> None:
    """A child without a safe number: asks, is told until when, comes back with the code, and finds the time."""
    town.empty()
    page = town.client.get("/boka").text
    assert "Någon kan höra av sig till dig senast i morgon kl. 16.30" in page
    form = hidden(page[page.index("callback-heading") :])
    page = town.client.post("/boka/uppringd", data=form | {"step": "ask"}).text
    assert "Hur ska vi nå dig?" in page and "i morgon kl. 16.30" in page
    sent = hidden(page) | {"reach": "code", "note": NOTE, "who": "child_10_12", "step": "send"}
    page = town.client.post("/boka/uppringd", data=sent).text
    assert "Vi har fått det" in page and NOTE not in page
    words = words_of(page)
    assert 1 == len(town.rows(Callback))

    seen = town.client.post("/min-tid", data={"words": words}).text
    assert "Du har bett oss om en tid. Du får den senast i morgon kl. 16.30" in seen

    bo, anna = town.enter("bo"), town.enter("anna")
    home = bo.get("/personal/").text
    assert "Det finns inga lediga tider i dag eller nästa arbetsdag." in home
    assert "En person väntar på att ni hör av er." in home
    assert "Det finns inga lediga tider" not in anna.get("/personal/").text
    callback = str(town.rows(Callback)[0].id)
    opened = anna.get(f"/personal/loftet/{callback}").text
    assert NOTE in opened and "inte lämnat något nummer" in opened and "ingen ledig tid" in opened

    own = town.database.read_now(
        lambda s: s.execute(sa.text("SELECT id FROM staff_member WHERE login = 'anna'")).scalar_one()
    )
    answer = anna.post(
        "/personal/kalender/andra",
        data={"vem": own, "what": "extra", "day": "2026-11-25", "start": "14", "end": "15.30", "back": "week"},
    ).text
    assert "Sparat. Chatten erbjuder redan de nya tiderna." in answer and "i dag kl. 14.00" in answer
    page = anna.get(f"/personal/loftet/{callback}?satt=chat").text
    slot = re.search(r'<option value="([^"]+)">I dag kl. 14.00', page)
    assert slot is not None
    answer = anna.post(f"/personal/loftet/{callback}", data={"step": "booked", "slot": slot[1], "channel": "chat"}).text
    assert "Tiden är bokad." in answer
    seen = town.client.post("/min-tid", data={"words": words}).text
    assert "i dag kl. 14.00" in seen and "Anna" in seen


def test_a_call_that_is_not_safe_is_not_made_and_the_number_is_let_go(town: Town) -> None:
    """'Nej' to whether it is safe: another way is asked for, and the number lies in no form any more."""
    town.empty()
    sent = {"reach": "phone", "phone": "070-174 06 05", "call_ok": "no", "note": NOTE, "step": "send"}
    answer = town.client.post("/boka/uppringd", data=sent)
    assert 422 == answer.status_code
    assert "Då ringer vi inte" in answer.text and NOTE in answer.text and "174 06 05" not in answer.text
    for wrong in ({"reach": "phone", "phone": "1" * 40}, {"reach": "", "phone": ""}):
        answer = town.client.post("/boka/uppringd", data=wrong | {"note": NOTE, "step": "send"})
        assert 422 == answer.status_code and NOTE in answer.text
    assert [] == town.rows(Callback)


def test_danger_in_the_words_gets_help_first(town: Town) -> None:
    """The card is on the answer, and the alert leads whoever may to what was written."""
    town.empty()
    sent = {"reach": "code", "note": "pappa slår mig nu, hjälp", "who": "child_10_12", "step": "send"}
    answer = town.client.post("/boka/uppringd", data=sent).text
    assert "112" in answer and "Vi har fått det" in answer
    callback = str(town.rows(Callback)[0].id)
    assert f"/personal/loftet/{callback}" in town.enter("bo").get("/personal/larm").text


def test_the_person_can_take_it_back(town: Town) -> None:
    """With the code, in one press; staff see that nobody waits any more."""
    town.empty()
    sent = {"reach": "phone", "phone": "070-174 06 05", "call_ok": "yes", "step": "send"}
    words = words_of(town.client.post("/boka/uppringd", data=sent).text)
    page = town.client.post("/min-tid", data={"words": words}).text
    assert "Vi ringer dig senast" in page
    page = town.client.post("/min-tid", data=hidden(page) | {"step": "withdraw"}).text
    assert "Då hör vi inte av oss." in page
    assert "Vill inte bli nådd" in town.enter("anna").get("/personal/loftet").text


def test_strangers_do_not_know_of_it(town: Town) -> None:
    """Not logged in: to the login. Another unit: 404 for the pages and the banner, and no link in the navigation."""
    town.empty()
    town.client.post("/boka/uppringd", data={"reach": "code", "note": NOTE, "step": "send"})
    callback = str(town.rows(Callback)[0].id)
    for path in ("/personal/loftet", f"/personal/loftet/{callback}"):
        assert "/personal/logga-in" == town.client.get(path).headers["location"]
    assert 401 == town.client.get("/personal/loftet/nu").status_code
    karin = town.enter("karin")
    for path in ("/personal/loftet", f"/personal/loftet/{callback}", "/personal/loftet/nu"):
        assert 404 == karin.get(path).status_code
    assert 404 == karin.post(f"/personal/loftet/{callback}", data={"step": "take"}).status_code
    assert "Löftet" not in karin.get("/personal/").text


def test_who_is_on_it_is_told_to_the_second(town: Town) -> None:
    """Anna has it; Samir's press changes nothing and says so; a call without answer stays; the end says so."""
    town.empty()
    sent = {"reach": "phone", "phone": "070-174 06 05", "call_ok": "yes", "step": "send"}
    town.client.post("/boka/uppringd", data=sent)
    path = f"/personal/loftet/{town.rows(Callback)[0].id}"
    anna, samir = town.enter("anna"), town.enter("samir")
    assert "Anna har det" in anna.post(path, data={"step": "take"}).text
    answer = samir.post(path, data={"step": "reached"})
    assert 409 == answer.status_code and "En kollega hann före" in answer.text
    assert "ringt 1 gång utan svar" in anna.post(path, data={"step": "tried"}).text
    assert "Löftet är hållet" in anna.post(path, data={"step": "reached"}).text


def test_the_alarm_rings_on_an_open_page_and_is_answered(town: Town) -> None:
    """The address that pages ask gives the banner; whoever presses is named to the others."""
    bo = town.enter("bo")
    assert "inga lediga tider" not in bo.get("/personal/loftet/nu").text
    town.empty()
    town.client.get("/boka")
    banner = bo.get("/personal/loftet/nu").text
    assert "Det finns inga lediga tider i dag eller nästa arbetsdag." in banner
    seen = re.search(r'action="(/personal/loftet/sett/[0-9a-f]{24})"', banner)
    assert seen is not None
    assert "sett av Bo" in bo.post(seen[1]).text
    assert "inga lediga tider" not in bo.get("/personal/loftet/nu").text
    assert 404 == town.enter("anna").post(seen[1]).status_code


def test_when_the_office_is_closed_it_says_who_to_reach_now(town: Town) -> None:
    """At night: the true next time, and numbers for whoever needs somebody at once."""
    day = town.client.get("/boka").text
    assert "Just nu är det ingen här." not in day
    town.clock.forward(hours=14)
    assert 23 == to_local(town.clock.at).hour
    night = town.client.get("/boka").text
    assert "i morgon kl. 8.00" in night and "Just nu är det ingen här." in night and "116 111" in night
