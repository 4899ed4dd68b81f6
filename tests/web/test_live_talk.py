"""Promise: once a human is asked the robot says nothing, what is written reaches the other side once and in order
whatever the network does, and nobody else finds a page or a stream."""

from __future__ import annotations

import contextlib
import html
import json
import re
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from backend.alerts.tables import Alert
from backend.booking.tables import Booking
from backend.core.clock import Clock
from backend.core.db import Database
from backend.core.people import StaffMember
from backend.talks.tables import Talk, TalkMessage
from tests.conftest import make_settings
from tests.people import seed_example_staff
from tests.web.neighbour import Neighbour
from tests.web.serving import Served, serve

WORDS = "pappa dricker varje kväll"
MORNING = datetime(2026, 11, 25, 8, 0, tzinfo=UTC)


class RunningClock(Clock):
    """Began on a Wednesday at nine in Stockholm, and goes; can be moved."""

    def __init__(self) -> None:
        self._zero, self.ahead = time.monotonic(), timedelta()

    def now(self) -> datetime:
        return MORNING + self.ahead + timedelta(seconds=time.monotonic() - self._zero)


@dataclass
class Town:
    """The served example municipality with its staff."""

    served: Served
    database: Database
    clock: RunningClock
    passwords: dict[str, str]
    neighbour: Neighbour

    def child(self) -> httpx.Client:
        """A new chat's client."""
        begun = self.served.client.post("/api/chats", json={"who": "child_10_12"}).json()
        return self.served.as_chat(begun["chat"])

    def enter(self, login: str) -> httpx.Client:
        """A browser in which somebody has logged in."""
        client = httpx.Client(base_url=self.served.url, timeout=20, follow_redirects=True)
        client.post("/personal/logga-in", data={"login": login, "password": self.passwords[login]})
        return client

    def state(self, talk_id: str) -> str:
        return str(
            self.database.read_now(lambda session: session.scalar(sa.select(Talk.state).where(Talk.id == talk_id)))
        )


@pytest.fixture(scope="module")
def the_town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    neighbour, clock, passwords = Neighbour(), RunningClock(), {}
    settings = make_settings(tmp_path_factory.mktemp("town"), rasa_url=neighbour.url)

    def seed(database: Database) -> None:
        passwords.update(seed_example_staff(database, settings))

    with serve(settings, clock, seed) as served:
        database = Database(settings.database_url)
        served.until_assistant_is_up()
        yield Town(served, database, clock, passwords, neighbour)
        database.close()
    neighbour.server.shutdown()


@pytest.fixture
def town(the_town: Town) -> Iterator[Town]:
    """On a Wednesday morning, with the assistant up."""
    yield the_town
    the_town.clock.ahead = timedelta()
    the_town.neighbour.mode = "echo"


def says(chat: httpx.Client, text: str, **headers: str) -> dict[str, Any]:
    answer = chat.post("/api/chats/messages", json={"text": text}, headers=headers)
    assert 200 == answer.status_code, answer.text
    return answer.json()  # type: ignore[no-any-return]


def picks(chat: httpx.Client, choice: str) -> dict[str, Any]:
    answer = chat.post("/api/chats/messages", json={"choice": choice})
    assert 200 == answer.status_code, answer.text
    return answer.json()  # type: ignore[no-any-return]


def texts(chat: httpx.Client, author: str = "") -> list[str]:
    """What the log says, of one author or all."""
    messages = chat.get("/api/chats").json()["messages"]
    return [one["text"] for one in messages if author in ("", one["author"])]


def talk_of(chat: httpx.Client) -> str:
    """The talk that a chat is in."""
    return str(chat.get("/api/chats").json()["talk"]["mark"].partition(".")[0])


def opened(town: Town, staff: httpx.Client) -> tuple[httpx.Client, str]:
    """A child in an open talk: its client, and the talk."""
    chat = town.child()
    picks(chat, "human:now")
    talk_id = talk_of(chat)
    assert 200 == staff.post(f"/personal/samtal/{talk_id}/ta").status_code
    return chat, talk_id


def writes(staff: httpx.Client, talk_id: str, text: str, key: str = "") -> httpx.Response:
    return staff.post(f"/personal/samtal/{talk_id}/skriv", data={"text": text, "key": key})


