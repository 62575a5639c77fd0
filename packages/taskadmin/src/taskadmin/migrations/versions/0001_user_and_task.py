"""Add users and tasks, as in the application's first release.

Types are spelled out and nothing is imported from taskadmin, so that this revision creates the same
tables however the models change later.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

MAX = "1.7976931348623157e308"


def upgrade() -> None:
    op.create_table(
        "taskadmin_user",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("username", sa.String(64), nullable=False),
        sa.Column("username_key", sa.String(192), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=True),
        sa.Column("is_active", sa.Boolean(), server_default=sa.true(), nullable=False),
        sa.Column("is_superuser", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("session_nonce", sa.String(64), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("taskadmin_user_pkey")),
        sa.UniqueConstraint("username_key", name=op.f("taskadmin_user_username_key_key")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "taskadmin_task",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("name", sa.String(200), nullable=True),
        sa.Column("job", sa.String(100), server_default="generate_random_number", nullable=False),
        sa.Column("lower_limit", sa.Double(), nullable=True),
        sa.Column("upper_limit", sa.Double(), nullable=True),
        sa.Column("params", sa.JSON(), server_default="{}", nullable=False),
        sa.Column("enabled", sa.Boolean(), server_default=sa.true(), nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("taskadmin_task_pkey")),
        sa.ForeignKeyConstraint(
            ["created_by"],
            ["taskadmin_user.id"],
            name=op.f("taskadmin_task_created_by_fkey"),
            ondelete="RESTRICT",
        ),
        sa.CheckConstraint(
            f"lower_limit >= -{MAX} AND upper_limit <= {MAX} AND lower_limit <= upper_limit",
            name=op.f("taskadmin_task_limits_ordered_check"),
        ),
        sa.CheckConstraint(
            "(job = 'generate_random_number') = (lower_limit IS NOT NULL)"
            " AND (job = 'generate_random_number') = (upper_limit IS NOT NULL)",
            name=op.f("taskadmin_task_limits_of_job_check"),
        ),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("taskadmin_task_created_by_idx"), "taskadmin_task", ["created_by"])


def downgrade() -> None:
    op.drop_table("taskadmin_task")
    op.drop_table("taskadmin_user")
