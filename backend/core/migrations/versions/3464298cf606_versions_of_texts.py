"""versions of texts

Revision: 3464298cf606
Follows: 792b4e313007
"""

import sqlalchemy as sa
from alembic import op

import backend.core.db

revision = "3464298cf606"
down_revision = "792b4e313007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "text_version",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("lang", sa.String(), nullable=False),
        sa.Column("variant", sa.String(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("text", sa.String(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("owner", sa.String(), nullable=False),
        sa.Column("reviewed", sa.Date(), nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=True),
        sa.Column("valid_to", sa.Date(), nullable=True),
        sa.Column("written_at", backend.core.db.Instant(timezone=True), nullable=False),
        sa.Column("written_by", sa.String(), nullable=False),
        sa.Column("published_at", backend.core.db.Instant(timezone=True), nullable=True),
        sa.Column("published_by", sa.String(), nullable=True),
        sa.CheckConstraint("state IN ('draft', 'published', 'withdrawn')", name=op.f("ck_text_version_state")),
        sa.CheckConstraint(
            "valid_to IS NULL OR valid_from IS NULL OR valid_from < valid_to", name=op.f("ck_text_version_valid")
        ),
        sa.ForeignKeyConstraint(
            ["published_by"], ["staff_member.id"], name=op.f("fk_text_version_published_by_staff_member")
        ),
        sa.ForeignKeyConstraint(
            ["written_by"], ["staff_member.id"], name=op.f("fk_text_version_written_by_staff_member")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_text_version")),
        sa.UniqueConstraint("key", "lang", "variant", "number", name=op.f("uq_text_version_key_lang_variant_number")),
    )
    with op.batch_alter_table("text_version", schema=None) as batch_op:
        batch_op.create_index("ix_text_version_state", ["state"], unique=False)


def downgrade() -> None:
    with op.batch_alter_table("text_version", schema=None) as batch_op:
        batch_op.drop_index("ix_text_version_state")

    op.drop_table("text_version")
