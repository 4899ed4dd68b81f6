"""Promise: six words show what I told, who may read it and who has; I choose, take back and end, and nothing is left behind on the device."""

from __future__ import annotations

import asyncio
import html
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa

from backend.app import build_house
from backend.booking.service import BookingDesk, Details
from backend.config import Settings
from backend.core.codes import ReturnCode
from tests.conftest import ManualClock, make_settings
from tests.people import seed_example_staff
from tests.web.serving import Served, serve
from tests.web.test_write_page import fields_of, send, words_in

NASTY = '<img src=x onerror="alert(1)"> & =HYPERLINK("x")'
STORY = f"Mamma dricker.\n\n{NASTY}\n\nJag väntade i två timmar."


class Town(Served):
    """The app with its example staff, and a clock."""

    clock: ManualClock
    passwords: dict[str, str]
    settings: Settings

    def story(self, words: str) -> str:
        """The id of the story that the words open."""
        house = build_house(self.settings, clock=self.clock)
        try:
            digest = asyncio.run(house.codes.digest(words))
            query = sa.select(ReturnCode.subject).where(ReturnCode.digest == digest)
            return str(house.db.read_now(lambda session: session.scalar(query)))
        finally:
            house.codes.close()
            house.db.close()

    def enter(self, login: str) -> httpx.Client:
        """A browser of somebody who is logged in."""
        client = httpx.Client(base_url=self.url, timeout=20, follow_redirects=True)
        answer = client.post("/personal/logga-in", data={"login": login, "password": self.passwords[login]})
        assert 200 == answer.status_code
        return client

    def tell(self, **answers: str) -> str:
        """Send a story; its six words."""
        form = {"words": STORY, "reach": "code", "who": "child_10_12", "about": "me", "step": "send"} | answers
        words = words_in(send(self, form).text)
        assert 6 == len(words)
        return " ".join(words)

    def page(self, words: str) -> str:
        """The page that the words open."""
        answer = self.client.post("/min-sida", data={"words": words})
        assert 200 == answer.status_code
        return answer.text

    def at(self, page: str, step: str, **more: object) -> httpx.Response:
        """A button of an open page."""
        data = {"visit": visit_of(page), "step": step, **more}
        return self.client.post("/min-sida", data=data)


def visit_of(page: str) -> str:
    found = re.search(r'name="visit" value="([A-Za-z0-9_-]{43})"', page)
    assert found, page
    return found[1]


def revision_of(page: str) -> str:
    return re.search(r'name="revision" value="(\d+)"', page)[1]  # type: ignore[index]


