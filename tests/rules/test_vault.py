"""Promise: what is sealed opens only with its key, in its place, unaltered, and its length tells little."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.core.vault import SealBroken, Vault

MASTER, OTHER = b"a" * 32, b"b" * 32


@given(st.text(alphabet=st.characters(exclude_categories=("Cs",))))
def test_any_text_comes_back(text: str) -> None:
    """Every storable text survives the round trip."""
    vault = Vault(MASTER)
    key = vault.new_key()
    assert vault.open(key, "t.c:1", vault.seal(key, "t.c:1", text)) == text


def test_ciphertext_moved_to_another_row_does_not_open() -> None:
    """Swapping two people's texts in the database is noticed."""
    vault = Vault(MASTER)
    key = vault.new_key()
    sealed = vault.seal(key, "chat_message.body:1", "hemligt")
    with pytest.raises(SealBroken):
        vault.open(key, "chat_message.body:2", sealed)


def test_one_flipped_bit_is_noticed() -> None:
    """Altered bytes never come out as text."""
    vault = Vault(MASTER)
    key = vault.new_key()
    sealed = bytearray(vault.seal(key, "t.c:1", "hemligt"))
    sealed[-1] ^= 1
    with pytest.raises(SealBroken):
        vault.open(key, "t.c:1", bytes(sealed))


def test_a_retired_master_key_still_opens_and_a_foreign_one_does_not() -> None:
    """Keys can be changed without losing what was stored, and a stolen file is useless without them."""
    old = Vault(MASTER)
    key = old.new_key()
    sealed = old.seal(key, "t.c:1", "hemligt")
    assert Vault(OTHER, [MASTER]).open(key, "t.c:1", sealed) == "hemligt"
    with pytest.raises(SealBroken):
        Vault(OTHER).open(key, "t.c:1", sealed)


def test_short_answers_have_equal_length() -> None:
    """ "Ja", "nej" and "vet inte" cannot be told apart by size."""
    vault = Vault(MASTER)
    key = vault.new_key()
    assert len({len(vault.seal(key, "t.c:1", text)) for text in ("ja", "nej", "vet inte", "")}) == 1
