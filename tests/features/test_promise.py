"""Promise: whoever asks for a time is counted without a word about them, and an empty calendar is told of at once."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from backend.booking import promise as promises
from backend.booking.promise_tables import CapacityAlarm, TimeRequest
from backend.booking.rules import Wanted, Wish
from backend.booking.service import BookingDesk, Details
from backend.booking.tables import AcuteHours, DayHours, Therapist, WorkingHours
from backend.core.audit import AuditEvent, Tag
from backend.core.clock import to_local
from backend.core.errors import Conflict, NotFound
from backend.core.house import House
from backend.core.outbox import OutboxMessage
from backend.core.people import Role, StaffMember
from tests.conftest import ManualClock
from tests.therapists import add_staff, add_therapist, count

CHAT = Details("chat")


def run(work: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(work)


@pytest.fixture
def desk(house: House) -> BookingDesk:
    """Anna works every weekday from 9 to 12: seven talks today and tomorrow. It is Wednesday 25 November 2026, 9.00."""
    add_therapist(house, "anna", [("09:00", "12:00")])
    return BookingDesk(house)


def boss(house: House, **more: Any) -> StaffMember:
    return add_staff(house, "bo", role=Role.MANAGER, **more)


def book(desk: BookingDesk, who: str, **kwargs: Any) -> Any:
    async def both() -> Any:
        offer = await desk.offer(counted=who, **kwargs)
        await desk.hold(who, offer.times[0].slot)
        return await desk.confirm(who, CHAT)

    return run(both())


def requests(house: House) -> list[TimeRequest]:
    return list(house.db.read_now(lambda s: s.scalars(sa.select(TimeRequest).order_by(TimeRequest.asked_at)).all()))


def reasons(house: House) -> list[str]:
    return list(house.db.read_now(lambda s: s.scalars(sa.select(CapacityAlarm.reason)).all()))


def mails(house: House) -> list[OutboxMessage]:
    return list(house.db.read_now(lambda s: s.scalars(sa.select(OutboxMessage)).all()))


# Who may see: strangers first.


def test_alarms_and_figures_are_the_booking_unit_s(desk: BookingDesk, house: House) -> None:
    """Another unit's manager, a case worker and somebody who has left are told that there is nothing."""
    run(desk.offer(counted="form:1", channel="video"))
    gone = add_staff(house, "gone", role=Role.MANAGER)
    gone.active = False
    for stranger in (
        add_staff(house, "maria", role=Role.MANAGER, unit="mottagning_barn"),
        add_staff(house, "karin", role=Role.CASE_WORKER),
        gone,
    ):
        assert [] == run(desk.promise.ringing(stranger))
        for secret in (desk.promise.figures, desk.promise.recent):
            with pytest.raises(NotFound):
                run(secret(stranger))
    anna = house.db.read_now(lambda s: s.get(StaffMember, "anna"))
    assert [] == run(desk.promise.ringing(anna)) and run(desk.promise.figures(anna))


# Counting.


def test_a_request_is_one_row_without_a_word_of_who(desk: BookingDesk, house: House) -> None:
    """When, until when, whether there was a time; looking again changes nothing, and nobody can be read out of it."""
    for skip in (0, 4, 0):
        run(desk.offer(counted="form:abc", skip=skip))
    run(desk.offer(counted="chat:xyz"))
    run(desk.offer())
    rows = requests(house)
    assert 2 == len(rows)
    assert {(True, False, None)} == {(row.within, row.wanted, row.contact_at) for row in rows}
    assert {"2026-11-27 00:00"} == {to_local(row.until_at).strftime("%Y-%m-%d %H:%M") for row in rows}
    assert all("abc" not in (row.reference or "") and "xyz" not in (row.reference or "") for row in rows)


def test_at_midnight_the_tie_to_who_asked_is_cut(desk: BookingDesk, house: House, clock: ManualClock) -> None:
    """The same person tomorrow is a new request; of yesterday's only the figures are left."""
    run(desk.offer(counted="form:1"))
    run(desk.promise.settle())
    assert [True] == [row.reference is not None for row in requests(house)]
    clock.forward(days=1)
    run(desk.promise.settle())
    run(desk.offer(counted="form:1"))
    assert [False, True] == [row.reference is not None for row in requests(house)]


