"""Här är vi nu, from the staff's side: who of a case stands where on the map, and whose code may see whom.

A place says that somebody has contact with the social services, so it is that person's secret (OSL 26:1).
Staff place those whose own records they may read, and nobody else is even named here. A code shows nothing
until somebody has said that it is the person's own; another person's place only once that person has agreed,
or whoever leads the team has decided to inform and written why.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

import sqlalchemy as sa
from sqlalchemy.orm import Session

from backend.booking import meeting
from backend.cases import repository, rules
from backend.cases.desk import Desk, PersonLine
from backend.cases.rules import Who
from backend.cases.tables import Case, CaseState, Person
from backend.concerns import events as reports
from backend.core import access, audit, codes
from backend.core.access import Kind
from backend.core.audit import Tag
from backend.core.codes import ReturnCode
from backend.core.errors import InvalidField, NotFound
from backend.core.house import House
from backend.core.people import StaffMember
from backend.core.reader import Reader
from backend.core.vault import new_id
from backend.journey import places
from backend.journey.places import AsWhom, Ground, Showing, Stay

CODE = "case"
"""A code that staff have given to the person of a case: what `ReturnCode.kind` says."""
OTHERS: tuple[Ground, ...] = ("agreed", "decided")
"""Why another person's place may be shown."""
CODE_REASONS = ("visit", "known", "called", "asked")
"""How staff can be sure of whom they give a code to."""


@dataclass(frozen=True, slots=True)
class Token:
    """Somebody who can be placed. ``person`` is None for the family together; ``own``: whose case it is.

    ``stays`` is the way so far, the oldest first.
    """

    subject: str
    person: PersonLine | None
    own: bool
    stays: Sequence[Stay]

    @property
    def now(self) -> Stay | None:
        """Where they are."""
        return self.stays[-1] if self.stays and self.stays[-1].until is None else None


@dataclass(frozen=True, slots=True)
class Seen:
    """A decision that stands. ``token`` is None for somebody whom the reader may not know of: then it says nothing of whom."""

    subject: str
    token: Token | None
    as_whom: str
    ground: str
    reason: str
    since: datetime
    by: str


@dataclass(frozen=True, slots=True)
class Code:
    """A code that came with the case: what it opens, since when, whether it still does, and what it shows of the map.

    ``source_id`` is the row to look at to see whose it is: a concern, a story's concern or a booking.
    """

    viewer: str
    kind: Literal["case", "booking", "concern", "story"]
    source_id: str
    since: datetime | None
    live: bool
    used_at: datetime | None
    shows: Sequence[Seen]


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """That the place of the case's person, or of the family, is shown to a code which the reader may not know of."""

    viewer: str
    subject: str
    family: bool
    ground: str
    since: datetime


@dataclass(frozen=True, slots=True)
class Standing:
    """Everything on the page. ``names``: of the staff who placed and decided, by id.

    ``may_place``: the case is open; ``may_decide``: the reader leads the team, too.
    """

    case_id: str
    person: PersonLine
    tokens: Sequence[Token]
    codes: Sequence[Code]
    elsewhere: Sequence[Elsewhere]
    names: dict[str, str]
    may_place: bool
    may_decide: bool


