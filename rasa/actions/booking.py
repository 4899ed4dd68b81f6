"""Booking a talk: time, way, safe contact if it is by phone, and a yes at the end."""

from __future__ import annotations

from typing import Any

from rasa_sdk import Action, Tracker
from rasa_sdk.events import EventType, FollowupAction, SlotSet
from rasa_sdk.executor import CollectingDispatcher
from rasa_sdk.types import DomainDict

from actions import words
from actions.answers import BOOKING_SLOTS, CONTACT_SLOTS, forgotten
from actions.backend_client import BackendDown, BackendRefused
from actions.steps import (
    Slots,
    Step,
    StepForm,
    choice,
    contact_slots,
    contact_steps,
    has_number,
    kept_number,
    miss,
    read_back,
    safe_contact,
)
from actions.turn import SURE, Turn, say, trouble

MORE = "more"
"""The slot id of the "more times" choice."""


class ActionFindTimes(Action):
    """Begins a booking if there is a time; otherwise says when, and what else there is.

    Also answers somebody who wants a human: outside a form that is a booking, inside one the
    first times are shown beside the open question.
    """

    def name(self) -> str:
        return "action_find_times"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: DomainDict) -> list[EventType]:
        turn = Turn(tracker)
        if turn.loop == "booking_form":
            if turn.intent == "human":
                directive = {"show": "contacts", "set": turn.contacts}
                say(dispatcher, "utter_human_in_booking", turn, directive=directive)
            return []
        pressed = turn.entities.get("slot") if turn.intent == "choose_time" else None
        if pressed and pressed != MORE and not turn.loop:
            # A time shown before, pressed when no booking is open: start from it.
            filled = await held(dispatcher, turn, pressed)
            return [*(SlotSet(*pair) for pair in filled.items()), FollowupAction("booking_form")]
        try:
            found = await turn.backend.times()
        except (BackendDown, BackendRefused):
            trouble(dispatcher, turn, "retry_booking")
            return []
        if not found["times"]:
            _no_times(dispatcher, turn, found.get("opens"))
            return []
        if turn.loop:
            directive = {"show": "times", "times": found["times"], "more": bool(found.get("more"))}
            say(dispatcher, "utter_human_in_form", turn, directive=directive)
            return []
        say(dispatcher, "utter_human" if turn.intent == "human" else "utter_booking_intro", turn)
        return [
            SlotSet("offered", found["times"]),
            SlotSet("times_show", {"times": found["times"], "more": bool(found.get("more"))}),
            SlotSet("times_query", None),
            FollowupAction("booking_form"),
        ]


def _no_times(dispatcher: CollectingDispatcher, turn: Turn, opens: str | None) -> None:
    dispatcher.utter_message(
        response="utter_no_times" if opens else "utter_no_times_unknown",
        opens=opens,
        json_message={"show": "contacts", "set": turn.contacts},
        buttons=turn.buttons(["tell", "retry_booking"]),
    )


class ActionAskTime(Action):
    """Shows free times: those just looked up or narrowed down, else fresh ones."""

    def name(self) -> str:
        return "action_ask_booking_form_time"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: DomainDict) -> list[EventType]:
        turn = Turn(tracker)
        query = turn.slot("times_query") or {}
        shown = turn.slot("times_show")
        response = "utter_ask_time_more" if query.get("skip") else "utter_ask_time"
        events: list[EventType] = [SlotSet("times_show", None)]
        if not shown:
            try:
                shown = await turn.backend.times(turn.slot("channel"), **query)
                if not shown["times"] and query:
                    response = "utter_times_end"
                    events.append(SlotSet("times_query", None))
                    shown = await turn.backend.times(turn.slot("channel"))
            except (BackendDown, BackendRefused):
                trouble(dispatcher, turn, "stop")
                return events
            if not shown["times"]:
                _no_times(dispatcher, turn, shown.get("opens"))
                return events
        directive = {"show": "times", "times": shown["times"], "more": bool(shown.get("more"))}
        dispatcher.utter_message(response=response, json_message=directive)
        return [*events, SlotSet("offered", shown["times"])]


