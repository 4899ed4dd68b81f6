"""Promise: a report or a story that came to no case is erased on its day with its keys; nothing that the law or a case keeps is."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from backend.cases.desk import NewPerson
from backend.cases.retention import RetentionDesk
from backend.cases.tables import Case, CaseSource, Person
from backend.concerns.handling import HandlingDesk
from backend.concerns.reports import Report
from backend.concerns.tables import (
    Concern,
    ConcernAnswer,
    ConcernAssessment,
    ConcernHandover,
    ConcernRelease,
    ConcernReport,
    ConcernSeen,
)
from backend.core.access import About, From, Kind, Opening, Withheld, withhold
from backend.core.audit import AuditEvent, ReasonKey, Tag, open_reason
from backend.core.audit_chain import AuditChain, chain_key
from backend.core.codes import ReturnCode
from backend.core.db import Base
from backend.core.errors import Conflict, InvalidField, NotFound
from backend.core.house import House
from backend.core.people import StaffMember
from backend.core.reader import Reader
from backend.core.vault import SealBroken
from backend.stories.service import StoryDesk
from backend.stories.tables import SecrecyConsent, Story, StoryPart
from tests.cases import STORY, Town, key, new_town, run
from tests.conftest import ManualClock
from tests.features.test_retention import close, every_key, purge
from tests.features.test_stories import TEXT, TOLD

WHY = "Kanariefågeln är granne med Olle."
FIVE_YEARS = 1826
OF_A_CONCERN: tuple[type[Base], ...] = (
    Concern, ConcernReport, ConcernAssessment, ConcernHandover, ConcernAnswer, ConcernSeen, ConcernRelease, ReturnCode,
    Opening, Withheld, About, ReasonKey,
)  # fmt: skip
REPORT = replace(
    STORY, reader=Reader("professional", "adult"), about="other_child", source="mandated",
    report=Report({"name": "Eva", "role": "Kurator", "phone": "0701740605"}, {"name": "Lo", "birth": "2015-05-04"}),
)  # fmt: skip


@pytest.fixture
def town(house: House) -> Town:
    town = new_town(house)
    house.db.write_now(lambda session: session.execute(sa.update(StaffMember).values(qualified=True)))
    town.karin.qualified = True
    return town


def count(town: Town, *tables: type[Base]) -> list[int]:
    def look(session: Any) -> list[int]:
        return [session.scalar(sa.select(sa.func.count()).select_from(table)) or 0 for table in tables]

    return town.house.db.read_now(look)


def decided(town: Town, concern: str, outcome: str = "not_open", kept: str = "no") -> str:
    """Checked, decided and so closed, and answered."""
    handling = HandlingDesk(town.house)
    run(handling.check(town.karin, concern, "safe", WHY))
    run(handling.decide(town.karin, concern, outcome, WHY))
    if kept:
        run(handling.keep(town.karin, concern, kept))
    return concern


def erase(town: Town) -> int:
    return run(RetentionDesk(town.house).purge_sent())


def filled(town: Town) -> str:
    """A report with something in every table."""
    concern = run(town.concerns.receive(REPORT)).concern_id
    handling = HandlingDesk(town.house)
    run(town.concerns.accept(town.karin, concern))
    run(town.concerns.open_for(town.karin, concern))
    run(town.concerns.answer(town.karin, concern, "Tack. Vi har läst det."))
    run(handling.later(town.karin, concern, town.cases.today() + timedelta(days=1), WHY))
    run(handling.open_identity(town.karin, concern, WHY))
    now = town.house.clock.now()
    town.house.db.write_now(
        lambda session: withhold(
            session, town.house.vault, now, town.karin, (Kind.CONCERN, concern), (From.STAFF, "olle"), WHY
        )
    )
    return decided(town, concern)


def sealed(town: Town, concern: str) -> list[tuple[str, bytes]]:
    def look(session: Any) -> list[tuple[str, bytes]]:
        row, report = session.get_one(Concern, concern), session.get_one(ConcernReport, concern)
        return [(f"concern.words:{concern}", row.words), (f"concern_report.child:{concern}", report.child)]

    return town.house.db.read_now(look)


def test_a_report_past_its_time_is_erased_whole_with_its_keys(town: Town, clock: ManualClock) -> None:
    """Nothing on the day before; then no row of it, no key that opens a copy, no reason in the log; and the chain holds."""
    concern = filled(town)
    copies = sealed(town, concern)
    chain = AuditChain(town.house.db, town.house.clock, chain_key(b"p" * 32))
    chain.seal_now()
    clock.forward(days=FIVE_YEARS - 1)
    assert 0 == erase(town)
    assert [1, 1] == count(town, Concern, ConcernReport)
    clock.forward(days=1)
    assert 1 == erase(town)
    assert [0] * len(OF_A_CONCERN) == count(town, *OF_A_CONCERN)
    for place, body in copies:
        for one in every_key(town):
            with pytest.raises(SealBroken):
                town.house.vault.open(one, place, body)

    def log(session: Any) -> list[tuple[str, str]]:
        rows = session.scalars(sa.select(AuditEvent).where(AuditEvent.subject == concern))
        return [(row.tag, open_reason(session, town.house.vault, row)) for row in rows]

    rows = town.house.db.read_now(log)
    assert {Tag.CONCERN_RECEIVED, Tag.CONCERN_IDENTITY, Tag.CONCERN_LATER} <= {tag for tag, _ in rows}
    assert {""} == {reason for _, reason in rows}
    chain.seal_now()
    assert None is town.house.db.read_now(chain.verify).broken
    assert 0 == erase(town)


def test_the_log_keeps_the_count_alone(town: Town, clock: ManualClock) -> None:
    """Two concerns in one row: how many, and nobody's id."""
    for _ in range(2):
        decided(town, town.tell())
    clock.forward(days=FIVE_YEARS)
    assert 2 == erase(town)
    query = sa.select(AuditEvent.actor, AuditEvent.subject, AuditEvent.detail).where(
        AuditEvent.tag == Tag.CONCERNS_ERASED
    )
    rows = town.house.db.read_now(lambda session: [tuple(row) for row in session.execute(query)])
    assert [("system", "retention", "concerns=2 stories=0")] == rows


