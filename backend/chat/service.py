"""The conversation's use cases: start, send, look back, end.

A message goes the same way every time: it is stored, danger is looked for, and only
then is the assistant asked. The answer is stored before it is shown. Work goes on
to its end even if the browser has gone, so that a repeated send finds the answer.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import secrets
import time
from collections.abc import AsyncIterator, Coroutine, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, TypeVar

import msgspec
from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter
from sqlalchemy.orm import Session

from backend.alerts import service as alerts
from backend.alerts.service import AlertDesk
from backend.booking.labels import when
from backend.booking.service import BookingDesk
from backend.chat import repository
from backend.chat.assistant import Assistant, AssistantDown, Reply, State
from backend.chat.expand import Expander, taken_for
from backend.chat.live import News
from backend.chat.misses import missed
from backend.chat.own_time import OwnTime
from backend.chat.repository import Danger, OpenChat, Say
from backend.chat.turns import Issued, Turn, Turns
from backend.chat.typed import TypedAnswers, action_of
from backend.core import audit, codes
from backend.core.errors import ChatExpired, DomainError, MalformedRequest, TooMany, UnknownChoice
from backend.core.house import House
from backend.core.reader import EASY, READERS, Reader
from backend.core.text import clean
from backend.core.vault import Vault
from backend.danger.rules import key_of
from backend.danger.service import Card, DangerWatch
from backend.improving.service import Learning, Missed
from backend.returning.here import PATH as HERE
from backend.returning.service import BookingSeen, ConcernSeen, MapSeen, Returning, StorySeen, TalkSeen
from backend.talks import told as talk_told
from backend.talks.service import Glance, TalkDesk
from language import tongue

T = TypeVar("T")

MESSAGES_A_MINUTE = 40
STARTS_A_MINUTE = 1200
"""For one network address: a whole school behind one address must be let in."""
SIGNALS_A_MINUTE = 60
"""That somebody is writing, or has read: a page sends one every few seconds."""
PAGES_OF_A_CHAT = 6
"""A page that is cut off may have a twin for a moment; more are a flood."""
QUEUE = 4
REMEMBERED = 3
"""Earlier texts that danger detection looks at together with the newest."""
ASSISTANT_READS = 2000
"""Characters of a message that the assistant is given; the whole of it is kept and searched for danger."""
CATCH_UP = timedelta(minutes=30)
PAUSES = (2.0, 10.0, 30.0)
"""Seconds between tries at a message that the assistant, being up, fails at."""
HIDDEN = "••••••"

_WANTS_HUMAN = "human"
"""The assistant's name for the wish to talk with a human."""
_EASY = {"easy:on": "easy.on", "easy:off": "easy.off"}
"""Standing choices of whoever writes Swedish: the words easier, or as usual."""
_LISTENING_IS_ENOUGH = frozenset({"feelings", "concern", "out_of_scope", "smalltalk"})


@dataclass(frozen=True, slots=True)
class Answer:
    """Messages in the API's shape, the mode, who writes if they have said, and what stands beside the log.

    The mode is ``assistant``, ``limited``, ``waiting`` (for a human) or ``human``. ``talk`` is a
    `backend.talks.told.Visit` in the API's shape, or None.
    """

    messages: list[dict[str, Any]]
    mode: str
    who: str | None
    talk: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Conversation:
    """A new chat: its id, which only the browser gets to know, and the first messages."""

    chat: str
    messages: list[dict[str, Any]]
    mode: str
    who: str | None
    talk: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Followed:
    """A chat whose page is open, the talk it is in (or an empty string), and what there is to listen to."""

    chat_id: str
    talk_id: str
    topics: tuple[str, ...]


