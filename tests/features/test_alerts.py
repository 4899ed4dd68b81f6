"""Danger rings once, at those it is for, without a word of what was told; the first to see it wins."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa

from backend.alerts.service import AlertDesk, AlertRow, Danger
from backend.alerts.tables import Alert
from backend.booking.service import BookingDesk, Details
from backend.concerns.service import ConcernDesk, Intake
from backend.core.audit import AuditEvent
from backend.core.errors import Conflict, InvalidField, NotFound
from backend.core.house import House
from backend.core.outbox import OutboxMessage
from backend.core.people import StaffMember
from backend.core.reader import Reader
from tests.conftest import ManualClock
from tests.people import seed_example_staff

MAILBOX = "jour@exempelby.example"
WORDS = "han har en yxa och slår sönder dörren"
NIGHT = datetime(2026, 11, 25, 22, 30, tzinfo=UTC)
FORM = Intake(
    words=[WORDS], about="me", now="yes", reach="code", phone=None, safe=None, reader=Reader("child", "10-12"),
    danger_level="A0", danger_category="D01", consent_version="sv:10-12:0123456789ab",
)  # fmt: skip


def run(work: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(work)


@pytest.fixture
def house(house: House) -> House:
    """The example municipality with somebody on call and its demo staff."""
    on_call = msgspec.structs.replace(house.municipality.on_call, danger_mailbox=MAILBOX)
    staffed = replace(house, municipality=msgspec.structs.replace(house.municipality, on_call=on_call))
    seed_example_staff(house.db, house.settings)
    return staffed


@pytest.fixture
def desk(house: House) -> AlertDesk:
    return AlertDesk(house)


def member(house: House, login: str) -> StaffMember:
    found = house.db.read_now(lambda s: s.scalar(sa.select(StaffMember).where(StaffMember.login == login)))
    assert found is not None
    return found


def ring(house: House, desk: AlertDesk, level: str, chat: str = "c1", **more: Any) -> None:
    danger = Danger(level, "D01", more.pop("source", "chat"), chat_id=chat or None, **more)
    house.db.write_now(lambda session: desk.ring(session, danger, house.clock.now()))


def seen(house: House, desk: AlertDesk, login: str = "karin") -> list[AlertRow]:
    return run(desk.recent(member(house, login)))  # type: ignore[no-any-return]


def mails(house: House) -> list[OutboxMessage]:
    """What has been posted to the on-call contact."""
    query = sa.select(OutboxMessage).where(OutboxMessage.recipient == MAILBOX)
    return house.db.read_now(lambda session: list(session.scalars(query)))


# What rings, and what does not.


def test_danger_rings_once_in_a_chat(house: House, desk: AlertDesk, clock: ManualClock) -> None:
    """More of the same changes nothing and mails nobody; another chat is another alert."""
    for _ in range(3):
        ring(house, desk, "A0")
        clock.forward(minutes=1)
    ring(house, desk, "A1")
    assert [("A0", "chat", True)] == [(row.level, row.source, row.ringing) for row in seen(house, desk)]
    assert 1 == len(mails(house))
    ring(house, desk, "A0", chat="c2")
    assert (2, 2) == (len(seen(house, desk)), len(mails(house)))


@pytest.mark.parametrize("level", ["A2", ""])
def test_what_is_not_near_does_not_ring(house: House, desk: AlertDesk, level: str) -> None:
    """A2 is read the same day, like all else."""
    ring(house, desk, level)
    assert ([], []) == (seen(house, desk), mails(house))


def test_nearer_danger_rings_again(house: House, desk: AlertDesk, clock: ManualClock) -> None:
    """The same alert, raised, with the new time and one more mail."""
    ring(house, desk, "A1")
    before = seen(house, desk)[0]
    clock.forward(minutes=5)
    ring(house, desk, "A0")
    (row,) = seen(house, desk)
    assert (before.id, "A0", house.clock.now()) == (row.id, row.level, row.at) and before.key != row.key
    assert 2 == len(mails(house))


def test_more_after_it_was_seen_rings_again(house: House, desk: AlertDesk, clock: ManualClock) -> None:
    """As a new alert; the seen one stays seen."""
    ring(house, desk, "A1")
    run(desk.acknowledge(member(house, "karin"), seen(house, desk)[0].id, "A1"))
    clock.forward(minutes=1)
    ring(house, desk, "A1")
    assert [True, False] == [row.ringing for row in seen(house, desk)]
    assert 2 == len(mails(house))


def test_taken_back_it_stops_and_says_so(house: House, desk: AlertDesk) -> None:
    """Nobody needs to see it; what was seen before stays seen; new danger rings anew."""
    ring(house, desk, "A0")
    house.db.write_now(lambda session: desk.take_back(session, "c1"))
    (row,) = seen(house, desk)
    assert row.corrected and not row.ringing
    with pytest.raises(Conflict):
        run(desk.acknowledge(member(house, "karin"), row.id, "A0"))
    ring(house, desk, "A0")
    assert [True, False] == sorted((row.ringing for row in seen(house, desk)), reverse=True)


def test_a_sent_concern_is_not_taken_back(house: House, desk: AlertDesk) -> None:
    """It is one alert with its chat's, and rings until somebody has seen it."""
    ring(house, desk, "A1")
    ring(house, desk, "A0", source="concern", subject="f" * 24, unit="mottagning_barn")
    house.db.write_now(lambda session: desk.take_back(session, "c1"))
    (row,) = seen(house, desk)
    assert (True, "concern", "f" * 24) == (row.ringing, row.source, row.subject)


