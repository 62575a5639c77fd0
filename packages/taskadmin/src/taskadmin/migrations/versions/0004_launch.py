"""Add launches: the fan-out that a run belongs to, and its progress."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "taskadmin_launch",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("slot", sa.DateTime(timezone=True), nullable=True),
        sa.Column("interval_s", sa.Double(), nullable=True),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("reason", sa.String(500), nullable=True),
        sa.Column("requested_by", sa.Integer(), nullable=True),
        sa.Column("request_key", sa.Uuid(), nullable=True),
        sa.Column("after_task_id", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("upto_task_id", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("published_id", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("owner", sa.Uuid(), nullable=True),
        sa.Column("owner_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("queued", sa.Integer(), server_default="0", nullable=False),
        sa.Column("skipped", sa.Integer(), server_default="0", nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("taskadmin_launch_pkey")),
        sa.ForeignKeyConstraint(
            ["requested_by"],
            ["taskadmin_user.id"],
            name=op.f("taskadmin_launch_requested_by_fkey"),
            ondelete="RESTRICT",
        ),
        sa.UniqueConstraint("request_key", name=op.f("taskadmin_launch_request_key_key")),
        sa.CheckConstraint(
            "kind IN ('slot', 'due', 'manual', 'api')", name=op.f("taskadmin_launch_kind_check")
        ),
        sa.CheckConstraint(
            "state IN ('opening', 'published', 'closed', 'missed')",
            name=op.f("taskadmin_launch_state_check"),
        ),
        sa.CheckConstraint(
            "(kind = 'slot') = (slot IS NOT NULL)",
            name=op.f("taskadmin_launch_slot_of_kind_check"),
        ),
        sa.CheckConstraint(
            "(state = 'closed') = (closed_at IS NOT NULL)",
            name=op.f("taskadmin_launch_closed_at_check"),
        ),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "taskadmin_launch_slot_key",
        "taskadmin_launch",
        ["slot"],
        unique=True,
        postgresql_where=sa.text("kind = 'slot'"),
        sqlite_where=sa.text("kind = 'slot'"),
    )
    op.create_index(
        "taskadmin_launch_open_idx",
        "taskadmin_launch",
        ["id"],
        postgresql_where=sa.text("closed_at IS NULL"),
        sqlite_where=sa.text("closed_at IS NULL"),
    )


def downgrade() -> None:
    op.drop_table("taskadmin_launch")
