"""Promise: every phrase is said somewhere. One that nobody says is still read, translated and kept up to date by somebody."""

from __future__ import annotations

import re

from backend.config import ROOT
from backend.core.content import Phrases

SOURCES = (
    "backend/**/*.py", "backend/**/*.html", "backend/**/*.js", "rasa/actions/*.py", "rasa/domain/*.yml", "language/*.py"
)  # fmt: skip
PREVIEW = ROOT / "backend" / "web" / "templates" / "staff" / "_preview.html"
"""Shows an editor what kind of text it is, by how its key begins."""
BUILT = re.compile(r"""["'`]([a-z_]+(?:\.[a-z_0-9]+)*[._])(?=["'`{])""")
"""The beginning of a key that the code completes: ``"concern_level." + …``, ``f"way.token.{…}"``."""
WIDE = re.compile(r"[a-z_]+\.")
"""A beginning of one word, as in ``t('way.' ~ field)``: the rest must stand somewhere as a word."""
ELSEWHERE = (
    "accessibility.", "staff.after.error.", "chat_time.sure_", "concern_category.", "demo.", "emergency.", "safety_check.text", "serious.text",
)  # fmt: skip
"""Put together from what the code does not spell out: categories of danger, lines of a page."""


def test_every_phrase_is_used() -> None:
    """Written out in the code or a page, or with a beginning that one of them completes."""
    files = sorted({path for pattern in SOURCES for path in ROOT.glob(pattern)} - {PREVIEW})
    said = "\n".join(path.read_text("utf-8") for path in files)
    literal, words = set(re.findall(r"[a-z_0-9]+(?:\.[\w-]+)+", said)), set(re.findall(r"\w+", said))
    begun = set(BUILT.findall(said))
    wide = tuple(beginning for beginning in begun if WIDE.fullmatch(beginning))
    narrow = (*(begun - set(wide)), *ELSEWHERE)
    keys = Phrases.load(ROOT / "content").keys()
    unused = sorted(
        key
        for key in keys
        if key not in literal
        and not key.startswith(narrow)
        and not (key.startswith(wide) and key.rpartition(".")[2] in words)
    )
    assert [] == unused
