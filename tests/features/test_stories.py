"""Promise: told once, in the person's own words; read by those whom the law or the person lets in, and by nobody else; never unknown to the person."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa

from backend.concerns.service import ConcernDesk
from backend.concerns.tables import Concern
from backend.core import access, codes
from backend.core.access import From, Kind
from backend.core.audit import AuditEvent, Tag
from backend.core.codes import ReturnCode
from backend.core.db import Base
from backend.core.errors import Conflict, EmptyText, InvalidField, KeyReused, NotFound, TextTooLong, WrongCode
from backend.core.house import House
from backend.core.live import Event
from backend.core.outbox import OutboxMessage
from backend.core.people import Role, StaffMember
from backend.core.reader import Reader
from backend.core.text import STORY_LIMIT
from backend.stories.reading import Sharing, StoryReading
from backend.stories.repository import readable_by
from backend.stories.service import (
    DraftChanged,
    Mine,
    Piece,
    SentAlready,
    StoryDesk,
    Telling,
    first_screen_version,
    topic,
    unit_topic,
)
from backend.stories.tables import SecrecyConsent, Story, StoryPart
from tests.conftest import ManualClock

CANARY = "Kanariefågeln sjunger när pappa dricker"
CHILD = Reader("child", "10-12")
TOLD = Telling(
    [Piece(CANARY), Piece("Det händer varje fredag."), Piece("Jag är rädd för gubben i femman.")],
    CHILD,
    "sv:10-12:0123456789ab",
    about="me",
    now="no",
    key="k" * 32,
)
HONOUR = replace(TOLD, danger_level="A1", danger_category="D13")
TEXT = "sv:10-12:ba9876543210"


def run(work: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(work)


class Place:
    """A house with both sides of the stories."""

    def __init__(self, house: House, clock: ManualClock) -> None:
        self.house = house
        self.clock = clock
        self.concerns = ConcernDesk(house)
        self.desk = StoryDesk(house, self.concerns)
        self.reading = StoryReading(house, self.desk)

    def add(self, unit: str = "mottagning_barn", role: Role = Role.CASE_WORKER, **changes: Any) -> StaffMember:
        """A member of staff whose id is made of role, unit and an optional ``name``."""
        name = changes.pop("name", f"{role.value}-{unit}")
        member = StaffMember(
            id=name, login=name, first_name=name, role=role.value, unit=unit, password_hash="x",
            created_at=self.house.clock.now(), **{"mail": "", "active": True} | changes,
        )  # fmt: skip
        self.house.db.write_now(lambda session: session.add(member))
        return member

    def tell(self, telling: Telling = TOLD) -> str:
        """A sent story's id."""
        return str(run(self.desk.send(telling)).story_id)

    def mine(self, story: str) -> Mine:
        return run(self.desk.mine(story))  # type: ignore[no-any-return]

    def let(self, story: str, unit: str, *numbers: int) -> None:
        """Say yes to a unit for the parts with these numbers, beside what has been said yes to."""
        mine = self.mine(story)
        wished = {(row.unit, part) for row in mine.circle for part in row.parts if not row.law}
        wished |= {(unit, part.id) for part in mine.parts if part.number in numbers}
        run(self.desk.choose(story, wished, mine.revision, TEXT))

    def seen(self, staff: StaffMember, story: str) -> list[str]:
        """The words that ``staff`` reads."""
        return [part.text for part in run(self.reading.open_for(staff, story)).parts]

    def count(self, table: type[Base]) -> int:
        found = self.house.db.read_now(lambda session: session.scalar(sa.select(sa.func.count()).select_from(table)))
        return found or 0

    def tags(self, subject: str) -> list[tuple[str, str]]:
        """Tag and detail of every deed with a story, oldest first."""

        def look(session: Any) -> list[tuple[str, str]]:
            query = sa.select(AuditEvent.tag, AuditEvent.detail).where(AuditEvent.subject == subject)
            return [(tag, detail) for tag, detail in session.execute(query.order_by(AuditEvent.id))]

        return self.house.db.read_now(look)

    def share(self, staff: StaffMember, story: str, **changes: Any) -> None:
        """Share part 1 with the unit against violence, which needs it for its work, unless ``changes`` say otherwise."""
        first = frozenset([self.mine(story).parts[0].id])
        wish = Sharing(unit="vald", outside="", ground="need", parts=first, reason="Hot i hemmet.")
        run(self.reading.share(staff, story, replace(wish, **changes)))


@pytest.fixture
def place(house: House, clock: ManualClock) -> Place:
    return Place(house, clock)


# Who may read: strangers first.


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize("unit", ["vuxen", "behandlare", "socialpsykiatri"])
def test_nobody_reads_without_a_yes_or_a_ground(place: Place, role: Role, unit: str) -> None:
    """Not to be opened, not in a list, not even known; and nothing is written down as read."""
    story, stranger = place.tell(), place.add(unit, role)
    assert [] == run(place.reading.list_for(stranger))
    assert not run(place.reading.may_read(stranger, story))
    for attempt in (
        place.reading.open_for(stranger, story),
        place.reading.summarise(stranger, story, "x", 0),
        place.reading.note_help(stranger, story, "talks", "self"),
        place.reading.end_share(stranger, story, "0" * 24),
    ):
        with pytest.raises(NotFound):
            run(attempt)
    with pytest.raises(NotFound):
        place.share(stranger, story)
    assert [Tag.STORY_SENT.value] == [tag for tag, _ in place.tags(story)]


