"""Promise: where there is no time somebody is in touch before a deadline, and what was written is for the right people."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from datetime import UTC, datetime
from typing import Any

import pytest
import sqlalchemy as sa

from backend.alerts.tables import Alert
from backend.booking.attending import Attending
from backend.booking.callbacks import CallbackDesk, Request
from backend.booking.promise_tables import Callback, CapacityAlarm, TimeRequest
from backend.booking.safe import Safe
from backend.booking.service import BookingDesk
from backend.booking.tables import Booking, WorkingHours
from backend.cases.standing import MapDesk
from backend.concerns.service import ConcernDesk
from backend.core.audit import AuditEvent, Tag
from backend.core.clock import to_local
from backend.core.codes import ReturnCode
from backend.core.errors import Conflict, InvalidField, NotFound, Taken
from backend.core.house import House
from backend.core.outbox import OutboxMessage
from backend.core.people import Role, StaffMember
from backend.core.reader import Reader
from backend.returning.service import BookingSeen, Returning
from backend.stories.service import StoryDesk
from tests.conftest import ManualClock
from tests.therapists import add_staff, add_therapist, count, overlaps

CANARY = "Kanariefågeln sjunger bara när pappa sover"
CALL = Request(
    "phone",
    "Mitt nummer är 070-174 06 05",
    Safe("yes", if_other_answers="Säg att det är tandläkaren"),
    CANARY,
    Reader("partner", "adult"),
)
WAIT = Request("code", note=CANARY, reader=Reader("child", "10-12"))


def run(work: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(work)


@pytest.fixture
def booking(house: House) -> BookingDesk:
    """Anna is a therapist without a single hour. It is Wednesday 25 November 2026, 9.00."""
    add_therapist(house, "anna", [])
    return BookingDesk(house)


@pytest.fixture
def desk(house: House, booking: BookingDesk) -> CallbackDesk:
    return CallbackDesk(house, booking)


def anna(house: House) -> StaffMember:
    return house.db.read_now(lambda s: s.get_one(StaffMember, "anna"))


def hours(house: House, start: int = 600, end: int = 720) -> None:
    house.db.write_now(
        lambda s: s.add_all(
            WorkingHours(staff_id="anna", weekday=day, start_minute=start, end_minute=end) for day in range(5)
        )
    )


# Who may read: strangers first.


def test_others_are_told_that_there_is_none(desk: CallbackDesk, house: House) -> None:
    """Another unit, a case worker and somebody who has left: an empty list, 404 for everything, and no trace of reading."""
    asked = run(desk.ask("form:1", CALL))
    gone = add_staff(house, "gone")
    gone.active = False
    for stranger in (
        add_staff(house, "other", unit="vuxen"),
        add_staff(house, "karin", role=Role.CASE_WORKER),
        add_staff(house, "maria", role=Role.MANAGER, unit="mottagning_barn"),
        gone,
    ):
        assert [] == run(desk.list_for(stranger))
        assert set() == run(desk.readable(stranger, {asked.callback_id}))
        for deed in (
            desk.open_for(stranger, asked.callback_id),
            desk.take(stranger, asked.callback_id),
            desk.tried(stranger, asked.callback_id),
            desk.end(stranger, asked.callback_id, reached=True),
            desk.give(stranger, asked.callback_id, "htfiq-a", "chat"),
        ):
            with pytest.raises(NotFound):
                run(deed)
    assert 0 == count(house, AuditEvent, AuditEvent.tag == Tag.CALLBACK_READ.value)


def test_the_unit_reads_what_was_written_and_leaves_a_trace(desk: CallbackDesk, house: House) -> None:
    """Number, answers and words, opened by therapist and manager; the list shows none of it."""
    asked = run(desk.ask("form:1", CALL))
    boss = add_staff(house, "bo", role=Role.MANAGER)
    for reader in (anna(house), boss):
        row = run(desk.list_for(reader))[0]
        assert (True, "open", Reader("partner", "adult")) == (row.by_phone, row.state, row.reader)
        opened = run(desk.open_for(reader, asked.callback_id))
        assert ("+46701740605", CANARY) == (opened.phone, opened.note)
        assert "Säg att det är tandläkaren" == opened.safe.if_other_answers
    assert 2 == count(house, AuditEvent, AuditEvent.tag == Tag.CALLBACK_READ.value)


def test_nothing_that_was_written_lies_readable_in_the_database(desk: CallbackDesk, house: House) -> None:
    """Sealed, and no mail or trace repeats it; the mail says that something is new."""
    run(desk.ask("form:1", CALL))
    everything = house.db.read_now(
        lambda s: "".join(
            repr([tuple(row) for row in s.execute(sa.select(table))]) for table in Callback.metadata.sorted_tables
        )
    )
    for secret in ("Kanarie", "701740605", "tandläkaren"):
        assert secret not in everything
    mail = house.db.read_now(lambda s: s.scalars(sa.select(OutboxMessage)).one())
    assert ("oppenvarden@exempelby.example", "Ny händelse") == (mail.recipient, mail.subject)


# Asking.


@pytest.mark.parametrize(
    ("now", "deadline"),
    [
        ("2026-11-25 08:00", "2026-11-26 16:30"),  # Wednesday morning: Thursday at closing time
        ("2026-11-27 15:00", "2026-11-30 16:30"),  # Friday afternoon: Monday
        ("2026-11-28 12:00", "2026-11-30 16:30"),  # Saturday: Monday
        ("2026-12-23 22:00", "2026-12-28 16:30"),  # before Christmas
        ("2027-03-25 09:00", "2027-03-30 16:30"),  # before Easter, and the clock changes in between
    ],
)
def test_the_deadline_is_closing_time_on_the_last_day_of_the_promise(
    desk: CallbackDesk, now: str, deadline: str
) -> None:
    """Over weekends, holidays and changes of the clock."""
    at = datetime.fromisoformat(now).replace(tzinfo=UTC)
    assert deadline == to_local(desk.deadline(at)).strftime("%Y-%m-%d %H:%M")


def test_one_person_waits_once(desk: CallbackDesk, house: House) -> None:
    """Twice the button is one request with one code; when it is over they may ask again."""
    first = run(desk.ask("form:1", WAIT))
    second = run(desk.ask("form:1", WAIT))
    assert (first.callback_id, first.words) == (second.callback_id, second.words)
    assert (1, 1) == (count(house, Callback), count(house, ReturnCode))
    run(desk.saved("form:1"))
    assert None is run(desk.waiting_of("form:1")).words
    run(desk.withdraw(first.callback_id))
    assert run(desk.waiting_of("form:1")) is None
    assert first.callback_id != run(desk.ask("form:1", WAIT)).callback_id


def test_many_windows_at_once_make_one_request(desk: CallbackDesk, house: House) -> None:
    """The database decides, not a look before."""

    async def storm() -> set[str]:
        return {each.callback_id for each in await asyncio.gather(*(desk.ask("form:1", WAIT) for _ in range(20)))}

    assert 1 == len(run(storm()))
    assert (1, 1) == (count(house, Callback), count(house, ReturnCode))


def test_a_call_needs_a_number_and_to_be_safe(desk: CallbackDesk, house: House) -> None:
    """Forty digits, no number, or 'it is not safe to call': clear words, and nothing stored."""
    for phone, safe, field in (
        ("1" * 40, Safe(), "phone"),
        ("", Safe(), "phone"),
        ("070-174 06 05", Safe("no"), "call_ok"),
    ):
        with pytest.raises(InvalidField) as told:
            run(desk.ask("form:1", Request("phone", phone, safe)))
        assert field == told.value.extra["field"]
    assert 0 == count(house, Callback)


def test_danger_in_the_words_rings(desk: CallbackDesk, house: House) -> None:
    """What the caller has found comes with the request: an alert for the unit, and the first place in the list."""
    run(desk.ask("form:1", WAIT))
    danger = run(desk.ask("form:2", Request("code", note="hjälp", danger_level="A0", danger_category="D01")))
    assert 1 == count(house, Alert, Alert.level == "A0", Alert.subject == danger.callback_id)
    assert danger.callback_id == run(desk.list_for(anna(house)))[0].id


# What staff do.


def test_one_takes_it_and_a_colleague_is_told_so(desk: CallbackDesk, house: House) -> None:
    """The first has it; the manager may take over; tries are counted; reached ends it and it stays in sight for a day."""
    asked = run(desk.ask("form:1", CALL))
    samir, boss = add_staff(house, "samir"), add_staff(house, "bo", role=Role.MANAGER)
    run(desk.take(anna(house), asked.callback_id))
    for deed in (desk.take(samir, asked.callback_id), desk.end(samir, asked.callback_id, reached=True)):
        with pytest.raises(Conflict):
            run(deed)
    run(desk.tried(anna(house), asked.callback_id))
    assert run(desk.status(asked.callback_id)).tried
    run(desk.take(boss, asked.callback_id))
    assert ("Bo", 1) == (run(desk.list_for(samir))[0].taken_by, run(desk.list_for(samir))[0].tries)
    run(desk.end(boss, asked.callback_id, reached=True))
    assert "reached" == run(desk.status(asked.callback_id)).state
    assert not run(desk.list_for(samir))[0].waiting
    with pytest.raises(Conflict):
        run(desk.end(boss, asked.callback_id, reached=False))


def test_who_left_no_number_is_given_a_time_and_finds_it_with_the_code(
    desk: CallbackDesk, booking: BookingDesk, house: House
) -> None:
    """The same six words open the talk that staff have booked, with what was written sealed into it."""
    asked = run(desk.ask("form:1", WAIT))
    hours(house)
    slot = run(booking.offer("chat", acute=True)).times[0].slot
    with pytest.raises(InvalidField):
        run(desk.give(anna(house), asked.callback_id, slot, "phone"))
    run(desk.give(anna(house), asked.callback_id, slot, "chat"))
    concerns = ConcernDesk(house)
    returning = Returning(house, booking, concerns, StoryDesk(house, concerns), MapDesk(house))
    found = run(returning.open(asked.words, "test"))
    assert isinstance(found, BookingSeen) and found.active and "Anna" == found.booking.therapist
    opened = run(Attending(house).sheet(anna(house), found.booking_id))
    assert (CANARY, Reader("child", "10-12")) == (opened.note, opened.reader)
    assert (1, 0) == (count(house, Booking, Booking.state == "booked"), overlaps(house))
    with pytest.raises(Conflict):
        run(desk.give(anna(house), asked.callback_id, slot, "chat"))


def test_two_are_not_given_the_same_time(desk: CallbackDesk, booking: BookingDesk, house: House) -> None:
    """The key of the cells decides here too."""
    first, second = run(desk.ask("form:1", WAIT)), run(desk.ask("form:2", WAIT))
    hours(house, 600, 630)
    slot = run(booking.offer("chat")).times[0].slot
    run(desk.give(anna(house), first.callback_id, slot, "chat"))
    with pytest.raises(Taken):
        run(desk.give(anna(house), second.callback_id, slot, "chat"))
    assert (1, "open") == (count(house, Booking), run(desk.status(second.callback_id)).state)


def test_past_the_deadline_the_manager_is_told(
    desk: CallbackDesk, booking: BookingDesk, house: House, clock: ManualClock
) -> None:
    """Within a minute, at any hour, and the list says that it is late."""
    hours(house)
    run(desk.ask("form:1", CALL))
    clock.at = datetime(2026, 11, 26, 15, 29, tzinfo=UTC)
    run(booking.promise.look_ahead())
    assert 0 == count(house, CapacityAlarm, CapacityAlarm.reason == "late")
    clock.forward(minutes=1)
    assert run(booking.promise.look_ahead())
    assert run(desk.list_for(anna(house)))[0].late


def test_a_call_in_time_keeps_the_promise(
    desk: CallbackDesk, booking: BookingDesk, house: House, clock: ManualClock
) -> None:
    """Five who met an empty calendar; four are called the same day, one is tried and given up."""
    for number in range(5):
        run(booking.offer(counted=f"form:{number}"))
        asked = run(desk.ask(f"form:{number}", CALL))
        run(desk.end(anna(house), asked.callback_id, reached=number != 0))
    run(booking.promise.settle())
    figures = run(booking.promise.figures(anna(house)))[0]
    assert (5, 80) == (figures.wanted, figures.share)
    assert 0 == count(house, TimeRequest, TimeRequest.callback_id.is_not(None))


def test_what_is_over_is_forgotten_with_its_code(desk: CallbackDesk, house: House, clock: ManualClock) -> None:
    """Thirty days after, as bookings are; what somebody waits for is never deleted."""
    asked = run(desk.ask("form:1", CALL))
    run(desk.ask("form:2", WAIT))
    run(desk.end(anna(house), asked.callback_id, reached=True))
    clock.forward(days=31)
    assert 1 == run(desk.purge())
    assert (1, 1) == (count(house, Callback), count(house, ReturnCode))
