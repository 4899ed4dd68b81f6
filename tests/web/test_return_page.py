"""Promise: six words bring somebody back to their time, on pages that need no script and tell a guesser nothing."""

from __future__ import annotations

import asyncio
import html
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from backend.app import build_house
from backend.booking.safe import Safe
from backend.booking.service import BookingDesk, Confirmed, Details
from backend.booking.tables import Booking
from backend.core import codes
from backend.core.audit import AuditEvent, Tag
from backend.core.house import House
from backend.core.reader import Reader
from tests.conftest import ManualClock, make_settings
from tests.people import seed_example_staff
from tests.web.serving import Served, serve

NUMBER = "070-174 06 35"


class Place:
    """The app, a second look at its database, and the clock that both go by."""

    def __init__(self, served: Served, house: House, clock: ManualClock) -> None:
        self.served, self.house, self.clock = served, house, clock
        self.desk = BookingDesk(house)

    def booked(self, holder: str, channel: str = "chat", day: int = 1, **more: Any) -> Confirmed:
        """A talk on the next working day."""

        async def book() -> Confirmed:
            offer = await self.desk.offer(channel, limit=99)
            slot = next(time.slot for time in offer.times if time.start.day != self.clock.now().day)
            await self.desk.hold(holder, slot)
            return await self.desk.confirm(holder, Details(channel, **more))

        return asyncio.run(book())

    def send(self, **fields: str) -> httpx.Response:
        return self.served.client.post("/min-tid", data=fields)

    def row(self, talk: Confirmed) -> Booking:
        return self.house.db.read_now(lambda s: s.get(Booking, talk.booking_id))  # type: ignore[return-value]


@pytest.fixture(scope="module")
def module_place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    settings, clock = make_settings(tmp_path_factory.mktemp("return")), ManualClock()
    with serve(settings, clock=clock, seed=lambda database: seed_example_staff(database, settings)) as served:
        house = build_house(settings, clock=clock)
        yield Place(served, house, clock)
        house.codes.close()
        house.db.close()


@pytest.fixture
def place(module_place: Place) -> Iterator[Place]:
    """It is Wednesday, nine o'clock, in every test."""
    module_place.clock.at = ManualClock().at
    yield module_place


def form(page: httpx.Response | str, button: str) -> dict[str, str]:
    """What a browser posts from the form that has this button."""
    text = page if isinstance(page, str) else page.text
    for found in re.findall(r"<form[^>]*>(.*?)</form>", text, re.DOTALL):
        if f'value="{button}"' not in found:
            continue
        fields = {"step": button}
        for tag in re.findall(r"<input[^>]*>", found):
            at = {name: html.unescape(value) for name, value in re.findall(r'(\w+)="([^"]*)"', tag)}
            if at.get("type") != "radio" or " checked" in tag:
                fields[at["name"]] = at.get("value", "")
        for name, options in re.findall(r'<select[^>]*name="(\w+)"[^>]*>(.*?)</select>', found, re.DOTALL):
            fields[name] = next(iter(re.findall(r'value="([^"]*)" selected', options)), "")
        return fields
    raise AssertionError(f"no form with {button}: {text}")


def text_of(page: httpx.Response) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page.text)).split())


def slots_of(page: httpx.Response) -> list[str]:
    return re.findall(r'name="slot" value="([^"]+)"', page.text)


def test_the_words_show_the_time_and_lie_in_no_page(place: Place) -> None:
    """Time, way and first name; what follows is opened by a ticket, not by the words."""
    talk = place.booked("form:a")
    shown = place.send(words=str(talk.words).upper())
    assert shown.status_code == 200
    for told in (talk.therapist, "i morgon kl.", "Chatt", "Koden har inte använts förut"):
        assert told in text_of(shown)
    assert "video.exempelby" not in shown.text
    # One of the words may be one of the page's own; two of them in a row are the code's.
    assert not any(" ".join(pair) in text_of(shown).lower() for pair in pairwise(str(talk.words).split()))
    assert str(talk.words) not in shown.text.lower()
    assert shown.url.path == "/min-tid"
    assert "no-store" == shown.headers["cache-control"]


