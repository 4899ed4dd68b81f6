"""``/personal/inkorg``: one list by clock, with filters, search, several taken at once, and news as they come.

Works without script. With it the list renews itself, and keys do what the mouse does. Filters are in
the address, for they say nothing about anybody; what is searched for never is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import groupby
from typing import Any
from urllib.parse import urlencode

from sanic import HTTPResponse, Request, redirect

from backend.concerns import live
from backend.concerns.handling import HandlingDesk
from backend.concerns.inbox import CLOCKS, STATES, Filter, Inbox, InboxDesk, Item
from backend.core.errors import DomainError, NotFound
from backend.core.people import StaffMember
from backend.core.sheets import write_csv
from backend.staff.shell import HOME, Shell
from backend.web.sse import stream

PATH = f"{HOME}/inkorg"
AT_ONCE = 100
_ID = re.compile(r"[0-9a-f]{24}")
LONG = 12
"""Lines; a list with more of them is folded, so that what is due is not followed by a wall of what is not."""
FIRST = 8
"""Lines of a group that a long list shows unfolded."""
_LAST_LATE = 7
"""Days; what is later than that is one group."""
_FAR = ("later", "done")


@dataclass(frozen=True, slots=True)
class Group:
    """Lines under one heading, in the order of the list: ``first`` as they are, ``rest`` folded.

    ``late``: how many days since what is due there was due, `OVER_A_WEEK` for all that is later than seven; 0 where
    nothing is. ``day``: the day that it was due, if it is the same for all of them.
    """

    name: str
    late: int
    day: date | None
    first: list[Item]
    rest: list[Item]

    @property
    def id(self) -> str:
        """The group's own name on the page."""
        return f"{self.name}-{self.late}" if self.late else self.name

    @property
    def count(self) -> int:
        """How many lines it has."""
        return len(self.first) + len(self.rest)


OVER_A_WEEK = _LAST_LATE + 1


