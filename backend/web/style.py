"""``/stil``: every colour and component on one page; ``/tema.css`` and ``/logotyp``: a municipality's own look."""

from __future__ import annotations

from sanic import Blueprint, HTTPResponse, Request, Sanic
from sanic.exceptions import NotFound

from backend.core.house import House
from backend.web.help import numbers
from backend.web.render import page
from backend.web.theme import Look


def setup(app: Sanic, house: House, look: Look) -> None:
    """Register the pages, and tell every template which of them the municipality has use for."""
    bp = Blueprint("style")
    app.ext.environment.globals.update(own_theme=bool(look.css), own_logo=look.logo is not None)

    @bp.get("/tema.css")
    async def colours(_request: Request) -> HTTPResponse:
        return HTTPResponse(look.css, content_type="text/css; charset=utf-8")

    @bp.get("/logotyp")
    async def logo(_request: Request) -> HTTPResponse:
        if look.logo is None:
            raise NotFound
        picture, kind = look.logo
        return HTTPResponse(picture, content_type=kind)

    @bp.get("/stil")
    async def show(request: Request) -> HTTPResponse:
        return await page(
            request,
            "style/page.html",
            schemes={scheme: look.pairs(scheme) for scheme in look.tokens},
            tokens=look.tokens["light"],
            **numbers(house),
        )

    app.blueprint(bp)
