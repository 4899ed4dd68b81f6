"""Promise: danger that somebody writes rings in the staff app, without a word of it; and what they are told is true."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
import yaml

from backend.alerts.tables import Alert
from backend.config import ROOT
from backend.core.outbox import OutboxMessage
from tests.conftest import make_settings
from tests.web.neighbour import Neighbour
from tests.web.test_staff_pages import Office, open_office

A0, A1 = "pappa slår mamma nu", "pappa slår mig ibland"
MAILBOX = "jour@exempelby.example"


class Ward(Office):
    """An office that the alerts of its chats are read from."""

    def chat(self, **who: str) -> httpx.Client:
        """A new chat's client."""
        return self.as_chat(self.client.post("/api/chats", json=who).json()["chat"])

    def rows(self) -> list[Alert]:
        query = sa.select(Alert).order_by(Alert.at, Alert.id)
        return self.database.read_now(lambda session: list(session.scalars(query)))

    def clear(self) -> None:
        self.database.write_now(lambda session: session.execute(sa.delete(Alert)))
        self.database.write_now(lambda session: session.execute(sa.delete(OutboxMessage)))

    def mails(self) -> int:
        query = sa.select(sa.func.count()).where(OutboxMessage.recipient == MAILBOX)
        return self.database.read_now(lambda session: session.scalar(query)) or 0


def content(folder: Path) -> Path:
    """The content with an on-call contact: what is not the municipality's file is the same."""
    target = folder / "content"
    target.mkdir()
    for path in (ROOT / "content").iterdir():
        if path.name != "municipalities":
            (target / path.name).symlink_to(path)
    (target / "municipalities").mkdir()
    file = yaml.safe_load((ROOT / "content" / "municipalities" / "exempelby.yml").read_text("utf-8"))
    file["on_call"]["danger_mailbox"] = MAILBOX
    text = yaml.safe_dump(file, allow_unicode=True)
    (target / "municipalities" / "exempelby.yml").write_text(text, "utf-8")
    return target


@pytest.fixture(scope="module")
def neighbour() -> Iterator[Neighbour]:
    one = Neighbour()
    yield one
    one.server.shutdown()


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, neighbour: Neighbour) -> Iterator[Ward]:
    folder = tmp_path_factory.mktemp("ward")
    with open_office(replace(make_settings(folder), rasa_url=neighbour.url, content_dir=content(folder))) as office:
        office.__class__ = Ward
        office.until_assistant_is_up()
        yield office  # type: ignore[misc]


@pytest.fixture
def ward(house: Ward) -> Iterator[Ward]:
    """On a Wednesday morning, without alerts."""
    house.clear()
    before = house.clock.at
    yield house
    house.clock.at = before


def say(chat: httpx.Client, **body: str) -> list[dict[str, Any]]:
    answer = chat.post("/api/chats/messages", json=body)
    assert 200 == answer.status_code, answer.text
    return answer.json()["messages"]  # type: ignore[no-any-return]


def choose(chat: httpx.Client, messages: list[dict[str, Any]], title: str) -> list[dict[str, Any]]:
    """Take the offered choice with that title."""
    offered = next(one for message in messages for one in message["choices"] if one["title"] == title)
    return say(chat, choice=offered["id"])


# What a chat rings, and what the person is told.


def test_danger_in_a_chat_rings_once_and_says_nothing_of_it(ward: Ward) -> None:
    """One alert, one mail; no page of the staff app has a word of it."""
    chat = ward.chat(who="child_10_12")
    for _ in range(2):
        assert "emergency" == say(chat, text=A0)[0]["kind"]
    (row,) = ward.rows()
    assert ("A0", "chat", False, 1) == (row.level, row.source, row.out_of_hours, ward.mails())
    karin = ward.enter("karin")
    for path in ("/personal", "/personal/larm", "/personal/larm/nu", "/personal/forsta"):
        text = html.unescape(karin.get(path).text)
        assert "Livsfara nu" in text and "i chatten" in text and "Jag har sett det" in text, path
        assert "slår" not in text and "Våld" not in text, path


