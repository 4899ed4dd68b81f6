"""Papers as PDF: headings, facts and somebody's own words, in a font that is shipped with the project.

DejaVu Sans covers Swedish and most European scripts, Cyrillic, Greek, Hebrew and Arabic. A character
that it lacks is written as its number, ``[U+9053]``: a paper for a record must not drop one silently.
Arabic letters stand in the right order but unjoined; the JSON beside the paper has every text exactly.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from pathlib import Path

from fpdf import FPDF
from fpdf.enums import WrapMode, XPos, YPos

_FAMILY = "DejaVu"
_INK, _SOFT, _LINE = (33, 48, 45), (76, 89, 84), (121, 115, 97)
_MARGIN = 20.0
_LABEL = 52.0
"""Width of the names of facts, in millimetres."""


class Paper:
    """A paper of A4 pages. ``head`` stands on every page; ``page_of`` is a text with ``{number}`` and ``{count}``.

    The document's own title says nothing about anybody: it is what a viewer shows in its window.
    """

    def __init__(self, fonts: Path, *, title: str, head: str, page_of: str, lang: str = "sv") -> None:
        self._pdf = _Pages(head, page_of)
        self._pdf.set_margins(_MARGIN, _MARGIN)
        self._pdf.set_auto_page_break(True, margin=22)
        self._pdf.add_font(_FAMILY, "", str(fonts / "DejaVuSans.ttf"))
        self._pdf.add_font(_FAMILY, "B", str(fonts / "DejaVuSans-Bold.ttf"))
        self._pdf.set_title(title)
        self._pdf.set_lang(lang)
        self._pdf.alias_nb_pages()
        self._known = set(self._pdf.fonts[f"{_FAMILY.lower()}"].cmap)  # type: ignore[union-attr]
        self._pdf.add_page()

    def heading(self, text: str) -> None:
        """The paper's own heading."""
        self._write(text, 16, bold=True, height=8)
        self._pdf.ln(2)

    def section(self, text: str) -> None:
        """A heading over a part; never left alone at the foot of a page."""
        if self._pdf.will_page_break(24):
            self._pdf.add_page()
        self._pdf.ln(4)
        self._write(text, 11.5, bold=True, height=6)
        self._pdf.set_draw_color(*_LINE)
        self._pdf.line(_MARGIN, self._pdf.get_y() + 0.5, self._pdf.w - _MARGIN, self._pdf.get_y() + 0.5)
        self._pdf.ln(2)

    def text(self, text: str, *, soft: bool = False) -> None:
        """A paragraph of ours."""
        self._write(text, 9 if soft else 10, colour=_SOFT if soft else _INK)
        self._pdf.ln(1)

    def facts(self, rows: Sequence[tuple[str, str]]) -> None:
        """Pairs of a name and its value."""
        for name, value in rows:
            if self._pdf.will_page_break(16):
                self._pdf.add_page()
            top, page = self._pdf.get_y(), self._pdf.page_no()
            self._write(name, 9, colour=_SOFT, width=_LABEL)
            below = self._pdf.get_y()
            self._pdf.set_y(top)
            self._write(value or "–", 10, indent=_LABEL)
            # A value that went on to the next page is below its name already.
            self._pdf.set_y((self._pdf.get_y() if self._pdf.page_no() > page else max(self._pdf.get_y(), below)) + 0.8)

    def words(self, text: str) -> None:
        """Somebody's own words, set in from the edge so that they are not taken for ours."""
        for paragraph in text.split("\n"):
            self._write(paragraph or " ", 10.5, indent=6, height=5.6)
        self._pdf.ln(1.5)

    def finish(self) -> bytes:
        """The file."""
        return bytes(self._pdf.output())

    def _write(
        self,
        text: str,
        size: float,
        *,
        bold: bool = False,
        colour: tuple[int, int, int] = _INK,
        height: float = 5.0,
        indent: float = 0.0,
        width: float = 0.0,
    ) -> None:
        self._pdf.set_font(_FAMILY, "B" if bold else "", size)
        self._pdf.set_text_color(*colour)
        self._pdf.set_left_margin(_MARGIN + indent)
        self._pdf.set_x(_MARGIN + indent)
        self._pdf.multi_cell(
            width, height, self._printable(text), align="L", new_x=XPos.LMARGIN, new_y=YPos.NEXT, wrapmode=WrapMode.WORD
        )
        self._pdf.set_left_margin(_MARGIN)
        self._pdf.set_x(_MARGIN)

    def _printable(self, text: str) -> str:
        return "".join(
            character
            if character in "\n\t" or ord(character) in self._known
            # Marks that only join or direct letters have no shape of their own.
            else ("" if unicodedata.category(character) == "Cf" else f"[U+{ord(character):04X}]")
            for character in text
        ).replace("\t", "    ")


class _Pages(FPDF):
    def __init__(self, head: str, page_of: str) -> None:
        super().__init__(format="A4")
        self._head = head
        self._page_of = page_of

    def header(self) -> None:
        """See `FPDF.header`."""
        self.set_font(_FAMILY, "", 8)
        self.set_text_color(*_SOFT)
        self.set_xy(_MARGIN, 10)
        self.cell(0, 5, self._head)
        self.set_y(_MARGIN + 2)

    def footer(self) -> None:
        """See `FPDF.footer`."""
        self.set_y(-15)
        self.set_font(_FAMILY, "", 8)
        self.set_text_color(*_SOFT)
        self.cell(0, 5, self._page_of.format(number=self.page_no(), count="{nb}"), align="R")
