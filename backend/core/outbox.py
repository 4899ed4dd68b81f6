"""Messages that leave the house, written in the same transaction as what they tell of.

Delivery is at least once: a row is marked as sent only after the receiving server took
it, and a stable id lets the receiver drop a twin. Bodies to staff say "ny händelse" and
nothing else: mail is not secret (JO 1376-2013). What goes to a person who has asked for it
says less, and where it goes lies sealed until it is sent.
"""

from __future__ import annotations

import asyncio
import smtplib
import ssl
import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.message import EmailMessage
from functools import partial
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit

import httpx
import sqlalchemy as sa
from sqlalchemy.orm import Mapped, Session, mapped_column

from backend.core.clock import Clock
from backend.core.db import Base, Database, Instant
from backend.core.vault import Vault, new_id

STAFF = "mail"
"""The channel of notices to staff."""
PRIVATE_MAIL, SMS = "private_mail", "sms"
"""The channels to a person who has asked for it: another sender, and nothing that says what it is about."""
LATE = timedelta(minutes=5)
"""After this a message that has not gone out is told of in the staff app."""
_BATCH = 20
_FIRST_RETRY = timedelta(seconds=15)
_LONGEST_RETRY = timedelta(minutes=15)
_LATER = frozenset({401, 403, 404, 407, 408, 425, 429})
"""Client errors that a gateway mends by itself or somebody mends in the settings: the message is not given up."""


class OutboxMessage(Base):
    """One message to send by ``channel``. ``state`` is ``pending``, ``sent`` or ``refused`` (the receiver said never).

    ``about`` is the row that it tells of. ``due_at`` is when it was to go out, ``next_at`` the next try.
    ``recipient`` is empty when the address is a person's own: then it is ``sealed`` with ``data_key``.
    """

    __tablename__ = "outbox_message"

    id: Mapped[str] = mapped_column(primary_key=True)
    channel: Mapped[str] = mapped_column(default=STAFF, server_default=STAFF)
    about: Mapped[str | None] = mapped_column(index=True)
    recipient: Mapped[str]
    sealed: Mapped[bytes | None]
    data_key: Mapped[bytes | None]
    subject: Mapped[str]
    body: Mapped[str]
    state: Mapped[str] = mapped_column(default="pending")
    attempts: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime] = mapped_column(Instant)
    due_at: Mapped[datetime] = mapped_column(Instant)
    next_at: Mapped[datetime] = mapped_column(Instant)
    sent_at: Mapped[datetime | None] = mapped_column(Instant)
    error: Mapped[str] = mapped_column(default="")

    __table_args__ = (sa.Index(None, "state", "next_at"),)


@dataclass(frozen=True, slots=True)
class Message:
    """What a transport needs: address or number, words and an id that stays the same over retries."""

    id: str
    recipient: str
    subject: str
    body: str


class Refused(Exception):
    """The receiving server will never take this message (a permanent answer)."""


class Transport(Protocol):
    """Something that can deliver a message, called in a worker thread."""

    def send(self, message: Message) -> None:
        """Deliver, or raise: `Refused` for never, anything else for later."""
        ...


class ConsoleTransport:
    """Prints that a message would have gone out. For a developer's machine, where nothing else is."""

    def __init__(self, name: str = "mail", *, tell_recipient: bool = True) -> None:
        self._name = name
        self._tell_recipient = tell_recipient

    def send(self, message: Message) -> None:
        """See `Transport.send`."""
        to = f" to {message.recipient}" if self._tell_recipient else ""
        print(f"[{self._name}]{to}: {message.subject or message.body}", file=sys.stderr, flush=True)


