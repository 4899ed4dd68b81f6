"""Open talks against a real backend process, for the benchmarks of the live conversation."""

from __future__ import annotations

import asyncio
import contextlib
import re
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from bench import servers
from scripts import steps
from scripts.environment import PYTHON

_TOKEN = re.compile(rb"marke\d{6}")
_BODY = {"Content-Type": "application/x-www-form-urlencoded"}


@dataclass(slots=True)
class Stream:
    """One open page. ``heard`` has when each token in a message arrived."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    heard: dict[bytes, float] = field(default_factory=dict)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)

    @classmethod
    async def open(cls, url: str, path: str, headers: Mapping[str, str]) -> Stream:
        """Ask for a stream and wait for its first bytes. Raises `RuntimeError` if it is refused."""
        parts = urlsplit(url)
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        writer.write(f"GET {path} HTTP/1.1\r\nHost: {parts.netloc}\r\n{lines}\r\n".encode())
        first = await reader.readuntil(b"\r\n")
        if b" 200 " not in first:
            raise RuntimeError(f"stream refused: {first!r}")
        await reader.readuntil(b"retry")
        return cls(reader, writer)

    async def listen(self) -> None:
        """Note every token that comes, until the connection ends."""
        rest = b""
        while data := await self.reader.read(65536):
            now = time.perf_counter()
            for token in _TOKEN.findall(rest + data):
                self.heard.setdefault(token, now)
            rest = data[-16:]
            self.arrived.set()

    async def hears(self, token: str, seconds: float = 20.0) -> float:
        """When the token arrived; raises `TimeoutError`."""
        wanted = token.encode()
        async with asyncio.timeout(seconds):
            while wanted not in self.heard:
                self.arrived.clear()
                await self.arrived.wait()
        return self.heard[wanted]

    def close(self) -> None:
        """Go away as a closed page does."""
        self.writer.close()


class House:
    """A running backend with one therapist who is in."""

    def __init__(self, url: str, pid: int, staff: httpx.AsyncClient, anybody: httpx.AsyncClient) -> None:
        self.url, self.pid, self.staff, self.anybody = url, pid, staff, anybody
        self.cookie = {"Cookie": "; ".join(f"{name}={value}" for name, value in staff.cookies.items())}

    async def talk(self) -> tuple[str, str]:
        """A chat in an open talk: the chat's id, and the talk's."""
        chat = (await self.anybody.post("/api/chats", json={})).json()["chat"]
        asked = await self.anybody.post("/api/chats/human", headers=bearer(chat))
        talk_id = str(asked.json()["talk"]["mark"].partition(".")[0])
        taken = await self.staff.post(f"/personal/samtal/{talk_id}/ta")
        if taken.status_code != 303:
            raise RuntimeError(f"not taken: {taken.status_code}")
        return chat, talk_id

    async def visitor_stream(self, chat: str) -> Stream:
        """The visitor's open page."""
        return await Stream.open(self.url, "/api/chats/stream", bearer(chat))

    async def staff_stream(self, talk_id: str) -> Stream:
        """The therapist's open page."""
        return await Stream.open(self.url, f"/personal/samtal/{talk_id}/nu", self.cookie)

    async def visitor_says(self, chat: str, text: str) -> None:
        """The visitor sends; raises `RuntimeError` if it was not taken."""
        answer = await self.anybody.post("/api/chats/messages", json={"text": text}, headers=bearer(chat))
        if answer.status_code != 200:
            raise RuntimeError(f"visitor: {answer.status_code}")

    async def staff_says(self, talk_id: str, text: str) -> None:
        """The therapist sends; raises `RuntimeError` if it was not taken."""
        path = f"/personal/samtal/{talk_id}/skriv"
        answer = await self.staff.post(path, content=f"text={text}", headers={"x-piece": "1", **_BODY})
        if answer.status_code != 200:
            raise RuntimeError(f"staff: {answer.status_code}")


def bearer(chat: str) -> dict[str, str]:
    """The header that a chat's page sends."""
    return {"Authorization": f"Bearer {chat}"}


async def together(count: int, at_once: int, work: Callable[[int], object]) -> list[object]:
    """``work(number)`` for each number, some at a time; the results in order."""
    gate = asyncio.Semaphore(at_once)

    async def one(number: int) -> object:
        async with gate:
            return await work(number)  # type: ignore[misc]

    return list(await asyncio.gather(*(one(number) for number in range(count))))


@contextlib.asynccontextmanager
async def open_house(directory: Path) -> AsyncIterator[House]:
    """A backend with danger's model at work, and a therapist who is in and takes talks."""
    env = servers.settings(directory)
    servers.migrate(env)
    added = subprocess.run(
        [PYTHON, "-m", "backend", "staff-add", "bench", "Bench", "therapist", "behandlare",
         "--hours", "mon,tue,wed,thu,fri:08:00-16:00"],
        env=env, cwd=steps.ROOT, check=True, capture_output=True, text=True,
    )  # fmt: skip
    process = steps.spawn([PYTHON, "-m", "backend", "serve"], "bench-live", env=env)
    url = env["PUBLIC_URL"]
    try:
        servers.until_ok(f"{url}/health", process)
        limits = httpx.Limits(max_connections=64)
        async with (
            httpx.AsyncClient(base_url=url, timeout=30, trust_env=False, limits=limits) as staff,
            httpx.AsyncClient(base_url=url, timeout=30, trust_env=False, limits=limits) as anybody,
        ):
            while "model" not in (await anybody.get("/health")).json()["danger"]:
                await asyncio.sleep(0.2)
            password = added.stdout.strip().rpartition(": ")[2]
            await staff.post("/personal/logga-in", data={"login": "bench", "password": password})
            await staff.post("/personal/samtal/inne", data={"on": "1"})
            house = House(url, process.pid, staff, anybody)
            bell = await Stream.open(url, "/personal/samtal/nu", house.cookie)
            yield house
            bell.close()
    finally:
        steps.end([process])
