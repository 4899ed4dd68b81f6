"""``/personal/logg``: who has read what, when and why, for whoever leads a unit."""

from __future__ import annotations

import re
from datetime import date, timedelta
from urllib.parse import urlencode

from sanic import HTTPResponse, Request, text

from backend.core.errors import NotFound
from backend.core.people import StaffMember
from backend.core.sheets import write_csv
from backend.staff.case_words import CaseWords
from backend.staff.log_desk import DAYS, KINDS, Entry, LogDesk, Wanted
from backend.staff.shell import HOME, Shell

PATH = f"{HOME}/logg"
_ID = re.compile(r"[0-9a-f]{24}")


def setup(shell: Shell, desk: LogDesk) -> None:
    """Add the pages to the staff app."""
    known, show, words, bp, house = shell.known, shell.show, shell.words, shell.bp, shell.house
    case_words = CaseWords(house, words)
    shell.way(PATH, "staff.log.nav", desk.open_to)

    def wanted_of(request: Request) -> Wanted:
        def given(name: str) -> str:
            return str(request.args.get(name) or "")

        def one(name: str) -> str:
            return given(name) if _ID.fullmatch(given(name)) else ""

        def day(name: str, default: date) -> date:
            try:
                return date.fromisoformat(given(name))
            except ValueError:
                return default

        until = min(day("till", desk.today()), desk.today())
        since = min(day("fran", until - timedelta(days=DAYS)), until)
        kind = given("visa") if given("visa") in KINDS else ""
        before = (
            int(given("fore"))
            if given("fore").isascii() and given("fore").isdigit() and len(given("fore")) < 16
            else None
        )
        return Wanted(since, until, one("vem"), kind, one("arende"), before)

    def query(wanted: Wanted, **change: object) -> str:
        values = {
            "fran": wanted.since.isoformat(),
            "till": wanted.until.isoformat(),
            "vem": wanted.who,
            "visa": wanted.kind,
            "arende": wanted.case_id,
            **change,
        }
        return urlencode({name: value for name, value in values.items() if value})

    @bp.get("/logg", name="log")
    @known
    async def log(request: Request, staff: StaffMember) -> HTTPResponse:
        if not desk.open_to(staff):
            raise NotFound
        wanted = wanted_of(request)
        found, found_at = desk.standing()
        return await show(
            request, "log", staff, log=await desk.read(staff, wanted), wanted=wanted, kinds=list(KINDS), c=case_words,
            query=lambda **change: query(wanted, **change), found=found, found_at=found_at,
        )  # fmt: skip

    @bp.post("/logg/lista.csv", name="log-sheet")
    @known
    async def sheet(request: Request, staff: StaffMember) -> HTTPResponse:
        """The same as a list, for a supervisor."""
        exported = await desk.export(staff, wanted_of(request))
        say = house.phrases.say
        head = [
            say(f"staff.log.sheet.{name}")
            for name in ("at", "who", "unit", "roles", "deed", "about", "detail", "reason")
        ]
        return text(
            write_csv(head, [row(entry) for entry in exported.entries]),
            content_type="text/csv; charset=utf-8",
            headers={"content-disposition": 'attachment; filename="logg.csv"'},
        )

    def row(entry: Entry) -> list[str]:
        return [
            words.stamp(entry.at),
            entry.name,
            words.unit(entry.unit),
            ", ".join(house.phrases.say(f"staff.role.{role}") for role in entry.roles),
            case_words.deed(entry.tag),
            case_words.person(entry.about.person) if entry.about is not None else entry.subject,
            entry.detail,
            entry.reason,
        ]
