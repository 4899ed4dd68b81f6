"""Promise: what is needed before, after and instead of a talk is there for the right people, sealed, and asked for."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from backend.booking.attending import Attending
from backend.booking.attending_rules import AfterRecord, follow_up
from backend.booking.lifecycle import BOOKED, DONE, NO_SHOW
from backend.booking.safe import Safe
from backend.booking.service import BookingDesk, Details
from backend.booking.tables import AfterTalk, Booking, MissedTalk
from backend.core import codes
from backend.core.audit import AuditEvent, Tag
from backend.core.clock import to_local
from backend.core.errors import Conflict, InvalidField, KeyReused, NotFound
from backend.core.house import House
from backend.core.idempotency import key_for
from backend.core.outbox import OutboxMessage
from backend.core.people import Role, StaffMember
from backend.core.reader import Reader
from tests.conftest import ManualClock
from tests.therapists import add_staff, add_therapist, cells_of, count, overlaps

CANARY = "Kanariefågeln vågar inte gå hem"
CHILD = Reader("child", "10-12")
HELD = AfterRecord(
    "no", "Inget tyder på att barnet far illa.", "advice", "new_talk", "Anna", "Att jag kan behöva anmäla."
)
WEDNESDAY = date(2026, 11, 25)


def run(work: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(work)


@pytest.fixture
def anna(house: House) -> StaffMember:
    """Anna works from 9 to 12 on a Wednesday that is nine o'clock old."""
    return add_therapist(house, "anna", [("09:00", "12:00")])


@pytest.fixture
def desk(house: House, anna: StaffMember) -> BookingDesk:
    return BookingDesk(house)


@pytest.fixture
def attending(house: House) -> Attending:
    return Attending(house)


def book(desk: BookingDesk, holder: str = "chat:1", details: Details | None = None) -> Any:
    async def both() -> Any:
        offer = await desk.offer()
        await desk.hold(holder, offer.times[0].slot)
        return await desk.confirm(holder, details or Details("chat", CHILD, note=CANARY))

    return run(both())


def state(house: House, booking_id: str) -> str:
    return house.db.read_now(lambda s: s.get(Booking, booking_id).state)


# Strangers first.


def test_strangers_are_told_that_it_does_not_exist(
    desk: BookingDesk, house: House, attending: Attending, clock: ManualClock
) -> None:
    """Reading, finishing, missing, deciding, a new code, who is free then: 404 for whoever has nothing to do with it."""
    made = book(desk)
    clock.at = made.end
    strangers = [add_staff(house, "other", unit="vuxen"), add_staff(house, "case", role=Role.CASE_WORKER)]
    one = made.booking_id

    def deeds(who: StaffMember) -> list[Coroutine[Any, Any, Any]]:
        return [
            attending.sheet(who, one),
            attending.colleagues(who, one),
            attending.finish(who, one, HELD, "unset", None),
            attending.miss(who, one),
            attending.tried(who, one),
            attending.decide(who, one, "wait", "så"),
            attending.new_code(who, one, "called"),
            desk.changes.cancel_for(who, one),
        ]

    for who in strangers:
        for deed in deeds(who):
            with pytest.raises(NotFound):
                run(deed)
        listing = run(attending.day(who, WEDNESDAY, team=True))
        assert ([], [], [], []) == (listing.rows, listing.left, listing.missed, listing.follow_ups)
    assert BOOKED == state(house, made.booking_id)


# Before.


def test_the_sheet_has_what_was_told_and_leaves_a_trace(
    desk: BookingDesk, house: House, attending: Attending, anna: StaffMember
) -> None:
    """The words, the danger in them, what to call the person, how to reach them, who must not know, the wish."""
    safe = Safe(
        call_ok="unsure", others_answer="yes", if_other_answers="Fel nummer", if_missed="again", not_told="pappa"
    )
    details = Details(
        "phone", CHILD, phone="070-174 06 35", safe=safe, note=CANARY, call_me="Räven", interpreter="ar",
        danger_level="A1", danger_category="D01", rung=True,
    )  # fmt: skip
    made = book(desk, details=details)
    sheet = run(attending.sheet(anna, made.booking_id))
    assert (CANARY, "Räven", "+46701740635", "ar") == (sheet.note, sheet.call_me, sheet.phone, sheet.interpreter)
    assert (safe, CHILD, "A1", "D01") == (sheet.safe, sheet.reader, sheet.danger_level, sheet.danger_category)
    assert (None, None, False, True) == (sheet.after, sheet.missed, sheet.begun, sheet.has_code)
    assert ["confirmed"] == [trace.deed for trace in sheet.history]
    assert 1 == count(house, AuditEvent, AuditEvent.tag == Tag.BOOKING_READ.value)
    rows = house.db.read_now(lambda s: repr(s.execute(sa.select(Booking.__table__)).all()))
    assert not [secret for secret in ("Kanarie", "Räven", "pappa", "174") if secret in rows]


