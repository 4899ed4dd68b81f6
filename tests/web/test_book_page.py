"""Promise: a talk can be booked on plain pages, without script, cookie, name or the assistant, and nothing written is lost."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa

from backend.app import build_house
from backend.booking.lifecycle import BOOKED, HELD
from backend.booking.service import BookingDesk
from backend.booking.tables import Booking
from backend.config import Settings
from backend.core import migrate
from backend.core.codes import ReturnCode
from backend.core.db import Database
from backend.core.house import House
from tests.conftest import ManualClock, make_settings
from tests.therapists import add_staff, add_therapist, count
from tests.web.serving import Served, serve

NOTE = "Jag är <b>ledsen</b> & trött.\nMamma sover hela dagarna."


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """On SQLite: what depends on the database is tested on both below the page."""
    return make_settings(tmp_path)


@pytest.fixture
def house(settings: Settings, clock: ManualClock) -> Iterator[House]:
    """A second look at the database that the app serves; Anna works from 9 to 12, and it is Wednesday 9.00."""
    house = build_house(settings, clock=clock)
    migrate.upgrade(house.db.engine)
    yield house
    house.codes.close()
    house.db.close()


@pytest.fixture
def served(settings: Settings, clock: ManualClock, house: House) -> Iterator[Served]:
    """The app with the assistant out of reach."""

    def seed(database: Database) -> None:
        add_therapist(house, "anna", [("09:00", "12:00")])

    with serve(settings, clock, seed) as served:
        yield served


def send(served: Served, fields: dict[str, str]) -> httpx.Response:
    """Post a form as a browser does."""
    return served.client.post("/boka", files={name: (None, value) for name, value in fields.items()})


def fields_of(page: str) -> dict[str, str]:
    """What a browser would post from the page's first booking form, buttons left out."""
    form = re.search(r'<form[^>]*action="/boka[^>]*>(.*?)</form>', page, re.DOTALL)
    assert form, page
    found: dict[str, str] = {}
    for tag in re.findall(r"<input[^>]*>", form[1]):
        attributes = {name: html.unescape(value) for name, value in re.findall(r'(\w+)="([^"]*)"', tag)}
        if attributes.get("type") == "radio" and " checked" not in tag:
            continue
        found[attributes["name"]] = attributes.get("value", "")
    for name, value in re.findall(r'<textarea[^>]*name="(\w+)"[^>]*>\n?(.*?)</textarea>', form[1], re.DOTALL):
        found[name] = html.unescape(value)
    return found


def slots_of(page: str) -> list[str]:
    return re.findall(r'name="slot" value="([^"]+)"', page)