def test_the_version_of_the_first_screen_tells_which_words_were_shown(house: House) -> None:
    """Each language level has one of its own, which names language and band."""
    versions = [first_screen_version(house.phrases, Reader("child", band)) for band in ("6-9", "10-12", "13-17")]
    assert ["sv:6-9", "sv:10-12", "sv:13-17"] == [version.rpartition(":")[0] for version in versions]
    assert 3 == len({version.rpartition(":")[2] for version in versions})


def test_a_draft_is_read_by_nobody(place: Place) -> None:
    """Not by the unit that would receive it, and not by its manager."""
    kept = run(place.desk.keep(TOLD))
    for member in (place.add(), place.add(role=Role.MANAGER)):
        with pytest.raises(NotFound):
            run(place.reading.open_for(member, kept.story_id))
    assert (0, 0) == (place.count(Concern), place.count(OutboxMessage))


def test_the_unit_that_the_law_makes_the_reader_reads_all(place: Place) -> None:
    """Word for word, in the person's own parts."""
    story = place.tell()
    assert [piece.text for piece in TOLD.pieces] == place.seen(place.add(), story)


@pytest.mark.parametrize("role", [Role.EDITOR, Role.ADMIN])
def test_an_editor_or_administrator_reads_nothing(place: Place, role: Role) -> None:
    """Neither in the receiving unit nor where the person has said yes: they work with words and logins."""
    story = place.tell()
    place.let(story, "behandlare", 1, 2, 3)
    for unit in ("mottagning_barn", "behandlare"):
        with pytest.raises(NotFound):
            run(place.reading.open_for(place.add(unit, role), story))


def test_somebody_who_has_left_reads_nothing(place: Place) -> None:
    """In the receiving unit and in a chosen one."""
    story = place.tell()
    place.let(story, "behandlare", 1)
    for unit in ("mottagning_barn", "behandlare"):
        leaver = place.add(unit, Role.THERAPIST, active=False)
        with pytest.raises(NotFound):
            run(place.reading.open_for(leaver, story))


def test_the_permission_is_part_of_the_query(place: Place) -> None:
    """Nothing can be fetched before it is asked."""
    staff = StaffMember(id="x", unit="vuxen", role="case_worker", also="", active=True)
    told = str(readable_by(staff, ["vuxen"], place.clock.now()).whereclause)
    assert "story_secrecy_consent.unit" in told and "withheld" in told


# Consent by unit and part.


def test_a_unit_reads_the_parts_that_the_person_chose(place: Place) -> None:
    """These and no others, with the same version and time as everybody; not the summary, not who else reads."""
    story, anna = place.tell(), place.add("behandlare", Role.THERAPIST)
    place.let(story, "behandlare", 2)
    place.let(story, "familjer", 1, 2, 3)
    run(place.reading.summarise(place.add(), story, "Pappa dricker", 0))
    seen = run(place.reading.open_for(anna, story))
    assert (["Det händer varje fredag."], False, "chosen") == ([part.text for part in seen.parts], seen.whole, seen.way)
    assert (0, [], "") == (seen.parts[0].number, seen.parts[0].readers, seen.summary.text)
    whole = run(place.reading.open_for(place.add(role=Role.MANAGER), story))
    assert (seen.version, seen.told_at) == (whole.version, whole.told_at) == (1, place.clock.now())
    both = {"Familjecenter", "Öppenvården"}
    assert [{"Familjecenter"}, both, {"Familjecenter"}] == [{one.unit for one in part.readers} for part in whole.parts]
    assert [(story, 1)] == [(row.id, row.parts) for row in run(place.reading.list_for(anna))]


def test_default_is_nobody(place: Place) -> None:
    """After sending, the only reader is the one that the law makes; outside its branch nobody even knows."""
    mine = place.mine(place.tell())
    assert [("mottagning_barn", True)] == [(row.unit, row.law) for row in mine.circle if row.law or row.parts]
    assert {"funktionshinder", "socialpsykiatri"} == {row.unit for row in mine.circle if row.apart}


def test_taking_back_works_on_the_next_request_and_stays_in_the_history(place: Place) -> None:
    """Unit by unit or part by part; that it was there is not forgotten."""
    story, anna = place.tell(), place.add("behandlare", Role.THERAPIST)
    place.let(story, "behandlare", 1, 2)
    mine = place.mine(story)
    run(place.desk.choose(story, {("behandlare", mine.parts[1].id)}, mine.revision, TEXT))
    assert ["Det händer varje fredag."] == place.seen(anna, story)
    run(place.desk.withdraw(story, "behandlare"))
    with pytest.raises(NotFound):
        run(place.reading.open_for(anna, story))
    assert [] == run(place.reading.list_for(anna))
    assert [
        (Tag.SECRECY_CONSENT_GIVEN, "behandlare 1,2"),
        (Tag.SECRECY_CONSENT_WITHDRAWN, "behandlare 1"),
        (Tag.STORY_READ, "chosen"),
        (Tag.SECRECY_CONSENT_WITHDRAWN, "behandlare 2"),
    ] == place.tags(story)[1:]
    assert (2, TEXT) == (place.count(SecrecyConsent), place.house.db.read_now(_one_text))


def _one_text(session: Any) -> str:
    return str(session.scalars(sa.select(SecrecyConsent.text_version)).first())


def test_open_windows_are_told_which_parts_are_gone(place: Place) -> None:
    """The unit that lost them hears which; other units hear nothing of it."""
    story = place.tell()
    place.let(story, "behandlare", 1, 3)
    place.let(story, "familjer", 1)
    first, _, third = (part.id for part in place.mine(story).parts)

    async def listen() -> tuple[list[Event], list[Event]]:
        live = place.house.live
        with (
            live.listen(unit_topic(story, "behandlare")) as theirs,
            live.listen(unit_topic(story, "familjer")) as others,
        ):
            await place.desk.withdraw(story, "behandlare")
            return await theirs.next(1), await others.next(0.01)

    assert ([Event("withdrawn", f"{first} {third}")], []) == run(listen())


