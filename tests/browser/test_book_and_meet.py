"""Promise: a child and a therapist find each other from two browsers, whatever happens to the time in between; the pages
beside the chat do the same without script, and all of them can be read by anybody, in light and dark, from 320 pixels up."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from playwright.sync_api import Locator, Page, expect
from sqlalchemy.orm import Session

from backend.booking.tables import AfterTalk, Booking, BookingCell, MissedTalk
from backend.core.clock import to_local
from tests.browser.conftest import NARROW, say, started
from tests.browser.test_accessibility import SIZES, breaches
from tests.browser.test_live_talk import Open, Town, connected, opened, staff, the_town, town, writes

__all__ = ["opened", "staff", "the_town", "town"]

NUMBER = "070-174 06 35"


@pytest.fixture(autouse=True)
def nothing_booked(town: Town) -> None:
    """Every test begins with all times free."""

    def clear(session: Session) -> None:
        for table in (AfterTalk, MissedTalk, BookingCell, Booking):
            session.execute(sa.delete(table))

    town.database.write_now(clear)


def code_of(page: Page) -> str:
    """The six words on the screen."""
    expect(page.locator(".code-words li")).to_have_count(6)
    return " ".join(page.locator(".code-words li").all_inner_texts())


def reply(page: Page, title: str) -> Locator:
    """The newest choice with that title."""
    return page.locator(".reply:enabled", has_text=title).last


def answered(page: Page, text: str) -> None:
    """What was said last."""
    expect(page.locator("[data-log] > .by-assistant").last).to_contain_text(text)


def books(page: Page) -> str:
    """Book the first time in the chat; returns the code."""
    say(page, "boka")
    page.locator(".kind-times .reply:enabled").first.click()
    reply(page, "Ja, boka").click()
    return code_of(page)


def sends(page: Page, text: str) -> None:
    page.fill("[data-field]", text)
    page.press("[data-field]", "Enter")
    expect(page.locator("[data-field]")).to_have_value("")


def day_of(start: datetime) -> str:
    return f"/personal/dagen?dag={to_local(start).date().isoformat()}"


def clock(start: datetime) -> str:
    return to_local(start).strftime("%H.%M")


def told_of_news(page: Page) -> None:
    """The day's page says that there is something new; the link loads it."""
    expect(page.locator("[data-new]")).to_be_visible()
    page.locator("[data-new] a").click()
    expect(page.locator("[data-new]")).to_be_hidden()


def test_booked_moved_cancelled_booked_again_met_and_handed_over(
    opened: Open, staff: Callable[..., Page], town: Town
) -> None:
    """In the chat's window all the way; the therapist's day follows, and each hears the other."""
    child = started(opened("/chatt", viewport=NARROW))
    code = books(child)
    first, who = town.booked()
    therapist = staff(who, viewport=NARROW)
    therapist.goto(town.url + day_of(first))
    expect(therapist.locator(".talks .talk")).to_have_count(1)
    therapist.wait_for_selector("[data-news][data-following=yes]", state="attached")

    sends(child, code)
    expect(reply(child, "Byt tid")).to_be_visible()
    reply(child, "Byt tid").click()
    answered(child, "Den tid du har gäller tills du säger ja till en annan.")
    child.locator(".kind-times").last.locator(".reply:enabled").nth(1).click()
    answered(child, "Vill du byta till den?")
    assert first == town.booked()[0]
    reply(child, "Ja, byt").click()
    answered(child, "Klart. Din tid är")
    second, still = town.booked()
    assert (True, who) == (second > first, still)
    told_of_news(therapist)
    therapist.goto(town.url + day_of(second))
    expect(therapist.locator(".talks .talk-time strong")).to_have_text(to_local(second).strftime("%H.%M"))
    therapist.wait_for_selector("[data-news][data-following=yes]", state="attached")

    sends(child, code)
    reply(child, "Avboka tiden").click()
    answered(child, "Tiden är avbokad.")
    told_of_news(therapist)
    expect(therapist.locator(".talks .talk")).to_have_count(0)
    reply(child, "Boka en ny tid").click()
    answered(child, "Din kod blir densamma.")
    child.locator(".kind-times").last.locator(".reply:enabled").first.click()
    reply(child, "Ja, boka").click()
    answered(child, "Klart. Din tid är")

    third, who = town.booked()
    other = "samir" if who != "samir" else "anna"
    town.clock.ahead = third - town.clock.now() + town.clock.ahead - timedelta(minutes=2)
    sends(child, code)
    expect(child.locator("[data-room]")).to_contain_text(f"Ditt samtal med {who.title()}")
    meets, colleague = staff(who), staff(other)
    meets.locator("[data-talk-list] a", has_text="Bokad").click()
    meets.get_by_role("button", name="Ta samtalet").click()
    expect(child.locator("[data-writes]")).to_have_text(f"Du skriver med {who.title()}, en människa")
    connected(child, meets)
    writes(meets, "Hej och välkommen.")
    expect(child.locator(".by-staff .said").last).to_have_text("Hej och välkommen.")
    sends(child, "hej, jag är här")
    expect(meets.locator(".line-visitor").last).to_contain_text("hej, jag är här")
    meets.locator("summary", has_text="Lämna över").click()
    meets.select_option("#to", label=f"{other.title()} (inne)")
    meets.get_by_role("button", name="Fråga").click()
    colleague.locator("[data-talk-list] a", has_text="frågar om du kan ta över").click()
    colleague.get_by_role("button", name="Ta över").click()
    expect(child.locator("[data-writes]")).to_have_text(f"Du skriver med {other.title()}, en människa")
    connected(child, colleague)
    writes(colleague, "Nu är det jag.")
    expect(child.locator(".by-staff .said").last).to_have_text("Nu är det jag.")
    colleague.locator("summary", has_text="Avsluta").click()
    colleague.get_by_role("button", name="Avsluta samtalet").click()
    expect(child.locator("[data-writes]")).to_have_text("Du chattar med en robot")
    assert code not in child.content()


