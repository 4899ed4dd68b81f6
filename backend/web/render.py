"""Pages from Jinja templates, with the words from ``content/``."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any

from sanic import HTTPResponse, Request, Sanic
from sanic_ext import render as sanic_render

from backend.core.house import House
from backend.core.reader import Reader

TEMPLATES = Path(__file__).resolve().parent / "templates"
STATIC = Path(__file__).resolve().parent / "static"


def setup(app: Sanic, house: House) -> None:
    """Make ``t('phrase.key')``, ``municipality`` and ``exit_url`` known to every template."""
    environment = app.ext.environment
    environment.autoescape = True
    environment.trim_blocks = environment.lstrip_blocks = True
    environment.globals.update(
        t=house.phrases.say,
        once=once,
        phrases=house.phrases,
        municipality=house.municipality,
        exit_url=house.municipality.exit_url,
        Reader=Reader,
    )


def once() -> str:
    """A key for one form on one page: sent twice, it is one request (`backend.core.idempotency`)."""
    return secrets.token_hex(12)


async def page(request: Request, template: str, *, status: int = 200, **context: Any) -> HTTPResponse:
    """Render ``template`` with ``context``; every page is UTF-8 HTML and never cached."""
    context.setdefault("reader", Reader())
    context["path"] = request.path
    response = await sanic_render(template, status=status, context=context, app=request.app)
    return response


async def fragment(request: Request, template: str, **context: Any) -> str:
    """A piece of a page, rendered with the same words as the whole."""
    context.setdefault("reader", Reader())
    rendered: str = await request.app.ext.environment.get_template(template).render_async(**context)
    return rendered
