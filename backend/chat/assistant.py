"""The one way to Rasa: a turn with a deadline, a breaker, and a probe that closes it again.

Rasa waits without end for a slow conversation, and a child does not. A turn that
takes longer than the deadline is given up, the breaker opens, and every following
message is answered at once without Rasa until a probe finds it healthy.
"""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import msgspec

from backend.core.clock import STOCKHOLM, Clock, SystemClock

MAX_REPLY = 256 * 1024
"""Bytes; a sane turn is a few kB, so more is a fault."""


class AssistantDown(Exception):
    """No usable answer within the deadline."""


class TurnFailed(AssistantDown):
    """The assistant is there and undid this turn. One bad turn does not open the breaker for everybody."""


class Button(msgspec.Struct, frozen=True):
    """A button as the assistant names it; the payload never leaves the backend."""

    title: str
    payload: str


class Utterance(msgspec.Struct, frozen=True):
    """One thing said: words, buttons and a directive that the backend carries out. ``name`` is the answer's."""

    name: str | None = None
    text: str | None = None
    buttons: list[Button] = []
    custom: dict[str, Any] | None = None


class Guess(msgspec.Struct, frozen=True):
    """What the assistant took a message for."""

    name: str | None = None
    confidence: float = 0.0


class State(msgspec.Struct, frozen=True):
    """Where the dialogue stands: enough to go on after Rasa has been restarted."""

    slots: dict[str, Any] = {}
    loop: str | None = None
    requested: str | None = None


class Reply(msgspec.Struct, frozen=True):
    """One turn's outcome."""

    messages: list[Utterance]
    intent: Guess
    state: State
    ranking: list[Guess] = []
    loop: str | None = None
    requested: str | None = None


class Assistant:
    """Talks to the custom channel. ``up`` says whether the breaker is closed."""

    def __init__(self, url: str, token: str, deadline: float, clock: Clock | None = None) -> None:
        self._deadline = deadline
        self._clock = clock or SystemClock()
        self._client = httpx.AsyncClient(
            base_url=url,
            headers={"Authorization": f"Bearer {token}"},
            timeout=deadline,
            trust_env=False,  # a proxy of the machine is no place for what a child writes
            limits=httpx.Limits(max_connections=64, max_keepalive_connections=16),
        )
        self.up = False

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def turn(
        self,
        *,
        conversation: str,
        turn: str,
        message: str | None,
        state: State,
        text: str | None = None,
        vector: dict[str, str] | None = None,
        command: dict[str, Any] | None = None,
    ) -> Reply:
        """Have one turn; typed ``text`` can never act as a ``command``. Raises `AssistantDown`.

        ``vector`` is the text's sentence vector, if danger was looked for with one: making
        it again would take half of the assistant's time.
        """
        if not self.up:
            raise AssistantDown
        body: dict[str, Any] = {
            "conversation": conversation,
            "turn": turn,
            "message": message,
            "state": msgspec.to_builtins(state),
        }
        now = self._clock.now().astimezone(STOCKHOLM)
        body |= {"now": now.isoformat(timespec="seconds"), "zone": STOCKHOLM.key}
        body |= {"command": command} if command is not None else {"text": text, "vector": vector}
        try:
            async with asyncio.timeout(self._deadline):
                return msgspec.json.decode(await self._post("/webhooks/backend/turn", body), type=Reply)
        except TurnFailed:
            raise
        except (TimeoutError, httpx.HTTPError, msgspec.MsgspecError, AssistantDown):
            self.up = False
            raise AssistantDown from None

    async def forget(self, conversation: str) -> None:
        """Wipe the tracker; a Rasa that is down has nothing left to wipe, since trackers live in memory."""
        try:
            async with asyncio.timeout(self._deadline):
                await self._client.post("/webhooks/backend/forget", json={"conversation": conversation})
        except (TimeoutError, httpx.HTTPError):
            return

    async def probe(self) -> bool:
        """Ask for health, note it and return it."""
        try:
            async with asyncio.timeout(1.0):
                healthy = (await self._client.get("/webhooks/backend/health")).status_code == 200
        except (TimeoutError, httpx.HTTPError):
            healthy = False
        self.up = healthy
        return healthy

    async def _post(self, path: str, body: dict[str, Any]) -> bytes:
        async with self._client.stream("POST", path, json=body) as response:
            if response.status_code != 200:
                raise TurnFailed
            received = bytearray()
            async for chunk in response.aiter_bytes():
                received += chunk
                if len(received) > MAX_REPLY:
                    raise AssistantDown
            return bytes(received)
