"""Promise: the banner comes by itself, leaves the focus where it is, and is there without script too."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from backend.core.db import Database
from tests.browser.conftest import NARROW, WIDE
from tests.browser.test_accessibility import breaches
from tests.conftest import ManualClock, make_settings
from tests.people import seed_example_staff
from tests.web.serving import serve
from tests.web.test_alarms import A0, A1, Ward, say

RINGS = "Livsfara nu"


class House(Ward):
    """The example municipality with its demo staff."""

    passwords: dict[str, str]

    def enter(self, login: str) -> httpx.Client:
        client = httpx.Client(base_url=self.url, timeout=20, follow_redirects=True)
        client.post("/personal/logga-in", data={"login": login, "password": self.passwords[login]})
        return client

    def tell(self) -> str:
        form = {"words": A0, "reach": "code", "who": "child_10_12", "step": "send"}
        assert 200 == self.client.post("/skriv", data=form).status_code
        return str(self.rows()[-1].subject)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    settings, passwords = make_settings(tmp_path_factory.mktemp("alarms")), {}

    def seed(database: Database) -> None:
        passwords.update(seed_example_staff(database, settings))

    with serve(settings, ManualClock(), seed) as served:
        house = House(served.url)
        house.passwords, house.database = passwords, Database(settings.database_url)
        yield house
        house.client.close()
        house.database.close()


@pytest.fixture
def ward(house: House) -> House:
    house.clear()
    return house


def entered(browser: Browser, ward: House, login: str = "karin", **options: object) -> Page:
    """A browser in which somebody has logged in; a page asks as often as a second has passed in it."""
    options.setdefault("viewport", WIDE)
    context = browser.new_context(locale="sv-SE", bypass_csp=True, **options)  # type: ignore[arg-type]
    page = context.new_page()
    if options.get("java_script_enabled", True):
        page.clock.install()
    page.goto(ward.url + "/personal/logga-in")
    page.fill("#login", login)
    page.fill("#password", ward.passwords[login])
    page.press("#password", "Enter")
    expect(page.get_by_role("button", name="Logga ut")).to_be_visible()
    return page


def asked(page: Page) -> None:
    """Let ten seconds pass, and the answer arrive."""
    with page.expect_response("**/personal/larm/nu"):
        page.clock.fast_forward(10_500)
    page.clock.run_for(500)


def test_it_comes_by_itself_and_leaves_the_focus_alone(browser: Browser, ward: House) -> None:
    """While somebody writes an answer: the words stay, the focus stays, the title gets a mark and no word."""
    concern = ward.tell()
    ward.clear()
    page = entered(browser, ward)
    page.goto(f"{ward.url}/personal/oro/{concern}")
    page.get_by_role("button", name="Ta emot").click()
    page.get_by_label("Skriv ett svar").fill("Hej, vi ")
    assert "Personal" == page.title()
    say(ward.chat(), text=A0)
    asked(page)
    expect(page.get_by_role("alert")).to_contain_text(RINGS)
    assert "answer" == page.evaluate("document.activeElement.id")
    assert "● Personal" == page.title()
    page.keyboard.type("ses")
    page.get_by_role("button", name="Jag har sett det").click()
    expect(page.get_by_role("alert")).to_have_count(0)
    expect(page.get_by_text("Karin har sett det")).to_be_visible()
    expect(page.get_by_label("Skriv ett svar")).to_have_value("Hej, vi ses")
    assert "Personal" == page.title()
    page.context.close()


def test_danger_today_is_a_status_and_raised_it_is_an_alert(browser: Browser, ward: House) -> None:
    """The focus on its button is not thrown off when a colleague is first."""
    page = entered(browser, ward)
    chat = ward.chat(who="child_13_17")
    say(chat, text=A1)
    asked(page)
    expect(page.get_by_role("status").filter(has_text="Fara i dag")).to_be_visible()
    say(chat, text=A0)
    asked(page)
    expect(page.get_by_role("alert")).to_contain_text(RINGS)
    page.get_by_role("button", name="Jag har sett det").focus()
    ward.enter("maria").post(f"/personal/larm/{ward.rows()[0].id}/sett", data={"level": "A0"})
    asked(page)
    expect(page.get_by_text("Maria har sett det")).to_be_visible()
    assert "BUTTON" == page.evaluate("document.activeElement.tagName")
    page.keyboard.press("Tab")
    page.clock.run_for(100)
    expect(page.get_by_role("button", name="Jag har sett det")).to_have_count(0)
    page.context.close()


def test_it_sounds_for_who_has_asked_for_it_and_once(browser: Browser, ward: House) -> None:
    """Off until the button is pressed; the choice is remembered on the next page; what was heard is not heard again."""
    page = entered(browser, ward)
    banner = page.locator("[data-alarms]")
    say(ward.chat(), text=A0)
    asked(page)
    assert banner.get_attribute("data-sounded") is None
    page.get_by_role("button", name="Slå på ljud").click()
    expect(page.get_by_role("button", name="Stäng av ljud")).to_be_visible()
    assert "1" == banner.get_attribute("data-sounded")
    page.goto(ward.url + "/personal/larm")
    expect(page.get_by_role("button", name="Stäng av ljud")).to_be_visible()
    assert banner.get_attribute("data-sounded") is None
    say(ward.chat(), text=A0)
    asked(page)
    expect(page.get_by_role("alert").get_by_text(RINGS)).to_have_count(2)
    assert "1" == banner.get_attribute("data-sounded")
    page.context.close()


def test_it_says_when_it_has_stopped(browser: Browser, ward: House) -> None:
    """Logged out elsewhere: a sentence and a way back in, and no more asking."""
    page = entered(browser, ward)
    page.context.clear_cookies()
    asked(page)
    expect(page.get_by_text("Du är utloggad.")).to_be_visible()
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.clock.fast_forward(120_000)
    assert [] == requests
    page.context.close()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", [NARROW, WIDE], ids=["narrow", "wide"])
def test_banner_and_list_are_accessible_without_script(
    browser: Browser, ward: House, size: dict[str, int], theme: str
) -> None:
    """With one of each kind, and more than the banner holds; nothing scrolls sideways; the button works."""
    for _ in range(5):
        say(ward.chat(), text=A0)
    say(ward.chat(who="child_13_17"), text=A1)
    ward.enter("maria").post(f"/personal/larm/{ward.rows()[0].id}/sett", data={"level": "A0"})
    page = entered(browser, ward, viewport=size, color_scheme=theme)
    for path in ("/personal", "/personal/larm"):
        page.goto(ward.url + path)
        expect(page.get_by_role("alert")).to_contain_text(RINGS)
        assert breaches(page) == [], path
        assert page.evaluate("document.documentElement.scrollWidth") <= size["width"], path
    page.context.close()
    plain = entered(browser, ward, java_script_enabled=False, viewport=size)
    before = plain.get_by_role("alert").get_by_role("button").count()
    plain.get_by_role("alert").get_by_role("button").first.press("Enter")
    expect(plain.get_by_role("alert").get_by_role("button")).to_have_count(before - 1)
    assert "/personal" in plain.url
    plain.context.close()


def test_on_a_phone_two_alarms_leave_room_for_the_work(browser: Browser, ward: House) -> None:
    """What, when and the button of each in sight at once, in less than half of the screen; the way to read is one tap."""
    concern = ward.tell()
    say(ward.chat(who="child_13_17"), text=A1)
    page = entered(browser, ward, viewport=NARROW)
    page.goto(ward.url + "/personal/larm")
    alarms = page.locator("[data-alarms]")
    for said in (RINGS, "Fara i dag"):
        expect(alarms.get_by_text(said)).to_be_in_viewport(ratio=1)
    for button in alarms.get_by_role("button", name="Jag har sett det").all():
        expect(button).to_be_in_viewport(ratio=1)
    assert page.evaluate("document.querySelector('[data-alarms]').offsetHeight") < NARROW["height"] / 2
    alarms.get_by_role("link", name="Öppna det som skickats in").click()
    page.wait_for_url(f"**/personal/oro/{concern}")
    page.context.close()
