"""Promise: a booked talk can be moved, handed over, cancelled and booked again without ever being two talks or none."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Coroutine
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from backend.booking.lifecycle import BOOKED, CANCELLED, HELD
from backend.booking.repository import occupy
from backend.booking.rules import Slot, cells, read_slot
from backend.booking.service import BookingDesk, Details
from backend.booking.tables import Booking, BookingCell
from backend.core import codes
from backend.core.audit import AuditEvent, Tag
from backend.core.clock import to_local
from backend.core.errors import Conflict, InvalidField, KeyReused, NotFound, Taken
from backend.core.house import House
from backend.core.idempotency import IdempotencyKey, Key, forget, key_for
from backend.core.outbox import OutboxMessage
from backend.core.people import Role, StaffMember
from tests.conftest import ManualClock
from tests.therapists import add_staff, add_therapist, cells_of, count, overlaps


def run(work: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(work)


def at(moment: Any) -> str:
    return to_local(moment).strftime("%d %H:%M")


@pytest.fixture
def anna(house: House) -> StaffMember:
    """Anna works every weekday from 9 to 12. It is Wednesday 25 November 2026, 9.00."""
    return add_therapist(house, "anna", [("09:00", "12:00")])


@pytest.fixture
def desk(house: House, anna: StaffMember) -> BookingDesk:
    return BookingDesk(house)


def slots(desk: BookingDesk) -> dict[str, str]:
    """Free times by day and hour."""
    return {at(time.start): time.slot for time in run(desk.offer(limit=99)).times}


def booked(desk: BookingDesk, when: str = "25 09:40", holder: str = "chat:1", details: Details | None = None) -> Any:
    run(desk.hold(holder, slots(desk)[when]))
    return run(desk.confirm(holder, details or Details("chat")))


def key(name: str, **body: object) -> Key:
    made = key_for(b"p" * 32, "code:1", name, body)
    assert made is not None
    return made


def traces(house: House, tag: Tag) -> int:
    return count(house, AuditEvent, AuditEvent.tag == tag.value)


# Staff first: whose booking it is not.


def test_strangers_change_nothing(desk: BookingDesk, house: House) -> None:
    """Another unit, a case worker, somebody who has left: 404, and the talk is as it was."""
    made = booked(desk)
    leaver = add_staff(house, "leaver")
    leaver.active = False
    for stranger in (
        add_staff(house, "other", unit="vuxen"),
        add_staff(house, "case", role=Role.CASE_WORKER),
        leaver,
    ):
        with pytest.raises(NotFound):
            run(desk.changes.reassign(stranger, made.booking_id, "anna"))
        with pytest.raises(NotFound):
            run(desk.changes.move_for(stranger, made.booking_id, slots(desk)["25 11:00"]))
    assert "25 09:40" == at(run(desk.find(made.booking_id)).start)
    assert 0 == traces(house, Tag.BOOKING_MOVED) + traces(house, Tag.BOOKING_REASSIGNED)


# Moving.


def test_a_moved_talk_keeps_its_code_and_frees_its_time(desk: BookingDesk, house: House) -> None:
    """The old time is free at once, the new one is not, and the six words open the new one."""
    made = booked(desk)
    moved = run(desk.changes.move(made.booking_id, slots(desk)["25 11:00"]))
    assert ("25 11:00", "25 11:30", "Anna", BOOKED) == (at(moved.start), at(moved.end), moved.therapist, moved.state)
    free = slots(desk)
    assert "25 09:40" in free and "25 11:00" not in free
    assert 8 == cells_of(house, made.booking_id) == count(house, BookingCell)
    digest = run(house.codes.digest(made.words))
    row = house.db.read_now(lambda s: codes.lookup(s, digest, house.clock.now() - timedelta(days=1)))
    assert made.booking_id == row.subject
    assert (1, 2) == (traces(house, Tag.BOOKING_MOVED), count(house, OutboxMessage))


def test_whoever_loses_the_new_time_still_has_the_old(desk: BookingDesk, house: House) -> None:
    """Nobody is left without a talk for having asked for another time."""
    made = booked(desk)
    eleven = slots(desk)["25 11:00"]
    booked(desk, "25 11:00", "chat:2")
    with pytest.raises(Taken):
        run(desk.changes.move(made.booking_id, eleven))
    assert ("25 09:40", 8) == (at(run(desk.find(made.booking_id)).start), cells_of(house, made.booking_id))
    assert 0 == traces(house, Tag.BOOKING_MOVED)


def test_a_talk_can_move_into_its_own_minutes(house: House) -> None:
    """Ten minutes later, with the same therapist: the cells that it keeps are not in its way."""
    add_therapist(house, "eva", [("09:30", "10:20")])
    desk = BookingDesk(house)
    made = booked(desk, "25 09:30")
    assert "25 09:40" not in slots(desk)
    later = Slot(made.start + timedelta(minutes=10)).signed(house.settings.code_pepper)
    moved = run(desk.changes.move(made.booking_id, later))
    assert ("25 09:40", 8, 0) == (at(moved.start), cells_of(house, made.booking_id), overlaps(house))


def test_the_same_therapist_is_kept_when_free(desk: BookingDesk, house: House) -> None:
    """Whoever has talked to somebody goes on doing so, also when a colleague has had fewer talks."""
    made = booked(desk)
    add_therapist(house, "bo", [("09:00", "12:00")])
    assert "Anna" == run(desk.changes.move(made.booking_id, slots(desk)["25 10:20"])).therapist
    eleven = slots(desk)["25 11:00"]
    house.db.write_now(lambda s: occupy(s, made.booking_id, "anna", cells(run_at(eleven), 8)))
    assert "Bo" == run(desk.changes.move(booked(desk, "26 09:00", "chat:2").booking_id, eleven)).therapist


def run_at(slot: str) -> Any:
    return read_slot(slot).start


def test_a_talk_that_is_over_cannot_be_moved(desk: BookingDesk, clock: ManualClock) -> None:
    """Nor one that was cancelled; a slot that is no time is told as such."""
    made = booked(desk)
    with pytest.raises(InvalidField):
        run(desk.changes.move(made.booking_id, "30 februari"))
    with pytest.raises(InvalidField):
        run(desk.changes.move(made.booking_id, "1-a"))
    with pytest.raises(NotFound):
        run(desk.changes.move("0" * 24, slots(desk)["25 11:00"]))
    clock.forward(hours=2)
    with pytest.raises(Conflict):
        run(desk.changes.move(made.booking_id, slots(desk)["26 09:00"]))
    assert not run(desk.cancel(made.booking_id))


def test_a_time_in_the_past_is_refused(desk: BookingDesk, clock: ManualClock) -> None:
    """A page that has been open since the morning offers what is gone."""
    made = booked(desk, "25 11:00")
    early = slots(desk)["25 09:40"]
    clock.forward(hours=1)
    with pytest.raises(Taken):
        run(desk.changes.move(made.booking_id, early))


# Cancelling and booking again.


def test_a_cancelled_talk_can_be_booked_again_with_the_same_code(desk: BookingDesk, house: House) -> None:
    """Regret is allowed twice; each time the freed time is anybody's."""
    made = booked(desk)
    assert run(desk.cancel(made.booking_id))
    assert (0, CANCELLED) == (cells_of(house, made.booking_id), run(desk.find(made.booking_id)).state)
    assert "25 09:40" == at(booked(desk, "25 09:40", "chat:2").start)
    again = run(desk.changes.rebook(made.booking_id, slots(desk)["25 11:00"]))
    assert ("25 11:00", BOOKED, 8) == (at(again.start), again.state, cells_of(house, made.booking_id))
    with pytest.raises(Conflict):
        run(desk.changes.rebook(made.booking_id, slots(desk)["26 09:00"]))
    assert run(desk.cancel(made.booking_id))
    assert 1 == traces(house, Tag.BOOKING_REBOOKED)


