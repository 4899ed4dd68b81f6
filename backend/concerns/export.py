"""A concern for the record system: everything that was told and done, as JSON and as a paper.

What is shielded is left out by default: who reported, which child, how the person can be reached,
and of a restricted concern also the words. A person who is asked for a paper, by a guardian for
instance, must not give those out alone: `ask` says why they are needed, a second person says yes
with `approve`, and for a day the one who asked may export the whole (ASVS 2.3.5; OSL 26:1, 12:3).
Every export is written down with who, what kind and whether it was whole.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from backend.concerns import live, repository
from backend.concerns.handling import HandlingDesk
from backend.concerns.service import ConcernDesk
from backend.concerns.tables import Concern, ConcernRelease, ConcernReport
from backend.core import audit
from backend.core.access import checked_reason
from backend.core.audit import Tag
from backend.core.clock import to_local
from backend.core.errors import Conflict, NotFound
from backend.core.house import House
from backend.core.paper import Paper
from backend.core.people import StaffMember
from backend.core.reader import Reader
from backend.core.vault import new_id

FORMAT = "koll-concern/1"
RELEASE_LASTS = timedelta(hours=24)

EXPORTED = {
    "type": "object",
    "required": [
        "format",
        "exported_at",
        "exported_by",
        "left_out",
        "concern",
        "words",
        "clocks",
        "assessments",
        "shared",
    ],
    "properties": {
        "format": {"type": "string", "enum": [FORMAT]},
        "exported_at": {"type": "string", "format": "date-time"},
        "exported_by": {"type": "object"},
        "municipality": {"type": "string"},
        "left_out": {
            "type": "array",
            "items": {"type": "string", "enum": ["reporter", "child", "contact", "words"]},
            "description": "What is shielded and was left out; empty in a whole export",
        },
        "concern": {"type": "object"},
        "words": {"type": "array", "items": {"type": "string"}, "description": "Word for word, as told"},
        "contact": {"type": "object", "nullable": True},
        "routing": {"type": "object", "description": "The rule, its version and reason"},
        "clocks": {"type": "array", "items": {"type": "object"}, "description": "Legal time limits, and when met"},
        "assessments": {"type": "array", "items": {"type": "object"}},
        "report": {"type": "object", "nullable": True},
        "shared": {"type": "array", "items": {"type": "object"}, "description": "With whom, when, on which ground"},
        "handovers": {"type": "array", "items": {"type": "object"}},
        "answers": {"type": "array", "items": {"type": "object"}},
        "history": {"type": "array", "items": {"type": "object"}},
    },
}
"""The shape of the JSON, for the API's description."""

Shares = Callable[[Session, str], list[dict[str, Any]]]
"""What of a story was shared, by its id: with which unit, which part, on which ground, since when and until when."""


@dataclass(frozen=True, slots=True)
class Release:
    """A wish to export what is shielded. ``usable``: the one who looks asked, somebody said yes, and the day has not passed."""

    id: str
    asked_by: str
    asked_at: datetime
    reason: str
    approved_by: str
    approved_at: datetime | None
    own: bool
    usable: bool


