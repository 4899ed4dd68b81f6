"""Promise: a child, a partner, the parent's therapist, the child's case worker and the manager at once: each sees what is theirs.

Per is a father with a case of his own at the adults' unit, where Anna of Öppenvården is his therapist. His
daughter Elsa writes, and so does his partner. Nobody's window, list, search or page tells of another.
"""

from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import sqlalchemy as sa
from playwright.sync_api import Browser, Page, expect

from backend.app import build_house
from backend.cases.desk import NewPerson
from backend.cases.service import CaseDesk
from backend.cases.team import TeamDesk
from backend.core.db import Database
from backend.core.people import Role, StaffMember
from tests.browser.conftest import NARROW, WIDE
from tests.conftest import ManualClock, make_settings
from tests.people import seed_example_staff
from tests.therapists import add_staff
from tests.web.serving import Served, serve

HOLD = 30_000
"""Milliseconds that a page may take on a busy machine; nothing waits longer than it must."""
MAY, MAY_NOT = "Pappa dricker varje kväll.", "Jag sover hos mormor när det är värst."
PARTNERS = "Min sambo dricker och jag orkar inte längre."
WHY = "Pappa får inte veta att Elsa har berättat."
FOR_WORK = "Samma familj som Elsa, vi ska planera ihop."
FORMULA = "=SUMMA(1) är vad Per ringde om, och Karin är borta."
PHONE: dict[str, Any] = {"viewport": NARROW, "java_script_enabled": False}
GONE = "Du får inte längre läsa det här"


class Family(Served):
    """The example municipality, with the father's case in it."""

    passwords: dict[str, str]
    father: str


@pytest.fixture(scope="module")
def family(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Family]:
    settings, clock, made = make_settings(tmp_path_factory.mktemp("five")), ManualClock(), {}
    passwords: dict[str, str] = {}

    def seed(database: Database) -> None:
        passwords.update(seed_example_staff(database, settings))
        house = build_house(settings, clock=clock, database=database)
        add_staff(house, "olle", role=Role.CASE_WORKER, unit="mottagning_barn")
        people = database.read_now(lambda session: {one.login: one for one in session.scalars(sa.select(StaffMember))})
        cases, team, johan = CaseDesk(house), TeamDesk(house), people["johan"]

        def begin(session: Any) -> str:
            record = cases.new_person(session, johan, NewPerson("parent", "Per", 1980))
            return cases.open_for(session, johan, record.id)

        made["father"] = database.write_now(begin)

        async def join() -> None:
            for member in (people["anna"], people["olle"]):
                await team.ask(johan, made["father"], member.unit, member.id)
                seat = next(ask.seat_id for ask in await team.asks(member) if ask.own)
                await team.accept(member, seat)

        # The browser has a loop running in this thread.
        with ThreadPoolExecutor(1) as pool:
            pool.submit(asyncio.run, join()).result()
        house.codes.close()

    with serve(settings, clock, seed) as served:
        family = Family(served.url)
        family.passwords, family.father = passwords, made["father"]
        yield family
        family.client.close()


