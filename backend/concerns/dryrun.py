"""What a changed rules file would have done with the concerns of the last months: counted and told, nothing moved.

Reads what was known when each arrived (never a word of it) and decides again by the rules of the
file that is tried. A concern that staff have moved since counts by where the rules had sent it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from backend.concerns import repository
from backend.concerns.repository import Sent
from backend.concerns.routing import FILE, Places, parse_routing
from backend.concerns.rules import DECISION, Rule, Ruleset
from backend.core import audit
from backend.core.audit import Tag
from backend.core.errors import NotFound
from backend.core.house import House
from backend.core.people import Role, StaffMember

DAYS = 90
LISTED = 200
"""How many changed concerns are told one by one."""


@dataclass(frozen=True, slots=True)
class Otherwise:
    """One concern that would have gone another way: when it came, and both decisions. No facts, no words, no link."""

    received_at: datetime
    from_unit: str
    from_rule: str
    from_reason: str
    to_unit: str
    to_rule: str
    to_reason: str
    restricted: bool | None
    decision: bool | None


@dataclass(frozen=True, slots=True)
class DryRun:
    """The outcome. ``flows`` are (from unit, to unit, count) of those that would have changed unit, most first.

    ``others`` went to the same unit with other clocks or another circle of readers; `Otherwise.restricted` and
    `Otherwise.decision` say what they would have become, and are None where nothing changes.
    ``unused`` are rules of the tried file that decided nothing.
    """

    version: str
    days: int
    looked_at: int
    same: int
    others: int
    flows: list[tuple[str, str, int]]
    changed: list[Otherwise]
    used: list[tuple[str, int]]
    unused: list[str]

    @property
    def moved(self) -> int:
        """How many would have gone to another unit."""
        return sum(count for _, _, count in self.flows)


def compare(ruleset: Ruleset, sent: Sequence[Sent], days: int) -> DryRun:
    """Decide each of ``sent`` again by ``ruleset``."""
    flows: Counter[tuple[str, str]] = Counter()
    used: Counter[str] = Counter()
    changed: list[Otherwise] = []
    others = 0
    for one in sent:
        rule = ruleset.decide(one.facts)
        used[rule.id] += 1
        restricted = rule.restricted if rule.restricted != one.restricted else None
        decision = _decides(rule) if _decides(rule) != one.decision else None
        if rule.unit != one.unit:
            flows[one.unit, rule.unit] += 1
        elif restricted is not None or decision is not None:
            others += 1
        else:
            continue
        if len(changed) < LISTED:
            changed.append(
                Otherwise(
                    one.received_at, one.unit, one.rule_id, one.reason, rule.unit, rule.id, rule.reason, restricted,
                    decision,
                )
            )  # fmt: skip
    return DryRun(
        version=ruleset.version,
        days=days,
        looked_at=len(sent),
        same=len(sent) - others - flows.total(),
        others=others,
        flows=[(*units, count) for units, count in flows.most_common()],
        changed=changed,
        used=used.most_common(),
        unused=[rule.id for rule in ruleset.rules if not used[rule.id]],
    )


def _decides(rule: Rule) -> bool:
    return DECISION in rule.clocks


class RulesDesk:
    """The rules in force, and trials of others."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._path = house.settings.content_dir / FILE

    def open_to(self, staff: StaffMember) -> bool:
        """Whether ``staff`` may see and try rules: managers and administrators."""
        return staff.active and staff.has(Role.MANAGER, Role.ADMIN)

    def text(self) -> str:
        """The file in force as it stands."""
        return self._path.read_text("utf-8")

    def parsed(self, text: str) -> Ruleset:
        """Rules from ``text``; raises `backend.core.content.ContentError` with the line."""
        return parse_routing(text, Places.of(self._house))

    async def try_out(self, staff: StaffMember, text: str, days: int = DAYS) -> DryRun:
        """What the rules in ``text`` would have done with the concerns of the last ``days``.

        That it was tried is written down. Raises `NotFound` and `backend.core.content.ContentError`.
        """
        if not self.open_to(staff):
            raise NotFound
        ruleset, now = self.parsed(text), self._house.clock.now()

        def look(session: Session) -> DryRun:
            return dry_run(session, ruleset, now, days)

        found = await self._house.db.read(look)
        await self._house.db.write(
            lambda session: audit.record(session, now, Tag.RULES_TRIED, "", actor=staff.id, detail=ruleset.version)
        )
        return found


def dry_run(session: Session, ruleset: Ruleset, now: datetime, days: int) -> DryRun:
    """`compare` with what has arrived in the last ``days``."""
    return compare(ruleset, repository.sent_since(session, now - timedelta(days=days)), days)
