"""Staff's side of a story: read what one may, write a summary beside it, share it on a ground in the law.

What the person, the law or a colleague has not let somebody in to does not exist: `NotFound`.
Every opening is an audit row with role, unit and the way in, which the person sees on their page.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from backend.core import audit
from backend.core.audit import Tag
from backend.core.clock import to_local
from backend.core.errors import Conflict, EmptyText, InvalidField, NotFound, TextTooLong
from backend.core.house import House
from backend.core.live import Event
from backend.core.municipality import Unit
from backend.core.people import StaffMember
from backend.core.text import clean
from backend.core.vault import new_id
from backend.stories import repository, rules
from backend.stories.repository import CHOSEN, SHARED, WHOLE
from backend.stories.rules import Ground
from backend.stories.service import StoryDesk, topic, unit_topic
from backend.stories.tables import (
    HelpConsent,
    LegalShare,
    LegalShareItem,
    State,
    Story,
    StoryPart,
    StorySummary,
    ToldPoint,
)

SUMMARY_LIMIT = 4_000
REASON_LIMIT = 1_000
POINT_LIMIT = 120
"""Characters: a point is a line in a list, not a note."""
HELP = ("talks", "group", "family", "own_care", "other")
"""What help somebody can say yes to."""
HELP_BY = ("self", "custodian")
"""Who says yes: the person, or the custodian where the law asks for that (SoL 21:1-2)."""


@dataclass(frozen=True, slots=True)
class SharedRow:
    """A story that one's unit has been let in to, in a list: no words. ``parts`` 0: only that there is contact."""

    id: str
    who: str | None
    band: str | None
    version: int
    told_at: datetime
    parts: int


@dataclass(frozen=True, slots=True)
class LetIn:
    """A unit that may read a part: by the person's yes (``ground`` empty) or on a ground."""

    unit: str
    ground: str


@dataclass(frozen=True, slots=True)
class StaffPart:
    """A part as staff read it. ``number`` is 0 for whoever was let in, so that no gap tells of parts not shown."""

    id: str
    number: int
    text: str
    at: datetime
    version: int
    readers: list[LetIn]


@dataclass(frozen=True, slots=True)
class Summary:
    """What staff have made of it. ``version`` 0: nothing yet."""

    text: str
    version: int
    name: str
    role: str
    unit: str
    at: datetime | None


@dataclass(frozen=True, slots=True)
class Point:
    """A thing already told, in which part."""

    id: str
    text: str
    part_id: str
    number: int
    name: str


@dataclass(frozen=True, slots=True)
class Share:
    """A sharing on a ground in the law, with its reason. ``hidden``: why the person is not told yet.

    ``overdue``: the day to think again has passed.
    """

    id: str
    receiver: str
    outside: str
    ground: str
    paragraph: str
    gate: str
    numbers: list[int]
    reason: str
    name: str
    role: str
    at: datetime
    hidden: str
    hidden_by: str
    review_on: date | None
    overdue: bool
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class Help:
    """A yes to help as it was heard, and whether it stands."""

    id: str
    what: str
    by: str
    name: str
    at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class StaffStory:
    """What one member of staff may read of a story. ``whole``: their unit has received it; the rest is then filled in.

    ``way`` is `WHOLE`, `CHOSEN` or `SHARED`; ``grounds`` are the paragraphs by which the law lets them in.
    Every reader sees the same ``version`` and ``told_at``. ``hushed``: the person must not be told that
    this unit reads, for a safety reason.
    """

    id: str
    who: str | None
    band: str | None
    lang: str
    version: int
    told_at: datetime
    closed_at: datetime | None
    whole: bool
    way: str
    grounds: list[str]
    hushed: bool
    parts: list[StaffPart]
    points: list[Point]
    summary: Summary
    shares: list[Share]
    help: list[Help]
    basis: str
    shown: str
    may_hide: bool


