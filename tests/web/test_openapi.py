"""Promise: what is described at /docs is what the router answers: every JSON route is there, and nothing that is not."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from sanic import Sanic

from tests.conftest import ManualClock, make_settings
from tests.web.serving import Served, serve

STAFF_JSON = {("/personal/oro/{concern_id}/export", "post")}
"""What of the staff app is meant for other systems."""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serve(make_settings(tmp_path_factory.mktemp("openapi")), ManualClock()) as served:
        yield served


def _routes() -> set[tuple[str, str]]:
    """The JSON routes of the running app, as the description writes their paths."""
    *_others, app = Sanic._app_registry.values()
    found = set()
    for route in app.router.routes:
        path = "/" + re.sub(r"<([a-z_]+)[^>]*>", r"{\1}", route.path)
        if path.startswith("/api/"):
            found |= {(path.rstrip("/"), method.lower()) for method in route.methods - {"HEAD", "OPTIONS"}}
    return found


def test_the_router_and_the_description_agree(served: Served) -> None:
    """Every public JSON route is described, every described one exists, with a sentence and its answers."""
    paths = served.client.get("/docs/openapi.json").json()["paths"]
    described = {
        (path.rstrip("/"), method): told for path, methods in paths.items() for method, told in methods.items()
    }
    public = {key for key in described if key[0].startswith("/api/")}
    assert _routes() == public and public
    assert STAFF_JSON <= described.keys()
    for key in public | STAFF_JSON:
        told = described[key]
        assert told.get("summary"), key
        assert any(str(code).startswith("2") or code == "default" for code in told["responses"]), key


def test_no_inner_door_is_described(served: Served) -> None:
    """What the assistant's actions call is nobody else's."""
    assert "/internal" not in served.client.get("/docs/openapi.json").text
