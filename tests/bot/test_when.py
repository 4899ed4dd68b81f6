"""Promises of what is read about when: by people's own spelling, never in the past, never an exception."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from actions_env import when, words
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

STOCKHOLM = ZoneInfo("Europe/Stockholm")
NOW = datetime(2026, 11, 23, 12, 30, tzinfo=STOCKHOLM)
PHRASES = YAML(typ="safe").load((Path(__file__).parent / "when_phrases.yml").read_text("utf-8"))


def read(text: str, now: datetime = NOW) -> when.Wish:
    return when.wish(text, now, STOCKHOLM)


def told(wish: when.Wish) -> list[Any]:
    day = [str(one) if one else None for one in (wish.first, wish.last)]
    hours = [f"{one:%H:%M}" if one else None for one in (wish.after, wish.before)]
    return [*day, hours[0]] if wish.clock and hours[0] and hours[1] else [*day, *hours]


@pytest.mark.parametrize("phrase", PHRASES, ids=[phrase[0] for phrase in PHRASES])
def test_a_phrase_means_what_people_mean(phrase: list[Any]) -> None:
    """The 139 phrases, and what has nothing to do with time says nothing."""
    text, *expected = phrase
    # "Between one and three" is two times on the clock.
    found = told(read(text))
    assert expected == (found if len(expected) == len(found) else [*found, f"{read(text).before:%H:%M}"])
    assert bool(read(text)) == any(expected)


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("inte fredag utan torsdag", "2026-11-26"),
        ("jag menade tisdag inte torsdag", "2026-11-24"),
        ("fredag nej jag menar onsdag", "2026-11-25"),
        ("i meant friday", "2026-11-27"),
        ("onsdga", "2026-11-25"),
        ("torsdg", "2026-11-26"),
    ],
)
def test_the_day_that_is_meant_is_the_one_that_counts(text: str, days: str) -> None:
    """After a correction, and with one letter wrong."""
    wish = read(text)
    assert (days, days, False) == (str(wish.first), str(wish.last), wish.without)


def test_what_is_not_wanted() -> None:
    """ "Not today" leaves every other day, and asks for times from tomorrow on."""
    wish = read("inte idag")
    assert wish.without and not wish.fits(NOW) and wish.fits(NOW + timedelta(days=1))
    assert {"from": "2026-11-24T00:00:00+01:00"} == wish.query(NOW, STOCKHOLM)


@pytest.mark.parametrize(
    ("text", "order"),
    [
        ("nu", "now"),
        ("så fort som möjligt", "soon"),
        ("asap", "soon"),
        ("senare", "later"),
        ("nåt tidigare", "earlier"),
    ],
)
def test_an_order_without_a_day(text: str, order: str) -> None:
    """As soon as possible, later, earlier."""
    assert order == read(text).order


@pytest.mark.parametrize("text", ["igår", "förra veckan", "2026-11-01", "idag kl 9", "i morse"])
def test_what_has_passed_is_said_to_have_passed(text: str) -> None:
    """It may be a slip; nobody is shown yesterday's times for it."""
    assert read(text).past


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        (
            "imorn efter skolan",
            {
                "from": "2026-11-24T00:00:00+01:00",
                "to": "2026-11-25T00:00:00+01:00",
                "after": "15:00",
                "before": "18:00",
            },
        ),
        ("idag", {"from": "2026-11-23T12:30:00+01:00", "to": "2026-11-24T00:00:00+01:00"}),
        ("kvart över tre", {"after": "15:15", "before": "15:16"}),
        ("kl 9", {"after": "09:00", "before": "10:00"}),
        ("kl 13-15", {"after": "13:00", "before": "15:00"}),
        ("den 29 mars", {"from": "2027-03-29T00:00:00+02:00", "to": "2027-03-30T00:00:00+02:00"}),
        ("banan", {}),
    ],
)
def test_what_is_asked_of_the_backend(text: str, asked: dict[str, str]) -> None:
    """Only what was said, as instants of the municipality's wall clock, summer and winter."""
    assert asked == read(text).query(NOW, STOCKHOLM)


def test_days_are_those_of_the_municipality() -> None:
    """At half past eleven at night in UTC it is already tomorrow in Stockholm."""
    night = datetime(2026, 11, 23, 23, 30, tzinfo=UTC)
    assert "2026-11-24" == str(read("idag", night).first)


PIECES = st.sampled_from(
    [
        *(phrase[0] for phrase in PHRASES),
        *(str(word) for group in words.words("when")["weekdays"] for word in group),
        *(
            "inte",
            "jag menar",
            "utan",
            "den",
            "kl",
            "halv",
            "31",
            "0",
            "99",
            "31/2",
            "24:00",
            "\0",
            "/",
            "-",
            ".",
            "2026-02-30",
        ),
    ]
)
TEXTS = st.one_of(st.text(max_size=80), st.lists(PIECES, max_size=6).map(" ".join))
MOMENTS = st.integers(0, 3_800_000_000).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))


@settings(max_examples=400, deadline=None)
@given(TEXTS, MOMENTS)
def test_any_text_has_an_answer_and_never_a_past_one(text: str, now: datetime) -> None:
    """No exception; days from today on, in order; what is asked for begins no earlier than now."""
    wish = read(text, now)
    today = now.astimezone(STOCKHOLM).date()
    assert (wish.first is None) == (wish.last is None)
    if wish.first is not None and wish.last is not None:
        assert today <= wish.first <= wish.last
    asked = wish.query(now, STOCKHOLM)
    if "from" in asked:
        assert datetime.fromisoformat(asked["from"]) >= now.replace(microsecond=0)
    if "from" in asked and "to" in asked:
        assert datetime.fromisoformat(asked["from"]) < datetime.fromisoformat(asked["to"])
    if "after" in asked and "before" in asked:
        assert asked["after"] < asked["before"]
    wish.fits(now)
