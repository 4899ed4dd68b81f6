"""Promise: one list by clock of what one may know, what is unread in it, and a search that looks no further than that."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from backend.concerns import repository
from backend.concerns.handling import HandlingDesk
from backend.concerns.inbox import CLOCKS, STATES, Filter, InboxDesk
from backend.concerns.live import topic
from backend.concerns.service import ConcernDesk
from backend.concerns.tables import Concern
from backend.core.audit import AuditEvent, Tag
from backend.core.errors import InvalidField
from backend.core.house import House
from backend.core.people import Role, StaffMember
from backend.staff.drafts import Drafts
from backend.staff.inbox import OVER_A_WEEK, Group, grouped
from tests.conftest import ManualClock
from tests.features.test_concerns import CALL_ME, CANARY, HONOUR, STORY, add_staff, run

WHY = "Barnet är hos mormor i kväll."


@pytest.fixture
def desk(house: House) -> ConcernDesk:
    return ConcernDesk(house)


@pytest.fixture
def inbox(house: House, desk: ConcernDesk) -> InboxDesk:
    return InboxDesk(house, desk)


@pytest.fixture
def karin(house: House) -> StaffMember:
    return add_staff(house, name="karin", qualified=True)


def told(desk: ConcernDesk, intake: Any = STORY) -> str:
    return str(run(desk.receive(intake)).concern_id)


def ids(inbox: InboxDesk, staff: StaffMember, state: str = "open", clock: str = "", unread: bool = False) -> list[str]:
    return [item.row.id for item in run(inbox.look(staff, Filter(state, clock, unread))).items]


# Strangers first.


@pytest.mark.parametrize("role", list(Role))
def test_nothing_of_another_unit_is_in_list_search_or_sheet(
    desk: ConcernDesk, inbox: InboxDesk, house: House, role: Role
) -> None:
    """No item, no count, no hit, whatever the role and the filter."""
    told(desk)
    stranger = add_staff(house, "vuxen", role)
    for state in STATES:
        found = run(inbox.look(stranger, Filter(state)))
        assert [] == found.items and not any(found.counts.values())
    assert [] == run(inbox.search(stranger, "Kanarie"))
    assert [] == run(inbox.export(stranger, Filter())).items


def test_a_restricted_one_is_found_by_no_colleague(
    desk: ConcernDesk, inbox: InboxDesk, house: House, karin: StaffMember
) -> None:
    """Seen to wait, never searched; once taken, gone from the colleagues' list and counts."""
    concern, colleague = told(desk, HONOUR), add_staff(house, name="colleague")
    assert [concern] == ids(inbox, colleague) and [] == run(inbox.search(colleague, "Kanarie"))
    run(desk.accept(karin, concern))
    assert [] == ids(inbox, colleague) and 0 == run(inbox.look(colleague, Filter())).counts["open"]
    assert [concern] == [item.row.id for item in run(inbox.search(karin, "Kanarie"))]


# The list.


def test_what_is_late_says_how_late_it_is(
    desk: ConcernDesk, inbox: InboxDesk, karin: StaffMember, clock: ManualClock
) -> None:
    """A group for each day that something was due, one for all that is later than a week; nothing changes its place."""
    for days in (6, 2, 1, 1, 0):
        told(desk)
        clock.forward(days=days)
    told(desk)
    items = run(inbox.look(karin, Filter())).items
    groups = grouped(items, inbox.today())
    assert [("late", OVER_A_WEEK, 1), ("late", 4, 1), ("late", 2, 1), ("late", 1, 1), ("today", 0, 2)] == [
        (group.name, group.late, group.count) for group in groups
    ]
    assert [None, date(2026, 12, 1), date(2026, 12, 3), date(2026, 12, 4), None] == [group.day for group in groups]
    assert items == [item for group in groups for item in (*group.first, *group.rest)]


