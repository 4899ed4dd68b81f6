"""states of a talk and keys of requests

Revision: 38dffb7431dd
Follows: 2ba4186e143b
"""

import sqlalchemy as sa
from alembic import op

import backend.core.db

revision = "38dffb7431dd"
down_revision = "2ba4186e143b"
branch_labels = None
depends_on = None

_BEFORE = "state IN ('held', 'booked', 'cancelled')"
_AFTER = "state IN ('held', 'booked', 'done', 'no_show', 'cancelled')"


def upgrade() -> None:
    op.create_table(
        "idempotency_key",
        sa.Column("scope", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("outcome", sa.String(), nullable=False),
        sa.Column("created_at", backend.core.db.Instant(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("scope", "key", name=op.f("pk_idempotency_key")),
    )
    with op.batch_alter_table("idempotency_key", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_idempotency_key_created_at"), ["created_at"], unique=False)

    with op.batch_alter_table("booking", schema=None) as batch_op:
        batch_op.add_column(sa.Column("call_me", sa.LargeBinary(), nullable=True))
        batch_op.add_column(sa.Column("reminder", sa.LargeBinary(), nullable=True))
        batch_op.add_column(sa.Column("danger_level", sa.String(), nullable=True))
        batch_op.add_column(sa.Column("danger_category", sa.String(), nullable=True))
        batch_op.drop_constraint(op.f("ck_booking_state"), type_="check")
        batch_op.create_check_constraint(op.f("ck_booking_state"), _AFTER)


def downgrade() -> None:
    with op.batch_alter_table("booking", schema=None) as batch_op:
        batch_op.drop_constraint(op.f("ck_booking_state"), type_="check")
        batch_op.create_check_constraint(op.f("ck_booking_state"), _BEFORE)
        batch_op.drop_column("danger_category")
        batch_op.drop_column("danger_level")
        batch_op.drop_column("reminder")
        batch_op.drop_column("call_me")

    with op.batch_alter_table("idempotency_key", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_idempotency_key_created_at"))

    op.drop_table("idempotency_key")
