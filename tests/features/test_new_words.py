"""Promise: an editor adds a word to the word list, and visitors have it on tap once all of it is published, without a
restart; no form is explained twice, and two editors who add the same word at once get one word."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Mapping
from dataclasses import replace
from typing import Any, TypeVar

import pytest

from backend.config import ROOT
from backend.core.errors import Conflict, InvalidField, NotFound
from backend.core.house import House
from backend.core.people import Role, StaffMember
from backend.core.reader import Reader
from backend.core.wording import Place
from backend.editing.service import Edit, EditingDesk, NewWord
from backend.editing.tables import TextVersion
from backend.journey.glossary import load_glossaries
from tests.therapists import add_staff, count

T = TypeVar("T")
WORD = NewWord(
    "sv",
    "fritidsledare, fritidsledaren, fritidsledarna",
    "En vuxen som barn kan hitta på saker med.",
    "En person som ordnar saker för barn på deras fritid.",
    "Kommunens fritidsgårdar",
    "Eva",
)
KEY = "word.fritidsledare"
TEXT = "Du kan prata med en fritidsledare. Fritidsledaren lyssnar."
OLD = "Ett beslut."
"""With a word of the file."""
PARTS = ("forms", "10-12", "adult")


def run(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(work)


@pytest.fixture
def lists(house: House) -> Mapping[str, Any]:
    return load_glossaries(ROOT / "content", house.wording)


@pytest.fixture
def desk(house: House, lists: Mapping[str, Any]) -> EditingDesk:
    def texts() -> Any:
        return [text for lang, glossary in lists.items() for text in glossary.texts(lang)]

    return EditingDesk(house, (texts,), (), lambda: {lang: glossary.forms() for lang, glossary in lists.items()})


@pytest.fixture
def eva(house: House) -> StaffMember:
    return add_staff(house, "eva", role=Role.EDITOR, unit="familjer")


def marked(lists: Mapping[str, Any], text: str, reader: Reader | None = None) -> dict[str, str]:
    """The words on tap in a text, with what they are explained as."""
    return {word: entry.explain(reader or Reader()) for word, entry in lists["sv"].mark(text) if entry is not None}


def publish(desk: EditingDesk, staff: StaffMember, key: str, *parts: str) -> None:
    for part in parts:
        draft = next(one for one in run(desk.open(staff, key, "sv")).variants if one.name == part).draft
        assert draft is not None
        run(desk.publish(staff, draft.id))


def test_from_nothing_to_a_word_on_tap(desk: EditingDesk, eva: StaffMember, lists: Mapping[str, Any]) -> None:
    """A draft, and two parts of three, are seen by nobody. Taken back, the word is gone at once."""
    assert KEY == run(desk.add_word(eva, WORD))
    assert {} == marked(lists, TEXT)
    publish(desk, eva, KEY, "forms", "10-12")
    assert {} == marked(lists, TEXT)
    publish(desk, eva, KEY, "adult")
    assert {"fritidsledare": WORD.child} == marked(lists, TEXT)
    assert {"fritidsledare": WORD.adult} == marked(lists, TEXT, Reader("adult", "adult"))
    assert "fritidsledarna" in lists["sv"].explained() and "beslut" in marked(lists, OLD)
    forms = next(one for one in run(desk.open(eva, KEY, "sv")).history if one.variant == "forms")
    run(desk.discard(eva, forms.id))
    assert {} == marked(lists, TEXT) and "beslut" in marked(lists, OLD)


def test_it_is_in_the_list_and_changed_like_any_text(
    desk: EditingDesk, eva: StaffMember, lists: Mapping[str, Any]
) -> None:
    """Found by its words; a newer explanation is a version of its own, and a stale form is refused."""
    run(desk.add_word(eva, WORD))
    (row,) = run(desk.listing(eva, "fritidsledarna", "word")).rows
    assert (KEY, "draft", WORD.forms) == (row.key, row.state, row.sample)
    publish(desk, eva, KEY, *PARTS)
    (row,) = run(desk.listing(eva, KEY)).rows
    assert ("published", False) == (row.state, row.stale)
    newer = Edit("En snäll vuxen på gården.", 1, "", "")
    run(desk.save(eva, Place(KEY, "sv", "10-12"), newer))
    with pytest.raises(Conflict):
        run(desk.save(eva, Place(KEY, "sv", "10-12"), newer))
    publish(desk, eva, KEY, "10-12")
    assert {"fritidsledare": newer.text} == marked(lists, TEXT)


def test_it_is_there_after_a_restart(
    desk: EditingDesk, house: House, eva: StaffMember, lists: Mapping[str, Any]
) -> None:
    """Another desk finds it in the database."""
    run(desk.add_word(eva, WORD))
    publish(desk, eva, KEY, *PARTS)
    house.wording.publish([])
    assert {} == marked(lists, TEXT)
    run(EditingDesk(house, (), ()).reload())
    assert "fritidsledare" in marked(lists, TEXT)


def test_a_hard_explanation_is_kept_and_not_published(desk: EditingDesk, eva: StaffMember) -> None:
    """Measured for its reader like every other."""
    hard = "Skolans elevhälsoteam tillhandahåller psykosociala stödinsatser genom legitimerade yrkesutövare."
    run(desk.add_word(eva, replace(WORD, child=hard)))
    with pytest.raises(InvalidField) as told:
        publish(desk, eva, KEY, "10-12")
    assert "unfit" == told.value.code


@pytest.mark.parametrize(
    ("word", "code", "field"),
    [
        (replace(WORD, forms=" , "), "empty", "forms"),
        (replace(WORD, child="  "), "empty", "child"),
        (replace(WORD, adult=""), "empty", "adult"),
        (replace(WORD, adult="x" * 5000), "too_long", "adult"),
        (replace(WORD, forms="fritidsledare, <b>"), "form_strange", "forms"),
        (replace(WORD, forms="fritidsledare, Fritidsledare"), "form_twice", "forms"),
        (replace(WORD, forms="avgörande, Beslutet"), "form_taken", "forms"),
    ],
)
def test_what_is_no_new_word_is_told_by_its_field(
    desk: EditingDesk, house: House, eva: StaffMember, word: NewWord, code: str, field: str
) -> None:
    """Nothing is kept of it."""
    with pytest.raises(InvalidField) as told:
        run(desk.add_word(eva, word))
    assert (code, field) == (told.value.code, told.value.extra["field"])
    assert 0 == count(house, TextVersion)


def test_a_form_of_an_added_word_is_taken_too(desk: EditingDesk, eva: StaffMember) -> None:
    """Also when the forms of one that exists are changed."""
    run(desk.add_word(eva, WORD))
    publish(desk, eva, KEY, *PARTS)
    with pytest.raises(InvalidField) as told:
        run(desk.add_word(eva, replace(WORD, forms="ledare, fritidsledare")))
    assert "form_taken" == told.value.code
    run(desk.save(eva, Place(KEY, "sv", "forms"), Edit("fritidsledare, beslutet", 1, "", "")))
    with pytest.raises(InvalidField):
        publish(desk, eva, KEY, "forms")


def test_only_an_editor_adds_and_only_where_there_is_a_word_list(
    desk: EditingDesk, house: House, eva: StaffMember
) -> None:
    """For everybody else the page does not exist; nor does a list in a language without one."""
    other = add_staff(house, "other", role=Role.MANAGER, unit="familjer")
    for staff, word in ((other, WORD), (eva, replace(WORD, lang="fi"))):
        with pytest.raises(NotFound):
            run(desk.add_word(staff, word))


def test_a_word_that_was_taken_back_can_be_added_again(desk: EditingDesk, eva: StaffMember) -> None:
    """Its history stays."""
    run(desk.add_word(eva, WORD))
    for version in run(desk.open(eva, KEY, "sv")).history:
        run(desk.discard(eva, version.id))
    with pytest.raises(NotFound):
        run(desk.open(eva, KEY, "sv"))
    run(desk.add_word(eva, WORD))
    assert [2, 2, 2, 1, 1, 1] == [version.number for version in run(desk.open(eva, KEY, "sv")).history]


def test_two_who_add_the_same_word_at_once_get_one(desk: EditingDesk, house: House, eva: StaffMember) -> None:
    """The other is told that it is there."""
    start, outcomes = threading.Barrier(4), list[str]()

    def add() -> None:
        start.wait()
        try:
            outcomes.append(run(desk.add_word(eva, WORD)))
        except InvalidField as told:
            outcomes.append(told.code)

    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [KEY, *["form_taken"] * 3] == sorted(outcomes, reverse=True)
    assert 3 == count(house, TextVersion)
