"""Promise: each person has a record of their own, and what is withheld does not exist for those whom it is withheld from."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa

from backend.cases.desk import NewPerson
from backend.cases.persons import Record
from backend.cases.rules import Private, Shared
from backend.cases.service import Opened
from backend.cases.tables import Case, CaseNote, FamilyMember, Person
from backend.core.audit import AuditEvent, Tag, open_reason
from backend.core.errors import Conflict, InvalidField, NotFound
from backend.core.house import House
from backend.core.people import StaffMember
from tests.cases import Town, key, new_town, run
from tests.conftest import ManualClock

WHY = "Pappa får inte veta att Elsa har berättat."
RECORD = Record("child", "Elsa", 2015, "", False, "Elsa Ek", "070-174 06 05", "Storgatan 1", "Ring inte efter fem.", "")


@pytest.fixture
def town(house: House) -> Town:
    return new_town(house)


def link(town: Town, child: Opened, father: Opened) -> None:
    """Whoever reads both records puts them in one family: here Karin, who also works in the father's team."""
    town.join(father.case_id, town.johan, town.karin)
    run(town.people.link(town.karin, child.person_id, father.person_id))


def withhold(town: Town, child: Opened, *kept_from: str, kind: str = "person") -> None:
    run(town.people.withhold(town.olle, child.case_id, ("person", child.person_id), (kind, *kept_from), WHY))  # type: ignore[arg-type]


def not_there(work: Any) -> bool:
    try:
        run(work)
    except NotFound:
        return True
    return False


def test_a_case_is_read_by_its_team_and_its_units_manager_and_by_nobody_else(town: Town) -> None:
    """A colleague, another unit, its manager, an editor and an administrator do not know that it is there."""
    child = town.child()
    readers = [member for member in everybody(town) if not not_there(town.cases.page(member, child.case_id))]
    assert [town.karin, town.maria] == readers
    assert [[child.case_id], [], [child.case_id]] == [
        [row.id for row in run(rows)]
        for rows in (town.cases.mine(town.karin), town.cases.mine(town.olle), town.cases.of_unit(town.maria))
    ]


def test_the_parents_therapist_finds_nothing_of_the_withheld_child(town: Town) -> None:
    """Olle leads the child's team, Anna works in both; once it is withheld from the father, the child is gone for her.

    In the page, the lists, the search for readable ids, the asks, the family, the record, the concern and the count.
    """
    child, father = town.child(town.olle), town.father()
    town.join(child.case_id, town.olle, town.anna)
    town.join(father.case_id, town.johan, town.anna)
    run(town.people.link(town.anna, father.person_id, child.person_id))
    run(town.people.show(town.olle, child.person_id, True))
    assert ["Elsa"] == [kin.person.first_name for kin in run(town.cases.page(town.anna, father.case_id)).family]

    withhold(town, child, father.person_id)
    assert not_there(town.cases.page(town.anna, child.case_id))
    assert not_there(town.cases.askable(town.anna, child.case_id))
    assert not_there(town.cases.open_with_reason(town.anna, child.case_id, "Behöver läsa för att planera mötet."))
    assert not_there(town.people.person(town.anna, child.person_id))
    assert not_there(town.cases.note(town.anna, child.case_id, key(), "Hej"))
    assert [father.case_id] == [row.id for row in run(town.cases.mine(town.anna))]
    assert set() == run(town.cases.readable(town.anna, [child.case_id]))
    assert [] == run(town.cases.page(town.anna, father.case_id)).family
    assert [] == run(town.people.person(town.anna, father.person_id)).kin
    counted = sa.select(sa.func.count()).select_from(town.cases.readable_by(town.anna).subquery())
    assert 1 == town.house.db.read_now(lambda session: session.scalar(counted))

    everyone = [town.olle, town.maria]
    assert everyone == [member for member in everybody(town) if not not_there(town.cases.page(member, child.case_id))]


