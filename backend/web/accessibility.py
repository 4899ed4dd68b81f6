"""``/tillganglighet``: how accessible the service is, what is not, and where to complain.

A public service must publish it (lagen 2018:1937 om tillgänglighet till digital offentlig
service, 13 §), private providers under the Social Services Act too (4 §).
"""

from __future__ import annotations

from sanic import Blueprint, HTTPResponse, Request, Sanic

from backend.core.house import House
from backend.core.reader import Reader
from backend.web.help import language
from backend.web.render import page


def setup(app: Sanic, house: House) -> None:
    """Register the page."""
    bp = Blueprint("accessibility")
    municipality = house.municipality
    statement = municipality.accessibility
    contact = municipality.contact(statement.contact) if statement else None

    @bp.get("/tillganglighet")
    async def show(request: Request) -> HTTPResponse:
        return await page(
            request, "accessibility.html", reader=Reader(lang=language(request)), statement=statement, contact=contact
        )

    app.blueprint(bp)
