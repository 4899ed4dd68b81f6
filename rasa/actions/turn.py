"""One turn as the actions see it: what was said or pressed, by whom, and where we stand."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any

from rasa_sdk import Tracker
from rasa_sdk.executor import CollectingDispatcher

from actions import words
from actions.backend_client import Backend

SURE = 0.5
"""From here on, what the classifier says about a message is acted on inside a form."""

FALLBACK = "nlu_fallback"
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

    @property
    def heard_last(self) -> set[str]:
        """The names of the responses of the turn before this one."""
        if not self._turns_before:
            return set()
        return {
            (event.get("metadata") or {}).get("utter_action", "")
            for event in self._turns_before[0]
            if event.get("event") == "bot"
        }

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
