"""Promise: staff see what is theirs, plainly and in time; for everybody else it does not exist."""

from __future__ import annotations

import asyncio
import contextlib
import html
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from backend.app import build_house
from backend.booking.safe import Safe
from backend.booking.schedule import seed_therapists
from backend.booking.service import BookingDesk, Details
from backend.concerns.service import ConcernDesk, Intake
from backend.config import Settings
from backend.core.audit import AuditEvent
from backend.core.db import Database
from backend.core.people import Role
from backend.core.reader import Reader
from backend.staff.accounts import add_staff, find_login, set_active
from tests.conftest import ManualClock, make_settings
from tests.web import serving
from tests.web.serving import Served, serve

DEEDS = (
    "skriver", "lamna-tillbaka", "senare", "flytta", "skyddsbedomning", "beslut", "barn-finns", "aterkoppling-onskas",
    "aterkoppling", "avsluta", "identitet", "export", "slapp", "godkann",
)  # fmt: skip
"""What can be done with a concern, by the last part of its address."""
PASSWORD = "ett lösenord som är långt nog"
NASTY = '<img src=x onerror="alert(1)">\n  Pappa & mamma <b>bråkar</b> \u05e9\u05dc\u05d5\u05dd'
STORY = Intake(
    words=[NASTY, "Andra delen"], about="me", now="yes", reach="phone", phone="070-174 06 05",
    safe={"call_ok": "unsure", "if_other_answers": "<i>Fel nummer</i>"}, reader=Reader("child", "10-12"),
    danger_level="A0", danger_category="D01", consent_version="sv:10-12:0123456789ab",
)  # fmt: skip
PEOPLE = {
    "karin": (Role.CASE_WORKER, "mottagning_barn"),
    "olle": (Role.CASE_WORKER, "mottagning_barn"),
    "maria": (Role.MANAGER, "mottagning_barn"),
    "johan": (Role.CASE_WORKER, "vuxen"),
    "brita": (Role.CASE_WORKER, "vuxen"),
    "anna": (Role.THERAPIST, "behandlare"),
    "samir": (Role.THERAPIST, "behandlare"),
}


class Office(Served):
    """The served app with its staff and one booked ``talk``."""

    talk: str
    settings: Settings
    clock: ManualClock
    database: Database

    def enter(self, login: str) -> httpx.Client:
        """A browser in which somebody has logged in."""
        client = httpx.Client(base_url=self.url, timeout=20, follow_redirects=True)
        page = client.post("/personal/logga-in", data={"login": login, "password": PASSWORD})
        assert 200 == page.status_code and "Logga ut" in page.text
        return client

    def tell(self) -> str:
        """A new concern arrives; returns its id."""
        house = build_house(self.settings, clock=self.clock, database=self.database)
        try:
            return asyncio.run(ConcernDesk(house).receive(STORY)).concern_id
        finally:
            house.codes.close()

    def logged(self, subject: str) -> list[str]:
        """The audit tags of one thing."""
        return self.database.read_now(
            lambda session: list(session.scalars(sa.select(AuditEvent.tag).where(AuditEvent.subject == subject)))
        )


