"""Promise: settings are documented, secrets have no defaults, and a bad one stops the start with its name."""

from __future__ import annotations

import ast
import re

import pytest

from backend.config import ROOT, SettingsError, load_settings
from tests.conftest import data_key

SECRETS = {"DATA_KEY": data_key(), "CODE_PEPPER": data_key(), "RASA_TOKEN": "r" * 32, "INTERNAL_TOKEN": "i" * 32}


def _names_read() -> set[str]:
    tree = ast.parse((ROOT / "backend" / "config.py").read_text(encoding="utf-8"))
    strings = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    return {value for value in strings if re.fullmatch(r"[A-Z][A-Z_]{3,}", value)}


def _in_example() -> dict[str, str]:
    lines = (ROOT / ".env.example").read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def test_the_secrets_are_enough() -> None:
    """Everything else has a default that runs on a developer's machine."""
    settings = load_settings(SECRETS)
    assert b"k" * 32 == settings.data_key
    assert settings.database_url.startswith("sqlite:///")
    assert settings.host == "127.0.0.1"


@pytest.mark.parametrize("name", SECRETS)
@pytest.mark.parametrize("value", [None, "", "   ", "short"])
def test_a_missing_secret_stops_the_start(name: str, value: str | None) -> None:
    """There is no built-in value that somebody could read in this repository."""
    env = {key: kept for key, kept in SECRETS.items() if key != name}
    if value is not None:
        env[name] = value
    with pytest.raises(SettingsError, match=name):
        load_settings(env)


@pytest.mark.parametrize("name", ["DATA_KEY", "CODE_PEPPER"])
def test_a_key_must_be_a_key(name: str) -> None:
    """32 bytes, or the start stops."""
    with pytest.raises(SettingsError, match=f"{name} must be 32 bytes"):
        load_settings({**SECRETS, name: "x" * 40})


@pytest.mark.parametrize("name", ["PORT", "TRUSTED_PROXIES", "RASA_DEADLINE_MS"])
def test_a_number_must_be_a_number(name: str) -> None:
    """The message names the setting."""
    with pytest.raises(SettingsError, match=name):
        load_settings({**SECRETS, name: "many"})


def test_an_empty_line_means_the_default() -> None:
    """`.env.example` can be copied as it is, secrets filled in."""
    defaults = load_settings(SECRETS)
    copied = load_settings({**dict.fromkeys(_names_read(), ""), **SECRETS})
    assert defaults == copied


def test_every_setting_is_in_the_example_file_and_in_the_readme() -> None:
    """A setting that nobody can find is not one."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    names = _names_read()
    # What ends in a line is the beginning of many names, one for each endpoint.
    families = {name for name in names if name.endswith("_")}
    assert "PORT" in names and {"WEBHOOK_SECRET_"} == families
    assert set() == names - families - _in_example().keys()
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    assert [] == [name for name in families if f"#{name}" not in example or f"`{name}" not in readme]
    assert [] == [name for name in sorted(_in_example()) if f"`{name}`" not in readme]


def test_the_example_file_holds_no_secret() -> None:
    """Nobody's key is in the repository."""
    example = _in_example()
    assert dict.fromkeys(SECRETS, "") == {name: example[name] for name in SECRETS}
    assert example["POSTGRES_PASSWORD"] == ""
