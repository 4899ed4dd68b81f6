"""``/hjalp-nu``: numbers to call. From memory alone, so it is there when everything else is down."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from sanic import Blueprint, HTTPResponse, Request, Sanic

from backend.core.clock import to_local
from backend.core.content import LANGUAGES
from backend.core.house import House
from backend.core.municipality import Contact
from backend.core.reader import Lang, Reader
from backend.web.render import page


def setup(app: Sanic, house: House) -> None:
    """Register the page."""
    bp = Blueprint("help")

    @bp.get("/hjalp-nu")
    async def show(request: Request) -> HTTPResponse:
        reader = Reader(lang=language(request, translated=True))
        return await page(request, "help/numbers.html", reader=reader, **numbers(house, reader.lang))

    app.blueprint(bp)


def language(request: Request, *, translated: bool = False) -> Lang:
    """The language that a page was asked for, in its form or with ``?lang=``; Swedish otherwise.

    Only a page whose texts are ``translated`` is shown in a language that is not written whole: a page
    that is half Swedish helps nobody who reads none.
    """
    house: House = request.app.ctx.house
    form: Any = request.form or {}
    for asked in (form.get("lang"), request.args.get("lang")):
        lang = house.translations.choosable(asked)
        if lang is not None and (translated or lang in LANGUAGES):
            return lang
    return "sv"


def numbers(house: House, lang: Lang = "sv") -> dict[str, Any]:
    """What the page shows: the emergency line, then one group per kind of reader, no line twice."""
    today = to_local(house.clock.now()).date()
    child, adult = Reader(lang=lang), Reader(band="adult", lang=lang)
    helplines = house.helplines
    emergency = helplines.pick("child_danger", child, today)[:1]
    seen = {line.id for line in emergency}
    groups = []
    for name, sets, reader in (
        ("young", ("teen", "teen_danger"), child),
        ("grown", ("adult", "own_use"), adult),
        ("violence", ("violence", "using_violence"), adult),
    ):
        lines = [line for one in sets for line in helplines.pick(one, reader, today)]
        fresh = {line.id: line for line in lines if line.id not in seen}
        seen |= fresh.keys()
        groups.append((f"help.{name}", [asdict(line) for line in fresh.values()]))
    return {
        "emergency": [asdict(line) for line in emergency],
        "groups": groups,
        "local": [local(contact) for contact in house.municipality.contacts],
        "socialjour": house.municipality.socialjour,
    }


def local(contact: Contact) -> dict[str, Any]:
    """One of the municipality's own numbers, as the template of a number takes it."""
    return {
        "name": contact.name,
        "number": contact.number_display,
        "tel": contact.number_tel,
        "spoken": contact.spoken,
        "note": contact.note.child,
        "lang": "sv",
        "example": contact.example,
    }
