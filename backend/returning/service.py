"""What a return code opens. Wrong, old and unknown codes get one answer, and guessing is braked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

import sqlalchemy as sa
from sqlalchemy.orm import Session

from backend.booking.callbacks import CallbackDesk, CallbackView
from backend.booking.changes import Kept
from backend.booking.labels import when
from backend.booking.lifecycle import Deed, after
from backend.booking.notices import Reminder, reminder_ways
from backend.booking.safe import may_be_reminded
from backend.booking.service import BookingDesk, BookingView, Changed
from backend.cases.standing import CODE as CASE_CODE
from backend.cases.standing import MapDesk
from backend.concerns.service import Answer, ConcernDesk, Moved
from backend.core import audit, codes
from backend.core.codes import NewCode
from backend.core.errors import CodeReadAloud, Conflict, InvalidField, NotFound, WrongCode
from backend.core.house import House
from backend.core.idempotency import Key, key_for
from backend.core.reader import Reader
from backend.returning.tickets import Ticket, TicketOffice
from backend.stories.service import StoryDesk
from backend.talks import service as talks


@dataclass(frozen=True, slots=True)
class BookingSeen:
    """All that a code reveals of a booking, and what its holder can do with it now.

    ``ticket`` opens the pages that follow; ``used_before`` is when the code was last used
    before this visit, so that somebody who finds a stranger's visit there can tell.
    """

    booking: BookingView
    ticket: str
    used_before: datetime | None
    can_move: bool
    can_rebook: bool

    @property
    def booking_id(self) -> str:
        """Which booking it is."""
        return self.booking.booking_id

    @property
    def viewer(self) -> str:
        """What may be shown of the map is decided for this (`backend.journey.places`)."""
        return f"booking:{self.booking_id}"

    @property
    def reader(self) -> Reader:
        """Whose words to use."""
        return self.booking.reader

    @property
    def active(self) -> bool:
        """Whether the talk is on."""
        return self.booking.active

    @property
    def room(self) -> str | None:
        """The room of a video talk that stands."""
        return self.booking.meeting_url


@dataclass(frozen=True, slots=True)
class ConcernSeen:
    """All that a code reveals of a concern: that it came, when, to whom, its state, and what has been answered.

    ``story``: it was told as a story, and the code opens its page too. ``viewer`` and ``reader``: as for a booking.
    """

    received_at: datetime
    state: str
    unit: str
    answers: list[Answer]
    viewer: str
    reader: Reader
    story: bool = False
    moves: Sequence[Moved] = ()


@dataclass(frozen=True, slots=True)
class StorySeen:
    """A story that is not before anybody: ``state`` is ``draft`` (begun, not sent) or ``closed`` (ended by the person)."""

    state: str
    story: bool = True
    viewer: str = ""

    @property
    def reader(self) -> Reader:
        """Nobody's in particular."""
        return Reader()


@dataclass(frozen=True, slots=True)
class CallbackSeen:
    """All that a code reveals of a request to be reached; ``ticket`` lets its holder withdraw it."""

    callback: CallbackView
    ticket: str
    late: bool
    viewer: str = ""

    @property
    def reader(self) -> Reader:
        """Whose words to use."""
        return self.callback.reader


@dataclass(frozen=True, slots=True)
class MapSeen:
    """What a code that staff have given to the person of a case opens: the map, and nothing else of the case."""

    viewer: str
    reader: Reader


@dataclass(frozen=True, slots=True)
class TalkSeen:
    """A talk with a human that was not booked: its words are for the chat."""

    talk_id: str
    story: bool = False
    viewer: str = ""

    @property
    def reader(self) -> Reader:
        """Nobody's in particular."""
        return Reader()


Seen = BookingSeen | ConcernSeen | CallbackSeen | StorySeen | MapSeen | TalkSeen


@dataclass(frozen=True, slots=True)
class OwnCode:
    """A code that only the person knows, to be shown once; ``receipt`` is for saying that it is saved."""

    words: str
    receipt: str