def test_nothing_withheld_from_the_father_reaches_who_begins_to_work_for_him_later(town: Town) -> None:
    """The line names him, not his therapist of today; and she cannot be asked into the child's team."""
    child, father = town.child(town.olle), town.father()
    town.join(father.case_id, town.johan, town.karin)
    town.join(child.case_id, town.olle, town.karin)
    run(town.people.link(town.karin, child.person_id, father.person_id))
    withhold(town, child, father.person_id)
    assert not_there(town.cases.page(town.karin, child.case_id))
    town.join(father.case_id, town.johan, town.anna)
    offered = [each.id for unit in run(town.team.choices(town.olle, child.case_id)) for each in unit.people]
    assert "anna" not in offered and "bo" in offered
    with pytest.raises(InvalidField) as error:
        run(town.team.ask(town.olle, child.case_id, "behandlare", "anna"))
    assert ("withheld", "staff_id") == (error.value.code, error.value.extra["field"])


def test_the_concern_of_a_withheld_child_is_withheld_with_it(town: Town) -> None:
    """Olle is in the unit that received it; withheld from him by name, it is gone from the unit's list for him."""
    concern = town.tell()
    child = run(town.cases.open_from_concern(town.karin, concern, NewPerson("child", "Elsa")))
    assert {concern} == run(town.concerns.openable(town.olle, [concern]))
    run(town.people.withhold(town.karin, child.case_id, ("person", child.person_id), ("staff", "olle"), WHY))
    assert set() == run(town.concerns.openable(town.olle, [concern]))
    assert {concern} == run(town.concerns.openable(town.maria, [concern]))
    assert not_there(town.concerns.open_for(town.olle, concern))


def test_one_note_can_be_withheld_and_the_rest_stays(town: Town) -> None:
    """A part of a record, not the whole of it."""
    child = town.child()
    town.join(child.case_id, town.karin, town.anna)
    secret = key()
    run(town.cases.note(town.karin, child.case_id, secret, "Elsa är rädd på fredagar."))
    run(town.cases.note(town.karin, child.case_id, key(), "Möte på tisdag."))
    run(town.people.withhold(town.karin, child.case_id, ("note", secret), ("unit", "behandlare"), WHY))
    assert ["Möte på tisdag."] == [note.text for note in run(town.cases.page(town.anna, child.case_id)).notes]
    assert 2 == len(run(town.cases.page(town.karin, child.case_id)).notes)


@pytest.mark.parametrize(
    "kept_from",
    [
        ("staff", "karin"),
        ("staff", "maria"),
        ("unit", "mottagning_barn"),
        ("staff", "nobody"),
        ("person", "x"),
        ("x", "y"),
    ],
)
def test_nobody_can_shut_out_who_leads_the_case(town: Town, kept_from: tuple[str, str]) -> None:
    """Withholding from the coordinator, the unit's manager, the unit itself or from nobody known is refused whole."""
    child = town.child()
    with pytest.raises(InvalidField) as error:
        run(town.people.withhold(town.karin, child.case_id, ("person", child.person_id), kept_from, WHY))
    assert "kept_from" == error.value.extra["field"]
    assert [] == run(town.cases.page(town.karin, child.case_id)).withheld


def test_only_what_belongs_to_the_case_can_be_withheld_in_it(town: Town) -> None:
    """Nobody reaches another family's record through a form of their own case."""
    child, father = town.child(), town.father()
    with pytest.raises(InvalidField):
        run(town.people.withhold(town.karin, child.case_id, ("person", father.person_id), ("staff", "anna"), WHY))


def test_lifting_it_takes_who_leads_the_team_and_a_reason(town: Town) -> None:
    """A member of the team can protect, and cannot lift; the log has both, with reasons that only the sealed row holds."""
    child = town.child()
    town.join(child.case_id, town.karin, town.olle)
    withhold(town, child, "anna", kind="staff")
    line = run(town.cases.page(town.karin, child.case_id)).withheld[0]
    assert ("Anna", WHY, "Olle") == (line.kept_from, line.line.reason, line.by)
    assert not_there(town.people.lift(town.olle, child.case_id, line.line.id, "Det behövs inte längre."))
    run(town.people.lift(town.karin, child.case_id, line.line.id, "Det behövs inte längre."))
    assert [] == run(town.cases.page(town.karin, child.case_id)).withheld
    rows = town.house.db.read_now(
        lambda s: s.scalars(
            sa.select(AuditEvent)
            .where(AuditEvent.tag.in_([Tag.ACCESS_WITHHELD, Tag.ACCESS_LIFTED]))
            .order_by(AuditEvent.id)
        ).all()
    )
    assert [WHY, "Det behövs inte längre."] == [
        town.house.db.read_now(lambda s, row=row: open_reason(s, town.house.vault, row)) for row in rows
    ]


