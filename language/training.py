"""Fit a `Model` to labelled texts. Deterministic: the same data give the same model."""

from __future__ import annotations

import logging
import os
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from hashlib import blake2b
from pathlib import Path

import numpy as np
from scipy.sparse import csr_matrix

from language import normalise
from language.embedding import PROBE, Embedding, restore, shorten
from language.model import (
    WORD_WEIGHT,
    Landmarks,
    Model,
    Weights,
    features,
    likeness,
    weigh,
)

logger = logging.getLogger("koll.training")

RIDGE = 0.5
"""How much the model distrusts its examples: larger is smoother."""
RARE = 2
"""Letter sequences seen in fewer texts than this are left out; words never are."""
MOST_STEPS = 100
CLOSE_ENOUGH = 0.3
"""When the conjugate gradients stop: so many steps, or a remainder this small."""
SEED = 7
"""Which examples become landmarks when not all of them do."""


def fit(
    texts: Sequence[str],
    labels: Sequence[str],
    embedding: Embedding | None,
    store: VectorStore | None = None,
    *,
    landmarks: int | None = None,
    rare: int = RARE,
    rare_words: int = 1,
) -> Model:
    """The model of `texts` labelled with `labels`, two lists of equal length.

    `store` remembers the vectors of training texts; they are most of the time. With
    `landmarks`, so many of the texts, drawn evenly, stand for all in the comparison of
    vectors, and the model is that much smaller. Features seen in fewer texts than `rare`
    (letters) or `rare_words` are left out.

    Time and memory grow with the square of the number of texts, or with the number of texts
    times `landmarks`: 15,000 texts need about 25 s on two cores and 2 GB.

    Raises:
        ValueError: if there are fewer than two different labels.
    """
    names = sorted(set(labels))
    if len(names) < 2:
        raise ValueError("at least two labels with examples are needed")
    wanted = np.zeros((len(labels), len(names)), dtype=np.float32)
    wanted[np.arange(len(labels)), [names.index(label) for label in labels]] = 1
    tidied = [normalise.tidy(text) for text in texts]
    counts = [Counter(features(normalise.fold(text))) for text in tidied]
    vocabulary, idf = _vocabulary(counts, rare, rare_words)
    sparse = _matrix(counts, vocabulary, idf)

    def by_words(found: np.ndarray) -> np.ndarray:
        return np.asarray(sparse @ (sparse.T @ found)) * np.float32(WORD_WEIGHT)

    started = time.monotonic()
    words_only = Weights(_folded(sparse, _solve(by_words, wanted)), np.zeros((0, len(names)), np.float32))
    logger.info("fitted words and letters: %.1f s", time.monotonic() - started)

    with_vectors = chosen = None
    probe = np.zeros(0, dtype=np.float32)
    if embedding is not None:
        started = time.monotonic()
        short = vectors_of(tidied, embedding, store)
        logger.info("embedded %d texts: %.1f s", len(texts), time.monotonic() - started)
        started = time.monotonic()
        probe = embedding.embed([PROBE])[0]
        centre = restore(short).mean(axis=0, dtype=np.float64).astype(np.float32)
        everything = Landmarks.of(centre, short)
        if landmarks is None or landmarks >= len(texts):
            chosen = everything
            alike = likeness(everything.directions, everything.directions)
            dense = found = _solve(lambda found: alike @ found + by_words(found), wanted)
        else:
            drawn = np.sort(np.random.default_rng(SEED).permutation(len(texts))[:landmarks])
            chosen = Landmarks.of(centre, short[drawn])
            seen = _nystroem(chosen.directions)
            parts = likeness(everything.directions, chosen.directions) @ seen
            found = _solve(lambda found: parts @ (parts.T @ found) + by_words(found), wanted)
            dense = seen @ (parts.T @ found)
        with_vectors = Weights(_folded(sparse, found), dense)
        logger.info("fitted with vectors: %.1f s", time.monotonic() - started)
    return Model(
        labels=tuple(names),
        vocabulary=vocabulary,
        idf=idf,
        words_only=words_only,
        with_vectors=with_vectors,
        landmarks=chosen,
        embedding_name=embedding.name if embedding is not None else "",
        probe=probe,
    )


