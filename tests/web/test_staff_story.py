"""Promise: staff read a story on the page of its concern; an open page hears at once when it may be read no more, and strangers hear nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator

import httpx

from tests.web.test_my_page import Town, revision_of, settings, town

__all__ = ["settings", "town"]
UNIT = "behandlare"
BEAT = ": alive"


def let_in(town: Town, words: str) -> str:
    """The teller lets the therapists read all of it; returns the open page."""
    page = town.at(town.page(words), "readers").text
    return town.at(page, "choose", all=UNIT, revision=revision_of(page)).text


def frames(stream: httpx.Response) -> Iterator[str]:
    """The named events of a stream until it ends; the first frame is the beat that says that it listens by now."""
    gathered, listens = "", False
    for text in stream.iter_text():
        gathered += text
        while "\n\n" in gathered:
            frame, _, gathered = gathered.partition("\n\n")
            if frame.startswith("event:") or (frame == BEAT and not listens):
                listens = True
                yield frame


def test_the_concern_of_a_story_opens_with_its_words(town: Town) -> None:
    """With what the law asks for next at its head, each a way to the form for it."""
    words = town.tell()
    karin = town.enter("karin")
    links = set(re.findall(r"/personal/oro/[0-9a-f]{24}", karin.get("/personal/inkorg").text))
    story = town.story(words)
    pages = [page for link in links if f"/personal/berattelse/{story}/nu" in (page := karin.get(link).text)]
    assert 1 == len(pages) and "Mamma dricker." in pages[0] and "Flytta till en annan enhet" in pages[0]
    head = pages[0][pages[0].index('class="concern-now"') :]
    assert {"check", "decision", "do"} == set(re.findall(r'href="#(\w+)"', head[: head.index("</nav>")]))


def test_a_window_hears_at_once_that_the_consent_is_gone(town: Town) -> None:
    """First which parts go, then that the page is closed; the next request finds nothing."""
    words = town.tell()
    page, story, anna = let_in(town, words), town.story(words), town.enter("anna")
    path = f"/personal/berattelse/{story}"
    parts = re.findall(r'data-part="([0-9a-f]{24})"', anna.get(path).text)
    assert parts and " ".join(parts) == anna.get(f"{path}/delar").text
    with anna.stream("GET", f"{path}/nu") as stream:
        assert "text/event-stream" == stream.headers["content-type"].partition(";")[0]
        heard = frames(stream)
        assert BEAT == next(heard)
        town.at(page, "withdraw", unit=UNIT)
        assert [f"event: withdrawn\ndata: {' '.join(parts)}", "event: closed\ndata: "] == list(heard)
    assert [404, 404, 404] == [anna.get(f"{path}{end}").status_code for end in ("", "/delar", "/nu")]


def test_more_is_told_to_the_window_without_a_word_of_it(town: Town) -> None:
    """The unit that has the story hears that there is more, and asks for it itself."""
    words = town.tell()
    story, karin = town.story(words), town.enter("karin")
    with karin.stream("GET", f"/personal/berattelse/{story}/nu") as stream:
        heard = frames(stream)
        assert BEAT == next(heard)
        let_in(town, words)
        assert "event: readers\ndata: " == next(heard)


def test_strangers_hear_nothing(town: Town) -> None:
    """Nobody is 401; a unit that was not let in, and an administrator, get 404 as for a story that is none."""
    story = town.story(town.tell())
    for end in ("/nu", "/delar"):
        assert 401 == town.client.get(f"/personal/berattelse/{story}{end}").status_code
        for login in ("johan", "anna", "adam"):
            stranger = town.enter(login)
            assert 404 == stranger.get(f"/personal/berattelse/{story}{end}").status_code
            assert 404 == stranger.get(f"/personal/berattelse/{'0' * 24}{end}").status_code
