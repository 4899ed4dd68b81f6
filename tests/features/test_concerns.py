"""A concern is kept word for word, reaches one unit with its clocks running, and is read only by that unit."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from backend.concerns.handling import HandlingDesk
from backend.concerns.repository import readable_by
from backend.concerns.service import Answer, ConcernDesk, Intake, Status
from backend.concerns.tables import Concern, ConcernAnswer
from backend.core.audit import AuditEvent, Tag
from backend.core.codes import ReturnCode, lookup
from backend.core.db import Base
from backend.core.errors import Conflict, EmptyText, InvalidField, KeyReused, NotFound, TextTooLong
from backend.core.house import House
from backend.core.outbox import OutboxMessage
from backend.core.people import Role, StaffMember
from backend.core.reader import Reader
from backend.core.text import ANSWER_LIMIT, STORY_LIMIT
from backend.core.vault import SealBroken
from tests.conftest import ManualClock

CANARY = "Kanariefågeln sjunger när pappa dricker"

STORY = Intake(
    words=[CANARY, "Det händer varje fredag."],
    about="me",
    now="unsure",
    reach="code",
    phone=None,
    safe=None,
    reader=Reader("child", "10-12"),
    danger_level=None,
    danger_category=None,
    consent_version="sv:10-12:0123456789ab",
)
CALL_ME = replace(
    STORY,
    words=["Jag vill att min man får hjälp."],
    about="adult",
    reader=Reader("partner", "adult"),
    reach="phone",
    phone="070-174 06 05",
    safe={"call_ok": "yes", "leave_message": "no", "if_other_answers": "Fel nummer"},
)
HONOUR = replace(STORY, danger_level="A1", danger_category="D13")


def run(work: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(work)


@pytest.fixture
def desk(house: House) -> ConcernDesk:
    return ConcernDesk(house)


def add_staff(
    house: House, unit: str = "mottagning_barn", role: Role = Role.CASE_WORKER, **changes: Any
) -> StaffMember:
    """A staff member whose id is made of role, unit and an optional ``name``."""
    name = changes.pop("name", f"{role.value}-{unit}")
    member = StaffMember(
        id=name, login=name, first_name=name, role=role.value, unit=unit, password_hash="x",
        created_at=house.clock.now(), **{"mail": "", "active": True} | changes,
    )  # fmt: skip
    house.db.write_now(lambda session: session.add(member))
    return member


def count(house: House, table: type[Base]) -> int:
    return house.db.read_now(lambda session: session.scalar(sa.select(sa.func.count()).select_from(table))) or 0


# Who may read: strangers first.


def test_an_anonymous_reader_gets_nothing_but_arrival_and_state(desk: ConcernDesk, house: House) -> None:
    """With the code's row one learns when, how far and who reads; not a word of what was said."""
    received = run(desk.receive(STORY))
    told = Status(house.clock.now(), "new", "Mottagning barn och unga", [], STORY.reader)
    assert told == run(desk.status(received.concern_id))
    with pytest.raises(NotFound):
        run(desk.status("0" * 24))


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize("unit", ["vuxen", "behandlare", "ekonomi"])
def test_another_unit_is_told_that_it_does_not_exist(desk: ConcernDesk, house: House, role: Role, unit: str) -> None:
    """Neither list, open nor accept tells a wrong unit anything, whatever the role, and nothing is written down as read."""
    received = run(desk.receive(STORY))
    stranger = add_staff(house, unit, role)
    assert [] == run(desk.list_open(stranger)).rows
    for attempt in (desk.open_for, desk.accept):
        with pytest.raises(NotFound):
            run(attempt(stranger, received.concern_id))
    with pytest.raises(NotFound):
        run(desk.answer(stranger, received.concern_id, "Hej"))
    assert ("new", 0) == (run(desk.status(received.concern_id)).state, count(house, ConcernAnswer))
    assert [] == _tags(house, received.concern_id, Tag.CONCERN_READ)


