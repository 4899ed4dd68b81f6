"""What must be there before anything runs: uv, the two environments, `.env`, a browser.

    python3.11 scripts/environment.py backend        the root environment, as `make run` needs it
    python3.11 scripts/environment.py backend-dev    ... with the tools and tests
    python3.11 scripts/environment.py backend-bench  ... with what the benchmarks compare with
    python3.11 scripts/environment.py rasa rasa-dev  the assistant's environment
    python3.11 scripts/environment.py chromium       a browser for the tests

Standard library only: it runs on the system's Python. Every part does nothing when its
work is already done.
"""

from __future__ import annotations

import base64
import os
import secrets
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from scripts import steps
from scripts.steps import ROOT, StepFailed

UV = ROOT / ".uv" / "bin" / "uv"
UV_REQUIREMENTS = ROOT / "scripts" / "uv-requirements.txt"
PYTHON = ROOT / ".venv" / "bin" / "python"
RASA = ROOT / "rasa"
RASA_PYTHON = RASA / ".venv" / "bin" / "python"
ENV_FILE = ROOT / ".env"

# Both projects are handled from outside any activated environment and with the system's
# Python 3.11, so that no second interpreter is downloaded.
_UV_ENV = {key: value for key, value in os.environ.items() if key not in ("VIRTUAL_ENV", "PYTHONPATH")} | {
    "UV_PYTHON_DOWNLOADS": "never",
    "UV_NO_PROGRESS": "1",
}


def check_python() -> None:
    """Raise `StepFailed` unless this is Python 3.11, the one version that both environments run on."""
    if sys.version_info[:2] != (3, 11):
        raise StepFailed(
            f"Python 3.11 is needed, this is {sys.version_info.major}.{sys.version_info.minor}. "
            "Say which one to use with: make run PYTHON=/path/to/python3.11"
        )


def uv() -> Path:
    """The path of the project's own uv, installed in `.uv/` from hash-pinned requirements if it is not there."""
    check_python()
    stamp = UV.parent.parent / "requirements.txt"
    wanted = UV_REQUIREMENTS.read_text(encoding="utf-8")
    if UV.exists() and stamp.exists() and stamp.read_text(encoding="utf-8") == wanted:
        return UV
    steps.run(
        "A private environment for uv", [sys.executable, "-m", "venv", "--clear", UV.parent.parent], "environments"
    )
    steps.run(
        "Getting uv",
        [UV.with_name("python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
         "--require-hashes", "--only-binary=:all:", "-r", UV_REQUIREMENTS],
        "environments",
    )  # fmt: skip
    stamp.write_text(wanted, encoding="utf-8")
    return UV


def sync_backend(*groups: str) -> None:
    """The root environment from its lock, with dependency ``groups``; packages of other groups may stay."""
    chosen = [part for group in groups for part in ("--group", group)]
    steps.run(
        "Environment of the backend",
        [uv(), "sync", "--frozen", "--inexact", "--no-default-groups", *chosen, "--python", sys.executable],
        "environments",
        env=_UV_ENV,
    )


def rasa_project() -> Path:
    """Which of the assistant's two locks is used: `rasa/`, or `rasa/full/` when ``RASA_TENSORFLOW=1``."""
    return RASA / "full" if os.environ.get("RASA_TENSORFLOW") == "1" else RASA


def sync_rasa(*groups: str) -> None:
    """The assistant's environment, always in `rasa/.venv`, compiled ahead so that its first start is no slower."""
    chosen = [part for group in groups for part in ("--group", group)]
    steps.run(
        "Environment of the assistant",
        [uv(), "sync", "--project", rasa_project(), "--frozen", "--inexact", "--no-default-groups", *chosen,
         "--compile-bytecode", "--python", sys.executable],
        "environments",
        env=_UV_ENV | {"UV_PROJECT_ENVIRONMENT": str(RASA / ".venv")},
    )  # fmt: skip


def write_env() -> bool:
    """Write `.env` with fresh secrets, readable by its owner only; say whether it was done.

    A file that is there is never touched: its keys may be the only ones that open the database.
    """

    def key() -> str:
        return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()

    text = (
        "# Made by `make run`. Every setting there is: .env.example\n"
        "# Lose DATA_KEY and nobody can read what people wrote; lose CODE_PEPPER and no return code works.\n"
        f"DATA_KEY={key()}\n"
        f"CODE_PEPPER={key()}\n"
        f"RASA_TOKEN={secrets.token_urlsafe(32)}\n"
        f"INTERNAL_TOKEN={secrets.token_urlsafe(32)}\n"
    )
    try:
        descriptor = os.open(ENV_FILE, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return False
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    return True


def chromium() -> None:
    """Make sure that the browser tests have a browser: one on the machine, else Playwright's own."""
    for name in ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable"):
        if shutil.which(name):
            return
    steps.run("A browser for the tests", [PYTHON, "-m", "playwright", "install", "chromium"], "environments")


_PARTS: dict[str, Callable[[], None]] = {
    "backend": sync_backend,
    "backend-dev": lambda: sync_backend("dev"),
    "backend-bench": lambda: sync_backend("dev", "bench"),
    "rasa": sync_rasa,
    "rasa-dev": lambda: sync_rasa("dev"),
    "chromium": chromium,
}


def main(parts: list[str]) -> int:
    """Make each named part; 0 when all are there."""
    if not parts or set(parts) - set(_PARTS):
        print(f"usage: environment.py {{{','.join(_PARTS)}}} ...", file=sys.stderr)
        return 2
    steps.catch_signals()
    try:
        for part in parts:
            _PARTS[part]()
    except StepFailed as failure:
        print(f"\n{failure}", file=sys.stderr)
        return 1
    except steps.Stopped:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
