"""Rows of chats and messages: sealing, opening, order. Every read starts from a chat that its id has opened."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import takewhile
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.orm import Session

from backend.chat.assistant import State
from backend.chat.tables import Chat, ChatMessage
from backend.core.db import affected
from backend.core.errors import ChatExpired, KeyReused
from backend.core.reader import Reader
from backend.core.vault import Vault, new_id
from backend.danger.rules import key_of


@dataclass(frozen=True, slots=True)
class Say:
    """A message before it is stored. ``choices`` pairs a title with what choosing it does; ``author`` may be ``staff``."""

    kind: str
    topic: str
    text: str
    card: dict[str, Any] | None = None
    choices: tuple[tuple[str, str], ...] = ()
    author: str = "assistant"


@dataclass(frozen=True, slots=True)
class Danger:
    """Why a card was shown: level, category and rule, never words."""

    level: str
    category: str
    rule: str


@dataclass(frozen=True, slots=True)
class OpenChat:
    """A chat as a turn needs it, detached from any session."""

    id: str
    conversation: str
    data_key: bytes
    reader: Reader
    state: State
    unanswered: tuple[str, ...]
    corrected: frozenset[str]
    consent_version: str | None
    seen_at: datetime

    @property
    def holder(self) -> str:
        """The name under which this chat holds times."""
        return f"chat:{self.id}"


@dataclass(frozen=True, slots=True)
class Accepted:
    """A visitor's message after it was stored, or recognised as one that was stored before.

    ``talk`` is the message in a talk with a human that it went to, if it went to one.
    """

    id: str
    answered: bool
    talk: str | None = None


def token_hash(token: str) -> str:
    """The form in which a chat's id is stored. Fast, since the id has 256 random bits."""
    return hashlib.sha256(token.encode()).hexdigest()


def add_chat(session: Session, vault: Vault, token: str, reader: Reader, state: State, at: datetime) -> OpenChat:
    """Store a new chat."""
    data_key = vault.new_key()
    chat = Chat(
        id=new_id(),
        token_hash=token_hash(token),
        conversation=new_id() + new_id(),
        data_key=data_key,
        who=reader.who,
        band=reader.band,
        lang=reader.lang,
        created_at=at,
        seen_at=at,
    )
    chat.state = _seal_state(vault, chat.id, data_key, state)
    session.add(chat)
    session.flush()
    return _opened(vault, chat)


def open_chat(session: Session, vault: Vault, token: str, now: datetime, idle: timedelta) -> OpenChat:
    """The chat that ``token`` opens; raises `ChatExpired` when there is none or it has been quiet too long."""
    chat = session.scalar(sa.select(Chat).where(Chat.token_hash == token_hash(token), Chat.seen_at > now - idle))
    if chat is None:
        raise ChatExpired
    return _opened(vault, chat)


def reopen(session: Session, vault: Vault, chat_id: str) -> OpenChat | None:
    """A chat by its row id, for work that goes on without the browser; None if it has been wiped."""
    chat = session.get(Chat, chat_id)
    return None if chat is None else _opened(vault, chat)


def sent_before(
    session: Session, vault: Vault, chat: OpenChat, body: dict[str, Any], key: str | None
) -> Accepted | None:
    """The message that came with this key, or None. Raises `KeyReused` when the key came with another body."""
    if key is None:
        return None
    known = session.scalar(sa.select(ChatMessage).where(ChatMessage.chat_id == chat.id, ChatMessage.client_key == key))
    if known is None:
        return None
    if known.client_hash != _fingerprint(chat, body):
        raise KeyReused
    return Accepted(known.id, known.answered, _body(vault, chat, known).get("talk"))


def accept(
    session: Session,
    vault: Vault,
    chat: OpenChat,
    body: dict[str, Any],
    key: str | None,
    at: datetime,
    danger: Danger | None,
    *,
    talk: str | None = None,
) -> Accepted:
    """Store what the visitor sent, or only where it is when it went to a human in a ``talk``.

    Raises `ChatExpired` when the chat was wiped meanwhile.
    """
    if not affected(session, sa.update(Chat).where(Chat.id == chat.id).values(seen_at=at)):
        raise ChatExpired
    stored = body if talk is None else {"text": "", "action": "", "typed": False, "talk": talk}
    message = _message(session, vault, chat, "visitor", "text", "", stored, at)
    message.client_key, message.client_hash = key, _fingerprint(chat, body)
    if danger is not None:
        message.danger_level, message.danger_category, message.danger_rule = (
            danger.level,
            danger.category,
            danger.rule,
        )
    return Accepted(message.id, answered=False, talk=talk)


def _fingerprint(chat: OpenChat, body: dict[str, Any]) -> str:
    # What a typed text was taken for is not what was sent: repeated, it may come after another question.
    sent = {**body, "action": "" if body["typed"] else body["action"]}
    return hashlib.sha256(chat.id.encode() + msgspec.json.encode(sent)).hexdigest()


