"""The app in a process of its own, served as it is in production, to be crowded and to be killed.

``python -m tests.town BEGIN [naive]`` serves with the settings of the environment and a clock
that shows BEGIN (ISO) at the start. ``naive`` puts a desk in place of ours that books as it is
often written, behind the same pages.
"""

from __future__ import annotations

import base64
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from backend import app as backend_app
from backend.booking.lifecycle import BOOKED, HELD
from backend.booking.service import BookingDesk, Held
from backend.booking.tables import Booking
from backend.config import ROOT, Settings, load_settings
from backend.core.errors import Taken
from backend.core.idempotency import Key
from backend.core.vault import new_id

_READY_WITHIN = 240.0


class RunningClock:
    """Shows ``begin`` when it is made, and goes on from there."""

    def __init__(self, begin: datetime) -> None:
        self._begin, self._since = begin, time.monotonic()

    def now(self) -> datetime:
        """See `backend.core.clock.Clock.now`."""
        return self._begin + timedelta(seconds=time.monotonic() - self._since)


class NaiveDesk(BookingDesk):
    """How booking is often written: look who is free, then store the booking. Nothing in the database keeps two apart."""

    async def hold(self, holder: str, slot: str, *, key: Key | None = None) -> Held:
        """See `BookingDesk.hold`, which this is not."""
        wanted, now = self._offering.read(slot), self._house.clock.now()

        def free(session: Any) -> Any:
            day = self._offering.check(session, wanted, now)
            for person in day.able:
                end = wanted.start + timedelta(minutes=person.terms.meeting)
                busy = sa.select(Booking.id).where(
                    Booking.therapist_id == person.id, Booking.start_at < end, Booking.end_at > wanted.start,
                    Booking.state.in_((HELD, BOOKED)),
                )  # fmt: skip
                if session.scalars(busy).first() is None:
                    return person, end
            raise Taken

        person, end = await self._db.read(free)
        until = now + timedelta(minutes=5)
        booking = Booking(
            id=new_id(), holder=holder, therapist_id=person.id, start_at=wanted.start, end_at=end,
            state=HELD, hold_until=until, lang="sv", created_at=now,
        )  # fmt: skip
        held = Held(booking.id, wanted.start, person.name, until, 5, self.channels)
        await self._db.write(lambda session: session.add(booking))
        return held


class Town:
    """A server process on a port of its own; `start` waits until it answers, `kill` gives it no time for anything."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        # One proxy is trusted, so that a crowd on one machine can be many people.
        self.settings = replace(settings, port=port, public_url=f"http://127.0.0.1:{port}", trusted_proxies=1)
        self.url = self.settings.public_url
        self._log = folder / "town.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, begin: datetime, *, naive: bool = False) -> float:
        """Serve; returns the seconds until the first answer. Raises `RuntimeError` with what it logged if none comes."""
        command = [sys.executable, "-m", "tests.town", begin.isoformat(), *(["naive"] if naive else [])]
        began = time.monotonic()
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(command, env=self._environment(), cwd=ROOT, stdout=log, stderr=log)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        while True:
            try:
                with opener.open(f"{self.url}/health", timeout=5):
                    return time.monotonic() - began
            except OSError:
                if self._process.poll() is not None or time.monotonic() - began > _READY_WITHIN:
                    raise RuntimeError(self.logged()) from None
            time.sleep(0.01)

    @property
    def running(self) -> bool:
        """Whether the process is there."""
        return self._process is not None and self._process.poll() is None

    def kill(self) -> None:
        """SIGKILL, as when the power goes."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """Let it finish; nothing happens if it does not run."""
        self._end(signal.SIGTERM)

    def logged(self) -> str:
        """What it has logged since the first start."""
        return self._log.read_text("utf-8", "replace") if self._log.exists() else ""

    def _end(self, how: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(60)
            self._process = None

    def _environment(self) -> dict[str, str]:
        settings = self.settings
        return {
            **{name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"},
            "PORT": str(settings.port),
            "PUBLIC_URL": settings.public_url,
            "DATABASE_URL": settings.database_url,
            "DATA_KEY": base64.urlsafe_b64encode(settings.data_key).decode(),
            "CODE_PEPPER": base64.urlsafe_b64encode(settings.code_pepper).decode(),
            "RASA_URL": settings.rasa_url,
            "RASA_TOKEN": settings.rasa_token,
            "INTERNAL_TOKEN": settings.internal_token,
            "SMTP_URL": settings.smtp_url,
            "MUNICIPALITY": settings.municipality,
            "TRUSTED_PROXIES": str(settings.trusted_proxies),
        }


def main() -> None:
    """Serve until told to stop; see the module."""
    begin, *how = sys.argv[1:]
    if how == ["naive"]:
        vars(backend_app)["BookingDesk"] = NaiveDesk
    settings = load_settings()
    app = backend_app.create_app(settings, clock=RunningClock(datetime.fromisoformat(begin)))
    app.run(settings.host, settings.port, single_process=True, access_log=False, motd=False)


if __name__ == "__main__":
    main()
