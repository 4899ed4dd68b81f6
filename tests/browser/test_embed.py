"""Promise: one script line shows the chat on a municipality's page, and that page learns nothing of what is said in it."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from playwright.sync_api import Browser, Frame, Page, expect

from backend.config import ROOT
from tests.browser.assistant import Scripted
from tests.browser.conftest import NARROW, WIDE, Visits, left, running
from tests.web.serving import Served

CANARY = "kanariefågelhemlighet"


class HostSite:
    """A municipality's site on an origin and site of its own (``localhost`` is another site than 127.0.0.1)."""

    def __init__(self) -> None:
        self.script = ""
        self.chat = ""
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = site.page(self.path).encode()
                self.send_response(200)
                self.send_header("content-type", "text/html; charset=utf-8")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.origin = f"http://localhost:{self.server.server_address[1]}"

    def page(self, path: str) -> str:
        chat = (
            f'<iframe src="{self.chat}/chatt/ruta"></iframe>'
            if path == "/naked"
            else f'<script src="{self.script}" async></script>'
        )
        return f"<!doctype html><html lang=sv><title>Exempelby</title><h1>Skola och omsorg</h1><a href=#a>länk</a>{chat}</html>"


@pytest.fixture(scope="module")
def site() -> Iterator[HostSite]:
    one = HostSite()
    yield one
    one.server.shutdown()
    one.server.server_close()


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, scripted: Scripted, site: HostSite) -> Iterator[Served]:
    """The app of a municipality that lets `site` show its chat."""
    folder = tmp_path_factory.mktemp("house")
    content = folder / "content"
    shutil.copytree(ROOT / "content", content)
    settings = content / "municipalities" / "exempelby.yml"
    text = settings.read_text("utf-8").replace(
        """frame_ancestors: ["'self'"]""", f"""frame_ancestors: ["'self'", "{site.origin}"]"""
    )
    assert site.origin in text
    settings.write_text(text, "utf-8")
    with running(folder, scripted, content_dir=content) as served:
        site.script, site.chat = served.url + "/embed.js", served.url
        yield served


@pytest.fixture
def host(browser: Browser, served: Served, site: HostSite) -> Iterator[Callable[..., Page]]:
    """Open the municipality's page; at the end nothing else may have been asked for."""
    opened: list[tuple[Any, Visits]] = []

    def open_page(path: str = "/", **options: Any) -> Page:
        options.setdefault("viewport", WIDE)
        context = browser.new_context(locale="sv-SE", **options)
        opened.append((context, Visits(context, served.url, site.origin)))
        page = context.new_page()
        page.set_default_timeout(20_000)
        page.goto(site.origin + path)
        return page

    yield open_page
    for context, visits in opened:
        context.close()
        assert visits.strangers == []


def opened(page: Page, served: Served) -> Frame:
    """Press the button and wait for the greeting in the frame."""
    page.get_by_role("button", name="Behöver du prata?").click()
    page.frame_locator("iframe").locator("[data-log] > .by-assistant").first.wait_for()
    return next(one for one in page.frames if one.url.startswith(served.url))


def tell(frame: Frame, text: str) -> None:
    frame.fill("[data-field]", text)
    frame.press("[data-field]", "Enter")
    frame.wait_for_selector(".by-visitor + .by-assistant")


def test_before_the_press_there_is_a_button_and_nothing_else(host: Callable[..., Page], served: Served) -> None:
    """No frame, no request beyond the script, nothing stored."""
    asked: list[str] = []
    page = host()
    page.on("request", lambda request: asked.append(request.url))
    expect(page.get_by_role("button", name="Behöver du prata?")).to_be_visible()
    page.wait_for_timeout(300)
    assert page.locator("iframe").count() == 0
    assert asked == []
    assert page.context.cookies() == []
    assert page.evaluate("[localStorage.length, sessionStorage.length]") == [0, 0]


