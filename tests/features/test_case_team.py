"""Promise: a case has one coordinator, a question to take part is answered in time or goes back, and nobody away is given anything."""

from __future__ import annotations

import threading
from datetime import date, timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from backend.booking.service import BookingDesk
from backend.booking.tables import Therapist
from backend.cases.desk import NewPerson
from backend.cases.tables import Case, CaseNote, CaseSeat, CaseState, SeatState
from backend.core.audit import AuditEvent, Tag
from backend.core.errors import Conflict, EmptyText, InvalidField, NotFound
from backend.core.house import House
from backend.core.outbox import OutboxMessage
from backend.core.people import StaffMember
from backend.core.roster import Away
from tests.cases import Town, key, new_town, run
from tests.conftest import ManualClock

WHY = "Jag känner familjen privat."


@pytest.fixture
def town(house: House) -> Town:
    return new_town(house)


def case_of(town: Town, case_id: str) -> Case:
    return town.house.db.read_now(lambda session: session.get_one(Case, case_id))


def mails(town: Town) -> list[str]:
    rows = town.house.db.read_now(
        lambda s: s.scalars(sa.select(OutboxMessage).order_by(OutboxMessage.created_at)).all()
    )
    assert all("Elsa" not in row.subject + row.body for row in rows)
    return [row.recipient for row in rows]


def clear_mails(town: Town) -> None:
    town.house.db.write_now(lambda session: session.execute(sa.delete(OutboxMessage)))


def asked(town: Town, member: StaffMember, case_id: str, leader: StaffMember | None = None) -> str:
    run(town.team.ask(leader or town.karin, case_id, member.unit, member.id))
    return next(ask.seat_id for ask in run(town.team.asks(member)) if ask.own)


def test_an_active_case_has_one_coordinator_and_the_database_says_so(town: Town) -> None:
    """None, and two, are both refused by the tables themselves."""
    child = town.child()
    with pytest.raises(IntegrityError):
        town.house.db.write_now(lambda s: s.execute(sa.update(Case).values(coordinator_id=None)))
    second = CaseSeat(
        id=key(), case_id=child.case_id, unit="vuxen", staff_id="johan", lead=False, coordinates=True,
        state="accepted", asked_at=town.house.clock.now(), asked_by="karin", version=1,
    )  # fmt: skip
    with pytest.raises(IntegrityError):
        town.house.db.write_now(lambda session: session.add(second))