def answer(
    session: Session, vault: Vault, chat: OpenChat, reply_to: str | None, says: Iterable[Say], at: datetime
) -> None:
    """Store what is said back, in order, and mark the message it answers."""
    if session.get(Chat, chat.id) is None:
        raise ChatExpired
    for say in says:
        message_id = new_id()
        body = {
            "text": say.text,
            "card": say.card,
            "choices": [
                {"id": f"{message_id}.{number}", "title": title, "action": action}
                for number, (title, action) in enumerate(say.choices)
            ],
        }
        _message(session, vault, chat, say.author, say.kind, say.topic, body, at, message_id, reply_to)
    if reply_to is not None:
        session.execute(sa.update(ChatMessage).where(ChatMessage.id == reply_to).values(answered=True))


def keep_place(
    session: Session,
    vault: Vault,
    chat: OpenChat,
    *,
    state: State | None = None,
    reader: Reader | None = None,
    unanswered: Sequence[str] | None = None,
    fresh_conversation: bool = False,
    corrected: str | None = None,
    consent_version: str | None = None,
) -> None:
    """Update where the chat stands; what is not given stays."""
    values: dict[str, Any] = {}
    if state is not None:
        values["state"] = _seal_state(vault, chat.id, chat.data_key, state)
    if reader is not None:
        values |= {"who": reader.who, "band": reader.band, "lang": reader.lang}
    if unanswered is not None:
        values["unanswered"] = " ".join(unanswered)
    if fresh_conversation:
        values["conversation"] = new_id() + new_id()
    if corrected is not None:
        values["corrected"] = " ".join(sorted({*chat.corrected, corrected}))
    if consent_version is not None:
        values["consent_version"] = consent_version
    if values:
        session.execute(sa.update(Chat).where(Chat.id == chat.id).values(**values))


def messages(session: Session, vault: Vault, chat: OpenChat, *, reply_to: str | None = None) -> list[dict[str, Any]]:
    """The conversation so far, or only the answers to one message, with bodies opened."""
    query = sa.select(ChatMessage).where(ChatMessage.chat_id == chat.id).order_by(ChatMessage.seq)
    if reply_to is not None:
        query = query.where(ChatMessage.reply_to == reply_to)
    return [
        {
            "id": row.id, "author": row.author, "kind": row.kind, "topic": row.topic, "at": row.at,
            **_body(vault, chat, row),
        }
        for row in session.scalars(query)
    ]  # fmt: skip


def action_of(session: Session, vault: Vault, chat: OpenChat, choice: str) -> tuple[str, str] | None:
    """Title and action of a choice that this chat was offered, or None."""
    message_id, _, _number = choice.partition(".")
    row = session.scalar(
        sa.select(ChatMessage).where(
            ChatMessage.id == message_id, ChatMessage.chat_id == chat.id, ChatMessage.author == "assistant"
        )
    )
    if row is None:
        return None
    for offered in _body(vault, chat, row)["choices"]:
        if offered["id"] == choice:
            return offered["title"], offered["action"]
    return None


def offered_last(session: Session, vault: Vault, chat: OpenChat) -> list[list[str]]:
    """The actions of the choices in each message that has been said since the visitor's own, the newest first."""
    query = sa.select(ChatMessage).where(ChatMessage.chat_id == chat.id).order_by(ChatMessage.seq.desc()).limit(9)
    said = takewhile(lambda row: row.author == "assistant", session.scalars(query))
    return [[offered["action"] for offered in _body(vault, chat, row)["choices"]] for row in said]


def words_of(session: Session, vault: Vault, chat_id: str, ids: Sequence[str]) -> list[str]:
    """The visitor's own words in the messages named, in the order they were written."""
    chat = session.get(Chat, chat_id)
    if chat is None:
        return []
    opened = _opened(vault, chat)
    rows = session.scalars(
        sa.select(ChatMessage)
        .where(ChatMessage.chat_id == chat_id, ChatMessage.author == "visitor", ChatMessage.id.in_(ids))
        .order_by(ChatMessage.seq)
    )
    return [_body(vault, opened, row)["text"] for row in rows]


def recent_words(session: Session, vault: Vault, chat: OpenChat, count: int) -> list[str]:
    """The visitor's last few typed texts, oldest first."""
    rows = session.scalars(
        sa.select(ChatMessage)
        .where(ChatMessage.chat_id == chat.id, ChatMessage.author == "visitor")
        .order_by(ChatMessage.seq.desc())
        .limit(count)
    ).all()
    bodies = [_body(vault, chat, row) for row in reversed(rows)]
    return [body["text"] for body in bodies if body.get("typed")]


def typed_words(session: Session, vault: Vault, chat: OpenChat) -> list[str]:
    """Everything that the visitor has typed to the robot, oldest first."""
    rows = session.scalars(
        sa.select(ChatMessage)
        .where(ChatMessage.chat_id == chat.id, ChatMessage.author == "visitor")
        .order_by(ChatMessage.seq)
    )
    bodies = [_body(vault, chat, row) for row in rows]
    return [body["text"] for body in bodies if body.get("typed")]


