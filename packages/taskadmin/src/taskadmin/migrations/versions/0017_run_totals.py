"""Add totals of finished runs, which metrics read."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "taskadmin_run_total",
        sa.Column("minute", sa.DateTime(timezone=True), nullable=False),
        sa.Column("job", sa.String(100), nullable=False),
        sa.Column("queue", sa.String(100), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("runs", sa.BigInteger(), nullable=False),
        sa.Column("seconds", sa.Double(), nullable=False),
        sa.Column("ran", sa.JSON(), nullable=False),
        sa.Column("waited_seconds", sa.Double(), nullable=False),
        sa.Column("waited", sa.JSON(), nullable=False),
        sa.Column("last_minute", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("minute", "job", "queue", "state", name="taskadmin_run_total_pkey"),
    )


def downgrade() -> None:
    op.drop_table("taskadmin_run_total")
