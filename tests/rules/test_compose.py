"""Promise: the containers start the same commands as `make run`, and only the backend can be reached."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import compose_spec
import pytest
import yaml

from backend.config import ROOT
from scripts import run

COMPOSE = ROOT / "docker-compose.yml"
SECRETS = {"DATA_KEY", "CODE_PEPPER", "RASA_TOKEN", "INTERNAL_TOKEN", "POSTGRES_PASSWORD", "SMTP_URL"}
ONE_SHOT = {"migrate"}
GIVEN = {
    "PUBLIC_URL": "https://koll.exempelby.example",
    "MAIL_FROM": "koll@exempelby.example",
    "MUNICIPALITY": "exempelby",
    **{name: f"made-up-{name.lower()}" for name in SECRETS},
}

_VARIABLE = re.compile(r"\$\{(?P<name>\w+)(?:(?P<kind>:\?|:-)(?P<rest>[^}]*))?\}")


class Unset(Exception):
    """What compose says about a required variable that is unset or empty."""


def interpolate(text: str, env: Mapping[str, str]) -> str:
    """Compose's interpolation: ``${A:-default}`` and ``${A:?message}``; comments are left out of it."""

    def fill(match: re.Match[str]) -> str:
        value = env.get(match["name"], "")
        if not value and match["kind"] == ":?":
            raise Unset(match["name"])
        return value or match["rest"] or ""

    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    return _VARIABLE.sub(fill, "\n".join(lines))


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    """Every service with what it merged in, as Compose would see it."""
    text = interpolate(COMPOSE.read_text(encoding="utf-8"), GIVEN)
    merged = yaml.safe_load(text)
    return dict(merged["services"])


def test_a_compose_parser_accepts_it() -> None:
    """The file follows the Compose specification."""
    text = interpolate(COMPOSE.read_text(encoding="utf-8"), GIVEN)
    merged = yaml.safe_load(text)
    plain = yaml.safe_dump({key: value for key, value in merged.items() if not key.startswith("x-")})
    parsed = compose_spec.PyCompose.from_yaml(plain)
    parsed.validate()
    assert {"backend", "rasa", "actions", "postgres", "redis", "migrate"} == set(parsed.service_names())


def test_the_linter_finds_nothing_high() -> None:
    """No privilege, capability, open port or inline credential that a security linter knows of."""
    done = subprocess.run(
        [Path(sys.executable).with_name("compose-lint"), COMPOSE], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("name", sorted(GIVEN))
def test_an_unset_secret_or_address_stops_the_start(name: str) -> None:
    """No default that would be everybody's."""
    with pytest.raises(Unset, match=f"^{name}$"):
        interpolate(COMPOSE.read_text(encoding="utf-8"), {**GIVEN, name: ""})


def test_only_the_backend_has_a_port(services: dict[str, Any]) -> None:
    """And that one on the loopback address, for the reverse proxy."""
    assert {"backend"} == {name for name, service in services.items() if service.get("ports")}
    assert ["127.0.0.1:8000:8000"] == services["backend"]["ports"]
    assert {"backend"} == {name for name, service in services.items() if "public" in service["networks"]}
    networks = yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))["networks"]
    assert {"public": {}} == {name: about for name, about in networks.items() if not about.get("internal")}


def test_nobody_shares_a_network_without_need(services: dict[str, Any]) -> None:
    """Rasa and the action server cannot reach the database, and only Rasa reaches Redis."""
    members = {
        network: {name for name, service in services.items() if network in service["networks"]}
        for network in ("talk", "data", "locks")
    }
    assert {
        "talk": {"backend", "rasa", "actions"},
        "data": {"backend", "migrate", "postgres"},
        "locks": {"rasa", "redis"},
    } == members


def test_every_container_is_fenced_in(services: dict[str, Any]) -> None:
    """Not root, nothing to write to but what it needs, no capabilities, bounded memory, and checked."""
    for name, service in services.items():
        assert service["user"].split(":")[0] not in ("0", "root"), name
        assert service["read_only"] is True, name
        assert ["ALL"] == service["cap_drop"], name
        assert ["no-new-privileges:true"] == service["security_opt"], name
        assert service["mem_limit"], name
        assert "privileged" not in service, name
        assert (name in ONE_SHOT) == ("healthcheck" not in service), name


