"""Promise: for every way into the app it is written down what each role gets, with what is theirs and what is not.

``route_matrix.yml`` holds it. A route that is not in it fails here; the message says what to write.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from backend.core.db import Database
from backend.core.vault import new_id
from tests.conftest import ManualClock, make_settings
from tests.web.matrix import (
    ANONYMOUS,
    KIN,
    PASSWORD,
    SHUT_OUT,
    SUBJECTS,
    VARIANTS,
    Route,
    World,
    all_routes,
    maker_of,
    open_world,
)
from tests.web.serving import serve

MATRIX = yaml.safe_load(Path(__file__).with_name("route_matrix.yml").read_text(encoding="utf-8"))
STAFF: dict[str, dict[str, Any]] = MATRIX["staff"]
OF_NO_UNIT = ("/personal/konton/", "/personal/forsta/", "/personal/loftet/sett/")
"""Accounts, masked messages that nobody knows whose they are, and days without times: the whole municipality's."""
HELP = """
{route} is not in tests/web/route_matrix.yml. If it is for visitors, add "{route}" to `public`.
If it is for staff, add a line to `staff`. This is what it answers now; change what is wrong in the
code, never the line, and only then put it in:

  {line}
"""


class _Ids(dict[str, str]):
    """Ids by name; what was not made is an id that nothing has."""

    def __missing__(self, name: str) -> str:
        return new_id()


class Town:
    """The app on a port, with everybody logged in."""

    def __init__(self, world: World, url: str) -> None:
        self.world = world
        self.clients = {ANONYMOUS: httpx.Client(base_url=url, timeout=30)}
        for name in SUBJECTS[1:]:
            self.clients[name] = httpx.Client(base_url=url, timeout=30)
            self.enter(name)

    def enter(self, name: str) -> None:
        """Log somebody in."""
        sent = {"login": name.replace("_", "-"), "password": PASSWORD}
        assert 303 == self.clients[name].post("/personal/logga-in", data=sent).status_code

    def answer(self, route: Route, subject: str, variant: str, form: dict[str, str]) -> int:
        """The status that somebody gets; streams are left as soon as they have begun."""
        role = "case_worker" if subject == ANONYMOUS else subject
        values = self.world.values(route, role, variant)
        filled = {name: text.format_map(_Ids(values)) if "{" in text else text for name, text in form.items()}
        data = filled if route.method == "POST" else None
        with self.clients[subject].stream(route.method, route.filled(values), data=data) as response:
            status = response.status_code
        if route.method == "POST" and status < 400 and subject != ANONYMOUS:
            self.world.used(role, variant)
            if route.path == "/personal/logga-ut":
                self.enter(subject)
        return status

    def measured(self, route: Route, form: dict[str, str]) -> dict[str, str]:
        """What everybody gets: ``own/unit/other``, or one status where there is nothing in the address."""
        variants = VARIANTS if route.parameters else VARIANTS[:1]
        return {
            subject: "/".join(str(self.answer(route, subject, variant, form)) for variant in variants)
            for subject in SUBJECTS
        }


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    settings, clock = make_settings(tmp_path_factory.mktemp("matrix")), ManualClock()
    found: dict[str, World] = {}

    def seed(database: Database) -> None:
        found["world"] = open_world(settings, clock, database)

    with serve(settings, clock, seed) as served:
        town = Town(found["world"], served.url)
        yield town
        for client in town.clients.values():
            client.close()
        found["world"].house.codes.close()


@pytest.fixture(scope="module")
def routes(tmp_path_factory: pytest.TempPathFactory) -> list[Route]:
    settings = make_settings(tmp_path_factory.mktemp("routes"))
    database = Database(settings.database_url)
    try:
        return all_routes(settings, database)
    finally:
        database.close()


def line_of(measured: dict[str, str]) -> str:
    """A row of the matrix: what most get as ``default``, then who gets something else."""
    answers = list(measured.values())
    default = max(sorted(set(answers)), key=answers.count)
    rest = {subject: answer for subject, answer in measured.items() if answer != default}
    pairs = ", ".join(f"{subject}: {answer}" for subject, answer in {"default": default, **rest}.items())
    return "{" + pairs + "}"