def test_two_who_open_a_case_from_one_concern_at_once_make_one_case(town: Town) -> None:
    """The other is told, and finds the case that is there."""
    concern = town.tell()
    outcomes: list[str] = []

    def open_it(member: StaffMember) -> None:
        try:
            run(town.cases.open_from_concern(member, concern, NewPerson("child", "Elsa")))
            outcomes.append("opened")
        except Conflict:
            outcomes.append("conflict")

    threads = [threading.Thread(target=open_it, args=(member,)) for member in (town.karin, town.olle)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert ["conflict", "opened"] == sorted(outcomes)
    count = sa.select(sa.func.count()).select_from(Case)
    assert 1 == town.house.db.read_now(lambda session: session.scalar(count))


def test_accepting_opens_the_case_and_declining_never_does(town: Town) -> None:
    """Until the answer, who is asked knows a first name and who asks; after a no, nothing."""
    child = town.child()
    seat = asked(town, town.anna, child.case_id)
    with pytest.raises(NotFound):
        run(town.cases.page(town.anna, child.case_id))
    run(town.team.decline(town.anna, seat, WHY))
    with pytest.raises(NotFound):
        run(town.cases.page(town.anna, child.case_id))
    assert [("Anna", "declined", WHY)] == [
        (past.name, past.state, past.said) for past in run(town.cases.page(town.karin, child.case_id)).past
    ]
    queued = run(town.team.asks(town.anna))
    assert [(False, "")] == [(ask.own, ask.person.first_name) for ask in queued], "back in the unit's queue, nameless"
    assert child.case_id == run(town.team.accept(town.anna, queued[0].seat_id))
    assert "member" == run(town.cases.page(town.anna, child.case_id)).way


def test_what_is_not_answered_in_time_goes_back_to_the_queue_and_the_manager_is_told(
    town: Town, clock: ManualClock
) -> None:
    """Four hours of opening hours in the example file; the notice has no content."""
    child = town.child()
    seat = asked(town, town.anna, child.case_id)
    clear_mails(town)
    clock.forward(hours=3, minutes=59)
    assert 0 == run(town.team.lapse())
    clock.forward(minutes=1)
    assert 1 == run(town.team.lapse())
    assert ["bo@exempelby.example"] == mails(town)
    with pytest.raises(Conflict):
        run(town.team.accept(town.anna, seat))
    assert [False] == [ask.own for ask in run(town.team.asks(town.anna))]
    clock.forward(days=1)
    assert 1 == run(town.team.lapse()), "nobody in the unit has taken it: the manager is told again"
    assert ["bo@exempelby.example"] * 2 == mails(town)
    assert [True] == [ask.late for ask in run(town.team.asks(town.bo))]


def test_later_comes_back_in_the_morning_of_that_day(town: Town, clock: ManualClock) -> None:
    """Until then nothing lapses; two weeks is the longest."""
    child = town.child()
    seat = asked(town, town.anna, child.case_id)
    for day in (None, date(2026, 11, 25), date(2026, 12, 10)):
        with pytest.raises(InvalidField):
            run(town.team.later(town.anna, seat, day))
    run(town.team.later(town.anna, seat, date(2026, 11, 27)))
    clock.forward(days=1)
    assert 0 == run(town.team.lapse())
    clock.forward(days=1)
    assert 1 == run(town.team.lapse())
    ask = run(town.team.asks(town.anna))[0]
    assert (True, None, False) == (ask.own, ask.back_on, ask.late) and ask.answer_by is not None


def test_two_who_take_one_place_in_the_queue_get_one(town: Town) -> None:
    """One is in the team, the other is told; the database holds one seat."""
    child = town.child()
    run(town.team.ask(town.karin, child.case_id, "behandlare", None))
    seat = run(town.team.asks(town.anna))[0].seat_id
    outcomes: list[str] = []

    def take(member: StaffMember) -> None:
        try:
            run(town.team.accept(member, seat))
            outcomes.append("taken")
        except Conflict:
            outcomes.append("conflict")

    threads = [threading.Thread(target=take, args=(member,)) for member in (town.anna, town.bo)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert ["conflict", "taken"] == sorted(outcomes)
    accepted = sa.select(sa.func.count()).where(CaseSeat.unit == "behandlare", CaseSeat.state == "accepted")
    assert 1 == town.house.db.read_now(lambda session: session.scalar(accepted))


def test_nobody_off_duty_gets_a_new_case(town: Town) -> None:
    """Neither asked, nor moved to, nor by taking it themselves; back at work they do."""
    child = town.child()
    run(town.team.ask(town.karin, child.case_id, "behandlare", None))
    seat = run(town.team.asks(town.anna))[0].seat_id
    run(town.team.go_off(town.bo, "anna", "sick", None))
    for work in (
        town.team.ask(town.karin, child.case_id, "behandlare", "anna"),
        town.team.accept(town.anna, seat),
    ):
        with pytest.raises(InvalidField) as error:
            run(work)
        assert "off_duty" == error.value.code
    offered = [each.id for unit in run(town.team.choices(town.karin, child.case_id)) for each in unit.people]
    assert "anna" not in offered
    run(town.team.come_back(town.anna, "anna"))
    run(town.team.accept(town.anna, seat))


def test_an_absence_in_the_calendar_of_talks_counts_for_cases_too(town: Town, clock: ManualClock) -> None:
    """Planned for tomorrow: asked today, not tomorrow, and again when it is over."""
    child = town.child()
    town.house.db.write_now(lambda session: session.add(Therapist(staff_id="anna", channels="chat", meeting_url=None)))
    begin = clock.now() + timedelta(days=1)
    schedules = BookingDesk(town.house).schedules
    run(schedules.absent(town.anna, "anna", begin, begin + timedelta(days=1), Away.LEAVE))
    clock.forward(days=1)
    with pytest.raises(InvalidField) as error:
        run(town.team.ask(town.karin, child.case_id, "behandlare", "anna"))
    assert ("off_duty", "staff_id") == (error.value.code, error.value.extra["field"])
    clock.forward(days=1)
    run(town.team.ask(town.karin, child.case_id, "behandlare", "anna"))
    assert ["anna"] == [town.anna.id for ask in run(town.team.asks(town.anna)) if ask.own]


def test_only_oneself_and_the_units_manager_say_who_is_away(town: Town) -> None:
    """Nobody takes a colleague off duty."""
    for stranger in (town.karin, town.maria, town.adam):
        with pytest.raises(NotFound):
            run(town.team.go_off(stranger, "anna", "sick", None))


def test_a_sick_colleagues_cases_move_in_one_step(town: Town) -> None:
    """All of them, at once, to a colleague or the queue; who had them no longer reads, who gets them does."""
    cases = [town.child().case_id for _ in range(5)]
    run(town.team.go_off(town.maria, "karin", "sick", None))
    seats = [seat.seat_id for seat in run(town.team.movable(town.maria, "karin"))]
    moved = run(town.team.move(town.maria, "karin", "olle", seats[:4]))
    assert (4, 0) == (moved.moved, moved.stayed)
    assert 4 == len(run(town.cases.mine(town.olle))) and 1 == len(run(town.cases.mine(town.karin)))
    run(town.team.move(town.maria, "karin", None, seats[4:]))
    assert [] == run(town.cases.mine(town.karin))
    states = sorted(case_of(town, case_id).state for case_id in cases)
    assert [CaseState.ACTIVE.value] * 4 + [CaseState.WAITING.value] == states
    logged = sa.select(sa.func.count()).where(AuditEvent.tag == Tag.CASE_SEAT_MOVED.value)
    assert 5 == town.house.db.read_now(lambda session: session.scalar(logged))


def test_moving_is_for_the_manager_and_to_somebody_at_work_in_the_unit(town: Town) -> None:
    """Not by a colleague or another unit's manager; not to another unit or to who is away."""
    town.child()
    seats = [seat.seat_id for seat in run(town.team.movable(town.maria, "karin"))]
    for stranger in (town.olle, town.vera, town.adam):
        with pytest.raises(NotFound):
            run(town.team.move(stranger, "karin", "olle", seats))
    run(town.team.go_off(town.maria, "olle", "leave", None))
    for receiver in ("johan", "olle", "karin", "adam"):
        with pytest.raises(InvalidField):
            run(town.team.move(town.maria, "karin", receiver, seats))


def test_a_place_moved_to_who_is_in_the_team_already_becomes_one(town: Town) -> None:
    """No two seats of one person in one case, and the coordinator is the one that it moved to."""
    child = town.child()
    town.join(child.case_id, town.karin, town.olle)
    seats = [seat.seat_id for seat in run(town.team.movable(town.maria, "karin"))]
    run(town.team.move(town.maria, "karin", "olle", seats))
    page = run(town.cases.page(town.olle, child.case_id))
    assert [("olle", True, True)] == [(seat.staff_id, seat.lead, seat.coordinates) for seat in page.seats]
    assert "olle" == case_of(town, child.case_id).coordinator_id


def test_the_coordinator_who_leaves_puts_the_case_back_in_the_queue(town: Town) -> None:
    """It waits, its manager is told, and whoever accepts leads it."""
    child = town.child()
    seat = run(town.cases.page(town.karin, child.case_id)).seats[0].id
    clear_mails(town)
    run(town.team.leave(town.karin, child.case_id, seat))
    assert (CaseState.WAITING.value, None) == (
        case_of(town, child.case_id).state,
        case_of(town, child.case_id).coordinator_id,
    )
    assert ["maria@exempelby.example"] == mails(town)
    with pytest.raises(NotFound):
        run(town.cases.page(town.karin, child.case_id))
    ask = run(town.team.asks(town.olle))[0]
    assert ask.coordinates
    run(town.team.accept(town.olle, ask.seat_id))
    assert ("active", "olle") == (case_of(town, child.case_id).state, case_of(town, child.case_id).coordinator_id)


def test_handing_over_the_coordination_is_for_who_leads_and_to_who_may_lead(town: Town) -> None:
    """A therapist does not coordinate; a stale form does not decide."""
    child = town.child()
    seats = {member.id: town.join(child.case_id, town.karin, member) for member in (town.anna, town.olle)}
    version = run(town.cases.page(town.karin, child.case_id)).version
    with pytest.raises(NotFound):
        run(town.team.make_coordinator(town.olle, child.case_id, seats["olle"], version))
    with pytest.raises(InvalidField):
        run(town.team.make_coordinator(town.karin, child.case_id, seats["anna"], version))
    with pytest.raises(Conflict):
        run(town.team.make_coordinator(town.karin, child.case_id, seats["olle"], version + 7))
    run(town.team.make_coordinator(town.karin, child.case_id, seats["olle"], version))
    assert "olle" == case_of(town, child.case_id).coordinator_id


def test_a_unit_across_a_border_of_secrecy_takes_part_on_a_named_ground(town: Town) -> None:
    """Social psychiatry is another branch in the example file (OSL 26:1): without a ground it is refused."""
    child = town.child()
    with pytest.raises(InvalidField) as error:
        run(town.team.ask(town.karin, child.case_id, "socialpsykiatri", None))
    assert ("needed", "ground") == (error.value.code, error.value.extra["field"])
    run(town.team.ask(town.karin, child.case_id, "socialpsykiatri", None, "consent"))
    assert ["consent"] == [s.ground for s in run(town.cases.page(town.karin, child.case_id)).seats if s.ground]


def test_the_page_says_who_leads_in_each_unit_when_they_met_and_what_comes_next(town: Town) -> None:
    """The first thing on it, for everybody in the team."""
    child = town.child()
    seat = town.join(child.case_id, town.karin, town.anna)
    run(town.cases.met(town.anna, child.case_id, key(), date(2026, 11, 24), "office"))
    run(town.cases.next_step(town.anna, child.case_id, seat, "Nytt samtal", date(2026, 11, 27), 1))
    shown = {s.unit: s for s in run(town.cases.page(town.karin, child.case_id)).seats}["behandlare"]
    assert ("Anna", True, date(2026, 11, 24), "office", "Nytt samtal", date(2026, 11, 27)) == (
        shown.name, shown.lead, shown.met_on, shown.met_way, shown.next_step, shown.next_on,
    )  # fmt: skip
    with pytest.raises(Conflict):
        run(town.cases.next_step(town.anna, child.case_id, seat, "En gammal flik", None, 1))


def test_the_same_form_sent_twice_is_one_row(town: Town) -> None:
    """A double click makes one note; HTML and formulas are kept as they were written."""
    child = town.child()
    form, text = key(), '<script>alert(1)</script>\n=HYPERLINK("x")'
    for _ in range(2):
        run(town.cases.note(town.karin, child.case_id, form, text))
    assert [text] == [note.text for note in run(town.cases.page(town.karin, child.case_id)).notes]
    row = town.house.db.read_now(lambda session: session.get_one(CaseNote, form))
    assert b"script" not in row.body
    with pytest.raises(EmptyText):
        run(town.cases.note(town.karin, child.case_id, key(), " \n"))


def test_what_has_been_told_is_asked_once(town: Town) -> None:
    """A question with an answer is no longer open, and a colleague's second answer is not lost in it."""
    child = town.child()
    question = key()
    run(town.cases.ask_person(town.karin, child.case_id, question, "Vet skolan?", ""))
    run(town.cases.answer_question(town.karin, child.case_id, question, "Ja, kuratorn."))
    with pytest.raises(Conflict):
        run(town.cases.answer_question(town.maria, child.case_id, question, "Nej."))
    assert [("Vet skolan?", "Ja, kuratorn.")] == [
        (each.question, each.answer) for each in run(town.cases.page(town.karin, child.case_id)).questions
    ]


def test_clocks_follow_from_events_that_only_the_qualified_write_down(town: Town) -> None:
    """An investigation opened starts four months; struck out with a reason it does not, and it stays on the page."""
    child = town.child()
    opened = key()
    with pytest.raises(InvalidField) as error:
        run(town.cases.happened(town.karin, child.case_id, opened, "investigation_opened", date(2026, 11, 25), None))
    assert "not_qualified" == error.value.code
    town.karin.qualified = True
    run(town.cases.happened(town.karin, child.case_id, opened, "investigation_opened", date(2026, 11, 25), None))
    due = {clock.rule: clock.due for clock in run(town.cases.page(town.karin, child.case_id)).clocks}
    assert (date(2026, 11, 25), date(2027, 3, 25)) == (due["T1"], due["T3"])
    run(town.cases.withdraw(town.karin, child.case_id, opened, "Det var systern som utreds."))
    page = run(town.cases.page(town.karin, child.case_id))
    assert "T3" not in {clock.rule for clock in page.clocks}
    assert [True] == [each.withdrawn for each in page.events if each.kind == "investigation_opened"]


@pytest.mark.parametrize("kind", ["report_received", "protection_checked", "nonsense"])
def test_what_is_decided_on_the_report_is_not_written_on_the_case(town: Town, kind: str) -> None:
    """The protection check has a name, a time and a decision there."""
    child = town.child()
    with pytest.raises(InvalidField):
        run(town.cases.happened(town.karin, child.case_id, key(), kind, date(2026, 11, 25), None))


def test_a_closed_case_is_nobodys_but_the_managers(town: Town) -> None:
    """Every seat ends with it, and nothing more can be written."""
    child = town.child()
    town.join(child.case_id, town.karin, town.anna)
    version = run(town.cases.page(town.karin, child.case_id)).version
    with pytest.raises(NotFound):
        run(town.cases.close(town.anna, child.case_id, "finished", version))
    run(town.cases.close(town.karin, child.case_id, "finished", version))
    for member in (town.karin, town.anna):
        with pytest.raises(NotFound):
            run(town.cases.page(member, child.case_id))
    assert not run(town.cases.page(town.maria, child.case_id)).may_note
    with pytest.raises(Conflict):
        run(town.cases.note(town.maria, child.case_id, key(), "Efteråt"))
    left = sa.select(sa.func.count()).where(CaseSeat.state == SeatState.ACCEPTED.value)
    assert 0 == town.house.db.read_now(lambda session: session.scalar(left))


def test_the_list_is_in_the_order_of_the_days(town: Town, clock: ManualClock) -> None:
    """What is late first, then today, then the next days; what has no day last."""
    late, soon, none = (
        town.child().case_id,
        town.open(town.karin, NewPerson("child", "Ali")),
        town.open(town.karin, NewPerson("child", "Bo")),
    )
    clock.forward(days=2)
    run(town.cases.add_task(town.karin, soon.case_id, key(), "Ring", town.cases.today() + timedelta(days=1), None))
    rows = run(town.cases.mine(town.karin))
    assert [late, soon.case_id, none.case_id] == [row.id for row in rows]
    assert rows[0].due[0].clock is not None and rows[0].due[0].clock.late(town.cases.today())
