"""Promise: a mistake in a content file stops the start with file, line and reason, and not one of them is met by a child."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from backend.app import create_app
from backend.config import ROOT
from backend.core.content import ContentError, Phrases
from backend.core.helplines import Helplines
from backend.core.municipality import load_municipality
from backend.core.tongues import Tongues
from backend.journey.glossary import load_glossaries
from backend.journey.stations import load_map
from backend.web.theme import load_look
from tests.conftest import make_settings
from tests.migrated import open_database

Change = tuple[str, str]
PHRASES = Phrases.load(ROOT / "content")
TOWN = "municipalities/exempelby.yml"


@pytest.fixture
def content(tmp_path: Path) -> Path:
    """The project's content, to spoil."""
    return Path(shutil.copytree(ROOT / "content", tmp_path / "content"))


def helplines(content: Path) -> object:
    return Helplines.load(content, PHRASES)


def town(content: Path) -> object:
    return load_municipality(content, "exempelby")


def look(content: Path) -> object:
    return load_look(content, load_municipality(content, "exempelby"), "exempelby")


def theme(colours: str) -> Change:
    return ("# theme:\n", f"theme:\n  light:\n    {colours}\n")


@pytest.mark.parametrize(
    ("load", "file", "change", "reason"),
    [
        (helplines, "helplines.yml", ("verify_by: 2027-05-21", "verify_by: 2027-02-30"), "2027-02-30 is no date"),
        (helplines, "helplines.yml", ("verify_by: 2027-05-21", "verify_by: soon"), "Invalid RFC3339 encoded date"),
        (helplines, "helplines.yml", ("verify_by: 2027-05-21", "verify_by: 2026-05-21"), "sos is stale before it was"),
        (helplines, "helplines.yml", ("- id: polisen", "- id: sos"), "sos stands here twice"),
        (helplines, "helplines.yml", ("audience: [child, teen]", "audience: [child, dog]"), "bris is for dog, whom"),
        (helplines, "helplines.yml", ('number_tel: "116111"', 'number_tel: "116112"'), "bris reads 116 111 and dials"),
        (helplines, "helplines.yml", ("child: [bris, sos]", "child: [brise, sos]"), "set child names brise"),
        (helplines, "helplines.yml", ("child: [bris, sos]", "child: [bris, alateen]"), "alateen, which is not listed"),
        (helplines, "helplines.yml", ("child: [bris, sos]", "child: [bris, sos, mind, umo]"), "one to 3 lines"),
        (helplines, "helplines.yml", ("För alla under 18 år.", "För <b>alla</b>."), "text with HTML in it: <b>"),
        (helplines, "helplines.yml", ("    free: true\n", "    fre: true\n"), "unknown field `fre`"),
        (helplines, "ar/helplines.yml", ("bris:\n", "bros:\n"), "bros is no line of helplines.yml"),
        (helplines, "ar/helplines.yml", ("  child: ", "  barn: "), "unknown field `barn`"),
        (
            town,
            TOWN,
            ("review_months: 12", "review_months: ofta"),
            r"Expected `int`, got `str` - at `\$\.review_months`",
        ),
        (town, TOWN, ("  closed_days: []", "  closed_days: [2027-02-29]"), "2027-02-29 is no date"),
        (town, TOWN, ("  case_days: 1826", "  case_days: 24"), "retention.case_days must be 0 .never. or at least 730"),
        (
            town,
            TOWN,
            ("  concern_days: 1826", "  concern_days: 5"),
            "retention.concern_days must be 0 .never. or at least",
        ),
        (town, TOWN, ("  unit: behandlare\n", "  unit: ingen\n"), "booking.unit ingen is no unit"),
        (town, TOWN, ("    contact: vuxen\n", "    contact: ingen\n"), "unit vuxen points at contact ingen"),
        (town, TOWN, ('name: "Exempelby kommun"', 'name: "<i>Exempelby</i>"'), "text with HTML in it: <i>"),
        (town, TOWN, ("review_months: 12", "review_months: 12\nreview_months: 6"), "review_months stands here twice"),
        (
            look,
            TOWN,
            theme('pine: "#f0e0c0"'),
            r"theme\.light: on-pine on pine has a contrast of 1\.\d\d:1, and 4\.5:1",
        ),
        (look, TOWN, theme('pinne: "#00477a"'), r"theme\.light\.pinne is no token of base\.css"),
        (look, TOWN, theme('pine: "red"'), r"theme\.light\.pine: 'red' is no colour"),
        (load_map, "ar/stations.yml", ("id: S02", "id: S99"), "S99 is no station in Swedish"),
        (load_map, "ar/stations.yml", ("id: S02", "id: S01"), "S01 stands here twice"),
        (load_map, "ar/stations.yml", ("text: {default:", "text: {6-8:"), "Invalid enum value '6-8'"),
        (load_map, "en/stations.yml", ("        what: ", "        whta: "), "unknown field `whta`|`what`"),
        (load_glossaries, "sv/glossary.yml", ("  child: ", "  barn: "), "barn|child"),
        (Tongues.load, "so/card.yml", ('  numbers: "Lambarro telefoon"', '  numbers: " "'), "empty: buttons.numbers"),
        (Tongues.load, "so/card.yml", ("direction: ltr", "direction: up"), "Invalid enum value 'up'"),
    ],
)
def test_a_mistake_is_told_with_file_line_and_reason(
    content: Path, load: Callable[[Path], object], file: str, change: Change, reason: str
) -> None:
    """The line is the one to look at: that of the change, or of the thing around it."""
    path = content / file
    before = path.read_text("utf-8")
    assert change[0] in before, "the test must spoil something"
    path.write_text(before.replace(*change, 1), "utf-8")
    with pytest.raises(ContentError, match=rf"{re.escape(file)}, line \d+: .*(?:{reason})") as refused:
        load(content)
    line = int(re.search(r"line (\d+)", str(refused.value))[1])  # type: ignore[index]
    changed = before[: before.index(change[0])].count("\n") + 1
    assert abs(line - changed) <= 12, (line, changed)


def test_the_projects_own_content_is_without_mistakes() -> None:
    """Every loader that the table names takes the files as they are."""
    for load in (helplines, town, look, load_map, load_glossaries, Tongues.load):
        assert load(ROOT / "content")


def test_the_service_does_not_start_with_a_mistake_in_its_rules(content: Path, tmp_path: Path) -> None:
    """File and line are in what stops it: nobody's concern is routed by rules that nobody could read."""
    rules = content / "routing.yml"
    before = rules.read_text("utf-8")
    line = before[: before.index("  - id: R07_child_writes")].count("\n") + 1
    rules.write_text(before.replace("  - id: R07_child_writes", "  - idd: R07_child_writes"), "utf-8")
    settings = make_settings(tmp_path, content_dir=content)
    with pytest.raises(ContentError, match=rf"routing\.yml, line {line}: "):
        create_app(settings, database=open_database(settings.database_url), name="refused")
