"""Promise: the map can be wandered by finger, mouse, keyboard and screen reader, with and without script,
on the smallest phone and on paper, and leaves nothing behind in the browser.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Locator, Page, expect
from pypdf import PdfReader

from tests.browser.conftest import NARROW, started
from tests.browser.test_accessibility import RULES, SIZES, breaches
from tests.web.serving import Served

Visit = Callable[..., Page]
A4_LANDSCAPE = (842, 595)


def focused(page: Page) -> str:
    """The station that has the keyboard, else the beginning of what has it."""
    return str(page.evaluate("(one => one.dataset.stop ?? one.outerHTML.slice(0, 40))(document.activeElement)"))


def opened(page: Page, where: str, slug: str) -> Locator:
    """Open a station by pressing it, and wait for its texts."""
    page.locator(f"{where} [data-stop='{slug}']").click()
    article = page.locator(f".way-panel [data-station='{slug}']")
    article.wait_for()
    return article


def test_a_station_opens_beside_the_picture_and_focus_comes_back(visit: Visit) -> None:
    """Its heading is read first; Escape goes back to where one was; the history has one page."""
    page = visit("/karta")
    before = page.evaluate("history.length")
    opened(page, "svg", "9")
    expect(page.locator(".way-panel h2")).to_be_focused()
    expect(page.locator("svg [data-stop='9']")).to_have_attribute("aria-current", "true")
    assert 1 == page.locator("h1").count()
    page.locator(".way-panel .step-on").click()
    page.locator(".way-panel [data-station='10']").wait_for()
    expect(page.locator(".way-panel h2").first).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator(".way-panel")).to_be_hidden()
    assert "10" == focused(page)
    assert page.url.endswith("/karta")
    assert before == page.evaluate("history.length")
    assert [0, 0, ""] == page.evaluate("[localStorage.length, sessionStorage.length, document.cookie]")


def test_the_close_button_works_and_leaving_is_always_at_hand(visit: Visit) -> None:
    """A panel is no wall: the way out can be pressed while it is open."""
    page = visit("/karta")
    opened(page, "svg", "20")
    expect(page.locator(".leave-button")).to_be_in_viewport(ratio=1)
    page.locator(".leave-button").click(trial=True)
    page.locator("[data-panel-close]").click()
    expect(page.locator(".way-panel")).to_be_hidden()
    assert "20" == focused(page)


def test_arrow_keys_wander_from_station_to_station(visit: Visit) -> None:
    """Along the way and down to the next line; Home and End; Enter opens. Nobody falls off the map."""
    page = visit("/karta")
    page.locator("svg [data-stop='1']").focus()
    seen = []
    for key in ("ArrowRight", "ArrowRight", "ArrowRight", "ArrowLeft", "Home", "ArrowLeft", "End"):
        page.keyboard.press(key)
        seen.append(focused(page))
    assert ["3", "4", "5", "4", "1", "1", "26"] == seen
    page.locator("svg [data-stop='9']").focus()
    page.keyboard.press("ArrowDown")
    assert focused(page) in ("7", "20")
    page.keyboard.press("Enter")
    expect(page.locator(".way-panel h2").first).to_be_focused()


def test_every_station_can_be_reached_by_keyboard(visit: Visit) -> None:
    """The picture is one stop for Tab; arrows reach every station from every other, each with a ring that shows where one is."""
    page = visit("/karta")
    page.locator("a.skip", has_text="listan").focus()
    for _ in range(3):
        page.keyboard.press("Tab")
    assert "Större" == page.evaluate("document.activeElement.textContent")
    page.keyboard.press("Tab")
    assert "1" == focused(page)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('#list') !== null")
    page.keyboard.press("Shift+Tab")
    assert "1" == focused(page)

    arrows = ("ArrowRight", "ArrowLeft", "ArrowDown", "ArrowUp")
    steps: dict[str, set[str]] = {}
    waiting = ["1"]
    while waiting:
        slug = waiting.pop()
        steps[slug] = set()
        for key in arrows:
            page.locator(f"svg [data-stop='{slug}']").focus()
            width = "getComputedStyle(document.activeElement.querySelector('.stop-ring')).strokeWidth.slice(0, -2)"
            assert float(page.evaluate(width)) >= 5
            page.keyboard.press(key)
            steps[slug].add(focused(page))
        waiting += [one for one in steps[slug] if one not in steps and one not in waiting]
    assert {str(number) for number in range(1, 27)} == set(steps)
    # And back: nobody wanders into a corner.
    home = {"1"}
    while grown := {one for one, to in steps.items() if to & home} - home:
        home |= grown
    assert set(steps) == home
    page.locator("a.skip", has_text="listan").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert "1" == focused(page)


def test_a_screen_reader_has_the_same_way_as_a_list(visit: Visit) -> None:
    """Six parts with headings, 26 items with links, each with the stations that may follow."""
    page = visit("/karta")
    lists = page.locator("#list ol")
    assert 6 == lists.count()
    assert 26 == page.locator("#list ol > li").count()
    names = [" ".join(text.split()) for text in page.locator("svg [data-stop]").all_text_contents()]
    listed = [" ".join(text.split()) for text in page.locator("#list a.strip-name").all_text_contents()]
    assert names == listed
    expect(page.locator("#list li#s05 details")).to_contain_text("Hjälp direkt")


def test_the_picture_grows_and_moves(visit: Visit) -> None:
    """By buttons, keys and the mouse; a drag is no press; it is whole again in one."""
    page = visit("/karta")
    wide = "document.querySelector('[data-svg]').getBoundingClientRect().width"
    first = page.evaluate(wide)
    page.get_by_role("button", name="Större").click()
    page.get_by_role("button", name="Större").click()
    assert page.evaluate(wide) > first * 1.9
    frame = page.locator("[data-frame]")
    box = frame.bounding_box()
    assert box
    frame.scroll_into_view_if_needed()
    box = frame.bounding_box()
    assert box
    left = frame.evaluate("one => one.scrollLeft")
    x, y = box["x"] + box["width"] / 2, box["y"] + 150
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x - 60, y - 20, steps=4)
    page.mouse.move(x - 120, y - 40, steps=4)
    page.mouse.up()
    assert frame.evaluate("one => one.scrollLeft") > left + 90
    expect(page.locator(".way-panel")).to_be_hidden()
    page.locator("svg [data-stop='1']").focus()
    page.keyboard.press("0")
    assert abs(page.evaluate(wide) - first) < 2
    page.keyboard.press("+")
    assert page.evaluate(wide) > first * 1.3
    # A focused station is brought into sight however far away it is.
    page.keyboard.press("End")
    assert page.evaluate(
        """() => { const one = document.activeElement.getBoundingClientRect(),
                         frame = document.querySelector('[data-frame]').getBoundingClientRect();
                   return one.left >= frame.left - 1 && one.right <= frame.right + 1; }"""
    )


def test_on_a_phone_the_strip_is_the_map_and_a_station_opens_from_below(visit: Visit) -> None:
    """Nothing to be moved sideways at 320 pixels; what was pressed stays in sight above the panel."""
    page = visit("/karta", viewport=NARROW, has_touch=True)
    assert page.evaluate("document.documentElement.scrollWidth <= 320")
    expect(page.locator(".way-svg")).to_be_hidden()
    link = page.locator("#list [data-stop='12']")
    link.tap()
    page.locator(".way-panel [data-station='12']").wait_for()
    expect(link).to_be_in_viewport(ratio=0.9)
    panel = page.locator(".way-panel").bounding_box()
    assert panel and panel["y"] > 100
    assert page.evaluate("document.documentElement.scrollWidth <= 320")
    page.locator("[data-panel-close]").tap()
    assert "12" == focused(page)


class Fingers:
    """Fingers on the glass, as the browser gets them from a phone."""

    def __init__(self, page: Page) -> None:
        self._session: Any = page.context.new_cdp_session(page)

    def do(self, kind: str, *points: tuple[float, float]) -> None:
        """``touchStart``, ``touchMove`` or ``touchEnd``, with where each finger is."""
        touched = [{"x": x, "y": y, "id": place} for place, (x, y) in enumerate(points)]
        self._session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": touched})


def test_on_a_phone_the_whole_picture_can_be_moved_and_pinched(visit: Visit) -> None:
    """In the whole window, the way out still there; stations open; the keyboard comes back to the button."""
    page = visit("/karta", viewport=NARROW, has_touch=True)
    page.get_by_role("button", name="Se hela bilden").tap()
    frame = page.locator("[data-frame]")
    expect(page.get_by_role("button", name="Stäng bilden")).to_be_focused()
    expect(page.locator(".leave-button")).to_be_in_viewport(ratio=1)
    expect(page.locator("svg [data-stop='1']")).to_be_in_viewport()
    before = frame.evaluate("one => [one.scrollLeft, one.scrollTop]")
    fingers = Fingers(page)
    fingers.do("touchStart", (250, 400))
    for step in range(1, 9):
        fingers.do("touchMove", (250 - 20 * step, 400 - 4 * step))
    fingers.do("touchEnd")
    assert frame.evaluate("one => one.scrollLeft") > before[0] + 100
    expect(page.locator(".way-panel")).to_be_hidden()
    wide = "document.querySelector('[data-svg]').getBoundingClientRect().width"
    was = page.evaluate(wide)
    fingers.do("touchStart", (140, 400), (180, 400))
    for step in range(1, 7):
        fingers.do("touchMove", (140 - 8 * step, 400), (180 + 8 * step, 400))
    fingers.do("touchEnd")
    assert page.evaluate(wide) > was * 1.3
    page.locator("svg [data-stop='1']").focus()
    page.keyboard.press("Enter")
    page.locator(".way-panel [data-station='1']").wait_for()
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Se hela bilden")).to_be_focused()


def test_a_difficult_word_explains_itself_where_it_stands(visit: Visit) -> None:
    """On a tap; the keyboard is in the explanation and comes back to the word."""
    page = visit("/karta/8?ord=13-17", viewport=NARROW)
    word = page.locator("a.word", has_text="socialsekreterare").first
    word.click()
    bubble = page.locator(".word-bubble")
    expect(bubble).to_be_visible()
    expect(bubble).to_be_focused()
    expect(bubble).to_contain_text("Den på soc")
    box = bubble.bounding_box()
    assert box and box["x"] >= 0 and box["x"] + box["width"] <= 320
    page.keyboard.press("Escape")
    expect(bubble).to_be_hidden()
    expect(word).to_be_focused()
    assert page.url.endswith("/karta/8?ord=13-17")


def test_did_you_understand_has_two_answers(visit: Visit) -> None:
    """Yes is thanked for, and the keyboard is not lost; no gets simpler words."""
    page = visit("/karta/8?ord=10-12")
    page.locator("[data-understood] summary").click()
    expect(page.locator(".simpler-text")).to_be_visible()
    page.get_by_role("button", name="Ja", exact=True).click()
    expect(page.locator("[data-thanks]")).to_be_focused()
    expect(page.locator("[data-thanks]")).to_contain_text("läsa igen")


VOICES = """
(() => {
  const said = (window.said = []);
  const voices = %s;
  window.SpeechSynthesisUtterance = class { constructor(text) { this.text = text; } };
  const fake = Object.assign(new EventTarget(), {
    getVoices: () => voices,
    speak: (one) => said.push([one.text, one.lang, one.voice.name]),
    cancel: () => said.push("cancel"),
  });
  Object.defineProperty(window, "speechSynthesis", { value: fake });
})();
"""


@pytest.mark.parametrize(
    ("voices", "offered"),
    [
        ('[{ name: "Alva", lang: "sv-SE", localService: true }]', True),
        ('[{ name: "Far away", lang: "sv-SE", localService: false }]', False),
        ('[{ name: "Ann", lang: "en-GB", localService: true }]', False),
        ("[]", False),
    ],
)
def test_reading_aloud_is_offered_where_a_voice_lives_on_the_device(
    browser: Browser, served: Served, voices: str, offered: bool
) -> None:
    """A voice that speaks from elsewhere would be told what is read. The browser's own speech is stood in for here."""
    page = browser.new_page(locale="sv-SE")
    page.add_init_script(VOICES % voices)
    page.goto(served.url + "/karta/8?ord=10-12")
    expect(page.locator("[data-understood] [data-yes]")).to_be_visible()
    buttons = page.locator(".station-what [data-listen], .station-facts [data-listen]")
    assert [offered] * 4 == [buttons.nth(place).is_visible() for place in range(buttons.count())]
    if offered:
        buttons.nth(1).click()
        expect(buttons.nth(1)).to_have_attribute("aria-pressed", "true")
        text, lang, voice = page.evaluate("window.said.at(-1)")
        assert text.startswith("Vem du träffar. ")
        assert ("sv", "Alva") == (lang, voice)
        buttons.nth(1).click()
        assert "cancel" == page.evaluate("window.said.at(-1)")
        expect(buttons.nth(1)).to_have_text("Lyssna")
    page.close()


