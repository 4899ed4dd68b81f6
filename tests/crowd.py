"""A crowd of visitors in processes of their own, who fill in the real pages as fast as they are answered.

``python -m tests.crowd URL`` is one such process: it reads visits (JSON) from its input,
says that it is ready, waits for the word, and writes what came of every visit. Several of
them meet in the middle of a desk as no threads of one process can.
"""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import msgspec

PROCESSES = 2
AT_ONCE = 500
_SECONDS = 600


class Step(msgspec.Struct):
    """A form to post. The visitor goes on if the answer is 200 or 201 and holds ``goes_on`` somewhere."""

    path: str
    fields: dict[str, str]
    goes_on: str = ""


class Visit(msgspec.Struct):
    """Forms that one visitor posts one after the other, until all are answered or a page has ``done`` in it.

    ``keeps`` is a pattern for what is read on the last page.
    """

    name: str
    steps: list[Step]
    keeps: str = ""
    done: str = ""


class Visited(msgspec.Struct):
    """What came of a visit: the status of each answer (0: none came), how long each took, and whether all went on.

    ``last`` is the last page of somebody who could not go on.
    """

    name: str
    statuses: list[int]
    seconds: list[float]
    through: bool
    kept: list[str]
    last: str = ""


class Crowd:
    """Two processes that share the visits, each with half of the ``at_once`` connections."""

    def __init__(self, url: str, visits: Sequence[Visit], *, at_once: int = AT_ONCE) -> None:
        command = [sys.executable, "-m", "tests.crowd", url, str(at_once // PROCESSES)]
        self._processes = [
            subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=Path(__file__).parent.parent)
            for _ in range(PROCESSES)
        ]
        for number, process in enumerate(self._processes):
            self._tell(process, msgspec.json.encode(list(visits[number::PROCESSES])))
        for process in self._processes:
            self._hear(process)

    def go(self) -> Crowd:
        """Let them all go at the same moment; returns at once."""
        for process in self._processes:
            self._tell(process, b"go")
        return self

    def results(self) -> list[Visited]:
        """What came of each visit, once all have been made."""
        found: list[Visited] = []
        for process in self._processes:
            found += msgspec.json.decode(self._hear(process), type=list[Visited])
            assert process.wait(_SECONDS) == 0
        return found

    def _tell(self, process: subprocess.Popen[bytes], line: bytes) -> None:
        assert process.stdin is not None
        process.stdin.write(line + b"\n")
        process.stdin.flush()

    def _hear(self, process: subprocess.Popen[bytes]) -> bytes:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, "a process of the crowd has ended"
        return line


def visit_all(url: str, visits: Sequence[Visit], *, at_once: int = AT_ONCE) -> list[Visited]:
    """Let a crowd in and wait until it has left."""
    return Crowd(url, visits, at_once=at_once).go().results()


class _Line:
    """One kept connection to the server, opened anew when it has been closed."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def post(self, step: Step, source: str) -> tuple[int, str]:
        """Status and page. Raises `OSError` or `EOFError` when no whole answer comes."""
        body = urlencode(step.fields).encode()
        head = (
            f"POST {step.path} HTTP/1.1\r\nhost: {self._host}:{self._port}\r\nx-forwarded-for: {source}\r\n"
            f"content-type: application/x-www-form-urlencoded\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        if self._streams is None:
            self._streams = await asyncio.open_connection(self._host, self._port, limit=2**20)
        reader, writer = self._streams
        try:
            writer.write(head.encode() + body)
            answer = (await reader.readuntil(b"\r\n\r\n")).lower()
            length = int(answer.partition(b"content-length:")[2].partition(b"\r\n")[0])
            page = await reader.readexactly(length)
        except (OSError, EOFError):
            self.close()
            raise
        if b"connection: close" in answer:
            self.close()
        return int(answer.split(None, 2)[1]), page.decode()

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


async def _make(line: _Line, visit: Visit, source: str) -> Visited:
    made = Visited(visit.name, [], [], False, [])
    for step in visit.steps:
        began = time.perf_counter()
        try:
            status, page = await line.post(step, source)
        except (OSError, EOFError):
            status, page = 0, ""
        made.statuses.append(status)
        made.seconds.append(time.perf_counter() - began)
        well = status in (200, 201)
        if well and visit.done and visit.done in page:
            break
        if not well or step.goes_on not in page:
            made.last = page
            return made
    made.through = True
    made.kept = re.findall(visit.keeps, page) if visit.keeps else []
    return made


async def _crowd(url: str, at_once: int, visits: list[Visit]) -> list[Visited]:
    parts = urlsplit(url)
    lines = [_Line(parts.hostname or "", parts.port or 80) for _ in range(min(at_once, len(visits)))]
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    waiting, made = deque(enumerate(visits)), []

    async def stand_in(line: _Line) -> None:
        while waiting:
            number, visit = waiting.popleft()
            # A network address of its own for each, as behind a proxy: one address may not take time after time.
            made.append(await _make(line, visit, f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"))
        line.close()

    await asyncio.gather(*(stand_in(line) for line in lines))
    return made


def main() -> None:
    """One process of the crowd."""
    url, at_once = sys.argv[1], int(sys.argv[2])
    visits = msgspec.json.decode(sys.stdin.readline(), type=list[Visit])
    made = asyncio.run(_crowd(url, at_once, visits))
    print(msgspec.json.encode(made).decode(), flush=True)


if __name__ == "__main__":
    main()
