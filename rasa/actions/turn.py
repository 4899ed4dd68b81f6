"""One turn as the actions see it: what was said or pressed, by whom, and where we stand."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, datetime
from functools import cached_property
from typing import Any
from zoneinfo import ZoneInfo

from rasa_sdk import Tracker
from rasa_sdk.events import EventType, FollowupAction
from rasa_sdk.executor import CollectingDispatcher

from actions import when, whom, words
from actions.backend_client import Backend

SURE = 0.5
"""From here on, what the classifier says about a message is acted on inside a form."""

SECOND = 0.25
"""From here on, the second best guess is offered. Where the best one is right, the second reaches
this for two messages in a hundred (five-fold split of the training lines)."""

FALLBACK = "nlu_fallback"
HOME = "Europe/Stockholm"
"""The zone whose clocks are meant when the turn names none."""
_QUIET = {"action_listen", "action_extract_slots", "action_session_start"}


class Turn:
    """Reads a tracker. Nothing here changes anything."""

    def __init__(self, tracker: Tracker) -> None:
        self._tracker = tracker
        message = tracker.latest_message or {}
        intent = message.get("intent") or {}
        metadata = message.get("metadata") or {}
        self.intent: str = intent.get("name") or FALLBACK
        self.confidence: float = intent.get("confidence") or 0.0
        self.ranking: list[dict[str, Any]] = message.get("intent_ranking") or []
        self.entities = {e["entity"]: e["value"] for e in message.get("entities") or []}
        self.message: str | None = metadata.get("message")
        self.token: str = metadata.get("turn") or ""
        self.said: str = message.get("text") or ""
        self.zone = ZoneInfo(metadata.get("zone") or HOME)
        written = metadata.get("now")
        self.now: datetime = datetime.fromisoformat(written) if written else datetime.now(UTC)
        self._also: list[str] = metadata.get("also") or []

    def slot(self, name: str) -> Any:
        """The value of a slot, None if it is not set."""
        return self._tracker.get_slot(name)

    @property
    def lang(self) -> str:
        return self.slot("lang") or "sv"

    @property
    def band(self) -> str | None:
        return self.slot("band")

    @property
    def who(self) -> str | None:
        return self.slot("who")

    @property
    def loop(self) -> str | None:
        """The name of the form that is going on."""
        return (self._tracker.active_loop or {}).get("name")

    @property
    def requested(self) -> str | None:
        """The slot whose question is open."""
        return self.slot("requested_slot") if self.loop else None

    @property
    def pressed(self) -> bool:
        """Whether a button was pressed; what it stands for is in `intent` and `entities`.

        Rasa writes a pressed button as the text "/intent{...}" with full confidence, and it
        is the channel that keeps a typed text from ever being read in that way.
        """
        return self.confidence == 1.0 and self.said.startswith(f"/{self.intent}")

    @property
    def typed(self) -> str:
        """What was typed, empty if a button was pressed."""
        return "" if self.pressed else self.said

    @property
    def simplified(self) -> bool:
        """Whether `action_simpler` has found simpler words in this turn."""
        for event in reversed(self._tracker.events or []):
            if event.get("event") == "user":
                return False
            if event.get("event") == "slot" and event.get("name") in ("told_band", "easy"):
                return True
        return False

    @property
    def silent(self) -> bool:
        """Whether something was sent that has no letter, number or picture in it ("...")."""
        kinds = [unicodedata.category(c) for c in self.typed]
        return bool(self.typed) and not any(kind[0] in "LN" or kind in ("So", "Sk") for kind in kinds)

    @cached_property
    def when(self) -> when.Wish:
        """What was typed about when."""
        return when.wish(self.typed, self.now, self.zone)

    @cached_property
    def whom(self) -> whom.Whom:
        """What was typed about with whom."""
        return whom.whom(self.typed)

    @property
    def kept(self) -> dict[str, Any]:
        """With whom, as it has been wished for in this booking so far."""
        asked = self.slot("times_query") or {}
        return {name: asked[name] for name in whom.NAMES if name in asked}

    @property
    def wanted(self) -> dict[str, Any]:
        """Which times to ask for: when, as typed now, and with whom, as typed now or before."""
        return {**self.kept, **self.whom.query(), **self.when.query(self.now, self.zone)}

    @property
    def also(self) -> str | None:
        """What else the message asks for or about, if it is two things in one.

        Only what can be offered by name, and never more than one.
        """
        topics = (name for name in self._also if name in words.words("titles") and name != self.intent)
        return next(topics, None)

    @property
    def perhaps(self) -> str | None:
        """What a message of some length may be about as well: the second best guess, of another topic."""
        if self.pressed or len(self.ranking) < 2 or words.is_short(self.typed):
            return None
        second = self.ranking[1]
        name = second["name"]
        other = name.partition("__")[0] != self.intent.partition("__")[0]
        return name if other and second["confidence"] >= SECOND and name in words.words("titles") else None

    @property
    def backend(self) -> Backend:
        return Backend(self.token)

    @property
    def contacts(self) -> str:
        """Which set of phone numbers fits the reader."""
        if self.who == "child" and self.band == "13-17":
            return "teen"
        sets = {"partner": "partner", "parent": "own_use", "adult": "adult"}
        sets["professional"] = "professional"
        return sets.get(self.who or "", "child")

    def button(self, name: str) -> dict[str, str]:
        """A button of `data/words/buttons.yml` in the reader's words."""
        entry = words.words("buttons")[name]
        return {
            "title": words.title(entry, self.lang, self.band),
            "payload": entry["payload"],
        }

    def buttons(self, names: list[str]) -> list[dict[str, str]]:
        return [self.button(name) for name in names]

    @property
    def main_buttons(self) -> list[dict[str, str]]:
        """The three things the assistant is for."""
        return self.buttons(words.words("next")["main"])

    @cached_property
    def _turns_before(self) -> list[list[dict[str, Any]]]:
        """Events of the earlier turns, nearest first, this turn's left out."""
        turns: list[list[dict[str, Any]]] = [[]]
        for event in self._tracker.events or []:
            if event.get("event") == "user":
                turns.append([])
            turns[-1].append(event)
        return turns[-2::-1]

    def ran_before(self) -> Iterator[set[str]]:
        """The names of the actions of each earlier turn, nearest first."""
        for events in self._turns_before:
            yield {e["name"] for e in events if e.get("event") == "action"} - _QUIET

    def heard_before(self) -> Iterator[set[str]]:
        """The names of the responses of each earlier turn, nearest first."""
        for events in self._turns_before:
            yield {
                (event.get("metadata") or {}).get("utter_action") or ""
                for event in events
                if event.get("event") == "bot"
            } - {""}

    @property
    def heard_last(self) -> set[str]:
        """The names of the responses of the turn before this one."""
        return next(self.heard_before(), set())

    def shown_before(self) -> Iterator[list[dict[str, Any]]]:
        """What was said in each earlier turn, as Rasa's events, nearest turn first."""
        for events in self._turns_before:
            yield [event for event in events if event.get("event") == "bot"]

    def anew(self, names: Sequence[str], like: Collection[str] = ()) -> str:
        """The next of `names`, responses for the same occasion, each more helpful than the one before.

        Counts the turns just before this one in which one of them (or of `like`, which count as
        well) was said. At the end of the list its last two take turns: never the same twice running.
        """
        known = {*names, *like}
        times = 0
        for heard in self.heard_before():
            if not heard & known:
                break
            times += 1
        if times < len(names) and names[times] not in self.heard_last:
            return names[times]
        return names[-2] if names[-1] in self.heard_last else names[-1]

    @property
    def language_met(self) -> bool:
        """Whether this turn has said something about the language, before anything else.

        A card in the person's own language, or that an interpreter is noted: after that, no
        apology and no "I speak Swedish and English" is needed.
        """
        for event in reversed(self._tracker.events or []):
            if event.get("event") == "user":
                return False
            if event.get("event") == "bot":
                custom = (event.get("data") or {}).get("custom") or {}
                uttered = (event.get("metadata") or {}).get("utter_action") or ""
                if custom.get("show") == "tongue" or uttered.startswith("utter_interpreter_"):
                    return True
        return False

    def answered_already(self, form: str) -> bool:
        """Whether another action than `form` has run since the person wrote.

        Rasa runs a form's validation once more when an interruption has been answered, with
        the same message. That message has had its answer and must not count a second time.
        """
        for event in reversed(self._tracker.events or []):
            if event.get("event") == "user":
                return False
            if event.get("event") == "action" and event["name"] not in {form, *_QUIET}:
                return True
        return False


