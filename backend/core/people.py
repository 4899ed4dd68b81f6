"""The municipality's staff as rows: who they are, which role and unit they have."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, Session, mapped_column

from backend.core.db import Base, Instant


class Role(StrEnum):
    """What somebody may do; which rows they may see also depends on their unit."""

    THERAPIST = "therapist"
    CASE_WORKER = "case_worker"
    COORDINATOR = "coordinator"
    MANAGER = "manager"
    ON_CALL = "on_call"
    EDITOR = "editor"
    ADMIN = "admin"


class StaffMember(Base):
    """One employee. ``password_hash`` is Argon2id; ``active`` false takes effect on the next request.

    ``role`` is the main one; ``also`` lists others that the person has, separated by blanks.
    ``qualified``: has the degree (*socionom* or equal) without which nobody may assess whether an
    investigation is opened (SoL 25:1).
    """

    __tablename__ = "staff_member"

    id: Mapped[str] = mapped_column(primary_key=True)
    login: Mapped[str] = mapped_column(unique=True)
    first_name: Mapped[str]
    role: Mapped[str]
    also: Mapped[str] = mapped_column(default="", server_default="")
    qualified: Mapped[bool] = mapped_column(default=False, server_default=sa.false())
    unit: Mapped[str] = mapped_column(index=True)
    mail: Mapped[str] = mapped_column(default="")
    password_hash: Mapped[str]
    active: Mapped[bool] = mapped_column(default=True)
    created_at: Mapped[datetime] = mapped_column(Instant)

    @property
    def roles(self) -> frozenset[str]:
        """The main role and those beside it."""
        return frozenset({self.role, *(self.also or "").split()})

    def has(self, *roles: Role) -> bool:
        """Whether the person has any of the roles, as the main one or beside it."""
        return not self.roles.isdisjoint(roles)

    @property
    def handles_cases(self) -> bool:
        """Whether the person works with people's matters at all; administrators and editors do not."""
        return self.has(Role.THERAPIST, Role.CASE_WORKER, Role.COORDINATOR, Role.MANAGER, Role.ON_CALL)

    @property
    def is_manager(self) -> bool:
        """Whether the person leads a unit."""
        return self.has(Role.MANAGER)


def first_name_of(session: Session, staff_id: str) -> str:
    """The first name of a staff member, or an empty string for an unknown id."""
    return session.scalar(sa.select(StaffMember.first_name).where(StaffMember.id == staff_id)) or ""
