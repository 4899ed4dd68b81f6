"""Promise: whoever changes, removes or adds a line of the audit log past the application is found out, and which line."""

from __future__ import annotations

import asyncio
import hmac
import json
import threading
from collections.abc import Callable
from datetime import timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from backend.core import audit
from backend.core.audit import AuditEvent, Tag
from backend.core.audit_chain import AuditChain, AuditSeal, Broken, chain_key
from backend.core.db import Database
from backend.core.house import House
from backend.core.people import Role
from tests.conftest import ManualClock
from tests.therapists import add_staff

ROWS = 30


@pytest.fixture
def chain(house: House) -> AuditChain:
    """Three seals of ten rows each; row ids are those of an untouched database, 1 to 30."""
    chain = AuditChain(house.db, house.clock, chain_key(b"p" * 32))
    for batch in range(3):
        write(house, *(f"row-{batch}-{number}" for number in range(10)))
        chain.seal_now()
    return chain


def write(house: House, *subjects: str) -> None:
    def work(session: Session) -> None:
        for subject in subjects:
            audit.record(session, house.clock.now(), Tag.CONCERN_READ, subject, actor="system")

    house.db.write_now(work)


def broken(chain: AuditChain, anchor: tuple[int, str] | None = None) -> Broken | None:
    return chain.db.read_now(lambda session: chain.verify(session, anchor)).broken


def test_an_untouched_log_is_whole(chain: AuditChain, house: House) -> None:
    """Every row is read, and what was written a moment ago is known to be waiting."""
    write(house, "young")
    verdict = house.db.read_now(chain.verify)
    assert (ROWS, 1, None, 3) == (verdict.rows, verdict.waiting, verdict.broken, verdict.head.no)


@pytest.mark.parametrize(
    ("breach", "found"),
    [
        (sa.update(AuditEvent).where(AuditEvent.id == 17).values(subject="another"), Broken("changed", 17)),
        (sa.update(AuditEvent).where(AuditEvent.id >= 12).values(actor="visitor"), Broken("changed", 12)),
        (sa.update(AuditEvent).where(AuditEvent.id == 1).values(reason=b"made up"), Broken("changed", 1)),
        (sa.delete(AuditEvent).where(AuditEvent.id == 20), Broken("missing", 20)),
        (sa.delete(AuditEvent).where(AuditEvent.id >= 25), Broken("missing", 25)),
        (sa.update(AuditEvent).where(AuditEvent.id == 5).values(id=-5), Broken("added", -5)),
        (sa.delete(AuditSeal).where(AuditSeal.no == 2), Broken("seal", 2)),
        (sa.update(AuditSeal).where(AuditSeal.no == 3).values(entries=b""), Broken("seal", 3)),
        (sa.update(AuditSeal).where(AuditSeal.no == 1).values(last_id=9), Broken("seal", 1)),
    ],
)
def test_the_first_broken_row_is_named(chain: AuditChain, house: House, breach: sa.Executable, found: Broken) -> None:
    """A flipped value, a missing row, an added one, a broken link."""
    house.db.write_now(lambda session: session.execute(breach))
    assert found == broken(chain)


def test_a_mark_is_what_the_standard_says(chain: AuditChain, house: House) -> None:
    """Half of an HMAC-SHA256 over the row as JSON, on both databases, so that another program can check the chain."""
    at = house.clock.now().isoformat().replace("+00:00", "Z")
    row = json.dumps([1, at, "system", "", "", "staff:concern:read", "row-0-0", "", None, None], separators=(",", ":"))
    entries = house.db.read_now(lambda session: session.get_one(AuditSeal, 1)).entries
    assert hmac.digest(chain_key(b"p" * 32), row.encode(), "sha256")[:16] == entries[8:24]


def test_an_instant_is_marked_to_its_last_digit(chain: AuditChain, house: House, clock: ManualClock) -> None:
    """A moved microsecond is a change."""
    clock.forward(microseconds=120)
    write(house, "late")
    chain.seal_now()
    assert broken(chain) is None
    moved = sa.update(AuditEvent).where(AuditEvent.subject == "late").values(at=clock.at + timedelta(microseconds=1))
    house.db.write_now(lambda session: session.execute(moved))
    assert Broken("changed", ROWS + 1) == broken(chain)


def test_rows_cannot_change_places(chain: AuditChain, house: House) -> None:
    """Two rows with each other's content are two changed rows."""

    def swap(session: Session) -> None:
        for old, new in ((3, "row-0-6"), (7, "row-0-2")):
            session.execute(sa.update(AuditEvent).where(AuditEvent.id == old).values(subject=new))

    house.db.write_now(swap)
    assert Broken("changed", 3) == broken(chain)


def test_a_cut_off_end_shows_against_a_head_kept_elsewhere(chain: AuditChain, house: House) -> None:
    """Without its last link and rows the chain looks whole; the kept head says otherwise."""
    head = house.db.read_now(chain.verify).head
    anchor = (head.no, head.digest.hex())
    assert broken(chain, anchor) is None

    def cut(session: Session) -> None:
        session.execute(sa.delete(AuditSeal).where(AuditSeal.no == 3))
        session.execute(sa.delete(AuditEvent).where(AuditEvent.id > 20))

    house.db.write_now(cut)
    assert broken(chain) is None
    assert Broken("anchor", 3) == broken(chain, anchor)


