"""Add login sessions, so that they can be listed and ended one by one."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "taskadmin_session",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("key_hash", sa.String(64), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("nonce", sa.String(64), nullable=False),
        sa.Column("begun_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("confirmed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("address", sa.String(100), nullable=False),
        sa.Column("user_agent", sa.String(300), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"],
            ["taskadmin_user.id"],
            name="taskadmin_session_user_id_fkey",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name="taskadmin_session_pkey"),
        sa.UniqueConstraint("key_hash", name="taskadmin_session_key_hash_key"),
        sqlite_autoincrement=True,
    )
    op.create_index("taskadmin_session_user_id_idx", "taskadmin_session", ["user_id"])


def downgrade() -> None:
    op.drop_table("taskadmin_session")
