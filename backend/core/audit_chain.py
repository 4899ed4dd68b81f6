"""The audit log's seal: a chain that shows which row was changed, taken out or put in past the application.

Chaining each row as it is written would put all writers in one line. So rows are written
freely, and a background job seals what has come, about a second later: one `AuditSeal` for
a batch of rows in id order, bound to the seal before it. Rows younger than that are not yet
protected. Marks and digests are keyed, so that whoever can write to the database but does
not know the settings' secrets cannot make a new chain. What cuts off the end of the chain
shows against a head that was kept elsewhere: see ``audit-verify --anchor``.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from itertools import zip_longest
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, Session, mapped_column

from backend.core.audit import AuditEvent
from backend.core.clock import Clock
from backend.core.db import Base, Database, Instant

log = logging.getLogger("koll")

_BATCH = 2_000
"""Rows in one seal at most."""
_ENTRY = struct.Struct(">q16s")
"""A row's id and the first half of its keyed digest."""
_START = bytes(32)
_SLICE = 10_000
"""Rows that a check reads at a time."""
_PATROL = 2_000
_LINKS = 2_000
"""Links that a check reads at a time, at most."""


class AuditSeal(Base):
    """One link. ``entries`` names its rows in id order with a keyed mark of each; ``digest`` binds them to the link before."""

    __tablename__ = "audit_seal"

    no: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    at: Mapped[datetime] = mapped_column(Instant)
    last_id: Mapped[int]
    entries: Mapped[bytes]
    digest: Mapped[bytes]


@dataclass(frozen=True, slots=True)
class Head:
    """The chain's newest link. Kept outside the database, it shows later whether the end was cut off."""

    no: int = 0
    digest: bytes = _START
    last_id: int = 0

    def __str__(self) -> str:
        return f"{self.no}:{self.digest.hex()}"


