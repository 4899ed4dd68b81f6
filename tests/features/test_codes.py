"""Promise: a code is long, forgiving to type, stored so that it cannot be read back, and guessing is stopped."""

from __future__ import annotations

import asyncio
import math
from datetime import timedelta

import pytest

from backend.core import codes
from backend.core.codes import CodeBrake
from backend.core.errors import TooMany
from backend.core.house import House
from backend.core.reader import Reader
from backend.core.vault import new_id
from backend.danger.service import DangerWatch
from tests.conftest import ManualClock

DAY = timedelta(days=1)


def test_a_code_has_at_least_64_bits(house: House) -> None:
    """Six words of the list; at ten guesses a second it would take longer than anybody lives."""
    assert math.log2(len(house.codes._words) ** codes.WORDS) >= 64
    made = asyncio.run(house.codes.new())
    assert len(made.words.split()) == 6


def test_a_child_may_type_it_as_they_like(house: House) -> None:
    """Case, commas, line breaks, lost dots and words around it do not matter; the digest is the same."""
    made = asyncio.run(house.codes.new())
    plain = made.words.replace("å", "a").replace("ä", "a").replace("ö", "o").replace("é", "e")
    for typed in (made.words.upper(), made.words.replace(" ", ", "), "hej här: " + plain.replace(" ", "\n")):
        found = house.codes.find(typed)
        assert made.words in found
        assert asyncio.run(house.codes.digest(found[-1])) == made.digest


def test_ordinary_words_are_no_code(house: House) -> None:
    """Five words of the list, or a sentence, do not count."""
    made = asyncio.run(house.codes.new())
    assert house.codes.find(" ".join(made.words.split()[:5])) == ()
    assert house.codes.find("jag vill avboka min tid i morgon tack") == ()


def test_a_code_alone_is_no_cry_for_help_and_one_beside_it_is_heard(house: House) -> None:
    """Six words drawn by lot say nothing, whatever they look like; what somebody writes around them does."""
    watch = DangerWatch(house)
    drawn = "lodjur krita finfin trapphus klänning rostig"
    assert house.codes.is_code(drawn) and house.codes.is_code("LODJUR, krita finfin\ntrapphus klanning rostig")
    assert watch.assess_fields([drawn], Reader()) is None
    for told in (f"{drawn} jag vill dö", f"jag vill dö {drawn}", "jag vill dö"):
        assert not house.codes.is_code(told)
        assert watch.assess_fields([told, drawn], Reader()) is not None


def test_the_words_are_gone_once_saved(house: House, clock: ManualClock) -> None:
    """Until the person says that it is saved the words can be shown again, then never."""
    made = asyncio.run(house.codes.new())
    receipt = new_id()
    house.db.write_now(lambda s: codes.issue(s, house.vault, made, receipt, "booking", "b", clock.now()))
    assert house.db.read_now(lambda s: codes.unsaved_words(s, house.vault, receipt)) == made.words
    assert house.db.read_now(lambda s: codes.lookup(s, made.digest, clock.now() - DAY).subject) == "b"
    house.db.write_now(lambda s: codes.mark_saved(s, receipt))
    assert house.db.read_now(lambda s: codes.unsaved_words(s, house.vault, receipt)) is None
    assert house.db.read_now(lambda s: codes.lookup(s, made.digest, clock.now() - DAY)) is not None


def test_words_that_nobody_saved_are_forgotten_after_an_hour(house: House, clock: ManualClock) -> None:
    """A closed browser leaves no readable code behind for long."""
    made = asyncio.run(house.codes.new())
    house.db.write_now(lambda s: codes.issue(s, house.vault, made, "r", "booking", "b", clock.now()))
    clock.forward(hours=1, seconds=1)
    house.db.write_now(lambda s: codes.forget(s, clock.now(), DAY))
    assert house.db.read_now(lambda s: codes.unsaved_words(s, house.vault, "r")) is None
    assert house.db.read_now(lambda s: codes.lookup(s, made.digest, clock.now() - DAY)) is not None


def test_an_old_code_opens_nothing(house: House, clock: ManualClock) -> None:
    """Past the municipality's time a code is as if it had never been, before and after the cleaning."""
    made = asyncio.run(house.codes.new())
    house.db.write_now(lambda s: codes.issue(s, house.vault, made, "r", "booking", "b", clock.now()))
    clock.forward(days=2)
    assert house.db.read_now(lambda s: codes.lookup(s, made.digest, clock.now() - DAY)) is None
    house.db.write_now(lambda s: codes.forget(s, clock.now(), DAY))
    assert house.db.read_now(lambda s: s.get(codes.ReturnCode, "r")) is None


def test_the_sixth_guess_is_stopped() -> None:
    """Five misses a quarter of an hour; other sources are not punished."""
    brake = CodeBrake()
    for _ in range(5):
        brake.check("a")
        brake.missed("a")
    with pytest.raises(TooMany):
        brake.check("a")
    brake.check("b")


def test_a_broken_brake_stops_everybody(monkeypatch: pytest.MonkeyPatch) -> None:
    """If counting fails, guessing is closed, not open."""
    brake = CodeBrake()
    monkeypatch.setattr(brake, "_limiter", None)
    with pytest.raises(TooMany):
        brake.check("a")


def test_a_new_chat_is_no_new_start_for_a_guesser() -> None:
    """Anybody can begin another chat: thirty misses from one address, and nobody there may guess; others may."""
    brake = CodeBrake()
    for chat in range(30):
        brake.missed(f"chat-{chat}", "a")
    with pytest.raises(TooMany):
        brake.check("chat-31", "a")
    brake.check("chat-31", "b")
