"""Use cases of the live conversation: ask, wait, join, write, hand over, hand back, end, forget.

What is told to open pages (`backend.core.live`) is published after the commit, and only says where
to look. Methods that take a session run inside the caller's transaction; whoever calls them tells
the pages afterwards with `tell`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, TypeVar

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from backend.booking.meeting import Appointment, Meetings
from backend.core import audit, codes, outbox
from backend.core.audit import Tag
from backend.core.clock import to_local
from backend.core.errors import Conflict, EmptyText, NotFound
from backend.core.house import House
from backend.core.live import Event
from backend.core.people import Role, StaffMember
from backend.core.reader import Reader
from backend.core.text import ANSWER_LIMIT, clean
from backend.core.vault import new_id
from backend.talks import repository, rules, told
from backend.talks.presence import Presence
from backend.talks.repository import Line as Line
from backend.talks.repository import Seat, Words
from backend.talks.rules import ACTIVE, CLOSED, HANDED_BACK, LEFT, OPEN, STAFF, VISITOR, WAITING, Notice
from backend.talks.tables import Talk
from backend.talks.told import Visit
from backend.talks.waiting import Outlook, WaitingRoom

T = TypeVar("T")
Arrival = Literal["in", "early", "over"]
Return = Literal["in", "over", "gone"]

SAID, STATE, LINE, TYPING, READ, HERE = "said", "state", "line", "typing", "read", "here"
"""What open pages are told: somebody wrote; the talk is another; the line moved; and the signals that nobody stores."""
CODE_KIND = "talk"
"""What `backend.core.codes` calls a code that leads to a talk that was not booked."""
_BATCH = 200


@dataclass(frozen=True, slots=True)
class Asked:
    """What came of asking for a human: a place in the line, or when somebody is there next.

    ``receipt`` names the code that leads back to the talk, where one was made just now.
    """

    seated: bool
    outlook: Outlook
    receipt: str | None = None


@dataclass(frozen=True, slots=True)
class Glance:
    """Where a chat stands: in a talk that goes on, or with a booked one ahead, or neither."""

    seat: Seat | None = None
    appointment: Appointment | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """A talk in a therapist's list; never a word of it.

    ``start`` is set for a booked one. ``rings``: it waits for this very person, or for anybody. ``awaits``: the
    visitor wrote last. ``danger``: the nearest danger noted in it.
    """

    id: str
    state: str
    booking_id: str | None
    reader: Reader
    interpreter: str | None
    therapist: str
    own: bool
    offered: bool
    since: datetime
    start: datetime | None
    rings: bool
    awaits: bool
    danger: str | None
    here: bool


@dataclass(frozen=True, slots=True)
class Listing:
    """The staff's list: who waits, what one is asked to take over, one's own talks, those that are over, and for
    a manager the unit's. ``on`` says whether one takes talks at once; ``names`` who else does."""

    waiting: list[Row]
    offered: list[Row]
    mine: list[Row]
    over: list[Row]
    others: list[Row]
    on: bool
    names: list[str]


@dataclass(frozen=True, slots=True)
class TalkFile:
    """A talk as its therapist reads it. ``offered_to`` is the first name of who has been asked to take over."""

    id: str
    state: str
    booking_id: str | None
    reader: Reader
    interpreter: str | None
    lines: list[Line]
    last_seq: int
    offered_to: str
    opened_at: datetime | None
    closed_at: datetime | None
    wiped: bool
    here: bool
    seated: bool

    @property
    def active(self) -> bool:
        """Whether it goes on."""
        return self.state == OPEN


