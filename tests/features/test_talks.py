"""Promise: whoever asks for a human is told the truth about the wait, gets one human at a time, and nothing is lost,
doubled, or read by anybody else."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa

from backend.booking.service import BookingDesk, Details
from backend.core import codes
from backend.core.audit import AuditEvent
from backend.core.errors import Conflict, EmptyText, KeyReused, NotFound, TextTooLong
from backend.core.house import House
from backend.core.live import Event
from backend.core.outbox import OutboxMessage
from backend.core.people import Role, StaffMember
from backend.core.reader import Reader
from backend.talks import rules
from backend.talks.rules import CLOSED, DROPPED, HANDED_BACK, LEFT, LINGERS, OPEN, WAITING
from backend.talks.service import TalkDesk
from backend.talks.tables import Talk, TalkMessage, TalkSeat
from tests.conftest import ManualClock
from tests.therapists import add_staff, add_therapist, count

CHILD = Reader("child", "10-12")
WORDS = "pappa dricker varje kväll"
EVENING = datetime(2026, 11, 25, 19, 0, tzinfo=UTC)


def run(work: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(work)


@pytest.fixture
def house(house: House) -> House:
    """Anna and Samir talk with people, Bo leads them; Karin and a therapist elsewhere do not belong there."""
    add_therapist(house, "anna", [("08:30", "16:00")])
    add_therapist(house, "samir", [("08:30", "16:00")])
    add_staff(house, "ulla", unit="familjer")
    add_staff(house, "bo", role=Role.MANAGER)
    add_staff(house, "karin", role=Role.CASE_WORKER, unit="mottagning_barn")
    terms = msgspec.structs.replace(house.municipality.talks, live=True)
    return replace(house, municipality=msgspec.structs.replace(house.municipality, talks=terms))


@pytest.fixture
def desk(house: House) -> TalkDesk:
    return TalkDesk(house)


@pytest.fixture
def present(desk: TalkDesk, house: House) -> Iterator[Callable[..., None]]:
    """Somebody says that they take talks, with a page open, until the test ends."""
    with ExitStack() as pages:

        def arrive(*names: str) -> None:
            for name in names:
                run(desk.set_duty(member(house, name), True))
                pages.enter_context(desk.presence.open(f"staff:{name}"))

        yield arrive


def member(house: House, name: str) -> StaffMember:
    found = house.db.read_now(lambda session: session.get(StaffMember, name))
    assert found is not None
    return found


def asks(desk: TalkDesk, chat: str = "c1") -> str:
    """A chat asks for a human; returns the talk."""
    assert run(desk.ask(chat, CHILD)).seated
    return seat(desk, chat).talk_id


def seat(desk: TalkDesk, chat: str = "c1") -> Any:
    return desk._house.db.read_now(lambda session: desk.seat_of(session, chat))


def writes(desk: TalkDesk, text: str, chat: str = "c1", danger: tuple[str, str] | None = None) -> str | None:
    """The visitor says something."""
    house, taken = desk._house, seat(desk, chat)
    return house.db.write_now(lambda session: desk.say(session, taken, text, house.clock.now(), danger))


def talk(house: House, talk_id: str) -> Talk:
    found = house.db.read_now(lambda session: session.get(Talk, talk_id))
    assert found is not None
    return found


def log(desk: TalkDesk, chat: str = "c1") -> list[str]:
    """What the visitor sees of the talk: ``author: text`` or the notice."""
    rows = desk._house.db.read_now(lambda session: desk.messages(session, chat, CHILD))
    return [f"{one['author']}: {one['text']}" for _, one in rows]


def tags(house: House, subject: str) -> list[str]:
    query = sa.select(AuditEvent.tag).where(AuditEvent.subject == subject).order_by(AuditEvent.id)
    return house.db.read_now(lambda session: list(session.scalars(query)))


def booked(house: House, holder: str = "chat:c1") -> tuple[str, datetime, str]:
    """A booked chat: its id, when, and with whom."""

    async def work() -> tuple[str, datetime, str]:
        desk = BookingDesk(house)
        await desk.hold(holder, (await desk.offer("chat")).times[0].slot)
        done = await desk.confirm(holder, Details("chat", reader=CHILD))
        return done.booking_id, done.start, done.therapist.lower()

    return run(work())  # type: ignore[no-any-return]


# The wait, as it is told.


def test_in_the_evening_nobody_is_there_and_nobody_stands_in_a_line(
    house: House, desk: TalkDesk, clock: ManualClock
) -> None:
    """The true next time is told, by the working hours; asking again changes nothing."""
    clock.at = EVENING
    asked = run(desk.ask("c1", CHILD))
    assert (False, "closed") == (asked.seated, asked.outlook.staffing)
    assert datetime(2026, 11, 26, 7, 30, tzinfo=UTC) == asked.outlook.opens
    assert 0 == count(house, Talk)


def test_on_a_friday_evening_the_next_time_is_monday(desk: TalkDesk, clock: ManualClock) -> None:
    """Weekends are closed days."""
    clock.at = datetime(2026, 11, 27, 19, 0, tzinfo=UTC)
    assert datetime(2026, 11, 30, 7, 30, tzinfo=UTC) == run(desk.outlook()).opens


def test_at_work_but_not_ready_no_time_is_promised_and_they_are_told(house: House, desk: TalkDesk) -> None:
    """The person waits, the unit gets a mail without content, and once."""
    asked = run(desk.ask("c1", CHILD))
    run(desk.ask("c1", CHILD))
    assert (True, "away", None) == (asked.seated, asked.outlook.staffing, asked.outlook.minutes)
    mails = house.db.read_now(lambda session: list(session.scalars(sa.select(OutboxMessage))))
    assert ["oppenvarden@exempelby.example"] == [mail.recipient for mail in mails]
    assert "Ny händelse" == mails[0].subject and mails[0].body.endswith("/personal")


def test_with_somebody_in_the_wait_is_counted_and_nobody_is_mailed(
    house: House, desk: TalkDesk, present: Callable[..., None], clock: ManualClock
) -> None:
    """First: at once. Second: after the first one's talk. With one more human: at once again."""
    present("anna")
    assert (1, 0, ("Anna",)) == told(desk, "c1")
    clock.forward(minutes=1)
    assert (2, 40, ("Anna",)) == told(desk, "c2")
    run(desk.take(member(house, "anna"), seat(desk, "c1").talk_id))
    assert (1, 40, ("Anna",)) == told(desk, "c2")
    clock.forward(minutes=25)
    assert (1, 15, ("Anna",)) == told(desk, "c2")
    clock.forward(minutes=60)
    assert (1, rules.LEAST_LEFT, ("Anna",)) == told(desk, "c2")
    present("samir")
    assert (1, 0, ("Anna", "Samir")) == told(desk, "c2")
    assert 0 == count(house, OutboxMessage)


