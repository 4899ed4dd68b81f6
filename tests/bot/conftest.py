"""A tiny bot, trained once, and real Rasa processes that serve it."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import launcher
import train

launcher.prepare()  # before anything imports Rasa

RASA = Path(launcher.__file__).resolve().parent
TINY = Path(__file__).resolve().parent / "tiny"
TOKEN = "a-token-for-tests-only"
START_SECONDS = 40


def free_port() -> int:
    """A port nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Server:
    """A running Rasa process and the way to talk to it."""

    process: subprocess.Popen[bytes]
    port: int
    log: Path

    def call(self, method: str, path: str, body: Any = None, token: str | None = TOKEN) -> tuple[int, Any]:
        """Status and decoded answer (None if empty, raw bytes if not JSON).

        A body that is bytes is sent as it is.
        """
        data = body if isinstance(body, (bytes, type(None))) else json.dumps(body).encode()
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/webhooks/backend{path}", data=data, method=method
        )
        if token is not None:
            request.add_header("Authorization", f"Bearer {token}")
        try:
            answer = urllib.request.urlopen(request, timeout=15)
        except urllib.error.HTTPError as error:
            answer = error
        with answer:
            raw = answer.read()
            if answer.headers.get_content_type() == "application/json":
                return answer.status, json.loads(raw)
            return answer.status, raw or None

    def turn(self, conversation: str, **fields: Any) -> dict[str, Any]:
        """A turn that must succeed; see the channel for the fields."""
        body = {"conversation": conversation, "turn": "turn-1", "message": "m-1", **fields}
        status, answer = self.call("POST", "/turn", body)
        assert status == 200, answer
        return answer

    def stop(self) -> str:
        """End the process; everything it wrote to its log, its output and its errors."""
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(timeout=15)
        return self.log.read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def tiny_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder like `rasa/`, with the project's configuration and the tiny bot's words."""
    root = tmp_path_factory.mktemp("tiny")
    shutil.copy(RASA / "config.yml", root)
    (root / "domain").mkdir()
    shutil.copy(TINY / "domain.yml", root / "domain")
    shutil.copytree(TINY / "data", root / "data")
    return root


@pytest.fixture(scope="session")
def model(tiny_root: Path) -> Path:
    """The tiny bot's model file, trained as the real one is."""
    assert 0 == train.train(tiny_root, tiny_root / "train.log")
    return tiny_root / "models" / "koll.tar.gz"


Serve = Callable[..., Server]


@pytest.fixture(scope="session")
def serve(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serve]:
    """Start a Rasa process on a free port and wait until it is ready."""
    servers: list[Server] = []

    def start(**environment: str) -> Server:
        port = free_port()
        log = tmp_path_factory.mktemp("serve") / "log"
        with log.open("wb") as file:
            process = subprocess.Popen(
                [
                    *(sys.executable, str(RASA / "launcher.py"), "run"),
                    *("--port", str(port), "--model", str(model)),
                ],
                env=os.environ | {"RASA_TOKEN": TOKEN, "ACTIONS_URL": "http://127.0.0.1:9"} | environment,
                stdout=file,
                stderr=subprocess.STDOUT,
            )
        server = Server(process, port, log)
        servers.append(server)
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and process.poll() is None:
            try:
                if server.call("GET", "/health") == (200, {"ready": True}):
                    return server
            except OSError:
                pass
            time.sleep(0.1)
        pytest.fail(f"Rasa did not start:\n{server.stop()}")

    yield start
    for server in servers:
        server.stop()


@pytest.fixture(scope="session")
def server(serve: Serve) -> Server:
    """One process shared by tests that need nothing special; it has no action server."""
    return serve()