async def held(dispatcher: CollectingDispatcher, turn: Turn, slot: str) -> Slots:
    """Hold a time and say so; if somebody else was first, offer those near it.

    One talk at a time: whoever has one already is told so, and the form ends.
    """
    try:
        hold = await turn.backend.hold(slot)
    except BackendRefused as refused:
        if refused.code == "already_booked":
            dispatcher.utter_message(response="utter_already_booked")
            return {"time": None, "has_talk": True}
        dispatcher.utter_message(response="utter_time_taken")
        near = {"times": refused.times, "more": True} if refused.times else None
        return {"time": None, "times_show": near, "times_query": None}
    except BackendDown:
        trouble(dispatcher, turn, "stop")
        return {"time": None}
    dispatcher.utter_message(response="utter_time_held", label=hold["label"], minutes=hold.get("minutes", 5))
    kept = {"slot": slot, "label": hold["label"], "therapist": hold.get("therapist")}
    return {"time": kept, "times_show": None, "times_query": None}


class ValidateBookingForm(StepForm):
    """The answers of the booking form."""

    def name(self) -> str:
        return "validate_booking_form"

    def needed(self, slots: Slots) -> list[str]:
        if slots.get("has_talk"):
            # Filled already, so nothing is left to ask. (An empty list would leave the choice to Rasa.)
            return ["has_talk"]
        names = ["time", "channel"]
        if slots.get("channel") == "phone":
            names += contact_slots(slots)
        if slots.get("changing"):
            names.append("booking_change")
        return [*names, "booking_ok"]

    def steps(self) -> dict[str, Step]:
        return {
            "time": self._time,
            "channel": self._channel,
            "booking_change": self._change,
            "booking_ok": self._ok,
            **contact_steps("channel"),
        }

    async def anywhere(self, dispatcher: CollectingDispatcher, turn: Turn) -> Slots | None:
        if turn.pressed:
            return await self._pressed_anywhere(dispatcher, turn)
        if turn.requested in ("time", "channel", "if_other", "booking_change"):
            return None
        lists = words.words("answers")
        if turn.intent == "choose_time" and turn.confidence >= SURE:
            times = words.wished(turn.typed, turn.slot("offered") or []).times
            return await held(dispatcher, turn, times[0]["slot"]) if len(times) == 1 else None
        if turn.intent == "choose_channel" and turn.confidence >= SURE:
            return self._new_channel(turn, words.first_of(turn.typed, lists["channel"]))
        if turn.intent == "change" and turn.requested != "booking_ok":
            return self._changed(words.first_of(turn.typed, lists["change"]))
        return None

    async def _pressed_anywhere(self, dispatcher: CollectingDispatcher, turn: Turn) -> Slots | None:
        """A button counts when it is pressed, however far up it stands on the screen."""
        if turn.intent == "choose_time":
            slot = turn.entities.get("slot")
            if slot == MORE:
                return self._more(turn)
            return await held(dispatcher, turn, slot) if slot else None
        if turn.intent == "choose_channel" and turn.requested != "channel":
            return self._new_channel(turn, turn.entities.get("channel"))
        return None

    @staticmethod
    def _new_channel(turn: Turn, channel: str | None) -> Slots | None:
        if channel not in words.words("answers")["channel"] or channel == turn.slot("channel"):
            return None
        return {"channel": channel, "phone": None, "call_ok": None}

    async def _time(self, dispatcher: CollectingDispatcher, turn: Turn) -> Slots | None:
        if turn.pressed:
            return self._more(turn) if turn.intent in ("deny", "something_else") else None
        offered = turn.slot("offered") or []
        wish = words.wished(turn.typed, offered)
        if wish.more:
            return self._more(turn)
        if len(wish.times) == 1:
            return await held(dispatcher, turn, wish.times[0]["slot"])
        if wish.times:
            return {"times_show": {"times": list(wish.times), "more": True}, "times_query": None}
        days = words.words("answers")["times"]["days"]
        wants_today, wants_next = (words.mentions(turn.typed, days[d]) for d in ("i dag", "i morgon"))
        if words.yes_no(turn.typed) == "no":
            return {"times_query": {"day": "next"}} if wants_today else self._more(turn)
        if wants_today or wants_next:
            return {"times_query": {"day": "next" if wants_next else "today"}}
        if turn.intent == "choose_time" or (turn.intent == "booking" and any(c.isdigit() for c in turn.typed)):
            # A time that is not offered, or does not exist at all, such as 30 February.
            return miss(dispatcher, turn, "utter_no_such_time")
        return None

    @staticmethod
    def _more(turn: Turn) -> Slots:
        query = turn.slot("times_query") or {}
        skip = query.get("skip", 0) + len(turn.slot("offered") or [])
        return {"times_query": {**query, "skip": skip}, "times_show": None}

    async def _channel(self, dispatcher: CollectingDispatcher, turn: Turn) -> Slots | None:
        lists = words.words("answers")["channel"]
        if words.mentions(turn.typed, words.words("answers")["negations"]):
            # "Do not call" names what is not wanted.
            lists = {name: said for name, said in lists.items() if not words.mentions(turn.typed, said)}
            if len(lists) != 1:
                lists = {}
        channel = next(iter(lists)) if len(lists) == 1 else choice(turn, "choose_channel", "channel", lists)
        indifferent = words.mentions(turn.typed, words.words("answers")["times"]["any"])
        if channel is None and (turn.intent in ("skip", "unsure") or indifferent):
            # Chat needs nothing and is heard by nobody: the right one for who will not choose.
            dispatcher.utter_message(response="utter_channel_chat")
            channel = "chat"
        if channel == "phone" and has_number(turn):
            return {"channel": channel, **await kept_number(dispatcher, turn)}
        return {"channel": channel} if channel else None

    async def _change(self, dispatcher: CollectingDispatcher, turn: Turn) -> Slots | None:
        lists = words.words("answers")["change"]
        offered = {name: lists[name] for name in ("time", "channel", "phone", "nothing")}
        return self._changed(choice(turn, "change", "what", offered))

    @staticmethod
    def _changed(what: str | None) -> Slots | None:
        settled = {"changing": None, "booking_change": None}
        return {
            "time": {**settled, "time": None, "times_query": None, "times_show": None},
            "channel": {**settled, "channel": None, "phone": None, "call_ok": None},
            "phone": {**settled, "channel": "phone", "phone": None, "call_ok": None},
            "nothing": settled,
        }.get(what or "")

    async def _ok(self, dispatcher: CollectingDispatcher, turn: Turn) -> Slots | None:
        return read_back(turn, "booking_ok", self._changed)


