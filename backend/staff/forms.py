"""What the staff's forms send, as values: days, ids, numbers."""

from __future__ import annotations

import re
from datetime import date
from typing import Any

from sanic import Request

from backend.core.vault import new_id

_ID = re.compile(r"[0-9a-f]{24}")
_LONGEST = 70_000
"""Characters that are kept of a field: more than any of them takes, so that nothing is lost of what is shown again."""


class Form:
    """One sent form. What is missing reads as empty; nothing here raises."""

    def __init__(self, request: Request) -> None:
        self._form: Any = request.form or {}
        self.values = {name: (values[0] if values else "")[:_LONGEST] for name, values in self._form.items()}

    def text(self, name: str) -> str:
        """A field as it was typed."""
        return self.values.get(name, "")

    def texts(self, name: str) -> list[str]:
        """Every value of a field that can be chosen several times."""
        return list(self._form.getlist(name, [])) if self._form else []

    def day(self, name: str) -> date | None:
        """A day, or None for none and for what is no day."""
        try:
            return date.fromisoformat(self.text(name).strip())
        except ValueError:
            return None

    def number(self, name: str) -> int | None:
        """A whole number of at most nine digits, or None."""
        text = self.text(name).strip()
        return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None

    def id(self, name: str) -> str | None:
        """A row's id, or None."""
        text = self.text(name)
        return text if _ID.fullmatch(text) else None

    @property
    def key(self) -> str:
        """The id that the form chose when it was made, so that a second send is the same; a new one if it is none."""
        return self.id("key") or new_id()
