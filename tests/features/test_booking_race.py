"""Promise: however many want the same time at the same moment, one gets it, and what is stored agrees with itself.

The same crowd is let loose on a desk that checks first and stores afterwards. It
double-books, which shows that these tests can fail.
"""

from __future__ import annotations

import asyncio
import random
import sqlite3
import threading
from collections import Counter
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from backend.booking import rules
from backend.booking.lifecycle import BOOKED, HELD
from backend.booking.service import BookingDesk, Details
from backend.booking.tables import Booking, BookingCell
from backend.core.audit import AuditEvent, Tag
from backend.core.codes import ReturnCode
from backend.core.errors import AlreadyBooked, DomainError, HoldExpired, InvalidField, Taken
from backend.core.house import House
from backend.core.outbox import OutboxMessage
from backend.core.vault import new_id
from tests.conftest import ManualClock
from tests.therapists import add_therapist, cells_of, count, desk_with, overlaps

pytestmark = pytest.mark.slow

THREADS = 4
AT_ONCE = 60
CHAT = Details("chat")

Attempt = Callable[[int], Coroutine[Any, Any, Any]]


def crowd(attempt: Attempt, attempts: int) -> Counter[str]:
    """Run ``attempt(number)`` from several threads with an event loop each; count outcomes by error name or ``booked``."""
    outcomes: Counter[str] = Counter()
    together = threading.Barrier(THREADS)

    def of_a_thread(numbers: range) -> None:
        async def all_of_them() -> list[str]:
            gate = asyncio.Semaphore(AT_ONCE)

            async def one(number: int) -> str:
                async with gate:
                    try:
                        await attempt(number)
                    except DomainError as error:
                        return type(error).__name__
                    return "booked"

            return await asyncio.gather(*(one(number) for number in numbers))

        together.wait(timeout=30)
        results = asyncio.run(all_of_them())
        with lock:
            outcomes.update(results)

    lock = threading.Lock()
    with ThreadPoolExecutor(THREADS) as pool:
        for done in [pool.submit(of_a_thread, range(k, attempts, THREADS)) for k in range(THREADS)]:
            done.result()
    return outcomes


TODAY = rules.Wanted(end=datetime(2026, 11, 25, 23, tzinfo=UTC))
"""Until midnight in Stockholm."""


def ten_starts(desk: BookingDesk) -> list[str]:
    return [time.slot for time in asyncio.run(desk.offer(wanted=TODAY, limit=99)).times]


def five_therapists(house: House) -> None:
    """Fifty talks fit into today: ten starts from 10.00, five people."""
    for name in ("anna", "bo", "cia", "dan", "eva"):
        add_therapist(house, name, [("10:00", "16:30")])


def test_two_thousand_want_fifty_times(house: House) -> None:
    """Exactly fifty are booked, each with one code, one notice and one trace; nobody else got anything but 'taken'."""
    five_therapists(house)
    desk = BookingDesk(house)
    slots = ten_starts(desk)
    assert 10 == len(slots)

    async def attempt(number: int) -> None:
        await desk.hold(f"chat:{number}", slots[number % 10])
        await desk.confirm(f"chat:{number}", CHAT)

    assert {"booked": 50, "Taken": 1950} == dict(crowd(attempt, 2000))
    assert 50 == count(house, Booking, Booking.state == BOOKED)
    assert 0 == count(house, Booking, Booking.state == HELD)
    assert 50 * 8 == count(house, BookingCell)
    assert (50, 50) == (count(house, OutboxMessage), count(house, ReturnCode))
    for tag in (Tag.BOOKING_HELD, Tag.BOOKING_CONFIRMED):
        assert 50 == count(house, AuditEvent, AuditEvent.tag == tag.value)
    assert 0 == overlaps(house)
    assert [] == asyncio.run(desk.offer(wanted=TODAY)).times


