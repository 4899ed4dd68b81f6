"""``/personal/regler``: which rules decide who reads first, and what a changed file would have done. For leaders."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from sanic import HTTPResponse, Request

from backend.concerns.dryrun import DAYS, RulesDesk
from backend.concerns.rules import Rule
from backend.core.content import ContentError
from backend.core.errors import NotFound
from backend.core.people import StaffMember
from backend.staff.shell import HOME, Shell

PATH = f"{HOME}/regler"
MOST = 100_000
"""Characters in a file that is tried."""
PERIODS = (30, 90, 180, 365)
_PLACE = re.compile(r"^routing\.yml, line (?P<line>\d+): (?P<what>.*)$", re.DOTALL)
_PHRASES = {
    "category": "concern_category",
    "danger": "concern_level",
    "need": "staff.need",
    "only_need": "staff.need",
    "source": "staff.source",
    "about": "summary.about_value",
    "now": "common",
    "who": "staff.rules.who",
}


def setup(shell: Shell, rules: RulesDesk) -> None:
    """Add the page to the staff app."""
    known, show, words, bp, house = shell.known, shell.show, shell.words, shell.bp, shell.house
    shell.way(PATH, "staff.rules.nav", rules.open_to)
    say = house.phrases.say
    areas = {area.id: area.name for area in house.municipality.areas}

    async def shown(request: Request, staff: StaffMember, status: int = 200, **more: Any) -> HTTPResponse:
        if not rules.open_to(staff):
            raise NotFound
        text = rules.text()
        ruleset = rules.parsed(text)
        return await show(
            request, "rules", staff, status, ruleset=ruleset, in_words=in_words, periods=PERIODS,
            **({"text": text, "days": DAYS} | more),
        )  # fmt: skip

    @bp.get("/regler", name="rules")
    @known
    async def listed(request: Request, staff: StaffMember) -> HTTPResponse:
        return await shown(request, staff)

    @bp.post("/regler", name="rules-try")
    @known
    async def tried(request: Request, staff: StaffMember) -> HTTPResponse:
        if not rules.open_to(staff):
            raise NotFound
        form: Any = request.form or {}
        text = (form.get("text") or "").replace("\r\n", "\n")[:MOST]
        days = next((one for one in PERIODS if str(one) == form.get("days")), DAYS)
        try:
            found = await rules.try_out(staff, text, days)
        except ContentError as error:
            place = _PLACE.match(str(error))
            line = int(place["line"]) if place else 1
            lines = text.splitlines()
            faulty = lines[line - 1].strip()[:200] if line <= len(lines) else ""
            return await shown(
                request, staff, 422, text=text, days=days, line=line, faulty=faulty,
                what=place["what"] if place else str(error),
            )  # fmt: skip
        in_force = rules.parsed(rules.text())
        same_version = found.version == in_force.version and text.strip() != rules.text().strip()
        return await show(
            request, "rules_tried", staff, found=found, text=text, unit_name=words.unit, in_force=in_force,
            same_version=same_version,
        )  # fmt: skip

    def in_words(rule: Rule) -> list[tuple[str, str]]:
        """Each condition of a rule in Swedish."""
        return [(say(f"staff.rules.field.{field}"), _listed(field, values)) for field, values in rule.when.items()]

    def _listed(field: str, values: Iterable[str]) -> str:
        return ", ".join(_value(field, value) for value in sorted(values))

    def _value(field: str, value: str) -> str:
        if field == "area":
            return areas.get(value, value)
        if field == "lang":
            return words.interpreter(value)
        key = f"{_PHRASES.get(field, '')}.{value}"
        return say(key) if key in house.phrases else value