def test_somebody_who_has_left_reads_nothing(desk: ConcernDesk, house: House) -> None:
    """An inactive member of the right unit is a stranger."""
    received = run(desk.receive(STORY))
    leaver = add_staff(house, active=False)
    assert [] == run(desk.list_open(leaver)).rows
    with pytest.raises(NotFound):
        run(desk.open_for(leaver, received.concern_id))
    with pytest.raises(NotFound):
        run(desk.answer(leaver, received.concern_id, "Hej"))
    assert 0 == count(house, ConcernAnswer)


def test_a_therapist_reads_only_what_is_sent_to_the_therapists(desk: ConcernDesk, house: House) -> None:
    """A partner's own story goes to the therapists; a child's does not."""
    child, partner = run(desk.receive(STORY)), run(desk.receive(replace(CALL_ME, about="me")))
    therapist = add_staff(house, "behandlare", Role.THERAPIST)
    assert [partner.concern_id] == [row.id for row in run(desk.list_open(therapist)).rows]
    with pytest.raises(NotFound):
        run(desk.open_for(therapist, child.concern_id))


def test_a_restricted_concern_opens_for_the_one_who_takes_it_and_the_manager(desk: ConcernDesk, house: House) -> None:
    """Everybody in the unit sees that it waits; once taken, colleagues no longer know of it."""
    concern = run(desk.receive(HONOUR)).concern_id
    karin, colleague = add_staff(house, name="karin"), add_staff(house, name="colleague")
    manager = add_staff(house, role=Role.MANAGER)
    waiting = run(desk.list_open(colleague)).rows
    assert [(concern, True, False)] == [(row.id, row.restricted, row.openable) for row in waiting]
    with pytest.raises(NotFound):
        run(desk.open_for(karin, concern))
    run(desk.accept(karin, concern))
    assert CANARY == run(desk.open_for(karin, concern)).words[0]
    assert CANARY == run(desk.open_for(manager, concern)).words[0]
    assert [] == run(desk.list_open(colleague)).rows
    for attempt in (desk.open_for, desk.accept):
        with pytest.raises(NotFound):
            run(attempt(colleague, concern))
    with pytest.raises(NotFound):
        run(desk.answer(colleague, concern, "Hej"))
    run(desk.answer(karin, concern, "Hej"))


def test_readable_by_is_an_unexecuted_query(house: House) -> None:
    """The permission is part of the statement, so that nothing can be fetched before it is asked."""
    staff = StaffMember(id="x", unit="vuxen", role="case_worker", also="", active=True)
    assert "concern.unit" in str(readable_by(staff).whereclause)


# The right unit.


def test_the_unit_reads_the_words_verbatim_with_all_that_the_writer_said(desk: ConcernDesk, house: House) -> None:
    """Words, reach, safe-contact answers, reason and rule are there, in the open one only."""
    concern = run(desk.receive(CALL_ME)).concern_id
    opened = run(desk.open_for(add_staff(house, "vuxen"), concern))
    assert list(CALL_ME.words) == opened.words
    assert ("phone", "+46701740605") == (opened.reach, opened.phone)
    assert CALL_ME.safe == opened.safe
    assert ("R14_about_an_adult", "Vuxen, skadligt bruk och beroende") == (opened.rule_id, opened.unit_name)
    assert opened.reason.startswith("En vuxen är orolig")
    assert CALL_ME.consent_version == opened.consent_version


def test_every_visit_is_written_down_without_content(desk: ConcernDesk, house: House, clock: ManualClock) -> None:
    """Who and when, in the same write as the read; a page made again within half an hour is the same visit, another
    person's is not; no word of the story in the log."""
    concern, karin = run(desk.receive(STORY)).concern_id, add_staff(house, name="karin")
    first = run(desk.open_for(karin, concern))
    for minutes in (10, 25, 5):
        clock.forward(minutes=minutes)
        run(desk.open_for(karin, concern))
    run(desk.open_for(add_staff(house, name="olle"), concern))
    assert ["karin", "karin", "olle"] == _tags(house, concern, Tag.CONCERN_READ)
    assert (Tag.CONCERN_READ.value, "karin") == (first.history[-1].tag, first.history[-1].name)
    logged = house.db.read_now(
        lambda s: [(e.actor, e.tag, e.subject, e.detail) for e in s.scalars(sa.select(AuditEvent))]
    )
    assert "Kanarie" not in repr(logged)