def test_one_press_cancels_and_the_same_code_books_again(place: Place) -> None:
    """Regret is allowed; the time that was let go can be chosen again by anybody."""
    talk = place.booked("form:b")
    shown = place.send(words=str(talk.words))
    cancelled = place.send(**form(shown, "cancel"))
    assert "Tiden är avbokad" in text_of(cancelled)
    assert "redan avbokad" in text_of(place.send(words=str(talk.words)))
    times = place.send(**form(cancelled, "times"))
    assert slots_of(times)
    again = place.send(**form(times, "move") | {"slot": slots_of(times)[0]})
    assert "Koden är densamma" in text_of(again)
    assert "booked" == place.row(talk).state


def test_a_time_is_moved_and_a_double_press_moves_it_once(place: Place) -> None:
    """The old one holds until the new one is chosen; sent twice, it is one move; another wish by the same form is told."""
    talk = place.booked("form:c")
    shown = place.send(words=str(talk.words))
    times = place.send(**form(shown, "times"))
    assert "gäller tills du har valt en ny" in text_of(times)
    first, second = slots_of(times)[:2]
    filled = form(times, "move") | {"slot": first}
    moved, repeated = place.send(**filled), place.send(**filled)
    assert (200, 200) == (moved.status_code, repeated.status_code)
    assert "Klart. Din tid är" in text_of(moved) and "Klart. Din tid är" in text_of(repeated)
    assert 422 == place.send(**filled | {"slot": second}).status_code
    traces = place.house.db.read_now(
        lambda s: s.scalar(
            sa.select(sa.func.count()).where(
                AuditEvent.tag == Tag.BOOKING_MOVED.value, AuditEvent.subject == talk.booking_id
            )
        )
    )
    assert 1 == traces


def test_a_lost_time_leaves_the_old_one(place: Place) -> None:
    """Somebody else was quicker: others are shown, and the page says that the old time still holds."""
    mine, other = place.booked("form:d"), place.booked("form:e")
    before = place.row(mine).start_at
    times = place.send(**form(place.send(words=str(mine.words)), "times"))
    slot = slots_of(times)[0]
    for words in range(3):  # as many as could be free then
        rival = place.booked(f"form:rival{words}")
        asyncio.run(_move(place, rival.booking_id, slot))
    lost = place.send(**form(times, "move") | {"slot": slot})
    assert lost.status_code in (409, 422)
    assert "gäller" in text_of(lost)
    assert before == place.row(mine).start_at
    assert other


async def _move(place: Place, booking_id: str, slot: str) -> None:
    try:
        await place.desk.changes.move(booking_id, slot)
    except Exception:
        await place.desk.cancel(booking_id)


def test_only_the_right_things_are_shown(place: Place) -> None:
    """A video talk shows its room until it is cancelled; a phone talk which number we call, most of it hidden."""
    video, phone = (
        place.booked("form:f", "video"),
        place.booked("form:g", "phone", phone=NUMBER, safe=Safe(call_ok="yes", not_told="pappa"), note="hemligt"),
    )
    shown = place.send(words=str(video.words))
    assert "https://video.exempelby.example/rum/" in shown.text
    assert "video.exempelby" not in place.send(**form(shown, "cancel")).text
    called = place.send(words=str(phone.words))
    assert "070-••• •• 35" in text_of(called)
    for secret in ("174", "pappa", "hemligt"):
        assert secret not in called.text


def test_the_last_use_is_told_and_steps_of_one_visit_are_one_use(place: Place) -> None:
    """Who finds a stranger's visit there can tell, and is told what to do."""
    talk = place.booked("form:h")
    place.send(words=str(talk.words))
    place.clock.forward(hours=3)
    shown = place.send(words=str(talk.words))
    assert "Koden användes senast i dag kl. 9.00" in text_of(shown)
    back = place.send(**form(place.send(**form(shown, "times")), "show"))
    assert "Koden användes senast i dag kl. 9.00" in text_of(back)
    assert "ny kod" in text_of(back)


def test_a_ticket_ends_and_cannot_be_made(place: Place) -> None:
    """After twenty minutes, with a letter changed, or for a code that was replaced: the words are asked for again."""
    talk = place.booked("form:i")
    shown = place.send(words=str(talk.words))
    fields = form(shown, "cancel")
    for ticket in ("x", "A" * 700, "å", fields["ticket"][:-3] + "abc", "💥"):
        answer = place.send(**fields | {"ticket": ticket})
        assert (404, True) == (answer.status_code, "Skriv koden igen" in text_of(answer))
    new = asyncio.run(place.house.codes.new())
    row = place.row(talk)

    def replace(session: Any) -> None:
        session.execute(sa.update(codes.ReturnCode).where(codes.ReturnCode.id == row.receipt).values(digest=new.digest))

    place.house.db.write_now(replace)
    assert 404 == place.send(**fields).status_code
    fresh = place.send(words=new.words)
    place.clock.forward(minutes=21)
    assert 404 == place.send(**form(fresh, "cancel")).status_code
    assert "booked" == place.row(talk).state


