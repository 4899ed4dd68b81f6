"""Log in, stay logged in for a while, log out."""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta

from limits import RateLimitItem, RateLimitItemPerHour, RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter
from sqlalchemy.orm import Session

from backend.core import audit
from backend.core.audit import Tag
from backend.core.errors import NotLoggedIn, TooMany
from backend.core.house import House
from backend.core.people import StaffMember
from backend.staff import accounts, repository
from backend.staff.accounts import Passwords
from backend.staff.rules import NOTE_AFTER, is_alive
from backend.staff.tables import StaffSession


class LoginBrake:
    """Limits wrong passwords, and fails closed: if counting fails, nobody may try.

    Ten in a quarter of an hour for a login from one address, thirty an hour for a
    login from everywhere, sixty in a quarter of an hour for an address. A login is
    counted whether it exists or not, so that the brake does not tell which do.
    """

    _PAIR = RateLimitItemPerMinute(10, 15)
    _LOGIN = RateLimitItemPerHour(30)
    _SOURCE = RateLimitItemPerMinute(60, 15)

    def __init__(self) -> None:
        self._limiter = MovingWindowRateLimiter(MemoryStorage())

    def check(self, login: str, source: str) -> None:
        """Raise `TooMany` when this may not be tried now."""
        try:
            allowed = all(self._limiter.test(limit, *key) for limit, key in self._counted(login, source))
        except Exception:  # a brake that is broken must not be a brake that is off
            allowed = False
        if not allowed:
            raise TooMany

    def missed(self, login: str, source: str) -> None:
        """Count a wrong password."""
        for limit, key in self._counted(login, source):
            self._limiter.hit(limit, *key)

    def _counted(self, login: str, source: str) -> list[tuple[RateLimitItem, tuple[str, ...]]]:
        name = hashlib.sha256(login.strip().lower().encode()).hexdigest()
        return [
            (self._PAIR, ("pair", name, source)),
            (self._LOGIN, ("login", name)),
            (self._SOURCE, ("source", source)),
        ]


class StaffDoor:
    """The only way into the staff app."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._passwords = Passwords()
        self._listening = timedelta(minutes=house.municipality.talks.listening_minutes)
        self._brake = LoginBrake()

    async def log_in(self, login: str, password: str, source: str) -> str:
        """A new session's token for the cookie.

        Raises `NotLoggedIn` for an unknown login, a wrong password and somebody who has
        left: one answer, after the same work. Raises `TooMany` after too many misses.
        """
        self._brake.check(login, source)
        member = await self._house.db.read(lambda session: accounts.find_login(session, login))
        stored = member.password_hash if member is not None and member.active else None
        right = await self._passwords.verify(stored, password)
        if member is None or not right:
            self._brake.missed(login, source)
            await self._house.db.write(self._refused)
            raise NotLoggedIn
        token = secrets.token_urlsafe(32)
        await self._house.db.write(lambda session: self._begin(session, member.id, token))
        return token

    async def who(self, token: str | None, *, by_hand: bool = True, listens: bool = False) -> StaffMember:
        """The person behind a cookie, checked anew on every request. Raises `NotLoggedIn`.

        What a page asks for by itself (``by_hand`` False) is no sign that somebody is there, and
        keeps nobody logged in; but a page that ``listens`` for people who wait does, for as long as the
        municipality has set (``talks.listening_minutes``).
        """
        if not token or len(token) > 100:
            raise NotLoggedIn
        digest = _digest(token)
        found = await self._house.db.read(lambda session: repository.find(session, digest))
        now = self._house.clock.now()
        if found is None:
            raise NotLoggedIn
        login = found[0]
        heard = now if listens else login.listened_at
        if not is_alive(login.created_at, login.seen_at, now, heard, self._listening):
            raise NotLoggedIn
        if listens and (login.listened_at is None or now - login.listened_at >= NOTE_AFTER):
            await self._house.db.write(lambda session: repository.note_listening(session, digest, now))
        if by_hand and now - found[0].seen_at >= NOTE_AFTER:
            await self._house.db.write(lambda session: repository.note_use(session, digest, now))
        return found[1]

    async def log_out(self, token: str | None) -> None:
        """End the session behind a cookie; unknown ones change nothing."""
        if token:
            await self._house.db.write(lambda session: self._end(session, _digest(token)))

    async def forget_ended(self) -> None:
        """Delete sessions that have run out."""
        now = self._house.clock.now()
        await self._house.db.write(lambda session: repository.forget_ended(session, now))

    def close(self) -> None:
        """Let the threads go."""
        self._passwords.close()

    def _begin(self, session: Session, staff_id: str, token: str) -> None:
        now = self._house.clock.now()
        session.add(StaffSession(id=_digest(token), staff_id=staff_id, created_at=now, seen_at=now))
        audit.record(session, now, Tag.STAFF_LOGIN, staff_id, actor=staff_id)

    def _refused(self, session: Session) -> None:
        # Whose login it was is not written down: people type passwords in the wrong field.
        audit.record(session, self._house.clock.now(), Tag.STAFF_LOGIN_FAILED, "")

    def _end(self, session: Session, digest: str) -> None:
        staff_id = repository.end(session, digest)
        if staff_id is not None:
            audit.record(session, self._house.clock.now(), Tag.STAFF_LOGOUT, staff_id, actor=staff_id)


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