@contextlib.contextmanager
def listening(
    client: httpx.Client, path: str, last: str = "", **headers: str
) -> Iterator[Iterator[tuple[str, str, str]]]:
    """A stream's events as (name, data, id)."""
    if last:
        headers["Last-Event-ID"] = last
    with client.stream("GET", path, headers=headers) as response:
        assert 200 == response.status_code, response.read()
        assert "text/event-stream" in response.headers["content-type"]
        assert "no" == response.headers["x-accel-buffering"] and "no-store" == response.headers["cache-control"]

        end = time.monotonic() + 40

        def events() -> Iterator[tuple[str, str, str]]:
            event: dict[str, str] = {}
            for line in response.iter_lines():
                assert time.monotonic() < end, "the event never came"
                if not line:
                    if "event" in event:
                        yield event["event"], event.get("data", ""), event.get("id", "")
                    event = {}
                    continue
                name, _, value = line.partition(": ")
                event[name] = f"{event[name]}\n{value}" if name == "data" and name in event else value

        yield events()


def until(events: Iterator[tuple[str, str, str]], name: str, contains: str = "") -> tuple[str, str, str]:
    """The next event of that name with those words in it."""
    return next(event for event in events if event[0] == name and contains in event[1])


# The robot is silent.


def test_after_a_human_is_asked_five_messages_get_no_answer_from_the_robot(town: Town) -> None:
    """In the line, in the talk, whatever is written or pressed; handed back, it answers the next one."""
    staff, chat = town.enter("anna"), town.child()
    says(chat, "hej")
    assert "waiting" == picks(chat, "human:now")["mode"]
    before = len(texts(chat, "assistant"))
    turns = len(town.neighbour.turns)
    for number in range(3):
        answer = says(chat, f"är någon där {number}")
        assert ("waiting", ["visitor"]) == (answer["mode"], [one["author"] for one in answer["messages"]])
    talk_id = talk_of(chat)
    staff.post(f"/personal/samtal/{talk_id}/ta")
    for number in range(5):
        assert "human" == says(chat, f"hej {number}")["mode"]
    picks(chat, "who:child_13_17")
    assert (before, turns) == (len(texts(chat, "assistant")), len(town.neighbour.turns))
    staff.post(f"/personal/samtal/{talk_id}/till-roboten")
    answer = says(chat, "hej igen")
    assert ("assistant", ["hörde: hej igen"]) == (answer["mode"], [one["text"] for one in answer["messages"]])
    assert "Nu är roboten här igen. Anna läser inte längre det du skriver." in texts(chat, "service")


def test_an_old_button_of_the_robot_is_said_to_the_human(town: Town) -> None:
    """It does not wake the robot."""
    staff, chat = town.enter("anna"), town.child()
    offered = says(chat, "hej")["messages"][-1]["choices"][0]
    picks(chat, "human:now")
    staff.post(f"/personal/samtal/{talk_of(chat)}/ta")
    assert ["Karta"] == [one["text"] for one in picks(chat, offered["id"])["messages"]]


def test_without_the_assistant_a_human_can_be_had_all_the_same(town: Town) -> None:
    """Limited mode gives way to the line; what waited for the robot is not answered by it afterwards."""
    town.neighbour.mode = "down"
    town.served.until(lambda: "down" == town.served.client.get("/health").json()["assistant"])
    chat = town.child()
    says(chat, "är du där roboten")
    assert "waiting" == picks(chat, "human:now")["mode"]
    town.neighbour.mode = "echo"
    town.served.until_assistant_is_up()
    time.sleep(1.5)  # the probe has been round, and would have answered by now
    assert "hörde: är du där roboten" not in texts(chat)


def test_who_wants_a_human_is_offered_one_at_once(town: Town) -> None:
    """Beside the times that the assistant offers; not when nobody is there."""
    chat = town.child()
    town.neighbour.answer = lambda body: (  # type: ignore[method-assign]
        200,
        json.dumps(
            {"messages": [{"text": "Här är tider."}], "intent": {"name": "human", "confidence": 0.9}, "ranking": [],
             "loop": None, "requested": None, "state": {}}
        ).encode(),
    )  # fmt: skip
    try:
        answer = says(chat, "jag vill prata med en människa")
        choice = answer["messages"][0]["choices"][0]
        assert "Prata med en människa nu" == choice["title"]
        assert "waiting" == picks(chat, choice["id"])["mode"]
        town.clock.ahead = timedelta(hours=11)
        late = town.child()
        assert ["Här är tider."] == [one["text"] for one in says(late, "jag vill prata med en människa")["messages"]]
    finally:
        del town.neighbour.answer


