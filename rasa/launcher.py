"""Start Rasa, without TensorFlow and without a trace of what people write.

    python launcher.py run                    the server, on 127.0.0.1:5005
    python launcher.py data validate          any other Rasa command, unchanged
    python launcher.py test core -s ...

What it does before it hands over to Rasa's own `main`:

* **TensorFlow.** Rasa 3.6 imports TensorFlow in modules it always loads, though nothing in
  `config.yml` uses it. When TensorFlow is not installed, stand-in modules take its place:
  2 GB less to install, and a start of seconds instead of most of a minute. Set
  `RASA_TENSORFLOW=1` (or install it, see `full/`) to use the real one; the model file is
  the same. The stand-ins are made for rasa==3.6.21, the last release of its line.
* **Logs.** `run` writes no log line that could carry a person's words (`safe_logs.py`).
* **Network.** `run` listens on 127.0.0.1 unless `--interface` says otherwise, and refuses
  `--enable-api`: that API hands out whole conversations.
* **Model.** `run` loads exactly one model file and refuses one that has been altered since
  `train.py` wrote it. `RASA_MODEL_SHA256`, when set, must match too: an image pins it.
* **Threads.** One for BLAS, set before numpy is imported: the products here are small.
* **Telemetry** is off.
"""

from __future__ import annotations

import hashlib
import importlib.abc
import importlib.machinery
import importlib.util
import json
import os
import socket
import sys
import types
from pathlib import Path

HERE = Path(__file__).resolve().parent
MODEL = HERE / "models" / "koll.tar.gz"
PORT = 5005
"""Rasa's own default."""

STOOD_IN = frozenset({"tensorflow", "tensorflow_addons", "tensorflow_hub", "tensorflow_text", "keras", "jax"})


class _Nothing(type):
    """The type of every name found in a stand-in module.

    Rasa's modules use such names as base classes, annotations, decorators and default
    values while they are being imported; all of that must work and none of it is ever run.
    """

    def __getattr__(cls, name: str) -> type:
        if name.startswith("__"):
            raise AttributeError(name)
        return _Nothing(name, (), {})

    def __getitem__(cls, _key: object) -> type:
        return cls

    def __call__(cls, *args: object, **kwargs: object) -> object:
        if cls.__bases__ != (object,):  # a class of Rasa's own, derived from a stand-in
            return super().__call__(*args, **kwargs)
        if len(args) == 1 and callable(args[0]) and not kwargs:  # used as a decorator
            return args[0]
        return _Nothing(cls.__name__, (), {})


class _StandInModule(types.ModuleType):
    def __getattr__(self, name: str) -> type:
        if name.startswith("__"):
            raise AttributeError(name)
        return _Nothing(name, (), {})


class _StandInFinder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def find_spec(
        self, fullname: str, path: object = None, target: object = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname.partition(".")[0] in STOOD_IN:
            return importlib.machinery.ModuleSpec(fullname, self, is_package=True)
        return None

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType:
        return _StandInModule(spec.name)

    def exec_module(self, module: types.ModuleType) -> None:
        pass


def stand_in_for_tensorflow() -> bool:
    """Put stand-ins where TensorFlow would be; say whether that was done.

    Not done when TensorFlow is installed or `RASA_TENSORFLOW=1` asks for the real one, in
    which case a missing TensorFlow fails as an ordinary ImportError.
    """
    if os.environ.get("RASA_TENSORFLOW") == "1":
        return False
    if importlib.util.find_spec("tensorflow") is not None:
        return False
    sys.meta_path.insert(0, _StandInFinder())
    return True


def prepare() -> None:
    """Set what must be set before numpy or Rasa is imported. Safe to call twice."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    os.environ["RASA_TELEMETRY_ENABLED"] = "false"
    os.environ.setdefault("SQLALCHEMY_SILENCE_UBER_WARNING", "1")
    stand_in_for_tensorflow()


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_model(path: Path) -> None:
    """Refuse to go on unless `path` is a model, unaltered since it was trained.

    The digest is compared with the `.json` that `train.py` keeps beside the model, where
    there is one, and with `RASA_MODEL_SHA256` where that is set.

    Raises:
        SystemExit: with the reason, in words for whoever starts the service.
    """
    if not path.is_file():
        raise SystemExit(f"No model at {path}. Train one first: python train.py")
    expected: dict[str, str] = {}
    record = path.with_name(path.name.removesuffix(".tar.gz") + ".json")
    if record.is_file():
        expected[record.name] = json.loads(record.read_text(encoding="utf-8"))["sha256"]
    if pinned := os.environ.get("RASA_MODEL_SHA256"):
        expected["RASA_MODEL_SHA256"] = pinned.strip().lower()
    if not expected:
        return
    actual = sha256_of(path)
    for source, digest in expected.items():
        if digest != actual:
            raise SystemExit(
                f"The model {path.name} is not the one that {source} describes. "
                "It was altered or only half written. Train again: python train.py --force"
            )


def check_port(interface: str, port: int) -> None:
    """Refuse to go on if the port is taken: Sanic would end as if all had gone well.

    Raises:
        SystemExit: with the address and the system's reason.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((interface, port))
        except OSError as error:
            raise SystemExit(f"Cannot listen on {interface}:{port}: {error.strerror}") from None


def _option(arguments: list[str], *names: str) -> str | None:
    """The value given for an option, in either spelling (`-m X`, `--model=X`), or None."""
    for position, argument in enumerate(arguments):
        name, equals, value = argument.partition("=")
        if name in names:
            return value if equals else "".join(arguments[position + 1 : position + 2])
    return None


def run_arguments(arguments: list[str]) -> list[str]:
    """Complete the arguments of `rasa run` with this project's safe choices.

    Raises:
        SystemExit: for `--enable-api`, a model that is missing or altered, a taken port.
    """
    if "--enable-api" in arguments:
        raise SystemExit("--enable-api is refused: it would hand out whole conversations.")
    completed = list(arguments)
    for names, value in (
        (("-i", "--interface"), "127.0.0.1"),
        (("-m", "--model"), str(MODEL)),
        (("--endpoints",), str(HERE / "endpoints.yml")),
        (("--credentials",), str(HERE / "credentials.yml")),
    ):
        if _option(completed, *names) is None:
            completed += [names[-1], value]
    check_model(Path(_option(completed, "-m", "--model") or ""))
    check_port(
        _option(completed, "-i", "--interface") or "",
        int(_option(completed, "-p", "--port") or PORT),
    )
    return completed


def main() -> None:
    """Run one Rasa command, as the module's docstring says."""
    prepare()
    # Rasa puts the working directory on the path; this makes `components`, `channels` and
    # the `language` they share with the backend importable from anywhere.
    sys.path[:0] = [str(HERE), str(HERE.parent)]
    arguments = sys.argv[1:]
    serving = arguments[:1] == ["run"]
    if serving:
        arguments = ["run", *run_arguments(arguments[1:])]
        import safe_logs

        safe_logs.install()
    import rasa.__main__

    if serving:
        safe_logs.take_over_rasa()
    sys.argv = ["rasa", *arguments]
    rasa.__main__.main()


if __name__ == "__main__":
    main()
