"""The chat's parts, wired: assistant, turns, API, internal door, page, and what runs beside them."""

from __future__ import annotations

from dataclasses import dataclass

from sanic import HTTPResponse, Request, Sanic, json

from backend.booking.service import BookingDesk
from backend.chat import internal, views
from backend.chat.answers import Answers
from backend.chat.assistant import Assistant
from backend.chat.expand import Expander
from backend.chat.service import ChatDesk
from backend.chat.turns import Turns
from backend.core.errors import StorageUnavailable
from backend.core.house import House
from backend.core.schedule import every
from backend.danger.service import DangerWatch
from backend.improving.service import Learning
from backend.journey.service import Journey
from backend.returning.service import Returning
from backend.stories.service import StoryDesk
from backend.talks.service import TalkDesk

PROBE_SECONDS = 1.0
PURGE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Neighbours:
    """The other features that a conversation leads to."""

    watch: DangerWatch
    booking: BookingDesk
    stories: StoryDesk
    journey: Journey
    returning: Returning
    learning: Learning
    talks: TalkDesk
    answers: Answers


def setup(app: Sanic, house: House, near: Neighbours) -> ChatDesk:
    """Register the chat and return its desk."""
    assistant = Assistant(house.settings.rasa_url, house.settings.rasa_token, house.settings.rasa_deadline, house.clock)
    turns = Turns()
    expander = Expander(house, near.booking, near.journey, near.answers)
    desk = ChatDesk(
        house, assistant, turns, near.watch, near.booking, near.returning, expander, near.learning, near.talks
    )
    views.setup(app, house, desk, near.talks)
    internal.setup(app, house, turns, near.booking, near.stories, near.returning)

    async def probe() -> None:
        if await assistant.probe():
            await desk.catch_up()

    every(app, "assistant", PROBE_SECONDS, probe)
    every(app, "chats", PURGE_SECONDS, desk.purge)

    @app.get("/health")
    async def health(_request: Request) -> HTTPResponse:
        """Each part by itself: a sick assistant is no reason to restart the backend."""
        try:
            await house.db.read(lambda session: session.connection().exec_driver_sql("SELECT 1"))
            database = "up"
        except StorageUnavailable:
            database = "down"
        state = {
            "database": database,
            "assistant": "up" if assistant.up else "down",
            "danger": "rules and model" if near.watch.listens else "rules",
        }
        return json(state, status=200 if database == "up" else 503)

    @app.after_server_stop
    async def close(_app: Sanic) -> None:
        await assistant.close()

    return desk
