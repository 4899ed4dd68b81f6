"""Promise: every text that visitors meet is measured against its reader, and one that is too hard stops the release."""

from __future__ import annotations

import shutil
from itertools import chain
from pathlib import Path

import pytest

from backend import __main__ as command
from backend.config import ROOT
from backend.core.content import Phrases
from backend.core.readability import NeverSay
from backend.core.wording import Text
from backend.editing import reading
from backend.journey.glossary import load_glossaries
from backend.journey.stations import load_map

CONTENT = ROOT / "content"
NEVER = NeverSay.load(CONTENT)
GLOSSARIES = load_glossaries(CONTENT)
EXPLAINED: dict[str, frozenset[str]] = {lang: glossary.explained() for lang, glossary in GLOSSARIES.items()}
ROWS = reading.rows(
    chain(
        load_map(CONTENT).texts(),
        Phrases.load(CONTENT).texts(),
        (text for lang, glossary in GLOSSARIES.items() for text in glossary.texts(lang)),
    ),
    EXPLAINED,
    NEVER,
)


def test_every_text_can_be_read_by_its_reader() -> None:
    """Lists each that cannot, with what is wrong."""
    assert [] == [reading.complaint(row) for row in ROWS if row.problems]


def test_everything_is_measured() -> None:
    """All 26 stations and the overview, in six fields for each reader and language, the phrases and the word lists."""
    counted = {lang: sum(row.lang == lang and row.key.startswith("stations.") for row in ROWS) for lang in EXPLAINED}
    assert {"sv": 785, "en": 785, "sv-x-latt": 471} == counted
    assert 80 == sum(row.lang == "sv" and row.key.startswith("word.") and row.band == "10-12" for row in ROWS)
    assert any(row.key == "emergency.text" and row.band == "6-9" for row in ROWS)
    assert not any(row.key.startswith("staff.") for row in ROWS)


@pytest.mark.parametrize(
    ("lang", "variant", "words", "says"),
    [
        ("sv", "6-9", "Socialsekreteraren utreder vad familjen behöver för hjälp framöver.", "LIX"),
        ("sv", "6-9", "Du får äta. Du får gå. Du får se. Du får be.", "4 sentences > 3"),
        ("sv", "6-9", "Du får gå ut och in och upp och ner och hit och dit.", "14 words in a sentence > 12"),
        (
            "sv",
            "10-12",
            "Du kan gå dit i dag när du vill och får lov. Du kan gå ut med oss på en gång då vi ses nu.",
            "words a sentence > 12",
        ),
        ("sv", "6-9", "Det är skönsjungande. Du får gå. Du får be om det nu, om du vill.", "skönsjungande is long"),
        ("sv", "adult", "Vi lovar att det går bra för dig.", "says a promise"),
        ("sv-x-latt", "adult", "Om man bor hos en annan och den är ute och det är sent ska man vara inne.", "> 15"),
        ("en", "6-9", "Everything will be fine, and the municipality investigates.", "LIX"),
    ],
)
def test_a_text_that_is_too_hard_is_told_with_the_reason(lang: str, variant: str, words: str, says: str) -> None:
    """In each language and band; and what must never be said is found too."""
    rows = reading.rows([Text("stations.S01.what", lang, "station", {variant: words})], EXPLAINED, NEVER)
    assert says in "; ".join(rows[0].problems)


def test_a_language_without_limits_is_not_measured() -> None:
    """LIX knows nothing of Arabic."""
    assert [] == reading.rows([Text("stations.S01.what", "ar", "station", {"adult": "نص"})], {}, NEVER)


def test_a_label_is_not_running_text() -> None:
    """A button may be one long word; the same words on the map may not."""
    label = Text("book_page.confirm", "sv", "phrase", {"default": "Tillgänglighetsredogörelse"})
    assert () == reading.rows([label], {}, NEVER)[0].problems


def test_the_table_has_every_station_and_the_hardest_texts() -> None:
    """As text and as a page; what stands in a text cannot break the page."""
    table, page = reading.markdown(ROWS), reading.page(ROWS)
    for station in range(1, 27):
        assert f"| S{station:02} |" in table
    assert "## The hardest texts" in table
    assert "Must be changed" not in table
    assert page.count("<table>") == page.count("</table>") == 4
    odd = reading.rows([Text("stations.S01.what", "sv", "station", {"adult": "Ett <b> & ett till."})], {}, NEVER)
    assert "Ett &lt;b&gt; &amp; ett till." in reading.page(odd)


def test_the_command_writes_the_table_and_refuses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """0 and a table for content that can be read; otherwise every text to change, one a line, and the table all the same."""
    monkeypatch.setattr(command, "REPORTS", tmp_path / "build")
    assert 0 == command.main(["readability"])
    assert (tmp_path / "build/readability.html").read_text("utf-8").startswith("<!doctype html>")
    shutil.copytree(CONTENT, tmp_path / "content")
    stations = tmp_path / "content/sv/stations.yml"
    hard = "Socialsekreteraren utreder familjesituationen skyndsamt."
    stations.write_text(
        stations.read_text("utf-8").replace("En vuxen lyssnar på dig. Du får säga hur du har det.", hard), "utf-8"
    )
    with pytest.raises(SystemExit, match=r"stations\.S01\.simpler"):
        command.main(["readability", "--content", str(tmp_path / "content")])
    assert hard in (tmp_path / "build/readability.md").read_text("utf-8")