class ChatDesk:
    """See the module. One per app."""

    def __init__(
        self,
        house: House,
        assistant: Assistant,
        turns: Turns,
        watch: DangerWatch,
        booking: BookingDesk,
        returning: Returning,
        expander: Expander,
        learning: Learning,
        talks: TalkDesk,
    ) -> None:
        self._house = house
        self._assistant = assistant
        self._turns = turns
        self._watch = watch
        self._booking = booking
        self._returning = returning
        self._expander = expander
        self._learning = learning
        self._talks = talks
        self._own_time = OwnTime(house, booking, returning)
        self._typed_answers = TypedAnswers.load(house.settings.content_dir)
        self._alerts = AlertDesk(house)
        self._idle = timedelta(hours=house.municipality.retention.chat_idle_hours)
        self._queues: dict[str, tuple[asyncio.Lock, int]] = {}
        self._limiter = MovingWindowRateLimiter(MemoryStorage())
        self._at_work: set[asyncio.Task[Any]] = set()
        self._tries: dict[str, tuple[int, float]] = {}

    async def start(self, reader: Reader, source: str = "") -> Conversation:
        """Begin a chat and greet. Raises `TooMany` when one address starts hundreds a minute.

        In a language that the assistant does not speak, the greeting is that language's own, an interpreter is
        taken as wished for, and the conversation goes on in Swedish.
        """
        if not self._limiter.hit(RateLimitItemPerMinute(STARTS_A_MINUTE), "start", source):
            raise TooMany
        token = secrets.token_urlsafe(32)
        slots: dict[str, Any] = {"who": reader.who, "band": reader.band, "lang": reader.spoken}
        tongue_of_page = reader.lang if self._house.translations.translated(reader.lang) else None
        if tongue_of_page is not None:
            slots |= {"interpreter": tongue_of_page, "greeted": [tongue_of_page]}
            reader = replace(reader, lang=reader.spoken)
        state = _in_easy_words(State({key: value for key, value in slots.items() if value is not None}), reader)
        now = self._house.clock.now()

        def add(session: Session) -> OpenChat:
            chat = repository.add_chat(session, self._house.vault, token, reader, state, now)
            audit.record(session, now, audit.Tag.CHAT_STARTED, chat.id)
            return chat

        chat = await self._house.db.write(add)
        await self._to_the_end(self._greet(chat, tongue_of_page))
        answer = await self.history(token)
        return Conversation(token, answer.messages, answer.mode, answer.who, answer.talk)

    async def send(
        self,
        token: str,
        *,
        text: str | None = None,
        choice: str | None = None,
        key: str | None = None,
        source: str = "",
    ) -> Answer:
        """Take a typed text or an offered choice and return what is said back. ``source`` is a network address.

        With the same ``key`` the same answer comes back and nothing happens twice.
        Raises `ChatExpired`, `EmptyText`, `TextTooLong`, `UnknownChoice`, `KeyReused`, `TooMany`.
        """
        chat = await self._open(token)
        if (text is None) == (choice is None):
            raise MalformedRequest
        if not self._limiter.hit(RateLimitItemPerMinute(MESSAGES_A_MINUTE), "message", chat.id):
            raise TooMany
        cleaned = clean(text) if text is not None else None
        return await self._to_the_end(self._take_turn(chat.id, cleaned, choice, key, source))

    async def history(self, token: str) -> Answer:
        """The conversation so far. Raises `ChatExpired`."""
        chat = await self._open(token)

        def read(session: Session) -> Answer:
            return self._answer(session, chat, self._log(session, chat), chat.unanswered)

        return await self._house.db.read(read)

    async def follow(self, token: str) -> Followed:
        """What an open page listens to. Raises `ChatExpired`, and `TooMany` for more pages than anybody has."""
        chat = await self._open(token)
        if self._talks.presence.pages(f"chat:{chat.id}") >= PAGES_OF_A_CHAT:
            raise TooMany
        glance = await self._house.db.read(lambda session: self._talks.glance(session, chat.id, chat.holder))
        return Followed(chat.id, glance.seat.talk_id if glance.seat is not None else "", self._talks.topics(glance))

    async def news(self, followed: Followed, after: int) -> News:
        """What has been said after a number in the talk that a page follows, and where its chat stands. Raises `ChatExpired`."""

        def read(session: Session) -> News:
            chat = repository.reopen(session, self._house.vault, followed.chat_id)
            if chat is None:
                raise ChatExpired
            stands = self._answer(session, chat, [], chat.unanswered)
            messages = self._talks.after(session, followed.talk_id, after, chat.reader)
            return News(messages, stands.mode, stands.talk)

        return await self._house.db.read(read)

    async def signal(self, token: str, *, seen: int | None = None) -> None:
        """The visitor is writing, or has seen everything up to a message. Told on and never stored. Raises `ChatExpired`."""
        chat = await self._open(token)
        if not self._limiter.hit(RateLimitItemPerMinute(SIGNALS_A_MINUTE), "signal", chat.id):
            raise TooMany
        seat = await self._house.db.read(lambda session: self._talks.seat_of(session, chat.id))
        if seat is None or seat.state != "open":
            return
        if seen is None:
            self._talks.typing(seat.talk_id, "visitor")
        else:
            self._talks.seen(seat.talk_id, "visitor", seen)

    async def enter(self, token: str, ticket: str) -> None:
        """Go in to the room of a booked chat with a ticket of ``/min-tid``. Raises `ChatExpired`, `WrongCode`."""
        chat = await self._open(token)
        seen = await self._returning.again(ticket)

        async def work() -> None:
            async with self._queue(chat.id):
                arrival = await self._talks.arrive(chat.id, seen.booking_id, chat.reader)
                if arrival == "in":
                    await self._silence(chat)
                    said = self._house.phrases.say("live.joined", chat.reader)
                else:
                    said = self._returning.describe(seen, chat.reader)
                await self._keep(chat, None, [Say("text", "talk", said)], None)

        await self._to_the_end(work())

    async def is_there(self, token: str) -> bool:
        """Whether a chat's id still opens it."""
        try:
            await self._open(token)
        except ChatExpired:
            return False
        return True

    async def help_despite(self, text: str) -> dict[str, Any]:
        """Help for words that could not be taken as a message: too long, too many, in a chat that is gone."""
        reader = Reader()
        found = await asyncio.to_thread(self._watch.assess, text)
        if found.level is None:
            return {}
        card = self._watch.card(found, reader, self._watch.tongue(text, found))
        shown = {"id": "", "author": "assistant", "kind": card.kind, "topic": card.kind, "text": card.text}
        if card.kind == "serious":
            shown |= {"kind": "contacts", "topic": "concern"}
        return {"messages": [{**shown, "choices": [], "card": card.as_json()}]}

    async def end(self, token: str) -> None:
        """Wipe the chat here and in the assistant's memory, and let a held time go. Raises `ChatExpired`.

        What was said to a human goes too, unless a code leads back to it.
        """
        chat = await self._open(token)

        async def wipe() -> None:
            async with self._queue(chat.id):
                await self._booking.release(chat.holder)
                await self._wipe(chat.id, audit.Tag.CHAT_WIPED)
                await self._assistant.forget(chat.conversation)

        await self._to_the_end(wipe())

    async def purge(self) -> int:
        """Wipe chats that have been quiet longer than the municipality keeps them; returns how many."""
        before = self._house.clock.now() - timedelta(hours=self._house.municipality.retention.chat_hours)
        old = await self._house.db.read(lambda session: repository.expired(session, before, 200))
        for chat_id, conversation in old:
            await self._wipe(chat_id, audit.Tag.CHAT_PURGED)
            await self._assistant.forget(conversation)
        return len(old)

    async def catch_up(self) -> None:
        """Answer what was written while the assistant was away."""
        since = self._house.clock.now() - CATCH_UP
        for chat_id in await self._house.db.read(lambda session: repository.waiting(session, since)):
            await self._catch_up(chat_id)

    async def look_again(self, token: str) -> None:
        """Try at once to have answered what waits in this chat: somebody is asking for it. Raises `ChatExpired`."""
        chat = await self._open(token)
        await self._to_the_end(self._catch_up(chat.id))

    def station(self, slug: str, reader: Reader) -> str | None:
        """The name of the station on the map with that number, or None; ``station:<number>`` is a choice to ask about it."""
        found = self._expander.station(slug, reader)
        return found[0] if found else None

    async def _catch_up(self, chat_id: str) -> None:
        with contextlib.suppress(DomainError, _Unanswered):
            async with self._queue(chat_id):
                chat, _, glance = await self._at_hand(chat_id)
                if glance.seat is not None:
                    return  # a human has been asked; the robot does not come back to what was before
                _, not_before = self._tries.get(chat.unanswered[0], (0, 0.0)) if chat.unanswered else (0, 0.0)
                if time.monotonic() >= not_before:
                    await self._answer_waiting(chat)

    async def _greet(self, chat: OpenChat, lang: str | None) -> None:
        own = self._expander.tongue(lang, chat.reader) if lang is not None else None
        try:
            says, reply = await self._ask(chat, None, command={"intent": "start", "entities": {}})
            await self._keep(chat, None, says if own is None else [own], reply)
        except _Unanswered:
            greeting = own or self._limited("limited.greeting", chat.reader)
            await self._put_off(chat, "start", [greeting], None)

    async def _take_turn(
        self, chat_id: str, text: str | None, choice: str | None, key: str | None, source: str
    ) -> Answer:
        async with self._queue(chat_id):
            chat, earlier, glance = await self._at_hand(chat_id)
            action = ""
            shown = text or ""
            if choice is not None:
                offered = self._standing(choice, chat.reader) or await self._house.db.read(
                    lambda session: repository.action_of(session, self._house.vault, chat, choice)
                )
                if offered is None:
                    raise UnknownChoice
                shown, action = offered
            elif glance.seat is None:
                action = await self._answered(chat, shown)
            code = text if text is not None and self._house.codes.find(text) else None
            # Six words by themselves are no story; what stands beside them may be. Nor is a yes to a question.
            silent = text is None or action != "" or (code is not None and len(text.split()) <= codes.WORDS)
            card = None if text is None or silent else await self._look_for_danger(chat, text, earlier)
            # To a human goes everything but a code and what the backend itself does; what is answered
            # about danger goes to both.
            about_danger = action.startswith(("!safe", "!mistaken"))
            to_human = glance.seat is not None and code is None and (about_danger or not action.startswith("!"))
            if to_human and action.startswith("!safe"):
                shown = self._house.phrases.say("live.safe_answer", chat.reader, answer=shown)
            sent = _Sent(HIDDEN if code else shown, action, text is not None, card, key, choice)
            message = await self._accept(chat, sent, glance if to_human else Glance())
            if message.talk is not None and glance.seat is not None:
                self._talks.tell_said(glance.seat.talk_id)
            if message.answered:
                return await self._answers_to(chat, message.id)
            if message.talk is not None and not about_danger:
                cards = [] if card is None else [self._danger(card, chat, message.id, glance)]
                return await self._keep(chat, message.id, cards, None)
            if code is not None:
                says, chat = await self._by_code(chat, code, source)
                first = [] if card is None else [self._danger(card, chat, message.id, glance)]
                return await self._keep(chat, message.id, first + says, None)
            return await self._respond(chat, message.id, text, action, card)

    async def _answered(self, chat: OpenChat, text: str) -> str:
        """The action of the button that a plain typed answer stands for, empty where nothing was asked."""
        answer = self._typed_answers.in_text(text)
        if answer is None:
            return ""
        vault = self._house.vault
        offered = await self._house.db.read(lambda session: repository.offered_last(session, vault, chat))
        return action_of(answer, offered)

    def _standing(self, choice: str, reader: Reader) -> tuple[str, str] | None:
        """Title and action of a standing choice, which every chat has: ``who:child_10_12``, ``human:now``, ``station:8``, ``easy:on``."""
        say = self._house.phrases.say
        if choice.startswith("station:"):
            return self._expander.station(choice.removeprefix("station:"), reader)
        if choice in talk_told.STANDING:
            return say(talk_told.STANDING[choice], reader), f"!{choice.replace(':', ' ')}"
        if choice in _EASY and reader.spoken == "sv" and EASY in self._house.municipality.languages:
            return say(_EASY[choice], reader), f"!{choice.replace(':', ' ')}"
        who = choice.removeprefix("who:")
        if who == choice or who not in READERS:
            return None
        return say(f"chat.who.{who}", reader), "/set_reader" + json.dumps({"reader": who})

    async def _respond(
        self, chat: OpenChat, message_id: str, text: str | None, action: str, card: Card | None
    ) -> Answer:
        if action.startswith("!"):
            return await self._own_action(chat, message_id, action[1:])
        if card is not None and card.lang is not None:
            chat = await self._wishes(chat, card.lang, greeted=False)
        if card is not None and card.kind != "serious" and chat.state.loop is None:
            return await self._keep(chat, message_id, [self._danger(card, chat, message_id)], None)
        return await self._ask_and_keep(chat, message_id, text, action, card)

    async def _ask_and_keep(
        self, chat: OpenChat, message_id: str, text: str | None, action: str, card: Card | None
    ) -> Answer:
        first = [self._danger(card, chat, message_id)] if card is not None else []
        try:
            chat = await self._answer_waiting(chat)
            says, reply = await self._ask(chat, message_id, text=text, command=_command(action))
        except _Unanswered as unanswered:
            if unanswered.says:
                return await self._keep(chat, message_id, first + unanswered.says, None)
            chat = await self._reopen(chat.id)  # some of what waited may have been answered
            repeated = any(waiting != "start" for waiting in chat.unanswered)
            away = self._limited("limited.again" if repeated else "limited.text", chat.reader)
            lang = await asyncio.to_thread(tongue.of, text) if text and card is None else None
            if lang is not None and lang not in (chat.state.slots.get("greeted") or []):
                first = [self._expander.tongue(lang, chat.reader)]
                chat = await self._wishes(chat, lang, greeted=True)
            return await self._put_off(chat, message_id, [*first, away], message_id)
        if card is not None and reply.loop is None and taken_for(reply, chat) in _LISTENING_IS_ENOUGH:
            says = []
        if reply.intent.name == _WANTS_HUMAN:
            first += await self._human_now(chat)
        return await self._keep(chat, message_id, first + says, reply, miss=self._missed(chat, message_id, text, reply))

    async def _wishes(self, chat: OpenChat, lang: str, *, greeted: bool) -> OpenChat:
        """Note the wish for an interpreter where the assistant has not seen the message; it goes on from there."""
        slots = chat.state.slots
        noted: dict[str, Any] = {"interpreter": lang}
        if greeted:
            noted["greeted"] = [*(slots.get("greeted") or []), lang]
        return await self._note(chat, **noted)

    async def _note(self, chat: OpenChat, **noted: Any) -> OpenChat:
        """Let the assistant know something that it has not seen itself, from its next turn on."""
        slots = chat.state.slots
        if noted.items() <= slots.items():
            return chat
        state = msgspec.structs.replace(chat.state, slots={**slots, **noted})
        vault = self._house.vault
        await self._house.db.write(
            lambda s: repository.keep_place(s, vault, chat, state=state, fresh_conversation=True)
        )
        return await self._reopen(chat.id)

    async def _answer_waiting(self, chat: OpenChat) -> OpenChat:
        """Answer what waits, oldest first, and return the chat as it stands afterwards. Raises `_Unanswered`.

        What the assistant, being up, has failed at a few times is let go, so that one
        message it cannot manage does not keep the person's next ones from it.
        """
        for waiting in chat.unanswered:
            says: list[Say] = []
            reply, miss = None, None
            try:
                says, reply, miss = await self._ask_again(chat, waiting)
            except _Unanswered:
                if not self._assistant.up or self._count_try(waiting) <= len(PAUSES):
                    raise
            self._tries.pop(waiting, None)
            await self._keep(chat, None, says, reply, unanswered=chat.unanswered[1:], miss=miss)
            chat = await self._reopen(chat.id)
        return chat

    async def _ask_again(self, chat: OpenChat, waiting: str) -> tuple[list[Say], Reply | None, Missed | None]:
        if waiting == "start":
            return *await self._ask(chat, None, command={"intent": "start", "entities": {}}), None
        vault = self._house.vault
        body = await self._house.db.read(lambda session: repository.visitor_body(session, vault, chat, waiting))
        if body is None:
            return [], None, None
        text = body["text"] if body["typed"] else None
        says, reply = await self._ask(chat, waiting, text=text, command=_command(body["action"]))
        return says, reply, self._missed(chat, waiting, text, reply)

    def _missed(self, chat: OpenChat, message_id: str, text: str | None, reply: Reply) -> Missed | None:
        return missed(chat, message_id, text, reply, _reader(reply, chat.reader))

    def _count_try(self, waiting: str) -> int:
        tries = self._tries.get(waiting, (0, 0.0))[0] + 1
        self._tries[waiting] = (tries, time.monotonic() + PAUSES[min(tries, len(PAUSES)) - 1])
        return tries

    async def _ask(
        self,
        chat: OpenChat,
        message_id: str | None,
        *,
        text: str | None = None,
        command: dict[str, Any] | None = None,
    ) -> tuple[list[Say], Reply]:
        """One turn with the assistant. Raises `_Unanswered`, with what was committed during the turn if anything was."""
        text = text[:ASSISTANT_READS] if text is not None else None
        vector = await asyncio.to_thread(self._watch.vector, text) if text is not None else None
        turn = self._turns.begin(chat.id, chat.holder, chat.reader)
        try:
            reply = await self._assistant.turn(
                conversation=chat.conversation,
                turn=turn.token,
                message=message_id,
                state=chat.state,
                text=text,
                vector=vector,
                command=command,
            )
        except AssistantDown:
            await self._turns.end(turn)
            await self._house.db.write(
                lambda s: repository.keep_place(s, self._house.vault, chat, fresh_conversation=True)
            )
            raise _Unanswered(self._unshown(turn)) from None
        await self._turns.end(turn)
        turn.reader = _reader(reply, chat.reader)
        says = await self._expander.expand(reply, turn, chat)
        says += self._unshown(turn)
        if not says:
            raise _Unanswered([])
        return says, reply

    def _unshown(self, turn: Turn) -> list[Say]:
        return [self._expander.issued(issued, turn.reader) for issued in turn.issued.values() if not issued.shown]

    async def _by_code(self, chat: OpenChat, code: str, source: str) -> tuple[list[Say], OpenChat]:
        """What a code opens, and the chat that now knows whom the person has met."""
        phrases = self._house.phrases
        try:
            found = await self._returning.open(code, chat.id, source)
        except DomainError as error:
            return [Say("text", "booking_manage", phrases.say(f"error.{error.code}", chat.reader))], chat
        text = self._returning.describe(found, chat.reader)
        place = self._house.municipality.booking.visit_at
        if isinstance(found, BookingSeen) and found.can_move and found.booking.channel == "visit" and place:
            text = f"{text} {phrases.say('book_page.visit_at', chat.reader, place=place)}"
        if isinstance(found, BookingSeen) and found.booking.channel == "chat":
            arrival = await self._talks.arrive(chat.id, found.booking_id, chat.reader)
            if arrival == "in":
                await self._silence(chat)
                return [Say("text", "talk", phrases.say("live.joined", chat.reader))], chat
            if arrival == "over" and await self._has_talk(chat):
                return [Say("text", "talk", phrases.say("live.joined_over", chat.reader))], chat
        if isinstance(found, TalkSeen):
            return [await self._back_to(chat, found.talk_id)], chat
        choices = self._own_time.choices(found, chat.reader) if isinstance(found, BookingSeen) else ()
        answers = [
            Say("text", "concern", f"{heading}\n\n{answer}", author="staff")
            for heading, answer in self._returning.answers(found, chat.reader)
        ]
        card: dict[str, Any] = {"rows": [], "words": []}
        if isinstance(found, BookingSeen) and found.room:
            card["links"] = [{"title": phrases.say("book_page.room", chat.reader), "url": found.room}]
        if isinstance(found, MapSeen):
            card["links"] = [{"title": phrases.say("way.here", chat.reader), "url": HERE}]
        if isinstance(found, StorySeen | ConcernSeen) and found.story:
            card["links"] = [self._expander.to_my_page(chat.reader)]
        if isinstance(found, BookingSeen):
            chat = await self._note(chat, met=found.booking_id, ticket=found.ticket)
        return [Say("summary", "booking_manage", text, card, choices), *answers], chat

    async def _back_to(self, chat: OpenChat, talk_id: str) -> Say:
        """Where somebody has come with the code of a talk that was not booked."""
        came = await self._talks.come_back(chat.id, talk_id)
        if came == "in":
            await self._silence(chat)
        key = {"in": "live.joined", "over": "live.joined_over", "gone": "error.wrong_code"}[came]
        return Say("text", "talk", self._house.phrases.say(key, chat.reader))

    async def _own_action(self, chat: OpenChat, message_id: str, action: str) -> Answer:
        """Choices that work without the assistant: about danger, codes and the talk behind one."""
        name, *arguments = action.split()
        say, reader = self._house.phrases.say, chat.reader
        if name == "human":
            return await self._human(chat, message_id, arguments[0])
        if name == "easy":
            return await self._easy(chat, message_id, arguments[0] == "on")
        if name == "saved":
            await self._house.db.write(lambda session: self._saved(session, arguments[0]))
            ways_on = await self._own_time.after_saving(arguments[0], reader)
            says = [Say("text", "booking_manage", say("code.saved_reply", reader), None, ways_on)]
        elif name == "safe" and arguments[0] != "no":
            category, lang, about = (argument.strip("-") for argument in (*arguments[1:], "", "", "")[:3])
            card = self._watch.emergency(category, reader, lang or None)
            says = [self._danger(card, chat, about or message_id, (await self._at_hand(chat.id))[2])]
        elif name == "safe" and (await self._at_hand(chat.id))[2].seat is not None:
            says = [Say("text", "safety_check", say("live.mistaken", reader))]
        elif name == "safe":
            says = [self._not_now(chat, arguments[2].strip("-") or None if len(arguments) > 2 else None)]
        elif name == "mistaken":
            return await self._mistaken(chat, message_id, arguments[0])
        else:
            says = await self._own_time.do(name, arguments, reader, message_id)
        return await self._keep(chat, message_id, says, None)

    def _saved(self, session: Session, receipt: str) -> None:
        codes.mark_saved(session, receipt)
        self._talks.code_saved(session, receipt)

    async def _easy(self, chat: OpenChat, message_id: str, on: bool) -> Answer:
        """Easy Swedish from now on, or usual Swedish again; the assistant goes on where it was, also when it is away."""
        reader = replace(chat.reader, lang=EASY if on else "sv")
        usual = _in_usual_words(chat.state)
        state = _in_easy_words(usual, reader) if on else usual
        await self._house.db.write(
            lambda session: repository.keep_place(
                session, self._house.vault, chat, state=state, reader=reader, fresh_conversation=True
            )
        )
        chat = await self._reopen(chat.id)
        said = self._house.phrases.say("easy.is_on" if on else "easy.is_off", reader)
        return await self._keep(chat, message_id, [Say("text", "smalltalk", said)], None)

    async def _human(self, chat: OpenChat, message_id: str, wish: str) -> Answer:
        """The standing choices about a human: to have one, to go in to the booked one, to show what was
        written before, to leave, to book instead. What comes of it stands beside the log."""
        says: list[Say] = []
        if wish == "now":
            says = await self._ask_for_human(chat)
        elif wish == "in":
            glance = (await self._at_hand(chat.id))[2]
            appointment = glance.appointment
            if (
                appointment is not None
                and await self._talks.arrive(chat.id, appointment.booking_id, chat.reader) == "in"
            ):
                await self._silence(chat)
        elif wish == "share":
            says = await self._share(chat)
        else:
            await self._talks.leave(chat.id)
        if wish == "book":
            return await self._ask_and_keep(chat, message_id, None, "/booking", None)
        return await self._keep(await self._reopen(chat.id), message_id, says, None)

    async def _ask_for_human(self, chat: OpenChat) -> list[Say]:
        asked = await self._talks.ask(chat.id, chat.reader)
        if asked.seated:
            await self._silence(chat)
            if asked.receipt is None:
                return []
            return [self._expander.issued(Issued(asked.receipt, "talk", {}), chat.reader)]
        say, reader, phrases = self._house.phrases.say, chat.reader, self._house.phrases
        if not self._talks.live:
            text = say("live.not_here", reader)
        elif asked.outlook.opens is None:
            text = say("live.closed_unknown", reader)
        else:
            label = when(phrases, asked.outlook.opens, self._house.clock.now(), reader)
            text = say("live.closed", reader, label=label)
        offer = await self._booking.offer(limit=1)
        first = offer.times[0] if offer.times else offer.opens
        if first is not None:
            free = when(phrases, first.start, self._house.clock.now(), reader)
            text = f"{text} {say('live.first_free', reader, label=free)}"
        numbers = self._limited("live.closed_unknown", reader)
        return [Say("contacts", "booking", text, numbers.card, ((say("live.book_after", reader), "/booking"),))]

    async def _human_now(self, chat: OpenChat) -> list[Say]:
        """Beside what the assistant says to who wants a human: a human at once, if one is there to be had."""
        if not self._talks.live:
            return []
        outlook = await self._talks.outlook()
        if outlook.staffing == "closed":
            return []
        say, reader = self._house.phrases.say, chat.reader
        if outlook.names and outlook.minutes == 0:
            text = say("live.in_now", reader, names=talk_told.joined(self._house.phrases, outlook.names, reader))
        else:
            text = say("live.queue_now", reader)
        return [Say("text", "booking", text, None, ((say("live.ask_now", reader), "!human now"),))]

    async def _share(self, chat: OpenChat) -> list[Say]:
        """Show the human what was written to the robot: only when asked to, and once."""
        now = self._house.clock.now()

        def work(session: Session) -> str | None:
            seat = self._talks.seat_of(session, chat.id)
            if seat is None:
                return None
            texts = self._typed(session, chat)
            worst = repository.worst_danger(session, chat.id, chat.corrected)
            danger = None if worst is None else (worst.level, worst.category)
            shown = self._talks.share(session, chat.id, seat, texts, chat.reader, now, danger)
            return seat.talk_id if shown else None

        talk_id = await self._house.db.write(work)
        if talk_id is not None:
            self._talks.tell(talk_id)
        return []

    def _typed(self, session: Session, chat: OpenChat) -> list[str]:
        """What the visitor has typed to the robot; a code is none of anybody's business."""
        return [text for text in repository.typed_words(session, self._house.vault, chat) if text != HIDDEN]

    async def _silence(self, chat: OpenChat) -> None:
        """A human has been asked: what waits for the assistant is not answered by it any more."""
        if chat.unanswered:
            vault = self._house.vault
            await self._house.db.write(lambda session: repository.keep_place(session, vault, chat, unanswered=[]))

    async def _has_talk(self, chat: OpenChat) -> bool:
        return bool(await self._house.db.read(lambda s: self._talks.messages(s, chat.id, chat.reader)))

    async def _mistaken(self, chat: OpenChat, message_id: str, about: str) -> Answer:
        """Take the person at their word: remember it, and answer what they wrote as they meant it."""
        now = self._house.clock.now()

        def correct(session: Session) -> dict[str, Any] | None:
            danger = repository.danger_of(session, chat, about)
            if danger is not None:
                repository.keep_place(session, self._house.vault, chat, corrected=key_of(danger.rule))
                audit.record(session, now, audit.Tag.DANGER_CORRECTED, chat.id, detail=danger.rule)
                self._take_back(session, chat, chat.corrected | {key_of(danger.rule)})
            return repository.visitor_body(session, self._house.vault, chat, about)

        body = await self._house.db.write(correct)
        if body is not None and body.get("talk"):
            said = self._house.phrases.say("live.mistaken", chat.reader)
            return await self._keep(chat, message_id, [Say("text", "talk", said)], None)
        sorry = Say("text", "smalltalk", self._house.phrases.say("emergency.mistaken_reply", chat.reader))
        if body is None or not body.get("typed") or chat.state.loop is not None:
            return await self._keep(chat, message_id, [sorry], None)
        try:
            says, reply = await self._ask(chat, about, text=body["text"])
        except _Unanswered as unanswered:
            return await self._keep(chat, message_id, [sorry, *unanswered.says], None)
        return await self._keep(chat, message_id, [sorry, *says], reply)

    def _take_back(self, session: Session, chat: OpenChat, corrected: frozenset[str]) -> None:
        """Nothing rings for the chat any more, unless there is danger behind the alert that still stands."""
        since = self._alerts.since(session, chat.id)
        if since is None:
            return
        left = repository.worst_danger(session, chat.id, corrected, since=since)
        if left is None or left.level == "A2":
            self._alerts.take_back(session, chat.id)

    def _not_now(self, chat: OpenChat, lang: str | None) -> Say:
        """What follows when somebody is in no danger now."""
        if lang is None:
            said = self._house.phrases.say("safety_check.no_reply", chat.reader)
            return Say("text", "safety_check", said, None, self._ways_on(chat))
        card = self._house.tongues.card(lang)
        written = {"lang": lang, "dir": card.direction}
        return Say("text", "safety_check", card.safety_check.not_now, written, self._ways_on(chat, lang))

    def _danger(self, card: Card, chat: OpenChat, message_id: str, glance: Glance | None = None) -> Say:
        seat = glance.seat if glance is not None else None
        say, reader = self._house.phrases.say, chat.reader
        buttons = self._house.tongues.card(card.lang).buttons if card.lang else None
        mistaken = ((buttons.mistaken if buttons else say("emergency.mistaken", reader), f"!mistaken {message_id}"),)
        if card.kind == "safety_check":
            about = f"{card.category or '-'} {card.lang or '-'} {message_id}"
            answers = tuple(
                (getattr(buttons, word) if buttons else say(f"common.{word}", reader), f"!safe {word} {about}")
                for word in ("yes", "no", "unsure")
            )
            return Say("safety_check", "safety_check", card.text, card.as_json(), answers + mistaken)
        ways_on = self._ways_on(chat, card.lang) if seat is None else ()
        if card.kind == "serious":
            return Say("contacts", "concern", card.text, card.as_json(), ways_on)
        told = card.lang is None and self._alerts.told_now()
        parts = [card.text, say("emergency.told", reader) if told else card.unread]
        if seat is not None and self._talks.reads(seat):
            # True only while a human has the page open; and no human there can send help.
            parts = [card.text, say("live.emergency", reader, name=seat.therapist)]
        elif not reader.grown_up and card.lang is None:
            parts.append(say("emergency.still_here", reader))
        return Say("emergency", "emergency", " ".join(parts), card.as_json(), ways_on + mistaken)

    def _ways_on(self, chat: OpenChat, lang: str | None = None) -> tuple[tuple[str, str], ...]:
        """A person to talk to, or a place to tell; in the middle of a form the open question stands instead."""
        if chat.state.loop is not None:
            return ()
        if lang is not None:
            buttons = self._house.tongues.card(lang).buttons
            return ((buttons.book, "/booking"), (buttons.tell, "/concern"))
        say, reader = self._house.phrases.say, chat.reader
        return ((say("emergency.talk", reader), "/booking"), (say("emergency.tell", reader), "/concern"))

    def _limited(self, key: str, reader: Reader) -> Say:
        say = self._house.phrases.say
        contacts = self._expander.contacts(
            "adult" if reader.grown_up else "child", reader, "about_bot", say(key, reader)
        )
        links = [
            {"title": say("limited.book", reader), "url": "/boka"},
            {"title": say("limited.write", reader), "url": "/skriv"},
        ]
        return Say("contacts", "about_bot", contacts.text, {**(contacts.card or {}), "links": links})

    async def _look_for_danger(self, chat: OpenChat, text: str, earlier: Sequence[str]) -> Card | None:
        found = await asyncio.to_thread(self._watch.assess, text, earlier, chat.reader.spoken)
        if found.level is None or found.key in chat.corrected:
            return None
        lang = await asyncio.to_thread(self._watch.tongue, text, found)
        return self._watch.card(found, chat.reader, lang)

    async def _accept(self, chat: OpenChat, sent: _Sent, glance: Glance) -> repository.Accepted:
        """Store what was sent, in a talk if the chat still is in one. The same key again gives the first message back."""
        now, vault = self._house.clock.now(), self._house.vault
        body = {"text": sent.shown, "action": sent.action, "typed": sent.typed}
        danger = None if sent.card is None else Danger(sent.card.level, sent.card.category, sent.card.rule)
        told = _told(sent.card, sent.action)

        def store(session: Session) -> repository.Accepted:
            before = repository.sent_before(session, vault, chat, body, sent.key)
            if before is not None:
                return before
            seat, in_talk = glance.seat, None
            if seat is not None:
                in_talk = self._talks.say(session, seat, sent.shown, now, told)
                who = sent.action.removeprefix("/set_reader")
                if in_talk is not None and who != sent.action:
                    reader = Reader.of(json.loads(who)["reader"], chat.reader.lang)
                    repository.keep_place(session, vault, chat, reader=reader)
                    self._talks.known_as(session, seat, reader)
            accepted = repository.accept(session, vault, chat, body, sent.key, now, danger, talk=in_talk)
            if sent.card is not None:
                audit.record(
                    session, now, audit.Tag.DANGER_SHOWN, chat.id, detail=f"{sent.card.level} {sent.card.rule}"
                )
                self._learning.forget(session, repository.visitor_ids(session, chat))
            if told is not None:
                self._ring(session, chat, glance if in_talk is not None else Glance(), *told)
            action = sent.action
            about = repository.asked_about(session, chat, sent.choice) if sent.choice and action[:1] == "/" else None
            if about is not None:
                self._learning.picked(session, about, action[1:])
            return accepted

        return await self._house.db.write(store)

    def _ring(self, session: Session, chat: OpenChat, glance: Glance, level: str, category: str) -> None:
        """Tell those who read the queue of danger, and the therapist if the chat is in a talk."""
        danger = alerts.Danger(level, category, "chat", chat_id=chat.id)
        if glance.seat is not None:
            seat = glance.seat
            danger = replace(danger, source="talk", subject=seat.talk_id, unit=seat.unit, staff_id=seat.therapist_id)
        self._alerts.ring(session, danger, self._house.clock.now())

    async def _keep(
        self,
        chat: OpenChat,
        reply_to: str | None,
        says: Sequence[Say],
        reply: Reply | None,
        *,
        unanswered: Sequence[str] | None = None,
        miss: Missed | None = None,
    ) -> Answer:
        now = self._house.clock.now()
        reader = chat.reader if reply is None else _reader(reply, chat.reader)
        state = None if reply is None else _in_easy_words(reply.state, reader)
        left = chat.unanswered if unanswered is None else unanswered

        def store(session: Session) -> Answer:
            repository.answer(session, self._house.vault, chat, reply_to, says, now)
            repository.keep_place(
                session,
                self._house.vault,
                chat,
                state=state,
                reader=None if reply is None else reader,
                unanswered=unanswered,
                # The assistant takes a state from here only into a conversation that is new to it.
                fresh_conversation=reply is not None and state != reply.state,
            )
            if miss is not None and not repository.had_danger(session, chat):
                self._learning.note(session, miss)
            if reply_to is None:
                return Answer([], self._mode(left), reader.combined)
            return self._answer(session, replace(chat, reader=reader), self._replies(session, chat, reply_to), left)

        return await self._house.db.write(store)

    async def _put_off(self, chat: OpenChat, what: str, says: Sequence[Say], reply_to: str | None) -> Answer:
        return await self._keep(chat, reply_to, says, None, unanswered=[*chat.unanswered, what])

    async def _answers_to(self, chat: OpenChat, message_id: str) -> Answer:
        vault = self._house.vault

        def read(session: Session) -> Answer:
            now = repository.reopen(session, vault, chat.id) or chat
            return self._answer(session, now, self._replies(session, now, message_id), now.unanswered)

        return await self._house.db.read(read)

    def _answer(
        self, session: Session, chat: OpenChat, messages: list[dict[str, Any]], unanswered: Sequence[str]
    ) -> Answer:
        """Messages with where the chat stands."""
        glance = self._talks.glance(session, chat.id, chat.holder)
        wrote = glance.seat is not None and not glance.seat.shared and bool(self._typed(session, chat))
        visit = self._talks.visit(session, glance, chat.reader, wrote=wrote)
        mode = self._mode(unanswered)
        if glance.seat is not None:
            mode = "human" if glance.seat.state == "open" else "waiting"
        return Answer(messages, mode, chat.reader.combined, None if visit is None else visit.as_json())

    def _replies(self, session: Session, chat: OpenChat, message_id: str) -> list[dict[str, Any]]:
        """What was said to one message; one that went to a human, or was a code, comes first as it is kept."""
        body = repository.visitor_body(session, self._house.vault, chat, message_id) or {}
        own = self._talks.message(session, body["talk"], chat.reader) if body.get("talk") else None
        if body.get("text") == HIDDEN:
            # A code: the page shows what is kept of it, and not the words, to whoever looks over a shoulder.
            own = {"id": message_id, "author": "visitor", "kind": "text", "topic": "", "text": HIDDEN}
            own |= {"choices": [], "card": {}}
        return [*([own] if own is not None else []), *_read(session, self._house.vault, chat, message_id)]

    def _log(self, session: Session, chat: OpenChat) -> list[dict[str, Any]]:
        """Everything said in the chat and in the talks that it has been in, each in its own order, together by time.

        A message that went to a human stands where the chat has it: before the help that it was answered with.
        """
        vault, found, at = self._house.vault, [], 0
        told = self._talks.messages(session, chat.id, chat.reader)
        places = {message["id"]: place for place, (_, message) in enumerate(told)}
        for own in repository.messages(session, vault, chat):
            upto = at
            if own.get("talk") is not None:
                upto = max(at, places.get(own["talk"], at - 1) + 1)
            else:
                while upto < len(told) and told[upto][0] < own["at"]:
                    upto += 1
            found += [message for _, message in told[at:upto]]
            at = upto
            if own.get("talk") is None:
                found.append(_public(session, vault, own))
        return found + [message for _, message in told[at:]]

    async def _wipe(self, chat_id: str, tag: audit.Tag) -> None:
        now = self._house.clock.now()

        def wipe(session: Session) -> list[str]:
            repository.wipe(session, chat_id)
            audit.record(session, now, tag, chat_id, actor="system" if tag is audit.Tag.CHAT_PURGED else "visitor")
            return self._talks.wipe(session, chat_id)

        self._talks.tell(*await self._house.db.write(wipe))

    async def _open(self, token: str) -> OpenChat:
        now, vault = self._house.clock.now(), self._house.vault
        return await self._house.db.read(lambda s: repository.open_chat(s, vault, token, now, self._idle))

    async def _at_hand(self, chat_id: str) -> tuple[OpenChat, list[str], Glance]:
        """The chat, the last few texts in it, and whether it is with a human."""
        vault = self._house.vault

        def read(session: Session) -> tuple[OpenChat, list[str], Glance]:
            chat = repository.reopen(session, vault, chat_id)
            if chat is None:
                raise ChatExpired
            glance = self._talks.glance(session, chat_id, chat.holder)
            words = repository.recent_words(session, vault, chat, REMEMBERED)
            if glance.seat is not None:
                words += self._talks.recent(session, glance.seat, REMEMBERED)
            return chat, words[-REMEMBERED:], glance

        return await self._house.db.read(read)

    async def _reopen(self, chat_id: str) -> OpenChat:
        chat = await self._house.db.read(lambda session: repository.reopen(session, self._house.vault, chat_id))
        if chat is None:
            raise ChatExpired
        return chat

    def _mode(self, unanswered: Sequence[str]) -> str:
        return "assistant" if self._assistant.up and not unanswered else "limited"

    @contextlib.asynccontextmanager
    async def _queue(self, chat_id: str) -> AsyncIterator[None]:
        """One turn of a chat at a time and a few waiting; more than that is a flood."""
        lock, users = self._queues.get(chat_id, (asyncio.Lock(), 0))
        if users >= QUEUE:
            raise TooMany
        self._queues[chat_id] = (lock, users + 1)
        try:
            async with lock:
                yield
        finally:
            lock, users = self._queues[chat_id]
            if users == 1:
                del self._queues[chat_id]
            else:
                self._queues[chat_id] = (lock, users - 1)

    async def _to_the_end(self, work: Coroutine[Any, Any, T]) -> T:
        """Run ``work`` in a task of its own: a browser that goes away does not stop half-way what it began."""
        task = asyncio.ensure_future(work)
        self._at_work.add(task)
        task.add_done_callback(self._at_work.discard)
        return await asyncio.shield(task)


