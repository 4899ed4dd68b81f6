"""How long the backend takes from start to its first answered page, against a Sanic that says hello.

The assistant is absent, so this is also what people wait for at worst. Both are started
in turn, round after round; the first round, which fills the caches, does not count.
"""

from __future__ import annotations

import time
from pathlib import Path

from bench import servers
from bench.common import Report
from scripts import steps
from scripts.environment import PYTHON

ROUNDS = 6


def start_once(command: list[str | Path], url: str, env: dict[str, str]) -> tuple[float, float]:
    """Seconds from the start to the first 200, and resident MB then."""
    began = time.perf_counter()
    process = steps.spawn(command, "bench-cold-start", env=env)
    try:
        servers.until_ok(url, process)
        return time.perf_counter() - began, servers.rss_mb(process.pid)
    finally:
        steps.end([process])


def main() -> None:
    """Measure and report."""
    with servers.scratch() as directory:
        env = servers.settings(directory)
        servers.migrate(env)
        hello_port = servers.free_port()
        hello: list[str | Path] = [PYTHON, "-m", "bench.hello", str(hello_port)]
        backend: list[str | Path] = [PYTHON, "-m", "backend", "serve"]
        hellos, backends = [], []
        for _ in range(ROUNDS):
            hellos.append(start_once(hello, f"http://127.0.0.1:{hello_port}/health", env))
            backends.append(start_once(backend, f"{env['PUBLIC_URL']}/chatt", env))
    reference = [seconds for seconds, _ in hellos[1:]]
    report = Report("cold_start", reference)
    report.at_most(
        "backend's start ÷ bare Sanic's start",
        [ours / bare for (ours, _), bare in zip(backends[1:], reference, strict=True)],
        2.5,
    )
    report.at_most("backend's memory then", [memory for _, memory in backends[1:]], 130, "MB")
    report.told("backend's start to the first chat page", [seconds for seconds, _ in backends[1:]], "s")
    report.told("bare Sanic's start", reference, "s")
    report.finish()


if __name__ == "__main__":
    main()
