"""Promise: whoever is worried about a child can say so on a plain page, and is told the truth before the first word."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from backend.concerns.tables import Concern, ConcernReport
from backend.core.codes import ReturnCode
from backend.core.text import STORY_LIMIT
from tests.conftest import make_settings
from tests.web.test_staff_pages import Office, open_office

WORDS = "Jag hör ett barn gråta varje natt."
MANDATED = {
    "words": "Eleven är ofta trött och berättar att hon inte vill gå hem.", "reporter_name": "Eva Ek", "reporter_role": "Kurator",
    "reporter_phone": "070-174 06 05", "child_name": "Lo Lind", "child_school": "Norrskolan", "feedback": "yes",
    "needs": ["money", "housing"],
}  # fmt: skip


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    with open_office(make_settings(tmp_path_factory.mktemp("report"))) as office:
        yield office


def hidden(page: str) -> dict[str, Any]:
    """The form as the next step would send it."""
    found: dict[str, Any] = {}
    for name, value in re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', page):
        if name == "needs":
            found.setdefault(name, []).append(html.unescape(value))
        else:
            found[name] = html.unescape(value)
    return found


def send(office: Office, way: str, form: dict[str, Any]) -> httpx.Response:
    """Fill in, read it back, send."""
    begun = office.client.get(f"/anmal/{way}")
    read = office.client.post(f"/anmal/{way}", data=hidden(begun.text) | form | {"step": "read"})
    assert 200 == read.status_code, read.text
    return office.client.post(f"/anmal/{way}", data=hidden(read.text) | {"step": "send"})


def last(office: Office) -> tuple[Concern, ConcernReport | None]:
    def look(session: Any) -> Any:
        concern = session.scalars(sa.select(Concern).order_by(sa.literal_column("rowid").desc())).first()
        return concern, session.get(ConcernReport, concern.id)

    found: tuple[Concern, ConcernReport | None] = office.database.read_now(look)
    return found


def count(office: Office) -> int:
    return office.database.read_now(lambda session: session.scalar(sa.select(sa.func.count(Concern.id)))) or 0


@pytest.mark.parametrize(
    ("way", "said"),
    [
        ("privat", "Du kan bara vara okänd om du aldrig säger ditt namn"),
        ("arbete", "kan inte vara anonym"),
        ("rad", "Skriv inget namn"),
    ],
)
def test_the_truth_about_names_comes_before_the_first_field(office: Office, way: str, said: str) -> None:
    """In both languages, above the words; 112 on the page before it."""
    page = office.client.get(f"/anmal/{way}").text
    assert page.index(said) < page.index("<textarea")
    assert "112" in office.client.get("/anmal").text
    assert "<textarea" in office.client.get(f"/anmal/{way}?lang=en").text
    assert 'lang="en"' in office.client.get(f"/anmal/{way}?lang=en").text


@pytest.mark.parametrize("way", ["", "x", "arbete2", "privatt", "..%2f"])
def test_other_ways_do_not_exist(office: Office, way: str) -> None:
    """404, never a 5xx."""
    assert office.client.get(f"/anmal/{way}").status_code in ((200,) if way == "" else (404,))


def test_a_neighbour_tells_without_a_name(office: Office) -> None:
    """Word for word, to the children's unit, and no name is kept since none was given."""
    sent = send(office, "privat", {"words": WORDS, "child_name": "Flickan på tvåan", "now": "unsure"})
    assert "Mottagning barn och unga" in sent.text and 6 == sent.text.count("<li>") - sent.text.count("<li><")
    concern, report = last(office)
    assert ("private", "other_child", "mottagning_barn") == (concern.source, concern.about, concern.unit)
    assert report is not None and report.anonymous and report.child is not None and not report.feedback_wanted
    assert re.fullmatch(r"sv:report-private:[0-9a-f]{12}", concern.consent_version)
    opened = office.enter("karin").get(f"/personal/oro/{concern.id}").text
    assert WORDS in opened and "har inte sagt sitt namn" in opened and "Flickan" not in opened


