"""Who may not see what, whoever else may: withheld things, and openings of what is not one's own.

A feature's ``readable_by(staff)`` says who may see a row; `visible` is added to that same query,
so that what is withheld is missing from its lists, searches, exports, streams and counts alike.
Withheld wins over everything: over being in the team, over leading the unit, over a written reason.

What lies outside one's own work is opened with a written reason, for a few hours: `open_with_reason`
makes an opening that `opened` finds. Reasons are sealed here and in the audit log.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, Session, mapped_column

from backend.core import audit
from backend.core.audit import Tag
from backend.core.db import Base, Instant
from backend.core.errors import Conflict, InvalidField, NotFound
from backend.core.people import StaffMember
from backend.core.text import clean
from backend.core.vault import Vault, new_id

REASON_LIMIT = 500
REASON_SHORTEST = 10
"""Characters. A full stop is no reason."""
OPENING = timedelta(hours=8)
"""How long a written reason opens something: a day at work."""
TOPIC = "access"
"""Told on `backend.core.live.Hub` after every change here, so that open windows ask again."""


class Kind(StrEnum):
    """What can be withheld or opened, by the row's id. ``person`` covers everything that is about that person."""

    PERSON = "person"
    CASE = "case"
    CONCERN = "concern"
    STORY = "story"
    PART = "part"
    BOOKING = "booking"
    NOTE = "note"


class From(StrEnum):
    """From whom: one member of staff, a unit, or everybody who works for another person."""

    STAFF = "staff"
    UNIT = "unit"
    PERSON = "person"


class Withheld(Base):
    """ "Visa inte för ...": ``subject`` does not exist for ``from``, until it is lifted.

    ``from_kind`` ``person`` names a person's record: whoever works for that person (see `Tie`) is
    kept out, as a father's therapist is from what his child has told. ``reason`` is sealed for
    ``withheld.reason:<id>``.
    """

    __tablename__ = "withheld"

    id: Mapped[str] = mapped_column(primary_key=True)
    subject_kind: Mapped[str]
    subject_id: Mapped[str]
    from_kind: Mapped[str]
    from_id: Mapped[str]
    data_key: Mapped[bytes]
    reason: Mapped[bytes]
    by: Mapped[str] = mapped_column(sa.ForeignKey("staff_member.id"))
    at: Mapped[datetime] = mapped_column(Instant)
    lifted_at: Mapped[datetime | None] = mapped_column(Instant)
    lifted_by: Mapped[str | None]

    __table_args__ = (
        sa.Index(
            "uq_withheld_once",
            "subject_id",
            "subject_kind",
            "from_kind",
            "from_id",
            unique=True,
            sqlite_where=sa.text("lifted_at IS NULL"),
            postgresql_where=sa.text("lifted_at IS NULL"),
        ),
    )


class Tie(Base):
    """That a member of staff works for a person, through ``source`` (a seat in a team, a booking)."""

    __tablename__ = "access_tie"

    staff_id: Mapped[str] = mapped_column(sa.ForeignKey("staff_member.id", ondelete="CASCADE"), primary_key=True)
    person_id: Mapped[str] = mapped_column(primary_key=True)
    source: Mapped[str] = mapped_column(primary_key=True)

    __table_args__ = (sa.Index(None, "source"),)


class About(Base):
    """That a concern, a story or a booking is about a person: what is withheld of the person is withheld of it too."""

    __tablename__ = "access_about"

    subject_id: Mapped[str] = mapped_column(primary_key=True)
    subject_kind: Mapped[str] = mapped_column(primary_key=True)
    person_id: Mapped[str] = mapped_column(index=True)


class Opening(Base):
    """That a member of staff has written why they open something that is not their own; ``reason`` is sealed."""

    __tablename__ = "access_opening"

    id: Mapped[str] = mapped_column(primary_key=True)
    staff_id: Mapped[str] = mapped_column(sa.ForeignKey("staff_member.id", ondelete="CASCADE"))
    subject_kind: Mapped[str]
    subject_id: Mapped[str]
    data_key: Mapped[bytes]
    reason: Mapped[bytes]
    at: Mapped[datetime] = mapped_column(Instant)
    until: Mapped[datetime] = mapped_column(Instant)

    __table_args__ = (sa.Index(None, "staff_id", "subject_id", "until"),)


@dataclass(frozen=True, slots=True)
class Line:
    """One "Visa inte för ..." as those read it who may see the subject. ``by`` is a staff id."""

    id: str
    subject_kind: str
    subject_id: str
    from_kind: str
    from_id: str
    reason: str
    by: str
    at: datetime


def visible(staff: StaffMember, *subjects: tuple[Kind, Any]) -> sa.ColumnElement[bool]:
    """A condition for ``WHERE``: nothing of ``subjects`` is withheld from ``staff``.

    Each is a kind and the column (or SQL expression) that holds its id, as in
    ``visible(staff, (Kind.PERSON, Case.person_id), (Kind.CASE, Case.id))``. A null id is not withheld.
    What is known to be about a person (`concerns_person`) needs only its own kind and id.
    """
    kept_out = _kept_out(staff)
    return sa.and_(
        sa.true(),
        *(~sa.exists().where(kept_out, _names(kind, column)).correlate_except(Withheld) for kind, column in subjects),
    )


