"""The whole house with the real, trained assistant: backend, action server and Rasa on free ports."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx

from backend.config import ROOT
from backend.core.db import Database
from tests.conftest import ManualClock, make_settings
from tests.people import seed_example_staff
from tests.web.serving import Served, serve

PYTHON = ROOT / "rasa" / ".venv" / "bin" / "python"
MODEL = ROOT / "rasa" / "models" / "koll.tar.gz"


class Stack:
    """``passwords`` by login; Rasa can be killed and started again."""

    def __init__(
        self, served: Served, clock: ManualClock, passwords: dict[str, str], env: dict[str, str], port: int
    ) -> None:
        self.served = served
        self.clock = clock
        self.passwords = passwords
        self._env = env
        self._port = port
        self._rasa: subprocess.Popen[bytes] | None = None

    def start_rasa(self) -> None:
        """Start Rasa and wait until the backend has noticed."""
        self._rasa = _spawn(["launcher.py", "run", "-p", str(self._port)], self._env)
        self.served.until(lambda: self._mode() == "up", 90)

    def kill_rasa(self) -> None:
        """SIGKILL, and wait until the backend has noticed."""
        self._stop(signal.SIGKILL)
        self.served.until(lambda: self._mode() == "down", 10)

    def close(self) -> None:
        """Stop Rasa for good."""
        self._stop(signal.SIGTERM)

    def _stop(self, how: signal.Signals) -> None:
        if self._rasa is not None:
            os.killpg(self._rasa.pid, how)
            self._rasa.wait(20)
            self._rasa = None

    def _mode(self) -> str:
        return str(httpx.get(self.served.url + "/health").json()["assistant"])


@contextlib.contextmanager
def whole_house() -> Iterator[Stack]:
    """Everything up, on a Wednesday morning at nine, with the example municipality's staff."""
    assert MODEL.exists(), "train the assistant first: make train"
    rasa_port, actions_port = _free_port(), _free_port()
    with tempfile.TemporaryDirectory(prefix="koll-stack-") as folder:
        settings = make_settings(Path(folder), rasa_url=f"http://127.0.0.1:{rasa_port}")
        passwords: dict[str, str] = {}

        def seed(database: Database) -> None:
            passwords.update(seed_example_staff(database, settings))

        clock = ManualClock()
        with serve(settings, clock=clock, seed=seed) as served:
            env = {
                **os.environ,
                "RASA_TOKEN": settings.rasa_token,
                "INTERNAL_TOKEN": settings.internal_token,
                "BACKEND_URL": served.url,
                "ACTIONS_URL": f"http://127.0.0.1:{actions_port}",
                "RASA_TELEMETRY_ENABLED": "false",
            }
            actions = _spawn(["serve_actions.py", "--port", str(actions_port)], env)
            stack = Stack(served, clock, passwords, env, rasa_port)
            try:
                stack.start_rasa()
                yield stack
            finally:
                stack.close()
                os.killpg(actions.pid, signal.SIGTERM)
                actions.wait(20)


def _spawn(arguments: list[str], env: dict[str, str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [str(PYTHON), *arguments],
        cwd=ROOT / "rasa",
        env=env,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
