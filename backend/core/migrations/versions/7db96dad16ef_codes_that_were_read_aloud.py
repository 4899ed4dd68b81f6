"""codes that were read aloud

Revision: 7db96dad16ef
Follows: c7fb637219c8
"""

import sqlalchemy as sa
from alembic import op

revision = "7db96dad16ef"
down_revision = "c7fb637219c8"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("return_code", schema=None) as batch_op:
        batch_op.add_column(sa.Column("read_aloud", sa.Boolean(), server_default=sa.false(), nullable=False))


def downgrade() -> None:
    with op.batch_alter_table("return_code", schema=None) as batch_op:
        batch_op.drop_column("read_aloud")
