"""Promise: a changed rules file is tried on what has come in before it is used, and a trial moves nothing and tells no words."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from backend.concerns.dryrun import RulesDesk
from backend.concerns.handling import HandlingDesk
from backend.concerns.service import ConcernDesk
from backend.concerns.tables import Concern
from backend.config import ROOT
from backend.core.audit import AuditEvent, Tag
from backend.core.content import ContentError
from backend.core.errors import NotFound
from backend.core.house import House
from backend.core.people import Role, StaffMember
from tests.conftest import ManualClock
from tests.features.test_concerns import CALL_ME, CANARY, HONOUR, STORY, add_staff, run

FILE = (ROOT / "content" / "routing.yml").read_text("utf-8")


@pytest.fixture
def rules(house: House) -> RulesDesk:
    return RulesDesk(house)


@pytest.fixture
def maria(house: House) -> StaffMember:
    return add_staff(house, role=Role.MANAGER, name="maria")


def changed(old: str, new: str) -> str:
    assert old in FILE
    return FILE.replace(old, new, 1)


PARTNERS = changed('when: {who: ["partner", "adult", "professional"], about: ["adult"]}\n    unit: vuxen',
                   'when: {who: ["partner", "adult", "professional"], about: ["adult"]}\n    unit: familjer')  # fmt: skip


@pytest.mark.parametrize("role", [Role.CASE_WORKER, Role.THERAPIST, Role.COORDINATOR, Role.EDITOR, Role.ON_CALL])
def test_others_than_leaders_cannot_try(rules: RulesDesk, house: House, role: Role) -> None:
    """For them there is no such page."""
    with pytest.raises(NotFound):
        run(rules.try_out(add_staff(house, role=role), FILE))


def test_the_file_in_force_changes_nothing(rules: RulesDesk, house: House, maria: StaffMember) -> None:
    """The rules that decided decide the same again."""
    desk = ConcernDesk(house)
    for intake in (STORY, HONOUR, CALL_ME, replace(STORY, needs=["violence"]), replace(STORY, interpreter="so")):
        run(desk.receive(intake))
    found = run(rules.try_out(maria, FILE))
    assert (5, 5, 0, 0, []) == (found.looked_at, found.same, found.moved, found.others, found.changed)
    assert 5 == sum(count for _, count in found.used)


def test_a_trial_counts_from_and_to_and_says_why_for_each(rules: RulesDesk, house: House, maria: StaffMember) -> None:
    """Both reasons, both rules; not a word, not an id, and every concern stays where it is."""
    desk = ConcernDesk(house)
    ids = [run(desk.receive(replace(CALL_ME, words=[CANARY]))).concern_id for _ in range(3)]
    run(desk.receive(STORY))
    found = run(rules.try_out(maria, PARTNERS))
    assert ([("vuxen", "familjer", 3)], 3, 1) == (found.flows, found.moved, found.same)
    one = found.changed[0]
    assert ("R14_about_an_adult", "vuxen", "familjer") == (one.from_rule, one.from_unit, one.to_unit)
    assert one.from_reason.startswith("En vuxen är orolig")
    assert CANARY not in repr(found) and not any(each in repr(found) for each in ids)
    units = house.db.read_now(lambda session: set(session.scalars(sa.select(Concern.unit).where(Concern.id.in_(ids)))))
    assert {"vuxen"} == units
    tried = house.db.read_now(
        lambda session: list(
            session.execute(
                sa.select(AuditEvent.actor, AuditEvent.detail).where(AuditEvent.tag == Tag.RULES_TRIED.value)
            )
        )
    )
    assert [("maria", found.version)] == [tuple(row) for row in tried]


def test_other_clocks_and_readers_are_told_too(rules: RulesDesk, house: House, maria: StaffMember) -> None:
    """The same unit, but fourteen days more or a narrower circle: a change that somebody must see before it is made."""
    desk = ConcernDesk(house)
    run(desk.receive(CALL_ME))
    run(desk.receive(HONOUR))
    file = changed(
        'about: ["adult"]}\n    unit: vuxen\n    clocks: [T1]',
        'about: ["adult"]}\n    unit: vuxen\n    clocks: [T1, T2]',
    )
    file = file.replace(
        'restricted: true\n    clocks: [T1, T2]\n    reason: "Orden tyder på heders',
        'clocks: [T1, T2]\n    reason: "Orden tyder på heders',
    )
    found = run(rules.try_out(maria, file))
    assert (2, 0) == (found.others, found.moved)
    assert {(None, True), (False, None)} == {(one.restricted, one.decision) for one in found.changed}


def test_what_staff_moved_counts_by_where_the_rules_had_sent_it(
    rules: RulesDesk, house: House, maria: StaffMember, clock: ManualClock
) -> None:
    """A rule is judged by what the rule did, not by who corrected it."""
    johan = add_staff(house, "vuxen", name="johan")
    concern = run(ConcernDesk(house).receive(CALL_ME)).concern_id
    run(HandlingDesk(house).move(johan, concern, "mottagning_barn", "Det finns barn i hemmet."))
    clock.forward(minutes=1)
    lisa = add_staff(house, name="lisa")
    run(HandlingDesk(house).move(lisa, concern, "barn", "Utredning pågår redan där."))
    assert [("vuxen", "familjer", 1)] == run(rules.try_out(maria, PARTNERS)).flows
    assert [] == run(rules.try_out(maria, FILE)).flows


def test_only_the_days_asked_for_are_looked_at(
    rules: RulesDesk, house: House, maria: StaffMember, clock: ManualClock
) -> None:
    """Older ones have gone by other needs."""
    desk = ConcernDesk(house)
    run(desk.receive(STORY))
    clock.forward(days=40)
    run(desk.receive(STORY))
    assert (1, 2) == tuple(run(rules.try_out(maria, FILE, days)).looked_at for days in (30, 90))


def test_a_mistake_is_told_with_its_line(rules: RulesDesk, maria: StaffMember) -> None:
    """The same sentence as at the start of the service."""
    with pytest.raises(ContentError) as caught:
        run(rules.try_out(maria, changed("unit: familjeratt", "unit: familjerattt")))
    number = next(at for at, line in enumerate(FILE.splitlines(), 1) if "unit: familjeratt" in line)
    assert f"routing.yml, line {number}: rule R22_custody_only: familjerattt is no unit" in str(caught.value)


def test_the_command_line_says_the_same(house: House, tmp_path: Path) -> None:
    """`python -m backend routing-dry-run FILE`: counts, cases, reasons; a mistake ends with 1 and its line."""
    if not house.db.sqlite:
        pytest.skip("the command opens the database by its address: once is enough")
    run(ConcernDesk(house).receive(CALL_ME))
    file = tmp_path / "changed.yml"
    file.write_text(PARTNERS, "utf-8")

    def command(path: Path) -> subprocess.CompletedProcess[str]:
        import base64
        import os

        key = base64.urlsafe_b64encode(b"k" * 32).decode()
        pepper = base64.urlsafe_b64encode(b"p" * 32).decode()
        env = os.environ | {
            "DATABASE_URL": house.db.url.render_as_string(hide_password=False), "DATA_KEY": key, "CODE_PEPPER": pepper,
            "RASA_TOKEN": "r" * 40, "INTERNAL_TOKEN": "i" * 40,
        }  # fmt: skip
        return subprocess.run(
            [sys.executable, "-m", "backend", "routing-dry-run", str(path), "--days", "36500"],
            cwd=ROOT, env=env, capture_output=True, text=True, check=False,
        )  # fmt: skip

    done = command(file)
    assert 0 == done.returncode, done.stderr
    assert "1 concerns" in done.stdout and "vuxen -> familjer" in done.stdout and "En vuxen är orolig" in done.stdout
    file.write_text("version: '1'\nrules: oops\n", "utf-8")
    wrong = command(file)
    assert 1 == wrong.returncode and "line" in wrong.stderr and "Traceback" not in wrong.stderr
    assert command(tmp_path / "none.yml").returncode == 1
