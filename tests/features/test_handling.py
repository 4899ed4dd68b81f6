"""Promise: what staff do with a concern is guarded, written down with its reason, and never silent for the person."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from backend.concerns.handling import HandlingDesk
from backend.concerns.inbox import Filter, InboxDesk
from backend.concerns.reports import Report
from backend.concerns.service import ConcernDesk, Intake, Moved
from backend.concerns.tables import Concern, ConcernAssessment, ConcernRelease
from backend.core import access
from backend.core.access import From, Kind
from backend.core.audit import AuditEvent, Tag
from backend.core.db import Base
from backend.core.errors import Conflict, InvalidField, NotFound
from backend.core.house import House
from backend.core.outbox import OutboxMessage
from backend.core.people import Role, StaffMember
from backend.core.reader import Reader
from tests.conftest import ManualClock
from tests.features.test_concerns import CALL_ME, CANARY, HONOUR, STORY, add_staff, count, run

WHY = "Barnet är hos mormor i kväll, mormor svarade själv."
SEEN = replace(
    STORY, reader=Reader("professional", "adult"), about="other_child", source="mandated",
    report=Report(
        {"name": "Eva Ek", "role": "Kurator", "workplace": "Norrskolan", "phone": "070-174 06 05"},
        {"name": "Lo Kanarie", "birth": "2015", "school": "Norrskolan"}, True,
    ),
)  # fmt: skip
HEARD = replace(SEEN, reader=Reader("adult", "adult"), source="private", report=Report({}, {"name": "Lo Kanarie"}))


@pytest.fixture
def desk(house: House) -> ConcernDesk:
    return ConcernDesk(house)


@pytest.fixture
def handling(house: House) -> HandlingDesk:
    return HandlingDesk(house)


@pytest.fixture
def karin(house: House) -> StaffMember:
    """A case worker with the degree."""
    return add_staff(house, name="karin", qualified=True)


def told(desk: ConcernDesk, intake: Intake = STORY) -> str:
    return str(run(desk.receive(intake)).concern_id)


def row(house: House, concern_id: str) -> Concern:
    found = house.db.read_now(lambda session: session.get(Concern, concern_id))
    assert found is not None
    return found


def logged(house: House, subject: str) -> list[str]:
    """Tags of one thing, without the reading of it."""
    tags = house.db.read_now(
        lambda session: list(session.scalars(sa.select(AuditEvent.tag).where(AuditEvent.subject == subject)))
    )
    return [tag for tag in tags if tag != Tag.CONCERN_READ.value]


# Strangers first.


@pytest.mark.parametrize("who", ["another unit", "somebody who has left", "somebody it is withheld from"])
def test_a_stranger_can_do_nothing(
    desk: ConcernDesk, handling: HandlingDesk, house: House, karin: StaffMember, who: str
) -> None:
    """Every deed: it does not exist, nothing is changed and nothing is written down."""
    concern = told(desk, SEEN)
    stranger = add_staff(
        house, name="stranger", unit="vuxen" if who == "another unit" else "mottagning_barn", qualified=True,
        active=who != "somebody who has left",
    )  # fmt: skip
    if who == "somebody it is withheld from":
        house.db.write_now(
            lambda session: access.withhold(
                session,
                house.vault,
                house.clock.now(),
                karin,
                (Kind.CONCERN, concern),
                (From.STAFF, stranger.id),
                "Är granne med familjen.",
            )
        )
    before = logged(house, concern)
    for attempt in (
        handling.decline(stranger, concern, WHY),
        handling.later(stranger, concern, date(2026, 11, 27), WHY),
        handling.move(stranger, concern, "barn", WHY),
        handling.check(stranger, concern, "safe", WHY),
        handling.decide(stranger, concern, "open", WHY),
        handling.start_decision(stranger, concern),
        handling.ask_feedback(stranger, concern),
        handling.give_feedback(stranger, concern, "phone"),
        handling.close(stranger, concern, WHY),
        handling.open_identity(stranger, concern, WHY),
        handling.handled(stranger, concern),
        desk.open_for(stranger, concern),
    ):
        with pytest.raises(NotFound):
            run(attempt)
    assert [concern] == run(handling.take_all(stranger, [concern])).missed
    assert ("new", before) == (row(house, concern).state, logged(house, concern))


# The protection check and the decision.


def test_a_protection_check_needs_name_time_and_outcome_by_somebody_qualified(
    desk: ConcernDesk, handling: HandlingDesk, house: House, karin: StaffMember, clock: ManualClock
) -> None:
    """SoL 20:1 and 25:1: without the degree, an outcome or a reason nothing is written, and the clock goes on."""
    concern, colleague = told(desk), add_staff(house, name="colleague")
    for staff, outcome, reason, field in (
        (colleague, "safe", WHY, "outcome"),
        (karin, "", WHY, "outcome"),
        (karin, "fine", WHY, "outcome"),
        (karin, "safe", "", "reason"),
        (karin, "safe", "ok", "reason"),
        (karin, "safe", "\u202e \u200b" * 9, "reason"),
        (karin, "safe", "å" * 501, "reason"),
    ):
        with pytest.raises(Exception) as caught:
            run(handling.check(staff, concern, outcome, reason))
        assert field == getattr(caught.value, "extra", {}).get("field", "reason")
    assert (0, None, "T1") == (
        count(house, ConcernAssessment),
        row(house, concern).checked_at,
        row(house, concern).next_clock,
    )
    run(handling.check(karin, concern, "safe", WHY))
    made = run(handling.handled(karin, concern)).check
    assert ("karin", clock.now(), "safe", WHY) == (made.name, made.at, made.outcome, made.reason)
    assert ("T2", date(2026, 12, 9)) == (row(house, concern).next_clock, row(house, concern).next_due)


@pytest.mark.parametrize(
    "change",
    [{"qualified": False}, {"name": ""}, {"name": None}, {"at": None}, {"outcome": "fine"}, {"outcome": None},
     {"kind": "guess"}, {"kind": "decision"}],
)  # fmt: skip
def test_the_database_itself_refuses_a_check_that_is_not_whole(
    desk: ConcernDesk, house: House, karin: StaffMember, change: dict[str, Any]
) -> None:
    """Written past every service: name, time, outcome and degree are constraints."""
    concern = told(desk)
    whole = {
        "concern_id": concern, "kind": "check", "at": house.clock.now(), "staff_id": karin.id, "name": "Karin",
        "qualified": True, "outcome": "safe", "reason": b"x",
    }  # fmt: skip
    with pytest.raises(IntegrityError):
        house.db.write_now(lambda session: session.execute(sa.insert(ConcernAssessment).values(**whole | change)))
    house.db.write_now(lambda session: session.execute(sa.insert(ConcernAssessment).values(**whole)))


def test_two_check_at_once_and_one_is_told(desk: ConcernDesk, handling: HandlingDesk, house: House) -> None:
    """Eight at the same moment: one check, seven conflicts; a naive look-then-write would have more."""
    concern = told(desk)
    staff = [add_staff(house, name=f"worker-{number}", qualified=True) for number in range(8)]

    async def race() -> list[Any]:
        return await asyncio.gather(
            *(handling.check(one, concern, "safe", WHY) for one in staff), return_exceptions=True
        )

    outcomes = run(race())
    assert (1, 7) == (outcomes.count(None), sum(isinstance(one, Conflict) for one in outcomes))
    assert (1, 1) == (count(house, ConcernAssessment), logged(house, concern).count(Tag.CONCERN_CHECKED.value))


def test_a_degree_that_was_taken_away_counts_no_longer(
    desk: ConcernDesk, handling: HandlingDesk, house: House, karin: StaffMember
) -> None:
    """Asked anew in the deed, whatever the page believed."""
    concern = told(desk)
    house.db.write_now(lambda session: setattr(session.get(StaffMember, karin.id), "qualified", False))
    with pytest.raises(InvalidField):
        run(handling.check(karin, concern, "safe", WHY))


def test_a_decision_comes_after_the_check_once_and_closes(
    desk: ConcernDesk, handling: HandlingDesk, house: House, karin: StaffMember
) -> None:
    """SoL 20:2; when nothing is left to do the concern leaves the list, and the person is told that it is decided."""
    concern = told(desk)
    with pytest.raises(InvalidField) as caught:
        run(handling.decide(karin, concern, "open", WHY))
    assert "check" == caught.value.code
    run(handling.check(karin, concern, "investigate_now", WHY))
    run(handling.decide(karin, concern, "open", WHY))
    with pytest.raises(Conflict):
        run(handling.decide(karin, concern, "not_open", WHY))
    assert "open" == run(handling.handled(karin, concern)).decision.outcome
    assert ("closed", []) == (run(desk.status(concern)).state, run(desk.list_open(karin)).rows)


def test_violence_is_said_to_be_investigated_without_delay(
    desk: ConcernDesk, handling: HandlingDesk, karin: StaffMember
) -> None:
    """Told in words or ticked, past or not; a row of the rules, no judgement."""
    for intake, expected in (
        (STORY, False),
        (replace(STORY, danger_level="A2", danger_category="D01"), True),
        (replace(STORY, needs=["violence"]), True),
        (replace(STORY, danger_level="A1", danger_category="D14"), False),
    ):
        assert expected == run(handling.handled(karin, told(desk, intake))).without_delay


def test_where_no_child_was_known_the_fourteen_days_can_start_and_count_from_the_arrival(
    desk: ConcernDesk, handling: HandlingDesk, house: House, clock: ManualClock
) -> None:
    """Nobody can set the day: it follows from when the concern came."""
    johan = add_staff(house, "vuxen", name="johan", qualified=True)
    concern = told(desk, CALL_ME)
    run(handling.check(johan, concern, "safe", WHY))
    with pytest.raises(InvalidField) as caught:
        run(handling.decide(johan, concern, "open", WHY))
    assert "clock" == caught.value.code
    clock.forward(days=5)
    run(handling.start_decision(johan, concern))
    with pytest.raises(Conflict):
        run(handling.start_decision(johan, concern))
    assert ("T2", date(2026, 12, 9)) == (row(house, concern).next_clock, row(house, concern).next_due)


def test_what_has_no_limit_left_is_closed_by_somebody_and_not_before(
    desk: ConcernDesk, handling: HandlingDesk, house: House
) -> None:
    """An adult's own concern: after the check it stays in the list until somebody says why it is done."""
    johan = add_staff(house, "vuxen", name="johan", qualified=True)
    concern = told(desk, CALL_ME)
    with pytest.raises(Conflict):
        run(handling.close(johan, concern, WHY))
    run(handling.check(johan, concern, "safe", WHY))
    assert [concern] == [one.id for one in run(desk.list_open(johan)).rows]
    run(handling.close(johan, concern, WHY))
    assert [] == run(desk.list_open(johan)).rows
    with pytest.raises(Conflict):
        run(handling.close(johan, concern, WHY))


