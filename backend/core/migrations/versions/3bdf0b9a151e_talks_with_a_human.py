"""talks with a human

Revision: 3bdf0b9a151e
Follows: 166fbe86f9c4
"""

import sqlalchemy as sa
from alembic import op

import backend.core.db

revision = "3bdf0b9a151e"
down_revision = "166fbe86f9c4"
branch_labels = None
depends_on = None

_BEFORE = "source IN ('chat', 'booking', 'concern')"
_AFTER = "source IN ('chat', 'talk', 'booking', 'concern')"


def upgrade() -> None:
    op.create_table(
        "talk",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("booking_id", sa.String(), nullable=True),
        sa.Column("unit", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("therapist_id", sa.String(), nullable=True),
        sa.Column("offered_to", sa.String(), nullable=True),
        sa.Column("who", sa.String(), nullable=True),
        sa.Column("band", sa.String(), nullable=True),
        sa.Column("lang", sa.String(), nullable=False),
        sa.Column("interpreter", sa.String(), nullable=True),
        sa.Column("data_key", sa.LargeBinary(), nullable=False),
        sa.Column("last_seq", sa.Integer(), nullable=False),
        sa.Column("wiped", sa.Boolean(), nullable=False),
        sa.Column("created_at", backend.core.db.Instant(timezone=True), nullable=False),
        sa.Column("opened_at", backend.core.db.Instant(timezone=True), nullable=True),
        sa.Column("closed_at", backend.core.db.Instant(timezone=True), nullable=True),
        sa.Column("touched_at", backend.core.db.Instant(timezone=True), nullable=False),
        sa.CheckConstraint("state <> 'open' OR therapist_id IS NOT NULL", name=op.f("ck_talk_somebody")),
        sa.CheckConstraint("state IN ('waiting', 'open', 'handed_back', 'closed', 'left')", name=op.f("ck_talk_state")),
        sa.ForeignKeyConstraint(["offered_to"], ["staff_member.id"], name=op.f("fk_talk_offered_to_staff_member")),
        sa.ForeignKeyConstraint(["therapist_id"], ["staff_member.id"], name=op.f("fk_talk_therapist_id_staff_member")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_talk")),
        sa.UniqueConstraint("booking_id", name=op.f("uq_talk_booking_id")),
    )
    with op.batch_alter_table("talk", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_talk_offered_to"), ["offered_to"], unique=False)
        batch_op.create_index(
            batch_op.f("ix_talk_state_unit_created_at"), ["state", "unit", "created_at"], unique=False
        )
        batch_op.create_index(batch_op.f("ix_talk_therapist_id_state"), ["therapist_id", "state"], unique=False)

    op.create_table(
        "talk_duty",
        sa.Column("staff_id", sa.String(), nullable=False),
        sa.Column("since", backend.core.db.Instant(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["staff_id"], ["staff_member.id"], name=op.f("fk_talk_duty_staff_id_staff_member")),
        sa.PrimaryKeyConstraint("staff_id", name=op.f("pk_talk_duty")),
    )
    op.create_table(
        "talk_message",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("talk_id", sa.String(), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("author", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("staff_id", sa.String(), nullable=True),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.Column("at", backend.core.db.Instant(timezone=True), nullable=False),
        sa.Column("client_key", sa.String(), nullable=True),
        sa.Column("client_hash", sa.String(), nullable=True),
        sa.Column("danger_level", sa.String(), nullable=True),
        sa.Column("danger_category", sa.String(), nullable=True),
        sa.CheckConstraint("author IN ('visitor', 'staff', 'notice')", name=op.f("ck_talk_message_author")),
        sa.ForeignKeyConstraint(["staff_id"], ["staff_member.id"], name=op.f("fk_talk_message_staff_id_staff_member")),
        sa.ForeignKeyConstraint(
            ["talk_id"], ["talk.id"], name=op.f("fk_talk_message_talk_id_talk"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_talk_message")),
        sa.UniqueConstraint("talk_id", "client_key", name=op.f("uq_talk_message_talk_id_client_key")),
        sa.UniqueConstraint("talk_id", "seq", name=op.f("uq_talk_message_talk_id_seq")),
    )
    op.create_table(
        "talk_seat",
        sa.Column("chat_id", sa.String(), nullable=False),
        sa.Column("talk_id", sa.String(), nullable=False),
        sa.Column("shared", sa.Boolean(), nullable=False),
        sa.Column("joined_at", backend.core.db.Instant(timezone=True), nullable=False),
        sa.Column("left_at", backend.core.db.Instant(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["talk_id"], ["talk.id"], name=op.f("fk_talk_seat_talk_id_talk"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("chat_id", "talk_id", name=op.f("pk_talk_seat")),
    )
    with op.batch_alter_table("talk_seat", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_talk_seat_talk_id"), ["talk_id"], unique=False)
        batch_op.create_index(
            "uq_talk_seat_seated",
            ["chat_id"],
            unique=True,
            sqlite_where=sa.text("left_at IS NULL"),
            postgresql_where=sa.text("left_at IS NULL"),
        )

    with op.batch_alter_table("alert", schema=None) as batch_op:
        batch_op.drop_constraint(op.f("ck_alert_source"), type_="check")
        batch_op.create_check_constraint(op.f("ck_alert_source"), _AFTER)


def downgrade() -> None:
    op.execute("DELETE FROM alert WHERE source = 'talk'")
    with op.batch_alter_table("alert", schema=None) as batch_op:
        batch_op.drop_constraint(op.f("ck_alert_source"), type_="check")
        batch_op.create_check_constraint(op.f("ck_alert_source"), _BEFORE)

    with op.batch_alter_table("talk_seat", schema=None) as batch_op:
        batch_op.drop_index(
            "uq_talk_seat_seated", sqlite_where=sa.text("left_at IS NULL"), postgresql_where=sa.text("left_at IS NULL")
        )
        batch_op.drop_index(batch_op.f("ix_talk_seat_talk_id"))

    op.drop_table("talk_seat")
    op.drop_table("talk_message")
    op.drop_table("talk_duty")
    with op.batch_alter_table("talk", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_talk_therapist_id_state"))
        batch_op.drop_index(batch_op.f("ix_talk_state_unit_created_at"))
        batch_op.drop_index(batch_op.f("ix_talk_offered_to"))

    op.drop_table("talk")
