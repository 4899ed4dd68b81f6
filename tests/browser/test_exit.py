"""Promise: "Lämna sidan" hides everything at once, wipes the chat on the server, and leaves nothing to go back to.

After GOV.UK's "Exit this page" and its tests; the wipe, the iframe and the trace
search are ours.
"""

from __future__ import annotations

import re
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, Playwright, expect

from tests.browser.assistant import Scripted
from tests.browser.conftest import ARGUMENTS, NARROW, NEUTRAL, Visits, left, say, started
from tests.web.serving import Served

Visit = Callable[..., Page]
CANARY = "kanariefågelhemlighet"


@pytest.fixture
def profile(
    playwright: Playwright, chromium: str, served: Served, tmp_path: Path
) -> Iterator[Callable[..., BrowserContext]]:
    """A browser with a profile on disk, as a family's computer has; opened again, it is the same profile."""
    opened: list[BrowserContext] = []

    def open_profile(**options: object) -> BrowserContext:
        context = playwright.chromium.launch_persistent_context(
            str(tmp_path / "profile"), executable_path=chromium, args=ARGUMENTS,
            # The test tool switches off the page cache behind Back, which a family's browser has.
            ignore_default_args=["--disable-back-forward-cache"], **options,
        )  # fmt: skip
        Visits(context, served.url)
        opened.append(context)
        return context

    yield open_profile
    for context in opened:
        context.close()


def bearer(page: Page) -> Callable[[], str]:
    """The chat's id as the page last sent it."""
    seen: list[str] = []
    page.on("request", lambda request: seen.append(request.headers.get("authorization", "")))
    return lambda: next(one for one in reversed(seen) if one)


def gone(served: Served, authorization: str) -> bool:
    return served.client.get("/api/chats", headers={"Authorization": authorization}).status_code == 404


def test_the_button_is_first_in_tab_order_and_says_what_it_does(visit: Visit) -> None:
    """On every page, before anything else; its name is not to be taken for "close"."""
    for path in ("/", "/chatt", "/karta", "/hjalp-nu"):
        page = visit(path)
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.className") == "leave-button"
        expect(page.get_by_role("button", name="Lämna sidan")).to_have_accessible_name("Snabbt: Lämna sidan")


def test_the_button_stays_in_sight_however_far_one_has_read(visit: Visit) -> None:
    """A long page is scrolled to its end, on the smallest screen."""
    page = visit("/karta", viewport=NARROW)
    page.evaluate("window.scrollTo(0, document.body.scrollHeight)")
    expect(page.locator(".leave-button")).to_be_in_viewport(ratio=1)


def test_leaving_wipes_and_goes_to_the_neutral_page_without_saying_whence(
    visit: Visit, served: Served, assistant: Scripted
) -> None:
    """The chat is gone on the server and in the assistant; the other site gets no referrer."""
    page = started(visit("/chatt"))
    token = bearer(page)
    say(page, CANARY)
    sent: list[dict[str, str]] = []
    page.on("request", lambda request: sent.append(request.headers) if request.url == NEUTRAL else None)
    forgotten = len(assistant.forgotten)
    page.click(".leave-button")
    left(page)
    served.until(lambda: gone(served, token()), 5)
    served.until(lambda: len(assistant.forgotten) > forgotten, 5)
    assert "referer" not in sent[0]


def test_back_never_shows_the_chat(visit: Visit, served: Served) -> None:
    """The chat's page has been replaced: Back goes to the page before it."""
    page = visit("/hjalp-nu")
    page.goto(served.url + "/chatt")
    started(page)
    say(page, CANARY)
    page.click(".leave-button")
    left(page)
    page.go_back()
    assert page.url == served.url + "/hjalp-nu"
    assert CANARY not in page.content()
    page.go_forward()
    assert page.url == NEUTRAL


