"""Promise: hours, exceptions and absence are what the next person is offered, and only the right people change them."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from backend.booking import rules, schedule
from backend.booking.rules import Span, Wish
from backend.booking.schedule import ScheduleDesk, Terms, moment
from backend.booking.service import BookingDesk, Details
from backend.booking.tables import Booking, Therapist, WorkingHours
from backend.core.audit import AuditEvent, Tag
from backend.core.clock import to_local
from backend.core.db import Database
from backend.core.errors import InvalidField, NotFound, Taken
from backend.core.house import House
from backend.core.people import Role, StaffMember
from backend.core.roster import Away
from tests.conftest import ManualClock
from tests.therapists import add_staff, add_therapist, count, overlaps

TODAY, TOMORROW, FRIDAY, SATURDAY = (date(2026, 11, day) for day in (25, 26, 27, 28))


def run(work: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(work)


@pytest.fixture
def booking(house: House) -> BookingDesk:
    """Anna works every weekday from 9 to 12. It is Wednesday 25 November 2026, 9.00."""
    add_therapist(house, "anna", [("09:00", "12:00")])
    return BookingDesk(house)


@pytest.fixture
def desk(booking: BookingDesk) -> ScheduleDesk:
    return booking.schedules


@pytest.fixture
def anna(booking: BookingDesk, house: House) -> StaffMember:
    return house.db.read_now(lambda s: s.get_one(StaffMember, "anna"))


def times(booking: BookingDesk, day: date | None = None, **kwargs: Any) -> list[str]:
    starts = [to_local(time.start) for time in run(booking.offer(limit=999, **kwargs)).times]
    return [start.strftime("%d %H:%M") for start in starts if day in (None, start.date())]


def at(day: date, clock: str) -> datetime:
    hour, minute = clock.split(":")
    return moment(day, int(hour) * 60 + int(minute))


# Who may change: strangers first.


def test_for_others_a_calendar_does_not_exist(desk: ScheduleDesk, house: House, anna: StaffMember) -> None:
    """A colleague, a case worker, another unit's manager and somebody who has left: 404 for everything, nothing changed."""
    gone = add_staff(house, "gone", role=Role.MANAGER)
    gone.active = False
    for stranger in (
        add_staff(house, "samir"),
        add_staff(house, "karin", role=Role.CASE_WORKER),
        add_staff(house, "maria", role=Role.MANAGER, unit="vuxen"),
        gone,
    ):
        start, end = at(TOMORROW, "09:00"), at(TOMORROW, "12:00")
        for deed in (
            desk.week(stranger, "anna", TODAY),
            desk.plan(stranger, "anna"),
            desk.set_week(stranger, "anna", {}, {}),
            desk.set_day(stranger, "anna", TOMORROW, [Span(600, 660)]),
            desk.add_extra(stranger, "anna", TOMORROW, Span(780, 840)),
            desk.absent(stranger, "anna", start, end, Away.OTHER),
            desk.set_terms(stranger, "anna", Terms(channels=("chat",))),
            desk.would_affect(stranger, "anna", start, end),
        ):
            with pytest.raises(NotFound):
                run(deed)
        assert [] == run(desk.affected(stranger))
    assert 5 == count(house, WorkingHours)
    assert 0 == count(house, AuditEvent, AuditEvent.tag == Tag.SCHEDULE_CHANGED.value)


def test_a_manager_edits_the_unit_s_and_it_is_noted(desk: ScheduleDesk, booking: BookingDesk, house: House) -> None:
    """Bo leads the unit; what he changes is offered, and who did it is written down without more words than what."""
    bo = add_staff(house, "bo", role=Role.MANAGER)
    assert ["Anna"] == [each.name for each in run(desk.whose(bo))]
    run(desk.set_week(bo, "anna", {2: [Span(780, 860)]}, {}))
    assert ["25 13:00", "25 13:40"] == times(booking)
    row = house.db.read_now(
        lambda s: s.scalars(sa.select(AuditEvent).where(AuditEvent.tag == "staff:schedule:changed")).one()
    )
    assert ("bo", "anna", "week") == (row.actor, row.subject, row.detail)


