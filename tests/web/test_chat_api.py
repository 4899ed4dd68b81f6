"""Promise: whatever the assistant does, a child who writes is helped, nothing is lost, and a bad request gets a kind answer."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conftest import make_settings
from tests.web.neighbour import Neighbour
from tests.web.serving import Served, serve

INVISIBLE = "\u200b\u202e\x00"


@pytest.fixture(scope="module")
def the_neighbour() -> Iterator[Neighbour]:
    one = Neighbour()
    yield one
    one.server.shutdown()


@pytest.fixture
def neighbour(the_neighbour: Neighbour) -> Neighbour:
    the_neighbour.mode = "echo"
    the_neighbour.turns.clear()
    the_neighbour.forgotten.clear()
    return the_neighbour


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("chat")


@pytest.fixture(scope="module")
def the_server(folder: Path, the_neighbour: Neighbour) -> Iterator[Served]:
    with serve(make_settings(folder, rasa_url=the_neighbour.url, rasa_deadline=0.5)) as running:
        yield running


@pytest.fixture
def served(the_server: Served, neighbour: Neighbour) -> Served:
    the_server.until_assistant_is_up()
    return the_server


def started(served: Served) -> tuple[httpx.Client, dict[str, Any]]:
    begun = served.client.post("/api/chats").json()
    return served.as_chat(begun["chat"]), begun


def say(client: httpx.Client, text: str, **headers: str) -> dict[str, Any]:
    response = client.post("/api/chats/messages", json={"text": text}, headers=headers)
    assert response.status_code == 200, response.text
    return response.json()  # type: ignore[no-any-return]


def test_a_chat_starts_with_a_greeting_and_an_id_that_nobody_can_guess(served: Served) -> None:
    """201, an opaque id of at least 256 bits, a first message and the mode."""
    response = served.client.post("/api/chats", json={"lang": "sv", "who": "child_10_12"})
    assert response.status_code == 201
    body = response.json()
    assert len(body["chat"]) >= 43
    assert body["mode"] == "assistant"
    assert body["messages"][0]["kind"] == "text"
    assert "set-cookie" not in response.headers


def test_choices_are_ids_and_the_assistants_commands_stay_inside(served: Served, neighbour: Neighbour) -> None:
    """A client sees titles and ids; the backend turns the id into the command."""
    client, begun = started(served)
    answer = say(client, "hej")
    choice = answer["messages"][0]["choices"][0]
    assert set(choice) == {"id", "title"}
    assert "map" not in json.dumps(answer["messages"][0]["choices"])
    client.post("/api/chats/messages", json={"choice": choice["id"]})
    assert neighbour.turns[-1]["command"] == {"intent": "map", "entities": {"station": "S08"}}
    assert begun["chat"] not in json.dumps(neighbour.turns)


@pytest.mark.parametrize(
    "text",
    ["/restart", "\t/restart", "\u00a0/restart", "\u2003/boka", "\x1c/restart", "\x85/restart", "\n/restart", "／restart",
     '/boka@0.3{"namn": "x"}; drop', '/set_reader{"reader": "parent"}', "  \u200b/restart"],
)  # fmt: skip
def test_typed_text_is_never_a_command(served: Served, neighbour: Neighbour, text: str) -> None:
    """Whatever a message begins with, it reaches the assistant as text."""
    client, _ = started(served)
    say(client, text)
    assert "command" not in neighbour.turns[-1]
    assert "text" in neighbour.turns[-1]


def test_a_choice_of_another_chat_is_unknown(served: Served) -> None:
    """An id works only where it was offered."""
    first, _ = started(served)
    second, _ = started(served)
    choice = say(first, "hej")["messages"][0]["choices"][0]["id"]
    response = second.post("/api/chats/messages", json={"choice": choice})
    assert response.status_code == 422
    assert response.json()["error"]["code"] == "unknown_choice"


@pytest.mark.parametrize("mode", ["down", "slow", "error", "garbage", "huge", "silent"])
def test_danger_is_answered_whatever_the_assistant_does(served: Served, neighbour: Neighbour, mode: str) -> None:
    """With a dead, slow, silent or raving assistant the card with 112 and Bris comes all the same."""
    client, _ = started(served)
    neighbour.mode = mode
    message = say(client, "pappa slår mamma nu")["messages"][0]
    assert message["kind"] == "emergency"
    assert message["topic"] == "emergency"
    assert [line["number"] for line in message["card"]["lines"]][:2] == ["112", "116 111"]
    assert any("menade annat" in choice["title"] for choice in message["choices"])


@pytest.mark.parametrize("mode", ["slow", "error", "garbage", "huge", "silent"])
def test_a_failing_assistant_is_told_of_kindly_and_what_was_written_is_answered_later(
    served: Served, neighbour: Neighbour, mode: str
) -> None:
    """Limited mode within the deadline, ways on that work without the assistant, and the answer when it is back."""
    client, _ = started(served)
    neighbour.mode = mode
    answer = say(client, "vad gör soc egentligen")
    assert answer["mode"] == "limited"
    assert {link["url"] for link in answer["messages"][-1]["card"]["links"]} == {"/boka", "/skriv"}
    assert answer["messages"][-1]["card"]["lines"]
    neighbour.mode = "echo"
    served.until(lambda: client.get("/api/chats").json()["mode"] == "assistant")
    texts = [message["text"] for message in client.get("/api/chats").json()["messages"]]
    assert texts.count("hörde: vad gör soc egentligen") == 1


def test_a_message_before_the_assistant_has_started_is_not_lost(tmp_path: Path, neighbour: Neighbour) -> None:
    """The very first words, written while the assistant is starting, get their answer by themselves."""
    neighbour.mode = "down"
    with serve(make_settings(tmp_path, rasa_url=neighbour.url)) as served:
        client, begun = started(served)
        assert begun["mode"] == "limited"
        say(client, "hej är nån där")
        neighbour.mode = "echo"
        served.until(lambda: client.get("/api/chats").json()["mode"] == "assistant")
        texts = [message["text"] for message in client.get("/api/chats").json()["messages"]]
        assert "hörde: hej är nån där" in texts


def test_the_same_key_gives_the_same_answer_and_happens_once(served: Served, neighbour: Neighbour) -> None:
    """A retry after a lost connection neither repeats nor loses; another body under the key is refused."""
    client, _ = started(served)
    first = say(client, "hej", **{"Idempotency-Key": "k1"})
    turns = len(neighbour.turns)
    assert say(client, "hej", **{"Idempotency-Key": "k1"}) == first
    assert len(neighbour.turns) == turns
    other = client.post("/api/chats/messages", json={"text": "annat"}, headers={"Idempotency-Key": "k1"})
    assert other.status_code == 422


def test_fifty_sends_at_once_with_one_key_are_one_message(served: Served) -> None:
    """However often an impatient page retries, the person has said it once."""
    client, _ = started(served)

    def once() -> None:
        client.post("/api/chats/messages", json={"text": "hej"}, headers={"Idempotency-Key": "storm"})

    threads = [threading.Thread(target=once) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    mine = [m for m in client.get("/api/chats").json()["messages"] if m["author"] == "visitor"]
    assert len(mine) == 1


def test_ending_wipes_here_and_in_the_assistant(served: Served, neighbour: Neighbour, folder: Path) -> None:
    """After DELETE the id opens nothing, the assistant was told to forget, and no sealed row is left."""
    client, _ = started(served)
    say(client, "kanariefågel")
    assert client.delete("/api/chats").status_code == 204
    assert client.get("/api/chats").status_code == 404
    assert client.post("/api/chats/messages", json={"text": "x"}).json()["error"]["code"] == "chat_expired"
    assert len(neighbour.forgotten) == 1
    assert "kanariefågel".encode() not in (folder / "koll.db").read_bytes()


def test_taking_the_person_at_their_word(served: Served, neighbour: Neighbour) -> None:
    """ "Nej, jag menade annat" is believed, remembered, and the message gets its ordinary answer."""
    client, _ = started(served)
    card = say(client, "pappa slår mamma nu")["messages"][0]
    mistaken = next(choice for choice in card["choices"] if "menade annat" in choice["title"])
    answer = client.post("/api/chats/messages", json={"choice": mistaken["id"]}).json()
    assert "hörde: pappa slår mamma nu" in [message["text"] for message in answer["messages"]]
    assert say(client, "pappa slår mamma nu")["messages"][0]["kind"] != "emergency"


def test_danger_told_in_pieces_is_found(served: Served) -> None:
    """Three short messages that together mean danger are read together."""
    client, _ = started(served)
    kinds = []
    for piece in ("pappa", "slår", "mamma nu"):
        kinds += [message["kind"] for message in say(client, piece)["messages"]]
    assert "emergency" in kinds or "safety_check" in kinds


BAD_BODIES = [
    b"", b"{", b"[]", b"null", b'"text"', b'{"text": 3}', b'{"text": "a", "choice": "b"}', b"{}", b'{"text": null}',
    b'{"text": ""}', b'{"text": "   "}', b'{"text": "\\u0000\\u0000"}', b'{"text": "\\u200b\\u202e"}', b'{"unknown": 1}',
    json.dumps({"text": "x" * 20_000}).encode(), json.dumps({"choice": "no.1"}).encode(), b'{"choice": ""}',
    b"[" * 900, b"\xff\xfe\x00", json.dumps({"choice": "\x00' OR 1=1"}).encode(),
]  # fmt: skip


@pytest.mark.parametrize("body", BAD_BODIES, ids=range(len(BAD_BODIES)))
def test_a_bad_request_gets_a_kind_answer(served: Served, body: bytes) -> None:
    """4xx with a code and a sentence, never a 5xx or a trace."""
    client, _ = started(served)
    response = client.post("/api/chats/messages", content=body)
    assert 400 <= response.status_code < 500
    error = response.json()["error"]
    assert error["code"] and error["message"]
    assert "Traceback" not in response.text


GOOD_TEXTS = [
    "\ud83d\ude22" * 3000, "a\u0301\u0301\u0301\u0301\u0301\u0301\u0301\u0301\u0301\u0301\u0301", "\u202eabc", "a\x00b",
    "😀" * 10_000, "مرحبا", "<script>alert(1)</script>", "'; DROP TABLE chat;--", "{{7*7}}", "{0.__class__}", "%s%n",
]  # fmt: skip


@pytest.mark.parametrize("text", GOOD_TEXTS, ids=range(len(GOOD_TEXTS)))
def test_strange_texts_are_texts(served: Served, text: str) -> None:
    """Emoji floods, other scripts, markup and quotes are taken as what somebody wrote."""
    client, _ = started(served)
    body = json.dumps({"text": text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")})
    response = client.post("/api/chats/messages", content=body)
    assert response.status_code == 200, response.text


def test_a_lone_surrogate_breaks_nothing(served: Served) -> None:
    """Half an emoji, which JSON allows and databases do not."""
    client, _ = started(served)
    assert client.post("/api/chats/messages", content=b'{"text": "hej \\ud83d"}').status_code == 200


def test_danger_in_a_message_that_is_too_long_is_still_answered(served: Served) -> None:
    """The text is refused and stays with the person; the help is shown all the same."""
    client, _ = started(served)
    text = "det var en gång " * 1500 + "pappa slår mamma nu"
    response = client.post("/api/chats/messages", json={"text": text})
    assert response.status_code == 422
    assert response.json()["messages"][0]["kind"] == "emergency"


def test_a_flood_is_slowed_with_numbers_to_call(served: Served) -> None:
    """Past the limit a chat gets 429 and a sentence with 112 and Bris, and danger is still seen."""
    client, _ = started(served)
    for number in range(40):
        client.post("/api/chats/messages", json={"text": f"hej {number}"})
    response = client.post("/api/chats/messages", json={"text": "pappa slår mamma nu"})
    assert response.status_code == 429
    assert "116 111" in response.json()["error"]["message"]
    assert response.json()["messages"][0]["kind"] == "emergency"


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer nope"}, {"Authorization": "Basic eDp5"}])
def test_without_the_right_id_there_is_no_chat(served: Served, headers: dict[str, str]) -> None:
    """One answer for no id, a wrong id and another scheme."""
    response = served.client.get("/api/chats", headers=headers)
    assert response.status_code == 404
    assert response.json()["error"]["code"] == "chat_expired"


@pytest.mark.parametrize("path", ["times", "holds", "contact", "bookings", "release", "concerns"])
def test_the_internal_door_is_shut(served: Served, path: str) -> None:
    """Without both tokens, or with a turn that nobody waits for, the answer is that of a page that does not exist."""
    token = {"Authorization": "Bearer " + "i" * 40}
    for headers in ({}, {"Authorization": "Bearer x"}, token, {**token, "X-Turn": "forged"}):
        response = served.client.post(
            f"/internal/{path}", json={"slot": "x", "message": "x", "channel": "chat", "parts": []}, headers=headers
        )
        assert response.status_code == 404


def test_the_api_describes_itself(served: Served) -> None:
    """OpenAPI at /docs, with the chat operations and without the internal ones."""
    spec = served.client.get("/docs/openapi.json").json()
    assert {"/api/chats", "/api/chats/messages"} <= {path.rstrip("/") for path in spec["paths"]}
    assert not any("internal" in path for path in spec["paths"])
    assert served.client.get("/docs").status_code == 200


def test_no_text_reaches_the_logs(served: Served, capfd: pytest.CaptureFixture[str]) -> None:
    """A canary sent in every way, refused ones included, is in no output."""
    client, _ = started(served)
    for body in (
        {"text": "kanariefågel"},
        {"text": "/kanariefågel"},
        {"text": "kanariefågel" * 3000},
        {"choice": "kanariefågel"},
    ):
        client.post("/api/chats/messages", json=body)
    client.post("/api/chats/messages", content="kanariefågel{".encode())
    served.client.get("/kanariefågel")
    output = capfd.readouterr()
    assert "kanariefågel" not in output.out + output.err


@pytest.mark.parametrize(
    "who", [None, "child_6_9", "child_13_17", "partner", "parent", "adult", "professional", "child", "10-12"]
)
def test_a_client_may_say_who_is_writing(served: Served, neighbour: Neighbour, who: str | None) -> None:
    """Role and age, or what is known of them, reach the assistant; an unknown word is refused with the field named."""
    response = served.client.post("/api/chats", json={"who": who, "lang": "en"})
    assert response.status_code == 201
    assert neighbour.turns[-1]["state"]["slots"]["lang"] == "en"
    refused = served.client.post("/api/chats", json={"who": "somebody"})
    assert refused.status_code == 422
    assert refused.json()["field"] == "who"
