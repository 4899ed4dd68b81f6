"""Promise: a talk is offered, kept, booked, found and cancelled, and only the right people read about it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from backend.booking.attending import Attending
from backend.booking.lifecycle import BOOKED, CANCELLED, HELD
from backend.booking.rules import Wanted
from backend.booking.safe import Safe
from backend.booking.schedule import seed_therapists
from backend.booking.service import BookingDesk, Details
from backend.booking.tables import Booking, BookingCell, Therapist, WorkingHours
from backend.core.audit import AuditEvent, Tag
from backend.core.clock import STOCKHOLM, to_local
from backend.core.codes import ReturnCode
from backend.core.errors import AlreadyBooked, HoldExpired, InvalidField, NotFound, Taken
from backend.core.house import House
from backend.core.outbox import OutboxMessage
from backend.core.people import Role, StaffMember
from backend.core.reader import Reader
from tests.conftest import ManualClock
from tests.therapists import add_staff, add_therapist, cells_of, count, desk_with

CANARY = "Kanariefågeln sjunger bara när pappa sover"
CHAT = Details("chat")
CALL = Details(
    "phone",
    Reader("partner", "adult"),
    phone="Mitt nummer är 070-174 06 05, ring efter tre",
    safe=Safe(call_ok="yes", if_other_answers="Säg att det är tandläkaren", leave_message="no"),
    note=CANARY,
)


def run(work: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(work)


def at(moment: datetime) -> str:
    return to_local(moment).strftime("%d %H:%M")


def times(desk: BookingDesk, *args: Any, **kwargs: Any) -> list[str]:
    return [at(free.start) for free in run(desk.offer(*args, **kwargs)).times]


@pytest.fixture
def desk(house: House) -> BookingDesk:
    """Anna works every weekday from 9 to 12 (four talks a day). It is Wednesday 25 November 2026, 9.00."""
    add_therapist(house, "anna", [("09:00", "12:00")])
    return BookingDesk(house)


def first_slot(desk: BookingDesk, **kwargs: Any) -> str:
    return str(run(desk.offer(**kwargs)).times[0].slot)


def booked(desk: BookingDesk, holder: str = "chat:1", details: Details = CHAT, **kwargs: Any) -> Any:
    async def both() -> Any:
        offer = await desk.offer(**kwargs)
        await desk.hold(holder, offer.times[0].slot)
        return await desk.confirm(holder, details)

    return run(both())


# Who may read: strangers first.


def test_other_units_and_roles_are_told_that_a_booking_does_not_exist(desk: BookingDesk, house: House) -> None:
    """A therapist of another unit, a case worker anywhere and somebody who has left get 404, and no reading is logged."""
    made = booked(desk)
    leaver = add_staff(house, "leaver")
    leaver.active = False
    strangers = [
        add_staff(house, "other", unit="vuxen"),
        add_staff(house, "case", role=Role.CASE_WORKER),
        add_staff(house, "boss", role=Role.MANAGER, unit="vuxen"),
        leaver,
    ]
    for stranger in strangers:
        assert [] == run(desk.list_for(stranger, date(2026, 11, 25)))
        with pytest.raises(NotFound):
            run(Attending(house).sheet(stranger, made.booking_id))
    assert 0 == count(house, AuditEvent, AuditEvent.tag == Tag.BOOKING_READ.value)


def test_own_team_and_manager_read_what_was_written_and_leave_a_trace(desk: BookingDesk, house: House) -> None:
    """The therapist, a colleague of the unit and its manager open it; each opening is a row without words."""
    made = booked(desk, details=CALL)
    anna, samir = add_staff(house, "x"), add_staff(house, "samir")
    anna = replace_id(anna, "anna")
    chief = add_staff(house, "chief", role=Role.MANAGER)
    for reader in (anna, samir, chief):
        opened = run(Attending(house).sheet(reader, made.booking_id))
        assert "+46701740605" == opened.phone
        assert CALL.safe == opened.safe
        assert CANARY == opened.note
        assert Reader("partner", "adult") == opened.reader
        assert opened.meeting_url is None
    rows = run(desk.list_for(samir, date(2026, 11, 25)))
    assert [("Anna", "phone", False)] == [(row.therapist, row.channel, row.own) for row in rows]
    assert run(desk.list_for(anna, date(2026, 11, 25)))[0].own
    reads = house.db.read_now(
        lambda s: s.scalars(sa.select(AuditEvent).where(AuditEvent.tag == Tag.BOOKING_READ.value)).all()
    )
    assert ["anna", "samir", "chief"] == [row.actor for row in reads]
    assert {(made.booking_id, "")} == {(row.subject, row.detail) for row in reads}


def replace_id(member: Any, staff_id: str) -> Any:
    member.id = staff_id
    return member


def test_nothing_that_was_written_lies_readable_in_the_database(desk: BookingDesk, house: House) -> None:
    """Number, note and safe-contact answers are sealed, and no mail or audit row repeats them."""
    booked(desk, details=CALL)

    def dump(session: Any) -> str:
        return "".join(
            repr([tuple(row) for row in session.execute(sa.select(table))])
            for table in Booking.metadata.sorted_tables
            if session.get_bind().dialect.has_table(session.connection(), table.name)
        )

    everything = house.db.read_now(dump)
    for secret in ("Kanarie", "701740605", "tandläkaren"):
        assert secret not in everything


def test_the_notice_says_only_that_something_happened(desk: BookingDesk, house: House) -> None:
    """Mail is no secret: no name, time, channel or word of the person, to the unit when the therapist has no address."""
    booked(desk, details=CALL)
    mail = house.db.read_now(lambda s: s.scalars(sa.select(OutboxMessage)).one())
    assert "oppenvarden@exempelby.example" == mail.recipient
    assert "Ny händelse" == mail.subject
    assert "Det finns en ny händelse. Logga in för att läsa den: http://127.0.0.1:8000/personal" == mail.body


# Offers.


def test_times_today_and_the_next_working_day_are_offered_nearest_first(desk: BookingDesk) -> None:
    """At 9.00 with a quarter's notice: 9.40 is the first, then the rest of today, then tomorrow; never the day after."""
    assert ["25 09:40", "25 10:20", "25 11:00", "26 09:00"] == times(desk)
    assert ["26 09:40", "26 10:20", "26 11:00"] == times(desk, skip=4)
    assert [] == times(desk, skip=7)
    assert [True, False] == [run(desk.offer(skip=skip)).more for skip in (0, 4)]


