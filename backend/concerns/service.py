"""Take in a concern, and let the right unit read it, take it and see its clocks."""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from backend.alerts import service as alerts
from backend.alerts.service import AlertDesk
from backend.concerns import live, repository, rules
from backend.concerns.reports import Report, checked_report
from backend.concerns.repository import AT_MOST
from backend.concerns.routing import Places, load_routing
from backend.concerns.rules import Deed
from backend.concerns.tables import Concern, ConcernAnswer, ConcernReport, Handed, State
from backend.core import audit, codes, legal, webhooks
from backend.core.access import Kind, visible
from backend.core.audit import Tag
from backend.core.clock import to_local
from backend.core.closed_days import ClosedDays
from backend.core.codes import NewCode
from backend.core.duty import Duty
from backend.core.errors import (
    Conflict,
    DomainError,
    EmptyText,
    InvalidField,
    KeyReused,
    NotFound,
    TextTooLong,
)
from backend.core.house import House
from backend.core.municipality import DAYS, Municipality
from backend.core.people import StaffMember
from backend.core.phone import parse_phone
from backend.core.reader import Reader
from backend.core.text import ANSWER_LIMIT, STORY_LIMIT, clean
from backend.core.vault import new_id

_AT_ONCE = 200
ABOUT = ("me", "other_child", "adult", "family")
HAPPENING = ("yes", "no", "unsure")
REACH = ("code", "phone", "none")
SAFE_ANSWERS = {"call_ok": ("yes", "no", "unsure"), "leave_message": ("yes", "no")}
"""The safe-contact questions with fixed answers."""
SAFE_TEXTS = {"if_other_answers": 500, "when": 500}
"""The safe-contact questions answered in own words, with the longest answer in characters."""


@dataclass(frozen=True, slots=True)
class Intake:
    """What somebody wants to send.

    ``words`` are the parts in their own words and order. ``about``, ``now`` and ``reach``
    take the values of `ABOUT`, `HAPPENING` and `REACH`; ``phone`` is a number as typed and
    only kept for ``reach`` "phone"; ``safe`` answers `SAFE_ANSWERS` and `SAFE_TEXTS`.
    ``interpreter`` is a language's code in ``interpreters.yml``, ``area`` an area's id in the
    municipality's file, ``needs`` are values of `rules.NEEDS` and ``source`` is one of `rules.TOLD_BY`;
    ``report`` comes with every ``source`` but "self". ``by_phone`` is the id of the staff member who
    writes it down for somebody: the code is then read aloud, and opens nothing until it is changed.
    ``form_key`` makes a second send give the first one's receipt; it is compared within
    ``chat_id``.
    """

    words: Sequence[str]
    about: str | None
    now: str | None
    reach: str
    phone: str | None
    safe: dict[str, str] | None
    reader: Reader
    danger_level: str | None
    danger_category: str | None
    consent_version: str
    chat_id: str | None = None
    form_key: str | None = None
    interpreter: str | None = None
    source: str = "self"
    needs: Collection[str] = ()
    area: str | None = None
    report: Report | None = None
    by_phone: str | None = None


@dataclass(frozen=True, slots=True)
class Received:
    """A stored concern. ``words`` is its return code, or None when the person has already said it is saved."""

    concern_id: str
    unit: str
    unit_name: str
    receipt: str
    words: str | None
    story_id: str | None = None


@dataclass(frozen=True, slots=True)
class Prepared:
    """An intake that has been checked, and the digests by which a second send of it is known."""

    intake: Intake
    key: str | None
    body: str


@dataclass(frozen=True, slots=True)
class Told:
    """Where a concern's words are when they are not its own: a story, and the receipt of the code that opens it."""

    story_id: str
    receipt: str


@dataclass(frozen=True, slots=True)
class Clock:
    """One legal time limit of a concern.

    ``due`` is the last day; ``target`` the working day to aim for, earlier when ``due``
    is a closed day. ``days_left`` is negative when the day has passed. ``late`` says that
    it has passed and that what it asks for is not written down; ``met`` when that was.
    """

    name: str
    source: str
    due: date
    target: date
    days_left: int
    late: bool
    met: datetime | None = None


