"""Signed messages to the municipality's own systems: that something happened, and its id. Nothing else.

Standard Webhooks (standardwebhooks.com, 1.0): ``webhook-id``, ``webhook-timestamp`` and
``webhook-signature`` over the body with a secret of the endpoint's own. They go through the
outbox, in the same transaction as what they tell of: at least once, with an id that stays the
same over retries, so that a receiver can drop a twin. Whoever wants to know more logs in, or
fetches an export.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import urlsplit

import httpx
from sqlalchemy.orm import Session
from standardwebhooks.webhooks import Webhook

from backend.config import SettingsError
from backend.core import outbox
from backend.core.house import House
from backend.core.municipality import Municipality, WebhookEndpoint
from backend.core.outbox import Message, Refused

CHANNEL = "webhook"
_TIMEOUT_SECONDS = 10.0
_SHORTEST_SECRET = 24
"""Bytes, as Standard Webhooks asks for."""
_LOCAL = ("127.0.0.1", "localhost", "::1")


def announce(session: Session, house: House, at: datetime, event: str, subject: str) -> None:
    """Put ``event`` about the row ``subject`` in the outbox, for every endpoint that listens to it."""
    for endpoint in house.municipality.webhooks:
        if event in endpoint.events:
            body = json.dumps({"type": event, "timestamp": at.astimezone(UTC).isoformat(), "data": {"id": subject}})
            outbox.post(session, at, endpoint.id, event, body, channel=CHANNEL)


class WebhookTransport:
    """Posts to the endpoints of a municipality.

    Raises `SettingsError` at the start for an endpoint without a secret of at least 24 bytes, and for an
    address that is not https (plain http is taken on this machine only).
    """

    def __init__(self, municipality: Municipality, secrets: Mapping[str, str]) -> None:
        self._endpoints: dict[str, tuple[WebhookEndpoint, Webhook]] = {}
        for endpoint in municipality.webhooks:
            parts = urlsplit(endpoint.url)
            if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOCAL):
                raise SettingsError(f"webhooks: {endpoint.id}: the address must begin with https://")
            self._endpoints[endpoint.id] = endpoint, Webhook(_secret(endpoint.id, secrets))

    def send(self, message: Message) -> None:
        """See `backend.core.outbox.Transport.send`. An endpoint that is gone (410, or taken out of the file) is never."""
        known = self._endpoints.get(message.recipient)
        if known is None:
            raise Refused("no such endpoint")
        endpoint, signer = known
        # The receiver checks against its own clock that this try is fresh.
        now = datetime.now(UTC)
        message_id = f"msg_{message.id}"
        headers = {
            "content-type": "application/json",
            "webhook-id": message_id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": signer.sign(message_id, now, message.body),
        }
        answer = httpx.post(endpoint.url, content=message.body, headers=headers, timeout=_TIMEOUT_SECONDS)
        if answer.status_code == httpx.codes.GONE:
            raise Refused("410")
        if not answer.is_success:
            raise ConnectionError(str(answer.status_code))


def secret_name(endpoint_id: str) -> str:
    """The variable of the environment that holds an endpoint's secret: ``WEBHOOK_SECRET_JOURNAL`` for ``journal``."""
    return f"WEBHOOK_SECRET_{endpoint_id.upper().replace('-', '_')}"


def _secret(endpoint_id: str, secrets: Mapping[str, str]) -> bytes:
    name = secret_name(endpoint_id)
    try:
        secret = base64.b64decode(secrets.get(name, "").removeprefix("whsec_"), validate=True)
    except (binascii.Error, ValueError):
        secret = b""
    if len(secret) < _SHORTEST_SECRET:
        raise SettingsError(
            f"{name} is missing or too short: an endpoint's secret is 24 bytes or more in base64, "
            "whsec_ before it or not."
        )
    return secret
