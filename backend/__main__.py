"""The command line: ``python -m backend serve`` and what belongs around it.

Exit codes: 0 done, 1 could not be done (one sentence says why), 2 wrong usage.
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import re
import sys
import tempfile
from collections.abc import Iterator, Mapping
from itertools import chain
from pathlib import Path

import msgspec
import sqlalchemy as sa
from sqlalchemy.orm import Session

from backend.booking.schedule import seed_therapists
from backend.config import ROOT, Settings, SettingsError, load_settings
from backend.core import logs
from backend.core.clock import SystemClock
from backend.core.content import ContentError, Phrases
from backend.core.db import Database
from backend.core.errors import DomainError, StorageUnavailable
from backend.core.municipality import DAYS, DemoStaff, Municipality, WorkingSpan, load_municipality
from backend.core.people import Role, StaffMember
from backend.core.readability import NeverSay
from backend.editing import reading
from backend.journey.glossary import load_glossaries
from backend.journey.stations import load_map
from backend.staff.accounts import add_staff, generate_password, seed_demo_staff, set_active

log = logging.getLogger("koll")

REPORTS = ROOT / "build"
LOGINS = ROOT / "var" / "demo-logins.txt"
_GRACE_SECONDS = 5.0
_HOURS = re.compile(r"(?P<days>[a-z,]+):(?P<start>\d\d:\d\d)-(?P<end>\d\d:\d\d)")


def serve(_arguments: argparse.Namespace) -> None:
    """Serve until SIGTERM or SIGINT, in one process: it alone writes to SQLite."""
    from backend.app import create_app

    settings = load_settings()
    app = create_app(settings)
    app.config.GRACEFUL_SHUTDOWN_TIMEOUT = _GRACE_SECONDS
    log.info("listening on %s:%d for %s", settings.host, settings.port, settings.municipality)
    app.run(settings.host, settings.port, single_process=True, access_log=False, motd=False)


# Alembic and the web half take most of the time that importing takes, and no command needs both.


def migrate_database(_arguments: argparse.Namespace) -> None:
    """Bring the database to this version's tables."""
    from backend.core import migrate

    with _database(load_settings()) as database:
        migrate.upgrade(database.engine)


def check_migrations(_arguments: argparse.Namespace) -> None:
    """Say whether the migrations make the tables of the code, on an empty scratch database."""
    from alembic.util import CommandError

    from backend.core import migrate

    with _scratch() as database:
        migrate.upgrade(database.engine)
        try:
            migrate.check(database.engine)
        except CommandError as error:
            raise SystemExit(str(error)) from None


def revise(arguments: argparse.Namespace) -> None:
    """Write a migration file from the difference between the code and the migrations so far."""
    from backend.core import migrate

    with _scratch() as database:
        migrate.upgrade(database.engine)
        migrate.revise(database.engine, arguments.message)


def seed(_arguments: argparse.Namespace) -> None:
    """Migrate, and add the example municipality's staff; their logins go to var/demo-logins.txt."""
    from backend.core import migrate

    settings = load_settings()
    municipality = load_municipality(settings.content_dir, settings.municipality)

    def work(session: Session) -> list[tuple[str, str]]:
        if not municipality.example:
            return []
        added = seed_demo_staff(session, municipality, SystemClock())
        people = session.scalars(sa.select(StaffMember).where(StaffMember.active))
        seed_therapists(session, municipality, {person.login: person for person in people})
        return added

    with _database(settings) as database:
        migrate.upgrade(database.engine)
        added = database.write_now(work)
    if added:
        _keep_logins(municipality, dict(added))
    print(f"{len(added)} added; logins are in {LOGINS.relative_to(ROOT)}")