@pytest.mark.parametrize("viewport", [NARROW, {"width": 1280, "height": 800}])
def test_without_script_stations_are_links_and_words_are_explained(visit: Visit, viewport: dict[str, int]) -> None:
    """From the map to a station, to its word list, to simpler words, and on along the way."""
    page = visit("/karta?ord=13-17", viewport=viewport, java_script_enabled=False)
    expect(page.locator("[data-tools]")).to_be_hidden()
    expect(page.locator("[data-open-picture]")).to_be_hidden()
    page.locator("#list [data-stop='8']").click()
    assert page.url.endswith("/karta/8?ord=13-17")
    page.locator("a.word", has_text="socialsekreterare").first.click()
    expect(page.locator("#ord-socialsekreterare")).to_be_in_viewport()
    page.locator("[data-understood] summary").click()
    expect(page.locator(".simpler-text")).to_be_visible()
    expect(page.locator("[data-listen]").first).to_be_hidden()
    expect(page.locator("[data-yes]")).to_be_hidden()
    page.locator(".step-on").click()
    assert page.url.endswith("/karta/9?ord=13-17")


def test_the_network_away_the_link_still_works(visit: Visit) -> None:
    """What cannot be fetched beside the map is gone to; the browser says what is wrong, as with any link."""
    page = visit("/karta")
    failed = []

    def fail_once(route: Any) -> None:
        if route.request.resource_type == "fetch":
            failed.append(route.request.url)
            route.abort()
        else:
            route.fallback()

    page.route("**/karta/9*", fail_once)
    page.locator("svg [data-stop='9']").click()
    page.wait_for_url("**/karta/9")
    assert 1 == len(failed)
    expect(page.locator("h1")).to_have_text("Du får berätta")


