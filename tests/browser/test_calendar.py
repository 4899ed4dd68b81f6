"""Promise: the calendar can be drawn in with a mouse, moved with keys and used without script, and shows what is offered."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from backend.core.db import Database
from tests.browser.conftest import NARROW, WIDE
from tests.browser.test_accessibility import breaches
from tests.conftest import ManualClock, make_settings
from tests.people import seed_example_staff
from tests.web.serving import Served, serve

THURSDAY = '[data-day="2026-11-26"]'


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Served, dict[str, str]]]:
    settings, passwords = make_settings(tmp_path_factory.mktemp("calendar")), {}

    def seed(database: Database) -> None:
        passwords.update(seed_example_staff(database, settings))

    with serve(settings, ManualClock(), seed) as served:
        yield served, passwords


def entered(browser: Browser, town: tuple[Served, dict[str, str]], **options: object) -> Page:
    served, passwords = town
    context = browser.new_context(locale="sv-SE", **{"viewport": WIDE, **options})  # type: ignore[arg-type]
    page = context.new_page()
    page.set_default_timeout(60_000)
    page.goto(f"{served.url}/personal/logga-in")
    page.fill("#login", "anna")
    page.fill("#password", passwords["anna"])
    page.locator("form button").first.click()
    page.goto(f"{served.url}/personal/kalender")
    return page


def test_drawn_moved_and_taken_away(browser: Browser, town: tuple[Served, dict[str, str]]) -> None:
    """An hour drawn after work becomes extra time and is offered; with keys it is moved; then it is gone again."""
    page = entered(browser, town)
    grid = page.locator(f"{THURSDAY} [data-blocks]")
    grid.scroll_into_view_if_needed()
    box = grid.bounding_box()
    assert box is not None
    hour = box["height"] / 11
    page.mouse.move(box["x"] + 40, box["y"] + 9.5 * hour)
    page.mouse.down()
    page.mouse.move(box["x"] + 40, box["y"] + 10 * hour, steps=4)
    page.mouse.move(box["x"] + 40, box["y"] + 10.5 * hour, steps=4)
    page.mouse.up()
    expect(page.locator("[data-dialog]")).to_be_visible()
    expect(page.locator("#dialog-start")).to_have_value("16:30")
    expect(page.locator("#dialog-end")).to_have_value("17:30")
    page.locator("[data-dialog] button:not([type])").click()
    expect(page.locator(".notice-good")).to_contain_text("Chatten erbjuder redan")
    expect(page.locator(THURSDAY)).to_contain_text("16.30")

    extra = page.locator(f'{THURSDAY} [data-kind="extra"] .block-said')
    extra.focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Shift+ArrowDown")
    page.keyboard.press("Enter")
    expect(page.locator("#dialog-start")).to_have_value("16:45")
    expect(page.locator("#dialog-end")).to_have_value("18:00")
    page.keyboard.press("Enter")
    expect(page.locator(THURSDAY)).to_contain_text("16.45")
    page.locator(".cal-upcoming button").first.click()
    expect(page.locator(f'{THURSDAY} [data-kind="extra"]')).to_have_count(0)
    page.context.close()


def test_on_a_phone_without_script(browser: Browser, town: tuple[Served, dict[str, str]]) -> None:
    """A list of days at 320 pixels, nothing to scroll sideways, and the forms do everything."""
    page = entered(browser, town, viewport=NARROW, java_script_enabled=False)
    page.get_by_role("link", name="Ändra torsdag 26 november").click()
    page.get_by_label("Lägga till extra tid").check()
    page.get_by_label("Från", exact=True).fill("17")
    page.get_by_label("Till", exact=True).first.fill("16")
    page.get_by_role("button", name="Spara").click()
    expect(page.locator(".error-summary")).to_contain_text("Slutet måste komma efter början.")
    page.get_by_label("Till", exact=True).first.fill("18.00")
    page.get_by_role("button", name="Spara").click()
    expect(page.locator(".notice-good")).to_be_visible()
    page.context.close()


def test_nobody_is_kept_out(browser: Browser, town: tuple[Served, dict[str, str]]) -> None:
    """The rules that a machine can check, on the week, the day and the hours."""
    page = entered(browser, town)
    for path in ("", "/dag?dag=2026-11-26", "/tider", "/borta?nar=today"):
        page.goto(f"{town[0].url}/personal/kalender{path}")
        assert [] == breaches(page)
    page.context.close()
