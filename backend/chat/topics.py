"""What the assistant took a message for, in the words of the API."""

from __future__ import annotations

TOPICS = frozenset(
    {
        "emergency", "safety_check", "map", "booking", "booking_manage", "concern", "rights", "addiction",
        "support", "roles", "placement", "feelings", "about_bot", "smalltalk", "language", "out_of_scope",
    }
)  # fmt: skip
"""The topics of the chat API."""

_UNSURE = "nlu_fallback"
_OF_LOOP = {
    "booking_form": "booking",
    "concern_form": "concern",
    "callback_form": "booking",
    "reminder_form": "booking_manage",
}
_OF_ACT = {"human": "booking", "callback": "booking", "own": "booking_manage", "start": "about_bot", "set_reader": "smalltalk", "affirm": "smalltalk", "deny": "smalltalk", "stop": "smalltalk", "skip": "smalltalk"}  # fmt: skip


def topic_of(intent: str | None, loop: str | None, best_guess: str | None = None) -> str:
    """The topic of an intent named ``<topic>`` or ``<topic>__<detail>``.

    When the assistant was unsure and asks which of its guesses was meant, the topic
    is that of the ``best_guess``.

    A dialogue act such as yes, no or a chosen time has the topic of the form it
    stands in. What is understood as nothing is ``out_of_scope``.
    """
    if intent == _UNSURE and loop is None:
        intent = best_guess
    name = (intent or "").partition("__")[0]
    if name in TOPICS:
        return name
    return _OF_LOOP.get(loop or "") or _OF_ACT.get(name, "out_of_scope")
