"""The actions, importable in a test: they refuse to be imported without their settings."""

from __future__ import annotations

import os

from neighbour import INTERNAL_TOKEN

os.environ.setdefault("BACKEND_URL", "http://127.0.0.1:9")
os.environ.setdefault("INTERNAL_TOKEN", INTERNAL_TOKEN)

from actions import answers, backend_client, booking, concern, steps, times, turn, when, whom, words

__all__ = ["answers", "backend_client", "booking", "concern", "steps", "times", "turn", "when", "whom", "words"]
