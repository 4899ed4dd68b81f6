"""``/personal/samtal``: the live conversation from the therapist's side.

A list of those who wait and of one's own talks, and one talk at a time beside it. Everything is a
form and a page; with script, pages are told of what happens by server-sent events that carry
server-rendered pieces, so that words and marks are written in one place.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sanic import HTTPResponse, Request, redirect, text

from backend.booking.attending import Attending, Sheet
from backend.booking.service import BookingDesk
from backend.core.clock import to_local
from backend.core.errors import Conflict, DomainError, NotFound, NotLoggedIn
from backend.core.live import RESYNC, Event, Feed
from backend.core.people import StaffMember
from backend.core.reader import Reader
from backend.staff.shell import HOME, ID, Shell
from backend.talks import rules
from backend.talks.service import HERE, LINE, READ, SAID, STATE, TYPING, Line, Listing, TalkDesk, TalkFile
from backend.web import sse
from backend.web.render import fragment, page
from backend.web.security import check_origin

PATH = f"{HOME}/samtal"
CANNED = (
    "greeting", "secrecy", "safe_now", "alone", "leave", "slow", "thanks", "more", "next", "ending",
)  # fmt: skip
"""Sentences that a therapist can begin from, in the order of a talk; the last is how it may end."""
_KEY_LENGTH = 64


@dataclass(slots=True)
class TalkFeed:
    """Events of one open page of a talk: ``message`` (a rendered piece), ``state``, ``here``, ``typing``, ``read``."""

    feed: Feed
    look: Callable[[int], Awaitable[list[Line] | None]]
    render: Callable[[Line], Awaitable[str]]
    stands: Callable[[], tuple[bool, int]]
    seq: int
    _here: bool | None = field(default=None, init=False)
    _read: int = field(default=0, init=False)

    async def first(self) -> list[Event]:
        """What has been missed, and how things stand."""
        return [*await self._said(), *self._signals()]

    async def next(self, seconds: float) -> list[Event]:
        """See `backend.web.sse.Source`."""
        hints = await self.feed.next(seconds)
        names = {hint.name for hint in hints}
        events = await self._said() if names & {SAID, STATE, RESYNC.name} else []
        if STATE in names or RESYNC.name in names:
            events.append(Event(STATE))
        events += self._signals()
        if SAID not in names and any(hint.name == TYPING and hint.data == rules.VISITOR for hint in hints):
            events.append(Event(TYPING))
        return events

    async def _said(self) -> list[Event]:
        lines = await self.look(self.seq) or []
        events = []
        for line in lines:
            events.append(Event("message", await self.render(line), str(line.seq)))
            self.seq = line.seq
        return events

    def _signals(self) -> list[Event]:
        events = []
        here, read = self.stands()
        if here is not self._here:
            self._here = here
            events.append(Event(HERE, "1" if here else ""))
        if read > self._read:
            self._read = read
            events.append(Event(READ, str(read)))
        return events


@dataclass(frozen=True, slots=True)
class ListFeed:
    """Events for the bell: that the list has changed, with how many wait. Never who."""

    feed: Feed
    count: Callable[[], Awaitable[str]]

    async def next(self, seconds: float) -> list[Event]:
        """See `backend.web.sse.Source`."""
        return [Event(LINE, await self.count())] if await self.feed.next(seconds) else []


@dataclass(frozen=True, slots=True)
class Booked:
    """One of today's booked chats; ``openable`` while its room can be opened."""

    booking_id: str
    start: datetime
    end: datetime
    reader: Reader
    interpreter: str | None
    openable: bool