@dataclass(frozen=True, slots=True)
class Broken:
    """The first thing that does not fit.

    ``kind`` is ``changed``, ``missing`` or ``added`` with the ``id`` of an audit row, ``seal``
    with the number of a seal, or ``anchor`` with the number of a head that is no longer there.
    """

    kind: str
    id: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a check found: how many sealed rows it read, the head, how many rows wait for a seal, what is broken."""

    rows: int
    head: Head
    waiting: int
    broken: Broken | None


def chain_key(pepper: bytes) -> bytes:
    """The chain's key, derived from the settings' ``CODE_PEPPER``; a new pepper starts what an old chain cannot verify."""
    return hmac.digest(pepper, b"audit-chain", "sha256")


def marker(key: bytes) -> Callable[[tuple[Any, ...]], bytes]:
    """What gives the keyed mark of a row, in the order of `COLUMNS`: half of its HMAC-SHA256 (RFC 2104).

    The key's part of the work is done once for all rows, which leaves less than half of it for each.
    """
    block = key.ljust(hashlib.sha256().block_size, b"\0")
    inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in block)).copy
    outer = hashlib.sha256(bytes(byte ^ 0x5C for byte in block)).copy
    encode = msgspec.json.Encoder().encode

    def marked(row: tuple[Any, ...]) -> bytes:
        within, around = inner(), outer()
        within.update(encode(row))
        around.update(within.digest())
        return around.digest()[:16]

    return marked


COLUMNS = (
    AuditEvent.id,
    AuditEvent.at,
    AuditEvent.actor,
    AuditEvent.actor_unit,
    AuditEvent.actor_roles,
    AuditEvent.tag,
    AuditEvent.subject,
    AuditEvent.detail,
    AuditEvent.reason_key,
    AuditEvent.reason,
)


def _bind(key: bytes, before: bytes, no: int, at: datetime, entries: bytes) -> bytes:
    return hmac.digest(key, msgspec.json.encode((before, no, at, entries)), "sha256")


@dataclass(slots=True)
class AuditChain:
    """Seals and checks one municipality's log. ``found`` is what the patrol has seen, for staff to read."""

    db: Database
    clock: Clock
    key: bytes
    found: Verdict | None = None
    found_at: datetime | None = None
    _told_on: date | None = None
    _open: tuple[int, frozenset[str]] | None = None
    _round: _Round = field(default_factory=lambda: _Round())

    async def seal(self) -> int:
        """Seal what has come; returns how many rows. Two processes may try at once: one of them wins."""
        sealed = 0
        while True:
            batch = await self.db.read(self._unsealed)
            if batch is None:
                return sealed
            try:
                await self.db.write(lambda session, batch=batch: session.add(batch))  # type: ignore[misc]
            except IntegrityError:
                return sealed
            sealed += len(batch.entries) // _ENTRY.size

    def seal_now(self) -> None:
        """`seal` for the command line and tests."""
        while (batch := self.db.read_now(self._unsealed)) is not None:
            self.db.write_now(lambda session, batch=batch: session.add(batch))  # type: ignore[misc]

    def _unsealed(self, session: Session) -> AuditSeal | None:
        head = _head(session)
        final = self._final(session)
        rows = _rows(session, head.last_id, final, _BATCH)
        if not rows:
            return None
        entries = _entries(self.key, rows)
        no, at = head.no + 1, self.clock.now()
        return AuditSeal(
            no=no, at=at, last_id=rows[-1][0], entries=entries, digest=_bind(self.key, head.digest, no, at, entries)
        )

    def _final(self, session: Session) -> int:
        """The highest id below which no row can still appear.

        SQLite has one writer, whose ids are in the order of its commits. PostgreSQL hands out
        ids before the commit, so a lower one may appear after a higher one. Whoever has been
        handed an id holds a lock on the table until the end of the transaction; when everybody
        who held one at the time of the highest id is gone, nothing at or below it is to come.
        """
        if self.db.sqlite:
            return session.scalar(sa.select(sa.func.max(AuditEvent.id))) or 0
        if self._open is None:
            highest = session.scalar(sa.text("SELECT last_value FROM audit_event_id_seq"))
            self._open = (highest or 0, _writers(session))
        highest, then = self._open
        if then and then & _writers(session):
            return 0
        self._open = None
        return highest

    def verify(self, session: Session, anchor: tuple[int, str] | None = None) -> Verdict:
        """Read the whole chain and every sealed row; ``anchor`` is a head as ``(number, digest in hex)`` kept elsewhere."""
        round_ = _Round()
        while round_.broken is None and round_.advance(session, self.key, _SLICE, anchor):
            pass
        return round_.verdict(session, anchor)

    async def patrol(self) -> None:
        """Check the next few thousand rows; when the end is reached, ``found`` tells and the next round begins."""
        going_on = await self.db.read(lambda session: self._round.advance(session, self.key, _PATROL))
        if self._round.broken is None and going_on:
            return
        round_, self._round = self._round, _Round()
        self.found, self.found_at = await self.db.read(round_.verdict), self.clock.now()
        if self.found.broken is not None:
            log.error("the audit log is broken: %s %d", self.found.broken.kind, self.found.broken.id)
        elif self._told_on != self.found_at.date():
            # The log is kept elsewhere than the database: there the head is an anchor.
            self._told_on = self.found_at.date()
            log.info("the audit log is whole, %d rows; head %s", self.found.rows, self.found.head)


@dataclass(slots=True)
class _Round:
    """One walk along the chain, which can be interrupted."""

    head: Head = field(default_factory=Head)
    rows: int = 0
    broken: Broken | None = None
    anchored: bool = False

    def advance(self, session: Session, key: bytes, rows: int, anchor: tuple[int, str] | None = None) -> bool:
        """Check the links that come next, about ``rows`` rows; False when there are none left."""
        seals = _next_seals(session, self.head.no, rows)
        if not seals:
            return False
        start = self.head.last_id if self.head.no else None
        expected: list[bytes] = []
        for seal in seals:
            bound = _bind(key, self.head.digest, self.head.no + 1, seal.at, seal.entries)
            whole = seal.no == self.head.no + 1 and _ends_with(seal.entries, seal.last_id)
            if not whole or not hmac.compare_digest(bound, seal.digest):
                self.broken = Broken("seal", self.head.no + 1)
                return False
            if anchor == (seal.no, seal.digest.hex()):
                self.anchored = True
            expected.append(seal.entries)
            self.head = Head(seal.no, seal.digest, seal.last_id)
        self._compare(session, key, start, b"".join(expected))
        return self.broken is None

    def verdict(self, session: Session, anchor: tuple[int, str] | None = None) -> Verdict:
        """What has been found so far."""
        waiting = session.scalar(
            sa.select(sa.func.count()).select_from(AuditEvent).where(AuditEvent.id > self.head.last_id)
        )
        broken = self.broken
        if broken is None and anchor is not None and not self.anchored:
            broken = Broken("anchor", anchor[0])
        return Verdict(self.rows, self.head, waiting or 0, broken)

    def _compare(self, session: Session, key: bytes, start: int | None, expected: bytes) -> None:
        """Compare the rows after ``start`` with their entries, all at once; one by one only to name what does not fit."""
        found = _entries(key, _rows(session, start, self.head.last_id))
        if hmac.compare_digest(found, expected):
            self.rows += len(expected) // _ENTRY.size
            return
        there, wanted = _ENTRY.iter_unpack(found), _ENTRY.iter_unpack(expected)
        for row, entry in zip_longest(there, wanted):
            if row == entry:
                self.rows += 1
                continue
            if entry is None or (row is not None and row[0] < entry[0]):
                self.broken = Broken("added", row[0])
            elif row is None or row[0] > entry[0]:
                self.broken = Broken("missing", entry[0])
            else:
                self.broken = Broken("changed", row[0])
            return


