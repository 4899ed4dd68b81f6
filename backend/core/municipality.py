"""What is true in one municipality: names, hours, units, numbers. One file each, checked at the start."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from backend.core.content import LANGUAGES, Located, translations

Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
DAYS: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
Channel = Literal["chat", "phone", "video", "visit"]
ReminderWay = Literal["sms", "mail"]
Shown = Literal["signed", "marked", "never"]
StaffRole = Literal["therapist", "case_worker", "coordinator", "manager", "on_call", "editor", "admin"]
LONGEST_MISUNDERSTOOD = 30
"""Days; the assistant tells people this number."""
SHORTEST_CASE = 730
"""Days; a private provider of care keeps records for two years (SoL 17:2), and nobody for less."""
LONGEST_HIDDEN = 90
"""Days; then somebody must think again about what a person is not told."""


class Strict(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A content record: a misspelled field is an error, not a silent default."""


class Note(Strict, frozen=True):
    """The same sentence for a child and for an adult."""

    child: str
    adult: str


class Contact(Strict, frozen=True):
    """A local number. ``example`` marks one that reaches nobody."""

    id: str
    name: str
    number_display: str
    number_tel: str
    spoken: str
    note: Note
    example: bool = False


class OpenHours(Strict, frozen=True):
    """Local opening times of some weekdays, ``HH:MM``."""

    days: list[Day]
    open: str
    close: str


class OpeningPeriod(Strict, frozen=True):
    """Days of every year, ``MM-DD``, on which the office has other hours than usual: summer hours."""

    name: str
    first: str
    last: str
    opening_hours: list[OpenHours]

    def holds(self, day: date) -> bool:
        """Whether ``day`` lies in it; it may run over New Year."""
        at = day.strftime("%m-%d")
        return self.first <= at <= self.last if self.first <= self.last else at >= self.first or at <= self.last


class Socialjour(Strict, frozen=True):
    """Help when the office is closed; not round the clock everywhere."""

    name: str
    number_display: str | None
    number_tel: str | None
    spoken: str | None
    via_112: bool
    hours: list[OpenHours]
    text: Note
    verified: bool
    verified_at: date | None


UnitIcon = Literal["people", "child", "ear", "sun", "shield", "home", "scales", "coins", "hand", "heart"]


class Unit(Strict, frozen=True):
    """A queue and a circle of readers. ``icon`` is how a child who reads little knows it, ``plain_en`` ``plain`` in English."""

    id: str
    name: str
    plain: str
    board: str
    branch: str
    mailbox: str
    contact: str
    icon: UnitIcon = "people"
    plain_en: str = ""


class Area(Strict, frozen=True):
    """A part of the municipality, where units share their work by where people live."""

    id: str
    name: str


class Holidays(Strict, frozen=True):
    """Which days are closed: red days of a country, named eves, local days."""

    country: str
    closed_eves: list[str]
    closed_days: list[date]
    bridge_days: bool = False
    """Whether a single working day between a red day and a weekend is closed too."""


class BookingTerms(Strict, frozen=True):
    """How times are offered; durations as the names say."""

    enabled: bool
    unit: str
    meeting_minutes: int
    buffer_minutes: int
    notice_minutes: int
    cutoff: str
    hold_minutes: int
    offer: int
    days_ahead: int
    channels: list[Channel]
    reminders: list[ReminderWay] = []
    """How somebody may ask to be reminded; nobody is reminded who has not asked."""
    reminder_minutes: int = 60
    acute_release: str | None = "13:00"
    """When the day's times that are kept for whoever cannot wait are let go to everybody, local; null: never."""
    visit_at: str = ""
    """Where a visit takes place, as it is told to the person: street and door."""


LONGEST_LISTENING = 480
"""Minutes: a login lasts no longer, whatever it does."""


class TalkTerms(Strict, frozen=True):
    """The live conversation with a human.

    ``live``: whether somebody can be asked for at once. ``typical_minutes``: how long a talk usually takes,
    from which waiting times are told. ``early_minutes``: how long before a booked time its room opens.
    ``video_base``: an address that a room's name is put after, for therapists without a link of their own
    (``https://video.example/``); empty for none. ``listening_minutes``: how long somebody who takes talks, or is in
    one, stays logged in without touching anything while a page of theirs is open; others for 15 minutes.
    """

    live: bool = True
    typical_minutes: int = 40
    early_minutes: int = 10
    video_base: str = ""
    listening_minutes: int = 60