@pytest.mark.parametrize("kept", ["", "yes"])
def test_nothing_goes_without_an_answer_or_against_it(town: Town, clock: ManualClock, kept: str) -> None:
    """Nobody but staff can say whether the child belongs to the sample for research (SoL 16:4)."""
    decided(town, town.tell(), kept=kept)
    clock.forward(days=20_000)
    assert 0 == erase(town)
    assert [1] == count(town, Concern)


def test_what_is_open_is_never_erased(town: Town, clock: ManualClock) -> None:
    """However old; and the answer is for what is closed."""
    concern = town.tell()
    with pytest.raises(Conflict):
        run(HandlingDesk(town.house).keep(town.karin, concern, "no"))
    with pytest.raises(InvalidField):
        run(HandlingDesk(town.house).keep(town.karin, concern, "perhaps"))
    with pytest.raises(NotFound):
        run(HandlingDesk(town.house).keep(town.johan, concern, "no"))
    clock.forward(days=20_000)
    assert 0 == erase(town)


@pytest.mark.parametrize("outcome", ["open", "already_open"])
def test_a_paper_of_an_investigation_stays_until_the_child_must_be_30(
    town: Town, clock: ManualClock, outcome: str
) -> None:
    """Also when the case is kept in another system, and nobody here knows when the child was born (SoL 16:2 a)."""
    decided(town, town.tell(), outcome)
    clock.forward(days=FIVE_YEARS)
    assert 0 == erase(town)
    clock.forward(days=(date(2057, 12, 31) - clock.now().date()).days)
    assert 0 == erase(town)
    clock.forward(days=1)
    assert 1 == erase(town)


