"""Promise: a child and a human meet in the same window: with a wait that is told as it is, live in both directions, over to
a colleague and back to the robot, and nothing is lost or doubled when the network goes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from playwright.sync_api import Browser, Page, Route, expect
from sqlalchemy.orm import Session

from backend.alerts.tables import Alert
from backend.booking.tables import Booking
from backend.core.db import Database
from backend.core.people import StaffMember
from backend.talks.tables import Talk, TalkDuty, TalkMessage, TalkSeat
from tests.browser.assistant import Scripted
from tests.browser.conftest import NARROW, NEUTRAL, WIDE, left, say, started
from tests.browser.test_accessibility import breaches
from tests.conftest import make_settings
from tests.people import seed_example_staff
from tests.web.serving import Served, serve
from tests.web.test_live_talk import RunningClock

Open = Callable[..., Page]


class Town(Served):
    """The example municipality with its demo staff, on a clock that goes."""

    passwords: dict[str, str]
    clock: RunningClock
    database: Database

    def clear(self) -> None:
        """Nobody waits, nobody talks, nothing rings."""

        def work(session: Session) -> None:
            for table in (TalkMessage, TalkSeat, Talk, TalkDuty, Alert):
                session.execute(sa.delete(table))

        self.database.write_now(work)
        self.clock.ahead = timedelta()

    def booked(self) -> tuple[datetime, str]:
        """When the one booked talk is, and with whom."""
        query = (
            sa.select(Booking.start_at, StaffMember.login)
            .join(StaffMember, StaffMember.id == Booking.therapist_id)
            .where(Booking.state == "booked")
        )
        start, login = self.database.read_now(lambda session: session.execute(query).one())
        return start, login


@pytest.fixture(scope="module")
def the_town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    passwords, clock = {}, RunningClock()
    scripted = Scripted(make_settings(tmp_path_factory.mktemp("none")).internal_token)
    settings = make_settings(tmp_path_factory.mktemp("live"), rasa_url=scripted.url)

    def seed(database: Database) -> None:
        passwords.update(seed_example_staff(database, settings))

    with serve(settings, clock, seed) as served:
        town = Town(served.url)
        town.passwords, town.clock, town.database = passwords, clock, Database(settings.database_url)
        scripted.backend = served.url
        town.until_assistant_is_up()
        yield town
        town.client.close()
        town.database.close()
    scripted.stop()


@pytest.fixture
def town(the_town: Town) -> Iterator[Town]:
    """On a Wednesday morning, when nobody waits."""
    the_town.clear()
    yield the_town


@pytest.fixture
def opened(browser: Browser, town: Town) -> Iterator[Open]:
    """A page in a context of its own."""
    contexts = []

    def open_page(path: str, **options: Any) -> Page:
        options.setdefault("viewport", WIDE)
        context = browser.new_context(locale="sv-SE", bypass_csp=True, **options)
        contexts.append(context)
        context.route(
            f"{NEUTRAL}**", lambda route: route.fulfill(body="<title>Vädret</title>", content_type="text/html")
        )
        page = context.new_page()
        page.set_default_timeout(20_000)
        page.goto(town.url + path)
        return page

    yield open_page
    for context in contexts:
        context.close()


@pytest.fixture
def staff(opened: Open, town: Town) -> Callable[..., Page]:
    """A browser in which somebody has logged in and looks at the talks."""

    def enter(login: str, *, on: bool = False, **options: Any) -> Page:
        page = opened("/personal/logga-in", **options)
        page.fill("#login", login)
        page.fill("#password", town.passwords[login])
        page.press("#password", "Enter")
        page.wait_for_url("**/personal")
        page.goto(town.url + "/personal/samtal")
        if on:
            page.get_by_role("button", name="Ta emot samtal").click()
            expect(page.get_by_text("Du tar emot samtal", exact=True)).to_be_visible()
        return page

    return enter


def writes(page: Page, text: str) -> None:
    """The therapist types and sends."""
    page.fill("#skriv", text)
    page.press("#skriv", "Enter")
    expect(page.locator("#skriv")).to_have_value("")


def log(page: Page) -> list[str]:
    """What the child, the humans and the notices say, in the order of the page."""
    return page.locator(":is(.by-visitor, .by-staff, .by-service) .said").all_inner_texts()


def asks(child: Page) -> None:
    child.get_by_role("button", name="Prata med en människa").last.click()
    expect(child.locator("[data-room]")).to_be_visible()


def talking(opened: Open, staff: Callable[..., Page], **options: Any) -> tuple[Page, Page]:
    """A child and Anna in an open talk."""
    child, anna = started(opened("/chatt", **options)), staff("anna")
    asks(child)
    anna.locator("[data-talk-list] a[data-key]").last.click()
    anna.get_by_role("button", name="Ta samtalet").click()
    expect(child.locator("[data-writes]")).to_have_text("Du skriver med Anna, en människa")
    expect(anna.locator("[data-here]")).to_have_text("Personen har sidan öppen.")
    connected(child, anna)
    return child, anna


def connected(*pages: Page) -> None:
    """The pages' streams are open: whoever is on them is known to read, and is told of signals that nobody stores."""
    for page in pages:
        page.wait_for_selector("[data-connected=yes]", state="attached")


