"""The list that staff work from: by clock, filtered, with what is unread for the one who looks.

No words are in it: reading them is a deed that is written down. `search` is the one exception
that looks into them, and says so in its own words.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy.orm import Session

from backend.concerns import repository
from backend.concerns.service import ConcernDesk, ConcernRow
from backend.concerns.tables import Concern
from backend.core import audit
from backend.core.audit import Tag
from backend.core.clock import to_local
from backend.core.errors import InvalidField
from backend.core.house import House
from backend.core.people import StaffMember
from backend.core.text import fold

STATES = ("open", "new", "mine", "taken", "later", "closed")
"""What can be shown: everything that is not closed (what is put off left out), untaken, one's own, colleagues', put off, closed."""
CLOCKS = ("", "late", "today", "week")
"""Which next legal day: any, passed, today or before, within seven days."""
SEARCH_SHORTEST, SEARCH_LONGEST = 2, 100
SEARCHED = 500
"""How many open concerns' words a search reads at most, the most pressing first."""

WordsOf = Callable[[Session, StaffMember, Collection[str]], dict[str, str]]
"""Words of stories by their ids, for concerns whose words are told as a story."""


@dataclass(frozen=True, slots=True)
class Filter:
    """What to show. ``state`` is one of `STATES`, ``clock`` one of `CLOCKS`; ``unread``: nothing but that."""

    state: str = "open"
    clock: str = ""
    unread: bool = False

    @classmethod
    def of(cls, state: str, clock: str, unread: str) -> Filter:
        """From an address; what is none of the choices is the usual one."""
        return cls(state if state in STATES else "open", clock if clock in CLOCKS else "", unread == "1")


@dataclass(frozen=True, slots=True)
class Item:
    """One line: the concern without its words, and how it stands for the one who looks.

    ``untaken``: nobody took it in time, and whoever leads the unit has been told.
    ``group`` is ``late``, ``today``, ``week``, ``later`` or ``done`` (no limit left), by its next legal day.
    """

    row: ConcernRow
    source: str
    unread: bool
    mine: bool
    group: str
    next_clock: str
    next_due: date | None
    later_until: date | None
    untaken: bool


@dataclass(frozen=True, slots=True)
class Inbox:
    """What the filter shows, how many are in each state, and whether there are more than are shown."""

    items: list[Item]
    counts: dict[str, int]
    more: bool


