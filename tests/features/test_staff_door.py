"""Promise: only those who work here get in, nobody learns who does, and a login ends by itself."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Coroutine, Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from backend.core.audit import AuditEvent
from backend.core.errors import Conflict, InvalidField, NotLoggedIn, TooMany
from backend.core.house import House
from backend.core.people import Role, StaffMember
from backend.staff.accounts import Passwords, add_staff, generate_password, seed_demo_staff, set_active
from backend.staff.service import LoginBrake, StaffDoor
from backend.staff.tables import StaffSession
from tests.conftest import ManualClock

PASSWORD = "lång nog mening som ingen gissar"


def run(work: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(work)


@pytest.fixture
def door(house: House) -> Iterator[StaffDoor]:
    door = StaffDoor(house)
    yield door
    door.close()


@pytest.fixture
def karin(house: House, door: StaffDoor) -> StaffMember:
    return house.db.write_now(
        lambda session: add_staff(
            session, house.municipality, house.clock, login="Karin", first_name="Karin", role=Role.CASE_WORKER,
            unit="mottagning_barn", password=PASSWORD,
        )
    )  # fmt: skip


@pytest.mark.parametrize("token", [None, "", "x", "x" * 43, "x" * 5000, "\x00", "å" * 20])
def test_a_stranger_is_nobody(door: StaffDoor, token: str | None) -> None:
    """No cookie, a made-up one or garbage: not logged in."""
    with pytest.raises(NotLoggedIn):
        run(door.who(token))


@pytest.mark.parametrize(
    ("login", "password"),
    [
        ("karin", "fel lösenord"), ("karin", ""), ("ingen", PASSWORD), ("", ""), ("karin\x00", "x"),
        ("' OR 1=1 --", PASSWORD), ("k" * 100_000, PASSWORD), ("karin", "å" * 100_000), ("karin", PASSWORD + "\x00"),
    ],
)  # fmt: skip
def test_a_wrong_login_is_refused_with_one_answer(
    door: StaffDoor, karin: StaffMember, login: str, password: str
) -> None:
    """Unknown and wrong are the same error, and no session comes of it."""
    with pytest.raises(NotLoggedIn):
        run(door.log_in(login, password, "192.0.2.1"))


def test_a_login_that_does_not_exist_takes_as_long(door: StaffDoor, karin: StaffMember) -> None:
    """Both cost one Argon2id, so that the time does not tell who works here."""
    passwords = Passwords()

    def taken(stored: str | None) -> float:
        # The processor's time and not the clock's: what else the machine does is no difference between the two.
        begin = time.process_time()
        assert not run(passwords.verify(stored, "fel"))
        return time.process_time() - begin

    taken(None)
    pairs = [(taken(karin.password_hash), taken(None)) for _ in range(9)]
    ratio = statistics.median(known / unknown for known, unknown in pairs)
    passwords.close()
    assert 0.5 < ratio < 2


def test_a_member_gets_in_and_is_known(door: StaffDoor, karin: StaffMember, house: House) -> None:
    """In any case of letters; the token is not in the database."""
    token = run(door.log_in(" KARIN ", PASSWORD, "192.0.2.1"))
    assert karin.id == run(door.who(token)).id
    rows = house.db.read_now(
        lambda session: repr(list(session.execute(sa.select(sa.inspect(StaffSession).local_table))))
    )
    assert token not in rows and len(token) >= 43


def test_a_session_ends_after_fifteen_idle_minutes(door: StaffDoor, karin: StaffMember, clock: ManualClock) -> None:
    """Used within the time it goes on; left alone it is over."""
    token = run(door.log_in("karin", PASSWORD, "192.0.2.1"))
    for _ in range(4):
        clock.forward(minutes=14)
        run(door.who(token))
    clock.forward(minutes=15)
    with pytest.raises(NotLoggedIn):
        run(door.who(token))


def test_a_page_that_listens_for_people_keeps_its_person_in_for_an_hour(
    door: StaffDoor, karin: StaffMember, clock: ManualClock
) -> None:
    """Idle and heard of all the time: for as long as the municipality has set, and no minute longer."""
    token = run(door.log_in("karin", PASSWORD, "192.0.2.1"))
    for _ in range(59):
        clock.forward(minutes=1)
        run(door.who(token, by_hand=False, listens=True))
        assert karin.id == run(door.who(token, by_hand=False)).id
    run(door.forget_ended())
    clock.forward(minutes=1)
    with pytest.raises(NotLoggedIn):
        run(door.who(token, by_hand=False, listens=True))
    with pytest.raises(NotLoggedIn):
        run(door.who(token))


def test_what_is_done_by_hand_begins_the_hour_anew(door: StaffDoor, karin: StaffMember, clock: ManualClock) -> None:
    """But only while a page listens: once it is gone for two minutes the quarter of an hour is what counts."""
    token = run(door.log_in("karin", PASSWORD, "192.0.2.1"))
    clock.forward(minutes=10)
    run(door.who(token, by_hand=False, listens=True))
    clock.forward(minutes=3)
    run(door.who(token, by_hand=False, listens=True))
    run(door.who(token))
    clock.forward(minutes=14)
    run(door.who(token, by_hand=False, listens=True))
    clock.forward(minutes=3)
    with pytest.raises(NotLoggedIn):
        run(door.who(token))


def test_a_session_ends_after_eight_hours_of_use(door: StaffDoor, karin: StaffMember, clock: ManualClock) -> None:
    """However busy the day, one logs in again."""
    token = run(door.log_in("karin", PASSWORD, "192.0.2.1"))
    for _ in range(47):
        clock.forward(minutes=10)
        run(door.who(token))
    clock.forward(minutes=10)
    with pytest.raises(NotLoggedIn):
        run(door.who(token))


def test_logging_out_ends_only_that_session(door: StaffDoor, karin: StaffMember) -> None:
    """The other computer stays logged in; the ended token never works again."""
    here, there = (run(door.log_in("karin", PASSWORD, "192.0.2.1")) for _ in range(2))
    run(door.log_out(here))
    run(door.log_out("never existed"))
    with pytest.raises(NotLoggedIn):
        run(door.who(here))
    assert karin.id == run(door.who(there)).id


def test_somebody_who_leaves_is_out_on_the_next_request(door: StaffDoor, karin: StaffMember, house: House) -> None:
    """Deactivated: the open session is over and a new one is refused."""
    token = run(door.log_in("karin", PASSWORD, "192.0.2.1"))
    assert house.db.write_now(lambda session: set_active(session, "karin", False))
    with pytest.raises(NotLoggedIn):
        run(door.who(token))
    with pytest.raises(NotLoggedIn):
        run(door.log_in("karin", PASSWORD, "192.0.2.1"))


def test_ended_sessions_are_forgotten(door: StaffDoor, karin: StaffMember, house: House, clock: ManualClock) -> None:
    """No list of who was here when remains beside the log."""
    run(door.log_in("karin", PASSWORD, "192.0.2.1"))
    clock.forward(minutes=16)
    run(door.log_in("karin", PASSWORD, "192.0.2.1"))
    run(door.forget_ended())
    assert 1 == house.db.read_now(lambda session: session.scalar(sa.select(sa.func.count()).select_from(StaffSession)))


def test_ten_misses_close_the_door_for_that_pair_only(door: StaffDoor, karin: StaffMember) -> None:
    """Guessing stops, also with the right password; the person gets in from their own place."""
    for _ in range(10):
        with pytest.raises(NotLoggedIn):
            run(door.log_in("karin", "fel", "192.0.2.66"))
    with pytest.raises(TooMany):
        run(door.log_in("karin", PASSWORD, "192.0.2.66"))
    assert run(door.log_in("karin", PASSWORD, "192.0.2.1"))


def test_an_unknown_login_is_braked_like_a_known_one(door: StaffDoor, karin: StaffMember) -> None:
    """The brake does not tell which logins exist."""
    for _ in range(10):
        with pytest.raises(NotLoggedIn):
            run(door.log_in("finns inte", "fel", "192.0.2.66"))
    with pytest.raises(TooMany):
        run(door.log_in("finns inte", "fel", "192.0.2.66"))


def test_a_broken_brake_lets_nobody_try(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail closed."""
    brake = LoginBrake()
    monkeypatch.setattr(brake._limiter, "test", lambda *_: 1 / 0)
    with pytest.raises(TooMany):
        brake.check("karin", "192.0.2.1")


