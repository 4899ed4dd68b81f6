"""A reminder of a talk that is booked: only for whoever asks for one, and with what it says told before.

Whether there may be one at all, when it goes out and its words are the backend's to say. Where to is asked last, and
named by its message. Not being sure is a no: what somebody else has seen cannot be taken back.
"""

from __future__ import annotations

from typing import Any

from rasa_sdk import Action, Tracker
from rasa_sdk.events import EventType, FollowupAction, SlotSet
from rasa_sdk.executor import CollectingDispatcher
from rasa_sdk.types import DomainDict

from actions import words
from actions.answers import REMINDER_SLOTS, forgotten
from actions.backend_client import BackendDown, BackendRefused
from actions.steps import PHONE_FAULTS, Slots, Step, StepForm, choice, has_number, miss, yes_no
from actions.turn import Turn, say, trouble

NONE = "none"
"""Instead of a way: nothing is to be sent."""

DEEDS = ("remind", "sms", "mail")
"""What a button about a reminder stands for, besides the one that takes it away."""

FAULTS = {
    "short": PHONE_FAULTS["short"],
    "long": PHONE_FAULTS["long"],
    "phone_not_mobile": "utter_phone_not_mobile",
    "mail_invalid": "utter_mail_invalid",
}
"""What is said of where no reminder can go, by the backend's reason."""


def is_wished(turn: Turn) -> bool:
    """Whether a message, or a button about one's own talk, is about a reminder."""
    if turn.pressed:
        return turn.entities.get("deed") in DEEDS
    return words.mentions(turn.typed, words.words("answers")["own"]["remind"])


def begun(dispatcher: CollectingDispatcher, turn: Turn, reminder: dict[str, Any] | None) -> list[EventType]:
    """Begin to ask how; or tell of the reminder that there is, or that there can be none."""
    if reminder is None:
        say(dispatcher, "utter_reminder_not_here", turn)
        return []
    if reminder["by"]:
        buttons = turn.buttons(["drop_reminder", "keep_reminder"])
        say(dispatcher, "utter_reminder_is", turn, buttons, **_facts(reminder))
        return []
    return [*forgotten(REMINDER_SLOTS), SlotSet("remind", reminder), FollowupAction("reminder_form")]


def _facts(reminder: dict[str, Any]) -> dict[str, Any]:
    return {name: reminder[name] for name in ("says", "at")}


class ActionAskRemindBy(Action):
    """Says what a reminder is like, and asks how to send it, with a button for each way that there is."""

    def name(self) -> str:
        return "action_ask_reminder_form_remind_by"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: DomainDict) -> list[EventType]:
        turn = Turn(tracker)
        reminder = turn.slot("remind")
        buttons = turn.buttons([*(f"remind_{way}" for way in reminder["ways"]), "no_reminder"])
        dispatcher.utter_message(response="utter_ask_reminder_form_remind_by", buttons=buttons, **_facts(reminder))
        return []


class ActionAskRemindSafe(Action):
    """Asks whether it is safe, in the words for the way that was chosen."""

    def name(self) -> str:
        return "action_ask_reminder_form_remind_safe"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: DomainDict) -> list[EventType]:
        turn = Turn(tracker)
        by, known = turn.slot("remind_by"), turn.slot("remind")["known"]
        if by == "sms" and known and not turn.slot("remind_to"):
            dispatcher.utter_message(response="utter_ask_remind_safe_known", known=known)
        else:
            dispatcher.utter_message(response=f"utter_ask_remind_safe_{by}")
        return []


class ActionAskRemindTo(Action):
    """Asks for the number or the address."""

    def name(self) -> str:
        return "action_ask_reminder_form_remind_to"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: DomainDict) -> list[EventType]:
        dispatcher.utter_message(response=f"utter_ask_remind_to_{Turn(tracker).slot('remind_by')}")
        return []


