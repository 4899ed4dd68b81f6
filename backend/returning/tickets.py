"""A code that has been shown once opens the pages after it by a ticket, so that its six words lie in no page.

The ticket names the code's row, when the person came, and when the code had last been used
before; it is signed, says nothing by itself, and is good for twenty minutes.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec

GOOD_FOR = timedelta(minutes=20)
_LONGEST = 600


class Ticket(msgspec.Struct, frozen=True, array_like=True):
    """``mark`` is the beginning of the code's digest: a code that was replaced since opens nothing."""

    receipt: str
    mark: str
    at: datetime
    used_before: datetime | None


@dataclass(frozen=True, slots=True)
class TicketOffice:
    """Writes and reads tickets with a key that never leaves the house."""

    key: bytes

    def write(self, ticket: Ticket) -> str:
        """The ticket as text for a form."""
        body = msgspec.json.encode(ticket)
        return base64.urlsafe_b64encode(self._sign(body) + body).decode().rstrip("=")

    def read(self, text: str, now: datetime) -> Ticket | None:
        """What was written, or None for what is forged, broken or too old."""
        if len(text) > _LONGEST:
            return None
        try:
            raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            return None
        signature, body = raw[:32], raw[32:]
        if not hmac.compare_digest(signature, self._sign(body)):
            return None
        ticket = msgspec.json.decode(body, type=Ticket)
        return ticket if ticket.at <= now < ticket.at + GOOD_FOR else None

    def _sign(self, body: bytes) -> bytes:
        return hmac.digest(self.key, b"ticket:" + body, "sha256")
