"""Add results: one row per run of a task."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "taskadmin_task_result",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("task_id", sa.Integer(), nullable=False),
        sa.Column("launch_id", sa.BigInteger(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("job", sa.String(100), nullable=False),
        sa.Column("queue", sa.String(100), nullable=False),
        sa.Column("task_params", sa.JSON(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("reason", sa.String(500), nullable=True),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("max_attempts", sa.Integer(), server_default="1", nullable=False),
        sa.Column("publishes", sa.Integer(), server_default="0", nullable=False),
        sa.Column("retry_of", sa.BigInteger(), nullable=True),
        sa.Column("queued_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("not_before", sa.DateTime(timezone=True), nullable=True),
        sa.Column("token", sa.Uuid(), nullable=True),
        sa.Column("process_id", sa.Uuid(), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("worker", sa.String(200), nullable=True),
        sa.Column("result", sa.Double(), nullable=True),
        sa.Column("output", sa.JSON(), nullable=True),
        sa.Column("error_type", sa.String(200), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("attempt_log", sa.JSON(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("taskadmin_task_result_pkey")),
        sa.ForeignKeyConstraint(
            ["task_id"],
            ["taskadmin_task.id"],
            name=op.f("taskadmin_task_result_task_id_fkey"),
            ondelete="CASCADE",
        ),
        sa.UniqueConstraint(
            "task_id", "due_at", name=op.f("taskadmin_task_result_task_id_due_at_key")
        ),
        sa.CheckConstraint(
            "state IN ('queued', 'running', 'succeeded', 'failed', 'skipped', 'cancelled')",
            name=op.f("taskadmin_task_result_state_check"),
        ),
        sa.CheckConstraint(
            "(finished_at IS NOT NULL) = (state IN ('succeeded', 'failed', 'skipped', 'cancelled'))",
            name=op.f("taskadmin_task_result_finished_at_check"),
        ),
        sa.CheckConstraint(
            "state <> 'skipped' OR reason IS NOT NULL",
            name=op.f("taskadmin_task_result_skipped_reason_check"),
        ),
        sa.CheckConstraint(
            "state <> 'running' OR (token IS NOT NULL AND process_id IS NOT NULL)",
            name=op.f("taskadmin_task_result_running_owner_check"),
        ),
        sqlite_autoincrement=True,
    )
    if op.get_context().dialect.name == "postgresql":
        # Keeps half of each page free, so that a run's completion stays on its page.
        op.execute(
            "ALTER TABLE taskadmin_task_result"
            " SET (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02)"
        )
    op.create_index(
        "taskadmin_task_result_launch_id_id_idx", "taskadmin_task_result", ["launch_id", "id"]
    )
    for name, columns, where in (
        ("open", ["launch_id", "id"], "finished_at IS NULL"),
        ("not_before", ["not_before"], "not_before IS NOT NULL AND finished_at IS NULL"),
        ("error_type", ["error_type", "id"], "error_type IS NOT NULL"),
    ):
        op.create_index(
            f"taskadmin_task_result_{name}_idx",
            "taskadmin_task_result",
            columns,
            postgresql_where=sa.text(where),
            sqlite_where=sa.text(where),
        )


def downgrade() -> None:
    op.drop_table("taskadmin_task_result")
