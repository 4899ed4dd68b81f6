"""All benchmarks, one after the other: `make bench`. Each can be run alone, `python -m bench.cold_start`."""

from __future__ import annotations

import os
import subprocess
import sys

from bench.common import RESULTS
from scripts.steps import ROOT

NOT_ONE = {"__init__", "__main__", "understanding", "common", "hello", "servers", "bookings", "live"}


def main() -> int:
    """0 when every benchmark could be run and gave right answers, whatever its figures."""
    names = sorted(path.stem for path in (ROOT / "bench").glob("*.py") if path.stem not in NOT_ONE)
    print(f"Load now {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores. Medians, with the lowest and highest round.")
    failed = [
        name for name in names if subprocess.run([sys.executable, "-m", f"bench.{name}"], cwd=ROOT).returncode != 0
    ]
    print(f"\nResults: {RESULTS.relative_to(ROOT)}")
    for name in failed:
        print(f"{name} failed", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
