"""Promise: every page there is, with something on it, breaks no rule of WCAG 2.2 AA that axe knows, in light and dark, from
320 pixels to a large screen and enlarged to 200 %; nothing has to be scrolled sideways; and no page is left out.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page

from backend.config import ROOT
from backend.core.db import Database
from tests.browser.test_accessibility import RULES
from tests.browser.whole_town import PAGES, VISITOR, Town, settle, unlisted
from tests.conftest import ManualClock, make_settings
from tests.web.serving import Served, serve

SIZES = ((320, 640), (768, 1024), (1280, 800), (640, 400))
"""A phone, a tablet, a screen, and that screen enlarged to 200 %."""
AXE = """async rules => (await axe.run(document, rules)).violations
    .flatMap(one => one.nodes.map(node => `${one.id}: ${node.html.slice(0, 160)}`))"""
OPEN = """() => {
    const all = [...document.querySelectorAll("main details")];
    all.forEach(one => one.open = true);
    const over = all.filter(one => [...one.children].some(part => getComputedStyle(part).position === "absolute"));
    over.forEach(one => one.dataset.bubble = "");
    return over.length;
}"""
"""Opens what is folded away; says how many open on top of something else, and are looked at one by one."""
NEAR = """() => document.querySelectorAll("main *").forEach(one => { one.style.contentVisibility = "visible"; })"""
"""Lays out what a page lays out only when it comes near: until then its boxes lie where nobody meets them."""
MAIN = (
    "GET /", "GET /boka", "GET /hjalp-nu", "GET /karta/<slug>", "GET /karta/har", "GET /min-sida", "GET /skriv",
    "GET /personal", "GET /personal/arende/<case_id>", "GET /personal/arende/<case_id>/karta", "GET /personal/arenden",
    "GET /personal/dagen", "GET /personal/inkorg", "GET /personal/kalender", "GET /personal/kalender/tider",
    "GET /personal/larm", "GET /personal/loftet", "GET /personal/oro/<concern_id>", "GET /personal/person/<person_id>",
    "GET /personal/samtal", "GET /personal/samtal/<talk_id>", "GET /personal/skriv-in", "GET /personal/tid/<booking_id>",
)  # fmt: skip
"""Pages that are walked from end to end with Tab."""
MARK = """() => {
    const seen = new Set();
    let number = 0;
    for (const one of document.querySelectorAll("a[href], button, input, select, textarea, summary, [tabindex='0']")) {
        if (one.disabled || one.tabIndex < 0 || one.type === "hidden" || !one.checkVisibility({visibilityProperty: true})) continue;
        // One of a question's answers is the stop; the arrows choose among them.
        if (one.type === "radio") {
            const chosen = document.querySelector(`input[name="${one.name}"]:checked`);
            const group = `${one.form?.action} ${one.name}`;
            if (chosen ? chosen !== one : seen.has(group)) continue;
            seen.add(group);
        }
        one.dataset.walk = number++;
    }
    return number;
}"""
STAND = """() => {
    let one = document.activeElement;
    while (one?.shadowRoot?.activeElement) one = one.shadowRoot.activeElement;
    if (one === document.body || one === document.documentElement) return null;
    const look = getComputedStyle(one), around = one.closest("label") ? getComputedStyle(one.closest("label")) : look;
    const ring = [look, around].some(each => each.outlineStyle !== "none" && parseFloat(each.outlineWidth) >= 2);
    const box = one.getBoundingClientRect();
    const inside = box.bottom > 0 && box.right > 0 && box.top < innerHeight && box.left < innerWidth;
    return {walk: one.dataset.walk ?? "", html: one.outerHTML.slice(0, 120), ring, inside};
}"""
MISSED = """seen => [...document.querySelectorAll("[data-walk]")]
    .filter(one => !seen.includes(one.dataset.walk)).map(one => `never reached: ${one.outerHTML.slice(0, 120)}`)"""
OPENED = {"karta-har": ("/karta/har", "story"), "min-sida": ("/min-sida", "story"), "min-tid": ("/min-tid", "booking"),
          "svar": ("/min-tid", "concern")}  # fmt: skip
"""What the six words open: the page that asks for them, and whose."""


class Place(Served):
    town: Town


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    settings, clock = make_settings(tmp_path_factory.mktemp("every")), ManualClock()
    made: list[Town] = []

    def seed(database: Database) -> None:
        made.append(settle(database, settings, clock))

    with serve(settings, clock=clock, seed=seed) as served:
        place = Place(served.url)
        place.town = made[0]
        yield place
        place.client.close()


@pytest.fixture(scope="module")
def windows(browser: Browser, place: Place) -> Iterator[dict[str, BrowserContext]]:
    """One window for each who is logged in, opened when first needed."""
    opened: dict[str, BrowserContext] = {}
    yield opened
    for context in opened.values():
        context.close()


@contextlib.contextmanager
def entered(browser: Browser, place: Place, windows: dict[str, BrowserContext], login: str) -> Iterator[Page]:
    """A page in the window of somebody, logged in; closed afterwards, since a window has few connections for streams."""
    context = windows.get(login)
    if context is None:
        context = windows[login] = browser.new_context(locale="sv-SE", bypass_csp=True, reduced_motion="reduce")
        if login != VISITOR:
            page = context.new_page()
            page.goto(place.url + "/personal/logga-in")
            page.fill("[name=login]", login)
            page.fill("[name=password]", place.town.passwords[login])
            page.click("main button")
            page.wait_for_url("**/personal")
            page.close()
    page = context.new_page()
    page.set_default_timeout(20_000)
    try:
        yield page
    finally:
        page.close()


def found_on(page: Page) -> list[str]:
    """Everything that is wrong with a page at every size and in both themes, with all that is folded away opened."""
    page.evaluate(Axe().axe_script)
    page.evaluate(NEAR)
    bubbles = page.evaluate(OPEN)
    found: list[str] = []
    for number in range(bubbles):
        page.evaluate(
            "number => document.querySelectorAll('[data-bubble]').forEach((one, at) => one.open = at === number)",
            number,
        )
        found += [f"bubble {number}: {one}" for one in page.evaluate(AXE, RULES)]
    page.evaluate("document.querySelectorAll('[data-bubble]').forEach(one => one.open = false)")
    for width, height in SIZES:
        page.set_viewport_size({"width": width, "height": height})
        sideways = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        if sideways > 0:
            found.append(f"{width}: {sideways} pixels too wide")
        for theme in ("light", "dark"):
            page.emulate_media(color_scheme=theme, reduced_motion="reduce")  # type: ignore[arg-type]
            # Only colours are others in the dark.
            rules = RULES if theme == "light" else RULES | {"runOnly": ["color-contrast", "link-in-text-block"]}
            found += [f"{width} {theme}: {one}" for one in page.evaluate(AXE, rules)]
    return found


def test_every_page_is_in_the_list() -> None:
    """A new route by GET is a page that is walked here, or is said to be none; nothing is listed that is gone."""
    missing, gone = unlisted(ROOT / "tests" / "web" / "route_matrix.yml")
    assert (set(), set()) == (missing, gone)


@pytest.mark.parametrize("route", PAGES)
def test_a_page_passes(browser: Browser, place: Place, windows: dict[str, BrowserContext], route: str) -> None:
    """It is there for who may see it, and nothing is wrong with it."""
    login, path = PAGES[route]
    with entered(browser, place, windows, login) as page:
        answer = page.goto(place.url + path.format(**place.town.ids), wait_until="load")
        assert answer is not None
        assert 200 == answer.status
        assert urlsplit(page.url).path == urlsplit(path.format(**place.town.ids)).path
        assert [] == found_on(page)


@pytest.mark.parametrize("name", OPENED)
def test_what_six_words_open_passes(
    browser: Browser, place: Place, windows: dict[str, BrowserContext], name: str
) -> None:
    """The map with who is where, the page of a story, a booked time, an answer."""
    path, code = OPENED[name]
    with entered(browser, place, windows, VISITOR) as page:
        page.goto(place.url + path)
        page.fill("[name=words]", place.town.codes[code])
        page.click("main form button:not([name])")
        page.wait_for_selector("main h1")
        assert page.locator("[name=words]:visible").count() == 0
        assert [] == found_on(page)


@pytest.mark.parametrize("route", MAIN)
def test_a_page_can_be_walked_by_keyboard(
    browser: Browser, place: Place, windows: dict[str, BrowserContext], route: str
) -> None:
    """Tab comes to everything that can be pressed or written in, shows where it is, and gets caught nowhere."""
    login, path = PAGES[route]
    with entered(browser, place, windows, login) as page:
        page.set_viewport_size({"width": 1280, "height": 800})
        page.goto(place.url + path.format(**place.town.ids), wait_until="load")
        page.evaluate("document.activeElement.blur()")
        stops = page.evaluate(MARK)
        assert stops > 3
        seen: set[str] = set()
        wrong: list[str] = []
        # A date or a time has several stops of its own.
        for _ in range(3 * stops + 20):
            page.keyboard.press("Tab")
            stand = page.evaluate(STAND)
            if stand is None:
                break
            seen.add(stand["walk"])
            wrong += [f"{name}: {stand['html']}" for name in ("ring", "inside") if not stand[name]]
        else:
            wrong.append("never came to the end")
        # A live page may have put new ones in the place of some; those that are still there must have been reached.
        wrong += page.evaluate(MISSED, sorted(seen))
        assert [] == sorted(set(wrong))