def focused(page: Page, id_: str) -> None:
    """The keyboard comes to a field; what opens in a page tells its script a moment later."""
    page.wait_for_function("id => document.activeElement.id === id", arg=id_)


def test_from_a_wish_to_a_human_over_a_colleague_and_back_to_the_robot(
    opened: Open, staff: Callable[..., Page]
) -> None:
    """Three browsers, and nobody loads a page anew to see what another has done."""
    anna = staff("anna", on=True)
    samir = staff("samir")
    child = started(opened("/chatt", viewport=NARROW))
    say(child, "hej")
    expect(child.locator("[data-writes]")).to_have_text("Du chattar med en robot")

    asks(child)
    expect(child.locator("[data-room]")).to_contain_text("Du är först i kön")
    expect(child.locator("[data-room]")).to_contain_text("Anna är inne och har fått veta att du väntar.")
    expect(child.locator("[data-room]")).to_be_in_viewport()
    expect(anna.locator("[data-bell-count]")).to_have_text("1")
    expect(anna.locator(".talk-row-rings")).to_have_count(1)
    expect(samir.locator("[data-bell-count]")).to_have_text("1")
    child.fill("[data-field]", "min mamma dricker")
    child.press("[data-field]", "Enter")
    robot = child.locator("[data-log] > .by-assistant").count()

    anna.locator(".talk-row-rings a").click()
    expect(anna.locator(".desk-talk")).not_to_contain_text("min mamma dricker")
    anna.get_by_role("button", name="Ta samtalet").click()
    expect(anna.locator(".line-visitor")).to_contain_text("min mamma dricker")
    expect(child.locator("[data-writes]")).to_have_text("Du skriver med Anna, en människa")
    expect(child.locator("[data-log]")).to_contain_text("Nu skriver Anna, en människa. Roboten är tyst så länge.")
    expect(child.locator("[data-room]")).to_be_hidden()
    expect(samir.locator("[data-bell-count]")).to_be_hidden()

    expect(anna.locator("[data-here]")).to_have_text("Personen har sidan öppen.")
    connected(child, anna)
    anna.locator("#skriv").press_sequentially("Hej", delay=20)
    expect(child.locator("[data-human-typing]")).to_contain_text("Anna skriver")
    writes(anna, "Hej, jag är här.")
    expect(child.locator(".by-staff .said")).to_have_text("Hej, jag är här.")
    expect(child.locator(".by-staff .message-by")).to_have_text("Anna, en människa")
    expect(child.locator("[data-human-typing]")).to_be_hidden()
    expect(anna.locator(".line-read")).to_be_visible()
    child.locator("[data-field]").press_sequentially("va", delay=20)
    expect(anna.locator("[data-typing]")).to_be_visible()
    child.fill("[data-field]", "är du på riktigt?")
    child.press("[data-field]", "Enter")
    expect(anna.locator(".line-visitor").last).to_contain_text("är du på riktigt?")
    expect(child.locator(".message-read")).to_have_text("Läst av Anna")

    anna.locator("summary", has_text="Lämna över").click()
    anna.select_option("#to", label="Samir (inne)")
    anna.get_by_role("button", name="Fråga").click()
    expect(anna.get_by_text("Du har frågat Samir. Inget svar än.")).to_be_visible()
    expect(samir.locator("[data-bell-count]")).to_have_text("1")
    samir.locator("[data-talk-list] a", has_text="Anna frågar om du kan ta över").click()
    expect(samir.locator(".desk-talk")).not_to_contain_text("är du på riktigt?")
    samir.get_by_role("button", name="Ta över").click()
    expect(samir.locator(".line-visitor").last).to_contain_text("är du på riktigt?")
    anna.wait_for_url("**/personal/samtal")
    expect(child.locator("[data-writes]")).to_have_text("Du skriver med Samir, en människa")
    connected(child, samir)
    writes(samir, "Hej, nu är det jag som skriver.")
    expect(child.locator(".by-staff .said").last).to_have_text("Hej, nu är det jag som skriver.")
    child.fill("[data-field]", "okej")
    child.press("[data-field]", "Enter")
    expect(samir.locator(".line-visitor").last).to_contain_text("okej")
    assert robot == child.locator("[data-log] > .by-assistant").count()

    samir.get_by_role("button", name="Till roboten").click()
    expect(child.locator("[data-writes]")).to_have_text("Du chattar med en robot")
    expect(child.locator("[data-log]")).to_contain_text("Samir läser inte längre det du skriver.")
    say(child, "och nu då")
    expect(child.locator("[data-log] > .by-assistant")).to_have_count(robot + 1)
    expect(samir.get_by_text("Roboten svarar personen nu.")).to_be_visible()
    said = log(child)
    assert said == [*dict.fromkeys(said)], "something stands twice"
    child.get_by_role("button", name="Prata med en människa").last.wait_for()


