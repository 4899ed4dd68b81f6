"""Promise: staff place on the map only those whom they may read about; a code shows what was decided, and nothing
of anybody else before that person has agreed or the team's lead has decided to inform; and it ends at once.
"""

from __future__ import annotations

from datetime import timedelta

import pytest

from backend.booking.service import BookingDesk, Details
from backend.cases.desk import NewPerson
from backend.cases.service import Opened
from backend.cases.standing import MapDesk, Standing
from backend.core.audit import AuditEvent
from backend.core.codes import ReturnCode
from backend.core.errors import Conflict, InvalidField, NotFound
from backend.core.house import House
from backend.core.people import StaffMember
from backend.journey import places
from tests.cases import Town, new_town, run
from tests.therapists import add_therapist

WHY = "Pappa sa ja på mötet i går."


@pytest.fixture
def town(house: House) -> Town:
    return new_town(house)


@pytest.fixture
def desk(house: House) -> MapDesk:
    return MapDesk(house)


def page(desk: MapDesk, staff: StaffMember, case: Opened) -> Standing:
    return run(desk.page(staff, case.case_id))


def person(case: Opened) -> str:
    return f"person:{case.person_id}"


def code_of(town: Town, desk: MapDesk, case: Opened, kind: str = "concern") -> str:
    return next(code.viewer for code in page(desk, town.karin, case).codes if code.kind == kind)


def seen(house: House, viewer: str) -> list[tuple[str, str]]:
    found = house.db.read_now(lambda session: places.seen_by(session, viewer))
    return [(here.as_whom, here.now.station) for here in found]


def linked(town: Town) -> tuple[Opened, Opened]:
    """A child and a father in one family; Karin works for both, Johan for the father alone."""
    child, father = town.child(), town.father()
    town.join(father.case_id, town.johan, town.karin)
    run(town.people.link(town.karin, child.person_id, father.person_id))
    return child, father


def test_the_child_is_placed_and_sees_it_once_it_is_said_whose_the_code_is(town: Town, desk: MapDesk) -> None:
    """Placing shows nothing; the team's word that the code is the child's own does, and it can be taken back."""
    child = town.child()
    meets = town.house.clock.now() + timedelta(days=2)
    run(desk.place(town.karin, child.case_id, person(child), "S05", None))
    run(desk.place(town.karin, child.case_id, person(child), "S08", meets))
    viewer = code_of(town, desk, child)
    assert [] == seen(town.house, viewer)
    run(desk.show(town.karin, child.case_id, viewer, person(child), "", "Hon skrev själv, vi pratade om det."))
    assert [("self", "S08")] == seen(town.house, viewer)
    (token,) = page(desk, town.karin, child).tokens
    assert ["S05", "S08"] == [stay.station for stay in token.stays]
    assert token.now is not None
    assert meets == token.now.meets_at
    run(desk.hide(town.karin, child.case_id, viewer, person(child)))
    assert [] == seen(town.house, viewer)


def test_the_fathers_place_needs_his_yes_or_a_decision_by_who_leads(town: Town, desk: MapDesk) -> None:
    """A colleague in the team who does not lead it decides nothing about others; without ground or reason, nobody does."""
    child, father = linked(town)
    town.join(child.case_id, town.karin, town.olle)
    run(desk.place(town.karin, child.case_id, person(father), "S17", None))
    viewer = code_of(town, desk, child)
    with pytest.raises(NotFound):
        run(desk.show(town.olle, child.case_id, viewer, person(father), "agreed", WHY))
    for ground, why in (("", WHY), ("self", WHY), ("agreed", "ja")):
        with pytest.raises(InvalidField):
            run(desk.show(town.karin, child.case_id, viewer, person(father), ground, why))
    assert [] == seen(town.house, viewer)
    run(desk.show(town.karin, child.case_id, viewer, person(father), "agreed", WHY))
    assert [("parent", "S17")] == seen(town.house, viewer)


