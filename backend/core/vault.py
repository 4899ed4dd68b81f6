"""Encryption at rest: AES-256-GCM with a data key per chat, booking or concern.

The data key is stored beside its row, wrapped by a master key that lives outside
the database. Deleting the wrapped key makes every copy of the texts unreadable,
old backups included. Each sealed value is bound to its table, column and row, so
that ciphertext moved elsewhere does not open. Lengths are padded to 64 bytes,
since the length of "ja" and of a story tells them apart.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_NONCE = 12
_KEY_ID = 4
_PAD = 64


class SealBroken(Exception):
    """A value does not open: wrong key, wrong place or altered bytes."""


def new_id() -> str:
    """A random row id of 96 bits, known before the row exists so that seals can be bound to it."""
    return secrets.token_hex(12)


class Vault:
    """Seals and opens texts with data keys wrapped by a 32-byte master key.

    ``retired`` master keys still open what they once wrapped; new keys are always
    wrapped by ``master``. Raises `SealBroken` on anything that does not open.
    """

    def __init__(self, master: bytes, retired: Sequence[bytes] = ()) -> None:
        self._current = _key_id(master)
        self._masters = {_key_id(key): AESGCM(key) for key in (master, *retired)}

    def new_key(self) -> bytes:
        """A fresh data key, wrapped; store it in the row that owns the texts."""
        nonce = os.urandom(_NONCE)
        wrapped = self._masters[self._current].encrypt(nonce, AESGCM.generate_key(256), b"data-key")
        return self._current + nonce + wrapped

    def seal(self, data_key: bytes, place: str, text: str) -> bytes:
        """Encrypt ``text`` for ``place`` (``table.column:row-id``)."""
        raw = text.encode("utf-8")
        framed = len(raw).to_bytes(4, "big") + raw
        framed += b"\0" * (-len(framed) % _PAD)
        nonce = os.urandom(_NONCE)
        return nonce + self._unwrap(data_key).encrypt(nonce, framed, place.encode())

    def open(self, data_key: bytes, place: str, sealed: bytes) -> str:
        """The text that was sealed for ``place``; raises `SealBroken`."""
        try:
            framed = self._unwrap(data_key).decrypt(sealed[:_NONCE], sealed[_NONCE:], place.encode())
        except InvalidTag:
            raise SealBroken(place.partition(":")[0]) from None
        length = int.from_bytes(framed[:4], "big")
        return framed[4 : 4 + length].decode("utf-8")

    def _unwrap(self, data_key: bytes) -> AESGCM:
        master = self._masters.get(bytes(data_key[:_KEY_ID]))
        if master is None:
            raise SealBroken("no master key for this data key")
        nonce, wrapped = data_key[_KEY_ID : _KEY_ID + _NONCE], data_key[_KEY_ID + _NONCE :]
        try:
            return AESGCM(master.decrypt(nonce, wrapped, b"data-key"))
        except InvalidTag:
            raise SealBroken("data key") from None


def _key_id(key: bytes) -> bytes:
    return hashlib.sha256(b"key-id" + key).digest()[:_KEY_ID]
