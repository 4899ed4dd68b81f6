"""The only way out of the action server: the backend's internal API, over HTTP.

Every call carries the turn it belongs to. The backend answers only while that turn is in
flight and finds the chat by it, so a forged or a late call changes nothing. No call carries
anybody's words: messages are named by their ids, and the backend reads its own copy. Every call
has a key, so that one whose answer was lost can be sent again and nothing is done twice.
"""

from __future__ import annotations

import asyncio
import json
import os
from hashlib import sha256
from typing import Any

import aiohttp

WANTED = ("from", "to", "after", "before", "gender", "language", "same")
"""How a wish for a time, and for whom to talk with, is told."""

SECONDS = 1.5
"""How long a call may take. Rasa gives an action 2 s; the rest is for answering kindly."""


class BackendDown(Exception):
    """No answer, or none that can be read: the backend cannot help in this turn."""


class BackendRefused(Exception):
    """The backend understood and said no (4xx).

    `code` is its reason, such as "taken"; `body` the whole answer.
    """

    def __init__(self, status: int, code: str, body: dict[str, Any]) -> None:
        super().__init__(code)
        self.status = status
        self.code = code
        self.body = body

    @property
    def times(self) -> list[dict[str, Any]]:
        """Free times that the backend offers in place of the one asked for."""
        times = self.body.get("times")
        return times if isinstance(times, list) else []


def _required(name: str) -> str:
    value = os.environ.get(name, "")
    if not value:
        raise RuntimeError(f"{name} is not set: the action server cannot reach the backend")
    return value


# Read when the action server starts, so that a missing secret stops it there and then.
BASE_URL = _required("BACKEND_URL").rstrip("/")
TOKEN = _required("INTERNAL_TOKEN")


