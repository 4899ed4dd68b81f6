"""``/``: the page of a municipality with the chat embedded, as it would look on its own site."""

from __future__ import annotations

from sanic import Blueprint, HTTPResponse, Request, Sanic

from backend.web.render import page


def setup(app: Sanic) -> None:
    """Register the page. It says plainly that the municipality is made up, when it is."""
    bp = Blueprint("demo")

    @bp.get("/")
    async def show(request: Request) -> HTTPResponse:
        return await page(request, "demo/home.html")

    app.blueprint(bp)
