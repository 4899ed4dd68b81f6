"""Our desk behind one route: ``POST /book`` holds a time and books it."""

from __future__ import annotations

import sys

from sanic import HTTPResponse, Request, Sanic, json

from backend.booking.service import BookingDesk, Details
from backend.core import audit
from backend.core.errors import DomainError
from backend.core.house import House
from bench import bookings

app = Sanic("ours", configure_logging=False)


@app.post("/book")
async def book(request: Request) -> HTTPResponse:
    """Hold and confirm, two transactions with sealing, code, traces and notice."""
    desk: BookingDesk = app.ctx.desk
    try:
        await desk.hold(request.json["holder"], request.json["slot"])
        booked = await desk.confirm(request.json["holder"], Details("chat"))
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
    app.ctx.house = bookings.open_house(sys.argv[2])
    app.ctx.desk = BookingDesk(app.ctx.house)
    app.run("127.0.0.1", int(sys.argv[1]), single_process=True, access_log=False, motd=False)
