"""promise ends at an instant, tries of a call

Revision: c7fb637219c8
Follows: 3bdf0b9a151e
"""

import sqlalchemy as sa
from alembic import op

import backend.core.db

revision = "c7fb637219c8"
down_revision = "3bdf0b9a151e"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Nothing wrote to it before this revision, so there is nothing to carry over.
    op.execute("DELETE FROM time_request")
    with op.batch_alter_table("callback", schema=None) as batch_op:
        batch_op.add_column(sa.Column("danger_category", sa.String(), nullable=True))
        batch_op.add_column(sa.Column("tries", sa.Integer(), server_default="0", nullable=False))
        batch_op.add_column(sa.Column("tried_at", backend.core.db.Instant(timezone=True), nullable=True))

    with op.batch_alter_table("time_request", schema=None) as batch_op:
        batch_op.add_column(sa.Column("until_at", backend.core.db.Instant(timezone=True), nullable=False))
        batch_op.drop_column("promised")


def downgrade() -> None:
    op.execute("DELETE FROM time_request")
    with op.batch_alter_table("time_request", schema=None) as batch_op:
        batch_op.add_column(sa.Column("promised", sa.Date(), nullable=False))
        batch_op.drop_column("until_at")

    with op.batch_alter_table("callback", schema=None) as batch_op:
        batch_op.drop_column("tried_at")
        batch_op.drop_column("tries")
        batch_op.drop_column("danger_category")
