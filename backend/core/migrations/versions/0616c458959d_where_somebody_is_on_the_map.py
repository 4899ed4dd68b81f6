"""Where somebody is on the map, and to whom it may be shown.

Revision: 0616c458959d
Follows: 334a4494c48b
"""

import sqlalchemy as sa
from alembic import op

import backend.core.db

revision = "0616c458959d"
down_revision = "334a4494c48b"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "map_place",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("station", sa.String(), nullable=False),
        sa.Column("since", backend.core.db.Instant(timezone=True), nullable=False),
        sa.Column("until", backend.core.db.Instant(timezone=True), nullable=True),
        sa.Column("meets_at", backend.core.db.Instant(timezone=True), nullable=True),
        sa.Column("placed_by", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["placed_by"], ["staff_member.id"], name=op.f("fk_map_place_placed_by_staff_member")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_map_place")),
    )
    with op.batch_alter_table("map_place", schema=None) as batch_op:
        batch_op.create_index("ix_map_place_subject", ["subject", "since"], unique=False)
        batch_op.create_index(
            "uq_map_place_now",
            ["subject"],
            unique=True,
            sqlite_where=sa.text("until IS NULL"),
            postgresql_where=sa.text("until IS NULL"),
        )

    op.create_table(
        "map_showing",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("viewer", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("as_whom", sa.String(), nullable=False),
        sa.Column("ground", sa.String(), nullable=False),
        sa.Column("data_key", sa.LargeBinary(), nullable=False),
        sa.Column("reason", sa.LargeBinary(), nullable=False),
        sa.Column("since", backend.core.db.Instant(timezone=True), nullable=False),
        sa.Column("until", backend.core.db.Instant(timezone=True), nullable=True),
        sa.Column("shown_by", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["shown_by"], ["staff_member.id"], name=op.f("fk_map_showing_shown_by_staff_member")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_map_showing")),
    )
    with op.batch_alter_table("map_showing", schema=None) as batch_op:
        batch_op.create_index("ix_map_showing_subject", ["subject"], unique=False)
        batch_op.create_index(
            "uq_map_showing_now",
            ["viewer", "subject"],
            unique=True,
            sqlite_where=sa.text("until IS NULL"),
            postgresql_where=sa.text("until IS NULL"),
        )


def downgrade() -> None:
    with op.batch_alter_table("map_showing", schema=None) as batch_op:
        batch_op.drop_index(
            "uq_map_showing_now", sqlite_where=sa.text("until IS NULL"), postgresql_where=sa.text("until IS NULL")
        )
        batch_op.drop_index("ix_map_showing_subject")

    op.drop_table("map_showing")
    with op.batch_alter_table("map_place", schema=None) as batch_op:
        batch_op.drop_index(
            "uq_map_place_now", sqlite_where=sa.text("until IS NULL"), postgresql_where=sa.text("until IS NULL")
        )
        batch_op.drop_index("ix_map_place_subject")

    op.drop_table("map_place")
