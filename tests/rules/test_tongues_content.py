"""Cards in other languages: whole, short, and marked until somebody who has the language has read them."""

import shutil
from pathlib import Path

import pytest
import yaml

from backend.core.content import ContentError
from backend.core.reader import Reader
from backend.core.tongues import Tongues
from language import tongue

ROOT = Path(__file__).resolve().parents[2]
CONTENT = ROOT / "content"
TONGUES = Tongues.load(CONTENT)


@pytest.fixture
def content(tmp_path: Path) -> Path:
    """A copy that may be spoilt."""
    for lang in tongue.TONGUES:
        shutil.copytree(CONTENT / lang, tmp_path / lang)
    shutil.copy(CONTENT / "interpreters.yml", tmp_path)
    return tmp_path


@pytest.mark.parametrize("lang", tongue.TONGUES)
def test_every_danger_text_says_112_and_the_greeting_too(lang: str) -> None:
    """Whatever else is misunderstood, the number is there."""
    card = TONGUES.card(lang)
    texts = [card.greeting, card.emergency.child, card.emergency.adult, card.emergency.fire]
    for text in (*texts, card.safety_check.child, card.safety_check.adult):
        assert "112" in text


@pytest.mark.parametrize("lang", tongue.TONGUES)
def test_a_card_is_in_its_own_language(lang: str) -> None:
    """Nobody has put a text in the wrong file: our own reading of languages agrees."""
    card = TONGUES.card(lang)
    for text in (card.greeting, card.emergency.child, card.emergency.adult, card.safety_check.adult, card.serious):
        assert lang == tongue.of(text)


@pytest.mark.parametrize("lang", tongue.TONGUES)
def test_direction(lang: str) -> None:
    """Arabic and Persian are written from the right."""
    assert ("rtl" if lang in ("ar", "fa") else "ltr") == TONGUES.card(lang).direction


@pytest.mark.parametrize("part", ["greeting", "serious", "direction", "buttons", "emergency", "safety_check"])
def test_a_missing_part_stops_the_start(content: Path, part: str) -> None:
    """The message names the file."""
    path = content / "so" / "card.yml"
    card = yaml.safe_load(path.read_text("utf-8"))
    del card[part]
    path.write_text(yaml.safe_dump(card), "utf-8")
    with pytest.raises(ContentError, match=r"so/card\.yml"):
        Tongues.load(content)


def test_an_empty_part_stops_the_start(content: Path) -> None:
    """An empty button is a missing one."""
    path = content / "ar" / "card.yml"
    card = yaml.safe_load(path.read_text("utf-8"))
    card["buttons"]["unsure"] = " "
    path.write_text(yaml.safe_dump(card), "utf-8")
    with pytest.raises(ContentError, match=r"ar/card\.yml.*buttons\.unsure"):
        Tongues.load(content)


def test_a_missing_file_stops_the_start(content: Path) -> None:
    """Every language that can be found has its card."""
    (content / "uk" / "card.yml").unlink()
    with pytest.raises(ContentError, match=r"uk/card\.yml"):
        Tongues.load(content)


def test_unread_until_somebody_signs(content: Path) -> None:
    """Staff are warned of a card until `read_by` says who has read it."""
    assert "ar" in Tongues.load(content).unread()
    path = content / "ar" / "card.yml"
    path.write_text(path.read_text("utf-8").replace("read_by: null", 'read_by: "A. Reader, 2026-12-01"'), "utf-8")
    assert "ar" not in Tongues.load(content).unread()


def test_fire_and_age() -> None:
    """In a fire one goes out first; a child and an adult are told different things."""
    card = TONGUES.card("fi")
    adult = Reader("parent", "parent")
    assert card.emergency.fire == card.danger("emergency", "D15", adult)
    assert card.emergency.adult == card.danger("emergency", "D01", adult)
    assert card.emergency.child == card.danger("emergency", "D01", Reader())
    assert card.safety_check.child == card.danger("safety_check", "D15", Reader())


def test_the_assistant_knows_the_same_languages() -> None:
    """Codes and names in the assistant's word list are those of the content."""
    said = yaml.safe_load((ROOT / "rasa" / "data" / "words" / "interpreter.yml").read_text("utf-8"))["languages"]
    theirs = {code: (entry["sv"], entry["en"]) for line in said for code, entry in line.items()}
    ours = yaml.safe_load((CONTENT / "interpreters.yml").read_text("utf-8"))
    assert {code: (named["sv"], named["en"]) for code, named in ours.items()} == theirs
