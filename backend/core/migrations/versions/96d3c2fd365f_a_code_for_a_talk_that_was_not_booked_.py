"""a code for a talk that was not booked, and pages that listen

Revision: 96d3c2fd365f
Follows: 18a23c4a1523
"""

import sqlalchemy as sa
from alembic import op

import backend.core.db

revision = "96d3c2fd365f"
down_revision = "18a23c4a1523"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("staff_session", schema=None) as batch_op:
        batch_op.add_column(sa.Column("listened_at", backend.core.db.Instant(timezone=True), nullable=True))
    with op.batch_alter_table("talk", schema=None) as batch_op:
        batch_op.add_column(sa.Column("returnable", sa.Boolean(), server_default=sa.false(), nullable=False))


def downgrade() -> None:
    with op.batch_alter_table("talk", schema=None) as batch_op:
        batch_op.drop_column("returnable")
    with op.batch_alter_table("staff_session", schema=None) as batch_op:
        batch_op.drop_column("listened_at")
