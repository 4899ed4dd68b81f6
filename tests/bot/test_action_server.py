"""Promises of the process that runs the actions."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import suppress
from pathlib import Path

from conftest import RASA, TINY, free_port

CANARY = "kanariefågel"


def test_it_listens_on_this_machine_and_logs_nobodys_words(tmp_path: Path) -> None:
    """Bound to 127.0.0.1; an action that fails with a text in its error leaves no text."""
    port, log = free_port(), tmp_path / "log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            [
                *(sys.executable, str(RASA / "serve_actions.py"), "--debug"),
                *("--port", str(port), "--actions", "tiny_actions"),
            ],
            env={k: v for k, v in os.environ.items() if k != "SANIC_HOST"}
            | {"PYTHONPATH": str(TINY), "LOG_LEVEL": "DEBUG"},
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    try:
        url = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + 20
        while True:
            try:
                urllib.request.urlopen(f"{url}/health", timeout=5).close()
                break
            except OSError:
                assert time.monotonic() < deadline, log.read_text()
                time.sleep(0.1)
        listening = [
            line.split()[1]
            for line in Path("/proc/net/tcp").read_text().splitlines()
            if line.split()[1].endswith(f":{port:04X}") and line.split()[3] == "0A"
        ]
        message = {"text": CANARY, "intent": {"name": CANARY}, "entities": []}
        call = {
            "next_action": "action_failing",
            "tracker": {"sender_id": "c", "slots": {"x": CANARY}, "latest_message": message},
            "domain": {},
            "version": "3.6.21",
        }
        for body in (json.dumps(call).encode(), f'{{"{CANARY}'.encode(), b"{}"):
            with suppress(urllib.error.HTTPError):
                urllib.request.urlopen(f"{url}/webhook", data=body, timeout=5).close()
    finally:
        process.terminate()
        process.wait(timeout=10)
    told = log.read_text(encoding="utf-8")

    assert [f"0100007F:{port:04X}"] == listening
    assert "ValueError at " in told
    assert CANARY[:7] not in told