def test_a_flood_of_logins_is_turned_away_before_it_is_hashed() -> None:
    """No more than a few wait for the hash; the rest are told to come back."""

    async def flood() -> list[Any]:
        passwords = Passwords()
        outcomes = await asyncio.gather(*(passwords.verify(None, "x") for _ in range(60)), return_exceptions=True)
        passwords.close()
        return outcomes

    outcomes = run(flood())
    assert (32, 28) == (outcomes.count(False), sum(isinstance(one, TooMany) for one in outcomes))


def test_the_log_knows_who_came_and_nothing_that_was_typed(door: StaffDoor, karin: StaffMember, house: House) -> None:
    """Logins, misses and logouts are rows; what was typed in a wrong field is not."""
    with pytest.raises(NotLoggedIn):
        run(door.log_in(PASSWORD, "karin", "192.0.2.1"))
    run(door.log_out(run(door.log_in("karin", PASSWORD, "192.0.2.1"))))
    rows = house.db.read_now(
        lambda session: [(e.tag, e.actor, e.subject, e.detail) for e in session.scalars(sa.select(AuditEvent))]
    )
    assert {
        ("staff:session:refused", "visitor", "", ""),
        ("staff:session:started", karin.id, karin.id, ""),
        ("staff:session:ended", karin.id, karin.id, ""),
    } <= set(rows)
    assert PASSWORD not in repr(rows) and "192.0.2.1" not in repr(rows)