# Feedback to who must report.


def test_a_mandated_reporter_who_asked_is_told_within_a_week_of_the_decision(
    desk: ConcernDesk, handling: HandlingDesk, house: House, karin: StaffMember, clock: ManualClock
) -> None:
    """SoL 19:6: the clock starts with the decision, and the concern is open until the reporter knows."""
    concern = told(desk, SEEN)
    run(handling.check(karin, concern, "safe", WHY))
    clock.forward(days=3)
    with pytest.raises(Conflict):
        run(handling.give_feedback(karin, concern, "phone"))
    run(handling.decide(karin, concern, "not_open", WHY))
    assert ("T4", date(2026, 12, 5)) == (row(house, concern).next_clock, row(house, concern).next_due)
    clocks = run(desk.list_open(karin)).rows[0].clocks
    assert ("T4", "SoL 19:6", 7) == (clocks[-1].name, clocks[-1].source, clocks[-1].days_left)
    with pytest.raises(InvalidField):
        run(handling.give_feedback(karin, concern, "mail"))
    run(handling.give_feedback(karin, concern, "phone"))
    with pytest.raises(Conflict):
        run(handling.give_feedback(karin, concern, "letter"))
    assert "closed" == row(house, concern).state
    assert ("phone", "karin") == (
        (report := run(handling.handled(karin, concern)).report).feedback_how, report.feedback_by,
    )  # fmt: skip


