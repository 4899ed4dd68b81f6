"""A real browser against the real app; Rasa is a script that can be switched off."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from playwright.sync_api import Browser, BrowserContext, Page, Playwright, Route, expect, sync_playwright
from sqlalchemy.orm import Session

from backend.booking.schedule import seed_therapists
from backend.core.clock import SystemClock
from backend.core.db import Database
from backend.core.municipality import load_municipality
from backend.core.people import StaffMember
from backend.staff.accounts import seed_demo_staff
from tests.browser.assistant import Scripted
from tests.conftest import ManualClock, make_settings
from tests.web.serving import Served, serve

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
# A busy machine is slow, and slowness is measured in bench/, not here.
expect.set_options(timeout=30_000)
NEUTRAL = "https://www.smhi.se/"
WIDE, NARROW = {"width": 1280, "height": 800}, {"width": 320, "height": 640}


def find_chromium(playwright: Playwright) -> str:
    """The machine's own browser, else the one that Playwright has downloaded; fails with what to do."""
    for name in ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable"):
        if found := shutil.which(name):
            return found
    if Path(playwright.chromium.executable_path).exists():
        return playwright.chromium.executable_path
    pytest.fail("No Chromium: install chromium or google-chrome, or run `playwright install chromium`.")


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as running:
        yield running


@pytest.fixture(scope="session")
def chromium(playwright: Playwright) -> str:
    return find_chromium(playwright)


@pytest.fixture(scope="session")
def browser(playwright: Playwright, chromium: str) -> Iterator[Browser]:
    browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
    yield browser
    browser.close()


@pytest.fixture(scope="module")
def scripted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scripted]:
    one = Scripted(make_settings(tmp_path_factory.mktemp("none")).internal_token)
    yield one
    one.stop()


@pytest.fixture
def assistant(scripted: Scripted) -> Iterator[Scripted]:
    """The script, which every test finds up and quick."""
    yield scripted
    scripted.up, scripted.seconds = True, 0.0


@contextlib.contextmanager
def running(tmp_path: Path, assistant: Scripted, **changes: Any) -> Iterator[Served]:
    """The app with the example municipality's staff, the scripted assistant up, on a Wednesday morning."""
    settings = make_settings(tmp_path, rasa_url=assistant.url, **changes)

    def seed(database: Database) -> None:
        municipality = load_municipality(settings.content_dir, settings.municipality)

        def work(session: Session) -> None:
            seed_demo_staff(session, municipality, SystemClock())
            people = session.scalars(sa.select(StaffMember))
            seed_therapists(session, municipality, {person.login: person for person in people})

        database.write_now(work)

    with serve(settings, clock=ManualClock(), seed=seed) as served:
        assistant.backend = served.url
        served.until_assistant_is_up()
        yield served


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, scripted: Scripted) -> Iterator[Served]:
    with running(tmp_path_factory.mktemp("house"), scripted) as served:
        yield served


@pytest.fixture
def served(house: Served, assistant: Scripted) -> Served:
    """The app of this module's tests; every test finds its assistant up."""
    house.until_assistant_is_up()
    return house


class Visits:
    """What a browser asked for: ours, the neutral page (answered here), and anything else, which is refused."""

    def __init__(self, context: BrowserContext, *ours: str) -> None:
        self.strangers: list[str] = []
        self.neutral: list[dict[str, str]] = []
        self._ours = ours
        context.route("**/*", self._route)

    def _route(self, route: Route) -> None:
        request = route.request
        if request.url.startswith(self._ours):
            route.continue_()
        elif request.url.startswith(NEUTRAL):
            self.neutral.append(request.headers)
            route.fulfill(status=200, content_type="text/html; charset=utf-8", body="<title>Vädret</title><h1>Sol</h1>")
        else:
            self.strangers.append(request.url)
            route.abort()


@pytest.fixture
def visit(browser: Browser, served: Served) -> Iterator[Callable[..., Page]]:
    """Open a page in a context of its own: ``visit("/chatt", java_script_enabled=False)``.

    ``page.visits`` is not there; the context's `Visits` fails the test at the end if a stranger was asked.
    """
    opened: list[tuple[BrowserContext, Visits]] = []

    def open_page(path: str, *, settle: bool = True, **options: Any) -> Page:
        options.setdefault("viewport", WIDE)
        context = browser.new_context(locale="sv-SE", **options)
        opened.append((context, Visits(context, served.url)))
        page = context.new_page()
        page.set_default_timeout(20_000)
        page.goto(served.url + path)
        return page

    yield open_page
    for context, visits in opened:
        context.close()
        assert visits.strangers == []


def say(page: Page, text: str) -> None:
    """Type and send, then wait for the answer."""
    log = page.locator("[data-log] > .message")
    before = log.count()
    page.fill("[data-field]", text)
    page.press("[data-field]", "Enter")
    page.wait_for_function(
        "before => document.querySelectorAll('[data-log] > .message').length > before + 1", arg=before
    )


def started(page: Page) -> Page:
    """Wait until the greeting is there."""
    page.wait_for_selector("[data-log] > .by-assistant")
    return page


def left(page: Page) -> None:
    """Wait until the page is the neutral one.

    Leaving asks for it from the page and from the frame; the later request cuts the
    earlier one off, which is no failure, so the address is looked at and not the navigation.
    """
    expect(page).to_have_url(NEUTRAL)
    page.wait_for_load_state()
