"""Add problems that processes report, such as a worker that makes no progress."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("taskadmin_process", sa.Column("trouble", sa.String(500), nullable=True))


def downgrade() -> None:
    # Nothing refers to this column, so SQLite drops it in place, too.
    op.drop_column("taskadmin_process", "trouble")
