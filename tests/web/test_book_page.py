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
from backend.booking.attending import Attending
from backend.booking.lifecycle import BOOKED, HELD
from backend.booking.safe import Safe
from backend.booking.tables import Booking
from backend.config import Settings
from backend.core import migrate
from backend.core.codes import ReturnCode
from backend.core.db import Database
from backend.core.house import House
from backend.core.outbox import OutboxMessage
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
    for name, options in re.findall(r'<select[^>]*name="(\w+)"[^>]*>(.*?)</select>', form[1], re.DOTALL):
        found[name] = next(iter(re.findall(r'value="([^"]*)" selected', options)), "")
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


def test_a_child_books_a_chat_in_five_steps(served: Served, house: House) -> None:
    """Times, how to talk, reading it through, six words, 'jag har sparat den'; nothing else is asked for, and no cookie is set."""
    times = served.client.get("/boka")
    assert 200 == times.status_code
    assert ["i dag kl. 9.40", "i dag kl. 10.20", "i dag kl. 11.00", "i morgon kl. 9.00"] == re.findall(
        r"<span>(i [^<]+)</span>", times.text
    )[:4]
    details = send(served, fields_of(times.text) | {"slot": slots_of(times.text)[0], "step": "hold"})
    assert "i dag kl. 9.40 med Anna" in text_of(details.text)
    answers = {"channel": "chat", "who": "child_10_12", "step": "details"}
    summary = send(served, fields_of(details.text) | answers)
    assert "Tiden är inte bokad än" in text_of(summary.text)
    assert 0 == count(house, Booking, Booking.state == BOOKED)
    done = send(served, fields_of(summary.text) | {"step": "confirm"})
    assert 200 == done.status_code
    assert "Vi skickar inget till dig." in text_of(done.text)
    words = words_of(done.text)
    assert 6 == len(words)
    digest = house.db.read_now(lambda s: s.scalars(sa.select(ReturnCode.digest)).one())
    assert digest == house.codes._hash(" ".join(words))
    saved = send(served, fields_of(done.text) | {"step": "saved"})
    assert " ".join(words[:2]) not in text_of(saved.text)
    assert 1 == count(house, Booking, Booking.state == BOOKED)
    for answer in (times, details, summary, done, saved):
        assert "set-cookie" not in answer.headers
        assert "/boka" == answer.request.url.raw_path.decode()
        assert "no-store" == answer.headers["cache-control"]
        assert ["/static/leave.js"] == re.findall(r'<script src="([^"]+)"', answer.text)
        assert re.search(r"<title>Exempelby kommun</title>", answer.text)


QUESTION = re.compile(r'name="question" value="(\w+)"')


def answered(served: Served, page: str, answers: dict[str, str]) -> tuple[list[str], httpx.Response]:
    """Go through the questions one by one, passing over those without an answer; which were asked, and the page after."""
    asked: list[str] = []
    answer = None
    while (question := QUESTION.search(page)) is not None:
        asked.append(question[1])
        said = answers.get(question[1])
        fields = fields_of(page) | ({question[1]: said, "step": "answer"} if said is not None else {"step": "skip"})
        answer = send(served, fields)
        page = answer.text
        assert len(asked) < 15
    assert answer is not None
    return asked, answer


def test_a_call_is_asked_about_one_question_at_a_time(served: Served, house: House) -> None:
    """Number, whether it is safe, who else may answer, what to say then; all of it reaches the therapist word for word."""
    details = {"channel": "phone", "note": NOTE, "who": "child_10_12", "call_me": "Räven", "step": "details"}
    first = send(served, fields_of(chosen(served).text) | details)
    said = {
        "phone": "070-174 06 05", "call_ok": "unsure", "others_answer": "yes", "if_other_answers": "Säg fel nummer",
        "leave_message": "no", "not_told": "pappa",
    }  # fmt: skip
    asked, summary = answered(served, first.text, said)
    assert ["phone", "call_ok", "others_answer", "if_other_answers", "leave_message", "if_missed", "not_told"] == asked
    assert "070-••• •• 05" in text_of(summary.text)
    assert "Säg fel nummer" in text_of(summary.text)
    assert 0 == count(house, Booking, Booking.state == BOOKED)
    done = send(served, fields_of(summary.text) | {"step": "confirm"})
    assert "Anna ringer dig" in text_of(done.text)
    assert "070" not in done.text
    row = house.db.read_now(lambda s: s.scalars(sa.select(Booking)).one())
    opened = _opened(house, row.id)
    assert ("+46701740605", NOTE, "Räven") == (opened.phone, opened.note, opened.call_me)
    safe = Safe(
        call_ok="unsure", others_answer="yes", if_other_answers="Säg fel nummer", leave_message="no", not_told="pappa"
    )
    assert safe == opened.safe
    assert ("child", "10-12") == (opened.reader.who, opened.reader.band)


