"""The chat as pages: ``/chatt``, the same in a frame, the embed script, and the way out.

Everything works as plain forms. The chat's id lives in a hidden field or in the
page's memory, never in an address, a cookie or any storage, so the browser's
history holds the start page and nothing more.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from sanic import Blueprint, HTTPResponse, Request, Sanic

from backend.core.clock import to_local
from backend.core.errors import ChatExpired, DomainError, EmptyText, MalformedRequest
from backend.core.house import House
from backend.core.reader import READERS, Reader
from backend.talks.told import STANDING
from backend.web.help import language
from backend.web.render import STATIC, page
from backend.web.security import source_of

log = logging.getLogger("koll")

PATH, FRAME_PATH, LEAVE_PATH = "/chatt", "/chatt/ruta", "/lamna"
REMEMBER_SECONDS = 12 * 3600
REMEMBER_AT_MOST = 20_000
WIPE_SECONDS = 2.0
"""How long leaving may wait for the wipe; it goes on afterwards, and nobody stands waiting at the door."""
EMBED_MAX_AGE = 3600
_WHO_READS = {
    "6-9": "child_6_9",
    "10-12": "child_10_12",
    "13-17": "child_13_17",
    "adult": "adult",
    "parent": "parent",
}
"""Who writes, as far as the words that they chose on the map tell."""
_LIVE_WORDS = ("ask", "end", "field", "field_waiting", "writing", "seen", "by_service", "again")
"""Of the talk with a human; the rest comes with the answers."""
_WORDS = (
    "by_visitor", "by_assistant", "by_staff", "answers", "sending", "send", "writing", "limited",
    "new_answer", "not_sent", "not_started", "open_map", "who_unknown", "who_known", "robot", "field",
)  # fmt: skip


class Said(Protocol):
    """What a desk answers with: messages in the API's shape, the mode, and who writes."""

    @property
    def messages(self) -> list[dict[str, Any]]: ...

    @property
    def mode(self) -> str: ...

    @property
    def who(self) -> str | None: ...

    @property
    def talk(self) -> dict[str, Any] | None: ...


class Begun(Said, Protocol):
    """A new chat and its id."""

    @property
    def chat(self) -> str: ...


class Desk(Protocol):
    """What these pages need of `backend.chat.service.ChatDesk`."""

    async def start(self, reader: Reader, source: str = "") -> Begun: ...

    async def send(
        self,
        token: str,
        *,
        text: str | None = None,
        choice: str | None = None,
        key: str | None = None,
        source: str = "",
    ) -> Said: ...

    async def look_again(self, token: str) -> None: ...

    async def enter(self, token: str, ticket: str) -> None: ...

    async def history(self, token: str) -> Said: ...

    async def help_despite(self, text: str) -> dict[str, Any]: ...

    async def end(self, token: str) -> None: ...

    def station(self, slug: str, reader: Reader) -> str | None: ...


@dataclass(slots=True)
class Form:
    """What was posted. ``key`` makes a repeated post count once; ``station`` is where on the map somebody came from."""

    chat: str
    text: str
    choice: str
    key: str
    who: str
    begin: bool
    refresh: bool
    station: str
    ticket: str

    @property
    def begins(self) -> bool:
        """Whether this begins a chat without a word: somebody only wants it open, or a human in it."""
        return self.begin or self.choice in STANDING

    @classmethod
    def of(cls, request: Request) -> Form:
        """Read leniently: an unknown or missing field is an empty one."""
        form: Mapping[str, Any] = request.form or {}

        def one(name: str) -> str:
            value = form.get(name)
            return value if isinstance(value, str) else ""

        return cls(
            chat=one("chat").strip(),
            text=one("text"),
            choice=one("choice"),
            key=one("form_key")[:200],
            who=one("who") if one("who") in READERS else "",
            begin=bool(one("begin")),
            refresh=bool(one("refresh")),
            station=one("station")[:3],
            ticket=one("ticket"),
        )


class Recent:
    """Hashes of a bounded number of ids for some hours, each with a note; nothing can be read back from them."""

    def __init__(self) -> None:
        self._noted: OrderedDict[str, tuple[float, Any]] = OrderedDict()

    def note(self, token: str, about: Any = None) -> None:
        """Remember a token."""
        now = time.monotonic()
        self._noted[_digest(token)] = (now, about)
        while self._noted and (
            len(self._noted) > REMEMBER_AT_MOST or next(iter(self._noted.values()))[0] < now - REMEMBER_SECONDS
        ):
            self._noted.popitem(last=False)

    def get(self, token: str) -> Any:
        """The note about a token, or None."""
        found = self._noted.get(_digest(token))
        return None if found is None else found[1]

    def __contains__(self, token: str) -> bool:
        return _digest(token) in self._noted


def setup(app: Sanic, house: House, desk: Desk, forget: Callable[[str], None]) -> None:
    """Register the pages. ``forget`` is told of every page that is left, chat or not, by its token."""
    bp = Blueprint("chat-pages")
    pages = _Pages(house, desk)
    embed = _Embed(house)

    @bp.get(PATH)
    async def start_page(request: Request) -> HTTPResponse:
        return await pages.show(request, framed=False)

    @bp.post(PATH)
    async def talk(request: Request) -> HTTPResponse:
        return await pages.talk(request, framed=False)

    @bp.get(FRAME_PATH)
    async def frame(request: Request) -> HTTPResponse:
        request.ctx.framable = True
        return await pages.show(request, framed=True)

    @bp.post(FRAME_PATH)
    async def talk_in_frame(request: Request) -> HTTPResponse:
        request.ctx.framable = True
        return await pages.talk(request, framed=True)

    @bp.post(LEAVE_PATH)
    async def leave(request: Request) -> HTTPResponse:
        token = Form.of(request).chat
        forget(token)
        return await pages.leave(request, token)

    @bp.get(LEAVE_PATH)
    async def left(request: Request) -> HTTPResponse:
        return await pages.leave(request, "")

    @bp.get(f"{LEAVE_PATH}/tom.css")
    async def forget_pages(request: Request) -> HTTPResponse:
        # The blank page loads this while it waits: it empties the browser's copies of our pages,
        # the ones kept for its Back button included.
        return HTTPResponse("", content_type="text/css", headers={"clear-site-data": '"cache"'})

    @bp.get("/embed.js")
    async def embed_script(request: Request) -> HTTPResponse:
        return embed.answer(request)

    app.blueprint(bp)


class _Pages:
    def __init__(self, house: House, desk: Desk) -> None:
        self._house = house
        self._desk = desk
        self._left = Recent()
        self._started = Recent()
        self._starting: dict[str, asyncio.Task[str]] = {}

    async def show(self, request: Request, *, framed: bool) -> HTTPResponse:
        """The start page; nothing is stored anywhere yet.

        ``?fran=`` is the number of the station on the map that somebody has a question about, ``?ord=`` whose
        words they read it in: the chat goes on in the same words, and says of whom it takes them to be.
        """
        who = _WHO_READS.get(request.args.get("ord") or "", "")
        reader = Reader(lang=language(request, translated=True))
        return await self._page(request, framed, reader, station=request.args.get("fran") or "", begins_as=who)

    async def talk(self, request: Request, *, framed: bool) -> HTTPResponse:
        """Take a form and show the whole conversation; whatever goes wrong, what was written stays in the field."""
        form = Form.of(request)
        reader = Reader.of(form.who or None, language(request, translated=True))
        chat = form.chat
        try:
            if not chat and form.text.strip() == "" and not form.begins:
                raise EmptyText if form.key else MalformedRequest
            fresh = not chat
            if fresh:
                chat = await self._begin(request, form, reader)
            if chat in self._left:
                raise ChatExpired
            if fresh and self._desk.station(form.station, reader):
                await self._desk.send(chat, choice=f"station:{form.station}", key=f"{form.key}.station")
            if fresh and form.ticket:
                await self._desk.enter(chat, form.ticket)
            await self._pass_on(chat, form, source_of(request, self._house.settings.trusted_proxies))
            said = await self._desk.history(chat)
        except Exception as error:
            return await self._explain(request, framed, reader, form, chat, error)
        kept = form.text if form.choice or form.refresh else ""
        return await self._page(request, framed, reader, chat=chat, said=said, text=kept)

    async def leave(self, request: Request, token: str) -> HTTPResponse:
        """Wipe the chat and show a blank page that goes on to the neutral site by itself.

        A redirect would leave the chat on the screen until the other site answers.
        """
        if token:
            self._left.note(token)
            wiping = asyncio.ensure_future(self._wipe(token))
            await asyncio.wait({wiping}, timeout=WIPE_SECONDS)
        return await page(request, "chat/left.html")

    async def _wipe(self, token: str) -> None:
        try:
            await self._desk.end(token)
        except ChatExpired:
            return
        except Exception as error:
            log.error("wiping a left chat failed: %s", type(error).__name__)

    async def _begin(self, request: Request, form: Form, reader: Reader) -> str:
        """The id of a new chat; the same form posted twice begins one chat, and none once that one was left."""
        if form.key in self._started:
            return str(self._started.get(form.key))
        beginning = self._starting.get(form.key) if form.key else None
        if beginning is None:
            source = source_of(request, self._house.settings.trusted_proxies)
            beginning = asyncio.ensure_future(self._start(reader, source, form.key))
            if form.key:
                self._starting[form.key] = beginning
                beginning.add_done_callback(lambda _: self._starting.pop(form.key, None))
        return await asyncio.shield(beginning)

    async def _start(self, reader: Reader, source: str, key: str) -> str:
        begun = await self._desk.start(reader, source)
        if key:
            self._started.note(key, begun.chat)
        return begun.chat

    async def _pass_on(self, chat: str, form: Form, source: str) -> None:
        if form.refresh:
            await self._desk.look_again(chat)
            return
        if form.begin and not form.text.strip():
            return
        key = form.key or None
        if form.choice:
            await self._desk.send(chat, choice=form.choice, key=key)
        else:
            await self._desk.send(chat, text=form.text, key=key, source=source)

    async def _explain(
        self, request: Request, framed: bool, reader: Reader, form: Form, chat: str, error: Exception
    ) -> HTTPResponse:
        if isinstance(error, DomainError):
            status, code = error.status, error.code
        else:
            status, code = 500, "internal"
            log.error("chat page failed: %s", type(error).__name__)
        help_ = await self._help_despite(form.text)
        if isinstance(error, ChatExpired):
            gone = chat in self._left
            return await self._page(
                request, framed, reader, status=status, problem="left" if gone else code, text="" if gone else form.text
            )
        said = await self._history(chat)
        return await self._page(
            request, framed, reader, status=status, problem=code, chat=chat, said=said, text=form.text, help_=help_
        )

    async def _help_despite(self, text: str) -> list[dict[str, Any]]:
        try:
            return list((await self._desk.help_despite(text)).get("messages", [])) if text.strip() else []
        except Exception as error:
            log.error("danger help failed: %s", type(error).__name__)
            return []

    async def _history(self, chat: str) -> Said | None:
        try:
            return await self._desk.history(chat) if chat else None
        except Exception:
            return None

    async def _page(
        self,
        request: Request,
        framed: bool,
        reader: Reader,
        *,
        status: int = 200,
        chat: str = "",
        said: Said | None = None,
        text: str = "",
        problem: str = "",
        help_: Iterable[dict[str, Any]] = (),
        station: str = "",
        begins_as: str = "",
    ) -> HTTPResponse:
        phrases = self._house.phrases
        messages = [*(said.messages if said else []), *help_]
        who = said.who if said else None
        names = {one: phrases.say(f"chat.who.{one}", reader) for one in READERS}
        say: dict[str, Any] = {word: phrases.say(f"chat.{word}", reader) for word in _WORDS}
        say["live"] = {word: phrases.say(f"live.{word}", reader) for word in _LIVE_WORDS}
        say |= {
            "gone": phrases.say("code.gone", reader),
            "empty": phrases.say("error.empty", reader),
            "free": phrases.say("common.free_call", reader),
            "hidden": phrases.say("common.not_on_bill", reader),
            "call": phrases.say("page.call", reader, name="{name}", spoken="{spoken}", number="{number}"),
            "website": phrases.say("page.website", reader, name="{name}"),
            "words": phrases.say("summary.words", reader),
            "who": names,
        }
        sentence = phrases.say("chat.left" if problem == "left" else f"error.{problem}", reader) if problem else ""
        today = to_local(self._house.clock.now()).date()
        lines = self._house.helplines.pick("child", reader, today) if problem else []
        return await page(
            request,
            "chat/page.html",
            status=status,
            reader=reader,
            framed=framed,
            action=FRAME_PATH if framed else PATH,
            chat=chat,
            station=station,
            station_title=self._desk.station(station, Reader.of(begins_as or None, reader.lang)),
            begins_as=begins_as,
            begun=bool(chat),
            messages=messages,
            newest=_newest(messages),
            mode=said.mode if said else "assistant",
            talk=said.talk if said else None,
            data_talk=_for_script({"talk": said.talk if said else None}),
            who=who,
            who_names=names,
            asks_who=who is not None or _newest(messages) > 0,
            text=text,
            form_key=secrets.token_urlsafe(18),
            problem=sentence,
            lines=[asdict(line) for line in lines],
            words=_for_script(
                {
                    "words": say,
                    "lang": reader.lang,
                    # What the assistant says beside its first answer is not in a language that only the page speaks.
                    "said": reader.spoken if self._house.translations.translated(reader.lang) else None,
                    "framed": framed,
                }
            ),
        )


