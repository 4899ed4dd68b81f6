"""The actions' neighbour in the tests: a real HTTP server that answers from the contract.

It refuses what the backend would refuse, and holds every request against the contract's
examples: the same names with the same kinds of values, or the test fails.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

CONTRACT = Path(__file__).resolve().parent.parent / "contract"
INTERNAL_TOKEN = "an-internal-token-for-tests"

Body = dict[str, Any]


def examples() -> dict[str, dict[str, Body]]:
    """{call: {name of the example: example}} of all contract files."""
    files = {path.stem: json.loads(path.read_text("utf-8")) for path in CONTRACT.glob("*.json")}
    return {call: {example["name"]: example for example in file["examples"]} for call, file in files.items()}


def agrees(value: Any, likes: list[Any]) -> bool:
    """Whether a value has the names, and for each the kinds of values, of one of `likes`."""
    if isinstance(value, dict):
        same = [like for like in likes if isinstance(like, dict) and like.keys() == value.keys()]
        return bool(same) and all(agrees(part, [like[name] for like in same]) for name, part in value.items())
    if isinstance(value, list):
        parts = [part for like in likes if isinstance(like, list) for part in like]
        return all(agrees(part, parts) for part in value)
    return type(value) in {type(like) for like in likes}


@dataclass
class Neighbour:
    """The running server: what it was asked, what it will answer, what it objects to."""

    url: str = ""
    asked: list[tuple[str, Body]] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)
    objections: list[str] = field(default_factory=list)
    _next: dict[str, list[Any]] = field(default_factory=dict)
    _examples: dict[str, dict[str, Body]] = field(default_factory=examples)

    def will(self, call: str, *names: str | int) -> None:
        """Answer the next requests of `call` with the named examples, in order.

        A number is a bare HTTP status. Afterwards the first example is the answer again.
        """
        self._next.setdefault(call, []).extend(names)

    def forget(self) -> None:
        """Begin anew."""
        self.asked.clear()
        self.keys.clear()
        self.objections.clear()
        self._next.clear()

    def requests(self, call: str) -> list[Body]:
        """The bodies of all requests of `call` so far."""
        return [body for asked, body in self.asked if asked == call]

    def answer(
        self, call: str, token: str | None, turn: str | None, body: Body, key: str | None = None
    ) -> tuple[int, Any]:
        """The status and the answer to a request."""
        self.keys.append(key)
        if token != f"Bearer {INTERNAL_TOKEN}" or not turn:
            self.objections.append(f"{call}: no token or turn")
            return 401, {"error": {"code": "unauthorized", "message": ""}}
        known = self._examples.get(call)
        if known is None:
            self.objections.append(f"{call}: no such call")
            return 404, {"error": {"code": "not_found", "message": ""}}
        self.asked.append((call, body))
        if not agrees(body, [example["request"] for example in known.values()]):
            self.objections.append(f"{call}: {body} is like no example")
        queue = self._next.get(call)
        chosen = queue.pop(0) if queue else next(iter(known))
        if isinstance(chosen, int):
            return chosen, {"error": {"code": "broken", "message": ""}}
        return known[chosen]["status"], known[chosen]["answer"]


@contextmanager
def neighbour() -> Iterator[Neighbour]:
    """Start the server on a free port and stop it at the end."""
    state = Neighbour()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or b"{}")
            call = self.path.removeprefix("/internal/")
            headers = self.headers
            key = headers.get("Idempotency-Key")
            status, answer = state.answer(call, headers.get("Authorization"), headers.get("X-Turn"), body, key)
            data = b"" if answer is None else json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            if status != 204:
                self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *args: Any) -> None:
            """Keep the test output readable."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join(timeout=5)