def test_when_nobody_is_there_it_says_so_with_the_next_time_and_ways_on(town: Town) -> None:
    """Never an empty screen: when somebody works next, the first free time, numbers, a button to book, a page to write."""
    town.clock.ahead = timedelta(hours=11)
    answer = picks(town.child(), "human:now")
    (said,) = answer["messages"]
    assert ("assistant", None) == (answer["mode"], answer["talk"])
    assert "Nästa gång någon jobbar är i morgon kl. 8.00." in said["text"]
    assert "Den första lediga tiden är i morgon kl. " in said["text"]
    assert said["card"]["lines"] and {"/boka", "/skriv"} == {link["url"] for link in said["card"]["links"]}
    assert "Boka en tid" in [choice["title"] for choice in said["choices"]]
    outlook = town.served.client.get("/api/human").json()
    assert ("closed", None, "2026-11-26T07:00:00+00:00") == (outlook["staffing"], outlook["minutes"], outlook["opens"])


def test_the_waiting_room_says_who_is_in_and_what_can_be_done(town: Town) -> None:
    """With the place in the line; leaving it gives the robot back; booking instead leaves it too."""
    staff, chat = town.enter("anna"), town.child()
    staff.post("/personal/samtal/inne", data={"on": "1"})
    with listening(staff, "/personal/samtal/nu") as bell:
        until(bell, "line")
        talk = picks(chat, "human:now")["talk"]
        assert "Anna är inne" in talk["text"] and "Du väntar på en människa" == talk["short"]
        assert ("waiting", talk["place"] == 1) == (talk["state"], "först" in talk["title"])
        assert "in" == town.served.client.get("/api/human").json()["staffing"]
        assert ["human:book", "human:leave"] == [one["id"] for one in talk["choices"]]
        assert 1 <= json.loads(until(bell, "line")[1])["waiting"]
        assert "assistant" == chat.delete("/api/chats/human").json()["mode"]
        assert "waiting" == chat.post("/api/chats/human").json()["mode"]
        assert ("assistant", "hörde: booking") == (
            (gone := picks(chat, "human:book"))["mode"],
            gone["messages"][0]["text"],
        )
    staff.post("/personal/samtal/inne", data={"on": ""})


def test_what_was_written_to_the_robot_is_shown_only_on_wish_and_once(town: Town) -> None:
    """The therapist sees nothing of it before, all that was typed after, and no code."""
    staff, chat = town.enter("anna"), town.child()
    says(chat, WORDS)
    says(chat, "en två tre fyra fem sex")
    talk = picks(chat, "human:now")["talk"]
    assert "human:share" in [one["id"] for one in talk["choices"]]
    talk_id = talk_of(chat)
    staff.post(f"/personal/samtal/{talk_id}/ta")
    assert WORDS not in html.unescape(staff.get(f"/personal/samtal/{talk_id}").text)
    picks(chat, "human:share")
    picks(chat, "human:share")
    page = html.unescape(staff.get(f"/personal/samtal/{talk_id}").text)
    assert 1 == page.count(WORDS) == page.count("Det jag skrev till roboten:")


# Danger.


def test_danger_gets_help_first_and_is_told_to_the_human(town: Town) -> None:
    """The card at once, without a robot's ways on; the mark beside the message; the alert at the therapist and the queue."""
    town.database.write_now(lambda session: session.execute(sa.delete(Alert)))
    staff = town.enter("anna")
    chat, talk_id = opened(town, staff)
    answer = says(chat, "pappa slår mamma nu")
    own, card = answer["messages"]
    assert ("visitor", "emergency") == (own["author"], card["kind"])
    assert [line["number"] for line in card["card"]["lines"]][:2] == ["112", "116 111"]
    assert ["Nej, jag menade annat"] == [choice["title"] for choice in card["choices"]]
    page = html.unescape(staff.get(f"/personal/samtal/{talk_id}").text)
    assert "Fara just nu: Våld" in page and "Livsfara nu</strong> i ett samtal med en människa" in page
    assert f'href="/personal/samtal/{talk_id}"' in page
    queue = html.unescape(town.enter("karin").get("/personal/larm").text)
    assert "i ett samtal med en människa" in queue and talk_id not in queue and "slår" not in queue
    lena = html.unescape(town.enter("lena").get("/personal/larm").text)
    assert "Livsfara nu" not in lena
    picks(chat, card["choices"][0]["id"])
    assert town.database.read_now(lambda s: s.scalar(sa.select(Alert.corrected_at))) is not None


