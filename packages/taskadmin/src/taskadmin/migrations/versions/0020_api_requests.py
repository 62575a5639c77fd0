"""Add requests of the API with an Idempotency-Key, so that a repeated one does nothing."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "taskadmin_api_request",
        sa.Column("user_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("key_hash", sa.String(64), nullable=False),
        sa.Column("request_hash", sa.String(64), nullable=False),
        sa.Column("begun_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("body", sa.Text(), nullable=True),
        sa.Column("headers", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["user_id"],
            ["taskadmin_user.id"],
            name="taskadmin_api_request_user_id_fkey",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("user_id", "key_hash", name="taskadmin_api_request_pkey"),
    )
    op.create_index("taskadmin_api_request_begun_at_idx", "taskadmin_api_request", ["begun_at"])


def downgrade() -> None:
    op.drop_table("taskadmin_api_request")