def test_the_network_goes_and_comes_back(opened: Open, staff: Callable[..., Page]) -> None:
    """What the other wrote meanwhile comes once and in order; what could not be sent goes by itself, once."""
    child, anna = talking(opened, staff)
    writes(anna, "ett")
    expect(child.locator(".by-staff .said")).to_have_text("ett")
    child.context.set_offline(True)
    for text in ("två", "tre", "fyra"):
        writes(anna, text)
    child.fill("[data-field]", "når det här fram?")
    child.press("[data-field]", "Enter")
    expect(child.locator("[data-problem]")).to_contain_text("Skickas igen när kontakten är tillbaka.")
    expect(child.locator("[data-lost]")).to_be_visible()
    expect(child.locator("[data-field]")).to_have_value("når det här fram?")
    assert ["ett"] == child.locator(".by-staff .said").all_inner_texts()
    child.context.set_offline(False)
    expect(child.locator(".by-staff .said")).to_have_text(["ett", "två", "tre", "fyra"])
    expect(child.locator("[data-field]")).to_have_value("")
    expect(child.locator("[data-lost]")).to_be_hidden()
    expect(anna.locator(".line-visitor")).to_have_count(1)
    expect(anna.locator(".line-visitor")).to_contain_text("når det här fram?")

    anna.context.set_offline(True)
    anna.fill("#skriv", "fem")
    anna.press("#skriv", "Enter")
    expect(anna.locator("[data-problem]")).to_contain_text("Det du skrev finns kvar.")
    child.fill("[data-field]", "hallå")
    child.press("[data-field]", "Enter")
    expect(child.locator(".by-visitor .said").last).to_have_text("hallå")
    anna.context.set_offline(False)
    expect(anna.locator(".line-visitor").last).to_contain_text("hallå")
    anna.press("#skriv", "Enter")
    expect(child.locator(".by-staff .said").last).to_have_text("fem")
    assert 1 == child.locator(".by-staff .said", has_text="fem").count()


def test_the_answer_that_never_arrived_was_sent_once(opened: Open, staff: Callable[..., Page]) -> None:
    """The server has the message and its answer is lost on the way: the same key is tried again, and it stands once."""
    child, anna = talking(opened, staff)
    dropped = []

    def drop(route: Route) -> None:
        if dropped:
            route.continue_()
            return
        dropped.append(route.fetch().status)
        route.abort()

    child.route("**/api/chats/messages", drop)
    child.fill("[data-field]", "bara en gång")
    child.press("[data-field]", "Enter")
    expect(child.locator("[data-field]")).to_have_value("")
    assert [200] == dropped
    expect(anna.locator(".line-visitor")).to_have_count(1)
    assert 1 == child.locator(".by-visitor .said", has_text="bara en gång").count()


