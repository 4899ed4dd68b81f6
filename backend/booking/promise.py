"""The promise of a talk the same day or the next: who asked, whether there was a time, and who is told when there is none.

Everyone affected is to reach a therapist over the net the same day or the next (domain.md 7.1). So every request
for times is counted, without a word of who asked or what about, and the first who meets an empty calendar is
enough to tell the manager of the booking unit at once.
"""

from __future__ import annotations

import hmac
import logging
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy.orm import Session

from backend.booking import promise_repository as repository
from backend.booking import rules
from backend.booking.offering import Asked, Offer, Offering
from backend.core import audit, outbox
from backend.core.audit import Tag
from backend.core.clock import to_local
from backend.core.closed_days import ClosedDays
from backend.core.duty import Duty
from backend.core.errors import Conflict, NotFound, StorageUnavailable
from backend.core.house import House
from backend.core.live import Event
from backend.core.people import Role, StaffMember

log = logging.getLogger("koll")

TOPIC = "capacity"
"""Told on `backend.core.live.Hub` when an alarm rings or is seen, and when a callback changes."""
FEWEST = 5
"""A count below this is not shown: in a small municipality a handful of requests can point at a family."""
WEEKS = 12
"""Weeks that are told of."""
KEPT_ALARMS = timedelta(days=30)
KEPT_REQUESTS = timedelta(days=730)
RINGS_AGAIN = timedelta(hours=1)
"""How long after somebody has seen an alarm it may ring again the same day for the same reason."""
FULL, ACUTE, LATE = "full", "acute", "late"


@dataclass(frozen=True, slots=True)
class Capacity:
    """An alarm as the manager sees it. ``reason`` is ``full``, ``acute``, ``late`` (somebody waits past the deadline),
    or ``full`` with a ``channel`` in which alone there is no time."""

    id: str
    rang_at: datetime
    reason: str
    channel: str | None
    seen_at: datetime | None
    seen_by: str


@dataclass(frozen=True, slots=True)
class Kept:
    """How the promise was kept in a week or in all. None where fewer than `FEWEST` were counted.

    ``asked`` for times; ``within``: there was one in time; ``wanted`` contact and know by now; ``met`` in time;
    ``ahead``: their talk or call is still to come. ``share`` is of those who wanted contact, in percent.
    """

    first: date
    last: date
    asked: int | None
    within: int | None
    wanted: int | None
    met: int | None
    ahead: int | None
    share: int | None