def test_everything_is_covered_at_once_even_when_the_network_is_dead(visit: Visit) -> None:
    """From the press to an opaque page without words takes less than a tenth of a second, offline and mid-send."""
    page = started(visit("/chatt"))
    say(page, CANARY)
    page.context.set_offline(True)
    page.fill("[data-field]", f"{CANARY} igen")
    page.press("[data-field]", "Enter")
    took = page.evaluate(
        """canary => {
            window.stop = () => {};
            const from = performance.now();
            document.querySelector(".leave-button").click();
            const cover = getComputedStyle(document.body, "::after");
            const shown = document.documentElement.innerText + document.documentElement.outerHTML;
            return {ms: performance.now() - from, left: shown.includes(canary), position: cover.position,
                    background: cover.backgroundColor, title: document.title};
        }""",
        CANARY,
    )
    assert took["ms"] < 100
    assert not took["left"]
    assert took["position"] == "fixed"
    assert took["background"] == "rgb(255, 255, 255)"
    assert took["title"] == "Vädret"


def test_shift_three_times_leaves_and_is_announced(visit: Visit) -> None:
    """Each press says how many are left, to a screen reader and with lights on the button."""
    page = started(visit("/chatt"))
    status = page.locator("form.leave [role=status]")
    page.keyboard.press("Shift")
    expect(status).to_have_text("Skift. Tryck två gånger till för att lämna sidan.")
    expect(page.locator(".leave-lights")).to_have_attribute("data-lit", "1")
    page.keyboard.press("Shift")
    expect(status).to_have_text("Skift. Tryck en gång till för att lämna sidan.")
    page.keyboard.press("Shift")
    left(page)


def test_shift_while_typing_never_leaves(visit: Visit) -> None:
    """Capital letters, and other keys between the presses, count for nothing."""
    page = started(visit("/chatt"))
    page.click("[data-field]")
    for letter in "ABCDE":
        page.keyboard.press(f"Shift+{letter}")
    for _ in range(4):
        page.keyboard.press("Shift")
        page.keyboard.press("a")
    page.wait_for_timeout(300)
    assert page.url.endswith("/chatt")
    expect(page.locator("[data-field]")).to_have_value("ABCDEaaaa")


def test_two_presses_time_out(visit: Visit) -> None:
    """Five seconds later the count starts over, and that is said."""
    page = visit("/hjalp-nu")
    page.clock.install()
    page.reload()
    page.keyboard.press("Shift")
    page.keyboard.press("Shift")
    page.clock.run_for(5100)
    expect(page.locator("form.leave [role=status]")).to_have_text("Tiden gick ut. Du är kvar på sidan.")
    page.keyboard.press("Shift")
    page.clock.run_for(100)
    assert page.url.endswith("/hjalp-nu")
    page.clock.run_for(5100)
    page.clock.run_for(5100)
    expect(page.locator("form.leave [role=status]")).to_have_text("")


def test_leaving_one_tab_leaves_all(visit: Visit, served: Served) -> None:
    """A chat in one tab and the map in another: one press closes both and wipes the chat."""
    page = started(visit("/chatt"))
    token = bearer(page)
    say(page, CANARY)
    other = page.context.new_page()
    other.goto(served.url + "/karta")
    other.click(".leave-button")
    left(other)
    left(page)
    served.until(lambda: gone(served, token()), 5)


def test_without_javascript_the_button_wipes_and_leaves(visit: Visit, served: Served) -> None:
    """A form: the chat is wiped before the neutral page is asked for, and Back cannot bring its words."""
    page = visit("/chatt", java_script_enabled=False)
    page.fill("[data-field]", CANARY)
    page.click("[data-send]")
    chat = page.locator("form#composer input[name=chat]")
    expect(chat).to_have_value(re.compile(".{41,}"))
    token = chat.get_attribute("value")
    assert token == page.locator("form.leave input[name=chat]").get_attribute("value")
    page.click(".leave-button")
    left(page)
    assert gone(served, f"Bearer {token}")
    for _ in range(3):
        page.go_back(wait_until="commit")
        assert CANARY not in page.content()