def test_a_booked_chat_is_gone_in_to_with_the_code_left_and_come_back_to(
    opened: Open, staff: Callable[..., Page], town: Town
) -> None:
    """Booked in the chat; at the time with six words in a new window; "Lämna sidan"; with six words again: all is there."""
    child = started(opened("/chatt"))
    say(child, "boka")
    child.locator(".kind-times .reply:enabled").first.click()
    child.locator(".reply:enabled", has_text="Ja, boka").click()
    expect(child.locator(".code-words li")).to_have_count(6)
    code = " ".join(child.locator(".code-words li").all_inner_texts())
    start, who = town.booked()
    child.context.close()

    town.clock.ahead = start - town.clock.now() - timedelta(minutes=2)
    child = started(opened("/chatt", viewport=NARROW))
    child.fill("[data-field]", code)
    child.press("[data-field]", "Enter")
    expect(child.locator("[data-room]")).to_contain_text(f"Ditt samtal med {who.title()} är i dag")
    child.fill("[data-field]", "jag är här nu")
    child.press("[data-field]", "Enter")
    therapist = staff(who)
    therapist.locator("[data-talk-list] a", has_text="Bokad").click()
    therapist.get_by_role("button", name="Ta samtalet").click()
    writes(therapist, "Hej och välkommen.")
    expect(child.locator(".by-staff .said")).to_have_text("Hej och välkommen.")
    child.locator(".leave-button").click()
    left(child)
    expect(therapist.get_by_text("Personen har lämnat sidan, men kan komma tillbaka med sin kod.")).to_be_visible()
    writes(therapist, "Jag är kvar.")

    back = started(opened("/chatt"))
    back.fill("[data-field]", code)
    back.press("[data-field]", "Enter")
    expect(back.locator(".by-staff .said")).to_have_text(["Hej och välkommen.", "Jag är kvar."])
    expect(back.locator(".by-visitor .said", has_text="jag är här nu")).to_have_count(1)
    assert code not in back.content()
    back.fill("[data-field]", "nu är jag tillbaka")
    back.press("[data-field]", "Enter")
    expect(therapist.locator(".line-visitor").last).to_contain_text("nu är jag tillbaka")


def test_danger_is_helped_at_the_childs_and_marked_at_the_therapists(opened: Open, staff: Callable[..., Page]) -> None:
    """Numbers at once on the child's screen, and that Anna reads but cannot send help."""
    child, anna = talking(opened, staff, viewport=NARROW)
    child.fill("[data-field]", "pappa slår mamma nu")
    child.press("[data-field]", "Enter")
    expect(child.locator(".emergency a[href='tel:112']")).to_be_in_viewport()
    expect(child.locator(".emergency")).to_contain_text("Anna kan läsa det du skriver, men kan inte skicka hjälp.")
    expect(anna.locator(".line-danger")).to_contain_text("Fara just nu")


def test_the_therapist_begins_from_a_sentence_and_ends_kindly(opened: Open, staff: Callable[..., Page]) -> None:
    """A canned sentence is put in the field to be changed; the ending can be changed too; Escape closes a question."""
    child, anna = talking(opened, staff)
    anna.locator(".canned summary").click()
    anna.locator("[data-canned]", has_text="Hej").first.click()
    expect(anna.locator("#skriv")).to_have_value(
        "Hej. Jag heter Anna och jobbar på soc. Jag är en människa. Du bestämmer själv vad du vill berätta."
    )
    focused(anna, "skriv")
    anna.keyboard.type(" Ta din tid.")
    anna.keyboard.press("Enter")
    expect(child.locator(".by-staff .said")).to_contain_text("vad du vill berätta. Ta din tid.")
    anna.locator("summary", has_text="Lämna över").press("Enter")
    focused(anna, "to")
    anna.keyboard.press("Escape")
    expect(anna.locator("#to")).to_be_hidden()
    anna.locator("summary", has_text="Avsluta").press("Enter")
    anna.fill("#ending", "Hej då så länge.")
    anna.get_by_role("button", name="Avsluta samtalet").click()
    expect(child.locator(".by-staff .said").last).to_have_text("Hej då så länge.")
    expect(child.locator("[data-log]")).to_contain_text("Samtalet med Anna är slut.")
    expect(child.locator("[data-writes]")).to_have_text("Du chattar med en robot")
    anna.get_by_role("button", name="Öppna igen").click()
    expect(anna.locator("#skriv")).to_be_visible()


