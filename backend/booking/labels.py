"""Times and ways to meet in the reader's words."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from backend.core.clock import to_local
from backend.core.content import Phrases
from backend.core.reader import Reader


def when(phrases: Phrases, instant: datetime, now: datetime, reader: Reader | None = None) -> str:
    """``i dag kl. 15.20``, ``i morgon kl. 9.00``, ``på måndag kl. 10.15 (30 november)``; the date alone after a week.

    Days are those of Stockholm: at 23:59 the next minute is tomorrow.
    """
    local, today = to_local(instant), to_local(now).date()
    day = local.date()
    values = {
        "hour": local.hour,
        "minute": f"{local.minute:02}",
        "weekday": _of(phrases, "booking_labels.weekdays", reader, local.weekday()),
        "number": local.day,
        "month": _of(phrases, "booking_labels.months", reader, local.month - 1),
    }
    if day == today:
        key = "today"
    elif day == today + timedelta(days=1):
        key = "tomorrow"
    elif today < day < today + timedelta(days=7):
        key = "this_week"
    else:
        key = "later"
    return phrases.say(f"booking_labels.{key}", reader, **values)


def day_of(phrases: Phrases, day: date, today: date, reader: Reader | None = None) -> str:
    """``i dag``, ``i morgon``, else ``fredag 27 november``."""
    near = {0: "common.today", 1: "common.tomorrow"}.get((day - today).days)
    if near is not None:
        return phrases.say(near, reader)
    weekday = _of(phrases, "booking_labels.weekdays", reader, day.weekday())
    month = _of(phrases, "booking_labels.months", reader, day.month - 1)
    return phrases.say("booking_labels.day", reader, weekday=weekday, number=day.day, month=month)


def clock_time(phrases: Phrases, instant: datetime, reader: Reader | None = None) -> str:
    """``15.20``: the minute on the wall in Stockholm."""
    local = to_local(instant)
    return phrases.say("booking_labels.clock", reader, hour=local.hour, minute=f"{local.minute:02}")


def _of(phrases: Phrases, key: str, reader: Reader | None, place: int) -> str:
    return phrases.say(key, reader).split()[place]
