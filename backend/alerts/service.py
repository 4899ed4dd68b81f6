"""Ring, take back, see, look back. `ring` and `take_back` run inside the transaction that stores the danger itself."""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from backend.alerts import repository, rules
from backend.alerts.rules import Source
from backend.alerts.tables import Alert
from backend.core import audit, outbox
from backend.core.audit import Tag
from backend.core.duty import Duty
from backend.core.errors import Conflict, NotFound
from backend.core.house import House
from backend.core.people import StaffMember
from backend.core.vault import new_id

IN_BANNER = 5
"""Alerts in the banner; the page has the rest."""
IN_LIST = 200


@dataclass(frozen=True, slots=True)
class Danger:
    """What rings: how near, of which kind, told where. ``chat_id`` if it came through a chat.

    ``subject`` is the booking, concern or talk, with its ``unit`` and, but for a concern, the therapist's id.
    """

    level: str
    category: str
    source: Source
    chat_id: str | None = None
    subject: str | None = None
    unit: str | None = None
    staff_id: str | None = None


@dataclass(frozen=True, slots=True)
class AlertRow:
    """One alert as staff see it. ``seen_by`` is a first name; ``subject`` is for whoever may open it."""

    id: str
    at: datetime
    level: str
    source: str
    subject: str | None
    out_of_hours: bool
    seen_at: datetime | None
    seen_by: str
    corrected: bool

    @property
    def ringing(self) -> bool:
        """Whether nobody has seen it and it stands."""
        return self.seen_at is None and not self.corrected

    @property
    def key(self) -> str:
        """Changes with everything that is shown of it, so that a page knows what is new."""
        state = "ringing" if self.ringing else "corrected" if self.corrected else "seen"
        return f"{self.id}:{self.level}:{self.source}:{int(self.at.timestamp())}:{state}"


@dataclass(frozen=True, slots=True)
class Banner:
    """What every staff page shows: the nearest few alerts, and how many ring in all."""

    rows: list[AlertRow]
    ringing: int


