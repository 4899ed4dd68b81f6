"""The chat API: JSON, for our own page and for any other client."""

from __future__ import annotations

import functools
import json as stdlib_json
from typing import Any

import msgspec
from sanic import Blueprint, HTTPResponse, Request, Sanic, json
from sanic_ext import openapi

from backend.chat.live import VisitorFeed
from backend.chat.service import Answer, ChatDesk, Conversation
from backend.core.content import LANGUAGES
from backend.core.errors import ChatExpired, DomainError, InvalidField, MalformedRequest
from backend.core.house import House
from backend.core.reader import KNOWN_READERS, Reader
from backend.talks import rules
from backend.talks.service import TalkDesk
from backend.talks.told import ASK, LEAVE
from backend.web import sse
from backend.web.security import source_of

KEY_LENGTH = 255


class StartRequest(msgspec.Struct, forbid_unknown_fields=True):
    """Optional language and reader of a new chat."""

    lang: str = "sv"
    who: str | None = None


class SendRequest(msgspec.Struct, forbid_unknown_fields=True):
    """A typed text, or the id of a choice that was offered or that every chat has (``who:<reader>``,
    ``human:now``, ``human:leave``, ``human:book``, ``human:in``, ``human:share``, ``easy:on``, ``easy:off``):
    exactly one of them."""

    text: str | None = None
    choice: str | None = None


class SeenRequest(msgspec.Struct, forbid_unknown_fields=True):
    """The number (``card.seq``) of the newest message of a talk that is on the screen."""

    seq: int


