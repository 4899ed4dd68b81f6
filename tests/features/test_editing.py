"""Promise: an editor's text is served the moment it is published, never a half-finished or harmful one, and nothing is lost."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from datetime import date
from typing import Any, TypeVar

import pytest

from backend.core.errors import Conflict, InvalidField, NotFound
from backend.core.house import House
from backend.core.people import Role, StaffMember
from backend.core.reader import Reader
from backend.core.wording import Place
from backend.editing.service import Edit, EditingDesk
from backend.editing.tables import TextVersion
from tests.conftest import ManualClock
from tests.therapists import add_staff, count

T = TypeVar("T")
KEY, LANG = "serious.text", "sv"
DEFAULT = Place(KEY, LANG, "default")
NEW = "Tack för att du berättar. Det är viktigt. Du kan få prata med en vuxen i dag."


def run(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(work)


@pytest.fixture
def desk(house: House) -> EditingDesk:
    return EditingDesk(house, (house.phrases.texts,), ())


@pytest.fixture
def eva(house: House) -> StaffMember:
    return add_staff(house, "eva", role=Role.EDITOR, unit="familjer")


def edit(text: str, base: int = 0, **more: Any) -> Edit:
    return Edit(text, base, "SoL 3:3", "Eva", **more)


def said(house: House, band: str) -> str:
    return house.phrases.say(KEY, Reader(band=band))  # type: ignore[arg-type]


def draft_of(desk: EditingDesk, staff: StaffMember, variant: str) -> Any:
    opened = run(desk.open(staff, KEY, LANG))
    return next(one for one in opened.variants if one.name == variant).draft


def published(desk: EditingDesk, staff: StaffMember, text: str = NEW, base: int = 0, **more: Any) -> str:
    """Write and publish; the version's id."""
    run(desk.save(staff, DEFAULT, edit(text, base, **more)))
    version = draft_of(desk, staff, "default")
    run(desk.publish(staff, version.id))
    return str(version.id)


def test_only_an_editor_may_know_of_it(house: House, desk: EditingDesk) -> None:
    """For everybody else the pages do not exist."""
    for role in Role:
        if role is Role.EDITOR:
            continue
        other = add_staff(house, f"x{role.value}".replace("_", ""), role=role, unit="familjer")
        assert not desk.open_to(other)
        with pytest.raises(NotFound):
            run(desk.listing(other))
        with pytest.raises(NotFound):
            run(desk.save(other, DEFAULT, edit(NEW)))
    assert 0 == count(house, TextVersion)


def test_a_draft_is_seen_by_nobody_and_a_published_text_by_everybody(
    house: House, desk: EditingDesk, eva: StaffMember
) -> None:
    """The same object that pages ask says the new text at once; other bands keep theirs."""
    before, adult = said(house, "10-12"), said(house, "adult")
    run(desk.save(eva, DEFAULT, edit(NEW)))
    assert before == said(house, "10-12")
    run(desk.publish(eva, draft_of(desk, eva, "default").id))
    assert NEW == said(house, "10-12")
    assert adult == said(house, "adult")


def test_a_new_start_serves_what_was_published(house: House, desk: EditingDesk, eva: StaffMember) -> None:
    """The database remembers; the files are only the ground."""
    published(desk, eva)
    house.wording.publish([])
    assert NEW != said(house, "10-12")
    run(EditingDesk(house, (house.phrases.texts,), ()).reload())
    assert NEW == said(house, "10-12")


def test_taking_back_lets_the_text_before_it_count_again(house: House, desk: EditingDesk, eva: StaffMember) -> None:
    """First the earlier version, then the file's."""
    original = said(house, "10-12")
    first = published(desk, eva)
    second = published(desk, eva, "Tack. Du kan få prata med en vuxen som är van att lyssna.", base=1)
    run(desk.discard(eva, second))
    assert NEW == said(house, "10-12")
    run(desk.discard(eva, first))
    assert original == said(house, "10-12")
    with pytest.raises(Conflict):
        run(desk.discard(eva, first))