def text_of(page: str) -> str:
    """What is read on the page, without tags and with plain spaces."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page)).split())


def chosen(served: Served, place: int = 0) -> httpx.Response:
    """The page after a time has been chosen."""
    first = served.client.get("/boka").text
    return send(served, fields_of(first) | {"slot": slots_of(first)[place], "step": "hold"})


def confirmed(served: Served, **answers: str) -> httpx.Response:
    return send(served, fields_of(chosen(served).text) | {"channel": "chat", "step": "confirm"} | answers)


def words_of(page: str) -> list[str]:
    return re.findall(r"<li>(\w+)</li>", page.split("code-words")[1].split("</ol>")[0])


def test_a_child_books_a_chat_in_four_steps(served: Served, house: House) -> None:
    """Times, how to talk, six words, 'jag har sparat den'; nothing else is asked for, and no cookie is set."""
    times = served.client.get("/boka")
    assert 200 == times.status_code
    assert ["i dag kl. 9.40", "i dag kl. 10.20", "i dag kl. 11.00", "i morgon kl. 9.00"] == re.findall(
        r"<span>(i [^<]+)</span>", times.text
    )[:4]
    details = send(served, fields_of(times.text) | {"slot": slots_of(times.text)[0], "step": "hold"})
    assert "i dag kl. 9.40 med Anna" in text_of(details.text)
    done = send(served, fields_of(details.text) | {"channel": "chat", "step": "confirm"})
    assert 200 == done.status_code
    words = words_of(done.text)
    assert 6 == len(words)
    digest = house.db.read_now(lambda s: s.scalars(sa.select(ReturnCode.digest)).one())
    assert digest == house.codes._hash(" ".join(words))
    saved = send(served, fields_of(done.text) | {"step": "saved"})
    assert words[0] not in text_of(saved.text).split()
    assert 1 == count(house, Booking, Booking.state == BOOKED)
    for answer in (times, details, done, saved):
        assert "set-cookie" not in answer.headers
        assert "/boka" == answer.request.url.raw_path.decode()
        assert "no-store" == answer.headers["cache-control"]
        assert ["/static/leave.js"] == re.findall(r'<script src="([^"]+)"', answer.text)
        assert re.search(r"<title>Exempelby kommun</title>", answer.text)


def test_a_call_is_booked_with_how_to_call_safely(served: Served, house: House) -> None:
    """The questions about calling are there for whoever wants a call, and reach the therapist word for word."""
    page = chosen(served).text
    for name in ("phone", "call_ok", "if_other_answers", "leave_message"):
        assert f'name="{name}"' in page
    answers = {
        "channel": "phone", "phone": "070-174 06 05", "call_ok": "unsure", "if_other_answers": "Säg fel nummer",
        "leave_message": "no", "note": NOTE, "who": "child_10_12", "step": "confirm",
    }  # fmt: skip
    done = send(served, fields_of(page) | answers)
    assert "Anna ringer dig" in text_of(done.text)
    assert "070" not in done.text
    row = house.db.read_now(lambda s: s.scalars(sa.select(Booking)).one())
    opened = _opened(house, row.id)
    assert ("+46701740605", NOTE) == (opened.phone, opened.note)
    assert ("unsure", "Säg fel nummer", "no") == (
        opened.safe.call_ok, opened.safe.if_other_answers, opened.safe.leave_message,
    )  # fmt: skip
    assert ("child", "10-12") == (opened.reader.who, opened.reader.band)


def _opened(house: House, booking_id: str) -> object:
    import asyncio

    return asyncio.run(BookingDesk(house).open_for(add_staff(house, "samir"), booking_id))


def test_a_video_talk_comes_with_its_link(served: Served) -> None:
    """Without the link nobody could come."""
    assert 'href="https://video.example/anna"' in confirmed(served, channel="video").text


def test_what_is_wrong_is_said_by_the_field_and_nothing_written_is_lost(served: Served, house: House) -> None:
    """A bad number: a summary on top that leads to the field, the sentence tied to it, every answer kept, the time kept."""
    answers = {"channel": "phone", "phone": "30 februari", "call_ok": "yes", "note": NOTE, "who": "child_13_17"}
    answer = send(served, fields_of(chosen(served).text) | answers | {"step": "confirm"})
    assert 422 == answer.status_code
    assert '<a href="#phone">' in answer.text
    field = re.search(r'<input id="phone"[^>]*>', answer.text)
    assert field
    assert 'aria-describedby="phone-error"' in field[0]
    assert 'aria-invalid="true"' in field[0]
    assert answers.items() <= fields_of(answer.text).items()
    again = send(served, fields_of(answer.text) | {"phone": "0701740605", "step": "confirm"})
    assert 200 == again.status_code
    assert 1 == count(house, Booking, Booking.state == BOOKED)


MISTAKES = [
    ({"channel": ""}, "channel"),
    ({"channel": "fax"}, "channel"),
    ({"channel": "phone", "phone": ""}, "phone"),
    ({"channel": "phone", "phone": "112"}, "phone"),
    ({"channel": "phone", "phone": "0701740605", "call_ok": "no"}, "call_ok"),
    ({"channel": "chat", "note": "a" * 20_000}, "note"),
    ({"channel": "chat", "note": "😀" * 10_000}, "note"),
    ({"channel": "phone", "phone": "0701740605", "if_other_answers": "b" * 301}, "if_other_answers"),
]


def test_each_mistake_has_its_place(served: Served) -> None:
    """Never a bare 'something went wrong': the summary leads to the field that it is about."""
    page = fields_of(chosen(served).text)
    for answers, field in MISTAKES:
        answer = send(served, page | answers | {"step": "confirm"})
        assert 422 == answer.status_code, answers
        assert f'<a href="#{field}">' in answer.text
        assert f'id="{field}"' in answer.text


def test_a_lost_time_is_told_with_others_to_choose_and_answers_follow(
    served: Served, house: House, clock: ManualClock
) -> None:
    """Somebody else took the time while the form was filled in: new times, and the note is still there afterwards."""
    mine = fields_of(chosen(served).text) | {"channel": "phone", "phone": "070-174 06 05", "note": NOTE}
    clock.forward(minutes=5)
    assert 200 == chosen(served).status_code
    answer = send(served, mine | {"step": "confirm"})
    assert 409 == answer.status_code
    assert "tiden släpptes" in text_of(answer.text)
    assert mine["slot"] not in slots_of(answer.text)
    next_page = send(served, fields_of(answer.text) | {"slot": slots_of(answer.text)[0], "step": "hold"})
    assert {"note": NOTE, "phone": "070-174 06 05", "channel": "phone"}.items() <= fields_of(next_page.text).items()
    assert 200 == send(served, fields_of(next_page.text) | {"step": "confirm"}).status_code


def test_a_time_that_just_went_is_told_with_others(served: Served) -> None:
    """Two look at the same page: the second gets a sentence and the times that are left."""
    page = served.client.get("/boka").text
    slot = slots_of(page)[0]
    assert 200 == send(served, fields_of(page) | {"slot": slot, "step": "hold"}).status_code
    other = send(served, fields_of(served.client.get("/boka").text) | {"slot": slot, "step": "hold"})
    assert 409 == other.status_code
    assert "hann någon annan ta" in text_of(other.text)
    assert slot not in slots_of(other.text)


def test_more_times_and_back_to_the_first(served: Served, house: House) -> None:
    """With many free times the page shows eight, then the rest, and what was chosen before is not lost on the way."""
    add_therapist(house, "bo", [("12:30", "16:30")])
    first = served.client.get("/boka").text
    assert 8 == len(slots_of(first))
    assert "Fler tider" in text_of(first)
    form = fields_of(first)
    more = send(served, form | {"skip": "8", "step": "more"})
    assert slots_of(more.text)
    assert not set(slots_of(first)) & set(slots_of(more.text))
    assert form["form"] == fields_of(more.text)["form"]
    assert slots_of(first) == slots_of(send(served, fields_of(more.text) | {"step": "first"}).text)


def test_another_time_can_be_chosen_instead(served: Served, house: House) -> None:
    """'Välj en annan tid' lets the first one go at once."""
    details = fields_of(chosen(served).text)
    back = send(served, details | {"note": NOTE, "step": "change"})
    assert details["slot"] in slots_of(back.text)
    assert 0 == count(house, Booking, Booking.state == HELD)
    assert NOTE == fields_of(back.text)["note"]


def test_sending_twice_books_once_and_shows_the_same_words(served: Served, house: House) -> None:
    """A double click, or reloading the page with the code."""
    filled = fields_of(chosen(served).text) | {"channel": "chat", "step": "confirm"}
    first, second = send(served, filled), send(served, filled)
    assert words_of(first.text) == words_of(second.text)
    assert 1 == count(house, Booking, Booking.state == BOOKED)
    back = send(served, filled | {"step": "hold"})
    assert words_of(first.text) == words_of(back.text)


def test_danger_in_a_note_shows_help_above_all_and_books_anyway(served: Served, house: House) -> None:
    """Every text field is read for danger before anything else, also when something else in the form is wrong."""
    wrong = send(served, fields_of(chosen(served).text) | {"note": "pappa slår mamma nu", "step": "confirm"})
    done = send(served, fields_of(wrong.text) | {"channel": "chat", "step": "confirm"})
    for answer, status in ((wrong, 422), (done, 200)):
        assert status == answer.status_code
        main = answer.text.split("<main")[1]
        assert "112" in main
        assert main.index("112") < main.index("<form")
    assert 1 == count(house, Booking, Booking.state == BOOKED)


def test_a_full_week_says_the_true_next_time_and_who_to_call(served: Served, house: House) -> None:
    """When today and tomorrow are full, Friday is named and can be chosen, with numbers beside it."""
    for _ in range(7):
        assert 200 == confirmed(served).status_code
    page = served.client.get("/boka").text
    assert "på fredag kl. 9.00 (27 november)" in text_of(page)
    assert "116 111" in text_of(page)
    held = send(served, fields_of(page) | {"step": "hold"})
    assert "på fredag kl. 9.00 (27 november) med Anna" in text_of(held.text)


NOISE = [
    {},
    {"step": "hold"},
    {"step": "hold", "slot": "2026-02-30T10:00"},
    {"step": "hold", "slot": "\x00\x01"},
    {"step": "confirm"},
    {"step": "confirm", "slot": "💥" * 500, "channel": "chat"},
    {"step": "confirm", "form": "../../etc/passwd", "channel": "chat", "who": "drottning"},
    {"step": "saved"},
    {"step": "change", "form": "a" * 10_000},
    {"step": "more", "skip": "-1"},
    {"step": "more", "skip": "99999999999999999999"},
    {"step": "more", "skip": "٣"},
    {"step": "‮evil", "note": "a\u202eb" * 1000},
    {"step": "confirm", "channel": "phone", "phone": "9" * 20_000, "note": "z̸̢" * 5_000},
]


def test_noise_is_answered_with_a_page_to_go_on_from(served: Served, house: House) -> None:
    """Whatever is posted: a page with a form, a sentence when something is wrong, nothing booked, no server error."""
    for fields in NOISE:
        answer = send(served, fields or {"nothing": "at all"})
        assert answer.status_code in (200, 409, 422), fields
        assert 'action="/boka"' in answer.text or "Koden visas inte mer" in answer.text
        assert "Traceback" not in answer.text
    assert 0 == count(house, Booking)


def test_broken_bodies_are_told_kindly(served: Served) -> None:
    """Bytes that are no form, half a form, a strange charset: a page, never a server error."""
    for body, kind in (
        (b"\xff\xfe\x00step=hold", "application/x-www-form-urlencoded"),
        (b"step=hold&slot=%ED%A0%80%00", "application/x-www-form-urlencoded"),
        (b"--x\r\nContent-Disposition: form-data", "multipart/form-data; boundary=x"),
        (b'--x\r\nContent-Disposition: form-data; name="note"\r\n\r\n\xff\xfe\r\n--x--', "multipart/form-data; boundary=x"),
        (b'--x\r\nContent-Disposition: form-data; name="note"\r\nContent-Type: text/plain; charset=nonsense\r\n\r\nhej\r\n--x--', "multipart/form-data; boundary=x"),
        (b"{}", "application/json"),
        (b"", "multipart/form-data"),
    ):  # fmt: skip
        answer = served.client.post("/boka", content=body, headers={"content-type": kind})
        assert answer.status_code < 500, (body, kind)


def test_a_closed_desk_says_so_with_numbers(
    settings: Settings, clock: ManualClock, house: House, tmp_path: Path
) -> None:
    """Without therapists there is nothing to choose: a sentence, and who answers the phone."""
    with serve(settings, clock) as served:
        page = served.client.get("/boka")
        assert 200 == page.status_code
        assert "Just nu finns ingen tid att boka." in text_of(page.text)
        assert "116 111" in text_of(page.text)
        assert [] == slots_of(page.text)


def test_a_foreign_page_cannot_book_in_somebody_s_name(served: Served, house: House) -> None:
    """A form on another site is refused before anything is read."""
    answer = served.client.post("/boka", data={"step": "hold"}, headers={"sec-fetch-site": "cross-site"})
    assert 403 == answer.status_code
    assert 0 == count(house, Booking)


def test_one_source_cannot_take_time_after_time(served: Served, house: House) -> None:
    """After sixty choices in a quarter of an hour the page stays, with a sentence and the numbers for those in need."""
    page = served.client.get("/boka").text
    filled = fields_of(page) | {"slot": slots_of(page)[0], "step": "hold"}
    answers = [send(served, filled).status_code for _ in range(61)]
    assert [200] * 60 + [429] == answers
    last = send(served, filled)
    assert "112" in text_of(last.text)
    assert slots_of(last.text)
