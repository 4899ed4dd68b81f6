"""An action that fails with a person's words in its exception."""

from rasa_sdk import Action


class Failing(Action):
    def name(self) -> str:
        return "action_failing"

    async def run(self, dispatcher, tracker, domain):
        raise ValueError(tracker.latest_message["text"])