def test_demo_staff_get_passwords_once(house: House, door: StaffDoor) -> None:
    """A second start adds nobody and changes no password; each password works and is long enough."""

    def seed() -> list[tuple[str, str]]:
        return house.db.write_now(lambda session: seed_demo_staff(session, house.municipality, house.clock))

    first = seed()
    assert [person.login for person in house.municipality.demo_staff] == [login for login, _ in first]
    assert [] == seed()
    login, password = first[0]
    assert run(door.who(run(door.log_in(login, password, "192.0.2.1")))).first_name == "Anna"
    hashes = house.db.read_now(lambda session: list(session.scalars(sa.select(StaffMember.password_hash))))
    assert all(one.startswith("$argon2id$") for one in hashes)


def test_generated_passwords_are_long_and_different() -> None:
    """Four groups of four, about 79 bits."""
    passwords = {generate_password() for _ in range(1000)}
    assert 1000 == len(passwords)
    assert all(19 == len(password) for password in passwords)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"login": " karin "}, Conflict),
        ({"login": ""}, InvalidField),
        ({"login": "a b"}, InvalidField),
        ({"unit": "trafik"}, InvalidField),
        ({"password": "kort"}, InvalidField),
        ({"password": "x" * 257}, InvalidField),
    ],
)
def test_a_faulty_account_is_refused(
    house: House, door: StaffDoor, karin: StaffMember, change: dict[str, str], error: type[Exception]
) -> None:
    """Taken login, unknown unit, short password: nothing is stored."""
    wanted = {
        "login": "ny",
        "first_name": "Ny",
        "role": Role.THERAPIST,
        "unit": "behandlare",
        "password": PASSWORD,
    } | change
    with pytest.raises(error):
        house.db.write_now(lambda session: add_staff(session, house.municipality, house.clock, **wanted))  # type: ignore[arg-type]
    assert 1 == house.db.read_now(lambda session: session.scalar(sa.select(sa.func.count()).select_from(StaffMember)))