def test_a_new_part_is_nobodys_until_the_person_says_so(place: Place) -> None:
    """Telling more makes a new version for all, and shows its words to the receiving unit only."""
    story, anna, karin = place.tell(), place.add("behandlare", Role.THERAPIST), place.add()
    place.let(story, "behandlare", 1, 2, 3)
    place.clock.forward(days=1)
    run(place.desk.add(story, ["Det blev värre i går."], "m" * 32, "", None))
    assert 3 == len(place.seen(anna, story))
    assert 4 == len(place.seen(karin, story))
    both = [run(place.reading.open_for(member, story)) for member in (anna, karin)]
    assert [(2, place.clock.now())] * 2 == [(seen.version, seen.told_at) for seen in both]


def test_a_picture_that_another_window_has_changed_is_refused_whole(place: Place) -> None:
    """Two windows: the second is told, and nothing it said has been done."""
    story = place.tell()
    mine = place.mine(story)
    part = mine.parts[0].id
    run(place.desk.choose(story, {("behandlare", part)}, mine.revision, TEXT))
    with pytest.raises(Conflict):
        run(place.desk.choose(story, {("familjer", part)}, mine.revision, TEXT))
    assert {"behandlare"} == {row.unit for row in place.mine(story).circle if row.parts}


def test_two_windows_at_once_give_one_yes(place: Place) -> None:
    """Whichever comes second finds the picture changed, or nothing to do."""
    story = place.tell()
    mine = place.mine(story)
    wished = {("behandlare", part.id) for part in mine.parts}

    async def both() -> list[Any]:
        tries = (place.desk.choose(story, wished, mine.revision, TEXT) for _ in range(6))
        return await asyncio.gather(*tries, return_exceptions=True)

    outcomes = run(both())
    assert [None] == [one for one in outcomes if not isinstance(one, Conflict)]
    assert 3 == place.count(SecrecyConsent)


@pytest.mark.parametrize("unit", ["brandkåren", "mottagning_barn", "", "' OR 1=1"])
def test_a_yes_to_a_unit_that_is_none_changes_nothing(place: Place, unit: str) -> None:
    """Unknown, gone, or the one that has it anyway: said by name, and the other choices are not half done."""
    story = place.tell()
    mine = place.mine(story)
    part = mine.parts[0].id
    with pytest.raises(InvalidField) as caught:
        run(place.desk.choose(story, {(unit, part), ("familjer", part)}, mine.revision, TEXT))
    assert ("unit_gone", "unit") == (caught.value.code, caught.value.extra["field"])
    assert 0 == place.count(SecrecyConsent)


def test_a_part_of_another_story_cannot_be_chosen(place: Place) -> None:
    """Nor one that is none."""
    story, other = place.tell(), place.tell(replace(TOLD, key="o" * 32))
    foreign, mine = place.mine(other).parts[0].id, place.mine(story)
    for part in (foreign, "0" * 24):
        with pytest.raises(InvalidField) as caught:
            run(place.desk.choose(story, {("familjer", part)}, mine.revision, TEXT))
        assert "part_unknown" == caught.value.code


def test_a_unit_that_is_gone_reads_nothing_and_can_be_taken_away(place: Place) -> None:
    """The unit leaves the municipality's file: its people read nothing, the person sees that nobody does."""
    units = place.house.municipality.units
    more = [*units, msgspec.structs.replace(units[-1], id="pilot", name="Pilot")]
    town = msgspec.structs.replace(place.house.municipality, units=more)
    before = Place(replace(place.house, municipality=town), place.clock)
    story, pia = before.tell(), before.add("pilot")
    before.let(story, "pilot", 1)
    assert [CANARY] == before.seen(pia, story)
    with pytest.raises(NotFound):
        run(place.reading.open_for(pia, story))
    row = next(row for row in place.mine(story).circle if row.unit == "pilot")
    assert (True, 1) == (row.gone, len(row.parts))
    mine = place.mine(story)
    run(place.desk.choose(story, {("familjer", mine.parts[0].id)}, mine.revision, TEXT))
    assert {"familjer", "pilot"} == {row.unit for row in place.mine(story).circle if row.parts}
    run(place.desk.withdraw(story, "pilot"))
    assert ["familjer"] == [row.unit for row in place.mine(story).circle if row.parts]


def test_a_yes_ends_with_the_code_that_could_take_it_back(place: Place) -> None:
    """Whoever cannot come back any more to say no is not taken to say yes; each opening counts anew."""
    words = run(place.desk.send(TOLD)).words
    story = run(place.desk.open(words, "s")).story_id
    anna = place.add("behandlare", Role.THERAPIST)
    place.let(story, "behandlare", 1)
    hours = place.house.municipality.retention.code_hours
    place.clock.forward(hours=hours - 1)
    assert "sent" == run(place.desk.open(words, "s")).state
    place.clock.forward(hours=hours - 1)
    assert [CANARY] == place.seen(anna, story)
    place.clock.forward(hours=2)
    with pytest.raises(NotFound):
        run(place.reading.open_for(anna, story))
    with pytest.raises(WrongCode):
        run(place.desk.open(words, "s"))


# Restricted and withheld.


