"""When somebody wants to meet, from how they write it: a day or some days, hours, or an order.

A small grammar of our own; its words are in `data/words/when.yml`. Measured on 139 phrases, as
children and adults write them, eight of them about no time at all (`tests/bot/when_phrases.yml`),
against dateparser 1.5.0 (alive: released 2026-11; Swedish is one of its languages), Swedish and
English, future preferred:

* `dateparser.parse` reads 34 of the 131 rightly, nothing in 84, something wrong in 13;
* `dateparser.search.search_dates` reads 32 rightly, nothing in 79, something wrong in 20
  ("Thursday next week" is this Thursday to it, "kl 1530" the year 1530).

It knows weekdays, today and tomorrow, dates and digits, spelled rightly; no "halv fyra", no part of a
day, no span. All of that the grammar does too, so dateparser is not used.

Whatever the text, there is an answer and no exception, and a time that has passed is never
given as one to come.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import cache
from typing import Any, Literal

from actions.words import words

Order = Literal["now", "soon", "later", "earlier"]

LONGEST = 400
"""Characters that are read; nobody says a time further on."""
FARTHEST = timedelta(days=400)
_NOON_BEFORE = 7
"""Hours below this one are in the afternoon, when nothing says otherwise: nobody meets at three at night."""


@dataclass(frozen=True)
class Wish:
    """What a text says about when.

    `first` and `last` are days, both included, none before today. `after` and `before` are hours
    of each of them, `before` not included. `clock` says that the hours come from a time on the
    clock. `without`: this is what is not wanted. `past`: what was named has passed already.
    """

    first: date | None = None
    last: date | None = None
    after: time | None = None
    before: time | None = None
    clock: bool = False
    order: Order | None = None
    without: bool = False
    past: bool = False

    @property
    def days(self) -> bool:
        """Whether a day or some days were named."""
        return self.first is not None

    @property
    def hours(self) -> bool:
        """Whether a part of the day or a time on the clock was named."""
        return self.after is not None or self.before is not None

    def __bool__(self) -> bool:
        return self.days or self.hours or self.order is not None or self.past

    def fits(self, start: datetime) -> bool:
        """Whether a talk that starts at `start` (in local time) is as wished."""
        inside = True
        if self.first is not None and self.last is not None:
            inside = self.first <= start.date() <= self.last
        at = start.time().replace(tzinfo=None)
        inside = inside and (self.after is None or at >= self.after) and (self.before is None or at < self.before)
        return inside != self.without

    def query(self, now: datetime, zone: tzinfo) -> dict[str, str]:
        """What to ask the backend for: `from` and `to` as instants, `after` and `before` as hours.

        Only what was said is in it; `from` is never before `now`.
        """
        if self.without:
            # "Not today": from the day after.
            skipped = self.last is not None and not self.hours
            return {"from": _instant(self.last + timedelta(days=1), zone)} if skipped and self.last else {}
        asked: dict[str, str] = {}
        if self.first is not None and self.last is not None:
            begins = datetime.combine(self.first, time(), zone)
            asked["from"] = max(begins, now.astimezone(zone)).isoformat(timespec="seconds")
            asked["to"] = _instant(self.last + timedelta(days=1), zone)
        if self.after is not None:
            asked["after"] = f"{self.after:%H:%M}"
        if self.before is not None:
            asked["before"] = f"{self.before:%H:%M}"
        return asked


def _instant(day: date, zone: tzinfo) -> str:
    return datetime.combine(day, time(), zone).isoformat(timespec="seconds")


def wish(text: str, now: datetime, zone: tzinfo) -> Wish:
    """What `text` says about when, read at `now` (aware) by the clocks of `zone`."""
    said = _plain(text[:LONGEST])
    lists = words("when")
    corrected = list(_pattern(lists["corrects"]).finditer(said))
    if corrected:
        meant = _read(said[corrected[-1].end() :].strip(), now.astimezone(zone))
        if meant:
            return meant
    return _read(said, now.astimezone(zone))


def _plain(text: str) -> str:
    """Small letters without accents; of punctuation only what stands inside numbers."""
    plain = unicodedata.normalize("NFKD", text.casefold())
    plain = "".join(c for c in plain if not unicodedata.combining(c))
    plain = re.sub(r"(?<=\d)[:.](?=\d)|(?<=\d)/(?=\d)|(?<=\d)-(?=\d)", lambda found: f"\0{found[0]}\0", plain)
    plain = re.sub(r"(?<=\d):(?=[ae]\b)", "", plain)
    parts = re.split(r"\0(.)\0", plain)
    kept = [part if index % 2 else re.sub(r"[\W_]+", " ", part) for index, part in enumerate(parts)]
    return "".join(kept).strip()


@cache
def _compiled(phrases: tuple[str, ...]) -> re.Pattern[str]:
    alternatives = sorted({_phrase(phrase) for phrase in phrases}, key=len, reverse=True)
    return re.compile(rf"(?<![\w.:/-])(?:{'|'.join(alternatives)})(?![\w:/-])")


def _phrase(phrase: str) -> str:
    return " ".join(re.escape(_plain(part)) + (r"\w*" if part.endswith("*") else "") for part in str(phrase).split())


def _pattern(phrases: Iterable[Any]) -> re.Pattern[str]:
    return _compiled(tuple(str(phrase) for phrase in phrases))


def _has(said: str, phrases: Iterable[Any]) -> bool:
    return bool(_pattern(phrases).search(said))


def _or(phrases: Iterable[Any]) -> str:
    """The phrases as a part of a larger pattern."""
    return _joined(tuple(str(phrase) for phrase in phrases))


@cache
def _joined(phrases: tuple[str, ...]) -> str:
    ordered = sorted({_phrase(phrase) for phrase in phrases}, key=len, reverse=True)
    return f"(?:{'|'.join(ordered)})"


_re = cache(re.compile)
"""Compiled once: `re` forgets what it has compiled when there is much of it."""


def _read(said: str, now: datetime) -> Wish:
    lists = words("when")
    if not said:
        return Wish()
    days, rest, negated, past = _days(said, now.date())
    hours = _hours(rest)
    if hours is None and _has(said, lists["evening_today"]):
        hours = _part("evening")
    if hours is None:
        hours = next((_part(name) for name, said_so in lists["day_and_part"].items() if _has(said, said_so)), None)
    order: Order | None = None
    for name in ("soon", "later", "earlier", "now"):
        if _has(rest, lists[name]):
            order = name  # type: ignore[assignment]
            break
    without = negated and bool(days or hours)
    if not days and not hours and order is None:
        return Wish(past=past)
    found = hours or _Hours(None, None, False)
    first, last = (min(days), max(days)) if days else (None, None)
    gone = first == last == now.date() and found.before is not None and found.before <= now.time() and not without
    if order == "now" and (days or hours):
        order = None
    return Wish(first, last, found.after, found.before, found.clock, order, without, past or gone)


# --- Days ------------------------------------------------------------------------------------


def _days(said: str, today: date) -> tuple[list[date], str, bool, bool]:
    """(days, the text without them, whether they are not wanted, whether something past was named)."""
    lists = words("when")
    past = _has(said, lists["past"])
    named: list[tuple[list[date], bool]] = []
    rest = said
    for found, days in _named(said, today):
        behind = said[: found.start()].split()[-3:]
        negated = any(_has(word, lists["not"]) for word in behind)
        days = [day for day in days if today <= day <= today + FARTHEST]
        past = past or not days
        if days:
            named.append((days, negated))
        rest = rest[: found.start()] + " " * (found.end() - found.start()) + rest[found.end() :]
    wanted = [day for days, negated in named if not negated for day in days]
    unwanted = [day for days, negated in named if negated for day in days]
    if wanted:
        # "Tuesday, not Thursday".
        return wanted, rest, False, past
    if unwanted:
        return unwanted, rest, True, past
    negated = _has(said, lists["not"]) and bool(_re(_or(lists["not"])).match(said))
    return [], rest, negated, past


def _named(said: str, today: date) -> Iterator[tuple[re.Match[str], list[date]]]:
    """Every place in the text that names days, none overlapping another."""
    taken: list[range] = []

    def free(found: re.Match[str]) -> bool:
        if any(found.start() < span.stop and found.end() > span.start for span in taken):
            return False
        taken.append(range(found.start(), found.end()))
        return True

    for kind in (_dates, _weeks, _ahead, _weekdays, _near_days):
        for found, days in kind(said, today):
            if free(found):
                yield found, days


def _dates(said: str, today: date) -> Iterator[tuple[re.Match[str], list[date]]]:
    lists = words("when")
    edge, end = r"(?<![\w.:/-])", r"(?![\w:/-])"
    for found in _re(rf"{edge}(\d{{4}})-(\d{{1,2}})-(\d{{1,2}}){end}").finditer(said):
        yield found, _valid(int(found[1]), int(found[2]), int(found[3]))
    for found in _re(rf"{edge}(\d{{1,2}})[/](\d{{1,2}}){end}").finditer(said):
        yield found, _coming(int(found[1]), int(found[2]), today)
    for found in _re(rf"{edge}(\d{{1,2}})\.(\d{{1,2}}){end}").finditer(said):
        # "9.10" is a time of the day; only what cannot be one is a date.
        if int(found[1]) > 23 and 1 <= int(found[2]) <= 12:
            yield found, _coming(int(found[1]), int(found[2]), today)
    months = {_plain(name): place for place, names in enumerate(lists["months"], 1) for name in names}
    month, th = _or(months), _or(lists["th"])
    ordinals = {_plain(word): place for place, word in enumerate(lists["ordinals"])}
    day = rf"(?:{_or(lists['the'])} )?(\d{{1,2}}|{_or(ordinals)}) ?{th}?(?: of)?"
    for found in _re(rf"{edge}{day} ({month}){end}").finditer(said):
        yield found, _coming(_number(found[1], ordinals), months[found[2]], today)
    for found in _re(rf"{edge}({month}) (\d{{1,2}}) ?{th}?{end}").finditer(said):
        yield found, _coming(int(found[2]), months[found[1]], today)
    for found in _re(rf"{edge}{_or(lists['the'])} (\d{{1,2}}) ?({th})?{end}").finditer(said):
        # "Den 2" may be a place in a list; "den 24" and "den 3:e" are dates.
        if found[2] or int(found[1]) > 12:
            yield found, _coming(int(found[1]), None, today)
    for found in _re(rf"{edge}{_or(lists['the'])} ({_or(list(ordinals)[5:])}){end}").finditer(said):
        yield found, _coming(ordinals[found[1]], None, today)


def _number(said: str, known: Mapping[str, int]) -> int:
    return int(said) if said.isdigit() else known.get(said, 0)


def _valid(year: int, month: int, day: int) -> list[date]:
    try:
        return [date(year, month, day)]
    except ValueError:
        return []


def _coming(day: int, month: int | None, today: date) -> list[date]:
    """The next day of that number, in `month` if one is given."""
    for step in range(14):
        year, index = divmod(today.year * 12 + today.month - 1 + step, 12)
        if month in (None, index + 1):
            found = _valid(year, index + 1, day)
            if found and found[0] >= today:
                return found
    return []


def _weeks(said: str, today: date) -> Iterator[tuple[re.Match[str], list[date]]]:
    lists = words("when")
    monday = today - timedelta(days=today.weekday())

    def span(start: date, length: int) -> list[date]:
        return [day for day in (start + timedelta(days=n) for n in range(length)) if day >= today]

    # A weekday of the next week, in either order.
    weekday = [_or(forms) for forms in lists["weekdays"]]
    following = _or(lists["next_before"])
    for place, forms in enumerate(weekday):
        day = [monday + timedelta(days=7 + place)]
        either = rf"(?<!\w)(?:{forms} (?:i |in )?{_or(lists['weeks']['next'])}|{following} {forms})(?!\w)"
        for found in _re(either).finditer(said):
            yield found, day
    for found in _pattern(lists["weeks"]["next"]).finditer(said):
        yield found, span(monday + timedelta(days=7), 7)
    for found in _pattern(lists["weekend"]["next"]).finditer(said):
        yield found, span(monday + timedelta(days=12), 2)
    for found in _pattern(lists["weekend"]["this"]).finditer(said):
        yield found, span(monday + timedelta(days=5), 2)
    for found in _pattern(lists["weeks"]["this"]).finditer(said):
        if not any(_has(said, forms) for forms in lists["weekdays"]):
            yield found, span(today, 7 - today.weekday())
    for found in _pattern(lists["next_month"]).finditer(said):
        first = (today.replace(day=1) + timedelta(days=32)).replace(day=1)
        yield found, span(first, 28)


def _ahead(said: str, today: date) -> Iterator[tuple[re.Match[str], list[date]]]:
    lists = words("when")
    numbers = _numbers()
    for unit, length in (("day", 1), ("week", 7)):
        pattern = rf"(?<!\w){_or(lists['ahead'])} (?:a )?(\d{{1,2}}|{_or(numbers)}|a) {_or(lists['units'][unit])}(?!\w)"
        for found in _re(pattern).finditer(said):
            yield found, [today + timedelta(days=length * (_number(found[1], numbers) or 1))]


def _weekdays(said: str, today: date) -> Iterator[tuple[re.Match[str], list[date]]]:
    lists = words("when")
    for place, forms in enumerate(lists["weekdays"]):
        alone = lists["alone"]["weekdays"].get(place, [])
        coming = [today + timedelta(days=(place - today.weekday()) % 7 or 7)]
        for found in _pattern(forms).finditer(said):
            yield found, coming
        if alone and (found := _pattern(alone).fullmatch(said)):
            yield found, coming
    for found in _re(r"[a-z]{5,}").finditer(said):
        near = [place for place, forms in enumerate(lists["weekdays"]) if _one_off(found[0], _plain(forms[0]))]
        if len(near) == 1:
            yield found, [today + timedelta(days=(near[0] - today.weekday()) % 7 or 7)]


def _near_days(said: str, today: date) -> Iterator[tuple[re.Match[str], list[date]]]:
    lists = words("when")
    for ahead in sorted(lists["days"], reverse=True):
        for found in _pattern(lists["days"][ahead]).finditer(said):
            yield found, [today + timedelta(days=ahead)]
        for alone in lists["alone"]["days"].get(ahead, []):
            if found := _pattern([alone]).fullmatch(said):
                yield found, [today + timedelta(days=ahead)]
    for phrases in (lists["evening_today"], *lists["day_and_part"].values()):
        for found in _pattern(phrases).finditer(said):
            yield found, [today]
    tomorrow = _plain(lists["days"][1][0])
    for found in _re(r"[a-z]{5,}").finditer(said):
        if _one_off(found[0], tomorrow):
            yield found, [today + timedelta(days=1)]


def _one_off(word: str, right: str) -> bool:
    """Whether one letter is missing, wrong, too many, or two neighbours have changed places."""
    if abs(len(word) - len(right)) > 1 or word == right:
        return False
    start = 0
    while start < min(len(word), len(right)) and word[start] == right[start]:
        start += 1
    left, wanted = word[start:], right[start:]
    return (
        left[1:] == wanted[1:]
        or left[1:] == wanted
        or left == wanted[1:]
        or (len(left) >= 2 and len(wanted) >= 2 and left[:2] == wanted[1::-1] and left[2:] == wanted[2:])
    )


# --- Hours -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Hours:
    after: time | None
    before: time | None
    clock: bool


@cache
def _numbers() -> dict[str, int]:
    return {_plain(word): number for number, said in words("when")["numbers"].items() for word in said}


def _part(name: str) -> _Hours:
    part = next(part for part in words("when")["parts"] if part["name"] == name)
    return _Hours(_wall(part["from"]), _wall(part["until"]), False)


def _wall(clock: str | None) -> time | None:
    return time.fromisoformat(clock) if clock else None


def _hours(said: str) -> _Hours | None:
    """The hours that a text (without its days) names."""
    lists = words("when")
    parts = [part["name"] for part in lists["parts"] if _has(said, part["said"])]
    late = bool({"evening", "afternoon", "after_work", "after_school"} & set(parts))
    early = not late and "forenoon" in parts
    digits = _re(r"(?<![\w.:/-])(\d{1,2})(?:[.:](\d{2}))?-(\d{1,2})(?:[.:](\d{2}))?(?![\w:/-])").search(said)
    if digits:
        first, second = (int(digits[at]) * 60 + int(digits[at + 1] or 0) for at in (1, 3))
        if first < second < 24 * 60 and second - first <= 12 * 60:
            return _Hours(_of_day(first), _of_day(second), True)
    span = rf"(?<!\w){_or(lists['between'])} (.{{1,25}}?) {_or(lists['and'])} (.{{1,25}})$"
    between = _re(span).search(said)
    if between:
        first, second = _clock(between[1], late, early, True), _clock(between[2], late, early, True)
        if first and second and first[0] < second[0]:
            return _Hours(first[0], second[0], True)
    for names, is_from in (("from_clock", True), ("until_clock", False)):
        for found in _pattern(lists[names]).finditer(said):
            clock = _clock(said[found.end() :].strip(), late, early, True, at_start=True)
            if clock:
                return _Hours(clock[0], None, True) if is_from else _Hours(None, clock[0], True)
    clock = _clock(said, late, early, False)
    if clock:
        at, exact = clock
        minutes = at.hour * 60 + at.minute + (1 if exact else 60)
        return _Hours(at, time(minutes // 60, minutes % 60) if minutes < 24 * 60 else None, True)
    return _part(parts[0]) if parts else None


def _of_day(minutes: int) -> time:
    return time(minutes // 60 % 24, minutes % 60)


def _clock(said: str, late: bool, early: bool, bare: bool, *, at_start: bool = False) -> tuple[time, bool] | None:
    """(time, whether to the minute) of the first time on the clock in a text.

    `bare`: a number alone is one. `at_start`: only at the beginning.
    """
    for hour, minute, exact, written_out in _clocks(said, bare, at_start):
        if not (0 <= hour <= 24 and 0 <= minute < 60):
            continue
        on_the_dial = not written_out and 0 < hour <= 12
        if on_the_dial and ((late and hour < 12) or (not early and hour < _NOON_BEFORE)):
            hour += 12
        total = (hour * 60 + minute) % (24 * 60)
        return time(total // 60, total % 60), exact
    return None


def _clocks(said: str, bare: bool, at_start: bool) -> Iterator[tuple[int, int, bool, bool]]:
    """(hour, minute, to the minute, the hour is the day's and not the dial's)."""
    lists = words("when")
    numbers = _numbers()
    number = rf"(\d{{1,2}}|{_or(numbers)})"
    ends, starts = r"(?![\w:/-])(?!\.\d)", r"(?<![\w.:/-])"
    minutes = {_plain(word): count for count, known in lists["minutes"].items() for word in known}

    def search(pattern: str) -> re.Match[str] | None:
        return _re(pattern).match(said) if at_start else _re(pattern).search(said)

    def find(pattern: str) -> re.Match[str] | None:
        return search(rf"{starts}(?:{_or(lists['clock_before'])} )*{pattern}")

    pm, am = _or(lists["pm"]), _or(lists["am"])
    if found := find(rf"(\d{{1,2}})(?:[.:](\d{{2}}))? ?({pm}|{am}){ends}"):
        hour = int(found[1]) % 12 + (12 if _re(pm).fullmatch(found[3]) else 0)
        yield hour, int(found[2] or 0), found[2] is not None, True
    if found := find(rf"(\d{{1,2}})[.:](\d{{2}}){ends}"):
        yield int(found[1]), int(found[2]), True, found[1].startswith("0") or int(found[1]) > 12
    half, over, to = _or(lists["half_to"]), _or(lists["past_hour"]), _or(lists["to_hour"])
    count = rf"({_or(minutes)}|\d{{1,2}})(?: min(?:uter|utes)?)?"
    if found := find(rf"{count} ({over}|{to}) {half} {number}{ends}"):
        step = _number(found[1], minutes) * (1 if _re(over).fullmatch(found[2]) else -1)
        yield *_moved(_number(found[3], numbers), step - 30), True, False
    if found := find(rf"{half} {number}{ends}"):
        yield *_moved(_number(found[1], numbers), -30), True, False
    if found := find(rf"{count} ({over}|{to}) {number}{ends}"):
        step = _number(found[1], minutes) * (1 if _re(over).fullmatch(found[2]) else -1)
        yield *_moved(_number(found[3], numbers), step), True, False
    at = _or(lists["clock_before"])
    if found := search(rf"{starts}{at} (?:{at} )*(\d{{2}})(\d{{2}}){ends}"):
        yield int(found[1]), int(found[2]), True, True
    if found := search(rf"{starts}(?:{at} )+{number}(?: ?{_or(lists['oclock'])})?{ends}"):
        yield _number(found[1], numbers), 0, False, False
    if found := find(rf"{number} ?{_or(lists['oclock'])}{ends}"):
        yield _number(found[1], numbers), 0, False, False
    if found := find(rf"{number} (?:pa|in|i) (?:the )?{_or(_part_words())}{ends}"):
        yield _number(found[1], numbers), 0, False, False
    left = _pattern(lists["plain_with"]).sub(" ", said).strip()
    if found := (bare and _re(rf"{number}{ends}").match(said)) or _re(number).fullmatch(left):
        yield _number(found[1], numbers), 0, False, False
    elif found := _re(r"([01]\d|2[0-3])([0-5]\d)").fullmatch(left):
        yield int(found[1]), int(found[2]), True, True


@cache
def _part_words() -> tuple[str, ...]:
    return tuple(said for part in words("when")["parts"] for said in part["said"])


def _moved(hour: int, minutes: int) -> tuple[int, int]:
    total = (hour * 60 + minutes) % (24 * 60)
    return total // 60, total % 60


def ready() -> None:
    """Compile every pattern, so that the first person does not wait for it."""
    wish("x", datetime.now(UTC), UTC)
