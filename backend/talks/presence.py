"""Who has which page open, who is writing and what has been read: in memory, never stored.

It is told to the other side while it lasts and is gone with the process; nothing hangs on it
but what people see of each other.
"""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Callable, Iterator

from backend.talks.rules import AWAY


class Presence:
    """Open pages by key (``staff:<id>``, ``visitor:<talk>``, ``with:<talk>``) and read numbers. On the event loop only."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._open: Counter[str] = Counter()
        self._left: dict[str, float] = {}
        self._read: dict[tuple[str, str], int] = {}

    @contextlib.contextmanager
    def open(self, *keys: str) -> Iterator[None]:
        """A page counts as open under ``keys`` until the block is left, and a minute more: it may be coming back."""
        self._open.update(keys)
        try:
            yield
        finally:
            self._open.subtract(keys)
            now = self._clock()
            for key in keys:
                if self._open[key] <= 0:
                    del self._open[key]
                    self._left[key] = now

    def seen(self, key: str) -> None:
        """Somebody did something a moment ago: their page is there, or about to be."""
        if key not in self._open:
            self._left[key] = self._clock()

    def here(self, key: str) -> bool:
        """Whether a page is open under ``key``, or was a moment ago."""
        return key in self._open or self._clock() - self._left.get(key, float("-inf")) < AWAY.total_seconds()

    def pages(self, key: str) -> int:
        """How many pages are open under ``key`` at this moment."""
        return self._open.get(key, 0)

    def gone(self, key: str) -> None:
        """Somebody has said that they leave: no waiting for them to come back."""
        self._left.pop(key, None)

    def note_read(self, talk_id: str, side: str, seq: int) -> bool:
        """``side`` has seen everything up to ``seq``; False when that was known."""
        if seq <= self._read.get((talk_id, side), 0):
            return False
        self._read[talk_id, side] = seq
        return True

    def read(self, talk_id: str, side: str) -> int:
        """The number up to which ``side`` has seen everything; 0 when nothing is known."""
        return self._read.get((talk_id, side), 0)

    def forget(self, talk_id: str) -> None:
        """A talk is over: nothing of it is remembered."""
        for side in ("visitor", "staff"):
            self._read.pop((talk_id, side), None)

    def sweep(self) -> None:
        """Let go of pages that did not come back."""
        now = self._clock()
        self._left = {key: at for key, at in self._left.items() if now - at < AWAY.total_seconds()}
