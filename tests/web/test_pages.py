"""Promise: every page comes whatever is posted to it, keeps what was written, stores nothing on the device, and names somebody to call."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from backend.config import ROOT
from backend.core.content import Phrases
from backend.core.reader import Lang
from tests.conftest import make_settings
from tests.web.serving import Served, serve

PAGES = ("/", "/chatt", "/chatt/ruta", "/karta", "/karta/20", "/hjalp-nu", "/lamna")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The app with its assistant away: the pages owe it nothing."""
    with serve(make_settings(tmp_path_factory.mktemp("pages"))) as running:
        yield running


def post(served: Served, **form: str) -> httpx.Response:
    return served.client.post("/chatt", data={"form_key": "", **form})


def hidden(page: str, name: str) -> str:
    """The value of the conversation form's hidden field."""
    composer = page.split('id="composer"')[1]
    return html.unescape(re.search(rf'name="{name}" value="([^"]*)"', composer)[1])  # type: ignore[index]


def field(page: str) -> str:
    """What stands in the text field."""
    return html.unescape(re.search(r"<textarea[^>]*>\n?(.*?)</textarea>", page, re.DOTALL)[1])  # type: ignore[index]


def visitors(page: str) -> list[str]:
    return [
        html.unescape(one) for one in re.findall(r'by-visitor.*?<p class="said" dir="auto">(.*?)</p>', page, re.DOTALL)
    ]


@pytest.mark.parametrize("path", PAGES)
def test_pages_are_neutral_uncached_and_store_nothing(served: Served, path: str) -> None:
    """No cookie, no copy, no referrer, nothing from elsewhere, and a title that tells nothing."""
    answer = served.client.get(path)
    assert answer.status_code == 200
    assert "set-cookie" not in answer.headers
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["referrer-policy"] == "same-origin"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    title = re.search(r"<title>(.*?)</title>", answer.text)[1]  # type: ignore[index]
    assert title in ("Exempelby kommun", "Vädret")
    loaded = re.findall(r'(?:src|href)="([^"]+)"', re.sub(r"<a [^>]*>", "", answer.text))
    assert all(one.startswith(("/", "data:,", "#")) and not one.startswith("//") for one in loaded)
    assert not re.search(r"<(style|script(?! src| type))|\son[a-z]+=|\sstyle=", answer.text)


def test_ids_are_in_no_address(served: Served) -> None:
    """The chat's id is in hidden fields only, and not in anything that a browser keeps."""
    page = post(served, text="hej").text
    chat = hidden(page, "chat")
    assert len(chat) >= 43
    assert page.count(chat) == 2
    assert not re.findall(rf'(?:href|src|action)="[^"]*{re.escape(chat)}', page)


def test_the_first_post_starts_the_chat_and_says_the_words(served: Served) -> None:
    """Nothing lost though the assistant is away, and the help that does not need it is there."""
    page = post(served, text="hej\npå er", form_key="a" * 20).text
    assert visitors(page) == ["hej\npå er"]
    assert field(page) == ""
    assert 'href="/boka"' in page
    assert 'href="tel:116111"' in page
    assert "Roboten kan inte svara just nu" in page


def test_the_same_first_form_many_times_at_once_is_one_chat(served: Served) -> None:
    """A double press, a retry, a reload: one chat, one message."""
    with ThreadPoolExecutor(8) as pool:
        pages = list(pool.map(lambda _: post(served, text="en gång", form_key="dubbel" * 4).text, range(8)))
    chats = {hidden(page, "chat") for page in pages if 'name="chat" value=""' not in page.split('id="composer"')[1]}
    assert len(chats) == 1
    final = post(served, chat=chats.pop(), refresh="1").text
    assert visitors(final) == ["en gång"]