@pytest.mark.parametrize("javascript", [True, False])
def test_back_in_a_browser_that_keeps_pages_alive(
    profile: Callable[..., BrowserContext], served: Served, javascript: bool
) -> None:
    """With the page cache on, as in real life, neither Back nor Forward finds the words."""
    page = profile(java_script_enabled=javascript).new_page()
    page.goto(served.url + "/hjalp-nu")
    page.goto(served.url + "/chatt")
    if javascript:
        say(started(page), CANARY)
    else:
        page.fill("[data-field]", CANARY)
        page.click("[data-send]")
        page.fill("[data-field]", f"{CANARY} till")
        page.click("[data-send]")
    expect(page.locator(".by-visitor").last).to_be_visible()
    page.click(".leave-button")
    left(page)
    for step in (page.go_back, page.go_back, page.go_back, page.go_forward, page.go_forward):
        step(wait_until="commit")
        page.wait_for_timeout(200)
        assert CANARY not in page.content()
        assert CANARY not in (
            page.locator("[data-field]").input_value() if page.locator("[data-field]").count() else ""
        )


def test_a_left_chat_does_not_come_back_by_posting_its_forms_again(visit: Visit, served: Served) -> None:
    """A browser's "send the form again" after leaving gives no chat and does not show the words."""
    first = {"form_key": "f" * 24, "text": f"{CANARY} ett"}
    begun = served.client.post("/chatt", data=first).text
    token = begun.split('name="chat" value="')[1].split('"')[0]
    assert served.client.post("/lamna", data={"chat": token}).status_code == 200
    for again in (first, {"form_key": "g" * 24, "chat": token, "text": f"{CANARY} två"}):
        answer = served.client.post("/chatt", data=again)
        assert answer.status_code == 404
        assert CANARY not in answer.text


@pytest.mark.parametrize("javascript", [True, False])
def test_the_profile_on_disk_holds_no_word_of_the_chat(
    profile: Callable[..., BrowserContext], served: Served, tmp_path: Path, javascript: bool
) -> None:
    """History, cache, storage, session files and saved form values are searched for a canary word, and for the chat's id.

    Without script the id stands in the page's form, and a browser may note that in its session file: it opens
    nothing once one has left.
    """
    context = profile(java_script_enabled=javascript)
    page = context.new_page()
    page.goto(served.url + "/chatt")
    if javascript:
        started(page)
        token = bearer(page)
        say(page, CANARY)
        secret = token().removeprefix("Bearer ")
        page.fill("[data-field]", f"{CANARY} halvskrivet")
    else:
        page.fill("[data-field]", CANARY)
        page.click("[data-send]")
        chat = page.locator("form#composer input[name=chat]")
        expect(chat).to_have_value(re.compile(".{41,}"))
        secret = chat.get_attribute("value") or ""
    assert len(secret) > 40
    page.click(".leave-button")
    left(page)
    time.sleep(1)
    context.close()
    found = [
        (path.name, needle)
        for path in (tmp_path / "profile").rglob("*")
        if path.is_file()
        for needle in ((CANARY, secret) if javascript else (CANARY,))
        if needle.encode() in (held := path.read_bytes()) or needle.encode("utf-16-le") in held
    ]
    assert found == []
    with sqlite3.connect(tmp_path / "profile" / "Default" / "History") as history:
        visited = history.execute("SELECT url, title FROM urls").fetchall()
    ours = {url.removeprefix(served.url): title for url, title in visited if url.startswith(served.url)}
    assert set(ours) - {"/lamna"} == {"/chatt"}
    assert set(ours.values()) <= {"Exempelby kommun", "Vädret"}


def test_print_leaves_out_the_button(visit: Visit) -> None:
    """A printed page has no button to press."""
    page = visit("/hjalp-nu")
    page.emulate_media(media="print")
    expect(page.locator(".leave-button")).to_be_hidden()
