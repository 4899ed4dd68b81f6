"""Two who want the same time at the same moment: the database's key decides, and the loser looks again."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from backend.core.db import Database
from backend.core.errors import Taken

T = TypeVar("T")

_ROUNDS = 100


class LostRace(Exception):
    """Raised by work that has seen somebody else's deed too late to do its own, and is to look again."""


async def contend(database: Database, work: Callable[[Session], T]) -> T:
    """Run ``work`` in a transaction, again for as long as it loses a race; raises `Taken` when there is no end to it.

    Losing a race for a cell means that somebody else won it, so each round leaves fewer to lose to.
    """
    for _ in range(_ROUNDS):
        try:
            return await database.write(work)
        except LostRace:
            continue
        except IntegrityError as error:
            if not _lost_race(error):
                raise
    raise Taken


def _lost_race(error: IntegrityError) -> bool:
    """Whether somebody else took a cell, or the same holder held something else, at the same moment."""
    told = str(error.orig)
    return "booking_cell" in told or "holder" in told
