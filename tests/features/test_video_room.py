"""Promise: a booked video talk has a room that says nothing, cannot be guessed, and is shown to the two who meet in it."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace

import msgspec
import pytest

from backend.booking.attending import Attending
from backend.booking.service import BookingDesk, Confirmed, Details
from backend.booking.video import room
from backend.core.content import ContentError
from backend.core.house import House
from backend.core.municipality import load_municipality
from backend.core.people import StaffMember
from tests.therapists import add_therapist

BASE = "https://video.exempelby.example/"


def with_base(house: House, base: str = BASE) -> House:
    """The house with a video service that makes rooms."""
    terms = msgspec.structs.replace(house.municipality.talks, video_base=base)
    return replace(house, municipality=msgspec.structs.replace(house.municipality, talks=terms))


def test_a_room_of_its_own_for_each_talk(house: House) -> None:
    """Sixteen letters and digits in fours, the same each time, another for another talk, another in another house."""
    house = with_base(house)
    name = room(house, "b1", "video", None)
    assert name is not None and re.fullmatch(re.escape(BASE) + r"[a-z2-7]{4}(-[a-z2-7]{4}){3}", name)
    assert name == room(house, "b1", "video", None) != room(house, "b2", "video", None)
    other = replace(house, settings=replace(house.settings, code_pepper=b"q" * 32))
    assert name != room(other, "b1", "video", None)
    assert "b1" not in name.removeprefix(BASE)


def test_an_own_link_goes_first_and_no_other_talk_has_a_room(house: House) -> None:
    """Without a video service there is a room only for who has a link."""
    assert "https://meet.example/anna" == room(with_base(house), "b1", "video", "https://meet.example/anna")
    assert [None, None] == [room(with_base(house), "b1", way, "https://meet.example/anna") for way in ("chat", "phone")]
    assert room(with_base(house, ""), "b1", "video", None) is None


def test_only_the_therapist_of_the_talk_sees_the_room(house: House) -> None:
    """A colleague of the same team, who may read the booking, does not."""
    house = with_base(house)
    for name in ("anna", "samir"):
        add_therapist(house, name, [("08:30", "16:00")])
    desk = BookingDesk(house)

    async def book() -> Confirmed:
        await desk.hold("form:x", (await desk.offer("video")).times[0].slot)
        return await desk.confirm("form:x", Details("video"))

    booked = asyncio.run(book())
    people = {name: house.db.read_now(lambda s, name=name: s.get(StaffMember, name)) for name in ("anna", "samir")}
    files = {name: asyncio.run(Attending(house).sheet(one, booked.booking_id)) for name, one in people.items() if one}
    own = booked.therapist.lower()
    assert booked.meeting_url is not None and booked.meeting_url == files[own].meeting_url
    assert [None] == [file.meeting_url for name, file in files.items() if name != own]


@pytest.mark.parametrize("base", ["http://video.example/", "https://video.example"])
def test_a_video_service_that_cannot_be_used_stops_the_start(house: House, tmp_path: object, base: str) -> None:
    """With file and field."""
    path = house.settings.content_dir / "municipalities" / "exempelby.yml"
    text = path.read_text("utf-8").replace('video_base: ""', f'video_base: "{base}"')
    folder = tmp_path / "municipalities"  # type: ignore[operator]
    folder.mkdir()
    (folder / "exempelby.yml").write_text(text, "utf-8")
    with pytest.raises(ContentError, match=r"talks\.video_base"):
        load_municipality(tmp_path, "exempelby")  # type: ignore[arg-type]
