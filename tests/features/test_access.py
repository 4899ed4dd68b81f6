"""Promise: what is withheld from somebody does not exist for them, and what is not one's own is opened with a written reason."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from backend.core import access
from backend.core.access import From, Kind, Opening, Tie, Withheld, opened, visible
from backend.core.audit import AuditEvent, Tag, open_reason
from backend.core.errors import Conflict, InvalidField, NotFound
from backend.core.house import House
from backend.core.people import Role, StaffMember
from tests.conftest import ManualClock
from tests.therapists import add_staff

WHY = "Pappa får inte veta att barnet har berättat."


@pytest.fixture
def karin(house: House) -> StaffMember:
    return add_staff(house, "karin", role=Role.CASE_WORKER, unit="mottagning_barn")


@pytest.fixture
def anna(house: House) -> StaffMember:
    return add_staff(house, "anna", unit="behandlare")


def withhold(house: House, by: StaffMember, kept_from: tuple[From, str], subject: str = "child") -> str:
    return house.db.write_now(
        lambda s: access.withhold(s, house.vault, house.clock.now(), by, (Kind.PERSON, subject), kept_from, WHY)
    )


def sees(house: House, staff: StaffMember, kind: Kind = Kind.PERSON, subject: str = "child") -> bool:
    return bool(house.db.read_now(lambda s: s.scalar(sa.select(visible(staff, (kind, sa.literal(subject)))))))


def test_nothing_is_withheld_from_the_start(house: House, anna: StaffMember) -> None:
    """Withholding is the exception; who may read at all is each feature's own rule."""
    assert sees(house, anna)


@pytest.mark.parametrize("kept_from", [(From.STAFF, "anna"), (From.UNIT, "behandlare"), (From.PERSON, "father")])
def test_withheld_from_a_person_a_unit_or_whoever_works_for_somebody(
    house: House, karin: StaffMember, anna: StaffMember, kept_from: tuple[From, str]
) -> None:
    """Anna is the father's therapist; what is withheld from him by name is withheld from her."""
    house.db.write_now(lambda session: access.tie(session, "anna", "father", "seat"))
    withhold(house, karin, kept_from)
    assert (False, True) == (sees(house, anna), sees(house, karin))
    assert sees(house, anna, subject="another child")
    assert sees(house, anna, kind=Kind.CASE), "an id of another kind is another thing"


def test_who_begins_to_work_for_the_father_later_is_kept_out_too(
    house: House, karin: StaffMember, anna: StaffMember
) -> None:
    """The line names the father, not those who happened to work for him; when the work ends, it no longer applies."""
    withhold(house, karin, (From.PERSON, "father"))
    assert sees(house, anna)
    house.db.write_now(lambda session: access.tie(session, "anna", "father", "seat"))
    assert not sees(house, anna)
    house.db.write_now(lambda session: access.untie(session, "seat"))
    assert sees(house, anna)


def test_what_is_about_a_withheld_person_is_withheld_too(house: House, karin: StaffMember, anna: StaffMember) -> None:
    """A concern and a booking of the child need no line of their own, and other people's stay."""
    withhold(house, karin, (From.STAFF, "anna"))
    assert sees(house, anna, Kind.CONCERN, "told")
    for _ in range(2):
        house.db.write_now(lambda session: access.concerns_person(session, Kind.CONCERN, "told", "child"))
    assert (False, True) == (sees(house, anna, Kind.CONCERN, "told"), sees(house, anna, Kind.CONCERN, "other"))
    assert sees(house, anna, Kind.BOOKING, "told"), "an id of another kind is another thing"


def reason_of(house: House, row: AuditEvent) -> str:
    return house.db.read_now(lambda session: open_reason(session, house.vault, row))