def test_two_accept_at_once_and_one_is_told(desk: ConcernDesk, house: House) -> None:
    """Exactly one becomes the handler; the other gets a conflict, and the log has one acceptance."""
    concern = run(desk.receive(STORY)).concern_id
    staff = [add_staff(house, name=f"worker-{number}") for number in range(8)]

    async def race() -> list[Any]:
        return await asyncio.gather(*(desk.accept(one, concern) for one in staff), return_exceptions=True)

    outcomes = run(race())
    assert 1 == outcomes.count(None)
    assert 7 == sum(isinstance(outcome, Conflict) for outcome in outcomes)
    assert 1 == len(_tags(house, concern, Tag.CONCERN_ACCEPTED))
    assert "accepted" == run(desk.status(concern)).state


def test_the_next_legal_day_comes_first(desk: ConcernDesk, house: House, clock: ManualClock) -> None:
    """Taken or not, whatever danger was found in the words: by the clock, then by who has waited longest."""
    karin = add_staff(house)
    oldest = run(desk.receive(STORY)).concern_id
    run(desk.accept(karin, oldest))
    clock.forward(days=1)
    calm = run(desk.receive(STORY)).concern_id
    clock.forward(minutes=1)
    acute = run(desk.receive(replace(STORY, danger_level="A0", danger_category="D01"))).concern_id
    clock.forward(hours=10)
    evening = run(desk.receive(replace(STORY, danger_level="A0", danger_category="D01"))).concern_id
    assert [oldest, calm, acute, evening] == [row.id for row in run(desk.list_open(karin)).rows]


def test_clocks_count_down_and_say_when_they_were_not_met(desk: ConcernDesk, house: House, clock: ManualClock) -> None:
    """Same-day check and 14 days with their sources; late until the check is written down, taken or not."""
    concern, karin = run(desk.receive(STORY)).concern_id, add_staff(house, qualified=True)
    check, decision = run(desk.list_open(karin)).rows[0].clocks
    assert ("T1", "SoL 20:1", date(2026, 11, 25), 0, False) == (
        check.name, check.source, check.due, check.days_left, check.late,
    )  # fmt: skip
    assert ("T2", "SoL 20:2", date(2026, 12, 9), 14) == (
        decision.name, decision.source, decision.due, decision.days_left,
    )  # fmt: skip
    clock.forward(days=1)
    check, decision = run(desk.list_open(karin)).rows[0].clocks
    assert (-1, True, 13) == (check.days_left, check.late, decision.days_left)
    run(desk.accept(karin, concern))
    assert run(desk.list_open(karin)).rows[0].clocks[0].late
    run(HandlingDesk(house).check(karin, concern, "safe", "Barnet är hos mormor i natt."))
    assert (False, clock.now()) == (
        (met := run(desk.list_open(karin)).rows[0].clocks[0]).late, met.met,
    )  # fmt: skip


def test_a_decision_due_on_a_holiday_has_an_earlier_target(desk: ConcernDesk, house: House, clock: ManualClock) -> None:
    """14 days end on Christmas Day and stay there; the day to aim for is the working day before."""
    clock.forward(days=16)  # 11 December
    run(desk.receive(STORY))
    decision = run(desk.list_open(add_staff(house))).rows[0].clocks[1]
    assert (date(2026, 12, 25), date(2026, 12, 23)) == (decision.due, decision.target)


# Nothing lost, nothing twice, nothing half.


