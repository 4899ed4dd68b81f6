"""closed concerns in an index of their own

Revision: 334a4494c48b
Follows: 1ec024d3b017
"""

import sqlalchemy as sa
from alembic import op

revision = "334a4494c48b"
down_revision = "1ec024d3b017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("concern", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_concern_unit_closed_at"))
        batch_op.create_index(
            "ix_concern_closed",
            ["unit", "closed_at"],
            unique=False,
            sqlite_where=sa.text("closed_at IS NOT NULL"),
            postgresql_where=sa.text("closed_at IS NOT NULL"),
        )


def downgrade() -> None:
    with op.batch_alter_table("concern", schema=None) as batch_op:
        batch_op.drop_index(
            "ix_concern_closed",
            sqlite_where=sa.text("closed_at IS NOT NULL"),
            postgresql_where=sa.text("closed_at IS NOT NULL"),
        )
        batch_op.create_index(batch_op.f("ix_concern_unit_closed_at"), ["unit", "closed_at"], unique=False)
