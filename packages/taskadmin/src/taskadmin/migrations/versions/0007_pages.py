"""Add users' language and zone, counts per minute, and an index of recent failures."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("taskadmin_user", sa.Column("language", sa.String(16), nullable=True))
    op.add_column("taskadmin_user", sa.Column("zone", sa.String(64), nullable=True))
    op.add_column(
        "taskadmin_state", sa.Column("counted_upto", sa.DateTime(timezone=True), nullable=True)
    )
    op.create_table(
        "taskadmin_minute_count",
        sa.Column("minute", sa.DateTime(timezone=True), nullable=False),
        *(
            sa.Column(name, sa.Integer(), server_default="0", nullable=False)
            for name in ("succeeded", "failed", "skipped", "cancelled")
        ),
        sa.PrimaryKeyConstraint("minute", name=op.f("taskadmin_minute_count_pkey")),
    )
    op.create_index(
        "taskadmin_task_result_error_id_idx",
        "taskadmin_task_result",
        ["id"],
        postgresql_where=sa.text("error_type IS NOT NULL"),
        sqlite_where=sa.text("error_type IS NOT NULL"),
    )
    op.create_index(
        "taskadmin_task_result_finished_at_idx",
        "taskadmin_task_result",
        ["finished_at"],
        postgresql_using="brin",
        postgresql_with={"pages_per_range": 32, "autosummarize": "true"},
    )


def downgrade() -> None:
    op.drop_index("taskadmin_task_result_finished_at_idx", "taskadmin_task_result")
    op.drop_index("taskadmin_task_result_error_id_idx", "taskadmin_task_result")
    op.drop_table("taskadmin_minute_count")
    # Nothing refers to these columns, so SQLite drops them in place, too.
    op.drop_column("taskadmin_state", "counted_upto")
    op.drop_column("taskadmin_user", "zone")
    op.drop_column("taskadmin_user", "language")