def visible_of_any_kind(staff: StaffMember, column: Any) -> sa.ColumnElement[bool]:
    """`visible` for a column that holds ids of several kinds, as the audit log's subjects."""
    named = sa.or_(Withheld.subject_id == column, _about_withheld(About.subject_id == column))
    return ~sa.exists().where(_kept_out(staff), named).correlate_except(Withheld)


def _about_withheld(row: sa.ColumnElement[bool]) -> sa.ColumnElement[bool]:
    """That the person who is withheld is whom ``row`` is about. Correlated by hand: by itself SQLAlchemy looks
    only one query outwards, and would ask about anybody's row instead."""
    about = sa.exists().where(row, About.person_id == Withheld.subject_id).correlate_except(About)
    return sa.and_(Withheld.subject_kind == Kind.PERSON.value, about)


def _kept_out(staff: StaffMember) -> sa.ColumnElement[bool]:
    works_for = sa.select(Tie.person_id).where(Tie.staff_id == staff.id)
    return sa.and_(
        Withheld.lifted_at.is_(None),
        sa.or_(
            sa.and_(Withheld.from_kind == From.STAFF.value, Withheld.from_id == staff.id),
            sa.and_(Withheld.from_kind == From.UNIT.value, Withheld.from_id == staff.unit),
            sa.and_(Withheld.from_kind == From.PERSON.value, Withheld.from_id.in_(works_for)),
        ),
    )


def _names(kind: Kind, column: Any) -> sa.ColumnElement[bool]:
    itself = sa.and_(Withheld.subject_id == column, Withheld.subject_kind == kind.value)
    if kind is Kind.PERSON:
        return itself
    return sa.or_(itself, _about_withheld(sa.and_(About.subject_id == column, About.subject_kind == kind.value)))


def opened(staff: StaffMember, kind: Kind, column: Any, now: datetime) -> sa.ColumnElement[bool]:
    """A condition for ``WHERE``: ``staff`` has written a reason for this row, and it still holds."""
    return sa.exists().where(
        Opening.staff_id == staff.id,
        Opening.subject_id == column,
        Opening.subject_kind == kind.value,
        Opening.until > now,
    )


def opening_of(session: Session, staff: StaffMember, kind: Kind, subject_id: str, now: datetime) -> datetime | None:
    """Until when ``staff`` has opened something with a reason, or None."""
    return session.scalar(
        sa.select(sa.func.max(Opening.until)).where(
            Opening.staff_id == staff.id,
            Opening.subject_id == subject_id,
            Opening.subject_kind == kind.value,
            Opening.until > now,
        )
    )


def checked_reason(text: str) -> str:
    """A reason fit to keep. Raises `InvalidField` ``too_short`` or ``too_long`` for the field ``reason``."""
    if len(text.strip()) < REASON_SHORTEST:
        raise InvalidField("too_short", "reason")
    if len(text.strip()) > REASON_LIMIT:
        raise InvalidField("too_long", "reason")
    return clean(text, REASON_LIMIT)


def open_with_reason(
    session: Session, vault: Vault, now: datetime, staff: StaffMember, kind: Kind, subject_id: str, reason: str
) -> datetime:
    """Let ``staff`` into something outside their own work until the returned instant, and write down why.

    The caller has checked that they may know of it and that it is not withheld. Raises `InvalidField`.
    """
    words = checked_reason(reason)
    opening_id, key, until = new_id(), vault.new_key(), now + OPENING
    sealed = vault.seal(key, f"access_opening.reason:{opening_id}", words)
    session.add(
        Opening(
            id=opening_id,
            staff_id=staff.id,
            subject_kind=kind.value,
            subject_id=subject_id,
            data_key=key,
            reason=sealed,
            at=now,
            until=until,
        )
    )
    session.flush()
    why = audit.seal_reason(vault, subject_id, words)
    audit.record(session, now, Tag.ACCESS_OPENED, subject_id, actor=staff.id, detail=kind.value, reason=why)
    return until


def withhold(
    session: Session,
    vault: Vault,
    now: datetime,
    staff: StaffMember,
    subject: tuple[Kind, str],
    kept_from: tuple[From, str],
    reason: str,
) -> str:
    """Keep ``subject`` from somebody from now on; returns the line's id.

    The caller has checked that ``staff`` may see the subject. Raises `InvalidField` for the reason and
    `Conflict` when it is withheld from them already.
    """
    words = checked_reason(reason)
    line_id, key = new_id(), vault.new_key()
    try:
        with session.begin_nested():
            session.add(
                Withheld(
                    id=line_id,
                    subject_kind=subject[0].value,
                    subject_id=subject[1],
                    from_kind=kept_from[0].value,
                    from_id=kept_from[1],
                    data_key=key,
                    reason=vault.seal(key, f"withheld.reason:{line_id}", words),
                    by=staff.id,
                    at=now,
                )
            )
    except IntegrityError:
        raise Conflict from None
    why = audit.seal_reason(vault, subject[1], words)
    detail = f"{subject[0].value} {kept_from[0].value} {kept_from[1]}"
    audit.record(session, now, Tag.ACCESS_WITHHELD, subject[1], actor=staff.id, detail=detail, reason=why)
    return line_id


