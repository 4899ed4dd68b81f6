"""The chat API: JSON, for our own page and for any other client."""

from __future__ import annotations

import json as stdlib_json
from typing import Any

import msgspec
from sanic import Blueprint, HTTPResponse, Request, Sanic, json
from sanic_ext import openapi

from backend.chat.service import Answer, ChatDesk, Conversation
from backend.core.errors import ChatExpired, DomainError, InvalidField, MalformedRequest
from backend.core.house import House
from backend.core.reader import KNOWN_READERS, Reader
from backend.web.security import source_of

KEY_LENGTH = 255


class StartRequest(msgspec.Struct, forbid_unknown_fields=True):
    """Optional language and reader of a new chat."""

    lang: str = "sv"
    who: str | None = None


class SendRequest(msgspec.Struct, forbid_unknown_fields=True):
    """A typed text, or the id of a choice that was offered, or ``who:<reader>``: exactly one of them."""

    text: str | None = None
    choice: str | None = None


_MESSAGE = {
    "type": "object",
    "required": ["id", "author", "kind", "topic", "text", "choices", "card"],
    "properties": {
        "id": {"type": "string"},
        "author": {"type": "string", "enum": ["visitor", "assistant", "staff"]},
        "kind": {
            "type": "string",
            "enum": [
                "text", "emergency", "safety_check", "contacts", "times", "map",
                "summary", "code", "consent", "interruption",
            ],
        },
        "topic": {"type": "string", "description": "What the assistant took the message for"},
        "text": {"type": "string"},
        "choices": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "id": {"type": "string"},
                    "title": {"type": "string"},
                    "lang": {"type": "string", "description": "Only where the title is not in the chat's language"},
                },
            },
        },
        "card": {
            "type": "object",
            "properties": {
                "lang": {"type": "string", "description": "Only where the text is not in the chat's language"},
                "dir": {"type": "string", "enum": ["ltr", "rtl"], "description": "How such a text is written"},
            },
        },
    },
}  # fmt: skip
_MESSAGES = {
    "type": "object",
    "properties": {
        "messages": {"type": "array", "items": _MESSAGE},
        "mode": {"type": "string", "enum": ["assistant", "limited", "human"]},
        "who": {
            "type": "string",
            "enum": list(KNOWN_READERS),
            "nullable": True,
            "description": "Who writes, if they have said",
        },
    },
}
_STARTED = {"type": "object", "properties": {"chat": {"type": "string"}, **_MESSAGES["properties"]}}  # type: ignore[dict-item]
_START = {
    "type": "object",
    "properties": {
        "lang": {"type": "string", "enum": ["sv", "en"]},
        "who": {"type": "string", "enum": list(KNOWN_READERS), "nullable": True},
    },
}
_SEND = {"type": "object", "properties": {"text": {"type": "string"}, "choice": {"type": "string"}}}
_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "schema": {"type": "string", "maxLength": KEY_LENGTH},
    "description": "The same key gives the same answer, and nothing happens twice.",
}
_ERROR = {
    "type": "object",
    "properties": {
        "error": {"type": "object", "properties": {"code": {"type": "string"}, "message": {"type": "string"}}},
        "messages": {"type": "array", "items": _MESSAGE},
    },
}


def _content(schema: dict[str, Any]) -> dict[str, Any]:
    return {"application/json": schema}


def setup(app: Sanic, house: House, desk: ChatDesk) -> None:
    """Register the chat API."""
    bp = Blueprint("chat-api", url_prefix="/api/chats")

    @bp.post("/")
    @openapi.definition(
        summary="Start a chat",
        description="The id travels in an Authorization: Bearer header afterwards, never in a URL.",
        tag="chat",
        body={"content": {"application/json": {"schema": _START}}},
        response=[
            openapi.definitions.Response(_content(_STARTED), 201),
            openapi.definitions.Response(_content(_ERROR), 422),
        ],
    )
    async def start(request: Request) -> HTTPResponse:
        body = _decode(request, StartRequest) if request.body else StartRequest()
        if body.lang not in ("sv", "en"):
            raise InvalidField("invalid", "lang")
        if body.who is not None and body.who not in KNOWN_READERS:
            raise InvalidField("invalid", "who")
        reader = Reader.of(body.who, body.lang)  # type: ignore[arg-type]
        begun = await desk.start(reader, source_of(request, house.settings.trusted_proxies))
        return json({"chat": begun.chat, **_shape(begun)}, status=201)

    @bp.post("/messages")
    @openapi.definition(
        summary="Say something, or take a choice that was offered",
        tag="chat",
        body={"content": {"application/json": {"schema": _SEND}}},
        parameter=[openapi.definitions.Parameter(**{"name": _KEY["name"], "schema": str, "location": "header"})],  # type: ignore[arg-type]
        response=[
            openapi.definitions.Response(_content(_MESSAGES), 200),
            openapi.definitions.Response(_content(_ERROR), 404, "No such chat"),
            openapi.definitions.Response(_content(_ERROR), 422, "Empty, too long, unknown choice, key used before"),
            openapi.definitions.Response(_content(_ERROR), 429, "Too fast; the answer carries helplines"),
        ],
        secured={"bearer": []},
    )
    async def send(request: Request) -> HTTPResponse:
        token = _token(request)
        body = _decode(request, SendRequest)
        key = request.headers.get("idempotency-key") or None
        if key is not None and len(key) > KEY_LENGTH:
            raise InvalidField("invalid", "Idempotency-Key")
        try:
            answer = await desk.send(token, text=body.text, choice=body.choice, key=key)
        except DomainError as error:
            # Whatever is wrong with a message, danger in it is answered.
            if body.text:
                error.extra |= await desk.help_despite(body.text)
            raise
        return _json(answer)

    @bp.get("/")
    @openapi.definition(
        summary="The conversation so far",
        tag="chat",
        response=[
            openapi.definitions.Response(_content(_MESSAGES), 200),
            openapi.definitions.Response(_content(_ERROR), 404),
        ],
        secured={"bearer": []},
    )
    async def history(request: Request) -> HTTPResponse:
        return _json(await desk.history(_token(request)))

    @bp.delete("/")
    @openapi.definition(
        summary="End the chat and wipe it, in the assistant's memory too",
        tag="chat",
        response=[openapi.definitions.Response({}, 204), openapi.definitions.Response(_content(_ERROR), 404)],
        secured={"bearer": []},
    )
    async def end(request: Request) -> HTTPResponse:
        await desk.end(_token(request))
        return HTTPResponse(status=204)

    app.blueprint(bp)


def _json(answer: Answer) -> HTTPResponse:
    return json(_shape(answer))


def _shape(answer: Answer | Conversation) -> dict[str, Any]:
    return {"messages": answer.messages, "mode": answer.mode, "who": answer.who}


def _token(request: Request) -> str:
    if request.credentials is None or request.credentials.auth_type != "Bearer":
        raise ChatExpired
    return request.token or ""


def _decode(request: Request, shape: type[Any]) -> Any:
    """The body as ``shape``; raises `MalformedRequest` for anything else."""
    try:
        return msgspec.convert(stdlib_json.loads(request.body), shape)
    except (ValueError, RecursionError):
        raise MalformedRequest from None