def cells(page: str, unit: str) -> list[tuple[str, bool]]:
    """The boxes of a unit in the picture: value, and whether it is ticked."""
    return [
        (value, "checked" in rest)
        for value, rest in re.findall(rf'name="may" value="({unit}:[0-9a-f]{{24}})"( checked)?', page)
    ]


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def settings(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Settings for each of the two databases."""
    settings = make_settings(tmp_path_factory.mktemp("mine"))
    if request.param == "postgresql":
        return replace(settings, database_url=request.getfixturevalue("postgres_server").new_database())
    return settings


@pytest.fixture(scope="module")
def town(settings: Settings) -> Iterator[Town]:
    clock, passwords = ManualClock(), {}
    with serve(settings, clock, lambda database: passwords.update(seed_example_staff(database, settings))) as served:
        town = Town(served.url)
        town.clock, town.passwords, town.settings = clock, passwords, settings
        yield town
        town.client.close()


def test_the_words_travel_in_the_body_and_nothing_stays(town: Town) -> None:
    """No cookie, no cache, nothing in an address, a neutral title; Back to the form with the words opens nothing."""
    words = town.tell()
    asked = town.client.get("/min-sida")
    form = {"form": re.search(r'name="form" value="([^"]+)"', asked.text)[1], "words": words}  # type: ignore[index]
    opened = town.client.post("/min-sida", data=form)
    assert "Mamma dricker." in opened.text
    for answer in (asked, opened):
        assert "set-cookie" not in answer.headers and "no-store" == answer.headers["cache-control"]
        assert "<title>Exempelby kommun</title>" in answer.text and not answer.url.query
    again = town.client.post("/min-sida", data=form)
    assert "Mamma dricker." not in again.text and "Skriv dina sex ord igen" in again.text


def test_leaving_the_page_closes_it(town: Town) -> None:
    """After "Lämna sidan" a restored page can do nothing: the words are asked for again."""
    page = town.page(town.tell())
    leave = re.search(r'<form class="leave".*?</form>', page, re.DOTALL)
    assert leave and visit_of(page) in leave[0]
    town.client.post("/lamna", data={"chat": visit_of(page)})
    for step in ("show", "readers", "end-now"):
        answer = town.at(page, step)
        assert "Mamma dricker." not in answer.text and "Skriv dina sex ord igen" in answer.text


def test_a_page_that_has_been_open_for_long_asks_again(town: Town) -> None:
    """Twenty minutes without a touch."""
    page = town.page(town.tell())
    town.clock.forward(minutes=19)
    assert "Mamma dricker." in town.at(page, "show").text
    town.clock.forward(minutes=21)
    assert "Skriv dina sex ord igen" in town.at(page, "show").text


@pytest.mark.parametrize("visit", ["", "x", "A" * 43, "../../etc", "' OR 1=1"])
def test_a_made_up_token_opens_nothing(town: Town, visit: str) -> None:
    """And is told no more than somebody without words."""
    answer = town.client.post("/min-sida", data={"visit": visit, "step": "show"})
    assert answer.status_code in (200, 404) and "Det du har berättat" not in answer.text


def test_wrong_words_get_one_answer_and_danger_gets_help(tmp_path: Path) -> None:
    """Unknown, short, empty and another's; what tells of danger is met with numbers; after five the door is shut."""
    with serve(make_settings(tmp_path), ManualClock()) as served:
        wrong = ["skura tallrik spela salvia vallgrav gullig", "skura", ""]
        answers = [
            served.client.post("/min-sida", data={"words": words, "form": f"{at:022}"})
            for at, words in enumerate(wrong)
        ]
        assert {404} == {answer.status_code for answer in answers}
        assert 1 == len({re.search(r'id="words-error">([^<]+)', answer.text)[1] for answer in answers})  # type: ignore[index]
        danger = served.client.post("/min-sida", data={"words": "pappa slår mamma nu"})
        assert (404, True) == (danger.status_code, "tel:112" in danger.text)
        served.client.post("/min-sida", data={"words": wrong[0]})
        shut = served.client.post("/min-sida", data={"words": wrong[0]})
        assert (429, True) == (shut.status_code, "116 111" in shut.text)


def test_every_word_is_shown_as_text(town: Town) -> None:
    """Markup and formulas, mine and staff's, on my page and theirs."""
    words = town.tell()
    karin = town.enter("karin")
    story = town.story(words)
    karin.post(f"/personal/berattelse/{story}/sammanfatta", data={"version": "0", "summary": NASTY})
    pages = [
        town.page(words),
        karin.get(f"/personal/berattelse/{story}").text,
        town.at(town.page(words), "readers").text,
    ]
    for page in pages:
        assert "<img src=x" not in page
        assert "<img src=x onerror=" in html.unescape(page)


def test_consent_is_given_by_unit_and_part_and_taken_back(town: Town) -> None:
    """Nothing is ticked from the start; a tick is saved, seen, read by that unit, taken back, and read no more."""
    words = town.tell()
    picture = town.at(town.page(words), "readers").text
    assert 9 == len({value.split(":")[0] for value, _ in cells(picture, "[a-z_]+")})
    assert not any(ticked for _, ticked in cells(picture, "[a-z_]+"))
    assert [] == cells(picture, "mottagning_barn")
    first = cells(picture, "behandlare")[0][0]
    saved = town.at(picture, "choose", revision=revision_of(picture), may=[first])
    assert [True, False, False] == [ticked for _, ticked in cells(saved.text, "behandlare")]
    anna = town.enter("anna")
    story = town.story(words)
    assert "Mamma dricker." in anna.get(f"/personal/berattelse/{story}").text
    mine = town.page(words)
    assert "Får läsa del 1" in mine and "Behandlare, Öppenvården" in mine
    back = town.at(mine, "withdraw", unit="behandlare")
    assert "Nu kan de inte läsa längre" in back.text and "Får läsa del 1" not in back.text
    assert 404 == anna.get(f"/personal/berattelse/{story}").status_code
    assert f"/personal/berattelse/{story}" not in anna.get("/personal/berattelser").text
    assert "Behandlare, Öppenvården" in town.page(words)


def test_all_or_nothing_keeps_what_else_was_ticked(town: Town) -> None:
    """The buttons of one unit save the boxes of the others too."""
    picture = town.at(town.page(town.tell()), "readers").text
    box = cells(picture, "familjer")[1][0]
    more = {"revision": revision_of(picture), "may": [box]}
    everything = town.at(picture, "choose", all="behandlare", **more).text
    assert [True] * 3 == [ticked for _, ticked in cells(everything, "behandlare")]
    assert [False, True, False] == [ticked for _, ticked in cells(everything, "familjer")]
    chosen = [value for value, ticked in cells(everything, "[a-z_]+") if ticked]
    none = town.at(everything, "choose", nothing="behandlare", revision=revision_of(everything), may=chosen).text
    assert ["familjer"] == sorted({value.split(":")[0] for value, ticked in cells(none, "[a-z_]+") if ticked})


def test_the_enter_key_only_saves(town: Town) -> None:
    """The first button of the picture gives nobody anything by itself."""
    picture = town.at(town.page(town.tell()), "readers").text
    form = re.search(r'<form class="stack".*?</form>', picture, re.DOTALL)
    assert form
    assert 'name="step" value="choose"' in re.findall(r"<button[^>]*>", form[0])[0]


@pytest.mark.parametrize("unit", ["brandkaren", "mottagning_barn"])
def test_a_yes_to_a_unit_that_is_gone_is_said_and_changes_nothing(town: Town, unit: str) -> None:
    """A stale form, or a unit that was taken out of the file meanwhile."""
    picture = town.at(town.page(town.tell()), "readers").text
    box = cells(picture, "familjer")[0][0]
    gone = f"{unit}:{box.split(':')[1]}"
    answer = town.at(picture, "choose", revision=revision_of(picture), may=[box, gone])
    assert (422, True) == (answer.status_code, "Den gruppen finns inte längre" in answer.text)
    assert not any(ticked for _, ticked in cells(answer.text, "[a-z_]+"))


def test_two_windows_do_not_undo_each_other(town: Town) -> None:
    """The second is shown how it is now, and told that its choice is not saved."""
    page = town.page(town.tell())
    one, two = (town.at(page, "readers").text for _ in range(2))
    town.at(one, "choose", all="behandlare", revision=revision_of(one))
    stale = town.at(two, "choose", all="familjer", revision=revision_of(two))
    assert (409, True) == (stale.status_code, "inte sparat" in stale.text)
    assert [True] * 3 == [ticked for _, ticked in cells(stale.text, "behandlare")]
    assert not any(ticked for _, ticked in cells(stale.text, "familjer"))


def test_answers_reads_and_sharing_stand_on_the_page(town: Town) -> None:
    """What the team answered, who read when by job and unit, and what was told on which law: no surname."""
    words = town.tell()
    karin = town.enter("karin")
    story = town.story(words)
    parts = re.findall(r'name="part" value="([0-9a-f]{24})"', karin.get(f"/personal/berattelse/{story}").text)
    share = {"receiver": "outside:police", "ground": "weighed", "part": parts[0], "reason": "Brott kan pågå."}
    assert 200 == karin.post(f"/personal/berattelse/{story}/dela", data=share).status_code
    page = town.page(words)
    assert "Socialsekreterare, Mottagning barn och unga" in page
    assert "Polisen har fått veta del 1." in page and "OSL 10:15 a" in page
    assert "Brott kan pågå" not in page and "karin" not in page


def test_more_is_told_from_the_page_and_read_through_first(town: Town) -> None:
    """The new words in parts, to change and strike; then a new version, and nobody new reads them."""
    words = town.tell()
    page = town.page(words)
    town.at(town.at(page, "readers").text, "choose", all="behandlare", revision="1")
    write = send(town, {"visit": visit_of(page), "more": "1", "who": "child_10_12", "step": "begin"})
    assert 'name="about"' not in write.text
    read = send(town, fields_of(write.text) | {"words": "En sak till.\n\nOch en.", "step": "read"})
    fields = fields_of(read.text)
    assert ["En sak till.", "Och en."] == fields["part"]
    done = send(town, fields | {"strike": ["1"], "step": "send"})
    assert "Nu är det skickat" in done.text
    again = send(town, fields | {"strike": ["1"], "step": "send"})
    assert "Nu är det skickat" in again.text
    mine = town.page(words)
    assert 1 == mine.count("En sak till.") and "Och en." not in mine and "Version 2" in mine
    assert "Får läsa del 1, 2 och 3" in mine


def test_a_story_in_two_sittings(town: Town) -> None:
    """Kept and not sent, nobody reads; opened again with the words, gone on with, sent under the same words."""
    kept = send(town, {"words": STORY, "reach": "code", "who": "child_10_12", "now": "no", "step": "keep"})
    words = words_in(kept.text)
    assert 6 == len(words) and "Ingen läser det här än" in kept.text and "7 dagar" in kept.text
    assert 404 == town.enter("karin").get(f"/personal/berattelse/{town.story(' '.join(words))}").status_code
    town.clock.forward(hours=20)
    draft = town.page(" ".join(words))
    assert "Inget är skickat" in draft and "Mamma dricker." in draft
    write = send(town, {"visit": visit_of(draft), "step": "resume"})
    read = send(town, fields_of(write.text) | {"words": "I dag var det lugnt.", "step": "read"})
    fields = fields_of(read.text)
    assert 4 == len(fields["part"]) and "no" == fields["now"]
    sent = send(town, fields | {"strike": ["1"], "step": "send"})
    assert "Samma ord som förut gäller" in sent.text and [] == words_in(sent.text)
    mine = town.page(" ".join(words))
    assert "I dag var det lugnt." in mine and "onerror" not in mine


def test_two_windows_of_a_draft_lose_nothing(town: Town) -> None:
    """The second to save gets both to read through; after one has sent, the other may send its words as more."""
    kept = send(town, {"words": "Ett.", "reach": "code", "step": "keep"}).text
    one, two = (fields_of(send(town, {"visit": visit_of(kept), "step": "resume"}).text) for _ in range(2))
    send(town, one | {"words": "Från fönster ett.", "step": "keep"})
    both = send(town, two | {"words": "Från fönster två.", "step": "keep"})
    assert 409 == both.status_code
    assert {"Ett.", "Från fönster ett.", "Från fönster två."} == set(fields_of(both.text)["part"])
    send(town, fields_of(both.text) | {"step": "send"})
    twice = send(town, fields_of(both.text) | {"step": "send"})
    assert 200 == twice.status_code and "skickat" in twice.text
    late = send(town, two | {"words": "Jag glömde.", "step": "send"})
    assert 409 == late.status_code and "redan skickat" in late.text
    assert ["Jag glömde."] == fields_of(late.text)["part"]
    assert "Nu är det skickat" in send(town, fields_of(late.text) | {"step": "send"}).text


def test_a_draft_can_be_thrown_away_at_once(town: Town) -> None:
    """And its words are then wrong words."""
    words = " ".join(words_in(send(town, {"words": STORY, "reach": "code", "step": "keep"}).text))
    gone = town.at(town.page(words), "discard")
    assert "Borttaget" in gone.text
    assert 404 == town.client.post("/min-sida", data={"words": words}).status_code


def test_what_is_written_survives_a_page_that_ran_out(town: Town) -> None:
    """The words are asked for again, in the same form, and everything goes on."""
    words = town.tell()
    page = town.page(words)
    write = send(town, {"visit": visit_of(page), "more": "1", "step": "begin"})
    town.clock.forward(hours=1)
    away = send(town, fields_of(write.text) | {"words": "Det tog lång tid att skriva.", "step": "send"})
    assert 409 == away.status_code and "Det tog lång tid att skriva." in away.text
    wrong = send(town, fields_of(away.text) | {"code": "fel ord", "step": "keep"})
    assert 404 == wrong.status_code and "Det tog lång tid att skriva." in wrong.text
    on = send(town, fields_of(wrong.text) | {"code": words, "step": "keep"})
    assert ["Det tog lång tid att skriva."] == fields_of(on.text)["part"]
    assert "Nu är det skickat" in send(town, fields_of(on.text) | {"step": "send"}).text


def test_ending_says_what_goes_and_what_stays(town: Town) -> None:
    """Asked first; then the words open nothing more, and say so kindly; the unit still has what was sent."""
    words = town.tell()
    page = town.page(words)
    sure = town.at(page, "end").text
    assert "Det här tas bort nu" in sure and "Det här finns kvar" in sure and "Lagen säger" in sure
    assert "Sidan är avslutad" in town.at(page, "end-now").text
    closed = town.client.post("/min-sida", data={"words": words})
    assert 200 == closed.status_code and "Du får berätta igen" in closed.text and "Mamma" not in closed.text
    assert "avslutad" in town.client.post("/min-tid", data={"words": words}).text
    story = town.story(words)
    assert "avslutade sin sida" in town.enter("karin").get(f"/personal/berattelse/{story}").text


def test_the_page_tells_when_it_was_opened_before(town: Town) -> None:
    """So that somebody sees when another has the words."""
    words = town.tell()
    assert "första gången" in town.page(words)
    town.clock.forward(hours=3)
    assert "öppnades förra gången i dag" in town.page(words)


def test_words_of_a_booking_lead_to_its_own_page_and_back(town: Town) -> None:
    """Neither page calls the other's words wrong."""
    words = town.tell()
    found = town.client.post("/min-tid", data={"words": words})
    assert "kom fram" in found.text and 'action="/min-sida"' in found.text and words in found.text
    home = build_house(town.settings, clock=town.clock)
    try:
        desk = BookingDesk(home)
        times = asyncio.run(desk.offer("chat")).times
        asyncio.run(desk.hold("form:x", times[0].slot))
        booked = asyncio.run(desk.confirm("form:x", Details("chat"))).words
    finally:
        home.codes.close()
        home.db.close()
    other = town.client.post("/min-sida", data={"words": booked}).text
    assert 'action="/min-tid"' in other and str(booked) in other


def test_the_page_in_english(town: Town) -> None:
    """From the first screen to the picture, when that is what was chosen."""
    first = town.client.get("/skriv?lang=en")
    assert "Who reads it?" in first.text and 'lang="en"' in first.text
    write = send(town, fields_of(first.text) | {"step": "begin"})
    sent = send(town, fields_of(write.text) | {"words": "Mum drinks.", "step": "send"})
    page = town.page(" ".join(words_in(sent.text)))
    assert "They may read" in page and "Mum drinks." in page
    assert "Should more people read?" in town.at(page, "readers").text
