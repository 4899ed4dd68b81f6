"""Answers outside the forms, and to what interrupts a form.

A rule leads here from each intent; inside a form Rasa goes back to the form afterwards, which
asks its open question once more.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from rasa_sdk import Action, Tracker
from rasa_sdk.events import ActiveLoop, EventType, FollowupAction, SlotSet
from rasa_sdk.executor import CollectingDispatcher
from rasa_sdk.types import DomainDict

from actions import words
from actions.backend_client import BackendDown, BackendRefused
from actions.turn import SURE, Turn, say, show, show_contacts
from language import tongue

tongue.ready()

HEARD = ("feelings__", "concern")
"""How the names of intents begin that are somebody telling how it is."""

DOUBT = 0.25
"""From here on, a feeling beside an order is heard first."""

PATIENCE = 2
"""After so many turns about something else, telling begins anew."""

OWN_WORDS = ("words", "if_other", "not_told")
"""Steps whose answer is the person's own text: what it says of interpreters is part of it."""

START_OF = {"booking": "action_find_times", "concern": "action_start_concern"}
"""What begins each of the forms."""

YES_LEADS_TO = {**START_OF, "own": "action_own_talk"}
"""What a plain yes does, by what it means after an answer (`data/words/next.yml`)."""


class ActionNoteReader(Action):
    """Keeps who is writing and in which language, before anything is answered.

    Runs with every message. What a button says counts; a typed age counts; other words only
    as long as nobody has said anything else.
    """

    def name(self) -> str:
        return "action_note_reader"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: DomainDict) -> list[EventType]:
        turn = Turn(tracker)
        if turn.pressed:
            reader = words.READERS.get(turn.entities.get("reader", ""))
            lang = turn.entities.get("lang")
        else:
            reader = words.reader_in(turn.typed)
            if turn.who and turn.intent != "set_reader":
                reader = None
            lang = words.language_of(turn.typed)
        events: list[EventType] = []
        if reader:
            events += [SlotSet("who", reader.who), SlotSet("band", reader.band)]
            events += [SlotSet(name, None) for name in ("told_band", "easy") if turn.slot(name)]
        if lang in ("sv", "en") and lang != turn.lang:
            events.append(SlotSet("lang", lang))
        return events + note_interpreter(dispatcher, turn)


def note_interpreter(dispatcher: CollectingDispatcher, turn: Turn) -> list[EventType]:
    """What a typed message says about the language it should go on in.

    Whoever writes in a language that the assistant has a card in is shown the card, once, and
    is taken to want an interpreter. Others may ask for one, or say that none is needed.
    """
    if not turn.typed:
        return []
    written = tongue.of(turn.typed)
    if written is not None:
        return _greeted(dispatcher, turn, written)
    if turn.requested in OWN_WORDS:
        return []
    wanted, wish = turn.slot("interpreter"), words.interpreter_in(turn.typed)
    if wish is None and wanted != words.ANY_INTERPRETER and turn.intent == "language" and turn.confidence >= SURE:
        named = words.named_language(turn.typed)
        return _greeted(dispatcher, turn, named) if named in tongue.TONGUES else []
    if wish is None and wanted == words.ANY_INTERPRETER and words.is_short(turn.typed):
        wish = words.named_language(turn.typed)
    if wish is None:
        return []
    if wish == words.NO_INTERPRETER:
        if wanted:
            say(dispatcher, "utter_interpreter_removed", turn)
        return [SlotSet("interpreter", None)]
    if wish == words.ANY_INTERPRETER and wanted:
        return []
    if wish == words.ANY_INTERPRETER:
        say(dispatcher, "utter_interpreter_which", turn)
    else:
        say(dispatcher, "utter_interpreter_noted", turn, language=words.language_name(wish, turn.lang))
    return [SlotSet("interpreter", wish)]


