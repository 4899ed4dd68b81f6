"""Use cases of the content editor: find a text, write a version, see it, publish it, take it back.

What is published is served from the next request on, by every page and by the assistant,
without a restart. If the database is away, what was published last goes on being served.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from backend.core import audit
from backend.core.audit import Tag
from backend.core.clock import to_local
from backend.core.errors import Conflict, InvalidField, NotFound
from backend.core.helplines import FIELDS
from backend.core.house import House
from backend.core.people import Role, StaffMember
from backend.core.readability import NeverSay, measure
from backend.core.reader import Band
from backend.core.vault import new_id
from backend.core.wording import DEFAULT, FORMS, WORD, About, Place, Text, child_reads, forms_in
from backend.editing import repository, rules
from backend.editing.rules import Checked
from backend.editing.signing import SigningDesk
from backend.editing.tables import DRAFT, PUBLISHED, WITHDRAWN, TextVersion

CHILDREN: tuple[Band, ...] = ("10-12", "13-17")
"""Where a word of the word list has the explanation for children."""
SHOWN = 200
"""Texts in one list; a search narrows it."""


@dataclass(frozen=True, slots=True)
class Row:
    """A text in the list. ``state`` is ``draft``, ``published``, or ``file`` for one that nobody has changed."""

    key: str
    lang: str
    kind: str
    sample: str
    owner: str
    reviewed: date | None
    state: str
    stale: bool


@dataclass(frozen=True, slots=True)
class Listing:
    """Rows, and how many there are beyond those; how many of all are stale, and how many have a draft."""

    rows: list[Row]
    more: int
    stale: int
    drafts: int


@dataclass(frozen=True, slots=True)
class Version:
    """One wording in a text's history."""

    id: str
    variant: str
    number: int
    state: str
    text: str
    source: str
    owner: str
    reviewed: date
    valid_from: date | None
    valid_to: date | None
    written_at: datetime
    written_by: str
    published_at: datetime | None


@dataclass(frozen=True, slots=True)
class Variant:
    """One variant as the editor meets it.

    ``original`` is the file's text, ``now`` what is served, ``text`` what stands in the field: the draft, if
    there is one. ``base`` is the number that a new version follows.
    """

    name: str
    original: str
    now: str
    text: str
    base: int
    draft: Version | None
    checked: Checked


@dataclass(frozen=True, slots=True)
class Opened:
    """A text in one language with its history, the newest first. ``added`` is a word that no file has: it is explained
    to visitors once all its variants are published.
    """

    key: str
    lang: str
    langs: list[str]
    kind: str
    about: About
    variants: list[Variant]
    history: list[Version]
    added: bool = False

    def read_by(self, band: Band, drafts: Mapping[str, str]) -> str:
        """What a reader of the band would meet, with ``drafts`` by variant in the place of what is in the fields."""
        texts = {variant.name: variant.text for variant in self.variants} | dict(drafts)
        grown = band in ("adult", "parent")
        for name in (band, "adult" if grown else "child", DEFAULT, *(() if grown else CHILDREN)):
            if texts.get(name):
                return texts[name]
        return ""


@dataclass(frozen=True, slots=True)
class NewWord:
    """A word for the word list, as it was sent. ``forms`` are its inflections with commas between, the dictionary form first."""

    lang: str
    forms: str
    child: str
    adult: str
    source: str = ""
    owner: str = ""


@dataclass(frozen=True, slots=True)
class Edit:
    """A new wording as it was sent. ``base`` is the number of the version that it was written after."""

    text: str
    base: int
    source: str
    owner: str
    valid_from: date | None = None
    valid_to: date | None = None