def test_all_rows_of_a_concern_are_written_together(desk: ConcernDesk, house: House) -> None:
    """Concern, code, log and notice; the notice says nothing but that something has happened."""
    received = run(desk.receive(STORY))
    assert (1, 1, 1, 1) == tuple(count(house, table) for table in (Concern, ReturnCode, AuditEvent, OutboxMessage))
    mail = house.db.read_now(lambda session: session.scalars(sa.select(OutboxMessage)).one())
    assert ("mottagning.barn@exempelby.example", "Ny händelse") == (mail.recipient, mail.subject)
    assert "http://127.0.0.1:8000/personal" in mail.body
    for secret in ("Kanarie", received.concern_id, received.receipt, "barn", *received.words.split()):
        assert secret not in mail.body.replace("/personal", "")


def test_the_code_opens_the_concern(desk: ConcernDesk, house: House) -> None:
    """The six words lead to the row, also typed without dots."""
    received = run(desk.receive(STORY))
    found = house.codes.find(received.words.upper().replace("Å", "A").replace("Ä", "A").replace("Ö", "O"))
    assert (received.words,) == found
    digest = run(house.codes.digest(found[0]))
    row = house.db.read_now(lambda session: lookup(session, digest, house.clock.now() - timedelta(days=1)))
    assert row is not None
    assert ("concern", received.concern_id, received.receipt) == (row.kind, row.subject, row.id)


def test_the_same_send_twice_gives_one_concern(desk: ConcernDesk, house: House) -> None:
    """A double click, a retry after a lost answer: the same receipt and the same words."""
    send = replace(STORY, form_key="k" * 32)

    async def click_often() -> list[Any]:
        return await asyncio.gather(*(desk.receive(send) for _ in range(10)))

    answers = run(click_often())
    assert 1 == len({(one.concern_id, one.receipt, one.words) for one in answers})
    assert (1, 1, 1, 1) == tuple(count(house, table) for table in (Concern, ReturnCode, AuditEvent, OutboxMessage))


def test_a_saved_code_is_not_shown_again(desk: ConcernDesk) -> None:
    """After "I have saved it" a repeated send gives the receipt without the words."""
    send = replace(STORY, form_key="k" * 32)
    first = run(desk.receive(send))
    run(desk.saved(first.receipt))
    again = run(desk.receive(send))
    assert (first.receipt, None) == (again.receipt, again.words)


def test_a_key_with_other_words_is_refused(desk: ConcernDesk, house: House) -> None:
    """Words changed after the send are never silently dropped as a repetition."""
    run(desk.receive(replace(STORY, form_key="k" * 32)))
    with pytest.raises(KeyReused):
        run(desk.receive(replace(STORY, form_key="k" * 32, words=["Något annat"])))
    assert 1 == count(house, Concern)


def test_equal_keys_of_two_chats_are_two_concerns(desk: ConcernDesk, house: House) -> None:
    """A key is only compared within its chat; no chat can meet another's receipt."""
    one = run(desk.receive(replace(STORY, chat_id="a" * 24, form_key="1")))
    two = run(desk.receive(replace(STORY, chat_id="b" * 24, form_key="1")))
    assert one.receipt != two.receipt
    assert 2 == count(house, Concern)


def test_nothing_readable_is_stored(desk: ConcernDesk, house: House) -> None:
    """No word, number or code in any column of any table."""
    received = run(desk.receive(replace(CALL_ME, words=[CANARY])))

    def dump(session: Any) -> str:
        return " ".join(repr(list(session.execute(sa.select(table)))) for table in Base.metadata.sorted_tables)

    rows = house.db.read_now(dump)
    for secret in ("Kanarie", "0701740605", "701740605", "Fel nummer", received.words):
        assert secret not in rows


def test_words_moved_to_another_concern_do_not_open(desk: ConcernDesk, house: House) -> None:
    """Sealed words are bound to their row: swapped ones are refused, not shown as somebody else's."""
    one, two = run(desk.receive(STORY)), run(desk.receive(replace(STORY, words=["Annat"])))

    def swap(session: Any) -> None:
        thief, victim = session.get(Concern, two.concern_id), session.get(Concern, one.concern_id)
        thief.words, thief.data_key = victim.words, victim.data_key

    house.db.write_now(swap)
    with pytest.raises(SealBroken):
        run(desk.open_for(add_staff(house), two.concern_id))


