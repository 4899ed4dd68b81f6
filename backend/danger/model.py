"""Danger noticed by likeness: what rules do not see, because nobody thought of saying it so.

A model over words, letters and sentence vectors (`language.model`) has read the danger
corpus, as many false friends, and the everyday of this service. It knows each category of
danger by level, and every other thing people write about, and says how probable each is.
It is used beside the rules, never instead: it can raise what they say and never lower it.

Its files lie in ``content/danger/model/`` and come with the project, so that what was
measured is what runs, from the first second: ``vocabulary.json`` and ``arrays.npz`` (the
model) and ``cuts.json`` (from what, and from which probability on, it speaks).
"""

import json
import logging
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from backend.danger.levels import Level
from backend.danger.rules import NOTHING, Assessment
from language import embedding as embeddings
from language import normalise
from language.embedding import Embedding
from language.model import Model

log = logging.getLogger("koll.danger")

_SENTENCE = re.compile(r"[^.!?…\n]+[.!?…\n]*")
_SHORTEST = 3  # words: less is read with the sentence before
_LONGEST = 16  # words: who never ends a sentence is read in stretches
_OVERLAP = 8  # words of a stretch that the next one has too
_LOOKED_AT = 4  # sentences of a text that are read with the vectors, the likeliest first
_FRAGMENT = 6  # words: a message this short, or one after such a one, is also read with the ones before
_REMEMBERED = 3  # messages


@dataclass(frozen=True, slots=True)
class Cuts:
    """From which probability the model speaks."""

    card: float
    """Of danger now (A0): the emergency card."""
    check: float
    """Of danger now or today (A0, A1): the safety check."""
    part: float
    """What a sentence of a longer text, or fragments put together, must have more than a whole message."""


class DangerModel:
    """Thread-safe; holds nothing of what it reads."""

    def __init__(self, model: Model, cuts: Cuts, embedding: Embedding | None) -> None:
        self._model = model
        self._cuts = cuts
        self._embedding = None if embedding is None else embeddings.Recent(embedding)
        self._now = np.array([label.startswith("A0") for label in model.labels])
        self._acute = np.array([label.startswith(("A0", "A1")) for label in model.labels])
        self._category = np.array(
            [label[3:] if acute else "" for label, acute in zip(model.labels, self._acute, strict=True)]
        )

    @classmethod
    def load(cls, directory: Path, embedding: Embedding | None) -> "DangerModel":
        """Read what the trainer wrote. Raises `OSError`, `KeyError` or `ValueError` if it is not whole."""
        told = json.loads((directory / "cuts.json").read_text(encoding="utf-8"))
        model = Model.load(directory)
        fitting = embedding if model.fits(embedding) else None
        cuts = told["cuts"]["words_only" if fitting is None else "with_vectors"]
        return cls(model, Cuts(**cuts), fitting)

    def assess(self, text: str, previous: Sequence[str] = ()) -> Assessment:
        """The danger that ``text`` is likely to speak of, alone or as the rest of earlier messages.

        ``rule`` is ``model-<category>-<level>:<probability>``. The same input gives the same
        answer; no ``str`` raises.
        """
        tidied = normalise.tidy(text)
        if not tidied:
            return NOTHING
        found = self._found(self._probabilities(tidied), 0.0)
        for part in self._suspicious(text):
            found = max(found, self._found(self._probabilities(part), self._cuts.part), key=_level)
        if found.level is None and previous:
            found = self._together(tidied, previous)
        return found

    def vector(self, text: str) -> dict[str, str] | None:
        """The text's sentence vector as the assistant takes it, so that it need not make it again."""
        tidied = normalise.tidy(text)
        if self._embedding is None or not tidied:
            return None
        return embeddings.written(self._embedding.name, self._embedding.embed([tidied])[0])

    def _together(self, tidied: str, previous: Sequence[str]) -> Assessment:
        """Danger told in pieces: only what no earlier message told alone."""
        earlier = [normalise.tidy(old) for old in previous[-_REMEMBERED:]]
        follower, pieces = tidied, [tidied]
        for old in reversed(earlier):
            if not old or min(len(old.split()), len(follower.split())) > _FRAGMENT:
                break
            pieces.insert(0, old)
            follower = old
        if len(pieces) == 1:
            return NOTHING
        joined = self._found(self._probabilities(" ".join(pieces)), self._cuts.part)
        if joined.level is None:
            return NOTHING
        before = self._found(self._probabilities(" ".join(pieces[:-1])), 0.0)
        return joined if _level(joined) > _level(before) else NOTHING

    def _suspicious(self, text: str) -> Iterator[str]:
        """The sentences of a longer text that words and letters alone find likeliest to speak of danger."""
        sentences = list(dict.fromkeys(_sentences(text)))
        if len(sentences) < 2:
            return
        scored = [(float(self._model.probabilities(one, None)[self._acute].sum()), one) for one in sentences]
        scored.sort(key=lambda pair: -pair[0])
        for probability, sentence in scored[:_LOOKED_AT]:
            if probability >= self._cuts.check / 2:
                yield sentence

    def _probabilities(self, tidied: str) -> np.ndarray:
        vector = None if self._embedding is None else self._embedding.embed([tidied])[0]
        return self._model.probabilities(tidied, vector)

    def _found(self, probabilities: np.ndarray, more: float) -> Assessment:
        now = float(probabilities[self._now].sum())
        acute = float(probabilities[self._acute].sum())
        if now >= self._cuts.card + more * (1 - self._cuts.card):
            level, among, probability = Level.A0, self._now, now
        elif acute >= self._cuts.check + more * (1 - self._cuts.check):
            level, among, probability = Level.A1, self._acute, acute
        else:
            return NOTHING
        category = str(self._category[int(np.where(among, probabilities, -1).argmax())])
        return Assessment(level, category, f"model-{category.lower()}-{level.name.lower()}:{probability:.2f}", "")


@cache
def heard(directory: Path, embedding: str) -> DangerModel | None:
    """The model in ``directory`` with the embedding of that name, once a process; None if it cannot be had.

    Danger must be looked for also where the model is damaged or missing, by the rules.
    """
    try:
        return DangerModel.load(directory, embeddings.load(embedding))
    except (OSError, KeyError, ValueError, BadZipFile) as error:
        log.error("the danger model cannot be used, the rules work alone: %s", type(error).__name__)
        return None


def _level(found: Assessment) -> int:
    return found.level or 0


def _sentences(text: str) -> Iterator[str]:
    """Tidied sentences. A very short one goes with its neighbour; who never ends one is read in stretches."""
    held = ""
    for match in _SENTENCE.finditer(text):
        for sentence in _stretches(match[0]):
            if min(len(held.split()), len(sentence.split())) >= _SHORTEST:
                yield held
                held = sentence
            else:
                held = f"{held} {sentence}".strip()
    if held:
        yield held


def _stretches(sentence: str) -> Iterator[str]:
    words = sentence.split()
    if len(words) > 2 * _LONGEST:
        for start in range(0, len(words) - _OVERLAP, _LONGEST - _OVERLAP):
            yield normalise.tidy(" ".join(words[start : start + _LONGEST]))
        words = words[-_OVERLAP:]
    yield normalise.tidy(" ".join(words))
