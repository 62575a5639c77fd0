"""Add second factors: authenticator apps and recovery codes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "taskadmin_second_factor",
        sa.Column("user_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("secret", sa.Text(), nullable=False),
        sa.Column("last_step", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"],
            ["taskadmin_user.id"],
            name="taskadmin_second_factor_user_id_fkey",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("user_id", name="taskadmin_second_factor_pkey"),
    )
    op.create_table(
        "taskadmin_recovery_code",
        sa.Column("user_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("code_hash", sa.String(64), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"],
            ["taskadmin_user.id"],
            name="taskadmin_recovery_code_user_id_fkey",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("user_id", "code_hash", name="taskadmin_recovery_code_pkey"),
    )


def downgrade() -> None:
    op.drop_table("taskadmin_recovery_code")
    op.drop_table("taskadmin_second_factor")