def test_a_choice_keeps_what_was_half_written(served: Served) -> None:
    """Pressing a button sends the button; the words in the field stay."""
    page = post(served, text="hej").text
    page = post(served, chat=hidden(page, "chat"), choice="who:child_10_12", text="halva").text
    assert visitors(page)[-1] == "Barn 10–12 år"
    assert field(page) == "halva"


HORRORS = {
    "null": "a\x00b",
    "rtl": "\u202eomvänt\u2066",
    "emoji": "😀" * 9000,
    "zalgo": "a" + "\u0301" * 3000,
    "tags": "</textarea><script>alert(1)</script>",
    "template": "{{ 7 * 7 }}{% raw %}",
    "command": '/restart{"a": 1}',
    "long": "å" * 25_000,
}


@pytest.mark.parametrize("text", HORRORS.values(), ids=HORRORS.keys())
def test_whatever_is_written_the_page_comes(served: Served, text: str) -> None:
    """200 and the words shown, or a 4xx with a sentence and the words still in the field."""
    answer = post(served, text=text)
    page = answer.text
    if answer.status_code == 200:
        assert len(visitors(page)) == 1
    else:
        assert 400 <= answer.status_code < 500
        assert field(page) == text.replace("\x00", "\ufffd") or field(page) == text
    assert "<script>alert" not in page
    assert "49" not in "".join(visitors(page))


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"text=%ED%A0%80&form_key=x", "application/x-www-form-urlencoded"),
        (b"text=%ff%fe%00", "application/x-www-form-urlencoded"),
        (b"", "application/x-www-form-urlencoded"),
        (b"&&&===", "application/x-www-form-urlencoded"),
        (b"--x\r\nContent-Disposition: form-data; name=text\r\n\r\nhej", "multipart/form-data; boundary=x"),
        (b"--x\r\n\r\n--x--", "multipart/form-data"),
        (b'{"text": "hej"}', "application/json"),
        (b"\x00\x01\x02", "image/png"),
        (b"text=hej&text=igen&choice=&chat=" + b"a" * 5000, "application/x-www-form-urlencoded"),
    ],
)
def test_broken_forms_get_a_page(served: Served, body: bytes, kind: str) -> None:
    """Never a 5xx and never a trace."""
    answer = served.client.post("/chatt", content=body, headers={"content-type": kind})
    assert answer.status_code < 500
    assert "Traceback" not in answer.text
    assert "text/html" in answer.headers["content-type"]
    left = served.client.post("/lamna", content=body, headers={"content-type": kind})
    assert left.status_code == 200


def test_a_chat_that_is_no_more_keeps_the_words(served: Served) -> None:
    """A quiet hour too long: a sentence, a new start, and what was just written in the field."""
    answer = post(served, chat="x" * 43, text="det jag vågade skriva")
    assert answer.status_code == 404
    assert "finns inte längre" in answer.text
    assert field(answer.text) == "det jag vågade skriva"
    assert hidden(answer.text, "chat") == ""
    assert 'href="tel:116111"' in answer.text


def test_danger_in_words_that_could_not_be_taken_is_answered(served: Served) -> None:
    """Too long a message with danger in it: the sentence about length, and 112 with it."""
    chat = hidden(post(served, text="hej").text, "chat")
    answer = post(served, chat=chat, text="pappa slår mig nu " + "å" * 25_000)
    assert answer.status_code == 422
    assert 'href="tel:112"' in answer.text.split("data-log")[1].split("data-typing")[0]


def test_an_unknown_choice_is_explained_and_the_conversation_is_still_there(served: Served) -> None:
    """A button from a page that was open too long."""
    page = post(served, text="hej").text
    answer = post(served, chat=hidden(page, "chat"), choice="nix.1", text="kvar")
    assert answer.status_code == 422
    assert "Det valet finns inte längre" in answer.text
    assert visitors(answer.text) == ["hej"]
    assert field(answer.text) == "kvar"


