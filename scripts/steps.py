"""What the commands share: one readable line a step, output in a log, nothing left running.

Standard library only, because this runs before any environment exists.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType

ROOT = Path(__file__).resolve().parent.parent
VAR = ROOT / "var"
LOGS = VAR / "log"

_PR_SET_PDEATHSIG = 1
_TICK = 0.05
_PATIENCE = 8.0


class Stopped(Exception):
    """Somebody asked us to stop (Ctrl-C, a closed terminal, SIGTERM)."""


class StepFailed(Exception):
    """A step ended badly; the message is for the person at the terminal."""


_asked_to_stop: list[str] = []
_current: tuple[str, float] | None = None
"""The step that runs, and since when (monotonic seconds)."""


def catch_signals() -> None:
    """From now on SIGINT, SIGTERM and SIGHUP only leave a note, which `pause` turns into `Stopped`.

    An exception thrown by the handler itself could land between a process's birth and
    our knowing of it, and leave it behind.
    """

    def note(signum: int, _frame: FrameType | None) -> None:
        _asked_to_stop.append(signal.Signals(signum).name)

    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, note)


def pause(seconds: float = _TICK) -> None:
    """Sleep a moment, with the running step's seconds counting; raises `Stopped` if asked to stop."""
    if _asked_to_stop:
        raise Stopped(_asked_to_stop[0])
    time.sleep(seconds)
    if _current is not None and sys.stdout.isatty():
        doing, started = _current
        print(f"\r  {doing:<52} {time.monotonic() - started:6.0f} s", end="", flush=True)
    if _asked_to_stop:
        raise Stopped(_asked_to_stop[0])


def _die_with_parent() -> None:
    """In the child, before exec: if whoever started us is killed outright, we get SIGTERM too (Linux)."""
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, signal.SIG_DFL)
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def spawn(
    command: Sequence[str | Path], log: str, *, cwd: Path = ROOT, env: Mapping[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """Start ``command`` in a session of its own, writing to ``var/log/<log>.log``.

    A session of its own, so that the terminal's Ctrl-C reaches only us and we decide
    the order, and so that the whole family can be ended by one group id.
    """
    LOGS.mkdir(parents=True, exist_ok=True)
    with (LOGS / f"{log}.log").open("ab") as out:
        return subprocess.Popen(
            [str(part) for part in command],
            cwd=cwd,
            env=None if env is None else dict(env),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=_die_with_parent,
        )


def end(processes: Sequence[subprocess.Popen[bytes]], patience: float = _PATIENCE) -> None:
    """Ask every process group to end, wait ``patience`` seconds in all, then kill what is left of them."""
    for process in processes:
        _signal_group(process, signal.SIGTERM)
    until = time.monotonic() + patience
    while any(_group_alive(process) for process in processes) and time.monotonic() < until:
        time.sleep(_TICK)
    for process in processes:
        _signal_group(process, signal.SIGKILL)
        process.wait()


def _signal_group(process: subprocess.Popen[bytes], signum: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signum)


def _group_alive(process: subprocess.Popen[bytes]) -> bool:
    process.poll()
    try:
        os.killpg(process.pid, 0)
    except (ProcessLookupError, PermissionError):
        return False
    return True


@contextlib.contextmanager
def step(doing: str) -> Iterator[None]:
    """Print ``doing`` at once, its seconds while it lasts (`pause` counts them) and when it is done."""
    global _current
    started = time.monotonic()
    _current = (doing, started)
    line = f"  {doing:<52} "
    again = f"\r{line}" if sys.stdout.isatty() else ""
    print(line, end="", flush=True)
    try:
        yield
    except BaseException as error:
        print(f"{again}{'stopped' if isinstance(error, Stopped) else 'failed':>8}", flush=True)
        raise
    finally:
        _current = None
    print(f"{again}{time.monotonic() - started:6.1f} s", flush=True)


def run(
    doing: str,
    command: Sequence[str | Path],
    log: str,
    *,
    cwd: Path = ROOT,
    env: Mapping[str, str] | None = None,
) -> None:
    """One step that is a command: its output goes to a log. Raises `StepFailed` with the log's last lines."""
    with step(doing):
        process = spawn(command, log, cwd=cwd, env=env)
        try:
            while process.poll() is None:
                pause()
        finally:
            end([process])
        if process.returncode != 0:
            raise StepFailed(f"{doing} failed.\n{tail(log)}")


def tail(log: str, lines: int = 15) -> str:
    """The last lines of a log, indented, with where to read the rest."""
    path = LOGS / f"{log}.log"
    text = path.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:] if path.exists() else []
    quoted = "\n".join(f"    {line}" for line in text)
    return f"{quoted}\n  The whole log: {os.path.relpath(path, ROOT)}"