@contextlib.contextmanager
def open_office(settings: Settings) -> Iterator[Office]:
    """A municipality at work, Wednesday 25 November at 09:00."""
    clock = ManualClock()
    talks: list[str] = []

    def seed(database: Database) -> None:
        house = build_house(settings, clock=clock, database=database)

        def hire(session: Session) -> None:
            for login, (role, unit) in PEOPLE.items():
                add_staff(
                    session, house.municipality, clock, login=login, first_name=login.title(), role=role, unit=unit,
                    password=PASSWORD,
                )  # fmt: skip
            staff = {login: find_login(session, login) for login in PEOPLE}
            seed_therapists(session, house.municipality, {login: one for login, one in staff.items() if one})

        async def book() -> None:
            desk = BookingDesk(house)
            offer = await desk.offer("phone")
            await desk.hold("someone", offer.times[0].slot)
            details = Details(
                "phone",
                Reader("partner", "adult"),
                "070-174 06 05",
                Safe(call_ok="yes", if_other_answers=NASTY, leave_message="no"),
                NASTY,
            )
            talks.append((await desk.confirm("someone", details)).booking_id)

        database.write_now(hire)
        asyncio.run(book())
        house.codes.close()

    with serve(settings, clock, seed) as served:
        office = Office(served.url)
        office.talk, office.settings, office.clock = talks[0], settings, clock
        office.database = Database(settings.database_url)
        yield office
        office.client.close()
        office.database.close()


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def office(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    """An office on each database, shared by the tests that leave it as it was."""
    settings = make_settings(tmp_path_factory.mktemp("office"))
    if request.param == "postgresql":
        settings = replace(settings, database_url=request.getfixturevalue("postgres_server").new_database())
    with open_office(settings) as office:
        yield office


@pytest.fixture
def own_office(tmp_path: Path) -> Iterator[Office]:
    """An office for a test that moves its clock or its people."""
    with open_office(make_settings(tmp_path)) as office:
        yield office


@pytest.fixture
def concern(office: Office) -> str:
    """A concern that has just come in."""
    return office.tell()


def paths(office: Office, concern: str) -> list[tuple[str, str]]:
    """Every route of the staff app behind the login."""
    return [
        ("GET", "/personal"),
        ("GET", f"/personal/oro/{concern}"),
        ("GET", f"/personal/tid/{office.talk}"),
        ("POST", f"/personal/oro/{concern}/ta-emot"),
        ("POST", f"/personal/oro/{concern}/svara"),
        ("GET", "/personal/inkorg"),
        ("GET", "/personal/inkorg/lista"),
        ("GET", f"/personal/inkorg/nasta?efter={concern}"),
        ("POST", "/personal/inkorg/ta-emot"),
        ("POST", "/personal/inkorg/sok"),
        ("POST", "/personal/inkorg/lista.csv"),
        ("GET", f"/personal/oro/{concern}/skriver"),
        *(("POST", f"/personal/oro/{concern}/{deed}") for deed in DEEDS),
    ]


# Strangers first.


def test_anonymous_is_led_to_the_login_and_learns_nothing(office: Office, concern: str) -> None:
    """Every route, and ids that exist look like ids that do not; no cookie is set."""
    invented = [
        (method, path.replace(concern, "0" * 24).replace(office.talk, "0" * 24))
        for method, path in paths(office, concern)
    ]
    for method, path in paths(office, concern) + invented:
        answer = office.client.request(method, path)
        assert (303, "/personal/logga-in") == (answer.status_code, answer.headers["location"]), path
        assert "set-cookie" not in answer.headers
    assert ["case:concern:received"] == office.logged(concern)


@pytest.mark.parametrize("login", ["johan", "anna", "samir"])
def test_another_unit_gets_404_for_a_concern(office: Office, concern: str, login: str) -> None:
    """Opened or accepted by its id: the same page as for an id that never was, and nothing is logged as read."""
    browser = office.enter(login)
    for method, path in (
        ("GET", "/personal/oro/{}"),
        ("POST", "/personal/oro/{}/ta-emot"),
        ("POST", "/personal/oro/{}/svara"),
        ("GET", "/personal/oro/{}/skriver"),
        *(("POST", f"/personal/oro/{{}}/{deed}") for deed in DEEDS),
    ):
        form = {"answer": "Hej"} if method == "POST" else None
        real = browser.request(method, path.format(concern), data=form)
        invented = browser.request(method, path.format("0" * 24), data=form)
        assert (404, real.text) == (real.status_code, invented.text)
    assert concern not in browser.get("/personal").text
    assert ["case:concern:received"] == office.logged(concern)


@pytest.mark.parametrize("login", ["karin", "johan", "maria"])
def test_a_case_worker_gets_404_for_a_talk(office: Office, login: str) -> None:
    """Talks are the therapists' own."""
    browser = office.enter(login)
    assert 404 == browser.get(f"/personal/tid/{office.talk}").status_code
    assert office.talk not in browser.get("/personal").text


@pytest.mark.parametrize(
    "path",
    ["/personal/oro/1", "/personal/oro/%00", "/personal/oro/..%2f..", "/personal/oro/" + "A" * 24, "/personal/nope"],
)
def test_what_is_no_id_is_404(office: Office, path: str) -> None:
    """Never a 5xx."""
    assert 404 == office.enter("karin").get(path).status_code


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "https://evil.example", "authorization": "Bearer x"},
        {"sec-fetch-site": "cross-site", "authorization": "Bearer x"},
    ],
)
def test_a_foreign_page_changes_nothing(office: Office, concern: str, headers: dict[str, str]) -> None:
    """Every route that changes something, with a logged-in browser: 403, also with a header that looks like the API."""
    browser = office.enter("karin")
    changing = [path for method, path in paths(office, concern) if method == "POST"]
    for path in (*changing, "/personal/logga-in", "/personal/logga-ut"):
        data = {"login": "karin", "password": PASSWORD, "answer": "Hej"}
        assert 403 == browser.post(path, data=data, headers=headers).status_code, path
    assert "Logga ut" in browser.get("/personal").text
    assert ["case:concern:received"] == office.logged(concern)


