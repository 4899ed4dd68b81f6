"""Persons, families, cases and the team around each, as rows. What is told about people is sealed.

A person's texts are sealed with the person's own data key, a case's with the case's, so that
one can be handed out or destroyed without the other. Places are ``<table>.<column>:<id>``.
"""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from backend.core.db import Base, Instant


class CaseState(StrEnum):
    """``waiting``: in the unit's queue, nobody leads it; ``active``: has its coordinator; ``closed``."""

    WAITING = "waiting"
    ACTIVE = "active"
    CLOSED = "closed"


class SeatState(StrEnum):
    """What has become of a place in a team. The first three are open, the others history.

    ``taken``: a place in a queue that somebody has accepted, who has a place of their own since.
    """

    ASKED = "asked"
    LATER = "later"
    ACCEPTED = "accepted"
    DECLINED = "declined"
    LAPSED = "lapsed"
    TAKEN = "taken"
    LEFT = "left"


OPEN_SEATS = (SeatState.ASKED.value, SeatState.LATER.value, SeatState.ACCEPTED.value)
_OPEN = sa.text("state IN ('asked', 'later', 'accepted')")
_NOT_CLOSED = sa.text("state <> 'closed'")
_CLOSED = sa.text("closed_at IS NOT NULL")
_ERASABLE = sa.text("kept = 'no'")
_UNANSWERED = sa.text("kept = ''")


class Person(Base):
    """One person's own record. ``shared`` and ``private`` are sealed JSON (see `rules.Shared`, `rules.Private`).

    ``shared`` is what teams of other family members see once the person is linked and marked so;
    ``private`` is for those who work for this person. ``protected``: skyddade personuppgifter.
    ``version`` counts changes, so that a form that was open meanwhile is noticed. ``kept``: see `rules.KEPT`.
    """

    __tablename__ = "person"

    id: Mapped[str] = mapped_column(primary_key=True)
    who: Mapped[str]
    protected: Mapped[bool] = mapped_column(default=False, server_default=sa.false())
    unit: Mapped[str]
    data_key: Mapped[bytes]
    shared: Mapped[bytes]
    private: Mapped[bytes]
    created_at: Mapped[datetime] = mapped_column(Instant)
    created_by: Mapped[str] = mapped_column(sa.ForeignKey("staff_member.id"))
    version: Mapped[int] = mapped_column(default=1, server_default="1")
    kept: Mapped[str] = mapped_column(default="", server_default="")

    __table_args__ = (
        sa.Index("ix_person_erasable", "created_at", sqlite_where=_ERASABLE, postgresql_where=_ERASABLE),
        sa.Index("ix_person_unanswered", "id", sqlite_where=_UNANSWERED, postgresql_where=_UNANSWERED),
    )


class Family(Base):
    """Persons whom staff have linked. It has no name of its own, and opens nobody's record."""

    __tablename__ = "family"

    id: Mapped[str] = mapped_column(primary_key=True)
    created_at: Mapped[datetime] = mapped_column(Instant)
    created_by: Mapped[str] = mapped_column(sa.ForeignKey("staff_member.id"))


class FamilyMember(Base):
    """That a person belongs to a family. ``shown``: teams of the others may see the shared fields."""

    __tablename__ = "family_member"

    family_id: Mapped[str] = mapped_column(sa.ForeignKey("family.id", ondelete="CASCADE"), primary_key=True)
    person_id: Mapped[str] = mapped_column(sa.ForeignKey("person.id", ondelete="CASCADE"), primary_key=True, index=True)
    shown: Mapped[bool] = mapped_column(default=False, server_default=sa.false())
    added_at: Mapped[datetime] = mapped_column(Instant)
    added_by: Mapped[str] = mapped_column(sa.ForeignKey("staff_member.id"))


