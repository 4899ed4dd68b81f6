"""routing and handling of concerns

Revision: 792b4e313007
Follows: 16f6f603a441
"""

import sqlalchemy as sa
from alembic import op

revision = "792b4e313007"
down_revision = "16f6f603a441"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "concern_assessment",
        sa.Column("concern_id", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("staff_id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("qualified", sa.Boolean(), nullable=False),
        sa.Column("outcome", sa.String(), nullable=False),
        sa.Column("reason", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint(
            "(kind = 'check' AND outcome IN ('safe', 'protect_now', 'investigate_now')) OR (kind = 'decision' AND outcome IN ('open', 'not_open', 'already_open'))",
            name=op.f("ck_concern_assessment_outcome"),
        ),
        sa.CheckConstraint("length(name) > 0", name=op.f("ck_concern_assessment_named")),
        sa.CheckConstraint("qualified", name=op.f("ck_concern_assessment_by_somebody_qualified")),
        sa.ForeignKeyConstraint(
            ["concern_id"], ["concern.id"], name=op.f("fk_concern_assessment_concern_id_concern"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["staff_id"], ["staff_member.id"], name=op.f("fk_concern_assessment_staff_id_staff_member")
        ),
        sa.PrimaryKeyConstraint("concern_id", "kind", name=op.f("pk_concern_assessment")),
    )
    op.create_table(
        "concern_handover",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("concern_id", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("staff_id", sa.String(), nullable=False),
        sa.Column("from_unit", sa.String(), nullable=False),
        sa.Column("to_unit", sa.String(), nullable=False),
        sa.Column("ground", sa.String(), server_default="", nullable=False),
        sa.Column("reason", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["concern_id"], ["concern.id"], name=op.f("fk_concern_handover_concern_id_concern"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["staff_id"], ["staff_member.id"], name=op.f("fk_concern_handover_staff_id_staff_member")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_concern_handover")),
    )
    with op.batch_alter_table("concern_handover", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_concern_handover_concern_id"), ["concern_id"], unique=False)

    op.create_table(
        "concern_release",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("concern_id", sa.String(), nullable=False),
        sa.Column("asked_by", sa.String(), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reason", sa.LargeBinary(), nullable=False),
        sa.Column("approved_by", sa.String(), nullable=True),
        sa.Column("approved_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "approved_by IS NULL OR approved_by <> asked_by", name=op.f("ck_concern_release_two_people")
        ),
        sa.ForeignKeyConstraint(
            ["approved_by"], ["staff_member.id"], name=op.f("fk_concern_release_approved_by_staff_member")
        ),
        sa.ForeignKeyConstraint(
            ["asked_by"], ["staff_member.id"], name=op.f("fk_concern_release_asked_by_staff_member")
        ),
        sa.ForeignKeyConstraint(
            ["concern_id"], ["concern.id"], name=op.f("fk_concern_release_concern_id_concern"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_concern_release")),
    )
    with op.batch_alter_table("concern_release", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_concern_release_concern_id"), ["concern_id"], unique=False)

    op.create_table(
        "concern_report",
        sa.Column("concern_id", sa.String(), nullable=False),
        sa.Column("anonymous", sa.Boolean(), nullable=False),
        sa.Column("feedback_wanted", sa.Boolean(), nullable=False),
        sa.Column("feedback_asked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("feedback_by", sa.String(), nullable=True),
        sa.Column("feedback_how", sa.String(), nullable=True),
        sa.Column("entered_by", sa.String(), nullable=True),
        sa.Column("data_key", sa.LargeBinary(), nullable=False),
        sa.Column("reporter", sa.LargeBinary(), nullable=True),
        sa.Column("child", sa.LargeBinary(), nullable=True),
        sa.CheckConstraint("NOT (anonymous AND reporter IS NOT NULL)", name=op.f("ck_concern_report_nobody_named")),
        sa.ForeignKeyConstraint(
            ["concern_id"], ["concern.id"], name=op.f("fk_concern_report_concern_id_concern"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("concern_id", name=op.f("pk_concern_report")),
    )
    op.create_table(
        "concern_seen",
        sa.Column("concern_id", sa.String(), nullable=False),
        sa.Column("staff_id", sa.String(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["concern_id"], ["concern.id"], name=op.f("fk_concern_seen_concern_id_concern"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["staff_id"], ["staff_member.id"], name=op.f("fk_concern_seen_staff_id_staff_member"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("concern_id", "staff_id", name=op.f("pk_concern_seen")),
    )
    with op.batch_alter_table("concern", schema=None) as batch_op:
        batch_op.add_column(sa.Column("source", sa.String(), server_default="self", nullable=False))
        batch_op.add_column(sa.Column("needs", sa.String(), server_default="", nullable=False))
        batch_op.add_column(sa.Column("area", sa.String(), nullable=True))
        batch_op.add_column(sa.Column("checked_at", sa.DateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column("feedback_due", sa.Date(), nullable=True))
        batch_op.add_column(sa.Column("feedback_at", sa.DateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column("next_clock", sa.String(), server_default="", nullable=False))
        batch_op.add_column(sa.Column("next_due", sa.Date(), nullable=True))
        batch_op.add_column(sa.Column("later_until", sa.Date(), nullable=True))
        batch_op.add_column(sa.Column("changed_at", sa.DateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True))
        batch_op.drop_index(batch_op.f("ix_concern_unit_state"))
        batch_op.create_index(
            "ix_concern_open",
            ["unit", "next_due", "received_at"],
            unique=False,
            sqlite_where=sa.text("closed_at IS NULL"),
            postgresql_where=sa.text("closed_at IS NULL"),
        )
        batch_op.create_index(batch_op.f("ix_concern_received_at"), ["received_at"], unique=False)
        batch_op.create_index(batch_op.f("ix_concern_unit_closed_at"), ["unit", "closed_at"], unique=False)

    # Until now checks and decisions were made in another system: here every first clock still runs.
    op.execute("UPDATE concern SET changed_at = received_at, next_clock = 'T1', next_due = protection_due")
    with op.batch_alter_table("concern", schema=None) as batch_op:
        batch_op.alter_column("changed_at", existing_type=sa.DateTime(timezone=True), nullable=False)


def downgrade() -> None:
    with op.batch_alter_table("concern", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_concern_unit_closed_at"))
        batch_op.drop_index(batch_op.f("ix_concern_received_at"))
        batch_op.drop_index(
            "ix_concern_open", sqlite_where=sa.text("closed_at IS NULL"), postgresql_where=sa.text("closed_at IS NULL")
        )
        batch_op.create_index(batch_op.f("ix_concern_unit_state"), ["unit", "state"], unique=False)
        batch_op.drop_column("closed_at")
        batch_op.drop_column("changed_at")
        batch_op.drop_column("later_until")
        batch_op.drop_column("next_due")
        batch_op.drop_column("next_clock")
        batch_op.drop_column("feedback_at")
        batch_op.drop_column("feedback_due")
        batch_op.drop_column("decided_at")
        batch_op.drop_column("checked_at")
        batch_op.drop_column("area")
        batch_op.drop_column("needs")
        batch_op.drop_column("source")

    op.drop_table("concern_seen")
    op.drop_table("concern_report")
    with op.batch_alter_table("concern_release", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_concern_release_concern_id"))

    op.drop_table("concern_release")
    with op.batch_alter_table("concern_handover", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_concern_handover_concern_id"))

    op.drop_table("concern_handover")
    op.drop_table("concern_assessment")
