"""Writing about a concern: own words first, then the few questions that route it safely.

The words never pass through here. A slot keeps the ids of the messages; the backend has the
messages themselves, exactly as they were written.
"""

from __future__ import annotations

from typing import Any

from rasa_sdk import Action, Tracker
from rasa_sdk.events import EventType, FollowupAction, SlotSet
from rasa_sdk.executor import CollectingDispatcher
from rasa_sdk.types import DomainDict

from actions import words
from actions.answers import CONCERN_SLOTS, CONTACT_SLOTS, ActionHear, answer_also, forgotten
from actions.backend_client import BackendDown, BackendRefused
from actions.booking import human_met
from actions.steps import (
    ACTS,
    Slots,
    Step,
    StepForm,
    choice,
    contact_slots,
    contact_steps,
    is_command,
    miss,
    read_back,
    safe_contact,
    yes_no,
)
from actions.turn import SURE, Turn, say, show, trouble

PLAIN = 0.6
"""From here on, the wish to write about a concern is taken at its word."""

LATER = "later"
"""What `words` holds when the rest is to be told another time; `done` when there is no more."""

TOLD_WORDS = 12
"""From so many words on, the message that asked to tell something is itself a story."""


class ActionStartConcern(Action):
    """Shows the secrecy text, before the first free text, and begins the form."""

    def name(self) -> str:
        return "action_start_concern"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: DomainDict) -> list[EventType]:
        turn = Turn(tracker)
        if turn.loop == "concern_form":
            return []
        if turn.loop:
            say(dispatcher, "utter_later__concern", turn)
            return []
        if turn.typed and turn.confidence < PLAIN:
            # Rather a story than an order: listen, with writing as one of the ways on.
            return await ActionHear().run(dispatcher, tracker, domain)
        begun = bool(turn.slot("parts"))
        told = list(turn.slot("told") or [])
        long_enough = turn.typed and not words.is_short(turn.typed, TOLD_WORDS - 1)
        if long_enough and turn.message and turn.message not in told:
            told.append(turn.message)
        answer_also(dispatcher, turn)
        if not begun:
            dispatcher.utter_message(response="utter_concern_thanks")
        show(dispatcher, {"show": "consent", "of": "concern"})
        events: list[EventType] = [SlotSet("told", told or None)]
        if not told and not begun:
            events.append(SlotSet("use_told", "no"))
        return [*events, FollowupAction("concern_form")]


class ActionAskWords(Action):
    """Asks for the words; later, whether there is more."""

    def name(self) -> str:
        return "action_ask_concern_form_words"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: DomainDict) -> list[EventType]:
        turn = Turn(tracker)
        parts = turn.slot("parts") or []
        if not parts:
            dispatcher.utter_message(response="utter_words_first", buttons=[turn.button("stop")])
        else:
            only_told = turn.slot("use_told") == "yes" and parts == turn.slot("told")
            response = "utter_words_told" if only_told else "utter_words_more"
            dispatcher.utter_message(response=response, buttons=turn.buttons(["done", "later"]))
        return []


