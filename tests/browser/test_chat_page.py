"""Promise: the chat works with and without JavaScript, on the smallest screen, and nothing that is written gets lost."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, Request, expect

from tests.browser.assistant import Scripted
from tests.browser.conftest import NARROW, WIDE, say, started
from tests.web.serving import Served

Visit = Callable[..., Page]


def test_without_javascript_one_form_begins_the_chat_and_says_the_first_thing(visit: Visit) -> None:
    """The first text is not lost, and the answer's buttons work as plain buttons."""
    page = visit("/chatt", java_script_enabled=False)
    page.fill("[data-field]", "hej, jag undrar en sak")
    page.click("[data-send]")
    expect(page.locator(".by-visitor .said")).to_have_text("hej, jag undrar en sak")
    expect(page.locator("[data-field]")).to_have_value("")
    page.locator(".reply:enabled", has_text="Boka en tid").click()
    expect(page.locator(".kind-times .reply:enabled").first).to_be_visible()
    assert page.url.endswith("/chatt")
    expect(page.locator(".message").nth(1).locator(".reply").first).to_be_disabled()


def test_without_javascript_the_begin_button_greets(visit: Visit) -> None:
    """Somebody who does not know what to write presses a button and gets choices."""
    page = visit("/chatt", java_script_enabled=False, viewport=NARROW)
    page.get_by_role("button", name="Börja").click()
    expect(page.locator(".reply:enabled", has_text="Barn 10–12 år")).to_be_visible()


@pytest.mark.parametrize("size", [NARROW, WIDE])
def test_without_javascript_a_page_after_a_send_begins_at_the_answer(visit: Visit, size: dict[str, int]) -> None:
    """The reader is taken to what is new, not to the top; in danger the number to call is on the screen."""
    page = visit("/chatt", java_script_enabled=False, viewport=size)
    for text, seen in (
        ("hej", ".by-visitor + .by-assistant .said"),
        ("pappa slår mig nu", ".emergency a[href='tel:112']"),
    ):
        page.fill("[data-field]", text)
        page.click("[data-send]")
        shown = page.locator(seen).last
        expect(shown).to_be_in_viewport(ratio=1)
        box, bar = shown.bounding_box(), page.locator("[data-bottom]").bounding_box()
        assert box is not None and bar is not None
        assert box["y"] + box["height"] <= bar["y"]


def test_without_javascript_a_resent_form_says_nothing_twice(visit: Visit) -> None:
    """Reloading the answer posts the same form again; the chat stays one chat with one message."""
    page = visit("/chatt", java_script_enabled=False)
    page.fill("[data-field]", "bara en gång")
    page.click("[data-send]")
    expect(page.locator(".by-visitor")).to_have_count(1)
    page.reload()
    expect(page.locator(".by-visitor")).to_have_count(1)
    assert page.locator("form#composer input[name=chat]").get_attribute("value")


def test_without_javascript_an_answer_that_was_late_comes_with_the_refresh_button(
    visit: Visit, served: Served, assistant: Scripted
) -> None:
    """In limited mode the page says so and has a button; the waiting message is answered by then."""
    assistant.up = False
    served.until(lambda: served.client.get("/health").json()["assistant"] == "down")
    page = visit("/chatt", java_script_enabled=False)
    page.fill("[data-field]", "är någon där?")
    page.click("[data-send]")
    refresh = page.get_by_role("button", name="Se om det har kommit svar")
    expect(refresh).to_be_visible()
    assistant.up = True
    served.until_assistant_is_up()
    page.fill("[data-field]", "halvskrivet")
    refresh.click()
    expect(page.locator(".by-assistant .said", has_text="Jag läser det du skriver")).to_be_visible()
    expect(page.locator("[data-field]")).to_have_value("halvskrivet")


def test_enter_sends_and_shift_enter_makes_a_line(visit: Visit) -> None:
    """The words reach the log exactly as typed, line break included."""
    page = started(visit("/chatt"))
    page.click("[data-field]")
    page.keyboard.type("första raden")
    page.keyboard.press("Shift+Enter")
    page.keyboard.type("andra raden")
    page.keyboard.press("Enter")
    expect(page.locator(".by-visitor .said")).to_have_text("första raden\nandra raden")
    expect(page.locator("[data-field]")).to_be_focused()


def test_html_in_a_message_is_words(visit: Visit) -> None:
    """Nothing that anybody writes becomes an element, now or after a reload by form."""
    sly = '<img src=x onerror="document.title=1"><b>fet</b>'
    for javascript in (True, False):
        page = visit("/chatt", java_script_enabled=javascript)
        if javascript:
            started(page)
            say(page, sly)
        else:
            page.fill("[data-field]", sly)
            page.click("[data-send]")
        expect(page.locator(".by-visitor .said")).to_have_text(sly)
        assert page.locator(".by-visitor img, .by-visitor b").count() == 0


