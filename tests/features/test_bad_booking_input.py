"""Promise: what cannot be booked is said in clear words, and then nothing is booked, held or lost.

The past, the hour that spring skips, a red day, somebody who has left, another municipality's code and times.
What a page makes of it is in `tests/web/test_book_page.py`, a calendar file in `tests/features/test_calendar_file.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from backend.app import build_house
from backend.booking import rules
from backend.booking.lifecycle import BOOKED
from backend.booking.service import BookingDesk, Details
from backend.booking.tables import Booking, BookingCell, DayHours
from backend.cases.standing import MapDesk
from backend.concerns.service import ConcernDesk
from backend.core.clock import to_local
from backend.core.errors import HoldExpired, InvalidField, Taken, WrongCode
from backend.core.house import House
from backend.core.people import StaffMember
from backend.returning.service import Returning
from backend.returning.tickets import Ticket, TicketOffice
from backend.stories.service import StoryDesk
from tests.conftest import ManualClock, make_settings
from tests.migrated import open_database
from tests.therapists import add_therapist, cells_of, count, overlaps

CHAT = Details("chat")
JUMP = date(2027, 3, 28)
"""The day on which summer time begins: a Sunday."""


def run(work: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(work)


@pytest.fixture
def desk(house: House) -> BookingDesk:
    """Anna works every weekday from 9 to 12. It is Wednesday 25 November 2026, 9.00."""
    add_therapist(house, "anna", [("09:00", "12:00")])
    return BookingDesk(house)


def slot(at: datetime) -> str:
    return rules.slot_id(at, None)


def leave(house: House, name: str) -> None:
    """Somebody quits, without a word to the calendar."""
    house.db.write_now(lambda s: s.execute(sa.update(StaffMember).where(StaffMember.id == name).values(active=False)))


def test_the_past_cannot_be_held_moved_to_or_booked_again(desk: BookingDesk, house: House, clock: ManualClock) -> None:
    """A minute ago, yesterday, ten years ago: the time is gone, and the talk that was to move stays where it is."""
    run(desk.hold("chat:1", slot(datetime(2026, 11, 26, 8, 40, tzinfo=UTC))))
    booked = run(desk.confirm("chat:1", CHAT))
    clock.at = datetime(2026, 11, 25, 10, 1, tzinfo=UTC)
    for minutes in (1, 24 * 60 + 1, 10 * 366 * 24 * 60):
        past = clock.now() - timedelta(minutes=minutes)
        for usual in (past, past.replace(hour=9, minute=20)):
            with pytest.raises((Taken, InvalidField)):
                run(desk.hold("chat:2", slot(usual)))
            with pytest.raises((Taken, InvalidField)):
                run(desk.changes.move(booked.booking_id, slot(usual)))
    run(desk.cancel(booked.booking_id))
    with pytest.raises(Taken):
        run(desk.changes.rebook(booked.booking_id, slot(datetime(2026, 11, 25, 8, 40, tzinfo=UTC))))
    assert (1, 0) == (count(house, Booking), count(house, BookingCell))


def test_the_hour_that_spring_skips_holds_no_talk(house: House, clock: ManualClock) -> None:
    """At night on 28 March 2027 the wall goes from 1.59 to 3.00: what is offered lies before or after, and can be booked;
    the same instants written as 2.30 lead to the hour after, never to two talks in one."""
    add_therapist(house, "nora", [("01:00", "04:00")], days=range(7))
    clock.at = datetime(2027, 3, 27, 11, 0, tzinfo=UTC)
    desk = BookingDesk(house)
    sunday = DayHours(id="x", staff_id="nora", day=JUMP, kind="extra", start_minute=60, end_minute=240)
    house.db.write_now(lambda s: s.add(sunday))
    found = run(desk.offer(wanted=rules.Wanted(end=datetime(2027, 3, 28, 21, tzinfo=UTC)), limit=99)).times
    local = [to_local(time.start) for time in found]
    assert {1, 3} == {wall.hour for wall in local if wall.date() == JUMP}
    for number, time in enumerate(found):
        run(desk.hold(f"chat:{number}", time.slot))
        run(desk.confirm(f"chat:{number}", CHAT))
    assert 0 == overlaps(house)
    half_past_two = rules.instant(JUMP, 150)
    assert rules.instant(JUMP, 180) == half_past_two
    with pytest.raises((Taken, InvalidField)):
        run(desk.hold("chat:last", slot(half_past_two)))


@pytest.mark.parametrize("day", [date(2026, 12, 24), date(2026, 12, 25), date(2027, 1, 6), date(2026, 11, 28)])
def test_no_talk_on_a_red_day_an_eve_or_a_saturday(
    desk: BookingDesk, house: House, clock: ManualClock, day: date
) -> None:
    """Neither held nor moved to, though it is a weekday with working hours."""
    clock.at = datetime(2026, 11, 25, 8, tzinfo=UTC) if day.month == 11 else datetime(2026, 12, 21, 8, tzinfo=UTC)
    run(desk.hold("chat:1", run(desk.offer()).times[0].slot))
    booked = run(desk.confirm("chat:1", CHAT))
    closed = slot(rules.instant(day, 9 * 60 + 40))
    with pytest.raises(InvalidField):
        run(desk.hold("chat:2", closed))
    with pytest.raises(InvalidField):
        run(desk.changes.move(booked.booking_id, closed))
    assert (1, 8) == (count(house, Booking), cells_of(house, booked.booking_id))


def test_who_has_left_is_given_no_talk_at_any_step(desk: BookingDesk, house: House) -> None:
    """Offered, held, then gone: a colleague who is free takes the talk at the same time; else the time is gone, and said to be."""
    first = run(desk.offer()).times[0]
    marked = run(desk.offer(wish=rules.Wish(therapist="anna"))).times[1].slot
    run(desk.hold("chat:1", first.slot))
    run(desk.hold("chat:2", run(desk.offer()).times[1].slot))
    leave(house, "anna")
    with pytest.raises(Taken):
        run(desk.confirm("chat:1", CHAT))
    for gone in (first.slot, marked):
        with pytest.raises((Taken, InvalidField)):
            run(desk.hold("chat:3", gone))
    assert 0 == count(house, Booking, Booking.state == BOOKED)
    add_therapist(house, "bo", [("09:00", "12:00")])
    booked = run(desk.confirm("chat:1", CHAT))
    assert ("Bo", first.start) == (booked.therapist, booked.start)
    leave(house, "bo")
    with pytest.raises((Taken, InvalidField)):
        run(desk.changes.move(booked.booking_id, slot(first.start + timedelta(minutes=40))))
    with pytest.raises((Taken, HoldExpired)):
        run(desk.confirm("chat:2", CHAT))
    assert 1 == count(house, Booking, Booking.state == BOOKED)


@pytest.fixture
def neighbour(tmp_path: Path, clock: ManualClock) -> Iterator[House]:
    """Another municipality, with secrets of its own."""
    settings = make_settings(tmp_path, database_url=f"sqlite:///{tmp_path / 'neighbour.db'}", code_pepper=b"q" * 32)
    house = build_house(settings, clock=clock, database=open_database(settings.database_url))
    yield house
    house.codes.close()
    house.db.close()


def test_another_municipality_s_code_times_and_page_open_nothing(
    desk: BookingDesk, house: House, neighbour: House
) -> None:
    """The words are in our list too, and get the answer that all wrong words get; its marks and tickets are none of ours."""
    add_therapist(neighbour, "anna", [("09:00", "12:00")])
    theirs = BookingDesk(neighbour)
    run(theirs.hold("chat:1", run(theirs.offer()).times[0].slot))
    talk = run(theirs.confirm("chat:1", CHAT))
    assert house.codes.find(talk.words)
    concerns = ConcernDesk(house)
    returning = Returning(house, desk, concerns, StoryDesk(house, concerns), MapDesk(house))
    with pytest.raises(WrongCode) as theirs_told:
        run(returning.open(talk.words, "10.0.0.1"))
    with pytest.raises(WrongCode) as made_up:
        run(returning.open(" ".join(talk.words.split()[::-1]), "10.0.0.2"))
    assert vars(theirs_told.value) == vars(made_up.value)
    ticket = TicketOffice(neighbour.settings.code_pepper).write(Ticket(talk.receipt, "0" * 12, house.clock.now(), None))
    for deed in (returning.again(ticket), returning.cancel(ticket)):
        with pytest.raises(WrongCode):
            run(deed)
    marked = run(theirs.offer(wish=rules.Wish(therapist="anna"), acute=True)).times[0].slot
    assert replace(rules.read_slot(marked), mark=None) != rules.read_slot(marked)
    with pytest.raises(InvalidField):
        run(desk.hold("chat:1", marked))
    assert 0 == count(house, Booking)
