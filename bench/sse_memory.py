"""What an open page costs the backend in memory: a thousand visitors' streams and fifty therapists', opened and closed.

Resident memory before and with the streams, for three cycles; what does not come back after the
first cycle would be a leak.
"""

from __future__ import annotations

import asyncio

from bench import live, servers
from bench.common import Report

TALKS = 1000
STAFF = 50
CYCLES = 3
SETTLE = 2.0
LIMIT_KIB = 25


async def measure() -> Report:
    """Open the talks once, the streams again and again."""
    with servers.scratch() as directory:
        async with live.open_house(directory) as house:
            talks = await live.together(TALKS, 4, lambda _: house.talk())

            async def cycle() -> tuple[float, float, float]:
                """MB before, with all streams open, and after."""
                before = servers.rss_mb(house.pid)
                pages = await live.together(TALKS, 8, lambda n: house.visitor_stream(talks[n][0]))  # type: ignore[index]
                pages += await live.together(STAFF, 8, lambda n: house.staff_stream(talks[n][1]))  # type: ignore[index]
                await asyncio.sleep(SETTLE)
                opened = servers.rss_mb(house.pid)
                for page in pages:
                    page.close()  # type: ignore[attr-defined]
                await asyncio.sleep(SETTLE)
                return before, opened, servers.rss_mb(house.pid)

            cycles = [await cycle() for _ in range(CYCLES)]
    first = cycles[0]
    per_stream = (first[1] - first[0]) * 1e6 / 1024 / (TALKS + STAFF)
    report = Report("sse_memory", [before for before, _, _ in cycles])
    report.at_most("memory of an open stream, when first opened", [per_stream], LIMIT_KIB, "KiB")
    report.at_most("growth from the first cycle's end to the last's", [(cycles[-1][2] / first[2] - 1) * 100], 5, "%")
    report.told("backend's memory with all streams open", [opened for _, opened, _ in cycles], "MB")
    report.notes.append(f"{TALKS} visitors' and {STAFF} therapists' streams, {CYCLES} cycles")
    return report


def main() -> None:
    """Measure and report."""
    asyncio.run(measure()).finish()


if __name__ == "__main__":
    main()