# Hours and mail.


@pytest.mark.parametrize(
    ("at", "closed"),
    [
        (datetime(2026, 11, 25, 6, 59, tzinfo=UTC), True),
        (datetime(2026, 11, 25, 7, 0, tzinfo=UTC), False),
        (datetime(2026, 11, 25, 15, 29, tzinfo=UTC), False),
        (datetime(2026, 11, 25, 15, 30, tzinfo=UTC), True),
        (datetime(2026, 11, 28, 10, 0, tzinfo=UTC), True),
        (datetime(2026, 12, 24, 10, 0, tzinfo=UTC), True),
        (datetime(2026, 7, 1, 6, 0, tzinfo=UTC), False),
    ],
    ids=["before", "opens", "last minute", "closes", "Saturday", "Christmas Eve", "summer time"],
)
def test_out_of_hours_is_marked(house: House, desk: AlertDesk, clock: ManualClock, at: datetime, closed: bool) -> None:
    """By the wall clock and the closed days; then nobody who writes is told that somebody gets to know."""
    clock.at = at
    ring(house, desk, "A0")
    assert [closed] == [row.out_of_hours for row in seen(house, desk)]
    assert closed is not desk.told_now()


def test_a0_is_mailed_at_any_hour_and_a1_when_open(house: House, desk: AlertDesk, clock: ManualClock) -> None:
    """And what rang at night is told once more when it goes on in the morning."""
    clock.at = NIGHT
    ring(house, desk, "A1", chat="a")
    assert 0 == len(mails(house))
    ring(house, desk, "A0", chat="b")
    assert 1 == len(mails(house))
    clock.forward(hours=10)
    ring(house, desk, "A1", chat="a")
    assert 2 == len(mails(house))
    assert {False, True} == {row.out_of_hours for row in seen(house, desk)}


def test_without_an_on_call_contact_staff_are_alerted_all_the_same(house: House) -> None:
    """No mail goes anywhere, and nobody who writes is told that somebody gets to know."""
    nobody = msgspec.structs.replace(house.municipality.on_call, danger_mailbox="")
    bare = replace(house, municipality=msgspec.structs.replace(house.municipality, on_call=nobody))
    desk = AlertDesk(bare)
    ring(bare, desk, "A0")
    assert 1 == len(seen(bare, desk)) and not desk.told_now()
    assert [] == bare.db.read_now(lambda session: list(session.scalars(sa.select(OutboxMessage))))


