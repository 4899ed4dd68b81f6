"""``/min-sida``: what I told, who may read it, who has, what they answered; add more, take back, end.

Opened by six words in the body of a POST. The open page carries a token in its forms and nothing in a
cookie or an address. Nothing on it tells of another person in the family: it shows one story and what
has happened to it, jobs and units, never who else has written or been talked to.
"""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sanic import Blueprint, HTTPResponse, Request, Sanic

from backend.booking.labels import day_of, when
from backend.core.clock import to_local
from backend.core.errors import Conflict, DomainError, InvalidField, NotFound
from backend.core.house import House
from backend.core.reader import Reader
from backend.danger.service import DangerWatch
from backend.journey import places
from backend.journey.service import Journey, kept
from backend.journey.showing import HerePage, here_page
from backend.stories.rules import beginning
from backend.stories.service import Circle, Mine, StoryDesk, picture_version
from backend.stories.tables import State
from backend.stories.visits import TOKEN, Visits
from backend.web.help import language
from backend.web.render import page
from backend.web.security import source_of

PATH = "/min-sida"
_FORM = re.compile(r"[A-Za-z0-9_-]{22}")
_PAIR = re.compile(r"([a-z0-9_]{1,40}):([0-9a-f]{24})")
_NUMBER = re.compile(r"[0-9]{1,9}", re.ASCII)
_MOST_PAIRS = 4_000


def setup(app: Sanic, house: House, desk: StoryDesk, watch: DangerWatch, visits: Visits, journey: Journey) -> None:
    """Register the page on ``app``."""
    bp = Blueprint("my-page")
    pages = _Pages(house, desk, watch, visits, journey)

    @bp.get(PATH)
    async def ask(request: Request) -> HTTPResponse:
        return await pages.ask(request, Reader(lang=language(request)))

    @bp.post(PATH)
    async def answer(request: Request) -> HTTPResponse:
        form: Any = request.form or {}
        if form.get("words") or form.get("form"):
            return await pages.enter(request)
        visit = form.get("visit") or ""
        return await pages.at(request, visit if TOKEN.fullmatch(visit) else "", form.get("step") or "")

    app.blueprint(bp)