def test_a_restricted_story_stays_restricted(place: Place) -> None:
    """Words of honour: a yes to another unit opens it for that unit's manager and not for everybody there."""
    story, karin, colleague = place.tell(HONOUR), place.add(name="karin"), place.add(name="colleague")
    with pytest.raises(NotFound):
        run(place.reading.open_for(karin, story))
    concern = run(place.desk.concerns(story))[0].id
    run(place.concerns.accept(karin, concern))
    assert 3 == len(place.seen(karin, story))
    with pytest.raises(NotFound):
        run(place.reading.open_for(colleague, story))
    place.let(story, "behandlare", 1)
    with pytest.raises(NotFound):
        run(place.reading.open_for(place.add("behandlare", Role.THERAPIST), story))
    assert [CANARY] == place.seen(place.add("behandlare", Role.MANAGER), story)


@pytest.mark.parametrize("kind", [Kind.STORY, Kind.PART, Kind.CONCERN])
def test_withheld_wins_over_a_yes(place: Place, kind: Kind) -> None:
    """ "Visa inte för ...": the parent's own therapist gets nothing of it, though the child's yes is to the whole unit."""
    story, karin = place.tell(), place.add()
    anna, samir = (place.add("behandlare", Role.THERAPIST, name=name) for name in ("anna", "samir"))
    place.let(story, "behandlare", 1, 2)
    subject = {
        Kind.STORY: story,
        Kind.PART: place.mine(story).parts[0].id,
        Kind.CONCERN: run(place.desk.concerns(story))[0].id,
    }[kind]

    def withhold(session: Any) -> None:
        vault, now = place.house.vault, place.clock.now()
        access.withhold(session, vault, now, karin, (kind, subject), (From.STAFF, anna.id), "Är pappans behandlare.")

    place.house.db.write_now(withhold)
    assert 2 == len(place.seen(samir, story))
    if kind is Kind.PART:
        assert ["Det händer varje fredag."] == place.seen(anna, story)
        assert [1] == [row.parts for row in run(place.reading.list_for(anna))]
    else:
        with pytest.raises(NotFound):
            run(place.reading.open_for(anna, story))
        assert [] == run(place.reading.list_for(anna))


# Sharing on a ground in the law.


def test_a_sharing_on_a_legal_ground_opens_its_parts_and_is_told(place: Place) -> None:
    """With paragraph, gate and reason kept, and on the person's page who got to know what, by whom and why."""
    story, karin, eva = place.tell(), place.add(), place.add("vald")
    place.share(karin, story)
    seen = run(place.reading.open_for(eva, story))
    assert ([CANARY], "shared", ["SoL 14:7"], False) == (
        [part.text for part in seen.parts], seen.way, seen.grounds, seen.hushed,
    )  # fmt: skip
    (share,) = run(place.reading.open_for(karin, story)).shares
    assert ("Våld i nära relation", "G1", [1], "Hot i hemmet.") == (
        share.receiver, share.gate, share.numbers, share.reason,
    )  # fmt: skip
    (told,) = place.mine(story).shares
    assert ("Våld i nära relation", "need", "SoL 14:7", [1], "case_worker", "Mottagning barn och unga") == (
        told.receiver, told.ground, told.paragraph, told.numbers, told.role, told.by_unit,
    )  # fmt: skip
    assert (Tag.STORY_SHARED, "need G1 vald") in place.tags(story)
    assert "Hot" not in repr(place.tags(story))


def test_only_that_there_is_contact_may_be_told_on_15_8(place: Place) -> None:
    """The other board learns that, and neither words nor who: not even whether it is a child."""
    story, karin, tua = place.tell(), place.add(), place.add("socialpsykiatri")
    with pytest.raises(InvalidField) as caught:
        place.share(karin, story, unit="socialpsykiatri", ground="that_current")
    assert "parts_unfit" == caught.value.code
    place.share(karin, story, unit="socialpsykiatri", ground="that_current", parts=frozenset())
    seen = run(place.reading.open_for(tua, story))
    assert ([], None, None, "") == (seen.parts, seen.who, seen.band, seen.summary.text)
    assert [(0, None)] == [(row.parts, row.who) for row in run(place.reading.list_for(tua))]
    assert [] == place.mine(story).shares[0].numbers


@pytest.mark.parametrize(
    ("change", "code", "field"),
    [
        ({"unit": ""}, "receiver_missing", "receiver"),
        ({"outside": "police"}, "receiver_missing", "receiver"),
        ({"unit": "", "outside": "press"}, "receiver_missing", "receiver"),
        ({"unit": "brandkåren"}, "unit_gone", "receiver"),
        ({"unit": "mottagning_barn"}, "own_unit", "receiver"),
        ({"ground": "because"}, "ground_unfit", "ground"),
        ({"ground": "no_harm"}, "ground_unfit", "ground"),
        ({"unit": "socialpsykiatri"}, "ground_unfit", "ground"),
        ({"unit": "vuxen", "ground": "report"}, "ground_unfit", "ground"),
        ({"unit": "", "outside": "police", "ground": "need"}, "ground_unfit", "ground"),
        ({"parts": frozenset()}, "parts_missing", "parts"),
        ({"parts": frozenset({"0" * 24})}, "parts_missing", "parts"),
        ({"reason": " \u200b"}, "empty", "reason"),
        ({"reason": "x" * 1001}, "too_long", "reason"),
        ({"hide": True}, "empty", "hidden"),
        ({"hide": True, "hidden": "Han slår."}, "not_allowed", "hidden"),
    ],
)
def test_a_sharing_that_the_law_does_not_carry_is_refused(
    place: Place, change: dict[str, Any], code: str, field: str
) -> None:
    """Nothing is opened, and the form is told which field."""
    story, karin = place.tell(), place.add()
    with pytest.raises(InvalidField) as caught:
        place.share(karin, story, **change)
    assert (code, field) == (caught.value.code, caught.value.extra["field"])
    assert [] == run(place.reading.open_for(karin, story)).shares