class _Pages:
    def __init__(self, shell: Shell, talks: TalkDesk, booking: BookingDesk, attending: Attending) -> None:
        self._shell = shell
        self._talks = talks
        self._booking = booking
        self._attending = attending
        self._say = shell.house.phrases.say
        self._early = shell.house.municipality.talks.early_minutes

    async def bell(self, staff: StaffMember) -> dict[str, Any] | None:
        """What every page of somebody who holds talks needs to be told of those who wait."""
        if not self._talks.holds_talks(staff):
            return None
        return {"path": PATH, "waiting": _waiting(await self._talks.listing(staff))}

    async def listed(self, staff: StaffMember) -> dict[str, Any]:
        """The list, with today's booked chats that have not begun."""
        listing = await self._talks.listing(staff)
        return {
            "listing": listing,
            "booked": await self._booked(staff, listing),
            "holds": self._talks.holds_talks(staff),
        }

    async def show(
        self, request: Request, staff: StaffMember, talk_id: str, status: int = 200, **more: Any
    ) -> HTTPResponse:
        """A talk beside the list: its words for whoever holds it, that it waits or is offered for whoever may take it."""
        try:
            context = await self.opened(staff, talk_id)
        except NotFound:
            row = await self._talks.peek(staff, talk_id)
            context = {"row": row, "file": None}
        wanted = request.args.get("mall") if request.args else None
        draft = more.pop("draft", None)
        if draft is None and wanted in CANNED and context["file"] is not None:
            draft = self._canned(wanted, staff, context["file"])
        return await self._shell.show(
            request, "talks", staff, status, **await self.listed(staff), **context, draft=draft or "", **more
        )

    async def opened(self, staff: StaffMember, talk_id: str) -> dict[str, Any]:
        """A talk with everything that its page shows. Raises `NotFound` for whom it is not."""
        file = await self._talks.open_for(staff, talk_id)
        return await self._around(staff, file)

    async def stands(self, request: Request, staff: StaffMember, talk_id: str) -> HTTPResponse:
        """The pieces of a talk's page that are not its words: for a page that has been told that they changed."""
        file = await self._talks.stands_for(staff, talk_id)
        context = await self._around(staff, file)
        return await page(request, "staff/_talk_state.html", staff=staff, w=self._shell.words, **context)

    async def piece(self, request: Request, line: Line) -> str:
        """One message as it stands on the page."""
        return await fragment(request, "staff/_talk_line.html", line=line, w=self._shell.words, fresh=True)

    def _canned(self, name: str, staff: StaffMember, file: TalkFile) -> str:
        reader = Reader(file.reader.who, file.reader.band)
        return self._say(f"staff.live.canned.{name}.text", reader, name=staff.first_name)

    async def _around(self, staff: StaffMember, file: TalkFile) -> dict[str, Any]:
        return {
            "row": None,
            "file": file,
            "facts": await self._facts(staff, file),
            "colleagues": await self._talks.colleagues(staff) if file.active else [],
            "canned": [
                (name, self._say(f"staff.live.canned.{name}.title"), self._canned(name, staff, file)) for name in CANNED
            ],
        }

    async def _facts(self, staff: StaffMember, file: TalkFile) -> Sheet | None:
        """What was told when the talk was booked, for whoever may read the booking."""
        if file.booking_id is None:
            return None
        try:
            return await self._attending.sheet(staff, file.booking_id)
        except NotFound:
            return None

    async def _booked(self, staff: StaffMember, listing: Listing) -> list[Booked]:
        now = self._shell.house.clock.now()
        begun = {row.booking_id for row in (*listing.mine, *listing.waiting, *listing.over) if row.booking_id}
        rows = await self._booking.list_for(staff, to_local(now).date())
        return [
            Booked(
                row.booking_id,
                row.start,
                row.end,
                row.reader,
                row.interpreter,
                rules.room_is_open(row.start, row.end, now, self._early),
            )
            for row in rows
            if row.own and row.channel == "chat" and row.booking_id not in begun and now < row.end + rules.LINGERS
        ]


