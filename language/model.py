"""The model: counted words and letters, a sentence vector, kernel ridge regression.

A message is compared with every example the model was made of, in two ways at once:

* words (one and two in a row) and letters (one to four in a row, inside words), counted
  after `normalise.fold`, weighed by tf-idf (log counts, each message of length 1). Their
  comparison is a plain product, so the examples fold into one weight per feature;
* the embedding of `normalise.tidy`, centred on the examples, of length 1, compared by
  exp(-|x - y|²) with the examples, or with a part of them where the model has to be small
  (Nyström). It sees what a linear layer on the same vectors does not: 76.5 % against 73 %
  of unseen messages understood, from the same 8,455 examples.

Ridge regression towards one-hot labels has a closed form: no chance, no learning rate, the
same examples give the same model. Scores become probabilities by a softmax of fixed
sharpness.

Two sets of weights are made, with and without the embedding, because the embedding may
not run on the machine that serves (`embedding.py`).

One file of arrays that needs numpy only to be used, JSON and npz on disk, nothing pickled.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from language import normalise
from language.embedding import PROBE, Embedding, restore

VECTOR_WEIGHT = 1.0
WORD_WEIGHT = 0.5
"""How much sentence vectors, and words and letters, count in the comparison of two messages."""
SHARPNESS = 12.0
"""Of the softmax. Scores lie between about 0 and 1."""
LONGEST_LETTERS = 4
_VOCABULARY = "vocabulary.json"
_ARRAYS = "arrays.npz"
_SAME_VECTOR = 0.99


def features(folded: str) -> Iterator[str]:
    """The countable parts of an already folded text, in no particular order.

    Words are marked "w", letters "c"; a word's first and last letters see a space, so that
    beginnings and endings count as such.
    """
    words = folded.split()
    for word in words:
        yield f"w{word}"
    for first, second in pairwise(words):
        yield f"w{first} {second}"
    for word in words:
        padded = f" {word} "
        for length in range(1, LONGEST_LETTERS + 1):
            if length >= len(padded):
                yield f"c{padded}"
                break
            for start in range(len(padded) - length + 1):
                yield f"c{padded[start : start + length]}"


@dataclass(frozen=True)
class Landmarks:
    """The examples that sentence vectors are compared with."""

    centre: np.ndarray
    """float32, shape (dimension,): the mean of all examples' vectors."""
    vectors: np.ndarray
    """int8, shape (landmarks, dimension), as `embedding.shorten` made them."""
    directions: np.ndarray
    """float32, shape (landmarks, dimension): `vectors`, centred, of length 1."""

    @classmethod
    def of(cls, centre: np.ndarray, vectors: np.ndarray) -> Landmarks:
        """From what is stored."""
        return cls(centre, vectors, directions(restore(vectors), centre))

    def likeness(self, vector: np.ndarray) -> np.ndarray:
        """How alike a vector and each landmark are: 1 for the same direction, less the further apart."""
        return likeness(directions(vector[None], self.centre), self.directions)[0]


def directions(vectors: np.ndarray, centre: np.ndarray) -> np.ndarray:
    """Where vectors lie from the centre, length 1, float32."""
    moved = vectors.astype(np.float32) - centre
    lengths = np.linalg.norm(moved, axis=1, keepdims=True)
    return moved / np.maximum(lengths, np.float32(1e-6))


def likeness(these: np.ndarray, those: np.ndarray) -> np.ndarray:
    """exp(-|x - y|²) of every pair of two sets of directions."""
    alike = these @ those.T
    alike -= 1
    alike *= 2 * VECTOR_WEIGHT
    return np.exp(alike, out=alike)


@dataclass(frozen=True)
class Weights:
    """What each feature, and each landmark, says for each label."""

    sparse: np.ndarray
    """float32, shape (features, labels)."""
    dense: np.ndarray
    """float32, shape (landmarks, labels); no landmarks for the set without embedding."""


