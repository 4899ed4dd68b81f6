"""Promise: a story is split without losing a word, secrecy gates follow boards and branches, and the legal grounds are checked at the start."""

from __future__ import annotations

import shutil
from datetime import date
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from backend.config import ROOT
from backend.core.content import ContentError, Phrases, read_yaml
from backend.core.municipality import load_municipality
from backend.core.readability import NeverSay, measure, too_hard
from backend.core.reader import BANDS, Reader
from backend.stories.grounds import load_grounds
from backend.stories.rules import PARTS_AT_ONCE, Gate, Place, beginning, changes, gate, may_hide, split
from backend.stories.service import FIRST_SCREEN

CONTENT = ROOT / "content"
PHRASES = Phrases.load(CONTENT)
UNITS = [unit.id for unit in load_municipality(CONTENT, "exempelby").units]


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("Ett", ["Ett"]),
        ("Ett\nTvå", ["Ett\nTvå"]),
        ("Ett\n\nTvå", ["Ett", "Två"]),
        ("Ett\r\n \t\r\n\r\nTvå\r\n\r\n", ["Ett", "Två"]),
        ("  Ett\n\n  Två", ["  Ett", "  Två"]),
        ("\n\n", []),
    ],
)
def test_a_blank_line_begins_a_part(text: str, parts: list[str]) -> None:
    """And nothing else does: the writer decides what belongs together."""
    assert parts == split(text)


@given(st.text(alphabet="ab å\n\r\t", max_size=400))
def test_no_word_is_lost_and_the_parts_are_few(text: str) -> None:
    """However somebody writes, every word comes back in its order, in at most a dozen parts that stay as they are."""
    parts = split(text)
    assert text.split() == [word for part in parts for word in part.split()]
    assert len(parts) <= PARTS_AT_ONCE
    if len(parts) == PARTS_AT_ONCE:
        assert all(part.strip() for part in parts)


def test_many_short_paragraphs_become_a_dozen() -> None:
    """The shortest neighbours are joined, so that a long one keeps to itself."""
    long = "lång " * 50
    parts = split("\n\n".join(["kort"] * 20 + [long]))
    assert PARTS_AT_ONCE == len(parts)
    assert long.strip() == parts[-1].strip()


def test_a_part_is_known_by_its_first_words() -> None:
    """Whole words, and three dots only when there is more."""
    assert "Kort" == beginning("Kort\n")
    assert "Mamma dricker …" == beginning("Mamma dricker varje dag", 16)
    assert "a" * 10 + " …" == beginning("a" * 30, 10)


def test_gates_follow_board_and_branch() -> None:
    """Inside a branch there is no border of secrecy, between branches of one board there is (OSL 8:2)."""
    here = Place("mottagning_barn", "socialnamnden", "ifo")
    assert Gate.SAME_UNIT == gate(here, here)
    assert Gate.SAME_BRANCH == gate(here, Place("vuxen", "socialnamnden", "ifo"))
    assert Gate.OTHER_BRANCH == gate(here, Place("socialpsykiatri", "socialnamnden", "socialpsykiatri"))
    assert Gate.OTHER_BRANCH == gate(here, Place("skola", "utbildningsnamnden", "ifo"))
    assert Gate.OUTSIDE == gate(here, None)


def test_a_safety_reason_needs_a_day_to_think_again() -> None:
    """Tomorrow at the earliest, and not further off than the municipality says."""
    today = date(2026, 11, 25)
    assert [False, True, True, False] == [
        may_hide(day, today, 30) for day in (today, date(2026, 11, 26), date(2026, 12, 25), date(2026, 12, 26))
    ]


def test_a_changed_picture_gives_and_takes_only_what_differs() -> None:
    """What stands stays as it was given."""
    assert ({("b", "2")}, {("a", "2")}) == changes([("a", "1"), ("a", "2")], [("a", "1"), ("b", "2")])


# The list of legal grounds.


