"""Promise: every phrase is said somewhere. One that nobody says is still read, translated and kept up to date by somebody."""

from __future__ import annotations

import re

from backend.config import ROOT
from backend.core.content import Phrases

SOURCES = (
    "backend/**/*.py", "backend/**/*.html", "backend/**/*.js", "rasa/actions/*.py", "rasa/domain/*.yml", "language/*.py"
)  # fmt: skip
BUILT = re.compile(r"""["'`]([a-z_]+(?:\.[a-z_0-9]+)*[._])(?=["'`{])""")
"""The beginning of a key that the code completes: ``"concern_level." + …``, ``f"way.token.{…}"``."""
ELSEWHERE = ("emergency.", "safety_check.text", "serious.text")
"""Said by how near a danger is: the whole key is put together (`backend.danger.service`)."""


def test_every_phrase_is_used() -> None:
    """Written out in the code or a page, or with a beginning that one of them completes."""
    said = "\n".join(path.read_text("utf-8") for pattern in SOURCES for path in sorted(ROOT.glob(pattern)))
    literal = set(re.findall(r"[a-z_0-9]+(?:\.[\w-]+)+", said))
    begun = (*set(BUILT.findall(said)), *ELSEWHERE)
    keys = Phrases.load(ROOT / "content").keys()
    unused = sorted(
        key for key in keys if key not in literal and not any(key.startswith(beginning) for beginning in begun)
    )
    assert [] == unused