def setup(shell: Shell, talks: TalkDesk, booking: BookingDesk, attending: Attending) -> None:
    """Add the pages to the staff app."""
    known, show, bp, live = shell.known, shell.show, shell.bp, shell.house.live
    pages = _Pages(shell, talks, booking, attending)
    shell.way(PATH, "staff.live.nav", talks.open_to)
    shell.share("bell", pages.bell)

    def back(talk_id: str, part: str = "slut") -> HTTPResponse:
        return redirect(f"{PATH}/{talk_id}#{part}", status=303)

    @bp.get("/samtal")
    @known
    async def talk_list(request: Request, staff: StaffMember) -> HTTPResponse:
        return await show(request, "talks", staff, **await pages.listed(staff), row=None, file=None)

    @bp.get("/samtal/lista")
    @known
    async def talk_list_piece(request: Request, staff: StaffMember) -> HTTPResponse:
        current = request.args.get("oppet") or ""
        return await page(
            request, "staff/_talk_list.html", staff=staff, w=shell.words, current=current, **await pages.listed(staff)
        )

    @bp.get("/samtal/nu")
    async def talk_bell(request: Request) -> HTTPResponse | None:
        """Server-sent events for the bell of all of somebody's pages; being told is being there."""
        try:
            staff = await shell.polling(request)
        except NotLoggedIn:
            return HTTPResponse(status=401)
        if not talks.holds_talks(staff):
            return HTTPResponse(status=404)

        async def count() -> str:
            listing = await talks.listing(staff)
            return json.dumps({"waiting": _waiting(listing), "answer": sum(row.awaits for row in listing.mine)})

        with live.listen(f"talks:{staff.unit}") as feed, talks.presence.open(f"staff:{staff.id}"):
            talks.duty_changed(staff)
            first = [Event(LINE, await count())]
            await sse.stream(request, ListFeed(feed, count), first=first, allowed=_still(request, takes_talks(staff)))
        return None

    @bp.post("/samtal/inne")
    @known
    async def talk_duty(request: Request, staff: StaffMember) -> HTTPResponse:
        form: Any = request.form or {}
        await talks.set_duty(staff, form.get("on") == "1")
        return redirect(PATH, status=303)

    @bp.post(f"/samtal/bokad/<booking_id:{ID}>")
    @known
    async def talk_begin(request: Request, staff: StaffMember, booking_id: str) -> HTTPResponse:
        return back(await talks.begin(staff, booking_id))

    @bp.get(f"/samtal/<talk_id:{ID}>")
    @known
    async def talk_page(request: Request, staff: StaffMember, talk_id: str) -> HTTPResponse:
        return await pages.show(request, staff, talk_id)

    @bp.get(f"/samtal/<talk_id:{ID}>/lage")
    @known
    async def talk_state(request: Request, staff: StaffMember, talk_id: str) -> HTTPResponse:
        return await pages.stands(request, staff, talk_id)

    @bp.get(f"/samtal/<talk_id:{ID}>/nu")
    async def talk_follow(request: Request, talk_id: str) -> HTTPResponse | None:
        """Server-sent events of one talk; they end when it is somebody else's."""
        try:
            staff = await shell.polling(request)
        except NotLoggedIn:
            return HTTPResponse(status=401)
        if not await talks.may_read(staff, talk_id):
            return HTTPResponse(status=404)
        last = request.headers.get("last-event-id") or request.args.get("efter") or ""
        seq = int(last) if last.isascii() and last.isdigit() and len(last) < 10 else 0

        async def look(after: int) -> list[Line] | None:
            return await shell.house.db.read(lambda session: talks.said(session, staff, talk_id, after))

        def stands() -> tuple[bool, int]:
            return talks.presence.here(f"visitor:{talk_id}"), talks.presence.read(talk_id, rules.VISITOR)

        async def render(line: Line) -> str:
            return await pages.piece(request, line)

        async def going_on() -> bool:
            return await talks.goes_on(staff, talk_id)

        async def allowed() -> bool:
            return await _still(request, going_on)() and await talks.may_read(staff, talk_id)

        with live.listen(f"talk:{talk_id}") as feed, talks.presence.open(f"with:{talk_id}:{staff.id}"):
            try:
                talks.came_or_went(talk_id)
                told = TalkFeed(feed, look, render, stands, seq)
                await sse.stream(request, told, first=await told.first(), allowed=allowed)
            finally:
                talks.came_or_went(talk_id)
        return None

    @bp.post(f"/samtal/<talk_id:{ID}>/ta")
    @known
    async def talk_take(request: Request, staff: StaffMember, talk_id: str) -> HTTPResponse:
        try:
            await talks.take(staff, talk_id)
        except Conflict:
            return await show(
                request, "talks", staff, 409, **await pages.listed(staff), row=None, file=None, told="staff.live.taken"
            )
        return back(talk_id)

    @bp.post(f"/samtal/<talk_id:{ID}>/skriv")
    @known
    async def talk_write(request: Request, staff: StaffMember, talk_id: str) -> HTTPResponse:
        form: Any = request.form or {}
        said, key = form.get("text") or "", (form.get("key") or "")[:_KEY_LENGTH]
        piecewise = request.headers.get("x-piece") == "1"
        try:
            seq = await talks.write(staff, talk_id, said, key or None)
        except NotFound:
            raise
        except DomainError as error:
            sentence = shell.words.error("staff.live.error", error)
            if piecewise:
                return text(sentence, status=error.status)
            return await pages.show(request, staff, talk_id, error.status, draft=said, error=sentence)
        if not piecewise:
            return back(talk_id)
        lines = await shell.house.db.read(lambda session: talks.said(session, staff, talk_id, seq - 1)) or []
        return HTTPResponse(
            "".join([await pages.piece(request, line) for line in lines if line.seq == seq]),
            content_type="text/html; charset=utf-8",
        )

    @bp.post(f"/samtal/<talk_id:{ID}>/skriver")
    @known
    async def talk_typing(_request: Request, staff: StaffMember, talk_id: str) -> HTTPResponse:
        if await talks.may_read(staff, talk_id):
            talks.typing(talk_id, "staff")
        return HTTPResponse(status=204)

    @bp.post(f"/samtal/<talk_id:{ID}>/sett/<seq:int>")
    async def talk_seen(request: Request, talk_id: str, seq: int) -> HTTPResponse:
        """What a page says by itself: everything up to a message is on the screen."""
        check_origin(request, shell.house.settings.origin)
        try:
            staff = await shell.polling(request)
        except NotLoggedIn:
            return HTTPResponse(status=401)
        if await talks.may_read(staff, talk_id):
            talks.seen(talk_id, "staff", seq)
        return HTTPResponse(status=204)

    @bp.post(f"/samtal/<talk_id:{ID}>/lamna-over")
    @known
    async def talk_offer(request: Request, staff: StaffMember, talk_id: str) -> HTTPResponse:
        form: Any = request.form or {}
        try:
            await talks.offer(staff, talk_id, form.get("to") or "")
        except Conflict:
            return back(talk_id)
        return back(talk_id, "lage")

    @bp.post(f"/samtal/<talk_id:{ID}>/svar")
    @known
    async def talk_answer_offer(request: Request, staff: StaffMember, talk_id: str) -> HTTPResponse:
        form: Any = request.form or {}
        accept = form.get("accept") == "1"
        await talks.answer_offer(staff, talk_id, accept=accept)
        return back(talk_id) if accept else redirect(PATH, status=303)

    @bp.post(f"/samtal/<talk_id:{ID}>/till-roboten")
    @known
    async def talk_hand_back(_request: Request, staff: StaffMember, talk_id: str) -> HTTPResponse:
        await talks.hand_back(staff, talk_id)
        return back(talk_id)

    @bp.post(f"/samtal/<talk_id:{ID}>/avsluta")
    @known
    async def talk_close(request: Request, staff: StaffMember, talk_id: str) -> HTTPResponse:
        form: Any = request.form or {}
        ending = form.get("text") or ""
        try:
            await talks.close(staff, talk_id, ending)
        except NotFound:
            raise
        except DomainError as error:
            sentence = shell.words.error("staff.live.error", error)
            return await pages.show(request, staff, talk_id, error.status, ending=ending, error=sentence)
        return back(talk_id)

    @bp.post(f"/samtal/<talk_id:{ID}>/oppna")
    @known
    async def talk_reopen(request: Request, staff: StaffMember, talk_id: str) -> HTTPResponse:
        try:
            await talks.reopen(staff, talk_id)
        except Conflict:
            return await pages.show(request, staff, talk_id, 409)
        return back(talk_id)

    def takes_talks(staff: StaffMember) -> Callable[[], Awaitable[bool]]:
        async def takes() -> bool:
            return await talks.takes_talks(staff)

        return takes

    def _still(request: Request, needed: Callable[[], Awaitable[bool]]) -> Callable[[], Awaitable[bool]]:
        """Whether a stream may go on. While somebody is ``needed`` there, its page counts as their being there."""

        async def still() -> bool:
            try:
                await (shell.listening if await needed() else shell.polling)(request)
            except NotLoggedIn:
                return False
            return True

        return still


def _waiting(listing: Listing) -> int:
    """How many want this person: those who wait for them or for anybody, and what a colleague asks one to take over."""
    return len(listing.offered) + sum(row.rings for row in listing.waiting)
