"""Promise: the main job works from the child's first word to the therapist's list, with the real assistant, and without it.

Real parts only: the trained Rasa model, the action server, the database, a browser.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import NARROW, NEUTRAL, WIDE, left
from tests.browser.stack import Stack, whole_house

Open = Callable[..., Page]


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with whole_house() as running:
        yield running


@pytest.fixture
def opened(browser: Browser, stack: Stack) -> Iterator[Open]:
    contexts = []

    def open_page(path: str, **options: Any) -> Page:
        options.setdefault("viewport", WIDE)
        context = browser.new_context(locale="sv-SE", **options)
        contexts.append(context)
        context.route(
            f"{NEUTRAL}**", lambda route: route.fulfill(body="<title>Vädret</title>", content_type="text/html")
        )
        page = context.new_page()
        page.set_default_timeout(20_000)
        page.goto(stack.served.url + path)
        return page

    yield open_page
    for context in contexts:
        context.close()


def greeted(page: Page) -> Page:
    page.wait_for_selector("[data-log] > .by-assistant button, [data-log] .by-assistant ~ * button")
    return page


def says(page: Page, text: str, answer: str) -> None:
    """Type, send, and wait for words in the answer."""
    page.fill("[data-field]", text)
    page.press("[data-field]", "Enter")
    expect(page.locator("[data-log] .by-assistant").last).to_be_visible()
    expect(page.locator("[data-log]")).to_contain_text(answer)


def picks(page: Page, title: str, answer: str) -> None:
    """Press the newest offered button with that title, and wait for words in the answer."""
    page.locator("[data-log] button:not([disabled])", has_text=title).last.click()
    expect(page.locator("[data-log]")).to_contain_text(answer)


def logged_in(opened: Open, stack: Stack, login: str) -> Page:
    page = opened("/personal/logga-in")
    page.fill("[name=login]", login)
    page.fill("[name=password]", stack.passwords[login])
    page.locator("main form button").first.click()
    page.wait_for_url("**/personal")
    return page


def first_time(page: Page) -> str:
    """Press the first offered time and return its words."""
    button = page.locator("[data-log] button:not([disabled])", has_text="kl.").first
    label = button.inner_text()
    button.click()
    return label


def test_a_child_books_by_chat_and_the_therapist_sees_it(opened: Open, stack: Stack) -> None:
    """A ten-year-old on a small phone gets a time today; the therapist has it in the list with what is needed."""
    page = greeted(opened("/chatt", viewport=NARROW))
    picks(page, "10–12", "soc")
    says(page, "jag vill prata me nån", "Vilken tid passar dig?")
    assert "i dag" in first_time(page)
    expect(page.locator("[data-log]")).to_contain_text("Hur vill du prata?")
    picks(page, "Chatt", "Ska jag boka?")
    picks(page, "Ja, boka", "Här är din kod")
    expect(page.locator(".code-words li")).to_have_count(6)
    words = page.locator(".code-words li").all_inner_texts()
    picks(page, "Jag har sparat den", "Koden visas inte mer")

    staff = logged_in(opened, stack, "anna")
    expect(staff.locator("main")).to_contain_text("10–12")
    staff.locator("main a[href*='/personal/tid/']").first.click()
    expect(staff.locator("main")).to_contain_text("Chatt")

    returned = opened("/min-tid")
    returned.fill("[name=words]", " ".join(words).upper())
    returned.locator("main button").first.click()
    expect(returned.locator("main")).to_contain_text("i dag")
    returned.locator("button[value=cancel]").click()
    expect(returned.locator("main")).to_contain_text("avbokad")


def test_a_partner_asks_to_be_called(opened: Open, stack: Stack) -> None:
    """A phone number brings the safe-contact questions, one at a time, and the therapist sees the answers."""
    page = greeted(opened("/chatt"))
    picks(page, "Partner", "Du")
    says(page, "kan någon ringa mig, jag vill boka en tid", "Vilken tid passar dig?")
    first_time(page)
    expect(page.locator("[data-log]")).to_contain_text("Hur vill du prata?")
    picks(page, "Telefon", "Vilket nummer ska vi ringa?")
    says(page, "0123", "inte ut som ett nummer")
    says(page, "070-174 06 35", "tryggt")
    picks(page, "Ja", "Kan någon annan svara")
    picks(page, "Vet inte", "om någon annan svarar")
    says(page, "säg att det är fel nummer", "meddelande")
    picks(page, "Nej", "Skriv vem")
    says(page, "mannen får inte veta", "Ska jag boka?")
    picks(page, "Ja, boka", "Här är din kod")
    staff = logged_in(opened, stack, "anna")
    found = False
    for link in staff.locator("main a[href*='/personal/tid/']").all():
        target = link.get_attribute("href")
        other = staff.context.new_page()
        other.goto(stack.served.url + str(target))
        found = found or "070-174 06 35" in other.locator("main").inner_text()
        if found:
            expect(other.locator("main")).to_contain_text("fel nummer")
            expect(other.locator("main")).to_contain_text("mannen får inte veta")
            break
        other.close()
    assert found


def test_a_concern_arrives_at_the_right_queue_in_the_childs_own_words(opened: Open, stack: Stack) -> None:
    """The secrecy text comes before the first word; the words arrive verbatim, with their clocks, at the unit and nowhere else."""
    page = greeted(opened("/chatt"))
    picks(page, "13–17", "du")
    says(page, "jag vill skriva om en oro", "sekretess")
    own = "farsan dricker varje dag o ja <b>orkar</b> inte plugga längre"
    says(page, own, "Det var allt")
    says(page, "är det hemligt?", "Jag kan inte lova")
    picks(page, "Det var allt", "Vem handlar det om?")
    picks(page, "Mig själv", "Händer det just nu")
    picks(page, "Nej", "nå dig")
    picks(page, "kod", "Så här ser det ut")
    expect(page.locator("[data-log] .words").last).to_have_text(own)
    picks(page, "Skicka", "Här är din kod")

    worker = logged_in(opened, stack, "karin")
    worker.locator("main a[href*='/personal/oro/']").first.click()
    expect(worker.locator("main")).to_contain_text(own)
    expect(worker.locator("main")).to_contain_text("13–17")
    address = worker.url
    other = logged_in(opened, stack, "johan")
    assert "/personal/oro/" not in other.content()
    assert other.goto(address).status == 404  # type: ignore[union-attr]
    therapist = logged_in(opened, stack, "anna")
    assert therapist.goto(address).status == 404  # type: ignore[union-attr]


def test_leaving_wipes(opened: Open, stack: Stack) -> None:
    """After "Lämna sidan" the neutral page is there, Back shows no word, and the server knows nothing."""
    page = greeted(opened("/chatt"))
    says(page, "kanariefågel", "")
    page.locator(".leave, [data-leave]").first.click()
    left(page)
    page.go_back()
    page.wait_for_load_state()
    assert "kanariefågel" not in page.content()


def test_rasa_dies_in_the_middle_of_a_booking(opened: Open, stack: Stack) -> None:
    """Help and a time are there all the same, and when Rasa is back the form goes on where it was."""
    page = greeted(opened("/chatt"))
    says(page, "boka tid", "Vilken tid passar dig?")
    first_time(page)
    expect(page.locator("[data-log]")).to_contain_text("Hur vill du prata?")
    stack.kill_rasa()
    says(page, "pappa slår mamma nu", "112")
    expect(page.locator(".emergency").last).to_contain_text("116 111")

    book = opened("/boka", java_script_enabled=False)
    book.locator("input[name=slot]").first.check()
    book.locator("form:has(input[name=slot]) button").first.click()
    book.locator("input[name=channel][value=chat]").check()
    book.locator("form:has(input[name=channel]) button").first.click()
    # Whether a reminder is asked about depends on how near the time is.
    skip, confirm = book.locator("button[value=skip]"), book.locator("button[value=confirm]")
    expect(skip.or_(confirm).first).to_be_visible()
    if skip.count():
        skip.click()
    confirm.click()
    expect(book.locator(".code-words li")).to_have_count(6)

    stack.start_rasa()
    expect(page.locator("[data-mode]")).to_be_hidden(timeout=30_000)
    picks(page, "Chatt", "Ska jag boka?")
    picks(page, "Ja, boka", "Här är din kod")