class ExportDesk:
    """Exports and the wishes for whole ones. ``shares`` and ``words_of`` ask the stories, where there are such."""

    def __init__(
        self,
        house: House,
        concerns: ConcernDesk,
        handling: HandlingDesk,
        shares: Shares | None = None,
        words_of: Callable[[Session, StaffMember, str], list[str]] | None = None,
    ) -> None:
        self._house = house
        self._concerns = concerns
        self._handling = handling
        self._shares = shares or (lambda session, story_id: [])
        self._words_of = words_of or (lambda session, staff, story_id: [])

    async def releases(self, staff: StaffMember, concern_id: str) -> list[Release]:
        """The wishes for a whole export of the last day, oldest first. Raises `NotFound`."""

        def look(session: Session) -> list[Release]:
            concern = _found(session, staff, concern_id)
            now = self._house.clock.now()
            found = repository.releases(session, concern_id, now - RELEASE_LASTS)
            names = repository.names(
                session, {each for one in found for each in (one.asked_by, one.approved_by) if each}
            )
            return [
                Release(
                    id=one.id,
                    asked_by=names.get(one.asked_by, ""),
                    asked_at=one.asked_at,
                    reason=self._house.vault.open(concern.data_key, f"concern_release.reason:{one.id}", one.reason),
                    approved_by=names.get(one.approved_by or "", ""),
                    approved_at=one.approved_at,
                    own=one.asked_by == staff.id,
                    usable=one.asked_by == staff.id and one.approved_at is not None,
                )
                for one in found
            ]

        return await self._house.db.read(look)

    async def ask(self, staff: StaffMember, concern_id: str, reason: str) -> None:
        """Say why what is shielded is needed. Raises `NotFound`, and `InvalidField` for the reason."""
        why = checked_reason(reason)

        def wish(session: Session) -> str:
            concern = _found(session, staff, concern_id)
            now, release_id = self._house.clock.now(), new_id()
            sealed = self._house.vault.seal(concern.data_key, f"concern_release.reason:{release_id}", why)
            session.add(
                ConcernRelease(id=release_id, concern_id=concern_id, asked_by=staff.id, asked_at=now, reason=sealed)
            )
            kept = audit.seal_reason(self._house.vault, concern_id, why)
            audit.record(session, now, Tag.RELEASE_ASKED, concern_id, actor=staff.id, reason=kept)
            return concern.unit

        live.changed(self._house, await self._house.db.write(wish), concern_id)

    async def approve(self, staff: StaffMember, concern_id: str, release_id: str) -> None:
        """Say yes to a colleague's wish. Raises `NotFound`, and `Conflict` for one's own, an old or a settled one."""

        def say_yes(session: Session) -> str:
            concern = _found(session, staff, concern_id)
            now = self._house.clock.now()
            if repository.release(session, concern_id, release_id) is None:
                raise NotFound
            if not repository.approve(session, release_id, staff.id, now, now - RELEASE_LASTS):
                raise Conflict
            audit.record(session, now, Tag.RELEASE_APPROVED, concern_id, actor=staff.id, detail=release_id)
            return concern.unit

        live.changed(self._house, await self._house.db.write(say_yes), concern_id)

    async def export(self, staff: StaffMember, concern_id: str, kind: str, *, whole: bool = False) -> dict[str, Any]:
        """Everything about a concern as plain data; `paper_of` makes a paper of it.

        ``whole`` needs a wish of one's own that a second person has said yes to within a day, else
        `NotFound`. That it was exported is written down in the same transaction, with ``kind``.
        """

        def take_out(session: Session) -> dict[str, Any]:
            concern = _found(session, staff, concern_id)
            now = self._house.clock.now()
            if whole and not repository.may_release(session, concern_id, staff.id, now - RELEASE_LASTS):
                raise NotFound
            detail = f"{kind} {'whole' if whole else 'without what is shielded'}"
            audit.record(session, now, Tag.CONCERN_EXPORTED, concern_id, actor=staff.id, detail=detail)
            return self._data(session, staff, concern, whole)

        return await self._house.db.write(take_out)

    def _data(self, session: Session, staff: StaffMember, concern: Concern, whole: bool) -> dict[str, Any]:
        opened = self._concerns.opened_in(session, concern, staff)
        handled = self._handling.handled_in(session, staff, concern)
        report = session.get(ConcernReport, concern.id)
        left_out = [] if whole else ["contact", *(["reporter", "child"] if report else [])]
        if concern.restricted and not whole:
            left_out.append("words")
        told = opened.words if concern.story_id is None else self._words_of(session, staff, concern.story_id)
        identity = self._handling.identity_of(report) if report is not None and whole else None
        return {
            "format": FORMAT,
            "exported_at": _iso(self._house.clock.now()),
            "exported_by": {"name": staff.first_name, "unit": staff.unit},
            "municipality": self._house.municipality.name,
            "left_out": left_out,
            "concern": {
                "id": concern.id,
                "unit": concern.unit,
                "received_at": _iso(concern.received_at),
                "state": concern.state,
                "source": concern.source,
                "who": concern.who,
                "band": concern.band,
                "about": concern.about,
                "happening_now": concern.happening,
                "language": concern.lang,
                "interpreter": concern.interpreter,
                "needs": handled.needs,
                "area": handled.area or None,
                "restricted": concern.restricted,
                "danger_rule": {"level": concern.danger_level, "category": concern.danger_category},
                "secrecy_text_shown": concern.consent_version,
            },
            "words": [] if "words" in left_out else told,
            "contact": None if not whole else {"reach": concern.reach, "phone": opened.phone, "safe": opened.safe},
            "routing": {
                "rule": concern.rule_id,
                "rules_version": concern.rules_version,
                "reason": concern.reason,
                "also_consider": opened.also_tell,
            },
            "clocks": [
                {"name": one.name, "source": one.source, "due": one.due.isoformat(), "met_at": _iso(one.met)}
                for one in opened.row.clocks
            ],
            "assessments": [
                {"kind": one.kind, "at": _iso(one.at), "by": one.name, "outcome": one.outcome, "reason": one.reason}
                for one in (handled.check, handled.decision)
                if one is not None
            ],
            "report": None
            if report is None or handled.report is None
            else {
                "anonymous": report.anonymous,
                "entered_by_staff": handled.report.entered_by or None,
                "feedback_wanted": report.feedback_wanted,
                "feedback_at": _iso(handled.report.feedback_at),
                "feedback_how": handled.report.feedback_how or None,
                "reporter": dict(identity.reporter) if identity else None,
                "child": dict(identity.child) if identity else None,
            },
            "shared": [
                {"with": one.to_unit, "at": _iso(one.at), "by": one.name, "ground": one.ground or "same_branch", "what": "concern"}
                for one in handled.handovers
                if one.kind == "moved"
            ]
            + (self._shares(session, concern.story_id) if concern.story_id else []),
            "handovers": [
                {"kind": one.kind, "at": _iso(one.at), "by": one.name, "from": one.from_unit, "to": one.to_unit, "reason": one.reason}
                for one in handled.handovers
            ],
            "answers": [
                {"at": _iso(one.at), "by": one.name, "role": one.role, "text": one.text} for one in opened.answers
            ],
            "history": [{"at": _iso(one.at), "deed": one.tag, "by": one.name or None} for one in opened.history],
        }  # fmt: skip


