"""stories behind concerns

Revision: 2ba4186e143b
Follows: 95fbf5e57659
"""

import sqlalchemy as sa
from alembic import op

revision = "2ba4186e143b"
down_revision = "95fbf5e57659"
branch_labels = None
depends_on = None


def upgrade() -> None:

    with op.batch_alter_table("concern", schema=None) as batch_op:
        batch_op.add_column(sa.Column("story_id", sa.String(), nullable=True))
        batch_op.alter_column("words", existing_type=sa.LargeBinary(), nullable=True)
        batch_op.create_index(batch_op.f("ix_concern_story_id"), ["story_id"], unique=False)


def downgrade() -> None:

    with op.batch_alter_table("concern", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_concern_story_id"))
        batch_op.alter_column("words", existing_type=sa.LargeBinary(), nullable=False)
        batch_op.drop_column("story_id")
