"""roles beside the main one and channels of the outbox

Revision: 95fbf5e57659
Follows: 8e564f403ba1
"""

import sqlalchemy as sa
from alembic import op

revision = "95fbf5e57659"
down_revision = "8e564f403ba1"
branch_labels = None
depends_on = None


def upgrade() -> None:

    with op.batch_alter_table("outbox_message", schema=None) as batch_op:
        batch_op.add_column(sa.Column("channel", sa.String(), server_default="mail", nullable=False))

    with op.batch_alter_table("staff_member", schema=None) as batch_op:
        batch_op.add_column(sa.Column("also", sa.String(), server_default="", nullable=False))
        batch_op.add_column(sa.Column("qualified", sa.Boolean(), server_default=sa.false(), nullable=False))


def downgrade() -> None:

    with op.batch_alter_table("staff_member", schema=None) as batch_op:
        batch_op.drop_column("qualified")
        batch_op.drop_column("also")

    with op.batch_alter_table("outbox_message", schema=None) as batch_op:
        batch_op.drop_column("channel")
