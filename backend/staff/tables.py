"""Who is logged in. The token itself is only in the browser's cookie."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from backend.core.db import Base, Instant


class StaffSession(Base):
    """One login. ``id`` is the SHA-256 of a random 256-bit token, so that a stolen database opens no session.

    ``seen_at``: when something was last done by hand; ``listened_at``: when a page last listened for somebody
    whom a person may be waiting for.
    """

    __tablename__ = "staff_session"

    id: Mapped[str] = mapped_column(primary_key=True)
    staff_id: Mapped[str] = mapped_column(sa.ForeignKey("staff_member.id", ondelete="CASCADE"), index=True)
    created_at: Mapped[datetime] = mapped_column(Instant)
    seen_at: Mapped[datetime] = mapped_column(Instant, index=True)
    listened_at: Mapped[datetime | None] = mapped_column(Instant)
