"""Promise: a therapist gets through the day on plain pages: the list, the sheet, moving, handing over, after, and who did not come."""

from __future__ import annotations

import asyncio
import html
import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import httpx
import icalendar
import pytest
import sqlalchemy as sa

from backend.app import build_house
from backend.booking.safe import Safe
from backend.booking.service import BookingDesk, Confirmed, Details
from backend.booking.tables import Booking, MissedTalk
from backend.core.house import House
from backend.core.outbox import OutboxMessage
from backend.core.reader import Reader
from tests.conftest import ManualClock, make_settings
from tests.people import seed_example_staff
from tests.web.serving import Served, serve

NASTY = "<script>alert('mamma')</script>"
CALL = Details(
    "phone", Reader("child", "10-12"), phone="070-174 06 35", note=NASTY, call_me="Räven", interpreter="ar",
    safe=Safe(call_ok="unsure", if_other_answers="Fel nummer", if_missed="again", not_told="pappa"),
)  # fmt: skip


class Office:
    """The app, who is logged in to it, and a second look at its database."""

    def __init__(self, served: Served, house: House, clock: ManualClock, passwords: dict[str, str]) -> None:
        self.served, self.house, self.clock, self._passwords = served, house, clock, passwords
        self.desk = BookingDesk(house)

    def as_(self, login: str) -> httpx.Client:
        client = httpx.Client(base_url=self.served.url, timeout=20, follow_redirects=True)
        answer = client.post("/personal/logga-in", data={"login": login, "password": self._passwords[login]})
        assert answer.status_code == 200
        return client

    def book(self, holder: str, details: Details = CALL) -> Confirmed:
        async def both() -> Confirmed:
            offer = await self.desk.offer(details.channel)
            await self.desk.hold(holder, offer.times[0].slot)
            return await self.desk.confirm(holder, details)

        return asyncio.run(both())

    def row(self, talk: Confirmed) -> Any:
        return self.house.db.read_now(lambda s: s.get(Booking, talk.booking_id))


@pytest.fixture(scope="module")
def module_office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    settings, clock = make_settings(tmp_path_factory.mktemp("day")), ManualClock()
    passwords: dict[str, str] = {}
    with serve(settings, clock, lambda database: passwords.update(seed_example_staff(database, settings))) as served:
        house = build_house(settings, clock=clock)
        yield Office(served, house, clock, passwords)
        house.codes.close()
        house.db.close()


@pytest.fixture
def office(module_office: Office) -> Iterator[Office]:
    module_office.clock.at = ManualClock().at
    yield module_office


def text_of(answer: httpx.Response) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", answer.text)).split())


def once_of(answer: httpx.Response, path: str) -> str:
    found = re.search(rf'action="[^"]*{path}".*?name="once" value="([^"]+)"', answer.text, re.DOTALL)
    assert found, path
    return found[1]


def test_nobody_else_gets_in(office: Office) -> None:
    """Not logged in: the login. A case worker: there is nothing here."""
    talk = office.book("form:0")
    for path in ("/personal/dagen", f"/personal/tid/{talk.booking_id}", "/personal/kalenderlank"):
        assert office.served.client.get(path, follow_redirects=False).headers["location"] == "/personal/logga-in"
    case = office.as_("karin")
    for way in ("", "/flytta"):
        assert case.get(f"/personal/tid/{talk.booking_id}{way}").status_code == 404
    for deed in ("flytta", "lamna-over", "avboka", "kom-inte", "forsokt", "besluta", "efter", "ny-kod"):
        answer = case.post(f"/personal/tid/{talk.booking_id}/{deed}", data={"slot": "x"})
        assert answer.status_code == 404, deed
    assert case.get("/personal/kalenderlank").status_code == 404
    assert 401 == office.served.client.get("/personal/nytt").status_code
    foreign = office.as_("anna").post(
        f"/personal/tid/{talk.booking_id}/avboka", headers={"sec-fetch-site": "cross-site"}
    )
    assert (403, "booked") == (foreign.status_code, office.row(talk).state)


def test_the_day_and_the_sheet_say_what_is_needed(office: Office) -> None:
    """Words verbatim and harmless, how to reach them, who must not know; nothing of it in the list or the address."""
    talk = office.book("form:1")
    anna = office.as_("anna")
    listed = anna.get("/personal/dagen?team=1")
    assert "Barn, 10–12 år" in text_of(listed)
    for secret in ("mamma", "pappa", "070", "Räven"):
        assert secret not in listed.text
    sheet = anna.get(f"/personal/tid/{talk.booking_id}")
    for told in ("070-174 06 35", "Räven", "Fel nummer", "pappa", "arabiska", "Jag vet inte"):
        assert told in text_of(sheet)
    assert html.escape(NASTY, quote=True).replace("&#x27;", "&#39;") in sheet.text
    assert NASTY not in sheet.text
    for day in ("2026-11-26", "30 februari", "2026-02-30", "9999-12-31", "💥", "0001-01-01"):
        assert anna.get("/personal/dagen", params={"dag": day}).status_code == 200