def told(desk: TalkDesk, chat: str) -> tuple[int, int | None, tuple[str, ...]]:
    outlook = run(desk.ask(chat, CHILD)).outlook
    return outlook.place, outlook.minutes, outlook.names


def test_a_booked_talk_counts_in_the_wait(
    house: House, desk: TalkDesk, present: Callable[..., None], clock: ManualClock
) -> None:
    """Whoever soon has a booked talk is not free before it is over."""
    _, start, name = booked(house)
    present(name)
    clock.at = start - timedelta(minutes=5)
    assert (1, 36, (name.title(),)) == told(desk, "c2")


def test_yesterdays_word_and_a_closed_page_do_not_count(house: House, desk: TalkDesk, clock: ManualClock) -> None:
    """Saying that one takes talks is for the day, and for as long as the page is open."""
    run(desk.set_duty(member(house, "anna"), True))
    assert "away" == run(desk.outlook()).staffing
    with desk.presence.open("staff:anna"):
        assert "in" == run(desk.outlook()).staffing
        clock.forward(days=1)
        assert "away" == run(desk.outlook()).staffing
    with pytest.raises(NotFound):
        run(desk.set_duty(member(house, "karin"), True))


@pytest.mark.parametrize(
    ("ahead", "free_in", "expected"),
    [(0, [], None), (0, [0], 0), (0, [7, 3], 3), (1, [0], 40), (1, [0, 5], 5), (2, [0, 5], 40), (3, [10], 130)],
)
def test_the_line_moves_to_whoever_is_free_first(ahead: int, free_in: list[int], expected: int | None) -> None:
    """With talks of forty minutes; without anybody there is no number."""
    assert expected == rules.minutes_to_wait(ahead, free_in, 40)