def test_nobody_without_the_secret_can_make_a_new_chain(chain: AuditChain, house: House) -> None:
    """A chain sealed with another key is broken from its first link."""
    house.db.write_now(lambda session: session.execute(sa.delete(AuditSeal)))
    AuditChain(house.db, house.clock, chain_key(b"q" * 32)).seal_now()
    assert Broken("seal", 1) == broken(chain)


def test_a_row_that_commits_late_is_sealed_and_not_taken_for_an_added_one(house: House) -> None:
    """PostgreSQL gives ids before the commit: the chain waits for whoever still holds a lower one."""
    chain = AuditChain(house.db, house.clock, chain_key(b"p" * 32))
    began, go_on = threading.Event(), threading.Event()

    def slow(session: Session) -> None:
        audit.record(session, house.clock.now(), Tag.CONCERN_READ, "slow", actor="system")
        began.set()
        assert go_on.wait(20)

    future = house.db.submit_write(slow)
    assert began.wait(20)
    if not house.db.sqlite:
        write(house, "quick")  # on SQLite it would wait for the one writer
    assert 0 == asyncio.run(chain.seal())
    go_on.set()
    future.result(20)
    write(house, "after")
    while asyncio.run(chain.seal()):
        pass
    verdict = house.db.read_now(chain.verify)
    assert (2 if house.db.sqlite else 3, 0, None) == (verdict.rows, verdict.waiting, verdict.broken)


def test_two_sealers_make_one_chain(house: House) -> None:
    """Two processes that seal at once do not fork it."""
    write(house, *map(str, range(50)))
    chains = [AuditChain(house.db, house.clock, chain_key(b"p" * 32)) for _ in range(2)]

    async def both() -> None:
        await asyncio.gather(*(chain.seal() for chain in chains))

    asyncio.run(both())
    verdict = house.db.read_now(chains[0].verify)
    assert (50, 0, None) == (verdict.rows, verdict.waiting, verdict.broken)


def test_the_patrol_finds_it_by_itself(chain: AuditChain, house: House) -> None:
    """The server walks along the chain for ever, a few rows at a time, and keeps what it found for staff to see."""
    rounds = until_found(chain, lambda: chain.found is not None)
    assert rounds < 10 and chain.found is not None and chain.found.broken is None
    house.db.write_now(lambda session: session.execute(sa.delete(AuditEvent).where(AuditEvent.id == 4)))
    chain.found = None
    until_found(chain, lambda: chain.found is not None)
    assert chain.found is not None and Broken("missing", 4) == chain.found.broken


def until_found(chain: AuditChain, true: Callable[[], bool]) -> int:
    rounds = 0
    while not true():
        asyncio.run(chain.patrol())
        rounds += 1
    return rounds


def test_a_row_says_which_unit_and_roles_somebody_had_at_the_time(house: House) -> None:
    """They are in the row itself, so moving to another unit does not change what was."""
    karin = add_staff(house, "karin", role=Role.CASE_WORKER, unit="mottagning_barn")
    house.db.write_now(lambda session: audit.record(session, house.clock.now(), Tag.CONCERN_READ, "x", actor=karin.id))
    house.db.write_now(lambda session: setattr(session.get(type(karin), karin.id), "unit", "vuxen"))
    row = house.db.read_now(lambda session: session.scalars(sa.select(AuditEvent)).one())
    assert ("karin", "mottagning_barn", "case_worker") == (row.actor, row.actor_unit, row.actor_roles)


def test_a_reason_is_sealed_for_its_subject(house: House, database: Database) -> None:
    """Nothing of what somebody wrote can be read in the table."""
    why = audit.seal_reason(house.vault, "case-1", "Kanariefågeln är sjuk")
    house.db.write_now(
        lambda session: audit.record(session, house.clock.now(), Tag.ACCESS_OPENED, "case-1", reason=why)
    )
    row = database.read_now(lambda session: session.scalars(sa.select(AuditEvent)).one())
    assert row.reason is not None and b"Kanarie" not in row.reason
    assert "Kanariefågeln är sjuk" == house.db.read_now(lambda session: audit.open_reason(session, house.vault, row))


def test_an_erased_records_reasons_open_no_more_and_the_chain_holds(house: House, database: Database) -> None:
    """Only of that record; a row of the time before, with its key in the log itself, opens as it did."""
    chain = AuditChain(house.db, house.clock, chain_key(house.settings.code_pepper))
    for subject in ("case-1", "case-2"):
        why = audit.seal_reason(house.vault, subject, f"Kanariefågeln i {subject}")
        house.db.write_now(
            lambda session, subject=subject, why=why: audit.record(
                session, house.clock.now(), Tag.ACCESS_OPENED, subject, reason=why
            )
        )
    older = audit.seal_reason(house.vault, "case-1", "Från förr")
    row = AuditEvent(
        at=house.clock.now(), actor="karin", tag=Tag.ACCESS_OPENED.value, subject="case-1", detail="",
        reason_key=older.key, reason=older.sealed,
    )  # fmt: skip
    house.db.write_now(lambda session: session.add(row))
    chain.seal_now()
    house.db.write_now(lambda session: audit.forget_reasons(session, ["case-1"]))

    def look(session: Session) -> list[str]:
        rows = session.scalars(sa.select(AuditEvent).order_by(AuditEvent.id))
        return [audit.open_reason(session, house.vault, one) for one in rows]

    assert ["", "Kanariefågeln i case-2", "Från förr"] == database.read_now(look)
    verdict = database.read_now(chain.verify)
    assert (3, None) == (verdict.rows, verdict.broken)