class MapDesk(Desk):
    """Use cases around places on the map. What a member of staff may not know of does not exist: `NotFound`."""

    def __init__(self, house: House) -> None:
        super().__init__(house)
        self._valid = timedelta(hours=house.municipality.retention.code_hours)

    async def page(self, staff: StaffMember, case_id: str) -> Standing:
        """The page; that ``staff`` has read it is written down. Raises `NotFound`."""

        def open_it(session: Session) -> Standing:
            case = self._find(session, staff, case_id)
            audit.read(session, self._now(), Tag.CASE_MAP_READ, case.id, actor=staff.id)
            return self._page(session, staff, case)

        return await self._house.db.write(open_it)

    async def now(self, staff: StaffMember, case_id: str) -> list[Token]:
        """Who of the case stands where, for the case's own page, which writes down the reading. Raises `NotFound`."""
        return await self._house.db.read(
            lambda session: self._tokens(session, staff, self._find(session, staff, case_id))
        )

    async def place(
        self, staff: StaffMember, case_id: str, subject: str, station: str, meets_at: datetime | None
    ) -> None:
        """Put somebody of the case on a station, and say when they meet next. See `places.place`.

        Raises `NotFound` for a case or somebody whom ``staff`` may not know of, `InvalidField` for ``station`` or
        ``meets_at``, and `Conflict` when a colleague has just placed the same person or the case is closed.
        """

        def put(session: Session) -> None:
            case = self._hold_open(session, staff, case_id)
            self._known(session, staff, case, subject)
            places.place(session, self._now(), staff.id, subject, station, meets_at)
            self._did(session, staff, Tag.CASE_MAP_PLACED, case, station)

        await self._change(case_id, put)

    async def show(self, staff: StaffMember, case_id: str, viewer: str, subject: str, ground: str, reason: str) -> None:
        """Let a code of the case see where somebody is.

        The person's own place: anybody in the team, once sure of whose code it is. Anybody else's: only who leads
        the team, on one of `OTHERS`. Raises `NotFound`, `InvalidField` for ``subject``, ``ground`` or ``reason``,
        and `Conflict` for a closed case.
        """
        why = access.checked_reason(reason)

        def decide(session: Session) -> None:
            case = self._hold_open(session, staff, case_id)
            if viewer not in {code.viewer for code in self._codes(session, staff, case)}:
                raise NotFound
            token = self._known(session, staff, case, subject)
            own = token.own
            if not own and not self.may_lead(staff, case):
                raise NotFound
            if not own and ground not in OTHERS:
                raise InvalidField("invalid", "ground")
            viewing = repository.persons(session, [case.person_id])[case.person_id]
            places.show(
                session, self._house.vault, self._now(), staff.id, viewer=viewer, subject=subject,
                as_whom=as_whom(viewing.who, token), ground="self" if own else _ground(ground), reason=why,
            )  # fmt: skip
            self._did(session, staff, Tag.CASE_MAP_SHOWN, case, "self" if own else ground)

        await self._change(case_id, decide)

    async def hide(self, staff: StaffMember, case_id: str, viewer: str, subject: str) -> None:
        """Show it no more, at once: to a code of the case, or the case's own person or family to any code.

        Anybody who reads the case may, also when it is closed: what was shown by mistake must not wait. Raises `NotFound`.
        """

        def end(session: Session) -> None:
            case = self._hold(session, staff, case_id)
            theirs = viewer in {code.viewer for code in self._codes(session, staff, case)}
            if not theirs and subject not in self._own(session, case):
                raise NotFound
            places.hide(session, self._now(), staff.id, viewer=viewer, subject=subject)
            self._did(session, staff, Tag.CASE_MAP_HIDDEN, case)

        await self._change(case_id, end)

    async def new_code(self, staff: StaffMember, case_id: str, reason: str) -> str:
        """Six words for the person of the case, to be read aloud or written down for them; an earlier such code is gone.

        ``reason``, one of `CODE_REASONS`, is how it was made sure who it is. The words are changed for others that
        only the person knows when they are first used. Raises `NotFound`, `InvalidField` ``code_reason``, `Conflict`.
        """
        if reason not in CODE_REASONS:
            raise InvalidField("invalid", "code_reason")
        code = await self._house.codes.new()

        def issue(session: Session) -> None:
            case = self._hold_open(session, staff, case_id)
            codes.revoke(session, case.id)
            codes.issue(
                session, self._house.vault, code, new_id(), CODE, case.id, self._now(), read_aloud=True
            )  # fmt: skip
            self._did(session, staff, Tag.CASE_CODE_ISSUED, case, reason)

        await self._change(case_id, issue)
        return code.words

    async def add_booking(self, staff: StaffMember, booking_id: str, case_id: str) -> None:
        """Put a booked talk that ``staff`` may read into a case that they may read. Raises `NotFound`, `Conflict`."""

        def add(session: Session) -> None:
            if not meeting.readable(session, staff, [booking_id]):
                raise NotFound
            self.add_source(session, staff, self._hold_open(session, staff, case_id), Kind.BOOKING.value, booking_id)

        await self._change(case_id, add)

    async def reader(self, case_id: str) -> Reader | None:
        """In which words a case's own code is answered: those for the person's age, in Swedish; None for no such case."""

        def look(session: Session) -> Reader | None:
            case = session.get(Case, case_id)
            if case is None:
                return None
            person = repository.persons(session, [case.person_id])[case.person_id]
            age = rules.age(self._sealer.shared(person).born, self.today())
            return Reader.of(rules.reads_as(person.who, age))

        return await self._house.db.read(look)

    # --- Parts --------------------------------------------------------------------------

    def _page(self, session: Session, staff: StaffMember, case: Case) -> Standing:
        tokens = self._tokens(session, staff, case)
        by_subject = {token.subject: token for token in tokens}
        shown = self._codes(session, staff, case)
        known = {code.viewer for code in shown}
        own = self._own(session, case)
        decided = places.showings(session, self._house.vault, viewers=known, subjects=own)
        staff_ids = [one.by for one in decided] + [stay.by for token in tokens for stay in token.stays]
        person = repository.persons(session, [case.person_id])[case.person_id]
        open_case = case.state != CaseState.CLOSED.value
        return Standing(
            case_id=case.id,
            person=self._line(person, self._sealer.shared(person), own=True),
            tokens=tokens,
            codes=[
                Code(
                    code.viewer, code.kind, code.source_id, code.since, code.live, code.used_at,
                    [_seen(one, by_subject) for one in decided if one.viewer == code.viewer],
                )
                for code in shown
            ],
            elsewhere=[
                Elsewhere(one.viewer, one.subject, one.subject.startswith("family:"), one.ground, one.since)
                for one in decided
                if one.viewer not in known
            ],
            names={staff_id: row.first_name for staff_id, row in repository.names(session, staff_ids).items()},
            may_place=open_case,
            may_decide=open_case and self.may_lead(staff, case),
        )  # fmt: skip

    def _tokens(self, session: Session, staff: StaffMember, case: Case) -> list[Token]:
        """The case's person, the others of the family whose own records ``staff`` may read, and the family together."""
        people = repository.people_readable_by(staff, self._now())
        family = {person.id for _, person in repository.family_of(session, case.person_id)}
        kin = (
            session.scalars(people.where(Person.id.in_(family)).order_by(Person.created_at, Person.id))
            if family
            else ()
        )
        own = repository.persons(session, [case.person_id])[case.person_id]
        tokens = [
            Token(
                places.of_person(person.id),
                self._line(person, self._sealer.shared(person), own=True),
                person.id == own.id,
                places.history(session, places.of_person(person.id)),
            )
            for person in (own, *kin)
        ]
        family_id = repository.family_id_of(session, case.person_id)
        if family_id is not None:
            subject = places.of_family(family_id)
            tokens.append(Token(subject, None, False, places.history(session, subject)))
        return tokens

    def _own(self, session: Session, case: Case) -> set[str]:
        """The subjects that are the case's own: its person, and the family that the person belongs to."""
        family_id = repository.family_id_of(session, case.person_id)
        return {places.of_person(case.person_id), *([places.of_family(family_id)] if family_id else [])}

    def _known(self, session: Session, staff: StaffMember, case: Case, subject: str) -> Token:
        for token in self._tokens(session, staff, case):
            if token.subject == subject:
                return token
        raise NotFound

    def _codes(self, session: Session, staff: StaffMember, case: Case) -> list[Code]:
        """The codes that can show the map: the case's own, and those of what it came of, as far as ``staff`` may know."""
        sources = repository.sources(session, [case.id])
        concerns = [one.source_id for one in sources if one.kind == Kind.CONCERN]
        readable = reports.openable(session, staff, concerns)
        stories = reports.stories(session, readable)
        wanted: list[tuple[Literal["case", "booking", "concern", "story"], str, str]] = [("case", case.id, case.id)]
        for one in sources:
            if one.kind == Kind.CONCERN and one.source_id in readable:
                story = stories.get(one.source_id)
                wanted.append(("story", story, one.source_id) if story else ("concern", one.source_id, one.source_id))
            elif one.kind == Kind.BOOKING and self._visible(session, staff, one.source_id):
                wanted.append(("booking", one.source_id, one.source_id))
        rows = self._live(session, [subject for _, subject, _ in wanted])
        found: dict[str, Code] = {}
        for kind, subject, source_id in wanted:
            row = rows.get((kind, subject))
            found.setdefault(
                f"{kind}:{subject}",
                Code(
                    f"{kind}:{subject}", kind, source_id, row.created_at if row else None, row is not None,
                    row.used_at if row else None, (),
                ),
            )  # fmt: skip
        return list(found.values())

    def _visible(self, session: Session, staff: StaffMember, booking_id: str) -> bool:
        return bool(session.scalar(sa.select(access.visible(staff, (Kind.BOOKING, sa.literal(booking_id))))))

    def _live(self, session: Session, subjects: Collection[str]) -> dict[tuple[str, str], ReturnCode]:
        """The codes that still open something, by what they open."""
        since = self._now() - self._valid
        query = sa.select(ReturnCode).where(ReturnCode.subject.in_(subjects), ReturnCode.created_at > since)
        return {(row.kind, row.subject): row for row in session.scalars(query.order_by(ReturnCode.created_at))}


def as_whom(viewing: str, token: Token) -> AsWhom:
    """What a person is called to somebody who is ``viewing`` (a `Who`): never by name."""
    if token.own:
        return "self"
    if token.person is None:
        return "family"
    if token.person.who == Who.CHILD:
        return "child"
    return "parent" if viewing == Who.CHILD and token.person.who == Who.PARENT else "other"


def _ground(ground: str) -> Ground:
    return "agreed" if ground == "agreed" else "decided"


def _seen(one: Showing, tokens: dict[str, Token]) -> Seen:
    return Seen(one.subject, tokens.get(one.subject), one.as_whom, one.ground, one.reason, one.since, one.by)