def test_who_asks_after_the_decision_is_told_at_once(
    desk: ConcernDesk, handling: HandlingDesk, house: House, karin: StaffMember, clock: ManualClock
) -> None:
    """The closed concern comes back to the list, due the same day."""
    concern = told(desk, replace(SEEN, report=replace(SEEN.report or Report(), feedback=False)))
    run(handling.check(karin, concern, "safe", WHY))
    run(handling.decide(karin, concern, "open", WHY))
    assert "closed" == row(house, concern).state
    clock.forward(days=20)
    run(handling.ask_feedback(karin, concern))
    assert ("accepted", "T4", date(2026, 12, 15)) == (
        row(house, concern).state, row(house, concern).next_clock, row(house, concern).next_due,
    )  # fmt: skip


def test_a_private_person_has_no_right_to_feedback(
    desk: ConcernDesk, handling: HandlingDesk, karin: StaffMember
) -> None:
    """Only who must report (SoL 19:6)."""
    concern = told(desk, replace(HEARD, report=Report({"name": "Nils"}, {}, True)))
    assert not run(handling.handled(karin, concern)).report.feedback_wanted
    with pytest.raises(NotFound):
        run(handling.ask_feedback(karin, concern))


# Who reported, and which child.


def test_identities_lie_apart_and_are_opened_with_a_reason(
    desk: ConcernDesk, handling: HandlingDesk, house: House, karin: StaffMember
) -> None:
    """Reading the words does not show them; opening says why, and both are written down without the names."""
    concern = told(desk, SEEN)
    opened = run(desk.open_for(karin, concern))
    assert "Lo Kanarie" not in repr(opened) and "Eva Ek" not in repr(run(handling.handled(karin, concern)))
    for reason in ("", "nyfiken"):
        with pytest.raises(InvalidField):
            run(handling.open_identity(karin, concern, reason))
    assert Tag.CONCERN_IDENTITY.value not in logged(house, concern)
    identity = run(handling.open_identity(karin, concern, "Ringer skolan om i dag"))
    assert ("Eva Ek", "+46701740605", "Lo Kanarie") == (
        identity.reporter["name"], identity.reporter["phone"], identity.child["name"],
    )  # fmt: skip
    assert Tag.CONCERN_IDENTITY.value in logged(house, concern)

    def dump(session: Any) -> str:
        return " ".join(repr(list(session.execute(sa.select(table)))) for table in Base.metadata.sorted_tables)

    stored = house.db.read_now(dump)
    for secret in ("Kanarie", "Eva Ek", "Norrskolan", "Ringer skolan", "701740605"):
        assert secret not in stored