def test_talks_of_different_lengths_never_overlap(house: House) -> None:
    """Thirty, forty-five and sixty minutes on grids that cross each other: equality of start times would not see it."""
    five_therapists(house)
    desks = [
        desk_with(house, meeting_minutes=length, buffer_minutes=pause) for length, pause in ((30, 10), (45, 5), (60, 0))
    ]
    slots = [ten_starts(desk) for desk in desks]

    async def attempt(number: int) -> None:
        desk, mine = desks[number % 3], random.Random(number)
        await desk.hold(f"chat:{number}", mine.choice(slots[number % 3]))
        await desk.confirm(f"chat:{number}", CHAT)
        if mine.random() < 0.3:  # some change their mind, and others move in
            booking = await desk.confirm(f"chat:{number}", CHAT)
            await desk.cancel(booking.booking_id)

    outcomes = crowd(attempt, 600)
    assert {"booked", "Taken"} >= set(outcomes)
    active = count(house, Booking, Booking.state == BOOKED)
    cancelled = count(house, AuditEvent, AuditEvent.tag == Tag.BOOKING_CANCELLED.value)
    assert active >= 15
    assert (active + cancelled, 0) == (outcomes["booked"], overlaps(house))
    assert active + 2 * cancelled == count(house, OutboxMessage)
    owned = house.db.read_now(
        lambda s: s.execute(
            sa.select(Booking.id, sa.func.count(BookingCell.cell))
            .join(BookingCell, BookingCell.booking_id == Booking.id)
            .where(Booking.state == BOOKED)
            .group_by(Booking.id)
        ).all()
    )
    assert active == len(owned)
    assert {8, 10, 12} >= {cells for _, cells in owned}


class NaiveDesk:
    """How booking is often written: look whether the time is free, then store the booking."""

    def __init__(self, house: House) -> None:
        self._house = house

    async def book(self, holder: str, start: datetime, therapists: list[str]) -> None:
        end = start + timedelta(minutes=30)

        def busy(session: Any) -> set[str]:
            return set(
                session.scalars(
                    sa.select(Booking.therapist_id).where(
                        Booking.state == BOOKED, Booking.start_at < end, Booking.end_at > start
                    )
                )
            )

        taken = await self._house.db.read(busy)
        free = [therapist for therapist in therapists if therapist not in taken]
        if not free:
            raise Taken
        booking = Booking(
            id=new_id(), holder=holder, therapist_id=free[0], start_at=start, end_at=end, state=BOOKED,
            lang="sv", created_at=self._house.clock.now(),
        )  # fmt: skip
        await self._house.db.write(lambda session: session.add(booking))


def test_check_then_store_is_caught(house: House) -> None:
    """The same crowd and the same check of overlaps find double bookings in at most five tries of the naive way."""
    five_therapists(house)
    therapists = ["anna", "bo", "cia", "dan", "eva"]
    desk = NaiveDesk(house)
    starts = [rules.read_slot(slot).start for slot in ten_starts(BookingDesk(house))]
    for _ in range(5):

        async def attempt(number: int) -> None:
            await desk.book(f"chat:{number}", starts[number % 10], therapists)

        crowd(attempt, 2000)
        if overlaps(house):
            return
        house.db.write_now(lambda s: s.execute(sa.delete(Booking)))
    pytest.fail("the naive way never double-booked: this test ground cannot see the fault it is there for")


def test_two_windows_confirm_one_hold_once(house: House) -> None:
    """Eight simultaneous confirmations of a hold give one talk, one code and the same six words to all."""
    add_therapist(house, "anna", [("10:00", "16:30")])
    desk = BookingDesk(house)
    slot = ten_starts(desk)[0]

    async def eight() -> list[Any]:
        await desk.hold("chat:1", slot)
        return await asyncio.gather(*(desk.confirm("chat:1", CHAT) for _ in range(8)))

    answers = asyncio.run(eight())
    assert 1 == len({(answer.booking_id, answer.receipt, answer.words) for answer in answers})
    assert (1, 1, 1) == (count(house, Booking), count(house, ReturnCode), count(house, OutboxMessage))


