"""rows that are about a person

Revision: 91659741aa6f
Follows: fd5385aa69d7
"""

import sqlalchemy as sa
from alembic import op

revision = "91659741aa6f"
down_revision = "fd5385aa69d7"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "access_about",
        sa.Column("subject_id", sa.String(), nullable=False),
        sa.Column("subject_kind", sa.String(), nullable=False),
        sa.Column("person_id", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("subject_id", "subject_kind", name=op.f("pk_access_about")),
    )
    op.create_index(op.f("ix_access_about_person_id"), "access_about", ["person_id"], unique=False)


def downgrade() -> None:
    op.drop_table("access_about")
