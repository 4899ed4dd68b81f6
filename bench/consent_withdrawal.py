"""How fast a withdrawn consent is felt: from the person's button to every open window, and to the next request.

A hundred and ninety windows stand open on other stories meanwhile. Ten look at the story whose consent is
taken back, then two hundred at once. The reference is a request to ``/health`` at the same moments.
"""

from __future__ import annotations

import asyncio
import re
import time
from dataclasses import dataclass

from bench import live, servers
from bench.common import Report

STORIES = 20
WINDOWS = 10
CROWD = 200
ROUNDS = 10
LIMIT_S = 1.0
UNIT = "behandlare"
_GONE = re.compile(rb"event: (withdrawn|closed)")


@dataclass(slots=True)
class Told:
    """A story that has been sent, as its teller's open page knows it."""

    house: live.House
    visit: str
    story_id: str = ""

    async def at(self, step: str, **more: str) -> str:
        """Press a button on the page; raises `RuntimeError` if it was not taken."""
        answer = await self.house.anybody.post("/min-sida", data={"visit": self.visit, "step": step, **more})
        if answer.status_code != 200:
            raise RuntimeError(f"{step}: {answer.status_code}")
        return answer.text

    async def let_in(self) -> None:
        """Let the unit read all of it, and find the story's id in the unit's list."""
        picture = await self.at("readers")
        revision = re.search(r'name="revision" value="(\d+)"', picture)
        assert revision
        await self.at("choose", all=UNIT, revision=revision[1])
        if not self.story_id:
            listed = (await self.house.staff.get("/personal/berattelser")).text
            self.story_id = re.findall(r"/personal/berattelse/([0-9a-f]{24})", listed)[0]

    async def window(self) -> live.Stream:
        """A page of the staff app that shows the story, from now on listening."""
        return await live.Stream.open(self.house.url, f"/personal/berattelse/{self.story_id}/nu", self.house.cookie)

    async def withdrawn(self, windows: list[live.Stream]) -> tuple[float, float]:
        """Take the consent back: seconds until the last window was told, and until the page was asked for and gone."""
        began = time.perf_counter()

        async def emptied(window: live.Stream) -> float:
            # A window that asks at this very moment whether it may go on is closed without hearing which parts go.
            read = b""
            async with asyncio.timeout(20):
                while not _GONE.search(read):
                    heard = await window.reader.read(4096)
                    if not heard:
                        raise RuntimeError("the stream ended without a word")
                    read += heard
            window.close()
            return time.perf_counter() - began

        told = [asyncio.ensure_future(emptied(window)) for window in windows]
        await self.at("withdraw", unit=UNIT)
        answer = await self.house.staff.get(f"/personal/berattelse/{self.story_id}")
        asked = time.perf_counter() - began
        if answer.status_code != 404:
            raise RuntimeError(f"still readable: {answer.status_code}")
        return max(await asyncio.gather(*told)), asked


async def tell(house: live.House) -> Told:
    """Send a story, and open its page."""
    form = {"words": "Pappa dricker.\n\nVarje fredag.", "reach": "code", "step": "send", "who": "child_10_12"}
    sent = (await house.anybody.post("/skriv", data=form)).text
    words = re.findall(r"<li[^>]*>(?:<[^>]*>)*([a-zåäö]+)", sent[sent.index("code-words") :])[:6]
    page = (await house.anybody.post("/min-sida", data={"words": " ".join(words)})).text
    visit = re.search(r'name="visit" value="([A-Za-z0-9_-]{43})"', page)
    if visit is None:
        raise RuntimeError("the code did not open the page")
    return Told(house, visit[1])


async def measure() -> Report:
    """Tell the stories, open the windows, take back one after the other."""
    with servers.scratch() as directory:
        async with live.open_house(directory) as house:
            stories = []
            for _ in range(STORIES):
                stories.append(await tell(house))
                await stories[-1].let_in()
            others = [await story.window() for story in stories[1:] for _ in range(WINDOWS)]
            reference, few, asked, crowd = [], [], [], []
            for _ in range(ROUNDS):
                began = time.perf_counter()
                await house.anybody.get("/health")
                reference.append(time.perf_counter() - began)
                windows = [await stories[0].window() for _ in range(WINDOWS)]
                told, gone = await stories[0].withdrawn(windows)
                few.append(told)
                asked.append(gone)
                await stories[0].let_in()
            for _ in range(3):
                told, _ = await stories[0].withdrawn([await stories[0].window() for _ in range(CROWD)])
                crowd.append(told)
                await stories[0].let_in()
            for window in others:
                window.close()
    report = Report("consent_withdrawal", reference)
    report.at_most("until the last of ten open windows is emptied", few, LIMIT_S, "s")
    report.at_most("until the next request finds nothing", asked, LIMIT_S, "s")
    report.at_most("until the last of two hundred is emptied", crowd, LIMIT_S, "s")
    report.notes.append(f"{len(others)} windows open on {STORIES - 1} other stories meanwhile")
    return report


def main() -> None:
    """Measure and report."""
    asyncio.run(measure()).finish()


if __name__ == "__main__":
    main()
