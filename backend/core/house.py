"""One municipality's parts, built once by `backend.app.create_app` and handed to every feature."""

from __future__ import annotations

from dataclasses import dataclass

from backend.config import Settings
from backend.core.clock import Clock
from backend.core.codes import Codebook, CodeBrake
from backend.core.content import Phrases
from backend.core.db import Database
from backend.core.helplines import Helplines
from backend.core.live import Hub
from backend.core.municipality import Municipality
from backend.core.tongues import Tongues
from backend.core.translations import Translations
from backend.core.vault import Vault
from backend.core.wording import Wording


@dataclass(frozen=True, slots=True)
class House:
    """What a feature may reach for. No module-level state: one process can hold several houses."""

    settings: Settings
    db: Database
    vault: Vault
    clock: Clock
    phrases: Phrases
    municipality: Municipality
    helplines: Helplines
    tongues: Tongues
    translations: Translations
    codes: Codebook
    brake: CodeBrake
    live: Hub
    wording: Wording
