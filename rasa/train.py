"""Train the model, if anything it is made of has changed.

    python train.py             train when needed; say so in a line when not
    python train.py --force     train anyway

Writes `models/koll.tar.gz` in one step, so that a reader sees the old or the new model and
never half of one, and `models/koll.json` beside it: what it was made from and its SHA-256,
which `launcher.py run` checks. Rasa's own output, thousands of lines, goes to
`build/rasa-train.log` in the project's root.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path

from launcher import HERE, MODEL, sha256_of

MADE_OF = ("config.yml", "domain", "data", "components", "uv.lock")
LANGUAGE = HERE.parent / "language"
LOG = HERE.parent / "build" / "rasa-train.log"
TAIL = 30

# What Rasa's log says, and what is worth telling.
_STARTS = re.compile(r"Starting to train component '(\w+)'")
_ENDS = re.compile(r"Finished training component '(\w+)'")
_OURS = re.compile(r"koll\.\w+ +- (.*)")
"""Lines of this project's own components."""


def fingerprint(root: Path = HERE, made_of: Iterable[str | Path] = (*MADE_OF, LANGUAGE)) -> str:
    """SHA-256 over the names and contents of all files the model is made of.

    `made_of` are files and folders, by name in `root` or anywhere.
    """
    digest = sha256()
    for name in made_of:
        path = root / name
        files = [path] if path.is_file() else sorted(path.rglob("*"))
        for file in files:
            if file.is_file() and file.suffix != ".pyc":
                digest.update(f"{file.relative_to(path.parent)}\0".encode())
                digest.update(bytes.fromhex(sha256_of(file)))
    return digest.hexdigest()


def is_current(model: Path, record: Path, made_from: str) -> bool:
    """Whether `model` is whole and was made from `made_from`."""
    try:
        told = json.loads(record.read_text(encoding="utf-8"))
        return told["made_from"] == made_from and told["sha256"] == sha256_of(model)
    except (OSError, ValueError, KeyError):
        return False


def run_rasa(root: Path, directory: Path, log: Path) -> int:
    """Train from `root` into `directory`; the exit code. Rasa's output goes to `log`.

    Prints a line for each part that is trained. Rasa's validation is left to
    `launcher.py data validate`: here it would warn into a log file and train on.
    """
    command = [
        *(sys.executable, str(HERE / "launcher.py"), "train", "--skip-validation"),
        *("--config", str(root / "config.yml"), "--domain", str(root / "domain")),
        *("--data", str(root / "data"), "--out", str(directory)),
        # Rasa's own cache does not see a change in the modules behind a component.
        *("--fixed-model-name", "koll", "--force"),
    ]
    environment = os.environ | {
        "PYTHONUNBUFFERED": "1",
        "PYTHONHASHSEED": "0",
        "RASA_MAX_CACHE_SIZE": "0",
        "LOG_LEVEL": "INFO",
        # Serving multiplies small matrices, training one of some 20,000 by 20,000.
        "OPENBLAS_NUM_THREADS": str(os.cpu_count()),
        # The first comes with the project (`make vectors`), the second has what is new since.
        "INTENT_VECTORS": f"{root / 'vectors.npz'}{os.pathsep}{root / '.rasa' / 'vectors.npz'}",
    }
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w", encoding="utf-8") as file:
        process = subprocess.Popen(
            command,
            cwd=root,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
        )
        started: dict[str, float] = {}
        for line in process.stdout or ():
            file.write(line)
            if found := _STARTS.search(line):
                started[found[1]] = time.monotonic()
            elif found := _ENDS.search(line):
                seconds = time.monotonic() - started.get(found[1], time.monotonic())
                print(f"  trained {found[1]} in {seconds:.1f} s", flush=True)
            elif found := _OURS.search(line):
                print(f"    {found[1]}", flush=True)
        return process.wait()


def train(root: Path, log: Path, force: bool = False) -> int:
    """Make `root`/models/koll.tar.gz current. Exit code 0 if it is, afterwards."""
    model = root / "models" / MODEL.name
    record = model.with_name("koll.json")
    made_from = fingerprint(root)
    if not force and is_current(model, record, made_from):
        print(f"The model is current: {model}")
        return 0
    began = time.monotonic()
    print(f"Training; the details are in {log}", flush=True)
    model.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=model.parent, prefix=".training-") as directory:
        code = run_rasa(root, Path(directory), log)
        made = Path(directory) / model.name
        if code != 0 or not made.is_file():
            print("".join(log.read_text(encoding="utf-8").splitlines(True)[-TAIL:]))
            print(f"Training failed; all of it is in {log}", file=sys.stderr)
            return code or 1
        told = {"made_from": made_from, "sha256": sha256_of(made)}
        # The record goes first: a model without its record would run unchecked.
        record.write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
        made.replace(model)
    seconds, megabytes = time.monotonic() - began, model.stat().st_size / 1e6
    print(f"Trained in {seconds:.0f} s: {model}, {megabytes:.1f} MB")
    return 0


def main() -> int:
    """The command line; see the module's docstring."""
    parser = argparse.ArgumentParser(description="Train the model if anything changed.")
    parser.add_argument("--force", action="store_true", help="train even if nothing changed")
    return train(HERE, LOG, parser.parse_args().force)


if __name__ == "__main__":
    sys.exit(main())
