"""Promise: in a team too large to compare everybody, talks are shared all the same, nobody who is free is overlooked,
and nobody is asked who does not work then any more."""

from __future__ import annotations

import asyncio
import random
from collections import Counter

import pytest
import sqlalchemy as sa

from backend.booking.service import BookingDesk
from backend.booking.tables import Booking, WorkingHours
from backend.core.errors import Taken
from backend.core.house import House
from backend.core.people import StaffMember
from tests.therapists import add_therapist

TEAM = 20


@pytest.fixture
def desk(house: House) -> BookingDesk:
    """Twenty therapists who work from ten to half past four. The day has been read once and is remembered."""
    for number in range(TEAM):
        add_therapist(house, f"t{number:02}", [("10:00", "16:30")])
    desk = BookingDesk(house)
    asyncio.run(desk.hold("chat:first", slots(desk)[0]))
    asyncio.run(desk.release("chat:first"))
    return desk


def slots(desk: BookingDesk) -> list[str]:
    return [free.slot for free in asyncio.run(desk.offer(limit=10)).times]


def shares(house: House, *where: sa.ColumnElement[bool]) -> Counter[str]:
    query = sa.select(Booking.therapist_id).where(Booking.state == "held", *where)
    return Counter(house.db.read_now(lambda s: list(s.scalars(query))))


def test_talks_are_shared(desk: BookingDesk, house: House) -> None:
    """Of a hundred talks in a day nobody has fewer than three or more than seven; by lot alone some have one or ten."""
    random.seed(7)
    starts = slots(desk)
    for number in range(100):
        asyncio.run(desk.hold(f"chat:{number}", starts[number % len(starts)]))
    found = shares(house)
    assert TEAM == len(found)
    assert 3 <= min(found.values()) and max(found.values()) <= 7


def test_the_last_one_who_is_free_is_found(desk: BookingDesk, house: House) -> None:
    """Twenty people want the same time: each gets a therapist of their own, the next is told that it is gone."""
    slot = slots(desk)[3]
    for number in range(TEAM):
        asyncio.run(desk.hold(f"chat:{number}", slot))
    assert set(shares(house).values()) == {1} and len(shares(house)) == TEAM
    with pytest.raises(Taken):
        asyncio.run(desk.hold("chat:late", slot))


def test_whoever_has_left_or_works_other_hours_is_not_asked(desk: BookingDesk, house: House) -> None:
    """One leaves and one goes home earlier, changed past our code: the rest are all that can be held, from the first on."""
    slot = slots(desk)[9]
    house.db.write_now(lambda s: s.execute(sa.update(StaffMember).where(StaffMember.id == "t00").values(active=False)))
    shorter = sa.update(WorkingHours).where(WorkingHours.staff_id == "t01").values(end_minute=11 * 60)
    house.db.write_now(lambda s: s.execute(shorter))
    for number in range(TEAM - 2):
        asyncio.run(desk.hold(f"chat:{number}", slot))
    assert {"t00", "t01"}.isdisjoint(shares(house))
    with pytest.raises(Taken):
        asyncio.run(desk.hold("chat:late", slot))