# What holds when.


def test_what_says_more_about_a_day_wins(desk: ScheduleDesk, booking: BookingDesk, anna: StaffMember) -> None:
    """Absence over the day's own hours, these over the latest period, this over the usual week; extra is added."""
    assert ["26 09:00", "26 09:40", "26 10:20", "26 11:00"] == times(booking, TOMORROW)
    run(desk.set_period(anna, "anna", None, "Ny tidplan", TODAY, None, {3: [Span(600, 680)]}))
    assert ["26 10:00", "26 10:40"] == times(booking, TOMORROW)
    run(desk.set_period(anna, "anna", None, "Sommartid", TOMORROW, TOMORROW, {3: [Span(840, 870)]}))
    assert ["26 14:00"] == times(booking, TOMORROW)
    run(desk.set_day(anna, "anna", TOMORROW, [Span(900, 930)]))
    assert ["26 15:00"] == times(booking, TOMORROW)
    run(desk.add_extra(anna, "anna", TOMORROW, Span(960, 990)))
    assert ["26 15:00", "26 16:00"] == times(booking, TOMORROW)
    gone = run(desk.absent(anna, "anna", at(TOMORROW, "15:10"), at(TOMORROW, "15:20"), Away.OTHER))
    assert ["26 16:00"] == times(booking, TOMORROW)
    run(desk.back(anna, "anna", gone))
    run(desk.set_day(anna, "anna", TOMORROW, []))
    assert ["26 14:00", "26 16:00"] == times(booking, TOMORROW)


def test_extra_hours_open_a_closed_day(
    desk: ScheduleDesk, booking: BookingDesk, anna: StaffMember, clock: ManualClock
) -> None:
    """On Friday the promise reaches to Monday, and a Saturday on which Anna has said that she works lies before it."""
    clock.at = datetime(2026, 11, 27, 14, tzinfo=UTC)
    assert "30 09:00" == times(booking)[0]
    run(desk.add_extra(anna, "anna", SATURDAY, Span(600, 640)))
    assert "28 10:00" == times(booking)[0]
    slot = run(booking.offer()).times[0].slot
    assert "Anna" == run(booking.hold("chat:1", slot)).therapist


def test_own_lengths_never_overlap(desk: ScheduleDesk, booking: BookingDesk, house: House, anna: StaffMember) -> None:
    """45 minutes and a quarter of pause, then 30 and none, in the same day: the key of the cells holds, no time is lost."""
    run(desk.set_terms(anna, "anna", Terms(45, 15, 15, channels=("chat", "phone"))))
    assert ["26 09:00", "26 10:00", "26 11:00"] == times(booking, TOMORROW)
    slots = {to_local(t.start).strftime("%d %H:%M"): t.slot for t in run(booking.offer(limit=99)).times}
    run(booking.hold("chat:1", slots["26 10:00"]))
    run(booking.confirm("chat:1", Details("chat")))
    run(desk.set_terms(anna, "anna", Terms(30, 0, 15, channels=("chat", "phone"))))
    assert ["26 09:00", "26 09:30", "26 11:00", "26 11:30"] == times(booking, TOMORROW)
    for number, time in enumerate(run(booking.offer(limit=99)).times):
        run(booking.hold(f"chat:x{number}", time.slot))
    assert 0 == overlaps(house)


def test_cutoff_notice_and_personal_times(
    desk: ScheduleDesk, booking: BookingDesk, anna: StaffMember, clock: ManualClock
) -> None:
    """After her own cut-off nothing more today; two hours' notice; personal times only for who asks for her."""
    run(desk.set_terms(anna, "anna", Terms(notice=120, channels=("chat",))))
    assert "25 11:00" == times(booking)[0]
    run(desk.set_terms(anna, "anna", Terms(cutoff=9 * 60, channels=("chat",))))
    assert "26 09:00" == times(booking)[0]
    run(desk.set_terms(anna, "anna", Terms(personal=True, channels=("chat",))))
    assert [] == times(booking)
    assert "25 09:40" == times(booking, wish=Wish(therapist="anna"))[0]


