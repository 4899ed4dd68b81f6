"""Promise: what leaves for the record system is whole and exact, without what is shielded unless two people say so."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from dataclasses import replace
from typing import Any

import pytest
from pypdf import PdfReader

from backend.concerns.export import ExportDesk, as_json, paper_of
from backend.concerns.handling import HandlingDesk
from backend.concerns.reports import Report
from backend.concerns.service import ConcernDesk, Intake
from backend.core.audit import Tag
from backend.core.errors import Conflict, InvalidField, NotFound
from backend.core.house import House
from backend.core.people import Role, StaffMember
from backend.core.sheets import safe_cell, write_csv
from tests.conftest import ManualClock
from tests.features.test_concerns import CALL_ME, CANARY, HONOUR, STORY, add_staff, run
from tests.features.test_handling import SEEN, WHY, logged

SHIELDED = ("Eva Ek", "Lo Kanarie", "701740605")
NASTY = '=HYPERLINK("http://x")<img src=x onerror=alert(1)> Pappa säger "håll käften"'


@pytest.fixture
def desk(house: House) -> ConcernDesk:
    return ConcernDesk(house)


@pytest.fixture
def exports(house: House, desk: ConcernDesk) -> ExportDesk:
    return ExportDesk(house, desk, HandlingDesk(house))


@pytest.fixture
def karin(house: House) -> StaffMember:
    return add_staff(house, name="karin", qualified=True)


@pytest.fixture
def olle(house: House) -> StaffMember:
    return add_staff(house, name="olle")


def told(desk: ConcernDesk, intake: Intake = SEEN) -> str:
    return str(run(desk.receive(intake)).concern_id)


def text_of(paper: bytes) -> str:
    return "\n".join(page.extract_text() for page in PdfReader(io.BytesIO(paper)).pages)


# Strangers first.


@pytest.mark.parametrize("role", list(Role))
def test_another_unit_cannot_export(desk: ConcernDesk, exports: ExportDesk, house: House, role: Role) -> None:
    """Whatever the role: it does not exist, and nothing is written down."""
    concern, stranger = told(desk), add_staff(house, "vuxen", role, qualified=True)
    before = logged(house, concern)
    for attempt in (
        exports.export(stranger, concern, "pdf"),
        exports.export(stranger, concern, "json", whole=True),
        exports.ask(stranger, concern, WHY),
        exports.approve(stranger, concern, "0" * 24),
        exports.releases(stranger, concern),
    ):
        with pytest.raises(NotFound):
            run(attempt)
    assert before == logged(house, concern)


def test_what_is_shielded_is_left_out_and_said_to_be(
    desk: ConcernDesk, exports: ExportDesk, house: House, karin: StaffMember
) -> None:
    """In JSON and on paper: no reporter, no child, no telephone; the words and the rest are there."""
    concern = told(desk, replace(SEEN, words=[CANARY]))
    data = run(exports.export(karin, concern, "json"))
    assert ["contact", "reporter", "child"] == data["left_out"]
    for file in (as_json(data).decode(), text_of(paper_of(house, data))):
        assert CANARY in file and not [secret for secret in SHIELDED if secret in file]
    assert "Utelämnat som skyddat: kontaktuppgifter, vem som anmäler, vilket barn" in text_of(
        paper_of(house, data)
    ).replace("\n", " ")
    plain = told(desk, CALL_ME)
    johan = add_staff(house, "vuxen", name="johan")
    assert "701740605" not in as_json(run(exports.export(johan, plain, "json"))).decode()


def test_a_restricted_one_keeps_its_words_too(
    desk: ConcernDesk, exports: ExportDesk, house: House, karin: StaffMember
) -> None:
    """Honour: not even the one who has taken it exports the words alone."""
    concern = told(desk, HONOUR)
    run(desk.accept(karin, concern))
    data = run(exports.export(karin, concern, "pdf"))
    assert "words" in data["left_out"] and [] == data["words"]
    assert CANARY not in text_of(paper_of(house, data)) and CANARY not in as_json(data).decode()


def test_the_whole_needs_a_second_person(
    desk: ConcernDesk, exports: ExportDesk, house: House, karin: StaffMember, olle: StaffMember, clock: ManualClock
) -> None:
    """Asked with a reason, a yes by somebody else, for the one who asked, for a day, and all of it in the log."""
    concern = told(desk)
    with pytest.raises(InvalidField):
        run(exports.ask(karin, concern, "kort"))
    run(exports.ask(karin, concern, "Polisen har begärt ut det, beslut finns."))
    wish = run(exports.releases(olle, concern))[0]
    assert ("karin", "Polisen har begärt ut det, beslut finns.", False) == (wish.asked_by, wish.reason, wish.own)
    for attempt, error in (
        (exports.export(karin, concern, "json", whole=True), NotFound),
        (exports.approve(karin, concern, wish.id), Conflict),
        (exports.approve(olle, concern, "0" * 24), NotFound),
        (exports.approve(olle, told(desk), wish.id), NotFound),
    ):
        with pytest.raises(error):
            run(attempt)
    run(exports.approve(olle, concern, wish.id))
    with pytest.raises(Conflict):
        run(exports.approve(olle, concern, wish.id))
    with pytest.raises(NotFound):
        run(exports.export(olle, concern, "json", whole=True))
    data = run(exports.export(karin, concern, "json", whole=True))
    assert [] == data["left_out"]
    for file in (as_json(data).decode(), text_of(paper_of(house, data))):
        assert all(secret in file for secret in SHIELDED)
    clock.forward(hours=24, seconds=1)
    with pytest.raises(NotFound):
        run(exports.export(karin, concern, "json", whole=True))
    assert [Tag.RELEASE_ASKED.value, Tag.RELEASE_APPROVED.value, Tag.CONCERN_EXPORTED.value] == logged(house, concern)[
        1:
    ]


def test_two_say_yes_at_once_and_one_is_told(
    desk: ConcernDesk, exports: ExportDesk, house: House, karin: StaffMember
) -> None:
    """One approval, whoever is first."""
    concern = told(desk)
    run(exports.ask(karin, concern, WHY))
    wish = run(exports.releases(karin, concern))[0].id
    others = [add_staff(house, name=f"other-{number}") for number in range(6)]

    async def race() -> list[Any]:
        return await asyncio.gather(*(exports.approve(one, concern, wish) for one in others), return_exceptions=True)

    assert 1 == run(race()).count(None)


def test_everything_done_is_in_it_with_its_ground(
    desk: ConcernDesk, exports: ExportDesk, house: House, karin: StaffMember, clock: ManualClock
) -> None:
    """Clocks, check, decision, moves with the ground of secrecy, answers and history."""
    handling, concern = HandlingDesk(house), told(desk)
    run(desk.accept(karin, concern))
    run(handling.check(karin, concern, "safe", WHY))
    run(desk.answer(karin, concern, "Tack, vi hör av oss."))
    clock.forward(minutes=5)
    run(handling.move(karin, concern, "socialpsykiatri", "Hör dit, mamman är med på det.", ground="consent"))
    pia = add_staff(house, "socialpsykiatri", name="pia")
    data = run(exports.export(pia, concern, "json"))
    assert [("check", "safe", WHY, "karin")] == [
        (one["kind"], one["outcome"], one["reason"], one["by"]) for one in data["assessments"]
    ]
    assert [("Socialpsykiatri", "consent")] == [(one["with"], one["ground"]) for one in data["shared"]]
    assert ["T1", "T2"] == [one["name"] for one in data["clocks"]] and data["clocks"][0]["met_at"]
    assert ["Tack, vi hör av oss."] == [one["text"] for one in data["answers"]]
    assert Tag.CONCERN_EXPORTED.value == data["history"][-1]["deed"]
    paper = text_of(paper_of(house, data)).replace("\n", " ")
    for shown in (
        "Inget behov av omedelbart skydd",
        "samtycke (OSL 12:2)",
        "mamman är med på det",
        "Tack, vi hör av oss.",
        "SoL 20:2",
    ):
        assert shown in paper, shown


@pytest.mark.parametrize(
    "words",
    [
        NASTY,
        "Åäö é ß ł Привет γειά שלום",
        "مرحبا بك, 道に迷った 😀 ሰላም \U0001f468\u200d\U0001f469\u200d\U0001f467",
        "x" * 5000,
        "rad\n\n\n  indragen\ttabb\n" * 40,
        "".join(chr(one) for one in range(0x20, 0x3000, 7)),
        "[U+0041] {number} {nb} %s **fet** __under__ \\",
        "å" * 50_000,
    ],
    ids=["markup", "european", "other scripts", "no blanks", "lines", "many scripts", "signs", "50,000 characters"],
)  # fmt: skip
def test_any_words_make_a_paper_and_the_json_has_them_exactly(
    desk: ConcernDesk, exports: ExportDesk, house: House, karin: StaffMember, words: str
) -> None:
    """No script crashes it and nothing is dropped silently: what the font lacks stands as its number."""
    if not house.db.sqlite:
        pytest.skip("papers do not depend on the database")
    concern = told(desk, replace(STORY, words=[words]))
    data = run(exports.export(karin, concern, "pdf"))
    assert [run(desk.open_for(karin, concern)).words[0]] == json.loads(as_json(data))["words"]
    paper = paper_of(house, data)
    assert paper.startswith(b"%PDF")
    text = text_of(paper)
    if "道" in words:
        assert "[U+9053]" in text and "[U+1230]" in text
    if words == NASTY:
        assert NASTY in text.replace("\n", " ")


def test_the_papers_own_title_and_name_say_nothing(
    desk: ConcernDesk, exports: ExportDesk, house: House, karin: StaffMember
) -> None:
    """What a viewer shows in its window and a search in a folder finds."""
    data = run(exports.export(karin, told(desk), "pdf"))
    told_of = PdfReader(io.BytesIO(paper_of(house, data))).metadata
    assert told_of is not None and "Utdrag" == told_of.title
    assert not [value for value in told_of.values() if "Kanarie" in str(value) or "Eva" in str(value)]


# Lists.


@pytest.mark.parametrize(
    "text", ["=1+1", "+46701", "-2", "@SUM(A1)", "\t=1", "\r=1", "  =cmd|' /C calc'!A0", "＝1", "\n=2"]
)
def test_a_cell_that_could_be_a_formula_is_text(text: str) -> None:
    """An apostrophe first; read back by a CSV reader it is one cell."""
    assert "'" == safe_cell(text)[0]
    row = next(csv.reader(io.StringIO(write_csv([text], []).removeprefix("\ufeff")), delimiter=";"))
    assert [safe_cell(text)] == row


@pytest.mark.parametrize("text", ["Barn, 10–12 år", 'a;b"c\nd', "1+1", "", "å"])
def test_other_cells_are_as_they_were(text: str) -> None:
    """Nothing else is touched."""
    table = list(csv.reader(io.StringIO(write_csv(["h"], [[text]]).removeprefix("\ufeff")), delimiter=";"))
    assert [["h"], [text]] == table


def test_a_report_without_identities_says_so(
    desk: ConcernDesk, exports: ExportDesk, house: House, karin: StaffMember
) -> None:
    """A consultation has nobody in it, whole or not."""
    concern = told(desk, replace(SEEN, source="consult", report=Report()))
    data = run(exports.export(karin, concern, "json"))
    assert data["report"]["anonymous"] and data["report"]["child"] is None
    assert b"%PDF" == paper_of(house, data)[:4]
