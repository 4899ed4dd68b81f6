"""A talk that is booked already: seen, moved, cancelled and reminded of by whoever has written its code here, or booked it just now.

Which talk it is, is in a ticket of the backend's that says nothing by itself and is good for a while. Without one the
way is the six words, which never pass through here.
"""

from __future__ import annotations

from typing import Any

from rasa_sdk import Action, Tracker
from rasa_sdk.events import EventType, SlotSet
from rasa_sdk.executor import CollectingDispatcher
from rasa_sdk.types import DomainDict

from actions import reminder, words
from actions.backend_client import BackendDown, BackendRefused
from actions.turn import Turn, ended, say, trouble


class ActionOwnTalk(Action):
    """Shows the person's own talk and does with it what they have said plainly, or pressed.

    A cancellation that was typed is asked about once. In the middle of a form only the way to the talk is told.
    """

    def name(self) -> str:
        return "action_own_talk"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: DomainDict) -> list[EventType]:
        turn = Turn(tracker)
        return [*await self._done(dispatcher, turn), *ended(turn)]

    async def _done(self, dispatcher: CollectingDispatcher, turn: Turn) -> list[EventType]:
        ticket, wished = turn.slot("ticket"), reminder.is_wished(turn)
        if turn.loop and wished:
            if turn.loop != "reminder_form":
                say(dispatcher, "utter_reminder_in_form", turn)
            return []
        if not ticket or turn.loop:
            return _by_code(dispatcher, turn)
        deed = turn.entities.get("deed") if turn.pressed else None
        if turn.intent == "affirm":  # to whether it is to be cancelled
            deed = "cancel"
        try:
            if deed == "cancel":
                return await _cancelled(dispatcher, turn, ticket)
            if deed == "move" and turn.entities.get("slot"):
                return await _moved(dispatcher, turn, ticket, turn.entities["slot"])
            if deed == "no_reminder":
                await turn.backend.remind(ticket, None)
                say(dispatcher, "utter_reminder_off", turn)
                return []
            own = await turn.backend.own(ticket)
            if wished:
                return reminder.begun(dispatcher, turn, own["reminder"])
            if deed == "move" or _wants_to_move(turn):
                return await _times(dispatcher, turn, own)
        except BackendRefused as refused:
            if refused.code == "wrong_code":
                return [*_by_code(dispatcher, turn), SlotSet("ticket", None)]
            dispatcher.utter_message(response="utter_own_fixed")
            return []
        except BackendDown:
            trouble(dispatcher, turn, "retry_own")
            return []
        if own["can_move"] and words.mentions(turn.typed, words.words("answers")["own"]["cancel"]):
            buttons = turn.buttons(["cancel_own", "keep_own"])
            dispatcher.utter_message(response="utter_own_cancel_sure", label=own["label"], buttons=buttons)
            return []
        _shown(dispatcher, turn, own)
        return []


def _by_code(dispatcher: CollectingDispatcher, turn: Turn) -> list[EventType]:
    buttons = None if turn.loop else turn.buttons(words.words("next")["after"]["booking_manage"])
    say(dispatcher, "utter_booking_manage", turn, buttons)
    return []


def _wants_to_move(turn: Turn) -> bool:
    named = bool(turn.when.days or turn.when.hours or turn.whom)
    return named or words.mentions(turn.typed, words.words("answers")["own"]["move"])


def _shown(dispatcher: CollectingDispatcher, turn: Turn, own: dict[str, Any]) -> None:
    facts = {"label": own["label"], "therapist": own["therapist"]}
    if own["can_move"]:
        names = ["move_own", "cancel_own", *(["remind_own"] if own["reminder"] else []), "keep_own"]
        buttons = turn.buttons(names)
        dispatcher.utter_message(response="utter_own_talk", buttons=buttons, **facts)
    elif own["can_rebook"]:
        dispatcher.utter_message(response="utter_own_gone", buttons=[turn.button("rebook_own")])
    else:
        dispatcher.utter_message(response="utter_own_over", buttons=[turn.button("book")], **facts)


async def _times(dispatcher: CollectingDispatcher, turn: Turn, own: dict[str, Any]) -> list[EventType]:
    """Free times in the way the talk has, as they were wished for; nothing is changed yet."""
    if not (own["can_move"] or own["can_rebook"]):
        _shown(dispatcher, turn, own)
        return []
    found = await turn.backend.times(own["channel"], wanted=turn.wanted)
    times = found["times"] or found["near"] or found["others"]
    if not times:
        say(dispatcher, "utter_own_no_times", turn, [turn.button("keep_own")])
        return []
    response = "utter_own_times" if own["can_move"] else "utter_own_times_again"
    directive = {"show": "times", "of": "own", "times": times, "more": False}
    dispatcher.utter_message(response=response, buttons=[turn.button("keep_own")], json_message=directive)
    return []


async def _moved(dispatcher: CollectingDispatcher, turn: Turn, ticket: str, slot: str) -> list[EventType]:
    """Take the time that was pressed; if somebody else was first, the old one stands and others are shown."""
    try:
        moved = await turn.backend.move(ticket, slot)
    except BackendRefused as refused:
        if refused.code != "taken":
            raise
        dispatcher.utter_message(response="utter_own_time_taken")
        return await _times(dispatcher, turn, await turn.backend.own(ticket))
    dispatcher.utter_message(response="utter_own_moved", label=moved["label"], therapist=moved["therapist"])
    return []


async def _cancelled(dispatcher: CollectingDispatcher, turn: Turn, ticket: str) -> list[EventType]:
    done = await turn.backend.cancel(ticket)
    response = "utter_own_cancelled" if done else "utter_own_gone"
    dispatcher.utter_message(response=response, buttons=[turn.button("rebook_own")])
    return []