def test_yes_to_whether_it_is_now_raises_the_alert(ward: Ward) -> None:
    """ "Don't know" counts as yes; "no" leaves it as it is."""
    for title, level in (("Ja", "A0"), ("Vet inte", "A0"), ("Nej", "A1")):
        ward.clear()
        chat = ward.chat(who="child_13_17")
        asked = say(chat, text=A1)
        assert ["A1"] == [row.level for row in ward.rows()]
        choose(chat, asked, title)
        assert [level] == [row.level for row in ward.rows()], title


@pytest.mark.parametrize("after_yes", [False, True])
def test_what_was_meant_otherwise_rings_no_more(ward: Ward, after_yes: bool) -> None:
    """On the first card as on the one after "yes"; staff are told why it stopped."""
    chat = ward.chat(who="child_13_17")
    card = say(chat, text=A1)
    if after_yes:
        card = choose(chat, card, "Ja")
    choose(chat, card, "Nej, jag menade annat")
    (row,) = ward.rows()
    assert row.corrected_at is not None
    page = ward.enter("karin").get("/personal").text
    assert "Personen säger att det inte var fara." in page and "Jag har sett det" not in page


def test_danger_that_still_stands_goes_on_ringing(ward: Ward) -> None:
    """One of two was meant otherwise."""
    chat = ward.chat(who="child_13_17")
    say(chat, text="jag vill inte leva längre")
    other = say(chat, text=A0)
    choose(chat, other, "Nej, jag menade annat")
    assert [None] == [row.corrected_at for row in ward.rows()]


@pytest.mark.parametrize("who", ["child_6_9", "child_10_12", "child_13_17", "adult", "parent", None])
@pytest.mark.parametrize("lang", ["sv", "en"])
def test_the_card_is_true_by_day_and_by_night(ward: Ward, who: str | None, lang: str) -> None:
    """112 first. In office hours somebody gets to know, at night nobody reads; help is never said to be coming."""
    known = {"who": who} if who else {}
    by_day = say(ward.chat(lang=lang, **known), text=A0)[0]["text"]
    ward.clock.forward(hours=13)
    by_night = say(ward.chat(lang=lang, **known), text=A0)[0]["text"]
    assert "112" in by_day.split(".")[0] + by_day.split(".")[1]
    told, unread = (
        ("får veta", "läser det här just nu") if lang == "sv" else ("get to know", "is reading this right now")
    )
    assert told in by_day and unread not in by_day
    assert unread in by_night and told not in by_night
    for text in (by_day, by_night):
        assert not re.search(r"på väg|kommer (snart|till dig)|on (its|the) way|is coming", text)


def test_another_language_says_it_too(ward: Ward) -> None:
    """In the card's own language, the sentence that is true at any hour."""
    card = say(ward.chat(), text="mój tata bije mamę teraz nożem")[0]
    assert "112" in card["text"] and "Nikt teraz tego nie czyta." in card["text"]


def test_a_form_with_danger_rings_when_it_is_sent_and_not_before(ward: Ward) -> None:
    """Read back it is only on the screen; and the card says that nobody reads it now."""
    form = {"words": A0, "reach": "code", "who": "child_10_12", "step": "read", "key": "k" * 32}
    page = ward.client.post("/skriv", data=form)
    assert "Ingen människa läser det här just nu." in page.text and [] == ward.rows()
    assert 200 == ward.client.post("/skriv", data=form | {"step": "send"}).status_code
    (row,) = ward.rows()
    assert ("concern", "mottagning_barn") == (row.source, row.unit) and row.subject


def test_a_booking_with_danger_in_its_note_rings(ward: Ward) -> None:
    """At the therapist whose talk it is, with a way to it."""
    page = ward.client.post("/boka", data={"step": "more"}).text
    slot = re.search(r'name="slot" value="([^"]+)"', page)
    assert slot
    form = {"form": "f" * 22, "slot": html.unescape(slot[1]), "channel": "chat", "note": A0}
    ward.client.post("/boka", data=form | {"step": "hold"})
    assert 200 == ward.client.post("/boka", data=form | {"step": "confirm"}).status_code
    (row,) = ward.rows()
    assert ("booking", "behandlare") == (row.source, row.unit)
    linked = [
        login
        for login in ("anna", "samir")
        if f"/personal/tid/{row.subject}" in ward.enter(login).get("/personal/larm").text
    ]
    assert 1 == len(linked)
    assert f"/personal/tid/{row.subject}" not in ward.enter("karin").get("/personal/larm").text