def test_a_case_of_ones_unit_is_opened_with_a_written_reason_for_a_day(town: Town, clock: ManualClock) -> None:
    """Olle answers for Karin who is sick. What he wrote is in the log; another unit's case cannot be opened at all."""
    child = town.child()
    assert run(town.cases.askable(town.olle, child.case_id))
    with pytest.raises(InvalidField):
        run(town.cases.open_with_reason(town.olle, child.case_id, "vikarie"))
    run(town.cases.open_with_reason(town.olle, child.case_id, "Karin är sjuk och mamman ringer."))
    page = run(town.cases.page(town.olle, child.case_id))
    assert "opened" == page.way and page.until is not None
    assert not run(town.cases.askable(town.olle, child.case_id))
    seen = [read for read in run(town.cases.page(town.maria, child.case_id)).reads if read.tag == Tag.ACCESS_OPENED]
    assert [("Olle", "Karin är sjuk och mamman ringer.")] == [(read.name, read.reason) for read in seen]
    clock.forward(hours=8)
    assert not_there(town.cases.page(town.olle, child.case_id))
    for stranger in (town.johan, town.vera, town.eva, town.adam):
        assert not_there(town.cases.askable(stranger, child.case_id))
        assert not_there(town.cases.open_with_reason(stranger, child.case_id, "Jag undrar vad som står här."))


def test_every_reading_is_in_the_log_with_why_it_was_allowed(town: Town) -> None:
    """The page of a case and the record of a person: who, when, and on what footing."""
    child = town.child()
    run(town.cases.page(town.karin, child.case_id))
    run(town.cases.page(town.maria, child.case_id))
    run(town.people.person(town.karin, child.person_id))
    rows = town.house.db.read_now(
        lambda s: s.scalars(
            sa.select(AuditEvent).where(AuditEvent.tag.in_([Tag.CASE_READ, Tag.PERSON_READ])).order_by(AuditEvent.id)
        ).all()
    )
    assert [
        ("karin", child.case_id, "member", "mottagning_barn"),
        ("maria", child.case_id, "manager", "mottagning_barn"),
        ("karin", child.person_id, "", "mottagning_barn"),
    ] == [(row.actor, row.subject, row.detail, row.actor_unit) for row in rows]


def test_a_family_opens_nobodys_record(town: Town) -> None:
    """Linked and not shown, the child is unknown to the father's team; shown, only name and year; never the private half."""
    child, father = town.child(), town.father()
    run(town.people.save(town.karin, child.person_id, RECORD, 1))
    link(town, child, father)
    assert [] == run(town.cases.page(town.johan, father.case_id)).family
    run(town.people.show(town.karin, child.person_id, True))
    relative = run(town.cases.page(town.johan, father.case_id)).family[0]
    assert ("Elsa", 11, None) == (relative.person.first_name, relative.person.age, relative.case_id)
    assert not_there(town.people.person(town.johan, child.person_id))
    assert not_there(town.cases.page(town.johan, child.case_id))
    run(town.people.show(town.karin, child.person_id, False))
    assert [] == run(town.cases.page(town.johan, father.case_id)).family


def test_a_protected_identity_is_shown_without_a_name(town: Town) -> None:
    """Skyddade personuppgifter: others' teams and whoever is asked see that somebody is there, and no more."""
    child, father = town.child(), town.father()
    protected = Record(**{field: getattr(RECORD, field) for field in RECORD.__slots__} | {"protected": True})
    run(town.people.save(town.karin, child.person_id, protected, 1))
    link(town, child, father)
    run(town.people.show(town.karin, child.person_id, True))
    relative = run(town.cases.page(town.johan, father.case_id)).family[0].person
    assert ("", None, True) == (relative.first_name, relative.age, relative.protected)
    run(town.team.ask(town.karin, child.case_id, "behandlare", "anna"))
    assert "" == run(town.team.asks(town.anna))[0].person.first_name
    assert "Elsa" == run(town.cases.page(town.karin, child.case_id)).row.person.first_name