def test_a_time_beside_the_usual_ones_needs_our_mark(
    desk: ScheduleDesk, booking: BookingDesk, anna: StaffMember
) -> None:
    """Nobody can take 9.50 to make two times of no use; when that is all there is, it is offered and can be taken."""
    run(desk.absent(anna, "anna", at(TODAY, "09:00"), at(TODAY, "11:10"), Away.OTHER))
    offered = run(booking.offer()).times[0]
    assert "25 11:10" == to_local(offered.start).strftime("%d %H:%M")
    assert "Anna" == run(booking.hold("chat:1", offered.slot)).therapist
    run(booking.release("chat:1"))
    with pytest.raises(InvalidField):
        run(booking.hold("chat:2", run(booking.offer(skip=1)).times[0].slot.replace("-a", "-a-x000000000000")))


# Absence.


def test_absence_lets_holds_go_and_lists_who_is_booked(
    desk: ScheduleDesk, booking: BookingDesk, house: House, anna: StaffMember
) -> None:
    """Two are booked and one is choosing: the hold is let go, the two are listed with who could take them."""
    for number in (0, 1):
        slot = run(booking.offer()).times[0].slot
        run(booking.hold(f"chat:{number}", slot))
        run(booking.confirm(f"chat:{number}", Details("chat")))
    run(booking.hold("chat:2", run(booking.offer()).times[0].slot))
    add_therapist(house, "samir", [("09:40", "10:10")])
    start, end = at(TODAY, "09:00"), at(TOMORROW, "00:00")
    assert [["Samir"], []] == [
        [each.name for each in row.free] for row in run(desk.would_affect(anna, "anna", start, end))
    ]
    run(desk.absent(anna, "anna", start, end, Away.SICK))
    assert (2, 0) == (count(house, Booking, Booking.state == "booked"), count(house, Booking, Booking.state == "held"))
    rows = run(desk.affected(anna))
    assert ["09:40", "10:20"] == [to_local(row.start).strftime("%H:%M") for row in rows]
    run(booking.changes.reassign(anna, rows[0].id, rows[0].free[0].id))
    assert [rows[1].id] == [row.id for row in run(desk.affected(anna))]
    slot = next(time.slot for time in run(booking.offer()).times if to_local(time.start).date() == TOMORROW)
    run(booking.changes.move_for(anna, rows[1].id, slot))
    assert [] == run(desk.affected(anna))
    assert 0 == overlaps(house)


def test_the_talks_of_who_has_left_are_the_manager_s(desk: ScheduleDesk, booking: BookingDesk, house: House) -> None:
    """Nobody can be offered or edited any more who has left, and their talks are not forgotten."""
    slot = run(booking.offer()).times[0].slot
    run(booking.hold("chat:1", slot))
    run(booking.confirm("chat:1", Details("chat")))
    bo = add_staff(house, "bo", role=Role.MANAGER)
    assert [] == run(desk.affected(bo))
    house.db.write_now(lambda s: s.execute(sa.update(StaffMember).where(StaffMember.id == "anna").values(active=False)))
    assert [] == times(booking)
    with pytest.raises(InvalidField):
        run(booking.hold("chat:2", slot))
    with pytest.raises(NotFound):
        run(desk.week(bo, "anna", TODAY))
    assert ["Anna"] == [row.therapist for row in run(desk.affected(bo))]


# What cannot be.