def test_a_reminder_is_asked_for_one_question_at_a_time(place: Place) -> None:
    """To the number that we call anyway; and taken back again; never offered to a child of ten."""
    talk = place.booked("form:j", "phone", phone=NUMBER, safe=Safe(call_ok="yes"), reader=Reader("child", "13-17"))
    page = place.send(**form(place.send(words=str(talk.words)), "remind"))
    assert "no" == form(page, "remind")["reminder"]
    page = place.send(**form(page, "remind") | {"reminder": "sms"})
    assert "Är det okej med ett sms?" in text_of(page)
    page = place.send(**form(page, "remind") | {"sms_ok": "yes"})
    assert "Du får en påminnelse" in text_of(page)
    assert place.row(talk).reminder is not None
    page = place.send(**form(page, "remind"))
    assert "Vi skickar inget" in text_of(place.send(**form(page, "remind") | {"reminder": "no"}))
    assert place.row(talk).reminder is None
    young = place.booked("form:k", reader=Reader("child", "10-12"))
    assert 'value="remind"' not in place.send(words=str(young.words)).text


def test_what_is_over_can_only_be_looked_at(place: Place) -> None:
    """And a form that was opened before says so kindly."""
    talk = place.booked("form:l")
    place.clock.forward(hours=23)
    shown = place.send(words=str(talk.words))
    place.clock.at = talk.end
    for step in ("cancel", "times"):
        answer = place.send(**form(shown, step))
        assert answer.status_code in (200, 404, 409)
        assert "Traceback" not in answer.text
    assert "booked" == place.row(talk).state
    after = place.send(words=str(talk.words))
    assert "Din tid var" in text_of(after)
    assert 'value="cancel"' not in after.text


def test_danger_written_where_a_code_belongs_is_met_with_help(place: Place) -> None:
    """The field takes six words, and a child may write anything."""
    answer = place.send(words="pappa slår mamma nu")
    assert answer.status_code == 404
    assert "tel:112" in answer.text
    assert "116 111" in answer.text


def test_the_old_address_leads_here_and_a_lost_code_has_a_way_out(place: Place) -> None:
    """/kod is what people guess; who has lost the words is told whom to call; in English too."""
    old = place.served.client.get("/kod", follow_redirects=False)
    assert (301, "/min-tid") == (old.status_code, old.headers["location"])
    page = place.served.client.get("/min-tid")
    assert "Har du tappat bort koden?" in text_of(page)
    assert "08-465 004" in text_of(page)
    assert "Have you lost the code?" in text_of(place.served.client.get("/min-tid?lang=en"))


NOISE = [
    {},
    {"step": "cancel"},
    {"words": "\x00\ud800".encode("utf-8", "replace").decode()},
    {"words": "a" * 100_000},
    {"ticket": "x", "step": "move", "slot": "30 februari"},
    {"ticket": "x", "step": "drop table"},
    {"ticket": "", "words": "../../etc/passwd"},
]


def test_noise_is_answered_with_a_page(place: Place) -> None:
    """Never a server error; the form is there to go on from."""
    for fields in NOISE:
        answer = place.served.client.post("/min-tid", data=fields)
        assert answer.status_code in (404, 429), fields
        assert 'name="words"' in answer.text


def test_guesses_get_one_answer_and_an_end(place: Place) -> None:
    """Wrong, short, empty and another municipality's are the same; after a few misses the door is shut, for the right words too."""
    talk = place.booked("form:z")
    elsewhere = build_house(
        make_settings(Path(place.house.settings.database_url.removeprefix("sqlite:///")).parent, code_pepper=b"q" * 32)
    )
    foreign = asyncio.run(elsewhere.codes.new())
    elsewhere.codes.close()
    elsewhere.db.close()
    told = {
        text_of(place.send(words=words)).split("Dina sex ord")[0]
        for words in ("skura tallrik spela salvia vallgrav gullig", "fel", "", foreign.words)
    }
    assert 1 == len(told)
    for _ in range(6):
        last = place.send(words="fel")
    assert last.status_code == 429
    assert place.send(words=str(talk.words)).status_code == 429
