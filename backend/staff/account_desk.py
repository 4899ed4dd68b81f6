"""Accounts for whoever administers them: names, roles, units, passwords, and nothing of what people have told."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from backend.core import audit
from backend.core.audit import Tag
from backend.core.errors import Conflict, InvalidField, NotFound
from backend.core.house import House
from backend.core.people import Role, StaffMember
from backend.staff import accounts, repository
from backend.staff.accounts import generate_password

NAME_LIMIT = 60
MAIL_LIMIT = 200


@dataclass(frozen=True, slots=True)
class Account:
    """One account. ``version`` changes with it, so that a form that was open meanwhile is noticed."""

    id: str
    login: str
    first_name: str
    role: str
    also: Sequence[str]
    qualified: bool
    unit: str
    mail: str
    active: bool
    own: bool
    version: str


@dataclass(frozen=True, slots=True)
class Typed:
    """What the form says about somebody."""

    first_name: str
    role: str
    also: Collection[str]
    qualified: bool
    unit: str
    mail: str


class AccountDesk:
    """Use cases of an administrator; for everybody else nothing of this exists."""

    def __init__(self, house: House) -> None:
        self._house = house

    def open_to(self, staff: StaffMember) -> bool:
        """Whether ``staff`` administers accounts."""
        return staff.active and staff.has(Role.ADMIN)

    async def listing(self, staff: StaffMember) -> list[Account]:
        """Everybody, those who work here first. Raises `NotFound`."""
        self._check(staff)
        query = sa.select(StaffMember).order_by(
            StaffMember.active.desc(), StaffMember.unit, StaffMember.first_name, StaffMember.login
        )
        return await self._house.db.read(lambda session: [_account(row, staff) for row in session.scalars(query)])

    async def one(self, staff: StaffMember, staff_id: str) -> Account:
        """Somebody's account. Raises `NotFound`."""
        self._check(staff)

        def look(session: Session) -> Account:
            return _account(_found(session, staff_id), staff)

        return await self._house.db.read(look)

    async def add(self, staff: StaffMember, login: str, typed: Typed) -> str:
        """Add somebody; returns the first password, which is shown this once.

        Raises `NotFound`, `Conflict` for a login that is taken, and `InvalidField`.
        """
        self._check(staff)
        self._checked(typed)
        password = generate_password()
        hashed = await asyncio.to_thread(accounts.hash_password, password)

        def work(session: Session) -> None:
            accounts.add_staff(
                session,
                self._house.municipality,
                self._house.clock,
                login=login,
                first_name=typed.first_name.strip(),
                role=Role(typed.role),
                unit=typed.unit,
                password=password,
                mail=typed.mail.strip(),
                also=[Role(role) for role in typed.also],
                qualified=typed.qualified,
                hashed=hashed,
                by=staff.id,
            )

        await self._house.db.write(work)
        return password

    async def change(self, staff: StaffMember, staff_id: str, typed: Typed, version: str) -> None:
        """Change an account; it counts from the person's next request, and in their open windows.

        Nobody changes their own: an administrator would else let themselves into the cases. Raises `NotFound`,
        `InvalidField`, and `Conflict` for one's own or one that has changed since the form was opened.
        """
        self._check(staff)
        self._checked(typed)

        def work(session: Session) -> None:
            row = self._held(session, staff, staff_id, version)
            row.first_name, row.mail = typed.first_name.strip(), typed.mail.strip()
            row.role, row.also = typed.role, " ".join(sorted(set(typed.also) - {typed.role}))
            row.qualified, row.unit = typed.qualified, typed.unit
            session.flush()
            detail = f"{row.unit} {row.role} {row.also}".strip() + (" qualified" if row.qualified else "")
            audit.record(session, self._house.clock.now(), Tag.STAFF_CHANGED, row.id, actor=staff.id, detail=detail)

        await self._house.db.write(work)

    async def set_active(self, staff: StaffMember, staff_id: str, active: bool, version: str) -> None:
        """Shut somebody out from their next request on, or let them in again. Raises `NotFound`, `Conflict`."""
        self._check(staff)

        def work(session: Session) -> None:
            row = self._held(session, staff, staff_id, version)
            row.active = active
            if not active:
                repository.end_all(session, row.id)
            session.flush()
            detail = "active" if active else "inactive"
            audit.record(session, self._house.clock.now(), Tag.STAFF_CHANGED, row.id, actor=staff.id, detail=detail)

        await self._house.db.write(work)

    async def new_password(self, staff: StaffMember, staff_id: str, version: str) -> str:
        """Give somebody a new password, shown this once; whoever is logged in with the old one no longer is.

        Raises `NotFound`, `Conflict`.
        """
        self._check(staff)
        password = generate_password()
        hashed = await asyncio.to_thread(accounts.hash_password, password)

        def work(session: Session) -> None:
            row = self._held(session, staff, staff_id, version)
            row.password_hash = hashed
            repository.end_all(session, row.id)
            audit.record(session, self._house.clock.now(), Tag.STAFF_NEW_LOGIN, row.id, actor=staff.id)

        await self._house.db.write(work)
        return password

    def _check(self, staff: StaffMember) -> None:
        if not self.open_to(staff):
            raise NotFound

    def _checked(self, typed: Typed) -> None:
        if not typed.first_name.strip() or len(typed.first_name.strip()) > NAME_LIMIT:
            raise InvalidField("invalid", "first_name")
        if typed.role not in set(Role) or not set(typed.also) <= set(Role):
            raise InvalidField("invalid", "role")
        if typed.unit not in {unit.id for unit in self._house.municipality.units}:
            raise InvalidField("invalid", "unit")
        mail = typed.mail.strip()
        if mail and (len(mail) > MAIL_LIMIT or mail.count("@") != 1 or any(sign.isspace() for sign in mail)):
            raise InvalidField("invalid", "mail")

    def _held(self, session: Session, staff: StaffMember, staff_id: str, version: str) -> StaffMember:
        session.execute(sa.select(StaffMember.id).where(StaffMember.id == staff_id).with_for_update())
        row = _found(session, staff_id)
        if row.id == staff.id or _version(row) != version:
            raise Conflict
        return row


def _found(session: Session, staff_id: str) -> StaffMember:
    row = session.get(StaffMember, staff_id, populate_existing=True)
    if row is None:
        raise NotFound
    return row


def _account(row: StaffMember, reader: StaffMember) -> Account:
    return Account(
        row.id, row.login, row.first_name, row.role, row.also.split(), row.qualified, row.unit, row.mail, row.active,
        own=row.id == reader.id, version=_version(row),
    )  # fmt: skip


def _version(row: StaffMember) -> str:
    state = (row.first_name, row.role, row.also, row.qualified, row.unit, row.mail, row.active, row.password_hash)
    return hashlib.sha256(repr(state).encode()).hexdigest()[:16]
