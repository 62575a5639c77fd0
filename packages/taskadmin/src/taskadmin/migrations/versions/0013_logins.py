"""Limit log ins, record browsers in the audit trail, and find usernames that look alike.

Also marks passwords that users have to change.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from taskadmin.values.confusables import skeleton

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

_USER = sa.table("taskadmin_user", *map(sa.column, ("id", "username", "username_skeleton")))


def upgrade() -> None:
    op.create_table(
        "taskadmin_throttle",
        sa.Column("counter", sa.String(16), nullable=False),
        sa.Column("key", sa.String(200), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("blocked_until", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("counter", "key", name="taskadmin_throttle_pkey"),
    )
    op.create_index("taskadmin_throttle_blocked_until_idx", "taskadmin_throttle", ["blocked_until"])
    op.add_column("taskadmin_audit", sa.Column("user_agent", sa.String(200), nullable=True))
    op.add_column("taskadmin_audit", sa.Column("request_id", sa.String(128), nullable=True))
    op.add_column(
        "taskadmin_user",
        sa.Column("must_change_password", sa.Boolean(), server_default=sa.false(), nullable=False),
    )
    op.add_column("taskadmin_user", sa.Column("username_skeleton", sa.String(255), nullable=True))
    _add_skeletons()
    op.create_index(
        "taskadmin_user_username_skeleton_idx",
        "taskadmin_user",
        ["username_skeleton"],
        unique=True,
    )


def _add_skeletons() -> None:
    """Store skeletons; of existing usernames that look alike, only the oldest gets one."""
    connection = op.get_bind()
    taken: set[str] = set()
    names = connection.execute(sa.select(_USER.c.id, _USER.c.username).order_by(_USER.c.id)).all()
    for user_id, username in names:
        name_skeleton = skeleton(username)
        if name_skeleton not in taken:
            taken.add(name_skeleton)
            connection.execute(
                sa.update(_USER)
                .where(_USER.c.id == user_id)
                .values(username_skeleton=name_skeleton)
            )


def downgrade() -> None:
    op.drop_index("taskadmin_user_username_skeleton_idx", "taskadmin_user")
    # Columns that nothing refers to: SQLite drops them in place, too.
    for name in ("username_skeleton", "must_change_password"):
        op.drop_column("taskadmin_user", name)
    for name in ("request_id", "user_agent"):
        op.drop_column("taskadmin_audit", name)
    op.drop_table("taskadmin_throttle")
