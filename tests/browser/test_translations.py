"""Promise: somebody who reads Arabic chooses it, books a talk in it and keeps six words; and whoever edits and signs can do it everywhere."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from backend.config import ROOT
from tests.browser.assistant import Scripted
from tests.browser.conftest import running, started
from tests.browser.test_accessibility import breaches
from tests.conftest import ManualClock, make_settings
from tests.people import seed_example_staff
from tests.web.serving import Served, serve

Visit = Callable[..., Page]
SIZES = {320: 640, 768: 1024, 1280: 800}
ON = "translations: {ar: marked, fa: marked, fi: marked, so: marked, uk: marked}"


def translated(tmp_path: Path) -> Path:
    """The project's content with every translation shown, marked as read by nobody."""
    content = Path(shutil.copytree(ROOT / "content", tmp_path / "content"))
    town = content / "municipalities" / "exempelby.yml"
    town.write_text(town.read_text("utf-8").replace("translations: {}", ON), "utf-8")
    return content


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, scripted: Scripted) -> Iterator[Served]:
    """A municipality that shows its translations before anybody has signed them."""
    folder = tmp_path_factory.mktemp("tongues")
    with running(folder, scripted, content_dir=translated(folder)) as served:
        yield served


def fits(page: Page) -> bool:
    """Whether nothing has to be scrolled sideways for."""
    return bool(page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"))


@pytest.mark.parametrize("javascript", [True, False])
@pytest.mark.parametrize("width", [320, 1280])
def test_a_talk_is_booked_in_arabic(visit: Visit, width: int, javascript: bool) -> None:
    """From the Swedish page by the chooser; from the right all the way; the six words are Swedish and stand from the left."""
    page = visit("/boka", viewport={"width": width, "height": SIZES[width]}, java_script_enabled=javascript)
    page.get_by_role("link", name="العربية").click()
    expect(page.locator("html[lang=ar][dir=rtl]")).to_have_count(1)
    expect(page.locator(".unsigned")).to_contain_text("Översatt, inte granskad.")
    assert page.locator("h1").evaluate("element => getComputedStyle(element).direction") == "rtl"
    page.locator("input[name=slot]").last.check()
    page.locator("button[value=hold]").click()
    expect(page.locator("select[name=interpreter]")).to_have_value("ar")
    page.locator("input[name=channel][value=chat]").check()
    page.locator("input[name=who][value=partner]").check()
    page.locator("button[value=details]").click()
    expect(page.locator("html[dir=rtl] h1")).to_have_text("هل تريد تذكيرًا؟")
    page.locator("button[value=answer]").click()
    page.locator("button[value=confirm]").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("تم حجز موعدك")
    expect(page.locator(".code-words li")).to_have_count(6)
    known = set((ROOT / "content" / "sv" / "codewords.txt").read_text("utf-8").split())
    assert set(page.locator(".code-words li").all_text_contents()) <= known
    assert fits(page)
    page.locator("button[value=saved]").click()
    expect(page.locator("html[lang=ar]")).to_have_count(1)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", SIZES)
def test_a_page_from_the_right_passes(visit: Visit, width: int, theme: str) -> None:
    """WCAG as far as axe can tell, and nothing beside the screen, in Arabic and Persian."""
    page = visit(
        "/hjalp-nu?lang=ar", viewport={"width": width, "height": SIZES[width]}, color_scheme=theme, bypass_csp=True
    )
    base = page.url.partition("/hjalp-nu")[0]
    for path in ("/hjalp-nu?lang=ar", "/boka?lang=fa", "/karta?lang=ar", "/karta/1?lang=fa", "/karta/21?lang=ar", "/chatt/ruta?lang=fa"):  # fmt: skip
        page.goto(base + path)
        expect(page.locator("html[dir=rtl]")).to_have_count(1)
        if path.startswith("/chatt"):
            started(page)
        # What fades in is paler than it will be.
        page.evaluate("Promise.all(document.getAnimations().map((one) => one.finished))")
        assert [] == breaches(page), path
        assert fits(page), path


def test_the_map_keeps_its_picture_in_every_language(visit: Visit) -> None:
    """The picture is drawn from the left, with every station in it; a mark for a language would break it apart."""
    for lang in ("ar", "fa", "fi", "so", "uk"):
        page = visit(f"/karta?lang={lang}", viewport={"width": 1280, "height": 800})
        expect(page.locator("svg .stop")).to_have_count(26)
        assert page.locator(".way-svg").evaluate("element => getComputedStyle(element).direction") == "ltr"
        assert 0 == page.locator("svg span").count()


def test_the_chat_begins_in_the_language_of_the_page(visit: Visit) -> None:
    """With script it begins by itself: the first answer is in it, and what the assistant says after that is marked as Swedish."""
    page = visit("/chatt?lang=fa", viewport={"width": 320, "height": 640})
    expect(page.locator(".said[lang=fa][dir=rtl]")).to_have_count(1)
    page.locator(".reply:enabled").first.click()
    expect(page.locator('.by-assistant .said[lang="sv"]').first).to_be_visible()
    assert fits(page)


@pytest.fixture
def office(tmp_path: Path) -> Iterator[tuple[Served, str]]:
    settings = make_settings(tmp_path, content_dir=translated(tmp_path))
    passwords: dict[str, str] = {}

    def seed(database: object) -> None:
        passwords.update(seed_example_staff(database, settings))  # type: ignore[arg-type]

    with serve(settings, ManualClock(), seed=seed) as served:
        yield served, passwords["eva"]


@pytest.mark.parametrize("width", SIZES)
def test_the_pages_of_editor_and_signer_pass(browser: object, office: tuple[Served, str], width: int) -> None:
    """List, text, helpline, station, languages, and a part beside the Swedish, signed with the keyboard."""
    served, password = office
    context = browser.new_context(  # type: ignore[attr-defined]
        base_url=served.url, viewport={"width": width, "height": SIZES[width]}, bypass_csp=True
    )
    page = context.new_page()
    page.goto("/personal/logga-in")
    page.fill("[name=login]", "eva")
    page.fill("[name=password]", password)
    page.keyboard.press("Enter")
    page.wait_for_url("**/personal")
    for path in (
        "/personal/texter",
        "/personal/texter?visa=helpline",
        "/personal/texter/sv/helpline.bris",
        "/personal/texter/sv/stations.S01.what",
        "/personal/texter/ar/help.title",
        "/personal/oversattningar",
        "/personal/oversattningar/fa/danger",
    ):
        page.goto(path)
        assert [] == breaches(page), path
        assert fits(page), path
    page.locator("input[name=read]").focus()
    page.keyboard.press("Space")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator(".notice-good")).to_contain_text("Delen är godkänd")
    context.close()
