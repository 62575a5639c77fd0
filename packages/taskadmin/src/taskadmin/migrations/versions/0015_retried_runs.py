"""Add an index of retries, to find which runs were retried."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "taskadmin_task_result_retry_of_idx",
        "taskadmin_task_result",
        ["retry_of"],
        postgresql_where=sa.text("retry_of IS NOT NULL"),
        sqlite_where=sa.text("retry_of IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_index("taskadmin_task_result_retry_of_idx", "taskadmin_task_result")
