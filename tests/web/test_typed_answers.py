"""Promise: whoever is asked whether they are in danger now can type the answer, and is helped as if a button were pressed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conftest import make_settings
from tests.people import seed_example_staff
from tests.web.neighbour import Neighbour
from tests.web.serving import Served, serve

TOLD = "pappa slog mig igår"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    settings = make_settings(tmp_path_factory.mktemp("typed"))
    with serve(settings, seed=lambda database: seed_example_staff(database, settings)) as served:
        yield served


@pytest.fixture
def in_a_form(tmp_path: Path) -> Iterator[httpx.Client]:
    """A chat in which it has just been asked, and after that a form has asked something of its own."""
    neighbour = Neighbour()
    settings = make_settings(tmp_path, rasa_url=neighbour.url)
    with serve(settings, seed=lambda database: seed_example_staff(database, settings)) as served:
        served.until_assistant_is_up()
        chat = served.as_chat(served.client.post("/api/chats").json()["chat"])
        neighbour.loop = "booking_form"
        said(chat, "boka")
        assert ["safety_check", "text"] == [one["kind"] for one in said(chat, TOLD)]
        yield chat
    neighbour.server.shutdown()


@pytest.fixture
def asked(served: Served) -> httpx.Client:
    """A chat in which it has just been asked."""
    chat = served.as_chat(served.client.post("/api/chats", json={"who": "child_10_12"}).json()["chat"])
    assert "safety_check" == said(chat, TOLD)[-1]["kind"]
    return chat


def said(chat: httpx.Client, text: str) -> list[dict[str, Any]]:
    answer = chat.post("/api/chats/messages", json={"text": text})
    assert answer.status_code == 200, answer.text
    return [one for one in answer.json()["messages"] if one["author"] != "visitor"]


@pytest.mark.parametrize("answer", ["ja", "Ja.", "JA JUST NU!", "yes", "vet inte"])
def test_yes_and_not_sure_are_danger_now(asked: httpx.Client, answer: str) -> None:
    """112 first."""
    (help_now,) = said(asked, answer)
    assert "emergency" == help_now["kind"] and "112" in help_now["text"]


def test_no_is_believed(asked: httpx.Client) -> None:
    """With the ways on."""
    (calm,) = said(asked, "nej")
    assert "Okej, bra att veta." in calm["text"] and calm["choices"]


def test_danger_now_is_heard_in_the_middle_of_a_form(in_a_form: httpx.Client) -> None:
    """A yes is the answer about danger, though a form has put its own question after that one."""
    assert "emergency" == said(in_a_form, "ja")[0]["kind"]


def test_a_no_in_the_middle_of_a_form_is_the_form_s(in_a_form: httpx.Client) -> None:
    """It stands last."""
    assert ["text"] == [one["kind"] for one in said(in_a_form, "nej")]


@pytest.mark.parametrize("answer", ["ja han slår mig nu", "nej men han kommer snart hem och då slår han mig"])
def test_more_than_that_is_read_as_it_stands(asked: httpx.Client, answer: str) -> None:
    """A no with danger beside it is no plain no."""
    assert "Okej, bra att veta." not in "".join(one["text"] for one in said(asked, answer))
    assert {"emergency", "safety_check"} & {one["kind"] for one in said(asked, answer)}