@pytest.mark.parametrize(
    ("deed", "code"),
    [
        (lambda desk, anna: desk.set_day(anna, "anna", TOMORROW, [Span(720, 600)]), "ends_before_start"),
        (lambda desk, anna: desk.set_day(anna, "anna", TOMORROW, [Span(600, 601)]), "not_five"),
        (lambda desk, anna: desk.set_day(anna, "anna", TOMORROW, [Span(600, 700), Span(660, 720)]), "overlaps"),
        (lambda desk, anna: desk.set_day(anna, "anna", date(2026, 11, 24), [Span(600, 700)]), "in_the_past"),
        (lambda desk, anna: desk.set_day(anna, "anna", date(2036, 11, 24), [Span(600, 700)]), "too_far"),
        (lambda desk, anna: desk.add_extra(anna, "anna", date(2027, 3, 28), Span(150, 240)), "time_skipped"),
        (lambda desk, anna: desk.set_week(anna, "anna", {0: [Span(600, 500)]}, {}), "ends_before_start"),
        (lambda desk, anna: desk.absent(anna, "anna", at(TODAY, "07:00"), at(TODAY, "08:00"), Away.SICK), "in_the_past"),
        (lambda desk, anna: desk.absent(anna, "anna", at(FRIDAY, "12:00"), at(FRIDAY, "11:00"), Away.SICK), "ends_before_start"),
        (lambda desk, anna: desk.set_terms(anna, "anna", Terms(7, channels=("chat",))), "not_five"),
        (lambda desk, anna: desk.set_terms(anna, "anna", Terms(900, channels=("chat",))), "out_of_range"),
        (lambda desk, anna: desk.set_terms(anna, "anna", Terms(channels=("fax",))), "channel_missing"),
        (lambda desk, anna: desk.set_terms(anna, "anna", Terms(channels=("chat",), meeting_url="http://x")), "not_https"),
        (lambda desk, anna: desk.set_period(anna, "anna", None, " ", TODAY, None, {}), "name_missing"),
        (lambda desk, anna: desk.set_period(anna, "anna", None, "x", FRIDAY, TODAY, {}), "ends_before_start"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_said_and_changes_nothing(
    desk: ScheduleDesk, booking: BookingDesk, anna: StaffMember, deed: Any, code: str
) -> None:
    """Each with a word of its own, and the calendar as it was."""
    before = times(booking)
    with pytest.raises(InvalidField) as told:
        run(deed(desk, anna))
    assert code == told.value.code
    assert before == times(booking)


def test_the_hours_that_the_clock_skips_and_repeats() -> None:
    """2.30 does not exist on 28 March 2027; on 25 October 2026 it comes twice: an absence begins with the first and ends with the last."""
    assert schedule.skipped(date(2027, 3, 28), 150) and not schedule.skipped(date(2026, 10, 25), 150)
    with pytest.raises(InvalidField):
        moment(date(2027, 3, 28), 150)
    assert datetime(2026, 10, 25, 0, 30, tzinfo=UTC) == moment(date(2026, 10, 25), 150)
    assert datetime(2026, 10, 25, 1, 30, tzinfo=UTC) == moment(date(2026, 10, 25), 150, ends=True)
    assert moment(SATURDAY, 0) == moment(FRIDAY, 1440, ends=True)


@pytest.mark.slow
def test_every_hour_of_five_years_has_its_next_working_day(
    booking: BookingDesk, house: House, clock: ManualClock
) -> None:
    """Through ten changes of the clock: the promise ends on an open day, the deadline is its closing time, times lie in hours."""
    promise, closed = booking.promise, schedule.ClosedDays(house.municipality)
    at_, end = datetime(2026, 1, 1, tzinfo=UTC), datetime(2031, 1, 1, tzinfo=UTC)
    while at_ < end:
        deadline = to_local(promise.deadline(at_))
        assert not closed.closed(deadline.date()) and (16, 30) == (deadline.hour, deadline.minute)
        today = to_local(at_).date()
        assert deadline.date() in (today, closed.next_working_day(today))
        at_ += timedelta(hours=1)
    for day in (date(2026, 10, 24), date(2027, 3, 27), date(2028, 3, 25)):
        for hour in range(96):
            clock.at = moment(day, 0) + timedelta(hours=hour)
            for time in run(booking.offer(limit=99)).times:
                local = to_local(time.start)
                assert 9 <= local.hour < 12 and not closed.closed(local.date()) and time.start > clock.at


# How it is read.


def test_what_is_offered_and_held_is_read_by_index(booking: BookingDesk, house: House) -> None:
    """What the search for times and a hold really ask: no table of talks, cells, days or absences is walked through."""
    asked: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, values: Any, *_more: Any) -> None:
        if statement.startswith("SELECT"):
            asked.append((statement, values))

    def explain(session: Any) -> list[str]:
        connection = session.connection()
        if not house.db.sqlite:
            # So few rows are read whole in no time; what matters is that an index could serve.
            connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
        words = "EXPLAIN QUERY PLAN " if house.db.sqlite else "EXPLAIN "
        return [
            "\n".join(str(row[-1]) for row in connection.exec_driver_sql(words + statement, values))
            for statement, values in asked
        ]

    engines = {house.db.engine, house.db._read_engine}
    for engine in engines:
        sa.event.listen(engine, "before_cursor_execute", note)
    try:
        run(booking.hold("form:a", run(booking.offer()).times[0].slot))
    finally:
        for engine in engines:
            sa.event.remove(engine, "before_cursor_execute", note)
    plans = house.db.read_now(explain)
    assert {"booking", "booking_cell", "day_hours", "staff_absence"} <= {
        word.strip('",') for statement, _ in asked for word in statement.split()
    }
    for plan in plans:
        for table in ("booking", "booking_cell", "day_hours", "staff_absence"):
            assert f"SCAN {table}\n" not in plan + "\n" and f"Seq Scan on {table} " not in plan, plan


# What is remembered. Hours are read once and then remembered until the stamp in the database is another.

CHANGES = {
    "therapist": (
        "INSERT INTO therapist (staff_id, channels) VALUES ('bo', 'chat')",
        "UPDATE therapist SET channels = 'chat,phone' WHERE staff_id = 'bo'",
        "DELETE FROM therapist WHERE staff_id = 'bo'",
    ),
    "staff_member": (
        "UPDATE staff_member SET active = false WHERE id = 'anna'",
        "UPDATE staff_member SET first_name = 'Annika' WHERE id = 'anna'",
        "DELETE FROM staff_member WHERE id = 'bo'",
    ),
    "working_hours": (
        "INSERT INTO working_hours (id, staff_id, weekday, start_minute, end_minute) VALUES (99, 'anna', 5, 600, 660)",
        "UPDATE working_hours SET end_minute = 690 WHERE id = 99",
        "DELETE FROM working_hours WHERE id = 99",
    ),
    "hours_period": (
        "INSERT INTO hours_period (id, staff_id, name, first) VALUES ('p', 'anna', 'vinter', '2026-12-01')",
        "UPDATE hours_period SET first = '2026-12-02' WHERE id = 'p'",
        "DELETE FROM hours_period WHERE id = 'p'",
    ),
    "acute_hours": (
        "INSERT INTO acute_hours (id, staff_id, weekday, start_minute, end_minute) VALUES (99, 'anna', 3, 600, 660)",
        "UPDATE acute_hours SET end_minute = 690 WHERE id = 99",
        "DELETE FROM acute_hours WHERE id = 99",
    ),
    "day_hours": (
        "INSERT INTO day_hours (id, staff_id, day, kind, start_minute, end_minute) "
        "VALUES ('d', 'anna', '2026-11-28', 'extra', 600, 660)",
        "UPDATE day_hours SET end_minute = 690 WHERE id = 'd'",
        "DELETE FROM day_hours WHERE id = 'd'",
    ),
    "staff_absence": (
        'INSERT INTO staff_absence (id, staff_id, kind, from_at, "by") '
        "VALUES ('s', 'anna', 'sick', '2026-11-26 08:00:00+00:00', 'anna')",
        "UPDATE staff_absence SET until_at = '2026-11-26 12:00:00+00:00' WHERE id = 's'",
        "DELETE FROM staff_absence WHERE id = 's'",
    ),
}


@pytest.mark.parametrize("table", CHANGES)
def test_each_change_of_who_works_when_gives_another_stamp(house: House, booking: BookingDesk, table: str) -> None:
    """Whoever makes it, in whatever process, past all of our code: else a time would be offered that nobody works."""
    add_staff(house, "bo")

    def stamp() -> str:
        return str(house.db.read_now(lambda s: s.scalar(sa.text("SELECT stamp FROM schedule_stamp"))))

    seen = [stamp()]
    for change in CHANGES[table]:
        house.db.write_now(lambda s, change=change: s.execute(sa.text(change)))
        seen.append(stamp())
    assert len(seen) == len(set(seen))


def test_hours_changed_by_another_process_are_offered_at_once(house: House, booking: BookingDesk) -> None:
    """A desk that has just looked sees what another server, or the command line, does to the same database."""
    assert "26 11:00" in times(booking)
    other = Database(house.db.url.render_as_string(hide_password=False))
    other.write_now(lambda s: s.execute(sa.update(WorkingHours).values(end_minute=600)))
    other.close()
    assert ["26 09:00"] == times(booking, TOMORROW)
    with pytest.raises(InvalidField):
        run(booking.hold("form:a", rules.slot_id(at(TOMORROW, "11:00"), None)))


def test_a_change_that_was_undone_leaves_nothing_behind(house: House, booking: BookingDesk) -> None:
    """Somebody looks at their new hours, and the change fails: what was looked at is not what the next change gives."""
    offering = booking._offering

    def shorten_and_fail(session: Session) -> None:
        session.execute(sa.update(WorkingHours).values(end_minute=600))
        day = offering.at_work(session, at(TOMORROW, "11:00"), at(TOMORROW, "11:30"), None)
        assert [] == day.able
        raise LookupError

    for _ in range(2):
        with pytest.raises(LookupError):
            house.db.write_now(shorten_and_fail)
        house.db.write_now(lambda s: s.execute(sa.update(WorkingHours).values(end_minute=720)))
        assert "26 11:00" in times(booking, TOMORROW)


def test_personal_details_are_in_the_row_alone(house: House, desk: ScheduleDesk, anna: StaffMember) -> None:
    """Gender and languages are for wishes; the traces say only that terms were changed."""
    run(desk.set_terms(anna, "anna", Terms(channels=("chat",), gender="woman", languages=("sv", "ar"))))
    row = house.db.read_now(lambda s: s.get_one(Therapist, "anna"))
    assert ("woman", "sv,ar") == (row.gender, row.languages)
    traces = house.db.read_now(lambda s: [row.detail for row in s.scalars(sa.select(AuditEvent))])
    assert ["terms"] == traces


def test_when_nobody_is_as_wished_it_says_what_was_given_up(
    desk: ScheduleDesk, booking: BookingDesk, house: House, anna: StaffMember
) -> None:
    """A man who speaks Arabic: there is none; the times of others are there, with what they do not honour."""
    run(desk.set_terms(anna, "anna", Terms(channels=("chat",), gender="woman", languages=("sv", "ar"))))
    offer = run(booking.offer(wish=Wish("man", "ar")))
    assert ([], ("gender",)) == (offer.times, offer.given_up)
    assert "25 09:40" == to_local(offer.others[0].start).strftime("%d %H:%M")
    offer = run(booking.offer(wish=Wish("woman", "fi")))
    assert ("gender", "language") == offer.given_up
    offer = run(booking.offer("video", wish=Wish("woman")))
    assert ("gender", "channel") == offer.given_up
    slot = run(booking.offer(wish=Wish("woman", "ar"))).times[0].slot
    assert "Anna" == run(booking.hold("chat:1", slot)).therapist
    with pytest.raises((InvalidField, Taken)):
        run(booking.hold("chat:2", run(booking.offer()).times[0].slot.replace("-a", "-a-m")))


def test_load_is_shared_by_the_share_of_the_day(booking: BookingDesk, house: House, clock: ManualClock) -> None:
    """Anna works three hours and Samir six: of nine talks Samir gets about six, and nobody is full before the other."""
    add_therapist(house, "samir", [("09:00", "15:00")])
    clock.at = datetime(2026, 11, 24, 20, tzinfo=UTC)
    for number in range(9):
        slots = [t.slot for t in run(booking.offer(limit=99)).times if to_local(t.start).date() == TODAY]
        run(booking.hold(f"chat:{number}", slots[0]))
    rows = house.db.read_now(lambda s: list(s.scalars(sa.select(Booking.therapist_id))))
    assert 0 == overlaps(house)
    assert 2 <= rows.count("anna") <= 4
