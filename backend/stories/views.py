"""``/skriv``: tell in your own words, see it in parts, change and strike, send it or keep it for later.

No cookie, no script and nothing in the address: every step carries the whole form in the body of
its POST, so that nothing is stored before it is sent or kept, and nothing is lost when something is
wrong. Works without the assistant.
"""

from __future__ import annotations

import asyncio
import re
import secrets
from dataclasses import dataclass, replace
from typing import Any

from sanic import Blueprint, HTTPResponse, Request, Sanic

from backend.concerns.brake import Brake
from backend.concerns.rules import NEEDS
from backend.concerns.service import ABOUT, HAPPENING, REACH, SAFE_ANSWERS, SAFE_TEXTS, problems
from backend.core.clock import to_local
from backend.core.errors import DomainError, EmptyText, KeyReused, NotFound, TextTooLong, WrongCode
from backend.core.house import House
from backend.core.reader import READERS, Lang, Reader
from backend.core.text import STORY_LIMIT, clean
from backend.danger.rules import Level
from backend.danger.service import DangerWatch
from backend.stories import rules
from backend.stories.service import (
    Draft,
    DraftChanged,
    Piece,
    SentAlready,
    StoryDesk,
    Telling,
    first_screen_version,
)
from backend.stories.tables import State
from backend.stories.visits import TOKEN, Visits
from backend.web.help import language
from backend.web.render import page
from backend.web.security import source_of

