"""Promise: the inbox is worked by keys, renews itself for two at once, loses no focus, and works without script."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from playwright.sync_api import Browser, Page, expect

from backend.app import build_house
from backend.concerns.reports import Report
from backend.concerns.service import ConcernDesk
from backend.core.db import Database
from backend.core.reader import Reader
from tests.browser.conftest import NARROW, WIDE
from tests.browser.test_accessibility import breaches
from tests.conftest import ManualClock, make_settings
from tests.features.test_concerns import STORY
from tests.people import seed_example_staff
from tests.web.serving import Served, serve

HOLD = 30_000
"""Milliseconds that a page may take on a busy machine; nothing waits longer than it must."""


class Office(Served):
    """The example municipality with its demo staff."""

    passwords: dict[str, str]

    def tell(self, words: str = "Det är bråk hemma varje kväll.") -> None:
        """A concern arrives, as a neighbour would send it."""
        for step in ("read", "send"):
            form = {"words": words, "step": step, "shown": "sv:report-private:000000000000"}
            assert 200 == self.client.post("/anmal/privat", data=form).status_code


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    settings, passwords, clock = make_settings(tmp_path_factory.mktemp("inbox")), {}, ManualClock()

    def seed(database: Database) -> None:
        passwords.update(seed_example_staff(database, settings))
        house = build_house(settings, clock=clock, database=database)
        desk = ConcernDesk(house)
        heard = replace(
            STORY, reader=Reader("professional", "adult"), about="other_child", source="mandated",
            report=Report({"name": "Eva", "role": "Kurator", "phone": "0701740605"}, {"name": "Lo"}, True),
        )  # fmt: skip

        async def fill() -> None:
            for intake in (STORY, heard, STORY, STORY):
                await desk.receive(intake)
                clock.forward(minutes=1)

        # The browser has a loop running in this thread.
        with ThreadPoolExecutor(1) as pool:
            pool.submit(asyncio.run, fill()).result()
        house.codes.close()

    with serve(settings, clock, seed) as served:
        office = Office(served.url)
        office.passwords = passwords
        yield office
        office.client.close()


def entered(browser: Browser, office: Office, login: str, **options: object) -> Page:
    """A browser in which somebody has logged in and looks at the inbox."""
    options.setdefault("viewport", WIDE)
    page = browser.new_context(locale="sv-SE", bypass_csp=True, **options).new_page()  # type: ignore[arg-type]
    page.set_default_timeout(HOLD)
    page.goto(office.url + "/personal/logga-in")
    page.fill("#login", login)
    page.fill("#password", office.passwords[login])
    page.press("#password", "Enter")
    expect(page.get_by_role("button", name="Logga ut")).to_be_visible(timeout=HOLD)
    page.goto(office.url + "/personal/inkorg")
    return page


def rows(page: Page) -> list[str]:
    found: list[str] = page.evaluate("[...document.querySelectorAll('[data-row]')].map(row => row.dataset.row)")
    return found


def focused(page: Page) -> str:
    return str(page.evaluate("document.activeElement.closest('[data-row]')?.dataset.row ?? ''"))


def test_keys_walk_choose_and_open(browser: Browser, office: Office) -> None:
    """j and k and the arrows move, x chooses, Enter opens; typed letters in the search are letters."""
    page = entered(browser, office, "karin")
    order = rows(page)
    assert len(order) >= 4
    for key, expected in (("j", 0), ("j", 1), ("ArrowDown", 2), ("k", 1), ("ArrowUp", 0), ("k", 0)):
        page.keyboard.press(key)
        assert order[expected] == focused(page), key
    page.keyboard.press("x")
    expect(page.locator("[data-pick]:checked")).to_have_count(1)
    page.keyboard.press("x")
    expect(page.locator("[data-pick]:checked")).to_have_count(0)
    page.keyboard.press("/")
    page.keyboard.type("jk?x")
    expect(page.locator("#search")).to_have_value("jk?x")
    page.locator("[data-row] [data-open]").first.focus()
    page.keyboard.press("?")
    expect(page.locator("[data-keys]")).to_have_attribute("open", "")
    page.get_by_role("button", name="Slå av tangenter").click()
    page.locator("[data-row] [data-open]").first.focus()
    page.keyboard.press("j")
    assert order[0] == focused(page)
    page.get_by_role("button", name="Slå på tangenter").click()
    page.locator("[data-row] [data-open]").first.focus()
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/personal/oro/{order[0]}?visa=open")
    expect(page.get_by_role("link", name="Nästa i listan")).to_be_visible()
    page.context.close()


def test_two_see_each_others_work_as_it_happens(browser: Browser, office: Office) -> None:
    """What arrives comes into both lists; what one takes is seen by the other, whose focus stays."""
    karin, maria = entered(browser, office, "karin"), entered(browser, office, "maria")
    before = rows(karin)
    karin.keyboard.press("j")
    here = focused(karin)
    office.tell()
    for page in (karin, maria):
        expect(page.locator("[data-row]")).to_have_count(len(before) + 1, timeout=HOLD)
    assert here == focused(karin)
    last = rows(maria)[-1]
    maria.locator(f"[data-row='{last}'] .item-do button").click()
    maria.wait_for_url("**/personal/oro/**")
    expect(karin.locator(f"[data-row='{last}']")).to_contain_text("Mottagen av Maria", timeout=HOLD)
    karin.goto(f"{office.url}/personal/oro/{last}")
    maria.get_by_label("Skriv ett svar").press_sequentially("Hej")
    expect(karin.get_by_text("Maria skriver ett svar.")).to_be_visible(timeout=HOLD)
    maria.get_by_role("button", name="Skicka svar").click()
    expect(karin.get_by_text("Det här ärendet har ändrats.")).to_be_visible(timeout=HOLD)
    karin.context.close()
    maria.context.close()


def test_several_are_taken_at_once(browser: Browser, office: Office) -> None:
    """All that wait, in one step; the next thing to do is a button."""
    page = entered(browser, office, "karin")
    page.goto(office.url + "/personal/inkorg?visa=new")
    count = len(rows(page))
    page.get_by_label("Välj alla som väntar").check()
    expect(page.locator("[data-pick]:checked")).to_have_count(count)
    page.get_by_role("button", name="Ta emot valda").click()
    expect(page.get_by_role("status").filter(has_text="är din")).to_be_visible(timeout=HOLD)
    page.get_by_role("link", name="Öppna den första").click()
    page.wait_for_url("**/personal/oro/**")
    page.context.close()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", [NARROW, WIDE], ids=["narrow", "wide"])
def test_the_pages_are_accessible_and_need_no_script(
    browser: Browser, office: Office, size: dict[str, int], theme: str
) -> None:
    """Inbox, a concern, the form for calls, the rules, the pages for reports: axe finds nothing, nothing scrolls sideways."""
    page = entered(browser, office, "maria", viewport=size, color_scheme=theme)
    concern = rows(page)[0]
    for path in (
        "/personal/inkorg", f"/personal/oro/{concern}", "/personal/skriv-in", "/personal/regler", "/anmal",
        "/anmal/privat", "/anmal/arbete", "/anmal/rad?lang=en",
    ):  # fmt: skip
        page.goto(office.url + path)
        assert breaches(page) == [], path
        assert page.evaluate("document.documentElement.scrollWidth") <= size["width"], path
    page.context.close()
    plain = entered(browser, office, "maria", java_script_enabled=False, viewport=size)
    plain.locator("[data-open]").first.click()
    expect(plain.get_by_role("heading", name="Omedelbar skyddsbedömning")).to_be_visible(timeout=HOLD)
    plain.context.close()


def monday(office: Office) -> None:
    """More than a screen holds."""
    for _ in range(14):
        office.tell()


def test_a_long_list_is_folded_and_the_keys_walk_on_into_it(browser: Browser, office: Office) -> None:
    """Unfolded by the walk, and still so when the list renews itself; in the order of the clock all the way."""
    monday(office)
    page = entered(browser, office, "karin")
    order = rows(page)
    folded = page.locator("[data-fold] [data-row]").first
    expect(folded).to_be_hidden()
    first = order.index(folded.get_attribute("data-row") or "")
    for _ in range(first + 1):
        page.keyboard.press("j")
    assert order[first] == focused(page)
    expect(folded).to_be_visible()
    office.tell()
    expect(page.locator("[data-row]")).to_have_count(len(order) + 1, timeout=HOLD)
    expect(folded).to_be_visible()
    assert order[first] == focused(page)
    page.context.close()


@pytest.mark.parametrize("script", [True, False], ids=["script", "plain"])
def test_on_a_phone_the_work_comes_first(browser: Browser, office: Office, script: bool) -> None:
    """Search, filters and the choice of several wait behind one summary each; most take three or four lines of text."""
    monday(office)
    page = entered(browser, office, "karin", viewport=NARROW, java_script_enabled=script)
    search, filters = page.locator("#search"), page.get_by_role("navigation", name="Visa")
    expect(page.locator("[data-row]").first).to_be_visible()
    for tool in (search, filters, page.locator("[data-pick]").first, page.get_by_label("Välj flera")):
        expect(tool).to_be_hidden()
    shown = page.locator("[data-row]:visible").evaluate_all("rows => rows.map(row => row.offsetHeight)")
    assert sorted(shown)[len(shown) // 2] <= 120
    page.get_by_text("Sök och filtrera").click()
    expect(search).to_be_visible()
    expect(filters).to_be_visible()
    page.get_by_label("Välj flera").check()
    box = page.locator("[data-pick]:visible").first
    box.check()
    chosen = box.get_attribute("value")
    page.get_by_role("button", name="Ta emot valda").click()
    expect(page.get_by_role("link", name="Öppna den första")).to_have_attribute(
        "href", f"/personal/oro/{chosen}?visa=mine", timeout=HOLD
    )
    assert page.evaluate("document.documentElement.scrollWidth") <= NARROW["width"]
    page.context.close()
