"""What was not understood is kept masked and sealed, for a short time, for those who may say what it meant."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa

from backend.core.audit import AuditEvent
from backend.core.content import ContentError
from backend.core.errors import InvalidField, NotFound
from backend.core.house import House
from backend.core.municipality import load_municipality
from backend.core.people import Role, StaffMember
from backend.core.reader import Reader
from backend.core.vault import SealBroken
from backend.improving.rules import Guess
from backend.improving.service import Learning, Missed
from backend.improving.tables import Misunderstood
from tests.conftest import ManualClock

ASKED = Missed(
    "m1",
    "kan ni fixa så att Göran slutar",
    Reader("child", "13-17"),
    [Guess("booking", 0.31), Guess("map", 0.29), Guess("human", 0.1), Guess("concern", 0.05)],
)
MASKED = "kan ni fixa så att [namn] slutar"


def run(work: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(work)


@pytest.fixture
def learning(house: House) -> Learning:
    return Learning(house)


@pytest.fixture
def karin(house: House) -> StaffMember:
    return hire(house, Role.CASE_WORKER)


def hire(house: House, role: Role, *, active: bool = True) -> StaffMember:
    name = f"{role.value}-{active}"
    member = StaffMember(
        id=name, login=name, first_name=name, role=role.value, unit="mottagning_barn", password_hash="x", mail="",
        created_at=house.clock.now(), active=active,
    )  # fmt: skip
    house.db.write_now(lambda session: session.add(member))
    return member


def note(house: House, learning: Learning, *missed: Missed) -> None:
    for one in missed:
        house.db.write_now(lambda session, one=one: learning.note(session, one))


def rows(house: House) -> list[Misunderstood]:
    return house.db.read_now(lambda session: list(session.scalars(sa.select(Misunderstood))))


def tags(house: House) -> list[tuple[str, str, str]]:
    """Tag, actor and detail of everything written down."""
    query = sa.select(AuditEvent.tag, AuditEvent.actor, AuditEvent.detail).order_by(AuditEvent.id)
    return house.db.read_now(lambda session: [tuple(row) for row in session.execute(query)])  # type: ignore[misc]


def without(house: House) -> House:
    """The same municipality with the loop switched off."""
    return replace(house, municipality=msgspec.structs.replace(house.municipality, improvement=False))


# What is kept.


def test_a_message_is_kept_masked_and_sealed(house: House, learning: Learning, karin: StaffMember) -> None:
    """The list shows it with its three best guesses; in the table it is unreadable and opens in its own place only."""
    note(house, learning, ASKED)
    (row,) = run(learning.list_for(karin, labelled=False)).rows
    assert (MASKED, "sv", "13-17", None, None) == (row.text, row.lang, row.band, row.picked, row.label)
    assert [("booking", 0.31), ("map", 0.29), ("human", 0.1)] == [(g.intent, g.confidence) for g in row.guesses]
    assert house.clock.now() == row.at
    (stored,) = rows(house)
    assert b"fixa" not in stored.text and "chat" not in {column.name for column in Misunderstood.__table__.columns}
    with pytest.raises(SealBroken):
        house.vault.open(stored.data_key, "misunderstood.text:" + "0" * 24, stored.text)


@pytest.mark.parametrize(
    "text",
    ["x" * 301, "مرحبا كيف حالك", "070 174 06 05", "{words}", "min kod är {words}"],
)
def test_what_must_not_be_kept_is_not(house: House, learning: Learning, text: str) -> None:
    """Long texts, what cannot be masked, numbers alone, and five words of a code with the sixth mistyped."""
    code = " ".join(run(house.codes.new()).words.split()[:5]) + " felskrivet"
    note(house, learning, replace(ASKED, text=text.format(words=code)))
    assert [] == rows(house)


def test_a_message_is_kept_once(house: House, learning: Learning) -> None:
    """However often its answer is written."""
    note(house, learning, ASKED, ASKED)
    assert 1 == len(rows(house))


def test_what_was_picked_counts_if_it_was_a_guess(house: House, learning: Learning) -> None:
    """The person's own word on what they meant; another button says nothing about the message."""
    note(house, learning, ASKED)
    for message, intent in (("m2", "map"), ("m1", "rights__stored"), ("m1", "map{}")):
        house.db.write_now(lambda s, m=message, i=intent: learning.picked(s, m, i))  # type: ignore[misc]
    assert [None] == [row.picked for row in rows(house)]
    house.db.write_now(lambda session: learning.picked(session, "m1", "map"))
    assert ["map"] == [row.picked for row in rows(house)]