def lift(session: Session, vault: Vault, now: datetime, staff: StaffMember, line_id: str, reason: str) -> None:
    """Stop withholding. The caller has checked that ``staff`` may see the subject. Raises `InvalidField`, `NotFound`."""
    words = checked_reason(reason)
    line = session.get(Withheld, line_id)
    if line is None or line.lifted_at is not None:
        raise NotFound
    line.lifted_at, line.lifted_by = now, staff.id
    session.flush()
    why = audit.seal_reason(vault, line.subject_id, words)
    detail = f"{line.subject_kind} {line.from_kind} {line.from_id}"
    audit.record(session, now, Tag.ACCESS_LIFTED, line.subject_id, actor=staff.id, detail=detail, reason=why)


def withheld_lines(session: Session, vault: Vault, subjects: Sequence[tuple[Kind, str]]) -> list[Line]:
    """What is withheld of the subjects, from whom and why, oldest first. For those who may see the subjects."""
    wanted = {(kind.value, subject_id) for kind, subject_id in subjects}
    found = session.scalars(
        sa.select(Withheld)
        .where(Withheld.subject_id.in_([subject_id for _, subject_id in wanted]), Withheld.lifted_at.is_(None))
        .order_by(Withheld.at, Withheld.id)
    )
    return [
        Line(
            row.id,
            row.subject_kind,
            row.subject_id,
            row.from_kind,
            row.from_id,
            vault.open(row.data_key, f"withheld.reason:{row.id}", row.reason),
            row.by,
            row.at,
        )
        for row in found
        if (row.subject_kind, row.subject_id) in wanted
    ]


def tie(session: Session, staff_id: str, person_id: str, source: str) -> None:
    """Write down that somebody works for a person through ``source``, a row's id. Again changes nothing."""
    if session.get(Tie, (staff_id, person_id, source)) is None:
        session.add(Tie(staff_id=staff_id, person_id=person_id, source=source))
        session.flush()


def untie(session: Session, source: str) -> None:
    """What was tied through ``source`` no longer is."""
    session.execute(sa.delete(Tie).where(Tie.source == source))


def forget(session: Session, vault: Vault, person_id: str, subjects: Collection[str]) -> None:
    """Forget a person and ``subjects`` that are erased with them: ties, openings, lines and the words of reasons.

    What has been told about the person and stays (a concern, a story, a booking) stays withheld from whom it was:
    those lines are kept with the id alone, and their reasons become empty under a new key.
    """
    ids = {person_id, *subjects}
    session.execute(sa.delete(Tie).where(Tie.person_id == person_id))
    session.execute(sa.delete(Opening).where(Opening.subject_id.in_(ids)))
    session.execute(sa.delete(About).where(About.subject_id.in_(ids)))
    session.execute(sa.delete(Withheld).where(Withheld.subject_id.in_(subjects)))
    session.execute(sa.delete(Withheld).where(Withheld.from_kind == From.PERSON.value, Withheld.from_id == person_id))
    of_person = sa.and_(Withheld.subject_kind == Kind.PERSON.value, Withheld.subject_id == person_id)
    session.execute(sa.delete(Withheld).where(of_person, Withheld.lifted_at.is_not(None)))
    lines = session.scalars(sa.select(Withheld).where(of_person)).all()
    stays = session.scalar(sa.select(About.subject_id).where(About.person_id == person_id).limit(1)) is not None
    for line in lines if stays else ():
        line.data_key = vault.new_key()
        line.reason = vault.seal(line.data_key, f"withheld.reason:{line.id}", "")
    session.flush()
    if not stays:
        session.execute(sa.delete(Withheld).where(of_person))
    if not lines:
        session.execute(sa.delete(About).where(About.person_id == person_id))


def forget_told(session: Session, subjects: Collection[str]) -> set[str]:
    """Forget concerns, stories and their parts that are erased: openings, lines and whom they are about.

    Returns the persons whom nothing that is left is about any more.
    """
    about = set(session.scalars(sa.select(About.person_id).where(About.subject_id.in_(subjects))))
    session.execute(sa.delete(Opening).where(Opening.subject_id.in_(subjects)))
    session.execute(sa.delete(Withheld).where(Withheld.subject_id.in_(subjects)))
    session.execute(sa.delete(About).where(About.subject_id.in_(subjects)))
    return about - set(session.scalars(sa.select(About.person_id).where(About.person_id.in_(about))))


def concerns_person(session: Session, kind: Kind, subject_id: str, person_id: str) -> None:
    """Write down that a row is about a person. Again changes nothing."""
    if session.get(About, (subject_id, kind.value)) is None:
        session.add(About(subject_id=subject_id, subject_kind=kind.value, person_id=person_id))
        session.flush()