def test_it_opens_closes_and_keeps_the_chat(host: Callable[..., Page], served: Served) -> None:
    """Hidden and shown again it is the same chat; focus goes in, and back to the button."""
    page = host()
    frame = opened(page, served)
    tell(frame, CANARY)
    page.get_by_role("button", name="Göm").click()
    expect(page.locator("iframe")).to_be_hidden()
    expect(page.get_by_role("button", name="Behöver du prata?")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("iframe")).to_be_visible()
    assert frame.locator(".by-visitor .said").inner_text() == CANARY
    assert page.context.cookies() == []


def test_escape_hides_from_inside_the_chat(host: Callable[..., Page], served: Served) -> None:
    """Escape hides the chat and does not end it."""
    page = host()
    frame = opened(page, served)
    frame.click("[data-field]")
    page.keyboard.press("Escape")
    expect(page.locator("iframe")).to_be_hidden()
    expect(page.get_by_role("button", name="Behöver du prata?")).to_be_focused()
    assert page.url.startswith("http://localhost")


def test_on_a_phone_it_fills_the_screen_and_tab_stays_in_it(host: Callable[..., Page], served: Served) -> None:
    """Full-screen, the page behind can be neither seen, scrolled nor tabbed to."""
    page = host(viewport=NARROW)
    frame = opened(page, served)
    box = page.locator(".panel").bounding_box()
    assert box == {"x": 0, "y": 0, "width": 320, "height": 640}
    assert frame.evaluate("document.documentElement.scrollWidth") <= 320
    page.get_by_role("button", name="Göm").focus()
    for _ in range(30):
        page.keyboard.press("Tab")
        # On its way out of the frame, which is another process, the focus is nowhere for a moment.
        page.wait_for_function("['DIV', 'IFRAME'].includes(document.activeElement.tagName)", timeout=5000)
    page.get_by_role("button", name="Göm").click()
    assert page.evaluate("document.documentElement.style.overflow") == ""


def test_leaving_from_inside_takes_the_whole_page_away_and_wipes(host: Callable[..., Page], served: Served) -> None:
    """Not only the frame: the municipality's page is replaced too, so Back does not return to it."""
    page = host()
    frame = opened(page, served)
    seen: list[str] = []
    page.on("request", lambda request: seen.append(request.headers.get("authorization", "")))
    tell(frame, CANARY)
    token = next(one for one in reversed(seen) if one)
    frame.click(".leave-button")
    left(page)
    served.until(lambda: served.client.get("/api/chats", headers={"Authorization": token}).status_code == 404, 5)
    page.go_back()
    assert CANARY not in page.content()
    assert not page.url.startswith("http://localhost")


@pytest.mark.parametrize("where", ["chat", "page"])
def test_shift_three_times_leaves_wherever_focus_is(host: Callable[..., Page], served: Served, where: str) -> None:
    """Both documents listen; either way the chat is wiped."""
    page = host()
    frame = opened(page, served)
    seen: list[str] = []
    page.on("request", lambda request: seen.append(request.headers.get("authorization", "")))
    tell(frame, CANARY)
    token = next(one for one in reversed(seen) if one)
    if where == "chat":
        frame.click("h1", force=True)
    else:
        page.click("h1", position={"x": 1, "y": 1})
    for _ in range(3):
        page.keyboard.press("Shift")
    left(page)
    served.until(lambda: served.client.get("/api/chats", headers={"Authorization": token}).status_code == 404, 5)


def test_a_frame_without_the_script_leaves_too(host: Callable[..., Page], served: Served) -> None:
    """A municipality that pastes the frame itself: the button still takes the whole window away."""
    page = host("/naked")
    frame = page.frame_locator("iframe")
    frame.locator("[data-log] > .by-assistant").first.wait_for()
    frame.locator(".leave-button").click()
    left(page)