def test_danger_noticed_later_takes_what_was_kept(house: House, learning: Learning) -> None:
    """Of that chat's messages, and nobody else's."""
    note(house, learning, ASKED, replace(ASKED, message_id="m2"), replace(ASKED, message_id="other"))
    house.db.write_now(lambda session: learning.forget(session, ["m1", "m2", "m3"]))
    assert ["other"] == [row.message_id for row in rows(house)]


def test_rows_go_by_themselves(house: House, learning: Learning, karin: StaffMember, clock: ManualClock) -> None:
    """After as many days as the municipality says, labelled or not, and not before."""
    note(house, learning, ASKED, replace(ASKED, message_id="m2"))
    run(learning.label(karin, rows(house)[0].id, "map"))
    clock.forward(days=30)
    assert 0 == run(learning.purge())
    note(house, learning, replace(ASKED, message_id="m3"))
    clock.forward(seconds=1)
    assert 2 == run(learning.purge())
    assert ["m3"] == [row.message_id for row in rows(house)]


def test_switched_off_keeps_nothing_and_forgets_what_there_was(
    house: House, learning: Learning, karin: StaffMember
) -> None:
    """No new rows, no list, and the old rows go with the next purge."""
    note(house, learning, ASKED)
    off = Learning(without(house))
    note(house, off, replace(ASKED, message_id="m2"))
    assert 1 == len(rows(house))
    assert not off.open_to(karin)
    with pytest.raises(NotFound):
        run(off.list_for(karin, labelled=False))
    assert 1 == run(off.purge())
    assert [] == rows(house)


# Who may do what.


def test_others_are_told_that_it_does_not_exist(house: House, learning: Learning) -> None:
    """A therapist, and a manager who has left: no list, no label, no deletion, no file, no trace in the log."""
    note(house, learning, ASKED)
    (row,) = rows(house)
    for stranger in (hire(house, Role.THERAPIST), hire(house, Role.MANAGER, active=False)):
        assert not learning.open_to(stranger)
        for attempt in (
            lambda who: learning.list_for(who, labelled=False),
            lambda who: learning.label(who, row.id, "map"),
            lambda who: learning.delete(who, row.id),
            lambda who: learning.export(who),
        ):
            with pytest.raises(NotFound):
                run(attempt(stranger))
    assert [None] == [row.label for row in rows(house)]
    assert [] == tags(house)


def test_a_label_is_kept_with_who_and_can_be_changed(house: House, learning: Learning, karin: StaffMember) -> None:
    """It moves to the other list; each time is written down, without a word of the text."""
    note(house, learning, ASKED)
    (row,) = rows(house)
    run(learning.label(karin, row.id, "map"))
    page = run(learning.list_for(karin, labelled=True))
    assert (["map"], 0, 1, False) == ([one.label for one in page.rows], page.unlabelled, page.labelled, page.more)
    assert [] == run(learning.list_for(karin, labelled=False)).rows
    maria = hire(house, Role.MANAGER)
    run(learning.label(maria, row.id, "booking"))
    assert [("booking", maria.id)] == [(row.label, row.labelled_by) for row in rows(house)]
    assert [
        ("staff:misunderstood:labelled", karin.id, "map"),
        ("staff:misunderstood:labelled", maria.id, "booking"),
    ] == tags(house)


def test_what_is_no_intent_is_no_label(house: House, learning: Learning, karin: StaffMember) -> None:
    """Refused and not written down, as is an id that never was."""
    note(house, learning, ASKED)
    (row,) = rows(house)
    for intent in ("", "nlu_fallback", "map\n- intent: x"):
        with pytest.raises(InvalidField):
            run(learning.label(karin, row.id, intent))
    with pytest.raises(NotFound):
        run(learning.label(karin, "0" * 24, "map"))
    with pytest.raises(NotFound):
        run(learning.delete(karin, "0" * 24))
    assert [] == tags(house)


