"""When nobody took a concern in time.

Revision: 2b96d2a22b52
Follows: 96d3c2fd365f
"""

import sqlalchemy as sa
from alembic import op

from backend.core.db import Instant

revision = "2b96d2a22b52"
down_revision = "96d3c2fd365f"
branch_labels = None
depends_on = None

_WAITS = sa.text("take_by IS NOT NULL")


def upgrade() -> None:
    op.add_column("concern", sa.Column("take_by", Instant(timezone=True), nullable=True))
    op.add_column("concern", sa.Column("untaken_at", Instant(timezone=True), nullable=True))
    op.create_index("ix_concern_take_by", "concern", ["take_by"], sqlite_where=_WAITS, postgresql_where=_WAITS)


def downgrade() -> None:
    op.drop_index("ix_concern_take_by", "concern")
    op.drop_column("concern", "untaken_at")
    op.drop_column("concern", "take_by")
