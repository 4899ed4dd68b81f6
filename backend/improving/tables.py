"""Messages that were not understood. No row says which chat it came from."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from backend.core.db import Base, Instant


class Misunderstood(Base):
    """One masked message. ``text`` is sealed with the row's own data key.

    ``message_id`` finds the row while the chat is there, for what the person picks
    afterwards and for taking the row away when danger is noticed later. When the
    chat is wiped the id leads nowhere. ``guesses`` is JSON, the surest first;
    ``picked`` is the guess that the person chose, ``label`` what staff have said.
    """

    __tablename__ = "misunderstood"

    id: Mapped[str] = mapped_column(primary_key=True)
    message_id: Mapped[str] = mapped_column(unique=True)
    data_key: Mapped[bytes]
    text: Mapped[bytes]
    lang: Mapped[str]
    band: Mapped[str | None]
    guesses: Mapped[str]
    picked: Mapped[str | None]
    at: Mapped[datetime] = mapped_column(Instant, index=True)
    label: Mapped[str | None]
    labelled_at: Mapped[datetime | None] = mapped_column(Instant)
    labelled_by: Mapped[str | None] = mapped_column(sa.ForeignKey("staff_member.id", ondelete="SET NULL"))
