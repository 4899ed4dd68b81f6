"""sealed messages, after a talk, calendar feeds

Revision: fd5385aa69d7
Follows: 3464298cf606
"""

import sqlalchemy as sa
from alembic import op

import backend.core.db

revision = "fd5385aa69d7"
down_revision = "3464298cf606"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "calendar_feed",
        sa.Column("staff_id", sa.String(), nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("created_at", backend.core.db.Instant(timezone=True), nullable=False),
        sa.Column("read_at", backend.core.db.Instant(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["staff_id"], ["therapist.staff_id"], name=op.f("fk_calendar_feed_staff_id_therapist")),
        sa.PrimaryKeyConstraint("staff_id", name=op.f("pk_calendar_feed")),
        sa.UniqueConstraint("digest", name=op.f("uq_calendar_feed_digest")),
    )
    op.create_table(
        "after_talk",
        sa.Column("booking_id", sa.String(), nullable=False),
        sa.Column("by", sa.String(), nullable=False),
        sa.Column("at", backend.core.db.Instant(timezone=True), nullable=False),
        sa.Column("legal_basis", sa.String(), nullable=False),
        sa.Column("follow_up_at", backend.core.db.Instant(timezone=True), nullable=True),
        sa.Column("data_key", sa.LargeBinary(), nullable=False),
        sa.Column("record", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["booking_id"], ["booking.id"], name=op.f("fk_after_talk_booking_id_booking")),
        sa.ForeignKeyConstraint(["by"], ["staff_member.id"], name=op.f("fk_after_talk_by_staff_member")),
        sa.PrimaryKeyConstraint("booking_id", name=op.f("pk_after_talk")),
    )
    with op.batch_alter_table("after_talk", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_after_talk_follow_up_at"), ["follow_up_at"], unique=False)

    op.create_table(
        "missed_talk",
        sa.Column("booking_id", sa.String(), nullable=False),
        sa.Column("step", sa.String(), nullable=False),
        sa.Column("at", backend.core.db.Instant(timezone=True), nullable=False),
        sa.Column("by", sa.String(), nullable=False),
        sa.Column("tried_at", backend.core.db.Instant(timezone=True), nullable=True),
        sa.Column("tried_by", sa.String(), nullable=True),
        sa.Column("outcome", sa.String(), nullable=True),
        sa.Column("settled_at", backend.core.db.Instant(timezone=True), nullable=True),
        sa.Column("settled_by", sa.String(), nullable=True),
        sa.Column("data_key", sa.LargeBinary(), nullable=True),
        sa.Column("reason", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(["booking_id"], ["booking.id"], name=op.f("fk_missed_talk_booking_id_booking")),
        sa.ForeignKeyConstraint(["by"], ["staff_member.id"], name=op.f("fk_missed_talk_by_staff_member")),
        sa.ForeignKeyConstraint(
            ["settled_by"], ["staff_member.id"], name=op.f("fk_missed_talk_settled_by_staff_member")
        ),
        sa.ForeignKeyConstraint(["tried_by"], ["staff_member.id"], name=op.f("fk_missed_talk_tried_by_staff_member")),
        sa.PrimaryKeyConstraint("booking_id", name=op.f("pk_missed_talk")),
    )
    with op.batch_alter_table("outbox_message", schema=None) as batch_op:
        batch_op.add_column(sa.Column("about", sa.String(), nullable=True))
        batch_op.add_column(sa.Column("sealed", sa.LargeBinary(), nullable=True))
        batch_op.add_column(sa.Column("data_key", sa.LargeBinary(), nullable=True))
        batch_op.add_column(sa.Column("due_at", backend.core.db.Instant(timezone=True), nullable=True))
        batch_op.create_index(batch_op.f("ix_outbox_message_about"), ["about"], unique=False)

    op.execute("UPDATE outbox_message SET due_at = created_at")
    with op.batch_alter_table("outbox_message", schema=None) as batch_op:
        batch_op.alter_column("due_at", existing_type=backend.core.db.Instant(timezone=True), nullable=False)


def downgrade() -> None:
    with op.batch_alter_table("outbox_message", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_outbox_message_about"))
        batch_op.drop_column("due_at")
        batch_op.drop_column("data_key")
        batch_op.drop_column("sealed")
        batch_op.drop_column("about")

    op.drop_table("missed_talk")
    with op.batch_alter_table("after_talk", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_after_talk_follow_up_at"))

    op.drop_table("after_talk")
    op.drop_table("calendar_feed")