def _ends_with(entries: bytes, last_id: int) -> bool:
    """Whether entries are whole ones, and the last is that of a row."""
    return bool(entries) and not len(entries) % _ENTRY.size and _ENTRY.unpack(entries[-_ENTRY.size :])[0] == last_id


def _entries(key: bytes, rows: Sequence[tuple[Any, ...]]) -> bytes:
    marked, pack = marker(key), _ENTRY.pack
    return b"".join([pack(row[0], marked(row)) for row in rows])


def _rows(session: Session, after: int | None, until: int, at_most: int | None = None) -> Sequence[tuple[Any, ...]]:
    """The rows with ids after one, or from the very first, and up to another, in order, as they are marked.

    Read past the library's own rows and types, which cost several times the reading itself: a log is checked
    by the hundred thousand.
    """
    connection = session.connection()
    sqlite = connection.dialect.name == "sqlite"
    query = sa.select(*(_SQLITE_COLUMNS if sqlite else COLUMNS)).where(AuditEvent.id <= until)
    if after is not None:
        query = query.where(AuditEvent.id > after)
    sql = query.order_by(AuditEvent.id).limit(at_most).compile(connection, compile_kwargs={"literal_binds": True})
    cursor = connection.connection.cursor()
    try:
        cursor.execute(str(sql))
        found: Sequence[tuple[Any, ...]] = cursor.fetchall()
    finally:
        cursor.close()
    return found if sqlite else [(row[0], row[1].astimezone(UTC), *row[2:]) for row in found]


# SQLite keeps an instant as text without a zone; the mark is of the form that JSON has for it.
_AS_JSON = sa.func.replace(sa.func.replace(sa.type_coerce(AuditEvent.at, sa.String), " ", "T"), ".000000", "") + "Z"
_SQLITE_COLUMNS = (AuditEvent.id, _AS_JSON, *COLUMNS[2:])


def _next_seals(session: Session, after: int, rows: int) -> Sequence[AuditSeal]:
    """The links that come next, of about ``rows`` rows. How long they are is asked first: a link can be one row or thousands."""
    lengths = session.execute(
        sa.select(AuditSeal.no, sa.func.length(AuditSeal.entries))
        .where(AuditSeal.no > after)
        .order_by(AuditSeal.no)
        .limit(_LINKS)
    )
    last = after
    for no, length in lengths:
        last = no
        rows -= length // _ENTRY.size
        if rows <= 0:
            break
    between = sa.select(AuditSeal).where(AuditSeal.no > after, AuditSeal.no <= last)
    return session.scalars(between.order_by(AuditSeal.no)).all()


def _head(session: Session) -> Head:
    newest = session.scalar(sa.select(AuditSeal).order_by(AuditSeal.no.desc()).limit(1))
    return Head() if newest is None else Head(newest.no, newest.digest, newest.last_id)


def _writers(session: Session) -> frozenset[str]:
    return frozenset(
        session.scalars(
            sa.text(
                "SELECT DISTINCT virtualtransaction FROM pg_locks WHERE locktype = 'relation'"
                " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
                " AND relation = 'audit_event'::regclass AND mode <> 'AccessShareLock'"
            )
        )
    )