class AlertDesk:
    """The alerts of one municipality."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._duty = Duty(house.municipality)
        self._border = {unit.id: (unit.board, unit.branch) for unit in house.municipality.units}
        self.days = rules.KEPT.days

    def told_now(self) -> bool:
        """Whether somebody named is told at once of danger: only then may a person who writes be told so."""
        return self._duty.told_at(self._house.clock.now())

    def ring(self, session: Session, danger: Danger, now: datetime) -> None:
        """Write down danger told at ``now`` and post the content-free mail, in the caller's transaction.

        One alert of a chat, booking or concern rings at a time: more of the same changes
        nothing, nearer danger raises it, and once somebody has seen it the next one is new.
        """
        if not rules.rings(danger.level):
            return
        is_open = self._duty.open_at(now)
        reference = self._reference(danger)
        again = True
        known = repository.ringing(session, reference)
        if known is None and not repository.add(session, _new(danger, reference, now, not is_open)):
            known = repository.ringing(session, reference)
        if known is not None:
            again = self._renew(known, danger, now, is_open)
        if again and rules.mails(danger.level, is_open=is_open):
            say = self._house.phrases.say
            link = f"{self._house.settings.public_url}/personal"
            body = say("mail.danger_body", None, link=link)
            outbox.post(session, now, self._duty.mailbox, say("mail.event_subject"), body)

    def since(self, session: Session, chat_id: str) -> datetime | None:
        """When the alert that rings for a chat first rang, or None if none does."""
        known = repository.ringing(session, self._digest(chat_id))
        return known.at if known is not None else None

    def take_back(self, session: Session, chat_id: str) -> None:
        """The person has said that it was no danger: what rings for their chat rings no more, and says why.

        A concern that has been sent since is there to be read all the same, and goes on ringing.
        """
        known = repository.ringing(session, self._digest(chat_id))
        if known is not None and (known.subject is None or known.source == "talk"):
            known.corrected_at = self._house.clock.now()

    def open_to(self, staff: StaffMember) -> bool:
        """Whether there are alerts for ``staff``."""
        return rules.may_be_alerted(staff.roles, active=staff.active)

    async def banner(self, staff: StaffMember) -> Banner:
        """What rings for ``staff``, and what was settled a moment ago. Empty for whom there are no alerts."""
        mine = self._mine(staff)
        after = self._house.clock.now() - rules.SETTLED_SHOWN

        def look(session: Session) -> Banner:
            found = repository.newest(session, mine, IN_BANNER, settled_after=after)
            return Banner([_row(*each) for each in found], repository.count_ringing(session, mine))

        return await self._house.db.read(look)

    async def recent(self, staff: StaffMember) -> list[AlertRow]:
        """What has rung for ``staff`` in the days that alerts are kept, the latest first. Raises `NotFound`."""
        if not self.open_to(staff):
            raise NotFound
        mine = self._mine(staff)
        return await self._house.db.read(
            lambda session: [_row(*each) for each in repository.newest(session, mine, IN_LIST)]
        )

    async def acknowledge(self, staff: StaffMember, alert_id: str, level: str) -> None:
        """``staff`` has seen an alert of this level. Seeing one's own again changes nothing.

        Raises `NotFound` for an alert that is not for them, and `Conflict` when a colleague
        was first, the person has taken it back, or it has been raised since.
        """
        mine = self._mine(staff)

        def see(session: Session) -> None:
            alert = repository.find(session, mine, alert_id)
            if alert is None:
                raise NotFound
            if alert.acknowledged_by == staff.id:
                return
            now = self._house.clock.now()
            if not repository.acknowledge(session, alert_id, level, staff.id, now):
                raise Conflict
            audit.record(session, now, Tag.ALERT_ACKNOWLEDGED, alert_id, actor=staff.id, detail=level)

        await self._house.db.write(see)

    async def one(self, staff: StaffMember, alert_id: str) -> AlertRow:
        """One alert as it stands now. Raises `NotFound`."""
        mine = self._mine(staff)

        def look(session: Session) -> AlertRow:
            alert = repository.find(session, mine, alert_id)
            if alert is None:
                raise NotFound
            return _row(alert, next(iter(repository.name_of(session, alert)), ""))

        return await self._house.db.read(look)

    async def purge(self) -> int:
        """Delete what has been kept long enough, seen or not; returns how many."""
        before = self._house.clock.now() - rules.KEPT
        return await self._house.db.write(lambda session: repository.forget_before(session, before))

    def _mine(self, staff: StaffMember) -> sa.Select[Alert]:
        """Secrecy holds between boards and branches (offentlighets- och sekretesslagen 26:1, 8:2)."""
        border = self._border.get(staff.unit)
        units = {unit for unit, theirs in self._border.items() if theirs == border} | {staff.unit}
        return repository.readable_by(staff, units)

    def _renew(self, known: Alert, danger: Danger, now: datetime, is_open: bool) -> bool:
        """More danger in what rings already; returns whether that rings again."""
        again = rules.rings_again(danger.level, before=known.level, came_closed=known.out_of_hours, is_open=is_open)
        if again:
            known.rang_at, known.out_of_hours = now, not is_open
        if rules.nearer(danger.level, known.level):
            known.level, known.category = danger.level, danger.category
        talked = known.source == "talk" and danger.source == "concern"
        if danger.subject is not None and (known.subject is None or talked):
            known.source, known.subject = danger.source, danger.subject
            # A chat's alert is for everybody on duty, and stays so when its concern is one unit's.
            known.staff_id = danger.staff_id
        return again

    def _reference(self, danger: Danger) -> str:
        subject = danger.chat_id or danger.subject
        assert subject is not None
        return self._digest(subject)

    def _digest(self, subject: str) -> str:
        return hmac.new(self._house.settings.code_pepper, f"alert:{subject}".encode(), "sha256").hexdigest()


def _new(danger: Danger, reference: str, now: datetime, out_of_hours: bool) -> Alert:
    return Alert(
        id=new_id(),
        at=now,
        rang_at=now,
        level=danger.level,
        category=danger.category,
        source=danger.source,
        reference=reference,
        subject=danger.subject,
        unit=danger.unit,
        staff_id=danger.staff_id,
        out_of_hours=out_of_hours,
    )


def _row(alert: Alert, seen_by: str) -> AlertRow:
    return AlertRow(
        alert.id,
        alert.rang_at,
        alert.level,
        alert.source,
        alert.subject,
        alert.out_of_hours,
        alert.acknowledged_at,
        seen_by,
        alert.corrected_at is not None,
    )
