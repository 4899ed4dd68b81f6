"""Promise: whatever colours a municipality chooses, everybody can read the pages, or the start says which do not do."""

from __future__ import annotations

import shutil
from pathlib import Path

import msgspec
import pytest

from backend.config import ROOT
from backend.core.content import ContentError
from backend.core.municipality import Theme, load_municipality
from backend.web.theme import LOGO_BYTES, SCHEMES, Look, contrast, load_look

EXAMPLE = load_municipality(ROOT / "content", "exempelby")


def look(theme: Theme, content: Path = ROOT / "content") -> Look:
    """The example municipality with another theme."""
    return load_look(content, msgspec.structs.replace(EXAMPLE, theme=theme), "exempelby")


@pytest.mark.parametrize(
    ("ratio", "one", "other"), [(21.0, "#000000", "#ffffff"), (1.0, "#1d5b52", "#1d5b52"), (4.54, "#767676", "#ffffff")]
)
def test_contrast_is_counted_as_wcag_counts_it(ratio: float, one: str, other: str) -> None:
    """Known ratios, the same in either order."""
    assert ratio == pytest.approx(contrast(one, other), abs=0.005)
    assert contrast(one, other) == contrast(other, one)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_colours_of_the_house_can_be_read(scheme: str) -> None:
    """Every pair that the style sheets put together, in light and dark."""
    pairs = look(Theme()).pairs(scheme)  # type: ignore[arg-type]
    assert len(pairs) > 25
    assert [] == [pair for pair in pairs if pair.ratio < pair.needed]


def test_own_colours_come_after_those_of_the_house() -> None:
    """Only what differs is sent, for the surroundings that it was chosen for."""
    own = look(Theme(light={"pine": "#00477A", "link": "#00477a"}))
    assert "@media (prefers-color-scheme: light)" in own.css
    assert "--pine: #00477a;" in own.css
    assert "dark" not in own.css
    assert "" == look(Theme()).css


@pytest.mark.parametrize(
    ("theme", "told"),
    [
        (Theme(light={"pine": "#f0e0c0"}), r"theme\.light: on-pine on pine has a contrast of 1\.\d\d:1, and 4\.5:1"),
        (Theme(dark={"ink": "#555555"}), r"theme\.dark: ink on paper"),
        (Theme(light={"pinne": "#00477a"}), r"theme\.light\.pinne is no token"),
        (Theme(dark={"pine": "red"}), r"theme\.dark\.pine: 'red' is no colour"),
        (Theme(light={"pine": "#00477a; } body { display: none"}), r"is no colour"),
        (Theme(logo="saknas.svg"), r"theme\.logo saknas\.svg is no"),
        (Theme(logo="exempelby.yml"), r"theme\.logo exempelby\.yml is no"),
        (Theme(logo="../helplines.yml"), r"is no \.svg or \.png beside the file"),
    ],
)
def test_what_cannot_be_read_stops_the_start(theme: Theme, told: str) -> None:
    """The file, the field and the reason are named."""
    with pytest.raises(ContentError, match=told) as refused:
        look(theme)
    assert "exempelby.yml" in str(refused.value)


def test_a_logo_is_small_and_lies_beside_the_file(tmp_path: Path) -> None:
    """A picture of a megabyte would be paid for by a child's phone."""
    shutil.copytree(ROOT / "content" / "municipalities", tmp_path / "municipalities")
    logo = tmp_path / "municipalities" / "logo.svg"
    logo.write_bytes(b"<svg/>")
    assert (b"<svg/>", "image/svg+xml") == look(Theme(logo="logo.svg"), tmp_path).logo
    logo.write_bytes(b"x" * (LOGO_BYTES + 1))
    with pytest.raises(ContentError, match="20000 at most"):
        look(Theme(logo="logo.svg"), tmp_path)