class SmtpTransport:
    """``smtp://user:password@host:25`` or ``smtps://host:465``; ``smtp`` upgrades by STARTTLS when offered."""

    def __init__(self, url: str, sender: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("smtp", "smtps") or not parts.hostname:
            raise ValueError("SMTP_URL must look like smtp://host:port or smtps://host:port")
        self._parts = parts
        self._sender = sender

    def send(self, message: Message) -> None:
        """See `Transport.send`."""
        mail = EmailMessage()
        mail["From"], mail["To"], mail["Subject"] = self._sender, message.recipient, message.subject
        mail["Message-ID"] = f"<{message.id}@{self._sender.partition('@')[2] or 'localhost'}>"
        mail.set_content(message.body)
        try:
            with self._connect() as server:
                server.send_message(mail)
        except smtplib.SMTPRecipientsRefused as error:
            code = next(iter(error.recipients.values()))[0]
            raise (Refused(str(code)) if code >= 500 else ConnectionError(str(code))) from None
        except smtplib.SMTPResponseException as error:
            raise (
                Refused(str(error.smtp_code)) if error.smtp_code >= 500 else ConnectionError(str(error.smtp_code))
            ) from None

    def _connect(self) -> smtplib.SMTP:
        host = self._parts.hostname or ""
        context = ssl.create_default_context()
        if self._parts.scheme == "smtps":
            server: smtplib.SMTP = smtplib.SMTP_SSL(host, self._parts.port or 465, timeout=10, context=context)
        else:
            server = smtplib.SMTP(host, self._parts.port or 25, timeout=10)
            server.ehlo()
            if server.has_extn("starttls"):
                server.starttls(context=context)
        if self._parts.username:
            server.login(unquote(self._parts.username), unquote(self._parts.password or ""))
        return server


class SmsTransport:
    """An HTTP gateway for text messages, whichever the municipality has an agreement with.

    ``fields`` is what the gateway takes, by name: ``{to}``, ``{text}``, ``{sender}`` and ``{id}`` are
    filled in. The id is the same over retries and also goes in ``Idempotency-Key``. An answer of
    2xx is delivered, most of 4xx is never, everything else is later.
    """

    def __init__(
        self, url: str, fields: Mapping[str, str], *, authorization: str = "", sender: str = "", form: bool = False
    ) -> None:
        self._url = url
        self._fields = dict(fields)
        self._headers = {"Authorization": authorization} if authorization else {}
        self._sender = sender
        self._form = form

    def send(self, message: Message) -> None:
        """See `Transport.send`."""
        known = {"to": message.recipient, "text": message.body, "sender": self._sender, "id": message.id}
        body = {name: template.format_map(known) for name, template in self._fields.items()}
        answer = httpx.post(
            self._url,
            headers={**self._headers, "Idempotency-Key": message.id},
            timeout=httpx.Timeout(10, connect=5),
            **({"data": body} if self._form else {"json": body}),  # type: ignore[arg-type]
        )
        if answer.is_success:
            return
        if answer.is_client_error and answer.status_code not in _LATER:
            raise Refused(str(answer.status_code))
        raise ConnectionError(str(answer.status_code))


_INSERT = sa.insert(OutboxMessage)


def post(
    session: Session,
    at: datetime,
    recipient: str,
    subject: str,
    body: str,
    *,
    channel: str = STAFF,
    about: str | None = None,
) -> None:
    """Put a message in the outbox within the caller's transaction. An empty ``recipient`` posts nothing."""
    if recipient:
        row = {"id": new_id(), "channel": channel, "recipient": recipient, "subject": subject, "body": body}
        session.connection().execute(_INSERT, row | {"about": about, "created_at": at, "due_at": at, "next_at": at})


def post_sealed(
    session: Session,
    vault: Vault,
    at: datetime,
    recipient: str,
    subject: str,
    body: str,
    *,
    channel: str,
    about: str,
    due: datetime,
) -> None:
    """Put a message to a person's own address or number in the outbox, to go out at ``due``."""
    row_id, data_key = new_id(), vault.new_key()
    row: dict[str, Any] = {"id": row_id, "channel": channel, "about": about, "recipient": "", "subject": subject}
    row |= {"body": body, "created_at": at, "due_at": due, "next_at": due, "data_key": data_key}
    row["sealed"] = vault.seal(data_key, f"outbox_message.sealed:{row_id}", recipient)
    session.connection().execute(_INSERT, row)


def withdraw(session: Session, about: str, channels: Collection[str]) -> None:
    """Take back what tells of ``about`` by these channels and has not gone out."""
    session.execute(
        sa.delete(OutboxMessage).where(
            OutboxMessage.about == about, OutboxMessage.channel.in_(channels), OutboxMessage.state == "pending"
        )
    )


def _not_gone(now: datetime) -> sa.ColumnElement[bool]:
    late = sa.and_(OutboxMessage.state == "pending", OutboxMessage.due_at <= now - LATE)
    return sa.or_(late, OutboxMessage.state == "refused")


def not_gone(session: Session, now: datetime, about: Collection[str]) -> set[tuple[str, str]]:
    """Which of ``about`` have a message that should have gone out and has not, with its channel."""
    rows = session.execute(
        sa.select(OutboxMessage.about, OutboxMessage.channel).where(OutboxMessage.about.in_(about), _not_gone(now))
    )
    return {(subject, channel) for subject, channel in rows if subject is not None}


def staff_not_told(session: Session, now: datetime) -> tuple[int, datetime | None]:
    """How many notices to staff should have gone out and have not, and since when."""
    count, since = session.execute(
        sa.select(sa.func.count(), sa.func.min(OutboxMessage.due_at)).where(
            OutboxMessage.channel == STAFF, _not_gone(now)
        )
    ).one()
    return count, since


async def deliver_due(
    database: Database, transports: Mapping[str, Transport], clock: Clock, vault: Vault | None = None
) -> int:
    """Send what is due by the transport of its channel; returns how many were taken.

    Channels go side by side, so that a hanging gateway keeps no mail waiting; within one they
    go one at a time. What has no transport here waits until it has one. ``vault`` opens
    what is sealed.
    """
    sent = await asyncio.gather(
        *(_deliver(database, channel, transport, clock, vault) for channel, transport in transports.items())
    )
    return sum(sent)


async def _deliver(database: Database, channel: str, transport: Transport, clock: Clock, vault: Vault | None) -> int:
    now = clock.now()

    def due(session: Session) -> Sequence[OutboxMessage]:
        return session.scalars(
            sa.select(OutboxMessage)
            .where(OutboxMessage.state == "pending", OutboxMessage.next_at <= now, OutboxMessage.channel == channel)
            .order_by(OutboxMessage.next_at)
            .limit(_BATCH)
        ).all()

    sent = 0
    for row in await database.read(due):
        state, error = "sent", ""
        try:
            message = Message(row.id, _recipient(row, vault), row.subject, row.body)
            await asyncio.to_thread(transport.send, message)
        except Refused as refusal:
            state, error = "refused", str(refusal)
        except Exception as failure:  # the network fails in many ways, and each means "later"
            state, error = "pending", type(failure).__name__
        await database.write(partial(_mark, row=row, state=state, error=error, at=clock.now()))
        sent += state == "sent"
    return sent


def _recipient(row: OutboxMessage, vault: Vault | None) -> str:
    if row.sealed is None or row.data_key is None or vault is None:
        return row.recipient
    return vault.open(row.data_key, f"outbox_message.sealed:{row.id}", row.sealed)


def forget_sent(session: Session, before: datetime) -> None:
    """Remove mails that were dealt with before a moment. What still waits is never removed."""
    session.execute(sa.delete(OutboxMessage).where(OutboxMessage.state != "pending", OutboxMessage.created_at < before))


def _mark(session: Session, row: OutboxMessage, state: str, error: str, at: datetime) -> None:
    wait = min(_FIRST_RETRY * 2**row.attempts, _LONGEST_RETRY)
    session.execute(
        sa.update(OutboxMessage)
        .where(OutboxMessage.id == row.id)
        .values(
            state=state,
            error=error,
            attempts=row.attempts + 1,
            sent_at=at if state == "sent" else None,
            next_at=at + wait,
        )
    )