def day(number: int, *hours: str, last: int | None = None, month: int = 11) -> Wanted:
    """A wish for a day of November 2026, or several, and two hours of the wall clock."""
    begin = datetime(2026, month, number, tzinfo=STOCKHOLM)
    after, before = [*(time.fromisoformat(hour) if hour else None for hour in hours), None, None][:2]
    return Wanted(begin, begin + timedelta(days=(last or number) - number + 1), after, before)


def test_days_and_hours_can_be_asked_for(desk: BookingDesk) -> None:
    """Also beyond the promised days; what is not open is left out."""
    assert {"25"} == {time[:2] for time in times(desk, wanted=day(25), limit=99)}
    assert ["30 09:00", "30 09:40"] == times(desk, wanted=day(30), limit=2)
    assert ["27 11:00"] == times(desk, wanted=day(27, "10:30"))
    assert ["27 09:00", "27 09:40", "30 09:00", "30 09:40"] == times(desk, wanted=day(27, "", "10:00", last=30))
    assert ["26 09:00"] == times(desk, wanted=Wanted(begin=datetime(2026, 11, 26, tzinfo=STOCKHOLM)), limit=1)
    assert ["25 11:00", "26 11:00"] == times(desk, wanted=Wanted(after=time(10, 30)))


def test_when_there_is_none_as_wished_the_nearest_are_told(desk: BookingDesk) -> None:
    """Nearest to the wish, not to now; on a closed day those before and after it; in the order of the calendar."""
    offer = run(desk.offer(wanted=day(27, "15:00", "18:00"), limit=2))
    assert ([], ["27 10:20", "27 11:00"]) == (offer.times, [at(time.start) for time in offer.near])
    weekend = run(desk.offer(wanted=day(28, last=29), limit=2))
    assert ["30 09:00", "30 09:40"] == [at(time.start) for time in weekend.near]
    evening = run(desk.offer(wanted=day(27, "18:00", last=29), limit=2))
    assert ["27 10:20", "27 11:00"] == [at(time.start) for time in evening.near]
    long_gone = run(desk.offer(wanted=day(24), limit=2))
    assert ([], ["25 09:40", "25 10:20"]) == (long_gone.times, [at(time.start) for time in long_gone.near])
    far_off = run(desk.offer(wanted=day(1, month=6), limit=2))
    assert [] == far_off.times and all(run(desk.hold("chat:1", near.slot)) for near in far_off.near)
    assert [] == run(desk.offer()).near