def test_one_person_cannot_hold_two_times_by_asking_at_once(house: House) -> None:
    """Ten windows choose ten times at the same moment: one hold is left, and no cell of the others."""
    add_therapist(house, "anna", [("10:00", "16:30")])
    desk = BookingDesk(house)
    slots = ten_starts(desk)

    async def attempt(number: int) -> None:
        await desk.hold("chat:1", slots[number % len(slots)])

    outcomes = crowd(attempt, 80)
    assert {"booked"} == set(outcomes)
    active = house.db.read_now(lambda s: s.scalars(sa.select(Booking).where(Booking.state == HELD)).all())
    assert 1 == len(active)
    assert (8, 8) == (count(house, BookingCell), cells_of(house, active[0].id))


def test_one_person_gets_one_talk_however_they_try(house: House) -> None:
    """Holding and confirming from many windows at once ends in one booking; the rest is told that they have one."""
    five_therapists(house)
    desk = BookingDesk(house)
    slots = ten_starts(desk)

    async def attempt(number: int) -> None:
        await desk.hold("chat:1", slots[number % 10])
        await desk.confirm("chat:1", CHAT)

    outcomes = crowd(attempt, 32)
    assert {"booked", "AlreadyBooked"} >= set(outcomes)
    assert (1, 8) == (count(house, Booking, Booking.state == BOOKED), count(house, BookingCell))
    assert (1, 1) == (count(house, ReturnCode), count(house, OutboxMessage))
    with pytest.raises(AlreadyBooked):
        asyncio.run(desk.hold("chat:1", slots[0]))


def test_a_late_confirmation_and_a_new_taker_cannot_both_win(house: House, clock: ManualClock) -> None:
    """When the five minutes are over, the first to reach the database gets the time, and the other is told."""
    add_therapist(house, "anna", [("10:00", "16:30")])
    desk = BookingDesk(house)
    slots = ten_starts(desk)
    for round_, slot in enumerate(slots):
        old, new = f"old:{round_}", f"new:{round_}"
        asyncio.run(desk.hold(old, slot))
        clock.forward(minutes=5)

        async def attempt(number: int, slot: str = slot, old: str = old, new: str = new) -> None:
            if number % 2:
                await desk.confirm(old, CHAT)
            else:
                await desk.hold(new, slot)

        outcomes = crowd(attempt, 4)
        booked = count(house, Booking, Booking.holder == old, Booking.state == BOOKED)
        held = count(house, Booking, Booking.holder == new, Booking.state == HELD)
        assert 1 == booked + held, outcomes
        assert {"booked", "Taken", "HoldExpired"} >= set(outcomes)
        assert 0 == overlaps(house)


def test_a_channel_change_at_the_last_moment_takes_no_time_from_others(house: House) -> None:
    """Talks that move to a colleague with a camera compete for her time like any others."""
    add_therapist(house, "lena", [("10:00", "16:30")], channels="chat")
    add_therapist(house, "omar", [("10:00", "16:30")])
    desk = BookingDesk(house)
    slots = ten_starts(desk)

    async def attempt(number: int) -> None:
        await desk.hold(f"chat:{number}", slots[number % 10])
        await desk.confirm(f"chat:{number}", Details("video"))

    outcomes = crowd(attempt, 200)
    assert {"booked", "Taken", "InvalidField"} >= set(outcomes)
    assert 10 == outcomes["booked"] == count(house, Booking, Booking.state == BOOKED, Booking.therapist_id == "omar")
    assert 0 == overlaps(house)


def test_every_time_that_is_offered_can_be_booked_until_none_is_left(house: House) -> None:
    """The promise of today or the next working day: as long as a time exists it is offered, and what is offered is real."""
    for name, begin in (("anna", "10"), ("bo", "11"), ("cia", "10")):
        add_therapist(house, name, [(f"{begin}:05", "12:50"), ("14:00", "15:15")])
    desk = BookingDesk(house)

    async def drain() -> int:
        booked = 0
        while (offer := await desk.offer()).times:
            await desk.hold(f"chat:{booked}", offer.times[0].slot)
            await desk.confirm(f"chat:{booked}", CHAT)
            booked += 1
        return booked

    booked = asyncio.run(drain())
    assert booked == count(house, Booking) == 2 * (4 + 2 + 4 + 3 * 2)
    for day in (datetime(2026, 11, 25, tzinfo=UTC), datetime(2026, 11, 26, tzinfo=UTC)):
        for minute in range(7 * 60, 16 * 60, 5):
            with pytest.raises((Taken, InvalidField)):
                asyncio.run(desk.hold("last", rules.slot_id(day + timedelta(minutes=minute), None)))