def test_a_hold_that_was_never_booked_cannot_be_booked_again(desk: BookingDesk) -> None:
    """It has no code and no person behind it."""
    held = run(desk.hold("chat:1", slots(desk)["25 09:40"]))
    run(desk.release("chat:1"))
    with pytest.raises(Conflict):
        run(desk.changes.rebook(held.booking_id, slots(desk)["25 11:00"]))


# Handing over.


def test_a_colleague_takes_over_at_the_same_time(desk: BookingDesk, house: House, anna: StaffMember) -> None:
    """Even if she begins her own talks at other minutes; both are told, and Anna's time is free again."""
    add_therapist(house, "bo", [("08:50", "12:00")])
    made = booked(desk, "25 11:00")
    before = house.db.read_now(lambda s: s.get(Booking, made.booking_id).therapist_id)
    to = "bo" if before == "anna" else "anna"
    moved = run(desk.changes.reassign(anna, made.booking_id))
    assert (to.capitalize(), made.start, made.end) == (moved.therapist, moved.start, moved.end)
    assert 8 == cells_of(house, made.booking_id) == count(house, BookingCell, BookingCell.therapist_id == to)
    assert 3 == count(house, OutboxMessage)
    assert 1 == traces(house, Tag.BOOKING_REASSIGNED)


