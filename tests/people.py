"""The example municipality's staff in a test's database."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.orm import Session

from backend.booking.schedule import seed_therapists
from backend.config import Settings
from backend.core.clock import SystemClock
from backend.core.db import Database
from backend.core.municipality import load_municipality
from backend.core.people import StaffMember
from backend.staff.accounts import seed_demo_staff


def seed_example_staff(database: Database, settings: Settings) -> dict[str, str]:
    """Add everybody with their working hours; returns passwords by login."""
    municipality = load_municipality(settings.content_dir, settings.municipality)

    def work(session: Session) -> dict[str, str]:
        passwords = dict(seed_demo_staff(session, municipality, SystemClock()))
        people = session.scalars(sa.select(StaffMember))
        seed_therapists(session, municipality, {person.login: person for person in people})
        return passwords

    return database.write_now(work)