def test_when_all_is_full_the_true_next_time_is_told_and_can_be_taken(desk: BookingDesk) -> None:
    """A promise that cannot be kept is replaced by the first time that exists, here on Friday."""
    for number in range(7):
        booked(desk, f"chat:{number}")
    offer = run(desk.offer())
    assert ([], False, "27 09:00") == (offer.times, offer.more, at(offer.opens.start))
    assert "27 09:00" == at(run(desk.hold("chat:8", offer.opens.slot)).start)


def test_the_night_before_a_long_weekend_knows_its_calendar(desk: BookingDesk, clock: ManualClock) -> None:
    """23 December at 23.59: nothing more today, and Monday the 28th is the next working day."""
    clock.at = datetime(2026, 12, 23, 22, 59, tzinfo=UTC)
    assert "28 09:00" == times(desk)[0]
    assert [] == times(desk, wanted=day(23, month=12))
    assert "28 09:00" == at(run(desk.offer(wanted=day(23, month=12))).opens.start)


def test_at_one_minute_to_midnight_today_is_still_today(desk: BookingDesk, clock: ManualClock) -> None:
    """In UTC it is the same day for another hour; in Stockholm the next minute is tomorrow."""
    clock.at = datetime(2026, 11, 25, 22, 59, tzinfo=UTC)
    assert {"26"} == {time[:2] for time in times(desk, limit=99)}
    clock.forward(minutes=1)
    assert {"26", "27"} == {time[:2] for time in times(desk, limit=99)}


def test_a_channel_is_offered_only_with_somebody_who_has_it(desk: BookingDesk, house: House) -> None:
    """Lena has no camera: her times are not offered for video, and cannot be held for it."""
    add_therapist(house, "lena", [("13:00", "14:30")], channels="chat,phone")
    assert "25 13:00" in times(desk, limit=99)
    assert "25 13:00" not in times(desk, channel="video", limit=99)
    slot = next(t.slot for t in run(desk.offer(channel="phone", limit=99)).times if at(t.start) == "25 13:00")
    with pytest.raises(InvalidField):
        run(desk.hold("chat:1", slot.replace("-p", "-v")))
    with pytest.raises(InvalidField):
        run(desk.offer(channel="fax"))


def test_one_who_is_closed_offers_nothing(desk: BookingDesk, house: House) -> None:
    """A municipality that has switched booking off gives no times and takes none."""
    slot = first_slot(desk)
    shut = desk_with(house, enabled=False)
    assert ([], None) == (run(shut.offer()).times, run(shut.offer()).opens)
    with pytest.raises(InvalidField):
        run(shut.hold("chat:1", slot))


def test_the_promised_day_is_today_until_the_cutoff(desk: BookingDesk, clock: ManualClock) -> None:
    """Before two o'clock a talk the same day can be promised, after it the next working day, over a weekend too."""
    assert date(2026, 11, 25) == run(desk.offer()).promised
    clock.at = datetime(2026, 11, 25, 13, 0, tzinfo=UTC)
    assert date(2026, 11, 26) == run(desk.offer()).promised
    clock.at = datetime(2026, 11, 28, 9, 0, tzinfo=UTC)
    assert date(2026, 11, 30) == run(desk.offer()).promised


def test_the_demo_therapists_get_the_hours_of_the_file_once(house: House) -> None:
    """Seeding twice adds nobody twice, and lunch is a gap."""
    staff = {
        person.login: add_staff(house, person.login, role=Role(person.role), unit=person.unit)
        for person in house.municipality.demo_staff
    }
    assert 3 == house.db.write_now(lambda s: seed_therapists(s, house.municipality, staff))
    assert 0 == house.db.write_now(lambda s: seed_therapists(s, house.municipality, staff))
    assert 3 == count(house, Therapist)
    assert 10 + 10 + 5 == count(house, WorkingHours)
    offered = times(BookingDesk(house), limit=999)
    assert "25 09:50" == offered[0]
    assert "25 12:00" in offered  # Samir eats at half past twelve
    assert not [time for time in offered if "25 12:00" < time < "25 12:45"]
    assert len(offered) == len(set(offered))


