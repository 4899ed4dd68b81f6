"""Errors with a meaning for the visitor.

Each carries an HTTP status, a machine-readable code and the key of the phrase
that says it kindly; one handler in `backend.web.errors` turns it into a page or JSON.
"""

from __future__ import annotations

from typing import Any, ClassVar


class DomainError(Exception):
    """Something the visitor can be told about in a sentence.

    ``extra`` is added beside ``error`` in a JSON answer (free times after a lost
    race, for instance) and must hold nothing secret.
    """

    status: ClassVar[int] = 400
    code: ClassVar[str] = "bad_request"

    def __init__(self, **extra: Any) -> None:
        super().__init__(self.code)
        self.extra = extra


class NotFound(DomainError):
    """No such thing, or none that this reader may know of (never 403: that would tell it exists)."""

    status = 404
    code = "not_found"


class NotLoggedIn(DomainError):
    """No session, or one that has ended."""

    status = 401
    code = "not_logged_in"


class Forbidden(DomainError):
    """A request that a browser on a foreign page could have been tricked into sending."""

    status = 403
    code = "forbidden"


class ChatExpired(DomainError):
    """The chat's id is unknown, ended or wiped: one answer for all three."""

    status = 404
    code = "chat_expired"


class EmptyText(DomainError):
    """Nothing was left of the text once control characters and blanks were gone."""

    status = 422
    code = "empty"


class TextTooLong(DomainError):
    """More text than one message takes; the page keeps it in the field."""

    status = 422
    code = "too_long"


class MalformedRequest(DomainError):
    """Not JSON, or not of the shape that the operation takes."""

    status = 400
    code = "malformed"


class UnknownChoice(DomainError):
    """A choice that this chat has not been offered."""

    status = 422
    code = "unknown_choice"


class KeyReused(DomainError):
    """An idempotency key came back with another body."""

    status = 422
    code = "key_reused"


class TooMany(DomainError):
    """Slow down; the answer carries the helplines, since a child may be behind it."""

    status = 429
    code = "too_many"


class Taken(DomainError):
    """The time went to somebody else between the offer and the click."""

    status = 409
    code = "taken"


class HoldExpired(DomainError):
    """The five minutes passed."""

    status = 409
    code = "hold_expired"


class AlreadyBooked(DomainError):
    """One active booking per chat, so that nobody can take all the times."""

    status = 409
    code = "already_booked"


class WrongCode(DomainError):
    """One answer for wrong, expired, revoked and never existed."""

    status = 404
    code = "wrong_code"


class CodeReadAloud(DomainError):
    """The code was given by telephone, and opens nothing before it has been changed for one of the person's own."""

    status = 409
    code = "code_read_aloud"


class InvalidField(DomainError):
    """A form field that cannot be used as it stands; ``extra['field']`` names it."""

    status = 422
    code = "invalid"

    def __init__(self, code: str, field: str) -> None:
        super().__init__(field=field)
        self.code = code  # type: ignore[misc]


class Conflict(DomainError):
    """Somebody else changed the thing first."""

    status = 409
    code = "conflict"


class StorageUnavailable(DomainError):
    """The database did not answer, so nothing was saved and nothing is claimed to be."""

    status = 503
    code = "not_saved"