@dataclass(frozen=True, slots=True)
class Sharing:
    """A sharing as it was filled in: to a unit or an outsider, on a ground, with a reason.

    ``hide``: the person is not to be told yet, with the danger in ``hidden`` and the day to think again.
    """

    unit: str
    outside: str
    ground: str
    parts: frozenset[str]
    reason: str
    hide: bool = False
    hidden: str = ""
    review_on: date | None = None


class StoryReading:
    """Use cases of staff around stories."""

    def __init__(self, house: House, desk: StoryDesk) -> None:
        self._house = house
        self._desk = desk
        self._units = {unit.id: unit for unit in house.municipality.units}
        self._longest = house.municipality.stories.hidden_days

    async def list_for(self, staff: StaffMember) -> list[SharedRow]:
        """The stories that the unit of ``staff`` has been let in to, the newest telling first."""

        def look(session: Session) -> list[SharedRow]:
            now = self._house.clock.now()
            found = repository.let_in_to(session, staff, self._units, now)
            counts = repository.part_counts(session, staff, self._units, now, [story.id for story in found])
            return [self._row(story, counts.get(story.id, 0)) for story in found]

        return await self._house.db.read(look)

    async def open_for(self, staff: StaffMember, story_id: str) -> StaffStory:
        """Open a story and write down that ``staff`` did, by which way, in the same transaction. Raises `NotFound`."""

        def open_it(session: Session) -> StaffStory:
            story, whole = self._find(session, staff, story_id)
            opened = self._opened(session, staff, story, whole)
            way = opened.way
            if way == SHARED:
                shares = repository.open_shares_to(session, story.id, staff.unit)
                way = " ".join((SHARED, *(share.id for share in shares)))
            audit.read(
                session,
                self._house.clock.now(),
                Tag.STORY_READ,
                story.id,
                actor=staff.id,
                detail=way,
                changed=story.told_at,
            )
            return opened

        return await self._house.db.write(open_it)

    async def may_read(self, staff: StaffMember, story_id: str) -> bool:
        """Whether ``staff`` may know of the story now; asked again by every open window."""

        def look(session: Session) -> bool:
            return repository.find_readable(session, staff, self._units, self._house.clock.now(), story_id) is not None

        return await self._house.db.read(look)

    async def readable_parts(self, staff: StaffMember, story_id: str) -> list[str]:
        """The ids of the parts that ``staff`` may read now."""

        def look(session: Session) -> list[str]:
            now = self._house.clock.now()
            return [part.id for part in repository.readable_parts(session, staff, self._units, now, story_id)]

        return await self._house.db.read(look)

    def words_of(self, session: Session, staff: StaffMember, story_ids: Collection[str]) -> dict[str, str]:
        """What ``staff`` may read of each story, as one text, for a search inside the caller's transaction."""
        found: dict[str, str] = {}
        for story in repository.among(session, story_ids):
            now = self._house.clock.now()
            parts = repository.readable_parts(session, staff, self._units, now, story.id)
            found[story.id] = "\n".join(
                self._house.vault.open(story.data_key, f"story_part.body:{part.id}", part.body) for part in parts
            )
        return found

    def told_in(self, session: Session, staff: StaffMember, story_id: str) -> list[str]:
        """The words that ``staff`` may read of a story, part by part, inside the caller's transaction: for an export.

        That they were read is written down as for any opening. Raises `NotFound`.
        """
        story, _ = self._find(session, staff, story_id)
        now = self._house.clock.now()
        audit.read(session, now, Tag.STORY_READ, story.id, actor=staff.id, detail=WHOLE)
        parts = repository.readable_parts(session, staff, self._units, now, story.id)
        return [self._house.vault.open(story.data_key, f"story_part.body:{part.id}", part.body) for part in parts]

    def shared_of(self, session: Session, story_id: str) -> list[dict[str, Any]]:
        """With whom what of a story was shared, on which ground, from when until when: for the record system.

        What the person must not know yet is left out: an export may end up in their hands, or a guardian's.
        """
        numbers = {part.id: part.position for part in repository.parts(session, story_id)}
        items = repository.share_items(session, story_id)
        chosen = [
            _shared(
                consent.unit, [numbers[consent.part_id]], "OSL 12:2", "person", consent.given_at, consent.withdrawn_at
            )
            for consent in repository.consents(session, story_id)
        ]
        granted = [
            _shared(
                share.unit or share.outside or "",
                sorted(numbers[part] for part in items.get(share.id, [])),
                share.paragraph,
                "staff",
                share.at,
                share.ended_at,
            )
            for share in repository.shares(session, story_id)
            if share.told_at is not None
        ]
        return [*chosen, *granted]

    def grounds_for(self, staff: StaffMember) -> list[tuple[Ground, list[Unit], list[str]]]:
        """The grounds that fit what ``staff`` may pass a story to: each with the units and the outsiders it may be used for."""
        found = []
        for ground in self._desk.grounds.grounds:
            units = [
                unit
                for unit in self._units.values()
                if ground.allows(rules.gate(self._place(staff.unit), self._place(unit.id)), unit.id)
            ]
            outside = list(self._desk.grounds.outside) if ground.allows(rules.Gate.OUTSIDE, None) else []
            if units or outside:
                found.append((ground, units, outside))
        return found

    async def summarise(self, staff: StaffMember, story_id: str, text: str, version: int) -> None:
        """Write the next version of the summary; the words themselves are never changed.

        ``version`` is the one that was read, 0 for none. Raises `Conflict` when somebody has written
        a newer one, `EmptyText`, `TextTooLong`, and `NotFound` for whoever did not receive the story.
        """
        words = clean(text, SUMMARY_LIMIT)

        def write(session: Session) -> None:
            story = self._whole(session, staff, story_id)
            newest = repository.newest_summary(session, story.id)
            if (newest.version if newest else 0) != version:
                raise Conflict
            now = self._house.clock.now()
            place = f"story_summary.body:{story.id}:{version + 1}"
            session.add(
                StorySummary(
                    story_id=story.id,
                    version=version + 1,
                    body=self._house.vault.seal(story.data_key, place, words),
                    staff_id=staff.id,
                    role=staff.role,
                    unit=staff.unit,
                    at=now,
                )
            )
            session.flush()
            audit.record(session, now, Tag.STORY_SUMMARISED, story.id, actor=staff.id, detail=str(version + 1))

        try:
            await self._house.db.write(write)
        except IntegrityError:
            raise Conflict from None
        self._house.live.publish(topic(story_id), Event("more"))

    async def add_point(self, staff: StaffMember, story_id: str, part_id: str, text: str) -> None:
        """Note a thing as already told in a part. Raises `EmptyText`, `TextTooLong`, `NotFound`."""
        words = " ".join(clean(text, POINT_LIMIT).split())

        def write(session: Session) -> None:
            story = self._whole(session, staff, story_id)
            if part_id not in {part.id for part in repository.parts(session, story.id)}:
                raise NotFound
            now, point_id = self._house.clock.now(), new_id()
            sealed = self._house.vault.seal(story.data_key, f"story_told_point.body:{point_id}", words)
            session.add(
                ToldPoint(id=point_id, story_id=story.id, part_id=part_id, body=sealed, staff_id=staff.id, at=now)
            )
            session.flush()
            audit.record(session, now, Tag.STORY_POINTED, story.id, actor=staff.id)

        await self._house.db.write(write)

    async def drop_point(self, staff: StaffMember, story_id: str, point_id: str) -> None:
        """Take away a point that was wrong. Raises `NotFound`."""

        def drop(session: Session) -> None:
            story = self._whole(session, staff, story_id)
            point = session.get(ToldPoint, point_id)
            if point is None or point.story_id != story.id:
                raise NotFound
            session.delete(point)
            audit.record(
                session, self._house.clock.now(), Tag.STORY_POINTED, story.id, actor=staff.id, detail="dropped"
            )

        await self._house.db.write(drop)

    async def share(self, staff: StaffMember, story_id: str, wish: Sharing) -> None:
        """Tell a unit or somebody outside on a ground that ``staff`` has chosen and given a reason for.

        The person sees it on their page at once, unless ``hide`` is set for a safety reason, which asks
        for a manager or somebody with the degree of SoL 25:1, and a day to think again. Raises
        `InvalidField` naming ``receiver``, ``ground``, ``parts``, ``reason``, ``hidden`` or
        ``review_on``, and `NotFound` for whoever did not receive the story.
        """
        reason = _required(wish.reason, "reason")
        hidden = _required(wish.hidden, "hidden") if wish.hide else ""

        def write(session: Session) -> str | None:
            story = self._whole(session, staff, story_id)
            ground, gate = self._checked(session, staff, story, wish, hidden)
            now, share_id = self._house.clock.now(), new_id()
            vault = self._house.vault
            session.add(
                LegalShare(
                    id=share_id,
                    story_id=story.id,
                    unit=wish.unit or None,
                    outside=wish.outside or None,
                    ground=ground.id,
                    paragraph=ground.paragraph,
                    gate=gate.value,
                    grounds_version=self._desk.grounds.version,
                    reason=vault.seal(story.data_key, f"story_legal_share.reason:{share_id}", reason),
                    staff_id=staff.id,
                    role=staff.role,
                    by_unit=staff.unit,
                    at=now,
                    hidden=vault.seal(story.data_key, f"story_legal_share.hidden:{share_id}", hidden)
                    if hidden
                    else None,
                    hidden_by=staff.id if hidden else None,
                    review_on=wish.review_on if hidden else None,
                    told_at=None if hidden else now,
                )
            )
            session.flush()
            session.add_all(LegalShareItem(share_id=share_id, part_id=part) for part in wish.parts)
            session.flush()
            detail = f"{ground.id} {gate.value} {wish.unit or wish.outside}"
            audit.record(session, now, Tag.STORY_SHARED, story.id, actor=staff.id, detail=detail)
            if hidden:
                audit.record(session, now, Tag.STORY_SHARE_HIDDEN, story.id, actor=staff.id, detail=share_id)
            if wish.unit:
                self._desk.notify(session, wish.unit, now)
            return wish.unit or None

        unit = await self._house.db.write(write)
        if unit:
            self._house.live.publish(unit_topic(story_id, unit), Event("more"))
        self._house.live.publish(topic(story_id), Event("readers"))

    async def end_share(self, staff: StaffMember, story_id: str, share_id: str) -> None:
        """Stop a sharing, at once and in open windows; that it was stays. An ended one stays ended. Raises `NotFound`."""

        def write(session: Session) -> tuple[str, list[str]] | None:
            share = self._share(session, staff, story_id, share_id)
            if share.ended_at is not None:
                return None
            now = self._house.clock.now()
            share.ended_at, share.ended_by = now, staff.id
            audit.record(session, now, Tag.STORY_SHARE_ENDED, story_id, actor=staff.id, detail=share.id)
            parts = repository.share_items(session, story_id).get(share.id, [])
            return (share.unit, parts) if share.unit else None

        ended = await self._house.db.write(write)
        if ended is not None:
            # Another ground or the person's yes may still let them in to some of it: they ask again.
            self._house.live.publish(unit_topic(story_id, ended[0]), Event("asked"))
        self._house.live.publish(topic(story_id), Event("readers"))

    async def tell_now(self, staff: StaffMember, story_id: str, share_id: str) -> None:
        """The safety reason is over: the person sees the sharing, and who read by it, from now on.

        Raises `NotFound`, and `InvalidField` ``not_allowed`` for whoever may not decide about safety.
        """
        self._need_safety(staff)

        def write(session: Session) -> None:
            share = self._share(session, staff, story_id, share_id)
            if share.told_at is None:
                now = self._house.clock.now()
                share.told_at, share.review_on = now, None
                audit.record(session, now, Tag.STORY_SHARE_TOLD, story_id, actor=staff.id, detail=share.id)

        await self._house.db.write(write)

    async def hide_longer(
        self, staff: StaffMember, story_id: str, share_id: str, reason: str, review_on: date | None
    ) -> None:
        """Think again and keep a sharing from the person until another day. Raises as `share` and `tell_now`."""
        self._need_safety(staff)
        words = _required(reason, "hidden")

        def write(session: Session) -> None:
            share = self._share(session, staff, story_id, share_id)
            story = session.get(Story, story_id)
            if share.told_at is not None or story is None:
                raise NotFound
            self._check_review(review_on)
            share.hidden = self._house.vault.seal(story.data_key, f"story_legal_share.hidden:{share.id}", words)
            share.hidden_by, share.review_on = staff.id, review_on
            now = self._house.clock.now()
            audit.record(session, now, Tag.STORY_SHARE_HIDDEN, story_id, actor=staff.id, detail=share.id)

        await self._house.db.write(write)

    async def note_help(self, staff: StaffMember, story_id: str, what: str, by: str) -> None:
        """Write down that somebody has said yes to a help; a second yes to the same changes nothing.

        Raises `InvalidField` naming ``what`` or ``by``, and `NotFound`.
        """
        if what not in HELP:
            raise InvalidField("invalid", "what")
        if by not in HELP_BY:
            raise InvalidField("invalid", "by")

        def write(session: Session) -> None:
            story = self._whole(session, staff, story_id)
            standing = repository.help_consents(session, story.id)
            if any(one.what == what and one.ended_at is None for one in standing):
                return
            now = self._house.clock.now()
            session.add(HelpConsent(id=new_id(), story_id=story.id, what=what, by=by, staff_id=staff.id, at=now))
            session.flush()
            audit.record(session, now, Tag.HELP_CONSENT_NOTED, story.id, actor=staff.id, detail=f"{what} {by}")

        await self._house.db.write(write)

    async def end_help(self, staff: StaffMember, story_id: str, consent_id: str) -> None:
        """Write down that somebody no longer says yes to a help. Raises `NotFound`."""

        def write(session: Session) -> None:
            story = self._whole(session, staff, story_id)
            consent = session.get(HelpConsent, consent_id)
            if consent is None or consent.story_id != story.id:
                raise NotFound
            if consent.ended_at is None:
                now = self._house.clock.now()
                consent.ended_at, consent.ended_by = now, staff.id
                audit.record(session, now, Tag.HELP_CONSENT_ENDED, story.id, actor=staff.id, detail=consent.what)

        await self._house.db.write(write)

    # Inside a transaction.

    def _find(self, session: Session, staff: StaffMember, story_id: str) -> tuple[Story, bool]:
        found = repository.find_readable(session, staff, self._units, self._house.clock.now(), story_id)
        if found is None:
            raise NotFound
        return found

    def _whole(self, session: Session, staff: StaffMember, story_id: str) -> Story:
        story, whole = self._find(session, staff, story_id)
        if not whole:
            raise NotFound
        return story

    def _share(self, session: Session, staff: StaffMember, story_id: str, share_id: str) -> LegalShare:
        story = self._whole(session, staff, story_id)
        share = session.get(LegalShare, share_id)
        if share is None or share.story_id != story.id:
            raise NotFound
        return share

    def _checked(
        self, session: Session, staff: StaffMember, story: Story, wish: Sharing, hidden: str
    ) -> tuple[Ground, rules.Gate]:
        if bool(wish.unit) == bool(wish.outside):
            raise InvalidField("receiver_missing", "receiver")
        if wish.unit and wish.unit not in self._units:
            raise InvalidField("unit_gone", "receiver")
        if wish.outside and wish.outside not in self._desk.grounds.outside:
            raise InvalidField("receiver_missing", "receiver")
        gate = rules.gate(self._place(staff.unit), self._place(wish.unit) if wish.unit else None)
        if gate is rules.Gate.SAME_UNIT:
            raise InvalidField("own_unit", "receiver")
        ground = self._desk.grounds.find(wish.ground)
        if ground is None or not ground.allows(gate, wish.unit or None):
            raise InvalidField("ground_unfit", "ground")
        known = {part.id for part in repository.parts(session, story.id)}
        if not wish.parts <= known or (ground.words and not wish.parts):
            raise InvalidField("parts_missing", "parts")
        if not ground.words and wish.parts:
            raise InvalidField("parts_unfit", "parts")
        if hidden:
            if not _decides_on_safety(staff):
                raise InvalidField("not_allowed", "hidden")
            self._check_review(wish.review_on)
        return ground, gate

    def _check_review(self, review_on: date | None) -> None:
        today = to_local(self._house.clock.now()).date()
        if review_on is None or not rules.may_hide(review_on, today, self._longest):
            raise InvalidField("review_day", "review_on")

    def _need_safety(self, staff: StaffMember) -> None:
        if not _decides_on_safety(staff):
            raise InvalidField("not_allowed", "hidden")

    def _place(self, unit: str) -> rules.Place:
        found = self._units.get(unit)
        return rules.Place(unit, found.board, found.branch) if found else rules.Place(unit, "", "")

    def _row(self, story: Story, parts: int) -> SharedRow:
        shown = parts > 0
        return SharedRow(
            story.id,
            story.who if shown else None,
            story.band if shown else None,
            story.version,
            story.told_at or story.changed_at,
            parts,
        )

    def _opened(self, session: Session, staff: StaffMember, story: Story, whole: bool) -> StaffStory:
        now = self._house.clock.now()
        parts = repository.readable_parts(session, staff, self._units, now, story.id)
        numbers = {part.id: part.position for part in parts} if whole else {}
        to_us = [] if whole else repository.open_shares_to(session, story.id, staff.unit)
        chosen = {one.unit for one in repository.standing_consents(session, story.id)} if not whole else set()
        way = WHOLE if whole else CHOSEN if staff.unit in chosen else SHARED
        names = repository.names(session, self._writers(session, story)) if whole else {}
        row = self._row(story, len(parts) if not whole else 1)
        return StaffStory(
            id=story.id,
            who=row.who,
            band=row.band,
            lang=story.lang,
            version=story.version,
            told_at=row.told_at,
            closed_at=story.closed_at,
            whole=whole,
            way=way,
            grounds=list(dict.fromkeys(share.paragraph for share in to_us)),
            hushed=any(share.told_at is None for share in to_us),
            parts=self._parts(session, story, parts, whole),
            points=self._points(session, story, parts, numbers),
            summary=self._summary(session, story) if whole else Summary("", 0, "", "", "", None),
            shares=self._shares(session, story, numbers, names) if whole else [],
            help=[
                Help(one.id, one.what, one.by, names.get(one.staff_id, ""), one.at, one.ended_at)
                for one in repository.help_consents(session, story.id)
            ]
            if whole
            else [],
            basis=story.basis,
            shown=story.shown,
            may_hide=_decides_on_safety(staff),
        )

    def _writers(self, session: Session, story: Story) -> set[str]:
        shares = repository.shares(session, story.id)
        return {
            *(share.staff_id for share in shares),
            *(share.hidden_by for share in shares if share.hidden_by),
            *(one.staff_id for one in repository.help_consents(session, story.id)),
        }

    def _parts(self, session: Session, story: Story, parts: Sequence[StoryPart], whole: bool) -> list[StaffPart]:
        readers = self._readers(session, story) if whole else {}
        return [
            StaffPart(
                part.id,
                part.position if whole else 0,
                self._house.vault.open(story.data_key, f"story_part.body:{part.id}", part.body),
                part.at,
                part.version,
                readers.get(part.id, []),
            )
            for part in parts
        ]

    def _readers(self, session: Session, story: Story) -> dict[str, list[LetIn]]:
        """Who reads each part now, and on what: the person's yes first."""
        found: dict[str, list[LetIn]] = {}
        if story.state == State.SENT and story.open_until > self._house.clock.now():
            for consent in repository.standing_consents(session, story.id):
                if consent.unit in self._units:
                    found.setdefault(consent.part_id, []).append(LetIn(self._units[consent.unit].name, ""))
        items = repository.share_items(session, story.id)
        for share in repository.shares(session, story.id):
            if share.ended_at is None:
                receiver = self._receiver(share)
                for part_id in items.get(share.id, []):
                    found.setdefault(part_id, []).append(LetIn(receiver, share.paragraph))
        return found

    def _receiver(self, share: LegalShare) -> str:
        if share.unit:
            return self._units[share.unit].name if share.unit in self._units else share.unit
        return self._house.phrases.say(f"mypage.outside.{share.outside}")

    def _points(
        self, session: Session, story: Story, parts: Sequence[StoryPart], numbers: dict[str, int]
    ) -> list[Point]:
        rows = repository.points(session, story.id, [part.id for part in parts])
        names = repository.names(session, {row.staff_id for row in rows})
        return [
            Point(
                row.id,
                self._house.vault.open(story.data_key, f"story_told_point.body:{row.id}", row.body),
                row.part_id,
                numbers.get(row.part_id, 0),
                names.get(row.staff_id, ""),
            )
            for row in rows
        ]

    def _summary(self, session: Session, story: Story) -> Summary:
        row = repository.newest_summary(session, story.id)
        if row is None:
            return Summary("", 0, "", "", "", None)
        text = self._house.vault.open(story.data_key, f"story_summary.body:{story.id}:{row.version}", row.body)
        name = repository.names(session, {row.staff_id}).get(row.staff_id, "")
        return Summary(text, row.version, name, row.role, row.unit, row.at)

    def _shares(self, session: Session, story: Story, numbers: dict[str, int], names: dict[str, str]) -> list[Share]:
        items = repository.share_items(session, story.id)
        today = to_local(self._house.clock.now()).date()

        def unseal(share: LegalShare, column: str, sealed: bytes | None) -> str:
            if sealed is None:
                return ""
            return self._house.vault.open(story.data_key, f"story_legal_share.{column}:{share.id}", sealed)

        return [
            Share(
                id=share.id,
                receiver=self._receiver(share),
                outside=share.outside or "",
                ground=share.ground,
                paragraph=share.paragraph,
                gate=share.gate,
                numbers=sorted(numbers[part] for part in items.get(share.id, []) if part in numbers),
                reason=unseal(share, "reason", share.reason),
                name=names.get(share.staff_id, ""),
                role=share.role,
                at=share.at,
                hidden=unseal(share, "hidden", share.hidden) if share.told_at is None else "",
                hidden_by=names.get(share.hidden_by or "", ""),
                review_on=share.review_on,
                overdue=share.told_at is None and share.review_on is not None and share.review_on < today,
                ended_at=share.ended_at,
            )
            for share in repository.shares(session, story.id)
        ]


def _shared(
    receiver: str, numbers: list[int], ground: str, by: str, since: datetime, until: datetime | None
) -> dict[str, Any]:
    return {
        "with": receiver,
        "at": since.isoformat(),
        "until": until.isoformat() if until else None,
        "by": by,
        "ground": ground,
        "what": "story",
        "parts": numbers,
    }


def _decides_on_safety(staff: StaffMember) -> bool:
    """Whether somebody may decide that a person is not told yet: a manager, or with the degree of SoL 25:1."""
    return staff.is_manager or staff.qualified


def _required(text: str, field: str) -> str:
    try:
        return clean(text, REASON_LIMIT)
    except EmptyText:
        raise InvalidField("empty", field) from None
    except TextTooLong:
        raise InvalidField("too_long", field) from None