class InboxDesk:
    """Lists for staff. ``words_of`` finds what may be read of concerns that were told as a story."""

    def __init__(self, house: House, concerns: ConcernDesk, words_of: WordsOf | None = None) -> None:
        self._house = house
        self._concerns = concerns
        self._words_of = words_of or (lambda session, staff, ids: {})

    def today(self) -> date:
        """The local date."""
        return to_local(self._house.clock.now()).date()

    async def look(self, staff: StaffMember, wanted: Filter) -> Inbox:
        """What ``staff`` may know of, by its next legal day."""

        def read(session: Session) -> Inbox:
            found = repository.inbox(session, staff, wanted.state == "closed")
            shown = [one for one in found if self._shows(wanted, staff, *one)]
            counts = {state: 0 for state in STATES if state != "closed"}
            if wanted.state != "closed":
                for concern, seen in found:
                    for state in counts:
                        counts[state] += self._shows(Filter(state), staff, concern, seen)
            return Inbox(self._items(session, staff, shown), counts, len(found) == repository.AT_MOST)

        return await self._house.db.read(read)

    async def export(self, staff: StaffMember, wanted: Filter) -> Inbox:
        """`look`, for a list that leaves the house: that it did is written down, with how long it was."""
        found = await self.look(staff, wanted)
        now, count = self._house.clock.now(), str(len(found.items))
        await self._house.db.write(
            lambda session: audit.record(session, now, Tag.CONCERN_LISTED, staff.unit, actor=staff.id, detail=count)
        )
        return found

    async def after(self, staff: StaffMember, wanted: Filter, concern_id: str) -> str | None:
        """The concern that comes after one in the list and can be opened; the first when that one is gone; None at the end."""

        def read(session: Session) -> str | None:
            found = [one for one in repository.inbox(session, staff, closed=False) if self._shows(wanted, staff, *one)]
            openable = repository.openable_of(session, staff, [concern.id for concern, _ in found])
            ids = [concern.id for concern, _ in found]
            rest = ids[ids.index(concern_id) + 1 :] if concern_id in ids else ids
            return next((one for one in rest if one in openable), None)

        return await self._house.db.read(read)

    async def search(self, staff: StaffMember, text: str) -> list[Item]:
        """Open concerns that ``staff`` may read and that hold every word of ``text``, in the order of the list.

        The words are sealed, so no index can find them: those of at most `SEARCHED` concerns, and none
        that the person may not open, are opened one after the other in a database thread and compared
        without regard to case or accents; nothing of them leaves that thread. Answers and who reported are
        not searched. That a search was made, and which concerns it showed, is written down for each of
        them; what was searched for is not. Raises `InvalidField` ``search`` for too short or too long a text.
        """
        words = fold(text).split()
        if not SEARCH_SHORTEST <= len(text.strip()) <= SEARCH_LONGEST:
            raise InvalidField("invalid", "search")

        def look(session: Session) -> list[Item]:
            found = repository.inbox(session, staff, closed=False, at_most=SEARCHED)
            openable = repository.openable_of(session, staff, [concern.id for concern, _ in found])
            readable = [(concern, seen) for concern, seen in found if concern.id in openable]
            stories = self._words_of(session, staff, {concern.story_id for concern, _ in readable if concern.story_id})
            hits = [
                (concern, seen)
                for concern, seen in readable
                if all(word in fold(self._words(concern, stories)) for word in words)
            ]
            now = self._house.clock.now()
            for concern, _ in hits:
                audit.record(session, now, Tag.CONCERN_SEARCHED, concern.id, actor=staff.id)
            return self._items(session, staff, hits[: repository.AT_MOST])

        return await self._house.db.write(look)

    def _words(self, concern: Concern, stories: dict[str, str]) -> str:
        if concern.words is None:
            return stories.get(concern.story_id or "", "")
        opened = self._house.vault.open(concern.data_key, f"concern.words:{concern.id}", concern.words)
        return "\n".join(json.loads(opened))

    def _shows(self, wanted: Filter, staff: StaffMember, concern: Concern, seen: datetime | None) -> bool:
        later = self._put_off(concern)
        mine, untaken = concern.accepted_by == staff.id, concern.accepted_by is None
        by_state = {
            "open": not later,
            "new": untaken,
            "mine": mine and not later,
            "taken": not untaken and not mine and not later,
            "later": later,
            "closed": True,
        }[wanted.state]
        group = self._group(concern)
        by_clock = {
            "": True,
            "late": group == "late",
            "today": group in ("late", "today"),
            "week": group in ("late", "today", "week"),
        }[wanted.clock]
        return by_state and by_clock and (not wanted.unread or _unread(concern, seen))

    def _put_off(self, concern: Concern) -> bool:
        """Put off until a later day, and no legal day has come meanwhile."""
        today = self.today()
        if concern.later_until is None or concern.later_until <= today:
            return False
        return concern.next_due is None or concern.next_due > today

    def _group(self, concern: Concern) -> str:
        if concern.next_due is None:
            return "done"
        left = concern.next_due - self.today()
        if left < timedelta(0):
            return "late"
        if not left:
            return "today"
        return "week" if left <= timedelta(days=7) else "later"

    def _items(
        self, session: Session, staff: StaffMember, found: Sequence[tuple[Concern, datetime | None]]
    ) -> list[Item]:
        rows = self._concerns.rows(session, staff, [concern for concern, _ in found])
        return [
            Item(
                row=row,
                source=concern.source,
                unread=_unread(concern, seen),
                mine=concern.accepted_by == staff.id,
                group=self._group(concern),
                next_clock=concern.next_clock,
                next_due=concern.next_due,
                later_until=concern.later_until if self._put_off(concern) else None,
                untaken=concern.untaken_at is not None and concern.accepted_by is None,
            )
            for row, (concern, seen) in zip(rows, found, strict=True)
        ]


def _unread(concern: Concern, seen: datetime | None) -> bool:
    return seen is None or seen < concern.changed_at
