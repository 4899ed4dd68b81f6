"""Promise: a record past its time is erased whole, with its keys; the log keeps a count; nothing that the law keeps is touched."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from backend.cases.desk import NewPerson
from backend.cases.persons import Record
from backend.cases.retention import RetentionDesk
from backend.cases.rules import Keeping
from backend.cases.service import Opened
from backend.cases.tables import (
    Case,
    CaseEvent,
    CaseMeeting,
    CaseNote,
    CaseQuestion,
    CaseSeat,
    CaseSource,
    CaseTask,
    Family,
    FamilyMember,
    Person,
)
from backend.core import access
from backend.core.access import About, Opening, Tie, Withheld
from backend.core.audit import AuditEvent, Tag
from backend.core.db import Base
from backend.core.errors import Conflict, InvalidField, NotFound
from backend.core.house import House
from backend.core.people import StaffMember
from backend.core.vault import SealBroken
from backend.journey import places
from backend.journey.tables import MapPlace
from tests.cases import Town, key, new_town, run
from tests.conftest import ManualClock

SAID = "Kanariefågeln sjunger när pappa dricker"
WHY = "Olle känner familjen privat."
OF_A_CASE: tuple[type[Base], ...] = (
    Person, Case, CaseNote, CaseQuestion, CaseTask, CaseMeeting, CaseEvent, CaseSeat, CaseSource, FamilyMember, Family,
    Tie, Opening, MapPlace,
)  # fmt: skip


@pytest.fixture
def town(house: House) -> Town:
    return new_town(house)


def count(town: Town, table: type[Base]) -> int:
    query = sa.select(sa.func.count()).select_from(table)
    return town.house.db.read_now(lambda session: session.scalar(query) or 0)


def close(town: Town, case: Opened, by: StaffMember, kept: str = "no") -> None:
    version = run(town.cases.page(by, case.case_id)).version
    run(town.cases.close(by, case.case_id, "finished", version, kept))


def five_years(clock: ManualClock) -> None:
    """To the last moment before the day: 1826 days later, in the evening before."""
    clock.forward(days=1825)


def purge(town: Town) -> int:
    return run(RetentionDesk(town.house).purge())


def filled(town: Town) -> Opened:
    """A child's case with something in every table, in a family with a father who has a case of his own."""
    child = town.child()
    karin, case_id = town.karin, child.case_id
    town.join(case_id, karin, town.anna)
    run(town.cases.note(karin, case_id, key(), SAID))
    run(town.cases.add_task(karin, case_id, key(), "Ring skolan", town.cases.today(), None))
    run(town.cases.ask_person(karin, case_id, key(), "Vet skolan?", "Ja"))
    run(town.cases.happened(karin, case_id, key(), "contact_asked", town.cases.today(), None))
    run(town.cases.met(karin, case_id, key(), town.cases.today(), "office"))
    run(town.people.add_relative(karin, child.person_id, NewPerson("parent", "Per")))
    run(town.people.withhold(karin, case_id, ("person", child.person_id), ("staff", "olle"), WHY))  # type: ignore[arg-type]
    run(town.people.withhold(karin, case_id, ("case", case_id), ("unit", "ekonomi"), WHY))  # type: ignore[arg-type]
    town.house.db.write_now(
        lambda session: places.place(
            session, town.house.clock.now(), karin.id, places.of_person(child.person_id), "S04", None
        )
    )
    return child


def everything_sealed_of(town: Town, child: Opened) -> list[tuple[str, bytes]]:
    def look(session: Any) -> list[tuple[str, bytes]]:
        note = session.scalars(sa.select(CaseNote).where(CaseNote.case_id == child.case_id)).one()
        person = session.get_one(Person, child.person_id)
        return [(f"case_note.body:{note.id}", note.body), (f"person.private:{person.id}", person.private)]

    return town.house.db.read_now(look)


