"""Staff accounts: adding somebody, demo logins, and checking a password in the same time for everybody."""

from __future__ import annotations

import asyncio
import secrets
import threading
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor

import sqlalchemy as sa
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy.orm import Session

from backend.core import audit
from backend.core.audit import Tag
from backend.core.clock import Clock
from backend.core.db import affected
from backend.core.errors import Conflict, InvalidField, TooMany
from backend.core.municipality import Municipality
from backend.core.people import Role, StaffMember
from backend.core.vault import new_id
from backend.staff.rules import LONGEST_PASSWORD, is_acceptable_password

_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"
"""Without the letters and digits that look alike on paper."""
_GROUPS, _GROUP = 4, 4
_WAITING = 32


class Passwords:
    """Argon2id in two threads of its own, so that a flood of logins cannot starve the rest.

    A login that does not exist costs the same work as one that does. Raises `TooMany`
    when more than 32 logins wait.
    """

    def __init__(self) -> None:
        self._hasher = PasswordHasher()
        self._pool = ThreadPoolExecutor(2, thread_name_prefix="passwords")
        self._seats = threading.BoundedSemaphore(_WAITING)
        # Made beside the start, which need not wait for it.
        self._nobody = self._pool.submit(self._hasher.hash, secrets.token_urlsafe(16))

    async def verify(self, stored: str | None, password: str) -> bool:
        """Whether ``password`` is the one behind ``stored``; None stands for a login that does not exist."""
        if not self._seats.acquire(blocking=False):
            raise TooMany
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, self._verify, stored, password)
        finally:
            self._seats.release()

    def close(self) -> None:
        """Let the threads go."""
        self._pool.shutdown()

    def _verify(self, stored: str | None, password: str) -> bool:
        try:
            self._hasher.verify(stored or self._nobody.result(), password[:LONGEST_PASSWORD])
        except (VerificationError, InvalidHashError):
            return False
        return stored is not None


def hash_password(password: str) -> str:
    """The password's Argon2id. Takes about a tenth of a second, on purpose."""
    return PasswordHasher().hash(password)


def generate_password() -> str:
    """A password of about 79 bits that can be read aloud: four groups of four characters."""
    groups = ("".join(secrets.choice(_ALPHABET) for _ in range(_GROUP)) for _ in range(_GROUPS))
    return "-".join(groups)


def add_staff(
    session: Session,
    municipality: Municipality,
    clock: Clock,
    *,
    login: str,
    first_name: str,
    role: Role,
    unit: str,
    password: str,
    mail: str = "",
    also: Collection[Role] = (),
    qualified: bool = False,
    hashed: str | None = None,
    by: str = "system",
) -> StaffMember:
    """Add somebody in the caller's transaction, ``by`` a staff id or the command line.

    ``login`` is kept in lower case. ``hashed`` is the password's Argon2id where it has been made already. Raises `InvalidField` naming ``login``, ``unit`` or
    ``password`` (15 to 256 characters), and `Conflict` for a login that is taken.
    """
    login = login.strip().lower()
    if not login or not login.replace(".", "").replace("-", "").isalnum():
        raise InvalidField("invalid", "login")
    if unit not in {known.id for known in municipality.units}:
        raise InvalidField("invalid", "unit")
    if not is_acceptable_password(password):
        raise InvalidField("invalid", "password")
    if find_login(session, login) is not None:
        raise Conflict
    now = clock.now()
    member = StaffMember(
        id=new_id(),
        login=login,
        first_name=first_name,
        role=role.value,
        also=" ".join(also),
        qualified=qualified,
        unit=unit,
        mail=mail,
        password_hash=hashed or hash_password(password),
        created_at=now,
    )
    session.add(member)
    session.flush()
    audit.record(session, now, Tag.STAFF_ADDED, member.id, actor=by, detail=f"{unit} {role.value}")
    return member


def set_active(session: Session, login: str, active: bool) -> bool:
    """Let somebody in or shut them out, from their next request on; False for an unknown login."""
    change = sa.update(StaffMember).where(StaffMember.login == login.strip().lower()).values(active=active)
    return bool(affected(session, change))


def find_login(session: Session, login: str) -> StaffMember | None:
    """The account with that login, in any case of letters."""
    wanted = login.strip().lower().replace("\0", "")  # PostgreSQL refuses to even look for a null character
    return session.scalar(sa.select(StaffMember).where(StaffMember.login == wanted))


def seed_demo_staff(session: Session, municipality: Municipality, clock: Clock) -> list[tuple[str, str]]:
    """Add the demo staff who are missing and return (login, password) of those; whoever is there keeps theirs."""
    added: list[tuple[str, str]] = []
    for person in municipality.demo_staff:
        if find_login(session, person.login) is not None:
            continue
        password = generate_password()
        add_staff(
            session,
            municipality,
            clock,
            login=person.login,
            first_name=person.first_name,
            role=Role(person.role),
            unit=person.unit,
            password=password,
            also=[Role(role) for role in person.also],
            qualified=person.qualified,
        )
        added.append((person.login, password))
    return added
