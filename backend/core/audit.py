"""Who did what, when and why: a row in the same transaction as the deed, with no content in it.

Rows are written once and never changed; `backend.core.audit_chain` seals them so that a
change made past the application shows. What staff have written as a reason outlives nothing: its
key lies beside the log, and goes with the record that the reason is about.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, Session, mapped_column

from backend.core.db import Base, Instant
from backend.core.people import StaffMember
from backend.core.vault import Vault, new_id


class Tag(StrEnum):
    """Everything that is written down, as ``source:subject:action``."""

    CHAT_STARTED = "chat:chat:started"
    CHAT_WIPED = "chat:chat:wiped"
    CHAT_PURGED = "system:chat:purged"
    DANGER_SHOWN = "chat:danger:shown"
    DANGER_CORRECTED = "chat:danger:corrected"
    BOOKING_HELD = "booking:booking:held"
    BOOKING_CONFIRMED = "booking:booking:confirmed"
    BOOKING_CANCELLED = "booking:booking:cancelled"
    BOOKING_MOVED = "booking:booking:moved"
    BOOKING_REBOOKED = "booking:booking:rebooked"
    BOOKING_REMINDER_CHANGED = "booking:reminder:changed"
    BOOKING_REASSIGNED = "staff:booking:reassigned"
    BOOKING_MISSED = "staff:booking:missed"
    BOOKING_MISSED_TRIED = "staff:booking:tried"
    BOOKING_MISSED_DECIDED = "staff:booking:decided"
    BOOKING_DONE = "staff:booking:done"
    CODE_REISSUED = "staff:code:reissued"
    CALENDAR_RENEWED = "staff:calendar:renewed"
    BOOKING_RELEASED = "booking:hold:released"
    BOOKING_READ = "staff:booking:read"
    MAP_PLACED = "journey:place:placed"
    MAP_SHOWN = "journey:showing:decided"
    MAP_HIDDEN = "journey:showing:ended"
    CALLBACK_ASKED = "booking:callback:asked"
    CALLBACK_WITHDRAWN = "booking:callback:withdrawn"
    CALLBACK_READ = "staff:callback:read"
    CALLBACK_TAKEN = "staff:callback:taken"
    CALLBACK_TRIED = "staff:callback:tried"
    CALLBACK_ENDED = "staff:callback:ended"
    CAPACITY_SEEN = "staff:capacity:seen"
    SCHEDULE_CHANGED = "staff:schedule:changed"
    CONCERN_RECEIVED = "case:concern:received"
    CONCERN_TOLD_MORE = "case:concern:told_more"
    CONCERN_READ = "staff:concern:read"
    CONCERN_ACCEPTED = "staff:concern:accepted"
    CONCERN_ANSWERED = "staff:concern:answered"
    CONCERN_DECLINED = "staff:concern:declined"
    CONCERN_LATER = "staff:concern:later"
    CONCERN_UNTAKEN = "system:concern:untaken"
    CONCERN_MOVED = "staff:concern:moved"
    CONCERN_CHECKED = "staff:concern:checked"
    CONCERN_DECIDED = "staff:concern:decided"
    CONCERN_CHILD_FOUND = "staff:concern:child_found"
    CONCERN_FEEDBACK_ASKED = "staff:concern:feedback_asked"
    CONCERN_FEEDBACK = "staff:concern:feedback"
    CONCERN_CLOSED = "staff:concern:closed"
    CONCERN_KEPT = "staff:concern:kept"
    CONCERN_IDENTITY = "staff:concern:identity"
    CONCERN_SEARCHED = "staff:concern:searched"
    CONCERN_EXPORTED = "staff:concern:exported"
    CONCERN_LISTED = "staff:concern:listed"
    RELEASE_ASKED = "staff:concern:release_asked"
    RELEASE_APPROVED = "staff:concern:release_approved"
    RULES_TRIED = "staff:rules:tried"
    STORY_KEPT = "story:story:kept"
    STORY_SENT = "story:story:sent"
    STORY_TOLD_MORE = "story:story:told_more"
    STORY_DISCARDED = "story:story:discarded"
    STORY_CLOSED = "story:story:closed"
    STORY_PURGED = "system:story:purged"
    STORY_READ = "staff:story:read"
    STORY_SUMMARISED = "staff:story:summarised"
    STORY_POINTED = "staff:story:pointed"
    STORY_SHARED = "staff:story:shared"
    STORY_SHARE_ENDED = "staff:story:share_ended"
    STORY_SHARE_TOLD = "staff:story:share_told"
    STORY_SHARE_HIDDEN = "staff:story:share_hidden"
    SECRECY_CONSENT_GIVEN = "story:consent:given"
    SECRECY_CONSENT_WITHDRAWN = "story:consent:withdrawn"
    HELP_CONSENT_NOTED = "staff:help_consent:noted"
    HELP_CONSENT_ENDED = "story:help_consent:ended"
    ALERT_ACKNOWLEDGED = "staff:alert:acknowledged"
    TALK_ASKED = "chat:talk:asked"
    TALK_JOINED = "chat:talk:joined"
    TALK_LEFT = "chat:talk:left"
    TALK_WIPED = "chat:talk:wiped"
    TALK_OPENED = "staff:talk:opened"
    TALK_READ = "staff:talk:read"
    TALK_OFFERED = "staff:talk:offered"
    TALK_TAKEN_OVER = "staff:talk:taken_over"
    TALK_DECLINED = "staff:talk:declined"
    TALK_HANDED_BACK = "staff:talk:handed_back"
    TALK_CLOSED = "staff:talk:closed"
    TALK_REOPENED = "staff:talk:reopened"
    TALK_DROPPED = "system:talk:dropped"
    TALK_UNMET = "system:talk:unmet"
    CODE_USED = "code:code:used"
    CODE_MISSED = "code:code:missed"
    CODE_CHANGED = "code:code:changed"
    MISUNDERSTOOD_LABELLED = "staff:misunderstood:labelled"
    MISUNDERSTOOD_DELETED = "staff:misunderstood:deleted"
    MISUNDERSTOOD_EXPORTED = "staff:misunderstood:exported"
    STAFF_LOGIN = "staff:session:started"
    STAFF_LOGIN_FAILED = "staff:session:refused"
    STAFF_LOGOUT = "staff:session:ended"
    STAFF_ADDED = "system:staff:added"
    STAFF_CHANGED = "staff:staff:changed"
    STAFF_NEW_LOGIN = "staff:staff:new_login"
    STAFF_OFF_DUTY = "staff:duty:off"
    STAFF_ON_DUTY = "staff:duty:on"
    ACCESS_WITHHELD = "staff:access:withheld"
    ACCESS_LIFTED = "staff:access:lifted"
    ACCESS_OPENED = "staff:access:opened"
    LOG_READ = "staff:log:read"
    LOG_EXPORTED = "staff:log:exported"
    CASE_OPENED = "staff:case:opened"
    CASE_READ = "staff:case:read"
    CASE_NOTED = "staff:case:noted"
    CASE_TASK_ADDED = "staff:case:task_added"
    CASE_TASK_DONE = "staff:case:task_done"
    CASE_QUESTION_ADDED = "staff:case:question_added"
    CASE_QUESTION_ANSWERED = "staff:case:question_answered"
    CASE_MET = "staff:case:met"
    CASE_NEXT_STEP = "staff:case:next_step"
    CASE_EVENT_NOTED = "staff:case:event_noted"
    CASE_EVENT_WITHDRAWN = "staff:case:event_withdrawn"
    CASE_SOURCE_ADDED = "staff:case:source_added"
    CASE_MAP_READ = "staff:case:map_read"
    CASE_MAP_PLACED = "staff:case:map_placed"
    CASE_MAP_SHOWN = "staff:case:map_shown"
    CASE_MAP_HIDDEN = "staff:case:map_hidden"
    CASE_CODE_ISSUED = "staff:case:code_issued"
    CASE_CLOSED = "staff:case:closed"
    CASES_ERASED = "system:case:erased"
    CONCERNS_ERASED = "system:concern:erased"
    CASE_SEAT_ASKED = "staff:case:seat_asked"
    CASE_SEAT_ACCEPTED = "staff:case:seat_accepted"
    CASE_SEAT_DECLINED = "staff:case:seat_declined"
    CASE_SEAT_LATER = "staff:case:seat_later"
    CASE_SEAT_LAPSED = "system:case:seat_lapsed"
    CASE_SEAT_LEFT = "staff:case:seat_left"
    CASE_SEAT_MOVED = "staff:case:seat_moved"
    CASE_COORDINATOR = "staff:case:coordinator"
    PERSON_ADDED = "staff:person:added"
    PERSON_READ = "staff:person:read"
    PERSON_CHANGED = "staff:person:changed"
    FAMILY_LINKED = "staff:family:linked"
    FAMILY_UNLINKED = "staff:family:unlinked"
    FAMILY_SHOWN = "staff:family:shown"
    TEXT_WRITTEN = "staff:text:written"
    TEXT_PUBLISHED = "staff:text:published"
    TEXT_REVIEWED = "staff:text:reviewed"
    TEXT_WITHDRAWN = "staff:text:withdrawn"
    TRANSLATION_SIGNED = "staff:translation:signed"


class AuditEvent(Base):
    """One deed. ``actor`` is a staff id, ``visitor`` or ``system``; ``detail`` holds rule ids and codes, never words.

    ``actor_unit`` and ``actor_roles`` (separated by blanks) are what the person had at the time, and empty
    for others. ``reason`` is what they wrote when a reason was asked for, sealed for
    ``audit_event.reason:<subject>`` with the `ReasonKey` that ``reason_key`` names, or, in rows from before there
    were any, with ``reason_key`` itself.
    """

    __tablename__ = "audit_event"

    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(Instant, index=True)
    actor: Mapped[str]
    actor_unit: Mapped[str] = mapped_column(default="", server_default="")
    actor_roles: Mapped[str] = mapped_column(default="", server_default="")
    tag: Mapped[str]
    subject: Mapped[str] = mapped_column(index=True)
    detail: Mapped[str]
    reason_key: Mapped[bytes | None]
    reason: Mapped[bytes | None]

    __table_args__ = (sa.Index(None, "actor", "id"), sa.Index(None, "actor_unit", "id"))


class ReasonKey(Base):
    """The data key of one row's reason. The log's seal covers only its id, so erasing it breaks no seal."""

    __tablename__ = "audit_reason_key"

    id: Mapped[str] = mapped_column(primary_key=True)
    subject: Mapped[str] = mapped_column(index=True)
    data_key: Mapped[bytes]


VISIT = timedelta(minutes=30)
"""How long somebody who looks at the same thing again is on the same visit, from its first row."""


_NAME = 24
"""Bytes of a `ReasonKey`'s id; a wrapped data key is longer."""


