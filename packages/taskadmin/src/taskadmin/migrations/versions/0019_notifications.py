"""Add notifications: channels, rules and notices, and an index of recent audit entries."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "taskadmin_channel",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("signing_key", sa.Text(), nullable=True),
        sa.Column("gather_seconds", sa.Integer(), server_default="60", nullable=False),
        sa.Column("quiet_from", sa.String(5), nullable=True),
        sa.Column("quiet_until", sa.String(5), nullable=True),
        sa.Column("zone", sa.String(64), server_default="UTC", nullable=False),
        sa.Column("read_upto", sa.DateTime(timezone=True), nullable=False),
        sa.Column("task_id", sa.Integer(), nullable=True),
        sa.Column("created_by", sa.Integer(), nullable=False),
        sa.CheckConstraint("kind IN ('apprise', 'webhook')", name="taskadmin_channel_kind_check"),
        sa.CheckConstraint("gather_seconds >= 0", name="taskadmin_channel_gather_seconds_check"),
        sa.CheckConstraint(
            "(quiet_from IS NULL) = (quiet_until IS NULL)",
            name="taskadmin_channel_quiet_hours_check",
        ),
        sa.ForeignKeyConstraint(
            ["task_id"],
            ["taskadmin_task.id"],
            name="taskadmin_channel_task_id_fkey",
            ondelete="SET NULL",
        ),
        sa.ForeignKeyConstraint(
            ["created_by"],
            ["taskadmin_user.id"],
            name="taskadmin_channel_created_by_fkey",
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("id", name="taskadmin_channel_pkey"),
        sa.UniqueConstraint("name", name="taskadmin_channel_name_key"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "taskadmin_rule",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("channel_id", sa.Integer(), nullable=False),
        sa.Column("event", sa.String(32), nullable=False),
        sa.Column("number", sa.Integer(), nullable=True),
        sa.Column("job", sa.String(100), nullable=True),
        sa.Column("task_id", sa.Integer(), nullable=True),
        sa.CheckConstraint("job IS NULL OR task_id IS NULL", name="taskadmin_rule_one_scope_check"),
        sa.CheckConstraint("number IS NULL OR number >= 1", name="taskadmin_rule_number_check"),
        sa.ForeignKeyConstraint(
            ["channel_id"],
            ["taskadmin_channel.id"],
            name="taskadmin_rule_channel_id_fkey",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["task_id"],
            ["taskadmin_task.id"],
            name="taskadmin_rule_task_id_fkey",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name="taskadmin_rule_pkey"),
        sqlite_autoincrement=True,
    )
    for column in ("channel_id", "task_id"):
        op.create_index(f"taskadmin_rule_{column}_idx", "taskadmin_rule", [column])
    op.create_table(
        "taskadmin_notice",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("channel_id", sa.Integer(), nullable=False),
        sa.Column("event", sa.String(32), nullable=False),
        sa.Column("key", sa.String(250), nullable=False),
        sa.Column("noted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("task_id", sa.BigInteger(), nullable=True),
        sa.Column("run_id", sa.BigInteger(), nullable=True),
        sa.Column("error_type", sa.String(200), nullable=True),
        sa.Column("subject", sa.String(200), nullable=True),
        sa.Column("delivery_id", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["channel_id"],
            ["taskadmin_channel.id"],
            name="taskadmin_notice_channel_id_fkey",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name="taskadmin_notice_pkey"),
        sa.UniqueConstraint("channel_id", "key", name="taskadmin_notice_channel_id_key_key"),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "taskadmin_notice_pending_idx",
        "taskadmin_notice",
        ["channel_id", "id"],
        postgresql_where=sa.text("delivery_id IS NULL"),
        sqlite_where=sa.text("delivery_id IS NULL"),
    )
    op.create_index("taskadmin_notice_noted_at_idx", "taskadmin_notice", ["noted_at"])
    op.create_index("taskadmin_audit_at_idx", "taskadmin_audit", ["at"], postgresql_using="brin")


def downgrade() -> None:
    op.drop_index("taskadmin_audit_at_idx", "taskadmin_audit")
    for table in ("notice", "rule", "channel"):
        op.drop_table(f"taskadmin_{table}")
