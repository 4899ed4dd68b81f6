"""The person's side of a story: keep a draft, send, come back by code, choose who may read, see who has, end.

Nothing here knows who the person is: whoever holds the code is the person.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, TypeVar

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from backend.concerns import live
from backend.concerns.service import ConcernDesk, Intake, Received, StoryConcern, Told
from backend.core import audit, codes, outbox
from backend.core.audit import Tag
from backend.core.clock import to_local
from backend.core.content import Phrases
from backend.core.errors import (
    Conflict,
    DomainError,
    EmptyText,
    InvalidField,
    KeyReused,
    NotFound,
    TextTooLong,
    WrongCode,
)
from backend.core.house import House
from backend.core.live import Event
from backend.core.municipality import Unit
from backend.core.reader import Reader
from backend.core.text import STORY_LIMIT, clean
from backend.core.vault import new_id
from backend.stories import repository, rules
from backend.stories.grounds import load_grounds
from backend.stories.tables import SecrecyConsent, State, Story, StoryPart

T = TypeVar("T")

FIRST_SCREEN = ("reads", "act", "know")
"""What the first screen says, in this order: who reads, when staff must act, that you get to know."""
_LONGEST_ANSWER = 2_000
BASIS = "public_task"
"""Why the law lets the words be kept: the social services' task, not the person's consent (GDPR 6.1 e, lag 2001:454)."""


class SentAlready(DomainError):
    """The draft has been sent, in another window or a moment ago. What is written now may be sent as more."""

    status = 409
    code = "story_sent"


class DraftChanged(DomainError):
    """The draft has been changed in another window; ``stored`` is how it stands there."""

    status = 409
    code = "story_changed"

    def __init__(self, stored: Draft) -> None:
        super().__init__()
        self.stored = stored


@dataclass(frozen=True, slots=True)
class Piece:
    """One part as the person has it before sending: the words, and whether they have struck it."""

    text: str
    struck: bool = False


@dataclass(frozen=True, slots=True)
class Telling:
    """What somebody tells: the parts in order and the other answers, as in `backend.concerns.service.Intake`.

    ``key`` makes a second send or save of the same form the same story; it is compared within ``chat_id``.
    """

    pieces: Sequence[Piece]
    reader: Reader
    shown: str
    about: str | None = None
    now: str | None = None
    reach: str = "code"
    phone: str | None = None
    safe: Mapping[str, str] | None = None
    interpreter: str | None = None
    needs: Sequence[str] = ()
    area: str | None = None
    danger_level: str | None = None
    danger_category: str | None = None
    chat_id: str | None = None
    key: str | None = None

    @property
    def words(self) -> list[str]:
        """The parts that are to be sent."""
        return [piece.text for piece in self.pieces if not piece.struck]

    def intake(self) -> Intake:
        """The same as a concern takes it."""
        return Intake(
            words=self.words,
            about=self.about,
            now=self.now,
            reach=self.reach,
            phone=self.phone,
            safe=dict(self.safe) if self.safe else None,
            reader=self.reader,
            danger_level=self.danger_level,
            danger_category=self.danger_category,
            consent_version=self.shown,
            chat_id=self.chat_id,
            form_key=self.key,
            interpreter=self.interpreter,
            needs=self.needs,
            area=self.area,
        )


@dataclass(frozen=True, slots=True)
class Draft:
    """An unsent story as it was last saved. ``answers`` are those of the form, by field."""

    story_id: str
    pieces: list[Piece]
    answers: dict[str, Any]
    reader: Reader
    shown: str
    revision: int
    changed_at: datetime


@dataclass(frozen=True, slots=True)
class Kept:
    """A saved draft. ``words`` is its code, or None when the person has it already; ``until`` when it goes unless touched."""

    story_id: str
    receipt: str
    words: str | None
    revision: int
    until: datetime


@dataclass(frozen=True, slots=True)
class Sent:
    """A sent story. ``words`` is its code, or None when the person has it already."""

    story_id: str
    concern_id: str
    unit: str
    unit_name: str
    receipt: str
    words: str | None


@dataclass(frozen=True, slots=True)
class Opened:
    """What six words open: a story's id and state, or, in ``kind``, that they belong to something else.

    ``last_opened`` is when the words were used before this time.
    """

    kind: str
    story_id: str
    state: str
    last_opened: datetime | None


@dataclass(frozen=True, slots=True)
class MyPart:
    """A part as the person sees it. ``number`` counts from 1 and never changes."""

    id: str
    number: int
    text: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Circle:
    """A unit in the picture of who may read. ``law``: it has received the story and reads all of it.

    ``gone``: it is no longer in the municipality, and nobody reads there. ``apart``: it is outside
    the receiving unit's board or branch, and does not even know unless the person says yes.
    """

    unit: str
    name: str
    plain: str
    icon: str
    law: bool
    gone: bool
    apart: bool
    parts: frozenset[str]


@dataclass(frozen=True, slots=True)
class MyShare:
    """Something told on a ground in the law. ``receiver`` is a unit's name, ``outside`` the id of somebody outside."""

    receiver: str
    outside: str
    ground: str
    paragraph: str
    numbers: list[int]
    at: datetime
    role: str
    by_unit: str
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class MyRead:
    """That somebody has read: role and unit at the time, and when last on that day; ``again``: earlier that day too.

    Not how often: staff open a page anew for every line they write, and a number would frighten.
    """

    role: str
    unit: str
    at: datetime
    again: bool