def test_every_route_is_in_the_matrix(routes: list[Route], request: pytest.FixtureRequest) -> None:
    """A new one fails until somebody has written down what each role gets; one that is gone is taken out."""
    known = set(MATRIX["public"]) | set(MATRIX["internal"]) | STAFF.keys()
    for route in routes:
        if str(route) not in known:
            town: Town = request.getfixturevalue("town")
            line = f"{route}: {line_of(town.measured(route, {}))}"
            pytest.fail(HELP.format(route=route, line=line), pytrace=False)
    gone = known - {str(route) for route in routes}
    assert set() == gone, "take these out of tests/web/route_matrix.yml"


@pytest.mark.slow
@pytest.mark.parametrize("name", list(STAFF))
def test_each_role_gets_what_the_matrix_says(town: Town, name: str) -> None:
    """With what is theirs, what is their unit's, and what is another's: 404 for what they may not know of."""
    row = dict(STAFF[name])
    form = row.pop("form", {})
    expected = {subject: str(row.get(subject, row["default"])) for subject in SUBJECTS}
    method, path = name.split()
    assert expected == town.measured(Route(method, path), form)


@pytest.mark.parametrize("name", [name for name in STAFF if "<" in name])
def test_nothing_of_another_unit_is_ever_answered_with_its_content(name: str) -> None:
    """No row may say otherwise: what is not there is 404, a login page, or the same mistake for every id.

    What nobody makes here is an id that nothing has.
    """
    route = Route(*name.split())
    if not any(maker_of(route, one) for one in route.parameters) or route.path.startswith(OF_NO_UNIT):
        return
    row = {subject: str(answer) for subject, answer in STAFF[name].items() if subject != "form"}
    for subject, answer in row.items():
        own, _, other = answer.split("/")
        assert other in ("404", "303", "401", "409") or own == other in ("422", "204"), f"{name}: {subject}"
        assert other != "303" or (own == "303" and subject in (ANONYMOUS, "default")), f"{name}: {subject}"


@pytest.mark.parametrize("name", MATRIX["internal"])
def test_the_assistants_own_ways_are_closed_to_everybody_else(town: Town, name: str) -> None:
    """Without the internal token there is nothing, whoever is logged in."""
    method, path = name.split()
    for subject in SUBJECTS:
        assert town.clients[subject].request(method, path, json={}).status_code in (401, 403, 404)


def test_whoever_is_not_logged_in_is_led_to_the_login_and_learns_nothing() -> None:
    """No staff route answers an unknown visitor with anything but the way in, or nothing at all."""
    for name, row in STAFF.items():
        answers = set(str(row.get(ANONYMOUS, row["default"])).split("/"))
        if name not in ("GET /personal/logga-in", "POST /personal/logga-in", "POST /personal/logga-ut"):
            assert answers <= {"303", "401", "404"}, name


@pytest.mark.parametrize("role", ["admin", "editor"])
def test_administrators_and_editors_get_nothing_that_people_have_told(role: str) -> None:
    """Cases, persons, concerns, talks and bookings do not exist for them, in their own unit either."""
    told = (
        "/personal/arende",
        "/personal/person",
        "/personal/oro",
        "/personal/tid",
        "/personal/plats",
        "/personal/samtal",
    )
    for name, row in STAFF.items():
        path = name.split()[1]
        if path.startswith(told) and "<" in path:
            answers = set(str(row.get(role, row["default"])).split("/")) - {"422"}
            # 204 to every id there is or is not: heard, and nothing said or done.
            assert answers in ({"404"}, {"204"}), name


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in STAFF if any(f"<{one}>" in name for one in KIN)])
def test_what_is_a_family_members_is_not_there(town: Town, name: str) -> None:
    """Whoever works for the father gets for the child's withheld things what they get for an id that nothing has."""
    row = dict(STAFF[name])
    route, form = Route(*name.split()), row.get("form", {})
    nothing = {role: town.answer(route, role, "nothing", form) for role in SHUT_OUT}
    assert nothing == {role: town.answer(route, role, "kin", form) for role in SHUT_OUT}