SAFE_FIELDS = (*SAFE_ANSWERS, *SAFE_TEXTS)
MOST_PARTS = 200
"""Parts in one form; a browser sends no more than the page had, and a program is cut short."""
_KEY = re.compile(r"[A-Za-z0-9_-]{20,64}")
_RECEIPT = re.compile(r"[0-9a-f]{24}")
_SHOWN = re.compile(r"(?:sv|en):[a-z0-9-]{1,12}:[0-9a-f]{12}")
_AREA = re.compile(r"[a-z0-9_-]{1,40}")
_NUMBER = re.compile(r"[0-9]{1,6}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Form:
    """The form as it was filled in, unchecked.

    ``pieces`` are the parts so far, ``words`` what has been written since. ``shown`` lists the first
    screens that the writer has been shown. ``visit`` is the page's token when it goes on with a
    draft or tells more to a story that has been sent, ``code`` six words typed again when it has
    run out, ``revision`` the draft's when it was read.
    """

    key: str
    shown: tuple[str, ...]
    lang: Lang
    who: str | None
    pieces: tuple[Piece, ...]
    words: str
    about: str | None
    now: str | None
    reach: str
    phone: str
    safe: dict[str, str]
    interpreter: str
    needs: tuple[str, ...]
    area: str
    visit: str
    code: str
    revision: int
    more: bool

    @classmethod
    def of(cls, request: Request) -> Form:
        """From a posted form, or an empty one; an answer that is none counts as not given."""
        form: Any = request.form or {}

        def text(name: str) -> str:
            return form.get(name) or ""

        def one_of(name: str, allowed: tuple[str, ...]) -> str | None:
            return text(name) if text(name) in allowed else None

        parts = list(form.getlist("part") or []) if request.form else []
        struck = set(form.getlist("strike") or []) if request.form else set()
        ticked = set(form.getlist("needs") or []) if request.form else set()
        return cls(
            key=text("key") if _KEY.fullmatch(text("key")) else secrets.token_urlsafe(24),
            shown=tuple(part for part in text("shown").split()[:6] if _SHOWN.fullmatch(part)),
            lang=language(request),
            who=one_of("who", READERS),
            pieces=tuple(Piece(part, str(at) in struck) for at, part in enumerate(parts[:MOST_PARTS])),
            words=text("words"),
            about=one_of("about", ABOUT),
            now=one_of("now", HAPPENING),
            reach=one_of("reach", REACH) or "code",
            phone=text("phone"),
            safe={field: text(field) for field in SAFE_FIELDS if text(field)},
            interpreter=text("interpreter") if re.fullmatch("[a-z]{2,5}", text("interpreter")) else "",
            needs=tuple(need for need in NEEDS if need in ticked),
            area=text("area") if _AREA.fullmatch(text("area")) else "",
            visit=text("visit") if TOKEN.fullmatch(text("visit")) else "",
            code=text("code"),
            revision=int(text("revision")) if _NUMBER.fullmatch(text("revision")) else 0,
            more=text("more") == "1",
        )

    @classmethod
    def resumed(cls, draft: Draft, visit: str) -> Form:
        """A kept draft, as the form that it came from."""
        answers = draft.answers
        return cls(
            key=secrets.token_urlsafe(24),
            shown=tuple(draft.shown.split()),
            lang=draft.reader.lang,
            who=draft.reader.combined,
            pieces=tuple(draft.pieces),
            words="",
            about=answers.get("about"),
            now=answers.get("now"),
            reach=answers.get("reach") or "code",
            phone=answers.get("phone") or "",
            safe=dict(answers.get("safe") or {}),
            interpreter=answers.get("interpreter") or "",
            needs=tuple(answers.get("needs") or ()),
            area=answers.get("area") or "",
            visit=visit,
            code="",
            revision=draft.revision,
            more=False,
        )

    @property
    def reader(self) -> Reader:
        """Who has said that they are writing."""
        return Reader.of(self.who, self.lang)

    @property
    def texts(self) -> list[str]:
        """Everything that a person has written in it, struck parts and fields for other things included."""
        return [*(piece.text for piece in self.pieces), self.words, self.code, *self.safe.values(), self.phone]

    def having_seen(self, version: str) -> Form:
        """The same form, with one more first screen shown."""
        return self if version in self.shown else replace(self, shown=(*self.shown, version))

    def in_parts(self) -> Form:
        """The same form with what has been written since split in parts; parts that were emptied are gone."""
        found = [piece for piece in self.pieces if _visible(piece.text)]
        found += [Piece(text) for text in rules.split(self.words) if _visible(text)]
        return replace(self, pieces=tuple(found), words="")

    def telling(self) -> Telling:
        """What the desk is asked to send or keep."""
        return Telling(
            pieces=self.in_parts().pieces,
            reader=self.reader,
            shown=" ".join(self.shown),
            about=self.about,
            now=self.now,
            reach=self.reach,
            phone=self.phone,
            safe=self.safe,
            interpreter=self.interpreter or None,
            needs=self.needs,
            area=self.area or None,
            key=self.key,
        )


def setup(app: Sanic, house: House, desk: StoryDesk, watch: DangerWatch, visits: Visits) -> None:
    """Register the page on ``app``."""
    bp = Blueprint("write")
    pages = _Pages(house, desk, watch, visits)

    @bp.get("/skriv")
    async def begin(request: Request) -> HTTPResponse:
        return await pages.first(request, Form.of(request))

    @bp.post("/skriv")
    async def go_on(request: Request) -> HTTPResponse:
        form = Form.of(request)
        step = (request.form.get("step") if request.form else None) or ""
        if request.form and request.form.get("level") is not None:
            level = request.form.get("level")
            return await pages.first(request, replace(form, who=level if level in READERS else None))
        if step == "begin":
            return await pages.write(request, form)
        if step == "resume":
            return await pages.resume(request, form)
        if step == "change":
            return await pages.write(request, form.in_parts())
        if step == "keep":
            return await pages.keep(request, form)
        if step == "send":
            return await pages.send(request, form)
        return await pages.read(request, form)

    @bp.post("/skriv/sparad")
    async def saved(request: Request) -> HTTPResponse:
        posted: Any = request.form or {}
        receipt = posted.get("receipt") or ""
        if _RECEIPT.fullmatch(receipt):
            await desk.saved(receipt)
        form = Form.of(request)
        story = visits.story(form.visit) if form.visit else None
        return await page(request, "stories/saved.html", reader=form.reader, visit=form.visit if story else "")

    app.blueprint(bp)


class _Pages:
    """The steps. Each takes the whole form and gives the whole form back."""

    def __init__(self, house: House, desk: StoryDesk, watch: DangerWatch, visits: Visits) -> None:
        self._house = house
        self._desk = desk
        self._watch = watch
        self._visits = visits
        self._brake = Brake()
        self._say = house.phrases.say
        self._known = house.phrases.keys()

    async def first(self, request: Request, form: Form) -> HTTPResponse:
        """Who reads, when they must act, and that nobody else reads unknown to the writer."""
        reader = form.reader
        seen = form.having_seen(first_screen_version(self._house.phrases, reader))
        return await page(
            request,
            "stories/first.html",
            reader=reader,
            form=seen,
            levels=[
                ("", self._say("story.first.words_default", reader)),
                *((key, self._say(f"story.first.level.{key}", reader)) for key in READERS),
            ],
            unit=self._desk.reader_of(form.telling()),
        )

    async def write(self, request: Request, form: Form, status: int = 200, message: str = "") -> HTTPResponse:
        """The field for one's own words, and the questions beside it; only the field when it is to tell more."""
        form, reader = await self._told_more(form), form.reader
        wrong = await self._wrong(form) if status == 422 else []
        seen = form.having_seen(first_screen_version(self._house.phrases, reader))
        return await page(
            request,
            "stories/write.html",
            status=status,
            reader=reader,
            form=seen,
            chat=form.visit,
            errors={field: self._sentence(field, code, reader) for field, code in wrong},
            message=message,
            first_screen=seen is not form,
            card=await self._card(form),
            unit=self._desk.reader_of(form.telling()),
            **self._options(reader),
        )

    async def read(self, request: Request, form: Form, status: int = 200, message: str = "") -> HTTPResponse:
        """Everything as it would be sent, each part to be changed or struck."""
        form = await self._told_more(form)
        if status == 200 and await self._wrong(form):
            return await self.write(request, form, 422)
        form, reader = form.in_parts(), form.reader
        card = await self._card(form)
        lines = []
        if card is None and form.now == "yes":
            today = to_local(self._house.clock.now()).date()
            lines = self._house.helplines.pick("adult_danger" if reader.grown_up else "child_danger", reader, today)
        seen = form.having_seen(first_screen_version(self._house.phrases, reader))
        return await page(
            request,
            "stories/read.html",
            status=status,
            reader=reader,
            form=seen,
            chat=form.visit,
            first_screen=seen is not form,
            rows=[] if form.more else self._rows(form),
            message=message,
            card=card,
            lines=lines,
            unit=self._desk.reader_of(await self._assessed(form)),
        )

    async def resume(self, request: Request, form: Form) -> HTTPResponse:
        """Go on with a kept draft."""
        story_id = self._visits.story(form.visit)
        if story_id is None:
            return await self._away(request, form)
        try:
            draft = await self._desk.draft(story_id)
        except NotFound:
            return await self.write(request, form)
        return await self.write(request, Form.resumed(draft, form.visit))

    async def keep(self, request: Request, form: Form) -> HTTPResponse:
        """Save for later, with six words; nobody reads it."""
        reader = form.reader
        try:
            story_id = await self._story(request, form)
            self._brake.check(source_of(request, self._house.settings.trusted_proxies))
            kept = await self._desk.keep(form.telling(), story_id, form.revision)
        except _Away:
            return await self._away(request, form)
        except DraftChanged as error:
            return await self._both(request, form, error.stored)
        except SentAlready as error:
            return await self._sent_already(request, form, error)
        except EmptyText:
            return await self.write(request, form, 422)
        except DomainError as error:
            return await self.read(request, form, error.status, self._say(f"error.{error.code}", reader))
        visit = form.visit or self._visits.begin(kept.story_id)
        return await page(
            request,
            "stories/kept.html",
            reader=reader,
            words=(kept.words or "").split(),
            receipt=kept.receipt,
            visit=visit,
            chat=visit,
            span=self._desk.kept_for(reader),
            card=await self._card(form),
        )

    async def send(self, request: Request, form: Form) -> HTTPResponse:
        """Send it, or send more to what has been sent."""
        began_as_more, form = form.more, await self._told_more(form)
        reader = form.reader
        if form.more and not began_as_more:
            # It went out from another window. What is left here is asked about; when nothing is, it is done.
            if not form.in_parts().pieces:
                return await self._more_sent(request, form)
            return await self.read(request, form, SentAlready.status, self._say("story.error.sent", reader))
        if await self._wrong(form):
            return await self.write(request, form, 422)
        if form.more:
            return await self._add(request, form)
        try:
            story_id = await self._story(request, form)
            self._brake.check(source_of(request, self._house.settings.trusted_proxies))
            sent = await self._desk.send(await self._assessed(form), story_id)
        except _Away:
            return await self._away(request, form)
        except SentAlready as error:
            return await self._sent_already(request, form, error)
        except KeyReused:
            # Somebody went back and changed a text that had already been sent: both are theirs to send.
            again = replace(form, key=secrets.token_urlsafe(24))
            return await self.read(request, again, 409, self._say("write_page.sent_before", reader))
        except DomainError as error:
            return await self.read(request, form, error.status, self._say(f"error.{error.code}", reader))
        visit = self._visits.begin(sent.story_id)
        return await page(
            request,
            "stories/sent.html",
            reader=reader,
            words=(sent.words or "").split(),
            unit=sent.unit_name,
            receipt=sent.receipt,
            reach=form.reach,
            kept_before=bool(story_id),
            visit=visit,
            chat=visit,
            card=await self._card(form),
        )

    async def _add(self, request: Request, form: Form) -> HTTPResponse:
        reader = form.reader
        telling = await self._assessed(form)
        danger = (telling.danger_level, telling.danger_category or "") if telling.danger_level else None
        try:
            story_id = await self._story(request, form)
            assert story_id is not None
            self._brake.check(source_of(request, self._house.settings.trusted_proxies))
            await self._desk.add(story_id, telling.words, form.key, telling.shown, danger)
        except (_Away, NotFound):
            return await self._away(request, form)
        except KeyReused:
            again = replace(form, key=secrets.token_urlsafe(24))
            return await self.read(request, again, 409, self._say("write_page.sent_before", reader))
        except DomainError as error:
            return await self.read(request, form, error.status, self._say(f"error.{error.code}", reader))
        return await self._more_sent(request, form)

    async def _more_sent(self, request: Request, form: Form) -> HTTPResponse:
        return await page(
            request,
            "stories/more_sent.html",
            reader=form.reader,
            visit=form.visit,
            chat=form.visit,
            card=await self._card(form),
        )

    async def _story(self, request: Request, form: Form) -> str | None:
        """Whose page the form belongs to; None for a new story. Raises `_Away` when it has run out."""
        if not form.visit and not form.code and not form.more:
            return None
        story_id = self._visits.story(form.visit) if form.visit else None
        if story_id is not None:
            return story_id
        raise _Away

    async def _away(self, request: Request, form: Form) -> HTTPResponse:
        """The page's token has run out: what was written stays, and the six words are asked for again."""
        reader, message, status = form.reader, self._say("story.error.away", form.reader), 409
        if form.code.strip():
            try:
                opened = await self._desk.open(form.code, source_of(request, self._house.settings.trusted_proxies))
            except DomainError as error:
                message, status = self._say(f"error.{error.code}", reader), error.status
            else:
                if opened.kind == "story" and opened.state == State.DRAFT:
                    draft = await self._desk.draft(opened.story_id)
                    visit = self._visits.begin(opened.story_id)
                    return await self._both(request, replace(form, visit=visit, code="", more=False), draft)
                if opened.kind == "story" and opened.state == State.SENT:
                    visit = self._visits.begin(opened.story_id)
                    more = replace(form, visit=visit, code="", more=True)
                    return await self.read(request, more, 409, self._say("story.error.sent", reader))
                if opened.kind == "story":
                    anew = replace(form, visit="", code="", more=False)
                    return await self.read(request, anew, 409, self._say("story.error.ended", reader))
                message, status = self._say("error.wrong_code", reader), WrongCode.status
        return await page(
            request,
            "stories/away.html",
            status=status,
            reader=reader,
            form=form.in_parts(),
            message=message,
            card=await self._card(form),
        )

    async def _both(self, request: Request, form: Form, stored: Draft) -> HTTPResponse:
        """What stands in this window, and what stands in the kept draft and not here: nothing is lost."""
        mine = form.in_parts()
        here = {posted(piece.text) for piece in mine.pieces}
        others = [piece for piece in stored.pieces if posted(piece.text) not in here]
        both = replace(
            mine,
            pieces=(*others, *mine.pieces),
            revision=stored.revision,
            shown=tuple(dict.fromkeys((*stored.shown.split(), *mine.shown))),
        )
        message = self._say("story.error.changed", form.reader) if others else ""
        return await self.read(request, both, 409, message)

    async def _sent_already(self, request: Request, form: Form, error: DomainError) -> HTTPResponse:
        """The draft went out in another window: what is here may be sent as more."""
        more = replace(form, more=True, key=secrets.token_urlsafe(24))
        if not more.visit:
            return await self._away(request, more)
        return await self.read(request, more, error.status, self._say("story.error.sent", form.reader))

    async def _told_more(self, form: Form) -> Form:
        """The same form, telling more when its story has been sent meanwhile, and anew when it is gone or ended.

        What had been sent already, from another window, is then no longer in it.
        """
        story_id = self._visits.story(form.visit) if form.visit else None
        if story_id is None:
            return form
        try:
            state = await self._desk.state(story_id)
        except NotFound:
            state = State.CLOSED
        if state == State.CLOSED:
            return replace(form, visit="", revision=0, more=False)
        if state == State.DRAFT or form.more:
            return replace(form, more=state == State.SENT)
        sent = {part.text.strip() for part in (await self._desk.mine(story_id)).parts}
        left = tuple(piece for piece in form.pieces if posted(piece.text) not in sent)
        return replace(form, more=True, pieces=left, key=secrets.token_urlsafe(24))

    async def _wrong(self, form: Form) -> list[tuple[str, str]]:
        """Every field that cannot be used as it stands, in the order of the form."""
        telling = form.telling()
        if form.more:
            telling = replace(telling, reach="code", about=None, now=None)
        found = problems(telling.intake())
        if telling.area and telling.area not in {area.id for area in self._house.municipality.areas}:
            found.append(("area", "invalid"))
        struck = not telling.words and bool(telling.pieces)
        return [("words", "all_struck") if struck and one == ("words", "empty") else one for one in found]

    async def _assessed(self, form: Form) -> Telling:
        """What is to be sent, with the most serious danger in any of its fields."""
        telling = form.telling()
        level, category = await asyncio.to_thread(self._most_serious, [*telling.words, *form.safe.values()])
        wished = form.interpreter if self._house.tongues.interpreted(form.interpreter) else None
        return replace(telling, danger_level=level, danger_category=category, interpreter=wished)

    def _most_serious(self, texts: list[str]) -> tuple[str | None, str | None]:
        found = [self._watch.assess(text) for text in texts if text]
        if not found:
            return None, None
        worst = max(found, key=lambda one: one.level or 0)
        return (worst.level.name, worst.category) if isinstance(worst.level, Level) else (None, None)

    async def _card(self, form: Form) -> Any:
        return await asyncio.to_thread(self._watch.assess_fields, [text for text in form.texts if text], form.reader)

    def _options(self, reader: Reader) -> dict[str, list[tuple[str, ...]]]:
        say = self._say
        areas = [(area.id, area.name) for area in self._house.municipality.areas]
        rather_not = ("", say("write_page.rather_not", reader))
        return {
            "about_options": [
                *((value, say(f"write_page.about_value.{value}", reader)) for value in ABOUT),
                rather_not,
            ],
            "now_options": [(value, say(f"common.{value}", reader)) for value in HAPPENING],
            "reach_options": [
                (value, say(f"write_page.reach_value.{value}", reader), say(f"write_page.reach_note.{value}", reader))
                for value in REACH
            ],
            "call_options": [(value, say(f"common.{value}", reader)) for value in SAFE_ANSWERS["call_ok"]],
            "leave_options": [(value, say(f"common.{value}", reader)) for value in SAFE_ANSWERS["leave_message"]],
            "need_options": [(need, say(f"story.need.{need}", reader)) for need in NEEDS],
            "area_options": [("", say("story.write.area_unknown", reader)), *areas] if areas else [],
            "interpreter_options": [("", say("interpreter.none", reader)), *self._house.tongues.choices(reader)],
        }

    def _rows(self, form: Form) -> list[tuple[str, str]]:
        say, reader = self._say, form.reader
        unsaid = say("write_page.unsaid", reader)
        about = say(f"write_page.about_value.{form.about}", reader) if form.about else unsaid
        rows = [
            (say("write_page.who_short", reader), say(f"write_page.who.{form.who}", reader) if form.who else unsaid),
            (say("summary.about", reader), about),
            (say("summary.now", reader), say(f"common.{form.now}", reader) if form.now else unsaid),
            (say("summary.reach", reader), say(f"write_page.reach_value.{form.reach}", reader)),
        ]
        if form.needs:
            told = ", ".join(say(f"story.need.{need}", reader) for need in form.needs)
            rows.append((say("story.write.needs", reader), told))
        for area in self._house.municipality.areas:
            if area.id == form.area:
                rows.append((say("story.write.area", reader), area.name))
        if self._house.tongues.interpreted(form.interpreter):
            rows.append((say("summary.interpreter", reader), self._house.tongues.interpreter(form.interpreter, reader)))
        if form.reach == "phone":
            rows.append((say("summary.phone", reader), form.phone))
            for field in SAFE_FIELDS:
                answer = form.safe.get(field)
                if answer:
                    shown = say(f"common.{answer}", reader) if field in SAFE_ANSWERS else answer
                    rows.append((say(f"write_page.safe.{field}", reader), shown))
        return rows

    def _sentence(self, field: str, code: str, reader: Reader) -> str:
        if code == "all_struck":
            return self._say("story.read.all_struck", reader)
        own = f"write_page.error.{field}_{code}"
        return self._say(own if own in self._known else f"error.{code}", reader)


class _Away(Exception):
    """The page's token is nobody's any more."""


def posted(text: str) -> str:
    """A text as it was before a browser sent it, which makes every line break two characters."""
    return text.replace("\r\n", "\n").strip()


def _visible(text: str) -> bool:
    """Whether anything is left to read; what is too long counts too, since it is the writer's to shorten."""
    try:
        clean(text, STORY_LIMIT)
    except EmptyText:
        return False
    except TextTooLong:
        return True
    return True
