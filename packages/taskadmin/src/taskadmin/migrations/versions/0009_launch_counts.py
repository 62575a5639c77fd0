"""Add counts of large launches' runs, stored when a launch is closed."""

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
    # Nothing refers to these columns, so SQLite drops them in place, too.
    for name in reversed(_COLUMNS):
        op.drop_column("taskadmin_launch", name)
