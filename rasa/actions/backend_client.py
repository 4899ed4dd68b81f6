"""The only way out of the action server: the backend's internal API, over HTTP.

Every call carries the turn it belongs to. The backend answers only while that turn is in
flight and finds the chat by it, so a forged or a late call changes nothing. No call carries
anybody's words: messages are named by their ids, and the backend reads its own copy.
"""

from __future__ import annotations

import os
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
        """Hold a time for five minutes. Returns {"label", "therapist", "minutes"}.

        Raises:
            BackendRefused: "taken", with `times` near it; "already_booked".
            BackendDown.
        """
        return await self._post("holds", {"slot": slot})

    async def contact(self, message: str) -> dict[str, Any]:
        """Keep the phone number in one of the chat's messages. Returns {"ok", "display"}.

        Raises:
            BackendRefused: "phone_invalid" or "email_invalid".
            BackendDown.
        """
        return await self._post("contact", {"message": message})

    async def book(
        self, channel: str, contact: str | None, safe: dict[str, Any] | None, interpreter: str | None = None
    ) -> dict[str, Any]:
        """Book the time that is held. Returns {"label", "channel", "therapist", "receipt"}.

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

    async def release(self) -> None:
        """Let go of a time that is held for this chat, if any.

        Raises:
            BackendDown, BackendRefused.
        """
        await self._post("release", {})

    async def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        timeout = aiohttp.ClientTimeout(total=SECONDS)
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout, headers=self._headers) as session,
                session.post(f"{BASE_URL}/internal/{path}", json=body) as response,
            ):
                status = response.status
                answer = {} if status == 204 else await response.json()
        except (TimeoutError, aiohttp.ClientError, OSError, ValueError):
            raise BackendDown from None
        if status >= 500 or not isinstance(answer, dict):
            raise BackendDown
        if status >= 400:
            error = answer.get("error")
            code = error.get("code", "") if isinstance(error, dict) else ""
            raise BackendRefused(status, str(code), answer)
        return answer
