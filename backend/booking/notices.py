"""What the house sends about a booking: to the therapist that something is new, to the person what they asked for.

Neither says what it is about. A person is sent nothing they have not asked for; what
they asked for is one line with the hour, from a sender that says nothing, and it is taken
back when the talk is moved or cancelled.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta

import msgspec
from sqlalchemy.orm import Session

from backend.booking.repository import Colleague
from backend.booking.safe import ReminderWay
from backend.booking.tables import Booking
from backend.core import outbox
from backend.core.clock import to_local
from backend.core.errors import InvalidField
from backend.core.house import House
from backend.core.live import Event
from backend.core.outbox import PRIVATE_MAIL, SMS
from backend.core.phone import parse_mobile
from backend.core.reader import Reader

_CHANNELS = {"sms": SMS, "mail": PRIVATE_MAIL}
_LONGEST = 400
"""Characters in which an address is looked for."""
_ADDRESS = re.compile(r"[^\s@<>,;:\"()\[\]\\]{1,64}@[^\s@<>,;:\"()\[\]\\]{1,180}\.[^\s@<>,;:\"()\[\]\\.]{2,}")


class Reminder(msgspec.Struct, frozen=True):
    """How somebody has asked to be reminded, and the number or address to reach them at."""

    by: ReminderWay
    to: str


def topic(unit: str) -> str:
    """What the open pages of a unit's therapists listen to: something about its talks is new."""
    return f"booked:{unit}"


def publish(house: House, unit: str, booking_id: str) -> None:
    """Tell open pages that something about a talk has been committed. On the event loop."""
    house.live.publish(topic(unit), Event("talks"))
    house.live.publish(f"booking:{booking_id}", Event("state"))


def tell(session: Session, house: House, therapist: Colleague, booking_id: str, now: datetime) -> None:
    """Post a mail to the therapist, or to the unit, that says only that there is something new."""
    outbox.post(
        session,
        now,
        therapist.mail or house.municipality.unit(therapist.unit).mailbox,
        house.phrases.say("booking_mail.subject"),
        house.phrases.say("booking_mail.body", None, url=f"{house.settings.public_url}/personal"),
        about=booking_id,
    )


def reminder_ways(house: House, start: datetime | None = None) -> tuple[str, ...]:
    """How somebody may ask to be reminded of a talk at ``start``: what is set up, and in time.

    An example municipality shows them without a server, since its messages go to the console.
    """
    terms, settings = house.municipality.booking, house.settings
    if start is not None and _due(house, start) <= house.clock.now():
        return ()
    can = {"sms": bool(settings.sms_url), "mail": bool(settings.smtp_url)}
    return tuple(way for way in terms.reminders if can[way] or house.municipality.example)


def checked(house: House, reminder: Reminder, phone: str | None = None) -> Reminder:
    """The reminder with its number or address in one form; without a number it goes to ``phone``, which we call.

    Raises `InvalidField` for a way that is not open, a number that takes no text messages and an
    address that is none.
    """
    if reminder.by not in reminder_ways(house):
        raise InvalidField("invalid", "reminder")
    if reminder.by == "sms":
        try:
            return Reminder("sms", parse_mobile(reminder.to or phone or "").e164)
        except InvalidField as error:
            raise InvalidField(error.code, "remind_phone") from None
    return Reminder("mail", check_address(reminder.to))


def check_address(text: str) -> str:
    """The one mail address that ``text`` is. Raises `InvalidField`."""
    address = text.strip()
    if not _ADDRESS.fullmatch(address):
        raise InvalidField("mail_invalid", "remind_mail")
    return address


def address_in(text: str) -> str:
    """The one mail address in ``text``, which may be a whole sentence. Raises `InvalidField`."""
    found = {match.rstrip(".!?") for match in _ADDRESS.findall(text[:_LONGEST])}
    return check_address(found.pop() if len(found) == 1 else "")


def masked_address(address: str) -> str:
    """The first letter and what follows the ``@``, enough to recognise one's own address by."""
    name, _, place = address.partition("@")
    return f"{name[0]}•••@{place}"


def preview(house: House, start: datetime, reader: Reader) -> tuple[str, datetime]:
    """A reminder of a talk at ``start``, word for word, and when it goes out."""
    return house.phrases.say("reminder.text", reader, clock=to_local(start).strftime("%H:%M")), _due(house, start)


def remind(
    session: Session, house: House, booking_id: str, start: datetime, reminder: Reminder, reader: Reader, now: datetime
) -> None:
    """Put the reminder in the outbox, to go out before the talk; nothing if it is too late for one."""
    text, due = preview(house, start, reader)
    if due <= now:
        return
    outbox.post_sealed(
        session,
        house.vault,
        now,
        reminder.to,
        text if reminder.by == "mail" else "",
        text,
        channel=_CHANNELS[reminder.by],
        about=booking_id,
        due=due,
    )


def stop_reminding(session: Session, booking_id: str) -> None:
    """Take back a reminder that has not gone out."""
    outbox.withdraw(session, booking_id, tuple(_CHANNELS.values()))


def remind_anew(session: Session, house: House, booking: Booking, now: datetime) -> None:
    """Take back the reminder of the old time and put one for the new, if the person had asked for one."""
    stop_reminding(session, booking.id)
    reminder = reminder_of(house, booking)
    if reminder is not None:
        reader = Reader.stored(booking.who, booking.band, booking.lang)
        remind(session, house, booking.id, booking.start_at, reminder, reader, now)


def keep_wish(house: House, booking: Booking, reminder: Reminder | None) -> None:
    """Note in a booking's row how the person wants to be reminded."""
    if reminder is None or booking.data_key is None:
        booking.reminder = None
        return
    text = msgspec.json.encode(reminder).decode()
    booking.reminder = house.vault.seal(booking.data_key, f"booking.reminder:{booking.id}", text)


def phone_of(house: House, booking: Booking) -> str | None:
    """The number that we call, or None."""
    if booking.phone is None or booking.data_key is None:
        return None
    return house.vault.open(booking.data_key, f"booking.phone:{booking.id}", booking.phone)


def reminder_of(house: House, booking: Booking) -> Reminder | None:
    """What the person has asked for, or None."""
    if booking.reminder is None or booking.data_key is None:
        return None
    text = house.vault.open(booking.data_key, f"booking.reminder:{booking.id}", booking.reminder)
    return msgspec.json.decode(text, type=Reminder)


def _due(house: House, start: datetime) -> datetime:
    return start - timedelta(minutes=house.municipality.booking.reminder_minutes)