def test_a_safety_reason_keeps_sharing_and_reads_from_the_person_until_it_is_over(place: Place) -> None:
    """Decided by somebody who may, with a day to think again; told by a person, never by the calendar."""
    story, maria, eva = place.tell(), place.add(role=Role.MANAGER), place.add("vald")
    day = place.clock.now().date() + timedelta(days=7)
    place.share(maria, story, hide=True, hidden="Pappa läser i mobilen.", review_on=day)
    seen = run(place.reading.open_for(eva, story))
    assert (True, [CANARY]) == (seen.hushed, [part.text for part in seen.parts])
    assert ([], []) == (place.mine(story).shares, place.mine(story).reads)
    place.clock.forward(days=8)
    (share,) = run(place.reading.open_for(maria, story)).shares
    assert (True, "Pappa läser i mobilen.") == (share.overdue, share.hidden)
    assert [] == place.mine(story).shares
    run(place.reading.tell_now(maria, story, share.id))
    assert ["need"] == [told.ground for told in place.mine(story).shares]
    assert {"Våld i nära relation", "Mottagning barn och unga"} == {read.unit for read in place.mine(story).reads}
    assert not run(place.reading.open_for(eva, story)).hushed


@pytest.mark.parametrize("days", [None, 0, -1, 31, 4000])
def test_a_safety_reason_without_a_day_near_enough_is_refused(place: Place, days: int | None) -> None:
    """Nobody is kept in the dark without an end in sight."""
    story, maria = place.tell(), place.add(role=Role.MANAGER)
    day = None if days is None else place.clock.now().date() + timedelta(days=days)
    with pytest.raises(InvalidField) as caught:
        place.share(maria, story, hide=True, hidden="Fara.", review_on=day)
    assert "review_day" == caught.value.code


def test_only_who_decides_on_safety_lifts_it_or_keeps_it(place: Place) -> None:
    """A colleague without the degree can do neither; a qualified one can."""
    story, maria, karin = place.tell(), place.add(role=Role.MANAGER), place.add(name="karin")
    lisa = place.add(name="lisa", qualified=True)
    day = place.clock.now().date() + timedelta(days=7)
    place.share(maria, story, hide=True, hidden="Fara.", review_on=day)
    share = run(place.reading.open_for(maria, story)).shares[0].id
    for attempt in (
        place.reading.tell_now(karin, story, share),
        place.reading.hide_longer(karin, story, share, "Fortfarande.", day),
    ):
        with pytest.raises(InvalidField) as caught:
            run(attempt)
        assert "not_allowed" == caught.value.code
    run(place.reading.hide_longer(lisa, story, share, "Fortfarande farligt.", day + timedelta(days=7)))
    assert "Fortfarande farligt." == run(place.reading.open_for(karin, story)).shares[0].hidden
    with pytest.raises(InvalidField):
        run(place.reading.hide_longer(lisa, story, share, " ", day))


def test_an_ended_sharing_closes_and_stays_in_the_history(place: Place) -> None:
    """A share ends at once; the person sees until when."""
    story, karin, eva = place.tell(), place.add(), place.add("vald")
    place.share(karin, story)
    share = run(place.reading.open_for(karin, story)).shares[0].id
    run(place.reading.end_share(karin, story, share))
    with pytest.raises(NotFound):
        run(place.reading.open_for(eva, story))
    assert place.clock.now() == place.mine(story).shares[0].ended_at
    with pytest.raises(NotFound):
        run(place.reading.end_share(karin, story, "0" * 24))


def test_somebody_outside_is_written_down_and_reads_nothing_here(place: Place) -> None:
    """The police have no login; that they were told stands on the page."""
    story, karin = place.tell(), place.add()
    place.share(karin, story, unit="", outside="police", ground="weighed")
    assert ["police"] == [told.outside for told in place.mine(story).shares]


# The person's page.


def test_what_is_told_since_is_read_anew(place: Place) -> None:
    """A page that comes again is the same visit; one with more in it is not, and the teller sees both times."""
    story, karin = place.tell(), place.add()
    place.seen(karin, story)
    place.seen(karin, story)
    read = (Tag.STORY_READ.value, "whole")
    assert 1 == place.tags(story).count(read)
    place.clock.forward(minutes=1)
    run(place.desk.add(story, ["Det blev värre."], "m" * 32, TEXT, None))
    place.seen(karin, story)
    assert 2 == place.tags(story).count(read)


def test_the_page_says_who_has_read_and_when_by_role_and_unit(place: Place) -> None:
    """Once a day for each, the newest first; no name."""
    story = place.tell()
    karin, anna = place.add(name="Karin Karlsson"), place.add("behandlare", Role.THERAPIST)
    place.let(story, "behandlare", 1)
    for member in (karin, karin, anna):
        place.seen(member, story)
        place.clock.forward(minutes=40)
    place.clock.forward(days=1)
    place.seen(karin, story)
    reads = place.mine(story).reads
    assert [
        ("case_worker", "Mottagning barn och unga", False),
        ("therapist", "Öppenvården", False),
        ("case_worker", "Mottagning barn och unga", True),
    ] == [(read.role, read.unit, read.again) for read in reads]
    assert "Karlsson" not in repr(reads)


