"""Promise: a text in another language is shown as that language is written, with JavaScript and without, in the frame too."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.browser.assistant import Scripted
from tests.browser.conftest import NARROW, WIDE, say
from tests.web.serving import Served

Visit = Callable[..., Page]
ARABIC = "بدي موعد مع حدا يحكي عربي"
BEATEN = "بابا عم يضرب ماما هلأ"


@pytest.fixture
def away(served: Served, assistant: Scripted) -> Iterator[Served]:
    """The assistant is away: the backend shows the card by itself."""
    assistant.up = False
    served.until(lambda: served.client.get("/health").json()["assistant"] == "down")
    yield served
    assistant.up = True


def write(page: Page, text: str, javascript: bool) -> None:
    if javascript:
        say(page, text)
    else:
        page.fill("[data-field]", text)
        page.click("[data-send]")


@pytest.mark.parametrize("path", ["/chatt", "/chatt/ruta"])
@pytest.mark.parametrize("javascript", [True, False])
@pytest.mark.parametrize("size", [NARROW, WIDE])
def test_arabic_stands_from_the_right(
    visit: Visit, away: Served, path: str, javascript: bool, size: dict[str, int]
) -> None:
    """Text and buttons have language and direction, nothing is wider than the screen, and numbers stay as they are."""
    page = visit(path, java_script_enabled=javascript, viewport=size)
    write(page, ARABIC, javascript)
    card = page.locator(".message", has=page.locator("[lang=ar]")).last
    expect(card.locator(".said")).to_have_attribute("dir", "rtl")
    expect(card.locator(".said")).to_contain_text("112")
    expect(card.locator(".contact-number").first).to_be_visible()
    expect(card.locator(".replies")).to_have_attribute("dir", "rtl")
    assert ["ar", "ar", "sv", "en"] == [one.get_attribute("lang") for one in card.locator(".reply").all()]
    expect(card.locator(".reply[lang=en]")).to_have_text("English")
    if javascript:
        assert "rtl" == card.locator(".said").evaluate("one => getComputedStyle(one).direction")
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


@pytest.mark.parametrize("javascript", [True, False])
def test_danger_in_arabic(visit: Visit, away: Served, javascript: bool) -> None:
    """The card with its answers, in the language of the message."""
    page = visit("/chatt", java_script_enabled=javascript)
    write(page, BEATEN, javascript)
    said = page.locator(".message .said[lang=ar]").last
    expect(said).to_have_attribute("dir", "rtl")
    expect(page.locator(".reply[lang=ar]").first).to_be_enabled()


def test_swedish_has_no_language_of_its_own(visit: Visit, served: Served) -> None:
    """What is in the page's language is not marked as another."""
    page = visit("/chatt")
    say(page, "hej")
    assert 0 == page.locator(".message [lang]").count()


@pytest.mark.parametrize("path", ["/skriv"])
def test_the_list_of_languages_fits(visit: Visit, served: Served, path: str) -> None:
    """The longest names do not widen a small screen."""
    page = visit(path, viewport=NARROW)
    page.click("button[value=begin]")
    page.select_option("[name=interpreter]", "bs")
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    expect(page.get_by_label("Behöver du tolk?")).to_have_value("bs")
