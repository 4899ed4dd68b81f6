"""Promise: every template can be read by the engine that shows it; a lost line of a merge never reaches a person."""

from __future__ import annotations

from pathlib import Path

import pytest
from jinja2 import Environment

from backend.config import ROOT

TEMPLATES = ROOT / "backend" / "web" / "templates"


@pytest.mark.parametrize("path", sorted(TEMPLATES.rglob("*.html")), ids=lambda path: str(path.relative_to(TEMPLATES)))
def test_a_template_can_be_read(path: Path) -> None:
    """Each tag is closed, and each tag is one."""
    Environment(autoescape=True).parse(path.read_text("utf-8"))
