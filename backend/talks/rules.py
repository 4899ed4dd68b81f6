"""The states of a talk, how long the line is, and when a booked room is open: plain decisions."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from enum import StrEnum

WAITING, OPEN, HANDED_BACK, CLOSED, LEFT = "waiting", "open", "handed_back", "closed", "left"
STATES = (WAITING, OPEN, HANDED_BACK, CLOSED, LEFT)
"""``left``: the visitor went, so with a code they may come back in the same time; the others staff have ended."""
ACTIVE = (WAITING, OPEN)
"""While a talk is in one of these the assistant is silent."""
VISITOR, STAFF, NOTICE = "visitor", "staff", "notice"

LINGERS = timedelta(minutes=30)
"""How long after its booked end a talk that nobody has begun can still be come to."""
RETURNS = timedelta(hours=2)
"""How long after they went somebody with a code comes back to the same line, or the same talk."""
LATE = timedelta(minutes=5)
"""How long after its time a booked talk rings at colleagues too."""
DROPPED = timedelta(minutes=3)
"""How long somebody is left without an answer by a therapist whose page is gone, before colleagues are asked."""
LONGEST_SILENCE = timedelta(hours=8)
"""An open talk in which nothing has been written for so long is over; somebody forgot to end it."""
AWAY = timedelta(seconds=60)
"""How long a page that lost its connection still counts as open: it is on its way back."""
LEAST_LEFT = 5
"""Minutes that a talk under way is taken to go on for, however long it has been."""
_STEP = 5
LONGEST_TOLD = 60
"""Minutes; a longer wait is told as "more than an hour"."""


class Notice(StrEnum):
    """What is told in the log beside what people write. The words come from the phrases, in the reader's own."""

    OPENED = "opened"
    HANDED_OVER = "handed_over"
    DROPPED = "dropped"
    HANDED_BACK = "handed_back"
    CLOSED = "closed"
    REOPENED = "reopened"
    LEFT = "left"
    ENDED = "ended"
    UNMET = "unmet"
    WIPED = "wiped"


def minutes_to_wait(ahead: int, free_in: Sequence[int], length: int) -> int | None:
    """About how many minutes until it is the turn of somebody with ``ahead`` people before them.

    ``free_in`` has, for each who is there, the minutes until they are free; ``length`` is how long a
    talk usually takes. None when nobody is there: then no number would be true.
    """
    if not free_in:
        return None
    line = list(free_in)
    heapq.heapify(line)
    for _ in range(ahead):
        heapq.heapreplace(line, line[0] + length)
    return line[0]


def minutes_left(started: datetime, now: datetime, length: int) -> int:
    """How long a talk under way is taken to go on."""
    elapsed = int((now - started).total_seconds() // 60)
    return max(LEAST_LEFT, length - elapsed)


def told(minutes: int) -> int:
    """A wait as it is told: in steps of five minutes, never less than it is."""
    return -(-minutes // _STEP) * _STEP


def room_opens(start: datetime, early_minutes: int) -> datetime:
    """When whoever has the code may come into the room of a booked talk."""
    return start - timedelta(minutes=early_minutes)


def room_is_open(start: datetime, end: datetime, now: datetime, early_minutes: int) -> bool:
    """Whether somebody with the code may come in now, if the talk has not begun."""
    return room_opens(start, early_minutes) <= now < end + LINGERS


def mark(talk_id: str, seq: int) -> str:
    """Where a page's stream has come to, for the ``Last-Event-ID`` with which it comes back."""
    return f"{talk_id}.{seq}"


def read_mark(last: str | None, talk_id: str) -> int:
    """The sequence number in a mark; 0 for another talk's, or for what is no mark."""
    of, _, seq = (last or "").partition(".")
    return int(seq) if of == talk_id and seq.isascii() and seq.isdigit() and len(seq) < 10 else 0


def place_of(talk_id: str, line: Iterable[str]) -> int:
    """Which one somebody is in the line, the first being 1."""
    return next((place for place, each in enumerate(line, 1) if each == talk_id), 1)
