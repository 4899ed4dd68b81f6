"""Promise: a crowd in processes of its own, on the real pages of a server that may be killed at any moment, books
each time once, is told the truth, and leaves nothing half behind.

The same crowd meets a desk that looks first and stores afterwards. It double-books, which
shows that these tests can fail. All ten thousand attempts are made by `bench.race_50`.
"""

from __future__ import annotations

import html
import random
import re
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa

from backend.app import build_house
from backend.booking import rules
from backend.booking.lifecycle import BOOKED, CANCELLED, HELD
from backend.booking.tables import Booking, BookingCell, Therapist
from backend.core.audit import AuditEvent, Tag
from backend.core.codes import ReturnCode
from backend.core.db import Database
from backend.core.house import House
from backend.core.idempotency import IdempotencyKey
from tests.conftest import ManualClock, make_settings
from tests.crowd import Crowd, Step, Visit, Visited, visit_all
from tests.therapists import add_therapist, count, overlaps
from tests.town import Town
from tests.whole import check_whole

pytestmark = pytest.mark.slow

TODAY, TOMORROW = date(2026, 11, 25), date(2026, 11, 26)
BEGIN = ManualClock().at
AT_ONCE = 200
HELD_PAGE, BOOKED_PAGE = 'value="details"', "code-words"
WORD = r"<li>(\w+)</li>"


@pytest.fixture
def town(tmp_path: Path, database: Database) -> Iterator[Town]:
    """Not started yet; it is Wednesday 9.00 when it is."""
    url = database.url.render_as_string(hide_password=False)
    town = Town(make_settings(tmp_path, database_url=url), tmp_path)
    yield town
    town.stop()


@pytest.fixture
def house(town: Town, clock: ManualClock, database: Database) -> Iterator[House]:
    """A second look at the database that the town writes to."""
    house = build_house(town.settings, clock=clock, database=database)
    yield house
    house.codes.close()


def form_of(name: str) -> str:
    """The form id of a visitor."""
    return f"{name:-<22}"


def slot(day: date, minute: int) -> str:
    return rules.slot_id(rules.instant(day, minute), None)


def hold(name: str, slot: str) -> Step:
    return Step("/boka", {"form": form_of(name), "slot": slot, "step": "hold"}, HELD_PAGE)


def confirm(name: str, slot: str) -> Step:
    return Step("/boka", {"form": form_of(name), "slot": slot, "channel": "chat", "step": "confirm"}, BOOKED_PAGE)


def booking(name: str, slot: str) -> Visit:
    """Somebody who chooses a time and books it, and keeps the six words."""
    return Visit(name, [hold(name, slot), confirm(name, slot)], WORD, BOOKED_PAGE)


def with_lengths(house: House, name: str, meeting: int, pause: int, until: str) -> None:
    """A therapist whose talks begin at 10 and follow each other until they would end after ``until``."""
    add_therapist(house, name, [("10:00", until)])
    own = sa.update(Therapist).where(Therapist.staff_id == name)
    house.db.write_now(lambda s: s.execute(own.values(meeting_minutes=meeting, buffer_minutes=pause)))


FIFTY = (("anna", 30, 10), ("bo", 30, 10), ("cia", 45, 5), ("dan", 45, 5), ("eva", 60, 0))
"""Ten talks each between ten and eight; their starts meet at some hours and cross at others."""


def fifty_times(house: House) -> list[str]:
    """Five therapists with ten times each, of 30, 45 and 60 minutes; returns the different starts."""
    starts = set()
    for name, meeting, pause in FIFTY:
        row = [600 + place * (meeting + pause) for place in range(10)]
        end = row[-1] + meeting
        with_lengths(house, name, meeting, pause, f"{end // 60}:{end % 60:02}")
        starts.update(row)
    return [slot(TODAY, minute) for minute in sorted(starts)]