@dataclass(frozen=True, slots=True)
class MySummary:
    """What staff have written beside the words."""

    text: str
    role: str
    unit: str
    at: datetime


@dataclass(frozen=True, slots=True)
class MyHelp:
    """A yes to help, as staff have heard it."""

    id: str
    what: str
    by: str
    at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class Mine:
    """All that the holder of the code sees of a sent story."""

    story_id: str
    reader: Reader
    version: int
    told_at: datetime
    revision: int
    code_until: datetime
    parts: list[MyPart]
    concerns: list[StoryConcern]
    circle: list[Circle]
    shares: list[MyShare]
    reads: list[MyRead]
    summary: MySummary | None
    help: list[MyHelp]
    basis: str


def first_screen_version(phrases: Phrases, reader: Reader) -> str:
    """Which first screen a reader is shown, as ``language:band:digest``; changes when a text of it does."""
    said = "\n".join(phrases.say(f"story.first.{part}", reader) for part in FIRST_SCREEN)
    return f"{reader.lang}:{reader.band or 'default'}:{hashlib.sha256(said.encode()).hexdigest()[:12]}"


def picture_version(phrases: Phrases, reader: Reader) -> str:
    """Which explanation of consent a reader is shown, like `first_screen_version`."""
    said = phrases.say("mypage.readers.intro", reader)
    return f"{reader.lang}:{reader.band or 'default'}:{hashlib.sha256(said.encode()).hexdigest()[:12]}"


def topic(story_id: str) -> str:
    """Where `backend.core.live` tells that a story has got more or changed."""
    return f"story:{story_id}"


def unit_topic(story_id: str, unit: str) -> str:
    """Where it tells a unit which parts of a story it may no longer read: ids between blanks, or ``*`` for ask again."""
    return f"story:{story_id}:{unit}"


