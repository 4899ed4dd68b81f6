"""The channel between the backend and Rasa: the only way into this process.

POST /webhooks/backend/turn     one message or one pressed button, and the answers to it
POST /webhooks/backend/forget   drop a conversation from memory
GET  /webhooks/backend/health   200 once a first message has been understood, 503 before

Every request carries `Authorization: Bearer <token>`. Promises:

* **Typed text is never a command.** Rasa unpacks a text beginning with "/" as an intent
  with entities, after stripping every kind of white space. Text from here reaches the
  model behind a character that nothing strips, and only through this channel; what a
  button does arrives in another field, `command`.
* **A turn happens wholly or not at all.** The conversation is stored after its last action.
  When an action cannot be run, the turn is undone and answered 502, instead of Rasa's way:
  log it and go on as if it had been run.
* **One turn at a time in a conversation.** Others wait for it.
* **Nothing of a text in an error or a log.**

Errors: `{"error": {"code": ..., "message": ...}}` with 400 (not JSON), 401, 413, 422 (not
what is described in `_turn`), 500, 502 (the action server), 503 (not ready).
"""

from __future__ import annotations

import asyncio
import hmac
import json
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import aiohttp
from jsonschema.validators import validator_for
from rasa.core.actions.action import ActionExtractSlots, RemoteAction
from rasa.core.agent import Agent
from rasa.core.channels.channel import InputChannel, OutputChannel, UserMessage
from rasa.shared.constants import DEFAULT_NLU_FALLBACK_INTENT_NAME
from rasa.shared.core.constants import (
    USER_INTENT_BACK,
    USER_INTENT_RESTART,
    USER_INTENT_SESSION_START,
)
from rasa.shared.core.events import Event, UserUttered, deserialise_events
from rasa.shared.exceptions import RasaException
from rasa.utils.endpoints import ClientResponseError, EndpointConfig
from sanic import Blueprint, Sanic, response
from sanic.request import Request
from sanic.response import HTTPResponse

from channels.parts import parts_of
from channels.trackers import EphemeralTrackerStore, state_of, tracker_from_state

logger = logging.getLogger("koll.channel")

NAME = "backend"
SHORTEST_TOKEN = 16
LARGEST_BODY = 64 * 1024
LONGEST_TEXT = 4000
ACTION_SECONDS = 2.0
LOCK_POLL_SECONDS = 0.05
SWEEP_SECONDS = 60.0
RANKED = 3
SURE_OF_PART = 0.6
"""From here on, a part of a message is taken to be about something of its own."""

# Zero width space: no white space to Python, so `strip` leaves it, and nothing to the
# model, whose `clean` drops it.
GUARD = "\u200b"

# Rasa's own intents that wind a conversation back. No button does that.
_REFUSED_COMMANDS = {USER_INTENT_RESTART, USER_INTENT_BACK, USER_INTENT_SESSION_START}


class Refused(Exception):
    """A request that is answered with an error and has no effect."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(code)
        self.status = status
        self.code = code
        self.message = message


class ActionsUnavailable(BaseException):
    """The action server did not answer, or not with an action's result.

    Not an `Exception`: Rasa catches every one of those around an action and goes on.
    """


class ActionEndpoint(EndpointConfig):
    """The action server, with a deadline, and failures that end the turn."""

    def __init__(self, configured: EndpointConfig, seconds: float = ACTION_SECONDS) -> None:
        super().__init__(
            url=configured.url,
            params=configured.params,
            headers=configured.headers,
            basic_auth=configured.basic_auth,
            token=configured.token,
            token_name=configured.token_name,
            cafile=configured.cafile,
            **configured.kwargs,
        )
        self._seconds = seconds

    async def request(self, *args: Any, **kwargs: Any) -> Any:
        """The action's result.

        Raises:
            ClientResponseError: status 400, an action that declines to run.
            ActionsUnavailable: for everything else that is not a result.
        """
        if domain := kwargs.get("json", {}).get("domain"):
            # By far the largest part of the call, and no action's business.
            kwargs["json"] = kwargs["json"] | {"domain": domain | {"responses": {}}}
        try:
            result = await asyncio.wait_for(super().request(*args, **kwargs), self._seconds)
        except ClientResponseError as error:
            if error.status == 400:
                raise
            logger.error("The action server answered %d.", error.status)
            raise ActionsUnavailable from None
        except (TimeoutError, aiohttp.ClientError, OSError, ValueError) as error:
            logger.error("No answer from the action server: %s.", type(error).__name__)
            raise ActionsUnavailable from None
        if not _is_action_result(result):
            logger.error("The action server's answer is not an action's result.")
            raise ActionsUnavailable
        return result


_RESULT_SCHEMA = RemoteAction.action_response_format_spec()
_RESULT = validator_for(_RESULT_SCHEMA)(_RESULT_SCHEMA)


def _is_action_result(result: Any) -> bool:
    if not isinstance(result, dict) or not {"events", "responses"} <= result.keys():
        return False
    try:
        _RESULT.validate(result)
        return len(deserialise_events(result["events"])) == len(result["events"])
    except Exception:  # whatever an unusual result makes Rasa's parsers stumble on
        return False


def _already_checked(_action: RemoteAction, _result: Any) -> bool:
    """Stands for Rasa's check of an action's result, which `ActionEndpoint` has made.

    Rasa's own checks its schema anew with each result: 30 ms of processor time for each.
    """
    return True


RemoteAction._validate_action_result = _already_checked


async def _everything(_action: ActionExtractSlots, events: list[Event], *_: Any) -> list[Event]:
    """Stands for Rasa's validation of slots that were just filled; there is none in the domain.

    Rasa's own would then throw away what was said meanwhile, and `action_note_reader` shows a
    card to whoever writes in another language there, before anything else is answered.
    """
    return events


ActionExtractSlots._execute_validation_action = _everything


class Collected(OutputChannel):
    """Keeps the answers of one turn, one entry per utterance."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []

    @classmethod
    def name(cls) -> str:
        return NAME

    async def send_response(self, recipient_id: str, message: dict[str, Any]) -> None:
        """Keep name, text, buttons and custom data of one utterance together."""
        self.messages.append(
            {
                "name": message.get("utter_action") or None,
                "text": message.get("text") or None,
                "buttons": [
                    {"title": button.get("title", ""), "payload": button.get("payload", "")}
                    for button in message.get("buttons") or []
                ],
                "custom": message.get("custom") or None,
            }
        )


