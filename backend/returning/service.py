"""What a return code opens. Wrong, old and unknown codes get one answer, and guessing is braked."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

import sqlalchemy as sa
from sqlalchemy.orm import Session

from backend.booking.labels import when
from backend.booking.service import BookingDesk
from backend.concerns.service import Answer, ConcernDesk
from backend.core import audit, codes
from backend.core.codes import NewCode
from backend.core.errors import CodeReadAloud, NotFound, WrongCode
from backend.core.house import House
from backend.core.reader import Reader


@dataclass(frozen=True, slots=True)
class BookingSeen:
    """All that a code reveals of a booking: time, channel, first name, whether it stands, and a video talk's room."""

    booking_id: str
    start: datetime
    channel: str
    therapist: str
    active: bool
    room: str | None


@dataclass(frozen=True, slots=True)
class ConcernSeen:
    """All that a code reveals of a concern: that it came, when, to whom, its state, and what has been answered."""

    received_at: datetime
    state: str
    unit: str
    answers: list[Answer]


@dataclass(frozen=True, slots=True)
class OwnCode:
    """A code that only the person knows, to be shown once; ``receipt`` is for saying that it is saved."""

    words: str
    receipt: str


class Returning:
    """Opens codes, and cancels the booking that one opens."""

    def __init__(self, house: House, booking: BookingDesk, concerns: ConcernDesk) -> None:
        self._house = house
        self._booking = booking
        self._concerns = concerns
        self._valid = timedelta(hours=house.municipality.retention.code_hours)

    async def open(self, text: str, source: str) -> BookingSeen | ConcernSeen:
        """What the six words in ``text`` open. Raises `WrongCode` or `TooMany`, which is checked before hashing,
        and `CodeReadAloud` for words that staff have read aloud: those are for `exchange`."""
        self._house.brake.check(source)
        for words in self._house.codes.find(text):
            digest = await self._house.codes.digest(words)
            row = await self._house.db.write(partial(self._use, digest=digest))
            if row is not None and row.read_aloud:
                raise CodeReadAloud
            if row is not None:
                return await self._behind(row)
        self._house.brake.missed(source)
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

    async def cancel(self, text: str, source: str) -> bool:
        """Cancel the booking that the six words open; False if it was cancelled before. Raises as `open`."""
        found = await self.open(text, source)
        if not isinstance(found, BookingSeen):
            raise WrongCode
        return await self._booking.cancel(found.booking_id)

    def describe(self, found: BookingSeen | ConcernSeen, reader: Reader) -> str:
        """One sentence about it, for chat and page."""
        phrases, now = self._house.phrases, self._house.clock.now()
        if isinstance(found, BookingSeen):
            return phrases.say(
                "code.booking_found" if found.active else "code.already_cancelled",
                reader,
                label=when(phrases, found.start, now, reader),
                channel=phrases.say(f"summary.channel.{found.channel}", reader).lower(),
                therapist=found.therapist,
            )
        state = "answered" if found.answers else found.state
        return phrases.say(
            "code.concern_found",
            reader,
            label=when(phrases, found.received_at, now, reader),
            status=phrases.say(f"code.concern_status.{state}", reader),
        )

    def answers(self, found: BookingSeen | ConcernSeen, reader: Reader) -> list[tuple[str, str]]:
        """The answers to a concern, oldest first: a line about who and when, and the words as they were written."""
        if isinstance(found, BookingSeen):
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

    def _use(self, session: Session, digest: bytes) -> codes.ReturnCode | None:
        now = self._house.clock.now()
        row = codes.lookup(session, digest, now - self._valid)
        if row is None:
            audit.record(session, now, audit.Tag.CODE_MISSED, "")
            return None
        session.execute(sa.update(codes.ReturnCode).where(codes.ReturnCode.id == row.id).values(used_at=now))
        audit.record(session, now, audit.Tag.CODE_USED, row.subject)
        return row

    async def _behind(self, row: codes.ReturnCode) -> BookingSeen | ConcernSeen:
        try:
            if row.kind == "booking":
                booking = await self._booking.find(row.subject)
                return BookingSeen(
                    row.subject,
                    booking.start,
                    booking.channel or "chat",
                    booking.therapist,
                    booking.active,
                    booking.meeting_url if booking.active else None,
                )
            concern = await self._concerns.status(row.subject)
            return ConcernSeen(concern.received_at, concern.state, concern.unit, concern.answers)
        except NotFound:  # purged since; a code of something that is gone is a wrong code
            raise WrongCode from None