class Retention(Strict, frozen=True):
    """Hours or days until things are wiped."""

    chat_hours: int
    chat_idle_hours: int
    booking_hours: int
    held_time_hours: int
    code_hours: int
    mail_hours: int
    talk_hours: int = 24
    """Hours that the messages of a talk with a human are kept after it is over."""
    misunderstood_days: int = 30
    """Days that a masked message which the assistant did not understand is kept; `LONGEST_MISUNDERSTOOD` at most."""
    case_days: int = 1826
    """Days that a person's record and cases are kept after the last case was closed: five years (SoL 16:1); 0 for ever.

    The law keeps some of them longer, and some for ever, whatever stands here: see `backend.cases.rules.erased_from`.
    """
    concern_days: int = 1826
    """Days that what was sent in and came to no case is kept after it was closed; 0 for ever.

    Five years for a report that led to no investigation (SoL 16:2 a). That the same holds for what needed no decision
    (advice, an adult's own wish) is not in the law: the municipality's archive decision says. What led to an
    investigation is kept longer, whatever stands here: see `backend.cases.retention.RetentionDesk.purge_sent`.
    """


class StoryTerms(Strict, frozen=True):
    """How long an unsent story waits for its writer (hours), and a safety reason may keep a sharing from the person (days)."""

    draft_hours: int = 168
    hidden_days: int = 30


class OnCall(Strict, frozen=True):
    """Who is told at once about danger."""

    danger_mailbox: str
    acknowledge_minutes: int


class TeamTerms(Strict, frozen=True):
    """How long somebody who is asked into a team may take to answer, in minutes of opening hours."""

    answer_minutes: int = 240


WebhookEvent = Literal[
    "concern.received",
    "concern.accepted",
    "concern.moved",
    "decision.recorded",
    "booking.confirmed",
    "booking.cancelled",
    "case.opened",
]


class WebhookEndpoint(Strict, frozen=True):
    """One of the municipality's own systems, told of ``events`` by signed messages that hold an id and nothing else.

    Its secret is in the environment, under `backend.core.webhooks.secret_name`.
    """

    id: Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9-]{0,30}$")]
    url: str
    events: list[WebhookEvent]


class WorkingSpan(Strict, frozen=True):
    """Working hours of some weekdays, local ``HH:MM``."""

    days: list[Day]
    start: str
    end: str


class Break(Strict, frozen=True):
    """A daily pause, local ``HH:MM``."""

    start: str
    end: str


class DemoStaff(Strict, frozen=True):
    """Somebody whom `make run` adds so that a newcomer can log in."""

    login: str
    first_name: str
    role: StaffRole
    unit: str
    channels: list[Channel]
    meeting_url: str | None
    hours: list[WorkingSpan]
    break_: Break | None = msgspec.field(name="break", default=None)
    languages: list[str] = msgspec.field(default_factory=lambda: ["sv"])
    gender: Literal["woman", "man"] | None = None
    personal: bool = False
    acute: list[WorkingSpan] = []
    also: list[StaffRole] = []
    qualified: bool = False


class Theme(Strict, frozen=True):
    """Own colours by token of base.css, for light and dark surroundings, and a logo in a file beside this one."""

    light: dict[str, str] = {}
    dark: dict[str, str] = {}
    logo: str | None = None


class Accessibility(Strict, frozen=True):
    """What the accessibility statement must tell (DOS-lagen 13 §): where to complain, and who has tested when.

    ``tested_by`` is ``self`` or the name of whoever made the audit.
    """

    contact: str
    mail: str = ""
    tested_by: str = "self"
    tested_at: date | None = None


class Municipality(Strict, frozen=True):
    """The whole file.

    ``translations``: when a language that is not written whole may be chosen: once staff have ``signed`` it, which
    is usual; from the start, ``marked`` as read by nobody; or ``never``.
    ``improvement``: whether what the assistant did not understand is kept for staff to label.
    ``review_months``: how old a text may grow before somebody should read it again.
    """

    name: str
    short_name: str
    service_name: str
    example: bool
    timezone: str
    languages: list[str]
    frame_ancestors: list[str]
    exit_url: str
    exit_label: str
    contacts: list[Contact]
    socialjour: Socialjour
    units: list[Unit]
    opening_hours: list[OpenHours]
    holidays: Holidays
    booking: BookingTerms
    retention: Retention
    on_call: OnCall
    team: TeamTerms = TeamTerms()
    areas: list[Area] = []
    talks: TalkTerms = TalkTerms()
    webhooks: list[WebhookEndpoint] = []
    stories: StoryTerms = StoryTerms()
    translations: dict[str, Shown] = {}
    improvement: bool = False
    opening_periods: list[OpeningPeriod] = []
    demo_staff: list[DemoStaff] = []
    theme: Theme = Theme()
    review_months: int = 12
    accessibility: Accessibility | None = None

    def opening_on(self, day: date) -> list[OpenHours]:
        """The opening hours that hold on a local day: those of the first period that it lies in, else the usual."""
        period = next((each for each in self.opening_periods if each.holds(day)), None)
        return period.opening_hours if period is not None else self.opening_hours

    def unit(self, unit_id: str) -> Unit:
        """The unit with that id; raises `KeyError`."""
        for unit in self.units:
            if unit.id == unit_id:
                return unit
        raise KeyError(unit_id)

    def contact(self, contact_id: str) -> Contact:
        """The local number with that id; raises `KeyError`."""
        for contact in self.contacts:
            if contact.id == contact_id:
                return contact
        raise KeyError(contact_id)