def staff_add(arguments: argparse.Namespace) -> None:
    """Add somebody and print a password, which is shown this once."""
    settings = load_settings()
    municipality = load_municipality(settings.content_dir, settings.municipality)
    password = generate_password()
    person = DemoStaff(
        login=arguments.login,
        first_name=arguments.first_name,
        role=arguments.role,
        unit=arguments.unit,
        channels=arguments.channels.split(",") if arguments.channels else list(municipality.booking.channels),
        meeting_url=arguments.meeting_url,
        hours=[_span(text) for text in arguments.hours],
        also=arguments.also,
        qualified=arguments.qualified,
    )
    if person.role == Role.THERAPIST.value and not person.hours:
        raise SystemExit("A therapist needs --hours, or nobody can book a time.")

    def work(session: Session) -> None:
        member = add_staff(
            session,
            municipality,
            SystemClock(),
            login=person.login,
            first_name=person.first_name,
            role=Role(person.role),
            unit=person.unit,
            password=password,
            mail=arguments.mail,
            also=[Role(role) for role in person.also],
            qualified=person.qualified,
        )
        seed_therapists(session, msgspec.structs.replace(municipality, demo_staff=[person]), {person.login: member})

    with _database(settings) as database:
        database.write_now(work)
    print(f"{person.login}: {password}")


def staff_leave(arguments: argparse.Namespace) -> None:
    """Shut somebody out from their next request on."""
    with _database(load_settings()) as database:
        if not database.write_now(lambda session: set_active(session, arguments.login, False)):
            raise SystemExit(f"Nobody has the login {arguments.login}.")


def audit_verify(arguments: argparse.Namespace) -> None:
    """Check the audit log from its first row and print its head; exit code 1 and the first broken row if it is broken."""
    from backend.core.audit_chain import AuditChain, chain_key

    settings = load_settings()
    anchor = _anchor(arguments.anchor) if arguments.anchor else None
    with _database(settings) as database:
        chain = AuditChain(database, SystemClock(), chain_key(settings.code_pepper))
        verdict = database.read_now(lambda session: chain.verify(session, anchor))
    print(f"{verdict.rows} rows sealed, {verdict.waiting} waiting; head {verdict.head}")
    if verdict.broken is not None:
        raise SystemExit(f"BROKEN: {verdict.broken.kind} {verdict.broken.id}")


def _anchor(text: str) -> tuple[int, str]:
    number, _, digest = text.partition(":")
    if not number.isdigit() or not digest:
        raise SystemExit("--anchor takes a head as audit-verify prints it, number:digest.")
    return int(number), digest


def readability(arguments: argparse.Namespace) -> None:
    """Measure every text that visitors meet, into build/readability.md and .html; refuse what its readers cannot read."""
    content: Path = arguments.content
    glossaries = load_glossaries(content)
    words = (text for lang, glossary in glossaries.items() for text in glossary.texts(lang))
    texts = chain(load_map(content).texts(), Phrases.load(content).texts(), words)
    explained: dict[str, frozenset[str]] = {lang: glossary.explained() for lang, glossary in glossaries.items()}
    measured = reading.rows(texts, explained, NeverSay.load(content))
    REPORTS.mkdir(exist_ok=True)
    (REPORTS / "readability.md").write_text(reading.markdown(measured), encoding="utf-8")
    (REPORTS / "readability.html").write_text(reading.page(measured), encoding="utf-8")
    if broken := [row for row in measured if row.problems]:
        raise SystemExit("\n".join(map(reading.complaint, broken)))
    print(f"{len(measured)} texts can be read; see build/readability.html")


def routing_dry_run(arguments: argparse.Namespace) -> None:
    """Say what a changed rules file would have done with the last months' concerns; moves nothing."""
    import backend.app
    from backend.concerns.dryrun import dry_run
    from backend.concerns.routing import Places, parse_routing

    settings = load_settings()
    path = Path(arguments.file)
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SystemExit(f"{path} cannot be read ({type(error).__name__}).") from None
    with _database(settings) as database:
        house = backend.app.build_house(settings, database=database)
        try:
            ruleset = parse_routing(text, Places.of(house), str(path))
            now, days = house.clock.now(), arguments.days
            found = database.read_now(lambda session: dry_run(session, ruleset, now, days))
        finally:
            house.codes.close()
    print(
        f"version {found.version}: {found.looked_at} concerns in {found.days} days, {found.moved} to another unit, "
        f"{found.others} with other clocks or readers, {found.same} as they were"
    )
    for from_unit, to_unit, count in found.flows:
        print(f"{count:>7}  {from_unit} -> {to_unit}")
    for one in found.changed:
        print(f"{one.received_at:%Y-%m-%d}  {one.from_unit} ({one.from_rule}) -> {one.to_unit} ({one.to_rule})")
        print(f"            {one.to_reason}")
    if found.unused:
        print(f"decided nothing: {', '.join(found.unused)}")


