"""Work that repeats for as long as the server runs."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from sanic import Sanic

log = logging.getLogger("koll")


def every(app: Sanic, name: str, seconds: float, work: Callable[[], Awaitable[object]]) -> None:
    """Run ``work`` again and again while the server runs; a failure is logged by its type and tried again."""

    tasks: list[asyncio.Task[None]] = []

    async def loop() -> None:
        while True:
            try:
                await work()
            except Exception as error:
                log.error("%s failed: %s", name, type(error).__name__)
            await asyncio.sleep(seconds)

    @app.after_server_start
    async def start(_app: Sanic) -> None:
        tasks.append(asyncio.create_task(loop(), name=name))

    @app.before_server_stop
    async def stop(_app: Sanic) -> None:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def once(app: Sanic, name: str, work: Callable[[], object]) -> None:
    """Run ``work`` in a thread when the server has started; a failure is logged by its type."""

    async def run() -> None:
        try:
            await asyncio.to_thread(work)
        except Exception as error:
            log.error("%s failed: %s", name, type(error).__name__)

    tasks: list[asyncio.Task[None]] = []

    @app.after_server_start
    async def start(_app: Sanic) -> None:
        tasks.append(asyncio.create_task(run(), name=name))

    @app.before_server_stop
    async def stop(_app: Sanic) -> None:
        await asyncio.gather(*tasks)