def _vocabulary(counts: Sequence[Counter[str]], rare: int, rare_words: int) -> tuple[dict[str, int], np.ndarray]:
    """Features worth a weight, in alphabetical order, and their smoothed idf."""
    found_in = Counter(feature for count in counts for feature in count)
    kept = sorted(f for f, n in found_in.items() if n >= (rare_words if f.startswith("w") else rare))
    idf = [np.log((1 + len(counts)) / (1 + found_in[f])) + 1 for f in kept]
    return {feature: index for index, feature in enumerate(kept)}, np.array(idf, dtype=np.float32)


def _matrix(counts: Sequence[Counter[str]], vocabulary: dict[str, int], idf: np.ndarray) -> csr_matrix:
    rows = [weigh(count, vocabulary, idf) for count in counts]
    return csr_matrix(
        (
            np.concatenate([values for _, values in rows]),
            np.concatenate([indices for indices, _ in rows]),
            np.cumsum([0, *(len(indices) for indices, _ in rows)]),
        ),
        shape=(len(rows), len(vocabulary)),
    )


def _solve(compared: Callable[[np.ndarray], np.ndarray], wanted: np.ndarray) -> np.ndarray:
    """What each example has to say for each label: (likeness + ridge) found = wanted.

    By conjugate gradients: `compared` multiplies by how alike the examples are, and the
    matrix that says so need not exist. Stopped early, at no cost that could be measured.
    """
    found = np.zeros_like(wanted)
    left = wanted.copy()
    towards = left.copy()
    size = np.einsum("ij,ij->j", left, left)
    for _ in range(MOST_STEPS):
        moved = compared(towards) + np.float32(RIDGE) * towards
        step = size / np.maximum(np.einsum("ij,ij->j", towards, moved), 1e-30)
        found += step * towards
        left -= step * moved
        before, size = size, np.einsum("ij,ij->j", left, left)
        if np.sqrt(size.max()) < CLOSE_ENOUGH:
            break
        towards = left + (size / np.maximum(before, 1e-30)) * towards
    return found


def _folded(sparse: csr_matrix, found: np.ndarray) -> np.ndarray:
    return np.asarray((sparse.T @ found) * np.float32(WORD_WEIGHT), dtype=np.float32)


def _nystroem(landmarks: np.ndarray) -> np.ndarray:
    """The inverse square root of the landmarks' own likeness."""
    values, directions = np.linalg.eigh(likeness(landmarks, landmarks).astype(np.float64))
    return np.asarray(directions / np.sqrt(np.maximum(values, 1e-6)), dtype=np.float32)


class VectorStore:
    """Vectors of texts in files, so that no text is embedded twice. Files that are not there are empty."""

    def __init__(self, files: Sequence[Path] = ()) -> None:
        self._known: dict[int, np.ndarray] = {}
        self._used: dict[int, np.ndarray] = {}
        for file in files:
            if file.is_file():
                with np.load(file, allow_pickle=False) as kept:
                    self._known.update(zip(kept["keys"].tolist(), kept["vectors"], strict=True))

    def get(self, key: int) -> np.ndarray | None:
        """The shortened vector kept under a key, or None."""
        found = self._known.get(key)
        if found is not None:
            self._used[key] = found
        return found

    def put(self, key: int, vector: np.ndarray) -> None:
        """Keep a shortened vector."""
        self._known[key] = self._used[key] = vector

    def save(self, path: Path) -> None:
        """Write what was used since the store was opened: a text that was deleted leaves the file too."""
        path.parent.mkdir(parents=True, exist_ok=True)
        keys = sorted(self._used)
        np.savez(path, keys=np.array(keys, dtype=np.uint64), vectors=np.vstack([self._used[key] for key in keys]))


def key_of(tidied: str, embedding_name: str) -> int:
    """What a text's vector is kept under: 64 bits."""
    return int.from_bytes(blake2b(f"{embedding_name}\0{tidied}".encode(), digest_size=8).digest(), "big")


def vectors_of(tidied: Sequence[str], embedding: Embedding, store: VectorStore | None = None) -> np.ndarray:
    """Shortened vectors of tidied texts, int8, shape (len(tidied), dimension)."""
    keys = [key_of(text, embedding.name) for text in tidied]
    known = {key: found for key in keys if store is not None and (found := store.get(key)) is not None}
    missing = {key: text for key, text in zip(keys, tidied, strict=True) if key not in known}
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        made = pool.map(lambda text: shorten(embedding.embed([text]))[0], missing.values())
        for key, vector in zip(missing, made, strict=True):
            known[key] = vector
            if store is not None:
                store.put(key, vector)
    return np.vstack([known[key] for key in keys])
