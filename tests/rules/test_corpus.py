"""What the assistant and the danger model learn from is broad, well formed, and not what they are measured on."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from pathlib import Path

import pytest
import yaml

from bench.understanding import capability_of, lines
from language import normalise

ROOT = Path(__file__).parents[2]
CORPUS = ROOT / "corpus"
LEVELS = {"A0", "A1", "A2", "--"}
LANGUAGES = {"sv", "en", "ar", "fi", "so", "uk", "ru", "fa", "pl", "tr"}
VOICES = {"child7", "child10", "teen", "partner", "parent", "relative", "professional", "any"}
CATEGORIES = {f"D{number:02}" for number in range(1, 22)}
ALIKE = 0.75
_ENTITY = re.compile(r"\[([^\]]*)\](\([^)]*\)|\{[^}]*\})")


def labelled(folder: str) -> list[tuple[str, str, str, str, str]]:
    """(level, label, lang, voice, message) of every line in a folder of the corpus."""
    found = []
    for path in sorted((CORPUS / folder).glob("*.txt")):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if line and not line.startswith("#"):
                head, bar, message = line.partition(" | ")
                assert bar and message.strip() and len(head.split()) == 4, f"{path.name}:{number}"
                found.append((*head.split(), message))
    return found


def taught() -> list[tuple[str, str]]:
    """(intent, message) of everything the assistant is trained on."""
    return [
        (block["intent"], _ENTITY.sub(r"\1", line[2:]))
        for path in sorted((ROOT / "rasa" / "data" / "nlu").rglob("*.yml"))
        for block in yaml.safe_load(path.read_text(encoding="utf-8"))["nlu"]
        if "intent" in block
        for line in block["examples"].splitlines()
    ]


@pytest.mark.parametrize("folder", ["danger", "calm"])
def test_every_line_is_labelled_as_the_readme_says(folder: str) -> None:
    for level, label, lang, voice, message in labelled(folder):
        assert level in LEVELS and lang in LANGUAGES and voice in VOICES, message
        if level in ("A0", "A1"):
            assert label in CATEGORIES, message


def test_danger_and_false_friends_are_many_and_of_every_kind() -> None:
    """At least 1,500 messages of danger, at least 40 in each category, and as many calm ones."""
    danger = [row for row in labelled("danger") if row[0] != "--"]
    calm = [row for row in labelled("calm") if row[0] in ("--", "A2")]
    by_category = Counter(row[1] for row in danger)

    assert len({row[4] for row in danger}) >= 1500
    assert len({row[4] for row in calm}) >= 1500
    assert set(by_category) == CATEGORIES
    assert min(by_category.values()) >= 40, by_category.most_common()


def test_every_capability_has_150_examples() -> None:
    """Distinct ones, small words of the dialogue not counted."""
    messages = defaultdict(set)
    for intent, message in taught():
        messages[capability_of(intent)].add(message)
    few = {name: len(found) for name, found in messages.items() if len(found) < 150}
    assert not few


def test_nothing_that_is_measured_on_is_trained_on() -> None:
    """No training message is the same as, or nearly the same as, a validation message."""
    held_out = {_folded(line.text): line.text for line in lines()}
    parts = [(_parts(folded), text) for folded, text in held_out.items() if len(folded.split()) > 3]
    where = defaultdict(set)
    for number, (found, _) in enumerate(parts):
        for part in found:
            where[part].add(number)
    alike = []
    trained_on = {message for _, message in taught()} | {row[4] for row in labelled("danger") + labelled("calm")}
    for message in sorted(trained_on):
        folded = _folded(message)
        if folded in held_out:
            alike.append((message, held_out[folded]))
            continue
        if len(folded.split()) <= 3:
            continue
        found = _parts(folded)
        shared = Counter(number for part in found for number in where.get(part, ()))
        for number, count in shared.most_common(3):
            if count / (len(found) + len(parts[number][0]) - count) >= ALIKE:
                alike.append((message, parts[number][1]))
    assert not alike


def _folded(message: str) -> str:
    return normalise.fold(normalise.tidy(message)) or message.strip()


def _parts(folded: str) -> set[str]:
    padded = f" {folded} "
    return {padded[start : start + 3] for start in range(len(padded) - 2)}