def load_municipality(directory: Path, name: str) -> Municipality:
    """Read ``municipalities/<name>.yml``; raises `ContentError` with file, line and field."""
    file = Located(directory / "municipalities" / f"{name}.yml")
    loaded = file.convert(Municipality)
    for place, lang in enumerate(loaded.languages):
        if lang not in LANGUAGES:
            raise file.error(f"{lang} is not written whole; its place is translations", "languages", place)
    translated = translations(directory)
    for lang in loaded.translations:
        if lang not in translated:
            reason = f"{lang} has no phrases.yml of its own; there are {', '.join(translated) or 'none'}"
            raise file.error(reason, "translations", lang)
    units = {unit.id for unit in loaded.units}
    contacts = {contact.id for contact in loaded.contacts}
    for place, unit in enumerate(loaded.units):
        if unit.contact not in contacts:
            reason = f"unit {unit.id} points at contact {unit.contact}, which is none"
            raise file.error(reason, "units", place, "contact")
    for place, period in enumerate(loaded.opening_periods):
        for edge in ("first", "last"):
            if not _day_of_year(day := getattr(period, edge)):
                reason = f"opening_periods: {period.name}: {day} is no day of the year (MM-DD)"
                raise file.error(reason, "opening_periods", place, edge)
    if loaded.booking.unit not in units:
        raise file.error(f"booking.unit {loaded.booking.unit} is no unit", "booking", "unit")
    if loaded.accessibility is not None and loaded.accessibility.contact not in contacts:
        reason = f"accessibility.contact {loaded.accessibility.contact} is no contact"
        raise file.error(reason, "accessibility", "contact")
    for place, staff in enumerate(loaded.demo_staff):
        if staff.unit not in units:
            raise file.error(f"{staff.login} works in {staff.unit}, which is no unit", "demo_staff", place, "unit")
    if loaded.team.answer_minutes < 1:
        raise file.error("team.answer_minutes must be at least 1", "team", "answer_minutes")
    if not 1 <= loaded.retention.misunderstood_days <= LONGEST_MISUNDERSTOOD:
        reason = f"retention.misunderstood_days must be 1 to {LONGEST_MISUNDERSTOOD}"
        raise file.error(reason, "retention", "misunderstood_days")
    if loaded.retention.case_days and loaded.retention.case_days < SHORTEST_CASE:
        reason = f"retention.case_days must be 0 (never) or at least {SHORTEST_CASE}"
        raise file.error(reason, "retention", "case_days")
    if loaded.retention.concern_days and loaded.retention.concern_days < SHORTEST_CASE:
        reason = f"retention.concern_days must be 0 (never) or at least {SHORTEST_CASE}"
        raise file.error(reason, "retention", "concern_days")
    base = loaded.talks.video_base
    if base and not (base.startswith("https://") and base.endswith("/")):
        raise file.error("talks.video_base must begin with https:// and end with /", "talks", "video_base")
    if loaded.talks.typical_minutes < 1 or loaded.talks.early_minutes < 0:
        raise file.error("talks: minutes cannot be negative, and a talk takes some", "talks")
    if not 0 <= loaded.talks.listening_minutes <= LONGEST_LISTENING:
        reason = f"talks.listening_minutes must be 0 to {LONGEST_LISTENING}"
        raise file.error(reason, "talks", "listening_minutes")
    if not 1 <= loaded.stories.draft_hours <= loaded.retention.code_hours:
        raise file.error("stories.draft_hours must be 1 to retention.code_hours", "stories", "draft_hours")
    if not 1 <= loaded.stories.hidden_days <= LONGEST_HIDDEN:
        raise file.error(f"stories.hidden_days must be 1 to {LONGEST_HIDDEN}", "stories", "hidden_days")
    if loaded.booking.meeting_minutes % 5 or loaded.booking.buffer_minutes % 5:
        raise file.error("booking lengths must be multiples of five minutes", "booking")
    return loaded


def _day_of_year(text: str) -> bool:
    try:
        return date.fromisoformat(f"2028-{text}").strftime("%m-%d") == text
    except ValueError:
        return False