def _greeted(dispatcher: CollectingDispatcher, turn: Turn, code: str) -> list[EventType]:
    greeted = list(turn.slot("greeted") or [])
    if code in greeted:
        return []
    show(dispatcher, {"show": "tongue", "tongue": code})
    return [SlotSet("interpreter", code), SlotSet("greeted", [*greeted, code])]


_SAID_BY_CARD = {
    "about_bot__are_you_robot",
    "about_bot__what_can_you",
    "language",
    "out_of_scope",
    "smalltalk__greet",
}
"""Intents that a card in the person's own language has answered."""

_NOT_UNDERSTOOD = ("utter_guess", "utter_not_understood_again", "utter_not_understood_third")
"""Each says more about the ways on than the one before: guesses; the main things and a human; numbers."""
_APOLOGIES = {*_NOT_UNDERSTOOD, "utter_no_guess", "utter_out_of_scope", "utter_testing"}

_WORDINGS = {
    "smalltalk__insult": ("utter_smalltalk__insult", "utter_insult_again", "utter_insult_quiet"),
    "smalltalk__greet": ("utter_smalltalk__greet", "utter_greet_again"),
}
"""Answers that would sound like a machine the second time, and what is said then."""

EASIER = {"adult": "13-17", "13-17": "10-12", "10-12": "6-9", None: "6-9"}
"""The next simpler band of each. A parent has none: what is said to a child is not said to a parent.
What matters most has a simpler text for all grown-ups instead: `easy` in `next.yml`."""


class ActionStart(Action):
    """Greets: a robot, what it can do, no name needed, 112. Asks once who is writing."""

    def name(self) -> str:
        return "action_start"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: DomainDict) -> list[EventType]:
        turn = Turn(tracker)
        if turn.who:
            say(dispatcher, "utter_start", turn, turn.main_buttons)
        else:
            say(dispatcher, "utter_start", turn)
            say(dispatcher, "utter_ask_reader", turn)
        return []


class ActionSetReader(Action):
    """Acknowledges who is writing and offers the three main things."""

    def name(self) -> str:
        return "action_set_reader"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: DomainDict) -> list[EventType]:
        turn = Turn(tracker)
        noted = "utter_reader_noted" if turn.who else "utter_reader_skipped"
        say(dispatcher, noted, turn, None if turn.loop else turn.main_buttons)
        return []


class ActionAnswer(Action):
    """Answers an intent with the response of the same name and what lies near."""

    def name(self) -> str:
        return "action_answer"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: DomainDict) -> list[EventType]:
        turn = Turn(tracker)
        if turn.intent in _SAID_BY_CARD and turn.language_met:
            return []
        if turn.intent == "out_of_scope" and _is_test(turn):
            return _tested(dispatcher, turn)
        if turn.loop and turn.intent == "out_of_scope":
            # Far from anything the assistant knows: an answer that did not fit.
            return missed(dispatcher, turn)
        if turn.intent == "out_of_scope" and _APOLOGIES & turn.heard_last:
            _sorry_again(dispatcher, turn)
            return []
        wordings = _WORDINGS.get(turn.intent)
        response = turn.anew(wordings) if wordings else answer_name(turn, turn.intent)
        after = words.words("next")["after"].get(turn.intent, [])
        also = _also(turn)
        buttons = None if turn.loop or also else turn.buttons(after)
        if buttons is not None and turn.perhaps:
            title = words.words("titles")[turn.perhaps][turn.lang]
            buttons.insert(0, {"title": title, "payload": f"/{turn.perhaps}"})
        say(dispatcher, response, turn, buttons)
        if turn.intent == "support__numbers":
            show_contacts(dispatcher, turn)
        if also:
            answer_also(dispatcher, turn, buttons=not turn.loop)
        return [SlotSet("misses", None)] if turn.loop else []


def answer_name(turn: Turn, intent: str) -> str:
    """The response that answers an intent, in simpler words for a grown-up who has asked for them."""
    if turn.slot("easy") and turn.lang == "sv" and intent in words.words("next")["easy"]:
        return f"utter_easy__{intent}"
    return f"utter_{intent}"


