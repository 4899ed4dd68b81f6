"""What every staff page shares: who is logged in, the frame around the page, the ways between pages.

A feature's staff pages are a module of their own with ``setup(shell, ...)``. What somebody
may not know of does not exist: 404, never 403.
"""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple

from sanic import Blueprint, HTTPResponse, Request, Sanic, redirect

from backend.core.errors import NotFound, NotLoggedIn
from backend.core.house import House
from backend.core.people import StaffMember
from backend.staff.service import StaffDoor
from backend.staff.words import StaffWords
from backend.web.render import page
from backend.web.security import check_origin

HOME = "/personal"
LOGIN = f"{HOME}/logga-in"
ID = "([0-9a-f]{24})"
"""A row's id in a route."""
BY_PAGE = "x-by-page"
"""A header of what an open page asks by itself: no sign that somebody is there."""

_BY_USE = ("", "inkorg", "samtal", "dagen", "kalender", "arenden", "larm", "skriv-in", "bemanning", "loftet", "forsta")
"""Pages in the order in which a day's work needs them, by the last part of their path; others come after."""

View = Callable[..., Awaitable[HTTPResponse]]
Fill = Callable[[StaffMember, Mapping[str, Any]], Awaitable[dict[str, Any]]]
Visible = Callable[[StaffMember], bool]


class _Way(NamedTuple):
    path: str
    phrase: str
    visible: Visible


class Shell:
    """The staff app's frame. Pages are registered on ``bp`` and guarded by `known`."""

    def __init__(self, house: House, door: StaffDoor) -> None:
        self.house = house
        self.door = door
        self.words = StaffWords(house)
        self.bp = Blueprint("staff", url_prefix=HOME)
        self._cookie = "__Host-koll" if house.settings.https else "koll_staff"
        self._ways: list[_Way] = []
        self._shared: dict[str, Callable[[StaffMember], Awaitable[Any]]] = {}
        self._fills: dict[str, list[Fill]] = {}

    def way(self, path: str, phrase: str, visible: Visible = lambda staff: True) -> None:
        """Put a link in the navigation of those for whom ``visible`` says yes; ``phrase`` is its text."""
        self._ways.append(_Way(path, phrase, visible))
        self._ways.sort(key=_use)

    def share(self, name: str, find: Callable[[StaffMember], Awaitable[Any]]) -> None:
        """Give every staff page a value under ``name``, found anew for whoever is logged in."""
        self._shared[name] = find

    def fill(self, template: str, find: Fill) -> None:
        """Give every page made from ``template`` more values: what a feature shows inside another feature's page.

        ``find`` gets whoever is logged in and the page's own values, none of which its own may be named like.
        """
        self._fills.setdefault(template, []).append(find)

    def known(self, view: View) -> View:
        """Only for somebody who is logged in; everybody else is led to the login, and learns nothing."""

        @functools.wraps(view)
        async def guarded(request: Request, **arguments: Any) -> HTTPResponse:
            if request.method != "GET":
                # The shared check lets bearer requests pass; here a cookie is the identity, so none may.
                check_origin(request, self.house.settings.origin)
            try:
                staff = await self.door.who(self.token(request), by_hand=BY_PAGE not in request.headers)
            except NotLoggedIn:
                return redirect(LOGIN, status=303)
            try:
                return await view(request, staff, **arguments)
            except NotFound:
                return await self.show(request, "not_found", staff, status=404, back=HOME)

        return guarded

    def handling(self, view: View) -> View:
        """`known`, and only for who works with people's matters: nothing of these exists for the others."""

        @functools.wraps(view)
        async def guarded(request: Request, staff: StaffMember, **arguments: Any) -> HTTPResponse:
            if not staff.handles_cases:
                raise NotFound
            return await view(request, staff, **arguments)

        return self.known(guarded)

    async def polling(self, request: Request) -> StaffMember:
        """Who asks, for what a page asks by itself: no sign that somebody is there. Raises `NotLoggedIn`."""
        return await self.door.who(self.token(request), by_hand=False)

    async def listening(self, request: Request) -> StaffMember:
        """Who asks, for a page on which somebody waits to be needed. Raises `NotLoggedIn`; see `StaffDoor.who`."""
        return await self.door.who(self.token(request), by_hand=False, listens=True)

    async def someone(self, request: Request) -> StaffMember | None:
        """`polling`, or None for nobody: for streams, which ask again and again whether they may go on."""
        try:
            return await self.polling(request)
        except NotLoggedIn:
            return None

    async def still(self, request: Request, staff: StaffMember) -> bool:
        """Whether it is still ``staff`` who is logged in, in the same unit with the same roles."""
        now = await self.someone(request)
        return now is not None and (now.id, now.unit, now.role, now.also) == (
            staff.id,
            staff.unit,
            staff.role,
            staff.also,
        )

    async def show(
        self, request: Request, template: str, staff: StaffMember | None, status: int = 200, **more: Any
    ) -> HTTPResponse:
        """Render ``staff/<template>.html`` in the frame."""
        shared = {
            "staff": staff,
            "unit": self.words.unit(staff.unit) if staff else "",
            "w": self.words,
            "now": self.house.clock.now(),
            "ways": [way for way in self._ways if staff is not None and way.visible(staff)],
            "alarms": None,
            "capacity": None,
            "bell": None,
        }
        if staff is not None:
            shared |= {name: await find(staff) for name, find in self._shared.items()}
            for fill in self._fills.get(template, ()):
                filled = await fill(staff, more)
                if twice := filled.keys() & more.keys():
                    raise ValueError(f"staff/{template}.html is given {', '.join(sorted(twice))} by two features")
                more |= filled
        return await page(request, f"staff/{template}.html", status=status, **shared, **more)

    def token(self, request: Request) -> str | None:
        """The session's token in the cookie, if there is one."""
        return request.cookies.get(self._cookie)

    def remember(self, response: HTTPResponse, token: str, max_age: int | None = None) -> None:
        """Set the session's cookie on ``response``; ``max_age`` 0 takes it away."""
        response.add_cookie(
            self._cookie,
            token,
            path="/",
            httponly=True,
            samesite="Strict",
            secure=self.house.settings.https,
            max_age=max_age,
        )

    def open(self, app: Sanic) -> None:
        """Register everything on ``app``; nothing can be added afterwards."""
        app.blueprint(self.bp)


def _use(way: _Way) -> int:
    name = way.path.removeprefix(HOME).strip("/")
    return _BY_USE.index(name) if name in _BY_USE else len(_BY_USE)
