"""Promise: whatever a calendar looks like, a time that exists is offered, and none that does not.

Ten thousand calendars are made up: weeks, summer hours, single days, absence, acute times, own lengths, closed
days, bookings of any length, through both changes of the clock. A second, slow search that knows nothing of the
rules' own tries every five minutes, and the two are compared.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache

import pytest

from backend.booking import rules
from backend.booking.rules import ANYBODY, CELL, Hours, Period, Person, Span, Terms
from backend.core.clock import STOCKHOLM, to_local

CALENDARS = 10_000
_CHANGES = (date(2026, 3, 29), date(2026, 10, 25), date(2027, 3, 28), date(2027, 10, 31), date(2028, 3, 26))


@dataclass
class Calendar:
    """One made-up municipality at one moment."""

    now: datetime
    days: list[date]
    people: list[Person]
    busy: dict[str, set[int]]
    shut: set[date]
    acute: bool

    def closed(self, day: date) -> bool:
        return day in self.shut


def made_up(seed: int) -> Calendar:
    """A calendar out of a seed: half of them lie around a change of the clock."""
    chance = random.Random(seed)
    today = date(2026, 1, 1) + timedelta(days=chance.randrange(1826))
    if chance.random() < 0.5:
        today = chance.choice(_CHANGES) - timedelta(days=chance.randrange(3))
    now = rules.instant(today, chance.randrange(1440)) + timedelta(seconds=chance.randrange(60))
    days = [today + timedelta(days=step) for step in range(chance.randint(1, 4))]
    people = [_person(chance, name, today) for name in "abc"[: chance.randint(1, 3)]]
    midnight = int(rules.instant(today, 0).timestamp()) // CELL
    busy = {person.id: _booked(chance, midnight) for person in people}
    shut = {day for day in days if chance.random() < 0.2}
    return Calendar(now, days, people, busy, shut, acute=chance.random() < 0.3)


def _person(chance: random.Random, name: str, today: date) -> Person:
    def span() -> Span:
        start = chance.randrange(288)
        return Span(start * 5, min(start + chance.randint(1, 90), 288) * 5)

    def week() -> dict[int, list[Span]]:
        return {day: [span() for _ in range(chance.randint(0, 2))] for day in range(7) if chance.random() < 0.8}

    def some_day() -> date:
        return today + timedelta(days=chance.randint(-2, 5))

    def absence() -> tuple[datetime, datetime]:
        begin = rules.instant(some_day(), chance.randrange(1440))
        return begin, begin + timedelta(minutes=chance.randint(1, 900))

    def period() -> Period:
        first = some_day()
        return Period(first, chance.choice([None, first + timedelta(days=chance.randrange(4))]), week())

    hours = Hours(
        weekly=week(),
        periods=[period() for _ in range(chance.choice([0, 0, 1, 2]))],
        instead={some_day(): [span()] for _ in range(chance.choice([0, 0, 1, 2]))},
        extra={some_day(): [span(), span()] for _ in range(chance.choice([0, 0, 1]))},
        absent=[absence() for _ in range(chance.choice([0, 0, 1, 3]))],
        acute=week() if chance.random() < 0.3 else {},
    )
    terms = Terms(
        meeting=chance.choice([15, 30, 45, 60]),
        buffer=chance.choice([0, 5, 10, 15]),
        notice=chance.choice([0, 15, 30, 120]),
        cutoff=chance.choice([None, None, 14 * 60]),
    )
    release = chance.choice([None, 13 * 60])
    return Person(name, name, frozenset({"chat"}), frozenset({"sv"}), None, False, terms, release, hours)


def _booked(chance: random.Random, midnight: int) -> set[int]:
    taken: set[int] = set()
    for _ in range(chance.choice([0, 3, 10, 40])):
        first = midnight + chance.randrange(-20, 4 * 288)
        taken |= set(range(first, first + chance.choice([4, 8, 9, 11, 14])))
    return taken


# The slow search.


@cache
def _wall(day: date, minute: int) -> int:
    """The first cell at which the wall shows at least ``minute`` of ``day``, found by walking."""
    moment = datetime.combine(day, datetime.min.time(), STOCKHOLM).astimezone(UTC)
    target = datetime.combine(day, datetime.min.time()) + timedelta(minutes=minute)
    while to_local(moment).replace(tzinfo=None) < target:
        moment += timedelta(minutes=5)
    return int(moment.timestamp()) // CELL


def _works(person: Person, day: date, *, closed: bool) -> set[int]:
    """Every five minutes of ``day`` in which somebody works, by the words of the promise and not by its code."""
    hours = person.hours
    if day in hours.instead:
        spans = list(hours.instead[day])
    elif closed:
        spans = []
    else:
        holding = [each for each in hours.periods if each.first <= day and day <= (each.last or date.max)]
        holding.sort(key=lambda each: each.last or date.max)
        latest = max((each.first for each in holding), default=None)
        period = next((each for each in holding if each.first == latest), None)
        spans = list((period.weekly if period else hours.weekly).get(day.weekday(), []))
    spans += hours.extra.get(day, [])
    cells = {cell for span in spans for cell in range(_wall(day, span.start), _wall(day, span.end))}
    for begin, end in hours.absent:
        cells -= {cell for cell in cells if cell * CELL < end.timestamp() and (cell + 1) * CELL > begin.timestamp()}
    return cells


def _possible(calendar: Calendar) -> dict[str, set[int]]:
    """All cells at which a talk could begin, for everybody, and nothing skipped."""
    found: dict[str, set[int]] = {}
    now = calendar.now
    wall = to_local(now)
    for person in calendar.people:
        meeting, pause = person.terms.meeting // 5, person.terms.buffer // 5
        found[person.id] = set()
        for day in calendar.days:
            works = _works(person, day, closed=calendar.closed(day))
            free = works - calendar.busy[person.id]
            beside = set(calendar.busy[person.id])
            if not calendar.acute and not (
                person.release is not None and _wall(day, person.release) * CELL <= now.timestamp()
            ):
                kept = {
                    cell
                    for span in person.hours.acute.get(day.weekday(), [])
                    for cell in range(_wall(day, span.start), _wall(day, span.end))
                }
                free, beside = free - kept, beside | kept
            for cell in free:
                late = (
                    day == wall.date()
                    and person.terms.cutoff is not None
                    and wall.hour * 60 + wall.minute >= person.terms.cutoff
                )
                soon = cell * CELL < (now + timedelta(minutes=person.terms.notice)).timestamp()
                talk = set(range(cell, cell + meeting))
                after = set(range(cell + meeting, cell + meeting + pause))
                if not late and not soon and talk <= free and after.isdisjoint(beside):
                    found[person.id].add(cell)
    return found


def _offered(calendar: Calendar) -> dict[str, set[int]]:
    found: dict[str, set[int]] = {person.id: set() for person in calendar.people}
    offer = rules.free_times(
        calendar.days, calendar.people, calendar.busy, calendar.now, calendar.closed, acute=calendar.acute
    )
    assert [free.start for free in offer] == sorted({free.start for free in offer})
    for free in offer:
        for therapist in free.therapists:
            found[therapist].add(int(free.start.timestamp()) // CELL)
    return found


def missed(calendar: Calendar, search: Callable[[Calendar], dict[str, set[int]]] = _offered) -> list[str]:
    """What is wrong with an offer: times that do not exist, and gaps with room for a talk and none in the offer."""
    wrong = []
    possible, offered = _possible(calendar), search(calendar)
    for person in calendar.people:
        extra = offered[person.id] - possible[person.id]
        wrong += [f"{person.id} was offered at {cell} and cannot" for cell in extra]
        # A gap is a run of possible starts: one talk out of it must be there.
        run: list[int] = []
        for cell in [*sorted(possible[person.id]), -1]:
            if run and cell != run[-1] + 1:
                if offered[person.id].isdisjoint(run):
                    wrong.append(f"{person.id} has room from {run[0]} to {run[-1]} and was not offered")
                run = []
            run.append(cell)
    return wrong


@pytest.mark.slow
def test_ten_thousand_calendars_without_a_miss() -> None:
    """R12: if any time exists it is offered; zero misses, and enough calendars in which there is something to miss."""
    with_times = 0
    for seed in range(CALENDARS):
        calendar = made_up(seed)
        assert [] == missed(calendar), seed
        with_times += any(_offered(calendar).values())
    assert 0.4 * CALENDARS < with_times < 0.99 * CALENDARS


def test_a_search_that_forgets_something_is_caught() -> None:
    """The comparison can fail: an offer without its last time, or with one that is booked, is seen."""

    def forgetful(calendar: Calendar) -> dict[str, set[int]]:
        offered = _offered(calendar)
        return {name: set() if len(cells) == 1 else cells for name, cells in offered.items()}

    def greedy(calendar: Calendar) -> dict[str, set[int]]:
        offered = _offered(calendar)
        return {name: cells | {min(calendar.busy[name], default=0)} for name, cells in offered.items()}

    for search in (forgetful, greedy):
        assert any(missed(made_up(seed), search) for seed in range(100))


def test_a_wish_for_somebody_never_brings_somebody_else() -> None:
    """Woman or man, language and person are kept; personal times are for those who ask for that person."""
    chance = random.Random(1)
    people = [
        Person(
            id=name,
            name=name,
            channels=frozenset(chance.sample(["chat", "phone", "video", "visit"], 2)),
            languages=frozenset(chance.sample(["sv", "en", "ar"], 2)),
            gender=chance.choice([None, "woman", "man"]),
            personal=chance.random() < 0.3,
            terms=Terms(30, 10, 15),
            release=None,
            hours=Hours(),
        )
        for name in map(str, range(200))
    ]
    assert [person.id for person in people if not person.personal] == [
        person.id for person in people if person.suits(None, ANYBODY)
    ]
    for gender in ("woman", "man"):
        suiting = [person for person in people if person.suits("visit", rules.Wish(gender, "ar"))]
        assert suiting and {gender} == {person.gender for person in suiting}
        assert all("ar" in person.languages and "visit" in person.channels for person in suiting)
    personal = next(person for person in people if person.personal)
    assert [personal.id] == [person.id for person in people if person.suits(None, rules.Wish(therapist=personal.id))]