def test_the_day_shows_what_is_on_what_is_left_and_who_was_not_told(
    desk: BookingDesk, house: House, attending: Attending, anna: StaffMember, clock: ManualClock
) -> None:
    """Own talks or the team's; a notice that has not gone out in five minutes is told of."""
    add_therapist(house, "bo", [("09:00", "12:00")])
    made = [book(desk, f"chat:{number}") for number in range(4)]
    whole, own = (run(attending.day(anna, WEDNESDAY, team=team)) for team in (True, False))
    assert (4, 2) == (len(whole.rows), len(own.rows))
    assert {True} == {row.told for row in whole.rows}
    clock.at = made[0].start
    rows = run(attending.day(anna, WEDNESDAY, team=True)).rows
    assert [True, True, False, False] == [row.now for row in rows]
    assert {False} == {row.told for row in rows}
    house.db.write_now(lambda s: s.execute(sa.update(OutboxMessage).values(state="sent")))
    clock.at = made[0].end
    rows = run(attending.day(anna, WEDNESDAY, team=True)).rows
    assert ([True, True, False, False], {True}) == ([row.undone for row in rows], {row.told for row in rows})
    clock.at = datetime(2026, 11, 26, 7, tzinfo=UTC)
    assert len(own.rows) == len(run(attending.day(anna, date(2026, 11, 26))).left)


# After.


def test_a_talk_counts_as_held_when_the_checklist_is_written(
    desk: BookingDesk, house: House, attending: Attending, anna: StaffMember, clock: ManualClock
) -> None:
    """Not before it has begun, and not without an answer on the duty to report and why; sealed; corrected later."""
    made = book(desk)
    with pytest.raises(Conflict):
        run(attending.finish(anna, made.booking_id, HELD, "unset", None))
    clock.at = made.start
    later = clock.now() + timedelta(days=7)
    run(attending.finish(anna, made.booking_id, HELD, "unset", later))
    assert (DONE, 8) == (state(house, made.booking_id), cells_of(house, made.booking_id))
    after = run(attending.sheet(anna, made.booking_id)).after
    assert (HELD, "unset", later, "Anna") == (after.record, after.legal_basis, after.follow_up_at, after.by)
    again = AfterRecord("yes", "Barnet berättade om slag.", "journal", "report")
    run(attending.finish(anna, made.booking_id, again, "report_intake", None))
    assert again == run(attending.sheet(anna, made.booking_id)).after.record
    assert "slag" not in house.db.read_now(lambda s: repr(s.execute(sa.select(AfterTalk.__table__)).all()))
    assert not run(desk.cancel(made.booking_id))
    clock.forward(days=40)
    run(desk.purge())
    assert (0, 0) == (count(house, Booking), count(house, AfterTalk))


def test_a_follow_up_is_in_its_day_s_list(
    desk: BookingDesk, attending: Attending, anna: StaffMember, clock: ManualClock
) -> None:
    """Whoever promised to be in touch is reminded on the day."""
    made = book(desk)
    clock.at = made.start
    run(attending.finish(anna, made.booking_id, HELD, "unset", follow_up("2026-12-02", "13:30")))
    found = run(attending.day(anna, date(2026, 12, 2))).follow_ups
    assert [("02 13:30", made.booking_id)] == [(to_local(at).strftime("%d %H:%M"), one) for at, one, _ in found]


