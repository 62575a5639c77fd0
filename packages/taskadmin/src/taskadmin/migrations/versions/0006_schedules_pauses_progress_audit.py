"""Add schedules, pauses, progress of runs, the audit trail, and boots of processes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
#: Check constraints of taskadmin_schedule by the last part of their names.
CHECKS = {
    "kind": "kind IN ('slot', 'interval', 'cron', 'once')",
    "definition_of_kind": (
        "(kind = 'interval') = (every_s IS NOT NULL)"
        " AND (kind = 'cron') = (cron IS NOT NULL)"
        " AND (kind = 'once') = (once_at IS NOT NULL)"
    ),
    "every_s": "every_s IS NULL OR every_s >= 1",
    "ends_after_start": "starts_at <= ends_at",
    "max_runs": "max_runs IS NULL OR max_runs >= 1",
    "missed_runs": "missed_runs IN ('skip', 'once', 'all')",
    "overlap": "overlap IN ('allow', 'skip', 'queue_one')",
    "not_negative": "grace_s >= 0 AND jitter_s >= 0",
    "pause_after": "pause_after IS NULL OR pause_after >= 1",
}
REFUSAL = "entries of the audit trail are never changed or deleted"


def upgrade() -> None:
    op.add_column("taskadmin_process", sa.Column("boot", sa.Uuid(), nullable=True))
    op.create_table(
        "taskadmin_schedule",
        sa.Column("task_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("every_s", sa.Integer(), nullable=True),
        sa.Column("cron", sa.String(200), nullable=True),
        sa.Column("zone", sa.String(64), server_default="UTC", nullable=False),
        sa.Column("once_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("max_runs", sa.Integer(), nullable=True),
        sa.Column("missed_runs", sa.String(16), server_default="once", nullable=False),
        sa.Column("grace_s", sa.Integer(), server_default="60", nullable=False),
        sa.Column("overlap", sa.String(16), server_default="allow", nullable=False),
        sa.Column("jitter_s", sa.Integer(), server_default="0", nullable=False),
        sa.Column("pause_after", sa.Integer(), nullable=True),
        sa.Column("next_due", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_due", sa.DateTime(timezone=True), nullable=True),
        sa.Column("runs", sa.Integer(), server_default="0", nullable=False),
        sa.Column("current_run_id", sa.BigInteger(), nullable=True),
        sa.Column("waiting_run_id", sa.BigInteger(), nullable=True),
        sa.Column("error", sa.String(500), nullable=True),
        sa.PrimaryKeyConstraint("task_id", name=op.f("taskadmin_schedule_pkey")),
        sa.ForeignKeyConstraint(
            ["task_id"],
            ["taskadmin_task.id"],
            name=op.f("taskadmin_schedule_task_id_fkey"),
            ondelete="CASCADE",
        ),
        *(
            sa.CheckConstraint(rule, name=op.f(f"taskadmin_schedule_{name}_check"))
            for name, rule in CHECKS.items()
        ),
    )
    op.create_index(
        "taskadmin_schedule_next_due_idx",
        "taskadmin_schedule",
        ["next_due"],
        postgresql_where=sa.text("next_due IS NOT NULL"),
        sqlite_where=sa.text("next_due IS NOT NULL"),
    )
    op.create_index(
        "taskadmin_schedule_waiting_run_id_idx",
        "taskadmin_schedule",
        ["task_id"],
        postgresql_where=sa.text("waiting_run_id IS NOT NULL"),
        sqlite_where=sa.text("waiting_run_id IS NOT NULL"),
    )
    op.create_table(
        "taskadmin_pause",
        sa.Column("task_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("paused_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("paused_by", sa.Integer(), nullable=True),
        sa.Column("note", sa.String(500), nullable=True),
        sa.Column("resume_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("task_id", name=op.f("taskadmin_pause_pkey")),
        sa.ForeignKeyConstraint(
            ["task_id"],
            ["taskadmin_task.id"],
            name=op.f("taskadmin_pause_task_id_fkey"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["paused_by"],
            ["taskadmin_user.id"],
            name=op.f("taskadmin_pause_paused_by_fkey"),
            ondelete="RESTRICT",
        ),
    )
    op.create_index(
        "taskadmin_pause_resume_at_idx",
        "taskadmin_pause",
        ["resume_at"],
        postgresql_where=sa.text("resume_at IS NOT NULL"),
        sqlite_where=sa.text("resume_at IS NOT NULL"),
    )
    # Disabled tasks become paused tasks.
    op.execute(
        "INSERT INTO taskadmin_pause (task_id, paused_at)"
        " SELECT id, updated_at FROM taskadmin_task WHERE NOT enabled AND deleted_at IS NULL"
    )
    op.create_table(
        "taskadmin_run_progress",
        sa.Column("result_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("progress", sa.Double(), nullable=True),
        sa.Column("lines", sa.JSON(), server_default="[]", nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("result_id", name=op.f("taskadmin_run_progress_pkey")),
        sa.CheckConstraint(
            "progress >= 0 AND progress <= 1", name=op.f("taskadmin_run_progress_progress_check")
        ),
    )
    op.create_table(
        "taskadmin_audit",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor_id", sa.BigInteger(), nullable=True),
        sa.Column("actor", sa.String(200), nullable=False),
        sa.Column("source", sa.String(100), nullable=False),
        sa.Column("action", sa.String(32), nullable=False),
        sa.Column("subject_kind", sa.String(16), nullable=False),
        sa.Column("subject_id", sa.BigInteger(), nullable=False),
        sa.Column("subject", sa.String(200), nullable=False),
        sa.Column("before", sa.JSON(), nullable=True),
        sa.Column("after", sa.JSON(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("taskadmin_audit_pkey")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "taskadmin_audit_subject_idx", "taskadmin_audit", ["subject_kind", "subject_id", "id"]
    )
    op.create_index("taskadmin_audit_actor_id_idx", "taskadmin_audit", ["actor_id", "id"])
    _let_nobody_change_the_audit_trail()


def _let_nobody_change_the_audit_trail() -> None:
    if op.get_bind().dialect.name == "sqlite":
        for verb in ("update", "delete"):
            op.execute(
                f"CREATE TRIGGER taskadmin_audit_no_{verb} BEFORE {verb.upper()} ON taskadmin_audit"
                f" BEGIN SELECT RAISE(ABORT, '{REFUSAL}'); END"
            )
        return
    op.execute(
        "CREATE FUNCTION taskadmin_audit_refuse() RETURNS trigger LANGUAGE plpgsql AS"
        f" $$ BEGIN RAISE EXCEPTION '{REFUSAL}'; END $$"
    )
    op.execute(
        "CREATE TRIGGER taskadmin_audit_no_change BEFORE UPDATE OR DELETE OR TRUNCATE"
        " ON taskadmin_audit FOR EACH STATEMENT EXECUTE FUNCTION taskadmin_audit_refuse()"
    )


def downgrade() -> None:
    # Drops its triggers too.
    op.drop_table("taskadmin_audit")
    if op.get_bind().dialect.name != "sqlite":
        op.execute("DROP FUNCTION taskadmin_audit_refuse()")
    op.drop_table("taskadmin_run_progress")
    op.drop_table("taskadmin_pause")
    op.drop_table("taskadmin_schedule")
    with op.batch_alter_table("taskadmin_process") as process:
        process.drop_column("boot")
