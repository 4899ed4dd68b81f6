"""The map as a page: every station in order, in the words of the chosen reader, without JavaScript."""

from __future__ import annotations

from sanic import Blueprint, HTTPResponse, Request, Sanic

from backend.core.reader import BANDS, Band, Reader
from backend.journey.service import Journey
from backend.journey.stations import UNKNOWN_READS
from backend.web.render import page


def setup(app: Sanic, journey: Journey) -> None:
    """Register ``/karta``. The choice of words travels as ``?ord=``, which says nothing about the visitor's situation."""
    bp = Blueprint("journey")

    @bp.get("/karta")
    async def show(request: Request) -> HTTPResponse:
        band = _band(request.args.get("ord"))
        reader = Reader(band=band)
        return await page(
            request,
            "journey/map.html",
            parts=journey.parts(reader),
            overview=journey.overview(reader)["text"],
            band=band,
            bands=[(one, f"journey.bands.{_phrase(one)}") for one in BANDS],
        )

    app.blueprint(bp)


def _band(chosen: str | None) -> Band:
    return next((band for band in BANDS if band == chosen), UNKNOWN_READS)


def _phrase(band: Band) -> str:
    return f"b{band.replace('-', '_')}" if band[0].isdigit() else band
