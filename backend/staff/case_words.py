"""What the pages about cases call people, clocks, days and deeds: Swedish from the phrases."""

from __future__ import annotations

from datetime import date

from backend.cases.desk import PersonLine
from backend.cases.service import CasePage, Due, Withheld
from backend.core.access import From
from backend.core.clock import to_local
from backend.core.errors import DomainError
from backend.core.house import House
from backend.core.legal import Clock
from backend.staff.words import StaffWords


class CaseWords:
    """Turns what the case desks give into words."""

    def __init__(self, house: House, words: StaffWords) -> None:
        self._say = house.phrases.say
        self._known = house.phrases.keys()
        self._words = words

    def person(self, person: PersonLine) -> str:
        """``Elsa, barn, 11 år``, or ``Ett barn`` for who has no name here."""
        if not person.first_name:
            return self._say(f"staff.case.nameless.{person.who}")
        who = self._say(f"staff.case.who.{person.who}")
        if person.age is None:
            return self._say("staff.case.person", None, name=person.first_name, who=who)
        return self._say("staff.case.person_age", None, name=person.first_name, who=who, age=person.age)

    def clock(self, clock: Clock) -> str:
        """What a clock is about."""
        return self._say(f"staff.case.clocks.name.{clock.name}")

    def source(self, clock: Clock) -> str:
        """The law behind a clock."""
        key = f"staff.case.clocks.source.{clock.source}"
        return self._say(key) if key in self._known else clock.source

    def when(self, clock: Clock) -> str:
        """When it is due, or how late it is."""
        today, name = self._words.today(), self.clock(clock)
        left = clock.days_left(today)
        if clock.late(today):
            return self._say(
                "staff.clock.late", None, name=name, day=self._words.day(clock.due), days=self._days(-left)
            )
        if left <= 1:
            return self._say("staff.clock.soon", None, name=name, day=self._words.day(clock.due))
        return self._say("staff.clock.later", None, name=name, day=self._words.day(clock.due), days=self._days(left))

    def stopped(self, clock: Clock) -> str:
        """When what was due happened, and how much too late."""
        assert clock.stopped is not None
        over = (clock.stopped - clock.due).days
        name, day = self.clock(clock), self._words.day(clock.stopped)
        if over > 0:
            return self._say("staff.case.clocks.stopped_late", None, name=name, day=day, days=self._days(over))
        return self._say("staff.case.clocks.stopped", None, name=name, day=day)

    def target(self, clock: Clock) -> str:
        """The working day to aim for, where it is not the last day."""
        if clock.target == clock.due:
            return ""
        return self._say("staff.clock.target", None, day=self._words.day(clock.target))

    def urgency(self, clock: Clock) -> str:
        """``late``, ``today``, ``soon`` (within three days) or ``calm``, for the look of the words."""
        return self.urgent(clock.due)

    def urgent(self, day: date) -> str:
        """`urgency` of anything with a day."""
        left = (day - self._words.today()).days
        if left < 0:
            return "late"
        if left == 0:
            return "today"
        return "soon" if left <= 3 else "calm"

    def due(self, due: Due) -> str:
        """A clock, a task or a next step in one line."""
        if due.clock is not None:
            return self.clock(due.clock)
        return self._say(f"staff.case.due.{due.kind}", None, text=due.text)

    def withheld(self, line: Withheld, page: CasePage) -> str:
        """What is withheld from whom."""
        whom = line.kept_from
        if line.line.from_kind == From.UNIT:
            whom = self._say("staff.case.withheld.unit", None, unit=self._words.unit(whom))
        elif line.line.from_kind == From.PERSON:
            whom = self._say("staff.case.withheld.works_for", None, name=whom)
        what = self._say(f"staff.case.withheld.subject.{line.line.subject_kind}")
        if line.line.subject_kind == "note":
            found = next((note for note in page.notes if note.id == line.line.subject_id), None)
            if found is not None:
                what = self._say("staff.case.withheld.note", None, name=found.name, when=self._words.moment(found.at))
        return self._say("staff.case.withheld.line", None, what=what, whom=whom)

    def deed(self, tag: str) -> str:
        """A deed of the log in words, or its tag where nobody has named it."""
        key = f"staff.log.deed.{tag.partition(':')[2].replace(':', '_')}"
        return self._say(key) if key in self._known else tag

    def error(self, error: DomainError, field: str = "") -> str:
        """What went wrong with a form."""
        own = f"staff.case.error.{error.code}_{field}"
        key = own if own in self._known else f"staff.case.error.{error.code}"
        return self._say(key if key in self._known else f"error.{error.code}")

    def local_day(self, instant: object) -> date:
        """The local day of an instant."""
        return to_local(instant).date()  # type: ignore[arg-type]

    def _days(self, count: int) -> str:
        return self._say("staff.one_day") if count == 1 else self._say("staff.days", None, count=count)
