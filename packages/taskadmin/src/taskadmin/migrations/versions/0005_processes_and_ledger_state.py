"""Add processes with heartbeats, the launchers' shared state, and tombstones of tasks."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

COUNTERS = ("resumed", "taken_back", "republished", "given_up", "missed", "pruned")


def _index_open_launches(predicate: str) -> None:
    op.create_index(
        "taskadmin_launch_open_idx",
        "taskadmin_launch",
        ["id"],
        postgresql_where=sa.text(predicate),
        sqlite_where=sa.text(predicate),
    )


def upgrade() -> None:
    op.create_table(
        "taskadmin_process",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("host", sa.String(200), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("parent_pid", sa.Integer(), nullable=True),
        sa.Column("queues", sa.String(1000), server_default="", nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("gone_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("cleared", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("ending", sa.String(16), nullable=True),
        sa.Column("reason", sa.String(500), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("taskadmin_process_pkey")),
        sa.CheckConstraint(
            "kind IN ('beat', 'launcher', 'worker', 'child')",
            name=op.f("taskadmin_process_kind_check"),
        ),
        sa.CheckConstraint(
            "ending IN ('stopped', 'lost', 'time_limit')",
            name=op.f("taskadmin_process_ending_check"),
        ),
        sa.CheckConstraint(
            "(gone_at IS NULL) = (ending IS NULL)", name=op.f("taskadmin_process_gone_at_check")
        ),
    )
    state = op.create_table(
        "taskadmin_state",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        *(
            sa.Column(name, sa.DateTime(timezone=True), nullable=True)
            for name in ("ticked_at", "watched_from")
        ),
        sa.Column("interval_s", sa.Double(), nullable=True),
        sa.Column("slots_upto", sa.DateTime(timezone=True), nullable=True),
        sa.Column("pruned_before", sa.DateTime(timezone=True), nullable=True),
        sa.Column("pruned_task_id", sa.BigInteger(), server_default="0", nullable=False),
        *(
            sa.Column(name, sa.BigInteger(), server_default="0", nullable=False)
            for name in COUNTERS
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("taskadmin_state_pkey")),
        sa.CheckConstraint("id = 1", name=op.f("taskadmin_state_one_row_check")),
    )
    op.bulk_insert(state, [{"id": 1}])
    op.create_index(
        "taskadmin_launch_closed_at_idx",
        "taskadmin_launch",
        ["closed_at"],
        postgresql_where=sa.text("closed_at IS NOT NULL"),
        sqlite_where=sa.text("closed_at IS NOT NULL"),
    )
    # Excludes missed slots from the index of open launches: there may be years of them.
    op.drop_index("taskadmin_launch_open_idx", "taskadmin_launch")
    _index_open_launches("closed_at IS NULL AND state <> 'missed'")
    with op.batch_alter_table("taskadmin_task") as task:
        task.add_column(sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True))
    op.create_index(
        "taskadmin_task_deleted_at_idx",
        "taskadmin_task",
        ["deleted_at"],
        postgresql_where=sa.text("deleted_at IS NOT NULL"),
        sqlite_where=sa.text("deleted_at IS NOT NULL"),
    )


def downgrade() -> None:
    # Without the column, deleted tasks would reappear.
    for table, column in (("taskadmin_task_result", "task_id"), ("taskadmin_task", "id")):
        op.execute(
            f"DELETE FROM {table} WHERE {column} IN"  # noqa: S608 - names of this file
            " (SELECT id FROM taskadmin_task WHERE deleted_at IS NOT NULL)"
        )
    op.drop_index("taskadmin_task_deleted_at_idx", "taskadmin_task")
    with op.batch_alter_table("taskadmin_task") as task:
        task.drop_column("deleted_at")
    op.drop_index("taskadmin_launch_open_idx", "taskadmin_launch")
    _index_open_launches("closed_at IS NULL")
    op.drop_index("taskadmin_launch_closed_at_idx", "taskadmin_launch")
    op.drop_table("taskadmin_state")
    op.drop_table("taskadmin_process")
