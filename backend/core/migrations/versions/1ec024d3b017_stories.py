"""stories

Revision: 1ec024d3b017
Follows: 7db96dad16ef
"""

import sqlalchemy as sa
from alembic import op

import backend.core.db

revision = "1ec024d3b017"
down_revision = "7db96dad16ef"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "story",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("who", sa.String(), nullable=True),
        sa.Column("band", sa.String(), nullable=True),
        sa.Column("lang", sa.String(), nullable=False),
        sa.Column("shown", sa.String(), nullable=False),
        sa.Column("basis", sa.String(), nullable=False),
        sa.Column("data_key", sa.LargeBinary(), nullable=False),
        sa.Column("answers", sa.LargeBinary(), nullable=True),
        sa.Column("receipt", sa.String(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", backend.core.db.Instant(timezone=True), nullable=False),
        sa.Column("changed_at", backend.core.db.Instant(timezone=True), nullable=False),
        sa.Column("told_at", backend.core.db.Instant(timezone=True), nullable=True),
        sa.Column("closed_at", backend.core.db.Instant(timezone=True), nullable=True),
        sa.Column("open_until", backend.core.db.Instant(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_story")),
    )
    with op.batch_alter_table("story", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_story_state_changed_at"), ["state", "changed_at"], unique=False)

    op.create_table(
        "story_help_consent",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("story_id", sa.String(), nullable=False),
        sa.Column("what", sa.String(), nullable=False),
        sa.Column("by", sa.String(), nullable=False),
        sa.Column("staff_id", sa.String(), nullable=False),
        sa.Column("at", backend.core.db.Instant(timezone=True), nullable=False),
        sa.Column("ended_at", backend.core.db.Instant(timezone=True), nullable=True),
        sa.Column("ended_by", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(
            ["staff_id"], ["staff_member.id"], name=op.f("fk_story_help_consent_staff_id_staff_member")
        ),
        sa.ForeignKeyConstraint(
            ["story_id"], ["story.id"], name=op.f("fk_story_help_consent_story_id_story"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_story_help_consent")),
    )
    with op.batch_alter_table("story_help_consent", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_story_help_consent_story_id"), ["story_id"], unique=False)
        batch_op.create_index(
            "uq_story_help_consent_standing",
            ["story_id", "what"],
            unique=True,
            sqlite_where=sa.text("ended_at IS NULL"),
            postgresql_where=sa.text("ended_at IS NULL"),
        )

    op.create_table(
        "story_legal_share",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("story_id", sa.String(), nullable=False),
        sa.Column("unit", sa.String(), nullable=True),
        sa.Column("outside", sa.String(), nullable=True),
        sa.Column("ground", sa.String(), nullable=False),
        sa.Column("paragraph", sa.String(), nullable=False),
        sa.Column("gate", sa.String(), nullable=False),
        sa.Column("grounds_version", sa.String(), nullable=False),
        sa.Column("reason", sa.LargeBinary(), nullable=False),
        sa.Column("staff_id", sa.String(), nullable=False),
        sa.Column("role", sa.String(), nullable=False),
        sa.Column("by_unit", sa.String(), nullable=False),
        sa.Column("at", backend.core.db.Instant(timezone=True), nullable=False),
        sa.Column("hidden", sa.LargeBinary(), nullable=True),
        sa.Column("hidden_by", sa.String(), nullable=True),
        sa.Column("review_on", sa.Date(), nullable=True),
        sa.Column("told_at", backend.core.db.Instant(timezone=True), nullable=True),
        sa.Column("ended_at", backend.core.db.Instant(timezone=True), nullable=True),
        sa.Column("ended_by", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(
            ["staff_id"], ["staff_member.id"], name=op.f("fk_story_legal_share_staff_id_staff_member")
        ),
        sa.ForeignKeyConstraint(
            ["story_id"], ["story.id"], name=op.f("fk_story_legal_share_story_id_story"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_story_legal_share")),
    )
    with op.batch_alter_table("story_legal_share", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_story_legal_share_story_id"), ["story_id"], unique=False)
        batch_op.create_index(
            batch_op.f("ix_story_legal_share_unit_ended_at_story_id"), ["unit", "ended_at", "story_id"], unique=False
        )

    op.create_table(
        "story_part",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("story_id", sa.String(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("at", backend.core.db.Instant(timezone=True), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("struck", sa.Boolean(), nullable=False),
        sa.Column("sent_key", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(
            ["story_id"], ["story.id"], name=op.f("fk_story_part_story_id_story"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_story_part")),
        sa.UniqueConstraint("story_id", "position", name=op.f("uq_story_part_story_id_position")),
    )
    op.create_table(
        "story_summary",
        sa.Column("story_id", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("staff_id", sa.String(), nullable=False),
        sa.Column("role", sa.String(), nullable=False),
        sa.Column("unit", sa.String(), nullable=False),
        sa.Column("at", backend.core.db.Instant(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["staff_id"], ["staff_member.id"], name=op.f("fk_story_summary_staff_id_staff_member")),
        sa.ForeignKeyConstraint(
            ["story_id"], ["story.id"], name=op.f("fk_story_summary_story_id_story"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("story_id", "version", name=op.f("pk_story_summary")),
    )
    op.create_table(
        "story_legal_share_item",
        sa.Column("share_id", sa.String(), nullable=False),
        sa.Column("part_id", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(
            ["part_id"],
            ["story_part.id"],
            name=op.f("fk_story_legal_share_item_part_id_story_part"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["share_id"],
            ["story_legal_share.id"],
            name=op.f("fk_story_legal_share_item_share_id_story_legal_share"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("share_id", "part_id", name=op.f("pk_story_legal_share_item")),
    )
    with op.batch_alter_table("story_legal_share_item", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_story_legal_share_item_part_id"), ["part_id"], unique=False)

    op.create_table(
        "story_secrecy_consent",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("story_id", sa.String(), nullable=False),
        sa.Column("part_id", sa.String(), nullable=False),
        sa.Column("unit", sa.String(), nullable=False),
        sa.Column("text_version", sa.String(), nullable=False),
        sa.Column("given_at", backend.core.db.Instant(timezone=True), nullable=False),
        sa.Column("withdrawn_at", backend.core.db.Instant(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["part_id"], ["story_part.id"], name=op.f("fk_story_secrecy_consent_part_id_story_part"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["story_id"], ["story.id"], name=op.f("fk_story_secrecy_consent_story_id_story"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_story_secrecy_consent")),
    )
    with op.batch_alter_table("story_secrecy_consent", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_story_secrecy_consent_story_id"), ["story_id"], unique=False)
        batch_op.create_index(
            batch_op.f("ix_story_secrecy_consent_unit_withdrawn_at_story_id"),
            ["unit", "withdrawn_at", "story_id"],
            unique=False,
        )
        batch_op.create_index(
            "uq_story_secrecy_consent_standing",
            ["part_id", "unit"],
            unique=True,
            sqlite_where=sa.text("withdrawn_at IS NULL"),
            postgresql_where=sa.text("withdrawn_at IS NULL"),
        )

    op.create_table(
        "story_told_point",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("story_id", sa.String(), nullable=False),
        sa.Column("part_id", sa.String(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("staff_id", sa.String(), nullable=False),
        sa.Column("at", backend.core.db.Instant(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["part_id"], ["story_part.id"], name=op.f("fk_story_told_point_part_id_story_part"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["staff_id"], ["staff_member.id"], name=op.f("fk_story_told_point_staff_id_staff_member")
        ),
        sa.ForeignKeyConstraint(
            ["story_id"], ["story.id"], name=op.f("fk_story_told_point_story_id_story"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_story_told_point")),
    )
    with op.batch_alter_table("story_told_point", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_story_told_point_story_id"), ["story_id"], unique=False)


def downgrade() -> None:
    with op.batch_alter_table("story_told_point", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_story_told_point_story_id"))

    op.drop_table("story_told_point")
    with op.batch_alter_table("story_secrecy_consent", schema=None) as batch_op:
        batch_op.drop_index(
            "uq_story_secrecy_consent_standing",
            sqlite_where=sa.text("withdrawn_at IS NULL"),
            postgresql_where=sa.text("withdrawn_at IS NULL"),
        )
        batch_op.drop_index(batch_op.f("ix_story_secrecy_consent_unit_withdrawn_at_story_id"))
        batch_op.drop_index(batch_op.f("ix_story_secrecy_consent_story_id"))

    op.drop_table("story_secrecy_consent")
    with op.batch_alter_table("story_legal_share_item", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_story_legal_share_item_part_id"))

    op.drop_table("story_legal_share_item")
    op.drop_table("story_summary")
    op.drop_table("story_part")
    with op.batch_alter_table("story_legal_share", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_story_legal_share_unit_ended_at_story_id"))
        batch_op.drop_index(batch_op.f("ix_story_legal_share_story_id"))

    op.drop_table("story_legal_share")
    with op.batch_alter_table("story_help_consent", schema=None) as batch_op:
        batch_op.drop_index(
            "uq_story_help_consent_standing",
            sqlite_where=sa.text("ended_at IS NULL"),
            postgresql_where=sa.text("ended_at IS NULL"),
        )
        batch_op.drop_index(batch_op.f("ix_story_help_consent_story_id"))

    op.drop_table("story_help_consent")
    with op.batch_alter_table("story", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_story_state_changed_at"))

    op.drop_table("story")
