"""when therapists work and what is promised

Revision: 166fbe86f9c4
Follows: 91659741aa6f
"""

import sqlalchemy as sa
from alembic import op

import backend.core.db

revision = "166fbe86f9c4"
down_revision = "91659741aa6f"
branch_labels = None
depends_on = None

_THERAPIST = {
    "gender": "gender IN ('woman', 'man')",
    "meeting": "meeting_minutes BETWEEN 5 AND 240 AND meeting_minutes % 5 = 0",
    "buffer": "buffer_minutes BETWEEN 0 AND 120 AND buffer_minutes % 5 = 0",
}


def upgrade() -> None:
    op.create_table(
        "time_request",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("asked_at", backend.core.db.Instant(timezone=True), nullable=False),
        sa.Column("promised", sa.Date(), nullable=False),
        sa.Column("within", sa.Boolean(), nullable=False),
        sa.Column("reference", sa.String(), nullable=True),
        sa.Column("wanted", sa.Boolean(), nullable=False),
        sa.Column("booking_id", sa.String(), nullable=True),
        sa.Column("callback_id", sa.String(), nullable=True),
        sa.Column("contact_at", backend.core.db.Instant(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_time_request")),
        sa.UniqueConstraint("reference", name=op.f("uq_time_request_reference")),
    )
    with op.batch_alter_table("time_request", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_time_request_asked_at"), ["asked_at"], unique=False)
        batch_op.create_index(batch_op.f("ix_time_request_booking_id"), ["booking_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_time_request_callback_id"), ["callback_id"], unique=False)

    op.create_table(
        "callback",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("holder", sa.String(), nullable=True),
        sa.Column("unit", sa.String(), nullable=False),
        sa.Column("asked_at", backend.core.db.Instant(timezone=True), nullable=False),
        sa.Column("deadline", backend.core.db.Instant(timezone=True), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("who", sa.String(), nullable=True),
        sa.Column("band", sa.String(), nullable=True),
        sa.Column("lang", sa.String(), nullable=False),
        sa.Column("interpreter", sa.String(), nullable=True),
        sa.Column("danger_level", sa.String(), nullable=True),
        sa.Column("receipt", sa.String(), nullable=False),
        sa.Column("data_key", sa.LargeBinary(), nullable=False),
        sa.Column("phone", sa.LargeBinary(), nullable=True),
        sa.Column("safe", sa.LargeBinary(), nullable=True),
        sa.Column("note", sa.LargeBinary(), nullable=True),
        sa.Column("booking_id", sa.String(), nullable=True),
        sa.Column("taken_by", sa.String(), nullable=True),
        sa.Column("taken_at", backend.core.db.Instant(timezone=True), nullable=True),
        sa.Column("ended_at", backend.core.db.Instant(timezone=True), nullable=True),
        sa.CheckConstraint(
            "state IN ('open', 'taken', 'booked', 'reached', 'missed', 'withdrawn')", name=op.f("ck_callback_state")
        ),
        sa.ForeignKeyConstraint(
            ["taken_by"], ["staff_member.id"], name=op.f("fk_callback_taken_by_staff_member"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_callback")),
        sa.UniqueConstraint("receipt", name=op.f("uq_callback_receipt")),
    )
    with op.batch_alter_table("callback", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_callback_state_deadline"), ["state", "deadline"], unique=False)
        batch_op.create_index(
            "uq_callback_open_holder",
            ["holder"],
            unique=True,
            sqlite_where=sa.text("state IN ('open', 'taken')"),
            postgresql_where=sa.text("state IN ('open', 'taken')"),
        )

    op.create_table(
        "capacity_alarm",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("rang_at", backend.core.db.Instant(timezone=True), nullable=False),
        sa.Column("seen_at", backend.core.db.Instant(timezone=True), nullable=True),
        sa.Column("seen_by", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(
            ["seen_by"], ["staff_member.id"], name=op.f("fk_capacity_alarm_seen_by_staff_member"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_capacity_alarm")),
        sa.UniqueConstraint("day", "reason", name=op.f("uq_capacity_alarm_day_reason")),
    )
    op.create_table(
        "staff_absence",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("staff_id", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("from_at", backend.core.db.Instant(timezone=True), nullable=False),
        sa.Column("until_at", backend.core.db.Instant(timezone=True), nullable=True),
        sa.Column("by", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(
            ["staff_id"],
            ["staff_member.id"],
            name=op.f("fk_staff_absence_staff_id_staff_member"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_staff_absence")),
    )
    with op.batch_alter_table("staff_absence", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_staff_absence_staff_id_until_at"), ["staff_id", "until_at"], unique=False)

    op.create_table(
        "acute_hours",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("staff_id", sa.String(), nullable=False),
        sa.Column("weekday", sa.Integer(), nullable=False),
        sa.Column("start_minute", sa.Integer(), nullable=False),
        sa.Column("end_minute", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "start_minute >= 0 AND end_minute <= 1440 AND start_minute < end_minute", name=op.f("ck_acute_hours_span")
        ),
        sa.CheckConstraint("weekday BETWEEN 0 AND 6", name=op.f("ck_acute_hours_weekday")),
        sa.ForeignKeyConstraint(["staff_id"], ["therapist.staff_id"], name=op.f("fk_acute_hours_staff_id_therapist")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_acute_hours")),
    )
    with op.batch_alter_table("acute_hours", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_acute_hours_staff_id"), ["staff_id"], unique=False)

    op.create_table(
        "day_hours",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("staff_id", sa.String(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("start_minute", sa.Integer(), nullable=False),
        sa.Column("end_minute", sa.Integer(), nullable=False),
        sa.CheckConstraint("kind IN ('extra', 'instead')", name=op.f("ck_day_hours_kind")),
        sa.CheckConstraint(
            "start_minute >= 0 AND end_minute <= 1440 AND start_minute < end_minute", name=op.f("ck_day_hours_span")
        ),
        sa.ForeignKeyConstraint(["staff_id"], ["therapist.staff_id"], name=op.f("fk_day_hours_staff_id_therapist")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_day_hours")),
    )
    with op.batch_alter_table("day_hours", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_day_hours_day_staff_id"), ["day", "staff_id"], unique=False)

    op.create_table(
        "hours_period",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("staff_id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("first", sa.Date(), nullable=False),
        sa.Column("last", sa.Date(), nullable=True),
        sa.CheckConstraint("first <= last", name=op.f("ck_hours_period_order")),
        sa.ForeignKeyConstraint(["staff_id"], ["therapist.staff_id"], name=op.f("fk_hours_period_staff_id_therapist")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_hours_period")),
    )
    with op.batch_alter_table("hours_period", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_hours_period_staff_id"), ["staff_id"], unique=False)

    with op.batch_alter_table("booking", schema=None) as batch_op:
        batch_op.add_column(sa.Column("wish", sa.String(), nullable=True))

    with op.batch_alter_table("therapist", schema=None) as batch_op:
        batch_op.add_column(sa.Column("languages", sa.String(), server_default="sv", nullable=False))
        batch_op.add_column(sa.Column("gender", sa.String(), nullable=True))
        batch_op.add_column(sa.Column("personal", sa.Boolean(), server_default=sa.false(), nullable=False))
        batch_op.add_column(sa.Column("meeting_minutes", sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column("buffer_minutes", sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column("notice_minutes", sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column("cutoff_minute", sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column("release_minute", sa.Integer(), nullable=True))
        for name, rule in _THERAPIST.items():
            batch_op.create_check_constraint(op.f(f"ck_therapist_{name}"), rule)

    with op.batch_alter_table("working_hours", schema=None) as batch_op:
        batch_op.add_column(sa.Column("period_id", sa.String(), nullable=True))
        batch_op.create_index(batch_op.f("ix_working_hours_period_id"), ["period_id"], unique=False)
        batch_op.create_foreign_key(
            batch_op.f("fk_working_hours_period_id_hours_period"), "hours_period", ["period_id"], ["id"]
        )


def downgrade() -> None:
    with op.batch_alter_table("working_hours", schema=None) as batch_op:
        batch_op.drop_constraint(batch_op.f("fk_working_hours_period_id_hours_period"), type_="foreignkey")
        batch_op.drop_index(batch_op.f("ix_working_hours_period_id"))
        batch_op.drop_column("period_id")

    with op.batch_alter_table("therapist", schema=None) as batch_op:
        for name in _THERAPIST:
            batch_op.drop_constraint(op.f(f"ck_therapist_{name}"), type_="check")
        batch_op.drop_column("release_minute")
        batch_op.drop_column("cutoff_minute")
        batch_op.drop_column("notice_minutes")
        batch_op.drop_column("buffer_minutes")
        batch_op.drop_column("meeting_minutes")
        batch_op.drop_column("personal")
        batch_op.drop_column("gender")
        batch_op.drop_column("languages")

    with op.batch_alter_table("booking", schema=None) as batch_op:
        batch_op.drop_column("wish")

    with op.batch_alter_table("hours_period", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_hours_period_staff_id"))

    op.drop_table("hours_period")
    with op.batch_alter_table("day_hours", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_day_hours_day_staff_id"))

    op.drop_table("day_hours")
    with op.batch_alter_table("acute_hours", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_acute_hours_staff_id"))

    op.drop_table("acute_hours")
    with op.batch_alter_table("staff_absence", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_staff_absence_staff_id_until_at"))

    op.drop_table("staff_absence")
    op.drop_table("capacity_alarm")
    with op.batch_alter_table("callback", schema=None) as batch_op:
        batch_op.drop_index(
            "uq_callback_open_holder",
            sqlite_where=sa.text("state IN ('open', 'taken')"),
            postgresql_where=sa.text("state IN ('open', 'taken')"),
        )
        batch_op.drop_index(batch_op.f("ix_callback_state_deadline"))

    op.drop_table("callback")
    with op.batch_alter_table("time_request", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_time_request_callback_id"))
        batch_op.drop_index(batch_op.f("ix_time_request_booking_id"))
        batch_op.drop_index(batch_op.f("ix_time_request_asked_at"))

    op.drop_table("time_request")