def test_a_reader_who_changes_unit_keeps_the_one_they_read_in(place: Place) -> None:
    """What the page says was true at the time."""
    story, karin = place.tell(), place.add()
    place.seen(karin, story)
    place.house.db.write_now(lambda session: setattr(session.get(StaffMember, karin.id), "unit", "vuxen"))
    assert ["Mottagning barn och unga"] == [read.unit for read in place.mine(story).reads]


def test_the_code_opens_the_page_and_tells_when_it_was_opened_before(place: Place) -> None:
    """The first time never, then the last time; case and dots forgiven."""
    words = run(place.desk.send(TOLD)).words
    first = run(place.desk.open(words.upper().replace("Å", "A"), "s"))
    assert ("story", "sent", None) == (first.kind, first.state, first.last_opened)
    place.clock.forward(days=2)
    assert place.clock.now() - timedelta(days=2) == run(place.desk.open(words, "s")).last_opened


def test_an_ended_page_is_closed_for_good_and_says_so_kindly(place: Place) -> None:
    """Every yes is taken back, what was sent stays with the unit, the words open nothing and are not called wrong."""
    sent = run(place.desk.send(TOLD))
    story, karin, anna = sent.story_id, place.add(), place.add("behandlare", Role.THERAPIST)
    place.let(story, "behandlare", 1)
    run(place.desk.end(story))
    with pytest.raises(NotFound):
        run(place.reading.open_for(anna, story))
    assert 3 == len(place.seen(karin, story))
    assert "closed" == run(place.desk.open(sent.words, "s")).state
    for attempt in (
        place.desk.mine(story),
        place.desk.end(story),
        place.desk.withdraw(story, "behandlare"),
        place.desk.add(story, ["x"], "y" * 32, "", None),
        place.desk.choose(story, set(), 1, TEXT),
    ):
        with pytest.raises(NotFound):
            run(attempt)
    opened = run(place.concerns.open_for(karin, sent.concern_id))
    assert not opened.answerable


def test_three_kinds_of_yes_are_three_things(place: Place) -> None:
    """Kept by law, read by consent, helped by another: none of them opens or ends another."""
    story, karin, anna = place.tell(), place.add(), place.add("behandlare", Role.THERAPIST)
    run(place.reading.note_help(karin, story, "talks", "self"))
    with pytest.raises(NotFound):
        run(place.reading.open_for(anna, story))
    place.let(story, "behandlare", 1)
    run(place.desk.withdraw(story, "behandlare"))
    mine = place.mine(story)
    assert ("public_task", [("talks", None)]) == (mine.basis, [(one.what, one.ended_at) for one in mine.help])
    run(place.desk.end_help(story, mine.help[0].id))
    assert place.clock.now() == place.mine(story).help[0].ended_at
    run(place.reading.note_help(karin, story, "talks", "custodian"))
    run(place.reading.note_help(karin, story, "talks", "custodian"))
    assert 2 == len(place.mine(story).help)


# Telling: in one piece, in several, and twice.


def test_everything_is_stored_together_or_not_at_all(place: Place) -> None:
    """Story, parts, concern, code, audit and notice; one that fails takes all of it."""
    place.tell()
    assert (1, 3, 1, 1, 1) == tuple(
        place.count(table) for table in (Story, StoryPart, Concern, ReturnCode, OutboxMessage)
    )
    place.house.db.write_now(lambda session: session.execute(sa.text("DROP TABLE outbox_message")))
    with pytest.raises(Exception, match=r"outbox_message|not_saved"):
        place.tell(replace(TOLD, key="o" * 32))
    assert (1, 3, 1, 1) == tuple(place.count(table) for table in (Story, StoryPart, Concern, ReturnCode))


def test_the_words_have_one_home(place: Place) -> None:
    """The concern points at the story and keeps none of its own."""
    story = place.tell()
    concern = place.house.db.read_now(lambda session: session.scalars(sa.select(Concern)).one())
    assert (None, story) == (concern.words, concern.story_id)
    opened = run(place.concerns.open_for(place.add(), concern.id))
    assert ([], story) == (opened.words, opened.story_id)


def test_nothing_readable_is_stored(place: Place) -> None:
    """No word of the story, a summary, a reason or a code in any column of any table or file."""
    story, maria = place.tell(), place.add(role=Role.MANAGER)
    run(place.reading.summarise(maria, story, f"Sammanfattat: {CANARY}", 0))
    run(place.reading.add_point(maria, story, place.mine(story).parts[0].id, CANARY))
    day = place.clock.now().date() + timedelta(days=3)
    place.share(maria, story, reason=CANARY, hide=True, hidden=CANARY, review_on=day)
    run(place.desk.keep(replace(TOLD, key="d" * 32, phone=CANARY)))

    def dump(session: Any) -> str:
        return " ".join(repr(list(session.execute(sa.select(table)))) for table in Base.metadata.sorted_tables)

    assert "Kanarie" not in place.house.db.read_now(dump)
    if place.house.db.sqlite:
        folder = Path(place.house.db.url.database or "").parent
        assert not [file for file in folder.iterdir() if CANARY.encode() in file.read_bytes()]


def test_sending_twice_is_sending_once(place: Place) -> None:
    """A double click, at once or later: the same story, the same words."""

    async def click_often() -> list[Any]:
        return await asyncio.gather(*(place.desk.send(TOLD) for _ in range(8)))

    answers = run(click_often())
    assert 1 == len({(one.story_id, one.concern_id, one.words) for one in answers})
    assert (1, 3, 1) == (place.count(Story), place.count(StoryPart), place.count(Concern))
    with pytest.raises(KeyReused):
        run(place.desk.send(replace(TOLD, pieces=[Piece("Något annat")])))