# The pages.


def test_a_link_is_for_whoever_may_follow_it(ward: Ward) -> None:
    """A case worker of another unit sees that it rings and no address."""
    concern = ward.tell()
    assert f"/personal/oro/{concern}" in ward.enter("karin").get("/personal/larm").text
    stranger = ward.enter("johan").get("/personal/larm").text
    assert "Livsfara nu" in stranger and concern not in stranger


def test_the_first_one_wins_and_the_second_is_told_who(ward: Ward) -> None:
    """409 with the name; the banner and the list say the same."""
    say(ward.chat(), text=A0)
    (row,) = ward.rows()
    karin, olle = ward.enter("karin"), ward.enter("olle")
    path, form = f"/personal/larm/{row.id}/sett", {"level": "A0", "back": "/personal/forsta"}
    done = karin.post(path, data=form)
    assert (200, "/personal/forsta") == (done.status_code, done.url.path)
    late = olle.post(path, data=form)
    assert 409 == late.status_code and "Karin har sett det" in late.text
    assert "Karin har sett det" in olle.get("/personal/larm").text
    assert ["staff:alert:acknowledged"] == ward.logged(row.id)


@pytest.mark.parametrize("back", ["//evil.example", "https://evil.example/personal", "/chatt", "/personal/larm/../x"])
def test_the_way_back_is_one_of_our_own_pages(ward: Ward, back: str) -> None:
    """Anything else leads to the list."""
    say(ward.chat(), text=A0)
    answer = ward.enter("karin").post(
        f"/personal/larm/{ward.rows()[0].id}/sett", data={"level": "A0", "back": back}, follow_redirects=False
    )
    assert (303, "/personal/larm") == (answer.status_code, answer.headers["location"])


def test_strangers_and_foreign_pages(ward: Ward) -> None:
    """No login: the login page, and 401 for a page that asks. No alert of theirs: 404. Another site's page: refused."""
    say(ward.chat(), text=A0)
    alert = ward.rows()[0].id
    path = f"/personal/larm/{alert}/sett"
    assert 401 == ward.client.get("/personal/larm/nu").status_code
    assert "/personal/logga-in" == ward.client.get("/personal/larm", follow_redirects=False).headers["location"]
    ward.client.post(path, data={"level": "A0"})
    anna = ward.enter("anna")
    assert "Livsfara nu" not in anna.get("/personal").text
    assert 404 == anna.post(path, data={"level": "A0"}).status_code
    karin = ward.enter("karin")
    assert 404 == karin.post(f"/personal/larm/{'0' * 24}/sett", data={"level": "A0"}).status_code
    foreign = karin.post(path, data={"level": "A0"}, headers={"sec-fetch-site": "cross-site"})
    assert 403 == foreign.status_code
    assert [None] == [row.acknowledged_at for row in ward.rows()]


def test_a_page_that_asks_keeps_nobody_logged_in(ward: Ward) -> None:
    """Fifteen minutes without a hand on the keyboard, and the page is told that it rings no more."""
    karin = ward.enter("karin")
    for _ in range(15):
        assert 200 == karin.get("/personal/larm/nu").status_code
        ward.clock.at += timedelta(minutes=1)
    assert 401 == karin.get("/personal/larm/nu").status_code


def test_what_rang_at_night_waits_for_the_morning(ward: Ward) -> None:
    """Marked as such on the first page after the login."""
    ward.clock.forward(hours=13)
    say(ward.chat(), text=A0)
    ward.clock.forward(hours=11)
    assert "Kom när det var stängt" in ward.enter("karin").get("/personal").text