def test_nobody_is_handed_two_talks_at_once(desk: BookingDesk, house: House, anna: StaffMember) -> None:
    """Not by name, not by 'whoever is free'."""
    add_therapist(house, "bo", [("09:00", "12:00")])
    first, second = booked(desk, "25 11:00"), booked(desk, "25 11:00", "chat:2")
    other = house.db.read_now(lambda s: s.get(Booking, second.booking_id).therapist_id)
    for to in (other, None):
        with pytest.raises(Taken):
            run(desk.changes.reassign(anna, first.booking_id, to))
    assert 0 == overlaps(house)


def test_who_has_left_or_cannot_is_told(desk: BookingDesk, house: House, anna: StaffMember) -> None:
    """A therapist who has left, a case worker, an unknown id, one without a camera."""
    add_therapist(house, "lena", [("13:00", "16:00")], channels="chat")
    add_therapist(house, "gone", [("13:00", "16:00")])
    house.db.write_now(lambda s: s.execute(sa.update(StaffMember).where(StaffMember.id == "gone").values(active=False)))
    add_staff(house, "case", role=Role.CASE_WORKER)
    made = booked(desk, "25 11:00", details=Details("video"))
    for to in ("gone", "case", "nobody", "lena"):
        with pytest.raises(InvalidField):
            run(desk.changes.reassign(anna, made.booking_id, to))
    assert "Anna" == run(desk.find(made.booking_id)).therapist


# The same request twice.


def test_the_same_key_moves_once(desk: BookingDesk, house: House) -> None:
    """A repeated press is the first one's; with another wish under the same key it is an error."""
    made = booked(desk)
    eleven, tomorrow = slots(desk)["25 11:00"], slots(desk)["26 09:00"]
    first = run(desk.changes.move(made.booking_id, eleven, key=key("a", slot=eleven)))
    again = run(desk.changes.move(made.booking_id, eleven, key=key("a", slot=eleven)))
    assert first == again
    assert (1, 1) == (traces(house, Tag.BOOKING_MOVED), count(house, IdempotencyKey))
    with pytest.raises(KeyReused):
        run(desk.changes.move(made.booking_id, tomorrow, key=key("a", slot=tomorrow)))
    assert "25 11:00" == at(run(desk.find(made.booking_id)).start)


def test_the_same_key_cancels_once_and_says_so_again(desk: BookingDesk, house: House) -> None:
    """The retry of a cut-off cancellation hears that it is cancelled, not that it 'already was'."""
    made = booked(desk)
    for _ in range(3):
        assert run(desk.cancel(made.booking_id, key=key("c")))
    assert not run(desk.cancel(made.booking_id, key=key("d")))
    assert 1 == traces(house, Tag.BOOKING_CANCELLED)


def test_a_request_that_failed_may_be_tried_again(desk: BookingDesk, house: House) -> None:
    """It left no key behind."""
    made = booked(desk)
    eleven = slots(desk)["25 11:00"]
    other = booked(desk, "25 11:00", "chat:2")
    with pytest.raises(Taken):
        run(desk.changes.move(made.booking_id, eleven, key=key("a", slot=eleven)))
    run(desk.cancel(other.booking_id))
    assert "25 11:00" == at(run(desk.changes.move(made.booking_id, eleven, key=key("a", slot=eleven))).start)


def test_keys_are_forgotten_after_two_days_and_hold_no_words(
    desk: BookingDesk, house: House, clock: ManualClock
) -> None:
    """What is stored is a keyed digest."""
    made = booked(desk)
    run(desk.cancel(made.booking_id, key=key("c", phone="070-174 06 35")))
    row = house.db.read_now(lambda s: s.scalars(sa.select(IdempotencyKey)).one())
    assert "070" not in f"{row.scope}{row.key}{row.outcome}" and 64 == len(row.digest)
    clock.forward(hours=47)
    house.db.write_now(lambda s: forget(s, clock.now()))
    assert 1 == count(house, IdempotencyKey)
    clock.forward(hours=2)
    house.db.write_now(lambda s: forget(s, clock.now()))
    assert 0 == count(house, IdempotencyKey)


# Another time, kept while its holder makes up their mind.


def test_a_kept_time_is_taken_for_everybody_else(desk: BookingDesk, house: House) -> None:
    """The talk has its old time until the answer; then it has the new one, and nothing else is taken."""
    made = booked(desk)
    eleven = slots(desk)["25 11:00"]
    kept = run(desk.changes.keep(made.booking_id, eleven))
    assert ("25 11:00", "Anna", 5) == (at(kept.start), kept.therapist, kept.minutes)
    assert "25 09:40" == at(run(desk.find(made.booking_id)).start)
    with pytest.raises(Taken):
        run(desk.hold("chat:2", eleven))
    moved = run(desk.changes.move(made.booking_id, eleven))
    assert ("25 11:00", 8, 0) == (at(moved.start), count(house, BookingCell), overlaps(house))
    assert "25 09:40" in slots(desk)