class ActionAskBookingOk(Action):
    """Reads the booking back. The backend writes the words; here are only ids and labels."""

    def name(self) -> str:
        return "action_ask_booking_form_booking_ok"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: DomainDict) -> list[EventType]:
        turn = Turn(tracker)
        time, phone = turn.slot("time") or {}, turn.slot("phone") or {}
        rows: dict[str, Any] = {
            "label": time.get("label"),
            "therapist": time.get("therapist"),
            "channel": turn.slot("channel"),
            "interpreter": turn.slot("interpreter"),
        }
        if turn.slot("channel") == "phone":
            _, safe = safe_contact(turn)
            rows |= {"phone": phone.get("display"), **(safe or {})}
        dispatcher.utter_message(
            response="utter_ask_booking_form_booking_ok",
            json_message={"show": "summary", "of": "booking", "rows": rows},
        )
        return []


class ActionBook(Action):
    """Books the time that is held and shows the code; or goes on with other times."""

    def name(self) -> str:
        return "action_book"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: DomainDict) -> list[EventType]:
        turn = Turn(tracker)
        if turn.slot("has_talk"):
            return forgotten(BOOKING_SLOTS, CONTACT_SLOTS)
        if not turn.slot("booking_ok"):
            return []
        contact, safe = safe_contact(turn) if turn.slot("channel") == "phone" else (None, None)
        try:
            booked = await turn.backend.book(turn.slot("channel"), contact, safe, turn.slot("interpreter"))
        except BackendRefused as refused:
            return self._refused(dispatcher, turn, refused)
        except BackendDown:
            trouble(dispatcher, turn, "retry_booking")
            return [SlotSet("booking_ok", None)]
        dispatcher.utter_message(response="utter_booked", label=booked["label"], therapist=booked["therapist"])
        dispatcher.utter_message(json_message={"show": "code", "receipt": booked["receipt"], "of": "booking"})
        if turn.slot("parts"):
            buttons = turn.buttons(["finish_concern", "not_now"])
            dispatcher.utter_message(response="utter_concern_resume", buttons=buttons)
        return forgotten(BOOKING_SLOTS, CONTACT_SLOTS)

    @staticmethod
    def _refused(dispatcher: CollectingDispatcher, turn: Turn, refused: BackendRefused) -> list[EventType]:
        if refused.code != "hold_expired":
            trouble(dispatcher, turn, "retry_booking")
            return [SlotSet("booking_ok", None)]
        dispatcher.utter_message(response="utter_hold_expired")
        near = {"times": refused.times, "more": True} if refused.times else None
        return [
            SlotSet("booking_ok", None),
            SlotSet("time", None),
            SlotSet("times_query", None),
            SlotSet("times_show", near),
            FollowupAction("booking_form"),
        ]