def _span(text: str) -> WorkingSpan:
    found = _HOURS.fullmatch(text)
    days = found["days"].split(",") if found else []
    if found is None or not set(days) <= set(DAYS) or found["start"] >= found["end"]:
        raise SystemExit(f"--hours takes days and times like mon,tue,fri:08:30-16:00, not {text!r}.")
    return WorkingSpan(days=[day for day in DAYS if day in days], start=found["start"], end=found["end"])


def _keep_logins(municipality: Municipality, passwords: Mapping[str, str]) -> None:
    LOGINS.parent.mkdir(mode=0o700, exist_ok=True)
    lines = LOGINS.read_text(encoding="utf-8").splitlines() if LOGINS.exists() else []
    kept = {line.split()[0]: line for line in lines if line.strip()}
    for person in municipality.demo_staff:
        if person.login in passwords:
            kept[person.login] = f"{person.login:<10} {passwords[person.login]}   {person.role}, {person.unit}"
    descriptor = os.open(LOGINS, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write("".join(f"{line}\n" for line in kept.values()))


@contextlib.contextmanager
def _database(settings: Settings) -> Iterator[Database]:
    database = Database(settings.database_url)
    try:
        yield database
    finally:
        database.close()


@contextlib.contextmanager
def _scratch() -> Iterator[Database]:
    """An empty database, with every feature's tables known."""
    import backend.app  # noqa: F401

    with tempfile.TemporaryDirectory() as directory:
        database = Database(f"sqlite:///{Path(directory) / 'scratch.db'}")
        try:
            yield database
        finally:
            database.close()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m backend", description="Koll på läget, the backend.")
    commands = parser.add_subparsers(required=True, metavar="command")
    for name, command in (
        ("serve", serve),
        ("migrate", migrate_database),
        ("check-migrations", check_migrations),
        ("revise", revise),
        ("seed", seed),
        ("staff-add", staff_add),
        ("staff-leave", staff_leave),
        ("routing-dry-run", routing_dry_run),
        ("audit-verify", audit_verify),
        ("readability", readability),
    ):
        summary = (command.__doc__ or "").splitlines()[0]
        commands.add_parser(name, help=summary, description=summary).set_defaults(command=command)
    choices = commands.choices
    choices["revise"].add_argument("message", help="what changed, in a few words")
    choices["readability"].add_argument("--content", type=Path, default=ROOT / "content", help="default: content/")
    choices["staff-leave"].add_argument("login")
    choices["routing-dry-run"].add_argument("file", help="a rules file as content/routing.yml is")
    choices["routing-dry-run"].add_argument("--days", type=int, default=90, help="how far back to look")
    choices["audit-verify"].add_argument(
        "--anchor", help="a head printed earlier and kept elsewhere: must still be there"
    )
    add = choices["staff-add"]
    add.add_argument("login", help="letters, digits, dots and hyphens")
    add.add_argument("first_name", help="shown to those who book")
    add.add_argument("role", choices=[role.value for role in Role])
    add.add_argument("unit", help="a unit's id in the municipality's file")
    roles = [role.value for role in Role]
    add.add_argument("--also", action="append", default=[], choices=roles, help="a role beside it, repeatable")
    add.add_argument("--qualified", action="store_true", help="has the degree that assessing needs (SoL 25:1)")
    add.add_argument("--mail", default="", help="where content-free notices go")
    add.add_argument(
        "--hours", action="append", default=[], help="of a therapist, repeatable: mon,tue,fri:08:30-16:00, local time"
    )
    add.add_argument("--channels", default="", help="of a therapist: chat,phone,video; default all the municipality's")
    add.add_argument("--meeting-url", default=None, help="of a therapist: the address of the video room")
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run one command; see the module."""
    parsed = _parser().parse_args(arguments)
    logs.install()
    try:
        parsed.command(parsed)
    except (SettingsError, ContentError) as error:
        print(error, file=sys.stderr)
        return 1
    except StorageUnavailable as error:
        print(f"The database does not answer ({type(error.__cause__).__name__}).", file=sys.stderr)
        return 1
    except DomainError as error:
        print(f"Not done: {error.code} {error.extra.get('field', '')}".rstrip(), file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
