"""Promise: what is kept of a message that was not understood tells nobody who wrote it, and becomes a file that Rasa reads as text."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.config import ROOT
from backend.core.content import ContentError
from backend.core.municipality import load_municipality
from backend.improving.rules import LONGEST, Guess, Masker, best, may_learn, to_rasa, training_line
from backend.improving.words import load_intents, load_masker, load_names

CONTENT = ROOT / "content"
MASKER: Masker = load_masker(CONTENT, load_municipality(CONTENT, "exempelby"))
PLACEHOLDERS = MASKER.placeholders


@pytest.mark.parametrize(
    ("kept", "written"),
    [
        ("jag heter [namn] och bor på [adress] i [namn]", "jag heter Abdulkarim och bor på Storgatan 5b i Malmö"),
        ("vi bor på [adress] och är fyra", "vi bor på Storgatan 5 och är fyra"),
        ("vi bor på [adress] i ett hus", "vi bor på lilla-byvägen 12 B i ett hus"),
        ("min pappa [namn] dricker", "min pappa göran dricker"),
        ("[namn] slår mig inte", "Anna slår mig inte"),
        ("[namn] bror dricker", "Fatimas bror dricker"),
        ("kan [namn] få hjälp", "kan Anna-Karin Svensson få hjälp"),
        ("min lärare [namn] är snäll", "min lärare Xqzt är snäll"),
        ("hon heter [namn] på riktigt", "hon heter xqzt på riktigt"),
        ("my name is [namn] and I'm sad", "my name is xqzt and I'm sad"),
        ("ring mig på [nummer] tack", "ring mig på 070-174 06 05 tack"),
        ("ring mig på [nummer] tack", "ring mig på +46 (0)70 174 06 05 tack"),
        ("ring mig på [nummer] tack", "ring mig på noll sju noll ett sju fyra tack"),
        ("mitt personnummer är [nummer] ok", "mitt personnummer är 20120203-1234 ok"),
        ("jag är [nummer] och rädd", "jag är 12år och rädd"),
        ("mejla [e-post] om du kan", "mejla lisa.b@skola.exempel.se om du kan"),
        ("titta på [länk] snälla du", "titta på https://x.example/a?b=c snälla du"),
        ("titta på [länk] snälla du", "titta på minsida.se/lisa snälla du"),
        ("min insta är [konto] lägg till", "min insta är @lilla_fia lägg till"),
        ("min snap är [konto] lägg till", "min snap är fiafia07 lägg till"),
        ("vi bor i [namn] och vill ha hjälp", "vi bor i Exempelby och vill ha hjälp"),
        ("[namn] är full igen nu", "A\u200bnna är full igen nu"),
        ("på en rad är den", "på en\nrad\t är  den"),
    ],
)
def test_what_tells_who_somebody_is_is_taken_out(kept: str, written: str) -> None:
    """Names in any case, numbers however they are written, mail, links, accounts, streets."""
    assert kept == MASKER.keep(written)


@pytest.mark.parametrize(
    "written",
    [
        "är hans mamma per dag på stig",
        "hope you may tom klara dina",
        "vad heter du",
        "Hur gör jag? Vem ska jag fråga. Kan jag ringa 112 eller 116 111",
        "vad gör Soc och BUP på LVU",
        "finns det någon utvägen ur",
    ],
)
def test_ordinary_words_stay(written: str) -> None:
    """A message that says nothing of anybody is kept as it is, also with names that are words."""
    assert written == MASKER.keep(written)


@pytest.mark.parametrize(
    "written",
    ["x" * (LONGEST + 1), "مرحبا كيف حالك", "чи дізнаються мої батьки", "我需要帮助", "Anna Berit Cecilia", "070 174 06 05", "🙂", "JAG HETER ANNA OCH PAPPA DRICKER", ""],
)  # fmt: skip
def test_what_cannot_be_masked_well_is_not_kept(written: str) -> None:
    """Too long, in letters whose names we do not know, or nothing left but what was masked."""
    assert MASKER.keep(written) is None


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=320))
def test_no_text_breaks_the_masker(text: str) -> None:
    """Whatever somebody types: one line, no digits but the well-known ones, or nothing at all."""
    kept = MASKER.keep(text)
    if kept is not None:
        assert "\n" not in kept and kept == kept.strip()
        assert {"112", "1177", "116111", "11414", "90101"} >= set(
            re.findall(r"\d+", re.sub(r"(?<=\d)[\s-](?=\d)", "", kept))
        )


def test_masking_leaves_training_lines_readable() -> None:
    """Of the assistant's own Swedish lines, 97 in a hundred come through untouched but for their numbers."""
    written = []
    for path in sorted((ROOT / "rasa" / "data" / "nlu").glob("*.yml")):
        if path.name not in ("english.yml", "other_languages.yml"):
            written += re.findall(r"^    - ([^\d\n\[]+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    latin = [" ".join(line.split()) for line in written if re.fullmatch(r"[a-zåäöéA-ZÅÄÖ ,.?!'-]+", line)]
    assert len(latin) > 3000
    assert 0.97 < sum(MASKER.keep(line) == line for line in latin) / len(latin)


def test_names_are_no_common_words() -> None:
    """Lower case, sorted, each once; none of those that are words as well."""
    lines = (CONTENT / "sv" / "names.txt").read_text(encoding="utf-8").splitlines()
    names = [line for line in lines if line and not line.startswith("#")]
    assert sorted(set(names)) == names
    common = {"jag", "hope", "stig", "may", "per", "hans", "mina", "dina", "sina", "klara", "tom", "inga", "love", "björn", "sten", "vara", "said", "will", "gun", "max", "dan", "saga", "liv", "vilja", "alla", "kista"}  # fmt: skip
    assert set() == common & set(names)
    assert 300 <= len(load_names(CONTENT))


def test_a_name_in_capitals_stops_the_start(tmp_path: Path) -> None:
    """With the file's name, instead of a name that never matches."""
    (tmp_path / "sv").mkdir()
    (tmp_path / "sv" / "names.txt").write_text("Anna\n", encoding="utf-8")
    with pytest.raises(ContentError, match=r"names\.txt.*Anna"):
        load_names(tmp_path)


def test_the_intents_are_the_assistants_own() -> None:
    """The same names as in its domain and training lines, the same titles as on its buttons, no title twice."""
    rasa = ROOT / "rasa"
    in_domain: set[str] = set()
    for path in (rasa / "domain").glob("*.yml"):
        intents: list[Any] = (yaml.safe_load(path.read_text(encoding="utf-8")) or {}).get("intents") or []
        in_domain |= {name if isinstance(name, str) else next(iter(name)) for name in intents}
    with_lines: set[str] = set()
    for path in (rasa / "data" / "nlu").rglob("*.yml"):
        with_lines |= set(re.findall(r"^- intent: (\S+)", path.read_text(encoding="utf-8"), re.MULTILINE))
    titles = load_intents(CONTENT)
    assert in_domain & with_lines == set(titles)
    on_buttons = yaml.safe_load((rasa / "data" / "words" / "titles.yml").read_text(encoding="utf-8"))
    assert {name: entry["sv"] for name, entry in on_buttons.items()} == {name: titles[name] for name in on_buttons}
    assert len(titles) == len(set(titles.values()))


def test_who_may_learn() -> None:
    """Case workers and managers who are still here."""
    assert [True, True, False, False] == [
        may_learn(role, active=True) for role in ("case_worker", "manager", "therapist", "")
    ]
    assert not may_learn("manager", active=False)


def test_only_known_guesses_are_kept_three_at_most() -> None:
    """A name that is no intent, such as a newer model's, goes."""
    ranking = [
        Guess("map", 0.41234),
        Guess("nope", 0.3),
        Guess("booking", 0.2),
        Guess("human", 0.1),
        Guess("concern", 0.05),
    ]
    assert [Guess("map", 0.412), Guess("booking", 0.2), Guess("human", 0.1)] == best(ranking, load_intents(CONTENT))


NASTY = [
    "[namn] bor på [adress] och har [e-post]",
    "[pappa](person) dricker {\"entity\": \"x\"}",
    "- intent: map",
    "examples: | # inte",
    "/restart",
    "'citat' och \"citat\": nej",
    "a\u2028b\u0085c\u0000d",
    "&ankare *alias !tagg %rad @x ${HOME}",
    "<!-- a --> `kod`",
]  # fmt: skip


def test_the_file_is_the_same_for_the_same_rows_and_sorted() -> None:
    """Intents and lines in order; a text that was labelled twice stands once, as it was labelled last."""
    rows = [("map", "b fråga"), ("booking", "Ring mig"), ("map", "a fråga"), ("human", "ring mig")]
    file = to_rasa(rows, PLACEHOLDERS)
    assert file == to_rasa(rows, PLACEHOLDERS)
    parsed = yaml.safe_load(file)
    assert "3.1" == parsed["version"]
    assert [("human", "- Ring mig\n"), ("map", "- a fråga\n- b fråga\n")] == [
        (one["intent"], one["examples"]) for one in parsed["nlu"]
    ]
    assert [] == yaml.safe_load(to_rasa([], PLACEHOLDERS))["nlu"]


def test_nothing_in_a_text_means_anything_in_the_file() -> None:
    """YAML's and Rasa's signs are gone or text; placeholders are plain words."""
    parsed = yaml.safe_load(to_rasa([("map", text) for text in NASTY], PLACEHOLDERS))
    lines = [line.removeprefix("- ") for line in parsed["nlu"][0]["examples"].splitlines()]
    assert sorted(training_line(text, PLACEHOLDERS) for text in NASTY) == lines
    assert "NAMN bor på ADRESS och har EPOST" in lines
    assert not re.search(r"[\[\]{}()<>`\\]", "".join(lines))


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["map", "booking"]), st.text(max_size=60)), max_size=6))
def test_every_text_comes_back_from_the_file(rows: list[tuple[str, str]]) -> None:
    """Whatever is in the rows, the file is valid and has exactly their lines."""
    parsed = yaml.safe_load(to_rasa(rows, PLACEHOLDERS))
    lines = {
        line.removeprefix("- ").casefold() for one in parsed["nlu"] for line in one["examples"].split("\n") if line
    }
    assert {training_line(text, PLACEHOLDERS).casefold() for _, text in rows} - {""} == lines
