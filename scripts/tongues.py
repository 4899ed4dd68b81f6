"""Make `language/tongues.txt` from our own lines, and measure how well languages are told apart.

    .venv/bin/python -m scripts.tongues            write the profiles
    .venv/bin/python -m scripts.tongues --measure  five-fold on the same lines; writes nothing

The same lines give the same file, byte for byte. `corpus/validation` is never learnt from.
"""

from __future__ import annotations

import itertools
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from language import tongue
from language.tongue import HOME, KINDS, Profile, Tongues, script, words

ROOT = Path(__file__).resolve().parent.parent
PROFILES = ROOT / "language" / "tongues.txt"
HEAD = """\
# How often each language has three letters in a row ("_" is a word's edge) and each word ("=").
# Made from our own lines by scripts/tongues.py; do not edit. No line of a real person is in it.
"""
NLU = ROOT / "rasa" / "data" / "nlu"
ORDER = ("ar", "fi", "so", "uk", "fa", "pl", "tr")
"""The order of languages within each intent of other_languages.yml; Russian stands at the end of Ukrainian."""
AROUND = 7
"""In the Swedish files, one line in each of seven languages follows on another."""
FOLDS = 5
RARE = 2
"""Words of Swedish and English are kept from here on; the other languages have few lines, so all of theirs."""

Line = tuple[str, str]
"""Language and text."""


def examples(path: Path) -> list[tuple[str, str]]:
    """Intent and text of each example of a Rasa training file."""
    found, intent = [], ""
    for line in path.read_text(encoding="utf-8").splitlines():
        if match := re.match(r"\s*- intent: (\S+)", line):
            intent = match[1]
        elif match := re.match(r"\s{4,}- (.+)", line):
            found.append((intent, re.sub(r"\[([^\]]*)\](?:\([^)]*\)|\{[^}]*\})", r"\1", match[1])))
    return found


def labelled(path: Path) -> Iterator[Line]:
    """Language and text of each line of a danger or calm corpus."""
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#") and "|" in line:
            head, _, text = line.partition("|")
            yield head.split()[-2], text.strip()


def at_home() -> list[Line]:
    """Swedish and English training lines, without the few in other languages between them."""
    found: list[Line] = []
    for path in sorted(NLU.glob("*.yml")):
        if path.stem in ("other_languages", "language"):
            continue
        rows = examples(path)
        mixed = [i for i, (_, text) in enumerate(rows) if script(words(text)) not in (None, "latin")]
        near = {j for i in mixed for j in range(i - AROUND, i + AROUND + 1)}
        found += [("en" if path.stem == "english" else "sv", text) for i, (_, text) in enumerate(rows) if i not in near]
    return found


def from_corpora() -> list[Line]:
    """The danger and calm lines, which say their language."""
    folders = (ROOT / "corpus" / "danger", ROOT / "corpus" / "calm")
    found = [line for folder in folders for path in sorted(folder.glob("*.txt")) for line in labelled(path)]
    return [(lang, text) for lang, text in found if lang in HOME or own_letters(text, lang)]


def own_letters(text: str, lang: str) -> bool:
    """Whether a text is in letters that its language is written in."""
    kind = script(words(text))
    return kind is not None and lang in KINDS[kind]


def by_order(models: Tongues, texts: Sequence[str]) -> list[str]:
    """The likeliest languages of texts that stand in `ORDER`."""
    scores = [[_score(models, lang, text) for lang in ORDER] for text in texts]
    best = [[0.0] * len(ORDER) for _ in texts]
    came: list[list[int]] = [[0] * len(ORDER) for _ in texts]
    for i, row in enumerate(scores):
        for j, score in enumerate(row):
            before = max(range(j + 1), key=lambda k: best[i - 1][k]) if i else j
            came[i][j] = before
            best[i][j] = score + (best[i - 1][before] if i else 0.0)
    place = max(range(len(ORDER)), key=lambda j: best[-1][j])
    path = []
    for i in range(len(texts) - 1, -1, -1):
        path.append(ORDER[place])
        place = came[i][place]
    return path[::-1]


def _score(models: Tongues, lang: str, text: str) -> float:
    said = words(text)
    kind = script(said)
    if kind is None or lang not in KINDS[kind]:
        return -1e6
    return sum(map(models.weighed(lang).said, said))


def others(models: Tongues) -> list[Line]:
    """The training lines in other languages, each with its language."""
    found: list[Line] = []
    for _, group in itertools.groupby(examples(NLU / "other_languages.yml"), key=lambda row: row[0]):
        texts = [text for _, text in group]
        for lang, text in zip(by_order(models, texts), texts, strict=True):
            if lang == "uk":
                said = words(text)
                likelier = max(("uk", "ru"), key=lambda one: sum(map(models.weighed(one).said, said)))
                lang = tongue.slavic(said, likelier)
            found.append((lang, text))
    return found


def profiles(lines: Iterable[Line]) -> dict[str, Profile]:
    """What each language looks like."""
    found = {lang: Profile() for lang in (*HOME, *tongue.TONGUES)}
    for lang, text in lines:
        found[lang].learn(words(text))
    for lang in HOME:
        kept = {word: count for word, count in found[lang].known.items() if count >= RARE}
        found[lang].known = Counter(kept)
    return found


def all_lines() -> list[Line]:
    """Every line we may learn from, once."""
    known = [*at_home(), *from_corpora()]
    known += others(Tongues(profiles(known)))
    once = {" ".join(words(text)): (lang, text) for lang, text in reversed(known)}
    return sorted(once.values())


def measure(lines: Sequence[Line]) -> None:
    """Print what is found and what is taken for another language, on lines held back in turn."""
    right, wrong, total = Counter[str](), Counter[tuple[str, str]](), Counter[str]()
    for fold in range(FOLDS):
        models = Tongues(profiles(line for i, line in enumerate(lines) if i % FOLDS != fold))
        for lang, text in lines[fold::FOLDS]:
            found = models.of(text)
            total[lang] += 1
            if found == (None if lang in HOME else lang):
                right[lang] += 1
            elif found is not None:
                wrong[lang, found] += 1
                if lang in HOME:
                    print(f"  {lang} taken for {found}: {text}")
    for lang in sorted(total):
        mistaken = {found: count for (said, found), count in wrong.items() if said == lang}
        print(f"{lang}: {right[lang]} of {total[lang]} right ({right[lang] / total[lang]:.1%}), mistaken {mistaken}")
    away = sum(count for (said, _), count in wrong.items() if said in HOME)
    print(f"Swedish and English taken for another language: {away / sum(total[lang] for lang in HOME):.3%}")


def main() -> None:
    """See the module."""
    lines = all_lines()
    if "--measure" in sys.argv[1:]:
        measure(lines)
    else:
        PROFILES.write_text(HEAD + tongue.write(profiles(lines)), encoding="utf-8")
        print(f"{PROFILES.relative_to(ROOT)}: {len(lines)} lines, {PROFILES.stat().st_size // 1024} KB")


if __name__ == "__main__":
    main()
