"""Return codes: six Swedish words instead of a name, an address or a login.

66 bits (six of 2,048 words), stored as Argon2id with a secret pepper. The hash
takes its salt from the pepper, not from the row: a code must be found without
knowing whose it is, and codes are random, so nobody gains from equal salts.
While the person has not said that it is saved, the words lie sealed beside the
hash, so that a dropped connection does not cost a child its way back.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import sqlalchemy as sa
from argon2.low_level import Type, hash_secret_raw
from limits import RateLimitItemPerMinute, RateLimitItemPerSecond
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter
from sqlalchemy.orm import Mapped, Session, mapped_column

from backend.core.content import ContentError
from backend.core.db import Base, Instant
from backend.core.errors import TooMany
from backend.core.text import fold
from backend.core.vault import Vault, new_id

WORDS = 6
_CANDIDATES = 4
SHOWN_FOR = timedelta(hours=1)
CLOSED = "closed"


class ReturnCode(Base):
    """A code's slow hash and what it opens: ``kind`` is ``booking``, ``callback``, ``concern``, ``story``, ``case`` or
    ``talk`` (with a human, not booked), ``subject`` that row's id.

    ``read_aloud``: staff have seen the words, when they gave it by telephone. Such a code opens nothing
    but the way to one that only the person knows, and is gone when that one is saved.
    A `CLOSED` code opens nothing more, but is known, so that whoever ended their page is not told that the words are wrong.
    """

    __tablename__ = "return_code"

    id: Mapped[str] = mapped_column(primary_key=True)
    digest: Mapped[bytes] = mapped_column(unique=True)
    kind: Mapped[str]
    subject: Mapped[str] = mapped_column(index=True)
    created_at: Mapped[datetime] = mapped_column(Instant)
    used_at: Mapped[datetime | None] = mapped_column(Instant)
    data_key: Mapped[bytes]
    unsaved: Mapped[bytes | None]
    read_aloud: Mapped[bool] = mapped_column(default=False, server_default=sa.false())


@dataclass(frozen=True, slots=True)
class NewCode:
    """A code on its way to being issued: the words for the person, the digest for the database."""

    words: str
    digest: bytes


class Codebook:
    """Makes, recognises and hashes codes. Hashing takes about 20 ms and 19 MiB, so it has two threads of its own."""

    def __init__(self, word_file: Path, pepper: bytes) -> None:
        self._words = tuple(word_file.read_text("utf-8").split())
        self._folded = {fold(word): word for word in self._words}
        if len(self._folded) < 2048:
            raise ContentError(f"{word_file}: {len(self._folded)} distinct words, needs 2,048")
        self._pepper = pepper
        self._salt = hashlib.sha256(b"code-salt" + pepper).digest()[:16]
        self._pool = ThreadPoolExecutor(2, thread_name_prefix="codes")

    async def new(self) -> NewCode:
        """A fresh code."""
        words = " ".join(secrets.choice(self._words) for _ in range(WORDS))
        return NewCode(words, await self.digest(words))

    async def digest(self, words: str) -> bytes:
        """The slow hash of normalised words."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._hash, words)

    def find(self, text: str) -> tuple[str, ...]:
        """Every run of six listed words in ``text``, as written in the list; empty if it holds no code.

        Forgives case, lost dots over å, ä and ö, commas, hyphens and line breaks. A
        word around the code can be a listed one too, so there may be several; four at most.
        """
        found: list[str] = []
        run: list[str] = []
        for token in _tokens(text):
            word = self._folded.get(token)
            run = [*run, word][-WORDS:] if word else []
            if len(run) == WORDS:
                found.append(" ".join(run))
        return tuple(found[:_CANDIDATES])

    def listed(self, text: str) -> int:
        """How many words of ``text`` are in the list: many, and it may be a code with a slip in it."""
        return sum(token in self._folded for token in _tokens(text))

    def is_code(self, text: str) -> bool:
        """Whether ``text`` is six listed words and nothing else, so that it may be a code and tells nothing."""
        tokens = _tokens(text)
        return len(tokens) == WORDS and all(token in self._folded for token in tokens)

    def close(self) -> None:
        """Let the threads go."""
        self._pool.shutdown()

    def _hash(self, words: str) -> bytes:
        secret = hmac.digest(self._pepper, fold(words).encode(), "sha256")
        return hash_secret_raw(secret, self._salt, 2, 19 * 1024, 1, 32, Type.ID)


def _tokens(text: str) -> list[str]:
    return "".join(character if character.isalpha() else " " for character in fold(text)).split()


