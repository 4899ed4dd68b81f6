"""Promise: every page of the staff app is two steps away at every width, by mouse, by keyboard and without script."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from backend.core.db import Database
from tests.browser.conftest import NARROW, WIDE
from tests.conftest import ManualClock, make_settings
from tests.people import seed_example_staff
from tests.web.serving import Served, serve


class House(Served):
    passwords: dict[str, str]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    settings = make_settings(Path(tmp_path_factory.mktemp("menu")))
    passwords: dict[str, str] = {}

    def seed(database: Database) -> None:
        passwords.update(seed_example_staff(database, settings))

    with serve(settings, ManualClock(), seed) as served:
        house = House(served.url)
        house.passwords = passwords
        yield house
        house.client.close()


def entered(browser: Browser, house: House, width: dict[str, int], script: bool = True) -> Page:
    page = browser.new_context(locale="sv-SE", viewport=width, java_script_enabled=script).new_page()  # type: ignore[arg-type]
    page.goto(house.url + "/personal/logga-in")
    page.fill("#login", "bo")
    page.fill("#password", house.passwords["bo"])
    page.press("#password", "Enter")
    expect(page.get_by_role("button", name="Logga ut")).to_be_visible()
    return page


def ways(page: Page) -> list[str]:
    """The links that can be seen, in order."""
    return [link.inner_text() for link in page.locator(".staff-nav a:visible").all()]


@pytest.mark.parametrize("script", [True, False])
def test_the_same_pages_at_every_width(browser: Browser, house: House, script: bool) -> None:
    """What a phone has no room for in the bar is in the menu; nothing is there twice."""
    wide, narrow = entered(browser, house, WIDE, script), entered(browser, house, NARROW, script)
    for page in (wide, narrow):
        page.locator(".nav-more summary").click()
    start, *others = ways(wide)
    assert "Start" == start
    assert others == ways(narrow)
    assert len(others) == len(set(others))


def test_it_closes_as_menus_do(browser: Browser, house: House) -> None:
    """By Escape, with the focus back where it was; and when one goes on or presses elsewhere."""
    page = entered(browser, house, NARROW)
    more, menu = page.locator(".nav-more summary"), page.locator(".nav-menu")
    more.press("Enter")
    expect(menu).to_be_visible()
    page.keyboard.press("Tab")
    page.keyboard.press("Escape")
    expect(menu).to_be_hidden()
    expect(more).to_be_focused()
    more.press("Enter")
    page.locator("main").click(position={"x": 2, "y": 2})
    expect(menu).to_be_hidden()
    more.press("Enter")
    menu.get_by_role("link").last.press("Tab")
    expect(menu).to_be_hidden()


def test_one_sees_where_one_is(browser: Browser, house: House) -> None:
    """On a page from the menu the closed menu is marked, and the link in it is the current one."""
    page = entered(browser, house, WIDE)
    page.goto(house.url + "/personal/logg")
    more = page.locator(".nav-more summary")
    assert "rgba(0, 0, 0, 0)" != more.evaluate("element => getComputedStyle(element).backgroundColor")
    more.click()
    expect(page.locator(".nav-menu [aria-current=page]")).to_have_text("Logg")
