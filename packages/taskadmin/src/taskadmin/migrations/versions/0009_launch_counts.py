"""What became of the runs of large launches, counted once when they are closed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_COLUMNS = ("succeeded", "failed", "cancelled")


def upgrade() -> None:
    for name in _COLUMNS:
        op.add_column("taskadmin_launch", sa.Column(name, sa.Integer(), nullable=True))


def downgrade() -> None:
    # Columns that nothing refers to: SQLite drops them in place, too.
    for name in reversed(_COLUMNS):
        op.drop_column("taskadmin_launch", name)
