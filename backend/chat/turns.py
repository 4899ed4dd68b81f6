"""Turns in flight: what the action server may do, and only while somebody waits for it.

The assistant's actions call back over HTTP to hold a time or send a concern. They
carry the turn's random token. A forged call has none, and a call from a turn that
was given up comes too late: both change nothing, so nothing is ever booked behind
the back of a person who was told that the assistant is away.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from backend.core.errors import NotFound
from backend.core.reader import Reader


@dataclass(slots=True)
class Issued:
    """A booking, concern or draft that was committed during the turn, for the message that tells of it."""

    receipt: str
    kind: str
    facts: dict[str, str]
    shown: bool = False


@dataclass(slots=True)
class Turn:
    """One turn of one chat. ``issued`` is what its calls have committed.

    ``unmet``: it was told that there is no time within the promise, so it is to be told of another way too.
    """

    token: str
    chat_id: str
    holder: str
    reader: Reader
    issued: dict[str, Issued] = field(default_factory=dict)
    unmet: bool = False
    closed: bool = False
    working: asyncio.Lock = field(default_factory=asyncio.Lock)


class Turns:
    """The register of turns in flight."""

    def __init__(self) -> None:
        self._open: dict[str, Turn] = {}

    def begin(self, chat_id: str, holder: str, reader: Reader) -> Turn:
        """Open a turn for a chat."""
        turn = Turn(secrets.token_urlsafe(24), chat_id, holder, reader)
        self._open[turn.token] = turn
        return turn

    async def end(self, turn: Turn) -> None:
        """Let a call that is at work finish its commit, then accept no more."""
        async with turn.working:
            turn.closed = True
            self._open.pop(turn.token, None)

    @contextlib.asynccontextmanager
    async def working(self, token: str) -> AsyncIterator[Turn]:
        """The turn that a call belongs to, one call at a time; raises `NotFound` for a forged or late one."""
        turn = self._open.get(token)
        if turn is None:
            raise NotFound
        async with turn.working:
            if turn.closed:
                raise NotFound
            yield turn
