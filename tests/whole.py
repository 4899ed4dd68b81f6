"""An independent look at all bookings of a house: nothing is half there."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import timedelta

import sqlalchemy as sa

from backend.booking import rules
from backend.booking.lifecycle import BOOKED, HELD
from backend.booking.tables import Booking, BookingCell, Therapist
from backend.core.audit import AuditEvent, Tag
from backend.core.codes import ReturnCode
from backend.core.house import House
from backend.core.idempotency import IdempotencyKey
from backend.core.outbox import OutboxMessage
from tests.therapists import count, overlaps


def check_whole(house: House) -> None:
    """Every booking has all that belongs to its state, once, and nothing is there that belongs to none.

    For bookings that were held and confirmed, not moved or cancelled.
    """
    read = house.db.read_now
    bookings = read(lambda s: s.scalars(sa.select(Booking)).all())
    cells: defaultdict[str, list[tuple[str, int]]] = defaultdict(list)
    for one in read(lambda s: s.execute(sa.select(BookingCell.booking_id, BookingCell.therapist_id, BookingCell.cell))):
        cells[one[0]].append((one[1], one[2]))
    terms = {row.staff_id: row for row in read(lambda s: s.scalars(sa.select(Therapist)).all())}
    usual = house.municipality.booking
    for each in bookings:
        row = terms[each.therapist_id]
        meeting = usual.meeting_minutes if row.meeting_minutes is None else row.meeting_minutes
        pause = usual.buffer_minutes if row.buffer_minutes is None else row.buffer_minutes
        wanted = rules.cells(each.start_at, (meeting + pause) // 5) if each.state in (HELD, BOOKED) else ()
        assert [(each.therapist_id, cell) for cell in wanted] == sorted(cells.pop(each.id, [])), each.state
        assert each.start_at + timedelta(minutes=meeting) == each.end_at
    assert {} == cells
    traces = read(lambda s: s.execute(sa.select(AuditEvent.subject, AuditEvent.tag)).all())
    told = Counter((subject, tag) for subject, tag in traces)
    booked = {each.id: each for each in bookings if each.state == BOOKED}
    for each in bookings:
        assert 1 == told.pop((each.id, Tag.BOOKING_HELD.value))
        assert (each.state == BOOKED) == bool(told.pop((each.id, Tag.BOOKING_CONFIRMED.value), 0))
    codes = dict(read(lambda s: s.execute(sa.select(ReturnCode.subject, ReturnCode.id)).all()))
    assert {each.id: each.receipt for each in booked.values()} == codes
    keys = dict(read(lambda s: s.execute(sa.select(IdempotencyKey.scope, IdempotencyKey.outcome)).all()))
    assert {each.holder: each.receipt for each in booked.values()} == keys
    notices = Counter(read(lambda s: s.scalars(sa.select(OutboxMessage.about)).all()))
    assert dict.fromkeys(booked, 1) == dict(notices)
    assert len(booked) == count(house, ReturnCode) == count(house, IdempotencyKey)
    assert 0 == overlaps(house)