@dataclass(frozen=True, slots=True)
class Reason:
    """A written reason, sealed for one subject's audit row."""

    key: bytes
    sealed: bytes


def seal_reason(vault: Vault, subject: str, text: str) -> Reason:
    """Seal ``text`` for a row about ``subject``. Staff's reasons quote what people have told."""
    key = vault.new_key()
    return Reason(key, vault.seal(key, f"audit_event.reason:{subject}", text))


def open_reason(session: Session, vault: Vault, row: AuditEvent) -> str:
    """The reason of a row, or an empty string where none was written or it is erased (`forget_reasons`).

    Raises `backend.core.vault.SealBroken`.
    """
    if row.reason_key is None or row.reason is None:
        return ""
    key: bytes | None = row.reason_key
    if len(row.reason_key) == _NAME:
        found = session.get(ReasonKey, row.reason_key.decode())
        key = found.data_key if found is not None else None
    return "" if key is None else vault.open(key, f"audit_event.reason:{row.subject}", row.reason)


def forget_reasons(session: Session, subjects: Collection[str]) -> None:
    """Erase what staff have written as reasons in rows about ``subjects``, whose records are erased.

    The rows stay as they are, sealed by the log's chain: who, when and what, and words that no key opens. The
    reasons of rows from before `ReasonKey` cannot be erased without breaking the chain, and stay sealed.
    """
    session.execute(sa.delete(ReasonKey).where(ReasonKey.subject.in_(subjects)))