def test_a_wait_is_never_told_as_shorter_than_it_is() -> None:
    """Steps of five minutes, upwards."""
    assert [0, 5, 5, 10, 40] == [rules.told(minutes) for minutes in (0, 1, 5, 6, 40)]


def test_when_the_house_closes_those_who_wait_are_told_and_have_the_robot_back(
    house: House, desk: TalkDesk, clock: ManualClock
) -> None:
    """Not before: as long as somebody is at work they wait."""
    waiting = asks(desk)
    run(desk.tend())
    assert WAITING == talk(house, waiting).state
    clock.at = EVENING
    run(desk.tend())
    assert CLOSED == talk(house, waiting).state and seat(desk) is None
    assert "ingen hann svara" in log(desk)[-1]
    assert "system:talk:unmet" in tags(house, waiting)


def test_the_municipality_may_leave_out_talks_at_once(house: House) -> None:
    """Then nobody is put in a line."""
    terms = msgspec.structs.replace(house.municipality.talks, live=False)
    closed = TalkDesk(replace(house, municipality=msgspec.structs.replace(house.municipality, talks=terms)))
    assert not run(closed.ask("c1", CHILD)).seated


# The talk.


def test_what_was_written_while_waiting_is_there_when_somebody_comes(house: House, desk: TalkDesk) -> None:
    """In order, with who says what."""
    waiting = asks(desk)
    writes(desk, "hej")
    writes(desk, WORDS)
    anna = member(house, "anna")
    run(desk.take(anna, waiting))
    run(desk.write(anna, waiting, "Hej, jag heter Anna."))
    writes(desk, "hej Anna")
    assert [
        "visitor: hej",
        f"visitor: {WORDS}",
        "service: Nu skriver Anna, en människa. Roboten är tyst så länge.",
        "staff: Hej, jag heter Anna.",
        "visitor: hej Anna",
    ] == log(desk)
    assert [1, 2, 3, 4, 5] == [line.seq for line in run(desk.open_for(anna, waiting)).lines]


def test_the_same_key_says_it_once(house: House, desk: TalkDesk) -> None:
    """Another text under it is refused."""
    anna, waiting = member(house, "anna"), asks(desk)
    run(desk.take(anna, waiting))
    first = run(desk.write(anna, waiting, "hej", "k"))
    assert first == run(desk.write(anna, waiting, "hej", "k"))
    with pytest.raises(KeyReused):
        run(desk.write(anna, waiting, "annat", "k"))
    assert 1 == log(desk).count("staff: hej")