def test_a_professional_cannot_be_nameless_and_a_neighbour_can(desk: ConcernDesk, house: House) -> None:
    """SoL 19:1 and domain.md 3.1: name, role and number of who must report; nothing of who need not."""
    for missing in ("name", "role", "phone"):
        reporter = {key: value for key, value in (SEEN.report or Report()).reporter.items() if key != missing}
        with pytest.raises(InvalidField) as caught:
            told(desk, replace(SEEN, report=Report(reporter, {})))
        assert ("missing", f"reporter_{missing}") == (caught.value.code, caught.value.extra["field"])
    assert 0 == count(house, Concern)
    told(desk, HEARD)


def test_advice_without_names_keeps_no_names(desk: ConcernDesk, handling: HandlingDesk, karin: StaffMember) -> None:
    """Whatever was typed beside the question is not stored: a consultation is about nobody."""
    concern = told(desk, replace(SEEN, source="consult", report=Report({"name": "Eva Ek"}, {"name": "Lo"}, True)))
    identity = run(handling.open_identity(karin, concern, "Ser om något står här"))
    assert ({}, {}) == (identity.reporter, identity.child)
    assert not run(handling.handled(karin, concern)).decision_runs


# Give back, put off, move.


def test_what_is_given_back_is_gone_for_the_giver_at_once(
    desk: ConcernDesk, handling: HandlingDesk, house: House, karin: StaffMember
) -> None:
    """It waits for the others; who gave it back reads it only after taking it anew."""
    concern, colleague = told(desk), add_staff(house, name="colleague")
    run(desk.accept(karin, concern))
    with pytest.raises(Conflict):
        run(handling.decline(colleague, concern, WHY))
    run(handling.decline(karin, concern, "Barnet går i klass med mitt eget."))
    for attempt in (
        desk.open_for(karin, concern),
        desk.answer(karin, concern, "Hej"),
        handling.handled(karin, concern),
    ):
        with pytest.raises(NotFound):
            run(attempt)
    assert [(concern, "new", False)] == [(one.id, one.state, one.openable) for one in run(desk.list_open(karin)).rows]
    assert CANARY == run(desk.open_for(colleague, concern)).words[0]
    assert "Barnet går i klass" in run(handling.handled(colleague, concern)).handovers[0].reason
    run(desk.accept(karin, concern))
    assert CANARY == run(desk.open_for(karin, concern)).words[0]