def test_a_teenager_may_ask_for_a_reminder(served: Served, house: House, clock: ManualClock) -> None:
    """No is chosen from the start; a number is asked for only by who says yes twice; a chat asks nothing else."""
    clock.forward(hours=-1)
    first = send(
        served, fields_of(chosen(served, 2).text) | {"channel": "chat", "who": "child_13_17", "step": "details"}
    )
    assert "no" == fields_of(first.text)["reminder"]
    said = {"reminder": "sms", "sms_ok": "yes", "remind_phone": "070-174 06 35"}
    asked, summary = answered(served, first.text, said)
    assert ["reminder", "sms_ok", "remind_phone"] == asked
    done = send(served, fields_of(summary.text) | {"step": "confirm"})
    assert "Vi påminner dig" in text_of(done.text)
    channels = house.db.read_now(lambda s: sorted(s.scalars(sa.select(OutboxMessage.channel))))
    assert ["mail", "sms"] == channels


def test_who_says_that_a_text_message_is_not_safe_gets_none(served: Served, house: House, clock: ManualClock) -> None:
    """The wish is taken back without a word of blame, and the talk is booked."""
    clock.forward(hours=-1)
    first = send(served, fields_of(chosen(served, 2).text) | {"channel": "chat", "step": "details"})
    asked, summary = answered(served, first.text, {"reminder": "sms", "sms_ok": "no"})
    assert ["reminder", "sms_ok"] == asked
    assert 200 == send(served, fields_of(summary.text) | {"step": "confirm"}).status_code
    assert ["mail"] == house.db.read_now(lambda s: list(s.scalars(sa.select(OutboxMessage.channel))))


def test_who_says_that_calling_is_not_safe_is_not_called(served: Served, house: House) -> None:
    """The other ways are shown again, and the number is not carried along any more."""
    first = send(served, fields_of(chosen(served).text) | {"channel": "phone", "note": NOTE, "step": "details"})
    _, answer = answered(served, first.text, {"phone": "070-174 06 05", "call_ok": "no"})
    assert 422 == answer.status_code
    assert "Då ringer vi inte" in text_of(answer.text)
    assert "174 06 05" not in answer.text
    assert NOTE == fields_of(answer.text)["note"]


def test_a_changed_answer_keeps_the_others(served: Served, house: House) -> None:
    """'Ändra' at the end leads through the questions again, filled in."""
    first = send(served, fields_of(chosen(served).text) | {"channel": "phone", "step": "details"})
    _, summary = answered(served, first.text, {"phone": "070-174 06 05", "call_ok": "yes", "others_answer": "no"})
    again = send(served, fields_of(summary.text) | {"step": "edit"})
    second = send(served, fields_of(again.text) | {"step": "details"})
    assert "others_answer" not in QUESTION.findall(second.text)
    assert ["leave_message"] == QUESTION.findall(second.text)


def _opened(house: House, booking_id: str) -> object:
    import asyncio

    return asyncio.run(Attending(house).sheet(add_staff(house, "samir"), booking_id))


def test_a_video_talk_comes_with_its_link(served: Served) -> None:
    """Without the link nobody could come."""
    assert 'href="https://video.example/anna"' in confirmed(served, channel="video").text


