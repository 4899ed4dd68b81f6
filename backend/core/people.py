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
    MANAGER = "manager"


class StaffMember(Base):
    """One employee. ``password_hash`` is Argon2id; ``active`` false takes effect on the next request."""

    __tablename__ = "staff_member"

    id: Mapped[str] = mapped_column(primary_key=True)
    login: Mapped[str] = mapped_column(unique=True)
    first_name: Mapped[str]
    role: Mapped[str]
    unit: Mapped[str] = mapped_column(index=True)
    mail: Mapped[str] = mapped_column(default="")
    password_hash: Mapped[str]
    active: Mapped[bool] = mapped_column(default=True)
    created_at: Mapped[datetime] = mapped_column(Instant)

    @property
    def is_manager(self) -> bool:
        """Whether the person leads a unit."""
        return self.role == Role.MANAGER


def first_name_of(session: Session, staff_id: str) -> str:
    """The first name of a staff member, or an empty string for an unknown id."""
    return session.scalar(sa.select(StaffMember.first_name).where(StaffMember.id == staff_id)) or ""