@dataclass(frozen=True, slots=True)
class _Sent:
    """What the visitor sent, as it is to be stored."""

    shown: str
    action: str
    typed: bool
    card: Card | None
    key: str | None
    choice: str | None


class _Unanswered(Exception):
    """The assistant gave nothing; ``says`` tells what had been committed by then, if anything."""

    def __init__(self, says: list[Say]) -> None:
        super().__init__()
        self.says = says


def _told(card: Card | None, action: str) -> tuple[str, str] | None:
    """Level and category of danger in a message; "yes" or "don't know" to whether it is now is danger for life."""
    if card is not None:
        return card.level, card.category
    name, answer, category = (*action.split(), "", "", "")[:3]
    return ("A0", category.strip("-")) if name == "!safe" and answer != "no" else None


def _command(action: str) -> dict[str, Any] | None:
    if not action.startswith("/"):
        return None
    intent, brace, entities = action[1:].partition("{")
    return {"intent": intent, "entities": json.loads(brace + entities) if brace else {}}


def _reader(reply: Reply, before: Reader) -> Reader:
    slots = reply.state.slots
    # The band that was told, where the assistant uses a simpler one's words.
    told = slots.get("told_band")
    band = slots.get("band") if told is None else {"unknown": None}.get(told, told)
    lang = slots.get("lang") or before.spoken
    return Reader(slots.get("who") or before.who, band or before.band, before.lang if lang == before.spoken else lang)


