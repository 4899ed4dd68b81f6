"""When there is no time: somebody is in touch before a deadline. How, safe contact if by phone, and a yes at the end."""

from __future__ import annotations

from typing import Any

from rasa_sdk import Action, Tracker
from rasa_sdk.events import EventType, FollowupAction, SlotSet
from rasa_sdk.executor import CollectingDispatcher
from rasa_sdk.types import DomainDict

from actions import words
from actions.answers import CALLBACK_SLOTS, CONTACT_SLOTS, forgotten
from actions.backend_client import BackendDown, BackendRefused
from actions.steps import (
    Slots,
    Step,
    StepForm,
    choice,
    contact_steps,
    has_number,
    kept_number,
    offer_rest_of_telling,
    read_back,
    safe_talk_contact,
    talk_contact_slots,
)
from actions.turn import Turn, trouble

WAYS = ("code", "phone")
"""How somebody can be in touch: with a time to come back to, or by a call."""


class ActionStartCallback(Action):
    """Begins the form. Pressed in another one, that one's answers are kept for later."""

    def name(self) -> str:
        return "action_start_callback"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: DomainDict) -> list[EventType]:
        return [*forgotten(CALLBACK_SLOTS, CONTACT_SLOTS), FollowupAction("callback_form")]


class ValidateCallbackForm(StepForm):
    """The answers of the form."""

    def name(self) -> str:
        return "validate_callback_form"

    def needed(self, slots: Slots) -> list[str]:
        names = ["callback_reach"]
        if slots.get("callback_reach") == "phone":
            names += talk_contact_slots(slots)
        return [*names, "callback_ok"]

    def steps(self) -> dict[str, Step]:
        return {"callback_reach": self._reach, "callback_ok": self._ok, **contact_steps("callback_reach")}

    async def anywhere(self, dispatcher: CollectingDispatcher, turn: Turn) -> Slots | None:
        if turn.pressed and turn.intent == "choose_reach":
            return await self._reach(dispatcher, turn)
        return None

    async def _reach(self, dispatcher: CollectingDispatcher, turn: Turn) -> Slots | None:
        lists = words.words("answers")["reach"]
        reach = choice(turn, "choose_reach", "reach", {name: lists[name] for name in WAYS})
        if turn.typed and words.mentions(turn.typed, words.words("answers")["negations"]):
            # "Do not call" names what is not wanted.
            reach = "code" if reach == "phone" else None
        elif reach is None and turn.intent in ("skip", "unsure"):
            reach = "code"
        if reach != "code" and has_number(turn):
            return {"callback_reach": "phone", **await kept_number(dispatcher, turn)}
        return {"callback_reach": reach} if reach else None

    async def _ok(self, dispatcher: CollectingDispatcher, turn: Turn) -> Slots | None:
        return read_back(turn, "callback_ok", lambda _what: {"callback_reach": None, "phone": None, "call_ok": None})


class ActionAskCallbackOk(Action):
    """Reads it back; the backend puts in until when somebody will have been in touch."""

    def name(self) -> str:
        return "action_ask_callback_form_callback_ok"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: DomainDict) -> list[EventType]:
        turn = Turn(tracker)
        rows: dict[str, Any] = {"reach": turn.slot("callback_reach"), "interpreter": turn.slot("interpreter")}
        if turn.slot("callback_reach") == "phone":
            _, safe = safe_talk_contact(turn)
            rows |= {"phone": (turn.slot("phone") or {}).get("display"), **(safe or {})}
        dispatcher.utter_message(
            response="utter_ask_callback_form_callback_ok",
            json_message={"show": "summary", "of": "callback", "rows": rows},
        )
        return []


class ActionAskCallback(Action):
    """Asks the backend to have somebody in touch and shows the code. If that fails, nothing is lost."""

    def name(self) -> str:
        return "action_ask_callback"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: DomainDict) -> list[EventType]:
        turn = Turn(tracker)
        reach = turn.slot("callback_reach")
        if not turn.slot("callback_ok"):
            return []
        contact, safe = safe_talk_contact(turn) if reach == "phone" else (None, None)
        try:
            promised = await turn.backend.call_back(reach, contact, safe, turn.slot("interpreter"))
        except (BackendDown, BackendRefused):
            trouble(dispatcher, turn, "retry_callback")
            return [SlotSet("callback_ok", None)]
        said = "utter_callback_by_phone" if promised["reach"] == "phone" else "utter_callback_by_code"
        dispatcher.utter_message(response=said, deadline=promised["deadline"])
        dispatcher.utter_message(json_message={"show": "code", "receipt": promised["receipt"], "of": "callback"})
        offer_rest_of_telling(dispatcher, turn)
        return forgotten(CALLBACK_SLOTS, CONTACT_SLOTS)
