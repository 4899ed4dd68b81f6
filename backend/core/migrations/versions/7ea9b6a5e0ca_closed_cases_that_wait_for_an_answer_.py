"""closed cases that wait for an answer are found

Revision: 7ea9b6a5e0ca
Follows: 3f8ceda6535a
"""

import sqlalchemy as sa
from alembic import op

revision = "7ea9b6a5e0ca"
down_revision = "3f8ceda6535a"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("care_case", schema=None) as batch_op:
        batch_op.create_index(
            "ix_care_case_closed_unit",
            ["unit", "closed_at"],
            unique=False,
            sqlite_where=sa.text("closed_at IS NOT NULL"),
            postgresql_where=sa.text("closed_at IS NOT NULL"),
        )
        batch_op.create_index(batch_op.f("ix_care_case_person_id"), ["person_id"], unique=False)

    with op.batch_alter_table("person", schema=None) as batch_op:
        batch_op.create_index(
            "ix_person_unanswered",
            ["id"],
            unique=False,
            sqlite_where=sa.text("kept = ''"),
            postgresql_where=sa.text("kept = ''"),
        )


def downgrade() -> None:
    with op.batch_alter_table("person", schema=None) as batch_op:
        batch_op.drop_index(
            "ix_person_unanswered", sqlite_where=sa.text("kept = ''"), postgresql_where=sa.text("kept = ''")
        )

    with op.batch_alter_table("care_case", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_care_case_person_id"))
        batch_op.drop_index(
            "ix_care_case_closed_unit",
            sqlite_where=sa.text("closed_at IS NOT NULL"),
            postgresql_where=sa.text("closed_at IS NOT NULL"),
        )