WRONG = [
    ({"report": ""}, "report"),
    ({"report": "maybe"}, "report"),
    ({"report_reason": " \u200b "}, "report_reason"),
    ({"report_reason": "a" * 2_001}, "report_reason"),
    ({"documented": "x"}, "documented"),
    ({"next_step": ""}, "next_step"),
    ({"told": "å" * 5_000}, "told"),
]


@pytest.mark.parametrize(("change", "field"), WRONG)
def test_what_is_missing_is_named_and_nothing_is_stored(
    desk: BookingDesk,
    house: House,
    attending: Attending,
    anna: StaffMember,
    clock: ManualClock,
    change: Any,
    field: str,
) -> None:
    """Each by its field."""
    made = book(desk)
    clock.at = made.start
    record = AfterRecord(**({name: getattr(HELD, name) for name in HELD.__struct_fields__} | change))
    with pytest.raises(InvalidField) as told:
        run(attending.finish(anna, made.booking_id, record, "unset", None))
    assert (field, BOOKED) == (told.value.extra["field"], state(house, made.booking_id))


def test_times_for_following_up_are_real_and_ahead(
    desk: BookingDesk, house: House, attending: Attending, anna: StaffMember, clock: ManualClock
) -> None:
    """'30 februari' is no day, yesterday is no time to follow up, and the gap of the clock change is the moment after it."""
    for day, clock_ in (
        ("2026-02-30", "10:00"),
        ("30 februari", ""),
        ("2026-12-01", "25:00"),
        ("2026-12-01", "10:00+02:00"),
    ):
        with pytest.raises(ValueError):
            follow_up(day, clock_)
    assert None is follow_up("", " ")
    assert datetime(2027, 3, 28, 1, tzinfo=UTC) == follow_up("2027-03-28", "02:30")
    made = book(desk)
    clock.at = made.start
    with pytest.raises(InvalidField):
        run(attending.finish(anna, made.booking_id, HELD, "unset", follow_up("2026-11-24", "10:00")))
    with pytest.raises(InvalidField):
        run(attending.finish(anna, made.booking_id, HELD, "because", None))
    assert BOOKED == state(house, made.booking_id)


# Instead.


def test_a_child_who_does_not_come_is_tried_once_and_then_decided_about(
    desk: BookingDesk, house: House, attending: Attending, anna: StaffMember, clock: ManualClock
) -> None:
    """Try, decide with a reason, settled; each step once, each with a trace; the time stays theirs meanwhile."""
    made = book(desk)
    with pytest.raises(Conflict):
        run(attending.miss(anna, made.booking_id))
    clock.at = made.start + timedelta(minutes=10)
    run(attending.miss(anna, made.booking_id))
    assert (NO_SHOW, 8) == (state(house, made.booking_id), cells_of(house, made.booking_id))
    assert ["try"] == [one.step for one in run(attending.day(anna, WEDNESDAY)).missed]
    with pytest.raises(Conflict):
        run(attending.miss(anna, made.booking_id))
    run(attending.tried(anna, made.booking_id))
    with pytest.raises(Conflict):
        run(attending.tried(anna, made.booking_id))
    for outcome, reason in (("", "så"), ("wait", " "), ("reached", "så")):
        with pytest.raises(InvalidField):
            run(attending.decide(anna, made.booking_id, outcome, reason))
    run(attending.decide(anna, made.booking_id, "consult", "Hon brukar alltid komma."))
    missed = run(attending.sheet(anna, made.booking_id)).missed
    assert ("settled", "consult", "Hon brukar alltid komma.") == (missed.step, missed.outcome, missed.reason)
    assert "brukar" not in house.db.read_now(lambda s: repr(s.execute(sa.select(MissedTalk.__table__)).all()))
    assert [] == run(attending.day(anna, WEDNESDAY)).missed
    with pytest.raises(Conflict):
        run(attending.decide(anna, made.booking_id, "wait", "igen"))
    assert ["confirmed", "missed", "tried", "decided"] == [
        trace.deed for trace in run(attending.sheet(anna, made.booking_id)).history
    ]


def test_who_has_asked_not_to_be_tried_again_is_not(
    desk: BookingDesk, attending: Attending, anna: StaffMember, clock: ManualClock
) -> None:
    """Their word comes before the routine; a person decides at once."""
    made = book(desk, details=Details("phone", CHILD, phone="070-174 06 35", safe=Safe(if_missed="wait")))
    clock.at = made.start
    run(attending.miss(anna, made.booking_id))
    assert ["decide"] == [one.step for one in run(attending.day(anna, WEDNESDAY)).missed]


