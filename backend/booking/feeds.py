"""A therapist's talks for their own calendar program: when they are busy, and nothing else.

A calendar program cannot log in, so the address is the secret: 256 random bits, of which only a
digest is kept, and which can be renewed or taken away at any time. Whoever steals it learns the
hours of a public servant; the file has no names, no ways to meet, no places, and its ids lead nowhere.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from icalendar import Calendar, Event
from sqlalchemy.orm import Session

from backend.booking.lifecycle import BOOKED, DONE, HELD, NO_SHOW
from backend.booking.tables import Booking, CalendarFeed, Therapist
from backend.core import audit
from backend.core.audit import Tag
from backend.core.errors import NotFound
from backend.core.house import House
from backend.core.people import Role, StaffMember

BACK, AHEAD = timedelta(days=31), timedelta(days=185)
"""How far the feed looks."""
REFRESH = timedelta(minutes=15)
_NOTED = timedelta(minutes=5)
_LONGEST = 100


@dataclass(frozen=True, slots=True)
class FeedState:
    """Whether somebody has a feed, since when, and when a program last read it."""

    created_at: datetime
    read_at: datetime | None


class Feeds:
    """The calendar feeds of one municipality."""

    def __init__(self, house: House) -> None:
        self._house = house

    def open_to(self, staff: StaffMember) -> bool:
        """Whether this person has talks of their own."""
        return staff.active and staff.has(Role.THERAPIST)

    async def state(self, staff: StaffMember) -> FeedState | None:
        """The feed that ``staff`` has, or None."""

        def look(session: Session) -> FeedState | None:
            feed = session.get(CalendarFeed, staff.id)
            return FeedState(feed.created_at, feed.read_at) if feed is not None else None

        return await self._house.db.read(look)

    async def renew(self, staff: StaffMember) -> str:
        """A new secret for the address; the old one opens nothing from now on. Raises `NotFound` for who holds no talks."""
        secret = secrets.token_urlsafe(32)

        def work(session: Session) -> None:
            if session.get(Therapist, staff.id) is None:
                raise NotFound
            now = self._house.clock.now()
            session.merge(CalendarFeed(staff_id=staff.id, digest=_digest(secret), created_at=now, read_at=None))
            audit.record(session, now, Tag.CALENDAR_RENEWED, staff.id, actor=staff.id)

        await self._house.db.write(work)
        return secret

    async def stop(self, staff: StaffMember) -> None:
        """Take the feed away."""

        def work(session: Session) -> None:
            feed = session.get(CalendarFeed, staff.id)
            if feed is not None:
                session.delete(feed)
                audit.record(session, self._house.clock.now(), Tag.CALENDAR_RENEWED, staff.id, actor=staff.id)

        await self._house.db.write(work)

    async def calendar(self, secret: str) -> bytes:
        """The file behind a secret. Raises `NotFound` for one that is none, and for somebody who has left."""
        if len(secret) > _LONGEST:
            raise NotFound
        now = self._house.clock.now()

        def read(session: Session) -> tuple[CalendarFeed, list[Booking]]:
            feed = session.scalar(
                sa.select(CalendarFeed)
                .join(StaffMember, StaffMember.id == CalendarFeed.staff_id)
                .where(CalendarFeed.digest == _digest(secret), StaffMember.active)
            )
            if feed is None:
                raise NotFound
            talks = session.scalars(
                sa.select(Booking)
                .where(
                    Booking.therapist_id == feed.staff_id,
                    Booking.state.in_((BOOKED, DONE, NO_SHOW, HELD)),
                    Booking.start_at > now - BACK,
                    Booking.start_at < now + AHEAD,
                )
                .order_by(Booking.start_at, Booking.id)
            ).all()
            return feed, [talk for talk in talks if talk.state != HELD or (talk.hold_until or now) > now]

        feed, talks = await self._house.db.read(read)
        if feed.read_at is None or now - feed.read_at >= _NOTED:
            await self._house.db.write(
                lambda session: session.execute(
                    sa.update(CalendarFeed).where(CalendarFeed.staff_id == feed.staff_id).values(read_at=now)
                )
            )
        return self._written(talks)

    def _written(self, talks: list[Booking]) -> bytes:
        say = self._house.phrases.say
        calendar = Calendar()
        calendar.add("prodid", "-//calendar//")
        calendar.add("version", "2.0")
        calendar.add("calscale", "GREGORIAN")
        calendar.add("method", "PUBLISH")
        calendar.add("x-wr-calname", say("staff.feed.name"))
        calendar.add("refresh-interval", REFRESH, parameters={"value": "DURATION"})
        calendar.add("x-published-ttl", REFRESH)
        for talk in talks:
            event = Event()
            event.add("uid", self._uid(talk.id))
            # Instants in UTC: right in every program, through both changes of the clock.
            event.add("dtstamp", talk.confirmed_at or talk.created_at)
            event.add("dtstart", talk.start_at)
            event.add("dtend", talk.end_at)
            event.add("summary", say("staff.feed.busy" if talk.state == HELD else "staff.feed.talk"))
            event.add("class", "PRIVATE")
            event.add("transp", "OPAQUE")
            calendar.add_component(event)
        return bytes(calendar.to_ical())

    def _uid(self, booking_id: str) -> str:
        key = self._house.settings.code_pepper
        return hmac.new(key, f"calendar:{booking_id}".encode(), "sha256").hexdigest()[:32]


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
