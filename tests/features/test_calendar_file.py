"""Promise: a therapist's calendar file says when they are busy, once, and nothing else of it is kept; noise changes nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st
from icalendar import Calendar, Event

from backend.booking import calendar_file
from backend.booking.schedule import Imported, ScheduleDesk
from backend.booking.service import BookingDesk
from backend.booking.tables import Booking
from backend.core.clock import STOCKHOLM, to_local
from backend.core.errors import InvalidField, NotFound
from backend.core.house import House
from backend.core.people import Role, StaffMember
from backend.core.roster import Away, StaffAbsence
from tests.therapists import add_staff, add_therapist, count


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


def event(start: date, end: date | timedelta | None = None, **more: Any) -> Event:
    found = Event()
    found.add("summary", "Tandläkare med Elsa")
    found.add("dtstart", start)
    if end is not None:
        found.add("duration" if isinstance(end, timedelta) else "dtend", end)
    for name, value in more.items():
        found.add(name, value)
    return found


def file_of(*events: Event) -> bytes:
    calendar = Calendar()
    calendar.add("prodid", "-//test//")
    calendar.add("version", "2.0")
    for each in events:
        calendar.add_component(each)
    return bytes(calendar.to_ical())


def local(day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(2026, 11, day, hour, minute, tzinfo=STOCKHOLM)


def test_busy_hours_are_not_offered_any_more_and_the_same_file_twice_is_once(
    desk: ScheduleDesk, booking: BookingDesk, house: House, anna: StaffMember
) -> None:
    """Hours, a whole day, a wall clock without zone, a length instead of an end; free, cancelled and past ones do not
    count; what comes back by a rule or lies too far ahead is told."""
    content = file_of(
        event(local(26, 9), local(26, 10)),
        event(local(26, 11, 20).replace(tzinfo=None), timedelta(minutes=40)),
        event(date(2026, 11, 27)),
        event(local(26, 10), local(26, 11), transp="TRANSPARENT"),
        event(local(26, 10), local(26, 11), status="CANCELLED"),
        event(local(24, 9), local(24, 12)),
        event(local(25, 9), local(25, 12), rrule={"freq": "weekly"}),
        event(datetime(2036, 1, 1, 9, tzinfo=UTC), timedelta(hours=1)),
    )
    assert Imported(3, 0, 2) == run(desk.read_in(anna, "anna", calendar_file.read(content), Away.OTHER))
    starts = [to_local(time.start).strftime("%d %H:%M") for time in run(booking.offer(limit=99)).times]
    assert ["25 09:40", "25 10:20", "25 11:00", "26 10:00", "26 10:40"] == starts
    assert Imported(0, 3, 2) == run(desk.read_in(anna, "anna", calendar_file.read(content), Away.OTHER))
    assert 3 == count(house, StaffAbsence)
    kept = house.db.read_now(lambda s: s.execute(sa.text("SELECT * FROM staff_absence")).all())
    assert "Elsa" not in repr(kept)


def test_a_hold_in_a_busy_hour_is_let_go(
    desk: ScheduleDesk, booking: BookingDesk, house: House, anna: StaffMember
) -> None:
    """As with any absence: who was choosing is told that the time is gone, and nobody is promised somebody who is away."""
    run(booking.hold("chat:1", run(booking.offer()).times[0].slot))
    run(desk.read_in(anna, "anna", calendar_file.read(file_of(event(local(25, 9), local(25, 12)))), Away.OTHER))
    assert ["cancelled"] == house.db.read_now(lambda s: s.scalars(sa.select(Booking.state)).all())


def test_another_s_calendar_does_not_exist(desk: ScheduleDesk, house: House, anna: StaffMember) -> None:
    """A colleague's file changes the colleague's calendar only."""
    add_therapist(house, "bo", [("09:00", "12:00")])
    karin = add_staff(house, "karin", role=Role.CASE_WORKER)
    busy = calendar_file.read(file_of(event(local(26, 9), local(26, 10))))
    for staff, whose in ((anna, "bo"), (karin, "anna"), (anna, "nobody")):
        with pytest.raises(NotFound):
            run(desk.read_in(staff, whose, busy, Away.OTHER))
    assert 0 == count(house, StaffAbsence)


GOOD = file_of(event(local(26, 9), local(26, 10)))
NOISE = {
    "empty": (b"", "no_calendar"),
    "words": ("30 februari, eller när som helst".encode(), "no_calendar"),
    "bytes": (bytes(range(256)) * 40, "no_calendar"),
    "page": (b"<!doctype html><title>Logga in</title>", "no_calendar"),
    "cut": (GOOD[: len(GOOD) // 2], "no_calendar"),
    "two ends": (GOOD.replace(b"BEGIN:VEVENT", b"END:VEVENT"), "no_calendar"),
    "30 february": (GOOD.replace(b"20261126T090000", b"20270230T090000"), "no_calendar"),
    "hour 25": (GOOD.replace(b"20261126T100000", b"20261126T250000"), "no_calendar"),
    "year 0": (GOOD.replace(b"20261126T090000", b"00000101T090000"), "no_calendar"),
    "before all time": (file_of(event(date.min)), "no_calendar"),
    "backwards": (file_of(event(local(26, 10), local(26, 9))), "ends_before_start"),
    "no events": (file_of(), "no_events"),
    "many": (file_of(*(event(local(26, 9), timedelta(minutes=5)) for _ in range(501))), "too_many_events"),
    "large": (GOOD + b"X-NOTE:" + b"a" * calendar_file.LARGEST, "file_too_large"),
    "no start": (GOOD.replace(b"DTSTART", b"X-START"), "no_calendar"),
}


@pytest.mark.parametrize("name", NOISE)
def test_what_is_no_calendar_is_said(name: str) -> None:
    """Each with a word of its own, and none of the file is used."""
    content, code = NOISE[name]
    with pytest.raises(InvalidField) as told:
        calendar_file.read(content)
    assert (code, "file") == (told.value.code, told.value.extra["field"])


@settings(max_examples=300, deadline=None)
@given(
    st.one_of(
        st.binary(max_size=400),
        st.text(max_size=200).map(lambda text: GOOD.replace(b"20261126T090000", text.encode("utf-8", "replace"))),
        st.tuples(st.integers(0, len(GOOD)), st.integers(0, 40), st.binary(max_size=12)).map(
            lambda cut: GOOD[: cut[0]] + cut[2] + GOOD[cut[0] + cut[1] :]
        ),
    )
)
def test_any_bytes_are_a_calendar_or_are_said_to_be_none(content: bytes) -> None:
    """Whatever is sent: aware instants in order, or one of the words for it."""
    try:
        busy = calendar_file.read(content)
    except InvalidField as told:
        assert told.code in {"no_calendar", "no_events", "ends_before_start"}
        return
    assert all(start < end and start.tzinfo is UTC for start, end in busy.spans)