def test_reading_never_changes(office: Office, concern: str) -> None:
    """A link or a picture cannot accept or log out."""
    browser = office.enter("karin")
    for path in (f"/personal/oro/{concern}/ta-emot", f"/personal/oro/{concern}/svara", "/personal/logga-ut"):
        assert browser.get(path).status_code in (404, 405)
    assert "Logga ut" in browser.get("/personal").text


def test_staff_pages_cannot_be_framed_or_cached(office: Office, concern: str) -> None:
    """Also the login and the 404."""
    browser = office.enter("karin")
    for path in ("/personal", "/personal/logga-in", f"/personal/oro/{concern}", "/personal/oro/" + "0" * 24):
        headers = browser.get(path).headers
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert ("DENY", "no-store") == (headers["x-frame-options"], headers["cache-control"])


# The login.


def test_wrong_password_and_unknown_login_get_one_sentence(office: Office) -> None:
    """The page is the same but for what was typed; no cookie."""
    answers = [
        office.client.post("/personal/logga-in", data={"login": login, "password": "fel"})
        for login in ("karin", "xyzzy")
    ]
    assert answers[0].text.replace("karin", "xyzzy") == answers[1].text
    for answer in answers:
        assert 422 == answer.status_code and "stämmer inte" in answer.text
        assert "set-cookie" not in answer.headers


def test_too_many_tries_are_told_to_wait(office: Office) -> None:
    """429 with a sentence, also for the right password."""
    for _ in range(10):
        office.client.post("/personal/logga-in", data={"login": "brita", "password": "fel"})
    answer = office.client.post("/personal/logga-in", data={"login": "brita", "password": PASSWORD})
    assert 429 == answer.status_code and "Vänta en kvart" in answer.text


@pytest.mark.parametrize(
    "data",
    [{}, {"login": "karin"}, {"login": "<script>x", "password": "å" * 9000}, {"login": "\x00", "password": "\x00"}],
)
def test_a_broken_login_form_is_a_wrong_login(office: Office, data: dict[str, str]) -> None:
    """Never a 5xx, nothing of it as markup."""
    answer = office.client.post("/personal/logga-in", data=data)
    assert 422 == answer.status_code and "<script>x" not in answer.text


def test_the_cookie_is_strict(office: Office) -> None:
    """Not for scripts, not for other sites, for this session of the browser only."""
    answer = office.client.post("/personal/logga-in", data={"login": "karin", "password": PASSWORD})
    cookie = answer.headers["set-cookie"].lower()
    assert cookie.startswith("koll_staff=")
    assert "httponly" in cookie and "samesite=strict" in cookie and "path=/" in cookie
    assert "secure" not in cookie and "max-age" not in cookie and "domain" not in cookie


