"""Promise: however `make run` ends, no process of it is left; and when an assistant falls, it is started again."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from backend.config import ROOT
from scripts import environment, run, steps

SUPERVISOR = """
import sys
from scripts import run, steps
steps.LOGS = steps.Path(sys.argv[1])
steps.catch_signals()
child = "import subprocess, sys, time; subprocess.Popen(['sleep', sys.argv[1]]); time.sleep(float(sys.argv[1]))"
running = []
try:
    for name in ("backend", "actions", "rasa"):
        service = run.Service(name, [sys.executable, "-c", child, sys.argv[2]], {}, "")
        service.start()
        running.append(service)
    print("up", flush=True)
    run.watch(running)
except (steps.Stopped, steps.StepFailed) as end:
    print(type(end).__name__, flush=True)
finally:
    steps.end([service.process for service in running if service.process is not None], 3.0)
"""


def _alive(mark: str) -> list[int]:
    """Processes whose command line carries ``mark``; zombies have none."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                if mark.encode() in (entry / "cmdline").read_bytes().split(b"\0"):
                    found.append(int(entry.name))
    return found


def _until(true: Callable[[], bool], seconds: float = 30.0) -> bool:
    until = time.monotonic() + seconds
    while not true() and time.monotonic() < until:
        time.sleep(0.05)
    return true()


@pytest.fixture
def supervised(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A supervisor with three services, each with a child of its own; all carry a mark that nobody else has."""
    mark = f"600.{os.getpid()}{time.monotonic_ns()}"
    supervisor = subprocess.Popen(
        [sys.executable, "-c", SUPERVISOR, str(tmp_path), mark], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert supervisor.stdout is not None
    assert supervisor.stdout.readline() == "up\n"
    assert _until(lambda: len(_alive(mark)) == 7)  # the supervisor, three services, three children
    yield supervisor, mark
    supervisor.kill()
    supervisor.communicate()
    for pid in _alive(mark):
        os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_stop_leaves_nothing(supervised: tuple[subprocess.Popen[str], str], signum: signal.Signals) -> None:
    """Ctrl-C, SIGTERM and a closed terminal end all three services and their children."""
    supervisor, mark = supervised
    supervisor.send_signal(signum)
    out, _ = supervisor.communicate(timeout=30)
    assert out == "Stopped\n"
    assert supervisor.returncode == 0
    assert [] == _alive(mark)


def test_kill_9_of_the_supervisor_ends_the_services(supervised: tuple[subprocess.Popen[str], str]) -> None:
    """Nobody is there to tidy up, so the kernel tells the services."""
    supervisor, mark = supervised
    services = {pid for pid in _alive(mark) if os.getpgid(pid) == pid}
    assert len(services) == 3
    supervisor.kill()
    supervisor.wait()
    assert _until(lambda: not services & set(_alive(mark)))


def test_the_backend_takes_everything_down_with_it(supervised: tuple[subprocess.Popen[str], str]) -> None:
    """Without it there is nothing to serve."""
    supervisor, mark = supervised
    os.killpg(min(pid for pid in _alive(mark) if os.getpgid(pid) == pid), signal.SIGKILL)
    out, _ = supervisor.communicate(timeout=30)
    assert out == "StepFailed\n"
    assert [] == _alive(mark)


def test_a_fallen_assistant_is_started_again(supervised: tuple[subprocess.Popen[str], str]) -> None:
    """The backend lives on meanwhile, in limited mode."""
    supervisor, mark = supervised
    rasa = max(pid for pid in _alive(mark) if os.getpgid(pid) == pid)
    os.killpg(rasa, signal.SIGKILL)
    assert _until(lambda: len(_alive(mark)) == 7 and rasa not in _alive(mark))
    assert supervisor.stdout is not None
    assert "rasa ended (-9); again in 1 s" in supervisor.stdout.readline()
    assert supervisor.poll() is None


def test_a_taken_port_is_said_kindly() -> None:
    """The sentence names the port and what to type instead."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        where = run.Addresses.read({"PORT": str(port)})
        with pytest.raises(steps.StepFailed, match=rf"Port {port} is taken .* make run PORT={port + 1}"):
            run.check_ports(where)


def test_a_new_env_file_is_private_and_an_old_one_untouched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fresh secrets, 0600, and never a second time: the keys may be the only ones that open the database."""
    monkeypatch.setattr(environment, "ENV_FILE", tmp_path / ".env")
    assert environment.write_env() is True
    first = (tmp_path / ".env").read_text(encoding="utf-8")
    assert 0o600 == (tmp_path / ".env").stat().st_mode & 0o777
    assert environment.write_env() is False
    assert first == (tmp_path / ".env").read_text(encoding="utf-8")


def test_each_service_is_told_only_its_own_secrets() -> None:
    """Rasa and the action server never see the keys of the database."""
    settings = {"DATA_KEY": "d", "CODE_PEPPER": "p", "RASA_TOKEN": "r", "INTERNAL_TOKEN": "i", "PATH": "/bin"}
    _, actions, rasa = run.services(settings, run.Addresses.read({}))
    secrets = {"DATA_KEY", "CODE_PEPPER", "RASA_TOKEN", "INTERNAL_TOKEN"}
    assert {"INTERNAL_TOKEN"} == secrets & actions.env.keys()
    assert {"RASA_TOKEN"} == secrets & rasa.env.keys()