@pytest.mark.parametrize(("title", "mark", "kind"), [("Ja", "Fara just nu", "emergency"), ("Nej", "", "text")])
def test_what_is_answered_about_danger_is_told_to_the_human(town: Town, title: str, mark: str, kind: str) -> None:
    """With the mark of danger now if it is yes; the person gets help, or a word of thanks and no way to the robot."""
    staff = town.enter("anna")
    chat, talk_id = opened(town, staff)
    card = says(chat, "pappa slår mig ibland")["messages"][1]
    own, reply = picks(chat, next(one["id"] for one in card["choices"] if one["title"] == title))["messages"]
    assert f"Svar om fara just nu: {title}" == own["text"] and kind == reply["kind"]
    assert not {"Jag vill prata med någon", "Jag vill berätta mer"} & {one["title"] for one in reply["choices"]}
    page = html.unescape(staff.get(f"/personal/samtal/{talk_id}").text)
    line = page[page.index(f"Svar om fara just nu: {title}") :].partition("</div>")[0]
    assert (mark in line) if mark else ("badge" not in line)


def test_what_the_card_says_of_who_reads_is_true(town: Town) -> None:
    """That a human can read it only while one has the page open; and that they cannot send help."""
    staff = town.enter("anna")
    chat, talk_id = opened(town, staff)
    assert "Ingen människa läser det här just nu." in says(chat, "pappa slår mamma nu")["messages"][1]["text"]
    with listening(staff, f"/personal/samtal/{talk_id}/nu"):
        card = says(chat, "han slår oss nu med en kniv")["messages"][1]
    assert "Anna kan läsa det du skriver, men kan inte skicka hjälp. Ring 112 ändå." in card["text"]


# Streams.


def test_both_see_what_the_other_writes_as_it_happens(town: Town) -> None:
    """Messages with their numbers as marks, typing and read signals that leave no row."""
    staff = town.enter("anna")
    chat, talk_id = opened(town, staff)
    rows = town.database.read_now(lambda s: s.scalar(sa.select(sa.func.count()).select_from(TalkMessage)))
    with (
        listening(chat, "/api/chats/stream") as child,
        listening(staff, f"/personal/samtal/{talk_id}/nu") as therapist,
    ):
        until(child, "state")
        until(therapist, "here", "1")
        chat.post("/api/chats/typing")
        until(therapist, "typing")
        staff.post(f"/personal/samtal/{talk_id}/skriver")
        until(child, "typing")
        says(chat, WORDS)
        _, piece, number = until(therapist, "message", WORDS)
        assert f'data-seq="{number}"' in piece and "line-visitor" in piece
        staff.post(f"/personal/samtal/{talk_id}/sett/{number}")
        assert int(number) == json.loads(until(child, "state", f'"seen": {number}')[1])["talk"]["seen"]
        writes(staff, talk_id, "Hej, jag är här.")
        _, data, mark = until(child, "message", "Hej, jag är här.")
        message = json.loads(data)
        assert ("staff", "Anna, en människa") == (message["author"], message["card"]["by"])
        assert mark == f"{talk_id}.{message['card']['seq']}"
        chat.post("/api/chats/seen", json={"seq": message["card"]["seq"]})
        assert str(message["card"]["seq"]) == until(therapist, "read")[1]
        staff.post(f"/personal/samtal/{talk_id}/avsluta", data={"text": ""})
        until(child, "message", "är slut")
        assert "assistant" == json.loads(until(child, "state")[1])["mode"]
        until(therapist, "state")
    after = town.database.read_now(lambda s: s.scalar(sa.select(sa.func.count()).select_from(TalkMessage)))
    assert (rows or 0) + 3 == after


def test_a_page_that_was_cut_off_goes_on_where_it_was(town: Town) -> None:
    """With the mark of the last message it gets those after it and no other; with nonsense all of them."""
    staff = town.enter("anna")
    chat, talk_id = opened(town, staff)
    with listening(chat, "/api/chats/stream") as child:
        writes(staff, talk_id, "ett")
        mark = until(child, "message", "ett")[2]
    writes(staff, talk_id, "två")
    writes(staff, talk_id, "tre")
    with listening(chat, "/api/chats/stream", mark) as child:
        got = [next(child) for _ in range(2)]
    assert ["två", "tre"] == [json.loads(data)["text"] for _, data, _ in got]
    with listening(chat, "/api/chats/stream", "x.99") as child:
        assert "Nu skriver Anna" in until(child, "message")[1]
    with listening(staff, f"/personal/samtal/{talk_id}/nu?efter=1") as therapist:
        assert "ett" in until(therapist, "message")[1]