def _also(turn: Turn) -> str | None:
    """What a message is about besides its intent, if it is an answer away, or one button."""
    if turn.also in words.words("next")["after"] or turn.also in START_OF:
        return turn.also
    return None


def answer_also(dispatcher: CollectingDispatcher, turn: Turn, *, buttons: bool = False) -> None:
    """Answer the second of two things in one message, or offer what it asks for on a button."""
    also, entry = _also(turn), words.words("next")["after"]
    if also in START_OF:
        if buttons:
            title = words.words("titles")[also][turn.lang]
            say(dispatcher, "utter_also", turn, [{"title": title, "payload": f"/{also}"}])
    elif also in entry and also != "roles__who":
        say(dispatcher, answer_name(turn, also), turn, turn.buttons(entry[also]) if buttons else None)


def _is_test(turn: Turn) -> bool:
    said = words.fold(turn.typed)
    return said in {words.fold(phrase) for phrase in words.words("answers")["testing"]}


def _tested(dispatcher: CollectingDispatcher, turn: Turn) -> list[EventType]:
    """Somebody tries whether it works: calmly, once; then it counts as not understood."""
    if _APOLOGIES & turn.heard_last:
        if turn.loop:
            return missed(dispatcher, turn)
        _sorry_again(dispatcher, turn)
        return []
    say(dispatcher, "utter_testing", turn, None if turn.loop else turn.main_buttons)
    return []


class ActionSimpler(Action):
    """Moves the reader to the next simpler band, for words only.

    Who they are stays known: `told_band` has the band they gave, and the backend goes by that.
    """

    def name(self) -> str:
        return "action_simpler"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: DomainDict) -> list[EventType]:
        turn = Turn(tracker)
        events: list[EventType] = []
        if turn.lang != "sv" or turn.band == "6-9":
            return events
        if turn.who not in ("child", None) and not turn.slot("easy"):
            events.append(SlotSet("easy", True))
        if turn.band != "parent":
            told = turn.slot("told_band") or turn.band or "unknown"
            events += [SlotSet("band", EASIER[turn.band]), SlotSet("told_band", told)]
        return events


class ActionSayAgain(Action):
    """Says that it writes simpler now, and the last answer once more, in those words.

    Where no simpler words are left, a human is offered. Runs after `action_simpler`, since
    what an action sets counts from the next one on.
    """

    def name(self) -> str:
        return "action_say_again"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: DomainDict) -> list[EventType]:
        turn = Turn(tracker)
        if not turn.simplified:
            say(dispatcher, "utter_simpler_lowest", turn, None if turn.loop else [turn.button("human")])
            return []
        last = _last_answer(turn)
        parent_has = last is not None and (last.startswith("/") or last in words.words("next")["easy"])
        if last is None or (turn.band == "parent" and not parent_has):
            say(dispatcher, "utter_about_bot__simpler", turn)
            return []
        say(dispatcher, "utter_simpler_noted", turn)
        if last.startswith("/"):
            station = last[1:] or None
            show(dispatcher, {"show": "map", "station": station, "band": turn.band})
            return []
        after = words.words("next")["after"].get(last, [])
        say(dispatcher, answer_name(turn, last), turn, None if turn.loop else turn.buttons(after))
        return []


def _last_answer(turn: Turn) -> str | None:
    """The intent that was answered last, or "/" and the station that was shown."""
    for events in turn.shown_before():
        for event in events:
            custom = (event.get("data") or {}).get("custom") or {}
            if custom.get("show") == "map":
                return f"/{custom.get('station') or ''}"
            name = ((event.get("metadata") or {}).get("utter_action") or "").removeprefix("utter_")
            name = name.removeprefix("easy__")
            if "__" in name and not name.startswith(("retry__", "later__", "why__", "about_bot__simpler")):
                return name
    return None