def test_reaching_them_after_all_makes_it_a_talk(
    desk: BookingDesk, house: House, attending: Attending, anna: StaffMember, clock: ManualClock
) -> None:
    """The one try succeeded: the checklist settles it."""
    made = book(desk)
    clock.at = made.start
    run(attending.miss(anna, made.booking_id))
    run(attending.finish(anna, made.booking_id, HELD, "unset", None))
    assert (DONE, "reached") == (
        state(house, made.booking_id),
        run(attending.sheet(anna, made.booking_id)).missed.outcome,
    )


def test_who_was_missed_can_take_a_new_time_with_their_code(
    desk: BookingDesk, house: House, attending: Attending, anna: StaffMember, clock: ManualClock
) -> None:
    """Without having to explain anything; what was open about them is settled, and may begin anew."""
    made = book(desk)
    clock.at = made.start
    run(attending.miss(anna, made.booking_id))
    slot = run(desk.offer()).times[0].slot
    again = run(desk.changes.rebook(made.booking_id, slot))
    assert (BOOKED, 0) == (state(house, made.booking_id), overlaps(house))
    assert "came_back" == run(attending.sheet(anna, made.booking_id)).missed.outcome
    clock.at = again.start
    run(attending.miss(anna, made.booking_id))
    assert ["try"] == [one.step for one in run(attending.day(anna, WEDNESDAY)).missed]


# A lost code.


def test_a_new_code_opens_the_talk_and_the_old_one_nothing(
    desk: BookingDesk, house: House, attending: Attending, anna: StaffMember
) -> None:
    """With a reason that is written down; read aloud, so it is changed for another at its first use; sent twice, the same words."""
    made = book(desk)
    with pytest.raises(InvalidField):
        run(attending.new_code(anna, made.booking_id, "I say so"))
    key = key_for(b"p" * 32, "staff:anna", "k", {})
    words = run(attending.new_code(anna, made.booking_id, "called", key=key))
    assert words == run(attending.new_code(anna, made.booking_id, "called", key=key))
    assert words != made.words
    since = house.clock.now() - timedelta(days=1)
    old, new = (run(house.codes.digest(text)) for text in (made.words, words))
    assert None is house.db.read_now(lambda s: codes.lookup(s, old, since))
    row = house.db.read_now(lambda s: codes.lookup(s, new, since))
    assert (made.booking_id, True) == (row.subject, row.read_aloud)
    deed = house.db.read_now(
        lambda s: s.scalars(sa.select(AuditEvent).where(AuditEvent.tag == Tag.CODE_REISSUED.value)).one()
    )
    assert ("anna", "called") == (deed.actor, deed.detail)
    with pytest.raises(KeyReused):
        run(attending.new_code(anna, made.booking_id, "called", key=key_for(b"p" * 32, "staff:anna", "k", {"x": 1})))


def test_colleagues_are_told_apart_by_whether_they_can(
    desk: BookingDesk, house: House, attending: Attending, anna: StaffMember
) -> None:
    """Free and at work, free and not at work, busy; who has left or has no camera is not named at all."""
    add_therapist(house, "bo", [("09:00", "12:00")])
    add_therapist(house, "cia", [("13:00", "16:00")])
    add_therapist(house, "lena", [("09:00", "12:00")], channels="chat")
    add_therapist(house, "gone", [("09:00", "12:00")])
    house.db.write_now(lambda s: s.execute(sa.update(StaffMember).where(StaffMember.id == "gone").values(active=False)))
    first = book(desk, "chat:1", Details("video"))
    second = book(desk, "chat:2", Details("video"))
    assert first.start == second.start
    holder = house.db.read_now(lambda s: s.get(Booking, first.booking_id).therapist_id)
    found = run(attending.colleagues(anna, first.booking_id))
    assert {"anna", "bo", "cia"} - {holder} == {one.id for one in found}
    by_id = {one.id: (one.free, one.on_duty) for one in found}
    assert (True, False) == by_id["cia"]
    assert (False, True) == by_id[({"anna", "bo"} - {holder}).pop()]