def test_a_talk_in_time_is_kept_a_missed_or_later_one_is_not(
    desk: BookingDesk, house: House, clock: ManualClock
) -> None:
    """Five get a talk in time; one of them does not come, one cancels, one gets a time the day after the promise."""
    made = [book(desk, f"chat:{number}") for number in range(7)]
    offer = run(desk.offer(counted="chat:late"))
    run(desk.hold("chat:late", offer.opens.slot))
    run(desk.confirm("chat:late", CHAT))
    run(desk.cancel(made[0].booking_id))
    house.db.write_now(
        lambda s: s.execute(sa.text("UPDATE booking SET state = 'no_show' WHERE id = :id"), {"id": made[1].booking_id})
    )
    for number in range(4):
        run(desk.offer(counted=f"form:looked-{number}", wanted=Wanted()))
    manager = boss(house)
    before = run(desk.promise.figures(manager))[0]
    assert (12, 11, None, None) == (before.asked, 12 - 1 if before.within else None, before.wanted, before.met)
    assert 8 == before.ahead
    clock.forward(days=3)
    run(desk.promise.settle())
    after = run(desk.promise.figures(manager))
    # Wanted: seven less the one who cancelled, and the late one. In time: five of these.
    assert (7, 5, 71, None) == (after[0].wanted, after[0].met, after[0].share, after[0].ahead)
    assert {None} == {row.booking_id for row in requests(house)}
    assert after[0].share == after[1].share and after[2].share is None


def test_fewer_than_five_are_not_shown(desk: BookingDesk, house: House) -> None:
    """In a small place four requests in a week can be one family."""
    for number in range(4):
        run(desk.offer(counted=f"form:{number}"))
    manager = boss(house)
    figures = run(desk.promise.figures(manager))[0]
    assert (None, None, None, None, None, None) == (
        figures.asked, figures.within, figures.wanted, figures.met, figures.ahead, figures.share,
    )  # fmt: skip
    run(desk.offer(counted="form:4"))
    assert (5, 5) == (run(desk.promise.figures(manager))[0].asked, run(desk.promise.figures(manager))[0].within)


def test_who_met_an_empty_calendar_wanted_contact(desk: BookingDesk, house: House) -> None:
    """They count against the promise though they said nothing more: they could not."""
    house.db.write_now(lambda s: s.execute(sa.delete(WorkingHours)))
    for number in range(5):
        run(desk.offer(counted=f"form:{number}"))
    figures = run(desk.promise.figures(boss(house)))[0]
    assert (5, None, 5, None, 0) == (figures.asked, figures.within, figures.wanted, figures.met, figures.share)


# Alarms.


def test_the_first_who_meets_an_empty_calendar_rings(desk: BookingDesk, house: House) -> None:
    """One alarm a day and reason, one mail to the manager that says only that something is new; a hint to open windows."""
    manager = boss(house, mail="bo@exempelby.example")
    for number in range(7):
        book(desk, f"chat:{number}")
    assert [] == reasons(house)
    sent = len(mails(house))

    async def asks() -> Any:
        with house.live.listen(promises.TOPIC) as feed:
            for number in range(3):
                offer = await desk.offer(counted=f"form:{number}")
                assert not offer.within and offer.opens is not None
            return await feed.next(1)

    assert [promises.TOPIC] == [event.name for event in run(asks())]
    assert ["full"] == reasons(house)
    assert sent + 1 == len(mails(house))
    told = [each for each in mails(house) if each.recipient == "bo@exempelby.example"]
    assert ["Det finns en ny händelse. Logga in för att läsa den: http://127.0.0.1:8000/personal"] == [
        m.body for m in told
    ]
    assert "Ny händelse" == told[0].subject
    alarm = run(desk.promise.ringing(manager))[0]
    assert ("full", None, None) == (alarm.reason, alarm.channel, alarm.seen_at)


def test_seen_by_one_and_rings_again_after_an_hour(desk: BookingDesk, house: House, clock: ManualClock) -> None:
    """A colleague who is second is told so; an hour after it was seen, and still full, it rings anew."""
    manager, other = boss(house), add_staff(house, "li", role=Role.MANAGER)
    run(desk.offer(counted="form:1", channel="chat"))
    house.db.write_now(lambda s: s.execute(sa.delete(WorkingHours)))
    run(desk.offer(counted="form:2"))
    alarm = run(desk.promise.ringing(manager))[0]
    run(desk.promise.seen(manager, alarm.id))
    with pytest.raises(Conflict):
        run(desk.promise.seen(other, alarm.id))
    assert [] == run(desk.promise.ringing(other))
    assert "Bo" == run(desk.promise.recent(other))[0].seen_by
    assert 1 == count(house, AuditEvent, AuditEvent.tag == Tag.CAPACITY_SEEN.value)
    clock.forward(minutes=30)
    run(desk.offer(counted="form:3"))
    assert [] == run(desk.promise.ringing(other))
    clock.forward(minutes=31)
    run(desk.offer(counted="form:4"))
    assert [alarm.id] == [each.id for each in run(desk.promise.ringing(other))]


def test_a_channel_without_times_is_a_reason_of_its_own(desk: BookingDesk, house: House) -> None:
    """Anna has no camera to offer: whoever asks for a video talk alone meets nothing, and that is told."""
    house.db.write_now(lambda s: s.execute(sa.update(Therapist).values(channels="chat,phone")))
    assert not run(desk.offer("video", counted="form:1")).within
    assert ["full:video"] == reasons(house)
    alarm = run(desk.promise.ringing(boss(house)))[0]
    assert ("full", "video") == (alarm.reason, alarm.channel)


