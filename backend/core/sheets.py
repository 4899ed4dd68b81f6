"""Lists as CSV that a spreadsheet opens as text and nothing else."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""What makes a spreadsheet take a cell for a formula (OWASP, CSV injection), full-width forms too."""
_BOM = "\ufeff"


def safe_cell(text: str) -> str:
    """``text`` as a cell that no spreadsheet computes: an apostrophe before what could begin a formula."""
    return f"'{text}" if text.lstrip(" ").startswith(_FORMULA) else text


def write_csv(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table with semicolons, as a Swedish spreadsheet expects, every cell quoted and safe."""
    out = io.StringIO()
    writer = csv.writer(out, delimiter=";", quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    writer.writerow([safe_cell(cell) for cell in head])
    writer.writerows([safe_cell(cell) for cell in row] for row in rows)
    return _BOM + out.getvalue()