def test_who_may_not_read_the_father_does_not_even_see_that_he_stands_somewhere(town: Town, desk: MapDesk) -> None:
    """A colleague in the child's team alone: no token, no form that works, no name beside what is shown."""
    child, father = linked(town)
    town.join(child.case_id, town.karin, town.olle)
    run(desk.place(town.karin, child.case_id, person(father), "S17", None))
    viewer = code_of(town, desk, child)
    run(desk.show(town.karin, child.case_id, viewer, person(father), "decided", WHY))
    for_olle = page(desk, town.olle, child)
    assert {None, child.person_id} == {token.person.id if token.person else None for token in for_olle.tokens}
    assert [None] == [one.token for code in for_olle.codes for one in code.shows]
    with pytest.raises(NotFound):
        run(desk.place(town.olle, child.case_id, person(father), "S18", None))


def test_the_fathers_team_sees_that_his_place_is_shown_and_can_stop_it(town: Town, desk: MapDesk) -> None:
    """Not to whom; and at once, when he has changed his mind."""
    child, father = linked(town)
    run(desk.place(town.karin, child.case_id, person(father), "S17", None))
    viewer = code_of(town, desk, child)
    run(desk.show(town.karin, child.case_id, viewer, person(father), "agreed", WHY))
    (shown,) = page(desk, town.johan, father).elsewhere
    assert ("agreed", False) == (shown.ground, shown.family)
    run(desk.hide(town.johan, father.case_id, shown.viewer, shown.subject))
    assert [] == seen(town.house, viewer)


def test_nothing_exists_for_who_does_not_work_with_the_case(town: Town, desk: MapDesk) -> None:
    """404 for the other unit, for an editor and for a subject or a code from elsewhere, whatever is asked."""
    child, father = town.child(), town.father()
    viewer = code_of(town, desk, child)
    for staff in (town.johan, town.anna, town.eva, town.adam):
        for work in (
            desk.page(staff, child.case_id),
            desk.now(staff, child.case_id),
            desk.place(staff, child.case_id, person(child), "S08", None),
            desk.show(staff, child.case_id, viewer, person(child), "", WHY),
            desk.hide(staff, child.case_id, viewer, person(child)),
            desk.new_code(staff, child.case_id, "visit"),
        ):
            with pytest.raises(NotFound):
                run(work)
    with pytest.raises(NotFound):
        run(desk.place(town.karin, child.case_id, person(father), "S17", None))
    with pytest.raises(NotFound):
        run(desk.show(town.karin, child.case_id, "booking:annan", person(child), "", WHY))
    with pytest.raises(NotFound):
        run(desk.hide(town.karin, child.case_id, "booking:annan", person(father)))


def test_the_family_stands_somewhere_together(town: Town, desk: MapDesk) -> None:
    """One place for both cases; shown to a child's code like another person's, with a ground."""
    child, father = linked(town)
    family = next(token.subject for token in page(desk, town.karin, child).tokens if token.person is None)
    run(desk.place(town.johan, father.case_id, family, "S14", None))
    viewer = code_of(town, desk, child)
    run(desk.show(town.karin, child.case_id, viewer, family, "decided", WHY))
    assert [("family", "S14")] == seen(town.house, viewer)


def test_a_relative_without_a_case_can_be_placed_by_who_made_the_record(town: Town, desk: MapDesk) -> None:
    """The mother has a record and no case of her own; an adult who is not the parent is called another adult."""
    child = town.child()
    mother = run(town.people.add_relative(town.karin, child.person_id, NewPerson("parent", "Eva")))
    partner = run(town.people.add_relative(town.karin, child.person_id, NewPerson("partner", "Kim")))
    viewer = code_of(town, desk, child)
    for who, station in ((mother, "S17"), (partner, "S18")):
        run(desk.place(town.karin, child.case_id, f"person:{who}", station, None))
        run(desk.show(town.karin, child.case_id, viewer, f"person:{who}", "agreed", WHY))
    assert [("parent", "S17"), ("other", "S18")] == seen(town.house, viewer)


def test_a_booked_talk_belongs_to_one_case_and_its_code_can_show_the_map(town: Town, desk: MapDesk) -> None:
    """Put there by a therapist who may read both; nobody else's talk, and not in two cases."""
    add_therapist(town.house, "ida", [("08:00", "17:00")])
    booking = BookingDesk(town.house)

    async def book() -> str:
        offer = await booking.offer("chat", limit=1)
        await booking.hold("form:plats-aaaaaaaaaaaaaaaaaaaa", offer.times[0].slot)
        return (await booking.confirm("form:plats-aaaaaaaaaaaaaaaaaaaa", Details("chat"))).booking_id

    talk = run(book())
    child, other = town.child(), town.open(town.karin, NewPerson("child", "Hugo"))
    town.join(child.case_id, town.karin, town.anna, "consent")
    with pytest.raises(NotFound):
        run(desk.add_booking(town.karin, talk, child.case_id))
    run(desk.add_booking(town.anna, talk, child.case_id))
    assert f"booking:{talk}" == code_of(town, desk, child, "booking")
    town.join(other.case_id, town.karin, town.anna, "consent")
    with pytest.raises(Conflict):
        run(desk.add_booking(town.anna, talk, other.case_id))


def test_a_new_code_opens_the_map_in_words_for_the_persons_age(town: Town, desk: MapDesk) -> None:
    """Only for who says how they know whom they give it to; the earlier one is gone."""
    child = town.child()
    with pytest.raises(InvalidField):
        run(desk.new_code(town.karin, child.case_id, "because"))
    first, second = (run(desk.new_code(town.karin, child.case_id, "visit")) for _ in range(2))
    assert 6 == len(second.split())
    assert first != second
    rows = town.house.db.read_now(
        lambda session: session.query(ReturnCode.kind, ReturnCode.read_aloud).filter_by(subject=child.case_id).all()
    )
    assert [("case", True)] == [tuple(row) for row in rows]
    reader = run(desk.reader(child.case_id))
    assert reader is not None
    assert "10-12" == reader.band
    assert None is run(desk.reader("0" * 24))


def test_a_closed_case_can_still_stop_showing_and_nothing_more(town: Town, desk: MapDesk) -> None:
    """What was shown by mistake must not wait for somebody to open the case again."""
    child = town.child()
    viewer = code_of(town, desk, child)
    run(desk.place(town.karin, child.case_id, person(child), "S25", None))
    run(desk.show(town.karin, child.case_id, viewer, person(child), "", "Hon skrev själv, vi pratade om det."))
    run(town.cases.close(town.maria, child.case_id, "finished", page_version(town, child)))
    with pytest.raises(Conflict):
        run(desk.place(town.maria, child.case_id, person(child), "S26", None))
    run(desk.hide(town.maria, child.case_id, viewer, person(child)))
    assert [] == seen(town.house, viewer)


def page_version(town: Town, case: Opened) -> int:
    return run(town.cases.page(town.maria, case.case_id)).version


def test_every_deed_and_every_reading_is_in_the_log_of_the_case(town: Town, desk: MapDesk) -> None:
    """By whom and what, never a word of why."""
    child = town.child()
    viewer = code_of(town, desk, child)
    run(desk.place(town.karin, child.case_id, person(child), "S08", None))
    run(desk.show(town.karin, child.case_id, viewer, person(child), "", "Hon skrev själv, vi pratade om det."))
    run(desk.hide(town.karin, child.case_id, viewer, person(child)))
    run(desk.new_code(town.karin, child.case_id, "visit"))
    log = town.house.db.read_now(lambda session: session.query(AuditEvent).filter_by(subject=child.case_id).all())
    told = [(event.tag, event.actor, event.detail) for event in log if "map" in event.tag or "code" in event.tag]
    assert [
        ("staff:case:map_read", "karin", ""),
        ("staff:case:map_placed", "karin", "S08"),
        ("staff:case:map_shown", "karin", "self"),
        ("staff:case:map_hidden", "karin", ""),
        ("staff:case:code_issued", "karin", "visit"),
    ] == told
    assert "skrev själv" not in "".join(event.detail for event in log)
