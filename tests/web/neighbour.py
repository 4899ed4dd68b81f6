"""A stand-in for Rasa's channel on a real port, for what the backend promises whatever the assistant does."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Neighbour:
    """Echoes what it hears, or is slow, broken or silent as ``mode`` says.

    ``loop`` is the form that it says is going on. ``during`` is called with the token of each turn while the backend waits, as an action would be.
    """

    def __init__(self) -> None:
        self.mode = "echo"
        self.loop: str | None = None
        self.turns: list[dict[str, Any]] = []
        self.forgotten: list[str] = []
        self.during: Callable[[str], None] | None = None
        self.says: list[dict[str, Any]] | None = None
        neighbour = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self._send(200 if neighbour.mode != "down" else 503, b'{"ready": true}')

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                if self.path.endswith("/forget"):
                    neighbour.forgotten.append(body["conversation"])
                    self._send(204, b"")
                    return
                neighbour.turns.append(body)
                self._send(*neighbour.answer(body))

            def _send(self, status: int, body: bytes) -> None:
                self.send_response(status)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def answer(self, body: dict[str, Any]) -> tuple[int, bytes]:
        if self.mode == "slow":
            time.sleep(4)
        if self.mode == "error":
            return 500, b'{"error": {}}'
        if self.mode == "garbage":
            return 200, b"<html>not json"
        if self.mode == "huge":
            return 200, b'{"messages": "' + b"x" * 5_000_000 + b'"}'
        if self.during is not None:
            self.during(body["turn"])
        if self.mode == "silent":
            said: list[Any] = []
        elif self.says is not None:
            said = self.says
        else:
            words = body.get("text") or body["command"]["intent"]
            said = [{"text": f"hörde: {words}", "buttons": [{"title": "Karta", "payload": '/map{"station": "S08"}'}]}]
        intent = {"name": "feelings" if body.get("text") else "smalltalk__greet", "confidence": 0.9}
        state = {"slots": {}, "loop": self.loop, "requested": None} if self.loop else {}
        reply = {
            "messages": said,
            "intent": intent,
            "ranking": [],
            "loop": self.loop,
            "requested": None,
            "state": state,
        }
        return 200, json.dumps(reply).encode()
