"""Reports of concern by others than the person themself: who reports, about which child, and what the law asks.

A private person may stay unknown only by never giving a name; a professional who must
report cannot (domain.md 3.1, SoL 19:1), but may ask for advice without naming anybody.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from backend.core.errors import DomainError, EmptyText, InvalidField, TextTooLong
from backend.core.phone import parse_phone
from backend.core.text import clean

REPORTER_FIELDS = {"name": 200, "role": 200, "workplace": 200, "phone": 50, "relation": 200}
"""What is asked of who reports, with the longest answer in characters."""
CHILD_FIELDS = {"name": 200, "birth": 40, "address": 300, "school": 200, "guardians": 500, "where_now": 500}
"""What is asked about the child. Everything may be left out: a half-known child is reported all the same."""


@dataclass(frozen=True, slots=True)
class Report:
    """Who reports and about whom, as typed. ``feedback``: a mandated reporter wants to know what was decided."""

    reporter: Mapping[str, str] = field(default_factory=dict)
    child: Mapping[str, str] = field(default_factory=dict)
    feedback: bool = False


def checked_report(report: Report, source: str) -> Report:
    """The report as it is stored. Raises `InvalidField` naming ``reporter_<field>`` or ``child_<field>``.

    A professional gives name, role and telephone; a consultation keeps neither reporter nor child.
    """
    wrong = report_problems(report, source)
    if wrong:
        raise InvalidField(wrong[0][1], wrong[0][0])
    if source == "consult":
        return replace(report, reporter={}, child={}, feedback=False)
    reporter = _cleaned(report.reporter, REPORTER_FIELDS, "reporter")
    if reporter.get("phone"):
        reporter["phone"] = parse_phone(reporter["phone"]).e164
    child = _cleaned(report.child, CHILD_FIELDS, "child")
    return replace(report, reporter=reporter, child=child, feedback=report.feedback and source == "mandated")


def report_problems(report: Report, source: str) -> list[tuple[str, str]]:
    """Every field that cannot be used as it stands, with the code of the error, in the order of the form."""
    if source == "consult":
        return []
    found: list[tuple[str, str]] = []
    for kind, said, limits in (("child", report.child, CHILD_FIELDS), ("reporter", report.reporter, REPORTER_FIELDS)):
        for name in limits:
            try:
                _cleaned({name: said.get(name, "")}, limits, kind)
                if (kind, name) == ("reporter", "phone") and said.get(name):
                    parse_phone(said[name])
            except DomainError as error:
                found.append((f"{kind}_{name}", error.code))
        found += [(f"{kind}_{name}", "invalid") for name in said.keys() - limits.keys()]
    if source == "mandated":
        given = _visible(report.reporter)
        named = {name for name, _ in found}
        found += [
            (f"reporter_{name}", "missing")
            for name in ("name", "role", "phone")
            if name not in given and f"reporter_{name}" not in named
        ]
    return found


def _cleaned(said: Mapping[str, str], limits: Mapping[str, int], kind: str) -> dict[str, str]:
    kept: dict[str, str] = {}
    for name, value in said.items():
        if name not in limits:
            raise InvalidField("invalid", f"{kind}_{name}")
        try:
            kept[name] = clean(value, limits[name])
        except EmptyText:  # nothing visible is the same as no answer
            continue
        except TextTooLong:
            raise InvalidField("too_long", f"{kind}_{name}") from None
    return kept


def _visible(said: Mapping[str, str]) -> set[str]:
    return {name for name, value in said.items() if value.strip()}
