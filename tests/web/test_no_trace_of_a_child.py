"""Promise: a father, his therapist and his case worker see the same, to the byte, whether or not his child has told and has a case.

Every page, list, search, export and stream that they can open is fetched before the child tells and after. What is
the child's answers 404 to them. Ids and tokens are evened out, since they are new on every page; nothing else is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
import yaml
from sqlalchemy.orm import Session

from backend.app import build_house
from backend.booking.tables import Booking, BookingCell
from backend.cases.desk import NewPerson
from backend.cases.persons import PersonDesk
from backend.cases.service import CaseDesk
from backend.cases.team import TeamDesk
from backend.concerns.service import ConcernDesk
from backend.concerns.tables import Concern
from backend.config import Settings
from backend.core import access
from backend.core.access import Kind
from backend.core.house import House
from backend.core.people import StaffMember
from backend.core.reader import Reader
from backend.core.vault import new_id
from backend.stories.service import Piece, StoryDesk, Telling
from tests.cases import key, run
from tests.conftest import ManualClock, make_settings
from tests.people import seed_example_staff
from tests.web.serving import Served, serve

MATRIX = yaml.safe_load(Path(__file__).with_name("route_matrix.yml").read_text(encoding="utf-8"))
OPEN_PAGES = [
    name.split()[1]
    for name in MATRIX["staff"]
    if name.startswith("GET ") and "<" not in name and not name.endswith(("/nu", "/nytt"))
]
STREAMS = [name.split()[1] for name in MATRIX["staff"] if re.fullmatch(r"GET [a-z/-]+/(nu|nytt)", name)]
FATHERS_STAFF = ("anna", "johan")
CHILD_SAYS = "Lillebror gömmer sig när pappa dricker."


@dataclass
class Family:
    """The town with a father who has told, and everything of his. ``codes`` are words that open a visitor's page."""

    served: Served
    house: House
    passwords: dict[str, str]
    fathers: list[str] = field(default_factory=list)
    codes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.concerns = ConcernDesk(self.house)
        self.stories = StoryDesk(self.house, self.concerns)
        self.cases, self.team, self.persons = CaseDesk(self.house), TeamDesk(self.house), PersonDesk(self.house)
        people = self.house.db.read_now(lambda session: session.scalars(sa.select(StaffMember)).all())
        self.staff = {member.login: member for member in people}
        self.clients: dict[str, httpx.Client] = {}
        for login in FATHERS_STAFF:
            client = httpx.Client(base_url=self.served.url, timeout=30)
            sent = {"login": login, "password": self.passwords[login]}
            assert 303 == client.post("/personal/logga-in", data=sent).status_code
            self.clients[login] = client

    def tells(self, reader: Reader, text: str, unit: str) -> tuple[str, str, str]:
        """Send a story, which a unit gets: its id, its concern's, and the words of the code."""
        telling = Telling([Piece(text), Piece("Det är allt.")], reader, "", about="me", key=key() + key())
        sent = run(self.stories.send(telling))
        place = sa.update(Concern).where(Concern.id == sent.concern_id).values(unit=unit)
        self.house.db.write_now(lambda session: session.execute(place))
        return sent.story_id, sent.concern_id, sent.words

    def let_in(self, story_id: str, unit: str) -> None:
        """The teller says yes to a unit for all of it."""
        mine = run(self.stories.mine(story_id))
        run(self.stories.choose(story_id, {(unit, part.id) for part in mine.parts}, mine.revision, "sv:10-12:0"))

    def joins(self, case_id: str, leader: str, member: str) -> None:
        """Somebody is asked into a team and says yes."""
        asked = self.staff[member]
        run(self.team.ask(self.staff[leader], case_id, asked.unit, asked.id))
        seats = run(self.cases.page(self.staff[leader], case_id)).seats
        run(self.team.accept(asked, next(seat.id for seat in seats if seat.staff_id == asked.id)))

    def books(self, login: str, minutes: int) -> str:
        """A talk today, as it stands after it was booked."""
        now = self.house.clock.now()
        start = now + timedelta(minutes=minutes)
        row = Booking(
            id=new_id(), therapist_id=self.staff[login].id, start_at=start, end_at=start + timedelta(minutes=45),
            state="booked", channel="phone", lang="sv", who="parent", band="adult", receipt=new_id(),
            data_key=self.house.vault.new_key(), created_at=now, confirmed_at=now,
        )  # fmt: skip
        cell = BookingCell(therapist_id=row.therapist_id, cell=int(start.timestamp()) // 300, booking_id=row.id)

        def add(session: Session) -> None:
            session.add(row)
            session.flush()
            session.add(cell)

        self.house.db.write_now(add)
        return row.id

    def father(self) -> tuple[str, str]:
        """Johan leads the father's case, with Anna, and with Karin who will have the child's; case and person."""
        story, concern, words = self.tells(Reader("parent", "adult"), "Jag dricker för mycket.", "vuxen")
        johan = self.staff["johan"]
        run(self.concerns.accept(johan, concern))
        opened = run(self.cases.open_from_concern(johan, concern, NewPerson("parent", "Per", 1980)))
        self.joins(opened.case_id, "johan", "anna")
        self.joins(opened.case_id, "johan", "karin")
        self.let_in(story, "behandlare")
        run(self.cases.note(johan, opened.case_id, key(), "Vill sluta."))
        booking = self.books("anna", 60)
        self.codes.append(words)
        self.fathers += [
            f"/personal/arende/{opened.case_id}", f"/personal/person/{opened.person_id}",
            f"/personal/berattelse/{story}", f"/personal/oro/{concern}", f"/personal/tid/{booking}",
        ]  # fmt: skip
        return opened.case_id, opened.person_id

    def child(self, father_id: str) -> list[str]:
        """The child tells and gets a case, a team, a talk; all of it withheld from the father's staff. Where it lies."""
        karin = self.staff["karin"]
        story, concern, _ = self.tells(Reader("child", "10-12"), CHILD_SAYS, "mottagning_barn")
        run(self.concerns.accept(karin, concern))
        opened = run(self.cases.open_from_concern(karin, concern, NewPerson("child", "Elsa", 2015)))
        run(self.persons.link(karin, opened.person_id, father_id))
        for login in FATHERS_STAFF:
            kept_from = ("staff", self.staff[login].id)
            reason = "Elsa är rädd för vad pappa gör om han får veta."
            run(self.persons.withhold(karin, opened.case_id, ("person", opened.person_id), kept_from, reason))
        self.let_in(story, "behandlare")
        run(self.persons.show(karin, opened.person_id, True))
        self.joins(opened.case_id, "karin", "samir")
        booking = self.books("samir", 26 * 60)
        self.house.db.write_now(
            lambda session: access.concerns_person(session, Kind.BOOKING, booking, opened.person_id)
        )
        run(self.cases.add_task(karin, opened.case_id, key(), "Ring skolan", self.cases.today(), None))
        run(self.cases.note(karin, opened.case_id, key(), "Elsa sover hos mormor."))
        run(self.stories.add(story, ["Han slog i bordet."], key() + key(), "", None))
        return [
            f"/personal/arende/{opened.case_id}", f"/personal/arende/{opened.case_id}/nu",
            f"/personal/person/{opened.person_id}", f"/personal/berattelse/{story}",
            f"/personal/berattelse/{story}/delar", f"/personal/berattelse/{story}/nu", f"/personal/oro/{concern}",
            f"/personal/oro/{concern}/arende", f"/personal/tid/{booking}",
        ]  # fmt: skip

    def seen(self) -> dict[str, str]:
        """Everything that the father and his staff can open, by what it is."""
        found = {}
        for number, words in enumerate(self.codes):
            found[f"father {number}"] = self.served.client.post("/min-sida", data={"words": words}).text
        for login, client in self.clients.items():
            for path in [*OPEN_PAGES, *self.fathers, "/personal/dagen?team=1", "/personal/dagen?dag=2026-11-26&team=1"]:
                answer = client.get(path)
                assert 500 != answer.status_code, path
                found[f"{login} {path}"] = f"{answer.status_code} {answer.text}"
            for path in STREAMS:
                found[f"{login} {path}"] = _first_of_stream(client, path)
            concern = next(path for path in self.fathers if "/oro/" in path)
            for path, form in (
                ("/personal/arenden/sok", {"q": "elsa"}),
                ("/personal/inkorg/sok", {"q": "lillebror"}),
                ("/personal/inkorg/lista.csv", {}),
                (f"{concern}/export", {"kind": "json"}),
            ):
                answer = client.post(path, data=form)
                found[f"{login} {path} {form}"] = f"{answer.status_code} {answer.text}"
        return {what: _evened(text) for what, text in found.items()}


def _first_of_stream(client: httpx.Client, path: str) -> str:
    with client.stream("GET", path) as answer:
        if answer.status_code != 200:
            return str(answer.status_code)
        read = ""
        for text in answer.iter_text():
            read += text
            if read.count("\n\n") >= 2:
                break
        return read


def _evened(text: str) -> str:
    # The export before this one is in the next, as a deed of the one who made it.
    text = re.sub(r"Exporterad av \w+( \(\d+ gånger i rad\))?", "Exporterad", text)
    text = re.sub(r'\{\s*"at": "[^"]+",\s*"deed": "staff:concern:exported",\s*"by": "\w+"\s*\},?\s*', "", text)
    return re.sub(r"\b[0-9a-f]{24}\b", "ID", re.sub(r'(?<=value=")[A-Za-z0-9_-]{22,64}(?=")', "TOKEN", text))


@pytest.fixture(params=["sqlite", "postgresql"])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    """Settings for each of the two databases."""
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres_server").new_database()
        return replace(make_settings(tmp_path), database_url=url)
    return make_settings(tmp_path)


@pytest.fixture
def family(settings: Settings) -> Iterator[Family]:
    clock, passwords = ManualClock(), dict[str, Any]()
    with serve(settings, clock, lambda database: passwords.update(seed_example_staff(database, settings))) as served:
        house = build_house(settings, clock=clock)
        family = Family(served, house, passwords)
        yield family
        for client in family.clients.values():
            client.close()
        house.codes.close()
        house.db.close()


def test_nothing_on_the_fathers_side_is_another_when_his_child_has_a_case(family: Family) -> None:
    """His page, his therapist's and his case worker's lists, searches, exports, streams, statistics; the child's is not there."""
    _, father_id = family.father()
    family.seen()  # the first visit leaves its own traces: a line of the log, "last opened"
    before = family.seen()
    assert "200" == before["anna /personal/arenden"][:3] and "Per" in before["anna /personal/arenden"]
    of_child = family.child(father_id)
    after = family.seen()
    assert [] == [what for what in before if before[what] != after[what]]
    assert all(CHILD_SAYS not in text and "Elsa" not in text for text in after.values())
    for client in family.clients.values():
        assert {404} == {_status(client, path) for path in of_child}
        for deed in ("visa", "lamna"):
            assert 404 == client.post(f"/personal/person/{father_id}/familj/{deed}", data={"shown": "yes"}).status_code


def _status(client: httpx.Client, path: str) -> int:
    with client.stream("GET", path) as answer:
        return answer.status_code