def as_json(data: dict[str, Any]) -> bytes:
    """The export as a file for a record system."""
    return json.dumps(data, ensure_ascii=False, indent=2).encode() + b"\n"


def paper_of(house: House, data: dict[str, Any]) -> bytes:
    """The export as a paper in Swedish. Takes a second for a long story: call it in a thread."""
    say = house.phrases.say
    known = house.phrases.keys()

    def named(prefix: str, value: Any) -> str:
        key = f"{prefix}.{value}"
        return say(key) if key in known else str(value or "")

    def moment(text: str | None) -> str:
        return to_local(datetime.fromisoformat(text)).strftime("%Y-%m-%d %H.%M") if text else ""

    def unit(unit_id: str) -> str:
        return next((one.name for one in house.municipality.units if one.id == unit_id), unit_id)

    concern = data["concern"]
    by = data["exported_by"]
    paper = Paper(
        house.settings.content_dir / "fonts",
        title=say("staff.paper.title"),
        head=say("staff.paper.head", None, municipality=data["municipality"], name=by["name"], unit=unit(by["unit"]),
                 when=moment(data["exported_at"])),
        page_of=say("staff.paper.page"),
    )  # fmt: skip
    paper.heading(say("staff.paper.heading"))
    if data["left_out"]:
        names = ", ".join(say(f"staff.paper.left_out.{name}") for name in data["left_out"])
        paper.text(say("staff.paper.left_out_text", None, names=names))
    unsaid = say("staff.concern.unsaid")
    needs = ", ".join(say(f"staff.need.{need}") for need in concern["needs"])
    who = Reader(concern["who"], concern["band"]).combined or "unknown"
    paper.facts(
        [
            (say("staff.paper.id"), concern["id"]),
            (say("staff.paper.received"), moment(concern["received_at"])),
            (say("staff.paper.unit"), unit(concern["unit"])),
            (say("staff.paper.source"), say(f"staff.source.{concern['source']}")),
            (say("staff.concern.who"), say(f"staff.who.{who}")),
            (say("staff.concern.about"), named("summary.about_value", concern["about"]) or unsaid),
            (say("staff.concern.happening"), named("common", concern["happening_now"]) or unsaid),
            (say("staff.concern.lang"), named("staff.lang", concern["language"])),
            *([(say("staff.concern.needs"), needs)] if needs else []),
            *([(say("staff.concern.area"), concern["area"])] if concern["area"] else []),
            *(
                [(say("summary.interpreter"), house.tongues.interpreter(concern["interpreter"]))]
                if concern["interpreter"]
                else []
            ),
        ]
    )
    if data["words"]:
        paper.section(say("staff.concern.words"))
        paper.text(say("staff.concern.verbatim"), soft=True)
        for part in data["words"]:
            paper.words(part)
    if data["report"]:
        report = data["report"]
        paper.section(say("staff.report.heading"))
        paper.text(say("staff.report.anonymous" if report["anonymous"] else "staff.report.named"))
        for name in ("child", "reporter"):
            said = report[name] or {}
            if said:
                paper.text(say(f"staff.report.{name}"), soft=True)
                paper.facts([(say(f"staff.report.field.{key}"), value) for key, value in said.items()])
    if data["contact"] and data["contact"]["phone"]:
        paper.section(say("staff.concern.reach"))
        rows = [(say("staff.concern.phone"), data["contact"]["phone"])]
        rows += [
            (say(f"write_page.safe.{key}"), named("common", value)) for key, value in data["contact"]["safe"].items()
        ]
        paper.facts(rows)
    paper.section(say("staff.concern.clocks"))
    paper.facts(
        [
            (
                f"{say('staff.clock.' + one['name'])} ({one['source']})",
                say("staff.paper.clock_met", None, due=one["due"], met=moment(one["met_at"]))
                if one["met_at"]
                else say("staff.paper.clock", None, due=one["due"]),
            )
            for one in data["clocks"]
        ]
    )
    for one in data["assessments"]:
        paper.section(say(f"staff.{one['kind']}.heading"))
        paper.text(f"{say('staff.' + one['kind'] + '.outcome.' + one['outcome'])}. {one['by']}, {moment(one['at'])}.")
        paper.words(one["reason"])
    paper.section(say("staff.concern.routing"))
    paper.text(data["routing"]["reason"])
    rule, version = data["routing"]["rule"], data["routing"]["rules_version"]
    paper.text(say("staff.concern.rule", None, rule=rule, version=version), soft=True)
    if data["shared"]:
        paper.section(say("staff.paper.shared"))
        paper.facts(
            [
                (moment(one["at"]), f"{one['with']}: {named('staff.paper.ground', one['ground'])}")
                for one in data["shared"]
            ]
        )
    if data["handovers"]:
        paper.section(say("staff.paper.handovers"))
        for one in data["handovers"]:
            paper.text(
                say(
                    f"staff.handover.{one['kind']}", None, from_unit=one["from"], to_unit=one["to"], name=one["by"],
                    when=moment(one["at"]),
                )
            )  # fmt: skip
            paper.words(one["reason"])
    if data["answers"]:
        paper.section(say("staff.answer.heading"))
        for one in data["answers"]:
            paper.text(f"{one['by']}, {moment(one['at'])}", soft=True)
            paper.words(one["text"])
    paper.section(say("staff.concern.history"))
    paper.facts(
        [
            (moment(one["at"]), say(f"staff.history.{one['deed'].rpartition(':')[2]}", None, name=one["by"] or ""))
            for one in data["history"]
        ]
    )
    paper.text(say("staff.paper.characters"), soft=True)
    return paper.finish()


def _found(session: Session, staff: StaffMember, concern_id: str) -> Concern:
    concern = repository.find_openable(session, staff, concern_id)
    if concern is None:
        raise NotFound
    return concern


def _iso(instant: datetime | None) -> str | None:
    return instant.isoformat() if instant is not None else None
