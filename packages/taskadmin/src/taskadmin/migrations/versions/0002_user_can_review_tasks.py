"""Add ``can_review_tasks`` to users; existing users may not review."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "taskadmin_user",
        sa.Column("can_review_tasks", sa.Boolean(), server_default=sa.false(), nullable=False),
    )


def downgrade() -> None:
    # Rewrites the table on SQLite, since older versions can't drop a column. The copy needs
    # autoincrement, so that ids aren't reused.
    with op.batch_alter_table(
        "taskadmin_user", table_kwargs={"sqlite_autoincrement": True}
    ) as batch:
        batch.drop_column("can_review_tasks")