class Returning:
    """Opens codes, and does with the booking behind one what its holder wants.

    ``once`` is a form's own key: what has been done with it is not done twice (`backend.core.idempotency`).
    """

    def __init__(
        self, house: House, booking: BookingDesk, concerns: ConcernDesk, stories: StoryDesk, maps: MapDesk
    ) -> None:
        self._house = house
        self._maps = maps
        self._booking = booking
        self._callbacks = CallbackDesk(house, booking)
        self._concerns = concerns
        self._tickets = TicketOffice(house.settings.code_pepper)
        self._stories = stories
        self._valid = timedelta(hours=house.municipality.retention.code_hours)

    async def open(self, text: str, source: str, address: str = "") -> Seen:
        """What the six words in ``text`` open. Raises `WrongCode` or `TooMany`, which is checked before hashing,
        and `CodeReadAloud` for words that staff have read aloud: those are for `exchange`.

        ``source`` is who guesses: a network address, or a chat that has its own at ``address``, since anybody
        can begin a new chat.
        """
        self._house.brake.check(source, address)
        for words in self._house.codes.find(text):
            digest = await self._house.codes.digest(words)
            used = await self._house.db.write(partial(self._use, digest=digest))
            if used is not None and used[0].read_aloud:
                raise CodeReadAloud
            if used is not None:
                return await self._behind(*used)
        self._house.brake.missed(source, address)
        raise WrongCode

    async def exchange(self, text: str, source: str) -> OwnCode:
        """A code that only the person knows, for one that was read aloud to them. Raises as `open`."""
        self._house.brake.check(source)
        for words in self._house.codes.find(text):
            digest = await self._house.codes.digest(words)
            code = await self._house.codes.new()
            own = await self._house.db.write(partial(self._exchange, digest=digest, code=code))
            if own is not None:
                return own
        self._house.brake.missed(source)
        raise WrongCode

    async def again(self, ticket: str) -> BookingSeen:
        """The booking behind a ticket, as it is now. Raises `WrongCode` once the code is gone or the ticket old."""
        read = self._tickets.read(ticket, self._house.clock.now())
        if read is None:
            raise WrongCode
        row = await self._house.db.read(lambda session: session.get(codes.ReturnCode, read.receipt))
        if row is None or _mark(row.digest) != read.mark or row.kind != "booking":
            raise WrongCode
        seen = await self._behind(row, read.used_before)
        assert isinstance(seen, BookingSeen)
        return seen

    async def ticket_for(self, receipt: str) -> str:
        """A ticket to the talk that was booked under ``receipt`` a moment ago. Raises `WrongCode`."""
        row = await self._house.db.read(lambda session: session.get(codes.ReturnCode, receipt))
        if row is None:
            raise WrongCode
        return self._ticket(row, None)

    async def request_behind(self, ticket: str) -> CallbackSeen:
        """The request to be reached behind a ticket, as it is now. Raises `WrongCode` as `again`."""
        read = self._tickets.read(ticket, self._house.clock.now())
        if read is None:
            raise WrongCode
        row = await self._house.db.read(lambda session: session.get(codes.ReturnCode, read.receipt))
        if row is None or _mark(row.digest) != read.mark or row.kind != "callback":
            raise WrongCode
        seen = await self._behind(row, read.used_before)
        assert isinstance(seen, CallbackSeen)
        return seen

    async def withdraw(self, ticket: str) -> bool:
        """Nobody is to be in touch any more; False if it was over before. Raises `WrongCode` as `again`."""
        seen = await self.request_behind(ticket)
        return await self._callbacks.withdraw(seen.callback.callback_id)

    async def cancel(self, ticket: str, once: str | None = None) -> bool:
        """Cancel the talk behind a ticket; False if it was cancelled before or is over. Raises as `again`."""
        seen = await self.again(ticket)
        return await self._booking.changes.cancel(seen.booking_id, key=self._key(seen, once, "cancel", ""))

    async def keep(self, ticket: str, slot: str) -> Kept:
        """Hold another time for the talk behind a ticket. Raises as `again` and as `Changes.keep`."""
        seen = await self.again(ticket)
        return await self._booking.changes.keep(seen.booking_id, slot)

    async def let_go(self, ticket: str) -> None:
        """The talk behind a ticket keeps its time. Raises as `again`."""
        seen = await self.again(ticket)
        await self._booking.changes.let_go(seen.booking_id)

    async def move(self, ticket: str, slot: str, once: str | None = None) -> Changed:
        """Give the talk behind a ticket another time, or a new one if it was cancelled or missed.

        Raises as `again` and as `Changes.move`.
        """
        seen = await self.again(ticket)
        key = self._key(seen, once, "move", slot)
        try:
            return await self._booking.changes.move(seen.booking_id, slot, key=key)
        except Conflict:
            return await self._booking.changes.rebook(seen.booking_id, slot, key=key)

    def reminder_ways(self, seen: BookingSeen, reader: Reader) -> tuple[str, ...]:
        """How ``reader`` may ask to be reminded of a talk; none once it is over or near, and none for the young."""
        if not (seen.can_move and may_be_reminded(seen.reader) and may_be_reminded(reader)):
            return ()
        return reminder_ways(self._house, seen.booking.start)

    async def remind(
        self, ticket: str, reminder: Reminder | None, once: str | None = None, *, reader: Reader | None = None
    ) -> None:
        """Change whether and how the person is reminded; ``reader`` is who asks, where that is known better than then.

        Raises as `again`, and `InvalidField` for a number or an address that nothing can go to, and for the young.
        """
        seen = await self.again(ticket)
        if reminder is not None and not (may_be_reminded(seen.reader) and may_be_reminded(reader or seen.reader)):
            raise InvalidField("invalid", "reminder")
        key = self._key(seen, once, "remind", repr(reminder))
        await self._booking.changes.remind(seen.booking_id, reminder, key=key)

    def describe(self, found: Seen, reader: Reader) -> str:
        """One sentence about it, for chat and page."""
        phrases, now = self._house.phrases, self._house.clock.now()
        if isinstance(found, BookingSeen):
            return phrases.say(
                f"my_time.state.{self.state(found)}",
                reader,
                label=when(phrases, found.booking.start, now, reader),
                channel=phrases.say(f"summary.channel.{found.booking.channel}", reader).lower(),
                therapist=found.booking.therapist,
            )
        if isinstance(found, CallbackSeen):
            deadline = when(phrases, found.callback.deadline, now, reader)
            return phrases.say(f"callback.found.{_told(found)}", reader, deadline=deadline)
        if isinstance(found, MapSeen):
            return phrases.say("code.map_found", reader)
        if isinstance(found, TalkSeen):
            return phrases.say("live.code_found", reader)
        if isinstance(found, StorySeen):
            return phrases.say(f"code.story_kind.{found.state}", reader)
        state = "answered" if found.answers else found.state
        arrived = phrases.say(
            "code.concern_found",
            reader,
            label=when(phrases, found.received_at, now, reader),
            status=phrases.say(f"code.concern_status.{state}", reader),
        )
        # What is moved is never moved silently: the person learns where to, and when.
        moved = [
            phrases.say("code.moved", reader, unit=one.to_unit, label=when(phrases, one.at, now, reader))
            for one in found.moves
        ]
        return " ".join([arrived, *moved])

    def state(self, found: BookingSeen) -> str:
        """The booking's state as its holder sees it: ``over`` is a talk that was on and has ended."""
        return "over" if found.active and not found.can_move else found.booking.state

    def answers(self, found: Seen, reader: Reader) -> list[tuple[str, str]]:
        """The answers to a concern, oldest first: a line about who and when, and the words as they were written."""
        if not isinstance(found, ConcernSeen):
            return []
        say, now = self._house.phrases.say, self._house.clock.now()
        return [
            (
                say(
                    "code.answer_from",
                    reader,
                    label=when(self._house.phrases, answer.at, now, reader),
                    name=answer.name,
                    role=say(f"code.role.{answer.role}", reader),
                    unit=found.unit,
                ),
                answer.text,
            )
            for answer in found.answers
        ]

    async def forget(self) -> None:
        """Let go of words that were never said to be saved, and of codes past their time."""
        now = self._house.clock.now()
        await self._house.db.write(lambda session: codes.forget(session, now, self._valid))

    def _exchange(self, session: Session, digest: bytes, code: NewCode) -> OwnCode | None:
        now = self._house.clock.now()
        row = codes.lookup(session, digest, now - self._valid)
        if row is None or not row.read_aloud:
            audit.record(session, now, audit.Tag.CODE_MISSED, "")
            return None
        receipt, words = codes.exchange(session, self._house.vault, row, code, now)
        audit.record(session, now, audit.Tag.CODE_CHANGED, row.subject)
        return OwnCode(words, receipt)

    def _use(self, session: Session, digest: bytes) -> tuple[codes.ReturnCode, datetime | None] | None:
        now = self._house.clock.now()
        row = codes.lookup(session, digest, now - self._valid)
        if row is None:
            audit.record(session, now, audit.Tag.CODE_MISSED, "")
            return None
        used_before = row.used_at
        session.execute(sa.update(codes.ReturnCode).where(codes.ReturnCode.id == row.id).values(used_at=now))
        audit.record(session, now, audit.Tag.CODE_USED, row.subject)
        return row, used_before

    def _ticket(self, row: codes.ReturnCode, used_before: datetime | None) -> str:
        return self._tickets.write(Ticket(row.id, _mark(row.digest), self._house.clock.now(), used_before))

    def _key(self, seen: BookingSeen, once: str | None, deed: str, wish: str) -> Key | None:
        body = {"deed": deed, "wish": wish}
        return key_for(self._house.settings.code_pepper, f"code:{seen.booking_id}", once, body)

    async def _behind(self, row: codes.ReturnCode, used_before: datetime | None) -> Seen:
        now = self._house.clock.now()
        try:
            if row.kind == "booking":
                booking = await self._booking.find(row.subject)
                return BookingSeen(
                    booking,
                    self._ticket(row, used_before),
                    used_before,
                    can_move=after(booking.state, Deed.MOVE) is not None and booking.end > now,
                    can_rebook=after(booking.state, Deed.REBOOK) is not None,
                )
            if row.kind == "callback":
                callback = await self._callbacks.status(row.subject)
                ticket = self._ticket(row, used_before)
                return CallbackSeen(callback, ticket, callback.waiting and callback.deadline <= now)
            if row.kind == talks.CODE_KIND:
                return TalkSeen(row.subject)
            if row.kind in ("story", codes.CLOSED):
                return await self._story(row.subject)
            if row.kind == CASE_CODE:
                reader = await self._maps.reader(row.subject)
                if reader is None:
                    raise NotFound
                return MapSeen(f"{CASE_CODE}:{row.subject}", reader)
            concern = await self._concerns.status(row.subject)
            return ConcernSeen(
                concern.received_at, concern.state, concern.unit, concern.answers, f"concern:{row.subject}",
                concern.reader, moves=concern.moves,
            )  # fmt: skip
        except NotFound:  # purged since; a code of something that is gone is a wrong code
            raise WrongCode from None

    async def _story(self, story_id: str) -> Seen:
        state = await self._stories.state(story_id)
        if state != "sent":
            return StorySeen(state)
        mine = await self._stories.mine(story_id)
        newest = mine.concerns[-1]
        answers = sorted((one for concern in mine.concerns for one in concern.answers), key=lambda answer: answer.at)
        return ConcernSeen(
            newest.received_at, newest.state, newest.unit_name, answers, f"story:{story_id}", mine.reader, story=True,
            moves=newest.moves,
        )  # fmt: skip


def _told(seen: CallbackSeen) -> str:
    """Which sentence says how a request stands."""
    callback = seen.callback
    if not callback.waiting:
        return callback.state
    return "late" if seen.late else "tried" if callback.tried else "phone" if callback.by_phone else "code"


def _mark(digest: bytes) -> str:
    return digest[:6].hex()
