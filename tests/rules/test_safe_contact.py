"""Promise: nobody is asked what the talk does not need, and nothing reaches a device that nobody has asked for."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.booking.safe import (
    CHOICES,
    CONTACTS,
    NEEDED,
    TEXTS,
    Situation,
    next_question,
    options,
    questions,
    reminder_wanted,
)
from backend.core.reader import READERS, Reader

WAYS = ("sms", "mail")
CHILD = Reader("child", "13-17")


def test_a_chat_needs_no_answer() -> None:
    """Nor a video talk: nothing rings and nothing is sent."""
    for channel, who in itertools.product(("chat", "video"), (None, *READERS)):
        assert [] == questions(Situation(channel, Reader.of(who)), {})


def test_a_call_is_asked_about_one_thing_at_a_time() -> None:
    """Whether it is safe comes right after the number; what to say to others only if others may answer."""
    call = Situation("phone", CHILD)
    assert ["phone", "call_ok", "others_answer", "if_other_answers", "leave_message", "if_missed", "not_told"] == (
        questions(call, {})
    )
    assert "if_other_answers" not in questions(call, {"others_answer": "no"})
    assert ["phone", "call_ok"] == questions(call, {"call_ok": "no"})
    assert "they_know" in questions(Situation("phone", Reader("partner", "adult")), {})
    assert "they_know" not in questions(call, {})


@pytest.mark.parametrize("band", ["6-9", "10-12", None])
def test_no_child_who_may_be_under_thirteen_is_offered_a_reminder(band: str | None) -> None:
    """Their phones are seen by others, and no message is the default."""
    for channel in ("chat", "phone", "video"):
        assert "reminder" not in questions(Situation(channel, Reader("child", band), WAYS), {"reminder": "sms"})  # type: ignore[arg-type]


def test_a_reminder_is_only_for_who_says_yes_and_means_it() -> None:
    """Not sending is the first choice; 'not safe' takes the wish back; nobody is asked for a number we have."""
    chat = Situation("chat", CHILD, WAYS)
    assert "no" == options("reminder", WAYS)[0]
    assert ("no", "mail") == options("reminder", ("mail",))
    assert ["reminder"] == questions(chat, {})
    assert ["reminder", "sms_ok", "remind_phone"] == questions(chat, {"reminder": "sms"})
    assert ["reminder", "sms_ok"] == questions(Situation("phone", CHILD, WAYS), {"reminder": "sms", "call_ok": "yes"})[
        -2:
    ]
    assert ["reminder", "mail_ok", "remind_mail"] == questions(chat, {"reminder": "mail"})
    assert ["reminder", "mail_ok"] == questions(chat, {"reminder": "mail", "mail_ok": "no"})
    assert None is reminder_wanted({"reminder": "sms", "sms_ok": "no"})
    assert None is reminder_wanted({})
    assert "sms" == reminder_wanted({"reminder": "sms", "sms_ok": "unsure"})


@given(
    channel=st.sampled_from(["chat", "phone", "video"]),
    who=st.sampled_from([None, *READERS]),
    ways=st.sets(st.sampled_from(WAYS)),
    answers=st.lists(st.integers(0, 3), min_size=20, max_size=20),
)
def test_every_way_of_answering_comes_to_an_end(
    channel: str, who: str | None, ways: set[str], answers: list[int]
) -> None:
    """Each question once, none without an end, and only known ones; passing over everything that may be passed over too."""
    situation = Situation(channel, Reader.of(who), tuple(sorted(ways)))
    given_: dict[str, str] = {}
    asked: list[str] = []
    while (question := next_question(situation, given_, asked)) is not None:
        assert question not in asked
        assert question in {*CHOICES, *TEXTS, *CONTACTS}
        asked.append(question)
        choice = answers[len(asked)]
        known = options(question, ways)
        if question in NEEDED or choice:
            given_[question] = known[choice % len(known)] if known else "x"
        assert len(asked) < 15