def test_a_booking_by_buttons_ends_with_six_words_that_go_when_saved(visit: Visit) -> None:
    """Times as big buttons, a summary, the code once, and nothing of it left in the page afterwards."""
    page = started(visit("/chatt", viewport=NARROW))
    say(page, "boka")
    page.locator(".kind-times .reply:enabled").first.click()
    page.locator(".reply:enabled", has_text="Ja, boka").click()
    words = page.locator(".code-words li")
    expect(words).to_have_count(6)
    shown = words.all_inner_texts()
    page.locator(".reply:enabled", has_text="Jag har sparat den").click()
    expect(page.locator(".code-words")).to_have_count(0)
    assert not all(word in page.content() for word in shown)


def test_only_the_newest_choices_can_be_pressed(visit: Visit) -> None:
    """An old question cannot be answered by mistake."""
    page = started(visit("/chatt"))
    first = page.locator(".reply").first
    expect(first).to_be_enabled()
    say(page, "hej")
    expect(first).to_be_disabled()
    expect(page.locator(".reply").last).to_be_enabled()


def test_after_a_pressed_choice_focus_is_at_the_answer(visit: Visit) -> None:
    """A keyboard's place is not lost with the button."""
    page = started(visit("/chatt"))
    choice = page.locator(".reply:enabled", has_text="Barn 10–12 år")
    choice.focus()
    page.keyboard.press("Enter")
    page.wait_for_selector(".by-visitor + .by-assistant")
    page.wait_for_function("() => document.activeElement.matches('.by-assistant')")


def test_who_writes_is_shown_and_can_be_changed(visit: Visit) -> None:
    """The choice is one line, and another choice is two presses away."""
    page = started(visit("/chatt"))
    page.locator(".reply:enabled", has_text="Barn 10–12 år").click()
    who = page.locator("[data-who]")
    expect(who.locator("summary")).to_have_text("Du skriver som: Barn 10–12 år")
    who.locator("summary").click()
    who.get_by_role("button", name="Partner eller anhörig").click()
    expect(who.locator("summary")).to_have_text("Du skriver som: Partner eller anhörig")
    expect(page.locator(".by-visitor .said").last).to_have_text("Partner eller anhörig")


def test_danger_shows_numbers_to_press_within_the_first_screen(visit: Visit) -> None:
    """112 is visible without scrolling on the smallest screen, as a link that calls."""
    page = started(visit("/chatt", viewport=NARROW, reduced_motion="reduce"))
    say(page, "pappa slår mig nu")
    number = page.locator(".emergency a[href='tel:112']")
    expect(number).to_be_in_viewport(ratio=1)
    expect(page.locator(".emergency a[href='tel:116111']")).to_have_count(1)
    page.locator(".reply:enabled", has_text="Nej, jag menade annat").click()
    expect(page.locator(".by-assistant .said", has_text="tack för att du sa det").first).to_be_visible()


def test_every_kind_of_message_is_shown(visit: Visit) -> None:
    """Map, contacts, interruption, consent and a summary with the person's own words."""
    page = started(visit("/chatt"))
    for text in ("vad är en utredning?", "nummer tack", "varför frågar du?", "jag vill berätta"):
        say(page, text)
    say(page, "nu är det klart  så här")
    expect(page.locator(".kind-map .bubble-link")).to_have_attribute("href", "/karta/8")
    expect(page.locator(".kind-contacts a[href='tel:116111']").first).to_contain_text("116 111")
    assert page.locator(".kind-interruption").count() == 1
    assert page.locator(".kind-consent").count() == 1
    expect(page.locator(".kind-summary .words")).to_have_text("nu är det klart  så här")


def test_what_is_being_sent_stays_in_the_field_until_it_has_arrived(visit: Visit, assistant: Scripted) -> None:
    """A slow answer shows that it is being sent, and the words are still there."""
    page = started(visit("/chatt"))
    assistant.seconds = 1.2
    page.fill("[data-field]", "det här tar tid")
    page.press("[data-field]", "Enter")
    expect(page.locator("[data-send]")).to_have_text("Skickar…")
    expect(page.locator("[data-typing]")).to_be_visible()
    expect(page.locator("[data-field]")).to_have_value("det här tar tid")
    expect(page.locator(".by-visitor .said")).to_have_text("det här tar tid")
    expect(page.locator("[data-field]")).to_have_value("")
    expect(page.locator("[data-typing]")).to_be_hidden()


def test_a_lost_answer_is_asked_for_again_with_the_same_key(visit: Visit) -> None:
    """The server got the message and the answer was lost on the way: it is said once."""
    page = started(visit("/chatt"))
    keys: list[str] = []

    def lose_the_first(route: object, request: Request) -> None:
        keys.append(request.headers["idempotency-key"])
        if len(keys) == 1:
            route.fetch()  # type: ignore[attr-defined]
            route.abort()  # type: ignore[attr-defined]
        else:
            route.continue_()  # type: ignore[attr-defined]

    page.route("**/api/chats/messages", lose_the_first)
    say(page, "kommer det fram?")
    assert len(keys) == 2
    assert keys[0] == keys[1]
    expect(page.locator(".by-visitor")).to_have_count(1)