def test_a_wish_that_cannot_be_met_is_no_alarm(desk: BookingDesk, house: House) -> None:
    """There are times, only not at that hour or with a man: the person is offered those, and nobody is called out."""
    assert run(desk.offer(counted="form:1", wish=Wish("man"))).within
    assert [] == reasons(house)


def test_nobody_has_asked_and_it_is_known_within_a_minute(desk: BookingDesk, house: House, clock: ManualClock) -> None:
    """In opening hours a look every minute is enough; at night nobody is called out for an empty morning."""
    assert not run(desk.promise.look_ahead())
    house.db.write_now(lambda s: s.execute(sa.delete(WorkingHours)))
    clock.at = datetime(2026, 11, 25, 22, 0, tzinfo=UTC)
    assert not run(desk.promise.look_ahead())
    clock.at = datetime(2026, 11, 26, 8, 0, tzinfo=UTC)
    assert run(desk.promise.look_ahead())
    assert not run(desk.promise.look_ahead())
    assert ["full"] == reasons(house)


def test_acute_requests_have_their_own_times_and_alarm(desk: BookingDesk, house: House, clock: ManualClock) -> None:
    """10.20 and 11.00 are kept: not offered to others, nor to be held by them; offered when it cannot wait; then released."""
    house.db.write_now(
        lambda s: s.add_all(
            AcuteHours(staff_id="anna", weekday=day, start_minute=620, end_minute=700) for day in range(5)
        )
    )
    usual = [to_local(time.start).strftime("%d %H:%M") for time in run(desk.offer(limit=99)).times]
    assert ["25 09:40", "26 09:00", "26 09:40"] == usual
    acute = run(desk.offer(limit=99, acute=True)).times
    assert 7 == len(acute)
    kept = next(time for time in acute if to_local(time.start).strftime("%d %H:%M") == "25 10:20")
    plain = kept.slot.partition("-")[0] + "-a"
    with pytest.raises(Exception, match="taken"):
        run(desk.hold("form:1", plain))
    assert "Anna" == run(desk.hold("form:1", kept.slot)).therapist
    for number in range(6):
        run(desk.offer(counted=f"form:x{number}", acute=True))
        book(desk, f"chat:{number}", acute=True)
    assert not run(desk.offer(counted="form:last", acute=True)).within
    assert ["acute"] == reasons(house)


def test_acute_times_of_the_day_are_let_go_in_time(house: House, clock: ManualClock) -> None:
    """At one o'clock, as the municipality has it, what is left of today is for everybody; tomorrow's is still kept."""
    add_therapist(house, "anna", [("13:20", "16:00")])
    desk = BookingDesk(house)
    house.db.write_now(
        lambda s: s.add_all(
            AcuteHours(staff_id="anna", weekday=day, start_minute=800, end_minute=960) for day in range(5)
        )
    )
    clock.at = datetime(2026, 11, 25, 11, 59, tzinfo=UTC)
    assert [] == run(desk.offer()).times
    clock.forward(minutes=1)
    assert {25} == {to_local(time.start).day for time in run(desk.offer(limit=99)).times}


# R12, through the database.


@pytest.mark.slow
def test_in_any_week_a_time_in_time_is_offered_or_somebody_is_told(house: House, clock: ManualClock) -> None:
    """Sixty random weeks with random bookings: the offer has a time before the promise ends, or the alarm rings."""
    chance = random.Random(4)
    desk = BookingDesk(house)
    for name in ("anna", "bo", "cia"):
        add_therapist(house, name, [])
    empty = 0
    for round_ in range(60):
        clock.at = datetime(2026, 11, 23, 7, tzinfo=UTC) + timedelta(weeks=round_, hours=chance.randrange(80))

        def plan(session: Any) -> None:
            for table in (WorkingHours, DayHours):
                session.execute(sa.delete(table))
            for name in ("anna", "bo", "cia"):
                for day in range(5):
                    start = chance.randrange(96, 192) * 5
                    if chance.random() < 0.4:
                        session.add(WorkingHours(staff_id=name, weekday=day, start_minute=start, end_minute=start + 80))

        house.db.write_now(plan)
        for number in range(chance.randrange(9)):
            offer = run(desk.offer())
            if offer.times:
                book(desk, f"chat:{round_}.{number}")
        offer = run(desk.offer(counted=f"form:{round_}", limit=99))
        in_time = [time for time in offer.times if to_local(time.start).date() <= offer.until]
        today = to_local(clock.at).date()
        rang = count(house, CapacityAlarm, CapacityAlarm.day == today, CapacityAlarm.reason == "full")
        assert offer.within == bool(in_time)
        assert bool(in_time) != bool(rang)
        empty += not in_time
    assert 5 < empty < 55