def test_all_of_a_browsers_pages_share_one_stream_and_one_sound(opened: Open, staff: Callable[..., Page]) -> None:
    """Three staff pages, one connection for the bell; closed, another page takes over; it sounds once, if asked for."""
    anna = staff("anna", on=True)
    asked: list[str] = []
    anna.context.on("request", lambda request: asked.append(request.url))
    others = []
    for _ in range(2):
        other = anna.context.new_page()
        other.goto(anna.url)
        others.append(other)
    child = started(opened("/chatt"))
    asks(child)
    for page in (anna, *others):
        expect(page.locator("[data-bell-count]")).to_have_text("1")
        assert "● Personal" == page.title()
    before = len([url for url in asked if url.endswith("/samtal/nu")])
    assert before <= 1, "the first page's own"
    assert None is anna.locator("[data-bell]").get_attribute("data-sounded")
    others[0].get_by_role("button", name="Slå på ljud").click()
    anna.close()
    second = started(opened("/chatt"))
    asks(second)
    for page in others:
        expect(page.locator("[data-bell-count]")).to_have_text("2")
    assert before + 1 == len([url for url in asked if url.endswith("/samtal/nu")])
    assert 1 == sum(page.locator("[data-bell]").get_attribute("data-sounded") == "1" for page in others)
    for page in (child, second):
        page.get_by_role("button", name="Lämna kön").click()
        expect(page.locator("[data-room]")).to_be_hidden()
        expect(page.locator("[data-log]")).to_contain_text("Du har lämnat kön.")


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", [NARROW, {"width": 768, "height": 1024}, WIDE], ids=["narrow", "middle", "wide"])
def test_every_state_is_accessible(opened: Open, staff: Callable[..., Page], size: dict[str, int], theme: str) -> None:
    """Waiting room and talk at the child's, list, offer and talk at the therapist's; nothing scrolls sideways."""

    def check(page: Page, what: str) -> None:
        # At the end of the page, where nothing lies half under the writing field.
        page.evaluate("window.scrollTo(0, document.documentElement.scrollHeight)")
        page.wait_for_timeout(300)
        assert breaches(page) == [], what
        assert page.evaluate("document.documentElement.scrollWidth") <= size["width"], what

    look: dict[str, Any] = {"viewport": size, "color_scheme": theme}
    child, anna = started(opened("/chatt", **look)), staff("anna", **look)
    say(child, "hej")
    asks(child)
    check(child, "waiting room")
    expect(anna.locator(".talk-row-rings")).to_have_count(1)
    check(anna, "list")
    anna.locator(".talk-row-rings a").click()
    check(anna, "one that waits")
    anna.get_by_role("button", name="Ta samtalet").click()
    writes(anna, "Hej, jag är här.")
    child.fill("[data-field]", "pappa slår mig ibland")
    child.press("[data-field]", "Enter")
    expect(anna.locator(".line-danger")).to_be_visible()
    check(child, "talk")
    check(anna, "talk")
    anna.locator("summary", has_text="Avsluta").click()
    check(anna, "ending")
    anna.get_by_role("button", name="Avsluta samtalet").click()
    expect(anna.get_by_role("button", name="Öppna igen")).to_be_visible()
    check(anna, "over")
    check(child, "over")


def test_without_script_the_whole_talk_is_forms(opened: Open, staff: Callable[..., Page]) -> None:
    """Both sides, by buttons and reloads."""
    child = opened("/chatt", java_script_enabled=False, viewport=NARROW)
    child.get_by_role("button", name="Prata med en människa").click()
    expect(child.locator("[data-room]")).to_be_visible()
    child.fill("[data-field]", "hej")
    child.click("[data-send]")
    anna = staff("anna", java_script_enabled=False, viewport=NARROW)
    anna.locator(".talk-row-rings a").first.click()
    anna.get_by_role("button", name="Ta samtalet").click()
    expect(anna.locator(".line-visitor")).to_contain_text("hej")
    anna.locator(".canned summary").click()
    anna.locator("[data-canned]", has_text="Ingen brådska").click()
    expect(anna.locator("#skriv")).to_have_value("Ta den tid du behöver. Jag är kvar här.")
    anna.locator("[data-send]").click()
    child.get_by_role("button", name="Se om det har kommit svar").click()
    expect(child.locator(".by-staff .said")).to_have_text("Ta den tid du behöver. Jag är kvar här.")
    child.get_by_role("button", name="Avsluta samtalet").click()
    expect(child.locator("[data-log]")).to_contain_text("Du har avslutat samtalet.")
    anna.reload()
    expect(anna.get_by_text("Personen har avslutat samtalet.").first).to_be_visible()