# Nothing of what was told.


def test_no_words_and_no_chat_in_row_or_mail(house: House, desk: AlertDesk) -> None:
    """The reference leads nowhere without the pepper; the mail says to log in."""
    received = run(ConcernDesk(house).receive(replace(FORM, chat_id="chat-of-mine", form_key="k")))
    (row,) = house.db.read_now(lambda session: list(session.scalars(sa.select(Alert))))
    stored = " ".join(str(getattr(row, column.key)) for column in Alert.__table__.columns)
    assert "yxa" not in stored and "chat-of-mine" not in stored
    assert received.concern_id == row.subject
    (mail,) = mails(house)
    assert "Ny händelse" == mail.subject and mail.body.endswith("/personal")
    assert "yxa" not in mail.body and received.concern_id not in mail.body


def test_an_alert_is_written_with_what_it_tells_of_or_not_at_all(house: House, desk: AlertDesk) -> None:
    """A concern that is refused rings nowhere; one that is sent twice rings once."""
    concerns = ConcernDesk(house)
    with pytest.raises(InvalidField):
        run(concerns.receive(replace(FORM, about="nobody")))
    assert [] == seen(house, desk)
    for _ in range(2):
        run(concerns.receive(replace(FORM, form_key="same")))
    assert 1 == len(seen(house, desk))

    def broken(session: Any) -> None:
        desk.ring(session, Danger("A0", "D01", "chat", chat_id="lost"), house.clock.now())
        raise RuntimeError

    with pytest.raises(RuntimeError):
        house.db.write_now(broken)
    assert (1, 1) == (len(seen(house, desk)), len(mails(house)))


def test_a_concern_without_danger_does_not_ring(house: House, desk: AlertDesk) -> None:
    """It waits in its queue as before."""
    run(ConcernDesk(house).receive(replace(FORM, danger_level=None, danger_category=None)))
    assert [] == seen(house, desk)


# Whom it is for.


def book(house: House, **danger: Any) -> str:
    async def work() -> str:
        desk = BookingDesk(house)
        await desk.hold("form:x", (await desk.offer("chat")).times[0].slot)
        return (await desk.confirm("form:x", Details("chat", note=WORDS, **danger))).booking_id

    return run(work())  # type: ignore[no-any-return]


def test_a_booking_rings_at_its_own_therapist_and_at_those_who_read_the_queue(house: House, desk: AlertDesk) -> None:
    """Another therapist of the same team is not told."""
    booking = book(house, danger_level="A1", danger_category="D01")
    readers = {login for login in ("anna", "samir", "lena", "karin", "maria", "johan") if seen(house, desk, login)}
    assert {"karin", "maria", "johan"} < readers and 4 == len(readers)
    own = next(login for login in ("anna", "samir", "lena") if login in readers)
    assert booking == seen(house, desk, own)[0].subject
    other = next(login for login in ("anna", "samir", "lena") if login not in readers)
    with pytest.raises(NotFound):
        run(desk.acknowledge(member(house, other), seen(house, desk)[0].id, "A1"))
    run(desk.acknowledge(member(house, own), seen(house, desk)[0].id, "A1"))


def test_therapists_are_not_told_of_chats_and_nobody_who_has_left_is(house: House, desk: AlertDesk) -> None:
    """Chats ring at case workers and managers."""
    ring(house, desk, "A0")
    assert ([], 1) == (seen(house, desk, "anna"), len(seen(house, desk, "maria")))
    for changed in ({"active": False}, {"role": "cleaner"}):
        karin = member(house, "karin")
        for name, value in changed.items():
            setattr(karin, name, value)
        with pytest.raises(NotFound):
            run(desk.recent(karin))
        assert 0 == run(desk.banner(karin)).ringing