def visitor_body(session: Session, vault: Vault, chat: OpenChat, message_id: str) -> dict[str, Any] | None:
    """What a stored visitor's message said, or None if it is not of this chat."""
    row = session.scalar(sa.select(ChatMessage).where(ChatMessage.id == message_id, ChatMessage.chat_id == chat.id))
    return None if row is None else _body(vault, chat, row)


def worst_danger(
    session: Session, chat_id: str, corrected: frozenset[str], *, since: datetime | None = None
) -> Danger | None:
    """The most serious danger noted in a chat, or in it since a moment, that the person has not corrected, or None."""
    rows = session.scalars(
        sa.select(ChatMessage)
        .where(
            ChatMessage.chat_id == chat_id,
            ChatMessage.danger_level.is_not(None),
            ChatMessage.at >= since if since is not None else sa.true(),
        )
        .order_by(ChatMessage.danger_level, ChatMessage.seq)
    )
    for row in rows:
        if key_of(row.danger_rule or "") not in corrected:
            return Danger(row.danger_level or "", row.danger_category or "", row.danger_rule or "")
    return None


def had_danger(session: Session, chat: OpenChat) -> bool:
    """Whether danger was ever noticed in the chat, corrected or not."""
    query = sa.select(ChatMessage.id).where(ChatMessage.chat_id == chat.id, ChatMessage.danger_level.is_not(None))
    return session.scalar(query.limit(1)) is not None


def visitor_ids(session: Session, chat: OpenChat) -> Sequence[str]:
    """The ids of all that the visitor has sent."""
    query = sa.select(ChatMessage.id).where(ChatMessage.chat_id == chat.id, ChatMessage.author == "visitor")
    return session.scalars(query).all()


def asked_about(session: Session, chat: OpenChat, choice: str) -> str | None:
    """The visitor's message that was answered with what offers ``choice``, or None."""
    message_id = choice.partition(".")[0]
    query = sa.select(ChatMessage.reply_to).where(ChatMessage.id == message_id, ChatMessage.chat_id == chat.id)
    return session.scalar(query)


def danger_of(session: Session, chat: OpenChat, message_id: str) -> Danger | None:
    """The danger noted with one message, or None."""
    row = session.scalar(sa.select(ChatMessage).where(ChatMessage.id == message_id, ChatMessage.chat_id == chat.id))
    if row is None or row.danger_level is None:
        return None
    return Danger(row.danger_level, row.danger_category or "", row.danger_rule or "")


def waiting(session: Session, since: datetime) -> Sequence[str]:
    """Row ids of chats that wait for the assistant and were seen since."""
    return session.scalars(sa.select(Chat.id).where(Chat.unanswered != "", Chat.seen_at > since)).all()


def wipe(session: Session, chat_id: str) -> None:
    """Remove a chat and every message of it."""
    session.execute(sa.delete(ChatMessage).where(ChatMessage.chat_id == chat_id))
    session.execute(sa.delete(Chat).where(Chat.id == chat_id))


def expired(session: Session, before: datetime, at_most: int) -> Sequence[tuple[str, str]]:
    """Row id and conversation of chats last seen before a moment."""
    rows = session.execute(sa.select(Chat.id, Chat.conversation).where(Chat.seen_at < before).limit(at_most))
    return [(row.id, row.conversation) for row in rows]


def _message(
    session: Session,
    vault: Vault,
    chat: OpenChat,
    author: str,
    kind: str,
    topic: str,
    body: dict[str, Any],
    at: datetime,
    message_id: str | None = None,
    reply_to: str | None = None,
) -> ChatMessage:
    last = session.scalar(sa.select(sa.func.max(ChatMessage.seq)).where(ChatMessage.chat_id == chat.id))
    message_id = message_id or new_id()
    row = ChatMessage(
        id=message_id,
        chat_id=chat.id,
        seq=(last or 0) + 1,
        author=author,
        kind=kind,
        topic=topic,
        body=vault.seal(chat.data_key, f"chat_message.body:{message_id}", msgspec.json.encode(body).decode()),
        at=at,
        reply_to=reply_to,
    )
    session.add(row)
    session.flush()
    return row


def _body(vault: Vault, chat: OpenChat, row: ChatMessage) -> dict[str, Any]:
    opened = vault.open(chat.data_key, f"chat_message.body:{row.id}", row.body)
    return msgspec.json.decode(opened)  # type: ignore[no-any-return]


def _seal_state(vault: Vault, chat_id: str, data_key: bytes, state: State) -> bytes:
    return vault.seal(data_key, f"chat.state:{chat_id}", msgspec.json.encode(state).decode())


def _opened(vault: Vault, chat: Chat) -> OpenChat:
    state = State()
    if chat.state is not None:
        state = msgspec.json.decode(vault.open(chat.data_key, f"chat.state:{chat.id}", chat.state), type=State)
    return OpenChat(
        id=chat.id,
        conversation=chat.conversation,
        data_key=chat.data_key,
        reader=Reader.stored(chat.who, chat.band, chat.lang),
        state=state,
        unanswered=tuple(chat.unanswered.split()),
        corrected=frozenset(chat.corrected.split()),
        consent_version=chat.consent_version,
        seen_at=chat.seen_at,
    )