def test_a_storm_of_reconnects_loses_and_doubles_nothing(town: Town) -> None:
    """Eighteen messages from the child and thirty from the therapist, each sent twice, while both pages are cut off
    again and again."""
    staff = town.enter("anna")
    chat, talk_id = opened(town, staff)
    done = threading.Event()
    got: dict[str, list[str]] = {"child": [], "therapist": []}

    def follow(side: str, client: httpx.Client, path: str, last: str) -> None:
        finished = False
        while not finished:
            finished = done.is_set()
            with (
                contextlib.suppress(httpx.HTTPError),
                client.stream("GET", path, headers={"Last-Event-ID": last}, timeout=3) as response,
            ):
                event: dict[str, str] = {}
                taken = 0
                for line in response.iter_lines():
                    name, _, value = line.partition(": ")
                    event[name] = value if name != "data" else event.get("data", "") + value
                    if line or event.get("event") != "message":
                        event = event if line else {}
                        if not line and done.is_set():
                            break
                        continue
                    got[side] += re.findall(r"(?:barn|vuxen) \d+\.", event["data"])
                    last, event, taken = event["id"], {}, taken + 1
                    if taken == 4 and not finished:
                        break  # the network is gone in the middle of it

    mark = chat.get("/api/chats").json()["talk"]["mark"]
    followers = [
        threading.Thread(target=follow, args=("child", chat, "/api/chats/stream", mark)),
        threading.Thread(
            target=follow, args=("therapist", staff, f"/personal/samtal/{talk_id}/nu", mark.split(".")[1])
        ),
    ]
    for thread in followers:
        thread.start()

    def child() -> None:
        for number in range(18):
            for _ in range(2):
                says(chat, f"barn {number}.", **{"Idempotency-Key": f"b{number}"})

    def therapist() -> None:
        for number in range(30):
            for _ in range(2):
                assert writes(staff, talk_id, f"vuxen {number}.", f"v{number}").status_code == 200

    writers = [threading.Thread(target=child), threading.Thread(target=therapist)]
    for thread in writers:
        thread.start()
    for thread in writers:
        thread.join()
    done.set()
    writes(staff, talk_id, "slut")
    for thread in followers:
        thread.join(20)
    expected = [text for text in texts(chat) if re.fullmatch(r"(barn|vuxen) \d+\.", text)]
    assert 48 == len(expected) == len(set(expected))
    assert expected == got["child"] == got["therapist"]


def test_a_stream_needs_the_chats_id_and_ends_with_the_chat(town: Town) -> None:
    """In the header; a foreign or missing one finds nothing; wiping the chat ends it."""
    chat, _ = opened(town, town.enter("anna"))
    assert 404 == town.served.client.get("/api/chats/stream").status_code
    assert 404 == town.served.as_chat("nope").get("/api/chats/stream").status_code
    with listening(chat, "/api/chats/stream") as child:
        until(child, "state")
        town.served.as_chat(chat.headers["Authorization"].removeprefix("Bearer ")).delete("/api/chats")
        until(child, "closed")


def test_more_pages_than_anybody_has_are_refused(town: Town) -> None:
    """Six may be open."""
    chat, _ = opened(town, town.enter("anna"))
    with contextlib.ExitStack() as pages:
        open_ = [pages.enter_context(listening(chat, "/api/chats/stream")) for _ in range(6)]
        for page in open_:
            until(page, "state")
        assert 429 == chat.get("/api/chats/stream").status_code


def test_several_windows_of_the_therapist_are_told_the_same(town: Town) -> None:
    """What is written in one comes in the other."""
    staff = town.enter("anna")
    chat, talk_id = opened(town, staff)
    other = town.enter("anna")
    path = f"/personal/samtal/{talk_id}/nu"
    with listening(staff, path) as one, listening(other, path) as two:
        writes(other, talk_id, "från andra fönstret")
        assert until(one, "message", "andra fönstret")[2] == until(two, "message", "andra fönstret")[2]
    assert "från andra fönstret" in texts(chat, "staff")


# Staff: whose it is.


