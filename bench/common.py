"""What every benchmark reports: medians of per-round figures against a reference of the same run.

Absolute figures of one machine say nothing about another, and on a busy one not even about
the next minute. So reference and subject take turns, each round gives one figure, and the
median is told with its range. If the reference itself swung more than twofold, the whole
result is marked noisy. A benchmark never fails on a figure, only on a wrong answer.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime

from scripts.steps import ROOT

RESULTS = ROOT / "build" / "bench"
NOISY = 2.0


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure over the rounds, and where it should be: ``target`` is ``<= limit`` or ``>= limit``."""

    name: str
    rounds: Sequence[float]
    unit: str = ""
    target: str = ""
    limit: float | None = None

    @property
    def median(self) -> float:
        """The middle of the rounds."""
        return statistics.median(self.rounds)

    @property
    def met(self) -> bool | None:
        """Whether the median is where it should be; None without a target."""
        if self.limit is None:
            return None
        return self.median <= self.limit if self.target == "<=" else self.median >= self.limit


@dataclass(slots=True)
class Report:
    """The figures of one benchmark. ``reference`` holds the reference's own value in each round."""

    name: str
    reference: Sequence[float]
    figures: list[Figure] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def noisy(self) -> bool:
        """Whether the machine was too restless for the figures to mean much."""
        return max(self.reference) > NOISY * min(self.reference)

    def at_most(self, name: str, rounds: Sequence[float], limit: float, unit: str = "") -> None:
        """Add a figure that should not exceed ``limit``."""
        self.figures.append(Figure(name, rounds, unit, "<=", limit))

    def at_least(self, name: str, rounds: Sequence[float], limit: float, unit: str = "") -> None:
        """Add a figure that should reach ``limit``."""
        self.figures.append(Figure(name, rounds, unit, ">=", limit))

    def told(self, name: str, rounds: Sequence[float], unit: str = "") -> None:
        """Add a figure without a target."""
        self.figures.append(Figure(name, rounds, unit))

    def finish(self) -> None:
        """Print the table and write ``build/bench/<name>.json``."""
        print(f"\n{self.name}{'   (noisy: the reference swung more than twofold)' if self.noisy else ''}")
        for figure in self.figures:
            target = f"{figure.target} {figure.limit:g}" if figure.limit is not None else ""
            verdict = {True: "met", False: "NOT met", None: ""}[figure.met]
            low, high = min(figure.rounds), max(figure.rounds)
            print(
                f"  {figure.name:<44} {figure.median:9.3g} {figure.unit:<4} "
                f"({low:.3g} to {high:.3g})  {target:<9} {verdict}"
            )
        for note in self.notes:
            print(f"  {note}")
        RESULTS.mkdir(parents=True, exist_ok=True)
        told = {
            "benchmark": self.name,
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
            "python": platform.python_version(),
            "cores": os.cpu_count(),
            "load": os.getloadavg()[0],
            "noisy": self.noisy,
            "reference": list(self.reference),
            "figures": [
                {**asdict(figure), "rounds": list(figure.rounds), "median": figure.median, "met": figure.met}
                for figure in self.figures
            ],
            "notes": self.notes,
        }
        path = RESULTS / f"{self.name}.json"
        path.write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")


def percentile(values: Sequence[float], percent: int) -> float:
    """The ``percent``-th percentile of at least two values."""
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]
