"""Therapists with the hours that a test needs, and an independent check that no two talks overlap."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import msgspec
import sqlalchemy as sa

from backend.booking.lifecycle import BOOKED, HELD
from backend.booking.service import BookingDesk
from backend.booking.tables import Booking, BookingCell, Therapist, WorkingHours
from backend.core.db import Base
from backend.core.house import House
from backend.core.people import Role, StaffMember

EVERY_WEEKDAY = range(5)


def add_staff(
    house: House, name: str, *, role: Role = Role.THERAPIST, unit: str = "behandlare", mail: str = ""
) -> StaffMember:
    """A staff member whose id, login and first name are ``name``."""
    member = StaffMember(
        id=name, login=name, first_name=name.capitalize(), role=role.value, unit=unit, mail=mail,
        password_hash="x", active=True, created_at=house.clock.now(),
    )  # fmt: skip
    house.db.write_now(lambda session: session.add(member))
    return member


def add_therapist(
    house: House,
    name: str,
    spans: Sequence[tuple[str, str]],
    *,
    days: Sequence[int] = EVERY_WEEKDAY,
    channels: str = "chat,phone,video",
    unit: str = "behandlare",
    mail: str = "",
) -> StaffMember:
    """A therapist who works ``spans`` (local ``HH:MM``) on ``days`` (Monday 0)."""
    member = add_staff(house, name, unit=unit, mail=mail)

    def work(session: Any) -> None:
        session.add(Therapist(staff_id=name, channels=channels, meeting_url=f"https://video.example/{name}"))
        session.flush()
        session.add_all(
            WorkingHours(staff_id=name, weekday=day, start_minute=minutes(start), end_minute=minutes(end))
            for day in days
            for start, end in spans
        )

    house.db.write_now(work)
    return member


def minutes(clock: str) -> int:
    """``08:30`` as 510."""
    hour, minute = clock.split(":")
    return int(hour) * 60 + int(minute)


def desk_with(house: House, **terms: Any) -> BookingDesk:
    """A desk whose booking terms differ from the example municipality's."""
    booking = msgspec.structs.replace(house.municipality.booking, **terms)
    return BookingDesk(replace(house, municipality=msgspec.structs.replace(house.municipality, booking=booking)))


def count(house: House, table: type[Base], *where: Any) -> int:
    """Rows of ``table`` that meet ``where``."""
    return house.db.read_now(lambda s: s.scalar(sa.select(sa.func.count()).select_from(table).where(*where))) or 0


def overlaps(house: House) -> int:
    """Pairs of talks of one therapist that share time, judged by their instants alone and not by cells."""
    rows = house.db.read_now(
        lambda s: s.execute(
            sa.select(Booking.therapist_id, Booking.start_at, Booking.end_at)
            .where(Booking.state.in_((HELD, BOOKED)))
            .order_by(Booking.therapist_id, Booking.start_at)
        ).all()
    )
    found = 0
    for _, group in itertools.groupby(rows, key=lambda row: row[0]):
        talks = list(group)
        found += sum(talks[i][2] > talks[j][1] for i in range(len(talks)) for j in range(i + 1, len(talks)))
    return found


def cells_of(house: House, booking_id: str) -> int:
    """How many cells a booking owns."""
    return count(house, BookingCell, BookingCell.booking_id == booking_id)
