"""Promise: the file that staff export can be put beside the training lines, and Rasa takes every line of it as text."""

from __future__ import annotations

import shutil
import warnings
from pathlib import Path

import pytest
from rasa.shared.importers.rasa import RasaFileImporter
from rasa.shared.nlu.training_data.loading import load_data
from rasa.validator import Validator

import launcher
import train
from backend.improving.rules import to_rasa, training_line

RASA = Path(launcher.__file__).resolve().parent
PLACEHOLDERS = ("namn", "nummer", "e-post", "länk", "konto", "adress")
MAP = [
    "[namn] undrar vad som händer efter [nummer] dagar på [adress]",
    "[en sak](station:S01) och {\"entity\": \"station\"} till det där",
    "- intent: booking",
    "examples: | # ingen kommentar",
    "/restart nu då för tusan",
    "'citat', \"citat\": @x &y *z !w %v ${HOME} <!-- q -->",
    "på\u2028två\u0085rader\u0000 och [tre](x)[y]{z}",
]  # fmt: skip
BOOKING = ["kan [namn] ringa upp mej på [nummer] eller [e-post] nån gång"]
ROWS = [("map", text) for text in MAP] + [("booking", text) for text in BOOKING]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "from_staff.yml"
    path.write_text(to_rasa(ROWS, PLACEHOLDERS), encoding="utf-8")
    return path


def test_rasa_reads_every_line_as_text(file: Path) -> None:
    """The same lines under the same intents, with no entity, synonym, role or lookup found in them."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        data = load_data(str(file))
    read = {(example.get("intent"), example.get("text")) for example in data.intent_examples}
    assert {(intent, training_line(text, PLACEHOLDERS)) for intent, text in ROWS} == read
    assert ("booking", "kan NAMN ringa upp mej på NUMMER eller EPOST nån gång") in read
    assert (set(), {}, [], []) == (
        data.entities,
        data.entity_synonyms,
        data.regex_features,
        data.lookup_tables,
    )


def test_an_empty_file_is_read_too(tmp_path: Path) -> None:
    """Before anybody has labelled anything."""
    path = tmp_path / "from_staff.yml"
    path.write_text(to_rasa([], PLACEHOLDERS), encoding="utf-8")
    assert [] == load_data(str(path)).intent_examples


def test_the_validator_accepts_it_among_our_own_lines(file: Path, tmp_path: Path) -> None:
    """As `rasa data validate --fail-on-warnings` looks at intents and examples, with the file in data/nlu."""
    data = tmp_path / "data"
    shutil.copytree(RASA / "data", data, ignore=shutil.ignore_patterns("words"))
    shutil.copy(file, data / "nlu" / "from_staff.yml")
    importer = RasaFileImporter(str(RASA / "config.yml"), str(RASA / "domain"), str(data))
    validator = Validator.from_importer(importer)
    assert {"map", "booking"} <= set(validator.domain.intents)
    assert validator.verify_intents(ignore_warnings=False)
    assert validator.verify_example_repetition_in_intents(ignore_warnings=False)
    assert validator.verify_intents_in_stories(ignore_warnings=False)


def test_it_can_be_trained_on(tiny_root: Path, tmp_path: Path) -> None:
    """A tiny bot with the file among its lines is trained as the real one is."""
    root = tmp_path / "bot"
    shutil.copytree(tiny_root, root, ignore=shutil.ignore_patterns("models", ".rasa"))
    (root / "data" / "from_staff.yml").write_text(
        to_rasa([("smalltalk", text) for text in MAP], PLACEHOLDERS), encoding="utf-8"
    )
    assert 0 == train.train(root, root / "train.log")
    assert (root / "models" / "koll.tar.gz").exists()