class EditingDesk:
    """See the module. ``sources`` give every text that can be edited, as the files have it; ``forms`` those of the
    words that the word list explains now, by language, each with the key of its text.
    """

    def __init__(
        self,
        house: House,
        sources: Sequence[Callable[[], Iterable[Text]]],
        explained: Iterable[str],
        forms: Callable[[], Mapping[str, Mapping[str, str]]] = dict,
    ) -> None:
        self._house = house
        self._never = NeverSay.load(house.settings.content_dir)
        self._explained = frozenset(explained)
        self._forms = forms
        self._files: Mapping[tuple[str, str], Text] = {
            (text.key, text.lang): text for source in sources for text in source()
        }
        self._texts = self._files
        self.signing = SigningDesk(house, self._files)
        self.word_langs = sorted({text.lang for text in self._files.values() if text.kind == "word"}, reverse=True)

    def open_to(self, staff: StaffMember) -> bool:
        """Whether this person edits texts."""
        return staff.active and staff.has(Role.EDITOR)

    async def reload(self) -> None:
        """Serve what counts today; asked for after each change and once a minute, since dates begin and end."""
        today = self._today()
        found = await self._house.db.read(lambda session: repository.published(session, today))
        await self._find_words()
        self._house.wording.publish(
            (place, row.text) for place, row in found.items() if (place.key, place.lang) in self._texts
        )
        await self.signing.reload()

    async def listing(self, staff: StaffMember, search: str = "", only: str = "") -> Listing:
        """Texts whose key or words hold ``search``; ``only`` is ``stale``, ``draft``, ``published``, ``helpline``, ``word`` or empty. Raises `NotFound`."""
        self._admit(staff)
        await self._find_words()
        today = self._today()
        drafts, published = await self._house.db.read(
            lambda session: (repository.drafts(session), repository.published(session, today))
        )
        rows = [self._row(text, drafts, published) for text in self._texts.values()]
        wanted = search.casefold().strip()
        found = [
            row
            for row in rows
            if (not wanted or wanted in row.key or any(wanted in words for words in self._words(row, drafts)))
            and (only != "stale" or row.stale)
            and (only not in (DRAFT, PUBLISHED) or row.state == only)
            and (only not in ("helpline", "word") or row.kind == only)
            # A line's fields are in Swedish; its notes in other languages are a link away from there.
            and (only != "helpline" or row.lang == "sv")
        ]
        return Listing(
            found[:SHOWN],
            max(0, len(found) - SHOWN),
            sum(row.stale for row in rows),
            sum(row.state == DRAFT for row in rows),
        )

    async def open(self, staff: StaffMember, key: str, lang: str) -> Opened:
        """A text with every variant and version. Raises `NotFound`."""
        self._admit(staff)
        await self._find_words()
        text = self._known(key, lang)
        rows = await self._house.db.read(lambda session: repository.of_key(session, key))
        history = [_version(row, name) for row, name in rows if row.lang == lang]
        return Opened(
            key=key,
            lang=lang,
            langs=[other for known, other in self._texts if known == key],
            kind=text.kind,
            about=self._about(text, history),
            variants=[
                self._variant(text, name, original, [version for version in history if version.variant == name])
                for name, original in text.variants.items()
            ],
            history=history,
            added=(key, lang) not in self._files,
        )

    def check(self, key: str, lang: str, variant: str, text: str) -> Checked:
        """What is wrong with a wording. Raises `NotFound` for a place that is none."""
        known = self._known(key, lang)
        if variant not in known.variants:
            raise NotFound
        if variant == FORMS:
            problems = rules.form_problems(text, self._forms().get(lang, {}), key)
            return Checked(tuple(problems), measure(text))
        checked = rules.check(
            text,
            known.variants[variant],
            lang=lang,
            variant=variant,
            kind=known.kind,
            explained=self._explained,
            never=self._never,
        )
        if known.kind == "helpline" and variant in FIELDS and checked.fit:
            fields = {**known.variants, **self._house.wording.over(key, lang), variant: text}
            return Checked(tuple(rules.line_problems(fields, self._today())), checked.figures)
        return checked

    async def save(self, staff: StaffMember, place: Place, edit: Edit) -> None:
        """Keep a draft. Raises `NotFound`, `InvalidField`, and `Conflict` when somebody has written since ``edit.base``."""
        self._admit(staff)
        text = edit.text.replace("\r\n", "\n").strip()
        if self._known(place.key, place.lang).variants.get(place.variant) is None:
            raise NotFound
        if not text:
            raise InvalidField("empty", "text")
        if len(text) > rules.LONGEST:
            raise InvalidField("too_long", "text")
        if edit.valid_from and edit.valid_to and edit.valid_to <= edit.valid_from:
            raise InvalidField("ends_first", "valid_to")

        def keep(session: Session) -> None:
            now = self._house.clock.now()
            before = repository.newest(session, place)
            if edit.base != (before.number if before else 0):
                raise Conflict
            self._add(session, staff, place, edit, text, DRAFT, now)
            audit.record(session, now, Tag.TEXT_WRITTEN, place.key, actor=staff.id, detail=_where(place))

        try:
            await self._house.db.write(keep)
        except IntegrityError:  # the same number, written in the same moment by somebody else
            raise Conflict from None

    async def add_word(self, staff: StaffMember, word: NewWord) -> str:
        """Begin a word in the word list, with drafts of its forms and both explanations; returns its key.

        Raises `NotFound` for a language without a word list, and `InvalidField` with the field for what is empty,
        too long, no word, or explained already, also by somebody in the same moment.
        """
        self._admit(staff)
        await self._find_words()
        if word.lang not in self.word_langs:
            raise NotFound
        parts = {FORMS: word.forms, child_reads(word.lang): word.child, "adult": word.adult}
        for field, text in (("forms", word.forms), ("child", word.child), ("adult", word.adult)):
            if not text.strip():
                raise InvalidField("empty", field)
            if len(text) > rules.LONGEST:
                raise InvalidField("too_long", field)
        for problem, _ in rules.form_problems(word.forms, self._forms().get(word.lang, {}), ""):
            raise InvalidField(problem, "forms")
        key = WORD + rules.word_id(forms_in(word.forms)[0])
        if (key, word.lang) in self._texts or key == WORD:
            raise InvalidField("form_taken", "forms")

        def begin(session: Session) -> None:
            now = self._house.clock.now()
            for variant, text in parts.items():
                place = Place(key, word.lang, variant)
                before = repository.newest(session, place)
                if before is not None and before.state != WITHDRAWN:  # added since we looked
                    raise InvalidField("form_taken", "forms")
                edit = Edit(text, before.number if before else 0, word.source, word.owner)
                self._add(session, staff, place, edit, text.strip(), DRAFT, now)
            audit.record(session, now, Tag.TEXT_WRITTEN, key, actor=staff.id, detail=word.lang)

        try:
            await self._house.db.write(begin)
        except IntegrityError:  # the same word, added in the same moment by somebody else
            raise InvalidField("form_taken", "forms") from None
        return key

    async def publish(self, staff: StaffMember, version_id: str) -> None:
        """Serve a draft from now on. Raises `NotFound`, `InvalidField` ``unfit`` for what fails the checks, `Conflict`."""
        self._admit(staff)

        def make_public(session: Session) -> None:
            version = session.get(TextVersion, version_id)
            if version is None:
                raise NotFound
            place = Place(version.key, version.lang, version.variant)
            if not self.check(*place, version.text).fit:
                raise InvalidField("unfit", "text")
            newest = repository.newest(session, place)
            now = self._house.clock.now()
            if newest is None or newest.id != version_id or not repository.publish(session, version_id, staff.id, now):
                raise Conflict
            audit.record(session, now, Tag.TEXT_PUBLISHED, version.key, actor=staff.id, detail=_where(place))

        await self._house.db.write(make_public)
        await self.reload()

    async def reviewed(self, staff: StaffMember, key: str, lang: str) -> None:
        """Somebody has read the text and it still holds: every variant as it is served now gets today's date.

        A helpline is called or opened instead of read: it counts as checked, for half a year from today.
        """
        self._admit(staff)
        opened = await self.open(staff, key, lang)
        renewed = rules.checked_today(self._today()) if opened.kind == "helpline" else {}

        def confirm(session: Session) -> None:
            now = self._house.clock.now()
            for variant in opened.variants:
                if not variant.now:
                    continue
                place = Place(key, lang, variant.name)
                if variant.draft is not None:
                    raise Conflict
                text = renewed.get(variant.name, variant.now)
                edit = Edit(text, variant.base, opened.about.source, opened.about.owner)
                self._add(session, staff, place, edit, text, PUBLISHED, now)
            audit.record(session, now, Tag.TEXT_REVIEWED, key, actor=staff.id, detail=lang)

        try:
            await self._house.db.write(confirm)
        except IntegrityError:
            raise Conflict from None
        await self.reload()

    async def discard(self, staff: StaffMember, version_id: str) -> None:
        """Take back a draft or a published version; what counted before it counts again. Raises `NotFound`, `Conflict`."""
        self._admit(staff)

        def take_back(session: Session) -> None:
            version = session.get(TextVersion, version_id)
            if version is None:
                raise NotFound
            if version.state == WITHDRAWN:
                raise Conflict
            version.state = WITHDRAWN
            place = Place(version.key, version.lang, version.variant)
            now = self._house.clock.now()
            audit.record(session, now, Tag.TEXT_WITHDRAWN, version.key, actor=staff.id, detail=_where(place))

        await self._house.db.write(take_back)
        await self.reload()

    async def _find_words(self) -> None:
        """Know the words that editors have added, which no file has."""
        added = await self._house.db.read(repository.added_words)
        words = {
            place: Text(*place, "word", {FORMS: "", child_reads(place[1]): "", "adult": ""})
            for place in added
            if place not in self._files
        }
        self._texts = {**self._files, **words}

    def _variants(self, text: Text) -> list[str]:
        """The variants that there are; a file says "" of one that it has not."""
        added = (text.key, text.lang) not in self._files
        return [name for name, words in text.variants.items() if words or added]

    def _admit(self, staff: StaffMember) -> None:
        if not self.open_to(staff):
            raise NotFound

    def _known(self, key: str, lang: str) -> Text:
        text = self._texts.get((key, lang))
        if text is None:
            raise NotFound
        return text

    def _today(self) -> date:
        return to_local(self._house.clock.now()).date()

    def _add(
        self, session: Session, staff: StaffMember, place: Place, edit: Edit, text: str, state: str, now: datetime
    ) -> None:
        public = state == PUBLISHED
        session.add(
            TextVersion(
                id=new_id(),
                key=place.key,
                lang=place.lang,
                variant=place.variant,
                number=edit.base + 1,
                state=state,
                text=text,
                source=edit.source.strip(),
                owner=edit.owner.strip(),
                reviewed=self._today(),
                valid_from=edit.valid_from,
                valid_to=edit.valid_to,
                written_at=now,
                written_by=staff.id,
                published_at=now if public else None,
                published_by=staff.id if public else None,
            )
        )
        session.flush()

    def _row(self, text: Text, drafts: Mapping[Place, TextVersion], published: Mapping[Place, TextVersion]) -> Row:
        places = [Place(text.key, text.lang, name) for name in self._variants(text)]
        live = [published[place] for place in places if place in published]
        # A text is as old as the oldest of its variants.
        dates = [published[place].reviewed if place in published else text.about.reviewed for place in places]
        reviewed = min((day for day in dates if day), default=None) if all(dates) else None
        state = PUBLISHED if live else "file"
        return Row(
            key=text.key,
            lang=text.lang,
            kind=text.kind,
            sample=next((words for words in text.variants.values() if words), _first(places, drafts, published)),
            owner=next((version.owner for version in live if version.owner), text.about.owner),
            reviewed=reviewed,
            state=DRAFT if any(place in drafts for place in places) else state,
            stale=self._stale(text, reviewed),
        )

    def _stale(self, text: Text, reviewed: date | None) -> bool:
        """Whether somebody must read the text again, or call the line: a line says itself until when it is checked."""
        if text.kind == "helpline" and text.lang == "sv":
            return self._house.helplines.is_stale(text.key.partition(".")[2], self._today())
        return rules.is_stale(reviewed, self._today(), self._house.municipality.review_months)

    def _words(self, row: Row, drafts: Mapping[Place, TextVersion]) -> Iterable[str]:
        text, over = self._texts[row.key, row.lang], self._house.wording.over(row.key, row.lang)
        for name, original in text.variants.items():
            draft = drafts.get(Place(row.key, row.lang, name))
            yield from (original.casefold(), over.get(name, "").casefold(), draft.text.casefold() if draft else "")

    def _variant(self, text: Text, name: str, original: str, versions: Sequence[Version]) -> Variant:
        newest = versions[0] if versions else None
        draft = newest if newest is not None and newest.state == DRAFT else None
        now = self._house.wording.over(text.key, text.lang).get(name, original)
        field = draft.text if draft else now
        return Variant(
            name=name,
            original=original,
            now=now,
            text=field,
            base=newest.number if newest else 0,
            draft=draft,
            checked=self.check(text.key, text.lang, name, field),
        )

    def _about(self, text: Text, history: Sequence[Version]) -> About:
        written = next((version for version in history if version.state != WITHDRAWN), None)
        if written is None:
            return text.about
        return About(
            written.source or text.about.source,
            written.owner or text.about.owner,
            written.reviewed,
            written.valid_from or text.about.valid_from,
            written.valid_to or text.about.valid_to,
        )


def _first(places: Iterable[Place], *found: Mapping[Place, TextVersion]) -> str:
    return next((versions[place].text for place in places for versions in found if place in versions), "")


def _where(place: Place) -> str:
    return f"{place.lang}/{place.variant}"


def _version(row: TextVersion, name: str) -> Version:
    return Version(
        row.id,
        row.variant,
        row.number,
        row.state,
        row.text,
        row.source,
        row.owner,
        row.reviewed,
        row.valid_from,
        row.valid_to,
        row.written_at,
        name,
        row.published_at,
    )