def test_on_https_the_cookie_is_bound_to_the_host(settings: Settings, clock: ManualClock) -> None:
    """__Host- and Secure, so that no neighbour under the same domain can set or read it."""
    seen: list[str] = []

    def seed(database: Database) -> None:
        house = build_house(settings, clock=clock, database=database)
        database.write_now(
            lambda session: add_staff(
                session, house.municipality, clock, login="karin", first_name="Karin", role=Role.CASE_WORKER,
                unit="mottagning_barn", password=PASSWORD,
            )
        )  # fmt: skip
        house.codes.close()

    create_app = serving.create_app
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            serving, "create_app",
            lambda chosen, **more: create_app(replace(chosen, public_url=chosen.public_url.replace("http:", "https:")), **more),
        )  # fmt: skip
        with serve(settings, clock, seed) as served:
            answer = served.client.post("/personal/logga-in", data={"login": "karin", "password": PASSWORD})
            seen.append(answer.headers["set-cookie"])
            token = seen[0].split(";")[0]
            home = served.client.get("/personal", headers={"cookie": token})
    assert seen[0].startswith("__Host-koll=") and "secure" in seen[0].lower()
    assert 200 == home.status_code


def test_logging_out_ends_it_for_a_copied_cookie_too(office: Office) -> None:
    """The session is gone on the server, not only in the browser."""
    browser = office.enter("karin")
    copied = dict(browser.cookies)
    left = browser.post("/personal/logga-ut")
    assert 200 == left.status_code and left.url.path == "/personal/logga-in"
    assert not browser.cookies
    assert 303 == httpx.get(office.url + "/personal", cookies=copied).status_code


def test_somebody_who_is_shut_out_is_out_at_once(own_office: Office) -> None:
    """On the very next request."""
    browser = own_office.enter("karin")
    own_office.database.write_now(lambda session: set_active(session, "karin", False))
    assert "Logga ut" not in browser.get(f"/personal/oro/{own_office.tell()}").text


def test_an_idle_session_asks_for_the_password(own_office: Office) -> None:
    """After fifteen minutes."""
    browser = own_office.enter("karin")
    own_office.clock.forward(minutes=15, seconds=1)
    assert "Logga ut" not in browser.get("/personal").text


# What staff see.


def test_the_start_page_says_what_is_pressing(office: Office, concern: str) -> None:
    """Who, danger and both clocks in words; not a word of what was said."""
    page = html.unescape(office.enter("karin").get("/personal").text)
    assert f"/personal/oro/{concern}" in page
    for shown in (
        "Barn, 10–12 år",
        "Fara just nu: Våld",
        "Skyddsbedömning senast i dag",
        "onsdag 9 december, 14 dagar kvar",
    ):
        assert shown in page
    assert "Pappa" not in page and "070" not in page
    assert "Socialjourens nummer och tider är inte bekräftade" in page


def test_a_passed_day_is_said_in_words(own_office: Office) -> None:
    """Late is a word, not only a colour; the next clock counts on."""
    own_office.tell()
    own_office.clock.forward(days=2)
    page = own_office.enter("karin").get("/personal").text
    assert "Skyddsbedömning försenad: skulle ha gjorts onsdag 25 november, 2 dagar sedan" in page
    assert "12 dagar kvar" in page


def test_an_opened_concern_shows_everything_as_text(office: Office, concern: str) -> None:
    """Verbatim words with their line breaks, markup as text, safe contact, the rule and its reason; the reading is logged."""
    page = office.enter("karin").get(f"/personal/oro/{concern}").text
    words = re.findall(r'<div class="words" dir="auto" lang="sv">(.*?)</div>', page, re.DOTALL)
    assert [NASTY, "Andra delen"] == [html.unescape(part) for part in words]
    assert "<img" not in page and "<i>" not in page and "<b>" not in page
    text = html.unescape(page)
    for shown in (
        "070-174 06 05",
        "Vet inte",
        "<i>Fel nummer</i>",
        "R03_violence",
        "Orden tyder på våld",
        "Våld i nära relation",
        "SoL 20:1",
    ):
        assert shown in text
    assert "staff:concern:read" in office.logged(concern)


