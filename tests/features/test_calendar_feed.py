"""Promise: a therapist's own calendar program shows when they are busy, at the right hour all year, and nothing private."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any

import icalendar
import pytest
import sqlalchemy as sa

from backend.booking import repository, rules
from backend.booking.feeds import Feeds
from backend.booking.safe import Safe
from backend.booking.service import BookingDesk, Details
from backend.booking.tables import CalendarFeed
from backend.core.clock import to_local
from backend.core.errors import NotFound
from backend.core.house import House
from backend.core.people import StaffMember
from backend.core.reader import Reader
from backend.core.vault import new_id
from tests.conftest import ManualClock
from tests.therapists import add_staff, add_therapist, count

CANARY = "Kanariefågeln"


def run(work: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(work)


@pytest.fixture
def anna(house: House) -> StaffMember:
    return add_therapist(house, "anna", [("09:00", "12:00")])


def events(house: House, secret: str) -> list[icalendar.Event]:
    """What a calendar program reads, by a parser that is not ours."""
    return list(icalendar.Calendar.from_ical(run(Feeds(house).calendar(secret))).walk("VEVENT"))


def test_talks_are_there_and_say_only_that(house: House, anna: StaffMember) -> None:
    """One word, no place, no guest, no description; a cancelled talk is gone, a held time is busy, others' talks are not there."""
    add_therapist(house, "bo", [("13:00", "16:00")])
    desk, feeds = BookingDesk(house), Feeds(house)

    async def book(holder: str) -> Any:
        await desk.hold(holder, (await desk.offer(limit=99)).times[0].slot)
        safe = Safe(call_ok="yes", if_other_answers=CANARY)
        details = Details("phone", Reader("child", "10-12"), "070-174 06 35", safe, CANARY, CANARY)
        return await desk.confirm(holder, details)

    first, second = run(book("chat:1")), run(book("chat:2"))
    run(desk.cancel(second.booking_id))
    run(desk.hold("chat:3", run(desk.offer(limit=99)).times[-1].slot))
    secret = run(feeds.renew(anna))
    found = events(house, secret)
    mine = [event for event in found if str(event["summary"]) == "Samtal"]
    assert [(first.start, first.end)] == [(event.start, event.end) for event in mine]
    assert {"Samtal", "Upptagen"} >= {str(event["summary"]) for event in found}
    text = run(feeds.calendar(secret)).decode()
    for private in (CANARY, "Anna", "chat", "phone", "070", "barn", "video", first.booking_id, "exempelby", "Koll"):
        assert private.lower() not in text.lower()
    allowed = {"UID", "DTSTAMP", "DTSTART", "DTEND", "SUMMARY", "CLASS", "TRANSP"}
    assert {name for event in found for name in event} <= allowed


def test_hours_are_right_through_both_changes_of_the_clock(house: House, anna: StaffMember, clock: ManualClock) -> None:
    """Nine in the morning in Stockholm stays nine: the last Friday and the first Monday of summer and of winter time."""
    days = [datetime(2026, 10, 23), datetime(2026, 10, 26), datetime(2027, 3, 26), datetime(2027, 3, 29)]  # noqa: DTZ001
    clock.at = datetime(2026, 10, 20, 8, tzinfo=UTC)
    starts = [rules.instant(day.date(), 9 * 60) for day in days]
    for start in starts:
        row = {
            "id": new_id(), "holder": None, "therapist_id": "anna", "start_at": start,
            "end_at": start + timedelta(minutes=30), "state": "booked", "lang": "sv", "created_at": clock.now(),
        }  # fmt: skip
        house.db.write_now(lambda s, row=row: repository.add(s, row, rules.cells(row["start_at"], 8)))
    secret = run(Feeds(house).renew(anna))
    first_half = events(house, secret)
    clock.at = datetime(2027, 3, 20, 8, tzinfo=UTC)
    found = {event.start for event in [*first_half, *events(house, secret)]}
    assert set(starts) == found
    assert {"09:00"} == {to_local(start).strftime("%H:%M") for start in found}
    assert {timedelta(hours=2), timedelta(hours=1)} == {to_local(start).utcoffset() for start in found}


def test_only_the_newest_address_opens_it(house: House, anna: StaffMember) -> None:
    """Renewed or stopped, the old one is nothing; the secret itself is not in the database; nonsense is nothing."""
    feeds = Feeds(house)
    old, new = run(feeds.renew(anna)), run(feeds.renew(anna))
    assert len(new) >= 43
    assert events(house, new) == []
    rows = house.db.read_now(lambda s: repr(s.execute(sa.select(CalendarFeed.__table__)).all()))
    assert new not in rows
    run(feeds.stop(anna))
    for secret in (old, new, "", "x" * 10_000, "å/../\x00", "\ud800"):
        with pytest.raises(NotFound):
            run(feeds.calendar(secret))
    assert (0, None) == (count(house, CalendarFeed), run(feeds.state(anna)))


def test_who_has_left_has_no_calendar(house: House, anna: StaffMember, clock: ManualClock) -> None:
    """And who holds no talks gets none. When a program last read it is told."""
    feeds = Feeds(house)
    secret = run(feeds.renew(anna))
    assert None is run(feeds.state(anna)).read_at
    run(feeds.calendar(secret))
    assert clock.now() == run(feeds.state(anna)).read_at
    with pytest.raises(NotFound):
        run(feeds.renew(add_staff(house, "case")))
    house.db.write_now(lambda s: s.execute(sa.update(StaffMember).where(StaffMember.id == "anna").values(active=False)))
    with pytest.raises(NotFound):
        run(feeds.calendar(secret))