# Holds.


def test_a_held_time_is_not_offered_to_others_but_still_to_the_holder(desk: BookingDesk) -> None:
    """Nobody types for five minutes to lose the time, and nobody sees their own choice as gone."""
    held = run(desk.hold("chat:1", first_slot(desk)))
    assert ("25 09:40", "Anna", 5, ("chat", "phone", "video")) == (
        at(held.start),
        held.therapist,
        held.minutes,
        held.channels,
    )
    assert "25 10:20" == times(desk)[0]
    assert "25 09:40" == times(desk, holder="chat:1")[0]
    with pytest.raises(Taken):
        run(desk.hold("chat:2", first_slot(desk, holder="chat:1")))


def test_a_hold_that_ran_out_is_free_at_once(desk: BookingDesk, house: House, clock: ManualClock) -> None:
    """At five minutes the next person gets the time, without any clean-up having run; the first is told kindly."""
    slot = first_slot(desk)
    first = run(desk.hold("chat:1", slot))
    clock.forward(minutes=4, seconds=59)
    with pytest.raises(Taken):
        run(desk.hold("chat:2", slot))
    clock.forward(seconds=1)
    assert "25 09:40" == times(desk)[0]
    second = run(desk.hold("chat:2", slot))
    assert (0, 8) == (cells_of(house, first.booking_id), cells_of(house, second.booking_id))
    with pytest.raises(HoldExpired):
        run(desk.confirm("chat:1", CHAT))
    assert CANCELLED == run(desk.find(first.booking_id)).state


def test_a_slow_writer_keeps_a_time_that_nobody_else_wanted(desk: BookingDesk, clock: ManualClock) -> None:
    """The five minutes protect others. If no other came, a child who needed twenty still gets the time."""
    run(desk.hold("chat:1", first_slot(desk)))
    clock.forward(minutes=20)
    assert "25 09:40" == at(run(desk.confirm("chat:1", CHAT)).start)


def test_a_time_that_has_begun_cannot_be_confirmed(desk: BookingDesk, clock: ManualClock) -> None:
    """A form left open until the talk has begun books nothing."""
    run(desk.hold("chat:1", first_slot(desk)))
    clock.forward(minutes=40)
    with pytest.raises(HoldExpired):
        run(desk.confirm("chat:1", CHAT))


def test_choosing_another_time_lets_go_of_the_first_in_one_step(desk: BookingDesk, house: House) -> None:
    """A person holds one time. If the new one is gone they still have the old one."""
    offer = run(desk.offer())
    first = run(desk.hold("chat:1", offer.times[0].slot))
    run(desk.hold("chat:2", offer.times[2].slot))
    with pytest.raises(Taken):
        run(desk.hold("chat:1", offer.times[2].slot))
    assert first.booking_id == run(desk.held("chat:1")).booking_id
    second = run(desk.hold("chat:1", offer.times[1].slot))
    assert (0, 8) == (cells_of(house, first.booking_id), cells_of(house, second.booking_id))
    assert 2 == count(house, Booking, Booking.state == HELD)
    again = run(desk.hold("chat:1", offer.times[1].slot))
    assert second.start == again.start


def test_letting_go_frees_the_time_and_keeps_a_booking(desk: BookingDesk, house: House) -> None:
    """'Avbryt' releases a hold; it never cancels a confirmed talk."""
    run(desk.hold("chat:1", first_slot(desk)))
    run(desk.release("chat:1"))
    assert (0, "25 09:40") == (count(house, BookingCell), times(desk)[0])
    assert run(desk.held("chat:1")) is None
    made = booked(desk)
    run(desk.release("chat:1"))
    assert BOOKED == run(desk.find(made.booking_id)).state


def test_one_talk_per_person_at_a_time(desk: BookingDesk, clock: ManualClock) -> None:
    """Who has a talk ahead cannot hold another; when it is over, or cancelled, they can."""
    made = booked(desk)
    with pytest.raises(AlreadyBooked):
        run(desk.hold("chat:1", first_slot(desk)))
    run(desk.cancel(made.booking_id))
    booked(desk)
    with pytest.raises(AlreadyBooked):
        run(desk.hold("chat:1", first_slot(desk)))
    clock.forward(hours=2)
    assert run(desk.hold("chat:1", first_slot(desk))).therapist == "Anna"