@dataclass(frozen=True, slots=True)
class ConcernRow:
    """A concern in a list: nothing of what was said. ``openable`` is False for a restricted one not yet taken."""

    id: str
    received_at: datetime
    state: str
    restricted: bool
    openable: bool
    who: str | None
    band: str | None
    about: str | None
    happening: str | None
    danger_level: str | None
    danger_category: str | None
    interpreter: str | None
    clocks: list[Clock]
    accepted_by: str


@dataclass(frozen=True, slots=True)
class ConcernList:
    """The unit's concerns in the order of their clocks; ``more`` when there are more than are shown."""

    rows: list[ConcernRow]
    more: bool


@dataclass(frozen=True, slots=True)
class Answer:
    """What somebody in the unit wrote back: when, first name, role (`Role`) and the words as they wrote them."""

    at: datetime
    name: str
    role: str
    text: str


@dataclass(frozen=True, slots=True)
class Moved:
    """That a concern went to another unit: when, from and to which (names)."""

    at: datetime
    from_unit: str
    to_unit: str


@dataclass(frozen=True, slots=True)
class Status:
    """All that the holder of the code learns of a concern: when it arrived, its state, the unit's name, the answers,
    and to which units it has been moved: never silently. ``reader``: whose words to tell it in."""

    received_at: datetime
    state: str
    unit: str
    answers: list[Answer]
    reader: Reader
    moves: Sequence[Moved] = ()


@dataclass(frozen=True, slots=True)
class OpenedConcern:
    """Everything that the one who handles a concern needs, words included.

    ``words`` is empty when they are those of the story ``story_id``. ``code_until`` is when the
    writer's code stops opening it; ``answerable`` is False from then on.
    """

    row: ConcernRow
    words: list[str]
    story_id: str | None
    reach: str
    phone: str | None
    safe: dict[str, str]
    lang: str
    unit_name: str
    also_tell: list[str]
    rule_id: str
    rules_version: str
    reason: str
    consent_version: str
    accepted_at: datetime | None
    answers: list[Answer]
    code_until: datetime
    answerable: bool
    history: list[Deed]


@dataclass(frozen=True, slots=True)
class StoryConcern:
    """A concern as the person behind its story may see it: when it came, its state, the unit (id and name), the
    answers, and to which units it has been moved."""

    id: str
    received_at: datetime
    state: str
    unit: str
    unit_name: str
    answers: list[Answer]
    moves: Sequence[Moved] = ()


def stories_openable_by(staff: StaffMember) -> sa.Select[Any]:
    """The ids of the stories behind the concerns whose words ``staff`` may read, for use inside a query."""
    return repository.openable_by(staff).with_only_columns(Concern.story_id).where(Concern.story_id.is_not(None))


def stories_withheld_from(staff: StaffMember) -> sa.Select[Any]:
    """The ids of the stories behind concerns that are withheld from ``staff``, for use inside a query."""
    kept_out = sa.not_(visible(staff, (Kind.CONCERN, Concern.id)))
    return sa.select(Concern.story_id).where(kept_out, Concern.story_id.is_not(None))


def restricted_stories() -> sa.Select[Any]:
    """The ids of the stories behind restricted concerns, for use inside a query."""
    return sa.select(Concern.story_id).where(Concern.restricted.is_(True), Concern.story_id.is_not(None))