def test_what_is_in_a_case_stays_as_long_as_the_case(town: Town, clock: ManualClock) -> None:
    """Answered with no and past its own time: the case keeps it. With the case it goes, and follows the record's answer."""
    concern = town.tell()
    child = run(town.cases.open_from_concern(town.karin, concern, NewPerson("child", "Elsa", 2015)))
    decided(town, concern)
    clock.forward(days=FIVE_YEARS)
    assert 0 == erase(town)
    close(town, child, town.karin)
    clock.forward(days=FIVE_YEARS - 1)
    assert (0, 0) == (erase(town), purge(town))
    assert [1, 1, 1] == count(town, Concern, Case, CaseSource)
    clock.forward(days=1)
    assert 1 == purge(town)
    assert [0, 0, 0, 0, 0] == count(town, Concern, Case, CaseSource, Person, About)


def test_what_the_law_keeps_of_a_case_keeps_what_came_to_it(town: Town, clock: ManualClock) -> None:
    """A child who has been placed: for ever (SoL 16:2)."""
    concern = town.tell()
    child = run(town.cases.open_from_concern(town.karin, concern, NewPerson("child", "Elsa", 2015)))
    run(town.cases.happened(town.karin, child.case_id, key(), "placed", town.cases.today(), None))
    decided(town, concern)
    close(town, child, town.karin)
    clock.forward(days=20_000)
    assert (0, 0) == (purge(town), erase(town))
    assert [1, 1] == count(town, Concern, Case)


def test_the_records_answer_holds_for_what_follows_later(town: Town, clock: ManualClock) -> None:
    """Closed after the case was: not erased with it, but five years after its own end, with no other answer."""
    concern = town.tell()
    child = run(town.cases.open_from_concern(town.karin, concern, NewPerson("child", "Elsa", 2015)))
    close(town, child, town.karin)
    clock.forward(days=1000)
    decided(town, concern, kept="")
    clock.forward(days=FIVE_YEARS - 1000)
    assert 1 == purge(town)
    assert 0 == erase(town)
    clock.forward(days=1000)
    assert 1 == erase(town)
    assert [0, 0, 0] == count(town, Concern, About, ReasonKey)


def test_what_was_withheld_of_an_erased_person_goes_with_the_last_thing_told(town: Town, clock: ManualClock) -> None:
    """The line is kept for the concern's sake, with the id alone; without the concern it is about nobody."""
    concern = town.tell()
    child = run(town.cases.open_from_concern(town.karin, concern, NewPerson("child", "Elsa", 2015)))
    run(town.people.withhold(town.karin, child.case_id, ("person", child.person_id), ("staff", "olle"), WHY))  # type: ignore[arg-type]
    close(town, child, town.karin)
    clock.forward(days=FIVE_YEARS)
    assert 1 == purge(town)
    assert [1, 1, 1] == count(town, Concern, About, Withheld)
    decided(town, concern, kept="")
    clock.forward(days=FIVE_YEARS)
    assert 1 == erase(town)
    assert [0, 0, 0] == count(town, Concern, About, Withheld)


def told(town: Town) -> tuple[str, str]:
    """A story that was sent, and the concern that it led to."""
    desk = StoryDesk(town.house, town.concerns)
    story = run(desk.send(TOLD)).story_id
    mine = run(desk.mine(story))
    run(desk.choose(story, {("vuxen", mine.parts[0].id)}, mine.revision, TEXT))
    query = sa.select(Concern.id).where(Concern.story_id == story)
    return story, town.house.db.read_now(lambda session: session.scalars(query).one())


def test_a_story_goes_with_the_last_concern_that_it_led_to(town: Town, clock: ManualClock) -> None:
    """With its parts, its consents and its code; the key of its words is gone."""
    _, concern = told(town)
    decided(town, concern)
    clock.forward(days=FIVE_YEARS)
    assert 1 == erase(town)
    assert [0, 0, 0, 0, 0] == count(town, Story, StoryPart, SecrecyConsent, Concern, ReturnCode)


