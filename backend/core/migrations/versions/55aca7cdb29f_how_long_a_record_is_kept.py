"""how long a record is kept

Revision: 55aca7cdb29f
Follows: 2b96d2a22b52
"""

import sqlalchemy as sa
from alembic import op

revision = "55aca7cdb29f"
down_revision = "2b96d2a22b52"
branch_labels = None
depends_on = None

_ERASABLE = sa.text("kept = 'no'")


def upgrade() -> None:
    with op.batch_alter_table("person", schema=None) as batch_op:
        batch_op.add_column(sa.Column("kept", sa.String(), server_default="", nullable=False))
        batch_op.create_index(
            "ix_person_erasable", ["created_at"], unique=False, sqlite_where=_ERASABLE, postgresql_where=_ERASABLE
        )


def downgrade() -> None:
    with op.batch_alter_table("person", schema=None) as batch_op:
        batch_op.drop_index("ix_person_erasable", sqlite_where=_ERASABLE, postgresql_where=_ERASABLE)
        batch_op.drop_column("kept")