def test_a_kept_time_frees_itself(desk: BookingDesk, house: House, clock: ManualClock) -> None:
    """By a no, by another choice, when the talk is cancelled, and by its minutes; the talk is never touched."""
    made = booked(desk)
    ten, eleven = (slots(desk)[when] for when in ("25 10:20", "25 11:00"))
    run(desk.changes.keep(made.booking_id, ten))
    run(desk.changes.keep(made.booking_id, eleven))
    assert "25 10:20" in slots(desk) and "25 11:00" not in slots(desk)
    run(desk.changes.let_go(made.booking_id))
    assert "25 11:00" in slots(desk)
    run(desk.changes.keep(made.booking_id, eleven))
    clock.forward(minutes=6)
    booked(desk, "25 11:00", "chat:2")
    with pytest.raises(Taken):
        run(desk.changes.move(made.booking_id, eleven))
    assert "25 09:40" == at(run(desk.find(made.booking_id)).start)
    run(desk.changes.keep(made.booking_id, slots(desk)["25 10:20"]))
    run(desk.cancel(made.booking_id))
    assert "25 10:20" in slots(desk)


def test_a_time_in_the_talks_own_minutes_can_be_kept(house: House) -> None:
    """Ten minutes later: only the minutes that it does not have already are taken, and the move is whole."""
    add_therapist(house, "eva", [("09:30", "10:20")])
    desk = BookingDesk(house)
    made = booked(desk, "25 09:30")
    later = Slot(made.start + timedelta(minutes=10)).signed(house.settings.code_pepper)
    run(desk.changes.keep(made.booking_id, later))
    moved = run(desk.changes.move(made.booking_id, later))
    assert ("25 09:40", 8, 8, 0) == (
        at(moved.start),
        cells_of(house, made.booking_id),
        count(house, BookingCell),
        overlaps(house),
    )


def test_nothing_is_kept_for_a_talk_that_is_over(desk: BookingDesk, clock: ManualClock) -> None:
    """Nor for one that was never booked; a cancelled one can be booked again, so a time can be kept for it."""
    made = booked(desk)
    with pytest.raises(NotFound):
        run(desk.changes.keep("0" * 24, slots(desk)["25 11:00"]))
    run(desk.cancel(made.booking_id))
    assert "Anna" == run(desk.changes.keep(made.booking_id, slots(desk)["25 11:00"])).therapist
    over = booked(desk, "25 10:20", "chat:2")
    clock.forward(hours=2)
    with pytest.raises(Conflict):
        run(desk.changes.keep(over.booking_id, slots(desk)["26 09:00"]))


def test_a_storm_of_second_thoughts_leaves_every_talk_whole(desk: BookingDesk, house: House) -> None:
    """Twelve people hold, move, let go, cancel and book again at once, four of them in two windows: never two talks in one
    time, never half a one, and nothing stays held for a talk that is decided."""
    add_therapist(house, "bo", [("09:00", "12:00")])
    free = list(slots(desk).values())
    made = [booked(desk, at(run_at(slot)), f"chat:{place}") for place, slot in enumerate(free[:8])]
    decide = random.Random(20261126)

    async def second_thoughts(booking_id: str) -> None:
        for _ in range(6):
            slot = decide.choice(free)
            with contextlib.suppress(Taken, Conflict, InvalidField):
                await desk.changes.keep(booking_id, slot)
                await desk.changes.move(booking_id, slot)
            with contextlib.suppress(Taken, Conflict):
                if decide.random() < 0.3:
                    await desk.changes.cancel(booking_id)
                    await desk.changes.rebook(booking_id, decide.choice(free))
            await desk.changes.let_go(booking_id)

    async def everybody() -> None:
        ids = [one.booking_id for one in made]
        await asyncio.gather(*(second_thoughts(booking_id) for booking_id in [*ids, *ids[:4]]))

    run(everybody())
    rows = house.db.read_now(lambda s: s.execute(sa.select(Booking.id, Booking.state)).all())
    stand = [booking_id for booking_id, state in rows if state == BOOKED]
    assert {8} == {cells_of(house, booking_id) for booking_id in stand}
    assert (8 * len(stand), 0, 0) == (
        count(house, BookingCell),
        overlaps(house),
        count(house, Booking, Booking.state == HELD),
    )
    assert {one.booking_id for one in made} >= set(stand)
