"""The factory: one municipality's parts chosen and wired in one place.

Everything outside is an argument (settings, clock, database, mail, assistant), so a
test hands in what it needs and one process can serve several municipalities.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import timedelta

from sanic import Sanic
from sanic.config import Config
from sanic_ext import Extend

from backend.alerts.service import AlertDesk
from backend.booking import callback_views
from backend.booking import views as booking_views
from backend.booking.attending import Attending
from backend.booking.callbacks import CallbackDesk
from backend.booking.feeds import Feeds
from backend.booking.service import BookingDesk
from backend.cases.persons import PersonDesk
from backend.cases.retention import RetentionDesk
from backend.cases.service import CaseDesk
from backend.cases.standing import MapDesk
from backend.cases.team import TeamDesk
from backend.chat import pages as chat_pages
from backend.chat import setup as chat_setup
from backend.chat.answers import Answers
from backend.concerns import report_views
from backend.concerns.handling import HandlingDesk
from backend.concerns.service import ConcernDesk
from backend.config import ROOT, Settings
from backend.core import idempotency, outbox, webhooks
from backend.core.audit_chain import AuditChain, chain_key
from backend.core.clock import Clock, SystemClock
from backend.core.codes import Codebook, CodeBrake
from backend.core.content import Phrases
from backend.core.db import Database
from backend.core.helplines import Helplines
from backend.core.house import House
from backend.core.live import Hub
from backend.core.municipality import load_municipality
from backend.core.outbox import ConsoleTransport, SmsTransport, SmtpTransport, Transport, deliver_due, forget_sent
from backend.core.schedule import every, once
from backend.core.tongues import Tongues
from backend.core.translations import Translations
from backend.core.vault import Vault
from backend.core.webhooks import WebhookTransport
from backend.core.wording import Wording
from backend.danger.service import DangerWatch
from backend.editing.service import EditingDesk
from backend.improving.service import Learning
from backend.journey import views as journey_views
from backend.journey.service import Journey
from backend.returning import here as here_views
from backend.returning import views as returning_views
from backend.returning.service import Returning
from backend.staff import (
    account_pages,
    calendar,
    case_map,
    day,
    duty,
    feed,
    keeping,
    notices,
    phone_report,
    promise,
    signing,
    texts,
)
from backend.staff import cases as staff_cases
from backend.staff import log as staff_log
from backend.staff import views as staff_views
from backend.staff.account_desk import AccountDesk
from backend.staff.log_desk import LogDesk
from backend.stories import mypage
from backend.stories import views as story_views
from backend.stories.reading import StoryReading
from backend.stories.service import StoryDesk
from backend.stories.visits import Visits
from backend.talks.service import TalkDesk
from backend.web import accessibility, assets, demo, errors, head, render, security, style
from backend.web import help as help_page
from backend.web.theme import load_look

MAX_BODY = 512 * 1024
"""Bytes; the longest story in the widest characters, escaped as JSON, fits."""
OUTBOX_SECONDS = 2.0
HOUSEKEEPING_SECONDS = 60.0
SEAL_SECONDS = 1.0
PATROL_SECONDS = 10.0
SEATS_SECONDS = 20.0
RETENTION_SECONDS = 3600.0
TALK_SECONDS = 10.0


def build_house(settings: Settings, *, clock: Clock | None = None, database: Database | None = None) -> House:
    """Load and check all content and open the database; raises `ContentError` or `SettingsError`."""
    content = settings.content_dir
    wording = Wording()
    phrases, tongues = Phrases.load(content, wording), Tongues.load(content)
    municipality = load_municipality(content, settings.municipality)
    return House(
        settings=settings,
        db=database or Database(settings.database_url),
        vault=Vault(settings.data_key, settings.retired_data_keys),
        clock=clock or SystemClock(),
        phrases=phrases,
        municipality=municipality,
        helplines=Helplines.load(content, phrases, wording),
        tongues=tongues,
        translations=Translations(phrases, tongues, municipality),
        codes=Codebook(content / "sv" / "codewords.txt", settings.code_pepper),
        brake=CodeBrake(),
        live=Hub(),
        wording=wording,
    )


def create_app(
    settings: Settings,
    *,
    clock: Clock | None = None,
    database: Database | None = None,
    transport: Transport | None = None,
    name: str = "koll",
) -> Sanic:
    """A Sanic app for one municipality, ready to serve; its database must be migrated already."""
    house = build_house(settings, clock=clock, database=database)
    app = Sanic(name, config=Config(env_prefix=None), configure_logging=False)
    app.config.update(
        REQUEST_MAX_SIZE=MAX_BODY,
        REQUEST_TIMEOUT=10,
        KEEP_ALIVE_TIMEOUT=15,
        FALLBACK_ERROR_FORMAT="text",
        ACCESS_LOG=False,
        TEMPLATING_PATH_TO_TEMPLATES=str(render.TEMPLATES),
        # The library's own pages load their scripts from elsewhere; ours loads nothing.
        OAS_UI_DEFAULT="redoc",
        OAS_PATH_TO_REDOC_HTML=str(render.TEMPLATES / "docs.html"),
        OAS_UI_REDOC_HTML_TITLE="Koll på läget: chat API",
        OAS_UI_SWAGGER=False,
        OAS_URL_PREFIX="/docs",
        # See backend.web.head; nobody is asked from another site, so OPTIONS has nothing to tell.
        CORS=False,
        HTTP_AUTO_HEAD=False,
        HTTP_AUTO_OPTIONS=False,
        HTTP_AUTO_TRACE=False,
    )
    app.ctx.house = house
    Extend(app)
    render.setup(app, house)
    style.setup(app, house, load_look(settings.content_dir, house.municipality, settings.municipality))
    security.setup(app, house)
    errors.setup(app, house)
    assets.setup(app)
    head.setup(app)
    _register_features(app, house)
    _keep_delivering(app, house, _transports(settings) | ({outbox.STAFF: transport} if transport else {}))
    _keep_announcing(app, house, WebhookTransport(house.municipality, settings.webhook_secrets))

    @app.after_server_stop
    async def close(_app: Sanic) -> None:
        house.codes.close()
        await asyncio.to_thread(house.db.close)

    return app


def _register_features(app: Sanic, house: House) -> None:
    """Features in the order in which they may know of each other."""
    watch = DangerWatch(house)

    # Beside the server's start: the first page must not wait for what the rules can do without.
    once(app, "danger model", watch.listen)
    booking = BookingDesk(house)
    callbacks = CallbackDesk(house, booking)
    concerns = ConcernDesk(house)
    journey = Journey(house.settings.content_dir, house.phrases, house.wording)
    booking_views.setup(app, house, booking, watch, journey)
    callback_views.setup(app, house, callbacks, watch)
    report_views.setup(app, house, concerns, watch)
    stories = StoryDesk(house, concerns)
    visits = Visits(house.clock)
    story_views.setup(app, house, stories, watch, visits)
    mypage.setup(app, house, stories, watch, visits, journey)
    maps = MapDesk(house)
    returning = Returning(house, booking, concerns, stories, maps)
    here = here_views.HerePages(house, journey)
    returning_views.setup(app, house, booking, returning, here, watch)
    journey_views.setup(app, journey)
    here_views.setup(app, house, returning, here, watch)
    learning = Learning(house)
    talks = TalkDesk(house)
    answers = Answers.load(ROOT / "rasa" / "domain", house.wording)
    near = chat_setup.Neighbours(watch, booking, stories, journey, returning, learning, talks, answers)
    desk = chat_setup.setup(app, house, near)
    chat_pages.setup(app, house, desk, visits.close)
    help_page.setup(app, house)
    accessibility.setup(app, house)
    demo.setup(app)
    alerts = AlertDesk(house)
    shell = staff_views.setup(app, house, booking, concerns, StoryReading(house, stories), learning, alerts, talks)
    phone_report.setup(shell, concerns, watch)
    day.setup(shell, booking, Attending(house))
    feeds = Feeds(house)
    feed.setup(app, shell, feeds)
    notices.setup(shell)
    team = TeamDesk(house)
    cases, chain = CaseDesk(house), AuditChain(house.db, house.clock, chain_key(house.settings.code_pepper))
    staff_cases.setup(shell, cases, team, PersonDesk(house))
    case_map.setup(shell, cases, maps, journey)
    duty.setup(shell, team)
    staff_log.setup(shell, LogDesk(house, cases, chain))
    account_pages.setup(shell, AccountDesk(house))
    editing = EditingDesk(
        house,
        (house.phrases.texts, journey.texts, answers.texts, house.helplines.texts, house.tongues.texts),
        journey.explained(),
        journey.forms,
    )
    texts.setup(shell, editing)
    signing.setup(shell, editing.signing)
    calendar.setup(shell, booking)
    promise.setup(shell, booking, callbacks)
    retention = RetentionDesk(house)
    keeping.setup(shell, retention, HandlingDesk(house))
    shell.open(app)
    every(app, "texts", HOUSEKEEPING_SECONDS, editing.reload)
    every(app, "holds", HOUSEKEEPING_SECONDS, booking.release_expired)
    every(app, "purge", HOUSEKEEPING_SECONDS, booking.purge)
    every(app, "talks", TALK_SECONDS, talks.tend)
    every(app, "talks over", HOUSEKEEPING_SECONDS, talks.purge)
    every(app, "promise", HOUSEKEEPING_SECONDS, booking.promise.look_ahead)
    every(app, "calendars", HOUSEKEEPING_SECONDS, booking.schedules.purge)
    every(app, "requests", HOUSEKEEPING_SECONDS, booking.promise.settle)
    every(app, "callbacks", HOUSEKEEPING_SECONDS, callbacks.purge)
    every(app, "drafts of stories", HOUSEKEEPING_SECONDS, stories.purge)
    every(app, "alerts", HOUSEKEEPING_SECONDS, alerts.purge)
    every(app, "misunderstood", HOUSEKEEPING_SECONDS, learning.purge)
    every(app, "codes", HOUSEKEEPING_SECONDS, returning.forget)
    every(app, "concerns nobody took", HOUSEKEEPING_SECONDS, concerns.remind)
    every(app, "case seats", SEATS_SECONDS, team.lapse)
    every(app, "cases past their time", RETENTION_SECONDS, retention.purge)
    every(app, "what was sent in, past its time", RETENTION_SECONDS, retention.purge_sent)
    every(app, "audit seal", SEAL_SECONDS, chain.seal)
    every(app, "audit check", PATROL_SECONDS, chain.patrol)

    async def forget_keys() -> None:
        await house.db.write(lambda session: idempotency.forget(session, house.clock.now()))

    every(app, "keys", HOUSEKEEPING_SECONDS, forget_keys)


def _transports(settings: Settings) -> dict[str, Transport]:
    """One for each channel; the console where nothing is set up."""
    mail: Transport = ConsoleTransport()
    private: Transport = ConsoleTransport("reminder", tell_recipient=False)
    sms: Transport = ConsoleTransport("sms", tell_recipient=False)
    if settings.smtp_url:
        host = settings.mail_from.partition("@")[2] or "localhost"
        mail = SmtpTransport(settings.smtp_url, settings.mail_from)
        private = SmtpTransport(settings.smtp_url, settings.reminder_from or f"paminnelse@{host}")
    if settings.sms_url:
        sms = SmsTransport(
            settings.sms_url,
            settings.sms_fields,
            authorization=settings.sms_authorization,
            sender=settings.sms_sender,
            form=settings.sms_form,
        )
    return {outbox.STAFF: mail, outbox.PRIVATE_MAIL: private, outbox.SMS: sms}


def _keep_delivering(app: Sanic, house: House, transports: Mapping[str, Transport]) -> None:
    async def deliver() -> None:
        await deliver_due(house.db, transports, house.clock, house.vault)

    async def forget() -> None:
        before = house.clock.now() - timedelta(hours=house.municipality.retention.mail_hours)
        await house.db.write(lambda session: forget_sent(session, before))

    every(app, "outbox", OUTBOX_SECONDS, deliver)
    every(app, "sent-mail", HOUSEKEEPING_SECONDS, forget)


def _keep_announcing(app: Sanic, house: House, transport: Transport) -> None:
    """Webhooks by themselves: a system of the municipality's that hangs keeps no mail about danger waiting."""

    async def announce() -> None:
        await deliver_due(house.db, {webhooks.CHANNEL: transport}, house.clock)

    if house.municipality.webhooks:
        every(app, "webhooks", OUTBOX_SECONDS, announce)
