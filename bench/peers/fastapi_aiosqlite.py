"""FastAPI, SQLAlchemy's asyncio session and aiosqlite: look whether somebody is free, then store."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
import uvicorn
from fastapi import FastAPI, HTTPException
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine

from bench.peers.naive_tables import AuditEvent, Base, Booking, Therapist, configure, rows_of, taken

engine = create_async_engine(f"sqlite+aiosqlite:///{sys.argv[2]}")
sa.event.listen(engine.sync_engine, "connect", configure)
sessions = async_sessionmaker(engine, expire_on_commit=False)


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
    """Tables and forty therapists."""
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    async with sessions() as session, session.begin():
        session.add_all(Therapist(name=f"therapist-{number}") for number in range(40))
    yield
    await engine.dispose()


app = FastAPI(lifespan=lifespan)


@app.post("/book", status_code=201)
async def book(wish: dict[str, Any]) -> dict[str, Any]:
    """Check, then store."""
    start = datetime.fromisoformat(wish["start"])
    end = start + timedelta(minutes=30)
    async with sessions() as session, session.begin():
        busy = set(await session.scalars(taken(start, end)))
        free = [each for each in await session.scalars(sa.select(Therapist.id)) if each not in busy]
        if not free:
            raise HTTPException(409)
        booking = Booking(
            holder=wish["holder"], therapist_id=free[0], start_at=start, end_at=end, state="booked", channel="chat"
        )
        session.add(booking)
        await session.flush()
        session.add_all(rows_of(booking, os.urandom(32), datetime.now(UTC)))
    return {"id": booking.id, "start": wish["start"]}


@app.post("/note", status_code=201)
async def note(wish: dict[str, Any]) -> dict[str, Any]:
    """Store one row of a trail."""
    async with sessions() as session, session.begin():
        session.add(AuditEvent(at=datetime.now(UTC), actor="visitor", tag="started", subject=wish["holder"]))
    return {"noted": wish["holder"]}


@app.get("/health")
async def health() -> dict[str, bool]:
    """Ready."""
    return {"ready": True}


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="error")