class ActionShowMap(Action):
    """Shows the station that was asked about, or the whole map."""

    def name(self) -> str:
        return "action_show_map"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: DomainDict) -> list[EventType]:
        turn = Turn(tracker)
        station = turn.entities.get("station")
        if station is None and turn.typed:
            station = words.first_line(turn.typed, words.words("stations"))
        directive: dict[str, Any] = {"show": "map", "station": station}
        if turn.loop:
            directive["interruption"] = True
        if station is None:
            say(dispatcher, "utter_map_intro", turn, directive=directive)
        else:
            show(dispatcher, directive)
        return []


class ActionWhoIsWho(Action):
    """Explains the role that was asked about, or the most important ones."""

    def name(self) -> str:
        return "action_who_is_who"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: DomainDict) -> list[EventType]:
        turn = Turn(tracker)
        role = words.first_line(turn.typed, words.words("roles")) or "overview"
        after = words.words("next")["after"]["roles__who"]
        say(dispatcher, f"utter_roles__{role}", turn, None if turn.loop else turn.buttons(after))
        return []


class ActionHear(Action):
    """Listens: two short sentences, an open question, and a person offered.

    Long answers make a person who is sad feel less heard, so nothing is explained here, and
    the same words never come twice running. Keeps the ids of the messages, so that nobody
    has to write it again if they want it passed on.
    """

    def name(self) -> str:
        return "action_hear"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: DomainDict) -> list[EventType]:
        turn = Turn(tracker)
        told = list(turn.slot("told") or [])
        if turn.typed and turn.message and turn.message not in told:
            told.append(turn.message)
        kept: list[EventType] = [SlotSet("told", told or None)]
        if turn.loop == "reminder_form":
            # A question about a reminder does not stand in the way of what somebody needs to tell.
            kept += [ActiveLoop(None), SlotSet("requested_slot", None), *forgotten(REMINDER_SLOTS)]
            kept.append(FollowupAction("action_listen"))
        elif turn.loop:
            say(dispatcher, "utter_listen_in_form", turn)
            return kept
        response, buttons = _heard(turn)
        ways_on = turn.buttons(words.words("next")[buttons])
        if _also(turn) and not str(turn.also).startswith(HEARD):
            # A question inside what is told: one press away, since listening comes first.
            ways_on.insert(0, {"title": words.words("titles")[turn.also][turn.lang], "payload": f"/{turn.also}"})
        say(dispatcher, response, turn, ways_on, {} if turn.loop else None)
        return kept


def _heard(turn: Turn) -> tuple[str, str]:
    """The response and the buttons for somebody who is telling."""
    times = _times_heard(turn)
    guesses = [turn.intent, *(guess["name"] for guess in turn.ranking)]
    intent = next((name for name in guesses if name.startswith(HEARD)), "")
    story = intent.startswith("concern")
    if times == 0:
        if story:
            return "utter_concern__story", "heard_story_first"
        return f"utter_{intent}" if intent else "utter_feelings__more", "heard_first"
    if times % 2 == 0:
        return "utter_feelings__still", "heard_again"
    return ("utter_concern__story_more" if story else "utter_feelings__more"), "heard_again"


def told_with(turn: Turn) -> float:
    """How much of what the classifier guesses about a typed message is that somebody tells."""
    if turn.pressed:
        return 0.0
    told = (*HEARD, "support__partner")
    return sum(g["confidence"] for g in turn.ranking if g["name"].startswith(told))


def _times_heard(turn: Turn) -> int:
    """How often the person has told something in this part of the conversation."""
    times = since = 0
    for actions in turn.ran_before():
        heard = "action_hear" in actions
        times, since = times + heard, 0 if heard else since + 1
        if since > PATIENCE:
            break
    return times