# Bad input.


@pytest.mark.parametrize(
    ("change", "error", "field"),
    [
        ({"words": []}, EmptyText, None),
        ({"words": ["\u200b \n"]}, EmptyText, None),
        ({"words": ["a" * (STORY_LIMIT + 1)]}, TextTooLong, None),
        ({"words": ["a" * STORY_LIMIT, "b"]}, TextTooLong, None),
        ({"about": "everybody"}, InvalidField, "about"),
        ({"now": "maybe"}, InvalidField, "now"),
        ({"reach": "pigeon"}, InvalidField, "reach"),
        ({"reach": "phone"}, InvalidField, "phone"),
        ({"reach": "phone", "phone": "12"}, InvalidField, "phone"),
        ({"reach": "phone", "phone": "0" * 5000}, InvalidField, "phone"),
        ({"reach": "phone", "phone": "0701740605", "safe": {"call_ok": "perhaps"}}, InvalidField, "call_ok"),
        ({"reach": "phone", "phone": "0701740605", "safe": {"when": "å" * 501}}, InvalidField, "when"),
        ({"reach": "phone", "phone": "0701740605", "safe": {"other": "x"}}, InvalidField, "other"),
    ],
)
def test_what_cannot_be_used_is_refused_and_named(
    desk: ConcernDesk, house: House, change: dict[str, Any], error: type[Exception], field: str | None
) -> None:
    """Nothing is stored, and the error says which field."""
    with pytest.raises(error) as caught:
        run(desk.receive(replace(STORY, **change)))
    assert field == getattr(caught.value, "extra", {}).get("field")
    assert 0 == count(house, Concern)


@pytest.mark.parametrize(
    "text", ["a\x00b", "lon\ud800e", "\u202eevil\u202c", "<img src=x onerror=alert(1)>", "😀" * 10_000]
)
def test_strange_text_is_kept_as_text(desk: ConcernDesk, house: House, text: str) -> None:
    """Null bytes, lone surrogates, direction marks and emoji store on both databases and come back as words."""
    concern = run(desk.receive(replace(STORY, words=[text]))).concern_id
    words = run(desk.open_for(add_staff(house), concern)).words[0]
    assert words and "\x00" not in words
    words.encode("utf-8")


def test_a_number_is_dropped_when_the_writer_chose_the_code(desk: ConcernDesk, house: House) -> None:
    """Whoever changes their mind about the phone leaves no number behind."""
    concern = run(desk.receive(replace(CALL_ME, reach="code", about="me", reader=Reader()))).concern_id
    opened = run(desk.open_for(add_staff(house), concern))
    assert (None, {}) == (opened.phone, opened.safe)


def test_an_unknown_writer_about_nobody_in_particular_is_still_read(desk: ConcernDesk, house: House) -> None:
    """A message with nothing but words goes to the children's unit."""
    concern = run(desk.receive(replace(STORY, about=None, now=None, reader=Reader()))).concern_id
    assert "R99_everything_else" == run(desk.open_for(add_staff(house), concern)).rule_id


# Answers to whoever holds the code.


@pytest.mark.parametrize(
    ("text", "error"),
    [("", EmptyText), (" \u200b\n", EmptyText), ("\x00", EmptyText), ("å" * (ANSWER_LIMIT + 1), TextTooLong)],
)
def test_an_answer_that_cannot_be_used_is_refused(
    desk: ConcernDesk, house: House, text: str, error: type[Exception]
) -> None:
    """Nothing is stored and nothing is written down as answered."""
    concern = run(desk.receive(STORY)).concern_id
    with pytest.raises(error):
        run(desk.answer(add_staff(house), concern, text))
    assert (0, []) == (count(house, ConcernAnswer), _tags(house, concern, Tag.CONCERN_ANSWERED))


