"""What both forms have in common: one open question at a time, and the safe-contact steps.

How a turn goes inside a form: Rasa runs the form's validation; `StepForm` asks the step whose
question is open whether the message answers it. If it does, the next question follows. If it
doesn't, the form steps aside, the rule of the intent answers (a question, "why do you ask?",
"cancel"), and Rasa comes back to the form, which asks the open question once.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from typing import Any

from rasa_sdk import FormValidationAction, Tracker
from rasa_sdk.events import EventType, SlotSet
from rasa_sdk.executor import CollectingDispatcher
from rasa_sdk.types import DomainDict

from actions import words
from actions.backend_client import BackendDown, BackendRefused
from actions.turn import SURE, Turn, trouble

Slots = dict[str, Any]
Step = Callable[[CollectingDispatcher, Turn], Awaitable[Slots | None]]
"""The slots that a message fills, None if it is no answer to the step's question.

A step may fill other slots than its own: a phone call that isn't safe empties the channel.
"""

COMMANDS = {"stop", "why_ask", "human", "start", "language", "about_bot__simpler"}
"""What is never an answer, in any step."""

STATEMENTS = ("concern__story", "feelings__", "smalltalk__", "support__partner", "support__own")
"""Intents of people who tell something. In the middle of a story they are the story."""

ACTS = {
    "affirm",
    "deny",
    "unsure",
    "skip",
    "change",
    "that_is_all",
    "something_else",
    "set_reader",
    "out_of_scope",
    "nlu_fallback",
}
"""Intents that ask for nothing."""

YES_NO = {"affirm": "yes", "deny": "no", "unsure": "unsure", "skip": "unsure"}


def asks(turn: Turn) -> bool:
    """Whether a typed message is a question that has an answer of its own."""
    if turn.intent in ACTS or turn.intent.startswith(("choose_", *STATEMENTS)):
        return False
    return words.is_question(turn.typed) and turn.confidence >= SURE


def is_command(turn: Turn, *more: str) -> bool:
    """Whether a typed message is an order to the assistant (or one of `more`), no answer."""
    return turn.intent in COMMANDS.union(more) and turn.confidence >= SURE and words.is_short(turn.typed, 8)


def yes_no(turn: Turn) -> str | None:
    """ "yes", "no", "unsure", or None if the message is neither."""
    if turn.pressed:
        return YES_NO.get(turn.intent)
    plain = words.yes_no(turn.typed)
    if plain:
        return plain
    return YES_NO.get(turn.intent) if turn.confidence >= SURE else None


def choice(turn: Turn, intent: str, entity: str, lists: dict[str, list[str]]) -> str | None:
    """The chosen key: of the button pressed, or of the word list that fits what was typed."""
    if turn.pressed:
        chosen = turn.entities.get(entity) if turn.intent == intent else None
        return chosen if chosen in lists else None
    return words.first_of(turn.typed, lists)


class StepForm(FormValidationAction, ABC):
    """A form whose next question depends on the answers so far."""

    @abstractmethod
    def name(self) -> str: ...

    @abstractmethod
    def needed(self, slots: Slots) -> list[str]:
        """The slots to fill, in the order of their questions, given what is known."""

    @abstractmethod
    def steps(self) -> dict[str, Step]:
        """The step of each slot."""

    async def anywhere(self, dispatcher: CollectingDispatcher, turn: Turn) -> Slots | None:
        """The slots filled by a message that may come at any step, such as an old button."""
        return None

    async def required_slots(
        self,
        domain_slots: list[str],
        dispatcher: CollectingDispatcher,
        tracker: Tracker,
        domain: DomainDict,
    ) -> list[str]:
        return self.needed(tracker.slots)

    def domain_slots(self, domain: DomainDict) -> list[str]:
        # Rasa then never chooses the next question by itself.
        return []

    async def get_extraction_events(
        self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: DomainDict
    ) -> list[EventType]:
        return []

    async def get_validation_events(
        self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: DomainDict
    ) -> list[EventType]:
        turn = Turn(tracker)
        if turn.requested is None or turn.answered_already(self.form_name()):
            return []
        filled = await self._filled(dispatcher, turn)
        if filled is None:
            return []
        filled.setdefault("misses", None)
        return [SlotSet(name, value) for name, value in filled.items()]

    async def _filled(self, dispatcher: CollectingDispatcher, turn: Turn) -> Slots | None:
        filled = await self.anywhere(dispatcher, turn)
        if filled is not None:
            return filled
        step = self.steps().get(turn.requested or "")
        if turn.language_met and (turn.requested or "").endswith("_ok"):
            # What is read back has changed: it is read back once more.
            return {}
        if step is None or (turn.typed and (is_command(turn) or asks(turn))):
            return None
        return await step(dispatcher, turn)


def read_back(turn: Turn, ok: str, changed: Callable[[str | None], Slots | None]) -> Slots | None:
    """The answer to a summary: yes fills `ok`; no, or what to change, opens that."""
    if turn.intent == "change":
        what = choice(turn, "change", "what", words.words("answers")["change"])
        return changed(what) or {"changing": True}
    answer = yes_no(turn)
    if answer == "no":
        return {"changing": True}
    return {ok: True} if answer == "yes" else None


def miss(dispatcher: CollectingDispatcher, turn: Turn, response: str) -> Slots:
    """An answer of the right kind that could not be used: say why, and ask again."""
    again = response in turn.heard_last
    dispatcher.utter_message(response="utter_form_again" if again else response)
    return {"misses": (turn.slot("misses") or 0) + 1}


# The safe-contact questions. One at a time, and only to those who want to be called: the
# phone may lie on the kitchen table.


def contact_slots(slots: Slots) -> list[str]:
    """The slots to fill for somebody who may be called about what they tell."""
    names = ["phone", "call_ok", "if_other", "leave_message"]
    return names if slots.get("call_ok") != "no" else names[:2]


def talk_contact_slots(slots: Slots) -> list[str]:
    """The slots to fill for somebody whom a therapist is to call, as on the booking page: what to say if others
    answer only where others may, and who must not know.
    """
    names = ["phone", "call_ok"]
    if slots.get("call_ok") == "no":
        return names
    names.append("others_answer")
    if slots.get("others_answer") != "no":
        names.append("if_other")
    return [*names, "leave_message", "not_told"]


PHONE_FAULTS = {
    "short": "utter_phone_short",
    "long": "utter_phone_long",
    "several": "utter_phone_several",
    "paid": "utter_phone_paid",
}
"""What is said of a number that cannot be called, by the backend's reason."""