class ValidateConcernForm(StepForm):
    """The answers of the concern form."""

    def name(self) -> str:
        return "validate_concern_form"

    def needed(self, slots: Slots) -> list[str]:
        if slots.get("words") == LATER:
            return ["use_told", "words"]
        names = ["use_told", "words", "about", "now", "reach"]
        if slots.get("reach") == "phone":
            names += contact_slots(slots)
        if slots.get("changing"):
            names.append("concern_change")
        return [*names, "concern_ok"]

    def steps(self) -> dict[str, Step]:
        return {
            "use_told": self._use_told,
            "words": self._words,
            "about": self._about,
            "now": self._now,
            "reach": self._reach,
            "concern_change": self._change,
            "concern_ok": self._ok,
            **contact_steps("reach"),
        }

    async def anywhere(self, dispatcher: CollectingDispatcher, turn: Turn) -> Slots | None:
        if turn.pressed and turn.intent == "tell_later":
            return self._later(dispatcher, turn)
        if turn.pressed and turn.intent == "choose_about":
            return await self._about(dispatcher, turn)
        if turn.pressed and turn.intent == "choose_reach":
            return await self._reach(dispatcher, turn)
        free = ("use_told", "words", "if_other", "concern_change", "concern_ok")
        if turn.intent == "change" and turn.requested not in free:
            return self._changed(choice(turn, "change", "what", words.words("answers")["change"]))
        if turn.requested == "words" and turn.typed:
            # Before the common check for questions: a story is full of them.
            return await self._words(dispatcher, turn)
        return None

    async def _use_told(self, dispatcher: CollectingDispatcher, turn: Turn) -> Slots | None:
        answer = yes_no(turn)
        if answer == "yes":
            return {"use_told": "yes", "parts": turn.slot("told")}
        if answer:
            return {"use_told": "no"}
        if turn.typed and turn.message and not words.is_short(turn.typed):
            # Already writing: that is a yes to telling, and nothing that was told is lost.
            return {"use_told": "yes", "parts": [*turn.slot("told"), turn.message]}
        return None

    async def _words(self, dispatcher: CollectingDispatcher, turn: Turn) -> Slots | None:
        parts = list(turn.slot("parts") or [])
        if turn.silent:
            return None
        if words.is_short(turn.typed) and words.mentions(turn.typed, words.words("answers")["later"]):
            return self._later(dispatcher, turn)
        if self._is_end(turn, bool(parts)):
            return {"words": "done"} if parts else miss(dispatcher, turn, "utter_retry__words")
        if turn.pressed or turn.message is None or self._is_aside(turn, bool(parts)):
            return None
        if turn.intent == "human":
            # In the middle of a story: the story is kept, and the wish for a human is met as well.
            await human_met(dispatcher, turn)
        return {"parts": [*parts, turn.message]}

    @staticmethod
    def _later(dispatcher: CollectingDispatcher, turn: Turn) -> Slots:
        return {"words": LATER} if turn.slot("parts") else miss(dispatcher, turn, "utter_retry__words")

    @staticmethod
    def _is_end(turn: Turn, begun: bool) -> bool:
        if turn.pressed:
            return turn.intent == "that_is_all"
        if not words.is_short(turn.typed):
            return False
        if words.mentions(turn.typed, words.words("answers")["done"]):
            return True
        if turn.intent == "that_is_all" and turn.confidence >= SURE:
            return True
        return begun and words.yes_no(turn.typed) == "no"

    @staticmethod
    def _is_aside(turn: Turn, begun: bool) -> bool:
        """Whether a message is meant for the assistant: an order, or plainly a question."""
        if is_command(turn, "booking"):
            return True
        if words.is_short(turn.typed, 3) and turn.intent in (
            {"skip", "affirm", "deny", "something_else", "smalltalk__greet", "smalltalk__thanks"}
            | (set() if begun else {"unsure"})
        ):
            return turn.confidence >= SURE
        statement = turn.intent in ACTS or turn.intent.startswith(
            ("concern", "feelings__", "smalltalk__", "choose_", "support__own", "support__partner")
        )
        if statement or not words.is_question(turn.typed):
            return False
        # Without a question mark it takes more to be no part of the story.
        return turn.confidence >= (SURE if "?" in turn.typed else 0.7)

    async def _about(self, dispatcher: CollectingDispatcher, turn: Turn) -> Slots | None:
        about = choice(turn, "choose_about", "about", words.words("answers")["about"])
        return {"about": about} if about else None

    async def _now(self, dispatcher: CollectingDispatcher, turn: Turn) -> Slots | None:
        answer = yes_no(turn)
        if answer is None:
            return None
        filled: Slots = {"now": answer}
        if answer != "no" and not turn.slot("warned"):
            # Once: who has read it does not need it a second time when changing an answer.
            dispatcher.utter_message(
                response="utter_now_yes",
                json_message={"show": "contacts", "set": turn.contacts},
            )
            filled["warned"] = True
        return filled

    async def _reach(self, dispatcher: CollectingDispatcher, turn: Turn) -> Slots | None:
        reach = choice(turn, "choose_reach", "reach", words.words("answers")["reach"])
        if reach is None and turn.intent in ("skip", "unsure"):
            reach = "code"
        if reach == "none":
            dispatcher.utter_message(response="utter_concern_reached_none")
        return {"reach": reach} if reach else None

    async def _change(self, dispatcher: CollectingDispatcher, turn: Turn) -> Slots | None:
        lists = words.words("answers")["change"]
        offered = {name: lists[name] for name in ("words", "about", "now", "reach", "nothing")}
        return self._changed(choice(turn, "change", "what", offered))

    @staticmethod
    def _changed(what: str | None) -> Slots | None:
        settled = {"changing": None, "concern_change": None}
        return {
            # The old words are dropped, as somebody who wants to change them expects.
            "words": {**settled, "words": None, "parts": None, "use_told": "no"},
            "about": {**settled, "about": None},
            "now": {**settled, "now": None},
            "reach": {**settled, "reach": None, "phone": None, "call_ok": None},
            "phone": {**settled, "reach": "phone", "phone": None, "call_ok": None},
            "nothing": settled,
        }.get(what or "")

    async def _ok(self, dispatcher: CollectingDispatcher, turn: Turn) -> Slots | None:
        return read_back(turn, "concern_ok", self._changed)


