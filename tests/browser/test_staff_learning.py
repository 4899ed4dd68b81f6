"""Promise: the page for what was not understood works with a keyboard, without script, from 320 pixels up."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import NARROW, WIDE
from tests.browser.test_accessibility import breaches
from tests.conftest import make_settings
from tests.web.test_not_understood import Town, open_town, say

LONG = "kanmanfåhjälpmed" * 12


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    with open_town(make_settings(tmp_path_factory.mktemp("learning"))) as town:
        yield town


@pytest.fixture
def rows(town: Town) -> None:
    """Two messages to go through, one of them without a place to break."""
    chat = town.chat(who="child_13_17")
    say(chat, "kan Göran få nån slags tid hos er")
    say(chat, LONG + " ja typ")


def entered(browser: Browser, town: Town, **options: object) -> Page:
    """A browser in which Karin has logged in, at the list."""
    context = browser.new_context(locale="sv-SE", bypass_csp=True, **options)  # type: ignore[arg-type]
    page = context.new_page()
    page.goto(town.url + "/personal/logga-in")
    page.fill("#login", "karin")
    page.fill("#password", town.passwords["karin"])
    page.press("#password", "Enter")
    expect(page.get_by_role("button", name="Logga ut")).to_be_visible()
    way = page.get_by_role("link", name="Förstå bättre")
    if not way.is_visible():
        page.locator(".nav-more summary").click()
    way.click()
    expect(page.get_by_role("heading", level=1, name="Förstå bättre")).to_be_visible()
    return page


@pytest.mark.usefixtures("rows")
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", [NARROW, WIDE], ids=["narrow", "wide"])
def test_the_page_is_accessible_and_never_scrolls_sideways(
    browser: Browser, town: Town, size: dict[str, int], theme: str
) -> None:
    """Both lists, and the page with an error on it."""
    page = entered(browser, town, viewport=size, color_scheme=theme)
    for step in ("list", "error", "labelled"):
        if step == "error":
            page.eval_on_selector("select", "one => one.required = false")
            page.get_by_role("button", name="Spara").first.click()
            expect(page.get_by_role("alert")).to_be_visible()
        if step == "labelled":
            page.get_by_role("link", name="Genomgångna").click()
        assert breaches(page) == [], step
        assert page.evaluate("document.documentElement.scrollWidth") <= size["width"], step
    page.context.close()


@pytest.mark.usefixtures("rows")
def test_with_the_keyboard_and_without_script(browser: Browser, town: Town, tmp_path: Path) -> None:
    """Choose, save, take away, fetch the file: no mouse, no JavaScript, on the smallest screen."""
    page = entered(browser, town, viewport=NARROW, java_script_enabled=False, accept_downloads=True)
    before = page.get_by_role("article").count()
    select = page.get_by_role("combobox", name="Vad ville personen?").first
    select.focus()
    page.keyboard.type("Prata med en m")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_have_text("Sparat.")
    expect(page.get_by_role("article")).to_have_count(before - 1)
    page.get_by_role("button", name="Inget att lära av").first.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_have_text("Borttaget.")
    page.get_by_role("link", name="Genomgångna").press("Enter")
    expect(page.get_by_role("combobox").first).to_have_value("human")
    with page.expect_download() as download:
        page.get_by_role("button", name="Hämta träningsfil").press("Enter")
    assert "from_staff.yml" == download.value.suggested_filename
    download.value.save_as(tmp_path / "file.yml")
    assert "- intent: human" in (tmp_path / "file.yml").read_text(encoding="utf-8")
    page.context.close()