def test_asked_for_at_once_left_with_a_code_and_come_back_to(
    opened: Open, staff: Callable[..., Page], town: Town
) -> None:
    """ "Prata nu": six words are offered for coming back; in another window they lead to the same talk."""
    child = started(opened("/chatt", viewport=NARROW))
    child.get_by_role("button", name="Prata med en människa").last.click()
    expect(child.locator("[data-room]")).to_be_visible()
    code = code_of(child)
    anna = staff("anna")
    anna.locator(".talk-row-rings a").click()
    anna.get_by_role("button", name="Ta samtalet").click()
    writes(anna, "Hej, jag är här.")
    expect(child.locator(".by-staff .said")).to_have_text("Hej, jag är här.")
    sends(child, "jag måste gå")
    reply(child, "Jag har sparat den").click()
    expect(child.locator(".code-words li")).to_have_count(0)
    child.context.close()
    back = started(opened("/chatt"))
    sends(back, code)
    expect(back.locator("[data-writes]")).to_have_text("Du skriver med Anna, en människa")
    expect(back.locator(".by-visitor .said", has_text="jag måste gå")).to_have_count(1)
    sends(back, "nu är jag tillbaka")
    expect(anna.locator(".line-visitor").last).to_contain_text("nu är jag tillbaka")


Look = Callable[[Page, str], None]


def unseen(_page: Page, _what: str) -> None:
    """For a walk on which nothing is looked at."""


def step(page: Page, value: str) -> None:
    """Press the button that posts a form with this step, and wait for the next page."""
    with page.expect_navigation():
        page.locator(f"main button[name=step][value={value}]").first.click()


def ticks(page: Page, name: str, value: str | None = None) -> None:
    """Choose one of a question's answers, the first if none is given."""
    of = f"[value={value}]" if value else ""
    page.locator(f"label:has(input[name={name}]{of})").first.click()


ANSWERS = {
    "phone": NUMBER,
    "call_ok": "yes",
    "others_answer": "yes",
    "if_other_answers": "säg fel nummer",
    "leave_message": "no",
    "reminder": "sms",
    "sms_ok": "yes",
}


def through_questions(page: Page, answer: str, skip: str, look: Look) -> list[str]:
    """Answer or pass over the questions, one at a time; which were asked."""
    asked = []
    while page.locator("input[name=question]").count():
        name = str(page.locator("input[name=question]").get_attribute("value"))
        asked.append(name)
        look(page, name)
        wanted = ANSWERS.get(name)
        if wanted is None:
            step(page, skip)
            continue
        if page.locator(f"input[type=radio][name={name}]").count():
            ticks(page, name, wanted)
        else:
            page.fill(f"#{name}", wanted)
        step(page, answer)
    return asked


def through_boka(page: Page, look: Look = unseen) -> tuple[str, list[str]]:
    """Book a phone talk, with a mistake on the way; the code, and what was asked."""
    look(page, "times")
    step(page, "hold")
    expect(page.locator(".error-summary")).to_be_visible()
    look(page, "no time chosen")
    ticks(page, "slot")
    step(page, "hold")
    look(page, "details")
    ticks(page, "channel", "phone")
    ticks(page, "who", "partner")
    page.fill("#note", "Jag vill prata om min man.")
    step(page, "details")
    asked = through_questions(page, "answer", "skip", look)
    look(page, "summary")
    expect(page.locator("main")).to_contain_text("Tiden är inte bokad än")
    step(page, "confirm")
    look(page, "booked")
    return code_of(page), asked


