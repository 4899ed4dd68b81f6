"""Names in the picture, in lines. SVG breaks no text by itself."""

from __future__ import annotations

import re

WIDE = 9.2
"""Picture units that a letter takes in the widest of the fonts that a device may choose, on average."""


def broken(text: str, width: int) -> list[str]:
    """The text in as few lines as ``width`` allows, as even as can be; a word that is too long stays whole."""
    most = max(1, int(width / WIDE))
    lines = _filled(text, most)
    for fewer in range(most - 1, 0, -1):
        evener = _filled(text, fewer)
        if len(evener) > len(lines) or max(map(len, evener)) > max(map(len, lines)):
            break
        lines = evener
    return lines


def _filled(text: str, most: int) -> list[str]:
    lines: list[str] = []
    # A number stays with the word that it counts: "fas 2".
    for word in re.split(r"\s+(?!\d)", text.strip()):
        if lines and len(lines[-1]) + 1 + len(word) <= most:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines
