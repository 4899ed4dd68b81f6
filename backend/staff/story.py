"""Stories in the staff app: the words of a concern, what one's unit has been let in to, and sharing on a ground in the law.

An open page listens to what happens to its story. When the right to read is taken back it is emptied at
once; when a part is, the part goes. Without script the next request finds nothing.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from datetime import date
from typing import Any

from sanic import HTTPResponse, Request, redirect
from sanic.request import RequestParameters

from backend.core import access
from backend.core.errors import DomainError, NotFound, NotLoggedIn
from backend.core.people import StaffMember
from backend.staff.shell import ID, Shell
from backend.stories.reading import HELP, HELP_BY, Sharing, StaffStory, StoryReading
from backend.stories.service import topic, unit_topic
from backend.web.sse import stream

PATH = "/personal/berattelser"


def setup(shell: Shell, reading: StoryReading) -> None:
    """Add the pages to the staff app, and the story to the page of the concern that it came with."""
    known, show, bp = shell.known, shell.show, shell.bp
    shell.way(PATH, "staff.story.nav", lambda staff: staff.handles_cases)

    def around(story: StaffStory, staff: StaffMember) -> dict[str, Any]:
        """An opened story with the choices of its forms."""
        return {
            "story": story,
            "sharing_grounds": reading.grounds_for(staff) if story.whole else [],
            "hidden_days": shell.house.municipality.stories.hidden_days,
            "help_options": HELP,
            "help_by": HELP_BY,
        }

    async def inside(staff: StaffMember, page: Mapping[str, Any]) -> dict[str, Any]:
        """The story of the concern that a page shows; None for one with words of its own."""
        story_id = page["concern"].story_id
        if story_id is None:
            return {"story": None}
        return around(await reading.open_for(staff, story_id), staff)

    shell.fill("concern", inside)

    async def opened(
        request: Request, staff: StaffMember, story_id: str, status: int = 200, **more: Any
    ) -> HTTPResponse:
        panel = around(await reading.open_for(staff, story_id), staff)
        return await show(request, "story", staff, status, **panel, **more)

    @bp.get("/berattelser", name="story-list")
    @known
    async def listed(request: Request, staff: StaffMember) -> HTTPResponse:
        return await show(request, "stories", staff, rows=await reading.list_for(staff))

    @bp.get(f"/berattelse/<story_id:{ID}>", name="story")
    @known
    async def story(request: Request, staff: StaffMember, story_id: str) -> HTTPResponse:
        return await opened(request, staff, story_id)

    @bp.get(f"/berattelse/<story_id:{ID}>/nu", name="story-now")
    async def live(request: Request, story_id: str) -> HTTPResponse | None:
        """What happens to the story while its page is open; ends when it may not be read any more."""
        try:
            staff = await shell.polling(request)
        except NotLoggedIn:
            return HTTPResponse(status=401)
        if not await reading.may_read(staff, story_id):
            return HTTPResponse(status=404)

        async def allowed() -> bool:
            with suppress(NotLoggedIn):
                return await reading.may_read(await shell.polling(request), story_id)
            return False

        with shell.house.live.listen(topic(story_id), unit_topic(story_id, staff.unit), access.TOPIC) as feed:
            await stream(request, feed, allowed=allowed, losses=("withdrawn",))
        return None

    @bp.get(f"/berattelse/<story_id:{ID}>/delar", name="story-parts")
    async def parts(request: Request, story_id: str) -> HTTPResponse:
        """The ids of the parts that may be read now, for a page that has been told to ask again."""
        try:
            staff = await shell.polling(request)
        except NotLoggedIn:
            return HTTPResponse(status=401)
        if not await reading.may_read(staff, story_id):
            return HTTPResponse(status=404)
        return HTTPResponse(" ".join(await reading.readable_parts(staff, story_id)), content_type="text/plain")

    def deed(way: str, panel: str, act: Callable[[StaffMember, str, Any], Awaitable[None]]) -> None:
        """A form on the page: done, back to its place on the page; refused, the page again with what was written."""

        @bp.post(f"/berattelse/<story_id:{ID}>/{way}", name=f"story-{way}")
        @known
        async def do(request: Request, staff: StaffMember, story_id: str) -> HTTPResponse:
            # Nothing sent at all is a form without answers, which the page can show again like any other.
            form: Any = request.form or RequestParameters()
            try:
                await act(staff, story_id, form)
            except NotFound:
                raise
            except DomainError as error:
                field = str(error.extra.get("field", ""))
                message = _said(shell, panel, field, error)
                wrong = {"panel": panel, "field": field, "message": message, "form": form}
                return await opened(request, staff, story_id, error.status, story_wrong=wrong)
            return redirect(f"/personal/berattelse/{story_id}#{panel}", status=303)

    async def summarise(staff: StaffMember, story_id: str, form: Any) -> None:
        version = form.get("version") or ""
        await reading.summarise(staff, story_id, form.get("summary") or "", int(version) if version.isdecimal() else 0)

    async def point(staff: StaffMember, story_id: str, form: Any) -> None:
        await reading.add_point(staff, story_id, form.get("part") or "", form.get("point") or "")

    async def drop_point(staff: StaffMember, story_id: str, form: Any) -> None:
        await reading.drop_point(staff, story_id, form.get("point") or "")

    async def share(staff: StaffMember, story_id: str, form: Any) -> None:
        kind, _, receiver = (form.get("receiver") or "").partition(":")
        wish = Sharing(
            unit=receiver if kind == "unit" else "",
            outside=receiver if kind == "outside" else "",
            ground=form.get("ground") or "",
            parts=frozenset(form.getlist("part") or []),
            reason=form.get("reason") or "",
            hide=bool(form.get("hide")),
            hidden=form.get("hidden") or "",
            review_on=_day(form.get("review_on") or ""),
        )
        await reading.share(staff, story_id, wish)

    async def end_share(staff: StaffMember, story_id: str, form: Any) -> None:
        await reading.end_share(staff, story_id, form.get("share") or "")

    async def tell(staff: StaffMember, story_id: str, form: Any) -> None:
        await reading.tell_now(staff, story_id, form.get("share") or "")

    async def hide_longer(staff: StaffMember, story_id: str, form: Any) -> None:
        day = _day(form.get("review_on") or "")
        await reading.hide_longer(staff, story_id, form.get("share") or "", form.get("hidden") or "", day)

    async def note_help(staff: StaffMember, story_id: str, form: Any) -> None:
        await reading.note_help(staff, story_id, form.get("what") or "", form.get("by") or "")

    async def end_help(staff: StaffMember, story_id: str, form: Any) -> None:
        await reading.end_help(staff, story_id, form.get("help") or "")

    deed("sammanfatta", "summary", summarise)
    deed("notera", "told", point)
    deed("stryk", "told", drop_point)
    deed("dela", "shares", share)
    deed("sluta-dela", "shares", end_share)
    deed("beratta", "shares", tell)
    deed("vanta", "shares", hide_longer)
    deed("hjalp", "help", note_help)
    deed("hjalp-slut", "help", end_help)


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _said(shell: Shell, panel: str, field: str, error: DomainError) -> str:
    """What went wrong, in the panel's own sentence if it has one."""
    phrases = shell.house.phrases
    days = shell.house.municipality.stories.hidden_days
    for key in (f"staff.story.{panel}.error.{field}_{error.code}", f"staff.story.{panel}.error.{error.code}"):
        if key in phrases:
            return phrases.say(key, None, days=days)
    return phrases.say(f"error.{error.code}") if f"error.{error.code}" in phrases else phrases.say("error.invalid")