def test_a_restricted_one_given_back_waits_again(
    desk: ConcernDesk, handling: HandlingDesk, house: House, karin: StaffMember
) -> None:
    """The whole unit sees that it waits, and nobody can read it."""
    concern, colleague = told(desk, HONOUR), add_staff(house, name="colleague")
    run(desk.accept(karin, concern))
    run(handling.decline(karin, concern, WHY))
    assert [(concern, False)] == [(one.id, one.openable) for one in run(desk.list_open(colleague)).rows]


def test_put_off_is_for_the_holder_and_for_days_to_come(
    desk: ConcernDesk, handling: HandlingDesk, house: House, karin: StaffMember
) -> None:
    """Not today, not for ever, and not what somebody else has."""
    concern, colleague = told(desk), add_staff(house, name="colleague")
    with pytest.raises(Conflict):
        run(handling.later(karin, concern, date(2026, 11, 27), WHY))
    run(desk.accept(karin, concern))
    for day in (date(2026, 11, 25), date(2026, 11, 1), date.min, date(2026, 12, 26)):
        with pytest.raises(InvalidField):
            run(handling.later(karin, concern, day, WHY))
    with pytest.raises(Conflict):
        run(handling.later(colleague, concern, date(2026, 11, 27), WHY))
    run(handling.later(karin, concern, date(2026, 11, 27), WHY))
    assert date(2026, 11, 27) == run(handling.handled(karin, concern)).later_until


def test_a_move_is_never_silent(desk: ConcernDesk, handling: HandlingDesk, house: House, karin: StaffMember) -> None:
    """The new unit has it and is told, the old one no longer knows of it, the person sees where it went."""
    concern, lisa = told(desk), add_staff(house, "barn", name="lisa")
    run(desk.accept(karin, concern))
    mails = count(house, OutboxMessage)
    assert "Barn och unga, utredning" == run(handling.move(karin, concern, "barn", WHY))
    with pytest.raises(NotFound):
        run(desk.open_for(karin, concern))
    assert [(concern, "new")] == [(one.id, one.state) for one in run(desk.list_open(lisa)).rows]
    status = run(desk.status(concern))
    moved = Moved(house.clock.now(), "Mottagning barn och unga", "Barn och unga, utredning")
    assert ("Barn och unga, utredning", (moved,)) == (status.unit, status.moves)
    handed = run(handling.handled(lisa, concern)).handovers[0]
    assert ("moved", "karin", WHY) == (handed.kind, handed.name, handed.reason)
    assert mails + 1 == count(house, OutboxMessage)
    assert WHY not in repr(status)
    assert "R07_child_writes" == row(house, concern).rule_id


