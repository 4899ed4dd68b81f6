"""Promise: nothing that a person wrote can reach a log, whoever logs it and however it fails."""

from __future__ import annotations

import io
import logging
import subprocess
import sys
from collections.abc import Iterator

import pytest

from backend.config import ROOT
from backend.core import logs

CANARY = "min pappa dricker"


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """What a handler with our formatter writes, while the root logger has only that one."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logs.SafeFormatter())
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    root.handlers[:] = [handler]
    root.setLevel(logging.DEBUG)
    yield stream
    root.handlers[:] = before
    root.setLevel(level)


def test_a_foreign_message_is_reduced_to_its_place(written: io.StringIO) -> None:
    """A library may put anything into its words."""
    logging.getLogger("sqlalchemy.engine").warning("parameters: %s", CANARY)
    assert CANARY not in written.getvalue()
    assert "sqlalchemy.engine.test_a_foreign_message_is_reduced_to_its_place" in written.getvalue()


def test_our_own_message_is_written_on_one_line(written: io.StringIO) -> None:
    """Ours are reviewed here; a line break in one cannot forge another."""
    logging.getLogger("koll").error("outbox failed: %s", "Timeout\nError")
    assert "outbox failed: Timeout Error\n" in written.getvalue()
    assert 1 == written.getvalue().count("\n")


@pytest.mark.parametrize("name", ["koll", "sanic.error", "asyncio"])
def test_an_exception_is_told_without_its_words(name: str, written: io.StringIO) -> None:
    """Types and places of the whole chain, and no message."""
    try:
        try:
            raise ValueError(CANARY)
        except ValueError as error:
            raise KeyError(CANARY) from error
    except KeyError:
        logging.getLogger(name).exception("failed")
    told = written.getvalue()
    assert CANARY not in told
    assert "KeyError at " in told
    assert "from ValueError at " in told
    assert "test_logs.py" in told


def test_an_exception_that_ends_the_process_goes_the_same_way() -> None:
    """Also what Python itself would print."""
    code = f"from backend.core import logs; logs.install(); raise RuntimeError({CANARY!r})"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert CANARY not in done.stderr + done.stdout
    assert "CRITICAL stopped [RuntimeError at <string>:1 <module>]" in done.stderr
