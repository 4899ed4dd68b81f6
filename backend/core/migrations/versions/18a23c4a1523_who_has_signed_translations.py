"""who has signed translations

Revision: 18a23c4a1523
Follows: 0616c458959d
"""

import sqlalchemy as sa
from alembic import op

import backend.core.db

revision = "18a23c4a1523"
down_revision = "0616c458959d"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "translation_signature",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("lang", sa.String(), nullable=False),
        sa.Column("part", sa.String(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("texts", sa.String(), nullable=False),
        sa.Column("signed_at", backend.core.db.Instant(timezone=True), nullable=False),
        sa.Column("signed_by", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(
            ["signed_by"], ["staff_member.id"], name=op.f("fk_translation_signature_signed_by_staff_member")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_translation_signature")),
        sa.UniqueConstraint("lang", "part", "number", name=op.f("uq_translation_signature_lang_part_number")),
    )


def downgrade() -> None:
    op.drop_table("translation_signature")
