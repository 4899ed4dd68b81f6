"""How much danger is found, and how often a calm message alarms, on our own corpora.

``heldout`` was written before any rule and is never tuned on line by line.
``dev``, ``fresh`` and ``last`` were written after the rules, each before the
rules were widened again; ``taxonomy`` holds the examples of the taxonomy
itself.  These figures are a fence against going back, not a promise: at first
sight the rules found 64 % of ``dev`` (11 % false alarms), 89 % of ``fresh``
(4 %) and 80 % of ``last`` (8 %).
"""

from pathlib import Path

import pytest

from backend.danger import Assessment, Level, Lexicon, assess, load_lexicon

CORPORA = Path(__file__).parent / "danger"
CONTENT = Path(__file__).parents[2] / "content" / "danger"
ACUTE = (Level.A0, Level.A1)
CATEGORIES = [f"D{number:02}" for number in range(1, 22)]


@pytest.fixture(scope="module")
def lexicon() -> Lexicon:
    return load_lexicon(CONTENT)


def lines(name: str) -> list[tuple[str, str, str]]:
    """Return (level or ``--``, category or pattern, message) of a corpus."""
    result = []
    for line in (CORPORA / name).read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            head, _, message = line.partition(" | ")
            level, label = head.split()
            result.append((level, label, message))
    return result


def share(hits: list[bool]) -> float:
    return sum(hits) / len(hits)


@pytest.mark.parametrize(
    ("corpus", "found", "carded"),
    [
        ("heldout", 0.96, 0.90),
        ("dev", 0.97, 0.88),
        ("taxonomy", 0.97, 0.88),
        ("fresh", 0.95, 0.84),
        ("last", 0.92, 0.8),
    ],
)
def test_danger_is_found(lexicon: Lexicon, corpus: str, found: float, carded: float) -> None:
    rows = [
        (level, assess(lexicon, message), message)
        for level, _, message in lines(f"{corpus}_danger.txt")
        if level != "A2"
    ]
    missed = [message for _, seen, message in rows if seen.level not in ACUTE]
    assert share([seen.level in ACUTE for _, seen, _ in rows]) >= found, missed
    assert share([seen.level == Level.A0 for level, seen, _ in rows if level == "A0"]) >= carded


@pytest.mark.parametrize("corpus", ["heldout", "dev", "taxonomy", "fresh", "last"])
def test_calm_messages_and_false_friends_do_not_alarm(lexicon: Lexicon, corpus: str) -> None:
    rows = [(assess(lexicon, message), message) for _, _, message in lines(f"{corpus}_calm.txt")]
    alarmed = [message for seen, message in rows if seen.level in ACUTE]
    assert len(alarmed) / len(rows) <= 0.03, alarmed
    assert not [message for seen, message in rows if seen.level == Level.A0]


@pytest.mark.parametrize("category", CATEGORIES)
def test_every_category_is_found_by_its_own_rules(lexicon: Lexicon, category: str) -> None:
    seen = [
        assess(lexicon, message)
        for corpus in ("heldout", "dev", "taxonomy", "fresh")
        for _, label, message in lines(f"{corpus}_danger.txt")
        if label == category
    ]
    assert share([one.level in ACUTE for one in seen]) >= 0.88
    assert share([one.category == category for one in seen]) >= 0.6


def test_what_is_long_past_is_lowered_but_not_forgotten(lexicon: Lexicon) -> None:
    past = [
        m for name in ("heldout", "dev", "fresh") for level, label, m in lines(f"{name}_calm.txt") if label == "past"
    ]
    seen = [assess(lexicon, message) for message in past]
    assert share([one.level == Level.A2 for one in seen]) >= 0.88


@pytest.mark.parametrize("corpus", ["heldout", "dev"])
def test_danger_is_found_in_capitals_without_dots_and_at_the_end_of_a_long_text(lexicon: Lexicon, corpus: str) -> None:
    messages = [message for level, _, message in lines(f"{corpus}_danger.txt") if level == "A0"]
    plain = str.maketrans("åäöÅÄÖ", "aaoAAO")
    story = "det är en helt vanlig dag och jag sitter vid bordet och skriver om mat och väder. " * 60

    def found(change: str) -> float:
        changed = {
            "capitals": [m.upper() for m in messages],
            "plain": [m.translate(plain) for m in messages],
            "end": [story + m for m in messages],
        }[change]
        return share([assess(lexicon, m).level in ACUTE for m in changed])

    assert found("capitals") >= 0.95
    assert found("plain") >= 0.85
    assert found("end") >= 0.90


def test_the_answer_names_a_rule_and_nothing_of_the_text(lexicon: Lexicon) -> None:
    rules = {rule.id: rule.category for language in lexicon.languages for rule in language.rules}
    for corpus in ("heldout", "dev", "taxonomy"):
        for _, _, message in lines(f"{corpus}_danger.txt"):
            seen = assess(lexicon, message)
            if seen.level is None:
                assert seen == Assessment(None, "", "", "")
            else:
                assert rules[seen.rule] == seen.category