@pytest.mark.parametrize("login", ["samir", "bo", "karin", "maria", "eva"])
def test_an_open_talk_does_not_exist_for_others(town: Town, login: str) -> None:
    """Every address of it is 404, for the team too; the manager of the unit sees that there is one."""
    staff = town.enter("anna")
    _, talk_id = opened(town, staff)
    other = town.enter(login)
    for way in ("", "/nu", "/lage"):
        if login == "bo" and way == "":
            continue
        assert 404 == other.get(f"/personal/samtal/{talk_id}{way}").status_code, way
    for way in ("ta", "skriv", "lamna-over", "svar", "till-roboten", "avsluta", "oppna"):
        status = other.post(f"/personal/samtal/{talk_id}/{way}", data={"text": "x", "to": "x"}).status_code
        assert status == (409 if (login, way) == ("samir", "ta") else 404), way
    assert "open" == town.state(talk_id)


def test_the_bell_and_the_pages_are_for_those_who_talk_with_people(town: Town) -> None:
    """Others have no way to it, and without a login there is nothing."""
    assert 404 == town.enter("karin").get("/personal/samtal/nu").status_code
    assert 401 == town.served.client.get("/personal/samtal/nu").status_code
    assert "/personal/samtal" not in town.enter("karin").get("/personal").text
    assert "/personal/samtal" in town.enter("bo").get("/personal").text
    assert 303 == town.served.client.get("/personal/samtal").status_code


def test_no_list_title_or_address_has_a_word_of_it(town: Town) -> None:
    """The list says role, age and since when; the title is the staff app's."""
    chat = town.child()
    picks(chat, "human:now")
    says(chat, WORDS)
    page = town.enter("samir").get("/personal/samtal").text
    assert "Barn, 10–12 år" in page and WORDS not in html.unescape(page)
    assert "<title>Personal</title>" in page
    peeked = town.enter("samir").get(f"/personal/samtal/{talk_of(chat)}").text
    assert "Ta samtalet" in peeked and WORDS not in html.unescape(peeked)
    chat.delete("/api/chats/human")


def test_a_handover_ends_the_open_page_of_whoever_had_it(town: Town) -> None:
    """The stream says so at once; the colleague reads all of it and the child is told who writes."""
    anna, samir = town.enter("anna"), town.enter("samir")
    chat, talk_id = opened(town, anna)
    says(chat, WORDS)
    samir_id = re.search(r'<option value="(\w+)">Samir', anna.get(f"/personal/samtal/{talk_id}").text)
    assert samir_id is not None
    with listening(anna, f"/personal/samtal/{talk_id}/nu") as page:
        anna.post(f"/personal/samtal/{talk_id}/lamna-over", data={"to": samir_id[1]})
        asked = samir.get(f"/personal/samtal/{talk_id}").text
        assert "Anna frågar om du kan ta över" in asked and WORDS not in html.unescape(asked)
        samir.post(f"/personal/samtal/{talk_id}/svar", data={"accept": "1"})
        until(page, "closed")
    assert WORDS in html.unescape(samir.get(f"/personal/samtal/{talk_id}").text)
    assert 404 == anna.get(f"/personal/samtal/{talk_id}").status_code
    assert any("Nu är Samir här, en människa." in text for text in texts(chat, "service"))
    assert "Du skriver med Samir, en människa" == chat.get("/api/chats").json()["talk"]["short"]


def test_bad_input_loses_nothing(town: Town) -> None:
    """What is empty or too long stays in the field with a sentence; what comes after the end too."""
    staff = town.enter("anna")
    _, talk_id = opened(town, staff)
    assert 422 == writes(staff, talk_id, "   ").status_code
    long = "långt " * 400
    answer = writes(staff, talk_id, long)
    assert 422 == answer.status_code and "2 000 tecken" in answer.text and "långt långt" in answer.text
    piece = staff.post(f"/personal/samtal/{talk_id}/skriv", data={"text": ""}, headers={"x-piece": "1"})
    assert (422, "Skriv något i rutan.") == (piece.status_code, piece.text)
    staff.post(f"/personal/samtal/{talk_id}/avsluta", data={"text": ""})
    late = writes(staff, talk_id, "en sak till")
    assert 409 == late.status_code
    assert 404 == staff.post("/personal/samtal/" + "0" * 24 + "/ta").status_code
    assert 404 == staff.get("/personal/samtal/nonsens").status_code