def test_what_is_wrong_is_said_by_the_field_and_nothing_written_is_lost(served: Served, house: House) -> None:
    """A bad number: a summary on top that leads to the field, the sentence tied to it, every answer kept, the time kept."""
    details = {"channel": "phone", "note": NOTE, "who": "child_13_17", "step": "details"}
    first = send(served, fields_of(chosen(served).text) | details)
    answer = send(served, fields_of(first.text) | {"phone": "30 februari", "step": "answer"})
    assert 422 == answer.status_code
    assert '<a href="#phone">' in answer.text
    field = re.search(r'<input id="phone"[^>]*>', answer.text)
    assert field
    assert "phone-error" in field[0]
    assert 'aria-invalid="true"' in field[0]
    kept = fields_of(answer.text)
    assert {"channel": "phone", "note": NOTE, "who": "child_13_17", "phone": "30 februari"}.items() <= kept.items()
    _, summary = answered(served, answer.text, {"phone": "0701740605"})
    assert 200 == send(served, fields_of(summary.text) | {"step": "confirm"}).status_code
    assert 1 == count(house, Booking, Booking.state == BOOKED)


MISTAKES = [
    ({"channel": ""}, "channel"),
    ({"channel": "fax"}, "channel"),
    ({"channel": "phone", "phone": ""}, "phone"),
    ({"channel": "phone", "phone": "112"}, "phone"),
    ({"channel": "phone", "phone": "7" * 40}, "phone"),
    ({"channel": "phone", "phone": "0701740605", "call_ok": "no"}, "channel"),
    ({"channel": "chat", "note": "a" * 20_000}, "note"),
    ({"channel": "chat", "note": "😀" * 10_000}, "note"),
    ({"channel": "chat", "call_me": "c" * 61}, "call_me"),
    ({"channel": "phone", "phone": "0701740605", "if_other_answers": "b" * 301}, "if_other_answers"),
    ({"channel": "phone", "phone": "0701740605", "not_told": "b" * 301}, "not_told"),
]


def test_each_mistake_has_its_place(served: Served, house: House) -> None:
    """Never a bare 'something went wrong': each leads to the field that it is about, at whatever step it is found."""
    page = fields_of(chosen(served).text)
    for answers, field in MISTAKES:
        for step in ("details", "confirm"):
            answer = send(served, page | answers | {"step": step})
            assert f'id="{field}"' in answer.text, (answers, step)
            if answers.get(field) or step == "confirm":
                assert answer.status_code in (200, 422)
    assert 0 == count(house, Booking, Booking.state == BOOKED)


def test_the_same_form_with_other_answers_is_told_and_changes_nothing(served: Served, house: House) -> None:
    """Two windows of one form: the first books, the second hears how it stands and books nothing."""
    page = fields_of(chosen(served).text)
    first = send(served, page | {"channel": "chat", "step": "confirm"})
    other = send(served, page | {"channel": "video", "step": "confirm"})
    assert (200, 422) == (first.status_code, other.status_code)
    assert "redan bokad" in text_of(other.text)
    assert words_of(first.text) == words_of(other.text)
    assert ["chat"] == house.db.read_now(lambda s: list(s.scalars(sa.select(Booking.channel))))


def test_wishes_are_honoured_and_carried(served: Served, house: House) -> None:
    """A day and a part of it; when there is no such time the nearest are shown with a word about it."""
    add_therapist(house, "bo", [("12:30", "16:30")])
    first = fields_of(served.client.get("/boka").text)
    late = send(served, first | {"wish_hours": "late", "wish_day": "2026-11-26", "step": "wish"})
    assert {"i morgon kl. 15.10", "i morgon kl. 15.50"} == set(re.findall(r"<span>(i morgon[^<]+)</span>", late.text))
    assert ("late", "2026-11-26") == (fields_of(late.text)["wish_hours"], fields_of(late.text)["wish_day"])
    sunday = send(served, first | {"wish_day": "2026-11-29", "wish_hours": "late", "step": "wish"})
    assert "precis så" in text_of(sunday.text)
    assert slots_of(sunday.text)
    for nonsense in ("30 februari", "2026-02-30", "0001-01-01", "9999-12-31", "2026-11-25T10:00", "💥"):
        answer = send(
            served, first | {"wish_day": nonsense, "wish_hours": nonsense, "wish_person": nonsense, "step": "wish"}
        )
        assert 200 == answer.status_code
        assert slots_of(answer.text)


def test_the_pages_are_there_in_english(served: Served) -> None:
    """From the first page to the code."""
    page = served.client.get("/boka?lang=en").text
    assert "Book a time" in text_of(page)
    details = send(served, fields_of(page) | {"slot": slots_of(page)[0], "step": "hold"})
    done = send(served, fields_of(details.text) | {"channel": "chat", "step": "confirm"})
    assert "Your time is booked" in text_of(done.text)


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