def has_number(turn: Turn) -> bool:
    """Whether a typed message may hold a phone number; the backend knows if it is one."""
    return turn.message is not None and sum(c.isdigit() for c in turn.typed) >= 5


async def kept_number(dispatcher: CollectingDispatcher, turn: Turn) -> Slots:
    """Let the backend keep the number in this message, and say back what it kept."""
    try:
        contact = await turn.backend.contact(turn.message or "")
    except BackendRefused as refused:
        return miss(dispatcher, turn, PHONE_FAULTS.get(str(refused.body.get("why")), "utter_retry__phone"))
    except BackendDown:
        trouble(dispatcher, turn, "stop")
        return {"misses": turn.slot("misses")}
    dispatcher.utter_message(response="utter_phone_noted", display=contact["display"])
    return {"phone": {"message": turn.message, "display": contact["display"]}}


def contact_steps(way: str) -> dict[str, Step]:
    """The steps of `contact_slots` and `talk_contact_slots`. `way` is the slot that says phone, emptied if unsafe."""

    async def phone(dispatcher: CollectingDispatcher, turn: Turn) -> Slots | None:
        if has_number(turn):
            return await kept_number(dispatcher, turn)
        if turn.intent == "skip" or (turn.typed and words.yes_no(turn.typed) == "no"):
            return {way: None, "phone": None}
        return None

    async def call_ok(dispatcher: CollectingDispatcher, turn: Turn) -> Slots | None:
        if has_number(turn):
            # The number once more, or another one.
            return await kept_number(dispatcher, turn)
        answer = yes_no(turn)
        if answer == "no":
            dispatcher.utter_message(response="utter_call_not_safe")
            return {way: None, "phone": None, "call_ok": None}
        if answer == "unsure":
            dispatcher.utter_message(response="utter_call_unsure")
        return {"call_ok": answer} if answer else None

    async def others_answer(dispatcher: CollectingDispatcher, turn: Turn) -> Slots | None:
        answer = yes_no(turn)
        return {"others_answer": answer} if answer else None

    async def if_other(dispatcher: CollectingDispatcher, turn: Turn) -> Slots | None:
        return _own_words("if_other", turn)

    async def not_told(dispatcher: CollectingDispatcher, turn: Turn) -> Slots | None:
        # "Dad must not know" has a no in it too: only a bare one passes the question over.
        if turn.typed and words.is_short(turn.typed, 2) and words.yes_no(turn.typed) == "no":
            return {"not_told": "skip"}
        return _own_words("not_told", turn, 2)

    async def leave_message(dispatcher: CollectingDispatcher, turn: Turn) -> Slots | None:
        answer = yes_no(turn)
        # Not sure is a no: a message that somebody else hears cannot be taken back.
        return {"leave_message": "yes" if answer == "yes" else "no"} if answer else None

    return {
        "phone": phone,
        "call_ok": call_ok,
        "others_answer": others_answer,
        "if_other": if_other,
        "leave_message": leave_message,
        "not_told": not_told,
    }


def _own_words(slot: str, turn: Turn, most: int = words.SHORT) -> Slots | None:
    """The message as it stands, or that it was passed over, which is said in `most` words."""
    if turn.silent:
        return None
    if turn.intent == "skip" or (
        turn.typed and words.is_short(turn.typed, most) and words.mentions(turn.typed, _skips())
    ):
        return {slot: "skip"}
    if turn.pressed or turn.message is None:
        return None
    return {slot: turn.message}


def _skips() -> list[str]:
    return words.words("answers")["skip"]


def safe_contact(turn: Turn) -> tuple[str | None, dict[str, Any] | None]:
    """(message with the number, {"call_ok", "if_other_answers", "leave_message"}) or Nones."""
    phone = turn.slot("phone")
    if not phone:
        return None, None
    return phone["message"], {
        "call_ok": turn.slot("call_ok"),
        "if_other_answers": _told(turn, "if_other"),
        "leave_message": turn.slot("leave_message") or "no",
    }


def safe_talk_contact(turn: Turn) -> tuple[str | None, dict[str, Any] | None]:
    """The same, and {"others_answer", "not_told"}, for whoever is called by a therapist."""
    message, safe = safe_contact(turn)
    if safe is not None:
        safe |= {"others_answer": turn.slot("others_answer"), "not_told": _told(turn, "not_told")}
    return message, safe


def _told(turn: Turn, slot: str) -> str | None:
    """The message with somebody's own words; None if the question was passed over."""
    answer = turn.slot(slot)
    return None if answer in (None, "skip") else answer


def offer_rest_of_telling(dispatcher: CollectingDispatcher, turn: Turn) -> None:
    """A telling that a booking came in between is gone on with, or left, by a button."""
    if turn.slot("parts"):
        buttons = turn.buttons(["finish_concern", "not_now"])
        dispatcher.utter_message(response="utter_concern_resume", buttons=buttons)
