"""Add indexes of paused tasks and of tasks' jobs."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "taskadmin_task_paused_idx",
        "taskadmin_task",
        ["id"],
        postgresql_where=sa.text("enabled IS false"),
        sqlite_where=sa.text("enabled IS 0"),
    )
    op.create_index("taskadmin_task_job_idx", "taskadmin_task", ["job", "id"])


def downgrade() -> None:
    op.drop_index("taskadmin_task_job_idx", "taskadmin_task")
    op.drop_index("taskadmin_task_paused_idx", "taskadmin_task")