def _in_easy_words(state: State, reader: Reader) -> State:
    """The state in which the assistant uses its simpler answers, for who reads easy Swedish: to it that is Swedish."""
    if reader.lang != EASY:
        return state
    easier: dict[str, Any] = {}
    if reader.grown_up:
        easier = {"easy": True}
    elif reader.band == "13-17" and "told_band" not in state.slots:
        easier = {"band": "10-12", "told_band": "13-17"}
    return msgspec.structs.replace(state, slots={**state.slots, **easier})


def _in_usual_words(state: State) -> State:
    """The state without `_in_easy_words`: the band is again the one that was told."""
    slots = {name: value for name, value in state.slots.items() if name not in ("easy", "told_band")}
    told = state.slots.get("told_band")
    if told is not None:
        slots.pop("band", None)
        slots |= {} if told == "unknown" else {"band": told}
    return msgspec.structs.replace(state, slots=slots)


def _read(session: Session, vault: Vault, chat: OpenChat, reply_to: str | None = None) -> list[dict[str, Any]]:
    return [
        _public(session, vault, message) for message in repository.messages(session, vault, chat, reply_to=reply_to)
    ]


def _offered(choice: dict[str, Any], lang: str | None) -> dict[str, Any]:
    """A choice as the API names it, with the language of its title where that is not the page's."""
    shown = {"id": choice["id"], "title": choice["title"]}
    other = re.fullmatch(r'/language\{"lang":"(\w+)"\}', choice["action"])
    return shown if lang is None else shown | {"lang": other[1] if other else lang}


def _public(session: Session, vault: Vault, message: dict[str, Any]) -> dict[str, Any]:
    """A stored message in the API's shape: what a choice does stays here, and a code shows until it is saved."""
    card = dict(message.get("card") or {})
    choices = [_offered(choice, card.get("lang")) for choice in message.get("choices") or []]
    if message["kind"] == "code":
        words = codes.unsaved_words(session, vault, card.pop("receipt"))
        card["words"] = words.split() if words else None
        choices = choices if words else []
    return {
        "id": message["id"],
        "author": message["author"],
        "kind": message["kind"],
        "topic": message["topic"],
        "text": message["text"],
        "choices": choices,
        "card": card,
    }
