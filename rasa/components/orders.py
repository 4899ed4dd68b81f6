"""What is taken at its word, whatever the classifier thinks of it.

A wish for a human, also in anger, among swearing or after the robot has failed: met at once,
always, is a promise, and a promise is a rule that can be read. And a message without a letter,
a number or a picture ("...", "?"): it says nothing, and no classifier should find something in it.
"""

from __future__ import annotations

from typing import Any

from rasa.engine.graph import ExecutionContext, GraphComponent
from rasa.engine.recipes.default_recipe import DefaultV1Recipe
from rasa.engine.storage.resource import Resource
from rasa.engine.storage.storage import ModelStorage
from rasa.shared.constants import DEFAULT_NLU_FALLBACK_INTENT_NAME
from rasa.shared.nlu.constants import INTENT, INTENT_NAME_KEY, INTENT_RANKING_KEY, PREDICTED_CONFIDENCE_KEY, TEXT
from rasa.shared.nlu.training_data.message import Message

from components.plain import HUMAN, says_nothing, wants_human

CERTAIN = 0.99
"""Below 1, which is kept for pressed buttons."""


@DefaultV1Recipe.register(DefaultV1Recipe.ComponentType.INTENT_CLASSIFIER, is_trainable=False)
class PlainOrders(GraphComponent):
    """Sets the intent of a message that is an order in plain words, or that says nothing."""

    @classmethod
    def create(
        cls,
        config: dict[str, Any],
        model_storage: ModelStorage,
        resource: Resource,
        execution_context: ExecutionContext,
    ) -> PlainOrders:
        """The component; it learns nothing."""
        return cls()

    def process(self, messages: list[Message]) -> list[Message]:
        """Correct the intent where the words leave no doubt."""
        for message in messages:
            text = message.get(TEXT) or ""
            ranking = message.get(INTENT_RANKING_KEY) or []
            names = {ranked[INTENT_NAME_KEY] for ranked in ranking}
            if says_nothing(text):
                self._set(message, DEFAULT_NLU_FALLBACK_INTENT_NAME, [])
            elif HUMAN in names and wants_human(text):
                self._set(message, HUMAN, [ranked for ranked in ranking if ranked[INTENT_NAME_KEY] != HUMAN])
        return messages

    @staticmethod
    def _set(message: Message, name: str, others: list[dict[str, Any]]) -> None:
        intent = {INTENT_NAME_KEY: name, PREDICTED_CONFIDENCE_KEY: CERTAIN}
        message.set(INTENT, intent, add_to_output=True)
        message.set(INTENT_RANKING_KEY, [intent, *others], add_to_output=True)
