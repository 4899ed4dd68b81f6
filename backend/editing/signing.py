"""Use cases of whoever signs a translation: read a part beside the Swedish, and say that it holds.

A signature is for the texts as they were served when it was given, by their digest. A text that
changes, here or with an update, is not what was signed: the part is unsigned again by itself.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from backend.core import audit
from backend.core.audit import Tag
from backend.core.errors import Conflict, InvalidField, NotFound
from backend.core.house import House
from backend.core.people import Role, StaffMember
from backend.core.reader import Lang
from backend.core.translations import PARTS, Core, Part, Signature
from backend.core.vault import new_id
from backend.core.wording import Text
from backend.editing import repository
from backend.editing.tables import TranslationSignature

Texts = Mapping[tuple[str, str], Text]


@dataclass(frozen=True, slots=True)
class Piece:
    """One text of a part beside the Swedish, by variant as it is served. ``changed``: since somebody signed the part."""

    key: str
    kind: str
    swedish: Mapping[str, str]
    words: Mapping[str, str]
    changed: bool


@dataclass(frozen=True, slots=True)
class Signed:
    """Who has signed a part last, and which version: the beginning of the digest of its texts."""

    by: str
    at: datetime
    version: str
    count: int


@dataclass(frozen=True, slots=True)
class PartState:
    """A part of a language. ``holds``: it is signed as it is served now."""

    part: Part
    count: int
    missing: list[str]
    digest: str
    signed: Signed | None
    holds: bool


@dataclass(frozen=True, slots=True)
class LanguageState:
    """A language: what it calls itself, what the municipality has said of it, and its parts."""

    lang: Lang
    name: str
    swedish: str
    direction: str
    terms: str
    on: bool
    marked: bool
    parts: list[PartState]


class SigningDesk:
    """See the module. ``texts`` are those of the editor."""

    def __init__(self, house: House, texts: Texts) -> None:
        self._house = house
        self._texts = texts
        self._core = Core.load(house.settings.content_dir)
        self._by_part: dict[tuple[Lang, Part], list[Text]] = {}
        for (key, lang), text in texts.items():
            part = self._core.part(key)
            if part is not None and lang in house.translations.all:
                self._by_part.setdefault((lang, part), []).append(text)

    def open_to(self, staff: StaffMember) -> bool:
        """Whether this person signs translations."""
        return staff.active and staff.has(Role.EDITOR) and bool(self._house.translations.all)

    async def reload(self) -> None:
        """Let the pages know what is signed as it is served now."""
        newest = await self._house.db.read(repository.signatures)
        self._house.translations.publish({lang: self._signature(lang, newest) for lang in self._house.translations.all})

    def missing(self, lang: Lang) -> dict[Part, list[str]]:
        """Keys that the language needs and has not, by part."""
        swedish = {key for key, known in self._texts if known == "sv" or key.startswith("card.")}
        return self._core.missing(swedish, (key for key, known in self._texts if known == lang))

    async def languages(self, staff: StaffMember) -> list[LanguageState]:
        """Every translation, the ones that visitors can choose first. Raises `NotFound`."""
        self._admit(staff)
        newest = await self._house.db.read(repository.signatures)
        found = [self._language(lang, newest) for lang in self._house.translations.all]
        return sorted(found, key=lambda one: (not one.on, one.swedish))

    async def read(self, staff: StaffMember, lang: Lang, part: str) -> tuple[LanguageState, PartState, list[Piece]]:
        """A part beside the Swedish. Raises `NotFound`."""
        self._admit(staff)
        if lang not in self._house.translations.all or part not in PARTS:
            raise NotFound
        newest = await self._house.db.read(repository.signatures)
        language = self._language(lang, newest)
        state = next(one for one in language.parts if one.part == part)
        signed = newest.get((lang, part))
        known: dict[str, str] = json.loads(signed[0].texts) if signed is not None else {}
        pieces = [
            Piece(
                text.key,
                text.kind,
                self._served("sv", text.key),
                self._served(lang, text.key),
                signed is not None and known.get(text.key) != self._digest(text),
            )
            for text in self._by_part.get((lang, state.part), [])
        ]
        return language, state, pieces

    async def sign(self, staff: StaffMember, lang: Lang, part: str, digest: str) -> None:
        """Say that a part has been read and holds, as it stood with ``digest``.

        Raises `NotFound`, `InvalidField` ``incomplete`` while texts are missing, and `Conflict` when a text
        has been changed since it was shown.
        """
        _, state, _ = await self.read(staff, lang, part)
        if state.missing:
            raise InvalidField("incomplete", "part")
        if digest != state.digest:
            raise Conflict
        texts = {text.key: self._digest(text) for text in self._by_part.get((lang, state.part), [])}

        def add(session: Session) -> None:
            now = self._house.clock.now()
            before = repository.signatures(session).get((lang, part))
            session.add(
                TranslationSignature(
                    id=new_id(),
                    lang=lang,
                    part=part,
                    number=before[0].number + 1 if before is not None else 1,
                    digest=digest,
                    texts=json.dumps(texts),
                    signed_at=now,
                    signed_by=staff.id,
                )
            )
            audit.record(session, now, Tag.TRANSLATION_SIGNED, lang, actor=staff.id, detail=f"{part} {digest[:12]}")

        try:
            await self._house.db.write(add)
        except IntegrityError:  # signed by somebody else in the same moment
            raise Conflict from None
        await self.reload()

    def _admit(self, staff: StaffMember) -> None:
        if not self.open_to(staff):
            raise NotFound

    def _served(self, lang: Lang, key: str) -> dict[str, str]:
        text = self._texts.get((key, lang))
        if text is None:
            return {}
        return {**text.variants, **self._house.wording.over(key, lang)}

    def _digest(self, text: Text) -> str:
        return _digest(sorted(self._served(text.lang, text.key).items()))[:16]

    def _language(self, lang: Lang, newest: repository.Signatures) -> LanguageState:
        translations, missing = self._house.translations, self.missing(lang)
        return LanguageState(
            lang=lang,
            name=translations.name(lang),
            swedish=self._house.tongues.interpreter(lang),
            direction=translations.direction(lang),
            terms=translations.terms(lang),
            on=lang in translations.on,
            marked=translations.marked(lang),
            parts=[self._part(lang, part, missing.get(part, []), newest) for part in PARTS],
        )

    def _part(self, lang: Lang, part: Part, missing: list[str], newest: repository.Signatures) -> PartState:
        digest, found = self._digest_of(lang, part), newest.get((lang, part))
        signed = None
        if found is not None:
            row, name = found
            signed = Signed(name, row.signed_at, row.digest[:8], len(json.loads(row.texts)))
        holds = found is not None and found[0].digest == digest and not missing
        return PartState(part, len(self._by_part.get((lang, part), [])), missing, digest, signed, holds)

    def _digest_of(self, lang: Lang, part: Part) -> str:
        texts: Iterable[Text] = self._by_part.get((lang, part), [])
        return _digest(sorted((text.key, self._digest(text)) for text in texts))

    def _signature(self, lang: Lang, newest: repository.Signatures) -> Signature:
        missing = self.missing(lang)
        states = [self._part(lang, part, missing.get(part, []), newest) for part in PARTS]
        return Signature(all(one.signed is not None for one in states), all(one.holds for one in states))


def _digest(of: object) -> str:
    return hashlib.sha256(json.dumps(of, ensure_ascii=False).encode()).hexdigest()