def every_key(town: Town) -> list[bytes]:
    """All data keys that the database has left."""

    def look(session: Any) -> list[bytes]:
        tables = [table for table in Base.metadata.sorted_tables if "data_key" in table.c]
        return [found for table in tables for found in session.scalars(sa.select(table.c.data_key)) if found]

    return town.house.db.read_now(look)


def test_a_record_past_its_time_is_erased_whole_with_its_keys(town: Town, clock: ManualClock) -> None:
    """Nothing on the day before; on the day no row of it is left, and no key that is left opens a copy of its notes."""
    child = filled(town)
    sealed = everything_sealed_of(town, child)
    close(town, child, town.karin)
    five_years(clock)
    assert 0 == purge(town)
    assert 2 == count(town, Person)
    clock.forward(days=1)
    assert 1 == purge(town)
    left = {table.__name__: count(town, table) for table in OF_A_CASE}
    assert {table.__name__: 0 for table in OF_A_CASE} | {"Person": 1} == left
    for place, body in sealed:
        for one in every_key(town):
            with pytest.raises(SealBroken):
                town.house.vault.open(one, place, body)
    assert 0 == purge(town)


def test_the_log_keeps_the_count_alone(town: Town, clock: ManualClock) -> None:
    """Two records in one row: how many, and nobody's id."""
    father, other = town.father(), town.open(town.johan, NewPerson("partner", "Sara"))
    for case in (father, other):
        close(town, case, town.johan)
    clock.forward(days=1826)
    assert 2 == purge(town)
    query = sa.select(AuditEvent.actor, AuditEvent.subject, AuditEvent.detail).where(AuditEvent.tag == Tag.CASES_ERASED)
    rows = town.house.db.read_now(lambda session: [tuple(row) for row in session.execute(query)])
    assert [("system", "retention", "persons=2 cases=2")] == rows


@pytest.mark.parametrize("kept", ["", "yes"])
def test_nothing_goes_without_an_answer_or_against_it(town: Town, clock: ManualClock, kept: str) -> None:
    """Only the year of birth is known here, so nobody but staff can say who belongs to the sample (SoL 16:4)."""
    father = town.father()
    close(town, father, town.johan, kept)
    clock.forward(days=20_000)
    assert 0 == purge(town)
    page = run(town.cases.page(town.vera, father.case_id))
    assert (Keeping.DECIDED if kept else Keeping.UNANSWERED, None) == (page.keeping, page.erased_from)


def test_the_managers_answer_afterwards_counts(town: Town, clock: ManualClock) -> None:
    """A closed case says from which day its record goes, once the record says that it may."""
    father = town.father()
    close(town, father, town.johan, "")
    record = Record("parent", "Per", 1980, "", False, "", "", "", "", "", "no")
    with pytest.raises(InvalidField) as error:
        run(town.people.save(town.vera, father.person_id, replace(record, kept="perhaps"), 1))
    assert "kept" == error.value.extra["field"]
    run(town.people.save(town.vera, father.person_id, record, 1))
    page = run(town.cases.page(town.vera, father.case_id))
    assert (Keeping.DATED, date(2031, 11, 25)) == (page.keeping, page.erased_from)
    clock.forward(days=1826)
    assert 1 == purge(town)


def test_a_case_that_is_open_or_was_closed_later_keeps_the_record(town: Town, clock: ManualClock) -> None:
    """Five years from the last of a person's cases: the first one does not go by itself."""
    father = town.father()
    close(town, father, town.johan)
    clock.forward(days=1000)
    again = Opened(run(town.cases.open_about(town.vera, father.person_id)), father.person_id)
    clock.forward(days=1000)
    assert 0 == purge(town)
    close(town, again, town.vera)
    clock.forward(days=1825)
    assert 0 == purge(town)
    clock.forward(days=1)
    assert 1 == purge(town)
    assert 0 == count(town, Case)


