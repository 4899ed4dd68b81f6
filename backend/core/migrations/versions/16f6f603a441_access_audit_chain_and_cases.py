"""who may not see what, the audit log's seal, persons, families and cases

Revision: 16f6f603a441
Follows: 38dffb7431dd
"""

import sqlalchemy as sa
from alembic import op

from backend.core.db import Instant

revision = "16f6f603a441"
down_revision = "38dffb7431dd"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "audit_seal",
        sa.Column("no", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", Instant(timezone=True), nullable=False),
        sa.Column("last_id", sa.Integer(), nullable=False),
        sa.Column("entries", sa.LargeBinary(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("no", name=op.f("pk_audit_seal")),
    )
    op.create_table(
        "access_opening",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("staff_id", sa.String(), nullable=False),
        sa.Column("subject_kind", sa.String(), nullable=False),
        sa.Column("subject_id", sa.String(), nullable=False),
        sa.Column("data_key", sa.LargeBinary(), nullable=False),
        sa.Column("reason", sa.LargeBinary(), nullable=False),
        sa.Column("at", Instant(timezone=True), nullable=False),
        sa.Column("until", Instant(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["staff_id"], ["staff_member.id"], name=op.f("fk_access_opening_staff_id_staff_member"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_access_opening")),
    )
    op.create_index(
        op.f("ix_access_opening_staff_id_subject_id_until"),
        "access_opening",
        ["staff_id", "subject_id", "until"],
        unique=False,
    )

    op.create_table(
        "access_tie",
        sa.Column("staff_id", sa.String(), nullable=False),
        sa.Column("person_id", sa.String(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(
            ["staff_id"], ["staff_member.id"], name=op.f("fk_access_tie_staff_id_staff_member"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("staff_id", "person_id", "source", name=op.f("pk_access_tie")),
    )
    op.create_index(op.f("ix_access_tie_source"), "access_tie", ["source"], unique=False)

    op.create_table(
        "family",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("created_at", Instant(timezone=True), nullable=False),
        sa.Column("created_by", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["created_by"], ["staff_member.id"], name=op.f("fk_family_created_by_staff_member")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_family")),
    )
    op.create_table(
        "person",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("who", sa.String(), nullable=False),
        sa.Column("protected", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("unit", sa.String(), nullable=False),
        sa.Column("data_key", sa.LargeBinary(), nullable=False),
        sa.Column("shared", sa.LargeBinary(), nullable=False),
        sa.Column("private", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", Instant(timezone=True), nullable=False),
        sa.Column("created_by", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.ForeignKeyConstraint(["created_by"], ["staff_member.id"], name=op.f("fk_person_created_by_staff_member")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_person")),
    )
    op.create_table(
        "withheld",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("subject_kind", sa.String(), nullable=False),
        sa.Column("subject_id", sa.String(), nullable=False),
        sa.Column("from_kind", sa.String(), nullable=False),
        sa.Column("from_id", sa.String(), nullable=False),
        sa.Column("data_key", sa.LargeBinary(), nullable=False),
        sa.Column("reason", sa.LargeBinary(), nullable=False),
        sa.Column("by", sa.String(), nullable=False),
        sa.Column("at", Instant(timezone=True), nullable=False),
        sa.Column("lifted_at", Instant(timezone=True), nullable=True),
        sa.Column("lifted_by", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(["by"], ["staff_member.id"], name=op.f("fk_withheld_by_staff_member")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_withheld")),
    )
    op.create_index(
        "uq_withheld_once",
        "withheld",
        ["subject_id", "subject_kind", "from_kind", "from_id"],
        unique=True,
        sqlite_where=sa.text("lifted_at IS NULL"),
        postgresql_where=sa.text("lifted_at IS NULL"),
    )

    op.create_table(
        "care_case",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("person_id", sa.String(), nullable=False),
        sa.Column("unit", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("coordinator_id", sa.String(), nullable=True),
        sa.Column("data_key", sa.LargeBinary(), nullable=False),
        sa.Column("opened_at", Instant(timezone=True), nullable=False),
        sa.Column("opened_by", sa.String(), nullable=False),
        sa.Column("closed_at", Instant(timezone=True), nullable=True),
        sa.Column("closed_by", sa.String(), nullable=True),
        sa.Column("closed_as", sa.String(), nullable=True),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.CheckConstraint("state <> 'active' OR coordinator_id IS NOT NULL", name=op.f("ck_care_case_active_is_led")),
        sa.CheckConstraint("state <> 'waiting' OR coordinator_id IS NULL", name=op.f("ck_care_case_waiting_is_not")),
        sa.ForeignKeyConstraint(
            ["coordinator_id"], ["staff_member.id"], name=op.f("fk_care_case_coordinator_id_staff_member")
        ),
        sa.ForeignKeyConstraint(["opened_by"], ["staff_member.id"], name=op.f("fk_care_case_opened_by_staff_member")),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_care_case_person_id_person")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_care_case")),
    )
    op.create_index(op.f("ix_care_case_coordinator_id"), "care_case", ["coordinator_id"], unique=False)
    op.create_index(
        "ix_care_case_open_unit",
        "care_case",
        ["unit", "opened_at"],
        unique=False,
        sqlite_where=sa.text("state <> 'closed'"),
        postgresql_where=sa.text("state <> 'closed'"),
    )
    op.create_index(
        "uq_care_case_open_person",
        "care_case",
        ["person_id"],
        unique=True,
        sqlite_where=sa.text("state <> 'closed'"),
        postgresql_where=sa.text("state <> 'closed'"),
    )

    op.create_table(
        "family_member",
        sa.Column("family_id", sa.String(), nullable=False),
        sa.Column("person_id", sa.String(), nullable=False),
        sa.Column("shown", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("added_at", Instant(timezone=True), nullable=False),
        sa.Column("added_by", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["added_by"], ["staff_member.id"], name=op.f("fk_family_member_added_by_staff_member")),
        sa.ForeignKeyConstraint(
            ["family_id"], ["family.id"], name=op.f("fk_family_member_family_id_family"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["person_id"], ["person.id"], name=op.f("fk_family_member_person_id_person"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("family_id", "person_id", name=op.f("pk_family_member")),
    )
    op.create_index(op.f("ix_family_member_person_id"), "family_member", ["person_id"], unique=False)

    op.create_table(
        "case_event",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("case_id", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("until", sa.Date(), nullable=True),
        sa.Column("noted_at", Instant(timezone=True), nullable=False),
        sa.Column("by", sa.String(), nullable=False),
        sa.Column("withdrawn_at", Instant(timezone=True), nullable=True),
        sa.Column("withdrawn_by", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(
            ["case_id"], ["care_case.id"], name=op.f("fk_case_event_case_id_care_case"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_case_event")),
    )
    op.create_index(op.f("ix_case_event_case_id"), "case_event", ["case_id"], unique=False)

    op.create_table(
        "case_meeting",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("case_id", sa.String(), nullable=False),
        sa.Column("unit", sa.String(), nullable=False),
        sa.Column("staff_id", sa.String(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("way", sa.String(), nullable=False),
        sa.Column("noted_at", Instant(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["case_id"], ["care_case.id"], name=op.f("fk_case_meeting_case_id_care_case"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["staff_id"], ["staff_member.id"], name=op.f("fk_case_meeting_staff_id_staff_member")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_case_meeting")),
    )
    op.create_index(op.f("ix_case_meeting_case_id"), "case_meeting", ["case_id"], unique=False)

    op.create_table(
        "case_note",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("case_id", sa.String(), nullable=False),
        sa.Column("at", Instant(timezone=True), nullable=False),
        sa.Column("by", sa.String(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["by"], ["staff_member.id"], name=op.f("fk_case_note_by_staff_member")),
        sa.ForeignKeyConstraint(
            ["case_id"], ["care_case.id"], name=op.f("fk_case_note_case_id_care_case"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_case_note")),
    )
    op.create_index(op.f("ix_case_note_case_id"), "case_note", ["case_id"], unique=False)

    op.create_table(
        "case_question",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("case_id", sa.String(), nullable=False),
        sa.Column("question", sa.LargeBinary(), nullable=False),
        sa.Column("answer", sa.LargeBinary(), nullable=True),
        sa.Column("asked_at", Instant(timezone=True), nullable=False),
        sa.Column("asked_by", sa.String(), nullable=False),
        sa.Column("answered_at", Instant(timezone=True), nullable=True),
        sa.Column("answered_by", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(
            ["case_id"], ["care_case.id"], name=op.f("fk_case_question_case_id_care_case"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_case_question")),
    )
    op.create_index(op.f("ix_case_question_case_id"), "case_question", ["case_id"], unique=False)

    op.create_table(
        "case_seat",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("case_id", sa.String(), nullable=False),
        sa.Column("unit", sa.String(), nullable=False),
        sa.Column("staff_id", sa.String(), nullable=True),
        sa.Column("lead", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("coordinates", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("asked_at", Instant(timezone=True), nullable=False),
        sa.Column("asked_by", sa.String(), nullable=False),
        sa.Column("answer_by", Instant(timezone=True), nullable=True),
        sa.Column("back_on", Instant(timezone=True), nullable=True),
        sa.Column("answered_at", Instant(timezone=True), nullable=True),
        sa.Column("ended_at", Instant(timezone=True), nullable=True),
        sa.Column("ground", sa.String(), nullable=True),
        sa.Column("said", sa.LargeBinary(), nullable=True),
        sa.Column("next_step", sa.LargeBinary(), nullable=True),
        sa.Column("next_on", sa.Date(), nullable=True),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.ForeignKeyConstraint(
            ["case_id"], ["care_case.id"], name=op.f("fk_case_seat_case_id_care_case"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["staff_id"], ["staff_member.id"], name=op.f("fk_case_seat_staff_id_staff_member")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_case_seat")),
    )
    op.create_index(op.f("ix_case_seat_case_id_state"), "case_seat", ["case_id", "state"], unique=False)
    op.create_index(
        "ix_case_seat_open_unit",
        "case_seat",
        ["unit", "state"],
        unique=False,
        sqlite_where=sa.text("state IN ('asked', 'later', 'accepted')"),
        postgresql_where=sa.text("state IN ('asked', 'later', 'accepted')"),
    )
    op.create_index(op.f("ix_case_seat_staff_id_state"), "case_seat", ["staff_id", "state"], unique=False)
    op.create_index(
        "uq_case_seat_one_coordinator",
        "case_seat",
        ["case_id"],
        unique=True,
        sqlite_where=sa.text("coordinates AND state IN ('asked', 'later', 'accepted')"),
        postgresql_where=sa.text("coordinates AND state IN ('asked', 'later', 'accepted')"),
    )
    op.create_index(
        "uq_case_seat_one_lead",
        "case_seat",
        ["case_id", "unit"],
        unique=True,
        sqlite_where=sa.text("lead AND state IN ('asked', 'later', 'accepted')"),
        postgresql_where=sa.text("lead AND state IN ('asked', 'later', 'accepted')"),
    )
    op.create_index(
        "uq_case_seat_open_staff",
        "case_seat",
        ["case_id", "staff_id"],
        unique=True,
        sqlite_where=sa.text("state IN ('asked', 'later', 'accepted')"),
        postgresql_where=sa.text("state IN ('asked', 'later', 'accepted')"),
    )

    op.create_table(
        "case_source",
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("source_id", sa.String(), nullable=False),
        sa.Column("case_id", sa.String(), nullable=False),
        sa.Column("at", Instant(timezone=True), nullable=False),
        sa.Column("by", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["by"], ["staff_member.id"], name=op.f("fk_case_source_by_staff_member")),
        sa.ForeignKeyConstraint(["case_id"], ["care_case.id"], name=op.f("fk_case_source_case_id_care_case")),
        sa.PrimaryKeyConstraint("kind", "source_id", name=op.f("pk_case_source")),
    )
    op.create_index(op.f("ix_case_source_case_id"), "case_source", ["case_id"], unique=False)

    op.create_table(
        "case_task",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("case_id", sa.String(), nullable=False),
        sa.Column("title", sa.LargeBinary(), nullable=False),
        sa.Column("due", sa.Date(), nullable=False),
        sa.Column("staff_id", sa.String(), nullable=True),
        sa.Column("created_at", Instant(timezone=True), nullable=False),
        sa.Column("created_by", sa.String(), nullable=False),
        sa.Column("done_at", Instant(timezone=True), nullable=True),
        sa.Column("done_by", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(
            ["case_id"], ["care_case.id"], name=op.f("fk_case_task_case_id_care_case"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["staff_id"], ["staff_member.id"], name=op.f("fk_case_task_staff_id_staff_member")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_case_task")),
    )
    op.create_index(op.f("ix_case_task_case_id"), "case_task", ["case_id"], unique=False)
    op.create_index(op.f("ix_case_task_staff_id"), "case_task", ["staff_id"], unique=False)

    with op.batch_alter_table("audit_event", schema=None) as batch_op:
        batch_op.add_column(sa.Column("actor_unit", sa.String(), server_default="", nullable=False))
        batch_op.add_column(sa.Column("actor_roles", sa.String(), server_default="", nullable=False))
        batch_op.add_column(sa.Column("reason_key", sa.LargeBinary(), nullable=True))
        batch_op.add_column(sa.Column("reason", sa.LargeBinary(), nullable=True))
        batch_op.create_index(batch_op.f("ix_audit_event_actor_id"), ["actor", "id"], unique=False)
        batch_op.create_index(batch_op.f("ix_audit_event_actor_unit_id"), ["actor_unit", "id"], unique=False)


def downgrade() -> None:
    with op.batch_alter_table("audit_event", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_audit_event_actor_unit_id"))
        batch_op.drop_index(batch_op.f("ix_audit_event_actor_id"))
        batch_op.drop_column("reason")
        batch_op.drop_column("reason_key")
        batch_op.drop_column("actor_roles")
        batch_op.drop_column("actor_unit")

    op.drop_table("case_task")
    op.drop_table("case_source")
    op.drop_table("case_seat")
    op.drop_table("case_question")
    op.drop_table("case_note")
    op.drop_table("case_meeting")
    op.drop_table("case_event")
    op.drop_table("family_member")
    op.drop_table("care_case")
    op.drop_table("withheld")
    op.drop_table("person")
    op.drop_table("family")
    op.drop_table("access_tie")
    op.drop_table("access_opening")
    op.drop_table("audit_seal")