def ended(turn: Turn) -> list[EventType]:
    """The events after which Rasa waits for the person, where a plain yes has led to an action.

    No rule says what follows after a yes, so Rasa would take it for something that it had not understood.
    """
    return [FollowupAction("action_listen")] if turn.intent == "affirm" and not turn.loop else []


def say(
    dispatcher: CollectingDispatcher,
    response: str,
    turn: Turn,
    buttons: list[dict[str, str]] | None = None,
    directive: dict[str, Any] | None = None,
    **values: Any,
) -> None:
    """Utter a response; inside a form it is marked as an interruption of the open question."""
    if directive is None and turn.loop:
        directive = {"interruption": True}
    dispatcher.utter_message(
        response=response,
        buttons=buttons or [],
        json_message=directive,
        **values,
    )


def show(dispatcher: CollectingDispatcher, directive: dict[str, Any]) -> None:
    """Ask the backend to show something that it has the words for."""
    dispatcher.utter_message(json_message=directive)


def show_contacts(dispatcher: CollectingDispatcher, turn: Turn) -> None:
    """Show at most three phone numbers for the reader."""
    show(dispatcher, {"show": "contacts", "set": turn.contacts})


def trouble(dispatcher: CollectingDispatcher, turn: Turn, retry: str) -> None:
    """Say that something failed on our side, with numbers and a way to try again."""
    dispatcher.utter_message(
        response="utter_trouble",
        json_message={"show": "contacts", "set": turn.contacts},
        buttons=[turn.button(retry)],
    )