def test_a_talk_is_moved_and_handed_over(office: Office) -> None:
    """A double press is one; a colleague who is busy cannot be chosen; the page stays and says why."""
    talk = office.book("form:2", Details("chat"))
    anna = office.as_("anna")
    times = anna.get(f"/personal/tid/{talk.booking_id}/flytta?wish_hours=late")
    slot = re.findall(r'name="slot" value="([^"]+)"', times.text)[-1]
    filled = {"slot": slot, "once": once_of(times, "flytta")}
    for _ in range(2):
        moved = anna.post(f"/personal/tid/{talk.booking_id}/flytta", data=filled)
        assert moved.status_code == 200
    assert text_of(moved).count("Flyttad") == 1
    before = office.row(talk).therapist_id
    page = anna.get(f"/personal/tid/{talk.booking_id}")
    free = re.findall(r'<option value="([^"]+)">[^<]*, ledig', page.text)
    handed = anna.post(f"/personal/tid/{talk.booking_id}/lamna-over", data={"therapist": free[0]})
    assert handed.status_code == 200
    assert office.row(talk).therapist_id == free[0] != before
    for wrong in ("nobody", "' OR 1=1", "\x00"):
        answer = anna.post(f"/personal/tid/{talk.booking_id}/lamna-over", data={"therapist": wrong})
        assert answer.status_code == 422
        assert "tar inte emot samtal" in text_of(answer)
    for wrong in ("", "30 februari", "zzz-a"):
        assert 422 == anna.post(f"/personal/tid/{talk.booking_id}/flytta", data={"slot": wrong}).status_code
    gone = anna.post(f"/personal/tid/{talk.booking_id}/avboka", data={})
    assert "Samtalet är avbokat" in text_of(gone)
    assert 404 == anna.get(f"/personal/tid/{talk.booking_id}").status_code


AFTER = {
    "report": "no", "report_reason": "Inget tyder på det.", "documented": "advice", "next_step": "new_talk",
    "told": "Att jag kan behöva anmäla.", "legal_basis": "unset", "follow_up": "2026-12-02", "follow_up_time": "10:00",
}  # fmt: skip


def test_after_the_talk_all_is_asked_for_and_nothing_written_is_lost(office: Office) -> None:
    """A missing answer and a day that does not exist are named; then it is held, with a word on the unset ground."""
    talk = office.book("form:3", Details("chat", Reader("child", "13-17")))
    office.clock.at = talk.start
    anna = office.as_("anna")
    page = anna.get(f"/personal/tid/{talk.booking_id}")
    once = once_of(page, "efter")
    for change, sentence in (
        ({"report": ""}, "Svara om anmälningsskyldighet finns."),
        ({"report_reason": ""}, "Skriv varför"),
        ({"follow_up": "2026-02-30"}, "finns inte"),
        ({"follow_up": "2025-01-01"}, "redan varit"),
        ({"told": "x" * 3_000}, "längre än 2 000"),
    ):
        answer = anna.post(f"/personal/tid/{talk.booking_id}/efter", data=AFTER | change | {"once": once})
        assert answer.status_code == 422, change
        assert sentence in text_of(answer)
        assert ("Inget tyder på det." in answer.text) == ("report_reason" not in change)
    done = anna.post(f"/personal/tid/{talk.booking_id}/efter", data=AFTER | {"once": once})
    assert (200, "done") == (done.status_code, office.row(talk).state)
    assert "Rättslig grund är inte vald än" in text_of(done)
    assert "Klart" in text_of(anna.get("/personal/dagen?team=1"))
    assert talk.booking_id in anna.get("/personal/dagen?team=1&dag=2026-12-02").text


def test_a_child_who_did_not_come_is_followed_up(office: Office) -> None:
    """The page says what to do, one step at a time, until it is settled; the code gives them a new time without a word."""
    talk = office.book("form:4")
    anna = office.as_("anna")
    assert 409 == anna.post(f"/personal/tid/{talk.booking_id}/kom-inte", data={}).status_code
    office.clock.at = talk.start + timedelta(minutes=5)
    anna = office.as_("anna")
    page = anna.post(f"/personal/tid/{talk.booking_id}/kom-inte", data={})
    assert "Ring en gång till, så som personen har sagt är säkert" in text_of(page)
    assert talk.booking_id in anna.get("/personal/dagen").text.split("day-missed")[1].split("</section>")[0]
    page = anna.post(f"/personal/tid/{talk.booking_id}/forsokt", data={})
    assert "Nu bestämmer du" in text_of(page)
    wrong = anna.post(f"/personal/tid/{talk.booking_id}/besluta", data={"outcome": "", "reason": NASTY})
    assert (422, True) == (wrong.status_code, "Välj vad som görs" in text_of(wrong))
    assert NASTY not in wrong.text
    anna.post(f"/personal/tid/{talk.booking_id}/besluta", data={"outcome": "wait", "reason": "Har koden."})
    row = office.house.db.read_now(lambda s: s.get(MissedTalk, talk.booking_id))
    assert ("settled", "wait") == (row.step, row.outcome)
    shown = office.served.client.post("/min-tid", data={"words": str(talk.words)})
    assert "Det gör inget" in text_of(shown)
    assert 'value="times"' in shown.text


