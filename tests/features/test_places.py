"""Promise: somebody is at one station at a time, nothing of how it has been is lost, and another person's
place is seen only where it has been decided, by somebody, for a reason, until it is taken back.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import sqlalchemy as sa

from backend.core.audit import AuditEvent
from backend.core.errors import Conflict, EmptyText, InvalidField
from backend.core.house import House
from backend.journey import places
from backend.journey.tables import MapPlace, MapShowing
from tests.conftest import ManualClock
from tests.therapists import add_staff

CHILD, PARENT = "person:barn", "person:vuxen"
CODE, OTHER_CODE = "booking:ett", "booking:annat"


@pytest.fixture
def staff(house: House) -> str:
    return add_staff(house, "karin").id


def put(house: House, staff: str, subject: str, station: str, **more: object) -> None:
    house.db.write_now(
        lambda session: places.place(session, house.clock.now(), staff, subject, station, **more)  # type: ignore[arg-type]
    )


def show(
    house: House, staff: str, viewer: str, subject: str, as_whom: str, ground: str, reason: str = "Sagt i dag"
) -> None:
    house.db.write_now(
        lambda session: places.show(
            session,
            house.vault,
            house.clock.now(),
            staff,
            viewer=viewer,
            subject=subject,
            as_whom=as_whom,
            ground=ground,
            reason=reason,  # type: ignore[arg-type]
        )
    )


def seen(house: House, viewer: str) -> list[tuple[str, str, int]]:
    found = house.db.write_now(lambda session: places.seen_by(session, viewer))
    return [(here.as_whom, here.now.station, len(here.way)) for here in found]


def test_nothing_is_seen_before_somebody_has_decided_it(house: House, staff: str) -> None:
    """A place alone shows nothing to any code, not even the person's own."""
    put(house, staff, CHILD, "S08")
    put(house, staff, PARENT, "S17")
    assert [] == seen(house, CODE)


def test_own_place_is_seen_with_how_it_has_been(house: House, staff: str, clock: ManualClock) -> None:
    """The oldest first; a place that is the same tells a new meeting and is no new step."""
    put(house, staff, CHILD, "S05")
    clock.at += timedelta(days=3)
    put(house, staff, CHILD, "S08")
    put(house, staff, CHILD, "S08", meets_at=clock.now() + timedelta(days=2))
    show(house, staff, CODE, CHILD, "self", "self")
    (here,) = house.db.write_now(lambda session: places.seen_by(session, CODE))
    assert ["S05", "S08"] == [stay.station for stay in here.way]
    assert here.way[0].until == here.way[1].since
    assert here.now.meets_at == clock.now() + timedelta(days=2)
    assert [] == seen(house, OTHER_CODE)


@pytest.mark.parametrize("ground", ["agreed", "decided"])
def test_another_persons_place_is_seen_without_their_way_until_it_is_taken_back(
    house: House, staff: str, ground: str
) -> None:
    """Where the parent is now, if that was decided; never where they have been; and at once no more."""
    put(house, staff, PARENT, "S18")
    put(house, staff, PARENT, "S17")
    show(house, staff, CODE, PARENT, "parent", ground)
    show(house, staff, CODE, PARENT, "parent", ground)
    assert [("parent", "S17", 0)] == seen(house, CODE)
    for _ in range(2):
        house.db.write_now(lambda session: places.hide(session, house.clock.now(), staff, viewer=CODE, subject=PARENT))
    assert [] == seen(house, CODE)


def test_a_decision_says_who_when_and_why_and_is_in_the_log(house: House, staff: str) -> None:
    """The reason is sealed; the log has the deeds and no words."""
    put(house, staff, PARENT, "S17")
    show(house, staff, CODE, PARENT, "parent", "decided", "Barnet frågar och är oroligt")
    row, log = house.db.write_now(
        lambda session: (session.scalars(sa.select(MapShowing)).one(), list(session.scalars(sa.select(AuditEvent))))
    )
    assert (staff, house.clock.now(), "decided") == (row.shown_by, row.since, row.ground)
    assert b"oroligt" not in row.reason
    assert "Barnet frågar och är oroligt" == house.vault.open(row.data_key, f"map_showing.reason:{row.id}", row.reason)
    told = {(event.tag, event.actor, event.detail) for event in log}
    assert {("journey:place:placed", staff, "S17"), ("journey:showing:decided", staff, "decided")} <= told


@pytest.mark.parametrize(
    ("as_whom", "ground", "reason", "error"),
    [
        ("parent", "self", "x", InvalidField),
        ("self", "decided", "x", InvalidField),
        ("mamma", "agreed", "x", InvalidField),
        ("parent", "hearsay", "x", InvalidField),
        ("parent", "decided", "  ", EmptyText),
    ],
)
def test_a_decision_without_ground_or_reason_is_none(
    house: House, staff: str, as_whom: str, ground: str, reason: str, error: type[Exception]
) -> None:
    """Nobody's place is shown as the reader's own, or for no reason."""
    put(house, staff, PARENT, "S17")
    with pytest.raises(error):
        show(house, staff, CODE, PARENT, as_whom, ground, reason)
    assert [] == seen(house, CODE)


def test_a_station_that_is_none_and_a_meeting_that_has_been_are_refused(
    house: House, staff: str, clock: ManualClock
) -> None:
    """Nothing is stored of either."""
    with pytest.raises(InvalidField):
        put(house, staff, CHILD, "S99")
    with pytest.raises(InvalidField):
        put(house, staff, CHILD, "S08", meets_at=clock.now())
    assert 0 == house.db.write_now(lambda session: session.scalar(sa.select(sa.func.count()).select_from(MapPlace)))


def test_the_database_lets_nobody_be_in_two_places(house: House, staff: str) -> None:
    """Two of the staff place the same child at the same moment: one place is current, whoever came last."""
    stations = ["S05", "S08", "S09", "S10", "S11", "S12"]

    def one(station: str) -> str:
        try:
            put(house, staff, CHILD, station)
        except Conflict:
            return "conflict"
        return "placed"

    with ThreadPoolExecutor(6) as pool:
        outcomes = list(pool.map(one, stations))
    assert "placed" in outcomes
    current = sa.select(sa.func.count()).select_from(MapPlace).where(MapPlace.until.is_(None))
    assert 1 == house.db.write_now(lambda session: session.scalar(current))
    # Past the desk, by hand: the constraint holds without it.
    with pytest.raises(sa.exc.IntegrityError):
        house.db.write_now(
            lambda session: session.add_all(
                MapPlace(
                    id=name,
                    subject="person:x",
                    station="S08",
                    since=house.clock.now(),
                    until=None,
                    meets_at=None,
                    placed_by=staff,
                )
                for name in ("a", "b")
            )
        )