def test_a_professional_gives_a_name_and_may_ask_to_be_told(office: Office) -> None:
    """What is missing is said at its field, and nothing that was typed is lost."""
    begun = office.client.get("/anmal/arbete")
    wrong = office.client.post(
        "/anmal/arbete", data=hidden(begun.text) | {"words": "Två & <b>tre</b>", "child_name": "Lo", "step": "read"}
    )
    assert 422 == wrong.status_code
    for sentence in ("kan inte vara anonym", "Skriv ditt yrke.", "Skriv ett telefonnummer"):
        assert sentence in wrong.text
    assert "Två &amp; &lt;b&gt;tre&lt;/b&gt;" in wrong.text and 'value="Lo"' in wrong.text
    send(office, "arbete", MANDATED)
    concern, report = last(office)
    assert ("mandated", "money housing", "R19_mandated_report") == (concern.source, concern.needs, concern.rule_id)
    assert report is not None and report.feedback_wanted and not report.anonymous
    karin = office.enter("karin")
    page = karin.get(f"/personal/oro/{concern.id}").text
    assert "Eva Ek" not in page and "Lo Lind" not in page and "Anmälaren vill veta" in page
    assert 422 == karin.post(f"/personal/oro/{concern.id}/identitet", data={"reason": "kort"}).status_code
    shown = karin.post(f"/personal/oro/{concern.id}/identitet", data={"reason": "Ringer upp kuratorn"}).text
    assert "Eva Ek" in shown and "Lo Lind" in shown and "070-174 06 05" in shown
    assert "staff:concern:identity" in office.logged(concern.id)


def test_advice_is_asked_without_a_child(office: Office) -> None:
    """No field for names is there, and what is sent anyhow is dropped."""
    assert "child_name" not in office.client.get("/anmal/rad").text
    send(office, "rad", {"words": "Hur ska vi tänka?", "child_name": "Lo Lind", "reporter_name": "Eva"})
    concern, report = last(office)
    assert ("consult", "R18_consultation", None) == (concern.source, concern.rule_id, concern.decision_due)
    assert report is not None and report.child is None and report.reporter is None


@pytest.mark.parametrize("field", ["words", "child_where_now", "reporter_relation"])
def test_danger_in_any_field_gets_help_first(office: Office, field: str) -> None:
    """112 stands above everything, before it is sent."""
    form = {"words": WORDS, field: "pappa slår barnet med kniv just nu"}
    begun = office.client.get("/anmal/privat")
    read = office.client.post("/anmal/privat", data=hidden(begun.text) | form | {"step": "read"}).text
    assert read.index("112") < read.index("Det du har skrivit")
    assert 'class="emergency' in read


@pytest.mark.parametrize(
    ("form", "status"),
    [
        ({}, 422),
        ({"words": ""}, 422),
        ({"words": "\x00\u202e \u200b"}, 422),
        ({"words": "x" * (STORY_LIMIT + 1)}, 422),
        ({"words": WORDS, "child_name": "å" * 201}, 422),
        ({"words": WORDS, "reporter_phone": "12"}, 422),
        ({"words": WORDS, "area": "mars"}, 422),
        ({"words": WORDS, "needs": ["holidays", "money"], "now": "maybe", "interpreter": "../.."}, 200),
        ({"words": WORDS, "step": "send"}, 200),
        ({"words": WORDS, "lang": "xx", "shown": "<script>"}, 200),
    ],
)
def test_bad_input_is_told_and_sends_nothing(office: Office, form: dict[str, Any], status: int) -> None:
    """Never a 5xx, never a concern that the sender has not read through."""
    before = count(office)
    answer = office.client.post("/anmal/privat", data={"step": "read"} | form)
    assert (status, before) == (answer.status_code, count(office))


def test_a_story_of_fifty_thousand_characters_is_kept_whole(office: Office) -> None:
    """Formulas, markup and every letter of it."""
    story = '=HYPERLINK("x")<img src=x onerror=alert(1)>' + "å" * 50_000 + " slut"
    send(office, "privat", {"words": story})
    concern, _ = last(office)
    page = office.enter("karin").get(f"/personal/oro/{concern.id}").text
    assert story in html.unescape(page) and "<img src=x" not in page


def test_a_double_click_is_one_report(office: Office) -> None:
    """The same send twice gives the same words and one concern."""
    begun = office.client.get("/anmal/privat")
    read = office.client.post("/anmal/privat", data=hidden(begun.text) | {"words": WORDS, "step": "read"})
    before, form = count(office), hidden(read.text) | {"step": "send"}
    one, two = (office.client.post("/anmal/privat", data=form) for _ in range(2))
    words = [re.findall(r"<li>(\w+)</li>", each.text) for each in (one, two)]
    assert words[0] and words[0] == words[1]
    assert before + 1 == count(office)