@dataclass(frozen=True)
class Turn:
    """A checked turn request: either `text` or `command` is set."""

    conversation: str
    turn: str
    message: str | None
    text: str | None
    intent: str | None
    entities: dict[str, Any]
    state: dict[str, Any] | None
    now: str | None = None
    zone: str | None = None
    vector: dict[str, Any] | None = None


def _refuse(message: str) -> Refused:
    return Refused(422, "invalid", message)


def _turn(body: dict[str, Any]) -> Turn:
    """Check a turn request's body.

    {"conversation": str, "turn": str, "message": str | null,
     "text": str  |  "command": {"intent": str, "entities": {name: value}},
     "state": null | {"slots": {...}, "loop": str | null, "requested": str | null},
     "now": str, "zone": str,    an instant in ISO 8601 and a zone's name; both may be missing
     "vector": null | {"of": str, "bytes": str}}   the text's, by `language.embedding.written`

    Raises:
        Refused: 422, naming the field.
    """
    for name in ("conversation", "turn"):
        if not isinstance(body.get(name), str) or not 1 <= len(body[name]) <= 200:
            raise _refuse(f"{name} must be a short text")
    if not isinstance(body.get("message"), (str, type(None))):
        raise _refuse("message must be a text or null")
    for name in ("now", "zone"):
        if not isinstance(body.get(name), (str, type(None))) or len(body.get(name) or "") > 64:
            raise _refuse(f"{name} must be a short text or missing")
    text, command, state = body.get("text"), body.get("command"), body.get("state")
    if (text is None) == (command is None):
        raise _refuse("exactly one of text and command is needed")
    if text is not None and not isinstance(text, str):
        raise _refuse("text must be a text")
    intent, entities = None, {}
    if command is not None:
        if not isinstance(command, dict) or not isinstance(command.get("intent"), str):
            raise _refuse("command needs an intent")
        intent, entities = command["intent"], command.get("entities") or {}
        if not isinstance(entities, dict):
            raise _refuse("entities must be an object")
    if not isinstance(body.get("vector"), (dict, type(None))):
        raise _refuse("vector must be an object or null")
    if not isinstance(state, (dict, type(None))) or not isinstance((state or {}).get("slots") or {}, dict):
        raise _refuse("state must be null or an object with slots")
    return Turn(
        conversation=body["conversation"],
        turn=body["turn"],
        message=body.get("message"),
        text=None if text is None else _harmless(text),
        intent=intent,
        entities=entities,
        state=state,
        now=body.get("now"),
        zone=body.get("zone"),
        vector=body.get("vector"),
    )


def _harmless(text: str) -> str:
    """At most `LONGEST_TEXT` characters, without NUL and unpaired surrogates."""
    paired = text[:LONGEST_TEXT].encode("utf-8", "replace").decode("utf-8")
    return paired.replace("\0", "")