class CodeBrake:
    """Limits guesses per source and in total, and fails closed: if counting fails, nobody may guess.

    Five misses a quarter of an hour for a source, thirty for the network address behind it if that is
    another thing (a whole school may be behind one), and twenty guesses a second for the whole house.
    """

    _PER_ADDRESS = RateLimitItemPerMinute(30, 15)
    _PER_SOURCE = RateLimitItemPerMinute(5, 15)
    _IN_ALL = RateLimitItemPerSecond(20)

    def __init__(self) -> None:
        self._limiter = MovingWindowRateLimiter(MemoryStorage())

    def check(self, source: str, address: str = "") -> None:
        """Raise `TooMany` when ``source`` may not try now, or nobody at ``address``."""
        try:
            allowed = self._limiter.test(self._PER_SOURCE, source)
            allowed = allowed and (not address or self._limiter.test(self._PER_ADDRESS, "address", address))
            allowed = allowed and self._limiter.hit(self._IN_ALL, "all")
        except Exception:  # a brake that is broken must not be a brake that is off
            allowed = False
        if not allowed:
            raise TooMany

    def missed(self, source: str, address: str = "") -> None:
        """Count a wrong code against ``source`` and ``address``."""
        self._limiter.hit(self._PER_SOURCE, source)
        if address:
            self._limiter.hit(self._PER_ADDRESS, "address", address)


_INSERT = sa.insert(ReturnCode)


def issue(
    session: Session,
    vault: Vault,
    code: NewCode,
    receipt: str,
    kind: str,
    subject: str,
    at: datetime,
    *,
    read_aloud: bool = False,
) -> None:
    """Store ``code`` under ``receipt`` for what ``kind`` and ``subject`` say, in the caller's transaction."""
    data_key = vault.new_key()
    row = {
        "id": receipt,
        "digest": code.digest,
        "kind": kind,
        "subject": subject,
        "created_at": at,
        "data_key": data_key,
        "unsaved": vault.seal(data_key, f"return_code.unsaved:{receipt}", code.words),
        "read_aloud": read_aloud,
    }
    session.connection().execute(_INSERT, row)


def exchange(session: Session, vault: Vault, heard: ReturnCode, code: NewCode, at: datetime) -> tuple[str, str]:
    """A code of the person's own instead of one that was read aloud: its receipt and words.

    The words stay the same for as long as they are not saved, so that a cut connection costs nothing.
    """
    own = session.scalar(
        sa.select(ReturnCode).where(ReturnCode.subject == heard.subject, ReturnCode.read_aloud.is_(False))
    )
    if own is not None:
        words = unsaved_words(session, vault, own.id)
        if words is not None:
            return own.id, words
        session.delete(own)
    receipt = new_id()
    issue(session, vault, code, receipt, heard.kind, heard.subject, at)
    return receipt, code.words


def lookup(session: Session, digest: bytes, issued_after: datetime) -> ReturnCode | None:
    """The row that a digest opens, or None if there is none or it is too old."""
    return session.scalar(
        sa.select(ReturnCode).where(ReturnCode.digest == digest, ReturnCode.created_at > issued_after)
    )


def unsaved_words(session: Session, vault: Vault, receipt: str) -> str | None:
    """The words of a code that the person has not yet said is saved; None afterwards."""
    row = session.get(ReturnCode, receipt)
    if row is None or row.unsaved is None:
        return None
    return vault.open(row.data_key, f"return_code.unsaved:{receipt}", row.unsaved)


def mark_saved(session: Session, receipt: str) -> None:
    """Forget the words; only the slow hash remains. A code for the same that was read aloud is gone."""
    session.execute(sa.update(ReturnCode).where(ReturnCode.id == receipt).values(unsaved=None))
    same = sa.select(ReturnCode.subject).where(ReturnCode.id == receipt).scalar_subquery()
    session.execute(
        sa.delete(ReturnCode).where(
            ReturnCode.subject == same, ReturnCode.id != receipt, ReturnCode.read_aloud.is_(True)
        )
    )


def valid_since(session: Session, receipt: str) -> datetime | None:
    """The moment that a code's validity is counted from, or None when it opens nothing any more."""
    return session.scalar(sa.select(ReturnCode.created_at).where(ReturnCode.id == receipt, ReturnCode.kind != CLOSED))


def renew(session: Session, receipt: str, at: datetime) -> None:
    """Count a code's validity from ``at``."""
    session.execute(sa.update(ReturnCode).where(ReturnCode.id == receipt).values(created_at=at))


def close(session: Session, receipt: str) -> None:
    """Let a code open nothing any more; it is still known until its time is over."""
    session.execute(sa.update(ReturnCode).where(ReturnCode.id == receipt).values(kind=CLOSED, unsaved=None))


def revoke(session: Session, subject: str) -> None:
    """Take away every code that opens ``subject``."""
    session.execute(sa.delete(ReturnCode).where(ReturnCode.subject == subject))


def point(session: Session, receipt: str, kind: str, subject: str) -> None:
    """Let a code open something else than before: the talk that came of a request, for instance."""
    session.execute(sa.update(ReturnCode).where(ReturnCode.id == receipt).values(kind=kind, subject=subject))


def forget(session: Session, now: datetime, keep: timedelta) -> None:
    """Drop the sealed words of codes shown more than an hour ago, and whole codes older than ``keep``."""
    session.execute(
        sa.update(ReturnCode)
        .where(ReturnCode.unsaved.is_not(None), ReturnCode.created_at < now - SHOWN_FOR)
        .values(unsaved=None)
    )
    session.execute(sa.delete(ReturnCode).where(ReturnCode.created_at < now - keep))
