"""Promise: a therapist reads in a calendar file on a plain page, sees what became of it, and is told in words of a file that is none."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

import httpx
import pytest

from backend.app import build_house
from backend.booking.service import BookingDesk, Details
from tests.conftest import ManualClock, make_settings
from tests.features.test_calendar_file import event, file_of, local, run
from tests.people import seed_example_staff
from tests.web.serving import Served, serve

PATH = "/personal/kalender/borta/fil"


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Served, dict[str, str], BookingDesk]]:
    """The app, its logins and a second look at its calendars. It is Wednesday 25 November 2026, 9.00."""
    settings, clock = make_settings(tmp_path_factory.mktemp("file")), ManualClock()
    passwords: dict[str, str] = {}
    with serve(settings, clock, lambda database: passwords.update(seed_example_staff(database, settings))) as served:
        house = build_house(settings, clock=clock)
        yield served, passwords, BookingDesk(house)
        house.codes.close()
        house.db.close()


def login(served: Served, passwords: dict[str, str], name: str) -> httpx.Client:
    client = httpx.Client(base_url=served.url, timeout=20, follow_redirects=True)
    assert 200 == client.post("/personal/logga-in", data={"login": name, "password": passwords[name]}).status_code
    return client


def send(client: httpx.Client, content: bytes, **fields: str) -> tuple[int, str]:
    """Status, and what is read on the page."""
    answer = client.post(PATH, files={"file": ("kalender.ics", content, "text/calendar")}, data=fields)
    return answer.status_code, " ".join(html.unescape(re.sub(r"<[^>]+>", " ", answer.text)).split())


def test_the_file_is_read_and_what_it_meets_is_told(office: tuple[Served, dict[str, str], BookingDesk]) -> None:
    """Two times are kept; a booked talk in one of them is told of, with the way to somebody else for it."""
    served, passwords, desk = office
    anna = login(served, passwords, "anna")
    assert 'type="file"' in anna.get("/personal/kalender/borta").text
    tomorrow = next(time for time in run(desk.offer(limit=99)).times if time.start.day == 26)
    run(desk.hold("chat:1", tomorrow.slot))
    talk = run(desk.confirm("chat:1", Details("chat")))
    content = file_of(event(local(26, 0), local(27, 0)), event(local(30, 9), local(30, 10)))
    status, page = send(anna if talk.therapist == "Anna" else login(served, passwords, talk.therapist.lower()), content)
    assert (200, True) == (status, "2 tider ur filen är sparade som borta." in page)
    assert "Ett bokat samtal behöver ny tid eller någon annan." in page


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "Välj en fil först."),
        (b"30 februari", "Filen går inte att läsa som en kalender. Ingenting är sparat."),
        (b"\xff\x00" * 3000, "Filen går inte att läsa som en kalender. Ingenting är sparat."),
        (file_of(), "Det finns inga händelser i filen."),
        (file_of(event(local(26, 10), local(26, 9))), "Slutet måste komma efter början."),
        (b"a" * 300_000, "Filen är för stor."),
    ],
)
def test_a_file_that_is_none_is_told_by_its_field(
    office: tuple[Served, dict[str, str], BookingDesk], content: bytes, told: str
) -> None:
    """A sentence, the same page, nothing saved."""
    status, page = send(login(*office[:2], "anna"), content)
    assert (422, True) == (status, told in page), page


def test_a_form_without_a_file_and_another_s_calendar(office: tuple[Served, dict[str, str], BookingDesk]) -> None:
    """No part with a file at all: the same sentence. A colleague's calendar does not exist."""
    anna = login(*office[:2], "anna")
    answer = anna.post(PATH, data={"vem": ""})
    assert (422, True) == (answer.status_code, "Välj en fil först." in html.unescape(answer.text))
    assert 404 == send(anna, file_of(event(local(26, 9), local(26, 10))), vem="karin")[0]
