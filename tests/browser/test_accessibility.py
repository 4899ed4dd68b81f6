"""Promise: no page breaks WCAG 2.2 AA as far as axe can tell, in light and dark, from 320 pixels up."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.browser.assistant import Scripted
from tests.browser.conftest import say, started
from tests.web.serving import Served

Visit = Callable[..., Page]
SIZES = {320: 640, 768: 1024, 1280: 800}
RULES = {
    "runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]},
    "resultTypes": ["violations"],
}


def breaches(page: Page) -> list[str]:
    """What axe finds, one line each, when the page has got its style sheets: what is looked for may be there before."""
    page.wait_for_load_state()
    found: list[dict[str, Any]] = Axe().run(page, options=RULES).response["violations"]
    return [f"{one['id']}: {node['html'][:120]}" for one in found for node in one["nodes"]]


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", SIZES)
def test_every_page_passes(visit: Visit, width: int, theme: str) -> None:
    """Start pages, forms, the map, the numbers, an error, and the frame."""
    page = visit("/", viewport={"width": width, "height": SIZES[width]}, color_scheme=theme, bypass_csp=True)
    base = page.url.rstrip("/")
    for path in (
        "/",
        "/chatt/ruta",
        "/karta?ord=adult",
        "/hjalp-nu",
        "/hjalp-nu?lang=en",
        "/boka",
        "/skriv",
        "/stil",
        "/tillganglighet",
        "/finns-inte",
    ):
        page.goto(base + path)
        if path == "/chatt/ruta":
            started(page)
            page.wait_for_timeout(250)
        assert breaches(page) == [], path


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", SIZES)
def test_a_conversation_with_everything_in_it_passes(visit: Visit, width: int, theme: str) -> None:
    """Each kind of message, used and unused choices, an open and a closed line about who writes, an error."""
    page = visit("/chatt", viewport={"width": width, "height": SIZES[width]}, color_scheme=theme, bypass_csp=True)
    started(page)
    page.locator(".reply:enabled", has_text="Barn 10–12 år").click()
    page.wait_for_selector(".by-visitor + .by-assistant")
    for text in (
        "vad är en utredning?",
        "varför frågar du?",
        "nummer",
        "jag vill berätta",
        "klart",
        "pappa slår mig nu",
        "boka",
    ):
        say(page, text)
    page.locator(".kind-times .reply:enabled").first.click()
    page.locator(".reply:enabled", has_text="Ja, boka").click()
    expect(page.locator(".code-words li")).to_have_count(6)
    page.locator("[data-who] summary").click()
    page.press("[data-field]", "Enter")
    expect(page.locator("[data-problem]")).to_be_visible()
    page.wait_for_timeout(250)
    assert breaches(page) == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_limited_mode_and_the_page_without_javascript_pass(
    visit: Visit, served: Served, assistant: Scripted, theme: str
) -> None:
    """What is seen on the worst day is as readable as on the best."""
    assistant.up = False
    served.until(lambda: served.client.get("/health").json()["assistant"] == "down")
    page = visit("/chatt", color_scheme=theme, bypass_csp=True)
    page.route("**/static/chat.js", lambda route: route.abort())
    page.reload()
    assert breaches(page) == []
    page.fill("[data-field]", "hej")
    page.click("[data-send]")
    expect(page.locator("[data-mode]")).to_be_visible()
    assert breaches(page) == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_embedded_chat_passes(visit: Visit, theme: str) -> None:
    """The button and the panel, in the page that shows them."""
    page = visit("/", color_scheme=theme, bypass_csp=True)
    expect(page.get_by_role("button", name="Behöver du prata?")).to_be_visible()
    assert breaches(page) == []
    page.get_by_role("button", name="Behöver du prata?").click()
    page.frame_locator("iframe").locator("[data-log] > .by-assistant").first.wait_for()
    page.wait_for_timeout(250)
    assert breaches(page) == []


def test_focus_can_be_seen_on_everything(visit: Visit) -> None:
    """Three pixels or more around whatever has the keyboard."""
    page = started(visit("/chatt"))
    seen = set()
    for _ in range(14):
        page.keyboard.press("Tab")
        name, width, style = page.evaluate(
            """() => { const one = document.activeElement, look = getComputedStyle(one);
                       return [one.outerHTML.slice(0, 80), parseFloat(look.outlineWidth), look.outlineStyle]; }"""
        )
        if name.startswith("<body"):
            break
        seen.add(name)
        assert width >= 3, name
        assert style == "solid", name
    assert len(seen) >= 7


def test_the_log_is_announced_politely(visit: Visit) -> None:
    """A screen reader hears new messages, who says them, and each number in digits it can speak."""
    page = started(visit("/chatt"))
    log = page.get_by_role("log")
    expect(log).to_have_attribute("aria-live", "polite")
    say(page, "nummer")
    expect(log.get_by_text("Roboten").first).to_be_attached()
    expect(log.locator("a[href='tel:116111']").first).to_have_accessible_name(
        "Ring Bris: ett ett sex, ett ett ett (116 111)"
    )


def test_nothing_moves_for_those_who_ask_for_stillness(visit: Visit) -> None:
    """No animation or transition under prefers-reduced-motion."""
    page = started(visit("/chatt", reduced_motion="reduce"))
    moving = page.evaluate(
        """() => [...document.querySelectorAll("*")].filter(one => {
            const look = getComputedStyle(one);
            return look.animationName !== "none" || parseFloat(look.transitionDuration) > 0;
        }).map(one => one.className)"""
    )
    assert moving == []