def test_both_halves_of_a_record_are_sealed_apart(town: Town) -> None:
    """Nothing of it can be read in the table, and the shared half opens without the private one."""
    child = town.child()
    run(town.people.save(town.karin, child.person_id, RECORD, 1))
    page = run(town.people.person(town.karin, child.person_id))
    assert Shared("Elsa", 2015) == page.shared
    assert Private("Elsa Ek", "070-174 06 05", "Storgatan 1", "Ring inte efter fem.", "") == page.private
    row = town.house.db.read_now(lambda session: session.get_one(Person, child.person_id))
    assert b"Elsa" not in row.shared and b"Storgatan" not in row.private


def test_a_stale_form_loses_to_who_was_first(town: Town) -> None:
    """Two have the record open; the second is told, and the first one's words stand."""
    child = town.child()
    run(town.people.save(town.karin, child.person_id, RECORD, 1))
    with pytest.raises(Conflict):
        run(town.people.save(town.maria, child.person_id, RECORD, 1))
    assert "Storgatan 1" == run(town.people.person(town.maria, child.person_id)).private.address


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"who": "dog"}, "who"),
        ({"first_name": "  "}, "first_name"),
        ({"first_name": "x" * 101}, "first_name"),
        ({"born": 1870}, "born"),
        ({"born": 2030}, "born"),
        ({"phone": "1" * 301}, "phone"),
        ({"notes": "x" * 20_001}, "notes"),
    ],
)
def test_what_cannot_be_kept_is_named(town: Town, change: dict[str, Any], field: str) -> None:
    """The field, and nothing of the record has changed."""
    child = town.child()
    with pytest.raises(InvalidField) as error:
        changed = {each: getattr(RECORD, each) for each in RECORD.__slots__} | change
        run(town.people.save(town.karin, child.person_id, Record(**changed), 1))
    assert field == error.value.extra["field"]
    assert 1 == run(town.people.person(town.karin, child.person_id)).version


def test_nobody_links_a_person_whom_they_may_not_know_of(town: Town) -> None:
    """Johan cannot find the child by her id, nor link himself into her family."""
    child, father = town.child(), town.father()
    assert not_there(town.people.link(town.johan, father.person_id, child.person_id))
    assert not_there(town.people.show(town.johan, child.person_id, True))
    assert not_there(town.people.unlink(town.johan, child.person_id))
    assert 0 == town.house.db.read_now(lambda s: s.scalar(sa.select(sa.func.count()).select_from(FamilyMember)))


def test_a_relative_gets_a_record_and_no_case(town: Town) -> None:
    """The brother is written down by the sister's worker; her manager may see him, the others not."""
    child = town.child()
    brother = run(town.people.add_relative(town.karin, child.person_id, NewPerson("child", "Hugo", 2018)))
    assert ["Hugo"] == [kin.person.first_name for kin in run(town.people.person(town.karin, child.person_id)).kin]
    assert not not_there(town.people.person(town.maria, brother))
    assert not_there(town.people.person(town.olle, brother))
    with pytest.raises(Conflict):
        run(town.people.link(town.karin, child.person_id, brother))
    run(town.people.unlink(town.karin, brother))
    assert [] == run(town.people.person(town.karin, child.person_id)).kin


def everybody(town: Town) -> list[StaffMember]:
    return [
        town.karin, town.olle, town.maria, town.johan, town.vera, town.anna, town.bo, town.eva, town.adam,
    ]  # fmt: skip


@pytest.mark.parametrize("table", [Case, CaseNote, Person])
def test_who_has_left_reads_nothing(town: Town, table: type) -> None:
    """From the next request on, whatever they led."""
    child = town.child()
    run(town.cases.note(town.karin, child.case_id, key(), "Anteckning"))
    town.house.db.write_now(lambda session: setattr(session.get_one(StaffMember, "karin"), "active", False))
    left = town.house.db.read_now(lambda session: session.get_one(StaffMember, "karin"))
    assert not_there(town.cases.page(left, child.case_id))
    assert not_there(town.people.person(left, child.person_id))
    assert [] == run(town.cases.mine(left))
    assert town.house.db.read_now(lambda s: s.scalar(sa.select(sa.func.count()).select_from(table)))