@pytest.mark.parametrize("header", [{"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}])
def test_another_site_can_neither_write_nor_wipe(served: Served, header: dict[str, str]) -> None:
    """A form on a foreign page is refused before it is read."""
    chat = hidden(post(served, text="hej").text, "chat")
    for path in ("/chatt", "/chatt/ruta", "/lamna"):
        assert served.client.post(path, data={"chat": chat, "text": "x"}, headers=header).status_code == 403
    assert visitors(post(served, chat=chat, refresh="1").text) == ["hej"]


def test_leaving_twice_or_with_nonsense_is_as_quiet_as_leaving_once(served: Served) -> None:
    """The way out never fails, and never says whether there was a chat."""
    chat = hidden(post(served, text="hej").text, "chat")
    answers = {served.client.post("/lamna", data={"chat": one}).text for one in (chat, chat, "nonsens", "")}
    assert len(answers) == 1
    assert served.client.get("/api/chats", headers={"Authorization": f"Bearer {chat}"}).status_code == 404


def test_the_page_is_there_in_english(served: Served) -> None:
    """The words around the chat follow the language that was asked for, and it is kept from post to post."""
    page = served.client.get("/chatt?lang=en").text
    assert '<html lang="en">' in page
    assert "Leave this page" in page
    assert 'action="/chatt?lang=en"' in page
    numbers = served.client.get("/hjalp-nu?lang=en").text
    assert "Call 112" in numbers


STAFF_ONLY = ("staff.", "style.", "concern_level.", "concern_category.", "concern_mail.", "booking_mail.", "mail.")


def test_every_phrase_for_visitors_has_its_english() -> None:
    """None missing, and each with the same places to fill in; staff work in Swedish."""
    phrases = Phrases.load(ROOT / "content")
    missing = {key for key in phrases.keys() - phrases.keys("en") if not key.startswith(STAFF_ONLY)}
    assert missing == set()

    def places(key: str, lang: Lang) -> set[str]:
        return set(re.findall(r"{(\w+)}", " ".join(phrases.variants(key, lang).values())))

    assert {key for key in phrases.keys("en") if places(key, "sv") != places(key, "en")} == set()


def test_the_map_has_every_station_in_the_chosen_words(served: Served) -> None:
    """In the picture and in the list; an unknown choice of words is the twelve-year-old's."""
    page = served.client.get("/karta?ord=adult").text
    for part in (page.split('<svg class="way-svg"')[1].split("</svg>")[0], page.split('id="list"')[1]):
        assert {str(number) for number in range(1, 27)} == set(re.findall(r'href="/karta/(\d+)\?ord=adult"', part))
    assert "Utredning inleds" in page
    assert served.client.get("/karta?ord=%00<x>").text == served.client.get("/karta").text


def test_numbers_come_without_the_database(tmp_path: Path) -> None:
    """The database gone and the assistant away: the page of numbers, the map and the way out are still there."""
    with serve(make_settings(tmp_path)) as running:
        chat = hidden(running.client.post("/chatt", data={"text": "hej"}).text, "chat")
        for file in tmp_path.glob("koll.db*"):
            file.write_bytes(b"broken")
        for path in ("/hjalp-nu", "/karta", "/", "/chatt", "/lamna"):
            assert running.client.get(path).status_code == 200, path
        answer = running.client.post("/chatt", data={"chat": chat, "text": "det här får inte försvinna"})
        assert "det här får inte försvinna" in answer.text
        assert 'href="tel:116111"' in answer.text
        assert running.client.post("/lamna", data={"chat": chat}).status_code == 200


@pytest.mark.parametrize("path", ["/", "/karta/5", "/health", "/api/chats", "/personal", "/finns-inte"])
def test_head_says_what_get_would(served: Served, path: str) -> None:
    """Same status and type, no body: what a monitor asks for."""
    got, asked = served.client.get(path), served.client.head(path)
    assert (got.status_code, got.headers["content-type"]) == (asked.status_code, asked.headers["content-type"])
    assert b"" == asked.content
