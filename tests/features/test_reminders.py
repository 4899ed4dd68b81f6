"""Promise: a reminder comes only to who has asked, says the hour and nothing else, and follows the talk when it moves."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa

from backend.booking import notices
from backend.booking.notices import Reminder
from backend.booking.safe import Safe
from backend.booking.service import BookingDesk, Details
from backend.booking.tables import Booking
from backend.core import outbox
from backend.core.clock import to_local
from backend.core.errors import InvalidField
from backend.core.house import House
from backend.core.outbox import Message, OutboxMessage
from backend.core.reader import Reader
from tests.conftest import ManualClock
from tests.therapists import add_therapist, count

SMS = Reminder("sms", "070-174 06 35")
MAIL = Reminder("mail", " nora@skola.example ")


def run(work: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(work)


class Kept:
    """A transport that keeps what it is given."""

    def __init__(self) -> None:
        self.messages: list[Message] = []

    def send(self, message: Message) -> None:
        self.messages.append(message)


@pytest.fixture
def desk(house: House) -> Iterator[BookingDesk]:
    """Anna works from 9 to 16 on a Wednesday that is nine o'clock old."""
    add_therapist(house, "anna", [("09:00", "16:00")])
    yield BookingDesk(house)


def book(desk: BookingDesk, at: str, reminder: Reminder | None, reader: Reader | None = None) -> Any:
    slots = {to_local(time.start).strftime("%d %H:%M"): time.slot for time in run(desk.offer(limit=99)).times}
    run(desk.hold("chat:1", slots[at]))
    return run(desk.confirm("chat:1", Details("chat", reader or Reader("child", "13-17"), reminder=reminder)))


def slot_at(desk: BookingDesk, at: str) -> str:
    return next(
        time.slot for time in run(desk.offer(limit=99)).times if to_local(time.start).strftime("%d %H:%M") == at
    )


def waiting(house: House) -> list[tuple[str, str]]:
    """Channel and hour of the reminders that wait."""
    rows = house.db.read_now(lambda s: s.scalars(sa.select(OutboxMessage).where(OutboxMessage.channel != "mail")).all())
    return [(row.channel, to_local(row.due_at).strftime("%d %H:%M")) for row in rows if row.state == "pending"]


def sent(house: House) -> list[Message]:
    kept = Kept()
    run(outbox.deliver_due(house.db, {"sms": kept, "private_mail": kept}, house.clock, house.vault))
    return kept.messages


def test_who_has_not_asked_is_sent_nothing(desk: BookingDesk, house: House, clock: ManualClock) -> None:
    """The only message is the therapist's own."""
    book(desk, "25 13:40", None)
    clock.forward(hours=30)
    assert ([], 1) == (sent(house), count(house, OutboxMessage))


@pytest.mark.parametrize(
    ("reminder", "to", "subject"),
    [(SMS, "+46701740635", ""), (MAIL, "nora@skola.example", "Påminnelse 13:40")],
)
def test_it_comes_an_hour_before_and_says_the_hour(
    desk: BookingDesk, house: House, clock: ManualClock, reminder: Reminder, to: str, subject: str
) -> None:
    """Neither who, nor what, nor where; the hour is Stockholm's."""
    book(desk, "25 13:40", reminder)
    assert ["25 12:40"] == [due for _, due in waiting(house)]
    clock.at = datetime(2026, 11, 25, 11, 39, 59, tzinfo=clock.at.tzinfo)
    assert [] == sent(house)
    clock.forward(seconds=1)
    assert [(to, subject, "Påminnelse 13:40")] == [(each.recipient, each.subject, each.body) for each in sent(house)]
    assert [] == sent(house)


def test_it_is_in_the_reader_s_language(desk: BookingDesk, house: House, clock: ManualClock) -> None:
    """English for who reads English."""
    book(desk, "25 13:40", SMS, Reader("child", "13-17", "en"))
    clock.forward(hours=4)
    assert ["Reminder 13:40"] == [each.body for each in sent(house)]