def test_a_story_that_its_writer_can_open_is_not_taken_from_them(town: Town, clock: ManualClock) -> None:
    """Its code still opens it: it waits with its concern, until the code's time is over."""
    _, concern = told(town)
    decided(town, concern)
    clock.forward(days=FIVE_YEARS)
    until = town.house.clock.now() + timedelta(days=1)
    town.house.db.write_now(lambda session: session.execute(sa.update(Story).values(open_until=until)))
    assert 0 == erase(town)
    clock.forward(days=1)
    assert 1 == erase(town)
    assert [0, 0] == count(town, Story, Concern)


def test_a_story_with_a_concern_that_stays_keeps_its_words(town: Town, clock: ManualClock) -> None:
    """Told more after the first was closed: another concern, another time; the first row goes alone."""
    story, first = told(town)
    decided(town, first)
    clock.forward(days=1)
    mine = StoryDesk(town.house, town.concerns)
    town.house.db.write_now(lambda session: _again(session, first))
    clock.forward(days=FIVE_YEARS - 1)
    assert 1 == erase(town)
    assert [1, 1] == count(town, Story, Concern)
    assert 3 == len(run(mine.mine(story)).parts)


def _again(session: Any, first: str) -> None:
    """A second concern of the same story, as it is when more is told after the first was closed."""
    row = session.get_one(Concern, first)
    values = {column.key: getattr(row, column.key) for column in sa.inspect(Concern).column_attrs}
    session.add(Concern(**values | {"id": "0" * 24, "closed_at": None, "state": "new", "kept": "", "form_key": None}))


def test_a_story_in_a_case_stays_as_long_as_the_case(town: Town, clock: ManualClock) -> None:
    """By itself or through its concern; then all of it goes."""
    _, concern = told(town)
    child = run(town.cases.open_from_concern(town.karin, concern, NewPerson("child", "Elsa", 2015)))
    decided(town, concern)
    clock.forward(days=FIVE_YEARS)
    assert 0 == erase(town)
    close(town, child, town.karin)
    clock.forward(days=FIVE_YEARS)
    assert 1 == purge(town)
    assert [0, 0, 0] == count(town, Story, StoryPart, Concern)


def test_zero_days_erase_nothing(town: Town, clock: ManualClock) -> None:
    """As the counties that keep everything need it (SoF 13:1)."""
    house = replace(
        town.house,
        municipality=_changed(town.house, concern_days=0),
    )
    decided(town, town.tell())
    clock.forward(days=20_000)
    assert 0 == run(RetentionDesk(house).purge_sent())
    assert [1] == count(town, Concern)


def _changed(house: House, **days: int) -> Any:
    from msgspec.structs import replace as changed

    return changed(house.municipality, retention=changed(house.municipality.retention, **days))


def test_who_puts_one_into_a_case_as_it_goes_has_it_or_is_refused(town: Town, clock: ManualClock) -> None:
    """At once: either it is in a case and stays, or it is gone and the opening was refused."""
    for _ in range(5):
        concern = decided(town, town.tell())
        clock.forward(days=FIVE_YEARS)

        def begin(concern: str = concern) -> bool:
            try:
                run(town.cases.open_from_concern(town.karin, concern, NewPerson("child", "Elsa", 2015)))
            except (NotFound, Conflict):
                return False
            return True

        with ThreadPoolExecutor(2) as pool:
            opened, erased = pool.submit(begin), pool.submit(erase, town)
            assert (opened.result(), erased.result()) in ((True, 0), (False, 1))
        query = sa.select(sa.func.count()).where(Concern.id == concern)
        assert (1 if opened.result() else 0) == town.house.db.read_now(lambda s, q=query: s.scalar(q))