class ActionAskConcernOk(Action):
    """Reads the concern back. The backend puts in the words by their ids."""

    def name(self) -> str:
        return "action_ask_concern_form_concern_ok"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: DomainDict) -> list[EventType]:
        turn = Turn(tracker)
        summary: dict[str, Any] = {
            "show": "summary",
            "of": "concern",
            **{name: turn.slot(name) for name in ("parts", "about", "now", "reach", "interpreter")},
        }
        if turn.slot("reach") == "phone":
            _, safe = safe_contact(turn)
            summary |= {"phone": (turn.slot("phone") or {}).get("display"), "safe": safe}
        dispatcher.utter_message(response="utter_ask_concern_form_concern_ok", json_message=summary)
        return []


class ActionSendConcern(Action):
    """Hands the concern in, or keeps it unsent for later, and shows the code. If that fails, nothing is lost."""

    def name(self) -> str:
        return "action_send_concern"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: DomainDict) -> list[EventType]:
        turn = Turn(tracker)
        if turn.slot("words") == LATER:
            return await self._keep(dispatcher, turn)
        if not turn.slot("concern_ok"):
            return []
        contact, safe = safe_contact(turn) if turn.slot("reach") == "phone" else (None, None)
        concern = {name: turn.slot(name) for name in ("parts", "about", "now", "reach", "interpreter")}
        try:
            sent = await turn.backend.send_concern({**concern, "contact": contact, "safe": safe})
        except (BackendDown, BackendRefused):
            trouble(dispatcher, turn, "retry_concern")
            return [SlotSet("concern_ok", None)]
        dispatcher.utter_message(response="utter_concern_sent")
        show(dispatcher, {"show": "code", "receipt": sent["receipt"], "of": "concern"})
        return [SlotSet("told", None), *forgotten(CONCERN_SLOTS, CONTACT_SLOTS)]

    @staticmethod
    async def _keep(dispatcher: CollectingDispatcher, turn: Turn) -> list[EventType]:
        told = {name: turn.slot(name) for name in ("parts", "about", "now", "interpreter")}
        try:
            kept = await turn.backend.keep_for_later(told)
        except (BackendDown, BackendRefused):
            trouble(dispatcher, turn, "retry_concern")
            return [SlotSet("words", None)]
        show(dispatcher, {"show": "code", "receipt": kept["receipt"], "of": "draft"})
        return [SlotSet("told", None), *forgotten(CONCERN_SLOTS, CONTACT_SLOTS)]
