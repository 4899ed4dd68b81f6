"""The real app on a real port in a thread, for tests that talk HTTP to it."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import replace

import httpx
from sanic import Sanic

from backend.app import create_app
from backend.config import Settings
from backend.core.clock import Clock
from backend.core.db import Database
from tests.migrated import open_database

_NUMBERS = itertools.count()


class Served:
    """A running app: ``url``, a client without identity, and ways to wait for a state."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.client = httpx.Client(base_url=url, timeout=20)

    def as_chat(self, token: str) -> httpx.Client:
        """A client that carries a chat's id."""
        return httpx.Client(base_url=self.url, timeout=20, headers={"Authorization": f"Bearer {token}"})

    def until(self, true: Callable[[], bool], seconds: float = 20) -> None:
        """Wait for a state that the server reaches by itself; fails if it does not."""
        end = time.monotonic() + seconds
        while not true():
            assert time.monotonic() < end, "the state was never reached"
            time.sleep(0.05)

    def until_assistant_is_up(self) -> None:
        """Wait for the probe to have found the assistant."""
        self.until(lambda: self.client.get("/health").json()["assistant"] == "up")


@contextlib.contextmanager
def serve(
    settings: Settings, clock: Clock | None = None, seed: Callable[[Database], None] | None = None
) -> Iterator[Served]:
    """Serve a municipality on a free port; its database is migrated and seeded first."""
    Sanic.test_mode = True
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    url = f"http://127.0.0.1:{port}"
    settings = replace(settings, public_url=url, port=port)
    database = open_database(settings.database_url)
    if seed is not None:
        seed(database)
    app = create_app(settings, clock=clock, database=database, name=f"test-{next(_NUMBERS)}")
    loop = asyncio.new_event_loop()
    ready: Future[asyncio.Event] = Future()

    async def run() -> None:
        stop = asyncio.Event()
        server = await app.create_server(host="127.0.0.1", port=port, return_asyncio_server=True)
        assert server is not None
        await server.startup()
        await server.before_start()
        await server.after_start()
        ready.set_result(stop)
        await stop.wait()
        await server.before_stop()
        server.close()
        await server.wait_closed()
        await server.after_stop()
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    def work() -> None:
        try:
            loop.run_until_complete(run())
        except BaseException as error:
            if ready.done():
                raise
            ready.set_exception(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    stop = ready.result(30)
    served = Served(url)
    try:
        # What is taken for danger must not depend on how far the start has come.
        served.until(lambda: "model" in served.client.get("/health").json()["danger"], 60)
        yield served
    finally:
        served.client.close()
        loop.call_soon_threadsafe(stop.set)
        thread.join(20)
        loop.close()
        Sanic.unregister_app(app)