def test_a_stop_between_two_batches_leaves_whole_ones(
    town: Town, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More than one transaction takes: the next run goes on."""
    monkeypatch.setattr("backend.cases.retention._BATCH", 2)
    for _ in range(5):
        decided(town, town.tell())
    clock.forward(days=FIVE_YEARS)
    desk = RetentionDesk(town.house)
    town.house.db.write_now(lambda session: desk._erase_sent_after(session, last="", keep=FIVE_YEARS))
    assert [3] == count(town, Concern)
    assert 3 == erase(town)


# What waits for an answer.


def test_a_manager_sees_what_waits_for_an_answer_the_oldest_first(town: Town, clock: ManualClock) -> None:
    """Closed cases of the unit and what came to none; answered, open, in a case, placed or another unit's: not there."""
    desk = RetentionDesk(town.house)
    child = town.child()
    close(town, child, town.karin, "")
    clock.forward(days=1)
    first = decided(town, town.tell(), kept="")
    clock.forward(days=1)
    second = decided(town, town.tell(), kept="")
    decided(town, town.tell())
    town.tell()
    decided(town, run(town.concerns.receive(REPORT)).concern_id, kept="yes")
    placed = town.child()
    run(town.cases.happened(town.karin, placed.case_id, key(), "placed", town.cases.today(), None))
    close(town, placed, town.karin, "")
    close(town, town.father(), town.johan, "")
    waiting = run(desk.waiting(town.maria))
    assert ([child.case_id], [first, second]) == (
        [one.id for one in waiting.cases], [one.id for one in waiting.concerns]
    )  # fmt: skip
    assert (3, False) == (waiting.count, waiting.more)
    assert "Elsa" == waiting.cases[0].person.first_name
    assert 1 == run(desk.waiting(town.vera)).count
    assert 0 == run(desk.waiting(town.bo)).count
    for stranger in (town.karin, town.anna, town.eva, town.adam):
        with pytest.raises(NotFound):
            run(desk.waiting(stranger))


def test_what_is_withheld_from_the_manager_is_not_in_the_list(town: Town) -> None:
    """Neither the case nor the concern."""
    child = town.child()
    close(town, child, town.karin, "")
    concern = decided(town, town.tell(), kept="")
    now, vault = town.house.clock.now(), town.house.vault
    for subject in ((Kind.CASE, child.case_id), (Kind.CONCERN, concern)):
        town.house.db.write_now(
            lambda s, subject=subject: withhold(s, vault, now, town.karin, subject, (From.STAFF, "maria"), WHY)
        )
    assert 0 == run(RetentionDesk(town.house).waiting(town.maria)).count


def test_a_person_with_an_open_case_does_not_wait(town: Town) -> None:
    """Nothing is asked while somebody works with them; with two closed ones the last is asked about."""
    desk = RetentionDesk(town.house)
    father = town.father()
    close(town, father, town.johan, "")
    again = run(town.cases.open_about(town.vera, father.person_id))
    assert 0 == run(desk.waiting(town.vera)).count
    with pytest.raises(Conflict):
        run(desk.answer(town.vera, again, "no"))
    town.house.clock.forward(days=1)  # type: ignore[attr-defined]
    version = run(town.cases.page(town.vera, again)).version
    run(town.cases.close(town.vera, again, "finished", version, ""))
    assert [again] == [one.id for one in run(desk.waiting(town.vera)).cases]


def test_the_answer_is_the_records_and_is_given_once(town: Town, clock: ManualClock) -> None:
    """By who leads the unit; it is in the log; a second one is told that somebody was first."""
    desk = RetentionDesk(town.house)
    father = town.father()
    close(town, father, town.johan, "")
    for stranger in (town.maria, town.johan, town.bo):
        with pytest.raises(NotFound):
            run(desk.answer(stranger, father.case_id, "no"))
    for wrong in ("", "perhaps"):
        with pytest.raises(InvalidField):
            run(desk.answer(town.vera, father.case_id, wrong))
    run(desk.answer(town.vera, father.case_id, "no"))
    with pytest.raises(Conflict):
        run(desk.answer(town.vera, father.case_id, "yes"))
    assert 0 == run(desk.waiting(town.vera)).count
    query = sa.select(AuditEvent.actor, AuditEvent.detail).where(AuditEvent.tag == Tag.PERSON_CHANGED)
    assert [("vera", "kept no")] == town.house.db.read_now(lambda s: [tuple(row) for row in s.execute(query)])
    clock.forward(days=FIVE_YEARS)
    assert 1 == purge(town)