def test_a_move_across_a_border_of_secrecy_needs_a_ground(
    desk: ConcernDesk, handling: HandlingDesk, house: House, karin: StaffMember
) -> None:
    """OSL 26:1, 12:2: another branch is another authority in this; inside the same branch none is kept."""
    concern = told(desk)
    for ground in ("", "because"):
        with pytest.raises(InvalidField) as caught:
            run(handling.move(karin, concern, "socialpsykiatri", WHY, ground=ground))
        assert "ground" == caught.value.extra["field"]
    run(handling.move(karin, concern, "socialpsykiatri", WHY, ground="consent"))
    pia = add_staff(house, "socialpsykiatri", name="pia")
    assert "consent" == run(handling.handled(pia, concern)).handovers[0].ground
    for unit in ("", "trafik", "socialpsykiatri"):
        with pytest.raises(InvalidField):
            run(handling.move(pia, concern, unit, WHY, ground="consent"))


def test_a_stale_form_moves_nothing(
    desk: ConcernDesk, handling: HandlingDesk, house: House, karin: StaffMember
) -> None:
    """Opened by two: the second is told that it has been taken since, and it stays where it is."""
    concern, colleague = told(desk), add_staff(house, name="colleague")
    form = (row(house, concern).unit, "")
    run(desk.accept(colleague, concern))
    with pytest.raises(Conflict):
        run(handling.move(karin, concern, "barn", WHY, expected=form))
    assert "mottagning_barn" == row(house, concern).unit


def test_a_child_found_in_an_adults_concern_starts_the_fourteen_days_with_the_move(
    desk: ConcernDesk, handling: HandlingDesk, house: House, clock: ManualClock
) -> None:
    """One step for the adult's unit; the days count from the arrival there."""
    johan = add_staff(house, "vuxen", name="johan")
    concern = told(desk, CALL_ME)
    clock.forward(days=1)
    run(handling.move(johan, concern, "mottagning_barn", WHY, child_at_risk=True))
    assert date(2026, 12, 9) == row(house, concern).decision_due


def test_several_are_taken_at_once_and_the_rest_is_told(
    desk: ConcernDesk, handling: HandlingDesk, house: House, karin: StaffMember
) -> None:
    """A Monday morning: forty ticked, one that a colleague had, one of another unit, one that never was, one twice."""
    colleague = add_staff(house, name="colleague")
    ids = [told(desk) for _ in range(5)]
    foreign = told(desk, CALL_ME)
    run(desk.accept(colleague, ids[2]))
    taken = run(handling.take_all(karin, [*ids, foreign, "0" * 24, ids[0]]))
    assert ([ids[0], ids[1], ids[3], ids[4]], [ids[2], foreign, "0" * 24]) == (taken.mine, taken.missed)
    assert "new" == row(house, foreign).state


def test_two_take_the_same_forty_and_share_them(
    desk: ConcernDesk, handling: HandlingDesk, house: House, karin: StaffMember
) -> None:
    """Both press at once: each concern has one holder, and each of the two is told which are theirs."""
    colleague = add_staff(house, name="colleague")
    ids = [told(desk) for _ in range(12)]

    async def race() -> Any:
        return await asyncio.gather(handling.take_all(karin, ids), handling.take_all(colleague, ids[::-1]))

    one, two = run(race())
    assert sorted(ids) == sorted(one.mine + two.mine) and set() == set(one.mine) & set(two.mine)


def test_reasons_are_sealed_and_in_the_log(
    desk: ConcernDesk, handling: HandlingDesk, house: House, karin: StaffMember
) -> None:
    """Who, what and why can be found by a manager; the database alone tells none of the words."""
    concern = told(desk)
    run(desk.accept(karin, concern))
    run(handling.later(karin, concern, date(2026, 11, 27), "Väntar på kanariefågeln"))
    run(handling.decline(karin, concern, "Kanariefågeln är min granne"))

    def events(session: Any) -> list[AuditEvent]:
        return list(session.scalars(sa.select(AuditEvent).where(AuditEvent.reason.is_not(None))))

    from backend.core.audit import open_reason

    found = [
        house.db.read_now(lambda session, one=one: open_reason(session, house.vault, one))  # type: ignore[misc]
        for one in house.db.read_now(events)
    ]
    assert ["Väntar på kanariefågeln", "Kanariefågeln är min granne"] == found


