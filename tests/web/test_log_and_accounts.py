"""Promise: a manager finds in the log who read what and why, safe to open in a spreadsheet; an administrator's accounts show a password once."""

from __future__ import annotations

import csv
import io
import re

import httpx

from tests.web.test_my_page import Town, settings, town

__all__ = ["settings", "town"]


def fresh_password(page: str) -> str:
    """The password that a page shows."""
    found = re.search(r'<code class="secret"[^>]*>([^<]{15,})<', page)
    assert found, page
    return found[1]


def test_the_manager_finds_a_visit_in_the_log(town: Town) -> None:
    """Who, unit and deed, on the page and in the table; another unit's manager does not find it, others have no log."""
    town.tell()
    karin, maria = town.enter("karin"), town.enter("maria")
    link = re.findall(r"/personal/oro/[0-9a-f]{24}", karin.get("/personal/inkorg").text)[0]
    assert 200 == karin.get(link).status_code
    page = maria.get("/personal/logg").text
    assert "Karin" in page and "Läste det som skickats in" in page
    rows = list(csv.reader(io.StringIO(maria.post("/personal/logg/lista.csv").text.lstrip("\ufeff")), delimiter=";"))
    mine = [row for row in rows if "Karin" in row and "Läste det som skickats in" in row]
    assert mine and all("Mottagning barn och unga" in row for row in mine)
    assert not any(cell.startswith(("=", "+", "-", "@")) for row in rows for cell in row)
    assert "Karin" not in town.enter("bo").get("/personal/logg").text
    assert [404, 404] == [karin.get("/personal/logg").status_code, karin.post("/personal/logg/lista.csv").status_code]


def test_what_stands_in_the_address_of_the_log_is_no_way_in(town: Town) -> None:
    """Days, people and cases that are none, or no such thing at all, show the usual log."""
    maria = town.enter("maria")
    for query in (
        "fran=igår&till=2026-13-40",
        "vem='; DROP TABLE&arende=%00",
        "visa=allt&fore=-1",
        "fore=²&vem=" + "f" * 24,
    ):
        assert 200 == maria.get(f"/personal/logg?{query}").status_code


def test_a_new_account_works_and_its_password_is_shown_once(town: Town) -> None:
    """A login that is taken or no login is said by its field and nothing is lost; shut out, the account is out at once."""
    adam = town.enter("adam")
    form = {"login": "nina.ny", "first_name": "Nina", "role": "therapist", "unit": "behandlare"}
    page = adam.post("/personal/konton", data=form).text
    password = fresh_password(page)
    assert password not in adam.get("/personal/konton").text
    again = adam.post("/personal/konton", data=form)
    assert 409 == again.status_code and "nina.ny" in again.text
    wrong = adam.post("/personal/konton", data=form | {"login": "ni na!"})
    assert 422 == wrong.status_code and "ni na!" in wrong.text
    nina = httpx.Client(base_url=town.url, timeout=20)
    assert 303 == nina.post("/personal/logga-in", data={"login": "nina.ny", "password": password}).status_code
    assert 200 == nina.get("/personal").status_code
    assert 404 == nina.get("/personal/konton").status_code
    nina.close()


def test_only_an_administrator_has_accounts(town: Town) -> None:
    """For everybody else there is nothing there, manager included."""
    for login in ("karin", "maria", "anna", "eva"):
        other = town.enter(login)
        assert [404, 404] == [other.get("/personal/konton").status_code, other.post("/personal/konton").status_code]