@dataclass(frozen=True)
class Model:
    """A trained model. `with_vectors` and `landmarks` are None if there was no embedding in training."""

    labels: tuple[str, ...]
    vocabulary: dict[str, int]
    idf: np.ndarray
    words_only: Weights
    with_vectors: Weights | None
    landmarks: Landmarks | None
    embedding_name: str
    probe: np.ndarray

    def fits(self, embedding: Embedding | None) -> bool:
        """Whether `embedding` gives the vectors this model was trained on."""
        if embedding is None or self.with_vectors is None:
            return False
        if embedding.name != self.embedding_name:
            return False
        return float(embedding.embed([PROBE])[0] @ self.probe) > _SAME_VECTOR

    def probabilities(self, tidied: str, vector: np.ndarray | None) -> np.ndarray:
        """Probability of each label, in the order of `labels`; they sum to 1.

        `tidied` is what `normalise.tidy` made, `vector` what an embedding that `fits` made
        of it, or None. Any text is answered, also an empty one: every label alike.
        """
        scores = np.zeros(len(self.labels), dtype=np.float32)
        if vector is not None and tidied and self.with_vectors is not None and self.landmarks is not None:
            weights = self.with_vectors
            scores += self.landmarks.likeness(vector) @ weights.dense
        else:
            weights = self.words_only
        indices, values = self._counted(normalise.fold(tidied))
        if indices.size:
            scores = scores + values @ weights.sparse[indices]
        exponents = np.exp(SHARPNESS * (scores - scores.max()))
        return exponents / exponents.sum()

    def _counted(self, folded: str) -> tuple[np.ndarray, np.ndarray]:
        return weigh(Counter(features(folded)), self.vocabulary, self.idf)

    def save(self, directory: Path) -> None:
        """Write the model into an existing directory."""
        words = {
            "labels": list(self.labels),
            "embedding": self.embedding_name,
            "vocabulary": sorted(self.vocabulary, key=self.vocabulary.__getitem__),
        }
        (directory / _VOCABULARY).write_text(json.dumps(words, ensure_ascii=False), encoding="utf-8")
        arrays: dict[str, Any] = {"idf": self.idf} | _packed("words_only_sparse", self.words_only.sparse)
        if self.with_vectors is not None and self.landmarks is not None:
            arrays |= {
                "probe": self.probe,
                "centre": self.landmarks.centre,
                "landmarks": self.landmarks.vectors,
                **_packed("with_vectors_sparse", self.with_vectors.sparse),
                **_packed("with_vectors_dense", self.with_vectors.dense),
            }
        np.savez_compressed(directory / _ARRAYS, **arrays)

    @classmethod
    def load(cls, directory: Path) -> Model:
        """Read a model that `save` wrote.

        Raises:
            FileNotFoundError, KeyError, ValueError: if it is not one.
        """
        words = json.loads((directory / _VOCABULARY).read_text(encoding="utf-8"))
        with np.load(directory / _ARRAYS, allow_pickle=False) as arrays:
            with_vectors = landmarks = None
            if "landmarks" in arrays:
                landmarks = Landmarks.of(arrays["centre"], arrays["landmarks"])
                with_vectors = Weights(
                    sparse=_unpacked(arrays, "with_vectors_sparse"),
                    dense=_unpacked(arrays, "with_vectors_dense"),
                )
            return cls(
                labels=tuple(words["labels"]),
                vocabulary={feature: i for i, feature in enumerate(words["vocabulary"])},
                idf=arrays["idf"],
                words_only=Weights(
                    _unpacked(arrays, "words_only_sparse"), np.zeros((0, len(words["labels"])), np.float32)
                ),
                with_vectors=with_vectors,
                landmarks=landmarks,
                embedding_name=words["embedding"],
                probe=arrays["probe"] if "probe" in arrays else np.zeros(0, dtype=np.float32),
            )


def _packed(name: str, weights: np.ndarray) -> dict[str, np.ndarray]:
    """Weights in a byte each, with what one step is worth for each label: measured to cost nothing."""
    step = np.maximum(np.abs(weights).max(axis=0), 1e-12) / 127
    return {name: np.round(weights / step).astype(np.int8), f"{name}_step": step.astype(np.float32)}


def _unpacked(arrays: Mapping[str, np.ndarray], name: str) -> np.ndarray:
    weights: np.ndarray = arrays[name].astype(np.float32) * arrays[f"{name}_step"]
    return weights


def weigh(counts: Counter[str], vocabulary: dict[str, int], idf: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Indices and tf-idf values of one message's known features; the values have length 1."""
    known = [(vocabulary[f], n) for f, n in counts.items() if f in vocabulary]
    indices = np.array([index for index, _ in known], dtype=np.int64)
    values = np.array([1.0 + math.log(n) for _, n in known], dtype=np.float32) * idf[indices]
    length = np.linalg.norm(values)
    return indices, values / length if length else values