def test_nothing_to_learn_from_is_gone_at_once(house: House, learning: Learning, karin: StaffMember) -> None:
    """Deleted and written down."""
    note(house, learning, ASKED)
    run(learning.delete(karin, rows(house)[0].id))
    assert [] == rows(house)
    assert [("staff:misunderstood:deleted", karin.id, "")] == tags(house)


def test_a_long_list_says_that_there_is_more(house: House, learning: Learning, karin: StaffMember) -> None:
    """The newest hundred, newest first."""
    for number in range(101):
        house.clock.forward(seconds=1)  # type: ignore[attr-defined]
        note(house, learning, replace(ASKED, message_id=f"m{number}"))
    page = run(learning.list_for(karin, labelled=False))
    assert (100, True, 101) == (len(page.rows), page.more, page.unlabelled)
    assert page.rows[0].at == house.clock.now()


def test_the_file_has_all_labelled_and_nothing_else(
    house: House, learning: Learning, karin: StaffMember, clock: ManualClock
) -> None:
    """Written down with how many; the same rows give the same file."""
    texts = {"m1": "kan ni fixa så att Göran slutar", "m2": "hur funkar det sen [x](y)", "m3": "ingen har sagt"}
    note(house, learning, *(replace(ASKED, message_id=key, text=text) for key, text in texts.items()))
    by_message = {row.message_id: row.id for row in rows(house)}
    run(learning.label(karin, by_message["m1"], "support__what_help"))
    clock.forward(seconds=1)
    run(learning.label(karin, by_message["m2"], "map"))
    file = run(learning.export(karin))
    assert file == run(learning.export(karin))
    assert file.endswith(
        'version: "3.1"\nnlu:\n'
        "- intent: map\n  examples: |\n    - hur funkar det sen x y\n"
        "- intent: support__what_help\n  examples: |\n    - kan ni fixa så att NAMN slutar\n"
    )
    assert [("staff:misunderstood:exported", karin.id, "2")] * 2 == tags(house)[2:]


def test_who_labelled_may_leave(house: House, learning: Learning, karin: StaffMember) -> None:
    """A row does not keep a person's account from being removed."""
    note(house, learning, ASKED)
    run(learning.label(karin, rows(house)[0].id, "map"))
    house.db.write_now(lambda s: s.execute(sa.delete(StaffMember).where(StaffMember.id == karin.id)))
    assert [("map", None)] == [(row.label, row.labelled_by) for row in rows(house)]


# The municipality's file.


@pytest.mark.parametrize(
    ("was", "becomes"), [("misunderstood_days: 30", "misunderstood_days: 31"), ("misunderstood_days: 30", "misunderstood_days: 0"), ("improvement: on", "improvement: maybe")]
)  # fmt: skip
def test_a_file_that_breaks_what_people_are_told_stops_the_start(tmp_path: Path, was: str, becomes: str) -> None:
    """The assistant says thirty days at most."""
    with pytest.raises(ContentError):
        load_municipality(_changed(tmp_path, was, becomes), "exempelby")


def test_off_is_off_and_silence_is_off(tmp_path: Path) -> None:
    """Nobody starts to keep messages by updating."""
    assert not load_municipality(_changed(tmp_path, "improvement: on", "improvement: off"), "exempelby").improvement
    assert not load_municipality(_changed(tmp_path, "improvement: on ", "#"), "exempelby").improvement


def _changed(tmp_path: Path, was: str, becomes: str) -> Path:
    original = Path(__file__).resolve().parents[2] / "content" / "municipalities" / "exempelby.yml"
    (tmp_path / "municipalities").mkdir(exist_ok=True)
    text = original.read_text(encoding="utf-8")
    assert was in text
    (tmp_path / "municipalities" / "exempelby.yml").write_text(text.replace(was, becomes), encoding="utf-8")
    return tmp_path