class StoryDesk:
    """Use cases around one's own story. Raises `ContentError` at the start for a faulty ``grounds.yml``."""

    def __init__(self, house: House, concerns: ConcernDesk) -> None:
        self._house = house
        self._concerns = concerns
        self._units = {unit.id: unit for unit in house.municipality.units}
        self.grounds = load_grounds(house.settings.content_dir, self._units, house.phrases)
        self._code_lasts = timedelta(hours=house.municipality.retention.code_hours)
        self._draft_lasts = timedelta(hours=house.municipality.stories.draft_hours)

    # Before it is sent.

    def kept_for(self, reader: Reader) -> str:
        """How long a draft is kept when nobody touches it, in the reader's words: in days where it is whole ones."""
        hours, say = self._house.municipality.stories.draft_hours, self._house.phrases.say
        if hours >= 48 and hours % 24 == 0:
            return say("story.kept.days", reader, count=hours // 24)
        return say("story.kept.hours", reader, count=hours)

    def reader_of(self, telling: Telling) -> Unit | None:
        """The unit that would read this first, as far as can be known now."""
        return self._units.get(self._concerns.reader_of(telling.intake()))

    async def keep(self, telling: Telling, story_id: str | None = None, revision: int = 0) -> Kept:
        """Save a draft, anew or over an earlier one, so that one can come back to it with its code.

        Raises `EmptyText`, `TextTooLong`, `SentAlready`, and `DraftChanged` when ``revision`` is not
        the newest: then nothing has been saved. `InvalidField` for an answer too long to keep.
        """
        pieces, answers = _kept_pieces(telling.pieces), json.dumps(_answers(telling), ensure_ascii=False)
        code = await self._house.codes.new()

        def save(session: Session) -> Kept:
            now = self._house.clock.now()
            story = repository.hold(session, story_id or self._id_of(telling))
            if story is None:
                story = self._begin(session, telling, code, now)
            elif story.state != State.DRAFT:
                raise SentAlready
            elif story_id is not None and story.revision != revision:
                raise DraftChanged(self._draft(session, story))
            else:
                story.revision += 1
            story.answers = self._seal(story, "answers", answers)
            self._describe(story, telling, now)
            self._put_parts(session, story, pieces, version=0)
            audit.record(session, now, Tag.STORY_KEPT, story.id)
            words = codes.unsaved_words(session, self._house.vault, story.receipt)
            return Kept(story.id, story.receipt, words, story.revision, now + self._draft_lasts)

        return await self._twice(save)

    async def draft(self, story_id: str) -> Draft:
        """A draft as it stands. Raises `NotFound` when it is gone or sent."""

        def look(session: Session) -> Draft:
            story = session.get(Story, story_id)
            if story is None or story.state != State.DRAFT:
                raise NotFound
            return self._draft(session, story)

        return await self._house.db.read(look)

    async def discard(self, story_id: str) -> None:
        """Delete a draft and its code at once. What has been sent is not touched."""

        def drop(session: Session) -> None:
            story = repository.hold(session, story_id)
            if story is None or story.state != State.DRAFT:
                return
            codes.revoke(session, story.id)
            repository.delete(session, [story.id])
            audit.record(session, self._house.clock.now(), Tag.STORY_DISCARDED, story_id)

        await self._house.db.write(drop)

    async def send(self, telling: Telling, story_id: str | None = None) -> Sent:
        """Store what is told, its concern, the code, audit, notice and the key, all in one transaction.

        The same key with the same words gives the first answer again. Struck parts are not kept.
        Raises as `ConcernDesk.receive`, and `SentAlready` for a draft that has been sent.
        """
        prepared = self._concerns.prepare(telling.intake())
        code = await self._house.codes.new()

        def store(session: Session) -> Sent:
            earlier = self._concerns.sent_before(session, prepared)
            if earlier is not None:
                return _sent(earlier, earlier.words)
            now = self._house.clock.now()
            story = repository.hold(session, story_id or self._id_of(telling))
            if story is None:
                story = self._begin(session, telling, code, now)
            elif story.state != State.DRAFT:
                raise SentAlready
            self._describe(story, telling, now)
            story.state, story.answers = State.SENT.value, None
            story.version, story.told_at = 1, now
            self._put_parts(session, story, [Piece(text) for text in prepared.intake.words], version=1)
            codes.renew(session, story.receipt, now)
            story.open_until = now + self._code_lasts
            received = self._concerns.take_in(session, prepared, Told(story.id, story.receipt))
            audit.record(session, now, Tag.STORY_SENT, story.id)
            words = codes.unsaved_words(session, self._house.vault, story.receipt)
            return _sent(received, words)

        sent = await self._twice(store)
        live.changed(self._house, sent.unit, sent.concern_id)
        return sent

    async def saved(self, receipt: str) -> None:
        """The person has saved the code of ``receipt``: forget the words. Unknown receipts change nothing."""
        await self._house.db.write(lambda session: codes.mark_saved(session, receipt))

    # Coming back.

    async def open(self, text: str, source: str) -> Opened:
        """What the six words in ``text`` open. Raises `WrongCode` or `TooMany`, which is checked before hashing."""
        self._house.brake.check(source)
        for words in self._house.codes.find(text):
            digest = await self._house.codes.digest(words)
            found = await self._house.db.write(lambda session, digest=digest: self._use(session, digest))  # type: ignore[misc]
            if found is not None:
                return found
        self._house.brake.missed(source)
        raise WrongCode

    async def state(self, story_id: str) -> str:
        """``draft``, ``sent`` or ``closed``. Raises `NotFound`."""

        def look(session: Session) -> str:
            story = session.get(Story, story_id)
            if story is None:
                raise NotFound
            return story.state

        return await self._house.db.read(look)

    async def mine(self, story_id: str) -> Mine:
        """The person's own view. Raises `NotFound` for a draft, an ended story and none at all."""

        def look(session: Session) -> Mine:
            return self._mine(session, self._standing(session, story_id))

        return await self._house.db.read(look)

    async def concerns(self, story_id: str) -> list[StoryConcern]:
        """How far what was told has come, and what has been answered. Raises as `mine`."""

        def look(session: Session) -> list[StoryConcern]:
            return self._concerns.of_story(session, self._standing(session, story_id).id)

        return await self._house.db.read(look)

    async def add(
        self, story_id: str, words: Sequence[str], key: str, shown: str, danger: tuple[str, str] | None
    ) -> None:
        """Send more parts to a story that has been sent; those who read it get a new version.

        ``key`` makes a second send the same one. ``danger`` is the level and category of the new words.
        Nobody but the receiving unit reads the new parts until the person says so. Raises `EmptyText`,
        `TextTooLong`, `KeyReused`, and `NotFound` when the story is ended or gone.
        """
        texts = [clean(text, STORY_LIMIT) for text in words]
        if not texts:
            raise EmptyText
        if sum(map(len, texts)) > STORY_LIMIT:
            raise TextTooLong(limit=STORY_LIMIT)
        sent_key = self._keyed("story-more", story_id, key)

        def store(session: Session) -> list[tuple[str, str]]:
            story = self._standing(session, story_id, hold=True)
            earlier = [part for part in repository.parts(session, story.id) if part.sent_key == sent_key]
            if earlier:
                if [self._open(story, part) for part in earlier] != texts:
                    raise KeyReused
                return []
            now = self._house.clock.now()
            story.version += 1
            story.told_at = story.changed_at = now
            story.shown = _joined(story.shown, shown)
            self._put_parts(session, story, [Piece(text) for text in texts], story.version, sent_key)
            if not self._concerns.told_more(session, story.id, danger):
                # Nobody has it before them any more: what is told now is a matter of its own, with its own clocks.
                level, category = danger or (None, None)
                anew = Telling(
                    [Piece(text) for text in texts],
                    reader_of(story),
                    shown,
                    danger_level=level,
                    danger_category=category,
                )
                self._concerns.take_in(session, self._concerns.prepare(anew.intake()), Told(story.id, story.receipt))
            audit.record(session, now, Tag.STORY_TOLD_MORE, story.id, detail=str(story.version))
            return [(concern.unit, concern.id) for concern in self._concerns.of_story(session, story.id)]

        for unit, concern_id in await self._house.db.write(store):
            live.changed(self._house, unit, concern_id)
        self._house.live.publish(topic(story_id), Event("more"))

    # Who may read.

    async def choose(
        self, story_id: str, wished: Collection[tuple[str, str]], revision: int, text_version: str
    ) -> None:
        """Make the pairs of unit and part id in ``wished`` all that the person says yes to; at once, in open windows too.

        Raises `InvalidField` ``unit_gone`` for a unit that is none (any more) or has the story by law,
        ``part_unknown`` for a part of another story, `Conflict` when ``revision`` is not the newest
        (another window has changed the picture), and `NotFound`. Then nothing has changed.
        """

        def store(session: Session) -> list[tuple[str, Event]]:
            story = self._standing(session, story_id, hold=True)
            if story.revision != revision:
                raise Conflict
            numbers = {part.id: part.position for part in repository.parts(session, story.id)}
            law = {concern.unit for concern in self._concerns.of_story(session, story.id)}
            for unit, part_id in wished:
                if unit not in self._units or unit in law:
                    raise InvalidField("unit_gone", "unit")
                if part_id not in numbers:
                    raise InvalidField("part_unknown", "part")
            # What was said to a unit that is gone lets nobody in, and is not in the picture to be chosen again.
            standing = [
                (one.unit, one.part_id)
                for one in repository.standing_consents(session, story.id)
                if one.unit in self._units
            ]
            given, taken = rules.changes(standing, wished)
            now = self._house.clock.now()
            if given or taken:
                story.revision += 1
            events = self._take_back(session, story, taken, numbers, now)
            known = {unit for unit, _ in standing}
            for unit in sorted({unit for unit, _ in given}):
                fresh = sorted((part for one, part in given if one == unit), key=numbers.__getitem__)
                for part_id in fresh:
                    session.add(
                        SecrecyConsent(
                            id=new_id(),
                            story_id=story.id,
                            part_id=part_id,
                            unit=unit,
                            text_version=text_version,
                            given_at=now,
                        )
                    )
                detail = _numbered(unit, [numbers[part] for part in fresh])
                audit.record(session, now, Tag.SECRECY_CONSENT_GIVEN, story.id, detail=detail)
                if unit not in known:
                    self.notify(session, unit, now)
                events.append((unit_topic(story.id, unit), Event("more")))
            events.append((topic(story.id), Event("readers")))
            return events

        self._publish(await self._house.db.write(store))

    async def withdraw(self, story_id: str, unit: str) -> None:
        """Take back everything that a unit has been let in to by the person, at once. Raises `NotFound`."""

        def store(session: Session) -> list[tuple[str, Event]]:
            story = self._standing(session, story_id, hold=True)
            numbers = {part.id: part.position for part in repository.parts(session, story.id)}
            taken = {
                (one.unit, one.part_id) for one in repository.standing_consents(session, story.id) if one.unit == unit
            }
            if taken:
                story.revision += 1
            events = self._take_back(session, story, taken, numbers, self._house.clock.now())
            return [*events, (topic(story.id), Event("readers"))]

        self._publish(await self._house.db.write(store))

    async def end_help(self, story_id: str, consent_id: str) -> None:
        """The person no longer says yes to a help; the unit is told. Unknown or ended ones change nothing. Raises `NotFound`."""

        def store(session: Session) -> None:
            story = self._standing(session, story_id, hold=True)
            now = self._house.clock.now()
            for consent in repository.help_consents(session, story.id):
                if consent.id == consent_id and consent.ended_at is None:
                    consent.ended_at, consent.ended_by = now, "visitor"
                    audit.record(session, now, Tag.HELP_CONSENT_ENDED, story.id, detail=consent.what)
                    for unit in {concern.unit for concern in self._concerns.of_story(session, story.id)}:
                        self.notify(session, unit, now)

        await self._house.db.write(store)
        self._house.live.publish(topic(story_id), Event("more"))

    async def end(self, story_id: str) -> None:
        """End one's page: every yes is taken back, the code opens nothing more; what the law keeps stays. Raises `NotFound`."""

        def store(session: Session) -> list[tuple[str, Event]]:
            story = self._standing(session, story_id, hold=True)
            now = self._house.clock.now()
            numbers = {part.id: part.position for part in repository.parts(session, story.id)}
            taken = {(one.unit, one.part_id) for one in repository.standing_consents(session, story.id)}
            events = self._take_back(session, story, taken, numbers, now)
            story.state, story.closed_at, story.changed_at = State.CLOSED.value, now, now
            codes.close(session, story.receipt)
            audit.record(session, now, Tag.STORY_CLOSED, story.id)
            return [*events, (topic(story.id), Event("readers"))]

        self._publish(await self._house.db.write(store))

    async def purge(self) -> None:
        """Delete drafts that have waited too long, with their codes. What has been sent follows the law (SoL 16:1-2 a)."""

        def drop(session: Session) -> None:
            now = self._house.clock.now()
            stale = repository.stale_drafts(session, now - self._draft_lasts)
            for story_id in stale:
                codes.revoke(session, story_id)
                audit.record(session, now, Tag.STORY_PURGED, story_id, actor="system")
            if stale:
                repository.delete(session, stale)

        await self._house.db.write(drop)

    def notify(self, session: Session, unit: str, at: datetime) -> None:
        """Tell a unit's mailbox that there is something new, in the caller's transaction; never what."""
        found = self._units.get(unit)
        if found is None or not found.mailbox:
            return
        say = self._house.phrases.say
        link = f"{self._house.settings.public_url}/personal"
        outbox.post(session, at, found.mailbox, say("concern_mail.subject"), say("concern_mail.body", None, link=link))

    # Inside a transaction.

    def _begin(self, session: Session, telling: Telling, code: codes.NewCode, now: datetime) -> Story:
        receipt = new_id()
        story = Story(
            id=self._id_of(telling),
            state=State.DRAFT.value,
            lang=telling.reader.lang,
            shown="",
            basis=BASIS,
            data_key=self._house.vault.new_key(),
            receipt=receipt,
            revision=1,
            version=0,
            created_at=now,
            changed_at=now,
            open_until=now + self._code_lasts,
        )
        session.add(story)
        session.flush()
        codes.issue(session, self._house.vault, code, receipt, "story", story.id, now)
        return story

    def _describe(self, story: Story, telling: Telling, now: datetime) -> None:
        reader = telling.reader
        story.who, story.band, story.lang = reader.who, reader.band, reader.lang
        story.shown = _joined(story.shown, telling.shown)
        story.changed_at = now

    def _put_parts(
        self, session: Session, story: Story, pieces: Sequence[Piece], version: int, sent_key: str | None = None
    ) -> None:
        """Add parts at the end, or in place of a draft's."""
        begin = 0
        if sent_key is None:
            repository.drop_parts(session, story.id)
        else:
            begin = max((part.position for part in repository.parts(session, story.id)), default=0)
        now = self._house.clock.now()
        for position, piece in enumerate(pieces, begin + 1):
            part_id = new_id()
            session.add(
                StoryPart(
                    id=part_id,
                    story_id=story.id,
                    position=position,
                    version=version,
                    at=now,
                    body=self._house.vault.seal(story.data_key, f"story_part.body:{part_id}", piece.text),
                    struck=piece.struck,
                    sent_key=sent_key,
                )
            )
        session.flush()

    def _draft(self, session: Session, story: Story) -> Draft:
        pieces = [Piece(self._open(story, part), part.struck) for part in repository.parts(session, story.id)]
        answers = json.loads(self._house.vault.open(story.data_key, f"story.answers:{story.id}", story.answers or b""))
        return Draft(story.id, pieces, answers, reader_of(story), story.shown, story.revision, story.changed_at)

    def _use(self, session: Session, digest: bytes) -> Opened | None:
        now = self._house.clock.now()
        row = codes.lookup(session, digest, now - self._code_lasts)
        if row is None:
            audit.record(session, now, Tag.CODE_MISSED, "")
            return None
        if row.kind not in ("story", codes.CLOSED):
            return Opened(row.kind, "", "", None)
        story = session.get(Story, row.subject)
        if story is None:
            return None
        last = row.used_at
        row.used_at, row.unsaved = now, None
        if story.state == State.SENT:
            codes.renew(session, row.id, now)
            story.open_until = now + self._code_lasts
        audit.record(session, now, Tag.CODE_USED, story.id)
        return Opened("story", story.id, story.state, last)

    def _standing(self, session: Session, story_id: str, *, hold: bool = False) -> Story:
        story = repository.hold(session, story_id) if hold else session.get(Story, story_id)
        if story is None or story.state != State.SENT:
            raise NotFound
        return story

    def _take_back(
        self,
        session: Session,
        story: Story,
        taken: Collection[tuple[str, str]],
        numbers: Mapping[str, int],
        now: datetime,
    ) -> list[tuple[str, Event]]:
        events = []
        for unit in sorted({unit for unit, _ in taken}):
            gone = sorted((part for one, part in taken if one == unit), key=numbers.__getitem__)
            repository.withdraw(session, story.id, unit, gone, now)
            detail = _numbered(unit, [numbers[part] for part in gone])
            audit.record(session, now, Tag.SECRECY_CONSENT_WITHDRAWN, story.id, detail=detail)
            events.append((unit_topic(story.id, unit), Event("withdrawn", " ".join(gone))))
        return events

    def _mine(self, session: Session, story: Story) -> Mine:
        parts = [
            MyPart(part.id, part.position, self._open(story, part), part.at)
            for part in repository.parts(session, story.id)
        ]
        numbers = {part.id: part.number for part in parts}
        concerns = self._concerns.of_story(session, story.id)
        told = [share for share in repository.shares(session, story.id) if share.told_at is not None]
        untold = {share.id for share in repository.shares(session, story.id)} - {share.id for share in told}
        items = repository.share_items(session, story.id)
        return Mine(
            story_id=story.id,
            reader=reader_of(story),
            version=story.version,
            told_at=story.told_at or story.changed_at,
            revision=story.revision,
            code_until=story.open_until,
            parts=parts,
            concerns=concerns,
            circle=self._circle(session, story, [concern.unit for concern in concerns]),
            shares=[
                MyShare(
                    receiver=self._unit_name(share.unit) if share.unit else "",
                    outside=share.outside or "",
                    ground=share.ground,
                    paragraph=share.paragraph,
                    numbers=sorted(numbers[part] for part in items.get(share.id, []) if part in numbers),
                    at=share.at,
                    role=share.role,
                    by_unit=self._unit_name(share.by_unit),
                    ended_at=share.ended_at,
                )
                for share in told
            ],
            reads=self._reads(session, story.id, untold),
            summary=self._summary(session, story),
            help=[
                MyHelp(one.id, one.what, one.by, one.at, one.ended_at)
                for one in repository.help_consents(session, story.id)
            ],
            basis=story.basis,
        )

    def _circle(self, session: Session, story: Story, law: Sequence[str]) -> list[Circle]:
        """Every unit in the order of the municipality's file, those that have the story by law first, gone ones last."""
        chosen: dict[str, set[str]] = {}
        for consent in repository.standing_consents(session, story.id):
            chosen.setdefault(consent.unit, set()).add(consent.part_id)
        home = next((self._units[unit] for unit in law if unit in self._units), None)
        rows = []
        for unit in [*law, *(unit for unit in self._units if unit not in law), *(set(chosen) - set(self._units))]:
            found = self._units.get(unit)
            rows.append(
                Circle(
                    unit=unit,
                    name=found.name if found else unit,
                    plain=self._plain(found, story.lang) if found else "",
                    icon=found.icon if found else "people",
                    law=unit in law,
                    gone=found is None,
                    apart=bool(home and found and (home.board, home.branch) != (found.board, found.branch)),
                    parts=frozenset(chosen.get(unit, ())),
                )
            )
        return list(dict.fromkeys(rows))

    def _plain(self, unit: Unit, lang: str) -> str:
        return (unit.plain_en or unit.plain) if lang == "en" else unit.plain

    def _reads(self, session: Session, story_id: str, untold: Collection[str]) -> list[MyRead]:
        """Reads by role, unit and day, newest first, without those that only a sharing not yet told of gave."""
        found: dict[tuple[str, str, Any], MyRead] = {}
        for at, role, unit, way in repository.reads(session, story_id):
            shares = way.removeprefix(repository.SHARED).split() if way.startswith(repository.SHARED) else []
            if shares and set(untold).issuperset(shares):
                continue
            key = (role, unit, to_local(at).date())
            earlier = found.get(key)
            found[key] = replace(earlier, again=True) if earlier else MyRead(role, self._unit_name(unit), at, False)
        return list(found.values())

    def _summary(self, session: Session, story: Story) -> MySummary | None:
        row = repository.newest_summary(session, story.id)
        if row is None:
            return None
        text = self._house.vault.open(story.data_key, f"story_summary.body:{story.id}:{row.version}", row.body)
        return MySummary(text, row.role, self._unit_name(row.unit), row.at)

    def _open(self, story: Story, part: StoryPart) -> str:
        return self._house.vault.open(story.data_key, f"story_part.body:{part.id}", part.body)

    def _seal(self, story: Story, column: str, text: str) -> bytes:
        return self._house.vault.seal(story.data_key, f"story.{column}:{story.id}", text)

    def _unit_name(self, unit: str) -> str:
        return self._units[unit].name if unit in self._units else unit

    def _id_of(self, telling: Telling) -> str:
        """The same form is the same story, so that a double click neither saves nor sends it twice."""
        if telling.key is None:
            return new_id()
        return self._keyed("story-id", telling.chat_id, telling.key)[:24]

    def _keyed(self, *parts: Any) -> str:
        return hmac.new(self._house.settings.code_pepper, json.dumps(parts).encode(), "sha256").hexdigest()

    def _publish(self, events: Sequence[tuple[str, Event]]) -> None:
        for where, event in events:
            self._house.live.publish(where, event)

    async def _twice(self, work: Callable[[Session], T]) -> T:
        try:
            return await self._house.db.write(work)
        except IntegrityError:
            # Two windows of one form at once: the other was first, and its row is there now.
            return await self._house.db.write(work)


def reader_of(story: Story) -> Reader:
    """Who has said that they are telling."""
    return Reader.stored(story.who, story.band, story.lang)


def _sent(received: Received, words: str | None) -> Sent:
    return Sent(
        received.story_id or "",
        received.concern_id,
        received.unit,
        received.unit_name,
        received.receipt,
        words,
    )


def _kept_pieces(pieces: Sequence[Piece]) -> list[Piece]:
    """The pieces with something in them, cleaned. Raises `EmptyText`, `TextTooLong`."""
    kept = []
    for piece in pieces:
        try:
            kept.append(Piece(clean(piece.text, STORY_LIMIT), piece.struck))
        except EmptyText:
            continue
    if not kept:
        raise EmptyText
    if sum(len(piece.text) for piece in kept) > STORY_LIMIT:
        raise TextTooLong(limit=STORY_LIMIT)
    return kept


def _answers(telling: Telling) -> dict[str, Any]:
    """The form's other answers, as a draft keeps them: unchecked, since they can still be changed. Raises `InvalidField`."""
    given = {
        "about": telling.about,
        "now": telling.now,
        "reach": telling.reach,
        "phone": telling.phone,
        "safe": dict(telling.safe or {}),
        "interpreter": telling.interpreter,
        "needs": list(telling.needs),
        "area": telling.area,
    }
    for field, text in [("phone", telling.phone), *(telling.safe or {}).items()]:
        if text and len(text) > _LONGEST_ANSWER:
            raise InvalidField("too_long", field)
    return {name: value for name, value in given.items() if value}


def _joined(*versions: str) -> str:
    """Versions of the first screen, each once, in the order in which they were shown."""
    return " ".join(dict.fromkeys(" ".join(versions).split()))


def _numbered(unit: str, numbers: Sequence[int]) -> str:
    return f"{unit} {','.join(map(str, numbers))}"
