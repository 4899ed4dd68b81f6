"""Real processes for a benchmark: a backend on a database of its own, Rasa, the action server."""

from __future__ import annotations

import base64
import contextlib
import os
import secrets
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path

from scripts import run, steps
from scripts.environment import PYTHON


def free_port() -> int:
    """A port on the loopback address that nobody uses right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def settings(directory: Path) -> dict[str, str]:
    """A complete environment for all three on free ports, with its own secrets and a database in ``directory``."""
    key = base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
    port = free_port()
    return {
        **{name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"},
        "HOST": "127.0.0.1",
        "PORT": str(port),
        "PUBLIC_URL": f"http://127.0.0.1:{port}",
        "DATABASE_URL": f"sqlite:///{directory / 'bench.db'}",
        "DATA_KEY": key,
        "CODE_PEPPER": key,
        "RASA_TOKEN": secrets.token_urlsafe(32),
        "INTERNAL_TOKEN": secrets.token_urlsafe(32),
        "RASA_URL": f"http://127.0.0.1:{free_port()}",
        "ACTIONS_URL": f"http://127.0.0.1:{free_port()}",
        "SMTP_URL": "",
        "MUNICIPALITY": "exempelby",
    }


def migrate(env: Mapping[str, str]) -> None:
    """Make the tables; raises `subprocess.CalledProcessError` with the output kept."""
    subprocess.run([PYTHON, "-m", "backend", "migrate"], env=dict(env), cwd=steps.ROOT, check=True, capture_output=True)


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    """A folder on disk, not in memory, so that a commit costs what it costs."""
    build = steps.ROOT / "build"
    build.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=build, prefix="bench-") as directory:
        yield Path(directory)


def until_ok(url: str, process: subprocess.Popen[bytes], seconds: float = 60.0) -> None:
    """Wait for the first 200, looking every 5 ms. Raises `RuntimeError` if the process ends or time is up."""
    until = time.monotonic() + seconds
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    while True:
        try:
            with opener.open(url, timeout=5) as answer:
                if answer.status == 200:
                    return
        except (OSError, urllib.error.URLError):
            pass
        if process.poll() is not None or time.monotonic() > until:
            raise RuntimeError(f"no answer from {url}")
        time.sleep(0.005)


def rss_mb(pid: int) -> float:
    """Resident memory of a process, in MB of a million bytes (Linux)."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024 / 1e6
    raise RuntimeError("no VmRSS")


@contextlib.contextmanager
def all_three(env: Mapping[str, str], credentials: Path) -> Iterator[run.Addresses]:
    """Backend, action server and Rasa, ready. Rasa gets ``credentials``, so that a benchmark can open its REST door."""
    where = run.Addresses.read(env)
    backend, actions, rasa = run.services(env, where)
    backend.env = dict(env)
    rasa.command += ["--credentials", credentials]
    for service in (backend, actions, rasa):
        service.name = f"bench-{service.name}"
    try:
        for service in (backend, actions, rasa):
            service.start()
        for service in (backend, actions, rasa):
            service.wait(120)
        yield where
    finally:
        steps.end([service.process for service in (backend, actions, rasa) if service.process is not None])