def test_told_in_two_sittings(place: Place) -> None:
    """Kept under six words, opened the next day, gone on with, struck, sent: one story under the same words."""
    kept = run(place.desk.keep(replace(TOLD, phone="070", safe={"when": "Efter skolan"})))
    place.clock.forward(days=1)
    opened = run(place.desk.open(kept.words, "s"))
    assert ("draft", kept.story_id) == (opened.state, opened.story_id)
    draft = run(place.desk.draft(opened.story_id))
    assert (list(TOLD.pieces), CHILD, TOLD.shown) == (draft.pieces, draft.reader, draft.shown)
    assert {
        "about": "me",
        "now": "no",
        "reach": "code",
        "phone": "070",
        "safe": {"when": "Efter skolan"},
    } == draft.answers
    pieces = [draft.pieces[0], replace(draft.pieces[1], struck=True), Piece("I går var det lugnt.")]
    again = run(place.desk.keep(replace(TOLD, pieces=pieces), draft.story_id, draft.revision))
    assert (None, draft.revision + 1) == (again.words, again.revision)
    place.clock.forward(hours=1)
    sent = run(place.desk.send(replace(TOLD, pieces=pieces, shown="sv:default:0123456789ab"), draft.story_id))
    assert (kept.story_id, None) == (sent.story_id, sent.words)
    mine = place.mine(sent.story_id)
    assert [CANARY, "I går var det lugnt."] == [part.text for part in mine.parts]
    assert "sent" == run(place.desk.open(kept.words, "s")).state
    shown = place.house.db.read_now(lambda session: session.get(Story, sent.story_id).shown)
    assert "sv:10-12:0123456789ab sv:default:0123456789ab" == shown
    assert mine.code_until == place.clock.now() + timedelta(hours=place.house.municipality.retention.code_hours)


def test_a_struck_part_is_never_sent_or_kept_after_sending(place: Place) -> None:
    """Not to staff, not in the database."""
    story = place.tell(replace(TOLD, pieces=[Piece("Kvar"), Piece(CANARY, struck=True)]))
    assert (["Kvar"], 1) == (place.seen(place.add(), story), place.count(StoryPart))
    with pytest.raises(EmptyText):
        run(place.desk.send(replace(TOLD, pieces=[Piece(CANARY, struck=True)], key="o" * 32)))


def test_two_windows_of_one_draft_lose_nothing(place: Place) -> None:
    """The second to save is shown what the first saved; after one has sent, the other may send more."""
    kept = run(place.desk.keep(TOLD))
    here = replace(TOLD, pieces=[Piece("Fönster ett")])
    run(place.desk.keep(here, kept.story_id, kept.revision))
    with pytest.raises(DraftChanged) as caught:
        run(place.desk.keep(replace(TOLD, pieces=[Piece("Fönster två")]), kept.story_id, kept.revision))
    assert ([Piece("Fönster ett")], kept.revision + 1) == (caught.value.stored.pieces, caught.value.stored.revision)
    run(place.desk.send(here, kept.story_id))
    other = replace(TOLD, pieces=[Piece("Fönster två")], key="o" * 32)
    for attempt in (place.desk.send(other, kept.story_id), place.desk.keep(other, kept.story_id, 9)):
        with pytest.raises(SentAlready):
            run(attempt)
    run(place.desk.add(kept.story_id, ["Fönster två"], "o" * 32, "", None))
    assert ["Fönster ett", "Fönster två"] == [part.text for part in place.mine(kept.story_id).parts]


def test_a_draft_kept_twice_at_once_is_one(place: Place) -> None:
    """A double click gives one draft and one code."""

    async def click_often() -> list[Any]:
        return await asyncio.gather(*(place.desk.keep(TOLD) for _ in range(6)))

    assert 1 == len({(kept.story_id, kept.words) for kept in run(click_often())})
    assert (1, 3, 1) == (place.count(Story), place.count(StoryPart), place.count(ReturnCode))


def test_an_unsent_draft_is_gone_after_its_time_and_at_once_when_thrown_away(place: Place) -> None:
    """With its code and every word; what has been sent stays."""
    sent, kept = run(place.desk.send(TOLD)), run(place.desk.keep(replace(TOLD, key="d" * 32)))
    thrown = run(place.desk.keep(replace(TOLD, key="e" * 32)))
    run(place.desk.discard(thrown.story_id))
    run(place.desk.discard(sent.story_id))
    assert (2, 2) == (place.count(Story), place.count(ReturnCode))
    place.clock.forward(hours=place.house.municipality.stories.draft_hours, seconds=1)
    run(place.desk.purge())
    assert (1, 3, 1) == (place.count(Story), place.count(StoryPart), place.count(ReturnCode))
    for words in (kept.words, thrown.words):
        with pytest.raises(WrongCode):
            run(place.desk.open(words, "s"))
    assert "sent" == run(place.desk.state(sent.story_id))


def test_more_is_added_once_and_rings_in_danger(place: Place) -> None:
    """A second send of the same form is the first; other words under it are refused; danger reaches the unit."""
    story = place.tell()
    for _ in range(2):
        run(place.desk.add(story, ["Han har kniv."], "m" * 32, "", ("A0", "D03")))
    assert (4, 2) == (place.count(StoryPart), place.mine(story).version)
    with pytest.raises(KeyReused):
        run(place.desk.add(story, ["Något annat"], "m" * 32, "", None))
    concern = run(place.desk.concerns(story))[0].id
    assert [Tag.CONCERN_TOLD_MORE.value] == [tag for tag, _ in place.tags(concern)][1:]
    assert 2 == place.count(OutboxMessage)
    rung = place.house.db.read_now(lambda session: session.execute(sa.text("SELECT level FROM alert")).all())
    assert [("A0",)] == [tuple(row) for row in rung]


