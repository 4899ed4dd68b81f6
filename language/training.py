"""Fit a `LinearModel` to labelled texts. Deterministic: the same data give the same model."""

from __future__ import annotations

import logging
import os
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path

import numpy as np
from scipy.sparse import csr_matrix, hstack
from sklearn.linear_model import LogisticRegression

from language import normalise
from language.embedding import PROBE, Embedding
from language.linear import (
    DENSE_SCALE,
    REGULARISATION_C,
    LinearModel,
    Weights,
    features,
    weigh,
)

logger = logging.getLogger("koll.training")

RARE_LETTERS = 2
"""Letter sequences seen in fewer texts than this are left out; words never are."""


def fit(
    texts: Sequence[str],
    labels: Sequence[str],
    embedding: Embedding | None,
    cache: Path | None = None,
) -> LinearModel:
    """The model of `texts` labelled with `labels`, two lists of equal length.

    `cache` is a file that keeps the vectors of training texts between trainings; they are
    most of the time.

    Raises:
        ValueError: if there are fewer than two different labels.
    """
    names = sorted(set(labels))
    if len(names) < 2:
        raise ValueError("at least two labels with examples are needed")
    numbers = np.array([names.index(label) for label in labels])
    tidied = [normalise.tidy(text) for text in texts]
    counts = [Counter(features(normalise.fold(text))) for text in tidied]
    vocabulary, idf = _vocabulary(counts)
    sparse = _matrix(counts, vocabulary, idf)

    started = time.monotonic()
    words_only = _weights(_fit(sparse, numbers), sparse.shape[1])
    logger.info("fitted words and letters: %.1f s", time.monotonic() - started)

    centre = probe = np.zeros(0, dtype=np.float32)
    with_vectors = None
    if embedding is not None:
        started = time.monotonic()
        vectors = _embed(tidied, embedding, cache)
        logger.info("embedded %d texts: %.1f s", len(texts), time.monotonic() - started)
        started = time.monotonic()
        centre = vectors.mean(axis=0)
        probe = embedding.embed([PROBE])[0]
        both = hstack([sparse, csr_matrix((vectors - centre) * DENSE_SCALE)], format="csr")
        with_vectors = _weights(_fit(both, numbers), sparse.shape[1])
        logger.info("fitted with vectors: %.1f s", time.monotonic() - started)
    return LinearModel(
        labels=tuple(names),
        vocabulary=vocabulary,
        idf=idf.astype(np.float32),
        words_only=words_only,
        with_vectors=with_vectors,
        embedding_name=embedding.name if embedding is not None else "",
        centre=centre,
        probe=probe,
    )


def _vocabulary(counts: Sequence[Counter[str]]) -> tuple[dict[str, int], np.ndarray]:
    """Features worth a weight, in alphabetical order, and their smoothed idf."""
    found_in = Counter(feature for count in counts for feature in count)
    kept = sorted(f for f, n in found_in.items() if n >= RARE_LETTERS or f.startswith("w"))
    idf = np.array([np.log((1 + len(counts)) / (1 + found_in[f])) + 1 for f in kept])
    return {feature: index for index, feature in enumerate(kept)}, idf


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


def _fit(matrix: csr_matrix, labels: np.ndarray) -> LogisticRegression:
    # lbfgs starts from zero and takes no random numbers.
    return LogisticRegression(C=REGULARISATION_C, max_iter=300, tol=1e-3).fit(matrix, labels)


def _weights(fitted: LogisticRegression, counted: int) -> Weights:
    coefficients, bias = fitted.coef_, fitted.intercept_
    if len(coefficients) == 1:  # two labels: scikit-learn keeps one row, for the second
        coefficients = np.vstack([-coefficients, coefficients]) / 2
        bias = np.concatenate([-bias, bias]) / 2
    by_feature = coefficients.T.astype(np.float32)
    return Weights(
        sparse=np.ascontiguousarray(by_feature[:counted]),
        dense=by_feature[counted:] if len(by_feature) > counted else None,
        bias=bias.astype(np.float32),
    )


def _embed(texts: Sequence[str], embedding: Embedding, cache: Path | None) -> np.ndarray:
    keys = [sha256(f"{embedding.name}\0{text}".encode()).hexdigest() for text in texts]
    known: dict[str, np.ndarray] = {}
    if cache is not None and cache.is_file():
        with np.load(cache, allow_pickle=False) as kept:
            known = dict(zip(kept["keys"].tolist(), kept["vectors"], strict=True))
    missing = {key: text for key, text in zip(keys, texts, strict=True) if key not in known}
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        made = pool.map(lambda text: embedding.embed([text])[0], missing.values())
        known.update(zip(missing, made, strict=True))
    vectors = np.vstack([known[key] for key in keys])
    if cache is not None:
        cache.parent.mkdir(parents=True, exist_ok=True)
        # Only what this training used: a text that was deleted leaves the cache too.
        np.savez(cache, keys=np.array(keys), vectors=vectors)
    return vectors