def test_a_text_begins_and_ends_by_its_dates(
    house: House, desk: EditingDesk, eva: StaffMember, clock: ManualClock
) -> None:
    """A law that comes into force on New Year's Day is told from that day on, and a text of the past no longer."""
    original = said(house, "10-12")
    published(desk, eva, valid_from=date(2027, 1, 1), valid_to=date(2027, 2, 1))
    assert original == said(house, "10-12")
    clock.at = clock.at.replace(year=2027, month=1, day=1)
    run(desk.reload())
    assert NEW == said(house, "10-12")
    clock.at = clock.at.replace(month=2, day=1)
    run(desk.reload())
    assert original == said(house, "10-12")


def test_two_editors_at_once_cannot_overwrite_each_other(house: House, desk: EditingDesk, eva: StaffMember) -> None:
    """The second is told, whether the first is done already or saves in the same moment."""
    run(desk.save(eva, DEFAULT, edit(NEW)))
    with pytest.raises(Conflict):
        run(desk.save(eva, DEFAULT, edit("En annan text.")))
    outcomes: list[str] = []
    start = threading.Barrier(4)

    def one(text: str) -> None:
        start.wait()
        try:
            run(desk.save(eva, DEFAULT, edit(text, base=1)))
            outcomes.append("saved")
        except Conflict:
            outcomes.append("conflict")

    threads = [threading.Thread(target=one, args=(f"Text {number}.",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ["conflict", "conflict", "conflict", "saved"] == sorted(outcomes)
    assert 2 == count(house, TextVersion)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("Det kommer att bli bra.", "never"),
        ("Hej <b>du</b>.", "html"),
        ("Hej {namn}.", "place_strange"),
        ("Hej {.", "place_strange"),
        ("Socialsekreteraren återkommer beträffande handläggningen av ansökningsförfarandet " * 3 + ".", "hard_lix"),
    ],
)
def test_a_text_that_fails_stays_a_draft(
    house: House, desk: EditingDesk, eva: StaffMember, text: str, problem: str
) -> None:
    """It is kept for its writer, with the reason, and what was served before goes on being served."""
    before = said(house, "10-12")
    run(desk.save(eva, DEFAULT, edit(text)))
    version = draft_of(desk, eva, "default")
    assert text.strip() == version.text
    assert problem in [name for name, _ in desk.check(KEY, LANG, "default", text).problems]
    with pytest.raises(InvalidField) as refused:
        run(desk.publish(eva, version.id))
    assert "unfit" == refused.value.code
    assert before == said(house, "10-12")


def test_what_is_filled_in_must_stay(desk: EditingDesk) -> None:
    """A booking's confirmation without its time would say nothing."""
    problems = desk.check("common.time", "sv", "default", "Klockan").problems
    assert ("place_missing", "{day}, {hour}, {minute}") in problems


@pytest.mark.parametrize(
    ("place", "given", "error"),
    [
        (Place("no.such.key", "sv", "default"), edit("x"), NotFound),
        (Place(KEY, "sv", "17-99"), edit("x"), NotFound),
        (DEFAULT, edit("  \n "), InvalidField),
        (DEFAULT, edit("x" * 5_000), InvalidField),
        (DEFAULT, edit("x", valid_from=date(2027, 1, 2), valid_to=date(2027, 1, 1)), InvalidField),
    ],
)
def test_nonsense_is_refused(
    house: House, desk: EditingDesk, eva: StaffMember, place: Place, given: Edit, error: type[Exception]
) -> None:
    """Nothing is stored."""
    with pytest.raises(error):
        run(desk.save(eva, place, given))
    assert 0 == count(house, TextVersion)


def test_a_text_that_was_read_is_no_longer_stale(
    house: House, desk: EditingDesk, eva: StaffMember, clock: ManualClock
) -> None:
    """Old ones are listed until somebody says that they still hold, and are old again after a year."""
    clock.forward(days=366)
    assert KEY in [row.key for row in run(desk.listing(eva, KEY, "stale")).rows]
    run(desk.reviewed(eva, KEY, "sv"))
    assert [] == [row for row in run(desk.listing(eva, KEY, "stale")).rows if row.lang == "sv" and row.key == KEY]
    clock.forward(days=366)
    assert KEY in [row.key for row in run(desk.listing(eva, KEY, "stale")).rows]


def test_texts_are_found_by_their_words(desk: EditingDesk, eva: StaffMember) -> None:
    """An editor remembers a sentence, not a key."""
    assert "emergency.text" in [row.key for row in run(desk.listing(eva, "gå till en granne")).rows]
    assert [] == run(desk.listing(eva, "finns ingenstans i någon text")).rows