def test_offline_the_words_stay_and_go_when_sent_again(visit: Visit) -> None:
    """After some tries the page says so with numbers; the same press later sends the same message once."""
    page = started(visit("/chatt"))
    page.context.set_offline(True)
    page.fill("[data-field]", "är du kvar?")
    page.press("[data-field]", "Enter")
    expect(page.locator("[data-problem]")).to_contain_text("Det du skrev finns kvar", timeout=15_000)
    expect(page.locator("[data-problem]")).to_contain_text("112")
    expect(page.locator("[data-field]")).to_have_value("är du kvar?")
    page.context.set_offline(False)
    say(page, "är du kvar?")
    expect(page.locator("[data-problem]")).to_be_hidden()
    expect(page.locator(".by-visitor")).to_have_count(1)


@pytest.mark.parametrize("text", ["   ", "x" * 25_000])
def test_a_text_that_cannot_be_taken_gets_a_sentence_and_stays(visit: Visit, text: str) -> None:
    """Nothing, or far too much: the page says what to do, and what was written is still in the field."""
    page = started(visit("/chatt"))
    page.fill("[data-field]", text)
    page.press("[data-field]", "Enter")
    expect(page.locator("[data-problem-text]")).not_to_be_empty()
    expect(page.locator("[data-field]")).to_have_value(text)


def test_in_limited_mode_the_page_says_so_and_the_answer_comes_by_itself(
    visit: Visit, served: Served, assistant: Scripted
) -> None:
    """The first message is answered when the assistant is back, without a reload."""
    assistant.up = False
    served.until(lambda: served.client.get("/health").json()["assistant"] == "down")
    page = started(visit("/chatt"))
    expect(page.locator("[data-mode]")).to_be_visible()
    say(page, "hallå?")
    expect(page.locator(".by-assistant a", has_text="Boka en tid").first).to_have_attribute("href", "/boka")
    assistant.up = True
    expect(page.locator(".by-assistant .said", has_text="Jag läser det du skriver")).to_be_visible(timeout=20_000)
    expect(page.locator("[data-mode]")).to_be_hidden()
    expect(page.locator(".by-visitor")).to_have_count(1)


def test_a_chat_that_is_gone_says_so_and_a_new_one_takes_the_words(visit: Visit, served: Served) -> None:
    """Nothing of the old one is shown, and what the person had just written is not lost."""
    page = started(visit("/chatt"))
    say(page, "hej")
    tokens: list[str] = []
    page.on("request", lambda request: tokens.append(request.headers.get("authorization", "")))
    page.fill("[data-field]", "första")
    page.press("[data-field]", "Enter")
    page.wait_for_function("() => document.querySelectorAll('.by-visitor').length == 2")
    served.client.delete("/api/chats", headers={"Authorization": tokens[0]})
    page.fill("[data-field]", "det här vill jag säga")
    page.press("[data-field]", "Enter")
    expect(page.locator("[data-problem-text]")).to_contain_text("finns inte längre")
    expect(page.locator(".by-visitor")).to_have_count(0)
    expect(page.locator("[data-field]")).to_have_value("det här vill jag säga")
    page.press("[data-field]", "Enter")
    expect(page.locator(".by-visitor .said")).to_have_text("det här vill jag säga")


def test_nothing_is_kept_on_the_device(visit: Visit) -> None:
    """No cookie, no storage, no address with anything in it: before, during or after."""
    page = started(visit("/chatt"))
    say(page, "hemligt")
    page.wait_for_timeout(200)
    assert page.context.cookies() == []
    assert page.evaluate("[localStorage.length, sessionStorage.length]") == [0, 0]
    assert page.evaluate("indexedDB.databases().then(all => all.length)") == 0
    assert page.evaluate("caches.keys().then(all => all.length)") == 0
    assert page.evaluate("[location.search, location.hash, history.length, history.state]")[:2] == ["", ""]
    assert page.title() == "Exempelby kommun"


def test_a_chat_that_began_without_javascript_goes_on_with_it(visit: Visit, served: Served) -> None:
    """A form that was sent before the script had loaded gives the same chat, not a second one."""
    page = visit("/hjalp-nu")
    page.route("**/static/chat.js", lambda route: route.abort())
    page.goto(served.url + "/chatt")
    page.fill("[data-field]", "hej från en långsam telefon")
    page.unroute_all()
    page.click("[data-send]")
    page.wait_for_selector("[data-refresh][hidden]", state="attached")
    say(page, "och nu med skript")
    expect(page.locator(".by-visitor")).to_have_count(2)
    expect(page.locator("form#composer input[name=chat]")).to_have_value("")


@pytest.mark.parametrize("path", ["/", "/chatt", "/karta", "/hjalp-nu", "/boka", "/skriv"])
def test_no_page_scrolls_sideways_on_the_smallest_screen(visit: Visit, path: str) -> None:
    """320 pixels are enough, and everything to press is at least 44 high or stands in running text."""
    page = visit(path, viewport=NARROW)
    if path == "/chatt":
        started(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    small = page.evaluate(
        """() => [...document.querySelectorAll("button, .button, summary, .contact-number, .foot a, .leave-button")]
            .filter(one => one.offsetParent && !one.disabled && one.getBoundingClientRect().height < 44)
            .map(one => one.textContent.trim())"""
    )
    assert small == []