class _Pages:
    """The page by its steps."""

    def __init__(self, house: House, desk: StoryDesk, watch: DangerWatch, visits: Visits, journey: Journey) -> None:
        self._journey = journey
        self._house = house
        self._desk = desk
        self._watch = watch
        self._visits = visits
        self._say = house.phrases.say

    async def ask(
        self, request: Request, reader: Reader, status: int = 200, error: str = "", again: bool = False, **more: Any
    ) -> HTTPResponse:
        """The field for the six words."""
        form = secrets.token_urlsafe(16)
        return await page(
            request, "stories/enter.html", status=status, reader=reader, form=form, error=error, again=again, **more
        )

    async def enter(self, request: Request) -> HTTPResponse:
        """Open the page that six words lead to. Somebody who writes of danger where a code belongs is shown help."""
        posted: Any = request.form or {}
        words, once = posted.get("words") or "", posted.get("form") or ""
        reader = Reader(lang="en" if posted.get("lang") == "en" else "sv")
        # A program without the form may open a page too; a browser that sends an old one again may not.
        if once and not (_FORM.fullmatch(once) and self._visits.spend(once)):
            return await self.ask(request, reader, again=True)
        try:
            opened = await self._desk.open(words, source_of(request, self._house.settings.trusted_proxies))
        except DomainError as error:
            card = await asyncio.to_thread(self._watch.assess_fields, [words], reader)
            message = self._say(f"error.{error.code}", reader)
            return await self.ask(request, reader, error.status, message, words=words, card=card)
        if opened.kind != "story":
            return await self.ask(request, reader, other=words)
        visit = self._visits.begin(opened.story_id)
        if opened.state == State.DRAFT:
            return await self.draft(request, visit, opened.story_id)
        if opened.state == State.CLOSED:
            return await self._ended(request, reader, "mypage.end.closed")
        return await self.mine(request, visit, opened.story_id, opened=True, last_opened=opened.last_opened)

    async def at(self, request: Request, visit: str, step: str) -> HTTPResponse:
        """One step on an open page; the words are asked for again when it is nobody's any more."""
        posted: Any = request.form or {}
        reader = Reader(lang="en" if posted.get("lang") == "en" else "sv")
        story_id = self._visits.story(visit)
        if story_id is None:
            return await self.ask(request, reader, again=True)
        try:
            state = await self._desk.state(story_id)
            if state == State.DRAFT:
                if step == "discard":
                    await self._desk.discard(story_id)
                    self._visits.close_all(story_id)
                    return await self._gone(request, reader, "mypage.draft.dropped_heading", "mypage.draft.dropped")
                return await self.draft(request, visit, story_id)
            if state == State.CLOSED:
                return await self._ended(request, reader, "mypage.end.closed")
            return await self._step(request, visit, story_id, step)
        except NotFound:
            return await self.ask(request, reader, again=True)

    async def _step(self, request: Request, visit: str, story_id: str, step: str) -> HTTPResponse:
        posted: Any = request.form or {}
        if step == "readers":
            return await self.picture(request, visit, story_id)
        if step in ("choose", "all", "nothing") or posted.get("all") or posted.get("nothing"):
            return await self._choose(request, visit, story_id)
        if step == "withdraw":
            await self._desk.withdraw(story_id, posted.get("unit") or "")
            return await self.mine(request, visit, story_id, done="mypage.readers.withdrawn")
        if step == "stop-help":
            await self._desk.end_help(story_id, posted.get("help") or "")
            return await self.mine(request, visit, story_id, done="mypage.help.stopped")
        if step == "end":
            return await self._show(request, "stories/end.html", visit, await self._desk.mine(story_id))
        if step == "end-now":
            reader = (await self._desk.mine(story_id)).reader
            await self._desk.end(story_id)
            self._visits.close_all(story_id)
            return await self._gone(request, reader, "mypage.end.done_heading", "mypage.end.done")
        return await self.mine(request, visit, story_id)

    async def mine(
        self,
        request: Request,
        visit: str,
        story_id: str,
        *,
        opened: bool = False,
        last_opened: datetime | None = None,
        done: str = "",
    ) -> HTTPResponse:
        """The whole page. ``opened``: the words were used just now, so it tells when they were used before."""
        mine = await self._desk.mine(story_id)
        reader = mine.reader
        return await self._show(
            request,
            "stories/mine.html",
            visit,
            mine,
            here=await self._here(story_id, reader),
            keep=kept(reader),
            opened=opened,
            last_opened=self._when(last_opened, reader) if last_opened else "",
            done=self._say(done, reader) if done else "",
            answers=[
                (self._from(answer, concern.unit_name, reader), answer.text)
                for concern in mine.concerns
                for answer in concern.answers
            ],
            arrivals=[
                (
                    self._say(
                        "mypage.answers.came", reader, label=self._when(one.received_at, reader), unit=one.unit_name
                    ),
                    self._say(f"mypage.answers.status.{'answered' if one.answers else one.state}", reader),
                )
                for one in mine.concerns
            ],
        )

    async def _here(self, story_id: str, reader: Reader) -> HerePage | None:
        """Where on the map the person is, as far as staff have decided that this code may show it."""
        now = self._house.clock.now()
        seen = await self._house.db.read(lambda session: places.seen_by(session, f"story:{story_id}"))

        def day(instant: datetime) -> str:
            return day_of(self._house.phrases, to_local(instant).date(), to_local(now).date(), reader)

        def moment(instant: datetime) -> str:
            return self._when(instant, reader)

        return await asyncio.to_thread(here_page, self._journey, seen, reader, day, moment, now)

    async def picture(
        self, request: Request, visit: str, story_id: str, status: int = 200, done: str = "", error: str = ""
    ) -> HTTPResponse:
        """Units by parts, to be changed and saved."""
        mine = await self._desk.mine(story_id)
        return await self._show(request, "stories/readers.html", visit, mine, status, done=done, error=error)

    async def draft(self, request: Request, visit: str, story_id: str) -> HTTPResponse:
        """A draft that was kept: go on, or throw it away."""
        draft = await self._desk.draft(story_id)
        hours = self._house.municipality.stories.draft_hours
        return await page(
            request,
            "stories/draft.html",
            reader=draft.reader,
            visit=visit,
            chat=visit,
            pieces=draft.pieces,
            until=self._when(draft.changed_at + timedelta(hours=hours), draft.reader),
        )

    async def _choose(self, request: Request, visit: str, story_id: str) -> HTTPResponse:
        posted: Any = request.form or {}
        mine = await self._desk.mine(story_id)
        wished = {
            (found[1], found[2])
            for pair in (posted.getlist("may") or [])[:_MOST_PAIRS]
            if (found := _PAIR.fullmatch(pair))
        }
        if unit := posted.get("all"):
            wished |= {(unit, part.id) for part in mine.parts}
        if unit := posted.get("nothing"):
            wished = {pair for pair in wished if pair[0] != unit}
        revision = posted.get("revision") or ""
        version = picture_version(self._house.phrases, mine.reader)
        try:
            await self._desk.choose(story_id, wished, int(revision) if _NUMBER.fullmatch(revision) else 0, version)
        except Conflict as error:
            message = self._say("mypage.readers.stale", mine.reader)
            return await self.picture(request, visit, story_id, error.status, error=message)
        except InvalidField as error:
            message = self._say(f"error.{error.code}", mine.reader)
            return await self.picture(request, visit, story_id, error.status, error=message)
        return await self.picture(request, visit, story_id, done=self._say("mypage.readers.saved", mine.reader))

    async def _ended(self, request: Request, reader: Reader, phrase: str) -> HTTPResponse:
        return await self._gone(request, reader, "mypage.end.done_heading", phrase)

    async def _gone(self, request: Request, reader: Reader, heading: str, phrase: str) -> HTTPResponse:
        return await page(
            request,
            "stories/gone.html",
            reader=reader,
            heading=self._say(heading, reader),
            text=self._say(phrase, reader),
        )

    async def _show(
        self, request: Request, template: str, visit: str, mine: Mine, status: int = 200, **more: Any
    ) -> HTTPResponse:
        reader = mine.reader
        numbers = {part.id: part.number for part in mine.parts}
        return await page(
            request,
            template,
            status=status,
            reader=reader,
            visit=visit,
            chat=visit,
            mine=mine,
            beginning=beginning,
            when=lambda instant: self._when(instant, reader),
            role=lambda role: self._say(f"code.role.{role}", reader),
            numbers=lambda found: self._listed(found, reader),
            may=lambda row: self._may(row, numbers, reader),
            **more,
        )

    def _may(self, row: Circle, numbers: dict[str, int], reader: Reader) -> str:
        """What a unit may read, in words."""
        if row.gone:
            return self._say("mypage.readers.gone", reader)
        if row.law:
            return self._say("mypage.readers.law", reader)
        if not row.parts:
            return self._say("mypage.readers.unaware" if row.apart else "mypage.readers.nobody", reader)
        if len(row.parts) == len(numbers):
            return self._say("mypage.readers.all", reader)
        listed = self._listed([numbers[part] for part in row.parts], reader)
        return self._say("mypage.readers.some", reader, numbers=listed)

    def _listed(self, numbers: Sequence[int], reader: Reader) -> str:
        """``1``, ``1 och 3``, ``1, 2 och 4``."""
        *most, last = [str(number) for number in sorted(numbers)] or [""]
        return self._say("mypage.listed", reader, first=", ".join(most), last=last) if most else last

    def _from(self, answer: Any, unit: str, reader: Reader) -> str:
        return self._say(
            "code.answer_from",
            reader,
            label=self._when(answer.at, reader),
            name=answer.name,
            role=self._say(f"code.role.{answer.role}", reader),
            unit=unit,
        )

    def _when(self, instant: datetime, reader: Reader) -> str:
        return when(self._house.phrases, instant, self._house.clock.now(), reader)
