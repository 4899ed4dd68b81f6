"""Booking a talk: time, way, safe contact if it is by phone, and a yes at the end."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from rasa_sdk import Action, Tracker
from rasa_sdk.events import EventType, FollowupAction, SlotSet
from rasa_sdk.executor import CollectingDispatcher
from rasa_sdk.types import DomainDict

from actions import times, when, words
from actions.answers import BOOKING_SLOTS, CONTACT_SLOTS, answer_also, forgotten
from actions.backend_client import BackendDown, BackendRefused
from actions.steps import (
    Slots,
    Step,
    StepForm,
    choice,
    contact_steps,
    has_number,
    kept_number,
    miss,
    offer_rest_of_telling,
    read_back,
    safe_talk_contact,
    talk_contact_slots,
)
from actions.turn import SURE, Turn, ended, say, trouble

when.ready()

MORE = "more"
"""The slot id of the "more times" choice."""

EVERYWHERE = ("chat", "phone", "video")
"""The ways to talk where the backend has not said which; a visit is only where it has."""

RECAST_WORDS = 9
"""Up to so many words, a message may be about the time that is held."""

_ABOUT_TIMES = {"booking", "choose_time", "out_of_scope", "nlu_fallback", "change", "map__how_long"}
"""What the classifier takes for a question about free times."""
_YES_NO = {"call_ok", "others_answer", "leave_message", "phone"}
"""Questions that a "no" answers."""


def _has_digit(text: str) -> bool:
    return any(c.isdigit() for c in text)


def _beyond(order: str, offered: Sequence[times.Time], held_slot: str | None) -> dict[str, str] | None:
    """What to ask for to see times later, or earlier, than the one that is held or the first that was shown."""
    starts = [times.start_of(time) for time in offered if held_slot in (None, time["slot"])]
    if not starts:
        return None
    if order == "earlier":
        return {"to": min(starts).isoformat()}
    return {"from": (min(starts) + timedelta(minutes=1)).isoformat()}


class ActionFindTimes(Action):
    """Begins a booking with the times that were wished for, or with the first ones.

    When there is none as wished: says so, and shows the nearest. Somebody who wants a human is
    met here as well, wherever they are: with the next times, with numbers and with whether the
    office is open. Outside a form that begins a booking.
    """

    def name(self) -> str:
        return "action_find_times"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: DomainDict) -> list[EventType]:
        turn = Turn(tracker)
        if turn.intent == "human":
            return await human_met(dispatcher, turn)
        if turn.loop == "booking_form":
            return []
        pressed = turn.entities.get("slot") if turn.intent == "choose_time" else None
        if pressed and pressed != MORE and not turn.loop:
            # A time shown before, pressed when no booking is open: start from it.
            filled = await held(dispatcher, turn, pressed)
            return [*(SlotSet(*pair) for pair in filled.items()), FollowupAction("booking_form")]
        wanted = turn.wanted
        try:
            found = await turn.backend.times(wanted=wanted)
        except (BackendDown, BackendRefused):
            trouble(dispatcher, turn, "retry_booking")
            return ended(turn)
        if not _shown(found)["times"]:
            _no_times(dispatcher, turn, found.get("opens"))
            return ended(turn)
        answer_also(dispatcher, turn)
        if not found["known"]:
            say(dispatcher, "utter_same_person_unknown", turn)
        elif not wanted:
            say(dispatcher, "utter_booking_intro", turn)
        elif found["times"]:
            say(dispatcher, "utter_times_wished", turn)
        else:
            say(dispatcher, _instead(found), turn)
        return _begun(found, wanted)


def _instead(found: dict[str, Any]) -> str:
    """What to say of times that are not as wished: another time, or somebody else."""
    return "utter_times_none_then" if found["near"] else "utter_times_other_person"


def _begun(found: dict[str, Any], wanted: dict[str, Any]) -> list[EventType]:
    """The booking form, with what was found to choose from."""
    shown = _shown(found)
    return [
        SlotSet("offered", shown["times"]),
        SlotSet("times_show", shown),
        SlotSet("times_query", wanted if wanted and found["times"] else None),
        FollowupAction("booking_form"),
    ]


def _shown(found: dict[str, Any]) -> dict[str, Any]:
    """The times of an answer, or those nearest to what was wished for; after these there are others."""
    if found["times"]:
        return {"times": found["times"], "more": bool(found.get("more"))}
    return {"times": found["near"] or found["others"], "more": True}


async def human_met(dispatcher: CollectingDispatcher, turn: Turn) -> list[EventType]:
    """Somebody wants a human: the next times, numbers, and whether the office is open now."""
    numbers = {"show": "contacts", "set": turn.contacts}
    in_booking = turn.loop == "booking_form"
    try:
        found = await turn.backend.times()
    except (BackendDown, BackendRefused):
        if turn.loop:
            say(dispatcher, "utter_human_in_booking" if in_booking else "utter_human_numbers", turn, None, numbers)
        else:
            trouble(dispatcher, turn, "retry_booking")
        return []
    now = "utter_staffed_open" if found.get("staffed") else "utter_staffed_closed"
    if not turn.loop and not found["times"]:
        say(dispatcher, now, turn)
        _no_times(dispatcher, turn, found.get("opens"))
        return []
    if in_booking:
        say(dispatcher, "utter_human_in_booking", turn)
    elif turn.loop and found["times"]:
        say(dispatcher, "utter_human_in_form", turn, None, {"show": "times", **_shown(found)})
    else:
        say(dispatcher, "utter_human_numbers" if turn.loop else "utter_human", turn)
    say(dispatcher, now, turn, None, numbers)
    return [] if turn.loop else _begun(found, {})


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
        query = dict(turn.slot("times_query") or {})
        skip = query.pop("skip", 0)
        shown = turn.slot("times_show")
        response = "utter_ask_time_more" if skip else "utter_ask_time"
        events: list[EventType] = [SlotSet("times_show", None)]
        if not shown:
            try:
                found = await turn.backend.times(turn.slot("channel"), skip, query)
                if not found["times"] and (query or skip):
                    instead = not skip and _shown(found)["times"]
                    response = _instead(found) if instead else "utter_times_end"
                    events.append(SlotSet("times_query", None))
                    if not instead:
                        found = await turn.backend.times(turn.slot("channel"))
            except (BackendDown, BackendRefused):
                trouble(dispatcher, turn, "stop")
                return events
            if not _shown(found)["times"]:
                _no_times(dispatcher, turn, found.get("opens"))
                return events
            if not found["known"]:
                response = "utter_same_person_unknown"
            shown = _shown(found)
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
        return {"time": None, "times_show": near, "times_query": turn.kept or None}
    except BackendDown:
        trouble(dispatcher, turn, "stop")
        return {"time": None}
    dispatcher.utter_message(response="utter_time_held", label=hold["label"], minutes=hold.get("minutes", 5))
    kept = {"slot": slot, **{name: hold.get(name) for name in ("label", "therapist", "channels")}}
    return {"time": kept, "times_show": None, "times_query": turn.kept or None}


def _ways(slots: Slots) -> dict[str, list[str]]:
    """The ways to talk that the time which is held can be booked for, each with what people call it."""
    known: dict[str, list[str]] = words.words("answers")["channel"]
    held_for = (slots.get("time") or {}).get("channels") or EVERYWHERE
    return {name: said for name, said in known.items() if name in held_for}


class ActionAskChannel(Action):
    """Asks how to talk, with a button for each way that there is."""

    def name(self) -> str:
        return "action_ask_booking_form_channel"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: DomainDict) -> list[EventType]:
        turn = Turn(tracker)
        buttons = turn.buttons([f"channel_{name}" for name in _ways({"time": turn.slot("time")})])
        dispatcher.utter_message(response="utter_ask_booking_form_channel", buttons=buttons)
        return []


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
            names += talk_contact_slots(slots)
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
        if turn.requested == "time" and turn.whom:
            return await self._time(dispatcher, turn)
        if turn.requested == "time" and turn.intent in _ABOUT_TIMES and (turn.when.days or turn.when.hours):
            # Before the common check for questions: "is there anything on Friday" is a wish.
            return await self._time(dispatcher, turn)
        if turn.requested in ("time", "if_other", "not_told", "booking_change"):
            return None
        recast = await self._recast(dispatcher, turn)
        if recast is not None or turn.requested == "channel":
            return recast
        lists = words.words("answers")
        if turn.intent == "choose_channel" and turn.confidence >= SURE:
            return self._new_channel(turn, words.first_of(turn.typed, lists["channel"]))
        if turn.intent == "change" and turn.requested != "booking_ok":
            return self._changed(words.first_of(turn.typed, lists["change"]))
        return None

    async def _recast(self, dispatcher: CollectingDispatcher, turn: Turn) -> Slots | None:
        """The time that was meant instead of the one that is held ("no, the other one", "I mean Friday").

        The other answers stay as they are. None if the message is about something else.
        """
        if not words.is_short(turn.typed, RECAST_WORDS) or has_number(turn):
            return None
        said, wish = words.words("answers")["corrects"], turn.when
        named = wish.days or wish.hours
        offered = turn.slot("offered") or []
        strong = words.mentions(turn.typed, said["strong"])
        other = words.mentions(turn.typed, said["other"])
        meant = strong or other or words.mentions(turn.typed, said["weak"])
        place = times.place_in(turn.typed, offered) if meant or turn.intent == "choose_time" else None
        if turn.requested == "channel" and words.first_of(turn.typed, words.words("answers")["channel"]):
            if not (strong and named):
                return None
        elif turn.requested in _YES_NO and not (strong or other or place is not None):
            return None
        if not meant and not (turn.intent == "choose_time" and turn.confidence >= SURE):
            return None
        now_held = (turn.slot("time") or {}).get("slot")
        others = [time for time in offered if time["slot"] != now_held]
        anew: Slots = {"time": None, "booking_ok": None, "times_show": None}
        if place is not None:
            picked = offered[place]
            if picked["slot"] == now_held and len(others) == 1:
                picked = others[0]
            if picked["slot"] != now_held:
                return await held(dispatcher, turn, picked["slot"])
            return {**anew, "times_query": turn.kept or None}
        if named or turn.whom:
            fitting = times.chosen(turn.typed, others, wish).times if named and not turn.whom else ()
            if len(fitting) == 1:
                return await held(dispatcher, turn, fitting[0]["slot"])
            return {**anew, "times_query": turn.wanted or None}
        if wish.order in ("later", "earlier") and meant:
            return {**anew, "times_query": {**turn.kept, **(_beyond(wish.order, offered, now_held) or {})} or None}
        return {**anew, "times_query": turn.kept or None} if other else None

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
        if channel not in _ways({"time": turn.slot("time")}) or channel == turn.slot("channel"):
            return None
        return {"channel": channel, "phone": None, "call_ok": None}

    async def _time(self, dispatcher: CollectingDispatcher, turn: Turn) -> Slots | None:
        if turn.pressed:
            return self._more(turn) if turn.intent in ("deny", "something_else") else None
        offered, wish = turn.slot("offered") or [], turn.when
        if turn.whom:
            return {"times_query": turn.wanted, "times_show": None}
        choice = times.chosen(turn.typed, offered, wish)
        if choice.more and wish.order == "earlier":
            return {"times_query": {**turn.kept, **(_beyond("earlier", offered, None) or {})}, "times_show": None}
        if choice.more:
            return self._more(turn)
        if len(choice.times) == 1:
            return await held(dispatcher, turn, choice.times[0]["slot"])
        if wish.days or wish.hours:
            if wish.past and not choice.times and not wish.days:
                return miss(dispatcher, turn, "utter_no_such_time")
            return {"times_query": turn.wanted or None, "times_show": None}
        if words.yes_no(turn.typed) == "no":
            return self._more(turn)
        if wish.past or turn.intent == "choose_time" or (turn.intent == "booking" and _has_digit(turn.typed)):
            # A time that is not offered, or does not exist at all, such as 30 February.
            return miss(dispatcher, turn, "utter_no_such_time")
        return None

    @staticmethod
    def _more(turn: Turn) -> Slots:
        query = turn.slot("times_query") or {}
        skip = query.get("skip", 0) + len(turn.slot("offered") or [])
        return {"times_query": {**query, "skip": skip}, "times_show": None}

    async def _channel(self, dispatcher: CollectingDispatcher, turn: Turn) -> Slots | None:
        lists = _ways({"time": turn.slot("time")})
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
            _, safe = safe_talk_contact(turn)
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
        contact, safe = safe_talk_contact(turn) if turn.slot("channel") == "phone" else (None, None)
        try:
            booked = await turn.backend.book(turn.slot("channel"), contact, safe, turn.slot("interpreter"))
        except BackendRefused as refused:
            return self._refused(dispatcher, turn, refused)
        except BackendDown:
            trouble(dispatcher, turn, "retry_booking")
            return [SlotSet("booking_ok", None)]
        dispatcher.utter_message(response="utter_booked", label=booked["label"], therapist=booked["therapist"])
        dispatcher.utter_message(json_message={"show": "code", "receipt": booked["receipt"], "of": "booking"})
        offer_rest_of_telling(dispatcher, turn)
        return [SlotSet("ticket", booked.get("ticket")), *forgotten(BOOKING_SLOTS, CONTACT_SLOTS)]

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