class Case(Base):
    """One person's matter with the municipality. A person has at most one that is not closed.

    ``unit`` leads it. An active one has a coordinator: one, and never none.
    """

    __tablename__ = "care_case"

    id: Mapped[str] = mapped_column(primary_key=True)
    person_id: Mapped[str] = mapped_column(sa.ForeignKey("person.id"), index=True)
    unit: Mapped[str]
    state: Mapped[str]
    coordinator_id: Mapped[str | None] = mapped_column(sa.ForeignKey("staff_member.id"), index=True)
    data_key: Mapped[bytes]
    opened_at: Mapped[datetime] = mapped_column(Instant)
    opened_by: Mapped[str] = mapped_column(sa.ForeignKey("staff_member.id"))
    closed_at: Mapped[datetime | None] = mapped_column(Instant)
    closed_by: Mapped[str | None]
    closed_as: Mapped[str | None]
    version: Mapped[int] = mapped_column(default=1, server_default="1")

    __table_args__ = (
        sa.CheckConstraint("state <> 'active' OR coordinator_id IS NOT NULL", name="active_is_led"),
        sa.CheckConstraint("state <> 'waiting' OR coordinator_id IS NULL", name="waiting_is_not"),
        sa.Index(
            "uq_care_case_open_person",
            "person_id",
            unique=True,
            sqlite_where=_NOT_CLOSED,
            postgresql_where=_NOT_CLOSED,
        ),
        sa.Index("ix_care_case_open_unit", "unit", "opened_at", sqlite_where=_NOT_CLOSED, postgresql_where=_NOT_CLOSED),
        sa.Index("ix_care_case_closed_unit", "unit", "closed_at", sqlite_where=_CLOSED, postgresql_where=_CLOSED),
    )


class CaseSource(Base):
    """What led to the case or came in later: a concern, a story, a booking. Each belongs to one case at most."""

    __tablename__ = "case_source"

    kind: Mapped[str] = mapped_column(primary_key=True)
    source_id: Mapped[str] = mapped_column(primary_key=True)
    case_id: Mapped[str] = mapped_column(sa.ForeignKey("care_case.id"), index=True)
    at: Mapped[datetime] = mapped_column(Instant)
    by: Mapped[str] = mapped_column(sa.ForeignKey("staff_member.id"))


class CaseSeat(Base):
    """A place in a case's team: somebody by name, or a unit's queue while ``staff_id`` is null.

    ``lead``: the unit's lead in this case, one per unit. ``coordinates``: whoever accepts becomes the
    coordinator. ``answer_by`` is when an unanswered question goes back to the queue; ``back_on`` when
    somebody who said "later" is asked again. ``ground`` is why another board or branch may take part.
    ``said`` (a reason for declining) and ``next_step`` are sealed with the case's key.
    """

    __tablename__ = "case_seat"

    id: Mapped[str] = mapped_column(primary_key=True)
    case_id: Mapped[str] = mapped_column(sa.ForeignKey("care_case.id", ondelete="CASCADE"))
    unit: Mapped[str]
    staff_id: Mapped[str | None] = mapped_column(sa.ForeignKey("staff_member.id"))
    lead: Mapped[bool] = mapped_column(default=False, server_default=sa.false())
    coordinates: Mapped[bool] = mapped_column(default=False, server_default=sa.false())
    state: Mapped[str]
    asked_at: Mapped[datetime] = mapped_column(Instant)
    asked_by: Mapped[str]
    answer_by: Mapped[datetime | None] = mapped_column(Instant)
    back_on: Mapped[datetime | None] = mapped_column(Instant)
    answered_at: Mapped[datetime | None] = mapped_column(Instant)
    ended_at: Mapped[datetime | None] = mapped_column(Instant)
    ground: Mapped[str | None]
    said: Mapped[bytes | None]
    next_step: Mapped[bytes | None]
    next_on: Mapped[date | None]
    version: Mapped[int] = mapped_column(default=1, server_default="1")

    __table_args__ = (
        sa.Index(None, "case_id", "state"),
        sa.Index(None, "staff_id", "state"),
        sa.Index("ix_case_seat_open_unit", "unit", "state", sqlite_where=_OPEN, postgresql_where=_OPEN),
        sa.Index(
            "uq_case_seat_open_staff", "case_id", "staff_id", unique=True, sqlite_where=_OPEN, postgresql_where=_OPEN
        ),
        sa.Index(
            "uq_case_seat_one_lead",
            "case_id",
            "unit",
            unique=True,
            sqlite_where=sa.text("lead AND state IN ('asked', 'later', 'accepted')"),
            postgresql_where=sa.text("lead AND state IN ('asked', 'later', 'accepted')"),
        ),
        sa.Index(
            "uq_case_seat_one_coordinator",
            "case_id",
            unique=True,
            sqlite_where=sa.text("coordinates AND state IN ('asked', 'later', 'accepted')"),
            postgresql_where=sa.text("coordinates AND state IN ('asked', 'later', 'accepted')"),
        ),
    )