class ActionNotUnderstood(Action):
    """When the assistant does not know what was meant.

    First the two best guesses; the second time running the main things and a person; then
    phone numbers and the page to book on. Inside a form: what kind of answer is needed. To somebody who is telling:
    listening, as a story need not be understood by a machine.
    """

    def name(self) -> str:
        return "action_not_understood"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: DomainDict) -> list[EventType]:
        turn = Turn(tracker)
        if turn.language_met:
            return []
        if turn.silent:
            return _nothing_said(dispatcher, turn)
        if _is_test(turn):
            return _tested(dispatcher, turn)
        if turn.loop:
            return missed(dispatcher, turn)
        telling = "action_hear" in next(turn.ran_before(), set())
        if (telling or told_with(turn) >= SURE) and not words.is_question(turn.typed):
            return await ActionHear().run(dispatcher, tracker, domain)
        if _APOLOGIES & turn.heard_last:
            _sorry_again(dispatcher, turn)
        else:
            _guess(dispatcher, turn)
        return []


def _nothing_said(dispatcher: CollectingDispatcher, turn: Turn) -> list[EventType]:
    """A lone question mark may mean that an answer was hard; dots are somebody who needs time."""
    if "?" in turn.typed and not turn.loop:
        response = turn.anew(["utter_question_mark", "utter_not_understood_again"], _APOLOGIES)
        names = ["simpler", "human"] if response == "utter_question_mark" else [*words.words("next")["main"], "human"]
        say(dispatcher, response, turn, turn.buttons(names))
    elif "?" in turn.typed:
        return missed(dispatcher, turn)
    else:
        response = turn.anew(["utter_silence", "utter_silence_again"])
        say(dispatcher, response, turn, None if turn.loop else turn.main_buttons)
    return []


class ActionDefaultFallback(ActionNotUnderstood):
    """The same, for the rare state that no rule knows."""

    def name(self) -> str:
        return "action_default_fallback"


def _sorry_again(dispatcher: CollectingDispatcher, turn: Turn) -> None:
    """Not the apology of the turn before, but more: the main things and a human, then numbers."""
    response = turn.anew(_NOT_UNDERSTOOD, _APOLOGIES)
    if response == _NOT_UNDERSTOOD[2]:
        directive = {"show": "contacts", "set": turn.contacts}
        say(dispatcher, response, turn, turn.buttons(["book", "human"]), directive)
        return
    say(dispatcher, response, turn, [*turn.main_buttons, turn.button("human")])


def _guess(dispatcher: CollectingDispatcher, turn: Turn) -> None:
    titles = words.words("titles")
    guesses = [r["name"] for r in turn.ranking if r["name"] in titles][:2]
    if not guesses:
        buttons = [*turn.main_buttons, turn.button("human")]
        say(dispatcher, "utter_no_guess", turn, buttons)
        return
    buttons = [{"title": titles[name][turn.lang], "payload": f"/{name}"} for name in guesses]
    say(dispatcher, "utter_guess", turn, [*buttons, *turn.buttons(["else", "human"])])


def missed(dispatcher: CollectingDispatcher, turn: Turn) -> list[EventType]:
    """An answer that did not fit the open question: say what would.

    The second time the ways out are offered as well, the third time numbers and the pages that
    need no chat: no question goes on for ever, and no apology comes twice running.
    """
    misses = (turn.slot("misses") or 0) + 1
    ways_out = turn.buttons(["human", "stop"])
    if misses >= 3 and misses % 2:
        directive = {"show": "contacts", "set": turn.contacts, "interruption": True}
        say(dispatcher, "utter_form_stuck", turn, ways_out, directive)
    elif misses >= 2:
        say(dispatcher, "utter_form_again", turn, ways_out)
    else:
        say(dispatcher, f"utter_retry__{turn.requested}", turn)
    return [SlotSet("misses", misses)]


