"""Promise: six words bring somebody back to their time, on a page that needs no script and tells a guesser nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from backend.app import build_house
from backend.booking.service import BookingDesk, Confirmed, Details
from tests.conftest import ManualClock, make_settings
from tests.people import seed_example_staff
from tests.web.serving import Served, serve


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Served, Path]]:
    folder = tmp_path_factory.mktemp("return")
    settings = make_settings(folder)
    with serve(settings, clock=ManualClock(), seed=lambda database: seed_example_staff(database, settings)) as served:
        yield served, folder


def booked(folder: Path, holder: str, channel: str) -> Confirmed:
    """A booking made beside the server, on the same database."""
    house = build_house(make_settings(folder), clock=ManualClock())
    desk = BookingDesk(house)

    async def book() -> Confirmed:
        offer = await desk.offer(channel)
        await desk.hold(holder, offer.times[0].slot)
        return await desk.confirm(holder, Details(channel))

    try:
        return asyncio.run(book())
    finally:
        house.codes.close()
        house.db.close()


def test_the_words_show_the_time_and_cancel_it(place: tuple[Served, Path]) -> None:
    """Time, way and first name; one press cancels, and the words then say so."""
    served, folder = place
    talk = booked(folder, "form:a", "chat")
    shown = served.client.post("/min-tid", data={"words": str(talk.words).upper()})
    assert shown.status_code == 200
    assert talk.therapist in shown.text
    assert "video.exempelby" not in shown.text
    cancelled = served.client.post("/min-tid", data={"words": talk.words, "cancel": "1"})
    assert "avbokad" in cancelled.text
    assert "redan avbokad" in served.client.post("/min-tid", data={"words": talk.words}).text


def test_a_video_talk_shows_its_room_until_it_is_cancelled(place: tuple[Served, Path]) -> None:
    """Whoever has the code can join, and nobody can once the time is cancelled."""
    served, folder = place
    talk = booked(folder, "form:b", "video")
    assert "https://video.exempelby.example/rum/" in served.client.post("/min-tid", data={"words": talk.words}).text
    served.client.post("/min-tid", data={"words": talk.words, "cancel": "1"})
    assert "video.exempelby" not in served.client.post("/min-tid", data={"words": talk.words}).text


def test_danger_written_where_a_code_belongs_is_met_with_help(place: tuple[Served, Path]) -> None:
    """The field takes six words, and a child may write anything."""
    served, _ = place
    answer = served.client.post("/min-tid", data={"words": "pappa slår mamma nu"})
    assert answer.status_code == 404
    assert "tel:112" in answer.text
    assert "116 111" in answer.text


def test_guesses_get_one_answer_and_an_end(place: tuple[Served, Path]) -> None:
    """Wrong, short and empty are the same; after a few misses the door is shut, for the right words too."""
    served, folder = place
    talk = booked(folder, "form:c", "chat")
    first = served.client.post("/min-tid", data={"words": "skura tallrik spela salvia vallgrav gullig"})
    assert first.status_code == 404
    for _ in range(6):
        last = served.client.post("/min-tid", data={"words": "fel"})
    assert last.status_code == 429
    assert served.client.post("/min-tid", data={"words": talk.words}).status_code == 429