def test_a_long_list_is_folded_in_the_order_of_the_clock(
    desk: ConcernDesk, inbox: InboxDesk, house: House, karin: StaffMember
) -> None:
    """Eight of each group, and none of what is due in weeks; a short list is whole; nobody unfolds one or two."""
    handling = HandlingDesk(house)
    for _ in range(3):
        run(handling.check(karin, told(desk), "safe", WHY))
    for _ in range(9):
        told(desk)
    items = run(inbox.look(karin, Filter())).items
    assert [(9, 0), (3, 0)] == _shape(grouped(items, inbox.today()))
    for _ in range(2):
        told(desk)
    items = run(inbox.look(karin, Filter())).items
    groups = grouped(items, inbox.today())
    assert [(8, 3), (0, 3)] == _shape(groups)
    assert items == [item for group in groups for item in (*group.first, *group.rest)]
    alone = [item for item in items if item.group == "later"] * 5
    assert [(8, 7)] == _shape(grouped(alone, inbox.today()))


def _shape(groups: list[Group]) -> list[tuple[int, int]]:
    return [(len(group.first), len(group.rest)) for group in groups]


def test_the_list_is_by_clock_and_in_groups(
    desk: ConcernDesk, inbox: InboxDesk, house: House, karin: StaffMember, clock: ManualClock
) -> None:
    """Overdue first, then today; checked ones by their decision; danger and taking change no place."""
    overdue = told(desk)
    checked = told(desk)
    run(HandlingDesk(house).check(karin, checked, "safe", WHY))
    clock.forward(days=1)
    today = told(desk)
    clock.forward(minutes=1)
    acute = told(desk, replace(STORY, danger_level="A0", danger_category="D01"))
    run(desk.accept(karin, overdue))
    found = run(inbox.look(karin, Filter()))
    assert [("late", overdue), ("today", today), ("today", acute), ("later", checked)] == [
        (item.group, item.row.id) for item in found.items
    ]
    assert [overdue] == ids(inbox, karin, clock="late")
    assert [overdue, today, acute] == ids(inbox, karin, clock="today") == ids(inbox, karin, clock="week")
    clock.forward(days=7)
    assert checked in ids(inbox, karin, clock="week")


def test_filters_and_their_counts_agree(
    desk: ConcernDesk, inbox: InboxDesk, house: House, karin: StaffMember, clock: ManualClock
) -> None:
    """Waiting, mine, colleagues', put off, closed: each has what it says."""
    handling, colleague = HandlingDesk(house), add_staff(house, name="colleague", qualified=True)
    waiting, mine, theirs, later, closed = (told(desk) for _ in range(5))
    for concern, staff in ((mine, karin), (theirs, colleague), (later, karin), (closed, karin)):
        run(desk.accept(staff, concern))
    run(handling.check(karin, later, "safe", WHY))
    run(handling.later(karin, later, date(2026, 11, 30), WHY))
    run(handling.check(karin, closed, "safe", WHY))
    run(handling.decide(karin, closed, "not_open", WHY))
    for state, expected in (
        ("open", {waiting, mine, theirs}), ("new", {waiting}), ("mine", {mine}), ("taken", {theirs}),
        ("later", {later}), ("closed", {closed}),
    ):  # fmt: skip
        assert expected == set(ids(inbox, karin, state)), state
    assert {"open": 3, "new": 1, "mine": 1, "taken": 1, "later": 1} == run(inbox.look(karin, Filter())).counts
    clock.forward(days=5)
    assert later in ids(inbox, karin, "mine") and [] == ids(inbox, karin, "later")


def test_a_legal_day_brings_back_what_was_put_off(
    desk: ConcernDesk, inbox: InboxDesk, house: House, karin: StaffMember, clock: ManualClock
) -> None:
    """Put off for ten days with a check due today: it stays in the list."""
    concern = told(desk)
    run(desk.accept(karin, concern))
    run(HandlingDesk(house).later(karin, concern, date(2026, 12, 5), WHY))
    assert [concern] == ids(inbox, karin) and [] == ids(inbox, karin, "later")


def test_unread_is_each_persons_own(
    desk: ConcernDesk, inbox: InboxDesk, house: House, karin: StaffMember, clock: ManualClock
) -> None:
    """Opened by one it is read for that one; when the person tells more or it is moved here it is unread again."""
    concern, colleague = told(desk), add_staff(house, name="colleague")
    run(desk.open_for(karin, concern))
    assert [] == ids(inbox, karin, unread=True) and [concern] == ids(inbox, colleague, unread=True)
    clock.forward(minutes=5)
    run(desk.accept(karin, concern))
    run(HandlingDesk(house).decline(karin, concern, WHY))
    assert [concern] == ids(inbox, karin, unread=True)


