"""Keep what was not understood, let staff say what it meant, give it back as training lines.

`note`, `picked` and `forget` run inside the chat's own transactions; the rest is for staff.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec
from sqlalchemy.orm import Session

from backend.core import audit
from backend.core.audit import Tag
from backend.core.errors import InvalidField, NotFound
from backend.core.house import House
from backend.core.people import StaffMember
from backend.core.reader import Reader
from backend.core.vault import new_id
from backend.improving import repository, rules
from backend.improving.repository import AT_MOST
from backend.improving.rules import Guess
from backend.improving.tables import Misunderstood
from backend.improving.words import load_intents, load_masker


@dataclass(frozen=True, slots=True)
class Missed:
    """A typed message that the assistant was not sure of. ``ranking`` is its guesses, the surest first."""

    message_id: str
    text: str
    reader: Reader
    ranking: Sequence[Guess]


@dataclass(frozen=True, slots=True)
class Row:
    """One message in the list. ``picked`` and ``label`` are intents."""

    id: str
    text: str
    lang: str
    band: str | None
    guesses: list[Guess]
    picked: str | None
    label: str | None
    at: datetime


@dataclass(frozen=True, slots=True)
class Page:
    """A list with the number of rows in each half; ``more`` when the list does not show all."""

    rows: list[Row]
    more: bool
    unlabelled: int
    labelled: int


class Learning:
    """The improvement loop of one municipality. Raises `ContentError` at the start for faulty lists."""

    def __init__(self, house: House) -> None:
        content = house.settings.content_dir
        self._house = house
        self._on = house.municipality.improvement
        self._masker = load_masker(content, house.municipality)
        self.days = house.municipality.retention.misunderstood_days
        self.titles = load_intents(content)

    def note(self, session: Session, missed: Missed) -> None:
        """Keep a message in the caller's transaction, masked; the caller answers for there being no danger.

        Nothing happens when the municipality has switched this off, when the text is
        not to be kept (`Masker.keep`) or is like a return code, or when it is here already.
        """
        if not self._on or self._house.codes.listed(missed.text) >= rules.CODE_LIKE:
            return
        text = self._masker.keep(missed.text)
        if text is None or repository.of_message(session, missed.message_id) is not None:
            return
        vault, row_id = self._house.vault, new_id()
        data_key = vault.new_key()
        row = Misunderstood(
            id=row_id,
            message_id=missed.message_id,
            data_key=data_key,
            text=vault.seal(data_key, _place(row_id), text),
            lang=missed.reader.spoken,
            band=missed.reader.band,
            guesses=msgspec.json.encode(rules.best(missed.ranking, self.titles)).decode(),
            at=self._house.clock.now(),
        )
        session.add(row)

    def picked(self, session: Session, message_id: str, intent: str) -> None:
        """The person chose ``intent`` when asked what the message meant. Counts only if it was a guess."""
        row = repository.of_message(session, message_id)
        if row is not None and intent in {guess.intent for guess in _guesses(row)}:
            row.picked = intent

    def forget(self, session: Session, message_ids: Sequence[str]) -> None:
        """Delete what was kept of messages: danger has been noticed in their chat."""
        repository.forget_messages(session, message_ids)

    def open_to(self, staff: StaffMember) -> bool:
        """Whether there is a list for ``staff``."""
        return self._on and rules.may_learn(staff.role, active=staff.active)

    async def list_for(self, staff: StaffMember, *, labelled: bool) -> Page:
        """The newest messages with or without a label. Raises `NotFound`."""
        self._check(staff)

        def look(session: Session) -> Page:
            found = repository.newest(session, labelled=labelled)
            return Page([self._row(row) for row in found[:AT_MOST]], len(found) > AT_MOST, *repository.count(session))

        return await self._house.db.read(look)

    async def label(self, staff: StaffMember, row_id: str, intent: str) -> None:
        """Say what a message meant. Raises `NotFound`, and `InvalidField` for what is no intent."""
        self._check(staff)

        def say(session: Session) -> None:
            row = repository.find(session, row_id)
            if row is None:
                raise NotFound
            if intent not in self.titles:
                raise InvalidField("invalid", "intent")
            now = self._house.clock.now()
            row.label, row.labelled_by, row.labelled_at = intent, staff.id, now
            audit.record(session, now, Tag.MISUNDERSTOOD_LABELLED, row_id, actor=staff.id, detail=intent)

        await self._house.db.write(say)

    async def delete(self, staff: StaffMember, row_id: str) -> None:
        """Nothing to learn from: delete it at once. Raises `NotFound`."""
        self._check(staff)

        def drop(session: Session) -> None:
            row = repository.find(session, row_id)
            if row is None:
                raise NotFound
            session.delete(row)
            now = self._house.clock.now()
            audit.record(session, now, Tag.MISUNDERSTOOD_DELETED, row_id, actor=staff.id)

        await self._house.db.write(drop)

    async def export(self, staff: StaffMember) -> str:
        """All labelled messages as a Rasa NLU file. Raises `NotFound`."""
        self._check(staff)

        def collect(session: Session) -> str:
            rows = repository.all_labelled(session)
            labelled = [(row.label, self._text(row)) for row in rows if row.label in self.titles]
            now = self._house.clock.now()
            audit.record(session, now, Tag.MISUNDERSTOOD_EXPORTED, "", actor=staff.id, detail=str(len(labelled)))
            return rules.to_rasa([(label or "", text) for label, text in labelled], self._masker.placeholders)

        return await self._house.db.write(collect)

    async def purge(self) -> int:
        """Delete what has been kept long enough, or everything once this is switched off; returns how many."""
        before = self._house.clock.now() - rules.kept_for(self.days) if self._on else None
        return await self._house.db.write(lambda session: repository.forget_before(session, before))

    def _check(self, staff: StaffMember) -> None:
        if not self.open_to(staff):
            raise NotFound

    def _row(self, row: Misunderstood) -> Row:
        return Row(row.id, self._text(row), row.lang, row.band, _guesses(row), row.picked, row.label, row.at)

    def _text(self, row: Misunderstood) -> str:
        return self._house.vault.open(row.data_key, _place(row.id), row.text)


def _place(row_id: str) -> str:
    return f"misunderstood.text:{row_id}"


def _guesses(row: Misunderstood) -> list[Guess]:
    return msgspec.json.decode(row.guesses, type=list[Guess])