def test_the_grounds_allow_what_the_law_does() -> None:
    """A report goes to those who protect children; only that there is contact may be told on SoL 15:8; none within a unit."""
    grounds = load_grounds(CONTENT, UNITS, PHRASES)
    report, current = grounds.find("report"), grounds.find("that_current")
    assert report is not None and current is not None
    assert report.allows(Gate.OTHER_BRANCH, "mottagning_barn") and not report.allows(Gate.OTHER_BRANCH, "vuxen")
    assert not report.allows(Gate.OUTSIDE, None)
    assert (True, False) == (report.words, current.words)
    assert not any(ground.allows(Gate.SAME_UNIT, "vuxen") for ground in grounds.grounds)
    need = grounds.find("need")
    assert need is not None and not need.allows(Gate.OTHER_BRANCH, "socialpsykiatri")
    assert None is grounds.find("because")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda raw: raw["grounds"][0].update(gates=["G0"]), "ground report"),
        (lambda raw: raw["grounds"][0].update(to=["brandkåren"]), "brandkåren is no unit"),
        (lambda raw: raw["grounds"][1].update(id="report"), "used twice"),
        (lambda raw: raw["grounds"][1].update(id="no_words_for_it"), "no_words_for_it is missing"),
        (lambda raw: raw["grounds"][1].pop("paragraph"), "ground need"),
        (lambda raw: raw.update(outside=["the_press"]), "mypage.outside.the_press is missing"),
        (lambda raw: raw.pop("version"), "version"),
    ],
)
def test_a_mistake_in_the_grounds_stops_the_start(tmp_path: Path, change: object, told: str) -> None:
    """And says where it is."""
    raw = read_yaml(CONTENT / "grounds.yml")
    change(raw)  # type: ignore[operator]
    (tmp_path / "grounds.yml").write_text(yaml.safe_dump(raw), encoding="utf-8")
    with pytest.raises(ContentError, match=told) as caught:
        load_grounds(tmp_path, UNITS, PHRASES)
    assert "grounds.yml" in str(caught.value)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("  draft_hours: 0\n", "draft_hours"),
        ("  draft_hours: 99999\n", "draft_hours"),
        ("  hidden_days: 91\n", "hidden_days"),
    ],
)
def test_terms_that_cannot_be_kept_stop_the_start(tmp_path: Path, line: str, told: str) -> None:
    """A draft may not outlive its code, and nothing is kept from a person for a quarter of a year unthought of."""
    shutil.copytree(CONTENT / "municipalities", tmp_path / "municipalities")
    path = tmp_path / "municipalities" / "exempelby.yml"
    text = path.read_text("utf-8")
    key = line.split(":")[0]
    lines = [line if old.startswith(f"{key}:") else old for old in text.splitlines(keepends=True)]
    path.write_text("".join(lines), encoding="utf-8")
    with pytest.raises(ContentError, match=told):
        load_municipality(tmp_path, "exempelby")


# The words.

KEYS = PHRASES.keys()
OURS = sorted(key for key in KEYS if key.startswith(("story.", "mypage.")) and not key.endswith((".by", ".came")))


def filled(text: str) -> str:
    """A phrase as it is read, with something in its gaps."""
    for gap, word in {
        "unit": "Öppenvården", "role": "chef", "label": "i dag kl. 9.05", "numbers": "1 och 2", "number": "2",
        "receiver": "Skolan", "span": "7 dagar", "count": "7", "version": "2", "what": "Samtal", "words": "Det är",
        "paragraph": "OSL 26:1",
    }.items():  # fmt: skip
        text = text.replace(f"{{{gap}}}", word)
    return text


@pytest.mark.parametrize("key", OURS)
def test_every_sentence_fits_its_reader_and_promises_nothing(key: str) -> None:
    """Each band's text inside its limits, the one for everybody readable at thirteen, and nothing that is never said."""
    never = NeverSay.load(CONTENT)
    for band, text in PHRASES.variants(key).items():
        text = filled(text)
        assert [] == never.said_in(text), key
        if len(text.split()) > 6:  # a label is no text to measure
            assert [] == too_hard(measure(text), "13-17" if band == "default" else band), (key, band)  # type: ignore[arg-type]


@pytest.mark.parametrize("key", OURS)
def test_visitors_read_it_in_english_too(key: str) -> None:
    """No sentence of the person's own pages falls back on Swedish."""
    assert key in PHRASES.keys("en")


@pytest.mark.parametrize("lang", ["sv", "en"])
def test_the_first_screen_has_words_for_every_reader(lang: str) -> None:
    """Who reads, when staff must act, and that nobody else reads unknown to the writer: in five levels and one for all."""
    for part in FIRST_SCREEN:
        told = {PHRASES.say(f"story.first.{part}", Reader(band=band, lang=lang)) for band in (*BANDS, None)}  # type: ignore[arg-type]
        assert 5 <= len(told), part
