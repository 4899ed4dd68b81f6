"""The whole dialogue side, running: Rasa with the real model, the actions, their neighbour."""

from __future__ import annotations

import itertools
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from neighbour import INTERNAL_TOKEN, Neighbour, neighbour

RASA = Path(__file__).resolve().parent.parent.parent / "rasa"
TOKEN = "a-rasa-token-for-tests"
NOW = "2026-11-23T12:30:00+01:00"
"""A Monday: the day of the contract's examples."""
_numbers = itertools.count(1)


def _free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Talk:
    """One conversation, seen from the backend's side of the channel."""

    url: str
    neighbour: Neighbour
    slots: dict[str, Any] = field(default_factory=dict)
    state: dict[str, Any] | None = None
    conversation: str = field(default_factory=lambda: f"talk-{next(_numbers)}")
    last: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.state is None and self.slots:
            self.state = {"slots": self.slots, "loop": None, "requested": None}

    def say(self, text: str) -> dict[str, Any]:
        """Type a text; the channel's answer."""
        return self._turn({"text": text, "message": f"m-{next(_numbers)}"})

    def press(self, payload: str) -> dict[str, Any]:
        """Press a button with the given payload; the channel's answer."""
        found = re.fullmatch(r"/(\w+)(\{.*\})?", payload)
        assert found, payload
        entities = json.loads(found[2] or "{}")
        return self._turn({"command": {"intent": found[1], "entities": entities}})

    def lose(self) -> None:
        """Rasa forgets the conversation, as at a restart; the backend's state remains."""
        self._post("/forget", {"conversation": self.conversation})

    def _turn(self, fields: dict[str, Any]) -> dict[str, Any]:
        body = {
            "conversation": self.conversation,
            "turn": f"turn-{next(_numbers)}",
            "message": None,
            "state": self.state,
            "now": NOW,
            "zone": "Europe/Stockholm",
            **fields,
        }
        self.last = self._post("/turn", body)
        self.state = self.last["state"]
        return self.last

    def _post(self, path: str, body: dict[str, Any]) -> Any:
        request = urllib.request.Request(
            f"{self.url}/webhooks/backend{path}",
            data=json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {TOKEN}"},
        )
        with urllib.request.urlopen(request, timeout=20) as answer:
            raw = answer.read()
            return json.loads(raw) if raw else None


@dataclass
class House:
    """The running processes."""

    url: str
    neighbour: Neighbour

    def talk(self, **slots: Any) -> Talk:
        """A new conversation with somebody of whom the slots are known."""
        return Talk(self.url, self.neighbour, slots)


def _wait(process: subprocess.Popen[bytes], url: str, log: Path, token: str | None = None) -> None:
    request = urllib.request.Request(url)
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(request, timeout=5):
                return
        except OSError:
            time.sleep(0.1)
    raise AssertionError(log.read_text("utf-8")[-4000:])


@contextmanager
def house() -> Iterator[House]:
    """Train if needed, start everything on free ports, stop it at the end."""
    with tempfile.TemporaryDirectory() as folder, neighbour() as beside:
        trained = subprocess.run([sys.executable, str(RASA / "train.py")], capture_output=True, text=True)
        assert trained.returncode == 0, trained.stdout + trained.stderr
        actions, rasa = _free_port(), _free_port()
        environment = os.environ | {
            "BACKEND_URL": beside.url,
            "INTERNAL_TOKEN": INTERNAL_TOKEN,
            "ACTIONS_URL": f"http://127.0.0.1:{actions}",
            "RASA_TOKEN": TOKEN,
        }
        url = f"http://127.0.0.1:{rasa}"
        commands = {
            "actions": ["serve_actions.py", "--port", str(actions)],
            "rasa": ["launcher.py", "run", "--port", str(rasa)],
        }
        processes: list[subprocess.Popen[bytes]] = []
        logs = {name: Path(folder) / name for name in commands}
        try:
            for name, (script, *arguments) in commands.items():
                with logs[name].open("wb") as log:
                    processes.append(
                        subprocess.Popen(
                            [sys.executable, str(RASA / script), *arguments],
                            env=environment,
                            stdout=log,
                            stderr=subprocess.STDOUT,
                        )
                    )
            _wait(processes[0], f"http://127.0.0.1:{actions}/health", logs["actions"])
            _wait(processes[1], f"{url}/webhooks/backend/health", logs["rasa"], TOKEN)
            yield House(url, beside)
        finally:
            for process in processes:
                process.terminate()
            for process in processes:
                process.wait(timeout=15)
