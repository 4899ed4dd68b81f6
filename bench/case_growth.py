"""What a case's page and its list cost at a million cases against a hundred, two hundred of them open."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from backend.app import build_house
from backend.cases.desk import NewPerson
from backend.cases.service import CaseDesk
from backend.cases.tables import Case, CaseNote, CaseSeat, CaseTask, Person
from backend.config import ROOT, load_settings
from backend.core import migrate
from backend.core.db import Database
from backend.core.house import House
from backend.core.people import Role, StaffMember
from bench import servers
from bench.bookings import NOW, StillClock
from bench.common import Report

FEW, MANY, OPEN = 100, 1_000_000, 200
ROUNDS, PAGES, LISTS = 5, 40, 5
_AT_ONCE = 20_000


def main() -> None:
    """Open pages and lists of the two in turns, round after round."""
    with tempfile.TemporaryDirectory() as directory:
        few, many = _town(Path(directory) / "few.db", FEW), _town(Path(directory) / "many.db", MANY)
        try:
            figures: dict[str, list[float]] = {"page": [], "list": [], "manager": []}
            reference: list[float] = []
            for _ in range(ROUNDS):
                small, large = _measure(*few), _measure(*many)
                reference.append(small["page"])
                for name, found in figures.items():
                    found.append(large[name] / small[name])
        finally:
            for house, *_ in (few, many):
                house.codes.close()
                house.db.close()
    report = Report("case_growth", reference)
    report.told("one page at 100 cases", [value * 1000 for value in reference], "ms")
    report.at_most("case page, 1,000,000 ÷ 100 cases", figures["page"], 2)
    report.at_most("own list, 1,000,000 ÷ 100 cases", figures["list"], 2)
    report.at_most("the unit's list, 1,000,000 ÷ 100 cases", figures["manager"], 2)
    report.finish()


def _town(path: Path, cases: int) -> tuple[House, CaseDesk, StaffMember, StaffMember, list[str]]:
    url = f"sqlite:///{path}"
    database = Database(url)
    migrate.upgrade(database.engine)
    settings = replace(load_settings(servers.settings(ROOT) | {"DATABASE_URL": url}))
    house = build_house(settings, clock=StillClock(), database=database)
    desk = CaseDesk(house)

    def employ(session: Session) -> list[StaffMember]:
        members = [
            StaffMember(
                id=f"{number:024x}", login=role.value, first_name=role.value, role=role.value, unit="barn",
                password_hash="-", mail="", also="", active=True, qualified=True, created_at=NOW,
            )
            for number, role in enumerate((Role.CASE_WORKER, Role.MANAGER))
        ]  # fmt: skip
        session.add_all(members)
        return members

    worker, manager = database.write_now(employ)
    opened = min(OPEN, cases)

    def begin(session: Session) -> list[str]:
        return [
            desk.open_for(session, worker, desk.new_person(session, worker, NewPerson("child", "Elsa", 2015)).id)
            for _ in range(opened)
        ]

    ids = database.write_now(begin)
    _close_many(database, worker, ids[0], cases - opened)
    database.write_now(lambda session: session.execute(sa.text("ANALYZE")))
    return house, desk, worker, manager, ids


def _close_many(database: Database, worker: StaffMember, pattern: str, count: int) -> None:
    """Closed cases with a seat, a note and a task each, like one that was made by the desk."""
    case, person = database.read_now(lambda s: (found := s.get_one(Case, pattern), s.get_one(Person, found.person_id)))
    for start in range(0, count, _AT_ONCE):
        numbers = range(start, min(count, start + _AT_ONCE))
        rows: dict[type[Any], list[dict[str, Any]]] = {Person: [], Case: [], CaseSeat: [], CaseNote: [], CaseTask: []}
        for number in numbers:
            key = f"c{number:023x}"
            rows[Person].append(
                {"id": key, "who": "child", "unit": "barn", "data_key": person.data_key, "shared": person.shared,
                 "private": person.private, "created_at": NOW, "created_by": worker.id}
            )  # fmt: skip
            rows[Case].append(
                {"id": key, "person_id": key, "unit": "barn", "state": "closed", "coordinator_id": worker.id,
                 "data_key": case.data_key, "opened_at": NOW, "opened_by": worker.id, "closed_at": NOW,
                 "closed_by": worker.id, "closed_as": "finished"}
            )  # fmt: skip
            rows[CaseSeat].append(
                {"id": key, "case_id": key, "unit": "barn", "staff_id": worker.id, "lead": True, "coordinates": True,
                 "state": "left", "asked_at": NOW, "asked_by": worker.id, "answered_at": NOW, "ended_at": NOW}
            )  # fmt: skip
            rows[CaseNote].append({"id": key, "case_id": key, "at": NOW, "by": worker.id, "body": b"x" * 100})
            rows[CaseTask].append(
                {"id": key, "case_id": key, "title": b"x" * 92, "due": NOW.date(), "staff_id": worker.id,
                 "created_at": NOW, "created_by": worker.id, "done_at": NOW, "done_by": worker.id}
            )  # fmt: skip

        def write(session: Session, rows: dict[type[Any], list[dict[str, Any]]] = rows) -> None:
            for table, values in rows.items():
                session.execute(sa.insert(table), values)

        database.write_now(write)


def _measure(
    house: House, desk: CaseDesk, worker: StaffMember, manager: StaffMember, ids: list[str]
) -> dict[str, float]:
    """Median seconds of the reads behind a page, one's own list and the manager's, without the log's own write."""

    def timed(count: int, work: Callable[[int], object]) -> float:
        taken = []
        for number in range(count):
            began = time.perf_counter()
            work(number)
            taken.append(time.perf_counter() - began)
        return statistics.median(taken)

    def page(number: int) -> None:
        case_id = ids[number * 7 % len(ids)]
        assert case_id == house.db.read_now(lambda s: desk.look(s, worker, case_id)).row.id

    def rows(whose: StaffMember, whole: bool) -> Callable[[int], None]:
        def look(_number: int) -> None:
            assert len(ids) == len(house.db.read_now(lambda s: desk.rows_now(s, whose, whole=whole)))

        return look

    return {
        "page": timed(PAGES, page),
        "list": timed(LISTS, rows(worker, False)) / len(ids),
        "manager": timed(LISTS, rows(manager, True)) / len(ids),
    }


if __name__ == "__main__":
    main()
