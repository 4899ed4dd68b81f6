"""Messages that leave the house, written in the same transaction as what they tell of.

Delivery is at least once: a row is marked as sent only after the mail server took
it, and a stable Message-ID lets the receiver drop a twin. Bodies say "ny händelse"
and nothing else: mail is not secret (JO 1376-2013).
"""

from __future__ import annotations

import asyncio
import smtplib
import ssl
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.message import EmailMessage
from functools import partial
from typing import Protocol
from urllib.parse import unquote, urlsplit

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, Session, mapped_column

from backend.core.clock import Clock
from backend.core.db import Base, Database, Instant
from backend.core.vault import new_id

_BATCH = 20
_FIRST_RETRY = timedelta(seconds=15)
_LONGEST_RETRY = timedelta(minutes=15)


class OutboxMessage(Base):
    """One message to send by ``channel``. ``state`` is ``pending``, ``sent`` or ``refused`` (the receiver said never)."""

    __tablename__ = "outbox_message"

    id: Mapped[str] = mapped_column(primary_key=True)
    channel: Mapped[str] = mapped_column(default="mail", server_default="mail")
    recipient: Mapped[str]
    subject: Mapped[str]
    body: Mapped[str]
    state: Mapped[str] = mapped_column(default="pending")
    attempts: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime] = mapped_column(Instant)
    next_at: Mapped[datetime] = mapped_column(Instant)
    sent_at: Mapped[datetime | None] = mapped_column(Instant)
    error: Mapped[str] = mapped_column(default="")

    __table_args__ = (sa.Index(None, "state", "next_at"),)


@dataclass(frozen=True, slots=True)
class Mail:
    """What a transport needs: addresses, words and an id that stays the same over retries."""

    id: str
    recipient: str
    subject: str
    body: str


class Refused(Exception):
    """The receiving server will never take this mail (a permanent 5xx answer)."""


class Transport(Protocol):
    """Something that can deliver a mail, called in a worker thread."""

    def send(self, mail: Mail) -> None:
        """Deliver, or raise: `Refused` for never, anything else for later."""
        ...


class ConsoleTransport:
    """Prints that a mail would have gone out. For a developer's machine, where no mail server is."""

    def send(self, mail: Mail) -> None:
        """See `Transport.send`."""
        print(f"[mail] to {mail.recipient}: {mail.subject}", file=sys.stderr, flush=True)


class SmtpTransport:
    """``smtp://user:password@host:25`` or ``smtps://host:465``; ``smtp`` upgrades by STARTTLS when offered."""

    def __init__(self, url: str, sender: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("smtp", "smtps") or not parts.hostname:
            raise ValueError("SMTP_URL must look like smtp://host:port or smtps://host:port")
        self._parts = parts
        self._sender = sender

    def send(self, mail: Mail) -> None:
        """See `Transport.send`."""
        message = EmailMessage()
        message["From"], message["To"], message["Subject"] = self._sender, mail.recipient, mail.subject
        message["Message-ID"] = f"<{mail.id}@{self._sender.partition('@')[2] or 'localhost'}>"
        message.set_content(mail.body)
        try:
            with self._connect() as server:
                server.send_message(message)
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


_INSERT = sa.insert(OutboxMessage)


def post(session: Session, at: datetime, recipient: str, subject: str, body: str, *, channel: str = "mail") -> None:
    """Put a message in the outbox within the caller's transaction. An empty ``recipient`` posts nothing."""
    if recipient:
        row = {"id": new_id(), "channel": channel, "recipient": recipient, "subject": subject, "body": body}
        session.connection().execute(_INSERT, row | {"created_at": at, "next_at": at})


async def deliver_due(database: Database, transports: Mapping[str, Transport], clock: Clock) -> int:
    """Send what is due by the transport of its channel, one message at a time; returns how many were taken.

    What has no transport here waits until it has one.
    """
    now = clock.now()

    def due(session: Session) -> Sequence[OutboxMessage]:
        return session.scalars(
            sa.select(OutboxMessage)
            .where(
                OutboxMessage.state == "pending", OutboxMessage.next_at <= now, OutboxMessage.channel.in_(transports)
            )
            .order_by(OutboxMessage.next_at)
            .limit(_BATCH)
        ).all()

    sent = 0
    for row in await database.read(due):
        state, error = "sent", ""
        try:
            await asyncio.to_thread(transports[row.channel].send, Mail(row.id, row.recipient, row.subject, row.body))
        except Refused as refusal:
            state, error = "refused", str(refusal)
        except Exception as failure:  # the network fails in many ways, and each means "later"
            state, error = "pending", type(failure).__name__
        await database.write(partial(_mark, row=row, state=state, error=error, at=clock.now()))
        sent += state == "sent"
    return sent


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