class ValidateReminderForm(StepForm):
    """The answers of the form. A no to any of its questions ends it, and nothing is sent."""

    def name(self) -> str:
        return "validate_reminder_form"

    def needed(self, slots: Slots) -> list[str]:
        by = slots.get("remind_by")
        if by == NONE:
            return ["remind_by"]
        known = by == "sms" and slots["remind"]["known"]
        return ["remind_by", "remind_safe", *([] if known else ["remind_to"])]

    def steps(self) -> dict[str, Step]:
        return {"remind_by": self._by, "remind_safe": self._safe, "remind_to": self._to}

    async def anywhere(self, dispatcher: CollectingDispatcher, turn: Turn) -> Slots | None:
        if turn.pressed and turn.entities.get("deed") in turn.slot("remind")["ways"]:
            return {"remind_by": turn.entities["deed"], "remind_safe": None, "remind_to": None}
        return None

    async def _by(self, dispatcher: CollectingDispatcher, turn: Turn) -> Slots | None:
        ways, lists = turn.slot("remind")["ways"], words.words("answers")["remind"]
        told = _where_to(turn)
        if told in ways:
            return {"remind_by": told, **await _kept(dispatcher, turn, told)}
        if _declined(turn):
            return {"remind_by": NONE}
        by = choice(turn, "own", "deed", {way: lists[way] for way in ways if words.is_short(turn.typed)})
        if by is None and len(ways) == 1 and yes_no(turn) == "yes":
            by = ways[0]
        return {"remind_by": by} if by else None

    async def _safe(self, dispatcher: CollectingDispatcher, turn: Turn) -> Slots | None:
        by = turn.slot("remind_by")
        if _where_to(turn) == by:
            return await _kept(dispatcher, turn, by)
        answer = yes_no(turn)
        if answer == "yes":
            return {"remind_safe": answer}
        return {"remind_by": NONE} if answer else None

    async def _to(self, dispatcher: CollectingDispatcher, turn: Turn) -> Slots | None:
        by = turn.slot("remind_by")
        if _where_to(turn) == by:
            return await _kept(dispatcher, turn, by)
        return {"remind_by": NONE} if _declined(turn) else None


def _where_to(turn: Turn) -> str | None:
    """What may have been typed: a mail address, a number, or neither."""
    if "@" in turn.typed:
        return "mail"
    return "sms" if has_number(turn) else None


def _declined(turn: Turn) -> bool:
    if yes_no(turn) in ("no", "unsure"):
        return True
    return words.is_short(turn.typed) and words.mentions(turn.typed, words.words("answers")["skip"])


async def _kept(dispatcher: CollectingDispatcher, turn: Turn, by: str) -> Slots:
    """Let the backend look at the number or address in this message, and say back what it took it for."""
    try:
        contact = await turn.backend.contact(turn.message or "", by)
    except BackendRefused as refused:
        why = str(refused.body.get("why") or refused.code)
        return miss(dispatcher, turn, FAULTS.get(why, "utter_retry__remind_to"))
    except BackendDown:
        trouble(dispatcher, turn, "stop")
        return {"misses": turn.slot("misses")}
    dispatcher.utter_message(response="utter_phone_noted", display=contact["display"])
    return {"remind_to": turn.message}


class ActionRemind(Action):
    """Asks for the reminder as it was chosen, and says when it comes and what it says; or that nothing is sent."""

    def name(self) -> str:
        return "action_remind"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: DomainDict) -> list[EventType]:
        turn = Turn(tracker)
        reminder, by = turn.slot("remind"), turn.slot("remind_by")
        if not reminder or not by:
            return []
        if by == NONE:
            say(dispatcher, "utter_reminder_none", turn)
            return forgotten(REMINDER_SLOTS)
        try:
            await turn.backend.remind(turn.slot("ticket"), by, turn.slot("remind_to"))
        except BackendRefused as refused:
            return self._refused(dispatcher, turn, refused)
        except BackendDown:
            trouble(dispatcher, turn, "retry_reminder")
            return forgotten(REMINDER_SLOTS)
        say(dispatcher, "utter_reminder_set", turn, [turn.button("drop_reminder")], **_facts(reminder))
        return forgotten(REMINDER_SLOTS)

    @staticmethod
    def _refused(dispatcher: CollectingDispatcher, turn: Turn, refused: BackendRefused) -> list[EventType]:
        reminder = turn.slot("remind")
        if refused.code == "phone_not_mobile" and reminder["known"]:
            # The number that we call is one at home.
            say(dispatcher, "utter_phone_not_mobile", turn)
            asked = SlotSet("remind", {**reminder, "known": None})
            return [asked, SlotSet("remind_to", None), FollowupAction("reminder_form")]
        late = refused.code == "wrong_code"
        say(dispatcher, "utter_booking_manage" if late else "utter_own_fixed", turn)
        return [*([SlotSet("ticket", None)] if late else []), *forgotten(REMINDER_SLOTS)]
