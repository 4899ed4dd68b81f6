"""Flask and SQLAlchemy's ORM under gunicorn with two workers: look whether somebody is free, then store."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from flask import Flask, request
from sqlalchemy.orm import Session

from bench.peers.naive_tables import AuditEvent, Base, Booking, Therapist, configure, rows_of, taken


def make(path: str) -> Flask:
    """The app on the database file at ``path``, which `prepare` has made."""
    app = Flask("naive")
    engine = sa.create_engine(f"sqlite:///{path}")
    sa.event.listen(engine, "connect", configure)

    @app.post("/book")
    def book() -> tuple[dict[str, Any], int]:
        wish = request.get_json()
        start = datetime.fromisoformat(wish["start"])
        end = start + timedelta(minutes=30)
        with Session(engine) as session, session.begin():
            busy = set(session.scalars(taken(start, end)))
            free = [each for each in session.scalars(sa.select(Therapist.id)) if each not in busy]
            if not free:
                return {"error": "taken"}, 409
            booking = Booking(
                holder=wish["holder"], therapist_id=free[0], start_at=start, end_at=end, state="booked", channel="chat"
            )
            session.add(booking)
            session.flush()
            booking_id = booking.id
            session.add_all(rows_of(booking, os.urandom(32), datetime.now(UTC)))
        return {"id": booking_id, "start": wish["start"]}, 201

    @app.post("/note")
    def note() -> tuple[dict[str, Any], int]:
        wish = request.get_json()
        with Session(engine) as session, session.begin():
            session.add(AuditEvent(at=datetime.now(UTC), actor="visitor", tag="started", subject=wish["holder"]))
        return {"noted": wish["holder"]}, 201

    @app.get("/health")
    def health() -> dict[str, bool]:
        return {"ready": True}

    return app


def prepare(path: str) -> None:
    """Tables and forty therapists."""
    engine = sa.create_engine(f"sqlite:///{path}")
    Base.metadata.create_all(engine)
    with Session(engine) as session, session.begin():
        session.add_all(Therapist(name=f"therapist-{number}") for number in range(40))
    engine.dispose()
