"""Answers that say their names, so that the backend can give an editor's words in their place."""

from __future__ import annotations

from typing import Any

from rasa.core.nlg import TemplatedNaturalLanguageGenerator
from rasa.shared.core.domain import Domain
from rasa.shared.core.trackers import DialogueStateTracker


class NamedAnswers(TemplatedNaturalLanguageGenerator):
    """Rasa's own choice among a response's variations; with each goes the response's name.

    Rasa notes it for what it says by itself and not for what an action has it say.
    """

    def __init__(self, endpoint_config: Any, domain: Domain) -> None:
        super().__init__(domain.responses)

    async def generate(
        self, utter_action: str, tracker: DialogueStateTracker, output_channel: str, **kwargs: Any
    ) -> dict[str, Any] | None:
        """See the base class."""
        response = await super().generate(utter_action, tracker, output_channel, **kwargs)
        return None if response is None else {**response, "utter_action": utter_action}