@pytest.mark.parametrize(
    ("event", "keeping", "day"),
    [
        ("investigation_opened", Keeping.CHILD, date(2046, 1, 1)),
        ("placed", Keeping.PLACED, None),
        ("custody_decided", Keeping.PLACED, None),
    ],
)
def test_the_law_keeps_some_longer(
    town: Town, clock: ManualClock, event: str, keeping: Keeping, day: date | None
) -> None:
    """A child's investigation until 30, a placement for ever (SoL 16:2-2 a), also when five years have passed."""
    town.house.db.write_now(lambda s: s.execute(sa.update(StaffMember).values(qualified=True)))
    town.karin.qualified = True
    child = town.child()
    run(town.cases.happened(town.karin, child.case_id, key(), event, town.cases.today(), None))
    close(town, child, town.karin)
    page = run(town.cases.page(town.maria, child.case_id))
    assert (keeping, day) == (page.keeping, page.erased_from)
    clock.forward(days=1826)
    assert 0 == purge(town)
    if day is not None:
        clock.forward(days=(day - clock.now().date()).days)
        assert 1 == purge(town)


def test_what_was_withheld_of_the_person_stays_withheld_of_what_was_sent_in(town: Town, clock: ManualClock) -> None:
    """The concern outlives the record; who did not know of it before does not learn of it now. The reason's words are gone."""
    concern = town.tell()
    child = run(town.cases.open_from_concern(town.karin, concern, NewPerson("child", "Elsa", 2015)))
    run(town.people.withhold(town.karin, child.case_id, ("person", child.person_id), ("staff", "olle"), WHY))  # type: ignore[arg-type]
    close(town, child, town.karin)
    clock.forward(days=1826)
    assert 1 == purge(town)
    run(town.concerns.open_for(town.karin, concern))
    with pytest.raises(NotFound):
        run(town.concerns.open_for(town.olle, concern))
    subject = [(access.Kind.PERSON, child.person_id)]
    lines = town.house.db.read_now(lambda s: access.withheld_lines(s, town.house.vault, subject))
    assert [""] == [line.reason for line in lines]
    assert [1, 1] == [count(town, About), count(town, Withheld)]


def test_a_stop_between_two_batches_leaves_whole_records(
    town: Town, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More records than one transaction takes: the next run goes on where the last one was stopped."""
    monkeypatch.setattr("backend.cases.retention._BATCH", 2)
    for number in range(5):
        close(town, town.open(town.johan, NewPerson("parent", f"Per {number}")), town.johan)
    clock.forward(days=1826)
    desk = RetentionDesk(town.house)
    town.house.db.write_now(lambda session: desk._erase_after(session, last="", keep=1826))
    assert [3, 3] == [count(town, Person), count(town, Case)]
    assert 3 == purge(town)
    assert [0, 0] == [count(town, Person), count(town, Case)]


def test_a_record_that_never_had_a_case_goes_too(town: Town, clock: ManualClock) -> None:
    """Five years after it was made."""
    new = NewPerson("parent", "Per")
    made = town.house.db.write_now(lambda session: town.cases.new_person(session, town.karin, new).id)
    run(town.people.save(town.karin, made, Record("parent", "Per", None, "", False, "", "", "", "", "", "no"), 1))
    clock.at += timedelta(days=1826)
    assert 1 == purge(town)


def test_who_opens_a_case_as_the_record_goes_has_it_whole_or_not_at_all(town: Town, clock: ManualClock) -> None:
    """At once: either the case is open and the record stays, or the record is gone and the opening was refused."""
    for _ in range(5):
        father = town.father()
        close(town, father, town.johan)
        clock.forward(days=1826)

        def reopen(person_id: str = father.person_id) -> bool:
            try:
                run(town.cases.open_about(town.vera, person_id))
            except (NotFound, Conflict):
                return False
            return True

        with ThreadPoolExecutor(2) as pool:
            opened, erased = pool.submit(reopen), pool.submit(purge, town)
            assert (opened.result(), erased.result()) in ((True, 0), (False, 1))
        query = sa.select(sa.func.count()).where(Person.id == father.person_id)
        assert (1 if opened.result() else 0) == town.house.db.read_now(lambda s, q=query: s.scalar(q))