class Conversations:
    """Runs turns on a loaded Rasa agent."""

    def __init__(self, agent: Agent) -> None:
        """Take over an agent's store and action endpoint.

        Raises:
            RasaException: if the agent has no model, or keeps conversations elsewhere than
                in an `EphemeralTrackerStore`.
        """
        if agent.processor is None:
            raise RasaException("no model is loaded")
        # Rasa wraps the store in one that falls back on a memory without an end.
        store = getattr(agent.tracker_store, "_tracker_store", agent.tracker_store)
        if not isinstance(store, EphemeralTrackerStore):
            raise RasaException("endpoints.yml must name EphemeralTrackerStore")
        self.store = store
        self._locks = agent.lock_store
        self._processor = agent.processor
        self._processor.tracker_store = store
        if agent.action_endpoint is not None:
            self._processor.action_endpoint = ActionEndpoint(agent.action_endpoint)
        self._domain = self._processor.domain
        self._commands = set(self._domain.intents) - _REFUSED_COMMANDS
        self._entities = set(self._domain.entities)

    async def warm_up(self) -> None:
        """Understand one message, so that the first person does not wait for it."""
        await self._understood("hej")

    async def take(self, turn: Turn) -> dict[str, Any]:
        """Carry out a turn and describe what came of it.

        Raises:
            Refused: 422 for a command that the domain does not know.
            ActionsUnavailable: the turn is undone.
        """
        also: list[str] = []
        if turn.text is None:
            understood = self._commanded(turn.intent or "", turn.entities)
            ranking = [understood["intent"]]
        else:
            understood = await self._understood(turn.text, turn.vector)
            also = await self._also(turn.text, understood)
            ranking = [
                {"name": ranked["name"], "confidence": ranked["confidence"]}
                for ranked in understood["intent_ranking"]
                if ranked["name"] != DEFAULT_NLU_FALLBACK_INTENT_NAME
            ][:RANKED]
        understood["intent_ranking"] = ranking
        async with self._lock(turn.conversation):
            tracker = await self.store.retrieve(turn.conversation)
            if tracker is None:
                tracker = tracker_from_state(turn.conversation, turn.state, self._domain)
            tracker.model_id = self._processor.model_metadata.model_id
            tracker.assistant_id = self._processor.model_metadata.assistant_id
            collected = Collected()
            tracker.update(
                UserUttered(
                    understood["text"],
                    understood["intent"],
                    understood["entities"],
                    understood,
                    input_channel=NAME,
                    message_id=turn.message,
                    metadata={
                        "turn": turn.turn,
                        "message": turn.message,
                        "now": turn.now,
                        "zone": turn.zone,
                        "also": also,
                    },
                ),
                self._domain,
            )
            tracker = await self._processor.run_action_extract_slots(collected, tracker)
            await self._processor._run_prediction_loop(collected, tracker)
            await self.store.save(tracker)
        state = state_of(tracker)
        return {
            "messages": collected.messages,
            "intent": {
                "name": understood["intent"]["name"],
                "confidence": understood["intent"]["confidence"],
            },
            "ranking": ranking,
            "loop": state["loop"],
            "requested": state["requested"],
            "state": state,
        }

    async def forget(self, conversation: str) -> None:
        """Drop a conversation, after the turn it may be in the middle of."""
        async with self._lock(conversation):
            self.store.forget(conversation)

    def _lock(self, conversation: str) -> Any:
        return self._locks.lock(conversation, wait_time_in_seconds=LOCK_POLL_SECONDS)

    async def _understood(self, text: str, vector: dict[str, Any] | None = None) -> dict[str, Any]:
        parsed = await self._processor.parse_message(UserMessage(GUARD + text, metadata={"vector": vector}))
        return {
            "text": text,
            "intent": parsed["intent"],
            "entities": parsed.get("entities") or [],
            "intent_ranking": parsed.get("intent_ranking") or [],
        }

    async def _also(self, text: str, understood: dict[str, Any]) -> list[str]:
        """What parts of a text are about, besides what the whole of it is taken for.

        A whole that is not understood is taken for its first part that is.
        """
        found: list[dict[str, Any]] = []
        for part in parts_of(text):
            intent = (await self._understood(part))["intent"]
            if intent["confidence"] >= SURE_OF_PART and intent["name"] not in [known["name"] for known in found]:
                found.append(intent)
        found = [intent for intent in found if intent["name"] != DEFAULT_NLU_FALLBACK_INTENT_NAME]
        if len(found) > 1 and understood["intent"]["name"] == DEFAULT_NLU_FALLBACK_INTENT_NAME:
            understood["intent"] = found[0]
        return [intent["name"] for intent in found if intent["name"] != understood["intent"]["name"]]

    def _commanded(self, intent: str, entities: dict[str, Any]) -> dict[str, Any]:
        if intent not in self._commands:
            raise _refuse("no such command")
        unknown = sorted(set(entities) - self._entities)
        if unknown:
            raise _refuse(f"no such entity in a command: {', '.join(unknown)[:100]}")
        # As Rasa writes a pressed button; nothing reads it back.
        written = json.dumps(entities, ensure_ascii=False) if entities else ""
        text = f"/{intent}{written}"
        return {
            "text": text,
            "intent": {"name": intent, "confidence": 1.0},
            "entities": [
                {
                    "entity": name,
                    "value": value,
                    "start": 0,
                    "end": len(text),
                    "confidence": 1.0,
                    "extractor": "command",
                }
                for name, value in entities.items()
            ],
        }