def test_a_client_that_leaves_in_the_middle_leaves_no_lock_behind(house: House) -> None:
    """Whoever presses 'leave this page' while a time is being stored: it is stored wholly or not at all, and others go on."""
    five_therapists(house)
    desk = BookingDesk(house)
    slots = ten_starts(desk)
    dice = random.Random(3)

    async def leave(number: int) -> None:
        task = asyncio.create_task(desk.hold(f"chat:{number}", slots[number % 10]))
        for _ in range(dice.randrange(4)):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    async def everybody() -> None:
        await asyncio.gather(*(leave(number) for number in range(200)))

    asyncio.run(everybody())
    # Queued after everything that was left behind, so its commit comes after theirs.
    house.db.write_now(lambda session: session.execute(sa.select(1)))
    _a_stranger_gets_the_lock(house)
    held = house.db.read_now(lambda s: s.scalars(sa.select(Booking.id).where(Booking.state == HELD)).all())
    assert {8} == {cells_of(house, booking_id) for booking_id in held}
    assert len(held) == count(house, AuditEvent, AuditEvent.tag == Tag.BOOKING_HELD.value)
    assert 8 * len(held) == count(house, BookingCell)
    assert 0 == overlaps(house)


def _a_stranger_gets_the_lock(house: House) -> None:
    """Another connection may write at once; waiting a tenth of a second is the most it may take."""
    if house.db.sqlite:
        stranger = sqlite3.connect(house.db.url.database or "", timeout=0.1, isolation_level=None)
        stranger.execute("BEGIN IMMEDIATE")
        stranger.execute("ROLLBACK")
        stranger.close()
        return
    engine = sa.create_engine(house.db.url)
    with engine.begin() as connection:
        connection.execute(sa.text("SET LOCAL lock_timeout = '100ms'"))
        connection.execute(sa.text("LOCK TABLE booking, booking_cell IN ACCESS EXCLUSIVE MODE"))
    engine.dispose()


def test_an_expired_hold_and_its_owner_do_not_wait_for_each_other(house: House, clock: ManualClock) -> None:
    """Many clear the same expired holds while their owners confirm, let go and choose anew: nobody is left hanging."""
    five_therapists(house)
    desk = BookingDesk(house)
    slots = ten_starts(desk)
    for number in range(20):
        asyncio.run(desk.hold(f"old:{number}", slots[number % 10]))
    clock.forward(minutes=6)

    async def attempt(number: int) -> None:
        turn, mine = number % 4, f"old:{number % 20}"
        if turn == 0:
            await desk.confirm(mine, CHAT)
        elif turn == 1:
            await desk.hold(mine, slots[number % 7])
        elif turn == 2:
            await desk.release(mine)
        else:
            await desk.hold(f"new:{number}", slots[number % 10])

    outcomes = crowd(attempt, 160)
    assert {"booked", "Taken", "HoldExpired", "AlreadyBooked"} >= set(outcomes)
    active = house.db.read_now(
        lambda s: s.scalars(sa.select(Booking.id).where(Booking.state.in_((HELD, BOOKED)))).all()
    )
    assert {8} == {cells_of(house, booking_id) for booking_id in active}
    assert (8 * len(active), 0) == (count(house, BookingCell), overlaps(house))


def test_a_hold_cannot_be_confirmed_by_somebody_else(house: House) -> None:
    """Only the holder's own secret confirms; another one is told that nothing is held."""
    add_therapist(house, "anna", [("10:00", "16:30")])
    desk = BookingDesk(house)
    asyncio.run(desk.hold("chat:1", ten_starts(desk)[0]))
    with pytest.raises(HoldExpired):
        asyncio.run(desk.confirm("chat:2", CHAT))
