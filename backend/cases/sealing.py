"""Texts of cases and persons, sealed for their place and opened again."""

from __future__ import annotations

import msgspec

from backend.cases.rules import Private, Shared
from backend.cases.tables import Case, Person
from backend.core.vault import Vault


class Sealer:
    """Seals with the key of the case or the person that a text belongs to."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    def close(self, case: Case, place: str, row_id: str, text: str) -> bytes:
        """Seal a text of a case for ``place``, written ``table.column``."""
        return self._vault.seal(case.data_key, f"{place}:{row_id}", text)

    def open(self, case: Case, place: str, row_id: str, sealed: bytes | None) -> str:
        """What was sealed, or an empty string for none."""
        return "" if sealed is None else self._vault.open(case.data_key, f"{place}:{row_id}", sealed)

    def record(self, key: bytes, person_id: str, shared: Shared, private: Private) -> tuple[bytes, bytes]:
        """Both halves of a person's record, sealed with the person's ``key``."""
        halves = [("shared", shared), ("private", private)]
        first, second = (
            self._vault.seal(key, f"person.{column}:{person_id}", msgspec.json.encode(half).decode())
            for column, half in halves
        )
        return first, second

    def shared(self, person: Person) -> Shared:
        """What other family members' teams may be shown."""
        text = self._vault.open(person.data_key, f"person.shared:{person.id}", person.shared)
        return msgspec.json.decode(text, type=Shared)

    def private(self, person: Person) -> Private:
        """What only those who work for the person read."""
        text = self._vault.open(person.data_key, f"person.private:{person.id}", person.private)
        return msgspec.json.decode(text, type=Private)
