"""One place turns an error into a page or JSON, kind and clear, never a trace.

Every answer names a way on: a visitor who cannot send is still shown who answers the phone.
"""

from __future__ import annotations

import logging
from typing import Any

from sanic import HTTPResponse, Request, Sanic, json
from sanic.exceptions import SanicException

from backend.core.clock import to_local
from backend.core.errors import DomainError
from backend.core.house import House
from backend.core.reader import Lang, Reader
from backend.web.help import language
from backend.web.render import page

log = logging.getLogger("koll")

_BY_STATUS = {404: "not_found", 405: "not_found", 413: "too_long", 408: "malformed"}


def setup(app: Sanic, house: House) -> None:
    """Register the handler for everything that is raised."""

    @app.exception(Exception)
    async def explain(request: Request, error: Exception) -> HTTPResponse:
        extra: dict[str, Any] = {}
        if isinstance(error, DomainError):
            status, code, extra = error.status, error.code, error.extra
        elif isinstance(error, SanicException) and error.status_code < 500:
            status = error.status_code
            code = _BY_STATUS.get(status, "malformed")
        else:
            # The type and place only: a message or a frame's locals may hold a child's words.
            status, code = 500, "internal"
            log.error("unexpected %s at %s", type(error).__name__, _place(error))
        return await answer(request, house, status, code, extra)


async def answer(request: Request, house: House, status: int, code: str, extra: dict[str, Any]) -> HTTPResponse:
    """The error as JSON for API clients, else as a page with a sentence and numbers to call."""
    reader: Reader = getattr(request.ctx, "reader", None) or Reader(lang=_language(request))
    message = house.phrases.say(f"error.{code}", reader)
    if wants_json(request):
        return json({"error": {"code": code, "message": message}, **extra}, status=status)
    lines = house.helplines.pick("child", reader, to_local(house.clock.now()).date())
    try:
        return await page(request, "error.html", status=status, reader=reader, message=message, lines=lines)
    except Exception as error:  # the page that must always come cannot depend on a template
        log.error("error page failed: %s", type(error).__name__)
        numbers = "".join(f"<li>{line.name}: {line.number}</li>" for line in lines if line.number)
        return HTTPResponse(f"<!doctype html><p>{message}</p><ul>{numbers}</ul>", status, content_type="text/html")


def wants_json(request: Request) -> bool:
    """Whether the caller is a program: the API, the internal API, or somebody who asks for JSON."""
    return request.path.startswith(("/api/", "/internal/")) or "application/json" in request.headers.get("accept", "")


def _language(request: Request) -> Lang:
    """The page's language. A request that cannot even be read is answered in Swedish."""
    try:
        return language(request, translated=True)
    except Exception:
        return "sv"


def _place(error: BaseException) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return "?"
    return f"{trace.tb_frame.f_code.co_filename.rpartition('/')[2]}:{trace.tb_lineno}"