@pytest.fixture
def opened(browser: Browser, family: Family) -> Iterator[Callable[..., Page]]:
    """A page in a browser context of its own, of the form ``opened("/skriv", **options)``."""
    contexts = []

    def open_page(path: str, **options: Any) -> Page:
        options.setdefault("viewport", WIDE)
        context = browser.new_context(locale="sv-SE", base_url=family.url, **options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(HOLD)
        page.goto(path)
        return page

    yield open_page
    for context in contexts:
        context.close()


@pytest.fixture
def entered(opened: Callable[..., Page], family: Family) -> Callable[[str], Page]:
    """A window in which somebody of the staff has logged in."""

    def log_in(login: str) -> Page:
        page = opened("/personal/logga-in")
        page.fill("#login", login)
        page.fill("#password", family.passwords[login])
        page.press("#password", "Enter")
        expect(page.get_by_role("button", name="Logga ut")).to_be_visible(timeout=HOLD)
        return page

    return log_in


def told(page: Page, level: str, words: str, about: str) -> str:
    """Tell on `/skriv`, read it through and send; returns the six words of the code."""
    page.click(f"button[name=level][value={level}]")
    page.click("button[value=begin]")
    page.fill("[name=words]", words)
    page.check(f"[name=about][value={about}]")
    page.click("button[value=read]")
    page.click("button[value=send]")
    six = page.locator(".code-words li")
    expect(six).to_have_count(6)
    return " ".join(six.all_inner_texts())


def own_page(page: Page, words: str) -> None:
    """Come to `/min-sida` by the code."""
    page.goto("/min-sida")
    page.fill("[name=words]", words)
    page.locator("main form[action='/min-sida'] button").first.click()
    expect(page.locator("#reads")).to_be_visible()


def answer(page: Page, path: str) -> int:
    """The status that the address gives in this window."""
    response = page.goto(path)
    assert response is not None
    return response.status


def test_five_at_once(opened: Callable[..., Page], entered: Callable[[str], Page], family: Family) -> None:
    """From the child's first word to the consent that is taken back, everybody with an own window all the time."""
    child, partner = opened("/skriv", **PHONE), opened("/skriv", **PHONE)
    worker, manager = entered("karin"), entered("maria")
    therapist, colleague = entered("anna"), entered("samir")
    childs_code = told(child, "child_10_12", f"{MAY}\n\n{MAY_NOT}", "me")
    own_page(child, childs_code)
    expect(child.locator("main")).to_contain_text("Ingen har läst än")
    child.click("button[value=readers]")
    child.locator(".circle-row", has_text="Öppenvården").locator("input").first.check()
    child.locator(".save-bar button").click()
    expect(child.locator(".notice-good")).to_contain_text("Sparat")
    partners_code = told(partner, "partner", PARTNERS, "me")

    # The child's case worker takes what the child has told, and only that, and opens a case of it.
    worker.goto("/personal/inkorg")
    rows = worker.locator("[data-row]")
    expect(rows).to_have_count(1)
    concern = f"/personal/oro/{rows.first.get_attribute('data-row')}"
    worker.goto(concern)
    expect(worker.locator("[data-story]")).to_contain_text(MAY_NOT)
    story = str(worker.locator("[data-story]").get_attribute("data-story")).removesuffix("/nu")
    worker.locator(f"form[action^='{concern}/ta-emot'] button").click()
    expect(worker.locator("#do ~ .notice-good")).to_be_visible()
    worker.goto(f"{concern}/arende")
    worker.select_option("#begin-who", "child")
    worker.fill("#begin-first_name", "Elsa")
    worker.fill("#begin-born", "2015")
    worker.get_by_role("button", name="Öppna ärendet").click()
    expect(worker.get_by_role("heading", level=1)).to_have_text("Elsa, barn, 11 år")
    case = worker.url.removeprefix(family.url).partition("?")[0].partition("#")[0]
    person = str(worker.get_by_role("link", name="Personens uppgifter").get_attribute("href"))

    # The child has let Öppenvården in to one part: there the father's therapist reads it too, until it is withheld.
    for page in (therapist, colleague):
        with page.expect_response(lambda response: response.url.endswith(f"{story}/nu")):
            assert 200 == answer(page, story)
        expect(page.locator("[data-story]")).to_contain_text(MAY)
        assert MAY_NOT not in page.content()

    # The father's case is none of hers: she writes why, links the two, and hides the child from who works for him.
    father = f"/personal/arende/{family.father}"
    worker.goto(father)
    expect(worker.get_by_role("heading", level=1)).to_have_text("Det här ärendet är inte ditt")
    worker.fill("#reason-reason", FOR_WORK)
    worker.get_by_role("button", name="Öppna ärendet").click()
    expect(worker.get_by_role("heading", level=1)).to_have_text("Per, förälder, 46 år")
    worker.goto(person)
    worker.get_by_text("Koppla till en person som finns").first.click()
    worker.select_option("#family-other", label="Per, förälder, 46 år")
    worker.get_by_role("button", name="Koppla", exact=True).click()
    expect(worker.locator("section", has=worker.locator("#family"))).to_contain_text("Per, förälder, 46 år")
    worker.goto(case)
    worker.get_by_text("Dölj något för någon").click()
    worker.select_option("#withheld-kept_from", label="Dem som arbetar med Per, förälder, 46 år")
    worker.fill("#withheld-reason", WHY)
    worker.get_by_role("button", name="Dölj", exact=True).click()
    expect(worker.get_by_text("visas inte för dem som arbetar med Per")).to_be_visible()

    # Her window is emptied, a colleague's in the same unit is not; and nothing anywhere tells her of the child.
    expect(therapist.locator("[data-story]")).to_contain_text(GONE)
    assert MAY not in therapist.content()
    expect(colleague.locator("[data-story]")).to_contain_text(MAY)
    for path in (story, concern, case, person, f"{concern}/arende"):
        assert 404 == answer(therapist, path), path
    for stream in (f"{case}/nu", f"{story}/nu"):
        assert 404 == therapist.request.get(stream).status, stream
    export = therapist.request.post(f"{concern}/export", form={"kind": "json"}, headers={"Origin": family.url})
    assert 404 == export.status
    for path in ("/personal/arenden", "/personal/berattelser", "/personal/inkorg", father, "/personal"):
        assert 200 == answer(therapist, path), path
        assert not [word for word in ("Elsa", MAY, story, case, concern) if word in therapist.content()], path
    therapist.goto("/personal/arenden")
    expect(therapist.get_by_role("link", name="Per, förälder, 46 år").first).to_be_visible()
    for name, found in (("Elsa", False), ("Per", True)):
        therapist.get_by_label("Sök på förnamn").fill(name)
        therapist.get_by_label("Sök på förnamn").press("Enter")
        there = therapist.get_by_role("heading", name="Träffar") if found else therapist.locator("main")
        expect(there).to_contain_text("Träffar" if found else "Inget ärende som du får läsa heter så.")
    therapist.goto("/personal/inkorg")
    expect(therapist.locator("[data-row]")).to_have_count(1)
    therapist.locator("[data-open]").first.click()
    expect(therapist.locator("[data-story]")).to_contain_text(PARTNERS)

    # The child sees who has read, by role and unit and never by name, and nothing of anybody else.
    own_page(child, childs_code)
    reads = child.locator("section", has=child.locator("#reads"))
    expect(reads).to_contain_text("Behandlare, Öppenvården")
    expect(reads).to_contain_text("Mottagning barn och unga")
    assert not [word for word in ("Anna", "Samir", "Karin", "Per,", PARTNERS) if word in child.content()]
    own_page(partner, partners_code)
    expect(partner.locator("main")).to_contain_text(PARTNERS)
    reads = partner.locator("section", has=partner.locator("#reads"))
    expect(reads).to_contain_text("Behandlare, Öppenvården")
    expect(reads).not_to_contain_text("Mottagning barn")
    assert not [word for word in ("Elsa", MAY, MAY_NOT, "Anna", "Samir") if word in partner.content()]

    # The child takes the yes back: the last open window in that unit is emptied, the case worker's is not.
    child.locator(".circle-row", has_text="Öppenvården").locator("button[value=withdraw]").click()
    expect(child.locator(".notice-good")).to_be_visible()
    expect(colleague.locator("[data-story]")).to_contain_text(GONE)
    assert MAY not in colleague.content()
    assert 404 == answer(colleague, story)
    assert 200 == answer(worker, concern)
    expect(worker.locator("[data-story]")).to_contain_text(MAY)

    # The manager sees the clocks and the log; a case that her unit does not lead opens for a written reason.
    manager.goto(case)
    expect(manager.get_by_role("heading", level=1)).to_have_text("Elsa, barn, 11 år")
    expect(manager.locator("section", has=manager.locator("#clocks"))).to_contain_text("Skyddsbedömning")
    expect(manager.locator("section", has=manager.locator("#withheld"))).to_contain_text(WHY)
    manager.goto("/personal/logg")
    expect(manager.locator(".log-row", has_text="Karin").filter(has_text=WHY)).to_have_count(1)
    manager.goto(father)
    expect(manager.get_by_role("heading", level=1)).to_have_text("Det här ärendet är inte ditt")
    assert "Per" not in manager.locator("main").inner_text()
    manager.fill("#reason-reason", "Kort")
    manager.get_by_role("button", name="Öppna ärendet").click()
    expect(manager.locator(".field-error")).to_be_visible()
    manager.fill("#reason-reason", FORMULA)
    manager.get_by_role("button", name="Öppna ärendet").click()
    expect(manager.get_by_role("heading", level=1)).to_have_text("Per, förälder, 46 år")

    # A sheet program that opens her list meets the reason as text.
    sheet = manager.request.post("/personal/logg/lista.csv", headers={"Origin": family.url})
    cells = [cell for row in csv.reader(io.StringIO(sheet.text()), delimiter=";") for cell in row]
    assert [f"'{FORMULA}"] == [cell for cell in cells if FORMULA in cell]

    # She closes the child's case: its page says from which day the record goes, or why it does not.
    manager.goto(case)
    manager.locator("#close ~ details summary").click()
    manager.locator("form[action$='/avsluta'] button").click()
    manager.wait_for_url("**/personal/arenden*")
    manager.goto(case)
    expect(manager.get_by_text("Akten gallras inte förrän någon har svarat")).to_be_visible()
    manager.get_by_role("link", name="Svara i personens uppgifter").click()
    manager.select_option("#record-kept", "no")
    manager.locator("form:has(#record-kept) button").click()
    expect(manager.get_by_role("status").filter(has_text="Sparat")).to_be_visible()
    manager.goto(case)
    expect(manager.get_by_text("Akten gallras")).to_contain_text("2031")