def setup(shell: Shell, inbox: InboxDesk, handling: HandlingDesk) -> None:
    """Add the pages to the staff app."""
    known, show, words, bp, house = shell.handling, shell.show, shell.words, shell.bp, shell.house
    shell.way(PATH, "staff.inbox.nav", lambda staff: staff.handles_cases)

    async def shown(
        request: Request, staff: StaffMember, template: str, wanted: Filter, status: int = 200, **more: Any
    ) -> HTTPResponse:
        found = await inbox.look(staff, wanted)
        return await show(
            request, template, staff, status, inbox=found, wanted=wanted, states=STATES, clocks=CLOCKS,
            query=query_of(wanted), link=lambda **change: _link(wanted, **change), groups=grouped(found.items, inbox.today()),
            **more,
        )  # fmt: skip

    @bp.get("/inkorg", name="inbox")
    @known
    async def listed(request: Request, staff: StaffMember) -> HTTPResponse:
        return await shown(request, staff, "inbox", filter_of(request))

    @bp.get("/inkorg/lista", name="inbox-part")
    @known
    async def part(request: Request, staff: StaffMember) -> HTTPResponse:
        """The list alone, for a page that is open."""
        return await shown(request, staff, "_inbox", filter_of(request))

    @bp.get("/inkorg/nu", name="inbox-now")
    async def now(request: Request) -> HTTPResponse | None:
        """What changes in the unit's list, by id and nothing else, for as long as the person is logged in."""
        staff = await shell.someone(request)
        if staff is None or not staff.handles_cases:
            return HTTPResponse(status=401 if staff is None else 404)

        async def allowed() -> bool:
            return await shell.still(request, staff)

        with house.live.listen(live.topic(staff.unit)) as feed:
            await stream(request, feed, allowed=allowed)
        return None

    @bp.post("/inkorg/ta-emot", name="inbox-take")
    @known
    async def take(request: Request, staff: StaffMember) -> HTTPResponse:
        form: Any = request.form or {}
        ids = [one for one in form.getlist("id", []) if _ID.fullmatch(one)][:AT_ONCE] if form else []
        taken = await handling.take_all(staff, ids)
        return await shown(request, staff, "inbox", filter_of(request), taken=taken)

    @bp.post("/inkorg/sok", name="inbox-search")
    @known
    async def search(request: Request, staff: StaffMember) -> HTTPResponse:
        form: Any = request.form or {}
        text = (form.get("search") or "")[:200]
        try:
            hits = await inbox.search(staff, text)
        except DomainError as error:
            message = words.error("staff.inbox.search", error)
            return await shown(request, staff, "inbox", Filter(), error.status, search=text, search_error=message)
        found = Inbox(hits, {}, more=False)
        return await show(
            request, "inbox_search", staff, inbox=found, search=text, groups=grouped(hits, inbox.today()), query="",
            wanted=Filter(),
        )  # fmt: skip

    @bp.get("/inkorg/nasta", name="inbox-next")
    @known
    async def following(request: Request, staff: StaffMember) -> HTTPResponse:
        """The next one of the same list, or the list when there is none."""
        wanted, after = filter_of(request), request.args.get("efter") or ""
        if not _ID.fullmatch(after):
            raise NotFound
        found = await inbox.after(staff, wanted, after)
        query = query_of(wanted)
        return redirect(f"{HOME}/oro/{found}?{query}" if found else f"{PATH}?{query}", status=303)

    @bp.post("/inkorg/lista.csv", name="inbox-sheet")
    @known
    async def sheet(request: Request, staff: StaffMember) -> HTTPResponse:
        """The list as it is filtered, for a meeting: no words, no names of those who have written."""
        found = await inbox.export(staff, filter_of(request))
        say = house.phrases.say
        head = [say(f"staff.inbox.sheet.{name}") for name in ("received", "who", "clock", "due", "state", "holder")]
        rows = [
            [
                words.stamp(item.row.received_at),
                words.who(item.row.who, item.row.band),
                say(f"staff.clock.{item.next_clock}") if item.next_clock else "",
                item.next_due.isoformat() if item.next_due else "",
                say(f"staff.inbox.row_state.{item.row.state}"),
                item.row.accepted_by,
            ]
            for item in found.items
        ]
        headers = {"content-disposition": f'attachment; filename="lista-{inbox.today().isoformat()}.csv"'}
        return HTTPResponse(write_csv(head, rows), headers=headers, content_type="text/csv; charset=utf-8")


def filter_of(request: Request) -> Filter:
    """What the address asks to be shown."""
    given = request.args
    return Filter.of(given.get("visa") or "", given.get("tid") or "", given.get("olasta") or "")


def query_of(wanted: Filter) -> str:
    """A filter as it stands in an address."""
    return _query(wanted.state, wanted.clock, wanted.unread)


def _link(wanted: Filter, **change: Any) -> str:
    state = change.get("state", wanted.state)
    return f"{PATH}?{_query(state, change.get('clock', wanted.clock), change.get('unread', wanted.unread))}"


def _query(state: str, clock: str, unread: bool) -> str:
    return urlencode({"visa": state, **({"tid": clock} if clock else {}), **({"olasta": "1"} if unread else {})})


def grouped(items: Sequence[Item], today: date) -> list[Group]:
    """The lines in groups, each as it stands in the order of the clock; what is late by the day that it was due.

    Of a long list each group shows its first lines, and what is due in more than a week, or has no limit left, none:
    unless nothing comes before it.
    """
    found: list[Group] = []
    for (name, late), lines in groupby(items, _place_of(today)):
        all_, days = list(lines), {today - timedelta(days=late)} if 0 < late < OVER_A_WEEK else set()
        shown = len(all_)
        if len(items) > LONG:
            shown = 0 if name in _FAR and found else FIRST
        # Nobody is asked to unfold one or two lines.
        if 0 < len(all_) - shown <= 2:
            shown = len(all_)
        found.append(Group(name, late, next(iter(days), None), all_[:shown], all_[shown:]))
    return found


def _place_of(today: date) -> Callable[[Item], tuple[str, int]]:
    def place(item: Item) -> tuple[str, int]:
        if item.group != "late" or item.next_due is None:
            return item.group, 0
        return item.group, min((today - item.next_due).days, OVER_A_WEEK)

    return place