def test_both_write_at_once_and_every_message_has_its_own_number(house: House, desk: TalkDesk) -> None:
    """Forty from each side, each sent twice with its key: eighty messages, numbered without a gap."""
    anna, waiting = member(house, "anna"), asks(desk)
    run(desk.take(anna, waiting))
    gate = threading.Barrier(4)

    def staff() -> None:
        gate.wait()
        for number in range(40):
            run(desk.write(anna, waiting, f"svar {number}", f"k{number}"))

    def visitor(first: int) -> None:
        gate.wait()
        for number in range(first, 40, 2):
            assert writes(desk, f"fråga {number}")

    threads = [threading.Thread(target=staff) for _ in range(2)]
    threads += [threading.Thread(target=visitor, args=(first,)) for first in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines = run(desk.open_for(anna, waiting)).lines
    assert list(range(1, len(lines) + 1)) == [line.seq for line in lines]
    texts = [line.text for line in lines if line.kind == "text"]
    assert 80 == len(texts) == len(set(texts))
    assert [f"svar {number}" for number in range(40)] == [text for text in texts if text.startswith("svar")]


def test_ten_who_take_one_talk_and_one_gets_it(house: House, desk: TalkDesk) -> None:
    """The others are told that a colleague was faster; the winner may press twice."""
    waiting = asks(desk)
    gate, outcomes = threading.Barrier(10), []

    def take(name: str) -> None:
        staff = member(house, name)
        gate.wait()
        try:
            run(desk.take(staff, waiting))
            outcomes.append(name)
        except Conflict:
            outcomes.append("")

    threads = [threading.Thread(target=take, args=(("anna", "samir")[number % 2],)) for number in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    winners = set(outcomes) - {""}
    assert {talk(house, waiting).therapist_id} == winners
    assert 1 == tags(house, waiting).count("staff:talk:opened")


def test_eight_windows_that_ask_are_one_place_in_the_line(house: House, desk: TalkDesk) -> None:
    """The database's index decides."""
    gate = threading.Barrier(8)

    def ask() -> None:
        gate.wait()
        assert run(TalkDesk(house).ask("c1", CHILD)).seated

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 1 == count(house, TalkSeat, TalkSeat.left_at.is_(None))
    assert 1 == count(house, Talk, Talk.state == WAITING, Talk.id.in_(sa.select(TalkSeat.talk_id)))


@pytest.mark.parametrize(("text", "error"), [("  \u200b", EmptyText), ("x" * 2001, TextTooLong)])
def test_what_staff_cannot_send(house: House, desk: TalkDesk, text: str, error: type[Exception]) -> None:
    """Nothing, or more than anybody reads on a phone."""
    waiting = asks(desk)
    run(desk.take(member(house, "anna"), waiting))
    with pytest.raises(error):
        run(desk.write(member(house, "anna"), waiting, text))


# Who may read.


def test_before_it_is_opened_nobody_reads_a_word(house: House, desk: TalkDesk) -> None:
    """The team sees that somebody waits, since when and how old; the manager that there is a talk; others nothing."""
    waiting = asks(desk)
    writes(desk, WORDS)
    for name in ("anna", "samir", "bo", "karin", "ulla"):
        with pytest.raises(NotFound):
            run(desk.open_for(member(house, name), waiting))
    assert {"anna": 1, "samir": 1} == {
        name: len(run(desk.listing(member(house, name))).waiting) for name in ("anna", "samir")
    }
    assert 1 == len(run(desk.listing(member(house, "bo"))).others)
    assert [] == run(desk.listing(member(house, "ulla"))).waiting
    with pytest.raises(NotFound):
        run(desk.listing(member(house, "karin")))
    for name in ("karin", "ulla"):
        with pytest.raises(NotFound):
            run(desk.peek(member(house, name), waiting))
    assert WORDS not in repr(run(desk.listing(member(house, "anna"))))


@pytest.mark.parametrize("name", ["samir", "bo", "karin", "ulla"])
def test_an_open_talk_is_its_therapists_alone(house: House, desk: TalkDesk, name: str) -> None:
    """For everybody else every way in is a page that does not exist."""
    waiting = asks(desk)
    run(desk.take(member(house, "anna"), waiting))
    staff = member(house, name)
    for way in (
        desk.open_for(staff, waiting),
        desk.write(staff, waiting, "hej"),
        desk.offer(staff, waiting, "anna"),
        desk.answer_offer(staff, waiting, accept=True),
        desk.hand_back(staff, waiting),
        desk.close(staff, waiting),
        desk.reopen(staff, waiting),
    ):
        with pytest.raises(NotFound):
            run(way)
    assert house.db.read_now(lambda session: desk.said(session, staff, waiting, 0)) is None
    assert set() == run(desk.readable(staff, {waiting}))
    assert OPEN == talk(house, waiting).state


def test_somebody_who_has_left_reads_nothing(house: House, desk: TalkDesk) -> None:
    """From the next request on."""
    waiting = asks(desk)
    anna = member(house, "anna")
    run(desk.take(anna, waiting))
    anna.active = False
    assert not run(desk.may_read(anna, waiting))
    with pytest.raises(NotFound):
        run(desk.open_for(anna, waiting))


def test_opening_and_reading_are_written_down(house: House, desk: TalkDesk) -> None:
    """Who, when, which; never a word."""
    waiting = asks(desk)
    writes(desk, WORDS)
    run(desk.take(member(house, "anna"), waiting))
    run(desk.open_for(member(house, "anna"), waiting))
    assert ["chat:talk:asked", "staff:talk:opened", "staff:talk:read"] == tags(house, waiting)


def test_words_lie_sealed(house: House, desk: TalkDesk) -> None:
    """No row holds them in clear."""
    waiting = asks(desk)
    writes(desk, WORDS)
    bodies = house.db.read_now(lambda session: list(session.scalars(sa.select(TalkMessage.body))))
    assert all(body is not None and WORDS.encode() not in body for body in bodies)
    assert waiting


# Handing over, handing back, ending.


def test_a_colleague_takes_over_only_by_saying_yes(house: House, desk: TalkDesk) -> None:
    """Asked, Samir sees that there is a talk and not its words; after yes he reads all of it and Anna nothing."""
    waiting = asks(desk)
    anna, samir = member(house, "anna"), member(house, "samir")
    run(desk.take(anna, waiting))
    writes(desk, WORDS)
    run(desk.offer(anna, waiting, "samir"))
    assert [waiting] == [row.id for row in run(desk.listing(samir)).offered]
    with pytest.raises(NotFound):
        run(desk.open_for(samir, waiting))
    run(desk.answer_offer(samir, waiting, accept=True))
    assert WORDS in [line.text for line in run(desk.open_for(samir, waiting)).lines]
    with pytest.raises(NotFound):
        run(desk.open_for(anna, waiting))
    assert log(desk)[-1].startswith("service: Nu är Samir här, en människa.")
    assert ["staff:talk:offered", "staff:talk:taken_over"] == tags(house, waiting)[2:4]


def test_a_colleague_may_say_no_and_the_question_can_be_taken_back(house: House, desk: TalkDesk) -> None:
    """The talk stays where it is; nobody who was not asked can answer, and only the own team can be asked."""
    waiting = asks(desk)
    anna, samir = member(house, "anna"), member(house, "samir")
    run(desk.take(anna, waiting))
    run(desk.offer(anna, waiting, "samir"))
    run(desk.answer_offer(samir, waiting, accept=False))
    run(desk.offer(anna, waiting, "samir"))
    run(desk.offer(anna, waiting, ""))
    with pytest.raises(NotFound):
        run(desk.answer_offer(samir, waiting, accept=True))
    for stranger in ("ulla", "karin", "bo", "anna", "nobody"):
        with pytest.raises(NotFound):
            run(desk.offer(anna, waiting, stranger))
    assert ("anna", OPEN) == (talk(house, waiting).therapist_id, talk(house, waiting).state)


@pytest.mark.parametrize(
    ("end", "state", "told"),
    [
        ("hand_back", HANDED_BACK, "Nu är roboten här igen. Anna läser inte längre"),
        ("close", CLOSED, "Samtalet med Anna är slut."),
    ],
)
def test_the_end_is_told_and_gives_the_robot_back(
    house: House, desk: TalkDesk, end: str, state: str, told: str
) -> None:
    """The chat has no seat any more; nobody can write; ending twice is once; the therapist can still read it."""
    waiting = asks(desk)
    anna = member(house, "anna")
    run(desk.take(anna, waiting))
    taken = seat(desk)
    run(getattr(desk, end)(anna, waiting))
    run(getattr(desk, end)(anna, waiting))
    assert (state, None) == (talk(house, waiting).state, seat(desk))
    assert told in log(desk)[-1] and 1 == sum(told in line for line in log(desk))
    with pytest.raises(Conflict):
        run(desk.write(anna, waiting, "en sak till"))
    now = house.clock.now()
    assert house.db.write_now(lambda session: desk.say(session, taken, "hallå", now)) is None
    assert 2 == len(run(desk.open_for(anna, waiting)).lines)


def test_last_words_come_before_the_end(house: House, desk: TalkDesk) -> None:
    """In the same transaction."""
    waiting = asks(desk)
    anna = member(house, "anna")
    run(desk.take(anna, waiting))
    run(desk.close(anna, waiting, "Ta hand om dig."))
    assert "staff: Ta hand om dig." == log(desk)[-2]


def test_a_talk_that_was_ended_by_mistake_goes_on(house: House, desk: TalkDesk) -> None:
    """The chat is in it again, unless it is in another by now."""
    waiting = asks(desk)
    anna = member(house, "anna")
    run(desk.take(anna, waiting))
    run(desk.close(anna, waiting))
    run(desk.reopen(anna, waiting))
    assert (OPEN, waiting) == (talk(house, waiting).state, seat(desk).talk_id)
    run(desk.close(anna, waiting))
    other = asks(desk)
    run(desk.reopen(anna, waiting))
    assert other == seat(desk).talk_id


def test_the_visitor_leaves_the_line_or_ends_the_talk(house: House, desk: TalkDesk, clock: ManualClock) -> None:
    """And may ask again."""
    first = asks(desk)
    assert run(desk.leave("c1")) and not run(desk.leave("c1"))
    clock.forward(seconds=1)
    second = asks(desk)
    run(desk.take(member(house, "anna"), second))
    run(desk.leave("c1"))
    assert [LEFT, LEFT] == [talk(house, one).state for one in (first, second)]
    assert ["Du har lämnat kön.", "Du har avslutat samtalet."] == [
        line.removeprefix("service: ").partition(". ")[0] + "." for line in log(desk) if "Du har" in line
    ]


def test_nobody_is_left_with_a_therapist_who_is_gone(house: House, desk: TalkDesk, clock: ManualClock) -> None:
    """Three minutes without an answer from a page that is closed: the team is asked, and the person is told so."""
    waiting = asks(desk)
    anna, samir = member(house, "anna"), member(house, "samir")
    run(desk.take(anna, waiting))
    writes(desk, "är du kvar?")
    clock.forward(minutes=4)
    with desk.presence.open(f"with:{waiting}:anna"):
        run(desk.tend())
        assert OPEN == talk(house, waiting).state
    desk.presence.gone(f"with:{waiting}:anna")
    run(desk.tend())
    assert WAITING == talk(house, waiting).state and "Anna har tappat kontakten" in log(desk)[-1]
    run(desk.take(samir, waiting))
    assert "är du kvar?" in [line.text for line in run(desk.open_for(samir, waiting)).lines]
    assert DROPPED < timedelta(minutes=4)


def test_a_talk_that_somebody_forgot_to_end_ends(house: House, desk: TalkDesk, clock: ManualClock) -> None:
    """After eight hours without a word."""
    waiting = asks(desk)
    run(desk.take(member(house, "anna"), waiting))
    clock.forward(hours=8, minutes=1)
    run(desk.tend())
    assert CLOSED == talk(house, waiting).state


# Booked talks.


def test_a_booked_room_opens_ten_minutes_before(house: House, desk: TalkDesk, clock: ManualClock) -> None:
    """Too early is told; in time the person waits for their own therapist, whom nobody has to be free for."""
    booking, start, name = booked(house)
    clock.at = start - timedelta(minutes=11)
    assert "early" == run(desk.arrive("c9", booking, CHILD))
    clock.at = start - timedelta(minutes=10)
    assert "in" == run(desk.arrive("c9", booking, CHILD)) == run(desk.arrive("c9", booking, CHILD))
    row = run(desk.listing(member(house, name))).waiting[0]
    assert (True, start, "10-12") == (row.own, row.start, row.reader.band)
    assert 1 == run(desk.ask("c2", CHILD)).outlook.place
    clock.at = start + timedelta(minutes=30) + LINGERS
    run(desk.tend())
    assert "over" == run(desk.arrive("c8", booking, CHILD))


def test_leaving_and_returning_with_the_code_loses_nothing(house: House, desk: TalkDesk, clock: ManualClock) -> None:
    """The first chat is wiped, the second sits in the same talk and sees all of it."""
    booking, start, name = booked(house)
    staff = member(house, name)
    clock.at = start
    run(desk.arrive("c1", booking, CHILD))
    writes(desk, WORDS)
    talk_id = run(desk.begin(staff, booking))
    run(desk.write(staff, talk_id, "Hej."))
    house.db.write_now(lambda session: desk.wipe(session, "c1"))
    run(desk.write(staff, talk_id, "Är du kvar?"))
    assert OPEN == talk(house, talk_id).state and not run(desk.open_for(staff, talk_id)).seated
    assert "in" == run(desk.arrive("c2", booking, CHILD))
    writes(desk, "jag är tillbaka", "c2")
    texts = [line for line in log(desk, "c2") if not line.startswith("service")]
    assert [f"visitor: {WORDS}", "staff: Hej.", "staff: Är du kvar?", "visitor: jag är tillbaka"] == texts
    assert [] == log(desk, "c1")


def test_two_pages_with_one_code_are_in_the_same_talk(house: House, desk: TalkDesk, clock: ManualClock) -> None:
    """What one writes the other sees."""
    booking, start, _ = booked(house)
    clock.at = start
    for chat in ("c1", "c2"):
        run(desk.arrive(chat, booking, CHILD))
    writes(desk, "från mobilen", "c1")
    writes(desk, "från datorn", "c2")
    assert log(desk, "c1") == log(desk, "c2") == ["visitor: från mobilen", "visitor: från datorn"]


def test_the_therapist_may_be_there_first(house: House, desk: TalkDesk, clock: ManualClock) -> None:
    """And writes; whoever comes later reads it. Only the one it is booked with, and only in time."""
    booking, start, name = booked(house)
    staff, other = member(house, name), member(house, "samir" if name == "anna" else "anna")
    with pytest.raises(NotFound):
        run(desk.begin(staff, booking))
    clock.at = start
    with pytest.raises(NotFound):
        run(desk.begin(other, booking))
    talk_id = run(desk.begin(staff, booking))
    assert talk_id == run(desk.begin(staff, booking))
    run(desk.write(staff, talk_id, "Hej, jag är här."))
    run(desk.arrive("c1", booking, CHILD))
    assert "staff: Hej, jag är här." in log(desk)


def test_a_colleague_may_take_a_booked_talk_whose_therapist_does_not_come(
    house: House, desk: TalkDesk, clock: ManualClock
) -> None:
    """Whoever waits with a code is the whole team's to see."""
    booking, start, name = booked(house)
    clock.at = start
    run(desk.arrive("c1", booking, CHILD))
    other = member(house, "samir" if name == "anna" else "anna")
    run(desk.take(other, seat(desk).talk_id))
    assert other.id == talk(house, seat(desk).talk_id).therapist_id


def test_after_it_was_ended_a_code_shows_what_was_written_and_nothing_more(
    house: House, desk: TalkDesk, clock: ManualClock
) -> None:
    """One that the visitor left can be gone in to again in the same time."""
    booking, start, name = booked(house)
    staff = member(house, name)
    clock.at = start
    run(desk.arrive("c1", booking, CHILD))
    run(desk.leave("c1"))
    assert "in" == run(desk.arrive("c1", booking, CHILD))
    talk_id = run(desk.begin(staff, booking))
    run(desk.close(staff, talk_id))
    assert "over" == run(desk.arrive("c2", booking, CHILD))
    assert seat(desk, "c2") is None and any("är slut" in line for line in log(desk, "c2"))


def test_nobody_came_to_a_booked_talk(house: House, desk: TalkDesk, clock: ManualClock) -> None:
    """Half an hour after its end the person is told, with a way on."""
    booking, start, _ = booked(house)
    clock.at = start
    run(desk.arrive("c1", booking, CHILD))
    clock.at = start + timedelta(minutes=30) + LINGERS
    run(desk.tend())
    assert seat(desk) is None and "ingen hann svara" in log(desk)[-1]


# What goes, and when.


def test_leaving_the_page_takes_the_words_of_a_talk_without_a_code(house: House, desk: TalkDesk) -> None:
    """The answers too, since they may repeat what was told; the therapist sees that it was so, and cannot reopen it."""
    waiting = asks(desk)
    anna = member(house, "anna")
    writes(desk, WORDS)
    run(desk.take(anna, waiting))
    run(desk.write(anna, waiting, "Du skrev att pappa dricker."))
    house.db.write_now(lambda session: desk.wipe(session, "c1"))
    file = run(desk.open_for(anna, waiting))
    assert (True, LEFT, ["wiped"]) == (file.wiped, file.state, [line.kind for line in file.lines])
    assert 0 == count(house, TalkMessage, TalkMessage.body.is_not(None)) == count(house, TalkSeat)
    with pytest.raises(Conflict):
        run(desk.reopen(anna, waiting))


def test_with_a_saved_code_one_comes_back_to_a_talk_that_was_not_booked(
    house: House, desk: TalkDesk, clock: ManualClock
) -> None:
    """Left in the line: out of it, and in it again. Left in the talk: it waits with all that was written."""
    asked = run(desk.ask("c1", CHILD))
    waiting = seat(desk).talk_id
    house.db.write_now(lambda session: desk.code_saved(session, asked.receipt))
    writes(desk, WORDS)
    house.db.write_now(lambda session: desk.wipe(session, "c1"))
    assert LEFT == talk(house, waiting).state
    clock.forward(minutes=20)
    assert "in" == run(desk.come_back("c2", waiting))
    assert WAITING == talk(house, waiting).state
    anna = member(house, "anna")
    run(desk.take(anna, waiting))
    house.db.write_now(lambda session: desk.wipe(session, "c2"))
    file = run(desk.open_for(anna, waiting))
    assert (OPEN, False, False) == (file.state, file.wiped, file.seated)
    run(desk.write(anna, waiting, "Jag är kvar."))
    assert "in" == run(desk.come_back("c3", waiting))
    assert [f"visitor: {WORDS}", "staff: Jag är kvar."] == [
        line for line in log(desk, "c3") if not line.startswith("service")
    ]
    run(desk.close(anna, waiting))
    assert "over" == run(desk.come_back("c4", waiting))
    assert f"visitor: {WORDS}" in log(desk, "c4")


def test_a_code_that_nobody_saved_keeps_nothing(house: House, desk: TalkDesk) -> None:
    """Who leaves without having saved it takes the words along, and the code opens nothing."""
    asked = run(desk.ask("c1", CHILD))
    waiting = seat(desk).talk_id
    assert asked.receipt is not None
    house.db.write_now(lambda session: desk.wipe(session, "c1"))
    assert "gone" == run(desk.come_back("c2", waiting))
    assert house.db.read_now(lambda session: session.get(codes.ReturnCode, asked.receipt)) is None


def test_who_comes_back_late_or_in_the_evening_reads_and_does_not_wait(
    house: House, desk: TalkDesk, clock: ManualClock
) -> None:
    """After two hours the place in the line is gone; the words are not."""
    asked = run(desk.ask("c1", CHILD))
    waiting = seat(desk).talk_id
    house.db.write_now(lambda session: desk.code_saved(session, asked.receipt))
    writes(desk, WORDS)
    run(desk.leave("c1"))
    clock.forward(hours=3)
    assert "over" == run(desk.come_back("c2", waiting))
    assert f"visitor: {WORDS}" in log(desk, "c2")


def test_talks_go_by_themselves(house: House, desk: TalkDesk, clock: ManualClock) -> None:
    """A day after they are over, with messages and seats, and not before; one that goes on stays."""
    anna = member(house, "anna")
    first, second = asks(desk), asks(desk, "c2")
    for one in (first, second):
        run(desk.take(anna, one))
    run(desk.close(anna, first))
    clock.forward(hours=24)
    assert 0 == run(desk.purge())
    clock.forward(seconds=1)
    assert 1 == run(desk.purge())
    assert (
        0
        == count(house, TalkMessage, TalkMessage.talk_id == first)
        == count(house, TalkSeat, TalkSeat.talk_id == first)
    )
    assert OPEN == talk(house, second).state


# What is told to open pages.


def test_pages_are_told_after_the_commit(house: House, desk: TalkDesk) -> None:
    """Everybody in the talk; signals that somebody writes or has read come as they are and leave no row."""

    async def work() -> list[list[Event]]:
        await desk.ask("c1", CHILD)
        talk_id = (await house.db.read(lambda session: desk.seat_of(session, "c1"))).talk_id
        await desk.take(member(house, "anna"), talk_id)
        with house.live.listen(f"talk:{talk_id}") as feed:
            found = []
            await desk.write(member(house, "anna"), talk_id, "hej")
            found.append(await feed.next(1))
            desk.typing(talk_id, "staff")
            found.append(await feed.next(1))
            desk.seen(talk_id, "visitor", 2)
            desk.seen(talk_id, "visitor", 2)
            found.append(await feed.next(1))
            return found

    said, typing, read = run(work())
    assert ["said"] == [event.name for event in said]
    assert [("typing", "staff")] == [(event.name, event.data) for event in typing]
    assert [("read", "visitor")] == [(event.name, event.data) for event in read]
    assert 2 == count(house, TalkMessage)


def test_a_mark_is_of_one_talk() -> None:
    """A page that comes back with another talk's mark, or with nonsense, is told everything."""
    assert 7 == rules.read_mark(rules.mark("a1", 7), "a1")
    for nonsense in (rules.mark("b2", 7), "", None, "a1", "a1.x", "a1.-1", "a1.²", f"a1.{'9' * 40}"):
        assert 0 == rules.read_mark(nonsense, "a1")


def test_a_page_that_flickers_is_still_there() -> None:
    """For a minute; a second page keeps it there; nothing is kept of those who are gone."""
    now = [0.0]
    from backend.talks.presence import Presence

    presence = Presence(lambda: now[0])
    with presence.open("a"), presence.open("a"):
        assert 2 == presence.pages("a") and presence.here("a")
    now[0] += 59
    assert presence.here("a") and not presence.pages("a")
    now[0] += 2
    assert not presence.here("a")
    presence.sweep()
    assert {} == presence._left