class TalkDesk:
    """The live conversations of one municipality. Raises the errors of `backend.core.errors`."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._terms = house.municipality.talks
        self._meetings = Meetings(house)
        self.presence = Presence()
        self._room = WaitingRoom(house, self._meetings, self.presence)

    @property
    def live(self) -> bool:
        """Whether a human can be asked for at once."""
        return self._terms.live

    # --- The visitor's side ------------------------------------------------------------------

    async def outlook(self) -> Outlook:
        """What somebody would meet who asked for a human now."""
        now = self._house.clock.now()
        return await self._house.db.read(lambda session: self._room.outlook(session, now))

    async def ask(self, chat_id: str, reader: Reader) -> Asked:
        """Put a chat in the line, once, with a code for coming back; not when nobody is there, since then nobody would come."""
        code = await self._house.codes.new()

        def work(session: Session) -> tuple[Asked, list[str]]:
            now = self._house.clock.now()
            seat = repository.seat_of(session, chat_id)
            if seat is not None:
                return Asked(True, self._room.outlook(session, now, seat.talk_id)), []
            outlook = self._room.outlook(session, now)
            if outlook.staffing == "closed" or not self.live:
                return Asked(False, outlook), []
            talk = self._new(reader, self._room.unit, now)
            repository.add(session, talk)
            repository.sit(session, chat_id, talk.id, now)
            receipt = new_id()
            codes.issue(session, self._house.vault, code, receipt, CODE_KIND, talk.id, now)
            audit.record(session, now, Tag.TALK_ASKED, talk.id)
            if outlook.staffing == "away":
                self._mail(session, talk.unit, now)
            return Asked(True, outlook, receipt), [talk.id]

        asked, changed = await self._contend(work)
        self.tell(*changed)
        return asked

    async def arrive(self, chat_id: str, booking_id: str, reader: Reader) -> Arrival:
        """Somebody who has proven that a booked chat is theirs comes to its room.

        ``over`` also for one that is over and can be read; only those who went by themselves may come back in
        the same time.
        """

        def work(session: Session) -> tuple[Arrival, list[str]]:
            now = self._house.clock.now()
            known = repository.of_booking(session, booking_id)
            talk = repository.held(session, known.id) if known is not None else None
            appointment = self._meetings.appointment(session, booking_id)
            in_time = appointment is not None and self._room_is_open(appointment, now)
            if talk is None:
                if appointment is None or not in_time:
                    ahead = appointment is not None and now < appointment.start
                    return ("early" if ahead else "over"), []
                talk = self._new(reader, appointment.unit, now, appointment)
                repository.add(session, talk)
            elif talk.state == LEFT and in_time:
                talk.state, talk.closed_at = WAITING, None
            return self._seated(session, chat_id, talk, now)

        arrival, changed = await self._contend(work)
        self.tell(*changed)
        return arrival

    async def come_back(self, chat_id: str, talk_id: str) -> Return:
        """Somebody with the code of a talk that was not booked comes back to it, or to its place in the line.

        ``over``: it has ended and can be read. ``gone``: its words have been taken away.
        """

        def work(session: Session) -> tuple[Return, list[str]]:
            now = self._house.clock.now()
            talk = repository.held(session, talk_id)
            if talk is None or talk.wiped:
                return "gone", []
            talk.returnable = True  # whoever writes the code has it
            soon = talk.closed_at is not None and now < talk.closed_at + rules.RETURNS
            if talk.state == LEFT and soon and self._room.outlook(session, now).staffing != "closed":
                talk.state, talk.closed_at = WAITING, None
            return self._seated(session, chat_id, talk, now)

        came, changed = await self._contend(work)
        self.tell(*changed)
        return came

    def _seated(
        self, session: Session, chat_id: str, talk: Talk, now: datetime
    ) -> tuple[Literal["in", "over"], list[str]]:
        """Whether the chat is in the talk now, out of any other, and which talks that changed."""
        before = repository.seat_of(session, chat_id)
        if before is not None and before.talk_id != talk.id:
            self._leave(session, before, now)
        repository.sit(session, chat_id, talk.id, now)
        if talk.state not in ACTIVE:
            repository.stand_up(session, now, chat_id=chat_id)
            return "over", []
        audit.record(session, now, Tag.TALK_JOINED, talk.id)
        return "in", [talk.id, *([before.talk_id] if before is not None else [])]

    def code_saved(self, session: Session, receipt: str) -> None:
        """Somebody has said that they have the code of ``receipt``: if it leads to a talk, they may come back to it."""
        row = session.get(codes.ReturnCode, receipt)
        talk = repository.held(session, row.subject) if row is not None and row.kind == CODE_KIND else None
        if talk is not None:
            talk.returnable = True

    def glance(self, session: Session, chat_id: str, holder: str) -> Glance:
        """Where a chat stands. ``holder`` is the name under which it books."""
        seat = repository.seat_of(session, chat_id)
        if seat is not None:
            return Glance(seat)
        appointment = self._meetings.of_holder(session, holder)
        now = self._house.clock.now()
        if appointment is None or now >= appointment.end + rules.LINGERS:
            return Glance()
        talk = repository.of_booking(session, appointment.booking_id)
        if talk is not None and talk.state in (CLOSED, HANDED_BACK):
            return Glance()
        return Glance(None, appointment)

    def seat_of(self, session: Session, chat_id: str) -> Seat | None:
        """The talk that a chat is in, if it goes on."""
        return repository.seat_of(session, chat_id)

    def say(
        self, session: Session, seat: Seat, text: str, now: datetime, danger: tuple[str, str] | None = None
    ) -> str | None:
        """Store what a visitor wrote in a talk and return its id; None when the talk has ended meanwhile.

        A repeated send is known by its key in the chat, and never comes here twice.
        """
        talk = repository.held(session, seat.talk_id)
        if talk is None or talk.state not in ACTIVE:
            return None
        level, category = danger or (None, None)
        words = Words(VISITOR, text, danger_level=level, danger_category=category)
        return repository.say(session, self._house.vault, talk.id, words, now)[0]

    def reads(self, seat: Seat) -> bool:
        """Whether a human has the talk open in front of them at this moment."""
        return seat.state == OPEN and self.presence.pages(_with(seat.talk_id, seat.therapist_id)) > 0

    def share(
        self,
        session: Session,
        chat_id: str,
        seat: Seat,
        texts: Sequence[str],
        reader: Reader,
        now: datetime,
        danger: tuple[str, str] | None = None,
    ) -> bool:
        """Show the human what was written to the robot, as the visitor has wished; False when it is shown already."""
        if not texts or not repository.note_shared(session, chat_id, seat.talk_id):
            return False
        said = "\n".join([self._house.phrases.say("live.share_told", reader), *texts])
        return self.say(session, seat, said, now, danger) is not None

    def known_as(self, session: Session, seat: Seat, reader: Reader) -> None:
        """The visitor has said who they are."""
        talk = repository.held(session, seat.talk_id)
        if talk is not None:
            talk.who, talk.band, talk.lang = reader.who, reader.band, reader.lang

    def recent(self, session: Session, seat: Seat, count: int) -> list[str]:
        """The visitor's last few texts in a talk, oldest first."""
        talk = repository.by_id(session, seat.talk_id)
        if talk is None:
            return []
        said = repository.lines(session, self._house.vault, talk, talk.last_seq - 4 * count)
        return [line.text for line in said if line.author == VISITOR][-count:]

    def message(self, session: Session, message_id: str, reader: Reader) -> dict[str, Any] | None:
        """One message of a talk in the API's shape; None when it has been wiped."""
        line = repository.line(session, self._house.vault, message_id)
        return None if line is None else told.message(line, self._house.phrases, reader)

    def messages(self, session: Session, chat_id: str, reader: Reader) -> list[tuple[datetime, dict[str, Any]]]:
        """Everything said in the talks that a chat has sat in, with when, in order."""
        phrases, vault = self._house.phrases, self._house.vault
        return [
            (line.at, told.message(line, phrases, reader))
            for talk in repository.talks_of(session, chat_id)
            for line in repository.lines(session, vault, talk)
        ]

    def after(self, session: Session, talk_id: str, seq: int, reader: Reader) -> list[tuple[int, dict[str, Any]]]:
        """What was said in a talk after a number, with each message's own."""
        talk = repository.by_id(session, talk_id)
        if talk is None:
            return []
        lines = repository.lines(session, self._house.vault, talk, seq)
        return [(line.seq, told.message(line, self._house.phrases, reader)) for line in lines]

    def visit(self, session: Session, glance: Glance, reader: Reader, *, wrote: bool = False) -> Visit | None:
        """What stands beside the log of a chat; None where only the robot is. ``wrote``: there is something
        written to the robot that could be shown to the human."""
        now, phrases = self._house.clock.now(), self._house.phrases
        if glance.seat is None:
            if glance.appointment is None:
                return None
            appointment = glance.appointment
            opens = rules.room_opens(appointment.start, self._terms.early_minutes)
            talk = repository.of_booking(session, appointment.booking_id)
            here = talk is not None and talk.state == OPEN
            return told.booked(
                phrases,
                appointment,
                now,
                reader,
                here=here,
                opens_in=0 if here or opens <= now else int((opens - now).total_seconds()) + 1,
            )
        seat = glance.seat
        shareable = wrote and not seat.shared
        talk = repository.by_id(session, seat.talk_id)
        mark = rules.mark(seat.talk_id, talk.last_seq if talk is not None else 0)
        if seat.state == OPEN:
            here = self.presence.here(_with(seat.talk_id, seat.therapist_id))
            seen = self.presence.read(seat.talk_id, STAFF)
            return told.open_(phrases, seat.therapist, reader, here=here, mark=mark, seen=seen)
        if seat.booking_id is not None:
            booked = self._meetings.appointment(session, seat.booking_id)
            if booked is not None:
                return told.booked(
                    phrases,
                    booked,
                    now,
                    reader,
                    mark=mark,
                    seated=True,
                    begun=talk is not None and talk.opened_at is not None,
                    shareable=shareable,
                )
        return told.waiting(phrases, self._room.outlook(session, now, seat.talk_id), reader, mark, shareable)

    async def leave(self, chat_id: str) -> bool:
        """The visitor leaves the line, or ends the talk; False when they were in none."""

        def work(session: Session) -> str | None:
            seat = repository.seat_of(session, chat_id)
            return seat.talk_id if seat is not None and self._leave(session, seat, self._house.clock.now()) else None

        talk_id = await self._house.db.write(work)
        if talk_id is None:
            return False
        self.tell(talk_id)
        return True

    def wipe(self, session: Session, chat_id: str) -> list[str]:
        """A chat is wiped: what was said in talks that nobody can come back to goes with it; returns which talks to tell.

        One that its visitor has a code for stays; whoever leaves the line with a code has left it, and may come
        back to it. Answers go too, since they may repeat what was told.
        """
        now = self._house.clock.now()
        changed = []
        for known in repository.talks_of(session, chat_id):
            talk = repository.held(session, known.id)
            if talk is None:
                continue
            changed.append(talk.id)
            repository.stand_up(session, now, chat_id=chat_id)
            left = not repository.chats_of(session, talk.id)
            kept = talk.booking_id is not None or talk.returnable
            if not kept:
                repository.wipe_words(session, talk)
                codes.revoke(session, talk.id)
                talk.wiped = True
                repository.note(session, talk, Notice.WIPED, now)
                audit.record(session, now, Tag.TALK_WIPED, talk.id)
            if talk.state in ACTIVE and (not kept or (talk.state == WAITING and left)):
                self._over(session, talk, LEFT, now)
        repository.forget_chat(session, chat_id)
        return changed

    # --- Signals that nobody stores ----------------------------------------------------------

    def typing(self, talk_id: str, side: Literal["visitor", "staff"]) -> None:
        """Somebody is writing."""
        self._house.live.publish(_topic(talk_id), Event(TYPING, side))

    def seen(self, talk_id: str, side: Literal["visitor", "staff"], seq: int) -> None:
        """Somebody has seen everything up to a message."""
        if self.presence.note_read(talk_id, side, seq):
            self._house.live.publish(_topic(talk_id), Event(READ, side))

    def came_or_went(self, talk_id: str) -> None:
        """A page of the talk was opened or closed."""
        self._house.live.publish(_topic(talk_id), Event(HERE))

    def duty_changed(self, staff: StaffMember) -> None:
        """Somebody who takes talks at once opened their page, or said that they do or do not."""
        self._house.live.publish(f"line:{staff.unit}", Event(LINE))
        self._house.live.publish(f"talks:{staff.unit}", Event(LINE))

    def tell(self, *talk_ids: str) -> None:
        """Tell everybody who has a page of these talks open, or a list in which they stand, to look again."""
        if not talk_ids:
            return
        for talk_id in talk_ids:
            self._house.live.publish(_topic(talk_id), Event(STATE))
        for unit in self._house.municipality.units:
            self._house.live.publish(f"talks:{unit.id}", Event(LINE))
        self._house.live.publish(f"line:{self._room.unit}", Event(LINE))

    def tell_said(self, talk_id: str) -> None:
        """Tell everybody who has a page of the talk open that there are new words."""
        self._house.live.publish(_topic(talk_id), Event(SAID))

    def topics(self, glance: Glance) -> tuple[str, ...]:
        """What a visitor's page has to listen to."""
        if glance.seat is not None:
            line = (f"line:{glance.seat.unit}",) if glance.seat.state == WAITING else ()
            return (_topic(glance.seat.talk_id), *line)
        return (f"booking:{glance.appointment.booking_id}",) if glance.appointment is not None else ()

    # --- The staff's side --------------------------------------------------------------------

    def open_to(self, staff: StaffMember) -> bool:
        """Whether there is a page of talks for ``staff``."""
        return staff.active and (staff.has(Role.THERAPIST) or staff.is_manager)

    def holds_talks(self, staff: StaffMember) -> bool:
        """Whether ``staff`` talks with people."""
        return staff.active and staff.has(Role.THERAPIST)

    async def listing(self, staff: StaffMember) -> Listing:
        """What ``staff`` may know of. Raises `NotFound` for whom there is nothing."""
        if not self.open_to(staff):
            raise NotFound

        def work(session: Session) -> Listing:
            now = self._house.clock.now()
            talks = session.scalars(repository.visible_to(staff).order_by(Talk.created_at, Talk.id)).all()
            rows = self._rows(session, staff, talks)
            on = dict(self._room.on_duty(session, now))
            since = repository.duty_since(session, staff.id)
            return Listing(
                waiting=[row for row in rows if row.state == WAITING and self.holds_talks(staff)],
                offered=[row for row in rows if row.offered and row.state == OPEN],
                mine=[row for row in rows if row.own and row.state == OPEN],
                over=[row for row in reversed(rows) if row.own and row.state not in ACTIVE],
                others=[row for row in rows if staff.is_manager and not row.own and row.state in ACTIVE],
                on=since is not None and self._same_day(since, now),
                names=[name for staff_id, name in on.items() if staff_id != staff.id],
            )

        return await self._house.db.read(work)

    async def open_for(self, staff: StaffMember, talk_id: str) -> TalkFile:
        """A talk with everything said in it; the reading is logged. Raises `NotFound` for one that is not theirs."""

        def work(session: Session) -> TalkFile:
            talk = self._mine(session, staff, talk_id)
            audit.read(session, self._house.clock.now(), Tag.TALK_READ, talk_id, actor=staff.id)
            return self._file(session, talk)

        return await self._house.db.write(work)

    async def stands_for(self, staff: StaffMember, talk_id: str) -> TalkFile:
        """The same for a page that is open already: no new reading. Raises `NotFound`."""
        return await self._house.db.read(lambda session: self._file(session, self._mine(session, staff, talk_id)))

    async def peek(self, staff: StaffMember, talk_id: str) -> Row:
        """That a talk waits, or is offered, without its words. Raises `NotFound`."""

        def work(session: Session) -> Row:
            talk = repository.find(session, repository.visible_to(staff), talk_id)
            if talk is None:
                raise NotFound
            return self._rows(session, staff, [talk])[0]

        return await self._house.db.read(work)

    def said(self, session: Session, staff: StaffMember, talk_id: str, after: int) -> list[Line] | None:
        """What was said after a number, for a page that is open; None when ``staff`` may not read it any more."""
        talk = repository.find(session, repository.readable_by(staff), talk_id)
        return None if talk is None else repository.lines(session, self._house.vault, talk, after)

    async def may_read(self, staff: StaffMember, talk_id: str) -> bool:
        """Whether ``staff`` may read a talk at this moment."""
        query = repository.readable_by(staff)
        return await self._house.db.read(lambda s: repository.find(s, query, talk_id) is not None)

    async def takes_talks(self, staff: StaffMember) -> bool:
        """Whether ``staff`` has said today that they take talks at once."""
        since = await self._house.db.read(lambda session: repository.duty_since(session, staff.id))
        return since is not None and self._same_day(since, self._house.clock.now())

    async def goes_on(self, staff: StaffMember, talk_id: str) -> bool:
        """Whether ``staff`` is in a talk at this moment."""
        query = repository.readable_by(staff).where(Talk.state == OPEN)
        return await self._house.db.read(lambda s: repository.find(s, query, talk_id) is not None)

    async def readable(self, staff: StaffMember, talk_ids: Collection[str]) -> set[str]:
        """Those of the talks that ``staff`` may open or begin."""
        if not talk_ids:
            return set()

        def work(session: Session) -> set[str]:
            found = session.scalars(repository.visible_to(staff).where(Talk.id.in_(talk_ids)))
            return {talk.id for talk in found if talk.state == WAITING or talk.therapist_id == staff.id}

        return await self._house.db.read(work)

    async def take(self, staff: StaffMember, talk_id: str) -> None:
        """Begin a talk that waits. The first one gets it. Raises `NotFound`, and `Conflict` when a colleague was faster."""

        def work(session: Session) -> None:
            now = self._house.clock.now()
            talk = repository.find(session, repository.takeable_by(staff), talk_id, lock=True)
            if talk is None:
                taken = repository.by_id(session, talk_id)
                if taken is None or not self.holds_talks(staff) or taken.unit != staff.unit or taken.state != OPEN:
                    raise NotFound
                if taken.therapist_id == staff.id:
                    return
                raise Conflict
            self._begin(session, talk, staff, now)

        await self._house.db.write(work)
        self.presence.seen(_with(talk_id, staff.id))
        self.tell(talk_id)

    async def begin(self, staff: StaffMember, booking_id: str) -> str:
        """Open the room of one's own booked chat, whether the visitor has come or not; returns the talk's id.

        Raises `NotFound` for somebody else's booking, or outside the time in which the room is open.
        """

        def work(session: Session) -> str:
            now = self._house.clock.now()
            appointment = self._meetings.appointment(session, booking_id)
            known = repository.of_booking(session, booking_id)
            talk = repository.held(session, known.id) if known is not None else None
            own = appointment is not None and appointment.therapist_id == staff.id and self.holds_talks(staff)
            if talk is not None and talk.therapist_id == staff.id and talk.state != WAITING:
                return talk.id
            if appointment is None or not own or not self._room_is_open(appointment, now):
                raise NotFound
            if talk is None:
                talk = self._new(appointment.reader, appointment.unit, now, appointment)
                repository.add(session, talk)
            if talk.state != WAITING:
                raise NotFound
            self._begin(session, talk, staff, now)
            return talk.id

        talk_id = await self._contend(work)
        self.presence.seen(_with(talk_id, staff.id))
        self.tell(talk_id)
        self._house.live.publish(f"booking:{booking_id}", Event(STATE))
        return talk_id

    async def write(self, staff: StaffMember, talk_id: str, text: str, key: str | None = None) -> int:
        """Say something as a human; returns the message's number. The same key says it once.

        Raises `NotFound`, `Conflict` for a talk that is over, `EmptyText`, `TextTooLong`, `KeyReused`.
        """
        words = Words(STAFF, clean(text, ANSWER_LIMIT), staff.id, key)

        def work(session: Session) -> int:
            talk = self._mine(session, staff, talk_id, lock=True)
            if talk.state != OPEN:
                raise Conflict
            return repository.say(session, self._house.vault, talk_id, words, self._house.clock.now())[1]

        seq = await self._house.db.write(work)
        self.tell_said(talk_id)
        return seq

    async def offer(self, staff: StaffMember, talk_id: str, colleague_id: str) -> None:
        """Ask a colleague to take over; ``colleague_id`` empty takes the question back. Raises `NotFound`, `Conflict`."""

        def work(session: Session) -> list[str]:
            now = self._house.clock.now()
            talk = self._mine(session, staff, talk_id, lock=True)
            if talk.state != OPEN:
                raise Conflict
            before = talk.offered_to
            if not colleague_id:
                talk.offered_to = None
            else:
                colleague = repository.colleague(session, staff, colleague_id)
                if colleague is None:
                    raise NotFound
                talk.offered_to = colleague.id
                audit.record(session, now, Tag.TALK_OFFERED, talk_id, actor=staff.id, detail=colleague.id)
            return [one for one in (before, talk.offered_to) if one]

        await self._house.db.write(work)
        self.tell(talk_id)

    async def answer_offer(self, staff: StaffMember, talk_id: str, *, accept: bool) -> None:
        """Take over a talk, or not. From then on only the one who took it may read it. Raises `NotFound`."""

        def work(session: Session) -> None:
            now = self._house.clock.now()
            query = repository.visible_to(staff).where(Talk.offered_to == staff.id, Talk.state == OPEN)
            talk = repository.find(session, query, talk_id, lock=True) if self.holds_talks(staff) else None
            if talk is None:
                raise NotFound
            talk.offered_to = None
            if accept:
                talk.therapist_id = staff.id
                repository.note(session, talk, Notice.HANDED_OVER, now, staff.id)
            tag = Tag.TALK_TAKEN_OVER if accept else Tag.TALK_DECLINED
            audit.record(session, now, tag, talk_id, actor=staff.id)

        await self._house.db.write(work)
        if accept:
            self.presence.seen(_with(talk_id, staff.id))
        self.tell(talk_id)

    async def hand_back(self, staff: StaffMember, talk_id: str) -> None:
        """The robot answers again. Raises `NotFound`; handing back what is over changes nothing."""
        await self._end(staff, talk_id, HANDED_BACK, Notice.HANDED_BACK, Tag.TALK_HANDED_BACK, "")

    async def close(self, staff: StaffMember, talk_id: str, ending: str = "") -> None:
        """End a talk, with last words if there are any. Raises `NotFound`, `TextTooLong`; twice is once."""
        try:
            ending = clean(ending, ANSWER_LIMIT)
        except EmptyText:
            ending = ""
        await self._end(staff, talk_id, CLOSED, Notice.CLOSED, Tag.TALK_CLOSED, ending)

    async def reopen(self, staff: StaffMember, talk_id: str) -> None:
        """Go on with a talk that was ended by mistake, or too soon. Raises `NotFound`, `Conflict` for one that was wiped."""

        def work(session: Session) -> None:
            now = self._house.clock.now()
            talk = self._mine(session, staff, talk_id, lock=True)
            if talk.state == OPEN:
                return
            if talk.wiped:
                raise Conflict
            talk.state, talk.closed_at = OPEN, None
            repository.seat_again(session, talk_id)
            repository.note(session, talk, Notice.REOPENED, now, staff.id)
            audit.record(session, now, Tag.TALK_REOPENED, talk_id, actor=staff.id)

        await self._house.db.write(work)
        self.tell(talk_id)

    async def colleagues(self, staff: StaffMember) -> list[tuple[str, str, bool]]:
        """Who could take over: id, first name, and whether they have a page of the staff app open."""
        found = await self._house.db.read(lambda session: repository.colleagues(session, staff))
        return [(one.id, one.first_name, self.presence.here(f"staff:{one.id}")) for one in found]

    async def set_duty(self, staff: StaffMember, on: bool) -> None:
        """``staff`` takes talks at once from now on, for today, or does not. Raises `NotFound`."""
        if not self.holds_talks(staff):
            raise NotFound

        def work(session: Session) -> None:
            if on:
                repository.begin_duty(session, staff.id, self._house.clock.now())
            else:
                repository.end_duty(session, staff.id)

        await self._house.db.write(work)
        self.duty_changed(staff)

    # --- What runs beside ---------------------------------------------------------------------

    async def tend(self) -> None:
        """Nobody is left waiting for somebody who does not come: told, given to others, or let go with a way on."""

        def work(session: Session) -> list[str]:
            now = self._house.clock.now()
            changed = []
            somebody = bool(self._room.on_duty(session, now)) or self._room.at_work(session, now)
            for talk in repository.waiting(session):
                if self._hopeless(session, talk, now, somebody):
                    held = repository.held(session, talk.id)
                    if held is not None and held.state == WAITING:
                        repository.note(session, held, Notice.UNMET, now)
                        self._over(session, held, CLOSED, now)
                        audit.record(session, now, Tag.TALK_UNMET, talk.id, actor="system")
                        changed.append(talk.id)
            for talk in repository.unanswered(session, now - rules.DROPPED):
                if not self.presence.here(_with(talk.id, talk.therapist_id)):
                    held = repository.held(session, talk.id)
                    if held is not None and held.state == OPEN:
                        repository.note(session, held, Notice.DROPPED, now, held.therapist_id)
                        held.state, held.offered_to = WAITING, None
                        audit.record(session, now, Tag.TALK_DROPPED, talk.id, actor="system")
                        changed.append(talk.id)
            for talk in repository.silent(session, now - rules.LONGEST_SILENCE):
                held = repository.held(session, talk.id)
                if held is not None and held.state == OPEN:
                    repository.note(session, held, Notice.CLOSED, now, held.therapist_id)
                    self._over(session, held, CLOSED, now)
                    audit.record(session, now, Tag.TALK_CLOSED, talk.id, actor="system")
                    changed.append(talk.id)
            return changed

        self.presence.sweep()
        self.tell(*await self._house.db.write(work))
        self._house.live.publish(f"line:{self._room.unit}", Event(LINE))

    async def purge(self) -> int:
        """Delete talks that have been over for longer than the municipality keeps them; returns how many."""
        before = self._house.clock.now() - timedelta(hours=self._house.municipality.retention.talk_hours)
        return await self._house.db.write(lambda session: repository.purge(session, before, _BATCH))

    # --- Within -------------------------------------------------------------------------------

    def _new(self, reader: Reader, unit: str, now: datetime, appointment: Appointment | None = None) -> Talk:
        reader = appointment.reader if appointment is not None else reader
        return Talk(
            id=new_id(),
            booking_id=appointment.booking_id if appointment is not None else None,
            unit=unit,
            state=WAITING,
            therapist_id=appointment.therapist_id if appointment is not None else None,
            who=reader.who,
            band=reader.band,
            lang=reader.lang,
            interpreter=appointment.interpreter if appointment is not None else None,
            data_key=self._house.vault.new_key(),
            last_seq=0,
            wiped=False,
            returnable=False,
            created_at=now,
            touched_at=now,
        )

    def _begin(self, session: Session, talk: Talk, staff: StaffMember, now: datetime) -> None:
        first = talk.opened_at is None
        talk.state, talk.therapist_id, talk.closed_at, talk.offered_to = OPEN, staff.id, None, None
        talk.opened_at = talk.opened_at or now
        repository.note(session, talk, Notice.OPENED if first else Notice.HANDED_OVER, now, staff.id)
        audit.record(session, now, Tag.TALK_OPENED, talk.id, actor=staff.id)

    async def _end(self, staff: StaffMember, talk_id: str, state: str, notice: Notice, tag: Tag, ending: str) -> None:
        def work(session: Session) -> None:
            now = self._house.clock.now()
            talk = self._mine(session, staff, talk_id, lock=True)
            if talk.state != OPEN:
                return
            if ending:
                repository.say(session, self._house.vault, talk_id, Words(STAFF, ending, staff.id), now)
            repository.note(session, talk, notice, now, staff.id)
            self._over(session, talk, state, now)
            audit.record(session, now, tag, talk_id, actor=staff.id)

        await self._house.db.write(work)
        self.tell(talk_id)

    def _leave(self, session: Session, seat: Seat, now: datetime) -> bool:
        talk = repository.held(session, seat.talk_id)
        if talk is None or talk.state not in ACTIVE:
            return False
        repository.note(session, talk, Notice.ENDED if talk.state == OPEN else Notice.LEFT, now, talk.therapist_id)
        self._over(session, talk, LEFT, now)
        audit.record(session, now, Tag.TALK_LEFT, talk.id)
        return True

    def _over(self, session: Session, talk: Talk, state: str, now: datetime) -> None:
        talk.state, talk.closed_at, talk.offered_to = state, now, None
        repository.stand_up(session, now, talk_id=talk.id)
        self.presence.forget(talk.id)

    def _hopeless(self, session: Session, talk: Talk, now: datetime, somebody: bool) -> bool:
        if talk.booking_id is None:
            return not somebody
        appointment = self._meetings.appointment(session, talk.booking_id)
        return appointment is None or now >= appointment.end + rules.LINGERS

    def _mine(self, session: Session, staff: StaffMember, talk_id: str, *, lock: bool = False) -> Talk:
        talk = repository.find(session, repository.readable_by(staff), talk_id, lock=lock)
        if talk is None:
            raise NotFound
        return talk

    def _file(self, session: Session, talk: Talk) -> TalkFile:
        offered = repository.names(session, [talk.offered_to]) if talk.offered_to else {}
        seated = bool(repository.chats_of(session, talk.id))
        return TalkFile(
            id=talk.id,
            state=talk.state,
            booking_id=talk.booking_id,
            reader=_reader(talk),
            interpreter=talk.interpreter,
            lines=repository.lines(session, self._house.vault, talk),
            last_seq=talk.last_seq,
            offered_to=offered.get(talk.offered_to or "", ""),
            opened_at=talk.opened_at,
            closed_at=talk.closed_at,
            wiped=talk.wiped,
            here=seated and self.presence.here(f"visitor:{talk.id}"),
            seated=seated,
        )

    def _rows(self, session: Session, staff: StaffMember, talks: Sequence[Talk]) -> list[Row]:
        ids = [talk.id for talk in talks]
        last, worst = repository.last_words(session, ids), repository.worst_in(session, ids)
        names = repository.names(session, {talk.therapist_id for talk in talks if talk.therapist_id})
        now, found = self._house.clock.now(), []
        for talk in talks:
            booked = self._meetings.appointment(session, talk.booking_id) if talk.booking_id else None
            own = talk.therapist_id == staff.id
            found.append(
                Row(
                    id=talk.id,
                    state=talk.state,
                    booking_id=talk.booking_id,
                    reader=_reader(talk),
                    interpreter=talk.interpreter,
                    therapist=names.get(talk.therapist_id or "", ""),
                    own=own,
                    offered=talk.offered_to == staff.id,
                    since=talk.created_at,
                    start=booked.start if booked is not None else None,
                    rings=own or booked is None or talk.opened_at is not None or now >= booked.start + rules.LATE,
                    awaits=own and last.get(talk.id, ("",))[0] == VISITOR,
                    danger=worst.get(talk.id) if own or talk.state == WAITING else None,
                    here=self.presence.here(f"visitor:{talk.id}"),
                )
            )
        return found

    def _room_is_open(self, appointment: Appointment, now: datetime) -> bool:
        return rules.room_is_open(appointment.start, appointment.end, now, self._terms.early_minutes)

    def _same_day(self, one: datetime, other: datetime) -> bool:
        return to_local(one).date() == to_local(other).date()

    def _mail(self, session: Session, unit: str, now: datetime) -> None:
        """Somebody waits and nobody who could see it has a page open: the unit is told that there is something."""
        say = self._house.phrases.say
        body = say("mail.waiting_body", None, link=f"{self._house.settings.public_url}/personal")
        outbox.post(session, now, self._house.municipality.unit(unit).mailbox, say("mail.event_subject"), body)

    async def _contend(self, work: Callable[[Session], T]) -> T:
        """Run again when another window did the same in the same moment; it then finds what that one did."""
        try:
            return await self._house.db.write(work)
        except IntegrityError:
            return await self._house.db.write(work)


def _topic(talk_id: str) -> str:
    return f"talk:{talk_id}"


def _with(talk_id: str, staff_id: str | None) -> str:
    return f"with:{talk_id}:{staff_id}"


def _reader(talk: Talk) -> Reader:
    return Reader.stored(talk.who, talk.band, talk.lang)
