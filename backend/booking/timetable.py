"""One local day of everybody who takes talks, worked out once. Plain Python, no storage."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import date, datetime

from backend.booking import rules
from backend.booking.rules import Person


class Timetable:
    """Everybody's working times on ``day``. What is booked is not in it, so it holds until somebody's hours change."""

    def __init__(self, day: date, people: Sequence[Person], closed: Callable[[date], bool]) -> None:
        self.people = {person.id: person for person in people}
        self.windows = {person.id: person.hours.windows(day, closed) for person in people}
        self._room: dict[str, float] = {}
        self._beginning: defaultdict[datetime, list[Person]] = defaultdict(list)
        for person in people:
            windows = self.windows[person.id]
            seconds = sum((end - begin).total_seconds() for begin, end in windows)
            self._room[person.id] = max(seconds / rules.CELL / person.terms.cells, 1)
            for window in windows:
                for start in rules.starts(window, (), person.terms, window[0]):
                    self._beginning[start].append(person)

    def beginning(self, start: datetime) -> Sequence[Person]:
        """Those who begin a talk at ``start`` on a day on which nothing else is booked."""
        return self._beginning.get(start, ())

    def covers(self, person: Person, start: datetime) -> bool:
        """Whether a talk of theirs from ``start`` on lies within one of their working times."""
        return any(rules.covers(window, start, person.terms) for window in self.windows[person.id])

    def covering(self, start: datetime) -> list[Person]:
        """Those for whom it does."""
        return [person for person in self.people.values() if self.covers(person, start)]

    def at_work(self, start: datetime, end: datetime) -> list[Person]:
        """Those who work from ``start`` to ``end``, whatever times they begin their own talks at."""
        return [
            person
            for person in self.people.values()
            if any(begin <= start and end <= stop for begin, stop in self.windows[person.id])
        ]

    def load(self, therapists: Collection[str], taken: Mapping[str, int]) -> dict[str, float]:
        """The share of each one's working day that is taken; ``taken`` is how many talks each has in it."""
        return {each: taken.get(each, 0) / self._room.get(each, 1) for each in therapists}