def test_accepting_is_seen_by_the_unit(office: Office, concern: str) -> None:
    """The one who was first has it; a colleague who was a moment later is told, and can still read it."""
    karin, olle = office.enter("karin"), office.enter("olle")
    accepted = karin.post(f"/personal/oro/{concern}/ta-emot")
    assert 200 == accepted.status_code and "Du har tagit emot den i dag kl. 09.00" in accepted.text
    late = olle.post(f"/personal/oro/{concern}/ta-emot")
    assert 409 == late.status_code and "Någon hann före" in late.text
    assert "Mottagen av Karin" in olle.get("/personal").text
    assert 1 == office.logged(concern).count("staff:concern:accepted")


@pytest.mark.parametrize(
    ("text", "sentence"), [(" \u200b", "Skriv något i rutan."), ("å<b>" + "x" * 2000, "längre än 2 000 tecken")]
)
def test_an_answer_that_cannot_be_sent_stays_in_the_field(
    office: Office, concern: str, text: str, sentence: str
) -> None:
    """Said at the top and at the field; nothing is stored, and the list does not claim otherwise."""
    answer = office.enter("karin").post(f"/personal/oro/{concern}/svara", data={"answer": text})
    assert 422 == answer.status_code and answer.text.count(sentence) == 2
    kept = re.search(r'<textarea id="answer"[^>]*>\n?(.*?)</textarea>', answer.text, re.DOTALL)
    assert kept and text == html.unescape(kept[1]) and "<b>" not in answer.text
    assert "Svaret är inte skickat" in answer.text and "Ingen har svarat än." in answer.text
    assert "staff:concern:answered" not in office.logged(concern)


def test_a_form_without_an_answer_is_an_empty_answer(office: Office, concern: str) -> None:
    """Never a 5xx."""
    assert 422 == office.enter("karin").post(f"/personal/oro/{concern}/svara").status_code


def test_an_answer_is_shown_as_text_when_it_is_kept(office: Office, concern: str) -> None:
    """With who and when, to the whole unit; the page says how the person can be reached and who may read along."""
    karin = office.enter("karin")
    before = html.unescape(karin.get(f"/personal/oro/{concern}").text)
    assert "Personen vill bli uppringd." in before and "en förälder kan titta i mobilen" in before
    assert "Koden gäller till tisdag 23 februari 2027 kl. 09.00." in before
    sent = karin.post(f"/personal/oro/{concern}/svara", data={"answer": NASTY})
    assert (200, f"/personal/oro/{concern}") == (sent.status_code, sent.url.path)
    for page in (sent.text, office.enter("olle").get(f"/personal/oro/{concern}").text):
        assert NASTY in [
            html.unescape(one) for one in re.findall(r'<div class="words" dir="auto">(.*?)</div>', page, re.DOTALL)
        ]
        assert "Karin, socialsekreterare, i dag kl. 09.00" in page and "Svar skrivet av Karin" in page
        assert "<img" not in page and "Ingen har svarat än." not in page
    assert 1 == office.logged(concern).count("staff:concern:answered")


def test_the_manager_sees_who_has_read(office: Office, concern: str) -> None:
    """The history names every reading."""
    office.enter("karin").get(f"/personal/oro/{concern}")
    page = office.enter("maria").get(f"/personal/oro/{concern}").text
    assert "Läst av Karin" in page and "Läst av Maria" in page


def test_therapists_see_the_teams_talks_and_open_them(office: Office) -> None:
    """Time, channel and who in the list; number and safe answers only in the opened one, which is logged."""
    before = office.logged(office.talk).count("staff:booking:read")
    for login in ("anna", "samir"):
        browser = office.enter(login)
        home = browser.get("/personal").text
        assert "Telefon" in home and "Partner" in home and "070" not in home and "I morgon" in home
        page = html.unescape(browser.get(f"/personal/tid/{office.talk}").text)
        assert "070-174 06 05" in page and "Lämna meddelande" in page
    assert before + 2 == office.logged(office.talk).count("staff:booking:read")


def test_words_in_a_talk_are_text(office: Office) -> None:
    """Markup in a note or an answer is shown, not run."""
    page = office.enter("anna").get(f"/personal/tid/{office.talk}").text
    assert "<img" not in page and "<b>" not in page
    assert "&lt;img" in page