class Promise:
    """Counts requests for times, and rings when the promise cannot be kept."""

    def __init__(self, house: House, offering: Offering) -> None:
        self._house = house
        self._offering = offering
        self._duty = Duty(house.municipality)
        self._closed = ClosedDays(house.municipality).closed
        self._unit = house.municipality.booking.unit

    def deadline(self, now: datetime) -> datetime:
        """When somebody who asks now is to have been reached: at closing time on the last day of the promise."""
        today = to_local(now).date()
        promised = rules.promised_days(today, self._house.municipality.booking.days_ahead, self._closed)
        for day in (*reversed(promised), *rules.open_after(today, self._closed)):
            closes = self._duty.closes(day)
            if closes is not None and closes > now:
                return closes
        return now + timedelta(days=1)

    async def count(self, who: str, asked: Asked, offer: Offer) -> None:
        """Count that ``who`` (a chat, a form) was shown ``offer``, once a day, and ring if nothing could be offered.

        Never keeps an offer from being shown: what cannot be written is logged, and `look_ahead` rings within
        a minute all the same.
        """
        if not self._house.municipality.booking.enabled:
            return
        now = self._house.clock.now()
        reference = self._reference(who)
        until = rules.instant(offer.until, 24 * 60)
        reason = (
            None if offer.within else ACUTE if asked.acute else f"{FULL}:{asked.channel}" if asked.channel else FULL
        )

        def work(session: Session) -> bool:
            if not repository.counted(session, reference):
                repository.count(session, reference, now, until, within=offer.within)
            return reason is not None and self.ring(session, reason, now)

        try:
            known = await self._house.db.read(lambda session: repository.counted(session, reference))
            if (not known or reason is not None) and await self._house.db.write(work):
                self.tell()
        except StorageUnavailable:
            log.error("a request for times could not be counted")

    def booked(self, session: Session, who: str, booking_id: str) -> None:
        """``who`` has booked a talk, in the caller's transaction."""
        repository.link(session, self._reference(who), "booking_id", booking_id)

    def called(self, session: Session, who: str, callback_id: str) -> None:
        """``who`` has asked to be called, in the caller's transaction."""
        repository.link(session, self._reference(who), "callback_id", callback_id)

    def ring(self, session: Session, reason: str, now: datetime) -> bool:
        """Start an alarm and post its content-free mail, in the caller's transaction; False when it rings already."""
        day = to_local(now).date()
        if not repository.ring(session, day, reason, now, now - RINGS_AGAIN):
            return False
        say = self._house.phrases.say
        body = say("booking_mail.body", None, url=f"{self._house.settings.public_url}/personal")
        mails = {manager.mail for manager in repository.managers_of(session, self._unit)} - {""}
        for mail in sorted(mails) or [self._house.municipality.unit(self._unit).mailbox]:
            outbox.post(session, now, mail, say("booking_mail.subject"), body)
        return True

    def tell(self) -> None:
        """Let open windows look again, after the commit."""
        self._house.live.publish(TOPIC, Event(TOPIC))

    async def look_ahead(self) -> bool:
        """Whether an alarm began to ring: in opening hours, when there is no time in time, though nobody has asked
        yet, and whenever somebody waits for a call past its deadline."""
        now = self._house.clock.now()
        full = False
        if self._house.municipality.booking.enabled and self._duty.open_at(now):
            full = not (await self._offering.offer(limit=1)).within

        def work(session: Session) -> bool:
            rang = full and self.ring(session, FULL, now)
            return (repository.late(session, now) and self.ring(session, LATE, now)) or rang

        if not full and not await self._house.db.read(lambda session: repository.late(session, now)):
            return False
        rang = await self._house.db.write(work)
        if rang:
            self.tell()
        return rang

    async def settle(self) -> None:
        """Write down what came of requests, and forget who made them and what is too old."""
        now = self._house.clock.now()
        midnight = rules.instant(to_local(now).date(), 0)

        def work(session: Session) -> None:
            repository.settle(session, now)
            repository.forget_references(session, midnight)
            repository.forget_requests(session, now - KEPT_REQUESTS)
            repository.forget_alarms(session, to_local(now - KEPT_ALARMS).date())

        await self._house.db.write(work)

    def alarms_for(self, staff: StaffMember) -> bool:
        """Whether capacity alarms are for ``staff``: whoever leads the booking unit."""
        return staff.active and staff.is_manager and staff.unit == self._unit

    def figures_for(self, staff: StaffMember) -> bool:
        """Whether ``staff`` may see how the promise is kept: the booking unit's therapists and manager."""
        return staff.active and staff.unit == self._unit and staff.has(Role.MANAGER, Role.THERAPIST)

    async def ringing(self, staff: StaffMember) -> list[Capacity]:
        """Alarms of today that nobody has seen; empty for whom they are not."""
        if not self.alarms_for(staff):
            return []
        return [alarm for alarm in await self._alarms(to_local(self._house.clock.now()).date()) if not alarm.seen_at]

    async def recent(self, staff: StaffMember) -> list[Capacity]:
        """All alarms that are kept, the latest first. Raises `NotFound`."""
        if not self.alarms_for(staff):
            raise NotFound
        return await self._alarms(date.min)

    async def seen(self, staff: StaffMember, alarm_id: str) -> None:
        """``staff`` has seen an alarm. Raises `NotFound`, and `Conflict` when a colleague was first."""
        if not self.alarms_for(staff):
            raise NotFound

        def work(session: Session) -> None:
            now = self._house.clock.now()
            if not repository.see(session, alarm_id, staff.id, now):
                raise Conflict
            audit.record(session, now, Tag.CAPACITY_SEEN, alarm_id, actor=staff.id)

        await self._house.db.write(work)
        self.tell()

    async def figures(self, staff: StaffMember) -> list[Kept]:
        """How the promise was kept: in all the weeks together first, then week by week, the latest first.

        Raises `NotFound`.
        """
        if not self.figures_for(staff):
            raise NotFound
        today = to_local(self._house.clock.now()).date()
        monday = today - timedelta(days=today.weekday())
        weeks = [monday - timedelta(weeks=back) for back in range(WEEKS)]

        def look(session: Session) -> list[Kept]:
            spans = [(weeks[-1], today), *((week, week + timedelta(days=6)) for week in weeks)]
            return [_kept(session, first, last) for first, last in spans]

        return await self._house.db.read(look)

    async def _alarms(self, since: date) -> list[Capacity]:
        def look(session: Session) -> list[Capacity]:
            return [
                Capacity(
                    alarm.id,
                    alarm.rang_at,
                    alarm.reason.partition(":")[0],
                    alarm.reason.partition(":")[2] or None,
                    alarm.seen_at,
                    name,
                )
                for alarm, name in repository.alarms(session, since)
            ]

        return await self._house.db.read(look)

    def _reference(self, who: str) -> str:
        return hmac.new(self._house.settings.code_pepper, f"asked:{who}".encode(), "sha256").hexdigest()


def _kept(session: Session, first: date, last: date) -> Kept:
    begin, end = rules.instant(first, 0), rules.instant(last, 24 * 60)
    asked, within, wanted, met, ahead = repository.totals(session, begin, end)

    def shown(count: int) -> int | None:
        return count if count >= FEWEST else None

    share = round(100 * met / wanted) if wanted >= FEWEST else None
    return Kept(first, last, shown(asked), shown(within), shown(wanted), shown(met), shown(ahead), share)