class _Embed:
    """``/embed.js`` with this municipality's addresses in it. Public and the same for everybody, so it may be cached."""

    def __init__(self, house: House) -> None:
        say = house.phrases.say
        settings = {
            "frame": FRAME_PATH,
            "exit": house.municipality.exit_url,
            "exitTitle": house.municipality.exit_label,
            "open": say("chat.embed_open"),
            "close": say("chat.embed_close"),
            "title": say("chat.embed_title"),
            "name": house.municipality.service_name,
        }
        source = (STATIC / "embed.js").read_text("utf-8")
        self._body = source.replace("/*SETTINGS*/ {}", json.dumps(settings, ensure_ascii=True)).encode()
        self._etag = f'"{hashlib.sha256(self._body).hexdigest()[:32]}"'

    def answer(self, request: Request) -> HTTPResponse:
        headers = {"etag": self._etag, "cache-control": f"public, max-age={EMBED_MAX_AGE}", "vary": "accept-encoding"}
        # A page on another origin may run a script only if the script's server agrees.
        headers["cross-origin-resource-policy"] = "cross-origin"
        if request.headers.get("if-none-match") == self._etag:
            return HTTPResponse(status=304, headers=headers)
        return HTTPResponse(self._body, content_type="text/javascript; charset=utf-8", headers=headers)


def _newest(messages: list[dict[str, Any]]) -> int:
    """Index of the first message after the visitor's last: only choices from there on are still open."""
    return max((index + 1 for index, one in enumerate(messages) if one.get("author") == "visitor"), default=0)


def _for_script(data: Mapping[str, Any]) -> str:
    """JSON that cannot end the element it stands in."""
    return json.dumps(data, ensure_ascii=False).replace("<", "\\u003c").replace("\u2028", "\\u2028")


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
