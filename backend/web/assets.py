"""Style sheets, scripts and pictures at ``/static``, and everything public sent small.

Nothing is kept on the device, these files no more than pages: a phone may be looked through, and a copy
of ``chat.js`` from this address in its cache says that somebody was here. So they come anew with every
page, and must be small: `tests/web/test_weight.py` counts the bytes.

Only what is the same for everybody is compressed: answers to GET without cookie or chat id. A page that
holds a secret beside words that somebody else may have chosen would give the secret away by its length
(the attack called BREACH).
"""

from __future__ import annotations

import gzip
import mimetypes
from pathlib import Path

from sanic import Blueprint, HTTPResponse, Request, Sanic
from sanic.exceptions import NotFound
from sanic.response import BaseHTTPResponse

from backend.web.render import STATIC

SMALLEST = 600
"""Bytes; below this a compressed answer is hardly shorter."""
_QUICKLY, _WELL = 6, 9
_KINDS = ("text/html", "text/css", "text/javascript", "application/javascript", "application/json", "image/svg+xml")


class Assets:
    """The files of one folder, kept in memory as they are and compressed; a file that has changed is read again."""

    def __init__(self, folder: Path) -> None:
        self._paths = {path.name: path for path in folder.iterdir() if path.is_file()}
        self._kept: dict[str, tuple[int, bytes, bytes]] = {}

    def get(self, name: str) -> tuple[bytes, bytes, str] | None:
        """The file, the file compressed, and its media type; None for a name that is no file of the folder."""
        path = self._paths.get(name)
        if path is None:
            return None
        changed = path.stat().st_mtime_ns
        if name not in self._kept or self._kept[name][0] != changed:
            plain = path.read_bytes()
            self._kept[name] = (changed, plain, gzip.compress(plain, _WELL, mtime=0))
        kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
        return self._kept[name][1], self._kept[name][2], kind


def setup(app: Sanic) -> None:
    """Register ``/static/<name>`` and the middleware that compresses public answers."""
    bp = Blueprint("assets")
    assets = Assets(STATIC)

    @bp.get("/static/<name:str>")
    @bp.head("/static/<name:str>", name="asset_head")
    async def asset(request: Request, name: str) -> HTTPResponse:
        found = assets.get(name)
        if found is None:
            raise NotFound
        plain, small, kind = found
        text = kind.startswith(("text/", "application/javascript", "image/svg"))
        headers = {"vary": "accept-encoding"}
        if text and takes_gzip(request):
            headers["content-encoding"] = "gzip"
        body = small if "content-encoding" in headers else plain
        return HTTPResponse(body, content_type=f"{kind}; charset=utf-8" if text else kind, headers=headers)

    async def compress(request: Request, response: BaseHTTPResponse) -> None:
        if not isinstance(response, HTTPResponse) or not is_public(request):
            return
        kind = (response.content_type or "").partition(";")[0]
        body = response.body
        if kind not in _KINDS or not body or len(body) < SMALLEST or "content-encoding" in response.headers:
            return
        response.headers["vary"] = "accept-encoding"
        if takes_gzip(request):
            response.headers["content-encoding"] = "gzip"
            response.body = gzip.compress(body, _QUICKLY, mtime=0)

    app.blueprint(bp)
    app.register_middleware(compress, "response")


def takes_gzip(request: Request) -> bool:
    """Whether the client says that it can read gzip."""
    offered = (one.partition(";") for one in request.headers.get("accept-encoding", "").lower().split(","))
    return any(name.strip() in ("gzip", "*") and weight.strip() not in ("q=0", "q=0.0") for name, _, weight in offered)


def is_public(request: Request) -> bool:
    """Whether the answer can hold nothing that belongs to one visitor or member of staff."""
    return request.method == "GET" and "authorization" not in request.headers and "cookie" not in request.headers