def test_more_told_when_nobody_has_it_before_them_is_a_new_matter(place: Place) -> None:
    """Every concern of the story is closed: the words get a reader and clocks of their own."""
    story = place.tell()

    def close(session: Any) -> None:
        session.execute(sa.update(Concern).values(state="closed", closed_at=place.clock.now()))

    place.house.db.write_now(close)
    place.clock.forward(days=30)
    run(place.desk.add(story, ["Nu händer det igen."], "m" * 32, "", None))
    told = run(place.desk.concerns(story))
    assert ["closed", "new"] == [one.state for one in told]
    assert 4 == len(place.seen(place.add(), story))


@pytest.mark.parametrize(
    "text",
    [
        "å" * 50_000,
        "😀" * 20_000,
        '<img src=x onerror="alert(1)">',
        '=HYPERLINK("http://evil.example")',
        "{{ 7*7 }} {% raw %}",
        "שלום\u202e\x00 hej",
    ],
)
def test_strange_and_long_text_is_kept_as_text(place: Place, text: str) -> None:
    """50,000 characters whole; markup, formulas and templates are words."""
    story = place.tell(replace(TOLD, pieces=[Piece(text)]))
    wanted = text.replace("\u202e", "").replace("\x00", "")
    assert [wanted] == place.seen(place.add(), story) == [part.text for part in place.mine(story).parts]


def test_too_long_or_nothing_is_refused(place: Place) -> None:
    """Nothing stored, in a draft, a send or an addition."""
    story = place.tell()
    for pieces, error in (([Piece(" \u200b")], EmptyText), ([Piece("å" * (STORY_LIMIT + 1))], TextTooLong)):
        for attempt in (
            place.desk.keep(replace(TOLD, pieces=pieces, key="d" * 32)),
            place.desk.send(replace(TOLD, pieces=pieces, key="e" * 32)),
            place.desk.add(story, [piece.text for piece in pieces], "f" * 32, "", None),
        ):
            with pytest.raises(error):
                run(attempt)
    with pytest.raises(InvalidField):
        run(place.desk.keep(replace(TOLD, key="d" * 32, phone="1" * 3000)))
    assert (1, 3) == (place.count(Story), place.count(StoryPart))


# Staff's own words beside the story.


def test_two_who_summarise_at_once_do_not_overwrite_each_other(place: Place) -> None:
    """One is kept, the others are told; the earlier versions stay; the person's words are untouched."""
    story, karin, lisa = place.tell(), place.add(name="karin"), place.add(name="lisa")

    async def both() -> list[Any]:
        tries = (place.reading.summarise(who, story, f"Av {who.id}", 0) for who in (karin, lisa, karin, lisa))
        return await asyncio.gather(*tries, return_exceptions=True)

    outcomes = run(both())
    assert (1, 3) == (outcomes.count(None), sum(isinstance(one, Conflict) for one in outcomes))
    run(place.reading.summarise(lisa, story, "Andra", 1))
    summary = run(place.reading.open_for(karin, story)).summary
    assert ("Andra", 2, "lisa") == (summary.text, summary.version, summary.name)
    told = place.mine(story).summary
    assert told is not None and ("Andra", "case_worker") == (told.text, told.role)
    assert [piece.text for piece in TOLD.pieces] == place.seen(karin, story)


def test_what_is_already_told_is_seen_by_those_who_read_its_part(place: Place) -> None:
    """The team asks nobody again, and a unit learns nothing of parts it may not read."""
    story, karin, anna = place.tell(), place.add(), place.add("behandlare", Role.THERAPIST)
    first, second, _ = (part.id for part in place.mine(story).parts)
    run(place.reading.add_point(karin, story, first, "Vem som dricker"))
    run(place.reading.add_point(karin, story, second, "Hur  ofta\n"))
    place.let(story, "behandlare", 2)
    assert ["Hur ofta"] == [point.text for point in run(place.reading.open_for(anna, story)).points]
    points = run(place.reading.open_for(karin, story)).points
    assert [("Vem som dricker", 1), ("Hur ofta", 2)] == [(point.text, point.number) for point in points]
    run(place.reading.drop_point(karin, story, points[0].id))
    assert 1 == len(run(place.reading.open_for(karin, story)).points)
    for attempt in (
        place.reading.drop_point(karin, story, points[0].id),
        place.reading.add_point(karin, story, "0" * 24, "x"),
    ):
        with pytest.raises(NotFound):
            run(attempt)
    for text, error in (("", EmptyText), ("x" * 121, TextTooLong)):
        with pytest.raises(error):
            run(place.reading.add_point(karin, story, first, text))


def test_the_code_of_a_story_is_its_only_way_in(place: Place) -> None:
    """One code for story and concern, found by its words alone."""
    sent = run(place.desk.send(TOLD))
    digest = run(place.house.codes.digest(sent.words))
    row = place.house.db.read_now(lambda session: codes.lookup(session, digest, place.clock.now() - timedelta(days=1)))
    assert row is not None and ("story", sent.story_id, sent.receipt) == (row.kind, row.subject, row.id)
    run(place.desk.saved(sent.receipt))
    assert None is run(place.desk.send(TOLD)).words
    assert topic(sent.story_id) != unit_topic(sent.story_id, "vald")