def test_two_windows_open_it_first_at_once(desk: ConcernDesk, house: House, karin: StaffMember) -> None:
    """Both are shown it; one mark is kept."""
    concern = told(desk)

    async def both() -> list[Any]:
        return await asyncio.gather(*(desk.open_for(karin, concern) for _ in range(6)))

    assert 6 == len(run(both()))


def test_the_next_one_is_the_next_in_the_same_list(
    desk: ConcernDesk, inbox: InboxDesk, house: House, karin: StaffMember, clock: ManualClock
) -> None:
    """Forty on a Monday: one after the other without going back; what cannot be opened is passed by."""
    order = []
    for intake in (STORY, HONOUR, STORY, STORY):
        order.append(told(desk, intake))
        clock.forward(minutes=1)
    assert order[2] == run(inbox.after(karin, Filter(), order[0]))
    assert order[3] == run(inbox.after(karin, Filter(), order[2]))
    assert run(inbox.after(karin, Filter(), order[3])) is None
    assert order[0] == run(inbox.after(karin, Filter(), "0" * 24))
    run(desk.accept(karin, order[2]))
    assert order[3] == run(inbox.after(karin, Filter("new"), order[0]))


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (("", "", ""), Filter()),
        (("mine", "late", "1"), Filter("mine", "late", True)),
        (("'; DROP TABLE", "\x00", "yes"), Filter()),
        (("closed", "week", "0"), Filter("closed", "week")),
    ],
)
def test_what_is_no_filter_is_the_usual_list(given: tuple[str, str, str], expected: Filter) -> None:
    """An address can be typed by anybody."""
    assert expected == Filter.of(*given)
    assert expected.state in STATES and expected.clock in CLOCKS


# Search.


def test_a_search_finds_words_without_regard_to_case_or_dots(
    desk: ConcernDesk, inbox: InboxDesk, karin: StaffMember
) -> None:
    """Every word must be there, in any order; in the order of the list."""
    one = told(desk, replace(STORY, words=["Mamma gömmer flaskor i GARAGET.", "Jag är rädd."]))
    told(desk, replace(STORY, words=["Mamma är snäll."]))
    for text in ("garaget", "gomm", "RÄDD flaskor", " Mamma  radd "):
        assert [one] == [item.row.id for item in run(inbox.search(karin, text))], text
    assert [] == run(inbox.search(karin, "mamma pappa"))


@pytest.mark.parametrize("text", ["", " ", "a", "å" * 101, "\x00"])
def test_too_little_or_too_much_is_no_search(inbox: InboxDesk, karin: StaffMember, text: str) -> None:
    """Refused, and nothing is opened."""
    with pytest.raises(InvalidField):
        run(inbox.search(karin, text))


def test_every_hit_is_written_down_and_the_text_is_not(
    desk: ConcernDesk, inbox: InboxDesk, house: House, karin: StaffMember
) -> None:
    """A hit tells something of the words: so it is a reading of that concern."""
    hit = told(desk, replace(STORY, words=["Kanariefågeln i köket"]))
    told(desk, replace(STORY, words=["Något annat"]))
    run(inbox.search(karin, "kanariefågeln"))

    def look(session: Any) -> list[tuple[str, str, str]]:
        rows = session.scalars(sa.select(AuditEvent).where(AuditEvent.tag == Tag.CONCERN_SEARCHED.value))
        return [(row.actor, row.subject, row.detail) for row in rows]

    assert [("karin", hit, "")] == house.db.read_now(look)


def test_closed_ones_and_telephone_numbers_are_not_searched(desk: ConcernDesk, inbox: InboxDesk, house: House) -> None:
    """Only the words of what is open."""
    johan = add_staff(house, "vuxen", name="johan", qualified=True)
    concern = told(desk, CALL_ME)
    assert [] == run(inbox.search(johan, "701740605")) == run(inbox.search(johan, "Fel nummer"))
    run(HandlingDesk(house).check(johan, concern, "safe", WHY))
    run(HandlingDesk(house).close(johan, concern, WHY))
    assert [] == run(inbox.search(johan, "min man"))


# News.


