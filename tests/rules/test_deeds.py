"""Promise: the log says everything in words; a manager who checks what was done meets no code for it."""

from __future__ import annotations

from backend.config import ROOT
from backend.core.audit import Tag
from backend.core.content import Phrases


def test_every_deed_has_words() -> None:
    """A tag without its phrase would be shown as it is stored."""
    known = set(Phrases.load(ROOT / "content").keys())
    wanted = {f"staff.log.deed.{tag.value.partition(':')[2].replace(':', '_')}" for tag in Tag}
    assert set() == wanted - known
