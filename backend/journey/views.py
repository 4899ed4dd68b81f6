"""The map as pages: ``/karta`` and every station at ``/karta/<number>``, whole without JavaScript.

An address says which words to use (``?ord=``) and which language (``?lang=``), and a station's number:
nothing about whoever reads.
"""

from __future__ import annotations

import asyncio
from typing import Any

from sanic import Blueprint, HTTPResponse, Request, Sanic
from sanic.exceptions import NotFound

from backend.core.reader import BANDS, Band, Reader
from backend.core.schedule import once
from backend.journey.service import Journey, kept
from backend.journey.stations import usual_band
from backend.web.help import language
from backend.web.render import page


def setup(app: Sanic, journey: Journey) -> None:
    """Register the pages, and have the picture drawn beside the start."""
    bp = Blueprint("journey")

    once(app, "map", lambda: journey.whole(Reader()))

    @bp.get("/karta")
    async def show(request: Request) -> HTTPResponse:
        reader = asked(request)
        whole = await asyncio.to_thread(journey.whole, reader)
        return await page(request, "journey/map.html", reader=reader, whole=whole, **choices(reader))

    @bp.get("/karta/<slug:str>")
    async def station(request: Request, slug: str) -> HTTPResponse:
        reader = asked(request)
        shown = journey.page(slug, reader)
        if shown is None:
            raise NotFound
        return await page(request, "journey/station.html", reader=reader, station=shown, **choices(reader))

    app.blueprint(bp)


def asked(request: Request) -> Reader:
    """Whose words and which language a page was asked for in."""
    lang = language(request, translated=True)
    band: Band = next((one for one in BANDS if one == request.args.get("ord")), usual_band(lang))
    return Reader(band=band, lang=lang)


def choices(reader: Reader) -> dict[str, Any]:
    """The choice of words: for links to keep, and for the form that asks for it."""
    return {
        "keep": kept(reader),
        "band": reader.band,
        "bands": [(one, f"journey.bands.{_phrase(one)}") for one in BANDS],
    }


def _phrase(band: Band) -> str:
    return f"b{band.replace('-', '_')}" if band[0].isdigit() else band
