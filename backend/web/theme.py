"""Colours: the tokens of base.css, a municipality's own in their place, and whether they can be told apart.

The pairs below are what the style sheets put on one another. Text needs 4.5:1 (WCAG 2.2,
1.4.3), edges of what can be used and focus 3:1 (1.4.11). A colour that falls short stops the start.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from backend.core.content import ContentError, Located
from backend.core.municipality import Municipality, Theme
from backend.web.render import STATIC

Scheme = Literal["light", "dark"]
SCHEMES: tuple[Scheme, ...] = ("light", "dark")
TEXT, SHAPE = 4.5, 3.0

TEXT_PAIRS = (
    *((ink, ground) for ground in ("paper", "surface", "sunken") for ink in ("ink", "ink-soft", "link")),
    *(("ink", wash) for wash in ("moss", "sky", "lamp-wash")),
    ("ink-soft", "lamp-wash"),
    ("on-pine", "pine"),
    ("on-pine", "pine-deep"),
    ("on-rowan", "rowan"),
    ("rowan-ink", "rowan-wash"),
    ("rowan-ink", "paper"),
    ("rowan-ink", "surface"),
)
SHAPE_PAIRS = (
    *(("line-strong", ground) for ground in ("paper", "surface")),
    *(("pine", ground) for ground in ("paper", "surface", "moss")),
    *(("rowan-line", ground) for ground in ("paper", "surface", "rowan-wash")),
    ("focus", "focus-glow"),
    *(("lamp-line", ground) for ground in ("surface", "lamp-wash")),
    # The lines of the map, on the ground that they cross.
    *(
        (f"way-{line}", ground)
        for line in ("child", "adult", "family", "other", "away", "path")
        for ground in ("paper", "moss", "sky", "lamp-wash", "rowan-wash")
    ),
)

_COLOUR = re.compile(r"#[0-9a-f]{6}", re.ASCII)
_LOGO_TYPES = {".svg": "image/svg+xml", ".png": "image/png"}
LOGO_BYTES = 20_000


@dataclass(frozen=True, slots=True)
class Pair:
    """Two tokens that meet, how well they are told apart, and how well they must be."""

    ink: str
    ground: str
    ratio: float
    needed: float


@dataclass(frozen=True, slots=True)
class Look:
    """A municipality's look. ``css`` is empty when nothing differs; ``logo`` is its bytes and media type."""

    tokens: Mapping[Scheme, Mapping[str, str]]
    css: str
    logo: tuple[bytes, str] | None

    def pairs(self, scheme: Scheme) -> list[Pair]:
        """Every pair of tokens that meet, in the order of the tables above."""
        known = self.tokens[scheme]
        needed = [*((pair, TEXT) for pair in TEXT_PAIRS), *((pair, SHAPE) for pair in SHAPE_PAIRS)]
        return [Pair(ink, ground, contrast(known[ink], known[ground]), least) for (ink, ground), least in needed]


def load_look(content: Path, municipality: Municipality, file: str) -> Look:
    """The look of ``municipality``, which stands in ``file``; raises `ContentError` with file, line and field."""
    theme, folder = municipality.theme, content / "municipalities"
    place = folder / f"{file}.yml"
    tokens = read_tokens()
    for scheme in SCHEMES:
        for name, colour in own_colours(theme, scheme).items():
            if name not in tokens[scheme]:
                reason = f"theme.{scheme}.{name} is no token of base.css; /stil shows them"
                raise _wrong(place, reason, scheme, name)
            if not _COLOUR.fullmatch(colour.lower()):
                raise _wrong(place, f"theme.{scheme}.{name}: {colour!r} is no colour like #1d5b52", scheme, name)
        tokens[scheme] |= {name: colour.lower() for name, colour in own_colours(theme, scheme).items()}
    look = Look(tokens, "".join(_overrides(theme)), _logo(folder, theme, place))
    for scheme in SCHEMES:
        for pair in look.pairs(scheme):
            if pair.ratio < pair.needed:
                own = next((one for one in (pair.ink, pair.ground) if one in own_colours(theme, scheme)), "")
                reason = (
                    f"theme.{scheme}: {pair.ink} on {pair.ground} has a contrast of {pair.ratio:.2f}:1, "
                    f"and {pair.needed}:1 is needed to read it (WCAG 2.2)"
                )
                raise _wrong(place, reason, scheme, own)
    return look


def _wrong(place: Path, reason: str, *where: str) -> ContentError:
    """What to raise for a mistake in the theme, with its line."""
    return Located(place).error(reason, "theme", *where)


def own_colours(theme: Theme, scheme: Scheme) -> Mapping[str, str]:
    """What the municipality has chosen itself for light or dark surroundings."""
    return theme.light if scheme == "light" else theme.dark


def read_tokens() -> dict[Scheme, dict[str, str]]:
    """The colours that base.css begins with, by name without dashes in front; light and dark."""
    css = (STATIC / "base.css").read_text("utf-8")
    blocks = re.findall(r":root\s*\{([^}]*)\}", css)[:2]
    light, dark = (dict(re.findall(r"--([a-z-]+):\s*(#[0-9a-f]{6})", block)) for block in blocks)
    return {"light": light, "dark": light | dark}


def contrast(one: str, other: str) -> float:
    """The contrast ratio of two colours ``#rrggbb``, 1 to 21 (WCAG 2.2, relative luminance)."""
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: str) -> float:
    channels = (int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5))
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _overrides(theme: Theme) -> Iterator[str]:
    for scheme in SCHEMES:
        if own := own_colours(theme, scheme):
            lines = "".join(f"  --{name}: {colour.lower()};\n" for name, colour in own.items())
            yield f"@media (prefers-color-scheme: {scheme}) {{ :root {{\n{lines}}} }}\n"


def _logo(folder: Path, theme: Theme, place: Path) -> tuple[bytes, str] | None:
    if theme.logo is None:
        return None
    path = folder / theme.logo
    kind = _LOGO_TYPES.get(path.suffix)
    if kind is None or path.parent != folder or not path.is_file():
        raise _wrong(place, f"theme.logo {theme.logo} is no .svg or .png beside the file", "logo")
    picture = path.read_bytes()
    if len(picture) > LOGO_BYTES:
        reason = f"theme.logo is {len(picture)} bytes; {LOGO_BYTES} at most, a phone pays for it"
        raise _wrong(place, reason, "logo")
    return picture, kind