def test_a_hostile_host_page_gets_nothing(host: Callable[..., Page], served: Served, site: HostSite) -> None:
    """Twelve ways for a script on the host page to reach the words; each gives nothing."""
    page = host()
    frame = opened(page, served)
    page.evaluate(
        """() => {
            window.heard = [];
            addEventListener("message", event => heard.push(JSON.stringify(event.data)));
            for (const kind of ["keydown", "keyup", "keypress", "input", "focusin"])
                addEventListener(kind, event => heard.push(kind + (event.key ?? "")), true);
        }"""
    )
    tell(frame, CANARY)
    loot = page.evaluate(
        """async ([chat]) => {
            const frame = document.querySelector("[data-koll-chat]").shadowRoot.querySelector("iframe");
            const inside = frame.contentWindow;
            const tries = {
                document: () => frame.contentDocument?.body.innerHTML,
                window: () => inside.document.body.innerText,
                location: () => inside.location.href,
                storage: () => inside.localStorage.length,
                name: () => inside.name,
                evaluate: () => inside.eval("document.body.innerText"),
                history: () => inside.history.length,
                messages: () => { for (const data of ["koll", {koll: "history"}, {koll: "text"}, {koll: {}}, null])
                                      inside.postMessage(data, "*"); return ""; },
                fetch: async () => (await fetch(chat + "/api/chats")).text(),
                post: async () => (await fetch(chat + "/api/chats/messages", {method: "POST", body: "{}"})).text(),
                cookies: () => document.cookie,
                performance: () => JSON.stringify(performance.getEntries()),
            };
            const got = {};
            for (const [name, attempt] of Object.entries(tries)) {
                try { got[name] = String(await attempt() ?? ""); } catch (error) { got[name] = "refused"; }
            }
            await new Promise(resolve => setTimeout(resolve, 300));
            return [got, heard];
        }""",
        [served.url],
    )
    got, heard = loot
    assert len(got) == 12
    assert CANARY not in str(loot)
    assert {got[name] for name in ("window", "location", "storage", "evaluate", "history", "fetch", "post")} == {
        "refused"
    }
    assert got["document"] == ""
    assert not any(one.startswith(("key", "input")) for one in heard)
    frame_src = page.locator("iframe").get_attribute("src")
    assert frame_src == f"{served.url}/chatt/ruta"
    assert frame.evaluate("document.referrer") == ""
    expect(page.locator("iframe")).to_be_visible()


def test_messages_from_elsewhere_move_nothing(host: Callable[..., Page], served: Served) -> None:
    """A message of the right shape from the wrong window neither closes nor leaves."""
    page = host()
    opened(page, served)
    page.evaluate("() => { for (const koll of ['close', 'leave']) postMessage({koll}, '*'); }")
    page.wait_for_timeout(300)
    expect(page.locator("iframe")).to_be_visible()
    assert page.url.startswith("http://localhost")


def test_another_site_cannot_frame_the_chat(browser: Browser, served: Served, site: HostSite) -> None:
    """A page that is not on the municipality's list gets an empty frame."""
    context = browser.new_context()
    page = context.new_page()
    page.goto(site.origin.replace("localhost", "127.0.0.1") + "/naked")
    page.wait_for_timeout(1000)
    frame = page.frames[1]
    assert frame.locator("[data-chat]").count() == 0
    context.close()


def test_only_the_frame_route_may_be_framed(served: Served, site: HostSite) -> None:
    """Every other page refuses, the chat's own page too."""
    for path in ("/", "/chatt", "/karta", "/hjalp-nu", "/boka", "/skriv", "/lamna"):
        headers = served.client.get(path).headers
        assert "frame-ancestors 'none'" in headers["content-security-policy"], path
        assert headers["x-frame-options"] == "DENY"
    headers = served.client.get("/chatt/ruta").headers
    assert f"frame-ancestors 'self' {site.origin}" in headers["content-security-policy"]
    assert "x-frame-options" not in headers


def test_the_script_is_small_cacheable_and_the_same_for_everybody(served: Served) -> None:
    """It may be kept for an hour, is checked by its tag, and sets nothing."""
    first = served.client.get("/embed.js")
    assert first.headers["cache-control"] == "public, max-age=3600"
    assert first.headers["content-type"].startswith("text/javascript")
    assert len(first.content) < 12_000
    assert "set-cookie" not in first.headers
    again = served.client.get("/embed.js", headers={"If-None-Match": first.headers["etag"]})
    assert again.status_code == 304
    assert again.content == b""