class BackendInput(InputChannel):
    """The channel as Rasa sees it; `credentials.yml` gives it the token."""

    def __init__(self, token: str) -> None:
        self._token = token.encode()
        self._conversations: Conversations | None = None
        self._sweeper: asyncio.Task[None] | None = None

    @classmethod
    def name(cls) -> str:
        return NAME

    @classmethod
    def from_credentials(cls, credentials: dict[str, Any] | None) -> BackendInput:
        """The channel with its token.

        Raises:
            RasaException: if the token is missing or too short to be a secret.
        """
        token = str((credentials or {}).get("token") or "")
        if len(token) < SHORTEST_TOKEN:
            raise RasaException(f"RASA_TOKEN must be set, to at least {SHORTEST_TOKEN} characters")
        return cls(token)

    def blueprint(self, on_new_message: Callable[[UserMessage], Awaitable[Any]]) -> Blueprint:
        """The three routes, and what happens when the server starts."""
        blueprint = Blueprint("backend_channel")

        @blueprint.listener("before_server_start")
        async def limit(app: Sanic, _loop: Any) -> None:
            app.config.REQUEST_MAX_SIZE = LARGEST_BODY

        @blueprint.listener("after_server_start")
        async def make_ready(app: Sanic, _loop: Any) -> None:
            try:
                conversations = Conversations(app.ctx.agent)
                await conversations.warm_up()
            except RasaException as error:
                logger.error("Not ready, and will not be: %s.", error)
                return
            self._conversations = conversations
            self._sweeper = asyncio.create_task(_sweep(conversations.store))
            logger.info("Ready.")

        @blueprint.listener("before_server_stop")
        async def stop(_app: Sanic, _loop: Any) -> None:
            if self._sweeper is not None:
                self._sweeper.cancel()

        @blueprint.get("/health")
        async def health(request: Request) -> HTTPResponse:
            return await self._answer(request, self._health)

        @blueprint.post("/turn")
        async def turn(request: Request) -> HTTPResponse:
            return await self._answer(request, self._take)

        @blueprint.post("/forget")
        async def forget(request: Request) -> HTTPResponse:
            return await self._answer(request, self._forget)

        return blueprint

    async def _health(self, _request: Request) -> HTTPResponse:
        self._ready()
        return response.json({"ready": True})

    async def _take(self, request: Request) -> HTTPResponse:
        turn = _turn(_body(request))
        return response.json(await self._ready().take(turn), dumps=json.dumps)

    async def _forget(self, request: Request) -> HTTPResponse:
        conversation = _body(request).get("conversation")
        if not isinstance(conversation, str):
            raise _refuse("conversation must be a text")
        await self._ready().forget(conversation)
        return response.empty()

    def _ready(self) -> Conversations:
        if self._conversations is None:
            raise Refused(503, "not_ready", "no model is ready")
        return self._conversations

    async def _answer(self, request: Request, handle: Callable[[Request], Awaitable[HTTPResponse]]) -> HTTPResponse:
        """Check the token, handle the request, and turn whatever fails into JSON."""
        try:
            given = request.headers.get("Authorization", "").encode("utf-8", "replace")
            if not hmac.compare_digest(given, b"Bearer " + self._token):
                raise Refused(401, "unauthorized", "a token is needed")
            return await handle(request)
        except Refused as refused:
            return _error(refused.status, refused.code, refused.message)
        except ActionsUnavailable:
            return _error(502, "actions_unavailable", "the turn was undone")
        except Exception:
            logger.exception("A turn failed.")
            return _error(500, "failed", "the turn was undone")


def _body(request: Request) -> dict[str, Any]:
    if len(request.body) > LARGEST_BODY:
        raise Refused(413, "too_large", "the request is too large")
    try:
        body = json.loads(request.body)
    except (ValueError, RecursionError):
        raise Refused(400, "not_json", "the request is not JSON") from None
    if not isinstance(body, dict):
        raise _refuse("the request must be an object")
    return body


def _error(status: int, code: str, message: str) -> HTTPResponse:
    return response.json({"error": {"code": code, "message": message}}, status=status)


async def _sweep(store: EphemeralTrackerStore) -> None:
    while True:
        await asyncio.sleep(SWEEP_SECONDS)
        store.sweep()
