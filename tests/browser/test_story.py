"""Promise: a child tells in two sittings, lets a unit read and takes it back, and an open staff window is emptied by itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import NARROW, WIDE
from tests.browser.test_accessibility import breaches
from tests.conftest import ManualClock, make_settings
from tests.people import seed_example_staff
from tests.web.serving import serve

Open = Callable[..., Page]


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, dict[str, str]]]:
    settings, passwords = make_settings(tmp_path_factory.mktemp("story")), {}
    with serve(settings, ManualClock(), lambda one: passwords.update(seed_example_staff(one, settings))) as served:
        yield served.url, passwords


@pytest.fixture
def opened(browser: Browser, town: tuple[str, dict[str, str]]) -> Iterator[Open]:
    contexts = []

    def open_page(path: str, **options: Any) -> Page:
        options.setdefault("viewport", WIDE)
        context = browser.new_context(locale="sv-SE", **options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(30_000)
        page.goto(town[0] + path)
        return page

    yield open_page
    for context in contexts:
        context.close()


def logged_in(opened: Open, town: tuple[str, dict[str, str]], login: str) -> Page:
    page = opened("/personal/logga-in")
    page.fill("[name=login]", login)
    page.fill("[name=password]", town[1][login])
    page.locator("main form button").click()
    return page


def fits(page: Page) -> bool:
    """Whether nothing scrolls sideways."""
    return bool(page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"))


def enter(page: Page, words: str) -> None:
    page.fill("[name=words]", words)
    page.locator("main form[action='/min-sida'] button").first.click()


def test_told_in_two_sittings_read_by_consent_and_taken_back(opened: Open, town: tuple[str, dict[str, str]]) -> None:
    """On a small phone without script; the therapist's open window loses the words without being touched."""
    phone: dict[str, Any] = {"viewport": NARROW, "java_script_enabled": False}
    child = opened("/skriv", **phone)
    child.click("button[name=level][value=child_10_12]")
    expect(child.locator("main")).to_contain_text("får inte skvallra")
    child.click("button[value=begin]")
    child.fill("[name=words]", "Mamma dricker varje kväll.\n\nDet här vill jag inte ha med.")
    child.click("button[value=keep]")
    words = " ".join(child.locator(".code-words li").all_inner_texts())

    child = opened("/min-sida", **phone)
    enter(child, words)
    expect(child.locator("main")).to_contain_text("Inget är skickat")
    child.click("button[value=resume]")
    child.fill("[name=words]", "I går glömde hon hämta mig.")
    child.click("button[value=read]")
    expect(child.locator("textarea[name=part]")).to_have_count(3)
    child.locator("[name=strike]").nth(1).check()
    child.click("button[value=send]")
    expect(child.locator("main")).to_contain_text("Samma ord som förut gäller")
    child.click("button[value=show]")
    expect(child.locator("main")).to_contain_text("Ingen har läst än")
    child.click("button[value=readers]")
    row = child.locator(".circle-row", has_text="Öppenvården")
    row.locator("input").first.check()
    child.locator(".save-bar button").click()
    expect(child.locator(".notice-good")).to_contain_text("Sparat")

    anna = logged_in(opened, town, "anna")
    anna.goto(town[0] + "/personal/berattelser")
    anna.locator("main a[href*='/personal/berattelse/']").first.click()
    expect(anna.locator("[data-story]")).to_contain_text("Mamma dricker varje kväll.")
    expect(anna.locator("[data-story]")).not_to_contain_text("glömde hon hämta")
    assert "vill jag inte ha med" not in anna.content()
    anna.wait_for_timeout(500)

    child = opened("/min-sida", **phone)
    enter(child, words)
    expect(child.locator("main")).to_contain_text("Behandlare, Öppenvården")
    child.locator(".circle-row", has_text="Öppenvården").locator("button[value=withdraw]").click()
    expect(anna.locator("[data-story]")).to_contain_text("Du får inte längre läsa det här")
    assert "Mamma dricker varje kväll." not in anna.content()
    assert 404 == anna.reload().status  # type: ignore[union-attr]


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [NARROW, WIDE], ids=["narrow", "wide"])
def test_every_step_can_be_used_by_all(opened: Open, viewport: dict[str, int], theme: str) -> None:
    """WCAG 2.2 AA by axe, and nothing scrolls sideways: first screen, writing, parts, kept, sent, page, picture, end."""
    page = opened("/skriv", viewport=viewport, color_scheme=theme, bypass_csp=True)
    steps: list[tuple[str, Callable[[], Any]]] = [
        ("first", lambda: None),
        ("write", lambda: page.click("button[value=begin]")),
        ("read", lambda: (page.fill("[name=words]", "Ett.\n\nTvå."), page.click("button[value=read]"))),
        ("kept", lambda: page.click("button[value=keep]")),
        ("resumed", lambda: page.click("button[value=resume]")),
        ("again", lambda: page.click("button[value=read]")),
        ("sent", lambda: page.click("button[value=send]")),
        ("mine", lambda: page.click("button[value=show]")),
        ("picture", lambda: page.click("button[value=readers]")),
        ("chosen", lambda: page.locator("button[name=all]").first.click()),
        ("back", lambda: page.click("button[value=show]")),
        ("end", lambda: page.click("button[value=end]")),
    ]
    for name, step in steps:
        step()
        page.wait_for_load_state()
        page.wait_for_timeout(200)
        assert fits(page), name
        assert [] == breaches(page), name


def test_the_picture_is_used_with_the_keyboard_alone(opened: Open) -> None:
    """Space ticks a part, Enter saves; nobody else is let in by it."""
    page = opened("/skriv")
    page.click("button[value=begin]")
    page.fill("[name=words]", "Ett.\n\nTvå.")
    page.click("button[value=read]")
    page.click("button[value=send]")
    page.click("button[value=show]")
    page.click("button[value=readers]")
    box = page.locator("input[name=may]").nth(1)
    box.focus()
    page.keyboard.press("Space")
    page.keyboard.press("Enter")
    expect(page.locator(".notice-good")).to_contain_text("Sparat")
    assert 1 == page.locator("input[name=may]:checked").count()