def test_markup_in_words_is_words(town: Town) -> None:
    """On the page and in the stream's pieces."""
    staff = town.enter("anna")
    chat, talk_id = opened(town, staff)
    nasty = '<img src=x onerror="alert(1)">\nevent: closed\n\ndata: x'
    with listening(staff, f"/personal/samtal/{talk_id}/nu") as page:
        says(chat, nasty)
        piece = until(page, "message", "&lt;img")[1]
    assert "<img" not in piece and "event: closed" in html.unescape(piece)
    assert "<img" not in staff.get(f"/personal/samtal/{talk_id}").text


# Without script.


def test_without_script_everything_is_a_form(town: Town) -> None:
    """From the start page into the line, a message, a look for answers, and out again."""
    staff, page = town.enter("anna"), town.served.client
    chat_page = page.post("/chatt", data={"choice": "human:now", "form_key": "k1"}).text
    assert "Du är först i kön" in chat_page or "Du är nummer" in chat_page
    hidden = re.search(r'name="chat" value="([^"]+)"', chat_page)
    assert hidden is not None
    page.post("/chatt", data={"chat": hidden[1], "text": WORDS})
    talk_id = talk_of(town.served.as_chat(hidden[1]))
    staff.post(f"/personal/samtal/{talk_id}/ta")
    writes(staff, talk_id, "Hej, jag heter Anna.")
    shown = html.unescape(page.post("/chatt", data={"chat": hidden[1], "refresh": "1"}).text)
    assert "Hej, jag heter Anna." in shown and "Anna, en människa" in shown and "Nu skriver Anna, en människa" in shown
    assert 'value="human:leave"' in shown
    gone = html.unescape(page.post("/chatt", data={"chat": hidden[1], "choice": "human:leave"}).text)
    assert "Du har avslutat samtalet." in gone and "Du chattar med en robot" in gone


def test_a_code_leads_into_the_room_and_leaving_the_page_keeps_a_booked_talk(town: Town) -> None:
    """Six words in a new chat, in time: the same talk, with all that was said, for whoever has the code."""
    cancel(town)
    booked = book(town)
    town.clock.ahead = booked.start - MORNING - timedelta(minutes=30)
    first = town.child()
    answer = says(first, booked.words)
    assert "assistant" == answer["mode"] and "Du har en tid" in answer["messages"][1]["text"]
    town.clock.ahead = booked.start - MORNING - timedelta(minutes=5)
    answer = says(first, booked.words)
    assert ("waiting", "Du är på rätt ställe") == (answer["mode"], answer["messages"][1]["text"][:20])
    assert booked.words not in " ".join(texts(first))
    says(first, WORDS)
    first.delete("/api/chats")
    second = town.child()
    says(second, booked.words)
    assert WORDS in texts(second, "visitor")
    owner = town.enter(booked.therapist.lower())
    listed = html.unescape(owner.get("/personal/samtal").text)
    assert "Bokad " in listed
    owner.post(f"/personal/samtal/{talk_of(second)}/ta")
    assert WORDS in html.unescape(owner.get(f"/personal/samtal/{talk_of(second)}").text)
    assert "human" == second.get("/api/chats").json()["mode"]


def test_from_the_page_of_ones_time_there_is_a_way_in(town: Town) -> None:
    """In time only; the six words lie in no page after the first."""
    cancel(town)
    booked = book(town)
    page = town.served.client
    town.clock.ahead = booked.start - MORNING - timedelta(minutes=30)
    assert "Gå till samtalet" not in page.post("/min-tid", data={"words": booked.words}).text
    town.clock.ahead = booked.start - MORNING - timedelta(minutes=5)
    shown = page.post("/min-tid", data={"words": booked.words}).text
    assert "Gå till samtalet" in shown and booked.words not in shown
    ticket = re.search(r'name="ticket" value="([^"]+)"', shown)
    assert ticket is not None
    room = html.unescape(page.post("/chatt", data={"ticket": ticket[1], "begin": "1", "form_key": "in"}).text)
    assert f"Ditt samtal med {booked.therapist} är i dag" in room and "Du väntar på en människa" in room
    forged = page.post("/chatt", data={"ticket": "x" + ticket[1], "begin": "1", "form_key": "forged"})
    assert 404 == forged.status_code and "Ditt samtal med" not in html.unescape(forged.text)
    cancel(town)


def cancel(town: Town) -> None:
    """No booked talk stands."""
    town.database.write_now(lambda session: session.execute(sa.update(Booking).values(state="cancelled", holder=None)))


@dataclass
class Booked:
    words: str
    start: datetime
    therapist: str