class ActionAct(Action):
    """Yes, no, skip and their like, when no question of a form is answered by them."""

    def name(self) -> str:
        return "action_act"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: DomainDict) -> list[EventType]:
        turn = Turn(tracker)
        if turn.loop:
            if turn.requested == "words" and turn.intent == "affirm":
                return []
            return missed(dispatcher, turn)
        means = words.words("next")["yes_means"]
        meant = next((means[said] for said in turn.heard_last if said in means), None)
        if meant and turn.intent == "affirm":
            return [FollowupAction(YES_LEADS_TO[meant])]
        before = next(turn.ran_before(), set())
        if "action_hear" in before and turn.typed and not meant:
            if turn.intent in ("affirm", "deny"):
                offer = turn.buttons(words.words("next")["heard_again"])
                say(dispatcher, "utter_offer", turn, offer)
                return []
            # A short word to an open question: they are still telling.
            return await ActionHear().run(dispatcher, tracker, domain)
        known = ("affirm", "deny", "unsure", "skip")
        pair = (
            ("utter_okay", "utter_okay_again") if turn.intent in known else ("utter_nothing_open", "utter_okay_again")
        )
        say(dispatcher, turn.anew(pair), turn, turn.main_buttons)
        return []


class ActionSomethingElse(Action):
    """Asks to hear it in other words, with the main things at hand."""

    def name(self) -> str:
        return "action_something_else"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: DomainDict) -> list[EventType]:
        turn = Turn(tracker)
        if turn.loop:
            return missed(dispatcher, turn)
        say(dispatcher, "utter_something_else", turn, [*turn.main_buttons, turn.button("human")])
        return []


class ActionWhy(Action):
    """Says why the open question is asked."""

    def name(self) -> str:
        return "action_why"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: DomainDict) -> list[EventType]:
        turn = Turn(tracker)
        say(dispatcher, f"utter_why__{turn.requested}" if turn.requested else "utter_why", turn)
        return []


class ActionLanguage(Action):
    """Says which languages there are, or that the language has been changed."""

    def name(self) -> str:
        return "action_language"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: DomainDict) -> list[EventType]:
        turn = Turn(tracker)
        if turn.language_met:
            return []
        if "lang" in turn.entities:
            say(dispatcher, "utter_language_set", turn, None if turn.loop else turn.main_buttons)
        else:
            say(dispatcher, "utter_language", turn)
        return []


class ActionStop(Action):
    """Leaves the form at once and lets go of a time that was held. Asks nothing more."""

    def name(self) -> str:
        return "action_stop"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: DomainDict) -> list[EventType]:
        turn = Turn(tracker)
        if not turn.loop and told_with(turn) >= DOUBT:
            # "I can't go on with this" is no order when there is nothing to stop.
            return await ActionHear().run(dispatcher, tracker, domain)
        said = {
            "booking_form": "utter_booking_stopped",
            "concern_form": "utter_concern_stopped",
            "callback_form": "utter_callback_stopped",
            "reminder_form": "utter_reminder_none",
        }.get(turn.loop or "", "utter_stop")
        if turn.slot("time"):
            # Should it fail: the hold ends by itself within five minutes.
            with suppress(BackendDown, BackendRefused):
                await turn.backend.release()
        dispatcher.utter_message(response=said, buttons=turn.main_buttons)
        return forgotten()


BOOKING_SLOTS = [
    "time",
    "offered",
    "times_show",
    "times_query",
    "channel",
    "booking_ok",
    "booking_change",
    "changing",
    "has_talk",
]
CALLBACK_SLOTS = ["callback_reach", "callback_ok"]
REMINDER_SLOTS = ["remind", "remind_by", "remind_safe", "remind_to"]
CONTACT_SLOTS = ["phone", "call_ok", "others_answer", "if_other", "leave_message", "not_told"]
CONCERN_SLOTS = [
    "use_told",
    "words",
    "parts",
    "about",
    "now",
    "reach",
    "concern_ok",
    "concern_change",
    "changing",
    "warned",
]


def forgotten(*groups: list[str]) -> list[EventType]:
    """Empty the slots of the given groups, of all forms if none is given."""
    chosen = groups or (BOOKING_SLOTS, CALLBACK_SLOTS, REMINDER_SLOTS, CONTACT_SLOTS, CONCERN_SLOTS)
    names = dict.fromkeys(name for group in chosen for name in [*group, "misses"])
    return [SlotSet(name, None) for name in names]
