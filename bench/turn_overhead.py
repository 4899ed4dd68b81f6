"""What the backend adds to a turn: 200 scripted Swedish messages through it, against Rasa asked directly.

Through the backend a message is stored encrypted, searched for danger, sent to Rasa with
the chat's state, and the answer is stored before it is shown. The reference is the same
words to Rasa's own REST channel. The two take turns, conversation by conversation.
"""

from __future__ import annotations

import secrets
import statistics
import time

import httpx

from bench import servers
from bench.common import Report, percentile
from scripts.steps import ROOT

MESSAGES = [
    "hej",
    "vem är du",
    "jag är 11 år",
    "vad händer när man ringer soc",
    "vad är en utredning",
    "är det mitt fel att mamma dricker",
    "varför dricker pappa så mycket",
    "får mina föräldrar veta vad jag skriver",
    "har ni tystnadsplikt",
    "vem är socialsekreteraren",
    "vad gör en familjebehandlare",
    "måste jag flytta hemifrån",
    "jag känner mig ensam",
    "jag är arg på pappa",
    "finns det någon grupp för barn som har det så här",
    "vad kan min kompis göra",
    "vad får man för hjälp",
    "hur länge tar det",
    "kan mamma bli frisk",
    "tack så mycket",
]
"""Nothing that means danger (the backend answers that alone) and nothing that starts a form."""
CONVERSATIONS = 10


class Backend:
    """The public API, as the chat page uses it."""

    name = "backend"

    def __init__(self, url: str) -> None:
        self._client = httpx.Client(base_url=url, timeout=10, trust_env=False)
        self._chat = ""

    def begin(self) -> None:
        """Start a new conversation."""
        answer = self._client.post("/api/chats", json={"lang": "sv", "who": "child_10_12"})
        answer.raise_for_status()
        self._chat = answer.json()["chat"]

    def say(self, text: str) -> None:
        """One turn; raises `RuntimeError` if it was not the assistant that answered."""
        answer = self._client.post(
            "/api/chats/messages", json={"text": text}, headers={"Authorization": f"Bearer {self._chat}"}
        )
        body = answer.json()
        if answer.status_code != 200 or body["mode"] != "assistant" or not body["messages"]:
            raise RuntimeError(f"not answered by the assistant: {answer.status_code}")


class Rasa:
    """Rasa's REST channel, open in this benchmark only."""

    name = "rasa"

    def __init__(self, url: str) -> None:
        self._client = httpx.Client(base_url=url, timeout=10, trust_env=False)
        self._sender = ""

    def begin(self) -> None:
        """Start a new conversation, with the same greeting turn as the backend makes."""
        self._sender = secrets.token_urlsafe(16)
        self.say('/start{"reader": "child_10_12"}')

    def say(self, text: str) -> None:
        """One turn; raises `RuntimeError` for an empty answer."""
        answer = self._client.post("/webhooks/rest/webhook", json={"sender": self._sender, "message": text})
        if answer.status_code != 200 or not answer.json():
            raise RuntimeError(f"no answer: {answer.status_code}")


def conversation(side: Backend | Rasa) -> list[float]:
    """Seconds of each turn of one conversation."""
    side.begin()
    seconds = []
    for text in MESSAGES:
        began = time.perf_counter()
        side.say(text)
        seconds.append(time.perf_counter() - began)
    return seconds


def main() -> None:
    """Start everything, warm it up, measure and report."""
    with servers.scratch() as directory:
        env = servers.settings(directory)
        servers.migrate(env)
        with servers.all_three(env, ROOT / "rasa" / "credentials.bench.yml") as where:
            direct, through = Rasa(where.rasa_url), Backend(where.backend_url)
            conversation(direct)
            conversation(through)
            rounds = [(conversation(direct), conversation(through)) for _ in range(CONVERSATIONS)]
    reference = [statistics.median(seconds) * 1000 for seconds, _ in rounds]
    added = [statistics.median(ours) * 1000 - bare for (_, ours), bare in zip(rounds, reference, strict=True)]
    direct_all = [second * 1000 for seconds, _ in rounds for second in seconds]
    through_all = [second * 1000 for _, seconds in rounds for second in seconds]
    report = Report("turn_overhead", reference)
    report.at_most("added to the median turn", added, 10, "ms")
    report.at_most(
        "... as a share of Rasa's own", [more / bare for more, bare in zip(added, reference, strict=True)], 0.15
    )
    report.at_most("added to the 99th percentile", [percentile(through_all, 99) - percentile(direct_all, 99)], 40, "ms")
    report.told("a turn through the backend", [statistics.median(ours) * 1000 for _, ours in rounds], "ms")
    report.told("a turn directly at Rasa", reference, "ms")
    report.notes.append(f"{len(through_all)} turns each way, every one answered by the assistant")
    report.finish()


if __name__ == "__main__":
    main()
