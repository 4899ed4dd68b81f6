"""A talk as its visitor is told of it: messages in the chat API's shape, and what stands beside them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from backend.booking.labels import when
from backend.booking.meeting import Appointment
from backend.core.content import Phrases
from backend.core.reader import Reader
from backend.talks import rules
from backend.talks.repository import Line
from backend.talks.rules import NOTICE, VISITOR, Notice
from backend.talks.waiting import Outlook

ASK, LEAVE, BOOK, ENTER, SHARE = "human:now", "human:leave", "human:book", "human:in", "human:share"
"""Choices that every chat has, as the API names them."""
STANDING = {ASK: "live.ask", LEAVE: "live.leave_line", BOOK: "live.book", ENTER: "live.enter", SHARE: "live.share"}
_OVER = frozenset({Notice.CLOSED, Notice.LEFT, Notice.ENDED, Notice.UNMET})


@dataclass(frozen=True, slots=True)
class Choice:
    """Something that can be chosen: an id that every chat has, and what it says."""

    id: str
    title: str


@dataclass(frozen=True, slots=True)
class Visit:
    """What a visitor is told beside the log.

    ``state``: ``booked`` (a talk of this chat is near or ahead), ``waiting`` or ``open``. ``short`` is for
    the page's head, which says whether a robot or a human writes (AI Act, art. 50). ``here``: whether the
    human has the page open. ``opens_in``: seconds until a booked talk's room opens, 0 when it is. ``mark`` is
    where a stream of events goes on from, ``seen`` the number up to which the human has seen what was written.
    """

    state: str
    short: str
    title: str
    text: str
    name: str
    here: bool
    place: int | None
    minutes: int | None
    opens_in: int
    mark: str
    seen: int
    choices: tuple[Choice, ...]

    def as_json(self) -> dict[str, Any]:
        """The API's ``talk``."""
        return asdict(self) | {"choices": [asdict(choice) for choice in self.choices]}


def joined(phrases: Phrases, names: Sequence[str], reader: Reader) -> str:
    """``Anna, Samir och Lena``."""
    *others, last = names
    return f"{', '.join(others)} {phrases.say('live.and', reader)} {last}" if others else last


def message(line: Line, phrases: Phrases, reader: Reader) -> dict[str, Any]:
    """One message of a talk. ``card`` has the writer's first name and the message's number."""
    shown: dict[str, Any] = {"id": line.id, "author": line.author, "kind": "text", "topic": "talk", "text": line.text}
    if line.author == NOTICE:
        text = phrases.say(f"live.notice.{line.kind}", reader, name=line.name)
        shown |= {"author": "service", "kind": "notice", "text": text}
    choices = _after(phrases, reader) if line.author == NOTICE and line.kind in _OVER else ()
    card = {"seq": line.seq}
    if line.author not in (NOTICE, VISITOR):
        card |= {"by": phrases.say("live.by", reader, name=line.name)}  # type: ignore[dict-item]
    return shown | {"choices": [asdict(choice) for choice in choices], "card": card}


def waiting(phrases: Phrases, outlook: Outlook, reader: Reader, mark: str, shareable: bool) -> Visit:
    """The waiting room of somebody who has asked for a human."""

    def say(key: str, **values: object) -> str:
        return phrases.say(key, reader, **values)

    first = outlook.place == 1
    title = say("live.place.first") if first else say("live.place.other", place=outlook.place)
    minutes = None if outlook.minutes is None else rules.told(outlook.minutes)
    names = joined(phrases, outlook.names, reader) if outlook.names else ""
    if minutes is None:
        wait = say("live.waits.away")
    elif minutes == 0:
        wait = say("live.waits.now", names=names)
    elif minutes > rules.LONGEST_TOLD:
        wait = say("live.waits.long", names=names)
    else:
        wait = say("live.waits.minutes", names=names, minutes=minutes)
    parts = [wait, say("live.waits.meanwhile")]
    if shareable:
        parts.append(say("live.waits.private"))
    ids = [SHARE] * shareable + [BOOK, LEAVE]
    return Visit(
        state=rules.WAITING,
        short=say("live.waiting_short"),
        title=title,
        text="\n".join(parts),
        name="",
        here=False,
        place=outlook.place,
        minutes=minutes,
        opens_in=0,
        mark=mark,
        seen=0,
        choices=tuple(Choice(one, say(STANDING[one])) for one in ids),
    )


def booked(
    phrases: Phrases,
    appointment: Appointment,
    now: datetime,
    reader: Reader,
    *,
    mark: str = "",
    seated: bool = False,
    here: bool = False,
    begun: bool = False,
    opens_in: int = 0,
    shareable: bool = False,
) -> Visit:
    """A booked talk that nobody holds now: ahead, near or late, or ``begun`` and dropped."""

    def say(key: str, **values: object) -> str:
        return phrases.say(key, reader, **values)

    name = appointment.therapist
    if here:
        text = say("live.booked.here", name=name)
    elif begun:
        text = say("live.waits.dropped")
    elif now >= appointment.start:
        text = say("live.booked.late", name=name)
    else:
        text = say("live.booked.soon", name=name)
    if seated:
        text = "\n".join([text, say("live.waits.meanwhile"), *([say("live.waits.private")] * shareable)])
    ids = [SHARE] * shareable + [LEAVE] if seated else [ENTER]
    return Visit(
        state=rules.WAITING if seated else "booked",
        short=say("live.waiting_short") if seated else "",
        title=say("live.booked.title", name=name, label=when(phrases, appointment.start, now, reader)),
        text=text,
        name=name,
        here=here,
        place=None,
        minutes=None,
        opens_in=opens_in,
        mark=mark,
        seen=0,
        choices=tuple(Choice(one, say("live.end" if one == LEAVE else STANDING[one])) for one in ids),
    )


def open_(phrases: Phrases, name: str, reader: Reader, *, here: bool, mark: str, seen: int) -> Visit:
    """A talk under way."""
    return Visit(
        state=rules.OPEN,
        short=phrases.say("live.with_human", reader, name=name),
        title=phrases.say("live.open.title", reader, name=name),
        text="" if here else phrases.say("live.open.away", reader, name=name),
        name=name,
        here=here,
        place=None,
        minutes=None,
        opens_in=0,
        mark=mark,
        seen=seen,
        choices=(Choice(LEAVE, phrases.say("live.end", reader)),),
    )


def _after(phrases: Phrases, reader: Reader) -> tuple[Choice, ...]:
    """The way on when a talk is over; a human can always be asked for again."""
    return (Choice(BOOK, phrases.say("live.book_after", reader)),)