def test_open_pages_of_the_unit_are_told_after_the_commit_and_by_id_only(
    desk: ConcernDesk, house: House, karin: StaffMember
) -> None:
    """Received, taken, checked, answered, moved: both units hear of a move, nobody else of anything."""
    handling = HandlingDesk(house)

    async def work() -> tuple[list[Any], list[Any], list[Any]]:
        with (
            house.live.listen(topic("mottagning_barn")) as here,
            house.live.listen(topic("barn")) as there,
            house.live.listen(topic("vuxen")) as elsewhere,
        ):
            concern = (await desk.receive(replace(STORY, words=[CANARY]))).concern_id
            await desk.accept(karin, concern)
            await handling.check(karin, concern, "safe", WHY)
            await desk.answer(karin, concern, "Hej")
            await handling.move(karin, concern, "barn", WHY)
            return await here.next(1), await there.next(1), await elsewhere.next(0)

    here, there, elsewhere = run(work())
    assert (5, 1, []) == (len(here), len(there), elsewhere)
    assert {"changed"} == {event.name for event in here + there} and 1 == len({event.data for event in here + there})
    assert "Kanarie" not in repr(here)


def test_a_colleague_who_writes_is_named_for_a_minute(house: House, karin: StaffMember, clock: ManualClock) -> None:
    """Told when it begins and when it is sent; forgotten by itself; never to the one who writes."""
    drafts, concern = Drafts(house), "c" * 24

    async def work() -> list[str]:
        with house.live.listen(topic("mottagning_barn")) as feed:
            drafts.writes(karin, concern)
            drafts.writes(karin, concern)
            assert ["karin"] == drafts.others(concern, "olle") and [] == drafts.others(concern, "karin")
            drafts.done(karin, concern)
            return [event.name for event in await feed.next(1)]

    assert ["writing", "writing"] == run(work())
    drafts.writes(karin, concern)
    clock.forward(seconds=61)
    assert [] == drafts.others(concern, "olle")


# Cost.


def test_the_list_reads_an_index_however_much_is_closed(house: House, karin: StaffMember) -> None:
    """EXPLAIN: what is open comes from the partial index, on both databases; no scan of all concerns."""

    def fill(session: Any) -> None:
        at = house.clock.now()
        session.execute(
            sa.insert(Concern),
            [
                {
                    "id": f"{number:024x}", "state": "closed" if number % 50 else "new", "unit": "mottagning_barn",
                    "rule_id": "R", "rules_version": "1", "reason": "", "also_tell": "", "restricted": False,
                    "reach": "code", "lang": "sv", "data_key": b"", "words": b"", "consent_version": "",
                    "body_digest": "", "receipt": "", "received_at": at - timedelta(minutes=number),
                    "protection_due": at.date(), "next_due": at.date(), "changed_at": at,
                    "closed_at": at if number % 50 else None,
                }
                for number in range(5000)
            ],
        )  # fmt: skip

    house.db.write_now(fill)
    with house.db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("ANALYZE")

    def explain(session: Any) -> str:
        query = repository.inbox_query(karin, closed=False).limit(200)
        compiled = query.compile(session.get_bind(), compile_kwargs={"render_postcompile": True})
        how = "EXPLAIN QUERY PLAN " if house.db.sqlite else "EXPLAIN "
        rows = session.connection().exec_driver_sql(
            how + str(compiled),
            compiled.params if not house.db.sqlite else tuple(compiled.params[name] for name in compiled.positiontup),
        )
        return "\n".join(str(row) for row in rows)

    plan = house.db.read_now(explain)
    assert "ix_concern_open" in plan, plan
    assert "SCAN concern\n" not in plan and "Seq Scan on concern " not in plan, plan


def test_a_list_for_a_meeting_is_written_down(
    desk: ConcernDesk, inbox: InboxDesk, house: House, karin: StaffMember
) -> None:
    """How long it was, and for which unit."""
    told(desk)
    run(inbox.export(karin, Filter()))
    rows = house.db.read_now(
        lambda session: list(
            session.execute(
                sa.select(AuditEvent.actor, AuditEvent.subject, AuditEvent.detail).where(
                    AuditEvent.tag == Tag.CONCERN_LISTED.value
                )
            )
        )
    )
    assert [("karin", "mottagning_barn", "1")] == [tuple(row) for row in rows]