class Backend:
    """The internal API, for one turn."""

    def __init__(self, turn: str) -> None:
        self._turn = turn
        self._headers = {"Authorization": f"Bearer {TOKEN}", "X-Turn": turn}

    async def times(
        self, channel: str | None = None, skip: int = 0, wanted: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """Free times, nearest first; only those that are `wanted` (see `Turn.wanted`), if given.

        Returns {"times": [{"slot", "label", "start"}], "near": the same, "others": the same,
        "known": bool, "opens": label | None, "more": bool, "staffed": bool}. If there is none as
        wanted, `near` are the nearest to the hour with such a person, and `others` those with
        somebody else. `known` is false when "the same as last time" says nothing to the backend.

        Raises:
            BackendDown, BackendRefused.
        """
        asked = {name: (wanted or {}).get(name) for name in WANTED}
        answer = await self._post("times", {"channel": channel, "skip": skip, **asked})
        if not all(isinstance(answer.get(name), list) for name in ("times", "near", "others")):
            raise BackendDown
        return answer

    async def hold(self, slot: str) -> dict[str, Any]:
        """Hold a time for five minutes. Returns {"label", "therapist", "minutes", "channels"}.

        Raises:
            BackendRefused: "taken", with `times` near it; "already_booked".
            BackendDown.
        """
        return await self._post("holds", {"slot": slot})

    async def contact(self, message: str, by: str | None = None) -> dict[str, Any]:
        """Whether one of the chat's messages holds a number to call. Returns {"ok", "display"}.

        `by`: "sms" for a number that takes text messages, "mail" for an address instead.

        Raises:
            BackendRefused: "phone_invalid", "phone_not_mobile" or "mail_invalid".
            BackendDown.
        """
        return await self._post("contact", {"message": message, **({"by": by} if by else {})})

    async def book(
        self, channel: str, contact: str | None, safe: dict[str, Any] | None, interpreter: str | None = None
    ) -> dict[str, Any]:
        """Book the time that is held. Returns {"label", "channel", "therapist", "receipt", "ticket"}.

        Raises:
            BackendRefused: "hold_expired", with `times`.
            BackendDown.
        """
        body = {"channel": channel, "contact": contact, "safe": safe, "interpreter": interpreter}
        return await self._post("bookings", body)

    async def send_concern(self, concern: dict[str, Any]) -> dict[str, Any]:
        """Hand in a concern. Returns {"receipt", "unit"}.

        `concern`: {"parts": [message id], "about", "now", "contact", "reach", "safe",
        "interpreter"}.

        Raises:
            BackendDown, BackendRefused.
        """
        return await self._post("concerns", concern)

    async def keep_for_later(self, told: dict[str, Any]) -> dict[str, Any]:
        """Keep what has been told, unsent, to be gone on with by code. Returns {"receipt"}.

        `told`: {"parts": [message id], "about", "now", "interpreter"}.

        Raises:
            BackendDown, BackendRefused.
        """
        return await self._post("drafts", told)

    async def call_back(
        self, reach: str, contact: str | None, safe: dict[str, Any] | None, interpreter: str | None = None
    ) -> dict[str, Any]:
        """Have somebody in touch, by "phone" or with the "code". Returns {"deadline", "reach", "receipt"}.

        Raises:
            BackendDown, BackendRefused.
        """
        body = {"reach": reach, "contact": contact, "safe": safe, "interpreter": interpreter}
        return await self._post("callbacks", body)

    async def own(self, ticket: str) -> dict[str, Any]:
        """A talk that is booked.

        Returns {"label", "channel", "therapist", "state", "can_move", "can_rebook", "reminder"}. The
        last is None where there can be none, else {"ways": ["sms", "mail"], "by": the way one has
        asked for | None, "known": the number we call, shortened | None, "says": its words, "at": label}.

        Raises:
            BackendRefused: "wrong_code" when the ticket is too old.
            BackendDown.
        """
        return await self._post("own", {"ticket": ticket})

    async def move(self, ticket: str, slot: str) -> dict[str, Any]:
        """Give it another time. Returns {"label", "channel", "therapist", "state"}.

        Raises:
            BackendRefused: "taken", with `times`; "conflict"; "wrong_code".
            BackendDown.
        """
        return await self._post("moves", {"ticket": ticket, "slot": slot})

    async def cancel(self, ticket: str) -> bool:
        """Cancel it; False when it was cancelled before, or is over.

        Raises:
            BackendRefused: "wrong_code".
            BackendDown.
        """
        return bool((await self._post("cancellations", {"ticket": ticket})).get("cancelled"))

    async def remind(self, ticket: str, by: str | None, to: str | None = None) -> None:
        """Have oneself reminded of it by "sms" or "mail", or None not at all.

        `to` is the message with the number or address; without it the number that is to be called.

        Raises:
            BackendRefused: "phone_not_mobile", "phone_invalid", "mail_invalid"; "conflict"; "wrong_code".
            BackendDown.
        """
        await self._post("reminders", {"ticket": ticket, "reminder": {"by": by, "to": to} if by else None})

    async def release(self) -> None:
        """Let go of a time that is held for this chat, if any.

        Raises:
            BackendDown, BackendRefused.
        """
        await self._post("release", {})

    async def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        headers = {**self._headers, "Idempotency-Key": self._key(path, body)}
        try:
            async with asyncio.timeout(SECONDS), aiohttp.ClientSession(headers=headers) as session:
                try:
                    status, answer = await self._answer(session, path, body)
                except aiohttp.ClientConnectionError:
                    # Cut off on the way: perhaps it was done. The same key does it once.
                    status, answer = await self._answer(session, path, body)
        except (TimeoutError, aiohttp.ClientError, OSError, ValueError):
            raise BackendDown from None
        if status >= 500 or not isinstance(answer, dict):
            raise BackendDown
        if status >= 400:
            error = answer.get("error")
            code = error.get("code", "") if isinstance(error, dict) else ""
            raise BackendRefused(status, str(code), answer)
        return answer

    def _key(self, path: str, body: dict[str, Any]) -> str:
        """The same call in the same turn is the same deed, however often it is sent."""
        told = f"{self._turn} {path} {json.dumps(body, sort_keys=True)}"
        return sha256(told.encode()).hexdigest()

    @staticmethod
    async def _answer(session: aiohttp.ClientSession, path: str, body: dict[str, Any]) -> tuple[int, Any]:
        async with session.post(f"{BASE_URL}/internal/{path}", json=body) as response:
            return response.status, {} if response.status == 204 else await response.json()