def book(town: Town) -> Booked:
    """A chat booked on /boka, as somebody without script does."""
    page = town.served.client.get("/boka").text
    form = re.search(r'name="form" value="([^"]+)"', page)
    slot = re.search(r'name="slot"[^>]*value="([^"]+)"', page)
    assert form is not None and slot is not None
    fields = {"form": form[1], "slot": slot[1]}
    town.served.client.post("/boka", data={**fields, "step": "hold"})
    done = html.unescape(town.served.client.post("/boka", data={**fields, "step": "confirm", "channel": "chat"}).text)
    words = re.findall(r"<li>(\w+)</li>", done)
    query = (
        sa.select(Booking.start_at, StaffMember.first_name)
        .join(StaffMember, StaffMember.id == Booking.therapist_id)
        .where(Booking.state == "booked")
    )
    start, name = town.database.read_now(lambda session: session.execute(query).one())
    return Booked(" ".join(words[:6]), start, name)


def test_words_of_a_talk_reach_no_log(town: Town, capfd: pytest.CaptureFixture[str]) -> None:
    """A canary written by both, refused and taken."""
    staff = town.enter("anna")
    chat, talk_id = opened(town, staff)
    says(chat, "kanariefågel")
    writes(staff, talk_id, "kanariefågel")
    writes(staff, talk_id, "kanariefågel" * 400)
    chat.post("/api/chats/seen", content="kanariefågel".encode())
    output = capfd.readouterr()
    assert "kanariefågel" not in output.out + output.err


def test_leaving_wipes_an_unbooked_talk(town: Town) -> None:
    """No sealed row of it is left either, and the therapist sees that it was so."""
    staff = town.enter("anna")
    chat, talk_id = opened(town, staff)
    says(chat, WORDS)
    chat.delete("/api/chats")
    left = town.database.read_now(
        lambda s: list(s.scalars(sa.select(TalkMessage.kind).where(TalkMessage.talk_id == talk_id)))
    )
    assert ["wiped"] == left
    page = html.unescape(staff.get(f"/personal/samtal/{talk_id}").text)
    assert WORDS not in page and "orden är borttagna" in page


def test_with_a_saved_code_one_leaves_the_page_and_comes_back(town: Town) -> None:
    """A code is shown to whoever asks for a human; once it is saved the talk is there after "Lämna sidan"."""
    staff, chat = town.enter("anna"), town.child()
    answer = picks(chat, "human:now")
    shown = next(one for one in answer["messages"] if one["kind"] == "code")
    assert "försvinner samtalet när du lämnar sidan" in shown["text"]
    words = " ".join(shown["card"]["words"])
    picks(chat, shown["choices"][0]["id"])
    talk_id = talk_of(chat)
    staff.post(f"/personal/samtal/{talk_id}/ta")
    says(chat, WORDS)
    chat.delete("/api/chats")
    assert "open" == town.state(talk_id)
    assert "kan komma tillbaka med sin kod" in html.unescape(staff.get(f"/personal/samtal/{talk_id}").text)
    writes(staff, talk_id, "Jag är kvar.")
    back = town.child()
    answer = says(back, words)
    assert ("human", talk_id) == (answer["mode"], talk_of(back))
    assert WORDS in texts(back, "visitor") and "Jag är kvar." in texts(back, "staff")
    assert words not in " ".join(texts(back))
    page = html.unescape(town.served.client.post("/min-tid", data={"words": words}).text)
    assert "Koden går till ditt samtal i chatten." in page and WORDS not in page


def test_who_waits_for_somebody_stays_in_and_an_empty_chair_does_not(town: Town) -> None:
    """Twenty minutes without a touch: in, for who takes talks. After an hour the screen is nobody's."""
    anna, samir = town.enter("anna"), town.enter("samir")
    anna.post("/personal/samtal/inne", data={"on": "1"})
    with listening(anna, "/personal/samtal/nu") as hers, listening(samir, "/personal/samtal/nu") as his:
        next(hers), next(his)
        town.clock.ahead += timedelta(minutes=20)
        picks(town.child(), "human:now")
        assert "line" == next(hers)[0]
        assert "closed" == next(name for name, _, _ in his if name != "line")
        town.clock.ahead += timedelta(minutes=41)
        picks(town.child(), "human:now")
        assert "closed" == next(name for name, _, _ in hers if name != "line")
    assert "/personal/logga-in" in str(anna.get("/personal/samtal").url)
    anna = town.enter("anna")
    anna.post("/personal/samtal/inne", data={"on": "0"})