def test_no_cookie_and_nothing_in_the_address(office: Office) -> None:
    """As on every page that a child may see."""
    for path in ("/anmal", "/anmal/privat", "/anmal/arbete", "/anmal/rad"):
        answer = office.client.get(path)
        assert "set-cookie" not in answer.headers and "no-store" == answer.headers["cache-control"]
        assert not re.search(r'<form[^>]*method="get"', answer.text)


def test_whoever_holds_the_code_is_told_of_a_move(office: Office) -> None:
    """Where to and when, and not why."""
    sent = send(office, "privat", {"words": WORDS})
    words = " ".join(re.findall(r"<li>(\w+)</li>", sent.text))
    concern, _ = last(office)
    form = {"unit": "barn", "reason": "Utredningen pågår redan hos dem."}
    assert 200 == office.enter("karin").post(f"/personal/oro/{concern.id}/flytta", data=form).status_code
    page = office.client.post("/min-tid", data={"words": words}).text
    assert "flyttats till Barn och unga, utredning" in page and "pågår redan" not in page


# Taken down by staff.


def test_staff_write_down_a_call_and_the_code_must_be_changed(office: Office) -> None:
    """The six words that were read aloud open nothing but the way to six others; then they are dead."""
    karin = office.enter("karin")
    saved = karin.post(
        "/personal/skriv-in",
        data={"source": "mandated", "words": "Ringer från skolan.", "code": "yes", "key": "k" * 24,
              "reporter_name": "Eva Ek", "reporter_role": "Kurator", "reporter_phone": "0701740605", "feedback": "yes"},
    )  # fmt: skip
    assert 200 == saved.status_code
    heard = " ".join(re.findall(r"<li>(\w+)</li>", saved.text))
    concern, report = last(office)
    assert report is not None and report.entered_by and "Karin" in karin.get(f"/personal/oro/{concern.id}").text
    changed = [office.client.post("/min-tid", data={"words": heard}).text for _ in range(2)]
    own = [" ".join(re.findall(r"<li>(\w+)</li>", page)) for page in changed]
    assert own[0] == own[1] != heard and "någon annan läst upp" in changed[0]
    assert "kom fram" not in changed[0]
    assert "kom fram" in office.client.post("/min-tid", data={"words": own[0]}).text
    receipt = hidden(changed[0])["receipt"]
    office.client.post("/skriv/sparad", data={"receipt": receipt})
    assert 404 == office.client.post("/min-tid", data={"words": heard}).status_code
    assert "kom fram" in office.client.post("/min-tid", data={"words": own[0]}).text
    codes = office.database.read_now(
        lambda session: list(session.scalars(sa.select(ReturnCode).where(ReturnCode.subject == concern.id)))
    )
    assert [False] == [code.read_aloud for code in codes]


@pytest.mark.parametrize(
    ("form", "sentence"),
    [
        ({}, "Välj vem som berättar."),
        ({"source": "consult", "words": "x"}, "Välj vem som berättar."),
        ({"source": "self", "words": ""}, "Skriv något om det"),
        ({"source": "mandated", "words": "Hej"}, "kan inte vara anonym"),
    ],
)
def test_a_call_that_is_not_whole_is_not_saved(office: Office, form: dict[str, str], sentence: str) -> None:
    """Said in words, with what was typed kept."""
    before = count(office)
    answer = office.enter("karin").post("/personal/skriv-in", data=form | {"child_name": "<b>Lo"})
    assert 422 == answer.status_code and sentence in answer.text and "&lt;b&gt;Lo" in answer.text
    assert before == count(office)


def test_a_stranger_cannot_write_anything_down(office: Office) -> None:
    """Led to the login; nothing is stored."""
    before = count(office)
    answer = office.client.post("/personal/skriv-in", data={"source": "self", "words": WORDS})
    assert (303, before) == (answer.status_code, count(office))


def test_names_are_nowhere_in_the_files(office: Office, tmp_path: Path) -> None:
    """Neither who reported nor which child, in any file of the database."""
    send(office, "arbete", MANDATED | {"child_name": "Kanariefågel Ek"})
    folder = Path(office.database.url.database or "").parent
    assert not [file for file in folder.iterdir() if "Kanariefågel".encode() in file.read_bytes()]