def test_lifting_it_is_a_deed_with_a_reason(house: House, karin: StaffMember, anna: StaffMember) -> None:
    """Both deeds are in the log with their sealed reasons, and the line is kept."""
    line = withhold(house, karin, (From.STAFF, "anna"))
    now = house.clock.now()
    house.db.write_now(lambda s: access.lift(s, house.vault, now, karin, line, "Barnet vill att Anna ska veta."))
    assert sees(house, anna)
    rows = house.db.read_now(lambda s: s.scalars(sa.select(AuditEvent).order_by(AuditEvent.id)).all())
    assert [(Tag.ACCESS_WITHHELD.value, WHY), (Tag.ACCESS_LIFTED.value, "Barnet vill att Anna ska veta.")] == [
        (row.tag, reason_of(house, row)) for row in rows
    ]
    with pytest.raises(NotFound):
        house.db.write_now(
            lambda s: access.lift(s, house.vault, now, karin, line, "En gång till, för säkerhets skull.")
        )


def test_the_same_line_twice_is_one(house: House, karin: StaffMember, anna: StaffMember) -> None:
    """The second is told so; after it is lifted it can be withheld anew."""
    line = withhold(house, karin, (From.STAFF, "anna"))
    with pytest.raises(Conflict):
        withhold(house, karin, (From.STAFF, "anna"))
    house.db.write_now(lambda s: access.lift(s, house.vault, house.clock.now(), karin, line, WHY))
    withhold(house, karin, (From.STAFF, "anna"))
    assert not sees(house, anna)


def test_why_can_be_read_by_those_who_may_see_and_nowhere_else(house: House, karin: StaffMember) -> None:
    """The reason is sealed in the table."""
    withhold(house, karin, (From.STAFF, "anna"))
    line = house.db.read_now(lambda s: access.withheld_lines(s, house.vault, [(Kind.PERSON, "child")]))[0]
    assert (WHY, "karin", "staff", "anna") == (line.reason, line.by, line.from_kind, line.from_id)
    row = house.db.read_now(lambda s: s.scalars(sa.select(Withheld)).one())
    assert b"Pappa" not in row.reason


@pytest.mark.parametrize(("reason", "code"), [("", "too_short"), (" . . . ", "too_short"), ("x" * 501, "too_long")])
def test_a_reason_is_written_and_not_a_full_stop(house: House, karin: StaffMember, reason: str, code: str) -> None:
    """Ten characters at least, five hundred at most."""
    with pytest.raises(InvalidField) as error:
        house.db.write_now(
            lambda s: access.open_with_reason(s, house.vault, house.clock.now(), karin, Kind.CASE, "case", reason)
        )
    assert (code, "reason") == (error.value.code, error.value.extra["field"])


def test_a_written_reason_opens_one_thing_for_one_person_for_a_day_at_work(
    house: House, clock: ManualClock, karin: StaffMember, anna: StaffMember
) -> None:
    """It is logged with the reason, and it ends by itself."""

    def is_open(staff: StaffMember, subject: str) -> bool:
        query = sa.select(opened(staff, Kind.CASE, sa.literal(subject), clock.now()))
        return bool(house.db.read_now(lambda s: s.scalar(query)))

    def open_it(session: Session) -> None:
        access.open_with_reason(
            session, house.vault, clock.now(), karin, Kind.CASE, "case", "Svarar för en sjuk kollega."
        )

    house.db.write_now(open_it)
    assert (True, False, False) == (is_open(karin, "case"), is_open(karin, "other"), is_open(anna, "case"))
    clock.forward(hours=8)
    assert not is_open(karin, "case")
    row = house.db.read_now(lambda s: s.scalars(sa.select(AuditEvent)).one())
    assert (Tag.ACCESS_OPENED.value, "case", "karin") == (row.tag, row.subject, row.actor)
    assert "Svarar för en sjuk kollega." == reason_of(house, row)


def test_a_tie_is_one_however_often_it_is_made(house: House, anna: StaffMember) -> None:
    """A seat accepted twice is one seat."""
    for _ in range(2):
        house.db.write_now(lambda session: access.tie(session, "anna", "father", "seat"))
    assert 1 == house.db.read_now(lambda s: s.scalar(sa.select(sa.func.count()).select_from(Tie)))
    assert 0 == house.db.read_now(lambda s: s.scalar(sa.select(sa.func.count()).select_from(Opening)))
