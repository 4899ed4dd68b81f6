"""What the assistant says, made into messages: directives become content in the reader's own words.

The assistant names a station, a set of numbers, a summary; the backend, which has
the words and the verbatim texts, writes them. So a code never passes Rasa, a page
and a chat bubble never differ, and a station is corrected in one place.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

from backend.booking.labels import when
from backend.booking.safe import TEXTS as SAFE_TEXTS
from backend.booking.service import BookingDesk
from backend.chat import repository
from backend.chat.answers import Answers
from backend.chat.assistant import Reply, Utterance
from backend.chat.repository import OpenChat, Say
from backend.chat.topics import topic_of
from backend.chat.turns import Issued, Turn
from backend.core.clock import to_local
from backend.core.house import House
from backend.core.reader import BANDS, EASY, Reader
from backend.journey.service import Journey
from backend.stories.mypage import PATH as MY_PAGE
from backend.stories.service import FIRST_SCREEN, first_screen_version

_ROWS = {"label": "when", "channel": "how", "therapist": "who"}
"""Facts that a summary calls something else than the assistant does."""
MORE_TIMES = '/choose_time{"slot":"more"}'


def taken_for(reply: Reply, chat: OpenChat) -> str:
    """The topic that the assistant took the message for. A turn that finished a form has no loop any more, yet was about it."""
    guess = reply.ranking[0].name if reply.ranking else None
    return topic_of(reply.intent.name, reply.loop or chat.state.loop, guess)


class Expander:
    """Turns one reply of the assistant into messages to store."""

    def __init__(self, house: House, booking: BookingDesk, journey: Journey, answers: Answers) -> None:
        self._house = house
        self._answers = answers
        self._booking = booking
        self._journey = journey

    async def expand(self, reply: Reply, turn: Turn, chat: OpenChat) -> list[Say]:
        """The messages of a reply, in order; an utterance with nothing to show gives none."""
        topic = taken_for(reply, chat)
        said = [await self._utterance(one, turn, chat, topic) for one in reply.messages]
        return [say for say in said if say is not None]

    def station(self, slug: str, reader: Reader) -> tuple[str, str] | None:
        """Title of a station on the map, and the action that asks about it; None for a number that is no station's."""
        name = self._journey.name(slug, reader)
        return None if name is None else (name.title, "/map" + json.dumps({"station": name.id}))

    def issued(self, issued: Issued, reader: Reader, *, told: bool = False) -> Say:
        """The code of what was booked or sent, and what that was unless it has been ``told``.

        The message names the receipt; the words are read while they are unsaved. What was kept
        unsent is always told here, where it is known how long that is for.
        """
        issued.shown = True
        card: dict[str, Any] = {
            "receipt": issued.receipt,
            "of": issued.kind,
            "label": issued.facts.get("label", ""),
        }
        if issued.facts.get("room"):
            card["links"] = [{"title": self._say("book_page.room", reader), "url": issued.facts["room"]}]
        whole = not told or issued.kind == "draft"
        text = self._say(f"code.{issued.kind}" if whole else "code.words", reader, **issued.facts)
        if issued.facts.get("place"):
            text = f"{self._say('book_page.visit_at', reader, place=issued.facts['place'])} {text}"
        if issued.kind == "draft":
            kept = self._say("story.kept.lead", reader, **issued.facts)
            text = f"{self._say('story.kept.heading', reader)}. {kept}\n\n{text}"
            card["links"] = [self.to_my_page(reader)]
        topic = {"concern": "concern", "draft": "concern", "talk": "talk"}.get(issued.kind, "booking")
        return Say("code", topic, text, card, ((self._say("code.saved", reader), f"!saved {issued.receipt}"),))

    def to_my_page(self, reader: Reader) -> dict[str, str]:
        """The way to one's own page, where six words open what was told or begun."""
        return {
            "title": self._say("code.to_page", reader),
            "url": MY_PAGE + ("?lang=en" if reader.lang == "en" else ""),
        }

    def contacts(self, name: str, reader: Reader, topic: str, text: str = "") -> Say:
        """A message with at most three numbers to call."""
        today = to_local(self._house.clock.now()).date()
        lines = self._house.helplines.pick(name, reader, today)
        return Say(
            "contacts", topic, text or self._say("contacts.text", reader), {"lines": [asdict(line) for line in lines]}
        )

    def tongue(self, code: str, reader: Reader) -> Say:
        """The greeting in a language that the assistant does not speak, with numbers and the ways on."""
        card = self._house.tongues.card(code)
        own = replace(reader, lang=code)
        numbers = self.contacts("adult" if reader.grown_up else "child", own, "language", card.greeting)
        choices = (
            (card.buttons.book, "/booking"),
            (card.buttons.numbers, "/support__numbers"),
            (card.buttons.sv, '/language{"lang":"sv"}'),
            (card.buttons.en, '/language{"lang":"en"}'),
        )
        # Where the lines say of themselves only in Swedish what they are for, name and number are enough.
        known = (numbers.card or {})["lines"]
        lines = [{**line, "note": line["note"] if line["lang"] == code else "", "url": None} for line in known]
        written = {"lines": lines, "lang": code, "dir": card.direction}
        return Say("contacts", "language", card.greeting, written, choices)

    async def _utterance(self, said: Utterance, turn: Turn, chat: OpenChat, topic: str) -> Say | None:
        directive = said.custom or {}
        choices = tuple((button.title, button.payload) for button in said.buttons)
        show = directive.get("show")
        reader = turn.reader
        text = self._answers.said(said.name, reader, said.text or "")
        if show == "tongue" and directive.get("tongue") in self._house.tongues:
            return self.tongue(str(directive["tongue"]), reader)
        if show == "map":
            # Who has asked for simpler words reads the map in them too: an adult in easy Swedish, not in a child's words.
            simpler, words_for = directive.get("band"), reader
            if simpler in BANDS and simpler != reader.band:
                words_for = replace(reader, lang=EASY) if reader.grown_up else replace(reader, band=simpler)
            return self._map(directive.get("station"), words_for, text, choices)
        if show == "contacts":
            contacts = self.contacts(str(directive.get("set", "child")), reader, topic, text)
            return self._or_called(Say(contacts.kind, topic, contacts.text, contacts.card, choices), turn)
        if show == "times":
            return self._times(directive, reader, text, choices, topic)
        if show == "summary":
            return await self._summary(directive, chat, reader, text, choices, topic)
        if show == "code":
            issued = turn.issued.get(str(directive.get("receipt")))
            return None if issued is None else self.issued(issued, reader, told=True)
        if show == "consent":
            version = first_screen_version(self._house.phrases, reader)
            await self._house.db.write(
                lambda s: repository.keep_place(s, self._house.vault, chat, consent_version=version)
            )
            return Say("consent", topic, self._first_screen(reader), {"version": version}, choices)
        if not text and not choices:
            return None
        return Say("interruption" if directive.get("interruption") else "text", topic, text, None, choices)

    def _first_screen(self, reader: Reader) -> str:
        """The first screen of ``/skriv`` as one message: each heading, and under it what it says."""
        say = self._say
        parts = [
            f"{say(f'story.first.{part}_heading', reader)}\n{say(f'story.first.{part}', reader)}"
            for part in FIRST_SCREEN
        ]
        return "\n\n".join([*parts, say("story.first.nameless", reader)])

    def _or_called(self, say: Say, turn: Turn) -> Say:
        """With the way to ask that somebody is in touch, where there was no time within the promise."""
        if not turn.unmet:
            return say
        reader = turn.reader
        text = f"{say.text} {self._say('callback.instead', reader, deadline=self._deadline(reader))}"
        return replace(say, text=text, choices=((self._say("callback.link", reader), "/callback"), *say.choices))

    def _deadline(self, reader: Reader) -> str:
        """Until when somebody who asks now will have been reached."""
        now = self._house.clock.now()
        return when(self._house.phrases, self._booking.promise.deadline(now), now, reader)

    def _map(self, station: object, reader: Reader, text: str, choices: tuple[tuple[str, str], ...]) -> Say:
        shown = self._journey.overview(reader) if station is None else self._journey.station(str(station), reader)
        onward = tuple((step["title"], "/map" + json.dumps({"station": step["id"]})) for step in shown["next"])
        url = self._journey.address(station, reader)
        card = {"station": station, "title": shown["title"], "text": shown["text"], "next": shown["next"], "url": url}
        words = text or f"{shown['title']}. {shown['text']}"
        return Say("map", "map", words, card, choices or onward)

    def _times(
        self, directive: dict[str, Any], reader: Reader, text: str, choices: tuple[tuple[str, str], ...], topic: str
    ) -> Say:
        times = [one for one in directive.get("times", []) if "slot" in one and "label" in one]
        # A time for a talk that is booked already moves it; any other begins or goes on with a booking.
        own = directive.get("of") == "own"
        command, fixed = ("/own", {"deed": "move"}) if own else ("/choose_time", {})
        offered = tuple((one["label"], command + json.dumps({**fixed, "slot": one["slot"]})) for one in times)
        if directive.get("more"):
            offered += ((self._say("times.more", reader), MORE_TIMES),)
        card = {"times": [{"label": one["label"]} for one in times]}
        return Say("times", topic, text or self._say("times.text", reader), card, offered + choices)

    async def _summary(
        self,
        directive: dict[str, Any],
        chat: OpenChat,
        reader: Reader,
        text: str,
        choices: tuple[tuple[str, str], ...],
        topic: str,
    ) -> Say:
        of = str(directive.get("of")) if directive.get("of") in ("concern", "callback") else "booking"
        given = dict(directive.get("rows") or {})
        if of == "callback":
            given["deadline"] = self._deadline(reader)
        given |= {key: directive[key] for key in ("about", "now", "reach", "interpreter") if directive.get(key)}
        safe = given.pop("safe", None) or {}
        given |= {key: value for key, value in safe.items() if value}
        rows = [
            {"label": self._say(label, reader), "value": await self._value(key, value, chat, reader)}
            for key, value in given.items()
            if value and (label := self._label(key))
        ]
        words = await self._words(chat, directive.get("parts") or [])
        return Say(
            "summary", topic, text or self._say(f"summary.{of}", reader), {"rows": rows, "words": words}, choices
        )

    def _label(self, key: str) -> str | None:
        """The phrase that names a fact of a summary."""
        names = (f"summary.{_ROWS.get(key, key)}", f"safe.short.{key}")
        return next((name for name in names if name in self._house.phrases), None)

    async def _value(self, key: str, value: object, chat: OpenChat, reader: Reader) -> str:
        phrases = self._house.phrases
        if key == "interpreter":
            return self._house.tongues.interpreter(str(value), reader)
        for phrase in (f"summary.{key}_value.{value}", f"common.{value}", f"summary.channel.{value}"):
            if phrase in phrases:
                return phrases.say(phrase, reader)
        if key in SAFE_TEXTS:
            return " ".join(await self._words(chat, [str(value)])) or str(value)
        return str(value)

    async def _words(self, chat: OpenChat, ids: Sequence[str]) -> list[str]:
        vault = self._house.vault
        return await self._house.db.read(lambda session: repository.words_of(session, vault, chat.id, ids))

    def _say(self, key: str, reader: Reader, **values: object) -> str:
        return self._house.phrases.say(key, reader, **values)