def rush(name: str, starts: Sequence[str], attempts: int) -> list[Visit]:
    """Everybody who wants the same start comes at the same moment, so that they meet."""
    return [booking(f"{name}{number}", starts[number * len(starts) // attempts]) for number in range(attempts)]


def statuses(visited: Sequence[Visited]) -> Counter[int]:
    return Counter(status for each in visited for status in each.statuses)


def test_six_hundred_people_want_fifty_times(town: Town, house: House) -> None:
    """Fifty are booked, whatever their length; everybody else is told that the time is gone, with other times to choose."""
    starts = fifty_times(house)
    town.start(BEGIN)
    visited = visit_all(town.url, rush("n", starts, 600), at_once=AT_ONCE)
    assert {200: 100, 409: 550} == statuses(visited), town.logged()
    booked = [each for each in visited if each.through]
    assert 50 == len(booked) == count(house, Booking, Booking.state == BOOKED) == count(house, Booking)
    assert {form_of(each.name) for each in booked} == {
        str(holder).removeprefix("form:")
        for holder in house.db.read_now(lambda s: s.scalars(sa.select(Booking.holder)))
    }
    assert 50 == len({tuple(each.kept) for each in booked})
    assert {6} == {len(each.kept) for each in booked}
    check_whole(house)


def test_talks_of_different_lengths_leave_no_hole_and_never_overlap(town: Town, house: House) -> None:
    """Starts every five minutes, each signed as an offer's is: nothing overlaps, and when the crowd has left no time is left."""
    for name, meeting, pause in (("anna", 30, 10), ("cia", 45, 5), ("eva", 60, 0)):
        with_lengths(house, name, meeting, pause, "16:00")
    town.start(BEGIN)
    key = town.settings.code_pepper
    starts = [rules.Slot(rules.instant(TODAY, minute)).signed(key) for minute in range(600, 960, 5)]
    random.Random(1).shuffle(starts)
    visited = visit_all(
        town.url, [booking(f"n{number}", starts[number % len(starts)]) for number in range(360)], at_once=AT_ONCE
    )
    assert {200, 409, 422} >= set(statuses(visited))
    assert (
        sum(each.through for each in visited) == count(house, Booking, Booking.state == BOOKED) == count(house, Booking)
    )
    check_whole(house)
    again = visit_all(
        town.url, [Visit(start, [hold(f"late{place}", start)]) for place, start in enumerate(starts)], at_once=AT_ONCE
    )
    assert [] == [each.name for each in again if each.through]


def test_a_desk_that_looks_first_and_stores_afterwards_is_caught(town: Town, house: House) -> None:
    """The same pages, the same crowd, the same checks, in at most five tries."""
    starts = fifty_times(house)
    town.start(BEGIN, naive=True)
    for round_ in range(5):
        visited = visit_all(town.url, rush(f"r{round_}-", starts, 150), at_once=AT_ONCE)
        assert {200, 409} >= set(statuses(visited))
        if overlaps(house):
            return
        house.db.write_now(lambda s: s.execute(sa.delete(Booking)))
    pytest.fail("the naive desk never double-booked: this crowd cannot see the fault it is there for")


class Talk:
    """A booked talk and the form on its page, as the person with the six words has them."""

    def __init__(self, client: httpx.Client, visited: Visited) -> None:
        opened = client.post("/min-tid", data={"words": " ".join(visited.kept)})
        while opened.status_code == 429:  # the whole house takes twenty codes a second
            time.sleep(0.2)
            opened = client.post("/min-tid", data={"words": " ".join(visited.kept)})
        found = re.search(r'name="ticket" value="([^"]+)"', opened.text)
        assert found, opened.text
        self.name, self.ticket = visited.name, html.unescape(found[1])

    def cancel(self, once: str) -> Visit:
        return Visit(once, [Step("/min-tid", {"ticket": self.ticket, "once": once, "step": "cancel"}, "avbokad")])

    def move(self, once: str, slot: str) -> Visit:
        fields = {"ticket": self.ticket, "once": once, "step": "move", "slot": slot}
        return Visit(once, [Step("/min-tid", fields, "Koden är densamma")])


def test_a_storm_of_moves_cancellations_and_new_bookings(town: Town, house: House) -> None:
    """Many move to the same time, cancel and book again, while others take what is let go: each change happens once,
    those who lose keep what they had, and the traces tell the very story that the rows end with."""
    for name in ("anna", "bo", "cia"):
        add_therapist(house, name, [("10:00", "16:30")])
    town.start(BEGIN)
    own = [slot(TOMORROW, 600 + 40 * place) for place in range(8) for _ in range(3)]
    booked = visit_all(town.url, [booking(f"t{number}", each) for number, each in enumerate(own)])
    assert all(each.through for each in booked)
    booked.sort(key=lambda each: int(each.name[1:]))
    with httpx.Client(base_url=town.url, timeout=120) as client:
        talks = [Talk(client, each) for each in booked]
    one_time, other_time = slot(TODAY, 600), slot(TODAY, 640)
    visits: list[Visit] = []
    for number, talk in enumerate(talks[:12]):
        visits += [talk.move(f"one{number}", one_time)] * 4 + [talk.move(f"other{number}", other_time)] * 2
    for number, talk in enumerate(talks[:4]):
        visits += [talk.cancel(f"both{number}")] * 2
    for number, talk in enumerate(talks[12:], 12):
        visits += [talk.cancel(f"gone{number}")] * 4 + [talk.move(f"back{number}", own[number])] * 3
        visits += [booking(f"new{number}-{each}", own[number]) for each in range(2)]
    random.Random(2).shuffle(visits)
    visited = visit_all(town.url, visits, at_once=120)

    assert {200, 409, 422} >= set(statuses(visited)), town.logged()
    assert 0 == overlaps(house)
    rows = house.db.read_now(lambda s: s.scalars(sa.select(Booking)).all())
    cells = Counter(house.db.read_now(lambda s: s.scalars(sa.select(BookingCell.booking_id)).all()))
    assert {each.id: 8 for each in rows if each.state == BOOKED} == dict(cells)
    for each in visited:
        if each.name.startswith("new"):
            state = next((row.state for row in rows if row.holder == f"form:{form_of(each.name)}"), None)
            assert (BOOKED if each.through else None) == state
    check_stories(house, rows)


def check_stories(house: House, rows: Sequence[Booking]) -> None:
    """What was done with each talk, in order, leads to the state in which it is; and each key did one thing once."""
    done: defaultdict[str, list[str]] = defaultdict(list)
    for subject, tag in house.db.read_now(
        lambda s: s.execute(sa.select(AuditEvent.subject, AuditEvent.tag).order_by(AuditEvent.id)).all()
    ):
        done[subject].append(tag)
    keys = Counter(
        (scope, "cancelled" if outcome == CANCELLED else "moved" if outcome else "nothing")
        for scope, outcome in house.db.read_now(
            lambda s: s.execute(sa.select(IdempotencyKey.scope, IdempotencyKey.outcome)).all()
        )
    )
    changes = {Tag.BOOKING_MOVED: (BOOKED, BOOKED), Tag.BOOKING_CANCELLED: (BOOKED, CANCELLED), Tag.BOOKING_REBOOKED: (CANCELLED, BOOKED)}  # fmt: skip
    for row in rows:
        held, confirmed, *changed = (tag for tag in done[row.id] if not tag.startswith("chat:code"))
        assert (Tag.BOOKING_HELD, Tag.BOOKING_CONFIRMED) == (held, confirmed)
        state = BOOKED
        told = [Tag(tag) for tag in changed if Tag(tag) in changes]
        for tag in told:
            before, state_after = changes[tag]
            assert before == state, changed
            state = state_after
        assert row.state == state
        assert told.count(Tag.BOOKING_CANCELLED) == keys[f"code:{row.id}", "cancelled"]
        # One who books again the time they still have has moved nothing, and the key remembers that.
        assert len(told) - told.count(Tag.BOOKING_CANCELLED) <= keys[f"code:{row.id}", "moved"]
    assert len(rows) == count(house, ReturnCode) == count(house, IdempotencyKey, IdempotencyKey.key == "confirm")


def test_a_hold_is_confirmed_once_in_however_many_windows(town: Town, house: House) -> None:
    """Eight windows send the same form at once, in some of them the person has thought better of it: one talk and the
    same six words for all, or no talk at all."""
    for name in ("anna", "bo"):
        add_therapist(house, name, [("10:00", "16:30")])
    town.start(BEGIN)
    wanted = {f"w{number}": slot(TODAY, 600 + 40 * (number // 2)) for number in range(20)}
    visit_all(town.url, [Visit(name, [hold(name, each)]) for name, each in wanted.items()])
    assert 20 == count(house, Booking, Booking.state == HELD)
    visits = [Visit(name, [confirm(name, each)], WORD) for name, each in wanted.items() for _ in range(8)]
    regret = [Step("/boka", {"form": form_of(f"w{number}"), "step": "change"}) for number in range(10)]
    visits += [Visit("regret", [step]) for step in regret]
    random.Random(3).shuffle(visits)
    visited = visit_all(town.url, visits, at_once=80)

    assert {200, 409} >= set(statuses(visited)), town.logged()
    words = defaultdict(set)
    for each in visited:
        if each.through and each.name != "regret":
            words[each.name].add(tuple(each.kept))
    assert {1} == {len(found) for found in words.values()}
    booked = house.db.read_now(lambda s: s.scalars(sa.select(Booking.holder).where(Booking.state == BOOKED)).all())
    assert {f"form:{form_of(name)}" for name in words} == set(booked)
    assert set(words) >= {f"w{number}" for number in range(10, 20)}
    check_whole(house)


KILLS = 2
LATER = timedelta(minutes=6)


def test_a_killed_server_has_kept_all_it_said_and_nothing_half(town: Town, house: House) -> None:
    """SIGKILL in the middle of the storm, again and again: whoever saw six words has a talk with all its rows; whoever
    saw nothing tries again with the same form and gets one talk; a time that nobody confirmed is free by itself."""
    for number in range(6):
        add_therapist(house, f"anna{number}", [("10:00", "16:30")])
    add_therapist(house, "ensam", [("08:00", "08:30")])
    days = [day for day in (TOMORROW + timedelta(days=step) for step in range(7)) if day.weekday() < 5]
    times = [slot(day, 600 + 40 * place) for day in days for place in range(10) for _ in range(6)]
    random.Random(4).shuffle(times)
    early = {f"idle{number}": slot(day, 480) for number, day in enumerate(days)}
    wanted = {f"k{number}": each for number, each in enumerate(times[:140])}
    promised: dict[str, tuple[str, ...]] = {}
    now: datetime = BEGIN
    town.start(now)
    idle = visit_all(town.url, [Visit(name, [hold(name, each)]) for name, each in early.items()])
    assert all(each.through for each in idle)

    def note(visited: Sequence[Visited]) -> None:
        assert {0, 200, 409} >= set(statuses(visited)), town.logged()
        for each in visited:
            if each.through:
                assert promised.setdefault(each.name, tuple(each.kept)) == tuple(each.kept), (
                    "another code for the same form"
                )

    for _ in range(KILLS):
        left = [booking(name, each) for name, each in wanted.items() if name not in promised]
        before = count(house, Booking, Booking.state == BOOKED)
        crowd = Crowd(town.url, left, at_once=60).go()
        while count(house, Booking, Booking.state == BOOKED) < before + 30:
            assert town.running, town.logged()
            time.sleep(0.02)
        town.kill()
        note(crowd.results())
        stored = booked_by_form(house)
        assert {form_of(name) for name in promised} <= stored
        check_whole(house)
        town.start(now)
    left = [booking(name, each) for name, each in wanted.items() if name not in promised]
    note(visit_all(town.url, left, at_once=60))
    assert {form_of(name) for name in promised} == booked_by_form(house)
    assert set(wanted) == set(promised)
    check_whole(house)

    town.kill()
    now += LATER
    town.start(now)
    others = visit_all(town.url, [booking(f"late-{name}", each) for name, each in early.items()])
    assert all(each.through for each in others)
    assert len(wanted) + len(early) == count(house, Booking, Booking.state == BOOKED)
    assert 0 == overlaps(house)
    words = " ".join(promised["k0"])
    with httpx.Client(base_url=town.url, timeout=120) as client:
        assert 200 == client.post("/min-tid", data={"words": words}).status_code


def booked_by_form(house: House) -> set[str]:
    """The forms that have a booked talk."""
    holders = house.db.read_now(lambda s: s.scalars(sa.select(Booking.holder).where(Booking.state == BOOKED)).all())
    return {str(holder).removeprefix("form:") for holder in holders}
