"""Promises of the launcher, the training script and the logs."""

from __future__ import annotations

import json
import logging
import os
import shutil
import socket
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from conftest import RASA, TOKEN, free_port

import launcher
import safe_logs
import train

CANARY = "kanariefågel"


def started(model: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Try to start a server that is expected to refuse."""
    kept = {k: v for k, v in os.environ.items() if k not in ("RASA_TOKEN", "ACTIONS_URL")}
    return subprocess.run(
        [sys.executable, str(RASA / "launcher.py"), "run", "-p", str(free_port()), "-m", str(model)],
        env=kept | environment,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_stand_ins_can_be_used_as_rasa_uses_tensorflow_while_importing() -> None:
    """Names of a stand-in serve as base class, decorator, annotation and default value."""
    module = launcher._StandInModule("tensorflow")

    class Layer(module.keras.layers.Layer):
        def __init__(self, size: int = module.int32) -> None:
            self.size = size

    @module.function
    def decorated() -> module.Tensor[int]:
        return 7

    assert 3 == Layer(3).size
    assert 7 == decorated()
    with pytest.raises(AttributeError):
        module.__wrapped__  # noqa: B018


def test_real_tensorflow_is_left_alone_when_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """RASA_TENSORFLOW=1 keeps the stand-ins away."""
    monkeypatch.setenv("RASA_TENSORFLOW", "1")

    assert launcher.stand_in_for_tensorflow() is False


def test_the_environment_with_tensorflow_is_otherwise_the_same() -> None:
    """Both projects ask for the same packages, and differ in what is never installed."""
    lean, full = (
        tomllib.loads((RASA / name).read_text(encoding="utf-8")) for name in ("pyproject.toml", "full/pyproject.toml")
    )
    overrides = [project["tool"]["uv"]["override-dependencies"] for project in (lean, full)]

    assert lean["project"]["dependencies"] == full["project"]["dependencies"]
    assert lean["dependency-groups"] == full["dependency-groups"]
    assert [wanted for wanted in overrides[0] if "'never'" not in wanted] == overrides[1]


def test_run_listens_on_this_machine_only_unless_told_otherwise(model: Path) -> None:
    """The interface is 127.0.0.1 by default, and the credentials are the project's own."""
    completed = launcher.run_arguments(["-m", str(model), "-p", str(free_port())])

    assert "127.0.0.1" == completed[completed.index("--interface") + 1]
    assert str(RASA / "credentials.yml") == completed[completed.index("--credentials") + 1]
    given = ["-m", str(model), "-p", str(free_port()), "-i", "0.0.0.0"]
    assert "--interface" not in launcher.run_arguments(given)
    assert launcher._option(["--port=7"], "--port") == "7"


def test_run_refuses_the_api_that_hands_out_conversations(model: Path) -> None:
    """--enable-api is refused."""
    with pytest.raises(SystemExit, match="enable-api"):
        launcher.run_arguments(["-m", str(model), "--enable-api"])


def test_run_refuses_a_port_that_is_taken() -> None:
    """A port in use is an error in words, not a silent end."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(SystemExit, match="Cannot listen on"):
            launcher.check_port("127.0.0.1", taken.getsockname()[1])


def test_run_refuses_a_model_that_is_missing_or_altered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model must be there, be the one its record describes, and the one that is pinned."""
    made = tmp_path / "koll.tar.gz"
    with pytest.raises(SystemExit, match="No model"):
        launcher.check_model(made)
    made.write_bytes(b"a model")
    record = tmp_path / "koll.json"
    record.write_text(json.dumps({"sha256": launcher.sha256_of(made)}))
    launcher.check_model(made)

    made.write_bytes(b"another model")
    with pytest.raises(SystemExit, match="altered"):
        launcher.check_model(made)

    record.unlink()
    monkeypatch.setenv("RASA_MODEL_SHA256", "0" * 64)
    with pytest.raises(SystemExit, match="RASA_MODEL_SHA256"):
        launcher.check_model(made)


@pytest.mark.parametrize(
    ("environment", "missing"),
    [
        ({"ACTIONS_URL": "http://127.0.0.1:9"}, "RASA_TOKEN"),
        ({"ACTIONS_URL": "http://127.0.0.1:9", "RASA_TOKEN": ""}, "RASA_TOKEN"),
        ({"RASA_TOKEN": TOKEN}, "ACTIONS_URL"),
    ],
    ids=["no token", "empty token", "no address of the actions"],
)
def test_run_refuses_to_start_without_its_settings(model: Path, environment: dict[str, str], missing: str) -> None:
    """There is no default secret and no default neighbour: unset means no start."""
    finished = started(model, **environment)

    assert 0 != finished.returncode
    assert missing in finished.stdout + finished.stderr


def test_the_model_is_made_again_when_and_only_when_something_changed(
    tmp_path: Path,
) -> None:
    """The fingerprint follows names and contents; an altered model is not current."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "nlu.yml").write_text("a")
    before = train.fingerprint(tmp_path, ["data", "uv.lock"])

    assert before == train.fingerprint(tmp_path, ["data", "uv.lock"])
    (tmp_path / "data" / "nlu.yml").write_text("b")
    assert before != train.fingerprint(tmp_path, ["data", "uv.lock"])

    made, record = tmp_path / "koll.tar.gz", tmp_path / "koll.json"
    assert not train.is_current(made, record, "x")
    made.write_bytes(b"model")
    record.write_text(json.dumps({"made_from": "x", "sha256": launcher.sha256_of(made)}))
    assert train.is_current(made, record, "x")
    assert not train.is_current(made, record, "y")
    made.write_bytes(b"other")
    assert not train.is_current(made, record, "x")


def test_training_is_not_repeated_and_leaves_a_record(
    model: Path, tiny_root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A second training does nothing; the record describes the model; one file is left."""
    assert 0 == train.train(tiny_root, tiny_root / "train.log")

    assert "is current" in capsys.readouterr().out
    launcher.check_model(model)
    assert {"koll.tar.gz", "koll.json"} == {path.name for path in model.parent.iterdir()}


def test_a_failed_training_says_why_and_keeps_the_old_model(
    model: Path, tiny_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code, the end of Rasa's output, and the model of before."""
    root = tmp_path / "broken"
    shutil.copytree(tiny_root, root)
    with (root / "data" / "rules.yml").open("a") as rules:
        rules.write("  - rule: contradiction\n    steps:\n")
        rules.write("      - intent: support\n      - action: utter_smalltalk\n")
    before = launcher.sha256_of(root / "models" / "koll.tar.gz")

    assert 0 != train.train(root, tmp_path / "log")
    told = capsys.readouterr()
    assert "Contradicting rules" in told.out and "Training failed" in told.err
    assert before == launcher.sha256_of(root / "models" / "koll.tar.gz")


def logged(record: logging.LogRecord) -> str:
    return safe_logs.SafeFormatter().format(record)


def test_a_log_line_from_an_unknown_place_carries_no_message() -> None:
    """Only messages from places known to be safe are written; of others, the place."""
    unknown = logging.LogRecord("rasa.core.anything", 30, "f.py", 7, CANARY, (), None, "f")
    known = logging.LogRecord("rasa.core.processor", 20, "f.py", 7, "Loading", (), None, "_load_model")

    assert CANARY not in logged(unknown)
    assert "rasa.core.anything.f:7" in logged(unknown)
    assert "Loading" in logged(known)


def test_an_exception_in_the_log_carries_neither_message_nor_values() -> None:
    """Types and places of an exception and its causes are written, nothing else."""
    try:
        try:
            raise KeyError(CANARY)
        except KeyError as error:
            raise ValueError(f"bad: {CANARY}") from error
    except ValueError as error:
        described = safe_logs.describe(error)

    assert CANARY not in described
    assert "ValueError at " in described and "from KeyError at " in described


def test_a_structured_event_is_reduced_to_its_name() -> None:
    """Rasa's structured log keeps event names, and loses every field."""
    event = {"event": "message.parsing.failed", "user_text": CANARY, "exc_info": True}
    (name,), extras = safe_logs._structlog_event(None, "warning", event)
    _, of_free_text = safe_logs._structlog_event(None, "warning", {"event": CANARY})

    assert "message.parsing.failed" == name
    assert extras["extra"]["is_event_name"] and CANARY not in str(extras)
    assert not of_free_text["extra"]["is_event_name"]