def test_nobody_releases_their_own_wish(desk: ConcernDesk, house: House, karin: StaffMember) -> None:
    """The second person is another one: a constraint."""
    concern = told(desk)
    own = {
        "id": "0" * 24, "concern_id": concern, "asked_by": karin.id, "asked_at": house.clock.now(), "reason": b"x",
        "approved_by": karin.id, "approved_at": house.clock.now(),
    }  # fmt: skip
    with pytest.raises(IntegrityError):
        house.db.write_now(lambda session: session.execute(sa.insert(ConcernRelease).values(**own)))


def test_roles_do_not_make_up_for_a_unit(desk: ConcernDesk, handling: HandlingDesk, house: House) -> None:
    """A manager, an administrator and a coordinator of another unit are strangers too."""
    concern = told(desk)
    for role in (Role.MANAGER, Role.ADMIN, Role.COORDINATOR, Role.ON_CALL):
        other = add_staff(house, "vuxen", role, qualified=True)
        with pytest.raises(NotFound):
            run(handling.check(other, concern, "safe", WHY))


def test_days_are_whole_days(
    desk: ConcernDesk, handling: HandlingDesk, house: House, karin: StaffMember, clock: ManualClock
) -> None:
    """A decision late in the evening counts from that day in Stockholm, not from the next in London."""
    concern = told(desk, SEEN)
    run(handling.check(karin, concern, "safe", WHY))
    clock.forward(hours=14, minutes=30)
    run(handling.decide(karin, concern, "open", WHY))
    assert date(2026, 11, 25) + timedelta(days=7) == row(house, concern).feedback_due


# What nobody takes.


def test_what_nobody_takes_in_time_is_told_to_the_manager_once(
    desk: ConcernDesk, handling: HandlingDesk, house: House, clock: ManualClock, karin: StaffMember
) -> None:
    """By a mail that says nothing, and where it stands in the queue; taken, given back and left again it is told again."""
    add_staff(house, name="maria", role=Role.MANAGER, mail="maria@exempelby.example")
    left, taken = told(desk), told(desk, replace(STORY, words=["En annan."]))
    run(desk.accept(karin, taken))
    clock.forward(hours=3, minutes=59)
    assert 0 == run(desk.remind())
    clock.forward(minutes=1)
    assert (1, 0) == (run(desk.remind()), run(desk.remind()))
    assert Tag.CONCERN_UNTAKEN.value == logged(house, left)[-1] and Tag.CONCERN_UNTAKEN.value not in logged(
        house, taken
    )
    assert ["new", True] == [
        one
        for item in run(InboxDesk(house, desk).look(karin, Filter())).items
        if item.row.id == left
        for one in (item.row.state, item.untaken)
    ]
    run(desk.accept(karin, left))
    run(handling.decline(karin, left, WHY))
    assert 0 == run(desk.remind())
    clock.forward(days=1)
    assert 1 == run(desk.remind())
    mails = house.db.read_now(
        lambda session: [
            (one.subject, one.body)
            for one in session.scalars(sa.select(OutboxMessage))
            if one.recipient == "maria@exempelby.example"
        ]
    )
    assert 2 == len(mails) and all("Kanarie" not in subject + body and left not in body for subject, body in mails)


def test_nobodys_time_to_take_runs_at_night(desk: ConcernDesk, house: House, clock: ManualClock) -> None:
    """What comes on a Friday evening is late on Monday, not on Saturday."""
    clock.forward(days=2, hours=12)
    told(desk)
    clock.forward(days=2)
    assert 0 == run(desk.remind())
    clock.forward(days=1)
    assert 1 == run(desk.remind())