def test_a_time_shown_a_moment_ago_is_still_good(desk: BookingDesk, clock: ManualClock) -> None:
    """Notice is a quarter; whoever reads the times for some minutes may still choose the first, but not at the last moment."""
    slot = first_slot(desk)
    clock.forward(minutes=34)
    assert "25 09:40" == at(run(desk.hold("chat:1", slot)).start)
    run(desk.release("chat:1"))
    clock.forward(minutes=2)
    with pytest.raises(Taken):
        run(desk.hold("chat:1", slot))


def test_an_impossible_time_is_refused_kindly(desk: BookingDesk, house: House) -> None:
    """30 februari, a minute beside a time that exists, another century, noise: a clear answer and no row."""
    for slot in ("2026-02-30 10:00", "", "htfiq", "htfir-a", "0-a", "zzzzzzz-a", "\x00", "💥" * 100, "9" * 20_000):
        with pytest.raises(InvalidField) as told:
            run(desk.hold("chat:1", slot))
        assert ("no_such_time", "slot") == (told.value.code, told.value.extra["field"])
    assert 0 == count(house, Booking)


def test_a_closed_day_and_a_far_one_cannot_be_held(desk: BookingDesk) -> None:
    """Christmas Eve is a Thursday with working hours and still no day; nor is one half a year away."""
    from backend.booking.rules import slot_id

    for moment in (datetime(2026, 12, 24, 8, tzinfo=UTC), datetime(2027, 5, 25, 7, tzinfo=UTC)):
        with pytest.raises(InvalidField):
            run(desk.hold("chat:1", slot_id(moment, None)))


# Confirming.


def test_a_talk_by_chat_needs_no_name_number_or_mail(desk: BookingDesk, house: House) -> None:
    """Everything that is stored about a child who books a chat: the time, and a code that only the child has."""
    made = booked(desk)
    assert ("25 09:40", "chat", "Anna") == (at(made.start), made.channel, made.therapist)
    assert 6 == len(made.words.split())
    row = house.db.read_now(lambda s: s.get(Booking, made.booking_id))
    assert (None, None, None, None, None) == (row.phone, row.safe, row.note, row.who, row.band)
    digest = run(house.codes.digest(made.words))
    assert made.booking_id == house.db.read_now(
        lambda s: s.scalar(sa.select(ReturnCode.subject).where(ReturnCode.digest == digest))
    )


