"""A stand-in for Rasa's channel that speaks every kind of message on demand.

The words that a test types choose what it says. Times, holds and bookings go through
the backend's own internal door, so what the page shows of them is real.
"""

from __future__ import annotations

import json
import threading
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

READERS = {
    "child_6_9": ("child", "6-9", "Barn 6–9 år"),
    "child_10_12": ("child", "10-12", "Barn 10–12 år"),
    "child_13_17": ("child", "13-17", "Ung 13–17 år"),
    "partner": ("partner", "adult", "Partner eller anhörig"),
    "parent": ("parent", "parent", "Förälder som dricker eller tar droger"),
    "adult": ("adult", "adult", "Annan vuxen"),
    "professional": ("professional", "adult", "Jag jobbar med barn"),
}


class Scripted:
    """``up`` can be switched off: the probe and every turn then fail. ``seconds`` is how long a turn takes."""

    def __init__(self, internal_token: str) -> None:
        self.up = True
        self.seconds = 0.0
        self.backend = ""
        self.forgotten: list[str] = []
        self._token = internal_token
        scripted = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self._send(200 if scripted.up else 503, {"ready": scripted.up})

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                if not scripted.up:
                    self._send(503, {})
                elif self.path.endswith("/forget"):
                    scripted.forgotten.append(body["conversation"])
                    self._send(204, None)
                else:
                    time.sleep(scripted.seconds)
                    self._send(200, scripted.answer(body))

            def _send(self, status: int, body: Any) -> None:
                sent = b"" if body is None else json.dumps(body).encode()
                self.send_response(status)
                self.send_header("content-length", str(len(sent)))
                self.end_headers()
                self.wfile.write(sent)

            def log_message(self, *_: Any) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def stop(self) -> None:
        """Free the port."""
        self._server.shutdown()
        self._server.server_close()

    def answer(self, turn: dict[str, Any]) -> dict[str, Any]:
        """The reply to a turn, in the channel's shape."""
        slots = dict((turn.get("state") or {}).get("slots") or {})
        messages = self._command(turn, slots) if turn.get("command") else self._text(turn)
        return {
            "messages": messages,
            "intent": {"name": "smalltalk__greet", "confidence": 0.9},
            "ranking": [],
            "loop": None,
            "requested": None,
            "state": {"slots": slots, "loop": None, "requested": None},
        }

    def _command(self, turn: dict[str, Any], slots: dict[str, Any]) -> list[dict[str, Any]]:
        intent, entities = turn["command"]["intent"], turn["command"]["entities"]
        if intent == "start":
            buttons = [
                {"title": title, "payload": "/set_reader" + json.dumps({"reader": key})}
                for key, (_, _, title) in READERS.items()
            ]
            return [
                {"text": "Hej! Jag är en chattrobot, inte en människa. Jag kan svara på frågor om soc, boka en tid åt dig "
                         "och hjälpa dig att skriva om en oro. Du behöver inte säga vad du heter."},
                {"text": "Vem är det som skriver? Välj om du vill. Då kan jag svara på ett sätt som passar dig.",
                 "buttons": [*buttons, {"title": "Hoppa över", "payload": '/set_reader{"reader": "skip"}'}]},
            ]  # fmt: skip
        if intent == "set_reader":
            who, band, _ = READERS.get(entities["reader"], (None, None, ""))
            slots |= {"who": who, "band": band}
            return [{"text": "Tack. Vad vill du göra?", "buttons": [
                {"title": "Boka en tid", "payload": "/booking"},
                {"title": "Hur går det till hos soc?", "payload": "/map"},
                {"title": "Berätta om en oro", "payload": "/concern"},
            ]}]  # fmt: skip
        if intent == "map":
            return [{"custom": {"show": "map", "station": entities.get("station")}}]
        if intent == "booking":
            times = self._ask(turn, "times", {})
            return [{"custom": {"show": "times", "times": times["times"], "more": times["more"]}}]
        if intent == "choose_time":
            held = self._ask(turn, "holds", {"slot": entities["slot"]})
            rows = {"when": held["label"], "how": "chat", "who": held["therapist"]}
            return [{"custom": {"show": "summary", "of": "booking", "rows": rows}, "buttons": [
                {"title": "Ja, boka", "payload": "/affirm"}, {"title": "Avbryt", "payload": "/stop"},
            ]}]  # fmt: skip
        if intent == "affirm":
            booked = self._ask(turn, "bookings", {"channel": "chat"})
            return [{"custom": {"show": "code", "receipt": booked["receipt"], "of": "booking"}}]
        return [{"text": "Okej."}]

    def _text(self, turn: dict[str, Any]) -> list[dict[str, Any]]:
        text = turn["text"].lower()
        if "varför frågar" in text:
            return [
                {"text": "Jag frågar för att den du ska prata med ska kunna nå dig på ett tryggt sätt.", "custom": {"interruption": True}},
                {"text": "Kan vi ringa dig?", "buttons": [{"title": "Ja", "payload": "/affirm"}, {"title": "Nej", "payload": "/deny"}]},
            ]  # fmt: skip
        if "utredning" in text:
            return [{"custom": {"show": "map", "station": "S08"}}]
        if "vägen" in text:
            return [{"custom": {"show": "map", "station": None}}]
        if "nummer" in text:
            return [{"custom": {"show": "contacts", "set": "teen"}}]
        if "berätta" in text:
            return [{"custom": {"show": "consent", "of": "concern"}}, {"text": "Vad har hänt? Skriv med egna ord."}]
        if "klart" in text:
            return [{"custom": {"show": "summary", "of": "concern", "parts": [turn["message"]], "about": "me", "now": "no", "reach": "code"},
                     "buttons": [{"title": "Skicka", "payload": "/affirm"}, {"title": "Ändra", "payload": "/deny"}]}]  # fmt: skip
        if "boka" in text:
            return self._command({**turn, "command": {"intent": "booking", "entities": {}}}, {})
        return [
            {
                "text": "Jag läser det du skriver. Vad vill du göra nu?",
                "buttons": [{"title": "Boka en tid", "payload": "/booking"}],
            }
        ]

    def _ask(self, turn: dict[str, Any], name: str, body: dict[str, Any]) -> dict[str, Any]:
        request = urllib.request.Request(
            f"{self.backend}/internal/{name}",
            json.dumps(body).encode(),
            {
                "Authorization": f"Bearer {self._token}",
                "X-Turn": turn["turn"],
                "Idempotency-Key": f"{turn['turn']}.{name}",
                "Content-Type": "application/json",
            },
        )
        with urllib.request.urlopen(request, timeout=5) as response:
            return json.load(response)  # type: ignore[no-any-return]