def test_it_follows_the_talk_and_ends_with_it(desk: BookingDesk, house: House) -> None:
    """Moved: one reminder, at the new hour. Cancelled: none. Booked again: one again."""
    made = book(desk, "25 13:40", SMS)
    run(desk.changes.move(made.booking_id, slot_at(desk, "26 09:00")))
    assert [("sms", "26 08:00")] == waiting(house)
    run(desk.cancel(made.booking_id))
    assert [] == waiting(house)
    run(desk.changes.rebook(made.booking_id, slot_at(desk, "26 09:40")))
    assert [("sms", "26 08:40")] == waiting(house)


def test_a_talk_that_is_near_has_no_reminder(desk: BookingDesk, house: House) -> None:
    """An hour before is over already; the wish stays for when it is moved."""
    made = book(desk, "25 09:40", SMS)
    assert [] == waiting(house)
    assert () == notices.reminder_ways(house, made.start)
    run(desk.changes.move(made.booking_id, slot_at(desk, "25 13:40")))
    assert [("sms", "25 12:40")] == waiting(house)


@pytest.mark.parametrize(
    ("reminder", "field", "code"),
    [
        (Reminder("sms", "08-465 004 12"), "remind_phone", "phone_not_mobile"),
        (Reminder("sms", "1" * 40), "remind_phone", "phone_invalid"),
        (Reminder("sms", ""), "remind_phone", "phone_invalid"),
        (Reminder("mail", "nora"), "remind_mail", "mail_invalid"),
        (Reminder("mail", "a@b.se\r\nBcc: alla@b.se"), "remind_mail", "mail_invalid"),
        (Reminder("mail", "a@b.se, c@d.se"), "remind_mail", "mail_invalid"),
        (Reminder("mail", "x" * 70 + "@b.se"), "remind_mail", "mail_invalid"),
        (Reminder("pigeon", "x"), "reminder", "invalid"),  # type: ignore[arg-type]
    ],
)
def test_where_nothing_can_go_is_told_by_its_field(
    desk: BookingDesk, house: House, reminder: Reminder, field: str, code: str
) -> None:
    """A number at home, forty digits, two addresses, a header smuggled in: nothing is booked, the hold stays."""
    with pytest.raises(InvalidField) as told:
        book(desk, "25 13:40", reminder)
    assert (code, field) == (told.value.code, told.value.extra["field"])
    assert [] == waiting(house)


def test_where_to_is_sealed_and_goes_with_the_booking(desk: BookingDesk, house: House, clock: ManualClock) -> None:
    """No number in any table; the answers about it lie with the booking, and all goes when it is purged."""
    made = book(desk, "25 13:40", MAIL)
    rows = house.db.read_now(
        lambda s: repr(
            s.execute(sa.select(Booking.__table__)).all() + s.execute(sa.select(OutboxMessage.__table__)).all()
        )
    )
    assert "nora" not in rows
    assert Reminder("mail", "nora@skola.example") == house.db.read_now(
        lambda s: notices.reminder_of(house, s.get(Booking, made.booking_id))
    )
    clock.forward(days=40)
    run(desk.purge())
    assert 0 == count(house, Booking)


def test_only_what_is_set_up_is_offered(house: House) -> None:
    """An example shows all; a real municipality only what has a server behind it."""
    real = replace(house, municipality=msgspec.structs.replace(house.municipality, example=False))
    with_sms = replace(real, settings=replace(house.settings, sms_url="https://sms.example/send"))
    with_mail = replace(real, settings=replace(house.settings, smtp_url="smtp://mail.example"))
    assert ("sms", "mail") == notices.reminder_ways(house)
    assert ((), ("sms",), ("mail",)) == tuple(notices.reminder_ways(each) for each in (real, with_sms, with_mail))


def test_answers_about_safety_stay_with_the_talk(desk: BookingDesk, house: House) -> None:
    """What was said about text messages is kept for a chat; what was said about calls is not."""
    run(desk.hold("chat:1", slot_at(desk, "25 13:40")))
    safe = Safe(call_ok="yes", not_told="pappa", sms_ok="unsure")
    made = run(desk.confirm("chat:1", Details("chat", safe=safe, reminder=SMS)))
    sealed = house.db.read_now(lambda s: s.get(Booking, made.booking_id))
    text = house.vault.open(sealed.data_key, f"booking.safe:{made.booking_id}", sealed.safe)
    assert Safe(sms_ok="unsure") == msgspec.json.decode(text, type=Safe)