def test_a_lost_code_is_replaced_in_a_talk(office: Office) -> None:
    """The words are in that answer alone; the person gets words of their own when they are first used."""
    talk = office.book("form:5", Details("chat"))
    anna = office.as_("anna")
    missing = anna.post(f"/personal/tid/{talk.booking_id}/ny-kod", data={})
    assert (422, True) == (missing.status_code, "Välj hur du vet" in text_of(missing))
    given = anna.post(f"/personal/tid/{talk.booking_id}/ny-kod", data={"code_reason": "called"})
    words = " ".join(re.findall(r"<li>(\w+)</li>", given.text.split("code-words")[1].split("</ol>")[0]))
    assert 6 == len(words.split())
    assert words.split()[0] not in anna.get(f"/personal/tid/{talk.booking_id}").text.split("<main")[1].split()
    assert 404 == office.served.client.post("/min-tid", data={"words": str(talk.words)}).status_code
    changed = office.served.client.post("/min-tid", data={"words": words})
    own = " ".join(re.findall(r"<li>(\w+)</li>", changed.text.split("code-words")[1].split("</ol>")[0]))
    assert 200 == office.served.client.post("/min-tid", data={"words": own}).status_code


def test_what_has_not_gone_out_is_told_on_every_page(office: Office) -> None:
    """After five minutes, with a mark on the talk; gone when it is sent."""
    talk = office.book("form:6", Details("chat"))
    anna = office.as_("anna")
    office.served.until(
        lambda: (
            office.house.db.read_now(
                lambda s: s.scalar(sa.select(sa.func.count()).where(OutboxMessage.state == "pending"))
            )
            == 0
        )
    )
    assert "Ej aviserad" not in anna.get("/personal/dagen?team=1").text

    def stuck(session: Any) -> None:
        late = office.clock.now() - timedelta(minutes=6)
        session.execute(
            sa.update(OutboxMessage)
            .where(OutboxMessage.about == talk.booking_id)
            .values(state="pending", due_at=late, next_at=office.clock.now() + timedelta(days=1))
        )

    office.house.db.write_now(stuck)
    for path in ("/personal/dagen?team=1", f"/personal/tid/{talk.booking_id}", "/personal"):
        assert "Ej aviserad" in anna.get(path).text, path
    office.house.db.write_now(lambda s: s.execute(sa.update(OutboxMessage).values(state="sent")))
    assert "Ej aviserad" not in anna.get("/personal/dagen?team=1").text


def test_the_calendar_address_is_shown_once_and_answers_kindly(office: Office) -> None:
    """It opens without a login, whatever else stands in it; wrong ones are a page that is not there."""
    anna = office.as_("anna")
    made = anna.post("/personal/kalenderlank", data={})
    address = re.search(r'value="(http[^"]+\.ics)"', made.text)
    assert address
    path = address[1].removeprefix(office.served.url)
    assert address[1] not in anna.get("/personal/kalenderlank").text
    for extra in ("", "?from=nonsense&to=2026-02-30&tz=Mars%2FOlympus&%00=1", "?" + "a=b&" * 500):
        answer = office.served.client.get(path + extra)
        assert (200, "text/calendar; charset=utf-8") == (answer.status_code, answer.headers["content-type"])
        assert "no-store" == answer.headers["cache-control"]
        icalendar.Calendar.from_ical(answer.content)
    for wrong in ("/kalender/x.ics", "/kalender/" + "a" * 5_000, "/kalender/%00%ff.ics", path.replace(".ics", "x.ics")):
        assert 404 == office.served.client.get(wrong).status_code
    assert "Den lästes senast" in text_of(anna.get("/personal/kalenderlank"))
    anna.post("/personal/kalenderlank", data={"stop": "1"})
    assert 404 == office.served.client.get(path).status_code


def test_open_pages_hear_that_something_is_new_and_nothing_of_what(office: Office) -> None:
    """A booking on another page: one word on the stream."""
    anna = office.as_("anna")
    heard: list[str] = []
    with anna.stream("GET", "/personal/nytt") as stream:
        assert stream.status_code == 200
        lines = stream.iter_lines()
        assert next(lines).startswith("retry")
        page = office.served.client.get("/boka").text
        form = re.search(r'name="form" value="([^"]+)"', page)
        slot = re.findall(r'name="slot" value="([^"]+)"', page)[-1]
        assert form
        for step in ({"step": "hold"}, {"step": "confirm", "channel": "chat", "note": NASTY}):
            office.served.client.post("/boka", data={"form": form[1], "slot": slot} | step)
        for line in lines:
            heard.append(line)
            if line.startswith("event"):
                break
    assert "event: news" in heard
    assert not [line for line in heard if "mamma" in line]
