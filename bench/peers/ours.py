"""Our desk behind one route: ``POST /book`` holds a time and books it.

``python -m bench.peers.ours PORT DATABASE [THERAPISTS] [naive]``; ``naive`` is the desk that looks first and stores afterwards.
"""

from __future__ import annotations

import sys
from typing import Any

from sanic import HTTPResponse, Request, Sanic, json

from backend.booking.service import BookingDesk, Details
from backend.core import audit
from backend.core.errors import DomainError
from backend.core.house import House
from bench import bookings
from tests.town import NaiveDesk

app = Sanic("ours", configure_logging=False)


@app.post("/book")
async def book(request: Request) -> HTTPResponse:
    """Hold and confirm, two transactions with sealing, code, traces and notice."""
    desk: BookingDesk = app.ctx.desk
    wish: Any = request.json if "json" in request.content_type else request.form
    holder, slot = wish.get("holder"), wish.get("slot")
    try:
        await desk.hold(holder, slot)
        booked = await desk.confirm(holder, Details("chat"))
    except DomainError as error:
        return json({"error": error.code}, status=error.status)
    return json({"id": booked.booking_id, "start": booked.start.isoformat()}, status=201)


@app.post("/note")
async def note(request: Request) -> HTTPResponse:
    """Store one row of a trail, durably."""
    house: House = app.ctx.house
    holder = request.json["holder"]
    await house.db.write(lambda session: audit.record(session, bookings.NOW, audit.Tag.CHAT_STARTED, holder))
    return json({"noted": holder}, status=201)


@app.get("/health")
async def health(_request: Request) -> HTTPResponse:
    """Ready."""
    return json({"ready": True})


if __name__ == "__main__":
    therapists = int(sys.argv[3]) if len(sys.argv) > 3 else bookings.THERAPISTS
    app.ctx.house = bookings.open_house(sys.argv[2], therapists=therapists)
    app.ctx.desk = (NaiveDesk if sys.argv[4:] == ["naive"] else BookingDesk)(app.ctx.house)
    app.run("127.0.0.1", int(sys.argv[1]), single_process=True, access_log=False, motd=False)
