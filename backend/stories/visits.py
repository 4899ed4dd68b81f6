"""Which open page belongs to which story: random tokens in the body of a form, kept in memory for a while.

No cookie, and nothing in an address: a token lives in the page, and the page is never cached. Leaving the
page, ending it, a quarter of an hour of silence or a restart makes the token worth nothing, so that a
reloaded or restored page asks for the code again. One process serves a municipality, so memory is enough.
"""

from __future__ import annotations

import re
import secrets
from collections import OrderedDict
from datetime import datetime, timedelta

from backend.core.clock import Clock

IDLE = timedelta(minutes=20)
_AT_MOST = 20_000
TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")


class Visits:
    """The open pages. Belongs to the event loop."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._open: OrderedDict[str, tuple[str, datetime]] = OrderedDict()
        self._spent: OrderedDict[str, None] = OrderedDict()

    def begin(self, story_id: str) -> str:
        """A token for a page of this story."""
        token = secrets.token_urlsafe(32)
        self._open[token] = (story_id, self._clock.now())
        while len(self._open) > _AT_MOST:
            self._open.popitem(last=False)
        return token

    def story(self, token: str) -> str | None:
        """Whose page it is, or None when it is nobody's any more. Being asked for keeps it open."""
        found = self._open.pop(token, None)
        now = self._clock.now()
        if found is None or now - found[1] > IDLE:
            return None
        self._open[token] = (found[0], now)
        return found[0]

    def close(self, token: str) -> None:
        """The page is left."""
        self._open.pop(token, None)

    def close_all(self, story_id: str) -> None:
        """Every page of a story is over."""
        for token in [token for token, (story, _) in self._open.items() if story == story_id]:
            del self._open[token]

    def spend(self, form: str) -> bool:
        """Whether a form with a code may open a page: once, so that Back and "send again" do not."""
        if not form or form in self._spent:
            return False
        self._spent[form] = None
        while len(self._spent) > _AT_MOST:
            self._spent.popitem(last=False)
        return True