def test_another_branch_is_not_told_of_a_units_alert(house: House, desk: AlertDesk) -> None:
    """Secrecy holds between branches: 8 kap. 2 § offentlighets- och sekretesslagen."""
    ring(house, desk, "A0", chat="", source="concern", subject="e" * 24, unit="mottagning_barn")
    stranger = member(house, "johan")
    stranger.unit = "funktionshinder"
    assert [] == run(desk.recent(stranger)) and 1 == len(seen(house, desk, "johan"))
    with pytest.raises(NotFound):
        run(desk.acknowledge(stranger, seen(house, desk)[0].id, "A0"))


# Seeing it.


def test_seeing_is_written_down_and_shown_to_others(house: House, desk: AlertDesk, clock: ManualClock) -> None:
    """With the first name and the time, in the banner for ten minutes and in the list for good."""
    ring(house, desk, "A0")
    karin, johan = member(house, "karin"), member(house, "johan")
    alert = seen(house, desk)[0].id
    assert 1 == run(desk.banner(johan)).ringing
    run(desk.acknowledge(karin, alert, "A0"))
    run(desk.acknowledge(karin, alert, "A0"))  # pressed twice
    banner = run(desk.banner(johan))
    assert (0, ["Karin"]) == (banner.ringing, [row.seen_by for row in banner.rows])
    with pytest.raises(Conflict):
        run(desk.acknowledge(johan, alert, "A0"))
    clock.forward(minutes=11)
    assert [] == run(desk.banner(johan)).rows
    assert ["Karin"] == [row.seen_by for row in seen(house, desk, "johan")]
    query = sa.select(AuditEvent.actor, AuditEvent.detail).where(AuditEvent.subject == alert)
    assert [(karin.id, "A0")] == house.db.read_now(lambda session: [tuple(row) for row in session.execute(query)])


def test_what_was_raised_meanwhile_is_not_seen_by_an_old_button(house: House, desk: AlertDesk) -> None:
    """Whoever pressed on "in danger today" has not seen "in danger now"."""
    ring(house, desk, "A1")
    alert = seen(house, desk)[0].id
    ring(house, desk, "A0")
    with pytest.raises(Conflict):
        run(desk.acknowledge(member(house, "karin"), alert, "A1"))
    assert seen(house, desk)[0].ringing


def test_two_at_once_and_one_wins(house: House, desk: AlertDesk) -> None:
    """Ten colleagues press in the same moment: one has seen it, nine are told so, one row in the audit."""
    ring(house, desk, "A0")
    alert = seen(house, desk)[0].id
    people = [member(house, login) for login in ("karin", "johan", "maria")]
    gate, outcomes = threading.Barrier(9), []

    def press(staff: StaffMember) -> None:
        gate.wait()
        try:
            run(desk.acknowledge(staff, alert, "A0"))
            outcomes.append(staff.id)
        except Conflict:
            outcomes.append("")

    threads = [threading.Thread(target=press, args=(people[number % 3],)) for number in range(9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    winners = {outcome for outcome in outcomes if outcome}
    query = sa.select(AuditEvent.actor).where(AuditEvent.subject == alert)
    actors = house.db.read_now(lambda session: list(session.scalars(query)))
    assert 1 == len(winners) and list(winners) == actors
    assert 6 <= outcomes.count("")


def test_two_dangers_of_one_chat_at_once_are_one_alert(house: House, desk: AlertDesk) -> None:
    """The database's index decides, and neither message is lost for it."""
    gate = threading.Barrier(6)

    def write() -> None:
        gate.wait()
        ring(house, desk, "A0")

    threads = [threading.Thread(target=write) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (1, 1) == (len(seen(house, desk)), len(mails(house)))


def test_alerts_go_by_themselves(house: House, desk: AlertDesk, clock: ManualClock) -> None:
    """After thirty days, seen or not, and not before."""
    ring(house, desk, "A0")
    ring(house, desk, "A1", chat="c2")
    run(desk.acknowledge(member(house, "karin"), seen(house, desk)[0].id, seen(house, desk)[0].level))
    clock.forward(days=30)
    assert 0 == run(desk.purge())
    clock.forward(seconds=1)
    assert 2 == run(desk.purge()) and [] == seen(house, desk)