# Written with every deed, so it goes past the unit of work, which costs several times the insert itself, and does not
# ask for the number that the row was given.
_INSERT = sa.insert(AuditEvent).inline()
_ROLES = StaffMember.role + sa.case((StaffMember.also == "", ""), else_=" " + StaffMember.also)
_WHO = sa.bindparam("who", type_=sa.String)


def _of_actor(column: sa.ColumnElement[str]) -> sa.ColumnElement[str]:
    found = sa.select(column).where(StaffMember.id == _WHO).scalar_subquery()
    return sa.func.coalesce(found, "")


# Looked up by the database itself, so that no caller can forget whose unit it was.
_INSERT_BY_STAFF = sa.insert(AuditEvent).values(
    actor_unit=_of_actor(StaffMember.unit.expression), actor_roles=_of_actor(_ROLES)
)
_NOBODY = ("visitor", "system")


def record(
    session: Session,
    at: datetime,
    tag: Tag,
    subject: str,
    *,
    actor: str = "visitor",
    detail: str = "",
    reason: Reason | None = None,
) -> None:
    """Add an audit row to the caller's transaction; the unit and roles of a staff ``actor`` are added to it."""
    row: dict[str, object] = {"at": at, "actor": actor, "tag": tag.value, "subject": subject, "detail": detail}
    if reason is not None:
        name = new_id()
        session.execute(sa.insert(ReasonKey), {"id": name, "subject": subject, "data_key": reason.key})
        row |= {"reason_key": name.encode(), "reason": reason.sealed}
    if actor in _NOBODY:
        session.connection().execute(_INSERT, row)
    else:
        session.connection().execute(_INSERT_BY_STAFF, row | {"who": actor})


