"""Promise: the pages are light, for a phone with little data: the chat 60 KB at most and the map 120 KB,
everything that they load counted as it is sent; and nothing stays on the device.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import httpx
import pytest

from tests.conftest import make_settings
from tests.web.serving import Served, serve

KB = 1024
HEAVIEST = {"/chatt": 60 * KB, "/karta": 120 * KB, "/karta?ord=adult": 120 * KB, "/karta/8": 60 * KB, "/boka": 60 * KB}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serve(make_settings(tmp_path_factory.mktemp("weight"))) as running:
        yield running


def sent(served: Served, path: str) -> tuple[httpx.Response, int]:
    """The answer and how many bytes of body went over the line."""
    with served.client.stream("GET", path, headers={"accept-encoding": "gzip"}) as answer:
        weight = sum(len(chunk) for chunk in answer.iter_raw())
    assert answer.status_code == 200, path
    return answer, weight


def everything(served: Served, path: str) -> dict[str, int]:
    """What a browser loads for a page, scripts that scripts import included, and the bytes of each."""
    weights: dict[str, int] = {}
    waiting = [path]
    while waiting:
        one = waiting.pop()
        if one in weights:
            continue
        _, weights[one] = sent(served, one)
        text = served.client.get(one).text
        if one == path:
            waiting += re.findall(r'<(?:link|script|img)[^>]+(?:href|src)="(/[^"]+)"', text)
        elif one.endswith(".js"):
            waiting += ["/static/" + name for name in re.findall(r'from "(?:\.|/static)/([a-z]+\.js)"', text)]
        elif one.endswith(".css"):
            waiting += re.findall(r'url\("(/[^"]+)"\)', text)
    return weights


@pytest.mark.parametrize("path", HEAVIEST)
def test_a_page_with_all_it_loads_is_light(served: Served, path: str) -> None:
    """Compressed, as a browser asks for it."""
    weights = everything(served, path)
    assert any(name.endswith(".js") for name in weights)
    assert sum(weights.values()) <= HEAVIEST[path], weights


@pytest.mark.parametrize("path", ["/karta", "/static/base.css", "/static/map.js", "/static/listen.svg"])
def test_nothing_is_kept_on_the_device(served: Served, path: str) -> None:
    """Not even a style sheet: its address in a phone's cache would say that somebody was here."""
    answer, _ = sent(served, path)
    assert "no-store" == answer.headers["cache-control"]
    assert "etag" not in answer.headers
    assert "gzip" == answer.headers.get("content-encoding", "gzip")
    assert "accept-encoding" == answer.headers["vary"]


@pytest.mark.parametrize("offered", ["identity", "", "gzip;q=0", "br"])
def test_who_cannot_read_gzip_gets_it_plain(served: Served, offered: str) -> None:
    """Old devices, and readers that say no."""
    for path in ("/karta", "/static/base.css"):
        answer = served.client.get(path, headers={"accept-encoding": offered})
        assert "content-encoding" not in answer.headers
        assert answer.text.strip()


def test_what_belongs_to_one_person_is_never_compressed(served: Served) -> None:
    """A secret beside words that somebody else chose would show in the length of the answer (BREACH)."""
    gzip = {"accept-encoding": "gzip"}
    begun = served.client.post("/chatt", data={"text": "hej " * 400, "form_key": "b" * 20}, headers=gzip)
    assert "content-encoding" not in begun.headers
    with_cookie = served.client.get("/karta", headers={**gzip, "cookie": "a=b"})
    assert "content-encoding" not in with_cookie.headers
    with_chat = served.client.get("/karta", headers={**gzip, "authorization": "Bearer x"})
    assert "content-encoding" not in with_chat.headers


@pytest.mark.parametrize("name", ["", "nix.css", "../app.py", "..%2fapp.py", "%2e%2e/render.py"])
def test_only_files_of_the_folder_are_served(served: Served, name: str) -> None:
    """No way out of it."""
    assert 404 == served.client.get(f"/static/{name}").status_code
    assert 200 == served.client.head("/static/base.css").status_code