class ConcernDesk:
    """Use cases around concerns. Raises `ContentError` at the start for a faulty rules file."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._rules = load_routing(house.settings.content_dir, Places.of(house))
        self._days = ClosedDays(house.municipality)
        self._duty = Duty(house.municipality)
        self._alerts = AlertDesk(house)
        self._code_lasts = timedelta(hours=house.municipality.retention.code_hours)

    async def receive(self, intake: Intake) -> Received:
        """Store a concern with its return code, decision, clocks, audit row and notice, all or nothing.

        The same key with the same content gives the first receipt again. Raises
        `KeyReused` for the same key with other content, `EmptyText`, `TextTooLong`,
        and `InvalidField` naming ``about``, ``now``, ``reach``, ``phone``, ``needs``, ``area``, a
        safe-contact answer or a field of the report.
        """
        prepared = self.prepare(intake)
        code = await self._house.codes.new()

        def take(session: Session) -> Received:
            return self.sent_before(session, prepared) or self.take_in(session, prepared, code)

        try:
            received = await self._house.db.write(take)
        except IntegrityError:
            # Two sends with one key ran at once and the other was first; its row is there now.
            received = await self._house.db.write(take)
        live.changed(self._house, received.unit, received.concern_id)
        return received

    def prepare(self, intake: Intake) -> Prepared:
        """Check an intake for `take_in`. Raises as `receive`."""
        checked = _checked(intake)
        if intake.area is not None and intake.area not in {area.id for area in self._house.municipality.areas}:
            raise InvalidField("invalid", "area")
        if intake.interpreter is not None and not self._house.tongues.interpreted(intake.interpreter):
            raise InvalidField("invalid", "interpreter")
        key, body = self._digests(checked)
        return Prepared(checked, key, body)

    def reader_of(self, intake: Intake) -> str:
        """The id of the unit that would read this first, as far as it can be known before it is sent."""
        return self._rules.decide(_facts(intake)).unit

    async def saved(self, receipt: str) -> None:
        """The person has saved the code of ``receipt``: forget the words. Unknown receipts change nothing."""
        await self._house.db.write(lambda session: codes.mark_saved(session, receipt))

    async def status(self, concern_id: str) -> Status:
        """What whoever holds the code may see, and nothing of what was told. Raises `NotFound`."""

        def look(session: Session) -> Status:
            concern = session.get(Concern, concern_id)
            if concern is None:
                raise NotFound
            unit = self._unit_name(concern.unit)
            return Status(
                concern.received_at,
                concern.state,
                unit,
                self._answers(session, concern),
                Reader.stored(concern.who, concern.band, concern.lang),
                self._moves(session, concern),
            )

        return await self._house.db.read(look)

    async def list_open(self, staff: StaffMember) -> ConcernList:
        """What ``staff`` may know of, the most pressing first."""

        def look(session: Session) -> ConcernList:
            found = repository.in_clock_order(session, staff)
            return ConcernList(self.rows(session, staff, found), more=len(found) == AT_MOST)

        return await self._house.db.read(look)

    async def open_for(self, staff: StaffMember, concern_id: str) -> OpenedConcern:
        """Open one and write down that ``staff`` did, in the same transaction. Raises `NotFound`."""

        def open_it(session: Session) -> OpenedConcern:
            concern = repository.find_openable(session, staff, concern_id)
            if concern is None:
                raise NotFound
            now = self._house.clock.now()
            audit.read(session, now, Tag.CONCERN_READ, concern.id, actor=staff.id)
            repository.mark_seen(session, concern.id, staff.id, now)
            session.flush()
            return self.opened_in(session, concern, staff)

        return await self._house.db.write(open_it)

    async def openable(self, staff: StaffMember, concern_ids: Collection[str]) -> set[str]:
        """Those of the concerns that ``staff`` may open now."""
        if not concern_ids:
            return set()
        return await self._house.db.read(lambda session: repository.openable_of(session, staff, concern_ids))

    async def accept(self, staff: StaffMember, concern_id: str) -> None:
        """Make ``staff`` the one who takes it. Raises `NotFound`, or `Conflict` when somebody was first."""

        def take(session: Session) -> None:
            if repository.find_known(session, staff, concern_id) is None:
                raise NotFound
            now = self._house.clock.now()
            if not repository.take(session, staff, concern_id, now):
                raise Conflict
            audit.record(session, now, Tag.CONCERN_ACCEPTED, concern_id, actor=staff.id)
            webhooks.announce(session, self._house, now, "concern.accepted", concern_id)

        await self._house.db.write(take)
        live.changed(self._house, staff.unit, concern_id)

    async def remind(self) -> int:
        """Tell whoever leads the unit of what nobody has taken in time, once each; returns how many.

        The time is the team's answer time in opening hours (``team: answer_minutes``), and begins anew when a
        concern is moved or given back. It stays in the queue, where it says so.
        """

        def work(session: Session) -> list[tuple[str, str]]:
            now, told = self._house.clock.now(), []
            for concern in repository.untaken(session, now, _AT_ONCE):
                concern.take_by, concern.untaken_at, concern.changed_at = None, now, now
                audit.record(session, now, Tag.CONCERN_UNTAKEN, concern.id, actor="system", detail=concern.unit)
                told.append((concern.unit, concern.id))
            session.flush()
            for unit in sorted({unit for unit, _ in told}):
                live.tell_managers(session, self._house, unit, now)
            return told

        told = await self._house.db.write(work)
        for unit, concern_id in told:
            live.changed(self._house, unit, concern_id)
        return len(told)

    async def answer(self, staff: StaffMember, concern_id: str, text: str) -> None:
        """Write back to whoever holds the code; once this returns, the answer is there for them to read.

        The same words sent twice in a row by the same person are one answer. Raises `EmptyText`,
        `TextTooLong` past `ANSWER_LIMIT` characters, `NotFound` for a concern that ``staff`` may not
        open, and `InvalidField` ``code_expired`` when nobody could read the answer any more.
        """
        words = clean(text, ANSWER_LIMIT)

        def keep(session: Session) -> None:
            concern = repository.hold_openable(session, staff, concern_id)
            if concern is None:
                raise NotFound
            now = self._house.clock.now()
            if now >= self._code_until(session, concern):
                raise InvalidField("code_expired", "answer")
            earlier = repository.answers(session, concern.id)
            if earlier and earlier[-1][1].id == staff.id and self._unsealed(concern, earlier[-1][0]) == words:
                return
            answer_id = new_id()
            body = self._house.vault.seal(concern.data_key, f"concern_answer.body:{answer_id}", words)
            session.add(ConcernAnswer(id=answer_id, concern_id=concern.id, staff_id=staff.id, at=now, body=body))
            audit.record(session, now, Tag.CONCERN_ANSWERED, concern.id, actor=staff.id)

        await self._house.db.write(keep)
        live.changed(self._house, staff.unit, concern_id)

    def rows(self, session: Session, staff: StaffMember, found: Sequence[Concern]) -> list[ConcernRow]:
        """Lines of a list for what ``staff`` may know of, in the same order."""
        names = repository.names(session, {row.accepted_by for row in found if row.accepted_by})
        openable = repository.openable_of(session, staff, [row.id for row in found])
        return [self._row(row, names, openable) for row in found]

    def today(self) -> date:
        """The local date."""
        return to_local(self._house.clock.now()).date()

    def sent_before(self, session: Session, prepared: Prepared) -> Received | None:
        """What an earlier send with the same key and content gave, or None. Raises `KeyReused`."""
        earlier = repository.find_sent(session, prepared.key) if prepared.key is not None else None
        if earlier is None:
            return None
        if not hmac.compare_digest(earlier.body_digest, prepared.body):
            raise KeyReused
        words = codes.unsaved_words(session, self._house.vault, earlier.receipt)
        return Received(
            earlier.id, earlier.unit, self._unit_name(earlier.unit), earlier.receipt, words, earlier.story_id
        )

    def take_in(self, session: Session, prepared: Prepared, way: NewCode | Told) -> Received:
        """Store a concern in the caller's transaction, with decision, clocks, audit row, notice and alert.

        ``way``: a new return code of its own, or the story that holds its words and has one already.
        Two at once with the same key: one of them raises `IntegrityError`, and may be tried again.
        """
        told = way if isinstance(way, Told) else None
        concern = self._new_concern(prepared, told)
        session.add(concern)
        session.flush()
        if prepared.intake.report is not None:
            session.add(self._new_report(concern.id, prepared.intake, prepared.intake.report, concern.received_at))
        now = concern.received_at
        if isinstance(way, NewCode):
            aloud = prepared.intake.by_phone is not None
            codes.issue(session, self._house.vault, way, concern.receipt, "concern", concern.id, now, read_aloud=aloud)
        actor = prepared.intake.by_phone or "visitor"
        audit.record(session, now, Tag.CONCERN_RECEIVED, concern.id, actor=actor, detail=concern.rule_id)
        webhooks.announce(session, self._house, now, "concern.received", concern.id)
        live.notify(session, self._house, concern.unit, now)
        self._ring(session, concern, concern.danger_level, concern.danger_category)
        words = way.words if isinstance(way, NewCode) else None
        return Received(
            concern.id, concern.unit, self._unit_name(concern.unit), concern.receipt, words, concern.story_id
        )

    def told_more(self, session: Session, story_id: str, danger: tuple[str, str] | None) -> bool:
        """The story has got more words: tell the units that have it before them, in the caller's transaction.

        ``danger`` is the level and category of the new words. False when every concern of the story
        is closed, so that nobody would see them.
        """
        level, category = danger or (None, None)
        still_open = [one for one in repository.of_story(session, story_id) if one.state != State.CLOSED]
        for concern in still_open:
            now = concern.changed_at = self._house.clock.now()
            audit.record(session, now, Tag.CONCERN_TOLD_MORE, concern.id)
            live.notify(session, self._house, concern.unit, now)
            self._ring(session, concern, level, category)
        return bool(still_open)

    def of_story(self, session: Session, story_id: str) -> list[StoryConcern]:
        """The concerns that a story has led to, oldest first. For the person, not for staff."""
        return [
            StoryConcern(
                one.id,
                one.received_at,
                one.state,
                one.unit,
                self._unit_name(one.unit),
                self._answers(session, one),
                self._moves(session, one),
            )
            for one in repository.of_story(session, story_id)
        ]

    def _new_concern(self, prepared: Prepared, told: Told | None) -> Concern:
        intake, reader = prepared.intake, prepared.intake.reader
        rule = self._rules.decide(_facts(intake))
        vault, concern_id, data_key = self._house.vault, new_id(), self._house.vault.new_key()
        now = self._house.clock.now()
        local = to_local(now)
        protection_due = legal.protection_due(local, _closing_time(self._house.municipality, local.date()))

        def seal(column: str, text: str | None) -> bytes | None:
            return None if text is None else vault.seal(data_key, f"concern.{column}:{concern_id}", text)

        safe = json.dumps(intake.safe, ensure_ascii=False) if intake.safe else None
        return Concern(
            id=concern_id,
            state=State.NEW.value,
            unit=rule.unit,
            rule_id=rule.id,
            rules_version=self._rules.version,
            reason=rule.reason,
            also_tell=" ".join(rule.also_tell),
            restricted=rule.restricted,
            about=intake.about,
            happening=intake.now,
            reach=intake.reach,
            who=reader.who,
            band=reader.band,
            lang=reader.lang,
            interpreter=intake.interpreter,
            danger_level=intake.danger_level,
            danger_category=intake.danger_category,
            data_key=data_key,
            words=None if told else seal("words", json.dumps(list(intake.words), ensure_ascii=False)),
            story_id=told.story_id if told else None,
            phone=seal("phone", intake.phone),
            safe=seal("safe", safe),
            consent_version=intake.consent_version,
            chat_id=intake.chat_id,
            form_key=prepared.key,
            body_digest=prepared.body,
            receipt=told.receipt if told else new_id(),
            received_at=now,
            protection_due=protection_due,
            decision_due=legal.decision_due(local) if rules.DECISION in rule.clocks else None,
            source=intake.source,
            needs=" ".join(need for need in rules.NEEDS if need in intake.needs),
            area=intake.area,
            next_clock=rules.PROTECTION_CHECK,
            next_due=protection_due,
            changed_at=now,
            take_by=self._duty.deadline(now, self._house.municipality.team.answer_minutes),
        )

    def _new_report(self, concern_id: str, intake: Intake, report: Report, now: datetime) -> ConcernReport:
        vault = self._house.vault
        data_key = vault.new_key()

        def seal(column: str, said: Mapping[str, str]) -> bytes | None:
            if not said:
                return None
            return vault.seal(data_key, f"concern_report.{column}:{concern_id}", json.dumps(said, ensure_ascii=False))

        return ConcernReport(
            concern_id=concern_id,
            anonymous=not report.reporter,
            feedback_wanted=report.feedback,
            feedback_asked_at=now if report.feedback else None,
            entered_by=intake.by_phone,
            data_key=data_key,
            reporter=seal("reporter", report.reporter),
            child=seal("child", report.child),
        )

    def _ring(self, session: Session, concern: Concern, level: str | None, category: str | None) -> None:
        if level is None:
            return
        danger = alerts.Danger(
            level,
            category or "",
            "concern",
            chat_id=concern.chat_id,
            subject=concern.id,
            unit=concern.unit,
        )
        self._alerts.ring(session, danger, self._house.clock.now())

    def opened_in(self, session: Session, concern: Concern, staff: StaffMember) -> OpenedConcern:
        """Everything about one that ``staff`` may open, for a caller that has asked so and writes it down."""

        def unseal(column: str, sealed: bytes | None) -> str | None:
            if sealed is None:
                return None
            return self._house.vault.open(concern.data_key, f"concern.{column}:{concern.id}", sealed)

        code_until = self._code_until(session, concern)
        return OpenedConcern(
            row=self.rows(session, staff, [concern])[0],
            words=json.loads(unseal("words", concern.words) or "[]"),
            story_id=concern.story_id,
            reach=concern.reach,
            phone=unseal("phone", concern.phone),
            safe=json.loads(unseal("safe", concern.safe) or "{}"),
            lang=concern.lang,
            unit_name=self._unit_name(concern.unit),
            also_tell=[self._unit_name(unit) for unit in concern.also_tell.split()],
            rule_id=concern.rule_id,
            rules_version=concern.rules_version,
            reason=concern.reason,
            consent_version=concern.consent_version,
            accepted_at=concern.accepted_at,
            answers=self._answers(session, concern),
            code_until=code_until,
            answerable=self._house.clock.now() < code_until,
            history=repository.history(session, concern.id),
        )

    def _answers(self, session: Session, concern: Concern) -> list[Answer]:
        return [
            Answer(answer.at, member.first_name, member.role, self._unsealed(concern, answer))
            for answer, member in repository.answers(session, concern.id)
        ]

    def _moves(self, session: Session, concern: Concern) -> tuple[Moved, ...]:
        return tuple(
            Moved(one.at, self._unit_name(one.from_unit), self._unit_name(one.to_unit))
            for one in repository.handovers(session, concern.id)
            if one.kind == Handed.MOVED
        )

    def _unsealed(self, concern: Concern, answer: ConcernAnswer) -> str:
        return self._house.vault.open(concern.data_key, f"concern_answer.body:{answer.id}", answer.body)

    def _code_until(self, session: Session, concern: Concern) -> datetime:
        since = codes.valid_since(session, concern.receipt)
        return since + self._code_lasts if since is not None else concern.received_at

    def _row(self, concern: Concern, names: dict[str, str], openable: Collection[str]) -> ConcernRow:
        return ConcernRow(
            id=concern.id,
            received_at=concern.received_at,
            state=concern.state,
            restricted=concern.restricted,
            openable=concern.id in openable,
            who=concern.who,
            band=concern.band,
            about=concern.about,
            happening=concern.happening,
            danger_level=concern.danger_level,
            danger_category=concern.danger_category,
            interpreter=concern.interpreter,
            clocks=self._clocks(concern),
            accepted_by=names.get(concern.accepted_by or "", ""),
        )

    def _clocks(self, concern: Concern) -> list[Clock]:
        today = self.today()
        dated = [
            (rules.PROTECTION_CHECK, concern.protection_due, concern.checked_at),
            (rules.DECISION, concern.decision_due, concern.decided_at),
            (rules.FEEDBACK, concern.feedback_due, concern.feedback_at),
        ]
        found: list[Clock] = []
        for name, due, met in dated:
            if due is None:
                continue
            # A check that is due at once has no earlier day to aim for.
            target = due if name == rules.PROTECTION_CHECK else self._days.last_working_day(due)
            left = legal.days_left(due, today)
            late = left < 0 and met is None and concern.closed_at is None
            found.append(Clock(name, legal.SOURCES[name], due, target, left, late, met))
        return found

    def _digests(self, intake: Intake) -> tuple[str | None, str]:
        def keyed(*parts: Any) -> str:
            text = json.dumps(parts, sort_keys=True)
            return hmac.new(self._house.settings.code_pepper, text.encode(), "sha256").hexdigest()

        said = [list(intake.words), intake.about, intake.now, intake.reach, intake.phone, intake.safe]
        # Only what is there is counted, so that a send from before a field was known is still recognised.
        more: list[Any] = [one for one in (intake.interpreter, sorted(intake.needs), intake.area) if one]
        if intake.report is not None:
            more += [intake.source, dict(intake.report.reporter), dict(intake.report.child), intake.report.feedback]
        body = keyed("concern-body", *said, *more)
        return keyed("concern-key", intake.chat_id, intake.form_key) if intake.form_key else None, body

    def _unit_name(self, unit: str) -> str:
        try:
            return self._house.municipality.unit(unit).name
        except KeyError:  # the unit has been taken out of the file since
            return unit


def problems(intake: Intake) -> list[tuple[str, str]]:
    """Every field that cannot be used as it stands, with the code of the error, in the order of the form."""
    found: list[tuple[str, str]] = []

    def attempt(field: str, check: Callable[[], object]) -> None:
        try:
            check()
        except DomainError as error:
            found.append((str(error.extra.get("field", field)), error.code))

    attempt("words", lambda: _clean_words(intake.words))
    attempt("about", lambda: _check_choices(intake))
    if intake.reach == "phone":
        attempt("phone", lambda: parse_phone(intake.phone or ""))
        for field, value in (intake.safe or {}).items():
            attempt(field, lambda field=field, value=value: _checked_safe({field: value}))  # type: ignore[misc]
    return found


def _facts(intake: Intake) -> rules.Facts:
    return rules.Facts(
        about=intake.about,
        now=intake.now,
        who=intake.reader.who,
        band=intake.reader.band,
        danger=intake.danger_level,
        category=intake.danger_category,
        source=intake.source,
        need=frozenset(intake.needs),
        area=intake.area,
        lang=intake.interpreter or intake.reader.spoken,
    )


def _checked(intake: Intake) -> Intake:
    _check_choices(intake)
    by_phone = intake.reach == "phone"
    return replace(
        intake,
        words=_clean_words(intake.words),
        phone=parse_phone(intake.phone or "").e164 if by_phone else None,
        safe=_checked_safe(intake.safe or {}) if by_phone else None,
        report=checked_report(intake.report, intake.source) if intake.report is not None else None,
    )


def _clean_words(words: Sequence[str]) -> list[str]:
    cleaned = [clean(part, STORY_LIMIT) for part in words]
    if not cleaned:
        raise EmptyText
    if sum(map(len, cleaned)) > STORY_LIMIT:
        raise TextTooLong(limit=STORY_LIMIT)
    return cleaned


def _check_choices(intake: Intake) -> None:
    if intake.about is not None and intake.about not in ABOUT:
        raise InvalidField("invalid", "about")
    if intake.now is not None and intake.now not in HAPPENING:
        raise InvalidField("invalid", "now")
    if intake.reach not in REACH:
        raise InvalidField("invalid", "reach")
    if not set(intake.needs) <= set(rules.NEEDS):
        raise InvalidField("invalid", "needs")
    if intake.source not in rules.TOLD_BY or (intake.source == "self") != (intake.report is None):
        raise InvalidField("invalid", "source")


def _checked_safe(safe: dict[str, str]) -> dict[str, str]:
    checked: dict[str, str] = {}
    for field, value in safe.items():
        if not value:
            continue
        if field in SAFE_ANSWERS and value in SAFE_ANSWERS[field]:
            checked[field] = value
        elif field in SAFE_TEXTS:
            try:
                checked[field] = clean(value, SAFE_TEXTS[field])
            except EmptyText:  # nothing visible is the same as no answer
                continue
            except TextTooLong:
                raise InvalidField("too_long", field) from None
        else:
            raise InvalidField("invalid", field)
    return checked


def _closing_time(municipality: Municipality, day: date) -> time:
    """When a concern that arrives on ``day`` counts as late: at closing, on closed days at the latest closing of the week."""
    name = DAYS[day.weekday()]
    that_day = [span.close for span in municipality.opening_hours if name in span.days]
    any_day = [span.close for span in municipality.opening_hours]
    closing = max(that_day or any_day or ["24:00"])
    return time.max if closing == "24:00" else time.fromisoformat(closing)
