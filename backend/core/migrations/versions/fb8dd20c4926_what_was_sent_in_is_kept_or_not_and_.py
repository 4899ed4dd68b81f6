"""what was sent in is kept or not and reasons have keys of their own

Revision: fb8dd20c4926
Follows: 55aca7cdb29f
"""

import sqlalchemy as sa
from alembic import op

revision = "fb8dd20c4926"
down_revision = "55aca7cdb29f"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "audit_reason_key",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("data_key", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_reason_key")),
    )
    with op.batch_alter_table("audit_reason_key", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_audit_reason_key_subject"), ["subject"], unique=False)

    with op.batch_alter_table("concern", schema=None) as batch_op:
        batch_op.add_column(sa.Column("kept", sa.String(), server_default="", nullable=False))
        batch_op.create_index(
            "ix_concern_erasable",
            ["closed_at"],
            unique=False,
            sqlite_where=sa.text("kept = 'no' AND closed_at IS NOT NULL"),
            postgresql_where=sa.text("kept = 'no' AND closed_at IS NOT NULL"),
        )


def downgrade() -> None:
    with op.batch_alter_table("concern", schema=None) as batch_op:
        batch_op.drop_index(
            "ix_concern_erasable",
            sqlite_where=sa.text("kept = 'no' AND closed_at IS NOT NULL"),
            postgresql_where=sa.text("kept = 'no' AND closed_at IS NOT NULL"),
        )
        batch_op.drop_column("kept")

    with op.batch_alter_table("audit_reason_key", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_audit_reason_key_subject"))

    op.drop_table("audit_reason_key")
