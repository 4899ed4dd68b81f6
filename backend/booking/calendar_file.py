"""When somebody is busy, read from a calendar file (iCalendar, RFC 5545): from when until when, and nothing else in it.

A file comes from any program in the world, so it is taken as noise until it has proven to be a calendar.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from icalendar import Calendar, Event

from backend.core.clock import STOCKHOLM
from backend.core.errors import InvalidField

LARGEST = 256 * 1024
"""Bytes."""
MOST = 500
"""Events."""
_FREE = ("TRANSPARENT", "CANCELLED")
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Busy:
    """Stretches of time, earliest first and each once; ``repeated`` is how many events come back by a rule and are
    not among them."""

    spans: list[tuple[datetime, datetime]]
    repeated: int


def read(content: bytes) -> Busy:
    """The events of a file that take time; those that are cancelled or marked as free do not.

    Hours without a time zone are those of the wall in Stockholm. Raises `InvalidField` for a file that is no calendar,
    has no events, too many or one that ends before it begins, and for one that is too large.
    """
    if len(content) > LARGEST:
        raise InvalidField("file_too_large", "file")
    try:
        calendar = Calendar.from_ical(content)
        events = [event for event in calendar.walk("VEVENT") if isinstance(event, Event)]
        taking = [event for event in events if not _is_free(event)]
        once = [event for event in taking if "RRULE" not in event and "RDATE" not in event]
        spans = [_span(event) for event in once]
    except InvalidField:
        raise
    except Exception:  # a parser of a large format has many ways to say that a text is none
        raise InvalidField("no_calendar", "file") from None
    if not events:
        raise InvalidField("no_events", "file")
    if len(events) > MOST:
        raise InvalidField("too_many_events", "file")
    return Busy(sorted({span for span in spans if span[0] < span[1]}), len(taking) - len(once))


def _is_free(event: Event) -> bool:
    return any(str(event.get(name, "")).upper() in _FREE for name in ("TRANSP", "STATUS"))


def _span(event: Event) -> tuple[datetime, datetime]:
    """Without an end, a day lasts a day and an hour no time at all (RFC 5545, 3.6.1)."""
    begin = event.decoded("DTSTART")
    if "DTEND" in event:
        end = event.decoded("DTEND")
    elif "DURATION" in event:
        end = begin + event.decoded("DURATION")
    else:
        end = begin if isinstance(begin, datetime) else begin + _DAY
    span = _instant(begin), _instant(end)
    if span[1] < span[0]:
        raise InvalidField("ends_before_start", "file")
    return span


def _instant(at: date) -> datetime:
    wall = at if isinstance(at, datetime) else datetime.combine(at, time())
    return (wall if wall.tzinfo is not None else wall.replace(tzinfo=STOCKHOLM)).astimezone(UTC)
