"""How long a message takes from the key to the other screen, with two hundred talks open on both sides.

The visitor's words are searched for danger, sealed and committed before they are told; the therapist's
are sealed and committed. Messages go off five a second, as when each of two hundred people writes every
forty seconds. The reference is a request to ``/health``, which reads the database once, at the same moments.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable

from bench import live, servers
from bench.common import Report, percentile

TALKS = 200
ROUNDS = 5
MESSAGES = 60
EVERY = 0.2
LIMIT_MS = 150


async def paced(sends: list[Callable[[], Awaitable[float]]]) -> list[float]:
    """Seconds of each, begun one after the other at a steady pace whatever the earlier ones do."""
    begun = []
    for send in sends:
        begun.append(asyncio.ensure_future(send()))
        await asyncio.sleep(EVERY)
    return list(await asyncio.gather(*begun))


async def measure() -> Report:
    """Open the talks, send both ways round after round."""
    with servers.scratch() as directory:
        async with live.open_house(directory) as house:
            talks = await live.together(TALKS, 4, lambda _: house.talk())
            visitors = await live.together(TALKS, 8, lambda n: house.visitor_stream(talks[n][0]))  # type: ignore[index]
            therapists = await live.together(TALKS, 8, lambda n: house.staff_stream(talks[n][1]))  # type: ignore[index]
            listeners = [asyncio.ensure_future(one.listen()) for one in (*visitors, *therapists)]  # type: ignore[attr-defined]
            numbers = itertools.count()

            async def from_visitor(place: int) -> float:
                token, began = f"marke{next(numbers):06}", time.perf_counter()
                await house.visitor_says(talks[place][0], f"hej det är {token} här")  # type: ignore[index]
                return await therapists[place].hears(token) - began  # type: ignore[attr-defined, no-any-return]

            async def from_staff(place: int) -> float:
                token, began = f"marke{next(numbers):06}", time.perf_counter()
                await house.staff_says(talks[place][1], f"svar+{token}")  # type: ignore[index]
                return await visitors[place].hears(token) - began  # type: ignore[attr-defined, no-any-return]

            async def health() -> float:
                began = time.perf_counter()
                await house.anybody.get("/health")
                return time.perf_counter() - began

            reference, to_staff, to_visitor = [], [], []
            for number in range(ROUNDS + 1):
                places = [(number * MESSAGES + one * 7) % TALKS for one in range(MESSAGES)]
                bare = await paced([health] * MESSAGES)
                up = await paced([lambda place=place: from_visitor(place) for place in places])  # type: ignore[misc]
                down = await paced([lambda place=place: from_staff(place) for place in places])  # type: ignore[misc]
                if number:  # the first round fills the caches
                    reference.append(percentile(bare, 50) * 1000)
                    to_staff.append(percentile(up, 95) * 1000)
                    to_visitor.append(percentile(down, 95) * 1000)
            for one in listeners:
                one.cancel()
    report = Report("live_chat", reference)
    report.at_most("95 % of a visitor's messages at the therapist's", to_staff, LIMIT_MS, "ms")
    report.at_most("95 % of a therapist's messages at the visitor's", to_visitor, LIMIT_MS, "ms")
    report.told("median of /health meanwhile", reference, "ms")
    report.notes.append(f"{TALKS} open talks, {2 * TALKS} streams, {2 * ROUNDS * MESSAGES} messages, none lost")
    return report


def main() -> None:
    """Measure and report."""
    asyncio.run(measure()).finish()


if __name__ == "__main__":
    main()