def test_an_answer_that_nobody_could_read_is_refused(desk: ConcernDesk, house: House, clock: ManualClock) -> None:
    """Once the code has run out staff are told, instead of writing to nobody."""
    concern, karin = run(desk.receive(STORY)).concern_id, add_staff(house)
    clock.forward(hours=house.municipality.retention.code_hours, seconds=-1)
    run(desk.answer(karin, concern, "I sista stund"))
    clock.forward(seconds=1)
    with pytest.raises(InvalidField) as caught:
        run(desk.answer(karin, concern, "För sent"))
    assert "code_expired" == caught.value.code
    opened = run(desk.open_for(karin, concern))
    assert (False, ["I sista stund"]) == (opened.answerable, [answer.text for answer in opened.answers])


def test_an_answer_is_sealed_at_rest_and_bound_to_its_row(desk: ConcernDesk, house: House) -> None:
    """No word of it in any column, and moved to another answer it does not open."""
    concern, karin = run(desk.receive(STORY)).concern_id, add_staff(house)
    run(desk.answer(karin, concern, CANARY))
    run(desk.answer(karin, concern, "Något annat"))

    def dump(session: Any) -> str:
        return " ".join(repr(list(session.execute(sa.select(table)))) for table in Base.metadata.sorted_tables)

    assert "Kanarie" not in house.db.read_now(dump)
    if house.db.sqlite:
        folder = Path(house.db.url.database or "").parent
        assert not [file for file in folder.iterdir() if CANARY.encode() in file.read_bytes()]

    def move(session: Any) -> None:
        one, two = session.scalars(sa.select(ConcernAnswer))
        one.body = two.body

    house.db.write_now(move)
    with pytest.raises(SealBroken):
        run(desk.status(concern))


def test_an_answer_reaches_the_holder_of_the_code_and_the_unit(
    desk: ConcernDesk, house: House, clock: ManualClock
) -> None:
    """Word for word and in order, with who and when; the log says that it happened and not what."""
    concern, karin = run(desk.receive(STORY)).concern_id, add_staff(house, name="karin")
    manager = add_staff(house, role=Role.MANAGER, name="maria")
    nasty = '<img src=x onerror="alert(1)">\n  Hej & hå'
    first = Answer(clock.now(), "karin", "case_worker", nasty)
    run(desk.answer(karin, concern, nasty + "\x00\u202e "))
    clock.forward(days=1)
    second = Answer(clock.now(), "maria", "manager", "Vi finns här.")
    run(desk.answer(manager, concern, "Vi finns här."))
    assert [first, second] == run(desk.status(concern)).answers == run(desk.open_for(karin, concern)).answers
    assert ["karin", "maria"] == _tags(house, concern, Tag.CONCERN_ANSWERED)
    details = house.db.read_now(lambda session: list(session.scalars(sa.select(AuditEvent.detail))))
    assert "Hej" not in repr(details)
    assert [] == run(desk.status(run(desk.receive(STORY)).concern_id)).answers


def test_a_double_click_is_one_answer(desk: ConcernDesk, house: House) -> None:
    """The same words at once or again are one; other words are another."""
    concern, karin = run(desk.receive(STORY)).concern_id, add_staff(house, name="karin")

    async def click_often() -> None:
        await asyncio.gather(*(desk.answer(karin, concern, "Hej") for _ in range(8)))

    run(click_often())
    assert (1, ["karin"]) == (count(house, ConcernAnswer), _tags(house, concern, Tag.CONCERN_ANSWERED))
    run(desk.answer(karin, concern, "Hej igen"))
    assert 2 == count(house, ConcernAnswer)


def _tags(house: House, subject: str, tag: Tag) -> list[str]:
    def look(session: Any) -> list[str]:
        return list(
            session.scalars(
                sa.select(AuditEvent.actor).where(AuditEvent.subject == subject, AuditEvent.tag == tag.value)
            )
        )

    return house.db.read_now(look)
