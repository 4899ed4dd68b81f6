"""Which messages the assistant did not understand, as far as its reply tells."""

from __future__ import annotations

from backend.chat.assistant import Reply
from backend.chat.repository import OpenChat
from backend.core.reader import Reader
from backend.improving.rules import Guess
from backend.improving.service import Missed

_UNSURE = "nlu_fallback"


def missed(chat: OpenChat, message_id: str, text: str | None, reply: Reply, reader: Reader) -> Missed | None:
    """A typed message that the assistant was not sure of, or None.

    Never what was written while a form was open, before or after: that is a concern, a
    telephone number or an answer about safety. Never what the assistant has noted as told:
    it was listened to, and may become somebody's concern.
    """
    forms = (chat.state.loop, reply.loop, reply.state.loop)
    told = reply.state.slots.get("told") or []
    if text is None or any(forms) or message_id in told:
        return None
    if reply.intent.name != _UNSURE and not _asks_which(reply):
        return None
    ranking = [Guess(guess.name, guess.confidence) for guess in reply.ranking if guess.name]
    return Missed(message_id, text, reader, ranking)


def _asks_which(reply: Reply) -> bool:
    """Whether something said offers the two best guesses, in their order, and asks which was meant."""
    best = [f"/{guess.name}" for guess in reply.ranking[:2]]
    return len(best) == 2 and any([button.payload for button in said.buttons[:2]] == best for said in reply.messages)
