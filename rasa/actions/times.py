"""Which of the times that were shown somebody means, by place in the list, day or hour."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from actions.when import Wish
from actions.words import is_short, mentions, words

Time = Mapping[str, Any]


@dataclass(frozen=True)
class Choice:
    """What an answer says about the times that were offered.

    `times` are those that fit; `more` asks for others.
    """

    times: tuple[Time, ...] = ()
    more: bool = False


def start_of(time: Time) -> datetime:
    """When a time begins, by the clocks where it is."""
    return datetime.fromisoformat(time["start"])


def place_in(text: str, times: Sequence[Time]) -> int | None:
    """The place that a text names ("the second", "the last"), None if it names none or denies one."""
    lists = words("answers")["times"]
    if not times or mentions(text, words("answers")["negations"]):
        return None
    no_place = {word.casefold() for word in lists["no_place"]}
    text = " ".join(word for word in text.split() if word.casefold().strip(".,!?") not in no_place)
    for place, phrases in enumerate(lists["ordinals"]):
        if mentions(text, phrases):
            return place if place < len(times) else None
    return len(times) - 1 if mentions(text, lists["last"]) else None


def chosen(text: str, offered: Sequence[Time], wish: Wish) -> Choice:
    """Which of the `offered` times ({"slot", "label", "start"}) a typed text means.

    `wish` is what the text says about when.
    """
    lists = words("answers")["times"]
    named = wish.days or wish.hours
    if not named and (mentions(text, lists["more"]) or wish.order in ("later", "earlier")):
        return Choice(more=True)
    fitting = [time for time in offered if wish.fits(start_of(time))] if named else list(offered)
    place = place_in(text, fitting)
    if place is not None:
        return Choice((fitting[place],))
    first = mentions(text, lists["any"]) or (wish.order in ("now", "soon") and is_short(text))
    if first and not mentions(text, words("answers")["negations"]):
        return Choice(tuple(fitting[:1]))
    return Choice(tuple(fitting)) if named else Choice()