def read(
    session: Session,
    at: datetime,
    tag: Tag,
    subject: str,
    *,
    actor: str,
    detail: str = "",
    changed: datetime | None = None,
) -> None:
    """Write down that a member of staff has read something: once for a visit (`VISIT`), not for every time a page is made.

    The page comes again after each form and by itself when a colleague changes something; a row for each would
    hide the visits among them. What has ``changed`` since, another way in (``detail``), another unit or another
    person is a row of its own.
    """
    since = at - VISIT if changed is None else max(at - VISIT, changed)
    same = (
        AuditEvent.subject == subject,
        AuditEvent.tag == tag.value,
        AuditEvent.actor == actor,
        AuditEvent.detail == detail,
        AuditEvent.at >= since,
        AuditEvent.at <= at,
        AuditEvent.actor_unit == sa.select(StaffMember.unit).where(StaffMember.id == actor).scalar_subquery(),
    )
    if session.connection().execute(sa.select(AuditEvent.id).where(*same).limit(1)).first() is None:
        record(session, at, tag, subject, actor=actor, detail=detail)


def of_subject(session: Session, subject: str, tags: Collection[Tag], count: int) -> list[AuditEvent]:
    """The newest rows of some kinds about one subject."""
    query = sa.select(AuditEvent).where(AuditEvent.subject == subject, AuditEvent.tag.in_([tag.value for tag in tags]))
    return list(session.scalars(query.order_by(AuditEvent.id.desc()).limit(count)))
