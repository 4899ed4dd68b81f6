"""Everything from a fresh clone to a conversation: what `make run` does.

The backend comes first and answers within seconds, in limited mode; the assistant's
environment, its model and its two processes follow while people can already get help.
Each process is told only the secrets it needs, and lives in a session of its own: when
this one ends, for whatever reason, so do they.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from scripts import environment, steps
from scripts.environment import PYTHON, RASA, RASA_PYTHON
from scripts.steps import LOGS, ROOT, VAR, StepFailed, pause, spawn, step

LOGINS = VAR / "demo-logins.txt"
_BACKEND_SECONDS = 20.0
_ASSISTANT_SECONDS = 120.0
_LONGEST_WAIT = 60.0
_CALM = 60.0
_LOG_BYTES = 5_000_000


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the three listen; all of it can be set by environment or `.env`."""

    host: str
    port: int
    public_url: str
    rasa_url: str
    actions_url: str

    @classmethod
    def read(cls, env: Mapping[str, str]) -> Addresses:
        """From settings, with the same defaults as `backend/config.py`."""
        host = env.get("HOST") or "127.0.0.1"
        try:
            port = int(env.get("PORT") or 8000)
        except ValueError:
            raise StepFailed(f"PORT must be a whole number, not {env['PORT']!r}.") from None
        return cls(
            host=host,
            port=port,
            public_url=(env.get("PUBLIC_URL") or f"http://127.0.0.1:{port}").rstrip("/"),
            rasa_url=(env.get("RASA_URL") or "http://127.0.0.1:5005").rstrip("/"),
            actions_url=(env.get("ACTIONS_URL") or "http://127.0.0.1:5055").rstrip("/"),
        )

    @property
    def backend_url(self) -> str:
        """How the action server reaches the backend: on this machine, whatever the public address is."""
        host = "127.0.0.1" if self.host in ("0.0.0.0", "::") else self.host
        return f"http://{host}:{self.port}"


def read_settings() -> dict[str, str]:
    """The lines of `.env`, with the process environment on top."""
    stored: dict[str, str] = {}
    for line in environment.ENV_FILE.read_text(encoding="utf-8").splitlines():
        name, equals, value = line.strip().partition("=")
        if equals and not name.startswith("#"):
            stored[name.strip()] = value.strip().strip("\"'")
    return {**stored, **os.environ}


def _base_env(settings: Mapping[str, str]) -> dict[str, str]:
    kept = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "TZ", "LOG_LEVEL")
    return {name: settings[name] for name in kept if name in settings} | {"PYTHONUNBUFFERED": "1"}


@dataclass(slots=True)
class Service:
    """One process that should be there, and how it has fared."""

    name: str
    command: list[str | Path]
    env: dict[str, str]
    health: str
    headers: dict[str, str] = field(default_factory=dict)
    cwd: Path = ROOT
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    falls: int = 0
    again_at: float = 0.0

    def start(self) -> None:
        """Start it; its log says when."""
        self.process = spawn(self.command, self.name, cwd=self.cwd, env=self.env)
        self.started = time.monotonic()

    def healthy(self) -> bool:
        """Whether it answers 200 right now."""
        return self.ask() is not None

    def ask(self) -> bytes | None:
        """What its health address says, or None for anything but a 200."""
        request = urllib.request.Request(self.health, headers=self.headers)
        try:
            with _OPENER.open(request, timeout=2) as answer:
                return bytes(answer.read()) if answer.status == 200 else None
        except (OSError, urllib.error.URLError, ValueError):
            return None

    def wait(self, seconds: float) -> None:
        """Until it is healthy. Raises `StepFailed` if it ends or takes longer than ``seconds``."""
        until = time.monotonic() + seconds
        while not self.healthy():
            if self.process is None or self.process.poll() is not None:
                raise StepFailed(f"The {self.name} ended while starting.\n{steps.tail(self.name)}")
            if time.monotonic() > until:
                raise StepFailed(f"The {self.name} did not answer in {seconds:.0f} s.\n{steps.tail(self.name)}")
            pause(0.1)


# A proxy set for the world outside must not see calls between our own processes.
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def services(settings: Mapping[str, str], where: Addresses) -> tuple[Service, Service, Service]:
    """The backend, the action server and Rasa, each with its own secrets only."""
    base = _base_env(settings)
    backend = Service(
        "backend",
        [PYTHON, "-m", "backend", "serve"],
        {**os.environ, "PUBLIC_URL": where.public_url, "PYTHONUNBUFFERED": "1"},
        f"{where.backend_url}/health",
    )
    actions_at = urlsplit(where.actions_url)
    actions = Service(
        "actions",
        [RASA_PYTHON, RASA / "serve_actions.py", "--port", str(actions_at.port or 5055)],
        base
        | {
            "SANIC_HOST": actions_at.hostname or "127.0.0.1",
            "BACKEND_URL": where.backend_url,
            "INTERNAL_TOKEN": settings["INTERNAL_TOKEN"],
        },
        f"{where.actions_url}/health",
    )
    rasa_at = urlsplit(where.rasa_url)
    rasa = Service(
        "rasa",
        [RASA_PYTHON, RASA / "launcher.py", "run", "-i", rasa_at.hostname or "127.0.0.1",
         "-p", str(rasa_at.port or 5005)],
        base
        | {"RASA_TOKEN": settings["RASA_TOKEN"], "ACTIONS_URL": where.actions_url}
        | {name: settings[name] for name in ("RASA_TENSORFLOW", "RASA_MODEL_SHA256") if name in settings},
        f"{where.rasa_url}/webhooks/backend/health",
        headers={"Authorization": f"Bearer {settings['RASA_TOKEN']}"},
    )  # fmt: skip
    return backend, actions, rasa


