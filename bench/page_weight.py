"""What the chat and the map weigh as they are sent, and when a phone on a slow line shows the first of them.

A real browser with nothing stored, a processor slowed four times and a line as slow 4G is usually
imitated (150 ms there and back, 1.6 Mbit/s down, 0.75 up). The reference is a picture of some hundred bytes from
the same server over the same line: what the line alone costs. A busy machine makes every figure worse.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass

from playwright.sync_api import Browser, sync_playwright

from bench import servers
from bench.common import Report
from scripts import steps
from scripts.environment import PYTHON

ROUNDS = 7
PAGES = {"/chatt": 60.0, "/karta": 120.0, "/karta/8": 60.0, "/boka": 60.0, "/hjalp-nu": 60.0}
"""Each with the KB (of 1,024 bytes) that it may weigh."""
LINE = {"offline": False, "latency": 150, "downloadThroughput": 1_600_000 / 8, "uploadThroughput": 750_000 / 8}
SLOWER = 4
FIRST_VIEW = 1.0
"""Seconds."""
REFERENCE = "/static/listen.svg"


@dataclass(frozen=True, slots=True)
class View:
    """One visit: seconds to the first thing seen and to everything loaded, and KB over the line."""

    first: float
    loaded: float
    weight: float


def visit(browser: Browser, url: str) -> View:
    """Open a page on a phone that was never here. A picture paints nothing by itself: its first is when it is loaded."""
    context = browser.new_context(viewport={"width": 360, "height": 740}, device_scale_factor=2, locale="sv-SE")
    try:
        page = context.new_page()
        device = context.new_cdp_session(page)
        device.send("Network.enable")
        device.send("Network.emulateNetworkConditions", LINE)
        device.send("Emulation.setCPUThrottlingRate", {"rate": SLOWER})
        weights: list[float] = []
        device.on("Network.loadingFinished", lambda event: weights.append(event["encodedDataLength"]))
        page.goto(url, wait_until="load")
        loaded = page.evaluate("performance.getEntriesByType('navigation')[0].loadEventStart") / 1000
        first = page.evaluate(
            """() => new Promise(done => {
                const seen = () => performance.getEntriesByName("first-contentful-paint")[0]?.startTime;
                const wait = left => seen() || !left ? done(seen() ?? null) : setTimeout(wait, 50, left - 1);
                wait(document.documentElement.localName === "svg" ? 0 : 100);
            })"""
        )
        return View(first / 1000 if first else loaded, loaded, sum(weights) / 1024)
    finally:
        context.close()


@contextlib.contextmanager
def backend() -> Iterator[str]:
    """The address of a real process on a database of its own."""
    with servers.scratch() as directory:
        env = servers.settings(directory)
        servers.migrate(env)
        process = steps.spawn([PYTHON, "-m", "backend", "serve"], "bench-page-weight", env=env)
        try:
            servers.until_ok(f"{env['PUBLIC_URL']}/chatt", process)
            yield env["PUBLIC_URL"]
        finally:
            steps.end([process])


def main() -> None:
    """Measure and report. The first round fills the server's caches and does not count."""
    views: dict[str, list[View]] = {path: [] for path in (REFERENCE, *PAGES)}
    with backend() as url, sync_playwright() as playwright:
        own = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
        browser = playwright.chromium.launch(executable_path=own, args=["--no-sandbox", "--disable-gpu"])
        for _ in range(ROUNDS + 1):
            for path, seen in views.items():
                seen.append(visit(browser, url + path))
        browser.close()
    counted = {path: seen[1:] for path, seen in views.items()}
    reference = [view.loaded for view in counted[REFERENCE]]
    report = Report("page_weight", reference)
    for path, limit in PAGES.items():
        seen = counted[path]
        report.at_most(f"{path}, all that it loads", [view.weight for view in seen], limit, "KB")
        report.at_most(f"{path}, first view", [view.first for view in seen], FIRST_VIEW, "s")
        report.told(
            f"{path}, first view ÷ a small picture", [v.first / r for v, r in zip(seen, reference, strict=True)]
        )
    report.told("a small picture over the same line", reference, "s")
    report.notes.append("360 × 740 pixels, nothing stored; line 150 ms, 1.6/0.75 Mbit/s; processor four times slower")
    report.finish()


if __name__ == "__main__":
    main()
