"""A stamp on who works when.

Revision: 3f8ceda6535a
Follows: fb8dd20c4926
"""

import sqlalchemy as sa
from alembic import op

revision = "3f8ceda6535a"
down_revision = "fb8dd20c4926"
branch_labels = None
depends_on = None

_WATCHED = {
    "staff_member": "UPDATE OF first_name, active",
    "therapist": "UPDATE",
    "working_hours": "UPDATE",
    "hours_period": "UPDATE",
    "acute_hours": "UPDATE",
    "day_hours": "UPDATE",
    "staff_absence": "UPDATE",
}
_ANEW = "UPDATE schedule_stamp SET stamp = lower(hex(randomblob(16)))"
_ON_POSTGRESQL = """
CREATE FUNCTION schedule_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE schedule_stamp SET stamp = gen_random_uuid()::text;
    RETURN NULL;
END $$
"""


def upgrade() -> None:
    # With the state, a day's talks are counted in the index alone.
    op.drop_index("ix_booking_therapist_id_start_at", "booking")
    op.create_index("ix_booking_therapist_id_start_at_state", "booking", ["therapist_id", "start_at", "state"])
    op.create_table(
        "schedule_stamp",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("stamp", sa.String(), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_schedule_stamp_one")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_schedule_stamp")),
    )
    op.execute("INSERT INTO schedule_stamp (id, stamp) VALUES (1, 'first')")
    if op.get_bind().dialect.name == "postgresql":
        op.execute(_ON_POSTGRESQL)
        for table, update in _WATCHED.items():
            op.execute(
                f"CREATE TRIGGER schedule_changed AFTER INSERT OR {update} OR DELETE ON {table} "
                "EXECUTE FUNCTION schedule_changed()"
            )
    else:
        for table, update in _WATCHED.items():
            for change in ("INSERT", update, "DELETE"):
                op.execute(
                    f"CREATE TRIGGER schedule_changed_{table}_{change.split()[0].lower()} AFTER {change} ON {table} "
                    f"BEGIN {_ANEW}; END"
                )


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        for table in _WATCHED:
            op.execute(f"DROP TRIGGER schedule_changed ON {table}")
        op.execute("DROP FUNCTION schedule_changed()")
    else:
        for table, update in _WATCHED.items():
            for change in ("insert", update.split()[0].lower(), "delete"):
                op.execute(f"DROP TRIGGER schedule_changed_{table}_{change}")
    op.drop_table("schedule_stamp")
    op.drop_index("ix_booking_therapist_id_start_at_state", "booking")
    op.create_index("ix_booking_therapist_id_start_at", "booking", ["therapist_id", "start_at"])
