"""Add durations of jobs and the concurrency of workers, for the size of messages."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "taskadmin_job_duration",
        sa.Column("job", sa.String(100), nullable=False),
        sa.Column("runs", sa.Double(), nullable=False),
        sa.Column("seconds", sa.Double(), nullable=False),
        sa.Column("squares", sa.Double(), nullable=False),
        sa.Column("noted_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("job", name="taskadmin_job_duration_pkey"),
    )
    op.add_column(
        "taskadmin_process",
        sa.Column("processes", sa.Integer(), server_default="1", nullable=False),
    )


def downgrade() -> None:
    op.drop_column("taskadmin_process", "processes")
    op.drop_table("taskadmin_job_duration")