_MESSAGE = {
    "type": "object",
    "required": ["id", "author", "kind", "topic", "text", "choices", "card"],
    "properties": {
        "id": {"type": "string"},
        "author": {"type": "string", "enum": ["visitor", "assistant", "staff", "service"]},
        "kind": {
            "type": "string",
            "enum": [
                "text", "emergency", "safety_check", "contacts", "times", "map",
                "summary", "code", "consent", "interruption", "notice",
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
_TALK = {
    "type": "object",
    "nullable": True,
    "description": "What stands beside the log when a human has been asked or writes; null where only the robot is",
    "properties": {
        "state": {"type": "string", "enum": ["booked", "waiting", "open"]},
        "short": {"type": "string", "description": "Who writes, for the head of a page (AI Act, art. 50)"},
        "title": {"type": "string"},
        "text": {"type": "string"},
        "name": {"type": "string", "description": "The human's first name"},
        "here": {"type": "boolean", "description": "Whether the human has the talk in front of them"},
        "place": {"type": "integer", "nullable": True, "description": "In the line, 1 being next"},
        "minutes": {"type": "integer", "nullable": True, "description": "About how long it takes; null if not known"},
        "opens_in": {"type": "integer", "description": "Seconds until a booked talk can be gone in to"},
        "mark": {"type": "string", "description": "Last-Event-ID with which a stream goes on from here"},
        "seen": {"type": "integer", "description": "The human has seen messages up to this number (card.seq)"},
        "choices": _MESSAGE["properties"]["choices"],  # type: ignore[index]
    },
}
_MESSAGES = {
    "type": "object",
    "properties": {
        "messages": {"type": "array", "items": _MESSAGE},
        "mode": {"type": "string", "enum": ["assistant", "limited", "waiting", "human"]},
        "talk": _TALK,
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
        "lang": {
            "type": "string",
            "description": f"{', '.join(LANGUAGES)}, or a translation that the municipality has turned on: "
            "then the first answer is in it, and the rest in Swedish",
        },
        "who": {"type": "string", "enum": list(KNOWN_READERS), "nullable": True},
    },
}
_SEND = {"type": "object", "properties": {"text": {"type": "string"}, "choice": {"type": "string"}}}
_OUTLOOK = {
    "type": "object",
    "properties": {
        "staffing": {"type": "string", "enum": ["in", "away", "closed"]},
        "minutes": {"type": "integer", "nullable": True},
        "opens": {"type": "string", "format": "date-time", "nullable": True},
    },
}
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


def setup(app: Sanic, house: House, desk: ChatDesk, talks: TalkDesk) -> None:
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
        if house.translations.choosable(body.lang) is None:
            raise InvalidField("invalid", "lang")
        if body.who is not None and body.who not in KNOWN_READERS:
            raise InvalidField("invalid", "who")
        reader = Reader.of(body.who, body.lang)
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
            source = source_of(request, house.settings.trusted_proxies)
            answer = await desk.send(token, text=body.text, choice=body.choice, key=key, source=source)
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

    @bp.get("/stream")
    @openapi.definition(
        summary="What happens in a talk with a human, as server-sent events",
        description=(
            "`message` (data: a message; id: where to go on from, for Last-Event-ID), `state` (data: mode and talk), "
            "`typing`, and `closed` when there is nothing more to come. To be read with fetch: EventSource cannot "
            "send the Authorization header, and the id belongs in no address."
        ),
        tag="chat",
        response=[openapi.definitions.Response({"text/event-stream": str}, 200)],
        secured={"bearer": []},
    )
    async def follow(request: Request) -> None:
        token = _token(request)
        followed = await desk.follow(token)
        seq = rules.read_mark(request.headers.get("last-event-id"), followed.talk_id)
        keys = [f"chat:{followed.chat_id}", *([f"visitor:{followed.talk_id}"] if followed.talk_id else [])]

        async def still() -> bool:
            return await desk.is_there(token)

        with house.live.listen(*followed.topics) as feed, talks.presence.open(*keys):
            try:
                if followed.talk_id:
                    talks.came_or_went(followed.talk_id)
                told = VisitorFeed(feed, functools.partial(desk.news, followed), followed.talk_id, seq)
                await sse.stream(request, told, first=await told.first(), allowed=still)
            finally:
                if followed.talk_id:
                    talks.came_or_went(followed.talk_id)

    @bp.post("/typing")
    @openapi.definition(
        summary="The visitor is writing; told to the human, never stored",
        tag="chat",
        response=[openapi.definitions.Response({}, 204), openapi.definitions.Response(_content(_ERROR), 404)],
        secured={"bearer": []},
    )
    async def typing(request: Request) -> HTTPResponse:
        await desk.signal(_token(request))
        return HTTPResponse(status=204)

    @bp.post("/seen")
    @openapi.definition(
        summary="The visitor has seen the messages of a talk up to a number; told to the human, never stored",
        tag="chat",
        body={
            "content": {"application/json": {"schema": {"type": "object", "properties": {"seq": {"type": "integer"}}}}}
        },
        response=[openapi.definitions.Response({}, 204), openapi.definitions.Response(_content(_ERROR), 404)],
        secured={"bearer": []},
    )
    async def seen(request: Request) -> HTTPResponse:
        await desk.signal(_token(request), seen=_decode(request, SeenRequest).seq)
        return HTTPResponse(status=204)

    @bp.post("/human")
    @openapi.definition(
        summary="Ask for a human at once; the same as the choice human:now",
        description="Puts the chat in the line and tells its place, or says when somebody is there next.",
        tag="chat",
        response=[
            openapi.definitions.Response(_content(_MESSAGES), 200),
            openapi.definitions.Response(_content(_ERROR), 404),
        ],
        secured={"bearer": []},
    )
    async def human(request: Request) -> HTTPResponse:
        return _json(await desk.send(_token(request), choice=ASK, key=request.headers.get("idempotency-key") or None))

    @bp.delete("/human")
    @openapi.definition(
        summary="Leave the line, or end the talk with a human; the robot answers again",
        tag="chat",
        response=[
            openapi.definitions.Response(_content(_MESSAGES), 200),
            openapi.definitions.Response(_content(_ERROR), 404),
        ],
        secured={"bearer": []},
    )
    async def without_human(request: Request) -> HTTPResponse:
        return _json(await desk.send(_token(request), choice=LEAVE))

    @app.get("/api/human")
    @openapi.definition(
        summary="Whether a human can be talked with now",
        description="For a municipality's own page. `staffing`: in, away (at work but not ready) or closed.",
        tag="chat",
        response=[openapi.definitions.Response(_content(_OUTLOOK), 200)],
    )
    async def outlook(_request: Request) -> HTTPResponse:
        if not talks.live:
            return json({"staffing": "closed", "minutes": None, "opens": None})
        found = await talks.outlook()
        minutes = None if found.minutes is None else rules.told(found.minutes)
        opens = found.opens.isoformat() if found.opens is not None else None
        return json({"staffing": found.staffing, "minutes": minutes, "opens": opens})

    app.blueprint(bp)


def _json(answer: Answer) -> HTTPResponse:
    return json(_shape(answer))


def _shape(answer: Answer | Conversation) -> dict[str, Any]:
    return {"messages": answer.messages, "mode": answer.mode, "who": answer.who, "talk": answer.talk}


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