def test_each_is_told_only_its_own_secrets(services: dict[str, Any]) -> None:
    """A stolen Rasa knows no key of the database."""
    told = {name: SECRETS & set(service.get("environment", {})) for name, service in services.items()}
    assert told["rasa"] == {"RASA_TOKEN"}
    assert told["actions"] == {"INTERNAL_TOKEN"}
    assert told["redis"] == set()
    assert told["postgres"] == {"POSTGRES_PASSWORD"}


def test_images_are_pinned(services: dict[str, Any]) -> None:
    """A version, never `latest`, in the file and in the Dockerfiles."""
    bases = [service["image"] for service in services.values()]
    for dockerfile in (ROOT / "docker").glob("*.Dockerfile"):
        bases += re.findall(r"^FROM (\S+)", dockerfile.read_text(encoding="utf-8"), re.M)
    assert [] == [base for base in bases if ":" not in base or base.endswith(":latest")]


def _command(service: Mapping[str, Any]) -> list[str]:
    return [str(part) for part in service["command"]]


def test_the_commands_are_those_of_make_run(services: dict[str, Any]) -> None:
    """Options that say where to listen may differ; what is started may not."""
    settings = {"RASA_TOKEN": "r", "INTERNAL_TOKEN": "i"}
    backend, actions, rasa = run.services(settings, run.Addresses.read({}))

    def in_checkout(command: list[str | Path]) -> list[str]:
        parts = [
            str(part.relative_to(ROOT)) if isinstance(part, Path) and part.is_relative_to(ROOT) else str(part)
            for part in command
        ]
        return ["python", *parts[1:]]

    assert in_checkout(backend.command) == _command(services["backend"])
    assert in_checkout(actions.command) == _command(services["actions"])
    expected = in_checkout(rasa.command)
    expected[expected.index("-i") + 1] = "0.0.0.0"
    assert [*expected, "--endpoints", "rasa/endpoints.compose.yml"] == _command(services["rasa"])
    assert ["python", "-m", "backend", "migrate"] == _command(services["migrate"])
    for name in ("backend", "actions", "rasa"):
        paths = (backend.health, actions.health, rasa.health)
        own = next(path for path in paths if path.endswith(services[name]["healthcheck"]["test"][3].split("/", 3)[3]))
        assert own, name


@pytest.mark.parametrize("dockerfile", sorted((ROOT / "docker").glob("*.Dockerfile")), ids=lambda path: path.stem)
def test_a_dockerfile_copies_what_there_is(dockerfile: Path) -> None:
    """Every path exists, none is kept out by `.dockerignore`, and the last stage is not root."""
    text = dockerfile.read_text(encoding="utf-8")
    allowed = [
        line[1:] for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines() if line.startswith("!")
    ]
    for line in re.findall(r"^COPY (?!--from)(.+)$", text, re.M):
        for source in line.split()[:-1]:
            assert (ROOT / source).exists(), source
            assert any(source == path or source.startswith(f"{path}/") for path in allowed), source
    last_stage = text[text.rindex("\nFROM ") :]
    assert "\nUSER 10001:10001\n" in last_stage


def test_the_actions_image_holds_what_the_actions_read() -> None:
    """Its words lie outside the package, so they must be copied with it."""
    from_words = re.findall(r'"data" / "(\w+)"', (ROOT / "rasa" / "actions" / "words.py").read_text(encoding="utf-8"))
    dockerfile = (ROOT / "docker" / "actions.Dockerfile").read_text(encoding="utf-8")
    assert from_words
    assert [] == [name for name in from_words if f"COPY rasa/data/{name} rasa/data/{name}\n" not in dockerfile]


@pytest.mark.parametrize("name", ["backend", "rasa", "actions"])
def test_the_image_starts_what_compose_starts(name: str, services: dict[str, Any]) -> None:
    """`docker run` of the image is no other program."""
    text = (ROOT / services[name]["build"]["dockerfile"]).read_text(encoding="utf-8")
    [command] = re.findall(r"^CMD (.+)$", text, re.M)
    assert yaml.safe_load(command) == _command(services[name])


def test_the_image_holds_no_secret_and_no_database() -> None:
    """`.dockerignore` starts from nothing, so a new file is out until somebody lets it in."""
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert "*" == next(line for line in lines if line and not line.startswith("#"))
    assert not {"!.env", "!var"} & set(lines)