def check_ports(where: Addresses) -> None:
    """Raise `StepFailed` if somebody else already listens where we want to."""
    rasa_at, actions_at = urlsplit(where.rasa_url), urlsplit(where.actions_url)
    wanted = (
        (where.host, where.port, f"make run PORT={where.port + 1}"),
        (rasa_at.hostname or "", rasa_at.port or 5005, "make run RASA_URL=http://127.0.0.1:5006"),
        (actions_at.hostname or "", actions_at.port or 5055, "make run ACTIONS_URL=http://127.0.0.1:5056"),
    )
    for host, port, advice in wanted:
        with socket.socket() as probe:
            # Without this, connections of a server that has just ended would look like a listener.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError:
                raise StepFailed(f"Port {port} is taken by another program. Try: {advice}") from None


def only_one() -> int:
    """Take this checkout's lock, held while the process lives. Raises `StepFailed` if it is taken."""
    VAR.mkdir(mode=0o700, exist_ok=True)
    lock = os.open(VAR / "run.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise StepFailed("This checkout is running already; stop that one with Ctrl-C first.") from None
    return lock


def trim_logs() -> None:
    """Keep one older log of each kind once it is large."""
    for path in LOGS.glob("*.log"):
        if path.stat().st_size > _LOG_BYTES:
            shutil.move(path, path.with_suffix(".log.1"))


def bring_up(running: list[Service]) -> Addresses:
    """From whatever is there to the full service. Adds each service to ``running`` as it starts."""
    steps.catch_signals()
    # Where bytecode is not kept, every start compiles all libraries anew: seconds, not one.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    environment.check_python()
    only_one()
    trim_logs()
    environment.sync_backend()
    if environment.write_env():
        print("  Wrote .env with fresh secrets: back it up apart from the database")
    settings = read_settings()
    where = Addresses.read(settings)
    check_ports(where)
    steps.run("Database, with the example municipality", [PYTHON, "-m", "backend", "seed"], "backend")
    backend, actions, rasa = services(settings, where)
    with step("Backend"):
        backend.start()
        running.append(backend)
        backend.wait(_BACKEND_SECONDS)
    print(f"\n  Open now, without the assistant yet: {where.public_url}/chatt\n", flush=True)
    environment.sync_rasa()
    train()
    with step("Assistant"):
        for service in (actions, rasa):
            service.start()
            running.append(service)
        actions.wait(_ASSISTANT_SECONDS)
        rasa.wait(_ASSISTANT_SECONDS)
        while json.loads(backend.ask() or b"{}").get("assistant") != "up":  # it looks once a second
            pause(0.1)
    return where


def train() -> None:
    """The model, trained only if what it is made of has changed."""
    steps.run("Model (trained only when its sources have changed)", [RASA_PYTHON, RASA / "train.py"], "train")


def welcome(where: Addresses, seconds: float) -> None:
    """The addresses and the logins, for the person at the terminal."""
    print(
        f"\n  Ready after {seconds:.0f} s.\n\n"
        f"  Example page   {where.public_url}/\n"
        f"  Chat           {where.public_url}/chatt\n"
        f"  Staff          {where.public_url}/personal\n"
        f"  API            {where.public_url}/docs"
    )
    if LOGINS.exists():
        print("\n  Staff logins, for trying out only (var/demo-logins.txt):")
        print("".join(f"    {line}\n" for line in LOGINS.read_text(encoding="utf-8").splitlines()), end="")
    print("\n  Logs: var/log. Stop with Ctrl-C.", flush=True)


def watch(running: list[Service]) -> None:
    """Restart Rasa and the action server when they fall, since the backend lives on; raise if the backend falls."""
    while True:
        pause(0.25)
        for service in running:
            now = time.monotonic()
            if service.process is not None and service.process.poll() is None:
                if service.falls and now - service.started > _CALM:
                    service.falls = 0
                continue
            if service.name == "backend":
                raise StepFailed(f"The backend ended.\n{steps.tail('backend')}")
            if service.process is not None:
                wait = min(2.0**service.falls, _LONGEST_WAIT)
                code, service.process = service.process.returncode, None
                service.falls += 1
                service.again_at = now + wait
                print(f"  {service.name} ended ({code}); again in {wait:.0f} s. The chat goes on in limited mode.",
                      flush=True)  # fmt: skip
            elif now >= service.again_at:
                service.start()


def main() -> int:
    """0 after a stop that was asked for, 1 when something went wrong."""
    began = time.monotonic()
    running: list[Service] = []
    try:
        where = bring_up(running)
        welcome(where, time.monotonic() - began)
        watch(running)
    except steps.Stopped:
        print("\n  Stopping", flush=True)
        return 0
    except StepFailed as failure:
        print(f"\n  {failure}", file=sys.stderr, flush=True)
        return 1
    finally:
        steps.end([service.process for service in running if service.process is not None])
    return 0


if __name__ == "__main__":
    sys.exit(main())