def test_booking_code_notice_and_trace_are_one(
    desk: BookingDesk, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the last of them fails, none is kept and the hold is still there to try again."""
    run(desk.hold("chat:1", first_slot(desk)))
    monkeypatch.setattr("backend.booking.notices.outbox.post", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        run(desk.confirm("chat:1", CHAT))
    assert (0, 0, 0) == (
        count(house, ReturnCode),
        count(house, Booking, Booking.state == BOOKED),
        count(house, AuditEvent, AuditEvent.tag == Tag.BOOKING_CONFIRMED.value),
    )
    monkeypatch.undo()
    assert run(desk.confirm("chat:1", CHAT)).words


def test_confirming_twice_gives_the_same_talk_and_the_same_words(desk: BookingDesk, house: House) -> None:
    """A second click, or a retry after a lost answer, books nothing more; once saved the words are gone."""
    first = booked(desk)
    assert first == run(desk.confirm("chat:1", replace(CALL, phone="nonsense")))
    run(desk.saved("chat:1"))
    assert replace(first, words=None) == run(desk.confirm("chat:1", CHAT))
    assert (1, 1, 1) == (count(house, ReturnCode), count(house, OutboxMessage), count(house, Booking))


def test_a_window_that_shows_another_time_does_not_confirm_this_one(desk: BookingDesk) -> None:
    """Two windows, two choices: the older window is told, instead of booking a time it does not show."""
    offer = run(desk.offer())
    old, new = offer.times[0].slot, offer.times[1].slot
    run(desk.hold("chat:1", old))
    run(desk.hold("chat:1", new))
    with pytest.raises(HoldExpired):
        run(desk.confirm("chat:1", CHAT, slot=old))
    assert "25 10:20" == at(run(desk.confirm("chat:1", CHAT, slot=new)).start)


def test_nothing_held_is_nothing_to_confirm(desk: BookingDesk) -> None:
    """A confirmation out of the blue says that the time is gone."""
    with pytest.raises(HoldExpired):
        run(desk.confirm("chat:1", CHAT))


UNUSABLE = [
    (Details("phone"), "phone_invalid"),
    (Details("phone", phone=""), "phone_invalid"),
    (Details("phone", phone="112"), "phone_invalid"),
    (Details("phone", phone="070-123"), "phone_invalid"),
    (Details("phone", phone="9" * 20_000), "phone_invalid"),
    (Details("phone", phone="\ud800\x00💥"), "phone_invalid"),
    (Details("phone", phone="0900-123 45 67"), "phone_invalid"),
    (Details("phone", phone="070-174 06 05", safe=Safe(call_ok="no")), "call_not_safe"),
    (Details("phone", phone="070-174 06 05", safe=Safe(call_ok="maybe")), "invalid"),  # type: ignore[arg-type]
    (Details("fax"), "channel_unavailable"),
    (Details(""), "channel_unavailable"),
]


def test_details_that_cannot_be_used_are_told_and_the_hold_stays(desk: BookingDesk) -> None:
    """A wrong number, or a call that would not be safe, is said by its field; the time is kept meanwhile."""
    run(desk.hold("chat:1", first_slot(desk)))
    for details, code in UNUSABLE:
        with pytest.raises(InvalidField) as told:
            run(desk.confirm("chat:1", details))
        assert code == told.value.code
    assert "25 09:40" == at(run(desk.confirm("chat:1", CHAT)).start)


def test_a_number_is_not_kept_for_a_talk_that_needs_none(desk: BookingDesk, house: House) -> None:
    """Who changes from phone to chat leaves no number behind, only the note."""
    made = booked(desk, details=replace(CALL, channel="chat"))
    opened = run(Attending(house).sheet(add_staff(house, "samir"), made.booking_id))
    assert (None, Safe(), CANARY) == (opened.phone, opened.safe, opened.note)


def test_a_video_talk_shows_both_the_same_room(desk: BookingDesk, house: House) -> None:
    """The therapist finds the room with the booking, the person when it is booked and with the code, until it is cancelled.

    A colleague who may read the booking does not see the room.
    """
    made = booked(desk, details=Details("video"))
    assert run(Attending(house).sheet(add_staff(house, "samir"), made.booking_id)).meeting_url is None
    own = house.db.read_now(lambda session: session.get(StaffMember, "anna"))
    assert own is not None
    opened = run(Attending(house).sheet(own, made.booking_id))
    found = run(desk.find(made.booking_id))
    assert ["https://video.example/anna"] * 3 == [made.meeting_url, opened.meeting_url, found.meeting_url]
    run(desk.cancel(made.booking_id))
    assert run(desk.find(made.booking_id)).meeting_url is None


def test_a_channel_that_the_therapist_lacks_moves_the_talk_to_a_free_colleague(desk: BookingDesk, house: House) -> None:
    """The time is what was promised: a colleague with a camera takes the video talk, and without one it is said."""
    add_therapist(house, "lena", [("13:00", "14:30")], channels="chat,phone")
    slots = {at(t.start): t.slot for t in run(desk.offer(limit=99)).times}
    alone = run(desk.hold("chat:1", slots["25 13:00"]))
    assert ("chat", "phone") == alone.channels
    with pytest.raises(InvalidField) as told:
        run(desk.confirm("chat:1", Details("video")))
    assert "channel_unavailable" == told.value.code
    add_therapist(house, "omar", [("13:00", "14:30")])
    again = run(desk.held("chat:1"))
    assert ("Lena", ("chat", "phone", "video")) == (again.therapist, again.channels)
    made = run(desk.confirm("chat:1", Details("video")))
    assert ("25 13:00", "Omar") == (at(made.start), made.therapist)
    assert {"omar"} == set(house.db.read_now(lambda s: s.scalars(sa.select(BookingCell.therapist_id)).all()))


def test_the_first_free_therapist_is_the_one_with_least_to_do(desk: BookingDesk, house: House) -> None:
    """Two equals get every other talk, so that nobody sits with all of them."""
    add_therapist(house, "bo", [("09:00", "12:00")])
    for number in range(6):
        booked(desk, f"chat:{number}", wanted=day(25))
    rows = house.db.read_now(
        lambda s: s.execute(sa.select(Booking.therapist_id, sa.func.count()).group_by(Booking.therapist_id)).all()
    )
    assert {"anna": 3, "bo": 3} == dict(rows)


# Coming back, cancelling, forgetting.


def test_a_cancelled_time_can_be_booked_by_somebody_else_at_once(desk: BookingDesk, house: House) -> None:
    """No key of a cancelled talk stands in the way; the therapist is told that something happened."""
    made = booked(desk)
    assert run(desk.cancel(made.booking_id))
    assert 0 == cells_of(house, made.booking_id)
    other = booked(desk, "chat:2")
    assert made.start == other.start
    assert not run(desk.cancel(made.booking_id))
    assert (CANCELLED, BOOKED) == (run(desk.find(made.booking_id)).state, run(desk.find(other.booking_id)).state)
    assert 3 == count(house, OutboxMessage)


def test_a_code_shows_time_channel_and_first_name_and_nothing_else(desk: BookingDesk) -> None:
    """What comes back to a phone that others may hold has no whole number and no words in it."""
    made = booked(desk, details=CALL)
    found = run(desk.find(made.booking_id))
    assert {
        "booking_id", "start", "end", "channel", "therapist", "therapist_id", "state", "reader", "meeting_url",
        "calls", "reminder", "interpreter",
    } == set(found.__dataclass_fields__)  # fmt: skip
    assert (made.start, made.end, "phone", "Anna", True) == (
        found.start,
        found.end,
        found.channel,
        found.therapist,
        found.active,
    )


def test_an_unknown_booking_is_not_found(desk: BookingDesk) -> None:
    """Nor can it be cancelled."""
    for attempt in (desk.find, desk.cancel):
        with pytest.raises(NotFound):
            run(attempt("0" * 24))


def test_a_talk_that_is_over_cannot_be_cancelled(desk: BookingDesk, clock: ManualClock) -> None:
    """Afterwards it is a fact, and the answer says that there is nothing to cancel."""
    made = booked(desk)
    clock.forward(hours=3)
    assert not run(desk.cancel(made.booking_id))


def test_old_talks_and_let_go_times_are_deleted_and_the_rest_is_kept(
    desk: BookingDesk, house: House, clock: ManualClock
) -> None:
    """Retention of the municipality: a month after the talk, an hour after an offered time was let go."""
    made = booked(desk)
    run(desk.hold("chat:2", first_slot(desk)))
    assert (0, 0) == (run(desk.release_expired()), run(desk.purge()))
    clock.forward(hours=1, minutes=6)
    assert (1, 0) == (run(desk.release_expired()), run(desk.purge()))
    clock.forward(hours=1, minutes=1)
    assert (0, 1) == (run(desk.release_expired()), run(desk.purge()))
    assert 8 == count(house, BookingCell)
    clock.at = made.end + timedelta(days=30)
    assert 0 == run(desk.purge())
    clock.forward(seconds=1)
    assert 1 == run(desk.purge())
    assert (0, 0, 0) == (count(house, Booking), count(house, BookingCell), count(house, ReturnCode))


def test_after_the_talk_nothing_ties_it_to_the_chat(desk: BookingDesk, house: House, clock: ManualClock) -> None:
    """The chat's id is needed for one thing only, one talk at a time; afterwards it is gone."""
    made = booked(desk)
    clock.forward(hours=3)
    run(desk.purge())
    row = house.db.read_now(lambda s: s.get(Booking, made.booking_id))
    assert (BOOKED, None) == (row.state, row.holder)


def test_safe_contact_answers_are_stored_as_plain_json(desk: BookingDesk, house: House) -> None:
    """Another program can read them with the key, so that nothing is locked into this code."""
    made = booked(desk, details=CALL)
    row = house.db.read_now(lambda s: s.get(Booking, made.booking_id))
    opened = json.loads(house.vault.open(row.data_key, f"booking.safe:{row.id}", row.safe))
    assert "tandläkaren" in opened["if_other_answers"]