@pytest.mark.parametrize(("width", "theme"), [(320, "dark"), (1280, "light")])
def test_it_prints_on_one_a4(visit: Visit, width: int, theme: str) -> None:
    """The picture and what its lines mean, from any screen, in ink that shows on white."""
    page = visit("/karta?ord=adult", viewport={"width": width, "height": 800}, color_scheme=theme)
    paper = PdfReader(io.BytesIO(page.pdf(prefer_css_page_size=True)))
    assert 1 == len(paper.pages)
    assert A4_LANDSCAPE == tuple(round(float(side)) for side in paper.pages[0].mediabox[2:])
    text = " ".join(paper.pages[0].extract_text().split())
    for words in ("Vägen genom soc", "Orosanmälan", "Barnet bor någon annanstans", "Ny kontakt"):
        assert words in text
    assert "Lämna sidan" not in text
    assert "Visa" not in text


def test_nothing_moves_for_those_who_ask_for_stillness(visit: Visit) -> None:
    """No line draws itself, no light walks, no panel slides."""
    page = visit("/karta", reduced_motion="reduce")
    opened(page, "svg", "9")
    page.locator(".way-panel .step-on").click()
    page.locator(".way-panel [data-station='10']").wait_for()
    assert 0 == page.locator(".lantern").count()
    moving = page.evaluate(
        """() => [...document.querySelectorAll("*")].filter(one => {
            const look = getComputedStyle(one);
            return look.animationName !== "none" || parseFloat(look.transitionDuration) > 0;
        }).map(one => one.outerHTML.slice(0, 60))"""
    )
    assert [] == moving


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", SIZES)
def test_every_state_of_the_map_passes(visit: Visit, width: int, theme: str) -> None:
    """Every reader's map, an open station with everything folded out, a word, the picture in the whole window."""
    page = visit("/karta", viewport={"width": width, "height": SIZES[width]}, color_scheme=theme, bypass_csp=True)
    base = page.url
    for band in ("6-9", "parent"):
        page.goto(f"{base}?ord={band}")
        page.wait_for_timeout(1600)
        assert [] == breaches(page), band
    article = opened(page, "svg" if width >= 1280 else "#list", "8")
    article.locator("summary").first.click()
    page.wait_for_timeout(400)
    assert [] == breaches(page)
    article.locator("a.word").first.click()
    assert [] == breaches(page)
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    if width < 1280:
        page.get_by_role("button", name="Se hela bilden").click()
        page.wait_for_timeout(400)
        assert [] == breaches(page)
    page.goto(f"{base}/8?ord=13-17&lang=en")
    assert [] == breaches(page)
    assert Axe().run(page, options=RULES).response["passes"]


def test_a_question_about_a_station_goes_along_to_the_chat(visit: Visit) -> None:
    """Pressed at the station, asked as soon as the chat has begun, once; the card leads back to the station."""
    page = visit("/karta/8?ord=13-17")
    page.get_by_role("link", name="Fråga roboten").click()
    started(page)
    answer = page.locator(".by-assistant.kind-map")
    expect(answer.locator(".bubble-title")).to_have_text("Soc tar reda på mer")
    expect(page.locator(".by-visitor .said")).to_have_text(["Soc tar reda på mer"])
    expect(answer.locator(".bubble-link")).to_have_attribute("href", "/karta/8?ord=13-17")
    expect(page.locator("[data-who-is]")).to_contain_text("13–17")