class CaseTask(Base):
    """Something to do, by a day. ``title`` is sealed with the case's key."""

    __tablename__ = "case_task"

    id: Mapped[str] = mapped_column(primary_key=True)
    case_id: Mapped[str] = mapped_column(sa.ForeignKey("care_case.id", ondelete="CASCADE"), index=True)
    title: Mapped[bytes]
    due: Mapped[date]
    staff_id: Mapped[str | None] = mapped_column(sa.ForeignKey("staff_member.id"), index=True)
    created_at: Mapped[datetime] = mapped_column(Instant)
    created_by: Mapped[str]
    done_at: Mapped[datetime | None] = mapped_column(Instant)
    done_by: Mapped[str | None]


class CaseNote(Base):
    """A note that the team shares; ``body`` is sealed. Never changed: a correction is a new note."""

    __tablename__ = "case_note"

    id: Mapped[str] = mapped_column(primary_key=True)
    case_id: Mapped[str] = mapped_column(sa.ForeignKey("care_case.id", ondelete="CASCADE"), index=True)
    at: Mapped[datetime] = mapped_column(Instant)
    by: Mapped[str] = mapped_column(sa.ForeignKey("staff_member.id"))
    body: Mapped[bytes]


class CaseQuestion(Base):
    """A question to the person. With an ``answer`` it is already told, and not to be asked again; both sealed."""

    __tablename__ = "case_question"

    id: Mapped[str] = mapped_column(primary_key=True)
    case_id: Mapped[str] = mapped_column(sa.ForeignKey("care_case.id", ondelete="CASCADE"), index=True)
    question: Mapped[bytes]
    answer: Mapped[bytes | None]
    asked_at: Mapped[datetime] = mapped_column(Instant)
    asked_by: Mapped[str]
    answered_at: Mapped[datetime | None] = mapped_column(Instant)
    answered_by: Mapped[str | None]


class CaseMeeting(Base):
    """That somebody from a unit met the person or the family on a day; nothing of what was said."""

    __tablename__ = "case_meeting"

    id: Mapped[str] = mapped_column(primary_key=True)
    case_id: Mapped[str] = mapped_column(sa.ForeignKey("care_case.id", ondelete="CASCADE"), index=True)
    unit: Mapped[str]
    staff_id: Mapped[str] = mapped_column(sa.ForeignKey("staff_member.id"))
    day: Mapped[date]
    way: Mapped[str]
    noted_at: Mapped[datetime] = mapped_column(Instant)


class CaseEvent(Base):
    """What has happened in law's eyes (`backend.core.legal.Event`), from which the clocks are computed. Never changed.

    ``day`` is the local day on which it happened. ``withdrawn_at``: written down by mistake; it stays, and counts no more.
    """

    __tablename__ = "case_event"

    id: Mapped[str] = mapped_column(primary_key=True)
    case_id: Mapped[str] = mapped_column(sa.ForeignKey("care_case.id", ondelete="CASCADE"), index=True)
    kind: Mapped[str]
    day: Mapped[date]
    until: Mapped[date | None]
    noted_at: Mapped[datetime] = mapped_column(Instant)
    by: Mapped[str]
    withdrawn_at: Mapped[datetime | None] = mapped_column(Instant)
    withdrawn_by: Mapped[str | None]
