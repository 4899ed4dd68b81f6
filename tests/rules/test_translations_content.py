"""Promise: a translation has what it needs, in its own language, says the same as the Swedish, and repeats no number."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from backend.config import ROOT
from backend.core.content import ContentError, Phrases
from backend.core.helplines import Helplines
from backend.core.municipality import load_municipality
from backend.core.reader import Reader
from backend.core.tongues import Tongues
from backend.core.translations import PARTS, Core, Translations
from backend.core.wording import Text
from backend.journey.service import Journey
from backend.journey.stations import load_map
from language import tongue

CONTENT = ROOT / "content"
PHRASES = Phrases.load(CONTENT)
TONGUES = Tongues.load(CONTENT)
JOURNEY = Journey(CONTENT, PHRASES)
HELPLINES = Helplines.load(CONTENT, PHRASES)
TEXTS = {
    (text.key, text.lang): text
    for source in (PHRASES.texts, JOURNEY.texts, HELPLINES.texts, TONGUES.texts)
    for text in source()
}
CORE = Core.load(CONTENT)
DELIVERED = ("ar", "fa", "fi", "so", "uk")
PLACE = re.compile(r"{(\w+)}")


def missing(lang: str) -> dict[str, list[str]]:
    swedish = {key for key, known in TEXTS if known == "sv" or key.startswith("card.")}
    return dict(CORE.missing(swedish, {key for key, known in TEXTS if known == lang}))


def texts_of(lang: str) -> list[Text]:
    return [text for (_, known), text in TEXTS.items() if known == lang]


@pytest.mark.parametrize("lang", DELIVERED)
def test_nothing_that_is_needed_is_missing(lang: str) -> None:
    """The list is what somebody who adds or repairs a language has to write, by part."""
    assert {} == missing(lang)


def test_every_folder_with_phrases_is_a_language_and_no_list_stands_in_code() -> None:
    """Adding one is adding files: the languages are those that have them."""
    choice = Translations(PHRASES, TONGUES, load_municipality(CONTENT, "exempelby"))
    assert set(DELIVERED) == set(choice.all)
    assert ("sv", "sv-x-latt", "en") == choice.on
    assert [("rtl" if lang in ("ar", "fa") else "ltr") for lang in DELIVERED] == list(map(choice.direction, DELIVERED))


def test_a_new_language_is_four_files(tmp_path: Path) -> None:
    """With a card, phrases, helplines and stations it can be chosen; what is missing is known, and met in Swedish."""
    for path in CONTENT.iterdir():
        (tmp_path / path.name).symlink_to(path)
    polish = tmp_path / "pl"
    polish.unlink()
    polish.mkdir()
    (polish / "card.yml").symlink_to(CONTENT / "pl" / "card.yml")
    about = "_about: {owner: mottagning_barn, source: x}\n"
    (polish / "phrases.yml").write_text(f"{about}help: {{title: Numery telefonów}}\n", "utf-8")
    (polish / "helplines.yml").write_text("bris: {child: Dla dzieci., adult: Dla dorosłych.}\n", "utf-8")
    (polish / "stations.yml").write_text(
        'version: "1"\nstations:\n  - {id: S01, child_label: "Ktoś, kto słucha"}\n', "utf-8"
    )
    phrases = Phrases.load(tmp_path)
    reader = Reader(lang="pl")
    assert "pl" in Translations(phrases, Tongues.load(tmp_path), load_municipality(tmp_path, "exempelby")).all
    assert "Numery telefonów" == phrases.say("help.title", reader)
    assert ("sv-x-latt", "Boka en tid") == (
        phrases.lang_of("book_page.heading", reader),
        phrases.say("book_page.heading", reader),
    )
    line = Helplines.load(tmp_path, phrases).show("bris", reader, HELPLINES_READ)
    assert ("Dla dzieci.", "pl") == (line.note, line.lang)
    mapped = load_map(tmp_path)
    told = mapped.tell(mapped.stations[0], Reader(band="adult", lang="pl"))
    assert ("Ktoś, kto słucha", "pl", "sv-x-latt") == (told.title, told.title_lang, told.lang)


HELPLINES_READ = yaml.safe_load((CONTENT / "helplines.yml").read_text("utf-8"))["verified_at"]


@pytest.mark.parametrize("lang", DELIVERED)
def test_a_translation_fills_in_what_the_swedish_fills_in(lang: str) -> None:
    """A name, a time, a number of minutes. Spoken digits are Swedish words, and left to the number itself."""
    for text in texts_of(lang):
        swedish = TEXTS.get((text.key, "sv"))
        if swedish is None:
            continue
        wanted = {place for words in swedish.variants.values() for place in PLACE.findall(words)} - {"spoken"}
        for words in text.variants.values():
            assert wanted == set(PLACE.findall(words)), (text.key, words)


@pytest.mark.parametrize("lang", DELIVERED)
def test_112_stands_where_it_stands_in_swedish(lang: str) -> None:
    """The one number that a sentence may hold: it never moves, and no list is at hand when it is needed."""
    for text in texts_of(lang):
        swedish = TEXTS.get((text.key, "sv"))
        if swedish is not None and text.kind == "phrase" and "112" in " ".join(swedish.variants.values()):
            assert "112" in " ".join(text.variants.values()), text.key


@pytest.mark.parametrize("lang", DELIVERED)
def test_no_other_number_is_written_in_a_sentence(lang: str) -> None:
    """Numbers and hours are data, in one place: a line that moves is right in every language at once."""
    lines = yaml.safe_load((CONTENT / "helplines.yml").read_text("utf-8"))["lines"]
    numbers = {re.sub(r"\D", "", line["number_display"] or "") for line in lines} - {"", "112"}
    for text in texts_of(lang):
        for words in text.variants.values():
            assert not numbers & set(re.findall(r"\d+", re.sub(r"(?<=\d)[ -](?=\d)", "", words))), (text.key, words)


@pytest.mark.parametrize("lang", DELIVERED)
def test_a_text_is_in_its_own_language(lang: str) -> None:
    """Nobody has put it in the wrong file: our own reading of languages never takes it for another of ours."""
    told = [tongue.of(words) for text in texts_of(lang) for words in text.variants.values() if len(words.split()) > 9]
    assert len(told) > 40
    assert {lang} == {one for one in told if one is not None}


@pytest.mark.parametrize("lang", DELIVERED)
def test_weekdays_and_months_are_all_there(lang: str) -> None:
    """One word each, in order: times are put together from them."""
    for key, count in (("booking_labels.weekdays", 7), ("booking_labels.months", 12)):
        assert count == len(set(PHRASES.say(key, Reader(lang=lang)).split()))


@pytest.mark.parametrize("lang", DELIVERED)
def test_a_station_says_the_limit_that_the_law_says(lang: str) -> None:
    """14 days and 4 months stand there as they do in Swedish; a law that changes is found here."""
    assert "14" in TEXTS["stations.S05.what", lang].variants["default"]
    assert "4" in TEXTS["stations.S08.what", lang].variants["default"]


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("first: {keys: [a]}\n", r"translations\.yml, line 1: danger needs keys"),
        ("somewhere: {keys: [a]}\n", r"translations\.yml, line 1: Invalid enum value 'somewhere'"),
        ("first: {keys: []}\n", r"translations\.yml, line 1: first needs keys"),
    ],
)
def test_a_mistake_in_what_is_needed_stops_the_start(tmp_path: Path, said: str, reason: str) -> None:
    """With file, line and reason."""
    (tmp_path / "translations.yml").write_text(said, "utf-8")
    with pytest.raises(ContentError, match=reason):
        Core.load(tmp_path)


def test_every_part_has_texts() -> None:
    """No pattern of the set has come to match nothing."""
    found = {CORE.part(key) for key, _ in TEXTS}
    assert set(PARTS) <= found
    needed = yaml.safe_load((CONTENT / "translations.yml").read_text("utf-8"))
    keys = {key for key, _ in TEXTS}
    for part in needed.values():
        for pattern in (*part["keys"], *part.get("but_for", ())):
            assert any(re.fullmatch(pattern.replace(".", r"\.").replace("*", ".*"), key) for key in keys), pattern
