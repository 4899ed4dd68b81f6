"""The same request twice changes nothing twice: a key that the sender chose, remembered with what came of it.

The contract is the one that payment services have made common: the same key and the same
body get the same answer for 48 hours, the same key with another body is an error, and a
request that failed has left no key behind and may be tried again. The key is stored in
the transaction of the deed itself, so that a crash keeps both or neither.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Mapped, Session, mapped_column

from backend.core.db import Base, Instant
from backend.core.errors import KeyReused, MalformedRequest

KEPT = timedelta(hours=48)
LONGEST = 255


class IdempotencyKey(Base):
    """A key that was used. ``digest`` recognises the body, ``outcome`` names what was made, in no person's words."""

    __tablename__ = "idempotency_key"

    scope: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    digest: Mapped[str]
    outcome: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(Instant, index=True)


@dataclass(frozen=True, slots=True)
class Key:
    """One request of one sender. Two senders' keys never meet: ``scope`` is the chat, form, code or employee."""

    scope: str
    key: str
    digest: str


def key_for(pepper: bytes, scope: str, key: str | None, body: Mapping[str, object]) -> Key | None:
    """The key of a request, or None when the sender gave none. Raises `MalformedRequest` for an overlong one.

    The body may hold a phone number, which a bare hash would give away to whoever tries
    all numbers; so the digest is keyed with ``pepper``.
    """
    if not key:
        return None
    if len(key) > LONGEST:
        raise MalformedRequest
    canonical = json.dumps(body, sort_keys=True, default=str, ensure_ascii=False).encode("utf-8", "surrogatepass")
    return Key(scope, key, hmac.new(pepper, b"idempotency:" + canonical, "sha256").hexdigest())


def claim(session: Session, key: Key | None, outcome: str, at: datetime) -> str | None:
    """Take the key for ``outcome`` in the caller's transaction; None if it is new (or there is none).

    Otherwise what came of the first request, which a twin in flight waits for. Raises
    `KeyReused` when the first request had another body.
    """
    if key is None:
        return None
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    row = {"scope": key.scope, "key": key.key, "digest": key.digest, "outcome": outcome, "created_at": at}
    taken = session.connection().execute(
        insert(IdempotencyKey).values(row).on_conflict_do_nothing().returning(IdempotencyKey.key)
    )
    if taken.first() is not None:
        return None
    return recall(session, key)


def recall(session: Session, key: Key | None) -> str | None:
    """What came of an earlier request with this key, or None. Raises `KeyReused` when that had another body."""
    if key is None:
        return None
    row = session.execute(
        sa.select(IdempotencyKey.digest, IdempotencyKey.outcome).where(
            IdempotencyKey.scope == key.scope, IdempotencyKey.key == key.key
        )
    ).one_or_none()
    if row is None:
        return None
    if not hmac.compare_digest(row.digest, key.digest):
        raise KeyReused
    return str(row.outcome)


def forget(session: Session, now: datetime) -> None:
    """Delete keys past their time."""
    session.execute(sa.delete(IdempotencyKey).where(IdempotencyKey.created_at < now - KEPT))