def through_my_time(page: Page, code: str, look: Look = unseen, *, slips: bool = False) -> None:
    """See the talk, move it, cancel it and book it again; with a wrong code first for who ``slips``, which few may do."""
    look(page, "code")
    if slips:
        page.fill("#words", "abborre abborre abborre abborre abborre abborre")
        with page.expect_navigation():
            page.get_by_role("button", name="Visa").first.click()
        expect(page.locator(".error-summary")).to_contain_text("Koden stämmer inte")
        look(page, "wrong code")
    page.fill("#words", code)
    with page.expect_navigation():
        page.get_by_role("button", name="Visa").first.click()
    assert code not in page.content()
    look(page, "time")
    before = page.locator("main .facts dd, main dl dd").first.inner_text()
    step(page, "times")
    look(page, "times to move to")
    ticks(page, "slot")
    step(page, "move")
    expect(page.locator("main [role=status]")).to_contain_text("Klart. Din tid är")
    assert before != page.locator("main dl dd").first.inner_text()
    look(page, "moved")
    step(page, "cancel")
    expect(page.locator("main [role=status]")).to_contain_text("Tiden är avbokad.")
    look(page, "cancelled")
    step(page, "times")
    ticks(page, "slot")
    step(page, "move")
    expect(page.locator("main [role=status]")).to_contain_text("Klart. Din tid är")


@pytest.mark.parametrize("script", [True, False], ids=["script", "no-script"])
def test_boka_and_min_tid_from_beginning_to_end(opened: Open, town: Town, script: bool) -> None:
    """The same with script and without: booked, seen, moved, cancelled and booked again, and nothing is asked that is not needed."""
    page = opened("/boka", viewport=NARROW, java_script_enabled=script)
    code, asked = through_boka(page)
    assert ["phone", "call_ok", "others_answer", "if_other_answers"] == asked[:4]
    assert "booked" == town.database.read_now(lambda s: s.scalars(sa.select(Booking.state)).one())
    page.goto(town.url + "/min-tid")
    through_my_time(page, code, slips=True)
    assert "booked" == town.database.read_now(
        lambda s: s.scalars(sa.select(Booking.state).where(Booking.receipt.is_not(None))).one()
    )


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", SIZES)
def test_every_page_of_a_time_can_be_read(
    opened: Open, staff: Callable[..., Page], town: Town, width: int, theme: str
) -> None:
    """Booking, one's time, the choices in the chat, and the therapist's day and sheet: axe finds nothing, nothing scrolls sideways."""
    options: dict[str, Any] = {"viewport": {"width": width, "height": SIZES[width]}, "color_scheme": theme}

    def look(page: Page, what: str) -> None:
        assert breaches(page) == [], what
        assert page.evaluate("document.documentElement.scrollWidth") <= width, what

    page = opened("/boka", **options)
    code, _ = through_boka(page, look)
    _, who = town.booked()
    therapist = staff(who, **options)
    start, _ = town.booked()
    therapist.goto(town.url + day_of(start))
    look(therapist, "day")
    therapist.locator(".talk-link").first.click()
    expect(therapist.locator("#before")).to_be_visible()
    look(therapist, "sheet")
    page.goto(town.url + "/min-tid")
    through_my_time(page, code, look, slips=width == min(SIZES))
    chat = started(opened("/chatt", **options))
    sends(chat, code)
    reply(chat, "Byt tid").click()
    answered(chat, "Den tid du har gäller")
    chat.locator(".kind-times").last.locator(".reply:enabled").first.click()
    answered(chat, "Vill du byta till den?")
    chat.wait_for_timeout(300)
    look(chat, "choices in the chat")


def test_a_notice_says_nothing_but_that_there_is_one(opened: Open, staff: Callable[..., Page], town: Town) -> None:
    """Asked for by a press, shown when the page is out of sight, with one word, and never before it was asked for."""
    therapist = staff("anna")
    therapist.context.grant_permissions(["notifications"], origin=town.url)
    # The browser's own notices are kept, to be read here; the page is behind another window.
    therapist.context.add_init_script(
        """window.shown = [];
           const Real = window.Notification;
           window.Notification = class extends Real {
             constructor(title, options) { super(title, options); window.shown.push([title, options]); }
           };
           document.hasFocus = () => false;"""
    )
    therapist.goto(town.url + "/personal/dagen")
    child = started(opened("/chatt"))
    books(child)
    therapist.wait_for_timeout(500)
    assert [] == therapist.evaluate("window.shown")
    therapist.locator("[data-turn-on]").click()
    expect(therapist.locator("[data-turn-off]")).to_be_visible()
    therapist.reload()
    expect(therapist.locator("[data-turn-off]")).to_be_visible()
    therapist.wait_for_function("document.querySelector('meta[name=notices]').dataset.following === 'yes'")
    second = started(opened("/chatt"))
    books(second)
    therapist.wait_for_function("window.shown.length > 0")
    assert [["Ny händelse", {"tag": "koll-notices"}]] == therapist.evaluate("window.shown")
